/* SPDX-License-Identifier: Apache-2.0 */
#include "text/sentence.h"
#include <stdio.h>
#include <string.h>
#include "nn/outside.h"
#include "tensor/arrange.h"
#include "tensor/derived.h"
#include "text/archs.h"

/* Sum of x [N,L,C] weighted by w [N,L], over the sum of w to the power. */
static lb_tensor *weighted(lb_tape *t, lb_tensor *x, lb_tensor *w, double power) {
    lb_tensor *sum = lb_sum(t, lb_mul(t, x, lb_unsqueeze(t, w, -1)), 1, false), *all = lb_clamp(t, lb_sum(t, w, 1, true), 1e-9, LB_REAL_MAX);
    return lb_div(t, sum, power == 1 ? all : lb_pow_scalar(t, all, power));
}

static lb_tensor *one_pooling(lb_tape *t, lb_tensor *x, lb_tensor *mask, const char *how) {
    if (!lb_tape_ok(t)) return lb_inert(t);
    int64_t length = x->shape[1];
    lb_tensor *w = lb_to_real(t, mask);
    if (strcmp(how, "mean") == 0) return lb_mean_tokens(t, x, mask);
    if (strcmp(how, "mean_sqrt_len") == 0) return weighted(t, x, w, 0.5);
    if (strcmp(how, "weightedmean") == 0) return weighted(t, x, lb_mul(t, w, lb_range(t, 1, 1, length)), 1);
    if (strcmp(how, "cls") == 0) return lb_squeeze(t, lb_slice(t, x, 1, 0, 1, 1), 1);
    if (strcmp(how, "lasttoken") == 0) { /* where the count of tokens reaches its end */
        lb_tensor *last = lb_mul(t, w, lb_to_real(t, lb_eq(t, lb_cumsum(t, w, 1), lb_sum(t, w, 1, true))));
        return weighted(t, x, last, 1);
    }
    if (strcmp(how, "max") == 0) {
        lb_tensor *off = lb_unsqueeze(t, lb_add_scalar(t, lb_neg(t, w), 1), -1);
        return lb_max(t, lb_masked_fill(t, x, lb_expand(t, off, 3, x->shape), -1e9), 1, false);
    }
    return lb_tape_fail(t, LB_E_ARG, "pooling '%s': cls, max, mean, mean_sqrt_len, weightedmean, lasttoken or none wanted", how);
}

static lb_tensor *pool(lb_tape *t, lb_tensor *x, lb_tensor *mask, const char *how) {
    enum { MOST = 6 };
    lb_tensor *part[MOST];
    int n = 0;
    char word[32];
    for (const char *p = how; *p && n < MOST; n++) {
        size_t size = strcspn(p, "+");
        snprintf(word, sizeof word, "%.*s", (int)size, p);
        part[n] = one_pooling(t, x, mask, word);
        p += size + (p[size] == '+');
    }
    return n == 1 ? part[0] : lb_concat(t, n, part, 1);
}

static lb_tensor *dense(lb_nn *m, lb_tensor *x, const char *name, int64_t width, const char *act_name, bool bias) {
    lb_act act = strcmp(act_name, "none") == 0 ? LB_ACT_NONE : lb_act_named(act_name);
    return bias ? lb_nn_linear(m, x, name, width, act) : lb_nn_linear_no_bias(m, x, name, width, act);
}

/* One step of `head`; its maps are dense, dense.1, dense.2, ... */
static lb_tensor *step(lb_nn *m, lb_tensor *x, const char *word, int *maps) {
    char act[16] = "", more[16] = "", name[32] = "dense.linear";
    long long width = 0;
    int parts = sscanf(word, "dense:%lld:%15[a-z]:%15s", &width, act, more);
    if (strcmp(word, "normalize") == 0) return lb_normalize(lb_nn_tape(m), x, 1e-12);
    if (parts < 2 || width < 1 || (parts == 3 && strcmp(more, "no-bias") != 0)) return lb_tape_fail(lb_nn_tape(m), LB_E_ARG, "head: '%s', normalize or dense:WIDTH:ACTIVATION[:no-bias] wanted", word);
    if (*maps > 0) snprintf(name, sizeof name, "dense.%d.linear", *maps);
    ++*maps;
    return dense(m, x, name, width, act, parts < 3);
}

static lb_tensor *steps(lb_nn *m, lb_tensor *x, const char *head) {
    char word[64];
    int maps = 0;
    for (const char *p = head; *p;) {
        size_t size = strcspn(p, "+");
        snprintf(word, sizeof word, "%.*s", (int)size, p);
        x = step(m, x, word, &maps);
        p += size + (p[size] == '+');
    }
    return x;
}

void lb_sentence_head(lb_nn *m, lb_tensor *tokens, lb_tensor *mask, const lb_sentence *s) {
    lb_tape *t = lb_nn_tape(m);
    if (strcmp(s->pooling, "none") == 0) return;
    lb_tensor *x = pool(t, tokens, mask, s->pooling);
    lb_nn_tap(m, x, "pooled");
    if (*s->head) {
        lb_nn_tap(m, steps(m, x, s->head), "embedding");
        return;
    }
    if (s->dense) x = dense(m, x, "dense.linear", s->dense, s->dense_act, s->dense_bias);
    lb_nn_tap(m, s->normalize ? lb_normalize(t, x, 1e-12) : x, "embedding");
}

/* By ops alone, so that a graph can be written of it: p = how many tokens there are up to here, 0 at padding; places are the numbers of edges below p, of
 * which `padding` lie below everything. */
lb_tensor *lb_places_after_padding(lb_tape *t, lb_tensor *ids, int64_t padding) {
    if (!lb_tape_ok(t) || ids->rank != 2) return lb_inert(t);
    int64_t n = ids->shape[0], count = padding + ids->shape[1];
    double *edge = lb_alloc((size_t)count + 1, sizeof *edge);
    if (!edge) return lb_tape_fail_status(t, LB_E_NOMEM);
    for (int64_t i = 0; i < count; i++) edge[i] = (double)(i - padding) + 0.5;
    lb_tensor *edges = lb_expand(t, lb_input(t, LB_REAL, 2, (int64_t[]){1, count}, edge, LB_F64), 2, (int64_t[]){n, count});
    lb_free(edge);
    lb_tensor *token = lb_ne(t, lb_to_real(t, ids), lb_scalar(t, (double)padding));
    return lb_searchsorted(t, edges, lb_mul(t, token, lb_cumsum(t, token, 1)), false);
}

lb_status lb_sentence_from_config(const lb_param *table, void *cfg, const lb_value *config) {
    lb_status st = lb_params_from_config(table, cfg, config);
    if (st == LB_OK && !lb_get(config, "normalize")) st = lb_param_set_number(lb_param_find(table, "normalize"), cfg, 0);
    return st;
}

bool lb_sentence_name(char *dst, size_t cap, const char *name, const char *prefix) {
    snprintf(dst, cap, "%s%s", strncmp(name, "dense.", 6) == 0 ? "" : prefix, name);
    return true;
}
