/* SPDX-License-Identifier: Apache-2.0 */
/* Source of the opcodes: CPython, Lib/pickletools.py. */
#include "io/pickle.h"
#include <string.h>

typedef struct machine {
    const uint8_t *data;
    size_t size, at, op_at;
    const char *const *allowed;
    lbi_pickle *p;
    int32_t *stack, *marks, *memo; /* memo: -1 = not set */
    int32_t depth, depth_cap, mark_count, mark_cap;
    int64_t memo_count, memo_cap, memo_next;
    bool stopped;
} machine;

static lb_status bad(const machine *m, const char *what) {
    return lb_fail(LB_E_FORMAT, "pickle: %s at byte %zu", what, m->op_at);
}

static lb_status push(machine *m, int32_t node) {
    if (m->depth == m->depth_cap) {
        if (m->depth_cap > INT32_MAX / 4) return lb_fail(LB_E_LIMIT, "pickle: stack of %d values", m->depth);
        int32_t cap = m->depth_cap ? m->depth_cap * 2 : 64;
        int32_t *s = lb_realloc(m->stack, (size_t)cap, sizeof *s);
        if (!s) return LB_E_NOMEM;
        m->stack = s;
        m->depth_cap = cap;
    }
    m->stack[m->depth++] = node;
    return LB_OK;
}

/* Makes a node and pushes it. *n is valid until the next call. */
static lb_status make(machine *m, lbi_pk_kind kind, lbi_pk_node **n) {
    lbi_pickle *p = m->p;
    if (p->count == p->capacity) {
        if (p->count > INT32_MAX / 4) return lb_fail(LB_E_LIMIT, "pickle of more than %d values", INT32_MAX / 4);
        int32_t cap = p->capacity ? p->capacity * 2 : 256;
        lbi_pk_node *a = lb_realloc(p->at, (size_t)cap, sizeof *a);
        if (!a) return LB_E_NOMEM;
        p->at = a;
        p->capacity = cap;
    }
    lbi_pk_node *x = &p->at[p->count];
    *x = (lbi_pk_node){.kind = (uint8_t)kind, .global = -1, .args = -1};
    if (n) *n = x;
    return push(m, p->count++);
}

static lb_status add_item(machine *m, int32_t to, int32_t item) {
    lbi_pk_node *x = &m->p->at[to];
    if (x->count == x->capacity) {
        if (x->capacity > INT32_MAX / 4) return lb_fail(LB_E_LIMIT, "pickle: container of %d items", x->count);
        int32_t cap = x->capacity ? x->capacity * 2 : 4;
        int32_t *a = lb_realloc(x->items, (size_t)cap, sizeof *a);
        if (!a) return LB_E_NOMEM;
        x->items = a;
        x->capacity = cap;
    }
    x->items[x->count++] = item;
    return LB_OK;
}

/* Bottom of what may be popped: the last mark. */
static int32_t floor_of(const machine *m) {
    return m->mark_count ? m->marks[m->mark_count - 1] : 0;
}

static lb_status pop(machine *m, int32_t *node) {
    if (m->depth <= floor_of(m)) return bad(m, "empty stack");
    *node = m->stack[--m->depth];
    return LB_OK;
}

static lb_status top(const machine *m, int32_t *node) {
    if (m->depth <= floor_of(m)) return bad(m, "empty stack");
    *node = m->stack[m->depth - 1];
    return LB_OK;
}

static lb_status pop_mark(machine *m, int32_t *first) {
    if (m->mark_count == 0) return bad(m, "no mark");
    *first = m->marks[--m->mark_count];
    return LB_OK;
}

static lb_status mark(machine *m) {
    if (m->mark_count == m->mark_cap) {
        if (m->mark_cap > INT32_MAX / 4) return lb_fail(LB_E_LIMIT, "pickle: %d open marks", m->mark_count);
        int32_t cap = m->mark_cap ? m->mark_cap * 2 : 32;
        int32_t *a = lb_realloc(m->marks, (size_t)cap, sizeof *a);
        if (!a) return LB_E_NOMEM;
        m->marks = a;
        m->mark_cap = cap;
    }
    m->marks[m->mark_count++] = m->depth;
    return LB_OK;
}

static lb_status number(machine *m, int bytes, uint64_t *out) {
    if (m->size - m->at < (size_t)bytes) return bad(m, "data ends");
    *out = 0;
    for (int i = 0; i < bytes; i++) *out |= (uint64_t)m->data[m->at + (size_t)i] << (8 * i);
    m->at += (size_t)bytes;
    return LB_OK;
}

static lb_status put_int(machine *m, int64_t v) {
    lbi_pk_node *n = NULL;
    lb_status st = make(m, LBI_PK_INT, &n);
    if (st == LB_OK) n->integer = v;
    return st;
}

/* LONG1, LONG4: two's complement, little-endian, any length. */
static lb_status put_long(machine *m, int prefix) {
    uint64_t n = 0, v = 0;
    lb_status st = number(m, prefix, &n);
    if (st != LB_OK) return st;
    if (n > m->size - m->at) return bad(m, "data ends");
    const uint8_t *p = m->data + m->at;
    bool negative = n > 0 && p[n - 1] >= 0x80;
    m->at += n;
    if (n > 8) return put_int(m, negative ? INT64_MIN : INT64_MAX);
    for (uint64_t i = 0; i < 8; i++) v |= (uint64_t)(i < n ? p[i] : negative ? 0xFF : 0) << (8 * i);
    return put_int(m, (int64_t)v);
}

static lb_status put_text(machine *m, int prefix) {
    uint64_t n = 0;
    lb_status st = number(m, prefix, &n);
    if (st != LB_OK) return st;
    if (n > m->size - m->at) return bad(m, "data ends");
    lbi_pk_node *x = NULL;
    st = make(m, LBI_PK_TEXT, &x);
    if (st != LB_OK) return st;
    x->text = (const char *)m->data + m->at;
    x->text_size = n;
    m->at += n;
    return LB_OK;
}

static lb_status put_real(machine *m) {
    if (m->size - m->at < 8) return bad(m, "data ends");
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++) bits = bits << 8 | m->data[m->at++];
    lbi_pk_node *n = NULL;
    lb_status st = make(m, LBI_PK_REAL, &n);
    if (st == LB_OK) memcpy(&n->real, &bits, sizeof bits);
    return st;
}

/* A new list, tuple or dict of the stack above `first`. */
static lb_status gather(machine *m, lbi_pk_kind kind, int32_t first) {
    int32_t n = m->depth - first;
    if (kind == LBI_PK_DICT && n % 2 != 0) return bad(m, "key without value");
    int32_t *items = NULL;
    if (n > 0) {
        items = lb_alloc((size_t)n, sizeof *items);
        if (!items) return LB_E_NOMEM;
        memcpy(items, m->stack + first, (size_t)n * sizeof *items);
    }
    m->depth = first;
    lbi_pk_node *x = NULL;
    lb_status st = make(m, kind, &x);
    if (st != LB_OK) {
        lb_free(items);
        return st;
    }
    x->items = items;
    x->count = x->capacity = n;
    return LB_OK;
}

static lb_status gather_marked(machine *m, lbi_pk_kind kind) {
    int32_t first = 0;
    lb_status st = pop_mark(m, &first);
    return st == LB_OK ? gather(m, kind, first) : st;
}

static lb_status gather_last(machine *m, int32_t n) {
    if (m->depth - floor_of(m) < n) return bad(m, "empty stack");
    return gather(m, LBI_PK_TUPLE, m->depth - n);
}

/* Appends the stack above `first` to the container below it. */
static lb_status extend(machine *m, int32_t first, bool pairs) {
    int32_t n = m->depth - first;
    if (first <= floor_of(m)) return bad(m, "empty stack");
    int32_t to = m->stack[first - 1], kind = m->p->at[to].kind;
    if (pairs ? kind != LBI_PK_DICT && kind != LBI_PK_CALL : kind != LBI_PK_LIST) return bad(m, "items added to something else than a container");
    if (pairs && n % 2 != 0) return bad(m, "key without value");
    for (int32_t i = 0; i < n; i++) {
        lb_status st = add_item(m, to, m->stack[first + i]);
        if (st != LB_OK) return st;
    }
    m->depth = first;
    return LB_OK;
}

static lb_status extend_marked(machine *m, bool pairs) {
    int32_t first = 0;
    lb_status st = pop_mark(m, &first);
    return st == LB_OK ? extend(m, first, pairs) : st;
}

static lb_status extend_last(machine *m, int32_t n, bool pairs) {
    if (m->depth - floor_of(m) <= n) return bad(m, "empty stack");
    return extend(m, m->depth - n, pairs);
}

static bool same(const char *s, size_t n, const char *text, size_t size) {
    return n == size && memcmp(s, text, n) == 0;
}

static lb_status put_global(machine *m, const char *module, size_t nm, const char *name, size_t nn) {
    for (int i = 0; m->allowed[i]; i++) {
        const char *space = strchr(m->allowed[i], ' ');
        if (!same(module, nm, m->allowed[i], (size_t)(space - m->allowed[i])) || !same(name, nn, space + 1, strlen(space + 1))) continue;
        lbi_pk_node *n = NULL;
        lb_status st = make(m, LBI_PK_GLOBAL, &n);
        if (st == LB_OK) n->global = i;
        return st;
    }
    return lb_fail(LB_E_UNSUPPORTED, "pickle refers to '%.*s.%.*s' (byte %zu), which is not read: only tensors, numbers, texts and plain containers are", (int)(nm < 80 ? nm : 80),
                   module, (int)(nn < 80 ? nn : 80), name, m->op_at);
}

static lb_status line(machine *m, const char **text, size_t *n) {
    const uint8_t *end = memchr(m->data + m->at, '\n', m->size - m->at);
    if (!end) return bad(m, "data ends");
    *text = (const char *)m->data + m->at;
    *n = (size_t)(end - m->data) - m->at;
    m->at += *n + 1;
    return LB_OK;
}

static lb_status global_lines(machine *m) {
    const char *module = NULL, *name = NULL;
    size_t nm = 0, nn = 0;
    lb_status st = line(m, &module, &nm);
    if (st == LB_OK) st = line(m, &name, &nn);
    return st == LB_OK ? put_global(m, module, nm, name, nn) : st;
}

static lb_status instance(machine *m) {
    lb_status st = global_lines(m);
    return st == LB_OK ? bad(m, "instance of a class") : st;
}

static lb_status global_stack(machine *m) {
    int32_t a = 0, b = 0;
    lb_status st = pop(m, &b);
    if (st == LB_OK) st = pop(m, &a);
    if (st != LB_OK) return st;
    const lbi_pk_node *module = &m->p->at[a], *name = &m->p->at[b];
    if (module->kind != LBI_PK_TEXT || name->kind != LBI_PK_TEXT) return bad(m, "a global's name must be a text");
    return put_global(m, module->text, module->text_size, name->text, name->text_size);
}

static lb_status call(machine *m) {
    int32_t args = 0, callee = 0;
    lb_status st = pop(m, &args);
    if (st == LB_OK) st = pop(m, &callee);
    if (st != LB_OK) return st;
    if (m->p->at[callee].kind != LBI_PK_GLOBAL || m->p->at[args].kind != LBI_PK_TUPLE) return bad(m, "call of something that is no global");
    int32_t global = m->p->at[callee].global;
    lbi_pk_node *n = NULL;
    st = make(m, LBI_PK_CALL, &n);
    if (st != LB_OK) return st;
    n->global = global;
    n->args = args;
    return LB_OK;
}

static lb_status persistent(machine *m) {
    int32_t id = 0;
    lb_status st = pop(m, &id);
    if (st != LB_OK) return st;
    lbi_pk_node *n = NULL;
    st = make(m, LBI_PK_PERSISTENT, &n);
    if (st == LB_OK) n->args = id;
    return st;
}

/* Attributes of an object (a state dict's `_metadata`): nothing that is read. */
static lb_status build(machine *m) {
    int32_t state = 0, object = 0;
    lb_status st = pop(m, &state);
    if (st == LB_OK) st = top(m, &object);
    if (st != LB_OK) return st;
    return m->p->at[object].kind == LBI_PK_CALL ? LB_OK : bad(m, "state of something that is no object");
}

static lb_status memo_put(machine *m, uint64_t i) {
    int32_t node = 0;
    lb_status st = top(m, &node);
    if (st != LB_OK) return st;
    if (i > m->size) return bad(m, "memo number beyond the pickle's size");
    if ((int64_t)i >= m->memo_cap) {
        int64_t cap = (int64_t)i + 1 + m->memo_cap / 2;
        int32_t *a = lb_realloc(m->memo, (size_t)cap, sizeof *a);
        if (!a) return LB_E_NOMEM;
        m->memo = a;
        m->memo_cap = cap;
    }
    while (m->memo_count <= (int64_t)i) m->memo[m->memo_count++] = -1;
    m->memo[i] = node;
    return LB_OK;
}

static lb_status memo_get(machine *m, uint64_t i) {
    if (i >= (uint64_t)m->memo_count || m->memo[i] < 0) return bad(m, "unknown memo number");
    return push(m, m->memo[i]);
}

static lb_status numbered(machine *m, int bytes, lb_status (*act)(machine *, uint64_t)) {
    uint64_t i = 0;
    lb_status st = number(m, bytes, &i);
    return st == LB_OK ? act(m, i) : st;
}

static lb_status put_small(machine *m, int bytes, bool is_signed) {
    uint64_t v = 0;
    lb_status st = number(m, bytes, &v);
    return st == LB_OK ? put_int(m, is_signed ? (int32_t)(uint32_t)v : (int64_t)v) : st;
}

static lb_status put_bool(machine *m, bool v) {
    lbi_pk_node *n = NULL;
    lb_status st = make(m, LBI_PK_BOOL, &n);
    if (st == LB_OK) n->integer = v;
    return st;
}

static lb_status skip(machine *m, size_t n) {
    if (m->size - m->at < n) return bad(m, "data ends");
    m->at += n;
    return LB_OK;
}

static lb_status step(machine *m, uint8_t op) {
    int32_t node = 0;
    switch (op) {
    case 0x80: return skip(m, 1);  /* PROTO */
    case 0x95: return skip(m, 8);  /* FRAME */
    case '.': m->stopped = true; return pop(m, &m->p->root);
    case '(': return mark(m);
    case '0': return m->depth == floor_of(m) && m->mark_count ? pop_mark(m, &node) : pop(m, &node);
    case '1': return pop_mark(m, &m->depth);
    case '2': return top(m, &node) == LB_OK ? push(m, node) : bad(m, "empty stack");
    case 'N': return make(m, LBI_PK_NONE, NULL);
    case 0x88: return put_bool(m, true);
    case 0x89: return put_bool(m, false);
    case 'J': return put_small(m, 4, true);
    case 'K': return put_small(m, 1, false);
    case 'M': return put_small(m, 2, false);
    case 0x8a: return put_long(m, 1);
    case 0x8b: return put_long(m, 4);
    case 'G': return put_real(m);
    case 'X': case 'T': case 'B': return put_text(m, 4);
    case 0x8c: case 'U': case 'C': return put_text(m, 1);
    case 0x8d: case 0x8e: return put_text(m, 8);
    case ']': return make(m, LBI_PK_LIST, NULL);
    case ')': return make(m, LBI_PK_TUPLE, NULL);
    case '}': return make(m, LBI_PK_DICT, NULL);
    case 'l': return gather_marked(m, LBI_PK_LIST);
    case 't': return gather_marked(m, LBI_PK_TUPLE);
    case 'd': return gather_marked(m, LBI_PK_DICT);
    case 0x85: return gather_last(m, 1);
    case 0x86: return gather_last(m, 2);
    case 0x87: return gather_last(m, 3);
    case 'a': return extend_last(m, 1, false);
    case 'e': return extend_marked(m, false);
    case 's': return extend_last(m, 2, true);
    case 'u': return extend_marked(m, true);
    case 'c': return global_lines(m);
    case 0x93: return global_stack(m);
    case 'i': return instance(m);
    case 'R': case 0x81: return call(m); /* REDUCE, NEWOBJ */
    case 'b': return build(m);
    case 'Q': return persistent(m);
    case 'q': return numbered(m, 1, memo_put);
    case 'r': return numbered(m, 4, memo_put);
    case 0x94: return memo_put(m, (uint64_t)m->memo_next++);
    case 'h': return numbered(m, 1, memo_get);
    case 'j': return numbered(m, 4, memo_get);
    default: return lb_fail(LB_E_UNSUPPORTED, "pickle: opcode 0x%02x at byte %zu is not handled", op, m->op_at);
    }
}

lb_status lbi_pickle_read(lbi_pickle *out, const uint8_t *data, size_t size, const char *const *allowed) {
    lbi_pickle p = {0};
    machine m = {.data = data, .size = size, .allowed = allowed, .p = &p};
    lb_status st = LB_OK;
    while (st == LB_OK && !m.stopped) {
        m.op_at = m.at;
        st = m.at < size ? step(&m, data[m.at++]) : bad(&m, "data ends before STOP");
    }
    p.used = m.at;
    lb_free(m.stack);
    lb_free(m.marks);
    lb_free(m.memo);
    if (st == LB_OK) *out = p;
    else lbi_pickle_free(&p);
    return st;
}

void lbi_pickle_free(lbi_pickle *p) {
    for (int32_t i = 0; i < p->count; i++) lb_free(p->at[i].items);
    lb_free(p->at);
    *p = (lbi_pickle){0};
}
