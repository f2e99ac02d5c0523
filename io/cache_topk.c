/* SPDX-License-Identifier: Apache-2.0 */
/* Logits kept as their k largest probabilities. Stored: NAME.indices u16 (u32 beyond 65,536 classes) and NAME.values f16, falling, equal ones
 * by rising index. Read as NAME: log-probabilities of all classes, what is missing to 1 spread evenly over the others (TinyViT, Wu et al.,
 * arXiv:2207.10666, section 3.1). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "io/cache_private.h"

static const char indices_ending[] = ".indices", values_ending[] = ".values";

lb_status cache_topk_specs(lb_tap_spec out[2], const lb_tap_spec *t, const char *path) {
    char name[2][96];
    if (t->rank != 1 || t->ragged) return lb_fail(LB_E_SHAPE, "%s: tap '%s' is no vector of logits, of which the largest could be kept", path, t->name);
    if (t->topk < 1 || t->topk > t->shape[0]) return lb_fail(LB_E_ARG, "%s: the %lld largest of tap '%s' wanted, it has %lld", path, (long long)t->topk, t->name, (long long)t->shape[0]);
    if (strlen(t->name) + sizeof indices_ending > sizeof name[0]) return lb_fail(LB_E_ARG, "%s: the name of tap '%s' is too long", path, t->name);
    snprintf(name[0], sizeof name[0], "%s%s", t->name, indices_ending);
    snprintf(name[1], sizeof name[1], "%s%s", t->name, values_ending);
    for (int i = 0; i < 2; i++) {
        out[i] = (lb_tap_spec){.rank = 1, .shape = {t->topk}, .deflate = t->deflate, .classes = t->shape[0], .dtype = i == 1 ? LB_F16 : t->shape[0] <= 65536 ? LB_U16 : LB_U32};
        if (!(out[i].name = lb_strdup(name[i]))) return LB_E_NOMEM;
    }
    return LB_OK;
}

typedef struct entry {
    float value;
    uint32_t index;
} entry;

static int falling(const void *a, const void *b) {
    const entry *x = a, *y = b;
    if (x->value != y->value) return x->value > y->value ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

lb_status cache_topk_add(lb_buf *out, const lb_tap_spec *t, const float *logits) {
    int64_t n = t->shape[0], k = t->topk;
    entry *all = lb_alloc((size_t)n, sizeof *all);
    if (!all) return LB_E_NOMEM;
    double sum = 0;
    float most = logits[0];
    for (int64_t i = 0; i < n; i++) {
        all[i] = (entry){logits[i], (uint32_t)i};
        most = fmaxf(most, logits[i]);
    }
    for (int64_t i = 0; i < n; i++) sum += exp((double)logits[i] - (double)most);
    qsort(all, (size_t)n, sizeof *all, falling);
    for (int64_t i = 0; i < k; i++) {
        uint16_t narrow = (uint16_t)all[i].index;
        lb_buf_add(out, n <= 65536 ? (const void *)&narrow : &all[i].index, n <= 65536 ? sizeof narrow : sizeof all[i].index);
    }
    for (int64_t i = 0; i < k; i++) {
        float p = (float)(exp((double)all[i].value - (double)most) / sum);
        uint16_t half;
        lb_convert(&half, LB_F16, &p, LB_F32, 1);
        lb_buf_add(out, &half, sizeof half);
    }
    lb_free(all);
    return LB_OK;
}

/* ---- reading ---- */

/* The pair NAME.indices, NAME.values as NAME, where a file has both of the same sizes. */
void cache_topk_find(lb_cache *c) {
    for (int i = 0; i < c->shards[0].ntaps && c->ndense < CACHE_DENSE; i++) {
        const lb_cache_tap *index = &c->shards[0].taps[i].tap;
        size_t size = strlen(index->name), end = sizeof indices_ending - 1;
        char name[96], partner[120];
        if (size <= end || strcmp(index->name + size - end, indices_ending) != 0 || index->rank != 1 || index->ragged) continue;
        snprintf(name, sizeof name, "%.*s", (int)(size - end), index->name);
        snprintf(partner, sizeof partner, "%s%s", name, values_ending);
        int values = lb_cache_tap_find(c, partner);
        const lb_cache_tap *t = lb_cache_tap_at(c, values);
        if (!t || t->rank != 1 || t->ragged || t->shape[0] != index->shape[0] || t->classes < t->shape[0] || t->shape[0] < 1 || lb_cache_tap_find(c, name) >= 0) continue;
        cache_dense *d = &c->dense[c->ndense++];
        *d = (cache_dense){.indices = i, .values = values, .tap = {.rank = 1, .shape = {t->classes}, .dtype = LB_F16, .classes = t->classes}};
        snprintf(d->tap.name, sizeof d->tap.name, "%s", name);
    }
}

static lb_status spread(float *out, const cache_dense *d, int64_t k, const float *index, const float *p, const char *name) {
    int64_t n = d->tap.classes;
    double sum = 0;
    if (isnan(p[0])) { /* a failed item */
        for (int64_t i = 0; i < n; i++) out[i] = NAN;
        return LB_OK;
    }
    for (int64_t i = 0; i < k; i++) sum += p[i];
    double rest = n > k ? fmax(1 - sum, 0) / (double)(n - k) : 0;
    float tiny = -103.97208f, low = rest > 0 ? fmaxf((float)log(rest), tiny) : tiny; /* the least float's logarithm: nothing is infinite */
    for (int64_t i = 0; i < n; i++) out[i] = low;
    for (int64_t i = 0; i < k; i++) {
        if (!(index[i] >= 0 && index[i] < (float)n)) return lb_fail(LB_E_FORMAT, "tap '%s': index %g of %lld classes", name, (double)index[i], (long long)n);
        if (p[i] > 0) out[(int64_t)index[i]] = logf(p[i]);
    }
    return LB_OK;
}

lb_status cache_topk_read(lb_cache *c, const cache_dense *d, int64_t count, const int64_t *rows, float *out) {
    lb_status st = LB_OK;
    int64_t k = lb_cache_tap_at(c, d->values)->shape[0];
    float *index = lb_alloc((size_t)(count * k) + 1, sizeof *index), *p = lb_alloc((size_t)(count * k) + 1, sizeof *p);
    if (!index || !p) {
        st = LB_E_NOMEM;
        goto done;
    }
    LB_TRY(lb_cache_read(c, d->indices, count, rows, index));
    LB_TRY(lb_cache_read(c, d->values, count, rows, p));
    for (int64_t i = 0; i < count; i++) LB_TRY(spread(out + i * d->tap.classes, d, k, index + i * k, p + i * k, d->tap.name));
done:
    lb_free(index);
    lb_free(p);
    return st;
}
