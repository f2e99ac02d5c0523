/* SPDX-License-Identifier: Apache-2.0 */
/* Masks of items as a network sees them, and what a network says of pictures as masks. */
#ifndef LB_CLI_MASKS_H
#define LB_CLI_MASKS_H
#include "cli/source.h"
#include "eval/segmentation.h"
#include "io/labels.h"

/** The item's mask through a draw (NULL = none) and the geometry of a preprocessing spec, nearest neighbour: *out is [height, width] of the
 *  prepared picture. nonzero: every value above 0 is 1. LB_E_NOTFOUND when it has none. */
LB_MUST_USE lb_status cli_mask_prepare(lb_labels *out, const lb_item *item, const lb_image_spec *spec, const lb_augment_draw *draw, bool nonzero);

/** Draws labels over a picture, half through, each class but 0 in a colour of its own. */
LB_MUST_USE lb_status cli_mask_overlay(lb_image *rgb, const lb_labels *labels);

typedef struct cli_mask_spec {
    cli_source *source;
    lb_model *model;
    const lb_items *items;
    const lb_image_spec *image;
    const char *tap; /* logits [N,K,H,W], or one channel of probabilities [N,1,H,W], of which those from 0.5 on are class 1 */
    bool nonzero;
} cli_mask_spec;
/** Labels of count items in turn: seen(ctx, place in items, labels as large as the prepared picture). A picture that cannot be read fails with its key. */
LB_MUST_USE lb_status cli_masks_predict(const cli_mask_spec *m, const int64_t *items, int64_t count, lb_status (*seen)(void *ctx, int64_t place, const lb_labels *labels), void *ctx);
/** Scores of the items that have masks, as eval/segmentation.h says, and per domain under "domains". */
LB_MUST_USE lb_status cli_masks_score(lb_value *out, const cli_mask_spec *m, const int64_t *items, int64_t count, const lb_segmentation_options *o);

#endif
