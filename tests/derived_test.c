/* SPDX-License-Identifier: Apache-2.0 */
/* Functions made of ops (tensor/derived.h, tensor/arrange.h) and reductions over axes apart, in double, against what PyTorch computed:
 * values, shapes, gradients; from plain and from strided inputs, and shapes alone. tests/data/ops/derived.json, made by make_derived.py. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/value.h"
#include "check.h"
#include "tensor/arrange.h"
#include "tensor/derived.h"
#include "tensor/op.h"

enum { INPUTS = 5, OUTPUTS = 12 };

typedef void (*function)(lb_tape *t, lb_tensor **x, lb_tensor **y);

static void unsqueeze(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_unsqueeze(t, x[0], -1); }
static void squeeze(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_squeeze(t, x[0], 1); }
static void flatten(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_flatten(t, x[0], 1, -2); }
static void stack(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_stack(t, 3, x, 1); }
static void stack_many(lb_tape *t, lb_tensor **x, lb_tensor **y) {
    lb_tensor *rows[10];
    lb_unbind(t, x[0], 0, rows);
    y[0] = lb_stack(t, 10, rows, -1);
}
static void unbind(lb_tape *t, lb_tensor **x, lb_tensor **y) { lb_unbind(t, x[0], 1, y); }
static void split(lb_tape *t, lb_tensor **x, lb_tensor **y) { lb_split(t, x[0], -1, 4, (int64_t[]){2, 0, 4, 1}, y); }
static void chunk(lb_tape *t, lb_tensor **x, lb_tensor **y) { CHECK_INT(lb_chunk(t, x[0], 0, 3, y), 3); }
static void tile(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_tile(t, x[0], 3, (int64_t[]){2, 3, 2}); }
static void repeat_each(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_repeat_each(t, x[0], 1, 3); }
static void repeat_counts(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_repeat_counts(t, x[0], 0, (int64_t[]){2, 0, 3}); }
static void roll(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_roll(t, x[0], 1, 2); }
static void roll_back(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_roll(t, x[0], 0, -7); }
static void windows(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_windows(t, x[0], 2, 3); }
static void from_windows(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_from_windows(t, x[0], 4, 6); }
static void pixel_shuffle(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_pixel_shuffle(t, x[0], 2); }
static void pixel_unshuffle(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_pixel_unshuffle(t, x[0], 2); }
static void meshgrid(lb_tape *t, lb_tensor **x, lb_tensor **y) { lb_meshgrid(t, 2, x, y); }
static void linspace(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_mul(t, x[0], lb_linspace(t, -1, 2, 7)); }
static void range(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_mul(t, x[0], lb_range(t, 1.5, 0.25, 5)); }
static void outer(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_outer(t, x[0], x[1]); }
static void trace(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_trace(t, x[0]); }
static void glu(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_glu(t, x[0], -1, LB_ACT_SIGMOID); }
static void geglu(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_glu(t, x[0], 0, LB_ACT_GELU); }
static void swiglu(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_glu(t, x[0], 1, LB_ACT_SILU); }
static void masked_sum(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_masked_sum(t, x[0], x[1], LB_AXES(1), true); }
static void masked_mean(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_masked_mean(t, x[0], x[1], LB_AXES(0, 2), false); }
static void masked_select(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_masked_select(t, x[0], x[1]); }
static void masked_rows(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_masked_rows(t, x[0], x[1]); }
static void segment_sum(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_segment_sum(t, x[0], x[1], 4); }
static void segment_mean(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_segment_mean(t, x[0], x[1], 4); }
static void sort_along(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_sort_along(t, x[0], 0, true, &y[1]); }
static void topk_along(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_topk_along(t, x[0], 3, 1, false, &y[1]); }
static void kth_value(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_kth_value(t, x[0], 4, 1, false, &y[1]); }
static void median(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_median(t, x[0], 1, true); }
static void quantile(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_quantile(t, x[0], 0.3, 0, false); }
static void quantile_end(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_quantile(t, x[0], 1, -1, false); }
static void sum_apart(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_sum_over(t, x[0], LB_AXES(2, 0), false); }
static void mean_apart(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_mean_over(t, x[0], LB_AXES(1, -1), true); }
static void amax_apart(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_amax(t, x[0], LB_AXES(0, 2), true); }
static void amin_apart(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_amin(t, x[0], LB_AXES(-1, 0), false); }
static void var_apart(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_var_over(t, x[0], LB_AXES(0, 2), 1, false); }
static void logsumexp_apart(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_logsumexp_over(t, x[0], LB_AXES(2, 0), true); }
static void norm_inf(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_norm(t, x[0], INFINITY, LB_AXES(1), false); }
static void norm_least(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_norm(t, x[0], -INFINITY, LB_AXES(0), true); }
static void norm_count(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_norm(t, x[0], 0, LB_AXES(1), false); }
static void prelu(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_prelu(t, x[0], x[1]); }
static void leading_part(lb_tape *t, lb_tensor **x, lb_tensor **y) {
    lb_tensor *part = lb_slice(t, lb_slice(t, x[0], 0, 0, 3, 1), 1, 0, 4, 1);
    y[0] = lb_linear(t, x[1], part, NULL, LB_ACT_NONE);
}
static void by_sample(lb_tape *t, lb_tensor **x, lb_tensor **y) {
    y[0] = lb_einsum(t, "bd,bdk->bk", 2, (lb_tensor *[]){x[1], lb_index_select(t, x[0], x[2])});
}
static void straight_through(lb_tape *t, lb_tensor **x, lb_tensor **y) { y[0] = lb_straight_through(t, lb_round(t, x[0]), x[0]); }

#define F(name) {#name, name}
static const struct {
    const char *name;
    function f;
} functions[] = {F(unsqueeze), F(squeeze), F(flatten), F(stack), F(stack_many), F(unbind), F(split), F(chunk), F(tile), F(repeat_each),
                 F(repeat_counts), F(roll), F(roll_back), F(windows), F(from_windows), F(pixel_shuffle), F(pixel_unshuffle), F(meshgrid),
                 F(linspace), F(range), F(outer), F(trace), F(glu), F(geglu), F(swiglu), F(masked_sum), F(masked_mean), F(masked_select),
                 F(masked_rows), F(segment_sum), F(segment_mean), F(sort_along), F(topk_along), F(kth_value), F(median), F(quantile),
                 F(quantile_end), F(sum_apart), F(mean_apart), F(amax_apart), F(amin_apart), F(var_apart), F(logsumexp_apart), F(norm_inf),
                 F(norm_least), F(norm_count), F(prelu), F(leading_part), F(by_sample), F(straight_through)};

/* ---- one recorded case ---- */

typedef enum way { PLAIN, STRIDED, SHAPES } way;

static double number_at(const lb_value *list, int64_t i) {
    const lb_value *v = list->items[i];
    return v->kind == LB_V_INT ? (double)v->integer : v->real;
}

static int shape_from(const lb_value *v, int64_t *shape) {
    const lb_value *list = lb_get(v, "shape");
    for (int64_t i = 0; i < list->count; i++) shape[i] = (int64_t)number_at(list, i);
    return (int)list->count;
}

/* The tensor of a record; with gaps between the elements of the last axis when strided. */
static lb_tensor *leaf_of(const lb_value *v, way how, int gap) {
    lb_tensor *x = NULL;
    int64_t shape[LB_MAX_RANK];
    int rank = shape_from(v, shape);
    bool real = lb_get_bool(v, "real", true);
    const lb_value *data = lb_get(v, "data");
    if (rank > 0) shape[rank - 1] *= gap;
    if (!CHECK_OK(lb_tensor_new(&x, real ? LB_REAL : LB_I64, rank, shape))) return NULL;
    for (int64_t i = 0; i < data->count; i++) {
        if (real) lb_r(x)[i * gap] = number_at(data, i);
        else lb_i(x)[i * gap] = (int64_t)number_at(data, i);
    }
    x->requires_grad = real && how != SHAPES;
    return x;
}

/* Both computed in double: a few roundings apart. */
static void same_values(const lb_tensor *got, const lb_value *want, int gap) {
    const lb_value *data = lb_get(want, "data");
    double a[1024], b[1024];
    int64_t n = data->count;
    if (!CHECK(n * gap <= (int64_t)LB_COUNT(a)) || !CHECK(got) || !CHECK_OK(lb_read_f64(got, a, n * gap))) return;
    for (int64_t i = 0; i < n; i++) {
        a[i] = a[i * gap];
        b[i] = number_at(data, i);
    }
    CHECK_DOUBLES(a, b, n, 1e-12, 1e-13);
}

static void same_shape(const lb_tensor *got, const lb_value *want) {
    int64_t shape[LB_MAX_RANK];
    int rank = shape_from(want, shape);
    if (CHECK_INT(got->rank, rank)) CHECK(memcmp(got->shape, shape, sizeof *shape * (size_t)rank) == 0);
}

static void call(const char *name, lb_tape *t, int n, lb_tensor **x, lb_tensor **y) {
    if (strncmp(name, "einsum ", 7) == 0) {
        y[0] = lb_einsum(t, name + 7, n, x);
        return;
    }
    for (size_t i = 0; i < LB_COUNT(functions); i++) {
        if (strcmp(functions[i].name, name) != 0) continue;
        functions[i].f(t, x, y);
        return;
    }
    CHECK(!"a function of that name");
}

static void gradients(const lb_value *c, lb_tape *t, int64_t n, lb_tensor **y) {
    const lb_value *weight = lb_get(c, "weight");
    lb_tensor *from[OUTPUTS], *w[OUTPUTS], *owned[OUTPUTS];
    int count = 0;
    for (int64_t k = 0; k < n; k++) {
        if (weight->items[k]->kind != LB_V_MAP) continue;
        from[count] = y[k];
        w[count] = owned[count] = leaf_of(weight->items[k], SHAPES, 1);
        count++;
    }
    if (count > 0) lb_backward_from(t, count, from, w, false);
    CHECK_OK(lb_tape_status(t));
    for (int k = 0; k < count; k++) lb_tensor_free(owned[k]);
}

static void one_way(const lb_value *c, way how) {
    const lb_value *in = lb_get(c, "in"), *out = lb_get(c, "out"), *grad = lb_get(c, "grad");
    const char *name = lb_get_text(c, "name", "");
    lb_tensor *leaf[INPUTS] = {NULL}, *x[INPUTS], *y[OUTPUTS];
    lb_tape *t = NULL;
    int gap = how == STRIDED ? 2 : 1, n = (int)in->count;
    if (!CHECK_OK(lb_tape_new(&t)) || !CHECK(n <= INPUTS && out->count <= OUTPUTS)) return;
    if (how == SHAPES) lb_tape_set_mode(t, LB_TAPE_SHAPES);
    for (int i = 0; i < n; i++) {
        x[i] = leaf[i] = leaf_of(in->items[i], how, gap);
        if (how == STRIDED && x[i]->rank > 0) x[i] = lb_slice(t, x[i], -1, 0, INT64_MAX, 2);
    }
    call(name, t, n, x, y);
    CHECK_OK(lb_tape_status(t));
    bool depends = how == SHAPES && (strcmp(name, "masked_select") == 0 || strcmp(name, "masked_rows") == 0);
    for (int64_t k = 0; lb_tape_ok(t) && !depends && k < out->count; k++) {
        same_shape(y[k], out->items[k]);
        if (how != SHAPES) same_values(y[k], out->items[k], 1);
    }
    if (how != SHAPES && lb_tape_ok(t)) gradients(c, t, out->count, y);
    for (int i = 0; how != SHAPES && i < n; i++)
        if (leaf[i]->grad) same_values(leaf[i]->grad, grad->items[i], leaf[i]->rank > 0 ? gap : 1);
    lb_tape_free(t);
    for (int i = 0; i < n; i++) lb_tensor_free(leaf[i]);
}

static void recorded(void) {
    lb_value *all = NULL;
    if (!CHECK_OK(lb_json_read(&all, check_data("ops/derived.json")))) return;
    CHECK(all->count > (int64_t)LB_COUNT(functions));
    for (int64_t i = 0; i < all->count; i++) {
        check_begin("%s", lb_get_text(all->items[i], "name", ""));
        for (way how = PLAIN; how <= SHAPES; how++) one_way(all->items[i], how);
        check_end();
    }
    lb_value_free(all);
}

/* ---- what is said in words ---- */

static lb_tensor *numbers(lb_tape *t, int64_t n, const double *x) {
    return lb_input(t, LB_REAL, 1, &n, x, LB_F64);
}

static void words(void) {
    lb_tape *t = NULL;
    lb_tensor *part[4], *inverse, *counts;
    if (!CHECK_OK(lb_tape_new(&t))) return;
    lb_tensor *x = numbers(t, 4, (double[]){1, NAN, 3, 2});
    CHECK(isnan(lb_number(lb_median(t, x, 0, false))) && isnan(lb_number(lb_quantile(t, x, 0.2, 0, false))));
    lb_tensor *mask = numbers(t, 4, (double[]){1, 0, 0, 1});
    CHECK_NEAR(lb_number(lb_masked_mean(t, x, mask, LB_ALL_AXES, false)), 1.5, 0); /* the NaN is masked */
    CHECK_NEAR(lb_number(lb_masked_mean(t, x, lb_zeros(t, 1, (int64_t[]){4}), LB_ALL_AXES, false)), 0, 0);
    lb_tensor *u = lb_unique(t, numbers(t, 7, (double[]){2, -1, 2, 0, -0.0, NAN, NAN}), &inverse, &counts);
    int64_t at[7], many[4];
    CHECK_INT(u->shape[0], 4);
    CHECK_OK(lb_read_i64(inverse, at, 7));
    CHECK_OK(lb_read_i64(counts, many, 4));
    CHECK(memcmp(at, (int64_t[]){2, 0, 2, 1, 1, 3, 3}, sizeof at) == 0 && memcmp(many, (int64_t[]){1, 2, 2, 2}, sizeof many) == 0);
    lb_tensor *ids = lb_unique(t, lb_input(t, LB_I64, 1, (int64_t[]){3}, (int64_t[]){INT64_MAX, -5, INT64_MAX}, LB_I64), NULL, NULL);
    CHECK(ids->shape[0] == 2 && lb_i(ids)[0] == -5 && lb_i(ids)[1] == INT64_MAX);
    CHECK_INT(lb_chunk(t, x, 0, 3, part), 2); /* 4 in at most 3 equal parts: two of two */
    CHECK_INT(part[2] == lb_inert(t), true);
    CHECK_OK(lb_tape_status(t));
    lb_tape_free(t);
}

/* As many tensors as there are: each row of the result, and each gradient, is that of its tensor. */
static void many_joined(void) {
    enum { MANY = 120, WIDTH = 2 };
    lb_tape *t = NULL;
    lb_tensor *x[MANY] = {0}, *w = NULL;
    if (!CHECK_OK(lb_tape_new(&t))) return;
    for (int n = 1; n <= MANY; n += n < 32 ? 1 : 29)
        for (int stacked = 0; stacked < 2; stacked++) {
            double row[WIDTH], weight[MANY * WIDTH];
            int64_t shape[2] = {1, WIDTH};
            for (int i = 0; i < n; i++) {
                row[0] = i;
                row[1] = -i;
                x[i] = lb_input(t, LB_REAL, stacked ? 1 : 2, stacked ? shape + 1 : shape, row, LB_F64);
                if (lb_tape_ok(t)) x[i]->requires_grad = true;
            }
            for (int i = 0; i < n * WIDTH; i++) weight[i] = 3 * i + 1;
            w = lb_input(t, LB_REAL, 2, (int64_t[]){n, WIDTH}, weight, LB_F64);
            lb_tensor *y = stacked ? lb_stack(t, n, x, 0) : lb_concat(t, n, x, 0);
            if (!CHECK_OK(lb_tape_status(t)) || !CHECK_INT(y->shape[0], n) || !CHECK_INT(lb_numel(y), n * WIDTH)) break;
            for (int i = 0; i < n; i++) CHECK(lb_r(y)[WIDTH * i] == i && lb_r(y)[WIDTH * i + 1] == -i);
            for (int i = 0; i < n; i++) lb_keep(t, x[i]);
            lb_backward(t, lb_sum_all(t, lb_mul(t, y, w)));
            if (!CHECK_OK(lb_tape_status(t))) break;
            for (int i = 0; i < n * WIDTH; i++)
                if (CHECK(x[i / WIDTH]->grad)) CHECK_NEAR((double)lb_r(x[i / WIDTH]->grad)[i % WIDTH], 3 * i + 1, 0);
            lb_tape_reset(t);
        }
    lb_tape_free(t);
}

/* Each mistake fails with a message that names what was wrong. */
static void failed(lb_tape *t, lb_status code, const char *part) {
    CHECK_FAILS(lb_tape_status(t), code, part);
    lb_tape_reset(t);
}

static lb_tensor *plane(lb_tape *t) {
    return lb_zeros(t, 2, (int64_t[]){2, 3});
}

static void mistakes(void) {
    lb_tape *t = NULL;
    lb_tensor *y[4];
    if (!CHECK_OK(lb_tape_new(&t))) return;
    lb_unsqueeze(t, plane(t), 3);
    failed(t, LB_E_SHAPE, "axis 3 of 3");
    lb_squeeze(t, plane(t), 0);
    failed(t, LB_E_SHAPE, "size 2");
    lb_flatten(t, NULL, 0, 1);
    failed(t, LB_E_ARG, "no tensor");
    lb_split(t, plane(t), 1, 2, (int64_t[]){1, 1}, y);
    failed(t, LB_E_SHAPE, "add up to the 3");
    lb_stack(t, 0, NULL, 0);
    failed(t, LB_E_ARG, "no tensors");
    lb_tile(t, plane(t), 1, (int64_t[]){2});
    failed(t, LB_E_SHAPE, "rank 2");
    lb_glu(t, plane(t), 1, LB_ACT_SIGMOID);
    failed(t, LB_E_SHAPE, "even");
    lb_pixel_shuffle(t, plane(t), 2);
    failed(t, LB_E_SHAPE, "rank 4");
    lb_sum_over(t, plane(t), LB_AXES(0, 1, 0), false);
    failed(t, LB_E_SHAPE, "named twice");
    lb_sum_over(t, plane(t), LB_AXES(0, 2), false);
    failed(t, LB_E_SHAPE, "axis 2");
    lb_kth_value(t, plane(t), 4, 1, false, NULL);
    failed(t, LB_E_SHAPE, "4 of 3");
    lb_quantile(t, plane(t), 1.5, 1, false);
    failed(t, LB_E_ARG, "1.5");
    lb_view(t, lb_transpose(t, plane(t), 0, 1), 1, (int64_t[]){6});
    failed(t, LB_E_SHAPE, "without a copy");
    lb_einsum(t, "ij,jk", 2, (lb_tensor *[]){plane(t), plane(t)});
    failed(t, LB_E_ARG, "cannot read 'ij,jk'");
    lb_einsum(t, "ij,jk->ik", 2, (lb_tensor *[]){plane(t), plane(t)});
    failed(t, LB_E_SHAPE, "operand 2");
    lb_einsum(t, "ij->ik", 1, (lb_tensor *[]){plane(t)});
    failed(t, LB_E_ARG, "stands in no operand");
    lb_einsum(t, "ij->ii", 1, (lb_tensor *[]){plane(t)});
    failed(t, LB_E_ARG, "cannot read");
    lb_tape_free(t);
}

/* A shape that the steps allow is a view; another one is copied. */
static void reshaping(void) {
    lb_tape *t = NULL;
    if (!CHECK_OK(lb_tape_new(&t))) return;
    lb_tensor *x = lb_zeros(t, 3, (int64_t[]){4, 3, 6}), *swapped = lb_transpose(t, x, 0, 1);
    CHECK(lb_reshape(t, swapped, 4, (int64_t[]){3, 4, 2, 3})->data == x->data);
    CHECK(lb_reshape(t, swapped, 5, (int64_t[]){1, 3, -1, 1, 6})->data == x->data);
    CHECK(lb_reshape(t, swapped, 2, (int64_t[]){12, 6})->data != x->data);
    lb_tensor *part = lb_slice(t, x, 2, 1, 3, 1);
    CHECK(lb_reshape(t, part, 2, (int64_t[]){12, 2})->data == part->data);
    CHECK(lb_reshape(t, part, 2, (int64_t[]){4, 6})->data != part->data);
    CHECK_OK(lb_tape_status(t));
    lb_tape_free(t);
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "derived", (check_test[]){{"recorded", recorded}, {"words", words}, {"many_joined", many_joined}, {"mistakes", mistakes}, {"reshaping", reshaping}, {0}});
}
