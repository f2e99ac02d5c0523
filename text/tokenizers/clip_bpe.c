/* SPDX-License-Identifier: Apache-2.0 */
/* CLIP's byte pair encoding: NFC, runs of spaces to one, lower case, words by CLIP's pattern, "</w>" behind the last byte of a word, between
 * <|startoftext|> and <|endoftext|>; 77 tokens. Read from a folder of vocab.json and merges.txt of CLIPTokenizer, from a tokenizer.json, or from
 * open_clip's bpe_simple_vocab_16e6.txt, also with .gz. Mending of broken text (ftfy) and of HTML is not done, as in Hugging Face's tokenizers. */
#include <libdeflate.h>
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "text/bpe.h"
#include "text/byte_alphabet.h"
#include "text/unicode.h"

enum { LENGTH = 77, SIMPLE_MERGES = 49152 - 256 - 2, GZIP_MOST = 1032 /* deflate packs no better */ };

static const lbi_model model = {.type = "BPE", .read = lbi_bpe_read, .word = lbi_bpe_word, .close = lbi_bpe_close};

static lb_status describe(const lbi_pipeline *p, const lb_value *config, const lb_value *more, lb_value **json) {
    int64_t begin = 0, end = 0;
    lb_status st = lbi_bpe_number(p, more, lb_get_text(config, "bos_token", lb_get_text(config, "bos_token.content", "<|startoftext|>")), &begin);
    if (st == LB_OK) st = lbi_bpe_number(p, more, lb_get_text(config, "eos_token", lb_get_text(config, "eos_token.content", "<|endoftext|>")), &end);
    if (st != LB_OK) return st;
    lb_buf out = {0};
    lb_buf_format(&out,
                  "{\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFC\"}, {\"type\": \"Replace\", \"pattern\": {\"Regex\": "
                  "\"\\\\s+\"}, \"content\": \" \"}, {\"type\": \"Lowercase\"}]}, "
                  "\"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Split\", \"pattern\": {\"Regex\": "
                  "\"'s|'t|'re|'ve|'m|'ll|'d|[\\\\p{L}]+|[\\\\p{N}]|[^\\\\s\\\\p{L}\\\\p{N}]+\"}, "
                  "\"behavior\": \"Removed\", \"invert\": true}, {\"type\": \"ByteLevel\", \"add_prefix_space\": false}]}, \"decoder\": {\"type\": "
                  "\"Sequence\", \"decoders\": ["
                  "{\"type\": \"ByteLevel\"}, {\"type\": \"Replace\", \"pattern\": {\"String\": \"</w>\"}, \"content\": \" \"}, {\"type\": \"Strip\", "
                  "\"content\": \" \", \"start\": 0, \"stop\": 1}]}, "
                  "\"post_processor\": {\"type\": \"RobertaProcessing\", \"cls\": [\"\", %lld], \"sep\": [\"\", %lld], \"trim_offsets\": false}}",
                  (long long)begin, (long long)end);
    st = lb_buf_status(&out);
    if (st == LB_OK) st = lb_json_parse(json, lb_buf_str(&out), out.size, "clip_bpe");
    lb_buf_free(&out);
    return st;
}

/* ---- bpe_simple_vocab_16e6.txt ---- */

static lb_status unpack(lb_buf *text) {
    const uint8_t *p = (const uint8_t *)lb_buf_str(text);
    if (text->size < 18 || p[0] != 0x1F || p[1] != 0x8B) return LB_OK;
    const uint8_t *tail = p + text->size - 4; /* RFC 1952: the size is said at the end */
    size_t size = (size_t)tail[0] | (size_t)tail[1] << 8 | (size_t)tail[2] << 16 | (size_t)tail[3] << 24, got = 0;
    if (size > GZIP_MOST * text->size) return lb_fail(LB_E_FORMAT, "gzip: says that it holds %zu bytes in %zu", size, text->size);
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    char *plain = lb_alloc(size + 1, 1);
    lb_status st = d && plain ? LB_OK : LB_E_NOMEM;
    if (st == LB_OK && (libdeflate_gzip_decompress(d, p, text->size, plain, size, &got) != LIBDEFLATE_SUCCESS || got != size)) st = lb_fail(LB_E_FORMAT, "gzip: the data is damaged");
    if (d) libdeflate_free_decompressor(d);
    if (st == LB_OK) {
        lb_buf_clear(text);
        lb_buf_add(text, plain, size);
        st = lb_buf_status(text);
    }
    lb_free(plain);
    return st;
}

/* The letters of all bytes in their order, again with </w>, then what each merge makes, then the two marks. */
static lb_status add_letters(lbi_pipeline *p) {
    for (int end = 0; end < 2; end++)
        for (int other = 0; other < 2; other++) /* the bytes that are their own letter come first */
            for (int i = 0; i < 256; i++) {
                char text[16];
                uint32_t c = lbi_alphabet_of_byte((uint8_t)i);
                if ((c >= 0x100) != other) continue;
                int n = lbi_utf8_write((uint8_t *)text, c);
                if (end) memcpy(text + n, "</w>", 4), n += 4;
                lb_status st = lbi_vocab_add(&p->vocab, text, (size_t)n, p->vocab.count);
                if (st != LB_OK) return st;
            }
    return LB_OK;
}

static lb_status add_merged(lbi_pipeline *p, const char *text, size_t size) {
    lb_buf both = {0};
    lb_status st = LB_OK;
    int64_t line = 0;
    for (size_t at = 0; at < size && line < SIMPLE_MERGES && st == LB_OK; line++) {
        const char *from = text + at, *end = memchr(from, '\n', size - at);
        size_t n = end ? (size_t)(end - from) : size - at;
        at += n + 1;
        lb_buf_clear(&both);
        for (size_t i = 0; i < n; i++)
            if (from[i] != ' ' && from[i] != '\r') lb_buf_add(&both, from + i, 1);
        st = lb_buf_status(&both);
        if (st == LB_OK) st = lbi_vocab_add(&p->vocab, lb_buf_str(&both), both.size, p->vocab.count);
    }
    lb_buf_free(&both);
    if (st == LB_OK) st = lbi_vocab_add(&p->vocab, "<|startoftext|>", 15, p->vocab.count);
    if (st == LB_OK) st = lbi_vocab_add(&p->vocab, "<|endoftext|>", 13, p->vocab.count);
    return st == LB_OK ? lbi_vocab_finish(&p->vocab) : st;
}

static lb_status open_simple(lb_tokenizer *t, const char *file) {
    lbi_pipeline *p = NULL;
    lb_value *json = NULL;
    lb_buf text = {0};
    lb_status st = LB_OK;
    LB_TRY(lbi_pipeline_new(&p, t, &model));
    LB_TRY(lb_file_read(&text, file, 0));
    lb_sha256_of(text.data, text.size, t->sha256);
    LB_TRY(unpack(&text));
    const char *first = memchr(lb_buf_str(&text), '\n', text.size); /* "bpe_simple_vocab_16e6.txt#version: 0.2" */
    if (!first) {
        st = lb_fail(LB_E_FORMAT, "expected a line of title and merges after it");
        goto done;
    }
    size_t left = text.size - (size_t)(++first - text.data);
    LB_TRY(add_letters(p));
    LB_TRY(add_merged(p, first, left));
    p->splits.bytes = true;
    LB_TRY(lbi_bpe_begin(p, &(lbi_bpe_spec){.suffix = "</w>"}, SIMPLE_MERGES));
    LB_TRY(lbi_bpe_merge_lines(p, first, left, SIMPLE_MERGES));
    LB_TRY(describe(p, NULL, NULL, &json));
    p->splits = (lbi_splits){0};
    lb_map_text(json, "bos_token", "<|startoftext|>");
    lb_map_text(json, "eos_token", "<|endoftext|>");
    lbi_list_added(json, json, NULL);
    LB_TRY(lbi_pipeline_read_rest(t, p, json));
    t->max_tokens = t->pad_to = LENGTH;
    t->pad_id = 0; /* open_clip's */
done:
    lb_value_free(json);
    lb_buf_free(&text);
    return st;
}

/* ---- any ---- */

static bool simple(const char *path) { return lb_ends_with(path, "bpe_simple_vocab_16e6.txt") || lb_ends_with(path, "bpe_simple_vocab_16e6.txt.gz"); }

static int probe(const char *path) {
    char file[LBI_PATH_SIZE];
    if (!lb_is_folder(path)) return simple(path) ? 90 : lbi_probe_json(path, "\"</w>\"") + (lbi_probe_json(path, "\"</w>\"") ? 5 : 0);
    if (lbi_in_folder(file, path, "tokenizer.json")) return lbi_probe_json(path, "\"</w>\"") ? 85 : 0;
    if (lbi_in_folder(file, path, "bpe_simple_vocab_16e6.txt.gz") || lbi_in_folder(file, path, "bpe_simple_vocab_16e6.txt")) return 70;
    if (!lbi_in_folder(file, path, "merges.txt") || !lbi_in_folder(file, path, "vocab.json")) return 0;
    lb_mmap m = {0};
    bool words = lb_mmap_open(&m, file) == LB_OK && m.size && memmem(m.data, m.size, "</w>\"", 5);
    lb_mmap_close(&m);
    lb_error_clear();
    return words ? 65 : 0;
}

static lb_status open(lb_tokenizer *t, const char *path) {
    char file[LBI_PATH_SIZE];
    if (!lb_is_folder(path) && simple(path)) return open_simple(t, path);
    lb_status st = LB_OK;
    if (!lb_is_folder(path) || lbi_in_folder(file, path, "tokenizer.json")) st = lbi_open_json(t, path, &model);
    else if (lbi_in_folder(file, path, "vocab.json")) st = lbi_bpe_open_files(t, path, &model, &(lbi_bpe_spec){.suffix = "</w>", .unk = "<|endoftext|>"}, describe);
    else return open_simple(t, lbi_in_folder(file, path, "bpe_simple_vocab_16e6.txt.gz") || lbi_in_folder(file, path, "bpe_simple_vocab_16e6.txt") ? file : path);
    if (st == LB_OK && t->max_tokens == 0) t->max_tokens = LENGTH;
    if (st == LB_OK && t->max_tokens == LENGTH) t->pad_to = LENGTH;
    return st;
}

LB_TOKENIZER(clip_bpe) = {.id = "clip_bpe",
                          .title = "CLIP's byte pair encoding of words (OpenAI, open_clip)",
                          .source = "Radford et al. 2021, arXiv:2103.00020; behaviour of Hugging Face tokenizers 0.23.3",
                          .probe = probe,
                          .open = open,
                          .close = lbi_pipeline_close,
                          .encode = lbi_pipeline_encode,
                          .token = lbi_pipeline_token,
                          .find = lbi_pipeline_find,
                          .decode = lbi_pipeline_decode};
