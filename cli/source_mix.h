/* SPDX-License-Identifier: Apache-2.0 */
/* Mixed items of a training batch: each row with the one before it (the first with the last), as torchvision's MixUp and CutMix roll their batch. */
#ifndef LB_CLI_SOURCE_MIX_H
#define LB_CLI_SOURCE_MIX_H
#include "datasets/augments.h"
#include "distill/trainer.h"

typedef struct cli_mix_spec {
    const lb_chain *pairs;   /* of pair members alone */
    uint64_t seed, epoch;    /* with a row's key they decide what is drawn for it */
    int64_t classes;         /* of labels; 0 = none */
    bool mask_nonzero;       /* masks are of 0 and 1, so that a mean of two is a share of the foreground */
} cli_mix_spec;

/** The list of a recipe parted: members on one item, members on pairs. Both new; an empty list where there are none. */
LB_MUST_USE lb_status cli_mix_part(lb_value **single, lb_value **pairs, const lb_value *list);

/** Mixes `image` [N,3,H,W] in place and adds, f32:
 *  `mix_own` [N], the share that a row keeps;
 *  `label_share` [N,K], own share of its `label` plus the rest of its partner's (rows of 0 where a label is below 0), and `label_logits`, its log (at least ln 1e-8),
 *  where there are labels;
 *  `true_mask_share` [N,1,H,W], the foreground's share, where masks are of 0 and 1; `true_mask` then is what has more than half, else what was pasted.
 *  LB_E_UNSUPPORTED for means of masks of several classes. */
LB_MUST_USE lb_status cli_mix_batch(lb_batch *b, const cli_mix_spec *spec);

#endif
