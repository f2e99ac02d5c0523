/* SPDX-License-Identifier: Apache-2.0 */
/* 20,000 made texts through every kind of tokenizer (the quick suite takes every 12th block of 100, LB_FULL=1 all): sums of ids, offsets and decoded texts recorded from Hugging Face tokenizers 0.23.3, those of .model
 * files from sentencepiece (tests/data/tokenizers/make.py). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "tests/check.h"
#include "tests/token_texts.h"
#include "text/tokenizer.h"

enum { BLOCK = 100, FULL = 50, QUICK = 12 };

typedef struct sums {
    uint64_t ids, offsets, texts;
} sums;

static void fnv(uint64_t *h, const void *data, size_t n) {
    for (const uint8_t *p = data; n > 0; p++, n--) *h = (*h ^ *p) * 0x100000001B3u;
}
static void fnv_number(uint64_t *h, int64_t x) {
    int32_t n = (int32_t)x;
    fnv(h, &n, sizeof n);
}

static void add_decoded(sums *s, const lb_tokenizer *t, const lb_tokens *tokens) {
    lb_buf text = {0};
    for (int specials = 0; specials < 2 && tokens->count; specials++) {
        lb_buf_clear(&text);
        CHECK_OK(lb_tokenizer_decode(t, tokens->ids, tokens->count, specials, &text));
        fnv(&s->texts, lb_buf_str(&text), text.size + 1);
    }
    lb_buf_free(&text);
}

static void add_text(sums *s, const lb_tokenizer *t, const lb_buf *text, lb_tokens *tokens) {
    lb_tokens plain = {0};
    if (!CHECK_OK(lb_tokenize_full(t, lb_buf_str(text), text->size, &(lb_tokenize_how){.offsets = true}, tokens))) return;
    /* Without offsets there are faster ways to the same ids. */
    CHECK_OK(lb_tokenize_full(t, lb_buf_str(text), text->size, NULL, &plain));
    CHECK(plain.count == tokens->count && memcmp(plain.ids, tokens->ids, (size_t)plain.count * sizeof *plain.ids) == 0);
    lb_tokens_free(&plain);
    CHECK_OK(lb_tokens_in_characters(tokens, lb_buf_str(text), text->size));
    for (int64_t i = 0; i < tokens->count; i++) {
        fnv_number(&s->ids, tokens->ids[i]);
        fnv_number(&s->offsets, tokens->begin[i]);
        fnv_number(&s->offsets, tokens->end[i]);
    }
    add_decoded(s, t, tokens);
}

static bool same_ids(const lb_buf *want, size_t *at, const lb_tokens *tokens) {
    uint16_t n = 0, id = 0;
    memcpy(&n, want->data + *at, 2);
    *at += 2;
    bool same = CHECK_INT(tokens->count, n);
    for (int i = 0; i < n; i++, *at += 2) {
        memcpy(&id, want->data + *at, 2);
        if (same && i < tokens->count) same = CHECK_INT(tokens->ids[i], id);
    }
    return same;
}

/* One block of texts, whose sums stand at 4 + 24 * block. The ids of the first texts stand after all sums. */
static void block(const lb_tokenizer *t, const token_bits *bits, const lb_buf *want, uint32_t b, size_t *ids_at, bool only_ids) {
    sums s = {0xCBF29CE484222325u, 0xCBF29CE484222325u, 0xCBF29CE484222325u}, w;
    lb_buf text = {0};
    for (int i = 0; i < BLOCK; i++) {
        lb_tokens tokens = {0};
        token_text(&text, bits, (uint64_t)b * BLOCK + (uint64_t)i);
        add_text(&s, t, &text, &tokens);
        if (b == 0 && i < FULL && !same_ids(want, ids_at, &tokens)) printf("     text %d: %.*s\n", i, (int)text.size, lb_buf_str(&text));
        lb_tokens_free(&tokens);
    }
    memcpy(&w, want->data + 4 + b * sizeof w, sizeof w);
    if (!CHECK(s.ids == w.ids)) printf("     ids of the texts from %u on\n", b * BLOCK);
    if (!only_ids && !CHECK(s.offsets == w.offsets)) printf("     offsets of the texts from %u on\n", b * BLOCK);
    if (!only_ids && !CHECK(s.texts == w.texts)) printf("     decoded texts from %u on\n", b * BLOCK);
    lb_buf_free(&text);
}

static void agrees(const char *kind, const char *file, bool only_ids) {
    char path[96];
    token_bits bits = {0};
    lb_buf want = {0};
    lb_tokenizer *t = NULL;
    uint32_t blocks = 0;
    snprintf(path, sizeof path, "tokenizers/%s/expected.bin", kind);
    token_bits_read(&bits, check_data("tokenizers/bits.txt"));
    CHECK_OK(lb_file_read(&want, check_data(path), 0));
    snprintf(path, sizeof path, "tokenizers/%s/%s", kind, file);
    if (CHECK_OK(lb_tokenizer_open(&t, check_data(path))) && CHECK(want.size > 4)) {
        memcpy(&blocks, want.data, 4);
        CHECK_INT(blocks, 200);
        size_t ids_at = 4 + blocks * sizeof(sums);
        for (uint32_t b = 0; b < blocks && ids_at <= want.size; b += getenv("LB_FULL") ? 1 : QUICK) {
            check_begin("%s-%u", kind, b);
            block(t, &bits, &want, b, &ids_at, only_ids);
            check_end();
        }
        CHECK_INT((int64_t)ids_at, (int64_t)want.size);
    }
    lb_tokenizer_close(t);
    lb_buf_free(&want);
    token_bits_free(&bits);
}

static void gpt2(void) { agrees("gpt2", "", false); }
static void roberta(void) { agrees("roberta", "", false); }
static void llama3(void) { agrees("llama3", "tokenizer.json", false); }
static void qwen2(void) { agrees("qwen2", "", false); }
static void whisper(void) { agrees("whisper", "", false); }
static void clip(void) { agrees("clip", "", false); }
static void open_clip(void) { agrees("open_clip", "", false); }
static void llama2(void) { agrees("llama2", "", false); }
static void first(void) { agrees("first", "", false); }
static void gemma(void) { agrees("gemma", "", false); }
static void mixture(void) { agrees("mixture", "", false); }
static void subword(void) { agrees("subword", "", false); }
static void bert(void) { agrees("bert", "", false); }
static void t5(void) { agrees("t5", "", false); }
static void xlmr(void) { agrees("xlmr", "", false); }
static void unibytes(void) { agrees("unibytes", "", false); }
static void siglip(void) { agrees("siglip", "", false); }
static void albert(void) { agrees("albert", "", false); }
static void o200k(void) { agrees("o200k", "", false); }
static void tekken(void) { agrees("tekken", "", false); }
static void qwen35(void) { agrees("qwen35", "", false); }
static void kimi(void) { agrees("kimi", "", false); }
static void deepseek(void) { agrees("deepseek", "", false); }
static void deepseek_coder(void) { agrees("deepseek_coder", "", false); }
static void bloom(void) { agrees("bloom", "", false); }
static void odd(void) { agrees("odd", "", false); }

/* A build without libsentencepiece says so. */
static bool has_sentencepiece(void) {
    lb_tokenizer *t = NULL;
    lb_status st = lb_tokenizer_open(&t, check_data("tokenizers/spm"));
    lb_tokenizer_close(t);
    return st != LB_E_UNSUPPORTED;
}
static void spm(void) {
    if (has_sentencepiece()) agrees("spm", "", true);
}
static void spm_bytes(void) {
    if (has_sentencepiece()) agrees("spm_bytes", "spiece.model", true);
}

static void numbers(void) {
    lb_tokenizer *t = NULL;
    if (!CHECK_OK(lb_tokenizer_open(&t, check_data("tokenizers/siglip")))) return;
    CHECK_INT(t->pad_to, 64);
    CHECK_INT(t->pad_id, 1);
    CHECK_INT(t->max_tokens, 64);
    CHECK_INT(lb_tokenizer_find(t, "</s>"), 1);
    CHECK_INT(lb_tokenizer_find(t, "no such token"), -1);
    lb_tokens x = {0};
    CHECK_OK(lb_tokenize_full(t, "A cat.", 6, &(lb_tokenize_how){.offsets = true}, &x));
    int64_t n = x.count;
    CHECK_OK(lb_tokens_pad(&x, t->pad_to, t->pad_id));
    CHECK_INT(x.count, 64);
    CHECK_INT(x.ids[n - 1], 1);
    CHECK_INT(x.ids[63], 1);
    CHECK_INT(x.end[63], 0);
    lb_tokens_free(&x);
    CHECK_OK(lb_tokenize_full(t, "A cat.", 6, &(lb_tokenize_how){.plain = true}, &x));
    CHECK_INT(x.count, n - 1);
    lb_tokens_free(&x);
    lb_tokenizer_close(t);
    CHECK_OK(lb_tokenizer_open(&t, check_data("tokenizers/open_clip")));
    CHECK_INT(t->pad_to, 77);
    CHECK_INT(t->max_tokens, 77);
    CHECK_INT(t->pad_id, 0);
    lb_tokenizer_close(t);
}

/* Windows of a text are what tokenizers calls its overflowing tokens: pieces of the plain ids with the special tokens around each. */
static void windows_of(const lb_tokenizer *t, const char *text, const lb_tokens *plain, int64_t window) {
    lb_tokens *w = NULL;
    int64_t count = 0, at = 0, room = window - 3;
    CHECK_OK(lb_tokenize_windows(t, text, strlen(text), window, &w, &count));
    CHECK_INT(count, (plain->count + room - 1) / room);
    for (int64_t i = 0; i < count; i++) {
        CHECK_INT(w[i].ids[0], lb_tokenizer_find(t, "<|startoftranscript|>"));
        CHECK_INT(w[i].ids[1], lb_tokenizer_find(t, "<|notimestamps|>"));
        CHECK_INT(w[i].ids[w[i].count - 1], lb_tokenizer_find(t, "<|endoftext|>"));
        for (int64_t k = 2; k + 1 < w[i].count && CHECK(at < plain->count); k++, at++) CHECK_INT(w[i].ids[k], plain->ids[at]);
    }
    CHECK_INT(at, plain->count);
    lb_windows_free(w, count);
}

static void windows(void) {
    static const char text[] = "The quick brown fox jumps over the lazy dog";
    lb_tokenizer *t = NULL;
    lb_tokens plain = {0}, *w = NULL;
    int64_t count = 0;
    if (!CHECK_OK(lb_tokenizer_open(&t, check_data("tokenizers/whisper")))) return;
    CHECK_OK(lb_tokenize_full(t, text, strlen(text), &(lb_tokenize_how){.plain = true}, &plain));
    for (int64_t window = 4; window < 10; window++) windows_of(t, text, &plain, window); /* the last one full, and not */
    CHECK_OK(lb_tokenize_windows(t, "", 0, 7, &w, &count));
    CHECK_INT(count, 1);
    CHECK_INT(w[0].count, 3);
    lb_windows_free(w, count);
    CHECK_FAILS(lb_tokenize_windows(t, text, strlen(text), 3, &w, &count), LB_E_ARG, "3 special");
    lb_tokens_free(&plain);
    lb_tokenizer_close(t);
}

static void many(void) {
    static const char *const texts[] = {"one", "", "two words", "\xff", "one"};
    size_t sizes[LB_COUNT(texts)];
    lb_tokens got[LB_COUNT(texts)], one = {0};
    lb_tokenizer *t = NULL;
    if (!CHECK_OK(lb_tokenizer_open(&t, check_data("tokenizers/whisper")))) return;
    for (size_t i = 0; i < LB_COUNT(texts); i++) sizes[i] = strlen(texts[i]);
    CHECK_OK(lb_tokenize_many(t, LB_COUNT(texts), texts, sizes, NULL, got));
    for (size_t i = 0; i < LB_COUNT(texts); i++) {
        CHECK_OK(lb_tokenize_full(t, texts[i], sizes[i], NULL, &one));
        CHECK(one.count == got[i].count && memcmp(one.ids, got[i].ids, (size_t)one.count * sizeof *one.ids) == 0);
        lb_tokens_free(&one);
        lb_tokens_free(&got[i]);
    }
    CHECK_FAILS(lb_tokenize_many(t, LB_COUNT(texts), texts, sizes, &(lb_tokenize_how){.max = 2}, got), LB_E_ARG, "text 0");
    lb_tokenizer_close(t);
}

/* ---- files that are not what they should be ---- */

static void fails(const char *json, lb_status want, const char *part) {
    const char *path = check_tmp("tokenizer.json");
    lb_tokenizer *t = NULL;
    CHECK_OK(lb_file_write(path, json, strlen(json)));
    if (!CHECK_FAILS(lb_tokenizer_open(&t, path), want, part)) printf("     %s\n", json);
    if (!CHECK(!t)) lb_tokenizer_close(t);
}

static void refuses(void) {
    int64_t live = lb_alloc_live();
    fails("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0}}}", LB_E_FORMAT, "merges");
    fails("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a\"]}}", LB_E_FORMAT, "merges[0]");
    fails("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a b\"]}}", LB_E_FORMAT, "'b'");
    fails("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[[\"a\",\"a\"]]}}", LB_E_FORMAT, "'aa'");
    fails("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"dropout\":0.5}}", LB_E_UNSUPPORTED, "dropout");
    fails("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"unk_token\":\"u\"}}", LB_E_FORMAT, "'u'");
    fails("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":16000000},\"merges\":[]}}", LB_E_FORMAT, "16000000");
    fails("{\"model\":{\"type\":\"Unigram\",\"vocab\":[]}}", LB_E_FORMAT, "vocab");
    fails("{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",0]]}}", LB_E_FORMAT, "unk_id");
    fails("{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",\"b\"]],\"unk_id\":0}}", LB_E_FORMAT, "vocab[0]");
    fails("{\"normalizer\":{\"type\":\"Odd\"},\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",0]],\"unk_id\":0}}", LB_E_UNSUPPORTED, "Odd");
    fails("{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAAA\"},\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",0]],\"unk_id\":0}}", LB_E_FORMAT, "charsmap");
    fails("{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"?\"},\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",0]],\"unk_id\":0}}", LB_E_FORMAT, "base64");
    fails("{\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(a|b)+\"},\"content\":\"\"},\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",0]],"
          "\"unk_id\":0}}",
          LB_E_UNSUPPORTED, "(a|b)+");
    fails("{\"pre_tokenizer\":{\"type\":\"UnicodeScripts\"},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}", LB_E_UNSUPPORTED, "UnicodeScripts");
    fails("{\"post_processor\":{\"type\":\"Odd\"},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}", LB_E_UNSUPPORTED, "Odd");
    fails("{\"decoder\":{\"type\":\"Odd\"},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}", LB_E_UNSUPPORTED, "Odd");
    CHECK_INT(lb_alloc_live(), live);
}

static void refused_memory(void) {
    static const char *const kinds[] = {"whisper", "t5", "open_clip", "roberta"};
    int64_t live = lb_alloc_live();
    for (size_t k = 0; k < LB_COUNT(kinds); k++) {
        char path[64];
        lb_status st = LB_E_NOMEM;
        snprintf(path, sizeof path, "tokenizers/%s", kinds[k]);
        for (int64_t n = 1; n < 40000 && st != LB_OK; n += n < 40 ? 1 : 397) {
            lb_tokenizer *t = NULL;
            lb_tokens got = {0};
            lb_alloc_fail_at(n);
            st = lb_tokenizer_open(&t, check_data(path));
            if (st == LB_OK) st = lb_tokenize_full(t, "the e\xcc\x81 <x>", 10, &(lb_tokenize_how){.offsets = true}, &got);
            lb_alloc_fail_at(0);
            if (st != LB_OK) CHECK_INT(st, LB_E_NOMEM);
            lb_tokens_free(&got);
            lb_tokenizer_close(t);
        }
        CHECK(st == LB_OK);
    }
    CHECK_INT(lb_alloc_live(), live);
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "tokenizers",
                      (check_test[]){{"gpt2", gpt2},
                                     {"roberta", roberta},
                                     {"llama3", llama3},
                                     {"qwen2", qwen2},
                                     {"whisper", whisper},
                                     {"clip", clip},
                                     {"open_clip", open_clip},
                                     {"llama2", llama2},
                                     {"first", first},
                                     {"gemma", gemma},
                                     {"mixture", mixture},
                                     {"subword", subword},
                                     {"bert", bert},
                                     {"t5", t5},
                                     {"xlmr", xlmr},
                                     {"unibytes", unibytes},
                                     {"siglip", siglip},
                                     {"albert", albert},
                                     {"o200k", o200k},
                                     {"tekken", tekken},
                                     {"qwen35", qwen35},
                                     {"kimi", kimi},
                                     {"deepseek", deepseek},
                                     {"deepseek_coder", deepseek_coder},
                                     {"bloom", bloom},
                                     {"odd", odd},
                                     {"spm", spm},
                                     {"spm_bytes", spm_bytes},
                                     {"numbers", numbers},
                                     {"windows", windows},
                                     {"many", many},
                                     {"refuses", refuses},
                                     {"memory", refused_memory},
                                     {0}});
}
