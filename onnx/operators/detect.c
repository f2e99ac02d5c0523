/* SPDX-License-Identifier: Apache-2.0 */
/* Boxes that overlap. */
#include <stdlib.h>
#include "onnx/operator.h"
#include "tensor/ops.h"

typedef struct box {
    float score;
    int64_t at;
    double x0, y0, x1, y1;
} box;

static int better(const void *a, const void *b) {
    const box *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return x->at < y->at ? -1 : 1;
}

static box box_of(const float *v, bool centre, float score, int64_t at) {
    box b = {score, at, (double)v[1], (double)v[0], (double)v[3], (double)v[2]};
    if (centre) b = (box){score, at, (double)v[0] - (double)v[2] / 2, (double)v[1] - (double)v[3] / 2, (double)v[0] + (double)v[2] / 2, (double)v[1] + (double)v[3] / 2};
    if (b.x0 > b.x1) b = (box){score, at, b.x1, b.y0, b.x0, b.y1};
    if (b.y0 > b.y1) b = (box){score, at, b.x0, b.y1, b.x1, b.y0};
    return b;
}

static double overlap(const box *a, const box *b) {
    double w = (a->x1 < b->x1 ? a->x1 : b->x1) - (a->x0 > b->x0 ? a->x0 : b->x0), h = (a->y1 < b->y1 ? a->y1 : b->y1) - (a->y0 > b->y0 ? a->y0 : b->y0);
    if (w <= 0 || h <= 0) return 0;
    double all = (a->x1 - a->x0) * (a->y1 - a->y0) + (b->x1 - b->x0) * (b->y1 - b->y0) - w * h;
    return all > 0 ? w * h / all : 0;
}

/* The best of the n boxes that overlap no better one by more than `most`; kept ones come first in b. @return how many */
static int64_t suppress(box *b, int64_t n, int64_t limit, double most) {
    int64_t kept = 0;
    qsort(b, (size_t)n, sizeof *b, better);
    for (int64_t i = 0; i < n && kept < limit; i++) {
        bool alone = true;
        for (int64_t k = 0; k < kept && alone; k++) alone = overlap(&b[k], &b[i]) <= most;
        if (alone) b[kept++] = b[i];
    }
    return kept;
}

/* boxes [N,B,4], scores [N,C,B], most of a class?, overlap?, least score? -> (picture, class, box) of each kept one */
static void run(onnx_call *c) {
    lb_tensor *boxes = onnx_need(c, 0), *scores = onnx_need(c, 1);
    double limit = onnx_number(c, onnx_in(c, 2), 0), most = onnx_number(c, onnx_in(c, 3), 0), least = onnx_number(c, onnx_in(c, 4), -1e300);
    if (!onnx_ok(c)) return;
    if (boxes->rank != 3 || scores->rank != 3 || boxes->shape[2] != 4 || boxes->shape[1] != scores->shape[2] || boxes->shape[0] != scores->shape[0]) {
        onnx_fail(c, LB_E_SHAPE, "expected boxes [N,B,4] and scores [N,C,B]");
        return;
    }
    if ((!boxes->data && lb_numel(boxes)) || (!scores->data && lb_numel(scores))) {
        onnx_fail(c, LB_E_UNSUPPORTED, "a shape depends on data");
        return;
    }
    lb_tape_mode mode = lb_tape_get_mode(c->tape);
    lb_tape_set_mode(c->tape, LB_TAPE_NO_GRAD); /* both have data: the result is known */
    boxes = onnx_as(c, boxes, LB_F32);
    scores = onnx_as(c, scores, LB_F32);
    bool centre = onnx_int(c, "center_point_box", 0);
    int64_t n = boxes->shape[1], classes = scores->shape[1], count = 0;
    lb_tensor *work = onnx_scratch(c, LB_F64, 1, (int64_t[]){n * (int64_t)(sizeof(box) / sizeof(double))}), *found = onnx_scratch(c, LB_I64, 2, (int64_t[]){boxes->shape[0] * classes * n, 3});
    for (int64_t p = 0; p < boxes->shape[0] * classes && onnx_ok(c) && n > 0; p++) {
        box *b = work->data;
        int64_t many = 0;
        for (int64_t i = 0; i < n; i++) {
            float s = ((const float *)scores->data)[p * n + i];
            if ((double)s > least) b[many++] = box_of((const float *)boxes->data + (p / classes * n + i) * 4, centre, s, i);
        }
        many = suppress(b, many, limit > 0 ? (limit > 9e15 ? INT64_MAX : (int64_t)limit) : 0, most);
        for (int64_t i = 0; i < many; i++, count++) {
            int64_t *to = (int64_t *)found->data + 3 * count;
            to[0] = p / classes, to[1] = p % classes, to[2] = b[i].at;
        }
    }
    lb_tape_set_mode(c->tape, mode);
    if (onnx_ok(c)) onnx_put(c, 0, lb_slice(c->tape, found, 0, 0, count, 1));
}

static const onnx_operator operators[] = {
    {"NonMaxSuppression", run},
    {0},
};

ONNX_GROUP(detect) = {.id = "detect", .title = "boxes that overlap", .source = "github.com/onnx/onnx docs/Operators.md", .operators = operators};
