/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of whole numbers held in floats. */
#ifndef LB_TENSOR_EXACT_H
#define LB_TENSOR_EXACT_H
#include "tensor/ops.h"
LB_BEGIN

/** conv2d of whole numbers: exact while no partial sum reaches 2^24 (f32), since products are added as they stand, never transformed. No bias and
 *  no activation; else as lb_conv2d (tensor/ops.h). */
LB_API lb_tensor *lb_conv2d_exact(lb_tape *t, lb_tensor *x, lb_tensor *w, lb_conv_spec spec);

LB_END
#endif
