/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a fixed size, in any order. They are taken block by block, from all blocks that are in memory at once, so that the lock is asked for
 * seldom and the next rows are fetched while one is converted. */
#include <math.h>
#include <string.h>
#include "io/cache_private.h"

struct wanted {
    int64_t row, at;
    const char *bytes; /* where the row is in memory, once its block is held */
    bool done;
};

/* By row, equal ones as they came: by some bits of the row after the other. */
static void sort_rows(struct wanted *order, struct wanted *other, int64_t count) {
    enum { BITS = 9, ALL = 1 << BITS };
    int64_t most = 0;
    for (int64_t i = 0; i < count; i++) most = order[i].row > most ? order[i].row : most;
    struct wanted *from = order, *to = other;
    for (int shift = 0; most >> shift; shift += BITS) {
        int64_t place[ALL + 1] = {0};
        for (int64_t i = 0; i < count; i++) place[(from[i].row >> shift & (ALL - 1)) + 1]++;
        for (int k = 0; k < ALL - 1; k++) place[k + 1] += place[k];
        for (int64_t i = 0; i < count; i++) to[place[from[i].row >> shift & (ALL - 1)]++] = from[i];
        struct wanted *swap = from;
        from = to;
        to = swap;
    }
    if (from != order) memcpy(order, from, (size_t)count * sizeof *order);
}

/* Wanted rows, in ascending order, that lie in one block of a shard. */
struct together {
    const shard *s;
    int64_t first, index, count; /* first: of the shard; index: the block's */
    struct wanted *order;        /* [count] */
    struct cache_block *block;   /* once it is held */
};

/* One call. Blocks in `held` have this thread as a user, and wait for their rows to be taken. */
struct gather {
    lb_cache *c;
    int tap, nheld;
    int64_t width;
    float *out;
    const struct wanted *end; /* of the rows that are wanted, in ascending order */
    struct together held[64];
};

static struct together lie_together(int tap, struct wanted *order, int64_t count, const shard *s, int64_t inside) {
    int64_t rows = s->taps[tap].grid.rows > 0 ? s->taps[tap].grid.rows : 1;
    struct together g = {.s = s, .first = order[0].row - inside, .index = inside / rows, .count = 1, .order = order};
    for (; g.count < count && !order[g.count].done; g.count++) {
        int64_t place = order[g.count].row - g.first;
        if (place >= s->n || place / rows != g.index || s->status[place]) break;
    }
    return g;
}

/* How many of the first of them follow each other in the file and in what is made of them. */
static int64_t run_length(const struct wanted *order, int64_t count) {
    int64_t n = 1;
    while (n < count && order[n].row == order[0].row + n && order[n].at == order[0].at + n) n++;
    return n;
}

static int64_t count_runs(const struct together *g) {
    int64_t runs = 0;
    for (int64_t i = 0; i < g->count; i += run_length(g->order + i, g->count - i)) runs++;
    return runs;
}

static cache_sink sink_of(const struct gather *j, const struct together *g, const struct wanted *w) {
    const float *scale = g->s->taps[j->tap].scale;
    return (cache_sink){.floats = j->out + w->at * j->width, .scale = scale ? scale[w->row - g->first] : 1};
}

/* Each run of rows by a read of its own. Under the lock. */
static lb_status read_runs(struct gather *j, const struct together *g) {
    shard *s = &j->c->shards[g->s - j->c->shards];
    shard_tap *t = &s->taps[j->tap];
    lb_status st = cache_wake(j->c, s);
    if (st != LB_OK) return st;
    s->users++;
    pthread_mutex_unlock(&j->c->lock);
    for (int64_t i = 0, n; i < g->count && st == LB_OK; i += n) {
        cache_sink to = sink_of(j, g, &g->order[i]);
        n = t->scale ? 1 : run_length(g->order + i, g->count - i);
        st = cache_read_positions(s, t, g->order[i].row - g->first, n, &to);
    }
    pthread_mutex_lock(&j->c->lock);
    s->users--;
    return st;
}

/* Rows at random come from memory, not from a cache: the next ones are on their way while one is converted. What is fetched here is a row's
 * beginning; the processor sees by itself that it goes on. */
static void fetch_ahead(const struct gather *j, const struct wanted *w) {
    enum { AHEAD = 4 };
    if (j->end - w <= AHEAD || !w[AHEAD].bytes) return;
    for (int at = 0; at < 256; at += 64) __builtin_prefetch(w[AHEAD].bytes + at);
}

static void take_block(const struct gather *j, const struct together *g) {
    const shard_tap *t = &g->s->taps[j->tap];
    for (const struct wanted *w = g->order; w < g->order + g->count; w++) {
        cache_sink to = sink_of(j, g, w);
        fetch_ahead(j, w);
        if (to.scale == 1) lb_convert(to.floats, LB_F32, w->bytes, t->tap.dtype, j->width);
        else cache_pour(&to, t, w->bytes, t->grid.row_bytes);
    }
}

/* Takes the rows of all that is held, and lets it go. Under the lock. */
static void take_rows(struct gather *j) {
    if (!j->nheld) return;
    pthread_mutex_unlock(&j->c->lock);
    for (int i = 0; i < j->nheld; i++) take_block(j, &j->held[i]);
    pthread_mutex_lock(&j->c->lock);
    for (int i = 0; i < j->nheld; i++) cache_block_release(j->c, j->held[i].block, j->held[i].count);
    j->nheld = 0;
}

static void hold(struct gather *j, const struct together *g) {
    const cache_grid *grid = &g->s->taps[j->tap].grid;
    int64_t first = g->first + g->index * grid->rows;
    if (j->nheld == (int)LB_COUNT(j->held)) take_rows(j);
    for (int64_t i = 0; i < g->count; i++) g->order[i].bytes = g->block->bytes + (g->order[i].row - first) * grid->row_bytes;
    j->held[j->nheld++] = *g;
}

/* Takes rows of one block now, or holds it. *busy: another thread is reading it, and this one is not patient. Under the lock. */
static lb_status take_together(struct gather *j, struct together *g, bool patient, bool *busy) {
    int shard_index = (int)(g->s - j->c->shards);
    const shard_tap *t = &g->s->taps[j->tap];
    lb_status st = LB_OK;
    *busy = false;
    g->block = t->grid.row_bytes ? cache_block_find(j->c, shard_index, j->tap, g->index) : NULL;
    if (g->block && g->block->bytes) {
        g->block->users++;
        hold(j, g);
    } else if (t->grid.row_bytes && !g->block && cache_alone(j->c, shard_index, j->tap, g->index, count_runs(g), g->count)) {
        st = read_runs(j, g);
    } else if (t->grid.row_bytes) {
        take_rows(j); /* nothing is held while memory is made free, or waited for */
        st = cache_block_get(j->c, shard_index, j->tap, g->index, patient, &g->block);
        *busy = st == LB_OK && !g->block;
        if (st == LB_OK && g->block) hold(j, g);
    }
    for (int64_t i = 0; i < g->count && !*busy; i++) g->order[i].done = true;
    return st;
}

/* Rows in ascending order, block by block. In a hurry, blocks that other threads are reading are left for later (*left counts rows), so that
 * threads share the work. */
static lb_status take_sorted(struct gather *j, struct wanted *order, int64_t count, bool patient, int64_t *left) {
    lb_status st = LB_OK;
    *left = 0;
    for (int64_t i = 0, n; i < count && st == LB_OK; i += n) {
        int64_t inside = 0;
        bool busy = false;
        n = 1;
        if (order[i].done) continue;
        const shard *s = cache_shard_of(j->c, order[i].row, &inside);
        if (s->status[inside]) {
            for (int64_t k = 0; k < j->width; k++) j->out[order[i].at * j->width + k] = NAN;
            order[i].done = true;
        } else if ((st = cache_ready_shard(j->c, s, j->tap)) == LB_OK) {
            struct together g = lie_together(j->tap, order + i, count - i, s, inside);
            n = g.count;
            st = take_together(j, &g, patient, &busy);
            *left += busy ? n : 0;
        }
    }
    take_rows(j);
    return st;
}

lb_status lb_cache_read(lb_cache *c, int tap, int64_t count, const int64_t *rows, float *out) {
    lb_status st = cache_check_tap(c, tap, false);
    if (st != LB_OK) return st;
    const lb_cache_tap *t = lb_cache_tap_at(c, tap);
    if (tap >= c->shards[0].ntaps) return cache_topk_read(c, &c->dense[tap - c->shards[0].ntaps], count, rows, out);
    for (int64_t i = 0; i < count; i++)
        if (rows[i] < 0 || rows[i] >= c->rows) return lb_fail(LB_E_NOTFOUND, "row %lld of a cache of %lld rows", (long long)rows[i], (long long)c->rows);
    struct wanted few[64], *order = 2 * count > (int64_t)LB_COUNT(few) ? lb_alloc((size_t)count, 2 * sizeof *order) : few;
    if (!order) return LB_E_NOMEM;
    bool sorted = true;
    for (int64_t i = 0; i < count; i++) {
        order[i] = (struct wanted){.row = rows[i], .at = i};
        sorted &= i == 0 || rows[i] >= rows[i - 1];
    }
    if (!sorted) sort_rows(order, order + count, count); /* each block is met once */
    struct gather j = {.c = c, .tap = tap, .width = cache_numel(t->rank, t->shape), .out = out, .end = order + count};
    int64_t left = 0;
    pthread_mutex_lock(&c->lock);
    st = take_sorted(&j, order, count, false, &left);
    if (st == LB_OK && left) st = take_sorted(&j, order, count, true, &left);
    pthread_mutex_unlock(&c->lock);
    if (order != few) lb_free(order);
    return st;
}
