/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels of last_kernel.h in terms of `vec` (LANES floats on no boundary), LANES and ROWS, and larger() and smaller() of two (the
 * second where either is NaN), which the file of a level sets before it includes this. Two vectors of channels and ROWS pixels are the sums of a tile; an element of x is read once, by all lanes, for both.
 * Constant arguments make the loops unroll, so that sums stay in registers. */
#include "tensor/kernels/conv_pad.h"
#include "tensor/kernels/last_kernel.h"

enum { COLS = 2 * LANES };

INLINE vec load(const float *p) { return *(const vec *)p; }
INLINE vec all(float x) { return x - (vec){0}; }

INLINE vec load_some(const float *p, int count) {
    float some[LANES] = {0};
    if (count >= LANES) return load(p);
    lbi_copy_row(some, p, count);
    return load(some);
}

INLINE void store_some(float *p, vec v, int count) {
    if (count >= LANES) *(vec *)p = v;
    else lbi_copy_row(p, (const float *)&v, count);
}

INLINE vec activate(lb_act act, vec x) {
    vec zero = {0};
    if (act == LB_ACT_RELU) return larger(zero, x);
    if (act == LB_ACT_RELU6) return smaller(all(6), larger(zero, x));
    if (act == LB_ACT_HARDSWISH) return x * (smaller(all(6), larger(zero, x + 3)) * (1.0f / 6));
    if (act == LB_ACT_HARDSIGMOID) return smaller(all(6), larger(zero, x + 3)) * (1.0f / 6);
    return x;
}

INLINE void finish(vec sum, float *y, const lbi_last_end *e, const float *add, int col, int cols) {
    int count = cols - col;
    if (e->more) sum += load_some(y, count);
    if (e->done) {
        sum = sum * load(e->scale + col) + load(e->bias + col);
        if (e->add) sum += load_some(add, count);
        sum = activate(e->act, sum);
    }
    store_some(y, sum, count);
}

INLINE void tile_of(const int rows, const int vectors, const lbi_last_piece *piece, int64_t pieces, const float *x, int64_t ld, const float *w, float *y, int64_t ldy, int cols, const lbi_last_end *e) {
    vec sum[ROWS][2];
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) sum[i][0] = sum[i][1] = (vec){0};
    for (const lbi_last_piece *end = piece + pieces; piece < end; piece++) {
        const float *from[(ROWS + 2) / 3]; /* pixels i, i + 1, i + 2 from one address */
#pragma GCC unroll 16
        for (int i = 0; i < rows; i += 3) from[i / 3] = x + piece->at + i * ld;
        for (int64_t k = piece->count; k > 0; k--, w += COLS) {
            vec a = load(w), b = vectors > 1 ? load(w + LANES) : a;
#pragma GCC unroll 16
            for (int i = 0; i < rows; i++) {
                vec p = all(from[i / 3][i % 3 * ld]);
                sum[i][0] += p * a;
                if (vectors > 1) sum[i][1] += p * b;
            }
#pragma GCC unroll 16
            for (int i = 0; i < rows; i += 3) from[i / 3]++;
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
        finish(sum[i][0], y + i * ldy, e, e->add + i * e->ld_add, 0, cols);
        if (vectors > 1) finish(sum[i][1], y + i * ldy + LANES, e, e->add + i * e->ld_add + LANES, LANES, cols);
    }
}

/* ---- depthwise ---- */

static void gather(float *to, const float *from, int64_t ld, int64_t n, int count) {
    if (count >= LANES)
        for (int64_t i = 0; i < n; i++) *(vec *)(to + i * LANES) = load(from + i * ld);
    else
        for (int64_t i = 0; i < n; i++) *(vec *)(to + i * LANES) = load_some(from + i * ld, count);
}

/* Step 1: the pixel that comes next goes into the sums of all outputs that it reaches, so it is loaded once. */
INLINE void depth_slide(const int K, const float *const *row, const float *w, vec start, lb_act act, float *y, int64_t ldy, int64_t n, int count) {
    vec sum[5], k[25];
#pragma GCC unroll 25
    for (int i = 0; i < K * K; i++) k[i] = load(w + i * LANES);
#pragma GCC unroll 5
    for (int i = 0; i < K; i++) sum[i] = start;
    for (int64_t x = 0; x < n + K - 1; x++) {
#pragma GCC unroll 5
        for (int u = 0; u < K; u++) {
            vec a = load(row[u] + x * LANES);
#pragma GCC unroll 5
            for (int i = 0; i < K; i++) sum[i] += a * k[u * K + K - 1 - i];
        }
        if (x >= K - 1) store_some(y + (x - K + 1) * ldy, activate(act, sum[0]), count);
#pragma GCC unroll 5
        for (int i = 0; i + 1 < K; i++) sum[i] = sum[i + 1];
        sum[K - 1] = start;
    }
}

INLINE void depth_plain(int64_t kh, int64_t kw, const float *const *row, int64_t step, int64_t apart, const float *w, vec start, lb_act act, float *y, int64_t ldy, int64_t n, int count) {
    for (int64_t x = 0; x < n; x++) {
        vec sum = start;
        for (int64_t u = 0; u < kh; u++)
            for (int64_t v = 0; v < kw; v++) sum += load(row[u] + (x * step + v * apart) * LANES) * load(w + (u * kw + v) * LANES);
        store_some(y + x * ldy, activate(act, sum), count);
    }
}

static void depth(const float *const *row, int64_t kh, int64_t kw, int64_t step, int64_t apart, const float *w, const float *bias, lb_act act, float *y, int64_t ldy, int64_t n, int count) {
    vec start = load(bias);
    bool square = kh == kw && apart == 1;
    if (square && kw == 3 && step == 1) depth_slide(3, row, w, start, act, y, ldy, n, count);
    else if (square && kw == 5 && step == 1) depth_slide(5, row, w, start, act, y, ldy, n, count);
    else if (square && kw == 3) depth_plain(3, 3, row, step, 1, w, start, act, y, ldy, n, count);
    else if (square && kw == 5) depth_plain(5, 5, row, step, 1, w, start, act, y, ldy, n, count);
    else depth_plain(kh, kw, row, step, apart, w, start, act, y, ldy, n, count);
}
