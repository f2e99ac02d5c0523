/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "base/progress.h"
#include "tensor/last.h"
#include "tensor/loops.h"
#include "tensor/parts.h"

/* Does the gradient of x have its channels last? Where an op has made it so; views that merely look so have contiguous ones. */
static bool grad_is_last(const lb_tensor *x) { return x->node && x->node->last && lbi_is_last(x); }

/* A gradient tensor of the shape of x: of the tape for what the tape owns, else of the leaf's own.
 * Values unset when zero is false. */
static lb_tensor *new_grad(lb_tape *t, lb_tensor *x, bool zero) {
    if (!lbi_held_of(t, x)) {
        lb_tensor *g = NULL;
        lb_status st = lbi_tensor_make(&g, LB_REAL, x->rank, x->shape, zero);
        if (st != LB_OK) lb_tape_fail_status(t, st);
        return g;
    }
    lbi_held *h = lbi_held_new(t, false);
    if (!h) return NULL;
    h->x.rank = x->rank;
    memcpy(h->x.shape, x->shape, sizeof x->shape);
    lb_status st = lbi_layout(&h->x);
    if (st != LB_OK) lb_tape_fail_status(t, st);
    if (st == LB_OK && grad_is_last(x)) lbi_layout_last(&h->x);
    return st == LB_OK && lbi_held_fill(t, h, zero) ? &h->x : NULL;
}

void lbi_grad_free(lb_tape *t, lb_tensor *g) {
    lbi_held *h = lbi_held_of(t, g);
    if (h) lbi_drop(t, h);
}

/* Where gradients of x are summed: on the leaf, or on their way to the call that made x. */
static lb_tensor **slot(lb_tensor *x) {
    return x->node ? &((lbi_held *)x)->g : &x->grad;
}

static bool carries(const lb_tape *t, lb_tensor *x) {
    if (!x || !x->requires_grad || x->dtype != LB_REAL) return false;
    return !x->node || lbi_held_of(t, x);
}

/* A gradient of x that shares the memory of `from`, which the tape holds. NULL without memory. */
static lb_tensor *shared_grad(lb_tape *t, const lb_tensor *x, const lb_tensor *from) {
    lbi_held *h = lbi_held_new(t, false);
    if (!h) return NULL;
    h->x.rank = x->rank;
    memcpy(h->x.shape, x->shape, sizeof x->shape);
    lb_status st = lbi_layout(&h->x);
    if (st != LB_OK) {
        lb_tape_fail_status(t, st);
        return NULL;
    }
    if (grad_is_last(x)) lbi_layout_last(&h->x);
    h->x.data = from->data;
    lbi_share(t, h, from);
    return &h->x;
}

/* Before something is added to g: memory that others see too is left to them. */
static bool own_grad(lb_tape *t, lb_tensor *g) {
    lb_tensor before = *g;
    if (!lbi_held_of(t, g) || !g->store || g->store->refs == 1) return true;
    if (!lbi_held_fill(t, (lbi_held *)g, false)) return false;
    lbi_add_flat(g, &before, true);
    before.store->refs--;
    return true;
}

/* Puts the weight of one output in; NULL weight = 1. */
static bool seed(lb_tape *t, lb_tensor *y, const lb_tensor *w) {
    char a[120], b[120];
    if (!y || y->id == LBI_INERT) {
        lb_tape_fail(t, LB_E_ARG, "backward from %s", y ? "an inert tensor" : "no tensor");
        return false;
    }
    if (!w && lb_numel(y) != 1) {
        lb_tape_fail(t, LB_E_SHAPE, "backward from a tensor %s without weights, expected a scalar",
                     lb_shape_text(a, sizeof a, y->rank, y->shape));
        return false;
    }
    if (w && (w->dtype != LB_REAL || !lb_same_shape(w, y) || (!w->data && lb_numel(w) > 0))) {
        lb_tape_fail(t, LB_E_SHAPE, "backward: weights are %s %s, the output is %s", lb_dtype_name(w->dtype),
                     lb_shape_text(a, sizeof a, w->rank, w->shape), lb_shape_text(b, sizeof b, y->rank, y->shape));
        return false;
    }
    lb_keep(t, y);
    if (!carries(t, y)) return true;
    lb_tensor **g = slot(y);
    if (!*g && w && w->store && lbi_held_of(t, (lb_tensor *)(uintptr_t)w) && (grad_is_last(y) ? lbi_is_last(w) : lb_is_contiguous(w))) return (*g = shared_grad(t, y, w));
    bool fresh = !*g && w;
    if (!*g) *g = new_grad(t, y, !fresh);
    if (!*g || !own_grad(t, *g)) return false;
    if (w) lbi_add_view(*g, w, 1, fresh);
    else lb_r(*g)[0] += 1;
    return true;
}

/* Is the gradient of input i that of the result, with nobody to add to? */
static bool hands_over(lb_tape *t, const lb_node *node, const lb_call *c, int i) {
    lb_tensor *x = node->source[i];
    return (node->op->passes >> i & 1) && c->gout[0] && lbi_held_of(t, x) && c->gout[0]->store && lb_numel(x) == lb_numel(c->gout[0]) && grad_is_last(x) == lbi_is_last(c->gout[0]);
}

/* A gradient for an op to write in place of one in the other order. */
static bool stand_in(lb_tape *t, lb_call *c, int i, bool last, bool sets) {
    lb_tensor *g = c->gin[i];
    if (c->fresh[i]) memset(g->data, 0, (size_t)lb_numel(g) * sizeof(lb_real));
    lbi_held *h = lbi_held_new(t, false);
    if (!h) return false;
    h->x.rank = g->rank;
    memcpy(h->x.shape, g->shape, sizeof g->shape);
    c->gin[i] = &h->x;
    c->fresh[i] = sets;
    if (lbi_layout(&h->x) != LB_OK) return false;
    if (last) lbi_layout_last(&h->x);
    return lbi_held_fill(t, h, !sets);
}

/* Adds what was written in place of them. */
static void bring_over(lb_tape *t, const lb_node *node, const lb_call *c) {
    for (int i = 0; i < node->nin; i++) {
        lb_tensor *g = c->gin[i] ? *slot(node->source[i]) : NULL;
        if (!g || g == c->gin[i]) continue;
        lb_tensor to = lbi_pixels_of(g), from = lbi_pixels_of(c->gin[i]);
        lbi_add_view(&to, &from, 1, false);
        lbi_grad_free(t, c->gin[i]);
    }
}

/* May the gradient of the first input be written over that of the result, which nobody else sees? */
static bool writes_over(lb_tape *t, const lb_node *node, const lb_call *c, int i) {
    lb_tensor *x = node->source[i], *g = c->gout[0];
    if (i != 0 || !(node->op->flags & LB_OP_IN_PLACE) || !g || !g->store || g->store->refs != 1) return false;
    if (!lbi_held_of(t, g) || !lbi_held_of(t, x) || node->out[0]->kept || !lb_same_shape(x, g)) return false;
    bool last = lbi_is_last(g);
    return grad_is_last(x) == last && (node->last && lbi_is_last(node->in[0])) == last;
}

/* Where the call is to add; memory that is new is left unset when the op overwrites it. *asked: is there anything to be done? */
static bool make_gin(lb_tape *t, const lb_node *node, lb_call *c, bool *asked) {
    bool sets = node->op->flags & LB_OP_SETS;
    for (int i = 0; i < node->nin; i++) {
        lb_tensor *x = node->source[i];
        bool again = false;
        if (!carries(t, x) || (node->op->constant >> i & 1)) continue;
        for (int j = 0; j < node->nin; j++) again = again || (j != i && node->source[j] == x);
        lb_tensor **g = slot(x);
        if (!*g && !again && hands_over(t, node, c, i)) {
            if (!(*g = shared_grad(t, x, c->gout[0]))) return false;
            continue;
        }
        if (!*g && !again && writes_over(t, node, c, i)) {
            if (!(*g = shared_grad(t, x, c->gout[0]))) return false;
            c->fresh[i] = true;
            c->gin[i] = *g;
            *asked = true;
            continue;
        }
        if (!*g) {
            c->fresh[i] = sets && !again;
            *g = new_grad(t, x, !c->fresh[i]);
        }
        if (!*g || !own_grad(t, *g)) return false;
        c->gin[i] = *g;
        *asked = true;
        bool wanted = node->last && lbi_is_last(node->in[i]);
        if (wanted != lbi_is_last(*g) && !stand_in(t, c, i, wanted, sets)) return false;
    }
    return true;
}

/* The gradient of an output is done with; a kept tensor shows it. */
static void finish_gout(lb_tape *t, lb_tensor *y) {
    lbi_held *h = (lbi_held *)y;
    if (!h->g) return;
    if (y->kept) {
        lbi_grad_free(t, y->grad);
        y->grad = h->g;
    } else {
        lbi_grad_free(t, h->g);
    }
    h->g = NULL;
}

static void release(lb_tape *t, lb_node *node) {
    node->done = true;
    for (int i = 0; i < node->nin; i++) {
        lbi_held *h = lbi_held_of(t, node->in[i]);
        if (h && (node->holds & LB_READS_IN(i))) lbi_unuse(t, h);
    }
    for (int k = 0; k < node->nout; k++) {
        lbi_held *h = (lbi_held *)node->out[k];
        if (node->holds & LB_READS_OUT(k)) lbi_unuse(t, h);
        if (!h->x.kept) lbi_die(t, h);
        if (h->dead && h->uses == 0) lbi_drop(t, h); /* made again */
    }
}

static void check_nan(lb_tape *t, const lb_call *c) {
    int64_t at = 0, before;
    for (int k = 0; k < c->nout; k++)
        if (c->gout[k] && !lbi_all_finite(c->gout[k], &before)) return;
    for (int i = 0; i < c->nin; i++)
        if (c->gin[i] && !lbi_all_finite(c->gin[i], &at))
            lb_tape_fail(t, LB_E_NUMERIC, "gradient of %s is %g at index %lld", lb_sig_input_name(t->call_sig->sig, i),
                         lb_get_at(c->gin[i], at), (long long)at);
}

static lb_call call_of(lb_tape *t, const lb_node *node) {
    lb_call c;
    memset(&c, 0, sizeof c);
    c.tape = t;
    c.op = node->op;
    c.params = node->params;
    c.nin = node->nin;
    c.nout = node->nout;
    c.last = node->last;
    memcpy(c.in, node->in, sizeof(c.in[0]) * (size_t)node->nin);
    memcpy(c.out, node->out, sizeof(c.out[0]) * (size_t)node->nout);
    return c;
}

/* The inputs among `reads` that nobody held. */
static void remake_inputs(lb_tape *t, const lb_node *node, uint32_t reads) {
    for (int i = 0; i < node->nin; i++) {
        const lbi_held *h = reads & LB_READS_IN(i) ? lbi_held_of(t, node->in[i]) : NULL;
        if (h && h->x.node && h->x.node->out[0] == node->in[i]) lbi_remake(t, h->x.node);
    }
}

void lbi_remake(lb_tape *t, lb_node *node) {
    if (!node->cheap || node->out[0]->data || t->code != LB_OK) return;
    remake_inputs(t, node, UINT32_MAX);
    if (t->code != LB_OK) return;
    lb_call c = call_of(t, node);
    double start = t->trace ? lb_now() : 0;
    c.again = true;
    for (int k = 0; k < node->nout; k++) {
        if (node->out[k]->data) continue;
        c.again = c.again && k == 0;
        if (!lbi_held_fill(t, (lbi_held *)node->out[k], false)) return;
    }
    node->op->forward(&c);
    if (t->scratch) lbi_scratch_free(t);
    if (t->trace) lbi_trace(&c, "again_", start);
}

static void backward_of(lb_tape *t, lb_node *node) {
    bool asked = false;
    if (!node->done) {
        remake_inputs(t, node, node->reads);
        if (node->reads & LB_READS_OUT(0)) lbi_remake(t, node);
    }
    if (t->code != LB_OK) return;
    lb_call c = call_of(t, node);
    for (int k = 0; k < node->results; k++) c.gout[k] = ((lbi_held *)node->out[k])->g;
    t->call = &c;
    t->call_sig = node->sig;
    if (node->done) {
        lb_tape_fail(t, LB_E_ARG, "a second backward pass over a graph whose data are given back (use retain)");
    } else if (make_gin(t, node, &c, &asked) && asked) {
        double start = t->trace ? lb_now() : 0;
        node->op->backward(&c);
        bring_over(t, node, &c);
        if (t->trace) lbi_trace(&c, "backward_", start);
        if (t->scratch) lbi_scratch_free(t);
        if (t->check_nan && t->code == LB_OK) check_nan(t, &c);
    }
    t->call = NULL;
}

void lbi_backward_to(lb_tape *t, int n, lb_tensor *const *outputs, lb_tensor *const *weights, bool retain, const lb_node *stop) {
    bool before = t->in_backward;
    if (t->code != LB_OK || t->mode == LB_TAPE_SHAPES) return;
    for (int i = 0; i < n; i++)
        if (!seed(t, outputs[i], weights ? weights[i] : NULL)) return;
    t->in_backward = true;
    for (lb_node *node = t->last; node != stop && t->code == LB_OK; node = node->older) {
        bool reached = false;
        for (int k = 0; k < node->results; k++) reached = reached || ((lbi_held *)node->out[k])->g;
        if (!reached) continue;
        backward_of(t, node);
        for (int k = 0; k < node->results; k++) finish_gout(t, node->out[k]);
        if (!retain && !node->done) release(t, node);
    }
    t->in_backward = before;
}

void lb_backward_from(lb_tape *t, int n, lb_tensor *const *outputs, lb_tensor *const *weights, bool retain) { lbi_backward_to(t, n, outputs, weights, retain, NULL); }

void lb_backward(lb_tape *t, lb_tensor *loss) {
    lb_backward_from(t, 1, &loss, NULL, false);
}
