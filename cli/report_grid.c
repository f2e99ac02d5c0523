/* SPDX-License-Identifier: Apache-2.0 */
/* Queries with their first hits as pictures, inside the page. */
#include <stdio.h>
#include "base/base64.h"
#include "cli/models.h"
#include "cli/report_page.h"
#include "cli/source.h"
#include "eval/metric.h"
#include "io/image.h"

enum { HITS = 5, SIDE = 64, PROBLEMS = 5 };

typedef struct gallery {
    cli_model *model;
    lb_items *items;
    int64_t *index, count;
    cli_source *source;
    float *image, *text;
    int64_t width;
} gallery;

static void gallery_close(gallery *g) {
    cli_source_close(g->source);
    lb_free(g->image);
    lb_free(g->text);
    lb_free(g->index);
    lb_items_free(g->items);
    cli_model_close(g->model);
}

static lb_status gallery_open(gallery *g, const char *model, const cli_items *items) {
    lb_status st = LB_OK;
    int64_t text_width = 0;
    LB_TRY(cli_model_open(&g->model, model));
    LB_TRY(cli_items_open(&g->items, &g->index, &g->count, items, PROBLEMS));
    if (!g->model->has_image || !g->model->tokenizer) return lb_fail(LB_E_ARG, "%s: a grid wants a model of pictures and texts", model);
    cli_source_spec spec = {.items = g->items, .image = &g->model->image, .tokenizer = g->model->tokenizer, .max_tokens = g->model->max_tokens, .workers = 1};
    LB_TRY(cli_source_open(&g->source, &spec));
    LB_TRY(cli_source_embed(g->source, g->model->model, g->index, g->count, true, false, "image_embed", &g->image, &g->width));
    LB_TRY(cli_source_embed(g->source, g->model->model, g->index, g->count, false, true, "text_embed", &g->text, &text_width));
    if (text_width != g->width) st = lb_fail(LB_E_SHAPE, "%s: pictures give %lld numbers, texts %lld", model, (long long)g->width, (long long)text_width);
done:
    return st;
}

/* A small picture as a data URI, at most SIDE wide or high. */
static lb_status data_uri(lb_buf *out, const gallery *g, int64_t i) {
    lb_status st = LB_OK;
    lb_image img = {0}, small = {0};
    lb_buf png = {0};
    LB_TRY(lb_item_image(&img, g->items, &g->items->at[g->index[i]]));
    int32_t longest = img.width > img.height ? img.width : img.height, w = img.width * SIDE / longest, h = img.height * SIDE / longest;
    LB_TRY(lb_image_resize(&small, &img, w < 1 ? 1 : w, h < 1 ? 1 : h, LB_FILTER_LANCZOS));
    LB_TRY(lb_png_encode(&png, &small));
    lb_buf_text(out, "data:image/png;base64,");
    lb_base64(out, png.data, png.size);
    st = lb_buf_status(out);
done:
    lb_image_free(&img);
    lb_image_free(&small);
    lb_buf_free(&png);
    return st;
}

static lb_status shown(lb_value **out, const gallery *g, int64_t i, bool picture) {
    const lb_item *item = &g->items->at[g->index[i]];
    lb_buf uri = {0};
    lb_value *v = lb_value_map();
    lb_status st = picture ? data_uri(&uri, g, i) : LB_OK;
    if (st == LB_OK) {
        lb_map_bytes(v, "text", item->text ? item->text : item->key, item->text ? item->text_size : 0);
        if (picture) lb_map_text(v, "image", lb_buf_str(&uri));
    }
    lb_buf_free(&uri);
    *out = v;
    return st;
}

static lb_status one_way(lb_value *sections, const gallery *g, int64_t queries, bool from_text) {
    lb_status st = LB_OK;
    int64_t hits[HITS];
    float score[HITS];
    int64_t k = g->count < HITS ? g->count : HITS;
    const float *from = from_text ? g->text : g->image, *to = from_text ? g->image : g->text;
    lb_value *section = lb_value_map(), *grid = lb_value_map(), *rows = lb_value_list();
    for (int64_t q = 0; q < queries && st == LB_OK; q++) {
        int64_t i = q * g->count / queries;
        lb_value *row = lb_value_map(), *list = lb_value_list(), *v = NULL;
        st = lb_top_k(hits, score, from + i * g->width, 1, to, g->count, g->width, k);
        if (st == LB_OK) st = shown(&v, g, i, !from_text);
        lb_map_put(row, "query", v);
        for (int64_t h = 0; h < k && st == LB_OK; h++) {
            st = shown(&v, g, hits[h], from_text);
            lb_map_bool(v, "right", hits[h] == i);
            lb_map_real(v, "score", score[h]);
            lb_list_put(list, v);
        }
        lb_map_put(row, "hits", list);
        lb_list_put(rows, row);
    }
    lb_map_put(grid, "rows", rows);
    lb_map_text(section, "title", from_text ? "Text to picture: the first five" : "Picture to text: the first five");
    lb_map_text(section, "text", "Evenly spread over the test items, not chosen. A frame marks the right one.");
    lb_map_put(section, "grid", grid);
    lb_list_put(sections, section);
    return st;
}

lb_status cli_report_grids(lb_value *sections, const char *model, const cli_items *items, int64_t queries) {
    gallery g = {0};
    lb_status st = gallery_open(&g, model, items);
    if (queries > g.count) queries = g.count;
    if (st == LB_OK) st = one_way(sections, &g, queries, true);
    if (st == LB_OK) st = one_way(sections, &g, queries, false);
    gallery_close(&g);
    return st;
}
