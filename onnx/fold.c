/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes whose inputs are all constants are run once, at opening; what they make is a constant then, for the graph as it stands too. */
#include <string.h>
#include "onnx/fast.h"

/* Bytes of all folded values: in step with the file's own. */
enum { MORE = 16 << 20, TIMES = 4, DEPTH = 24 };

static bool foldable(const onnx_fast *f, const onnx_node *n) {
    if (n->gone || n->def->flags & ONNX_RANDOM || n->ncaptured || n->nin > 16 || n->nout > 16 || n->nout < 1) return false;
    for (int a = 0; a < n->nattr; a++)
        if (n->attr[a].graph) return false;
    for (int i = 0; i < n->nin; i++)
        if (n->in[i] >= 0 && !onnx_constant(f, n->in[i])) return false;
    return true;
}

/* A tensor of the model's own: over a constant's memory where it is that. */
static lb_status keep(onnx_fast *f, const onnx_node *n, int v, const lb_tensor *x) {
    lb_tensor *own = NULL;
    bool shared = false;
    for (int i = 0; i < n->nin && !shared; i++) shared = n->in[i] >= 0 && x->data && onnx_constant(f, n->in[i])->data == x->data;
    for (int a = 0; a < n->nattr && !shared; a++) shared = n->attr[a].tensor && n->attr[a].tensor->data == x->data;
    lb_status st = shared && x->data && lb_is_contiguous(x) ? lb_tensor_borrow(&own, x->dtype, x->rank, x->shape, x->data) : lb_tensor_copy(&own, x, x->dtype);
    if (st == LB_OK) st = onnx_own(f->m, own);
    if (st == LB_OK) f->m->values[v].constant = own;
    return st;
}

/* What is left of `*left` is the most that the next value may be. */
static void fold_node(onnx_fast *f, onnx_run *r, const onnx_node *n, int64_t *left) {
    lb_tensor *in[16], *out[16];
    f->m->options.limit_bytes = *left;
    for (int i = 0; i < n->nin; i++) in[i] = n->in[i] < 0 ? NULL : f->m->values[n->in[i]].constant;
    onnx_run_node(r, n, in, out);
    for (int k = 0; k < n->nout && lb_tape_ok(r->tape) && f->st == LB_OK; k++)
        if (n->out[k] >= 0) {
            *left -= lb_numel(out[k]) * (int64_t)lb_dtype_size(out[k]->dtype);
            if (*left > 0) f->st = keep(f, n, n->out[k], out[k]);
        }
    lb_error_clear(); /* a node that fails says so when it is run */
    lb_tape_reset(r->tape);
}

static void fold_graph(onnx_fast *f, onnx_run *r, const onnx_graph *g, int depth, int64_t *left) {
    for (int i = 0; i < g->nnodes && f->st == LB_OK && depth < DEPTH; i++) {
        const onnx_node *n = &g->nodes[i];
        if (*left > 0 && foldable(f, n)) fold_node(f, r, n, left);
        for (int a = 0; a < n->nattr; a++)
            if (n->attr[a].graph) fold_graph(f, r, n->attr[a].graph, depth + 1, left);
    }
}

void onnx_fold(onnx_fast *f) {
    lb_tape *t = NULL;
    int64_t limit = f->m->options.limit_bytes, left = MORE + TIMES * (int64_t)f->m->map.size;
    for (int i = 0; i < f->m->nexternal; i++) left += TIMES * (int64_t)f->m->external[i].size;
    if (limit && limit < left) left = limit;
    f->st = lb_tape_new(&t);
    if (f->st == LB_OK) {
        lb_tape_set_mode(t, LB_TAPE_NO_GRAD);
        onnx_run r = {.model = f->m, .tape = t};
        fold_graph(f, &r, f->g, 0, &left);
    }
    lb_tape_free(t);
    f->m->options.limit_bytes = limit;
}
