/* SPDX-License-Identifier: Apache-2.0 */
/* Stores, names, taps, initialisers, layers, optimisers and schedules, in double. Whole networks: tests/archs_test.c. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/rng.h"
#include "base/value.h"
#include "nn/codebook.h"
#include "nn/model.h"
#include "nn/optim.h"
#include "tensor/quantise.h"
#include "tests/check.h"

static lb_store *new_store(void) {
    lb_store *s = NULL;
    if (!CHECK_OK(lb_store_new(&s))) exit(2);
    return s;
}

static lb_param_tensor *add(lb_store *s, const char *name, int rank, const int64_t *shape, lb_init init, double arg) {
    lb_param_tensor *p = NULL;
    if (!CHECK_OK(lb_store_add(&p, s, name, rank, shape, init, arg))) exit(2);
    return p;
}

/* A network on a tape, declaring or not. */
typedef struct net {
    lb_tape *t;
    lb_store *s;
    lb_nn *m;
} net;

static net net_new(lb_store *s, bool declaring) {
    net n = {.s = s};
    if (!CHECK_OK(lb_tape_new(&n.t))) exit(2);
    if (declaring) lb_tape_set_mode(n.t, LB_TAPE_SHAPES);
    if (!CHECK_OK(lb_nn_new(&n.m, n.t, s, declaring))) exit(2);
    return n;
}

static void net_free(net *n) {
    lb_nn_free(n->m);
    lb_tape_free(n->t);
}

static lb_tensor *drawn(int rank, const int64_t *shape, const char *name) {
    lb_tensor *x = NULL;
    lb_rng r = lb_rng_of(9, 0, name);
    if (!CHECK_OK(lb_tensor_new(&x, LB_REAL, rank, shape))) exit(2);
    for (int64_t i = 0; i < lb_numel(x); i++) ((lb_real *)x->data)[i] = lb_rng_normal(&r);
    return x;
}

/* ---- stores ---- */

static void store_finds_many(void) {
    lb_store *s = new_store();
    char name[32];
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "layer.%d.weight", i);
        add(s, name, 1, (int64_t[]){1}, LB_INIT_ZEROS, 0);
    }
    CHECK_INT(lb_store_count(s), 3000);
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "layer.%d.weight", i);
        lb_param_tensor *p = lb_store_find(s, name);
        if (!p || p != lb_store_at(s, i)) check_true(false, __FILE__, __LINE__, name);
    }
    CHECK(lb_store_find(s, "layer.3000.weight") == NULL);
    CHECK(lb_store_find(s, "") == NULL);
    lb_param_tensor *again = NULL;
    CHECK_OK(lb_store_add(&again, s, "layer.7.weight", 1, (int64_t[]){1}, LB_INIT_ZEROS, 0));
    CHECK(again == lb_store_at(s, 7));
    CHECK_FAILS(lb_store_add(NULL, s, "layer.7.weight", 2, (int64_t[]){1, 2}, LB_INIT_ZEROS, 0), LB_E_ARG, "'layer.7.weight' is [1], wanted [1,2]");
    lb_store_free(s);
}

static void store_counts_and_freezes(void) {
    lb_store *s = new_store();
    add(s, "image.w", 2, (int64_t[]){3, 4}, LB_INIT_ONES, 0);
    add(s, "image.b", 1, (int64_t[]){3}, LB_INIT_ONES, 0);
    lb_param_tensor *mean = add(s, "image.mean", 1, (int64_t[]){5}, LB_INIT_ZEROS, 0);
    mean->buffer = true;
    add(s, "text.w", 2, (int64_t[]){2, 2}, LB_INIT_ONES, 0);
    CHECK_INT(lb_store_parameters(s, NULL), 12 + 3 + 4);
    CHECK_INT(lb_store_parameters(s, "image."), 15);
    CHECK_INT(lb_store_parameters(s, "none"), 0);
    CHECK(lb_store_find(s, "image.w")->decay && !lb_store_find(s, "image.b")->decay);
    CHECK_INT(lb_store_train(s, "image.", false), 3);
    CHECK(!lb_store_find(s, "image.w")->x->requires_grad && lb_store_find(s, "text.w")->x->requires_grad);
    CHECK_INT(lb_store_train(s, NULL, true), 4);
    CHECK(lb_store_find(s, "image.w")->x->requires_grad && !mean->x->requires_grad);
    lb_store_free(s);
}

static void store_averages(void) {
    lb_store *a = new_store(), *b = new_store();
    lb_param_tensor *ya = add(a, "w", 1, (int64_t[]){2}, LB_INIT_ZEROS, 0), *xb = add(b, "w", 1, (int64_t[]){2}, LB_INIT_ZEROS, 0);
    lb_param_tensor *only = add(a, "only", 1, (int64_t[]){1}, LB_INIT_ZEROS, 0);
    ((lb_real *)ya->x->data)[1] = 4, ((lb_real *)xb->x->data)[0] = 1, ((lb_real *)only->x->data)[0] = 7;
    CHECK_OK(lb_store_ema(a, b, 0.75));
    CHECK_NEAR(lb_get_at(ya->x, 0), 0.25, 0); /* binary fractions: exact */
    CHECK_NEAR(lb_get_at(ya->x, 1), 3, 0);
    CHECK_NEAR(lb_get_at(only->x, 0), 7, 0);
    lb_store_free(a);
    lb_store_free(b);
}

/* ---- initialisers ---- */

static void init_is_of_seed_and_name(void) {
    lb_store *a = new_store(), *b = new_store();
    const int64_t shape[] = {5, 3};
    add(a, "first", 2, shape, LB_INIT_NORMAL, 1);
    add(a, "second", 2, shape, LB_INIT_NORMAL, 1);
    add(b, "second", 2, shape, LB_INIT_NORMAL, 1);
    add(b, "other", 1, shape, LB_INIT_UNIFORM, 1);
    add(b, "first", 2, shape, LB_INIT_NORMAL, 1);
    CHECK_OK(lb_store_init(a, 42));
    CHECK_OK(lb_store_init(b, 42));
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "first" : "second";
        CHECK_DOUBLES((double *)lb_store_find(b, name)->x->data, (double *)lb_store_find(a, name)->x->data, 15, 0, 0);
    }
    CHECK(lb_get_at(lb_store_at(a, 0)->x, 0) != lb_get_at(lb_store_at(a, 1)->x, 0));
    double before = lb_get_at(lb_store_at(a, 0)->x, 0);
    CHECK_OK(lb_store_init(a, 43));
    CHECK(lb_get_at(lb_store_at(a, 0)->x, 0) != before);
    lb_store_free(a);
    lb_store_free(b);
}

/* n = 64 * 32 * 9 = 18432 draws: a mean is within 5 std / sqrt(n) = 3.7% of std with odds of 1 to 10^6, a standard deviation within 4%. */
static void init_distributions(void) {
    static const struct {
        lb_init init;
        double arg, std, bound; /* bound 0: none */
    } all[] = {
        {LB_INIT_NORMAL, 0.02, 0.02, 0},
        {LB_INIT_TRUNC_NORMAL, 0.02, 0.02 * 0.87962566, 0.04}, /* std of a normal cut at 2 */
        {LB_INIT_UNIFORM, 0.3, 0.17320508, 0.3},
        {LB_INIT_KAIMING_UNIFORM, 0, 0.058925565 * 0.57735027, 0.058925565},  /* 1 / sqrt(32 * 9) */
        {LB_INIT_KAIMING_UNIFORM, 100, 0.057735027, 0.1},                     /* a bias: fan_in given */
        {LB_INIT_KAIMING_FAN_OUT, 0, 0.058925565, 0},                         /* sqrt(2 / (64 * 9)) */
        {LB_INIT_XAVIER_UNIFORM, 0, 0.083333333 * 0.57735027, 0.083333333},   /* sqrt(6 / (288 + 576)) */
    };
    for (size_t k = 0; k < LB_COUNT(all); k++) {
        lb_store *s = new_store();
        lb_param_tensor *p = add(s, "w", 4, (int64_t[]){64, 32, 3, 3}, all[k].init, all[k].arg);
        CHECK_OK(lb_store_init(s, 1));
        double sum = 0, square = 0, most = 0, n = (double)lb_numel(p->x);
        for (int64_t i = 0; i < lb_numel(p->x); i++) {
            double x = lb_get_at(p->x, i);
            sum += x;
            square += x * x;
            most = fmax(most, fabs(x));
        }
        CHECK_NEAR(sum / n, 0, 0.037 * all[k].std);
        CHECK_NEAR(sqrt(square / n), all[k].std, 0.04 * all[k].std);
        if (all[k].bound > 0) CHECK(most <= all[k].bound && most > 0.98 * all[k].bound);
        else CHECK(most > 3 * all[k].std);
        lb_store_free(s);
    }
}

static void init_constants(void) {
    lb_store *s = new_store();
    lb_param_tensor *a = add(s, "a", 1, (int64_t[]){3}, LB_INIT_ONES, 0), *b = add(s, "b", 0, NULL, LB_INIT_CONSTANT, 2.5), *c = add(s, "c", 2, (int64_t[]){0, 3}, LB_INIT_NORMAL, 1);
    CHECK_OK(lb_store_init(s, 1));
    CHECK_NEAR(lb_get_at(a->x, 2), 1, 0);
    CHECK_NEAR(lb_number(b->x), 2.5, 0);
    CHECK_INT(lb_numel(c->x), 0);
    lb_store_free(s);
}

/* ---- names, taps, declaring ---- */

static lb_tensor *two_layers(lb_nn *m, lb_tensor *x) {
    for (int i = 0; i < 2; i++) {
        lb_nn_in(m, "layer.%d", i);
        lb_nn_in(m, "inner");
        x = lb_nn_out(m, lb_nn_linear(m, x, "fc", 4 - i, LB_ACT_TANH));
        x = lb_nn_layer_norm(m, x, "norm", 1e-5);
        lb_nn_tap(m, x, "block.%d", i);
        x = lb_nn_out(m, x);
    }
    return x;
}

static void see(void *ctx, const char *tap, const lb_tensor *x) {
    char shape[96], *text = ctx;
    size_t n = strlen(text);
    snprintf(text + n, 256 - n, "%s%s ", tap, lb_shape_text(shape, sizeof shape, x->rank, x->shape));
}

static lb_store *declared(void) {
    lb_store *s = new_store();
    net n = net_new(s, true);
    char seen[256] = "";
    lb_nn_list_taps(n.m, see, seen);
    lb_tensor *y = two_layers(n.m, lb_input(n.t, LB_REAL, 2, (int64_t[]){1, 5}, NULL, LB_REAL));
    CHECK_OK(lb_tape_status(n.t));
    CHECK_INT(y->shape[1], 3);
    CHECK_TEXT(seen, "block.0[1,4] block.1[1,3] ");
    net_free(&n);
    return s;
}

static void declaring_states_parameters(void) {
    static const char *const names[] = {"layer.0.inner.fc.weight [4,5]", "layer.0.inner.fc.bias [4]", "layer.0.norm.weight [4]", "layer.0.norm.bias [4]",
                                        "layer.1.inner.fc.weight [3,4]", "layer.1.inner.fc.bias [3]", "layer.1.norm.weight [3]", "layer.1.norm.bias [3]"};
    lb_store *s = declared();
    CHECK_INT(lb_store_count(s), (int64_t)LB_COUNT(names));
    for (int64_t i = 0; i < lb_store_count(s) && i < (int64_t)LB_COUNT(names); i++) {
        char shape[96], text[128];
        lb_param_tensor *p = lb_store_at(s, i);
        snprintf(text, sizeof text, "%s %s", p->name, lb_shape_text(shape, sizeof shape, p->x->rank, p->x->shape));
        CHECK_TEXT(text, names[i]);
    }
    lb_store_free(s);
}

static void missing_and_misshaped(void) {
    lb_store *s = declared(), *none = new_store();
    net a = net_new(none, false), b = net_new(s, false);
    two_layers(a.m, lb_zeros(a.t, 2, (int64_t[]){2, 5}));
    CHECK_FAILS(lb_tape_status(a.t), LB_E_NOTFOUND, "'layer.0.inner.fc.weight' [4,5] is missing");
    two_layers(b.m, lb_zeros(b.t, 2, (int64_t[]){2, 6}));
    CHECK_FAILS(lb_tape_status(b.t), LB_E_SHAPE, "'layer.0.inner.fc.weight' is [4,5], wanted [4,6]");
    net_free(&a);
    net_free(&b);
    lb_store_free(s);
    lb_store_free(none);
}

static void unbalanced_names(void) {
    lb_store *s = new_store();
    net n = net_new(s, true);
    lb_nn_out(n.m, lb_zeros(n.t, 0, NULL));
    CHECK_FAILS(lb_tape_status(n.t), LB_E_BUG, "lb_nn_out");
    net_free(&n);
    net deep = net_new(s, true);
    for (int i = 0; i < 40; i++) lb_nn_in(deep.m, "x");
    CHECK_FAILS(lb_tape_status(deep.t), LB_E_LIMIT, "deep");
    net_free(&deep);
    lb_store_free(s);
}

/* A tap is kept through scopes and the backward pass; others are not given. */
static void taps_are_kept(void) {
    lb_store *s = declared();
    CHECK_OK(lb_store_init(s, 4));
    net n = net_new(s, false);
    lb_tensor *x = drawn(2, (int64_t[]){2, 5}, "x");
    CHECK_OK(lb_nn_want(n.m, "block.0"));
    CHECK_OK(lb_nn_want(n.m, "image.block.1"));
    CHECK_OK(lb_nn_want(n.m, "nothing"));
    CHECK(lb_nn_wants(n.m, "block.0") && !lb_nn_wants(n.m, "block.1"));
    two_layers(n.m, x);
    lb_nn_tap_under(n.m, "image.");
    lb_tensor *y = two_layers(n.m, x);
    lb_backward(n.t, lb_sum_all(n.t, lb_square(n.t, y)));
    CHECK_OK(lb_tape_status(n.t));
    double got[8];
    if (CHECK(lb_nn_tapped(n.m, "block.0") != NULL)) CHECK_OK(lb_read_f64(lb_nn_tapped(n.m, "block.0"), got, 8));
    /* a normalised row of four has mean 0 and variance 1 (less what eps takes: 1e-5 of the variance before) */
    CHECK_NEAR(got[0] + got[1] + got[2] + got[3], 0, 1e-12);
    CHECK_NEAR(got[0] * got[0] + got[1] * got[1] + got[2] * got[2] + got[3] * got[3], 4, 1e-2);
    CHECK(lb_nn_tapped(n.m, "image.block.1") != NULL && lb_nn_tapped(n.m, "nothing") == NULL && lb_nn_tapped(n.m, "block.1") == NULL);
    net_free(&n);
    lb_tensor_free(x);
    lb_store_free(s);
}

/* ---- layers ---- */

static void fill_random(lb_store *s) {
    for (int64_t i = 0; i < lb_store_count(s); i++) {
        lb_param_tensor *p = lb_store_at(s, i);
        lb_rng r = lb_rng_of(3, 0, p->name);
        bool var = strstr(p->name, "running_var") != NULL;
        for (int64_t k = 0; k < lb_numel(p->x); k++) ((lb_real *)p->x->data)[k] = var ? 0.5 + lb_rng_uniform(&r) : 0.5 * lb_rng_normal(&r);
    }
}

static lb_tensor *conv_layers(lb_nn *m, lb_tensor *x) {
    x = lb_nn_conv2d(m, x, "conv", 4, 3, lb_conv_same(2, 1, 2), true);
    return lb_nn_batch_norm(m, x, "bn", 1e-3, 0.1, LB_ACT_RELU6);
}

/* y[n,o,i,j] by the definition: 2 groups, kernel 3, stride 2, padding 1; then the running statistics' affine map and min(max(y,0),6). */
static double conv_by_hand(lb_store *s, const lb_tensor *x, int64_t n, int64_t o, int64_t i, int64_t j) {
    const lb_tensor *w = lb_store_find(s, "conv.weight")->x;
    double y = lb_get_at(lb_store_find(s, "conv.bias")->x, o);
    for (int64_t c = 0; c < 2; c++)
        for (int64_t u = 0; u < 3; u++)
            for (int64_t v = 0; v < 3; v++) {
                int64_t a = 2 * i + u - 1, b = 2 * j + v - 1;
                if (a >= 0 && b >= 0 && a < 5 && b < 6) y += lb_get_at(x, ((n * 4 + (o / 2) * 2 + c) * 5 + a) * 6 + b) * lb_get_at(w, ((o * 2 + c) * 3 + u) * 3 + v);
            }
    double mean = lb_get_at(lb_store_find(s, "bn.running_mean")->x, o), var = lb_get_at(lb_store_find(s, "bn.running_var")->x, o);
    y = (y - mean) / sqrt(var + 1e-3) * lb_get_at(lb_store_find(s, "bn.weight")->x, o) + lb_get_at(lb_store_find(s, "bn.bias")->x, o);
    return fmin(fmax(y, 0), 6);
}

static void conv_and_norm(void) {
    lb_store *s = new_store();
    net d = net_new(s, true);
    conv_layers(d.m, lb_input(d.t, LB_REAL, 4, (int64_t[]){1, 4, 5, 6}, NULL, LB_REAL));
    CHECK_OK(lb_tape_status(d.t));
    net_free(&d);
    CHECK(lb_store_find(s, "bn.running_var")->buffer && !lb_store_find(s, "bn.running_var")->x->requires_grad);
    CHECK_OK(lb_store_init(s, 1));
    CHECK_NEAR(lb_get_at(lb_store_find(s, "bn.running_var")->x, 3), 1, 0);
    fill_random(s);
    net n = net_new(s, false);
    lb_tensor *x = drawn(4, (int64_t[]){2, 4, 5, 6}, "x"), *y = conv_layers(n.m, x);
    double got[2 * 4 * 3 * 3];
    if (CHECK_OK(lb_tape_status(n.t)) && CHECK_INT(lb_numel(y), 72) && CHECK_OK(lb_read_f64(y, got, 72)))
        for (int64_t k = 0; k < 72; k++) CHECK_NEAR(got[k], conv_by_hand(s, x, k / 36, k / 9 % 4, k / 3 % 3, k % 3), 1e-12);
    net_free(&n);
    lb_tensor_free(x);
    lb_store_free(s);
}

/* Two steps of training: the running statistics follow the batches', the variance unbiased (n = 6 numbers a channel). */
static void norm_keeps_statistics(void) {
    lb_store *s = new_store();
    double mean[2] = {0, 0}, var[2] = {1, 1};
    for (int step = -1; step < 2; step++) {
        net n = net_new(s, step < 0);
        lb_tensor *x = drawn(3, (int64_t[]){2, 2, 3}, step ? "a" : "b");
        lb_tape_set_training(n.t, true, NULL);
        lb_nn_batch_norm(n.m, step < 0 ? lb_input(n.t, LB_REAL, 3, x->shape, NULL, LB_REAL) : x, "bn", 1e-5, 0.3, LB_ACT_NONE);
        CHECK_OK(lb_tape_status(n.t));
        if (step < 0) CHECK_OK(lb_store_init(s, 0));
        for (int c = 0; step >= 0 && c < 2; c++) {
            double sum = 0, square = 0;
            for (int i = 0; i < 6; i++) sum += lb_get_at(x, (i / 3 * 2 + c) * 3 + i % 3);
            for (int i = 0; i < 6; i++) square += pow(lb_get_at(x, (i / 3 * 2 + c) * 3 + i % 3) - sum / 6, 2);
            mean[c] = 0.7 * mean[c] + 0.3 * sum / 6;
            var[c] = 0.7 * var[c] + 0.3 * square / 5;
            CHECK_NEAR(lb_get_at(lb_store_find(s, "bn.running_mean")->x, c), mean[c], 1e-14);
            CHECK_NEAR(lb_get_at(lb_store_find(s, "bn.running_var")->x, c), var[c], 1e-14);
        }
        net_free(&n);
        lb_tensor_free(x);
    }
    lb_store_free(s);
}

/* Attention from x to y with a mask, by the definition. */
static void cross_attention(void) {
    enum { N = 2, L = 3, S = 4, C = 6, H = 2, D = C / H };
    static const int64_t mask_values[N * S] = {1, 1, 0, 1, 1, 0, 0, 0};
    lb_store *s = new_store();
    lb_tensor *x = drawn(3, (int64_t[]){N, L, C}, "x"), *y = drawn(3, (int64_t[]){N, S, 5}, "y");
    net d = net_new(s, true);
    lb_nn_attention(d.m, lb_input(d.t, LB_REAL, 3, x->shape, NULL, LB_REAL), lb_input(d.t, LB_REAL, 3, y->shape, NULL, LB_REAL), NULL, H, NULL);
    CHECK_OK(lb_tape_status(d.t));
    net_free(&d);
    fill_random(s);
    net n = net_new(s, false);
    lb_tensor *mask = lb_input(n.t, LB_I64, 2, (int64_t[]){N, S}, mask_values, LB_I64), *z = lb_nn_attention(n.m, x, y, mask, H, NULL);
    lb_tensor *part[3];
    for (int i = 0; i < 3; i++) part[i] = lb_nn_linear(n.m, i ? y : x, (const char *[]){"q_proj", "k_proj", "v_proj"}[i], C, LB_ACT_NONE);
    double mixed[N * L * C], got[N * L * C], want[N * L * C];
    for (int i = 0; i < N * L * H; i++) {
        int b = i / (L * H), l = i / H % L, h = i % H;
        double p[S], total = 0;
        for (int k = 0; k < S; k++) {
            double score = 0;
            for (int e = 0; e < D; e++) score += lb_get_at(part[0], (b * L + l) * C + h * D + e) * lb_get_at(part[1], (b * S + k) * C + h * D + e);
            total += p[k] = mask_values[b * S + k] ? exp(score / sqrt(D)) : 0;
        }
        for (int e = 0; e < D; e++) {
            double sum = 0;
            for (int k = 0; k < S; k++) sum += p[k] / total * lb_get_at(part[2], (b * S + k) * C + h * D + e);
            mixed[(b * L + l) * C + h * D + e] = sum;
        }
    }
    lb_tensor *by_hand = lb_nn_linear(n.m, lb_input(n.t, LB_REAL, 3, x->shape, mixed, LB_F64), "out_proj", C, LB_ACT_NONE);
    if (CHECK_OK(lb_tape_status(n.t)) && CHECK_OK(lb_read_f64(z, got, N * L * C)) && CHECK_OK(lb_read_f64(by_hand, want, N * L * C))) CHECK_DOUBLES(got, want, N * L * C, 1e-12, 0);
    net_free(&n);
    lb_tensor_free(x);
    lb_tensor_free(y);
    lb_store_free(s);
}

static double block_loss(lb_store *s, const lb_tensor *x, bool backward) {
    net n = net_new(s, false);
    lb_tensor *mask = lb_input(n.t, LB_I64, 2, (int64_t[]){2, 3}, (int64_t[]){1, 1, 1, 1, 1, 0}, LB_I64);
    lb_tensor *y = lb_nn_encoder_block(n.m, lb_input(n.t, LB_REAL, 3, x->shape, x->data, LB_REAL), mask, 2, 7, LB_ACT_GELU, 1e-5, 0.1);
    lb_tensor *loss = lb_sum_all(n.t, lb_mul(n.t, lb_sin(n.t, y), lb_tanh(n.t, y)));
    if (backward) lb_backward(n.t, loss);
    double value = CHECK_OK(lb_tape_status(n.t)) ? lb_number(loss) : NAN;
    net_free(&n);
    return value;
}

/* Central differences with step 1e-5: their own error is some 1e-10 + 1e-16 / 1e-5 relative to values of size 1. */
static void encoder_block_gradients(void) {
    lb_store *s = new_store();
    lb_tensor *x = drawn(3, (int64_t[]){2, 3, 4}, "x");
    net d = net_new(s, true);
    lb_nn_encoder_block(d.m, lb_input(d.t, LB_REAL, 3, x->shape, NULL, LB_REAL), NULL, 2, 7, LB_ACT_GELU, 1e-5, 0.1);
    CHECK_OK(lb_tape_status(d.t));
    net_free(&d);
    fill_random(s);
    CHECK_INT(lb_store_count(s), 16);
    block_loss(s, x, true);
    for (int64_t i = 0; i < lb_store_count(s); i++) {
        lb_param_tensor *p = lb_store_at(s, i);
        if (!check_true(p->x->grad != NULL, __FILE__, __LINE__, p->name)) continue;
        for (int64_t k = 0; k < lb_numel(p->x); k++) {
            lb_real *v = (lb_real *)p->x->data + k, was = *v;
            *v = was + 1e-5;
            double up = block_loss(s, x, false);
            *v = was - 1e-5;
            double down = block_loss(s, x, false);
            *v = was;
            check_near(lb_get_at(p->x->grad, k), (up - down) / 2e-5, 1e-7, __FILE__, __LINE__, p->name);
        }
    }
    lb_store_zero_grad(s);
    CHECK_NEAR(lb_get_at(lb_store_at(s, 0)->x->grad, 0), 0, 0);
    lb_tensor_free(x);
    lb_store_free(s);
}

/* exp of the parameter, at most 100; in training the stored value is cut and its gradient is alive. */
static void logit_scale(void) {
    lb_store *s = new_store();
    net d = net_new(s, true);
    lb_nn_logit_scale(d.m, "scale", 0.07);
    net_free(&d);
    CHECK_OK(lb_store_init(s, 0));
    lb_param_tensor *p = lb_store_find(s, "scale");
    for (int training = 0; training < 2; training++) {
        net n = net_new(s, false);
        lb_tape_set_training(n.t, training, NULL);
        CHECK_NEAR(lb_number(lb_nn_logit_scale(n.m, "scale", 0.07)), 1 / 0.07, 1e-12);
        *(lb_real *)p->x->data = 6;
        lb_tensor *y = lb_nn_logit_scale(n.m, "scale", 0.07);
        CHECK_NEAR(lb_number(y), 100, 1e-11);
        lb_backward(n.t, y);
        CHECK_OK(lb_tape_status(n.t));
        CHECK_NEAR(lb_number(p->x), training ? log(100.0) : 6, 0);
        if (training) CHECK_NEAR(lb_number(p->x->grad), 100, 1e-11);
        net_free(&n);
        CHECK_OK(lb_store_init(s, 0));
    }
    lb_store_free(s);
}

/* ---- models ---- */

static void toy_forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    lb_tape *t = lb_nn_tape(m);
    (void)cfg;
    if (in[0]) lb_nn_tap(m, lb_nn_linear(m, in[0], "a", 2, LB_ACT_NONE), "a");
    lb_nn_tap(m, lb_sum_all(t, lb_nn_linear(m, in[1], "b", 2, LB_ACT_NONE)), "b");
}

static void toy_example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    (void)cfg;
    *rank = 2;
    shape[0] = 1;
    shape[1] = 3 + input;
}

static const lb_arch toy = {.id = "toy", .title = "a test's network", .source = "", .kind = "joint", .inputs = "x[N,3]? y[N,4]", .taps = "a b", .forward = toy_forward, .example = toy_example};

static void model_runs(void) {
    lb_model *m = NULL;
    lb_model_cost cost = {0};
    if (!CHECK_OK(lb_model_new(&m, &toy, NULL))) return;
    CHECK_OK(lb_store_init(m->store, 0));
    CHECK_OK(lb_model_plan(m, &cost));
    CHECK_INT(cost.parameters, 2 * 3 + 2 + 2 * 4 + 2);
    CHECK_NEAR(cost.flops, 2 * (2 * 3 + 2 * 4), 4); /* biases and the sum may count */
    net n = net_new(m->store, false);
    lb_tensor *x = lb_full(n.t, 2, (int64_t[]){5, 3}, 1), *y = lb_full(n.t, 2, (int64_t[]){5, 4}, 1), *out[2];
    lb_model_run(m, n.t, 3, (lb_named[]){{"y", y}, {"else", x}, {"x", x}}, 2, (const char *const[]){"b", "a"}, out);
    CHECK_OK(lb_tape_status(n.t));
    CHECK_INT(out[1]->shape[0], 5);
    lb_model_run(m, n.t, 1, (lb_named[]){{"y", y}}, 1, (const char *const[]){"b"}, out);
    CHECK_OK(lb_tape_status(n.t));
    lb_model_run(m, n.t, 1, (lb_named[]){{"y", y}}, 2, (const char *const[]){"b", "a"}, out);
    CHECK_FAILS(lb_tape_status(n.t), LB_E_NOTFOUND, "no tap 'a'");
    lb_tape_reset(n.t);
    x = lb_full(n.t, 2, (int64_t[]){5, 3}, 1);
    lb_model_run(m, n.t, 1, (lb_named[]){{"x", x}}, 1, (const char *const[]){"a"}, out);
    CHECK_FAILS(lb_tape_status(n.t), LB_E_NOTFOUND, "input 'y' is missing");
    net_free(&n);
    lb_model_free(m);
}

/* Every allocation on the way to a model may fail: LB_E_NOMEM, nothing lost. */
static void model_without_memory(void) {
    bool done = false;
    for (int64_t at = 1; at < 2000 && !done; at++) {
        lb_model *m = NULL;
        lb_alloc_fail_at(at);
        lb_status st = lb_model_new(&m, &toy, NULL);
        lb_alloc_fail_at(0);
        done = st == LB_OK;
        if (!done && (st != LB_E_NOMEM || m)) check_int(st, LB_E_NOMEM, __FILE__, __LINE__, "status");
        lb_model_free(m);
    }
    CHECK(done);
    lb_error_clear();
}

/* ---- optimisers and schedules: tests/data/nn/make.py ---- */

static lb_optim_config config_from(const lb_value *v) {
    lb_optim_config c;
    if (!CHECK_OK(lb_params_from_value(lb_optim_params, &c, v))) exit(2);
    return c;
}

static void put_numbers(lb_real *dst, const lb_value *list) {
    for (int64_t i = 0; i < list->count; i++) dst[i] = list->items[i]->kind == LB_V_INT ? (double)list->items[i]->integer : list->items[i]->real;
}

/* f64 against f64: the order of a few operations differs. */
static void against(const lb_tensor *x, const lb_value *want) {
    double w[16];
    put_numbers(w, want);
    if (CHECK_INT(want->count, lb_numel(x))) CHECK_DOUBLES((double *)x->data, w, want->count, 1e-12, 1e-13);
}

/* A resumed optimiser is a new one with the old one's state. */
static void resume(lb_optim **o, const lb_optim_config *c, lb_store *s, int64_t total) {
    lb_optim *next = NULL;
    if (!CHECK_OK(lb_optim_new(&next, c, s, total))) return;
    lb_store *from = lb_optim_state(*o), *to = lb_optim_state(next);
    for (int64_t i = 0; i < lb_store_count(from); i++) {
        lb_param_tensor *p = lb_store_at(from, i), *q = add(to, p->name, p->x->rank, p->x->shape, LB_INIT_ZEROS, 0);
        memcpy(q->x->data, p->x->data, (size_t)lb_numel(p->x) * sizeof(lb_real));
    }
    lb_optim_free(*o);
    *o = next;
}

static void one_run(const lb_value *v) {
    lb_optim_config c = config_from(lb_get(v, "config"));
    lb_optim *o = NULL;
    lb_store *s = new_store();
    lb_param_tensor *p[2] = {add(s, "w.weight", 2, (int64_t[]){3, 2}, LB_INIT_ZEROS, 0), add(s, "w.bias", 1, (int64_t[]){3}, LB_INIT_ZEROS, 0)};
    lb_param_tensor *frozen = add(s, "frozen", 1, (int64_t[]){2}, LB_INIT_ONES, 0);
    CHECK_OK(lb_store_init(s, 0));
    lb_store_train(s, "frozen", false);
    for (int i = 0; i < 2; i++) {
        put_numbers(p[i]->x->data, lb_get(v, "start")->items[i]);
        CHECK_TEXT(lb_get(v, "start")->keys[i], p[i]->name);
        CHECK_OK(lb_tensor_new(&p[i]->x->grad, LB_REAL, p[i]->x->rank, p[i]->x->shape));
    }
    if (!CHECK_OK(lb_optim_new(&o, &c, s, 0))) return;
    lb_optim_scale_gradients(o, lb_get_real(v, "scale", 1));
    for (int64_t step = 0; step < lb_get(v, "grads")->count; step++) {
        double norm = 0;
        for (int i = 0; i < 2; i++) put_numbers(p[i]->x->grad->data, lb_get(v, "grads")->items[step]->items[i]);
        CHECK_OK(lb_optim_step(o, step, &norm));
        if (!strstr(c.groups, "frozen")) CHECK_NEAR(norm, lb_get(v, "norms")->items[step]->real, 1e-12);
        for (int i = 0; i < 2; i++) against(p[i]->x, lb_get(v, "values")->items[step]->items[i]);
        if (step == 2) {
            resume(&o, &c, s, 0);
            lb_optim_scale_gradients(o, lb_get_real(v, "scale", 1));
        }
    }
    CHECK_NEAR(lb_get_at(frozen->x, 1), 1, 0);
    lb_optim_free(o);
    lb_store_free(s);
    lb_params_free(lb_optim_params, &c);
}

static void one_schedule(const lb_value *v) {
    lb_optim_config c = config_from(lb_get(v, "config"));
    const lb_value *rates = lb_get(v, "rates");
    lb_store *s = new_store();
    lb_optim *o = NULL;
    if (!CHECK_OK(lb_optim_new(&o, &c, s, lb_get_int(v, "total", 0)))) return;
    for (int64_t i = 0; i < c.warmup; i++) CHECK_NEAR(lb_optim_lr(o, i), c.lr * (double)(i + 1) / (double)c.warmup, 1e-15);
    for (int64_t i = 0; i < rates->count; i++) CHECK_NEAR(lb_optim_lr(o, c.warmup + i), rates->items[i]->real, 1e-14);
    if (strcmp(c.schedule, "cosine") == 0 || strcmp(c.schedule, "linear") == 0) CHECK_NEAR(lb_optim_lr(o, 100000), c.lr * c.final_lr, 1e-15);
    lb_optim_free(o);
    lb_store_free(s);
    lb_params_free(lb_optim_params, &c);
}

/* Held still before step 2 and from step 4 on, without a trace in the state: then as an optimiser that begins there. */
static void phases(void) {
    lb_optim_config c = {0};
    lb_optim *o = NULL;
    lb_store *s = new_store();
    lb_param_tensor *held = add(s, "body.w", 1, (int64_t[]){1}, LB_INIT_ZEROS, 0), *free_one = add(s, "head.w", 1, (int64_t[]){1}, LB_INIT_ZEROS, 0);
    const double want[] = {0, 0, -0.1, -0.2, -0.2};
    CHECK_OK(lb_params_default(lb_optim_params, &c));
    CHECK_OK(lb_param_set_text(lb_param_find(lb_optim_params, "name"), &c, "sgd"));
    CHECK_OK(lb_param_set_text(lb_param_find(lb_optim_params, "groups"), &c, "body.*: from 2, until 4"));
    CHECK_OK(lb_param_set_text(lb_param_find(lb_optim_params, "schedule"), &c, "constant"));
    c.lr = 0.1;
    c.momentum = c.weight_decay = 0;
    c.warmup = 0;
    if (!CHECK_OK(lb_optim_new(&o, &c, s, 0))) return;
    for (int i = 0; i < 2; i++) CHECK_OK(lb_tensor_new(i ? &free_one->x->grad : &held->x->grad, LB_REAL, 1, (int64_t[]){1}));
    *(lb_real *)held->x->grad->data = *(lb_real *)free_one->x->grad->data = 1;
    for (int64_t step = 0; step < 5; step++) {
        double norm;
        CHECK_OK(lb_optim_step(o, step, &norm));
        CHECK_NEAR(lb_get_at(held->x, 0), want[step], 1e-15);
        CHECK_NEAR(lb_get_at(free_one->x, 0), -0.1 * (double)(step + 1), 1e-15);
        CHECK_NEAR(norm, step == 2 || step == 3 ? sqrt(2) : 1, 1e-15);
    }
    lb_optim_free(o);
    lb_store_free(s);
    lb_params_free(lb_optim_params, &c);
}

/* A parameter of several pieces, of which the last is short: gradients of 1, and of 2 from the second piece on, are each seen once and scaled by clip / norm. */
static void long_gradients(void) {
    enum { PIECE = 65536, MANY = 2 * PIECE + 3 };
    lb_optim_config c = {.name = "sgd", .schedule = "constant", .lr = 1, .clip_norm = 1};
    lb_optim *o = NULL;
    lb_store *s = new_store();
    lb_param_tensor *p = add(s, "w", 1, (int64_t[]){MANY}, LB_INIT_ZEROS, 0);
    double norm = 0;
    if (!CHECK_OK(lb_tensor_new(&p->x->grad, LB_REAL, 1, (int64_t[]){MANY})) || !CHECK_OK(lb_optim_new(&o, &c, s, 1))) return;
    for (int i = 0; i < MANY; i++) ((lb_real *)p->x->grad->data)[i] = i < PIECE ? 1 : 2;
    CHECK_OK(lb_optim_step(o, 0, &norm));
    CHECK_NEAR(norm, sqrt(PIECE + 4 * (MANY - PIECE)), 1e-9);
    for (int i = 0; i < MANY; i += MANY / 2) CHECK_NEAR(lb_get_at(p->x, i), -(i < PIECE ? 1 : 2) / (norm + 1e-6), 1e-15);
    lb_optim_free(o);
    lb_store_free(s);
}

static void recorded(bool schedules) {
    lb_value *all = NULL;
    if (!CHECK_OK(lb_json_read(&all, check_data("nn/optim.json")))) return;
    const lb_value *list = lb_get(all, schedules ? "schedules" : "runs");
    CHECK(list->count > 5);
    for (int64_t i = 0; i < list->count; i++) schedules ? one_schedule(list->items[i]) : one_run(list->items[i]);
    lb_value_free(all);
}

static void optimisers_as_pytorch(void) { recorded(false); }
static void schedules_as_pytorch(void) { recorded(true); }

static void optimiser_refuses(void) {
    lb_store *s = new_store();
    lb_optim_config c = {.name = "adamw", .schedule = "constant", .lr = 1}, wrong = {.name = "rms", .schedule = "constant"}, course = {.name = "sgd", .schedule = "up"};
    lb_optim *o = NULL;
    CHECK_FAILS(lb_optim_new(&o, &wrong, s, 1), LB_E_ARG, "'rms'");
    CHECK_FAILS(lb_optim_new(&o, &course, s, 1), LB_E_ARG, "'up'");
    static const char *const unread[] = {"head.*", "head.*: lr", "head.*: fast", ": lr 1", "a: lr -1", "a: decay x"};
    for (size_t i = 0; i < LB_COUNT(unread); i++) {
        lb_optim_config groups = {.name = "sgd", .schedule = "constant", .groups = unread[i]};
        CHECK_FAILS(lb_optim_new(&o, &groups, s, 1), LB_E_ARG, "optimiser groups");
    }
    lb_param_tensor *good = add(s, "good", 1, (int64_t[]){2}, LB_INIT_ONES, 0), *bad = add(s, "bad", 1, (int64_t[]){1}, LB_INIT_ONES, 0);
    CHECK_OK(lb_store_init(s, 0));
    CHECK_OK(lb_tensor_new(&good->x->grad, LB_REAL, 1, (int64_t[]){2}));
    CHECK_OK(lb_tensor_new(&bad->x->grad, LB_REAL, 1, (int64_t[]){1}));
    *(lb_real *)good->x->grad->data = 1;
    *(lb_real *)bad->x->grad->data = NAN;
    if (CHECK_OK(lb_optim_new(&o, &c, s, 1))) {
        CHECK_FAILS(lb_optim_step(o, 7, NULL), LB_E_NUMERIC, "'bad' is not finite at step 7");
        CHECK_NEAR(lb_get_at(good->x, 0), 1, 0);
    }
    lb_optim_free(o);
    lb_store_free(s);
}

/* Two optimisers over one store, each with a part of it. */
static void optimisers_share_a_step(void) {
    lb_store *s = new_store();
    lb_optim_config slow = {.name = "sgd", .schedule = "constant", .lr = 0.5, .only = "a.*|b.bias"}, fast = {.name = "sgd", .schedule = "constant", .lr = 2, .only = "*b.weight"};
    lb_optim *o[2] = {NULL};
    static const char *const names[] = {"a.weight", "b.bias", "b.weight", "c"};
    lb_param_tensor *p[4];
    for (int i = 0; i < 4; i++) {
        p[i] = add(s, names[i], 1, (int64_t[]){1}, LB_INIT_ZEROS, 0);
        CHECK_OK(lb_tensor_new(&p[i]->x->grad, LB_REAL, 1, (int64_t[]){1}));
        *(lb_real *)p[i]->x->grad->data = -1;
    }
    if (CHECK_OK(lb_optim_new(&o[0], &slow, s, 1)) && CHECK_OK(lb_optim_new(&o[1], &fast, s, 1))) {
        double norm[2];
        for (int i = 0; i < 2; i++) CHECK_OK(lb_optim_step(o[i], 0, &norm[i]));
        static const double want[] = {0.5, 0.5, 2, 0};
        for (int i = 0; i < 4; i++) CHECK_NEAR(lb_get_at(p[i]->x, 0), want[i], 1e-15);
        CHECK_NEAR(norm[0], sqrt(2), 1e-15);
        CHECK_NEAR(norm[1], 1, 0);
    }
    for (int i = 0; i < 2; i++) lb_optim_free(o[i]);
    lb_store_free(s);
}

/* min(d, (1 + n) / (10 + n)); averaging with n / (n + 1) gives the mean of what came. */
static void averages_of_weights(void) {
    lb_store *mean = new_store(), *s = new_store();
    lb_param_tensor *y = add(mean, "x", 1, (int64_t[]){1}, LB_INIT_ZEROS, 0), *x = add(s, "x", 1, (int64_t[]){1}, LB_INIT_ZEROS, 0);
    CHECK_NEAR(lb_ema_decay(0.99, 0), 0.1, 1e-15);
    CHECK_NEAR(lb_ema_decay(0.99, 90), 0.91, 1e-15);
    CHECK_NEAR(lb_ema_decay(0.99, 100000), 0.99, 0);
    for (int i = 0; i < 5; i++) {
        *(lb_real *)x->x->data = (lb_real)(i * i);
        CHECK_OK(lb_store_ema(mean, s, lb_swa_decay(i)));
    }
    CHECK_NEAR(lb_get_at(y->x, 0), 6, 1e-14);
    lb_store_free(mean);
    lb_store_free(s);
}

/* ---- codes ---- */

static lb_tensor *given(int64_t rows, int64_t columns, const double *x) {
    lb_tensor *y = NULL;
    if (!CHECK_OK(lb_tensor_new(&y, LB_REAL, 2, (int64_t[]){rows, columns}))) exit(2);
    for (int64_t i = 0; i < rows * columns; i++) ((lb_real *)y->data)[i] = (lb_real)x[i];
    return y;
}

static const double three[] = {1, 0, 0, 2, 0.9, 0.1}, codes[] = {1, 0, 0, 1, 5, 5};

/* The first and third rows are nearest to code 0, the second to code 1. */
static void codes_of_vectors(void) {
    lb_tape *t = NULL;
    lb_tensor *x = given(3, 2, three), *c = given(3, 2, codes);
    static const double want[] = {1, 0, 0, 1, 1, 0}, gap[] = {0, 0, 0, 1, -0.1, 0.1}, pulled[] = {0.1, -0.1, 0, -1, 0, 0};
    x->requires_grad = c->requires_grad = true;
    CHECK_OK(lb_tape_new(&t));
    lb_quantised q = lb_vector_quantise(t, x, c, false);
    CHECK_NEAR(lb_number(q.commitment), 1.02 / 6, 1e-12);
    CHECK_NEAR(lb_number(q.codebook), 1.02 / 6, 1e-12);
    for (int64_t i = 0; i < 6; i++) CHECK_NEAR(lb_get_at(q.x, i), want[i], 1e-15);
    lb_backward(t, lb_add(t, lb_add(t, lb_sum_all(t, q.x), lb_scale(t, q.commitment, 6)), lb_scale(t, q.codebook, 60)));
    CHECK_OK(lb_tape_status(t));
    for (int64_t i = 0; i < 6; i++) CHECK_NEAR(lb_get_at(x->grad, i), 1 + 2 * gap[i], 1e-12); /* straight through, and the commitment's */
    for (int64_t i = 0; i < 6; i++) CHECK_NEAR(lb_get_at(c->grad, i), 20 * pulled[i], 1e-12);
    lb_tape_reset(t);
    lb_quantised r = lb_residual_quantise(t, x, 2, (lb_tensor *[]){c, c});
    CHECK_OK(lb_tape_status(t));
    CHECK_INT(r.index->shape[0], 2);
    CHECK_NEAR(lb_get_at(r.index, 4), 1, 0); /* what is left of the second row, (0, 1) */
    CHECK_NEAR(lb_get_at(r.x, 3), 2, 1e-15);
    lb_tensor_free(x);
    lb_tensor_free(c);
    lb_tape_free(t);
}

static void codebooks_follow(void) {
    lb_tensor *x = given(3, 2, three), *c = given(3, 2, codes), *sum = given(3, 2, codes), *size = given(3, 1, (double[]){1, 1, 1}), *index = NULL;
    static const double want[] = {1.45 / 1.5, 0.05 / 1.5, 0, 1.5, 5, 5}, sizes[] = {1.5, 1, 0.5};
    CHECK_OK(lb_tensor_new(&index, LB_I64, 1, (int64_t[]){3}));
    ((int64_t *)index->data)[1] = 1;
    CHECK_OK(lb_codebook_update(c, size, sum, x, index, false, 0.5, 0));
    for (int64_t i = 0; i < 6; i++) CHECK_NEAR(lb_get_at(c, i), want[i], 1e-14);
    for (int64_t i = 0; i < 3; i++) CHECK_NEAR(lb_get_at(size, i), sizes[i], 1e-15);
    for (int64_t i = 0; i < 6; i++) ((lb_real *)c->data)[i] = (lb_real)codes[i];
    CHECK_OK(lb_codebook_update(c, size, NULL, x, index, true, 0.5, 0));
    double u = 0.9 / sqrt(0.82), w = 0.1 / sqrt(0.82), length = sqrt((1 + u) * (1 + u) + w * w); /* directions (1, 0) and (u, w) */
    CHECK_NEAR(lb_get_at(c, 0), 0.5 + 0.5 * (1 + u) / length, 1e-14);
    CHECK_NEAR(lb_get_at(c, 1), 0.5 * w / length, 1e-14);
    CHECK_NEAR(lb_get_at(c, 4), 2.5 + 0.5 * sqrt(0.5), 1e-14); /* nothing came: towards itself */
    ((int64_t *)index->data)[0] = 3;
    CHECK_FAILS(lb_codebook_update(c, size, NULL, x, index, true, 0.5, 0), LB_E_ARG, "index 3 is outside 0..2");
    CHECK_FAILS(lb_codebook_update(c, size, NULL, x, index, false, 0.5, 0), LB_E_SHAPE, "do not fit");
    lb_tensor *all[] = {x, c, sum, size, index};
    for (size_t i = 0; i < LB_COUNT(all); i++) lb_tensor_free(all[i]);
}

static void half_bytes(void) {
    static const int8_t minus[] = {-8, 7, -1, 0, 3};
    uint8_t bytes[3];
    int8_t back[5];
    lb_pack_int4(bytes, minus, 5);
    CHECK_INT(bytes[0], 0x78);
    CHECK_INT(bytes[1], 0x0f);
    CHECK_INT(bytes[2], 0x03);
    lb_unpack_int4(back, bytes, 5, true);
    CHECK(memcmp(back, minus, 5) == 0);
    lb_unpack_int4(back, bytes, 5, false);
    CHECK_INT(back[0], 8);
    CHECK_INT(back[2], 15);
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "nn", (check_test[]){
        {"store finds many", store_finds_many},
        {"store counts and freezes", store_counts_and_freezes},
        {"store averages", store_averages},
        {"init is of seed and name", init_is_of_seed_and_name},
        {"init distributions", init_distributions},
        {"init constants", init_constants},
        {"declaring states parameters", declaring_states_parameters},
        {"missing and misshaped", missing_and_misshaped},
        {"unbalanced names", unbalanced_names},
        {"taps are kept", taps_are_kept},
        {"convolution and norm", conv_and_norm},
        {"norm keeps statistics", norm_keeps_statistics},
        {"cross attention", cross_attention},
        {"encoder block gradients", encoder_block_gradients},
        {"logit scale", logit_scale},
        {"model runs", model_runs},
        {"model without memory", model_without_memory},
        {"optimisers as pytorch", optimisers_as_pytorch},
        {"schedules as pytorch", schedules_as_pytorch},
        {"optimiser refuses", optimiser_refuses},
        {"optimisers share a step", optimisers_share_a_step},
        {"phases of groups", phases},
        {"long gradients", long_gradients},
        {"averages of weights", averages_of_weights},
        {"codes of vectors", codes_of_vectors},
        {"codebooks follow", codebooks_follow},
        {"half bytes", half_bytes},
        {0}});
}
