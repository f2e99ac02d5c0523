/* SPDX-License-Identifier: Apache-2.0 */
/* Words and their tokens, remembered for all threads: entries are put in once by compare-and-swap and stay until the end. When it is full, new words
 * are worked out each time. Share freely. Private to text. */
#ifndef LB_TEXT_WORD_CACHE_H
#define LB_TEXT_WORD_CACHE_H
#include "base/alloc.h"
LB_BEGIN

enum { LBI_CACHED_WORD_MAX = 48, LBI_CACHED_TOKENS_MAX = 24 };

/* A token of a word: its number and how many of the word's bytes it covers; 0 = the same ones as the token before. */
typedef struct lbi_part {
    uint32_t id, size;
} lbi_part;

typedef struct lbi_cached {
    uint64_t hash;
    uint8_t size, count;
    char text[LBI_CACHED_WORD_MAX];
    lbi_part parts[];
} lbi_cached;

typedef struct lbi_word_cache {
    struct lbi_word_slots *slots;
} lbi_word_cache;

LB_MUST_USE lb_status lbi_word_cache_open(lbi_word_cache *c);
void lbi_word_cache_close(lbi_word_cache *c);
uint64_t lbi_word_hash(const uint8_t *text, size_t size);
/* NULL = not there. */
const lbi_cached *lbi_word_cache_find(const lbi_word_cache *c, uint64_t hash, const uint8_t *text, size_t size);
/* Remembers it when there is room; refused memory is no failure. */
void lbi_word_cache_put(lbi_word_cache *c, uint64_t hash, const uint8_t *text, size_t size, const lbi_part *parts, int64_t count);

LB_END
#endif
