/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/kernels/attend.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/maths.h"

enum { LANES = 16 }; /* partial results side by side, so that compilers make vectors of them */

LBI_LEVELS void lbi_attend_scale(lb_real *s, int64_t n, lb_real scale) {
    for (int64_t i = 0; i < n; i++) s[i] *= scale;
}

LBI_LEVELS void lbi_attend_cap(lb_real *s, int64_t n, lb_real scale, lb_real cap, lb_real *slope) {
    lb_real by = scale / cap;
    for (int64_t i = 0; i < n; i++) s[i] = lbi_tanh(s[i] * by);
    for (int64_t i = 0; slope && i < n; i++) slope[i] = 1 - s[i] * s[i];
    for (int64_t i = 0; i < n; i++) s[i] *= cap;
}

LBI_LEVELS void lbi_attend_add(lb_real *s, int64_t n, const lb_real *b, int64_t step) {
    if (step == 1)
        for (int64_t i = 0; i < n; i++) s[i] += b[i];
    else
        for (int64_t i = 0; i < n; i++) s[i] += b[i * step];
}

void lbi_attend_hide(lb_real *s, int64_t n, const void *mask, int bytes, int64_t step) {
    const uint8_t *small = mask;
    const int64_t *large = mask;
    if (bytes == 1)
        for (int64_t i = 0; i < n; i++) s[i] = small[i * step] ? s[i] : -(lb_real)INFINITY;
    else
        for (int64_t i = 0; i < n; i++) s[i] = large[i * step] ? s[i] : -(lb_real)INFINITY;
}

LBI_LEVELS lb_real lbi_attend_max(const lb_real *s, int64_t n) {
    lb_real top[LANES], most = -INFINITY;
    int64_t i = 0;
    for (int k = 0; k < LANES; k++) top[k] = -INFINITY;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) top[k] = s[i + k] > top[k] ? s[i + k] : top[k];
    for (; i < n; i++) most = s[i] > most ? s[i] : most;
    for (int k = 0; k < LANES; k++) most = top[k] > most ? top[k] : most;
    return most;
}

LBI_LEVELS lb_real lbi_attend_exp(lb_real *s, int64_t n, lb_real shift) {
    lb_real part[LANES] = {0}, rest = 0;
    int64_t i = 0;
    for (int64_t j = 0; j < n; j++) s[j] = lbi_exp(s[j] - shift);
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) part[k] += s[i + k];
    for (; i < n; i++) rest += s[i];
    for (int k = 0; k < LANES; k++) rest += part[k];
    return rest;
}

LBI_LEVELS void lbi_attend_back(lb_real *g, const lb_real *p, int64_t n, lb_real delta) {
    for (int64_t i = 0; i < n; i++) g[i] = p[i] * (g[i] - delta);
}

LBI_LEVELS void lbi_attend_times(lb_real *s, const lb_real *f, int64_t n) {
    for (int64_t i = 0; i < n; i++) s[i] *= f[i];
}

LBI_LEVELS double lbi_attend_dot(const lb_real *a, const lb_real *b, int64_t n) {
    double part[LANES] = {0}, rest = 0;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) part[k] += (double)a[i + k] * (double)b[i + k];
    for (; i < n; i++) rest += (double)a[i] * (double)b[i];
    for (int k = 0; k < LANES; k++) rest += part[k];
    return rest;
}
