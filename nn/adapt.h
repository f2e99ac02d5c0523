/* SPDX-License-Identifier: Apache-2.0 */
/* Small trained parts in and beside frozen networks: LoRA on linears, bottleneck adapters, prefixes; parts whose inside is made again in the
 * backward pass. */
#ifndef LB_NN_ADAPT_H
#define LB_NN_ADAPT_H
#include "nn/nn.h"
LB_BEGIN

/* Low-rank additions to linears: y + gate (alpha / rank) B A dropout(x), parameters <linear>.lora_A.weight [rank,in] (as a linear starts),
 * .lora_B.weight [out,rank] (zeros). Hu et al., arXiv:2106.09685; names as in PEFT. */
typedef struct lb_lora {
    const char *names; /* which linears: endings of their full names, with commas: "q_proj,v_proj"; "" = all */
    int64_t rank;
    double alpha, dropout;
    lb_tensor *gate; /* [..., 1] like x without its last axis: how much each token takes of it (per-token experts, modalities); NULL = 1 */
} lb_lora;
/** Linears from now on have the additions; NULL = no more. Borrowed: must live until the run (and a recomputing backward pass) is over. */
LB_API void lb_nn_set_lora(lb_nn *m, const lb_lora *lora);
LB_API const lb_lora *lb_nn_get_lora(const lb_nn *m);
/** W += sign (alpha / rank) B A for every linear of the store that has both (outside any graph): +1 merges, -1 takes out again. Merged ones
 *  keep lora_B, so a run with the additions switched off gives the same. @return how many, or -1 with the thread's message for misfits */
LB_API int64_t lb_store_lora(lb_store *s, double alpha, double sign);

/** x + up(act(down x)); <name>.down, <name>.up (zeros at the start). Houlsby et al., arXiv:1902.00751. */
LB_API lb_tensor *lb_nn_adapter(lb_nn *m, lb_tensor *x, const char *name, int64_t width, lb_act act);

/** Learned keys and values of a prefix for attention: <name>.key, <name>.value [heads,count,head_width] as [1,...]. Li and Liang,
 *  arXiv:2101.00190. */
LB_API void lb_nn_prefix(lb_nn *m, const char *name, int64_t heads, int64_t count, int64_t head_width, lb_tensor **key, lb_tensor **value);

/** A part of a network. What it needs comes by `context` and `in`. */
typedef lb_tensor *(*lb_nn_part)(lb_nn *m, const void *context, int n, lb_tensor *const *in);
/** lb_recompute of a part of a network: its parameters stand below the name that is open now, in both runs. Taps marked inside have values
 *  but carry no gradient. The store must live until the backward pass. */
LB_API lb_tensor *lb_nn_recompute(lb_nn *m, lb_nn_part part, const void *context, size_t size, int n, lb_tensor *const *in);

LB_END
#endif
