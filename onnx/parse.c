/* SPDX-License-Identifier: Apache-2.0 */
/* ModelProto to graphs (onnx/onnx.proto3 of github.com/onnx/onnx; the numbers below are its field numbers). Names become numbers of values at once:
 * a graph's nodes stand in an order in which every input is made before it is read. */
#include <stdio.h>
#include <string.h>
#include "base/hash.h"
#include "onnx/graph.h"

enum { DEPTH = 24, BLOCK = 65536 };

/* ---- memory of the model ---- */

void *onnx_take(lb_onnx *m, size_t n, size_t size) {
    size_t bytes;
    if (!lb_mul_size(&bytes, n, size)) return NULL;
    bytes = (bytes + 15) & ~(size_t)15;
    if (bytes > m->left) {
        size_t room = bytes > BLOCK ? bytes : BLOCK;
        onnx_block *b = lb_calloc(1, sizeof *b + room);
        if (!b) return NULL;
        b->older = m->blocks;
        m->blocks = b;
        m->left = room;
    }
    m->left -= bytes;
    return m->blocks->bytes + m->left;
}

const char *onnx_text(lb_onnx *m, onnx_bytes b) {
    char *s = onnx_take(m, b.size + 1, 1);
    if (s && b.size) memcpy(s, b.at, b.size);
    return s;
}

/* Room for one more in an array that doubles. */
static lb_status grow(void *array, int count, int *cap, size_t size) {
    void **at = array;
    if (count < *cap) return LB_OK;
    int more = *cap ? 2 * *cap : 64;
    void *bigger = lb_realloc(*at, (size_t)more, size);
    if (!bigger) return LB_E_NOMEM;
    *at = bigger;
    *cap = more;
    return LB_OK;
}

lb_status onnx_own(lb_onnx *m, lb_tensor *take_x) {
    lb_status st = grow(&m->owned, m->nowned, &m->owned_cap, sizeof *m->owned);
    if (st == LB_OK) m->owned[m->nowned++] = take_x;
    else lb_tensor_free(take_x);
    return st;
}

/* ---- values by name ---- */

static int *bucket(const lb_onnx *m, const char *name) { return &m->table[lb_hash64(name, strlen(name), 0) & (uint64_t)(m->table_cap - 1)]; }

static void enter(lb_onnx *m, int v) {
    int *b = bucket(m, m->values[v].name);
    m->values[v].next = *b;
    *b = v;
}

static lb_status wider_table(lb_onnx *m) {
    int cap = m->table_cap ? 4 * m->table_cap : 1024;
    int *table = lb_alloc((size_t)cap, sizeof *table);
    if (!table) return LB_E_NOMEM;
    for (int i = 0; i < cap; i++) table[i] = -1;
    lb_free(m->table);
    m->table = table;
    m->table_cap = cap;
    for (int v = 0; v < m->nvalues; v++) enter(m, v);
    return LB_OK;
}

int onnx_value_new(lb_onnx *m, const onnx_graph *home, const char *name) {
    if (m->nvalues >= m->table_cap && wider_table(m) != LB_OK) return -1;
    if (grow(&m->values, m->nvalues, &m->value_cap, sizeof *m->values) != LB_OK) return -1;
    m->values[m->nvalues] = (onnx_value){name, home, NULL, -1};
    enter(m, m->nvalues);
    return m->nvalues++;
}

static bool within(const onnx_graph *inner, const onnx_graph *outer) {
    for (; inner; inner = inner->outer)
        if (inner == outer) return true;
    return false;
}

int onnx_value_find(const lb_onnx *m, const onnx_graph *from, const char *name) {
    if (!m->table_cap) return -1;
    for (int v = *bucket(m, name); v >= 0; v = m->values[v].next)
        if (strcmp(m->values[v].name, name) == 0 && within(from, m->values[v].home)) return v;
    return -1;
}

/* ---- fields ---- */

static lb_status graph_of(onnx_graph **out, lb_onnx *m, onnx_bytes b, const onnx_graph *outer, int depth);

/* How many fields of that number. */
static lb_status count_fields(int *out, onnx_bytes b, uint32_t number) {
    onnx_field f;
    bool end = false;
    lb_status st;
    int64_t n = 0;
    while ((st = onnx_next(&f, &b, &end)) == LB_OK && !end) n += f.number == number;
    if (n > INT32_MAX / 64) return lb_fail(LB_E_LIMIT, "%lld fields of number %u", (long long)n, number);
    *out = (int)n;
    return st;
}

static void put_int(void *ctx, uint64_t value) {
    onnx_attribute *a = ctx;
    a->ints[a->count++] = (int64_t)value;
}

static void put_float(void *ctx, uint64_t value) {
    onnx_attribute *a = ctx;
    a->floats[a->count++] = (double)onnx_float(value);
}

/* A repeated field comes whole or one by one; `bytes` bounds how many numbers there can be. */
static lb_status repeated(lb_onnx *m, onnx_attribute *a, const onnx_field *f, size_t bytes) {
    if (f->number == 7) {
        if (!a->floats && !(a->floats = onnx_take(m, bytes / 4 + 1, sizeof *a->floats))) return LB_E_NOMEM;
        a->kind = ONNX_FLOATS;
        return onnx_each(f, 4, put_float, a);
    }
    if (!a->ints && !(a->ints = onnx_take(m, bytes + 1, sizeof *a->ints))) return LB_E_NOMEM;
    a->kind = ONNX_INTS;
    return onnx_each(f, 0, put_int, a);
}

static lb_status attribute_field(onnx_attribute *a, lb_onnx *m, const onnx_field *f, size_t bytes, const onnx_graph *g, int depth) {
    lb_status st = LB_OK;
    switch (f->number) {
    case 1: return (a->name = onnx_text(m, f->bytes)) ? LB_OK : LB_E_NOMEM;
    case 2: a->f = (double)onnx_float(f->value); return LB_OK;
    case 3: a->i = (int64_t)f->value; return LB_OK;
    case 4: return (a->text = onnx_text(m, f->bytes)) ? LB_OK : LB_E_NOMEM;
    case 5:
        st = onnx_tensor_parse(&a->tensor, m, f->bytes, NULL);
        return st == LB_OK ? onnx_own(m, a->tensor) : st;
    case 6: return graph_of(&a->graph, m, f->bytes, g, depth + 1);
    case 7:
    case 8: return repeated(m, a, f, bytes);
    case 9:
        if (!a->texts && !(a->texts = onnx_take(m, bytes / 2 + 1, sizeof *a->texts))) return LB_E_NOMEM;
        return (a->texts[a->count++] = onnx_text(m, f->bytes)) ? LB_OK : LB_E_NOMEM;
    case 20: a->kind = (onnx_kind)(f->value <= 8 ? f->value : 0); return LB_OK;
    default: return LB_OK;
    }
}

static lb_status attribute_of(onnx_attribute *a, lb_onnx *m, onnx_bytes b, const onnx_graph *g, int depth) {
    onnx_field f;
    bool end = false;
    lb_status st = LB_OK;
    size_t bytes = b.size;
    a->name = "";
    while ((st = onnx_next(&f, &b, &end)) == LB_OK && !end) {
        st = attribute_field(a, m, &f, bytes, g, depth);
        if (st != LB_OK) return lb_where(st, "attribute '%s'", a->name);
    }
    if (st == LB_OK && a->kind == ONNX_TENSOR && !a->tensor) return lb_fail(LB_E_FORMAT, "attribute '%s' holds no tensor", a->name);
    if (st == LB_OK && a->kind == ONNX_GRAPH && !a->graph) return lb_fail(LB_E_FORMAT, "attribute '%s' holds no graph", a->name);
    if (st == LB_OK && a->kind == ONNX_TEXT && !a->text) a->text = "";
    return st;
}

/* ---- types of inputs and outputs ---- */

static lb_status dimension(lb_onnx_value *v, onnx_bytes b) {
    onnx_field f;
    bool end = false;
    lb_status st;
    int64_t size = -1;
    while ((st = onnx_next(&f, &b, &end)) == LB_OK && !end)
        if (f.number == 1 && f.type == 0) size = (int64_t)f.value >= 0 ? (int64_t)f.value : -1;
    if (st == LB_OK && v->rank == LB_MAX_RANK) return lb_fail(LB_E_UNSUPPORTED, "'%s' has more than %d axes", v->name, LB_MAX_RANK);
    if (st == LB_OK) v->shape[v->rank++] = size;
    return st;
}

static lb_status tensor_type(lb_onnx_value *v, onnx_bytes b) {
    onnx_field f, d;
    bool end = false, last = false;
    lb_status st;
    while ((st = onnx_next(&f, &b, &end)) == LB_OK && !end) {
        if (f.number == 1) st = onnx_type(&v->dtype, (int64_t)f.value);
        if (f.number == 2) {
            v->rank = 0;
            while (st == LB_OK && (st = onnx_next(&d, &f.bytes, &last)) == LB_OK && !last)
                if (d.number == 1) st = dimension(v, d.bytes);
        }
        if (st != LB_OK) return st;
    }
    return st;
}

static lb_status value_info(lb_onnx_value *v, lb_onnx *m, onnx_bytes b) {
    onnx_field f, t;
    bool end = false, last = false;
    lb_status st;
    *v = (lb_onnx_value){.name = "", .rank = -1};
    while ((st = onnx_next(&f, &b, &end)) == LB_OK && !end) {
        if (f.number == 1 && !(v->name = onnx_text(m, f.bytes))) return LB_E_NOMEM;
        if (f.number != 2) continue;
        while ((st = onnx_next(&t, &f.bytes, &last)) == LB_OK && !last) {
            if (t.number == 1) st = tensor_type(v, t.bytes);
            else if (t.number == 4 || t.number == 5 || t.number == 8 || t.number == 9) st = lb_fail(LB_E_UNSUPPORTED, "a sequence, map, sparse or optional value");
            if (st != LB_OK) return lb_where(st, "value '%s'", v->name);
        }
    }
    return st;
}

/* ---- nodes ---- */

static lb_status node_input(lb_onnx *m, onnx_node *n, onnx_bytes b, const onnx_graph *g) {
    const char *name = onnx_text(m, b);
    if (!name) return LB_E_NOMEM;
    int v = *name ? onnx_value_find(m, g, name) : -1;
    if (*name && v < 0) return lb_fail(LB_E_FORMAT, "input '%s' is made by no node before it", name);
    n->in[n->nin++] = v;
    return LB_OK;
}

static lb_status node_output(lb_onnx *m, onnx_node *n, onnx_bytes b, const onnx_graph *g) {
    const char *name = onnx_text(m, b);
    if (!name) return LB_E_NOMEM;
    if (*name) {
        int v = onnx_value_find(m, g, name);
        if (v >= 0 && m->values[v].home == g) return lb_fail(LB_E_FORMAT, "'%s' is made twice", name);
        v = onnx_value_new(m, g, name);
        if (v < 0) return LB_E_NOMEM;
        n->out[n->nout++] = v;
    } else n->out[n->nout++] = -1;
    return LB_OK;
}

static bool listed(const onnx_node *n, int v) {
    for (int i = 0; i < n->ncaptured; i++)
        if (n->captured[i] == v) return true;
    return false;
}

static lb_status capture_one(lb_onnx *m, onnx_node *n, int *cap, int v, const onnx_graph *g) {
    if (v < 0 || !within(g, m->values[v].home) || listed(n, v)) return LB_OK;
    lb_status st = grow(&n->captured, n->ncaptured, cap, sizeof *n->captured);
    if (st == LB_OK) n->captured[n->ncaptured++] = v;
    return st;
}

/* What the inner graphs of a node in g read from g and from around it. */
static lb_status captures(lb_onnx *m, onnx_node *n, const onnx_graph *g) {
    int cap = 0;
    lb_status st = LB_OK;
    for (int a = 0; a < n->nattr; a++) {
        const onnx_graph *inner = n->attr[a].graph;
        for (int i = 0; inner && i < inner->nnodes; i++) {
            const onnx_node *x = &inner->nodes[i];
            for (int k = 0; k < x->nin; k++) LB_TRY(capture_one(m, n, &cap, x->in[k], g));
            for (int k = 0; k < x->ncaptured; k++) LB_TRY(capture_one(m, n, &cap, x->captured[k], g));
        }
        for (int i = 0; inner && i < inner->nout; i++) LB_TRY(capture_one(m, n, &cap, inner->out[i], g));
    }
done:
    if (n->ncaptured && st == LB_OK) { /* into the model's memory */
        int *kept = onnx_take(m, (size_t)n->ncaptured, sizeof *kept);
        if (kept) memcpy(kept, n->captured, (size_t)n->ncaptured * sizeof *kept);
        else st = LB_E_NOMEM;
        lb_free(n->captured);
        n->captured = kept;
        return st;
    }
    lb_free(n->captured);
    n->captured = NULL;
    n->ncaptured = 0;
    return st;
}

static lb_status node_arrays(lb_onnx *m, onnx_node *n, onnx_bytes b) {
    lb_status st = LB_OK;
    int nin = 0, nout = 0, nattr = 0;
    LB_TRY(count_fields(&nin, b, 1));
    LB_TRY(count_fields(&nout, b, 2));
    LB_TRY(count_fields(&nattr, b, 5));
    n->in = onnx_take(m, (size_t)nin + 1, sizeof *n->in);
    n->out = onnx_take(m, (size_t)nout + 1, sizeof *n->out);
    n->attr = onnx_take(m, (size_t)nattr + 1, sizeof *n->attr);
    if (!n->in || !n->out || !n->attr) st = LB_E_NOMEM;
done:
    return st;
}

static lb_status node_names(onnx_node *n, lb_onnx *m, onnx_bytes b) {
    onnx_field f;
    bool end = false;
    lb_status st;
    n->name = n->op = n->domain = "";
    while ((st = onnx_next(&f, &b, &end)) == LB_OK && !end) {
        const char **to = f.number == 3 ? &n->name : f.number == 4 ? &n->op : f.number == 7 ? &n->domain : NULL;
        if (to && !(*to = onnx_text(m, f.bytes))) return LB_E_NOMEM;
    }
    if (strcmp(n->domain, "ai.onnx") == 0) n->domain = "";
    n->def = *n->domain ? NULL : onnx_operator_find(n->op);
    return st;
}

static lb_status node_of(onnx_node *n, lb_onnx *m, onnx_bytes b, const onnx_graph *g, int depth) {
    onnx_field f;
    lb_status st = LB_OK;
    onnx_bytes left = b;
    LB_TRY(node_names(n, m, b));
    LB_TRY(node_arrays(m, n, b));
    for (bool end = false; st == LB_OK;) {
        LB_TRY(onnx_next(&f, &left, &end));
        if (end) break;
        if (f.number == 1) LB_TRY(node_input(m, n, f.bytes, g));
        if (f.number == 5) LB_TRY(attribute_of(&n->attr[n->nattr++], m, f.bytes, g, depth));
    }
    LB_TRY(captures(m, n, g));
    left = b;
    for (bool end = false; st == LB_OK;) { /* behind the inner graphs, which cannot see them */
        LB_TRY(onnx_next(&f, &left, &end));
        if (end) break;
        if (f.number == 2) LB_TRY(node_output(m, n, f.bytes, g));
    }
done:
    if (st != LB_OK && st != LB_E_NOMEM) return lb_where(st, "node '%s' (%s)", n->name ? n->name : "", n->op ? n->op : "");
    return st;
}

/* ---- graphs ---- */

static lb_status initializer(lb_onnx *m, onnx_graph *g, onnx_bytes b) {
    lb_tensor *x = NULL;
    onnx_bytes name = {NULL, 0};
    lb_status st = onnx_tensor_parse(&x, m, b, &name);
    if (st == LB_OK) st = onnx_own(m, x);
    if (st != LB_OK) return st;
    const char *text = onnx_text(m, name);
    int v = text ? onnx_value_find(m, g, text) : -1;
    if (!text) return LB_E_NOMEM;
    if (v >= 0 && m->values[v].home == g && m->values[v].constant) return lb_fail(LB_E_FORMAT, "initialiser '%s' stands twice", text);
    if (v < 0 || m->values[v].home != g) v = onnx_value_new(m, g, text);
    if (v < 0) return LB_E_NOMEM;
    m->values[v].constant = x;
    m->parameters += lb_numel(x);
    return LB_OK;
}

/* Before IR version 4 initialisers stand among the inputs: those are none. */
static lb_status graph_inputs(lb_onnx *m, onnx_graph *g, onnx_bytes b) {
    onnx_field f;
    bool end = false;
    lb_status st;
    while ((st = onnx_next(&f, &b, &end)) == LB_OK && !end) {
        if (f.number != 11) continue;
        lb_onnx_value *spec = &g->in_spec[g->nin];
        st = value_info(spec, m, f.bytes);
        if (st != LB_OK) return st;
        int v = onnx_value_find(m, g, spec->name);
        if (v >= 0 && m->values[v].home == g) {
            if (m->values[v].constant) continue;
            return lb_fail(LB_E_FORMAT, "input '%s' stands twice", spec->name);
        }
        v = onnx_value_new(m, g, spec->name);
        if (v < 0) return LB_E_NOMEM;
        g->in[g->nin++] = v;
    }
    return st;
}

static lb_status graph_outputs(lb_onnx *m, onnx_graph *g, onnx_bytes b) {
    onnx_field f;
    bool end = false;
    lb_status st;
    while ((st = onnx_next(&f, &b, &end)) == LB_OK && !end) {
        if (f.number != 12) continue;
        lb_onnx_value *spec = &g->out_spec[g->nout];
        st = value_info(spec, m, f.bytes);
        if (st != LB_OK) return st;
        int v = onnx_value_find(m, g, spec->name);
        if (v < 0) return lb_fail(LB_E_FORMAT, "output '%s' is made by no node", spec->name);
        g->out[g->nout++] = v;
    }
    return st;
}

static lb_status graph_arrays(lb_onnx *m, onnx_graph *g, onnx_bytes b) {
    lb_status st = LB_OK;
    int nodes = 0, in = 0, out = 0;
    LB_TRY(count_fields(&nodes, b, 1));
    LB_TRY(count_fields(&in, b, 11));
    LB_TRY(count_fields(&out, b, 12));
    g->nodes = onnx_take(m, (size_t)nodes + 1, sizeof *g->nodes);
    g->in = onnx_take(m, (size_t)in + 1, sizeof *g->in);
    g->out = onnx_take(m, (size_t)out + 1, sizeof *g->out);
    g->in_spec = onnx_take(m, (size_t)in + 1, sizeof *g->in_spec);
    g->out_spec = onnx_take(m, (size_t)out + 1, sizeof *g->out_spec);
    if (!g->nodes || !g->in || !g->out || !g->in_spec || !g->out_spec) st = LB_E_NOMEM;
done:
    return st;
}

static lb_status graph_of(onnx_graph **out, lb_onnx *m, onnx_bytes b, const onnx_graph *outer, int depth) {
    lb_status st = LB_OK;
    onnx_field f;
    onnx_bytes left = b;
    if (depth > DEPTH) return lb_fail(LB_E_LIMIT, "graphs inside graphs, more than %d deep", DEPTH);
    onnx_graph *g = onnx_take(m, 1, sizeof *g);
    if (!g) return LB_E_NOMEM;
    g->outer = outer;
    g->home = g;
    LB_TRY(graph_arrays(m, g, b));
    for (bool end = false; st == LB_OK;) {
        LB_TRY(onnx_next(&f, &left, &end));
        if (end) break;
        if (f.number == 5) LB_TRY(initializer(m, g, f.bytes));
        if (f.number == 15) LB_TRY(lb_fail(LB_E_UNSUPPORTED, "sparse initialisers"));
    }
    LB_TRY(graph_inputs(m, g, b));
    left = b;
    for (bool end = false; st == LB_OK;) {
        LB_TRY(onnx_next(&f, &left, &end));
        if (end) break;
        if (f.number == 1) LB_TRY(node_of(&g->nodes[g->nnodes++], m, f.bytes, g, depth));
    }
    LB_TRY(graph_outputs(m, g, b));
    *out = g;
done:
    return st;
}

/* ---- the model ---- */

static lb_status opset_of(lb_onnx *m, onnx_bytes b) {
    onnx_field f;
    bool end = false, main = true;
    int64_t version = 0;
    lb_status st;
    while ((st = onnx_next(&f, &b, &end)) == LB_OK && !end) {
        if (f.number == 1) main = f.bytes.size == 0 || (f.bytes.size == 7 && memcmp(f.bytes.at, "ai.onnx", 7) == 0);
        if (f.number == 2) version = (int64_t)f.value;
    }
    if (main) m->opset = version;
    return st;
}

static lb_status property_of(lb_onnx *m, onnx_bytes b) {
    onnx_field f;
    bool end = false;
    lb_status st;
    struct onnx_property *p = onnx_take(m, 1, sizeof *p);
    if (!p) return LB_E_NOMEM;
    *p = (struct onnx_property){m->properties, "", ""};
    while ((st = onnx_next(&f, &b, &end)) == LB_OK && !end) {
        const char **to = f.number == 1 ? &p->name : f.number == 2 ? &p->text : NULL;
        if (to && f.type == 2 && !(*to = onnx_text(m, f.bytes))) return LB_E_NOMEM;
    }
    if (st == LB_OK) m->properties = p;
    return st;
}

static void missing(lb_buf *out, const onnx_graph *g) {
    for (int i = 0; i < g->nnodes; i++) {
        const onnx_node *n = &g->nodes[i];
        char name[128];
        snprintf(name, sizeof name, " %s%s%s", n->domain, *n->domain ? "." : "", n->op);
        if (!n->def && !strstr(lb_buf_str(out), name)) lb_buf_text(out, name);
        for (int a = 0; a < n->nattr; a++)
            if (n->attr[a].graph) missing(out, n->attr[a].graph);
    }
}

static lb_status check_operators(const lb_onnx *m) {
    lb_buf names = {0};
    lb_status st = LB_OK;
    missing(&names, m->plain);
    if (names.size) st = lb_fail(LB_E_UNSUPPORTED, "no operator%s (limbeck describe operators lists those there are)", lb_buf_str(&names));
    lb_buf_free(&names);
    return st;
}

lb_status onnx_parse(lb_onnx *m) {
    onnx_bytes all = {m->map.data, m->map.size}, graph = {NULL, 0};
    onnx_field f;
    bool end = false;
    lb_status st = LB_OK;
    while (!end) {
        LB_TRY(onnx_next(&f, &all, &end));
        if (end) break;
        if (f.number == 7 && f.type == 2) graph = f.bytes;
        if (f.number == 8 && f.type == 2) LB_TRY(opset_of(m, f.bytes));
        if (f.number == 14 && f.type == 2) LB_TRY(property_of(m, f.bytes));
    }
    if (!graph.at) LB_TRY(lb_fail(LB_E_FORMAT, "no graph in it: not an ONNX model"));
    if (m->opset < 1 || m->opset > 30) LB_TRY(lb_fail(LB_E_UNSUPPORTED, "operator set %lld, expected 6 to 18", (long long)m->opset));
    LB_TRY(graph_of(&m->plain, m, graph, NULL, 0));
    LB_TRY(check_operators(m));
done:
    return st;
}

const onnx_attribute *onnx_attribute_find(const onnx_node *n, const char *name) {
    for (int i = 0; i < n->nattr; i++)
        if (strcmp(n->attr[i].name, name) == 0) return &n->attr[i];
    return NULL;
}
