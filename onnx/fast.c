/* SPDX-License-Identifier: Apache-2.0 */
#include "onnx/fast.h"
#include <math.h>
#include <string.h>

/* ---- what the passes are written with ---- */

static void use(onnx_fast *f, int v, int reader) {
    if (v < 0 || v >= f->count) return;
    f->uses[v]++;
    f->reader[v] = reader;
}

void onnx_fast_count(onnx_fast *f) {
    for (int v = 0; v < f->count; v++) f->maker[v] = f->reader[v] = -1, f->uses[v] = 0;
    for (int i = 0; i < f->g->nnodes; i++) {
        const onnx_node *n = &f->g->nodes[i];
        if (n->gone) continue;
        for (int k = 0; k < n->nin; k++) use(f, n->in[k], i);
        for (int k = 0; k < n->ncaptured; k++) use(f, n->captured[k], -1);
        for (int k = 0; k < n->nout; k++)
            if (n->out[k] >= 0 && n->out[k] < f->count) f->maker[n->out[k]] = i;
    }
    for (int k = 0; k < f->g->nout; k++) use(f, f->g->out[k], -1);
}

onnx_node *onnx_maker(const onnx_fast *f, int v, const char *op) {
    if (v < 0 || v >= f->count || f->maker[v] < 0) return NULL;
    onnx_node *n = &f->g->nodes[f->maker[v]];
    return !n->gone && strcmp(n->op, op) == 0 && n->nout > 0 && n->out[0] == v ? n : NULL;
}

onnx_node *onnx_reader(const onnx_fast *f, int v) {
    if (v < 0 || v >= f->count || f->uses[v] != 1 || f->reader[v] < 0) return NULL;
    onnx_node *n = &f->g->nodes[f->reader[v]];
    return n->gone ? NULL : n;
}

const lb_tensor *onnx_constant(const onnx_fast *f, int v) { return v < 0 ? NULL : f->m->values[v].constant; }

bool onnx_is_number(const onnx_fast *f, int v, double *out) {
    const lb_tensor *x = onnx_constant(f, v);
    if (!x || lb_numel(x) != 1) return false;
    *out = lb_get_at(x, 0);
    return true;
}

int onnx_new_constant(onnx_fast *f, int rank, const int64_t *shape, lb_tensor **x) {
    if (f->st == LB_OK) f->st = lb_tensor_new(x, LB_F32, rank, shape);
    if (f->st == LB_OK) f->st = onnx_own(f->m, *x);
    if (f->st == LB_OK) f->m->made += lb_numel(*x) * (int64_t)sizeof(float);
    int v = f->st == LB_OK ? onnx_value_new(f->m, f->m->plain, "") : -1;
    if (v < 0 && f->st == LB_OK) f->st = LB_E_NOMEM;
    if (v >= 0) f->m->values[v].constant = *x;
    return v;
}

int onnx_other(const onnx_node *n, int v) {
    if (n->nin != 2) return -1;
    return n->in[0] == v ? n->in[1] : n->in[1] == v ? n->in[0] : -1;
}

void onnx_become(onnx_fast *f, onnx_node *n, const char *op, int nin, const int *in, int out) {
    int *inputs = onnx_take(f->m, (size_t)nin + 1, sizeof *inputs), *outputs = onnx_take(f->m, 1, sizeof *outputs);
    if (!inputs || !outputs) {
        f->st = LB_E_NOMEM;
        return;
    }
    memcpy(inputs, in, (size_t)nin * sizeof *in);
    outputs[0] = out;
    n->op = op;
    n->def = onnx_operator_find(op);
    n->in = inputs;
    n->nin = nin;
    n->out = outputs;
    n->nout = 1;
}

/* ---- bias into products ---- */

/* x W with a constant W [K,M] and a constant bias: linear with W^T, whose kernel adds the bias on its way out. */
static void linear(onnx_fast *f, onnx_node *n) {
    const lb_tensor *w = onnx_constant(f, n->in[1]), *b;
    onnx_node *add = onnx_reader(f, n->out[0]);
    if (!w || w->rank != 2 || w->dtype != LB_F32 || !lb_is_contiguous(w) || !add || strcmp(add->op, "Add") != 0 || add->act) return;
    int bias = onnx_other(add, n->out[0]);
    b = onnx_constant(f, bias);
    int64_t rows = w->shape[0], columns = w->shape[1];
    if (!b || b->rank != 1 || b->dtype != LB_F32 || b->shape[0] != columns) return;
    int v = onnx_late_constant(f, 2, (int64_t[]){columns, rows}, &(onnx_late){.how = ONNX_LATE_TURNED, .from = n->in[1]});
    if (v < 0) return;
    onnx_become(f, n, "LimbeckLinear", 3, (int[]){n->in[0], v, bias}, add->out[0]);
    add->gone = true;
}

/* ---- activations ---- */

static bool near(double a, double b) { return fabs(a - b) <= 1e-6 * fabs(b) + 1e-9; }

static double attribute(const onnx_node *n, const char *name, double def) {
    const onnx_attribute *a = onnx_attribute_find(n, name);
    return a && a->kind == ONNX_FLOAT ? a->f : def;
}

static lb_act act_of(const onnx_fast *f, const onnx_node *n) {
    static const struct { const char *op; lb_act act; } plain[] = {{"Relu", LB_ACT_RELU}, {"Sigmoid", LB_ACT_SIGMOID}, {"Tanh", LB_ACT_TANH}, {"HardSwish", LB_ACT_HARDSWISH}};
    double lo, hi;
    for (size_t i = 0; i < LB_COUNT(plain); i++)
        if (strcmp(n->op, plain[i].op) == 0) return plain[i].act;
    if (strcmp(n->op, "LimbeckActivation") == 0) return n->act;
    if (strcmp(n->op, "HardSigmoid") == 0 && near(attribute(n, "alpha", 0.2), 1.0 / 6) && near(attribute(n, "beta", 0.5), 0.5)) return LB_ACT_HARDSIGMOID;
    if (strcmp(n->op, "Clip") == 0 && n->nin == 3 && onnx_is_number(f, n->in[1], &lo) && onnx_is_number(f, n->in[2], &hi) && lo == 0 && hi == 6) return LB_ACT_RELU6;
    if (strcmp(n->op, "Clip") == 0 && n->nin == 1 && attribute(n, "min", -1) == 0 && attribute(n, "max", -1) == 6) return LB_ACT_RELU6;
    return LB_ACT_NONE;
}

static void activate(onnx_fast *f, onnx_node *n) {
    onnx_node *next = n->nout > 0 ? onnx_reader(f, n->out[0]) : NULL;
    if (n->act || !(n->def->flags & ONNX_FUSES) || !next || next->in[0] != n->out[0]) return;
    for (int k = 1; k < n->nout; k++)
        if (n->out[k] >= 0) return;
    lb_act act = act_of(f, next);
    if (!act) return;
    n->act = act;
    onnx_become(f, n, n->op, n->nin, n->in, next->out[0]);
    next->gone = true;
}

void onnx_fuse_end(onnx_fast *f) {
    for (int i = 0; i < f->g->nnodes && f->st == LB_OK; i++)
        if (!f->g->nodes[i].gone && strcmp(f->g->nodes[i].op, "MatMul") == 0) linear(f, &f->g->nodes[i]);
    onnx_fast_count(f);
    for (int i = 0; i < f->g->nnodes && f->st == LB_OK; i++)
        if (!f->g->nodes[i].gone && strcmp(f->g->nodes[i].op, "LimbeckActivation") != 0) activate(f, &f->g->nodes[i]);
}

/* ---- all of it ---- */

/* The plain graph's nodes once more, with lists of their own where a pass writes. */
static lb_status copied(lb_onnx *m) {
    onnx_graph *g = onnx_take(m, 1, sizeof *g);
    if (!g) return LB_E_NOMEM;
    *g = *m->plain;
    g->home = m->plain;
    g->nodes = onnx_take(m, (size_t)g->nnodes + 1, sizeof *g->nodes);
    if (!g->nodes) return LB_E_NOMEM;
    memcpy(g->nodes, m->plain->nodes, (size_t)g->nnodes * sizeof *g->nodes);
    m->fused = g;
    return LB_OK;
}

/* What a node of constants makes is a constant now. */
static void drop_constants(onnx_fast *f) {
    for (int i = 0; i < f->g->nnodes; i++) {
        onnx_node *n = &f->g->nodes[i];
        bool all = n->nout > 0;
        for (int k = 0; k < n->nout; k++) all = all && (n->out[k] < 0 || onnx_constant(f, n->out[k]));
        n->gone = n->gone || all;
    }
}

lb_status onnx_make_fast(lb_onnx *m) {
    static void (*const passes[])(onnx_fast *f) = {onnx_fuse_conv, onnx_fuse_norm, onnx_fuse_end};
    onnx_fast f = {.m = m, .count = m->nvalues};
    f.st = copied(m);
    f.g = m->fused;
    f.maker = lb_alloc((size_t)f.count + 1, sizeof *f.maker);
    f.reader = lb_alloc((size_t)f.count + 1, sizeof *f.reader);
    f.uses = lb_alloc((size_t)f.count + 1, sizeof *f.uses);
    if (f.st == LB_OK && (!f.maker || !f.reader || !f.uses)) f.st = LB_E_NOMEM;
    if (f.st == LB_OK) onnx_fold(&f);
    if (f.st == LB_OK) drop_constants(&f);
    for (size_t i = 0; i < LB_COUNT(passes) && f.st == LB_OK; i++) {
        onnx_fast_count(&f);
        passes[i](&f);
    }
    lb_free(f.maker);
    lb_free(f.reader);
    lb_free(f.uses);
    return f.st;
}
