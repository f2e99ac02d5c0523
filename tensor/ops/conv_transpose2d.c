/* SPDX-License-Identifier: Apache-2.0 */
/* y[n,o,i,j] = b[o] + sum of x[n,c,a,b] w[c,o,u,v] over all with a sh + u dh - pt = i, b sw + v dw - pl = j, channels in groups: the gradient
 * to its input of the conv2d with kernel w. Size (H - 1) sh - pt - pb + dh (kh - 1) + 1 + more_h, more (output_padding) being less than
 * stride or dilation. dx = conv2d(g, w), dw = that conv2d's gradient to w for input g and incoming x, db = sum g. */
#include "tensor/convs.h"
#include "tensor/kernels/conv_mosaic.h"
#include "tensor/kernels/counts.h"
#include "tensor/loops.h"

extern LB_OP(conv2d);

static int64_t one(int64_t x) { return x ? x : 1; }

static bool shape(lb_call *c) {
    const lbi_transposed_options *o = c->params;
    const lb_conv_spec *s = &o->spec;
    const lb_tensor *x = c->in[0], *w = c->in[1], *b = c->in[2];
    int64_t channels = w->shape[1] * one(s->groups);
    int64_t h = (x->shape[2] - 1) * one(s->stride_h) - s->pad_t - s->pad_b + one(s->dilation_h) * (w->shape[2] - 1) + 1 + o->more_h;
    int64_t v = (x->shape[3] - 1) * one(s->stride_w) - s->pad_l - s->pad_r + one(s->dilation_w) * (w->shape[3] - 1) + 1 + o->more_w;
    char tx[96], tw[96];
    if (x->shape[1] % one(s->groups) || h < 1 || v < 1 || (b && b->shape[0] != channels)) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "x %s, w %s, groups %lld, output %lld x %lld do not go together", lb_shape_text(tx, sizeof tx, 4, x->shape),
                     lb_shape_text(tw, sizeof tw, 4, w->shape), (long long)one(s->groups), (long long)h, (long long)v);
        return false;
    }
    if (o->more_h < 0 || o->more_w < 0 || (o->more_h && o->more_h >= lbi_most(one(s->stride_h), one(s->dilation_h))) ||
        (o->more_w && o->more_w >= lbi_most(one(s->stride_w), one(s->dilation_w)))) {
        lb_tape_fail(c->tape, LB_E_ARG, "output padding %lld x %lld, expected less than stride or dilation", (long long)o->more_h, (long long)o->more_w);
        return false;
    }
    c->out[0]->dtype = LB_REAL;
    c->out[0]->rank = 4;
    c->out[0]->shape[0] = x->shape[0];
    c->out[0]->shape[1] = channels;
    c->out[0]->shape[2] = h;
    c->out[0]->shape[3] = v;
    return true;
}

/* The convolution from y to x: what output padding adds at the end it leaves out. */
static lbi_conv_options convolution(const lb_call *c) {
    const lbi_transposed_options *o = c->params;
    lbi_conv_options to = {o->spec, LB_ACT_NONE};
    to.spec.pad_b -= o->more_h;
    to.spec.pad_r -= o->more_w;
    return to;
}

static lbi_conv plan_of(const lb_call *c) {
    const lb_conv_spec *s = &((const lbi_transposed_options *)c->params)->spec;
    const lb_tensor *x = c->in[0], *w = c->in[1];
    const int64_t *y = c->out[0] ? c->out[0]->shape : c->gout[0]->shape;
    return (lbi_conv){.c = y[1], .h = y[2], .w = y[3], .o = x->shape[1], .y = x->shape[2], .x = x->shape[3], .kh = w->shape[2], .kw = w->shape[3],
                      .sh = one(s->stride_h), .sw = one(s->stride_w), .dh = one(s->dilation_h), .dw = one(s->dilation_w), .pt = s->pad_t, .pl = s->pad_l,
                      .groups = one(s->groups)};
}

static void forward(lb_call *c) {
    lbi_conv_options o = convolution(c);
    lbi_conv p = plan_of(c);
    int64_t images = c->in[0]->shape[0];
    const lb_real *x = lb_r(c->in[0]), *bias = c->in[2] ? lb_r(c->in[2]) : NULL;
    if (images > 0 && lbi_mosaic_worth(&p) && lbi_mosaic_spread(&p, images, x, lb_r(c->in[1]), bias, lb_r(c->out[0]))) return;
    lbi_transposed_forward(c, &lb_op_conv2d, &o);
}

static void backward(lb_call *c) {
    lbi_conv_options o = convolution(c);
    const lb_tensor *g = c->gout[0];
    if (g && lb_numel(g) > 0) {
        lbi_conv p = plan_of(c);
        lb_real *gx = c->gin[0] ? lb_r(c->gin[0]) : NULL, *gw = c->gin[1] ? lb_r(c->gin[1]) : NULL;
        if (lbi_mosaic_worth(&p) && lbi_mosaic_gather(&p, g->shape[0], lb_r(g), lb_r(c->in[1]), lb_r(c->in[0]), gx, c->fresh[0], gw, c->fresh[1])) {
            if (c->in[2] && c->gin[2]) lbi_channel_sums(c, 2, lb_r(g), g->shape[0], g->shape[1], lbi_inner(g));
            return;
        }
    }
    lbi_transposed_backward(c, &lb_op_conv2d, &o);
}

/* Spreads every input over the window of outputs that it reaches. */
static void reference(lb_call *c) {
    const lb_conv_spec *s = &((const lbi_transposed_options *)c->params)->spec;
    const lb_tensor *x = c->in[0], *w = c->in[1], *y = c->out[0];
    int64_t groups = one(s->groups), cg = x->shape[1] / groups, og = w->shape[1], kernel = w->shape[2] * w->shape[3], plane = y->shape[2] * y->shape[3];
    for (int64_t i = 0, n = lb_numel(y); i < n; i++) lb_r(y)[i] = c->in[2] ? lb_r(c->in[2])[i / plane % y->shape[1]] : 0;
    for (int64_t i = 0, all = lb_numel(x); i < all; i++) {
        int64_t n = i / (x->shape[1] * x->shape[2] * x->shape[3]), ch = i / (x->shape[2] * x->shape[3]) % x->shape[1];
        int64_t a = i / x->shape[3] % x->shape[2], b = i % x->shape[3];
        for (int64_t o = 0; o < og; o++)
            for (int64_t k = 0; k < kernel; k++) {
                int64_t row = a * one(s->stride_h) + k / w->shape[3] * one(s->dilation_h) - s->pad_t;
                int64_t at = b * one(s->stride_w) + k % w->shape[3] * one(s->dilation_w) - s->pad_l;
                if (row < 0 || row >= y->shape[2] || at < 0 || at >= y->shape[3]) continue;
                lb_r(y)[((n * y->shape[1] + ch / cg * og + o) * y->shape[2] + row) * y->shape[3] + at] += lb_r(x)[i] * lb_r(w)[(ch * og + o) * kernel + k];
            }
    }
}

static double flops(const lb_call *c) {
    return 2.0 * (double)lb_numel(c->in[0]) * (double)(c->in[1]->shape[1] * c->in[1]->shape[2] * c->in[1]->shape[3]);
}

static const lbi_transposed_options plain = {{.stride_h = 2, .stride_w = 2}, 0, 0}, uneven = {{3, 2, 0, 1, 2, 0, 1, 2, 2}, 2, 1},
                                    wide = {{1, 2, 1, 1, 1, 1, 3, 1, 1}, 2, 0}, depth = {{2, 2, 1, 1, 1, 1, 1, 1, 4}, 1, 1},
                                    mosaic = {{.stride_h = 3, .stride_w = 2}, 0, 0}, lines = {{.stride_h = 1, .stride_w = 3}, 0, 0};
static const lb_op_case cases[] = {
    {.name = "2x2 stride 2", .rank = {4, 4, 1}, .shape = {{2, 3, 3, 4}, {3, 2, 2, 2}, {2}}, .params = &plain},
    {.name = "groups, uneven, more outputs", .rank = {4, 4, 1}, .shape = {{1, 4, 3, 3}, {4, 3, 2, 3}, {6}}, .params = &uneven},
    {.name = "more outputs than stride", .rank = {4, 4, -1}, .shape = {{2, 2, 2, 3}, {2, 3, 2, 3}}, .params = &wide},
    {.name = "depthwise", .rank = {4, 4, -1}, .shape = {{2, 4, 3, 3}, {4, 1, 3, 3}}, .params = &depth},
    {.name = "no images", .rank = {4, 4, 1}, .shape = {{0, 3, 3, 4}, {3, 2, 2, 2}, {2}}, .params = &plain},
    {.name = "large", .rank = {4, 4, 1}, .shape = {{2, 21, 15, 17}, {21, 13, 2, 2}, {13}}, .params = &plain},
    {.name = "mosaic of 3x2", .rank = {4, 4, -1}, .shape = {{3, 4, 5, 6}, {4, 3, 3, 2}}, .params = &mosaic},
    {.name = "mosaic of 1x3", .rank = {4, 4, 1}, .shape = {{2, 3, 4, 5}, {3, 2, 1, 3}, {2}}, .params = &lines},
    {.name = "mosaic in parts", .rank = {4, 4, 1}, .shape = {{3, 40, 37, 41}, {40, 30, 2, 2}, {30}}, .params = &plain},
};

LB_OP(conv_transpose2d) = {.id = "conv_transpose2d", .title = "transposed 2-D convolution: stride, padding, output padding, dilation, groups",
                           .source = "torch.nn.functional.conv_transpose2d", .sig = "x[N,C,H,W] w[C,D,kh,kw] b[O]? -> y", .math = "y = w^T * x + b", .flags = LB_OP_SETS,
                           .reads = LB_READS_IN(0) | LB_READS_IN(1), .shape = shape, .params_size = sizeof(lbi_transposed_options), .forward = forward,
                           .backward = backward, .reference = reference, .flops = flops, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_conv_transpose2d(lb_tape *t, lb_tensor *x, lb_tensor *w, lb_tensor *b, lb_conv_spec spec, int64_t more_h, int64_t more_w) {
    lbi_transposed_options o = {spec, more_h, more_w};
    return lb_apply(t, &lb_op_conv_transpose2d, &o, sizeof o, 3, (lb_tensor *[]){x, w, b});
}
