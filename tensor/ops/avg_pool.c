/* SPDX-License-Identifier: Apache-2.0 */
/* y[i] = (1 / d) sum of x over the window of i, along the last 1 to 3 axes. d: elements of the window in x and its padding, or in x alone, or a given
 * number; with edges, the border's element stands for what lies outside. d is a product over the axes, so the means are taken one
 * axis after another. dx = the same sums of g the other way. */
#include "tensor/calls.h"
#include "tensor/window.h"

typedef lb_avg_pool_params options;

static bool shape(lb_call *c) { return lbi_window_shape(c, &((const options *)c->params)->window); }

static bool tables(lb_call *c, lbi_taps t[3]) {
    const options *o = c->params;
    lbi_window w[3];
    lbi_windows_of(c, &o->window, w);
    for (int k = 0; k < 3; k++)
        if (!lbi_window_taps(c, &t[k], &w[k], o->border, o->divisor == 0, o->divisor != 0 && k == 2 ? 1 / (double)o->divisor : 1)) return false;
    return true;
}

static void forward(lb_call *c) { lbi_resample_forward(c, tables); }
static void backward(lb_call *c) { lbi_resample_backward(c, tables); }
static void reference(lb_call *c) { lbi_resample_reference(c, tables); }

static const options usual = {{.size = {2, 2}}, 0, 0},
                     padded = {{.size = {3, 3}, .stride = {2, 1}, .before = {1, 1}, .after = {1, 1}, .ceil = true}, LB_AVG_COUNT_PAD, 0},
                     inside = {{.size = {3, 2}, .stride = {2, 2}, .before = {1, 0}, .after = {1, 1}}, LB_AVG_INSIDE, 0},
                     edges = {{.size = {5}, .stride = {1}, .before = {2}, .after = {2}}, LB_AVG_EDGES, 0},
                     divided = {{.size = {2, 3, 2}, .stride = {1, 2, 2}, .dilation = {1, 1, 2}}, 0, 5}, whole = {{.size = {33, 31}}, 0, 0};
static const lb_op_case cases[] = {
    {.name = "2x2", .rank = {4}, .shape = {{2, 3, 4, 5}}, .params = &usual},
    {.name = "3x3 padded, hanging over", .rank = {4}, .shape = {{1, 2, 6, 5}}, .params = &padded},
    {.name = "only what is inside", .rank = {4}, .shape = {{2, 1, 7, 5}}, .params = &inside},
    {.name = "replicated edges", .rank = {3}, .shape = {{2, 2, 9}}, .params = &edges},
    {.name = "volume, divisor", .rank = {5}, .shape = {{1, 2, 3, 5, 6}}, .params = &divided},
    {.name = "no pictures", .rank = {4}, .shape = {{0, 3, 4, 5}}, .params = &usual},
    {.name = "large", .rank = {4}, .shape = {{3, 5, 66, 65}}, .params = &whole},
};

LB_OP(avg_pool) = {.id = "avg_pool", .title = "mean of each window of lines, pictures or volumes", .source = "torch.nn.functional.avg_pool1d, avg_pool2d, avg_pool3d", .sig = "x -> y",
                   .math = "y = sum over the window / d", .flags = LB_OP_SETS, .shape = shape, .params_size = sizeof(options), .last = lbi_runs_last, .forward = forward, .backward = backward,
                   .reference = reference, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_avg_pool(lb_tape *t, lb_tensor *x, lb_window window, lb_avg_border border, int64_t divisor) {
    return lb_apply(t, &lb_op_avg_pool, &(options){window, border, divisor}, sizeof(options), 1, &x);
}
