/* SPDX-License-Identifier: Apache-2.0 */
/* From tokens back to text: the decoders of a tokenizer.json, each from a list of texts to a list of texts. */
#include <stdio.h>
#include <string.h>
#include "text/byte_alphabet.h"
#include "text/pipeline.h"
#include "text/unicode.h"

/* ---- reading ---- */

static lb_status keep(char **out, const lb_value *json, const char *key, const char *fallback) {
    *out = lb_strdup(lb_get_text(json, key, fallback));
    return *out ? LB_OK : LB_E_NOMEM;
}

static lb_status read_one(lbi_decoder *d, const lb_value *json, const char *type) {
    static const struct {
        const char *name;
        lbi_decoder_kind kind;
    } kinds[] = {{"ByteLevel", LBI_DECODE_BYTES}, {"WordPiece", LBI_DECODE_WORDPIECE}, {"BPEDecoder", LBI_DECODE_BPE}, {"Metaspace", LBI_DECODE_METASPACE}, {"Replace", LBI_DECODE_REPLACE},
                 {"ByteFallback", LBI_DECODE_FALLBACK}, {"Fuse", LBI_DECODE_FUSE}, {"Strip", LBI_DECODE_STRIP}, {"CTC", LBI_DECODE_CTC}};
    size_t i = 0;
    while (i < LB_COUNT(kinds) && strcmp(kinds[i].name, type) != 0) i++;
    if (i == LB_COUNT(kinds)) return lb_fail(LB_E_UNSUPPORTED, "decoder %s is not handled", type);
    d->kind = kinds[i].kind;
    switch (d->kind) {
    case LBI_DECODE_WORDPIECE: d->flag = lb_get_bool(json, "cleanup", true); return keep(&d->text, json, "prefix", "##");
    case LBI_DECODE_BPE: return keep(&d->text, json, "suffix", "</w>");
    case LBI_DECODE_METASPACE:
        d->flag = strcmp(lb_get_text(json, "prepend_scheme", lb_get_bool(json, "add_prefix_space", true) ? "always" : "never"), "never") == 0;
        return keep(&d->text, json, "replacement", "\xe2\x96\x81");
    case LBI_DECODE_REPLACE: {
        lb_status st = lbi_pattern_read(&d->pattern, lb_get(json, "pattern"));
        return st == LB_OK ? keep(&d->text, json, "content", "") : lb_where(st, "decoder Replace");
    }
    case LBI_DECODE_STRIP:
        d->start = lb_get_int(json, "start", 0);
        d->stop = lb_get_int(json, "stop", 0);
        return keep(&d->text, json, "content", " ");
    case LBI_DECODE_CTC: {
        d->flag = lb_get_bool(json, "cleanup", true);
        lb_status st = keep(&d->delimiter, json, "word_delimiter_token", "|");
        return st == LB_OK ? keep(&d->text, json, "pad_token", "<pad>") : st;
    }
    case LBI_DECODE_BYTES: case LBI_DECODE_FALLBACK: case LBI_DECODE_FUSE: return LB_OK;
    }
    return LB_OK;
}

static lb_status read_nested(lbi_pipeline *p, const lb_value *json, int depth) {
    if (!json || json->kind == LB_V_NULL) return LB_OK;
    const char *type = lb_get_text(json, "type", "?");
    p->joined = true;
    if (strcmp(type, "Sequence") == 0) {
        const lb_value *list = lb_get(json, "decoders");
        if (!list || list->kind != LB_V_LIST || depth > 4) return lb_fail(LB_E_FORMAT, "decoder Sequence must hold a list of decoders");
        for (int64_t i = 0; i < list->count; i++) {
            lb_status st = read_nested(p, list->items[i], depth + 1);
            if (st != LB_OK) return st;
        }
        return LB_OK;
    }
    if (p->decoder_count == LBI_DECODERS_MAX) return lb_fail(LB_E_UNSUPPORTED, "more than %d decoders", LBI_DECODERS_MAX);
    return read_one(&p->decoders[p->decoder_count++], json, type);
}

lb_status lbi_decoders_read(lbi_pipeline *p, const lb_value *json) { return read_nested(p, json, 0); }

void lbi_decoders_free(lbi_pipeline *p) {
    for (int i = 0; i < p->decoder_count; i++) {
        lb_free(p->decoders[i].text);
        lb_free(p->decoders[i].delimiter);
        lbi_pattern_free(&p->decoders[i].pattern);
    }
    p->decoder_count = 0;
}

/* ---- lists of texts ---- */

typedef struct texts {
    lb_buf bytes;
    size_t *ends;
    int64_t count, capacity;
    bool failed;
} texts;

static const char *text_at(const texts *t, int64_t i, size_t *size) {
    size_t begin = i ? t->ends[i - 1] : 0;
    *size = t->ends[i] - begin;
    return lb_buf_str(&t->bytes) + begin;
}

/* Ends the text whose bytes were added. */
static void end_text(texts *t) {
    if (t->count == t->capacity) {
        int64_t cap = t->capacity ? 2 * t->capacity : 64;
        size_t *ends = lb_realloc(t->ends, (size_t)cap, sizeof *ends);
        if (!ends) {
            t->failed = true;
            return;
        }
        t->ends = ends;
        t->capacity = cap;
    }
    t->ends[t->count++] = t->bytes.size;
}

static void free_texts(texts *t) {
    lb_buf_free(&t->bytes);
    lb_free(t->ends);
}

static void replace_all(lb_buf *out, const char *text, size_t size, const char *find, const char *put) {
    size_t n = strlen(find), at = 0;
    for (const char *p = NULL; n && (p = memmem(text + at, size - at, find, n)) != NULL; at = (size_t)(p - text) + n) {
        lb_buf_add(out, text + at, (size_t)(p - text) - at);
        lb_buf_text(out, put);
    }
    lb_buf_add(out, text + at, size - at);
}

/* ---- decoders ---- */

/* Well-formed UTF-8 of any bytes: what is malformed becomes U+FFFD. */
static void add_lossy(lb_buf *out, const char *text, size_t size) {
    const uint8_t *p = (const uint8_t *)text;
    for (size_t at = 0, used = 0; at < size; at += used) lbi_utf8_add(out, lbi_utf8_next(p + at, size - at, &used));
}

static void bytes(texts *out, const texts *in) {
    lb_buf all = {0};
    for (int64_t i = 0; i < in->count; i++) {
        size_t size = 0, before = all.size;
        const char *text = text_at(in, i, &size);
        if (lbi_bytes_of_alphabet(&all, text, size)) continue;
        if (!all.failed) all.size = before;
        lb_buf_add(&all, text, size); /* not all of the alphabet: as it is */
    }
    add_lossy(&out->bytes, lb_buf_str(&all), all.size);
    out->failed = out->failed || all.failed;
    end_text(out);
    lb_buf_free(&all);
}

/* Spaces before punctuation and English contractions. */
static void add_clean(lb_buf *out, const char *text, size_t size) {
    static const char *const pairs[][2] = {{" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
                                           {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
    lb_buf a = {0}, b = {0};
    lb_buf_add(&a, text, size);
    for (size_t i = 0; i < LB_COUNT(pairs); i++) {
        lb_buf_clear(&b);
        replace_all(&b, lb_buf_str(&a), a.size, pairs[i][0], pairs[i][1]);
        lb_buf t = a;
        a = b;
        b = t;
    }
    lb_buf_add(out, lb_buf_str(&a), a.size);
    out->failed = out->failed || a.failed || b.failed;
    lb_buf_free(&a);
    lb_buf_free(&b);
}

static void wordpiece(const lbi_decoder *d, texts *out, const texts *in) {
    lb_buf token = {0};
    size_t n = strlen(d->text);
    for (int64_t i = 0; i < in->count; i++) {
        size_t size = 0;
        const char *text = text_at(in, i, &size);
        bool inside = i && size >= n && memcmp(text, d->text, n) == 0;
        lb_buf_clear(&token);
        if (i && !inside) lb_buf_text(&token, " ");
        lb_buf_add(&token, text + (inside ? n : 0), size - (inside ? n : 0));
        if (d->flag) add_clean(&out->bytes, lb_buf_str(&token), token.size);
        else lb_buf_add(&out->bytes, lb_buf_str(&token), token.size);
        out->failed = out->failed || token.failed;
        end_text(out);
    }
    lb_buf_free(&token);
}

/* "<0x61>" is a byte. */
static int byte_token(const char *text, size_t size) {
    unsigned value = 0;
    if (size != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>') return -1;
    for (int i = 3; i < 5; i++) {
        int c = text[i] | 32, digit = text[i] >= '0' && text[i] <= '9' ? text[i] - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0) return -1;
        value = value << 4 | (unsigned)digit;
    }
    return (int)value;
}

/* A run of byte tokens: one text when it is well formed, else U+FFFD for each byte. */
static void end_bytes(texts *out, lb_buf *run) {
    if (run->size == 0) return;
    if (lbi_utf8_valid((const uint8_t *)run->data, run->size)) {
        lb_buf_add(&out->bytes, run->data, run->size);
        end_text(out);
    } else {
        for (size_t i = 0; i < run->size; i++) {
            lb_buf_text(&out->bytes, "\xef\xbf\xbd");
            end_text(out);
        }
    }
    lb_buf_clear(run);
}

static void fallback(texts *out, const texts *in) {
    lb_buf run = {0};
    for (int64_t i = 0; i < in->count; i++) {
        size_t size = 0;
        const char *text = text_at(in, i, &size);
        int byte = byte_token(text, size);
        if (byte >= 0) {
            char c = (char)byte;
            lb_buf_add(&run, &c, 1);
            continue;
        }
        end_bytes(out, &run);
        lb_buf_add(&out->bytes, text, size);
        end_text(out);
    }
    out->failed = out->failed || run.failed;
    end_bytes(out, &run);
    lb_buf_free(&run);
}

/* Up to `start` and `stop` times the content at either end. */
static void strip(const lbi_decoder *d, texts *out, const texts *in) {
    size_t n = strlen(d->text);
    for (int64_t i = 0; i < in->count; i++) {
        size_t size = 0;
        const char *text = text_at(in, i, &size);
        for (int64_t k = 0; n && k < d->start && size >= n && memcmp(text, d->text, n) == 0; k++) text += n, size -= n;
        for (int64_t k = 0; n && k < d->stop && size >= n && memcmp(text + size - n, d->text, n) == 0; k++) size -= n;
        lb_buf_add(&out->bytes, text, size);
        end_text(out);
    }
}

static void ctc(const lbi_decoder *d, texts *out, const texts *in) {
    lb_buf plain = {0}, clean = {0};
    for (int64_t i = 0; i < in->count; i++) {
        size_t size = 0, last = 0, before = out->bytes.size;
        const char *text = text_at(in, i, &size), *previous = i ? text_at(in, i - 1, &last) : "";
        if (i && size == last && memcmp(text, previous, size) == 0) continue;
        lb_buf_clear(&plain);
        lb_buf_clear(&clean);
        replace_all(&plain, text, size, d->text, "");
        if (d->flag) {
            add_clean(&clean, lb_buf_str(&plain), plain.size);
            replace_all(&out->bytes, lb_buf_str(&clean), clean.size, d->delimiter, " ");
        } else {
            lb_buf_add(&out->bytes, lb_buf_str(&plain), plain.size);
        }
        out->failed = out->failed || plain.failed || clean.failed;
        if (out->bytes.size > before) end_text(out);
    }
    lb_buf_free(&plain);
    lb_buf_free(&clean);
}

static void replace_pattern(const lbi_decoder *d, lb_buf *out, const char *text, size_t size) {
    const uint8_t *p = (const uint8_t *)text;
    size_t at = 0, begin = 0, end = 0;
    for (; lbi_pattern_next(&d->pattern, p, size, at, &begin, &end); at = end) {
        lb_buf_add(out, text + at, begin - at);
        lb_buf_text(out, d->text);
    }
    lb_buf_add(out, text + at, size - at);
}

static void run(const lbi_decoder *d, texts *out, const texts *in) {
    switch (d->kind) {
    case LBI_DECODE_BYTES: bytes(out, in); return;
    case LBI_DECODE_WORDPIECE: wordpiece(d, out, in); return;
    case LBI_DECODE_FALLBACK: fallback(out, in); return;
    case LBI_DECODE_STRIP: strip(d, out, in); return;
    case LBI_DECODE_CTC: ctc(d, out, in); return;
    case LBI_DECODE_FUSE:
        lb_buf_add(&out->bytes, lb_buf_str(&in->bytes), in->bytes.size);
        end_text(out);
        return;
    case LBI_DECODE_BPE: case LBI_DECODE_METASPACE: case LBI_DECODE_REPLACE: break;
    }
    for (int64_t i = 0; i < in->count; i++) {
        size_t size = 0;
        const char *text = text_at(in, i, &size);
        if (d->kind == LBI_DECODE_REPLACE) replace_pattern(d, &out->bytes, text, size);
        else if (d->kind == LBI_DECODE_BPE) replace_all(&out->bytes, text, size, d->text, i == in->count - 1 ? "" : " ");
        else replace_all(&out->bytes, text, size, d->text, i == 0 && !d->flag ? "" : " ");
        end_text(out);
    }
}

lb_status lbi_pipeline_decode(const lb_tokenizer *t, const int64_t *ids, int64_t count, bool specials, lb_buf *out) {
    const lbi_pipeline *p = t->impl;
    texts a = {0}, b = {0};
    for (int64_t i = 0; i < count; i++) {
        if (ids[i] < 0 || ids[i] >= p->top) continue;
        const lbi_added *added = p->added_by_id[ids[i]];
        size_t size = added ? added->size : 0;
        const char *text = added ? added->text : lbi_vocab_text(&p->vocab, ids[i], &size);
        if (!text || (added && added->special && !specials)) continue;
        if (!p->joined && a.count) lb_buf_text(&a.bytes, " ");
        lb_buf_add(&a.bytes, text, size);
        end_text(&a);
    }
    for (int i = 0; i < p->decoder_count && !a.failed && !a.bytes.failed; i++) {
        lb_buf_clear(&b.bytes);
        b.count = 0;
        run(&p->decoders[i], &b, &a);
        texts swap = a;
        a = b;
        b = swap;
    }
    bool failed = a.failed || b.failed || a.bytes.failed || b.bytes.failed;
    if (!failed) lb_buf_add(out, lb_buf_str(&a.bytes), a.bytes.size);
    free_texts(&a);
    free_texts(&b);
    return failed ? lb_fail(LB_E_NOMEM, "text of %lld tokens", (long long)count) : lb_buf_status(out);
}
