/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of operators that move a window over the last one to three axes. Private to onnx/. */
#ifndef LB_ONNX_WINDOW_H
#define LB_ONNX_WINDOW_H
#include "onnx/operator.h"
#include "tensor/ops.h"

typedef struct onnx_window {
    int n; /* axes */
    int64_t size[3], stride[3], dilation[3], before[3], after[3];
    bool ceil;
} onnx_window;

/** strides, dilations, pads or auto_pad, ceil_mode for x [N,C,...] and a kernel of `size` (NULL: attribute kernel_shape). @return false with the tape
 *  failed. With auto_pad the result has size ceil(in / stride) (docs/Operators.md). */
bool onnx_window_of(onnx_call *c, onnx_window *w, const lb_tensor *x, const int64_t *size);
lb_window onnx_window_op(const onnx_window *w);

#endif
