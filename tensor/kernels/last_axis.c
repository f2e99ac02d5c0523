/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/kernels/last_axis.h"
#include "tensor/kernels/counts.h"
#ifndef LB_DOUBLE

/* Pixels after a picture that are margin of this one and of the next: the next one begins so much earlier. */
static int64_t shared(const lbi_axis *a) {
    for (int64_t share = a->reach; share > 0; share--) {
        bool empty = true;
        for (int64_t phase = 0; phase < a->phases && empty; phase++)
            for (int64_t i = 0; i < share; i++) empty = empty && i * a->step + phase < a->before && (a->n + a->reach - share + i) * a->step + phase - a->before >= a->size;
        if (empty) return share;
    }
    return 0;
}

lbi_axis lbi_axis_of(int64_t n, int64_t size, int64_t kernel, int64_t stride, int64_t apart, int64_t before, bool split) {
    lbi_axis a = {n, size, kernel, stride, apart, before, split ? lbi_least(stride, (kernel - 1) * apart + 1) : 1, split ? stride : 1, 0, 0};
    a.reach = split ? (kernel - 1) * apart / stride : (n - 1) * stride + (kernel - 1) * apart + 1 - n;
    a.pitch = n + a.reach - shared(&a);
    return a;
}

int64_t lbi_axis_inside(const lbi_axis *a, int64_t phase, int64_t *end, int64_t *from) {
    int64_t first = a->before > phase ? lbi_over(a->before - phase, a->step) : 0;
    *end = lbi_least(a->pitch, lbi_over(a->size + a->before - phase, a->step));
    if (*end < first) first = *end = lbi_least(first, a->pitch);
    *from = first * a->step + phase - a->before;
    return first;
}
#endif
