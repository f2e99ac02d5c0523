/* SPDX-License-Identifier: Apache-2.0 */
/* TopKLD: the vocabulary split at the teacher's k most likely, one divergence on each part, and quantisers to train with. Ding et al., 2025,
 * arXiv:2501.06218. No published code: the formula is reconstructed.
 *
 * r_v = q log(q/p) - c (q - p), f_v = p log(p/q) - c (p - q): with c = 1 each is at least 0, and 0 at q = p alone. The loss of a row is the sum of r
 * over the teacher's k largest and of f over the rest (or the other way round), times tau^2. */
#include <stdlib.h>
#include <string.h>
#include "distill/method.h"
#include "distill/parts/parts.h"

typedef struct options {
    int64_t k, bits, group_size, exponent_bits, mantissa_bits, weight_bits, activation_bits;
    double weight_explicit, weight_implicit, temperature, clip_ratio;
    bool mass_correction;
    const char *explicit, *granularity;
} options;

static const lb_param params[] = {
    LB_PARAM(options, k, -1, -1, LB_NO_MAX, "classes", "size of the explicit set; -1 = 100 of 1000 classes or more, else a fifth"),
    LB_PARAM_TEXT(options, explicit, "reverse", "reverse|forward", "divergence on the explicit set; the rest takes the other"),
    LB_PARAM(options, weight_explicit, 1, 0, LB_NO_MAX, "1", "weight of the explicit set"),
    LB_PARAM(options, weight_implicit, 1, 0, LB_NO_MAX, "1", "weight of the rest"),
    LB_PARAM(options, temperature, 1, LB_ABOVE_0, LB_NO_MAX, "1", "tau"),
    LB_PARAM_FLAG(options, mass_correction, true, "c: the split sum is a divergence"),
    LB_PARAM(options, bits, 4, 2, 16, "bits", "of a code"),
    LB_PARAM_TEXT(options, granularity, "channel", "tensor|channel|group", "numbers that share a scale"),
    LB_PARAM(options, group_size, 128, 0, LB_NO_MAX, "numbers", "of a group; divides the row"),
    LB_PARAM(options, clip_ratio, 1, LB_ABOVE_0, 1, "1", "share of the range that is kept"),
    LB_PARAM(options, exponent_bits, 2, 2, 8, "bits", "of a float"),
    LB_PARAM(options, mantissa_bits, 1, 0, 10, "bits", "of a float"),
    LB_PARAM(options, weight_bits, 4, 2, 16, "bits", "of weights, symmetric per channel"),
    LB_PARAM(options, activation_bits, 8, 2, 16, "bits", "of inputs, affine per tensor"),
    LB_PARAM_END};

/* ---- the split ---- */

typedef struct ranked {
    double value;
    int64_t index;
} ranked;

static int by_rank(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->value != y->value) return x->value > y->value ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

static int64_t size_of_set(const options *o, int64_t classes) {
    if (o->k != -1) return o->k;
    return classes >= 1000 ? 100 : classes / 5 > 1 ? classes / 5 : 1;
}

/* 1 at the k largest of each row, ties to the lower index; to be freed. NULL: the tape has failed. */
static int64_t *top(lb_tape *t, const options *o, const lb_tensor *x) {
    int64_t rows = x->shape[0], classes = x->shape[1], k = size_of_set(o, classes);
    if (!lb_check(t, k >= 1 && k <= classes, "k is %lld, 1 to %lld classes can be chosen", (long long)k, (long long)classes) ||
        !lb_check(t, rows > 0, "teacher_logits is empty") || !lb_check_finite(t, x, "teacher_logits"))
        return NULL;
    int64_t *mask = lb_calloc((size_t)(rows * classes), sizeof *mask);
    ranked *row = lb_alloc((size_t)classes, sizeof *row);
    if (!mask || !row) (void)lb_tape_fail_status(t, LB_E_NOMEM);
    for (int64_t b = 0; mask && row && b < rows && !lb_part_shapes_only(t); b++) {
        for (int64_t c = 0; c < classes; c++) row[c] = (ranked){lb_get_at(x, b * classes + c), c};
        qsort(row, (size_t)classes, sizeof *row, by_rank);
        for (int64_t i = 0; i < k; i++) mask[b * classes + row[i].index] = 1;
    }
    lb_free(row);
    return mask;
}

static void topk_mask(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    int64_t *mask = top(t, cfg, a->in[0]);
    if (mask) lb_out(out, 0, lb_part_indices(t, 2, a->in[0]->shape, mask));
    lb_free(mask);
}

/* From a to b, class by class: a log(a/b) - c (a - b). */
static lb_tensor *part(lb_tape *t, const options *o, lb_tensor *log_a, lb_tensor *log_b) {
    lb_tensor *a = lb_exp(t, log_a), *sum = lb_mul(t, a, lb_sub(t, log_a, log_b));
    return o->mass_correction ? lb_sub(t, sum, lb_sub(t, a, lb_exp(t, log_b))) : sum;
}

static void topkld_loss(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    lb_tensor *mask = a->in[2];
    int64_t *chosen = top(t, o, a->in[1]);
    if (!chosen || !lb_check_finite(t, a->in[0], "student_logits") || (mask && !lb_part_check_mask(t, mask))) {
        lb_free(chosen);
        return;
    }
    lb_tensor *set = lb_part_indices(t, 2, a->in[1]->shape, chosen), *s = lb_log_softmax(t, lb_scale(t, a->in[0], 1 / o->temperature), 1),
              *z = lb_log_softmax(t, lb_scale(t, lb_detach(t, a->in[1]), 1 / o->temperature), 1);
    lb_free(chosen);
    lb_tensor *reverse = part(t, o, s, z), *forward = part(t, o, z, s);
    bool mirrored = strcmp(o->explicit, "forward") == 0;
    lb_tensor *head = lb_scale(t, mirrored ? forward : reverse, o->weight_explicit), *rest = lb_scale(t, mirrored ? reverse : forward, o->weight_implicit);
    lb_tensor *rows = lb_sum(t, lb_select(t, set, head, rest), 1, false);
    lb_out(out, 0, lb_scale(t, mask ? lb_part_weighted_mean(t, rows, mask) : lb_mean_all(t, rows), o->temperature * o->temperature));
}

/* ---- quantisers ---- */

static lb_quantiser quantiser(const options *o, lb_quantiser_kind kind) {
    lb_grain grain = strcmp(o->granularity, "tensor") == 0 ? LB_PER_TENSOR : strcmp(o->granularity, "channel") == 0 ? LB_PER_CHANNEL : LB_PER_GROUP;
    bool floats = kind == LB_MINIFLOAT;
    return (lb_quantiser){.kind = kind,
                          .grain = grain,
                          .bits = floats ? 0 : (int)o->bits,
                          .clip = floats ? 1 : o->clip_ratio,
                          .group = o->group_size,
                          .exponent = (int)o->exponent_bits,
                          .mantissa = (int)o->mantissa_bits};
}

static bool check(lb_tape *t, const lb_tensor *x, const char *name) { return lb_check(t, lb_numel(x) > 0, "%s is empty", name) && lb_check_finite(t, x, name); }

static void fake_quantise(lb_tape *t, const lb_args *a, lb_outs *out, lb_quantiser how) {
    lb_tensor *code = NULL, *scale = NULL, *zero = NULL;
    if (!check(t, a->in[0], "x")) return;
    lb_out(out, 0, lb_fake_quantise(t, a->in[0], how, &code, &scale, &zero));
    lb_out(out, 1, scale);
    if (how.kind != LB_MINIFLOAT) lb_out(out, 2, code);
    if (how.kind == LB_AFFINE) lb_out(out, 3, zero);
}

static void fake_quant_symmetric(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) { fake_quantise(t, a, out, quantiser(cfg, LB_SYMMETRIC)); }
static void fake_quant_affine(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) { fake_quantise(t, a, out, quantiser(cfg, LB_AFFINE)); }
static void fake_quant_float(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) { fake_quantise(t, a, out, quantiser(cfg, LB_MINIFLOAT)); }

static void quant_linear(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    if (!check(t, a->in[0], "x") || !check(t, a->in[1], "weight")) return;
    lb_tensor *x = lb_fake_quantise(t, a->in[0], (lb_quantiser){.kind = LB_AFFINE, .grain = LB_PER_TENSOR, .bits = (int)o->activation_bits, .clip = 1}, NULL, NULL, NULL);
    lb_tensor *w = lb_fake_quantise(t, a->in[1], (lb_quantiser){.kind = LB_SYMMETRIC, .grain = LB_PER_CHANNEL, .bits = (int)o->weight_bits, .clip = 1}, NULL, NULL, NULL);
    lb_out(out, 0, lb_linear(t, x, w, a->in[2], LB_ACT_NONE));
}

static const lb_component components[] = {
    {.name = "topkld_loss", .run = topkld_loss, .sig = "student_logits[N,V] teacher_logits[N,V] mask[N]? -> loss[]", .constant = "teacher_logits mask", .text = "one divergence on the teacher's k largest, the other on the rest"},
    {.name = "topk_mask", .run = topk_mask, .sig = "teacher_logits[N,V] -> topk_mask[N,V]:i64", .constant = "teacher_logits", .text = "the teacher's k largest of each row"},
    {.name = "fake_quant_symmetric", .run = fake_quant_symmetric, .sig = "x[O,I] -> output[O,I] scale[*] codes[O,I]:i64", .values = "scale", .text = "whole numbers around 0"},
    {.name = "fake_quant_affine", .run = fake_quant_affine, .sig = "x[O,I] -> output[O,I] scale[*] codes[O,I]:i64 zero_point[*]:i64", .values = "scale", .text = "whole numbers from a zero point"},
    {.name = "fake_quant_float", .run = fake_quant_float, .sig = "x[O,I] -> output[O,I] scale[*]", .values = "scale", .text = "floats of few bits, all codes numbers"},
    {.name = "quant_linear", .run = quant_linear, .sig = "x[B,I] weight[O,I] bias[O] -> output[B,O]", .text = "a linear layer of quantised inputs and weights"},
    LB_COMPONENT_END};

LB_METHOD(topkld) = {.id = "topkld",
                     .title = "divergences split at the teacher's k most likely classes, and quantisers",
                     .source = "arXiv:2501.06218 (reconstructed)",
                     .params = params,
                     .params_size = sizeof(options),
                     .group = "logit quantisation",
                     .needs = "student:logits teacher:logits",
                     .components = components,
                     .verified = LB_VERIFIED_EQUATIONS};
