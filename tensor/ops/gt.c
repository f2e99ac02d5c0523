/* SPDX-License-Identifier: Apache-2.0 */
/* y = 1 where a > b, else 0. Both numbers of the maths type, or both i64; broadcast. */
#include "tensor/ops/elementwise.h"

static bool shape(lb_call *c) {
    bool types = c->in[0]->dtype == c->in[1]->dtype && (c->in[0]->dtype == LB_REAL || c->in[0]->dtype == LB_I64);
    if (types) return lbi_binary_shape(c);
    lb_tape_fail(c->tape, LB_E_SHAPE, "expected two of %s or two of i64", lb_dtype_name(LB_REAL));
    return false;
}

LBI_LEVELS static void row_real(const void *params, int64_t n, char *const *p, const int64_t *s) {
    for (int64_t i = 0; i < n; i++)
        ((lb_real *)p[0])[i] = *(const lb_real *)(p[1] + i * s[1]) > *(const lb_real *)(p[2] + i * s[2]);
}

LBI_LEVELS static void row_int(const void *params, int64_t n, char *const *p, const int64_t *s) {
    for (int64_t i = 0; i < n; i++)
        ((lb_real *)p[0])[i] = *(const int64_t *)(p[1] + i * s[1]) > *(const int64_t *)(p[2] + i * s[2]);
}

static void forward(lb_call *c) {
    lbi_binary_forward(c, c->in[0]->dtype == LB_I64 ? row_int : row_real);
}

/* Few distinct values, so that equal ones occur. */
static void coarse(void *const *data, const int64_t *numel) {
    for (int k = 0; k < 2; k++)
        for (int64_t i = 0; i < numel[k]; i++) ((lb_real *)data[k])[i] = LBI_M(floor)(((lb_real *)data[k])[i]);
}

static const lb_op_case cases[] = {
    {.name = "same", .rank = {2, 2}, .shape = {{3, 5}, {3, 5}}, .fill = coarse},
    {.name = "outer", .rank = {2, 2}, .shape = {{6, 1}, {1, 6}}, .fill = coarse},
    {.name = "empty", .rank = {2, 1}, .shape = {{0, 5}, {5}}, .fill = coarse},
};

LB_OP(gt) = {.id = "gt",
             .title = "1 where larger, else 0",
             .source = "NumPy broadcasting rules",
             .sig = "a b -> y",
             .math = "y = [a > b]",
             .flags = LB_OP_STRIDED | LB_OP_ANY_TYPE,
             .shape = shape,
             .forward = forward,
             .no_grad = "a step has none",
             .cases = cases,
             .case_count = LB_COUNT(cases)};

lb_tensor *lb_gt(lb_tape *t, lb_tensor *a, lb_tensor *b) {
    return lb_apply(t, &lb_op_gt, NULL, 0, 2, (lb_tensor *[]){a, b});
}
