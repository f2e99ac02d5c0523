/* SPDX-License-Identifier: Apache-2.0 */
/* A transformer over the frames' vectors with learned places in time, x + mean as in "sequential type" of CLIP4Clip (arXiv:2104.08860, section 3.3): the
 * mean over frames of what comes out plus what went in. */
#include "nn/attention.h"
#include "vision/video.h"

typedef struct config {
    lb_video_net video;
    int64_t depth, heads, mlp;
} config;

static const lb_param params[] = {
    LB_VIDEO_PARAMS,
    LB_PARAM(config, depth, 2, 1, 100, "1", "blocks"),
    LB_PARAM(config, heads, 4, 1, 256, "1", "attention heads"),
    LB_PARAM(config, mlp, 512, 1, 65536, "1", "inner width of a block's map"),
    LB_PARAM_END};

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_tape *t = lb_nn_tape(m);
    lb_tensor *frames = lb_video_frames(m, in[0], &c->video);
    if (!lb_tape_ok(t)) return;
    if (frames->shape[1] > c->video.frames) {
        (void)lb_tape_fail(t, LB_E_SHAPE, "video of %lld frames, at most %lld wanted", (long long)frames->shape[1], (long long)c->video.frames);
        return;
    }
    lb_tensor *places = lb_nn_param(m, "time_embedding", 2, (int64_t[]){c->video.frames, c->video.tower.head}, LB_INIT_NORMAL, 0.02);
    lb_tensor *x = lb_add(t, frames, lb_slice(t, places, 0, 0, frames->shape[1], 1));
    x = lb_nn_blocks(m, x, c->depth, &(lb_block_spec){.self = {.heads = c->heads}, .mlp = {.width = c->mlp, .act = LB_ACT_GELU}});
    x = lb_add(t, lb_nn_layer_norm(m, x, "norm", 1e-5), frames);
    lb_nn_tap(m, x, "tokens");
    lb_video_heads(m, lb_mean(t, x, 1, false), &c->video);
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    (void)input;
    lb_video_example(cfg, rank, shape);
}

LB_ARCH(video_transformer) = {.id = "video_transformer",
                              .title = "transformer over a video's frames",
                              .source = "arXiv:2104.08860, section 3.3",
                              .params = params,
                              .params_size = sizeof(config),
                              .kind = "video",
                              .apart = true,
                              .inputs = "video[N,T,3,H,W]",
                              .taps = "embedding[N,E] pooled[N,D] tokens[N,T,D] frames[N,T,D] block.K[N,T,D] logits[N,K]",
                              .forward = forward,
                              .example = example};
