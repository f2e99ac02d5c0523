/* SPDX-License-Identifier: Apache-2.0 */
/* Pairs (a, b) of the first 2P elements of each row of x [N,H,L,D] are turned: (a c - b s, a s + b c), c, s = cos, sin [L,P] or [N,L,P]; elements
 * from 2P on pass. Pair i is (i, i + P), or (2i, 2i + 1) when interleaved. dx: turned back; dc = sum over heads (and samples) of ga a + gb b,
 * ds = gb a - ga b. */
#include "tensor/calls.h"
#include "tensor/loops.h"

static bool shape(lb_call *c) {
    const lb_tensor *x = c->in[0], *k = c->in[1], *s = c->in[2];
    char text[96];
    bool fits = lb_same_shape(k, s) && (k->rank == 2 || k->rank == 3) && k->shape[k->rank - 2] == x->shape[2] && (k->rank == 2 || k->shape[0] == x->shape[0]) &&
                2 * k->shape[k->rank - 1] <= x->shape[3];
    if (!fits) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "tables %s, expected two [L,P] or [N,L,P] with 2P up to D", lb_shape_text(text, sizeof text, k->rank, k->shape));
        return false;
    }
    c->out[0]->rank = 4;
    for (int i = 0; i < 4; i++) c->out[0]->shape[i] = x->shape[i];
    return true;
}

typedef struct turn {
    const lb_tensor *from, *cos, *sin;
    lb_tensor *to;
    int64_t pairs, step, apart; /* pair i: elements i step and i step + apart */
    lb_real sign;
    bool add;
} turn;

static turn turn_of(const lb_call *c) {
    const lb_rotary_params *p = c->params;
    int64_t pairs = c->in[1]->shape[c->in[1]->rank - 1];
    return (turn){.cos = c->in[1], .sin = c->in[2], .pairs = pairs, .step = p->interleaved ? 2 : 1, .apart = p->interleaved ? 1 : pairs, .sign = 1};
}

static int64_t table_row(const lb_tensor *x, int64_t n, int64_t l) { return x->rank == 3 ? n * x->stride[0] + l * x->stride[1] : l * x->stride[0]; }

static void put(const turn *r, lb_real *y, lb_real v) { *y = r->add ? *y + v : v; }

/* Rows first..last-1 of [N,H,L]. */
static void turn_rows(const void *ctx, int64_t first, int64_t last) {
    const turn *r = ctx;
    const int64_t *size = r->to->shape, *fs = r->from->stride, *ts = r->to->stride;
    int64_t kc = r->cos->stride[r->cos->rank - 1], ks = r->sin->stride[r->sin->rank - 1];
    for (int64_t i = first; i < last; i++) {
        int64_t l = i % size[2], h = i / size[2] % size[1], n = i / size[2] / size[1];
        const lb_real *x = lb_r(r->from) + n * fs[0] + h * fs[1] + l * fs[2];
        const lb_real *cos = lb_r(r->cos) + table_row(r->cos, n, l), *sin = lb_r(r->sin) + table_row(r->sin, n, l);
        lb_real *y = lb_r(r->to) + n * ts[0] + h * ts[1] + l * ts[2];
        for (int64_t k = 0; k < r->pairs; k++) {
            int64_t at = k * r->step;
            lb_real a = x[at * fs[3]], b = x[(at + r->apart) * fs[3]], c = cos[k * kc], s = r->sign * sin[k * ks];
            put(r, y + at, a * c - b * s);
            put(r, y + at + r->apart, a * s + b * c);
        }
        for (int64_t k = 2 * r->pairs; k < size[3]; k++) put(r, y + k, x[k * fs[3]]);
    }
}

static void forward(lb_call *c) {
    turn r = turn_of(c);
    r.from = c->in[0];
    r.to = c->out[0];
    if (lb_numel(r.to) > 0) lbi_split(lb_numel(r.to) / r.to->shape[3], r.to->shape[3], turn_rows, &r);
}

static void table_gradients(lb_call *c, const turn *r) {
    const lb_tensor *x = c->in[0];
    const int64_t *size = x->shape, *fs = x->stride;
    for (int64_t i = 0, rows = size[0] * size[1] * size[2]; i < rows; i++) {
        int64_t l = i % size[2], h = i / size[2] % size[1], n = i / size[2] / size[1], at = (r->cos->rank == 3 ? n * size[2] + l : l) * r->pairs;
        const lb_real *from = lb_r(x) + n * fs[0] + h * fs[1] + l * fs[2], *g = lb_r(c->gout[0]) + i * size[3];
        for (int64_t k = 0; k < r->pairs; k++) {
            int64_t first = k * r->step, second = first + r->apart;
            lb_real a = from[first * fs[3]], b = from[second * fs[3]];
            if (c->gin[1]) lb_r(c->gin[1])[at + k] += g[first] * a + g[second] * b;
            if (c->gin[2]) lb_r(c->gin[2])[at + k] += g[second] * a - g[first] * b;
        }
    }
}

static void backward(lb_call *c) {
    turn r = turn_of(c);
    r.from = c->gout[0];
    r.to = c->gin[0];
    r.sign = -1;
    r.add = !c->fresh[0];
    for (int i = 1; i < 3; i++)
        if (c->gin[i] && c->fresh[i]) lbi_fill(c->gin[i], 0);
    if (c->gin[0] && lb_numel(r.to) > 0) lbi_split(lb_numel(r.to) / r.to->shape[3], r.to->shape[3], turn_rows, &r);
    if (c->gin[1] || c->gin[2]) table_gradients(c, &r);
}

static const lb_rotary_params halves = {false}, interleaved = {true};
static const lb_op_case cases[] = {
    {.name = "halves", .rank = {4, 2, 2}, .shape = {{2, 2, 3, 4}, {3, 2}, {3, 2}}, .params = &halves},
    {.name = "interleaved, part", .rank = {4, 2, 2}, .shape = {{2, 2, 3, 7}, {3, 2}, {3, 2}}, .params = &interleaved},
    {.name = "tables of samples, part", .rank = {4, 3, 3}, .shape = {{2, 3, 2, 5}, {2, 2, 2}, {2, 2, 2}}, .params = &halves},
    {.name = "empty", .rank = {4, 2, 2}, .shape = {{2, 2, 0, 4}, {0, 2}, {0, 2}}, .params = &halves},
    {.name = "large", .rank = {4, 2, 2}, .shape = {{4, 6, 97, 32}, {97, 16}, {97, 16}}, .params = &halves},
};

LB_OP(rotary) = {.id = "rotary",
                 .title = "rotary positions: pairs of elements turned by tables of cosines and sines",
                 .source = "Su et al., arXiv:2104.09864, eq. (34)",
                 .sig = "x[N,H,L,D] cos sin -> y[N,H,L,D]",
                 .math = "(y_a, y_b) = (x_a c - x_b s, x_a s + x_b c)",
                 .params_size = sizeof(lb_rotary_params),
                 .flags = LB_OP_STRIDED | LB_OP_SETS,
                 .reads = LB_READS_IN(0) | LB_READS_IN(1) | LB_READS_IN(2),
                 .shape = shape,
                 .forward = forward,
                 .backward = backward,
                 .cases = cases,
                 .case_count = LB_COUNT(cases)};

lb_tensor *lb_rotary(lb_tape *t, lb_tensor *x, lb_tensor *cos, lb_tensor *sin, bool interleaved_pairs) {
    lb_rotary_params p = {interleaved_pairs};
    return lb_apply(t, &lb_op_rotary, &p, sizeof p, 3, (lb_tensor *[]){x, cos, sin});
}
