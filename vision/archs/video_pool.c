/* SPDX-License-Identifier: Apache-2.0 */
/* The mean of the frames' vectors (Karpathy et al., CVPR 2014, section 3.1, late fusion; "mean pooling" of CLIP4Clip, arXiv:2104.08860). */
#include "vision/video.h"

static const lb_param params[] = {LB_VIDEO_PARAMS, LB_PARAM_END};

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    lb_tensor *x = lb_video_frames(m, in[0], cfg);
    lb_video_heads(m, lb_mean(lb_nn_tape(m), x, 1, false), cfg);
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    (void)input;
    lb_video_example(cfg, rank, shape);
}

LB_ARCH(video_pool) = {.id = "video_pool",
                       .title = "mean over a video's frames",
                       .source = "arXiv:2104.08860, section 3.3",
                       .params = params,
                       .params_size = sizeof(lb_video_net),
                       .kind = "video",
                       .apart = true,
                       .inputs = "video[N,T,3,H,W]",
                       .taps = "embedding[N,E] pooled[N,D] frames[N,T,D] logits[N,K]",
                       .forward = forward,
                       .example = example};
