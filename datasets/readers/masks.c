/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "base/file.h"
#include "datasets/pairs.h"

typedef struct options {
    const char *images, *masks, *suffix;
} options;

static const lb_param params[] = {
    LB_PARAM_TEXT(options, images, NULL, NULL, "name of the pictures' folder; none given = images, image, imgs, img, JPEGImages, imagesTr, imagesTs"),
    LB_PARAM_TEXT(options, masks, NULL, NULL, "name of the masks' folder; none given = masks, mask, labels, gts, annotations, SegmentationClass, labelsTr, ..."),
    LB_PARAM_TEXT(options, suffix, NULL, NULL, "what a mask's name has after the picture's, without ending; none given = nothing, _mask, _segmentation, _seg, _gt, ..."),
    LB_PARAM_END,
};

static bool is_picture(const char *name) {
    const char *kind = lbi_kind_of(name);
    return kind && strcmp(kind, "image") == 0 && !lb_ends_with(name, ".nii");
}

static int probe(const char *path) {
    return lbi_pairs_known(path, &(lbi_pair_spec){.is_mine = is_picture}) ? 85 : 0;
}

static lb_status read(lb_items *items, const char *path, const void *cfg) {
    const options *o = cfg;
    lbi_pair *pairs = NULL;
    int64_t n = 0;
    lb_status st = lbi_items_base(items, path);
    if (st == LB_OK) st = lbi_pairs_find(&pairs, &n, items, path, &(lbi_pair_spec){o->images, o->masks, o->suffix, is_picture});
    for (int64_t i = 0; st == LB_OK && i < n; i++) {
        const lbi_pair *p = &pairs[i];
        st = lb_items_add(items, &(lb_item){.key = p->key, .image = p->image, .mask = p->mask, .split = p->split});
    }
    if (st == LB_OK && n == 0) lb_items_problem(items, "%s: holds no picture with a mask", path);
    lb_free(pairs);
    return st;
}

LB_READER(masks) = {.id = "masks",
                    .title = "folders of pictures and masks paired by name, with splits as folders",
                    .source = "layouts of Kvasir-SEG, ISIC (_segmentation), VOC, nnU-Net",
                    .params = params,
                    .params_size = sizeof(options),
                    .fields = "image mask split",
                    .probe = probe,
                    .read = read};
