/* SPDX-License-Identifier: Apache-2.0 */
#include "text/trie.h"
#include <stdlib.h>
#include <string.h>

/* ---- words in order ---- */

/* A word and its first eight bytes, the first the highest, 0 behind its end. */
typedef struct entry {
    uint64_t head;
    const lbi_trie_word *word;
} entry;

static uint64_t head_of(const lbi_trie_word *w) {
    uint8_t bytes[8] = {0};
    uint64_t head = 0;
    memcpy(bytes, w->text, w->size < sizeof bytes ? w->size : sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) head = head << 8 | bytes[i];
    return head;
}

/* By heads, byte by byte from the lowest; equal ones as they stand. */
static void sort_heads(entry *e, entry *spare, int64_t n) {
    for (int shift = 0; shift < 64; shift += 8) {
        int64_t at[256] = {0}, sum = 0;
        for (int64_t i = 0; i < n; i++) at[e[i].head >> shift & 255]++;
        if (at[e[0].head >> shift & 255] == n) continue;
        for (int r = 0; r < 256; r++) {
            int64_t these = at[r];
            at[r] = sum;
            sum += these;
        }
        for (int64_t i = 0; i < n; i++) spare[at[e[i].head >> shift & 255]++] = e[i];
        memcpy(e, spare, (size_t)n * sizeof *e);
    }
}

/* Words by bytes, equal ones as they were given. */
static int by_words(const void *a, const void *b) {
    const lbi_trie_word *x = ((const entry *)a)->word, *y = ((const entry *)b)->word;
    int order = memcmp(x->text, y->text, x->size < y->size ? x->size : y->size);
    if (order == 0) order = (x->size > y->size) - (x->size < y->size);
    return order ? order : (x > y) - (x < y);
}

static lb_status in_order(lbi_trie_word *out, const lbi_trie_word *words, int64_t count) {
    entry *e = lb_alloc(2 * (size_t)count, sizeof *e);
    if (!e) return LB_E_NOMEM;
    for (int64_t i = 0; i < count; i++) e[i] = (entry){head_of(&words[i]), &words[i]};
    if (count) sort_heads(e, e + count, count);
    for (int64_t lo = 0, hi = 0; lo < count; lo = hi) { /* a byte of 0 and a word's end look alike in a head */
        while (hi < count && e[hi].head == e[lo].head) hi++;
        if (hi - lo > 1) qsort(e + lo, (size_t)(hi - lo), sizeof *e, by_words);
    }
    for (int64_t i = 0; i < count; i++) out[i] = *e[i].word;
    lb_free(e);
    return LB_OK;
}

/* ---- nodes ---- */

/* A node that still has to be opened: words lo .. hi - 1 share its first `depth` bytes. */
typedef struct task {
    int32_t lo, hi;
    uint32_t depth;
} task;

typedef struct builder {
    lbi_trie_word *words; /* in order */
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
static lb_status open_node(builder *b, int64_t i) {
    task t = b->tasks[i];
    int32_t lo = t.lo;
    for (; lo < t.hi && b->words[lo].size == t.depth; lo++) b->nodes[i].id = (int32_t)b->words[lo].id;
    b->nodes[i].first = (int32_t)b->count;
    while (lo < t.hi) {
        char byte = b->words[lo].text[t.depth];
        int32_t hi = lo + 1;
        while (hi < t.hi && b->words[hi].text[t.depth] == byte) hi++;
        lb_status st = add_node(b, (uint8_t)byte, (task){lo, hi, t.depth + 1});
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
    builder b = {0};
    if (count > INT32_MAX) return lb_fail(LB_E_LIMIT, "vocabulary is too large");
    b.words = lb_alloc((size_t)count, sizeof *b.words);
    lb_status st = b.words ? in_order(b.words, words, count) : LB_E_NOMEM;
    if (st == LB_OK) st = add_node(&b, 0, (task){0, (int32_t)count, 0});
    for (int64_t i = 0; st == LB_OK && i < b.count; i++) st = open_node(&b, i);
    lb_free(b.tasks);
    lb_free(b.words);
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
