/* SPDX-License-Identifier: Apache-2.0 */
/* y = S^(1/p), S = sum of x^p over the window, along the last 1 to 3 axes; a window that hangs over the end (ceil) counts as if filled with the mean of
 * what it holds, as in PyTorch. Odd p want x >= 0 (as in PyTorch x^p keeps its sign, and S < 0 gives NaN).
 * dx = x^(p-1) times the sum over windows of g y^(1-p); 0 from windows with y = 0. */
#include <math.h>
#include "tensor/ops/elementwise.h"
#include "tensor/window.h"

typedef struct options {
    lb_window window;
    double p;
} options;

static bool shape(lb_call *c) {
    const options *o = c->params;
    if (o->p == 0 || !isfinite(o->p)) {
        lb_tape_fail(c->tape, LB_E_ARG, "the power is %g, expected a number other than 0", o->p);
        return false;
    }
    return lbi_window_shape(c, &o->window);
}

static bool tables(lb_call *c, lbi_taps t[3]) {
    const options *o = c->params;
    lbi_window w[3];
    lbi_windows_of(c, &o->window, w);
    for (int k = 0; k < 3; k++)
        if (!lbi_window_taps(c, &t[k], &w[k], LB_AVG_COUNT_PAD, true, (double)w[k].size)) return false;
    return true;
}

typedef struct powers {
    lb_real *y;
    const lb_real *x, *g;
    double p;
    bool fresh;
} powers;

/* y = x^p */
LBI_LEVELS static void power_range(const void *ctx, int64_t first, int64_t last) {
    const powers *w = ctx;
    lb_real *y = w->y;
    const lb_real *x = w->x;
    if (w->p == 1)
        for (int64_t i = first; i < last; i++) y[i] = x[i];
    else if (w->p == 2)
        for (int64_t i = first; i < last; i++) y[i] = x[i] * x[i];
    else if (w->p == 0.5)
        for (int64_t i = first; i < last; i++) y[i] = LBI_M(sqrt)(x[i]);
    else
        for (int64_t i = first; i < last; i++) y[i] = (lb_real)pow((double)x[i], w->p);
}

/* y = g x^p, 0 where x is 0 */
LBI_LEVELS static void scale_range(const void *ctx, int64_t first, int64_t last) {
    const powers *w = ctx;
    lb_real *restrict y = w->y;
    const lb_real *x = w->x, *g = w->g;
    if (w->p == -1)
        for (int64_t i = first; i < last; i++) {
            lb_real v = g[i] / x[i];
            y[i] = x[i] == 0 ? 0 : v;
        }
    else
        for (int64_t i = first; i < last; i++) y[i] = x[i] == 0 ? 0 : (lb_real)((double)g[i] * pow((double)x[i], w->p));
}

/* y (+)= g x^p */
LBI_LEVELS static void slope_range(const void *ctx, int64_t first, int64_t last) {
    const powers *w = ctx;
    lb_real *restrict y = w->y;
    const lb_real *x = w->x, *g = w->g;
    bool fresh = w->fresh;
    if (w->p == 1)
        for (int64_t i = first; i < last; i++) y[i] = (fresh ? 0 : y[i]) + g[i] * x[i];
    else
        for (int64_t i = first; i < last; i++) y[i] = (fresh ? 0 : y[i]) + g[i] * (w->p == 0 ? 1 : (lb_real)pow((double)x[i], w->p));
}

static void run(lb_call *c, bool reference) {
    const options *o = c->params;
    int64_t n = lb_numel(c->in[0]);
    lbi_taps t[3];
    lb_real *raised = lb_scratch(c, (size_t)(n + 1) * sizeof *raised), *y = lb_r(c->out[0]);
    if (!raised || !tables(c, t)) return;
    lbi_split(n, 1, power_range, &(powers){.y = raised, .x = lb_r(c->in[0]), .p = o->p});
    if (reference) lbi_resample_plainly(t, lbi_planes(c->in[0]), raised, y);
    else lbi_resample(c, t, lbi_planes(c->in[0]), raised, y, false);
    lbi_split(lb_numel(c->out[0]), 1, power_range, &(powers){.y = y, .x = y, .p = 1 / o->p});
}

static void forward(lb_call *c) { run(c, false); }
static void reference(lb_call *c) { run(c, true); }

static void backward(lb_call *c) {
    const options *o = c->params;
    int64_t n = lb_numel(c->in[0]), m = lb_numel(c->out[0]);
    lbi_taps t[3], turned[3];
    lb_real *part = lb_scratch(c, (size_t)(n + 1) * sizeof *part), *scaled = lb_scratch(c, (size_t)(m + 1) * sizeof *scaled);
    if (!c->gin[0] || !c->gout[0] || !part || !scaled || !tables(c, t)) return;
    lbi_split(m, 1, scale_range, &(powers){.y = scaled, .x = lb_r(c->out[0]), .g = lb_r(c->gout[0]), .p = 1 - o->p});
    for (int a = 0; a < 3; a++)
        if (!lbi_taps_turn(c, &turned[a], &t[a])) return;
    lbi_resample(c, turned, lbi_planes(c->in[0]), scaled, part, false);
    lbi_split(n, 1, slope_range, &(powers){.y = lb_r(c->gin[0]), .x = lb_r(c->in[0]), .g = part, .p = o->p - 1, .fresh = c->fresh[0]});
}

static const options square = {{.size = {2, 3}, .stride = {2, 2}}, 2}, hanging = {{.size = {3}, .stride = {2}, .ceil = true}, 3}, plain = {{.size = {2, 2, 2}}, 1};
static const lb_op_case cases[] = {
    {.name = "squares", .rank = {4}, .shape = {{2, 2, 5, 6}}, .params = &square},
    {.name = "cubes, hanging over", .rank = {3}, .shape = {{2, 3, 6}}, .lo = 0.2, .hi = 2, .params = &hanging},
    {.name = "sums of a volume", .rank = {5}, .shape = {{1, 2, 3, 4, 2}}, .lo = 0.2, .hi = 2, .params = &plain},
    {.name = "no pictures", .rank = {4}, .shape = {{0, 2, 5, 6}}, .params = &square},
    {.name = "large", .rank = {4}, .shape = {{2, 19, 40, 45}}, .lo = 0.2, .hi = 2, .params = &square},
};

LB_OP(lp_pool) = {.id = "lp_pool", .title = "p-norm of each window of lines, pictures or volumes", .source = "torch.nn.functional.lp_pool1d, lp_pool2d, lp_pool3d", .sig = "x -> y",
                  .math = "y = (sum over the window of x^p)^(1/p)", .flags = LB_OP_SETS, .reads = LB_READS_IN(0) | LB_READS_OUT(0), .shape = shape, .params_size = sizeof(options),
                  .forward = forward, .backward = backward, .reference = reference, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_lp_pool(lb_tape *t, lb_tensor *x, double p, lb_window window) { return lb_apply(t, &lb_op_lp_pool, &(options){window, p}, sizeof(options), 1, &x); }
