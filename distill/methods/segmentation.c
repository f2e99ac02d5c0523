/* SPDX-License-Identifier: Apache-2.0 */
/* Segmentation: cross entropy and soft Dice against masks, and two ways to learn from a teacher's map: its logits, pixel by pixel (Liu et al.,
 * arXiv:1903.04197, eq. (1)), or its foreground probability, as IS-Net and other salience networks give.
 *
 * Dice of class k over the batch (Milletari et al., arXiv:1606.04797; batch form of nnU-Net): 1 - (2 sum p g + s) / (sum p + sum g + s), mean over the
 * classes that count. Pixels of the label `ignore` count nowhere. */
#include <string.h>
#include "distill/method.h"

typedef struct options {
    double cross_entropy, dice, smooth, temperature;
    int64_t ignore;
    bool background;
} options;

static const lb_param params[] = {
    LB_PARAM(options, cross_entropy, 1, 0, LB_NO_MAX, "1", "weight of the cross entropy"),
    LB_PARAM(options, dice, 1, 0, LB_NO_MAX, "1", "weight of the Dice loss"),
    LB_PARAM(options, smooth, 1, 0, LB_NO_MAX, "pixels", "s of the Dice loss"),
    LB_PARAM_FLAG(options, background, false, "class 0 counts in the Dice loss"),
    LB_PARAM(options, ignore, 255, -1, 65535, "1", "label of pixels that do not count; -1: none"),
    LB_PARAM(options, temperature, 1, LB_ABOVE_0, LB_NO_MAX, "1", "softening of both maps; the loss is multiplied by its square"),
    LB_PARAM_END};

/* Labels as one-hot [N,K,H,W], zeros where ignored; *keep [N,1,H,W] is 1 where a pixel counts. Constants. */
static lb_tensor *targets(lb_tape *t, const lb_tensor *mask, int64_t classes, int64_t ignore, lb_tensor **keep) {
    int64_t n = mask->shape[0], size = mask->shape[1] * mask->shape[2], counts[4] = {n, 1, mask->shape[1], mask->shape[2]}, shape[4] = {n, classes, mask->shape[1], mask->shape[2]};
    float *hot = lb_calloc((size_t)(n * classes * size) + 1, sizeof *hot), *on = lb_calloc((size_t)(n * size) + 1, sizeof *on);
    lb_tensor *out = lb_inert(t);
    *keep = out;
    if (!hot || !on) (void)lb_tape_fail_status(t, LB_E_NOMEM);
    else {
        for (int64_t i = 0; mask->data && i < n * size; i++) {
            int64_t label = (int64_t)lb_get_at(mask, i);
            if (label == ignore) continue;
            on[i] = 1;
            hot[(i / size * classes + label) * size + i % size] = 1;
        }
        out = lb_input(t, LB_REAL, 4, shape, hot, LB_F32);
        *keep = lb_input(t, LB_REAL, 4, counts, on, LB_F32);
    }
    lb_free(hot);
    lb_free(on);
    return out;
}

static lb_tensor *over_pixels(lb_tape *t, lb_tensor *x) { return lb_sum_over(t, x, LB_AXES(0, 2, 3), false); }

static lb_tensor *dice_loss(lb_tape *t, const options *o, lb_tensor *logits, lb_tensor *mask) {
    int64_t classes = logits->shape[1], first = o->background || classes == 1 ? 0 : 1;
    lb_tensor *keep, *g = targets(t, mask, classes, o->ignore, &keep), *p = lb_mul(t, lb_softmax(t, logits, 1), keep);
    lb_tensor *both = over_pixels(t, lb_mul(t, p, g)), *all = lb_add(t, over_pixels(t, p), over_pixels(t, g));
    lb_tensor *dice = lb_div(t, lb_add_scalar(t, lb_scale(t, both, 2), o->smooth), lb_add_scalar(t, all, o->smooth));
    return lb_add_scalar(t, lb_neg(t, lb_mean_all(t, lb_slice(t, dice, 0, first, classes, 1))), 1);
}

/* Every label is a class or the ignored one. */
static bool check_labels(lb_tape *t, const lb_tensor *mask, int64_t classes, int64_t ignore) {
    if (!mask->data) return true; /* shapes alone */
    for (int64_t i = 0, n = lb_numel(mask); i < n; i++) {
        double label = lb_get_at(mask, i);
        if (label != (double)ignore && !(label >= 0 && label < (double)classes))
            return lb_check(t, false, "mask holds the label %g at element %lld; classes are 0..%lld, %lld is ignored", label, (long long)i, (long long)classes - 1, (long long)ignore);
    }
    return true;
}

static void supervised(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    lb_tensor *logits = a->in[0], *mask = a->in[1];
    if (!lb_check(t, lb_numel(logits) > 0, "student_logits is empty") || !lb_check_finite(t, logits, "student_logits") || !check_labels(t, mask, logits->shape[1], o->ignore)) return;
    lb_tensor *ce = lb_cross_entropy(t, logits, mask, NULL, 1, o->ignore, 0, LB_MEAN), *dice = dice_loss(t, o, logits, mask);
    lb_out(out, 0, lb_add(t, lb_scale(t, ce, o->cross_entropy), lb_scale(t, dice, o->dice)));
    lb_out(out, 1, ce);
    lb_out(out, 2, dice);
}

/* x bilinearly in the size of `like`. */
static lb_tensor *sized_as(lb_tape *t, lb_tensor *x, const lb_tensor *like) {
    if (x->shape[2] == like->shape[2] && x->shape[3] == like->shape[3]) return x;
    return lb_resize2d(t, x, like->shape[2], like->shape[3], LB_RESIZE_LINEAR, false);
}

static void pixelwise(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    lb_tensor *student = a->in[0], *teacher = lb_detach(t, a->in[1]);
    if (!lb_check(t, lb_numel(student) > 0, "student_logits is empty") || !lb_check_finite(t, student, "student_logits") || !lb_check_finite(t, teacher, "teacher_logits")) return;
    teacher = sized_as(t, teacher, student);
    lb_tensor *q = lb_softmax(t, lb_scale(t, teacher, 1 / o->temperature), 1), *log_p = lb_log_softmax(t, lb_scale(t, student, 1 / o->temperature), 1);
    lb_tensor *per_pixel = lb_sum(t, lb_mul(t, q, lb_sub(t, lb_log_softmax(t, lb_scale(t, teacher, 1 / o->temperature), 1), log_p)), 1, false);
    lb_out(out, 0, lb_scale(t, lb_mean_all(t, per_pixel), o->temperature * o->temperature));
}

static void soft_mask(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    (void)cfg;
    lb_tensor *student = a->in[0], *p = lb_detach(t, a->in[1]);
    if (!lb_check(t, lb_numel(student) > 0, "student_logits is empty") ||
        !lb_check(t, student->shape[1] == 2, "student_logits has %lld classes; a foreground map has two", (long long)student->shape[1]) ||
        !lb_check_finite(t, student, "student_logits") || !lb_check_range(t, p, 0, 1, "teacher_mask"))
        return;
    p = sized_as(t, p, student);
    lb_tensor *target = lb_concat(t, 2, (lb_tensor *[]){lb_add_scalar(t, lb_neg(t, p), 1), p}, 1);
    lb_out(out, 0, lb_neg(t, lb_mean_all(t, lb_sum(t, lb_mul(t, target, lb_log_softmax(t, student, 1)), 1, false))));
}

static const lb_component components[] = {
    {.name = "supervised", .run = supervised, .sig = "student_logits[N,K,H,W] mask[N,H,W]:i64 -> loss[] cross_entropy_loss[] dice_loss[]", .values = "cross_entropy_loss dice_loss", .text = "cross entropy and soft Dice against masks"},
    {.name = "pixelwise", .run = pixelwise, .sig = "student_logits[N,K,H,W] teacher_logits[N,K,h,w] -> loss[]", .constant = "teacher_logits", .text = "KL of the class distributions of each pixel, arXiv:1903.04197, eq. (1)"},
    {.name = "soft_mask", .run = soft_mask, .sig = "student_logits[N,K,H,W] teacher_mask[N,1,h,w] -> loss[]", .constant = "teacher_mask", .text = "cross entropy with a teacher's foreground probability"},
    LB_COMPONENT_END};

LB_METHOD(segmentation) = {.id = "segmentation",
                           .title = "masks, and a teacher's maps pixel by pixel",
                           .source = "arXiv:1606.04797 (Dice); arXiv:1903.04197, eq. (1)",
                           .params = params,
                           .params_size = sizeof(options),
                           .group = "segmentation",
                           .needs = "student:logits mask",
                           .components = components,
                           .verified = LB_VERIFIED_EQUATIONS};
