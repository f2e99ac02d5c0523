/* SPDX-License-Identifier: Apache-2.0 */
/* COCO's annotations in memory, and the masks that they draw. Private to datasets. */
#ifndef LB_DATASETS_COCO_H
#define LB_DATASETS_COCO_H
#include "base/file.h"
#include "datasets/items_private.h"

typedef struct lbi_coco_picture {
    int64_t id;
    char *file;
    int32_t width, height;
    int64_t first, count; /* its annotations, within set.order */
} lbi_coco_picture;

typedef struct lbi_coco_category {
    int64_t id;
    char *name;
} lbi_coco_category;

typedef struct lbi_coco_annotation {
    int64_t id, image, category; /* image: an id, then an index */
    const char *shape;  /* segmentation or segments_info, as JSON within the file */
    size_t shape_size;
    char *text, *file;  /* caption; panoptic PNG */
    float box[4];
    bool crowd, boxed;
} lbi_coco_annotation;

typedef struct lbi_coco {
    lb_mmap map;
    const char *name, *masks; /* the file; the folder of panoptic PNGs */
    const char *value, *overlap, *split; /* texts live as long as the list */
    bool crowds, single;      /* single: an item is one annotation */
    lbi_coco_picture *pictures;
    lbi_coco_category *categories;
    lbi_coco_annotation *at;
    int64_t picture_count, picture_capacity, category_count, category_capacity, count, capacity;
    int64_t *order; /* annotations by picture, in the file's order */
    uint16_t most;  /* largest value of a mask */
} lbi_coco;

/* The handle of an item. */
typedef struct lbi_coco_drawn {
    const lb_reader *reader;
    const lbi_coco *set;
    int64_t picture, first, count; /* annotations, within set.order */
} lbi_coco_drawn;

/* A file of annotations in a folder. */
typedef struct lbi_coco_file {
    char *path;
    const char *kind; /* captions, instances, panoptic, stuff or person_keypoints */
    char split[32];   /* by its name or its folder's; "" = none */
} lbi_coco_file;

/* How sure a file is one of COCO's: 0 to 100. */
int lbi_coco_sure(const char *path);
/* Files of annotations in a folder, its `annotations` and its folders of splits; a new array, released by lbi_coco_files_free. */
LB_MUST_USE lb_status lbi_coco_files(lbi_coco_file **out, int64_t *count, const char *folder);
void lbi_coco_files_free(lbi_coco_file *files, int64_t count);

/* Place of a category in the file's list, -1 = none. */
int64_t lbi_coco_category_at(const lbi_coco *s, int64_t id);
/* Finds set.most; fails where values of masks would not fit 16 bits. */
LB_MUST_USE lb_status lbi_coco_find_most(lbi_coco *s);
/* The reader's slot `mask`. */
LB_MUST_USE lb_status lbi_coco_mask(lb_image *out, const lb_item *item);

#endif
