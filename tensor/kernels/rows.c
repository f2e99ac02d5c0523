/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/kernels/rows.h"
#include "tensor/kernels/maths.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define LEVELS __attribute__((target_clones("default", "arch=haswell", "arch=skylake-avx512"), optimize("O3")))
#else
#define LEVELS
#endif

LEVELS double lbi_softmax_row(lb_real *y, const lb_real *x, int64_t k) {
    lb_real top = -INFINITY;
    for (int64_t i = 0; i < k; i++) top = x[i] > top ? x[i] : top;
    for (int64_t i = 0; i < k; i++) y[i] = lbi_exp(x[i] - top);
    double sum = 0;
    for (int64_t i = 0; i < k; i++) sum += y[i];
    lb_real by = (lb_real)(1 / sum);
    for (int64_t i = 0; i < k; i++) y[i] *= by;
    return (double)top + log(sum);
}
