/* SPDX-License-Identifier: Apache-2.0 */
/* Reading for training: an order that keeps to few chunks at a time, and batches made ahead by workers. */
#include <string.h>
#include "base/rng.h"
#include "base/threads.h"
#include "io/cache_private.h"

/* ---- order ---- */

typedef struct run {
    int64_t first, count; /* rows of one chunk */
} run;

static int64_t runs_of(const lb_cache *c, int tap, run *out) {
    int64_t n = 0;
    for (int64_t i = 0; i < c->nshards; i++) {
        const shard *s = &c->shards[i];
        int64_t step = s->taps[tap].tap.ragged ? 1024 : s->taps[tap].grid.rows;
        for (int64_t at = 0; at < s->n; at += step, n++)
            if (out) out[n] = (run){s->first + at, s->n - at < step ? s->n - at : step};
    }
    return n;
}

static void shuffle_runs(lb_rng *rng, run *a, int64_t n) {
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t k = lb_rng_below(rng, i + 1);
        run x = a[i];
        a[i] = a[k];
        a[k] = x;
    }
}

static void shuffle_rows(lb_rng *rng, int64_t *a, int64_t n) {
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t k = lb_rng_below(rng, i + 1), x = a[i];
        a[i] = a[k];
        a[k] = x;
    }
}

lb_status lb_cache_order(lb_cache *c, int tap, uint64_t seed, int64_t epoch, int64_t window, int64_t *rows, int64_t *count) {
    if (!lb_cache_tap_at(c, tap)) return lb_fail(LB_E_NOTFOUND, "tap %d of a cache of %d taps", tap, lb_cache_taps(c));
    if (tap >= lb_cache_taps(c)) tap = c->dense[tap - lb_cache_taps(c)].values;
    int64_t n = runs_of(c, tap, NULL), made = 0;
    run *runs = lb_alloc((size_t)n, sizeof *runs);
    if (!runs) return LB_E_NOMEM;
    (void)runs_of(c, tap, runs);
    lb_rng rng = lb_rng_of(seed, (uint64_t)epoch, "chunks");
    shuffle_runs(&rng, runs, n);
    if (window < 1) window = LB_CACHE_WINDOW;
    for (int64_t at = 0; at < n; at += window) {
        int64_t from = made;
        for (int64_t k = at; k < at + window && k < n; k++)
            for (int64_t i = 0; i < runs[k].count; i++)
                if (!lb_cache_row_status(c, runs[k].first + i)) rows[made++] = runs[k].first + i;
        shuffle_rows(&rng, rows + from, made - from);
    }
    lb_free(runs);
    *count = made;
    return LB_OK;
}

/* ---- batches ---- */

struct lb_cache_stream {
    lb_cache *c;
    lb_cache_stream_spec spec;
    int *taps;
    int64_t *widths;
    lb_flow *flow;
};

void lb_cache_batch_free(lb_cache_batch *b) {
    if (!b) return;
    lb_free(b->values ? b->values[0] : NULL); /* one block for all taps */
    lb_free(b->values);
    lb_free(b);
}

static void drop(void *ctx, void *batch) {
    (void)ctx;
    lb_cache_batch_free(batch);
}

static lb_status fill(void *ctx, int64_t i, void **result) {
    const lb_cache_stream *s = ctx;
    lb_status st = LB_OK;
    int64_t all = 0;
    lb_cache_batch *b = lb_calloc(1, sizeof *b);
    if (!b) return LB_E_NOMEM;
    b->first = i * s->spec.batch;
    b->count = s->spec.count - b->first < s->spec.batch ? s->spec.count - b->first : s->spec.batch;
    for (int t = 0; t < s->spec.ntaps; t++) all += s->widths[t];
    b->values = lb_calloc((size_t)s->spec.ntaps, sizeof *b->values);
    if (!b->values || !(b->values[0] = lb_alloc((size_t)(all * b->count), sizeof(float)))) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int t = 0; t < s->spec.ntaps; t++) {
        if (t) b->values[t] = b->values[t - 1] + b->count * s->widths[t - 1];
        LB_TRY(lb_cache_read(s->c, s->taps[t], b->count, s->spec.rows + b->first, b->values[t]));
    }
done:
    if (st == LB_OK) *result = b;
    else lb_cache_batch_free(b);
    return st;
}

lb_status lb_cache_stream_open(lb_cache_stream **out, lb_cache *c, const lb_cache_stream_spec *spec) {
    lb_status st = LB_OK;
    if (spec->ntaps < 1 || spec->batch < 1 || spec->count < 0) return lb_fail(LB_E_ARG, "a stream wants taps and batches of at least one row");
    lb_cache_stream *s = lb_calloc(1, sizeof *s);
    if (!s) return LB_E_NOMEM;
    s->c = c;
    s->spec = *spec;
    s->taps = lb_alloc((size_t)spec->ntaps, sizeof *s->taps);
    s->widths = lb_alloc((size_t)spec->ntaps, sizeof *s->widths);
    if (!s->taps || !s->widths) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int t = 0; t < spec->ntaps; t++) {
        const lb_cache_tap *tap = lb_cache_tap_at(c, spec->taps[t]);
        if (!tap || tap->ragged) {
            st = lb_fail(LB_E_ARG, "tap %d %s", spec->taps[t], tap ? "varies in length" : "is not there");
            goto done;
        }
        s->taps[t] = spec->taps[t];
        s->widths[t] = cache_numel(tap->rank, tap->shape);
    }
    LB_TRY(lb_flow_open(&s->flow, &(lb_flow_spec){.count = (spec->count + spec->batch - 1) / spec->batch, .workers = spec->workers, .depth = spec->depth, .work = fill, .drop = drop, .ctx = s}));
    *out = s;
    s = NULL;
done:
    lb_cache_stream_close(s);
    return st;
}

lb_status lb_cache_stream_next(lb_cache_stream *s, lb_cache_batch **out) {
    int64_t index;
    void *batch = NULL;
    bool end = false;
    lb_status st = lb_flow_next(s->flow, &index, &batch, &end);
    if (st == LB_OK) *out = batch;
    return st;
}

void lb_cache_stream_close(lb_cache_stream *s) {
    if (!s) return;
    lb_flow_close(s->flow);
    lb_free(s->taps);
    lb_free(s->widths);
    lb_free(s);
}
