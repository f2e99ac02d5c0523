/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/kernels/conv_pad.h"
#include "tensor/kernels/levels.h"

lbi_pad lbi_pad_of(const lbi_conv *p) {
    int64_t reach_h = (p->kh - 1) * p->dh, reach_w = (p->kw - 1) * p->dw, right = p->x - 1 + reach_w - p->pl - (p->w - 1);
    bool pads = p->pt || p->pl || (p->y - 1) * p->sh + reach_h > p->h - 1 || (p->x - 1) * p->sw + reach_w > p->w - 1;
    lbi_pad d = {.direct = p->sh == 1 && p->sw == 1 && !pads, .pitch = p->w, .rows = p->h};
    if (!d.direct) {
        d.pitch = p->sw > 1 ? p->x + reach_w / p->sw : p->w + (right > p->pl ? right : p->pl);
        d.rows = p->y + reach_h / p->sh;
    }
    d.tail = d.direct ? 0 : p->pl;
    d.plane = d.pitch * d.rows + d.tail;
    d.channel = d.direct ? d.plane : d.plane * p->sh * p->sw;
    d.slack = d.pitch + 64;
    return d;
}

int64_t lbi_pad_at(const lbi_conv *p, const lbi_pad *d, int64_t u, int64_t v) {
    int64_t i = u * p->dh, j = v * p->dw, plane = i % p->sh * p->sw + j % p->sw;
    return plane * d->plane + i / p->sh * d->pitch + j / p->sw;
}

/* Which of the stride's planes does any kernel element read? */
static inline bool reads(int64_t kernel, int64_t dilation, int64_t stride, int64_t plane) {
    for (int64_t u = 0; u < kernel; u++)
        if (u * dilation % stride == plane) return true;
    return false;
}

static inline void zero_row(lb_real *to, int64_t n) {
    for (int64_t q = 0; q < n; q++) to[q] = 0;
}

LBI_LEVELS void lbi_pad_channel(const lbi_conv *p, const lbi_pad *d, const lb_real *channel, lb_real *to) {
    for (int64_t a = 0; a < p->sh; a++)
        for (int64_t b = 0; b < p->sw; b++, to += d->plane) {
            if (!reads(p->kh, p->dh, p->sh, a) || !reads(p->kw, p->dw, p->sw, b)) continue;
            /* to[q] = from[q * stride + shift] where that lies in 0..w-1 */
            int64_t shift = b - p->pl, first = shift >= 0 ? 0 : (-shift + p->sw - 1) / p->sw, last = p->w - 1 - shift < 0 ? 0 : (p->w - 1 - shift) / p->sw + 1;
            if (last > d->pitch) last = d->pitch;
            if (first > last) first = last;
            for (int64_t i = 0; i < d->rows; i++) {
                int64_t row = i * p->sh + a - p->pt;
                lb_real *restrict line = to + i * d->pitch;
                if (row < 0 || row >= p->h) {
                    zero_row(line, d->pitch);
                    continue;
                }
                const lb_real *restrict from = channel + row * p->w + shift;
                zero_row(line, first);
                if (p->sw == 1) lbi_copy_row(line + first, from + first, last - first);
                else if (p->sw == 2)
                    for (int64_t q = first; q < last; q++) line[q] = from[2 * q];
                else
                    for (int64_t q = first; q < last; q++) line[q] = from[q * p->sw];
                zero_row(line + last, d->pitch - last);
            }
            zero_row(to + d->rows * d->pitch, d->tail);
        }
}
