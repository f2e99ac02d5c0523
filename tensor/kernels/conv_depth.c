/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise convolution of a plane: y[n] = sum over (u,v) of w[u,v] x[n + at(u,v)] on a padded plane (conv_pad.h), four vectors at a time, all
 * sums in registers. A kernel element costs four multiply-adds (2 cycles) and five loads (2.5 cycles), so loads limit it: 0.3 cycles a number
 * for 3x3, 0.9 for 5x5 with AVX-512. The planes of a 7x7 map fit in L1, where all of it happens; memory is read and written once. */
#include "tensor/kernels/act.h"
#include "tensor/kernels/conv_pad.h"
#include "tensor/kernels/levels.h"

enum { LANES = 64 / (int)sizeof(lb_real), TAPS = 512 };
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

int64_t lbi_depth_space(const lbi_conv *p) {
    lbi_pad d = lbi_pad_of(p);
    return p->kh * p->kw > TAPS || d.channel > INT32_MAX ? -1 : d.channel + d.slack + p->y * d.pitch + 4 * LANES;
}

void lbi_depth_plane(const lbi_conv *p, const lb_real *in, const lb_real *kernel, lb_act act, lb_real bias, lb_real *out, lb_real *work) {
    lbi_pad d = lbi_pad_of(p);
    int32_t at[TAPS];
    int64_t flat = (p->y - 1) * d.pitch + p->x, count = p->kh * p->kw;
    lb_real *wide = work + d.channel + d.slack;
    for (int64_t u = 0; u < p->kh; u++)
        for (int64_t v = 0; v < p->kw; v++) at[u * p->kw + v] = (int32_t)lbi_pad_at(p, &d, u, v);
    d.direct = false; /* vectors read a little beyond the plane */
    lbi_pad_channel(p, &d, in, work);
    memset(work + d.channel, 0, (size_t)d.slack * sizeof *work);
    taps(work, at, kernel, count, wide, flat);
    lbi_act_plane(act, wide, flat, bias);
    for (int64_t i = 0; i < p->y; i++) lbi_copy_row(out + i * p->x, wide + i * d.pitch, p->x);
}
