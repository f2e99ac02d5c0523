/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>
#include "base/hash.h"
#include "base/memory.h"
#include "base/rng.h"
#include "nn/nn.h"
#include "nn/parts.h"

struct lb_store {
    lb_param_tensor **at;
    int64_t count, capacity, bytes;
    int64_t *slots; /* open addressing: index + 1 by name, 0 = empty; a power of two, at most half full */
    int64_t slot_count;
    bool bare;
};

lb_status lb_store_new(lb_store **out) {
    lb_store *s = lb_calloc(1, sizeof *s);
    if (!s) return LB_E_NOMEM;
    *out = s;
    return LB_OK;
}

static void free_param(lb_param_tensor *p) {
    if (!p) return;
    lb_tensor_free(p->x);
    lb_free(p->name);
    lb_free(p);
}

void lb_store_free(lb_store *s) {
    if (!s) return;
    for (int64_t i = 0; i < s->count; i++) free_param(s->at[i]);
    lb_free(s->at);
    lb_free(s->slots);
    lb_free(s);
}

int64_t lb_store_count(const lb_store *s) { return s->count; }
lb_param_tensor *lb_store_at(lb_store *s, int64_t i) { return s->at[i]; }

static int64_t *slot_of(const lb_store *s, const char *name) {
    uint64_t mask = (uint64_t)s->slot_count - 1, h = lb_hash64(name, strlen(name), 0) & mask;
    while (s->slots[h] && strcmp(s->at[s->slots[h] - 1]->name, name) != 0) h = (h + 1) & mask;
    return &s->slots[h];
}

lb_param_tensor *lb_store_find(lb_store *s, const char *name) {
    if (!s->slot_count) return NULL;
    int64_t at = *slot_of(s, name);
    return at ? s->at[at - 1] : NULL;
}

static lb_status grow(lb_store *s) {
    int64_t capacity = s->capacity ? s->capacity * 2 : 64, slot_count = capacity * 2;
    lb_param_tensor **at = lb_realloc(s->at, (size_t)capacity, sizeof *at);
    if (!at) return LB_E_NOMEM;
    s->at = at;
    int64_t *slots = lb_calloc((size_t)slot_count, sizeof *slots);
    if (!slots) return LB_E_NOMEM;
    lb_free(s->slots);
    s->slots = slots;
    s->slot_count = slot_count;
    s->capacity = capacity;
    for (int64_t i = 0; i < s->count; i++) *slot_of(s, s->at[i]->name) = i + 1;
    return LB_OK;
}

static bool same(const lb_tensor *x, int rank, const int64_t *shape) {
    if (x->rank != rank) return false;
    for (int d = 0; d < rank; d++)
        if (x->shape[d] != shape[d]) return false;
    return true;
}

enum { LOOK_EVERY = 64 << 20 };

/* A model that is larger than memory is said to be so, rather than ended by the system. Looked at now and then as it grows. */
static lb_status room_for(lb_store *s, const char *name, int rank, const int64_t *shape) {
    int64_t more = (int64_t)sizeof(lb_real);
    for (int i = 0; i < rank; i++)
        if (shape[i] < 0 || __builtin_mul_overflow(more, shape[i], &more)) return LB_OK; /* said by whoever makes the tensor */
    int64_t before = s->bytes / LOOK_EVERY;
    s->bytes += more;
    if (s->bytes / LOOK_EVERY == before) return LB_OK;
    int64_t left = lb_memory_available();
    if (left < 0 || left > more) return LB_OK;
    return lb_fail(LB_E_NOMEM, "a model larger than memory: its weights take %.2f GiB up to '%s', and %.2f GiB are left", (double)s->bytes / (1 << 30), name, (double)left / (1 << 30));
}

lb_status lb_store_add(lb_param_tensor **out, lb_store *s, const char *name, int rank, const int64_t *shape, lb_init init, double arg) {
    lb_param_tensor *p = lb_store_find(s, name);
    if (p) {
        char have[96], want[96];
        if (!same(p->x, rank, shape))
            return lb_fail(LB_E_ARG, "parameter '%s' is %s, wanted %s", name, lb_shape_text(have, sizeof have, p->x->rank, p->x->shape), lb_shape_text(want, sizeof want, rank, shape));
        if (out) *out = p;
        return LB_OK;
    }
    lb_status st = room_for(s, name, rank, shape);
    if (st == LB_OK && s->count == s->capacity) st = grow(s);
    if (st != LB_OK) return st;
    p = lb_calloc(1, sizeof *p);
    if (!p) return LB_E_NOMEM;
    p->name = lb_strdup(name);
    st = !p->name ? LB_E_NOMEM : s->bare ? lb_tensor_borrow(&p->x, LB_REAL, rank, shape, NULL) : lb_tensor_new(&p->x, LB_REAL, rank, shape);
    if (st != LB_OK) {
        free_param(p);
        return st;
    }
    p->init = init;
    p->init_arg = arg;
    p->decay = rank >= 2;
    p->x->requires_grad = true;
    s->at[s->count++] = p;
    *slot_of(s, p->name) = s->count;
    if (out) *out = p;
    return LB_OK;
}

void lb_store_bare(lb_store *s, bool on) { s->bare = on; }

lb_status lb_param_claim(lb_param_tensor *p) {
    lb_tensor *x = NULL;
    if (p->x->data || lb_numel(p->x) == 0) return LB_OK;
    lb_status st = lb_tensor_new(&x, p->x->dtype, p->x->rank, p->x->shape);
    if (st != LB_OK) return st;
    x->requires_grad = p->x->requires_grad;
    lb_tensor_free(p->x);
    p->x = x;
    return LB_OK;
}

void lbi_store_remove(lb_store *s, int64_t i) {
    free_param(s->at[i]);
    memmove(s->at + i, s->at + i + 1, (size_t)(--s->count - i) * sizeof *s->at);
    memset(s->slots, 0, (size_t)s->slot_count * sizeof *s->slots);
    for (int64_t k = 0; k < s->count; k++) *slot_of(s, s->at[k]->name) = k + 1;
}

/* ---- initialisers ---- */

/* Of a linear [out,in] or a kernel [out,in/groups,k...]: what one output sums, and how often an input counts. */
static void fans(const lb_tensor *x, double *in, double *out) {
    double area = 1;
    for (int d = 2; d < x->rank; d++) area *= (double)x->shape[d];
    *in = x->rank >= 2 ? (double)x->shape[1] * area : (double)lb_numel(x);
    *out = x->rank >= 1 ? (double)x->shape[0] * area : 1;
}

static double truncated(lb_rng *r) {
    for (;;) {
        double z = lb_rng_normal(r);
        if (fabs(z) <= 2) return z;
    }
}

static double scan_step(lb_rng *r) {
    double step = fmax(exp(log(0.001) + lb_rng_uniform(r) * (log(0.1) - log(0.001))), 1e-4);
    return step + log(-expm1(-step));
}

static void fill(lb_param_tensor *p, lb_rng *r) {
    double in, out, arg = p->init_arg;
    lb_real *x = p->x->data;
    int64_t n = lb_numel(p->x);
    fans(p->x, &in, &out);
    switch (p->init) {
    case LB_INIT_ZEROS: arg = 0; break;
    case LB_INIT_ONES: arg = 1; break;
    case LB_INIT_CONSTANT: break;
    case LB_INIT_KAIMING_UNIFORM: arg = 1 / sqrt(p->init_arg > 0 ? p->init_arg : in); break;
    case LB_INIT_KAIMING_FAN_OUT: arg = sqrt(2 / out); break;
    case LB_INIT_XAVIER_UNIFORM: arg = sqrt(6 / (in + out)); break;
    case LB_INIT_NORMAL:
    case LB_INIT_TRUNC_NORMAL:
    case LB_INIT_UNIFORM:
    case LB_INIT_LOG_INDEX:
    case LB_INIT_SCAN_STEP: break;
    }
    for (int64_t i = 0; i < n; i++) switch (p->init) {
        case LB_INIT_ZEROS:
        case LB_INIT_ONES:
        case LB_INIT_CONSTANT: x[i] = (lb_real)arg; break;
        case LB_INIT_NORMAL:
        case LB_INIT_KAIMING_FAN_OUT: x[i] = (lb_real)(arg * lb_rng_normal(r)); break;
        case LB_INIT_TRUNC_NORMAL: x[i] = (lb_real)(arg * truncated(r)); break;
        case LB_INIT_UNIFORM:
        case LB_INIT_KAIMING_UNIFORM:
        case LB_INIT_XAVIER_UNIFORM: x[i] = (lb_real)(arg * (2 * lb_rng_uniform(r) - 1)); break;
        case LB_INIT_LOG_INDEX: x[i] = (lb_real)log((double)(1 + i % p->x->shape[p->x->rank - 1])); break;
        case LB_INIT_SCAN_STEP: x[i] = (lb_real)scan_step(r); break;
        }
}

void lbi_store_fill(lb_param_tensor *p, uint64_t seed) {
    lb_rng r = lb_rng_of(seed, 0, p->name);
    fill(p, &r);
}

lb_status lb_store_init(lb_store *s, uint64_t seed) {
    for (int64_t i = 0; i < s->count; i++) lbi_store_fill(s->at[i], seed);
    return LB_OK;
}

/* ---- the rest ---- */

static bool starts(const char *name, const char *prefix) { return !prefix || strncmp(name, prefix, strlen(prefix)) == 0; }

int64_t lb_store_parameters(const lb_store *s, const char *prefix) {
    int64_t n = 0;
    for (int64_t i = 0; i < s->count; i++)
        if (!s->at[i]->buffer && starts(s->at[i]->name, prefix)) n += lb_numel(s->at[i]->x);
    return n;
}

int64_t lb_store_train(lb_store *s, const char *prefix, bool on) {
    int64_t n = 0;
    for (int64_t i = 0; i < s->count; i++)
        if (starts(s->at[i]->name, prefix)) {
            s->at[i]->x->requires_grad = on && !s->at[i]->buffer;
            if (on) lb_tensor_fix(s->at[i]->x, false);
            n++;
        }
    return n;
}

void lb_store_fix(lb_store *s, bool on) {
    for (int64_t i = 0; i < s->count; i++) lb_tensor_fix(s->at[i]->x, on);
}

void lb_store_zero_grad(lb_store *s) {
    for (int64_t i = 0; i < s->count; i++) {
        lb_tensor *g = s->at[i]->x->grad;
        if (g && g->data) memset(g->data, 0, (size_t)lb_numel(g) * sizeof(lb_real));
    }
}

lb_status lb_store_ema(lb_store *ema, lb_store *s, double decay) {
    for (int64_t i = 0; i < ema->count; i++) {
        const lb_param_tensor *from = lb_store_find(s, ema->at[i]->name);
        if (!from) continue;
        if (!lb_same_shape(ema->at[i]->x, from->x)) return lb_fail(LB_E_SHAPE, "moving average: parameter '%s' changed its shape", from->name);
        lb_real *y = ema->at[i]->x->data, a = (lb_real)decay;
        const lb_real *x = from->x->data;
        int64_t n = lb_numel(from->x);
        for (int64_t k = 0; k < n; k++) y[k] = a * y[k] + (1 - a) * x[k];
    }
    return LB_OK;
}
