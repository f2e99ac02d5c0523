/* SPDX-License-Identifier: Apache-2.0 */
/* y = sum over the window of w_u w_v x, w_u = exp(-u^2 / (2 sigma^2)) scaled to sum 1, u = -(k - 1) / 2 .. (k - 1) / 2, along the last two axes;
 * outside, the picture is mirrored at the centre of its border (reflect). dx = the turned map of g. */
#include <math.h>
#include "tensor/ops.h"
#include "tensor/resample.h"

typedef struct options {
    int64_t size[2]; /* of the window: height, width; odd */
    double sigma[2];
} options;

static bool shape(lb_call *c) {
    const options *o = c->params;
    for (int a = 0; a < 2; a++) {
        int64_t in = c->in[0]->shape[2 + a], k = o->size[a];
        if (k > 0 && k % 2 == 1 && o->sigma[a] > 0 && in > k / 2) continue;
        lb_tape_fail(c->tape, LB_E_ARG, "window %lld of %lld elements, sigma %g: expected an odd window, half of it less than the axis, sigma > 0", (long long)k, (long long)in, o->sigma[a]);
        return false;
    }
    c->out[0]->rank = 4;
    for (int d = 0; d < 4; d++) c->out[0]->shape[d] = c->in[0]->shape[d];
    return true;
}

static bool table(lb_call *c, lbi_taps *t, int64_t in, int64_t k, double sigma) {
    double sum = 0;
    if (!lbi_taps_new(c, t, in, in, k)) return false;
    for (int64_t j = -(k / 2); j <= k / 2; j++) sum += exp(-0.5 * (double)(j * j) / (sigma * sigma));
    for (int64_t i = 0; i < in; i++) {
        for (int64_t j = -(k / 2); j <= k / 2; j++) {
            int64_t at = i + j < 0 ? -(i + j) : i + j >= in ? 2 * (in - 1) - i - j : i + j;
            lbi_tap(t, at, exp(-0.5 * (double)(j * j) / (sigma * sigma)) / sum);
        }
        if (!lbi_taps_next(c, t)) return false;
    }
    return true;
}

static bool tables(lb_call *c, lbi_taps t[3]) {
    const options *o = c->params;
    const lb_tensor *x = c->in[0];
    return lbi_taps_same(c, &t[0], 1) && table(c, &t[1], x->shape[2], o->size[0], o->sigma[0]) && table(c, &t[2], x->shape[3], o->size[1], o->sigma[1]);
}

static void forward(lb_call *c) { lbi_resample_forward(c, tables); }
static void backward(lb_call *c) { lbi_resample_backward(c, tables); }
static void reference(lb_call *c) { lbi_resample_reference(c, tables); }

static const options usual = {{3, 5}, {0.8, 1.5}}, wide = {{9, 9}, {2, 2}};
static const lb_op_case cases[] = {
    {.name = "3x5", .rank = {4}, .shape = {{2, 2, 4, 6}}, .params = &usual},
    {.name = "no pictures", .rank = {4}, .shape = {{0, 2, 4, 6}}, .params = &usual},
    {.name = "large", .rank = {4}, .shape = {{2, 3, 37, 51}}, .params = &wide},
};

LB_OP(gaussian_blur) = {.id = "gaussian_blur", .title = "blurring of pictures by a Gauss window", .source = "torchvision.transforms.functional.gaussian_blur", .sig = "x[N,C,H,W] -> y",
                        .math = "y = sum over the window of w_u w_v x", .flags = LB_OP_SETS, .shape = shape, .params_size = sizeof(options), .forward = forward, .backward = backward,
                        .reference = reference, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_gaussian_blur(lb_tape *t, lb_tensor *x, int64_t size_h, int64_t size_w, double sigma_h, double sigma_w) {
    return lb_apply(t, &lb_op_gaussian_blur, &(options){{size_h, size_w}, {sigma_h, sigma_w}}, sizeof(options), 1, &x);
}
