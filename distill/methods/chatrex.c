/* SPDX-License-Identifier: Apache-2.0 */
/* ChatRex: Taming Multimodal LLM for Joint Perception and Understanding, Jiang et al., 2024, arXiv:2411.18363; tools as in IDEA-Research/ChatRex and RexSeek,
 * training of proposals as in the DETR family.
 *
 * A proposal network finds boxes, each lb_part_box becomes an index token and an object token, and the language model answers with indices. Boxes are
 * (x0, y0, x1, y1) in pixels unless said otherwise; a negative side counts as 0. */
#include <math.h>
#include "distill/method.h"
#include "distill/parts/boxes.h"

typedef struct options {
    double min_score, nms_threshold, spatial_scale, eps, focal_alpha, focal_gamma, weight_class, weight_l1, weight_giou;
    int64_t max_boxes, output_size, sampling_ratio, dim, top_k, n_levels, index_base, n_index_tokens, n_boxes, ground_start, objects_start, objects_end;
    bool aligned, bar_absent;
} options;

#define ID(field, default_, text_) LB_PARAM(options, field, default_, 0, LB_NO_MAX, "token", text_)
static const lb_param params[] = {
    LB_PARAM(options, min_score, 0.3, -LB_NO_MAX, LB_NO_MAX, "1", "least score of a proposal"),
    LB_PARAM(options, nms_threshold, 0.8, -LB_NO_MAX, 1, "1", "largest IoU with a kept box; 0 and below: no suppression"),
    LB_PARAM(options, max_boxes, 100, 0, LB_NO_MAX, "boxes", "that are kept"),
    LB_PARAM(options, spatial_scale, 0.25, LB_ABOVE_0, LB_NO_MAX, "1", "size of the (first) map over the picture's"),
    LB_PARAM(options, output_size, 7, 1, 4096, "cells", "side of a region"),
    LB_PARAM(options, sampling_ratio, -1, -LB_NO_MAX, 4096, "points", "of a cell's side; 0 and below: its size, rounded up"),
    LB_PARAM_FLAG(options, aligned, 0, "half a pixel less"),
    LB_PARAM(options, dim, 64, 2, 65536, "1", "width of the embedding of a coordinate, even"),
    LB_PARAM(options, top_k, 100, 1, LB_NO_MAX, "boxes", "that recall looks at"),
    LB_PARAM(options, n_levels, 4, 1, 12, "maps", "of the object tokens"),
    LB_PARAM(options, eps, 1e-3, LB_ABOVE_0, 0.5, "1", "of the inverse sigmoid"),
    LB_PARAM(options, focal_alpha, 0.25, 0, 1, "1", "weight of the positive side"),
    LB_PARAM(options, focal_gamma, 2, 0, LB_NO_MAX, "1", "exponent"),
    LB_PARAM(options, weight_class, 2, 0, LB_NO_MAX, "1", "weight of the focal term"),
    LB_PARAM(options, weight_l1, 5, 0, LB_NO_MAX, "1", "weight of the coordinates"),
    LB_PARAM(options, weight_giou, 2, 0, LB_NO_MAX, "1", "weight of the overlap"),
    ID(index_base, 0, "obj0"),
    LB_PARAM(options, n_index_tokens, 100, 1, LB_NO_MAX, "tokens", "K"),
    LB_PARAM(options, n_boxes, 100, 0, LB_NO_MAX, "boxes", "that are there"),
    LB_PARAM_FLAG(options, bar_absent, 0, "index tokens without a box are barred"),
    ID(ground_start, 0, "<ground>"),
    ID(objects_start, 1, "<objects>"),
    ID(objects_end, 2, "</objects>"),
    LB_PARAM_END};

static bool check(lb_tape *t, const lb_tensor *x, const char *name) { return lb_check(t, lb_numel(x) > 0, "%s is empty", name) && lb_check_finite(t, x, name); }

/* ---- boxes ---- */

static void box_iou(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    (void)cfg;
    int64_t n = a->in[0]->shape[0], m = a->in[1]->shape[0];
    if (!lb_check_finite(t, a->in[0], "boxes_a") || !lb_check_finite(t, a->in[1], "boxes_b")) return;
    lb_tensor *generalised, *iou = lb_part_overlaps(t, lb_reshape(t, a->in[0], 3, (int64_t[]){n, 1, 4}), lb_reshape(t, lb_detach(t, a->in[1]), 3, (int64_t[]){1, m, 4}), &generalised);
    lb_out(out, 0, lb_reshape(t, iou, 2, (int64_t[]){n, m}));
    lb_out(out, 1, lb_reshape(t, generalised, 2, (int64_t[]){n, m}));
}

static void nms_filter(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    int64_t n;
    if (!lb_check_finite(t, a->in[0], "boxes") || !lb_check_finite(t, a->in[1], "scores")) return;
    lb_part_box *b = lb_part_ranked(t, a->in[0], a->in[1], o->min_score, &n);
    int64_t *keep = b ? lb_calloc((size_t)n + 1, sizeof *keep) : NULL, kept = keep ? lb_part_suppress(b, n, o->nms_threshold, o->max_boxes) : 0;
    if (b && !keep) (void)lb_tape_fail_status(t, LB_E_NOMEM);
    for (int64_t i = 0; i < kept; i++) keep[i] = b[i].index;
    if (keep) {
        lb_tensor *index = lb_part_indices(t, 1, &kept, keep);
        lb_out(out, 0, index);
        lb_out(out, 1, lb_index_select(t, lb_detach(t, a->in[0]), index));
        lb_out(out, 2, lb_index_select(t, lb_detach(t, a->in[1]), index));
    }
    lb_free(b);
    lb_free(keep);
}

static void recall(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    const lb_tensor *targets = a->in[2];
    int64_t m = targets->shape[0], n, ten = 10;
    double at[10] = {0}, mean = 0;
    if (!lb_check(t, m > 0, "target_boxes is empty") || !lb_check_finite(t, a->in[0], "boxes") || !lb_check_finite(t, a->in[1], "scores") || !lb_check_finite(t, targets, "target_boxes")) return;
    lb_part_box *b = lb_part_ranked(t, a->in[0], a->in[1], -INFINITY, &n), *target = lb_calloc((size_t)m, sizeof *target);
    for (int64_t i = 0; target && i < m && !lb_part_shapes_only(t); i++) target[i] = lb_part_box_at(targets, i, false);
    bool good = b && target && lb_part_recall(b, n < o->top_k ? n : o->top_k, target, m, at);
    if (!good) (void)lb_tape_fail_status(t, LB_E_NOMEM);
    for (int k = 0; k < 10; k++) mean += at[k] / 10;
    if (good) {
        lb_out(out, 0, lb_part_constant(t, 1, &ten, at));
        lb_out(out, 1, lb_scalar(t, mean));
    }
    lb_free(b);
    lb_free(target);
}

/* ---- tokens of vision and of objects ---- */

static lb_tensor *mlp(lb_tape *t, lb_tensor *x, lb_tensor *const w[4]) { return lb_linear(t, lb_gelu(t, lb_linear(t, x, w[0], w[1], LB_ACT_NONE)), w[2], w[3], LB_ACT_NONE); }

static void roi_align(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    if (check(t, a->in[0], "feature_map") && lb_check_finite(t, a->in[1], "boxes"))
        lb_out(out, 0, lb_part_regions(t, a->in[0], a->in[1], o->output_size, o->spatial_scale, o->sampling_ratio, o->aligned));
}

static void box_sine(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    if (lb_check_finite(t, a->in[0], "boxes")) lb_out(out, 0, lb_part_box_sine(t, a->in[0], ((const options *)cfg)->dim, 0, 0));
}

static lb_tensor *resized(lb_tape *t, lb_tensor *x, int64_t h, int64_t w) {
    if (!lb_tape_ok(t)) return x;
    return x->shape[x->rank - 2] == h && x->shape[x->rank - 1] == w ? x : lb_resize2d(t, x, h, w, LB_RESIZE_LINEAR, false);
}

static void object_tokens(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    lb_tensor *maps[12], *boxes = a->in[0];
    int64_t channels = 0, h = 0, w = 0;
    for (int l = 0; l < (int)o->n_levels; l++) {
        lb_tensor *m = lb_arg(a, "map%d", l);
        if (!lb_check(t, m && m->rank == 3, "map%d [C,H,W] is missing", l) || !check(t, m, "a map")) return;
        if (l == 0) h = m->shape[1], w = m->shape[2];
        maps[l] = resized(t, lb_reshape(t, m, 4, (int64_t[]){1, m->shape[0], m->shape[1], m->shape[2]}), h, w);
        channels += m->shape[0];
    }
    if (!lb_check_finite(t, boxes, "boxes") || !lb_check(t, channels % 8 == 0, "the maps have %lld channels, a multiple of 8 is wanted", (long long)channels)) return;
    lb_tensor *map = lb_reshape(t, lb_concat(t, (int)o->n_levels, maps, 1), 3, (int64_t[]){channels, h, w});
    lb_tensor *cells = lb_reshape(t, lb_part_regions(t, map, boxes, o->output_size, o->spatial_scale, -1, false), 3, (int64_t[]){boxes->shape[0], channels, o->output_size * o->output_size});
    lb_tensor *x = lb_add(t, lb_mean(t, cells, 2, false), lb_part_box_sine(t, boxes, channels / 4, (double)w / o->spatial_scale, (double)h / o->spatial_scale));
    lb_out(out, 0, mlp(t, x, a->in + 1));
}

static void dual_vision_tokens(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    (void)cfg;
    lb_tensor *low = a->in[0], *high = a->in[1];
    int64_t b = low->shape[0], n = low->shape[1], side = (int64_t)(sqrt((double)n) + 0.5);
    if (!check(t, low, "low_tokens") || !check(t, high, "high_map") || !lb_check(t, side * side == n, "low_tokens has %lld tokens, a square number is wanted", (long long)n)) return;
    lb_tensor *rows = lb_reshape(t, resized(t, high, side, side), 3, (int64_t[]){b, high->shape[1], n});
    lb_out(out, 0, mlp(t, lb_concat(t, 2, (lb_tensor *[]){low, lb_permute(t, rows, (const int[]){0, 2, 1})}, 2), a->in + 2));
}

/* ---- proposals ---- */

static void proposal_head(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    lb_tensor *query = a->in[0], *prompt = a->in[1], *reference = a->in[2];
    int64_t b = query->shape[0], n = query->shape[1], d = query->shape[2];
    double eps = ((const options *)cfg)->eps, *inverse = lb_calloc((size_t)(b * n * 4) + 1, sizeof *inverse);
    if (!inverse) (void)lb_tape_fail_status(t, LB_E_NOMEM);
    bool good = inverse && check(t, query, "query") && lb_check_finite(t, prompt, "prompt") && lb_check_finite(t, reference, "reference");
    for (int64_t i = 0; good && i < b * n * 4 && !lb_part_shapes_only(t); i++) {
        double v = fmin(fmax(lb_get_at(reference, i), 0), 1);
        inverse[i] = log(fmax(v, eps) / fmax(1 - v, eps));
    }
    if (good) {
        lb_tensor *x = query;
        for (int k = 0; k < 3; k++) x = lb_linear(t, x, a->in[3 + 2 * k], a->in[4 + 2 * k], k < 2 ? LB_ACT_RELU : LB_ACT_NONE);
        lb_out(out, 0, lb_reshape(t, lb_matmul(t, query, lb_reshape(t, prompt, 2, (int64_t[]){d, 1}), false, false), 2, (int64_t[]){b, n}));
        lb_out(out, 1, lb_sigmoid(t, lb_add(t, x, lb_part_constant(t, 3, (int64_t[]){b, n, 4}, inverse))));
    }
    lb_free(inverse);
}

static double cost_of(const options *o, const lb_args *a, int64_t i, int64_t j) {
    double x = lb_get_at(a->in[0], i), p = x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)), far = 0;
    double is = o->focal_alpha * pow(1 - p, o->focal_gamma) * -log(p + 1e-8), not = (1 - o->focal_alpha) * pow(p, o->focal_gamma) * -log(1 - p + 1e-8);
    for (int k = 0; k < 4; k++) far += fabs(lb_get_at(a->in[1], 4 * i + k) - lb_get_at(a->in[2], 4 * j + k));
    lb_part_box b = lb_part_box_at(a->in[1], i, true), target = lb_part_box_at(a->in[2], j, true);
    return o->weight_class * (is - not) + o->weight_l1 * far - o->weight_giou * lb_part_overlap(&b, &target, true);
}

static bool check_proposals(lb_tape *t, const lb_args *a) { return check(t, a->in[0], "logits") && lb_check_finite(t, a->in[1], "boxes") && lb_check_finite(t, a->in[2], "target_boxes"); }

static void match(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    int64_t n = a->in[0]->shape[0], m = a->in[2]->shape[0], none = 0;
    if (!check_proposals(t, a)) return;
    double *cost = lb_calloc((size_t)(n * m) + 1, sizeof *cost);
    if (!cost) (void)lb_tape_fail_status(t, LB_E_NOMEM);
    for (int64_t i = 0; cost && i < n * m && !lb_part_shapes_only(t); i++) cost[i] = cost_of(cfg, a, i / m, i % m);
    lb_tensor *x = cost ? lb_part_constant(t, 2, (int64_t[]){n, m}, cost) : lb_inert(t), *column = NULL;
    lb_free(cost);
    lb_out(out, 0, x);
    lb_out(out, 1, m > 0 ? lb_assignment(t, x, &column) : lb_part_indices(t, 1, &none, NULL));
    lb_out(out, 2, m > 0 ? column : lb_part_indices(t, 1, &none, NULL));
}

static bool check_match(lb_tape *t, const lb_tensor *index, int64_t below, const char *name) {
    if (!lb_check_index(t, index, below, name)) return false;
    for (int64_t i = 0; i < lb_numel(index) && !lb_part_shapes_only(t); i++)
        for (int64_t k = 0; k < i; k++)
            if (!lb_check(t, lb_get_at(index, i) != lb_get_at(index, k), "%s holds %g twice", name, lb_get_at(index, i))) return false;
    return lb_tape_ok(t);
}

static void proposal_loss(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    lb_tensor *logits = a->in[0], *boxes = a->in[1], *targets = lb_detach(t, a->in[2]), *query = a->in[3], *target = a->in[4];
    int64_t n = logits->shape[0], m = targets->shape[0], pairs = query->shape[0];
    double share = 1 / (double)(m > 1 ? m : 1), *hit = lb_calloc((size_t)n + 1, sizeof *hit);
    if (!hit) (void)lb_tape_fail_status(t, LB_E_NOMEM);
    if (hit && check_proposals(t, a) && check_match(t, query, n, "match_query") && check_match(t, target, m, "match_target")) {
        for (int64_t i = 0; i < pairs && !lb_part_shapes_only(t); i++) hit[(int64_t)lb_get_at(query, i)] = 1;
        lb_tensor *cls = lb_scale(t, lb_focal(t, logits, lb_part_constant(t, 1, &n, hit), o->focal_alpha, o->focal_gamma, LB_SUM), share), *l1 = lb_scalar(t, 0), *giou = lb_scalar(t, 0);
        if (pairs > 0) {
            lb_tensor *own = lb_index_select(t, boxes, query), *given = lb_index_select(t, targets, target);
            l1 = lb_scale(t, lb_sum_all(t, lb_abs(t, lb_sub(t, own, given))), share);
            (void)lb_part_overlaps(t, lb_part_corners(t, own), lb_part_corners(t, given), &giou);
            giou = lb_scale(t, lb_sum_all(t, lb_add_scalar(t, lb_neg(t, giou), 1)), share);
        }
        lb_out(out, 0, lb_add(t, lb_scale(t, cls, o->weight_class), lb_add(t, lb_scale(t, l1, o->weight_l1), lb_scale(t, giou, o->weight_giou))));
        lb_out(out, 1, cls);
        lb_out(out, 2, l1);
        lb_out(out, 3, giou);
    }
    lb_free(hit);
}

/* ---- answers ---- */

enum { UNUSED = -100 };

static bool is_barred(const options *o, int64_t id) { return o->bar_absent && id >= o->index_base + o->n_boxes && id < o->index_base + o->n_index_tokens; }

static bool check_labels(lb_tape *t, const options *o, const lb_tensor *labels, int64_t vocab) {
    int64_t used = 0, length = labels->shape[1];
    for (int64_t i = 0; i < lb_numel(labels) && !lb_part_shapes_only(t); i++) {
        int64_t id = (int64_t)lb_get_at(labels, i);
        if (i % length == 0 || id == UNUSED) continue;
        if (!lb_check(t, id >= 0 && id < vocab, "labels[%lld] is %lld, 0 to %lld or %d is wanted", (long long)i, (long long)id, (long long)vocab - 1, UNUSED) ||
            !lb_check(t, !is_barred(o, id), "labels[%lld] is %lld, an index without a box", (long long)i, (long long)id))
            return false;
        used++;
    }
    return lb_check(t, used > 0 || lb_part_shapes_only(t), "no label counts");
}

static void index_retrieval(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    lb_tensor *logits = a->in[0], *labels = a->in[1];
    int64_t b = logits->shape[0], length = logits->shape[1], v = logits->shape[2], rows = b * (length - 1);
    if (!check(t, logits, "logits") || !lb_check(t, length > 1, "answers of one token predict nothing") || !check_labels(t, o, labels, v)) return;
    if (o->bar_absent) {
        double *bar = lb_calloc((size_t)v, sizeof *bar);
        if (!bar) (void)lb_tape_fail_status(t, LB_E_NOMEM);
        for (int64_t id = 0; bar && id < v; id++) bar[id] = is_barred(o, id);
        if (bar) logits = lb_masked_fill(t, logits, lb_part_constant(t, 3, (int64_t[]){1, 1, v}, bar), -INFINITY);
        lb_free(bar);
    }
    lb_tensor *said = lb_reshape(t, lb_slice(t, logits, 1, 0, length - 1, 1), 2, (int64_t[]){rows, v}), *next = lb_reshape(t, lb_contiguous(t, lb_slice(t, labels, 1, 1, length, 1)), 1, &rows);
    lb_out(out, 0, lb_cross_entropy(t, said, next, NULL, 1, UNUSED, 0, LB_MEAN));
}

static void parse_answer(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    int64_t length = a->in[0]->shape[0], phrase = -1, count = 0, *pairs = lb_calloc((size_t)length * 2 + 1, sizeof *pairs);
    bool *seen = lb_calloc((size_t)o->n_index_tokens, sizeof *seen), open = false;
    if (!pairs || !seen) (void)lb_tape_fail_status(t, LB_E_NOMEM);
    for (int64_t i = 0; pairs && seen && i < length && !lb_part_shapes_only(t); i++) {
        int64_t id = (int64_t)lb_get_at(a->in[0], i), index = id - o->index_base;
        phrase += id == o->ground_start;
        if (id == o->objects_start) open = true;
        if (id == o->objects_end) open = false;
        if (!open || index < 0 || index >= o->n_index_tokens || index >= o->n_boxes || seen[index]) continue;
        seen[index] = true;
        pairs[2 * count] = phrase;
        pairs[2 * count++ + 1] = index;
    }
    if (pairs && seen) lb_out(out, 0, lb_part_indices(t, 2, (int64_t[]){count, 2}, pairs));
    lb_free(pairs);
    lb_free(seen);
}

#define MLP "w1[F,*] b1[F] w2[D,F] b2[D]"
#define PROPOSALS "logits[N] boxes[N,4] target_boxes[T,4]"
static const lb_component components[] = {
    {.name = "proposal_loss", .run = proposal_loss, .sig = PROPOSALS " match_query[P]:i64 match_target[P]:i64 -> loss[] cls[] l1[] giou[]", .constant = "target_boxes", .values = "cls l1 giou", .text = "focal, L1 and GIoU of matched proposals; boxes centred, normalised"},
    {.name = "match", .run = match, .sig = PROPOSALS " -> cost[N,T] match_query[*]:i64 match_target[*]:i64", .constant = "logits boxes target_boxes", .values = "cost", .text = "the cheapest pairs of proposals and targets"},
    {.name = "proposal_head", .run = proposal_head, .sig = "query[B,N,D] prompt[D] reference[B,N,4] w1[E,D] b1[E] w2[F,E] b2[F] w3[4,F] b3[4] -> logits[B,N] boxes[B,N,4]", .constant = "reference", .text = "a granularity prompt scores queries, which refine their boxes"},
    {.name = "object_tokens", .run = object_tokens, .sig = "boxes[K,4] " MLP " map*[*,*,*] -> tokens[K,D]", .constant = "boxes", .text = "regions of maps of several levels, and where they lie"},
    {.name = "dual_vision_tokens", .run = dual_vision_tokens, .sig = "low_tokens[B,N,L] high_map[B,C,H,W] " MLP " -> tokens[B,N,D]", .text = "detail beside meaning, in as many tokens"},
    {.name = "index_retrieval", .run = index_retrieval, .sig = "logits[B,L,V] labels[B,L]:i64 -> loss[]", .text = "the next token of answers"},
    {.name = "parse_answer", .run = parse_answer, .sig = "tokens[L]:i64 -> pairs[*,2]:i64", .text = "phrases and the boxes that they name"},
    {.name = "box_iou", .run = box_iou, .sig = "boxes_a[A,4] boxes_b[B,4] -> iou[A,B] giou[A,B]", .constant = "boxes_b", .text = "overlaps of all pairs"},
    {.name = "nms_filter", .run = nms_filter, .sig = "boxes[N,4] scores[N] -> keep[n]:i64 boxes_kept[n,4] scores_kept[n]", .constant = "boxes scores", .values = "boxes_kept scores_kept", .text = "proposals that stay, best first"},
    {.name = "roi_align", .run = roi_align, .sig = "feature_map[C,H,W] boxes[K,4] -> pooled[K,C,o,o]", .constant = "boxes", .text = "regions of a map"},
    {.name = "box_sine", .run = box_sine, .sig = "boxes[K,4] -> embed[K,*]", .constant = "boxes", .values = "embed", .text = "where a box lies, centred and normalised"},
    {.name = "recall", .run = recall, .sig = "boxes[N,4] scores[N] target_boxes[T,4] -> recall[10] average_recall[]", .constant = "boxes scores target_boxes", .values = "recall average_recall", .text = "at IoU 0.5 to 0.95"},
    LB_COMPONENT_END};

LB_METHOD(chatrex) = {.id = "chatrex",
                      .title = "detection as retrieval: a language model answers with indices of boxes",
                      .source = "arXiv:2411.18363; IDEA-Research/ChatRex",
                      .params = params,
                      .params_size = sizeof(options),
                      .group = "detection sequence",
                      .needs = "proposals, maps, tokens, labels",
                      .components = components,
                      .verified = LB_VERIFIED_EQUATIONS};
