/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include "distill/parts/parts.h"

int lb_part_numbers(const char *text, double *out, int most) {
    int n = 0;
    for (char *end; *text && n < most; text = *end ? end + 1 : end) {
        out[n++] = strtod(text, &end);
        if (end == text) return -1;
    }
    return n;
}

typedef struct candidate {
    double cost, loss;
    int64_t index;
} candidate;

static int by_cost(const void *a, const void *b) {
    const candidate *x = a, *y = b;
    if (x->cost != y->cost) return x->cost < y->cost ? -1 : 1;
    if (x->loss != y->loss) return x->loss < y->loss ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

lb_status lb_part_budget(const double *cost, const double *loss, int64_t n, double budget, int64_t *best, int64_t *front, int64_t *nfront) {
    candidate *c = lb_calloc((size_t)n + 1, sizeof *c);
    double within = INFINITY, least = INFINITY;
    if (!c) return LB_E_NOMEM;
    for (int64_t i = 0; i < n; i++) c[i] = (candidate){cost[i], loss[i], i};
    qsort(c, (size_t)n, sizeof *c, by_cost);
    *best = -1;
    *nfront = 0;
    for (int64_t i = 0; i < n; i++) {
        if (c[i].cost <= budget && c[i].loss < within) {
            within = c[i].loss;
            *best = c[i].index;
        }
        if (c[i].loss >= least) continue;
        least = c[i].loss;
        front[(*nfront)++] = c[i].index;
    }
    lb_free(c);
    return LB_OK;
}
