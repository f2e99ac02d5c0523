/* SPDX-License-Identifier: Apache-2.0 */
/* The BERT normaliser and word splitter, equal to Hugging Face tokenizers 0.23 (BertNormalizer, BertPreTokenizer). Private to text. */
#ifndef LB_TEXT_BERT_H
#define LB_TEXT_BERT_H
#include "base/buf.h"
LB_BEGIN

typedef struct lbi_bert {
    bool clean, chinese, strip, lower;
} lbi_bert;

/* Appends the normalised text, UTF-8. Failures are sticky in out. */
void lbi_bert_normalise(lb_buf *out, const uint8_t *text, size_t size, const lbi_bert *how);

/* The next word of normalised text from *at on: [begin, end), and how many characters; false when there is none. */
bool lbi_bert_word(const uint8_t *text, size_t size, size_t *at, size_t *begin, size_t *end, int64_t *characters);

LB_END
#endif
