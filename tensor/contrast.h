/* SPDX-License-Identifier: Apache-2.0 */
/* Contrast of two sets of rows: a [N,D] and b [M,D] are normalised to length 1 (x / max(||x||, 1e-12)), scores = scale a^ b^T; an op turns scores into a
 * loss and their gradient, what is before them is here. Saved: unit [N+M,D], slope [N,M] (of the loss by each score), stats [N+M+2]: lengths, then
 * the sums of slope * cosine and of slope. Private to tensor/. */
#ifndef LB_TENSOR_CONTRAST_H
#define LB_TENSOR_CONTRAST_H
#include "tensor/op.h"
#include "tensor/ops.h"
LB_BEGIN

#define LBI_CONTRAST_SAVES "unit[U,D] slope[N,M] stats[V]"

typedef struct lbi_contrast {
    int64_t n, m, d;
    double scale;
    bool wanted; /* a gradient: scores are to be replaced by slopes */
    lb_real *unit, *score, *stats;
} lbi_contrast;

bool lbi_contrast_shape(lb_call *c);
/* in: a, b, scale []? (absent: 1 / temperature). Scores are in out[2] then. */
lbi_contrast lbi_contrast_scores(lb_call *c, double temperature);
/* Notes the sums over slopes; call when scores are slopes. cosines are gone, so the op gives the sum of slope * score. */
void lbi_contrast_note(const lbi_contrast *k, double dot, double sum);
/* Gradients of a, b and scale; slope sums are in stats. */
void lbi_contrast_backward(lb_call *c, double temperature);
static inline double lbi_contrast_sum(const lb_call *c) { return (double)lb_r(c->out[3])[lb_numel(c->out[3]) - 1]; }

LB_END
#endif
