/* SPDX-License-Identifier: Apache-2.0 */
/* Image networks, and the towers that joint models are assembled from. */
#ifndef LB_VISION_ARCHS_H
#define LB_VISION_ARCHS_H
#include "nn/model.h"
LB_BEGIN

extern LB_API const lb_family lb_vision_archs;

/* One picture [1,channels,h,w], for an arch's example. */
static inline void lb_example_picture(int64_t channels, int64_t h, int64_t w, int *rank, int64_t shape[LB_MAX_RANK]) {
    *rank = 4;
    shape[0] = 1;
    shape[1] = channels;
    shape[2] = h;
    shape[3] = w;
}

/* The compact depthwise-convolutional tower: a strided 3x3 stem, five inverted residual blocks, a 1x1 head, mean over the map. */
typedef struct lb_dwconv {
    int64_t size;   /* pictures are size x size */
    int64_t width;  /* channels of the stem; blocks have 1.5, 2, 3, 4 and 6 times as many */
    int64_t expand; /* inner channels of a block, as a multiple of its input's */
    int64_t head;   /* channels of the 1x1 head */
} lb_dwconv;
/** image [N,3,S,S] -> pooled [N,head]. Taps: block.K, features. */
LB_API lb_tensor *lb_dwconv_tower(lb_nn *m, lb_tensor *image, const lb_dwconv *c);
/** Its maps at 1/4, 1/8 and 1/16 of the picture, without the head. Taps: block.K. */
enum { LB_DWCONV_MAPS = 3 };
LB_API void lb_dwconv_maps(lb_nn *m, lb_tensor *image, const lb_dwconv *c, lb_tensor *maps[LB_DWCONV_MAPS]);

LB_END
#endif
