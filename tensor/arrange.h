/* SPDX-License-Identifier: Apache-2.0 */
/* Rearrangements made of the ops: views where they can be, with the gradients of what they are made of. All run on SHAPES tapes too.
 * @return as ops do: owned by the tape, inert if the tape has failed; wrong axes and sizes fail it with LB_E_SHAPE. An axis may be
 * negative. Arrays of results are filled with inert tensors after a failure. */
#ifndef LB_TENSOR_ARRANGE_H
#define LB_TENSOR_ARRANGE_H
#include "tensor/ops.h"
LB_BEGIN

/** Axes of size 1 put in before `axis` (0..rank, negative from the end: -1 = behind all), or taken out. */
LB_API lb_tensor *lb_unsqueeze(lb_tape *t, lb_tensor *x, int axis);
LB_API lb_tensor *lb_squeeze(lb_tape *t, lb_tensor *x, int axis);
/** Axes first..last become one. */
LB_API lb_tensor *lb_flatten(lb_tape *t, lb_tensor *x, int first, int last);
/** n tensors of one shape side by side along a new axis; and apart again: out has room for the size of the axis. */
LB_API lb_tensor *lb_stack(lb_tape *t, int n, lb_tensor *const *x, int axis);
LB_API void lb_unbind(lb_tape *t, lb_tensor *x, int axis, lb_tensor **out);
/** Neighbouring parts of the given sizes, which add up to the axis. */
LB_API void lb_split(lb_tape *t, lb_tensor *x, int axis, int n, const int64_t *sizes, lb_tensor **out);
/** At most n parts of equal size, the last smaller (torch.chunk). @return how many there are */
LB_API int lb_chunk(lb_tape *t, lb_tensor *x, int axis, int n, lb_tensor **out);

/** x repeated reps[i] times along axis i; rank >= that of x, new axes in front (torch.Tensor.repeat). */
LB_API lb_tensor *lb_tile(lb_tape *t, lb_tensor *x, int rank, const int64_t *reps);
/** Each element of the axis `times` times in a row; or element i counts[i] times (torch.repeat_interleave). */
LB_API lb_tensor *lb_repeat_each(lb_tape *t, lb_tensor *x, int axis, int64_t times);
LB_API lb_tensor *lb_repeat_counts(lb_tape *t, lb_tensor *x, int axis, const int64_t *counts);
/** Element i goes to i + shift, round the end. */
LB_API lb_tensor *lb_roll(lb_tape *t, lb_tensor *x, int axis, int64_t shift);

/** [N,H,W,C] -> [N H/h W/w, h, w, C], row by row; and back (Liu et al., arXiv:2103.14030). */
LB_API lb_tensor *lb_windows(lb_tape *t, lb_tensor *x, int64_t h, int64_t w);
LB_API lb_tensor *lb_from_windows(lb_tape *t, lb_tensor *x, int64_t height, int64_t width);
/** [N,C r r,H,W] -> [N,C,H r,W r]; and back (Shi et al., arXiv:1609.05158; torch.nn.PixelShuffle). */
LB_API lb_tensor *lb_pixel_shuffle(lb_tape *t, lb_tensor *x, int64_t r);
LB_API lb_tensor *lb_pixel_unshuffle(lb_tape *t, lb_tensor *x, int64_t r);

/** n numbers from lo to hi, both included (n = 1: lo); and start, start + step, ... */
LB_API lb_tensor *lb_linspace(lb_tape *t, double lo, double hi, int64_t n);
LB_API lb_tensor *lb_range(lb_tape *t, double start, double step, int64_t n);
/** out[k] = x[k] [n_k] seen as [n_0, n_1, ...], changing along axis k only (torch.meshgrid, indexing "ij"). */
LB_API void lb_meshgrid(lb_tape *t, int n, lb_tensor *const *x, lb_tensor **out);

LB_END
#endif
