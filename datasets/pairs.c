/* SPDX-License-Identifier: Apache-2.0 */
#include "datasets/pairs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"

enum { SHOWN = 20 };

static const char *const image_folders[] = {"images", "image", "imgs", "img", "JPEGImages", "imagesTr", "imagesTs", NULL};
static const char *const mask_folders[] = {
    "masks",    "mask",     "labels", "label", "gts", "gt", "ground_truth", "GroundTruth", "annotations", "segmentations", "SegmentationClass",
    "labelsTr", "labelsTs", NULL};
static const char *const suffixes[] = {"", "_mask", "_segmentation", "_seg", "_gt", "_label", "_labels", "_Segmentation", "_anno", "_GT", NULL};
static const char *const splits[] = {"", "train", "training", "val", "valid", "validation", "dev", "test", "testing", NULL};

size_t lbi_stem_size(const char *name) {
    size_t n = strlen(name);
    if (lb_ends_with(name, ".nii.gz")) return n - 7;
    const char *ending = lb_path_ending(name);
    return *ending ? n - strlen(ending) - 1 : n;
}

/* One place with pictures and masks: paths of both folders, what it is called below the root, its split. */
typedef struct layout {
    char images[4096], masks[4096], below[256];
    const char *split;
} layout;

static bool is_tr(const char *folder) { return lb_ends_with(folder, "Tr") || lb_ends_with(folder, "Ts"); }

static bool find_layout(layout *l, const char *root, const char *split, const lbi_pair_spec *spec, const char *images) {
    const char *own[] = {spec->masks, NULL}, *const *masks = spec->masks ? own : mask_folders;
    const char *dash = *split ? "/" : "";
    snprintf(l->below, sizeof l->below, "%s%s%s", split, dash, images);
    snprintf(l->images, sizeof l->images, "%s/%s", root, l->below);
    if (!lb_is_folder(l->images)) return false;
    for (; *masks; masks++) {
        /* nnU-Net's folders come in pairs of one ending */
        if (!spec->masks && (is_tr(images) != is_tr(*masks) || (is_tr(images) && strcmp(images + strlen(images) - 2, *masks + strlen(*masks) - 2) != 0))) continue;
        snprintf(l->masks, sizeof l->masks, "%s/%s%s%s", root, split, dash, *masks);
        l->split = *split ? split : lb_ends_with(images, "Tr") ? "train" : lb_ends_with(images, "Ts") ? "test" : NULL;
        if (lb_is_folder(l->masks)) return true;
    }
    return false;
}

static bool holds(const char *folder, const lbi_pair_spec *spec) {
    char **names = NULL;
    int64_t n = 0;
    bool found = false;
    if (lb_list_files(&names, &n, folder) != LB_OK) lb_error_clear();
    for (int64_t i = 0; i < n && !found; i++) found = spec->is_mine(names[i]);
    lb_names_free(names, n);
    return found;
}

/* Calls `use` for each place that is there; the number of them. */
static lb_status each_layout(int64_t *found, const char *root, const lbi_pair_spec *spec, lb_status (*use)(void *ctx, const layout *l), void *ctx) {
    const char *own[] = {spec->images, NULL}, *const *images = spec->images ? own : image_folders;
    layout *l = lb_calloc(1, sizeof *l);
    lb_status st = l ? LB_OK : LB_E_NOMEM;
    *found = 0;
    for (int s = 0; st == LB_OK && splits[s]; s++)
        for (int i = 0; st == LB_OK && images[i]; i++)
            if (find_layout(l, root, splits[s], spec, images[i]) && holds(l->images, spec) && (spec->masks || holds(l->masks, spec))) {
                ++*found;
                if (use) st = use(ctx, l);
            }
    lb_free(l);
    return st;
}

bool lbi_pairs_known(const char *root, const lbi_pair_spec *spec) {
    int64_t found = 0;
    if (!lb_is_folder(root)) return false;
    if (each_layout(&found, root, spec, NULL, NULL) != LB_OK) lb_error_clear();
    return found > 0;
}

/* ---- pairing ---- */

typedef struct job {
    lb_items *items;
    const lbi_pair_spec *spec;
    lbi_pair *at;
    int64_t count, capacity, alone, spare;
} job;

typedef struct mask_name {
    const char *name;
    size_t stem;
    bool used;
} mask_name;

static int by_stem(const void *a, const void *b) {
    const mask_name *x = a, *y = b;
    size_t n = x->stem < y->stem ? x->stem : y->stem;
    int order = memcmp(x->name, y->name, n);
    return order ? order : (x->stem > y->stem) - (x->stem < y->stem);
}

static mask_name *find_mask(const job *j, mask_name *masks, int64_t n, const char *image) {
    char stem[4096];
    const char *own[] = {j->spec->suffix, NULL}, *const *suffix = j->spec->suffix ? own : suffixes;
    size_t size = lbi_stem_size(image);
    bool channel = size > 5 && strncmp(image + size - 5, "_0000", 5) == 0; /* nnU-Net: case_0000.png with case.png */
    for (int short_ = 0; short_ <= channel; short_++)
        for (int i = 0; suffix[i]; i++) {
            snprintf(stem, sizeof stem, "%.*s%s", (int)(short_ ? size - 5 : size), image, suffix[i]);
            mask_name key = {.name = stem, .stem = strlen(stem)};
            mask_name *found = n ? bsearch(&key, masks, (size_t)n, sizeof *masks, by_stem) : NULL;
            if (found) return found;
        }
    return NULL;
}

static lb_status add_pair(job *j, const layout *l, const char *image, const char *mask) {
    if (j->count == j->capacity) {
        int64_t capacity = j->capacity ? 2 * j->capacity : 64;
        lbi_pair *at = lb_realloc(j->at, (size_t)capacity, sizeof *at);
        if (!at) return LB_E_NOMEM;
        j->at = at;
        j->capacity = capacity;
    }
    char path[8192];
    lbi_pair *p = &j->at[j->count];
    const char *slash = strchr(image, '/'), *split = l->split;
    size_t n = split ? strlen(split) : slash && lbi_is_split(image, (size_t)(slash - image)) ? (size_t)(slash - image) : 0;
    *p = (lbi_pair){.split = n ? lbi_items_text(j->items, split ? split : image, n) : NULL};
    snprintf(path, sizeof path, "%s/%s", l->images, image);
    p->image = lbi_items_text(j->items, path, strlen(path));
    snprintf(path, sizeof path, "%s/%s", l->masks, mask);
    p->mask = lbi_items_text(j->items, path, strlen(path));
    snprintf(path, sizeof path, "%s/%s", l->below, image);
    p->key = lbi_items_text(j->items, path, strlen(path));
    j->count++;
    return p->image && p->mask && p->key && (p->split || !n) ? LB_OK : LB_E_NOMEM;
}

static bool is_channel(const char *name) {
    size_t n = lbi_stem_size(name);
    return n > 5 && name[n - 5] == '_' && name[n - 4] == '0' && name[n - 3] == '0' && name[n - 2] == '0' && name[n - 1] > '0' && name[n - 1] <= '9';
}

static lb_status pair_up(void *ctx, const layout *l) {
    job *j = ctx;
    char **images = NULL, **names = NULL;
    int64_t n = 0, m = 0, count = 0;
    mask_name *masks = NULL;
    lb_status st = LB_OK;
    LB_TRY(lb_list_files(&images, &n, l->images));
    LB_TRY(lb_list_files(&names, &m, l->masks));
    if (!(masks = lb_alloc((size_t)m, sizeof *masks))) LB_TRY(LB_E_NOMEM);
    for (int64_t i = 0; i < m; i++)
        if (j->spec->is_mine(names[i])) masks[count++] = (mask_name){.name = names[i], .stem = lbi_stem_size(names[i])};
    if (count > 1) qsort(masks, (size_t)count, sizeof *masks, by_stem);
    for (int64_t i = 0; i < n; i++) {
        if (!j->spec->is_mine(images[i])) continue;
        mask_name *mask = lbi_is_utf8(images[i], strlen(images[i])) ? find_mask(j, masks, count, images[i]) : NULL;
        if (mask) {
            mask->used = true;
            LB_TRY(add_pair(j, l, images[i], mask->name));
        } else if (is_channel(images[i])) lb_items_problem(j->items, "%s/%s: only the first channel of a case is read; left out", l->images, images[i]);
        else if (j->alone++ < SHOWN) lb_items_problem(j->items, "%s/%s: has no mask of its name in %s; left out", l->images, images[i], l->masks);
    }
    for (int64_t i = 0; i < count; i++)
        if (!masks[i].used && j->spare++ < SHOWN) lb_items_problem(j->items, "%s/%s: is the mask of no picture", l->masks, masks[i].name);
done:
    lb_names_free(images, n);
    lb_names_free(names, m);
    lb_free(masks);
    return st;
}

lb_status lbi_pairs_find(lbi_pair **out, int64_t *count, lb_items *items, const char *root, const lbi_pair_spec *spec) {
    job j = {.items = items, .spec = spec};
    int64_t found = 0;
    lb_status st = LB_OK;
    if (!lb_is_folder(root)) return lb_fail(lb_file_exists(root) ? LB_E_ARG : LB_E_NOTFOUND, "%s: is no folder", root);
    LB_TRY(each_layout(&found, root, spec, pair_up, &j));
    if (!found) LB_TRY(lb_fail(LB_E_NOTFOUND, "%s: holds no folders of pictures and masks (images and masks, imagesTr and labelsTr, ...); name them (images=FOLDER, masks=FOLDER)", root));
    if (j.alone > SHOWN) lb_items_problem(items, "%s: %lld pictures have no mask; left out", root, (long long)j.alone);
    if (j.spare > SHOWN) lb_items_problem(items, "%s: %lld masks are of no picture", root, (long long)j.spare);
    *out = j.at;
    *count = j.count;
    j.at = NULL;
done:
    lb_free(j.at);
    return st;
}
