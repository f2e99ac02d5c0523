/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of a graph whose inside is made again in the backward pass. The part stands on the tape as one call of a private op, whose params hold
 * the function, a copy of its context and the generator as it was. */
#include <string.h>
#include "tensor/loops.h"
#include "tensor/parts.h"

typedef struct replay {
    lb_part part;
    lb_rng rng;
    bool has_rng, training;
    size_t size;
    uint64_t context[]; /* bytes of it, aligned */
} replay;

/* What running a part in the middle of a backward pass must not disturb. */
typedef struct saved {
    const lb_call *call;
    const lbi_opsig *sig;
    lb_tape_mode mode;
    lb_rng *rng;
    bool training, again;
    lb_node *last;
} saved;

static void restore(lb_tape *t, const saved *s) {
    t->call = s->call;
    t->call_sig = s->sig;
    t->mode = s->mode;
    t->rng = s->rng;
    t->training = s->training;
    t->again = s->again;
    t->last = s->last;
}

/* The gradient that reached a leaf made here goes to the input it stands for. */
static void hand_over(lb_tape *t, lb_tensor *to, lb_tensor *leaf, bool fresh) {
    if (!leaf->grad) {
        if (to && fresh) lbi_fill(to, 0);
        return;
    }
    if (to) lbi_add_view(to, leaf->grad, 1, fresh);
    lbi_grad_free(t, leaf->grad);
    leaf->grad = NULL;
}

static void backward(lb_call *c) {
    const replay *p = c->params;
    lb_tape *t = c->tape;
    const saved before = {t->call, t->call_sig, t->mode, t->rng, t->training, t->again, t->last};
    lb_rng rng = p->rng;
    lb_tensor *leaf[LB_OP_MAX_IN] = {NULL};
    lb_scope s = lb_scope_begin(t);
    t->mode = LB_TAPE_GRAD;
    t->rng = p->has_rng ? &rng : NULL;
    t->training = p->training;
    t->again = true;
    for (int i = 0; i < c->nin; i++) {
        if (!c->in[i]) continue;
        leaf[i] = lb_detach(t, c->in[i]);
        if (leaf[i]->id > 0) leaf[i]->requires_grad = c->gin[i] != NULL;
    }
    lb_tensor *y = p->part(t, p->context, c->nin, leaf);
    bool ok = t->code == LB_OK;
    if (ok) lbi_backward_to(t, 1, &y, c->gout, false, before.last);
    if (ok && y->node) { /* kept as the start of a pass; nobody will look at it */
        y->kept = false;
        if (y->grad) lbi_grad_free(t, y->grad);
        y->grad = NULL;
    }
    for (int i = 0; i < c->nin; i++)
        if (leaf[i] && leaf[i]->id > 0) {
            leaf[i]->kept = false;
            hand_over(t, c->gin[i], leaf[i], c->fresh[i]);
        }
    lb_scope_end_n(t, s, 0, NULL);
    restore(t, &before);
}

static const lb_op op = {.id = "recompute",
                         .title = "a part of a graph, made again in the backward pass",
                         .source = "Chen et al., arXiv:1604.06174; torch.utils.checkpoint",
                         .sig = "a? b? c? d? e? f? g? h? i? j? -> y",
                         .math = "y = part(a, b, ...)",
                         .flags = LB_OP_STRIDED | LB_OP_ANY_TYPE | LB_OP_SETS,
                         .reads = (1u << LB_OP_MAX_IN) - 1,
                         .backward = backward};

static replay *replay_of(lb_tape *t, lb_part part, const void *context, size_t size) {
    replay *p = lbi_arena_take(&t->arena, sizeof *p + size + 8);
    if (!p) {
        lb_tape_fail_status(t, LB_E_NOMEM);
        return NULL;
    }
    *p = (replay){.part = part, .has_rng = t->rng != NULL, .training = t->training, .size = size};
    if (t->rng) p->rng = *t->rng;
    if (size > 0) memcpy(p->context, context, size);
    return p;
}

lb_tensor *lb_recompute(lb_tape *t, lb_part part, const void *context, size_t size, int n, lb_tensor *const *in) {
    lb_call c;
    if (t->code != LB_OK) return &t->inert;
    if (n < 0 || n > LB_OP_MAX_IN) return lb_tape_fail(t, LB_E_ARG, "recompute: %d inputs, at most %d", n, LB_OP_MAX_IN);
    if (t->mode != LB_TAPE_GRAD) return part(t, context, n, in);
    replay *p = replay_of(t, part, context, size);
    const lbi_opsig *sig = p ? lbi_sig_of(t, &op) : NULL;
    if (!sig) return &t->inert;
    lb_scope s = lb_scope_begin(t);
    t->mode = LB_TAPE_NO_GRAD;
    lb_tensor *y = lb_detach(t, part(t, p->context, n, in)); /* a handle of its own, also where the part gives back an input */
    t->mode = LB_TAPE_GRAD;
    lb_scope_end(t, s, y);
    if (t->code != LB_OK) return &t->inert;
    if (y->dtype != LB_REAL) return lb_tape_fail(t, LB_E_ARG, "recompute: the part gives %s, expected numbers", lb_dtype_name(y->dtype));
    memset(&c, 0, sizeof c);
    c.tape = t;
    c.op = &op;
    c.nin = n;
    c.nout = 1;
    c.out[0] = y;
    for (int i = 0; i < n; i++) c.in[i] = in[i];
    lbi_record(t, sig, &c, c.in, 0);
    if (t->code != LB_OK) return &t->inert;
    t->last->params = p;
    return y;
}

bool lb_tape_again(const lb_tape *t) { return t->again; }
