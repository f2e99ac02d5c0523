/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/model.h"
#include <stdio.h>
#include <string.h>
#include "nn/outside.h"
#include "nn/parts.h"

enum { INPUTS_MAX = LBI_INPUTS_MAX };

/* An arch's inputs, parsed each time: models are few. */
static lb_status parse(lb_sig **out, const lb_arch *a) {
    char text[512];
    snprintf(text, sizeof text, "%s -> y", a->inputs);
    return lb_sig_parse(out, text);
}

/* ---- the example run: batch 1, shapes only ---- */

/* optional: with the inputs too that may be absent. */
static void run_example(lb_model *m, lb_nn *nn, const lb_sig *sig, bool optional) {
    lb_tape *t = lb_nn_tape(nn);
    lb_tensor *in[INPUTS_MAX] = {0};
    for (int i = 0; i < lb_sig_inputs(sig) && i < INPUTS_MAX; i++) {
        int64_t shape[LB_MAX_RANK];
        int rank = 0;
        if (!optional && lb_sig_input_optional(sig, i)) continue;
        m->arch->example(m->cfg, i, &rank, shape);
        bool integer = lb_sig_input_type(sig, i) == LB_SIG_I64;
        in[i] = lb_input(t, integer ? LB_I64 : LB_REAL, rank, shape, NULL, integer ? LB_I64 : LB_REAL);
    }
    m->arch->forward(nn, m->cfg, in);
}

static lb_status example_run(lb_model *m, bool declaring, void (*seen)(void *ctx, const char *tap, const lb_tensor *x), void *ctx, lb_model_cost *cost) {
    lb_status st = LB_OK;
    lb_tape *t = NULL;
    lb_nn *nn = NULL;
    lb_sig *sig = NULL;
    LB_TRY(parse(&sig, m->arch));
    LB_TRY(lb_tape_new(&t));
    lb_tape_set_mode(t, LB_TAPE_SHAPES);
    LB_TRY(lb_nn_new(&nn, t, m->store, declaring));
    if (seen) lb_nn_list_taps(nn, seen, ctx);
    run_example(m, nn, sig, true);
    LB_TRY(lb_tape_status(t));
    if (cost) *cost = (lb_model_cost){lb_store_parameters(m->store, NULL), lb_tape_get_stats(t).flops};
done:
    lb_nn_free(nn);
    lb_tape_free(t);
    lb_sig_free(sig);
    return st == LB_OK ? st : lb_where(st, "arch %s", m->arch->id);
}

static lb_status new_model(lb_model **out, const lb_arch *arch, void *take_cfg, bool bare) {
    lb_status st = LB_OK;
    lb_model *m = lb_calloc(1, sizeof *m);
    if (!m) {
        lb_params_free(arch->params, take_cfg);
        lb_free(take_cfg);
        return LB_E_NOMEM;
    }
    m->arch = arch;
    m->cfg = take_cfg;
    LB_TRY(lb_store_new(&m->store));
    lb_store_bare(m->store, bare);
    LB_TRY(example_run(m, true, NULL, NULL, NULL));
    *out = m;
    m = NULL;
done:
    lb_model_free(m);
    return st;
}

lb_status lb_model_new_cfg(lb_model **out, const lb_arch *arch, void *take_cfg) { return new_model(out, arch, take_cfg, false); }

static lb_status read_params(void **cfg, const lb_arch *arch, const lb_value *params) {
    void *p = lb_calloc(1, arch->params_size + 1);
    if (!p) return LB_E_NOMEM;
    lb_status st = lb_params_from_value(arch->params, p, params);
    if (st == LB_OK) *cfg = p;
    else lb_free(p);
    return st == LB_OK ? st : lb_where(st, "arch %s", arch->id);
}

lb_status lb_model_new(lb_model **out, const lb_arch *arch, const lb_value *params) {
    void *cfg = NULL;
    lb_status st = read_params(&cfg, arch, params);
    return st == LB_OK ? new_model(out, arch, cfg, false) : st;
}

lb_status lb_model_new_bare(lb_model **out, const lb_arch *arch, const lb_value *params, void *take_cfg) {
    lb_status st = take_cfg ? LB_OK : read_params(&take_cfg, arch, params);
    return st == LB_OK ? new_model(out, arch, take_cfg, true) : st;
}

void lb_model_free(lb_model *m) {
    if (!m) return;
    if (m->cfg) lb_params_free(m->arch->params, m->cfg);
    lb_free(m->cfg);
    lb_store_free(m->store);
    lb_free(m);
}

/* ---- runs ---- */

static lb_tensor *find_input(int nin, const lb_named *in, const char *name) {
    for (int i = 0; i < nin; i++)
        if (strcmp(in[i].name, name) == 0) return in[i].x;
    return NULL;
}

lb_status lbi_model_whole(lb_model *m, lb_tape *t, lb_nn **nn, const lb_model_call *call) {
    lb_status st = LB_OK;
    LB_TRY(lb_nn_new(nn, t, m->store, false));
    for (int i = 0; i < call->ntaps; i++) LB_TRY(lb_nn_want(*nn, call->taps[i]));
    m->arch->forward(*nn, m->cfg, call->in);
    LB_TRY(lb_tape_status(t));
    for (int i = 0; i < call->ntaps; i++)
        if (!(call->out[i] = lb_nn_tapped(*nn, call->taps[i])))
            return lb_fail(LB_E_NOTFOUND, "model %s gives no tap '%s' for these inputs; it has %s", m->arch->id, call->taps[i], m->arch->taps);
done:
    return st;
}

static lb_status run(lb_model *m, lb_tape *t, lb_nn **nn, int nin, const lb_named *in, const lb_model_call *call) {
    lb_status st = LB_OK;
    lb_sig *sig = NULL;
    LB_TRY(parse(&sig, m->arch));
    for (int i = 0; i < lb_sig_inputs(sig) && i < INPUTS_MAX; i++) {
        call->in[i] = find_input(nin, in, lb_sig_input_name(sig, i));
        if (!call->in[i] && !lb_sig_input_optional(sig, i)) {
            st = lb_fail(LB_E_NOTFOUND, "model %s: input '%s' is missing", m->arch->id, lb_sig_input_name(sig, i));
            goto done;
        }
    }
    if (!lbi_model_in_parts(m, t, sig, call)) st = lbi_model_whole(m, t, nn, call);
done:
    lb_sig_free(sig);
    return st;
}

void lb_model_run(lb_model *m, lb_tape *t, int nin, const lb_named *in, int ntaps, const char *const *taps, lb_tensor **out) {
    lb_nn *nn = NULL;
    lb_tensor *args[INPUTS_MAX] = {0};
    for (int i = 0; i < ntaps; i++) out[i] = lb_inert(t);
    if (!lb_tape_ok(t)) return;
    lb_status st = run(m, t, &nn, nin, in, &(lb_model_call){.in = args, .ntaps = ntaps, .taps = taps, .out = out});
    if (st != LB_OK) lb_tape_fail_status(t, st);
    for (int i = 0; i < ntaps && !lb_tape_ok(t); i++) out[i] = lb_inert(t);
    lb_nn_free(nn);
}

typedef struct tap_seen {
    void (*seen)(void *ctx, const char *tap, int rank, const int64_t *shape);
    void *ctx;
} tap_seen;

static void pass_tap(void *ctx, const char *tap, const lb_tensor *x) {
    const tap_seen *s = ctx;
    s->seen(s->ctx, tap, x->rank, x->shape);
}

lb_status lb_model_taps(lb_model *m, void (*seen)(void *ctx, const char *tap, int rank, const int64_t *shape), void *ctx) {
    return example_run(m, false, pass_tap, &(tap_seen){seen, ctx}, NULL);
}

static void set_idle(lb_store *s, bool idle) {
    for (int64_t i = 0; i < lb_store_count(s); i++) lb_store_at(s, i)->idle = idle;
}

lb_status lb_model_mark_idle(lb_model *m, int ntaps, const char *const *taps) {
    lb_status st = LB_OK;
    lb_tape *t = NULL;
    lb_nn *nn = NULL;
    lb_sig *sig = NULL;
    set_idle(m->store, true);
    LB_TRY(parse(&sig, m->arch));
    LB_TRY(lb_tape_new(&t));
    lb_tape_set_mode(t, LB_TAPE_SHAPES);
    LB_TRY(lb_nn_new(&nn, t, m->store, false));
    lbi_nn_mark(nn);
    for (int i = 0; i < ntaps; i++) LB_TRY(lb_nn_want(nn, taps[i]));
    run_example(m, nn, sig, false);
    bool all = lb_tape_ok(t);
    for (int i = 0; all && i < ntaps; i++) all = lb_nn_tapped(nn, taps[i]) != NULL;
    if (!all) set_idle(m->store, false);
    lb_error_clear();
done:
    lb_nn_free(nn);
    lb_tape_free(t);
    lb_sig_free(sig);
    if (st != LB_OK) set_idle(m->store, false);
    return st;
}

lb_status lb_model_plan(lb_model *m, lb_model_cost *out) { return example_run(m, false, NULL, NULL, out); }

/* ---- outside configs ---- */

static lb_status take_text(const lb_param *p, void *cfg, const char *text) {
    bool act = p->choices && strcmp(p->choices, LB_ACT_CHOICES) == 0;
    return act ? lb_config_act_to(p, cfg, text) : lb_param_set_text(p, cfg, text);
}

lb_status lb_params_from_config(const lb_param *table, void *cfg, const lb_value *config) {
    lb_status st = LB_OK;
    for (const lb_param *p = table; p->name && st == LB_OK; p++) {
        const lb_value *v = lb_get(config, p->name);
        bool text = p->type == LB_T_TEXT;
        if (!v || (v->kind == LB_V_TEXT) != text) continue;
        if (text) st = take_text(p, cfg, v->text);
        else if (v->kind == LB_V_BOOL) st = lb_param_set_number(p, cfg, v->boolean);
        else if (v->kind == LB_V_INT || v->kind == LB_V_REAL) st = lb_param_set_number(p, cfg, lb_get_real(config, p->name, 0));
    }
    return st;
}
