/* SPDX-License-Identifier: Apache-2.0 */
/* Recurrent and state-space layers over steps [N,L,C], with states to go on step by step. Names and layouts as in PyTorch and Hugging Face. */
#ifndef LB_NN_SEQUENCE_H
#define LB_NN_SEQUENCE_H
#include "nn/nn.h"
LB_BEGIN

typedef struct lb_recurrent_spec {
    int64_t hidden, layers; /* layers 0 = 1 */
    bool bidirectional, no_bias;
    double dropout;         /* between layers */
} lb_recurrent_spec;
/** torch.nn.GRU and LSTM, batch first: parameters weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, ..._l0_reverse, ... below the open name.
 *  state, cell [layers directions,N,H] or NULL = 0; last, last_cell (may be NULL) the same behind the last step.
 *  @return [N,L,directions H]. One step (L = 1) with states is the cell. */
LB_API lb_tensor *lb_nn_gru(lb_nn *m, lb_tensor *x, const lb_recurrent_spec *spec, lb_tensor *state, lb_tensor **last);
LB_API lb_tensor *lb_nn_lstm(lb_nn *m, lb_tensor *x, const lb_recurrent_spec *spec, lb_tensor *state, lb_tensor *cell, lb_tensor **last, lb_tensor **last_cell);

/* What a Mamba layer remembers: in = from the steps before (NULL = nothing), out = behind the last step. */
typedef struct lb_mamba_state {
    lb_tensor *conv; /* [N,kernel-1,channels of the convolution] */
    lb_tensor *scan; /* [N,inner,states], or Mamba-2: [N,heads,head_width,states] */
} lb_mamba_state;

typedef struct lb_mamba_spec {
    int64_t inner, states, kernel; /* 0 = 2C, 16 (Mamba-2: 128), 4 */
    int64_t rank;                  /* of the steps: 0 = C / 16, rounded up */
    int64_t heads, groups;         /* Mamba-2: heads of width inner / heads; groups of B and C, 0 = 1 */
    int64_t norm_groups;           /* Mamba-2: the gated norm goes over inner / norm_groups channels; 0 = groups */
    bool bias, no_conv_bias;       /* bias of in_proj and out_proj */
    double eps;                    /* Mamba-2's norm; 0 = 1e-5 */
    double step_lo, step_hi;       /* Mamba-2: limits of the steps; 0, 0 = none */
} lb_mamba_spec;
/** Mamba: in_proj, conv1d [inner,1,kernel], x_proj, dt_proj, A_log [inner,states], D, out_proj. x [N,L,C], state may be NULL. Without norm and
 *  residual. Gu and Dao, arXiv:2312.00752; MambaMixer of Hugging Face. */
LB_API lb_tensor *lb_nn_mamba(lb_nn *m, lb_tensor *x, const lb_mamba_spec *spec, lb_mamba_state *state);
/** Mamba-2: in_proj (gate, x B C, steps), conv1d over x B C, dt_bias, A_log, D [heads], norm (gated RMS), out_proj. Dao and Gu,
 *  arXiv:2405.21060; Mamba2Mixer of Hugging Face. */
LB_API lb_tensor *lb_nn_mamba2(lb_nn *m, lb_tensor *x, const lb_mamba_spec *spec, lb_mamba_state *state);

LB_END
#endif
