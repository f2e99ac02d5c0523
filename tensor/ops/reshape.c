/* SPDX-License-Identifier: Apache-2.0 */
/* y = the same elements in another shape, row-major order; dx = g. One size may be -1: what is left over. Shares memory
 * where the order of memory allows it, else x is copied first. */
#include <string.h>
#include "tensor/loops.h"
#include "tensor/ops.h"
#include "tensor/parts.h"

struct reshape {
    int rank;
    int64_t shape[LB_MAX_RANK];
};

static bool shape_of(lb_call *c) {
    const struct reshape *p = c->params;
    lb_tensor *y = c->out[0];
    int64_t known = 1, n = lb_numel(c->in[0]);
    int open = -1;
    char text[120];
    bool fits = p->rank >= 0 && p->rank <= LB_MAX_RANK;
    for (int i = 0; fits && i < p->rank; i++) {
        y->shape[i] = p->shape[i];
        if (p->shape[i] == -1 && open < 0) open = i;
        else fits = p->shape[i] >= 0 && lb_mul_i64(&known, known, p->shape[i]);
    }
    if (fits && open >= 0) fits = known > 0 && n % known == 0;
    if (fits && open >= 0) known *= y->shape[open] = n / known;
    if (!fits || known != n) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "cannot become %s",
                     lb_shape_text(text, sizeof text, p->rank < 0 || p->rank > LB_MAX_RANK ? 0 : p->rank, p->shape));
        return false;
    }
    y->dtype = c->in[0]->dtype;
    y->rank = p->rank;
    y->data = c->in[0]->data;
    lb_status st = lbi_layout(y);
    if (st != LB_OK) lb_tape_fail_status(c->tape, st);
    return st == LB_OK;
}

static void backward(lb_call *c) {
    lbi_add_flat(c->gin[0], c->gout[0], c->fresh[0]);
}

static const struct reshape flat = {1, {-1}}, cube = {3, {2, -1, 3}}, none = {0, {0}}, zero = {3, {0, 4, 2}};
static const lb_op_case cases[] = {
    {.name = "flat", .rank = {2}, .shape = {{3, 5}}, .params = &flat},
    {.name = "cube", .rank = {2}, .shape = {{4, 6}}, .params = &cube},
    {.name = "scalar", .rank = {2}, .shape = {{1, 1}}, .params = &none},
    {.name = "empty", .rank = {2}, .shape = {{2, 0}}, .params = &zero},
};

LB_OP(reshape) = {.id = "reshape",
                  .title = "the same elements in another shape",
                  .source = "NumPy",
                  .sig = "x -> y",
                  .math = "y = x, other shape",
                  .params_size = sizeof(struct reshape),
                  .flags = LB_OP_VIEW | LB_OP_SETS | LB_OP_ANY_TYPE, .passes = 1,
                  .shape = shape_of,
                  .backward = backward,
                  .cases = cases,
                  .case_count = LB_COUNT(cases)};

/* The same shape with its open size known, over memory that is not contiguous; false when a copy is needed. */
static bool viewable(const lb_tensor *x, struct reshape *p) {
    lb_tensor y = {.rank = p->rank};
    int64_t known = 1, *open = NULL;
    if (!x || !x->data || lb_is_contiguous(x) || p->rank < 0 || p->rank > LB_MAX_RANK) return false;
    for (int i = 0; i < p->rank; i++)
        if (p->shape[i] == -1 && !open) open = &y.shape[i];
        else if (!lb_mul_i64(&known, known, y.shape[i] = p->shape[i])) return false;
    if (open && known > 0) *open = lb_numel(x) / known;
    if (!lbi_view_strides(&y, x)) return false;
    memcpy(p->shape, y.shape, sizeof p->shape);
    return true;
}

lb_tensor *lb_reshape(lb_tape *t, lb_tensor *x, int rank, const int64_t *shape) {
    struct reshape p = {rank, {0}};
    if (rank > 0 && rank <= LB_MAX_RANK) memcpy(p.shape, shape, (size_t)rank * sizeof *shape);
    if (viewable(x, &p)) return lb_view(t, x, rank, p.shape);
    return lb_apply(t, &lb_op_reshape, &p, sizeof p, 1, &x);
}
