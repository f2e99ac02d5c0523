/* SPDX-License-Identifier: Apache-2.0 */
/* What networks of video share: the compact picture tower on every frame. */
#ifndef LB_VISION_VIDEO_H
#define LB_VISION_VIDEO_H
#include "vision/archs.h"
LB_BEGIN

/* Parameters of the tower, and how many frames an example has; first in an arch's config. */
typedef struct lb_video_net {
    lb_dwconv tower;
    int64_t frames, embed, classes;
} lb_video_net;

/** video [N,T,3,S,S] -> [N,T,head], the tower's parameters below the name `frame`. Tap frames. */
LB_API lb_tensor *lb_video_frames(lb_nn *m, lb_tensor *video, const lb_video_net *c);
/** Taps pooled, embedding (projection) and logits (head) of a video's vector [N,D]. */
LB_API void lb_video_heads(lb_nn *m, lb_tensor *x, const lb_video_net *c);
/** One video of `frames` frames. */
LB_API void lb_video_example(const lb_video_net *c, int *rank, int64_t shape[LB_MAX_RANK]);

/* Rows of a table whose struct has an lb_video_net `video` first. */
#define LB_VIDEO_NUMBER(name_, field, default_, min_, max_, unit_, text_) {.name = name_, .type = LB_T_I64, .offset = offsetof(lb_video_net, field), .def = default_, .min = min_, .max = max_, .unit = unit_, .text = text_}
#define LB_VIDEO_PARAMS                                                                                                   \
    LB_VIDEO_NUMBER("size", tower.size, 64, 8, 4096, "px", "side of the frames"),                                                              \
    LB_VIDEO_NUMBER("frame_width", tower.width, 16, 8, 1024, "channels", "channels of the frames' stem"),                                                          \
    LB_VIDEO_NUMBER("expand", tower.expand, 3, 1, 16, "1", "inner channels of a block, as a multiple of its input's"),                                                         \
    LB_VIDEO_NUMBER("head", tower.head, 256, 8, 8192, "channels", "width of a frame's vector"),                                                             \
    LB_VIDEO_NUMBER("frames", frames, 8, 1, 100000, "frames", "frames of a video; positions are learned for so many"),                                                            \
    LB_VIDEO_NUMBER("embed", embed, 256, 0, 65536, "1", "width of the embedding; 0 = none"),                                                             \
    LB_VIDEO_NUMBER("classes", classes, 0, 0, 10000000, "1", "classes of the head; 0 = no logits")

LB_END
#endif
