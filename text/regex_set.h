/* SPDX-License-Identifier: Apache-2.0 */
/* Classes of characters of a regular expression. Private to text/regex*.c. */
#ifndef LB_TEXT_REGEX_SET_H
#define LB_TEXT_REGEX_SET_H
#include "base/alloc.h"
#include "text/unicode.h"
LB_BEGIN

/* Source of an expression that is being read. */
typedef struct lbi_reader {
    const uint8_t *at, *end;
    bool any_case;
} lbi_reader;

static inline bool lbi_reads(lbi_reader *r, char c) {
    if (r->at >= r->end || *r->at != (uint8_t)c) return false;
    r->at++;
    return true;
}
/* The text itself. */
bool lbi_reads_text(lbi_reader *r, const char *text);

typedef enum lbi_item_kind { LBI_ITEM_RANGE = 0, LBI_ITEM_SPACE, LBI_ITEM_WORD, LBI_ITEM_CATEGORY, LBI_ITEM_SCRIPT, LBI_ITEM_SET } lbi_item_kind;
typedef struct lbi_item {
    lbi_item_kind kind;
    bool negated;
    uint32_t first, last; /* RANGE; CATEGORY: bits of categories; SCRIPT and SET: a number; WORD: in brackets */
} lbi_item;

/* One of its items, and of the set `also` (-1: none); or none of that. */
typedef struct lbi_set {
    uint64_t ascii[2]; /* the answer for characters below 128 */
    bool negated;
    int first, count;  /* items */
    int also;
} lbi_set;

typedef struct lbi_sets {
    lbi_set *at;
    lbi_item *items;
    int count, room, items_count, items_room;
    bool failed; /* no memory */
} lbi_sets;

/** Reads a character, an escape or a class. @return the set's number; -1 where it is none that is known */
int lbi_set_read(lbi_sets *s, lbi_reader *r);
/** The only character of a set of one, 0 = another set. */
uint32_t lbi_set_only(const lbi_sets *s, int set);
bool lbi_set_slow(const lbi_sets *s, int set, uint32_t c);
static inline bool lbi_set_has(const lbi_sets *s, int set, uint32_t c) { return c < 128 ? s->at[set].ascii[c >> 6] >> (c & 63) & 1 : lbi_set_slow(s, set, c); }
void lbi_sets_free(lbi_sets *s);

LB_END
#endif
