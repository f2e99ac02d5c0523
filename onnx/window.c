/* SPDX-License-Identifier: Apache-2.0 */
#include "onnx/window.h"

static bool three(onnx_call *c, const char *name, int64_t *dst, int n, int64_t def, int64_t least) {
    int got = onnx_list(c, name, dst, 3);
    for (int i = 0; i < n && got < 0; i++) dst[i] = def;
    if (got >= 0 && got != n) onnx_fail(c, LB_E_SHAPE, "%s has %d numbers for %d axes", name, got, n);
    for (int i = 0; i < n && onnx_ok(c); i++)
        if (dst[i] < least || dst[i] > INT32_MAX) onnx_fail(c, LB_E_ARG, "%s of %lld", name, (long long)dst[i]);
    return onnx_ok(c);
}

static bool padding(onnx_call *c, onnx_window *w, const lb_tensor *x) {
    const char *how = onnx_word(c, "auto_pad", "NOTSET");
    int64_t pads[6];
    int got = onnx_list(c, "pads", pads, 6);
    bool upper = onnx_is(how, "SAME_UPPER"), lower = onnx_is(how, "SAME_LOWER");
    if (got >= 0 && got != 2 * w->n) onnx_fail(c, LB_E_SHAPE, "pads has %d numbers for %d axes", got, w->n);
    for (int i = 0; i < w->n && onnx_ok(c); i++) {
        w->before[i] = got < 0 ? 0 : pads[i];
        w->after[i] = got < 0 ? 0 : pads[w->n + i];
        if (w->before[i] < 0 || w->after[i] < 0 || w->before[i] > INT32_MAX || w->after[i] > INT32_MAX)
            onnx_fail(c, LB_E_UNSUPPORTED, "pads of %lld, %lld", (long long)w->before[i], (long long)w->after[i]);
        if (!upper && !lower) continue;
        int64_t in = x->shape[2 + i], out = (in + w->stride[i] - 1) / w->stride[i], total = (out - 1) * w->stride[i] + (w->size[i] - 1) * w->dilation[i] + 1 - in;
        if (total < 0) total = 0;
        w->before[i] = upper ? total / 2 : total - total / 2;
        w->after[i] = total - w->before[i];
    }
    return onnx_ok(c);
}

/* Padded pictures lie in memory. */
static bool within_limit(onnx_call *c, const onnx_window *w, const lb_tensor *x) {
    int64_t limit = c->run->model->options.limit_bytes, n = (int64_t)sizeof(float);
    bool fits = lb_mul_i64(&n, n, x->shape[0] ? x->shape[0] : 1) && lb_mul_i64(&n, n, x->shape[1] ? x->shape[1] : 1);
    for (int i = 0; i < w->n && fits; i++) fits = lb_mul_i64(&n, n, x->shape[2 + i] + w->before[i] + w->after[i] + 1);
    if (limit && (!fits || n / 16 > limit)) onnx_fail(c, LB_E_LIMIT, "padding beyond %lld bytes", (long long)limit);
    return onnx_ok(c);
}

bool onnx_window_of(onnx_call *c, onnx_window *w, const lb_tensor *x, const int64_t *size) {
    *w = (onnx_window){.n = x->rank - 2, .ceil = onnx_int(c, "ceil_mode", 0)};
    if (w->n < 1 || w->n > 3) {
        onnx_fail(c, LB_E_UNSUPPORTED, "%d axes, expected 3 to 5", x->rank);
        return false;
    }
    for (int i = 0; i < w->n && size; i++) w->size[i] = size[i];
    if (!size && !three(c, "kernel_shape", w->size, w->n, 0, 1)) return false;
    if (!three(c, "strides", w->stride, w->n, 1, 1) || !three(c, "dilations", w->dilation, w->n, 1, 1)) return false;
    return padding(c, w, x) && within_limit(c, w, x);
}

lb_window onnx_window_op(const onnx_window *w) {
    lb_window o = {.ceil = w->ceil};
    for (int i = 0; i < w->n; i++) o.size[i] = w->size[i], o.stride[i] = w->stride[i], o.dilation[i] = w->dilation[i], o.before[i] = w->before[i], o.after[i] = w->after[i];
    return o;
}
