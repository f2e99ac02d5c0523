/* SPDX-License-Identifier: Apache-2.0 */
/* Unigram (T5, XLM-R, SigLIP): the pieces whose scores sum to the most, found from left to right; a character in no piece costs the lowest score
 * less 10 and runs of them are one unknown token, or their bytes. Read from tokenizer.json. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "text/pipeline.h"
#include "text/unicode.h"

static const double unknown_penalty = 10;

typedef struct unigram {
    lbi_trie trie;
    double *scores; /* by id */
    double unknown; /* score of a character in no piece */
    int64_t unk;
    bool fallback;
    int32_t bytes[256]; /* "<0x41>" */
} unigram;

/* ---- reading ---- */

/* ["<unk>", 0.0]: a token's number is its place. */
static lb_status read_token(lbi_pipeline *p, unigram *u, lb_json_items *list, int64_t i) {
    lb_json_items pair = lb_json_inside(list);
    lb_status st = LB_OK;
    bool fits = list->kind == LB_V_LIST && lb_json_next(&pair) && pair.kind == LB_V_TEXT;
    if (fits) st = lbi_vocab_add(&p->vocab, pair.text, pair.size, i);
    fits = fits && lb_json_next(&pair) && (pair.kind == LB_V_REAL || pair.kind == LB_V_INT);
    if (fits) u->scores[i] = pair.real;
    fits = fits && !lb_json_next(&pair);
    if (st == LB_OK && pair.failed) st = LB_E_NOMEM;
    lb_json_items_free(&pair);
    return st == LB_OK && !fits ? lb_fail(LB_E_FORMAT, "model.vocab[%lld]: expected a token and its score", (long long)i) : st;
}

static lb_status read_list(lbi_pipeline *p, unigram *u, const lb_json_part *part) {
    double least = INFINITY;
    if (!part->text || *part->text != '[' || part->count == 0) return lb_fail(LB_E_FORMAT, "model.vocab must be a list of tokens and scores");
    u->scores = lb_alloc((size_t)part->count, sizeof *u->scores);
    lb_status st = u->scores ? lbi_vocab_reserve(&p->vocab, part->count, part->size) : LB_E_NOMEM;
    lb_json_items list = lb_json_items_of(part->text, part->size);
    for (int64_t i = 0; st == LB_OK && lb_json_next(&list); i++) {
        st = read_token(p, u, &list, i);
        if (st == LB_OK && u->scores[i] < least) least = u->scores[i];
    }
    if (st == LB_OK && list.failed) st = LB_E_NOMEM;
    lb_json_items_free(&list);
    u->unknown = least - unknown_penalty;
    return st == LB_OK ? lbi_vocab_finish(&p->vocab) : st;
}

static lb_status make_trie(const lbi_pipeline *p, unigram *u) {
    const lbi_vocab *v = &p->vocab;
    lbi_trie_word *all = lb_alloc((size_t)v->count, sizeof *all);
    int64_t count = 0;
    if (!all) return LB_E_NOMEM;
    for (int64_t i = 0; i < v->count; i++)
        if (v->words[i].size) all[count++] = (lbi_trie_word){v->text.data + v->words[i].at, v->words[i].size, v->words[i].id};
    lb_status st = lbi_trie_build(&u->trie, all, count);
    lb_free(all);
    return st;
}

static lb_status read(lbi_pipeline *p, const lb_value *model, const lb_json_part parts[LBI_MODEL_PARTS]) {
    unigram *u = p->model = lb_calloc(1, sizeof *u);
    if (!u) return LB_E_NOMEM;
    lb_status st = read_list(p, u, &parts[LBI_MODEL_VOCAB]);
    if (st != LB_OK) return st;
    u->unk = lb_get_int(model, "unk_id", -1);
    u->fallback = lb_get_bool(model, "byte_fallback", false);
    if (u->unk < 0 || u->unk >= p->vocab.count) return lb_fail(LB_E_FORMAT, "model.unk_id %lld is no token's number", (long long)u->unk);
    if (lb_get_real(model, "alpha", 0) != 0) return lb_fail(LB_E_UNSUPPORTED, "model.alpha other than 0 (sampling) is not handled");
    for (int i = 0; i < 256; i++) {
        char text[8];
        snprintf(text, sizeof text, "<0x%02X>", (unsigned)i);
        u->bytes[i] = (int32_t)lbi_vocab_find(&p->vocab, text, 6);
    }
    return make_trie(p, u);
}

static void close_model(lbi_pipeline *p) {
    unigram *u = p->model;
    if (!u) return;
    lbi_trie_free(&u->trie);
    lb_free(u->scores);
    lb_free(u);
}

/* ---- words ---- */

/* The best way to the byte before which it stands. */
typedef struct way {
    double score;
    int32_t id;        /* of its last piece */
    uint32_t from, to; /* where that begins; where the piece after it ends, on the best way of all */
    bool reached;
} way;

static void offer(way *to, double score, int64_t id, size_t from) {
    if (to->reached && !(score > to->score)) return;
    *to = (way){score, (int32_t)id, (uint32_t)from, 0, true};
}

static void find_ways(const unigram *u, way *ways, const uint8_t *text, size_t n) {
    size_t character = 0;
    for (size_t at = 0; at < n; at += character) {
        double here = ways[at].score;
        bool single = false;
        lbi_utf8_next(text + at, n - at, &character);
        int32_t node = 0;
        for (size_t end = at; end < n && (node = lbi_trie_step(&u->trie, node, text[end])) != 0;) {
            end++;
            int64_t id = u->trie.at[node].id;
            if (id < 0) continue;
            offer(&ways[end], u->scores[id] + here, id, at);
            single = single || end - at == character;
        }
        if (!single) offer(&ways[at + character], u->unknown + here, u->unk, at);
    }
}

/* A run of characters in no piece. */
static void unknown(const lbi_pipeline *p, lbi_parts *out, const uint8_t *text, size_t size) {
    const unigram *u = p->model;
    int64_t id = lbi_vocab_find(&p->vocab, (const char *)text, size);
    bool all = id < 0 && u->fallback;
    for (size_t i = 0; all && i < size; i++) all = u->bytes[text[i]] >= 0;
    if (!all) lbi_parts_add(out, (uint32_t)(id < 0 ? u->unk : id), size);
    for (size_t i = 0; all && i < size; i++) lbi_parts_add(out, (uint32_t)u->bytes[text[i]], i ? 0 : size);
}

static void word(const lbi_pipeline *p, lbi_work *w, const uint8_t *text, size_t n) {
    const unigram *u = p->model;
    way *ways = lbi_work_scratch(w, (n + 1) * sizeof *ways);
    if (!ways) {
        w->parts.failed = true;
        return;
    }
    memset(ways, 0, (n + 1) * sizeof *ways);
    find_ways(u, ways, text, n);
    for (size_t at = n; at > 0; at = ways[at].from) ways[ways[at].from].to = (uint32_t)at;
    for (size_t at = 0, next = 0; at < n && !w->parts.failed; at = next) {
        next = ways[at].to;
        if (ways[next].id != u->unk) {
            lbi_parts_add(&w->parts, (uint32_t)ways[next].id, next - at);
            continue;
        }
        while (next < n && ways[ways[next].to].id == u->unk) next = ways[next].to;
        unknown(p, &w->parts, text + at, next - at);
    }
}

static const lbi_model model = {.type = "Unigram", .read = read, .word = word, .close = close_model};

static int probe(const char *path) { return lbi_probe_json(path, "\"Unigram\""); }
static lb_status open(lb_tokenizer *t, const char *path) { return lbi_open_json(t, path, &model); }

LB_TOKENIZER(unigram) = {.id = "unigram",
                         .title = "pieces by their scores (T5, XLM-R, SigLIP)",
                         .source = "Kudo 2018, arXiv:1804.10959; behaviour of Hugging Face tokenizers 0.23.3",
                         .probe = probe,
                         .open = open,
                         .close = lbi_pipeline_close,
                         .encode = lbi_pipeline_encode,
                         .token = lbi_pipeline_token,
                         .find = lbi_pipeline_find,
                         .decode = lbi_pipeline_decode};
