/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "onnx/graph.h"

void lb_onnx_close(lb_onnx *m) {
    if (!m) return;
    for (int i = 0; i < m->nowned; i++) lb_tensor_free(m->owned[i]);
    for (int i = 0; i < m->nexternal; i++) {
        lb_mmap_close(&m->external[i]);
        lb_free(m->external_paths[i]);
    }
    while (m->blocks) {
        onnx_block *older = m->blocks->older;
        lb_free(m->blocks);
        m->blocks = older;
    }
    onnx_rest_free(m->rest);
    lb_free(m->owned);
    lb_free(m->external);
    lb_free(m->external_paths);
    lb_free(m->values);
    lb_free(m->table);
    lb_free(m->path);
    lb_free(m->folder);
    lb_mmap_close(&m->map);
    lb_free(m);
}

static lb_status list_values(lb_onnx *m) {
    int n = 0;
    for (int i = 0; i < m->plain->nnodes; i++) n += m->plain->nodes[i].nout;
    if (!(m->named = onnx_take(m, (size_t)n + 1, sizeof *m->named))) return LB_E_NOMEM;
    for (int i = 0; i < m->plain->nnodes; i++)
        for (int k = 0; k < m->plain->nodes[i].nout; k++)
            if (m->plain->nodes[i].out[k] >= 0) m->named[m->nnamed++] = m->plain->nodes[i].out[k];
    return LB_OK;
}

/* ---- operators of a file ---- */

static int nodes_of(const onnx_graph *g) {
    int n = g->nnodes;
    for (int i = 0; i < g->nnodes; i++)
        for (int a = 0; a < g->nodes[i].nattr; a++)
            if (g->nodes[i].attr[a].graph) n += nodes_of(g->nodes[i].attr[a].graph);
    return n;
}

static int gather(struct onnx_kind_count *to, int n, const onnx_graph *g) {
    for (int i = 0; i < g->nnodes; i++) {
        to[n++] = (struct onnx_kind_count){g->nodes[i].op, 1};
        for (int a = 0; a < g->nodes[i].nattr; a++)
            if (g->nodes[i].attr[a].graph) n = gather(to, n, g->nodes[i].attr[a].graph);
    }
    return n;
}

static int by_op(const void *a, const void *b) { return strcmp(((const struct onnx_kind_count *)a)->op, ((const struct onnx_kind_count *)b)->op); }

static lb_status count_kinds(lb_onnx *m) {
    int all = nodes_of(m->plain), n = 0;
    if (!(m->kinds = onnx_take(m, (size_t)all + 1, sizeof *m->kinds))) return LB_E_NOMEM;
    gather(m->kinds, 0, m->plain);
    qsort(m->kinds, (size_t)all, sizeof *m->kinds, by_op);
    for (int i = 0; i < all; i++) {
        if (n > 0 && strcmp(m->kinds[n - 1].op, m->kinds[i].op) == 0) m->kinds[n - 1].count++;
        else m->kinds[n++] = m->kinds[i];
    }
    m->nkinds = n;
    return LB_OK;
}

lb_status lb_onnx_open(lb_onnx **out, const char *path, const lb_onnx_options *options) {
    lb_status st = LB_OK;
    lb_onnx *m = lb_calloc(1, sizeof *m);
    if (!m) return LB_E_NOMEM;
    if (options) m->options = *options;
    m->path = lb_strdup(path);
    m->folder = lb_path_folder(path);
    if (!m->path || !m->folder) LB_TRY(LB_E_NOMEM);
    LB_TRY(lb_mmap_open(&m->map, path));
    st = onnx_parse(m);
    if (st == LB_OK) st = list_values(m);
    if (st == LB_OK) st = count_kinds(m);
    if (st == LB_OK && !m->options.plain) st = onnx_make_fast(m);
    for (int v = 0; st == LB_OK && v < m->nvalues; v++)
        if (m->values[v].constant) lb_tensor_fix(m->values[v].constant, true);
    if (st != LB_OK) st = lb_where(st, "%s", path);
    if (st == LB_OK) *out = m, m = NULL;
done:
    lb_onnx_close(m);
    return st;
}

int lb_onnx_inputs(const lb_onnx *m) { return m->plain->nin; }
const lb_onnx_value *lb_onnx_input(const lb_onnx *m, int i) { return &m->plain->in_spec[i]; }
int lb_onnx_outputs(const lb_onnx *m) { return m->plain->nout; }
const lb_onnx_value *lb_onnx_output(const lb_onnx *m, int i) { return &m->plain->out_spec[i]; }
int64_t lb_onnx_parameters(const lb_onnx *m) { return m->parameters; }
int64_t lb_onnx_opset(const lb_onnx *m) { return m->opset; }

const char *lb_onnx_property(const lb_onnx *m, const char *name) {
    for (const struct onnx_property *p = m->properties; p; p = p->older)
        if (strcmp(p->name, name) == 0) return p->text;
    return NULL;
}

int lb_onnx_values(const lb_onnx *m) { return m->nnamed; }
const char *lb_onnx_value_name(const lb_onnx *m, int i) { return m->values[m->named[i]].name; }

int lb_onnx_nodes(const lb_onnx *m) {
    const onnx_graph *g = m->fused ? m->fused : m->plain;
    int n = 0;
    for (int i = 0; i < g->nnodes; i++) n += !g->nodes[i].gone;
    return n;
}

int lb_onnx_nodes_in_file(const lb_onnx *m) { return nodes_of(m->plain); }
int lb_onnx_operator_kinds(const lb_onnx *m) { return m->nkinds; }
const char *lb_onnx_operator_kind(const lb_onnx *m, int i, int *count) {
    *count = m->kinds[i].count;
    return m->kinds[i].op;
}

void lb_onnx_sha256(const lb_onnx *m, char out[65]) {
    lb_sha256 s;
    lb_sha256_init(&s);
    lb_sha256_add(&s, m->map.data, m->map.size);
    for (int i = 0; i < m->nexternal; i++) lb_sha256_add(&s, m->external[i].data, m->external[i].size);
    lb_sha256_hex(&s, out);
}
