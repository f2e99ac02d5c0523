/* SPDX-License-Identifier: Apache-2.0 */
/* Text made token by token: what a network with a decoder offers, and the search over it, greedy or by beams, with cached keys and values.
 * One implementation for Whisper, GPT-2, LLaMA and what comes: an arch names its lb_text_decoder (nn/model.h) and needs nothing else. */
#ifndef LB_NN_GENERATE_H
#define LB_NN_GENERATE_H
#include "nn/attention.h"
#include "nn/model.h"
LB_BEGIN

/* One call of a decoder. With caches the tokens go behind those of earlier calls. */
typedef struct lb_decode {
    lb_tensor *ids;       /* i64 [R,L]: the new tokens */
    lb_tensor *positions; /* i64 [R,L], or NULL: as they stand, counted from the first token there ever was */
    lb_tensor *mask;      /* i64 [R,S] over all tokens so far, these included, 0 hides; NULL = all count */
    lb_tensor *memory;    /* [N,M,C], R a multiple of N: what rows R/N n .. R/N (n+1) - 1 attend to; NULL for networks without an encoder */
    lb_kv_cache *const *self;  /* [layers], or NULL: a run of the whole text */
    lb_kv_cache *const *cross; /* [layers], over the memory: filled by the first call, then read; NULL as self */
    bool last;            /* logits of the last token alone: [R,1,V] */
} lb_decode;

/* Of an arch; every slot gets the model's config. */
struct lb_text_decoder {
    int64_t (*layers)(const void *cfg);
    int64_t (*most)(const void *cfg); /* tokens of a text, prompt included; 0 = no limit */
    int64_t (*vocab)(const void *cfg);
    /* Logits [R,L,V]. Marks no taps when there are caches. */
    lb_tensor *(*run)(lb_nn *m, const void *cfg, const lb_decode *d);
    const char *memory; /* the tap that is the memory; NULL = none */
};

/* How to search; zero means default. Names and meaning as in Hugging Face's GenerationConfig. */
typedef struct lb_generate_spec {
    int64_t beams;           /* 0, 1 = greedy */
    double length_penalty;   /* a finished text of n new tokens counts sum log p / n^penalty */
    bool early_stopping;     /* an item is done as soon as it has `beams` finished texts */
    int64_t max_new;         /* new tokens; 0 = as many as the network takes, or 20 where it has no limit */
    int64_t eos[8];          /* tokens that end a text */
    int eos_count;
    const int64_t *suppress, *begin_suppress; /* never chosen; not chosen as the first new token */
    int64_t suppress_count, begin_suppress_count;
} lb_generate_spec;

/* Prompts: N of L tokens each; a shorter one stands at the end of its row, with 0 in the mask before it. */
typedef struct lb_prompts {
    int64_t count, length;
    const int64_t *ids, *mask; /* [N,L]; mask NULL = all count */
    const lb_tensor *memory;   /* [N,M,C], contiguous, for decoders that have one */
} lb_prompts;

typedef struct lb_generated {
    int64_t count;
    int64_t **ids;   /* of each prompt the new tokens, the ending one left out */
    int64_t *length;
    double *score;   /* beams: sum of log p / n^penalty; greedy: the sum */
} lb_generated;
LB_API void lb_generated_free(lb_generated *g);

/** Greedy: the likeliest token each time, of equal ones the lowest. Beams: Hugging Face's search (transformers 5, GenerationMixin._beam_search) without
 *  sampling. Rows do not depend on each other. The tape is reset at every step and left reset.
 *  Fails: LB_E_UNSUPPORTED without a decoder, LB_E_LIMIT for prompts longer than the network takes. Thread: as the tape. */
LB_API LB_MUST_USE lb_status lb_generate(lb_generated *out, lb_model *m, lb_tape *t, const lb_prompts *prompts, const lb_generate_spec *spec);

/** Tokens [R,L,C] to logits [R,L,vocab] without bias: by the table `tied` [vocab,C], or by the linear `own`, whichever is not NULL. */
LB_API lb_tensor *lb_nn_logits(lb_nn *m, lb_tensor *x, int64_t vocab, const char *tied, const char *own);
/** Are logits to be made in a run of a whole text? Where they are asked for, or only shapes are. */
LB_API bool lb_nn_wants_logits(lb_nn *m);

/** Positions of masked prompts, as Hugging Face counts them when it generates: those before the token whose mask is 1; 0 on padding. [N,L] */
LB_API void lb_count_positions(int64_t *dst, const int64_t *mask, int64_t n, int64_t length);

LB_END
#endif
