/* SPDX-License-Identifier: Apache-2.0 */
/* Networks: named parameters, and layers that ask for theirs by name.
 *
 * A network is ONE function of the layers below. Run on a SHAPES tape with a declaring store it states its parameters
 * (name, shape, initialiser); run on a real tape it computes. So structure, loading, initialising and planning come from the
 * same lines, and students and teachers share one path.
 *
 *   static lb_tensor *block(lb_nn *m, lb_tensor *x, int i) {
 *       lb_nn_in(m, "layer.%d", i);                                   // names below: "layer.3...."
 *       lb_tensor *h = lb_nn_linear(m, lb_nn_layer_norm(m, x, "norm", 1e-5), "fc", 4 * C, LB_ACT_GELU);
 *       ...
 *       lb_nn_tap(m, y, "block.%d", i);                               // seen by whoever asked for this tap
 *       return lb_nn_out(m, y);                                       // leaves the name; ends the block's memory scope
 *   }
 */
#ifndef LB_NN_NN_H
#define LB_NN_NN_H
#include "tensor/ops.h"
LB_BEGIN

/* ---- Parameters ------------------------------------------------------------------------------------------------ */

typedef enum lb_init {
    LB_INIT_ZEROS = 0,
    LB_INIT_ONES,
    LB_INIT_NORMAL,          /* mean 0, std = arg */
    LB_INIT_TRUNC_NORMAL,    /* the same, redrawn beyond 2 std */
    LB_INIT_UNIFORM,         /* -arg .. arg */
    LB_INIT_KAIMING_UNIFORM, /* PyTorch's default of linear and conv: bound = 1/sqrt(fan_in) */
    LB_INIT_KAIMING_FAN_OUT, /* normal, std = sqrt(2 / fan_out): convolutions before ReLU */
    LB_INIT_XAVIER_UNIFORM,  /* bound = sqrt(6 / (fan_in + fan_out)) */
    LB_INIT_CONSTANT,        /* arg */
    LB_INIT_LOG_INDEX,       /* log(1 + place along the last axis): A_log of Mamba */
    LB_INIT_SCAN_STEP,       /* softplus^-1 of exp(uniform from log 0.001 to log 0.1), at least 1e-4: bias of Mamba's steps */
} lb_init;

typedef struct lb_param_tensor {
    char *name;
    lb_tensor *x;      /* requires_grad says whether it is trained; x->grad after a backward pass */
    lb_init init;
    double init_arg;
    bool buffer;       /* running statistics: saved, never trained */
    bool decay;        /* weight decay applies (matrices and kernels, not norms and biases) */
    bool idle;         /* no run that is to come looks at it (lb_model_mark_idle): it may be without memory */
} lb_param_tensor;

typedef struct lb_store lb_store; /* an ordered set of named tensors; one thread at a time */
LB_API LB_MUST_USE lb_status lb_store_new(lb_store **out);
LB_API void lb_store_free(lb_store *s);
LB_API int64_t lb_store_count(const lb_store *s);
LB_API lb_param_tensor *lb_store_at(lb_store *s, int64_t i);
LB_API lb_param_tensor *lb_store_find(lb_store *s, const char *name); /* NULL when absent */
/** Adds a zeroed tensor. LB_E_ARG if the name exists with another shape; the same again is fine. */
LB_API LB_MUST_USE lb_status lb_store_add(lb_param_tensor **out, lb_store *s, const char *name, int rank, const int64_t *shape, lb_init init, double arg);
/** Parameters that are added from now on have no memory (on): who fills them gives some by lb_tensor_lend or lb_param_claim. */
LB_API void lb_store_bare(lb_store *s, bool on);
/** Zeros for a parameter that has no memory yet; else nothing. p->x is another tensor then. */
LB_API LB_MUST_USE lb_status lb_param_claim(lb_param_tensor *p);
/** Fills every parameter from its initialiser; the draw of a name depends on (seed, name) alone, not on order. */
LB_API LB_MUST_USE lb_status lb_store_init(lb_store *s, uint64_t seed);
/** Trainable scalars (buffers left out); those whose name starts with `prefix` (NULL = all). */
LB_API int64_t lb_store_parameters(const lb_store *s, const char *prefix);
/** requires_grad of all whose name starts with prefix. @return how many matched */
LB_API int64_t lb_store_train(lb_store *s, const char *prefix, bool on);
/** lb_tensor_fix for all of them. Whoever makes some trainable releases those (lb_store_train). */
LB_API void lb_store_fix(lb_store *s, bool on);
LB_API void lb_store_zero_grad(lb_store *s);
/** y = decay * y + (1 - decay) * x for each tensor of `ema` found in `s` (exponential moving average of weights). */
LB_API LB_MUST_USE lb_status lb_store_ema(lb_store *ema, lb_store *s, double decay);

/* ---- The run of a network -------------------------------------------------------------------------------------- */

typedef struct lb_nn lb_nn;
/** declaring = true on a SHAPES tape: parameters that a layer asks for and the store lacks are added. Otherwise a missing or
 *  mis-shaped one fails the tape with its name and the shape that was expected. */
LB_API LB_MUST_USE lb_status lb_nn_new(lb_nn **out, lb_tape *t, lb_store *s, bool declaring);
LB_API void lb_nn_free(lb_nn *m);
LB_API lb_tape *lb_nn_tape(lb_nn *m);

/** Enters a name ("layer.%d"); lb_nn_out leaves it and ends the memory scope it began. @return y */
LB_API void lb_nn_in(lb_nn *m, const char *fmt, ...) LB_PRINTF(2, 3);
LB_API lb_tensor *lb_nn_out(lb_nn *m, lb_tensor *y);

/** Asks for a tap before the run; its value is kept. After the run lb_nn_tapped gives it, NULL if the network has none. */
LB_API LB_MUST_USE lb_status lb_nn_want(lb_nn *m, const char *tap);
/** Is it asked for, or are all listed? For taps that cost something; the name without what lb_nn_tap_under put before it. */
LB_API bool lb_nn_wants(const lb_nn *m, const char *tap);
/** All taps are recorded with their shapes (not kept) when this is set: `--taps list`. */
LB_API void lb_nn_list_taps(lb_nn *m, void (*seen)(void *ctx, const char *tap, const lb_tensor *x), void *ctx);
/** Called by networks: this tensor is the tap of that name. */
LB_API void lb_nn_tap(lb_nn *m, lb_tensor *x, const char *fmt, ...) LB_PRINTF(3, 4);
LB_API lb_tensor *lb_nn_tapped(lb_nn *m, const char *tap);
/** Taps marked from now on have this before their names ("image."), so that towers of one network do not meet; "" = none again. */
LB_API void lb_nn_tap_under(lb_nn *m, const char *prefix);

/** A parameter by name below the current one. */
LB_API lb_tensor *lb_nn_param(lb_nn *m, const char *name, int rank, const int64_t *shape, lb_init init, double arg);
LB_API lb_tensor *lb_nn_buffer(lb_nn *m, const char *name, int rank, const int64_t *shape, double value);

/* ---- Layers: parameter names and layouts are PyTorch's ---------------------------------------------------------- */

/** y = act(x W^T + b). x [..., in]; <name>.weight [out,in], <name>.bias [out]. */
LB_API lb_tensor *lb_nn_linear(lb_nn *m, lb_tensor *x, const char *name, int64_t out, lb_act act);
LB_API lb_tensor *lb_nn_linear_no_bias(lb_nn *m, lb_tensor *x, const char *name, int64_t out, lb_act act);
/** x [N,C,H,W] -> [N,out,H',W']; <name>.weight [out,C/groups,k,k], with bias <name>.bias [out]. */
LB_API lb_tensor *lb_nn_conv2d(lb_nn *m, lb_tensor *x, const char *name, int64_t out, int64_t kernel, lb_conv_spec spec, bool bias);
/** Convolution without bias, batch norm, activation: lb_nn_conv2d then lb_nn_batch_norm. In evaluation without gradient the norm
 *  scales the convolution's sums as they are stored, so one op runs. */
LB_API lb_tensor *lb_nn_conv_bn(lb_nn *m, lb_tensor *x, const char *conv, const char *norm, int64_t out, int64_t kernel, lb_conv_spec spec, double eps, double momentum, lb_act act);
/** y = act(norm(conv(x)) + add), add NULL or like y: the end of a residual block. */
LB_API lb_tensor *lb_nn_conv_bn_add(lb_nn *m, lb_tensor *x, const char *conv, const char *norm, int64_t out, int64_t kernel, lb_conv_spec spec, double eps,
                                    double momentum, lb_tensor *add, lb_act act);
/** Over N,H,W of [N,C,H,W]; <name>.weight, .bias, buffers .running_mean, .running_var. In training (lb_tape_training) batch statistics
 *  and updated buffers (momentum as PyTorch: new = (1-momentum) old + momentum batch, unbiased variance). */
LB_API lb_tensor *lb_nn_batch_norm(lb_nn *m, lb_tensor *x, const char *name, double eps, double momentum, lb_act act);
/** Over the last axis; <name>.weight, .bias. */
LB_API lb_tensor *lb_nn_layer_norm(lb_nn *m, lb_tensor *x, const char *name, double eps);
/** ids i64 [...] -> [..., width]; <name>.weight [count,width]. */
LB_API lb_tensor *lb_nn_embedding(lb_nn *m, lb_tensor *ids, const char *name, int64_t count, int64_t width, double std);
LB_API lb_tensor *lb_nn_dropout(lb_nn *m, lb_tensor *x, double p);

/** The learned scale of similarities, exp(<name>), <name> a scalar that starts at log(1 / temperature). It is at most 100: in training the
 *  stored logarithm itself is cut, as CLIP does, so that its gradient never dies (Radford et al., arXiv:2103.00020, section 2.5). */
LB_API lb_tensor *lb_nn_logit_scale(lb_nn *m, const char *name, double temperature);

typedef struct lb_attention_names { const char *q, *k, *v, *out; } lb_attention_names; /* NULL = q_proj, k_proj, v_proj, out_proj */
/** Multi-head attention of x [N,L,C] to y [N,S,C'] (y NULL = itself) with four linears of the given names;
 *  mask [N,S] i64, 1 = attend, or NULL. */
LB_API lb_tensor *lb_nn_attention(lb_nn *m, lb_tensor *x, lb_tensor *y, lb_tensor *mask, int64_t heads, const lb_attention_names *names);

/* More: nn/attention.h (all of attention and transformer blocks), nn/sequence.h (GRU, LSTM, Mamba), nn/moe.h, nn/swin.h, nn/adapt.h (LoRA, adapters,
 * gradient checkpointing), nn/flat.h (whole stores as vectors). */

/* Transformer encoder block. names: pre-LN x + attn(norm1 x), x + mlp(norm2 x), parameters norm1, attn.{q,k,v,out}_proj, norm2,
 * mlp.fc1, mlp.fc2. */
LB_API lb_tensor *lb_nn_encoder_block(lb_nn *m, lb_tensor *x, lb_tensor *mask, int64_t heads, int64_t mlp, lb_act act, double eps, double dropout);

LB_END
#endif
