/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens by number and numbers by token. Immutable once finished. Private to text. */
#ifndef LB_TEXT_VOCAB_H
#define LB_TEXT_VOCAB_H
#include "base/json_parts.h"
LB_BEGIN

enum { LBI_ID_MAX = 1 << 24 };

typedef struct lbi_word {
    size_t at; /* in text */
    uint32_t size, id;
} lbi_word;

typedef struct lbi_vocab {
    lb_buf text;      /* all tokens, each with a NUL behind */
    lbi_word *words;  /* in the order they were added */
    int64_t count, capacity;
    int64_t top;      /* highest number + 1 */
    uint32_t *by_id;  /* place in words + 1; 0 = no such token */
    uint32_t *slots;  /* hash table of places + 1, with 8 bits of the hash above; a power of two of them, mask + 1 */
    size_t mask;
    int64_t distinct; /* texts */
} lbi_vocab;

/** Room for `count` more tokens of `bytes` in all. */
LB_MUST_USE lb_status lbi_vocab_reserve(lbi_vocab *v, int64_t count, size_t bytes);
LB_MUST_USE lb_status lbi_vocab_add(lbi_vocab *v, const char *text, size_t size, int64_t id);
/** Makes both directions. Of equal texts, and of equal numbers, the last added one counts. Numbers far beyond the count of tokens are LB_E_FORMAT. */
LB_MUST_USE lb_status lbi_vocab_finish(lbi_vocab *v);
void lbi_vocab_free(lbi_vocab *v);
/** {"token": number, ...}, and lbi_vocab_finish; equal tokens are LB_E_FORMAT. `what` names it in messages. */
LB_MUST_USE lb_status lbi_vocab_read_map(lbi_vocab *v, const lb_json_part *map, const char *what);
/** -1 = not among them. */
int64_t lbi_vocab_find(const lbi_vocab *v, const char *text, size_t size);
/** NULL = no such number. */
const char *lbi_vocab_text(const lbi_vocab *v, int64_t id, size_t *size);

LB_END
#endif
