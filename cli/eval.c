/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/eval.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVAL(id) extern const lb_eval lb_eval_##id;
#include "cli/evals.def"
#undef EVAL
static const lb_head *const members[] = {
#define EVAL(id) (const lb_head *)&lb_eval_##id,
#include "cli/evals.def"
#undef EVAL
};
const lb_family lb_evals = {.name = "evals", .text = "what eval scores", .def = "cli/evals.def", .dir = "cli/evals", .count = (int)LB_COUNT(members), .members = members};

/* ---- rows of a feature file ---- */

void cli_eval_rows_close(cli_eval_rows *r) {
    lb_cache_close(r->cache);
    lb_free(r->row);
    lb_free(r->values);
}

lb_status cli_eval_rows_open(cli_eval_rows *r, const char *word) {
    lb_status st = LB_OK;
    char path[1024];
    const char *colon = strrchr(word, ':');
    if (!colon || (size_t)(colon - word) >= sizeof path) return cli_usage("FILE:TAP wanted, got '%s'", word);
    snprintf(path, sizeof path, "%.*s", (int)(colon - word), word);
    LB_TRY(lb_cache_open(&r->cache, path));
    r->tap = lb_cache_tap_find(r->cache, colon + 1);
    if (r->tap < 0) return lb_fail(LB_E_NOTFOUND, "%s has no tap '%s'", path, colon + 1);
    const lb_cache_tap *tap = lb_cache_tap_at(r->cache, r->tap);
    if (tap->rank != 1 || tap->ragged) return lb_fail(LB_E_SHAPE, "%s: tap '%s' is no vector an item", path, colon + 1);
    r->width = tap->shape[0];
    int64_t all = lb_cache_rows(r->cache);
    r->row = lb_alloc((size_t)all + 1, sizeof *r->row);
    if (!r->row) return LB_E_NOMEM;
    for (int64_t i = 0; i < all; i++)
        if (lb_cache_row_status(r->cache, i) == 0) r->row[r->n++] = i;
    if (!(r->values = lb_alloc((size_t)(r->n * r->width) + 1, sizeof *r->values))) return LB_E_NOMEM;
    LB_TRY(lb_cache_read(r->cache, r->tap, r->n, r->row, r->values));
done:
    return st;
}

lb_tensor cli_eval_view(const void *data, lb_dtype dtype, int rank, const int64_t *shape) {
    lb_tensor x = {.dtype = dtype, .rank = rank, .data = (void *)(uintptr_t)data};
    int64_t step = 1;
    for (int d = rank - 1; d >= 0; d--) {
        x.shape[d] = shape[d];
        x.stride[d] = step;
        step *= shape[d];
    }
    return x;
}

lb_status cli_eval_score(lb_value *out, const char *metric, const cli_eval_words *o, lb_cli *cli, int nin, const lb_metric_input *in) {
    lb_status st = LB_OK;
    const lb_head *head = NULL;
    void *cfg = NULL;
    lb_value *set = NULL;
    LB_TRY(lb_family_find(&head, &lb_metrics, metric));
    LB_TRY(cli_key_values(&set, &o->set));
    if (head->params && lb_param_find(head->params, "bootstrap")) lb_map_int(set, "bootstrap", o->bootstrap);
    if (head->params && lb_param_find(head->params, "seed") && !lb_get(set, "seed")) lb_map_int(set, "seed", (int64_t)cli->seed);
    if (!(cfg = lb_calloc(1, head->params_size + 1))) {
        st = LB_E_NOMEM;
        goto done;
    }
    if ((st = lb_params_from_value(head->params, cfg, set)) != LB_OK) {
        lb_free(cfg);
        cfg = NULL;
        goto done;
    }
    st = ((const lb_metric *)head)->score(out, cfg, nin, in);
done:
    if (cfg) lb_params_free(head->params, cfg);
    lb_free(cfg);
    lb_value_free(set);
    return st;
}

/* ---- a model over items ---- */

void cli_eval_session_close(cli_eval_session *s) {
    cli_source_close(s->source);
    for (int i = 0; i < s->nfeatures; i++) {
        lb_cache_close(s->features[i].cache);
        lb_free(s->features[i].name);
    }
    lb_free(s->index);
    lb_items_free(s->items);
    cli_model_close(s->model);
}

static lb_status open_features(cli_eval_session *s, const lb_text_list *words) {
    lb_status st = LB_OK;
    for (int64_t i = 0; i < words->count; i++) {
        char path[1024];
        const char *word = words->items[i], *eq = strchr(word, '='), *colon = strrchr(word, ':');
        if (!eq || !colon || colon < eq || (size_t)(colon - eq) > sizeof path) return cli_usage("--features wants name=FILE:TAP, got '%s'", word);
        if (s->nfeatures == (int)LB_COUNT(s->features)) return cli_usage("at most %d features", (int)LB_COUNT(s->features));
        cli_feature *f = &s->features[s->nfeatures];
        snprintf(path, sizeof path, "%.*s", (int)(colon - eq - 1), eq + 1);
        LB_TRY(lb_cache_open(&f->cache, path));
        s->nfeatures++;
        f->name = lb_strndup(word, (size_t)(eq - word));
        f->of_text = strncmp(word, "text", 4) == 0;
        f->tap = lb_cache_tap_find(f->cache, colon + 1);
        if (!f->name) return LB_E_NOMEM;
        if (f->tap < 0) return lb_fail(LB_E_NOTFOUND, "%s has no tap '%s'", path, colon + 1);
    }
done:
    return st;
}

/* Features of texts stand first: those a source of texts alone takes. */
int cli_eval_text_features(const cli_eval_session *s) {
    int n = 0;
    while (n < s->nfeatures && s->features[n].of_text) n++;
    return n;
}

cli_source_spec cli_eval_source_spec(const cli_eval_session *s, const lb_items *items, bool text_only) {
    return (cli_source_spec){.items = items, .image = s->model->has_image && !text_only ? &s->model->image : NULL, .tokenizer = s->model->tokenizer, .max_tokens = s->model->max_tokens,
                             .nfeatures = text_only ? cli_eval_text_features(s) : s->nfeatures, .features = (cli_feature *)(uintptr_t)s->features, .memory = 0, .workers = 1};
}

static int texts_first(const void *a, const void *b) { return (int)((const cli_feature *)b)->of_text - (int)((const cli_feature *)a)->of_text; }

lb_status cli_eval_session_open(cli_eval_session *s, const cli_eval_words *o) {
    lb_status st = LB_OK;
    LB_TRY(cli_model_open(&s->model, o->model));
    LB_TRY(cli_items_open(&s->items, &s->index, &s->count, &o->items, 5));
    LB_TRY(open_features(s, &o->features));
    qsort(s->features, (size_t)s->nfeatures, sizeof *s->features, texts_first);
    cli_source_spec spec = cli_eval_source_spec(s, s->items, false);
    LB_TRY(cli_source_open(&s->source, &spec));
done:
    return st;
}
