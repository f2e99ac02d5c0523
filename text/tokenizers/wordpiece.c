/* SPDX-License-Identifier: Apache-2.0 */
/* BERT's WordPiece: the longest known piece from the left, the following ones with "##" before them; a word with an unknown piece or of more than
 * 100 characters is [UNK]. Read from tokenizer.json, or from vocab.txt with tokenizer_config.json beside it. */
#include <string.h>
#include "base/file.h"
#include "text/pipeline.h"

enum { LONGEST = 1024 }; /* bytes of a token: every shorter beginning of a word is looked up */

typedef struct wordpiece {
    char *prefix; /* before pieces inside a word */
    size_t prefix_size, longest; /* longest: bytes of the longest token */
    int64_t unk, max_characters;
} wordpiece;

/* ---- reading ---- */

/* p->vocab is finished. */
static lb_status make(lbi_pipeline *p, const char *prefix, const char *unk, int64_t max_characters) {
    wordpiece *w = p->model = lb_calloc(1, sizeof *w);
    if (!w || !(w->prefix = lb_strdup(prefix))) return LB_E_NOMEM;
    w->prefix_size = strlen(prefix);
    w->max_characters = max_characters;
    w->unk = lbi_vocab_find(&p->vocab, unk, strlen(unk));
    for (int64_t i = 0; i < p->vocab.count; i++)
        if (p->vocab.words[i].size > w->longest) w->longest = p->vocab.words[i].size;
    if (w->longest > LONGEST || w->prefix_size > LONGEST) return lb_fail(LB_E_LIMIT, "a token of %zu bytes and a prefix of %zu, at most %d expected", w->longest, w->prefix_size, LONGEST);
    return w->unk < 0 ? lb_fail(LB_E_FORMAT, "the unknown token '%s' is not in the vocabulary", unk) : LB_OK;
}

static lb_status read(lbi_pipeline *p, const lb_value *model, const lb_json_part parts[LBI_MODEL_PARTS]) {
    lb_status st = lbi_vocab_read_map(&p->vocab, &parts[LBI_MODEL_VOCAB], "model.vocab");
    if (st != LB_OK) return st;
    return make(p, lb_get_text(model, "continuing_subword_prefix", "##"), lb_get_text(model, "unk_token", "[UNK]"), lb_get_int(model, "max_input_chars_per_word", 100));
}

static void close_model(lbi_pipeline *p) {
    wordpiece *w = p->model;
    if (!w) return;
    lb_free(w->prefix);
    lb_free(w);
}

/* One token a line, its number is the line's. */
static lb_status read_lines(lbi_pipeline *p, const lb_buf *text) {
    for (size_t at = 0; at < text->size;) {
        const char *line = text->data + at, *end = memchr(line, '\n', text->size - at);
        size_t n = end ? (size_t)(end - line) : text->size - at;
        at += n + 1;
        if (n && line[n - 1] == '\r') n--;
        lb_status st = lbi_vocab_add(&p->vocab, line, n, p->vocab.count);
        if (st != LB_OK) return st;
    }
    if (p->vocab.count == 0) return lb_fail(LB_E_FORMAT, "vocab.txt has no tokens");
    return lbi_vocab_finish(&p->vocab);
}

static lb_status special(const lbi_pipeline *p, lb_value *special_tokens, lb_value *single, const char *text) {
    int64_t id = lbi_vocab_find(&p->vocab, text, strlen(text));
    if (id < 0) return lb_fail(LB_E_FORMAT, "token '%s' is not in vocab.txt", text);
    lb_value *entry = lb_value_map(), *ids = lb_value_list(), *piece = lb_value_map(), *name = lb_value_map();
    lb_list_int(ids, id);
    lb_map_put(entry, "ids", ids);
    lb_map_put(special_tokens, text, entry);
    lb_map_text(name, "id", text);
    lb_map_put(piece, "SpecialToken", name);
    lb_list_put(single, piece);
    return LB_OK;
}

/* What a tokenizer.json of BertTokenizer would say. Its five special tokens are looked for where the vocabulary has them. */
static lb_status bert_rest(const lbi_pipeline *p, lb_value *json, const lb_value *config) {
    static const char *const names[5][2] = {{"pad_token", "[PAD]"}, {"unk_token", "[UNK]"}, {"cls_token", "[CLS]"}, {"sep_token", "[SEP]"}, {"mask_token", "[MASK]"}};
    lb_value *added = lb_value_list(), *norm = lb_value_map(), *split = lb_value_map(), *post = lb_value_map(), *single = lb_value_list(), *specials = lb_value_map(), *decoder = lb_value_map();
    for (int i = 0; i < 5; i++) {
        const char *text = lb_get_text(config, names[i][0], names[i][1]);
        if (lbi_vocab_find(&p->vocab, text, strlen(text)) < 0) continue;
        lb_value *v = lb_value_map();
        lb_map_text(v, "content", text);
        lb_map_bool(v, "special", true);
        lb_list_put(added, v);
    }
    bool low = lb_get_bool(config, "do_lower_case", true);
    lb_map_text(norm, "type", "BertNormalizer");
    lb_map_bool(norm, "handle_chinese_chars", lb_get_bool(config, "tokenize_chinese_chars", true));
    lb_map_bool(norm, "lowercase", low);
    lb_map_bool(norm, "strip_accents", lb_get_bool(config, "strip_accents", low));
    lb_map_text(split, "type", "BertPreTokenizer");
    lb_map_text(post, "type", "TemplateProcessing");
    lb_status st = special(p, specials, single, lb_get_text(config, names[2][0], names[2][1]));
    lb_list_put(single, lb_value_map()); /* the text */
    if (st == LB_OK) st = special(p, specials, single, lb_get_text(config, names[3][0], names[3][1]));
    lb_map_put(post, "single", single);
    lb_map_put(post, "special_tokens", specials);
    lb_map_text(decoder, "type", "WordPiece");
    lb_map_put(json, "added_tokens", added);
    lb_map_put(json, "normalizer", norm);
    lb_map_put(json, "pre_tokenizer", split);
    lb_map_put(json, "post_processor", post);
    lb_map_put(json, "decoder", decoder);
    return st == LB_OK && (!json || json->failed) ? LB_E_NOMEM : st;
}

static void word(const lbi_pipeline *p, lbi_work *w, const uint8_t *text, size_t n);
static const lbi_model model = {.type = "WordPiece", .read = read, .word = word, .close = close_model};

static lb_status open_vocab(lb_tokenizer *t, const char *path) {
    lbi_pipeline *p = NULL;
    lbi_files f;
    lb_value *json = lb_value_map();
    lb_status st = lbi_files_open(&f, path, "vocab.txt", true);
    LB_TRY(st);
    LB_TRY(lbi_pipeline_new(&p, t, &model));
    LB_TRY(read_lines(p, &f.text));
    LB_TRY(make(p, "##", lb_get_text(f.config, "unk_token", "[UNK]"), 100));
    LB_TRY(bert_rest(p, json, f.config));
    LB_TRY(lbi_pipeline_read_rest(t, p, json));
    LB_TRY(lbi_read_limit(t, f.folder, f.config));
    int64_t pad = lbi_pipeline_find(t, lb_get_text(f.config, "pad_token", "[PAD]"));
    t->pad_id = pad < 0 ? 0 : pad;
    lb_sha256_hex(&f.sum, t->sha256);
done:
    lb_value_free(json);
    lbi_files_close(&f);
    return st;
}

static int probe(const char *path) {
    char file[LBI_PATH_SIZE];
    if (lb_is_folder(path) ? lbi_in_folder(file, path, "tokenizer.json") : !lb_ends_with(path, ".txt")) return lbi_probe_json(path, "\"WordPiece\"");
    return !lb_is_folder(path) || lbi_in_folder(file, path, "vocab.txt") ? 50 : 0;
}

static lb_status open(lb_tokenizer *t, const char *path) {
    char file[LBI_PATH_SIZE];
    bool json = lb_is_folder(path) ? lbi_in_folder(file, path, "tokenizer.json") : lb_ends_with(path, ".json");
    return json ? lbi_open_json(t, path, &model) : open_vocab(t, path);
}

/* ---- words ---- */

static int64_t count_characters(const uint8_t *p, size_t n) {
    int64_t count = 0;
    for (size_t i = 0; i < n; i++) count += (p[i] & 0xC0) != 0x80;
    return count;
}

/* The longest piece that text[0..n) begins with; text goes on after `before` bytes of a prefix that belongs to it. @return its number, -1 = none; *size: its
 * bytes of the text */
static int64_t longest(const lbi_pipeline *p, const wordpiece *w, const char *text, size_t n, size_t before, size_t *size) {
    size_t most = w->longest > before ? w->longest - before : 0;
    for (size_t k = n < most ? n : most; k > 0; k--) {
        if (k < n && ((uint8_t)text[before + k] & 0xC0) == 0x80) continue; /* inside a character */
        int64_t id = lbi_vocab_find(&p->vocab, text, before + k);
        if (id < 0) continue;
        *size = k;
        return id;
    }
    return -1;
}

static void word(const lbi_pipeline *p, lbi_work *work, const uint8_t *text, size_t n) {
    const wordpiece *w = p->model;
    bool known = (int64_t)n <= w->max_characters || count_characters(text, n) <= w->max_characters;
    int64_t before = work->parts.count;
    size_t size = 0, k = w->prefix_size;
    char *inner = NULL; /* the prefix with what is left behind it */
    for (size_t at = 0; known && at < n; at += size) {
        if (at && !inner && !(inner = lbi_work_scratch(work, k + w->longest + 1))) {
            work->parts.failed = true;
            return;
        }
        size_t left = n - at, some = left < w->longest + 1 ? left : w->longest + 1;
        if (at) {
            memcpy(inner, w->prefix, k);
            memcpy(inner + k, text + at, some);
        }
        int64_t id = at ? longest(p, w, inner, left, k, &size) : longest(p, w, (const char *)text, n, 0, &size);
        if (id < 0) known = false;
        else lbi_parts_add(&work->parts, (uint32_t)id, size);
    }
    if (known) return;
    work->parts.count = before;
    lbi_parts_add(&work->parts, (uint32_t)w->unk, n);
}

LB_TOKENIZER(wordpiece) = {.id = "wordpiece",
                           .title = "BERT WordPiece",
                           .source = "Devlin et al. 2019, arXiv:1810.04805; behaviour of Hugging Face tokenizers 0.23.3",
                           .probe = probe,
                           .open = open,
                           .close = lbi_pipeline_close,
                           .encode = lbi_pipeline_encode,
                           .token = lbi_pipeline_token,
                           .find = lbi_pipeline_find,
                           .decode = lbi_pipeline_decode};
