/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/kernels/scan.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/maths.h"

enum { LANES = LBI_SCAN_LANES };

/* Values of the lanes; the lanes beyond count hold 0, so that nothing comes of them. */
typedef struct lanes {
    lb_real u[LANES], d[LANES], slope[LANES]; /* d: the step; slope: its derivative by delta */
} lanes;

LBI_ALWAYS void load(lb_real *to, const lbi_scan_row *x, int count) {
    for (int i = 0; i < LANES; i++) to[i] = 0;
    for (int i = 0; i < count; i++) to[i] = x->data[i * x->step];
}

LBI_ALWAYS void prepare(lanes *v, const lbi_scan_step *x) {
    load(v->u, &x->u, x->count);
    load(v->d, &x->delta, x->count);
    for (int i = 0; x->bias.data && i < x->count; i++) v->d[i] += x->bias.data[i * x->bias.step];
    for (int i = 0; i < LANES; i++) v->slope[i] = 1;
    if (!x->softplus) return;
    for (int i = 0; i < LANES; i++) {
        lb_real e = lbi_exp(v->d[i] < 0 ? v->d[i] : -v->d[i]); /* exp(-|x|) never overflows */
        lb_real above = v->d[i] > 0 ? v->d[i] : 0, slope = (v->d[i] > 0 ? 1 : e) / (1 + e);
        v->d[i] = above + lbi_log1p_low(e);
        v->slope[i] = slope;
    }
}

LBI_LEVELS void lbi_scan_forward(const lbi_scan_step *x, const lb_real *a, lb_real *h, lb_real *y) {
    lanes v;
    lb_real r[LANES] = {0}, z[LANES];
    prepare(&v, x);
    for (int i = 0; x->skip.data && i < x->count; i++) r[i] = x->skip.data[i * x->skip.step] * v.u[i];
    for (int64_t s = 0; s < x->states; s++) {
        lb_real b = x->b.data[s * x->b.step], c = x->c.data[s * x->c.step];
        for (int i = 0; i < LANES; i++) {
            lb_real now = lbi_exp(v.d[i] * a[s * LANES + i]) * h[s * LANES + i] + v.d[i] * b * v.u[i];
            h[s * LANES + i] = now;
            r[i] += c * now;
        }
    }
    if (x->z.data) {
        load(z, &x->z, x->count);
        for (int i = 0; i < LANES; i++) r[i] *= z[i] / (1 + lbi_exp(-z[i]));
    }
    for (int i = 0; i < x->count; i++) y[i] = r[i];
}

LBI_LEVELS void lbi_scan_again(const lbi_scan_step *x, const lb_real *a, lb_real *h, lb_real *decay) {
    lanes v;
    lb_real *next = h + x->states * LANES;
    prepare(&v, x);
    for (int64_t s = 0; s < x->states; s++) {
        lb_real b = x->b.data[s * x->b.step];
        for (int i = 0; i < LANES; i++) {
            lb_real e = lbi_exp(v.d[i] * a[s * LANES + i]);
            decay[s * LANES + i] = e;
            next[s * LANES + i] = e * h[s * LANES + i] + v.d[i] * b * v.u[i];
        }
    }
}

/* e = dy silu(z), and the gradient of z. */
LBI_ALWAYS void gate(const lbi_scan_step *x, const lanes *v, const lb_real *next, const lbi_scan_grads *g, lb_real *e) {
    lb_real z[LANES], r[LANES] = {0};
    for (int i = 0; i < LANES; i++) e[i] = 0;
    for (int i = 0; g->y && i < x->count; i++) e[i] = g->y[i];
    if (!x->z.data || !g->y) return;
    for (int64_t s = 0; s < x->states; s++)
        for (int i = 0; i < LANES; i++) r[i] += x->c.data[s * x->c.step] * next[s * LANES + i];
    for (int i = 0; x->skip.data && i < x->count; i++) r[i] += x->skip.data[i * x->skip.step] * v->u[i];
    load(z, &x->z, x->count);
    for (int i = 0; i < x->count; i++) {
        lb_real q = 1 / (1 + lbi_exp(-z[i]));
        if (g->z) g->z[i] += e[i] * r[i] * q * (1 + z[i] * (1 - q));
        e[i] *= z[i] * q;
    }
}

LBI_LEVELS void lbi_scan_backward(const lbi_scan_step *x, const lb_real *a, const lb_real *h, const lb_real *decay, const lbi_scan_grads *g) {
    lanes v;
    lb_real e[LANES], du[LANES] = {0}, dd[LANES] = {0};
    const lb_real *next = h + x->states * LANES;
    prepare(&v, x);
    gate(x, &v, next, g, e);
    for (int64_t s = 0; s < x->states; s++) {
        lb_real b = x->b.data[s * x->b.step], c = x->c.data[s * x->c.step], db[LANES], dc[LANES], sum_b = 0, sum_c = 0;
        for (int i = 0; i < LANES; i++) {
            int64_t at = s * LANES + i;
            lb_real gh = g->state[at] + e[i] * c, before = h[at] * decay[at];
            dc[i] = e[i] * next[at];
            db[i] = gh * v.d[i] * v.u[i];
            du[i] += gh * v.d[i] * b;
            dd[i] += gh * (a[at] * before + b * v.u[i]);
            g->a[at] += gh * v.d[i] * before;
            g->state[at] = gh * decay[at];
        }
        for (int i = 0; i < LANES; i++) {
            sum_b += db[i];
            sum_c += dc[i];
        }
        g->b[s] += sum_b;
        g->c[s] += sum_c;
    }
    for (int i = 0; i < x->count; i++) {
        if (g->u) g->u[i] += du[i] + (x->skip.data ? e[i] * x->skip.data[i * x->skip.step] : 0);
        if (g->delta) g->delta[i] += dd[i] * v.slope[i];
        g->bias[i] += dd[i] * v.slope[i];
        g->skip[i] += e[i] * v.u[i];
    }
}
