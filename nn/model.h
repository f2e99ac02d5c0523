/* SPDX-License-Identifier: Apache-2.0 */
/* Models: an arch (a const descriptor: parameters, inputs, taps, one forward function), its filled config, its weights.
 * Weights come from whoever loads them (io/weights.h, a checkpoint, an initialiser): nn never touches files.
 * The family has its members in vision/archs, text/archs, fusion (joint ones); one table for all. */
#ifndef LB_NN_MODEL_H
#define LB_NN_MODEL_H
#include "base/registry.h"
#include "base/value.h"
#include "nn/nn.h"
LB_BEGIN

/* Named inputs of a forward run. `image` f32 [N,3,H,W] prepared; `ids` i64 [N,L] and `mask` i64 [N,L] of text; other names are
 * features ([N,D] f32). */
typedef struct lb_named {
    const char *name;
    lb_tensor *x;
} lb_named;

struct lb_text_decoder; /* nn/generate.h */

typedef struct lb_arch {
    LB_HEAD;
    const char *kind;    /* "image", "text", "audio", "joint": what a batch must hold */
    const char *inputs;  /* signature's left side: "image[N,3,H,W]", "ids[N,L]:i64 mask[N,L]:i64" */
    const char *taps;    /* for people: "embedding[N,D] pooled[N,D] block.K[N,C,h,w] features[N,C,h,w] logits[N,1000]" */
    /* Runs the network: inputs in the order of `inputs`, absent optional ones NULL. Marks taps with lb_nn_tap. */
    void (*forward)(lb_nn *m, const void *cfg, lb_tensor *const *in);
    /* Shapes for a declaring run (batch 1, the config's sizes): fills rank and shape per input. */
    void (*example)(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]);
    /* Fills cfg from an outside config.json (Hugging Face names) or from the weights' names and shapes; NULL = only ours. */
    lb_status (*from_config)(void *cfg, const lb_value *config);
    /* Does an outside config.json (model_type, architectures) or a set of tensor names look like this arch? 0..100. */
    int (*recognise)(const lb_value *config, const char *const *tensor_names, int64_t count);
    /* Our parameter name -> the name in published files, or terms of them (nn/outside.h), written to dst; NULL = the same. @return false to leave it out */
    bool (*outside_name)(char *dst, size_t cap, const char *name, int variant);
    int outside_variants; /* how many spellings outside_name knows; 0 = 1 */
    /* Without gradient, an item's taps depend on no other item of its batch, and every tap counts the items of [N,...] inputs by its first axis: a batch may be
     * run in parts. */
    bool apart;
    bool whole_texts;     /* texts are always padded to the longest length, and padding is attended to (SigLIP) */
    /* Preprocessing when the model's folder does not say: keys as vision/preprocess.h, or audio/prepare.h, reads them, as JSON text. NULL = none. */
    const char *preprocess;
    const struct lb_text_decoder *decoder; /* NULL = it writes no text */
} lb_arch;

/** Fills every row of a table from the key of the same name in an outside config.json, where there is one of its kind; the others stay. A row whose
 *  choices are LB_ACT_CHOICES takes Hugging Face's name of an activation (nn/outside.h). */
LB_API LB_MUST_USE lb_status lb_params_from_config(const lb_param *table, void *cfg, const lb_value *config);

#define LB_ARCH(name) const lb_arch lb_arch_##name

typedef struct lb_model {
    const lb_arch *arch;
    void *cfg;         /* filled from arch->params */
    lb_store *store;
} lb_model;

/** A model with declared, zeroed parameters: cfg from a map (recipe) or defaults. */
LB_API LB_MUST_USE lb_status lb_model_new(lb_model **out, const lb_arch *arch, const lb_value *params);
/** The same from a filled config; take_cfg moves in (released on failure too). */
LB_API LB_MUST_USE lb_status lb_model_new_cfg(lb_model **out, const lb_arch *arch, void *take_cfg);
/** The same of parameters without memory, for whoever fills them all (lb_store_bare); without take_cfg from `params` as lb_model_new. */
LB_API LB_MUST_USE lb_status lb_model_new_bare(lb_model **out, const lb_arch *arch, const lb_value *params, void *take_cfg);
LB_API void lb_model_free(lb_model *m);

/** Runs the model on a tape with named inputs (extra names are ignored, missing ones fail the tape) and gives the wanted taps. */
LB_API void lb_model_run(lb_model *m, lb_tape *t, int nin, const lb_named *in, int ntaps, const char *const *taps, lb_tensor **out);
/** Marks as idle the parameters that a run for these taps does not look at when it gets the inputs alone that are always there; none where such a run does not
 *  give all of the taps. */
LB_API LB_MUST_USE lb_status lb_model_mark_idle(lb_model *m, int ntaps, const char *const *taps);
/** Every tap with its shape for the example input. */
LB_API LB_MUST_USE lb_status lb_model_taps(lb_model *m, void (*seen)(void *ctx, const char *tap, int rank, const int64_t *shape), void *ctx);

typedef struct lb_model_cost {
    int64_t parameters;
    double flops; /* forward of the example input */
} lb_model_cost;
LB_API LB_MUST_USE lb_status lb_model_plan(lb_model *m, lb_model_cost *out);

/* The table of all archs is put together above the modalities (cli), since nn may not include them. */
LB_END
#endif
