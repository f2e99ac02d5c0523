/* SPDX-License-Identifier: Apache-2.0 */
/* MultiModN - Multimodal, Multi-Task, Interpretable Modular Networks, Swamy et al., NeurIPS 2023, arXiv:2309.14118; encoders agree with
 * EPFLiGHT/MultiModN. A per-sample mask (equal to the published code at batch size 1) is this project's; skip_batch gives the published rule.
 *
 * One state per sample: it starts from a learned vector, each present modality's encoder makes the next state of it, an absent one is passed over.
 * Decoders read every state:
 *   loss = err_penalty sum(err) / (T (M + 1)) + 0.01 state_change_penalty sum(change) / M
 * err[k,t] is the masked cross entropy of task t after encoder k - 1 (row 0: the initial state), change[m] the mean square of encoder m's step. */
#include <math.h>
#include <stdio.h>
#include "distill/method.h"
#include "distill/parts/parts.h"

typedef struct options {
    int64_t n_modalities, n_tasks;
    double err_penalty, state_change_penalty, dropout;
    bool sigmoid_outputs, skip_batch;
} options;

enum { TASKS = 12, MODALITIES = 64, LAYERS = 4 };

static const lb_param params[] = {
    LB_PARAM(options, n_modalities, 1, 1, MODALITIES, "1", "M encoders"),
    LB_PARAM(options, n_tasks, 1, 1, TASKS, "1", "T decoders"),
    LB_PARAM(options, err_penalty, 1, 0, LB_NO_MAX, "1", "weight of the prediction error"),
    LB_PARAM(options, state_change_penalty, 0, 0, LB_NO_MAX, "1", "weight of the state's changes, times 0.01"),
    LB_PARAM(options, dropout, 0.2, 0, 1, "1", "of the early encoder's input"),
    LB_PARAM_FLAG(options, sigmoid_outputs, true, "decoders end in a sigmoid, whose values are taken as logits, as published"),
    LB_PARAM_FLAG(options, skip_batch, false, "one absent sample makes its modality absent for the whole batch"),
    LB_PARAM_END};

/* ---- encoders ---- */

/* relu(w h + b) for w1, w2, ... */
static lb_tensor *hidden_layers(lb_tape *t, const lb_args *a, lb_tensor *h) {
    for (int i = 1; i <= LAYERS; i++) {
        lb_tensor *w = lb_arg(a, "w%d", i), *b = lb_arg(a, "b%d", i);
        if (!w != !b) return lb_tape_fail(t, LB_E_NOTFOUND, "w%d and b%d come together", i, i);
        if (w) h = lb_linear(t, h, w, b, LB_ACT_RELU);
    }
    return h;
}

static bool check_encoder(lb_tape *t, const lb_tensor *x, const lb_tensor *state) {
    return lb_check(t, lb_numel(x) > 0, "x is empty") && lb_check_finite(t, x, "x") && lb_check_finite(t, state, "state");
}

static lb_tensor *joined(lb_tape *t, lb_tensor *a, lb_tensor *b) { return lb_concat(t, 2, (lb_tensor *[]){a, b}, 1); }

static void mlp_encoder(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    (void)cfg;
    lb_tensor *x = a->in[0], *state = a->in[1];
    if (!check_encoder(t, x, state)) return;
    lb_out(out, 0, lb_linear(t, joined(t, hidden_layers(t, a, x), state), lb_arg(a, "w_out"), lb_arg(a, "b_out"), LB_ACT_NONE));
}

static void early_encoder(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    lb_tensor *x = a->in[0], *state = a->in[1], *keep = a->in[2];
    if (!check_encoder(t, x, state) || !lb_check_range(t, keep, 0, 1, "dropout_mask")) return;
    lb_tensor *h = lb_scale(t, lb_mul(t, joined(t, x, state), lb_detach(t, keep)), o->dropout < 1 ? 1 / (1 - o->dropout) : 0);
    lb_out(out, 0, lb_linear(t, hidden_layers(t, a, h), lb_arg(a, "w_out"), lb_arg(a, "b_out"), LB_ACT_RELU));
}

/* ---- the sequence ---- */

typedef struct walk {
    const options *o;
    const lb_args *a;
    int64_t batch, state;
    lb_tensor *err[MODALITIES + 1][TASKS], *change[MODALITIES]; /* NULL: 0 */
    lb_tensor *present[MODALITIES];                             /* [B], constants */
    bool all[MODALITIES];                                       /* every sample has it */
} walk;

/* Column m of the mask as numbers; with skip_batch all or nothing. */
static bool find_present(lb_tape *t, walk *w, const lb_tensor *mask) {
    double *on = lb_calloc((size_t)w->batch + 1, sizeof *on);
    bool good = on != NULL;
    if (!on) (void)lb_tape_fail_status(t, LB_E_NOMEM);
    for (int64_t m = 0; good && m < w->o->n_modalities; m++) {
        double sum = 0;
        for (int64_t b = 0; good && b < w->batch && !lb_part_shapes_only(t); b++) {
            on[b] = lb_get_at(mask, b * w->o->n_modalities + m);
            good = lb_check(t, on[b] == 0 || on[b] == 1, "mask holds %g, 0 or 1 is wanted", on[b]);
            sum += on[b];
        }
        w->all[m] = sum == (double)w->batch;
        for (int64_t b = 0; w->o->skip_batch && !w->all[m] && b < w->batch; b++) on[b] = 0;
        w->present[m] = lb_part_constant(t, 1, &w->batch, on);
    }
    lb_free(on);
    return good;
}

static bool check_sequence(lb_tape *t, const walk *w, const lb_tensor *sequence) {
    bool seen[MODALITIES] = {false};
    int64_t n = sequence->shape[0];
    if (!lb_check(t, n >= 1 && n <= w->o->n_modalities, "sequence has %lld entries; 1 to %lld are wanted", (long long)n, (long long)w->o->n_modalities) ||
        !lb_check_index(t, sequence, w->o->n_modalities, "sequence"))
        return false;
    for (int64_t k = 0; k < n && !lb_part_shapes_only(t); k++) {
        int64_t m = (int64_t)lb_get_at(sequence, k);
        if (!lb_check(t, !seen[m], "sequence holds encoder %lld twice", (long long)m)) return false;
        seen[m] = true;
    }
    return true;
}

/* NaN in a present modality is told; what an absent sample holds is replaced by 0, in value and gradient. */
static lb_tensor *clean(lb_tape *t, const walk *w, lb_tensor *x, int64_t m) {
    int64_t d = x->shape[1];
    for (int64_t i = 0; i < lb_numel(x) && !lb_part_shapes_only(t); i++)
        if (lb_get_at(w->present[m], i / d) != 0 && !lb_check(t, isfinite(lb_get_at(x, i)), "x%lld[%lld] is %g in a present sample", (long long)m, (long long)i, lb_get_at(x, i))) return lb_inert(t);
    lb_tensor *on = lb_expand(t, lb_reshape(t, w->present[m], 2, (int64_t[]){w->batch, 1}), 2, (int64_t[]){w->batch, d});
    return lb_select(t, on, x, lb_zeros(t, 2, (int64_t[]){w->batch, d}));
}

static lb_tensor *encoded(lb_tape *t, walk *w, lb_tensor *state, int64_t m) {
    lb_tensor *x = lb_arg(w->a, "x%lld", (long long)m), *w1 = lb_arg(w->a, "enc%lld_w1", (long long)m), *b1 = lb_arg(w->a, "enc%lld_b1", (long long)m);
    lb_tensor *wo = lb_arg(w->a, "enc%lld_w_out", (long long)m), *bo = lb_arg(w->a, "enc%lld_b_out", (long long)m);
    if (!x || !w1 || !b1 || !wo || !bo) return lb_tape_fail(t, LB_E_NOTFOUND, "x%lld or a weight of enc%lld is missing", (long long)m, (long long)m);
    if (!lb_check(t, x->rank == 2 && x->shape[0] == w->batch, "x%lld is no [%lld,D]", (long long)m, (long long)w->batch)) return lb_inert(t);
    lb_tensor *h = lb_linear(t, clean(t, w, x, m), w1, b1, LB_ACT_RELU), *next = lb_linear(t, joined(t, h, state), wo, bo, LB_ACT_NONE);
    if (!lb_tape_ok(t) || !lb_check(t, next->shape[1] == w->state, "enc%lld gives a state of %lld numbers, %lld are wanted", (long long)m,
                                    (long long)next->shape[1], (long long)w->state))
        return lb_inert(t);
    lb_tensor *on = lb_expand(t, lb_reshape(t, w->present[m], 2, (int64_t[]){w->batch, 1}), 2, (int64_t[]){w->batch, w->state});
    return lb_select(t, on, next, state);
}

static lb_tensor *decoded(lb_tape *t, const walk *w, lb_tensor *state, int64_t task) {
    lb_tensor *weight = lb_arg(w->a, "dec%lld_w", (long long)task), *bias = lb_arg(w->a, "dec%lld_b", (long long)task);
    if (!weight || !bias) return lb_tape_fail(t, LB_E_NOTFOUND, "a weight of dec%lld is missing", (long long)task);
    return lb_linear(t, state, weight, bias, w->o->sigmoid_outputs ? LB_ACT_SIGMOID : LB_ACT_NONE);
}

/* Labels of one task, [B]. */
static lb_tensor *labels_of(lb_tape *t, const walk *w, lb_tensor *labels, int64_t task) {
    return lb_reshape(t, lb_contiguous(t, lb_slice(t, labels, 1, task, task + 1, 1)), 1, &w->batch);
}

/* Row `row` of err: on NULL counts every sample. */
static void judge(lb_tape *t, walk *w, lb_tensor *state, lb_tensor *labels, int64_t row, lb_tensor *on) {
    for (int64_t k = 0; k < w->o->n_tasks && lb_tape_ok(t); k++) {
        lb_tensor *y = decoded(t, w, state, k), *label = labels_of(t, w, labels, k);
        if (!lb_tape_ok(t) || !lb_check_index(t, label, y->shape[1], "labels")) return;
        lb_tensor *each = lb_cross_entropy(t, y, label, NULL, 1, INT64_MIN, 0, LB_NONE);
        w->err[row][k] = lb_scale(t, lb_sum(t, on ? lb_mul(t, each, on) : each, 0, false), 1 / (double)w->batch);
    }
}

/* Numbers, NULL as 0, as a tensor. */
static lb_tensor *gathered(lb_tape *t, lb_tensor *const *x, int64_t n, int rank, const int64_t *shape) {
    lb_tensor *parts[(MODALITIES + 1) * TASKS];
    for (int64_t i = 0; i < n; i++) parts[i] = lb_reshape(t, x[i] ? x[i] : lb_scalar(t, 0), 1, (int64_t[]){1});
    return lb_reshape(t, lb_concat(t, (int)n, parts, 0), rank, shape);
}

static void put_results(lb_tape *t, walk *w, lb_tensor *state, lb_outs *out) {
    int64_t m = w->o->n_modalities, tasks = w->o->n_tasks;
    lb_tensor *flat[(MODALITIES + 1) * TASKS];
    for (int64_t i = 0; i < (m + 1) * tasks; i++) flat[i] = w->err[i / tasks][i % tasks];
    lb_tensor *err = gathered(t, flat, (m + 1) * tasks, 2, (int64_t[]){m + 1, tasks}), *change = gathered(t, w->change, m, 1, &m);
    lb_tensor *total = lb_scale(t, lb_mean_all(t, err), w->o->err_penalty);
    lb_out(out, 0, lb_add(t, total, lb_scale(t, lb_mean_all(t, change), 0.01 * w->o->state_change_penalty)));
    lb_out(out, 1, err);
    lb_out(out, 2, change);
    lb_out(out, 3, state);
    for (int64_t k = 0; k < tasks; k++) lb_out(out, 4 + (int)k, decoded(t, w, state, k));
}

static void sequence_loss(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    lb_tensor *init = a->in[0], *labels = a->in[1], *mask = a->in[2], *sequence = a->in[3];
    walk w = {.o = cfg, .a = a, .batch = labels->shape[0], .state = init->shape[0]};
    if (!lb_check(t, w.batch > 0, "labels has no samples") ||
        !lb_check(t, labels->shape[1] == w.o->n_tasks, "labels has %lld tasks, n_tasks is %lld", (long long)labels->shape[1], (long long)w.o->n_tasks) ||
        !lb_check(t, mask->shape[1] == w.o->n_modalities, "mask has %lld modalities, n_modalities is %lld", (long long)mask->shape[1],
                  (long long)w.o->n_modalities) ||
        !find_present(t, &w, mask) || !check_sequence(t, &w, sequence))
        return;
    lb_tensor *state = lb_expand(t, lb_reshape(t, init, 2, (int64_t[]){1, w.state}), 2, (int64_t[]){w.batch, w.state});
    judge(t, &w, state, labels, 0, NULL);
    for (int64_t k = 0; k < sequence->shape[0] && lb_tape_ok(t); k++) {
        int64_t m = lb_part_shapes_only(t) ? k : (int64_t)lb_get_at(sequence, k);
        lb_tensor *next = encoded(t, &w, state, m);
        if (!lb_tape_ok(t)) return;
        w.change[m] = lb_mean_all(t, lb_square(t, lb_sub(t, next, state)));
        state = next;
        judge(t, &w, state, labels, m + 1, w.present[m]);
    }
    if (lb_tape_ok(t)) put_results(t, &w, state, out);
}

/* ---- metrics ---- */

static double ratio(int64_t a, int64_t b) { return b ? (double)a / (double)b : 0; }

static void metrics(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    (void)cfg;
    const lb_tensor *scores = a->in[0], *labels = a->in[1];
    int64_t n = labels->shape[0], c[4] = {0}; /* tp, tn, fp, fn */
    double right = 0;
    if (!lb_check(t, n > 0, "labels is empty") || !lb_check_no_nan(t, scores, "scores") || !lb_check_index(t, labels, 2, "labels")) return;
    for (int64_t i = 0; i < n && !lb_part_shapes_only(t); i++) {
        bool said = lb_get_at(scores, 2 * i + 1) > lb_get_at(scores, 2 * i), is = lb_get_at(labels, i) == 1;
        c[said ? (is ? 0 : 2) : (is ? 3 : 1)]++;
        for (int64_t j = 0; is && j < n; j++) {
            double x = lb_get_at(scores, 2 * i + 1), y = lb_get_at(scores, 2 * j + 1);
            if (lb_get_at(labels, j) == 0) right += x > y ? 1 : x == y ? 0.5 : 0;
        }
    }
    int64_t positives = c[0] + c[3], negatives = c[1] + c[2];
    double sensitivity = ratio(c[0], positives), specificity = ratio(c[1], negatives);
    for (int k = 0; k < 4; k++) lb_out(out, k, lb_part_indices(t, 0, NULL, &c[k]));
    lb_out(out, 4, lb_scalar(t, (double)(c[0] + c[1]) / (double)n));
    lb_out(out, 5, lb_scalar(t, sensitivity));
    lb_out(out, 6, lb_scalar(t, specificity));
    lb_out(out, 7, lb_scalar(t, (sensitivity + specificity) / 2));
    lb_out(out, 8, lb_scalar(t, positives && negatives ? right / ((double)positives * (double)negatives) : 0));
}

#define HIDDEN "w1[*,*] b1[*] w2[*,*]? b2[*]? w3[*,*]? b3[*]? w4[*,*]? b4[*]? w_out[S,*] b_out[S]"
#define FINALS                                                                                                                                                 \
    "final_output0[B,*] final_output1[B,*]? final_output2[B,*]? final_output3[B,*]? final_output4[B,*]? final_output5[B,*]? final_output6[B,*]? "              \
    "final_output7[B,*]? final_output8[B,*]? final_output9[B,*]? final_output10[B,*]? final_output11[B,*]?"
/* The network states its loss (arch multimodn). */
static void of_network(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    (void)cfg;
    lb_out(out, 0, lb_scale(t, a->in[0], 1));
}

static const lb_component components[] = {
    {.name = "sequence_loss",
     .run = sequence_loss,
     .sig = "init_state[S] labels[B,T]:i64 mask[B,M]:i64 sequence[*]:i64 x*[B,*] enc*_w1[*,*] enc*_b1[*] enc*_w_out[S,*] enc*_b_out[S] dec*_w[*,S] dec*_b[*] "
            "-> loss[] err_loss[*,*] state_change[*] final_state[B,S] " FINALS,
     .values = "err_loss state_change final_state final_output0 final_output1 final_output2 final_output3 final_output4 final_output5 final_output6 "
               "final_output7 final_output8 final_output9 final_output10 final_output11",
     .text = "predictions after every step, and the state's changes"},
    {.name = "of_network", .run = of_network, .sig = "network_loss[] -> loss[]", .text = "the loss that the network states (arch multimodn, tap loss)"},
    {.name = "mlp_encoder", .run = mlp_encoder, .sig = "x[B,D] state[B,S] " HIDDEN " -> new_state[B,S]", .text = "the state joins behind the hidden layers"},
    {.name = "early_encoder",
     .run = early_encoder,
     .sig = "x[B,D] state[B,S] dropout_mask[B,*] " HIDDEN " -> new_state[B,S]",
     .constant = "dropout_mask",
     .text = "the state joins the input, with dropout"},
    {.name = "metrics",
     .run = metrics,
     .sig = "scores[B,2] labels[B]:i64 -> tp[]:i64 tn[]:i64 fp[]:i64 fn[]:i64 accuracy[] sensitivity[] specificity[] balanced_accuracy[] auroc[]",
     .constant = "scores",
     .values = "accuracy sensitivity specificity balanced_accuracy auroc",
     .text = "of a binary task"},
    LB_COMPONENT_END};

LB_METHOD(multimodn) = {.id = "multimodn",
                        .title = "modalities one after the other through a shared state",
                        .source = "arXiv:2309.14118; EPFLiGHT/MultiModN 9920619",
                        .params = params,
                        .params_size = sizeof(options),
                        .group = "fusion",
                        .needs = "modalities mask label",
                        .components = components,
                        .verified = LB_VERIFIED_CODE};
