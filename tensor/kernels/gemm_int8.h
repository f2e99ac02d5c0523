/* SPDX-License-Identifier: Apache-2.0 */
/* Products of numbers rounded to 8 bits, summed in 32: C = act(A W^T + bias). Each row of W has a scale (its largest magnitude is 127), each row of A a scale and
 * a zero, so that 0..255 are all it needs, from its least number or 0 to its largest or 0 (Jacob et al., arXiv:1712.05877, section 2.1): what GELU gives is
 * hardly negative. Nearest, ties to even. Sums are exact, so all levels give the same bits up to the scaling of a sum. A row of A with a NaN or an infinity
 * gives NaN. Float. Private to tensor/kernels. */
#ifndef LB_TENSOR_KERNELS_GEMM_INT8_H
#define LB_TENSOR_KERNELS_GEMM_INT8_H
#include "tensor/kernels/gemm.h"
#include "tensor/kernels/gemm_kernel.h"
#ifndef LB_DOUBLE

/* Operands are packed in lanes of 32 bits, `depth` numbers along k each: four of 8 bits where the processor multiplies those; else two of 16. */
typedef struct lbi_int8_kernel {
    const char *name;
    int mr, nr, depth;
    bool (*usable)(void);
    /* rows <= mr, cols <= nr of C from `lanes` columns of the panels, less zero[i] sums[j], scaled. Of end all but beta. */
    void (*tile)(int64_t lanes, const uint32_t *a, const uint32_t *b, const int32_t *zero, const int32_t *sums, const float *col_scale, float *c, int64_t ldc,
                 int rows, int cols, const lbi_tile_end *end);
    void (*across)(float *to, int width, const float *from, int64_t ld, int count, int64_t k);
} lbi_int8_kernel;

extern const lbi_int8_kernel lbi_int8_avx2, lbi_int8_avxvnni, lbi_int8_avx512vnni;
enum { LBI_INT8_KERNELS = 3 };
/** All, for tests; NULL where the program is not made for this processor. */
extern const lbi_int8_kernel *const lbi_int8_kernels[LBI_INT8_KERNELS];
/** That of this processor and LB_CPU; NULL = the plain loops. */
const lbi_int8_kernel *lbi_int8_kernel_now(void);

/** Bytes of W [n,k] rounded and packed; 0: k is too long for 32 bits. */
size_t lbi_int8_packed_size(const lbi_int8_kernel *g, int64_t n, int64_t k);
/** to: 64-byte aligned. On several threads. @return false without memory */
bool lbi_int8_pack(const lbi_int8_kernel *g, void *to, const float *w, int64_t n, int64_t k);
/** C [m,n] from A [m,k] and packed W. end: bias of columns, addition, activation. @return false without memory */
bool lbi_int8_product(const lbi_int8_kernel *g, int64_t m, int64_t n, int64_t k, const float *a, const void *packed, const lbi_gemm_end *end, float *c, int64_t ldc);
/** The definition, by plain loops. */
void lbi_int8_ref(int64_t m, int64_t n, int64_t k, const float *a, const float *w, const lbi_gemm_end *end, float *c, int64_t ldc);

#endif
#endif
