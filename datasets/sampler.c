/* SPDX-License-Identifier: Apache-2.0 */
#include "datasets/sampler.h"
#include <pthread.h>
#include "base/rng.h"

/* Batches of two epochs are in the making at once about the end of one. */
enum { KEPT = 2 };

struct lb_sampler {
    lb_sampler_spec spec;
    char *stream;
    pthread_mutex_t lock;
    int64_t *order[KEPT]; /* of an epoch, in the place of its number modulo KEPT */
    int64_t epoch[KEPT];  /* -1 = none */
};

lb_status lb_sampler_open(lb_sampler **out, const lb_sampler_spec *spec) {
    if (spec->count < 1) return lb_fail(LB_E_ARG, "stream %s: %lld items", spec->stream, (long long)spec->count);
    lb_sampler *s = lb_calloc(1, sizeof *s);
    if (!s) return LB_E_NOMEM;
    s->spec = *spec;
    pthread_mutex_init(&s->lock, NULL);
    for (int i = 0; i < KEPT; i++) s->epoch[i] = -1;
    if (!(s->spec.stream = s->stream = lb_strdup(spec->stream))) {
        lb_sampler_close(s);
        return LB_E_NOMEM;
    }
    *out = s;
    return LB_OK;
}

void lb_sampler_close(lb_sampler *s) {
    if (!s) return;
    pthread_mutex_destroy(&s->lock);
    for (int i = 0; i < KEPT; i++) lb_free(s->order[i]);
    lb_free(s->stream);
    lb_free(s);
}

/* The order of an epoch, made when it is not there. Under the lock. */
static lb_status order_of(lb_sampler *s, int64_t epoch, const int64_t **out) {
    const lb_sampler_spec *spec = &s->spec;
    int64_t place = epoch % KEPT;
    if (s->epoch[place] != epoch) {
        if (!s->order[place] && !(s->order[place] = lb_alloc((size_t)spec->count, sizeof **s->order))) return LB_E_NOMEM;
        s->epoch[place] = -1;
        if (spec->order) {
            lb_status st = spec->order(spec->ctx, spec->seed, epoch, s->order[place]);
            if (st != LB_OK) return st;
        } else {
            lb_rng r = lb_rng_of(spec->seed, (uint64_t)epoch, spec->stream);
            lb_rng_permutation(&r, s->order[place], spec->count);
        }
        s->epoch[place] = epoch;
    }
    *out = s->order[place];
    return LB_OK;
}

lb_status lb_sampler_batch(lb_sampler *s, int64_t *rows, int64_t *epoch, int64_t batch, int64_t step) {
    int64_t count = s->spec.count, at = step * batch;
    if (batch < 1 || step < 0) return lb_fail(LB_E_ARG, "stream %s: batch %lld, step %lld", s->stream, (long long)batch, (long long)step);
    const int64_t *order = NULL;
    lb_status st = LB_OK;
    *epoch = at / count;
    pthread_mutex_lock(&s->lock);
    for (int64_t i = 0; i < batch && st == LB_OK; i++, at++) {
        if (!order || at % count == 0) st = order_of(s, at / count, &order);
        if (st == LB_OK) rows[i] = order[at % count];
    }
    pthread_mutex_unlock(&s->lock);
    return st;
}
