/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks and heads of picture networks, from the layers of nn/nn.h and nn/conv.h. Parameter names are those of the program named at each, below
 * the current name (lb_nn_in), so its published weights load. x is [N,C,H,W]; all run on the network's tape, and failures fail it. */
#ifndef LB_NN_PICTURE_H
#define LB_NN_PICTURE_H
#include "nn/conv.h"
LB_BEGIN

/** x times gate(fc2(relu(fc1(mean of x over places)))), with 1x1 convolutions <name>.fc1 to `inner` channels and <name>.fc2.
 *  Hu et al., arXiv:1709.01507; names of torchvision's SqueezeExcitation. */
LB_API lb_tensor *lb_nn_squeeze_excite(lb_nn *m, lb_tensor *x, const char *name, int64_t inner, lb_act gate);

/** The same with two names, and an activation between the convolutions. */
LB_API lb_tensor *lb_nn_squeeze(lb_nn *m, lb_tensor *x, const char *narrow, const char *widen, int64_t inner, lb_act act, lb_act gate);

/** Residual blocks: relu(x + two 3x3 convolutions), relu(x + 1x1, 3x3, 1x1), each followed by batch norm (eps 1e-5, momentum 0.1); x goes through
 *  a 1x1 convolution where its shape would not fit. The 3x3 one of a bottleneck has stride, groups and dilation.
 *  He et al., arXiv:1512.03385; names conv1, bn1, ... downsample.0, downsample.1 of torchvision. */
LB_API lb_tensor *lb_nn_basic_block(lb_nn *m, lb_tensor *x, int64_t out, int64_t stride);
LB_API lb_tensor *lb_nn_bottleneck(lb_nn *m, lb_tensor *x, int64_t inner, int64_t out, int64_t stride, int64_t groups, int64_t dilation);

/** The same with the choices of later networks. He et al., arXiv:1812.01187 (pooled), Hu et al., arXiv:1709.01507 (squeeze), Wang et al.,
 *  arXiv:1910.03151 (across); names of timm's ResNet. */
typedef struct lb_residual {
    int64_t inner;                     /* channels inside a bottleneck; 0 = two 3x3 */
    int64_t out, stride, groups, dilation; /* of groups and dilation: a bottleneck's; 0 = 1 */
    int64_t squeeze;                   /* inner channels of squeeze and excite <se> behind the last norm; 0 = none */
    int64_t shortcut_kernel;           /* of a shortcut that strides; 0 = 1 */
    bool across;                       /* behind the last norm a gate per channel from its neighbours' means, <se.conv> */
    bool pooled;                       /* shortcuts stride by the mean of 2x2; their convolution and norm are downsample.1, downsample.2 */
    bool early;                        /* a bottleneck strides in its first 1x1 */
    bool last;                         /* x is not used any more after the block: without gradients its result may be written over x */
    bool by_means;                     /* it strides by means of stride x stride: behind its 3x3, and in front of its shortcut's convolution. Radford et al., arXiv:2103.00020 */
} lb_residual;
LB_API lb_tensor *lb_nn_residual_block(lb_nn *m, lb_tensor *x, const lb_residual *b);

/** Inverted residual: 1x1 to `inner` channels (left out where x has as many), depthwise, squeeze and excite to `squeeze` channels (0 = none), 1x1
 *  to `out`; x is added where its shape fits. Sandler et al., arXiv:1801.04381, Howard et al., arXiv:1905.02244; names block.0.0 (convolution),
 *  block.0.1 (norm), ... of torchvision's MobileNetV3. */
typedef struct lb_inverted {
    int64_t kernel, inner, out, stride, squeeze;
    lb_act act;
    double eps, momentum;
    bool same; /* padded as TensorFlow does (lb_nn_conv_ceil) */
} lb_inverted;
LB_API lb_tensor *lb_nn_inverted_residual(lb_nn *m, lb_tensor *x, const lb_inverted *b);

/** The same with names, paddings and activations of its own: convolution and norm of each part, without gradient as one op where that is faster. */
typedef struct lb_inverted_block {
    const char *expand[2], *depthwise[2], *project[2]; /* expand[0] NULL: there is none */
    const char *narrow, *widen;                        /* of squeeze and excite; NULL = none */
    int64_t inner, out, kernel, squeeze;
    lb_conv_spec depth;          /* of the depthwise one; its groups are not looked at */
    lb_act act, inner_act, gate; /* of expand and depthwise; behind narrow; behind widen */
    double eps, momentum;
    bool add;                    /* x to the result */
} lb_inverted_block;
LB_API lb_tensor *lb_nn_inverted_block(lb_nn *m, lb_tensor *x, const lb_inverted_block *b);

/** x + scale * (1x1 to C (gelu (1x1 to 4 C (layer norm over channels (depthwise kernel x kernel x))))). names NULL = torchvision's block.0, block.2,
 *  block.3, block.5, layer_scale [C,1,1]; others give the names, and scale is then [C], NULL = none. Liu et al., arXiv:2201.03545. response (NULL = none): behind
 *  the activation x + weight x n + bias with n = |x| over places, divided by its mean over channels + 1e-6. Woo et al., arXiv:2301.00808. */
typedef struct lb_convnext_names {
    const char *depthwise, *norm, *widen, *narrow, *scale, *response;
    lb_act act; /* LB_ACT_NONE = GELU */
} lb_convnext_names;
LB_API lb_tensor *lb_nn_convnext_block(lb_nn *m, lb_tensor *x, int64_t kernel, double eps, const lb_convnext_names *names);

/** Squares of patch x patch as rows: [N, H/patch * W/patch, width], by a convolution <name> with bias. */
LB_API lb_tensor *lb_nn_patch_embed(lb_nn *m, lb_tensor *x, const char *name, int64_t width, int64_t patch);

/** Resized by a factor, then 3x3 convolution <name>.conv without bias, batch norm <name>.norm (eps 1e-5, momentum 0.1), activation. */
LB_API lb_tensor *lb_nn_up_block(lb_nn *m, lb_tensor *x, const char *name, int64_t out, double factor, lb_resize_mode mode, lb_act act);

/** 3x3 to a quarter of the channels, batch norm, relu, dropout 0.1, 1x1 to classes: names 0, 1, 4 of torchvision's FCNHead. */
LB_API lb_tensor *lb_nn_fcn_head(lb_nn *m, lb_tensor *x, int64_t classes);

/** Feature pyramid: maps x[0] (largest) .. x[n-1] become out[0 .. n-1] with `width` channels, each with what the smaller ones say added, nearest
 *  elements repeated. Lin et al., arXiv:1612.03144; names inner_blocks.K.0, layer_blocks.K.0 of torchvision. */
LB_API void lb_nn_feature_pyramid(lb_nn *m, int n, lb_tensor *const *x, int64_t width, lb_tensor **out);

/** UPerNet's head: pyramid pooling with the given side lengths on the smallest of the maps x[0 .. n-1], a feature pyramid by bilinear resizing, all
 *  joined at the size of x[0]; logits [N,classes,H0,W0]. Xiao et al., arXiv:1807.10221; names of Hugging Face's UperNetHead. */
LB_API lb_tensor *lb_nn_upernet_head(lb_nn *m, int n, lb_tensor *const *x, int sides, const int64_t *side, int64_t width, int64_t classes);

LB_END
#endif
