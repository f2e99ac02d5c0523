/* SPDX-License-Identifier: Apache-2.0 */
/* How many digits long sums of the float kernels keep, against the same sums in double. */
#include <math.h>
#include <string.h>
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

/* Attention of one head: inputs q, k, v and w, the gradient of y; results y and the gradients of q, k, v. */
enum { HEADS = 2, QUERIES = 150, KEYS = 290, WIDE = 64, MAPS = 4 };

static int64_t rows_of(int i) { return i == 1 || i == 2 ? KEYS : QUERIES; }

/* The equations in double. p, s: room for maps. */
static void right_attention(double *const in[MAPS], double *const out[MAPS], double *p, double *s) {
    enum { SCALED = 8 };
    multiply(p, in[0], false, in[1], true, QUERIES, KEYS, WIDE);
    multiply(s, in[3], false, in[2], true, QUERIES, KEYS, WIDE);
    for (int i = 0; i < QUERIES; i++) {
        double *row = p + i * KEYS, top = -INFINITY, sum = 0, mean = 0;
        for (int j = 0; j < KEYS; j++) top = fmax(top, row[j]);
        for (int j = 0; j < KEYS; j++) sum += row[j] = exp((row[j] - top) / SCALED);
        for (int j = 0; j < KEYS; j++) mean += (row[j] /= sum) * s[i * KEYS + j];
        for (int j = 0; j < KEYS; j++) s[i * KEYS + j] = row[j] * (s[i * KEYS + j] - mean) / SCALED;
    }
    multiply(out[0], p, false, in[2], false, QUERIES, WIDE, KEYS);
    multiply(out[1], s, false, in[1], false, QUERIES, WIDE, KEYS);
    multiply(out[2], s, true, in[0], false, KEYS, WIDE, QUERIES);
    multiply(out[3], p, true, in[3], false, KEYS, WIDE, QUERIES);
}

/* Results of the first head against those equations; what is not finite has to be so in the same places, in all heads. */
static void compare_attention(lb_tensor *const x[MAPS], const float *const got[MAPS], off o[MAPS]) {
    double *in[MAPS], *out[MAPS], *p = lb_alloc(QUERIES * KEYS, sizeof *p), *s = lb_alloc(QUERIES * KEYS, sizeof *s);
    bool room = p && s;
    for (int i = 0; i < MAPS; i++) {
        in[i] = lb_alloc(KEYS * WIDE, sizeof **in);
        out[i] = lb_alloc(KEYS * WIDE, sizeof **out);
        room = room && in[i] && out[i];
    }
    for (int h = 0; h < HEADS && CHECK(room); h++) {
        for (int i = 0; i < MAPS; i++)
            for (int64_t k = 0; k < rows_of(i) * WIDE; k++) in[i][k] = (double)((const float *)x[i]->data)[h * rows_of(i) * WIDE + k];
        right_attention(in, out, p, s);
        for (int i = 0; i < MAPS; i++) {
            int64_t n = rows_of(i == 0 ? 0 : i - 1) * WIDE, odd = 0;
            for (int64_t k = 0; k < n; k++) {
                double y = (double)got[i][h * n + k];
                odd += !isfinite(y) != !isfinite(out[i][k]);
                if (h == 0) add(&o[i], y, out[i][k]);
            }
            CHECK_INT(odd, 0);
        }
    }
    for (int i = 0; i < MAPS; i++) {
        lb_free(in[i]);
        lb_free(out[i]);
    }
    lb_free(p);
    lb_free(s);
}

/* With `strange` at one place of the last head, in input `place` (below 0: nowhere). */
static void one_attention(int place, float strange, off o[MAPS]) {
    lb_tape *t = NULL;
    lb_rng r = lb_rng_make(4, 0);
    lb_tensor *x[MAPS] = {0};
    if (!CHECK_OK(lb_tape_new(&t))) return;
    for (int i = 0; i < MAPS; i++) {
        if (!CHECK_OK(lb_tensor_new(&x[i], LB_F32, 4, (int64_t[]){1, HEADS, rows_of(i), WIDE}))) return;
        for (int64_t k = 0; k < lb_numel(x[i]); k++) ((float *)x[i]->data)[k] = (float)lb_rng_normal(&r);
        if (i == place) ((float *)x[i]->data)[lb_numel(x[i]) - 5 * WIDE - 7] = strange;
        x[i]->requires_grad = i < 3;
    }
    lb_tensor *y = lb_attention(t, x[0], x[1], x[2], (lb_attention_spec){.scale = 0.125});
    lb_keep(t, y);
    lb_backward_from(t, 1, &y, &x[3], false);
    if (CHECK_OK(lb_tape_status(t)) && CHECK(x[0]->grad && x[1]->grad && x[2]->grad))
        compare_attention(x, (const float *const[]){y->data, x[0]->grad->data, x[1]->grad->data, x[2]->grad->data}, o);
    lb_tape_free(t);
    for (int i = 0; i < MAPS; i++) lb_tensor_free(x[i]);
}

static void small(const off o[MAPS]) {
    for (int i = 0; i < MAPS; i++)
        CHECK(sqrt(o[i].wrong / o[i].all) < 5e-7); /* 3.3e-7 to 4.2e-7 measured in float, 1.3e-7 to 2.6e-7 in parts of bf16; 4e-6 without the last of a factor's three parts */
}

static void attention_gradients(void) {
    off o[MAPS] = {{0}};
    one_attention(-1, 0, o);
    small(o);
}

/* Numbers that have no parts of bf16, or whose products are beyond floats, in one of two heads. */
static void attention_apart(void) {
    static const float strange[] = {NAN, INFINITY, -INFINITY, 1e30f};
    for (int place = 0; place < MAPS; place++) {
        off o[MAPS] = {{0}};
        check_begin("%g in %d", (double)strange[(place + 1) % 4], place);
        one_attention(place, strange[(place + 1) % 4], o);
        one_attention(place, strange[(place + 3) % 4], o);
        small(o);
        check_end();
    }
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

/* ---- axes that lie apart, in pieces of a run: as those of a copy in which they lie at the end ---- */

static lb_tensor *norm_1(lb_tape *t, lb_tensor *x, lb_axes axes, bool keep) { return lb_norm(t, x, 1, axes, keep); }
static lb_tensor *norm_2(lb_tape *t, lb_tensor *x, lb_axes axes, bool keep) { return lb_norm(t, x, 2, axes, keep); }
static lb_tensor *variance(lb_tape *t, lb_tensor *x, lb_axes axes, bool keep) { return lb_var_over(t, x, axes, 1, keep); }
static lb_tensor *deviation(lb_tape *t, lb_tensor *x, lb_axes axes, bool keep) { return lb_std(t, x, axes, 1, keep); }

static const struct {
    const char *name;
    lb_tensor *(*run)(lb_tape *t, lb_tensor *x, lb_axes axes, bool keep);
} reductions[] = {{"sum", lb_sum_over},       {"mean", lb_mean_over}, {"amax", lb_amax},          {"amin", lb_amin},          {"prod", lb_prod},
                  {"logsumexp", lb_logsumexp_over}, {"norm 1", norm_1},     {"norm 2", norm_2}, {"var", variance}, {"std", deviation}};

enum { AXES = 4, NUMBERS = 3 * 2 * 5 * 66 };

/* What it gives over the axes of `set`, and its gradient for weights 1, 2, 3, ...; at_end: of a copy with those axes last. @return how many results */
static int64_t reduced(int which, const float *numbers, uint32_t set, bool at_end, double *y, double *g) {
    static const int64_t shape[AXES] = {3, 2, 5, 66};
    lb_tensor *x = NULL;
    lb_tape *t = NULL;
    lb_axes axes = {0};
    int order[AXES], n = 0, kept = 0;
    if (!CHECK_OK(lb_tape_new(&t)) || !CHECK_OK(lb_tensor_new(&x, LB_F32, AXES, shape))) return 0;
    memcpy(x->data, numbers, NUMBERS * sizeof *numbers);
    x->requires_grad = true;
    for (int i = 0; i < AXES; i++)
        if (!(set & 1u << i)) order[kept++] = i;
    n = kept;
    for (int i = 0; i < AXES; i++)
        if (set & 1u << i) order[n] = i, axes.at[axes.n++] = at_end ? n++ : (n++, i);
    lb_tensor *from = at_end ? lb_contiguous(t, lb_permute(t, x, order)) : x, *made = reductions[which].run(t, from, axes, false), *w = lb_zeros(t, made->rank, made->shape);
    int64_t count = lb_numel(made);
    for (int64_t i = 0; lb_tape_ok(t) && i < count; i++) ((float *)w->data)[i] = (float)(i + 1);
    lb_backward_from(t, 1, &made, &w, false);
    CHECK_OK(lb_read_f64(made, y, count));
    if (CHECK_OK(lb_tape_status(t)))
        for (int64_t i = 0; i < NUMBERS; i++) g[i] = lb_get_at(x->grad, i);
    lb_tape_free(t);
    lb_tensor_free(x);
    return count;
}

static void axes_apart(void) {
    static const uint32_t sets[] = {1 | 8, 2 | 8, 1 | 4 | 8, 1 | 4, 1 | 2 | 8};
    lb_rng r = lb_rng_make(9, 0);
    float numbers[NUMBERS];
    double *y[2], *g[2];
    for (int i = 0; i < NUMBERS; i++) numbers[i] = (float)(lb_rng_uniform(&r) < 0.5 ? -1 : 1) * (float)(0.9 + 0.2 * lb_rng_uniform(&r)); /* products of hundreds stay small */
    for (int i = 0; i < 2; i++)
        if (!CHECK(y[i] = lb_alloc(NUMBERS, sizeof **y)) || !CHECK(g[i] = lb_alloc(NUMBERS, sizeof **g))) return;
    for (int which = 0; which < (int)LB_COUNT(reductions); which++)
        for (size_t s = 0; s < LB_COUNT(sets); s++) {
            check_begin("%s over axes apart %u", reductions[which].name, sets[s]);
            int64_t n = reduced(which, numbers, sets[s], false, y[0], g[0]);
            if (CHECK_INT(reduced(which, numbers, sets[s], true, y[1], g[1]), n)) {
                CHECK_DOUBLES(y[0], y[1], n, 2e-6, 1e-7);
                CHECK_DOUBLES(g[0], g[1], NUMBERS, 2e-6, 1e-7);
            }
            check_end();
        }
    for (int i = 0; i < 2; i++) {
        lb_free(y[i]);
        lb_free(g[i]);
    }
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "sums",
                      (check_test[]){{"products", products},
                                     {"attention", attention},
                                     {"attention, gradients", attention_gradients},
                                     {"attention, apart", attention_apart},
                                     {"extreme logits", extreme_logits},
                                     {"axes apart", axes_apart},
                                     {0}});
}
