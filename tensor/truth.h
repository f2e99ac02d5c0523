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
static inline int64_t lbi_count_true(const lb_tensor *x) {
    int64_t count = 0;
    for (int64_t i = 0, n = lb_numel(x); i < n; i++) count += lbi_is_true(x, i);
    return count;
}

LB_END
#endif
