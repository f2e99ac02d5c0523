/* SPDX-License-Identifier: Apache-2.0 */
/* The BERT normaliser and word splitter, equal to Hugging Face tokenizers 0.23 (BertNormalizer, BertPreTokenizer). Private to text. */
#ifndef LB_TEXT_BERT_H
#define LB_TEXT_BERT_H
#include "base/buf.h"
LB_BEGIN

typedef struct lbi_bert {
    bool clean, chinese, strip, lower;
} lbi_bert;

/* Next code point of p[0..n), n > 0; *used = its bytes. A malformed sequence gives U+FFFD for its longest well-formed beginning
 * (Unicode 15, section 3.9, "substitution of maximal subparts"). */
uint32_t lbi_utf8_next(const uint8_t *p, size_t n, size_t *used);
void lbi_utf8_add(lb_buf *out, uint32_t c);

/* Appends the normalised text, UTF-8. Failures are sticky in out. */
void lbi_bert_normalise(lb_buf *out, const uint8_t *text, size_t size, const lbi_bert *how);

/* The next word of normalised text from *at on: [begin, end), and how many characters; false when there is none. */
bool lbi_bert_word(const uint8_t *text, size_t size, size_t *at, size_t *begin, size_t *end, int64_t *characters);

bool lbi_is_space(uint32_t c);      /* White_Space */
bool lbi_is_word(uint32_t c);       /* as \w of regular expressions: letters, marks, digits, connectors */

LB_END
#endif
