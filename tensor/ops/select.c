/* SPDX-License-Identifier: Apache-2.0 */
/* y = a where cond is not 0, else b; da = g there, db = g elsewhere, summed over axes along which they were broadcast.
 * cond: numbers of the maths type, or i64. */
#include <string.h>
#include "tensor/ops/elementwise.h"

static bool shape(lb_call *c) {
    lb_tensor both = {.rank = 0}, *y = c->out[0];
    bool types = (c->in[0]->dtype == LB_REAL || c->in[0]->dtype == LB_I64) && c->in[1]->dtype == LB_REAL &&
                 c->in[2]->dtype == LB_REAL;
    if (types && lbi_broadcast(c->in[1], c->in[2], &both) && lbi_broadcast(c->in[0], &both, y)) return true;
    y->rank = 0;
    lb_tape_fail(c->tape, LB_E_SHAPE, types ? "the shapes do not broadcast to one" : "expected a condition of %s or i64, and %s",
                 lb_dtype_name(LB_REAL), lb_dtype_name(LB_REAL));
    return false;
}

/* p: y, cond, a, b */
LBI_INLINE void choose(int64_t n, char *const *p, const int64_t *s, bool integer) {
    for (int64_t i = 0; i < n; i++) {
        const char *at = p[1] + i * s[1];
        bool yes = integer ? *(const int64_t *)at != 0 : *(const lb_real *)at != 0;
        ((lb_real *)p[0])[i] = yes ? *(const lb_real *)(p[2] + i * s[2]) : *(const lb_real *)(p[3] + i * s[3]);
    }
}

LBI_LEVELS static void row_real(const void *ctx, int64_t n, char *const *p, const int64_t *s) {
    choose(n, p, s, false);
}

LBI_LEVELS static void row_int(const void *ctx, int64_t n, char *const *p, const int64_t *s) {
    choose(n, p, s, true);
}

static void forward(lb_call *c) {
    const lb_tensor *x[] = {c->out[0], c->in[0], c->in[1], c->in[2]};
    lbi_walk(c->out[0]->rank, c->out[0]->shape, 4, x, c->in[0]->dtype == LB_I64 ? row_int : row_real, NULL);
}

static void backward(lb_call *c) {
    const lb_real none = 0;
    lb_tensor zero = {.dtype = LB_REAL, .data = (void *)(uintptr_t)&none}, part = *c->gout[0];
    if (c->gin[0] && c->fresh[0]) lbi_fill(c->gin[0], 0);
    part.data = lb_scratch(c, (size_t)lb_numel(&part) * sizeof(lb_real));
    if (!part.data) return;
    for (int k = 1; k < 3; k++) {
        const lb_tensor *x[] = {&part, c->in[0], k == 1 ? c->gout[0] : &zero, k == 1 ? &zero : c->gout[0]};
        if (!c->gin[k]) continue;
        lbi_walk(part.rank, part.shape, 4, x, c->in[0]->dtype == LB_I64 ? row_int : row_real, NULL);
        lbi_reduce_to(c->gin[k], &part, 1, c->fresh[k]);
    }
}

static void zero_or_one(void *const *data, const int64_t *numel) {
    for (int64_t i = 0; i < numel[0]; i++) ((lb_real *)data[0])[i] = ((lb_real *)data[0])[i] > 0;
}

static const lb_op_case cases[] = {
    {.name = "same", .rank = {2, 2, 2}, .shape = {{3, 5}, {3, 5}, {3, 5}}, .fill = zero_or_one},
    {.name = "mixed", .rank = {2, 3, 0}, .shape = {{3, 1}, {2, 3, 5}}, .fill = zero_or_one},
    {.name = "wide", .rank = {2, 1, 1}, .shape = {{3, 4}, {4}, {1}}, .fill = zero_or_one},
    {.name = "empty", .rank = {2, 2, 2}, .shape = {{0, 5}, {1, 5}, {1, 1}}, .fill = zero_or_one},
    {.name = "large", .rank = {3, 3, 1}, .shape = {{30, 50, 51}, {30, 1, 51}, {51}}, .fill = zero_or_one},
};

LB_OP(select) = {.id = "select",
                 .title = "one of two, by a condition",
                 .source = "NumPy where",
                 .sig = "cond a b -> y",
                 .math = "y = cond ? a : b",
                 .flags = LB_OP_STRIDED | LB_OP_SETS | LB_OP_ANY_TYPE | LB_OP_NONSMOOTH | LB_OP_INF_OK,
                 .reads = LB_READS_IN(0),
                 .shape = shape,
                 .forward = forward,
                 .backward = backward,
                 .cases = cases,
                 .case_count = LB_COUNT(cases)};

lb_tensor *lb_select(lb_tape *t, lb_tensor *cond, lb_tensor *a, lb_tensor *b) {
    return lb_apply(t, &lb_op_select, NULL, 0, 3, (lb_tensor *[]){cond, a, b});
}
