/* SPDX-License-Identifier: Apache-2.0 */
/* BERT's WordPiece: added tokens apart, BertNormalizer, words, then the longest known piece from the left, the following ones with "##"
 * before them; a word with an unknown piece or of more than 100 characters is [UNK]. Read from tokenizer.json, or from vocab.txt with
 * tokenizer_config.json beside it. */
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "base/hash.h"
#include "text/added.h"
#include "text/bert.h"
#include "text/tokenizer.h"

enum { ID_MAX = 1 << 24, AFFIX_MAX = 8, PATH_SIZE = 4096 };

typedef struct wordpiece {
    lbi_trie start, inside;  /* first piece; pieces after it (without "##") */
    const char **tokens;     /* by id; "" = unused */
    char **copies;           /* tokens as C strings */
    lbi_added *added;
    int64_t added_count;
    lbi_added_set raw, normalized;
    char **normal_texts;     /* of the tokens that are looked for after normalisation */
    lbi_bert how;
    bool normalise, split;
    int64_t unk, max_characters;
    int64_t prefix[AFFIX_MAX], suffix[AFFIX_MAX];
    int prefix_count, suffix_count;
} wordpiece;

/* ---- reading ---- */

/* What either kind of file gives: words in order, with ids. */
typedef struct vocabulary {
    lbi_trie_word *at;
    int64_t count, top; /* top: highest id + 1 */
} vocabulary;

static lb_status make_tokens(wordpiece *w, const vocabulary *v, int64_t top) {
    w->tokens = lb_calloc((size_t)top, sizeof *w->tokens);
    w->copies = lb_calloc((size_t)top, sizeof *w->copies);
    if (!w->tokens || !w->copies) return LB_E_NOMEM;
    for (int64_t i = 0; i < v->count; i++) {
        int64_t id = v->at[i].id;
        lb_free(w->copies[id]);
        w->copies[id] = lb_strndup(v->at[i].text, v->at[i].size);
        if (!w->copies[id]) return LB_E_NOMEM;
        w->tokens[id] = w->copies[id];
    }
    for (int64_t i = 0; i < w->added_count; i++) w->tokens[w->added[i].id] = w->added[i].text;
    return LB_OK;
}

static lb_status make_tries(wordpiece *w, vocabulary *v, const char *prefix) {
    size_t n = strlen(prefix);
    lbi_trie_word *inside = lb_alloc((size_t)v->count, sizeof *inside);
    if (!inside) return LB_E_NOMEM;
    int64_t count = 0;
    for (int64_t i = 0; i < v->count; i++) {
        lbi_trie_word x = v->at[i];
        if (x.size < n || memcmp(x.text, prefix, n) != 0) continue;
        inside[count++] = (lbi_trie_word){x.text + n, x.size - n, x.id};
    }
    lb_status st = lbi_trie_build(&w->inside, inside, count);
    lb_free(inside);
    return st == LB_OK ? lbi_trie_build(&w->start, v->at, v->count) : st;
}

static int64_t find_word(const wordpiece *w, const char *text, size_t size) {
    size_t n = 0;
    int64_t id = lbi_trie_longest(&w->start, (const uint8_t *)text, size, &n);
    return n == size ? id : -1;
}

/* Two tries: tokens looked for in the text as it is, and tokens looked for in the normalised text (themselves normalised). */
static lb_status make_added(wordpiece *w) {
    lbi_trie_word *raw = lb_alloc((size_t)w->added_count, sizeof *raw), *normal = lb_alloc((size_t)w->added_count, sizeof *normal);
    w->normal_texts = lb_calloc((size_t)w->added_count, sizeof *w->normal_texts);
    lb_status st = raw && normal && w->normal_texts ? LB_OK : LB_E_NOMEM;
    int64_t raws = 0, normals = 0;
    for (int64_t i = 0; st == LB_OK && i < w->added_count; i++) {
        const lbi_added *a = &w->added[i];
        if (!a->normalized) {
            raw[raws++] = (lbi_trie_word){a->text, a->size, i};
            continue;
        }
        lb_buf b = {0};
        if (w->normalise) lbi_bert_normalise(&b, (const uint8_t *)a->text, a->size, &w->how);
        else lb_buf_add(&b, a->text, a->size);
        st = lb_buf_status(&b);
        size_t n = b.size;
        w->normal_texts[i] = lb_buf_take(&b);
        if (n) normal[normals++] = (lbi_trie_word){w->normal_texts[i], n, i};
    }
    if (st == LB_OK) st = lbi_trie_build(&w->raw.trie, raw, raws);
    if (st == LB_OK) st = lbi_trie_build(&w->normalized.trie, normal, normals);
    w->raw.list = w->normalized.list = w->added;
    lb_free(raw);
    lb_free(normal);
    return st;
}

static lb_status check_id(const char *token, int64_t id) {
    if (id >= 0 && id < ID_MAX) return LB_OK;
    return lb_fail(LB_E_FORMAT, "token '%s' has number %lld, expected 0 to %d", token, (long long)id, ID_MAX - 1);
}

static lb_status read_vocab_map(vocabulary *v, const lb_value *map) {
    if (!map || map->kind != LB_V_MAP || map->count == 0) return lb_fail(LB_E_FORMAT, "model.vocab must be a map of tokens");
    v->at = lb_alloc((size_t)map->count, sizeof *v->at);
    if (!v->at) return LB_E_NOMEM;
    for (int64_t i = 0; i < map->count; i++) {
        const lb_value *id = map->items[i];
        if (id->kind != LB_V_INT) return lb_fail(LB_E_FORMAT, "model.vocab: number of token '%s' must be whole", map->keys[i]);
        lb_status st = check_id(map->keys[i], id->integer);
        if (st != LB_OK) return st;
        v->at[v->count++] = (lbi_trie_word){map->keys[i], strlen(map->keys[i]), id->integer};
        if (id->integer >= v->top) v->top = id->integer + 1;
    }
    return LB_OK;
}

/* An added token that the vocabulary has keeps its number there; others get the numbers after the vocabulary in order, as tokenizers does
 * whatever the file says. */
static lb_status read_added(wordpiece *w, vocabulary *v, const lb_value *list) {
    int64_t n = list && list->kind == LB_V_LIST ? list->count : 0, next = v->count;
    w->added = lb_calloc((size_t)n, sizeof *w->added);
    if (!w->added) return LB_E_NOMEM;
    for (int64_t i = 0; i < n; i++) {
        const lb_value *x = list->items[i], *content = lb_get(x, "content");
        if (!content || content->kind != LB_V_TEXT) return lb_fail(LB_E_FORMAT, "added token %lld has no content", (long long)i);
        if (content->text_size == 0) continue;
        int64_t id = find_word(w, content->text, content->text_size);
        if (id < 0) id = next++;
        lb_status st = check_id(content->text, id);
        if (st != LB_OK) return st;
        lbi_added *a = &w->added[w->added_count];
        *a = (lbi_added){.size = content->text_size, .id = id, .single_word = lb_get_bool(x, "single_word", false), .lstrip = lb_get_bool(x, "lstrip", false),
                         .rstrip = lb_get_bool(x, "rstrip", false), .normalized = lb_get_bool(x, "normalized", !lb_get_bool(x, "special", false))};
        a->text = lb_strndup(content->text, content->text_size);
        if (!a->text) return LB_E_NOMEM;
        w->added_count++;
        if (id >= v->top) v->top = id + 1;
    }
    return LB_OK;
}

static lb_status read_normaliser(wordpiece *w, const lb_value *n) {
    if (!n || n->kind == LB_V_NULL) return LB_OK;
    const char *type = lb_get_text(n, "type", "?");
    if (strcmp(type, "BertNormalizer") != 0) return lb_fail(LB_E_UNSUPPORTED, "normalizer %s is not handled, BertNormalizer is", type);
    w->normalise = true;
    w->how.clean = lb_get_bool(n, "clean_text", true);
    w->how.chinese = lb_get_bool(n, "handle_chinese_chars", true);
    w->how.lower = lb_get_bool(n, "lowercase", true);
    w->how.strip = lb_get_bool(n, "strip_accents", w->how.lower); /* null: as lowercase */
    return LB_OK;
}

static lb_status read_splitter(wordpiece *w, const lb_value *p) {
    if (!p || p->kind == LB_V_NULL) return LB_OK;
    const char *type = lb_get_text(p, "type", "?");
    if (strcmp(type, "BertPreTokenizer") != 0) return lb_fail(LB_E_UNSUPPORTED, "pre_tokenizer %s is not handled, BertPreTokenizer is", type);
    w->split = true;
    return LB_OK;
}

static lb_status affix(wordpiece *w, bool front, int64_t id) {
    int *count = front ? &w->prefix_count : &w->suffix_count;
    if (id < 0 || id >= ID_MAX) return lb_fail(LB_E_FORMAT, "post_processor: special token of number %lld", (long long)id);
    if (*count == AFFIX_MAX) return lb_fail(LB_E_UNSUPPORTED, "more than %d special tokens on one side", AFFIX_MAX);
    (front ? w->prefix : w->suffix)[(*count)++] = id;
    return LB_OK;
}

/* TemplateProcessing: [{"SpecialToken": {"id": "[CLS]"}}, {"Sequence": {}}, ...] with ids in special_tokens. */
static lb_status read_template(wordpiece *w, const lb_value *p) {
    const lb_value *single = lb_get(p, "single"), *specials = lb_get(p, "special_tokens");
    bool front = true;
    if (!single || single->kind != LB_V_LIST) return lb_fail(LB_E_FORMAT, "post_processor.single must be a list");
    for (int64_t i = 0; i < single->count; i++) {
        const char *name = lb_get_text(single->items[i], "SpecialToken.id", NULL);
        if (!name) {
            front = false;
            continue;
        }
        const lb_value *ids = NULL;
        for (int64_t k = 0; specials && k < specials->count && specials->kind == LB_V_MAP; k++)
            if (strcmp(specials->keys[k], name) == 0) ids = lb_get(specials->items[k], "ids");
        if (!ids || ids->kind != LB_V_LIST) return lb_fail(LB_E_FORMAT, "post_processor: special token '%s' has no ids", name);
        for (int64_t k = 0; k < ids->count; k++) {
            if (ids->items[k]->kind != LB_V_INT) return lb_fail(LB_E_FORMAT, "post_processor: ids of '%s' must be whole numbers", name);
            lb_status st = affix(w, front, ids->items[k]->integer);
            if (st != LB_OK) return st;
        }
    }
    return LB_OK;
}

static lb_status read_post(wordpiece *w, const lb_value *p) {
    if (!p || p->kind == LB_V_NULL) return LB_OK;
    const char *type = lb_get_text(p, "type", "?");
    if (strcmp(type, "TemplateProcessing") == 0) return read_template(w, p);
    if (strcmp(type, "BertProcessing") != 0) return lb_fail(LB_E_UNSUPPORTED, "post_processor %s is not handled", type);
    const lb_value *cls = lb_get(p, "cls"), *sep = lb_get(p, "sep"); /* ["[CLS]", 101] */
    if (!cls || cls->count != 2 || !sep || sep->count != 2 || cls->kind != LB_V_LIST || sep->kind != LB_V_LIST || cls->items[1]->kind != LB_V_INT || sep->items[1]->kind != LB_V_INT)
        return lb_fail(LB_E_FORMAT, "post_processor: cls and sep must be a token and its number");
    lb_status st = affix(w, true, cls->items[1]->integer);
    return st == LB_OK ? affix(w, false, sep->items[1]->integer) : st;
}

/* Everything after vocabulary and added tokens are read. */
static lb_status finish(lb_tokenizer *t, wordpiece *w, const vocabulary *v, const char *unk) {
    w->unk = find_word(w, unk, strlen(unk));
    if (w->unk < 0) return lb_fail(LB_E_FORMAT, "the unknown token '%s' is not in the vocabulary", unk);
    t->vocab = v->top;
    lb_status st = make_tokens(w, v, v->top);
    return st == LB_OK ? make_added(w) : st;
}

static lb_status read_json(lb_tokenizer *t, wordpiece *w, const char *path, lb_sha256 *sum) {
    lb_buf text = {0};
    lb_value *json = NULL;
    vocabulary v = {0};
    lb_status st = LB_OK;
    LB_TRY(lb_file_read(&text, path, 0));
    lb_sha256_add(sum, text.data, text.size);
    LB_TRY(lb_json_parse(&json, lb_buf_str(&text), text.size, "tokenizer.json"));
    const lb_value *model = lb_get(json, "model");
    const char *type = lb_get_text(model, "type", "WordPiece");
    if (strcmp(type, "WordPiece") != 0) {
        st = lb_fail(LB_E_UNSUPPORTED, "tokenizer.json: model %s is not WordPiece", type);
        goto done;
    }
    LB_TRY(read_vocab_map(&v, lb_get(model, "vocab")));
    LB_TRY(make_tries(w, &v, lb_get_text(model, "continuing_subword_prefix", "##")));
    LB_TRY(read_added(w, &v, lb_get(json, "added_tokens")));
    LB_TRY(read_normaliser(w, lb_get(json, "normalizer")));
    LB_TRY(read_splitter(w, lb_get(json, "pre_tokenizer")));
    LB_TRY(read_post(w, lb_get(json, "post_processor")));
    w->max_characters = lb_get_int(model, "max_input_chars_per_word", 100);
    LB_TRY(finish(t, w, &v, lb_get_text(model, "unk_token", "[UNK]")));
    int64_t pad = find_word(w, "[PAD]", 5);
    t->pad_id = lb_get_int(json, "padding.pad_id", pad < 0 ? 0 : pad);
    t->max_tokens = lb_get_int(json, "truncation.max_length", 0);
done:
    lb_free(v.at);
    lb_value_free(json);
    lb_buf_free(&text);
    return st;
}

/* One token a line, its number is the line's. */
static lb_status read_vocab_lines(const lb_buf *text, vocabulary *v) {
    int64_t lines = 0;
    for (size_t i = 0; i < text->size; i++) lines += text->data[i] == '\n';
    v->at = lb_alloc((size_t)lines + 1, sizeof *v->at);
    if (!v->at) return LB_E_NOMEM;
    for (size_t at = 0; at < text->size;) {
        const char *p = text->data + at, *end = memchr(p, '\n', text->size - at);
        size_t n = end ? (size_t)(end - p) : text->size - at;
        at += n + 1;
        if (n && p[n - 1] == '\r') n--;
        v->at[v->count] = (lbi_trie_word){p, n, v->count};
        v->count++;
    }
    if (v->count == 0 || v->count > ID_MAX) return lb_fail(LB_E_FORMAT, "vocab.txt has %lld tokens, expected 1 to %d", (long long)v->count, ID_MAX);
    v->top = v->count;
    return LB_OK;
}

/* BertTokenizer's five, where the vocabulary has them. */
static lb_status add_specials(wordpiece *w, const lb_value *config) {
    static const char *const names[5][2] = {{"pad_token", "[PAD]"}, {"unk_token", "[UNK]"}, {"cls_token", "[CLS]"}, {"sep_token", "[SEP]"}, {"mask_token", "[MASK]"}};
    w->added = lb_calloc(5, sizeof *w->added);
    if (!w->added) return LB_E_NOMEM;
    for (int i = 0; i < 5; i++) {
        const char *text = lb_get_text(config, names[i][0], names[i][1]);
        int64_t id = find_word(w, text, strlen(text));
        if (id < 0 && (i == 2 || i == 3)) return lb_fail(LB_E_FORMAT, "token '%s' is not in vocab.txt", text);
        if (id < 0) continue;
        lbi_added *a = &w->added[w->added_count];
        *a = (lbi_added){.text = lb_strdup(text), .size = strlen(text), .id = id};
        if (!a->text) return LB_E_NOMEM;
        w->added_count++;
        if (i == 2 || i == 3) {
            lb_status st = affix(w, i == 2, id);
            if (st != LB_OK) return st;
        }
    }
    return LB_OK;
}

static lb_status read_vocab(lb_tokenizer *t, wordpiece *w, const char *path, const lb_value *config, lb_sha256 *sum) {
    lb_buf text = {0};
    vocabulary v = {0};
    lb_status st = LB_OK;
    LB_TRY(lb_file_read(&text, path, 0));
    lb_sha256_add(sum, text.data, text.size);
    LB_TRY(read_vocab_lines(&text, &v));
    LB_TRY(make_tries(w, &v, "##"));
    LB_TRY(add_specials(w, config));
    w->normalise = w->split = w->how.clean = true;
    w->how.chinese = lb_get_bool(config, "tokenize_chinese_chars", true);
    w->how.lower = lb_get_bool(config, "do_lower_case", true);
    w->how.strip = lb_get_bool(config, "strip_accents", w->how.lower);
    w->max_characters = 100;
    LB_TRY(finish(t, w, &v, lb_get_text(config, "unk_token", "[UNK]")));
    const char *pad = lb_get_text(config, "pad_token", "[PAD]");
    int64_t id = find_word(w, pad, strlen(pad));
    t->pad_id = id < 0 ? 0 : id;
done:
    lb_free(v.at);
    lb_buf_free(&text);
    return st;
}

/* A JSON file of the folder, when there is one. */
static lb_status read_beside(lb_value **out, const char *folder, const char *name, lb_sha256 *sum) {
    char *path = lb_path_join(folder, name);
    lb_buf text = {0};
    if (!path) return LB_E_NOMEM;
    lb_status st = LB_OK;
    if (lb_file_exists(path)) {
        st = lb_file_read(&text, path, 0);
        if (st == LB_OK && sum) lb_sha256_add(sum, text.data, text.size);
        if (st == LB_OK) st = lb_json_parse(out, lb_buf_str(&text), text.size, name);
    }
    lb_buf_free(&text);
    lb_free(path);
    return st;
}

/* The length the model takes: sentence-transformers' own file first, then the tokenizer's; numbers beyond a million mean "none". */
static lb_status read_limit(lb_tokenizer *t, const char *folder, const lb_value *config) {
    lb_value *sentence = NULL;
    lb_status st = read_beside(&sentence, folder, "sentence_bert_config.json", NULL);
    int64_t n = lb_get_int(sentence, "max_seq_length", 0), general = lb_get_int(config, "model_max_length", 0);
    if (n > 0) t->max_tokens = n;
    else if (general > 0 && general < 1000000) t->max_tokens = general;
    lb_value_free(sentence);
    return st;
}

/* Without memory from the heap, so that a refusal is not taken for an absent file. */
static bool in_folder(char dst[PATH_SIZE], const char *folder, const char *name) {
    int n = snprintf(dst, PATH_SIZE, "%s/%s", folder, name);
    return n > 0 && n < PATH_SIZE && lb_file_exists(dst);
}

static int probe(const char *path) {
    char file[PATH_SIZE];
    bool folder = lb_is_folder(path);
    if (folder ? !in_folder(file, path, "tokenizer.json") : !lb_ends_with(path, ".json"))
        return (folder ? in_folder(file, path, "vocab.txt") : lb_ends_with(path, ".txt")) ? 50 : 0;
    lb_mmap m = {0};
    bool mine = lb_mmap_open(&m, folder ? file : path) == LB_OK && m.size && memmem(m.data, m.size, "\"WordPiece\"", 11);
    lb_mmap_close(&m);
    lb_error_clear();
    return mine ? 80 : 0;
}

static lb_status open(lb_tokenizer *t, const char *path) {
    wordpiece *w = t->impl = lb_calloc(1, sizeof *w);
    if (!w) return LB_E_NOMEM;
    char *folder = NULL, *file = NULL;
    lb_value *config = NULL;
    lb_sha256 sum;
    lb_sha256_init(&sum);
    lb_status st = LB_OK;
    char place[PATH_SIZE];
    bool whole = lb_is_folder(path), json = whole ? in_folder(place, path, "tokenizer.json") : lb_ends_with(path, ".json");
    folder = whole ? lb_strdup(path) : lb_path_folder(path);
    file = whole ? lb_path_join(path, json ? "tokenizer.json" : "vocab.txt") : lb_strdup(path);
    if (!folder || !file) {
        st = LB_E_NOMEM;
        goto done;
    }
    LB_TRY(read_beside(&config, folder, "tokenizer_config.json", json ? NULL : &sum));
    if (json) LB_TRY(read_json(t, w, file, &sum));
    else LB_TRY(read_vocab(t, w, file, config, &sum));
    LB_TRY(read_limit(t, folder, config));
    lb_sha256_hex(&sum, t->sha256);
done:
    lb_value_free(config);
    lb_free(folder);
    lb_free(file);
    return st;
}

static void close(lb_tokenizer *t) {
    wordpiece *w = t->impl;
    if (!w) return;
    for (int64_t i = 0; i < w->added_count; i++) {
        lb_free(w->added[i].text);
        if (w->normal_texts) lb_free(w->normal_texts[i]);
    }
    for (int64_t i = 0; w->copies && i < t->vocab; i++) lb_free(w->copies[i]);
    lb_free(w->copies);
    lb_free(w->tokens);
    lb_free(w->added);
    lb_free(w->normal_texts);
    lbi_trie_free(&w->start);
    lbi_trie_free(&w->inside);
    lbi_trie_free(&w->raw.trie);
    lbi_trie_free(&w->normalized.trie);
    lb_free(w);
}

/* ---- encoding ---- */

typedef struct ids {
    int64_t *at;
    int64_t count, capacity;
    bool failed;
} ids;

static void push(ids *o, int64_t id) {
    if (o->count == o->capacity) {
        int64_t cap = o->capacity ? o->capacity * 2 : 64;
        int64_t *a = lb_realloc(o->at, (size_t)cap, sizeof *a);
        if (!a) {
            o->failed = true;
            return;
        }
        o->at = a;
        o->capacity = cap;
    }
    o->at[o->count++] = id;
}

static void encode_word(const wordpiece *w, ids *o, const uint8_t *p, size_t n, int64_t characters) {
    int64_t before = o->count;
    const lbi_trie *trie = &w->start;
    for (size_t at = 0, size = 0; at < n; at += size, trie = &w->inside) {
        int64_t id = characters > w->max_characters ? -1 : lbi_trie_longest(trie, p + at, n - at, &size);
        if (id < 0) {
            o->count = before;
            push(o, w->unk);
            return;
        }
        push(o, id);
    }
}

static int64_t count_characters(const uint8_t *p, size_t n) {
    int64_t count = 0;
    for (size_t i = 0; i < n; i++) count += (p[i] & 0xC0) != 0x80;
    return count;
}

static void encode_words(const wordpiece *w, ids *o, const uint8_t *p, size_t n) {
    if (!w->split) {
        if (n) encode_word(w, o, p, n, count_characters(p, n));
        return;
    }
    size_t at = 0, begin = 0, end = 0;
    for (int64_t characters = 0; !o->failed && lbi_bert_word(p, n, &at, &begin, &end, &characters);) encode_word(w, o, p + begin, end - begin, characters);
}

/* A piece of the text between added tokens. */
static void encode_piece(const wordpiece *w, ids *o, lb_buf *scratch, const uint8_t *p, size_t n) {
    lb_buf_clear(scratch);
    if (w->normalise) lbi_bert_normalise(scratch, p, n, &w->how);
    else
        for (size_t at = 0, used = 0; at < n; at += used) lbi_utf8_add(scratch, lbi_utf8_next(p + at, n - at, &used));
    if (scratch->failed) {
        o->failed = true;
        return;
    }
    lbi_added_walk walk = {0};
    size_t begin = 0, end = 0;
    const uint8_t *q = (const uint8_t *)lb_buf_str(scratch);
    for (int64_t id = -1; !o->failed && lbi_added_next(&w->normalized, q, scratch->size, &walk, &begin, &end, &id);) {
        encode_words(w, o, q + begin, end - begin);
        if (id >= 0) push(o, id);
    }
}

static lb_status encode(const lb_tokenizer *t, const char *text, size_t size, int64_t max, int64_t **out, int64_t *count) {
    const wordpiece *w = t->impl;
    int64_t around = w->prefix_count + w->suffix_count;
    if (max > 0 && max < around) return lb_fail(LB_E_ARG, "at most %lld tokens leaves no room for %lld special ones", (long long)max, (long long)around);
    ids o = {0};
    lb_buf scratch = {0};
    const uint8_t *p = (const uint8_t *)text;
    for (int i = 0; i < w->prefix_count; i++) push(&o, w->prefix[i]);
    lbi_added_walk walk = {0};
    size_t begin = 0, end = 0;
    for (int64_t id = -1; !o.failed && lbi_added_next(&w->raw, p, size, &walk, &begin, &end, &id);) {
        encode_piece(w, &o, &scratch, p + begin, end - begin);
        if (id >= 0) push(&o, id);
    }
    if (max > 0 && o.count > max - w->suffix_count) o.count = max - w->suffix_count;
    for (int i = 0; i < w->suffix_count; i++) push(&o, w->suffix[i]);
    lb_buf_free(&scratch);
    if (o.failed) {
        lb_free(o.at);
        return lb_fail(LB_E_NOMEM, "tokens of a text of %zu bytes", size);
    }
    *count = o.count;
    *out = o.at ? o.at : lb_alloc(1, sizeof **out);
    return *out ? LB_OK : LB_E_NOMEM;
}

static const char *token(const lb_tokenizer *t, int64_t id) {
    const wordpiece *w = t->impl;
    return id >= 0 && id < t->vocab && w->tokens[id] ? w->tokens[id] : "";
}

LB_TOKENIZER(wordpiece) = {.id = "wordpiece", .title = "BERT WordPiece", .source = "Devlin et al. 2019, arXiv:1810.04805; behaviour of Hugging Face tokenizers 0.23.3",
                           .probe = probe, .open = open, .close = close, .encode = encode, .token = token};
