/* SPDX-License-Identifier: Apache-2.0 */
/* PRORec: Progressive Collaborative and Semantic Knowledge Fusion for Generative Recommendation, Xiao, 2025, arXiv:2502.06269. No published code: losses are
 * reconstructed from the abstracts and common practice.
 *
 * Stage 1 pulls semantic knowledge into the item embeddings of a next-item model; residual quantisation gives each item one code; stage 2 generates codes
 * and distils the continuous embeddings back into a summary, since quantisation loses some. Unit rows have length 1 (clamp 1e-12). */
#include <math.h>
#include <stdlib.h>
#include "distill/method.h"
#include "distill/parts/codes.h"
#include "nn/codebook.h"

typedef struct options {
    int64_t layers, beam, k, vocab;
    double beta, temperature, weight_collab, weight_sem, weight_collaborative, weight_semantic, weight_quant, weight_align, weight_distill;
} options;

static const lb_param params[] = {
    LB_PARAM(options, beta, 0.25, 0, LB_NO_MAX, "1", "weight of the commitment"),
    LB_PARAM(options, temperature, 0.1, LB_ABOVE_0, LB_NO_MAX, "1", "of the contrasts"),
    LB_PARAM(options, weight_collab, 1, -LB_NO_MAX, LB_NO_MAX, "1", "fuse: factor of the collaborative half"),
    LB_PARAM(options, weight_sem, 1, -LB_NO_MAX, LB_NO_MAX, "1", "fuse: factor of the semantic half"),
    LB_PARAM(options, weight_collaborative, 1, 0, LB_NO_MAX, "1", "distillation: weight of the collaborative term"),
    LB_PARAM(options, weight_semantic, 1, 0, LB_NO_MAX, "1", "distillation: weight of the semantic term"),
    LB_PARAM(options, layers, 2, 1, 64, "layers", "linear layers of encoder and of decoder"),
    LB_PARAM(options, weight_quant, 1, 0, LB_NO_MAX, "1", "weight of the quantisation's loss"),
    LB_PARAM(options, weight_align, 0.5, 0, LB_NO_MAX, "1", "stage 1: weight of the alignment"),
    LB_PARAM(options, weight_distill, 0.1, 0, LB_NO_MAX, "1", "stage 2: weight of the distillation"),
    LB_PARAM(options, beam, 20, 1, LB_NO_MAX, "prefixes", "kept at each level"),
    LB_PARAM(options, k, 10, 1, LB_NO_MAX, "items", "places that count"),
    LB_PARAM(options, vocab, 256, 1, LB_NO_MAX, "codes", "of a level"),
    LB_PARAM_END};

static bool check(lb_tape *t, const lb_tensor *x, const char *name) { return lb_check(t, lb_numel(x) > 0, "%s is empty", name) && lb_check_finite(t, x, name); }

/* ---- codes ---- */

enum { LEVELS_MAX = 64 };

static lb_quantised quantise(lb_tape *t, lb_tensor *x, lb_tensor *books) {
    lb_tensor *level[LEVELS_MAX];
    int levels = (int)books->shape[0];
    for (int l = 0; l < levels; l++) level[l] = lb_reshape(t, lb_slice(t, books, 0, l, l + 1, 1), 2, (int64_t[]){books->shape[1], books->shape[2]});
    return lb_residual_quantise(t, x, levels, level);
}

static bool check_books(lb_tape *t, const lb_tensor *books) {
    return check(t, books, "codebooks") && lb_check(t, books->shape[0] <= LEVELS_MAX, "codebooks has %lld levels, at most %d are wanted", (long long)books->shape[0], LEVELS_MAX);
}

static lb_tensor *quantisation_loss(lb_tape *t, const options *o, const lb_quantised *q) { return lb_add(t, q->codebook, lb_scale(t, q->commitment, o->beta)); }

static lb_tensor *by_row(lb_tape *t, lb_tensor *index) { return lb_contiguous(t, lb_permute(t, index, (const int[]){1, 0})); }

static void residual_quantize(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    if (!check(t, a->in[0], "latents") || !check_books(t, a->in[1])) return;
    lb_quantised q = quantise(t, a->in[0], a->in[1]);
    lb_out(out, 0, q.x);
    lb_out(out, 1, by_row(t, q.index));
    lb_out(out, 2, quantisation_loss(t, cfg, &q));
}

/* Linear layers with ReLU between, none after the last. */
static lb_tensor *mlp(lb_tape *t, const lb_args *a, const char *name, int64_t layers, lb_tensor *x) {
    for (int64_t i = 0; i < layers && lb_tape_ok(t); i++) {
        lb_tensor *w = lb_arg(a, "%s%lld_weight", name, (long long)i), *b = lb_arg(a, "%s%lld_bias", name, (long long)i);
        if (!w || !b) return lb_tape_fail(t, LB_E_NOTFOUND, "%s%lld_weight or %s%lld_bias is missing", name, (long long)i, name, (long long)i);
        x = lb_linear(t, x, w, b, i + 1 < layers ? LB_ACT_RELU : LB_ACT_NONE);
    }
    return x;
}

static void rqvae_loss(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    lb_tensor *items = a->in[0], *books = a->in[1];
    if (!check(t, items, "items") || !check_books(t, books)) return;
    lb_tensor *z = mlp(t, a, "enc", o->layers, items);
    if (!lb_tape_ok(t) || !lb_check(t, z->shape[1] == books->shape[2], "the encoder gives %lld numbers, codebooks has %lld", (long long)z->shape[1], (long long)books->shape[2])) return;
    lb_quantised q = quantise(t, z, books);
    lb_tensor *back = mlp(t, a, "dec", o->layers, q.x);
    if (!lb_tape_ok(t) || !lb_check(t, back->shape[1] == items->shape[1], "the decoder gives %lld numbers, items has %lld", (long long)back->shape[1], (long long)items->shape[1])) return;
    lb_out(out, 0, lb_add(t, lb_mse(t, back, items, LB_MEAN), lb_scale(t, quantisation_loss(t, o, &q), o->weight_quant)));
    lb_out(out, 1, by_row(t, q.index));
}

/* ---- contrasts ---- */

/* CE of cosines / tau with the diagonal, along the rows. */
static lb_tensor *contrast(lb_tape *t, const options *o, lb_tensor *x, lb_tensor *y) {
    lb_tensor *cosine = lb_matmul(t, lb_normalize(t, x, 1e-12), lb_normalize(t, y, 1e-12), false, true);
    return lb_part_ce(t, lb_scale(t, cosine, 1 / o->temperature), lb_arange(t, x->shape[0]));
}

static lb_tensor *aligned(lb_tape *t, const options *o, lb_tensor *collaborative, lb_tensor *semantic, lb_tensor *const w[4]) {
    lb_tensor *adapted = lb_linear(t, lb_linear(t, lb_detach(t, semantic), w[0], w[1], LB_ACT_RELU), w[2], w[3], LB_ACT_NONE);
    return lb_scale(t, lb_add(t, contrast(t, o, collaborative, adapted), contrast(t, o, adapted, collaborative)), 0.5);
}

static void alignment(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    if (check(t, a->in[0], "collaborative") && check(t, a->in[1], "semantic")) lb_out(out, 0, aligned(t, cfg, a->in[0], a->in[1], a->in + 2));
}

static int by_number(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The different labels, rising. */
static lb_tensor *distinct(lb_tape *t, const lb_tensor *labels) {
    int64_t n = labels->shape[0], kept = 0, *id = lb_calloc((size_t)n + 1, sizeof *id);
    if (!id) return lb_tape_fail_status(t, LB_E_NOMEM);
    for (int64_t i = 0; i < n && !lb_part_shapes_only(t); i++) id[i] = (int64_t)lb_get_at(labels, i);
    qsort(id, (size_t)n, sizeof *id, by_number);
    for (int64_t i = 0; i < n; i++)
        if (i == 0 || id[i] != id[kept - 1]) id[kept++] = id[i];
    lb_tensor *x = lb_part_indices(t, 1, &kept, id);
    lb_free(id);
    return x;
}

static void stage1_loss(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    lb_tensor *user = a->in[0], *table = a->in[1], *semantic = a->in[2], *labels = a->in[3];
    if (!check(t, user, "user") || !check(t, table, "item_table") || !check(t, semantic, "semantic") || !lb_check_index(t, labels, table->shape[0], "labels")) return;
    lb_tensor *next = lb_part_ce(t, lb_matmul(t, user, table, false, true), labels), *id = distinct(t, labels);
    lb_tensor *align = aligned(t, o, lb_index_select(t, table, id), lb_index_select(t, semantic, id), a->in + 4);
    lb_out(out, 0, lb_add(t, next, lb_scale(t, align, o->weight_align)));
}

static void fuse(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    if (!check(t, a->in[0], "collaborative") || !check(t, a->in[1], "semantic")) return;
    lb_tensor *x = lb_scale(t, lb_normalize(t, a->in[0], 1e-12), o->weight_collab), *y = lb_scale(t, lb_normalize(t, a->in[1], 1e-12), o->weight_sem);
    lb_out(out, 0, lb_concat(t, 2, (lb_tensor *[]){x, y}, 1));
}

/* in: summary, targets of both kinds, heads of both kinds. */
static lb_tensor *distilled(lb_tape *t, const options *o, lb_tensor *const *in) {
    if (!check(t, in[0], "summary") || !check(t, in[1], "target_collaborative") || !check(t, in[2], "target_semantic")) return lb_inert(t);
    lb_tensor *x = contrast(t, o, lb_linear(t, in[0], in[3], in[4], LB_ACT_NONE), lb_detach(t, in[1])), *y = contrast(t, o, lb_linear(t, in[0], in[5], in[6], LB_ACT_NONE), lb_detach(t, in[2]));
    return lb_add(t, lb_scale(t, x, o->weight_collaborative), lb_scale(t, y, o->weight_semantic));
}

static void distillation(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) { lb_out(out, 0, distilled(t, cfg, a->in)); }

static void stage2_loss(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    lb_tensor *logits = a->in[0], *codes = a->in[1];
    int64_t rows = codes->shape[0] * codes->shape[1];
    if (!check(t, logits, "code_logits") || !lb_check_index(t, codes, logits->shape[2], "codes")) return;
    lb_tensor *generation = lb_part_ce(t, lb_reshape(t, logits, 2, (int64_t[]){rows, logits->shape[2]}), lb_reshape(t, codes, 1, &rows)), *rest = distilled(t, cfg, a->in + 2);
    lb_out(out, 0, lb_add(t, generation, lb_scale(t, rest, ((const options *)cfg)->weight_distill)));
    lb_out(out, 1, generation);
}

/* ---- items by their codes ---- */

static void resolve_collisions(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    (void)cfg;
    lb_tensor *collisions;
    if (!lb_check(t, lb_numel(a->in[0]) > 0, "indices is empty")) return;
    lb_out(out, 0, lb_part_tell_apart(t, a->in[0], &collisions));
    lb_out(out, 1, collisions);
}

static void trie_mask(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    const lb_tensor *codes = a->in[0], *prefix = a->in[1];
    int64_t levels = codes->shape[1], length = prefix->shape[1];
    if (lb_check(t, codes->shape[0] > 0, "item_codes is empty") &&
        lb_check(t, length < levels, "prefix has %lld codes, items have %lld", (long long)length, (long long)levels) &&
        lb_check_index(t, codes, o->vocab, "item_codes"))
        lb_out(out, 0, lb_part_may_follow(t, codes, prefix, o->vocab));
}

static void beam_search(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const lb_tensor *codes = a->in[0], *tables = a->in[1];
    lb_tensor *scores;
    if (!lb_check(t, lb_numel(codes) > 0, "item_codes is empty") || !lb_check_finite(t, tables, "tables") || !lb_check_index(t, codes, tables->shape[2], "item_codes")) return;
    lb_out(out, 0, lb_part_best_items(t, codes, tables, ((const options *)cfg)->beam, &scores));
    lb_out(out, 1, scores);
}

static void rank_metrics(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    const lb_tensor *ranked = a->in[0], *labels = a->in[1];
    int64_t rows = ranked->shape[0], n = ranked->shape[1];
    double recall = 0, gain = 0;
    if (!lb_check(t, rows > 0, "ranked is empty") || !lb_check(t, o->k <= n, "k is %lld, rankings have %lld items", (long long)o->k, (long long)n)) return;
    for (int64_t i = 0; i < rows * o->k && !lb_part_shapes_only(t); i++) {
        int64_t b = i / o->k, place = i % o->k;
        if (lb_get_at(ranked, b * n + place) != lb_get_at(labels, b)) continue;
        recall += 1 / (double)rows;
        gain += 1 / log2((double)place + 2) / (double)rows;
        i = (b + 1) * o->k - 1;
    }
    lb_out(out, 0, lb_scalar(t, recall));
    lb_out(out, 1, lb_scalar(t, gain));
}

#define ADAPTER "adapter0_weight[h,S] adapter0_bias[h] adapter1_weight[C,h] adapter1_bias[C]"
#define DISTILLATION "summary[B,H] target_collaborative[B,C] target_semantic[B,S] head_collaborative_weight[C,H] head_collaborative_bias[C] head_semantic_weight[S,H] head_semantic_bias[S]"
static const lb_component components[] = {
    {.name = "stage1_loss", .run = stage1_loss, .sig = "user[B,C] item_table[I,C] semantic[I,S] labels[B]:i64 " ADAPTER " -> loss[]", .constant = "semantic", .text = "the next item, and alignment of the targets"},
    {.name = "stage2_loss", .run = stage2_loss, .sig = "code_logits[B,L,K] codes[B,L]:i64 " DISTILLATION " -> loss[] generation_loss[]", .constant = "target_collaborative target_semantic", .values = "generation_loss", .text = "the next code, and embeddings distilled into a summary"},
    {.name = "alignment", .run = alignment, .sig = "collaborative[B,C] semantic[B,S] " ADAPTER " -> loss[]", .constant = "semantic", .text = "contrast both ways through an adapter"},
    {.name = "distillation", .run = distillation, .sig = DISTILLATION " -> loss[]", .constant = "target_collaborative target_semantic", .text = "contrast of the summary with both embeddings"},
    {.name = "fuse", .run = fuse, .sig = "collaborative[B,C] semantic[B,S] -> fused[B,*]", .text = "unit rows side by side"},
    {.name = "residual_quantize", .run = residual_quantize, .sig = "latents[N,D] codebooks[L,K,D] -> quantized[N,D] indices[N,L]:i64 loss[]", .text = "codes level by level"},
    {.name = "rqvae_loss", .run = rqvae_loss, .sig = "items[N,D] codebooks[L,K,Z] enc*_weight[*,*] enc*_bias[*] dec*_weight[*,*] dec*_bias[*] -> loss[] indices[N,L]:i64", .constant = "items", .text = "an autoencoder through the codes"},
    {.name = "resolve_collisions", .run = resolve_collisions, .sig = "indices[I,L]:i64 -> codes[I,*]:i64 collisions[]:i64", .text = "one more digit for items of equal code"},
    {.name = "trie_mask", .run = trie_mask, .sig = "item_codes[I,L]:i64 prefix[B,*]:i64 -> allowed[B,*]:i64", .text = "codes that may follow"},
    {.name = "beam_search", .run = beam_search, .sig = "item_codes[I,L]:i64 tables[L,K,K] -> items[n]:i64 scores[n]", .constant = "tables", .values = "scores", .text = "items by the best codes"},
    {.name = "rank_metrics", .run = rank_metrics, .sig = "ranked[B,N]:i64 labels[B]:i64 -> recall[] ndcg[]", .values = "recall ndcg", .text = "of the first k"},
    LB_COMPONENT_END};

LB_METHOD(prorec) = {.id = "prorec",
                     .title = "item codes that carry collaborative and semantic knowledge",
                     .source = "arXiv:2502.06269 (reconstructed)",
                     .params = params,
                     .params_size = sizeof(options),
                     .group = "contrastive sequence recommendation",
                     .needs = "user states, item table, semantic embeddings, labels",
                     .components = components,
                     .verified = LB_VERIFIED_EQUATIONS};
