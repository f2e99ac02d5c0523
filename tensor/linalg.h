/* SPDX-License-Identifier: Apache-2.0 */
/* Dense linear algebra on row-major matrices, through LAPACK and BLAS, one matrix at a time; and what its ops share. An op takes [...,rows,columns]
 * and calls these for each matrix of the batch. Sizes up to 32767. Private to tensor/. */
#ifndef LB_TENSOR_LINALG_H
#define LB_TENSOR_LINALG_H
#include "tensor/op.h"
#include "tensor/ops.h"
LB_BEGIN

/* ---- one matrix ---- */

/* Bytes of scratch that a call below may use for matrices of up to m x n. */
size_t lbi_linalg_work(int64_t m, int64_t n);

/* a = v diag(w) v^T, w ascending, vectors in the columns of v; of a [n,n] the mean of it and its transpose counts. In each vector the component of largest
 * size is positive (the first of equals). False when it did not converge (NaN, infinity). */
bool lbi_eigh(int64_t n, const lb_real *a, lb_real *w, lb_real *v, void *work);
/* a [m,n] = u diag(s) v^T, k = min(m,n): u [m,k], s descending, vt [k,n]; signs as above, by u. */
bool lbi_svd(int64_t m, int64_t n, const lb_real *a, lb_real *u, lb_real *s, lb_real *vt, void *work);
/* Lower l with l l^T = mean of a and its transpose; zeros above. False when that is not positive definite. */
bool lbi_cholesky(int64_t n, const lb_real *a, lb_real *l);
/* Factors a in place; pivot [n]. False when it is singular. */
bool lbi_lu(int64_t n, lb_real *a, int *pivot);
/* y [n,k] = a^-1 x, or a^-T x, from the factors. */
void lbi_lu_solve(int64_t n, int64_t k, const lb_real *lu, const int *pivot, const lb_real *x, lb_real *y, bool transposed, void *work);
/* y = a^-1. False when a is singular. */
bool lbi_inverse(int64_t n, const lb_real *a, lb_real *y, void *work);
/* log |det| and sign from the factors; -inf and 0 when singular. */
double lbi_log_det(int64_t n, const lb_real *lu, const int *pivot, double *sign);
/* x [n,k] = t^-1 x in place, t lower or upper; transposed: t^-T. The other triangle is not read. */
void lbi_triangular(int64_t n, int64_t k, const lb_real *t, bool upper, bool transposed, lb_real *x);
/* a [m,n], m >= n: q [m,n] with orthonormal columns, r [n,n] upper with a diagonal that is not negative. */
void lbi_qr(int64_t m, int64_t n, const lb_real *a, lb_real *q, lb_real *r, void *work);

/* ---- of the ops ---- */

typedef struct lbi_matrices {
    int64_t count, m, n; /* of the batch, [m,n] each */
} lbi_matrices;
lbi_matrices lbi_matrices_of(const lb_tensor *x);
static inline lb_real *lbi_matrix(const lb_tensor *x, int64_t i) {
    int64_t size = x->rank >= 2 ? x->shape[x->rank - 1] * x->shape[x->rank - 2] : 0;
    return lb_r(x) + i * size;
}
/* Batch shape of x followed by `last` (0 to 2 sizes). */
void lbi_batch_shape(lb_tensor *y, const lb_tensor *x, int count, const int64_t *last);
/* The shape of an op from square matrices to such; checks their size. */
bool lbi_square_shape(lb_call *c);
/* Fails the tape when a matrix is larger than LAPACK's integers allow. */
bool lbi_fits_lapack(lb_call *c, const lb_tensor *x);
/* Fails the tape when a matrix of x holds NaN or an infinity: kernels of LAPACK lose them, or not, by size and machine. */
bool lbi_finite_matrices(lb_call *c, const lb_tensor *x);
/* Scratch for numbers; NULL when the tape has failed. */
lb_real *lbi_numbers(lb_call *c, int64_t n);
/* c = a b (transposed where said) + beta c; sizes of the product. */
void lbi_multiply(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const lb_real *a, const lb_real *b, lb_real beta, lb_real *c);
/* to += (g + g^T) / 2 */
void lbi_add_symmetric(lb_real *to, const lb_real *g, int64_t n);
/* Case inputs of 4 x 4 matrices: apart on the diagonal, so that eigenvalues lie apart and systems are well conditioned. */
void lbi_fill_apart(void *const *data, const int64_t *numel);

LB_END
#endif
