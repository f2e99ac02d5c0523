/* SPDX-License-Identifier: Apache-2.0 */
/* Y = op(A) op(B) over the last two axes; leading axes broadcast. With A' = op(A), B' = op(B): dA' = G B'^T, dB' = A'^T G. */
#include "tensor/calls.h"
#include "tensor/kernels/gemm.h"
#include "tensor/op.h"
#include "tensor/ops.h"
#include "tensor/precision.h"

typedef lb_matmul_params options;

typedef struct plan {
    int64_t m, n, k, batch;
    int64_t step_a[LB_MAX_RANK], step_b[LB_MAX_RANK], dims[LB_MAX_RANK];
    int lead;
} plan;

/* Element offsets of the matrices of batch entry i. */
static void offsets(const plan *p, int64_t i, int64_t *a, int64_t *b) {
    *a = *b = 0;
    for (int d = p->lead - 1; d >= 0; d--) {
        int64_t at = i % p->dims[d];
        i /= p->dims[d];
        *a += at * p->step_a[d];
        *b += at * p->step_b[d];
    }
}

static int64_t size_at(const lb_tensor *x, int from_end) { return x->rank > from_end ? x->shape[x->rank - 1 - from_end] : 1; }

static plan plan_of(const lb_call *c) {
    const options *o = c->params;
    const lb_tensor *a = c->in[0], *b = c->in[1];
    plan p = {.m = a->shape[a->rank - (o->trans_a ? 1 : 2)], .k = a->shape[a->rank - (o->trans_a ? 2 : 1)], .n = b->shape[b->rank - (o->trans_b ? 2 : 1)], .batch = 1};
    p.lead = (a->rank > b->rank ? a->rank : b->rank) - 2;
    int64_t step_a = p.m * p.k, step_b = p.k * p.n;
    for (int e = 2; e < p.lead + 2; e++) {
        int d = p.lead + 1 - e;
        int64_t na = size_at(a, e), nb = size_at(b, e);
        p.dims[d] = na == 1 ? nb : na;
        p.step_a[d] = na == 1 ? 0 : step_a;
        p.step_b[d] = nb == 1 ? 0 : step_b;
        step_a *= na;
        step_b *= nb;
        p.batch *= p.dims[d];
    }
    return p;
}

static bool shape(lb_call *c) {
    const options *o = c->params;
    const lb_tensor *a = c->in[0], *b = c->in[1];
    char ta[96], tb[96];
    bool fits = a->rank >= 2 && b->rank >= 2 && a->shape[a->rank - (o->trans_a ? 2 : 1)] == b->shape[b->rank - (o->trans_b ? 1 : 2)];
    int rank = a->rank > b->rank ? a->rank : b->rank;
    for (int e = 2; fits && e < rank; e++) fits = size_at(a, e) == size_at(b, e) || size_at(a, e) == 1 || size_at(b, e) == 1;
    if (!fits) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "matmul: %s%s and %s%s do not go together", lb_shape_text(ta, sizeof ta, a->rank, a->shape), o->trans_a ? "^T" : "",
                     lb_shape_text(tb, sizeof tb, b->rank, b->shape), o->trans_b ? "^T" : "");
        return false;
    }
    plan p = plan_of(c);
    lb_tensor *y = c->out[0];
    y->dtype = LB_REAL;
    y->rank = rank;
    for (int d = 0; d < p.lead; d++) y->shape[d] = p.dims[d];
    y->shape[rank - 2] = p.m;
    y->shape[rank - 1] = p.n;
    return true;
}

/* Many entries go over threads; each product of a few does. Not by an `if` of the region: one of a single thread counts as a region too, in which each product's own
 * would start and end threads of the system. */
static void each_entry(lb_call *c, const plan *p, bool many, void (*entry)(lb_call *c, const plan *p, int64_t i)) {
    if (many) {
#pragma omp parallel for
        for (int64_t i = 0; i < p->batch; i++) entry(c, p, i);
        return;
    }
    for (int64_t i = 0; i < p->batch; i++) entry(c, p, i);
}

static int64_t ld_a(const options *o, const plan *p) { return o->trans_a ? p->m : p->k; }
static int64_t ld_b(const options *o, const plan *p) { return o->trans_b ? p->k : p->n; }

static void entry_forward(lb_call *c, const plan *p, int64_t i) {
    const options *o = c->params;
    const lbi_gemm_end end = {.bf16 = lb_tape_bf16(c->tape)};
    int64_t a, b;
    offsets(p, i, &a, &b);
    lbi_gemm_to(o->trans_a, o->trans_b, p->m, p->n, p->k, lb_r(c->in[0]) + a, ld_a(o, p), lb_r(c->in[1]) + b, ld_b(o, p), &end, lb_r(c->out[0]) + i * p->m * p->n, p->n);
}

static void forward(lb_call *c) {
    plan p = plan_of(c);
    each_entry(c, &p, p.batch > 3, entry_forward);
}

static bool shared(const plan *p, const int64_t *step) {
    for (int d = 0; d < p->lead; d++)
        if (step[d] == 0 && p->dims[d] > 1) return true;
    return false;
}

static void entry_backward(lb_call *c, const plan *p, int64_t i) {
    const options *o = c->params;
    int64_t ia, ib, lda = ld_a(o, p), ldb = ld_b(o, p);
    offsets(p, i, &ia, &ib);
    const lb_real *g = lb_r(c->gout[0]) + i * p->m * p->n, *a = lb_r(c->in[0]) + ia, *b = lb_r(c->in[1]) + ib;
    if (c->gin[0]) {
        lb_real *ga = lb_r(c->gin[0]) + ia;
        if (o->trans_a) lbi_gemm(o->trans_b, true, p->k, p->m, p->n, b, ldb, g, p->n, 1, ga, lda);
        else lbi_gemm(false, !o->trans_b, p->m, p->k, p->n, g, p->n, b, ldb, 1, ga, lda);
    }
    if (c->gin[1]) {
        lb_real *gb = lb_r(c->gin[1]) + ib;
        if (o->trans_b) lbi_gemm(true, o->trans_a, p->n, p->k, p->m, g, p->n, a, lda, 1, gb, ldb);
        else lbi_gemm(!o->trans_a, false, p->k, p->n, p->m, a, lda, g, p->n, 1, gb, ldb);
    }
}

static void backward(lb_call *c) {
    plan p = plan_of(c);
    if (!c->gout[0]) return;
    bool one = (c->gin[0] && shared(&p, p.step_a)) || (c->gin[1] && shared(&p, p.step_b)); /* several entries add to one matrix */
    each_entry(c, &p, p.batch > 3 && !one, entry_backward);
}

static double flops(const lb_call *c) {
    plan p = plan_of(c);
    return 2.0 * (double)p.batch * (double)p.m * (double)p.n * (double)p.k;
}

static const options plain = {false, false}, ta = {true, false}, tb = {false, true}, tab = {true, true};
static const lb_op_case cases[] = {
    {.name = "plain", .rank = {2, 2}, .shape = {{3, 4}, {4, 5}}, .params = &plain},
    {.name = "transposed a", .rank = {2, 2}, .shape = {{4, 3}, {4, 5}}, .params = &ta},
    {.name = "transposed b", .rank = {3, 3}, .shape = {{2, 3, 4}, {2, 5, 4}}, .params = &tb},
    {.name = "both, broadcast", .rank = {4, 3}, .shape = {{2, 1, 4, 3}, {3, 5, 4}}, .params = &tab},
    {.name = "one matrix for all", .rank = {3, 2}, .shape = {{4, 2, 3}, {3, 2}}, .params = &plain},
    {.name = "empty inner", .rank = {2, 2}, .shape = {{2, 0}, {0, 3}}, .params = &plain},
    {.name = "many", .rank = {3, 3}, .shape = {{70, 17, 19}, {70, 19, 23}}, .params = &plain},
    {.name = "large", .rank = {2, 2}, .shape = {{130, 150}, {170, 150}}, .params = &tb},
};

LB_OP(matmul) = {.id = "matmul",
                 .title = "matrix product, batched and broadcast",
                 .source = "torch.matmul for rank >= 2",
                 .sig = "a b -> y",
                 .math = "Y = op(A) op(B)",
                 .reads = LB_READS_IN(0) | LB_READS_IN(1),
                 .shape = shape,
                 .params_size = sizeof(options),
                 .forward = forward,
                 .backward = backward,
                 .flops = flops,
                 .cases = cases,
                 .case_count = LB_COUNT(cases)};

lb_tensor *lb_matmul(lb_tape *t, lb_tensor *a, lb_tensor *b, bool trans_a, bool trans_b) {
    return lb_apply(t, &lb_op_matmul, &(options){trans_a, trans_b}, sizeof(options), 2, (lb_tensor *[]){a, b});
}
