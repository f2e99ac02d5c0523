/* SPDX-License-Identifier: Apache-2.0 */
/* Singular values: x [...,M,N] = u diag(s) vh, K = min(M,N), s descending; the largest component of each column of u is positive.
 * With F_ij = 1 / (s_j^2 - s_i^2), 0 on the diagonal and where they are equal, J = F o (u^T gu), K = F o (vh gvh^T):
 *   dx = u ((J + J^T) S + S (K + K^T) + diag(gs)) vh + (I - u u^T) gu S^-1 vh + u S^-1 gvh (I - vh^T vh)
 * (Townsend, Differentiating the singular value decomposition, 2016). Zero singular values count as having no inverse. */
#include "tensor/linalg.h"

static bool shape(lb_call *c) {
    lbi_matrices a = lbi_matrices_of(c->in[0]);
    int64_t k = a.m < a.n ? a.m : a.n;
    lbi_batch_shape(c->out[0], c->in[0], 2, (int64_t[]){a.m, k});
    lbi_batch_shape(c->out[1], c->in[0], 1, &k);
    lbi_batch_shape(c->out[2], c->in[0], 2, (int64_t[]){k, a.n});
    return lbi_fits_lapack(c, c->in[0]);
}

static void forward(lb_call *c) {
    lbi_matrices a = lbi_matrices_of(c->in[0]);
    int64_t k = a.m < a.n ? a.m : a.n;
    void *work = lb_scratch(c, lbi_linalg_work(a.m, a.n));
    for (int64_t i = 0; work && i < a.count; i++)
        if (!lbi_svd(a.m, a.n, lbi_matrix(c->in[0], i), lbi_matrix(c->out[0], i), lb_r(c->out[1]) + i * k, lbi_matrix(c->out[2], i), work)) {
            lb_tape_fail(c->tape, LB_E_NUMERIC, "no singular values of matrix %lld: it holds NaN or infinity", (long long)i);
            return;
        }
}

/* m_ij = (b_ij + b_ji), b = F o p, and its product with the singular values on the side given. */
static void add_turning(lb_real *to, const lb_real *p, const lb_real *s, int64_t k, bool right) {
    for (int64_t i = 0; i < k; i++)
        for (int64_t j = 0; j < k; j++) {
            lb_real gap = s[j] * s[j] - s[i] * s[i];
            if (i != j && gap != 0) to[i * k + j] += (p[i * k + j] - p[j * k + i]) / gap * (right ? s[j] : s[i]);
        }
}

/* One matrix; work: three [k,k], one [m,k], one [k,n]. */
static void backward_one(int64_t m, int64_t n, int64_t k, const lb_real *u, const lb_real *s, const lb_real *vt, const lb_real *gu, const lb_real *gs, const lb_real *gvt, lb_real *gx, lb_real *work) {
    lb_real *inner = work, *p = inner + k * k, *left = p + k * k, *right = left + m * k;
    for (int64_t i = 0; i < k * k; i++) inner[i] = i % (k + 1) == 0 && gs ? gs[i / (k + 1)] : 0;
    if (gu) {
        lbi_multiply(true, false, k, k, m, u, gu, 0, p);
        add_turning(inner, p, s, k, true);
        for (int64_t i = 0; i < m * k; i++) left[i] = gu[i];
        for (int64_t i = 0; i < k * k; i++) p[i] = -p[i];
        lbi_multiply(false, false, m, k, k, u, p, 1, left);
        for (int64_t i = 0; i < m * k; i++) left[i] = s[i % k] != 0 ? left[i] / s[i % k] : 0;
        if (m > k) lbi_multiply(false, false, m, n, k, left, vt, 1, gx);
    }
    if (gvt) {
        lbi_multiply(false, true, k, k, n, vt, gvt, 0, p);
        add_turning(inner, p, s, k, false);
        for (int64_t i = 0; i < k * n; i++) right[i] = gvt[i];
        for (int64_t i = 0; i < k * k; i++) p[i] = -p[i];
        lbi_multiply(true, false, k, n, k, p, vt, 1, right); /* gvh (I - vh^T vh) */
        for (int64_t i = 0; i < k * n; i++) right[i] = s[i / n] != 0 ? right[i] / s[i / n] : 0;
        if (n > k) lbi_multiply(false, false, m, n, k, u, right, 1, gx);
    }
    lbi_multiply(false, false, m, k, k, u, inner, 0, left);
    lbi_multiply(false, false, m, n, k, left, vt, 1, gx);
}

static void backward(lb_call *c) {
    lbi_matrices a = lbi_matrices_of(c->in[0]);
    int64_t k = a.m < a.n ? a.m : a.n;
    lb_real *work = lbi_numbers(c, 2 * k * k + (a.m + a.n) * k);
    for (int64_t i = 0; c->gin[0] && work && i < a.count; i++)
        backward_one(a.m, a.n, k, lbi_matrix(c->out[0], i), lb_r(c->out[1]) + i * k, lbi_matrix(c->out[2], i), c->gout[0] ? lbi_matrix(c->gout[0], i) : NULL,
                     c->gout[1] ? lb_r(c->gout[1]) + i * k : NULL, c->gout[2] ? lbi_matrix(c->gout[2], i) : NULL, lbi_matrix(c->gin[0], i), work);
}

static const lb_op_case cases[] = {
    {.name = "square", .rank = {2}, .shape = {{4, 4}}, .fill = lbi_fill_apart},
    {.name = "tall batch", .rank = {3}, .shape = {{2, 8, 4}}, .fill = lbi_fill_apart},
    {.name = "wide", .rank = {2}, .shape = {{2, 4}}, .fill = lbi_fill_apart},
    {.name = "number", .rank = {2}, .shape = {{1, 1}}},
    {.name = "empty", .rank = {3}, .shape = {{0, 4, 4}}},
};

LB_OP(svd) = {.id = "svd", .title = "singular value decomposition", .source = "torch.linalg.svd; LAPACK gesdd", .sig = "x[...,M,N] -> u s vh", .results = 3, .math = "x = u diag(s) vh",
              .reads = LB_READS_IN(0) | LB_READS_OUT(0) | LB_READS_OUT(1) | LB_READS_OUT(2), .shape = shape, .forward = forward, .backward = backward, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_svd(lb_tape *t, lb_tensor *x, lb_tensor **s, lb_tensor **vh) {
    lb_tensor *out[3];
    lb_apply_n(t, &lb_op_svd, NULL, 0, 1, &x, 3, out);
    if (s) *s = out[1];
    if (vh) *vh = out[2];
    return out[0];
}
