/* SPDX-License-Identifier: Apache-2.0 */
/* y[n,c b b + i b + j,h,w] = x[n,c,h b + i,w b + j], blocks of b x b.
 * dx: g the other way. Order LB_BLOCK_INNER (PyTorch) as written; LB_BLOCK_OUTER (ONNX): y[n,(i b + j) C + c,h,w]. */
#include "tensor/blocks.h"

static bool shape(lb_call *c) { return lbi_blocks_shape(c, c->params, true); }

static void forward(lb_call *c) {
    const lb_tensor *wide = c->in[0], *deep = c->out[0];
    lbi_blocks_copy(c->params, wide->shape[0], wide->shape[1], deep->shape[2], deep->shape[3], lb_r(wide), lb_r(deep), true, false);
}

static void backward(lb_call *c) {
    const lb_tensor *wide = c->gin[0], *deep = c->gout[0];
    if (wide && deep) lbi_blocks_copy(c->params, wide->shape[0], wide->shape[1], deep->shape[2], deep->shape[3], lb_r(wide), lb_r(deep), false, !c->fresh[0]);
}

static const lbi_blocks two = {2, LB_BLOCK_INNER}, outer = {2, LB_BLOCK_OUTER}, three = {3, LB_BLOCK_INNER};
static const lb_op_case cases[] = {
    {.name = "2x2", .rank = {4}, .shape = {{2, 2, 4, 6}}, .params = &two},
    {.name = "2x2, block outermost", .rank = {4}, .shape = {{2, 2, 4, 6}}, .params = &outer},
    {.name = "no pictures", .rank = {4}, .shape = {{0, 4, 2, 6}}, .params = &two},
    {.name = "large", .rank = {4}, .shape = {{2, 3, 33, 39}}, .params = &three},
};

LB_OP(space_to_depth) = {.id = "space_to_depth",
                         .title = "square blocks of places as channels",
                         .source = "torch.nn.functional.pixel_unshuffle; ONNX SpaceToDepth",
                         .sig = "x[N,C,H,W] -> y",
                         .math = "y[n,c b b + i b + j,h,w] = x[n,c,h b + i,w b + j]",
                         .flags = LB_OP_SETS,
                         .shape = shape,
                         .params_size = sizeof(lbi_blocks),
                         .forward = forward,
                         .backward = backward,
                         .cases = cases,
                         .case_count = LB_COUNT(cases)};

lb_tensor *lb_space_to_depth(lb_tape *t, lb_tensor *x, int64_t block, lb_block_order order) { return lb_apply(t, &lb_op_space_to_depth, &(lbi_blocks){block, order}, sizeof(lbi_blocks), 1, &x); }
