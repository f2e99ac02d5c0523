/* SPDX-License-Identifier: Apache-2.0 */
/* COCO's masks: runs down the columns, and polygons, as pycocotools makes them (maskApi.c of cocodataset/cocoapi). Thread-safe. */
#ifndef LB_IO_RLE_H
#define LB_IO_RLE_H
#include "io/sample.h"
LB_BEGIN

/** Paints runs into a map of labels (1 channel, 8 or 16 bits): counts of background, mask, background, ... down the columns. LB_E_FORMAT unless
 *  they cover all its pixels exactly. Nothing is painted on failure. */
LB_API LB_MUST_USE lb_status lb_rle_paint(lb_image *map, const int64_t *counts, int64_t n, uint16_t value);
/** The counts of pycocotools' compressed string, as a new array (lb_free). LB_E_FORMAT for other characters and counts below 0. */
LB_API LB_MUST_USE lb_status lb_rle_unpack(int64_t **counts, int64_t *n, const char *text, size_t size);
/** Paints a polygon x0 y0 x1 y1 ... (pixels; at least 3 corners) by pycocotools' rule: the outline in steps of a fifth of a pixel, from which
 *  the column runs follow. LB_E_FORMAT for fewer corners or coordinates that are not within +-1e6. */
LB_API LB_MUST_USE lb_status lb_polygon_paint(lb_image *map, const double *xy, int64_t corners, uint16_t value);

LB_END
#endif
