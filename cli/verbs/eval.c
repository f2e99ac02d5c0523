/* SPDX-License-Identifier: Apache-2.0 */
/* `limbeck eval retrieval|zeroshot`: scores of a model over items, or of feature files. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/items.h"
#include "cli/scores.h"
#include "cli/source.h"
#include "eval/metric.h"

typedef struct options {
    cli_items items;
    const char *model, *image, *text, *image_tap, *text_tap;
    lb_text_list features, template;
    int64_t bootstrap;
} options;

static const lb_param params[] = {
    LB_PARAM_WORD(options, model, "NAME|PATH", "fetched name, model folder or run folder"),
    CLI_ITEMS_PARAMS(options),
    LB_PARAM_LIST(options, features, "NAME=FILE:TAP", "a model's inputs that are cached features, joined by key"),
    LB_PARAM_WORD(options, image, "FILE:TAP", "the pictures' rows, in place of a model (retrieval)"),
    LB_PARAM_WORD(options, text, "FILE:TAP", "the texts' rows; equal keys belong together"),
    LB_PARAM_TEXT(options, image_tap, "image_embed", NULL, "tap of pictures"),
    LB_PARAM_TEXT(options, text_tap, "text_embed", NULL, "tap of texts"),
    LB_PARAM_LIST(options, template, "TEXT", "zero-shot text of a class, {} stands for its label; repeat for several; default {}"),
    LB_PARAM(options, bootstrap, 1000, 0, 1000000, "draws", "resamples for the 95% intervals; 0 = none"),
    LB_PARAM_END};

/* ---- what is scored: rows of a feature file ---- */

typedef struct rows {
    lb_cache *cache;
    int tap;
    int64_t n, width, *row;
    float *values;
} rows;

static void rows_close(rows *r) {
    lb_cache_close(r->cache);
    lb_free(r->row);
    lb_free(r->values);
}

static lb_status rows_open(rows *r, const char *word) {
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

static lb_tensor view(const void *data, lb_dtype dtype, int rank, const int64_t *shape) {
    lb_tensor x = {.dtype = dtype, .rank = rank, .data = (void *)(uintptr_t)data};
    int64_t step = 1;
    for (int d = rank - 1; d >= 0; d--) {
        x.shape[d] = shape[d];
        x.stride[d] = step;
        step *= shape[d];
    }
    return x;
}

static lb_status score_with(lb_value *out, const char *metric, const options *o, int nin, const lb_metric_input *in) {
    lb_status st = LB_OK;
    const lb_head *head = NULL;
    void *cfg = NULL;
    LB_TRY(lb_family_find(&head, &lb_metrics, metric));
    if (!(cfg = lb_calloc(1, head->params_size + 1))) return LB_E_NOMEM;
    LB_TRY(lb_params_default(head->params, cfg));
    const lb_param *draws = head->params ? lb_param_find(head->params, "bootstrap") : NULL;
    if (draws) LB_TRY(lb_param_set_number(draws, cfg, (double)o->bootstrap));
    LB_TRY(((const lb_metric *)head)->score(out, cfg, nin, in));
done:
    if (cfg) lb_params_free(head->params, cfg);
    lb_free(cfg);
    return st;
}

static lb_status retrieval_of_files(lb_value *out, const options *o) {
    lb_status st = LB_OK;
    rows a = {0}, b = {0};
    int64_t *ia = NULL, *ib = NULL;
    if (!o->image || !o->text) return cli_usage("eval retrieval wants --model with --input, or both --image and --text");
    LB_TRY(rows_open(&a, o->image));
    LB_TRY(rows_open(&b, o->text));
    ia = lb_alloc((size_t)a.n + 1, sizeof *ia);
    ib = lb_alloc((size_t)b.n + 1, sizeof *ib);
    if (!ia || !ib) {
        st = LB_E_NOMEM;
        goto done;
    }
    /* Ids are rows of the pictures' file; a text without its picture gets an id of its own and is nobody's positive. */
    for (int64_t i = 0; i < a.n; i++) ia[i] = a.row[i];
    for (int64_t i = 0; i < b.n; i++) {
        int64_t row = lb_cache_find(a.cache, lb_cache_key(b.cache, b.row[i]));
        ib[i] = row >= 0 ? row : -1 - i;
    }
    lb_tensor image = view(a.values, LB_F32, 2, (int64_t[]){a.n, a.width}), text = view(b.values, LB_F32, 2, (int64_t[]){b.n, b.width});
    lb_tensor image_id = view(ia, LB_I64, 1, &a.n), text_id = view(ib, LB_I64, 1, &b.n);
    LB_TRY(score_with(out, "retrieval", o, 4, (lb_metric_input[]){{"image", &image}, {"text", &text}, {"image_id", &image_id}, {"text_id", &text_id}}));
done:
    lb_free(ia);
    lb_free(ib);
    rows_close(&a);
    rows_close(&b);
    return st;
}

/* ---- what is scored: a model over items ---- */

typedef struct session {
    cli_model *model;
    lb_items *items;
    int64_t *index, count;
    cli_feature features[8];
    int nfeatures;
    cli_source *source;
} session;

static void session_close(session *s) {
    cli_source_close(s->source);
    for (int i = 0; i < s->nfeatures; i++) {
        lb_cache_close(s->features[i].cache);
        lb_free(s->features[i].name);
    }
    lb_free(s->index);
    lb_items_free(s->items);
    cli_model_close(s->model);
}

static lb_status open_features(session *s, const lb_text_list *words) {
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
static int text_features(const session *s) {
    int n = 0;
    while (n < s->nfeatures && s->features[n].of_text) n++;
    return n;
}

static cli_source_spec source_spec(const session *s, const lb_items *items, bool text_only) {
    return (cli_source_spec){.items = items, .image = s->model->has_image && !text_only ? &s->model->image : NULL, .tokenizer = s->model->tokenizer, .max_tokens = s->model->max_tokens,
                             .nfeatures = text_only ? text_features(s) : s->nfeatures, .features = (cli_feature *)(uintptr_t)s->features, .memory = 0, .workers = 1};
}

static int texts_first(const void *a, const void *b) { return (int)((const cli_feature *)b)->of_text - (int)((const cli_feature *)a)->of_text; }

static lb_status session_open(session *s, const options *o) {
    lb_status st = LB_OK;
    LB_TRY(cli_model_open(&s->model, o->model));
    LB_TRY(cli_items_open(&s->items, &s->index, &s->count, &o->items, 5));
    LB_TRY(open_features(s, &o->features));
    qsort(s->features, (size_t)s->nfeatures, sizeof *s->features, texts_first);
    cli_source_spec spec = source_spec(s, s->items, false);
    LB_TRY(cli_source_open(&s->source, &spec));
done:
    return st;
}

static lb_status retrieval_of_model(lb_value *out, const options *o) {
    lb_status st = LB_OK;
    session s = {0};
    float *image = NULL, *text = NULL;
    int64_t *id = NULL, wi = 0, wt = 0;
    LB_TRY(session_open(&s, o));
    LB_TRY(cli_source_embed(s.source, s.model->model, s.index, s.count, true, false, o->image_tap, &image, &wi));
    LB_TRY(cli_source_embed(s.source, s.model->model, s.index, s.count, false, true, o->text_tap, &text, &wt));
    if (!(id = lb_alloc((size_t)s.count, sizeof *id))) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int64_t i = 0; i < s.count; i++) id[i] = i;
    lb_tensor a = view(image, LB_F32, 2, (int64_t[]){s.count, wi}), b = view(text, LB_F32, 2, (int64_t[]){s.count, wt}), ids = view(id, LB_I64, 1, &s.count);
    LB_TRY(score_with(out, "retrieval", o, 4, (lb_metric_input[]){{"image", &a}, {"text", &b}, {"image_id", &ids}, {"text_id", &ids}}));
done:
    lb_free(id);
    lb_free(image);
    lb_free(text);
    session_close(&s);
    return st;
}

/* ---- zero-shot: the items' labels put into templates ---- */

static void put_label(lb_buf *out, const char *template, const char *label) {
    const char *at = strstr(template, "{}");
    lb_buf_add(out, template, at ? (size_t)(at - template) : strlen(template));
    if (at) lb_buf_format(out, "%s%s", label, at + 2);
}

/* Embeds every (class, template) text as if it were an item of that key. */
static lb_status embed_classes(float **out, int64_t *width, session *s, const options *o, char **labels, int64_t classes, int64_t *templates) {
    static char *plain[] = {(char *)(uintptr_t)"{}"};
    char **forms = o->template.count ? o->template.items : plain;
    *templates = o->template.count ? o->template.count : 1;
    lb_status st = LB_OK;
    int64_t n = classes * *templates;
    lb_item *item = lb_calloc((size_t)n + 1, sizeof *item);
    int64_t *index = lb_alloc((size_t)n + 1, sizeof *index);
    cli_source *source = NULL;
    lb_items texts = {.at = item, .count = n};
    if (!item || !index) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int64_t i = 0; i < n; i++) {
        lb_buf b = {0};
        put_label(&b, forms[i % *templates], labels[i / *templates]);
        item[i].text_size = b.size;
        item[i].key = item[i].text = lb_buf_take(&b);
        index[i] = i;
        if (!item[i].text) {
            st = LB_E_NOMEM;
            goto done;
        }
    }
    cli_source_spec spec = source_spec(s, &texts, true);
    LB_TRY(cli_source_open(&source, &spec));
    LB_TRY(cli_source_embed(source, s->model->model, index, n, false, true, o->text_tap, out, width));
done:
    cli_source_close(source);
    for (int64_t i = 0; item && i < n; i++) lb_free(item[i].text);
    lb_free(item);
    lb_free(index);
    return st;
}

static lb_status zeroshot_of_model(lb_value *out, const options *o) {
    lb_status st = LB_OK;
    session s = {0};
    char **labels = NULL;
    float *image = NULL, *class = NULL;
    int64_t *label = NULL, classes = 0, templates = 0, wi = 0, wt = 0;
    LB_TRY(session_open(&s, o));
    if (!s.model->tokenizer && text_features(&s) == 0) {
        st = lb_fail(LB_E_UNSUPPORTED, "eval zeroshot: %s takes no text (no tokenizer beside it, and no --features text...=FILE:TAP with the classes' rows)", o->model);
        goto done;
    }
    LB_TRY(cli_items_labels(&labels, &classes, s.items, s.index, s.count));
    LB_TRY(cli_source_embed(s.source, s.model->model, s.index, s.count, true, false, o->image_tap, &image, &wi));
    LB_TRY(embed_classes(&class, &wt, &s, o, labels, classes, &templates));
    if (!(label = lb_alloc((size_t)s.count, sizeof *label))) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int64_t i = 0; i < s.count; i++)
        for (int64_t k = 0; k < classes; k++)
            if (strcmp(labels[k], s.items->at[s.index[i]].label) == 0) label[i] = k;
    lb_tensor a = view(image, LB_F32, 2, (int64_t[]){s.count, wi}), b = view(class, LB_F32, 3, (int64_t[]){classes, templates, wt}), l = view(label, LB_I64, 1, &s.count);
    LB_TRY(score_with(out, "zeroshot", o, 3, (lb_metric_input[]){{"image", &a}, {"class", &b}, {"label", &l}}));
done:
    lb_free(labels);
    lb_free(label);
    lb_free(image);
    lb_free(class);
    session_close(&s);
    return st;
}

static lb_status print_scores(const lb_value *v, const char *indent) {
    lb_status st = LB_OK;
    for (int64_t i = 0; i < v->count; i++) {
        const lb_value *x = v->items[i];
        if (x->kind == LB_V_MAP) {
            LB_TRY(cli_print("%s%s:", indent, v->keys[i]));
            LB_TRY(print_scores(x, "  "));
        } else if (x->kind == LB_V_REAL) LB_TRY(cli_print("%s%-18s %.2f", indent, v->keys[i], x->real));
        else if (x->kind == LB_V_INT) LB_TRY(cli_print("%s%-18s %lld", indent, v->keys[i], (long long)x->integer));
        else if (x->kind == LB_V_TEXT) LB_TRY(cli_print("%s%-18s %s", indent, v->keys[i], x->text));
        else if (x->kind == LB_V_LIST && x->count == 2) LB_TRY(cli_print("%s%-18s %.2f .. %.2f", indent, v->keys[i], x->items[0]->real, x->items[1]->real));
    }
done:
    return st;
}

static lb_status run(lb_cli *cli, void *opts) {
    const options *o = opts;
    lb_status st = LB_OK;
    lb_value *out = lb_value_map();
    if (strcmp(cli->words[0], "retrieval") == 0) LB_TRY(o->model ? retrieval_of_model(out, o) : retrieval_of_files(out, o));
    else if (strcmp(cli->words[0], "zeroshot") == 0) {
        if (!o->model) {
            st = cli_usage("eval zeroshot wants --model and --input");
            goto done;
        }
        LB_TRY(zeroshot_of_model(out, o));
    } else {
        st = cli_usage("eval knows retrieval and zeroshot, not '%s'", cli->words[0]);
        goto done;
    }
    st = cli->json ? cli_json(out) : print_scores(out, "");
done:
    lb_value_free(out);
    return st;
}

LB_VERB(eval) = {.id = "eval", .title = "scores of a model over items, or of feature files", .source = "", .params = params, .params_size = sizeof(options),
                 .usage = "eval retrieval|zeroshot --model MODEL --input ... | eval retrieval --image FILE:TAP --text FILE:TAP", .min_words = 1, .max_words = 1,
                 .help = "retrieval: R@1/5/10, median rank, both ways, with 95% intervals. zeroshot: the items' labels as texts; top-1, top-5, mean class recall.\n"
                         "A model over cached features takes the classes' rows by their texts: limbeck list --labels makes their list for `limbeck encode`.", .run = run};
