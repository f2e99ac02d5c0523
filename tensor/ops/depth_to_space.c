/* SPDX-License-Identifier: Apache-2.0 */
/* y[n,c,h b + i,w b + j] = x[n,c b b + i b + j,h,w], blocks of b x b.
 * dx: g the other way. Order LB_BLOCK_INNER (PyTorch, ONNX CRD) as written; LB_BLOCK_OUTER (ONNX DCR): x[n,(i b + j) C + c,h,w]. */
#include "tensor/blocks.h"

static bool shape(lb_call *c) { return lbi_blocks_shape(c, c->params, false); }

static void forward(lb_call *c) {
    const lb_tensor *wide = c->out[0], *deep = c->in[0];
    lbi_blocks_copy(c->params, wide->shape[0], wide->shape[1], deep->shape[2], deep->shape[3], lb_r(wide), lb_r(deep), false, false);
}

static void backward(lb_call *c) {
    const lb_tensor *wide = c->gout[0], *deep = c->gin[0];
    if (wide && deep) lbi_blocks_copy(c->params, wide->shape[0], wide->shape[1], deep->shape[2], deep->shape[3], lb_r(wide), lb_r(deep), true, !c->fresh[0]);
}

static const lbi_blocks two = {2, LB_BLOCK_INNER}, outer = {2, LB_BLOCK_OUTER}, three = {3, LB_BLOCK_INNER};
static const lb_op_case cases[] = {
    {.name = "2x2", .rank = {4}, .shape = {{2, 8, 2, 3}}, .params = &two},
    {.name = "2x2, block outermost", .rank = {4}, .shape = {{2, 8, 2, 3}}, .params = &outer},
    {.name = "no pictures", .rank = {4}, .shape = {{0, 4, 2, 6}}, .params = &two},
    {.name = "large", .rank = {4}, .shape = {{2, 18, 11, 13}}, .params = &three},
    {.name = "larger", .rank = {4}, .shape = {{2, 36, 31, 37}}, .params = &three},
};

LB_OP(depth_to_space) = {.id = "depth_to_space",
                         .title = "channels as square blocks of places",
                         .source = "torch.nn.functional.pixel_shuffle; ONNX DepthToSpace",
                         .sig = "x[N,C,H,W] -> y",
                         .math = "y[n,c,h b + i,w b + j] = x[n,c b b + i b + j,h,w]",
                         .flags = LB_OP_SETS,
                         .shape = shape,
                         .params_size = sizeof(lbi_blocks),
                         .forward = forward,
                         .backward = backward,
                         .cases = cases,
                         .case_count = LB_COUNT(cases)};

lb_tensor *lb_depth_to_space(lb_tape *t, lb_tensor *x, int64_t block, lb_block_order order) { return lb_apply(t, &lb_op_depth_to_space, &(lbi_blocks){block, order}, sizeof(lbi_blocks), 1, &x); }
