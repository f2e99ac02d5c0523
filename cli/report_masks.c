/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures with their true masks and what models say of them, inside the page. */
#include <stdio.h>
#include <string.h>
#include "base/base64.h"
#include "cli/masks.h"
#include "cli/models.h"
#include "cli/report_page.h"
#include "io/image.h"

enum { SIDE = 128, PROBLEMS = 5 };

typedef struct gallery {
    lb_items *items;
    int64_t *index, count;
    int64_t *shown, n;
    bool nonzero;
    lb_value **hits; /* per shown item */
    lb_labels *truth;
} gallery;

static lb_status data_uri(lb_value *v, const gallery *g, const lb_item *item, const lb_labels *labels) {
    lb_status st = LB_OK;
    lb_image img = {0}, small = {0};
    lb_buf png = {0}, uri = {0};
    LB_TRY(lb_item_image(&img, g->items, item));
    LB_TRY(cli_mask_overlay(&img, labels));
    int32_t longest = img.width > img.height ? img.width : img.height, w = img.width * SIDE / longest, h = img.height * SIDE / longest;
    LB_TRY(lb_image_resize(&small, &img, w < 1 ? 1 : w, h < 1 ? 1 : h, LB_FILTER_LANCZOS));
    LB_TRY(lb_png_encode(&png, &small));
    lb_buf_text(&uri, "data:image/png;base64,");
    lb_base64(&uri, png.data, png.size);
    LB_TRY(lb_buf_status(&uri));
    lb_map_text(v, "image", lb_buf_str(&uri));
done:
    lb_image_free(&img);
    lb_image_free(&small);
    lb_buf_free(&png);
    lb_buf_free(&uri);
    return st;
}

/* Dice of class 1 and above as one. */
static double dice_of(const lb_labels *truth, const lb_labels *guess) {
    int64_t both = 0, all = 0;
    for (int64_t i = 0, n = lb_labels_count(truth); i < n; i++) {
        both += truth->at[i] && guess->at[i];
        all += (truth->at[i] != 0) + (guess->at[i] != 0);
    }
    return all ? 200.0 * (double)both / (double)all : 100;
}

typedef struct said {
    gallery *g;
    const char *name;
} said;

static lb_status add_hit(void *ctx, int64_t place, const lb_labels *labels) {
    const said *s = ctx;
    gallery *g = s->g;
    lb_labels fitting = {0};
    char text[256];
    lb_status st = lb_labels_resize(&fitting, labels, g->truth[place].shape[0], g->truth[place].shape[1]);
    if (st != LB_OK) return st;
    lb_value *v = lb_value_map();
    snprintf(text, sizeof text, "%s: %.0f", s->name, dice_of(&g->truth[place], &fitting));
    lb_labels_free(&fitting);
    lb_map_text(v, "text", text);
    st = data_uri(v, g, &g->items->at[g->shown[place]], labels);
    lb_list_put(g->hits[place], v);
    return st;
}

/* The folder before /model, or the last part of the path. */
static void short_name(char *out, size_t cap, const char *path) {
    char own[256];
    snprintf(own, sizeof own, "%s", path);
    size_t n = strlen(own);
    while (n > 1 && own[n - 1] == '/') own[--n] = 0;
    if (n > 6 && strcmp(own + n - 6, "/model") == 0) own[n - 6] = 0;
    const char *slash = strrchr(own, '/');
    snprintf(out, cap, "%s", slash ? slash + 1 : own);
}

static lb_status one_model(gallery *g, const char *path) {
    lb_status st = LB_OK;
    cli_model *model = NULL;
    cli_source *source = NULL;
    char name[128];
    short_name(name, sizeof name, path);
    LB_TRY(cli_model_open(&model, path));
    if (!model->has_image) {
        st = lb_fail(LB_E_ARG, "%s takes no pictures", path);
        goto done;
    }
    cli_source_spec spec = {.items = g->items, .image = &model->image, .workers = 1};
    LB_TRY(cli_source_open(&source, &spec));
    cli_mask_spec masks = {.source = source, .model = model->model, .items = g->items, .image = &model->image, .tap = "logits", .nonzero = g->nonzero};
    st = cli_masks_predict(&masks, g->shown, g->n, add_hit, &(said){g, name});
done:
    cli_source_close(source);
    cli_model_close(model);
    return st;
}

static lb_status choose(gallery *g, int64_t queries) {
    int64_t masked = 0;
    for (int64_t i = 0; i < g->count; i++)
        if (g->items->at[g->index[i]].mask) g->index[masked++] = g->index[i];
    if (masked == 0) return lb_fail(LB_E_ARG, "report: none of the items has a mask to show");
    g->n = queries < masked ? queries : masked;
    g->shown = lb_alloc((size_t)g->n, sizeof *g->shown);
    g->hits = lb_calloc((size_t)g->n, sizeof *g->hits);
    g->truth = lb_calloc((size_t)g->n, sizeof *g->truth);
    if (!g->shown || !g->hits || !g->truth) return LB_E_NOMEM;
    for (int64_t i = 0; i < g->n; i++) {
        g->shown[i] = g->index[i * masked / g->n];
        g->hits[i] = lb_value_list();
        lb_status st = lb_labels_read(&g->truth[i], g->items->at[g->shown[i]].mask);
        if (st != LB_OK) return st;
        for (int64_t k = 0, n = lb_labels_count(&g->truth[i]); g->nonzero && k < n; k++) g->truth[i].at[k] = g->truth[i].at[k] != 0;
    }
    return LB_OK;
}

lb_status cli_report_masks(lb_value *sections, const lb_text_list *models, const cli_items *items, int64_t queries, bool nonzero) {
    lb_status st = LB_OK;
    gallery g = {.nonzero = nonzero};
    lb_value *section = lb_value_map(), *grid = lb_value_map(), *rows = lb_value_list();
    LB_TRY(cli_items_open(&g.items, &g.index, &g.count, items, PROBLEMS));
    LB_TRY(choose(&g, queries));
    for (int64_t m = 0; m < models->count; m++) LB_TRY(one_model(&g, models->items[m]));
    for (int64_t i = 0; i < g.n; i++) {
        const lb_item *item = &g.items->at[g.shown[i]];
        lb_value *row = lb_value_map(), *query = lb_value_map();
        char text[160];
        snprintf(text, sizeof text, "true mask%s%.100s", item->domain ? ", " : "", item->domain ? item->domain : "");
        lb_map_text(query, "text", text);
        st = data_uri(query, &g, item, &g.truth[i]);
        lb_map_put(row, "query", query);
        lb_map_put(row, "hits", g.hits[i]);
        g.hits[i] = NULL;
        lb_list_put(rows, row);
        if (st != LB_OK) goto done;
    }
    lb_map_text(section, "title", "Masks: the true one, then what each model says (Dice)");
    lb_map_text(section, "text", "Evenly spread over the items, not chosen.");
done:
    lb_map_put(grid, "rows", rows);
    lb_map_put(section, "grid", grid);
    if (st == LB_OK) lb_list_put(sections, section);
    else lb_value_free(section);
    for (int64_t i = 0; i < g.n; i++) {
        if (g.hits) lb_value_free(g.hits[i]);
        if (g.truth) lb_labels_free(&g.truth[i]);
    }
    lb_free(g.shown);
    lb_free(g.hits);
    lb_free(g.truth);
    lb_free(g.index);
    lb_items_free(g.items);
    return st;
}
