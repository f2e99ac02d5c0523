/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "nn/adapt.h"
#include "nn/parts.h"

enum { DEPTH_MAX = 32, NAME_MAX_ = 256, TAPS_MAX = 128 };

typedef struct wanted {
    char *name;
    lb_tensor *x;
} wanted;

struct lb_nn {
    lb_tape *tape;
    lb_store *store;
    bool declaring, marking;
    const lb_lora *lora;
    char prefix[NAME_MAX_], tap_prefix[32];
    int depth;
    size_t prefix_at[DEPTH_MAX];
    lb_scope scope[DEPTH_MAX];
    wanted want[TAPS_MAX];
    int want_count;
    void (*seen)(void *ctx, const char *tap, const lb_tensor *x);
    void *seen_ctx;
};

lb_status lb_nn_new(lb_nn **out, lb_tape *t, lb_store *s, bool declaring) {
    lb_nn *m = lb_calloc(1, sizeof *m);
    if (!m) return LB_E_NOMEM;
    m->tape = t;
    m->store = s;
    m->declaring = declaring;
    *out = m;
    return LB_OK;
}

void lb_nn_free(lb_nn *m) {
    if (!m) return;
    for (int i = 0; i < m->want_count; i++) lb_free(m->want[i].name);
    lb_free(m);
}

lb_tape *lb_nn_tape(lb_nn *m) { return m->tape; }

/* ---- names ---- */

void lb_nn_in(lb_nn *m, const char *fmt, ...) {
    va_list args;
    size_t n = strlen(m->prefix);
    if (m->depth == DEPTH_MAX) {
        lb_tape_fail(m->tape, LB_E_LIMIT, "network: more than %d names deep below %s", DEPTH_MAX, m->prefix);
        return;
    }
    m->prefix_at[m->depth] = n;
    m->scope[m->depth++] = lb_scope_begin(m->tape);
    va_start(args, fmt);
    int more = vsnprintf(m->prefix + n, sizeof m->prefix - n, fmt, args);
    va_end(args);
    if (more < 0 || n + (size_t)more + 2 > sizeof m->prefix) {
        lb_tape_fail(m->tape, LB_E_LIMIT, "network: a parameter's name is longer than %d", NAME_MAX_);
        return;
    }
    memcpy(m->prefix + n + (size_t)more, ".", 2);
}

lb_tensor *lb_nn_out(lb_nn *m, lb_tensor *y) {
    if (m->depth == 0) return lb_tape_fail(m->tape, LB_E_BUG, "network: lb_nn_out without lb_nn_in");
    m->depth--;
    m->prefix[m->prefix_at[m->depth]] = 0;
    return lb_scope_end(m->tape, m->scope[m->depth], y);
}

static bool full_name(lb_nn *m, char dst[NAME_MAX_], const char *name) {
    size_t before = strlen(m->prefix), more = strlen(name);
    if (before + more < NAME_MAX_) {
        memcpy(dst, m->prefix, before);
        memcpy(dst + before, name, more + 1);
        return true;
    }
    lb_tape_fail(m->tape, LB_E_LIMIT, "network: a parameter's name is longer than %d", NAME_MAX_);
    return false;
}

/* ---- taps ---- */

static wanted *find_want(const lb_nn *m, const char *tap) {
    for (int i = 0; i < m->want_count; i++)
        if (strcmp(m->want[i].name, tap) == 0) return (wanted *)&m->want[i];
    return NULL;
}

lb_status lb_nn_want(lb_nn *m, const char *tap) {
    if (find_want(m, tap)) return LB_OK;
    if (m->want_count == TAPS_MAX) return lb_fail(LB_E_LIMIT, "at most %d taps at once", TAPS_MAX);
    if (!(m->want[m->want_count].name = lb_strdup(tap))) return LB_E_NOMEM;
    m->want[m->want_count++].x = NULL;
    return LB_OK;
}

bool lb_nn_wants(const lb_nn *m, const char *tap) {
    char name[128];
    snprintf(name, sizeof name, "%s%s", m->tap_prefix, tap);
    return m->seen || find_want(m, name);
}

void lb_nn_list_taps(lb_nn *m, void (*seen)(void *ctx, const char *tap, const lb_tensor *x), void *ctx) {
    m->seen = seen;
    m->seen_ctx = ctx;
}

void lb_nn_tap_under(lb_nn *m, const char *prefix) { snprintf(m->tap_prefix, sizeof m->tap_prefix, "%s", prefix); }

void lb_nn_tap(lb_nn *m, lb_tensor *x, const char *fmt, ...) {
    char name[128];
    int n = snprintf(name, sizeof name, "%s", m->tap_prefix);
    va_list args;
    va_start(args, fmt);
    vsnprintf(name + n, sizeof name - (size_t)n, fmt, args);
    va_end(args);
    if (!lb_tape_ok(m->tape)) return;
    if (m->seen) m->seen(m->seen_ctx, name, x);
    wanted *w = find_want(m, name);
    if (!w) return;
    if (lb_tape_get_mode(m->tape) == LB_TAPE_NO_GRAD && !lb_is_contiguous(x)) x = lb_contiguous(m->tape, x); /* who asked reads memory */
    w->x = lb_keep(m->tape, x);
}

lb_tensor *lb_nn_tapped(lb_nn *m, const char *tap) {
    const wanted *w = find_want(m, tap);
    return w ? w->x : NULL;
}

/* ---- parameters ---- */

static lb_tensor *get(lb_nn *m, const char *name, int rank, const int64_t *shape, lb_init init, double arg, bool buffer) {
    char full[NAME_MAX_], have[96], want[96];
    if (!lb_tape_ok(m->tape) || !full_name(m, full, name)) return lb_inert(m->tape);
    lb_param_tensor *p = lb_store_find(m->store, full);
    if (!p && m->declaring) {
        lb_status st = lb_store_add(&p, m->store, full, rank, shape, init, arg);
        if (st != LB_OK) return lb_tape_fail_status(m->tape, st);
        p->buffer = buffer;
        if (buffer) p->x->requires_grad = p->decay = false;
    }
    if (!p) return lb_tape_fail(m->tape, LB_E_NOTFOUND, "parameter '%s' %s is missing", full, lb_shape_text(want, sizeof want, rank, shape));
    bool same = p->x->rank == rank;
    for (int d = 0; same && d < rank; d++) same = p->x->shape[d] == shape[d];
    if (!same)
        return lb_tape_fail(m->tape, LB_E_SHAPE, "parameter '%s' is %s, wanted %s", full, lb_shape_text(have, sizeof have, p->x->rank, p->x->shape), lb_shape_text(want, sizeof want, rank, shape));
    if (m->marking) p->idle = false;
    if (p->idle && !p->x->data && lb_tape_get_mode(m->tape) != LB_TAPE_SHAPES) return lb_tape_fail(m->tape, LB_E_BUG, "parameter '%s' was left in its file: the taps asked for do not need it", full);
    return p->x;
}

void lbi_nn_mark(lb_nn *m) { m->marking = true; }

lb_tensor *lb_nn_param(lb_nn *m, const char *name, int rank, const int64_t *shape, lb_init init, double arg) { return get(m, name, rank, shape, init, arg, false); }

lb_tensor *lb_nn_buffer(lb_nn *m, const char *name, int rank, const int64_t *shape, double value) { return get(m, name, rank, shape, LB_INIT_CONSTANT, value, true); }

void lb_nn_set_lora(lb_nn *m, const lb_lora *lora) { m->lora = lora; }
const lb_lora *lb_nn_get_lora(const lb_nn *m) { return m->lora; }

/* ---- parts made again in the backward pass ---- */

typedef struct piece {
    lb_nn_part part;
    lb_nn *m; /* the first run's; gone by the second */
    lb_store *store;
    const lb_lora *lora;
    char prefix[NAME_MAX_];
    uint64_t context[];
} piece;

static lb_tensor *run_piece(lb_tape *t, const void *context, int n, lb_tensor *const *in) {
    const piece *p = context;
    lb_nn *m = NULL;
    if (!lb_tape_again(t)) return p->part(p->m, p->context, n, in);
    lb_status st = lb_nn_new(&m, t, p->store, false);
    if (st != LB_OK) return lb_tape_fail_status(t, st);
    memcpy(m->prefix, p->prefix, sizeof m->prefix);
    m->lora = p->lora;
    lb_tensor *y = p->part(m, p->context, n, in);
    lb_nn_free(m);
    return y;
}

lb_tensor *lb_nn_recompute(lb_nn *m, lb_nn_part part, const void *context, size_t size, int n, lb_tensor *const *in) {
    if (lb_tape_get_mode(m->tape) != LB_TAPE_GRAD || lb_tape_again(m->tape)) return part(m, context, n, in);
    piece *p = lb_alloc(1, sizeof *p + size + 8);
    if (!p) return lb_tape_fail_status(m->tape, LB_E_NOMEM);
    *p = (piece){.part = part, .m = m, .store = m->store, .lora = m->lora};
    memcpy(p->prefix, m->prefix, sizeof p->prefix);
    if (size > 0) memcpy(p->context, context, size);
    lb_tensor *y = lb_recompute(m->tape, run_piece, p, sizeof *p + size, n, in);
    lb_free(p);
    return y;
}
