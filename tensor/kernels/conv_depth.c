/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise convolution of a plane, on a padded copy of it in L1. Memory is read and written once.
 *   3x3 and 5x5 at stride 1 and 2: columns (conv_depth_column.h), k loads and k*k multiply-adds a vector
 *   others: a row at a time, four vectors of sums, one load for each multiply-add.
 * The input's gradient is the same with the kernel turned round, over padded gradients; a stride takes it apart by the columns' and rows' place in
 * it, each with the kernel elements that reach it. The kernel's gradient is a dot product of the flat gradient with the padded plane for each
 * kernel element, up to nine at a time. */
#define LBI_COLUMN_BYTES 16
#define LBI_COLUMN_SUMS 10
#include "base/cpu.h"
#include "tensor/kernels/act.h"
#include "tensor/kernels/conv_depth.h"
#include "tensor/kernels/conv_depth_column.h"
#include "tensor/kernels/levels.h"

#define INLINE static inline __attribute__((always_inline))
enum { LANES = LBI_DEPTH_LANES, GROUP = 9 };
/* On no boundary: rows start anywhere. Compilers make it one register or several. */
typedef lb_real vec __attribute__((vector_size(64), aligned(sizeof(lb_real)), may_alias));

/* ---- sums of a row ---- */

/* y[i] = bias + sum over k of x[i + at[k]] w[k], i < n; y is written in whole vectors. */
INLINE void row_of(const lb_real *x, const int32_t *at, const lb_real *w, int64_t count, lb_real bias, lb_real *y, int64_t n) {
    int64_t i = 0;
    vec zero = {0}, start = zero + bias;
    for (; i + 2 * LANES < n; i += 4 * LANES) {
        vec a = start, b = start, c = start, d = start;
        for (int64_t k = 0; k < count; k++) {
            const vec *from = (const vec *)(x + i + at[k]);
            a += from[0] * w[k];
            b += from[1] * w[k];
            c += from[2] * w[k];
            d += from[3] * w[k];
        }
        vec *to = (vec *)(y + i);
        to[0] = a;
        to[1] = b;
        to[2] = c;
        to[3] = d;
    }
    for (; i < n; i += LANES) {
        vec a = start;
        for (int64_t k = 0; k < count; k++) a += *(const vec *)(x + i + at[k]) * w[k];
        *(vec *)(y + i) = a;
    }
}

/* A plane of `rows` rows of n numbers, made in `row` and copied; x moves on by pitch. */
LBI_LEVELS_FUSED static void plane(const lb_real *x, int64_t pitch, const int32_t *at, const lb_real *w, int64_t count, lb_real bias, lb_real *y, int64_t rows, int64_t n, lb_real *row) {
    for (int64_t i = 0; i < rows; i++) {
        row_of(x + i * pitch, at, w, count, bias, row, n);
        lbi_copy_row(y + i * n, row, n);
    }
}

/* ---- columns ---- */

static void make_columns(const lbi_columns *p, const lb_real *in) {
#ifdef __x86_64__
    if (lbi_cpu() >= LBI_CPU_AVX512) lbi_columns_avx512(p, in);
    else if (lbi_cpu() >= LBI_CPU_AVX2) lbi_columns_avx2(p, in);
    else
#endif
        lbi_columns_all(p, in);
}

bool lbi_depth_by_columns(const lbi_conv *p) {
    return p->kh == p->kw && (p->kh == 3 || p->kh == 5) && p->dh == 1 && p->dw == 1 && p->sh == p->sw && p->sh <= 2 && p->pt >= 0 && p->pl >= 0;
}

/* ---- plans ---- */

/* Of a picture [h,w]: rows beyond the last that an output reads are left out, rows below the picture and columns behind it are margin. */
static lbi_columns columns_of(int64_t size, int64_t stride, int64_t h, int64_t w, int64_t top, int64_t left, int64_t rows, int64_t n) {
    lbi_columns c = {.size = size, .stride = stride, .h = h, .w = w, .top = top, .left = left, .rows = rows, .n = n};
    int64_t read = stride * (rows + (size + stride - 1) / stride - 1), wide = n - 1 + (size + stride - 1) / stride, held = (left + w + stride - 1) / stride;
    if (c.h > read - top) c.h = read - top > 0 ? read - top : 0;
    c.pitch = wide > held ? wide : held;
    c.plane = c.pitch * read;
    c.room = c.plane * stride + LANES; /* a vector may be read behind the last row */
    c.piece = h * w / (rows + size) + 1;
    return c;
}

bool lbi_depth_plan(lbi_depth *d, const lbi_conv *p) {
    d->p = *p;
    d->pad = lbi_pad_of(p);
    d->pad.direct = false; /* vectors read a little beyond the plane */
    d->taps = p->kh * p->kw;
    d->flat = (p->y - 1) * d->pad.pitch + p->x;
    d->wide = (d->flat + LANES - 1) / LANES * LANES + 4 * LANES;
    d->space = d->pad.channel + d->pad.slack + d->wide + d->taps * LANES;
    d->columns = (lbi_columns){0};
    if (lbi_depth_by_columns(p)) d->columns = columns_of(p->kh, p->sh, p->h, p->w, p->pt, p->pl, p->y, p->x);
    if (d->space < d->columns.room) d->space = d->columns.room;
    if (d->taps > LBI_DEPTH_TAPS || d->pad.channel > INT32_MAX) return false;
    for (int64_t u = 0; u < p->kh; u++)
        for (int64_t v = 0; v < p->kw; v++) d->at[u * p->kw + v] = (int32_t)lbi_pad_at(p, &d->pad, u, v);
    return true;
}

/* Along one axis the inputs at place a of the stride take kernel elements a', a' + stride, ... of gradients ever further to the left. As a
 * convolution of g with those turned round: `taps` of them from `first` on, the picture's numbers from `start` on, `count` of them, padding
 * `before` (negative: g begins later). */
typedef struct phase {
    int64_t first, taps, start, count, before;
} phase;

static phase phase_of(int64_t size, int64_t kernel, int64_t stride, int64_t pad, int64_t a) {
    phase f = {.first = (a + pad) % stride, .start = a};
    f.taps = f.first < kernel ? (kernel - f.first + stride - 1) / stride : 0;
    f.count = a < size ? (size - 1 - a) / stride + 1 : 0;
    f.before = f.taps - 1 - (a + pad - f.first) / stride;
    return f;
}

bool lbi_depth_plan_back(lbi_depth *d, const lbi_conv *p, bool fresh) {
    d->p = *p;
    d->taps = p->kh * p->kw;
    if (d->taps > LBI_DEPTH_TAPS || ((p->sh > 1 || p->sw > 1) && (p->dh > 1 || p->dw > 1))) return false;
    /* around g as much as the furthest kernel element asks for on each side; of a stride, less */
    int64_t above = (p->kh - 1) * p->dh - (p->sh == 1 ? p->pt : 0), left = (p->kw - 1) * p->dw - (p->sw == 1 ? p->pl : 0);
    int64_t below = (p->kh - 1) * p->dh + p->h / p->sh, right = (p->kw - 1) * p->dw + p->w / p->sw;
    if (above < 0 || left < 0 || p->pt > (p->kh - 1) * p->dh || p->pl > (p->kw - 1) * p->dw) return false;
    if (p->sh == 1) below = p->h - 1 + p->pt - (p->y - 1);
    if (p->sw == 1) right = p->w - 1 + p->pl - (p->x - 1);
    if (below < 0) below = 0;
    if (right < 0) right = 0;
    d->top = above;
    d->left = left;
    d->pad = (lbi_pad){.pitch = p->x + left + right, .rows = p->y + above + below, .slack = 5 * LANES};
    d->pad.channel = d->pad.pitch * d->pad.rows;
    d->wide = (p->w + 4 * LANES) * p->sw;
    d->space = d->pad.channel + d->pad.slack + d->wide;
    d->columns = (lbi_columns){0};
    if (fresh && p->sh == 1 && lbi_depth_by_columns(p)) d->columns = columns_of(p->kh, 1, p->y, p->x, above, left, p->h, p->w);
    if (d->space < d->columns.room) d->space = d->columns.room;
    return d->pad.channel <= INT32_MAX;
}

static void pad(const lbi_depth *d, const lb_real *in, lb_real *work) {
    lbi_pad_channel(&d->p, &d->pad, in, work);
    memset(work + d->pad.channel, 0, (size_t)d->pad.slack * sizeof *work);
}

void lbi_depth_begin(const lbi_depth *d, lb_real *work) {
    if (d->columns.size) memset(work, 0, (size_t)d->columns.room * sizeof *work);
}

static void by_columns(const lbi_depth *d, const lb_real *in, const lb_real *ahead, const lb_real *kernel, lb_real bias, lb_real *out, lb_real *work) {
    lbi_columns c = d->columns;
    c.x = work;
    c.y = out;
    c.bias = bias;
    c.kernel = kernel;
    c.ahead = ahead;
    make_columns(&c, in);
}

void lbi_depth_forward(const lbi_depth *d, const lb_real *in, const lb_real *ahead, const lb_real *kernel, lb_act act, lb_real bias, lb_real *out,
                       lb_real *work) {
    if (d->columns.size) by_columns(d, in, ahead, kernel, bias, out, work);
    else {
        pad(d, in, work);
        plane(work, d->pad.pitch, d->at, kernel, d->taps, bias, out, d->p.y, d->p.x, work + d->pad.channel + d->pad.slack);
    }
    lbi_act_plane(act, out, d->p.y * d->p.x, 0);
}

/* ---- the input's gradient ---- */

static void pad_gradient(const lbi_depth *d, const lb_real *g, lb_real *work) {
    memset(work, 0, (size_t)(d->pad.channel + d->pad.slack) * sizeof *work);
    for (int64_t i = 0; i < d->p.y; i++) lbi_copy_row(work + (d->top + i) * d->pad.pitch + d->left, g + i * d->p.x, d->p.x);
}

/* Rows of the stride's columns go together: to[j] (+)= row (j % stride) number (j / stride). */
LBI_LEVELS static void weave(const lb_real *restrict rows, int64_t ld, int64_t stride, int64_t n, lb_real *restrict to, bool fresh) {
    int64_t whole = n / stride;
    if (stride == 2 && fresh)
        for (int64_t j = 0; j < whole; j++) {
            to[2 * j] = rows[j];
            to[2 * j + 1] = rows[ld + j];
        }
    else
        for (int64_t j = 0; j < whole; j++)
            for (int64_t b = 0; b < stride; b++) to[j * stride + b] = (fresh ? 0 : to[j * stride + b]) + rows[b * ld + j];
    for (int64_t j = whole * stride; j < n; j++) to[j] = (fresh ? 0 : to[j]) + rows[j % stride * ld + whole];
}

LBI_LEVELS_FUSED static void row(const lb_real *x, const int32_t *at, const lb_real *w, int64_t count, lb_real *y, int64_t n) { row_of(x, at, w, count, 0, y, n); }

void lbi_depth_input(const lbi_depth *d, const lb_real *g, const lb_real *ahead, const lb_real *kernel, lb_real *gin, bool fresh, lb_real *work) {
    const lbi_conv *p = &d->p;
    lb_real *wide = work + d->pad.channel + d->pad.slack, some[LBI_DEPTH_TAPS];
    int32_t at[LBI_DEPTH_TAPS];
    int64_t ld = p->w + 4 * LANES;
    if (d->columns.size) {
        for (int64_t k = 0; k < d->taps; k++) some[k] = kernel[d->taps - 1 - k];
        by_columns(d, g, ahead, some, 0, gin, work);
        return;
    }
    pad_gradient(d, g, work);
    for (int64_t a = 0; a < p->sh; a++) {
        phase rows = phase_of(p->h, p->kh, p->sh, p->pt, a);
        for (int64_t i = 0; i < rows.count; i++) {
            for (int64_t b = 0; b < p->sw; b++) {
                phase cols = phase_of(p->w, p->kw, p->sw, p->pl, b);
                int64_t n = 0;
                for (int64_t u = 0; u < rows.taps; u++)
                    for (int64_t v = 0; v < cols.taps; v++, n++) {
                        some[n] = kernel[(rows.first + p->sh * (rows.taps - 1 - u)) * p->kw + cols.first + p->sw * (cols.taps - 1 - v)];
                        at[n] = (int32_t)((d->top - rows.before + u) * d->pad.pitch + d->left - cols.before + v);
                    }
                if (p->sh == 1 && p->sw == 1)
                    for (int64_t u = 0; u < p->kh; u++)
                        for (int64_t v = 0; v < p->kw; v++) at[u * p->kw + v] = (int32_t)(u * p->dh * d->pad.pitch + v * p->dw);
                row(work + i * d->pad.pitch, at, some, n, wide + b * ld, cols.count);
            }
            lb_real *to = gin + (rows.start + i * p->sh) * p->w;
            if (p->sw > 1) weave(wide, ld, p->sw, p->w, to, fresh);
            else if (fresh) lbi_copy_row(to, wide, p->w);
            else lbi_add_row(to, wide, p->w);
        }
    }
}

/* ---- the kernel's gradient ---- */

/* lanes[k] += x[n + at[k]] g[n], lane by lane; g is a whole number of vectors long, zeros at its end. */
INLINE void dots_of(const int few, const lb_real *x, const int32_t *at, const lb_real *g, int64_t n, vec *lanes) {
    vec s[GROUP];
#pragma GCC unroll 9
    for (int q = 0; q < few; q++) s[q] = lanes[q];
    for (int64_t i = 0; i < n; i += LANES) {
        const vec by = *(const vec *)(g + i);
#pragma GCC unroll 9
        for (int q = 0; q < few; q++) s[q] += *(const vec *)(x + i + at[q]) * by;
    }
#pragma GCC unroll 9
    for (int q = 0; q < few; q++) lanes[q] = s[q];
}

/* Kernel elements in groups of about the same size. */
LBI_LEVELS_FUSED static void dots(const lb_real *x, const int32_t *at, int64_t count, const lb_real *g, int64_t n, vec *lanes) {
    int64_t groups = (count + GROUP - 1) / GROUP;
    for (int64_t k = 0; groups > 0; groups--) {
        int64_t few = (count - k + groups - 1) / groups;
        switch (few) {
        case 9: dots_of(9, x, at + k, g, n, lanes + k); break;
        case 8: dots_of(8, x, at + k, g, n, lanes + k); break;
        case 7: dots_of(7, x, at + k, g, n, lanes + k); break;
        case 6: dots_of(6, x, at + k, g, n, lanes + k); break;
        case 5: dots_of(5, x, at + k, g, n, lanes + k); break;
        default:
            for (int64_t q = 0; q < few; q++) dots_of(1, x, at + k + q, g, n, lanes + k + q);
        }
        k += few;
    }
}

void lbi_depth_kernel(const lbi_depth *d, const lb_real *in, const lb_real *g, lb_real *lanes, lb_real *work) {
    lb_real *wide = work + d->pad.channel + d->pad.slack;
    int64_t n = (d->flat + LANES - 1) / LANES * LANES;
    pad(d, in, work);
    memset(wide, 0, (size_t)n * sizeof *wide);
    for (int64_t i = 0; i < d->p.y; i++) lbi_copy_row(wide + i * d->pad.pitch, g + i * d->p.x, d->p.x);
    dots(work, d->at, d->taps, wide, n, (vec *)lanes);
}

void lbi_depth_kernel_sums(const lbi_depth *d, lb_real *lanes, double *gkernel) {
    for (int64_t k = 0; k < d->taps; k++)
        for (int i = 0; i < LANES; i++) {
            gkernel[k] += (double)lanes[k * LANES + i];
            lanes[k * LANES + i] = 0;
        }
}
