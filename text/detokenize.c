/* SPDX-License-Identifier: Apache-2.0 */
#include "text/detokenize.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/hash.h"
#include "base/value.h"

struct lb_detokenizer {
    int64_t count;      /* ids 0..count-1 */
    char **token;       /* [count], NULL = none */
    bool *special, *added;
    bool pieces;        /* SentencePiece's spelling, else bytes */
    bool strip;         /* the first space of the text is left out */
    int64_t *slots, slot_count; /* ids + 1 by spelling */
};

/* ---- reading ---- */

static lb_status put(lb_detokenizer *d, int64_t id, const char *text, bool added, bool special) {
    if (id < 0 || id > 50000000) return lb_fail(LB_E_FORMAT, "token '%s' has id %lld", text, (long long)id);
    if (id >= d->count) {
        int64_t room = id + 1 > 2 * d->count ? id + 1024 : 2 * d->count;
        char **token = lb_realloc(d->token, (size_t)room, sizeof *token);
        if (token) d->token = token;
        bool *is_special = lb_realloc(d->special, (size_t)room, sizeof *is_special), *is_added = lb_realloc(d->added, (size_t)room, sizeof *is_added);
        if (is_special) d->special = is_special;
        if (is_added) d->added = is_added;
        if (!token || !is_special || !is_added) return LB_E_NOMEM;
        for (int64_t i = d->count; i < room; i++) token[i] = NULL, is_special[i] = is_added[i] = false;
        d->count = room;
    }
    lb_free(d->token[id]);
    d->added[id] = added;
    d->special[id] = special;
    return (d->token[id] = lb_strdup(text)) ? LB_OK : LB_E_NOMEM;
}

static lb_status read_vocab(lb_detokenizer *d, const lb_value *v) {
    lb_status st = LB_OK;
    for (int64_t i = 0; v && st == LB_OK && i < v->count; i++) {
        const lb_value *x = v->items[i];
        if (v->kind == LB_V_MAP && x->kind == LB_V_INT) st = put(d, x->integer, v->keys[i], false, false);
        else if (v->kind == LB_V_LIST && x->kind == LB_V_LIST && x->count > 0 && x->items[0]->kind == LB_V_TEXT) st = put(d, i, x->items[0]->text, false, false); /* Unigram: [piece, score] */
    }
    return st;
}

/* The decoders of a tokenizer.json, one or a sequence. */
static void read_decoder(lb_detokenizer *d, const lb_value *v) {
    const char *type = lb_get_text(v, "type", "");
    const lb_value *all = lb_get(v, "decoders");
    if (strcmp(type, "Metaspace") == 0) d->pieces = d->strip = true;
    if (strcmp(type, "ByteFallback") == 0) d->pieces = true;
    if (strcmp(type, "Strip") == 0) d->strip = true;
    for (int64_t i = 0; strcmp(type, "Sequence") == 0 && all && i < all->count; i++) read_decoder(d, all->items[i]);
}

static lb_status read_whole(lb_detokenizer *d, const char *path) {
    lb_value *v = NULL;
    lb_status st = lb_json_read(&v, path);
    const lb_value *added = lb_get(v, "added_tokens");
    if (st == LB_OK) st = read_vocab(d, lb_get(v, "model.vocab"));
    for (int64_t i = 0; st == LB_OK && added && i < added->count; i++)
        st = put(d, lb_get_int(added->items[i], "id", -1), lb_get_text(added->items[i], "content", ""), true, lb_get_bool(added->items[i], "special", false));
    if (st == LB_OK) read_decoder(d, lb_get(v, "decoder"));
    lb_value_free(v);
    return st;
}

static lb_status read_parts(lb_detokenizer *d, const char *vocab, const char *added) {
    lb_value *v = NULL, *more = NULL;
    lb_status st = lb_json_read(&v, vocab);
    if (st == LB_OK && lb_file_exists(added)) st = lb_json_read(&more, added);
    if (st == LB_OK) st = read_vocab(d, v);
    for (int64_t i = 0; st == LB_OK && more && i < more->count; i++) st = put(d, more->items[i]->integer, more->keys[i], true, more->keys[i][0] == '<');
    int64_t end = lb_get_int(v, "<|endoftext|>", -1);
    if (st == LB_OK && end >= 0) st = put(d, end, "<|endoftext|>", true, true);
    lb_value_free(v);
    lb_value_free(more);
    return st;
}

static lb_status index_tokens(lb_detokenizer *d) {
    for (d->slot_count = 16; d->slot_count < 2 * d->count; d->slot_count *= 2) {}
    if (!(d->slots = lb_calloc((size_t)d->slot_count, sizeof *d->slots))) return LB_E_NOMEM;
    for (int64_t i = 0; i < d->count; i++) {
        if (!d->token[i]) continue;
        uint64_t mask = (uint64_t)d->slot_count - 1, at = lb_hash64(d->token[i], strlen(d->token[i]), 0) & mask;
        while (d->slots[at]) at = (at + 1) & mask;
        d->slots[at] = i + 1;
    }
    return LB_OK;
}

lb_status lb_detokenizer_open(lb_detokenizer **out, const char *folder) {
    lb_status st = LB_OK;
    lb_detokenizer *d = lb_calloc(1, sizeof *d);
    char *whole = lb_path_join(folder, "tokenizer.json"), *vocab = lb_path_join(folder, "vocab.json"), *added = lb_path_join(folder, "added_tokens.json");
    if (!d || !whole || !vocab || !added) st = LB_E_NOMEM;
    else if (lb_file_exists(whole)) st = read_whole(d, whole);
    else if (lb_file_exists(vocab)) st = read_parts(d, vocab, added);
    else st = lb_fail(LB_E_NOTFOUND, "%s: neither tokenizer.json nor vocab.json", folder);
    if (st == LB_OK) st = index_tokens(d);
    if (st == LB_OK) *out = d;
    else lb_detokenizer_close(d);
    lb_free(whole);
    lb_free(vocab);
    lb_free(added);
    return st == LB_OK ? st : lb_where(st, "%s", folder);
}

void lb_detokenizer_close(lb_detokenizer *d) {
    if (!d) return;
    for (int64_t i = 0; i < d->count; i++) lb_free(d->token[i]);
    lb_free(d->token);
    lb_free(d->special);
    lb_free(d->added);
    lb_free(d->slots);
    lb_free(d);
}

int64_t lb_detokenizer_id(const lb_detokenizer *d, const char *token) {
    uint64_t mask = (uint64_t)d->slot_count - 1, at = lb_hash64(token, strlen(token), 0) & mask;
    for (; d->slots[at]; at = (at + 1) & mask)
        if (strcmp(d->token[d->slots[at] - 1], token) == 0) return d->slots[at] - 1;
    return -1;
}

const char *lb_detokenizer_token(const lb_detokenizer *d, int64_t id) { return id >= 0 && id < d->count && d->token[id] ? d->token[id] : ""; }

/* ---- writing ---- */

/* One code point of valid UTF-8; moves on. */
static uint32_t next_point(const unsigned char **p) {
    static const unsigned char lead[] = {0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0, 0, 0, 0, 0x1f, 0x1f, 0x0f, 0x07};
    uint32_t c = *(*p)++;
    if (c < 0x80) return c;
    c &= lead[c >> 4];
    while ((**p & 0xc0) == 0x80) c = c << 6 | (*(*p)++ & 0x3f);
    return c;
}

/* GPT-2 writes a byte as itself where it is a visible character of Latin-1, the others as the code points from 256 on. @return -1 for other points */
static int byte_of(uint32_t c) {
    if ((c >= 33 && c <= 126) || (c >= 161 && c <= 172) || (c >= 174 && c <= 255)) return (int)c;
    if (c < 256 || c >= 256 + 68) return -1;
    uint32_t n = c - 256;
    return n < 33 ? (int)n : n < 67 ? (int)(127 + n - 33) : 173;
}

static void add_bytes(lb_buf *raw, const char *token) {
    for (const unsigned char *p = (const unsigned char *)token; *p;) {
        const unsigned char *from = p;
        int b = byte_of(next_point(&p));
        char one = (char)b;
        if (b >= 0) lb_buf_add(raw, &one, 1);
        else lb_buf_add(raw, from, (size_t)(p - from));
    }
}

static void add_piece(lb_buf *raw, const char *token) {
    unsigned value = 0;
    if (strlen(token) == 6 && sscanf(token, "<0x%2x>", &value) == 1) {
        char one = (char)value;
        lb_buf_add(raw, &one, 1);
        return;
    }
    for (const char *p = token; *p;) {
        bool space = strncmp(p, "\xe2\x96\x81", 3) == 0;
        lb_buf_add(raw, space ? " " : p, 1);
        p += space ? 3 : 1;
    }
}

/* Bytes of the sequence at p that are valid UTF-8: its length; else -(how many bytes one U+FFFD stands for). */
static int sequence(const unsigned char *p, size_t n) {
    unsigned c = p[0];
    int want = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
    if (want == 0) return -1;
    for (int i = 1; i < want; i++) {
        unsigned lo = 0x80, hi = 0xbf;
        if (i == 1) lo = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : lo, hi = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : hi;
        if ((size_t)i >= n || p[i] < lo || p[i] > hi) return -i;
    }
    return want;
}

static void add_valid(lb_buf *out, const lb_buf *raw) {
    const unsigned char *p = (const unsigned char *)raw->data;
    for (size_t i = 0; i < raw->size;) {
        int n = sequence(p + i, raw->size - i);
        if (n > 0) lb_buf_add(out, p + i, (size_t)n);
        else lb_buf_text(out, "\xef\xbf\xbd");
        i += (size_t)abs(n);
    }
}

void lb_detokenize(lb_buf *out, const lb_detokenizer *d, const int64_t *ids, int64_t n) {
    lb_buf raw = {0};
    size_t begin = out->size;
    for (int64_t i = 0; i <= n; i++) {
        int64_t id = i < n ? ids[i] : -1;
        bool known = id >= 0 && id < d->count && d->token[id];
        if (known && !d->added[id]) {
            if (d->pieces) add_piece(&raw, d->token[id]);
            else add_bytes(&raw, d->token[id]);
        } else if (i == n || (known && !d->special[id])) { /* an added token stands as it is written, between whole sequences */
            add_valid(out, &raw);
            lb_buf_clear(&raw);
            if (known) lb_buf_text(out, d->token[id]);
        }
    }
    if (raw.failed) out->failed = true;
    if (d->strip && out->size > begin && out->data[begin] == ' ') {
        memmove(out->data + begin, out->data + begin + 1, out->size - begin - 1);
        out->data[--out->size] = 0;
    }
    lb_buf_free(&raw);
}
