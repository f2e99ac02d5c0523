/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/linalg.h"
#include <cblas.h>
#include <math.h>
#include <string.h>
#include "tensor/kernels/gemm.h"

/* The Fortran symbols of LAPACK for the maths type. Hidden lengths of texts are 1 and come last. */
#ifdef LB_DOUBLE
#define LAPACK(name) d##name##_
#define TRSM cblas_dtrsm
#else
#define LAPACK(name) s##name##_
#define TRSM cblas_strsm
#endif
void LAPACK(syevd)(const char *job, const char *half, const int *n, lb_real *a, const int *lda, lb_real *w, lb_real *work, const int *lwork, int *iwork, const int *liwork, int *info, size_t, size_t);
void LAPACK(gesdd)(const char *job, const int *m, const int *n, lb_real *a, const int *lda, lb_real *s, lb_real *u, const int *ldu, lb_real *vt,
                   const int *ldvt, lb_real *work, const int *lwork, int *iwork, int *info, size_t);
void LAPACK(potrf)(const char *half, const int *n, lb_real *a, const int *lda, int *info, size_t);
void LAPACK(getrf)(const int *m, const int *n, lb_real *a, const int *lda, int *pivot, int *info);
void LAPACK(getrs)(const char *trans, const int *n, const int *k, const lb_real *a, const int *lda, const int *pivot, lb_real *b, const int *ldb, int *info, size_t);
void LAPACK(getri)(const int *n, lb_real *a, const int *lda, const int *pivot, lb_real *work, const int *lwork, int *info);
void LAPACK(geqrf)(const int *m, const int *n, lb_real *a, const int *lda, lb_real *tau, lb_real *work, const int *lwork, int *info);
void LAPACK(orgqr)(const int *m, const int *n, const int *k, lb_real *a, const int *lda, const lb_real *tau, lb_real *work, const int *lwork, int *info);

enum { BLOCK = 64, MOST = 32767 };

/* ---- scratch: numbers, then integers ---- */

/* The largest wish is gesdd's: 4 k^2 + 7 k + max(m, n) numbers, 8 k integers; and a copy of the matrix. */
static int64_t work_numbers(int64_t m, int64_t n) {
    int64_t k = m < n ? m : n, most = m > n ? m : n;
    return m * n + 4 * k * k + (BLOCK + 7) * most + 64;
}

size_t lbi_linalg_work(int64_t m, int64_t n) { return (size_t)work_numbers(m, n) * sizeof(lb_real) + (size_t)(8 * (m < n ? m : n) + 64) * sizeof(int); }

typedef struct work {
    lb_real *copy, *x;
    int lx, *i, li;
} work;

static work work_of(void *memory, int64_t m, int64_t n) {
    int64_t k = m < n ? m : n, all = work_numbers(m, n);
    work w = {memory, (lb_real *)memory + m * n, (int)(all - m * n), (int *)(void *)((lb_real *)memory + all), (int)(8 * k + 64)};
    return w;
}

static void transpose(lb_real *to, const lb_real *from, int64_t m, int64_t n) {
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) to[j * m + i] = from[i * n + j];
}

static void halves(lb_real *to, const lb_real *a, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) to[i * n + j] = (lb_real)0.5 * (a[i * n + j] + a[j * n + i]);
}

/* -1 when the largest of n numbers, `step` apart, is negative. */
static lb_real sign_of(const lb_real *x, int64_t n, int64_t step) {
    lb_real most = 0, sign = 1;
    for (int64_t i = 0; i < n; i++) {
        lb_real a = x[i * step] < 0 ? -x[i * step] : x[i * step];
        if (a > most * (lb_real)(1 + 1e-4)) { /* nearly equal ones: the first, whatever the rounding */
            most = a;
            sign = x[i * step] < 0 ? -1 : 1;
        }
    }
    return sign;
}

/* ---- eigenvalues, singular values ---- */

/* LAPACK need not notice NaN and infinity, and may go on for ever. */
static bool all_finite(const lb_real *a, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(a[i])) return false;
    return true;
}

bool lbi_eigh(int64_t n, const lb_real *a, lb_real *w, lb_real *v, void *memory) {
    int size = (int)n, info = 0;
    if (n == 0) return true;
    /* syevd wishes 1 + 6 n + 2 n^2 numbers and 3 + 5 n integers: within the wishes of gesdd above. */
    work k = work_of(memory, n, n);
    halves(k.copy, a, n);
    if (!all_finite(k.copy, n * n)) return false;
    LAPACK(syevd)("V", "L", &size, k.copy, &size, w, k.x, &k.lx, k.i, &k.li, &info, 1, 1);
    if (info != 0) return false;
    for (int64_t j = 0; j < n; j++) {
        const lb_real *from = k.copy + j * n;
        lb_real s = sign_of(from, n, 1);
        for (int64_t i = 0; i < n; i++) v[i * n + j] = s * from[i];
    }
    return true;
}

bool lbi_svd(int64_t m, int64_t n, const lb_real *a, lb_real *u, lb_real *s, lb_real *vt, void *memory) {
    /* The memory of a row-major [m,n] is that of its transpose in Fortran's order: a^T = v s u^T. */
    int rows = (int)n, columns = (int)m, k = rows < columns ? rows : columns, info = 0;
    if (k == 0) return true;
    if (!all_finite(a, m * n)) return false;
    work w = work_of(memory, m, n);
    memcpy(w.copy, a, (size_t)(m * n) * sizeof *a);
    LAPACK(gesdd)("S", &rows, &columns, w.copy, &rows, s, vt, &rows, u, &k, w.x, &w.lx, w.i, &info, 1);
    if (info != 0) return false;
    for (int64_t j = 0; j < k; j++) {
        if (sign_of(u + j, m, k) > 0) continue;
        for (int64_t i = 0; i < m; i++) u[i * k + j] = -u[i * k + j];
        for (int64_t i = 0; i < n; i++) vt[j * n + i] = -vt[j * n + i];
    }
    return true;
}

/* ---- systems ---- */

bool lbi_cholesky(int64_t n, const lb_real *a, lb_real *l) {
    int size = (int)n, info = 0;
    if (n == 0) return true;
    halves(l, a, n);
    LAPACK(potrf)("U", &size, l, &size, &info, 1); /* Fortran's upper half is our lower one */
    if (info != 0) return false;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = i + 1; j < n; j++) l[i * n + j] = 0;
    return true;
}

bool lbi_lu(int64_t n, lb_real *a, int *pivot) {
    int size = (int)n, info = 0;
    if (n > 0) LAPACK(getrf)(&size, &size, a, &size, pivot, &info);
    return info == 0;
}

void lbi_lu_solve(int64_t n, int64_t k, const lb_real *lu, const int *pivot, const lb_real *x, lb_real *y, bool transposed, void *memory) {
    int size = (int)n, count = (int)k, info = 0;
    lb_real *turned = memory;
    if (n == 0 || k == 0) return;
    transpose(turned, x, n, k);
    LAPACK(getrs)(transposed ? "N" : "T", &size, &count, lu, &size, pivot, turned, &size, &info, 1);
    transpose(y, turned, k, n);
}

bool lbi_inverse(int64_t n, const lb_real *a, lb_real *y, void *memory) {
    work w = work_of(memory, n, n);
    int size = (int)n, info = 0;
    if (n == 0) return true;
    memcpy(y, a, (size_t)(n * n) * sizeof *y);
    if (!lbi_lu(n, y, w.i)) return false;
    LAPACK(getri)(&size, y, &size, w.i, w.x, &w.lx, &info);
    return info == 0;
}

double lbi_log_det(int64_t n, const lb_real *lu, const int *pivot, double *sign) {
    double sum = 0;
    *sign = 1;
    for (int64_t i = 0; i < n; i++) {
        double d = (double)lu[i * n + i];
        sum += log(fabs(d));
        if (d < 0) *sign = -*sign;
        if (pivot[i] != i + 1) *sign = -*sign;
        if (d == 0) {
            *sign = 0;
            return -(double)INFINITY;
        }
    }
    return sum;
}

void lbi_triangular(int64_t n, int64_t k, const lb_real *t, bool upper, bool transposed, lb_real *x) {
    if (n > 0 && k > 0) TRSM(CblasRowMajor, CblasLeft, upper ? CblasUpper : CblasLower, transposed ? CblasTrans : CblasNoTrans, CblasNonUnit, (int)n, (int)k, 1, t, (int)n, x, (int)k);
}

void lbi_qr(int64_t m, int64_t n, const lb_real *a, lb_real *q, lb_real *r, void *memory) {
    int rows = (int)m, columns = (int)n, info = 0, rest;
    if (n == 0) return;
    work w = work_of(memory, m, n);
    lb_real *tau = w.x;
    rest = w.lx - columns;
    transpose(w.copy, a, m, n);
    LAPACK(geqrf)(&rows, &columns, w.copy, &rows, tau, w.x + n, &rest, &info);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) r[i * n + j] = j >= i ? w.copy[j * m + i] : 0;
    LAPACK(orgqr)(&rows, &columns, &columns, w.copy, &rows, tau, w.x + n, &rest, &info);
    transpose(q, w.copy, n, m);
    for (int64_t i = 0; i < n; i++) {
        if (r[i * n + i] >= 0) continue;
        for (int64_t j = i; j < n; j++) r[i * n + j] = -r[i * n + j];
        for (int64_t j = 0; j < m; j++) q[j * n + i] = -q[j * n + i];
    }
}

/* ---- of the ops ---- */

lbi_matrices lbi_matrices_of(const lb_tensor *x) {
    lbi_matrices a = {1, x->shape[x->rank - 2], x->shape[x->rank - 1]};
    for (int i = 0; i < x->rank - 2; i++) a.count *= x->shape[i];
    return a;
}

void lbi_batch_shape(lb_tensor *y, const lb_tensor *x, int count, const int64_t *last) {
    y->dtype = LB_REAL;
    y->rank = x->rank - 2 + count;
    memcpy(y->shape, x->shape, sizeof x->shape);
    for (int i = 0; i < count; i++) y->shape[x->rank - 2 + i] = last[i];
}

bool lbi_fits_lapack(lb_call *c, const lb_tensor *x) {
    lbi_matrices a = lbi_matrices_of(x);
    if (a.m <= MOST && a.n <= MOST) return true;
    lb_tape_fail(c->tape, LB_E_SHAPE, "a matrix of %lld x %lld, at most %d each way", (long long)a.m, (long long)a.n, MOST);
    return false;
}

bool lbi_square_shape(lb_call *c) {
    lbi_matrices a = lbi_matrices_of(c->in[0]);
    lbi_batch_shape(c->out[0], c->in[0], 2, (int64_t[]){a.m, a.n});
    return lbi_fits_lapack(c, c->in[0]);
}

bool lbi_finite_matrices(lb_call *c, const lb_tensor *x) {
    lbi_matrices a = lbi_matrices_of(x);
    for (int64_t i = 0; i < a.count; i++)
        if (!all_finite(lbi_matrix(x, i), a.m * a.n)) {
            lb_tape_fail(c->tape, LB_E_NUMERIC, "matrix %lld holds NaN or infinity", (long long)i);
            return false;
        }
    return true;
}

lb_real *lbi_numbers(lb_call *c, int64_t n) { return lb_scratch(c, (size_t)(n + 1) * sizeof(lb_real)); }

void lbi_multiply(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const lb_real *a, const lb_real *b, lb_real beta, lb_real *c) {
    if (m == 0 || n == 0) return;
    lbi_gemm(ta, tb, m, n, k, a, ta ? m : k, b, tb ? k : n, beta, c, n);
}

void lbi_add_symmetric(lb_real *to, const lb_real *g, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) to[i * n + j] += (lb_real)0.5 * (g[i * n + j] + g[j * n + i]);
}

void lbi_fill_apart(void *const *data, const int64_t *numel) {
    lb_real *x = data[0];
    for (int64_t i = 0; i < numel[0]; i++) x[i] = i % 16 % 5 == 0 ? (lb_real)(2 * (i % 16 / 5 + 1)) + (lb_real)0.25 * x[i] : (lb_real)0.25 * x[i];
}
