/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/contrast.h"
#include <math.h>
#include <string.h>
#include "tensor/classes.h"
#include "tensor/kernels/gemm.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/norm.h"
#include "tensor/loops.h"

bool lbi_contrast_shape(lb_call *c) {
    int64_t n = c->in[0]->shape[0], m = c->in[1]->shape[0], d = c->in[0]->shape[1];
    const int64_t shape[3][2] = {{n + m, d}, {n, m}, {n + m + 2, 0}};
    c->out[0]->dtype = LB_REAL;
    c->out[0]->rank = 0;
    for (int i = 0; i < 3; i++) {
        c->out[1 + i]->dtype = LB_REAL;
        c->out[1 + i]->rank = i < 2 ? 2 : 1;
        memcpy(c->out[1 + i]->shape, shape[i], sizeof shape[i]);
    }
    return true;
}

typedef struct rows { /* those of a, then those of b */
    const lb_real *a, *b;
    lb_real *unit, *length;
    int64_t n, d;
} rows;

static lb_real unit_factor(double square, int64_t k, double eps, lb_real *length) {
    double n = sqrt(square);
    *length = (lb_real)n;
    return (lb_real)(1 / (n > eps ? n : eps));
}

static void normalise(const void *ctx, int64_t first, int64_t last) {
    const rows *r = ctx;
    int64_t mid = r->n < first ? first : r->n > last ? last : r->n;
    lbi_rows a = {r->a + first * r->d, NULL, mid - first, r->d, NULL, r->length + first}, b = {r->b + (mid - r->n) * r->d, NULL, last - mid, r->d, NULL, r->length + mid};
    if (mid > first) lbi_rows_scale(&a, r->unit + first * r->d, unit_factor, 1e-12);
    if (last > mid) lbi_rows_scale(&b, r->unit + mid * r->d, unit_factor, 1e-12);
}

static double scale_of(const lb_call *c, double temperature) { return c->in[2] ? (double)lb_r(c->in[2])[0] : 1 / temperature; }

lbi_contrast lbi_contrast_scores(lb_call *c, double temperature) {
    int64_t n = c->in[0]->shape[0], m = c->in[1]->shape[0], d = c->in[0]->shape[1];
    lbi_contrast k = {n, m, d, scale_of(c, temperature), lb_tape_get_mode(c->tape) == LB_TAPE_GRAD, lb_r(c->out[1]), lb_r(c->out[2]), lb_r(c->out[3])};
    lb_real *scales = lb_scratch(c, (size_t)(n + 1) * sizeof *scales);
    lbi_split(n + m, 4 * d, normalise, &(rows){lb_r(c->in[0]), lb_r(c->in[1]), k.unit, k.stats, n, d});
    if (n * m == 0 || !scales) return k;
    for (int64_t i = 0; i < n; i++) scales[i] = (lb_real)k.scale;
    if (d > 0) lbi_gemm_to(false, true, n, m, d, k.unit, d, k.unit + n * d, d, &(lbi_gemm_end){.row_scale = scales}, k.score, m);
    else memset(k.score, 0, (size_t)(n * m) * sizeof(lb_real));
    return k;
}

void lbi_contrast_note(const lbi_contrast *k, double dot, double sum) {
    k->stats[k->n + k->m] = (lb_real)(k->scale != 0 ? dot / k->scale : 0);
    k->stats[k->n + k->m + 1] = (lb_real)sum;
}

typedef struct unit_back {
    const lb_real *g, *unit, *length; /* g: gradient of unit rows */
    lb_real *to, f;
    int64_t d;
    bool fresh;
} unit_back;

/* Gradient through x / max(||x||, 1e-12). */
LBI_LEVELS static void through_unit(const void *ctx, int64_t first, int64_t last) {
    const unit_back *u = ctx;
    for (int64_t i = first; i < last; i++) {
        const lb_real *restrict g = u->g + i * u->d, *restrict y = u->unit + i * u->d;
        lb_real *restrict to = u->to + i * u->d;
        bool small = (double)u->length[i] <= 1e-12;
        double dot = small ? 0 : lbi_dot_row(g, y, u->d);
        lb_real by = u->f / (small ? (lb_real)1e-12 : u->length[i]), along = (lb_real)dot;
        if (u->fresh)
            for (int64_t k = 0; k < u->d; k++) to[k] = by * (g[k] - along * y[k]);
        else
            for (int64_t k = 0; k < u->d; k++) to[k] += by * (g[k] - along * y[k]);
    }
}

void lbi_contrast_backward(lb_call *c, double temperature) {
    int64_t n = c->in[0]->shape[0], m = c->in[1]->shape[0], d = c->in[0]->shape[1];
    const lb_real *unit = lb_r(c->out[1]), *slope = lb_r(c->out[2]), *stats = lb_r(c->out[3]);
    if (!c->gout[0]) return;
    lb_real g = lb_r(c->gout[0])[0];
    if (c->nin > 2 && c->gin[2]) lb_r(c->gin[2])[0] = (c->fresh[2] ? 0 : lb_r(c->gin[2])[0]) + g * stats[n + m];
    for (int i = 0; i < 2; i++) {
        int64_t count = i == 0 ? n : m;
        if (!c->gin[i] || count * d == 0) continue;
        lb_real *work = lb_scratch(c, (size_t)(count * d) * sizeof *work);
        if (!work) return;
        if (n * m == 0) memset(work, 0, (size_t)(count * d) * sizeof *work);
        else if (i == 0) lbi_gemm(false, false, n, d, m, slope, m, unit + n * d, d, 0, work, d);
        else lbi_gemm(true, false, m, d, n, slope, m, unit, d, 0, work, d);
        unit_back u = {work, unit + (i ? n * d : 0), stats + (i ? n : 0), lb_r(c->gin[i]), g * (lb_real)scale_of(c, temperature), d, c->fresh[i]};
        lbi_split(count, 4 * d, through_unit, &u);
    }
}
