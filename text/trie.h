/* SPDX-License-Identifier: Apache-2.0 */
/* A byte trie over a fixed set of words, for longest matches. Immutable once built. Private to text. */
#ifndef LB_TEXT_TRIE_H
#define LB_TEXT_TRIE_H
#include "base/alloc.h"
LB_BEGIN

typedef struct lbi_trie_word {
    const char *text;
    size_t size;
    int64_t id;
} lbi_trie_word;

typedef struct lbi_trie_node {
    int32_t first; /* its children stand in a row from here, in order of their bytes */
    int32_t id;    /* of the word that ends here; -1 = none */
    uint16_t count;
    uint8_t byte;
} lbi_trie_node;

typedef struct lbi_trie {
    lbi_trie_node *at; /* 0 = root */
    int32_t count;
    int32_t from_root[256]; /* the root's child by byte; 0 = none */
    bool view;      /* the nodes are another trie's */
} lbi_trie;

/* Of equal words the last given one counts. Ids must fit 31 bits. */
LB_MUST_USE lb_status lbi_trie_build(lbi_trie *out, const lbi_trie_word *words, int64_t count);
/* What follows `prefix` in the words that begin with it, as a trie of its own: its nodes are those of t, which must outlive it. */
lbi_trie lbi_trie_below(const lbi_trie *t, const char *prefix);
void lbi_trie_free(lbi_trie *t);
/* The longest word that p[0..n) begins with: its id, *size = its bytes; -1 when there is none. */
int64_t lbi_trie_longest(const lbi_trie *t, const uint8_t *p, size_t n, size_t *size);
/* The child of a node by byte (0 is the root); 0 = none. */
int32_t lbi_trie_step(const lbi_trie *t, int32_t node, uint8_t byte);

LB_END
#endif
