/* SPDX-License-Identifier: Apache-2.0 */
/* y[n,o,i] = b[o] + sum of x[n,c,a] w[c,o,u] over all triples a, u with a s + u d - before = i, channels in groups: the gradient to its
 * input of the conv3d with kernel w; its own gradients as in conv_transpose2d.c. */
#include "tensor/convs.h"

extern LB_OP(conv3d);

typedef struct options {
    lb_conv3d_spec spec;
    int64_t more[3]; /* output_padding */
} options;

static int64_t one(int64_t x) { return x ? x : 1; }

static bool shape(lb_call *c) {
    const options *o = c->params;
    const lb_tensor *x = c->in[0], *w = c->in[1], *b = c->in[2];
    lb_tensor *y = c->out[0];
    int64_t groups = one(o->spec.groups);
    bool fits = x->shape[1] % groups == 0 && (!b || b->shape[0] == w->shape[1] * groups);
    y->dtype = LB_REAL;
    y->rank = 5;
    y->shape[0] = x->shape[0];
    y->shape[1] = w->shape[1] * groups;
    for (int a = 0; a < 3; a++) {
        int64_t s = one(o->spec.stride[a]), d = one(o->spec.dilation[a]), more = o->more[a];
        y->shape[2 + a] = (x->shape[2 + a] - 1) * s - o->spec.before[a] - o->spec.after[a] + d * (w->shape[2 + a] - 1) + 1 + more;
        fits = fits && y->shape[2 + a] > 0;
        if (more == 0 || (more > 0 && more < (s > d ? s : d))) continue;
        lb_tape_fail(c->tape, LB_E_ARG, "output padding %lld, expected less than stride or dilation", (long long)more);
        return false;
    }
    char tx[96], tw[96];
    if (!fits)
        lb_tape_fail(c->tape, LB_E_SHAPE, "x %s, w %s, groups %lld do not go together", lb_shape_text(tx, sizeof tx, 5, x->shape),
                     lb_shape_text(tw, sizeof tw, 5, w->shape), (long long)groups);
    return fits;
}

static lb_conv3d_spec convolution(const lb_call *c) {
    const options *o = c->params;
    lb_conv3d_spec to = o->spec;
    for (int a = 0; a < 3; a++) to.after[a] -= o->more[a];
    return to;
}

static void forward(lb_call *c) {
    lb_conv3d_spec s = convolution(c);
    lbi_transposed_forward(c, &lb_op_conv3d, &s);
}

static void backward(lb_call *c) {
    lb_conv3d_spec s = convolution(c);
    lbi_transposed_backward(c, &lb_op_conv3d, &s);
}

static void reference(lb_call *c) {
    const lb_conv3d_spec *s = &((const options *)c->params)->spec;
    const lb_tensor *x = c->in[0], *w = c->in[1], *y = c->out[0];
    int64_t cg = x->shape[1] / one(s->groups), og = w->shape[1], taps = w->shape[2] * w->shape[3] * w->shape[4], size = y->shape[2] * y->shape[3] * y->shape[4];
    for (int64_t i = 0, n = lb_numel(y); i < n; i++) lb_r(y)[i] = c->in[2] ? lb_r(c->in[2])[i / size % y->shape[1]] : 0;
    for (int64_t i = 0, all = lb_numel(x); i < all; i++)
        for (int64_t k = 0; k < og * taps; k++) {
            int64_t in = i, tap = k % taps, to = 0, inside = 1, from[3], at[3];
            for (int a = 2; a >= 0; a--) {
                from[a] = in % x->shape[2 + a];
                at[a] = from[a] * one(s->stride[a]) + tap % w->shape[2 + a] * one(s->dilation[a]) - s->before[a];
                in /= x->shape[2 + a];
                tap /= w->shape[2 + a];
            }
            for (int a = 0; a < 3; a++) {
                inside = inside && at[a] >= 0 && at[a] < y->shape[2 + a];
                to = to * y->shape[2 + a] + at[a];
            }
            int64_t ch = in % x->shape[1], n = in / x->shape[1];
            if (inside) lb_r(y)[(n * y->shape[1] + ch / cg * og + k / taps) * size + to] += lb_r(x)[i] * lb_r(w)[ch * og * taps + k];
        }
}

static double flops(const lb_call *c) {
    const lb_tensor *w = c->in[1];
    return 2.0 * (double)lb_numel(c->in[0]) * (double)(w->shape[1] * w->shape[2] * w->shape[3] * w->shape[4]);
}

static const options plain = {{.stride = {2, 2, 2}}, {0}}, uneven = {{{2, 1, 3}, {1, 0, 0}, {0, 1, 1}, {1, 2, 1}, 2}, {1, 1, 2}};
static const lb_op_case cases[] = {
    {.name = "2x2x2 stride 2", .rank = {5, 5, 1}, .shape = {{2, 2, 2, 3, 2}, {2, 3, 2, 2, 2}, {3}}, .params = &plain},
    {.name = "groups, uneven, more outputs", .rank = {5, 5, 1}, .shape = {{1, 2, 2, 3, 2}, {2, 2, 2, 3, 2}, {4}}, .params = &uneven},
    {.name = "no volumes", .rank = {5, 5, -1}, .shape = {{0, 2, 2, 3, 2}, {2, 3, 2, 2, 2}}, .params = &plain},
};

LB_OP(conv_transpose3d) = {.id = "conv_transpose3d", .title = "transposed 3-D convolution: stride, padding, output padding, dilation, groups",
                           .source = "torch.nn.functional.conv_transpose3d", .sig = "x[N,C,D,H,W] w[C,E,kd,kh,kw] b[O]? -> y", .math = "y = w^T * x + b", .flags = LB_OP_SETS,
                           .reads = LB_READS_IN(0) | LB_READS_IN(1), .shape = shape, .params_size = sizeof(options), .forward = forward, .backward = backward,
                           .reference = reference, .flops = flops, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_conv_transpose3d(lb_tape *t, lb_tensor *x, lb_tensor *w, lb_tensor *b, lb_conv3d_spec spec, const int64_t *more) {
    options o = {spec, {0}};
    for (int a = 0; more && a < 3; a++) o.more[a] = more[a];
    return lb_apply(t, &lb_op_conv_transpose3d, &o, sizeof o, 3, (lb_tensor *[]){x, w, b});
}
