/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/source_order.h"
#include <stdio.h>
#include "base/rng.h"
#include "cli/source_private.h"

struct cli_chunk_order {
    lb_cache *cache;
    int tap;
    char *stream;
    int64_t count;
    int64_t *place; /* of each row of the cache: its item in the stream, -1 = none */
};

lb_status cli_chunk_order_open(cli_chunk_order **out, lb_cache *cache, int tap, const char *stream, const int64_t *rows, int64_t count) {
    lb_status st = LB_OK;
    int64_t all = lb_cache_rows(cache);
    cli_chunk_order *o = lb_calloc(1, sizeof *o);
    if (!o) return LB_E_NOMEM;
    *o = (cli_chunk_order){.cache = cache, .tap = tap, .stream = lb_strdup(stream), .count = count, .place = lb_alloc((size_t)all + 1, sizeof *o->place)};
    if (!o->stream || !o->place) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int64_t i = 0; i < all; i++) o->place[i] = -1;
    for (int64_t i = 0; i < count; i++) {
        int64_t *place = &o->place[rows[i]];
        if (*place >= 0) {
            st = lb_fail(LB_E_ARG, "stream %s: two of its items are one row of the cache; train.order: chunks wants each once", stream);
            goto done;
        }
        *place = i;
    }
    *out = o;
    o = NULL;
done:
    cli_chunk_order_close(o);
    return st;
}

void cli_chunk_order_close(cli_chunk_order *o) {
    if (!o) return;
    lb_free(o->stream);
    lb_free(o->place);
    lb_free(o);
}

lb_status cli_chunk_order_make(void *ctx, uint64_t seed, int64_t epoch, int64_t *out) {
    const cli_chunk_order *o = ctx;
    lb_rng own = lb_rng_of(seed, 0, o->stream);
    int64_t made = 0, kept = 0, *rows = lb_alloc((size_t)lb_cache_rows(o->cache) + 1, sizeof *rows);
    if (!rows) return LB_E_NOMEM;
    lb_status st = lb_cache_order(o->cache, o->tap, lb_rng_u64(&own), epoch, LB_CACHE_WINDOW, rows, &made);
    for (int64_t i = 0; i < made && st == LB_OK; i++)
        if (o->place[rows[i]] >= 0) out[kept++] = o->place[rows[i]];
    lb_free(rows);
    if (st == LB_OK && kept != o->count) return lb_fail(LB_E_BUG, "stream %s: %lld of %lld items in order", o->stream, (long long)kept, (long long)o->count);
    return st;
}

/* ---- for a source ---- */

lb_status source_order_open(cli_source *s, const cli_stream *stream, bool texts, source_order *out) {
    lb_status st = LB_OK;
    char name[96];
    int64_t *rows = NULL;
    int f = 0;
    snprintf(name, sizeof name, "%s%s", stream->name, texts ? ".text" : "");
    lb_sampler_spec spec = {.seed = s->spec.seed, .stream = name, .count = stream->count};
    while (f < s->spec.nfeatures && !(source_uses(stream, &s->spec.features[f]) && (!stream->unpaired || s->spec.features[f].of_text == texts))) f++;
    if (s->spec.by_chunks && f < s->spec.nfeatures) {
        if (!(rows = lb_alloc((size_t)stream->count, sizeof *rows))) return LB_E_NOMEM;
        for (int64_t i = 0; i < stream->count; i++) rows[i] = s->rows[f][stream->rows[i]];
        LB_TRY(cli_chunk_order_open(&out->chunks, s->spec.features[f].cache, s->spec.features[f].tap, name, rows, stream->count));
        spec.order = cli_chunk_order_make;
        spec.ctx = out->chunks;
    }
    st = lb_sampler_open(&out->sampler, &spec);
done:
    lb_free(rows);
    return st;
}

void source_order_close(source_order *o) {
    lb_sampler_close(o->sampler);
    cli_chunk_order_close(o->chunks);
}
