/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/kernels/rows.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/maths.h"

LBI_LEVELS double lbi_softmax_row(lb_real *y, const lb_real *x, int64_t k) {
    lb_real top = -INFINITY;
    for (int64_t i = 0; i < k; i++) top = x[i] > top ? x[i] : top;
    for (int64_t i = 0; i < k; i++) y[i] = lbi_exp(x[i] - top);
    double sum = 0;
    for (int64_t i = 0; i < k; i++) sum += y[i];
    lb_real by = (lb_real)(1 / sum);
    for (int64_t i = 0; i < k; i++) y[i] *= by;
    return (double)top + log(sum);
}
