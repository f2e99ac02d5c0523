/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/ops/elementwise.h"
#include <string.h>
#include "tensor/last.h"

/* Walks over out[0] and `count` inputs in the order in which out[0] lies. */
static void walk(lb_call *c, int count, lb_row row, const void *ctx) {
    const lb_tensor *x[] = {c->out[0], c->in[0], c->in[1]};
    lb_tensor pixels[3];
    for (int i = 0; c->last && i <= count; i++) {
        if (x[i]->rank != 4) continue; /* one number */
        pixels[i] = lbi_pixels_of(x[i]);
        x[i] = &pixels[i];
    }
    lbi_walk(x[0]->rank, x[0]->shape, count + 1, x, row, ctx);
}

bool lbi_unary_shape(lb_call *c) {
    c->out[0]->rank = c->in[0]->rank;
    memcpy(c->out[0]->shape, c->in[0]->shape, sizeof c->in[0]->shape);
    return true;
}

void lbi_unary_forward(lb_call *c) { walk(c, 1, c->op->rows[0], c->params); }

void lbi_unary_backward(lb_call *c) {
    lb_tensor *g = c->gout[0];
    if (!c->gin[0] || !g) return;
    /* What the op does not read may be gone; the gradient stands in for it. */
    bool in = c->op->reads & LB_READS_IN(0), out = c->op->reads & LB_READS_OUT(0);
    lb_tensor pixels[4];
    const lb_tensor *x[] = {c->gin[0], g, in ? c->in[0] : g, out ? c->out[0] : g};
    lbi_back b = {c->params, c->fresh[0]};
    for (int i = 0; c->last && i < 4; i++) {
        pixels[i] = lbi_pixels_of(x[i]);
        x[i] = &pixels[i];
    }
    lbi_walk(x[0]->rank, x[0]->shape, 4, x, c->op->rows[1], &b);
}

bool lbi_binary_shape(lb_call *c) {
    if (lbi_broadcast(c->in[0], c->in[1], c->out[0])) return true;
    c->out[0]->rank = 0;
    lb_tape_fail(c->tape, LB_E_SHAPE, "the shapes do not broadcast to one");
    return false;
}

void lbi_binary_forward(lb_call *c) { walk(c, 2, c->op->rows[0], c->params); }

static void gradient_of(lb_call *c, int which) {
    lb_tensor *g = c->gout[0], *to = c->gin[which], wide;
    if (!to || !g) return;
    bool same = lb_same_shape(to, g);
    const lb_tensor *x[] = {to, g, c->op->reads & LB_READS_IN(0) ? c->in[0] : g, c->op->reads & LB_READS_IN(1) ? c->in[1] : g};
    lbi_back b = {c->params, c->fresh[which]};
    if (!same) {
        wide = *g;
        wide.data = lb_scratch(c, (size_t)lb_numel(g) * sizeof(lb_real));
        if (!wide.data) return;
        x[0] = &wide;
        b.fresh = true;
    }
    lbi_walk(g->rank, g->shape, 4, x, c->op->rows[1 + which], &b);
    if (!same) lbi_reduce_to(to, &wide, 1, c->fresh[which]);
}

void lbi_binary_backward(lb_call *c) {
    for (int i = 0; i < 2; i++) gradient_of(c, i);
}

bool lbi_compare_shape(lb_call *c) {
    bool types = c->in[0]->dtype == c->in[1]->dtype && (c->in[0]->dtype == LB_REAL || c->in[0]->dtype == LB_I64);
    if (types) return lbi_binary_shape(c);
    lb_tape_fail(c->tape, LB_E_SHAPE, "expected two of %s or two of i64", lb_dtype_name(LB_REAL));
    return false;
}

void lbi_compare_forward(lb_call *c) {
    const lb_tensor *x[] = {c->out[0], c->in[0], c->in[1]};
    lbi_walk(c->out[0]->rank, c->out[0]->shape, 3, x, c->op->rows[c->in[0]->dtype == LB_I64], NULL);
}

void lbi_coarse(void *const *data, const int64_t *numel) {
    for (int k = 0; k < 2; k++)
        for (int64_t i = 0; i < numel[k]; i++) ((lb_real *)data[k])[i] = LBI_M(floor)(((lb_real *)data[k])[i]);
}
