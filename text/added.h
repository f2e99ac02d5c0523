/* SPDX-License-Identifier: Apache-2.0 */
/* Added tokens: words that are found in the text before (or after) it is normalised and are never split. Private to text.
 * Source: Hugging Face tokenizers, added_vocabulary.rs (leftmost, then longest match). */
#ifndef LB_TEXT_ADDED_H
#define LB_TEXT_ADDED_H
#include "text/trie.h"
LB_BEGIN

typedef struct lbi_added {
    char *text;
    size_t size;
    int64_t id;
    bool single_word, lstrip, rstrip, normalized, special;
} lbi_added;

typedef struct lbi_added_set {
    const lbi_added *list; /* numbers in the trie are places in it */
    lbi_trie trie;
} lbi_added_set;

/* Walks over the text: each call gives a piece without added tokens [begin, end) (maybe empty) and then the id of the token after it, or -1
 * at the end of the text; the token itself is text[end, walk.given). Start with a zeroed walk; false when all is given. */
typedef struct lbi_added_walk {
    size_t at;     /* search goes on here */
    size_t given;  /* all before was given out */
    bool ended;
} lbi_added_walk;
bool lbi_added_next(const lbi_added_set *s, const uint8_t *text, size_t size, lbi_added_walk *w, size_t *begin, size_t *end, int64_t *id);

LB_END
#endif
