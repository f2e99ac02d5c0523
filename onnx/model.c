/* SPDX-License-Identifier: Apache-2.0 */
/* A graph as an arch of nn/model.h, so that every verb takes it. Names of inputs and taps are those that verbs know, or the graph's own with '/'
 * written as '.'. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "onnx/onnx.h"
#include "tensor/hold.h"

enum { INPUTS = 16, NAME = LB_ONNX_TAP_NAME, WANTED = 96, SIDE = 224, LENGTH = 8 };

typedef struct input {
    char name[NAME]; /* as verbs say it */
    bool zeros;      /* not asked for: token types, which are 0 */
} input;

/* What lb_model holds as its config; the arch lies in it. */
typedef struct graph_model {
    lb_arch arch;
    const lb_onnx *graph;
    input in[INPUTS];
    int nin, order[INPUTS]; /* arch input -> graph input */
    char inputs[INPUTS * (NAME + 8)], taps[512];
} graph_model;

/* ---- names ---- */

const char *lb_onnx_tap_name(char *dst, size_t cap, const char *name) {
    size_t n = 0;
    while (*name == '/') name++;
    for (; *name && n + 1 < cap; name++) dst[n++] = *name == '/' || *name == ' ' || (unsigned char)*name < 32 ? '.' : *name;
    if (cap) dst[n] = 0;
    return dst;
}

static bool one_of(const char *name, const char *const *list) {
    for (; *list; list++)
        if (strcmp(name, *list) == 0) return true;
    return false;
}

static const char *const ids[] = {"ids", "input_ids", "tokens", "text", "input", NULL}, *const masks[] = {"mask", "attention_mask", "input_mask", NULL},
                         *const types[] = {"token_type_ids", "segment_ids", NULL};

/* The one picture is `image`; whole numbers by rows are texts. */
static void name_input(graph_model *g, int i) {
    const lb_onnx_value *v = lb_onnx_input(g->graph, i);
    input *in = &g->in[i];
    bool text = v->dtype == LB_I64 && (v->rank == 2 || v->rank < 0);
    lb_onnx_tap_name(in->name, sizeof in->name, v->name);
    for (char *p = in->name; *p; p++) /* a word of a signature */
        if (!isalnum((unsigned char)*p) && *p != '_' && *p != '.') *p = '_';
    if (v->rank == 4 && (v->dtype == LB_F32 || v->dtype == LB_F16) && (v->shape[1] == 3 || v->shape[1] < 0)) snprintf(in->name, sizeof in->name, "image");
    else if (text && one_of(v->name, ids)) snprintf(in->name, sizeof in->name, "ids");
    else if (text && one_of(v->name, masks)) snprintf(in->name, sizeof in->name, "mask");
    else in->zeros = text && one_of(v->name, types);
}

static lb_status describe(graph_model *g) {
    int n = lb_onnx_inputs(g->graph);
    size_t at = 0;
    char name[NAME];
    if (n > INPUTS) return lb_fail(LB_E_UNSUPPORTED, "%d inputs, at most %d", n, INPUTS);
    for (int i = 0; i < n; i++) {
        name_input(g, i);
        for (int k = 0; k < i; k++)
            if (strcmp(g->in[k].name, g->in[i].name) == 0) lb_onnx_tap_name(g->in[i].name, sizeof g->in[i].name, lb_onnx_input(g->graph, i)->name);
        if (g->in[i].zeros) continue;
        g->order[g->nin++] = i;
        lb_dtype d = lb_onnx_input(g->graph, i)->dtype;
        at += (size_t)snprintf(g->inputs + at, sizeof g->inputs - at, "%s%s%s", at ? " " : "", g->in[i].name, d == LB_I64 || d == LB_I32 || d == LB_BOOL ? ":i64" : "");
    }
    at = (size_t)snprintf(g->taps, sizeof g->taps, "output");
    for (int k = 1; k < lb_onnx_outputs(g->graph) && at < sizeof g->taps - NAME; k++)
        at += (size_t)snprintf(g->taps + at, sizeof g->taps - at, " %s", lb_onnx_tap_name(name, sizeof name, lb_onnx_output(g->graph, k)->name));
    return LB_OK;
}

/* ---- runs ---- */

typedef struct wanted {
    const char *names[WANTED]; /* the graph's */
    char taps[WANTED][NAME];
    int count;
} wanted;

static void want(lb_nn *m, wanted *w, const char *tap, const char *name) {
    if (w->count == WANTED || !lb_nn_wants(m, tap)) return;
    for (int i = 0; i < w->count; i++)
        if (strcmp(w->taps[i], tap) == 0) return;
    snprintf(w->taps[w->count], NAME, "%s", tap);
    w->names[w->count++] = name;
}

/* Outputs first, then what is inside. A list of all stops when it is long. */
static void find_wanted(lb_nn *m, const lb_onnx *g, wanted *w) {
    char tap[NAME];
    if (lb_onnx_outputs(g) > 0) want(m, w, "output", lb_onnx_output(g, 0)->name);
    for (int k = 0; k < lb_onnx_outputs(g); k++) want(m, w, lb_onnx_tap_name(tap, sizeof tap, lb_onnx_output(g, k)->name), lb_onnx_output(g, k)->name);
    for (int k = 0; k < lb_onnx_values(g); k++) want(m, w, lb_onnx_tap_name(tap, sizeof tap, lb_onnx_value_name(g, k)), lb_onnx_value_name(g, k));
}

static lb_tensor *as_numbers(lb_tape *t, lb_tensor *x) {
    if (x->dtype == LB_F32 || !lb_tape_ok(t)) return x;
    x = lb_is_contiguous(x) ? x : lb_contiguous(t, x);
    lb_tensor *y = lb_hold(t, LB_F32, x->rank, x->shape);
    if (y->data && x->data) lb_convert(y->data, LB_F32, x->data, x->dtype, lb_numel(x));
    return y;
}

/* Items that a graph takes at once: what its first input states, 0 = any. */
static int64_t items_at_once(const graph_model *g) {
    int64_t most = 0;
    for (int i = 0; i < g->nin; i++) {
        const lb_onnx_value *v = lb_onnx_input(g->graph, g->order[i]);
        if (v->rank > 0 && v->shape[0] > 0) most = v->shape[0];
    }
    return most;
}

/* Items first .. first + n - 1 of every input (n = 0: all). */
static void run_part(const graph_model *g, lb_tape *t, lb_tensor *const *in, int64_t first, int64_t n, const wanted *w, lb_tensor **out) {
    lb_named named[INPUTS];
    int count = 0;
    const lb_tensor *ids_in = NULL;
    for (int i = 0; i < g->nin; i++) {
        if (!in[i]) continue;
        lb_tensor *x = n && in[i]->rank > 0 ? lb_slice(t, in[i], 0, first, first + n, 1) : in[i];
        if (strcmp(g->in[g->order[i]].name, "ids") == 0) ids_in = x;
        named[count++] = (lb_named){lb_onnx_input(g->graph, g->order[i])->name, x};
    }
    for (int i = 0; i < lb_onnx_inputs(g->graph); i++) {
        if (!g->in[i].zeros || !ids_in || !lb_tape_ok(t)) continue;
        lb_tensor *zeros = lb_hold(t, LB_I64, ids_in->rank, ids_in->shape);
        if (zeros->data) memset(zeros->data, 0, (size_t)lb_numel(zeros) * sizeof(int64_t));
        named[count++] = (lb_named){lb_onnx_input(g->graph, i)->name, zeros};
    }
    lb_onnx_run(g->graph, t, count, named, w->count, w->names, out);
    for (int k = 0; k < w->count; k++) out[k] = as_numbers(t, out[k]);
}

/* All parts, joined. */
static void run_all(const graph_model *g, lb_tape *t, lb_tensor *const *in, const wanted *w, lb_tensor **out) {
    int64_t each = items_at_once(g), n = in[0] && in[0]->rank > 0 ? in[0]->shape[0] : 0;
    if (each == 0 || each == n) {
        run_part(g, t, in, 0, 0, w, out);
        return;
    }
    if (n % each) {
        lb_tape_fail(t, LB_E_SHAPE, "%lld items, the graph takes %lld at once", (long long)n, (long long)each);
        return;
    }
    for (int64_t at = 0; at < n && lb_tape_ok(t); at += each) {
        lb_tensor *part[WANTED];
        lb_scope s = lb_scope_begin(t);
        run_part(g, t, in, at, each, w, part);
        for (int k = 0; k < w->count && lb_tape_ok(t); k++) { /* joined as they come, so that one part's memory is in use */
            if (part[k]->rank == 0) part[k] = lb_reshape(t, part[k], 1, (int64_t[]){1});
            part[k] = at ? lb_concat(t, 2, (lb_tensor *[]){out[k], part[k]}, 0) : lb_contiguous(t, part[k]);
        }
        lb_scope_end_n(t, s, w->count, part);
        memcpy(out, part, (size_t)w->count * sizeof *out);
    }
}

/* Shapes of results: from shapes alone, or, where a shape depends on data, from a run on zeros. */
static void run_shapes(const graph_model *g, lb_tape *t, lb_tensor *const *in, const wanted *w, lb_tensor **out) {
    lb_tape *own = NULL;
    lb_status st = LB_OK;
    static const lb_tape_mode modes[] = {LB_TAPE_SHAPES, LB_TAPE_NO_GRAD};
    for (size_t i = 0; i < LB_COUNT(modes); i++) {
        lb_tensor *copy[INPUTS] = {NULL}, *got[WANTED];
        st = lb_tape_new(&own);
        if (st != LB_OK) break;
        lb_tape_set_mode(own, modes[i]);
        for (int k = 0; k < g->nin; k++)
            if (in[k]) copy[k] = lb_input(own, in[k]->dtype, in[k]->rank, in[k]->shape, NULL, in[k]->dtype);
        for (int k = 0; k < w->count; k++) got[k] = lb_inert(own);
        run_all(g, own, copy, w, got);
        st = lb_tape_status(own);
        for (int k = 0; k < w->count && st == LB_OK; k++) out[k] = lb_hold(t, LB_F32, got[k]->rank, got[k]->shape);
        lb_tape_free(own);
        if (st != LB_E_UNSUPPORTED) break;
    }
    if (st == LB_OK) lb_error_clear();
    else lb_tape_fail_status(t, st);
}

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const graph_model *g = cfg;
    lb_tape *t = lb_nn_tape(m);
    wanted *w = lb_calloc(1, sizeof *w);
    lb_tensor *out[WANTED];
    if (!w) {
        lb_tape_fail_status(t, LB_E_NOMEM);
        return;
    }
    find_wanted(m, g->graph, w);
    for (int k = 0; k < w->count; k++) out[k] = lb_inert(t);
    if (w->count && lb_tape_get_mode(t) == LB_TAPE_SHAPES) run_shapes(g, t, in, w, out);
    else if (w->count) run_all(g, t, in, w, out);
    for (int k = 0; k < w->count && lb_tape_ok(t); k++) lb_nn_tap(m, out[k], "%s", w->taps[k]);
    lb_free(w);
}

/* Stated sizes, else one item, pictures of 224 x 224 and texts of 8. */
static void example(const void *cfg, int i, int *rank, int64_t shape[LB_MAX_RANK]) {
    const graph_model *g = cfg;
    const lb_onnx_value *v = lb_onnx_input(g->graph, g->order[i]);
    bool image = strcmp(g->in[g->order[i]].name, "image") == 0;
    *rank = v->rank < 0 ? 2 : v->rank;
    for (int d = 0; d < *rank; d++) shape[d] = v->rank >= 0 && v->shape[d] > 0 ? v->shape[d] : d == 0 ? 1 : image ? (d == 1 ? 3 : SIDE) : LENGTH;
}

lb_status lb_onnx_model(lb_model **out, const lb_onnx *graph) {
    graph_model *g = lb_calloc(1, sizeof *g);
    if (!g) return LB_E_NOMEM;
    g->graph = graph;
    lb_status st = describe(g);
    if (st != LB_OK) {
        lb_free(g);
        return st;
    }
    g->arch = (lb_arch){.id = "onnx", .title = "a graph of an ONNX file", .source = "onnx/onnx.h", .kind = "image", .inputs = g->inputs, .taps = g->taps, .forward = forward, .example = example};
    return lb_model_new_cfg(out, &g->arch, g);
}
