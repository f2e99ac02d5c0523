/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/lbfgs.h"
#include <cblas.h>
#include <math.h>
#include <string.h>

enum { PAIRS = 10, HALVINGS = 50 };

typedef struct memory {
    double *s, *y; /* [PAIRS][n], a ring */
    double rho[PAIRS];
    int count, next;
} memory;

static double dot(int64_t n, const double *a, const double *b) { return cblas_ddot((int)n, a, 1, b, 1); }

/* d = -H g by the two loops. */
static void direction(double *d, const memory *m, const double *g, int64_t n) {
    double alpha[PAIRS];
    for (int64_t i = 0; i < n; i++) d[i] = -g[i];
    for (int k = 0; k < m->count; k++) {
        int at = (m->next - 1 - k + 2 * PAIRS) % PAIRS;
        alpha[at] = m->rho[at] * dot(n, m->s + at * n, d);
        cblas_daxpy((int)n, -alpha[at], m->y + at * n, 1, d, 1);
    }
    if (m->count > 0) {
        int last = (m->next - 1 + PAIRS) % PAIRS;
        cblas_dscal((int)n, 1 / (m->rho[last] * dot(n, m->y + last * n, m->y + last * n)), d, 1);
    }
    for (int k = m->count; k-- > 0;) {
        int at = (m->next - 1 - k + 2 * PAIRS) % PAIRS;
        cblas_daxpy((int)n, alpha[at] - m->rho[at] * dot(n, m->y + at * n, d), m->s + at * n, 1, d, 1);
    }
}

static double largest(const double *g, int64_t n) {
    double most = 0;
    for (int64_t i = 0; i < n; i++) most = fmax(most, fabs(g[i]));
    return most;
}

static void remember(memory *m, int64_t n, const double *x, const double *before, const double *g, const double *g_before) {
    double *s = m->s + m->next * n, *y = m->y + m->next * n;
    for (int64_t i = 0; i < n; i++) {
        s[i] = x[i] - before[i];
        y[i] = g[i] - g_before[i];
    }
    double curved = dot(n, s, y);
    if (!(curved > 1e-14 * dot(n, y, y))) return;
    m->rho[m->next] = 1 / curved;
    m->next = (m->next + 1) % PAIRS;
    if (m->count < PAIRS) m->count++;
}

lb_status lb_lbfgs(double *x, int64_t n, lb_smooth_fn *fn, void *ctx, double tolerance, int64_t steps, bool *done, int64_t *taken) {
    double *room = lb_alloc((size_t)n * (2 * PAIRS + 4), sizeof *room);
    if (!room) return LB_E_NOMEM;
    double *g = room, *d = g + n, *before = d + n, *g_before = before + n;
    memory m = {.s = g_before + n, .y = g_before + n + PAIRS * n};
    double f = fn(ctx, x, g);
    lb_status st = isfinite(f) ? LB_OK : lb_fail(LB_E_NUMERIC, "L-BFGS: the function is %g at its start", f);
    *taken = 0;
    while (st == LB_OK && largest(g, n) > tolerance && *taken < steps) {
        direction(d, &m, g, n);
        double slope = dot(n, g, d), step = m.count > 0 ? 1 : fmin(1, 1 / sqrt(dot(n, g, g))), next = INFINITY;
        if (!(slope < 0)) break;
        memcpy(before, x, (size_t)n * sizeof *x);
        memcpy(g_before, g, (size_t)n * sizeof *g);
        bool lower = false;
        for (int k = 0; k < HALVINGS && !lower; k++, step *= 0.5) {
            for (int64_t i = 0; i < n; i++) x[i] = before[i] + step * d[i];
            next = fn(ctx, x, g);
            lower = next <= f + 1e-4 * step * slope;
        }
        if (!lower) { /* as low as the arithmetic goes */
            memcpy(x, before, (size_t)n * sizeof *x);
            memcpy(g, g_before, (size_t)n * sizeof *g);
            break;
        }
        f = next;
        remember(&m, n, x, before, g, g_before);
        ++*taken;
    }
    *done = st == LB_OK && largest(g, n) <= tolerance;
    lb_free(room);
    return st;
}
