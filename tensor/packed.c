/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/packed.h"
#include "tensor/forms.h"
#include "tensor/kernels/gemm_bf16.h"
#include "tensor/kernels/gemm_int8.h"
#include "tensor/op.h"

#ifdef LB_DOUBLE
const void *lbi_packed(const lb_tensor *w, int64_t rows, int64_t n, int64_t k, lb_precision precision) { return NULL; }
#else
enum { MOST_F32 = 16 << 20 }; /* bytes: packing costs 22 (1 / m + 1 / n) of a product with m rows */

static size_t bytes_of(int64_t rows, int64_t n, int64_t k, lb_precision precision) {
    const lbi_int8_kernel *g = lbi_int8_kernel_now();
    switch (precision) {
    case LB_PRECISION_INT8: return g ? lbi_int8_packed_size(g, n, k) : 0;
    case LB_PRECISION_BF16: return lbi_bf16_packed_size(n, k);
    case LB_PRECISION_F32: return (size_t)(n * k) * sizeof(float) <= MOST_F32 && !lbi_gemm_in_parts(rows, n, k) ? lbi_gemm_packed_size(n, k) : 0;
    }
    return 0;
}

static bool pack(void *to, const float *w, int64_t n, int64_t k, lb_precision precision) {
    if (precision == LB_PRECISION_INT8) return lbi_int8_pack(lbi_int8_kernel_now(), to, w, n, k);
    if (precision == LB_PRECISION_BF16) lbi_bf16_pack(to, w, n, k);
    else lbi_gemm_pack(to, w, n, k);
    return true;
}

const void *lbi_packed(const lb_tensor *w, int64_t rows, int64_t n, int64_t k, lb_precision precision) {
    static const lbi_form_kind kinds[] = {[LB_PRECISION_F32] = LBI_FORM_F32, [LB_PRECISION_BF16] = LBI_FORM_BF16, [LB_PRECISION_INT8] = LBI_FORM_INT8};
    size_t bytes = w->fixed && n > 0 && k > 0 ? bytes_of(rows, n, k, precision) : 0;
    if (bytes == 0) return NULL;
    void *had = lbi_form_find(w, kinds[precision], 0);
    if (had) return had;
    void *made = lb_alloc_aligned(bytes);
    if (!made || !pack(made, lb_r(w), n, k, precision)) {
        lb_error_clear(); /* it goes without */
        lb_free(made);
        made = NULL;
    }
    return lbi_form_keep(w, kinds[precision], 0, made);
}
#endif
