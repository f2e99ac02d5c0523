/* SPDX-License-Identifier: Apache-2.0 */
/* IEEE binary16 against its definition: sign, exponent and fraction of every half, and what floats beside and between halves are rounded to; one by one and in
 * rows (by the processor's own instructions where it has them). */
#include <math.h>
#include "check.h"
#include "tensor/half.h"

enum { HALVES = 1 << 16, TOP = 0x7bff, INFINITE = 0x7c00, ROW = 9 };

/* IEEE 754-2019, 3.4. */
static double defined(int h) {
    int e = h >> 10 & 31, m = h & 1023;
    double v = e == 0 ? ldexp(m, -24) : e < 31 ? ldexp(1024 + m, e - 25) : m ? NAN : INFINITY;
    return h & 0x8000 ? -v : v;
}

/* Rows of nine: eight go through the instruction and one does not. */
static bool narrows(float f, int want) {
    float row[ROW];
    uint16_t got[ROW];
    bool ok = lbi_half_of_float(f) == want && lbi_half_of_float(-f) == (want ^ 0x8000);
    for (int i = 0; i < ROW; i++) row[i] = i % 2 ? -f : f;
    lbi_halves_of_floats(got, row, ROW);
    for (int i = 0; i < ROW; i++) ok = ok && got[i] == (i % 2 ? want ^ 0x8000 : want);
    return ok;
}

static void widened(void) {
    static uint16_t all[HALVES + 1];
    static float wide[HALVES + 1];
    int wrong = 0;
    for (int h = 0; h <= HALVES; h++) all[h] = (uint16_t)h;
    lbi_floats_of_halves(wide, all, HALVES + 1);
    for (int h = 0; h <= HALVES; h++) {
        double want = defined(h & 0xffff), one = lbi_float_of_half((uint16_t)h), row = wide[h];
        bool sign = signbit(want) == signbit(one) && signbit(want) == signbit(row);
        if (!sign || (isnan(want) ? !isnan(one) || !isnan(row) : one != want || row != want)) wrong++;
    }
    CHECK_INT(wrong, 0);
}

static void narrowed(void) {
    int wrong = 0;
    for (int h = 0; h <= TOP; h++) { /* each, the middle to the next, and the floats beside the middle; beyond the largest lies what would be 65536 */
        float x = (float)defined(h), next = h < TOP ? (float)defined(h + 1) : 65536, middle = (x + next) / 2; /* of 12 bits: exact */
        wrong += !narrows(x, h) + !narrows(nextafterf(middle, 0), h) + !narrows(middle, h % 2 ? h + 1 : h) + !narrows(nextafterf(middle, INFINITY), h + 1);
    }
    CHECK_INT(wrong, 0);
    CHECK(narrows(1e30f, INFINITE) && narrows(INFINITY, INFINITE) && narrows(1e-30f, 0));
}

/* NaN stays NaN, also one whose fraction lies below what a half keeps. */
static void not_a_number(void) {
    for (uint32_t fraction = 1; fraction < 1 << 23; fraction *= 2) {
        union {
            uint32_t bits;
            float f;
        } x = {0x7f800000 | fraction};
        float row[ROW];
        uint16_t got[ROW];
        for (int i = 0; i < ROW; i++) row[i] = x.f;
        lbi_halves_of_floats(got, row, ROW);
        CHECK(isnan(defined(lbi_half_of_float(x.f))) && isnan(defined(got[0])) && isnan(defined(got[ROW - 1])));
    }
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "half", (check_test[]){{"widened", widened}, {"narrowed", narrowed}, {"not a number", not_a_number}, {0}});
}
