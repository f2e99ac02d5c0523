/* SPDX-License-Identifier: Apache-2.0 */
/* Fourier transforms, in double. */
#include <string.h>
#include "base/fft.h"
#include "onnx/operator.h"
#include "tensor/ops.h"

/* Rows of `length` pairs (or single numbers: imaginary part 0), cut or filled with zeros to n. */
static bool rows(onnx_call *c, const double *x, int64_t count, int64_t length, int pair, int64_t n, bool inverse, bool half, double *y) {
    lb_fft *plan = NULL;
    if (lb_fft_new(&plan, n) != LB_OK) {
        lb_tape_fail_status(c->tape, LB_E_ARG);
        return false;
    }
    lb_tensor *work = onnx_scratch(c, LB_F64, 1, (int64_t[]){2 * n + lb_fft_work(plan)});
    int64_t kept = half ? n / 2 + 1 : n;
    for (int64_t r = 0; r < count && onnx_ok(c); r++) {
        double *row = work->data;
        memset(row, 0, (size_t)(2 * n) * sizeof *row);
        for (int64_t i = 0; i < length && i < n; i++)
            for (int k = 0; k < pair; k++) row[2 * i + k] = x[(r * length + i) * pair + k];
        lb_fft_complex(plan, row, inverse, row + 2 * n);
        memcpy(y + r * kept * 2, row, (size_t)(2 * kept) * sizeof *row);
    }
    lb_fft_free(plan);
    return onnx_ok(c);
}

/* x [N,...,1 or 2]: along `axis`, pairs last. */
static void dft(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0);
    if (!onnx_ok(c)) return;
    bool inverse = onnx_int(c, "inverse", 0), half = onnx_int(c, "onesided", 0);
    int64_t at = c->opset < 20 ? onnx_int(c, "axis", 1) : (int64_t)onnx_number(c, onnx_in(c, 2), -2);
    int axis = onnx_axis(c, at, x->rank);
    if (axis < 0) return;
    int64_t pair = x->rank ? x->shape[x->rank - 1] : 0, n = (int64_t)onnx_number(c, onnx_in(c, 1), (double)x->shape[axis]), shape[LB_MAX_RANK];
    if (x->rank < 2 || axis == x->rank - 1 || pair < 1 || pair > 2 || n < 1 || n > 1 << 24) {
        onnx_fail(c, LB_E_SHAPE, "length %lld along axis %d of %d, pairs of %lld", (long long)n, axis, x->rank, (long long)pair);
        return;
    }
    lb_dtype dtype = x->dtype;
    lb_tensor *from = onnx_as(c, lb_transpose(c->tape, x, axis, -2), LB_F64);
    memcpy(shape, from->shape, sizeof shape);
    shape[x->rank - 2] = half ? n / 2 + 1 : n;
    shape[x->rank - 1] = 2;
    lb_tensor *y = onnx_scratch(c, LB_F64, x->rank, shape);
    if (onnx_ok(c) && y->data && from->data) rows(c, from->data, onnx_product(from->shape, 0, x->rank - 2), from->shape[x->rank - 2], (int)pair, n, inverse, half, y->data);
    if (onnx_ok(c)) onnx_put(c, 0, lb_transpose(c->tape, onnx_as(c, y, dtype), axis, -2));
}

/* x [N,L] or [N,L,1 or 2], step, window?, length? -> [N,frames,bins,2] */
static void stft(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0), *window = onnx_in(c, 2);
    if (!onnx_ok(c)) return;
    int64_t step = (int64_t)onnx_number(c, onnx_need(c, 1), 0), n = (int64_t)onnx_number(c, onnx_in(c, 3), window ? (double)lb_numel(window) : 0);
    bool half = onnx_int(c, "onesided", 1);
    int64_t pair = x->rank == 3 ? x->shape[2] : 1, length = x->rank > 1 ? x->shape[1] : 0, batch = x->rank ? x->shape[0] : 0;
    if (!onnx_ok(c)) return;
    if (x->rank < 2 || x->rank > 3 || step < 1 || n < 1 || n > length || (window && lb_numel(window) != n) || pair < 1 || pair > 2) {
        onnx_fail(c, LB_E_SHAPE, "frames of %lld every %lld of %lld", (long long)n, (long long)step, (long long)length);
        return;
    }
    int64_t frames = (length - n) / step + 1, bins = half ? n / 2 + 1 : n;
    lb_dtype dtype = x->dtype;
    lb_tensor *from = onnx_as(c, x, LB_F64), *w = window ? onnx_as(c, window, LB_F64) : NULL,
              *cut = onnx_scratch(c, LB_F64, 3, (int64_t[]){batch * frames, n, pair}), *y = onnx_scratch(c, LB_F64, 4, (int64_t[]){batch, frames, bins, 2});
    if (onnx_ok(c) && y->data && from->data && cut->data && (!w || w->data)) {
        for (int64_t i = 0; i < batch * frames * n * pair; i++) {
            int64_t frame = i / (n * pair), k = i % (n * pair);
            ((double *)cut->data)[i] = ((const double *)from->data)[(frame / frames * length + frame % frames * step) * pair + k] * (w ? ((const double *)w->data)[k / pair] : 1);
        }
        rows(c, cut->data, batch * frames, n, (int)pair, n, false, half, y->data);
    }
    onnx_put(c, 0, onnx_as(c, y, dtype));
}

static const onnx_operator operators[] = {
    {"DFT", dft},
    {"STFT", stft},
    {0},
};

ONNX_GROUP(signal) = {.id = "signal", .title = "Fourier transforms", .source = "github.com/onnx/onnx docs/Operators.md", .operators = operators};
