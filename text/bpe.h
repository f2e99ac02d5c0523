/* SPDX-License-Identifier: Apache-2.0 */
/* Byte pair encoding: the symbols of a word are joined two by two, the pair of the lowest rank first, leftmost first. Private to text.
 * Source: Sennrich et al. 2016, arXiv:1508.07909; Hugging Face tokenizers 0.23, models/bpe. */
#ifndef LB_TEXT_BPE_H
#define LB_TEXT_BPE_H
#include "text/pipeline.h"
LB_BEGIN

typedef struct lbi_bpe_spec {
    const char *unk, *prefix, *suffix; /* unknown token; before symbols inside a word; behind the last one. NULL or "" = none */
    bool fuse_unk, byte_fallback, ignore_merges;
} lbi_bpe_spec;

/** Begins p->model over the finished p->vocab; p->splits tells whether words are bytes. `merges` are to come: room for that many. */
LB_MUST_USE lb_status lbi_bpe_begin(lbi_pipeline *p, const lbi_bpe_spec *spec, int64_t merges);
/** The next merge, rank = how many came before it. */
LB_MUST_USE lb_status lbi_bpe_merge(lbi_pipeline *p, const char *a, size_t a_size, const char *b, size_t b_size);
/** Merges as lines "a b"; those that begin with #version are passed over. `limit` 0 = all. */
LB_MUST_USE lb_status lbi_bpe_merge_lines(lbi_pipeline *p, const char *text, size_t size, int64_t limit);
/** How many lines a text has. */
int64_t lbi_count_lines(const char *text, size_t size);

/** Opens vocab.json and merges.txt of a folder. `describe` fills *json with what a tokenizer.json would say besides "model" and "added_tokens"; `more`
 *  are the numbers of added_tokens.json, or NULL. */
typedef lb_status lbi_bpe_describe(const lbi_pipeline *p, const lb_value *config, const lb_value *more, lb_value **json);
LB_MUST_USE lb_status lbi_bpe_open_files(lb_tokenizer *t, const char *folder, const lbi_model *kind, const lbi_bpe_spec *spec, lbi_bpe_describe *describe);
/** "text": number of a token in the vocabulary or in `more`; LB_E_FORMAT when neither has it. */
LB_MUST_USE lb_status lbi_bpe_number(const lbi_pipeline *p, const lb_value *more, const char *text, int64_t *id);

/* Slots of lbi_model. */
lb_status lbi_bpe_read(lbi_pipeline *p, const lb_value *model, const lb_json_part parts[LBI_MODEL_PARTS]);
void lbi_bpe_word(const lbi_pipeline *p, lbi_work *w, const uint8_t *text, size_t size);
void lbi_bpe_close(lbi_pipeline *p);

LB_END
#endif
