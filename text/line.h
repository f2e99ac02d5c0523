/* SPDX-License-Identifier: Apache-2.0 */
/* A text on its way to tokens: well-formed UTF-8, and where asked for, the bytes of the original that each of its bytes stands for. Private to
 * text. Source: Hugging Face tokenizers, tokenizer/normalizer.rs (NormalizedString). */
#ifndef LB_TEXT_LINE_H
#define LB_TEXT_LINE_H
#include "base/alloc.h"
LB_BEGIN

enum { LBI_LINE_MAX = 0x40000000 }; /* bytes; spans hold 32 bits */

typedef struct lbi_span {
    uint32_t begin, end;
} lbi_span;

typedef struct lbi_line {
    uint8_t *at;
    size_t size, capacity;
    lbi_span *from; /* by byte; NULL when not tracked */
    bool tracked, failed;
} lbi_line;

void lbi_line_free(lbi_line *l);
/* Empties it, keeps its memory. */
void lbi_line_start(lbi_line *l, bool tracked);
/* The bytes as they are, each character from itself; what is malformed becomes U+FFFD. `origin` is added to the spans. */
void lbi_line_text(lbi_line *l, const uint8_t *text, size_t size, size_t origin);
void lbi_line_put(lbi_line *l, uint32_t c, lbi_span from);
/* All of `text` from one place. */
void lbi_line_add(lbi_line *l, const char *text, size_t size, lbi_span from);
/* The bytes [begin, end) of another line with their spans. */
void lbi_line_copy(lbi_line *l, const lbi_line *src, size_t begin, size_t end);

/* Rewrites `in` into `out` character by character. A change of 0 replaces the next character of `in`, -n replaces it and drops the n after it, > 0
 * adds one, which stands for what the character before it does. */
typedef struct lbi_edit {
    const lbi_line *in;
    lbi_line *out;
    size_t at; /* next byte of in */
} lbi_edit;
void lbi_edit_put(lbi_edit *e, uint32_t c, int64_t change);
/* Drops n characters. */
void lbi_edit_skip(lbi_edit *e, int64_t n);

LB_END
#endif
