/* SPDX-License-Identifier: Apache-2.0 */
/* Text towers of CLIP and SigLIP: token and position tables, pre-norm blocks, a last norm, one token picked. Block names are those of timm (nn/outside.h
 * has the others). */
#ifndef LB_TEXT_CLIP_H
#define LB_TEXT_CLIP_H
#include "base/param.h"
#include "nn/model.h"
#include "nn/outside.h"
LB_BEGIN

typedef struct lb_clip_text {
    int64_t vocab, max_tokens, width, depth, heads, mlp;
    int64_t end;      /* id of the token that closes a text; -1 = the largest id of the text is it */
    double eps;
    const char *act;
    bool whole;       /* no causal rule, and the last place is picked, be it padding (SigLIP) */
    bool layer_scale;
} lb_clip_text;

/* Rows of a parameter table, as LB_VIT_PARAMS. */
#define LB_CLIP_TEXT_NUMBER(T, at, p, word, field, type_, default_, min_, max_, unit_, text_) \
    {.name = p word, .type = type_, .offset = offsetof(T, at.field), .def = default_, .min = min_, .max = max_, .unit = unit_, .text = text_}
#define LB_CLIP_TEXT_PARAMS(T, at, p, vocab_, tokens_, width_, depth_, heads_, mlp_, eps_, act_, whole_) \
    LB_CLIP_TEXT_NUMBER(T, at, p, "vocab", vocab, LB_T_I64, vocab_, 1, 10000000, "tokens", "size of the vocabulary"), \
    LB_CLIP_TEXT_NUMBER(T, at, p, "max_tokens", max_tokens, LB_T_I64, tokens_, 1, 65536, "tokens", "longest text"), \
    LB_CLIP_TEXT_NUMBER(T, at, p, "width", width, LB_T_I64, width_, 1, 65536, "1", "width of the tokens, a multiple of heads"), \
    LB_CLIP_TEXT_NUMBER(T, at, p, "depth", depth, LB_T_I64, depth_, 1, 1000, "1", "blocks"), \
    LB_CLIP_TEXT_NUMBER(T, at, p, "heads", heads, LB_T_I64, heads_, 1, 1024, "1", "attention heads"), \
    LB_CLIP_TEXT_NUMBER(T, at, p, "mlp", mlp, LB_T_I64, mlp_, 1, 1000000, "1", "inner width of a block's map"), \
    LB_CLIP_TEXT_NUMBER(T, at, p, "end", end, LB_T_I64, -1, -1, 10000000, "1", "id of the token whose place is picked, the first of them; -1 = the largest id"), \
    LB_CLIP_TEXT_NUMBER(T, at, p, "eps", eps, LB_T_F64, eps_, 0, 1, "1", "epsilon of the norms"), \
    {.name = p "act", .type = LB_T_TEXT, .offset = offsetof(T, at.act), .def_text = act_, .choices = LB_ACT_CHOICES, .unit = "TEXT", .text = "activation of a block's map"}, \
    LB_CLIP_TEXT_NUMBER(T, at, p, "whole", whole, LB_T_BOOL, whole_, 0, 1, "", "every token sees every other, and the last place is picked"), \
    LB_CLIP_TEXT_NUMBER(T, at, p, "layer_scale", layer_scale, LB_T_BOOL, 0, 0, 1, "", "learned factors per channel behind attention and map")

/** ids [N,L], mask [N,L] or NULL -> the picked token [N,width]. Taps: block.K, attn.K, tokens (normed). LB_E_SHAPE for texts that are too long. */
LB_API lb_tensor *lb_clip_text_tower(lb_nn *m, lb_tensor *ids, lb_tensor *mask, const lb_clip_text *c);
/** The same, then the linear map with bias `head`: SigLIP's pooled [N,out], tapped as that. */
LB_API lb_tensor *lb_siglip_text_tower(lb_nn *m, lb_tensor *ids, lb_tensor *mask, const lb_clip_text *c, int64_t out);
/** CLIP's texts in the common space, [M,out] of length 1: below the name text the tower and `projection`. Taps: text.pooled and the tower's behind "text.", text_embed. */
LB_API lb_tensor *lb_clip_text_embed(lb_nn *m, lb_tensor *ids, lb_tensor *mask, const lb_clip_text *c, int64_t out);
/** What CLIP says of pictures [N,E] and texts [M,E] in the common space; NULL = none. Taps: logit_scale, learned, 1 / temperature at first; with both logits[N,M]. */
LB_API void lb_clip_scores(lb_nn *m, lb_tensor *pictures, lb_tensor *texts, double temperature);
/** Shape of a batch of one, for an arch's example. */
LB_API void lb_clip_text_example(const lb_clip_text *c, int *rank, int64_t shape[LB_MAX_RANK]);

/** Sizes from config.json: Hugging Face's text_config, open_clip's text_cfg, or OpenAI's names and shapes. `act`: the row of cfg. *embed: width of the common space. */
LB_API LB_MUST_USE lb_status lb_clip_text_config(lb_clip_text *c, int64_t *embed, const lb_value *json, const lb_param *act, void *cfg);
LB_API LB_MUST_USE lb_status lb_siglip_text_config(lb_clip_text *c, int64_t *embed, const lb_value *json, const lb_param *act, void *cfg);
/* Their names elsewhere: Hugging Face, the same without prefix, OpenAI, open_clip's text tower of its own. */
enum { LB_CLIP_TEXT_SPELLINGS = 4 };
extern LB_API const lb_spelling lb_clip_text_spellings[LB_CLIP_TEXT_SPELLINGS];

LB_END
#endif
