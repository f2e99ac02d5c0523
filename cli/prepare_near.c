/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <stdlib.h>
#include "base/hash.h"
#include "base/threads.h"
#include "cli/prepare.h"
#include "io/phash.h"
#include "io/uri.h"

enum { PAIRS_MAX = 20000000 };

typedef struct look {
    char sha[65]; /* of the pixels; "" = none */
    uint64_t bits;
} look;

static lb_status hash_one(void *ctx, int64_t i, void **result) {
    prepare_job *j = ctx;
    const lb_item *item = prepare_item(j, i);
    look *l = lb_calloc(1, sizeof *l);
    lb_image img = {0};
    lb_sha256 sum;
    double at = lb_now();
    if (!l) return LB_E_NOMEM;
    lb_status st = lb_item_has_image(item) ? lb_item_image(&img, j->items, item) : LB_E_NOTFOUND;
    double decoded = lb_now();
    cli_stages_add(&j->stages, STAGE_DECODE, decoded - at);
    if (st == LB_OK) st = strcmp(j->hash, "dhash") == 0 ? lb_image_dhash(&l->bits, &img) : lb_image_phash(&l->bits, &img);
    if (st == LB_OK) {
        int32_t size[2] = {img.width, img.height};
        lb_sha256_init(&sum);
        lb_sha256_add(&sum, size, sizeof size);
        lb_sha256_add(&sum, img.pixels, (size_t)img.width * (size_t)img.height * 3);
        lb_sha256_hex(&sum, l->sha);
    }
    cli_stages_add(&j->stages, STAGE_PREPARE, lb_now() - decoded);
    lb_image_free(&img);
    if (st == LB_E_NOMEM) {
        lb_free(l);
        return st;
    }
    lb_error_clear(); /* a broken picture is told when it is prepared */
    *result = l;
    return LB_OK;
}

static void drop(void *ctx, void *l) { lb_free(l); }

static lb_status hash_all(prepare_job *j, look *all) {
    lb_flow *flow = NULL;
    lb_progress_begin(&j->cli->progress, "hash", "pictures", 0, j->n);
    lb_status st = lb_flow_open(&flow, &(lb_flow_spec){.count = j->n, .workers = lb_threads(), .work = hash_one, .drop = drop, .ctx = j});
    for (bool end = false; st == LB_OK && !end;) {
        int64_t i = 0;
        void *l = NULL;
        if ((st = lb_flow_next(flow, &i, &l, &end)) != LB_OK || end) break;
        all[i] = *(look *)l;
        lb_free(l);
        st = lb_progress_at(&j->cli->progress, i + 1, cli_stages_note(&j->stages));
    }
    lb_flow_close(flow);
    lb_progress_end(&j->cli->progress, NULL);
    return st;
}

/* The first row of a set of rows that belong together. */
static int64_t root(int64_t *same, int64_t i) {
    while (same[i] != i) i = same[i] = same[same[i]];
    return i;
}

static void unite(int64_t *same, int64_t a, int64_t b) {
    a = root(same, a), b = root(same, b);
    if (a < b) same[b] = a;
    else same[a] = b;
}

static lb_status report_pair(lb_buf *to, const prepare_job *j, const look *all, const int64_t *at, const lb_near *p) {
    lb_value *v = lb_value_map();
    bool exact = strcmp(all[at[p->a]].sha, all[at[p->b]].sha) == 0;
    lb_map_text(v, "key", prepare_item(j, at[p->b])->key);
    lb_map_text(v, "of", prepare_item(j, at[p->a])->key);
    lb_map_text(v, "kind", exact ? "exact" : "near");
    lb_map_int(v, "distance", p->distance);
    lb_status st = lb_json_write(to, v, 0);
    lb_buf_text(to, "\n");
    lb_value_free(v);
    return st;
}

lb_status prepare_near(prepare_job *j) {
    lb_status st = LB_OK;
    look *all = lb_calloc((size_t)j->n + 1, sizeof *all);
    uint64_t *bits = lb_alloc((size_t)j->n + 1, sizeof *bits);
    int64_t *at = lb_alloc((size_t)j->n + 1, sizeof *at), n = 0, pairs = 0;
    lb_near *near = NULL;
    lb_buf list = {0};
    char *path = lb_ends_with(j->out, ".tar") ? lb_path_folder(j->out) : lb_strdup(j->out), *file = path ? lb_path_join(path, "duplicates.jsonl") : NULL;
    if (!all || !bits || !at || !file) LB_TRY(LB_E_NOMEM);
    LB_TRY(hash_all(j, all));
    for (int64_t i = 0; i < j->n; i++) {
        j->same[i] = i;
        if (all[i].sha[0]) bits[n] = all[i].bits, at[n++] = i;
    }
    LB_TRY(lb_near_pairs(&near, &pairs, bits, n, j->distance, PAIRS_MAX));
    for (int64_t k = 0; k < pairs; k++) {
        unite(j->same, at[near[k].a], at[near[k].b]);
        LB_TRY(report_pair(&list, j, all, at, &near[k]));
    }
    for (int64_t i = 0; i < j->n; i++) j->same[i] = root(j->same, i);
    LB_TRY(lb_buf_status(&list));
    LB_TRY(lb_file_write(file, lb_buf_str(&list), list.size));
    lb_say(LB_LOG_INFO, "prepare", "%lld pairs of equal or near pictures: %s", (long long)pairs, file);
done:
    lb_buf_free(&list);
    lb_free(path);
    lb_free(file);
    lb_free(near);
    lb_free(at);
    lb_free(bits);
    lb_free(all);
    return st;
}

/* ---- splits ---- */

typedef struct member {
    uint64_t hash;
    int64_t root;
} member;

static int by_hash(const void *a, const void *b) {
    const member *x = a, *y = b;
    return x->hash != y->hash ? x->hash < y->hash ? -1 : 1 : (x->root > y->root) - (x->root < y->root);
}

static const char *field_of(const lb_item *item, const char *name) {
    const struct {
        const char *name, *text;
    } fields[] = {{"group", item->group}, {"label", item->label}, {"domain", item->domain}, {"text", item->text}, {"image", item->image}};
    for (size_t i = 0; i < LB_COUNT(fields); i++)
        if (strcmp(fields[i].name, name) == 0) return fields[i].text ? fields[i].text : item->key;
    return item->key;
}

static uint64_t hash_of(const char *text, uint64_t seed) { return lb_hash64(text, strlen(text), seed); }

typedef struct named {
    const char *name;
    int64_t row;
} named;

static int by_name(const void *a, const void *b) {
    const named *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x->row > y->row) - (x->row < y->row);
}

/* Rows of one group, and duplicates of each other, become one set. */
static lb_status join_groups(prepare_job *j, int64_t *set) {
    named *by = lb_alloc((size_t)j->n + 1, sizeof *by);
    if (!by) return LB_E_NOMEM;
    for (int64_t i = 0; i < j->n; i++) {
        set[i] = i;
        by[i] = (named){field_of(prepare_item(j, i), j->group), i};
    }
    if (j->n > 1) qsort(by, (size_t)j->n, sizeof *by, by_name);
    for (int64_t i = 1; i < j->n; i++)
        if (strcmp(by[i].name, by[i - 1].name) == 0) unite(set, by[i].row, by[i - 1].row);
    for (int64_t i = 0; j->dedupe && i < j->n; i++) unite(set, i, j->same[i]);
    lb_free(by);
    return LB_OK;
}

/* Sets in the order of a hash of their first key; each goes where the share is furthest behind. */
lb_status prepare_split(prepare_job *j) {
    lb_status st = LB_OK;
    int64_t *set = lb_alloc((size_t)j->n + 1, sizeof *set), *size = lb_calloc((size_t)j->n + 1, sizeof *size), have[PREPARE_SPLITS] = {0}, n = 0;
    member *order = lb_alloc((size_t)j->n + 1, sizeof *order);
    if (!set || !size || !order) LB_TRY(LB_E_NOMEM);
    LB_TRY(join_groups(j, set));
    for (int64_t i = 0; i < j->n; i++) {
        int64_t r = root(set, i);
        if (size[r]++ == 0) order[n++] = (member){hash_of(field_of(prepare_item(j, r), j->group), j->cli->seed), r};
    }
    if (n > 1) qsort(order, (size_t)n, sizeof *order, by_hash);
    for (int64_t k = 0; k < n; k++) {
        int64_t r = order[k].root;
        int best = 0;
        double least = 2;
        for (int s = 0; s < j->nsplits; s++) {
            double fill = j->ratio[s] > 0 ? ((double)have[s] + (double)size[r]) / (j->ratio[s] * (double)j->n) : 2e18;
            if (fill < least || s == 0) least = fill, best = s;
        }
        have[best] += size[r];
        j->split[r] = best;
    }
    for (int64_t i = 0; i < j->n; i++) j->split[i] = j->split[root(set, i)];
done:
    lb_free(set);
    lb_free(size);
    lb_free(order);
    return st;
}
