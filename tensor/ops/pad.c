/* SPDX-License-Identifier: Apache-2.0 */
/* y = x with before[i] and after[i] elements put around axis i, taken away where negative. What is put there: a constant; x mirrored
 * without its edge (fewer than x has); its edge; or x going round. dx = each element of g added where it came from. */
#include <string.h>
#include "tensor/calls.h"
#include "tensor/loops.h"
#include "tensor/ops.h"

static bool shape(lb_call *c) {
    const lb_pad_params *p = c->params;
    lb_tensor *y = c->out[0];
    y->dtype = c->in[0]->dtype;
    y->rank = c->in[0]->rank;
    for (int i = 0; i < y->rank; i++) {
        int64_t n = c->in[0]->shape[i], b = p->before[i], a = p->after[i], most = b > a ? b : a;
        y->shape[i] = n + b + a;
        bool fits = y->shape[i] >= 0 && n + (b < 0 ? b : 0) + (a < 0 ? a : 0) >= 0;
        if (p->mode == LB_PAD_REFLECT) fits = fits && (most < n || most <= 0);
        if (p->mode == LB_PAD_CIRCULAR || p->mode == LB_PAD_REPLICATE) fits = fits && (n > 0 || most <= 0);
        if (fits && (p->mode == LB_PAD_CONSTANT || y->dtype == LB_REAL)) continue;
        if (fits) lb_tape_fail(c->tape, LB_E_SHAPE, "padding by its own values is for numbers");
        else lb_tape_fail(c->tape, LB_E_ARG, "padding %lld, %lld of axis %d with %lld elements", (long long)b, (long long)a, i, (long long)n);
        return false;
    }
    return true;
}

/* ---- a constant: x is a part of y ---- */

/* The elements of `whole` (x, or y) that both have. */
static lb_tensor common(const lb_call *c, const lb_tensor *whole, bool of_y) {
    const lb_pad_params *p = c->params;
    lb_tensor part = *whole;
    int64_t at = 0;
    for (int i = 0; i < whole->rank; i++) {
        int64_t b = p->before[i], a = p->after[i];
        part.shape[i] = c->in[0]->shape[i] + (b < 0 ? b : 0) + (a < 0 ? a : 0);
        at += (of_y ? (b > 0 ? b : 0) : (b < 0 ? -b : 0)) * whole->stride[i];
    }
    if (whole->data && lb_numel(&part) > 0) part.data = (char *)whole->data + at * (int64_t)lb_dtype_size(whole->dtype);
    return part;
}

/* ---- a table of places for each axis ---- */

typedef struct places {
    int rank;
    int64_t outer, inner_x, inner_y;          /* leading axes that are left as they are; elements of the rest */
    int64_t shape[LB_MAX_RANK];               /* of y */
    const int64_t *from[LB_MAX_RANK];         /* where in x, in elements, for each place along an axis of y; -1: nowhere, value stands there */
    int64_t first, last;                      /* places of the last axis that are x's own, side by side */
    const lb_real *source;
    lb_real *to;
    lb_real value;
    bool add; /* back: to[x] += source[y] */
} places;

static int64_t place_of(lb_pad_mode mode, int64_t i, int64_t n) {
    if (mode == LB_PAD_CONSTANT) return i < 0 || i >= n ? -1 : i;
    if (mode == LB_PAD_REPLICATE) return i < 0 ? 0 : i >= n ? n - 1 : i;
    if (mode == LB_PAD_CIRCULAR) return (i % n + n) % n;
    return i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i;
}

static bool make_places(lb_call *c, const lb_tensor *x, const lb_tensor *y, places *m) {
    const lb_pad_params *p = c->params;
    int64_t total = 0, step = 1;
    m->rank = x->rank;
    m->outer = m->inner_x = m->inner_y = 1;
    for (int i = 0; i < x->rank; i++) total += m->shape[i] = y->shape[i];
    int64_t *table = lb_scratch(c, (size_t)total * sizeof *table);
    if (!table) return false;
    for (int i = x->rank - 1; i >= 0; i--) {
        m->from[i] = table;
        for (int64_t k = 0; k < y->shape[i]; k++) {
            int64_t at = place_of(p->mode, k - p->before[i], x->shape[i]);
            *table++ = at < 0 ? -1 : step * at;
        }
        step *= x->shape[i];
    }
    int lead = 0;
    for (; lead < x->rank - 1 && p->before[lead] == 0 && p->after[lead] == 0; lead++) m->outer *= x->shape[lead];
    for (int i = lead; i < x->rank; i++) {
        m->inner_x *= x->shape[i];
        m->inner_y *= y->shape[i];
    }
    int end = x->rank - 1;
    m->first = p->before[end] > 0 ? p->before[end] : 0;
    m->last = y->shape[end] - (p->after[end] > 0 ? p->after[end] : 0);
    if (m->last < m->first) m->first = m->last = 0;
    m->rank = x->rank - lead;
    memmove(m->shape, m->shape + lead, sizeof(int64_t) * (size_t)m->rank);
    memmove(m->from, m->from + lead, sizeof m->from[0] * (size_t)m->rank);
    return true;
}

/* A row of y at y, of x at x: what lies around first, then x's own. */
static void pass_row(const places *m, int64_t x, int64_t y, const int64_t *from, int64_t width) {
    int64_t own = m->first < m->last ? x + from[m->first] - m->first : 0;
    for (int side = 0; side < 2; side++) {
        int64_t k = side ? m->last : 0, end = side ? width : m->first;
        if (m->add)
            for (; k < end; k++) m->to[x + from[k]] += m->source[y + k];
        else
            for (; k < end; k++) m->to[y + k] = from[k] < 0 ? m->value : m->source[x + from[k]];
    }
    if (!m->add && m->first < m->last) memcpy(m->to + y + m->first, m->source + own + m->first, (size_t)(m->last - m->first) * sizeof *m->to);
    lb_real *restrict to = m->to + own;
    const lb_real *source = m->source + y;
    for (int64_t k = m->first; m->add && k < m->last; k++) to[k] += source[k];
}

/* Rows first..last-1 of all of y. */
static void pass_rows(const places *m, int64_t first, int64_t last) {
    int64_t width = m->shape[m->rank - 1], rows = m->inner_y / width;
    for (int64_t row = first; row < last; row++) {
        int64_t rest = row % rows, x = row / rows * m->inner_x;
        bool inside = true;
        for (int i = m->rank - 2; i >= 0; i--) {
            int64_t at = m->from[i][rest % m->shape[i]];
            inside = inside && at >= 0;
            x += at;
            rest /= m->shape[i];
        }
        if (inside) pass_row(m, x, row * width, m->from[m->rank - 1], width);
        else
            for (int64_t k = 0; k < width; k++) m->to[row * width + k] = m->value;
    }
}

static void put_rows(const void *ctx, int64_t first, int64_t last) { pass_rows(ctx, first, last); }

/* Several rows of y may be one of x: threads share what lies apart. */
static void add_parts(const void *ctx, int64_t first, int64_t last) {
    const places *m = ctx;
    int64_t rows = m->inner_y / m->shape[m->rank - 1];
    pass_rows(m, first * rows, last * rows);
}

static void forward(lb_call *c) {
    const lb_pad_params *p = c->params;
    int rank = c->in[0]->rank;
    if (rank == 0 || c->in[0]->dtype != LB_REAL) {
        lb_tensor to = common(c, c->out[0], true), from = common(c, c->in[0], false);
        lbi_fill(c->out[0], p->value);
        lbi_copy_view(&to, &from);
        return;
    }
    places m = {.source = lb_r(c->in[0]), .to = lb_r(c->out[0]), .value = (lb_real)p->value};
    if (lb_numel(c->out[0]) == 0 || !make_places(c, c->in[0], c->out[0], &m)) return;
    int64_t width = c->out[0]->shape[rank - 1];
    lbi_split(lb_numel(c->out[0]) / width, width, put_rows, &m);
}

static void backward(lb_call *c) {
    const lb_pad_params *p = c->params;
    if (p->mode == LB_PAD_CONSTANT || c->in[0]->rank == 0) {
        lb_tensor from = common(c, c->gout[0], true), to = common(c, c->gin[0], false);
        bool set = c->fresh[0] && lb_numel(&to) == lb_numel(c->gin[0]);
        if (c->fresh[0] && !set) lbi_fill(c->gin[0], 0);
        lbi_add_view(&to, &from, 1, set);
        return;
    }
    if (c->fresh[0]) lbi_fill(c->gin[0], 0);
    places m = {.source = lb_r(c->gout[0]), .to = lb_r(c->gin[0]), .add = true};
    if (lb_numel(c->gout[0]) > 0 && make_places(c, c->gin[0], c->gout[0], &m)) lbi_split(m.outer, m.inner_y, add_parts, &m);
}

static const lb_pad_params both = {{1, 0}, {2, 3}, 0.5, LB_PAD_CONSTANT}, none = {{0}, {0}, 0, LB_PAD_CONSTANT}, crop = {{-1, 2}, {1, -3}, 0.5, LB_PAD_CONSTANT},
                        front = {{0, 2, 0}, {0, 0, 0}, -1, LB_PAD_CONSTANT}, mirror = {{0, 2, 1}, {0, 1, 3}, 0, LB_PAD_REFLECT}, frame = {{1, 2, 1}, {2, 0, 3}, 0.5, LB_PAD_CONSTANT},
                        edge = {{0, 2, -1}, {0, 4, 3}, 0, LB_PAD_REPLICATE}, turn = {{1, 2, 3}, {0, 1, 4}, 0, LB_PAD_CIRCULAR};
static const lb_op_case cases[] = {
    {.name = "both", .rank = {2}, .shape = {{3, 5}}, .params = &both},
    {.name = "none", .rank = {1}, .shape = {{3}}, .params = &none},
    {.name = "front", .rank = {3}, .shape = {{2, 3, 4}}, .params = &front},
    {.name = "crop", .rank = {2}, .shape = {{3, 5}}, .params = &crop},
    {.name = "empty", .rank = {2}, .shape = {{0, 2}}, .params = &both},
    {.name = "mirror", .rank = {3}, .shape = {{2, 3, 4}}, .params = &mirror},
    {.name = "edge", .rank = {3}, .shape = {{2, 3, 4}}, .params = &edge},
    {.name = "turn", .rank = {3}, .shape = {{2, 3, 4}}, .params = &turn},
    {.name = "pictures", .rank = {3}, .shape = {{60, 33, 35}}, .params = &mirror},
    {.name = "framed", .rank = {3}, .shape = {{60, 33, 35}}, .params = &frame},
};

LB_OP(pad) = {.id = "pad", .title = "a constant or its own values around it", .source = "torch.nn.functional.pad", .sig = "x -> y",
              .math = "y = x, something outside", .params_size = sizeof(lb_pad_params),
              .flags = LB_OP_SETS | LB_OP_ANY_TYPE | LB_OP_INF_OK, .shape = shape, .forward = forward,
              .backward = backward, .cases = cases, .case_count = LB_COUNT(cases)};

static lb_tensor *put_around(lb_tape *t, lb_tensor *x, const int64_t *before, const int64_t *after, lb_pad_params p) {
    for (int i = 0; x && i < x->rank; i++) {
        p.before[i] = before[i];
        p.after[i] = after[i];
    }
    return lb_apply(t, &lb_op_pad, &p, sizeof p, 1, &x);
}

lb_tensor *lb_pad(lb_tape *t, lb_tensor *x, const int64_t *before, const int64_t *after, double value) {
    return put_around(t, x, before, after, (lb_pad_params){.value = value});
}

lb_tensor *lb_pad_with(lb_tape *t, lb_tensor *x, const int64_t *before, const int64_t *after, lb_pad_mode mode) {
    return put_around(t, x, before, after, (lb_pad_params){.mode = mode});
}
