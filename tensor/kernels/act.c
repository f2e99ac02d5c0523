/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/kernels/act.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/maths.h"

bool lbi_act_from_result(lb_act act) { return act == LB_ACT_NONE || act == LB_ACT_RELU || act == LB_ACT_RELU6 || act == LB_ACT_SIGMOID || act == LB_ACT_TANH || act == LB_ACT_HARDSIGMOID; }

/* y = act(y + shift + bias[i]); bias may be NULL. */
LBI_LEVELS static void apply(lb_act act, lb_real *restrict y, int64_t n, lb_real shift, const lb_real *restrict bias) {
    if (bias)
        for (int64_t i = 0; i < n; i++) y[i] += bias[i];
    else if (shift != 0)
        for (int64_t i = 0; i < n; i++) y[i] += shift;
    switch (act) {
    case LB_ACT_NONE: break;
    case LB_ACT_RELU:
        for (int64_t i = 0; i < n; i++) y[i] = y[i] < 0 ? 0 : y[i];
        break;
    case LB_ACT_RELU6:
        for (int64_t i = 0; i < n; i++) y[i] = y[i] < 0 ? 0 : y[i] > 6 ? 6 : y[i];
        break;
    case LB_ACT_GELU:
        for (int64_t i = 0; i < n; i++) y[i] = lbi_gelu(y[i]);
        break;
    case LB_ACT_GELU_TANH:
        for (int64_t i = 0; i < n; i++) y[i] = (lb_real)0.5 * y[i] * (1 + lbi_tanh((lb_real)0.79788456080286535588 * (y[i] + (lb_real)0.044715 * y[i] * y[i] * y[i])));
        break;
    case LB_ACT_SILU:
        for (int64_t i = 0; i < n; i++) y[i] = y[i] / (1 + lbi_exp(-y[i]));
        break;
    case LB_ACT_SIGMOID:
        for (int64_t i = 0; i < n; i++) y[i] = 1 / (1 + lbi_exp(-y[i]));
        break;
    case LB_ACT_TANH:
        for (int64_t i = 0; i < n; i++) y[i] = lbi_tanh(y[i]);
        break;
    case LB_ACT_HARDSWISH:
        for (int64_t i = 0; i < n; i++) y[i] = y[i] * lbi_hardsigmoid(y[i]);
        break;
    case LB_ACT_HARDSIGMOID:
        for (int64_t i = 0; i < n; i++) y[i] = lbi_hardsigmoid(y[i]);
        break;
    case LB_ACT_GELU_QUICK:
        for (int64_t i = 0; i < n; i++) y[i] = y[i] / (1 + lbi_exp((lb_real)-1.702 * y[i]));
        break;
    }
}

void lbi_act_plane(lb_act act, lb_real *y, int64_t n, lb_real shift) { apply(act, y, n, shift, NULL); }

LBI_LEVELS void lbi_add_row(lb_real *restrict y, const lb_real *restrict x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] += x[i];
}

void lbi_act_rows(lb_act act, lb_real *y, int64_t rows, int64_t cols, const lb_real *bias, bool by_row) {
    if (!bias && act == LB_ACT_NONE) return;
#pragma omp parallel for if (rows * cols > 65536)
    for (int64_t r = 0; r < rows; r++) apply(act, y + r * cols, cols, bias && by_row ? bias[r] : 0, bias && !by_row ? bias : NULL);
}

void lbi_act_back(lb_act act, lb_real *out, const lb_real *g, const lb_real *y, int64_t n) {
#pragma omp parallel for simd if (n > 65536)
    for (int64_t i = 0; i < n; i++) {
        lb_real slope = 1;
        if (act == LB_ACT_RELU) slope = y[i] > 0;
        else if (act == LB_ACT_RELU6) slope = y[i] > 0 && y[i] < 6;
        else if (act == LB_ACT_SIGMOID) slope = y[i] * (1 - y[i]);
        else if (act == LB_ACT_TANH) slope = 1 - y[i] * y[i];
        else if (act == LB_ACT_HARDSIGMOID) slope = y[i] > 0 && y[i] < 1 ? (lb_real)(1.0 / 6) : 0;
        out[i] = g[i] * slope;
    }
}

lb_tensor *lbi_act_op(lb_tape *t, lb_tensor *x, lb_act act) {
    switch (act) {
    case LB_ACT_NONE: return x;
    case LB_ACT_RELU: return lb_relu(t, x);
    case LB_ACT_RELU6: return lb_relu6(t, x);
    case LB_ACT_GELU: return lb_gelu(t, x);
    case LB_ACT_GELU_TANH: return lb_gelu_tanh(t, x);
    case LB_ACT_SILU: return lb_silu(t, x);
    case LB_ACT_SIGMOID: return lb_sigmoid(t, x);
    case LB_ACT_TANH: return lb_tanh(t, x);
    case LB_ACT_HARDSWISH: return lb_hardswish(t, x);
    case LB_ACT_HARDSIGMOID: return lb_hardsigmoid(t, x);
    case LB_ACT_GELU_QUICK: return lb_gelu_quick(t, x);
    }
    return x;
}
