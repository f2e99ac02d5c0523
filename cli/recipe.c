/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/recipe.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/hash.h"
#include "base/threads.h"
#include "cli/recipe_private.h"
#include "cli/source_mix.h"

const lb_param cli_train_params[] = {
    LB_PARAM(cli_train_options, steps, 300, 1, 1e9, "steps", "optimiser steps"),
    LB_PARAM(cli_train_options, log_every, 10, 1, 1e9, "steps", "steps between lines of log.jsonl"),
    LB_PARAM(cli_train_options, save_every, 100, 1, 1e9, "steps", "steps between checkpoints"),
    LB_PARAM(cli_train_options, eval_every, 0, 0, 1e9, "steps", "steps between evaluations; 0 = only at the end"),
    LB_PARAM(cli_train_options, max_tokens, 32, 2, 4096, "tokens", "texts are cut to this many tokens"),
    LB_PARAM(cli_train_options, memory_mib, 1024, 0, 1e6, "MiB", "decoded pictures kept in memory"),
    LB_PARAM(cli_train_options, ema, 0, 0, 1, "1", "decay of the moving average of the weights; 0 = none"),
    LB_PARAM(cli_train_options, accumulate, 1, 1, 1e6, "batches", "batches whose gradients make one step"),
    LB_PARAM(cli_train_options, patience, 0, 0, 1e9, "evaluations", "ends after so many evaluations (eval_every) without a better score; 0 = never"),
    LB_PARAM(cli_train_options, workers, 0, 0, 64, "threads", "threads that make batches ahead, beside the steps; 0 = all threads make each batch between two steps"),
    LB_PARAM_TEXT(cli_train_options, order, "items", "items|chunks", "of an epoch: any item after any other, or shuffled within few chunks of the features at a time"),
    LB_PARAM_TEXT(cli_train_options, precision, "f32", "f32|bf16", "of matrix products, forward and backward; bf16 where the processor multiplies those faster"),
    LB_PARAM_END};

const lb_param cli_eval_params[] = {
    LB_PARAM_TEXT(cli_eval_options, split, "test", NULL, "split that is scored"),
    LB_PARAM_TEXT(cli_eval_options, image_tap, "image_embed", NULL, "tap of pictures"),
    LB_PARAM_TEXT(cli_eval_options, text_tap, "text_embed", NULL, "tap of texts"),
    LB_PARAM_TEXT(cli_eval_options, score, "r5", NULL, "score by which the best checkpoint is chosen"),
    LB_PARAM_FLAG(cli_eval_options, retrieval, 1, "picture-text retrieval both ways"),
    LB_PARAM_FLAG(cli_eval_options, zeroshot, 0, "labels as texts"),
    LB_PARAM_FLAG(cli_eval_options, classification, 0, "labels of pictures; score: top1"),
    LB_PARAM_TEXT(cli_eval_options, class_tap, "logits", NULL, "tap of classes [N,K], in byte order of the labels"),
    LB_PARAM_FLAG(cli_eval_options, segmentation, 0, "masks of pictures; score: dice, iou, nsd, hd95"),
    LB_PARAM_TEXT(cli_eval_options, mask_tap, "logits", NULL, "tap of masks [N,K,H,W]"),
    LB_PARAM(cli_eval_options, classes, 2, 1, 255, "1", "classes of the masks"),
    LB_PARAM(cli_eval_options, tolerance, 2, 0, 1e9, "px", "of NSD"),
    LB_PARAM_LIST(cli_eval_options, templates, "TEXT", "zero-shot templates with {} for the label"),
    LB_PARAM_END};

lb_status recipe_absent(const char *where, const char *key) { return lb_fail(LB_E_ARG, "recipe: %s wants '%s'", where, key); }

/* Puts the filled table back into the recipe, so that the resolved copy states every default. */
static void resolve(lb_value *root, const char *key, const lb_param *table, const void *cfg) { lb_map_put(root, key, lb_params_to_value(table, cfg)); }

int recipe_line_of(const lb_value *map, const char *key) {
    for (int64_t i = 0; map && i < map->count; i++)
        if (strcmp(map->keys[i], key) == 0) return map->key_lines[i];
    return 0;
}

lb_status recipe_at_line(lb_status st, int line) { return st == LB_OK || line <= 0 ? st : lb_where(st, "line %d", line); }

static lb_status texts_of(char ***out, int64_t *count, const lb_value *v, const char *where) {
    lb_status st = LB_OK;
    bool one = v && v->kind == LB_V_TEXT;
    int64_t n = one ? 1 : v && v->kind == LB_V_LIST ? v->count : -1;
    if (n < 0) return lb_fail(LB_E_ARG, "recipe: %s is a text or a list of texts", where);
    char **texts = lb_calloc((size_t)n + 1, sizeof *texts);
    if (!texts) return LB_E_NOMEM;
    for (int64_t i = 0; i < n && st == LB_OK; i++) {
        const lb_value *item = one ? v : v->items[i];
        if (item->kind != LB_V_TEXT) st = lb_fail(LB_E_ARG, "recipe: %s, line %d: a text is wanted", where, item->line);
        else if (!(texts[i] = lb_strdup(item->text))) st = LB_E_NOMEM;
    }
    if (st != LB_OK) {
        lb_names_free(texts, n);
        return st;
    }
    *out = texts;
    *count = n;
    return LB_OK;
}

/* ---- data, tokenizer ---- */

static lb_status open_data(cli_recipe *r) {
    lb_status st = LB_OK;
    const lb_value *data = lb_get(r->value, "data");
    char **inputs = NULL;
    int64_t n = 0;
    if (!data) return recipe_absent("it", "data");
    if (lb_get(data, "made")) {
        LB_TRY(cli_made_open(&r->made, data, r->seed));
        if (r->made->set->params) lb_map_put((lb_value *)data, "options", lb_params_to_value(r->made->set->params, r->made->cfg));
        goto done;
    }
    LB_TRY(lb_value_only(data, "recipe: data", (const char *const[]){"input", "reader", "options", "mask_nonzero", NULL}));
    LB_TRY(texts_of(&inputs, &n, lb_get(data, "input"), "data.input"));
    LB_TRY(lb_items_open(&r->items, n, (const char *const *)inputs, lb_get_text(data, "reader", NULL), lb_get(data, "options")));
    for (int64_t i = 0; i < r->items->problem_count && i < 5; i++) lb_say(LB_LOG_WARN, "data", "%s", r->items->problems[i]);
    if (r->items->problem_count > 5) lb_say(LB_LOG_WARN, "data", "and %lld more problems; see limbeck list", (long long)(r->items->problem_count - 5));
done:
    lb_names_free(inputs, n);
    return st;
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

int64_t cli_recipe_label(const cli_recipe *r, int64_t item) {
    for (int64_t k = 0; r->items->at[item].label && k < r->label_count; k++)
        if (strcmp(r->labels[k], r->items->at[item].label) == 0) return k;
    return -1;
}

static lb_status find_labels(cli_recipe *r) {
    if (r->made) return LB_OK;
    char **all = lb_calloc((size_t)r->items->count + 1, sizeof *all);
    int64_t n = 0, kept = 0;
    if (!all) return LB_E_NOMEM;
    for (int64_t i = 0; i < r->items->count; i++)
        if (r->items->at[i].label) all[n++] = r->items->at[i].label;
    qsort(all, (size_t)n, sizeof *all, by_text);
    for (int64_t i = 0; i < n; i++)
        if (i == 0 || strcmp(all[i], all[kept - 1]) != 0) all[kept++] = all[i];
    r->labels = all; /* names belong to the items */
    r->label_count = kept;
    return LB_OK;
}

static lb_status open_tokenizer(cli_recipe *r) {
    const char *name = lb_get_text(r->value, "tokenizer", NULL);
    if (!name) return LB_OK;
    if (lb_file_exists(name) || lb_is_folder(name)) r->tokenizer_path = lb_strdup(name);
    else {
        char *home = lb_home();
        r->tokenizer_path = home ? lb_path_join(home, name) : NULL;
        lb_free(home);
    }
    if (!r->tokenizer_path) return LB_E_NOMEM;
    return lb_tokenizer_open(&r->tokenizer, r->tokenizer_path);
}

/* ---- caches and teachers ---- */

/* Made by `--views`? */
static void find_views(cli_feature *f) {
    const lb_cache_tap *tap = lb_cache_tap_at(f->cache, f->tap), *draws;
    f->draws = lb_cache_tap_find(f->cache, "augment");
    draws = lb_cache_tap_at(f->cache, f->draws);
    bool views = draws && f->draws != f->tap && draws->rank == 2 && !draws->ragged && tap->rank > 0 && !tap->ragged && tap->shape[0] == draws->shape[0];
    f->views = views ? draws->shape[0] : 0;
}

static lb_status open_feature(cli_recipe *r, const char *name, const lb_value *v) {
    lb_status st = LB_OK;
    const char *path = lb_get_text(v, "cache", NULL), *tap = lb_get_text(v, "tap", "embedding"), *of = lb_get_text(v, "of", "image");
    if (r->nfeatures == CLI_MAX_FEATURES) return lb_fail(LB_E_LIMIT, "recipe: at most %d features", CLI_MAX_FEATURES);
    cli_feature *f = &r->features[r->nfeatures];
    LB_TRY(recipe_check_feature(v));
    if (!path) return recipe_absent(name, "cache");
    LB_TRY(lb_cache_open(&f->cache, path));
    r->nfeatures++;
    f->of_text = strcmp(of, "text") == 0;
    f->tap = lb_cache_tap_find(f->cache, tap);
    if (f->tap < 0) {
        st = lb_fail(LB_E_NOTFOUND, "recipe: features.%s: %s has no tap '%s'", name, path, tap);
        goto done;
    }
    find_views(f);
    if (!(f->name = lb_strdup(name))) st = LB_E_NOMEM;
done:
    return st;
}

static lb_status open_features(cli_recipe *r) {
    lb_status st = LB_OK;
    const lb_value *all = lb_get(r->value, "features");
    for (int64_t i = 0; all && i < all->count && st == LB_OK; i++) st = open_feature(r, all->keys[i], all->items[i]);
    return st;
}

static lb_status open_teachers(cli_recipe *r) {
    lb_status st = LB_OK;
    const lb_value *all = lb_get(r->value, "teachers");
    for (int64_t i = 0; all && i < all->count; i++) {
        const lb_value *v = all->items[i];
        LB_TRY(lb_value_only(v, "recipe: teachers", (const char *const[]){"model", NULL}));
        const char *path = lb_get_text(v, "model", NULL);
        if (!path) return recipe_absent(all->keys[i], "model");
        if (r->nteachers == CLI_MAX_TEACHERS) return lb_fail(LB_E_LIMIT, "recipe: at most %d teachers", CLI_MAX_TEACHERS);
        cli_model **m = &r->teacher_models[r->nteachers];
        LB_TRY(cli_model_open(m, path));
        LB_TRY(cli_model_print(*m));
        r->teachers[r->nteachers++] = (lb_teacher){.name = all->keys[i], .model = (*m)->model};
    }
done:
    return st;
}

/* One hash over all, and of what it is. */
static lb_status find_fingerprint(cli_recipe *r) {
    lb_sha256 sum;
    char hex[65], key[160];
    if (!(r->sources = lb_value_map())) return LB_E_NOMEM;
    lb_sha256_init(&sum);
    for (int i = 0; i < r->nfeatures; i++) {
        const lb_fingerprint *f = lb_cache_fingerprint(r->features[i].cache);
        const char *const names[] = {"weights", "preprocessing", "tokenizer", "taps", "list"}, *const texts[] = {f->weights, f->preprocessing, f->tokenizer, f->taps, f->list};
        lb_fingerprint_hash(f, hex);
        lb_sha256_add(&sum, hex, 64);
        for (size_t k = 0; k < LB_COUNT(names); k++) {
            snprintf(key, sizeof key, "features.%s: %s", r->features[i].name, names[k]);
            lb_map_text(r->sources, key, texts[k]);
        }
    }
    for (int i = 0; i < r->nteachers; i++) {
        lb_sha256_add(&sum, r->teacher_models[i]->print.weights, strlen(r->teacher_models[i]->print.weights));
        snprintf(key, sizeof key, "teachers.%s: weights", r->teachers[i].name);
        lb_map_text(r->sources, key, r->teacher_models[i]->print.weights);
    }
    lb_sha256_hex(&sum, r->fingerprint);
    return LB_OK;
}

/* ---- streams ---- */

static lb_status open_stream(cli_recipe *r, const char *name, const lb_value *v) {
    lb_status st = LB_OK;
    char **fields = NULL;
    int64_t n = 0;
    LB_TRY(recipe_check_stream(v));
    if (r->nstreams == CLI_MAX_STREAMS) return lb_fail(LB_E_LIMIT, "recipe: at most %d streams", CLI_MAX_STREAMS);
    cli_stream *s = &r->streams[r->nstreams++];
    if (!(s->name = lb_strdup(name))) return LB_E_NOMEM;
    s->batch = lb_get_int(v, "batch", 64);
    if (r->made) {
        if (lb_get(v, "fields") || lb_get(v, "split"))
            return recipe_at_line(lb_fail(LB_E_ARG, "recipe: streams.%s: made data have neither fields nor splits", name),
                                  recipe_line_of(v, lb_get(v, "fields") ? "fields" : "split"));
        if (r->made->nstreams == (int)LB_COUNT(r->made->streams)) return lb_fail(LB_E_LIMIT, "recipe: at most %d streams of made data", (int)LB_COUNT(r->made->streams));
        r->made->streams[r->made->nstreams] = s->name;
        r->made->batch[r->made->nstreams++] = s->batch;
        return LB_OK;
    }
    s->frames = lb_get_int(v, "frames", 8);
    s->augment = lb_get_bool(v, "augment", false);
    s->unpaired = lb_get_bool(v, "unpaired", false);
    LB_TRY(texts_of(&fields, &n, lb_get(v, "fields"), "streams.*.fields"));
    for (int64_t i = 0; i < n; i++) {
        if (strcmp(fields[i], "image") == 0) s->image = true;
        else if (strcmp(fields[i], "text") == 0) s->text = true;
        else if (strcmp(fields[i], "mask") == 0) s->mask = true;
        else if (strcmp(fields[i], "audio") == 0) s->audio = true;
        else if (strcmp(fields[i], "video") == 0) s->video = true;
        else {
            st = recipe_at_line(lb_fail(LB_E_ARG, "streams.%s.fields: '%s' is neither image, text, mask, audio nor video", name, fields[i]), recipe_line_of(v, "fields"));
            goto done;
        }
    }
    LB_TRY(lb_items_split(r->items, lb_get_text(v, "split", NULL), &s->rows, &s->count));
    if (s->count == 0) st = lb_fail(LB_E_ARG, "recipe: streams.%s: the split '%s' is empty", name, lb_get_text(v, "split", "(all)"));
done:
    lb_names_free(fields, n);
    return st;
}

static lb_status open_streams(cli_recipe *r) {
    lb_status st = LB_OK;
    const lb_value *all = lb_get(r->value, "streams");
    if (!all || all->count == 0) return recipe_absent("it", "streams");
    for (int64_t i = 0; i < all->count && st == LB_OK; i++) st = open_stream(r, all->keys[i], all->items[i]);
    return st;
}

/* ---- objectives ---- */

static lb_status bind(const cli_recipe *r, lb_objective *o, const lb_value *inputs) {
    o->nbind = inputs ? (int)inputs->count : 0;
    o->inputs = lb_calloc((size_t)o->nbind + 1, sizeof *o->inputs);
    o->names = lb_calloc((size_t)o->nbind + 1, sizeof *o->names);
    if (!o->inputs || !o->names) return LB_E_NOMEM;
    for (int i = 0; i < o->nbind; i++) {
        const lb_value *v = inputs->items[i];
        if (v->kind != LB_V_TEXT) return recipe_at_line(lb_fail(LB_E_ARG, "inputs.%s names a tensor", inputs->keys[i]), inputs->key_lines[i]);
        o->inputs[i] = inputs->keys[i];
        o->names[i] = v->text;
        lb_status st = recipe_check_input(o->component, o->inputs[i]);
        if (st == LB_OK) st = recipe_check_name(r, o->names[i]);
        if (st != LB_OK) return recipe_at_line(st, inputs->key_lines[i]);
    }
    return LB_OK;
}

static bool has_stream(const cli_recipe *r, const char *name) {
    for (int i = 0; i < r->nstreams; i++)
        if (strcmp(r->streams[i].name, name) == 0) return true;
    return false;
}

/* What stands in the recipe alone: told before data and models are opened, which may take long or not be there. */
static lb_status read_objective(cli_recipe *r, const lb_value *v) {
    lb_status st = LB_OK;
    const lb_head *head = NULL;
    LB_TRY(recipe_check_objective(v));
    if (r->nterms == CLI_MAX_TERMS) return lb_fail(LB_E_LIMIT, "recipe: at most %d objectives", CLI_MAX_TERMS);
    const char *method = lb_get_text(v, "method", NULL);
    if (!method) return recipe_absent("an objective", "method");
    lb_objective *o = &r->terms[r->nterms++];
    LB_TRY(recipe_at_line(lb_family_find(&head, &lb_methods, method), recipe_line_of(v, "method")));
    o->method = (const lb_method *)head;
    o->component = o->method->components;
    if (lb_get(v, "component")) LB_TRY(recipe_at_line(lb_component_find(&o->component, o->method, lb_get_text(v, "component", "")), recipe_line_of(v, "component")));
    LB_TRY(lb_component_config(&o->cfg, o->method, o->component, lb_get(v, "params")));
    o->name = lb_get_text(v, "name", o->component->name);
    o->stream = lb_get_text(v, "on", NULL);
    o->weight = lb_get_real(v, "weight", 1);
    o->warmup = lb_get_int(v, "warmup", 0);
    o->start = lb_get_int(v, "start", 0);
    o->allow_zero = lb_get_bool(v, "allow_zero", false);
    o->adapt = lb_get_text(v, "adapt", "auto");
done:
    return st == LB_OK ? st : lb_where(st, "recipe: the objective of line %d", v->line);
}

static lb_status read_objectives(cli_recipe *r) {
    lb_status st = LB_OK;
    const lb_value *all = lb_get(r->value, "objectives");
    if (!all || all->kind != LB_V_LIST || all->count == 0) return recipe_absent("it", "objectives");
    for (int64_t i = 0; i < all->count && st == LB_OK; i++) st = read_objective(r, all->items[i]);
    return st;
}

static lb_status open_objective(cli_recipe *r, lb_objective *o, const lb_value *v) {
    lb_status st = LB_OK;
    if (!o->stream || !has_stream(r, o->stream)) return lb_fail(LB_E_ARG, "recipe: line %d: objective %s: 'on' names a stream", v->line, o->method->id);
    LB_TRY(bind(r, o, lb_get(v, "inputs")));
    if (!r->made) LB_TRY(recipe_check_classes(r, o));
    for (int i = 0; i < o->nbind; i++)
        for (int k = 0; k < r->nstreams; k++)
            if (strcmp(o->names[i], "label") == 0 && strcmp(r->streams[k].name, o->stream) == 0) r->streams[k].labelled = true;
done:
    return st == LB_OK ? st : lb_where(st, "recipe: the objective of line %d", v->line);
}

static lb_status open_objectives(cli_recipe *r) {
    lb_status st = LB_OK;
    for (int i = 0; i < r->nterms && st == LB_OK; i++) st = open_objective(r, &r->terms[i], lb_get(r->value, "objectives")->items[i]);
    return st;
}

/* ---- training, evaluation ---- */

/* A map of the simple form, or a list of members of the family. */
static lb_status open_augment(cli_recipe *r) {
    const lb_value *v = lb_get(r->value, "augment");
    lb_value *single = NULL, *pairs = NULL;
    lb_status st = LB_OK;
    if (!v || v->kind != LB_V_LIST) {
        LB_TRY(lb_params_from_value(lb_augment_params, &r->augment, v));
        resolve(r->value, "augment", lb_augment_params, &r->augment);
        goto done;
    }
    LB_TRY(cli_mix_part(&single, &pairs, v));
    LB_TRY(lb_chain_open(&r->chain, single, "augment"));
    lb_value *all = lb_chain_value(r->chain), *mixing = NULL;
    if (pairs->count) st = lb_chain_open(&r->pairs, pairs, "augment");
    if (r->pairs) mixing = lb_chain_value(r->pairs);
    for (int64_t i = 0; mixing && i < mixing->count; i++) lb_list_put(all, lb_value_copy(mixing->items[i]));
    lb_value_free(mixing);
    lb_map_put(r->value, "augment", all);
done:
    lb_value_free(single);
    lb_value_free(pairs);
    return st;
}

static lb_status open_train(cli_recipe *r) {
    lb_status st = LB_OK;
    LB_TRY(lb_params_from_value(cli_train_params, &r->train, lb_get(r->value, "train")));
    resolve(r->value, "train", cli_train_params, &r->train);
    LB_TRY(lb_params_from_value(lb_optim_params, &r->optim, lb_get(r->value, "optimiser")));
    resolve(r->value, "optimiser", lb_optim_params, &r->optim);
    LB_TRY(lb_params_from_value(cli_eval_params, &r->eval, lb_get(r->value, "eval")));
    resolve(r->value, "eval", cli_eval_params, &r->eval);
    LB_TRY(open_augment(r));
done:
    return st;
}

lb_status cli_recipe_open(cli_recipe **out, const char *path, const lb_text_list *set) {
    static const char *const known[] = {"name",     "seed",       "data",  "tokenizer", "features", "teachers", "streams",    "student",
                                        "students", "objectives", "train", "optimiser", "eval",     "augment",  "federation", NULL};
    lb_status st = LB_OK;
    cli_recipe *r = lb_calloc(1, sizeof *r);
    if (!r) return LB_E_NOMEM;
    LB_TRY(lb_yaml_read(&r->value, path));
    for (int64_t i = 0; i < set->count; i++) {
        char key[256];
        const char *eq = strchr(set->items[i], '=');
        if (!eq || (size_t)(eq - set->items[i]) >= sizeof key) {
            st = cli_usage("--set wants key=value, got '%s'", set->items[i]);
            goto done;
        }
        snprintf(key, sizeof key, "%.*s", (int)(eq - set->items[i]), set->items[i]);
        LB_TRY(lb_value_set(r->value, key, eq + 1));
    }
    LB_TRY(lb_value_only(r->value, "recipe", known));
    r->name = lb_get_text(r->value, "name", "run");
    r->seed = (uint64_t)lb_get_int(r->value, "seed", 0);
    LB_TRY(read_objectives(r));
    LB_TRY(open_train(r));
    LB_TRY(open_data(r));
    LB_TRY(find_labels(r));
    LB_TRY(open_tokenizer(r));
    LB_TRY(open_features(r));
    LB_TRY(open_teachers(r));
    LB_TRY(open_streams(r));
    LB_TRY(recipe_open_student(r));
    LB_TRY(recipe_open_others(r));
    LB_TRY(recipe_open_other_optimisers(r));
    LB_TRY(open_objectives(r));
    LB_TRY(recipe_open_clients(r));
    if (r->made) {
        r->made->nteachers = r->nteachers;
        r->made->teachers = r->teachers;
    }
    LB_TRY(find_fingerprint(r));
    *out = r;
    r = NULL;
done:
    cli_recipe_close(r);
    return st == LB_OK ? st : lb_where(st, "%s", path);
}

void cli_recipe_close(cli_recipe *r) {
    if (!r) return;
    for (int i = 0; i < r->nterms; i++) {
        if (r->terms[i].cfg && r->terms[i].method) lb_params_free(r->terms[i].method->params, r->terms[i].cfg);
        lb_free(r->terms[i].cfg);
        lb_free(r->terms[i].inputs);
        lb_free(r->terms[i].names);
    }
    for (int i = 0; i < r->nstreams; i++) {
        lb_free(r->streams[i].name);
        lb_free(r->streams[i].rows);
    }
    for (int i = 0; i < r->nfeatures; i++) {
        lb_cache_close(r->features[i].cache);
        lb_free(r->features[i].name);
    }
    for (int i = 0; i < r->nteachers; i++) cli_model_close(r->teacher_models[i]);
    lb_params_free(lb_optim_params, &r->optim);
    lb_params_free(cli_eval_params, &r->eval);
    lb_params_free(cli_train_params, &r->train);
    lb_chain_close(r->chain);
    lb_chain_close(r->pairs);
    lb_model_free(r->student);
    for (int i = 0; i < r->nothers; i++) {
        lb_model_free(r->others[i].model);
        lb_params_free(lb_optim_params, &r->other_optims[i]);
    }
    lb_tokenizer_close(r->tokenizer);
    lb_audio_prepare_free(&r->audio);
    lb_free(r->tokenizer_path);
    lb_free(r->labels);
    lb_items_free(r->items);
    cli_made_close(r->made);
    lb_value_free(r->value);
    lb_value_free(r->sources);
    lb_free(r);
}

lb_status cli_recipe_source(cli_source **out, cli_recipe *r, const lb_crew *crew) {
    return cli_source_open(out, &(cli_source_spec){.items = r->items,
                                                   .image = r->has_image ? &r->image : NULL,
                                                   .audio = r->has_audio ? &r->audio : NULL,
                                                   .tokenizer = r->tokenizer,
                                                   .max_tokens = r->train.max_tokens,
                                                   .nfeatures = r->nfeatures,
                                                   .features = r->features,
                                                   .nstreams = r->nstreams,
                                                   .streams = r->streams,
                                                   .augment = r->augment,
                                                   .chain = r->chain,
                                                   .pairs = r->pairs,
                                                   .labels = (const char *const *)r->labels,
                                                   .label_count = r->label_count,
                                                   .mask_nonzero = lb_get_bool(r->value, "data.mask_nonzero", false),
                                                   .seed = r->seed,
                                                   .memory = r->train.memory_mib << 20,
                                                   .workers = r->train.workers,
                                                   .by_chunks = strcmp(r->train.order, "chunks") == 0,
                                                   .part = crew->rank,
                                                   .parts = crew->count});
}
