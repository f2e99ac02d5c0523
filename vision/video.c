/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/video.h"

lb_tensor *lb_video_frames(lb_nn *m, lb_tensor *video, const lb_video_net *c) {
    lb_tape *t = lb_nn_tape(m);
    char text[96];
    if (!lb_tape_ok(t)) return lb_inert(t);
    if (video->rank != 5) return lb_tape_fail(t, LB_E_SHAPE, "video %s, wanted [N,T,3,S,S]", lb_shape_text(text, sizeof text, video->rank, video->shape));
    int64_t n = video->shape[0], frames = video->shape[1];
    lb_nn_in(m, "frame");
    lb_tensor *x = lb_dwconv_tower(m, lb_reshape(t, video, 4, (int64_t[]){n * frames, video->shape[2], video->shape[3], video->shape[4]}), &c->tower);
    x = lb_nn_out(m, x);
    x = lb_reshape(t, x, 3, (int64_t[]){n, frames, c->tower.head});
    lb_nn_tap(m, x, "frames");
    return x;
}

void lb_video_heads(lb_nn *m, lb_tensor *x, const lb_video_net *c) {
    lb_nn_tap(m, x, "pooled");
    if (c->embed > 0) lb_nn_tap(m, lb_normalize(lb_nn_tape(m), lb_nn_linear_no_bias(m, x, "projection", c->embed, LB_ACT_NONE), 1e-12), "embedding");
    if (c->classes > 0) lb_nn_tap(m, lb_nn_linear(m, x, "classifier", c->classes, LB_ACT_NONE), "logits");
}

void lb_video_example(const lb_video_net *c, int *rank, int64_t shape[LB_MAX_RANK]) {
    *rank = 5;
    shape[0] = 1;
    shape[1] = c->frames;
    shape[2] = 3;
    shape[3] = shape[4] = c->tower.size;
}
