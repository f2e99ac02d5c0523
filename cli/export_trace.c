/* SPDX-License-Identifier: Apache-2.0 */
/* Watching a model run, twice. */
#include <stdio.h>
#include <string.h>
#include "base/rng.h"
#include "base/sig.h"
#include "cli/export.h"

enum { FIRST_BATCH = 2, SECOND_BATCH = 3, INPUTS = 16 };

/* One run. Tensors of the tape are known by their id, weights by their place in the store. */
typedef struct watch {
    cli_trace *t;
    lb_model *m;
    int *by_id;
    int id_capacity;
    int *by_weight; /* value of each weight of the store, -1 = not met */
    lb_status st;
} watch;

static lb_status room(void **array, int *capacity, int count, size_t size) {
    if (count < *capacity) return LB_OK;
    int more = *capacity ? 2 * *capacity : 256;
    void *p = lb_realloc(*array, (size_t)more, size);
    if (!p) return LB_E_NOMEM;
    *array = p;
    *capacity = more;
    return LB_OK;
}

static int add_value(watch *w, cli_value_kind kind, const char *name, const lb_tensor *x) {
    cli_trace *t = w->t;
    w->st = room((void **)&t->values, &t->value_capacity, t->value_count, sizeof *t->values);
    if (w->st != LB_OK) return -1;
    cli_value *v = &t->values[t->value_count];
    *v = (cli_value){.kind = kind, .name = name, .dtype = x->dtype, .rank = x->rank, .maker = -1};
    memcpy(v->shape, x->shape, sizeof v->shape);
    return t->value_count++;
}

static void remember(watch *w, const lb_tensor *x, int value) {
    if (x->id <= 0) return;
    while (w->st == LB_OK && x->id >= w->id_capacity) {
        int before = w->id_capacity;
        w->st = room((void **)&w->by_id, &w->id_capacity, before, sizeof *w->by_id);
        for (int i = before; w->st == LB_OK && i < w->id_capacity; i++) w->by_id[i] = -1;
    }
    if (w->st == LB_OK) w->by_id[x->id] = value;
}

static int weight_of(watch *w, const lb_tensor *x) {
    for (int64_t i = 0; i < lb_store_count(w->m->store); i++) {
        lb_param_tensor *p = lb_store_at(w->m->store, i);
        if (p->x != x) continue;
        if (w->by_weight[i] < 0) {
            w->by_weight[i] = add_value(w, CLI_VALUE_WEIGHT, p->name, x);
            if (w->st == LB_OK) w->t->values[w->by_weight[i]].data = p->x;
        }
        return w->by_weight[i];
    }
    return -1;
}

static void copy_data(watch *w, int value, const lb_tensor *x) {
    if (w->st == LB_OK) w->st = lb_tensor_copy(&w->t->values[value].data, x, x->dtype);
}

/* The value that a tensor is; one that nobody has made so far is a constant. */
static int value_of(watch *w, const lb_tensor *x) {
    int value = x->id > 0 && x->id < w->id_capacity ? w->by_id[x->id] : -1;
    if (value < 0) value = weight_of(w, x);
    if (value >= 0 || w->st != LB_OK) return value;
    value = add_value(w, CLI_VALUE_CONSTANT, NULL, x);
    copy_data(w, value, x);
    remember(w, x, value);
    return value;
}

static bool known(const cli_trace *t, int value) {
    return value < 0 || t->values[value].kind >= CLI_VALUE_WEIGHT;
}

/* Of constants made of weights: the name of the first of the same shape. */
static const char *inherited(const cli_trace *t, const cli_traced *c, const lb_tensor *x) {
    for (int i = 0; i < c->nin; i++) {
        const cli_value *v = c->in[i] >= 0 ? &t->values[c->in[i]] : NULL;
        if (v && v->name && v->rank == x->rank && memcmp(v->shape, x->shape, (size_t)x->rank * sizeof *x->shape) == 0) return v->name;
    }
    return NULL;
}

static void seen(void *ctx, const lb_call *call) {
    watch *w = ctx;
    cli_trace *t = w->t;
    if (w->st == LB_OK) w->st = room((void **)&t->calls, &t->call_capacity, t->call_count, sizeof *t->calls);
    if (w->st != LB_OK) return;
    cli_traced c = {.op = call->op, .nin = call->nin, .nout = call->nout};
    bool fixed = true;
    for (int i = 0; i < call->nin && w->st == LB_OK; i++) {
        c.in[i] = call->in[i] ? value_of(w, call->in[i]) : -1;
        fixed = fixed && w->st == LB_OK && known(t, c.in[i]);
    }
    size_t size = call->params ? call->op->params_size : 0;
    if (w->st == LB_OK && size && !(c.params = lb_alloc(size, 1))) w->st = LB_E_NOMEM;
    if (size && c.params) memcpy(c.params, call->params, size);
    for (int k = 0; k < call->nout && w->st == LB_OK; k++) {
        c.out[k] = add_value(w, fixed ? CLI_VALUE_CONSTANT : CLI_VALUE_COMPUTED, fixed ? inherited(t, &c, call->out[k]) : NULL, call->out[k]);
        if (w->st != LB_OK) break;
        t->values[c.out[k]].maker = t->call_count;
        if (fixed) copy_data(w, c.out[k], call->out[k]);
        remember(w, call->out[k], c.out[k]);
    }
    t->calls[t->call_count++] = c;
}

/* ---- inputs ---- */

static bool takes(const cli_export_spec *spec, const char *name) {
    for (int i = 0; i < spec->ninputs; i++)
        if (strcmp(spec->inputs[i], name) == 0) return true;
    return spec->ninputs == 0;
}

/* Made-up values, other ones in each run: ids small enough for any vocabulary, masks with a hidden end. */
static lb_tensor *make_input(lb_tape *t, const char *name, bool integer, int rank, const int64_t *shape, lb_rng *rng) {
    lb_tensor *x = lb_input(t, integer ? LB_I64 : LB_REAL, rank, shape, NULL, integer ? LB_I64 : LB_REAL);
    int64_t n = lb_tape_ok(t) ? lb_numel(x) : 0, last = rank ? shape[rank - 1] : 1;
    for (int64_t i = 0; i < n; i++) {
        if (!integer) lb_r(x)[i] = (lb_real)lb_rng_normal(rng);
        else if (strcmp(name, "mask") == 0) lb_i(x)[i] = i % last <= last - 1 - (i / last) % 2;
        else lb_i(x)[i] = lb_rng_below(rng, 10);
    }
    return x;
}

static lb_status run_inputs(watch *w, lb_tape *tape, const cli_export_spec *spec, int64_t batch) {
    lb_status st = LB_OK;
    lb_sig *sig = NULL;
    char text[512];
    lb_named in[INPUTS];
    lb_tensor *taps[LB_COUNT(w->t->taps)];
    lb_rng rng = lb_rng_make((uint64_t)batch, 0);
    int n = 0;
    snprintf(text, sizeof text, "%s -> y", w->m->arch->inputs);
    LB_TRY(lb_sig_parse(&sig, text));
    for (int i = 0; i < lb_sig_inputs(sig) && n < INPUTS; i++) {
        int64_t shape[LB_MAX_RANK];
        int rank = 0;
        const char *name = lb_sig_input_name(sig, i);
        bool integer = lb_sig_input_type(sig, i) == LB_SIG_I64;
        if (!takes(spec, name)) continue;
        w->m->arch->example(w->m->cfg, i, &rank, shape);
        if (rank > 0) shape[0] = batch;
        if (integer && rank == 2 && spec->length) shape[1] = spec->length;
        lb_tensor *x = make_input(tape, name, integer, rank, shape, &rng);
        LB_TRY(lb_tape_status(tape));
        int value = add_value(w, CLI_VALUE_INPUT, NULL, x);
        LB_TRY(w->st);
        cli_value *v = &w->t->values[value];
        if (!(v->name = v->own_name = lb_strdup(name))) {
            st = LB_E_NOMEM;
            goto done;
        }
        remember(w, x, value);
        in[n++] = (lb_named){name, x};
    }
    lb_tape_watch(tape, seen, w);
    lb_model_run(w->m, tape, n, in, spec->ntaps, spec->taps, taps);
    lb_tape_watch(tape, NULL, NULL);
    st = w->st;
    if (st == LB_OK) st = lb_tape_status(tape);
    for (int i = 0; st == LB_OK && i < spec->ntaps; i++) w->t->taps[i] = value_of(w, taps[i]);
done:
    lb_sig_free(sig);
    return st;
}

static lb_status trace_once(cli_trace *t, lb_model *m, const cli_export_spec *spec, int64_t batch) {
    lb_tape *tape = NULL;
    watch w = {.t = t, .m = m};
    int64_t n = lb_store_count(m->store);
    lb_status st = lb_tape_new(&tape);
    if (st != LB_OK) return st;
    if (!(w.by_weight = lb_alloc((size_t)n + 1, sizeof *w.by_weight))) {
        lb_tape_free(tape);
        return LB_E_NOMEM;
    }
    for (int64_t i = 0; i < n; i++) w.by_weight[i] = -1;
    lb_tape_set_mode(tape, LB_TAPE_NO_GRAD);
    st = run_inputs(&w, tape, spec, batch);
    lb_free(w.by_weight);
    lb_free(w.by_id);
    lb_tape_free(tape);
    return st;
}

/* ---- two runs as one ---- */

static bool all_equal(const lb_tensor *x) {
    for (int64_t i = 1; i < lb_numel(x); i++)
        if (lb_get_at(x, i) != lb_get_at(x, 0)) return false;
    return true;
}

static lb_status merge_value(cli_trace *t, cli_value *a, const cli_value *b) {
    bool moves = false;
    if (a->kind != b->kind || a->rank != b->rank || a->dtype != b->dtype) return lb_fail(LB_E_UNSUPPORTED, "export: what the network runs depends on the batch or on values");
    for (int d = 0; d < a->rank; d++) {
        if (a->shape[d] == b->shape[d]) continue;
        moves = t->dynamic = true;
        a->times[d] = a->shape[d] / FIRST_BATCH;
        if (a->shape[d] % FIRST_BATCH || a->times[d] * SECOND_BATCH != b->shape[d])
            return lb_fail(LB_E_UNSUPPORTED, "export: a size inside is %lld for %d items and %lld for %d: no multiple of the batch", (long long)a->shape[d],
                           FIRST_BATCH, (long long)b->shape[d], SECOND_BATCH);
    }
    if (a->kind != CLI_VALUE_CONSTANT) return LB_OK;
    bool same = moves ? all_equal(a->data) && all_equal(b->data) && lb_get_at(a->data, 0) == lb_get_at(b->data, 0)
                      : memcmp(a->data->data, b->data->data, (size_t)lb_numel(a->data) * lb_dtype_size(a->dtype)) == 0 || lb_numel(a->data) == 0;
    if (moves && a->maker >= 0) a->kind = CLI_VALUE_COMPUTED; /* such as a class token for each item: made where it runs */
    else if (!same) return lb_fail(LB_E_UNSUPPORTED, "export: a constant inside depends on the batch or on values");
    return LB_OK;
}

static lb_status merge(cli_trace *a, const cli_trace *b, int ntaps) {
    bool same = a->call_count == b->call_count && a->value_count == b->value_count && memcmp(a->taps, b->taps, (size_t)ntaps * sizeof *a->taps) == 0;
    for (int i = 0; same && i < a->call_count; i++)
        same = a->calls[i].op == b->calls[i].op && memcmp(a->calls[i].in, b->calls[i].in, sizeof a->calls[i].in) == 0 && memcmp(a->calls[i].out, b->calls[i].out, sizeof a->calls[i].out) == 0;
    if (!same) return lb_fail(LB_E_UNSUPPORTED, "export: what the network runs depends on the batch or on values");
    for (int i = 0; i < a->value_count; i++) {
        lb_status st = merge_value(a, &a->values[i], &b->values[i]);
        if (st != LB_OK) return st;
    }
    return LB_OK;
}

lb_status cli_trace_model(cli_trace *out, lb_model *m, const cli_export_spec *spec) {
    cli_trace a = {0}, b = {0};
    lb_status st = LB_OK;
    if (spec->ntaps > (int)LB_COUNT(a.taps)) return lb_fail(LB_E_ARG, "export: %d taps, at most %zu", spec->ntaps, LB_COUNT(a.taps));
    LB_TRY(trace_once(&a, m, spec, FIRST_BATCH));
    LB_TRY(trace_once(&b, m, spec, SECOND_BATCH));
    LB_TRY(merge(&a, &b, spec->ntaps));
    *out = a;
    a = (cli_trace){0};
done:
    cli_trace_free(&a);
    cli_trace_free(&b);
    return st;
}

void cli_trace_free(cli_trace *t) {
    for (int i = 0; i < t->value_count; i++) {
        if (t->values[i].kind != CLI_VALUE_WEIGHT) lb_tensor_free(t->values[i].data);
        lb_free(t->values[i].own_name);
    }
    for (int i = 0; i < t->call_count; i++) lb_free(t->calls[i].params);
    lb_free(t->values);
    lb_free(t->calls);
    *t = (cli_trace){0};
}
