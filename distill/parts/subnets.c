/* SPDX-License-Identifier: Apache-2.0 */
/* Networks that share weights by leading slices, as in microsoft/autodistil (arXiv:2201.12507). */
#include <math.h>
#include <stdlib.h>
#include "distill/method.h"
#include "distill/parts/parts.h"

static lb_tensor *head_of(lb_tape *t, lb_tensor *x, int64_t n) { return lb_slice(t, x, 0, 0, n, 1); }

lb_tensor *lb_part_sliced_linear(lb_tape *t, lb_tensor *x, lb_tensor *w, lb_tensor *b, int64_t rows, int64_t columns, lb_act act) {
    return lb_linear(t, x, lb_slice(t, head_of(t, w, rows), 1, 0, columns, 1), head_of(t, b, rows), act);
}

enum { QUERY, KEY, VALUE, ATTENTION_OUT, FC1, FC2, ATTENTION_NORM, MLP_NORM };

static lb_tensor *map(lb_tape *t, const lb_part_layer *l, int which, lb_tensor *x, int64_t rows, int64_t columns) {
    return lb_part_sliced_linear(t, x, l->weight[which], l->bias[which], rows, columns, LB_ACT_NONE);
}

static lb_tensor *norm(lb_tape *t, const lb_part_layer *l, int which, lb_tensor *x) {
    return lb_layer_norm(t, x, head_of(t, l->weight[which], l->width), head_of(t, l->bias[which], l->width), l->eps);
}

lb_tensor *lb_part_layer_of(lb_tape *t, const lb_part_layer *l, lb_tensor *x, lb_tensor *mask) {
    int64_t b = x->shape[0], n = x->shape[1], d = l->head_width, wide = l->heads * d;
    lb_tensor *qkv[3];
    for (int i = 0; i < 3; i++) qkv[i] = lb_permute(t, lb_reshape(t, map(t, l, QUERY + i, x, wide, l->width), 4, (int64_t[]){b, n, l->heads, d}), (const int[]){0, 2, 1, 3});
    lb_tensor *away = lb_reshape(t, lb_scale(t, lb_add_scalar(t, lb_neg(t, mask), 1), -1e4), 4, (int64_t[]){b, 1, 1, n});
    lb_tensor *scores = lb_add(t, lb_scale(t, lb_matmul(t, qkv[0], qkv[1], false, true), 1 / sqrt((double)d)), away);
    lb_tensor *y = lb_permute(t, lb_matmul(t, lb_softmax(t, scores, -1), qkv[2], false, false), (const int[]){0, 2, 1, 3});
    y = map(t, l, ATTENTION_OUT, lb_reshape(t, y, 3, (int64_t[]){b, n, wide}), l->width, wide);
    x = norm(t, l, ATTENTION_NORM, lb_add(t, x, y));
    y = map(t, l, FC2, lb_gelu(t, map(t, l, FC1, x, l->units, l->width)), l->width, l->units);
    return norm(t, l, MLP_NORM, lb_add(t, x, y));
}

typedef struct subnet {
    double config[4], parameters;
} subnet;

/* As released: queries, keys and values count the width times the share of the heads. */
static double parameters(const lb_part_space *s, const double c[4]) {
    double l = c[0], a = c[1], d = c[2], r = c[3];
    return d * (s->vocab + s->positions + 4) + l * (d * d + 3 * d * d * a / s->super_heads + 6 * d) + l * (2 * r * d * d + r * d + 3 * d) + d * d + 2 * d;
}

static int by_size(const void *a, const void *b) {
    const subnet *x = a, *y = b;
    if (x->parameters != y->parameters) return x->parameters < y->parameters ? -1 : 1;
    for (int i = 0; i < 4; i++)
        if (x->config[i] != y->config[i]) return x->config[i] < y->config[i] ? -1 : 1;
    return 0;
}

static bool check_list(lb_tape *t, const lb_tensor *x, const char *name) {
    if (!lb_check(t, x->shape[0] > 0, "%s is empty", name)) return false;
    for (int64_t i = 0; i < x->shape[0] && !lb_part_shapes_only(t); i++)
        if (!lb_check(t, lb_get_at(x, i) > (i ? lb_get_at(x, i - 1) : 0), "%s[%lld] is %g; rising numbers above 0 are wanted", name, (long long)i, lb_get_at(x, i))) return false;
    return lb_tape_ok(t);
}

/* Those of all tuples that are allowed, sorted. */
static int64_t fill(subnet *x, const lb_part_space *s, lb_tensor *const lists[4], int64_t all) {
    int64_t n = 0;
    for (int64_t i = 0; i < all; i++) {
        int64_t rest = i;
        for (int k = 3; k >= 0; k--) {
            x[n].config[k] = lb_get_at(lists[k], rest % lists[k]->shape[0]);
            rest /= lists[k]->shape[0];
        }
        x[n].parameters = parameters(s, x[n].config);
        n += x[n].parameters >= s->least && x[n].parameters <= s->most;
    }
    qsort(x, (size_t)n, sizeof *x, by_size);
    return n;
}

static double parameters_at(const void *ctx, int64_t i) { return ((const subnet *)ctx)[i].parameters; }
static double config_at(const void *ctx, int64_t i) { return ((const subnet *)ctx)[i / 4].config[i % 4]; }

lb_tensor *lb_part_subnets(lb_tape *t, const lb_part_space *s, lb_tensor *const lists[4], lb_tensor **configs) {
    static const char *const names[] = {"layers", "heads", "hidden", "ratio"};
    int64_t all = 1;
    for (int k = 0; k < 4; k++) {
        if (!check_list(t, lists[k], names[k])) return lb_inert(t);
        all *= lists[k]->shape[0];
    }
    subnet *x = lb_calloc((size_t)all, sizeof *x);
    if (!x) return lb_tape_fail_status(t, LB_E_NOMEM);
    int64_t n = lb_part_shapes_only(t) ? 0 : fill(x, s, lists, all);
    lb_tensor *sizes = lb_inert(t);
    if (lb_check(t, n > 0 || lb_part_shapes_only(t), "no sub-network of the space has %g to %g parameters", s->least, s->most)) {
        sizes = lb_part_fill(t, 1, &n, parameters_at, x);
        *configs = lb_part_fill(t, 2, (int64_t[]){n, 4}, config_at, x);
    }
    lb_free(x);
    return sizes;
}
