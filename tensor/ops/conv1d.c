/* SPDX-License-Identifier: Apache-2.0 */
/* y[n,o,j] = act(b[o] + sum_{c,v} x[n,c, j s + v d - before] w[o,c,v]), channels in groups; what lies outside is 0. It is conv2d of a
 * picture of height 1. Causal: before = (k - 1) d, after = 0. */
#include "tensor/convs.h"
#include "tensor/kernels/act.h"

extern LB_OP(conv2d);

static bool shape(lb_call *c) { return lbi_lifted_shape(c, &lb_op_conv2d); }
static void forward(lb_call *c) { lbi_lifted_run(c, &lb_op_conv2d, lb_op_conv2d.forward); }
static void backward(lb_call *c) { lbi_lifted_run(c, &lb_op_conv2d, lb_op_conv2d.backward); }
static void reference(lb_call *c) { lbi_lifted_run(c, &lb_op_conv2d, lb_op_conv2d.reference); }

static double flops(const lb_call *c) {
    return 2.0 * (double)lb_numel(c->out[0]) * (double)(c->in[1]->shape[1] * c->in[1]->shape[2]);
}

static const lbi_conv_options same3 = {{.pad_l = 1, .pad_r = 1}, LB_ACT_NONE}, strided = {{.stride_w = 2, .pad_l = 2, .pad_r = 1}, LB_ACT_RELU},
                              dilated = {{.pad_l = 3, .dilation_w = 3, .groups = 2}, LB_ACT_NONE},
                              causal = {{.pad_l = 3, .groups = 5}, LB_ACT_NONE}, point = {{.stride_w = 1}, LB_ACT_NONE};
static const lb_op_case cases[] = {
    {.name = "3 same", .rank = {3, 3, 1}, .shape = {{2, 3, 7}, {4, 3, 3}, {4}}, .params = &same3},
    {.name = "4 stride 2, relu", .rank = {3, 3, 1}, .shape = {{2, 2, 9}, {3, 2, 4}, {3}}, .params = &strided},
    {.name = "dilated, two groups", .rank = {3, 3, -1}, .shape = {{1, 4, 8}, {6, 2, 2}}, .params = &dilated},
    {.name = "causal depthwise", .rank = {3, 3, 1}, .shape = {{2, 5, 11}, {5, 1, 4}, {5}}, .params = &causal},
    {.name = "pointwise", .rank = {3, 3, 1}, .shape = {{2, 3, 5}, {2, 3, 1}, {2}}, .params = &point},
    {.name = "no rows", .rank = {3, 3, -1}, .shape = {{0, 3, 5}, {2, 3, 1}}, .params = &point},
    {.name = "large", .rank = {3, 3, 1}, .shape = {{2, 17, 301}, {19, 17, 3}, {19}}, .params = &same3},
    {.name = "large, long lines, stride 2, relu", .rank = {3, 3, 1}, .shape = {{2, 17, 1411}, {58, 17, 4}, {58}}, .params = &strided},
};

LB_OP(conv1d) = {.id = "conv1d", .title = "1-D convolution: stride, padding, dilation, groups, an activation", .source = "torch.nn.functional.conv1d",
                 .sig = "x[N,C,L] w[O,D,k] b[O]? -> y", .math = "y = act(w * x + b)", .flags = LB_OP_NONSMOOTH | LB_OP_SETS,
                 .reads = LB_READS_IN(0) | LB_READS_IN(1) | LB_READS_OUT(0), .shape = shape, .params_size = sizeof(lbi_conv_options),
                 .forward = forward, .backward = backward, .reference = reference, .flops = flops, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_conv1d(lb_tape *t, lb_tensor *x, lb_tensor *w, lb_tensor *b, lb_conv_spec spec, lb_act act) {
    bool fuse = lbi_act_from_result(act) || lb_tape_get_mode(t) == LB_TAPE_NO_GRAD;
    spec.stride_h = spec.dilation_h = 1;
    spec.pad_t = spec.pad_b = 0;
    lbi_conv_options o = {spec, fuse ? act : LB_ACT_NONE};
    lb_tensor *y = lb_apply(t, &lb_op_conv1d, &o, sizeof o, 3, (lb_tensor *[]){x, w, b});
    return fuse ? y : lbi_act_op(t, y, act);
}
