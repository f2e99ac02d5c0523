/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "tensor/arrange.h"
#include "tensor/derived.h"

enum { MOST = 8, DOTS = 52, LETTERS = DOTS + LB_MAX_RANK }; /* the axes of "..." have the last numbers */

/* An operand with a letter for each axis; no letter twice. */
typedef struct labelled {
    lb_tensor *x;
    int count;
    int letter[LB_MAX_RANK];
} labelled;

typedef struct sum {
    lb_tape *t;
    int64_t size[LETTERS]; /* -1 = not seen */
    int out[LB_MAX_RANK], out_count, dots; /* dots: most axes that "..." stands for */
} sum;

static int number_of(char c) {
    return c >= 'a' && c <= 'z' ? c - 'a' : c >= 'A' && c <= 'Z' ? 26 + c - 'A' : -1;
}

static int place_of(int count, const int *letters, int letter) {
    for (int i = 0; i < count; i++)
        if (letters[i] == letter) return i;
    return -1;
}

/* Letters of one part of the text; blanks do not count. *dots: before which of them "..." stands, -1 = nowhere. @return how many, -1 on anything else */
static int read_letters(const char **at, int *letters, int *dots) {
    int n = 0;
    *dots = -1;
    for (; **at && **at != ',' && strncmp(*at, "->", 2) != 0; ++*at) {
        if (**at == ' ') continue;
        if (*dots < 0 && strncmp(*at, "...", 3) == 0) {
            *dots = n;
            *at += 2;
            continue;
        }
        if (n == LB_MAX_RANK || number_of(**at) < 0) return -1;
        letters[n++] = number_of(**at);
    }
    return n;
}

/* Puts the numbers of `extra` axes, the last ones there are, in for "...". @return how many letters there are now */
static int put_dots(int *letters, int n, int dots, int extra) {
    if (dots < 0 || extra <= 0 || n + extra > LB_MAX_RANK) return n;
    memmove(letters + dots + extra, letters + dots, sizeof *letters * (size_t)(n - dots));
    for (int i = 0; i < extra; i++) letters[dots + i] = LETTERS - extra + i;
    return n + extra;
}

static bool read_text(sum *s, const char *text, int n, lb_tensor *const *x, labelled *part) {
    const char *at = text;
    int dots;
    bool fine = n >= 1 && n <= MOST;
    for (int i = 0; fine && i < n; i++) {
        part[i].x = x[i];
        part[i].count = read_letters(&at, part[i].letter, &dots);
        fine = part[i].count >= 0 && (i == n - 1 || *at++ == ',');
        int extra = fine && dots >= 0 && x[i] ? x[i]->rank - part[i].count : 0;
        if (extra > s->dots) s->dots = extra;
        part[i].count = put_dots(part[i].letter, part[i].count, dots, extra);
    }
    fine = fine && strncmp(at, "->", 2) == 0;
    if (fine) at += 2;
    s->out_count = fine ? read_letters(&at, s->out, &dots) : 0;
    fine = fine && s->out_count >= 0 && *at == 0;
    if (fine) s->out_count = put_dots(s->out, s->out_count, dots, s->dots);
    for (int i = 0; fine && i < s->out_count; i++) fine = place_of(i, s->out, s->out[i]) < 0;
    if (!fine) lb_tape_fail(s->t, LB_E_ARG, "einsum: cannot read '%s' for %d operands, expected a form like 'bij,bjk->bik'", text, n);
    return fine;
}

static bool check_sizes(sum *s, const char *text, int n, const labelled *part) {
    for (int i = 0; i < LETTERS; i++) s->size[i] = -1;
    for (int i = 0; i < n; i++) {
        bool fits = part[i].x && part[i].x->rank == part[i].count;
        for (int k = 0; fits && k < part[i].count; k++) {
            int64_t *size = &s->size[part[i].letter[k]], here = part[i].x->shape[k];
            bool repeats = part[i].letter[k] >= DOTS;
            if (*size < 0 || (repeats && *size == 1)) *size = here;
            fits = *size == here || (repeats && here == 1);
        }
        if (!fits) lb_tape_fail(s->t, LB_E_SHAPE, "einsum: the shape of operand %d does not fit '%s'", i + 1, text);
    }
    for (int i = 0; lb_tape_ok(s->t) && i < s->out_count; i++)
        if (s->size[s->out[i]] < 0) lb_tape_fail(s->t, LB_E_ARG, "einsum: a letter of the result of '%s' stands in no operand", text);
    return lb_tape_ok(s->t);
}

/* Axes of "..." that are repeated, of size 1, go: products repeat them. */
static labelled spread(sum *s, labelled p) {
    for (int i = p.count - 1; i >= 0; i--) {
        if (p.letter[i] < DOTS || p.x->shape[i] != 1 || s->size[p.letter[i]] == 1) continue;
        p.x = lb_squeeze(s->t, p.x, i);
        memmove(p.letter + i, p.letter + i + 1, sizeof(int) * (size_t)(p.count - i - 1));
        p.count--;
    }
    return p;
}

/* Axes in the order of `letters`, all of which p has. */
static labelled ordered(sum *s, labelled p, int count, const int *letters) {
    int order[LB_MAX_RANK];
    bool same = true;
    for (int i = 0; i < count; i++) {
        order[i] = place_of(p.count, p.letter, letters[i]);
        same = same && order[i] == i;
    }
    if (!same) p.x = lb_permute(s->t, p.x, order);
    memcpy(p.letter, letters, sizeof(int) * (size_t)count);
    return p;
}

/* A letter that stands twice: those two axes to the end, their diagonal there. */
static labelled diagonals(sum *s, labelled p) {
    for (int i = 0; i < p.count; i++) {
        int j = i + 1 + place_of(p.count - i - 1, p.letter + i + 1, p.letter[i]), order[LB_MAX_RANK], n = 0, letter = p.letter[i];
        if (j == i) continue;
        for (int k = 0; k < p.count; k++)
            if (k != i && k != j) order[n++] = k;
        for (int k = 0; k < n; k++) p.letter[k] = p.letter[order[k]];
        order[n] = i;
        order[n + 1] = j;
        p.x = lb_diagonal(s->t, lb_permute(s->t, p.x, order));
        p.letter[n] = letter;
        p.count--;
        i = -1;
    }
    return p;
}

/* Sums over the letters that nobody else has and the result does not want. */
static labelled without(sum *s, labelled p, uint64_t wanted) {
    lb_axes gone = {0, {0}};
    int kept = 0;
    for (int i = 0; i < p.count; i++) {
        if (wanted >> p.letter[i] & 1) p.letter[kept++] = p.letter[i];
        else gone.at[gone.n++] = i;
    }
    if (gone.n > 0) p.x = lb_sum_over(s->t, p.x, gone, false);
    p.count = kept;
    return p;
}

static uint64_t set_of(int count, const int *letters) {
    uint64_t set = 0;
    for (int i = 0; i < count; i++) set |= (uint64_t)1 << letters[i];
    return set;
}

/* Some of the letters of an operand, and the product of their sizes. */
typedef struct group {
    int count, letter[LB_MAX_RANK];
    int64_t size;
} group;

static group group_of(const sum *s, const labelled *p, uint64_t set) {
    group g = {.size = 1};
    for (int i = 0; i < p->count; i++) {
        if (!(set >> p->letter[i] & 1)) continue;
        g.letter[g.count++] = p->letter[i];
        g.size *= s->size[p->letter[i]];
    }
    return g;
}

/* The letters of three groups, one after the other. @return how many */
static int in_row(const group *a, const group *b, const group *c, int *letters) {
    const group *all[] = {a, b, c};
    int n = 0;
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < all[k]->count && n < LB_MAX_RANK; i++) letters[n++] = all[k]->letter[i];
    return n;
}

/* x with an axis for each letter, of size 1 for those that it does not have. */
static lb_tensor *with_shape(sum *s, lb_tensor *x, int count, const int *letters, uint64_t present) {
    int64_t shape[LB_MAX_RANK];
    for (int i = 0; i < count; i++) shape[i] = present >> letters[i] & 1 ? s->size[letters[i]] : 1;
    return lb_reshape(s->t, x, count, shape);
}

/* Two operands into one: of the letters that both have, the wanted ones run along, the others are summed over. */
static labelled contract(sum *s, labelled a, labelled b, uint64_t wanted) {
    uint64_t both = set_of(a.count, a.letter) & set_of(b.count, b.letter);
    a = without(s, a, wanted | both);
    b = without(s, b, wanted | both);
    group along = group_of(s, &a, both & wanted), summed = group_of(s, &a, both & ~wanted);
    group rows = group_of(s, &a, ~both), columns = group_of(s, &b, ~both);
    labelled y = {.x = lb_inert(s->t)};
    int letters[LB_MAX_RANK];
    if (along.count + rows.count + columns.count > LB_MAX_RANK) {
        lb_tape_fail(s->t, LB_E_SHAPE, "einsum: a product with more than %d letters on the way", LB_MAX_RANK);
        return y;
    }
    a = ordered(s, a, in_row(&along, &rows, &summed, letters), letters);
    b = ordered(s, b, in_row(&along, &summed, &columns, letters), letters);
    y.count = in_row(&along, &rows, &columns, y.letter);
    if (summed.count == 0) {
        uint64_t in_a = set_of(a.count, a.letter), in_b = set_of(b.count, b.letter);
        y.x = lb_mul(s->t, with_shape(s, a.x, y.count, y.letter, in_a), with_shape(s, b.x, y.count, y.letter, in_b));
        return y;
    }
    lb_tensor *left = lb_reshape(s->t, a.x, 3, (int64_t[]){along.size, rows.size, summed.size});
    lb_tensor *right = lb_reshape(s->t, b.x, 3, (int64_t[]){along.size, summed.size, columns.size});
    if (rows.size == 1 && columns.size == 1) y.x = lb_sum(s->t, lb_mul(s->t, lb_squeeze(s->t, left, 1), lb_squeeze(s->t, right, 2)), -1, false);
    else y.x = lb_matmul(s->t, left, right, false, false);
    y.x = with_shape(s, y.x, y.count, y.letter, ~(uint64_t)0);
    return y;
}

static double cost(const sum *s, const labelled *a, const labelled *b) {
    uint64_t set = set_of(a->count, a->letter) | set_of(b->count, b->letter);
    double size = 1;
    for (int i = 0; i < LETTERS; i++)
        if (set >> i & 1) size *= (double)s->size[i];
    return size;
}

lb_tensor *lb_einsum(lb_tape *t, const char *text, int n, lb_tensor *const *x) {
    labelled part[MOST];
    sum s = {.t = t};
    if (!lb_tape_ok(t) || !read_text(&s, text, n, x, part) || !check_sizes(&s, text, n, part)) return lb_inert(t);
    for (int i = 0; i < n; i++) part[i] = diagonals(&s, spread(&s, part[i]));
    uint64_t result = set_of(s.out_count, s.out);
    while (n > 1) {
        int first = 0, second = 1;
        uint64_t others = result;
        for (int i = 0; i < n; i++)
            for (int j = i + 1; j < n; j++)
                if (cost(&s, &part[i], &part[j]) < cost(&s, &part[first], &part[second])) first = i, second = j;
        for (int i = 0; i < n; i++)
            if (i != first && i != second) others |= set_of(part[i].count, part[i].letter);
        part[first] = contract(&s, part[first], part[second], others);
        for (int i = second; i + 1 < n; i++) part[i] = part[i + 1];
        n--;
    }
    labelled y = without(&s, part[0], result);
    return ordered(&s, y, s.out_count, s.out).x;
}
