/* SPDX-License-Identifier: Apache-2.0 */
/* Order of rows, shared by sort, argsort and topk. Stable; NaN counts as larger than every number. Private to tensor/. */
#ifndef LB_TENSOR_SORTING_H
#define LB_TENSOR_SORTING_H
#include "tensor/op.h"
LB_BEGIN

/* index[r, 0..keep-1] = places of the `keep` first elements of each row of x [rows,n], ordered. work: as many
 * elements as lbi_order_work says. */
void lbi_order_rows(const lb_real *x, int64_t rows, int64_t n, int64_t keep, bool descending, int64_t *index, int64_t *work);
int64_t lbi_order_work(int64_t rows, int64_t n, int64_t keep);
/* y[r,k] = x[r, index[r,k]], and back: gx[r, index[r,k]] += gy[r,k]. */
void lbi_take_rows(lb_real *y, const lb_real *x, const int64_t *index, int64_t rows, int64_t n, int64_t keep);
void lbi_put_rows(lb_real *gx, const lb_real *gy, const int64_t *index, int64_t rows, int64_t n, int64_t keep);

LB_END
#endif
