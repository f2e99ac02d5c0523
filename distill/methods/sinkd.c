/* SPDX-License-Identifier: Apache-2.0 */
/* SinKD: Sinkhorn distance between a batch of student's and of teacher's predictions, Cui et al., COLING 2024, arXiv:2402.17110; agrees with
 * 2018cx/SinKD.
 *
 * W_ij = ||softmax(s_i / T) - softmax(t_j / T)||_1; P is exp(-W / epsilon) with rows, then columns divided by their sums, `iterations` times; the loss
 * is the sum of P W (columns sum to 1, so it grows with the batch). The gradient goes through everything. */
#include "distill/method.h"
#include "distill/parts/parts.h"

typedef struct options {
    double temperature, epsilon, weight, alpha, beta, kd_temperature;
    int64_t iterations;
} options;

static const lb_param params[] = {
    LB_PARAM(options, temperature, 2, LB_ABOVE_0, LB_NO_MAX, "1", "T inside of the term"),
    LB_PARAM(options, epsilon, 0.1, LB_ABOVE_0, LB_NO_MAX, "1", "weight of entropy"),
    LB_PARAM(options, iterations, 20, 1, LB_NO_MAX, "passes", "over rows and columns"),
    LB_PARAM(options, weight, 0.001, 0, LB_NO_MAX, "1", "factor of the term"),
    LB_PARAM(options, alpha, 0.8, 0, 1, "1", "share of the teacher's soft labels in total_loss"),
    LB_PARAM(options, beta, 0.8, 0, LB_NO_MAX, "1", "factor of the term in total_loss"),
    LB_PARAM(options, kd_temperature, 2, LB_ABOVE_0, LB_NO_MAX, "1", "temperature of soft labels"),
    LB_PARAM_END};

static lb_tensor *plan(lb_tape *t, const options *o, lb_tensor *cost) { return lb_sinkhorn(t, lb_scale(t, cost, -1 / o->epsilon), NULL, NULL, o->iterations, -1); }

static bool check(lb_tape *t, const lb_tensor *x, const char *name) { return lb_check(t, lb_numel(x) > 0, "%s is empty", name) && lb_check_finite(t, x, name); }

static bool check_logits(lb_tape *t, const lb_args *a) { return check(t, a->in[0], "student_logits") && check(t, a->in[1], "teacher_logits"); }

static void l1_cost(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    (void)cfg;
    if (check(t, a->in[0], "x") && check(t, a->in[1], "y")) lb_out(out, 0, lb_pairwise(t, a->in[0], a->in[1], LB_L1, 0));
}

static void sinkhorn_plan(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    if (check(t, a->in[0], "cost")) lb_out(out, 0, plan(t, cfg, a->in[0]));
}

static lb_tensor *term(lb_tape *t, const options *o, lb_tensor *student, lb_tensor *teacher) {
    lb_tensor *x = lb_softmax(t, lb_scale(t, student, 1 / o->temperature), 1), *y = lb_softmax(t, lb_scale(t, lb_detach(t, teacher), 1 / o->temperature), 1);
    lb_tensor *cost = lb_pairwise(t, x, y, LB_L1, 0);
    return lb_scale(t, lb_sum_all(t, lb_mul(t, plan(t, o, cost), cost)), o->weight);
}

static void sinkd_loss(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    if (check_logits(t, a)) lb_out(out, 0, term(t, cfg, a->in[0], a->in[1]));
}

static void total_loss(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    lb_tensor *student = a->in[0], *teacher = lb_detach(t, a->in[1]), *labels = a->in[2];
    if (!check_logits(t, a) || !lb_check_index(t, labels, student->shape[1], "labels")) return;
    lb_tensor *soft = lb_divergence(t, student, teacher, NULL, LB_SOFT_CROSS, o->kd_temperature, 0, -1, LB_MEAN);
    lb_tensor *loss = lb_add(t, lb_scale(t, soft, o->alpha), lb_scale(t, lb_part_ce(t, student, labels), 1 - o->alpha));
    lb_out(out, 0, lb_add(t, loss, lb_scale(t, term(t, o, student, teacher), o->beta)));
}

static const lb_component components[] = {
    {.name = "sinkd_loss", .run = sinkd_loss, .sig = "student_logits[n,d] teacher_logits[m,d] -> loss[]", .constant = "teacher_logits", .text = "Sinkhorn distance of two batches of predictions"},
    {.name = "total_loss", .run = total_loss, .sig = "student_logits[n,d] teacher_logits[n,d] labels[n]:i64 -> loss[]", .constant = "teacher_logits", .text = "with soft and true labels"},
    {.name = "l1_cost", .run = l1_cost, .sig = "x[n,d] y[m,d] -> cost[n,m]", .text = "sums of absolute differences"},
    {.name = "sinkhorn_plan", .run = sinkhorn_plan, .sig = "cost[n,m] -> plan[n,m]", .text = "exp(-cost / epsilon), rows and columns normalised in turn"},
    LB_COMPONENT_END};

LB_METHOD(sinkd) = {.id = "sinkd",
                    .title = "Sinkhorn distance between batches of predictions",
                    .source = "arXiv:2402.17110; 2018cx/SinKD",
                    .params = params,
                    .params_size = sizeof(options),
                    .group = "logit transport",
                    .needs = "student:logits teacher:logits",
                    .components = components,
                    .verified = LB_VERIFIED_CODE};
