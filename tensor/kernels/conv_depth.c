/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise convolution of a plane: y[n] = sum over (u,v) of w[u,v] x[n + at(u,v)] on a padded plane (conv_pad.h), four vectors at a time, all
 * sums in registers. A kernel element costs four multiply-adds (2 cycles) and five loads (2.5 cycles), so loads limit it: 0.3 cycles a number
 * for 3x3, 0.9 for 5x5 with AVX-512. The planes of a 7x7 map fit in L1, where all of it happens; memory is read and written once.
 * The input's gradient is the same with the kernel turned round, over gradients that stand `stride` apart; the kernel's gradient is one dot
 * product of the flat gradient with the padded plane for each kernel element, eight elements at a time. */
#include "tensor/kernels/act.h"
#include "tensor/kernels/conv_depth.h"
#include "tensor/kernels/levels.h"

enum { LANES = LBI_DEPTH_LANES, GROUP = 8 };
/* On no boundary: rows start anywhere. Compilers make it one register or several. */
typedef lb_real vec __attribute__((vector_size(64), aligned(sizeof(lb_real)), may_alias));

LBI_LEVELS static void taps(const lb_real *x, const int32_t *at, const lb_real *w, int64_t count, lb_real *y, int64_t n) {
    int64_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES) {
        vec a = {0}, b = {0}, c = {0}, d = {0};
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
    for (; i < n; i += LANES) { /* y has room for a whole vector, x is followed by slack */
        vec a = {0};
        for (int64_t k = 0; k < count; k++) a += *(const vec *)(x + i + at[k]) * w[k];
        *(vec *)(y + i) = a;
    }
}

/* lanes[k] += x[n + at[k]] g[n], lane by lane; g is a whole number of vectors long, zeros at its end. */
LBI_LEVELS static void dots(const lb_real *x, const int32_t *at, int64_t count, const lb_real *g, int64_t n, vec *lanes) {
    for (int64_t k = 0; k < count; k += GROUP) {
        vec s[GROUP] = {{0}};
        int64_t few = count - k < GROUP ? count - k : GROUP;
        if (few == GROUP)
            for (int64_t i = 0; i < n; i += LANES) {
                const vec by = *(const vec *)(g + i);
#pragma GCC unroll 8
                for (int q = 0; q < GROUP; q++) s[q] += *(const vec *)(x + i + at[k + q]) * by;
            }
        else
            for (int64_t q = 0; q < few; q++)
                for (int64_t i = 0; i < n; i += LANES) s[q] += *(const vec *)(x + i + at[k + q]) * *(const vec *)(g + i);
        for (int64_t q = 0; q < few; q++) lanes[k + q] += s[q];
    }
}

bool lbi_depth_plan(lbi_depth *d, const lbi_conv *p) {
    d->p = *p;
    d->pad = lbi_pad_of(p);
    d->pad.direct = false; /* vectors read a little beyond the plane */
    d->taps = p->kh * p->kw;
    d->flat = (p->y - 1) * d->pad.pitch + p->x;
    d->wide = (d->flat + LANES - 1) / LANES * LANES + 4 * LANES;
    d->space = d->pad.channel + d->pad.slack + d->wide + d->taps * LANES;
    if (d->taps > LBI_DEPTH_TAPS || d->pad.channel > INT32_MAX) return false;
    for (int64_t u = 0; u < p->kh; u++)
        for (int64_t v = 0; v < p->kw; v++) d->at[u * p->kw + v] = (int32_t)lbi_pad_at(p, &d->pad, u, v);
    return true;
}

/* The convolution whose result is the input's gradient: over gradients set `stride` apart, with stride 1. */
static lbi_conv turned(const lbi_conv *p) {
    lbi_conv t = {.c = 1, .o = 1, .h = (p->y - 1) * p->sh + 1, .w = (p->x - 1) * p->sw + 1, .y = p->h, .x = p->w, .kh = p->kh, .kw = p->kw, .sh = 1, .sw = 1, .dh = p->dh, .dw = p->dw,
                  .pt = (p->kh - 1) * p->dh - p->pt, .pl = (p->kw - 1) * p->dw - p->pl, .groups = 1};
    return t;
}

bool lbi_depth_plan_back(lbi_depth *d, const lbi_conv *p) {
    lbi_conv t = turned(p);
    d->stride_h = p->sh;
    d->stride_w = p->sw;
    d->from_h = p->y;
    d->from_w = p->x;
    return t.pt >= 0 && t.pl >= 0 && lbi_depth_plan(d, &t);
}

static void pad(const lbi_depth *d, const lb_real *in, lb_real *work) {
    lbi_pad_channel(&d->p, &d->pad, in, work);
    memset(work + d->pad.channel, 0, (size_t)d->pad.slack * sizeof *work);
}

void lbi_depth_forward(const lbi_depth *d, const lb_real *in, const lb_real *kernel, lb_act act, lb_real bias, lb_real *out, lb_real *work) {
    lb_real *wide = work + d->pad.channel + d->pad.slack;
    pad(d, in, work);
    taps(work, d->at, kernel, d->taps, wide, d->flat);
    lbi_act_plane(act, wide, d->flat, bias);
    for (int64_t i = 0; i < d->p.y; i++) lbi_copy_row(out + i * d->p.x, wide + i * d->pad.pitch, d->p.x);
}

void lbi_depth_input(const lbi_depth *d, const lb_real *g, const lb_real *kernel, lb_real *gin, bool fresh, lb_real *work) {
    lb_real *wide = work + d->pad.channel + d->pad.slack, around[LBI_DEPTH_TAPS];
    for (int64_t k = 0; k < d->taps; k++) around[k] = kernel[d->taps - 1 - k];
    if (d->stride_h == 1 && d->stride_w == 1) pad(d, g, work);
    else {
        memset(work, 0, (size_t)(d->pad.channel + d->pad.slack) * sizeof *work);
        lb_real *to = work + d->p.pt * d->pad.pitch + d->p.pl;
        for (int64_t i = 0; i < d->from_h; i++)
            for (int64_t j = 0; j < d->from_w; j++) to[i * d->stride_h * d->pad.pitch + j * d->stride_w] = g[i * d->from_w + j];
    }
    taps(work, d->at, around, d->taps, wide, d->flat);
    for (int64_t i = 0; i < d->p.y; i++) {
        if (fresh) lbi_copy_row(gin + i * d->p.x, wide + i * d->pad.pitch, d->p.x);
        else lbi_add_row(gin + i * d->p.x, wide + i * d->pad.pitch, d->p.x);
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
