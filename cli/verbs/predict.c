/* SPDX-License-Identifier: Apache-2.0 */
/* `limbeck predict`: what a model says of pictures: masks as PNG, or labels with scores as JSON lines. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "cli/items.h"
#include "cli/masks.h"
#include "cli/models.h"
#include "io/image.h"

enum { PROBLEMS = 5, BATCH = 16 };

typedef struct options {
    cli_items items;
    const char *model, *out, *tap, *labels;
    bool overlay;
    int64_t top;
} options;

static const lb_param params[] = {
    LB_PARAM_WORD(options, model, "RUN|PATH", "a run folder, a model folder or a fetched model"),
    LB_PARAM_WORD(options, out, "FOLDER", "masks/KEY.png (grey values are classes), overlays/KEY.png, predictions.jsonl"),
    LB_PARAM_WORD(options, tap, "NAME", "logits of pictures or of pixels; default logits, else output"),
    LB_PARAM_WORD(options, labels, "FILE", "names of the classes, a line each"),
    LB_PARAM(options, top, 5, 1, 1000, "classes", "classes of a picture, best first"),
    LB_PARAM_FLAG(options, overlay, false, "also the pictures with their masks drawn over"),
    CLI_ITEMS_PARAMS(options),
    LB_PARAM_END};

typedef struct job {
    const options *o;
    lb_cli *cli;
    cli_model *model;
    lb_items *items;
    int64_t *index, count;
    cli_source *source;
    const char *tap;
    char **names; /* lines of --labels */
    int64_t nnames;
    lb_buf names_text, lines;
    int64_t done, failed;
} job;

/* ---- what the tap is ---- */

typedef struct kinds {
    const char *tap;
    int rank;
} kinds;

static void see(void *ctx, const char *tap, int rank, const int64_t *shape) {
    kinds *k = ctx;
    (void)shape;
    if (strcmp(tap, k->tap) == 0) k->rank = rank;
}

static lb_status choose_tap(job *j, bool *maps) {
    static const char *const usual[] = {"logits", "output"};
    kinds k = {j->o->tap, 0};
    lb_status st = LB_OK;
    if (k.tap) st = lb_model_taps(j->model->model, see, &k);
    for (size_t i = 0; !j->o->tap && !k.rank && i < LB_COUNT(usual) && st == LB_OK; i++) {
        k.tap = usual[i];
        st = lb_model_taps(j->model->model, see, &k);
    }
    if (st != LB_OK) return st;
    if (k.rank != 2 && k.rank != 4)
        return lb_fail(LB_E_UNSUPPORTED, "predict: %s has no tap '%s' of classes [N,K] or of maps [N,K,H,W] (--taps list of encode tells its taps)",
                       j->o->model, j->o->tap ? j->o->tap : "logits");
    j->tap = k.tap;
    *maps = k.rank == 4;
    return LB_OK;
}

static lb_status read_names(job *j) {
    if (!j->o->labels) return LB_OK;
    lb_status st = lb_file_read(&j->names_text, j->o->labels, (size_t)1 << 26);
    if (st != LB_OK) return st;
    if (!(j->names = lb_alloc(j->names_text.size + 1, sizeof *j->names))) return LB_E_NOMEM;
    char *rest = NULL;
    for (char *line = strtok_r(j->names_text.data, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest)) j->names[j->nnames++] = line;
    return LB_OK;
}

static lb_status say_line(job *j, lb_value *v) {
    lb_status st = lb_json_write(&j->lines, v, 0);
    lb_buf_text(&j->lines, "\n");
    if (st == LB_OK && j->cli->json) st = cli_json(v);
    return st;
}

/* One picture that fails is told and passed over. */
static lb_status pass_over(job *j, const lb_item *item, lb_status why) {
    if (why != LB_E_FORMAT && why != LB_E_UNSUPPORTED && why != LB_E_LIMIT && why != LB_E_NOTFOUND) return why;
    lb_value *v = lb_value_map();
    lb_map_text(v, "key", item->key);
    lb_map_text(v, "error", lb_error_text());
    lb_error_clear();
    lb_status st = say_line(j, v);
    lb_value_free(v);
    j->failed++;
    return st;
}

/* ---- labels ---- */

typedef struct ranked {
    double p;
    int64_t index;
} ranked;

static int by_rank(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->p != y->p) return x->p > y->p ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

static lb_status label_one(job *j, const lb_item *item, const float *logits, int64_t n) {
    ranked *r = lb_alloc((size_t)n, sizeof *r);
    double most = -INFINITY, sum = 0;
    if (!r) return LB_E_NOMEM;
    for (int64_t k = 0; k < n; k++) most = fmax(most, logits[k]);
    for (int64_t k = 0; k < n; k++) sum += exp(logits[k] - most);
    for (int64_t k = 0; k < n; k++) r[k] = (ranked){exp(logits[k] - most) / sum, k};
    qsort(r, (size_t)n, sizeof *r, by_rank);
    lb_value *v = lb_value_map(), *list = lb_value_list();
    lb_map_text(v, "key", item->key);
    for (int64_t k = 0; k < n && k < j->o->top; k++) {
        lb_value *one = lb_value_map();
        lb_map_int(one, "class", r[k].index);
        if (r[k].index < j->nnames) lb_map_text(one, "label", j->names[r[k].index]);
        lb_map_real(one, "p", r[k].p);
        lb_list_put(list, one);
    }
    lb_map_put(v, "classes", list);
    lb_status st = say_line(j, v);
    lb_value_free(v);
    lb_free(r);
    return st;
}

static lb_status label_all(job *j) {
    lb_status st = LB_OK;
    for (int64_t i = 0; i < j->count && st == LB_OK; i++) {
        const lb_item *item = &j->items->at[j->index[i]];
        float *logits = NULL;
        int64_t width = 0;
        st = cli_source_embed(j->source, j->model->model, &j->index[i], 1, j->model->has_image, !j->model->has_image, j->tap, &logits, &width);
        st = st == LB_OK ? label_one(j, item, logits, width) : pass_over(j, item, st);
        lb_free(logits);
        if (st == LB_OK) st = lb_progress_at(&j->cli->progress, ++j->done, NULL);
    }
    return st;
}

/* ---- masks ---- */

/* FOLDER/kind/KEY.png with the folders on the way; a key's own ending is left out. */
static lb_status mask_path(char **out, const job *j, const char *kind, const char *key) {
    const char *dot = strrchr(key, '.'), *slash = strrchr(key, '/');
    int size = dot && (!slash || dot > slash) && dot != key ? (int)(dot - key) : (int)strlen(key);
    if (key[0] == '/' || strstr(key, "..")) return lb_fail(LB_E_ARG, "item %s: its key leads out of the folder", key);
    *out = lb_format_dup("%s/%s/%.*s.png", j->o->out, kind, size, key);
    char *folder = *out ? lb_path_folder(*out) : NULL;
    lb_status st = folder ? lb_make_folders(folder) : LB_E_NOMEM;
    lb_free(folder);
    return st;
}

static lb_status write_overlay(const job *j, const lb_item *item, const lb_labels *labels) {
    lb_status st = LB_OK;
    lb_image img = {0};
    lb_buf png = {0};
    char *path = NULL;
    LB_TRY(lb_item_image(&img, j->items, item));
    LB_TRY(cli_mask_overlay(&img, labels));
    LB_TRY(lb_png_encode(&png, &img));
    LB_TRY(mask_path(&path, j, "overlays", item->key));
    LB_TRY(lb_file_write(path, png.data, png.size));
done:
    lb_free(path);
    lb_buf_free(&png);
    lb_image_free(&img);
    return st;
}

static lb_status write_mask(void *ctx, int64_t place, const lb_labels *labels) {
    job *j = ctx;
    lb_status st = LB_OK;
    const lb_item *item = &j->items->at[j->index[j->done]];
    lb_image img = {0};
    lb_labels whole = {0};
    char *path = NULL;
    int64_t count[256] = {0};
    lb_value *v = NULL, *classes = NULL;
    (void)place;
    LB_TRY(lb_item_image(&img, j->items, item));
    LB_TRY(lb_labels_resize(&whole, labels, img.height, img.width));
    LB_TRY(mask_path(&path, j, "masks", item->key));
    LB_TRY(lb_labels_write_png(path, &whole));
    if (j->o->overlay) LB_TRY(write_overlay(j, item, labels));
    for (int64_t i = 0, n = lb_labels_count(&whole); i < n; i++) count[whole.at[i]]++;
    v = lb_value_map();
    classes = lb_value_map();
    lb_map_text(v, "key", item->key);
    lb_map_text(v, "mask", path + strlen(j->o->out) + 1);
    for (int k = 0; k < 256; k++) {
        char name[16];
        snprintf(name, sizeof name, "%d", k);
        if (count[k]) lb_map_int(classes, k < j->nnames ? j->names[k] : name, count[k]);
    }
    lb_map_put(v, "pixels", classes);
    st = say_line(j, v);
done:
    lb_value_free(v);
    lb_free(path);
    lb_image_free(&img);
    lb_labels_free(&whole);
    return st;
}

/* One at a time: a picture that fails does not touch the others. */
static lb_status mask_all(job *j) {
    cli_mask_spec spec = {.source = j->source, .model = j->model->model, .items = j->items, .image = &j->model->image, .tap = j->tap};
    lb_status st = LB_OK;
    for (; j->done < j->count && st == LB_OK; j->done++) {
        st = cli_masks_predict(&spec, &j->index[j->done], 1, write_mask, j);
        if (st != LB_OK) st = pass_over(j, &j->items->at[j->index[j->done]], st);
        if (st == LB_OK) st = lb_progress_at(&j->cli->progress, j->done + 1, NULL);
    }
    return st;
}

static lb_status run(lb_cli *cli, void *opts) {
    const options *o = opts;
    lb_status st = LB_OK;
    job j = {.o = o, .cli = cli};
    bool maps = false;
    char *path = NULL;
    if (!o->model || !o->out) return cli_usage("predict wants --model, --input and --out");
    LB_TRY(cli_model_open(&j.model, o->model));
    LB_TRY(choose_tap(&j, &maps));
    LB_TRY(read_names(&j));
    LB_TRY(cli_items_open(&j.items, &j.index, &j.count, &o->items, PROBLEMS));
    cli_source_spec spec = {.items = j.items, .image = j.model->has_image ? &j.model->image : NULL, .tokenizer = j.model->tokenizer, .max_tokens = j.model->max_tokens, .workers = 1};
    LB_TRY(cli_source_open(&j.source, &spec));
    LB_TRY(lb_make_folders(o->out));
    lb_progress_begin(&cli->progress, "predict", j.model->has_image ? "pictures" : "items", 0, j.count);
    LB_TRY(maps ? mask_all(&j) : label_all(&j));
    lb_progress_end(&cli->progress, NULL);
    if (!(path = lb_path_join(o->out, "predictions.jsonl"))) {
        st = LB_E_NOMEM;
        goto done;
    }
    LB_TRY(lb_buf_status(&j.lines));
    LB_TRY(lb_file_write(path, lb_buf_str(&j.lines), j.lines.size));
    if (!cli->json) LB_TRY(cli_print("%s: %lld items, %lld failed", path, (long long)j.count, (long long)j.failed));
    if (j.failed == j.count && j.count > 0) st = lb_fail(LB_E_FORMAT, "predict: all %lld items failed; their reasons are in %s", (long long)j.count, path);
done:
    lb_free(path);
    lb_free(j.names);
    lb_buf_free(&j.names_text);
    lb_buf_free(&j.lines);
    lb_free(j.index);
    cli_source_close(j.source);
    lb_items_free(j.items);
    cli_model_close(j.model);
    return st;
}

LB_VERB(predict) = {.id = "predict", .title = "what a model says of items: masks as PNG, labels and scores as JSON lines", .source = "", .params = params, .params_size = sizeof(options),
                    .usage = "predict --model RUN|PATH --input ... --out FOLDER [--overlay]", .max_words = 0,
                    .help = "Masks are as large as the pictures; classes are grey values. A picture that cannot be read has its reason in predictions.jsonl.\n\n"
                            "  limbeck predict --model runs/masks --input photos --out predicted --overlay\n"
                            "  limbeck predict --model efficientnet-lite0 --input photos --labels imagenet.txt --out predicted",
                    .run = run};
