/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a table by index: shared by embedding and index_select. in: x [N,rest...], index i64 [...]. Private to tensor/. */
#ifndef LB_TENSOR_ROWS_H
#define LB_TENSOR_ROWS_H
#include "tensor/op.h"
LB_BEGIN

bool lbi_rows_shape(lb_call *c);
void lbi_rows_forward(lb_call *c);
void lbi_rows_backward(lb_call *c);
/* All indices in 0..count-1? Else the tape fails and says which is not. */
bool lbi_in_range(lb_call *c, const lb_tensor *id, int64_t count);

LB_END
#endif
