/* SPDX-License-Identifier: Apache-2.0 */
/* Overlap of boxes (x0, y0, x1, y1), element by element over broadcast leading axes (all pairs: a [N,1,4] with b [1,M,4]):
 *   IoU   inter / union, 0 where the union is 0
 *   GIoU  IoU - (hull - union) / hull, hull the box around both (last term 0 where the hull is 0): arXiv:1902.09630
 *   DIoU  IoU - distance of centres^2 / diagonal of the hull^2: arXiv:1911.08287
 *   CIoU  DIoU - v^2 / (1 - IoU + v), v = 4 / pi^2 (atan(w_a / h_a) - atan(w_b / h_b))^2
 *         (differentiated throughout; torchvision holds v / (1 - IoU + v) constant)
 * The loss is 1 minus it. Gradients by forward differentiation with eight partial derivatives; where two corners meet the first box's counts. NaN stays. */
#include <math.h>
#include <string.h>
#include "tensor/loops.h"
#include "tensor/ops.h"

typedef struct options {
    lb_box_kind kind;
} options;

static bool shape(lb_call *c) {
    lb_tensor *y = c->out[0];
    y->dtype = LB_REAL;
    for (int i = 0; i < 2; i++)
        if (c->in[i]->rank < 1 || c->in[i]->shape[c->in[i]->rank - 1] != 4) {
            lb_tape_fail(c->tape, LB_E_SHAPE, "boxes are wanted as [...,4]");
            return false;
        }
    if (!lbi_broadcast(c->in[0], c->in[1], y)) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "the shapes do not broadcast to one");
        return false;
    }
    y->rank--;
    return true;
}

/* ---- a number with its derivatives by the eight corners ---- */

typedef struct dual {
    double v, d[8];
} dual;

static dual constant(double v) { return (dual){.v = v}; }

/* x a + y b in values' derivatives: the chain rule of a function of two with slopes x, y. */
static dual chain(double v, double x, const dual *a, double y, const dual *b) {
    dual r = {.v = v};
    for (int i = 0; i < 8; i++) r.d[i] = x * a->d[i] + y * b->d[i];
    return r;
}

static dual add(dual a, dual b) { return chain(a.v + b.v, 1, &a, 1, &b); }
static dual sub(dual a, dual b) { return chain(a.v - b.v, 1, &a, -1, &b); }
static dual mul(dual a, dual b) { return chain(a.v * b.v, b.v, &a, a.v, &b); }
static dual quotient(dual a, dual b) { return b.v <= 0 ? constant(0) : chain(a.v / b.v, 1 / b.v, &a, -a.v / (b.v * b.v), &b); }
static dual least(dual a, dual b) { return a.v <= b.v || isnan(a.v) ? a : b; }
static dual most(dual a, dual b) { return a.v >= b.v || isnan(a.v) ? a : b; }
static dual positive(dual a) { return a.v <= 0 ? constant(0) : a; }
static dual angle(dual w, dual h) { /* atan(w / h) */
    double size = w.v * w.v + h.v * h.v;
    return size > 0 ? chain(atan2(w.v, h.v), h.v / size, &w, -w.v / size, &h) : constant(0);
}

static dual overlap(lb_box_kind kind, const lb_real *a, const lb_real *b) {
    dual x[8];
    for (int i = 0; i < 8; i++) {
        x[i] = constant((double)(i < 4 ? a[i] : b[i - 4]));
        x[i].d[i] = 1;
    }
    dual w[2] = {sub(x[2], x[0]), sub(x[6], x[4])}, h[2] = {sub(x[3], x[1]), sub(x[7], x[5])};
    dual inter = mul(positive(sub(least(x[2], x[6]), most(x[0], x[4]))), positive(sub(least(x[3], x[7]), most(x[1], x[5]))));
    dual all = sub(add(mul(w[0], h[0]), mul(w[1], h[1])), inter), iou = quotient(inter, all);
    dual hull_w = sub(most(x[2], x[6]), least(x[0], x[4])), hull_h = sub(most(x[3], x[7]), least(x[1], x[5]));
    if (kind == LB_IOU) return iou;
    if (kind == LB_GIOU) {
        dual hull = mul(hull_w, hull_h);
        return sub(iou, quotient(sub(hull, all), hull));
    }
    dual dx = sub(add(x[0], x[2]), add(x[4], x[6])), dy = sub(add(x[1], x[3]), add(x[5], x[7])); /* twice the distance of centres */
    dual far = quotient(mul(add(mul(dx, dx), mul(dy, dy)), constant(0.25)), add(mul(hull_w, hull_w), mul(hull_h, hull_h)));
    dual diou = sub(iou, far);
    if (kind == LB_DIOU) return diou;
    dual turn = sub(angle(w[1], h[1]), angle(w[0], h[0])), v = mul(mul(turn, turn), constant(0.40528473456935108578)); /* 4 / pi^2 */
    return sub(diou, quotient(mul(v, v), add(sub(constant(1), iou), v)));
}

/* ---- over broadcast axes ---- */

/* Flat place of box `at` of the result in x. */
static int64_t place(const lb_tensor *y, const lb_tensor *x, int64_t at) {
    int64_t flat = 0;
    for (int i = y->rank - 1; i >= 0; i--) {
        int axis = i - (y->rank + 1 - x->rank);
        if (axis >= 0 && x->shape[axis] > 1) flat += at % y->shape[i] * x->stride[axis];
        at /= y->shape[i];
    }
    return flat;
}

static void forward(lb_call *c) {
    for (int64_t i = 0, n = lb_numel(c->out[0]); i < n; i++)
        lb_r(c->out[0])[i] = (lb_real)overlap(((const options *)c->params)->kind, lb_r(c->in[0]) + place(c->out[0], c->in[0], i), lb_r(c->in[1]) + place(c->out[0], c->in[1], i)).v;
}

static void backward(lb_call *c) {
    if (!c->gout[0]) return;
    for (int64_t i = 0, n = lb_numel(c->gout[0]); i < n; i++) {
        int64_t at[2] = {place(c->gout[0], c->in[0], i), place(c->gout[0], c->in[1], i)};
        dual y = overlap(((const options *)c->params)->kind, lb_r(c->in[0]) + at[0], lb_r(c->in[1]) + at[1]);
        for (int k = 0; k < 8; k++)
            if (c->gin[k / 4]) lb_r(c->gin[k / 4])[at[k / 4] + k % 4] += (lb_real)(y.d[k] * (double)lb_r(c->gout[0])[i]);
    }
}

/* Sizes added to corners: boxes that overlap in part. */
static void boxes(void *const *data, const int64_t *numel) {
    for (int k = 0; k < 2; k++)
        for (int64_t i = 0; i < numel[k]; i += 4)
            for (int e = 0; e < 2; e++) {
                lb_real *x = data[k];
                x[i + 2 + e] = x[i + e] + 1 + (lb_real)fabs((double)x[i + 2 + e]);
            }
}

static const options iou = {LB_IOU}, giou = {LB_GIOU}, diou = {LB_DIOU}, ciou = {LB_CIOU};
static const lb_op_case cases[] = {
    {.name = "iou", .rank = {2, 2}, .shape = {{9, 4}, {9, 4}}, .params = &iou, .fill = boxes},
    {.name = "giou pairs", .rank = {3, 3}, .shape = {{4, 1, 4}, {1, 5, 4}}, .params = &giou, .fill = boxes},
    {.name = "diou", .rank = {3, 2}, .shape = {{2, 3, 4}, {3, 4}}, .params = &diou, .fill = boxes},
    {.name = "ciou", .rank = {2, 1}, .shape = {{7, 4}, {4}}, .params = &ciou, .fill = boxes},
    {.name = "empty", .rank = {2, 2}, .shape = {{0, 4}, {1, 4}}, .params = &iou},
};

LB_OP(box_iou) = {.id = "box_iou",
                  .title = "overlap of boxes",
                  .source = "arXiv:1902.09630; arXiv:1911.08287; torchvision.ops",
                  .sig = "a b -> y",
                  .math = "inter / union, less penalties",
                  .flags = LB_OP_NONSMOOTH,
                  .reads = LB_READS_IN(0) | LB_READS_IN(1),
                  .params_size = sizeof(options),
                  .shape = shape,
                  .forward = forward,
                  .backward = backward,
                  .cases = cases,
                  .case_count = LB_COUNT(cases)};

lb_tensor *lb_box_iou(lb_tape *t, lb_tensor *a, lb_tensor *b, lb_box_kind kind) { return lb_apply(t, &lb_op_box_iou, &(options){kind}, sizeof(options), 2, (lb_tensor *[]){a, b}); }
