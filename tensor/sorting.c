/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/sorting.h"
#include <string.h>
#include "tensor/loops.h"

enum { FEW = 64 }; /* up to so many are kept by insertion, more by sorting the whole row */

/* Must a come before b? Equal ones keep their order. */
static inline bool before(lb_real a, lb_real b, bool descending) {
    if (a != a || b != b) return descending ? a != a && b == b : a == a && b != b;
    return descending ? a > b : a < b;
}

/* Bottom-up merge sort of the indices 0..n-1. */
static void sort_row(const lb_real *x, int64_t n, bool descending, int64_t *result, int64_t *work) {
    int64_t *from = work, *to = result;
    enum { RUN = 8 };
    for (int64_t i = 0; i < n; i++) {
        int64_t first = i / RUN * RUN, at = i;
        while (at > first && before(x[i], x[from[at - 1]], descending)) {
            from[at] = from[at - 1];
            at--;
        }
        from[at] = i;
    }
    for (int64_t width = RUN; width < n; width *= 2) {
        for (int64_t a = 0; a < n; a += 2 * width) {
            int64_t middle = a + width < n ? a + width : n, last = a + 2 * width < n ? a + 2 * width : n;
            int64_t i = a, j = middle;
            for (int64_t k = a; k < last; k++) {
                bool right = i == middle || (j < last && before(x[from[j]], x[from[i]], descending));
                to[k] = right ? from[j++] : from[i++];
            }
        }
        int64_t *swap = from;
        from = to;
        to = swap;
    }
    if (from == work && n > 0) memcpy(result, work, (size_t)n * sizeof *work);
}

/* The first `keep` by insertion: most elements meet only the last one kept. */
static void insert_row(const lb_real *x, int64_t n, int64_t keep, bool descending, int64_t *to) {
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) {
        if (count == keep && !before(x[i], x[to[count - 1]], descending)) continue;
        int64_t at = count < keep ? count++ : keep - 1;
        while (at > 0 && before(x[i], x[to[at - 1]], descending)) {
            to[at] = to[at - 1];
            at--;
        }
        to[at] = i;
    }
}

typedef struct order {
    const lb_real *x;
    int64_t n, keep, *index, *work;
    bool descending;
} order;

static bool by_insertion(int64_t n, int64_t keep) {
    return keep <= FEW && keep < n;
}

static void order_part(const void *ctx, int64_t first, int64_t last) {
    const order *o = ctx;
    for (int64_t r = first; r < last; r++) {
        const lb_real *x = o->x + r * o->n;
        if (o->keep == 0) continue;
        if (by_insertion(o->n, o->keep)) {
            insert_row(x, o->n, o->keep, o->descending, o->index + r * o->keep);
            continue;
        }
        int64_t *sorted = o->work + 2 * r * o->n;
        sort_row(x, o->n, o->descending, sorted, sorted + o->n);
        memcpy(o->index + r * o->keep, sorted, (size_t)o->keep * sizeof *sorted);
    }
}

int64_t lbi_order_work(int64_t rows, int64_t n, int64_t keep) {
    return by_insertion(n, keep) ? 0 : 2 * rows * n;
}

void lbi_order_rows(const lb_real *x, int64_t rows, int64_t n, int64_t keep, bool descending, int64_t *index, int64_t *work) {
    order o = {x, n, keep, index, work, descending};
    lbi_split(rows, 8 * n, order_part, &o);
}

void lbi_take_rows(lb_real *y, const lb_real *x, const int64_t *index, int64_t rows, int64_t n, int64_t keep) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t k = 0; k < keep; k++) y[r * keep + k] = x[r * n + index[r * keep + k]];
}

void lbi_put_rows(lb_real *gx, const lb_real *gy, const int64_t *index, int64_t rows, int64_t n, int64_t keep) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t k = 0; k < keep; k++) gx[r * n + index[r * keep + k]] += gy[r * keep + k];
}
