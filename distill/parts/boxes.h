/* SPDX-License-Identifier: Apache-2.0 */
/* Boxes (x0, y0, x1, y1), a negative side counts as 0: overlaps with and without gradient, rankings, suppression, what of targets is found. Private to
 * distill/. On the tape inert after a failure. */
#ifndef LB_DISTILL_BOXES_H
#define LB_DISTILL_BOXES_H
#include "distill/parts/parts.h"

typedef struct lb_part_box {
    double x0, y0, x1, y1, score;
    int64_t index;
} lb_part_box;

/** Row i of [N,4]; centred: the row is (centre, sides). */
lb_part_box lb_part_box_at(const lb_tensor *x, int64_t i, bool centred);
/** IoU, or GIoU (Rezatofighi et al., arXiv:1902.09630); 0 where there is no union. */
double lb_part_overlap(const lb_part_box *a, const lb_part_box *b, bool generalised);
/** Best first, of equal scores the earlier; those below `least` are left out. New (lb_free); NULL fails the tape. */
lb_part_box *lb_part_ranked(lb_tape *t, const lb_tensor *boxes, const lb_tensor *scores, double least, int64_t *count);
/** Greedy suppression of ranked boxes: those that overlap no better one by more than `threshold` (0 and below: all), `most` of them, move to the front. @return how many */
int64_t lb_part_suppress(lb_part_box *b, int64_t n, double threshold, int64_t most);
/** Share of the m targets that have a box of their own at IoU 0.5, 0.55, .. 0.95; pairs are made one to one by falling IoU. false: no memory. */
bool lb_part_recall(const lb_part_box *b, int64_t n, const lb_part_box *target, int64_t m, double at[10]);

/** IoU of broadcast boxes [...,4] and, when asked for, GIoU: [...,1]. Where corners meet each box has half the gradient. */
lb_tensor *lb_part_overlaps(lb_tape *t, lb_tensor *a, lb_tensor *b, lb_tensor **generalised);
/** [N,4] of centres and sides as corners. */
lb_tensor *lb_part_corners(lb_tape *t, lb_tensor *x);
/** [K, 4 dim] of boxes [K,4]: sine and cosine, interleaved, of cy, cx, w, h in turn as parts of a picture of that size; width 0: the boxes are (cx, cy, w, h)
 *  in such parts already. dim even. Constant. */
lb_tensor *lb_part_box_sine(lb_tape *t, const lb_tensor *boxes, int64_t dim, double width, double height);
/** ROIAlign of boxes [K,4] in pixels of a map [C,H,W] that is `scale` of the picture's size; ratio: points of a cell's side, 0 and below its size, rounded up;
 *  aligned: half a pixel less (He et al., arXiv:1703.06870). [K,C,size,size] */
lb_tensor *lb_part_regions(lb_tape *t, lb_tensor *map, const lb_tensor *boxes, int64_t size, double scale, int64_t ratio, bool aligned);

#endif
