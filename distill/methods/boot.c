/* SPDX-License-Identifier: Apache-2.0 */
/* BOOT: Data-free Distillation of Denoising Diffusion Models with Bootstrapping, Gu, 2023, arXiv:2306.05544. No published code: ranges, steps and
 * weights are reconstructed.
 *
 * x_t = alpha(t) y_t + sigma(t) eps, lambda = log(sigma / alpha); the signal y obeys dy/dt = -lambda'(t) (f(x_t, t) - y_t). The student g(eps, t)
 * gives y_t in one call: at s < t it learns one solver step from its own (constant) output at t, at the end the teacher's guess of pure noise.
 * Only noise is drawn, never data. Numbers that carry no gradient are computed on the side in double. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "distill/method.h"
#include "distill/parts/parts.h"
#include "distill/play.h"

typedef struct options {
    const char *schedule, *solver, *weighting, *prediction;
    double beta_min, beta_max, beta, guidance, clip, time_scale, t_min, t_max;
    int64_t time_dim, num_blocks, steps;
} options;

static const lb_param params[] = {
    LB_PARAM_TEXT(options, schedule, "cosine", "cosine|vp_linear", "the teacher's noise schedule"),
    LB_PARAM(options, beta_min, 0.1, 0, LB_NO_MAX, "1", "of vp_linear"),
    LB_PARAM(options, beta_max, 20, 0, LB_NO_MAX, "1", "of vp_linear"),
    LB_PARAM_TEXT(options, solver, "ddim", "ddim|euler|heun", "one step of the signal's equation"),
    LB_PARAM_TEXT(options, weighting, "delta", "plain|delta|rate", "of the bootstrap error: 1, 1/delta^2, 1/(delta lambda')^2"),
    LB_PARAM(options, beta, 0.1, 0, LB_NO_MAX, "1", "weight of the boundary"),
    LB_PARAM(options, guidance, 1, -LB_NO_MAX, LB_NO_MAX, "1", "classifier-free weight of the teacher"),
    LB_PARAM_TEXT(options, prediction, "eps", "eps|v|x0", "what the teacher's network predicts"),
    LB_PARAM(options, clip, 0, 0, LB_NO_MAX, "1", "the teacher's x0 is clamped to -clip .. clip; 0: not"),
    LB_PARAM(options, time_scale, 1000, -LB_NO_MAX, LB_NO_MAX, "1", "of the time embedding"),
    LB_PARAM(options, time_dim, 64, 2, LB_NO_MAX, "1", "width of the time embedding"),
    LB_PARAM(options, t_min, 0.02, 1e-4, 0.5, "1", "train: the last time"),
    LB_PARAM(options, t_max, 0.98, 0.5, 0.9999, "1", "train: the first time"),
    LB_PARAM(options, steps, 32, 1, 1e6, "1", "train: steps from the first time to the last"),
    LB_PARAM(options, num_blocks, 3, 0, LB_NO_MAX, "1", "residual blocks of the miniature generator"),
    LB_PARAM_END};

/* ---- schedule ---- */

static bool is(const char *have, const char *want) { return strcmp(have, want) == 0; }

static lb_part_noise at(const options *o, double t) { return is(o->schedule, "cosine") ? lb_part_cosine(t) : lb_part_vp_linear(t, o->beta_min, o->beta_max); }

static bool check_times(lb_tape *t, const options *o, const lb_tensor *x, const char *name) {
    if (is(o->schedule, "vp_linear") && !lb_check(t, o->beta_max >= o->beta_min && o->beta_max > 0, "vp_linear with beta_min %g and beta_max %g", o->beta_min, o->beta_max)) return false;
    for (int64_t i = 0; i < lb_numel(x) && !lb_part_shapes_only(t); i++) {
        double v = lb_get_at(x, i);
        if (!lb_check(t, v > 0 && v < 1, "%s[%lld] is %g; a time between 0 and 1 is wanted", name, (long long)i, v)) return false;
    }
    return lb_tape_ok(t);
}

static bool check_pair(lb_tape *t, const options *o, const lb_tensor *from, const lb_tensor *to) {
    if (!check_times(t, o, from, "t") || !check_times(t, o, to, "s")) return false;
    for (int64_t i = 0; i < lb_numel(from) && !lb_part_shapes_only(t); i++)
        if (!lb_check(t, lb_get_at(from, i) > lb_get_at(to, i), "sample %lld: t %g is not above s %g", (long long)i, lb_get_at(from, i), lb_get_at(to, i))) return false;
    return true;
}

/* Sample by sample: tensors [B,...], times [B], and what is asked of them. */
typedef struct step {
    const options *o;
    const lb_tensor *y, *f, *t, *s, *f_s; /* f_s: heun's, else NULL */
    int part;                             /* schedule: alpha, sigma, lambda, slope */
} step;

static int64_t sample_of(const step *k, int64_t i) { return i / (lb_numel(k->y) / k->y->shape[0]); }

static double schedule_at(const void *ctx, int64_t i) {
    const step *k = ctx;
    lb_part_noise p = at(k->o, lb_get_at(k->t, i));
    return (double[]){p.alpha, p.sigma, p.lambda, p.slope}[k->part];
}

static void schedule(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    if (!check_times(t, cfg, a->in[0], "t")) return;
    for (int k = 0; k < 4; k++) lb_out(out, k, lb_part_fill(t, 1, a->in[0]->shape, schedule_at, &(step){.o = cfg, .t = a->in[0], .part = k}));
}

/* ---- the teacher's clean sample ---- */

static bool check_same(lb_tape *t, const lb_tensor *x, const lb_tensor *y, const char *name, const char *other) {
    bool same = x->rank == y->rank;
    for (int d = 0; same && d < x->rank; d++) same = x->shape[d] == y->shape[d];
    return lb_check(t, same, "%s has another shape than %s", name, other);
}

static bool check_rows(lb_tape *t, const lb_tensor *x, const lb_tensor *time) {
    return lb_check(t, x->rank > 0 && x->shape[0] == time->shape[0], "t has %lld samples, another number than the tensors", (long long)time->shape[0]);
}

/* f: what the network says of y = x_t. */
static double clean_at(const void *ctx, int64_t i) {
    const step *k = ctx;
    const options *o = k->o;
    lb_part_noise p = at(o, lb_get_at(k->t, sample_of(k, i)));
    double v = lb_get_at(k->y, i), guess = lb_get_at(k->f, i);
    double y = is(o->prediction, "eps") ? (v - p.sigma * guess) / p.alpha : is(o->prediction, "v") ? p.alpha * v - p.sigma * guess : guess;
    return o->clip > 0 ? fmax(-o->clip, fmin(o->clip, y)) : y;
}

static bool check_signal(lb_tape *t, const options *o, const lb_tensor *time) {
    for (int64_t i = 0; is(o->prediction, "eps") && i < lb_numel(time) && !lb_part_shapes_only(t); i++)
        if (!lb_check(t, at(o, lb_get_at(time, i)).alpha >= 1e-8, "sample %lld: no signal is left at t = %g", (long long)i, lb_get_at(time, i))) return false;
    return lb_tape_ok(t);
}

static void to_x0(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const lb_tensor *x = a->in[0], *e = a->in[1], *time = a->in[2];
    if (!check_same(t, x, e, "prediction", "x_t") || !check_rows(t, x, time) || !check_times(t, cfg, time, "t") || !check_signal(t, cfg, time) ||
        !lb_check_finite(t, x, "x_t") || !lb_check_finite(t, e, "prediction"))
        return;
    lb_out(out, 0, lb_part_fill(t, x->rank, x->shape, clean_at, &(step){.o = cfg, .y = x, .f = e, .t = time}));
}

static void guidance(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    if (!check_same(t, a->in[0], a->in[1], "x0_uncond", "x0_cond") || !lb_check_finite(t, a->in[0], "x0_cond") || !lb_check_finite(t, a->in[1], "x0_uncond")) return;
    lb_tensor *with = lb_detach(t, a->in[0]), *without = lb_detach(t, a->in[1]);
    lb_out(out, 0, lb_add(t, without, lb_scale(t, lb_sub(t, with, without), ((const options *)cfg)->guidance)));
}

/* ---- one solver step ---- */

static double solve_at(const void *ctx, int64_t i) {
    const step *k = ctx;
    int64_t sample = sample_of(k, i);
    double from = lb_get_at(k->t, sample), to = lb_get_at(k->s, sample), y = lb_get_at(k->y, i), f = lb_get_at(k->f, i), delta = from - to;
    lb_part_noise p = at(k->o, from), q = at(k->o, to);
    if (is(k->o->solver, "ddim")) return y - expm1(q.lambda - p.lambda) * (f - y);
    double euler = y + delta * p.slope * (f - y);
    if (is(k->o->solver, "euler")) return euler;
    return y + delta / 2 * (p.slope * (f - y) + q.slope * (lb_get_at(k->f_s, i) - euler));
}

static lb_tensor *solved(lb_tape *t, const step *k) { return lb_part_fill(t, k->y->rank, k->y->shape, solve_at, k); }

/* alpha y + sigma eps; eps stands in f. */
static double noised_at(const void *ctx, int64_t i) {
    const step *k = ctx;
    lb_part_noise p = at(k->o, lb_get_at(k->t, sample_of(k, i)));
    return p.alpha * lb_get_at(k->y, i) + p.sigma * lb_get_at(k->f, i);
}

static lb_tensor *noised(lb_tape *t, const options *o, const lb_tensor *y, const lb_tensor *noise, const lb_tensor *time) {
    return lb_part_fill(t, y->rank, y->shape, noised_at, &(step){.o = o, .y = y, .f = noise, .t = time});
}

static bool check_step(lb_tape *t, const step *k) {
    return check_same(t, k->y, k->f, "teacher_x0", "y_t") && check_rows(t, k->y, k->t) && (!k->f_s || check_same(t, k->y, k->f_s, "teacher_x0_s", "y_t")) &&
           check_pair(t, k->o, k->t, k->s) && lb_check_finite(t, k->y, "y_t") && lb_check_finite(t, k->f, "teacher_x0") &&
           lb_check(t, !is(k->o->solver, "heun") || k->f_s, "the solver heun wants teacher_x0_s") && (!k->f_s || lb_check_finite(t, k->f_s, "teacher_x0_s"));
}

static void target(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    step k = {cfg, a->in[0], a->in[2], a->in[3], a->in[4], a->in[5], 0};
    if (!check_same(t, k.y, a->in[1], "noise", "y_t") || !check_step(t, &k) || !lb_check_finite(t, a->in[1], "noise")) return;
    lb_out(out, 0, noised(t, cfg, k.y, a->in[1], k.t));
    lb_out(out, 1, solved(t, &k));
}

/* ---- loss ---- */

static double weight_at(const void *ctx, int64_t i) {
    const step *k = ctx;
    double from = lb_get_at(k->t, i), delta = from - lb_get_at(k->s, i), unit = is(k->o->weighting, "plain") ? 1 : is(k->o->weighting, "delta") ? delta : delta * at(k->o, from).slope;
    return 1 / (unit * unit);
}

static void loss(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    lb_tensor *y_s = a->in[0], *y_end = a->in[3];
    step k = {o, a->in[1], a->in[2], a->in[5], a->in[6], a->in[7], 0};
    if (!lb_check(t, lb_numel(y_s) > 0, "y_s is empty") || !check_same(t, y_s, k.y, "y_t", "y_s") || !check_same(t, y_s, y_end, "y_end", "y_s") ||
        !check_same(t, y_s, a->in[4], "teacher_x0_end", "y_s") || !check_step(t, &k) || !lb_check_finite(t, y_s, "y_s") ||
        !lb_check_finite(t, y_end, "y_end") || !lb_check_finite(t, a->in[4], "teacher_x0_end"))
        return;
    lb_tensor *gap = lb_square(t, lb_sub(t, y_s, solved(t, &k)));
    int64_t rows[2] = {y_s->shape[0], lb_numel(y_s) / y_s->shape[0]};
    lb_tensor *each = lb_mean(t, lb_reshape(t, gap, 2, rows), 1, false), *bootstrap = lb_mean_all(t, lb_mul(t, each, lb_part_fill(t, 1, k.t->shape, weight_at, &k)));
    lb_tensor *boundary = lb_mean_all(t, lb_square(t, lb_sub(t, y_end, lb_detach(t, a->in[4]))));
    lb_out(out, 0, lb_add(t, bootstrap, lb_scale(t, boundary, o->beta)));
    lb_out(out, 1, bootstrap);
    lb_out(out, 2, boundary);
}

/* ---- miniature generator ---- */

static lb_tensor *layer(lb_tape *t, const lb_args *a, lb_tensor *x, const char *name, int64_t k) {
    char full[32];
    if (k < 0) snprintf(full, sizeof full, "%s", name);
    else snprintf(full, sizeof full, "%s%lld", name, (long long)k);
    lb_tensor *w = lb_arg(a, "%s_weight", full), *b = lb_arg(a, "%s_bias", full);
    if (!w || !b) return lb_tape_fail(t, LB_E_NOTFOUND, "%s_weight or %s_bias is missing", full, full);
    return lb_linear(t, x, w, b, LB_ACT_NONE);
}

static void generator(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    if (!lb_check_finite(t, a->in[0], "noise") || !lb_check_finite(t, a->in[1], "t")) return;
    lb_tensor *e = lb_silu(t, layer(t, a, lb_part_time_embedding(t, a->in[1], o->time_dim, o->time_scale), "time", -1)), *h = layer(t, a, a->in[0], "in", -1);
    for (int64_t k = 0; k < o->num_blocks && lb_tape_ok(t); k++) {
        lb_tensor *film = layer(t, a, e, "film", k);
        int64_t half = h->shape[1];
        lb_tensor *scale = lb_slice(t, film, 1, 0, half, 1), *shift = lb_slice(t, film, 1, half, 2 * half, 1);
        lb_tensor *z = lb_add(t, lb_mul(t, lb_layer_norm(t, h, NULL, NULL, 1e-6), lb_add_scalar(t, scale, 1)), shift);
        h = lb_add(t, h, layer(t, a, lb_silu(t, layer(t, a, z, "fc1_", k)), "fc2_", k));
    }
    lb_out(out, 0, layer(t, a, h, "out", -1));
}

/* ---- a training step: noise alone ---- */

static lb_tensor *student_at(lb_play *p, bool gradient, lb_tensor *noise, lb_tensor *time) {
    lb_tensor *y;
    lb_play_run(p, "student", gradient, 2, (lb_named[]){{"noise", noise}, {"t", time}}, 1, (const char *const[]){"signal"}, &y);
    return y;
}

/* f(x, t) of the frozen teacher. */
static lb_tensor *clean(lb_play *p, const options *o, lb_tensor *x, lb_tensor *time) {
    lb_tensor *prediction;
    lb_play_run(p, "teacher", false, 2, (lb_named[]){{"noise", x}, {"t", time}}, 1, (const char *const[]){"signal"}, &prediction);
    return lb_play_call(p, o, "to_x0", 3, (const char *const[]){"x_t", "prediction", "t"}, (lb_tensor *[]){x, prediction, time}).at[0];
}

static lb_tensor *train(lb_play *p, const void *cfg) {
    const options *o = cfg;
    lb_tape *t = p->tape;
    lb_tensor *noise = lb_play_input(p, "noise");
    int64_t n = noise->shape[0];
    double delta = (o->t_max - o->t_min) / (double)o->steps, *time = lb_alloc((size_t)n * 2 + 1, sizeof *time);
    if (!time) return lb_tape_fail_status(t, LB_E_NOMEM);
    for (int64_t i = 0; i < n; i++) {
        time[i] = o->t_min + delta + (p->rng ? lb_rng_uniform(p->rng) : 0.5) * (o->t_max - o->t_min - delta);
        time[n + i] = fmax(time[i] - delta, o->t_min);
    }
    lb_tensor *from = lb_part_constant(t, 1, &n, time), *to = lb_part_constant(t, 1, &n, time + n), *end = lb_full(t, 1, &n, o->t_max);
    lb_free(time);
    lb_tensor *y = student_at(p, false, noise, from), *x = noised(t, o, y, noise, from), *f = clean(p, o, x, from), *f_s = NULL;
    if (is(o->solver, "heun")) {
        options euler = *o;
        euler.solver = "euler";
        lb_tensor *guess = solved(t, &(step){&euler, y, f, from, to, NULL, 0});
        f_s = clean(p, o, noised(t, o, guess, noise, to), to);
    }
    lb_tensor *in[] = {student_at(p, true, noise, to), y, f, student_at(p, true, noise, end), clean(p, o, noise, end), from, to, f_s};
    return lb_play_call(p, o, "loss", f_s ? 8 : 7, (const char *const[]){"y_s", "y_t", "teacher_x0", "y_end", "teacher_x0_end", "t", "s", "teacher_x0_s"}, in).at[0];
}

#define LINEAR(name, dims, bias) name "_weight" dims " " name "_bias" bias
static const lb_component components[] = {
    {.name = "loss",
     .run = loss,
     .sig = "y_s y_t teacher_x0 y_end teacher_x0_end t[B] s[B] teacher_x0_s? -> loss[] loss_bootstrap[] loss_boundary[]",
     .constant = "y_t teacher_x0 teacher_x0_end t s teacher_x0_s",
     .values = "loss_bootstrap loss_boundary",
     .text = "bootstrap over time and the boundary"},
    {.name = "target",
     .run = target,
     .sig = "y_t noise teacher_x0 t[B] s[B] teacher_x0_s? -> x_t target",
     .constant = "y_t noise teacher_x0 t s teacher_x0_s",
     .values = "x_t target",
     .text = "one solver step of the signal"},
    {.name = "schedule",
     .run = schedule,
     .sig = "t[B] -> alpha[B] sigma[B] lambda[B] dlambda_dt[B]",
     .constant = "t",
     .values = "alpha sigma lambda dlambda_dt",
     .text = "noise schedules"},
    {.name = "to_x0",
     .run = to_x0,
     .sig = "x_t prediction t[B] -> x0",
     .constant = "x_t prediction t",
     .values = "x0",
     .text = "the clean sample that a network's output stands for"},
    {.name = "guidance",
     .run = guidance,
     .sig = "x0_cond x0_uncond -> x0",
     .constant = "x0_cond x0_uncond",
     .values = "x0",
     .text = "classifier-free guidance"},
    {.name = "generator",
     .run = generator,
     .sig = "noise[B,D] t[B] " LINEAR("time", "[H,*]", "[H]") " " LINEAR(
         "in", "[H,D]",
         "[H]") " film*_weight[2H,H]? film*_bias[2H]? fc1_*_weight[M,H]? fc1_*_bias[M]? fc2_*_weight[H,M]? fc2_*_bias[H]? " LINEAR("out", "[D,H]",
                                                                                                                                   "[D]") " -> signal[B,D]",
     .constant = "t",
     .text = "time-conditioned MLP"},
    {.name = "train",
     .play = train,
     .sig = "noise[B,D] -> loss[]",
     .text = "a step: the student at two times and at the first, the teacher on what the student reached"},
    LB_COMPONENT_END};

LB_METHOD(boot) = {.id = "boot",
                   .title = "a diffusion model in one step, without data",
                   .source = "arXiv:2306.05544 (reconstructed)",
                   .params = params,
                   .params_size = sizeof(options),
                   .group = "generative",
                   .needs = "student:signal teacher:x0",
                   .components = components,
                   .verified = LB_VERIFIED_EQUATIONS};
