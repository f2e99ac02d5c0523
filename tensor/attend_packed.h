/* SPDX-License-Identifier: Apache-2.0 */
/* Attention in tiles with the kernels of matrix products. Private to tensor/.
 *
 * Scores are kept with queries side by side, S^T = K Q^T: a tile's sums leave registers in the order in which the next product takes them,
 * y^T = V^T P^T, and maximum, exponentials and sum go down columns, 8 or 16 queries at a time. Keys and values of a head are packed once for all of its
 * queries; a tile of scores (KEYS x 16 or 32) stays in L1, what a query has gathered so far beside it. Backward needs P and dS turned round for the products
 * that sum over queries; they are turned in registers. */
#ifndef LB_TENSOR_ATTEND_PACKED_H
#define LB_TENSOR_ATTEND_PACKED_H
#include "tensor/attend.h"

/** Forward and backward of the op attention. @return false, and nothing is done: no such kernels, or so few queries that lanes would stand empty.
 *  True also when memory failed: then the tape has. */
bool lbi_attend_packed(const lbi_attend *a);
bool lbi_attend_packed_back(const lbi_attend *a);

#endif
