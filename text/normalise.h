/* SPDX-License-Identifier: Apache-2.0 */
/* The normalisers of a tokenizer.json, in their order: BertNormalizer, NFC, NFD, NFKC, NFKD, Lowercase, Strip, StripAccents, Nmt, Precompiled,
 * Replace, Prepend, Sequence. Immutable once read. Private to text. Source: Hugging Face tokenizers 0.23, normalizers/. */
#ifndef LB_TEXT_NORMALISE_H
#define LB_TEXT_NORMALISE_H
#include "text/bert.h"
#include "text/charsmap.h"
#include "text/line.h"
#include "text/pattern.h"
LB_BEGIN

enum { LBI_NORMS_MAX = 16 };

typedef enum lbi_norm_kind {
    LBI_NORM_BERT = 0, LBI_NORM_NFC, LBI_NORM_NFD, LBI_NORM_NFKC, LBI_NORM_NFKD, LBI_NORM_LOWER, LBI_NORM_STRIP, LBI_NORM_ACCENTS, LBI_NORM_NMT,
    LBI_NORM_CHARSMAP, LBI_NORM_REPLACE, LBI_NORM_PREPEND
} lbi_norm_kind;

typedef struct lbi_norm {
    lbi_norm_kind kind;
    lbi_bert bert;
    bool left, right;     /* Strip */
    lbi_charsmap map;
    lbi_pattern pattern;  /* Replace */
    char *content;        /* Replace, Prepend */
    size_t size;
} lbi_norm;

typedef struct lbi_norms {
    lbi_norm at[LBI_NORMS_MAX];
    int count;
} lbi_norms;

/** Reads what stands under "normalizer" (null: none). LB_E_UNSUPPORTED names a kind that is not handled. */
LB_MUST_USE lb_status lbi_norms_read(lbi_norms *out, const lb_value *json);
void lbi_norms_free(lbi_norms *n);
/** Rewrites *line; *spare is overwritten. Failures are sticky in line. */
void lbi_normalise(const lbi_norms *n, lbi_line *line, lbi_line *spare);

LB_END
#endif
