/* SPDX-License-Identifier: Apache-2.0 */
#include "distill/parts/parts.h"
#include <math.h>
#include <stdlib.h>
#include "distill/method.h"

lb_tensor *lb_part_weighted_mean(lb_tape *t, lb_tensor *x, lb_tensor *w) {
    w = lb_detach(t, w);
    return lb_div(t, lb_sum_all(t, lb_mul(t, x, w)), lb_sum_all(t, w));
}

lb_tensor *lb_part_not(lb_tape *t, lb_tensor *mask) { return lb_eq(t, mask->dtype == LB_I64 ? lb_to_real(t, mask) : mask, lb_scalar(t, 0)); }

/* ---- checks ---- */

bool lb_part_check_mask(lb_tape *t, const lb_tensor *mask) {
    if (!lb_check_range(t, mask, 0, LB_NO_MAX, "mask") || lb_tape_get_mode(t) == LB_TAPE_SHAPES) return lb_tape_ok(t);
    double sum = 0;
    for (int64_t i = 0; i < lb_numel(mask); i++) sum += lb_get_at(mask, i);
    return lb_check(t, sum > 0 && isfinite(sum), "mask keeps no position (its sum is %g)", sum);
}

bool lb_part_check_kept(lb_tape *t, const lb_tensor *mask) {
    int64_t n = mask->shape[1];
    for (int64_t b = 0; b < mask->shape[0] && !lb_part_shapes_only(t); b++) {
        double kept = 0;
        for (int64_t i = 0; i < n; i++) {
            double v = lb_get_at(mask, b * n + i);
            if (!lb_check(t, v == 0 || v == 1, "mask holds %g, 0 or 1 is wanted", v)) return false;
            kept += v;
        }
        if (!lb_check(t, kept > 0, "mask keeps no token of sample %lld", (long long)b)) return false;
    }
    return lb_tape_ok(t);
}

bool lb_part_check_logits(lb_tape *t, const lb_tensor *x, const lb_tensor *mask, const char *name) {
    if (!lb_tape_ok(t) || lb_tape_get_mode(t) == LB_TAPE_SHAPES) return lb_tape_ok(t);
    if (lb_all_finite(x)) return true;
    int64_t k = x->shape[x->rank - 1], rows = lb_numel(x) / k;
    for (int64_t r = 0; r < rows; r++) {
        bool finite = false;
        if (mask && lb_get_at(mask, r) == 0) continue;
        for (int64_t i = 0; i < k; i++) {
            double v = lb_get_at(x, r * k + i);
            if (isnan(v) || v == INFINITY) return lb_check(t, false, "%s: row %lld holds %g at a kept position", name, (long long)r, v);
            finite = finite || v > -INFINITY;
        }
        if (!finite) return lb_check(t, false, "%s: row %lld holds only -inf at a kept position", name, (long long)r);
    }
    return true;
}

/* ---- constants ---- */

lb_tensor *lb_part_constant(lb_tape *t, int rank, const int64_t *shape, const double *values) { return lb_input(t, LB_REAL, rank, shape, values, LB_F64); }

lb_tensor *lb_part_indices(lb_tape *t, int rank, const int64_t *shape, const int64_t *values) { return lb_input(t, LB_I64, rank, shape, values, LB_I64); }

lb_tensor *lb_part_fill(lb_tape *t, int rank, const int64_t *shape, double (*value)(const void *ctx, int64_t i), const void *ctx) {
    int64_t n = 1;
    for (int d = 0; d < rank; d++) n *= shape[d];
    double *x = lb_calloc((size_t)n + 1, sizeof *x);
    if (!x) return lb_tape_fail_status(t, LB_E_NOMEM);
    for (int64_t i = 0; i < n && !lb_part_shapes_only(t); i++) x[i] = value(ctx, i);
    lb_tensor *out = lb_part_constant(t, rank, shape, x);
    lb_free(x);
    return out;
}

bool lb_part_shapes_only(const lb_tape *t) { return lb_tape_get_mode(t) == LB_TAPE_SHAPES; }

/* ---- losses ---- */

lb_tensor *lb_part_ce(lb_tape *t, lb_tensor *logits, lb_tensor *labels) { return lb_cross_entropy(t, logits, labels, NULL, 1, INT64_MIN, 0, LB_MEAN); }

lb_tensor *lb_part_kd(lb_tape *t, lb_tensor *student, lb_tensor *teacher, double temperature) {
    return lb_scale(t, lb_divergence(t, student, lb_detach(t, teacher), NULL, LB_KL_FORWARD, temperature, 0, -1, LB_MEAN), temperature * temperature);
}

lb_tensor *lb_part_relation(lb_tape *t, lb_tensor *x, int64_t heads) {
    int64_t b = x->shape[0], n = x->shape[1], w = x->shape[2] / heads;
    lb_tensor *y = lb_reshape(t, lb_slice(t, x, 2, 0, heads * w, 1), 4, (int64_t[]){b, n, heads, w});
    y = lb_permute(t, y, (const int[]){0, 2, 1, 3});
    return lb_scale(t, lb_matmul(t, y, y, false, true), 1 / sqrt((double)w));
}

lb_tensor *lb_part_relation_mse(lb_tape *t, lb_tensor *student, lb_tensor *teacher, lb_tensor *mask, int64_t heads) {
    lb_tensor *gap = lb_square(t, lb_sub(t, lb_part_relation(t, student, heads), lb_detach(t, lb_part_relation(t, lb_detach(t, teacher), heads))));
    if (!mask) return lb_mean_all(t, gap);
    int64_t b = mask->shape[0], n = mask->shape[1];
    lb_tensor *pairs = lb_mul(t, lb_reshape(t, mask, 4, (int64_t[]){b, 1, n, 1}), lb_reshape(t, mask, 4, (int64_t[]){b, 1, 1, n}));
    return lb_part_weighted_mean(t, gap, lb_expand(t, lb_detach(t, pairs), 4, (int64_t[]){b, heads, n, n}));
}

lb_tensor *lb_part_relation_kl(lb_tape *t, lb_tensor *student, lb_tensor *teacher, lb_tensor *mask, int64_t heads) {
    int64_t b = mask->shape[0], n = mask->shape[1];
    mask = lb_detach(t, mask);
    lb_tensor *keys = lb_reshape(t, lb_scale(t, lb_add_scalar(t, lb_neg(t, mask), 1), -1e4), 4, (int64_t[]){b, 1, 1, n});
    lb_tensor *rows = lb_expand(t, lb_reshape(t, mask, 3, (int64_t[]){b, 1, n}), 3, (int64_t[]){b, heads, n});
    lb_tensor *s = lb_log_softmax(t, lb_add(t, lb_part_relation(t, student, heads), keys), -1);
    lb_tensor *z = lb_detach(t, lb_log_softmax(t, lb_add(t, lb_part_relation(t, lb_detach(t, teacher), heads), keys), -1));
    return lb_part_weighted_mean(t, lb_sum(t, lb_mul(t, lb_exp(t, z), lb_sub(t, z, s)), -1, false), rows);
}

lb_tensor *lb_part_reduce(lb_tape *t, lb_tensor *rows, bool sum) { return sum ? lb_scale(t, lb_mean_all(t, rows), (double)lb_numel(rows)) : lb_mean_all(t, rows); }

/* ---- federations ---- */

static int by_number(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int64_t lb_part_participants(int64_t *order, int64_t clients, double ratio) {
    int64_t n = (int64_t)floor(ratio * (double)clients + 1e-9);
    if (n < 1) n = 1;
    qsort(order, (size_t)n, sizeof *order, by_number);
    return n;
}
