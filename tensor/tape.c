/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/tape.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tensor/hold.h"
#include "tensor/loops.h"
#include "tensor/parts.h"
#include "tensor/precision.h"

/* ---- life ---- */

static bool has_word(const char *list, const char *word) {
    const char *at = list ? strstr(list, word) : NULL;
    size_t n = strlen(word);
    return at && (at == list || at[-1] == ',') && (at[n] == 0 || at[n] == ',');
}

lb_status lb_tape_new(lb_tape **out) {
    lb_tape *t = lb_calloc(1, sizeof *t);
    if (!t) return LB_E_NOMEM;
    lbi_pool_init(&t->pool);
    t->inert.dtype = LB_REAL;
    t->inert.id = LBI_INERT;
    t->check_nan = has_word(getenv("LB_CHECK"), "nan");
    t->trace = has_word(getenv("LB_TRACE"), "ops");
    if (has_word(getenv("LB_TRACE"), "memory") && !(t->map = lbi_map_new())) {
        lb_free(t);
        return LB_E_NOMEM;
    }
    *out = t;
    return LB_OK;
}

void lb_tape_free(lb_tape *t) {
    if (!t) return;
    lbi_map_free(t->map);
    lbi_pool_free(&t->pool);
    lbi_arena_free(&t->arena);
    for (int i = 0; i < t->sig_cap; i++) lbi_opsig_free(t->sigs[i]);
    lb_free(t->sigs);
    for (int i = 0; i < t->part_count; i++) lb_tape_free(t->parts[i]);
    lb_free(t->parts);
    lb_free(t);
}

void lb_tape_reset(lb_tape *t) {
    if (t->map) lbi_map_say(t);
    lbi_pool_reset(&t->pool);
    lbi_arena_reset(&t->arena);
    t->newest = NULL;
    t->last = NULL;
    t->last_id = 0;
    t->scratch = NULL;
    t->again = false;
    t->code = LB_OK;
    t->message[0] = 0;
}

void lb_tape_set_mode(lb_tape *t, lb_tape_mode mode) {
    t->mode = mode;
}

lb_tape_mode lb_tape_get_mode(const lb_tape *t) {
    return t->mode;
}

void lb_tape_set_training(lb_tape *t, bool training, lb_rng *rng) {
    t->training = training;
    t->rng = rng;
}

bool lb_tape_training(const lb_tape *t) {
    return t->training;
}

lb_rng *lb_tape_rng(const lb_tape *t) {
    return t->rng;
}

lb_tape_stats lb_tape_get_stats(const lb_tape *t) {
    return (lb_tape_stats){t->pool.bytes, t->pool.peak, t->calls, t->flops};
}

void lb_tape_clear_stats(lb_tape *t) {
    t->pool.peak = t->pool.bytes;
    t->calls = 0;
    t->flops = 0;
}

/* ---- failure ---- */

lb_status lb_tape_status(const lb_tape *t) {
    if (t->code == LB_OK) return LB_OK;
    return lb_fail(t->code, "%s", t->message);
}

bool lb_tape_ok(const lb_tape *t) {
    return t->code == LB_OK;
}

lb_tensor *lb_inert(lb_tape *t) {
    return &t->inert;
}

typedef struct line {
    char *text;
    size_t size, cap;
} line;

static void put(line *l, const char *fmt, ...) LB_PRINTF(2, 3);
static void put(line *l, const char *fmt, ...) {
    va_list args;
    if (l->size + 1 >= l->cap) return;
    va_start(args, fmt);
    int n = vsnprintf(l->text + l->size, l->cap - l->size, fmt, args);
    va_end(args);
    if (n > 0) l->size += (size_t)n;
    if (l->size >= l->cap) l->size = l->cap - 1;
}

/* "linear(x[4,6], w[5,7]): " */
static void put_call(line *l, const lb_tape *t) {
    char shape[120];
    const lb_call *c = t->call;
    put(l, "%s%s(", t->in_backward ? "backward of " : "", c->op->id);
    for (int i = 0, shown = 0; i < c->nin; i++) {
        if (!c->in[i]) continue;
        put(l, "%s%s%s", shown++ ? ", " : "", t->call_sig ? lb_sig_input_name(t->call_sig->sig, i) : "",
            lb_shape_text(shape, sizeof shape, c->in[i]->rank, c->in[i]->shape));
        if (c->in[i]->dtype != LB_REAL) put(l, ":%s", lb_dtype_name(c->in[i]->dtype));
    }
    put(l, "): ");
}

lb_tensor *lb_tape_fail(lb_tape *t, lb_status code, const char *fmt, ...) {
    va_list args;
    if (t->code != LB_OK) return &t->inert;
    line l = {t->message, 0, sizeof t->message};
    t->code = code == LB_OK ? LB_E_BUG : code;
    t->message[0] = 0;
    if (t->call) put_call(&l, t);
    va_start(args, fmt);
    vsnprintf(l.text + l.size, l.cap - l.size, fmt, args);
    va_end(args);
    return &t->inert;
}

lb_tensor *lb_tape_fail_status(lb_tape *t, lb_status st) {
    if (st == LB_OK) return &t->inert;
    return lb_tape_fail(t, st, "%s", lb_error_text());
}

/* ---- tensors of the tape ---- */

lbi_held *lbi_held_new(lb_tape *t, bool handle) {
    lbi_held *h = lbi_arena_take(&t->arena, sizeof *h);
    if (!h || t->last_id == INT32_MAX) {
        lb_tape_fail(t, h ? LB_E_LIMIT : LB_E_NOMEM, "%s", h ? "too many tensors in one step" : lb_error_text());
        return NULL;
    }
    h->x.dtype = LB_REAL;
    h->x.rank = 0;
    h->x.data = NULL;
    h->x.store = NULL;
    h->x.requires_grad = false;
    h->x.grad = NULL;
    h->x.node = NULL;
    h->x.id = ++t->last_id;
    h->x.kept = false;
    h->x.fixed = false;
    h->x.forms = NULL;
    h->tape = t;
    h->g = NULL;
    h->uses = 0;
    h->dead = !handle;
    h->leaving = false;
    h->older = NULL;
    if (handle) {
        h->older = t->newest;
        t->newest = h;
    }
    return h;
}

bool lbi_held_fill(lb_tape *t, lbi_held *h, bool zero) {
    size_t bytes = (size_t)lb_numel(&h->x) * lb_dtype_size(h->x.dtype);
    if (t->mode == LB_TAPE_SHAPES || bytes == 0) return true;
    h->x.store = lbi_pool_take(&t->pool, bytes);
    if (!h->x.store) {
        lb_tape_fail_status(t, LB_E_NOMEM);
        return false;
    }
    h->x.data = lbi_storage_data(h->x.store);
    if (t->map) lbi_map_take(t, h->x.store, &h->x);
    if (zero) lbi_zero_bytes(h->x.data, bytes);
    return true;
}

void lbi_drop(lb_tape *t, lbi_held *h) {
    if (h->x.store && --h->x.store->refs == 0) {
        if (t->map) lbi_map_give(t, h->x.store);
        lbi_pool_give(&t->pool, h->x.store);
    }
    h->x.store = NULL;
    h->x.data = NULL;
}

void lbi_die(lb_tape *t, lbi_held *h) {
    if (h->dead) return;
    h->dead = true;
    if (h->uses == 0) lbi_drop(t, h);
}

void lbi_unuse(lb_tape *t, lbi_held *h) {
    if (--h->uses == 0 && h->dead) lbi_drop(t, h);
}

void lbi_share(lb_tape *t, lbi_held *h, const lb_tensor *x) {
    lbi_held *from = lbi_held_of(t, (lb_tensor *)(uintptr_t)x);
    if (!from || !x->store) return;
    h->x.store = x->store;
    x->store->refs++;
}

static lb_tensor *make(lb_tape *t, lb_dtype dtype, int rank, const int64_t *shape, bool zero) {
    if (t->code != LB_OK) return &t->inert;
    lbi_held *h = lbi_held_new(t, true);
    if (!h) return &t->inert;
    h->x.dtype = dtype;
    h->x.rank = rank;
    for (int i = 0; i < rank && i < LB_MAX_RANK; i++) h->x.shape[i] = shape[i];
    lb_status st = lbi_layout(&h->x);
    if (st != LB_OK) {
        h->x.rank = 0;
        return lb_tape_fail_status(t, st);
    }
    return lbi_held_fill(t, h, zero) ? &h->x : &t->inert;
}

lb_tensor *lb_hold(lb_tape *t, lb_dtype dtype, int rank, const int64_t *shape) { return make(t, dtype, rank, shape, false); }

void lb_release(lb_tape *t, lb_tensor *x) {
    lbi_held *h = x ? lbi_held_of(t, x) : NULL;
    if (h && !h->x.kept) lbi_die(t, h);
}

lb_tensor *lb_last_use(lb_tape *t, lb_tensor *x) {
    lbi_held *h = x ? lbi_held_of(t, x) : NULL;
    if (h && !h->x.kept) h->leaving = true;
    return x;
}

void lb_tape_where(lb_tape *t, const char *fmt, ...) {
    char text[sizeof t->message];
    va_list args;
    if (t->code == LB_OK) return;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof text) snprintf(text + n, sizeof text - (size_t)n, ": %s", t->message);
    memcpy(t->message, text, sizeof text);
}

lb_tensor *lb_input(lb_tape *t, lb_dtype dtype, int rank, const int64_t *shape, const void *data, lb_dtype from) {
    bool real = dtype == LB_F32 || dtype == LB_F64 || dtype == LB_F16 || dtype == LB_BF16;
    lb_tensor *x = make(t, real ? LB_REAL : dtype, rank, shape, !data);
    if (data && x->data) lb_convert(x->data, x->dtype, data, from, lb_numel(x));
    return x;
}

lb_tensor *lb_zeros(lb_tape *t, int rank, const int64_t *shape) {
    return make(t, LB_REAL, rank, shape, true);
}

lb_tensor *lb_full(lb_tape *t, int rank, const int64_t *shape, double value) {
    lb_tensor *x = make(t, LB_REAL, rank, shape, false);
    for (int64_t i = 0, n = x->data ? lb_numel(x) : 0; i < n; i++) lb_r(x)[i] = (lb_real)value;
    return x;
}

lb_tensor *lb_scalar(lb_tape *t, double value) {
    return lb_full(t, 0, NULL, value);
}

lb_tensor *lb_arange(lb_tape *t, int64_t n) {
    lb_tensor *x = make(t, LB_I64, 1, &n, false);
    for (int64_t i = 0; x->data && i < n; i++) lb_i(x)[i] = i;
    return x;
}

lb_tensor *lb_keep(lb_tape *t, lb_tensor *x) {
    lbi_held *h = lbi_held_of(t, x);
    if (h && !h->dead) x->kept = true;
    return x;
}

lb_tensor *lb_detach(lb_tape *t, lb_tensor *x) {
    if (t->code != LB_OK) return &t->inert;
    if (!x || x->id == LBI_INERT) return lb_tape_fail(t, LB_E_ARG, "detach of %s", x ? "an inert tensor" : "no tensor");
    lbi_held *h = lbi_held_new(t, true);
    if (!h) return &t->inert;
    h->x.dtype = x->dtype;
    h->x.rank = x->rank;
    memcpy(h->x.shape, x->shape, sizeof x->shape);
    memcpy(h->x.stride, x->stride, sizeof x->stride);
    h->x.data = x->data;
    lbi_share(t, h, x);
    return &h->x;
}

/* ---- scopes ---- */

lb_scope lb_scope_begin(lb_tape *t) {
    return (lb_scope){t->last_id};
}

void lb_scope_end_n(lb_tape *t, lb_scope s, int n, lb_tensor *const *results) {
    lbi_held **at = &t->newest;
    while (*at && (*at)->x.id > s.first) {
        lbi_held *h = *at;
        bool stays = h->x.kept && !h->dead;
        for (int i = 0; i < n; i++) stays = stays || results[i] == &h->x;
        if (stays) {
            at = &h->older;
            continue;
        }
        *at = h->older;
        lbi_die(t, h);
    }
}

lb_tensor *lb_scope_end(lb_tape *t, lb_scope s, lb_tensor *result) {
    lb_scope_end_n(t, s, 1, &result);
    return result;
}

/* ---- reading ---- */

static lb_status readable(const lb_tensor *x, int64_t n) {
    char shape[120];
    if (!x || x->id == LBI_INERT) return lb_fail(LB_E_ARG, "an inert tensor has no values (its tape has failed)");
    lb_shape_text(shape, sizeof shape, x->rank, x->shape);
    if (n != lb_numel(x)) return lb_fail(LB_E_ARG, "%lld values asked of a tensor %s", (long long)n, shape);
    if (n > 0 && !x->data) return lb_fail(LB_E_ARG, "tensor %s holds no values any more, or never did", shape);
    return LB_OK;
}

static lb_status read_as(const lb_tensor *x, void *out, lb_dtype to, int64_t n) {
    lb_status st = readable(x, n);
    if (st != LB_OK || n == 0) return st;
    if (lb_is_contiguous(x)) {
        lb_convert(out, to, x->data, x->dtype, n);
        return LB_OK;
    }
    lb_tensor *copy = NULL;
    st = lb_tensor_copy(&copy, x, to);
    if (st == LB_OK) memcpy(out, copy->data, (size_t)n * lb_dtype_size(to));
    lb_tensor_free(copy);
    return st;
}

lb_status lb_read_f64(const lb_tensor *x, double *out, int64_t n) {
    return read_as(x, out, LB_F64, n);
}

lb_status lb_read_i64(const lb_tensor *x, int64_t *out, int64_t n) {
    return read_as(x, out, LB_I64, n);
}

double lb_number(const lb_tensor *x) {
    if (!x || !x->data || lb_numel(x) != 1) return NAN;
    return lb_get_at(x, 0);
}
