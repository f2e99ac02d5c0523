/* SPDX-License-Identifier: Apache-2.0 */
/* TAID: Temporally Adaptive Interpolated Distillation, Shing et al., ICLR 2025, arXiv:2501.16937; agrees with SakanaAI/TAID.
 *
 * The target is p = softmax((1 - t) stopgrad(s) + t z), a blend of logits; L = - sum over kept positions of p log softmax(s) / sum of the mask.
 * t never falls, follows at least a line from t_start to t_end, and moves faster while the loss falls (lbi_taid_update). Differs from the
 * published code in one thing: the schedule moves in training steps alone, not in validation. */
#include <math.h>
#include "distill/method.h"
#include "distill/parts/parts.h"

typedef struct options {
    double t, t_start, t_end, alpha, beta;
    int64_t num_train_steps, first_step;
    bool disable_adaptive;
} options;

static const lb_param params[] = {
    LB_PARAM(options, t, 0.4, 0, 1, "1", "the teacher's share of the blend, now"),
    LB_PARAM(options, t_start, 0.4, 0, 0.99999999999999989, "1", "first share, below 1"),
    LB_PARAM(options, t_end, 1, LB_ABOVE_0, 1, "1", "last share"),
    LB_PARAM(options, alpha, 5e-4, 0, 1, "1", "size of an adaptive step"),
    LB_PARAM(options, beta, 0.99, 0, 1, "1", "momentum of the relative change of the loss"),
    LB_PARAM(options, num_train_steps, 1000, 1, LB_NO_MAX, "steps", "K of the line"),
    LB_PARAM(options, first_step, 0, 0, LB_NO_MAX, "steps", "k of the first loss"),
    LB_PARAM_FLAG(options, disable_adaptive, false, "the line alone"),
    LB_PARAM_END};

/* ---- target ---- */

/* A term whose factor is 0 is left out: 0 times an infinite logit is no number. */
static lb_tensor *blend(lb_tape *t, const options *o, lb_tensor *student, lb_tensor *teacher) {
    lb_tensor *s = lb_detach(t, student), *z = lb_detach(t, teacher);
    if (o->t <= 0) return s;
    if (o->t >= 1) return z;
    return lb_add(t, lb_scale(t, s, 1 - o->t), lb_scale(t, z, o->t));
}

static bool check(lb_tape *t, const lb_tensor *student, const lb_tensor *teacher, const lb_tensor *mask) {
    return lb_check(t, lb_numel(student) > 0, "student_logits has an empty dimension") && (!mask || lb_part_check_mask(t, mask)) && lb_part_check_logits(t, student, mask, "student_logits") &&
           lb_part_check_logits(t, teacher, mask, "teacher_logits");
}

static void taid_target(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    if (!check(t, a->in[0], a->in[1], NULL)) return;
    lb_tensor *mixed = blend(t, cfg, a->in[0], a->in[1]);
    if (lb_part_check_logits(t, mixed, NULL, "the blend of student_logits and teacher_logits")) lb_out(out, 0, lb_softmax(t, mixed, -1));
}

static void taid_loss(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    lb_tensor *student = a->in[0], *mask = a->in[2];
    if (!check(t, student, a->in[1], mask)) return;
    lb_tensor *mixed = blend(t, cfg, student, a->in[1]);
    if (lb_part_check_logits(t, mixed, mask, "the blend of student_logits and teacher_logits")) lb_out(out, 0, lb_divergence(t, student, mixed, mask, LB_SOFT_CROSS, 1, 0, -1, LB_MEAN));
}

/* ---- schedule: t, momentum m, the loss before ---- */

typedef struct schedule {
    double t, momentum, before;
    bool begun;
} schedule;

static double sigmoid(double x) { return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)); }

/* After a training step with that loss; k optimiser steps were taken before it. */
static void update(schedule *s, const options *o, double loss, int64_t k) {
    if (!s->begun) {
        s->before = loss;
        s->begun = true;
        return;
    }
    double relative = (s->before - loss) / (s->before + 1e-15);
    s->momentum = o->beta * s->momentum + (1 - o->beta) * relative;
    double step = o->alpha * sigmoid(s->momentum) * (1 - s->t), line = o->t_start + (o->t_end - o->t_start) * (double)k / (double)o->num_train_steps;
    s->t = o->disable_adaptive ? line : fmin(o->t_end, fmax(line, s->t + step));
    s->before = loss;
}

static void taid_update(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    const lb_tensor *losses = a->in[0];
    int64_t n = losses->shape[0];
    if (!lb_check(t, o->t_start <= o->t_end, "t_start %g is above t_end %g", o->t_start, o->t_end) || !lb_check_finite(t, losses, "losses")) return;
    double *trace = lb_calloc((size_t)n * 2 + 1, sizeof *trace);
    schedule s = {.t = o->t_start};
    if (!trace) {
        (void)lb_tape_fail_status(t, LB_E_NOMEM);
        return;
    }
    for (int64_t i = 0; i < n && !lb_part_shapes_only(t); i++) {
        update(&s, o, lb_get_at(losses, i), o->first_step + i);
        trace[i] = s.t;
        trace[n + i] = s.momentum;
    }
    lb_out(out, 0, lb_part_constant(t, 1, &n, trace));
    lb_out(out, 1, lb_part_constant(t, 1, &n, trace + n));
    lb_free(trace);
}

/* ---- in training ---- */

enum { T, MOMENTUM, BEFORE, BEGUN };

static lb_real *number(lb_tensor *x) { return x->data; }

static void before_step(void *cfg, lb_tensor *const *state, int64_t step, int64_t steps) {
    options *o = cfg;
    (void)step, (void)steps;
    o->t = *number(state[BEGUN]) != 0 ? (double)*number(state[T]) : o->t_start;
}

static void after_step(void *cfg, lb_tensor *const *state, double loss, int64_t step, int64_t steps) {
    options o = *(const options *)cfg;
    schedule s = {o.t, (double)*number(state[MOMENTUM]), (double)*number(state[BEFORE]), *number(state[BEGUN]) != 0};
    o.num_train_steps = steps;
    update(&s, &o, loss, step);
    *number(state[T]) = (lb_real)s.t;
    *number(state[MOMENTUM]) = (lb_real)s.momentum;
    *number(state[BEFORE]) = (lb_real)s.before;
    *number(state[BEGUN]) = 1;
}

static const lb_component components[] = {
    {.name = "taid_loss", .run = taid_loss, .sig = "student_logits[...,V] teacher_logits[...,V] mask[...]? -> loss[]", .constant = "teacher_logits mask", .text = "cross entropy with the blended target, eq. (5)"},
    {.name = "taid_target", .run = taid_target, .sig = "student_logits[...,V] teacher_logits[...,V] -> target_probs[...,V]", .constant = "student_logits teacher_logits", .values = "target_probs", .text = "softmax of the blend of logits, eq. (4)"},
    {.name = "taid_update", .run = taid_update, .sig = "losses[S] -> t_trace[S] momentum_trace[S]", .constant = "losses", .values = "t_trace momentum_trace", .text = "t and momentum after each loss, eq. (6)-(8)"},
    LB_COMPONENT_END};

LB_METHOD(taid) = {.id = "taid",
                   .title = "a target that moves from the student to the teacher",
                   .source = "arXiv:2501.16937; SakanaAI/TAID a062892",
                   .params = params,
                   .params_size = sizeof(options),
                   .group = "logit sequence schedule",
                   .needs = "student:logits teacher:logits",
                   .state = "t[] momentum[] before[] begun[]",
                   .before_step = before_step,
                   .after_step = after_step,
                   .components = components,
                   .verified = LB_VERIFIED_CODE};
