/* SPDX-License-Identifier: Apache-2.0 */
/* Activations fused behind linear, convolutions and norms. Private to tensor/. */
#ifndef LB_TENSOR_KERNELS_ACT_H
#define LB_TENSOR_KERNELS_ACT_H
#include "tensor/ops.h"

/** y = act(y + bias) on rows x cols; bias [cols] per column, or [rows] per row (by_row), or NULL. In place. */
void lbi_act_rows(lb_act act, lb_real *y, int64_t rows, int64_t cols, const lb_real *bias, bool by_row);
/** y = act(y + shift), on the calling thread. */
void lbi_act_plane(lb_act act, lb_real *y, int64_t n, lb_real shift);
/** y += x, on the calling thread. */
void lbi_add_row(lb_real *y, const lb_real *x, int64_t n);
/** out = g * act'(.), from the activation's result y; only for activations whose slope is a function of y. */
void lbi_act_back(lb_act act, lb_real *out, const lb_real *g, const lb_real *y, int64_t n);
/** True when the slope can be told from the result, so a fused op need not keep what went into the activation. */
bool lbi_act_from_result(lb_act act);
/** The op of an activation, applied after an op that could not fuse it. */
lb_tensor *lbi_act_op(lb_tape *t, lb_tensor *x, lb_act act);

#endif
