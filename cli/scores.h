/* SPDX-License-Identifier: Apache-2.0 */
/* Scores of embeddings held in memory, and small facts that several verbs report. */
#ifndef LB_CLI_SCORES_H
#define LB_CLI_SCORES_H
#include "cli/models.h"

/** Picture i belongs to text i: R@1/5/10 in percent both ways and averaged (r1, r5, r10), with counts, into a map. */
LB_MUST_USE lb_status cli_score_retrieval(lb_value *out, const float *image, const float *text, int64_t n, int64_t width);
/** Logits [n,width] against labels: the metric `classify` with its defaults and this seed into a map. */
LB_MUST_USE lb_status cli_score_classes(lb_value *out, const float *logits, int64_t n, int64_t width, const int64_t *label, uint64_t seed);
/** Parameters of token tables (embedding of the vocabulary), which size limits leave out. */
int64_t cli_token_parameters(lb_model *m);
/** Copies the files a tokenizer is read from; a single file gets the name that a model folder has for it. */
LB_MUST_USE lb_status cli_copy_tokenizer(const char *folder, const char *from);
/** Wires checkpoints to safetensors (io/weights.h). */
void cli_checkpoints(void);

#endif
