/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/rounded.h"
#include "base/cpu.h"
#include "tensor/kernels/gemm_bf16_block.h"
#include "tensor/parts.h"

enum { STEP = 32 }; /* numbers of k that products read at a time */

bool lbi_rounds(const lb_tape *t, int64_t width) {
#ifdef LB_DOUBLE
    return false;
#else
    return t->precision == LB_PRECISION_BF16 && lbi_cpu() == LBI_CPU_BF16 && t->mode == LB_TAPE_NO_GRAD && !t->training && !t->seen && !t->check_nan && width > 0 && width % STEP == 0;
#endif
}

bool lbi_is_rounded(const lb_tape *t, const lb_tensor *x) { return x->dtype == LB_BF16 && x->rank > 0 && lbi_rounds(t, x->shape[x->rank - 1]) && lb_is_contiguous(x); }

#if defined LB_DOUBLE || !defined __x86_64__
void lbi_round_to(lb_tensor *x, int64_t at, const lb_real *from, int64_t n) {}
#else
void lbi_round_to(lb_tensor *x, int64_t at, const lb_real *from, int64_t n) { lbi_bf16_round((uint16_t *)x->data + at, from, n); }
#endif
