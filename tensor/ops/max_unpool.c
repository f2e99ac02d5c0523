/* SPDX-License-Identifier: Apache-2.0 */
/* y = 0 but y[index[i]] = x[i] within each line, plane or volume, index as argmax_pool gives it; where an index stands twice the last one counts.
 * dx[i] = g[index[i]]. */
#include <string.h>
#include "tensor/loops.h"
#include "tensor/ops.h"
#include "tensor/resample.h"
#include "tensor/rows.h"

typedef struct options {
    int64_t size[3];
} options;

static bool shape(lb_call *c) {
    const options *o = c->params;
    const lb_tensor *x = c->in[0], *index = c->in[1];
    char a[96], b[96];
    bool fits = x->rank >= 3 && x->rank <= 5 && lb_same_shape(x, index);
    c->out[0]->rank = x->rank;
    for (int d = 0; fits && d < x->rank; d++) {
        c->out[0]->shape[d] = d < 2 ? x->shape[d] : o->size[d - 2];
        fits = c->out[0]->shape[d] >= 0;
    }
    if (!fits)
        lb_tape_fail(c->tape, LB_E_SHAPE, "x is %s, index %s, expected [N,C] and one to three axes more, the same, and no negative size", lb_shape_text(a, sizeof a, x->rank, x->shape),
                     lb_shape_text(b, sizeof b, index->rank, index->shape));
    return fits;
}

static void forward(lb_call *c) {
    int64_t planes = lbi_planes(c->in[0]), from = lbi_inner(c->in[0]), to = lbi_inner(c->out[0]);
    if (!lbi_in_range(c, c->in[1], to)) return;
#pragma omp parallel for if (planes * (from + to) > LBI_GRAIN)
    for (int64_t p = 0; p < planes; p++) {
        lb_real *y = lb_r(c->out[0]) + p * to;
        memset(y, 0, (size_t)to * sizeof *y);
        for (int64_t i = p * from; i < (p + 1) * from; i++) y[lb_i(c->in[1])[i]] = lb_r(c->in[0])[i];
    }
}

static void backward(lb_call *c) {
    int64_t planes = lbi_planes(c->in[0]), from = lbi_inner(c->in[0]), to = lbi_inner(c->out[0]);
    if (!c->gin[0] || !c->gout[0]) return;
#pragma omp parallel for if (planes * from > LBI_GRAIN)
    for (int64_t p = 0; p < planes; p++)
        for (int64_t i = p * from; i < (p + 1) * from; i++) lb_r(c->gin[0])[i] = (c->fresh[0] ? 0 : lb_r(c->gin[0])[i]) + lb_r(c->gout[0])[p * to + lb_i(c->in[1])[i]];
}

/* Every index once, as from windows that do not overlap. */
static void scattered(void *const *data, const int64_t *numel) {
    int64_t *index = data[1];
    for (int64_t i = 0; i < numel[1]; i++) index[i] = i * 7 % 19;
}

static const options picture = {{4, 5}}, line = {{20}};
static const lb_op_case cases[] = {
    {.name = "pictures", .rank = {4, 4}, .shape = {{1, 1, 2, 3}, {1, 1, 2, 3}}, .params = &picture, .fill = scattered},
    {.name = "lines", .rank = {3, 3}, .shape = {{1, 3, 5}, {1, 3, 5}}, .params = &line, .fill = scattered},
    {.name = "no pictures", .rank = {4, 4}, .shape = {{0, 2, 2, 3}, {0, 2, 2, 3}}, .params = &picture},
};

LB_OP(max_unpool) = {.id = "max_unpool", .title = "elements put back where max pooling took them", .source = "torch.nn.functional.max_unpool1d, max_unpool2d, max_unpool3d", .sig = "x index:i64 -> y",
                     .math = "y[index[i]] = x[i]", .flags = LB_OP_SETS, .reads = LB_READS_IN(1), .shape = shape, .params_size = sizeof(options), .forward = forward, .backward = backward,
                     .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_max_unpool(lb_tape *t, lb_tensor *x, lb_tensor *index, const int64_t *size) {
    options o = {{0}};
    for (int d = 0; x && d < x->rank - 2 && d < 3; d++) o.size[d] = size[d];
    return lb_apply(t, &lb_op_max_unpool, &o, sizeof o, 2, (lb_tensor *[]){x, index});
}
