/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/kernels/volume.h"
#include <string.h>
#include "tensor/kernels/levels.h"

/* Outputs whose input k * stride + shift lies in 0..size-1: [*first, *last). */
static inline void span(int64_t count, int64_t size, int64_t stride, int64_t shift, int64_t *first, int64_t *last) {
    *first = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
    *last = size - 1 - shift < 0 ? 0 : (size - 1 - shift) / stride + 1;
    if (*last > count) *last = count;
    if (*first > *last) *first = *last;
}

/* Where row (t,u) of the kernel reads for output row (z,y) of channel c; NULL outside. */
static inline int64_t row_at(const lbi_volume *p, int64_t c, int64_t z, int64_t y, int64_t t, int64_t u) {
    int64_t d = z * p->stride[0] + t * p->dilation[0] - p->before[0], h = y * p->stride[1] + u * p->dilation[1] - p->before[1];
    return d < 0 || d >= p->in[0] || h < 0 || h >= p->in[1] ? -1 : ((c * p->in[0] + d) * p->in[1] + h) * p->in[2];
}

LBI_LEVELS void lbi_vol2col(const lbi_volume *p, const lb_real *volume, int64_t first, int64_t count, int64_t z, int64_t depth, lb_real *col) {
    int64_t taps = p->kernel[0] * p->kernel[1] * p->kernel[2], step = p->stride[2];
    for (int64_t r = first * taps; r < (first + count) * taps; r++) {
        int64_t c = r / taps, t = r % taps / (p->kernel[1] * p->kernel[2]), u = r / p->kernel[2] % p->kernel[1], v = r % p->kernel[2];
        int64_t x0, x1, shift = v * p->dilation[2] - p->before[2];
        span(p->out[2], p->in[2], step, shift, &x0, &x1);
        for (int64_t row = z * p->out[1]; row < (z + depth) * p->out[1]; row++, col += p->out[2]) {
            int64_t at = row_at(p, c, row / p->out[1], row % p->out[1], t, u);
            if (at < 0) {
                memset(col, 0, (size_t)p->out[2] * sizeof *col);
                continue;
            }
            const lb_real *restrict from = volume + at + shift;
            for (int64_t x = 0; x < x0; x++) col[x] = 0;
            if (step == 1) memcpy(col + x0, from + x0, (size_t)(x1 - x0) * sizeof *col);
            else
                for (int64_t x = x0; x < x1; x++) col[x] = from[x * step];
            for (int64_t x = x1; x < p->out[2]; x++) col[x] = 0;
        }
    }
}

LBI_LEVELS void lbi_col2vol(const lbi_volume *p, const lb_real *col, int64_t first, int64_t count, int64_t z, int64_t depth, lb_real *volume) {
    int64_t taps = p->kernel[0] * p->kernel[1] * p->kernel[2], step = p->stride[2];
    for (int64_t r = first * taps; r < (first + count) * taps; r++) {
        int64_t c = r / taps, t = r % taps / (p->kernel[1] * p->kernel[2]), u = r / p->kernel[2] % p->kernel[1], v = r % p->kernel[2];
        int64_t x0, x1, shift = v * p->dilation[2] - p->before[2];
        span(p->out[2], p->in[2], step, shift, &x0, &x1);
        for (int64_t row = z * p->out[1]; row < (z + depth) * p->out[1]; row++, col += p->out[2]) {
            int64_t at = row_at(p, c, row / p->out[1], row % p->out[1], t, u);
            if (at < 0) continue;
            lb_real *restrict to = volume + at + shift;
            if (step == 1)
                for (int64_t x = x0; x < x1; x++) to[x] += col[x];
            else
                for (int64_t x = x0; x < x1; x++) to[x * step] += col[x];
        }
    }
}
