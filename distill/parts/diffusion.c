/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include "distill/parts/parts.h"

lb_part_noise lb_part_cosine(double t) {
    const double pi = acos(-1.0);
    double a = cos(pi * t / 2), s = sin(pi * t / 2);
    return (lb_part_noise){a, s, log(s / a), pi / sin(pi * t)};
}

lb_part_noise lb_part_vp_linear(double t, double beta_min, double beta_max) {
    double b = t * t * (beta_max - beta_min) / 2 + t * beta_min, square = -expm1(-b), a = exp(-b / 2), s = sqrt(square);
    return (lb_part_noise){a, s, log(s / a), (beta_min + t * (beta_max - beta_min)) / (2 * square)};
}

lb_tensor *lb_part_time_embedding(lb_tape *t, const lb_tensor *time, int64_t width, double scale) {
    int64_t n = time->shape[0], half = width / 2, shape[2] = {n, width};
    double *e = lb_calloc((size_t)(n * width) + 1, sizeof *e);
    if (!e) return lb_tape_fail_status(t, LB_E_NOMEM);
    for (int64_t i = 0; i < n && !lb_part_shapes_only(t); i++)
        for (int64_t k = 0; k < half; k++) {
            double angle = scale * lb_get_at(time, i) * pow(10000, -(double)k / (double)half);
            e[i * width + k] = cos(angle);
            e[i * width + half + k] = sin(angle);
        }
    lb_tensor *x = lb_part_constant(t, 2, shape, e);
    lb_free(e);
    return x;
}
