/* SPDX-License-Identifier: Apache-2.0 */
/* Characters as Hugging Face tokenizers 0.23 sees them (text/unicode_tables.py): its classes are those of several Unicode versions. Private to text. */
#ifndef LB_TEXT_UNICODE_H
#define LB_TEXT_UNICODE_H
#include "base/utf8.h"
LB_BEGIN

enum { LBI_DECOMPOSED_MAX = 32 };

bool lbi_is_space(uint32_t c);      /* White_Space; \s */
bool lbi_is_word(uint32_t c);       /* \w: letters, marks, digits, connectors */
bool lbi_is_letter(uint32_t c);     /* \p{L} of patterns */
bool lbi_is_number(uint32_t c);     /* \p{N} of patterns */
bool lbi_is_numeral(uint32_t c);    /* what the Digits splitter takes */
bool lbi_is_punctuation(uint32_t c);
bool lbi_is_control(uint32_t c);    /* dropped by the BERT normaliser's clean_text */
bool lbi_is_blank(uint32_t c);      /* made a space by it */
bool lbi_is_nonspacing(uint32_t c); /* a mark to the BERT normaliser */
bool lbi_is_combining(uint32_t c);  /* a mark to StripAccents */
bool lbi_is_chinese(uint32_t c);    /* the BERT normaliser's "Chinese" characters */

/* The general category as Oniguruma has it, numbered as in utf8proc: 0 none, 1 Lu, Ll, Lt, Lm, Lo, 6 Mn, Mc, Me, 9 Nd, Nl, No, 12 Pc, Pd, Ps, Pe, Pi, Pf, Po,
 * 19 Sm, Sc, Sk, So, 23 Zs, Zl, Zp, 26 Cc, Cf, Cs, Co. */
int lbi_category(uint32_t c);
bool lbi_is_pattern_word(uint32_t c); /* \w of patterns */
/* The number of a script of \p{Han} and the like, -1 = not known here. */
int lbi_script_find(const char *name, size_t size);
bool lbi_is_script(uint32_t c, int script);

/* Lower case of c: one or two code points. @return how many */
int lbi_lower(uint32_t out[2], uint32_t c);
/* Full canonical (or compatibility) decomposition, not reordered. @return how many, at least 1 */
int lbi_decompose(uint32_t out[LBI_DECOMPOSED_MAX], uint32_t c, bool compat);
int lbi_combining_class(uint32_t c);
/* The primary composite of a and b, 0 = none. */
uint32_t lbi_compose(uint32_t a, uint32_t b);
/* Bytes of the first extended grapheme cluster of well-formed text, n > 0. Source: UAX #29, rules GB3 to GB13. */
size_t lbi_cluster(const uint8_t *p, size_t n);

LB_END
#endif
