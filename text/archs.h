/* SPDX-License-Identifier: Apache-2.0 */
/* Text networks, and the towers that joint models are assembled from. */
#ifndef LB_TEXT_ARCHS_H
#define LB_TEXT_ARCHS_H
#include "nn/model.h"
LB_BEGIN

extern LB_API const lb_family lb_text_archs;

/* A small transformer: token and position tables, pre-norm blocks, final norm, mean over the tokens. */
typedef struct lb_text_tower {
    int64_t vocab, max_tokens, width, layers, heads, mlp;
    double dropout;
} lb_text_tower;
/** ids, mask i64 [N,L] -> pooled [N,width]. Taps: block.K, tokens. */
LB_API lb_tensor *lb_text_tower_run(lb_nn *m, lb_tensor *ids, lb_tensor *mask, const lb_text_tower *c);
/** The example of every input of a text network: one text of 16 tokens, or `most` where that is less. */
LB_API void lb_text_example(int64_t most, int *rank, int64_t shape[LB_MAX_RANK]);
/** Mean of tokens [N,L,C] over the places where mask [N,L] is 1. */
LB_API lb_tensor *lb_mean_tokens(lb_tape *t, lb_tensor *tokens, lb_tensor *mask);

LB_END
#endif
