/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/kernels/groups.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/maths.h"
#include "tensor/kernels/turn.h"

enum { LANES = LBI_GROUP, BLOCK = 64 };

void lbi_group_of(lb_real *to, const lb_real *from, int64_t ld, int count, int64_t n) { lbi_turn(to, LANES, from, ld, count, n); }

void lbi_group_back(lb_real *to, int64_t ld, const lb_real *from, int count, int64_t n, bool add) {
    lb_real rows[LANES * BLOCK + LBI_GROUP_SLACK];
    for (int64_t p = 0; p < n; p += BLOCK) {
        int m = n - p < BLOCK ? (int)(n - p) : BLOCK;
        lbi_turn(rows, m, from + p * LANES, LANES, m, count);
        for (int c = 0; c < count; c++) {
            lb_real *restrict y = to + c * ld + p;
            if (add)
                for (int k = 0; k < m; k++) y[k] += rows[c * m + k];
            else
                for (int k = 0; k < m; k++) y[k] = rows[c * m + k];
        }
    }
}

LBI_ALWAYS void sum_of_reads(const lbi_reads *r, const lb_real *x, int64_t p, lb_real *restrict sum) {
    for (int i = 0; i < LANES; i++) sum[i] = 0;
    for (int t = 0; t < r->taps; t++) {
        int64_t at = r->at[t * r->ld + p];
        if (at < 0) continue;
        const lb_real *v = x + at * LANES;
        lb_real w = r->w[t * r->ld + p];
        for (int i = 0; i < LANES; i++) sum[i] += w * v[i];
    }
}

LBI_LEVELS_FUSED void lbi_group_read(const lbi_reads *r, const lb_real *x, lb_real *restrict y, int64_t places) {
    for (int64_t p = 0; p < places; p++) {
        lb_real sum[LANES];
        sum_of_reads(r, x, p, sum);
        for (int i = 0; i < LANES; i++) y[p * LANES + i] = sum[i];
    }
}

LBI_LEVELS_FUSED void lbi_group_add(const lbi_reads *r, lb_real *restrict x, const lb_real *restrict y, int64_t places) {
    for (int64_t p = 0; p < places; p++)
        for (int t = 0; t < r->taps; t++) {
            int64_t at = r->at[t * r->ld + p];
            lb_real w = r->w[t * r->ld + p];
            if (at < 0) continue;
            for (int i = 0; i < LANES; i++) x[at * LANES + i] += w * y[p * LANES + i];
        }
}

LBI_LEVELS_FUSED void lbi_group_dot(const lbi_reads *r, const lb_real *x, const lb_real *restrict y, double *restrict sum, int64_t places) {
    for (int64_t p = 0; p < places; p++) {
        lb_real v[LANES];
        sum_of_reads(r, x, p, v);
        for (int i = 0; i < LANES; i++) v[i] *= y[p * LANES + i];
        for (int half = LANES / 2; half > 0; half /= 2)
            for (int i = 0; i < half; i++) v[i] += v[i + half];
        sum[p] += (double)v[0];
    }
}
