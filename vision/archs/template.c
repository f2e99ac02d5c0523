/* SPDX-License-Identifier: Apache-2.0 */
/* To copy: cp template.c mine.c, ARCH(mine) in vision/archs.def (text/archs.def for texts), `limbeck describe archs mine`.
 * A network is one function: run on shapes it states its parameters, run on data it computes. Parameter names are those of the published
 * weights. This one: a stem, one convolution, a mean over the map, a map to classes. */
#include "vision/archs.h"

typedef struct config {
    int64_t size, width, classes;
} config;

static const lb_param params[] = {
    LB_PARAM(config, size, 32, 8, 4096, "px", "side of the pictures"),
    LB_PARAM(config, width, 16, 1, 4096, "channels", "channels of the map"),
    LB_PARAM(config, classes, 10, 1, 1000000, "classes", "width of the logits"),
    LB_PARAM_END};

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_tensor *x = lb_nn_conv_bn(m, in[0], "stem", "norm", c->width, 3, lb_conv_same(2, 1, 1), 1e-5, 0.1, LB_ACT_RELU);
    lb_nn_in(m, "block");
    x = lb_nn_out(m, lb_nn_conv2d(m, x, "conv", c->width, 3, lb_conv_same(1, 1, 1), true));
    lb_nn_tap(m, x, "features");
    if (x->rank == 4) x = lb_mean(lb_nn_tape(m), lb_reshape(lb_nn_tape(m), x, 3, (int64_t[]){x->shape[0], x->shape[1], -1}), 2, false);
    lb_nn_tap(m, x, "pooled");
    lb_nn_tap(m, lb_nn_linear(m, x, "fc", c->classes, LB_ACT_NONE), "logits");
}

/* Shapes of one input, for the run that states the parameters. */
static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    const config *c = cfg;
    (void)input;
    *rank = 4;
    shape[0] = 1;
    shape[1] = 3;
    shape[2] = shape[3] = c->size;
}

LB_ARCH(template) = {.id = "template",
                     .title = "a small convolutional classifier",
                     .source = "",
                     .params = params,
                     .params_size = sizeof(config),
                     .kind = "image",
                     .apart = true,
                     .inputs = "image[N,3,H,W]",
                     .taps = "features[N,C,h,w] pooled[N,C] logits[N,K]",
                     .forward = forward,
                     .example = example};
