/* SPDX-License-Identifier: Apache-2.0 */
/* How many digits long sums of the float kernels keep, against the same sums in double. */
#include <math.h>
#include <stdio.h>
#include "base/alloc.h"
#include "base/rng.h"
#include "check.h"
#include "tensor/ops.h"

static lb_tensor *normal(lb_tape *t, lb_rng *r, int rank, const int64_t *shape, double scale, double mean) {
    lb_tensor *x = NULL;
    if (!CHECK_OK(lb_tensor_new(&x, LB_F32, rank, shape))) return lb_inert(t);
    for (int64_t i = 0; i < lb_numel(x); i++) ((float *)x->data)[i] = (float)(mean + scale * lb_rng_normal(r));
    lb_tensor *in = lb_input(t, LB_F32, rank, shape, x->data, LB_F32);
    lb_tensor_free(x);
    return in;
}

/* Root mean square of what is off, of that of the values. */
typedef struct off {
    double wrong, all;
} off;

static void add(off *o, double got, double want) {
    o->wrong += (got - want) * (got - want);
    o->all += want * want;
}

static void products(void) {
    enum { ROWS = 40, COLUMNS = 96, LONG = 2048 };
    lb_tape *t = NULL;
    lb_rng r = lb_rng_make(1, 0);
    off o = {0};
    if (!CHECK_OK(lb_tape_new(&t))) return;
    lb_tape_set_mode(t, LB_TAPE_NO_GRAD);
    lb_tensor *x = normal(t, &r, 2, (int64_t[]){ROWS, LONG}, 1, 0), *w = normal(t, &r, 2, (int64_t[]){COLUMNS, LONG}, 0.04, 0), *y = lb_linear(t, x, w, NULL, LB_ACT_NONE);
    const float *a = x->data, *b = w->data, *c = y->data;
    for (int i = 0; i < ROWS && lb_tape_ok(t); i++)
        for (int j = 0; j < COLUMNS; j++) {
            double sum = 0;
            for (int k = 0; k < LONG; k++) sum += (double)a[i * LONG + k] * (double)b[j * LONG + k];
            add(&o, (double)c[i * COLUMNS + j], sum);
        }
    CHECK_OK(lb_tape_status(t));
    CHECK(sqrt(o.wrong / o.all) < 6e-7); /* 3.6e-7 measured, PyTorch's 3.5e-7; one chain of 2048 would give 1.1e-6 */
    lb_tape_free(t);
}

/* Weights are all positive, and the values have a mean: sums over keys grow all along. */
static void attention(void) {
    enum { LONG = 1500, D = 64 };
    lb_tape *t = NULL;
    lb_rng r = lb_rng_make(2, 0);
    off o = {0};
    double *p = lb_alloc(LONG, sizeof *p);
    if (!CHECK(p) || !CHECK_OK(lb_tape_new(&t))) return;
    lb_tape_set_mode(t, LB_TAPE_NO_GRAD);
    const int64_t shape[] = {1, 1, LONG, D};
    lb_tensor *q = normal(t, &r, 4, shape, 0.5, 0), *k = normal(t, &r, 4, shape, 0.5, 0), *v = normal(t, &r, 4, shape, 1, 0.3);
    lb_tensor *y = lb_attention(t, q, k, v, (lb_attention_spec){.scale = 0.125});
    const float *a = q->data, *b = k->data, *c = v->data, *got = y->data;
    for (int i = 0; i < LONG && lb_tape_ok(t); i += 15) {
        double sum = 0;
        for (int j = 0; j < LONG; j++) {
            double s = 0;
            for (int d = 0; d < D; d++) s += (double)a[i * D + d] * (double)b[j * D + d];
            sum += p[j] = exp(0.125 * s);
        }
        for (int d = 0; d < D; d++) {
            double s = 0;
            for (int j = 0; j < LONG; j++) s += p[j] * (double)c[j * D + d];
            add(&o, (double)got[i * D + d], s / sum);
        }
    }
    CHECK_OK(lb_tape_status(t));
    CHECK(sqrt(o.wrong / o.all) < 2.5e-7); /* 1.4e-7 measured, PyTorch's 1.2e-7; 5.8e-7 when sums over keys are one chain */
    lb_free(p);
    lb_tape_free(t);
}

/* Products of two matrices in double: to [m,n] = a [m,k] b, b [k,n] or, turned, [n,k]. */
static void multiply(double *to, const double *a, bool a_turned, const double *b, bool b_turned, int m, int n, int k) {
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            double sum = 0;
            for (int p = 0; p < k; p++) sum += a[a_turned ? p * m + i : i * k + p] * b[b_turned ? j * k + p : p * n + j];
            to[i * n + j] = sum;
        }
}

enum { QUERIES = 150, KEYS = 290, WIDE = 64 };

static double *doubles_of(const lb_tensor *x) {
    double *to = lb_alloc((size_t)lb_numel(x), sizeof *to);
    for (int64_t i = 0; to && i < lb_numel(x); i++) to[i] = (double)((const float *)x->data)[i];
    return to;
}

/* Gradients of sum(w attention(q, k, v)), by the equations. p, s: room for maps. */
static void right_gradients(double *const in[4], double *const grad[3], double *p, double *s) {
    enum { SCALED = 8 };
    multiply(p, in[0], false, in[1], true, QUERIES, KEYS, WIDE);
    multiply(s, in[3], false, in[2], true, QUERIES, KEYS, WIDE);
    for (int i = 0; i < QUERIES; i++) {
        double sum = 0, mean = 0;
        for (int j = 0; j < KEYS; j++) sum += p[i * KEYS + j] = exp(p[i * KEYS + j] / SCALED);
        for (int j = 0; j < KEYS; j++) mean += (p[i * KEYS + j] /= sum) * s[i * KEYS + j];
        for (int j = 0; j < KEYS; j++) s[i * KEYS + j] = p[i * KEYS + j] * (s[i * KEYS + j] - mean) / SCALED;
    }
    multiply(grad[0], s, false, in[1], false, QUERIES, WIDE, KEYS);
    multiply(grad[1], s, true, in[0], false, KEYS, WIDE, QUERIES);
    multiply(grad[2], p, true, in[3], false, KEYS, WIDE, QUERIES);
}

static void attention_gradients(void) {
    lb_tape *t = NULL;
    lb_rng r = lb_rng_make(4, 0);
    lb_tensor *x[4] = {0};
    double *in[4] = {0}, *grad[3] = {0}, *p = lb_alloc(QUERIES * KEYS, sizeof *p), *s = lb_alloc(QUERIES * KEYS, sizeof *s);
    if (!CHECK(p && s) || !CHECK_OK(lb_tape_new(&t))) return;
    for (int i = 0; i < 4; i++) { /* q, k, v, w */
        const int64_t rows = i == 0 || i == 3 ? QUERIES : KEYS;
        if (!CHECK_OK(lb_tensor_new(&x[i], LB_F32, 4, (int64_t[]){1, 1, rows, WIDE}))) return;
        for (int64_t k = 0; k < rows * WIDE; k++) ((float *)x[i]->data)[k] = (float)lb_rng_normal(&r);
        x[i]->requires_grad = i < 3;
        in[i] = doubles_of(x[i]);
        if (i < 3) grad[i] = lb_alloc((size_t)(rows * WIDE), sizeof **grad);
    }
    lb_backward(t, lb_sum(t, lb_mul(t, lb_attention(t, x[0], x[1], x[2], (lb_attention_spec){.scale = 0.125}), x[3]), -1, false));
    CHECK_OK(lb_tape_status(t));
    right_gradients(in, grad, p, s);
    for (int i = 0; i < 3; i++) {
        off o = {0};
        for (int64_t k = 0; k < lb_numel(x[i]) && CHECK(x[i]->grad); k++) add(&o, (double)((float *)x[i]->grad->data)[k], grad[i][k]);
        CHECK(sqrt(o.wrong / o.all) < 1e-9);
        printf("GRAD %d %g\n", i, sqrt(o.wrong / o.all));
    }
    lb_tape_free(t);
    for (int i = 0; i < 4; i++) {
        lb_tensor_free(x[i]);
        lb_free(in[i]);
        if (i < 3) lb_free(grad[i]);
    }
    lb_free(p);
    lb_free(s);
}

/* Students whose logits are 10^4 or -10^4, half and half: q is 2/K on the first half, so of reverse KL the slope at i is q (mean of log p - log p_i) there, 0 elsewhere. */
static void extreme_logits(void) {
    enum { K = 34 };
    lb_tape *t = NULL;
    lb_rng r = lb_rng_make(3, 0);
    off o = {0};
    if (!CHECK_OK(lb_tape_new(&t))) return;
    lb_tensor *z = normal(t, &r, 2, (int64_t[]){1, K}, 1, 0), *s = NULL;
    if (!CHECK_OK(lb_tensor_new(&s, LB_F32, 2, (int64_t[]){1, K}))) return;
    for (int i = 0; i < K; i++) ((float *)s->data)[i] = i < K / 2 ? 1e4f : -1e4f;
    s->requires_grad = true;
    lb_backward(t, lb_divergence(t, s, z, NULL, LB_KL_REVERSE, 1, 0, -1, LB_SUM));
    double mean = 0;
    for (int i = 0; i < K / 2; i++) mean += (double)((float *)z->data)[i] * 2 / K;
    for (int i = 0; i < K && CHECK(s->grad); i++) add(&o, (double)((float *)s->grad->data)[i], i < K / 2 ? (mean - (double)((float *)z->data)[i]) * 2 / K : 0);
    CHECK_OK(lb_tape_status(t));
    CHECK(sqrt(o.wrong / o.all) < 2e-6); /* 1.4e-3 when log sum exp, 10002.8, is one float */
    lb_tape_free(t);
    lb_tensor_free(s);
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "sums", (check_test[]){{"products", products}, {"attention", attention}, {"attention, gradients", attention_gradients}, {"extreme logits", extreme_logits}, {0}});
}
