/* SPDX-License-Identifier: Apache-2.0 */
/* A tokenizer's folder: tokenizer.json and the files beside it. */
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "text/pipeline.h"

bool lbi_in_folder(char dst[LBI_PATH_SIZE], const char *folder, const char *name) {
    int n = snprintf(dst, LBI_PATH_SIZE, "%s/%s", folder, name);
    return n > 0 && n < LBI_PATH_SIZE && lb_file_exists(dst);
}

/* Does the model of that text speak of `needle`? Before the vocabulary, when its type stands there; else anywhere. */
static bool speaks(const char *text, size_t size, const char *needle) {
    const char *model = memmem(text, size, "\"model\"", 7);
    if (!model) return false;
    size_t left = size - (size_t)(model - text);
    const char *vocab = memmem(model, left, "\"vocab\"", 7);
    size_t head = vocab ? (size_t)(vocab - model) : 0;
    if (head && memmem(model, head, "\"type\"", 6)) return memmem(model, head, needle, strlen(needle)) != NULL;
    return memmem(text, size, needle, strlen(needle)) != NULL;
}

int lbi_probe_json(const char *path, const char *needle) {
    char file[LBI_PATH_SIZE];
    bool folder = lb_is_folder(path);
    if (folder ? !lbi_in_folder(file, path, "tokenizer.json") : !lb_ends_with(path, ".json")) return 0;
    lb_mmap m = {0};
    bool mine = lb_mmap_open(&m, folder ? file : path) == LB_OK && m.size && speaks((const char *)m.data, m.size, needle);
    lb_mmap_close(&m);
    lb_error_clear();
    return mine ? 80 : 0;
}

lb_status lbi_read_beside(lb_value **out, const char *folder, const char *name, lb_sha256 *sum) {
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

/* Sentence-transformers' own file first, then the tokenizer's; numbers beyond a million mean "none". */
lb_status lbi_read_limit(lb_tokenizer *t, const char *folder, const lb_value *config) {
    lb_value *sentence = NULL;
    lb_status st = lbi_read_beside(&sentence, folder, "sentence_bert_config.json", NULL);
    int64_t n = lb_get_int(sentence, "max_seq_length", 0), general = lb_get_int(config, "model_max_length", 0);
    if (n > 0) t->max_tokens = n;
    else if (general > 0 && general < 1000000) t->max_tokens = general;
    lb_value_free(sentence);
    return st;
}

lb_status lbi_pipeline_new(lbi_pipeline **out, lb_tokenizer *t, const lbi_model *kind) {
    lbi_pipeline *p = t->impl = lb_calloc(1, sizeof *p);
    if (!p) return LB_E_NOMEM;
    p->kind = kind;
    *out = p;
    return LB_OK;
}

/* The padding token that the configuration names, and models that always get a full length. */
static void read_config(lb_tokenizer *t, const lb_value *config) {
    const char *class = lb_get_text(config, "tokenizer_class", ""), *pad = lb_get_text(config, "pad_token", lb_get_text(config, "pad_token.content", NULL));
    int64_t id = pad ? lbi_pipeline_find(t, pad) : -1;
    if (id >= 0) t->pad_id = id;
    if (strncmp(class, "Siglip", 6) == 0 && t->max_tokens > 0) t->pad_to = t->max_tokens;
}

lb_status lbi_files_open(lbi_files *f, const char *path, const char *name, bool config_counts) {
    bool whole = lb_is_folder(path);
    *f = (lbi_files){.folder = whole ? lb_strdup(path) : lb_path_folder(path), .file = whole ? lb_path_join(path, name) : lb_strdup(path)};
    lb_sha256_init(&f->sum);
    if (!f->folder || !f->file) return LB_E_NOMEM;
    lb_status st = lbi_read_beside(&f->config, f->folder, "tokenizer_config.json", config_counts ? &f->sum : NULL);
    if (st == LB_OK) st = lb_file_read(&f->text, f->file, 0);
    if (st == LB_OK) lb_sha256_add(&f->sum, f->text.data, f->text.size);
    return st;
}

void lbi_files_close(lbi_files *f) {
    lb_value_free(f->config);
    lb_buf_free(&f->text);
    lb_free(f->folder);
    lb_free(f->file);
}

lb_status lbi_open_json(lb_tokenizer *t, const char *path, const lbi_model *kind) {
    lbi_pipeline *p = NULL;
    lbi_files f;
    lb_value *json = NULL;
    lb_json_part parts[LBI_MODEL_PARTS] = {[LBI_MODEL_VOCAB] = {.path = "model.vocab"}, [LBI_MODEL_MERGES] = {.path = "model.merges"}};
    lb_status st = lbi_files_open(&f, path, "tokenizer.json", false);
    LB_TRY(st);
    LB_TRY(lbi_pipeline_new(&p, t, kind));
    LB_TRY(lb_json_parse_parts(&json, lb_buf_str(&f.text), f.text.size, "tokenizer.json", LBI_MODEL_PARTS, parts));
    LB_TRY(lbi_pipeline_read(t, p, json, parts));
    LB_TRY(lbi_read_limit(t, f.folder, f.config));
    read_config(t, f.config);
    lb_sha256_hex(&f.sum, t->sha256);
done:
    lb_value_free(json);
    lb_json_parts_free(LBI_MODEL_PARTS, parts);
    lbi_files_close(&f);
    return st;
}

static void add_token(lb_value *list, const char *content, const lb_value *flags, bool special) {
    static const char *const names[] = {"single_word", "lstrip", "rstrip", "normalized"};
    lb_value *v = lb_value_map();
    lb_map_text(v, "content", content);
    for (size_t i = 0; i < LB_COUNT(names); i++) lb_map_bool(v, names[i], lb_get_bool(flags, names[i], false));
    lb_map_bool(v, "special", lb_get_bool(flags, "special", special));
    lb_list_put(list, v);
}

static bool listed(const lb_value *list, const char *content) {
    for (int64_t i = 0; list && i < list->count; i++)
        if (strcmp(lb_get_text(list->items[i], "content", ""), content) == 0) return true;
    return false;
}

/* The number under which a key of the list stands: {"50257": {"content": ...}} by number, {"<x>": 50257} by text. */
static const lb_value *lowest_above(const lb_value *map, bool by_key, int64_t last, int64_t *id, const char **key) {
    const lb_value *best = NULL;
    for (int64_t i = 0; map && map->kind == LB_V_MAP && i < map->count; i++) {
        int64_t n = -1;
        if (by_key) sscanf(map->keys[i], "%lld", (long long *)&n);
        else if (map->items[i]->kind == LB_V_INT) n = map->items[i]->integer;
        if (n <= last || (best && n >= *id)) continue;
        *id = n;
        *key = map->keys[i];
        best = map->items[i];
    }
    return best;
}

void lbi_list_added(lb_value *json, const lb_value *config, const lb_value *more) {
    static const char *const roles[] = {"unk_token", "bos_token", "eos_token", "pad_token", "cls_token", "sep_token", "mask_token"};
    const lb_value *known = lb_get(config, "added_tokens_decoder"), *x = NULL;
    lb_value *list = lb_value_list();
    const char *key = NULL;
    for (int64_t last = -1, id = -1; (x = lowest_above(known, true, last, &id, &key)) != NULL; last = id) add_token(list, lb_get_text(x, "content", ""), x, false);
    for (size_t i = 0; !known && i < LB_COUNT(roles); i++) {
        const lb_value *role = lb_get(config, roles[i]);
        const char *text = lb_get_text(config, roles[i], lb_get_text(role, "content", NULL));
        if (text && !listed(list, text)) add_token(list, text, role && role->kind == LB_V_MAP ? role : NULL, true);
    }
    for (int64_t last = -1, id = -1; lowest_above(more, false, last, &id, &key) != NULL; last = id)
        if (!listed(list, key)) add_token(list, key, NULL, true);
    lb_map_put(json, "added_tokens", list);
}
