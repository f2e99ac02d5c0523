/* SPDX-License-Identifier: Apache-2.0 */
/* Ops on pictures with channels last, as runs without gradient keep them, against the same ops on contiguous ones. */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include "base/alloc.h"
#include "base/rng.h"
#include "check.h"
#include "tensor/derived.h"
#include "tensor/exact.h"
#include "tensor/forms.h"
#include "tensor/kernels/last.h"
#include "tensor/hold.h"
#include "tensor/last.h"
#include "tensor/op.h"
#include "tensor/ops.h"
#include "tensor/precision.h"

enum { N = 2, C = 19, H = 9, W = 11 };
typedef struct inputs {
    lb_tensor *x, *y, *gate, *one, *w, *deep, *bias;
} inputs;

static lb_tensor *draw(lb_rng *r, int rank, const int64_t *shape) {
    lb_tensor *x = NULL;
    CHECK_OK(lb_tensor_new(&x, LB_REAL, rank, shape));
    for (int64_t i = 0; x && i < lb_numel(x); i++) ((lb_real *)x->data)[i] = (lb_real)(2 * lb_rng_uniform(r) - 1);
    return x;
}

/* A picture as a convolution leaves it: with channels last in a run without gradient. */
static lb_tensor *made(lb_tape *t, const inputs *in, lb_tensor *x) { return lb_conv2d(t, x, in->w, in->bias, lb_conv_same(1, 1, 1), LB_ACT_NONE); }

typedef lb_tensor *(*op)(lb_tape *t, const inputs *in, lb_tensor *a, lb_tensor *b);
static lb_tensor *relu(lb_tape *t, const inputs *in, lb_tensor *a, lb_tensor *b) { return lb_relu(t, a); }
static lb_tensor *hardswish(lb_tape *t, const inputs *in, lb_tensor *a, lb_tensor *b) { return lb_hardswish(t, a); }
static lb_tensor *add(lb_tape *t, const inputs *in, lb_tensor *a, lb_tensor *b) { return lb_add(t, a, b); }
static lb_tensor *add_other(lb_tape *t, const inputs *in, lb_tensor *a, lb_tensor *b) { return lb_add(t, in->x, b); }
static lb_tensor *gated(lb_tape *t, const inputs *in, lb_tensor *a, lb_tensor *b) { return lb_mul(t, a, in->gate); }
static lb_tensor *times_one(lb_tape *t, const inputs *in, lb_tensor *a, lb_tensor *b) { return lb_mul(t, in->one, a); }
static lb_tensor *joined(lb_tape *t, const inputs *in, lb_tensor *a, lb_tensor *b) { return lb_concat(t, 2, (lb_tensor *[]){a, b}, 1); }
static lb_tensor *stacked(lb_tape *t, const inputs *in, lb_tensor *a, lb_tensor *b) { return lb_concat(t, 2, (lb_tensor *[]){a, b}, 2); }
static lb_tensor *joined_other(lb_tape *t, const inputs *in, lb_tensor *a, lb_tensor *b) { return lb_concat(t, 2, (lb_tensor *[]){a, in->x}, 1); }
static lb_tensor *biggest(lb_tape *t, const inputs *in, lb_tensor *a, lb_tensor *b) { return lb_max_pool(t, a, (lb_window){.size = {3, 2}, .stride = {2, 1}, .before = {1, 1}, .after = {1, 0}}); }
static lb_tensor *average(lb_tape *t, const inputs *in, lb_tensor *a, lb_tensor *b) {
    return lb_avg_pool(t, a, (lb_window){.size = {3, 3}, .stride = {2, 2}, .before = {1, 1}, .after = {1, 1}}, LB_AVG_INSIDE, 0);
}
static lb_tensor *cells(lb_tape *t, const inputs *in, lb_tensor *a, lb_tensor *b) { return lb_adaptive_avg_pool(t, a, (int64_t[]){2, 3}); }
static lb_tensor *biggest_cells(lb_tape *t, const inputs *in, lb_tensor *a, lb_tensor *b) { return lb_adaptive_max_pool(t, a, (int64_t[]){2, 1}); }
static lb_tensor *cell(lb_tape *t, const inputs *in, lb_tensor *a, lb_tensor *b) { return lb_adaptive_avg_pool(t, a, (int64_t[]){1, 1}); }
static lb_tensor *larger(lb_tape *t, const inputs *in, lb_tensor *a, lb_tensor *b) { return lb_resize2d(t, a, 17, 15, LB_RESIZE_LINEAR, false); }
static lb_tensor *wider(lb_tape *t, const inputs *in, lb_tensor *a, lb_tensor *b) { return lb_resize2d(t, a, H, 23, LB_RESIZE_LINEAR, false); }
static lb_tensor *higher(lb_tape *t, const inputs *in, lb_tensor *a, lb_tensor *b) { return lb_resize2d(t, a, 5, W, LB_RESIZE_LINEAR, false); }
static lb_tensor *nearest(lb_tape *t, const inputs *in, lb_tensor *a, lb_tensor *b) { return lb_resize2d(t, a, 18, 22, LB_RESIZE_NEAREST, false); }
static lb_tensor *mean(lb_tape *t, const inputs *in, lb_tensor *a, lb_tensor *b) { return lb_mean_over(t, a, LB_AXES(2, 3), true); }
static lb_tensor *sliced(lb_tape *t, const inputs *in, lb_tensor *a, lb_tensor *b) { return lb_add(t, lb_slice(t, a, 1, 3, 9, 1), lb_slice(t, b, 1, 0, 6, 1)); }
static lb_tensor *rows(lb_tape *t, const inputs *in, lb_tensor *a, lb_tensor *b) { return lb_softmax(t, lb_reshape(t, a, 2, (int64_t[]){N, C * H * W}), -1); }
static lb_tensor *depthwise(lb_tape *t, const inputs *in, lb_tensor *a, lb_tensor *b) { return lb_conv2d_scaled(t, a, in->deep, in->bias, in->bias, b, lb_conv_same(1, 1, C), LB_ACT_RELU6); }
static lb_tensor *added(lb_tape *t, const inputs *in, lb_tensor *a, lb_tensor *b) { return lb_conv2d_scaled(t, a, in->w, NULL, in->bias, in->x, lb_conv_same(1, 1, 1), LB_ACT_SILU); }

static const struct {
    const char *name;
    op run;
    bool last; /* the result too */
} ops[] = {{"relu", relu, true},
           {"hardswish", hardswish, true},
           {"add", add, true},
           {"add of another order", add_other, false},
           {"gate", gated, true},
           {"one number", times_one, true},
           {"concat of channels", joined, true},
           {"concat of rows", stacked, true},
           {"concat of another order", joined_other, false},
           {"max pool", biggest, true},
           {"average pool", average, true},
           {"adaptive pool", cells, true},
           {"adaptive pool of one cell", cell, false}, /* a map of 1x1 lies both ways */
           {"adaptive max pool", biggest_cells, true},
           {"linear", larger, true},
           {"linear, wider", wider, true},
           {"linear, lower", higher, true},
           {"nearest", nearest, true},
           {"mean", mean, false},
           {"slices", sliced, false},
           {"rows", rows, false},
           {"depthwise, all ends", depthwise, true},
           {"convolution with an addition of another order", added, true}};

static void one(lb_tape *t, const inputs *in, size_t k) {
    lb_tensor *got[2];
    for (int plain = 0; plain < 2; plain++) {
        lb_tape_set_mode(t, plain ? LB_TAPE_GRAD : LB_TAPE_NO_GRAD);
        lb_tensor *a = made(t, in, in->x), *b = made(t, in, in->y);
        CHECK_INT(lbi_is_last(a), !plain && lbi_last_can());
        got[plain] = ops[k].run(t, in, a, b);
        if (!plain && ops[k].last) CHECK_INT(lbi_is_last(got[0]), lbi_last_can());
        if (!plain) got[0] = lb_contiguous(t, got[0]);
    }
    if (!CHECK_OK(lb_tape_status(t)) || !CHECK(lb_same_shape(got[0], got[1]))) return;
    /* Sums of 171 products of numbers below 1 in another order: some epsilons of 171. */
    CHECK_FLOATS(got[0]->data, got[1]->data, lb_numel(got[1]), 2e-5, 2e-5);
}

static void all_ops(void) {
    lb_rng r = lb_rng_of(11, 0, "last");
    int64_t picture[] = {N, C, H, W}, gate[] = {N, C, 1, 1}, w[] = {C, C, 3, 3}, deep[] = {C, 1, 3, 3}, channels = C;
    inputs in = {draw(&r, 4, picture), draw(&r, 4, picture), draw(&r, 4, gate), draw(&r, 0, NULL), draw(&r, 4, w), draw(&r, 4, deep), draw(&r, 1, &channels)};
    lb_tape *t = NULL;
    if (!CHECK_OK(lb_tape_new(&t))) return;
    for (size_t k = 0; k < LB_COUNT(ops); k++) {
        check_begin("%s", ops[k].name);
        one(t, &in, k);
        lb_tape_reset(t);
        check_end();
    }
    lb_tape_free(t);
    lb_tensor *const all[] = {in.x, in.y, in.gate, in.one, in.w, in.deep, in.bias};
    for (size_t i = 0; i < LB_COUNT(all); i++) lb_tensor_free(all[i]);
}

/* ---- gradients ---- */

enum { WIDE = 48, LEAVES = 9 };

/* Convolutions that add products as they stand have channels last in no training run: they are the reference. */
static lb_tensor *conv(lb_tape *t, bool plain, lb_tensor *x, lb_tensor *w, lb_tensor *b, lb_conv_spec spec, lb_act act) {
    if (!plain) return lb_conv2d(t, x, w, b, spec, act);
    lb_tensor *y = lb_conv2d_exact(t, x, w, spec);
    return lb_activate(t, b ? lb_add(t, y, lb_reshape(t, b, 3, (int64_t[]){WIDE, 1, 1})) : y, act);
}

/* Every op that has gradients with channels last, and some between that have not. */
static lb_tensor *network(lb_tape *t, bool plain, lb_tensor *const *l) {
    lb_tensor *x = conv(t, plain, l[0], l[1], l[2], lb_conv_same(1, 1, 1), LB_ACT_RELU);
    lb_tensor *y = lb_batch_norm(t, x, l[3], l[2], 1e-3, LB_ACT_NONE, NULL, NULL);
    x = lb_max_pool(t, lb_hardswish(t, y), (lb_window){.size = {3, 3}, .stride = {2, 2}, .before = {1, 1}, .after = {1, 1}});
    y = conv(t, plain, x, l[4], NULL, lb_conv_same(1, 1, 1), LB_ACT_NONE);
    x = lb_batch_norm_add(t, y, l[3], l[2], x, 1e-3, LB_ACT_RELU, NULL, NULL);
    x = lb_add(t, x, lb_mul(t, x, lb_sigmoid(t, lb_mean_over(t, x, LB_AXES(2, 3), true))));
    x = conv(t, plain, x, l[5], l[2], lb_conv_same(1, 0, 1), LB_ACT_NONE);
    x = conv(t, plain, x, l[6], NULL, lb_conv_same(1, 1, WIDE), LB_ACT_NONE); /* depthwise */
    x = conv(t, plain, x, l[7], NULL, lb_conv_same(2, 1, 1), LB_ACT_RELU);
    x = conv(t, plain, lb_permute(t, x, (int[]){0, 1, 3, 2}), l[4], NULL, lb_conv_same(1, 1, 1), LB_ACT_NONE);
    return lb_mean_all(t, lb_square(t, lb_mul(t, x, l[8])));
}

static void gradients(void) {
    lb_rng r = lb_rng_of(13, 0, "gradients");
    const int64_t shapes[LEAVES][4] = {{3, 7, 12, 15}, {WIDE, 7, 3, 3}, {WIDE}, {WIDE}, {WIDE, WIDE, 3, 3}, {WIDE, WIDE, 1, 1}, {WIDE, 1, 3, 3}, {WIDE, WIDE, 3, 3}, {1}};
    const int ranks[LEAVES] = {4, 4, 1, 1, 4, 4, 4, 4, 1};
    lb_tensor *leaf[LEAVES], *want[LEAVES];
    lb_tape *t = NULL;
    if (!CHECK_OK(lb_tape_new(&t))) return;
    for (int i = 0; i < LEAVES; i++) {
        leaf[i] = draw(&r, ranks[i], shapes[i]);
        leaf[i]->requires_grad = true;
    }
    for (int plain = 1; plain >= 0; plain--) {
        lb_backward(t, network(t, plain, leaf));
        if (!CHECK_OK(lb_tape_status(t))) return;
        lb_tape_reset(t);
        for (int i = 0; i < LEAVES; i++) {
            if (plain) want[i] = leaf[i]->grad;
            /* Sums over some 2,000 products in another order, through five norms and convolutions. */
            else CHECK_FLOATS(leaf[i]->grad->data, want[i]->data, lb_numel(want[i]), 3e-4, 1e-7);
            if (plain) leaf[i]->grad = NULL;
        }
    }
    for (int i = 0; i < LEAVES; i++) {
        lb_tensor_free(want[i]);
        lb_tensor_free(leaf[i]);
    }
    lb_tape_free(t);
}

/* Channels beyond those of one block of columns, pixels of several runs: twice, so that the first result is one that is made again. */
static void wide_norms(void) {
    enum { MANY = 530 };
    lb_rng r = lb_rng_of(15, 0, "wide norms");
    const int64_t shapes[][4] = {{2, 3, 8, 9}, {MANY, 3, 3, 3}, {MANY}, {MANY}};
    lb_tensor *leaf[LB_COUNT(shapes)], *want[LB_COUNT(shapes)];
    lb_tape *t = NULL;
    if (!CHECK_OK(lb_tape_new(&t))) return;
    for (size_t i = 0; i < LB_COUNT(shapes); i++) {
        leaf[i] = draw(&r, i < 2 ? 4 : 1, shapes[i]);
        leaf[i]->requires_grad = true;
    }
    for (int plain = 1; plain >= 0; plain--) {
        lb_tensor *x = conv(t, plain, leaf[0], leaf[1], NULL, lb_conv_same(1, 1, 1), LB_ACT_NONE);
        lb_tensor *y = lb_batch_norm(t, x, leaf[2], leaf[3], 1e-3, LB_ACT_RELU, NULL, NULL);
        y = lb_batch_norm_add(t, y, leaf[3], leaf[2], x, 1e-3, LB_ACT_RELU6, NULL, NULL);
        y = lb_batch_norm(t, y, leaf[2], leaf[3], 1e-3, LB_ACT_SIGMOID, NULL, NULL); /* one that is not taken within the norm's loops */
        lb_backward(t, lb_mean_all(t, lb_square(t, y)));
        if (!CHECK_OK(lb_tape_status(t))) return;
        lb_tape_reset(t);
        for (size_t i = 0; i < LB_COUNT(shapes); i++) {
            if (plain) want[i] = leaf[i]->grad;
            /* Sums over 144 pixels in another order, through three norms. */
            else CHECK_FLOATS(leaf[i]->grad->data, want[i]->data, lb_numel(want[i]), 1e-4, 1e-7);
            if (plain) leaf[i]->grad = NULL;
        }
    }
    for (size_t i = 0; i < LB_COUNT(shapes); i++) {
        lb_tensor_free(want[i]);
        lb_tensor_free(leaf[i]);
    }
    lb_tape_free(t);
}

static lb_tensor *one_conv(lb_tape *t, const void *params, int n, lb_tensor *const *in) { return lb_conv2d(t, in[0], in[1], NULL, lb_conv_same(1, 1, 1), LB_ACT_RELU); }

/* The gradient of a picture with channels last comes from outside in the usual order: as weights of a backward pass, or from behind a part that is made again. */
static void gradients_from_outside(void) {
    enum { WAYS = 3 };
    lb_rng r = lb_rng_of(14, 0, "outside");
    const int64_t shape[] = {2, WIDE, 6, 5};
    lb_tensor *in[] = {draw(&r, 4, (int64_t[]){2, 7, 6, 5}), draw(&r, 4, (int64_t[]){WIDE, 7, 3, 3})}, *weight = draw(&r, 4, shape), *want[2] = {NULL};
    lb_tape *t = NULL;
    if (!CHECK_OK(lb_tape_new(&t))) return;
    in[0]->requires_grad = in[1]->requires_grad = true;
    for (int way = 0; way < WAYS; way++) {
        lb_tensor *w = lb_input(t, LB_REAL, 4, shape, weight->data, LB_REAL), *y = way == 2 ? lb_recompute(t, one_conv, NULL, 0, 2, in) : one_conv(t, NULL, 2, in);
        if (way != 2) CHECK_INT(lbi_is_last(y), lbi_last_can());
        if (way == 1) lb_backward_from(t, 1, &y, &w, false);
        else lb_backward(t, lb_sum_all(t, lb_mul(t, y, w)));
        if (!CHECK_OK(lb_tape_status(t))) return;
        lb_tape_reset(t);
        for (int i = 0; i < 2; i++) {
            if (way == 0) want[i] = in[i]->grad;
            else {
                CHECK_FLOATS(in[i]->grad->data, want[i]->data, lb_numel(want[i]), 1e-6, 1e-6); /* the same sums */
                lb_tensor_free(in[i]->grad);
            }
            in[i]->grad = NULL;
        }
    }
    for (int i = 0; i < 2; i++) {
        lb_tensor_free(want[i]);
        lb_tensor_free(in[i]);
    }
    lb_tensor_free(weight);
    lb_tape_free(t);
}

/* ---- results over what is added ---- */

enum { OUT = 64 };
typedef struct sum {
    const char *name;
    int64_t channels, kernel, side;
    bool rounded, nan; /* in bf16; one number of the picture is NaN, so that it has no parts */
} sum;

/* All numbers of all kinds of kernels: products in one step and in several, parts, Winograd. */
static const sum sums[] = {{"1x1", 80, 1, 14, false, false},          {"1x1, deep", 1100, 1, 7, false, false}, {"1x1, deep, no parts", 1100, 1, 7, false, true},
                           {"1x1, no parts", 80, 1, 14, false, true}, {"3x3", 56, 3, 9, false, false},         {"3x3, large", 64, 3, 32, false, false},
                           {"3x3, no parts", 200, 3, 7, false, true}, {"bf16", 80, 1, 14, true, false}};

typedef struct parts {
    lb_tensor *x, *w, *first, *unit, *bias;
} parts;

/* relu(w * x + bias + a), a with channels last. */
static lb_tensor *added_to(lb_tape *t, const parts *p, const sum *s, lb_tensor *a) { return lb_conv2d_scaled(t, p->x, p->w, p->bias, NULL, a, lb_conv_same(1, s->kernel / 2, 1), LB_ACT_RELU); }

static lb_tensor *addend(lb_tape *t, const parts *p) { return lb_conv2d(t, p->first, p->unit, NULL, lb_conv_same(1, 0, 1), LB_ACT_NONE); }

static void one_sum(lb_tape *t, lb_rng *r, const sum *s) {
    int64_t picture[] = {N, s->channels, s->side, s->side}, w[] = {OUT, s->channels, s->kernel, s->kernel}, out[] = {N, OUT, s->side, s->side}, unit[] = {OUT, OUT, 1, 1}, channels = OUT;
    parts p = {draw(r, 4, picture), draw(r, 4, w), draw(r, 4, out), draw(r, 4, unit), draw(r, 1, &channels)};
    if (s->nan) ((float *)p.x->data)[lb_numel(p.x) / 2] = NAN;
    if (s->rounded) lb_tape_set_precision(t, LB_PRECISION_BF16);
    for (int fixed = 0; fixed < 2; fixed++) {
        lb_tensor_fix(p.w, fixed);
        lb_tensor *want = added_to(t, &p, s, addend(t, &p)), *a = addend(t, &p);
        const void *memory = a->data;
        lb_tensor *got = added_to(t, &p, s, lb_last_use(t, a));
        if (!CHECK_OK(lb_tape_status(t))) break;
        CHECK_INT(got->data == memory, lbi_last_can());
        CHECK(memcmp(got->data, want->data, (size_t)lb_numel(want) * sizeof(float)) == 0);
    }
    lb_tape_set_precision(t, LB_PRECISION_F32);
    lb_tape_reset(t);
    lb_tensor *const all[] = {p.x, p.w, p.first, p.unit, p.bias};
    for (size_t i = 0; i < LB_COUNT(all); i++) lb_tensor_free(all[i]);
}

static void written_over(void) {
    lb_rng r = lb_rng_of(17, 0, "over");
    lb_tape *t = NULL;
    if (!CHECK_OK(lb_tape_new(&t))) return;
    lb_tape_set_mode(t, LB_TAPE_NO_GRAD);
    for (size_t k = 0; k < LB_COUNT(sums); k++) {
        check_begin("%s", sums[k].name);
        one_sum(t, &r, &sums[k]);
        check_end();
    }
    lb_tape_free(t);
}

static void count_calls(void *ctx, const lb_call *c) { *(int *)ctx += c->nin; }

/* What somebody still looks at stays: kept tensors, views, inputs that are two inputs, whoever watches, backward passes. */
static void not_written_over(void) {
    enum { KEPT, VIEWED, TWICE, WATCHED, RECORDED, OTHERS, WAYS };
    lb_rng r = lb_rng_of(19, 0, "not over");
    int64_t picture[] = {N, OUT, 9, 9}, w[] = {OUT, OUT, 3, 3}, unit[] = {OUT, OUT, 1, 1};
    const sum s = {"", OUT, 3, 9, false, false};
    parts p = {draw(&r, 4, picture), draw(&r, 4, w), draw(&r, 4, picture), draw(&r, 4, unit), NULL};
    int seen = 0;
    lb_tape *t = NULL;
    if (!CHECK_OK(lb_tape_new(&t))) return;
    for (int way = 0; way < WAYS; way++) {
        lb_tape_set_mode(t, way == RECORDED ? LB_TAPE_GRAD : LB_TAPE_NO_GRAD);
        p.w->requires_grad = way == RECORDED;
        if (way == WATCHED) lb_tape_watch(t, count_calls, &seen);
        lb_tensor *a = addend(t, &p), *view = way == VIEWED ? lb_reshape(t, a, 4, picture) : NULL, *x = p.x;
        const void *memory = a->data;
        if (way == TWICE) p.x = a;
        if (way != OTHERS) lb_last_use(t, a);
        if (way == KEPT) lb_keep(t, a);
        lb_tensor *got = added_to(t, &p, &s, a);
        p.x = x;
        if (!CHECK_OK(lb_tape_status(t))) break;
        CHECK(got->data != memory);
        if (way == KEPT || way == OTHERS) CHECK(a->data == memory);
        if (view) CHECK(view->data);
        lb_tape_watch(t, NULL, NULL);
        if (way == RECORDED) lb_backward(t, lb_sum_all(t, got));
        if (way != KEPT && way != OTHERS) { /* the handle is no more */
            CHECK_OK(lb_tape_status(t));
            lb_relu(t, a);
            CHECK_INT(lb_tape_status(t), LB_E_ARG);
        }
        lb_tape_reset(t);
    }
    CHECK(seen > 0);
    lb_tape_free(t);
    lb_tensor *const all[] = {p.x, p.w, p.first, p.unit};
    for (size_t i = 0; i < LB_COUNT(all); i++) lb_tensor_free(all[i]);
}

/* ---- forms of what stays ---- */

enum { THREADS = 4 };
typedef struct asked {
    lb_tensor *x;
    atomic_int made;
    bool fails; /* whoever makes it finds no memory */
} asked;

static void *ask(void *ctx) {
    asked *a = ctx;
    void *form = lbi_form_find(a->x, LBI_FORM_LAST, 3);
    if (form) return form;
    a->made++;
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL); /* the others come meanwhile */
    return lbi_form_keep(a->x, LBI_FORM_LAST, 3, a->fails ? NULL : lb_alloc_aligned(64));
}

/* One thread makes a form, the others wait for it; where it could not be made, the next one tries. */
static void made_once(void) {
    for (int fails = 0; fails < 2; fails++) {
        asked a = {.fails = fails};
        pthread_t thread[THREADS];
        void *got[THREADS];
        if (!CHECK_OK(lb_tensor_new(&a.x, LB_REAL, 1, (int64_t[]){1}))) return;
        lb_tensor_fix(a.x, true);
        for (int i = 0; i < THREADS; i++) CHECK_INT(pthread_create(&thread[i], NULL, ask, &a), 0);
        for (int i = 0; i < THREADS; i++) CHECK_INT(pthread_join(thread[i], &got[i]), 0);
        for (int i = 0; i < THREADS; i++) CHECK(got[i] == got[0] && (got[i] != NULL) == !fails);
        CHECK_INT(a.made, fails ? THREADS : 1);
        lb_tensor_free(a.x);
    }
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "last",
                      (check_test[]){{"ops", all_ops},
                                     {"gradients", gradients},
                                     {"wide norms", wide_norms},
                                     {"gradients from outside", gradients_from_outside},
                                     {"written over", written_over},
                                     {"not written over", not_written_over},
                                     {"forms made once", made_once},
                                     {0}});
}
