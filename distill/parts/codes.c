/* SPDX-License-Identifier: Apache-2.0 */
#include "distill/parts/codes.h"
#include <math.h>
#include <stdlib.h>

typedef struct item {
    const int64_t *code; /* [levels] */
    int64_t levels, id;
} item;

static int by_code(const void *a, const void *b) {
    const item *x = a, *y = b;
    for (int64_t l = 0; l < x->levels; l++)
        if (x->code[l] != y->code[l]) return x->code[l] < y->code[l] ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static bool same_code(const item *x, const item *y) {
    for (int64_t l = 0; l < x->levels; l++)
        if (x->code[l] != y->code[l]) return false;
    return true;
}

/* Sorted by code, then by id; *codes holds the numbers. Both new; NULL fails the tape. */
static item *sorted_items(lb_tape *t, const lb_tensor *x, int64_t **codes) {
    int64_t n = x->shape[0], levels = x->shape[1];
    item *items = lb_calloc((size_t)n + 1, sizeof *items);
    *codes = lb_calloc((size_t)(n * levels) + 1, sizeof **codes);
    if (!items || !*codes) {
        lb_free(items);
        (void)lb_tape_fail_status(t, LB_E_NOMEM);
        return NULL;
    }
    for (int64_t i = 0; i < n * levels && !lb_part_shapes_only(t); i++) (*codes)[i] = (int64_t)lb_get_at(x, i);
    for (int64_t i = 0; i < n; i++) items[i] = (item){*codes + i * levels, levels, i};
    qsort(items, (size_t)n, sizeof *items, by_code);
    return items;
}

lb_tensor *lb_part_tell_apart(lb_tape *t, const lb_tensor *x, lb_tensor **collided) {
    int64_t n = x->shape[0], levels = x->shape[1], *codes = NULL, collisions = 0;
    lb_tensor *y = *collided = lb_inert(t);
    item *items = sorted_items(t, x, &codes);
    int64_t *longer = items ? lb_calloc((size_t)(n * (levels + 1)) + 1, sizeof *longer) : NULL;
    if (items && !longer) (void)lb_tape_fail_status(t, LB_E_NOMEM);
    for (int64_t i = 0, digit = 0; longer && i < n; i++) {
        digit = i > 0 && same_code(&items[i], &items[i - 1]) ? digit + 1 : 0;
        collisions += digit > 0;
        int64_t *to = longer + items[i].id * (levels + 1);
        for (int64_t l = 0; l < levels; l++) to[l] = items[i].code[l];
        to[levels] = digit;
    }
    if (longer) {
        y = lb_part_indices(t, 2, (int64_t[]){n, levels + 1}, longer);
        *collided = lb_part_indices(t, 0, NULL, &collisions);
    }
    lb_free(items);
    lb_free(codes);
    lb_free(longer);
    return y;
}

lb_tensor *lb_part_may_follow(lb_tape *t, const lb_tensor *codes, const lb_tensor *prefix, int64_t vocab) {
    int64_t n = codes->shape[0], levels = codes->shape[1], rows = prefix->shape[0], length = prefix->shape[1];
    int64_t *allowed = lb_calloc((size_t)(rows * vocab) + 1, sizeof *allowed);
    if (!allowed) return lb_tape_fail_status(t, LB_E_NOMEM);
    for (int64_t i = 0; i < rows * n && !lb_part_shapes_only(t); i++) {
        int64_t b = i / n, at = i % n, same = 0;
        while (same < length && lb_get_at(codes, at * levels + same) == lb_get_at(prefix, b * length + same)) same++;
        if (same == length) allowed[b * vocab + (int64_t)lb_get_at(codes, at * levels + length)] = 1;
    }
    lb_tensor *y = lb_part_indices(t, 2, (int64_t[]){rows, vocab}, allowed);
    lb_free(allowed);
    return y;
}

/* ---- the search: a prefix is a range of the sorted items ---- */

typedef struct prefix {
    int64_t first, end;
    double score;
} prefix;

static int by_score(const void *a, const void *b) {
    const prefix *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return (x->first > y->first) - (x->first < y->first);
}

/* log softmax of a row of the level's table. */
static double log_share(const lb_tensor *tables, int64_t level, int64_t before, int64_t code) {
    int64_t k = tables->shape[2], row = (level * k + before) * k;
    double most = -INFINITY, sum = 0;
    for (int64_t i = 0; i < k; i++) most = fmax(most, lb_get_at(tables, row + i));
    for (int64_t i = 0; i < k; i++) sum += exp(lb_get_at(tables, row + i) - most);
    return lb_get_at(tables, row + code) - most - log(sum);
}

/* Every kept prefix by every code that an item has next. @return how many */
static int64_t extend(prefix *to, const prefix *from, int64_t kept, const item *items, int64_t level, const lb_tensor *tables) {
    int64_t n = 0;
    for (int64_t b = 0; b < kept; b++)
        for (int64_t i = from[b].first, end; i < from[b].end; i = end) {
            int64_t code = items[i].code[level];
            for (end = i + 1; end < from[b].end && items[end].code[level] == code;) end++;
            to[n++] = (prefix){i, end, from[b].score + log_share(tables, level, level ? items[i].code[level - 1] : 0, code)};
        }
    return n;
}

lb_tensor *lb_part_best_items(lb_tape *t, const lb_tensor *codes, const lb_tensor *tables, int64_t beam, lb_tensor **scores) {
    int64_t n = codes->shape[0], kept = 1, *numbers = NULL;
    lb_tensor *best = *scores = lb_inert(t);
    item *items = sorted_items(t, codes, &numbers);
    prefix *from = lb_calloc((size_t)n + 1, sizeof *from), *to = lb_calloc((size_t)n + 1, sizeof *to);
    int64_t *id = lb_calloc((size_t)n + 1, sizeof *id);
    double *score = lb_calloc((size_t)n + 1, sizeof *score);
    bool good = items && from && to && id && score;
    if (!good) (void)lb_tape_fail_status(t, LB_E_NOMEM);
    else from[0] = (prefix){0, n, 0};
    for (int64_t l = 0; good && l < codes->shape[1] && !lb_part_shapes_only(t); l++) {
        int64_t many = extend(to, from, kept, items, l, tables);
        qsort(to, (size_t)many, sizeof *to, by_score);
        kept = many < beam ? many : beam;
        for (int64_t i = 0; i < kept; i++) from[i] = to[i];
    }
    for (int64_t i = 0; good && i < kept; i++) {
        id[i] = items[from[i].first].id;
        score[i] = from[i].score;
    }
    if (good) {
        best = lb_part_indices(t, 1, &kept, id);
        *scores = lb_part_constant(t, 1, &kept, score);
    }
    lb_free(items);
    lb_free(numbers);
    lb_free(from);
    lb_free(to);
    lb_free(id);
    lb_free(score);
    return best;
}
