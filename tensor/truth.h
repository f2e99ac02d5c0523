/* SPDX-License-Identifier: Apache-2.0 */
/* Elements that are not 0, of numbers of the maths type or i64: shared by nonzero and masked_scatter. Private to tensor/. */
#ifndef LB_TENSOR_TRUTH_H
#define LB_TENSOR_TRUTH_H
#include "tensor/op.h"
LB_BEGIN

/* Of a contiguous tensor of one of the two types; NaN is not 0. */
static inline bool lbi_is_true(const lb_tensor *x, int64_t i) {
    return x->dtype == LB_I64 ? lb_i(x)[i] != 0 : lb_r(x)[i] != 0;
}
static inline bool lbi_has_truth(const lb_tensor *x) {
    return x->dtype == LB_I64 || x->dtype == LB_REAL;
}
/* Of n elements from `first` on. */
static inline int64_t lbi_count_true(const lb_tensor *x, int64_t first, int64_t n) {
    int64_t count = 0;
    if (x->dtype == LB_I64)
        for (int64_t i = 0; i < n; i++) count += lb_i(x)[first + i] != 0;
    else
        for (int64_t i = 0; i < n; i++) count += lb_r(x)[first + i] != 0;
    return count;
}

LB_END
#endif
