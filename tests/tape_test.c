/* SPDX-License-Identifier: Apache-2.0 */
/* The tape's promises: sticky failures, modes, scopes, memory, gradients through shared parts; and tensors as plain data. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/memory.h"
#include "check.h"
#include "tensor/hold.h"
#include "tensor/op.h"
#include "tensor/ops.h"

static lb_tensor *leaf(int rank, const int64_t *shape, double first, double step) {
    lb_tensor *x = NULL;
    if (!CHECK_OK(lb_tensor_new(&x, LB_REAL, rank, shape))) exit(2);
    for (int64_t i = 0; i < lb_numel(x); i++) ((lb_real *)x->data)[i] = (lb_real)(first + step * (double)i);
    x->requires_grad = true;
    return x;
}

static lb_tape *tape(void) {
    lb_tape *t = NULL;
    if (!CHECK_OK(lb_tape_new(&t))) exit(2);
    return t;
}

/* Values here are small integers and simple fractions, exact in float: no tolerance. */
static void check_values(const lb_tensor *x, const double *want, int64_t n) {
    double got[64];
    if (CHECK(x != NULL) && CHECK_OK(lb_read_f64(x, got, n))) CHECK_DOUBLES(got, want, n, 0, 0);
}
#define CHECK_VALUES(x, ...) check_values((x), (double[]){__VA_ARGS__}, (int64_t)LB_COUNT(((double[]){__VA_ARGS__})))

/* ---- gradients ---- */

static void add_broadcasts(void) {
    lb_tape *t = tape();
    lb_tensor *a = leaf(2, (int64_t[]){2, 3}, 1, 1), *b = leaf(1, (int64_t[]){3}, 10, 10);
    lb_tensor *y = lb_add(t, a, b), *w = lb_full(t, 2, (int64_t[]){2, 3}, 2);
    CHECK_OK(lb_tape_status(t));
    CHECK_VALUES(y, 11, 22, 33, 14, 25, 36);
    lb_backward_from(t, 1, &y, &w, false);
    CHECK_OK(lb_tape_status(t));
    CHECK_VALUES(a->grad, 2, 2, 2, 2, 2, 2);
    CHECK_VALUES(b->grad, 4, 4, 4);
    lb_tape_free(t);
    lb_tensor_free(a);
    lb_tensor_free(b);
}

/* y = x * x + x used three times: dy/dx = 2 x + 1; a second step adds to the gradient of the leaf. */
static void shared_parts_accumulate(void) {
    lb_tape *t = tape();
    lb_tensor *x = leaf(1, (int64_t[]){3}, 1, 1);
    for (int step = 1; step <= 2; step++) {
        lb_tensor *loss = lb_sum_all(t, lb_add(t, lb_mul(t, x, x), x));
        lb_backward(t, loss);
        CHECK_OK(lb_tape_status(t));
        CHECK_NEAR(lb_number(loss), 20, 0);
        CHECK_VALUES(x->grad, 3.0 * step, 5.0 * step, 7.0 * step);
        lb_tape_reset(t);
    }
    lb_tape_free(t);
    lb_tensor_free(x);
}

/* A sum hands its gradient on without a copy; what is added to one input's afterwards must not reach the other, nor the weights that came from
 * outside. L = sum w (h + k) + sum w h^2, h = 2 a, k = 3 b: da = 2 w (1 + 2 h), db = 3 w. */
static void handed_gradients_stay_apart(void) {
    lb_tape *t = tape();
    lb_tensor *a = leaf(1, (int64_t[]){3}, 1, 1), *b = leaf(1, (int64_t[]){3}, 1, 1);
    lb_tensor *w = lb_full(t, 1, (int64_t[]){3}, 0.5), *h = lb_keep(t, lb_scale(t, a, 2)), *k = lb_keep(t, lb_scale(t, b, 3)), *u = lb_square(t, h), *s = lb_add(t, h, k);
    lb_backward_from(t, 2, (lb_tensor *[]){u, s}, (lb_tensor *[]){w, w}, false);
    CHECK_OK(lb_tape_status(t));
    CHECK_VALUES(a->grad, 5, 9, 13);
    CHECK_VALUES(b->grad, 1.5, 1.5, 1.5);
    CHECK_VALUES(h->grad, 2.5, 4.5, 6.5);
    CHECK_VALUES(k->grad, 0.5, 0.5, 0.5);
    CHECK_VALUES(s->grad, 0.5, 0.5, 0.5);
    CHECK_VALUES(w, 0.5, 0.5, 0.5);
    lb_tape_free(t);
    lb_tensor_free(a);
    lb_tensor_free(b);
}

/* x <- tanh(w dropout(x)), several times. */
static lb_tensor *chain(lb_tape *t, const void *context, int n, lb_tensor *const *in) {
    const int *steps = context;
    lb_tensor *x = in[0];
    for (int i = 0; i < *steps; i++) x = lb_tanh(t, lb_mul(t, lb_dropout(t, x, 0.25), in[1]));
    return x;
}

/* Made again in the backward pass, a part gives the same and takes less memory: of 12 steps with 3 results each, two segments keep about
 * half. A part that gives back its input passes too. */
static void parts_are_made_again(void) {
    const int64_t size[] = {64, 64};
    const int six = 6, none = 0;
    lb_tensor *x = leaf(2, size, -1, 1e-3), *w = leaf(2, size, 1.1, -1e-4);
    double value[2];
    int64_t peak[2], n = lb_numel(x);
    float *first = NULL;
    for (int again = 0; again < 2; again++) {
        lb_tape *t = tape();
        lb_rng r = lb_rng_make(3, 0);
        lb_tensor *in[] = {x, w}, *y = x;
        lb_tape_set_training(t, true, &r);
        for (int part = 0; part < 2; part++) {
            in[0] = y;
            y = again ? lb_recompute(t, chain, &six, sizeof six, 2, in) : chain(t, &six, 2, in);
            in[0] = y;
            y = again ? lb_recompute(t, chain, &none, sizeof none, 2, in) : y;
        }
        lb_backward(t, lb_sum_all(t, y));
        CHECK_OK(lb_tape_status(t));
        CHECK(!lb_tape_again(t));
        value[again] = lb_get_at(y, 5);
        peak[again] = lb_tape_get_stats(t).peak_bytes;
        if (!again) {
            first = lb_alloc((size_t)(2 * n), sizeof *first);
            if (!CHECK(first)) return;
            memcpy(first, x->grad->data, (size_t)n * sizeof *first);
            memcpy(first + n, w->grad->data, (size_t)n * sizeof *first);
        } else {
            CHECK_FLOATS((float *)x->grad->data, first, n, 0, 0);
            CHECK_FLOATS((float *)w->grad->data, first + n, n, 12 * (double)FLT_EPSILON, 0); /* 12 terms, summed by segment first */
        }
        memset(x->grad->data, 0, (size_t)n * sizeof *first);
        memset(w->grad->data, 0, (size_t)n * sizeof *first);
        lb_tape_free(t);
    }
    CHECK_NEAR(value[1], value[0], 0);
    CHECK(peak[1] < peak[0] * 7 / 10);
    lb_free(first);
    lb_tensor_free(x);
    lb_tensor_free(w);
}

/* A linear layer's result is held for the slope of its activation only: where it has none and nobody else reads it, it goes with its handle. */
static void linear_results_go(void) {
    const int64_t size[] = {64, 64};
    lb_tensor *x = leaf(2, size, -1, 1e-4), *w = leaf(2, size, -0.05, 6e-6);
    int64_t one = 64 * 64 * (int64_t)sizeof(lb_real);
    for (int act = 0; act < 2; act++) {
        lb_tape *t = tape();
        lb_scope s = lb_scope_begin(t);
        lb_tensor *y = lb_scope_end(t, s, lb_add(t, x, lb_linear(t, x, w, NULL, act ? LB_ACT_RELU : LB_ACT_NONE)));
        CHECK_INT(lb_tape_get_stats(t).bytes, act ? 2 * one : one);
        lb_backward(t, lb_sum_all(t, y));
        CHECK_OK(lb_tape_status(t));
        lb_tape_free(t);
    }
    lb_tensor_free(x);
    lb_tensor_free(w);
}

static lb_tensor *fails(lb_tape *t, const void *context, int n, lb_tensor *const *in) { return lb_tape_again(t) ? lb_tape_fail(t, LB_E_ARG, "the second time") : lb_square(t, in[0]); }

/* What costs little is not held: gelu of a layer's sums is made again in the backward pass, with the same gradients as where it is kept. */
static void cheap_results_are_made_again(void) {
    enum { LAYERS = 6 };
    const int64_t size[] = {128, 128};
    lb_tensor *x = leaf(2, size, -1, 1e-4), *w = leaf(2, size, -0.05, 6e-6);
    int64_t peak[2], n = lb_numel(x);
    float *first = lb_alloc((size_t)(2 * n), sizeof *first);
    if (!CHECK(first)) return;
    for (int kept = 0; kept < 2; kept++) {
        lb_tape *t = tape();
        lb_tensor *y = x;
        for (int i = 0; i < LAYERS; i++) {
            lb_scope s = lb_scope_begin(t);
            lb_tensor *g = lb_gelu(t, lb_layer_norm(t, lb_linear(t, y, w, NULL, LB_ACT_NONE), NULL, NULL, 1e-5));
            if (kept) lb_keep(t, g);
            y = lb_scope_end(t, s, lb_linear(t, g, w, NULL, LB_ACT_NONE));
        }
        lb_backward(t, lb_sum_all(t, lb_square(t, y)));
        CHECK_OK(lb_tape_status(t));
        peak[kept] = lb_tape_get_stats(t).peak_bytes;
        for (int k = 0; k < 2; k++) {
            float *g = (k ? w : x)->grad->data;
            if (!kept) memcpy(first + k * n, g, (size_t)n * sizeof *g);
            else CHECK_FLOATS(g, first + k * n, n, 0, 0);
            memset(g, 0, (size_t)n * sizeof *g);
        }
        lb_tape_free(t);
    }
    CHECK(peak[0] < peak[1] * 8 / 10); /* two of three held tensors a layer */
    lb_free(first);
    lb_tensor_free(x);
    lb_tensor_free(w);
}

static void parts_may_fail_later(void) {
    lb_tape *t = tape();
    lb_tensor *x = leaf(1, (int64_t[]){2}, 1, 1), *y = lb_recompute(t, fails, NULL, 0, 1, &x);
    CHECK_VALUES(y, 1, 4);
    lb_backward(t, lb_sum_all(t, y));
    CHECK_FAILS(lb_tape_status(t), LB_E_ARG, "the second time");
    lb_tape_free(t);
    lb_tensor_free(x);
}

static void retain_runs_twice(void) {
    lb_tape *t = tape();
    lb_tensor *x = leaf(1, (int64_t[]){2}, 3, 1);
    lb_tensor *loss = lb_sum_all(t, lb_mul(t, lb_mul(t, x, x), x)); /* 3 x^2 = 27, 48 */
    lb_backward_from(t, 1, &loss, NULL, true);
    CHECK_VALUES(x->grad, 27, 48);
    lb_backward_from(t, 1, &loss, NULL, false);
    CHECK_OK(lb_tape_status(t));
    CHECK_VALUES(x->grad, 54, 96);
    lb_backward(t, loss);
    CHECK_FAILS(lb_tape_status(t), LB_E_ARG, "retain");
    lb_tape_free(t);
    lb_tensor_free(x);
}

/* Two losses over parts that do not meet: each backward pass takes only its own. */
static void separate_graphs(void) {
    lb_tape *t = tape();
    lb_tensor *x = leaf(1, (int64_t[]){2}, 3, 1), *y = leaf(1, (int64_t[]){2}, 5, 1);
    lb_tensor *a = lb_sum_all(t, lb_mul(t, x, x)), *b = lb_sum_all(t, lb_mul(t, y, y));
    lb_backward(t, a);
    lb_backward(t, b);
    CHECK_OK(lb_tape_status(t));
    CHECK_VALUES(x->grad, 6, 8);
    CHECK_VALUES(y->grad, 10, 12);
    lb_tape_free(t);
    lb_tensor_free(x);
    lb_tensor_free(y);
}

static void detach_stops(void) {
    lb_tape *t = tape();
    lb_tensor *x = leaf(1, (int64_t[]){2}, 3, 1);
    lb_tensor *y = lb_mul(t, x, x), *d = lb_detach(t, y);
    CHECK(d->data == y->data && !d->requires_grad);
    lb_backward(t, lb_sum_all(t, lb_mul(t, d, x))); /* x^2 is a constant here */
    CHECK_OK(lb_tape_status(t));
    CHECK_VALUES(x->grad, 9, 16);
    lb_tape_free(t);
    lb_tensor_free(x);
}

static void losses_without_leaves(void) {
    lb_tape *t = tape();
    lb_tensor *x = leaf(1, (int64_t[]){2}, 3, 1);
    x->requires_grad = false;
    lb_backward(t, lb_sum_all(t, x));
    CHECK_OK(lb_tape_status(t));
    CHECK(!x->grad);
    x->requires_grad = true;
    lb_backward(t, lb_mul(t, x, x));
    CHECK_FAILS(lb_tape_status(t), LB_E_SHAPE, "[2]");
    lb_tape_free(t);
    lb_tensor_free(x);
}

/* A leaf that the tape owns, and an intermediate whose value and gradient are kept. */
static void kept_and_owned(void) {
    lb_tape *t = tape();
    lb_tensor *x = lb_full(t, 1, (int64_t[]){2}, 3);
    x->requires_grad = true;
    lb_tensor *y = lb_keep(t, lb_mul(t, x, x)), *z = lb_mul(t, y, y), *loss = lb_sum_all(t, z);
    lb_backward(t, loss);
    CHECK_OK(lb_tape_status(t));
    CHECK_VALUES(x->grad, 108, 108); /* 4 x^3 */
    CHECK_VALUES(y, 9, 9);
    CHECK_VALUES(y->grad, 18, 18);
    double got[2];
    CHECK_FAILS(lb_read_f64(z, got, 2), LB_E_ARG, "no values");
    lb_add(t, z, z);
    CHECK_FAILS(lb_tape_status(t), LB_E_ARG, "after the backward pass");
    lb_tape_free(t);
}

/* ---- failures ---- */

static void first_failure_stays(void) {
    lb_tape *t = tape();
    lb_tensor *a = leaf(2, (int64_t[]){2, 3}, 1, 1), *b = leaf(1, (int64_t[]){4}, 10, 10);
    lb_tensor *y = lb_add(t, a, b);
    CHECK(y == lb_inert(t));
    y = lb_sum_all(t, lb_reshape(t, lb_concat(t, 2, (lb_tensor *[]){y, a}, 0), 1, (int64_t[]){-1}));
    CHECK(y == lb_inert(t));
    lb_tape_fail(t, LB_E_BUG, "a later failure");
    CHECK_FAILS(lb_tape_status(t), LB_E_SHAPE, "add(a[2,3], b[4]): ");
    CHECK_INT(isnan(lb_number(y)), 1);
    double got;
    CHECK_FAILS(lb_read_f64(y, &got, 1), LB_E_ARG, "inert");
    lb_backward(t, y);
    CHECK(!a->grad);
    lb_tape_reset(t);
    CHECK_OK(lb_tape_status(t));
    CHECK(lb_add(t, a, a) != lb_inert(t));
    lb_tape_free(t);
    lb_tensor_free(a);
    lb_tensor_free(b);
}

static void messages_name_things(void) {
    lb_tape *t = tape(), *other = tape();
    lb_tensor *a = leaf(2, (int64_t[]){2, 3}, 1, 1), *id = lb_arange(t, 4);
    lb_index_select(t, a, id);
    CHECK_FAILS(lb_tape_status(t), LB_E_ARG, "index_select(x[2,3], index[4]:i64): index 2 at position 2 is outside 0..1");
    lb_tape_reset(t);
    lb_exp(t, lb_arange(t, 4));
    CHECK_FAILS(lb_tape_status(t), LB_E_SHAPE, "exp(x[4]:i64): x is i64, expected f32");
    lb_tape_reset(t);
    lb_embedding(t, lb_zeros(t, 1, (int64_t[]){4}), lb_arange(t, 4));
    CHECK_FAILS(lb_tape_status(t), LB_E_SHAPE, "weight is [4], expected [V,D]");
    lb_tape_reset(t);
    lb_sum(t, a, 2, false);
    CHECK_FAILS(lb_tape_status(t), LB_E_SHAPE, "sum(x[2,3]): axis 2 of a tensor of rank 2");
    lb_tape_reset(t);
    lb_mul(t, a, NULL);
    CHECK_FAILS(lb_tape_status(t), LB_E_NOTFOUND, "b is missing");
    lb_tape_reset(t);
    lb_mul(t, a, lb_exp(other, a));
    CHECK_FAILS(lb_tape_status(t), LB_E_ARG, "another tape");
    lb_tape_reset(t);
    lb_zeros(t, 2, (int64_t[]){INT64_MAX / 2, 8});
    CHECK_FAILS(lb_tape_status(t), LB_E_SHAPE, "too many elements");
    lb_tape_reset(t);
    lb_zeros(t, 1, (int64_t[]){-3});
    CHECK_FAILS(lb_tape_status(t), LB_E_SHAPE, "negative");
    lb_tape_free(t);
    lb_tape_free(other);
    lb_tensor_free(a);
}

static void nan_is_found(void) {
    setenv("LB_CHECK", "nan", 1);
    lb_tape *t = tape();
    unsetenv("LB_CHECK");
    lb_tensor *x = leaf(1, (int64_t[]){3}, -1, 1);
    lb_tensor *m = lb_masked_fill(t, x, x, -INFINITY); /* meant to be infinite */
    CHECK_OK(lb_tape_status(t));
    lb_exp(t, m);
    CHECK_OK(lb_tape_status(t));
    lb_exp(t, lb_sqrt(t, x));
    CHECK_FAILS(lb_tape_status(t), LB_E_NUMERIC, "sqrt(x[3]): result 0 is ");
    lb_tape_reset(t);
    lb_log(t, lb_add_scalar(t, x, 1));
    CHECK_FAILS(lb_tape_status(t), LB_E_NUMERIC, "log(x[3]): result 0 is -inf at index 0");
    lb_tape_reset(t);
    lb_backward(t, lb_sum_all(t, lb_sqrt(t, lb_add_scalar(t, x, 1))));
    CHECK_FAILS(lb_tape_status(t), LB_E_NUMERIC, "backward of sqrt(x[3]): gradient of x is inf at index 0");
    lb_tape_free(t);
    lb_tensor_free(x);
}

/* ---- modes ---- */

static void modes(void) {
    lb_tape *t = tape();
    lb_tensor *x = leaf(2, (int64_t[]){2, 3}, 1, 1);
    lb_tape_set_mode(t, LB_TAPE_NO_GRAD);
    lb_tensor *teacher = lb_mul(t, x, x);
    CHECK(!teacher->requires_grad);
    lb_tape_set_mode(t, LB_TAPE_GRAD);
    lb_backward(t, lb_sum_all(t, lb_mul(t, teacher, x)));
    CHECK_VALUES(x->grad, 1, 4, 9, 16, 25, 36);
    lb_tape_reset(t);
    lb_tape_set_mode(t, LB_TAPE_SHAPES);
    lb_tape_clear_stats(t);
    lb_tensor *y = lb_sum(t, lb_transpose(t, lb_reshape(t, lb_mul(t, x, lb_input(t, LB_F32, 1, (int64_t[]){3}, "unused", LB_F32)), 2,
                          (int64_t[]){3, -1}), 0, 1), 0, false);
    CHECK_OK(lb_tape_status(t));
    CHECK_INT(y->rank, 1);
    CHECK_INT(y->shape[0], 3);
    CHECK(!y->data);
    CHECK_INT(lb_tape_get_stats(t).peak_bytes, 0);
    CHECK_INT(lb_tape_get_stats(t).calls, 4);
    lb_tape_set_mode(t, LB_TAPE_GRAD);
    lb_exp(t, y);
    CHECK_FAILS(lb_tape_status(t), LB_E_ARG, "SHAPES");
    lb_tape_free(t);
    lb_tensor_free(x);
}

/* ---- memory ---- */

static void views_share(void) {
    lb_tape *t = tape();
    lb_tensor *x = lb_full(t, 2, (int64_t[]){2, 6}, 1);
    int64_t before = lb_tape_get_stats(t).bytes;
    lb_tensor *y = lb_reshape(t, lb_slice(t, x, 0, 1, INT64_MAX, 1), 2, (int64_t[]){2, 3});
    CHECK((char *)y->data == (char *)x->data + 6 * sizeof(lb_real));
    CHECK(lb_transpose(t, y, 0, 1)->data == y->data);
    CHECK_INT(lb_tape_get_stats(t).bytes, before);
    CHECK(lb_reshape(t, lb_transpose(t, y, 0, 1), 1, (int64_t[]){6})->data != y->data);
    lb_tape_free(t);
}

/* A chain of three ops per link. */
static int64_t peak_of_chain(lb_tape_mode mode, bool scopes, int length) {
    lb_tape *t = tape();
    lb_tape_set_mode(t, mode);
    lb_tensor *w = leaf(1, (int64_t[]){256}, 1, 0), *x = lb_full(t, 2, (int64_t[]){64, 256}, 1);
    for (int i = 0; i < length; i++) {
        lb_scope s = lb_scope_begin(t);
        x = lb_add_scalar(t, lb_scale(t, lb_add(t, x, w), 0.5), 0.25);
        if (scopes) x = lb_scope_end(t, s, x);
    }
    lb_tensor *loss = lb_mean_all(t, x);
    if (mode == LB_TAPE_GRAD) lb_backward(t, loss);
    CHECK_OK(lb_tape_status(t));
    CHECK_NEAR(lb_number(loss), 1.5 - 0.5 * pow(0.5, length), 1e-6); /* x = (x + 1) / 2 + 1/4 from 1: 1.5 - 2^-n / 2 */
    int64_t peak = lb_tape_get_stats(t).peak_bytes;
    lb_tape_free(t);
    lb_tensor_free(w);
    return peak;
}

static void scopes_release(void) {
    int64_t link = 64 * 256 * (int64_t)sizeof(lb_real);
    CHECK(peak_of_chain(LB_TAPE_NO_GRAD, false, 10) >= 30 * link);
    /* One result per link, and what the last link holds. These ops read nothing of their inputs for backward, so training
     * needs no more. */
    CHECK(peak_of_chain(LB_TAPE_NO_GRAD, true, 10) <= 14 * link);
    CHECK(peak_of_chain(LB_TAPE_GRAD, true, 10) <= 14 * link);
}

/* What the backward pass reads stays after the scope; the pass gives it back on the way. */
static void backward_releases(void) {
    lb_tape *t = tape();
    lb_tensor *w = leaf(2, (int64_t[]){64, 64}, 1, 0), *x = w;
    int64_t link = 64 * 64 * (int64_t)sizeof(lb_real);
    for (int i = 0; i < 8; i++) {
        lb_scope s = lb_scope_begin(t);
        x = lb_scope_end(t, s, lb_exp(t, lb_scale(t, lb_tanh(t, x), 0.5))); /* tanh and exp read their results */
    }
    lb_tensor *loss = lb_sum_all(t, x);
    int64_t held = lb_tape_get_stats(t).bytes;
    CHECK(held >= 16 * link && held <= 17 * link);
    lb_backward(t, loss);
    CHECK_OK(lb_tape_status(t));
    CHECK(lb_tape_get_stats(t).bytes <= link);
    CHECK(lb_tape_get_stats(t).peak_bytes <= held + 4 * link);
    lb_tape_free(t);
    lb_tensor_free(w);
}

static void scope_end_kills_handles(void) {
    lb_tape *t = tape();
    lb_tensor *x = lb_full(t, 1, (int64_t[]){2}, 3);
    lb_scope s = lb_scope_begin(t);
    lb_tensor *a = lb_exp(t, x), *b = lb_keep(t, lb_neg(t, x)), *c = lb_reshape(t, lb_scale(t, x, 2), 2, (int64_t[]){2, 1});
    c = lb_scope_end(t, s, c);
    CHECK_VALUES(b, -3, -3);
    CHECK_VALUES(c, 6, 6); /* a view outlives the tensor that it was made of */
    CHECK(!a->data);
    lb_add(t, a, x);
    CHECK_FAILS(lb_tape_status(t), LB_E_ARG, "a is used after its scope");
    lb_tape_free(t);
}

/* The second step finds all its memory in the pool. */
static void steps_allocate_nothing(void) {
    lb_tape *t = tape();
    lb_tensor *w = leaf(2, (int64_t[]){16, 16}, 1, 0);
    int64_t calls = -1;
    for (int step = 0; step < 3; step++) {
        lb_alloc_fail_at(0);
        lb_backward(t, lb_sum_all(t, lb_exp(t, lb_mul(t, lb_transpose(t, w, 0, 1), lb_scale(t, w, -1)))));
        CHECK_OK(lb_tape_status(t));
        calls = lb_alloc_calls();
        lb_tape_reset(t);
        CHECK_INT(lb_tape_get_stats(t).bytes, 0);
    }
    CHECK_INT(calls, 0);
    lb_tape_free(t);
    lb_tensor_free(w);
}

/* Two tensors at a time, of all sizes from 0.2 to 16 MB up and down: at most 32 MB are alive. Twice that may be held, for gaps; one block kept for
 * every size would be some 300 MB. */
static void sizes_share_memory(void) {
    lb_tape *t = tape();
    lb_tape_set_mode(t, LB_TAPE_NO_GRAD);
    double before = (double)lb_memory_held(NULL);
    for (int step = 0; step < 3; step++) {
        lb_tensor *last = NULL;
        for (int i = 0; i < 120; i++) {
            int64_t n = 50000 + 66000 * (i < 60 ? i : 120 - i);
            lb_tensor *x = lb_full(t, 1, &n, i);
            lb_release(t, last);
            last = x;
        }
        CHECK_OK(lb_tape_status(t));
#ifndef __SANITIZE_ADDRESS__
        CHECK((double)lb_memory_held(NULL) - before < 64e6);
#endif
        lb_tape_reset(t);
    }
    CHECK_OK(lb_tape_status(t));
    lb_tape_free(t);
}

/* ---- ops whose promise is more than a formula ---- */

static void order_of_equals(void) {
    lb_tape *t = tape();
    const double v[] = {2, NAN, 5, 2, 5, -INFINITY};
    lb_tensor *x = lb_input(t, LB_F32, 1, (int64_t[]){6}, v, LB_F64), *at = NULL;
    int64_t got[6];
    CHECK_OK(lb_read_i64(lb_argsort(t, x, true), got, 6));
    CHECK(memcmp(got, (int64_t[]){1, 2, 4, 0, 3, 5}, sizeof got) == 0);
    CHECK_OK(lb_read_i64(lb_argsort(t, x, false), got, 6));
    CHECK(memcmp(got, (int64_t[]){5, 0, 3, 2, 4, 1}, sizeof got) == 0);
    lb_topk(t, lb_slice(t, x, 0, 2, 6, 1), 2, &at);
    CHECK_OK(lb_read_i64(at, got, 2));
    CHECK(got[0] == 0 && got[1] == 2);
    CHECK_OK(lb_read_i64(lb_argmax(t, lb_slice(t, x, 0, 2, 6, 1), 0), got, 1));
    CHECK_INT(got[0], 0);
    lb_tape_free(t);
}

static void integer_conditions(void) {
    lb_tape *t = tape();
    lb_tensor *x = leaf(2, (int64_t[]){2, 3}, 1, 1), *zero = lb_scalar(t, 0);
    lb_tensor *mask = lb_input(t, LB_I64, 1, (int64_t[]){3}, (int64_t[]){1, 0, 1}, LB_I64);
    CHECK_VALUES(lb_masked_fill(t, x, mask, -7), -7, 2, -7, -7, 5, -7);
    CHECK_VALUES(lb_select(t, mask, x, zero), 1, 0, 3, 4, 0, 6);
    CHECK_VALUES(lb_eq(t, mask, lb_arange(t, 3)), 0, 0, 0);
    CHECK_VALUES(lb_gt(t, lb_arange(t, 3), mask), 0, 1, 1);
    CHECK_VALUES(lb_to_real(t, mask), 1, 0, 1);
    lb_backward(t, lb_sum_all(t, lb_select(t, mask, x, zero)));
    CHECK_VALUES(x->grad, 1, 0, 1, 1, 0, 1);
    lb_tape_free(t);
    lb_tensor_free(x);
}

static void dropout_draws(void) {
    lb_tape *t = tape();
    lb_rng rng = lb_rng_make(1, 2);
    lb_tensor *x = leaf(1, (int64_t[]){20000}, 1, 0);
    CHECK(lb_dropout(t, x, 0.25) == x);
    lb_tape_set_training(t, true, NULL);
    lb_dropout(t, x, 0.25);
    CHECK_FAILS(lb_tape_status(t), LB_E_ARG, "no generator");
    lb_tape_reset(t);
    lb_tape_set_training(t, true, &rng);
    lb_tensor *a = lb_dropout(t, x, 0.25), *b = lb_dropout(t, x, 0.25);
    /* Binomial: 5 standard deviations of 20000 draws at p = 0.25 are 306. */
    int64_t zeros = 0, same = 0;
    for (int64_t i = 0; i < 20000; i++) {
        zeros += lb_get_at(a, i) == 0;
        same += (lb_get_at(a, i) == 0) == (lb_get_at(b, i) == 0);
    }
    CHECK_NEAR((double)zeros, 5000, 306);
    CHECK_NEAR((double)same, 20000 * 0.625, 350);
    lb_backward(t, lb_sum_all(t, lb_mul(t, a, lb_detach(t, a))));
    for (int64_t i = 0; i < 20000 && !check_failed(); i++) {
        double kept = lb_get_at(x->grad, i);
        CHECK(kept == 0 || fabs(kept - 16.0 / 9) < 1e-6); /* (1 / 0.75)^2 in float */
    }
    lb_tape_free(t);
    lb_tensor_free(x);
}

static void many_are_joined(void) {
    lb_tape *t = tape();
    lb_tensor *x[20];
    for (int i = 0; i < 20; i++) x[i] = lb_full(t, 1, (int64_t[]){2}, i);
    lb_tensor *y = lb_concat(t, 20, x, 0);
    CHECK_OK(lb_tape_status(t));
    CHECK_INT(lb_numel(y), 40);
    for (int i = 0; i < 40; i++) CHECK_NEAR(lb_get_at(y, i), i / 2, 0);
    lb_tensor *ids = lb_concat(t, 2, (lb_tensor *[]){lb_arange(t, 2), lb_arange(t, 3)}, 0);
    int64_t got[5];
    CHECK_OK(lb_read_i64(ids, got, 5));
    CHECK(memcmp(got, (int64_t[]){0, 1, 0, 1, 2}, sizeof got) == 0);
    lb_tape_free(t);
}

/* ---- tensors as plain data ---- */

/* IEEE 754 binary16 and bfloat16 patterns; expected values from the definition of the formats. */
static void short_floats(void) {
    const float x[] = {1.0f, -2.0f, 65504.0f, 65519.9f, 65520.0f, 5.9604645e-8f, 2.9802322e-8f, 2.9802326e-8f, 6.1035156e-5f, 0.1f,
                       1.00048828125f, 1.00146484375f, -0.0f};
    const uint16_t half[] = {0x3c00, 0xc000, 0x7bff, 0x7bff, 0x7c00, 0x0001, 0x0000, 0x0001, 0x0400, 0x2e66, 0x3c00, 0x3c02, 0x8000};
    uint16_t got[13];
    float back[13];
    lb_convert(got, LB_F16, x, LB_F32, 13);
    for (int i = 0; i < 13; i++) CHECK_INT(got[i], half[i]);
    lb_convert(back, LB_F32, half, LB_F16, 13);
    CHECK_NEAR((double)back[2], 65504, 0);
    CHECK_NEAR((double)back[5], 5.9604644775390625e-8, 0);
    CHECK_NEAR((double)back[9], 0.0999755859375, 0);
    CHECK(isinf(back[4]) && signbit(back[12]));
    /* every half, there and back, in long runs (which go by instructions of their own) as alone */
    static uint16_t all[65536], again[65536];
    static float wide[65536];
    for (int i = 0; i < 65536; i++) all[i] = (uint16_t)i;
    lb_convert(wide, LB_F32, all, LB_F16, 65536);
    lb_convert(again, LB_F16, wide, LB_F32, 65536);
    for (int i = 0; i < 65536; i++) {
        float one;
        bool nan = (i & 0x7fff) > 0x7c00;
        lb_convert(&one, LB_F32, &all[i], LB_F16, 1);
        if (nan ? !(isnan(one) && isnan(wide[i]) && (again[i] & 0x7fff) > 0x7c00) : memcmp(&one, &wide[i], 4) != 0 || again[i] != i) CHECK_INT(again[i], i);
    }
    for (int i = 0; i < 65536; i++) wide[i] = ldexpf((float)(i * 2654435761u % 8388608u) / 8388608.0f + 1, i % 44 - 28); /* roundings everywhere */
    lb_convert(again, LB_F16, wide, LB_F32, 65536);
    for (int i = 0; i < 65536; i++) {
        lb_convert(got, LB_F16, &wide[i], LB_F32, 1);
        if (got[0] != again[i]) CHECK_INT(again[i], got[0]);
    }
    const float b[] = {1.0f, 1.00390625f, 1.01171875f, 3.3895314e38f, 3.4e38f, -0.1f};
    const uint16_t bf[] = {0x3f80, 0x3f80, 0x3f82, 0x7f7f, 0x7f80, 0xbdcd};
    lb_convert(got, LB_BF16, b, LB_F32, 6);
    for (int i = 0; i < 6; i++) CHECK_INT(got[i], bf[i]);
    /* 1 + 2^-11 + 2^-40: rounding through float first would give the even neighbour below. */
    const double twice = 1 + 0x1p-11 + 0x1p-40;
    lb_convert(got, LB_F16, &twice, LB_F64, 1);
    CHECK_INT(got[0], 0x3c01);
}

static void conversions(void) {
    const double x[] = {-1.9, 2.9, NAN, 1e300, 0};
    int64_t i64[5];
    uint8_t u8[5];
    lb_convert(i64, LB_I64, x, LB_F64, 5);
    CHECK(i64[0] == -1 && i64[1] == 2 && i64[2] == 0 && i64[3] == INT64_MAX);
    lb_convert(u8, LB_BOOL, x, LB_F64, 5);
    CHECK(u8[0] == 1 && u8[1] == 1 && u8[4] == 0);
    const int64_t big = 9007199254740993; /* 2^53 + 1: must not pass through a double */
    uint64_t out;
    lb_convert(&out, LB_U64, &big, LB_I64, 1);
    CHECK_INT((int64_t)out, big);
    lb_dtype d = LB_F32;
    CHECK_OK(lb_dtype_parse(&d, "bf16"));
    CHECK_INT(d, LB_BF16);
    CHECK_FAILS(lb_dtype_parse(&d, "f8"), LB_E_ARG, "'f8'");
    lb_tensor *t = NULL, *copy = NULL;
    CHECK_FAILS(lb_tensor_new(&t, LB_F32, 9, (int64_t[9]){0}), LB_E_SHAPE, "rank 9");
    CHECK_FAILS(lb_tensor_new(&t, LB_F32, 1, (int64_t[]){-1}), LB_E_SHAPE, "negative");
    const uint16_t half[] = {0x3c00, 0x4000, 0x4200, 0x4400};
    CHECK_OK(lb_tensor_borrow(&t, LB_F16, 2, (int64_t[]){2, 2}, half));
    CHECK_OK(lb_tensor_copy(&copy, t, LB_REAL));
    CHECK_VALUES(copy, 1, 2, 3, 4);
    CHECK(lb_get_at(t, 3) == 4 && isnan(lb_get_at(t, 4)));
    lb_tensor_free(t);
    lb_tensor_free(copy);
    char text[40];
    CHECK_TEXT(lb_shape_text(text, sizeof text, 3, (int64_t[]){2, -1, 30}), "[2,-1,30]");
    CHECK_TEXT(lb_shape_text(text, sizeof text, 0, NULL), "[]");
    CHECK_TEXT(lb_shape_text(text, 5, 2, (int64_t[]){200, 300}), "[200");
}

/* ---- tracing ---- */

static void count_lines(void *ctx, lb_log_level level, const char *component, const char *text) {
    *(int *)ctx += strstr(text, "add [2] [2] -> [2]") != NULL;
}

static void trace_says_calls(void) {
    int lines = 0;
    setenv("LB_TRACE", "ops", 1);
    lb_tape *t = tape();
    unsetenv("LB_TRACE");
    lb_tensor *x = lb_full(t, 1, (int64_t[]){2}, 3);
    lb_log_set(count_lines, &lines);
    lb_add(t, x, x);
    lb_log_set(NULL, NULL);
    CHECK_INT(lines, 1);
    lb_tape_free(t);
}

static void gather_lines(void *ctx, lb_log_level level, const char *component, const char *text) {
    (void)level;
    (void)component;
    size_t n = strlen(ctx);
    if (n + strlen(text) + 2 < 4096) sprintf((char *)ctx + n, "%s\n", text);
}

static lb_tape *tracing_memory(void) {
    setenv("LB_TRACE", "memory", 1);
    lb_tape *t = tape();
    unsetenv("LB_TRACE");
    return t;
}

/* Two results at a time, and x is let go of after the first call: no later moment holds more than it did. */
static void trace_says_memory(void) {
    char said[4096] = "";
    lb_tape *t = tracing_memory();
    lb_tensor *x = lb_full(t, 2, (int64_t[]){256, 1024}, 1), *y = lb_square(t, x);
    lb_release(t, x);
    y = lb_exp(t, y);
    lb_log_set(gather_lines, said);
    lb_tape_reset(t);
    CHECK(strstr(said, sizeof(lb_real) == 4 ? " 2.000 MiB at most, in square, 2 blocks:" : " 4.000 MiB at most, in square, 2 blocks:"));
    CHECK(strstr(said, "1 x data [256,1024]"));
    CHECK(strstr(said, "1 x square [256,1024]"));
    CHECK(!strstr(said, "exp"));
    lb_tape_free(t);
    lb_log_set(NULL, NULL);
}

static void trace_says_gradients(void) {
    char said[4096] = "";
    lb_tape *t = tracing_memory();
    lb_tensor *w = leaf(2, (int64_t[]){64, 64}, -1, 1e-3);
    lb_backward(t, lb_sum_all(t, lb_square(t, lb_sin(t, lb_exp(t, w)))));
    lb_log_set(gather_lines, said);
    lb_tape_reset(t);
    lb_log_set(NULL, NULL);
    CHECK(strstr(said, "at most, in backward_"));
    CHECK(strstr(said, "1 x exp [64,64]"));
    lb_tape_free(t);
    lb_tensor_free(w);
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "tape", (check_test[]){
        {"add_broadcasts", add_broadcasts},
        {"shared_parts_accumulate", shared_parts_accumulate},
        {"handed_gradients_stay_apart", handed_gradients_stay_apart},
        {"parts_are_made_again", parts_are_made_again},
        {"cheap_results_are_made_again", cheap_results_are_made_again},
        {"linear_results_go", linear_results_go},
        {"parts_may_fail_later", parts_may_fail_later},
        {"retain_runs_twice", retain_runs_twice},
        {"separate_graphs", separate_graphs},
        {"detach_stops", detach_stops},
        {"losses_without_leaves", losses_without_leaves},
        {"kept_and_owned", kept_and_owned},
        {"first_failure_stays", first_failure_stays},
        {"messages_name_things", messages_name_things},
        {"nan_is_found", nan_is_found},
        {"modes", modes},
        {"views_share", views_share},
        {"scopes_release", scopes_release},
        {"backward_releases", backward_releases},
        {"scope_end_kills_handles", scope_end_kills_handles},
        {"steps_allocate_nothing", steps_allocate_nothing},
        {"sizes_share_memory", sizes_share_memory},
        {"order_of_equals", order_of_equals},
        {"integer_conditions", integer_conditions},
        {"dropout_draws", dropout_draws},
        {"many_are_joined", many_are_joined},
        {"short_floats", short_floats},
        {"conversions", conversions},
        {"trace_says_calls", trace_says_calls},
        {"trace_says_memory", trace_says_memory},
        {"trace_says_gradients", trace_says_gradients},
        {0}});
}
