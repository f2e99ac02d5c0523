/* SPDX-License-Identifier: Apache-2.0 */
/* The patterns that tokenizers split and replace by: a text, the well-known expressions of GPT-2, CLIP, Llama 3, Qwen2 and cl100k, each by hand, and
 * others through regex.h. Private to text. */
#ifndef LB_TEXT_PATTERN_H
#define LB_TEXT_PATTERN_H
#include "base/value.h"
#include "text/regex.h"
LB_BEGIN

/* Bytes of the match that begins at p[0], n > 0; 0 = none. */
typedef size_t lbi_match(const uint8_t *p, size_t n);

typedef struct lbi_pattern {
    lbi_match *known;
    char *text; /* a text to look for */
    size_t text_size;
    lbi_regex *regex;
} lbi_pattern;

/** {"String": text} or {"Regex": expression}. LB_E_UNSUPPORTED names an expression that is not known here. */
LB_MUST_USE lb_status lbi_pattern_read(lbi_pattern *out, const lb_value *json);
void lbi_pattern_free(lbi_pattern *p);
/** The next match at or after `at`; false when there is none. */
bool lbi_pattern_next(const lbi_pattern *p, const uint8_t *text, size_t size, size_t at, size_t *begin, size_t *end);
/** The pattern of the byte-level splitter (GPT-2). */
lbi_match lbi_match_gpt2;

LB_END
#endif
