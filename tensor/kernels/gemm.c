/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/kernels/gemm.h"
#include <cblas.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static bool use_ref;
static void choose(void) {
    const char *level = getenv("LB_CPU");
    use_ref = level && strcmp(level, "ref") == 0;
}

void lbi_gemm_ref(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const lb_real *a, int64_t lda, const lb_real *b, int64_t ldb, lb_real beta, lb_real *c, int64_t ldc) {
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = beta == 0 ? 0 : (double)beta * (double)c[i * ldc + j];
            for (int64_t p = 0; p < k; p++) sum += (double)(trans_a ? a[p * lda + i] : a[i * lda + p]) * (double)(trans_b ? b[j * ldb + p] : b[p * ldb + j]);
            c[i * ldc + j] = (lb_real)sum;
        }
}

void lbi_gemm(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const lb_real *a, int64_t lda, const lb_real *b, int64_t ldb, lb_real beta, lb_real *c, int64_t ldc) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, choose);
    if (m == 0 || n == 0) return;
    if (k == 0 || use_ref) {
        lbi_gemm_ref(trans_a, trans_b, m, n, k, a, lda, b, ldb, beta, c, ldc);
        return;
    }
#ifdef LB_DOUBLE
    cblas_dgemm
#else
    cblas_sgemm
#endif
        (CblasRowMajor, trans_a ? CblasTrans : CblasNoTrans, trans_b ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)k, 1, a, (int)lda, b, (int)ldb, beta, c, (int)ldc);
}
