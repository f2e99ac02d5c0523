/* SPDX-License-Identifier: Apache-2.0 */
/* The super network of method autodistil: a BERT of post-norm layers whose sub-networks are leading slices of its weights. The input `subnet`
 * chooses one: layers, heads, width, units of the MLP; without it the parameter of that name does, or the whole runs. Queries, keys and values are the last
 * kept layer's. Classes are read from the mean of the kept tokens. */
#include <stdio.h>
#include <string.h>
#include "cli/archs.h"

typedef struct config {
    int64_t vocab, positions, width, layers, heads, ratio, classes;
    const char *subnet;
} config;

static const lb_param params[] = {
    LB_PARAM(config, vocab, 200, 2, 1e7, "tokens", "size of the vocabulary"),
    LB_PARAM(config, positions, 32, 1, 65536, "tokens", "longest text"),
    LB_PARAM(config, width, 64, 1, 65536, "1", "D of the whole"),
    LB_PARAM(config, layers, 4, 1, 100, "layers", "L of the whole"),
    LB_PARAM(config, heads, 4, 1, 256, "heads", "A of the whole"),
    LB_PARAM(config, ratio, 4, 1, 64, "1", "units of the MLP, as a multiple of the width"),
    LB_PARAM(config, classes, 0, 0, 1e6, "classes", "width of class_logits; 0 = none"),
    LB_PARAM_TEXT(config, subnet, "", NULL, "layers,heads,width,units of the sub-network that runs; empty = the whole"),
    LB_PARAM_END};

typedef struct subnet {
    int64_t layers, heads, width, units;
} subnet;

static subnet chosen(lb_nn *m, const config *c, const lb_tensor *given) {
    subnet s = {c->layers, c->heads, c->width, c->ratio * c->width};
    if (!given && !c->subnet[0]) return s;
    if (!given) {
        long long x[4] = {0};
        (void)sscanf(c->subnet, "%lld,%lld,%lld,%lld", &x[0], &x[1], &x[2], &x[3]);
        s = (subnet){x[0], x[1], x[2], x[3]};
    } else if (given->data) s = (subnet){(int64_t)lb_get_at(given, 0), (int64_t)lb_get_at(given, 1), (int64_t)lb_get_at(given, 2), (int64_t)lb_get_at(given, 3)};
    if (s.layers < 1 || s.layers > c->layers || s.heads < 1 || s.heads > c->heads || s.width < 1 || s.width > c->width || s.units < 1 || s.units > c->ratio * c->width) {
        (void)lb_tape_fail(lb_nn_tape(m), LB_E_ARG, "subnet of %lld layers, %lld heads, width %lld and %lld units does not fit in the super network",
                           (long long)s.layers, (long long)s.heads, (long long)s.width, (long long)s.units);
        s = (subnet){1, 1, 1, 1};
    }
    return s;
}

/* Weights of a layer, of the whole size, in the names of the component. */
static void weights(cli_parts *p, const config *c) {
    static const char *const square[] = {"query", "key", "value", "attention_out"}, *const norms[] = {"attention_norm", "mlp_norm"};
    int64_t d = c->width, units = c->ratio * d;
    char name[40];
    for (int i = 0; i < 4; i++) cli_part_linear(p, square[i], "_weight", "_bias", d, d);
    cli_part_linear(p, "fc1", "_weight", "_bias", units, d);
    cli_part_linear(p, "fc2", "_weight", "_bias", d, units);
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%s_weight", norms[i]);
        cli_part_put(p, lb_nn_param(p->nn, name, 1, &d, LB_INIT_ONES, 0), "%s", name);
        snprintf(name, sizeof name, "%s_bias", norms[i]);
        cli_part_put(p, lb_nn_param(p->nn, name, 1, &d, LB_INIT_ZEROS, 0), "%s", name);
    }
}

static void tap_vectors(const cli_parts *p, const config *c, const subnet *s, lb_tensor *x) {
    static const char *const names[] = {"query", "key", "value"};
    lb_tape *t = lb_nn_tape(p->nn);
    for (int i = 0; i < 3; i++) { /* weight and bias stand behind x and mask, in pairs */
        int64_t wide = s->heads * (c->width / c->heads);
        lb_tensor *w = lb_slice(t, lb_slice(t, p->x[2 + 2 * i], 0, 0, wide, 1), 1, 0, s->width, 1);
        lb_nn_tap(p->nn, lb_linear(t, x, w, lb_slice(t, p->x[3 + 2 * i], 0, 0, wide, 1), LB_ACT_NONE), "%s", names[i]);
    }
}

static lb_tensor *layer(lb_nn *m, const config *c, const subnet *s, lb_tensor *x, lb_tensor *mask, int64_t k, bool last) {
    cli_parts p = {.nn = m};
    lb_value *o = lb_value_map();
    lb_nn_in(m, "layer.%lld", (long long)k);
    cli_part_put(&p, x, "x");
    cli_part_put(&p, mask, "mask");
    weights(&p, c);
    lb_map_int(o, "super_hidden", c->width);
    lb_map_int(o, "super_heads", c->heads);
    lb_map_int(o, "hidden", s->width);
    lb_map_int(o, "heads", s->heads);
    lb_map_int(o, "intermediate", s->units);
    if (last) tap_vectors(&p, c, s, x);
    return lb_nn_out(m, cli_part_call(&p, "autodistil", "sub_block", o).at[0]);
}

/* The mean of the kept tokens by the leading columns of one map. */
static void classify(lb_nn *m, const config *c, lb_tensor *x, lb_tensor *mask) {
    lb_tape *t = lb_nn_tape(m);
    int64_t d = c->width, n = x->shape[1], wide = x->shape[2];
    lb_tensor *w = lb_nn_param(m, "classes.weight", 2, (int64_t[]){c->classes, d}, LB_INIT_NORMAL, 0.1), *b = lb_nn_param(m, "classes.bias", 1, &c->classes, LB_INIT_ZEROS, 0);
    lb_tensor *kept = lb_mul(t, x, lb_reshape(t, mask, 3, (int64_t[]){mask->shape[0], n, 1})), *count = lb_sum(t, mask, 1, true);
    lb_nn_tap(m, lb_linear(t, lb_div(t, lb_sum(t, kept, 1, false), count), lb_slice(t, w, 1, 0, wide, 1), b, LB_ACT_NONE), "class_logits");
}

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_tape *t = lb_nn_tape(m);
    int64_t n = in[0]->shape[1], d = c->width;
    subnet s = chosen(m, c, in[2]);
    lb_tensor *mask = in[1]->dtype == LB_I64 ? lb_to_real(t, in[1]) : in[1];
    lb_tensor *places = lb_nn_param(m, "positions", 2, (int64_t[]){c->positions, d}, LB_INIT_NORMAL, 0.1);
    if (n > c->positions) {
        (void)lb_tape_fail(t, LB_E_SHAPE, "texts of %lld tokens, at most %lld are wanted", (long long)n, (long long)c->positions);
        return;
    }
    lb_tensor *x = lb_add(t, lb_nn_embedding(m, in[0], "tokens", c->vocab, d, 0.1), lb_slice(t, places, 0, 0, n, 1));
    x = lb_slice(t, x, 2, 0, s.width, 1);
    lb_tensor *gamma = lb_nn_param(m, "norm.weight", 1, &d, LB_INIT_ONES, 0), *beta = lb_nn_param(m, "norm.bias", 1, &d, LB_INIT_ZEROS, 0);
    x = lb_layer_norm(t, x, lb_slice(t, gamma, 0, 0, s.width, 1), lb_slice(t, beta, 0, 0, s.width, 1), 1e-12);
    for (int64_t k = 0; k < s.layers; k++) x = layer(m, c, &s, x, mask, k * c->layers / s.layers, k == s.layers - 1);
    lb_nn_tap(m, x, "tokens");
    if (c->classes > 0) classify(m, c, x, mask);
    if (s.width == d) lb_nn_tap(m, lb_nn_linear(m, x, "head", c->vocab, LB_ACT_NONE), "logits");
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    const config *c = cfg;
    *rank = input == 2 ? 1 : 2;
    shape[0] = input == 2 ? 4 : 1;
    shape[1] = c->positions < 8 ? c->positions : 8;
}

LB_ARCH(supernet) = {.id = "supernet",
                     .title = "a BERT whose sub-networks are leading slices of its weights",
                     .source = "arXiv:2201.12507; microsoft/autodistil ea5cc7f1",
                     .params = params,
                     .params_size = sizeof(config),
                     .kind = "text",
                     .apart = true,
                     .inputs = "ids[N,L]:i64 mask[N,L]:i64 subnet[4]:i64?",
                     .taps = "query[N,L,D] key[N,L,D] value[N,L,D] tokens[N,L,D] logits[N,L,V] class_logits[N,K]",
                     .forward = forward,
                     .example = example};
