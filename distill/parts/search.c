/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include "distill/method.h"
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

/* Sorted: the index of the best within the budget, -1 = none; the front's indices. */
static int64_t best_of(const candidate *c, int64_t n, double limit, int64_t *front, int64_t *nfront) {
    lb_real budget = (lb_real)limit; /* rounded as the costs are: one that is just it fits */
    double within = INFINITY, least = INFINITY;
    int64_t best = -1;
    for (int64_t i = *nfront = 0; i < n; i++) {
        if (c[i].cost <= (double)budget && c[i].loss < within) {
            within = c[i].loss;
            best = c[i].index;
        }
        if (c[i].loss >= least) continue;
        least = c[i].loss;
        front[(*nfront)++] = c[i].index;
    }
    return best;
}

lb_tensor *lb_part_budget(lb_tape *t, const lb_tensor *cost, const lb_tensor *loss, double budget, lb_tensor **front) {
    int64_t n = cost->shape[0], nfront = 0, best = -1;
    if (!lb_check(t, n > 0, "cost is empty") || !lb_check_finite(t, cost, "cost") || !lb_check_finite(t, loss, "validation_loss")) return lb_inert(t);
    candidate *c = lb_calloc((size_t)n, sizeof *c);
    int64_t *index = lb_calloc((size_t)n, sizeof *index);
    if (!c || !index) (void)lb_tape_fail_status(t, LB_E_NOMEM);
    if (c && index && !lb_part_shapes_only(t)) {
        for (int64_t i = 0; i < n; i++) c[i] = (candidate){lb_get_at(cost, i), lb_get_at(loss, i), i};
        qsort(c, (size_t)n, sizeof *c, by_cost);
        best = best_of(c, n, budget, index, &nfront);
        (void)lb_check(t, best >= 0, "no candidate costs %g or less", budget);
    }
    if (lb_tape_ok(t)) *front = lb_part_indices(t, 1, &nfront, index);
    lb_free(c);
    lb_free(index);
    return lb_part_indices(t, 0, NULL, &best);
}
