/* SPDX-License-Identifier: Apache-2.0 */
/* `limbeck search`: the rows of a feature file or cache nearest to pictures or texts, by cosine. The index is read in parts, whatever its size. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/base64.h"
#include "base/file.h"
#include "cli/eval.h"
#include "eval/report.h"
#include "io/decoder.h"
#include "io/image.h"

enum { PART = 1 << 15, SIDE = 96, PROBLEMS = 5 };

typedef struct options {
    cli_items items;
    const char *index, *model, *image_tap, *text_tap, *html;
    lb_text_list query;
    int64_t top;
} options;

static const lb_param params[] = {
    LB_PARAM_WORD(options, index, "PATH[:TAP]", "feature file or cache folder that is searched; the tap may be left out when there is one"),
    LB_PARAM_WORD(options, model, "NAME|PATH", "what made the index, or its partner: the queries go through it"),
    LB_PARAM_LIST(options, query, "FILE|TEXT", "pictures by file, anything else is a text; repeat for several"),
    LB_PARAM(options, top, 10, 1, 100000, "items", "nearest items of each query"),
    LB_PARAM_TEXT(options, image_tap, "image_embed", NULL, "tap of pictures"),
    LB_PARAM_TEXT(options, text_tap, "text_embed", NULL, "tap of texts"),
    LB_PARAM_WORD(options, html, "X.html", "the hits as a page of pictures, which --input has by the index's keys"),
    CLI_ITEMS_PARAMS(options),
    LB_PARAM_END};

typedef struct job {
    const options *o;
    lb_cli *cli;
    cli_model *model;
    lb_cache *cache;
    int tap;
    int64_t n, width, k;  /* queries */
    float *query, *score; /* [n, width], [n, k] */
    int64_t *hit, *have;
    lb_items *shown;      /* NULL without --html */
} job;

/* ---- queries ---- */

static bool is_picture(const char *word) {
    lb_media_info info;
    bool picture = lb_file_exists(word) && !lb_is_folder(word) && lb_media_probe(&info, word) == LB_OK && strcmp(info.kind, "image") == 0;
    lb_error_clear();
    return picture;
}

static void normalise(float *row, int64_t d) {
    double sum = 0;
    for (int64_t k = 0; k < d; k++) sum += (double)row[k] * row[k];
    float by = sum > 0 ? (float)(1 / sqrt(sum)) : 0;
    for (int64_t k = 0; k < d; k++) row[k] *= by;
}

/* One query as a list of one item. */
static lb_status embed(const job *j, const char *word, float *to) {
    lb_status st = LB_OK;
    bool picture = is_picture(word);
    lb_item item = {.key = (char *)(uintptr_t)word, .image = picture ? (char *)(uintptr_t)word : NULL, .text = picture ? NULL : (char *)(uintptr_t)word, .text_size = strlen(word)};
    lb_items items = {.at = &item, .count = 1};
    cli_source *source = NULL;
    float *values = NULL;
    int64_t width = 0;
    if (picture && !j->model->has_image)
        return lb_fail(LB_E_UNSUPPORTED, "search: %s is a picture; %s takes none%s%s", word, j->o->model, j->model->why_no_image ? ": " : "",
                       j->model->why_no_image ? j->model->why_no_image : "");
    if (!picture && !j->model->tokenizer)
        return lb_fail(LB_E_UNSUPPORTED, "search: '%s' is no picture that can be read, and %s takes no text%s%s", word, j->o->model,
                       j->model->why_no_text ? ": " : "", j->model->why_no_text ? j->model->why_no_text : "");
    cli_source_spec spec = {.items = &items, .image = picture ? &j->model->image : NULL, .tokenizer = j->model->tokenizer, .max_tokens = j->model->max_tokens, .workers = 1};
    LB_TRY(cli_source_open(&source, &spec));
    LB_TRY(cli_source_embed(source, j->model->model, &(int64_t){0}, 1, picture, !picture, picture ? j->o->image_tap : j->o->text_tap, &values, &width));
    if (width != j->width) {
        st = lb_fail(LB_E_SHAPE, "search: %s gives %lld numbers, rows of %s have %lld", j->o->model, (long long)width, j->o->index, (long long)j->width);
        goto done;
    }
    memcpy(to, values, (size_t)width * sizeof *to);
    normalise(to, width);
done:
    lb_free(values);
    cli_source_close(source);
    return st;
}

/* ---- the index ---- */

/* PATH or PATH:TAP. */
static lb_status open_index(job *j) {
    char path[1200];
    const char *colon = lb_file_exists(j->o->index) ? NULL : strrchr(j->o->index, ':');
    snprintf(path, sizeof path, "%.*s", colon ? (int)(colon - j->o->index) : (int)strlen(j->o->index), j->o->index);
    lb_status st = lb_cache_open(&j->cache, path);
    if (st != LB_OK) return st;
    j->tap = colon ? lb_cache_tap_find(j->cache, colon + 1) : lb_cache_taps(j->cache) == 1 ? 0 : -1;
    if (j->tap < 0) {
        lb_buf names = {0};
        for (int t = 0; t < lb_cache_taps(j->cache); t++) lb_buf_format(&names, "%s%s", t ? ", " : "", lb_cache_tap_at(j->cache, t)->name);
        st = colon ? lb_fail(LB_E_NOTFOUND, "%s has no tap '%s'; it has %s", path, colon + 1, lb_buf_str(&names))
                   : cli_usage("%s has several taps: --index %s:TAP, one of %s", path, path, lb_buf_str(&names));
        lb_buf_free(&names);
        return st;
    }
    const lb_cache_tap *tap = lb_cache_tap_at(j->cache, j->tap);
    if (tap->ragged || tap->rank != 1) return lb_fail(LB_E_SHAPE, "%s: tap '%s' is no vector an item", path, tap->name);
    j->width = tap->shape[0];
    return LB_OK;
}

/* Parts of the index in turn; failed rows are left out, so parts are made of runs of good ones. */
static lb_status scan(job *j) {
    lb_status st = LB_OK;
    int64_t all = lb_cache_rows(j->cache);
    int64_t *rows = lb_alloc(PART, sizeof *rows);
    float *values = lb_alloc((size_t)PART * (size_t)j->width, sizeof *values);
    if (!rows || !values) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int64_t at = 0; at < all;) {
        int64_t first = at, n = 0;
        while (first < all && lb_cache_row_status(j->cache, first)) first++;
        for (at = first; at < all && n < PART && !lb_cache_row_status(j->cache, at); at++) rows[n++] = at;
        if (lb_progress_stopped(&j->cli->progress)) {
            st = lb_fail(LB_E_CANCELLED, "search: stopped");
            goto done;
        }
        LB_TRY(lb_cache_read(j->cache, j->tap, n, rows, values));
        for (int64_t i = 0; i < n; i++) normalise(values + i * j->width, j->width);
        LB_TRY(lb_top_k_add(j->hit, j->score, j->have, j->query, j->n, values, first, n, j->width, j->k));
    }
done:
    lb_free(rows);
    lb_free(values);
    return st;
}

/* ---- results ---- */

static lb_status print(const job *j, int64_t q) {
    lb_status st = LB_OK;
    const char *word = j->o->query.items[q];
    if (j->cli->json) {
        lb_value *v = lb_value_map(), *list = lb_value_list();
        lb_map_text(v, "query", word);
        for (int64_t i = 0; i < j->have[q]; i++) {
            lb_value *hit = lb_value_map();
            lb_map_text(hit, "key", lb_cache_key(j->cache, j->hit[q * j->k + i]));
            lb_map_real(hit, "score", j->score[q * j->k + i]);
            lb_list_put(list, hit);
        }
        lb_map_put(v, "hits", list);
        st = cli_json(v);
        lb_value_free(v);
        return st;
    }
    LB_TRY(cli_print("%s", word));
    for (int64_t i = 0; i < j->have[q]; i++) LB_TRY(cli_print("  %.4f  %s", (double)j->score[q * j->k + i], lb_cache_key(j->cache, j->hit[q * j->k + i])));
done:
    return st;
}

/* A small picture as a data URI under "image"; one that cannot be made leaves its text alone. */
static void add_picture(lb_value *v, lb_image *img) {
    lb_image small = {0};
    lb_buf png = {0}, uri = {0};
    int32_t longest = img->width > img->height ? img->width : img->height, w = img->width * SIDE / longest, h = img->height * SIDE / longest;
    if (lb_image_resize(&small, img, w < 1 ? 1 : w, h < 1 ? 1 : h, LB_FILTER_LANCZOS) == LB_OK && lb_png_encode(&png, &small) == LB_OK) {
        lb_buf_text(&uri, "data:image/png;base64,");
        lb_base64(&uri, png.data, png.size);
        if (lb_buf_status(&uri) == LB_OK) lb_map_text(v, "image", lb_buf_str(&uri));
    }
    lb_error_clear();
    lb_image_free(&small);
    lb_buf_free(&png);
    lb_buf_free(&uri);
}

static lb_value *shown_query(const char *word) {
    lb_value *v = lb_value_map();
    lb_image img = {0};
    lb_map_text(v, "text", word);
    if (is_picture(word) && lb_image_read_rgb(&img, word, NULL) == LB_OK) add_picture(v, &img);
    lb_image_free(&img);
    return v;
}

static lb_value *shown_hit(const job *j, int64_t row) {
    lb_value *v = lb_value_map();
    lb_image img = {0};
    const char *key = lb_cache_key(j->cache, row);
    int64_t at = lb_items_find(j->shown, key);
    const lb_item *item = at >= 0 ? &j->shown->at[at] : NULL;
    lb_map_bytes(v, "text", item && item->text ? item->text : key, item && item->text ? item->text_size : strlen(key));
    if (item && lb_item_image(&img, j->shown, item) == LB_OK) add_picture(v, &img);
    lb_error_clear();
    lb_image_free(&img);
    return v;
}

static lb_status write_page(const job *j) {
    lb_value *page = lb_value_map(), *sections = lb_value_list(), *section = lb_value_map(), *grid = lb_value_map(), *rows = lb_value_list(), *facts = lb_value_list();
    lb_buf html = {0};
    for (int64_t q = 0; q < j->n; q++) {
        lb_value *row = lb_value_map(), *hits = lb_value_list();
        lb_map_put(row, "query", shown_query(j->o->query.items[q]));
        for (int64_t i = 0; i < j->have[q]; i++) {
            lb_value *v = shown_hit(j, j->hit[q * j->k + i]);
            lb_map_real(v, "score", j->score[q * j->k + i]);
            lb_list_put(hits, v);
        }
        lb_map_put(row, "hits", hits);
        lb_list_put(rows, row);
    }
    lb_map_put(grid, "rows", rows);
    lb_map_text(section, "title", "Nearest items");
    lb_map_put(section, "grid", grid);
    lb_list_put(sections, section);
    lb_map_text(page, "title", "Limbeck search");
    lb_map_put(page, "facts", facts);
    lb_map_put(page, "sections", sections);
    lb_status st = lb_report_html(&html, page);
    if (st == LB_OK) st = lb_file_write(j->o->html, html.data, html.size);
    lb_value_free(page);
    lb_buf_free(&html);
    return st;
}

static lb_status run(lb_cli *cli, void *opts) {
    const options *o = opts;
    lb_status st = LB_OK;
    job j = {.o = o, .cli = cli, .n = o->query.count, .k = o->top};
    int64_t *indices = NULL, count = 0;
    if (!o->index || !o->model || o->query.count == 0) return cli_usage("search wants --index, --model and --query");
    if (o->html && o->items.input.count == 0) return cli_usage("--html wants the items by --input");
    LB_TRY(open_index(&j));
    LB_TRY(cli_model_open(&j.model, o->model));
    if (o->html) LB_TRY(cli_items_open(&j.shown, &indices, &count, &o->items, PROBLEMS));
    j.query = lb_alloc((size_t)(j.n * j.width) + 1, sizeof *j.query);
    j.score = lb_alloc((size_t)(j.n * j.k) + 1, sizeof *j.score);
    j.hit = lb_alloc((size_t)(j.n * j.k) + 1, sizeof *j.hit);
    j.have = lb_calloc((size_t)j.n, sizeof *j.have);
    if (!j.query || !j.score || !j.hit || !j.have) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int64_t q = 0; q < j.n; q++) LB_TRY(embed(&j, o->query.items[q], j.query + q * j.width));
    LB_TRY(scan(&j));
    for (int64_t q = 0; q < j.n; q++) LB_TRY(print(&j, q));
    if (o->html) LB_TRY(write_page(&j));
done:
    lb_free(j.query);
    lb_free(j.score);
    lb_free(j.hit);
    lb_free(j.have);
    lb_free(indices);
    lb_items_free(j.shown);
    cli_model_close(j.model);
    lb_cache_close(j.cache);
    return st;
}

LB_VERB(search) = {.id = "search", .title = "the items of a feature file nearest to pictures or texts", .source = "", .params = params, .params_size = sizeof(options),
                   .usage = "search --index PATH[:TAP] --model MODEL --query FILE|TEXT ... [--html X.html --input ...]", .min_words = 0, .max_words = 0,
                   .help = "Rows are compared by cosine. --json prints one line a query. An example, after the demo:\n"
                           "limbeck search --index out/demo/cache/teacher-pictures --model out/demo/distilled-0/model --query 'a sad cat'", .run = run};
