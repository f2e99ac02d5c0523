/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/quantise.h"
#include <math.h>

double lb_minifloat_of(double x, int exponent, int mantissa, double most) {
    int least = 2 - (1 << (exponent - 1)), at;
    if (x == 0 || x != x) return x;
    if (isinf(x)) return x > 0 ? most : -most;
    (void)frexp(x, &at); /* x = f 2^at, 0.5 <= |f| < 1 */
    int e = at - 1 > least ? at - 1 : least;
    double step = ldexp(1, e - mantissa), y = nearbyint(x / step) * step;
    return y > most ? most : y < -most ? -most : y;
}

void lb_pack_int4(uint8_t *dst, const int8_t *codes, int64_t n) {
    for (int64_t i = 0; i < n; i += 2) dst[i / 2] = (uint8_t)((codes[i] & 15) | (i + 1 < n ? (codes[i + 1] & 15) << 4 : 0));
}

void lb_unpack_int4(int8_t *codes, const uint8_t *src, int64_t n, bool is_signed) {
    for (int64_t i = 0; i < n; i++) {
        int c = src[i / 2] >> (i % 2 ? 4 : 0) & 15;
        codes[i] = (int8_t)(is_signed && c > 7 ? c - 16 : c);
    }
}
