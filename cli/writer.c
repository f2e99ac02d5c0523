/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/writer.h"
#include <stdio.h>
#include <string.h>
#include "base/file.h"

/* ---- what the folder says ---- */

/* The value of generation_config.json, else of config.json, under the first of the names that is there. */
static const lb_value *find(const lb_value *generation, const lb_value *config, const char *name, const char *other) {
    const lb_value *const from[] = {generation, config};
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 2; k++) {
            const lb_value *v = k && !other ? NULL : lb_get(from[i], k ? other : name);
            if (v && v->kind != LB_V_NULL) return v;
        }
    return NULL;
}

static double number_of(const lb_value *v, double fallback) {
    return !v ? fallback : v->kind == LB_V_INT ? (double)v->integer : v->kind == LB_V_REAL ? v->real : v->kind == LB_V_BOOL ? v->boolean : fallback;
}

static lb_status ids_of(int64_t **out, int64_t *count, const lb_value *v) {
    *count = 0;
    if (!v || v->kind != LB_V_LIST || v->count == 0) return LB_OK;
    if (!(*out = lb_alloc((size_t)v->count, sizeof **out))) return LB_E_NOMEM;
    for (int64_t i = 0; i < v->count; i++)
        if (v->items[i]->kind == LB_V_INT) (*out)[(*count)++] = v->items[i]->integer;
    return LB_OK;
}

static void read_ends(cli_writer *w, const lb_value *v) {
    int64_t end = lb_tokenizer_find(w->tokenizer, "<|endoftext|>");
    const lb_value *one = v;
    for (int64_t i = 0; v && i < (v->kind == LB_V_LIST ? v->count : 1) && w->spec.eos_count < 8; i++) {
        if (v->kind == LB_V_LIST) one = v->items[i];
        if (one->kind == LB_V_INT) w->spec.eos[w->spec.eos_count++] = one->integer;
    }
    if (w->spec.eos_count == 0 && end >= 0) w->spec.eos[w->spec.eos_count++] = end;
}

/* "<|en|>", "<|haw|>", and in some folders "<|yue|>": the names between start and translate in the vocabulary. */
static lb_status read_languages(cli_writer *w, const lb_value *generation, const lb_value *config) {
    const lb_value *map = lb_get(generation, "lang_to_id"), *list = lb_get(config, "lang_ids");
    if (!map) {
        if (list) return ids_of(&w->languages, &w->language_count, list);
        int64_t first = w->start + 1, end = lb_tokenizer_find(w->tokenizer, "<|translate|>");
        if (w->start < 0 || lb_tokenizer_find(w->tokenizer, "<|en|>") != first || end <= first) return LB_OK;
        if (!(w->languages = lb_alloc((size_t)(end - first), sizeof *w->languages))) return LB_E_NOMEM;
        for (int64_t id = first; id < end; id++) w->languages[w->language_count++] = id;
        return LB_OK;
    }
    if (!(w->languages = lb_alloc((size_t)map->count + 1, sizeof *w->languages))) return LB_E_NOMEM;
    for (int64_t i = 0; i < map->count; i++) w->languages[w->language_count++] = map->items[i]->integer;
    return LB_OK;
}

static lb_status read_prompt(cli_writer *w, const lb_value *generation, const lb_value *config) {
    const lb_value *start = find(generation, config, "decoder_start_token_id", NULL), *still = find(generation, config, "no_timestamps_token_id", NULL);
    w->start = start ? start->integer : lb_tokenizer_find(w->tokenizer, "<|startoftranscript|>");
    if (w->start < 0) return lb_fail(LB_E_UNSUPPORTED, "nothing says with which token a text begins (decoder_start_token_id)");
    w->transcribe = lb_get_int(generation, "task_to_id.transcribe", lb_tokenizer_find(w->tokenizer, "<|transcribe|>"));
    w->translate = lb_get_int(generation, "task_to_id.translate", lb_tokenizer_find(w->tokenizer, "<|translate|>"));
    w->no_timestamps = still ? still->integer : lb_tokenizer_find(w->tokenizer, "<|notimestamps|>");
    lb_status st = read_languages(w, generation, config);
    if (w->language_count < 2 || !lb_get_bool(generation, "is_multilingual", true)) w->language_count = 0; /* of one language: neither it nor a task is said */
    return st;
}

lb_status cli_writer_open(cli_writer **out, const char *folder, const lb_value *config, const lb_tokenizer *tokenizer, bool memory) {
    lb_status st = LB_OK;
    lb_value *generation = NULL;
    char *path = lb_path_join(folder, "generation_config.json");
    cli_writer *w = lb_calloc(1, sizeof *w);
    if (!w || !path) {
        st = LB_E_NOMEM;
        goto done;
    }
    w->start = w->transcribe = w->translate = w->no_timestamps = -1;
    w->tokenizer = tokenizer;
    if (lb_file_exists(path)) LB_TRY(lb_json_read(&generation, path));
    const lb_value *early = find(generation, config, "early_stopping", NULL);
    w->spec.beams = (int64_t)number_of(find(generation, NULL, "num_beams", NULL), 1);
    w->spec.length_penalty = number_of(find(generation, NULL, "length_penalty", NULL), 1);
    w->spec.early_stopping = early && early->kind == LB_V_BOOL && early->boolean;
    w->spec.max_new = (int64_t)number_of(find(generation, NULL, "max_new_tokens", NULL), memory ? 0 : 20);
    read_ends(w, find(generation, config, "eos_token_id", NULL));
    LB_TRY(ids_of(&w->suppress, &w->spec.suppress_count, find(generation, config, "suppress_tokens", "suppress_ids")));
    LB_TRY(ids_of(&w->begin_suppress, &w->spec.begin_suppress_count, find(generation, config, "begin_suppress_tokens", "suppress_ids_begin")));
    w->spec.suppress = w->suppress;
    w->spec.begin_suppress = w->begin_suppress;
    if (memory) LB_TRY(read_prompt(w, generation, config));
    *out = w;
    w = NULL;
done:
    lb_free(path);
    lb_value_free(generation);
    cli_writer_close(w);
    return st;
}

void cli_writer_close(cli_writer *w) {
    if (!w) return;
    lb_free(w->suppress);
    lb_free(w->begin_suppress);
    lb_free(w->languages);
    lb_free(w);
}

/* ---- prompts ---- */

/* The likeliest language token behind the start, one an item. */
static lb_status find_languages(int64_t *language, const cli_writer *w, lb_model *m, lb_tape *t, const lb_tensor *memory) {
    lb_status st = LB_OK;
    lb_generated g = {0};
    int64_t n = memory->shape[0], vocab = m->arch->decoder->vocab(m->cfg), count = 0;
    int64_t *others = lb_alloc((size_t)vocab + 1, sizeof *others), *start = lb_alloc((size_t)n + 1, sizeof *start);
    if (!others || !start) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int64_t i = 0; i < n; i++) start[i] = w->start;
    for (int64_t id = 0; id < vocab; id++) {
        bool is = false;
        for (int64_t k = 0; k < w->language_count; k++) is |= w->languages[k] == id;
        if (!is) others[count++] = id;
    }
    LB_TRY(lb_generate(&g, m, t, &(lb_prompts){.count = n, .length = 1, .ids = start, .memory = memory}, &(lb_generate_spec){.max_new = 1, .suppress = others, .suppress_count = count}));
    for (int64_t i = 0; i < n; i++) language[i] = g.length[i] > 0 ? g.ids[i][0] : w->languages[0];
done:
    lb_generated_free(&g);
    lb_free(others);
    lb_free(start);
    return st;
}

static lb_status named_language(int64_t *id, const cli_writer *w, const char *name) {
    char token[64];
    snprintf(token, sizeof token, "<|%s|>", name);
    *id = lb_tokenizer_find(w->tokenizer, token);
    for (int64_t i = 0; i < w->language_count; i++)
        if (w->languages[i] == *id) return LB_OK;
    return lb_fail(LB_E_ARG, "language '%s' is none of the %lld that the model knows (en, de, zh, ..., or auto)", name, (long long)w->language_count);
}

lb_status cli_writer_prompts(int64_t **ids, int64_t *length, const cli_writer *w, const cli_writing *how, lb_model *m, lb_tape *t, const lb_tensor *memory) {
    lb_status st = LB_OK;
    int64_t n = memory->shape[0], task = how->translate ? w->translate : w->transcribe, size = 0, *all = lb_alloc((size_t)n + 1, 4 * sizeof *all),
            *language = lb_alloc((size_t)n + 1, sizeof *language);
    bool several = w->language_count > 0, automatic = !how->language || strcmp(how->language, "auto") == 0;
    if (!all || !language) {
        st = LB_E_NOMEM;
        goto done;
    }
    if (how->translate && (!several || task < 0)) {
        st = lb_fail(LB_E_ARG, "the model does not translate");
        goto done;
    }
    if (several && automatic) LB_TRY(find_languages(language, w, m, t, memory));
    for (int64_t i = 0; several && !automatic && i < n; i++) LB_TRY(named_language(&language[i], w, how->language));
    const int64_t part[] = {w->start, several ? 0 : -1, several ? task : -1, w->no_timestamps};
    for (int k = 0; k < 4; k++) size += part[k] >= 0;
    for (int64_t i = 0, at = 0; i < n; i++)
        for (int k = 0; k < 4; k++)
            if (part[k] >= 0) all[at++] = k == 1 ? language[i] : part[k];
    *ids = all;
    *length = size;
    all = NULL;
done:
    lb_free(all);
    lb_free(language);
    return st;
}

/* ---- text ---- */

lb_status cli_writer_run(lb_buf *const *texts, const cli_writer *w, const cli_writing *how, lb_model *m, lb_tape *t, const lb_prompts *prompts) {
    lb_generated g = {0};
    lb_generate_spec spec = w->spec;
    if (how->beams > 0) spec.beams = how->beams;
    if (how->max_new > 0) spec.max_new = how->max_new;
    lb_status st = lb_generate(&g, m, t, prompts, &spec);
    for (int64_t i = 0; st == LB_OK && i < g.count; i++) {
        int64_t n = 0;
        for (int64_t k = 0; k < g.length[i]; k++) /* times stand behind the token that forbids them */
            if (w->no_timestamps < 0 || g.ids[i][k] < w->no_timestamps) g.ids[i][n++] = g.ids[i][k];
        st = lb_tokenizer_decode(w->tokenizer, g.ids[i], n, false, texts[i]);
    }
    lb_generated_free(&g);
    return st;
}
