/* SPDX-License-Identifier: Apache-2.0 */
/* Non-maximum suppression: boxes (x0, y0, x1, y1) by falling score (equal ones by place); one is kept when its IoU with every kept one is at most the threshold.
 * keep_i = 1 or 0 in the order of the input; order = all boxes by falling score, so kept ones in order are those of `order` with keep 1. */
#include "tensor/op.h"
#include "tensor/ops.h"
#include "tensor/sorting.h"

typedef struct options {
    double threshold;
} options;

static bool shape(lb_call *c) {
    for (int i = 0; i < 2; i++) {
        c->out[i]->dtype = LB_I64;
        c->out[i]->rank = 1;
        c->out[i]->shape[0] = c->in[0]->shape[0];
    }
    return true;
}

static double side(lb_real from, lb_real to) { return to > from ? (double)to - (double)from : 0; }
static double area(const lb_real *b) { return side(b[0], b[2]) * side(b[1], b[3]); }

static double iou(const lb_real *a, const lb_real *b) {
    double inter = side(a[0] > b[0] ? a[0] : b[0], a[2] < b[2] ? a[2] : b[2]) * side(a[1] > b[1] ? a[1] : b[1], a[3] < b[3] ? a[3] : b[3]);
    double all = area(a) + area(b) - inter;
    return all > 0 ? inter / all : 0;
}

static void forward(lb_call *c) {
    double threshold = ((const options *)c->params)->threshold;
    int64_t n = c->in[0]->shape[0], *keep = lb_i(c->out[0]), *order = lb_i(c->out[1]);
    const lb_real *box = lb_r(c->in[0]);
    int64_t *work = lb_scratch(c, (size_t)(lbi_order_work(1, n, n) + 1) * sizeof *work);
    if (!work || n == 0) return;
    lbi_order_rows(lb_r(c->in[1]), 1, n, n, true, order, work);
    for (int64_t i = 0; i < n; i++) {
        bool free = true;
        for (int64_t k = 0; free && k < i; k++) free = !keep[order[k]] || iou(box + 4 * order[i], box + 4 * order[k]) <= threshold;
        keep[order[i]] = free;
    }
}

static void boxes(void *const *data, const int64_t *numel) {
    for (int64_t i = 0; i < numel[0]; i += 4)
        for (int e = 0; e < 2; e++) {
            lb_real *x = data[0];
            x[i + 2 + e] = x[i + e] + 2;
        }
}

static const options half = {0.3};
static const lb_op_case cases[] = {
    {.name = "some overlap", .rank = {2, 1}, .shape = {{12, 4}, {12}}, .params = &half, .fill = boxes},
    {.name = "one", .rank = {2, 1}, .shape = {{1, 4}, {1}}, .params = &half, .fill = boxes},
    {.name = "none", .rank = {2, 1}, .shape = {{0, 4}, {0}}, .params = &half},
};

LB_OP(nms) = {.id = "nms",
              .title = "non-maximum suppression",
              .source = "torchvision.ops.nms",
              .sig = "boxes[N,4] scores[N] -> keep[N]:i64 order[N]:i64",
              .results = 2,
              .math = "keep where IoU with better kept ones is at most the threshold",
              .no_grad = "a choice",
              .params_size = sizeof(options),
              .shape = shape,
              .forward = forward,
              .cases = cases,
              .case_count = LB_COUNT(cases)};

lb_tensor *lb_nms(lb_tape *t, lb_tensor *boxes_, lb_tensor *scores, double threshold, lb_tensor **order) {
    lb_tensor *out[2];
    lb_apply_n(t, &lb_op_nms, &(options){threshold}, sizeof(options), 2, (lb_tensor *[]){boxes_, scores}, 2, out);
    if (order) *order = out[1];
    return out[0];
}
