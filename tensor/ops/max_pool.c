/* SPDX-License-Identifier: Apache-2.0 */
/* y[i] = max of x over the window of i, along the last 1 to 3 axes; what lies outside does not count, NaN wins. dx: g goes to the first maximum,
 * found again from x and y, so nothing else is kept. */
#include "tensor/biggest.h"

static bool shape(lb_call *c) { return lbi_window_shape(c, c->params); }
static void forward(lb_call *c) { lbi_over_windows(c, c->params, lbi_biggest_forward); }
static void backward(lb_call *c) { lbi_over_windows(c, c->params, lbi_biggest_backward); }
static void reference(lb_call *c) { lbi_over_windows(c, c->params, lbi_biggest_reference); }

static const lb_window usual = {.size = {3, 3}, .stride = {2, 2}, .before = {1, 1}, .after = {1, 1}},
                       uneven = {.size = {2, 3}, .stride = {1, 2}, .before = {0, 1}, .after = {1, 1}, .dilation = {2, 1}}, plain = {.size = {2, 2}},
                       line = {.size = {3}, .stride = {2}, .ceil = true},
                       volume = {.size = {2, 3, 2}, .stride = {2, 1, 3}, .before = {1, 1, 0}, .after = {1, 1, 0}};
static const lb_op_case cases[] = {
    {.name = "3x3 stride 2", .rank = {4}, .shape = {{2, 3, 7, 6}}, .params = &usual, .fill = lbi_apart},
    {.name = "2x3 dilated, uneven", .rank = {4}, .shape = {{1, 2, 6, 9}}, .params = &uneven, .fill = lbi_apart},
    {.name = "2x2", .rank = {4}, .shape = {{2, 1, 4, 5}}, .params = &plain, .fill = lbi_apart},
    {.name = "line, hanging over", .rank = {3}, .shape = {{2, 2, 8}}, .params = &line, .fill = lbi_apart},
    {.name = "volume", .rank = {5}, .shape = {{1, 2, 3, 4, 5}}, .params = &volume, .fill = lbi_apart},
    {.name = "no images", .rank = {4}, .shape = {{0, 2, 4, 4}}, .params = &plain},
    {.name = "large", .rank = {4}, .shape = {{3, 5, 56, 55}}, .params = &usual, .fill = lbi_apart},
};

LB_OP(max_pool) = {.id = "max_pool", .title = "largest element of each window of lines, pictures or volumes", .source = "torch.nn.functional.max_pool1d, max_pool2d, max_pool3d", .sig = "x -> y",
                   .math = "y = max over the window", .flags = LB_OP_NONSMOOTH | LB_OP_SETS, .reads = LB_READS_IN(0) | LB_READS_OUT(0), .shape = shape, .params_size = sizeof(lb_window),
                   .last = lbi_keeps_last, .forward = forward, .backward = backward, .reference = reference, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_max_pool(lb_tape *t, lb_tensor *x, lb_window window) { return lb_apply(t, &lb_op_max_pool, &window, sizeof window, 1, &x); }
