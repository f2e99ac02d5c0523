/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "text/pipeline.h"

/* ---- added tokens ---- */

/* An added token that the vocabulary has keeps its number there; others get the numbers after the vocabulary in order, as tokenizers does
 * whatever the file says. */
static lb_status read_added(lbi_pipeline *p, const lb_value *list) {
    int64_t n = list && list->kind == LB_V_LIST ? list->count : 0, next = p->vocab.distinct;
    p->added = lb_calloc((size_t)n, sizeof *p->added);
    p->top = p->vocab.top;
    if (!p->added) return LB_E_NOMEM;
    for (int64_t i = 0; i < n; i++) {
        const lb_value *x = list->items[i], *content = lb_get(x, "content");
        if (!content || content->kind != LB_V_TEXT) return lb_fail(LB_E_FORMAT, "added token %lld has no content", (long long)i);
        if (content->text_size == 0) continue;
        int64_t id = lbi_vocab_find(&p->vocab, content->text, content->text_size);
        if (id < 0) id = next++;
        lbi_added *a = &p->added[p->added_count];
        *a = (lbi_added){.size = content->text_size, .id = id, .single_word = lb_get_bool(x, "single_word", false), .lstrip = lb_get_bool(x, "lstrip", false),
                         .rstrip = lb_get_bool(x, "rstrip", false), .special = lb_get_bool(x, "special", false)};
        a->normalized = lb_get_bool(x, "normalized", !a->special);
        a->text = lb_strndup(content->text, content->text_size);
        if (!a->text) return LB_E_NOMEM;
        p->added_count++;
        if (id >= p->top) p->top = id + 1;
    }
    p->added_by_id = lb_calloc((size_t)p->top, sizeof *p->added_by_id);
    if (!p->added_by_id) return LB_E_NOMEM;
    for (int64_t i = 0; i < p->added_count; i++) p->added_by_id[p->added[i].id] = &p->added[i];
    return LB_OK;
}

/* The text of an added token as the normalisers leave it. */
static lb_status normal_text(const lbi_pipeline *p, const lbi_added *a, char **out, size_t *size) {
    lbi_line line = {0}, spare = {0};
    lbi_line_start(&line, false);
    lbi_line_text(&line, (const uint8_t *)a->text, a->size, 0);
    lbi_normalise(&p->norms, &line, &spare);
    *size = line.size;
    *out = line.failed ? NULL : lb_strndup(line.size ? (const char *)line.at : "", line.size);
    lbi_line_free(&line);
    lbi_line_free(&spare);
    return *out ? LB_OK : LB_E_NOMEM;
}

/* Two tries: tokens looked for in the text as it is, and tokens looked for in the normalised text (themselves normalised). */
static lb_status make_tries(lbi_pipeline *p) {
    lbi_trie_word *raw = lb_alloc((size_t)p->added_count, sizeof *raw), *normal = lb_alloc((size_t)p->added_count, sizeof *normal);
    p->normal_texts = lb_calloc((size_t)p->added_count, sizeof *p->normal_texts);
    lb_status st = raw && normal && p->normal_texts ? LB_OK : LB_E_NOMEM;
    int64_t raws = 0, normals = 0;
    for (int64_t i = 0; st == LB_OK && i < p->added_count; i++) {
        const lbi_added *a = &p->added[i];
        size_t n = 0;
        if (!a->normalized) {
            raw[raws++] = (lbi_trie_word){a->text, a->size, i};
            continue;
        }
        st = normal_text(p, a, &p->normal_texts[i], &n);
        if (n && st == LB_OK) normal[normals++] = (lbi_trie_word){p->normal_texts[i], n, i};
    }
    if (st == LB_OK) st = lbi_trie_build(&p->raw.trie, raw, raws);
    if (st == LB_OK) st = lbi_trie_build(&p->normalized.trie, normal, normals);
    p->raw.list = p->normalized.list = p->added;
    lb_free(raw);
    lb_free(normal);
    return st;
}

/* ---- post-processors ---- */

static lb_status affix(lbi_pipeline *p, bool front, int64_t id) {
    int *count = front ? &p->prefix_count : &p->suffix_count;
    if (id < 0 || id >= LBI_ID_MAX) return lb_fail(LB_E_FORMAT, "post_processor: special token of number %lld", (long long)id);
    if (*count == LBI_AFFIX_MAX) return lb_fail(LB_E_UNSUPPORTED, "more than %d special tokens on one side", LBI_AFFIX_MAX);
    (front ? p->prefix : p->suffix)[(*count)++] = id;
    return LB_OK;
}

static const lb_value *ids_of(const lb_value *specials, const char *name) {
    for (int64_t k = 0; specials && k < specials->count && specials->kind == LB_V_MAP; k++)
        if (strcmp(specials->keys[k], name) == 0) return lb_get(specials->items[k], "ids");
    return NULL;
}

/* TemplateProcessing: [{"SpecialToken": {"id": "[CLS]"}}, {"Sequence": {}}, ...] with ids in special_tokens. */
static lb_status read_template(lbi_pipeline *p, const lb_value *json) {
    const lb_value *single = lb_get(json, "single");
    bool front = true;
    if (!single || single->kind != LB_V_LIST) return lb_fail(LB_E_FORMAT, "post_processor.single must be a list");
    for (int64_t i = 0; i < single->count; i++) {
        const char *name = lb_get_text(single->items[i], "SpecialToken.id", NULL);
        if (!name) {
            if (!front) return lb_fail(LB_E_UNSUPPORTED, "post_processor.single holds the text twice");
            front = false;
            continue;
        }
        const lb_value *ids = ids_of(lb_get(json, "special_tokens"), name);
        if (!ids || ids->kind != LB_V_LIST) return lb_fail(LB_E_FORMAT, "post_processor: special token '%s' has no ids", name);
        for (int64_t k = 0; k < ids->count; k++) {
            if (ids->items[k]->kind != LB_V_INT) return lb_fail(LB_E_FORMAT, "post_processor: ids of '%s' must be whole numbers", name);
            lb_status st = affix(p, front, ids->items[k]->integer);
            if (st != LB_OK) return st;
        }
    }
    return LB_OK;
}

/* BertProcessing, RobertaProcessing: "cls": ["[CLS]", 101], "sep" */
static lb_status read_pair(lbi_pipeline *p, const lb_value *json) {
    const lb_value *cls = lb_get(json, "cls"), *sep = lb_get(json, "sep");
    if (!cls || cls->count != 2 || !sep || sep->count != 2 || cls->kind != LB_V_LIST || sep->kind != LB_V_LIST || cls->items[1]->kind != LB_V_INT || sep->items[1]->kind != LB_V_INT)
        return lb_fail(LB_E_FORMAT, "post_processor: cls and sep must be a token and its number");
    lb_status st = affix(p, true, cls->items[1]->integer);
    return st == LB_OK ? affix(p, false, sep->items[1]->integer) : st;
}

static void read_trim(lbi_pipeline *p, const lb_value *json) {
    if (!lb_get_bool(json, "trim_offsets", true)) return;
    p->trim = (lbi_trim){.on = true, .prefix_space = lb_get_bool(json, "add_prefix_space", true), .after_specials = p->prefix_count > 0};
}

static lb_status read_nested(lbi_pipeline *p, const lb_value *json, int depth) {
    if (!json || json->kind == LB_V_NULL) return LB_OK;
    const char *type = lb_get_text(json, "type", "?");
    if (strcmp(type, "Sequence") == 0) {
        const lb_value *list = lb_get(json, "processors");
        if (!list || list->kind != LB_V_LIST || depth > 4) return lb_fail(LB_E_FORMAT, "post_processor Sequence must hold a list of processors");
        for (int64_t i = 0; i < list->count; i++) {
            lb_status st = read_nested(p, list->items[i], depth + 1);
            if (st != LB_OK) return st;
        }
        return LB_OK;
    }
    if (strcmp(type, "TemplateProcessing") == 0) return read_template(p, json);
    if (strcmp(type, "ByteLevel") == 0) {
        read_trim(p, json);
        return LB_OK;
    }
    if (strcmp(type, "RobertaProcessing") == 0) read_trim(p, json);
    else if (strcmp(type, "BertProcessing") != 0) return lb_fail(LB_E_UNSUPPORTED, "post_processor %s is not handled", type);
    return read_pair(p, json);
}

lb_status lbi_post_read(lbi_pipeline *p, const lb_value *json) { return read_nested(p, json, 0); }

/* ---- all ---- */

static void read_numbers(lb_tokenizer *t, lbi_pipeline *p, const lb_value *json) {
    static const char *const pads[] = {"[PAD]", "<pad>", "<|padding|>", "<|endoftext|>"};
    int64_t pad = -1;
    for (size_t i = 0; i < LB_COUNT(pads) && pad < 0; i++) pad = lbi_pipeline_find(t, pads[i]);
    t->vocab = p->top;
    t->pad_id = lb_get_int(json, "padding.pad_id", pad < 0 ? 0 : pad);
    t->pad_to = lb_get_int(json, "padding.strategy.Fixed", 0);
    t->max_tokens = lb_get_int(json, "truncation.max_length", 0);
    p->cut_left = strcmp(lb_get_text(json, "truncation.direction", "Right"), "Left") == 0;
    if (t->pad_to < 0 || t->pad_to > LBI_ID_MAX) t->pad_to = 0;
}

void lbi_tell_specials(lb_tokenizer *t, const lbi_pipeline *p) {
    t->prefix_count = p->prefix_count;
    t->suffix_count = p->suffix_count;
    memcpy(t->prefix, p->prefix, sizeof p->prefix);
    memcpy(t->suffix, p->suffix, sizeof p->suffix);
}

lb_status lbi_pipeline_read_rest(lb_tokenizer *t, lbi_pipeline *p, const lb_value *json) {
    lb_status st = LB_OK;
    if (p->norms.count == 0) LB_TRY(lbi_norms_read(&p->norms, lb_get(json, "normalizer")));
    if (p->splits.count == 0) LB_TRY(lbi_splits_read(&p->splits, lb_get(json, "pre_tokenizer")));
    for (int i = 0; i < p->splits.count; i++)
        if (p->splits.at[i].kind == LBI_SPLIT_METASPACE && p->splits.at[i].prepend == LBI_PREPEND_FIRST) p->tracked = true;
    LB_TRY(read_added(p, lb_get(json, "added_tokens")));
    LB_TRY(make_tries(p));
    LB_TRY(lbi_post_read(p, lb_get(json, "post_processor")));
    LB_TRY(lbi_decoders_read(p, lb_get(json, "decoder")));
    LB_TRY(lbi_word_cache_open(&p->cache));
    read_numbers(t, p, json);
    lbi_tell_specials(t, p);
done:
    return st;
}

lb_status lbi_pipeline_read(lb_tokenizer *t, lbi_pipeline *p, const lb_value *json, const lb_json_part parts[LBI_MODEL_PARTS]) {
    const lb_value *model = lb_get(json, "model");
    const char *type = lb_get_text(model, "type", p->kind->type);
    if (strcmp(type, p->kind->type) != 0) return lb_fail(LB_E_UNSUPPORTED, "tokenizer.json: model %s is not %s", type, p->kind->type);
    lb_status st = lbi_splits_read(&p->splits, lb_get(json, "pre_tokenizer")); /* tells the model whether it sees bytes */
    if (st == LB_OK) st = p->kind->read(p, model, parts);
    return st == LB_OK ? lbi_pipeline_read_rest(t, p, json) : st;
}
