/* SPDX-License-Identifier: Apache-2.0 */
/* index[i] = where in its line, plane or volume the first maximum of the window of i lies: what max_pool's return_indices gives in PyTorch. */
#include "tensor/biggest.h"

static bool shape(lb_call *c) { return lbi_window_shape(c, c->params); }
static void forward(lb_call *c) { lbi_over_windows(c, c->params, lbi_biggest_places); }
static void reference(lb_call *c) { lbi_over_windows(c, c->params, lbi_biggest_places_reference); }

static const lb_window usual = {.size = {3, 3}, .stride = {2, 2}, .before = {1, 1}, .after = {1, 1}}, line = {.size = {3}, .stride = {2}, .ceil = true}, volume = {.size = {2, 2, 2}};
static const lb_op_case cases[] = {
    {.name = "3x3 stride 2", .rank = {4}, .shape = {{2, 3, 7, 6}}, .params = &usual},
    {.name = "line, hanging over", .rank = {3}, .shape = {{2, 2, 8}}, .params = &line},
    {.name = "volume", .rank = {5}, .shape = {{1, 2, 3, 4, 5}}, .params = &volume},
    {.name = "no images", .rank = {4}, .shape = {{0, 2, 4, 4}}, .params = &usual},
    {.name = "large", .rank = {4}, .shape = {{2, 19, 41, 47}}, .params = &usual},
};

LB_OP(argmax_pool) = {.id = "argmax_pool", .title = "place of the largest element of each window", .source = "torch.nn.functional.max_pool2d(return_indices=True)", .sig = "x -> index:i64",
                      .math = "index = argmax over the window", .no_grad = "an index has none", .shape = shape, .params_size = sizeof(lb_window), .forward = forward, .reference = reference,
                      .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_argmax_pool(lb_tape *t, lb_tensor *x, lb_window window) { return lb_apply(t, &lb_op_argmax_pool, &window, sizeof window, 1, &x); }
