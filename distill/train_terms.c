/* SPDX-License-Identifier: Apache-2.0 */
/* A term of the loss in a step: what it is bound to, the weights that it learns beside the student's, and the numbers that it keeps. */
#include <stdio.h>
#include <string.h>
#include "distill/play.h"
#include "distill/train_private.h"

static lb_tensor *find(const lbi_env *e, const char *name) {
    for (int i = 0; i < e->count; i++)
        if (strcmp(e->at[i].name, name) == 0) return e->at[i].x;
    return NULL;
}

/* Draws the values of one tensor, and leaves the others of its store as they are: they may come from a checkpoint. */
static lb_status draw(lb_param_tensor *p, lb_init init, uint64_t seed) {
    lb_status st = LB_OK;
    lb_store *alone = NULL;
    lb_param_tensor *fresh = NULL;
    LB_TRY(lb_store_new(&alone));
    LB_TRY(lb_store_add(&fresh, alone, p->name, p->x->rank, p->x->shape, init, 0));
    LB_TRY(lb_store_init(alone, seed));
    memcpy(p->x->data, fresh->x->data, (size_t)lb_numel(p->x) * sizeof(lb_real));
done:
    lb_store_free(alone);
    return st;
}

/* "proj.<term>.<name>", trained with the student and saved apart from it. */
lb_tensor *lbi_learned(lbi_train *r, const lb_objective *o, const char *what, int rank, const int64_t *shape) {
    char name[192];
    lb_param_tensor *p = NULL;
    lb_init init = rank > 1 ? LB_INIT_KAIMING_UNIFORM : LB_INIT_ZEROS;
    snprintf(name, sizeof name, "proj.%s.%s", o->name, what);
    bool fresh = lb_store_find(r->projectors, name) == NULL;
    lb_status st = lb_store_add(&p, r->projectors, name, rank, shape, init, 0);
    if (st == LB_OK && fresh) st = draw(p, init, r->spec->seed);
    return st == LB_OK ? p->x : lb_tape_fail_status(r->tape, st);
}

/* ---- weights of the method ---- */

/* Letters of the signature, from what is bound. */
static void bind_letters(lb_sig_dims *dims, const lb_sig *sig, const lb_objective *o, lb_tensor *const *in) {
    lb_sig_dims_init(dims);
    for (int i = 0; i < o->nbind; i++) {
        lb_sig_item item;
        int at = lb_sig_input_find(sig, o->inputs[i]);
        if (at < 0) continue;
        lb_sig_item_at(sig, false, at, &item);
        int lead = in[i]->rank - item.rank;
        for (int k = 0; k < item.rank && lead >= 0; k++)
            if (item.dims[k].letter[0] && item.dims[k].letter[0] != '*' && item.dims[k].times == 1) lb_sig_dims_set(dims, item.dims[k].letter, in[i]->shape[lead + k] - item.dims[k].plus);
    }
}

static bool is_bound(const lb_objective *o, const char *name) {
    for (int i = 0; i < o->nbind; i++)
        if (strcmp(o->inputs[i], name) == 0) return true;
    return false;
}

static lb_status add_input(lbi_inputs *in, const lb_objective *o, const char *name, lb_tensor *x) {
    if (in->count == LBI_INPUTS_MAX) return lb_fail(LB_E_LIMIT, "%s binds more than %d inputs", o->name, LBI_INPUTS_MAX);
    in->names[in->count] = name;
    in->x[in->count++] = x;
    return LB_OK;
}

/* What the recipe does not bind and the method draws or learns, in the size that the others ask for. */
static lb_status add_inputs(lbi_train *r, const lb_objective *o, const lb_sig *sig, const lb_sig *weights, lbi_inputs *in) {
    lb_status st = LB_OK;
    lb_sig_dims dims;
    int64_t shape[LB_MAX_RANK];
    int rank;
    bind_letters(&dims, sig, o, in->x);
    for (int i = 0; i < lb_sig_inputs(sig); i++) {
        const char *name = lb_sig_input_name(sig, i);
        if (is_bound(o, name) || strchr(name, '*')) continue;
        lb_tensor *drawn = o->method->draw ? o->method->draw(r->tape, o->cfg, name, &dims, lb_tape_rng(r->tape)) : NULL;
        if (drawn) LB_TRY(add_input(in, o, name, drawn));
        if (drawn || !weights || lb_sig_input_find(weights, name) < 0) continue;
        LB_TRY(lb_sig_shape_of(sig, &dims, false, i, shape, &rank));
        LB_TRY(add_input(in, o, name, lbi_learned(r, o, name, rank, shape)));
    }
done:
    return st;
}

/* Masks of a batch are whole numbers; components take weights. */
static void to_real(lbi_train *r, const lb_sig *sig, lbi_inputs *in) {
    for (int i = 0; i < in->count; i++) {
        int at = lb_sig_input_find(sig, in->names[i]);
        if (at >= 0 && lb_sig_input_type(sig, at) == LB_SIG_F32 && in->x[i]->dtype == LB_I64) in->x[i] = lb_to_real(r->tape, in->x[i]);
    }
}

/* ---- numbers that a method keeps ---- */

static lb_status find_state(lbi_train *r, const lb_objective *o, lb_tensor *state[LBI_STATE_MAX]) {
    lb_status st = LB_OK;
    lb_sig *sig = NULL;
    lb_sig_dims none;
    char name[192];
    lb_sig_dims_init(&none);
    LB_TRY(lb_sig_parse(&sig, o->method->state));
    for (int i = 0; i < lb_sig_inputs(sig) && i < LBI_STATE_MAX; i++) {
        lb_param_tensor *p = NULL;
        int64_t shape[LB_MAX_RANK];
        int rank;
        LB_TRY(lb_sig_shape_of(sig, &none, false, i, shape, &rank));
        snprintf(name, sizeof name, "state.%s.%s", o->name, lb_sig_input_name(sig, i));
        LB_TRY(lb_store_add(&p, r->state, name, rank, shape, LB_INIT_ZEROS, 0));
        state[i] = p->x;
    }
done:
    lb_sig_free(sig);
    return st;
}

lb_status lbi_before_step(lbi_train *r) {
    for (int i = 0; i < r->spec->nobjectives; i++) {
        const lb_objective *o = &r->spec->objectives[i];
        lb_tensor *state[LBI_STATE_MAX] = {0};
        if (!o->method->before_step) continue;
        lb_status st = o->method->state ? find_state(r, o, state) : LB_OK;
        if (st != LB_OK) return st;
        o->method->before_step(o->cfg, state, r->step, r->spec->steps);
    }
    return LB_OK;
}

lb_status lbi_after_step(lbi_train *r) {
    for (int i = 0; i < r->spec->nobjectives; i++) {
        const lb_objective *o = &r->spec->objectives[i];
        lb_tensor *state[LBI_STATE_MAX] = {0};
        if (!o->method->after_step || lbi_term_weight(o, r->step) == 0) continue;
        lb_status st = o->method->state ? find_state(r, o, state) : LB_OK;
        if (st != LB_OK) return st;
        o->method->after_step(o->cfg, state, r->term[i], r->step, r->spec->steps);
    }
    return LB_OK;
}

/* ---- the term ---- */

static lb_status bind(const lb_objective *o, const lbi_env *e, lbi_inputs *in) {
    if (o->nbind > LBI_INPUTS_MAX) return lb_fail(LB_E_LIMIT, "%s binds more than %d inputs", o->name, LBI_INPUTS_MAX);
    for (in->count = 0; in->count < o->nbind; in->count++) {
        int i = in->count;
        in->names[i] = o->inputs[i];
        if (!(in->x[i] = find(e, o->names[i]))) return lb_fail(LB_E_NOTFOUND, "objective %s: stream %s has no '%s'", o->name, o->stream, o->names[i]);
    }
    return LB_OK;
}

/* Is the name one of the words? */
static bool has_word(const char *words, const char *name) {
    size_t n = strlen(name);
    for (const char *at = words; at && (at = strstr(at, name)); at += n)
        if ((at == words || at[-1] == ' ') && (at[n] == ' ' || at[n] == 0)) return true;
    return false;
}

/* No gradient flows into what the component takes as given, though it be another student. */
static void hold_constant(lbi_train *r, const lb_objective *o, lbi_inputs *in) {
    for (int i = 0; i < in->count; i++)
        if (has_word(o->component->constant, in->names[i])) in->x[i] = lb_detach(r->tape, in->x[i]);
}

/* What has a row for each item: scalars and weights that a tap gives are the same everywhere. */
static void rows_of_all(lbi_train *r, const lb_objective *o, int64_t rows, lbi_inputs *in) {
    for (int i = 0; i < o->nbind; i++) {
        const lb_tensor *x = in->x[i];
        bool single = x->rank == 1 && rows == 1 && strchr(o->names[i], '.');
        if (x->rank > 0 && x->shape[0] == rows && !single) in->x[i] = lbi_rows_of_all(r, in->x[i]);
    }
}

/* Names of what is added are those of *parsed, which the caller frees. */
static lb_status gather(lbi_train *r, const lb_objective *o, const lbi_env *e, lbi_inputs *in, lb_sig **parsed) {
    lb_status st = LB_OK;
    lb_sig *weights = NULL;
    LB_TRY(bind(o, e, in));
    LB_TRY(lb_sig_parse(parsed, o->component->sig));
    const lb_sig *sig = *parsed;
    to_real(r, sig, in);
    hold_constant(r, o, in);
    lbi_adapt(r, o, sig, in);
    rows_of_all(r, o, e->rows, in);
    LB_TRY(lb_tape_status(r->tape));
    if (o->method->weights) LB_TRY(lb_sig_parse(&weights, o->method->weights));
    if (o->method->weights || o->method->draw) LB_TRY(add_inputs(r, o, sig, weights, in));
done:
    lb_sig_free(weights);
    return st;
}

lb_status lbi_bind(lbi_train *r, const lb_objective *o, const lbi_env *e, lbi_inputs *in) {
    lb_sig *sig = NULL;
    lb_status st = bind(o, e, in);
    if (st == LB_OK) st = lb_sig_parse(&sig, o->component->sig);
    if (st == LB_OK) to_real(r, sig, in);
    lb_sig_free(sig);
    return st;
}

/* A term that runs models by itself. */
static lb_tensor *play(lbi_train *r, const lb_objective *o, const lbi_env *e) {
    lbi_inputs in;
    lb_tensor *loss = NULL;
    lb_play p = {.tape = r->tape,
                 .rng = lb_tape_rng(r->tape),
                 .step = r->step,
                 .steps = r->spec->steps,
                 .round = r->seat.round,
                 .server = r->seat.server,
                 .run = r,
                 .term = o,
                 .env = e,
                 .inputs = &in};
    lb_status st = lbi_bind(r, o, e, &in);
    if (st == LB_OK && o->method->state) st = find_state(r, o, p.state);
    if (st == LB_OK) loss = o->component->play(&p, o->cfg);
    else (void)lb_tape_fail_status(r->tape, st);
    lb_play_back(&p);
    return lb_tape_ok(r->tape) ? lb_keep(r->tape, loss) : lb_inert(r->tape);
}

lb_tensor *lbi_run_term(lbi_train *r, const lb_objective *o, const lbi_env *e) {
    lbi_inputs in;
    lb_outs out = {0};
    if (!lb_tape_ok(r->tape)) return lb_inert(r->tape);
    if (o->component->play) return play(r, o, e);
    lb_sig *sig = NULL;
    lb_status st = gather(r, o, e, &in, &sig);
    if (st == LB_OK) lb_component_run(r->tape, o->method, o->component, o->cfg, in.count, in.names, in.x, &out);
    else (void)lb_tape_fail_status(r->tape, st);
    lb_sig_free(sig);
    if (!lb_tape_ok(r->tape)) return lb_inert(r->tape);
    return lb_keep(r->tape, out.at[0]);
}
