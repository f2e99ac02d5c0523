/* SPDX-License-Identifier: Apache-2.0 */
/* A SentencePiece .model (spiece.model, sentencepiece.bpe.model, tokenizer.model) through libsentencepiece, with tokenizer_config.json beside it: T5 and
 * SigLIP end with </s>, Llama begins with <s>. SigLIP's texts are made canonical first: lower case, no ASCII punctuation, single spaces.
 * T5's <extra_id_N> follow the pieces, the last first. */
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "text/charsmap.h"
#include "text/pipeline.h"
#include "text/sentencepiece_shim.h"
#include "text/wire.h"

static const char *const names[] = {"spiece.model", "sentencepiece.bpe.model", "tokenizer.model", "sentencepiece.model"};

static int probe(const char *path) {
    char file[LBI_PATH_SIZE];
    if (!lb_is_folder(path)) return lb_ends_with(path, ".model") ? 60 : 0;
    if (lbi_in_folder(file, path, "tokenizer.json")) return 0;
    for (size_t i = 0; i < LB_COUNT(names); i++)
        if (lbi_in_folder(file, path, names[i])) return 60;
    return 0;
}

#ifdef LB_SENTENCEPIECE

static void close_model(lbi_pipeline *p) { lbi_sentencepiece_close(p->model); }

/* Pieces come with the bytes they stand for, which cover the text; several may share theirs (bytes of one character). */
typedef struct giving {
    lbi_parts *parts;
    size_t at;
} giving;

static void give(void *ctx, int id, size_t begin, size_t end) {
    giving *g = ctx;
    (void)begin;
    lbi_parts_add(g->parts, (uint32_t)id, end > g->at ? end - g->at : 0);
    g->at = end > g->at ? end : g->at;
}

static void word(const lbi_pipeline *p, lbi_work *w, const uint8_t *text, size_t size) {
    giving g = {&w->parts, 0};
    if (!lbi_sentencepiece_encode(p->model, (const char *)text, size, give, &g)) w->parts.failed = true;
}

static const lbi_model model = {.type = "SentencePiece", .word = word, .close = close_model};

static lb_status read_pieces(lbi_pipeline *p) {
    int n = lbi_sentencepiece_count(p->model);
    if (n <= 0) return lb_fail(LB_E_FORMAT, "the model has no pieces");
    for (int i = 0; i < n; i++) {
        size_t size = 0;
        const char *text = lbi_sentencepiece_piece(p->model, i, &size);
        lb_status st = lbi_vocab_add(&p->vocab, text, size, i);
        if (st != LB_OK) return st;
    }
    return lbi_vocab_finish(&p->vocab);
}

static lb_status open_model(lbi_pipeline *p, const lb_buf *bytes) {
    char why[256] = "";
    lb_status st = lbi_wire_check_sentencepiece((const uint8_t *)lb_buf_str(bytes), bytes->size);
    if (st != LB_OK) return st;
    p->model = lbi_sentencepiece_open(lb_buf_str(bytes), bytes->size, why, sizeof why);
    if (!p->model) return lb_fail(LB_E_FORMAT, "libsentencepiece: %s", why);
    return read_pieces(p);
}

static void add_special(lb_value *list, const char *text) {
    lb_value *v = lb_value_map();
    lb_map_text(v, "content", text);
    lb_map_bool(v, "special", true);
    lb_list_put(list, v);
}

/* The pieces of no text, and T5's sentinels. */
static void add_specials(const lbi_pipeline *p, const lb_value *config, const char *class, lb_value *json) {
    lb_value *list = lb_value_list();
    size_t size = 0;
    for (int i = 0; i < p->vocab.count; i++)
        if (lbi_sentencepiece_is_control(p->model, i)) add_special(list, lbi_vocab_text(&p->vocab, i, &size));
    int64_t extra = strncmp(class, "T5", 2) == 0 ? lb_get_int(config, "extra_ids", 100) : 0;
    for (int64_t i = extra < 1000 ? extra : 0; i > 0; i--) {
        char text[32];
        snprintf(text, sizeof text, "<extra_id_%lld>", (long long)i - 1);
        add_special(list, text);
    }
    lb_map_put(json, "added_tokens", list);
}

static lb_status around(lbi_pipeline *p, bool front, const char *text) {
    int64_t id = lbi_vocab_find(&p->vocab, text, strlen(text));
    if (id < 0) return lb_fail(LB_E_FORMAT, "the model has no piece '%s'", text);
    if (front) p->prefix[p->prefix_count++] = id;
    else p->suffix[p->suffix_count++] = id;
    return LB_OK;
}

static lb_status by_class(lb_tokenizer *t, lbi_pipeline *p, const lb_value *config) {
    const char *class = lb_get_text(config, "tokenizer_class", "");
    bool llama = strncmp(class, "Llama", 5) == 0, t5 = strncmp(class, "T5", 2) == 0, siglip = strncmp(class, "Siglip", 6) == 0;
    if (strncmp(class, "XLMRoberta", 10) == 0 || strncmp(class, "Camembert", 9) == 0 || strncmp(class, "MBart", 5) == 0)
        return lb_fail(LB_E_UNSUPPORTED, "%s numbers its pieces otherwise than the model: tokenizer.json is needed", class);
    static const char base[] = "{\"decoder\": {\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Replace\", \"pattern\": {\"String\": \"\xe2\x96\x81\"}, "
                               "\"content\": \" \"}, {\"type\": \"ByteFallback\"}, "
                               "{\"type\": \"Fuse\"}, {\"type\": \"Strip\", \"content\": \" \", \"start\": 1, \"stop\": 0}]}, \"normalizer\": ";
    static const char canonical[] = "{\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Lowercase\"}, {\"type\": \"Replace\", \"pattern\": {\"Regex\": "
                                    "\"[!-/:-@\\\\[-`{-~]\"}, \"content\": \"\"}, "
                                    "{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"\\\\s+\"}, \"content\": \" \"}, {\"type\": \"Strip\"}]}}";
    lb_buf text = {0};
    lb_value *json = NULL;
    lb_status st = LB_OK;
    lb_buf_text(&text, base);
    lb_buf_text(&text, siglip ? canonical : "null}");
    LB_TRY(lb_buf_status(&text));
    LB_TRY(lb_json_parse(&json, lb_buf_str(&text), text.size, "sentencepiece"));
    if (*class) add_specials(p, config, class, json); /* a bare model takes them as text, as the library does */
    LB_TRY(lbi_pipeline_read_rest(t, p, json));
    if (lb_get_bool(config, "add_bos_token", llama)) LB_TRY(around(p, true, "<s>"));
    if (lb_get_bool(config, "add_eos_token", t5 || siglip)) LB_TRY(around(p, false, "</s>"));
    lbi_tell_specials(t, p);
    if (siglip) {
        t->pad_to = t->max_tokens = 64;
        t->pad_id = p->suffix[0];
    }
done:
    lb_buf_free(&text);
    lb_value_free(json);
    return st;
}

static lb_status open(lb_tokenizer *t, const char *path) {
    lbi_pipeline *p = NULL;
    lbi_files f;
    char place[LBI_PATH_SIZE];
    size_t name = 0;
    while (lb_is_folder(path) && name + 1 < LB_COUNT(names) && !lbi_in_folder(place, path, names[name])) name++;
    lb_status st = lbi_files_open(&f, path, names[name], true);
    LB_TRY(st);
    LB_TRY(lbi_pipeline_new(&p, t, &model));
    LB_TRY(open_model(p, &f.text));
    LB_TRY(by_class(t, p, f.config));
    LB_TRY(lbi_read_limit(t, f.folder, f.config));
    lb_sha256_hex(&f.sum, t->sha256);
done:
    lbi_files_close(&f);
    return st;
}

#else

static lb_status open(lb_tokenizer *t, const char *path) {
    (void)t;
    return lb_fail(LB_E_UNSUPPORTED, "%s: this build has no SentencePiece (libsentencepiece-dev was not there); a tokenizer.json is read without it", path);
}

#endif

LB_TOKENIZER(sentencepiece) = {.id = "sentencepiece",
                               .title = "SentencePiece models through libsentencepiece (T5, SigLIP, Llama 2)",
                               .source = "Kudo and Richardson 2018, arXiv:1808.06226; SentencePiece 0.1.97",
                               .probe = probe,
                               .open = open,
                               .close = lbi_pipeline_close,
                               .encode = lbi_pipeline_encode,
                               .token = lbi_pipeline_token,
                               .find = lbi_pipeline_find,
                               .decode = lbi_pipeline_decode};
