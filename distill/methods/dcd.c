/* SPDX-License-Identifier: Apache-2.0 */
/* Dynamic contrastive distillation for image-text retrieval, Rao, 2022, arXiv:2207.01426; agrees with raojay7/DCD (KD_loss.py) where the teacher
 * ranks the match first; else the teacher's scores are kept in line with the student's by their index, which the text intends.
 *
 * Of F candidates (column 0 the match) the teacher keeps the match and its k hardest negatives. Its uncertainty u (share of a row's entropy in
 * the batch's) weighs the student's own loss; imitation is a squared error, weighted in mode "paper". Teacher and weights have no gradient. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "distill/method.h"
#include "distill/parts/parts.h"
#include "distill/play.h"

typedef struct options {
    int64_t hard_negative;
    double alpha, temperature;
    const char *mode, *negatives, *sample_weights;
} options;

static const lb_param params[] = {
    LB_PARAM(options, hard_negative, 7, 1, LB_NO_MAX, "candidates", "negatives that are kept"),
    LB_PARAM(options, alpha, 0.2, 0, 1, "1", "share of imitation"),
    LB_PARAM(options, temperature, 1, LB_ABOVE_0, LB_NO_MAX, "1", "T of imitation"),
    LB_PARAM_TEXT(options, mode, "code", "code|paper", "per-sample weights of imitation: they cancel, as in the published code; or as in the paper"),
    LB_PARAM_TEXT(options, negatives, "hard", "hard|first", "train: the teacher's hardest, or the first columns: random ones"),
    LB_PARAM_TEXT(options, sample_weights, "teacher", "teacher|equal", "of the student's own loss: the teacher's uncertainty u, or 1/B each: plain cross entropy"),
    LB_PARAM_END};

/* ---- hard negatives ---- */

typedef struct ranked {
    double score;
    int64_t column;
} ranked;

static int by_rank(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return (x->column > y->column) - (x->column < y->column);
}

/* Column 0, then the k others that rank first. */
static void select_row(int64_t *to, ranked *row, int64_t n, int64_t k) {
    qsort(row, (size_t)n, sizeof *row, by_rank);
    *to++ = 0;
    for (int64_t i = 0, taken = 0; taken < k; i++)
        if (row[i].column != 0) to[taken++] = row[i].column;
}

static void select_hard(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    lb_tensor *scores = a->in[0];
    int64_t rows = scores->shape[0], n = scores->shape[1], k = o->hard_negative, shape[2] = {rows, k + 1};
    if (!lb_check(t, rows > 0, "teacher_scores has no rows") || !lb_check(t, k + 1 <= n, "%lld negatives and the match are wanted of %lld candidates", (long long)k, (long long)n) ||
        !lb_check_no_nan(t, scores, "teacher_scores"))
        return;
    int64_t *index = lb_calloc((size_t)(rows * (k + 1)) + 1, sizeof *index);
    ranked *row = lb_alloc((size_t)n, sizeof *row);
    if (!index || !row) (void)lb_tape_fail_status(t, LB_E_NOMEM);
    for (int64_t b = 0; index && row && b < rows && !lb_part_shapes_only(t); b++) {
        for (int64_t c = 0; c < n; c++) row[c] = (ranked){lb_get_at(scores, b * n + c), c};
        select_row(index + b * (k + 1), row, n, k);
    }
    if (index && row) {
        lb_tensor *i = lb_part_indices(t, 2, shape, index);
        lb_out(out, 0, i);
        lb_out(out, 1, lb_gather(t, lb_detach(t, scores), i, 1));
    }
    lb_free(index);
    lb_free(row);
}

/* ---- losses ---- */

static double log_sum(const lb_tensor *x, int64_t row, int64_t n) {
    double most = -INFINITY, sum = 0;
    for (int64_t c = 0; c < n; c++) most = fmax(most, lb_get_at(x, row * n + c));
    for (int64_t c = 0; c < n; c++) sum += exp(lb_get_at(x, row * n + c) - most);
    return most + log(sum);
}

/* u: each row's share of the entropy; 1/B when every row is certain. kd: softmax over the batch of (1 - u)^2. */
static void weights(double *u, double *kd, const lb_tensor *teacher) {
    int64_t rows = teacher->shape[0], n = teacher->shape[1];
    double total = 0, most = -INFINITY, sum = 0;
    for (int64_t b = 0; b < rows; b++) {
        double all = log_sum(teacher, b, n);
        u[b] = 0;
        for (int64_t c = 0; c < n; c++) {
            double log_p = lb_get_at(teacher, b * n + c) - all;
            u[b] -= exp(log_p) * log_p;
        }
        total += u[b];
    }
    for (int64_t b = 0; b < rows; b++) {
        u[b] = total > 0 ? u[b] / total : 1 / (double)rows;
        most = fmax(most, (1 - u[b]) * (1 - u[b]));
    }
    for (int64_t b = 0; b < rows; b++) sum += kd[b] = exp((1 - u[b]) * (1 - u[b]) - most);
    for (int64_t b = 0; b < rows; b++) kd[b] /= sum;
}

static bool check(lb_tape *t, const lb_tensor *student, const lb_tensor *teacher) {
    return lb_check(t, lb_numel(student) > 0, "student_scores is empty") && lb_check_finite(t, student, "student_scores") && lb_check_finite(t, teacher, "teacher_scores");
}

/* [B]: mean squared difference of a row's scores, over T. */
static lb_tensor *imitation(lb_tape *t, const options *o, lb_tensor *student, lb_tensor *teacher) {
    return lb_mean(t, lb_square(t, lb_scale(t, lb_sub(t, student, lb_detach(t, teacher)), 1 / o->temperature)), 1, false);
}

/* 1 in column 0. */
static lb_tensor *match(lb_tape *t, const lb_tensor *like) {
    lb_tensor *labels = lb_part_indices(t, 1, &like->shape[0], NULL);
    return lb_one_hot(t, labels, like->shape[1]);
}

static void dcd_loss(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    lb_tensor *student = a->in[0], *teacher = a->in[1];
    int64_t rows = student->shape[0];
    if (!check(t, student, teacher)) return;
    double *w = lb_calloc((size_t)rows * 2, sizeof *w);
    if (!w) {
        (void)lb_tape_fail_status(t, LB_E_NOMEM);
        return;
    }
    if (!lb_part_shapes_only(t)) weights(w, w + rows, teacher);
    for (int64_t b = 0; strcmp(o->sample_weights, "equal") == 0 && b < rows; b++) w[b] = 1 / (double)rows;
    lb_tensor *u = lb_part_constant(t, 1, &rows, w), *v = lb_part_constant(t, 1, &rows, w + rows), *each = imitation(t, o, student, teacher);
    lb_free(w);
    double square = o->temperature * o->temperature;
    lb_tensor *kd = lb_scale(t, strcmp(o->mode, "paper") == 0 ? lb_sum(t, lb_mul(t, v, each), 0, false) : lb_mean_all(t, each), square);
    lb_tensor *bce = lb_mean(t, lb_bce_logits(t, student, match(t, student), NULL, LB_NONE), 1, false), *nll = lb_sum(t, lb_mul(t, u, bce), 0, false);
    lb_out(out, 0, lb_add(t, lb_scale(t, kd, o->alpha), lb_scale(t, nll, 1 - o->alpha)));
    lb_out(out, 1, kd);
    lb_out(out, 2, nll);
    lb_out(out, 3, u);
    lb_out(out, 4, v);
}

static void wsl_weight(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    (void)cfg;
    const lb_tensor *student = a->in[0], *teacher = a->in[1];
    int64_t rows = student->shape[0], n = student->shape[1];
    if (!check(t, student, teacher)) return;
    double *w = lb_calloc((size_t)rows, sizeof *w);
    if (!w) {
        (void)lb_tape_fail_status(t, LB_E_NOMEM);
        return;
    }
    for (int64_t b = 0; b < rows && !lb_part_shapes_only(t); b++) {
        double own = log_sum(student, b, n) - lb_get_at(student, b * n), other = log_sum(teacher, b, n) - lb_get_at(teacher, b * n);
        w[b] = 1 - exp(-fmax(0, own / (other + 1e-7)));
    }
    lb_out(out, 0, lb_part_constant(t, 1, &rows, w));
    lb_free(w);
}

static void wsl_loss(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    lb_tensor *student = a->in[0];
    if (!check(t, student, a->in[1]) || !lb_check_finite(t, a->in[2], "focal_weight")) return;
    lb_tensor *kd = lb_mul(t, lb_mean_all(t, lb_detach(t, a->in[2])), lb_mean_all(t, imitation(t, o, student, a->in[1])));
    lb_tensor *labels = lb_part_indices(t, 1, &student->shape[0], NULL);
    lb_out(out, 0, lb_add(t, lb_scale(t, kd, o->alpha * o->temperature * o->temperature), lb_part_ce(t, student, labels)));
}

/* ---- a training step: the teacher scores all candidates, the student those that are kept ---- */

static lb_tensor *train(lb_play *p, const void *cfg) {
    const options *o = cfg;
    lb_tape *t = p->tape;
    static const char *const tap[] = {"score"};
    lb_tensor *pairs = lb_play_input(p, "pairs"), *all, *student;
    int64_t rows = pairs->shape[0], k = o->hard_negative + 1, d = pairs->shape[2];
    if (!lb_check(t, k <= pairs->shape[1], "%lld negatives and the match are wanted of %lld candidates", (long long)k - 1, (long long)pairs->shape[1])) return lb_inert(t);
    lb_play_run(p, "teacher", false, 1, &(lb_named){"pairs", pairs}, 1, tap, &all);
    lb_outs kept = {{NULL, lb_slice(t, all, 1, 0, k, 1)}};
    lb_tensor *chosen = lb_slice(t, pairs, 1, 0, k, 1);
    if (strcmp(o->negatives, "hard") == 0) {
        kept = lb_play_call(p, o, "select_hard", 1, (const char *const[]){"teacher_scores"}, &all);
        lb_tensor *index = lb_contiguous(t, lb_expand(t, lb_reshape(t, kept.at[0], 3, (int64_t[]){rows, k, 1}), 3, (int64_t[]){rows, k, d}));
        chosen = lb_gather(t, pairs, index, 1);
    }
    lb_play_run(p, "student", true, 1, &(lb_named){"pairs", chosen}, 1, tap, &student);
    return lb_play_call(p, o, "dcd_loss", 2, (const char *const[]){"student_scores", "teacher_scores"}, (lb_tensor *[]){student, kept.at[1]}).at[0];
}

static const lb_component components[] = {
    {.name = "dcd_loss", .run = dcd_loss, .sig = "student_scores[B,C] teacher_scores[B,C] -> loss[] kd_loss[] nll_loss[] weight_nll[B] weight_kd[B]", .constant = "teacher_scores", .values = "kd_loss nll_loss weight_nll weight_kd", .text = "imitation and the student's own loss, weighted by the teacher's uncertainty"},
    {.name = "select_hard", .run = select_hard, .sig = "teacher_scores[B,F] -> index[B,*]:i64 teacher_selected[B,*]", .constant = "teacher_scores", .values = "teacher_selected", .text = "the match and the teacher's hardest negatives"},
    {.name = "train", .play = train, .sig = "pairs[B,F,D] -> loss[]", .text = "a step: candidates are scored by the teacher (tap score), the kept ones by the student"},
    {.name = "wsl_weight", .run = wsl_weight, .sig = "student_scores[B,C] teacher_scores[B,C] -> focal_weight[B]", .constant = "student_scores teacher_scores", .values = "focal_weight", .text = "how much worse the student is than the teacher"},
    {.name = "wsl_loss", .run = wsl_loss, .sig = "student_scores[B,C] teacher_scores[B,C] focal_weight[B] -> loss[]", .constant = "teacher_scores focal_weight", .text = "the weighted soft labels form of the published code"},
    LB_COMPONENT_END};

LB_METHOD(dcd) = {.id = "dcd",
                  .title = "contrast with the negatives that the teacher finds hardest",
                  .source = "arXiv:2207.01426; raojay7/DCD fbb5ff0",
                  .params = params,
                  .params_size = sizeof(options),
                  .group = "contrastive logit",
                  .needs = "student:scores teacher:scores",
                  .components = components,
                  .verified = LB_VERIFIED_CODE};
