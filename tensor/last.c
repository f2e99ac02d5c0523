/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/last.h"
#include "tensor/parts.h"

bool lbi_is_last(const lb_tensor *x) {
    if (x->rank != 4 || x->dtype != LB_REAL || lb_is_contiguous(x)) return false;
    lb_tensor like = *x;
    lbi_layout_last(&like);
    for (int i = 0; i < 4; i++)
        if (x->shape[i] != 1 && x->stride[i] != like.stride[i]) return false;
    return true;
}

void lbi_layout_last(lb_tensor *x) {
    x->stride[1] = 1;
    x->stride[3] = x->shape[1];
    x->stride[2] = x->stride[3] * x->shape[3];
    x->stride[0] = x->stride[2] * x->shape[2];
}

lb_tensor lbi_pixels_of(const lb_tensor *x) {
    static const int order[] = {0, 2, 3, 1};
    lb_tensor y = *x;
    for (int i = 0; i < 4; i++) {
        y.shape[i] = x->shape[order[i]];
        y.stride[i] = x->stride[order[i]];
    }
    return y;
}

bool lbi_keeps_last(const lb_call *c) { return lbi_is_last(c->in[0]); }
bool lbi_runs_last(const lb_call *c) { return lb_tape_get_mode(c->tape) == LB_TAPE_NO_GRAD && lbi_is_last(c->in[0]); }

bool lbi_joins_last(const lb_call *c) {
    bool some = false;
    if (lb_tape_get_mode(c->tape) != LB_TAPE_NO_GRAD) return false;
    for (int i = 0; i < c->nin; i++) {
        const lb_tensor *x = c->in[i];
        if (!x) continue;
        bool last = lbi_is_last(x);
        some = some || last;
        if (x->dtype != LB_REAL || (!last && x->rank == 4 && x->shape[2] * x->shape[3] != 1) || (x->rank != 4 && lb_numel(x) != 1)) return false;
    }
    return some;
}

const lb_real *lbi_channels_last(lb_call *c, const lb_tensor *x) {
    bool lies = lbi_is_last(x) || x->shape[1] == 1 || x->shape[2] * x->shape[3] == 1;
    lb_real *copy = lies ? NULL : lb_scratch(c, (size_t)lb_numel(x) * sizeof *copy);
    lb_tensor from = lbi_pixels_of(x);
    if (copy) lbi_gather_strided(copy, &from);
    return lies ? lb_r(x) : copy;
}
