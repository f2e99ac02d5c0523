/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/codebook.h"
#include <math.h>
#include <string.h>

lb_tensor *lb_nearest_code(lb_tape *t, lb_tensor *x, lb_tensor *codes, bool cosine) {
    x = lb_detach(t, x);
    codes = lb_detach(t, codes);
    if (cosine) {
        x = lb_normalize(t, x, 1e-12);
        codes = lb_normalize(t, codes, 1e-12);
    }
    lb_tensor *index = lb_nearest_rows(t, x, codes, 1, true, NULL);
    return lb_reshape(t, index, 1, (int64_t[]){-1});
}

lb_quantised lb_vector_quantise(lb_tape *t, lb_tensor *x, lb_tensor *codes, bool cosine) {
    lb_quantised q = {.index = lb_nearest_code(t, x, codes, cosine)};
    lb_tensor *code = lb_index_select(t, codes, q.index);
    q.x = lb_add(t, x, lb_detach(t, lb_sub(t, code, x)));
    q.commitment = lb_mse(t, x, lb_detach(t, code), LB_MEAN);
    q.codebook = lb_mse(t, code, lb_detach(t, x), LB_MEAN);
    return q;
}

lb_quantised lb_residual_quantise(lb_tape *t, lb_tensor *x, int levels, lb_tensor *const *codes) {
    lb_quantised q = {0};
    lb_tensor *rest = x, *total = NULL;
    if (levels < 1) {
        q.x = q.index = q.commitment = q.codebook = lb_tape_fail(t, LB_E_ARG, "residual quantisation with %d levels", levels);
        return q;
    }
    for (int l = 0; l < levels; l++) {
        lb_quantised one = lb_vector_quantise(t, rest, codes[l], false);
        lb_tensor *code = lb_detach(t, lb_index_select(t, codes[l], one.index)), *row = lb_reshape(t, one.index, 2, (int64_t[]){1, -1});
        rest = lb_sub(t, rest, code);
        total = total ? lb_add(t, total, code) : code;
        q.index = l ? lb_concat(t, 2, (lb_tensor *[]){q.index, row}, 0) : row;
        q.commitment = l ? lb_add(t, q.commitment, one.commitment) : one.commitment;
        q.codebook = l ? lb_add(t, q.codebook, one.codebook) : one.codebook;
    }
    q.x = lb_add(t, x, lb_detach(t, lb_sub(t, total, x)));
    return q;
}

/* ---- moving averages ---- */

/* Length of n numbers, at least 1e-12. */
static double length(const double *x, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += x[i] * x[i];
    return fmax(sqrt(sum), 1e-12);
}

/* sum [K,D] of rows by code, of rows at length 1 with cosine, and how many. */
static void gather(double *sum, double *count, const lb_tensor *x, const int64_t *index, bool cosine) {
    int64_t n = x->shape[0], d = x->shape[1];
    for (int64_t i = 0; i < n; i++) {
        double square = 0;
        for (int64_t k = 0; k < d; k++) square += lb_get_at(x, i * d + k) * lb_get_at(x, i * d + k);
        double by = cosine ? 1 / fmax(sqrt(square), 1e-12) : 1;
        for (int64_t k = 0; k < d; k++) sum[index[i] * d + k] += by * lb_get_at(x, i * d + k);
        count[index[i]]++;
    }
}

/* Directions move towards the mean direction of their rows; one without rows towards itself at length 1. */
static void turn(lb_real *code, double *sum, const double *count, int64_t k, int64_t d, double decay) {
    for (int64_t i = 0; i < k; i++) {
        double *row = sum + i * d;
        for (int64_t e = 0; e < d; e++) row[e] = count[i] > 0 ? row[e] / count[i] : (double)code[i * d + e];
        double by = 1 / length(row, d);
        for (int64_t e = 0; e < d; e++) code[i * d + e] = (lb_real)(decay * (double)code[i * d + e] + (1 - decay) * by * row[e]);
    }
}

lb_status lb_codebook_update(lb_tensor *codes, lb_tensor *size, lb_tensor *sum, const lb_tensor *x, const lb_tensor *index, bool cosine, double decay, double eps) {
    int64_t k = codes->shape[0], d = codes->shape[1], n = x->shape[0];
    lb_real *code = codes->data, *sizes = size->data;
    if (x->rank != 2 || x->shape[1] != d || lb_numel(index) != n || lb_numel(size) != k || (!cosine && (!sum || !lb_same_shape(sum, codes))))
        return lb_fail(LB_E_SHAPE, "codebook of %lld x %lld: rows, indices, sizes or sums do not fit", (long long)k, (long long)d);
    for (int64_t i = 0; i < n; i++)
        if (lb_get_at(index, i) < 0 || lb_get_at(index, i) >= (double)k) return lb_fail(LB_E_ARG, "codebook: index %g is outside 0..%lld", lb_get_at(index, i), (long long)k - 1);
    double *work = lb_calloc((size_t)(k * d + k + 1), sizeof *work), *count = work ? work + k * d : NULL, all = 0;
    if (!work) return LB_E_NOMEM;
    gather(work, count, x, index->data, cosine);
    for (int64_t i = 0; i < k; i++) {
        sizes[i] = (lb_real)(decay * (double)sizes[i] + (1 - decay) * count[i]);
        all += (double)sizes[i];
    }
    if (cosine) turn(code, work, count, k, d, decay);
    for (int64_t i = 0; !cosine && i < k * d; i++) {
        lb_real *s = (lb_real *)sum->data + i;
        *s = (lb_real)(decay * (double)*s + (1 - decay) * work[i]);
        code[i] = (lb_real)((double)*s / (((double)sizes[i / d] + eps) / (all + (double)k * eps) * all));
    }
    lb_free(work);
    return LB_OK;
}
