/* SPDX-License-Identifier: Apache-2.0 */
/* A light convolutional network over a log-mel, in the manner of PANNs' CNN10 (Kong et al., arXiv:1912.10211, section III): blocks of two 3x3 convolutions
 * with batch norm and ReLU and a mean over 2x2, then the mean over bands, and the largest plus the mean over time, through a map. */
#include "audio/archs.h"
#include "nn/conv.h"
#include "tensor/arrange.h"

typedef struct config {
    int64_t bands, frames, width, blocks, embed, classes;
} config;

static const lb_param params[] = {
    LB_PARAM(config, bands, 128, 4, 4096, "1", "bands of the log-mel"),
    LB_PARAM(config, frames, 1024, 4, 1000000, "frames", "frames of the log-mel, for the plan: any number goes"),
    LB_PARAM(config, width, 32, 1, 4096, "channels", "channels of the first block; each next one has twice as many"),
    LB_PARAM(config, blocks, 4, 1, 8, "1", "blocks"),
    LB_PARAM(config, embed, 256, 0, 65536, "1", "width of the embedding; 0 = none"),
    LB_PARAM(config, classes, 0, 0, 10000000, "1", "classes of the head; 0 = no logits"),
    LB_PARAM_END};

static const double eps = 1e-5, momentum = 0.1;

static lb_tensor *block(lb_nn *m, lb_tensor *x, int i, int64_t out) {
    lb_nn_in(m, "blocks.%d", i);
    x = lb_nn_conv_bn(m, x, "conv1", "bn1", out, 3, lb_conv_same(1, 1, 1), eps, momentum, LB_ACT_RELU);
    x = lb_nn_conv_bn(m, x, "conv2", "bn2", out, 3, lb_conv_same(1, 1, 1), eps, momentum, LB_ACT_RELU);
    x = lb_avg_pool(lb_nn_tape(m), x, lb_window_of(2, 2, 0), LB_AVG_COUNT_PAD, 0);
    lb_nn_tap(m, x, "block.%d", i);
    return lb_nn_out(m, x);
}

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_tape *t = lb_nn_tape(m);
    lb_tensor *x = lb_unsqueeze(t, in[0], 1);
    for (int64_t i = 0; i < c->blocks; i++) x = block(m, x, (int)i, c->width << i);
    lb_nn_tap(m, x, "features");
    x = lb_mean(t, x, 3, false);
    x = lb_add(t, lb_max(t, x, 2, false), lb_mean(t, x, 2, false));
    x = lb_nn_linear(m, x, "fc", c->width << (c->blocks - 1), LB_ACT_RELU);
    lb_nn_tap(m, x, "pooled");
    if (c->embed > 0) lb_nn_tap(m, lb_normalize(t, lb_nn_linear_no_bias(m, x, "projection", c->embed, LB_ACT_NONE), 1e-12), "embedding");
    if (c->classes > 0) lb_nn_tap(m, lb_nn_linear(m, x, "head", c->classes, LB_ACT_NONE), "logits");
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    const config *c = cfg;
    (void)input;
    *rank = 3;
    shape[0] = 1;
    shape[1] = c->frames;
    shape[2] = c->bands;
}

LB_ARCH(audio_conv) = {.id = "audio_conv",
                       .title = "light convolutional network over a log-mel",
                       .source = "arXiv:1912.10211, section III",
                       .params = params,
                       .params_size = sizeof(config),
                       .kind = "audio",
                       .apart = true,
                       .inputs = "audio[N,T,F]",
                       .taps = "embedding[N,E] pooled[N,D] features[N,C,t,f] block.K[N,C,t,f] logits[N,K]",
                       .forward = forward,
                       .example = example,
                       .preprocess = "{\"feature_extractor_type\": \"ASTFeatureExtractor\", \"num_mel_bins\": 128, \"max_length\": 1024, \"mean\": -4.2677393, "
                                     "\"std\": 4.5689974, \"sampling_rate\": 16000}"};
