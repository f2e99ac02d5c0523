/* SPDX-License-Identifier: Apache-2.0 */
/* y[n,c,...] = act(scale[c] x[n,c,...] + shift[c]). Batch norm in evaluation is this with scale = gamma / sqrt(var + eps),
 * shift = beta - mean scale. With g' = g act'(y): dx = scale g', dscale = sum g' x, dshift = sum g'. */
#include "tensor/calls.h"
#include "tensor/kernels/act.h"
#include "tensor/kernels/norm.h"
#include "tensor/loops.h"
#include "tensor/op.h"
#include "tensor/ops.h"

typedef lb_act_params options;

static bool shape(lb_call *c) {
    const lb_tensor *x = c->in[0];
    if (x->rank < 2 || x->shape[1] != c->in[1]->shape[0]) {
        char text[96];
        lb_tape_fail(c->tape, LB_E_SHAPE, "channel_affine: x %s and %lld channels do not go together", lb_shape_text(text, sizeof text, x->rank, x->shape), (long long)c->in[1]->shape[0]);
        return false;
    }
    c->out[0]->dtype = LB_REAL;
    lbi_like(c->out[0], x);
    return true;
}

static void forward(lb_call *c) {
    const options *o = c->params;
    int64_t ch = c->in[0]->shape[1], k = lbi_inner(c->in[0]), n = c->in[0]->shape[0] * ch;
    bool plane = o->act == LB_ACT_NONE || o->act == LB_ACT_RELU || o->act == LB_ACT_RELU6; /* what lbi_plane_affine does itself */
#pragma omp parallel for if (n * k > LBI_GRAIN)
    for (int64_t i = 0; i < n; i++) {
        lb_real *y = lb_r(c->out[0]) + i * k;
        lbi_plane_affine(o->act, y, lb_r(c->in[0]) + i * k, NULL, k, lb_r(c->in[1])[i % ch], lb_r(c->in[2])[i % ch]);
        if (!plane) lbi_act_plane(o->act, y, k, 0);
    }
}

static void backward(lb_call *c) {
    const options *o = c->params;
    int64_t ch = c->in[0]->shape[1], k = lbi_inner(c->in[0]), n = c->in[0]->shape[0];
    if (!c->gout[0]) return;
#pragma omp parallel for if (n * ch * k > LBI_GRAIN)
    for (int64_t q = 0; q < ch; q++) {
        double sum = 0, dot = 0;
        for (int64_t i = 0; i < n; i++) {
            int64_t at = (i * ch + q) * k;
            const lb_real *x = lb_r(c->in[0]) + at, *y = lb_r(c->out[0]) + at, *g = lb_r(c->gout[0]) + at;
            if (c->gin[1] || c->gin[2]) lbi_plane_back_sums(o->act, g, y, x, k, 0, 1, &sum, &dot);
            if (c->gin[0]) lbi_plane_back(o->act, lb_r(c->gin[0]) + at, g, y, x, k, lb_r(c->in[1])[q], 0, 0, c->fresh[0]);
        }
        if (c->gin[1]) lb_r(c->gin[1])[q] = (lb_real)(dot + (c->fresh[1] ? 0 : (double)lb_r(c->gin[1])[q]));
        if (c->gin[2]) lb_r(c->gin[2])[q] = (lb_real)(sum + (c->fresh[2] ? 0 : (double)lb_r(c->gin[2])[q]));
    }
}

static const options none = {LB_ACT_NONE}, relu = {LB_ACT_RELU};
static const lb_op_case cases[] = {
    {.name = "pictures", .rank = {4, 1, 1}, .shape = {{2, 3, 2, 3}, {3}, {3}}, .params = &none},
    {.name = "no pictures", .rank = {4, 1, 1}, .shape = {{0, 3, 2, 3}, {3}, {3}}, .params = &none},
    {.name = "rows, relu", .rank = {2, 1, 1}, .shape = {{5, 3}, {3}, {3}}, .params = &relu},
    {.name = "large", .rank = {4, 1, 1}, .shape = {{3, 33, 29, 30}, {33}, {33}}, .params = &relu},
};

LB_OP(channel_affine) = {.id = "channel_affine",
                         .title = "scale and shift per channel, with an activation",
                         .source = "",
                         .sig = "x scale[C] shift[C] -> y",
                         .math = "y = act(scale x + shift)",
                         .flags = LB_OP_NONSMOOTH | LB_OP_SETS,
                         .reads = LB_READS_IN(0) | LB_READS_IN(1) | LB_READS_OUT(0),
                         .shape = shape,
                         .params_size = sizeof(options),
                         .forward = forward,
                         .backward = backward,
                         .cases = cases,
                         .case_count = LB_COUNT(cases)};

lb_tensor *lb_channel_affine(lb_tape *t, lb_tensor *x, lb_tensor *scale, lb_tensor *shift, lb_act act) {
    bool fuse = lbi_act_from_result(act) || lb_tape_get_mode(t) == LB_TAPE_NO_GRAD;
    lb_tensor *y = lb_apply(t, &lb_op_channel_affine, &(options){fuse ? act : LB_ACT_NONE}, sizeof(options), 3, (lb_tensor *[]){x, scale, shift});
    return fuse ? y : lbi_act_op(t, y, act);
}
