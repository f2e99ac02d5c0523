/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions over one to three axes, with what stood behind them fused in; those of numbers of 8 bits as float ones, in parts whose sums are exact. */
#include <string.h>
#include "onnx/window.h"
#include "tensor/exact.h"

static lb_conv_spec plane(const onnx_window *w, int64_t groups) {
    if (w->n == 1) return (lb_conv_spec){1, w->stride[0], 0, 0, w->before[0], w->after[0], 1, w->dilation[0], groups};
    return (lb_conv_spec){w->stride[0], w->stride[1], w->before[0], w->after[0], w->before[1], w->after[1], w->dilation[0], w->dilation[1], groups};
}

static lb_conv3d_spec volume(const onnx_window *w, int64_t groups) {
    lb_conv3d_spec s = {.groups = groups};
    for (int i = 0; i < 3; i++) s.stride[i] = w->stride[i], s.before[i] = w->before[i], s.after[i] = w->after[i], s.dilation[i] = w->dilation[i];
    return s;
}

static lb_tensor *by_op(onnx_call *c, const onnx_window *w, lb_tensor *x, lb_tensor *k, lb_tensor *b, int64_t groups, lb_act act) {
    if (w->n == 1) return lb_conv1d(c->tape, x, k, b, plane(w, groups), act);
    if (w->n == 2) return lb_conv2d(c->tape, x, k, b, plane(w, groups), act);
    return onnx_act(c, lb_conv3d(c->tape, x, k, b, volume(w, groups)), act);
}

static bool fit(onnx_call *c, const lb_tensor *x, const lb_tensor *k) {
    int64_t groups = onnx_int(c, "group", 1);
    if (x->rank == k->rank && groups >= 1 && groups <= INT32_MAX) return true;
    onnx_fail(c, LB_E_SHAPE, "input with %d axes, kernel with %d, %lld groups", x->rank, k->rank, (long long)groups);
    return false;
}

static void conv(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0), *k = onnx_need(c, 1);
    onnx_window w;
    if (!onnx_ok(c) || !fit(c, x, k) || !onnx_window_of(c, &w, x, k->shape + 2)) return;
    onnx_put(c, 0, by_op(c, &w, x, k, onnx_in(c, 2), onnx_int(c, "group", 1), c->node->act));
}

/* ---- transposed ---- */

/* With output_shape the padding follows; what is more than it may be is put behind as zeros (where only the bias reaches). */
static bool output_shape(onnx_call *c, onnx_window *w, const lb_tensor *x, int64_t *more) {
    int64_t want[LB_MAX_RANK];
    int n = onnx_list(c, "output_shape", want, LB_MAX_RANK);
    const char *how = onnx_word(c, "auto_pad", "NOTSET");
    bool same = onnx_is(how, "SAME_UPPER") || onnx_is(how, "SAME_LOWER");
    if (n > w->n) memmove(want, want + n - w->n, (size_t)w->n * sizeof *want);
    if (n >= 0 && n < w->n) onnx_fail(c, LB_E_SHAPE, "output_shape has %d numbers", n);
    for (int i = 0; i < w->n && (n >= 0 || same) && onnx_ok(c); i++) {
        int64_t full = w->stride[i] * (x->shape[2 + i] - 1) + more[i] + (w->size[i] - 1) * w->dilation[i] + 1, total = full - (n >= 0 ? want[i] : x->shape[2 + i] * w->stride[i]);
        if (total < 0) more[i] -= total, total = 0;
        w->before[i] = onnx_is(how, "SAME_UPPER") ? total / 2 : total - total / 2;
        w->after[i] = total - w->before[i];
    }
    return onnx_ok(c);
}

static void conv_transpose(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0), *k = onnx_need(c, 1), *b = onnx_in(c, 2), *y;
    int64_t groups = onnx_int(c, "group", 1), more[3] = {0}, before[LB_MAX_RANK] = {0}, after[LB_MAX_RANK] = {0};
    onnx_window w;
    if (!onnx_ok(c) || !fit(c, x, k) || !onnx_window_of(c, &w, x, k->shape + 2)) return;
    if (onnx_list(c, "output_padding", more, 3) > w.n || !output_shape(c, &w, x, more)) return;
    bool late = false;
    for (int i = 0; i < w.n; i++) {
        int64_t room = (w.stride[i] > w.dilation[i] ? w.stride[i] : w.dilation[i]) - 1;
        if (more[i] < 0 || more[i] > 1 << 20) onnx_fail(c, LB_E_ARG, "output_padding of %lld", (long long)more[i]);
        if (more[i] > room) after[2 + i] = more[i] - room, more[i] = room, late = true;
    }
    lb_tensor *first = late ? NULL : b;
    if (!onnx_ok(c)) return;
    if (w.n == 1) y = lb_conv_transpose1d(c->tape, x, k, first, plane(&w, groups), more[0]);
    else if (w.n == 2) y = lb_conv_transpose2d(c->tape, x, k, first, plane(&w, groups), more[0], more[1]);
    else y = lb_conv_transpose3d(c->tape, x, k, first, volume(&w, groups), more);
    if (late) y = lb_pad(c->tape, y, before, after, 0);
    if (late && b && onnx_ok(c)) {
        int64_t shape[LB_MAX_RANK] = {1, lb_numel(b), 1, 1, 1};
        y = lb_add(c->tape, y, lb_reshape(c->tape, b, w.n + 2, shape));
    }
    onnx_put(c, 0, onnx_act(c, y, c->node->act));
}

/* ---- numbers of 8 bits ---- */

/* f32 less zero points: one, or one for each of the first axis. */
static lb_tensor *centred(onnx_call *c, lb_tensor *x, lb_tensor *zero) {
    lb_tensor *wide = onnx_as(c, x, LB_F32), *z = zero ? onnx_as(c, zero, LB_F32) : NULL;
    if (!z || !onnx_ok(c)) return wide;
    if (lb_numel(z) == 1) return lb_sub(c->tape, wide, lb_reshape(c->tape, z, 0, NULL));
    int64_t shape[LB_MAX_RANK] = {lb_numel(z), 1, 1, 1, 1, 1, 1, 1};
    return lb_sub(c->tape, wide, lb_reshape(c->tape, z, wide->rank, shape));
}

/* By lines and pictures as they stand; volumes have no other way. */
static lb_tensor *exact(onnx_call *c, const onnx_window *w, lb_tensor *x, lb_tensor *k, int64_t groups) {
    if (w->n == 3) return lb_conv3d(c->tape, x, k, NULL, volume(w, groups));
    if (w->n == 2) return lb_conv2d_exact(c->tape, x, k, plane(w, groups));
    lb_tensor *y = lb_conv2d_exact(c->tape, lb_unsqueeze(c->tape, x, 2), lb_unsqueeze(c->tape, k, 2), plane(w, groups));
    return lb_squeeze(c->tape, y, 2);
}

/* Sums of up to 258 products of two numbers of 8 bits are below 2^24, so exact in f32: the channels are taken in runs of that many, added in i32. */
static lb_tensor *whole_conv(onnx_call *c, lb_tensor *x, lb_tensor *k, const onnx_window *w, int64_t groups) {
    enum { EXACT = 16777216 / (255 * 255) };
    int64_t area = onnx_product(k->shape, 2, k->rank), channels = k->shape[1], run = area && EXACT / area > 0 ? EXACT / area : 1;
    lb_tensor *sum = NULL;
    if (groups > 1 || run > channels) run = channels;
    for (int64_t at = 0; at < channels && onnx_ok(c); at += run) {
        int64_t end = at + run < channels ? at + run : channels;
        bool all = run == channels;
        lb_tensor *part = exact(c, w, all ? x : lb_slice(c->tape, x, 1, at, end, 1), all ? k : lb_slice(c->tape, k, 1, at, end, 1), groups);
        if (!onnx_ok(c)) break;
        lb_tensor *whole = onnx_as(c, part, LB_I32);
        for (int64_t i = 0, n = sum && sum->data ? lb_numel(sum) : 0; i < n; i++) ((int32_t *)sum->data)[i] += ((const int32_t *)whole->data)[i];
        sum = sum ? sum : whole;
    }
    return sum ? sum : onnx_fail(c, LB_E_SHAPE, "no channels");
}

static void conv_integer(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0), *k = onnx_need(c, 1);
    onnx_window w;
    if (!onnx_ok(c) || !fit(c, x, k) || !onnx_window_of(c, &w, x, k->shape + 2)) return;
    x = centred(c, x, onnx_in(c, 2));
    k = centred(c, k, onnx_in(c, 3));
    if (onnx_ok(c)) onnx_put(c, 0, whole_conv(c, x, k, &w, onnx_int(c, "group", 1)));
}

/* Fused: centred whole numbers q and kernel w as f32 (LimbeckCentred), a scale, a bias for channels or none: act(scale (w * q) + b). Sums are exact up
 * to 2^24; where they are larger they are off by as much as the cast to float that stood here. */
static void centred_conv(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0), *k = onnx_need(c, 1), *scale = onnx_need(c, 2), *bias = onnx_in(c, 3);
    onnx_window w;
    if (!onnx_ok(c) || !fit(c, x, k) || !onnx_window_of(c, &w, x, k->shape + 2)) return;
    lb_tensor *y = exact(c, &w, x, k, onnx_int(c, "group", 1));
    onnx_put(c, 0, y);
    if (!onnx_ok(c) || !y->data || !scale->data) return;
    float s = *(const float *)scale->data;
    int64_t channels = y->shape[1], inner = onnx_product(y->shape, 2, y->rank), planes = y->shape[0] * channels;
    bool relu = c->node->act == LB_ACT_RELU;
#pragma omp parallel for if (planes * inner > 65536)
    for (int64_t i = 0; i < planes; i++) {
        float *to = (float *)y->data + i * inner, b = bias ? ((const float *)bias->data)[i % channels] : 0;
        if (relu)
            for (int64_t j = 0; j < inner; j++) {
                float v = to[j] * s + b;
                to[j] = v > 0 ? v : 0;
            }
        else
            for (int64_t j = 0; j < inner; j++) to[j] = to[j] * s + b;
    }
    if (!relu) onnx_put(c, 0, onnx_act(c, y, c->node->act));
}

/* x scale zero w scale zero scale zero bias: scale of w and its zero one or one a channel. */
static void qlinear_conv(onnx_call *c) {
    for (int i = 0; i < 8; i++) onnx_need(c, i);
    lb_tensor *x = onnx_in(c, 0), *k = onnx_in(c, 3);
    onnx_window w;
    if (!onnx_ok(c) || !fit(c, x, k) || !onnx_window_of(c, &w, x, k->shape + 2)) return;
    double xs = onnx_number(c, c->in[1], 1), ys = onnx_number(c, c->in[6], 1), zero = onnx_number(c, c->in[7], 0);
    lb_tensor *sum = whole_conv(c, centred(c, x, c->in[2]), centred(c, k, c->in[5]), &w, onnx_int(c, "group", 1));
    lb_tensor *scale = onnx_as(c, c->in[4], LB_F64), *bias = onnx_in(c, 8) ? onnx_as(c, c->in[8], LB_I32) : NULL;
    lb_tensor *y = onnx_make(c, 0, c->in[7]->dtype, sum->rank, sum->shape);
    if (!onnx_ok(c) || !y->data || !sum->data || !scale->data) return;
    int64_t inner = onnx_product(sum->shape, 2, sum->rank), channels = sum->shape[1], many = lb_numel(scale);
    if ((many != 1 && many != channels) || (bias && lb_numel(bias) != channels)) {
        onnx_fail(c, LB_E_SHAPE, "%lld scales for %lld channels", (long long)many, (long long)channels);
        return;
    }
    double low = y->dtype == LB_I8 ? -128 : 0, high = y->dtype == LB_I8 ? 127 : 255;
    for (int64_t i = 0, n = lb_numel(sum); i < n; i++) {
        int64_t ch = i / inner % channels;
        double v = ((double)((const int32_t *)sum->data)[i] + (bias ? (double)((const int32_t *)bias->data)[ch] : 0)) * xs * ((const double *)scale->data)[many == 1 ? 0 : ch] / ys;
        v = __builtin_rint(v) + zero;
        v = v < low ? low : v > high ? high : v;
        lb_convert((char *)y->data + i, y->dtype, &v, LB_F64, 1);
    }
}

/* Columns of windows put back into pictures, added where they overlap. */
static void col2im(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0);
    int64_t size[2], block[2], pads[4] = {0}, strides[2] = {1, 1}, dilations[2] = {1, 1};
    int n, k;
    if (!onnx_ok(c) || !onnx_ints(c, onnx_need(c, 1), size, 2, &n) || !onnx_ints(c, onnx_need(c, 2), block, 2, &k)) return;
    int np = onnx_list(c, "pads", pads, 4), ns = onnx_list(c, "strides", strides, 2), nd = onnx_list(c, "dilations", dilations, 2);
    if (n != 2 || k != 2 || (np >= 0 && np != 4) || (ns >= 0 && ns != 2) || (nd >= 0 && nd != 2)) {
        onnx_fail(c, LB_E_UNSUPPORTED, "pictures of other than two axes");
        return;
    }
    lb_window w = {.size = {block[0], block[1]}, .stride = {strides[0], strides[1]}, .before = {pads[0], pads[1]}, .after = {pads[2], pads[3]}, .dilation = {dilations[0], dilations[1]}};
    onnx_put(c, 0, lb_fold(c->tape, x, size[0], size[1], w));
}

static const onnx_operator operators[] = {
    {"Col2Im", col2im, ONNX_FLOAT_ONLY, "other than two axes"},
    {"Conv", conv, ONNX_FLOAT_ONLY | ONNX_FUSES},
    {"ConvInteger", conv_integer},
    {"ConvTranspose", conv_transpose, ONNX_FLOAT_ONLY | ONNX_FUSES},
    {"LimbeckCentredConv", centred_conv, ONNX_FUSES, "made by fusing"},
    {"QLinearConv", qlinear_conv},
    {0},
};

ONNX_GROUP(conv) = {.id = "conv", .title = "convolutions", .source = "github.com/onnx/onnx docs/Operators.md", .operators = operators};
