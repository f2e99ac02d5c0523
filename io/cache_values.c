/* SPDX-License-Identifier: Apache-2.0 */
/* Values of one row: ragged ones, and rows as they are stored. Many rows at once: cache_gather.c. */
#include <stdlib.h>
#include <string.h>
#include "io/cache_private.h"

void cache_pour(cache_sink *to, const shard_tap *t, const void *bytes, int64_t size) {
    int64_t n = size / (int64_t)lb_dtype_size(t->tap.dtype);
    if (to->bytes) {
        memcpy(to->bytes, bytes, (size_t)size);
        to->bytes += size;
        return;
    }
    lb_convert(to->floats, LB_F32, bytes, t->tap.dtype, n);
    for (int64_t i = 0; to->scale != 1 && i < n; i++) to->floats[i] *= to->scale;
    to->floats += n;
}

/* A run of positions of one block. */
struct span {
    int shard, tap;
    int64_t index, inside, count;
};

lb_status cache_read_positions(shard *s, shard_tap *t, int64_t first, int64_t count, cache_sink *to) {
    char small[8192], *bytes = small;
    size_t size = (size_t)(count * t->grid.row_bytes);
    if (size > sizeof small && !(bytes = lb_alloc(size, 1))) return LB_E_NOMEM;
    lb_status st = shard_read_rows(s, t, first, count, bytes);
    if (st == LB_OK) cache_pour(to, t, bytes, (int64_t)size);
    if (bytes != small) lb_free(bytes);
    return st;
}

static lb_status read_alone(lb_cache *c, const struct span *p, cache_sink *to) {
    shard *s = &c->shards[p->shard];
    shard_tap *t = &s->taps[p->tap];
    lb_status st = cache_wake(c, s);
    if (st != LB_OK) return st;
    s->users++;
    pthread_mutex_unlock(&c->lock);
    st = cache_read_positions(s, t, p->index * t->grid.rows + p->inside, p->count, to);
    pthread_mutex_lock(&c->lock);
    s->users--;
    return st;
}

/* Positions first .. first+count-1 of one tap. Under the lock. */
static lb_status read_span(lb_cache *c, int shard_index, int tap, int64_t first, int64_t count, cache_sink *to) {
    shard_tap *t = &c->shards[shard_index].taps[tap];
    int64_t row = t->grid.row_bytes;
    lb_status st = LB_OK;
    while (count > 0 && row > 0 && st == LB_OK) {
        struct span p = {shard_index, tap, first / t->grid.rows, first % t->grid.rows, count};
        struct cache_block *b = NULL;
        if (p.count > t->grid.rows - p.inside) p.count = t->grid.rows - p.inside;
        if (!cache_block_find(c, shard_index, tap, p.index) && cache_alone(c, shard_index, tap, p.index, 1, p.count)) {
            st = read_alone(c, &p, to);
        } else if ((st = cache_block_get(c, shard_index, tap, p.index, true, &b)) == LB_OK) {
            pthread_mutex_unlock(&c->lock);
            cache_pour(to, t, b->bytes + p.inside * row, p.count * row);
            pthread_mutex_lock(&c->lock);
            cache_block_release(c, b, p.count);
        }
        first += p.count;
        count -= p.count;
    }
    return st;
}

lb_status cache_check_tap(const lb_cache *c, int tap, bool ragged) {
    const lb_cache_tap *t = lb_cache_tap_at(c, tap);
    if (!t) return lb_fail(LB_E_NOTFOUND, "tap %d of a cache of %d taps", tap, lb_cache_taps(c));
    if (t->ragged != ragged) return lb_fail(LB_E_ARG, "tap '%s' has %s length", t->name, t->ragged ? "a varying" : "one");
    return LB_OK;
}

lb_status cache_ready_shard(lb_cache *c, const shard *const_s, int tap) {
    shard *s = &c->shards[const_s - c->shards];
    shard_tap *t = &s->taps[tap];
    bool there = s->foreign || ((!t->tap.ragged || t->offsets) && (t->tap.dtype != LB_I8 || t->scale));
    lb_status st = there ? LB_OK : cache_wake(c, s);
    return st == LB_OK ? shard_load_tap(s, t) : st;
}

lb_status lb_cache_read_ragged(lb_cache *c, int tap, int64_t row, float **out, int64_t *length) {
    int64_t inside = 0;
    float *values = NULL;
    lb_status st = cache_check_tap(c, tap, true);
    if (st != LB_OK) return st;
    const shard *s = cache_shard_of(c, row, &inside);
    if (!s) return lb_fail(LB_E_NOTFOUND, "row %lld of a cache of %lld rows", (long long)row, (long long)c->rows);
    pthread_mutex_lock(&c->lock);
    st = cache_ready_shard(c, s, tap);
    if (st == LB_OK) {
        const shard_tap *t = &s->taps[tap];
        int64_t first = t->offsets[inside], n = t->offsets[inside + 1] - first;
        values = lb_alloc((size_t)n, (size_t)cache_numel(t->tap.rank - 1, t->tap.shape + 1) * sizeof *values);
        cache_sink to = {.floats = values, .scale = t->scale ? t->scale[inside] : 1};
        st = values ? read_span(c, (int)(s - c->shards), tap, first, n, &to) : LB_E_NOMEM;
        *length = st == LB_OK ? n : *length;
    }
    pthread_mutex_unlock(&c->lock);
    if (st == LB_OK) *out = values;
    else lb_free(values);
    return st;
}

lb_status lb_cache_length(lb_cache *c, int tap, int64_t row, int64_t *length) {
    int64_t inside = 0;
    lb_status st = cache_check_tap(c, tap, true);
    const shard *s = st == LB_OK ? cache_shard_of(c, row, &inside) : NULL;
    if (st == LB_OK && !s) st = lb_fail(LB_E_NOTFOUND, "row %lld of a cache of %lld rows", (long long)row, (long long)c->rows);
    if (st != LB_OK) return st;
    pthread_mutex_lock(&c->lock);
    st = cache_ready_shard(c, s, tap);
    if (st == LB_OK) *length = s->taps[tap].offsets[inside + 1] - s->taps[tap].offsets[inside];
    pthread_mutex_unlock(&c->lock);
    return st;
}

lb_status cache_stored_row(lb_cache *c, int tap, int64_t row, lb_buf *out) {
    int64_t inside = 0, count = 1;
    const shard *s = cache_shard_of(c, row, &inside);
    if (!s) return lb_fail(LB_E_NOTFOUND, "row %lld of a cache of %lld rows", (long long)row, (long long)c->rows);
    pthread_mutex_lock(&c->lock);
    lb_status st = cache_ready_shard(c, s, tap);
    const shard_tap *t = &s->taps[tap];
    int64_t first = inside;
    if (st == LB_OK && t->tap.ragged) {
        first = t->offsets[inside];
        count = t->offsets[inside + 1] - first;
        lb_buf_add(out, &count, sizeof count);
    }
    const float one = 1;
    if (t->tap.dtype == LB_I8) lb_buf_add(out, t->scale ? &t->scale[inside] : &one, sizeof one);
    size_t at = out->size, size = (size_t)(count * t->grid.row_bytes);
    (void)lb_buf_room(out, size);
    if (st == LB_OK) st = lb_buf_status(out);
    if (st == LB_OK && size) st = read_span(c, (int)(s - c->shards), tap, first, count, &(cache_sink){.bytes = out->data + at});
    pthread_mutex_unlock(&c->lock);
    return st;
}
