/* SPDX-License-Identifier: Apache-2.0 */
/* Activations in terms of `vec` (floats), INLINE, inverse() of numbers that are not 0, larger() and smaller() of two (the second where either is NaN), which a file sets
 * before it includes this. Those that lbi_last_in_tile knows. */
#include "tensor/ops.h"

INLINE vec all(float x) { return x - (vec){0}; }

/* As lbi_gelu (maths.h), the quotient as a product. */
INLINE vec gelu(vec x) {
    vec c = smaller(all(4), larger(all(-4), x * 0.70710678118654752440f)), z = c * c;
    vec p = z * -2.72614225801306e-10f + 2.77068142495902e-08f;
    p = p * z - 2.10102402082508e-06f;
    p = p * z - 5.69250639462346e-05f;
    p = p * z - 7.34990630326855e-04f;
    p = p * z - 2.95459980854025e-03f;
    p = p * z - 1.60960333262415e-02f;
    vec q = z * -1.45660718464996e-05f - 2.13374055278905e-04f;
    q = q * z - 1.68282697438203e-03f;
    q = q * z - 7.37332916720468e-03f;
    q = q * z - 1.42647390514189e-02f;
    return x * 0.5f * (1 + c * p * inverse(q));
}

INLINE vec activate(lb_act act, vec x) {
    vec zero = {0};
    if (act == LB_ACT_RELU) return larger(zero, x);
    if (act == LB_ACT_RELU6) return smaller(all(6), larger(zero, x));
    if (act == LB_ACT_HARDSWISH) return x * (smaller(all(6), larger(zero, x + 3)) * (1.0f / 6));
    if (act == LB_ACT_HARDSIGMOID) return smaller(all(6), larger(zero, x + 3)) * (1.0f / 6);
    if (act == LB_ACT_GELU) return gelu(x);
    return x;
}
