/* SPDX-License-Identifier: Apache-2.0 */
/* conv_transpose2d of pictures of height 1: y[n,o,j] = b[o] + sum of x[n,c,a] w[c,o,v] over all with a s + v d - before = j. */
#include "tensor/convs.h"

extern LB_OP(conv_transpose2d);

static bool shape(lb_call *c) { return lbi_lifted_shape(c, &lb_op_conv_transpose2d); }
static void forward(lb_call *c) { lbi_lifted_run(c, &lb_op_conv_transpose2d, lb_op_conv_transpose2d.forward); }
static void backward(lb_call *c) { lbi_lifted_run(c, &lb_op_conv_transpose2d, lb_op_conv_transpose2d.backward); }
static void reference(lb_call *c) { lbi_lifted_run(c, &lb_op_conv_transpose2d, lb_op_conv_transpose2d.reference); }

static double flops(const lb_call *c) {
    return 2.0 * (double)lb_numel(c->in[0]) * (double)(c->in[1]->shape[1] * c->in[1]->shape[2]);
}

static const lbi_transposed_options plain = {{.stride_w = 2, .pad_l = 1, .pad_r = 1}, 0, 1}, grouped = {{.stride_w = 3, .pad_r = 1, .dilation_w = 2, .groups = 2}, 0, 0};
static const lb_op_case cases[] = {
    {.name = "3 stride 2", .rank = {3, 3, 1}, .shape = {{2, 3, 5}, {3, 2, 3}, {2}}, .params = &plain},
    {.name = "groups, dilated", .rank = {3, 3, -1}, .shape = {{1, 4, 4}, {4, 3, 3}}, .params = &grouped},
    {.name = "no rows", .rank = {3, 3, -1}, .shape = {{0, 3, 5}, {3, 2, 3}}, .params = &plain},
};

LB_OP(conv_transpose1d) = {.id = "conv_transpose1d", .title = "transposed 1-D convolution: stride, padding, output padding, dilation, groups",
                           .source = "torch.nn.functional.conv_transpose1d", .sig = "x[N,C,L] w[C,D,k] b[O]? -> y", .math = "y = w^T * x + b", .flags = LB_OP_SETS,
                           .reads = LB_READS_IN(0) | LB_READS_IN(1), .shape = shape, .params_size = sizeof(lbi_transposed_options), .forward = forward,
                           .backward = backward, .reference = reference, .flops = flops, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_conv_transpose1d(lb_tape *t, lb_tensor *x, lb_tensor *w, lb_tensor *b, lb_conv_spec spec, int64_t more) {
    lbi_transposed_options o = {spec, 0, more};
    o.spec.stride_h = o.spec.dilation_h = 1;
    o.spec.pad_t = o.spec.pad_b = 0;
    return lb_apply(t, &lb_op_conv_transpose1d, &o, sizeof o, 3, (lb_tensor *[]){x, w, b});
}
