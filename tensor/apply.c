/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>
#include "base/log.h"
#include "base/progress.h"
#include "tensor/last.h"
#include "tensor/parts.h"
#include "tensor/rounded.h"

/* ---- signatures, compiled once per op and tape ---- */

static int slot_of(lbi_opsig **sigs, int cap, const lb_op *op) {
    uint64_t h = (uint64_t)(uintptr_t)op * 0x9E3779B97F4A7C15u;
    int i = (int)(h >> 40) & (cap - 1);
    while (sigs[i] && sigs[i]->op != op) i = (i + 1) & (cap - 1);
    return i;
}

static lb_status grow_sigs(lb_tape *t) {
    int cap = t->sig_cap ? 2 * t->sig_cap : 256;
    lbi_opsig **sigs = lb_calloc((size_t)cap, sizeof *sigs);
    if (!sigs) return LB_E_NOMEM;
    for (int i = 0; i < t->sig_cap; i++)
        if (t->sigs[i]) sigs[slot_of(sigs, cap, t->sigs[i]->op)] = t->sigs[i];
    lb_free(t->sigs);
    t->sigs = sigs;
    t->sig_cap = cap;
    return LB_OK;
}

const lbi_opsig *lbi_sig_of(lb_tape *t, const lb_op *op) {
    lbi_opsig *s = t->sig_cap ? t->sigs[slot_of(t->sigs, t->sig_cap, op)] : NULL;
    if (s) return s;
    lb_status st = 2 * t->sig_count >= t->sig_cap ? grow_sigs(t) : LB_OK;
    if (st == LB_OK) st = lbi_opsig_new(&s, op);
    if (st != LB_OK) {
        lb_tape_fail_status(t, st);
        return NULL;
    }
    t->sigs[slot_of(t->sigs, t->sig_cap, op)] = s;
    t->sig_count++;
    return s;
}

/* ---- checks ---- */

/* The long way round, for the message: what does not fit, by name. */
static void explain(lb_tape *t, const lbi_opsig *s, const lb_call *c) {
    lb_sig_shape in[LB_OP_MAX_IN];
    int n = 0;
    for (int i = 0; i < c->nin; i++) {
        if (!c->in[i]) continue;
        if (c->in[i]->dtype != s->in[i].dtype && !(c->op->flags & LB_OP_ANY_TYPE)) {
            lb_tape_fail(t, LB_E_SHAPE, "%s is %s, expected %s", lb_sig_input_name(s->sig, i),
                         lb_dtype_name(c->in[i]->dtype), lb_dtype_name(s->in[i].dtype));
            return;
        }
        in[n++] = (lb_sig_shape){lb_sig_input_name(s->sig, i), c->in[i]->rank, c->in[i]->shape,
                                 lb_sig_input_type(s->sig, i)};
    }
    lb_status st = lb_sig_match(s->sig, NULL, in, n);
    if (st == LB_OK) st = lb_fail(LB_E_BUG, "signature '%s' does not match itself", c->op->sig);
    lb_tape_fail_status(t, st);
}

/* @return false with the tape failed */
static bool usable(lb_tape *t, const lbi_opsig *s, const lb_call *c, int i) {
    const lb_tensor *x = c->in[i];
    const char *name = lb_sig_input_name(s->sig, i), *why = NULL;
    if (x->id == LBI_INERT) why = "is the inert tensor of a tape that has failed";
    else if (x->id > 0 && ((const lbi_held *)x)->dead) why = "is used after its scope or after the backward pass took its data";
    else if (x->id > 0 && x->requires_grad && ((const lbi_held *)x)->tape != t)
        why = "belongs to another tape and carries a gradient; detach it first";
    else if (!x->data && t->mode != LB_TAPE_SHAPES && lb_numel(x) > 0) why = "has a shape but no data (made on a SHAPES tape?)";
    if (why) lb_tape_fail(t, LB_E_ARG, "%s %s", name, why);
    return !why;
}

static bool check_inputs(lb_tape *t, const lbi_opsig *s, const lb_call *c, lbi_bound *b) {
    bool any = c->op->flags & LB_OP_ANY_TYPE;
    if (c->nin > s->nin) {
        lb_tape_fail(t, LB_E_BUG, "%d inputs given, the op has %d", c->nin, s->nin);
        return false;
    }
    for (int i = 0; i < s->nin; i++) {
        if (i >= c->nin || !c->in[i]) {
            if (s->in[i].optional) continue;
            lb_tape_fail(t, LB_E_NOTFOUND, "%s is missing", lb_sig_input_name(s->sig, i));
            return false;
        }
        if (!usable(t, s, c, i)) return false;
    }
    lbi_bound_init(b, s);
    for (int i = 0; i < c->nin; i++) {
        bool rounded = i == 0 && (c->op->flags & LB_OP_ROUNDED) && c->in[0] && lbi_is_rounded(t, c->in[0]);
        if (!c->in[i] || lbi_match(&s->in[i], b, c->in[i], any || rounded)) continue;
        explain(t, s, c);
        return false;
    }
    return true;
}

bool lbi_all_finite(const lb_tensor *x, int64_t *bad) {
    if (x->dtype != LB_REAL || !x->data) return true;
    const lb_real *p = lb_r(x);
    for (int64_t i = 0, n = lb_numel(x); i < n; i++) {
        if (isfinite(p[i])) continue;
        *bad = i;
        return false;
    }
    return true;
}

/* LB_CHECK=nan: fails at the op that turned finite numbers into others; NaN always counts. */
static void check_nan(lb_tape *t, const lb_call *c, int results) {
    int64_t at = 0, before;
    for (int k = 0; k < results; k++) {
        if ((c->op->flags & LB_OP_VIEW) || lbi_all_finite(c->out[k], &at)) continue;
        double x = (double)lb_r(c->out[k])[at];
        bool known = x == x && (c->op->flags & LB_OP_INF_OK);
        for (int i = 0; i < c->nin; i++)
            known = known || (x == x && c->in[i] && lb_is_contiguous(c->in[i]) && !lbi_all_finite(c->in[i], &before));
        if (!known) lb_tape_fail(t, LB_E_NUMERIC, "result %d is %g at index %lld", k, x, (long long)at);
    }
}

void lbi_trace(const lb_call *c, const char *what, double start) {
    char a[120], text[400];
    size_t n = 0;
    text[0] = 0;
    for (int i = 0; i < c->nin && n + 130 < sizeof text; i++) {
        if (!c->in[i]) continue;
        const char *s = lb_shape_text(a, sizeof a, c->in[i]->rank, c->in[i]->shape);
        memcpy(text + n, s, strlen(s));
        n += strlen(s);
        text[n++] = ' ';
        text[n] = 0;
    }
    lb_shape_text(a, sizeof a, c->out[0]->rank, c->out[0]->shape);
    lb_say(LB_LOG_INFO, "tape", "%s%s %s-> %s %.1f us", what, c->op->id, text, a, (lb_now() - start) * 1e6);
}

/* ---- the steps of a call ---- */

/* The input whose memory result 0 takes, or NULL: nobody looks at it afterwards, and this call not in another way. */
static const lb_tensor *gives_way(lb_tape *t, const lb_call *c) {
    int i = c->op->over && t->mode == LB_TAPE_NO_GRAD && !t->seen && !t->check_nan ? c->op->over(c) : -1;
    const lb_tensor *x = i < 0 ? NULL : c->in[i], *y = c->out[0];
    const lbi_held *h = x ? lbi_held_of(t, c->in[i]) : NULL;
    if (!h || !h->leaving || h->uses > 0 || x->kept || !x->store || x->store->refs > 1 || x->dtype != y->dtype || !lb_same_shape(x, y)) return NULL;
    for (int d = 0; d < x->rank; d++)
        if (x->shape[d] > 1 && x->stride[d] != y->stride[d]) return NULL;
    for (int k = 0; k < c->nin; k++)
        if (k != i && c->in[k] == x) return NULL;
    return x;
}

/* Shapes, then memory, of results and saved extras. */
static bool make_outputs(lb_tape *t, const lbi_opsig *s, lb_call *c, const lbi_bound *b) {
    bool view = c->op->flags & LB_OP_VIEW;
    for (int k = 0; k < s->nout; k++) {
        lbi_held *h = lbi_held_new(t, k < s->results);
        if (!h) return false;
        c->out[k] = &h->x;
        if (c->op->shape) h->x.dtype = s->out[k].dtype;
        else if (!lbi_shape_of(&s->out[k], b, &h->x)) {
            lb_tape_fail(t, LB_E_BUG, "signature '%s' does not say the shape of result %d", c->op->sig, k);
            return false;
        }
    }
    if (c->op->shape && (!c->op->shape(c) || t->code != LB_OK)) {
        if (t->code == LB_OK) lb_tape_fail(t, LB_E_SHAPE, "shapes do not fit");
        return false;
    }
    for (int k = 0; k < s->nout; k++) {
        lbi_held *h = (lbi_held *)c->out[k];
        if (view && k < s->results) {
            lbi_share(t, h, c->in[0]);
            continue;
        }
        lb_status st = lbi_layout(&h->x);
        if (st != LB_OK) {
            h->x.rank = 0;
            lb_tape_fail_status(t, st);
            return false;
        }
        if (c->last && h->x.rank == 4 && h->x.dtype == LB_REAL) lbi_layout_last(&h->x);
        const lb_tensor *over = k == 0 ? gives_way(t, c) : NULL;
        if (over) {
            lbi_share(t, h, over);
            h->x.data = over->data;
        } else if (!lbi_held_fill(t, h, false)) return false;
    }
    return true;
}

/* Strided inputs of an op that wants contiguous ones are copied. */
static bool make_contiguous(lb_tape *t, lb_call *c, uint32_t *copied) {
    if ((c->op->flags & LB_OP_STRIDED) || t->mode == LB_TAPE_SHAPES) return true;
    for (int i = 0; i < c->nin; i++) {
        const lb_tensor *x = c->in[i];
        if (!x || lb_is_contiguous(x) || (c->last && lbi_is_last(x))) continue;
        lbi_held *h = lbi_held_new(t, false);
        if (!h) return false;
        h->x.dtype = x->dtype;
        h->x.rank = x->rank;
        memcpy(h->x.shape, x->shape, sizeof x->shape);
        lb_status st = lbi_layout(&h->x);
        if (st != LB_OK) lb_tape_fail_status(t, st);
        if (st != LB_OK || !lbi_held_fill(t, h, false)) return false;
        lbi_gather_strided(h->x.data, x);
        c->in[i] = &h->x;
        *copied |= 1u << i;
    }
    return true;
}

static void use(lb_tape *t, lb_tensor *x) {
    lbi_held *h = lbi_held_of(t, x);
    if (h) h->uses++;
}

uint32_t lb_call_reads(const lb_call *c) {
    bool spared = c->op->reads_result && !c->op->reads_result(c);
    return spared ? c->op->reads & ~LB_READS_OUT(0) : c->op->reads;
}

/* How many calls make x again when it is wanted; 0 = it is held. */
static int remade_by(lb_tape *t, lb_tensor *x) {
    const lbi_held *h = lbi_held_of(t, x);
    return h && h->x.node && h->x.node->out[0] == x ? h->x.node->cheap : 0;
}

/* Results of some size; one made from one made again, and no longer a chain. */
static int worth_remaking(lb_tape *t, const lb_call *c) {
    int most = 0;
    if (!(c->op->flags & LB_OP_CHEAP) || lb_numel(c->out[0]) < 16384) return 0;
    for (int i = 0; i < c->nin; i++) {
        int n = c->in[i] ? remade_by(t, c->in[i]) : 0;
        most = n > most ? n : most;
    }
    return most < 2 ? most + 1 : 0;
}

void lbi_record(lb_tape *t, const lbi_opsig *s, const lb_call *c, lb_tensor *const *source, size_t params_size) {
    lb_node *node = lbi_arena_take(&t->arena, sizeof *node);
    void *params = node && params_size ? lbi_arena_take(&t->arena, params_size) : NULL;
    if (!node || (params_size && !params)) {
        lb_tape_fail_status(t, LB_E_NOMEM);
        return;
    }
    if (params) memcpy(params, c->params, params_size);
    node->op = c->op;
    node->sig = s;
    node->params = params;
    node->nin = c->nin;
    node->nout = s->nout;
    node->results = s->results;
    node->done = false;
    node->last = c->last;
    node->cheap = worth_remaking(t, c);
    node->reads = lb_call_reads(c);
    node->holds = node->cheap ? (node->reads & ~LB_READS_OUT(0)) | (LB_READS_IN(LB_OP_MAX_IN) - 1) : node->reads;
    for (int i = 0; i < c->nin; i++) {
        node->source[i] = source[i];
        node->in[i] = c->in[i];
        if (!c->in[i] || remade_by(t, c->in[i]) > 0) node->holds &= ~LB_READS_IN(i);
        if (node->holds & LB_READS_IN(i)) use(t, c->in[i]);
    }
    for (int k = 0; k < s->nout; k++) {
        node->out[k] = c->out[k];
        if (node->holds & LB_READS_OUT(k)) use(t, c->out[k]);
        if (k >= s->results || c->out[k]->dtype != LB_REAL) continue;
        c->out[k]->requires_grad = true;
        c->out[k]->node = node;
    }
    node->older = t->last;
    t->last = node;
}

static bool wants_grad(const lb_tape *t, const lb_call *c) {
    if (t->mode != LB_TAPE_GRAD || !c->op->backward) return false;
    for (int i = 0; i < c->nin; i++)
        if (c->in[i] && c->in[i]->requires_grad && c->in[i]->dtype == LB_REAL && !(c->op->constant >> i & 1)) return true;
    return false;
}

void lb_tape_watch(lb_tape *t, void (*seen)(void *ctx, const lb_call *call), void *ctx) {
    t->seen = seen;
    t->seen_ctx = ctx;
}

static void tell(const lb_tape *t, const lb_call *c, lb_tensor *const *source, int results) {
    lb_call told = *c;
    memcpy(told.in, source, sizeof told.in);
    told.nout = results;
    t->seen(t->seen_ctx, &told);
}

static bool run(lb_tape *t, const lbi_opsig *s, lb_call *c, size_t params_size) {
    lbi_bound b;
    lb_tensor *source[LB_OP_MAX_IN];
    uint32_t copied = 0;
    double start = t->trace ? lb_now() : 0;
    if (!check_inputs(t, s, c, &b)) return false;
    memcpy(source, c->in, sizeof source);
    bool grad = wants_grad(t, c);
    c->last = t->mode != LB_TAPE_SHAPES && c->op->last && c->op->last(c);
    if (!make_contiguous(t, c, &copied) || !make_outputs(t, s, c, &b)) return false;
    if (t->mode != LB_TAPE_SHAPES && c->op->forward) c->op->forward(c);
    if (t->scratch) lbi_scratch_free(t);
    t->calls++;
    if (c->op->flops) t->flops += c->op->flops(c);
    if (t->check_nan && t->code == LB_OK) check_nan(t, c, s->results);
    if (t->trace) lbi_trace(c, "", start);
    if (t->seen && t->code == LB_OK) tell(t, c, source, s->results);
    if (grad && t->code == LB_OK) lbi_record(t, s, c, source, params_size);
    for (int i = 0; copied && i < c->nin; i++)
        if ((copied & 1u << i) && ((lbi_held *)c->in[i])->uses == 0) lbi_drop(t, (lbi_held *)c->in[i]);
    for (int k = s->results; k < s->nout; k++)
        if (((lbi_held *)c->out[k])->uses == 0) lbi_drop(t, (lbi_held *)c->out[k]);
    for (int i = 0; i < c->nin; i++) {
        lbi_held *h = lbi_held_of(t, source[i]);
        if (h && h->leaving && !h->x.kept) lbi_die(t, h);
    }
    return t->code == LB_OK;
}

void lb_apply_n(lb_tape *t, const lb_op *op, const void *params, size_t params_size, int nin, lb_tensor *const *in, int nout,
                lb_tensor **out) {
    for (int k = 0; k < nout; k++) out[k] = &t->inert;
    if (t->code != LB_OK) return;
    lb_call c;
    memset(&c, 0, sizeof c);
    c.tape = t;
    c.op = op;
    c.params = params;
    c.nin = nin;
    for (int i = 0; i < nin && i < LB_OP_MAX_IN; i++) c.in[i] = in[i];
    const lbi_opsig *s = lbi_sig_of(t, op);
    if (!s) return;
    c.nout = s->nout;
    t->call = &c;
    t->call_sig = s;
    if (nin > LB_OP_MAX_IN) {
        c.nin = LB_OP_MAX_IN;
        lb_tape_fail(t, LB_E_ARG, "%d inputs, at most %d", nin, LB_OP_MAX_IN);
    } else if (run(t, s, &c, params ? (params_size ? params_size : op->params_size) : 0)) {
        for (int k = 0; k < nout && k < s->results; k++) out[k] = c.out[k];
    }
    t->call = NULL;
}

lb_tensor *lb_apply(lb_tape *t, const lb_op *op, const void *params, size_t params_size, int nin, lb_tensor *const *in) {
    lb_tensor *out;
    lb_apply_n(t, op, params, params_size, nin, in, 1, &out);
    return out;
}

/* ---- scratch ---- */

void *lb_scratch(lb_call *c, size_t bytes) {
    lb_tape *t = c->tape;
    lb_storage *s = lbi_pool_take(&t->pool, bytes + sizeof(lb_storage *));
    if (!s) {
        lb_tape_fail_status(t, LB_E_NOMEM);
        return NULL;
    }
    /* The pool's ring holds the block; the way to the next one stands behind the caller's bytes. */
    size_t at = s->bytes - sizeof(lb_storage *);
    memcpy((char *)lbi_storage_data(s) + at, &t->scratch, sizeof t->scratch);
    t->scratch = s;
    if (t->map) lbi_map_take(t, s, NULL);
    return lbi_storage_data(s);
}

void lbi_scratch_free(lb_tape *t) { lbi_scratch_back(t, NULL); }

void lbi_scratch_back(lb_tape *t, const lb_storage *to) {
    while (t->scratch != to) {
        lb_storage *s = t->scratch;
        memcpy(&t->scratch, (char *)lbi_storage_data(s) + s->bytes - sizeof(lb_storage *), sizeof t->scratch);
        if (t->map) lbi_map_give(t, s);
        lbi_pool_give(&t->pool, s);
    }
}
