/* SPDX-License-Identifier: Apache-2.0 */
/* y = value where mask is not 0, else x; dx = g where mask is 0. mask: numbers of the maths type, or i64, broadcast to x. */
#include <string.h>
#include "tensor/calls.h"
#include "tensor/ops/elementwise.h"

static bool shape(lb_call *c) {
    const lb_tensor *x = c->in[0], *m = c->in[1];
    lb_tensor *y = c->out[0];
    bool types = x->dtype == LB_REAL && (m->dtype == LB_REAL || m->dtype == LB_I64);
    if (types && lbi_broadcast(x, m, y) && lb_same_shape(x, y)) return true;
    y->rank = 0;
    lb_tape_fail(c->tape, LB_E_SHAPE, "expected x of %s and a mask of it or of i64 that repeats to the shape of x",
                 lb_dtype_name(LB_REAL));
    return false;
}

/* p: y, x, mask. With add, y += x where not masked. */
LBI_INLINE void choose(int64_t n, char *const *p, const int64_t *s, bool integer, bool add, lb_real value) {
    lb_real *y = (lb_real *)p[0];
    for (int64_t i = 0; i < n; i++) {
        const char *at = p[2] + i * s[2];
        bool masked = integer ? *(const int64_t *)at != 0 : *(const lb_real *)at != 0;
        lb_real x = masked ? value : *(const lb_real *)(p[1] + i * s[1]);
        y[i] = add ? y[i] + x : x;
    }
}

LBI_LEVELS static void row_real(const void *value, int64_t n, char *const *p, const int64_t *s) {
    choose(n, p, s, false, false, *(const lb_real *)value);
}

LBI_LEVELS static void row_int(const void *value, int64_t n, char *const *p, const int64_t *s) {
    choose(n, p, s, true, false, *(const lb_real *)value);
}

LBI_LEVELS static void add_real(const void *value, int64_t n, char *const *p, const int64_t *s) {
    choose(n, p, s, false, true, *(const lb_real *)value);
}

LBI_LEVELS static void add_int(const void *value, int64_t n, char *const *p, const int64_t *s) {
    choose(n, p, s, true, true, *(const lb_real *)value);
}

static void forward(lb_call *c) {
    const lb_fill_params *p = c->params;
    const lb_tensor *x[] = {c->out[0], c->in[0], c->in[1]};
    lbi_walk(c->out[0]->rank, c->out[0]->shape, 3, x, c->in[1]->dtype == LB_I64 ? row_int : row_real, &p->value);
}

static void backward(lb_call *c) {
    const lb_real zero = 0;
    const lb_tensor *x[] = {c->gin[0], c->gout[0], c->in[1]};
    bool integer = c->in[1]->dtype == LB_I64;
    lb_row row = c->fresh[0] ? (integer ? row_int : row_real) : (integer ? add_int : add_real);
    if (c->gin[1] && c->fresh[1]) lbi_fill(c->gin[1], 0);
    if (c->gin[0]) lbi_walk(c->gin[0]->rank, c->gin[0]->shape, 3, x, row, &zero);
}

static void zero_or_one(void *const *data, const int64_t *numel) {
    for (int64_t i = 0; i < numel[1]; i++) ((lb_real *)data[1])[i] = ((lb_real *)data[1])[i] > 0;
}

static const lb_fill_params minus = {-7};
static const lb_op_case cases[] = {
    {.name = "same", .rank = {2, 2}, .shape = {{3, 5}, {3, 5}}, .params = &minus, .fill = zero_or_one},
    {.name = "keys", .rank = {4, 4}, .shape = {{2, 2, 3, 5}, {2, 1, 1, 5}}, .params = &minus, .fill = zero_or_one},
    {.name = "empty", .rank = {2, 1}, .shape = {{0, 5}, {5}}, .params = &minus, .fill = zero_or_one},
    {.name = "large", .rank = {3, 2}, .shape = {{30, 50, 51}, {50, 51}}, .params = &minus, .fill = zero_or_one},
};

LB_OP(masked_fill) = {.id = "masked_fill",
                      .title = "a constant where a mask says so",
                      .source = "torch.masked_fill",
                      .sig = "x mask -> y",
                      .math = "y = mask ? value : x",
                      .params_size = sizeof(lb_fill_params),
                      .flags = LB_OP_STRIDED | LB_OP_SETS | LB_OP_ANY_TYPE | LB_OP_NONSMOOTH | LB_OP_INF_OK,
                      .reads = LB_READS_IN(1),
                      .shape = shape,
                      .forward = forward,
                      .backward = backward,
                      .cases = cases,
                      .case_count = LB_COUNT(cases)};

lb_tensor *lb_masked_fill(lb_tape *t, lb_tensor *x, lb_tensor *mask, double value) {
    lb_fill_params p = {(lb_real)value};
    return lb_apply(t, &lb_op_masked_fill, &p, sizeof p, 2, (lb_tensor *[]){x, mask});
}
