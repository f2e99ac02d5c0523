/* SPDX-License-Identifier: Apache-2.0 */
/* Augmentations, a family: datasets/augments/<id>.c, one line in datasets/augments.def. What is drawn for an item is a pure function of (seed, epoch, key)
 * and of the item's size; it can be stored as JSON beside the item's features and applied again, to the same pixels. */
#ifndef LB_DATASETS_AUGMENTS_H
#define LB_DATASETS_AUGMENTS_H
#include "base/registry.h"
#include "base/rng.h"
#include "base/value.h"
#include "io/sample.h"
LB_BEGIN

/* What is changed together; any part may be absent. Owned by whoever made it. */
typedef struct lb_scene {
    lb_image image;     /* RGB u8 */
    lb_image mask;      /* labels, 1 channel */
    float *boxes;       /* [box_count][4]: x0 y0 x1 y1 in pixels; a box that a crop leaves nothing of becomes empty (x0 = x1 or y0 = y1) */
    int64_t box_count;
    float *planes;      /* [plane_count, plane_height, plane_width]: what a model sees, after normalisation; or a log-mel [1, bands, frames] */
    int64_t plane_count, plane_width, plane_height;
    float *soft;        /* [soft_count, plane_height, plane_width]: shares of a mask's classes, mixed as the planes are */
    int64_t soft_count;
    double own;         /* share of its own label after mixing; 1 before */
} lb_scene;
LB_API void lb_scene_free(lb_scene *v);

enum { LB_AUGMENT_VALUES = 32 };

typedef struct lb_augment_member {
    LB_HEAD;
    const char *on;     /* "image", "image mask boxes", "planes", "pair": of two items, planes and soft */
    const char *values; /* names of what is drawn, in order: "x y width height" */
    /* Draws for a picture (planes) of this size; the number of random words may not depend on the outcome of other members. */
    void (*draw)(double *values, const void *cfg, int64_t width, int64_t height, lb_rng *rng);
    /* What the size becomes. NULL: it stays. */
    void (*size)(int64_t *width, int64_t *height, const double *values, const void *cfg);
    /* Changes what the view has of `on`. other: the partner of "pair", as it was before mixing; else NULL. */
    lb_status (*apply)(lb_scene *v, const lb_scene *other, const double *values, const void *cfg);
} lb_augment_member;
#define LB_AUGMENT(name) const lb_augment_member lb_augment_##name
extern LB_API const lb_family lb_augments;

/* A list of members with their parameters. Immutable once open, share freely. */
typedef struct lb_chain lb_chain;
/** From a list of maps, {op: flip, horizontal: 0.5}; `where` is for messages. LB_E_ARG names unknown members and parameters. */
LB_API LB_MUST_USE lb_status lb_chain_open(lb_chain **out, const lb_value *list, const char *where);
LB_API void lb_chain_close(lb_chain *c);
LB_API lb_value *lb_chain_value(const lb_chain *c); /* with every default: what is fingerprinted and saved; new */
LB_API bool lb_chain_has_pairs(const lb_chain *c);

/** What is drawn for an item of this size, a new list of maps: [{"op": "flip", "horizontal": 1.0, "vertical": 0.0}]. */
LB_API LB_MUST_USE lb_status lb_chain_draw(lb_value **row, const lb_chain *c, int64_t width, int64_t height, uint64_t seed, uint64_t epoch, const char *key);
/** A row as numbers of a float's precision, for a tap of features: a mark of the list with its parameters, then what was drawn. Unpacked it is a new row of
 *  those numbers; LB_E_MISMATCH when they were drawn for another list. */
LB_API int64_t lb_chain_numbers(const lb_chain *c);
LB_API LB_MUST_USE lb_status lb_chain_pack(float *out, const lb_chain *c, const lb_value *row);
LB_API LB_MUST_USE lb_status lb_chain_unpack(lb_value **row, const lb_chain *c, const float *in);
/** Applies a row. Members on pictures when `pixels`, those on planes and pairs when not: between the two a model's preprocessing makes planes of the picture.
 *  LB_E_MISMATCH when the row is of another chain. */
LB_API LB_MUST_USE lb_status lb_chain_apply(lb_scene *v, const lb_scene *other, bool pixels, const lb_chain *c, const lb_value *row);

LB_END
#endif
