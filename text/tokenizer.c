/* SPDX-License-Identifier: Apache-2.0 */
#include "text/tokenizer.h"
#include "base/file.h"
#include "base/threads.h"
#include "text/unicode.h"

#define TOKENIZER(id) extern const lb_tokenizer_kind lb_tokenizer_kind_##id;
#include "text/tokenizers.def"
#undef TOKENIZER

static const lb_head *const members[] = {
#define TOKENIZER(id) (const lb_head *)&lb_tokenizer_kind_##id,
#include "text/tokenizers.def"
#undef TOKENIZER
};

const lb_family lb_tokenizers = {.name = "tokenizers", .text = "text to numbers", .def = "text/tokenizers.def", .dir = "text/tokenizers",
                                 .count = (int)LB_COUNT(members), .members = members};

lb_status lb_tokenizer_open(lb_tokenizer **out, const char *path) {
    if (!lb_file_exists(path)) return lb_fail(LB_E_NOTFOUND, "%s: no such file or folder", path);
    const lb_tokenizer_kind *best = NULL;
    int most = 0;
    for (int i = 0; i < lb_tokenizers.count; i++) {
        const lb_tokenizer_kind *k = (const lb_tokenizer_kind *)lb_tokenizers.members[i];
        int score = k->probe(path);
        if (score > most) most = score, best = k;
    }
    if (!best)
        return lb_fail(LB_E_UNSUPPORTED, "%s: holds no tokenizer that is known here (tokenizer.json with WordPiece, BPE or Unigram; vocab.txt; vocab.json and merges.txt; "
                                         "a SentencePiece .model; bpe_simple_vocab_16e6.txt.gz)", path);
    lb_tokenizer *t = lb_calloc(1, sizeof *t);
    if (!t) return LB_E_NOMEM;
    t->kind = best;
    lb_status st = best->open(t, path);
    if (st != LB_OK) {
        lb_tokenizer_close(t);
        return lb_where(st, "%s", path);
    }
    *out = t;
    return LB_OK;
}

void lb_tokenizer_close(lb_tokenizer *t) {
    if (!t) return;
    if (t->kind) t->kind->close(t);
    lb_free(t);
}

lb_status lb_tokenize_full(const lb_tokenizer *t, const char *text, size_t size, const lb_tokenize_how *how, lb_tokens *out) {
    static const lb_tokenize_how all = {0};
    if (!how) how = &all;
    if (how->max < 0) return lb_fail(LB_E_ARG, "at most %lld tokens: must be 0 (no limit) or more", (long long)how->max);
    return t->kind->encode(t, text, size, how, out);
}

lb_status lb_tokenize(const lb_tokenizer *t, const char *text, size_t size, int64_t max, int64_t **ids, int64_t *count) {
    lb_tokens out = {0};
    lb_status st = lb_tokenize_full(t, text, size, &(lb_tokenize_how){.max = max}, &out);
    if (st != LB_OK) return st;
    *ids = out.ids;
    *count = out.count;
    return LB_OK;
}

/* The first failure by place, with its message. */
typedef struct failure {
    int64_t at;
    lb_status st;
    char *text;
} failure;

static void note(failure *f, int64_t at, lb_status st) {
#pragma omp critical(lb_tokenize_many)
    if (f->st == LB_OK || at < f->at) {
        lb_free(f->text);
        *f = (failure){at, st, st == LB_E_NOMEM ? NULL : lb_strdup(lb_error_text())};
    }
}

lb_status lb_tokenize_many(const lb_tokenizer *t, int64_t n, const char *const *texts, const size_t *sizes, const lb_tokenize_how *how, lb_tokens *out) {
    failure first = {0};
#pragma omp parallel for schedule(dynamic, 64) num_threads(lb_threads())
    for (int64_t i = 0; i < n; i++) {
        out[i] = (lb_tokens){0};
        lb_status st = lb_tokenize_full(t, texts[i], sizes[i], how, &out[i]);
        if (st != LB_OK) note(&first, i, st);
    }
    if (first.st == LB_OK) return LB_OK;
    for (int64_t i = 0; i < n; i++) lb_tokens_free(&out[i]);
    lb_status st = lb_fail(first.st, "text %lld: %s", (long long)first.at, first.text ? first.text : lb_status_name(first.st));
    lb_free(first.text);
    return st;
}

/* Tokens [from, from + n) of the plain ones, with the special ones around. */
static lb_status make_window(const lb_tokenizer *t, const lb_tokens *plain, int64_t from, int64_t n, lb_tokens *out) {
    int64_t *ids = lb_alloc((size_t)(t->prefix_count + n + t->suffix_count), sizeof *ids), k = 0;
    if (!ids) return LB_E_NOMEM;
    for (int i = 0; i < t->prefix_count; i++) ids[k++] = t->prefix[i];
    for (int64_t i = 0; i < n; i++) ids[k++] = plain->ids[from + i];
    for (int i = 0; i < t->suffix_count; i++) ids[k++] = t->suffix[i];
    *out = (lb_tokens){.ids = ids, .count = k};
    return LB_OK;
}

lb_status lb_tokenize_windows(const lb_tokenizer *t, const char *text, size_t size, int64_t window, lb_tokens **out, int64_t *count) {
    lb_tokens plain = {0};
    int64_t room = window - t->prefix_count - t->suffix_count;
    if (room < 1) return lb_fail(LB_E_ARG, "windows of %lld tokens leave no room beside %d special ones", (long long)window, t->prefix_count + t->suffix_count);
    lb_status st = lb_tokenize_full(t, text, size, &(lb_tokenize_how){.plain = true}, &plain);
    if (st != LB_OK) return st;
    int64_t n = plain.count > room ? (plain.count + room - 1) / room : 1;
    lb_tokens *windows = lb_calloc((size_t)n, sizeof *windows);
    if (!windows) st = LB_E_NOMEM;
    for (int64_t i = 0; st == LB_OK && i < n; i++) st = make_window(t, &plain, i * room, plain.count - i * room < room ? plain.count - i * room : room, &windows[i]);
    lb_tokens_free(&plain);
    if (st != LB_OK) {
        lb_windows_free(windows, windows ? n : 0);
        return st;
    }
    *out = windows;
    *count = n;
    return LB_OK;
}

void lb_windows_free(lb_tokens *windows, int64_t count) {
    for (int64_t i = 0; i < count; i++) lb_tokens_free(&windows[i]);
    lb_free(windows);
}

void lb_tokens_free(lb_tokens *t) {
    lb_free(t->ids);
    lb_free(t->begin);
    lb_free(t->end);
    *t = (lb_tokens){0};
}

lb_status lb_tokens_pad(lb_tokens *t, int64_t length, int64_t pad_id) {
    int64_t **const all[] = {&t->ids, &t->begin, &t->end};
    if (length <= t->count) return LB_OK;
    for (size_t k = 0; k < LB_COUNT(all); k++) {
        if (k && !*all[k]) continue;
        int64_t *more = lb_realloc(*all[k], (size_t)length, sizeof *more);
        if (!more) return LB_E_NOMEM;
        for (int64_t i = t->count; i < length; i++) more[i] = k == 0 ? pad_id : 0;
        *all[k] = more;
    }
    t->count = length;
    return LB_OK;
}

lb_status lb_tokens_in_characters(lb_tokens *t, const char *text, size_t size) {
    uint32_t *before = lb_alloc(size + 1, sizeof *before), count = 0;
    const uint8_t *p = (const uint8_t *)text;
    if (!before) return LB_E_NOMEM;
    for (size_t at = 0, used = 0; at < size; at += used, count++) {
        lbi_utf8_next(p + at, size - at, &used);
        for (size_t i = 0; i < used; i++) before[at + i] = count;
    }
    before[size] = count;
    for (int64_t i = 0; t->begin && i < t->count; i++) {
        t->begin[i] = before[t->begin[i]];
        t->end[i] = before[t->end[i]];
    }
    lb_free(before);
    return LB_OK;
}

lb_status lb_tokenizer_decode(const lb_tokenizer *t, const int64_t *ids, int64_t count, bool specials, lb_buf *out) {
    if (!t->kind->decode) return lb_fail(LB_E_UNSUPPORTED, "tokenizer %s has no way back to text", t->kind->id);
    return t->kind->decode(t, ids, count, specials, out);
}

int64_t lb_tokenizer_find(const lb_tokenizer *t, const char *token) { return t->kind->find ? t->kind->find(t, token) : -1; }
