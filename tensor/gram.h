/* SPDX-License-Identifier: Apache-2.0 */
/* Relations of the rows of x [n,d] from their Gram matrix, without a tensor of differences. Rows are taken about their mean, which changes
 * no difference and keeps sums small; where two rows lie so close that subtraction would lose digits, the difference is formed itself.
 * Private to tensor/. */
#ifndef LB_TENSOR_GRAM_H
#define LB_TENSOR_GRAM_H
#include "tensor/op.h"
LB_BEGIN

typedef struct lbi_gram {
    int64_t n, d;
    lb_real *x;       /* [n,d] centred */
    lb_real *product; /* [n,n] x x^T */
    lb_real *square;  /* [n,n] squared distances, diagonal exactly 0 */
} lbi_gram;

/* ||a - b||^2 of two rows. */
double lbi_square_distance(const lb_real *a, const lb_real *b, int64_t d);
/* In scratch memory of the call. False when the tape has failed. */
bool lbi_gram_make(lb_call *c, lbi_gram *g, const lb_tensor *x);
/* Are rows i and j so close that their distance was formed from the difference? */
bool lbi_gram_near(const lbi_gram *g, int64_t i, int64_t j);
/* gx_i (+)= f sum_j s_ij (x_i - x_j) for symmetric s [n,n], whose diagonal is not read. x need not be centred. */
void lbi_gram_back(lb_call *c, lb_tensor *gx, const lb_tensor *x, const lb_real *s, lb_real f, bool fresh);

/* Of an op "student[N,D] teacher[N,E] -> loss[] factor[N,N]" whose forward pass leaves in `factor` what lbi_gram_back takes. */
bool lbi_relation_shape(lb_call *c);
void lbi_relation_backward(lb_call *c);

LB_END
#endif
