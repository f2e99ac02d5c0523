/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors of a tape made and given back one by one, for whoever runs a graph that is data (onnx/): scopes cannot say when its values die. */
#ifndef LB_TENSOR_HOLD_H
#define LB_TENSOR_HOLD_H
#include "tensor/tape.h"
LB_BEGIN

/** A contiguous, uninitialised tensor of any type, owned by the tape; without data on a SHAPES tape. Inert after a failure. */
LB_API lb_tensor *lb_hold(lb_tape *t, lb_dtype dtype, int rank, const int64_t *shape);
/** The handle x dies now; its memory is given back when no view and no recorded call needs it. Tensors of no tape are left alone. */
LB_API void lb_release(lb_tape *t, lb_tensor *x);
/** The next call that is given x is the last to use it: the handle dies with that call, which without gradients may write its result over x. Kept tensors, and those of no tape,
 *  are left alone. @return x */
LB_API lb_tensor *lb_last_use(lb_tape *t, lb_tensor *x);
/** Puts "<where>: " before the message of a tape that has failed. */
LB_API void lb_tape_where(lb_tape *t, const char *fmt, ...) LB_PRINTF(2, 3);

LB_END
#endif
