/* SPDX-License-Identifier: Apache-2.0 */
/* Remainders of a row of divisions, exact. Private to tensor/ops. Floats by vectors: the quotient of two floats is taken in double, where its
 * product with the divisor is exact while it is below 2^29; rounding may have put it one too high, which the remainder's sign shows.
 * Blocks with larger quotients, zeros as divisors, infinities or NaN go through the C library. */
#ifndef LB_TENSOR_OPS_REST_H
#define LB_TENSOR_OPS_REST_H
#include "tensor/ops/elementwise.h"

enum { LBI_REST_BLOCK = 128 };

#ifndef LB_DOUBLE
/* y = fmod(a, b). @return false: something in it has to be done in another way. */
LBI_INLINE bool lbi_rest_by_vectors(const float *restrict a, const float *restrict b, float *restrict y, int64_t n) {
    int fits = 1;
    for (int64_t i = 0; i < n; i++) {
        double x = fabs((double)a[i]), d = fabs((double)b[i]), quotient = x / d;
        fits &= quotient < 536870912.0 && d <= (double)FLT_MAX;
        double rest = x - trunc(quotient) * d;
        rest = rest < 0 ? rest + d : rest;
        y[i] = copysignf((float)rest, a[i]);
    }
    return fits;
}
#endif

/* p: y, a, b. floored: with the sign of b, else with that of a. */
LBI_INLINE void lbi_rest_row(int64_t n, char *const *p, const int64_t *s, bool floored) {
    lb_real *y = (lb_real *)p[0], a[LBI_REST_BLOCK], b[LBI_REST_BLOCK];
    for (int64_t first = 0; first < n; first += LBI_REST_BLOCK, y += LBI_REST_BLOCK) {
        int64_t count = n - first < LBI_REST_BLOCK ? n - first : LBI_REST_BLOCK;
        bool done = false;
        for (int64_t i = 0; i < count; i++) {
            a[i] = *(const lb_real *)(p[1] + (first + i) * s[1]);
            b[i] = *(const lb_real *)(p[2] + (first + i) * s[2]);
        }
#ifndef LB_DOUBLE
        done = lbi_rest_by_vectors(a, b, y, count);
#endif
        for (int64_t i = 0; !done && i < count; i++) y[i] = LBI_M(fmod)(a[i], b[i]);
        for (int64_t i = 0; floored && i < count; i++) y[i] = y[i] != 0 && (y[i] < 0) != (b[i] < 0) ? y[i] + b[i] : y[i];
    }
}

#endif
