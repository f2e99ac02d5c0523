/* SPDX-License-Identifier: Apache-2.0 */
/* Medical volumes with label volumes: one item a slice. */
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "datasets/pairs.h"
#include "io/decoder.h"
#include "io/volume.h"

typedef struct options {
    const char *images, *masks, *suffix, *axis, *slices;
} options;

static const lb_param params[] = {
    LB_PARAM_TEXT(options, images, NULL, NULL, "name of the volumes' folder; none given = images, imagesTr, imagesTs, ..."),
    LB_PARAM_TEXT(options, masks, NULL, NULL, "name of the label volumes' folder; none given = labels, masks, labelsTr, labelsTs, ..."),
    LB_PARAM_TEXT(options, suffix, NULL, NULL, "what a label volume's name has after the volume's, without ending; none given = nothing, _seg, _label, ..."),
    LB_PARAM_TEXT(options, axis, "k", "k|j|i", "slices across this axis of the file"),
    LB_PARAM_TEXT(options, slices, "all", "all|labelled", "labelled: only those with a label above 0 (label volumes are read for it)"),
    LB_PARAM_END,
};

static bool is_volume(const char *name) { return lb_ends_with(name, ".nii") || lb_ends_with(name, ".nii.gz"); }

static int probe(const char *path) {
    return lbi_pairs_known(path, &(lbi_pair_spec){.is_mine = is_volume}) ? 90 : 0;
}

static bool slice_has_label(const lb_volume *v, char axis, int64_t at) {
    int64_t step[3] = {1, v->width, v->width * v->height}, size[3] = {v->width, v->height, v->depth};
    int a = axis - 'i', b = (a + 1) % 3, c = (a + 2) % 3;
    for (int64_t y = 0; y < size[c]; y++)
        for (int64_t x = 0; x < size[b]; x++)
            if (v->values[at * step[a] + x * step[b] + y * step[c]] > 0) return true;
    return false;
}

/* How many slices both volumes have; 0 when they do not fit each other, with a problem. */
static int64_t slices_of(lb_items *items, const lbi_pair *p, char axis) {
    lb_volume image = {0}, mask = {0};
    int64_t n = 0;
    if (lb_volume_size(&image, p->image) != LB_OK || lb_volume_size(&mask, p->mask) != LB_OK) {
        lb_items_problem(items, "%s; left out", lb_error_text());
        lb_error_clear();
    } else if (image.width != mask.width || image.height != mask.height || image.depth != mask.depth)
        lb_items_problem(items, "%s: %lld x %lld x %lld voxels, its labels have %lld x %lld x %lld; left out", p->image, (long long)image.width, (long long)image.height, (long long)image.depth,
                         (long long)mask.width, (long long)mask.height, (long long)mask.depth);
    else n = axis == 'i' ? image.width : axis == 'j' ? image.height : image.depth;
    return n;
}

static lb_status add_slices(lb_items *items, const lbi_pair *p, const options *o) {
    char key[4096], image[4096], mask[4096], axis = o->axis[0];
    int64_t n = slices_of(items, p, axis);
    lb_volume labels = {0};
    bool only = strcmp(o->slices, "labelled") == 0;
    lb_status st = LB_OK;
    if (n > 0 && only && (st = lb_volume_read(&labels, p->mask, 0, 0)) != LB_OK) {
        if (st == LB_E_NOMEM) return st;
        lb_items_problem(items, "%s; left out", lb_error_text());
        lb_error_clear();
        return LB_OK;
    }
    for (int64_t i = 0; st == LB_OK && i < n; i++) {
        if (only && !slice_has_label(&labels, axis, i)) continue;
        snprintf(key, sizeof key, "%.*s/%c%03lld", (int)lbi_stem_size(p->key), p->key, axis, (long long)i);
        snprintf(image, sizeof image, "%s#%c=%lld", p->image, axis, (long long)i);
        snprintf(mask, sizeof mask, "%s#%c=%lld", p->mask, axis, (long long)i);
        st = lb_items_add(items, &(lb_item){.key = key, .image = image, .mask = mask, .split = p->split, .group = p->key});
    }
    lb_volume_free(&labels);
    return st;
}

static lb_status read(lb_items *items, const char *path, const void *cfg) {
    const options *o = cfg;
    lbi_pair *pairs = NULL;
    int64_t n = 0;
    lb_status st = lbi_items_base(items, path);
    if (st == LB_OK) st = lbi_pairs_find(&pairs, &n, items, path, &(lbi_pair_spec){o->images, o->masks, o->suffix, is_volume});
    for (int64_t i = 0; st == LB_OK && i < n; i++) st = add_slices(items, &pairs[i], o);
    if (st == LB_OK && n == 0) lb_items_problem(items, "%s: holds no volume with labels", path);
    lb_free(pairs);
    return st;
}

LB_READER(nifti_pairs) = {.id = "nifti_pairs",
                          .title = "NIfTI volumes with label volumes, an item a slice",
                          .source = "layout of nnU-Net (imagesTr, labelsTr) and of the Medical Segmentation Decathlon",
                          .params = params,
                          .params_size = sizeof(options),
                          .fields = "image mask split group",
                          .probe = probe,
                          .read = read};
