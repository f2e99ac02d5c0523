/* SPDX-License-Identifier: Apache-2.0 */
/* Boxes in COCO's two files: annotations, and results as a list of {image_id, category_id, bbox, score}. */
#include <stdlib.h>
#include "base/file.h"
#include "cli/eval.h"

typedef struct boxes {
    int64_t n, *image, *class, *crowd;
    double *box, *score; /* box: [n,4] corners */
    int64_t pictures, *picture; /* ids that the file lists as images, rising; 0 = it lists none */
} boxes;

static void close(boxes *b) {
    lb_free(b->image);
    lb_free(b->class);
    lb_free(b->crowd);
    lb_free(b->box);
    lb_free(b->score);
    lb_free(b->picture);
}

static int by_id(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static lb_status list_pictures(boxes *b, const lb_value *images) {
    if (!images || images->kind != LB_V_LIST) return LB_OK;
    if (!(b->picture = lb_alloc((size_t)images->count + 1, sizeof *b->picture))) return LB_E_NOMEM;
    for (int64_t i = 0; i < images->count; i++) b->picture[b->pictures++] = lb_get_int(images->items[i], "id", -1);
    qsort(b->picture, (size_t)b->pictures, sizeof *b->picture, by_id);
    return LB_OK;
}

/* Results of pictures that the annotations do not know are those of another set. */
static lb_status check_pictures(const boxes *guess, const boxes *truth, const cli_eval_words *o) {
    for (int64_t i = 0; truth->pictures && i < guess->n; i++)
        if (!bsearch(&guess->image[i], truth->picture, (size_t)truth->pictures, sizeof *truth->picture, by_id))
            return lb_fail(LB_E_MISMATCH, "%s: box %lld is of image %lld, which %s does not list", o->guess, (long long)i, (long long)guess->image[i], o->truth);
    return LB_OK;
}

static bool number(const lb_value *v, double *out) {
    if (!v || (v->kind != LB_V_INT && v->kind != LB_V_REAL)) return false;
    *out = v->kind == LB_V_INT ? (double)v->integer : v->real;
    return true;
}

/* COCO's [x, y, width, height] as corners. */
static lb_status take(boxes *b, int64_t i, const lb_value *v, const char *path, bool scored) {
    const lb_value *box = lb_get(v, "bbox"), *image = lb_get(v, "image_id"), *class = lb_get(v, "category_id");
    double x[4], id, kind;
    bool whole = box && box->kind == LB_V_LIST && box->count == 4 && number(image, &id) && number(class, &kind);
    for (int k = 0; whole && k < 4; k++) whole = number(box->items[k], &x[k]);
    if (!whole || (scored && !number(lb_get(v, "score"), &b->score[i])))
        return lb_fail(LB_E_FORMAT, "%s: box %lld wants image_id, category_id, bbox [x, y, width, height]%s", path, (long long)i, scored ? " and score" : "");
    b->image[i] = (int64_t)id;
    b->class[i] = (int64_t)kind;
    b->crowd[i] = lb_get_int(v, "iscrowd", 0);
    for (int k = 0; k < 4; k++) b->box[4 * i + k] = x[k] + (k < 2 ? 0 : x[k - 2]);
    return LB_OK;
}

static lb_status read(boxes *b, const char *path, bool scored) {
    lb_status st = LB_OK;
    lb_value *file = NULL;
    LB_TRY(lb_json_read(&file, path));
    const lb_value *all = file->kind == LB_V_LIST ? file : lb_get(file, "annotations");
    if (!all || all->kind != LB_V_LIST) LB_TRY(lb_fail(LB_E_FORMAT, "%s: a list of boxes, or a map with the list 'annotations', is wanted", path));
    b->n = all->count;
    b->image = lb_alloc((size_t)b->n + 1, sizeof *b->image);
    b->class = lb_alloc((size_t)b->n + 1, sizeof *b->class);
    b->crowd = lb_alloc((size_t)b->n + 1, sizeof *b->crowd);
    b->box = lb_alloc((size_t)b->n * 4 + 1, sizeof *b->box);
    b->score = lb_calloc((size_t)b->n + 1, sizeof *b->score);
    if (!b->image || !b->class || !b->crowd || !b->box || !b->score) st = LB_E_NOMEM;
    for (int64_t i = 0; i < b->n && st == LB_OK; i++) st = take(b, i, all->items[i], path, scored);
    if (st == LB_OK && file->kind == LB_V_MAP) st = list_pictures(b, lb_get(file, "images"));
done:
    lb_value_free(file);
    return st;
}

static lb_status run(lb_value *out, const cli_eval_words *o, lb_cli *cli) {
    lb_status st = LB_OK;
    boxes truth = {0}, guess = {0};
    if (!o->truth || !o->guess) return cli_usage("eval detection wants --truth and --guess, COCO's annotations and results");
    LB_TRY(read(&truth, o->truth, false));
    LB_TRY(read(&guess, o->guess, true));
    LB_TRY(check_pictures(&guess, &truth, o));
    const struct { const char *name; const void *data; lb_dtype dtype; int64_t n, width; } columns[] = {
        {"box", guess.box, LB_F64, guess.n, 4}, {"score", guess.score, LB_F64, guess.n, 0}, {"image", guess.image, LB_I64, guess.n, 0}, {"class", guess.class, LB_I64, guess.n, 0},
        {"true_box", truth.box, LB_F64, truth.n, 4}, {"true_image", truth.image, LB_I64, truth.n, 0}, {"true_class", truth.class, LB_I64, truth.n, 0}, {"crowd", truth.crowd, LB_I64, truth.n, 0}};
    lb_tensor x[LB_COUNT(columns)];
    lb_metric_input in[LB_COUNT(columns)];
    for (size_t i = 0; i < LB_COUNT(columns); i++) {
        x[i] = cli_eval_view(columns[i].data, columns[i].dtype, columns[i].width ? 2 : 1, (int64_t[]){columns[i].n, columns[i].width});
        in[i] = (lb_metric_input){columns[i].name, &x[i]};
    }
    st = cli_eval_score(out, "detection", o, cli, (int)LB_COUNT(columns), in);
done:
    close(&truth);
    close(&guess);
    return st;
}

LB_EVAL(detection) = {.id = "detection", .title = "average precision and recall of boxes, by COCO's rules", .source = "pycocotools 2.0, cocoeval.py",
                      .usage = "detection --truth ANNOTATIONS.json --guess RESULTS.json", .run = run};
