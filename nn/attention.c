/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/attention.h"
#include <math.h>
#include <stdio.h>
#include "nn/parts.h"
#include "tensor/rounded.h"

lb_tensor *lb_nn_rms_norm(lb_nn *m, lb_tensor *x, const char *name, double eps) {
    int64_t c = lbi_size(x, 0);
    return lb_rms_norm(lb_nn_tape(m), x, lbi_named(m, name, "weight", 1, &c, LB_INIT_ONES, 0), eps);
}

lb_tensor *lb_nn_norm(lb_nn *m, lb_tensor *x, const char *name, lb_norm_kind kind, double eps) {
    int64_t c = lbi_size(x, 0);
    switch (kind) {
    case LB_NORM_LAYER: return lb_nn_layer_norm(m, x, name, eps);
    case LB_NORM_RMS: return lb_nn_rms_norm(m, x, name, eps);
    case LB_NORM_LAYER_NO_BIAS: return lb_layer_norm(lb_nn_tape(m), x, lbi_named(m, name, "weight", 1, &c, LB_INIT_ONES, 0), NULL, eps);
    case LB_NORM_NONE: return x;
    }
    return x;
}

/* ---- queries, keys, values ---- */

typedef struct heads {
    int64_t h, g, d; /* heads of queries, of keys; width of one */
} heads;

static const char *or_else(const char *name, const char *usual) { return name ? name : usual; }

/* Has the bias of the keys no effect? It adds the same q b to all scores of a query, which a softmax does not see; so its gradient is 0, and what is computed
 * of it rounding alone, which Adam would scale up to whole steps. Not so where keys are turned, normalised, or beside others without it. */
static bool idle_key_bias(const lb_attend_spec *s) { return !s->cos && !s->names->k_norm && !s->prefix_k && s->softcap == 0 && !s->places_of_keys; }

/* Rows from..to-1 of the fused parameters of torch.nn.MultiheadAttention, applied to x. */
static lb_tensor *in_proj(lb_nn *m, lb_tensor *x, const lb_attend_spec *s, const heads *n, int64_t from, int64_t to) {
    char name[128];
    int64_t q = n->h * n->d, kv = n->g * n->d, rows = q + 2 * kv;
    lb_tape *t = lb_nn_tape(m);
    snprintf(name, sizeof name, "%s_weight", s->names->in_proj);
    lb_tensor *w = lb_nn_param(m, name, 2, (int64_t[]){rows, lbi_size(x, 0)}, LB_INIT_XAVIER_UNIFORM, 0), *b = NULL;
    snprintf(name, sizeof name, "%s_bias", s->names->in_proj);
    if (!s->no_bias) b = lb_slice(t, lbi_still(t, lb_nn_param(m, name, 1, &rows, LB_INIT_ZEROS, 0), q, idle_key_bias(s) ? q + kv : q), 0, from, to, 1);
    return lb_linear(t, x, lb_slice(t, w, 0, from, to, 1), b, LB_ACT_NONE);
}

/* q from x, k and v from y: [.,.,width] each; q alone where the others are held by a cache. @return are they in heads already, [N,H,L,D]? */
static bool project(lb_nn *m, lb_tensor *x, lb_tensor *y, const lb_attend_spec *s, const heads *n, bool held, lb_tensor *out[3]) {
    lb_tape *t = lb_nn_tape(m);
    const lb_attend_names *names = s->names;
    int64_t q = n->h * n->d, kv = n->g * n->d, idle = idle_key_bias(s) ? kv : 0;
    if (names->in_proj && x != y) {
        out[0] = in_proj(m, x, s, n, 0, q);
        if (held) return false;
        out[1] = in_proj(m, y, s, n, q, q + kv);
        out[2] = in_proj(m, y, s, n, q + kv, q + 2 * kv);
    } else if (names->qkv || names->in_proj) {
        lb_tensor *all = names->in_proj ? in_proj(m, x, s, n, 0, q + 2 * kv) : lbi_linear_still(m, x, names->qkv, q + 2 * kv, LB_ACT_NONE, !s->no_bias, q, q + idle);
        out[0] = lb_split_heads(t, all, n->h, n->g, &out[1], &out[2]);
        return true;
    } else {
        bool own = x == y;
        if (!held) y = lbi_rounded(t, y); /* two or three maps read it */
        if (own) x = y;
        out[0] = lbi_linear(m, x, or_else(names->q, "q_proj"), q, LB_ACT_NONE, !s->no_bias);
        if (held) return false;
        lb_tensor *both = names->kv ? lbi_linear_still(m, y, names->kv, 2 * kv, LB_ACT_NONE, !s->no_bias, 0, idle) : NULL;
        out[1] = both ? lb_slice(t, both, -1, 0, kv, 1) : lbi_linear_still(m, y, or_else(names->k, "k_proj"), kv, LB_ACT_NONE, !s->no_bias && !s->no_key_bias, 0, idle);
        out[2] = both ? lb_slice(t, both, -1, kv, 2 * kv, 1) : lbi_linear(m, y, or_else(names->v, "v_proj"), kv, LB_ACT_NONE, !s->no_bias);
    }
    return false;
}

/* Keys and values behind the cached ones, which are not part of the graph; held: the cached ones alone. */
static void from_cache(lb_nn *m, lb_kv_cache *cache, bool held, lb_tensor **k, lb_tensor **v) {
    lb_tape *t = lb_nn_tape(m);
    if (!lb_tape_ok(t) || lb_tape_get_mode(t) == LB_TAPE_SHAPES) return;
    if (!held && ((*k)->requires_grad || (*v)->requires_grad)) {
        lb_tape_fail(t, LB_E_ARG, "attention: a cache of keys and values is for runs without gradient");
        return;
    }
    lb_status st = held ? LB_OK : lb_kv_cache_append(cache, *k, *v);
    if (st != LB_OK) lb_tape_fail_status(t, st);
    *k = lb_kv_cache_keys(cache);
    *v = lb_kv_cache_values(cache);
}

/* Prefix [1 or N,G,P,w] in front of x [N,G,S,w]. */
static lb_tensor *prepend(lb_tape *t, lb_tensor *prefix, lb_tensor *x) {
    if (!lb_tape_ok(t)) return lb_inert(t);
    if (prefix->rank == 4 && prefix->shape[0] == 1) prefix = lb_expand(t, prefix, 4, (int64_t[]){x->shape[0], prefix->shape[1], prefix->shape[2], prefix->shape[3]});
    return lb_concat(t, 2, (lb_tensor *[]){prefix, x}, 2);
}

/* To four axes, with the keys of the prefix seen. */
static lb_tensor *whole_mask(lb_tape *t, lb_tensor *mask, int64_t prefix) {
    if (!mask || !lb_tape_ok(t)) return mask;
    const int64_t *s = mask->shape;
    if (mask->rank == 2) mask = lb_reshape(t, mask, 4, (int64_t[]){s[0], 1, 1, s[1]});
    else if (mask->rank == 3) mask = lb_reshape(t, mask, 4, (int64_t[]){s[0], 1, s[1], s[2]});
    return prefix > 0 ? lb_pad(t, mask, (int64_t[]){0, 0, 0, prefix}, (int64_t[]){0, 0, 0, 0}, 1) : mask;
}

/* The weights kept, then applied: y [N,L,H d]. */
static lb_tensor *with_map(lb_tape *t, lb_tensor *q, lb_tensor *k, lb_tensor *v, const lb_attention_spec *spec, lb_tensor **map) {
    lb_tensor *p = *map = lb_attention_map(t, q, k, *spec);
    if (!lb_tape_ok(t)) return lb_inert(t);
    lb_keep(t, p); /* it outlives the names that it is made under */
    int64_t n = p->shape[0], h = p->shape[1], l = p->shape[2], s = p->shape[3], g = v->shape[1], d = v->shape[3];
    p = lb_reshape(t, spec->dropout > 0 ? lb_dropout(t, p, spec->dropout) : p, 4, (int64_t[]){n, g, h / g * l, s});
    lb_tensor *y = lb_reshape(t, lb_matmul(t, p, v, false, false), 4, (int64_t[]){n, h, l, d});
    return lb_reshape(t, lb_permute(t, y, (int[]){0, 2, 1, 3}), 3, (int64_t[]){n, l, h * d});
}

/* x [N,H,L,D] times the rows of table [2L-1,D]: row l gets at s what stands at s - l + L - 1. [N,H,L,L] */
static lb_tensor *by_distance(lb_tape *t, lb_tensor *x, lb_tensor *table) {
    lb_tensor *y = lb_matmul(t, x, table, false, true);
    if (!lb_tape_ok(t)) return lb_inert(t);
    int64_t n = y->shape[0], h = y->shape[1], l = y->shape[2], w = 2 * l - 1;
    if (l < 2) return y;
    y = lb_slice(t, lb_reshape(t, y, 3, (int64_t[]){n, h, l * w}), 2, l - 1, l * w - 1, 1); /* in rows one shorter each begins one later */
    return lb_slice(t, lb_reshape(t, y, 4, (int64_t[]){n, h, l, w - 1}), 3, 0, l, 1);
}

/* What distances add to the scaled scores of q, k [N,H,L,D]. */
static lb_tensor *distances(lb_nn *m, const lb_attend_spec *s, lb_tensor *q, lb_tensor *k) {
    lb_tape *t = lb_nn_tape(m);
    int64_t p = s->places, d = lbi_size(q, 0), l = lbi_size(q, 1);
    lb_tensor *table = lbi_named(m, or_else(s->names->places, "distance_embedding"), "weight", 2, (int64_t[]){2 * p - 1, d}, LB_INIT_NORMAL, 0.02);
    if (!lb_tape_ok(t)) return lb_inert(t);
    if (l != lbi_size(k, 1) || q->shape[1] != k->shape[1] || l > p || s->cache || s->prefix_k)
        return lb_tape_fail(t, LB_E_SHAPE, "attention: distances are for at most %lld tokens that attend to themselves, not %lld to %lld", (long long)p, (long long)l, (long long)lbi_size(k, 1));
    table = lb_slice(t, table, 0, p - l, p + l - 1, 1);
    lb_tensor *y = by_distance(t, q, lb_flip(t, table, 0));
    if (s->places_of_keys) y = lb_add(t, y, lb_transpose(t, by_distance(t, k, table), 2, 3));
    y = lb_scale(t, y, s->scale != 0 ? s->scale : 1 / sqrt((double)d));
    return s->bias ? lb_add(t, y, s->bias) : y;
}

static bool sizes(lb_nn *m, const lb_tensor *x, const lb_attend_spec *s, heads *n) {
    int64_t c = lbi_size(x, 0);
    *n = (heads){s->heads, s->kv_heads ? s->kv_heads : s->heads, s->head_width};
    if (!lb_tape_ok(lb_nn_tape(m))) return false;
    if (x->rank != 3 || n->h < 1 || n->g < 1 || n->h % n->g || (n->d == 0 && c % n->h)) {
        lb_tape_fail(lb_nn_tape(m), LB_E_ARG, "attention: width %lld is no multiple of %lld heads, these none of %lld heads of keys, or x has not three axes",
                     (long long)c, (long long)n->h, (long long)n->g);
        return false;
    }
    if (n->d == 0) n->d = c / n->h;
    return true;
}

/* x [R,L,C] to y of N < R samples: [N,R/N L,C] and back. */
static lb_tensor *attend_in_groups(lb_nn *m, lb_tensor *x, lb_tensor *y, const lb_attend_spec *spec) {
    lb_tape *t = lb_nn_tape(m);
    int64_t rows = x->shape[0], length = x->shape[1];
    if (y->shape[0] < 1 || rows % y->shape[0] || spec->causal || spec->cos || (spec->mask && spec->mask->rank > 2))
        return lb_tape_fail(t, LB_E_SHAPE, "attention of %lld samples to %lld: expected a divisor, and no order of the queries", (long long)rows, (long long)y->shape[0]);
    x = lb_nn_attend(m, lb_reshape(t, x, 3, (int64_t[]){y->shape[0], rows / y->shape[0] * length, x->shape[2]}), y, spec);
    return lb_reshape(t, x, 3, (int64_t[]){rows, length, -1});
}

lb_tensor *lb_nn_attend(lb_nn *m, lb_tensor *x, lb_tensor *y, const lb_attend_spec *spec) {
    static const lb_attend_names usual = {0};
    lb_tape *t = lb_nn_tape(m);
    lb_attend_spec s = *spec;
    heads n;
    lb_tensor *part[3];
    if (!s.names) s.names = &usual;
    if (!y) y = x;
    if (!sizes(m, x, &s, &n)) return lb_inert(t);
    if (y->rank == 3 && y->shape[0] != x->shape[0]) return attend_in_groups(m, x, y, spec);
    bool held = s.fixed && s.cache && lb_kv_cache_length(s.cache) > 0;
    bool split = project(m, x, y, &s, &n, held, part);
    for (int i = 0; i < (held ? 1 : 3); i++) {
        const char *norm = i == 0 ? s.names->q_norm : i == 1 ? s.names->k_norm : NULL;
        int64_t count = i == 0 ? n.h : n.g;
        if (!lb_tape_ok(t)) return lb_inert(t);
        if (!split) part[i] = lb_reshape(t, part[i], 4, (int64_t[]){part[i]->shape[0], part[i]->shape[1], count, n.d});
        if (norm) part[i] = lb_nn_norm(m, part[i], norm, s.head_norm, s.eps > 0 ? s.eps : 1e-6);
        if (!split) part[i] = lb_permute(t, part[i], (int[]){0, 2, 1, 3});
        if (s.cos && i < (s.turn_queries_only ? 1 : 2)) part[i] = lb_rotary(t, part[i], s.cos, s.sin, s.interleaved);
    }
    if (s.cache) from_cache(m, s.cache, held, &part[1], &part[2]);
    if (s.prefix_k) {
        part[1] = prepend(t, s.prefix_k, part[1]);
        part[2] = prepend(t, s.prefix_v, part[2]);
    }
    if (s.places) s.bias = distances(m, &s, part[0], part[1]);
    int64_t prefix = s.prefix_k ? lbi_size(s.prefix_k, 1) : 0;
    const lb_attention_spec a = {.bias = s.bias,
                                 .mask = whole_mask(t, s.mask, prefix),
                                 .relative = s.relative,
                                 .scale = s.scale,
                                 .softcap = s.softcap,
                                 .dropout = s.dropout,
                                 .window = s.window,
                                 .prefix = prefix,
                                 .causal = s.causal,
                                 .merge = true};
    lb_tensor *z = s.map ? with_map(t, part[0], part[1], part[2], &a, s.map) : lbi_attention_rounded(t, part[0], part[1], part[2], a);
    return lbi_linear(m, z, or_else(s.names->out, s.names->in_proj ? "out_proj" : s.names->qkv ? "proj" : "out_proj"), s.out_width ? s.out_width : lbi_size(x, 0), LB_ACT_NONE, !s.no_out_bias);
}

lb_tensor *lb_nn_attention(lb_nn *m, lb_tensor *x, lb_tensor *y, lb_tensor *mask, int64_t count, const lb_attention_names *names) {
    const lb_attend_names n = {.q = names ? names->q : NULL, .k = names ? names->k : NULL, .v = names ? names->v : NULL, .out = names ? names->out : NULL};
    return lb_nn_attend(m, x, y, &(lb_attend_spec){.heads = count, .mask = mask, .names = &n});
}

/* ---- other forms ---- */

/* [N,L,H d] -> [N,H,d,L]: views. */
static lb_tensor *channels_of(lb_tape *t, lb_tensor *x, int64_t count) {
    if (!lb_tape_ok(t)) return lb_inert(t);
    x = lb_reshape(t, x, 4, (int64_t[]){x->shape[0], x->shape[1], count, x->shape[2] / count});
    return lb_permute(t, x, (int[]){0, 2, 3, 1});
}

lb_tensor *lb_nn_channel_attention(lb_nn *m, lb_tensor *x, int64_t count) {
    lb_tape *t = lb_nn_tape(m);
    int64_t c = lbi_size(x, 0);
    lb_tensor *part[3], *qkv = lb_nn_linear(m, x, "qkv", 3 * c, LB_ACT_NONE);
    lb_tensor *temperature = lb_nn_param(m, "temperature", 3, (int64_t[]){count, 1, 1}, LB_INIT_ONES, 0);
    for (int i = 0; i < 3; i++) {
        part[i] = channels_of(t, lb_slice(t, qkv, -1, i * c, (i + 1) * c, 1), count);
        if (i < 2) part[i] = lb_normalize(t, part[i], 1e-12);
    }
    lb_tensor *y = lb_attention(t, lb_mul(t, part[0], temperature), part[1], part[2], (lb_attention_spec){.scale = 1});
    if (!lb_tape_ok(t)) return lb_inert(t);
    y = lb_reshape(t, lb_permute(t, y, (int[]){0, 3, 1, 2}), 3, (int64_t[]){x->shape[0], x->shape[1], c});
    return lb_nn_linear(m, y, "proj", c, LB_ACT_NONE);
}

lb_tensor *lb_nn_slot_attention(lb_nn *m, lb_tensor *q, lb_tensor *k, lb_tensor *v, double scale, double eps, lb_tensor **map) {
    lb_tape *t = lb_nn_tape(m);
    double width = (double)lbi_size(q, 0);
    lb_tensor *p = lb_scale(t, lb_matmul(t, q, k, false, true), scale != 0 ? scale : 1 / sqrt(width > 0 ? width : 1));
    p = lb_add_scalar(t, lb_softmax(t, p, -2), eps);
    if (map) *map = p;
    return lb_matmul(t, lb_div(t, p, lb_sum(t, p, -1, true)), v, false, false);
}
