/* SPDX-License-Identifier: Apache-2.0 */
#include "datasets/augments.h"
#include <stdio.h>
#include <string.h>
#include "base/hash.h"

#define AUGMENT(id) extern const lb_augment_member lb_augment_##id;
#include "datasets/augments.def"
#undef AUGMENT
static const lb_head *const members[] = {
#define AUGMENT(id) (const lb_head *)&lb_augment_##id,
#include "datasets/augments.def"
#undef AUGMENT
};

static void describe(const lb_head *head, lb_buf *out) {
    const lb_augment_member *m = (const lb_augment_member *)head;
    lb_buf_format(out, "\nChanges: %s\nDrawn: %s\n", m->on, m->values);
}

const lb_family lb_augments = {.name = "augments", .text = "random changes of items in training", .def = "datasets/augments.def", .dir = "datasets/augments", .count = (int)LB_COUNT(members), .members = members,
                               .describe = describe};

enum { LINKS = 32 };

typedef struct link {
    const lb_augment_member *member;
    void *cfg;
} link;

struct lb_chain {
    link at[LINKS];
    int count;
};

void lb_scene_free(lb_scene *v) {
    lb_image_free(&v->image);
    lb_image_free(&v->mask);
    lb_free(v->boxes);
    lb_free(v->planes);
    lb_free(v->soft);
    *v = (lb_scene){0};
}

/* ---- the chain ---- */

static lb_status open_link(link *l, const lb_value *map, const char *where, int64_t nth) {
    const lb_head *head = NULL;
    lb_value *own = NULL;
    const char *name = map->kind == LB_V_MAP ? lb_get_text(map, "op", NULL) : NULL;
    if (!name) return lb_fail(LB_E_ARG, "%s: line %d: augmentation %lld is no map with 'op'", where, map->line, (long long)nth + 1);
    lb_status st = LB_OK;
    LB_TRY(lb_family_find(&head, &lb_augments, name));
    if (!(own = lb_value_map())) LB_TRY(LB_E_NOMEM);
    for (int64_t i = 0; i < map->count; i++)
        if (strcmp(map->keys[i], "op") != 0) lb_map_put(own, map->keys[i], lb_value_copy(map->items[i]));
    if (!(l->cfg = lb_calloc(1, head->params_size))) LB_TRY(LB_E_NOMEM);
    st = lb_params_from_value(head->params, l->cfg, own);
    if (st != LB_OK) {
        lb_free(l->cfg);
        l->cfg = NULL;
        st = lb_where(st, "%s: %s", where, name);
        goto done;
    }
    l->member = (const lb_augment_member *)head;
done:
    lb_value_free(own);
    return st;
}

lb_status lb_chain_open(lb_chain **out, const lb_value *list, const char *where) {
    if (list->kind != LB_V_LIST) return lb_fail(LB_E_ARG, "%s: line %d: a list of augmentations is expected, [{op: flip}, ...]", where, list->line);
    if (list->count > LINKS) return lb_fail(LB_E_LIMIT, "%s: more than %d augmentations", where, LINKS);
    lb_chain *c = lb_calloc(1, sizeof *c);
    if (!c) return LB_E_NOMEM;
    lb_status st = LB_OK;
    for (int64_t i = 0; i < list->count && st == LB_OK; i++) {
        st = open_link(&c->at[i], list->items[i], where, i);
        c->count += st == LB_OK;
    }
    if (st == LB_OK) *out = c;
    else lb_chain_close(c);
    return st;
}

void lb_chain_close(lb_chain *c) {
    if (!c) return;
    for (int i = 0; i < c->count; i++) {
        lb_params_free(c->at[i].member->params, c->at[i].cfg);
        lb_free(c->at[i].cfg);
    }
    lb_free(c);
}

lb_value *lb_chain_value(const lb_chain *c) {
    lb_value *list = lb_value_list();
    for (int i = 0; i < c->count; i++) {
        const lb_augment_member *m = c->at[i].member;
        lb_value *row = lb_value_map(), *params = lb_params_to_value(m->params, c->at[i].cfg);
        lb_map_text(row, "op", m->id);
        for (int64_t k = 0; params && k < params->count; k++) lb_map_put(row, params->keys[k], lb_value_copy(params->items[k]));
        lb_value_free(params);
        lb_list_put(list, row);
    }
    return list;
}

static bool is_pair(const lb_augment_member *m) { return strcmp(m->on, "pair") == 0; }

static bool on_planes(const lb_augment_member *m) { return is_pair(m) || strcmp(m->on, "planes") == 0; }

bool lb_chain_has_pairs(const lb_chain *c) {
    for (int i = 0; i < c->count; i++)
        if (is_pair(c->at[i].member)) return true;
    return false;
}

/* ---- rows ---- */

/* The next word of a list of names into `word`; the rest, NULL at the end. */
static const char *next_name(char *word, size_t cap, const char *names) {
    size_t n = strcspn(names, " ");
    if (n == 0) return NULL;
    snprintf(word, cap, "%.*s", (int)n, names);
    return names + n + (names[n] == ' ');
}

lb_status lb_chain_draw(lb_value **row, const lb_chain *c, int64_t width, int64_t height, uint64_t seed, uint64_t epoch, const char *key) {
    lb_value *list = lb_value_list();
    char word[32];
    for (int i = 0; i < c->count; i++) {
        const lb_augment_member *m = c->at[i].member;
        double values[LB_AUGMENT_VALUES] = {0};
        /* A generator of its own for each member: a changed option of one leaves the others as they were. */
        lb_rng rng = lb_rng_of(seed, epoch, key);
        rng = lb_rng_make(lb_rng_u64(&rng), (uint64_t)i);
        m->draw(values, c->at[i].cfg, width, height, &rng);
        if (m->size) m->size(&width, &height, values, c->at[i].cfg);
        lb_value *map = lb_value_map();
        lb_map_text(map, "op", m->id);
        int k = 0;
        for (const char *p = next_name(word, sizeof word, m->values); p && k < LB_AUGMENT_VALUES; p = next_name(word, sizeof word, p)) lb_map_real(map, word, values[k++]);
        lb_list_put(list, map);
    }
    if (!list || list->failed) {
        lb_value_free(list);
        return lb_fail(LB_E_NOMEM, "no memory for a row of augmentations");
    }
    *row = list;
    return LB_OK;
}

static lb_status values_of(double *values, const link *l, const lb_value *row) {
    char word[32];
    int k = 0;
    if (strcmp(lb_get_text(row, "op", ""), l->member->id) != 0) return lb_fail(LB_E_MISMATCH, "a row drawn for '%s' in place of '%s'", lb_get_text(row, "op", ""), l->member->id);
    for (const char *p = next_name(word, sizeof word, l->member->values); p && k < LB_AUGMENT_VALUES; p = next_name(word, sizeof word, p)) {
        const lb_value *v = lb_get(row, word);
        if (!v || (v->kind != LB_V_REAL && v->kind != LB_V_INT)) return lb_fail(LB_E_MISMATCH, "a row of %s without '%s'", l->member->id, word);
        values[k++] = lb_get_real(row, word, 0);
    }
    return LB_OK;
}

lb_status lb_chain_apply(lb_scene *v, const lb_scene *other, bool pixels, const lb_chain *c, const lb_value *row) {
    if (row->kind != LB_V_LIST || row->count != c->count) return lb_fail(LB_E_MISMATCH, "a row of %lld augmentations in place of %d", (long long)row->count, c->count);
    if (pixels && v->image.pixels && (v->image.channels != 3 || v->image.bits != 8))
        return lb_fail(LB_E_ARG, "augmentation wants RGB u8 pictures, got %d channels of %d bits", v->image.channels, v->image.bits);
    for (int i = 0; i < c->count; i++) {
        const link *l = &c->at[i];
        double values[LB_AUGMENT_VALUES] = {0};
        if (on_planes(l->member) == pixels) continue;
        lb_status st = values_of(values, l, row->items[i]);
        if (st == LB_OK) st = l->member->apply(v, other, values, l->cfg);
        if (st != LB_OK) return lb_where(st, "%s", l->member->id);
    }
    return LB_OK;
}

/* ---- rows as numbers ---- */

enum { MARKS = 2, OLDER = 8 }; /* rows of 8 numbers are those of datasets/augment.h */

static int64_t count_values(const lb_chain *c) {
    char word[32];
    int64_t n = 0;
    for (int i = 0; i < c->count; i++)
        for (const char *p = next_name(word, sizeof word, c->at[i].member->values); p; p = next_name(word, sizeof word, p)) n++;
    return n;
}

int64_t lb_chain_numbers(const lb_chain *c) {
    int64_t n = MARKS + count_values(c);
    return n == OLDER ? n + 1 : n;
}

/* 48 bits of the list's hash, 24 in each number: a float holds them. */
static lb_status mark(float out[MARKS], const lb_chain *c) {
    lb_value *v = lb_chain_value(c);
    lb_buf text = {0};
    char hex[65];
    lb_status st = v ? lb_json_write(&text, v, 0) : LB_E_NOMEM;
    if (st == LB_OK) {
        lb_sha256_of(text.data, text.size, hex);
        for (int k = 0; k < MARKS; k++) {
            unsigned bits = 0;
            sscanf(hex + 6 * k, "%6x", &bits);
            out[k] = (float)bits;
        }
    }
    lb_value_free(v);
    lb_buf_free(&text);
    return st;
}

lb_status lb_chain_pack(float *out, const lb_chain *c, const lb_value *row) {
    char word[32];
    int64_t k = MARKS, all = lb_chain_numbers(c);
    if (row->kind != LB_V_LIST || row->count != c->count) return lb_fail(LB_E_MISMATCH, "a row of %lld augmentations in place of %d", (long long)row->count, c->count);
    lb_status st = mark(out, c);
    for (int i = 0; i < c->count && st == LB_OK; i++) {
        double values[LB_AUGMENT_VALUES] = {0};
        int n = 0;
        st = values_of(values, &c->at[i], row->items[i]);
        for (const char *p = next_name(word, sizeof word, c->at[i].member->values); p && n < LB_AUGMENT_VALUES; p = next_name(word, sizeof word, p)) out[k++] = (float)values[n++];
    }
    while (k < all) out[k++] = 0;
    return st;
}

lb_status lb_chain_unpack(lb_value **row, const lb_chain *c, const float *in) {
    char word[32];
    float own[MARKS];
    int64_t k = MARKS;
    lb_status st = mark(own, c);
    if (st != LB_OK) return st;
    if (memcmp(own, in, sizeof own) != 0) return lb_fail(LB_E_MISMATCH, "what was drawn is of another list of augmentations");
    lb_value *list = lb_value_list();
    for (int i = 0; i < c->count; i++) {
        lb_value *map = lb_value_map();
        lb_map_text(map, "op", c->at[i].member->id);
        for (const char *p = next_name(word, sizeof word, c->at[i].member->values); p; p = next_name(word, sizeof word, p)) lb_map_real(map, word, (double)in[k++]);
        lb_list_put(list, map);
    }
    if (!list || list->failed) {
        lb_value_free(list);
        return lb_fail(LB_E_NOMEM, "no memory for a row of augmentations");
    }
    *row = list;
    return LB_OK;
}
