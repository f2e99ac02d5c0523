/* SPDX-License-Identifier: Apache-2.0 */
/* q, k, v = the parts of h D, g D and g D numbers of each row of x [N,L,(h + 2 g) D], seen as heads: [N,h,L,D], [N,g,L,D], [N,g,L,D]. Share memory;
 * dx = the three gradients side by side, written in one pass where slices and permutations would make three. */
#include <string.h>
#include "tensor/calls.h"
#include "tensor/loops.h"
#include "tensor/ops.h"

enum { PARTS = 3 };

typedef lb_split_heads_params params;

/* Part k of `whole` (x, or its gradient). */
static void part_of(lb_tensor *part, const lb_tensor *whole, const params *p, int k) {
    int64_t heads = k == 0 ? p->heads : p->kv_heads, before = k == 0 ? 0 : p->heads + (k - 1) * p->kv_heads, width = whole->shape[2] / (p->heads + 2 * p->kv_heads);
    const int64_t shape[4] = {whole->shape[0], heads, whole->shape[1], width}, stride[4] = {whole->stride[0], width * whole->stride[2], whole->stride[1], whole->stride[2]};
    part->dtype = whole->dtype;
    part->rank = 4;
    memcpy(part->shape, shape, sizeof shape);
    memcpy(part->stride, stride, sizeof stride);
    part->data = whole->data ? lb_r(whole) + before * width * whole->stride[2] : NULL;
}

static bool shape(lb_call *c) {
    const params *p = c->params;
    int64_t all = p->heads + 2 * p->kv_heads;
    if (p->heads < 1 || p->kv_heads < 1 || c->in[0]->shape[2] % all) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "%lld numbers are no multiple of %lld and twice %lld heads", (long long)c->in[0]->shape[2], (long long)p->heads, (long long)p->kv_heads);
        return false;
    }
    for (int k = 0; k < PARTS; k++) part_of(c->out[k], c->in[0], p, k);
    return true;
}

static void backward(lb_call *c) {
    bool all = c->gout[0] && c->gout[1] && c->gout[2], fresh = c->fresh[0] && all;
    if (c->fresh[0] && !all) lbi_fill(c->gin[0], 0);
    for (int k = 0; k < PARTS; k++) {
        lb_tensor part = {.rank = 0};
        part_of(&part, c->gin[0], c->params, k);
        if (c->gout[k]) lbi_add_view(&part, c->gout[k], 1, fresh);
    }
}

static const params two = {2, 2}, grouped = {4, 2}, one = {1, 1};
static const lb_op_case cases[] = {
    {.name = "two", .rank = {3}, .shape = {{2, 3, 12}}, .params = &two},
    {.name = "grouped", .rank = {3}, .shape = {{2, 5, 24}}, .params = &grouped},
    {.name = "one", .rank = {3}, .shape = {{1, 4, 15}}, .params = &one},
    {.name = "large", .rank = {3}, .shape = {{3, 50, 384}}, .params = &two},
    {.name = "empty", .rank = {3}, .shape = {{2, 0, 12}}, .params = &two},
};

LB_OP(split_heads) = {.id = "split_heads",
                      .title = "queries, keys and values of a joint map, as heads",
                      .source = "Vaswani et al., arXiv:1706.03762, 3.2.2; qkv of timm's Attention",
                      .sig = "x[N,L,W] -> q[N,H,L,D] k[N,G,L,D] v[N,G,L,D]",
                      .math = "q, k, v = parts of x of h D, g D, g D numbers, [N,L,h,D] as [N,h,L,D]",
                      .params_size = sizeof(params),
                      .results = PARTS,
                      .flags = LB_OP_VIEW | LB_OP_STRIDED | LB_OP_SETS,
                      .shape = shape,
                      .backward = backward,
                      .cases = cases,
                      .case_count = LB_COUNT(cases)};

lb_tensor *lb_split_heads(lb_tape *t, lb_tensor *x, int64_t heads, int64_t kv_heads, lb_tensor **k, lb_tensor **v) {
    lb_tensor *out[PARTS];
    lb_apply_n(t, &lb_op_split_heads, &(params){heads, kv_heads}, sizeof(params), 1, &x, PARTS, out);
    *k = out[1];
    *v = out[2];
    return out[0];
}
