/* SPDX-License-Identifier: Apache-2.0 */
#include "text/trie.h"
#include <string.h>

/* A node that still has to be opened: the words order[lo, hi) share its first `depth` bytes. */
typedef struct task {
    int64_t lo, hi;
    size_t depth;
} task;

typedef struct builder {
    const lbi_trie_word *words;
    int32_t *order, *spare; /* numbers of words; room to sort them in */
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

/* The byte after the first `depth` ones, and 1; 0 when the word ends there. */
static int rank(const builder *b, int32_t word, size_t depth) {
    const lbi_trie_word *w = &b->words[word];
    return w->size == depth ? 0 : 1 + (uint8_t)w->text[depth];
}

/* A task's words by the byte after what they share; equal ones stay in their order. */
static void sort_by_byte(builder *b, const task *t) {
    enum { FEW = 24 };
    int32_t *o = b->order + t->lo;
    int64_t n = t->hi - t->lo, starts[257] = {0}, at = 0;
    if (n <= FEW) {
        for (int64_t i = 1; i < n; i++) {
            int32_t word = o[i];
            int64_t k = i;
            for (int r = rank(b, word, t->depth); k > 0 && rank(b, o[k - 1], t->depth) > r; k--) o[k] = o[k - 1];
            o[k] = word;
        }
        return;
    }
    for (int64_t i = 0; i < n; i++) starts[rank(b, o[i], t->depth)]++;
    for (int r = 0; r < 257; r++) {
        int64_t these = starts[r];
        starts[r] = at;
        at += these;
    }
    for (int64_t i = 0; i < n; i++) b->spare[starts[rank(b, o[i], t->depth)]++] = o[i];
    memcpy(o, b->spare, (size_t)n * sizeof *o);
}

/* Nodes are opened in the order they were made, so the children of each stand in a row. */
static lb_status open_node(builder *b, int64_t i) {
    task t = b->tasks[i];
    int64_t lo = t.lo;
    sort_by_byte(b, &t);
    for (; lo < t.hi && b->words[b->order[lo]].size == t.depth; lo++) b->nodes[i].id = (int32_t)b->words[b->order[lo]].id;
    b->nodes[i].first = (int32_t)b->count;
    while (lo < t.hi) {
        int byte = rank(b, b->order[lo], t.depth);
        int64_t hi = lo;
        while (hi < t.hi && rank(b, b->order[hi], t.depth) == byte) hi++;
        lb_status st = add_node(b, (uint8_t)(byte - 1), (task){lo, hi, t.depth + 1});
        if (st != LB_OK) return st;
        b->nodes[i].count++;
        lo = hi;
    }
    return LB_OK;
}

static void find_roots(lbi_trie *t, const lbi_trie_node *root) {
    memset(t->from_root, 0, sizeof t->from_root);
    for (int i = 0; i < root->count; i++) t->from_root[t->at[root->first + i].byte] = root->first + i;
}

lb_status lbi_trie_build(lbi_trie *out, const lbi_trie_word *words, int64_t count) {
    builder b = {.words = words};
    if (count > INT32_MAX) return lb_fail(LB_E_LIMIT, "vocabulary is too large");
    b.order = lb_alloc((size_t)count, sizeof *b.order);
    b.spare = lb_alloc((size_t)count, sizeof *b.spare);
    lb_status st = b.order && b.spare ? LB_OK : LB_E_NOMEM;
    for (int64_t i = 0; st == LB_OK && i < count; i++) b.order[i] = (int32_t)i;
    if (st == LB_OK) st = add_node(&b, 0, (task){0, count, 0});
    for (int64_t i = 0; st == LB_OK && i < b.count; i++) st = open_node(&b, i);
    lb_free(b.tasks);
    lb_free(b.order);
    lb_free(b.spare);
    if (st != LB_OK) {
        lb_free(b.nodes);
        return st;
    }
    *out = (lbi_trie){.at = b.nodes, .count = (int32_t)b.count};
    find_roots(out, &b.nodes[0]);
    return LB_OK;
}

lbi_trie lbi_trie_below(const lbi_trie *t, const char *prefix) {
    static const lbi_trie_node leaf = {.id = -1};
    lbi_trie below = {.at = t->at, .count = t->count, .view = true};
    int32_t node = 0;
    for (const char *p = prefix; *p && (p == prefix || node); p++) node = lbi_trie_step(t, node, (uint8_t)*p);
    find_roots(&below, *prefix && !node ? &leaf : &t->at[node]);
    return below;
}

void lbi_trie_free(lbi_trie *t) {
    if (!t->view) lb_free(t->at);
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
