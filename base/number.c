/* SPDX-License-Identifier: Apache-2.0 */
#include "base/number.h"
#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Asked for at each use: the C library hands out one static object for "C", so nothing is to be freed. */
static locale_t plain(void) {
    return newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

bool lbi_parse_real(const char *word, double *out) {
    char *end;
    if (!word[0] || isspace((unsigned char)word[0])) return false;
    for (const char *p = word; *p; p++)
        if (*p == 'x' || *p == 'X') return false;
    double x = strtod_l(word, &end, plain());
    if (end == word || *end) return false;
    *out = x;
    return true;
}

bool lbi_parse_int(const char *word, int64_t *out) {
    char *end;
    if (!word[0] || isspace((unsigned char)word[0])) return false;
    errno = 0;
    long long x = strtoll(word, &end, 10);
    if (end == word || *end || errno) return false;
    *out = x;
    return true;
}

static void format(char dst[40], double x, bool single) {
    locale_t before = uselocale(plain());
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(dst, 40, "%.*g", digits, x);
        double back = single ? (double)strtof(dst, NULL) : strtod(dst, NULL);
        if (back == x || isnan(x)) break;
    }
    uselocale(before);
}

/* "%g" would turn 100 into 1e+02 at one digit; whole numbers of a sane size are written out. */
void lbi_format_real(char dst[40], double x) {
    if (fabs(x) < 1e15 && x == floor(x))
        snprintf(dst, 40, "%.0f", x);
    else
        format(dst, x, false);
}

void lbi_format_float(char dst[40], float x) {
    if (fabsf(x) < 1e7f && x == floorf(x))
        snprintf(dst, 40, "%.0f", (double)x);
    else
        format(dst, (double)x, true);
}
