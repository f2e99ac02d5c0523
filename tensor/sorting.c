/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/sorting.h"
#include <string.h>
#include "tensor/kernels/levels.h"
#include "tensor/loops.h"

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

/* ---- a few of many: what comes before the last one kept is collected, and cut back to the first `keep` when there is no more room ---- */

enum { BLOCK = 64 };

static int64_t room_for(int64_t keep) { return keep <= 16 ? 64 : 4 * keep; }

/* Does any of a block come before `last`? NaN is larger than all; of equal ones the earlier is kept. */
LBI_LEVELS static bool any_before(const lb_real *x, lb_real last, bool descending) {
    int32_t any = 0;
    if (last != last && !descending)
        for (int k = 0; k < BLOCK; k++) any |= x[k] == x[k];
    else if (last == last && descending)
        for (int k = 0; k < BLOCK; k++) any |= !(x[k] <= last);
    else if (last == last)
        for (int k = 0; k < BLOCK; k++) any |= x[k] < last;
    return any;
}

static void select_row(const lb_real *x, int64_t n, int64_t keep, bool descending, int64_t *result, lbi_keyed *work) {
    int64_t count = 0, room = room_for(keep);
    uint64_t last = UINT64_MAX;
    lbi_keyed *list = work, *other = work + room;
    lb_real last_value = 0;
    bool full = false;
    for (int64_t i = 0; i < n; i++) {
        while (full && i + BLOCK <= n && !any_before(x + i, last_value, descending)) i += BLOCK;
        for (int64_t end = i + BLOCK < n ? i + BLOCK : n; i < end; i++) {
            uint64_t key = lbi_sort_key(x[i]);
            if (descending) key = (bits_of_real)~key;
            if (full && key >= last) continue;
            list[count++] = (lbi_keyed){key, i};
            if (count < room) continue;
            lbi_keyed *sorted = lbi_sort_keyed(list, other, count, KEY_BYTES);
            if (sorted == other) other = list;
            list = sorted;
            count = keep;
            full = true;
            last = list[keep - 1].key;
            last_value = x[list[keep - 1].place];
        }
        i--;
    }
    const lbi_keyed *sorted = lbi_sort_keyed(list, other, count, KEY_BYTES);
    for (int64_t k = 0; k < keep; k++) result[k] = sorted[k].place;
}

typedef struct order {
    const lb_real *x;
    int64_t n, keep, *index, *work;
    bool descending;
} order;

static bool few(int64_t n, int64_t keep) { return 2 * room_for(keep) <= n; }

static void order_part(const void *ctx, int64_t first, int64_t last) {
    const order *o = ctx;
    for (int64_t r = first; r < last; r++) {
        const lb_real *x = o->x + r * o->n;
        if (o->keep == 0) continue;
        /* the same work for all rows of this part: it stays in the cache */
        lbi_keyed *work = (lbi_keyed *)(void *)o->work + 2 * first * (few(o->n, o->keep) ? room_for(o->keep) : o->n);
        if (few(o->n, o->keep)) select_row(x, o->n, o->keep, o->descending, o->index + r * o->keep, work);
        else sort_row(x, o->n, o->keep, o->descending, o->index + r * o->keep, work);
    }
}

int64_t lbi_order_work(int64_t rows, int64_t n, int64_t keep) {
    return 2 * rows * (few(n, keep) ? room_for(keep) : n) * (int64_t)(sizeof(lbi_keyed) / sizeof(int64_t));
}

void lbi_order_rows(const lb_real *x, int64_t rows, int64_t n, int64_t keep, bool descending, int64_t *index, int64_t *work) {
    order o = {x, n, keep, index, work, descending};
    lbi_split(rows, 8 * n, order_part, &o);
}

typedef struct picking {
    lb_real *to;
    const lb_real *from;
    const int64_t *index;
    int64_t n, keep;
    bool fresh;
} picking;

static void take_part(const void *ctx, int64_t first, int64_t last) {
    const picking *p = ctx;
    for (int64_t r = first; r < last; r++)
        for (int64_t k = 0; k < p->keep; k++) p->to[r * p->keep + k] = p->from[r * p->n + p->index[r * p->keep + k]];
}

static void put_part(const void *ctx, int64_t first, int64_t last) {
    const picking *p = ctx;
    for (int64_t r = first; r < last; r++) {
        lb_real *to = p->to + r * p->n;
        if (p->fresh) memset(to, 0, (size_t)p->n * sizeof *to);
        for (int64_t k = 0; k < p->keep; k++) to[p->index[r * p->keep + k]] += p->from[r * p->keep + k];
    }
}

void lbi_take_rows(lb_real *y, const lb_real *x, const int64_t *index, int64_t rows, int64_t n, int64_t keep) {
    lbi_split(rows, keep, take_part, &(picking){y, x, index, n, keep, false});
}

void lbi_put_rows(lb_real *gx, const lb_real *gy, const int64_t *index, int64_t rows, int64_t n, int64_t keep, bool fresh) {
    lbi_split(rows, fresh ? n : keep, put_part, &(picking){gx, gy, index, n, keep, fresh});
}
