/* SPDX-License-Identifier: Apache-2.0 */
/* What others call the parameters of a network, as data; and reading a network's sizes from an outside config.json or from the names and shapes
 * of its weights. For recognise, from_config and outside_name of an arch (nn/model.h). Pure functions, any thread. */
#ifndef LB_NN_OUTSIDE_H
#define LB_NN_OUTSIDE_H
#include "base/param.h"
#include "base/value.h"
#include "nn/nn.h"
LB_BEGIN

/* ---- names ------------------------------------------------------------------------------------------------------ */

/* `ours` is the whole of a name or its beginning up to a dot; each * in it stands for what lies between two dots. `theirs` has as many * and gets the
 * rest of the name behind each of its terms. Terms are joined by '+': their tensors stacked along the first axis are ours (queries, keys and values
 * of one linear). Before a term: '^' = theirs is transposed; '/' = without the spelling's prefix. theirs NULL: such files lack it. */
typedef struct lb_rename {
    const char *ours, *theirs;
} lb_rename;

/* One published spelling: what stands before every name; tables that end with {0}, asked in turn (NULL = no more). Names in no row keep their spelling. */
typedef struct lb_spelling {
    const char *prefix;
    const lb_rename *tables[4];
} lb_spelling;
/* Blocks of lb_nn_blocks with the names of lb_names_timm, as others have them: Hugging Face's ViT (encoder.layer.*), its CLIP and SigLIP
 * (encoder.layers.*), OpenAI's CLIP and open_clip (transformer.resblocks.*). */
extern LB_API const lb_rename lb_blocks_as_vit[], lb_blocks_as_clip[], lb_blocks_as_openai[];

/** The name of a parameter in that spelling: terms joined by '+', each "name" or "^name", as lb_arch.outside_name gives them. @return false when such
 *  files lack it (dst is then empty) */
LB_API bool lb_spell(char *dst, size_t cap, const char *name, const lb_spelling *s);

/** Does the word match the whole pattern (* = anything without a dot)? */
LB_API bool lb_name_matches(const char *pattern, const char *name);
/** How many of the patterns are among the names. */
LB_API int lb_names_found(const char *const *names, int64_t count, int n, const char *const *patterns);

/* ---- sizes ------------------------------------------------------------------------------------------------------ */

/* `config` as from_config has it: config.json with the shapes of the weights at "tensors". */
/** Size of an axis of a tensor; 0 when there is none such. With patterns: the first that matches. */
LB_API int64_t lb_outside_size(const lb_value *config, const char *pattern, int axis);
LB_API bool lb_outside_has(const lb_value *config, const char *pattern);
/** How many numbers 0, 1, ... give a tensor: "blocks.%d.norm1.weight". */
LB_API int64_t lb_outside_count(const lb_value *config, const char *format);

/** The first of the keys ("image_size|img_size") that the map has, as a whole number; of a list or a map {height, width} the part-th. */
LB_API int64_t lb_config_int(const lb_value *map, const char *keys, int part, int64_t fallback);
LB_API double lb_config_real(const lb_value *map, const char *keys, double fallback);
/** Whole numbers of a list (at most n); @return how many, 0 = no such list. */
LB_API int64_t lb_config_ints(const lb_value *map, const char *keys, int64_t *out, int64_t n);
/** Classes of config.json: num_labels, or how many id2label has; 0 = not said. */
LB_API int64_t lb_config_classes(const lb_value *map);
/** Whole numbers of a text "2,2,6,2" (at most n). @return how many; and such a text into a parameter. */
LB_API int64_t lb_numbers(const char *list, int64_t *out, int64_t n);
LB_API LB_MUST_USE lb_status lb_numbers_to(const lb_param *row, void *cfg, const int64_t *x, int64_t n);
/* The choices of parameters that hold an activation, and what they mean. */
#define LB_ACT_CHOICES "gelu|gelu_tanh|gelu_quick|relu|relu6|silu|hardswish|tanh|sigmoid"
LB_API lb_act lb_act_named(const char *choice);
/** Sets such a parameter from the name in a config.json ("gelu", "quick_gelu", "gelu_pytorch_tanh", ...); NULL changes nothing. LB_E_UNSUPPORTED names
 *  what is known. */
LB_API LB_MUST_USE lb_status lb_config_act_to(const lb_param *row, void *cfg, const char *name);
/** LB_E_UNSUPPORTED where model_args of timm's config.json changes a network in a way that neither its tensors' shapes tell nor `handled` lists
 *  ("act_layer|global_pool"), or where the pooling is no mean and global_pool is not listed. */
LB_API LB_MUST_USE lb_status lb_timm_args(const lb_value *config, const char *arch, const char *handled);
/** Is model_type the word? */
LB_API bool lb_config_is(const lb_value *config, const char *model_type);

LB_END
#endif
