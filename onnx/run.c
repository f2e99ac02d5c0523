/* SPDX-License-Identifier: Apache-2.0 */
/* Running a graph: the nodes that the wanted values need, in their order; a value is given back with its last use. */
#include <stdio.h>
#include <string.h>
#include "onnx/operator.h"

enum { DEPTH = 24, FEW = 16 };

/* ---- one node ---- */

static bool all_known(int n, lb_tensor *const *in) {
    for (int i = 0; i < n; i++)
        if (in[i] && !in[i]->data && lb_numel(in[i]) > 0) return false;
    return true;
}

static lb_dtype widest(int n, lb_tensor *const *in) {
    for (int i = 0; i < n; i++)
        if (in[i] && onnx_is_float(in[i]->dtype)) return in[i]->dtype;
    return LB_F32;
}

/* Around an operator that is written for f32. */
static void lifted(onnx_call *c) {
    lb_dtype type = widest(c->nin, c->in);
    for (int i = 0; i < c->nin; i++)
        if (c->in[i] && c->in[i]->dtype != LB_F32 && onnx_is_float(c->in[i]->dtype)) c->in[i] = onnx_as(c, c->in[i], LB_F32);
    c->node->def->run(c);
    for (int k = 0; type != LB_F32 && k < c->nout; k++)
        if (c->out[k]->dtype == LB_F32) c->out[k] = onnx_as(c, c->out[k], type);
}

/* Results that are an input, or another result, become handles of their own. */
static void unalias(onnx_call *c, lb_tensor *const *given) {
    for (int k = 0; k < c->nout; k++) {
        bool same = c->out[k]->id == 0;
        for (int i = 0; i < c->nin && !same; i++) same = c->out[k] == given[i];
        for (int j = 0; j < k && !same; j++) same = c->out[k] == c->out[j];
        if (same && onnx_ok(c)) c->out[k] = lb_detach(c->tape, c->out[k]);
    }
}

static void too_big(onnx_call *c) {
    int64_t limit = c->run->model->options.limit_bytes;
    for (int k = 0; k < c->nout; k++) {
        int64_t bytes = lb_numel(c->out[k]) * (int64_t)lb_dtype_size(c->out[k]->dtype);
        for (int d = 0; d < c->out[k]->rank; d++) bytes = c->out[k]->shape[d] > limit ? INT64_MAX : bytes;
        if (bytes > limit) onnx_fail(c, LB_E_LIMIT, "a value of %lld bytes, at most %lld are allowed", (long long)bytes, (long long)limit);
    }
}

static void call(onnx_call *c) {
    for (int k = 0; k < c->nout; k++) c->out[k] = lb_inert(c->tape);
    if (c->node->def->flags & ONNX_FLOAT_ONLY) lifted(c);
    else c->node->def->run(c);
}

/* A file that nobody vouches for: shapes first, then data. Graphs inside are looked at by their own nodes. */
static void careful(onnx_call *c) {
    lb_tape_mode mode = lb_tape_get_mode(c->tape);
    bool inner = c->node->ncaptured > 0;
    for (int a = 0; a < c->node->nattr; a++) inner = inner || c->node->attr[a].graph;
    if (mode == LB_TAPE_SHAPES || inner || c->nin > FEW) return;
    lb_tensor *given[FEW];
    memcpy(given, c->in, (size_t)c->nin * sizeof *given);
    lb_tape_set_mode(c->tape, LB_TAPE_SHAPES);
    call(c);
    lb_tape_set_mode(c->tape, mode);
    memcpy(c->in, given, (size_t)c->nin * sizeof *given);
    if (onnx_ok(c)) too_big(c);
}

void onnx_run_node(onnx_run *r, const onnx_node *n, lb_tensor *const *in, lb_tensor **out) {
    lb_tensor *few[FEW], **given = n->nin <= FEW ? few : lb_alloc((size_t)n->nin, sizeof *given);
    if (!given) {
        lb_tape_fail_status(r->tape, LB_E_NOMEM);
        return;
    }
    memcpy(given, in, (size_t)n->nin * sizeof *given);
    onnx_call c = {r, r->tape, n, r->model->opset, n->nin, n->nout, given, out};
    lb_tape_mode mode = lb_tape_get_mode(r->tape);
    bool known = all_known(n->nin, in) || (n->def->flags & ONNX_SHAPE_ONLY);
    if (mode == LB_TAPE_SHAPES && known) lb_tape_set_mode(r->tape, LB_TAPE_NO_GRAD);
    lb_scope s = lb_scope_begin(r->tape);
    if (r->model->options.limit_bytes) careful(&c);
    if (onnx_ok(&c)) call(&c);
    if (onnx_ok(&c)) unalias(&c, in);
    lb_scope_end_n(r->tape, s, n->nout, out);
    lb_tape_set_mode(r->tape, mode);
    if (!lb_tape_ok(r->tape)) lb_tape_where(r->tape, "node '%s' (%s)", *n->name || n->nout < 1 || n->out[0] < 0 ? n->name : r->model->values[n->out[0]].name, n->op);
    if (given != few) lb_free(given);
}

/* ---- a graph ---- */

static lb_tensor *value(const onnx_run *r, int v) {
    if (v < 0) return NULL;
    return r->model->values[v].constant ? r->model->values[v].constant : r->slot[v];
}

static void use(onnx_run *r, const onnx_graph *g, int v) {
    if (v >= 0 && r->model->values[v].home == g->home) r->uses[v]++;
}

static void unuse(onnx_run *r, const onnx_graph *g, int v) {
    if (v < 0 || r->model->values[v].home != g->home || --r->uses[v] > 0) return;
    lb_release(r->tape, r->slot[v]);
    r->slot[v] = NULL;
}

/* The nodes that are needed, and how often each value of this graph is read by them. Values that are wanted have uses already. */
static void plan(onnx_run *r, const onnx_graph *g, bool *needed) {
    for (int i = g->nnodes - 1; i >= 0; i--) {
        const onnx_node *n = &g->nodes[i];
        needed[i] = false;
        for (int k = 0; k < n->nout && !n->gone; k++) needed[i] = needed[i] || (n->out[k] >= 0 && r->uses[n->out[k]] > 0 && !r->model->values[n->out[k]].constant);
        for (int k = 0; k < n->nin && needed[i]; k++) use(r, g, n->in[k]);
        for (int k = 0; k < n->ncaptured && needed[i]; k++) use(r, g, n->captured[k]);
    }
}

static void clear(onnx_run *r, const onnx_graph *g) {
    for (int i = 0; i < g->nin; i++) r->uses[g->in[i]] = 0, r->slot[g->in[i]] = NULL;
    for (int i = 0; i < g->nnodes; i++)
        for (int k = 0; k < g->nodes[i].nout; k++)
            if (g->nodes[i].out[k] >= 0) r->uses[g->nodes[i].out[k]] = 0, r->slot[g->nodes[i].out[k]] = NULL;
}

static bool step(onnx_run *r, const onnx_graph *g, const onnx_node *n) {
    lb_tensor *few_in[FEW], *few_out[FEW], **in = few_in, **out = few_out;
    int64_t limit = r->model->options.limit_nodes;
    if (limit && ++r->nodes > limit) lb_tape_fail(r->tape, LB_E_LIMIT, "more than %lld nodes run", (long long)limit);
    if (n->nin > FEW) in = lb_alloc((size_t)n->nin, sizeof *in);
    if (n->nout > FEW) out = lb_alloc((size_t)n->nout, sizeof *out);
    if (!in || !out) lb_tape_fail_status(r->tape, LB_E_NOMEM);
    for (int i = 0; i < n->nin && in; i++) {
        in[i] = value(r, n->in[i]);
        if (n->in[i] >= 0 && !in[i]) lb_tape_fail(r->tape, LB_E_NOTFOUND, "input '%s' is missing", r->model->values[n->in[i]].name);
    }
    if (lb_tape_ok(r->tape)) onnx_run_node(r, n, in, out);
    for (int k = 0; k < n->nout && lb_tape_ok(r->tape); k++) {
        if (n->out[k] < 0 || r->uses[n->out[k]] == 0) lb_release(r->tape, out[k]);
        else r->slot[n->out[k]] = out[k];
    }
    for (int i = 0; i < n->nin && lb_tape_ok(r->tape); i++) unuse(r, g, n->in[i]);
    for (int i = 0; i < n->ncaptured && lb_tape_ok(r->tape); i++) unuse(r, g, n->captured[i]);
    if (in != few_in) lb_free(in);
    if (out != few_out) lb_free(out);
    return lb_tape_ok(r->tape);
}

/* With inputs set and wanted values counted once each. */
static void run_nodes(onnx_run *r, const onnx_graph *g) {
    bool *needed = lb_alloc((size_t)g->nnodes + 1, sizeof *needed);
    if (!needed) {
        lb_tape_fail_status(r->tape, LB_E_NOMEM);
        return;
    }
    plan(r, g, needed);
    for (int i = 0; i < g->nnodes; i++)
        if (needed[i] && !step(r, g, &g->nodes[i])) break;
    lb_free(needed);
}

static lb_tensor *result(onnx_run *r, int v) {
    lb_tensor *x = value(r, v);
    if (!x && lb_tape_ok(r->tape)) lb_tape_fail(r->tape, LB_E_NOTFOUND, "no value '%s' from these inputs", v >= 0 ? r->model->values[v].name : "");
    return lb_tape_ok(r->tape) ? lb_detach(r->tape, x) : lb_inert(r->tape);
}

void onnx_run_graph(onnx_run *r, const onnx_graph *g, lb_tensor *const *in, lb_tensor **out) {
    for (int k = 0; k < g->nout; k++) out[k] = lb_inert(r->tape);
    if (!lb_tape_ok(r->tape)) return;
    if (r->model->options.limit_nodes && ++r->nodes > r->model->options.limit_nodes) lb_tape_fail(r->tape, LB_E_LIMIT, "more than %lld nodes run", (long long)r->model->options.limit_nodes);
    if (++r->depth > DEPTH) lb_tape_fail(r->tape, LB_E_LIMIT, "graphs inside graphs, more than %d deep", DEPTH);
    clear(r, g);
    for (int i = 0; i < g->nin && lb_tape_ok(r->tape); i++) r->slot[g->in[i]] = lb_detach(r->tape, in[i]);
    for (int k = 0; k < g->nout; k++) use(r, g, g->out[k]);
    if (lb_tape_ok(r->tape)) run_nodes(r, g);
    for (int k = 0; k < g->nout; k++) out[k] = result(r, g->out[k]);
    for (int k = 0; k < g->nout; k++) unuse(r, g, g->out[k]);
    r->depth--;
}

/* ---- the whole ---- */

static lb_tensor *find(int nin, const lb_named *in, const char *name) {
    for (int i = 0; i < nin; i++)
        if (strcmp(in[i].name, name) == 0) return in[i].x;
    return NULL;
}

/* Stated sizes must hold, but for the first axis: graphs are often written down for a batch of one. */
static bool fits(const lb_onnx_value *spec, const lb_tensor *x) {
    bool same = spec->rank < 0 || spec->rank == x->rank;
    for (int d = 1; d < spec->rank && same; d++) same = spec->shape[d] < 0 || spec->shape[d] == x->shape[d];
    return same;
}

static void give_inputs(onnx_run *r, const onnx_graph *g, int nin, const lb_named *in) {
    lb_tape *t = r->tape;
    char got[96], want[96];
    for (int i = 0; i < g->nin && lb_tape_ok(t); i++) {
        const lb_onnx_value *spec = &g->in_spec[i];
        lb_tensor *x = find(nin, in, spec->name);
        if (!x) continue; /* whoever reads it says so */
        if (!fits(spec, x)) {
            lb_tape_fail(t, LB_E_SHAPE, "input '%s' is %s, the graph wants %s (-1: any)", spec->name, lb_shape_text(got, sizeof got, x->rank, x->shape),
                         lb_shape_text(want, sizeof want, spec->rank, spec->shape));
            return;
        }
        if (x->dtype != spec->dtype) {
            lb_tensor *from = lb_is_contiguous(x) ? x : lb_contiguous(t, x), *to = lb_hold(t, spec->dtype, x->rank, x->shape);
            if (to->data && from->data) lb_convert(to->data, spec->dtype, from->data, from->dtype, lb_numel(from));
            x = to;
        } else x = lb_detach(t, x);
        r->slot[g->in[i]] = x;
    }
}

/* Can the faster graph give all of them? What was folded or fused away only the plain one has. */
static bool gives(const lb_onnx *m, const onnx_graph *g, const int *wanted, int n) {
    for (int k = 0; k < n; k++) {
        bool found = m->values[wanted[k]].constant != NULL;
        for (int i = 0; i < g->nin && !found; i++) found = g->in[i] == wanted[k];
        for (int i = 0; i < g->nnodes && !found; i++)
            for (int o = 0; o < g->nodes[i].nout && !g->nodes[i].gone; o++) found = found || g->nodes[i].out[o] == wanted[k];
        if (!found) return false;
    }
    return true;
}

static void run_main(onnx_run *r, int nin, const lb_named *in, int nout, const int *wanted, lb_tensor **out) {
    const lb_onnx *m = r->model;
    const onnx_graph *g = m->fused && gives(m, m->fused, wanted, nout) ? m->fused : m->plain;
    for (int k = 0; k < nout; k++) r->uses[wanted[k]]++;
    give_inputs(r, g, nin, in);
    if (lb_tape_ok(r->tape)) run_nodes(r, g);
    for (int k = 0; k < nout; k++) out[k] = result(r, wanted[k]);
}

void lb_onnx_run(const lb_onnx *m, lb_tape *t, int nin, const lb_named *in, int nout, const char *const *names, lb_tensor **out) {
    for (int k = 0; k < nout; k++) out[k] = lb_inert(t);
    if (!lb_tape_ok(t)) return;
    onnx_run r = {.model = m, .tape = t, .slot = lb_calloc((size_t)m->nvalues + 1, sizeof *r.slot), .uses = lb_calloc((size_t)m->nvalues + 1, sizeof *r.uses)};
    int *wanted = lb_alloc((size_t)nout + 1, sizeof *wanted);
    if (!r.slot || !r.uses || !wanted) lb_tape_fail_status(t, LB_E_NOMEM);
    for (int k = 0; k < nout && lb_tape_ok(t); k++) {
        wanted[k] = onnx_value_find(m, m->plain, names[k]);
        if (wanted[k] < 0) lb_tape_fail(t, LB_E_NOTFOUND, "the graph has no value '%s'", names[k]);
    }
    lb_status st = lb_tape_get_mode(t) == LB_TAPE_SHAPES ? LB_OK : onnx_make_late(m);
    if (st != LB_OK) lb_tape_fail_status(t, st);
    lb_scope s = lb_scope_begin(t);
    if (lb_tape_ok(t)) run_main(&r, nin, in, nout, wanted, out);
    lb_scope_end_n(t, s, nout, out);
    if (!lb_tape_ok(t)) lb_tape_where(t, "%s", lb_path_name(m->path));
    lb_free(r.slot);
    lb_free(r.uses);
    lb_free(wanted);
}
