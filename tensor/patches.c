/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/patches.h"
#include <string.h>

static int64_t one(int64_t x) { return x ? x : 1; }

lbi_conv lbi_patches_of(const lb_window *w, int64_t channels, int64_t height, int64_t width) {
    lbi_conv p = {.c = channels,
                  .h = height,
                  .w = width,
                  .kh = w->size[0],
                  .kw = w->size[1],
                  .sh = w->stride[0] ? w->stride[0] : w->size[0],
                  .sw = w->stride[1] ? w->stride[1] : w->size[1],
                  .dh = one(w->dilation[0]),
                  .dw = one(w->dilation[1]),
                  .pt = w->before[0],
                  .pl = w->before[1],
                  .groups = 1};
    p.y = lbi_conv_size(height, p.kh, p.sh, w->before[0], w->after[0], p.dh);
    p.x = lbi_conv_size(width, p.kw, p.sw, w->before[1], w->after[1], p.dw);
    return p;
}

bool lbi_patches_small(lb_call *c, const lb_window *w, int64_t height, int64_t width) {
    const int64_t most = 1 << 24, *sizes[] = {w->size, w->stride, w->dilation, w->before, w->after};
    int64_t worst = height > width ? height : width;
    for (size_t i = 0; i < LB_COUNT(sizes); i++)
        for (int a = 0; a < 2; a++) worst = sizes[i][a] > worst ? sizes[i][a] : sizes[i][a] < -most ? most : worst;
    if (worst < most) return true;
    lb_tape_fail(c->tape, LB_E_SHAPE, "sizes of windows and pictures are to be below %lld, one is %lld", (long long)most, (long long)worst);
    return false;
}

bool lbi_patches_fit(lb_call *c, const lbi_conv *p) {
    if (p->kh > 0 && p->kw > 0 && p->sh > 0 && p->sw > 0 && p->dh > 0 && p->dw > 0 && p->y > 0 && p->x > 0) return true;
    lb_tape_fail(c->tape, LB_E_SHAPE, "windows of %lld x %lld do not fit into a picture of %lld x %lld with this padding", (long long)p->kh, (long long)p->kw, (long long)p->h, (long long)p->w);
    return false;
}

void lbi_to_columns(const lbi_conv *p, int64_t pictures, const lb_real *x, lb_real *y) {
    int64_t column = p->kh * p->kw * p->y * p->x;
#pragma omp parallel for if (pictures * p->c * column > LBI_GRAIN)
    for (int64_t i = 0; i < pictures * p->c; i++) lbi_im2col(p, x + i * p->h * p->w, 0, 1, y + i * column);
}

void lbi_from_columns(const lbi_conv *p, int64_t pictures, const lb_real *x, lb_real *y, bool fresh) {
    int64_t column = p->kh * p->kw * p->y * p->x, plane = p->h * p->w;
#pragma omp parallel for if (pictures * p->c * column > LBI_GRAIN)
    for (int64_t i = 0; i < pictures * p->c; i++) {
        if (fresh) memset(y + i * plane, 0, (size_t)plane * sizeof *y);
        lbi_col2im(p, x + i * column, 0, 1, y + i * plane);
    }
}
