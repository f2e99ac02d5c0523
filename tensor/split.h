/* SPDX-License-Identifier: Apache-2.0 */
/* The items of a batch in parts, each part by one thread on a tape of its own: what one part makes stays in that thread's caches, and threads wait for each other
 * once, not in every op. For work without gradients. */
#ifndef LB_TENSOR_SPLIT_H
#define LB_TENSOR_SPLIT_H
#include "tensor/tape.h"
LB_BEGIN

/** Does the items first .. first + count - 1 on `part`, a tape with the mode, precision and flags of the whole's; it is reset afterwards. Ops in it run on this
 *  thread alone, but for a single part, which all threads share. Called for several parts at once. Failures go to `part`. */
typedef void (*lb_split_work)(void *ctx, lb_tape *part, int64_t first, int64_t count);

/** work() for items 0 .. count - 1 in parts of `each` (the last may be smaller); which thread does a part does not matter to its result. A part's failure becomes that of t,
 *  the first part's if several fail; its counts (lb_tape_get_stats) are added to t's. */
LB_API void lb_tape_split(lb_tape *t, int64_t count, int64_t each, lb_split_work work, void *ctx);
/** May work on t be split: it has not failed, records nothing, does not train, and nobody watches its calls. */
LB_API bool lb_tape_splits(const lb_tape *t);

LB_END
#endif
