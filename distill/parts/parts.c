/* SPDX-License-Identifier: Apache-2.0 */
#include "distill/parts/parts.h"

lb_tensor *lb_part_weighted_mean(lb_tape *t, lb_tensor *x, lb_tensor *w) {
    w = lb_detach(t, w);
    return lb_div(t, lb_sum_all(t, lb_mul(t, x, w)), lb_sum_all(t, w));
}

lb_tensor *lb_part_not(lb_tape *t, lb_tensor *mask) { return lb_eq(t, mask->dtype == LB_I64 ? lb_to_real(t, mask) : mask, lb_scalar(t, 0)); }
