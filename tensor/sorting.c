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

#ifdef LB_DOUBLE
typedef uint64_t bits_of_real;
#else
typedef uint32_t bits_of_real;
#endif
enum { KEY_BYTES = (int)sizeof(bits_of_real) };

uint64_t lbi_sort_key(lb_real x) {
    const bits_of_real sign = (bits_of_real)1 << (8 * KEY_BYTES - 1);
    lb_real v = x + 0; /* -0 is 0 */
    bits_of_real bits;
    memcpy(&bits, &v, sizeof bits);
    if (v != v) return (bits_of_real)-1;
    return bits & sign ? (bits_of_real)~bits : bits | sign;
}

static lbi_keyed *insertion_sort(lbi_keyed *a, int64_t n) {
    for (int64_t i = 1; i < n; i++) {
        lbi_keyed e = a[i];
        int64_t at = i;
        for (; at > 0 && a[at - 1].key > e.key; at--) a[at] = a[at - 1];
        a[at] = e;
    }
    return a;
}

/* By bytes of the key, from the lowest on; bytes in which all are alike are passed over. */
lbi_keyed *lbi_sort_keyed(lbi_keyed *a, lbi_keyed *b, int64_t n, int bytes) {
    enum { SMALL_ROW = 64 };
    int64_t count[8][256];
    if (n <= SMALL_ROW) return insertion_sort(a, n);
    memset(count, 0, sizeof count[0] * (size_t)bytes);
    for (int64_t i = 0; i < n; i++)
        for (int k = 0; k < bytes; k++) count[k][a[i].key >> 8 * k & 255]++;
    for (int k = 0; k < bytes; k++) {
        int64_t at = 0, *place = count[k];
        if (place[a[0].key >> 8 * k & 255] == n) continue;
        for (int v = 0; v < 256; v++) {
            int64_t here = place[v];
            place[v] = at;
            at += here;
        }
        for (int64_t i = 0; i < n; i++) b[place[a[i].key >> 8 * k & 255]++] = a[i];
        lbi_keyed *swap = a;
        a = b;
        b = swap;
    }
    return a;
}

static void sort_row(const lb_real *x, int64_t n, int64_t keep, bool descending, int64_t *result, lbi_keyed *work) {
    for (int64_t i = 0; i < n; i++) {
        uint64_t key = lbi_sort_key(x[i]);
        work[i] = (lbi_keyed){descending ? (bits_of_real)~key : key, i};
    }
    const lbi_keyed *sorted = lbi_sort_keyed(work, work + n, n, KEY_BYTES);
    for (int64_t k = 0; k < keep; k++) result[k] = sorted[k].place;
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
        /* the same work for all rows of this part: it stays in the cache */
        sort_row(x, o->n, o->keep, o->descending, o->index + r * o->keep, (lbi_keyed *)(void *)o->work + 2 * first * o->n);
    }
}

int64_t lbi_order_work(int64_t rows, int64_t n, int64_t keep) {
    return by_insertion(n, keep) ? 0 : 2 * rows * n * (int64_t)(sizeof(lbi_keyed) / sizeof(int64_t));
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
