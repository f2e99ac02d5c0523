/* SPDX-License-Identifier: Apache-2.0 */
/* y[k,...] = largest of the x[n,...] with label[n] = k, of equal ones the first; 0 where no row has the label. NaN wins. dx = g where it
 * came from; the place is saved. */
#include <string.h>
#include "tensor/ops.h"
#include "tensor/rows.h"

struct segment_max {
    int64_t count;
};

static bool shape(lb_call *c) {
    const struct segment_max *p = c->params;
    const lb_tensor *x = c->in[0];
    if (x->rank < 1 || x->shape[0] != c->in[1]->shape[0] || p->count < 0) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "expected x [N,...], as many labels, and a count, not %lld", (long long)p->count);
        return false;
    }
    for (int k = 0; k < 2; k++) {
        c->out[k]->rank = x->rank;
        memcpy(c->out[k]->shape, x->shape, sizeof x->shape);
        c->out[k]->shape[0] = p->count;
    }
    return true;
}

static void forward(lb_call *c) {
    int64_t count = c->out[0]->shape[0], width = count > 0 ? lb_numel(c->out[0]) / count : 0;
    lb_real *y = lb_r(c->out[0]);
    int64_t *place = lb_i(c->out[1]);
    if (!lbi_in_range(c, c->in[1], count)) return;
    for (int64_t i = 0; i < count * width; i++) {
        y[i] = 0;
        place[i] = -1;
    }
    for (int64_t n = 0; n < c->in[1]->shape[0]; n++) {
        const lb_real *x = lb_r(c->in[0]) + n * width;
        int64_t at = lb_i(c->in[1])[n] * width;
        for (int64_t i = 0; i < width; i++) {
            bool first = place[at + i] < 0, nan = x[i] != x[i] && y[at + i] == y[at + i];
            if (!first && !nan && !(x[i] > y[at + i])) continue;
            y[at + i] = x[i];
            place[at + i] = n;
        }
    }
}

static void backward(lb_call *c) {
    int64_t n = lb_numel(c->gout[0]), width = c->in[1]->shape[0] > 0 ? lb_numel(c->gin[0]) / c->in[1]->shape[0] : 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t from = lb_i(c->out[1])[i];
        if (from >= 0) lb_r(c->gin[0])[from * width + i % width] += lb_r(c->gout[0])[i];
    }
}

static const struct segment_max four = {4};
static const lb_op_case cases[] = {
    {.name = "rows", .rank = {2, 1}, .shape = {{7, 3}, {7}}, .imax = 3, .params = &four},
    {.name = "numbers", .rank = {1, 1}, .shape = {{9}, {9}}, .imax = 4, .params = &four},
    {.name = "empty", .rank = {2, 1}, .shape = {{0, 3}, {0}}, .imax = 4, .params = &four},
    {.name = "large", .rank = {2, 1}, .shape = {{900, 90}, {900}}, .imax = 4, .params = &four},
};

LB_OP(segment_max) = {.id = "segment_max", .title = "largest of the rows with the same label", .source = "torch_scatter.scatter_max",
                      .sig = "x label[N]:i64 -> y place:i64", .math = "y_k = max {x_n : label_n = k}",
                      .params_size = sizeof(struct segment_max), .flags = LB_OP_NONSMOOTH,
                      .reads = LB_READS_OUT(1) | LB_READS_IN(1), .shape = shape, .forward = forward, .backward = backward, .cases = cases,
                      .case_count = LB_COUNT(cases)};

lb_tensor *lb_segment_max(lb_tape *t, lb_tensor *x, lb_tensor *label, int64_t count) {
    return lb_apply(t, &lb_op_segment_max, &(struct segment_max){count}, sizeof(struct segment_max), 2, (lb_tensor *[]){x, label});
}
