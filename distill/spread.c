/* SPDX-License-Identifier: Apache-2.0 */
#include "distill/spread.h"
#include <stdlib.h>

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

lb_spread lb_spread_of(double *x, int64_t n) {
    lb_spread s = {0};
    int64_t few = n / 10 > 1 ? n / 10 : 1;
    for (int64_t i = 0; i < n; i++) s.mean += x[i] / (double)n;
    for (int64_t i = 0; i < n; i++) s.variance += (x[i] - s.mean) * (x[i] - s.mean) / (double)n;
    qsort(x, (size_t)n, sizeof *x, by_value);
    for (int64_t i = 0; i < few; i++) s.worst += x[i] / (double)few;
    return s;
}
