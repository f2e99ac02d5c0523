/* SPDX-License-Identifier: Apache-2.0 */
/* The regular expressions that published tokenizers split by: alternatives, groups, (?i: ), classes with properties, intersections and classes inside, counts
 * (greedy and possessive), (?= ) (?! ) (?> ), one character looked behind, ^ $ \b. A group that repeats, lazy counts and references are refused by name.
 * Matching is that of Oniguruma inside Hugging Face tokenizers 0.23: the first alternative that fits, going back where it must. Immutable once compiled.
 * Private to text. */
#ifndef LB_TEXT_REGEX_H
#define LB_TEXT_REGEX_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
LB_BEGIN

typedef struct lbi_regex lbi_regex;

/** LB_E_UNSUPPORTED names the part that is not handled. */
LB_MUST_USE lb_status lbi_regex_compile(lbi_regex **out, const char *expression, size_t size);
void lbi_regex_free(lbi_regex *r);
/** The first match that is not empty and begins at or after `at`; false when there is none. */
bool lbi_regex_next(const lbi_regex *r, const uint8_t *text, size_t size, size_t at, size_t *begin, size_t *end);

LB_END
#endif
