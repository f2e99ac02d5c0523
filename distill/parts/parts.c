/* SPDX-License-Identifier: Apache-2.0 */
#include "distill/parts/parts.h"

lb_tensor *lb_part_kl(lb_tape *t, lb_tensor *log_p, lb_tensor *log_q) { return lb_sum(t, lb_mul(t, lb_exp(t, log_p), lb_sub(t, log_p, log_q)), -1, false); }

lb_tensor *lb_part_weighted_mean(lb_tape *t, lb_tensor *x, lb_tensor *w) {
    w = lb_detach(t, w);
    return lb_div(t, lb_sum_all(t, lb_mul(t, x, w)), lb_sum_all(t, w));
}

lb_tensor *lb_part_not(lb_tape *t, lb_tensor *mask) { return lb_eq(t, mask->dtype == LB_I64 ? lb_to_real(t, mask) : mask, lb_scalar(t, 0)); }

lb_tensor *lb_part_distances(lb_tape *t, lb_tensor *x, double eps) {
    int64_t n = x->rank == 2 ? x->shape[0] : 0;
    lb_tensor *square = lb_sum(t, lb_square(t, x), 1, false);
    lb_tensor *product = lb_matmul(t, x, x, false, true);
    lb_tensor *d2 = lb_sub(t, lb_add(t, lb_reshape(t, square, 2, (int64_t[]){n, 1}), lb_reshape(t, square, 2, (int64_t[]){1, n})), lb_scale(t, product, 2));
    return lb_masked_fill(t, lb_sqrt(t, lb_clamp(t, d2, eps, 1e300)), lb_eye(t, n), 0);
}

lb_tensor *lb_part_smooth_l1(lb_tape *t, lb_tensor *a, lb_tensor *b) {
    lb_tensor *d = lb_abs(t, lb_sub(t, a, b));
    lb_tensor *near = lb_scale(t, lb_square(t, d), 0.5), *far = lb_add_scalar(t, d, -0.5);
    return lb_mean_all(t, lb_select(t, lb_gt(t, lb_scalar(t, 1), d), near, far));
}

lb_tensor *lb_part_contrast(lb_tape *t, lb_tensor *scores, lb_tensor *label) { return lb_cross_entropy(t, scores, label, -100, 0); }
