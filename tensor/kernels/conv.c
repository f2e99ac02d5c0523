/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/kernels/conv.h"
#include <string.h>
#include "tensor/kernels/levels.h"

int64_t lbi_conv_size(int64_t in, int64_t kernel, int64_t stride, int64_t before, int64_t after, int64_t dilation) {
    int64_t room = in + before + after - (dilation * (kernel - 1) + 1);
    return room < 0 ? -1 : room / stride + 1;
}

/* Outputs whose input column x * stride + shift lies in 0..size-1: [*first, *last). */
static inline void span(int64_t count, int64_t size, int64_t stride, int64_t shift, int64_t *first, int64_t *last) {
    *first = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
    *last = size - 1 - shift < 0 ? 0 : (size - 1 - shift) / stride + 1;
    if (*last > count) *last = count;
    if (*first > *last) *first = *last;
}

void lbi_im2col(const lbi_conv *p, const lb_real *image, int64_t first, int64_t count, lb_real *col) {
    for (int64_t c = first; c < first + count; c++)
        for (int64_t i = 0; i < p->kh; i++)
            for (int64_t j = 0; j < p->kw; j++) {
                int64_t x0, x1, shift = j * p->dw - p->pl;
                span(p->x, p->w, p->sw, shift, &x0, &x1);
                for (int64_t y = 0; y < p->y; y++, col += p->x) {
                    int64_t row = y * p->sh + i * p->dh - p->pt;
                    if (row < 0 || row >= p->h) {
                        memset(col, 0, (size_t)p->x * sizeof *col);
                        continue;
                    }
                    const lb_real *from = image + (c * p->h + row) * p->w + shift;
                    for (int64_t x = 0; x < x0; x++) col[x] = 0;
                    if (p->sw == 1) memcpy(col + x0, from + x0, (size_t)(x1 - x0) * sizeof *col);
                    else
                        for (int64_t x = x0; x < x1; x++) col[x] = from[x * p->sw];
                    for (int64_t x = x1; x < p->x; x++) col[x] = 0;
                }
            }
}

void lbi_col2im(const lbi_conv *p, const lb_real *col, int64_t first, int64_t count, lb_real *image) {
    for (int64_t c = first; c < first + count; c++)
        for (int64_t i = 0; i < p->kh; i++)
            for (int64_t j = 0; j < p->kw; j++) {
                int64_t x0, x1, shift = j * p->dw - p->pl;
                span(p->x, p->w, p->sw, shift, &x0, &x1);
                for (int64_t y = 0; y < p->y; y++, col += p->x) {
                    int64_t row = y * p->sh + i * p->dh - p->pt;
                    if (row < 0 || row >= p->h) continue;
                    lb_real *to = image + (c * p->h + row) * p->w + shift;
                    for (int64_t x = x0; x < x1; x++) to[x * p->sw] += col[x];
                }
            }
}

LBI_LEVELS void lbi_depthwise(const lbi_conv *p, const lb_real *in, const lb_real *kernel, lb_real *out) {
    for (int64_t y = 0; y < p->y; y++) {
        lb_real *restrict to = out + y * p->x;
        for (int64_t x = 0; x < p->x; x++) to[x] = 0;
        for (int64_t i = 0; i < p->kh; i++) {
            int64_t row = y * p->sh + i * p->dh - p->pt;
            if (row < 0 || row >= p->h) continue;
            for (int64_t j = 0; j < p->kw; j++) {
                int64_t x0, x1, shift = j * p->dw - p->pl;
                span(p->x, p->w, p->sw, shift, &x0, &x1);
                const lb_real *restrict from = in + row * p->w + shift;
                lb_real k = kernel[i * p->kw + j];
                if (p->sw == 1)
                    for (int64_t x = x0; x < x1; x++) to[x] += k * from[x];
                else if (p->sw == 2)
                    for (int64_t x = x0; x < x1; x++) to[x] += k * from[2 * x];
                else
                    for (int64_t x = x0; x < x1; x++) to[x] += k * from[x * p->sw];
            }
        }
    }
}

LBI_LEVELS void lbi_depthwise_input(const lbi_conv *p, const lb_real *g, const lb_real *kernel, lb_real *gin) {
    for (int64_t y = 0; y < p->y; y++) {
        const lb_real *restrict from = g + y * p->x;
        for (int64_t i = 0; i < p->kh; i++) {
            int64_t row = y * p->sh + i * p->dh - p->pt;
            if (row < 0 || row >= p->h) continue;
            for (int64_t j = 0; j < p->kw; j++) {
                int64_t x0, x1, shift = j * p->dw - p->pl;
                span(p->x, p->w, p->sw, shift, &x0, &x1);
                lb_real *restrict to = gin + row * p->w + shift;
                lb_real k = kernel[i * p->kw + j];
                if (p->sw == 1)
                    for (int64_t x = x0; x < x1; x++) to[x] += k * from[x];
                else
                    for (int64_t x = x0; x < x1; x++) to[x * p->sw] += k * from[x];
            }
        }
    }
}

LBI_LEVELS void lbi_depthwise_kernel(const lbi_conv *p, const lb_real *in, const lb_real *g, double *gkernel) {
    for (int64_t i = 0; i < p->kh; i++)
        for (int64_t j = 0; j < p->kw; j++) {
            int64_t x0, x1, shift = j * p->dw - p->pl;
            double sum = 0;
            span(p->x, p->w, p->sw, shift, &x0, &x1);
            for (int64_t y = 0; y < p->y; y++) {
                int64_t row = y * p->sh + i * p->dh - p->pt;
                if (row < 0 || row >= p->h) continue;
                const lb_real *restrict a = in + row * p->w + shift, *restrict b = g + y * p->x;
                lb_real line = 0; /* one row in the maths type, rows in double */
                if (p->sw == 1) {
#pragma omp simd reduction(+ : line)
                    for (int64_t x = x0; x < x1; x++) line += a[x] * b[x];
                } else {
#pragma omp simd reduction(+ : line)
                    for (int64_t x = x0; x < x1; x++) line += a[x * p->sw] * b[x];
                }
                sum += (double)line;
            }
            gkernel[i * p->kw + j] += sum;
        }
}
