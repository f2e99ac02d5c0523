/* SPDX-License-Identifier: Apache-2.0 */
/* A depthwise convolution down the columns of a padded plane: a few vectors of numbers from top to bottom. An input row is loaded once per kernel
 * column and goes into the sums of all output rows that it reaches, which stay in registers. With stride 2 even and odd columns of the padded plane
 * lie apart. A file that includes this defines LBI_COLUMN_BYTES, the size of its vectors, and LBI_COLUMN_SUMS, how many of them it has registers
 * for. Private to tensor/kernels. */
#ifndef LB_TENSOR_KERNELS_CONV_DEPTH_COLUMN_H
#define LB_TENSOR_KERNELS_CONV_DEPTH_COLUMN_H
#include "tensor/kernels/conv_depth.h"
#include "tensor/kernels/fetch.h"

#define LBI_COLUMN_INLINE static inline __attribute__((always_inline))
/* On no boundary: rows start anywhere. */
typedef lb_real lbi_column_vec __attribute__((vector_size(LBI_COLUMN_BYTES), aligned(sizeof(lb_real)), may_alias));
enum { LBI_COLUMN_LANES = LBI_COLUMN_BYTES / (int)sizeof(lb_real), LBI_COLUMN_MOST = 4 };

/* even[i] = x[2 i], odd[i] = x[2 i + 1], i < n, in whole vectors where there are some. */
LBI_COLUMN_INLINE void lbi_column_split(const lb_real *restrict x, lb_real *restrict even, lb_real *restrict odd, int64_t n) {
    enum { LANES = LBI_COLUMN_LANES };
    for (int64_t i = 0; i < n; i += LANES) {
        if (n < LANES) {
            for (int64_t k = 0; k < n; k++) even[k] = x[2 * k], odd[k] = x[2 * k + 1];
            return;
        }
        int64_t from = i + LANES > n ? n - LANES : i;
        for (int64_t k = from; k < from + LANES; k++) even[k] = x[2 * k], odd[k] = x[2 * k + 1];
    }
}

/* The picture into the padded plane, whose margins stand. */
LBI_COLUMN_INLINE void lbi_column_fill(const int S, const lbi_columns *p, const lb_real *in, lb_real *to) {
    int64_t pairs = p->w / 2, shifts = p->left % 2; /* by one: even columns of the picture are odd ones of the plane */
    lb_real *first = to + p->top * p->pitch, *even = first + (shifts ? p->plane : 0) + p->left / 2, *odd = first + (shifts ? 0 : p->plane) + (p->left + 1) / 2;
    for (int64_t i = 0; i < p->h; i++, in += p->w) {
        if (S == 1) lbi_copy_row(to + (p->top + i) * p->pitch + p->left, in, p->w);
        else {
            lbi_column_split(in, even + i * p->pitch, odd + i * p->pitch, pairs);
            if (p->w % 2) even[i * p->pitch + pairs] = in[2 * pairs];
        }
    }
}

/* V vectors from column j on, K = kernel, S = stride, w = the kernel where y does not reach. sum[c][i] is that of the output row that the next S input
 * rows reach with kernel rows S (A-1-i) and following. Vectors beyond the row's end are the last whole one again. */
LBI_COLUMN_INLINE void lbi_column(const int K, const int S, const int V, const lbi_columns *p, const lb_real *w, int64_t j) {
    enum { LANES = LBI_COLUMN_LANES };
    const int A = (K + S - 1) / S;
    const int64_t rows = p->rows, n = p->n, pitch = p->pitch, plane = p->plane, piece = p->piece;
    const lb_real *x[LBI_COLUMN_MOST], *ahead = j == 0 ? p->ahead : NULL;
    lb_real *y[LBI_COLUMN_MOST];
    lbi_column_vec zero = {0}, start = zero + p->bias, sum[LBI_COLUMN_MOST][5];
#pragma GCC unroll 4
    for (int c = 0; c < V; c++) {
        int64_t at = j + c * LANES;
        if (n > LANES && at + LANES > n) at = n - LANES;
        x[c] = p->x + at;
        y[c] = p->y + at;
#pragma GCC unroll 5
        for (int i = 0; i < A; i++) sum[c][i] = start;
    }
    for (int64_t r = 1 - A; r < rows; r++) {
        if (ahead) lbi_fetch(ahead + (r + A - 1) * piece, piece);
#pragma GCC unroll 2
        for (int s = 0; s < S; s++)
#pragma GCC unroll 5
            for (int v = 0; v < K; v++) {
                lbi_column_vec a[LBI_COLUMN_MOST];
#pragma GCC unroll 4
                for (int c = 0; c < V; c++) a[c] = *(const lbi_column_vec *)(x[c] + s * pitch + v % S * plane + v / S);
#pragma GCC unroll 5
                for (int i = 0; i < A; i++) {
                    const int u = (A - 1 - i) * S + s;
                    if (u >= K) continue;
                    const lbi_column_vec by = zero + w[u * K + v];
#pragma GCC unroll 4
                    for (int c = 0; c < V; c++) sum[c][i] += a[c] * by;
                }
            }
#pragma GCC unroll 4
        for (int c = 0; c < V; c++) {
            lb_real *to = y[c]; /* before the first row's sums are whole, they are written there too */
            if (n >= LANES) *(lbi_column_vec *)to = sum[c][0];
            else lbi_copy_row(to, (const lb_real *)&sum[c][0], n);
            x[c] += S * pitch;
            if (r >= 0) y[c] = to + n;
#pragma GCC unroll 5
            for (int i = 0; i + 1 < A; i++) sum[c][i] = sum[c][i + 1];
            sum[c][A - 1] = start;
        }
    }
}

/* As many vectors side by side as there are registers for, so that sums do not wait for each other; no more than the row has left. */
LBI_COLUMN_INLINE void lbi_columns_of(const int K, const int S, const lbi_columns *p, const lb_real *in) {
    enum { LANES = LBI_COLUMN_LANES };
    const int room = LBI_COLUMN_SUMS / ((K + S - 1) / S), V = room < 1 ? 1 : room > LBI_COLUMN_MOST ? LBI_COLUMN_MOST : room, half = (V + 1) / 2;
    lb_real w[25]; /* not aliased by y */
    for (int i = 0; i < K * K; i++) w[i] = p->kernel[i];
    lbi_column_fill(S, p, in, p->x);
    for (int64_t j = 0; j < p->n; j += V * LANES) {
        int64_t left = p->n - j;
        if (left > half * LANES) lbi_column(K, S, V, p, w, j);
        else if (left > LANES) lbi_column(K, S, half, p, w, j);
        else lbi_column(K, S, 1, p, w, j);
    }
}

LBI_COLUMN_INLINE void lbi_columns_all(const lbi_columns *p, const lb_real *in) {
    if (p->size == 3 && p->stride == 1) lbi_columns_of(3, 1, p, in);
    else if (p->size == 3) lbi_columns_of(3, 2, p, in);
    else if (p->stride == 1) lbi_columns_of(5, 1, p, in);
    else lbi_columns_of(5, 2, p, in);
}

#endif
