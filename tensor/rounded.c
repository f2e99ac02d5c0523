/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/rounded.h"
#include "base/cpu.h"
#include "tensor/hold.h"
#include "tensor/kernels/gemm_bf16_block.h"
#include "tensor/loops.h"
#include "tensor/op.h"
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

typedef struct rounding {
    lb_tensor *to;
    const lb_tensor *from;
    int64_t width;
} rounding;

static void round_rows(const void *ctx, int64_t first, int64_t last) {
    const rounding *r = ctx;
    lbi_round_to(r->to, first * r->width, lb_r(r->from) + first * r->width, (last - first) * r->width);
}

lb_tensor *lbi_rounded(lb_tape *t, lb_tensor *x) {
    int64_t width = x->rank > 0 ? x->shape[x->rank - 1] : 0;
    if (!lb_tape_ok(t) || x->dtype != LB_REAL || !x->data || !lbi_rounds(t, width) || !lb_is_contiguous(x)) return x;
    const rounding r = {lb_hold(t, LB_BF16, x->rank, x->shape), x, width};
    if (lb_tape_ok(t)) lbi_split(lb_numel(x) / width, width, round_rows, &r);
    return r.to;
}
