/* SPDX-License-Identifier: Apache-2.0 */
/* What methods refuse: inputs that are empty, not finite, out of range or at odds with each other, and parameters that do not go together. Each is told
 * with the component, the input, the first bad place and what was expected. The same call without the fault goes through, so it is that fault which is seen;
 * neither leaves memory behind, nor does a call that is refused memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/alloc.h"
#include "base/registry.h"
#include "base/sig.h"
#include "check.h"
#include "distill/method.h"

/* Words with commas between: "beta=2" is a parameter; "mask 2x3 4=0" an input of that shape whose element 4 is 0 ("-": a scalar; "=0": all are). Else reals are
 * 0.5 and integers 0. What stands in `fault` takes the place of what has its name in `good`; an input without a shape is left out. */
static const struct refusal {
    const char *component, *good, *fault;
    lb_status code;
    const char *part;
} refusals[] = {
#define PAIR "student 3x2, teacher 3x2"
    {"embed/cosine", PAIR, "student 0x2, teacher 0x2", LB_E_ARG, "student is empty"},
    {"embed/mse", PAIR, "student 3x2 5=nan", LB_E_ARG, "student[5] is nan, a finite number is wanted"},
    {"embed/smooth_l1", PAIR, "teacher 3x2 1=inf", LB_E_ARG, "teacher[1] is inf, a finite number is wanted"},
    {"rkd/objective", PAIR, "student 1x2, teacher 1x2", LB_E_ARG, "relations want at least 2 rows, student has 1"},
    {"rkd/distance", PAIR, "student 3x2 0=-inf", LB_E_ARG, "student[0] is -inf, a finite number is wanted"},
    {"rkd/angle", PAIR, "teacher 3x2 4=nan", LB_E_ARG, "teacher[4] is nan, a finite number is wanted"},
#define TEXTS "image_embed 3x2, text_embed 3x2"
    {"infonce/symmetric", TEXTS, "image_embed 0x2, text_embed 0x2", LB_E_ARG, "image_embed is empty"},
    {"infonce/one_way", TEXTS, "image_embed 3x2 2=nan", LB_E_ARG, "image_embed[2] is nan, a finite number is wanted"},
    {"infonce/symmetric", TEXTS, "text_embed 3x2 3=inf", LB_E_ARG, "text_embed[3] is inf, a finite number is wanted"},
#define ROWS "student_a 2x3, student_b 4x3, teacher_a 2x5, teacher_b 4x5"
    {"similarity/rows", ROWS, "student_a 0x3, teacher_a 0x5", LB_E_ARG, "student_a is empty"},
    {"similarity/rows", ROWS, "student_b 0x3, teacher_b 0x5", LB_E_ARG, "student_b is empty"},
    {"similarity/rows", ROWS, "student_b 4x3 11=nan", LB_E_ARG, "student_b[11] is nan, a finite number is wanted"},
    {"similarity/rows", ROWS, "teacher_a 2x5 0=inf", LB_E_ARG, "teacher_a[0] is inf, a finite number is wanted"},
    {"similarity/rows", ROWS, "teacher_b 4x5 19=-inf", LB_E_ARG, "teacher_b[19] is -inf, a finite number is wanted"},
#undef PAIR
#undef TEXTS
#undef ROWS

#define TOKENS "student_logits 2x2x3, teacher_logits 2x2x3, mask 2x2 0=0"
#define EMPTY "student_logits 0x2x3, teacher_logits 0x2x3, mask 0x2"
    {"kd_divergences/forward_kl", TOKENS, EMPTY, LB_E_ARG, "student_logits has an empty dimension"},
    {"kd_divergences/forward_kl", TOKENS, "mask 2x2 1=-1", LB_E_ARG, "mask[1] is -1, 0 to 1.79769e+308 is wanted"},
    {"kd_divergences/reverse_kl", TOKENS, "mask 2x2 =0", LB_E_ARG, "mask keeps no position (its sum is 0)"},
    {"kd_divergences/reverse_kl", TOKENS, "mask 2x2 3=inf", LB_E_ARG, "mask[3] is inf, 0 to 1.79769e+308 is wanted"},
    {"kd_divergences/total_variation", TOKENS, "student_logits 2x2x3 3=nan", LB_E_ARG, "student_logits: row 1 holds nan at a kept position"},
    {"kd_divergences/total_variation", TOKENS, "student_logits 2x2x3 11=inf", LB_E_ARG, "student_logits: row 3 holds inf at a kept position"},
    {"kd_divergences/skew_forward_kl", TOKENS, "teacher_logits 2x2x3 6=-inf 7=-inf 8=-inf", LB_E_ARG,
     "teacher_logits: row 2 holds only -inf at a kept position"},
    {"kd_divergences/skew_reverse_kl", TOKENS, "teacher_logits 2x2x3 8=nan", LB_E_ARG, "teacher_logits: row 2 holds nan at a kept position"},
    {"kd_divergences/jsd", TOKENS, "beta=1.5", LB_E_ARG, "beta of jsd is 1.5, 0 to 1 is wanted"},
    {"taid/taid_loss", TOKENS, EMPTY, LB_E_ARG, "student_logits has an empty dimension"},
    {"taid/taid_loss", TOKENS, "mask 2x2 =0", LB_E_ARG, "mask keeps no position (its sum is 0)"},
    {"taid/taid_loss", TOKENS, "student_logits 2x2x3 3=nan", LB_E_ARG, "student_logits: row 1 holds nan at a kept position"},
    {"taid/taid_target", "student_logits 2x3, teacher_logits 2x3", "teacher_logits 2x3 2=inf", LB_E_ARG, "teacher_logits: row 0 holds inf at a kept position"},
    {"taid/taid_target", "student_logits 2x3 4=-inf, teacher_logits 2x3", "teacher_logits 2x3 3=-inf 5=-inf", LB_E_ARG,
     "the blend of student_logits and teacher_logits: row 1 holds only -inf at a kept position"},
    {"taid/taid_loss", "student_logits 2x3 4=-inf, teacher_logits 2x3 1=-inf, mask 2", "teacher_logits 2x3 3=-inf 5=-inf", LB_E_ARG,
     "the blend of student_logits and teacher_logits: row 1 holds only -inf at a kept position"},
    {"taid/taid_update", "losses 3", "t_end=0.2", LB_E_ARG, "t_start 0.4 is above t_end 0.2"},
    {"taid/taid_update", "losses 3", "losses 3 1=nan", LB_E_ARG, "losses[1] is nan, a finite number is wanted"},
#undef TOKENS
#undef EMPTY

#define CLASSES "student_logits 2x3, teacher_logits 2x3, labels 2"
    {"kd_divergences/vanilla_kd", CLASSES, "student_logits 0x3, teacher_logits 0x3, labels 0", LB_E_ARG, "student_logits has an empty dimension"},
    {"kd_divergences/vanilla_kd", CLASSES, "student_logits 2x3 4=inf", LB_E_ARG, "student_logits: row 1 holds inf at a kept position"},
    {"kd_divergences/vanilla_kd", CLASSES, "teacher_logits 2x3 0=nan", LB_E_ARG, "teacher_logits: row 0 holds nan at a kept position"},
    {"kd_divergences/vanilla_kd", CLASSES, "labels 2 1=3", LB_E_ARG, "labels[1] is 3, 0 to 2 is wanted"},
    {"kd_divergences/vanilla_kd", "student_logits 2x3 0=-inf, teacher_logits 2x3 0=-inf, labels 2 0=1", "student_logits 2x3 3=-inf", LB_E_ARG,
     "student_logits: the label's logit of row 1 is -inf"},
    {"sinkd/sinkd_loss", "student_logits 2x3, teacher_logits 4x3", "student_logits 0x3", LB_E_ARG, "student_logits is empty"},
    {"sinkd/sinkd_loss", "student_logits 2x3, teacher_logits 4x3", "teacher_logits 0x3", LB_E_ARG, "teacher_logits is empty"},
    {"sinkd/total_loss", CLASSES, "student_logits 2x3 1=nan", LB_E_ARG, "student_logits[1] is nan, a finite number is wanted"},
    {"sinkd/total_loss", CLASSES, "teacher_logits 2x3 1=inf", LB_E_ARG, "teacher_logits[1] is inf, a finite number is wanted"},
    {"sinkd/total_loss", CLASSES, "labels 2 0=-1", LB_E_ARG, "labels[0] is -1, 0 to 2 is wanted"},
    {"sinkd/l1_cost", "x 2x3, y 4x3", "x 0x3", LB_E_ARG, "x is empty"},
    {"sinkd/l1_cost", "x 2x3, y 4x3", "y 4x3 2=nan", LB_E_ARG, "y[2] is nan, a finite number is wanted"},
    {"sinkd/sinkhorn_plan", "cost 2x3", "cost 2x3 5=inf", LB_E_ARG, "cost[5] is inf, a finite number is wanted"},
    {"fedd2s/client_loss", CLASSES, "student_logits 0x3, teacher_logits 0x3, labels 0", LB_E_ARG, "student_logits is empty"},
    {"fedd2s/client_loss", CLASSES, "student_logits 2x3 1=nan", LB_E_ARG, "logits[1] is nan, a finite number is wanted"},
    {"fedd2s/client_loss", CLASSES, "teacher_logits 2x3 3=nan", LB_E_ARG, "teacher_logits[3] is nan, a finite number is wanted"},
    {"fedd2s/client_loss", CLASSES, "labels 2 0=3", LB_E_ARG, "labels[0] is 3, 0 to 2 is wanted"},
#undef CLASSES

#define SEQUENCE "student_logits 2x3x4, tokens 2x3, mask 2x3"
    {"kd_divergences/sequence_logprob", SEQUENCE, "student_logits 0x3x4, tokens 0x3, mask 0x3", LB_E_ARG, "student_logits has an empty dimension"},
    {"kd_divergences/sequence_logprob", SEQUENCE, "mask 2x3 5=-0.5", LB_E_ARG, "mask[5] is -0.5, 0 to 1.79769e+308 is wanted"},
    {"kd_divergences/sequence_logprob", "student_logits 2x3x4, tokens 2x3 0=9 1=9, mask 2x3 1=0", "tokens 2x3 4=4", LB_E_ARG,
     "tokens[4] is 4, 0 to 3 is wanted"},
    {"kd_divergences/sequence_kd", SEQUENCE, "tokens 2x3 5=-1", LB_E_ARG, "tokens[5] is -1, 0 to 3 is wanted"},
    {"kd_divergences/sequence_kd", "student_logits 2x3x4 8=nan, tokens 2x3, mask 2x3", "student_logits 2x3x4 19=inf", LB_E_ARG,
     "student_logits: row 4, which predicts a kept token, holds inf"},
    {"kd_divergences/sequence_kd", SEQUENCE, "student_logits 2x3x4 0=nan", LB_E_ARG, "student_logits: row 0, which predicts a kept token, holds nan"},
    {"kd_divergences/sequence_kd", "student_logits 2x3x4 1=-inf, tokens 2x3, mask 2x3", "student_logits 2x3x4 0=-inf", LB_E_ARG,
     "student_logits: the logit of kept token 1 is -inf"},
    {"kd_divergences/sequence_logprob", "average=true, " SEQUENCE, "mask 2x3 4=0 5=0", LB_E_ARG, "mask keeps no token of sequence 1, so there is no average"},
    {"kd_divergences/sequence_kd", SEQUENCE, "mask 2x3 1=0 2=0 4=0 5=0", LB_E_ARG, "mask keeps no token beyond position 0"},
#undef SEQUENCE

#define PREFERENCES "policy_chosen 2, policy_rejected 2, reference_chosen 2, reference_rejected 2"
    {"kd_divergences/dpo", PREFERENCES, "beta=0", LB_E_ARG, "beta of dpo is 0, above 0 is wanted"},
    {"kd_divergences/dpo", PREFERENCES, "policy_chosen 0, policy_rejected 0, reference_chosen 0, reference_rejected 0", LB_E_ARG,
     "policy_chosen has an empty dimension"},
    {"kd_divergences/dpo", PREFERENCES, "policy_rejected 2 1=-inf", LB_E_ARG, "policy_rejected[1] is -inf, a finite number is wanted"},
    {"kd_divergences/dpo", PREFERENCES, "reference_rejected 2 0=nan", LB_E_ARG, "reference_rejected[0] is nan, a finite number is wanted"},
#undef PREFERENCES
#define RANKS "scores 2x3, rewards 2x3 0=-inf"
    {"kd_divergences/pairwise_rank", RANKS, "scores 0x3, rewards 0x3", LB_E_ARG, "scores: at least one row of at least 2 responses is wanted"},
    {"kd_divergences/listwise_rank", RANKS, "scores 2x1, rewards 2x1", LB_E_ARG, "scores: at least one row of at least 2 responses is wanted"},
    {"kd_divergences/pairwise_rank", RANKS, "scores 2x3 5=-inf", LB_E_ARG, "scores[5] is -inf, a finite number is wanted"},
    {"kd_divergences/listwise_rank", RANKS, "rewards 2x3 1=nan", LB_E_ARG, "rewards[1] is nan, a number is wanted"},
#undef RANKS

#define SCORES "student_scores 2x3, teacher_scores 2x3"
    {"dcd/dcd_loss", SCORES, "student_scores 0x3, teacher_scores 0x3", LB_E_ARG, "student_scores is empty"},
    {"dcd/dcd_loss", SCORES, "student_scores 2x3 4=nan", LB_E_ARG, "student_scores[4] is nan, a finite number is wanted"},
    {"dcd/wsl_weight", SCORES, "teacher_scores 2x3 4=inf", LB_E_ARG, "teacher_scores[4] is inf, a finite number is wanted"},
    {"dcd/wsl_loss", SCORES ", focal_weight 2", "focal_weight 2 1=nan", LB_E_ARG, "focal_weight[1] is nan, a finite number is wanted"},
    {"dcd/select_hard", "hard_negative=2, teacher_scores 2x3", "teacher_scores 0x3", LB_E_ARG, "teacher_scores has no rows"},
    {"dcd/select_hard", "hard_negative=2, teacher_scores 2x3", "hard_negative=3", LB_E_ARG, "3 negatives and the match are wanted of 3 candidates"},
    {"dcd/select_hard", "hard_negative=2, teacher_scores 2x3 2=-inf", "teacher_scores 2x3 2=nan", LB_E_ARG, "teacher_scores[2] is nan, a number is wanted"},
#undef SCORES

#define MAPS "student_logits 1x2x2x2, teacher_logits 1x2x2x2"
    {"segmentation/supervised", "student_logits 1x2x2x2, mask 1x2x2", "student_logits 0x2x2x2, mask 0x2x2", LB_E_ARG, "student_logits is empty"},
    {"segmentation/supervised", "student_logits 1x2x2x2, mask 1x2x2", "student_logits 1x2x2x2 7=inf", LB_E_ARG,
     "student_logits[7] is inf, a finite number is wanted"},
    {"segmentation/supervised", "student_logits 1x2x2x2, mask 1x2x2 0=255 1=1", "mask 1x2x2 3=2", LB_E_ARG,
     "mask holds the label 2 at element 3; classes are 0..1, 255 is ignored"},
    {"segmentation/supervised", "ignore=-1, student_logits 1x2x2x2, mask 1x2x2 0=-1", "ignore=5", LB_E_ARG,
     "mask holds the label -1 at element 0; classes are 0..1, 5 is ignored"},
    {"segmentation/pixelwise", MAPS, "student_logits 0x2x2x2, teacher_logits 0x2x2x2", LB_E_ARG, "student_logits is empty"},
    {"segmentation/pixelwise", MAPS, "student_logits 1x2x2x2 0=nan", LB_E_ARG, "student_logits[0] is nan, a finite number is wanted"},
    {"segmentation/pixelwise", MAPS, "teacher_logits 1x2x2x2 0=nan", LB_E_ARG, "teacher_logits[0] is nan, a finite number is wanted"},
    {"segmentation/soft_mask", "student_logits 1x2x2x2, teacher_mask 1x1x2x2", "student_logits 0x2x2x2, teacher_mask 0x1x2x2", LB_E_ARG,
     "student_logits is empty"},
    {"segmentation/soft_mask", "student_logits 1x2x2x2, teacher_mask 1x1x2x2", "student_logits 1x3x2x2", LB_E_ARG,
     "student_logits has 3 classes; a foreground map has two"},
    {"segmentation/soft_mask", "student_logits 1x2x2x2, teacher_mask 1x1x2x2", "student_logits 1x2x2x2 3=nan", LB_E_ARG,
     "student_logits[3] is nan, a finite number is wanted"},
    {"segmentation/soft_mask", "student_logits 1x2x2x2, teacher_mask 1x1x2x2 0=0 1=1", "teacher_mask 1x1x2x2 3=1.5", LB_E_ARG,
     "teacher_mask[3] is 1.5, 0 to 1 is wanted"},
#undef MAPS

#define TIMES "t 2 =0.6, s 2 =0.4"
#define STEP "y_t 2x3, noise 2x3, teacher_x0 2x3, " TIMES
    {"boot/schedule", "t 2", "t 2 1=0", LB_E_ARG, "t[1] is 0; a time between 0 and 1 is wanted"},
    {"boot/schedule", "t 2", "t 2 0=1", LB_E_ARG, "t[0] is 1; a time between 0 and 1 is wanted"},
    {"boot/schedule", "schedule=vp_linear, t 2", "beta_min=3, beta_max=2", LB_E_ARG, "vp_linear with beta_min 3 and beta_max 2"},
    {"boot/schedule", "schedule=vp_linear, t 2", "beta_min=0, beta_max=0", LB_E_ARG, "vp_linear with beta_min 0 and beta_max 0"},
    {"boot/schedule", "beta_min=3, beta_max=2, t 2", "schedule=vp_linear", LB_E_ARG, "vp_linear with beta_min 3 and beta_max 2"},
    {"boot/to_x0", "x_t 2x3, prediction 2x3, t 2", "prediction 2x4", LB_E_ARG, "prediction has another shape than x_t"},
    {"boot/to_x0", "x_t 2x3, prediction 2x3, t 2", "t 3", LB_E_ARG, "t has 3 samples, another number than the tensors"},
    {"boot/to_x0", "x_t 2x3, prediction 2x3, t 2", "x_t 2x3 1=nan", LB_E_ARG, "x_t[1] is nan, a finite number is wanted"},
    {"boot/to_x0", "x_t 2x3, prediction 2x3, t 2", "prediction 2x3 1=nan", LB_E_ARG, "prediction[1] is nan, a finite number is wanted"},
    {"boot/to_x0", "x_t 2x3, prediction 2x3, t 2", "t 2 1=2", LB_E_ARG, "t[1] is 2; a time between 0 and 1 is wanted"},
    {"boot/to_x0", "prediction=v, schedule=vp_linear, beta_max=1000, x_t 2x3, prediction 2x3, t 2 1=0.9", "prediction=eps", LB_E_ARG,
     "sample 0: no signal is left at t = 0.5"},
    {"boot/guidance", "x0_cond 2x3, x0_uncond 2x3", "x0_uncond 3x2", LB_E_ARG, "x0_uncond has another shape than x0_cond"},
    {"boot/guidance", "x0_cond 2x3, x0_uncond 2x3", "x0_uncond 2x3x1", LB_E_ARG, "x0_uncond has another shape than x0_cond"},
    {"boot/guidance", "x0_cond 2x3, x0_uncond 2x3", "x0_cond 2x3 0=inf", LB_E_ARG, "x0_cond[0] is inf, a finite number is wanted"},
    {"boot/guidance", "x0_cond 2x3, x0_uncond 2x3", "x0_uncond 2x3 0=inf", LB_E_ARG, "x0_uncond[0] is inf, a finite number is wanted"},
    {"boot/target", STEP, "noise 2x4", LB_E_ARG, "noise has another shape than y_t"},
    {"boot/target", STEP, "teacher_x0 2x4", LB_E_ARG, "teacher_x0 has another shape than y_t"},
    {"boot/target", STEP, "t 3 =0.6, s 3 =0.4", LB_E_ARG, "t has 3 samples, another number than the tensors"},
    {"boot/target", STEP, "s 2 0=0.4 1=0.6", LB_E_ARG, "sample 1: t 0.6 is not above s 0.6"},
    {"boot/target", STEP, "s 2 =0", LB_E_ARG, "s[0] is 0; a time between 0 and 1 is wanted"},
    {"boot/target", STEP, "y_t 2x3 2=nan", LB_E_ARG, "y_t[2] is nan, a finite number is wanted"},
    {"boot/target", STEP, "noise 2x3 2=nan", LB_E_ARG, "noise[2] is nan, a finite number is wanted"},
    {"boot/target", STEP, "teacher_x0 2x3 2=nan", LB_E_ARG, "teacher_x0[2] is nan, a finite number is wanted"},
    {"boot/target", "solver=heun, teacher_x0_s 2x3, " STEP, "teacher_x0_s", LB_E_ARG, "the solver heun wants teacher_x0_s"},
    {"boot/target", "solver=heun, teacher_x0_s 2x3, " STEP, "teacher_x0_s 2x3 2=nan", LB_E_ARG, "teacher_x0_s[2] is nan, a finite number is wanted"},
    {"boot/target", "solver=heun, teacher_x0_s 2x3, " STEP, "teacher_x0_s 3x3", LB_E_ARG, "teacher_x0_s has another shape than y_t"},
#define ENDS "y_s 2x3, y_t 2x3, teacher_x0 2x3, y_end 2x3, teacher_x0_end 2x3, " TIMES
    {"boot/loss", ENDS, "y_s 2x0, y_t 2x0, teacher_x0 2x0, y_end 2x0, teacher_x0_end 2x0", LB_E_ARG, "y_s is empty"},
    {"boot/loss", ENDS, "y_t 2x4", LB_E_ARG, "y_t has another shape than y_s"},
    {"boot/loss", ENDS, "y_end 2x4", LB_E_ARG, "y_end has another shape than y_s"},
    {"boot/loss", ENDS, "teacher_x0_end 2x4", LB_E_ARG, "teacher_x0_end has another shape than y_s"},
    {"boot/loss", ENDS, "teacher_x0 2x4", LB_E_ARG, "teacher_x0 has another shape than y_t"},
    {"boot/loss", ENDS, "y_s 2x3 1=nan", LB_E_ARG, "y_s[1] is nan, a finite number is wanted"},
    {"boot/loss", ENDS, "y_end 2x3 1=nan", LB_E_ARG, "y_end[1] is nan, a finite number is wanted"},
    {"boot/loss", ENDS, "teacher_x0_end 2x3 1=nan", LB_E_ARG, "teacher_x0_end[1] is nan, a finite number is wanted"},
#undef ENDS
#define NET "num_blocks=1, time_dim=4, noise 2x3, t 2, time_weight 5x4, time_bias 5, in_weight 5x3, in_bias 5, film0_weight 10x5, film0_bias 10, " \
            "fc1_0_weight 6x5, fc1_0_bias 6, fc2_0_weight 5x6, fc2_0_bias 5, out_weight 3x5, out_bias 3"
    {"boot/generator", NET, "noise 2x3 5=nan", LB_E_ARG, "noise[5] is nan, a finite number is wanted"},
    {"boot/generator", NET, "t 2 0=inf", LB_E_ARG, "t[0] is inf, a finite number is wanted"},
    {"boot/generator", NET, "num_blocks=2", LB_E_NOTFOUND, "film1_weight or film1_bias is missing"},
    {"boot/generator", NET, "fc2_0_bias", LB_E_NOTFOUND, "fc2_0_weight or fc2_0_bias is missing"},
#undef NET
#undef STEP
#undef TIMES

#define VECTORS "relation_heads=2, student_query 1x3x2, student_key 1x3x2, student_value 1x3x2"
#define RELATIONS VECTORS ", teacher_query 1x3x4, teacher_key 1x3x4, teacher_value 1x3x4, mask 1x3 =1"
    {"autodistil/relation_scores", VECTORS, "student_query 0x3x2, student_key 0x3x2, student_value 0x3x2", LB_E_ARG, "student_query is empty"},
    {"autodistil/relation_scores", VECTORS, "student_value 1x3x2 5=nan", LB_E_ARG, "student_value[5] is nan, a finite number is wanted"},
    {"autodistil/relation_scores", VECTORS, "relation_heads=3", LB_E_ARG, "3 relation heads of student_query, which is 2 wide"},
    {"autodistil/relation_loss_mse", RELATIONS, "teacher_key 1x3x4 11=inf", LB_E_ARG, "teacher_key[11] is inf, a finite number is wanted"},
    {"autodistil/relation_loss_mse", "use_mask=false, " RELATIONS, "use_mask=true, mask 1x3 =0.5", LB_E_ARG, "mask holds 0.5, 0 or 1 is wanted"},
    {"autodistil/relation_loss_kl", RELATIONS, "mask 1x3 =0", LB_E_ARG, "mask keeps no token of sample 0"},
#undef RELATIONS
#undef VECTORS
    {"autodistil/sliced_linear", "in_features=3, out_features=2, x 2x3, weight 4x5, bias 4", "in_features=6", LB_E_ARG,
     "a slice of 2x6 is wanted of a weight of 4x5"},
    {"autodistil/sliced_linear", "in_features=3, out_features=2, x 2x3, weight 4x5, bias 4", "out_features=5", LB_E_ARG,
     "a slice of 5x3 is wanted of a weight of 4x5"},
    {"autodistil/sliced_linear", "in_features=3, out_features=2, x 2x3, weight 4x5, bias 4", "x 2x4", LB_E_ARG, "x is not in_features = 3 wide"},
    {"autodistil/sliced_linear", "in_features=3, out_features=2, x 2x3, weight 4x5, bias 4", "x -", LB_E_ARG, "x is not in_features = 3 wide"},
#define MATRIX(name) name "_weight 4x4, " name "_bias 4, "
#define SUPER "super_hidden=4, super_heads=2, hidden=2, heads=1, intermediate=3, x 1x3x2, mask 1x3 =1, " \
    MATRIX("query") MATRIX("key") MATRIX("value") MATRIX("attention_out") \
    "attention_norm_weight 4, attention_norm_bias 4, fc1_weight 6x4, fc1_bias 6, fc2_weight 4x6, fc2_bias 4, mlp_norm_weight 4, mlp_norm_bias 4"
    {"autodistil/sub_block", SUPER, "super_heads=3", LB_E_ARG, "3 heads do not divide the width 4"},
    {"autodistil/sub_block", SUPER, "hidden=5, x 1x3x5", LB_E_ARG, "a sub-network of width 5, 1 heads and 3 units is larger than the super network"},
    {"autodistil/sub_block", SUPER, "heads=3", LB_E_ARG, "a sub-network of width 2, 3 heads and 3 units is larger than the super network"},
    {"autodistil/sub_block", SUPER, "intermediate=7", LB_E_ARG, "a sub-network of width 2, 1 heads and 7 units is larger than the super network"},
    {"autodistil/sub_block", SUPER, "x 1x3x3", LB_E_ARG, "x is 3 wide, hidden is 2"},
    {"autodistil/sub_block", SUPER, "mask 1x3 =0", LB_E_ARG, "mask keeps no token of sample 0"},
#undef SUPER
#undef MATRIX
    {"autodistil/kept_layers", "layers=4, depth_mult=0.2", "depth_mult=0.1", LB_E_ARG, "depth_mult 0.1 keeps none of 4 layers"},
    {"autodistil/sandwich_sample", "subnets=4, draw 2 1=1", "draw 2 1=2", LB_E_ARG, "draw[1] is 2, 0 to 1 is wanted"},
    {"autodistil/sandwich_sample", "subnets=4, draw 2 1=1", "draw 2 0=1 1=1", LB_E_ARG, "draw holds 1 twice"},
#define SPACE "layers 1 =2, heads 1 =2, hidden 2 0=2 1=4, ratio 1 =2"
    {"autodistil/subspace_partition", SPACE, "layers 0", LB_E_ARG, "layers is empty"},
    {"autodistil/subspace_partition", SPACE, "hidden 2 0=4 1=4", LB_E_ARG, "hidden[1] is 4; rising numbers above 0 are wanted"},
    {"autodistil/subspace_partition", SPACE, "heads 1 =0", LB_E_ARG, "heads[0] is 0; rising numbers above 0 are wanted"},
    {"autodistil/subspace_partition", SPACE, "ratio 1 =nan", LB_E_ARG, "ratio[0] is nan; rising numbers above 0 are wanted"},
    {"autodistil/subspace_partition", SPACE, "stop_size=1", LB_E_ARG, "no sub-network of the space has 0 to 1 parameters"},
#undef SPACE
    {"autodistil/budget_search", "budget=2, cost 2 1=3, validation_loss 2", "cost 0, validation_loss 0", LB_E_ARG, "cost is empty"},
    {"autodistil/budget_search", "budget=2, cost 2 1=3, validation_loss 2", "cost 2 0=nan", LB_E_ARG, "cost[0] is nan, a finite number is wanted"},
    {"autodistil/budget_search", "budget=2, cost 2 1=3, validation_loss 2", "validation_loss 2 1=nan", LB_E_ARG,
     "validation_loss[1] is nan, a finite number is wanted"},
    {"autodistil/budget_search", "budget=2, cost 2 1=3, validation_loss 2", "budget=0.25", LB_E_ARG, "no candidate costs 0.25 or less"},

#define HEAD "fc1_weight 3x2, fc1_bias 3, fc2_weight 4x3, fc2_bias 4"
    {"fedd2s/head", "representation 2x2x1x1, " HEAD, "representation 2x2x1", LB_E_ARG, "representation has 3 axes; [B,D] or [B,D,H,W] is wanted"},
    {"fedd2s/head", "representation 2x2, " HEAD, "representation 0x2", LB_E_ARG, "representation is empty"},
    {"fedd2s/head", "representation 2x2, " HEAD, "representation 2x3", LB_E_ARG, "representation has 3 channels, fc1_weight takes 2"},
    {"fedd2s/head", "representation 2x2, " HEAD, "representation 2x2 3=nan", LB_E_ARG, "representation[3] is nan, a finite number is wanted"},
    {"fedd2s/server_loss", "representation 2x2, labels 2, teacher_logits 2x4, " HEAD, "representation 2x3", LB_E_ARG,
     "representation has 3 channels, fc1_weight takes 2"},
    {"fedd2s/server_loss", "representation 2x2, labels 2, teacher_logits 2x4, " HEAD, "labels 2 1=4", LB_E_ARG, "labels[1] is 4, 0 to 3 is wanted"},
#undef HEAD
    {"fedd2s/drop_schedule", "num_layers=3, round 2 0=40", "min_layer=4", LB_E_ARG, "min_layer 4 is above num_layers 3"},
    {"fedd2s/drop_schedule", "num_layers=3, round 2 0=40", "round 2 1=-1", LB_E_ARG, "round[1] is -1, 0 to 1.79769e+308 is wanted"},
    {"fedd2s/participants", "order 3 0=2 1=0 2=1", "order 0", LB_E_ARG, "order is empty"},
    {"fedd2s/participants", "order 3 0=2 1=0 2=1", "order 3 0=3", LB_E_ARG, "order[0] is 3, 0 to 2 is wanted"},
    {"fedd2s/participants", "order 3 0=2 1=0 2=1", "order 3 0=2 1=0 2=2", LB_E_ARG, "order holds client 2 twice"},
    {"fedd2s/class_knowledge", "logits 2x3, labels 2", "logits 0x0, labels 0", LB_E_ARG, "logits has no classes"},
    {"fedd2s/class_knowledge", "logits 2x3, labels 2", "logits 2x3 0=nan", LB_E_ARG, "logits[0] is nan, a finite number is wanted"},
    {"fedd2s/class_knowledge", "logits 2x3, labels 2", "labels 2 0=3", LB_E_ARG, "labels[0] is 3, 0 to 2 is wanted"},
    {"fedd2s/fairness", "accuracy 2", "accuracy 0", LB_E_ARG, "accuracy is empty"},
    {"fedd2s/fairness", "accuracy 2", "accuracy 2 1=nan", LB_E_ARG, "accuracy[1] is nan, a finite number is wanted"},

#define TOPK "k=2, student_logits 2x3, teacher_logits 2x3, mask 2"
    {"topkld/topkld_loss", TOPK, "k=4", LB_E_ARG, "k is 4, 1 to 3 classes can be chosen"},
    {"topkld/topkld_loss", TOPK, "k=0", LB_E_ARG, "k is 0, 1 to 3 classes can be chosen"},
    {"topkld/topkld_loss", TOPK, "student_logits 0x3, teacher_logits 0x3, mask 0", LB_E_ARG, "teacher_logits is empty"},
    {"topkld/topkld_loss", TOPK, "student_logits 2x3 1=-inf", LB_E_ARG, "student_logits[1] is -inf, a finite number is wanted"},
    {"topkld/topkld_loss", TOPK, "mask 2 =0", LB_E_ARG, "mask keeps no position (its sum is 0)"},
    {"topkld/topk_mask", "teacher_logits 2x3", "teacher_logits 2x3 1=nan", LB_E_ARG, "teacher_logits[1] is nan, a finite number is wanted"},
    {"topkld/fake_quant_symmetric", "x 2x3", "x 0x3", LB_E_ARG, "x is empty"},
    {"topkld/fake_quant_affine", "x 2x3", "x 2x3 4=nan", LB_E_ARG, "x[4] is nan, a finite number is wanted"},
    {"topkld/quant_linear", "x 2x3, weight 4x3, bias 4", "x 2x3 5=inf", LB_E_ARG, "x[5] is inf, a finite number is wanted"},
    {"topkld/quant_linear", "x 2x3, weight 4x3, bias 4", "weight 4x3 0=nan", LB_E_ARG, "weight[0] is nan, a finite number is wanted"},
#undef TOPK

#define FEATURES "k=2, student_feat 3x2, teacher_feat 3x4"
    {"trg/local_loss", FEATURES, "student_feat 0x2, teacher_feat 0x4", LB_E_ARG, "2 neighbours are wanted of 0 tokens"},
    {"trg/local_loss", FEATURES, "k=3", LB_E_ARG, "3 neighbours are wanted of 3 tokens"},
    {"trg/local_loss", FEATURES, "student_feat 3x2 0=nan", LB_E_ARG, "student_feat[0] is nan, a finite number is wanted"},
    {"trg/local_loss", FEATURES, "teacher_feat 3x4 0=nan", LB_E_ARG, "teacher_feat[0] is nan, a finite number is wanted"},
    {"trg/knn_graph", "k=2, student_feat 3x2", "k=3", LB_E_ARG, "3 neighbours are wanted of 3 tokens"},
    {"trg/global_loss", FEATURES ", proj_weight 4x2, proj_bias 4", "student_feat 0x2, teacher_feat 0x4", LB_E_ARG, "student_feat is empty"},
    {"trg/global_loss", FEATURES ", proj_weight 4x2, proj_bias 4", "teacher_feat 3x4 11=inf", LB_E_ARG, "teacher_feat[11] is inf, a finite number is wanted"},
#undef FEATURES
#define TWO "student_tokens 2x3x2, teacher_tokens 2x3x4"
    {"trg/contextual_loss", TWO, "student_tokens 0x3x2, teacher_tokens 0x3x4", LB_E_ARG, "student_tokens is empty"},
    {"trg/contextual_loss", TWO, "student_tokens 2x3x2 1=nan", LB_E_ARG, "student_tokens[1] is nan, a finite number is wanted"},
    {"trg/contextual_loss", TWO, "teacher_tokens 2x3x4 1=nan", LB_E_ARG, "teacher_tokens[1] is nan, a finite number is wanted"},
    {"trg/map_to_tokens", "patch=2, student_map 1x2x4x2", "student_map 1x2x3x2", LB_E_ARG, "a map of 3x2 cannot be cut into blocks of side 2"},
    {"trg/map_to_tokens", "patch=2, student_map 1x2x4x2", "student_map 1x2x2x3", LB_E_ARG, "a map of 2x3 cannot be cut into blocks of side 2"},
    {"trg/sample_tokens", "per_image=2, student_tokens 2x3x2, sample_index 2x2 0=2 1=0 2=3 3=5", "per_image=3", LB_E_ARG,
     "sample_index has 2 tokens of a picture, per_image is 3"},
    {"trg/sample_tokens", "per_image=2, student_tokens 2x3x2, sample_index 2x2 0=2 1=0 2=3 3=5", "sample_index 2x2 0=2 1=0 2=3 3=2", LB_E_ARG,
     "sample_index[3] is 2; picture 1 has the tokens 3 to 5"},
    {"trg/sample_tokens", "per_image=2, student_tokens 2x3x2, sample_index 2x2 0=2 1=0 2=3 3=5", "sample_index 2x2 0=3 1=0 2=3 3=5", LB_E_ARG,
     "sample_index[0] is 3; picture 0 has the tokens 0 to 2"},
    {"trg/sample_tokens", "per_image=2, student_tokens 2x3x2, sample_index 2x2 0=2 1=0 2=3 3=5", "sample_index 2x2 0=2 1=0 2=4 3=4", LB_E_ARG,
     "sample_index holds 4 twice in row 1"},
    {"trg/dynamic_temperature", "total_steps=10, step 2 1=10", "step 2 1=11", LB_E_ARG, "step[1] is 11, 0 to 10 is wanted"},
#define ALL "k=3, per_image=2, proj_weight 4x2, proj_bias 4, student_logits 2x3, teacher_logits 2x3, labels 2, sample_index 2x2 0=2 1=0 2=3 3=5, " TWO
    {"trg/trg_total", ALL, "k=4", LB_E_ARG, "4 neighbours are wanted of 4 sampled tokens"},
    {"trg/trg_total", ALL, "student_tokens 2x3x2 1=nan", LB_E_ARG, "student_tokens[1] is nan, a finite number is wanted"},
    {"trg/trg_total", ALL, "sample_index 2x2 0=6", LB_E_ARG, "sample_index[0] is 6; picture 0 has the tokens 0 to 2"},
    {"trg/trg_total", ALL, "student_logits 2x3 1=nan", LB_E_ARG, "student_logits[1] is nan, a finite number is wanted"},
    {"trg/trg_total", ALL, "teacher_logits 2x3 1=nan", LB_E_ARG, "teacher_logits[1] is nan, a finite number is wanted"},
    {"trg/trg_total", ALL, "labels 2 1=3", LB_E_ARG, "labels[1] is 3, 0 to 2 is wanted"},
#undef ALL
#undef TWO

    {"chatrex/box_iou", "boxes_a 2x4, boxes_b 3x4", "boxes_a 2x4 0=nan", LB_E_ARG, "boxes_a[0] is nan, a finite number is wanted"},
    {"chatrex/box_iou", "boxes_a 2x4, boxes_b 3x4", "boxes_b 3x4 11=inf", LB_E_ARG, "boxes_b[11] is inf, a finite number is wanted"},
    {"chatrex/nms_filter", "boxes 2x4, scores 2", "boxes 2x4 7=nan", LB_E_ARG, "boxes[7] is nan, a finite number is wanted"},
    {"chatrex/nms_filter", "boxes 2x4, scores 2", "scores 2 1=nan", LB_E_ARG, "scores[1] is nan, a finite number is wanted"},
    {"chatrex/recall", "boxes 2x4, scores 2, target_boxes 1x4", "target_boxes 0x4", LB_E_ARG, "target_boxes is empty"},
    {"chatrex/recall", "boxes 2x4, scores 2, target_boxes 1x4", "boxes 2x4 7=nan", LB_E_ARG, "boxes[7] is nan, a finite number is wanted"},
    {"chatrex/recall", "boxes 2x4, scores 2, target_boxes 1x4", "scores 2 0=nan", LB_E_ARG, "scores[0] is nan, a finite number is wanted"},
    {"chatrex/recall", "boxes 2x4, scores 2, target_boxes 1x4", "target_boxes 1x4 3=nan", LB_E_ARG, "target_boxes[3] is nan, a finite number is wanted"},
    {"chatrex/roi_align", "feature_map 2x3x3, boxes 1x4", "feature_map 2x0x3", LB_E_ARG, "feature_map is empty"},
    {"chatrex/roi_align", "feature_map 2x3x3, boxes 1x4", "feature_map 2x3x3 4=nan", LB_E_ARG, "feature_map[4] is nan, a finite number is wanted"},
    {"chatrex/roi_align", "feature_map 2x3x3, boxes 1x4", "boxes 1x4 2=inf", LB_E_ARG, "boxes[2] is inf, a finite number is wanted"},
    {"chatrex/box_sine", "dim=4, boxes 1x4", "boxes 1x4 2=nan", LB_E_ARG, "boxes[2] is nan, a finite number is wanted"},
    {"chatrex/box_sine", "dim=4, boxes 1x4", "dim=5", LB_E_ARG, "the embedding of a coordinate is 5 wide, an even number is wanted"},
#define MAPS "n_levels=2, output_size=1, boxes 1x4, w1 3x8, b1 3, w2 5x3, b2 5, map0 4x3x3, map1 4x3x2"
    {"chatrex/object_tokens", MAPS, "n_levels=3", LB_E_ARG, "map2 [C,H,W] is missing"},
    {"chatrex/object_tokens", MAPS, "map1 4x0x2", LB_E_ARG, "a map is empty"},
    {"chatrex/object_tokens", MAPS, "map0 4x3x3 1=nan", LB_E_ARG, "a map[1] is nan, a finite number is wanted"},
    {"chatrex/object_tokens", MAPS, "boxes 1x4 0=nan", LB_E_ARG, "boxes[0] is nan, a finite number is wanted"},
    {"chatrex/object_tokens", MAPS, "map1 3x2x2", LB_E_ARG, "the maps have 7 channels, a multiple of 8 is wanted"},
#undef MAPS
#define DUAL "low_tokens 1x4x3, high_map 1x2x4x4, w1 3x5, b1 3, w2 4x3, b2 4"
    {"chatrex/dual_vision_tokens", DUAL, "low_tokens 1x3x3", LB_E_ARG, "low_tokens has 3 tokens, a square number is wanted"},
    {"chatrex/dual_vision_tokens", DUAL, "low_tokens 1x4x3 0=nan", LB_E_ARG, "low_tokens[0] is nan, a finite number is wanted"},
    {"chatrex/dual_vision_tokens", DUAL, "high_map 1x2x4x4 9=nan", LB_E_ARG, "high_map[9] is nan, a finite number is wanted"},
#undef DUAL
#define PROPOSER "query 1x2x3, prompt 3, reference 1x2x4, w1 5x3, b1 5, w2 4x5, b2 4, w3 4x4, b3 4"
    {"chatrex/proposal_head", PROPOSER, "query 1x2x3 5=nan", LB_E_ARG, "query[5] is nan, a finite number is wanted"},
    {"chatrex/proposal_head", PROPOSER, "prompt 3 2=nan", LB_E_ARG, "prompt[2] is nan, a finite number is wanted"},
    {"chatrex/proposal_head", PROPOSER, "reference 1x2x4 7=nan", LB_E_ARG, "reference[7] is nan, a finite number is wanted"},
    {"chatrex/proposal_head", PROPOSER, "query 1x0x3, reference 1x0x4", LB_E_ARG, "query is empty"},
#undef PROPOSER
#define PROPOSALS "logits 3, boxes 3x4, target_boxes 2x4"
    {"chatrex/match", PROPOSALS, "logits 0, boxes 0x4", LB_E_ARG, "logits is empty"},
    {"chatrex/match", PROPOSALS, "logits 3 2=nan", LB_E_ARG, "logits[2] is nan, a finite number is wanted"},
    {"chatrex/match", PROPOSALS, "boxes 3x4 11=nan", LB_E_ARG, "boxes[11] is nan, a finite number is wanted"},
    {"chatrex/match", PROPOSALS, "target_boxes 2x4 7=nan", LB_E_ARG, "target_boxes[7] is nan, a finite number is wanted"},
#define MATCHED PROPOSALS ", match_query 2 0=2, match_target 2 0=1"
    {"chatrex/proposal_loss", MATCHED, "match_query 2 0=3", LB_E_ARG, "match_query[0] is 3, 0 to 2 is wanted"},
    {"chatrex/proposal_loss", MATCHED, "match_query 2 0=2 1=2", LB_E_ARG, "match_query holds 2 twice"},
    {"chatrex/proposal_loss", MATCHED, "match_target 2 1=2", LB_E_ARG, "match_target[1] is 2, 0 to 1 is wanted"},
    {"chatrex/proposal_loss", MATCHED, "match_target 2", LB_E_ARG, "match_target holds 0 twice"},
    {"chatrex/proposal_loss", MATCHED, "boxes 3x4 11=nan", LB_E_ARG, "boxes[11] is nan, a finite number is wanted"},
#undef MATCHED
#undef PROPOSALS
#define ANSWERS "logits 1x3x5, labels 1x3 0=9 1=-100 2=3"
    {"chatrex/index_retrieval", ANSWERS, "logits 1x3x5 14=nan", LB_E_ARG, "logits[14] is nan, a finite number is wanted"},
    {"chatrex/index_retrieval", ANSWERS, "logits 1x1x5, labels 1x1", LB_E_ARG, "answers of one token predict nothing"},
    {"chatrex/index_retrieval", ANSWERS, "labels 1x3 2=5", LB_E_ARG, "labels[2] is 5, 0 to 4 or -100 is wanted"},
    {"chatrex/index_retrieval", ANSWERS, "labels 1x3 1=-1", LB_E_ARG, "labels[1] is -1, 0 to 4 or -100 is wanted"},
    {"chatrex/index_retrieval", ANSWERS, "labels 1x3 1=-100 2=-100", LB_E_ARG, "no label counts"},
    {"chatrex/index_retrieval", "index_base=1, n_index_tokens=3, n_boxes=2, " ANSWERS, "bar_absent=true", LB_E_ARG, "labels[2] is 3, an index without a box"},
#undef ANSWERS

#define ENCODER "x 2x3, state 2x4, w1 5x3, b1 5, w_out 4x9, b_out 4"
    {"multimodn/mlp_encoder", ENCODER, "x 0x3, state 0x4", LB_E_ARG, "x is empty"},
    {"multimodn/mlp_encoder", ENCODER, "x 2x3 5=nan", LB_E_ARG, "x[5] is nan, a finite number is wanted"},
    {"multimodn/mlp_encoder", ENCODER, "state 2x4 7=nan", LB_E_ARG, "state[7] is nan, a finite number is wanted"},
    {"multimodn/mlp_encoder", ENCODER, "w2 5x5", LB_E_NOTFOUND, "w2 and b2 come together"},
    {"multimodn/early_encoder", "x 2x3, state 2x4, dropout_mask 2x7 =1, w1 5x7, b1 5, w_out 4x5, b_out 4", "dropout_mask 2x7 13=2", LB_E_ARG,
     "dropout_mask[13] is 2, 0 to 1 is wanted"},
    {"multimodn/early_encoder", "x 2x3, state 2x4, dropout_mask 2x7 =1, w1 5x7, b1 5, w_out 4x5, b_out 4", "x 2x3 0=nan", LB_E_ARG,
     "x[0] is nan, a finite number is wanted"},
#define WALK "n_modalities=2, init_state 2, labels 3x1 0=1, mask 3x2 0=1 2=1 4=1 5=1, sequence 2 1=1, x0 3x2, enc0_w1 4x2, enc0_b1 4, enc0_w_out 2x6, " \
    "enc0_b_out 2, x1 3x1 0=nan, enc1_w1 4x1, enc1_b1 4, enc1_w_out 2x6, enc1_b_out 2, dec0_w 2x2, dec0_b 2"
    {"multimodn/sequence_loss", WALK, "labels 0x1, mask 0x2, x0 0x2, x1 0x1", LB_E_ARG, "labels has no samples"},
    {"multimodn/sequence_loss", WALK, "n_tasks=2", LB_E_ARG, "labels has 1 tasks, n_tasks is 2"},
    {"multimodn/sequence_loss", WALK, "n_modalities=3", LB_E_ARG, "mask has 2 modalities, n_modalities is 3"},
    {"multimodn/sequence_loss", WALK, "mask 3x2 3=2", LB_E_ARG, "mask holds 2, 0 or 1 is wanted"},
    {"multimodn/sequence_loss", WALK, "sequence 0", LB_E_ARG, "sequence has 0 entries; 1 to 2 are wanted"},
    {"multimodn/sequence_loss", WALK, "sequence 3", LB_E_ARG, "sequence has 3 entries; 1 to 2 are wanted"},
    {"multimodn/sequence_loss", WALK, "sequence 2 0=2", LB_E_ARG, "sequence[0] is 2, 0 to 1 is wanted"},
    {"multimodn/sequence_loss", WALK, "sequence 2 0=1 1=1", LB_E_ARG, "sequence holds encoder 1 twice"},
    {"multimodn/sequence_loss", WALK, "x1 3x1 2=nan", LB_E_ARG, "x1[2] is nan in a present sample"},
    {"multimodn/sequence_loss", WALK, "enc1_b1", LB_E_NOTFOUND, "x1 or a weight of enc1 is missing"},
    {"multimodn/sequence_loss", WALK, "x1", LB_E_NOTFOUND, "x1 or a weight of enc1 is missing"},
    {"multimodn/sequence_loss", WALK, "n_tasks=2, labels 3x2 0=1", LB_E_NOTFOUND, "a weight of dec1 is missing"},
    {"multimodn/sequence_loss", WALK, "labels 3x1 0=2", LB_E_ARG, "labels[0] is 2, 0 to 1 is wanted"},
#undef WALK
#undef ENCODER
    {"multimodn/metrics", "scores 2x2, labels 2 0=1", "scores 0x2, labels 0", LB_E_ARG, "labels is empty"},
    {"multimodn/metrics", "scores 2x2, labels 2 0=1", "scores 2x2 3=nan", LB_E_ARG, "scores[3] is nan, a number is wanted"},
    {"multimodn/metrics", "scores 2x2, labels 2 0=1", "labels 2 0=2", LB_E_ARG, "labels[0] is 2, 0 to 1 is wanted"},

#define ADAPTER "adapter0_weight 5x3, adapter0_bias 5, adapter1_weight 2x5, adapter1_bias 2"
    {"prorec/alignment", "collaborative 2x2, semantic 2x3, " ADAPTER, "collaborative 0x2, semantic 0x3", LB_E_ARG, "collaborative is empty"},
    {"prorec/alignment", "collaborative 2x2, semantic 2x3, " ADAPTER, "collaborative 2x2 3=nan", LB_E_ARG,
     "collaborative[3] is nan, a finite number is wanted"},
    {"prorec/alignment", "collaborative 2x2, semantic 2x3, " ADAPTER, "semantic 2x3 5=nan", LB_E_ARG, "semantic[5] is nan, a finite number is wanted"},
#define STAGE1 "user 2x2, item_table 4x2, semantic 4x3, labels 2 0=3, " ADAPTER
    {"prorec/stage1_loss", STAGE1, "user 2x2 0=nan", LB_E_ARG, "user[0] is nan, a finite number is wanted"},
    {"prorec/stage1_loss", STAGE1, "item_table 4x2 7=nan", LB_E_ARG, "item_table[7] is nan, a finite number is wanted"},
    {"prorec/stage1_loss", STAGE1, "semantic 4x3 11=nan", LB_E_ARG, "semantic[11] is nan, a finite number is wanted"},
    {"prorec/stage1_loss", STAGE1, "labels 2 0=4", LB_E_ARG, "labels[0] is 4, 0 to 3 is wanted"},
#undef STAGE1
#undef ADAPTER
#define DISTILLATION "summary 2x3, target_collaborative 2x2, target_semantic 2x4, head_collaborative_weight 2x3, head_collaborative_bias 2, " \
    "head_semantic_weight 4x3, head_semantic_bias 4"
    {"prorec/distillation", DISTILLATION, "summary 2x3 0=nan", LB_E_ARG, "summary[0] is nan, a finite number is wanted"},
    {"prorec/distillation", DISTILLATION, "target_collaborative 2x2 3=nan", LB_E_ARG, "target_collaborative[3] is nan, a finite number is wanted"},
    {"prorec/distillation", DISTILLATION, "target_semantic 2x4 7=nan", LB_E_ARG, "target_semantic[7] is nan, a finite number is wanted"},
    {"prorec/stage2_loss", "code_logits 2x2x3, codes 2x2 0=2, " DISTILLATION, "code_logits 2x2x3 0=nan", LB_E_ARG,
     "code_logits[0] is nan, a finite number is wanted"},
    {"prorec/stage2_loss", "code_logits 2x2x3, codes 2x2 0=2, " DISTILLATION, "codes 2x2 3=3", LB_E_ARG, "codes[3] is 3, 0 to 2 is wanted"},
#undef DISTILLATION
    {"prorec/fuse", "collaborative 2x2, semantic 2x3", "collaborative 2x2 0=nan", LB_E_ARG, "collaborative[0] is nan, a finite number is wanted"},
    {"prorec/fuse", "collaborative 2x2, semantic 2x3", "semantic 2x3 0=nan", LB_E_ARG, "semantic[0] is nan, a finite number is wanted"},
    {"prorec/residual_quantize", "latents 2x3, codebooks 2x4x3", "latents 2x3 0=nan", LB_E_ARG, "latents[0] is nan, a finite number is wanted"},
    {"prorec/residual_quantize", "latents 2x3, codebooks 2x4x3", "codebooks 2x4x3 0=nan", LB_E_ARG, "codebooks[0] is nan, a finite number is wanted"},
    {"prorec/residual_quantize", "latents 2x3, codebooks 64x4x3", "codebooks 65x4x3", LB_E_ARG, "codebooks has 65 levels, at most 64 are wanted"},
#define RQVAE "layers=1, items 2x5, codebooks 2x4x3, enc0_weight 3x5, enc0_bias 3, dec0_weight 5x3, dec0_bias 5"
    {"prorec/rqvae_loss", RQVAE, "items 2x5 0=nan", LB_E_ARG, "items[0] is nan, a finite number is wanted"},
    {"prorec/rqvae_loss", RQVAE, "layers=2", LB_E_NOTFOUND, "enc1_weight or enc1_bias is missing"},
    {"prorec/rqvae_loss", RQVAE, "enc0_weight 2x5, enc0_bias 2", LB_E_ARG, "the encoder gives 2 numbers, codebooks has 3"},
    {"prorec/rqvae_loss", RQVAE, "dec0_weight 4x3, dec0_bias 4", LB_E_ARG, "the decoder gives 4 numbers, items has 5"},
#undef RQVAE
    {"prorec/resolve_collisions", "indices 2x2", "indices 0x2", LB_E_ARG, "indices is empty"},
    {"prorec/trie_mask", "vocab=3, item_codes 2x3 0=2, prefix 1x1 0=2", "item_codes 0x3", LB_E_ARG, "item_codes is empty"},
    {"prorec/trie_mask", "vocab=3, item_codes 2x3 0=2, prefix 1x2 0=2", "prefix 1x3", LB_E_ARG, "prefix has 3 codes, items have 3"},
    {"prorec/trie_mask", "vocab=3, item_codes 2x3 0=2, prefix 1x1 0=2", "vocab=2", LB_E_ARG, "item_codes[0] is 2, 0 to 1 is wanted"},
    {"prorec/beam_search", "item_codes 2x2 0=1, tables 2x2x2", "item_codes 0x2", LB_E_ARG, "item_codes is empty"},
    {"prorec/beam_search", "item_codes 2x2 0=1, tables 2x2x2", "tables 2x2x2 7=nan", LB_E_ARG, "tables[7] is nan, a finite number is wanted"},
    {"prorec/beam_search", "item_codes 2x2 0=1, tables 2x2x2", "item_codes 2x2 0=2", LB_E_ARG, "item_codes[0] is 2, 0 to 1 is wanted"},
    {"prorec/rank_metrics", "k=2, ranked 2x2 1=1, labels 2", "ranked 0x2, labels 0", LB_E_ARG, "ranked is empty"},
    {"prorec/rank_metrics", "k=2, ranked 2x2 1=1, labels 2", "k=3", LB_E_ARG, "k is 3, rankings have 2 items"},

    {"modality_decoupled/common", "student 2x3, teacher 2x3", "student 0x3, teacher 0x3", LB_E_ARG, "student is empty"},
    {"modality_decoupled/specific", "student 2x3, teacher 2x4", "teacher 2x4 7=nan", LB_E_ARG, "teacher[7] is nan, a finite number is wanted"},
    {"modality_decoupled/apart", "common 2x3, specific 2x4", "specific 2x4 0=nan", LB_E_ARG, "specific[0] is nan, a finite number is wanted"},
#define TEXTS "text_common 2x3, text_specific 2x2, text_joint 2x3, text_own 2x4"
    {"modality_decoupled/objective", TEXTS, "text_own", LB_E_ARG, "all four inputs of a modality belong together (common, specific, joint, own)"},
    {"modality_decoupled/objective", TEXTS, "image_common 2x3", LB_E_ARG, "all four inputs of a modality belong together (common, specific, joint, own)"},
    {"modality_decoupled/objective", TEXTS, "text_common, text_specific, text_joint, text_own", LB_E_ARG, "neither pictures nor texts are given"},
    {"modality_decoupled/objective", TEXTS, "text_joint 2x3 0=inf", LB_E_ARG, "text_joint[0] is inf, a finite number is wanted"},
#undef TEXTS
};

enum { WORDS = 40 };

/* A call: its words, and what is made of them. */
typedef struct call {
    char word[WORDS][160];
    int count;
    const lb_method *method;
    const lb_component *component;
    lb_sig *sig;
    int64_t refuse, allocations; /* the n-th allocation of the component is refused (0: none); how many there were */
} call;

/* Length of the name at the head of a word; a parameter's ends with its '='. */
static size_t name_of(const char *word) {
    size_t n = strcspn(word, " =,");
    return n + (word[n] == '=');
}

/* Adds the words of a text; one with a known name takes its place. */
static void add_words(call *c, const char *text) {
    while (*text) {
        size_t n = strcspn(text, ","), name = name_of(text);
        int at = 0;
        while (at < c->count && (name_of(c->word[at]) != name || strncmp(c->word[at], text, name) != 0)) at++;
        if (!CHECK(at < WORDS && n < sizeof c->word[0])) exit(2);
        if (at == c->count) c->count++;
        snprintf(c->word[at], sizeof c->word[0], "%.*s", (int)n, text);
        text += n;
        text += strspn(text, ", ");
    }
}

static void set_element(double *x, int64_t n, char *word) {
    char *end = strchr(word, '=');
    double v = strtod(end + 1, NULL);
    int64_t at = strtoll(word, NULL, 10);
    if (!CHECK(end == word || at < n)) exit(2);
    for (int64_t i = end == word ? 0 : at; i < (end == word ? n : at + 1); i++) x[i] = v;
}

/* "name 2x3 4=nan"; NULL: a name alone. */
static lb_tensor *input(lb_tape *t, const call *c, const char *name, char *words) {
    int64_t shape[LB_MAX_RANK], n = 1, kind = lb_sig_input_find(c->sig, name);
    int rank = 0;
    char *word = strtok(words, " ");
    bool real = kind < 0 || lb_sig_input_type(c->sig, (int)kind) == LB_SIG_F32;
    if (!word) return NULL;
    for (char *s = word; *s && *s != '-'; s += *s == 'x') n *= shape[rank++] = strtoll(s, &s, 10);
    double *x = calloc((size_t)n + 1, sizeof *x);
    for (int64_t i = 0; i < n; i++) x[i] = real ? 0.5 : 0;
    while ((word = strtok(NULL, " "))) set_element(x, n, word);
    lb_tensor *made = lb_input(t, real ? LB_REAL : LB_I64, rank, shape, x, LB_F64);
    free(x);
    return made;
}

static void run(lb_tape *t, call *c) {
    const char *names[WORDS];
    lb_tensor *tensors[WORDS];
    lb_outs outs;
    void *cfg = NULL;
    int n = 0;
    if (!CHECK_OK(lb_component_config(&cfg, c->method, c->component, NULL))) exit(2);
    for (int i = 0; i < c->count; i++) {
        size_t name = name_of(c->word[i]);
        char *word = c->word[i], *rest = word[name] ? word + name + 1 : word + name;
        if (word[name - 1] == '=') {
            const lb_param *row = NULL;
            word[name - 1] = 0;
            if (!CHECK_OK(lb_param_get(&row, c->method->params, word)) || !CHECK_OK(lb_param_set_word(row, cfg, word + name))) exit(2);
            continue;
        }
        word[name] = 0;
        names[n] = word;
        if ((tensors[n] = input(t, c, word, rest))) n++;
    }
    lb_alloc_fail_at(c->refuse);
    lb_component_run(t, c->method, c->component, cfg, n, names, tensors, &outs);
    c->allocations = lb_alloc_calls();
    lb_alloc_fail_at(0);
    lb_params_free(c->method->params, cfg);
    lb_free(cfg);
}

static void open_call(call *c, lb_tape **t, const struct refusal *r) {
    char method[64];
    const lb_head *head = NULL;
    const char *slash = strchr(r->component, '/');
    *c = (call){.count = 0};
    snprintf(method, sizeof method, "%.*s", (int)(slash - r->component), r->component);
    if (!CHECK_OK(lb_tape_new(t)) || !CHECK_OK(lb_family_find(&head, &lb_methods, method))) exit(2);
    c->method = (const lb_method *)head;
    if (!CHECK_OK(lb_component_find(&c->component, c->method, slash + 1)) || !CHECK_OK(lb_sig_parse(&c->sig, c->component->sig))) exit(2);
    add_words(c, r->good);
}

static void close_call(call *c, lb_tape *t) {
    lb_sig_free(c->sig);
    lb_tape_free(t);
}

/* Each allocation of the good call is refused once: it ends with a message or gets by without. */
static void without_memory(const struct refusal *r) {
    int64_t live = lb_alloc_live(), last = 0;
    for (int64_t n = 0; n <= last; n++) {
        lb_tape *t = NULL;
        call c;
        lb_error_clear();
        open_call(&c, &t, r);
        c.refuse = n;
        run(t, &c);
        if (n == 0) last = c.allocations;
        lb_status st = lb_tape_status(t);
        if (st != LB_OK && (!CHECK(n > 0 && lb_error_text()[0]) || !CHECK_INT(st, LB_E_NOMEM))) printf("     allocation %lld\n", (long long)n);
        close_call(&c, t);
        if (!CHECK_INT(lb_alloc_live(), live)) printf("     left behind after allocation %lld\n", (long long)n);
    }
}

static void with_fault(const struct refusal *r) {
    int64_t live = lb_alloc_live();
    lb_tape *t = NULL;
    call c;
    open_call(&c, &t, r);
    add_words(&c, r->fault);
    run(t, &c);
    CHECK_FAILS(lb_tape_status(t), r->code, r->part);
    close_call(&c, t);
    CHECK_INT(lb_alloc_live(), live);
}

static void refused(void) {
    for (size_t k = 0; k < LB_COUNT(refusals); k++) {
        const struct refusal *r = &refusals[k];
        bool new = k == 0 || strcmp(r->component, r[-1].component) != 0 || strcmp(r->good, r[-1].good) != 0;
        check_begin("%s, %s", r->component, r->fault);
        if (new) without_memory(r);
        with_fault(r);
        check_end();
    }
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "method-refused", (check_test[]){{"refused", refused}, {0}});
}
