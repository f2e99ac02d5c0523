/* SPDX-License-Identifier: Apache-2.0 */
/* Rows along one axis: a tensor seen as [outer, k, inner]. Private to tensor/. */
#ifndef LB_TENSOR_KERNELS_ROWS_H
#define LB_TENSOR_KERNELS_ROWS_H
#include "tensor/loops.h"

typedef struct lbi_rows {
    int64_t outer, k, inner;
} lbi_rows;

static inline lbi_rows lbi_rows_of(const lb_tensor *x, int axis) {
    lbi_rows r = {1, x->shape[axis], 1};
    for (int d = 0; d < axis; d++) r.outer *= x->shape[d];
    for (int d = axis + 1; d < x->rank; d++) r.inner *= x->shape[d];
    return r;
}

/** Softmax of k contiguous numbers, in place allowed; a row of only -inf gives NaN as torch does. @return log of the sum of exponentials */
double lbi_softmax_row(lb_real *y, const lb_real *x, int64_t k);

#endif
