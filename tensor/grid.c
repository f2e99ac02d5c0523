/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/grid.h"
#include <math.h>
#include "tensor/kernels/levels.h"
#include "tensor/kernels/maths.h"

/* The rule for what lies outside, of each u; slope: of each, multiplied, or NULL. */
LBI_ALWAYS void border_row(const lbi_grid_options *o, int64_t size, int64_t count, double *restrict u, double *restrict slope) {
    double last = (double)(size - 1), least = o->align_corners ? 0 : -0.5, span = o->align_corners ? last : (double)size;
    if (o->border == LB_BORDER_ZEROS) return;
    for (int64_t p = 0; o->border == LB_BORDER_REFLECT && p < count; p++) {
        double v = u[p] - least, sign = v < 0 ? -1 : 1;
        v = fabs(v);
        double turns = floor(v / span), rest = v - turns * span, odd = turns - 2 * floor(turns / 2);
        v = odd != 0 ? span - rest + least : rest + least;
        u[p] = span > 0 ? v : 0;
        if (slope) slope[p] *= span > 0 ? (odd != 0 ? -sign : sign) : 0;
    }
    for (int64_t p = 0; p < count; p++) {
        double v = u[p];
        if (slope) slope[p] = v > 0 && v < last ? slope[p] : 0;
        v = v > 0 ? v : 0;
        u[p] = v < last ? v : last;
    }
}

/* Whole numbers as places: -1 outside, where NaN is too. */
LBI_ALWAYS void places_row(int32_t *restrict at, const double *restrict k, int64_t size, int64_t count) {
    double end = (double)size;
    for (int64_t p = 0; p < count; p++) {
        double v = k[p] > -1 ? k[p] : -1;
        v = v < end ? v : -1;
        at[p] = (int32_t)v;
    }
}

LBI_ALWAYS void cubic_row(const lbi_grid_options *o, const double *restrict u, double du, int64_t size, int64_t count, lbi_grid_along *restrict l) {
    static const double a = -0.75;
    double next[LBI_GRID_PLACES];
    for (int k = 0; k < 4; k++) {
        for (int64_t p = 0; p < count; p++) {
            double base = floor(u[p]), far = u[p] - base + 1 - k, d = fabs(far), sign = far < 0 ? -1 : 1;
            next[p] = base - 1 + k;
            l->w[k][p] = (lb_real)(d < 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : (((d - 5) * d + 8) * d - 4) * a);
            l->slope[k][p] = (lb_real)(sign * du * (d < 1 ? (3 * (a + 2) * d - 2 * (a + 3)) * d : ((3 * d - 10) * d + 8) * a));
        }
        border_row(o, size, count, next, NULL);
        for (int64_t p = 0; p < count; p++) next[p] = rint(next[p]);
        places_row(l->at[k], next, size, count);
    }
}

LBI_ALWAYS void linear_row(const double *restrict u, const double *restrict slope, int64_t size, int64_t count, lbi_grid_along *restrict l) {
    double base[LBI_GRID_PLACES];
    for (int64_t p = 0; p < count; p++) {
        base[p] = floor(u[p]);
        l->w[0][p] = (lb_real)(base[p] + 1 - u[p]);
        l->w[1][p] = (lb_real)(u[p] - base[p]);
        l->slope[0][p] = (lb_real)-slope[p];
        l->slope[1][p] = (lb_real)slope[p];
    }
    places_row(l->at[0], base, size, count);
    for (int64_t p = 0; p < count; p++) base[p] += 1;
    places_row(l->at[1], base, size, count);
}

/* grid[0] of each place, `step` apart. @return how many elements each reads along the axis */
LBI_LEVELS static int along_axis(const lbi_grid_options *o, const lb_real *restrict grid, int64_t step, int64_t size, int64_t count, lbi_grid_along *l) {
    double u[LBI_GRID_PLACES], slope[LBI_GRID_PLACES], last = (double)(size - 1), du = o->align_corners ? last / 2 : (double)size / 2;
    bool align = o->align_corners;
    for (int64_t p = 0; p < count; p++) {
        double g = (double)grid[p * step];
        u[p] = align ? (g + 1) / 2 * last : ((g + 1) * (double)size - 1) / 2;
        slope[p] = du;
    }
    if (o->mode == LB_SAMPLE_CUBIC) {
        cubic_row(o, u, du, size, count, l);
        return 4;
    }
    border_row(o, size, count, u, slope);
    if (o->mode == LB_SAMPLE_LINEAR) {
        linear_row(u, slope, size, count, l);
        return 2;
    }
    for (int64_t p = 0; p < count; p++) {
        u[p] = rint(u[p]);
        l->w[0][p] = 1;
        l->slope[0][p] = 0;
    }
    places_row(l->at[0], u, size, count);
    return 1;
}

/* Tap t of the block: the product of tap k[a] along each axis a. */
LBI_LEVELS static void join_taps(const lbi_grid *s, lbi_grid_block *b, int t, const int *k, int64_t count) {
    const lbi_grid_along *l = b->axis;
    const int32_t *restrict i = l[0].at[k[0]], *restrict j = l[1].at[k[1]], width = (int32_t)s->size[0], height = (int32_t)s->size[1];
    const lb_real *restrict wx = l[0].w[k[0]], *restrict wy = l[1].w[k[1]];
    for (int64_t p = 0; p < count; p++) {
        b->at[t][p] = i[p] < 0 || j[p] < 0 ? -1 : j[p] * width + i[p];
        b->w[t][p] = wx[p] * wy[p];
    }
    if (s->slopes)
        for (int64_t p = 0; p < count; p++) {
            b->slope[0][t][p] = l[0].slope[k[0]][p] * wy[p];
            b->slope[1][t][p] = wx[p] * l[1].slope[k[1]][p];
        }
    if (s->axes == 2) return;
    const int32_t *restrict z = l[2].at[k[2]];
    const lb_real *restrict wz = l[2].w[k[2]];
    for (int64_t p = 0; p < count; p++) b->at[t][p] = b->at[t][p] < 0 || z[p] < 0 ? -1 : z[p] * height * width + b->at[t][p];
    for (int64_t p = 0; s->slopes && p < count; p++) {
        b->slope[0][t][p] *= wz[p];
        b->slope[1][t][p] *= wz[p];
        b->slope[2][t][p] = b->w[t][p] * l[2].slope[k[2]][p];
    }
    for (int64_t p = 0; p < count; p++) b->w[t][p] *= wz[p];
}

void lbi_grid_fill(const lbi_grid *s, lbi_grid_block *b, int64_t n, int64_t first, int64_t count) {
    int taps[3] = {1, 1, 1}, k[3];
    const lb_real *grid = s->grid + (n * s->out + first) * s->axes;
    for (int a = 0; a < s->axes; a++) taps[a] = along_axis(&s->o, grid + a, s->axes, s->size[a], count, &b->axis[a]);
    b->taps = taps[0] * taps[1] * taps[2];
    for (int t = 0; t < b->taps; t++) {
        k[0] = t % taps[0];
        k[1] = t / taps[0] % taps[1];
        k[2] = t / (taps[0] * taps[1]);
        join_taps(s, b, t, k, count);
    }
}
