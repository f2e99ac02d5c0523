/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions: those of dynamically quantised numbers become float ones of the same whole numbers, with scale, bias and activation in them; a scale and a shift of channels
 * that stand behind become part of kernel and bias. */
#include <math.h>
#include <string.h>
#include "onnx/fast.h"

/* ---- DynamicQuantizeLinear, ConvInteger, Cast, Mul by both scales ---- */

/* What follows a ConvInteger. */
typedef struct quantised {
    onnx_node *cast, *mul;
    const lb_tensor *w, *zero;
    int scale; /* the product of both scales */
} quantised;

static bool follows(const onnx_fast *f, const onnx_node *conv, const onnx_node *d, quantised *q) {
    const onnx_attribute *to;
    if (conv->nin < 3 || conv->in[0] != d->out[0] || conv->in[2] != d->out[2]) return false;
    q->w = onnx_constant(f, conv->in[1]);
    q->zero = conv->nin > 3 ? onnx_constant(f, conv->in[3]) : NULL;
    q->cast = onnx_reader(f, conv->out[0]);
    if (!q->w || q->w->rank < 3 || q->w->rank > 4 || (q->w->dtype != LB_U8 && q->w->dtype != LB_I8) || !lb_is_contiguous(q->w) ||
        (conv->nin > 3 && conv->in[3] >= 0 && (!q->zero || lb_numel(q->zero) != 1)))
        return false;
    if (!q->cast || strcmp(q->cast->op, "Cast") != 0 || !(to = onnx_attribute_find(q->cast, "to")) || to->i != 1) return false;
    q->mul = onnx_reader(f, q->cast->out[0]);
    if (!q->mul || strcmp(q->mul->op, "Mul") != 0 || q->mul->act) return false;
    q->scale = onnx_other(q->mul, q->cast->out[0]);
    const onnx_node *scales = onnx_maker(f, q->scale, "Mul");
    const lb_tensor *w = scales ? onnx_constant(f, onnx_other(scales, d->out[1])) : NULL;
    return w && lb_numel(w) == 1 && scales < q->mul && f->maker[q->scale] < f->maker[conv->out[0]];
}

/* A bias for channels behind it: [1,C,1,1]. @return its value as [C], -1 when there is none */
static int bias_of(onnx_fast *f, const quantised *q, onnx_node **add) {
    *add = onnx_reader(f, q->mul->out[0]);
    const lb_tensor *b = *add && strcmp((*add)->op, "Add") == 0 && !(*add)->act ? onnx_constant(f, onnx_other(*add, q->mul->out[0])) : NULL;
    int64_t n = q->w->shape[0];
    if (!b || b->dtype != LB_F32 || lb_numel(b) != n || b->rank > q->w->rank || b->rank < q->w->rank - 1 || b->shape[b->rank - (q->w->rank - 1)] != n || !lb_is_contiguous(b)) return -1;
    lb_tensor *own = NULL;
    int v = onnx_new_constant(f, 1, &n, &own);
    if (v >= 0) memcpy(own->data, b->data, (size_t)n * sizeof(float));
    return v;
}

/* All readers of the quantised numbers must be such convolutions; the scale may have others. */
static bool all_follow(onnx_fast *f, const onnx_node *d) {
    int found = 0;
    for (int i = 0; i < f->g->nnodes; i++) {
        const onnx_node *n = &f->g->nodes[i];
        quantised q;
        if (n->gone || strcmp(n->op, "ConvInteger") != 0 || n->nin < 1 || n->in[0] != d->out[0]) continue;
        if (!follows(f, n, d, &q)) return false;
        found++;
    }
    return found > 0 && f->uses[d->out[0]] == found && f->uses[d->out[2]] == found;
}

static void centre(onnx_fast *f, onnx_node *d) {
    if (d->nout != 3 || d->out[0] < 0 || d->out[1] < 0 || d->out[2] < 0 || !all_follow(f, d)) return;
    int x = onnx_value_new(f->m, f->m->plain, ""), *out = onnx_take(f->m, 2, sizeof *out);
    if (x < 0 || !out) f->st = LB_E_NOMEM;
    for (int i = 0; i < f->g->nnodes && f->st == LB_OK; i++) {
        onnx_node *n = &f->g->nodes[i], *add;
        quantised q;
        if (n->gone || strcmp(n->op, "ConvInteger") != 0 || n->in[0] != d->out[0] || !follows(f, n, d, &q)) continue;
        double zero = q.zero ? lb_get_at(q.zero, 0) : 0;
        int w = onnx_late_constant(f, q.w->rank, q.w->shape, &(onnx_late){.how = ONNX_LATE_CENTRED, .from = n->in[1], .zero = zero}), b = bias_of(f, &q, &add);
        if (w < 0) return;
        onnx_become(f, n, "LimbeckCentredConv", b < 0 ? 3 : 4, (int[]){x, w, q.scale, b}, b < 0 ? q.mul->out[0] : add->out[0]);
        q.cast->gone = q.mul->gone = true;
        if (b >= 0) add->gone = true;
    }
    int scale = d->out[1];
    if (f->st == LB_OK) onnx_become(f, d, "LimbeckCentred", 1, d->in, x);
    if (f->st != LB_OK) return;
    out[0] = x, out[1] = scale;
    d->out = out;
    d->nout = 2;
}

/* ---- scale and shift behind a convolution ---- */

typedef struct affine {
    double *scale, *shift; /* [n] */
    int64_t n;
} affine;

/* A constant as one number for each channel: one for all, or [C] along axis 1 of a result with `rank` axes. */
static bool by_channel(const lb_tensor *x, int64_t channels, int rank, double *dst) {
    int64_t n = lb_numel(x);
    int axis = x->rank - (rank - 1); /* where axis 1 stands in x */
    bool fits = n == 1 || (x->dtype == LB_F32 && n == channels && axis >= 0 && x->shape[axis] == channels);
    for (int64_t i = 0; i < channels && fits; i++) dst[i] = lb_get_at(x, n == 1 ? 0 : i);
    return fits && x->rank <= rank;
}

static bool batch_norm(const onnx_fast *f, const onnx_node *n, affine *a) {
    const lb_tensor *v[4];
    const onnx_attribute *eps = onnx_attribute_find(n, "epsilon"), *training = onnx_attribute_find(n, "training_mode");
    if (n->nin != 5 || (training && training->i)) return false;
    for (int i = 0; i < 4; i++)
        if (!(v[i] = onnx_constant(f, n->in[1 + i])) || v[i]->dtype != LB_F32 || lb_numel(v[i]) != a->n) return false;
    for (int64_t i = 0; i < a->n; i++) {
        a->scale[i] = lb_get_at(v[0], i) / sqrt(lb_get_at(v[3], i) + (eps ? eps->f : 1e-5));
        a->shift[i] = lb_get_at(v[1], i) - lb_get_at(v[2], i) * a->scale[i];
    }
    return true;
}

/* What stands behind as y = scale x + shift; false when it is anything else. */
static bool affine_of(const onnx_fast *f, const onnx_node *n, int x, int rank, affine *a) {
    for (int64_t i = 0; i < a->n; i++) a->scale[i] = 1, a->shift[i] = 0;
    if (n->act) return false;
    if (strcmp(n->op, "BatchNormalization") == 0) return n->in[0] == x && batch_norm(f, n, a);
    const lb_tensor *other = onnx_constant(f, onnx_other(n, x));
    if (!other) return false;
    if (strcmp(n->op, "Mul") == 0) return by_channel(other, a->n, rank, a->scale);
    return strcmp(n->op, "Add") == 0 && by_channel(other, a->n, rank, a->shift);
}

static int scaled_kernel(onnx_fast *f, int kernel, const affine *a) {
    const lb_tensor *w = onnx_constant(f, kernel);
    double *scale = onnx_take(f->m, (size_t)a->n, sizeof *scale);
    bool same = true;
    for (int64_t i = 0; i < a->n; i++) same = same && a->scale[i] == 1;
    if (same) return kernel;
    if (!scale) f->st = LB_E_NOMEM;
    else memcpy(scale, a->scale, (size_t)a->n * sizeof *scale);
    return onnx_late_constant(f, w->rank, w->shape, &(onnx_late){.how = ONNX_LATE_SCALED, .from = kernel, .scale = scale});
}

/* Kernel [O,...] and bias with scale and shift in them. */
static void absorb(onnx_fast *f, onnx_node *conv, onnx_node *n, const affine *a) {
    const lb_tensor *b = conv->nin > 2 ? onnx_constant(f, conv->in[2]) : NULL;
    lb_tensor *b2 = NULL;
    int kernel = scaled_kernel(f, conv->in[1], a), bias = onnx_new_constant(f, 1, &a->n, &b2);
    if (kernel < 0 || bias < 0) return;
    for (int64_t i = 0; i < a->n; i++) ((float *)b2->data)[i] = (float)((b ? lb_get_at(b, i) : 0) * a->scale[i] + a->shift[i]);
    onnx_become(f, conv, conv->op, 3, (int[]){conv->in[0], kernel, bias}, n->out[0]);
    n->gone = true;
}

static bool after_conv(onnx_fast *f, onnx_node *conv) {
    const lb_tensor *w = onnx_constant(f, conv->in[1]), *b = conv->nin > 2 ? onnx_constant(f, conv->in[2]) : NULL;
    if (!w || w->dtype != LB_F32 || w->rank < 3 || !lb_is_contiguous(w) || w->shape[0] < 1 || (conv->nin > 2 && conv->in[2] >= 0 && !b)) return false;
    onnx_node *n = onnx_reader(f, conv->out[0]);
    if (!n || conv->act) return false;
    affine a = {.n = w->shape[0]};
    a.scale = lb_alloc((size_t)a.n, 2 * sizeof(double));
    if (!a.scale) f->st = LB_E_NOMEM;
    a.shift = a.scale ? a.scale + a.n : NULL;
    bool found = a.scale && affine_of(f, n, conv->out[0], w->rank, &a);
    if (found) absorb(f, conv, n, &a);
    lb_free(a.scale);
    return found && f->st == LB_OK;
}

void onnx_fuse_conv(onnx_fast *f) {
    for (int i = 0; i < f->g->nnodes && f->st == LB_OK; i++)
        if (!f->g->nodes[i].gone && strcmp(f->g->nodes[i].op, "DynamicQuantizeLinear") == 0) centre(f, &f->g->nodes[i]);
    onnx_fast_count(f);
    for (int i = 0; i < f->g->nnodes && f->st == LB_OK; i++) {
        onnx_node *n = &f->g->nodes[i];
        while (!n->gone && strcmp(n->op, "Conv") == 0 && n->nout == 1 && n->out[0] >= 0 && after_conv(f, n)) {}
    }
}
