/* SPDX-License-Identifier: Apache-2.0 */
/* The catalogue of generic objectives. A Survey on Knowledge Distillation of Large Language Models, Xu et al., 2024, arXiv:2402.13116.
 * Definitions of the divergences agree with SakanaAI/TAID (distil_losses); DPO: arXiv:2305.18290; RRHF: arXiv:2304.05302; Plackett-Luce.
 * s student, z teacher logits [B,N,V]; q = softmax(s/T), p = softmax(z/T), the teacher constant. A divergence is summed over V, averaged over
 * kept positions (sum mask x / sum mask over the batch), times T^2. Positions with mask 0 may hold anything. A class whose logit is -inf on
 * either side contributes 0 in value and gradient; the softmaxes still run over all V. */
#include <math.h>
#include <string.h>
#include "distill/method.h"
#include "distill/parts/parts.h"
#include "distill/play.h"

typedef struct options {
    double temperature, alpha, beta, skew, label_smoothing, margin;
    bool subtract_entropy, average;
} options;

static const lb_param params[] = {
    LB_PARAM(options, temperature, 1, LB_ABOVE_0, LB_NO_MAX, "1", "softening T of logits"),
    LB_PARAM(options, alpha, 0.9, 0, 1, "1", "vanilla_kd: share of the divergence; 1 - alpha goes to the labels"),
    LB_PARAM(options, beta, 0.5, 0, LB_NO_MAX, "1", "jsd: the teacher's share of the mixture, 0 to 1; dpo: sharpness of the preference, above 0"),
    LB_PARAM(options, skew, 0.1, 0, 1, "1", "own share in the mixture of the skew divergences"),
    LB_PARAM(options, label_smoothing, 0, 0, 0.49999999999999994, "1", "dpo: probability that a preference is wrong, below 0.5"),
    LB_PARAM(options, margin, 0, -LB_NO_MAX, LB_NO_MAX, "1", "pairwise_rank: by how much the better response must lead"),
    LB_PARAM_FLAG(options, subtract_entropy, 1, "true KL; off: the cross-entropy form, of equal gradient"),
    LB_PARAM_FLAG(options, average, 0, "sequence_logprob: per token"),
    LB_PARAM_END};

/* ---- checks ---- */

static bool check_sizes(lb_tape *t, const lb_tensor *x, const char *name) { return lb_check(t, lb_numel(x) > 0, "%s has an empty dimension", name); }

/* ---- divergences ---- */

static void token_divergence(lb_tape *t, const options *o, const lb_args *a, lb_outs *out, lb_divergence_kind kind, double share) {
    lb_tensor *student = a->in[0], *teacher = lb_detach(t, a->in[1]), *mask = a->in[2];
    if (!check_sizes(t, student, "student_logits") || (mask && !lb_part_check_mask(t, mask)) || !lb_part_check_logits(t, student, mask, "student_logits") ||
        !lb_part_check_logits(t, teacher, mask, "teacher_logits"))
        return;
    lb_tensor *mean = lb_divergence(t, student, teacher, mask, kind, o->temperature, share, -1, LB_MEAN);
    lb_out(out, 0, lb_scale(t, mean, o->temperature * o->temperature));
}

static void forward_kl(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    token_divergence(t, o, a, out, o->subtract_entropy ? LB_KL_FORWARD : LB_SOFT_CROSS, 0);
}

static void reverse_kl(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) { token_divergence(t, cfg, a, out, LB_KL_REVERSE, 0); }
static void total_variation(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) { token_divergence(t, cfg, a, out, LB_TOTAL_VARIATION, 0); }

static void skew_forward_kl(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    token_divergence(t, o, a, out, o->subtract_entropy ? LB_SKEW_FORWARD : LB_SKEW_CROSS, o->skew);
}

static void skew_reverse_kl(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) { token_divergence(t, cfg, a, out, LB_SKEW_REVERSE, ((const options *)cfg)->skew); }

/* At beta 0 and 1 one side has no weight and the other equals the mixture: 0 in value and gradient. */
static void jsd(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    if (!lb_check(t, o->beta <= 1, "beta of jsd is %g, 0 to 1 is wanted", o->beta)) return;
    token_divergence(t, o, a, out, LB_JENSEN_SHANNON, o->beta);
}

static void vanilla_kd(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    lb_tensor *student = a->in[0], *teacher = a->in[1], *labels = a->in[2];
    if (!check_sizes(t, student, "student_logits") || !lb_part_check_logits(t, student, NULL, "student_logits") ||
        !lb_part_check_logits(t, teacher, NULL, "teacher_logits") || !lb_check_index(t, labels, student->shape[1], "labels"))
        return;
    for (int64_t b = 0; lb_tape_get_mode(t) != LB_TAPE_SHAPES && b < labels->shape[0]; b++) {
        int64_t label = (int64_t)lb_get_at(labels, b);
        if (!lb_check(t, lb_get_at(student, b * student->shape[1] + label) > -INFINITY, "student_logits: the label's logit of row %lld is -inf", (long long)b)) return;
    }
    lb_tensor *soft = o->alpha > 0 ? lb_divergence(t, student, lb_detach(t, teacher), NULL, LB_KL_FORWARD, o->temperature, 0, -1, LB_MEAN) : lb_scalar(t, 0);
    lb_tensor *hard = o->alpha < 1 ? lb_cross_entropy(t, student, labels, NULL, 1, INT64_MIN, 0, LB_MEAN) : lb_scalar(t, 0);
    lb_out(out, 0, lb_add(t, lb_scale(t, hard, 1 - o->alpha), lb_scale(t, soft, o->alpha * o->temperature * o->temperature)));
}

/* ---- sequences ---- */

/* Position 0 is never predicted; the logits at i-1 predict token i. Rows that no kept token uses may hold anything. */
static bool check_sequence(lb_tape *t, const lb_tensor *logits, const lb_tensor *tokens, const lb_tensor *mask) {
    int64_t n = logits->shape[1], v = logits->shape[2];
    if (!check_sizes(t, logits, "student_logits") || !lb_check_range(t, mask, 0, LB_NO_MAX, "mask")) return false;
    for (int64_t i = 0; lb_tape_get_mode(t) != LB_TAPE_SHAPES && i < lb_numel(mask); i++) {
        if (i % n == 0 || lb_get_at(mask, i) == 0) continue;
        int64_t token = (int64_t)lb_get_at(tokens, i);
        if (!lb_check(t, token >= 0 && token < v, "tokens[%lld] is %lld, 0 to %lld is wanted", (long long)i, (long long)token, (long long)v - 1)) return false;
        for (int64_t k = 0; k < v; k++) {
            double x = lb_get_at(logits, (i - 1) * v + k);
            if (!lb_check(t, !isnan(x) && x != INFINITY, "student_logits: row %lld, which predicts a kept token, holds %g", (long long)i - 1, x)) return false;
        }
        if (!lb_check(t, lb_get_at(logits, (i - 1) * v + token) > -INFINITY, "student_logits: the logit of kept token %lld is -inf", (long long)i)) return false;
    }
    return lb_tape_ok(t);
}

/* Tokens 1..N-1 with 0 where they are not kept. */
static lb_tensor *safe_tokens(lb_tape *t, const lb_tensor *tokens, const lb_tensor *mask) {
    int64_t b = tokens->shape[0], n = tokens->shape[1];
    lb_tensor *y = lb_input(t, LB_I64, 3, (int64_t[]){b, n - 1, 1}, NULL, LB_I64);
    for (int64_t i = 0; y->data && i < b * (n - 1); i++) {
        int64_t at = i / (n - 1) * n + i % (n - 1) + 1;
        ((int64_t *)y->data)[i] = lb_get_at(mask, at) == 0 ? 0 : (int64_t)lb_get_at(tokens, at);
    }
    return y;
}

/* mask log softmax(s_{i-1})[token_i] for i = 1..N-1: [B,N-1]; *kept the mask of those. */
static lb_tensor *token_logprobs(lb_tape *t, const lb_args *a, lb_tensor **kept) {
    lb_tensor *logits = a->in[0], *mask = lb_detach(t, a->in[2]);
    int64_t b = logits->shape[0], n = logits->shape[1];
    *kept = lb_slice(t, mask, 1, 1, n, 1);
    lb_tensor *used = lb_slice(t, logits, 1, 0, n - 1, 1);
    used = lb_masked_fill(t, used, lb_reshape(t, lb_part_not(t, *kept), 3, (int64_t[]){b, n - 1, 1}), 0);
    lb_tensor *picked = lb_gather(t, lb_log_softmax(t, used, -1), safe_tokens(t, a->in[1], a->in[2]), 2);
    return lb_mul(t, lb_reshape(t, picked, 2, (int64_t[]){b, n - 1}), *kept);
}

static double kept_sum(const lb_tensor *mask, int64_t row) {
    double sum = 0;
    for (int64_t i = 1; i < mask->shape[1]; i++) sum += lb_get_at(mask, row * mask->shape[1] + i);
    return sum;
}

static void sequence_logprob(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    lb_tensor *mask = a->in[2], *kept = NULL;
    if (!check_sequence(t, a->in[0], a->in[1], mask)) return;
    for (int64_t r = 0; o->average && mask->data && r < mask->shape[0]; r++)
        if (!lb_check(t, kept_sum(mask, r) > 0, "mask keeps no token of sequence %lld, so there is no average", (long long)r)) return;
    if (mask->shape[1] == 1) {
        lb_out(out, 0, lb_zeros(t, 1, mask->shape));
        return;
    }
    lb_tensor *sum = lb_sum(t, token_logprobs(t, a, &kept), 1, false);
    lb_out(out, 0, o->average ? lb_div(t, sum, lb_sum(t, kept, 1, false)) : sum);
}

static void sequence_kd(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    (void)cfg;
    lb_tensor *mask = a->in[2], *kept = NULL;
    double sum = 0;
    if (!check_sequence(t, a->in[0], a->in[1], mask)) return;
    for (int64_t r = 0; mask->data && r < mask->shape[0]; r++) sum += kept_sum(mask, r);
    if (lb_tape_get_mode(t) != LB_TAPE_SHAPES && !lb_check(t, sum > 0, "mask keeps no token beyond position 0")) return;
    lb_tensor *terms = token_logprobs(t, a, &kept);
    lb_out(out, 0, lb_neg(t, lb_div(t, lb_sum_all(t, terms), lb_sum_all(t, kept))));
}

/* ---- preferences and ranks ---- */

static void dpo(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    static const char *const names[] = {"policy_chosen", "policy_rejected", "reference_chosen", "reference_rejected"};
    if (!lb_check(t, o->beta > 0, "beta of dpo is %g, above 0 is wanted", o->beta) || !check_sizes(t, a->in[0], names[0])) return;
    for (int i = 0; i < 4; i++)
        if (!lb_check_finite(t, a->in[i], names[i])) return;
    lb_tensor *win = lb_sub(t, a->in[0], lb_detach(t, a->in[2])), *lose = lb_sub(t, a->in[1], lb_detach(t, a->in[3]));
    lb_tensor *d = lb_scale(t, lb_sub(t, win, lose), o->beta);
    lb_tensor *right = lb_scale(t, lb_log_sigmoid(t, d), -(1 - o->label_smoothing)), *wrong = lb_scale(t, lb_log_sigmoid(t, lb_neg(t, d)), -o->label_smoothing);
    lb_out(out, 0, lb_mean_all(t, lb_add(t, right, wrong)));
}

static bool check_ranks(lb_tape *t, const lb_args *a) {
    return lb_check(t, a->in[0]->shape[0] > 0 && a->in[0]->shape[1] >= 2, "scores: at least one row of at least 2 responses is wanted") &&
           lb_check_finite(t, a->in[0], "scores") && lb_check_no_nan(t, a->in[1], "rewards");
}

static void pairwise_rank(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    if (!check_ranks(t, a)) return;
    int64_t b = a->in[0]->shape[0], k = a->in[0]->shape[1];
    lb_tensor *rewards = lb_detach(t, a->in[1]);
    lb_tensor *worse = lb_gt(t, lb_reshape(t, rewards, 3, (int64_t[]){b, 1, k}), lb_reshape(t, rewards, 3, (int64_t[]){b, k, 1})); /* [b,j,k]: r_j < r_k */
    lb_tensor *lead = lb_sub(t, lb_reshape(t, a->in[0], 3, (int64_t[]){b, k, 1}), lb_reshape(t, a->in[0], 3, (int64_t[]){b, 1, k}));
    lb_tensor *cost = lb_mul(t, lb_relu(t, lb_add_scalar(t, lead, o->margin)), worse);
    lb_out(out, 0, lb_scale(t, lb_sum_all(t, cost), 1 / (double)b));
}

static void listwise_rank(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    if (!check_ranks(t, a)) return;
    int64_t b = a->in[0]->shape[0], k = a->in[0]->shape[1];
    lb_tensor *order = lb_argsort(t, lb_detach(t, a->in[1]), true);
    lb_tensor *u = lb_scale(t, lb_gather(t, a->in[0], order, 1), 1 / o->temperature);
    lb_tensor *place = lb_to_real(t, lb_arange(t, k));
    lb_tensor *before = lb_gt(t, lb_reshape(t, place, 2, (int64_t[]){k, 1}), lb_reshape(t, place, 2, (int64_t[]){1, k})); /* [k,i]: i stands before k */
    lb_tensor *rest = lb_expand(t, lb_reshape(t, u, 3, (int64_t[]){b, 1, k}), 3, (int64_t[]){b, k, k});
    lb_tensor *tail = lb_logsumexp(t, lb_masked_fill(t, rest, before, -INFINITY), 2, false);
    lb_out(out, 0, lb_scale(t, lb_sum_all(t, lb_sub(t, tail, u)), 1 / (double)b));
}

/* ---- a training step by preferences: the student and what it is compared with (the model "teacher") on both sequences ---- */

static lb_tensor *logprob(lb_play *p, const options *o, const char *model, const char *sequence) {
    lb_tensor *ids = lb_play_input(p, sequence), *logits;
    lb_play_run(p, model, true, 1, &(lb_named){"ids", ids}, 1, (const char *const[]){"logits"}, &logits);
    return lb_play_call(p, o, "sequence_logprob", 3, (const char *const[]){"student_logits", "tokens", "mask"}, (lb_tensor *[]){logits, ids, lb_play_input(p, "mask")}).at[0];
}

static lb_tensor *preferences(lb_play *p, const void *cfg) {
    lb_tensor *in[] = {logprob(p, cfg, "student", "chosen"), logprob(p, cfg, "student", "rejected"), logprob(p, cfg, "teacher", "chosen"), logprob(p, cfg, "teacher", "rejected")};
    return lb_play_call(p, cfg, "dpo", 4, (const char *const[]){"policy_chosen", "policy_rejected", "reference_chosen", "reference_rejected"}, in).at[0];
}

#define TOKENS "student_logits[...,V] teacher_logits[...,V] mask[...]? -> loss[]"
static const lb_default four[] = {{"temperature", 4, NULL}, {0}}, tenth[] = {{"beta", 0.1, NULL}, {0}};
static const lb_component components[] = {
    {.name = "forward_kl", .run = forward_kl, .sig = TOKENS, .constant = "teacher_logits mask", .text = "KL(p||q): mean-seeking"},
    {.name = "reverse_kl", .run = reverse_kl, .sig = TOKENS, .constant = "teacher_logits mask", .text = "KL(q||p): mode-seeking"},
    {.name = "jsd", .run = jsd, .sig = TOKENS, .constant = "teacher_logits mask", .text = "beta KL(p||m) + (1-beta) KL(q||m), m = beta p + (1-beta) q"},
    {.name = "total_variation", .run = total_variation, .sig = TOKENS, .constant = "teacher_logits mask", .text = "half the sum of |p - q|"},
    {.name = "skew_forward_kl", .run = skew_forward_kl, .sig = TOKENS, .constant = "teacher_logits mask", .text = "KL(p||a p + (1-a) q)"},
    {.name = "skew_reverse_kl", .run = skew_reverse_kl, .sig = TOKENS, .constant = "teacher_logits mask", .text = "KL(q||(1-a) p + a q)"},
    {.name = "vanilla_kd", .run = vanilla_kd, .sig = "student_logits[B,C] teacher_logits[B,C] labels[B]:i64 -> loss[]", .constant = "teacher_logits labels", .defaults = four, .text = "(1-alpha) CE + alpha T^2 KL(p||q)"},
    {.name = "sequence_logprob", .run = sequence_logprob, .sig = "student_logits[B,N,V] tokens[B,N]:i64 mask[B,N] -> logprob[B]", .constant = "tokens mask", .text = "log-probability of a sequence; position 0 is given"},
    {.name = "sequence_kd", .run = sequence_kd, .sig = "student_logits[B,N,V] tokens[B,N]:i64 mask[B,N] -> loss[]", .constant = "tokens mask", .text = "negative log-probability per token of the teacher's generation"},
    {.name = "dpo", .run = dpo, .sig = "policy_chosen[B] policy_rejected[B] reference_chosen[B] reference_rejected[B] -> loss[]", .constant = "reference_chosen reference_rejected", .defaults = tenth, .text = "direct preference optimisation"},
    {.name = "preferences", .play = preferences, .sig = "chosen[B,N]:i64 rejected[B,N]:i64 mask[B,N] -> loss[]", .defaults = tenth, .text = "a step of dpo: student and reference (the model teacher) on both sequences"},
    {.name = "pairwise_rank", .run = pairwise_rank, .sig = "scores[B,K] rewards[B,K] -> loss[]", .constant = "rewards", .text = "RRHF: hinge on wrongly ordered pairs"},
    {.name = "listwise_rank", .run = listwise_rank, .sig = "scores[B,K] rewards[B,K] -> loss[]", .constant = "rewards", .text = "Plackett-Luce likelihood of the teacher's order"},
    LB_COMPONENT_END};

LB_METHOD(kd_divergences) = {.id = "kd_divergences",
                             .title = "the catalogue of generic distillation objectives for sequence and class outputs",
                             .source = "arXiv:2402.13116; definitions checked against SakanaAI/TAID",
                             .params = params,
                             .params_size = sizeof(options),
                             .group = "logit sequence",
                             .needs = "student:logits teacher:logits mask|labels",
                             .components = components,
                             .verified = LB_VERIFIED_CODE};
