/* SPDX-License-Identifier: Apache-2.0 */
/* Multi-head attention as a layer, its cache of keys and values, and blocks of it: encoder, decoder, cross- and co-attention, with the
 * choices that published transformers make. Names and layouts of parameters are data, so weights load under their own names. */
#ifndef LB_NN_ATTENTION_H
#define LB_NN_ATTENTION_H
#include "nn/nn.h"
LB_BEGIN

typedef enum lb_norm { LB_NORM_LAYER = 0, LB_NORM_RMS, LB_NORM_LAYER_NO_BIAS, LB_NORM_NONE } lb_norm_kind;

/** Normalisation over the last axis: <name>.weight, and .bias for LB_NORM_LAYER. LB_NORM_NONE gives x. */
LB_API lb_tensor *lb_nn_norm(lb_nn *m, lb_tensor *x, const char *name, lb_norm_kind kind, double eps);
/** y = x / sqrt(mean(x^2) + eps) weight over the last axis. Zhang and Sennrich, arXiv:1910.07467. */
LB_API lb_tensor *lb_nn_rms_norm(lb_nn *m, lb_tensor *x, const char *name, double eps);

/* ---- keys and values of earlier tokens ------------------------------------------------------------------------- */

/* For decoding: keys [N,G,capacity,D] and values [N,G,capacity,E] of one layer, filled from the front, outside any graph. One thread at a time. */
typedef struct lb_kv_cache lb_kv_cache;
/** Empty, its sizes taken from the first keys and values that come. */
LB_API LB_MUST_USE lb_status lb_kv_cache_new(lb_kv_cache **out, int64_t capacity);
LB_API void lb_kv_cache_free(lb_kv_cache *c);
LB_API int64_t lb_kv_cache_length(const lb_kv_cache *c); /* tokens */
/** Forgets all tokens from `length` on (no effect when there are fewer). */
LB_API void lb_kv_cache_cut(lb_kv_cache *c, int64_t length);
/** Sample i becomes what sample from[i] was (beam search); there are `count` samples from now on. LB_E_ARG for an index outside. */
LB_API LB_MUST_USE lb_status lb_kv_cache_pick(lb_kv_cache *c, int64_t count, const int64_t *from);
/** Appends keys [N,G,L,D] and values [N,G,L,E] with data. LB_E_LIMIT beyond the capacity, LB_E_SHAPE for other sizes than before. */
LB_API LB_MUST_USE lb_status lb_kv_cache_append(lb_kv_cache *c, const lb_tensor *k, const lb_tensor *v);
/** Views of all tokens so far, owned by the cache, good until the next append, cut or pick. */
LB_API lb_tensor *lb_kv_cache_keys(lb_kv_cache *c);
LB_API lb_tensor *lb_kv_cache_values(lb_kv_cache *c);

/* ---- attention -------------------------------------------------------------------------------------------------- */

typedef struct lb_attend_names {
    const char *q, *k, *v, *out; /* NULL = q_proj, k_proj, v_proj, out_proj */
    const char *qkv;             /* one linear for all three, rows of q, then k, then v; used in place of q, k, v where given */
    const char *in_proj;         /* the same as torch.nn.MultiheadAttention has it: <in_proj>_weight, <in_proj>_bias */
    const char *kv;              /* one linear for keys and values */
    const char *q_norm, *k_norm; /* norms of each head's queries and keys; NULL = none */
    const char *places;          /* the table of `places`; <places>.weight [2 places - 1, head's width] */
} lb_attend_names;

/* All zero (but heads) = plain multi-head attention with biases. Tensors are borrowed for the call. */
typedef struct lb_attend_spec {
    int64_t heads, kv_heads; /* kv_heads 0 = heads */
    int64_t head_width;      /* 0 = width / heads */
    int64_t out_width;       /* 0 = width of x */
    const lb_attend_names *names;
    bool no_bias, no_out_bias;
    bool no_key_bias;          /* of three linears, that of the keys has none (Whisper) */
    lb_tensor *mask;           /* i64 or u8: [N,S], [N,L,S] or what lb_attention takes with four axes; 1 = attend */
    lb_tensor *bias, *relative; /* as lb_attention */
    int64_t places;        /* P > 0: to q_l k_s is added, before the scale, q_l t with t the row l - s + P - 1 of a learned table. Shaw et al., arXiv:1803.02155 */
    bool places_of_keys;   /* and k_s t. Huang et al., arXiv:2009.13658. Both where x attends to itself, without cache and prefix */
    double scale, softcap, dropout;
    int64_t window;
    bool causal;
    lb_tensor *cos, *sin; /* rotary tables of the tokens of x (and of y where that is another) */
    bool interleaved;     /* pairs of the rotation lie side by side */
    bool turn_queries_only; /* keys come turned, or have no place */
    lb_norm_kind head_norm;    /* kind of q_norm, k_norm */
    double eps;
    lb_tensor *prefix_k, *prefix_v; /* [N,G,P,D] and [N,G,P,E], or N = 1 for all: seen by every query, in front of the keys */
    lb_kv_cache *cache;   /* keys and values go behind those of earlier calls (no gradient) */
    bool fixed;           /* the cache is that of y, the same in every call: filled by the first, then read */
    lb_tensor **map;      /* NULL, or receives the weights [N,H,L,S], which are then kept in memory */
} lb_attend_spec;

/** Attention of x [N,L,C] to y [N,S,C'] (y NULL = x itself): linear maps, heads, lb_attention, output map. y may have fewer samples, a divisor of N: then
 *  that many rows of x in turn attend to each (beams of one item); without places, causal rule and masks by queries. @return [N,L,out_width] */
LB_API lb_tensor *lb_nn_attend(lb_nn *m, lb_tensor *x, lb_tensor *y, const lb_attend_spec *spec);

/** Channels attend to channels (cross-covariance): q, k L2-normalised over tokens, weights softmax(temperature_h k^T q) [D,D] per head, fused
 *  qkv, proj, <temperature> [heads,1,1]. x [N,L,C]. El-Nouby et al., arXiv:2106.09681 (names as in the published XCiT). */
LB_API lb_tensor *lb_nn_channel_attention(lb_nn *m, lb_tensor *x, int64_t heads);

/** Slots compete for inputs: weights softmax over queries, then normalised over keys with eps (Locatello et al., arXiv:2006.15055, section 2.1).
 *  q [N,L,D], k [N,S,D], v [N,S,E] -> [N,L,E]; scale 0 = 1 / sqrt(D). map (may be NULL) [N,L,S], before the second normalisation. */
LB_API lb_tensor *lb_nn_slot_attention(lb_nn *m, lb_tensor *q, lb_tensor *k, lb_tensor *v, double scale, double eps, lb_tensor **map);

/* ---- blocks ----------------------------------------------------------------------------------------------------- */

typedef struct lb_mlp_spec {
    int64_t width;  /* inner */
    lb_act act;
    bool gated;     /* down(act(gate x) * up x): SwiGLU with LB_ACT_SILU, GEGLU with LB_ACT_GELU (Shazeer, arXiv:2002.05202) */
    bool no_bias;
    double dropout; /* behind the activation */
    const char *up, *gate, *down; /* NULL = fc1, none, fc2. gated without a gate's name: up has both, gate first */
} lb_mlp_spec;
LB_API lb_tensor *lb_nn_mlp(lb_nn *m, lb_tensor *x, const lb_mlp_spec *spec);

/* Where a block's parts stand. NULL members = as `lb_names_plain`. Parts with an empty name ("") stand at the block itself. */
typedef struct lb_block_names {
    const char *norm1, *attn, *norm_cross, *cross, *norm2, *mlp;
    const char *scale1, *scale_cross, *scale2; /* layer scale; "ls1.gamma" */
    const char *gate_cross, *gate_mlp;         /* tanh gates */
    const lb_attend_names *self_names, *cross_names;
    const char *up, *gate, *down;
} lb_block_names;
extern LB_API const lb_block_names lb_names_plain; /* norm1, attn.{q,k,v,out}_proj, norm_cross, cross, norm2, mlp.fc1, mlp.fc2 */
extern LB_API const lb_block_names lb_names_timm;  /* attn.qkv, attn.proj, ls1.gamma */
extern LB_API const lb_block_names lb_names_torch; /* torch.nn.TransformerEncoderLayer and DecoderLayer */
extern LB_API const lb_block_names lb_names_llama; /* input_layernorm, self_attn.q_proj, post_attention_layernorm, mlp.gate_proj, ... */

typedef struct lb_block_spec {
    lb_attend_spec self, cross; /* names are taken from `names` */
    bool no_self;         /* cross-attention and MLP alone */
    lb_tensor *memory;    /* [N,S,C'] attended to by the cross part; NULL = no such part */
    lb_mlp_spec mlp;      /* width 0 = no MLP */
    lb_norm_kind norm;
    double eps;           /* 0 = 1e-5 */
    bool post;            /* norms behind the sums: norm(x + f(x)) */
    bool gates;           /* cross part and its MLP times tanh of a scalar that starts at 0 (Flamingo, arXiv:2204.14198) */
    double dropout, drop_path;
    double layer_scale;   /* start of the learned factors per channel; 0 = none */
    const lb_block_names *names;
    bool recompute;       /* the block's inside is made again in the backward pass (lb_nn_recompute): for self's map, cache and for cross parts with more
                           * than a mask it cannot be */
} lb_block_spec;
/** One transformer block: x + self(norm x), x + cross(norm x, memory), x + mlp(norm x). @return [N,L,C] */
LB_API lb_tensor *lb_nn_block(lb_nn *m, lb_tensor *x, const lb_block_spec *spec);

/** lb_nn_block number i of a row of them: taps block.i, and the weights of its self-attention [N,H,L,L] as attn.i for whoever asks for them (not with
 *  recompute). No taps where there is a cache. */
LB_API lb_tensor *lb_nn_tapped_block(lb_nn *m, lb_tensor *x, const lb_block_spec *spec, int i);
/** depth blocks below the names blocks.0, blocks.1, ...; taps block.K, and the weights of self-attention [N,H,L,L] as attn.K for whoever asks for them
 *  (not with recompute). */
LB_API lb_tensor *lb_nn_blocks(lb_nn *m, lb_tensor *x, int64_t depth, const lb_block_spec *spec);

/** Two streams that attend to each other (co-attention, Lu et al., arXiv:1908.02265): each a block below the names `a` and `b` whose memory
 *  is the other stream as it came in. spec: for both; its memory is ignored. mask_a, mask_b [N,L] of the streams, may be NULL. */
LB_API void lb_nn_co_block(lb_nn *m, lb_tensor **a, lb_tensor **b, lb_tensor *mask_a, lb_tensor *mask_b, const lb_block_spec *spec);

/** Stochastic depth: in training each sample's x [N,...] becomes 0 with probability p, else x / (1 - p). Huang et al., arXiv:1603.09382. */
LB_API lb_tensor *lb_nn_drop_path(lb_nn *m, lb_tensor *x, double p);

/** Learned queries <name> [count,width] (normal, std) for each of n samples: [n,count,width], for Q-Former-like blocks. */
LB_API lb_tensor *lb_nn_queries(lb_nn *m, const char *name, int64_t n, int64_t count, int64_t width, double std);

/* Perceiver resampler, as open_flamingo has it: latents [count,C], layers.K.0.{norm_media,norm_latents,to_q,to_kv,to_out}, layers.K.1.{0,1,3}, norm. */
typedef struct lb_resampler_spec {
    int64_t count, layers, heads, head_width, inner; /* inner: of the MLP */
} lb_resampler_spec;
/** x [N,S,C], mask [N,S] or NULL -> [N,count,C]. Alayrac et al., arXiv:2204.14198, section 2.1. */
LB_API lb_tensor *lb_nn_resampler(lb_nn *m, lb_tensor *x, lb_tensor *mask, const lb_resampler_spec *spec);

/** Patches of an image [N,3,H,W] by a convolution of stride `patch`, row by row: [N,P,width]; <name>.weight, .bias. */
LB_API lb_tensor *lb_nn_patches(lb_nn *m, lb_tensor *image, const char *name, int64_t width, int64_t patch, bool bias);

LB_END
#endif
