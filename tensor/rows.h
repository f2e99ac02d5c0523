/* SPDX-License-Identifier: Apache-2.0 */
/* Rows by index along an axis: shared by embedding, index_select and index_add. x is seen as [outer, n, width], what the indices name
 * as [outer, m, width]. Private to tensor/. */
#ifndef LB_TENSOR_ROWS_H
#define LB_TENSOR_ROWS_H
#include "tensor/op.h"
LB_BEGIN

typedef struct lbi_rowset {
    int64_t outer, n, m, width;
    const int64_t *index; /* [m] */
} lbi_rowset;

/* x at `axis` by the indices. */
lbi_rowset lbi_rowset_of(const lb_tensor *x, const lb_tensor *index, int axis);
/* to[o,i,:] = from[o,index[i],:], elements of `size` bytes. */
void lbi_rows_copy(const lbi_rowset *r, void *to, const void *from, size_t size);
/* to[o,index[i],:] += from[o,i,:], in the order of i, whatever the threads. */
void lbi_rows_add(const lbi_rowset *r, lb_real *to, const lb_real *from);
/* All indices in 0..count-1? Else the tape fails and says which is not. */
bool lbi_in_range(lb_call *c, const lb_tensor *id, int64_t count);

/* Ops of x and indices; parameters: the axis (an int), or none for axis 0. y has the shape of the indices in place of the axis. */
bool lbi_rows_shape(lb_call *c);
void lbi_rows_forward(lb_call *c);
void lbi_rows_backward(lb_call *c);

LB_END
#endif
