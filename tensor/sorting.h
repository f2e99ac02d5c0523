/* SPDX-License-Identifier: Apache-2.0 */
/* Order of rows, shared by sort, argsort and topk. Stable; NaN counts as larger than every number. Private to tensor/. */
#ifndef LB_TENSOR_SORTING_H
#define LB_TENSOR_SORTING_H
#include "tensor/op.h"
LB_BEGIN

typedef struct lbi_keyed {
    uint64_t key;
    int64_t place;
} lbi_keyed;

/* Whole numbers in the order of the numbers; -0 is 0, NaN one value behind all. */
uint64_t lbi_sort_key(lb_real x);
/* Ascending by the lowest `bytes` of the key, equal ones as they were; b: room for as many. @return where the result lies, a or b */
lbi_keyed *lbi_sort_keyed(lbi_keyed *a, lbi_keyed *b, int64_t n, int bytes);

/* index[r, 0..keep-1] = places of the `keep` first elements of each row of x [rows,n], ordered. work: as many
 * elements as lbi_order_work says. */
void lbi_order_rows(const lb_real *x, int64_t rows, int64_t n, int64_t keep, bool descending, int64_t *index, int64_t *work);
int64_t lbi_order_work(int64_t rows, int64_t n, int64_t keep);
/* y[r,k] = x[r, index[r,k]], and back: gx[r, index[r,k]] += gy[r,k], fresh: in zeros. */
void lbi_take_rows(lb_real *y, const lb_real *x, const int64_t *index, int64_t rows, int64_t n, int64_t keep);
void lbi_put_rows(lb_real *gx, const lb_real *gy, const int64_t *index, int64_t rows, int64_t n, int64_t keep, bool fresh);

LB_END
#endif
