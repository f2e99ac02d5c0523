/* SPDX-License-Identifier: Apache-2.0 */
/* Mixtures of experts: routing of tokens to the k best experts, capacity, losses that balance the load, shared experts, soft mixtures. */
#ifndef LB_NN_MOE_H
#define LB_NN_MOE_H
#include "nn/attention.h"
LB_BEGIN

typedef struct lb_moe_spec {
    int64_t experts, top; /* top: experts per token, k */
    int64_t width;        /* inner, of each expert */
    lb_act act;
    bool gated, bias;     /* gated: down(act(gate x) * up x) */
    bool renormalise;     /* weights of the k chosen sum to 1 */
    double capacity;      /* > 0: an expert takes ceil(capacity T k / experts) tokens, first choices first, in order; the rest gets nothing of it */
    lb_tensor *noise;     /* [T,experts] standard normal: logits + noise softplus(w_noise x) choose (Shazeer et al., arXiv:1701.06538, eq. 4); NULL = none */
    int64_t shared;       /* inner width of an expert that all tokens pass; 0 = none */
    bool shared_gate;     /* times sigmoid of a learned map to one number */
} lb_moe_spec;

typedef struct lb_moe_out {
    lb_tensor *logits;  /* [T,experts], without noise */
    lb_tensor *index;   /* i64 [T,k]: experts by falling weight; -1 = over capacity */
    lb_tensor *weight;  /* [T,k] */
    lb_tensor *balance; /* [] experts sum_e (share of choices of e) (mean probability of e): 1 when even and k = 1 (Fedus et al., arXiv:2101.03961, eq. 4) */
    lb_tensor *z_loss;  /* [] mean of logsumexp(logits)^2 (Zoph et al., arXiv:2202.08906, eq. 5) */
} lb_moe_out;

/** x [N,L,C] or [T,C] through experts: gate [experts,C], experts.gate_up_proj [experts,2 width,C] (gated; rows of the gate first) or experts.up_proj,
 *  experts.down_proj [experts,C,width], with bias experts.*_bias, w_noise; shared_expert.{gate_proj,up_proj,down_proj}, shared_expert_gate.
 *  Names as in Hugging Face's Mixtral and Qwen2-MoE. out may be NULL. Probabilities are a softmax over all experts. */
LB_API lb_tensor *lb_nn_moe(lb_nn *m, lb_tensor *x, const lb_moe_spec *spec, lb_moe_out *out);
/** The routing alone: fills out. x [T,C]. */
LB_API void lb_nn_route(lb_nn *m, lb_tensor *x, const lb_moe_spec *spec, lb_moe_out *out);

/** Soft mixture: `slots` per expert are means of the tokens of a sample (weights softmax over tokens of x phi), each expert maps its own, tokens
 *  take means of results (softmax over slots). x [N,L,C]; phi [C,experts slots]; experts as in lb_nn_moe, ungated, with bias.
 *  Puigcerver et al., arXiv:2308.00951, section 2. */
LB_API lb_tensor *lb_nn_soft_moe(lb_nn *m, lb_tensor *x, int64_t experts, int64_t slots, int64_t width, lb_act act);

LB_END
#endif
