/* SPDX-License-Identifier: Apache-2.0 */
/* RNN, GRU, LSTM. The usual settings of LSTM and GRU run on the ops; all others (peepholes, lengths, other activations) on plain loops in double. */
#include <math.h>
#include <string.h>
#include "onnx/operator.h"
#include "tensor/ops.h"

enum { RNN = 1, GRU = 3, LSTM = 4 }; /* gates */

typedef struct cell {
    int gates;
    int64_t steps, batch, in, hidden, ways;
    bool batch_first, back_first, joint, before_reset;
    double clip;
    const onnx_attribute *act, *alpha, *beta;
    lb_tensor *x, *w, *r, *b, *lens, *h0, *c0, *p;
} cell;

/* ---- activations by name ---- */

static double activate(const cell *s, int which, double v) {
    static const char *const rnn[] = {"Tanh"}, *const gru[] = {"Sigmoid", "Tanh"}, *const lstm[] = {"Sigmoid", "Tanh", "Tanh"};
    int each = s->gates == LSTM ? 3 : s->gates == GRU ? 2 : 1;
    const char *name = s->act && which < s->act->count ? s->act->texts[which] : (s->gates == LSTM ? lstm : s->gates == GRU ? gru : rnn)[which % each];
    double a = s->alpha && which < s->alpha->count ? s->alpha->floats[which] : NAN, b = s->beta && which < s->beta->count ? s->beta->floats[which] : NAN;
    if (s->clip > 0) v = fmax(-s->clip, fmin(s->clip, v));
    if (onnx_is(name, "Sigmoid")) return 1 / (1 + exp(-v));
    if (onnx_is(name, "Tanh")) return tanh(v);
    if (onnx_is(name, "Relu")) return v > 0 ? v : 0;
    if (onnx_is(name, "LeakyRelu")) return v >= 0 ? v : (isnan(a) ? 0.01 : a) * v;
    if (onnx_is(name, "ThresholdedRelu")) return v >= (isnan(a) ? 1 : a) ? v : 0;
    if (onnx_is(name, "HardSigmoid")) return fmin(1, fmax(0, (isnan(a) ? 0.2 : a) * v + (isnan(b) ? 0.5 : b)));
    if (onnx_is(name, "Affine")) return (isnan(a) ? 1 : a) * v + (isnan(b) ? 0 : b);
    if (onnx_is(name, "ScaledTanh")) return (isnan(a) ? 1 : a) * tanh((isnan(b) ? 1 : b) * v);
    if (onnx_is(name, "Elu")) return v >= 0 ? v : (isnan(a) ? 1 : a) * expm1(v);
    if (onnx_is(name, "Softsign")) return v / (1 + fabs(v));
    if (onnx_is(name, "Softplus")) return log1p(exp(v));
    return NAN;
}

/* ---- the parts of a node ---- */

static bool fits(onnx_call *c, const lb_tensor *x, int rank, const int64_t *shape, const char *what) {
    bool same = !x || x->rank == rank;
    for (int d = 0; x && d < rank && same; d++) same = x->shape[d] == shape[d];
    char got[96], want[96];
    if (!same) onnx_fail(c, LB_E_SHAPE, "%s is %s, expected %s", what, lb_shape_text(got, sizeof got, x->rank, x->shape), lb_shape_text(want, sizeof want, rank, shape));
    return same;
}

static lb_tensor *real(onnx_call *c, int i) { return onnx_in(c, i) ? onnx_as(c, c->in[i], LB_F32) : NULL; }

static bool read_cell(onnx_call *c, cell *s, int gates) {
    const char *way = onnx_word(c, "direction", "forward");
    *s = (cell){.gates = gates, .batch_first = onnx_int(c, "layout", 0), .clip = onnx_real(c, "clip", 0), .joint = onnx_int(c, "input_forget", 0), .before_reset = !onnx_int(c, "linear_before_reset", 0)};
    s->act = onnx_attribute_find(c->node, "activations");
    s->alpha = onnx_attribute_find(c->node, "activation_alpha");
    s->beta = onnx_attribute_find(c->node, "activation_beta");
    for (int i = 0; i < 3; i++) onnx_need(c, i);
    if (!onnx_ok(c)) return false;
    s->x = real(c, 0), s->w = real(c, 1), s->r = real(c, 2), s->b = real(c, 3), s->h0 = real(c, 5);
    s->lens = onnx_in(c, 4) ? onnx_as(c, c->in[4], LB_I64) : NULL;
    s->c0 = gates == LSTM ? real(c, 6) : NULL;
    s->p = gates == LSTM ? real(c, 7) : NULL;
    s->back_first = onnx_is(way, "reverse");
    s->ways = onnx_is(way, "bidirectional") ? 2 : 1;
    if (s->x->rank != 3 || s->r->rank != 3) {
        onnx_fail(c, LB_E_SHAPE, "expected x [L,N,I], r [D,%d H,H]", gates);
        return false;
    }
    s->steps = s->x->shape[s->batch_first ? 1 : 0], s->batch = s->x->shape[s->batch_first ? 0 : 1], s->in = s->x->shape[2], s->hidden = s->r->shape[2];
    int64_t rows = gates * s->hidden;
    const int64_t *state = s->batch_first ? (int64_t[]){s->batch, s->ways, s->hidden} : (int64_t[]){s->ways, s->batch, s->hidden};
    return fits(c, s->w, 3, (int64_t[]){s->ways, rows, s->in}, "w") && fits(c, s->r, 3, (int64_t[]){s->ways, rows, s->hidden}, "r") &&
           fits(c, s->b, 2, (int64_t[]){s->ways, 2 * rows}, "b") && fits(c, s->lens, 1, &s->batch, "sequence_lens") && fits(c, s->h0, 3, state, "initial_h") &&
           fits(c, s->c0, 3, state, "initial_c") && fits(c, s->p, 2, (int64_t[]){s->ways, 3 * s->hidden}, "p");
}

/* ---- on ops ---- */

static bool usual(const cell *s) {
    if (s->lens || s->p || s->act || s->clip > 0 || s->joint || s->gates == RNN) return false;
    return s->gates == LSTM || !s->before_reset;
}

static lb_tensor *part(lb_tape *t, lb_tensor *x, int axis, int64_t at) { return x ? lb_squeeze(t, lb_slice(t, x, axis, at, at + 1, 1), axis) : NULL; }

/* Rows of gates from i o f c to i f c o (LSTM), from z r h to r z h (GRU). */
static lb_tensor *ordered(lb_tape *t, const cell *s, lb_tensor *x) {
    static const int lstm[] = {0, 2, 3, 1}, gru[] = {1, 0, 2};
    lb_tensor *parts[4];
    for (int g = 0; g < s->gates; g++) {
        int64_t at = (s->gates == LSTM ? lstm : gru)[g] * s->hidden;
        parts[g] = lb_slice(t, x, 0, at, at + s->hidden, 1);
    }
    return lb_concat(t, s->gates, parts, 0);
}

static void by_op(onnx_call *c, const cell *s) {
    lb_tape *t = c->tape;
    lb_tensor *y[2], *h[2], *e[2] = {NULL, NULL}, *x = s->batch_first ? s->x : lb_transpose(t, s->x, 0, 1);
    int64_t rows = s->gates * s->hidden;
    int way = s->batch_first ? 1 : 0;
    for (int d = 0; d < s->ways; d++) {
        bool back = s->back_first || d == 1;
        lb_tensor *b = part(t, s->b, 0, d), *wb = b ? ordered(t, s, lb_slice(t, b, 0, 0, rows, 1)) : NULL, *rb = b ? ordered(t, s, lb_slice(t, b, 0, rows, 2 * rows, 1)) : NULL;
        lb_tensor *gx = lb_linear(t, x, ordered(t, s, part(t, s->w, 0, d)), wb, LB_ACT_NONE), *r = ordered(t, s, part(t, s->r, 0, d)), *h0 = part(t, s->h0, way, d);
        if (s->gates == LSTM) y[d] = lb_lstm(t, gx, r, rb, h0, part(t, s->c0, way, d), back, &h[d], &e[d]);
        else y[d] = lb_gru(t, gx, r, rb, h0, back, &h[d]);
        y[d] = lb_unsqueeze(t, s->batch_first ? y[d] : lb_transpose(t, y[d], 0, 1), s->batch_first ? 2 : 1);
        h[d] = lb_unsqueeze(t, h[d], way);
        if (e[d]) e[d] = lb_unsqueeze(t, e[d], way);
    }
    bool two = s->ways == 2;
    onnx_put(c, 0, two ? lb_concat(t, 2, y, s->batch_first ? 2 : 1) : y[0]);
    onnx_put(c, 1, two ? lb_concat(t, 2, h, way) : h[0]);
    if (s->gates == LSTM) onnx_put(c, 2, two ? lb_concat(t, 2, e, way) : e[0]);
}

/* ---- by loops ---- */

/* q = w v + bias [rows] */
static void product(double *q, const float *w, const float *v, const double *state, int64_t rows, int64_t n, const float *bias, bool add) {
    for (int64_t i = 0; i < rows; i++) {
        double sum = bias ? (double)bias[i] : 0;
        for (int64_t k = 0; k < n; k++) sum += (double)w[i * n + k] * (v ? (double)v[k] : state[k]);
        q[i] = add ? q[i] + sum : sum;
    }
}

/* One step of one sequence: h, e [H] in place; q, u [gates H] are work. */
static void step(const cell *s, int64_t d, const float *x, double *h, double *e, double *q, double *u) {
    int64_t n = s->hidden, rows = s->gates * n;
    const float *w = (const float *)s->w->data + d * rows * s->in, *r = (const float *)s->r->data + d * rows * n,
                *b = s->b ? (const float *)s->b->data + d * 2 * rows : NULL, *p = s->p ? (const float *)s->p->data + d * 3 * n : NULL;
    int act = (int)d * (s->gates == LSTM ? 3 : s->gates == GRU ? 2 : 1);
    product(q, w, x, NULL, rows, s->in, b, false);
    if (s->gates == RNN) {
        product(q, r, NULL, h, rows, n, b ? b + rows : NULL, true);
        for (int64_t k = 0; k < n; k++) h[k] = activate(s, act, q[k]);
    } else if (s->gates == LSTM) { /* i o f c */
        product(q, r, NULL, h, rows, n, b ? b + rows : NULL, true);
        for (int64_t k = 0; k < n; k++) {
            double i = activate(s, act, q[k] + (p ? (double)p[k] * e[k] : 0)), f = s->joint ? 1 - i : activate(s, act, q[2 * n + k] + (p ? (double)p[2 * n + k] * e[k] : 0));
            double g = activate(s, act + 1, q[3 * n + k]);
            e[k] = f * e[k] + i * g;
            double o = activate(s, act, q[n + k] + (p ? (double)p[n + k] * e[k] : 0));
            h[k] = o * activate(s, act + 2, e[k]);
        }
    } else { /* z r h */
        product(u, r, NULL, h, 2 * n, n, b ? b + rows : NULL, false);
        for (int64_t k = 0; k < 2 * n; k++) u[k] = activate(s, act, q[k] + u[k]);
        double *reset = u + 2 * n, *next = u + 3 * n;
        for (int64_t k = 0; k < n; k++) reset[k] = s->before_reset ? u[n + k] * h[k] : h[k];
        product(next, r + 2 * n * n, NULL, reset, n, n, b ? b + rows + 2 * n : NULL, false);
        for (int64_t k = 0; k < n; k++) {
            double g = activate(s, act + 1, q[2 * n + k] + (s->before_reset ? next[k] : u[n + k] * next[k]));
            h[k] = (1 - u[k]) * g + u[k] * h[k];
        }
    }
}

static int64_t state_at(const cell *s, int64_t d, int64_t n) { return (s->batch_first ? n * s->ways + d : d * s->batch + n) * s->hidden; }

static void sequence(const cell *s, int64_t d, int64_t n, float *y, float *last, float *last_cell, double *work) {
    bool back = s->back_first || d == 1;
    double *h = work, *e = h + s->hidden, *q = e + s->hidden, *u = q + s->gates * s->hidden;
    int64_t length = s->lens ? ((const int64_t *)s->lens->data)[n] : s->steps, at = state_at(s, d, n);
    if (length < 0 || length > s->steps) length = s->steps;
    for (int64_t k = 0; k < s->hidden; k++) h[k] = s->h0 ? (double)((const float *)s->h0->data)[at + k] : 0, e[k] = s->c0 ? (double)((const float *)s->c0->data)[at + k] : 0;
    for (int64_t i = 0; i < s->steps; i++) {
        int64_t t = back && i < length ? length - 1 - i : i, row = s->batch_first ? n * s->steps + t : t * s->batch + n;
        float *to = y + (s->batch_first ? (row * s->ways + d) : (t * s->ways + d) * s->batch + n) * s->hidden;
        if (i < length) step(s, d, (const float *)s->x->data + row * s->in, h, e, q, u);
        for (int64_t k = 0; k < s->hidden; k++) to[k] = i < length ? (float)h[k] : 0;
    }
    for (int64_t k = 0; k < s->hidden; k++) {
        last[at + k] = (float)h[k];
        if (last_cell) last_cell[at + k] = (float)e[k];
    }
}

static void by_loops(onnx_call *c, const cell *s) {
    const int64_t *whole = s->batch_first ? (int64_t[]){s->batch, s->steps, s->ways, s->hidden} : (int64_t[]){s->steps, s->ways, s->batch, s->hidden};
    const int64_t *state = s->batch_first ? (int64_t[]){s->batch, s->ways, s->hidden} : (int64_t[]){s->ways, s->batch, s->hidden};
    lb_tensor *y = onnx_make(c, 0, LB_F32, 4, whole), *h = onnx_make(c, 1, LB_F32, 3, state), *e = s->gates == LSTM ? onnx_make(c, 2, LB_F32, 3, state) : NULL;
    lb_tensor *work = onnx_scratch(c, LB_F64, 1, (int64_t[]){(2 + s->gates + 4) * s->hidden});
    const lb_tensor *need[] = {s->x, s->w, s->r};
    bool known = onnx_ok(c) && y->data && h->data && work->data;
    for (int i = 0; i < 3; i++) known = known && (need[i]->data || lb_numel(need[i]) == 0);
    if (!known || (s->lens && !s->lens->data)) return;
    for (int64_t d = 0; d < s->ways; d++)
        for (int64_t n = 0; n < s->batch; n++) sequence(s, d, n, y->data, h->data, e ? e->data : NULL, work->data);
}

static void run(onnx_call *c) {
    cell s;
    if (!read_cell(c, &s, *(const int *)c->node->def->how)) return;
    if (usual(&s)) by_op(c, &s);
    else by_loops(c, &s);
}

#define WHAT(x) &(const int){x}
static const onnx_operator operators[] = {
    {"GRU", run, ONNX_FLOAT_ONLY, NULL, WHAT(GRU)},
    {"LSTM", run, ONNX_FLOAT_ONLY, NULL, WHAT(LSTM)},
    {"RNN", run, ONNX_FLOAT_ONLY, NULL, WHAT(RNN)},
    {0},
};

ONNX_GROUP(recurrent) = {.id = "recurrent", .title = "recurrent networks", .source = "github.com/onnx/onnx docs/Operators.md", .operators = operators};
