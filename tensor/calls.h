/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters of ops as a call holds them (lb_call.params), for those who watch a tape and write down what ran: exports. An op that is not here has none, or
 * keeps them to itself. */
#ifndef LB_TENSOR_CALLS_H
#define LB_TENSOR_CALLS_H
#include "tensor/ops.h"
LB_BEGIN

typedef struct lb_running_params { int axis; bool reverse; } lb_running_params;  /* cumsum */
typedef struct lb_searchsorted_params { bool after; } lb_searchsorted_params;
typedef struct lb_act_params { lb_act act; } lb_act_params;                     /* channel_affine */
typedef struct lb_linear_params { lb_act act; bool rounded; } lb_linear_params;  /* rounded: the result may be (tensor/rounded.h) */
typedef struct lb_eps_params { double eps; bool rounded; } lb_eps_params;       /* layer_norm, channel_norm, rms_norm; rounded: of the first alone */
typedef struct lb_number_params { lb_real s; } lb_number_params;                /* scale, add_scalar, pow_scalar */
typedef struct lb_clamp_params { lb_real lo, hi; } lb_clamp_params;             /* clamp */
typedef struct lb_fill_params { lb_real value; } lb_fill_params;                /* masked_fill */
typedef struct lb_normalize_params { double eps; int axis, p; } lb_normalize_params;
typedef struct lb_permute_params { int order[LB_MAX_RANK]; } lb_permute_params;
typedef struct lb_transpose_params { int a, b; } lb_transpose_params;
typedef struct lb_axis_params { int axis; } lb_axis_params;                     /* concat, softmax, log_softmax, index_select, gather */
typedef struct lb_slice_params { int axis; int64_t start, stop, step; } lb_slice_params;
typedef struct lb_split_heads_params { int64_t heads, kv_heads; } lb_split_heads_params;
typedef struct lb_matmul_params { bool trans_a, trans_b; } lb_matmul_params;
typedef struct lb_pad_params { int64_t before[LB_MAX_RANK], after[LB_MAX_RANK]; double value; lb_pad_mode mode; } lb_pad_params;

/* conv2d, and conv1d, which looks at what belongs to w. */
typedef struct lb_conv_params {
    lb_conv_spec spec;
    lb_act act;
    bool exact; /* lb_conv2d_exact */
} lb_conv_params;

/* conv_transpose2d, conv_transpose1d */
typedef struct lb_transposed_params {
    lb_conv_spec spec;
    int64_t more_h, more_w; /* output_padding */
} lb_transposed_params;

typedef struct lb_avg_pool_params {
    lb_window window;
    lb_avg_border border;
    int64_t divisor; /* 0 = what the window holds */
} lb_avg_pool_params;

typedef struct lb_groups_params { int64_t groups; double eps; } lb_groups_params; /* group_norm */
typedef struct lb_rotary_params { bool interleaved; } lb_rotary_params;

/* mean, sum, norm, argmax, ... begin with it: axes first, first + 1, ...; first < 0 counts from the end; count 0 = all axes. */
typedef struct lb_over_params {
    int first, count;
    bool keep;      /* they stay, with size 1 */
    uint32_t apart; /* of mean and sum: axes that are no neighbours, as bits from the first; 0 = those above */
} lb_over_params;

typedef struct lb_norm_params {
    lb_over_params over;
    double p;
} lb_norm_params;

/* attention, attention_map: those of lb_attention_spec, with the scale filled in and the key of the dropout drawn. */
typedef struct lb_attend_params {
    double scale, softcap, dropout;
    int64_t window, prefix, shift;
    uint32_t key[2];
    bool causal, merge;
    bool rounded; /* as of lb_linear_params */
} lb_attend_params;

LB_END
#endif
