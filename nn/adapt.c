/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/adapt.h"
#include <stdio.h>
#include <string.h>
#include "nn/parts.h"

/* ---- low-rank additions ---- */

static bool ends_with(const char *name, const char *end, size_t n) {
    size_t have = strlen(name);
    return have >= n && memcmp(name + have - n, end, n) == 0 && (have == n || name[have - n - 1] == '.');
}

/* Does one of the endings fit? */
static bool chosen(const char *endings, const char *name) {
    if (!endings || !endings[0]) return true;
    for (const char *at = endings; *at;) {
        size_t n = strcspn(at, ",");
        if (n > 0 && ends_with(name, at, n)) return true;
        at += n + (at[n] == ',');
    }
    return false;
}

bool lbi_lora_chosen(const lb_nn *m, const char *name) {
    const lb_lora *l = lb_nn_get_lora(m);
    return l && l->rank > 0 && chosen(l->names, name);
}

lb_tensor *lbi_lora_add(lb_nn *m, lb_tensor *y, lb_tensor *x, const char *name, int64_t out) {
    char a[128], b[128];
    const lb_lora *l = lb_nn_get_lora(m);
    lb_tape *t = lb_nn_tape(m);
    snprintf(a, sizeof a, "%s.lora_A", name);
    snprintf(b, sizeof b, "%s.lora_B", name);
    lb_tensor *down = lbi_named(m, a, "weight", 2, (int64_t[]){l->rank, lbi_size(x, 0)}, LB_INIT_KAIMING_UNIFORM, 0);
    lb_tensor *up = lbi_named(m, b, "weight", 2, (int64_t[]){out, l->rank}, LB_INIT_ZEROS, 0);
    lb_tensor *h = lb_linear(t, lb_nn_dropout(m, x, l->dropout), down, NULL, LB_ACT_NONE);
    if (l->gate) h = lb_mul(t, h, l->gate);
    return lb_add(t, y, lb_scale(t, lb_linear(t, h, up, NULL, LB_ACT_NONE), l->alpha / (double)l->rank));
}

/* W += f B A */
static void add_product(lb_tensor *w, const lb_tensor *b, const lb_tensor *a, double f) {
    int64_t out = w->shape[0], in = w->shape[1], rank = a->shape[0];
    lb_real *y = w->data;
    for (int64_t i = 0; i < out; i++)
        for (int64_t r = 0; r < rank; r++) {
            lb_real k = (lb_real)(f * (double)((const lb_real *)b->data)[i * rank + r]);
            const lb_real *row = (const lb_real *)a->data + r * in;
            for (int64_t j = 0; j < in; j++) y[i * in + j] += k * row[j];
        }
}

int64_t lb_store_lora(lb_store *s, double alpha, double sign) {
    static const char end[] = ".lora_A.weight";
    int64_t count = 0;
    for (int64_t i = 0; i < lb_store_count(s); i++) {
        char name[256];
        const lb_param_tensor *a = lb_store_at(s, i);
        size_t n = strlen(a->name), stem = n - (sizeof end - 1);
        if (n < sizeof end || n >= sizeof name || strcmp(a->name + stem, end) != 0) continue;
        snprintf(name, sizeof name, "%.*s.lora_B.weight", (int)stem, a->name);
        const lb_param_tensor *b = lb_store_find(s, name);
        snprintf(name, sizeof name, "%.*s.weight", (int)stem, a->name);
        lb_param_tensor *w = lb_store_find(s, name);
        if (!b || !w || w->x->rank != 2 || b->x->rank != 2 || a->x->rank != 2 || b->x->shape[0] != w->x->shape[0] || a->x->shape[1] != w->x->shape[1] ||
            b->x->shape[1] != a->x->shape[0] || a->x->shape[0] < 1) {
            lb_status st = lb_fail(LB_E_SHAPE, "'%s' has no partners of fitting shapes", a->name);
            return st == LB_OK ? 0 : -1;
        }
        add_product(w->x, b->x, a->x, sign * alpha / (double)a->x->shape[0]);
        count++;
    }
    return count;
}

/* ---- adapters, prefixes ---- */

lb_tensor *lb_nn_adapter(lb_nn *m, lb_tensor *x, const char *name, int64_t width, lb_act act) {
    lb_tape *t = lb_nn_tape(m);
    int64_t c = lbi_size(x, 0);
    char part[128];
    snprintf(part, sizeof part, "%s.down", name);
    lb_tensor *h = lb_nn_linear(m, x, part, width, act);
    snprintf(part, sizeof part, "%s.up", name);
    lb_tensor *w = lbi_named(m, part, "weight", 2, (int64_t[]){c, width}, LB_INIT_ZEROS, 0), *b = lbi_named(m, part, "bias", 1, &c, LB_INIT_ZEROS, 0);
    return lb_add(t, x, lb_linear(t, h, w, b, LB_ACT_NONE));
}

void lb_nn_prefix(lb_nn *m, const char *name, int64_t heads, int64_t count, int64_t head_width, lb_tensor **key, lb_tensor **value) {
    const int64_t shape[] = {heads, count, head_width}, one[] = {1, heads, count, head_width};
    *key = lb_reshape(lb_nn_tape(m), lbi_named(m, name, "key", 3, shape, LB_INIT_NORMAL, 0.02), 4, one);
    *value = lb_reshape(lb_nn_tape(m), lbi_named(m, name, "value", 3, shape, LB_INIT_NORMAL, 0.02), 4, one);
}
