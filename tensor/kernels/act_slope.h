/* SPDX-License-Identifier: Apache-2.0 */
/* The slope of an activation from its result, for loops. Private to tensor/kernels. */
#ifndef LB_TENSOR_KERNELS_ACT_SLOPE_H
#define LB_TENSOR_KERNELS_ACT_SLOPE_H
#include "tensor/ops.h"

/* g act'; y is the activation's result. With a constant act the compiler keeps one branch. */
static inline __attribute__((always_inline)) lb_real lbi_act_slope(lb_act act, lb_real g, lb_real y) {
    if (act == LB_ACT_RELU) return y > 0 ? g : 0;
    if (act == LB_ACT_RELU6) return y > 0 && y < 6 ? g : 0;
    if (act == LB_ACT_SIGMOID) return g * y * (1 - y);
    if (act == LB_ACT_TANH) return g * (1 - y * y);
    if (act == LB_ACT_HARDSIGMOID) return y > 0 && y < 1 ? g * (lb_real)(1.0 / 6) : 0;
    return g;
}

#endif
