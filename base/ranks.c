/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ranks.h"
#include <math.h>
#include <stdlib.h>

typedef struct pair {
    double x, y;
    int64_t at;
} pair;

static int by_x(const void *a, const void *b) {
    const pair *p = a, *q = b;
    if (p->x != q->x) return p->x < q->x ? -1 : 1;
    return p->y != q->y ? (p->y < q->y ? -1 : 1) : (p->at > q->at) - (p->at < q->at);
}

/* Pairs in order of x, then of y. NULL without memory. */
static pair *sorted(const double *x, const double *y, int64_t n) {
    pair *p = lb_alloc((size_t)n + 1, sizeof *p);
    for (int64_t i = 0; p && i < n; i++) p[i] = (pair){x[i], y ? y[i] : 0, i};
    if (p && n > 1) qsort(p, (size_t)n, sizeof *p, by_x);
    return p;
}

lb_status lb_average_ranks(double *ranks, const double *x, int64_t n) {
    pair *p = sorted(x, NULL, n);
    if (!p) return LB_E_NOMEM;
    for (int64_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && p[end].x == p[i].x;) end++;
        for (int64_t k = i; k < end; k++) ranks[p[k].at] = (double)(i + end + 1) / 2;
    }
    lb_free(p);
    return LB_OK;
}

double lb_pearson(const double *x, const double *y, int64_t n) {
    double mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
    for (int64_t i = 0; i < n; i++) {
        mx += x[i] / (double)n;
        my += y[i] / (double)n;
    }
    for (int64_t i = 0; i < n; i++) {
        xx += (x[i] - mx) * (x[i] - mx);
        yy += (y[i] - my) * (y[i] - my);
        xy += (x[i] - mx) * (y[i] - my);
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx) / sqrt(yy) : (double)NAN;
}

lb_status lb_spearman(double *out, const double *x, const double *y, int64_t n) {
    lb_status st = LB_OK;
    double *r = lb_alloc((size_t)(2 * n + 1), sizeof *r);
    if (!r) return LB_E_NOMEM;
    LB_TRY(lb_average_ranks(r, x, n));
    LB_TRY(lb_average_ranks(r + n, y, n));
    *out = lb_pearson(r, r + n, n);
done:
    lb_free(r);
    return st;
}

/* Swaps that sorting y takes: pairs in the wrong order. Leaves y sorted. */
static double swaps(double *y, double *work, int64_t n) {
    if (n < 2) return 0;
    int64_t half = n / 2, a = 0, b = half, to = 0;
    double sum = swaps(y, work, half) + swaps(y + half, work, n - half);
    while (a < half && b < n) {
        if (y[b] < y[a]) {
            sum += (double)(half - a);
            work[to++] = y[b++];
        } else {
            work[to++] = y[a++];
        }
    }
    while (a < half) work[to++] = y[a++];
    for (int64_t i = 0; i < to; i++) y[i] = work[i];
    return sum;
}

static double choose(double n) { return n * (n - 1) / 2; }

lb_status lb_kendall(double *out, const double *x, const double *y, int64_t n) {
    lb_status st = LB_OK;
    pair *p = sorted(x, y, n);
    double *sorted_y = lb_alloc((size_t)(2 * n + 1), sizeof *sorted_y), all = choose((double)n), same_x = 0, same_y = 0, same_both = 0;
    if (!p || !sorted_y) LB_TRY(LB_E_NOMEM);
    for (int64_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && p[end].x == p[i].x;) end++;
        same_x += choose((double)(end - i));
    }
    for (int64_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && p[end].x == p[i].x && p[end].y == p[i].y;) end++;
        same_both += choose((double)(end - i));
    }
    for (int64_t i = 0; i < n; i++) sorted_y[i] = p[i].y;
    double wrong = swaps(sorted_y, sorted_y + n, n);
    for (int64_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && sorted_y[end] == sorted_y[i];) end++;
        same_y += choose((double)(end - i));
    }
    double apart = (all - same_x) * (all - same_y);
    *out = apart > 0 ? (all - same_x - same_y + same_both - 2 * wrong) / sqrt(all - same_x) / sqrt(all - same_y) : (double)NAN;
done:
    lb_free(p);
    lb_free(sorted_y);
    return st;
}

lb_concordance lb_concordance_index(const double *time, const bool *event, const double *risk, int64_t n, double tolerance) {
    lb_concordance c = {0, 0, 0, 0, (double)NAN};
    for (int64_t a = 0; a < n; a++)
        for (int64_t b = 0; b < n; b++) {
            if (a == b || !event[a] || !(time[b] > time[a] || (time[b] == time[a] && !event[b]))) continue;
            double lead = risk[a] - risk[b];
            c.tied_time += time[b] == time[a];
            if (lead > tolerance) c.concordant++;
            else if (lead >= -tolerance) c.tied_risk++;
            else c.discordant++;
        }
    int64_t pairs = c.concordant + c.discordant + c.tied_risk;
    if (pairs > 0) c.index = ((double)c.concordant + (double)c.tied_risk / 2) / (double)pairs;
    return c;
}
