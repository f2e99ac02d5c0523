/* SPDX-License-Identifier: Apache-2.0 */
/* Layers over lines, pictures and volumes [N,C,...] beside those of nn/nn.h. Parameter names, layouts and initial values are PyTorch's; all run
 * on the network's tape, and failures fail it. Groups, strides and paddings as in tensor/ops.h. */
#ifndef LB_NN_CONV_H
#define LB_NN_CONV_H
#include "nn/nn.h"
LB_BEGIN

/** x [N,C,L] -> [N,out,L']; <name>.weight [out,C/groups,kernel], with bias <name>.bias [out]. Of spec what belongs to the width counts. */
LB_API lb_tensor *lb_nn_conv1d(lb_nn *m, lb_tensor *x, const char *name, int64_t out, int64_t kernel, lb_conv_spec spec, bool bias);
/** lb_nn_conv2d with a kernel of high x wide: <name>.weight [out,C/groups,high,wide]. */
LB_API lb_tensor *lb_nn_conv2d_oblong(lb_nn *m, lb_tensor *x, const char *name, int64_t out, int64_t high, int64_t wide, lb_conv_spec spec, bool bias);
/** x [N,C,D,H,W]; <name>.weight [out,C/groups,kernel,kernel,kernel]. */
LB_API lb_tensor *lb_nn_conv3d(lb_nn *m, lb_tensor *x, const char *name, int64_t out, int64_t kernel, lb_conv3d_spec spec, bool bias);
/** Transposed convolutions: <name>.weight [C,out/groups,kernel...]; more = output_padding along every axis. */
LB_API lb_tensor *lb_nn_conv_transpose1d(lb_nn *m, lb_tensor *x, const char *name, int64_t out, int64_t kernel, lb_conv_spec spec, int64_t more, bool bias);
LB_API lb_tensor *lb_nn_conv_transpose2d(lb_nn *m, lb_tensor *x, const char *name, int64_t out, int64_t kernel, lb_conv_spec spec, int64_t more, bool bias);
LB_API lb_tensor *lb_nn_conv_transpose3d(lb_nn *m, lb_tensor *x, const char *name, int64_t out, int64_t kernel, lb_conv3d_spec spec, int64_t more, bool bias);
/** lb_nn_conv2d with its kernel standardised: for each output channel (w - mean) / sqrt(biased variance + eps).
 *  Qiao et al., arXiv:1903.10520; timm's StdConv2d. */
LB_API lb_tensor *lb_nn_conv2d_standard(lb_nn *m, lb_tensor *x, const char *name, int64_t out, int64_t kernel, lb_conv_spec spec, double eps, bool bias);

/** <name>.weight and .bias [C]. */
LB_API lb_tensor *lb_nn_group_norm(lb_nn *m, lb_tensor *x, const char *name, int64_t groups, double eps);
LB_API lb_tensor *lb_nn_instance_norm(lb_nn *m, lb_tensor *x, const char *name, double eps);
/** Layer norm over the channels, at each place on its own (ConvNeXt's LayerNorm2d). */
LB_API lb_tensor *lb_nn_channel_norm(lb_nn *m, lb_tensor *x, const char *name, double eps);
/** Batch norm with its running statistics even in training, which it leaves as they are; gradients reach x, weight and bias. Names as
 *  lb_nn_batch_norm. */
LB_API lb_tensor *lb_nn_frozen_norm(lb_nn *m, lb_tensor *x, const char *name, double eps, lb_act act);

/** What TensorFlow calls SAME, for a square kernel over x [N,C,H,W]: sides of ceil(side / stride), the odd row or column of the padding behind. One group. */
LB_API lb_conv_spec lb_nn_conv_ceil(const lb_tensor *x, int64_t kernel, int64_t stride);

/** Mean over all axes but the first two: [N,C]. */
LB_API lb_tensor *lb_nn_global_pool(lb_nn *m, lb_tensor *x);

LB_END
#endif
