/* SPDX-License-Identifier: Apache-2.0 */
/* y = x where column - row >= d (lower: <= d), else 0, in the last two axes; dx the same of g. */
#include "tensor/kernels/levels.h"
#include "tensor/loops.h"
#include "tensor/ops.h"

struct triu {
    int64_t diagonal;
    bool lower;
};

typedef struct part {
    const struct triu *p;
    const lb_real *from;
    lb_real *to;
    int64_t rows, columns;
    bool add;
} part;

/* What goes is not read. */
LBI_LEVELS static void keep(const void *ctx, int64_t first, int64_t last) {
    const part *d = ctx;
    for (int64_t i = first; i < last; i++) {
        int64_t edge = i % d->rows + d->p->diagonal + (d->p->lower ? 1 : 0), n = d->columns; /* columns before it are the lower ones */
        edge = edge < 0 ? 0 : edge > n ? n : edge;
        int64_t from = d->p->lower ? 0 : edge, to = d->p->lower ? edge : n;
        const lb_real *x = d->from + i * n;
        lb_real *restrict y = d->to + i * n;
        if (d->add) {
            for (int64_t k = from; k < to; k++) y[k] += x[k];
            continue;
        }
        for (int64_t k = 0; k < from; k++) y[k] = 0;
        for (int64_t k = from; k < to; k++) y[k] = x[k];
        for (int64_t k = to; k < n; k++) y[k] = 0;
    }
}

static void go(const lb_call *c, const lb_tensor *from, lb_tensor *to, bool add) {
    part d = {c->params, lb_r(from), lb_r(to), from->shape[from->rank - 2], from->shape[from->rank - 1], add};
    if (lb_numel(from) > 0) lbi_split(lb_numel(from) / d.columns, d.columns, keep, &d);
}

static void forward(lb_call *c) {
    go(c, c->in[0], c->out[0], false);
}

static void backward(lb_call *c) {
    go(c, c->gout[0], c->gin[0], !c->fresh[0]);
}

static const struct triu upper = {0, false}, lower = {1, true}, far = {-2, false};
static const lb_op_case cases[] = {
    {.name = "upper", .rank = {2}, .shape = {{4, 5}}, .params = &upper},
    {.name = "lower", .rank = {3}, .shape = {{2, 5, 3}}, .params = &lower},
    {.name = "far", .rank = {2}, .shape = {{6, 4}}, .params = &far},
    {.name = "empty", .rank = {2}, .shape = {{0, 3}}, .params = &upper},
    {.name = "large", .rank = {3}, .shape = {{3, 201, 150}}, .params = &lower},
};

LB_OP(triu) = {.id = "triu", .title = "upper or lower triangle", .source = "torch.triu, torch.tril", .sig = "x[...,M,N] -> y[...,M,N]",
               .math = "y_ij = j - i >= d ? x_ij : 0", .params_size = sizeof(struct triu), .flags = LB_OP_SETS, .forward = forward,
               .backward = backward, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_triu(lb_tape *t, lb_tensor *x, int64_t diagonal) {
    return lb_apply(t, &lb_op_triu, &(struct triu){diagonal, false}, sizeof(struct triu), 1, &x);
}

lb_tensor *lb_tril(lb_tape *t, lb_tensor *x, int64_t diagonal) {
    return lb_apply(t, &lb_op_triu, &(struct triu){diagonal, true}, sizeof(struct triu), 1, &x);
}
