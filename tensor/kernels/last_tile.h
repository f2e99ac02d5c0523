/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels of last_kernel.h in terms of `vec` (LANES floats on no boundary), LANES, LBI_LAST_ROWS, inverse() of numbers that are not 0, larger() and smaller() of two (the second where
 * either is NaN), load_first() and store_first() of count < LANES numbers, which the file of a level sets before it includes this. Two vectors of channels and ROWS pixels are the sums of a tile; an element of x is read once, by all lanes, for both.
 * Constant arguments make the loops unroll, so that sums stay in registers. */
#include "tensor/kernels/act_lanes.h"
#include "tensor/kernels/last_kernel.h"

enum { ROWS = LBI_LAST_ROWS, COLS = 2 * LANES, STRIP = LBI_LAST_STRIP };

INLINE vec load(const float *p) { return *(const vec *)p; }
INLINE vec load_some(const float *p, int count) { return count >= LANES ? load(p) : load_first(p, count); }

INLINE void store_some(float *p, vec v, int count) {
    if (count >= LANES) *(vec *)p = v;
    else store_first(p, v, count);
}

/* The sums of a tile on their way out. Not unrolled: this is for tiles at the edge, and for GELU, which is long. */
static void finish(const vec *sum, int rows, int vectors, float *y, int64_t ldy, int cols, const lbi_last_end *e) {
    for (int v = 0; v < vectors; v++) {
        int count = cols - v * LANES;
        vec scale = e->done ? load(e->scale + v * LANES) : all(1), bias = e->done ? load(e->bias + v * LANES) : all(0);
        for (int i = 0; i < rows; i++) {
            float *to = y + i * ldy + v * LANES;
            vec s = sum[2 * i + v];
            if (e->more) s += load_some(to, count);
            s = s * scale + bias;
            if (e->add) s += load_some(e->add + i * e->ld_add + v * LANES, count);
            store_some(to, activate(e->act, s), count);
        }
    }
}

INLINE void act_all(const lb_act act, const int rows, const int v, vec sum[ROWS][2]) {
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) sum[i][v] = activate(act, sum[i][v]);
}

/* The same of whole vectors, without GELU: each step is one for all sums, which stay in registers; what is wanted is asked once, not for each of them. */
INLINE void leave_whole(const int rows, const int vectors, vec sum[ROWS][2], float *y, int64_t ldy, const lbi_last_end *e) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++, y += LANES) {
        if (e->more) {
#pragma GCC unroll 16
            for (int i = 0; i < rows; i++) sum[i][v] += load(y + i * ldy);
        }
        if (e->done) {
            vec scale = load(e->scale + v * LANES), bias = load(e->bias + v * LANES);
#pragma GCC unroll 16
            for (int i = 0; i < rows; i++) sum[i][v] = sum[i][v] * scale + bias;
        }
        if (e->add) {
#pragma GCC unroll 16
            for (int i = 0; i < rows; i++) sum[i][v] += load(e->add + i * e->ld_add + v * LANES);
        }
        switch (e->act) {
        case LB_ACT_RELU: act_all(LB_ACT_RELU, rows, v, sum); break;
        case LB_ACT_RELU6: act_all(LB_ACT_RELU6, rows, v, sum); break;
        case LB_ACT_HARDSWISH: act_all(LB_ACT_HARDSWISH, rows, v, sum); break;
        case LB_ACT_HARDSIGMOID: act_all(LB_ACT_HARDSIGMOID, rows, v, sum); break;
        default: break;
        }
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++) *(vec *)(y + i * ldy) = sum[i][v];
    }
}

/* Where a tile's numbers go, or come from, is asked for before it is computed; into L2, since its rows may all fall into one set of L1. */
INLINE void ask(const float *p, int64_t ld, const int rows, const int vectors) {
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < vectors; v++) __builtin_prefetch(p + i * ld + v * LANES, 0, 2);
}

INLINE void tile_of(const int rows, const int vectors, const lbi_last_piece *piece, int64_t pieces, const float *x, int64_t ld, const float *w, float *y,
                    int64_t ldy, int cols, const lbi_last_end *e) {
    vec sum[ROWS][2];
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) sum[i][0] = sum[i][1] = (vec){0};
    ask(y, ldy, rows, vectors);
    if (e->add) ask(e->add, e->ld_add, rows, vectors);
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
    if (cols == vectors * LANES && e->act != LB_ACT_GELU) {
        leave_whole(rows, vectors, sum, y, ldy, e);
        return;
    }
    vec out[ROWS * 2];
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
        out[2 * i] = sum[i][0];
        if (vectors > 1) out[2 * i + 1] = sum[i][1];
    }
    finish(out, rows, vectors, y, ldy, cols, e);
}

INLINE void tile_rows(const int vectors, const lbi_last_piece *piece, int64_t pieces, const float *x, int64_t ld, const float *w, float *y, int64_t ldy, int rows, int cols, const lbi_last_end *e) {
    switch (rows) {
#if LBI_LAST_ROWS == 14
    case 14: tile_of(14, vectors, piece, pieces, x, ld, w, y, ldy, cols, e); break;
    case 13: tile_of(13, vectors, piece, pieces, x, ld, w, y, ldy, cols, e); break;
    case 12: tile_of(12, vectors, piece, pieces, x, ld, w, y, ldy, cols, e); break;
    case 11: tile_of(11, vectors, piece, pieces, x, ld, w, y, ldy, cols, e); break;
    case 10: tile_of(10, vectors, piece, pieces, x, ld, w, y, ldy, cols, e); break;
    case 9: tile_of(9, vectors, piece, pieces, x, ld, w, y, ldy, cols, e); break;
    case 8: tile_of(8, vectors, piece, pieces, x, ld, w, y, ldy, cols, e); break;
    case 7: tile_of(7, vectors, piece, pieces, x, ld, w, y, ldy, cols, e); break;
#endif
    case 6: tile_of(6, vectors, piece, pieces, x, ld, w, y, ldy, cols, e); break;
    case 5: tile_of(5, vectors, piece, pieces, x, ld, w, y, ldy, cols, e); break;
    case 4: tile_of(4, vectors, piece, pieces, x, ld, w, y, ldy, cols, e); break;
    case 3: tile_of(3, vectors, piece, pieces, x, ld, w, y, ldy, cols, e); break;
    case 2: tile_of(2, vectors, piece, pieces, x, ld, w, y, ldy, cols, e); break;
    default: tile_of(1, vectors, piece, pieces, x, ld, w, y, ldy, cols, e); break;
    }
}

static void tile(const lbi_last_piece *piece, int64_t pieces, const float *x, int64_t ld, const float *w, float *y, int64_t ldy, int rows, int cols, const lbi_last_end *e) {
    if (cols > LANES) tile_rows(2, piece, pieces, x, ld, w, y, ldy, rows, cols, e);
    else tile_rows(1, piece, pieces, x, ld, w, y, ldy, rows, cols, e);
}

/* ---- kernels' gradient ---- */

INLINE void lines_of(const int count, const int vectors, int64_t rows, int64_t n, const float *x, int64_t x_row, int64_t x_pixel, const float *g, int64_t g_row,
                     int64_t g_pixel, float *to, int64_t ld, int cols) {
    vec sum[ROWS][2];
#pragma GCC unroll 16
    for (int i = 0; i < count; i++) sum[i][0] = sum[i][1] = (vec){0};
    for (int64_t r = 0; r < rows; r++, x += x_row, g += g_row) {
        const float *from = x, *by = g;
        for (int64_t k = n; k > 0; k--, from += x_pixel, by += g_pixel) {
            vec a = vectors > 1 ? load(by) : load_some(by, cols), b = vectors > 1 ? load_some(by + LANES, cols - LANES) : a;
#pragma GCC unroll 16
            for (int i = 0; i < count; i++) {
                vec p = all(from[i]);
                sum[i][0] += p * a;
                if (vectors > 1) sum[i][1] += p * b;
            }
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < count; i++) {
        *(vec *)(to + i * ld) += sum[i][0];
        if (vectors > 1) *(vec *)(to + i * ld + LANES) += sum[i][1];
    }
}

INLINE void lines_rows(const int vectors, int64_t rows_of_g, int64_t n, const float *x, int64_t x_row, int64_t x_pixel, const float *g, int64_t g_row,
                       int64_t g_pixel, float *to, int64_t ld, int rows, int cols) {
    switch (rows) {
#if LBI_LAST_ROWS == 14
    case 14: lines_of(14, vectors, rows_of_g, n, x, x_row, x_pixel, g, g_row, g_pixel, to, ld, cols); break;
    case 13: lines_of(13, vectors, rows_of_g, n, x, x_row, x_pixel, g, g_row, g_pixel, to, ld, cols); break;
    case 12: lines_of(12, vectors, rows_of_g, n, x, x_row, x_pixel, g, g_row, g_pixel, to, ld, cols); break;
    case 11: lines_of(11, vectors, rows_of_g, n, x, x_row, x_pixel, g, g_row, g_pixel, to, ld, cols); break;
    case 10: lines_of(10, vectors, rows_of_g, n, x, x_row, x_pixel, g, g_row, g_pixel, to, ld, cols); break;
    case 9: lines_of(9, vectors, rows_of_g, n, x, x_row, x_pixel, g, g_row, g_pixel, to, ld, cols); break;
    case 8: lines_of(8, vectors, rows_of_g, n, x, x_row, x_pixel, g, g_row, g_pixel, to, ld, cols); break;
    case 7: lines_of(7, vectors, rows_of_g, n, x, x_row, x_pixel, g, g_row, g_pixel, to, ld, cols); break;
#endif
    case 6: lines_of(6, vectors, rows_of_g, n, x, x_row, x_pixel, g, g_row, g_pixel, to, ld, cols); break;
    case 5: lines_of(5, vectors, rows_of_g, n, x, x_row, x_pixel, g, g_row, g_pixel, to, ld, cols); break;
    case 4: lines_of(4, vectors, rows_of_g, n, x, x_row, x_pixel, g, g_row, g_pixel, to, ld, cols); break;
    case 3: lines_of(3, vectors, rows_of_g, n, x, x_row, x_pixel, g, g_row, g_pixel, to, ld, cols); break;
    case 2: lines_of(2, vectors, rows_of_g, n, x, x_row, x_pixel, g, g_row, g_pixel, to, ld, cols); break;
    default: lines_of(1, vectors, rows_of_g, n, x, x_row, x_pixel, g, g_row, g_pixel, to, ld, cols); break;
    }
}

static void lines(int64_t rows, int64_t n, const float *x, int64_t x_row, int64_t x_pixel, const float *g, int64_t g_row, int64_t g_pixel, float *to, int64_t ld, int count, int cols) {
    if (cols > LANES) lines_rows(2, rows, n, x, x_row, x_pixel, g, g_row, g_pixel, to, ld, count, cols);
    else lines_rows(1, rows, n, x, x_row, x_pixel, g, g_row, g_pixel, to, ld, count, cols);
}

/* ---- depthwise ---- */

INLINE void leave_act(const lb_act act, const lbi_last_strip *s, const vec *sum, int n, int64_t pixel, int64_t c, int count) {
    float *y = s->y + pixel * s->channels + c;
#ifdef LBI_LAST_ROUNDS
    uint16_t *rounded = s->rounded + pixel * s->ld_rounded + c;
    for (int i = 0; s->rounded && i < n; i++) round_first(rounded + i * s->ld_rounded, activate(act, sum[i]), count);
    if (s->rounded) return;
#endif
    for (int i = 0; i < n; i++) store_some(y + i * s->channels, activate(act, sum[i]), count);
}

/* Sums of n pixels on their way out. Not unrolled: it is short beside what makes them. */
static void leave(const lbi_last_strip *s, const vec *sum, int n, int64_t pixel, int64_t c, int count) {
    switch (s->act) {
    case LB_ACT_RELU: leave_act(LB_ACT_RELU, s, sum, n, pixel, c, count); return;
    case LB_ACT_RELU6: leave_act(LB_ACT_RELU6, s, sum, n, pixel, c, count); return;
    case LB_ACT_HARDSWISH: leave_act(LB_ACT_HARDSWISH, s, sum, n, pixel, c, count); return;
    case LB_ACT_HARDSIGMOID: leave_act(LB_ACT_HARDSIGMOID, s, sum, n, pixel, c, count); return;
    case LB_ACT_GELU: leave_act(LB_ACT_GELU, s, sum, n, pixel, c, count); return;
    default: leave_act(LB_ACT_NONE, s, sum, n, pixel, c, count);
    }
}

/* n neighbouring pixels: what several of them see is loaded once, and unless all of it is `inside`, left out beyond columns from .. to - 1. at: the first pixel's number. */
INLINE void strip_of(const int n, const int K, const int step, const bool whole, const bool inside, const lbi_last_strip *s, const float *const *row, int64_t from, int64_t to, int64_t at, int64_t c) {
    int count = whole ? LANES : (int)(s->channels - c);
    const float *w = s->w + c * K * K + s->first * K * LANES;
    vec sum[STRIP], start = load(s->bias + c);
#pragma GCC unroll 8
    for (int i = 0; i < n; i++) sum[i] = start;
    for (int64_t u = s->first; u < s->last; u++, w += K * LANES) {
        const float *x = row[u] + c;
        vec k[7];
#pragma GCC unroll 7
        for (int v = 0; v < K; v++) k[v] = load(w + v * LANES);
#pragma GCC unroll 24
        for (int j = 0; j < (n - 1) * step + K; j++, x += s->ld) {
            if (!inside && (j < from || j >= to)) continue;
            vec a = load_some(x, count);
            __asm__("" : "+v"(a)); /* loaded once: GCC would read it for each product */
#pragma GCC unroll 8
            for (int i = 0; i < n; i++)
                if (j - i * step >= 0 && j - i * step < K) sum[i] += a * k[j - i * step];
        }
    }
    leave(s, sum, n, at, c, count);
}

INLINE void strip(const int n, const int K, const int step, const bool inside, const lbi_last_strip *s, const float *const *row, int64_t from, int64_t to, int64_t at) {
    int64_t c = 0;
    for (; c + LANES <= s->channels; c += LANES) strip_of(n, K, step, true, inside, s, row, from, to, at, c);
    if (c < s->channels) strip_of(n, K, step, false, inside, s, row, from, to, at, c);
}

INLINE void strips(const int K, const int step, const lbi_last_strip *s, const float *const *row, int64_t left, int64_t right, int64_t n) {
    const float *at[LBI_LAST_DEEP];
    for (int64_t i = 0, size; i < n; i += size) {
        int64_t from = left - i * step, to = right - i * step;
        for (int64_t u = s->first; u < s->last; u++) at[u] = row[u] + i * step * s->ld;
        size = n - i >= STRIP ? STRIP : n - i >= 4 ? 4 : n - i >= 2 ? 2 : 1;
        if (size == STRIP && from <= 0 && to >= (STRIP - 1) * step + K) strip(STRIP, K, step, true, s, at, from, to, i);
        else if (size == STRIP) strip(STRIP, K, step, false, s, at, from, to, i);
        else if (size == 4) strip(4, K, step, false, s, at, from, to, i);
        else if (size == 2) strip(2, K, step, false, s, at, from, to, i);
        else strip(1, K, step, false, s, at, from, to, i);
    }
}

/* Pixel i of any kernel, with the columns left .. right - 1 of what it sees. */
static void one_pixel(const lbi_last_strip *s, const float *const *row, int64_t left, int64_t right, int64_t i) {
    int64_t first = left > 0 ? (left + s->apart - 1) / s->apart : 0, last = right > 0 ? (right + s->apart - 1) / s->apart : 0;
    if (last > s->kw) last = s->kw;
    for (int64_t c = 0; c < s->channels; c += LANES) {
        int count = (int)(s->channels - c);
        vec sum = load(s->bias + c);
        for (int64_t u = s->first; u < s->last; u++)
            for (int64_t v = first; v < last; v++) sum += load_some(row[u] + (i * s->step + v * s->apart) * s->ld + c, count) * load(s->w + (c / LANES * s->kh * s->kw + u * s->kw + v) * LANES);
        leave(s, &sum, 1, i, c, count);
    }
}

/* 0 up to the next pixel. */
static void fill(const lbi_last_strip *s, int64_t n) {
#ifdef LBI_LAST_ROUNDS
    for (int64_t c = (s->channels + LANES - 1) / LANES * LANES; s->rounded && c < s->ld_rounded; c += LANES)
        for (int64_t i = 0; i < n; i++) round_first(s->rounded + i * s->ld_rounded + c, (vec){0}, 0);
#endif
}

static void depth(const lbi_last_strip *s, const float *const *row, int64_t left, int64_t right, int64_t n) {
    bool square = s->kh == s->kw && s->apart == 1;
    if (square && s->kw == 3 && s->step == 1) strips(3, 1, s, row, left, right, n);
    else if (square && s->kw == 3 && s->step == 2) strips(3, 2, s, row, left, right, n);
    else if (square && s->kw == 5 && s->step == 1) strips(5, 1, s, row, left, right, n);
    else if (square && s->kw == 5 && s->step == 2) strips(5, 2, s, row, left, right, n);
    else if (square && s->kw == 7 && s->step == 1) strips(7, 1, s, row, left, right, n);
    else
        for (int64_t i = 0; i < n; i++) one_pixel(s, row, left - i * s->step, right - i * s->step, i);
    fill(s, n);
}

/* ---- gates ---- */

static void sums(const float *x, int64_t n, int64_t channels, float *to) {
    for (int64_t c = 0; c < channels; c += LANES) {
        int count = (int)(channels - c);
        vec sum = {0};
        for (int64_t i = 0; i < n; i++) sum += load_some(x + i * channels + c, count);
        store_some(to + c, load_some(to + c, count) + sum, count);
    }
}

static void gate(float *x, int64_t n, int64_t channels, const float *by) {
    for (int64_t i = 0; i < n; i++, x += channels)
        for (int64_t c = 0; c < channels; c += LANES) {
            int count = (int)(channels - c);
            store_some(x + c, load_some(x + c, count) * load_some(by + c, count), count);
        }
}
