/* SPDX-License-Identifier: Apache-2.0 */
/* y = act(x W^T + b) over the last axis. With g' = g act'(y): dx = g' W, dW = g'^T x, db = sum of g' over rows.
 * An activation whose slope needs its input (GELU, SiLU) is fused only when no gradient is recorded. */
#include <string.h>
#include "tensor/calls.h"
#include "tensor/kernels/act.h"
#include "tensor/kernels/gemm_bf16.h"
#include "tensor/kernels/gemm_int8.h"
#include "tensor/loops.h"
#include "tensor/op.h"
#include "tensor/ops.h"
#include "tensor/packed.h"
#include "tensor/rounded.h"

typedef lb_linear_params options;

static bool shape(lb_call *c) {
    const options *o = c->params;
    const lb_tensor *x = c->in[0];
    lb_tensor *y = c->out[0];
    y->rank = x->rank;
    memcpy(y->shape, x->shape, sizeof x->shape);
    y->shape[y->rank - 1] = c->in[1]->shape[0];
#ifndef LB_DOUBLE
    if (o->rounded && lbi_rounds(c->tape, c->in[1]->shape[0]) && lbi_gemm_gives_rounded(c->in[1]->shape[1], o->act)) y->dtype = LB_BF16;
#else
    (void)o;
#endif
    return true;
}

#ifdef LB_DOUBLE
static bool in_bf16(lb_call *c, int64_t n, int64_t m, int64_t k, const lbi_gemm_end *end) { return false; }
static bool in_int8(lb_call *c, int64_t n, int64_t m, int64_t k, const lbi_gemm_end *end) { return false; }
#else
/* What is rounded already, or is to be. */
static bool in_bf16(lb_call *c, int64_t n, int64_t m, int64_t k, const lbi_gemm_end *end) {
    const lb_tensor *x = c->in[0], *y = c->out[0];
    bool from = x->dtype == LB_BF16, to = y->dtype == LB_BF16;
    const lbi_bf16_rows rows = {from ? NULL : lb_r(x), from ? x->data : NULL};
    if (!from && !to) return false;
    if (!lbi_gemm_rounded(n, m, k, &rows, lb_r(c->in[1]), end, to ? NULL : lb_r(y), to ? y->data : NULL)) lb_tape_fail_status(c->tape, LB_E_NOMEM);
    return true;
}

/* With weights packed once, or now for this call. */
static bool in_int8(lb_call *c, int64_t n, int64_t m, int64_t k, const lbi_gemm_end *end) {
    const lbi_int8_kernel *g = lbi_int8_kernel_now();
    const lb_real *x = lb_r(c->in[0]), *w = lb_r(c->in[1]);
    if (n < 1 || m < 1 || k < 1) return false;
    if (!g) {
        lbi_int8_ref(n, m, k, x, w, end, lb_r(c->out[0]), m);
        return true;
    }
    const void *packed = lbi_packed(c->in[1], n, m, k, LB_PRECISION_INT8);
    size_t bytes = packed ? 0 : lbi_int8_packed_size(g, m, k);
    if (bytes > 0) {
        void *now = lb_scratch(c, bytes);
        if (!now) return true; /* the tape has failed */
        if (lbi_int8_pack(g, now, w, m, k)) packed = now;
    }
    return packed && lbi_int8_product(g, n, m, k, x, packed, end, lb_r(c->out[0]), m);
}
#endif

static void forward(lb_call *c) {
    const options *o = c->params;
    int64_t m = c->in[1]->shape[0], k = c->in[1]->shape[1], n = m ? lb_numel(c->out[0]) / m : 0;
    bool inference = lb_tape_get_mode(c->tape) == LB_TAPE_NO_GRAD, int8 = lb_tape_precision(c->tape) == LB_PRECISION_INT8 && inference;
    lbi_gemm_end end = {.col_bias = c->in[2] ? lb_r(c->in[2]) : NULL, .act = o->act, .bf16 = lb_tape_bf16(c->tape)};
    if (int8 && in_int8(c, n, m, k, &end)) return;
    if (inference) end.packed = lbi_packed(c->in[1], n, m, k, lb_precision_here(end.bf16 ? LB_PRECISION_BF16 : LB_PRECISION_F32));
    if (in_bf16(c, n, m, k, &end)) return;
    lbi_gemm_to(false, true, n, m, k, lb_r(c->in[0]), k, lb_r(c->in[1]), k, &end, lb_r(c->out[0]), m);
}

static void backward(lb_call *c) {
    const options *o = c->params;
    int64_t m = c->in[1]->shape[0], k = c->in[1]->shape[1], n = m ? lb_numel(c->out[0]) / m : 0;
    if (!c->gout[0]) return;
    const lb_real *g = lb_r(c->gout[0]);
    if (o->act != LB_ACT_NONE) {
        lb_real *through = lb_scratch(c, (size_t)(n * m) * sizeof *through);
        if (!through) return;
        lbi_act_back(o->act, through, g, lb_r(c->out[0]), n * m);
        g = through;
    }
    const lbi_gemm_end ends[] = {{.beta = c->fresh[0] ? 0 : 1, .bf16 = lb_tape_bf16(c->tape)}, {.beta = c->fresh[1] ? 0 : 1, .bf16 = lb_tape_bf16(c->tape)}};
    if (c->gin[0]) lbi_gemm_to(false, false, n, k, m, g, m, lb_r(c->in[1]), k, &ends[0], lb_r(c->gin[0]), k);
    if (c->gin[1]) lbi_gemm_to(true, false, m, k, n, g, m, lb_r(c->in[0]), k, &ends[1], lb_r(c->gin[1]), k);
    if (c->in[2] && c->gin[2]) {
        lb_tensor rows = {.dtype = LB_REAL, .rank = 2, .shape = {n, m}, .stride = {m, 1}, .data = (void *)g};
        lbi_reduce_to(c->gin[2], &rows, 1, c->fresh[2]);
    }
}

static bool reads_result(const lb_call *c) { return ((const options *)c->params)->act != LB_ACT_NONE; }

static double flops(const lb_call *c) { return 2.0 * (double)lb_numel(c->out[0]) * (double)c->in[1]->shape[1]; }

static const options none = {.act = LB_ACT_NONE}, relu = {.act = LB_ACT_RELU}, sigmoid = {.act = LB_ACT_SIGMOID};
static const lb_op_case cases[] = {
    {.name = "with bias", .rank = {2, 2, 1}, .shape = {{3, 4}, {5, 4}, {5}}, .params = &none},
    {.name = "three axes, no bias", .rank = {3, 2, -1}, .shape = {{2, 3, 4}, {5, 4}}, .params = &none},
    {.name = "relu", .rank = {2, 2, 1}, .shape = {{3, 4}, {5, 4}, {5}}, .params = &relu},
    {.name = "sigmoid", .rank = {2, 2, 1}, .shape = {{3, 7}, {2, 7}, {2}}, .params = &sigmoid},
    {.name = "no rows", .rank = {2, 2, 1}, .shape = {{0, 4}, {5, 4}, {5}}, .params = &none},
    {.name = "large", .rank = {3, 2, 1}, .shape = {{3, 41, 190}, {230, 190}, {230}}, .params = &relu},
};

LB_OP(linear) = {.id = "linear",
                 .title = "affine map of the last axis, with an activation",
                 .source = "torch.nn.functional.linear",
                 .sig = "x[...,K] w[M,K] b[M]? -> y[...,M]",
                 .math = "y = act(x w^T + b)",
                 .flags = LB_OP_SETS | LB_OP_ROUNDED,
                 .reads = LB_READS_IN(0) | LB_READS_IN(1) | LB_READS_OUT(0),
                 .reads_result = reads_result,
                 .params_size = sizeof(options),
                 .shape = shape,
                 .forward = forward,
                 .backward = backward,
                 .flops = flops,
                 .cases = cases,
                 .case_count = LB_COUNT(cases)};

static lb_tensor *linear(lb_tape *t, lb_tensor *x, lb_tensor *w, lb_tensor *b, lb_act act, bool rounded) {
    bool fuse = lbi_act_from_result(act) || lb_tape_get_mode(t) == LB_TAPE_NO_GRAD;
    lb_tensor *y = lb_apply(t, &lb_op_linear, &(options){fuse ? act : LB_ACT_NONE, rounded}, sizeof(options), 3, (lb_tensor *[]){x, w, b});
    return fuse ? y : lbi_act_op(t, y, act);
}

lb_tensor *lb_linear(lb_tape *t, lb_tensor *x, lb_tensor *w, lb_tensor *b, lb_act act) { return linear(t, x, w, b, act, false); }
lb_tensor *lbi_linear_rounded(lb_tape *t, lb_tensor *x, lb_tensor *w, lb_tensor *b, lb_act act) { return linear(t, x, w, b, act, true); }
