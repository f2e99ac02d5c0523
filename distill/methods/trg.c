/* SPDX-License-Identifier: Apache-2.0 */
/* Knowledge Distillation via Token-level Relationship Graph, Zhang, 2023, arXiv:2306.12442. No published code: formulas as reported publicly,
 * the rest reconstructed.
 *
 * Tokens of all pictures of a batch form a k-nearest-neighbour graph A_ij = exp(-||x_i - x_j||^2 / (2 sigma)), i among the k nearest of j. The
 * student repeats each token's neighbourhood (local), its identity among all tokens (global), and the likeness of one picture's tokens
 * (contextual). The neighbour choice carries no gradient, the kept weights do; the teacher is constant. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "distill/method.h"
#include "distill/parts/parts.h"

typedef struct options {
    int64_t k, per_image, patch;
    double sigma, temperature_start, temperature_end, total_steps, temperature, alpha, beta, gamma, weight_kd, kd_temperature;
    bool normalize;
    const char *reduction;
} options;

static const lb_param params[] = {
    LB_PARAM(options, k, 8, 1, LB_NO_MAX, "tokens", "neighbours of a token"),
    LB_PARAM(options, per_image, 8, 1, LB_NO_MAX, "tokens", "m: sampled tokens of a picture"),
    LB_PARAM(options, patch, 1, 1, LB_NO_MAX, "elements", "side of the blocks that a map is cut into"),
    LB_PARAM(options, sigma, 1, LB_ABOVE_0, LB_NO_MAX, "1", "width of the kernel"),
    LB_PARAM_FLAG(options, normalize, true, "tokens to length 1 before the graph"),
    LB_PARAM_TEXT(options, reduction, "mean", "mean|sum", "over sampled tokens, of the local and global loss"),
    LB_PARAM(options, temperature_start, 1, LB_ABOVE_0, LB_NO_MAX, "1", "tau at the first step"),
    LB_PARAM(options, temperature_end, 0.1, LB_ABOVE_0, LB_NO_MAX, "1", "tau at the last"),
    LB_PARAM(options, total_steps, 1000, LB_ABOVE_0, LB_NO_MAX, "steps", "of the schedule of tau"),
    LB_PARAM(options, temperature, 1, LB_ABOVE_0, LB_NO_MAX, "1", "tau now"),
    LB_PARAM(options, alpha, 1, 0, LB_NO_MAX, "1", "weight of the contextual loss"),
    LB_PARAM(options, beta, 1, 0, LB_NO_MAX, "1", "weight of the local loss"),
    LB_PARAM(options, gamma, 0.5, 0, LB_NO_MAX, "1", "weight of the global loss"),
    LB_PARAM(options, weight_kd, 1, 0, LB_NO_MAX, "1", "weight of the logits' divergence"),
    LB_PARAM(options, kd_temperature, 4, LB_ABOVE_0, LB_NO_MAX, "1", "its temperature"),
    LB_PARAM_END};

static bool sums(const options *o) { return strcmp(o->reduction, "sum") == 0; }

/* ---- tokens ---- */

static void map_to_tokens(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    int64_t p = ((const options *)cfg)->patch;
    lb_tensor *x = a->in[0];
    int64_t b = x->shape[0], c = x->shape[1], h = x->shape[2] / p, w = x->shape[3] / p;
    if (!lb_check(t, x->shape[2] % p == 0 && x->shape[3] % p == 0, "a map of %lldx%lld cannot be cut into blocks of side %lld", (long long)x->shape[2], (long long)x->shape[3], (long long)p)) return;
    lb_tensor *blocks = lb_permute(t, lb_reshape(t, x, 6, (int64_t[]){b, c, h, p, w, p}), (const int[]){0, 2, 4, 1, 3, 5});
    lb_out(out, 0, lb_reshape(t, blocks, 3, (int64_t[]){b, h * w, c * p * p}));
}

/* Row b of the index holds m different values of b N .. b N + N - 1. */
static bool check_index(lb_tape *t, const options *o, const lb_tensor *index, int64_t n) {
    int64_t rows = index->shape[0], m = index->shape[1];
    if (!lb_check(t, m == o->per_image, "sample_index has %lld tokens of a picture, per_image is %lld", (long long)m, (long long)o->per_image)) return false;
    for (int64_t i = 0; i < rows * m && !lb_part_shapes_only(t); i++) {
        double v = lb_get_at(index, i), first = (double)(i / m * n);
        if (!lb_check(t, v >= first && v < first + (double)n, "sample_index[%lld] is %g; picture %lld has the tokens %g to %g", (long long)i, v,
                      (long long)(i / m), first, first + (double)n - 1))
            return false;
        for (int64_t j = i / m * m; j < i; j++)
            if (!lb_check(t, lb_get_at(index, j) != v, "sample_index holds %g twice in row %lld", v, (long long)(i / m))) return false;
    }
    return true;
}

static lb_tensor *pick(lb_tape *t, lb_tensor *tokens, lb_tensor *index) {
    lb_tensor *rows = lb_reshape(t, tokens, 2, (int64_t[]){tokens->shape[0] * tokens->shape[1], tokens->shape[2]});
    return lb_index_select(t, rows, lb_reshape(t, index, 1, (int64_t[]){lb_numel(index)}));
}

static void sample_tokens(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    if (check_index(t, cfg, a->in[1], a->in[0]->shape[1])) lb_out(out, 0, pick(t, a->in[0], a->in[1]));
}

/* ---- graph ---- */

/* ||a - b||^2 summed from differences: the same from both sides, and exactly 0 for equal tokens. */
static double distance(const lb_real *a, const lb_real *b, int64_t d) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < d; i++) sum += (double)(a[i] - b[i]) * (double)(a[i] - b[i]);
    return sum;
}

/* Puts i into the k nearest so far, in order; of equal ones the lower index stays before. */
static int64_t insert(int64_t *index, double *near, int64_t count, int64_t k, int64_t i, double d) {
    if (count == k && d >= near[k - 1]) return count;
    int64_t at = count < k ? count : k - 1;
    for (; at > 0 && near[at - 1] > d; at--) {
        near[at] = near[at - 1];
        index[at] = index[at - 1];
    }
    near[at] = d;
    index[at] = i;
    return count < k ? count + 1 : count;
}

/* 1 where i (row) is among the k nearest others of j (column). */
static lb_tensor *neighbours(lb_tape *t, lb_tensor *x, int64_t k) {
    x = lb_contiguous(t, lb_detach(t, x));
    int64_t n = x->shape[0], d = x->shape[1], shape[2] = {n, n};
    double *mask = lb_calloc((size_t)(n * n) + 1, sizeof *mask), *near = lb_alloc((size_t)k, sizeof *near);
    int64_t *index = lb_alloc((size_t)k, sizeof *index);
    bool good = mask && near && index;
    if (!good) (void)lb_tape_fail_status(t, LB_E_NOMEM);
    for (int64_t j = 0; good && x->data && j < n && !lb_part_shapes_only(t); j++) {
        const lb_real *all = x->data;
        int64_t count = 0;
        for (int64_t i = 0; i < n; i++)
            if (i != j) count = insert(index, near, count, k, i, distance(all + i * d, all + j * d, d));
        for (int64_t i = 0; i < count; i++) mask[index[i] * n + j] = 1;
    }
    lb_tensor *out = good ? lb_part_constant(t, 2, shape, mask) : lb_inert(t);
    lb_free(mask);
    lb_free(near);
    lb_free(index);
    return out;
}

static bool check_feat(lb_tape *t, const options *o, const lb_tensor *x, const char *name) {
    return lb_check(t, o->k < x->shape[0], "%lld neighbours are wanted of %lld tokens", (long long)o->k, (long long)x->shape[0]) && lb_check_finite(t, x, name);
}

static lb_tensor *graph(lb_tape *t, const options *o, lb_tensor *x) {
    if (o->normalize) x = lb_normalize(t, x, 1e-12);
    return lb_mul(t, lb_exp(t, lb_scale(t, lb_pairwise(t, x, x, LB_SQUARED, 0), -0.5 / o->sigma)), neighbours(t, x, o->k));
}

static void knn_graph(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    if (check_feat(t, cfg, a->in[0], "student_feat")) lb_out(out, 0, graph(t, cfg, a->in[0]));
}

/* ---- losses ---- */

/* KL(student || teacher) of the rows' softmax. */
static lb_tensor *local(lb_tape *t, const options *o, lb_tensor *student, lb_tensor *teacher) {
    lb_tensor *s = lb_log_softmax(t, graph(t, o, student), 1), *z = lb_log_softmax(t, lb_detach(t, graph(t, o, lb_detach(t, teacher))), 1);
    return lb_part_reduce(t, lb_sum(t, lb_mul(t, lb_exp(t, s), lb_sub(t, s, z)), 1, false), sums(o));
}

static void local_loss(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    if (check_feat(t, cfg, a->in[0], "student_feat") && check_feat(t, cfg, a->in[1], "teacher_feat")) lb_out(out, 0, local(t, cfg, a->in[0], a->in[1]));
}

/* Each projected token finds its own among the teacher's. */
static lb_tensor *global(lb_tape *t, const options *o, lb_tensor *student, lb_tensor *teacher, lb_tensor *weight, lb_tensor *bias) {
    lb_tensor *u = lb_normalize(t, lb_linear(t, student, weight, bias, LB_ACT_NONE), 1e-12), *v = lb_normalize(t, lb_detach(t, teacher), 1e-12);
    lb_tensor *cosine = lb_scale(t, lb_matmul(t, u, v, false, true), 1 / o->temperature);
    return lb_cross_entropy(t, cosine, lb_arange(t, student->shape[0]), NULL, 1, INT64_MIN, 0, sums(o) ? LB_SUM : LB_MEAN);
}

static bool check_global(lb_tape *t, const lb_args *a) {
    return lb_check(t, lb_numel(a->in[0]) > 0, "student_feat is empty") && lb_check_finite(t, a->in[0], "student_feat") && lb_check_finite(t, a->in[1], "teacher_feat");
}

static void global_loss(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    if (check_global(t, a)) lb_out(out, 0, global(t, cfg, a->in[0], a->in[1], a->in[2], a->in[3]));
}

static lb_tensor *likeness(lb_tape *t, lb_tensor *x) { return lb_softmax(t, lb_scale(t, lb_matmul(t, x, x, false, true), 1 / sqrt((double)x->shape[2])), -1); }

static lb_tensor *contextual(lb_tape *t, lb_tensor *student, lb_tensor *teacher) {
    return lb_mean_all(t, lb_square(t, lb_sub(t, likeness(t, student), lb_detach(t, likeness(t, lb_detach(t, teacher))))));
}

static bool check_tokens(lb_tape *t, const lb_tensor *student, const lb_tensor *teacher) {
    return lb_check(t, lb_numel(student) > 0, "student_tokens is empty") && lb_check_finite(t, student, "student_tokens") && lb_check_finite(t, teacher, "teacher_tokens");
}

static void contextual_loss(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    (void)cfg;
    if (check_tokens(t, a->in[0], a->in[1])) lb_out(out, 0, contextual(t, a->in[0], a->in[1]));
}

static double temperature_at(const options *o, double step, double steps) { return o->temperature_end + (o->temperature_start - o->temperature_end) * (1 + cos(acos(-1.0) * step / steps)) / 2; }

/* In training: from the first step to the last. */
static void before_step(void *cfg, lb_tensor *const *state, int64_t step, int64_t steps) {
    options *o = cfg;
    (void)state;
    o->temperature = temperature_at(o, (double)step, (double)steps);
}

/* In training: m different tokens of each picture, by the first steps of a shuffle. */
static lb_tensor *draw(lb_tape *t, const void *cfg, const char *input, const lb_sig_dims *dims, lb_rng *rng) {
    int64_t rows = 0, n = 0, m = ((const options *)cfg)->per_image;
    if (strcmp(input, "sample_index") != 0 || !lb_sig_dims_get(dims, "B", &rows) || !lb_sig_dims_get(dims, "N", &n)) return NULL;
    if (!lb_check(t, m <= n, "per_image is %lld, a picture has %lld tokens", (long long)m, (long long)n)) return lb_inert(t);
    int64_t *index = lb_calloc((size_t)(rows * m) + 1, sizeof *index), *order = lb_calloc((size_t)n + 1, sizeof *order);
    if (!index || !order) (void)lb_tape_fail_status(t, LB_E_NOMEM);
    for (int64_t b = 0; index && order && rng && b < rows; b++) {
        for (int64_t i = 0; i < n; i++) order[i] = i;
        for (int64_t i = 0; i < m; i++) {
            int64_t at = i + lb_rng_below(rng, n - i), chosen = order[at];
            order[at] = order[i];
            index[b * m + i] = b * n + chosen;
        }
    }
    lb_tensor *out = index && order ? lb_part_indices(t, 2, (int64_t[]){rows, m}, index) : lb_inert(t);
    lb_free(index);
    lb_free(order);
    return out;
}

static void dynamic_temperature(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    const lb_tensor *step = a->in[0];
    int64_t n = step->shape[0];
    if (!lb_check_range(t, step, 0, o->total_steps, "step")) return;
    double *tau = lb_calloc((size_t)n + 1, sizeof *tau);
    if (!tau) {
        (void)lb_tape_fail_status(t, LB_E_NOMEM);
        return;
    }
    for (int64_t i = 0; i < n && !lb_part_shapes_only(t); i++) tau[i] = temperature_at(o, lb_get_at(step, i), o->total_steps);
    lb_out(out, 0, lb_part_constant(t, 1, &n, tau));
    lb_free(tau);
}

static void trg_total(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    lb_tensor *student = a->in[0], *teacher = a->in[1], *index = a->in[2], *logits = a->in[5], *given = a->in[6], *labels = a->in[7];
    if (!check_tokens(t, student, teacher) || !check_index(t, o, index, student->shape[1]) || !lb_check_finite(t, logits, "student_logits") || !lb_check_finite(t, given, "teacher_logits") ||
        !lb_check_index(t, labels, logits->shape[1], "labels"))
        return;
    lb_tensor *s = pick(t, student, index), *z = pick(t, lb_detach(t, teacher), index);
    if (!lb_check(t, o->k < s->shape[0], "%lld neighbours are wanted of %lld sampled tokens", (long long)o->k, (long long)s->shape[0])) return;
    lb_tensor *l = lb_add(t, lb_part_ce(t, logits, labels), lb_scale(t, lb_part_kd(t, logits, given, o->kd_temperature), o->weight_kd));
    l = lb_add(t, l, lb_scale(t, contextual(t, student, teacher), o->alpha));
    l = lb_add(t, l, lb_scale(t, local(t, o, s, z), o->beta));
    lb_out(out, 0, lb_add(t, l, lb_scale(t, global(t, o, s, z, a->in[3], a->in[4]), o->gamma)));
}

static const lb_component components[] = {
    {.name = "trg_total", .run = trg_total, .sig = "student_tokens[B,N,D] teacher_tokens[B,N,E] sample_index[B,m]:i64 proj_weight[E,D] proj_bias[E] student_logits[B,K] teacher_logits[B,K] labels[B]:i64 -> loss[]", .constant = "teacher_tokens teacher_logits", .text = "logits, contextual, local and global loss"},
    {.name = "local_loss", .run = local_loss, .sig = "student_feat[M,D] teacher_feat[M,E] -> loss[]", .constant = "teacher_feat", .text = "KL of the tokens' neighbourhoods"},
    {.name = "global_loss", .run = global_loss, .sig = "student_feat[M,D] teacher_feat[M,E] proj_weight[E,D] proj_bias[E] -> loss[]", .constant = "teacher_feat", .text = "contrast of projected tokens with the teacher's"},
    {.name = "contextual_loss", .run = contextual_loss, .sig = "student_tokens[B,N,D] teacher_tokens[B,N,E] -> loss[]", .constant = "teacher_tokens", .text = "likeness of the tokens of one picture"},
    {.name = "knn_graph", .run = knn_graph, .sig = "student_feat[M,D] -> adjacency[M,M]", .text = "weighted k-nearest-neighbour graph"},
    {.name = "map_to_tokens", .run = map_to_tokens, .sig = "student_map[B,C,H,W] -> tokens[B,*,*]", .text = "blocks of a map, row by row"},
    {.name = "sample_tokens", .run = sample_tokens, .sig = "student_tokens[B,N,D] sample_index[B,m]:i64 -> sampled_tokens[*,D]", .text = "the drawn tokens of all pictures"},
    {.name = "dynamic_temperature", .run = dynamic_temperature, .sig = "step[n] -> temperature[n]", .constant = "step", .values = "temperature", .text = "tau from coarse to fine, a half cosine"},
    LB_COMPONENT_END};

LB_METHOD(trg) = {.id = "trg",
                  .title = "the graph of the nearest tokens, locally, globally and within a picture",
                  .source = "arXiv:2306.12442 (reconstructed where the specification says so)",
                  .params = params,
                  .params_size = sizeof(options),
                  .group = "relation feature",
                  .needs = "student:tokens teacher:tokens student:logits teacher:logits label",
                  .weights = "proj_weight[E,D] proj_bias[E]",
                  .draw = draw,
                  .before_step = before_step,
                  .components = components,
                  .verified = LB_VERIFIED_EQUATIONS};
