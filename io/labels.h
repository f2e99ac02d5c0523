/* SPDX-License-Identifier: Apache-2.0 */
/* Label maps: the masks of segmentation, as small whole numbers. */
#ifndef LB_IO_LABELS_H
#define LB_IO_LABELS_H
#include "base/alloc.h"
LB_BEGIN

/* rank 2: [height, width]; rank 3: [k, j, i] of a volume. spacing per axis: mm of a volume, 1 of a picture. */
typedef struct lb_labels {
    int rank;
    int64_t shape[3];
    double spacing[3];
    uint8_t *at;
} lb_labels;

/** Reads a mask (a path, or what a uri names, io/uri.h): a grey picture's values, a palette picture's indices (as Pillow's modes L and P), a colour picture whose channels are equal,
 *  or a NIfTI volume of whole numbers. EXIF orientation is not applied. Values above 255, and a picture with real colours, are
 *  LB_E_UNSUPPORTED. Release with lb_labels_free. Thread-safe. */
LB_API LB_MUST_USE lb_status lb_labels_read(lb_labels *out, const char *path);
LB_API void lb_labels_free(lb_labels *l);
LB_API int64_t lb_labels_count(const lb_labels *l); /* voxels */
LB_API bool lb_labels_same_shape(const lb_labels *a, const lb_labels *b);
/** Nearest-neighbour resize of a two-dimensional map: out[y] = in[floor((y + 0.5) * h / height)]. */
LB_API LB_MUST_USE lb_status lb_labels_resize(lb_labels *out, const lb_labels *in, int64_t height, int64_t width);
/** A grey PNG (8 bits) of a two-dimensional map, appended to a file by rename. */
LB_API LB_MUST_USE lb_status lb_labels_write_png(const char *path, const lb_labels *l);

LB_END
#endif
