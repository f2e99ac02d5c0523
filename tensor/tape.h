/* SPDX-License-Identifier: Apache-2.0 */
/* The tape: define-by-run reverse-mode differentiation. A step is: ops, lb_backward, optimiser, lb_tape_reset.
 *
 *   lb_tensor *logits = lb_linear(t, x, w, b, LB_ACT_NONE);
 *   lb_tensor *loss = lb_cross_entropy(t, logits, labels, NULL, 1, -100, 0, LB_MEAN);
 *   lb_backward(t, loss);
 *   status = lb_tape_status(t);          // one check per step
 *   ...optimiser...
 *   lb_tape_reset(t);
 *
 * Sticky errors: an op on a failed tape, or on an inert tensor, returns an inert tensor and does nothing; the first failure
 * keeps op, shapes and reason. So the maths of a method reads as maths.
 *
 * Memory: the tape owns every tensor that an op makes. A storage is given back when no handle and no recorded call needs
 * it. Handles die at lb_tape_reset, or at the end of the scope they were made in (lb_scope_begin/end: layers and blocks use
 * it, so inference holds one block at a time), or when the backward pass has gone past their call (unless kept). A recorded
 * call needs only what its op's backward reads. The result of a scope belongs to the scope around it.
 *
 * Environment, read by lb_tape_new: LB_TRACE=ops logs every call, forward and backward, with shapes and time; LB_CHECK=nan fails the tape at the first
 * op, or the first backward of an op, that makes NaN or an infinity out of finite numbers.
 *
 * One thread at a time per tape; several tapes may run at once. */
#ifndef LB_TENSOR_TAPE_H
#define LB_TENSOR_TAPE_H
#include "base/rng.h"
#include "tensor/tensor.h"
LB_BEGIN

typedef struct lb_tape lb_tape;

typedef enum lb_tape_mode {
    LB_TAPE_GRAD = 0,   /* record what requires a gradient */
    LB_TAPE_NO_GRAD,    /* record nothing */
    LB_TAPE_SHAPES,     /* shapes and counts only: no data, nothing computed (plans, declaring parameters) */
} lb_tape_mode;

LB_API LB_MUST_USE lb_status lb_tape_new(lb_tape **out);
LB_API void lb_tape_free(lb_tape *t);
/** Ends the step: every tensor of the tape dies, the failure is forgotten. Mode and flags stay; memory is pooled. */
LB_API void lb_tape_reset(lb_tape *t);
LB_API void lb_tape_set_mode(lb_tape *t, lb_tape_mode mode); /* may change within a step, to run a teacher */
LB_API lb_tape_mode lb_tape_get_mode(const lb_tape *t);
/** Training behaviour of dropout and batch norm, and the generator that dropout draws from (borrowed; NULL = none). */
LB_API void lb_tape_set_training(lb_tape *t, bool training, lb_rng *rng);
LB_API bool lb_tape_training(const lb_tape *t);
LB_API lb_rng *lb_tape_rng(const lb_tape *t);

/** LB_OK, or the first failure with its message put back as this thread's message. */
LB_API LB_MUST_USE lb_status lb_tape_status(const lb_tape *t);
LB_API bool lb_tape_ok(const lb_tape *t);
/** Fails the tape (if it has not failed yet) and returns the inert tensor. For checks in methods and layers. */
LB_API lb_tensor *lb_tape_fail(lb_tape *t, lb_status code, const char *fmt, ...) LB_PRINTF(3, 4);
/** Takes over the message and code of a failed call: `if (st) lb_tape_fail_status(t, st)`. */
LB_API lb_tensor *lb_tape_fail_status(lb_tape *t, lb_status st);
/** The inert tensor: rank 0, no data, every op on it is a no-op. */
LB_API lb_tensor *lb_inert(lb_tape *t);

/** A tape-owned tensor: a copy of contiguous data converted to lb_real (or kept, for integers); NULL data = zeros.
 *  On a SHAPES tape the data are ignored. */
LB_API lb_tensor *lb_input(lb_tape *t, lb_dtype dtype, int rank, const int64_t *shape, const void *data, lb_dtype from);
LB_API lb_tensor *lb_zeros(lb_tape *t, int rank, const int64_t *shape);
LB_API lb_tensor *lb_full(lb_tape *t, int rank, const int64_t *shape, double value);
LB_API lb_tensor *lb_scalar(lb_tape *t, double value);
LB_API lb_tensor *lb_arange(lb_tape *t, int64_t n); /* i64 [n]: 0..n-1 */

/** Runs the backward pass from a scalar (weight 1), adding into the grad of every leaf that requires one. Memory is given
 *  back on the way. LB_E_SHAPE (on the tape) if loss is no scalar. A loss that depends on no leaf is fine: nothing is added. */
LB_API void lb_backward(lb_tape *t, lb_tensor *loss);
/** From several outputs with given weights (same shapes; NULL = 1 for a scalar). retain: keep the graph for another pass. */
LB_API void lb_backward_from(lb_tape *t, int n, lb_tensor *const *outputs, lb_tensor *const *weights, bool retain);
/** Keeps data of an intermediate through lb_backward (to read it afterwards); x->grad then holds the gradient that the last pass
 *  brought to it, owned by the tape. @return x */
LB_API lb_tensor *lb_keep(lb_tape *t, lb_tensor *x);
/** The same values without history: no gradient flows through. Shares storage. */
LB_API lb_tensor *lb_detach(lb_tape *t, lb_tensor *x);

typedef struct lb_scope { int64_t first; } lb_scope;
LB_API lb_scope lb_scope_begin(lb_tape *t);
/** Ends the scope: all handles made since lb_scope_begin die except `result` (and those kept). @return result */
LB_API lb_tensor *lb_scope_end(lb_tape *t, lb_scope s, lb_tensor *result);
/** The same with several results. */
LB_API void lb_scope_end_n(lb_tape *t, lb_scope s, int n, lb_tensor *const *results);

/** A part of a graph as a function of its inputs (NULL among them where an input is absent). */
typedef lb_tensor *(*lb_part)(lb_tape *t, const void *context, int n, lb_tensor *const *in);
/** part(context, in), of which only inputs and result are kept: the backward pass runs it again for its inside (gradient checkpointing). So
 *  memory between is paid for with a second forward pass. The second run has the same generator and training flag as the first; it sees the
 *  inputs as leaves, so it must reach other tensors that carry a gradient only when they are leaves (parameters).
 *  @param context `size` bytes, copied; what it points to must live until the backward pass
 *  @param n       up to 10 inputs
 *  @return        its result, numbers. Without recording the part simply runs. */
LB_API lb_tensor *lb_recompute(lb_tape *t, lb_part part, const void *context, size_t size, int n, lb_tensor *const *in);
/** Is a part running for the second time? Then running statistics and the like must not be updated again. */
LB_API bool lb_tape_again(const lb_tape *t);

/** Contiguous values of a tensor as doubles/int64 (n = lb_numel); for reading results. LB_E_ARG for an inert one. */
LB_API LB_MUST_USE lb_status lb_read_f64(const lb_tensor *x, double *out, int64_t n);
LB_API LB_MUST_USE lb_status lb_read_i64(const lb_tensor *x, int64_t *out, int64_t n);
LB_API double lb_number(const lb_tensor *x); /* of a scalar or a one-element tensor; NaN when inert */

typedef struct lb_tape_stats {
    int64_t bytes, peak_bytes; /* tape-owned storage now, and the most since lb_tape_new or lb_tape_clear_stats */
    int64_t calls;             /* ops run */
    double flops;              /* multiply-adds counted twice; forward only; ops that state none count 0 */
} lb_tape_stats;
LB_API lb_tape_stats lb_tape_get_stats(const lb_tape *t);
LB_API void lb_tape_clear_stats(lb_tape *t);

LB_END
#endif
