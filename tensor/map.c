/* SPDX-License-Identifier: Apache-2.0 */
/* LB_TRACE=memory: what a step holds when it holds most. */
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "tensor/parts.h"

typedef struct block {
    const lb_storage *at;
    const lb_op *op; /* whose call took it; NULL = nobody's */
    bool backward, scratch;
    lb_dtype dtype;
    int rank;
    int64_t shape[LB_MAX_RANK];
    int64_t bytes;
} block;

typedef struct blocks {
    block *at;
    size_t count, cap;
} blocks;

struct lbi_map {
    blocks live, most; /* most: live when their bytes were the most */
    int64_t bytes, peak;
    const lb_op *op; /* that ran then */
    bool backward;
};

static bool grow(blocks *b, size_t count) {
    if (count <= b->cap) return true;
    size_t cap = count * 2;
    block *at = lb_realloc(b->at, cap, sizeof *at);
    if (!at) return false;
    b->at = at;
    b->cap = cap;
    return true;
}

lbi_map *lbi_map_new(void) { return lb_calloc(1, sizeof(lbi_map)); }

void lbi_map_free(lbi_map *m) {
    if (!m) return;
    lb_free(m->live.at);
    lb_free(m->most.at);
    lb_free(m);
}

static void keep_most(lbi_map *m, const lb_tape *t) {
    m->peak = m->bytes;
    m->op = t->call ? t->call->op : NULL;
    m->backward = t->in_backward;
    if (!grow(&m->most, m->live.count)) return;
    memcpy(m->most.at, m->live.at, m->live.count * sizeof *m->live.at);
    m->most.count = m->live.count;
}

void lbi_map_take(lb_tape *t, const lb_storage *s, const lb_tensor *x) {
    lbi_map *m = t->map;
    if (!grow(&m->live, m->live.count + 1)) return;
    block *b = &m->live.at[m->live.count++];
    *b = (block){.at = s, .op = t->call ? t->call->op : NULL, .backward = t->in_backward, .scratch = !x, .bytes = (int64_t)s->bytes};
    if (x) {
        b->dtype = x->dtype;
        b->rank = x->rank;
        memcpy(b->shape, x->shape, sizeof b->shape);
    }
    m->bytes += b->bytes;
    if (m->bytes > m->peak) keep_most(m, t);
}

void lbi_map_give(lb_tape *t, const lb_storage *s) {
    blocks *live = &t->map->live;
    for (size_t i = live->count; i-- > 0;) {
        if (live->at[i].at != s) continue;
        t->map->bytes -= live->at[i].bytes;
        live->at[i] = live->at[--live->count];
        return;
    }
}

/* Larger blocks first; alike ones side by side. */
static int by_size(const void *a, const void *b) {
    const block *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes > y->bytes ? -1 : 1;
    if (x->op != y->op) return strcmp(x->op ? x->op->id : "", y->op ? y->op->id : "");
    if (x->backward != y->backward) return x->backward ? 1 : -1;
    if (x->scratch != y->scratch) return x->scratch ? 1 : -1;
    return memcmp(x->shape, y->shape, sizeof x->shape);
}

static void say_blocks(const block *b, size_t times) {
    char shape[120] = "scratch";
    if (!b->scratch) lb_shape_text(shape, sizeof shape, b->rank, b->shape);
    lb_say(LB_LOG_INFO, "tape", "memory: %10.3f MiB = %zu x %s%s %s%s%s", (double)b->bytes * (double)times / 1048576, times, b->backward ? "backward_" : "",
           b->op ? b->op->id : "data", shape, b->scratch || b->dtype == LB_REAL ? "" : ":", b->scratch || b->dtype == LB_REAL ? "" : lb_dtype_name(b->dtype));
}

void lbi_map_say(lb_tape *t) {
    lbi_map *m = t->map;
    if (m->peak > 0) {
        lb_say(LB_LOG_INFO, "tape", "memory: %10.3f MiB at most, in %s%s, %zu blocks:", (double)m->peak / 1048576, m->backward ? "backward_" : "", m->op ? m->op->id : "data", m->most.count);
        qsort(m->most.at, m->most.count, sizeof *m->most.at, by_size);
        for (size_t i = 0, n; i < m->most.count; i += n) {
            for (n = 1; i + n < m->most.count && by_size(&m->most.at[i], &m->most.at[i + n]) == 0; n++) {}
            say_blocks(&m->most.at[i], n);
        }
    }
    m->live.count = m->most.count = 0;
    m->bytes = m->peak = 0;
}
