/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/kernels/conv_turn.h"
#ifndef LB_DOUBLE

lbi_turned lbi_turned_of(int64_t size, int64_t kernel, int64_t stride, int64_t pad, int64_t a) {
    lbi_turned r = {.first = pad - a > 0 ? (pad - a + stride - 1) / stride : 0, .taps = a < kernel ? (kernel - a + stride - 1) / stride : 0};
    int64_t last = size - 1 + pad - a;
    r.count = last < 0 ? 0 : last / stride + 1 - r.first;
    r.before = r.taps - 1 - r.first;
    return r;
}

lbi_conv lbi_turned_conv(const lbi_conv *p, const lbi_turned *rows, const lbi_turned *cols) {
    bool whole = p->sh == 1 && p->sw == 1;
    return (lbi_conv){.c = p->o, .h = p->y, .w = p->x, .o = p->c, .y = rows->count, .x = cols->count, .kh = rows->taps, .kw = cols->taps, .sh = 1, .sw = 1, .dh = p->dh, .dw = p->dw,
                      .pt = whole ? (p->kh - 1) * p->dh - p->pt : rows->before, .pl = whole ? (p->kw - 1) * p->dw - p->pl : cols->before, .groups = p->groups};
}

/* Some channels of c at a time, whose kernels lie side by side in w. */
void lbi_turn_kernels(const lbi_conv *p, const float *w, int64_t a, int64_t b, int64_t th, int64_t tw, float *to) {
    enum { SOME = 8 };
    int64_t cg = p->c / p->groups, og = p->o / p->groups, runs = (cg + SOME - 1) / SOME;
#pragma omp parallel for if (p->c * og * th * tw > 65536)
    for (int64_t i = 0; i < p->groups * runs; i++) {
        int64_t group = i / runs, first = i % runs * SOME, end = first + SOME < cg ? first + SOME : cg;
        for (int64_t o = 0; o < og; o++)
            for (int64_t c = first; c < end; c++) {
                const float *from = w + ((group * og + o) * cg + c) * p->kh * p->kw;
                float *k = to + ((group * cg + c) * og + o) * th * tw;
                for (int64_t u = 0; u < th; u++)
                    for (int64_t v = 0; v < tw; v++) k[u * tw + v] = from[(a + p->sh * (th - 1 - u)) * p->kw + b + p->sw * (tw - 1 - v)];
            }
    }
}

bool lbi_turns(const lbi_conv *p) {
    if (p->sh == 1 && p->sw == 1) return p->pt <= (p->kh - 1) * p->dh && p->pl <= (p->kw - 1) * p->dw;
    for (int64_t a = 0; a < p->sh; a++)
        for (int64_t b = 0; b < p->sw; b++) {
            lbi_turned rows = lbi_turned_of(p->h, p->kh, p->sh, p->pt, a), cols = lbi_turned_of(p->w, p->kw, p->sw, p->pl, b);
            if (rows.taps > 0 && cols.taps > 0 && (rows.before < 0 || cols.before < 0)) return false;
        }
    return p->dh == 1 && p->dw == 1;
}
#endif
