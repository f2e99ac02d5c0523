/* SPDX-License-Identifier: Apache-2.0 */
#include "text/trie.h"
#include <stdlib.h>
#include <string.h>

static int by_text(const void *a, const void *b) {
    const lbi_trie_word *x = a, *y = b;
    size_t n = x->size < y->size ? x->size : y->size;
    int order = memcmp(x->text, y->text, n);
    if (order) return order;
    if (x->size != y->size) return x->size < y->size ? -1 : 1;
    return 0;
}

/* A node that still has to be opened: the words [lo, hi) share its first `depth` bytes. */
typedef struct task {
    int64_t lo, hi;
    size_t depth;
} task;

typedef struct builder {
    lbi_trie_node *nodes;
    task *tasks; /* one per node */
    int64_t count, capacity;
} builder;

static lb_status add_node(builder *b, uint8_t byte, task t) {
    if (b->count == b->capacity) {
        int64_t cap = b->capacity ? 2 * b->capacity : 1024;
        if (cap > INT32_MAX) return lb_fail(LB_E_LIMIT, "vocabulary is too large");
        lbi_trie_node *n = lb_realloc(b->nodes, (size_t)cap, sizeof *n);
        if (n) b->nodes = n;
        task *k = n ? lb_realloc(b->tasks, (size_t)cap, sizeof *k) : NULL;
        if (!k) return LB_E_NOMEM;
        b->tasks = k;
        b->capacity = cap;
    }
    b->nodes[b->count] = (lbi_trie_node){.id = -1, .byte = byte};
    b->tasks[b->count++] = t;
    return LB_OK;
}

/* Nodes are opened in the order they were made, so the children of each stand in a row. */
static lb_status open_node(builder *b, int64_t i, const lbi_trie_word *words) {
    task t = b->tasks[i];
    int64_t lo = t.lo;
    for (; lo < t.hi && words[lo].size == t.depth; lo++) b->nodes[i].id = (int32_t)words[lo].id;
    b->nodes[i].first = (int32_t)b->count;
    while (lo < t.hi) {
        uint8_t byte = (uint8_t)words[lo].text[t.depth];
        int64_t hi = lo;
        while (hi < t.hi && (uint8_t)words[hi].text[t.depth] == byte) hi++;
        lb_status st = add_node(b, byte, (task){lo, hi, t.depth + 1});
        if (st != LB_OK) return st;
        b->nodes[i].count++;
        lo = hi;
    }
    return LB_OK;
}

/* Equal words next to each other in their given order: a stable sort through the address. */
static int by_text_and_place(const void *a, const void *b) {
    const lbi_trie_word *const *x = a, *const *y = b;
    int order = by_text(*x, *y);
    return order ? order : (*x > *y) - (*x < *y);
}

static lb_status sort_words(lbi_trie_word *words, int64_t count) {
    const lbi_trie_word **order = lb_alloc((size_t)count, sizeof *order);
    lbi_trie_word *copy = lb_alloc((size_t)count, sizeof *copy);
    if (!order || !copy) {
        lb_free(order);
        lb_free(copy);
        return LB_E_NOMEM;
    }
    for (int64_t i = 0; i < count; i++) order[i] = &words[i];
    qsort(order, (size_t)count, sizeof *order, by_text_and_place);
    for (int64_t i = 0; i < count; i++) copy[i] = *order[i];
    memcpy(words, copy, (size_t)count * sizeof *words);
    lb_free(order);
    lb_free(copy);
    return LB_OK;
}

lb_status lbi_trie_build(lbi_trie *out, lbi_trie_word *words, int64_t count) {
    builder b = {0};
    lb_status st = sort_words(words, count);
    if (st == LB_OK) st = add_node(&b, 0, (task){0, count, 0});
    for (int64_t i = 0; st == LB_OK && i < b.count; i++) st = open_node(&b, i, words);
    lb_free(b.tasks);
    if (st != LB_OK) {
        lb_free(b.nodes);
        return st;
    }
    *out = (lbi_trie){.at = b.nodes, .count = (int32_t)b.count};
    for (int i = 0; i < b.nodes[0].count; i++) out->from_root[b.nodes[b.nodes[0].first + i].byte] = b.nodes[0].first + i;
    return LB_OK;
}

void lbi_trie_free(lbi_trie *t) {
    lb_free(t->at);
    *t = (lbi_trie){0};
}

static const lbi_trie_node *child(const lbi_trie *t, const lbi_trie_node *n, uint8_t byte) {
    const lbi_trie_node *lo = t->at + n->first, *hi = lo + n->count;
    while (hi - lo > 8) {
        const lbi_trie_node *mid = lo + (hi - lo) / 2;
        if (byte < mid->byte) hi = mid;
        else lo = mid;
    }
    for (; lo < hi; lo++)
        if (lo->byte == byte) return lo;
    return NULL;
}

int32_t lbi_trie_step(const lbi_trie *t, int32_t node, uint8_t byte) {
    if (node == 0) return t->from_root[byte];
    const lbi_trie_node *n = child(t, t->at + node, byte);
    return n ? (int32_t)(n - t->at) : 0;
}

int64_t lbi_trie_longest(const lbi_trie *t, const uint8_t *p, size_t n, size_t *size) {
    int64_t id = -1;
    if (n == 0 || !t->at || t->from_root[p[0]] == 0) return -1;
    const lbi_trie_node *node = t->at + t->from_root[p[0]];
    for (size_t i = 1;; i++) {
        if (node->id >= 0) {
            id = node->id;
            *size = i;
        }
        if (i == n || node->count == 0) return id;
        node = child(t, node, p[i]);
        if (!node) return id;
    }
}
