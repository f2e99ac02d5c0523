/* SPDX-License-Identifier: Apache-2.0 */
/* MedSAM's .npz: a picture or a stack of slices, its label map, boxes. */
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "datasets/items_private.h"
#include "io/npz.h"

enum { BOXES_MAX = 65536 };
static const size_t labels_limit = (size_t)4 << 30;

typedef struct options {
    const char *images, *masks, *boxes, *slices, *split;
} options;

static const lb_param params[] = {
    LB_PARAM_TEXT(options, images, NULL, NULL, "array of pictures; none given = imgs, img, images, image"),
    LB_PARAM_TEXT(options, masks, NULL, NULL, "array of labels; none given = gts, gt, masks, mask, labels, label"),
    LB_PARAM_TEXT(options, boxes, NULL, NULL, "array of boxes x0 y0 x1 y1; none given = boxes, box"),
    LB_PARAM_TEXT(options, slices, "all", "all|labelled", "of a stack [N,H,W]; labelled: only those with a label above 0"),
    LB_PARAM_TEXT(options, split, NULL, NULL, "split that the items are given"),
    LB_PARAM_END,
};

typedef struct job {
    lb_items *items;
    const options *o;
    const char *path; /* of the file */
    const char *key;  /* without ending */
    lbi_zip zip;
    lbi_array image, mask, boxes;
    const char *image_name, *mask_name, *boxes_name;
    uint8_t *labels, *box_memory;
} job;

static bool has(const lbi_zip *z, const char *name) {
    char file[256];
    snprintf(file, sizeof file, "%s.npy", name);
    return lbi_zip_find(z, file, strlen(file)) != NULL;
}

static const char *choose(const lbi_zip *z, const char *asked, const char *const *usual) {
    if (asked) return has(z, asked) ? asked : NULL;
    for (; *usual; usual++)
        if (has(z, *usual)) return *usual;
    return NULL;
}

static const char *const image_names[] = {"imgs", "img", "images", "image", NULL},
                         *const mask_names[] = {"gts", "gt", "masks", "mask", "labels", "label", NULL}, *const box_names[] = {"boxes", "box", NULL};

static bool is_npz(const char *path) { return lb_ends_with(path, ".npz"); }

static bool holds_pictures(const char *path) {
    lb_mmap m = {0};
    lbi_zip z = {0};
    bool found = lb_mmap_open(&m, path) == LB_OK && lbi_zip_open(&z, m.data, m.size) == LB_OK && choose(&z, NULL, image_names);
    lb_error_clear();
    lbi_zip_close(&z);
    lb_mmap_close(&m);
    return found;
}

static int probe(const char *path) {
    if (!lb_is_folder(path)) return is_npz(path) && lb_file_exists(path) ? holds_pictures(path) ? 90 : 20 : 0;
    char **names = NULL;
    int64_t n = 0, mine = 0;
    if (lb_list_files(&names, &n, path) != LB_OK) lb_error_clear();
    for (int64_t i = 0; i < n; i++) mine += is_npz(names[i]);
    lb_names_free(names, n);
    return mine > 0 && 2 * mine > n ? 85 : 0;
}

/* [H,W] and [H,W,3] are one picture, [N,H,W] and [N,H,W,3] a stack. */
static bool is_stack(const lbi_array *a) { return a->head.rank == 4 || (a->head.rank == 3 && a->head.shape[2] > 4); }

static lb_status check(const job *j) {
    const lbi_array *a = &j->image, *m = &j->mask;
    int lead = is_stack(a);
    if (a->head.rank < 2 || a->head.rank > 4) return lb_fail(LB_E_SHAPE, "array '%s' of rank %d is no picture and no stack", j->image_name, a->head.rank);
    if (!j->mask_name) return LB_OK;
    bool fits = m->head.rank == 2 + lead;
    for (int d = 0; fits && d < m->head.rank; d++) fits = m->head.shape[d] == a->head.shape[d];
    return fits ? LB_OK : lb_fail(LB_E_SHAPE, "labels '%s' do not have the shape of '%s'", j->mask_name, j->image_name);
}

static bool has_label(const job *j, int64_t i) {
    int64_t n = j->mask.head.shape[1] * j->mask.head.shape[2];
    for (int64_t k = 0; k < n; k++)
        if (lbi_array_value(&j->mask, i * n + k) > 0) return true;
    return false;
}

/* [4] or [N,4], of one picture. */
static lb_status take_boxes(float **out, int64_t *count, const job *j) {
    const lbi_array *b = &j->boxes;
    if (!j->boxes_name || b->head.rank < 1 || b->head.rank > 2 || b->head.shape[b->head.rank - 1] != 4 || b->count > 4 * BOXES_MAX) return LB_OK;
    float *boxes = lb_alloc((size_t)b->count, sizeof *boxes);
    if (!boxes) return LB_E_NOMEM;
    for (int64_t i = 0; i < b->count; i++) boxes[i] = (float)lbi_array_value(b, i);
    *out = boxes;
    *count = b->count / 4;
    return LB_OK;
}

static lb_status add(job *j, int64_t i) {
    char key[4096], image[4096], mask[4096], at[32] = "";
    float *boxes = NULL;
    lb_item item = {.key = key, .image = image, .mask = j->mask_name ? mask : NULL, .split = (char *)j->o->split, .group = i >= 0 ? (char *)j->key : NULL};
    if (i >= 0) snprintf(at, sizeof at, "@%lld", (long long)i);
    if (i >= 0) snprintf(key, sizeof key, "%s/%03lld", j->key, (long long)i);
    else snprintf(key, sizeof key, "%s", j->key);
    snprintf(image, sizeof image, "%s#%s%s", j->path, j->image_name, at);
    if (j->mask_name) snprintf(mask, sizeof mask, "%s#%s%s", j->path, j->mask_name, at);
    lb_status st = i < 0 ? take_boxes(&boxes, &item.box_count, j) : LB_OK;
    item.boxes = boxes;
    if (st == LB_OK) st = lb_items_add(j->items, &item);
    lb_free(boxes);
    return st;
}

static lb_status read_arrays(job *j) {
    lb_status st = LB_OK;
    j->image_name = choose(&j->zip, j->o->images, image_names);
    j->mask_name = choose(&j->zip, j->o->masks, mask_names);
    j->boxes_name = choose(&j->zip, j->o->boxes, box_names);
    if (!j->image_name) return lb_fail(LB_E_NOTFOUND, "no array of pictures (imgs, img, images, image%s%s)", j->o->images ? ", asked: " : "", j->o->images ? j->o->images : "");
    LB_TRY(lbi_npz_head(&j->image, &j->zip, j->image_name));
    bool stack = is_stack(&j->image), only = stack && j->mask_name && strcmp(j->o->slices, "labelled") == 0;
    if (j->mask_name && !only) LB_TRY(lbi_npz_head(&j->mask, &j->zip, j->mask_name));
    if (only) LB_TRY(lbi_npz_read(&j->mask, &j->labels, &j->zip, j->mask_name, labels_limit));
    if (j->boxes_name) LB_TRY(lbi_npz_read(&j->boxes, &j->box_memory, &j->zip, j->boxes_name, (size_t)1 << 24));
    LB_TRY(check(j));
    if (!stack) st = add(j, -1);
    for (int64_t i = 0; st == LB_OK && stack && i < j->image.head.shape[0]; i++)
        if (!only || has_label(j, i)) st = add(j, i);
done:
    return st;
}

/* A damaged file is a problem; refused memory and equal keys end the list. */
static lb_status read_file(lb_items *items, const options *o, const char *path, const char *name) {
    char key[4096];
    snprintf(key, sizeof key, "%.*s", (int)(strlen(name) - 4), name);
    job j = {.items = items, .o = o, .path = path, .key = key};
    lb_mmap m = {0};
    lb_status st = lb_mmap_open(&m, path);
    if (st == LB_OK) st = lbi_zip_open(&j.zip, m.data, m.size);
    if (st == LB_OK) st = read_arrays(&j);
    if (st != LB_OK && st != LB_E_NOMEM && st != LB_E_ARG) {
        lb_items_problem(items, "%s: %s; left out", path, lb_error_text());
        lb_error_clear();
        st = LB_OK;
    }
    lb_free(j.labels);
    lb_free(j.box_memory);
    lbi_zip_close(&j.zip);
    lb_mmap_close(&m);
    return st;
}

static lb_status read(lb_items *items, const char *path, const void *cfg) {
    char **names = NULL;
    int64_t n = 0, mine = 0;
    lb_status st = LB_OK;
    if (!lb_is_folder(path)) {
        char *folder = lb_path_folder(path);
        if (!folder) return LB_E_NOMEM;
        st = is_npz(path) ? lbi_items_base(items, folder) : lb_fail(LB_E_ARG, "%s: is no .npz file", path);
        lb_free(folder);
        return st == LB_OK ? read_file(items, cfg, path, lb_path_name(path)) : st;
    }
    LB_TRY(lbi_items_base(items, path));
    LB_TRY(lb_list_files(&names, &n, path));
    for (int64_t i = 0; i < n; i++) {
        if (!is_npz(names[i]) || !lbi_is_utf8(names[i], strlen(names[i]))) continue;
        char *file = lb_path_join(path, names[i]);
        st = file ? read_file(items, cfg, file, names[i]) : LB_E_NOMEM;
        lb_free(file);
        if (st != LB_OK) goto done;
        mine++;
    }
    if (mine == 0) lb_items_problem(items, "%s: holds no .npz files", path);
done:
    lb_names_free(names, n);
    return st;
}

LB_READER(npz) = {.id = "npz",
                  .title = "MedSAM's .npz: pictures or stacks of slices with label maps and boxes",
                  .source = "MedSAM and LiteMedSAM, README.md: imgs, gts, boxes",
                  .params = params,
                  .params_size = sizeof(options),
                  .fields = "image mask boxes split group",
                  .probe = probe,
                  .read = read};
