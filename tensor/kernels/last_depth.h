/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise convolutions of pictures with channels last, some pixels at a time, from rows wherever they lie. Float. Private to tensor/kernels. */
#ifndef LB_TENSOR_KERNELS_LAST_DEPTH_H
#define LB_TENSOR_KERNELS_LAST_DEPTH_H
#include "tensor/kernels/last_kernel.h"
#ifndef LB_DOUBLE

typedef struct lbi_last_depth_plan {
    const lbi_last_kernel *k;
    const lbi_conv *p;
    int64_t step; /* output pixels of a row that are best done together */
    lbi_last_strip strip;
} lbi_last_depth_plan;

/** act: one that lbi_last_in_tile knows. p must outlive it; k is NULL where this CPU has no kernels, and nothing below may be called then. */
lbi_last_depth_plan lbi_last_depth_plan_of(const lbi_conv *p, lb_act act);
/** Numbers of work memory that the packed kernels take. */
size_t lbi_last_depth_work(const lbi_last_depth_plan *d);
/** Packs kernels [C,1,kh,kw], times scale, and the shift; either may be NULL. work must outlive the plan's use. */
void lbi_last_depth_pack(lbi_last_depth_plan *d, const float *w, const float *scale, const float *shift, float *work);
/** Output pixels x .. x + n - 1 of row y, n up to d->step, side by side; with `rounded`, where the CPU has bf16, there in its place, c rounded up to LBI_BF16_DEPTH numbers apart with 0 between. rows[u]: the
 *  input row that row u of the kernel sees, [w][channels]; not looked at where it is outside. */
void lbi_last_depth_pixels(const lbi_last_depth_plan *d, const float *const *rows, int64_t y, int64_t x, int64_t n, float *to, uint16_t *rounded);

#endif
#endif
