/* SPDX-License-Identifier: Apache-2.0 */
/* y = the k largest along the last axis, descending (or the smallest, ascending), of equal ones the first; NaN counts as larger than
 * all; dx = g where each came from. The indices are the second result (index may be NULL). */
#include <string.h>
#include "tensor/ops.h"
#include "tensor/sorting.h"

struct topk {
    int64_t k;
    bool smallest;
};

static bool shape(lb_call *c) {
    const struct topk *p = c->params;
    const lb_tensor *x = c->in[0];
    if (p->k < 0 || p->k > x->shape[x->rank - 1]) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "%lld of %lld elements", (long long)p->k, (long long)x->shape[x->rank - 1]);
        return false;
    }
    for (int i = 0; i < 2; i++) {
        c->out[i]->rank = x->rank;
        memcpy(c->out[i]->shape, x->shape, sizeof x->shape);
        c->out[i]->shape[x->rank - 1] = p->k;
    }
    return true;
}

static void forward(lb_call *c) {
    const struct topk *p = c->params;
    int64_t n = c->in[0]->shape[c->in[0]->rank - 1], rows = n ? lb_numel(c->in[0]) / n : 0;
    int64_t *work = lb_scratch(c, (size_t)lbi_order_work(rows, n, p->k) * sizeof *work);
    if (!work) return;
    lbi_order_rows(lb_r(c->in[0]), rows, n, p->k, !p->smallest, lb_i(c->out[1]), work);
    lbi_take_rows(lb_r(c->out[0]), lb_r(c->in[0]), lb_i(c->out[1]), rows, n, p->k);
}

static void backward(lb_call *c) {
    const struct topk *p = c->params;
    int64_t n = c->in[0]->shape[c->in[0]->rank - 1], rows = n ? lb_numel(c->in[0]) / n : 0;
    lbi_put_rows(lb_r(c->gin[0]), lb_r(c->gout[0]), lb_i(c->out[1]), rows, n, p->k, c->fresh[0]);
}

static const struct topk three = {3, false}, all = {9, false}, many = {100, false}, least = {4, true};
static const lb_op_case cases[] = {
    {.name = "three", .rank = {2}, .shape = {{4, 21}}, .params = &three},
    {.name = "all", .rank = {1}, .shape = {{9}}, .params = &all},
    {.name = "empty", .rank = {2}, .shape = {{0, 5}}, .params = &three},
    {.name = "least", .rank = {2}, .shape = {{3, 11}}, .params = &least},
    {.name = "many", .rank = {2}, .shape = {{7, 300}}, .params = &many},
    {.name = "few of many", .rank = {2}, .shape = {{5, 700}}, .params = &three},
    {.name = "least of many", .rank = {2}, .shape = {{70, 150}}, .params = &least},
    {.name = "many of more", .rank = {2}, .shape = {{3, 900}}, .params = &many},
    {.name = "many rows", .rank = {2}, .shape = {{250, 300}}, .params = &many},
};

LB_OP(topk) = {.id = "topk",
               .title = "the k largest or smallest along the last axis",
               .source = "torch.topk",
               .sig = "x[...,N] -> y index:i64",
               .math = "y = largest k of x",
               .params_size = sizeof(struct topk),
               .results = 2,
               .flags = LB_OP_NONSMOOTH | LB_OP_SETS,
               .reads = LB_READS_OUT(1),
               .shape = shape,
               .forward = forward,
               .backward = backward,
               .cases = cases,
               .case_count = LB_COUNT(cases)};

static lb_tensor *choose(lb_tape *t, lb_tensor *x, struct topk p, lb_tensor **index) {
    lb_tensor *out[2];
    lb_apply_n(t, &lb_op_topk, &p, sizeof p, 1, &x, 2, out);
    if (index) *index = out[1];
    return out[0];
}

lb_tensor *lb_topk(lb_tape *t, lb_tensor *x, int64_t k, lb_tensor **index) {
    return choose(t, x, (struct topk){k, false}, index);
}

lb_tensor *lb_smallest(lb_tape *t, lb_tensor *x, int64_t k, lb_tensor **index) {
    return choose(t, x, (struct topk){k, true}, index);
}
