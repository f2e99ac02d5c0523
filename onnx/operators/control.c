/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs inside nodes: run on a condition, again and again, or along an axis. */
#include <string.h>
#include "onnx/operator.h"
#include "tensor/ops.h"

enum { CARRIED = 64 };

static const onnx_graph *inner(onnx_call *c, const char *name) {
    const onnx_attribute *a = onnx_attribute_find(c->node, name);
    if (!a || !a->graph) onnx_fail(c, LB_E_FORMAT, "attribute '%s' holds no graph", name);
    return a ? a->graph : NULL;
}

static bool sizes(onnx_call *c, const onnx_graph *g, int in, int out) {
    if (!onnx_ok(c)) return false;
    if (g->nin != in || g->nout != out || in > CARRIED || out > CARRIED)
        onnx_fail(c, LB_E_FORMAT, "an inner graph with %d inputs and %d outputs, expected %d and %d (at most %d)", g->nin, g->nout, in, out, CARRIED);
    return onnx_ok(c);
}

static void run_if(onnx_call *c) {
    bool yes = onnx_number(c, onnx_need(c, 0), 0) != 0;
    if (!onnx_ok(c)) return;
    const onnx_graph *g = inner(c, yes ? "then_branch" : "else_branch");
    if (sizes(c, g, 0, c->nout)) onnx_run_graph(c->run, g, NULL, c->out);
}

/* ---- results of steps, side by side ---- */

typedef struct pile {
    lb_tensor **at;
    int64_t count, cap;
} pile;

static void put(onnx_call *c, pile *p, lb_tensor *x) {
    if (p->count == p->cap) {
        int64_t cap = p->cap ? 2 * p->cap : 16;
        lb_tensor **more = lb_realloc(p->at, (size_t)cap, sizeof *more);
        if (!more) {
            lb_tape_fail_status(c->tape, LB_E_NOMEM);
            return;
        }
        p->at = more;
        p->cap = cap;
    }
    p->at[p->count++] = x;
}

/* Nothing piled up has no shape but what the graph states; then an empty axis in front. */
static lb_tensor *joined(onnx_call *c, const pile *p, int axis, const lb_onnx_value *spec) {
    int64_t shape[LB_MAX_RANK + 1] = {0};
    if (!onnx_ok(c)) return lb_inert(c->tape);
    if (p->count) {
        for (int64_t i = 0; i < p->count; i++) p->at[i] = lb_unsqueeze(c->tape, p->at[i], axis);
        return p->count == 1 ? p->at[0] : lb_concat(c->tape, (int)p->count, p->at, axis);
    }
    for (int d = 0; d < spec->rank; d++) shape[1 + d] = spec->shape[d] < 0 ? 0 : spec->shape[d];
    return lb_hold(c->tape, spec->dtype, spec->rank < 0 ? 1 : spec->rank + 1, shape);
}

/* Inputs: trip count?, condition?, carried; the body: iteration, condition, carried -> condition, carried, piled. */
static void loop(onnx_call *c) {
    const onnx_graph *g = inner(c, "body");
    int carried = c->nin - 2, piles = c->nout - carried;
    if (carried < 0 || piles < 0) onnx_fail(c, LB_E_FORMAT, "%d inputs and %d results", c->nin, c->nout);
    if (!onnx_ok(c) || !sizes(c, g, 2 + carried, 1 + carried + piles)) return;
    double trips = onnx_in(c, 0) ? onnx_number(c, c->in[0], 0) : 9e18;
    bool go = onnx_number(c, onnx_in(c, 1), 1) != 0;
    lb_tensor *in[CARRIED], *out[CARRIED] = {NULL};
    pile piled[CARRIED] = {{NULL, 0, 0}};
    for (int i = 0; i < carried; i++) in[2 + i] = onnx_need(c, 2 + i);
    for (int64_t step = 0; onnx_ok(c) && go && (double)step < trips; step++) {
        in[0] = lb_hold(c->tape, LB_I64, 0, NULL);
        in[1] = lb_hold(c->tape, LB_BOOL, 0, NULL);
        if (in[0]->data) *(int64_t *)in[0]->data = step;
        if (in[1]->data) *(uint8_t *)in[1]->data = 1;
        onnx_run_graph(c->run, g, in, out);
        if (!onnx_ok(c)) break;
        go = onnx_number(c, out[0], 0) != 0;
        for (int i = 0; i < carried; i++) {
            if (step > 0) lb_release(c->tape, in[2 + i]);
            in[2 + i] = out[1 + i];
        }
        for (int k = 0; k < piles; k++) put(c, &piled[k], out[1 + carried + k]);
        for (int i = 0; i < 2; i++) lb_release(c->tape, in[i]);
        lb_release(c->tape, out[0]);
    }
    for (int i = 0; i < carried && onnx_ok(c); i++) onnx_put(c, i, in[2 + i]);
    for (int k = 0; k < piles; k++) {
        if (onnx_ok(c)) onnx_put(c, carried + k, joined(c, &piled[k], 0, &g->out_spec[1 + carried + k]));
        lb_free(piled[k].at);
    }
}

/* ---- scan: state, and slices along axes ---- */

typedef struct scan {
    const onnx_graph *g;
    int state, slices, piles;
    int in_axis[CARRIED], out_axis[CARRIED];
    bool in_back[CARRIED], out_back[CARRIED];
    int64_t length;
} scan;

static void directions(onnx_call *c, const char *axes, const char *ways, int n, int *axis, bool *back) {
    int64_t a[CARRIED] = {0}, d[CARRIED] = {0};
    onnx_list(c, axes, a, CARRIED);
    onnx_list(c, ways, d, CARRIED);
    for (int i = 0; i < n; i++) axis[i] = (int)a[i], back[i] = d[i] == 1;
}

/* One run over slices of x [i] (states first). */
static void scan_over(onnx_call *c, scan *s, lb_tensor *const *x, lb_tensor **y) {
    lb_tensor *in[CARRIED], *out[CARRIED] = {NULL};
    pile piled[CARRIED] = {{NULL, 0, 0}};
    memcpy(in, x, (size_t)s->state * sizeof *in);
    for (int64_t step = 0; step < s->length && onnx_ok(c); step++) {
        for (int i = 0; i < s->slices && onnx_ok(c); i++) {
            int axis = onnx_axis(c, s->in_axis[i], x[s->state + i]->rank);
            int64_t at = s->in_back[i] ? s->length - 1 - step : step;
            if (axis >= 0) in[s->state + i] = lb_squeeze(c->tape, lb_slice(c->tape, x[s->state + i], axis, at, at + 1, 1), axis);
        }
        if (onnx_ok(c)) onnx_run_graph(c->run, s->g, in, out);
        for (int i = 0; i < s->state; i++) in[i] = out[i];
        for (int k = 0; k < s->piles && onnx_ok(c); k++) put(c, &piled[k], out[s->state + k]);
    }
    for (int i = 0; i < s->state; i++) y[i] = in[i];
    for (int k = 0; k < s->piles; k++) {
        for (int64_t i = 0; s->out_back[k] && i < piled[k].count / 2; i++) {
            lb_tensor *swap = piled[k].at[i];
            piled[k].at[i] = piled[k].at[piled[k].count - 1 - i];
            piled[k].at[piled[k].count - 1 - i] = swap;
        }
        const lb_onnx_value *spec = &s->g->out_spec[s->state + k];
        int axis = s->out_axis[k] < 0 && piled[k].count ? s->out_axis[k] + piled[k].at[0]->rank + 1 : s->out_axis[k];
        y[s->state + k] = joined(c, &piled[k], axis, spec);
        lb_free(piled[k].at);
    }
}

static void run_scan(onnx_call *c) {
    scan s = {.g = inner(c, "body"), .slices = (int)onnx_int(c, "num_scan_inputs", 0)};
    int first = c->opset < 9 ? 1 : 0; /* set 8: lengths first, and a batch axis in front of all */
    s.state = c->nin - first - s.slices;
    s.piles = c->nout - s.state;
    if (s.slices < 1 || s.state < 0 || s.piles < 0) onnx_fail(c, LB_E_FORMAT, "%d inputs, %d of them to be cut, %d results", c->nin, s.slices, c->nout);
    if (!onnx_ok(c) || !sizes(c, s.g, s.state + s.slices, s.state + s.piles)) return;
    for (int i = 0; i < c->nin - first; i++) onnx_need(c, first + i);
    if (first && onnx_in(c, 0)) onnx_fail(c, LB_E_UNSUPPORTED, "lengths of sequences");
    directions(c, first ? "" : "scan_input_axes", first ? "directions" : "scan_input_directions", s.slices, s.in_axis, s.in_back);
    directions(c, first ? "" : "scan_output_axes", first ? "" : "scan_output_directions", s.piles, s.out_axis, s.out_back);
    if (!onnx_ok(c)) return;
    lb_tensor *x[CARRIED], *y[CARRIED], *one[CARRIED];
    pile all[CARRIED] = {{NULL, 0, 0}};
    lb_tensor *cut = c->in[first + s.state];
    if (cut->rank < 1 + first) onnx_fail(c, LB_E_SHAPE, "nothing to cut");
    int64_t batch = first && onnx_ok(c) ? cut->shape[0] : 1;
    for (int64_t n = 0; n < batch && onnx_ok(c); n++) {
        for (int i = 0; i < s.state + s.slices && onnx_ok(c); i++) x[i] = first ? lb_squeeze(c->tape, lb_slice(c->tape, c->in[first + i], 0, n, n + 1, 1), 0) : c->in[i];
        int axis = onnx_ok(c) ? onnx_axis(c, s.in_axis[0], x[s.state]->rank) : -1;
        if (axis < 0) break;
        s.length = x[s.state]->shape[axis];
        scan_over(c, &s, x, first ? one : y);
        for (int k = 0; first && k < c->nout && onnx_ok(c); k++) put(c, &all[k], one[k]);
    }
    for (int k = 0; k < c->nout; k++) {
        if (onnx_ok(c)) onnx_put(c, k, first ? joined(c, &all[k], 0, &s.g->out_spec[k]) : y[k]);
        lb_free(all[k].at);
    }
}

static const onnx_operator operators[] = {
    {"If", run_if},
    {"Loop", loop, 0, "sequences as carried values"},
    {"Scan", run_scan, 0, "lengths of sequences (set 8)"},
    {0},
};

ONNX_GROUP(control) = {.id = "control", .title = "graphs inside nodes", .source = "github.com/onnx/onnx docs/Operators.md, Changelog.md", .operators = operators};
