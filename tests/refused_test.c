/* SPDX-License-Identifier: Apache-2.0 */
/* What ops refuse: indices outside, axes that are not there, shapes and settings that do not go together. Each is told with the op and what was expected, and nothing is
 * read or written before: indices are so far away that memory would fault. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "check.h"
#include "tensor/arrange.h"
#include "tensor/derived.h"
#include "tensor/ops.h"

/* a, b, c [2,3]; square [3,3]; row [3]; column [2]; picture [1,2,4,4]; kernel [2,2,3,3]; cube [1,2,4,4,4]; far, below: i64 [2], one of them 2^40 or -1; far2: i64 [2,3]; id: 0, 1; far_long: i64 [2,70]. */
typedef struct given {
    lb_tensor *a, *b, *square, *row, *column, *picture, *kernel, *cube, *far, *below, *far2, *id, *far_long;
} given;

typedef void (*call)(lb_tape *t, const given *g);
/* ---- indices ---- */
static void gather(lb_tape *t, const given *g) { lb_gather(t, g->a, g->far2, 1); }
static void gather_long(lb_tape *t, const given *g) { lb_gather(t, g->a, g->far_long, 1); }
static void scatter(lb_tape *t, const given *g) { lb_scatter(t, g->a, g->far2, g->b, 1); }
static void scatter_add(lb_tape *t, const given *g) { lb_scatter_add(t, g->a, g->far2, g->b, 0); }
static void index_add(lb_tape *t, const given *g) { lb_index_add(t, g->a, g->far, g->b, 0); }
static void index_select(lb_tape *t, const given *g) { lb_index_select(t, g->a, g->far); }
static void index_below(lb_tape *t, const given *g) { lb_index_select(t, g->a, g->below); }
static void take(lb_tape *t, const given *g) { lb_take(t, g->a, g->far, 1); }
static void take_below(lb_tape *t, const given *g) { lb_take(t, g->a, g->below, 1); }
static void embedding(lb_tape *t, const given *g) { lb_embedding(t, g->a, g->far); }
static void one_hot(lb_tape *t, const given *g) { lb_one_hot(t, g->far, 4); }
static void one_hot_below(lb_tape *t, const given *g) { lb_one_hot(t, g->below, 4); }
static void bincount(lb_tape *t, const given *g) { lb_bincount(t, g->far, 4); }
static void segment_max(lb_tape *t, const given *g) { lb_segment_max(t, g->a, g->far, 4); }
static void segment_sum(lb_tape *t, const given *g) { lb_segment_sum(t, g->a, g->far, 4); }
static void cross_entropy(lb_tape *t, const given *g) { lb_cross_entropy(t, g->a, g->far, NULL, -1, -100, 0, LB_MEAN); }
static void cross_entropy_below(lb_tape *t, const given *g) { lb_cross_entropy(t, g->a, g->below, NULL, -1, -100, 0, LB_MEAN); }
static void grouped(lb_tape *t, const given *g) { lb_grouped_linear(t, g->a, g->far, lb_zeros(t, 3, (int64_t[]){2, 4, 3}), NULL); }
static void unpool(lb_tape *t, const given *g) { lb_max_unpool(t, lb_zeros(t, 3, (int64_t[]){1, 1, 2}), lb_reshape(t, g->far, 3, (int64_t[]){1, 1, 2}), (int64_t[]){4}); }
static void roi_align(lb_tape *t, const given *g) { lb_roi_align(t, g->picture, lb_full(t, 2, (int64_t[]){1, 5}, 1e12), 2, 2, 1, 0, false); }
static void roi_pool(lb_tape *t, const given *g) { lb_roi_pool(t, g->picture, lb_full(t, 2, (int64_t[]){1, 5}, 1e12), 2, 2, 1); }
static void roi_far(lb_tape *t, const given *g) { lb_roi_align(t, g->picture, lb_input(t, LB_REAL, 2, (int64_t[]){1, 5}, (double[]){0, 0, 0, 3e8, 2}, LB_F64), 2, 2, 0.5, 0, false); }
static void roi_nan(lb_tape *t, const given *g) { lb_roi_align(t, g->picture, lb_full(t, 2, (int64_t[]){1, 5}, NAN), 2, 2, 1, 0, false); }
/* ---- axes ---- */
static void axis_softmax(lb_tape *t, const given *g) { lb_softmax(t, g->a, 2); }
static void axis_log_softmax(lb_tape *t, const given *g) { lb_log_softmax(t, g->a, -3); }
static void axis_cumsum(lb_tape *t, const given *g) { lb_cumsum(t, g->a, 2); }
static void axis_cummax(lb_tape *t, const given *g) { lb_cummax(t, g->a, -3, NULL); }
static void axis_logcumsumexp(lb_tape *t, const given *g) { lb_logcumsumexp(t, g->a, 2); }
static void axis_flip(lb_tape *t, const given *g) { lb_flip(t, g->a, 2); }
static void axis_slice(lb_tape *t, const given *g) { lb_slice(t, g->a, -3, 0, 1, 1); }
static void axis_concat(lb_tape *t, const given *g) { lb_concat(t, 2, (lb_tensor *[]){g->a, g->b}, 2); }
static void axis_gather(lb_tape *t, const given *g) { lb_gather(t, g->a, g->far2, 2); }
static void axis_scatter(lb_tape *t, const given *g) { lb_scatter(t, g->a, g->far2, g->b, -3); }
static void axis_index_add(lb_tape *t, const given *g) { lb_index_add(t, g->a, g->id, g->b, 2); }
static void axis_take(lb_tape *t, const given *g) { lb_take(t, g->a, g->id, 2); }
static void axis_mean(lb_tape *t, const given *g) { lb_mean(t, g->a, 2, false); }
static void axis_max(lb_tape *t, const given *g) { lb_max(t, g->a, -3, false); }
static void axis_var(lb_tape *t, const given *g) { lb_var(t, g->a, 2, 1, false); }
static void axis_argmax(lb_tape *t, const given *g) { lb_argmax(t, g->a, 2); }
static void axis_over(lb_tape *t, const given *g) { lb_sum_over(t, g->a, LB_AXES(0, 2), false); }
static void axis_twice(lb_tape *t, const given *g) { lb_amax(t, g->a, LB_AXES(1, -1), false); }
static void axis_permute(lb_tape *t, const given *g) { lb_permute(t, g->a, (int[]){0, 0}); }
static void axis_transpose(lb_tape *t, const given *g) { lb_transpose(t, g->a, 0, 2); }
static void axis_cross_entropy(lb_tape *t, const given *g) { lb_cross_entropy(t, g->a, g->id, NULL, 2, -100, 0, LB_MEAN); }
static void axis_stack(lb_tape *t, const given *g) { lb_stack(t, 2, (lb_tensor *[]){g->a, g->b}, 3); }
static void axis_squeeze(lb_tape *t, const given *g) { lb_squeeze(t, g->a, 0); }
static void axis_roll(lb_tape *t, const given *g) { lb_roll(t, g->a, 2, 1); }
static void axis_normalize(lb_tape *t, const given *g) { lb_normalize_along(t, g->a, 2, 2, 1e-12); }
/* ---- shapes ---- */
static void shape_add(lb_tape *t, const given *g) { lb_add(t, g->a, g->column); }
static void shape_select(lb_tape *t, const given *g) { lb_select(t, g->a, g->b, g->column); }
static void shape_expand(lb_tape *t, const given *g) { lb_expand(t, g->a, 2, (int64_t[]){4, 3}); }
static void shape_reshape(lb_tape *t, const given *g) { lb_reshape(t, g->a, 1, (int64_t[]){5}); }
static void shape_view(lb_tape *t, const given *g) { lb_view(t, lb_transpose(t, g->a, 0, 1), 1, (int64_t[]){6}); }
static void shape_concat(lb_tape *t, const given *g) { lb_concat(t, 2, (lb_tensor *[]){g->a, g->square}, 1); }
static void shape_matmul(lb_tape *t, const given *g) { lb_matmul(t, g->a, g->b, false, false); }
static void shape_linear(lb_tape *t, const given *g) { lb_linear(t, g->a, g->square, g->column, LB_ACT_NONE); }
static void shape_scatter(lb_tape *t, const given *g) { lb_scatter(t, g->a, g->far2, lb_zeros(t, 2, (int64_t[]){1, 3}), 1); }
static void shape_index_add(lb_tape *t, const given *g) { lb_index_add(t, g->a, g->id, g->square, 0); }
static void shape_masked_fill(lb_tape *t, const given *g) { lb_masked_fill(t, g->row, g->far2, 0); }
static void shape_masked_scatter(lb_tape *t, const given *g) { lb_masked_scatter(t, g->a, g->far2, g->column); }
static void shape_conv(lb_tape *t, const given *g) { lb_conv2d(t, g->picture, lb_zeros(t, 4, (int64_t[]){2, 3, 3, 3}), NULL, lb_conv_same(1, 1, 1), LB_ACT_NONE); }
static void shape_conv_groups(lb_tape *t, const given *g) { lb_conv2d(t, g->picture, g->kernel, NULL, lb_conv_same(1, 1, 3), LB_ACT_NONE); }
static void shape_conv_small(lb_tape *t, const given *g) { lb_conv2d(t, g->picture, lb_zeros(t, 4, (int64_t[]){2, 2, 5, 5}), NULL, lb_conv_same(1, 0, 1), LB_ACT_NONE); }
static void shape_conv3d(lb_tape *t, const given *g) { lb_conv3d(t, g->cube, lb_zeros(t, 5, (int64_t[]){2, 3, 1, 1, 1}), NULL, (lb_conv3d_spec){0}); }
static void shape_conv_bias(lb_tape *t, const given *g) { lb_conv2d(t, g->picture, g->kernel, g->row, lb_conv_same(1, 1, 1), LB_ACT_NONE); }
static void shape_transposed(lb_tape *t, const given *g) { lb_conv_transpose2d(t, g->picture, lb_zeros(t, 4, (int64_t[]){3, 2, 3, 3}), NULL, lb_conv_same(1, 1, 1), 0, 0); }
static void shape_output_padding(lb_tape *t, const given *g) { lb_conv_transpose2d(t, g->picture, g->kernel, NULL, lb_conv_same(2, 1, 1), 2, 0); }
static void shape_pool(lb_tape *t, const given *g) { lb_max_pool(t, g->picture, lb_window_of(5, 1, 0)); }
static void shape_pool_padding(lb_tape *t, const given *g) { lb_avg_pool(t, g->picture, lb_window_of(2, 1, 2), LB_AVG_COUNT_PAD, 0); }
static void shape_unfold(lb_tape *t, const given *g) { lb_unfold(t, g->picture, lb_window_of(5, 1, 0)); }
static void far_fold(lb_tape *t, const given *g) { lb_fold(t, lb_zeros(t, 3, (int64_t[]){1, 8, 8}), 4, INT64_MAX / 2, lb_window_of(2, 1, 0)); }
static void shape_fold(lb_tape *t, const given *g) { lb_fold(t, lb_zeros(t, 3, (int64_t[]){1, 8, 8}), 4, 4, lb_window_of(2, 1, 0)); }
static void shape_group_norm(lb_tape *t, const given *g) { lb_group_norm(t, g->picture, NULL, NULL, 3, 1e-5); }
static void shape_batch_norm(lb_tape *t, const given *g) { lb_batch_norm(t, g->picture, g->row, g->row, 1e-5, LB_ACT_NONE, NULL, NULL); }
static void shape_layer_norm(lb_tape *t, const given *g) { lb_layer_norm(t, g->a, g->column, NULL, 1e-5); }
static void shape_grid(lb_tape *t, const given *g) { lb_grid_sample(t, g->picture, g->picture, LB_SAMPLE_LINEAR, LB_BORDER_ZEROS, false); }
static void shape_grid_cubic(lb_tape *t, const given *g) { lb_grid_sample(t, g->cube, lb_zeros(t, 5, (int64_t[]){1, 1, 1, 1, 3}), LB_SAMPLE_CUBIC, LB_BORDER_ZEROS, false); }
static void shape_boxes(lb_tape *t, const given *g) { lb_roi_align(t, g->picture, lb_zeros(t, 2, (int64_t[]){1, 4}), 2, 2, 1, 0, false); }
static void shape_heads(lb_tape *t, const given *g) {
    lb_attention(t, lb_zeros(t, 4, (int64_t[]){1, 3, 2, 4}), lb_zeros(t, 4, (int64_t[]){1, 2, 2, 4}), lb_zeros(t, 4, (int64_t[]){1, 2, 2, 4}),
                 (lb_attention_spec){0});
}
static void shape_bias(lb_tape *t, const given *g) {
    lb_attention(t, lb_zeros(t, 4, (int64_t[]){1, 2, 2, 4}), lb_zeros(t, 4, (int64_t[]){1, 2, 3, 4}), lb_zeros(t, 4, (int64_t[]){1, 2, 3, 4}),
                 (lb_attention_spec){.bias = g->column});
}
static void shape_rotary(lb_tape *t, const given *g) { lb_rotary(t, g->picture, g->a, g->a, false); }
static void shape_mse(lb_tape *t, const given *g) { lb_mse(t, g->a, g->row, LB_MEAN); }
static void shape_labels(lb_tape *t, const given *g) { lb_cross_entropy(t, g->a, g->far2, NULL, -1, -100, 0, LB_MEAN); }
static void shape_class_weights(lb_tape *t, const given *g) { lb_cross_entropy(t, g->a, g->id, g->column, -1, -100, 0, LB_MEAN); }
static void shape_soft(lb_tape *t, const given *g) { lb_soft_cross_entropy(t, g->a, g->square, NULL, -1, 0, LB_MEAN); }
static void shape_divergence(lb_tape *t, const given *g) { lb_divergence(t, g->a, g->square, NULL, LB_KL_FORWARD, 1, 0, -1, LB_MEAN); }
static void shape_info_nce(lb_tape *t, const given *g) { lb_info_nce(t, g->square, g->a, NULL, 1, true); }
static void shape_siglip(lb_tape *t, const given *g) { lb_siglip(t, g->square, g->a, NULL, NULL, 1); }
static void shape_empty_max(lb_tape *t, const given *g) { lb_max(t, lb_zeros(t, 2, (int64_t[]){2, 0}), 1, false); }
static void shape_empty_argmax(lb_tape *t, const given *g) { lb_argmax(t, lb_zeros(t, 2, (int64_t[]){2, 0}), 1); }
static void shape_empty_mode(lb_tape *t, const given *g) { lb_mode(t, lb_zeros(t, 2, (int64_t[]){2, 0})); }
static void shape_topk(lb_tape *t, const given *g) { lb_topk(t, g->a, 4, NULL); }
static void shape_einsum(lb_tape *t, const given *g) { lb_einsum(t, "ij,jk->ik", 2, (lb_tensor *[]){g->a, g->b}); }
static void shape_solve(lb_tape *t, const given *g) { lb_solve(t, g->square, g->a); }
static void shape_qr(lb_tape *t, const given *g) { lb_qr(t, g->a, NULL); }
static void shape_depth(lb_tape *t, const given *g) { lb_depth_to_space(t, g->picture, 2, LB_BLOCK_INNER); }
static void shape_scan(lb_tape *t, const given *g) {
    lb_ssd(t, lb_zeros(t, 4, (int64_t[]){1, 2, 3, 2}), lb_zeros(t, 3, (int64_t[]){1, 2, 3}), g->row, lb_zeros(t, 4, (int64_t[]){1, 2, 2, 4}),
           lb_zeros(t, 4, (int64_t[]){1, 2, 2, 4}), (lb_scan_spec){0}, NULL);
}
/* ---- settings ---- */
static void step(lb_tape *t, const given *g) { lb_slice(t, g->a, 0, 0, 2, 0); }
static void step_back(lb_tape *t, const given *g) { lb_slice(t, g->a, 0, 1, 0, -1); }
static void pad_reflect(lb_tape *t, const given *g) { lb_pad_with(t, g->a, (int64_t[]){0, 3}, (int64_t[]){0, 0}, LB_PAD_REFLECT); }
static void pad_negative(lb_tape *t, const given *g) { lb_pad(t, g->a, (int64_t[]){0, -2}, (int64_t[]){0, -2}, 0); }
static void temperature(lb_tape *t, const given *g) { lb_divergence(t, g->a, g->b, NULL, LB_KL_FORWARD, 0, 0, -1, LB_MEAN); }
static void temperature_nan(lb_tape *t, const given *g) { lb_divergence(t, g->a, g->b, NULL, LB_KL_FORWARD, NAN, 0, -1, LB_MEAN); }
static void share(lb_tape *t, const given *g) { lb_divergence(t, g->a, g->b, NULL, LB_JENSEN_SHANNON, 1, 1.5, -1, LB_MEAN); }
static void delta(lb_tape *t, const given *g) { lb_huber(t, g->a, g->b, 0, LB_MEAN); }
static void beta(lb_tape *t, const given *g) { lb_smooth_l1(t, g->a, g->b, -1, LB_MEAN); }
static void gamma_below(lb_tape *t, const given *g) { lb_focal(t, g->a, g->b, 0.25, -1, LB_MEAN); }
static void rounds(lb_tape *t, const given *g) { lb_sinkhorn(t, g->square, NULL, NULL, 0, 0); }
static void centres(lb_tape *t, const given *g) { lb_kmeans(t, g->a, g->b, 0, false, NULL); }
static void chance(lb_tape *t, const given *g) { lb_dropout(t, g->a, 1); }
static void chance_below(lb_tape *t, const given *g) { lb_dropout(t, g->a, -0.1); }
static void neighbours(lb_tape *t, const given *g) { lb_nearest_rows(t, g->a, g->b, 3, true, NULL); }
static void bins(lb_tape *t, const given *g) { lb_histogram(t, g->row, 3, 1, 1); }
static void kinds(lb_tape *t, const given *g) { lb_bincount(t, g->id, -1); }
static void bits(lb_tape *t, const given *g) { lb_fake_quantise(t, g->a, (lb_quantiser){.kind = LB_SYMMETRIC, .bits = 1, .clip = 1}, NULL, NULL, NULL); }
static void group(lb_tape *t, const given *g) { lb_fake_quantise(t, g->a, (lb_quantiser){.kind = LB_SYMMETRIC, .grain = LB_PER_GROUP, .group = 2, .bits = 4, .clip = 1}, NULL, NULL, NULL); }
static void size(lb_tape *t, const given *g) { lb_resize(t, g->picture, (lb_resize_spec){.size = {0, 3}, .scale = {0.1, 1}}); }
static void smooth(lb_tape *t, const given *g) { lb_resize(t, g->picture, (lb_resize_spec){.size = {2, 3}, .antialias = true}); }
static void blur(lb_tape *t, const given *g) { lb_gaussian_blur(t, g->picture, 2, 3, 1, 1); }
static void norm_power(lb_tape *t, const given *g) { lb_normalize_along(t, g->a, 3, 1, 1e-12); }
static void power(lb_tape *t, const given *g) { lb_lp_pool(t, g->picture, 0, lb_window_of(2, 2, 0)); }
static void local(lb_tape *t, const given *g) { lb_local_response_norm(t, g->picture, 0, 1, 1, 1); }
static void width(lb_tape *t, const given *g) { lb_sinusoid(t, g->id, 3, 10000, false, false); }
static void quantile(lb_tape *t, const given *g) { lb_quantile(t, g->row, 1.5, 0, false); }
static void letters(lb_tape *t, const given *g) { lb_einsum(t, "ij->ijq", 1, (lb_tensor *[]){g->a}); }
static void tiles(lb_tape *t, const given *g) { lb_tile(t, g->a, 2, (int64_t[]){1, -1}); }
static void parts(lb_tape *t, const given *g) { lb_chunk(t, g->a, 0, 0, (lb_tensor *[]){NULL}); }
static void softcap(lb_tape *t, const given *g) {
    lb_attention(t, lb_zeros(t, 4, (int64_t[]){1, 2, 2, 4}), lb_zeros(t, 4, (int64_t[]){1, 2, 2, 4}), lb_zeros(t, 4, (int64_t[]){1, 2, 2, 4}),
                 (lb_attention_spec){.softcap = -1});
}
/* ---- matrices ---- */
static void not_positive(lb_tape *t, const given *g) { lb_cholesky(t, lb_full(t, 2, (int64_t[]){2, 2}, 1)); }
static void singular(lb_tape *t, const given *g) { lb_inverse(t, lb_full(t, 2, (int64_t[]){2, 2}, 1)); }
static void singular_solve(lb_tape *t, const given *g) { lb_solve(t, lb_zeros(t, 2, (int64_t[]){3, 3}), g->square); }
static void singular_triangle(lb_tape *t, const given *g) { lb_triangular_solve(t, lb_zeros(t, 2, (int64_t[]){3, 3}), g->square, true, false); }
static void nan_matrix(lb_tape *t, const given *g) { lb_eigh(t, lb_full(t, 2, (int64_t[]){2, 2}, NAN), NULL); }
static void infinite_matrix(lb_tape *t, const given *g) { lb_eigh(t, lb_full(t, 2, (int64_t[]){2, 2}, INFINITY), NULL); }
static void infinite_values(lb_tape *t, const given *g) { lb_svd(t, lb_full(t, 2, (int64_t[]){2, 3}, INFINITY), NULL, NULL); }
static void nan_inverse(lb_tape *t, const given *g) { lb_pinv(t, lb_full(t, 2, (int64_t[]){2, 3}, NAN), 1e-6); }
static void nan_root(lb_tape *t, const given *g) { lb_sym_power(t, lb_full(t, 2, (int64_t[]){2, 2}, NAN), 0.5, 0); }
static void nan_values(lb_tape *t, const given *g) { lb_svd(t, lb_full(t, 2, (int64_t[]){2, 2}, NAN), NULL, NULL); }
static void nan_cost(lb_tape *t, const given *g) { lb_assignment(t, lb_full(t, 2, (int64_t[]){2, 2}, NAN), NULL); }
static void supply(lb_tape *t, const given *g) { lb_transport(t, g->a, lb_full(t, 1, (int64_t[]){2}, -1), g->row); }

static const struct refusal {
    const char *name;
    call run;
    lb_status code;
    const char *part;
} refusals[] = {
    {"gather", gather, LB_E_ARG, "gather(x[2,3], index[2,3]:i64): index 1099511627776 at position 1 is outside 0..2"},
    {"gather_long", gather_long, LB_E_ARG, "gather(x[2,3], index[2,70]:i64): index 1099511627776 at position 1 is outside 0..2"},
    {"scatter", scatter, LB_E_ARG, "scatter(x[2,3], index[2,3]:i64, src[2,3]): index 1099511627776 at position 1 is outside 0..2"},
    {"scatter_add", scatter_add, LB_E_ARG, "scatter_add(x[2,3], index[2,3]:i64, src[2,3]): index 1099511627776 at position 1 is outside 0..1"},
    {"index_add", index_add, LB_E_ARG, "index_add(x[2,3], index[2]:i64, src[2,3]): index 1099511627776 at position 1 is outside 0..1"},
    {"index_select", index_select, LB_E_ARG, "index_select(x[2,3], index[2]:i64): index 1099511627776 at position 1 is outside 0..1"},
    {"index_below", index_below, LB_E_ARG, "index_select(x[2,3], index[2]:i64): index -1 at position 1 is outside 0..1"},
    {"take", take, LB_E_ARG, "index_select(x[2,3], index[2]:i64): index 1099511627776 at position 1 is outside 0..2"},
    {"take_below", take_below, LB_E_ARG, "index_select(x[2,3], index[2]:i64): index -1 at position 1 is outside 0..2"},
    {"embedding", embedding, LB_E_ARG, "embedding(weight[2,3], ids[2]:i64): index 1099511627776 at position 1 is outside 0..1"},
    {"one_hot", one_hot, LB_E_ARG, "one_hot(ids[2]:i64): index 1099511627776 at position 1 is outside 0..3"},
    {"one_hot_below", one_hot_below, LB_E_ARG, "one_hot(ids[2]:i64): index -1 at position 1 is outside 0..3"},
    {"bincount", bincount, LB_E_ARG, "bincount(ids[2]:i64): index 1099511627776 at position 1 is outside 0..3"},
    {"segment_max", segment_max, LB_E_ARG, "segment_max(x[2,3], label[2]:i64): index 1099511627776 at position 1 is outside 0..3"},
    {"segment_sum", segment_sum, LB_E_ARG, "index_add(x[4,3], index[2]:i64, src[2,3]): index 1099511627776 at position 1 is outside 0..3"},
    {"cross_entropy", cross_entropy, LB_E_ARG, "cross_entropy(logits[2,3], label[2]:i64): label 1099511627776 of row 1 is outside 0..2"},
    {"cross_entropy_below", cross_entropy_below, LB_E_ARG, "cross_entropy(logits[2,3], label[2]:i64): label -1 of row 1 is outside 0..2"},
    {"grouped", grouped, LB_E_ARG, "grouped_linear(x[2,3], id[2]:i64, w[2,4,3]): id 1099511627776 at row 1 is outside -1..1"},
    {"unpool", unpool, LB_E_ARG, "max_unpool(x[1,1,2], index[1,1,2]:i64): index 1099511627776 at position 1 is outside 0..3"},
    {"roi_align", roi_align, LB_E_ARG, "roi_align(x[1,2,4,4], boxes[1,5]): box 0 is of picture 1e+12, expected 0 to 0"},
    {"roi_pool", roi_pool, LB_E_ARG, "roi_pool(x[1,2,4,4], boxes[1,5]): box 0 is of picture 1e+12, expected 0 to 0"},
    {"roi_far", roi_far, LB_E_ARG, "roi_align(x[1,2,4,4], boxes[1,5]): box 0 has a corner at 1.5e+08, expected within 1e+06"},
    {"roi_nan", roi_nan, LB_E_ARG, "roi_align(x[1,2,4,4], boxes[1,5]): box 0 is of picture nan, expected 0 to 0"},
    {"axis_softmax", axis_softmax, LB_E_SHAPE, "softmax(x[2,3]): axis 2 of a tensor of rank 2"},
    {"axis_log_softmax", axis_log_softmax, LB_E_SHAPE, "log_softmax(x[2,3]): axis -3 of a tensor of rank 2"},
    {"axis_cumsum", axis_cumsum, LB_E_SHAPE, "cumsum(x[2,3]): axis 2 of a tensor of rank 2"},
    {"axis_cummax", axis_cummax, LB_E_SHAPE, "cummax(x[2,3]): axis -3 of a tensor of rank 2"},
    {"axis_logcumsumexp", axis_logcumsumexp, LB_E_SHAPE, "logcumsumexp(x[2,3]): axis 2 of a tensor of rank 2"},
    {"axis_flip", axis_flip, LB_E_SHAPE, "flip(x[2,3]): axis 2 of a tensor of rank 2"},
    {"axis_slice", axis_slice, LB_E_SHAPE, "slice(x[2,3]): axis -3 of a tensor of rank 2"},
    {"axis_concat", axis_concat, LB_E_SHAPE, "concat(a[2,3], b[2,3]): axis 2 of a tensor of rank 2"},
    {"axis_gather", axis_gather, LB_E_SHAPE, "gather(x[2,3], index[2,3]:i64): axis 2 of a tensor of rank 2"},
    {"axis_scatter", axis_scatter, LB_E_SHAPE, "scatter(x[2,3], index[2,3]:i64, src[2,3]): axis -3 of a tensor of rank 2"},
    {"axis_index_add", axis_index_add, LB_E_SHAPE, "index_add(x[2,3], index[2]:i64, src[2,3]): axis 2 of a tensor of rank 2"},
    {"axis_take", axis_take, LB_E_SHAPE, "index_select(x[2,3], index[2]:i64): axis 2 of a tensor of rank 2"},
    {"axis_mean", axis_mean, LB_E_SHAPE, "mean(x[2,3]): axis 2 of a tensor of rank 2"},
    {"axis_max", axis_max, LB_E_SHAPE, "max(x[2,3]): axis -3 of a tensor of rank 2"},
    {"axis_var", axis_var, LB_E_SHAPE, "var(x[2,3]): axis 2 of a tensor of rank 2"},
    {"axis_argmax", axis_argmax, LB_E_SHAPE, "argmax(x[2,3]): axis 2 of a tensor of rank 2"},
    {"axis_over", axis_over, LB_E_SHAPE, "sum: axis 2 of a tensor of rank 2"},
    {"axis_twice", axis_twice, LB_E_SHAPE, "amax: axis -1 of a tensor of rank 2 is named twice"},
    {"axis_permute", axis_permute, LB_E_SHAPE, "permute(x[2,3]): an axis is named twice"},
    {"axis_transpose", axis_transpose, LB_E_SHAPE, "transpose(x[2,3]): axis 2 of a tensor of rank 2"},
    {"axis_cross_entropy", axis_cross_entropy, LB_E_SHAPE, "cross_entropy(logits[2,3], label[2]:i64): axis 2 of a tensor of rank 2"},
    {"axis_stack", axis_stack, LB_E_SHAPE, "stack: axis 3 of 3"},
    {"axis_squeeze", axis_squeeze, LB_E_SHAPE, "squeeze: axis 0 has size 2, expected 1"},
    {"axis_roll", axis_roll, LB_E_SHAPE, "roll: axis 2 of 2"},
    {"axis_normalize", axis_normalize, LB_E_SHAPE, "normalize(x[2,3]): axis 2 of a tensor of rank 2"},
    {"shape_add", shape_add, LB_E_SHAPE, "add(a[2,3], b[2]): the shapes do not broadcast to one"},
    {"shape_select", shape_select, LB_E_SHAPE, "select(cond[2,3], a[2,3], b[2]): the shapes do not broadcast to one"},
    {"shape_expand", shape_expand, LB_E_SHAPE, "expand(x[2,3]): cannot be repeated to [4,3]"},
    {"shape_reshape", shape_reshape, LB_E_SHAPE, "reshape(x[2,3]): cannot become [5]"},
    {"shape_view", shape_view, LB_E_SHAPE, "view(x[3,2]): cannot become [6] without a copy"},
    {"shape_concat", shape_concat, LB_E_SHAPE, "concat(a[2,3], b[3,3]): input 1 does not fit the first beside axis 1"},
    {"shape_matmul", shape_matmul, LB_E_SHAPE, "matmul(a[2,3], b[2,3]): matmul: [2,3] and [2,3] do not go together"},
    {"shape_linear", shape_linear, LB_E_SHAPE, "linear(x[2,3], w[3,3], b[2]): b is [2], expected [M] with M=3"},
    {"shape_scatter", shape_scatter, LB_E_SHAPE, "scatter(x[2,3], index[2,3]:i64, src[1,3]): index and src differ in shape"},
    {"shape_index_add", shape_index_add, LB_E_SHAPE, "index_add(x[2,3], index[2]:i64, src[3,3]): src does not have the shape of x with 2 along axis 0"},
    {"shape_masked_fill", shape_masked_fill, LB_E_SHAPE,
     "masked_fill(x[3], mask[2,3]:i64): expected x of f32 and a mask of it or of i64 that repeats to the shape of x"},
    {"shape_masked_scatter", shape_masked_scatter, LB_E_SHAPE, "masked_scatter(x[2,3], mask[2,3]:i64, src[2]): the mask asks for 3 elements, src has 2"},
    {"shape_conv", shape_conv, LB_E_SHAPE, "conv2d(x[1,2,4,4], w[2,3,3,3]): conv2d: x [1,2,4,4], w [2,3,3,3], groups 1, output 4 x 4 do not go together"},
    {"shape_conv_groups", shape_conv_groups, LB_E_SHAPE,
     "conv2d(x[1,2,4,4], w[2,2,3,3]): conv2d: x [1,2,4,4], w [2,2,3,3], groups 3, output 4 x 4 do not go together"},
    {"shape_conv_small", shape_conv_small, LB_E_SHAPE,
     "conv2d(x[1,2,4,4], w[2,2,5,5]): conv2d: x [1,2,4,4], w [2,2,5,5], groups 1, output -1 x -1 do not go together"},
    {"shape_conv3d", shape_conv3d, LB_E_SHAPE,
     "conv3d(x[1,2,4,4,4], w[2,3,1,1,1]): x [1,2,4,4,4], w [2,3,1,1,1], groups 1, output 4 x 4 x 4 do not go together"},
    {"shape_conv_bias", shape_conv_bias, LB_E_SHAPE, "conv2d(x[1,2,4,4], w[2,2,3,3], b[3]): b is [3], expected [O] with O=2"},
    {"shape_transposed", shape_transposed, LB_E_SHAPE, "conv_transpose2d(x[1,2,4,4], w[3,2,3,3]): w is [3,2,3,3], expected [C,D,kh,kw] with C=2"},
    {"shape_output_padding", shape_output_padding, LB_E_ARG,
     "conv_transpose2d(x[1,2,4,4], w[2,2,3,3]): output padding 2 x 0, expected less than stride or dilation"},
    {"shape_pool", shape_pool, LB_E_SHAPE,
     "max_pool(x[1,2,4,4]): 4 elements along axis 2, padded by 0 and 0, have no place for a window of 5 (paddings are less than a window)"},
    {"shape_pool_padding", shape_pool_padding, LB_E_SHAPE,
     "avg_pool(x[1,2,4,4]): 4 elements along axis 2, padded by 2 and 2, have no place for a window of 2 (paddings are less than a window)"},
    {"far_fold", far_fold, LB_E_SHAPE, "fold(x[1,8,8]): sizes of windows and pictures are to be below 16777216, one is 4611686018427387903"},
    {"shape_unfold", shape_unfold, LB_E_SHAPE, "unfold(x[1,2,4,4]): windows of 5 x 5 do not fit into a picture of 4 x 4 with this padding"},
    {"shape_fold", shape_fold, LB_E_SHAPE, "fold(x[1,8,8]): x is [1,8,8], expected [N, C 4, 9]"},
    {"shape_group_norm", shape_group_norm, LB_E_SHAPE, "group_norm(x[1,2,4,4]): x [1,2,4,4], 3 groups and the numbers of weights do not go together"},
    {"shape_batch_norm", shape_batch_norm, LB_E_SHAPE,
     "batch_norm(x[1,2,4,4], gamma[3], beta[3]): batch_norm: x [1,2,4,4], 3 channels and what is added do not go together"},
    {"shape_layer_norm", shape_layer_norm, LB_E_SHAPE, "layer_norm(x[2,3], gamma[2]): gamma is [2], expected [K] with K=3"},
    {"shape_grid", shape_grid, LB_E_SHAPE,
     "grid_sample(x[1,2,4,4], grid[1,2,4,4]): x is [1,2,4,4], grid [1,2,4,4], expected [N,C,H,W] and [N,I,J,2], or (not cubic) [N,C,D,H,W] and [N,I,J,K,3]"},
    {"shape_grid_cubic", shape_grid_cubic, LB_E_SHAPE,
     "grid_sample(x[1,2,4,4,4], grid[1,1,1,1,3]): x is [1,2,4,4,4], grid [1,1,1,1,3], expected [N,C,H,W] and [N,I,J,2], or (not cubic) [N,C,D,H,W] and "
     "[N,I,J,K,3]"},
    {"shape_boxes", shape_boxes, LB_E_SHAPE,
     "roi_align(x[1,2,4,4], boxes[1,4]): cells 2 x 2, 0 samples, 4 numbers a box: expected positive sizes and boxes of picture, x0, y0, x1, y1"},
    {"shape_heads", shape_heads, LB_E_SHAPE, "attention(q[1,3,2,4], k[1,2,2,4], v[1,2,2,4]): 3 heads of queries are no multiple of 2 heads of keys"},
    {"shape_bias", shape_bias, LB_E_SHAPE, "attention(q[1,2,2,4], k[1,2,3,4], v[1,2,3,4], bias[2]): bias f32 [2] does not go with scores [1,2,2,3]"},
    {"shape_rotary", shape_rotary, LB_E_SHAPE, "rotary(x[1,2,4,4], cos[2,3], sin[2,3]): tables [2,3], expected two [L,P] or [N,L,P] with 2P up to D"},
    {"shape_mse", shape_mse, LB_E_SHAPE, "mse(x[2,3], target[3]): target is [3], expected [...] with ...=[2,3]"},
    {"shape_labels", shape_labels, LB_E_SHAPE, "cross_entropy(logits[2,3], label[2,3]:i64): labels are wanted in the shape of the logits without axis 1"},
    {"shape_class_weights", shape_class_weights, LB_E_SHAPE, "cross_entropy(logits[2,3], label[2]:i64, weight[2]): 2 weights for 3 classes"},
    {"shape_soft", shape_soft, LB_E_SHAPE,
     "soft_cross_entropy(logits[2,3], target[3,3]): the target is wanted in the shape of the logits, weights one for each class"},
    {"shape_divergence", shape_divergence, LB_E_SHAPE, "divergence(student[2,3], teacher[3,3]): the shapes of student and teacher differ"},
    {"shape_info_nce", shape_info_nce, LB_E_SHAPE, "info_nce(a[3,3], b[2,3]): 3 rows against 2: each row wants its own, and both ways as many"},
    {"shape_siglip", shape_siglip, LB_E_SHAPE, "siglip(a[3,3], b[2,3]): 3 rows against 2, pairs are wanted"},
    {"shape_empty_max", shape_empty_max, LB_E_SHAPE, "max(x[2,0]): nothing to choose from along axis 1"},
    {"shape_empty_argmax", shape_empty_argmax, LB_E_SHAPE, "argmax(x[2,0]): nothing to choose from along axis 1"},
    {"shape_empty_mode", shape_empty_mode, LB_E_SHAPE, "mode(x[2,0]): nothing to choose from along the last axis"},
    {"shape_topk", shape_topk, LB_E_SHAPE, "topk(x[2,3]): 4 of 3 elements"},
    {"shape_einsum", shape_einsum, LB_E_SHAPE, "einsum: the shape of operand 2 does not fit 'ij,jk->ik'"},
    {"shape_solve", shape_solve, LB_E_SHAPE, "solve(a[3,3], x[2,3]): x is [2,3], expected [...,N,K] with ...=[] N=3"},
    {"shape_qr", shape_qr, LB_E_SHAPE, "qr(x[2,3]): a matrix of 2 x 3: at least as many rows as columns are wanted"},
    {"shape_depth", shape_depth, LB_E_SHAPE, "depth_to_space(x[1,2,4,4]): x is [1,2,4,4], blocks are 2 x 2: expected channels that are multiples of them"},
    {"shape_scan", shape_scan, LB_E_SHAPE, "ssd(x[1,2,3,2], dt[1,2,3], a[3], b[1,2,2,4], c[1,2,2,4]): 3 heads are no multiple of 2 groups"},
    {"step", step, LB_E_ARG, "slice(x[2,3]): step 0, expected 1 or more"},
    {"step_back", step_back, LB_E_ARG, "slice(x[2,3]): step -1, expected 1 or more"},
    {"pad_reflect", pad_reflect, LB_E_ARG, "pad(x[2,3]): padding 3, 0 of axis 1 with 3 elements"},
    {"pad_negative", pad_negative, LB_E_ARG, "pad(x[2,3]): padding -2, -2 of axis 1 with 3 elements"},
    {"temperature", temperature, LB_E_ARG, "divergence: the temperature is 0, above 0 is wanted"},
    {"temperature_nan", temperature_nan, LB_E_ARG, "divergence: the temperature is nan, above 0 is wanted"},
    {"share", share, LB_E_ARG, "divergence: the share is 1.5, 0 to 1 is wanted"},
    {"delta", delta, LB_E_ARG, "huber: delta is 0, above 0 is wanted"},
    {"beta", beta, LB_E_ARG, "smooth_l1: beta is -1, at least 0 is wanted"},
    {"gamma_below", gamma_below, LB_E_ARG, "focal: gamma is -1, at least 0 is wanted"},
    {"rounds", rounds, LB_E_ARG, "sinkhorn: 0 iterations, at least 1 is wanted"},
    {"centres", centres, LB_E_ARG, "kmeans: 0 iterations, at least 1 is wanted"},
    {"chance", chance, LB_E_ARG, "dropout: probability 1, expected 0 to below 1"},
    {"chance_below", chance_below, LB_E_ARG, "dropout: probability -0.1, expected 0 to below 1"},
    {"neighbours", neighbours, LB_E_ARG, "nearest_rows(x[2,3], y[2,3]): 3 nearest of 2 rows"},
    {"bins", bins, LB_E_ARG, "histogram(x[3]): 3 bins from 1 to 1"},
    {"kinds", kinds, LB_E_ARG, "bincount(ids[2]:i64): -1 kinds"},
    {"bits", bits, LB_E_ARG, "fake_quantise: 1 bits (0 exponent, 0 mantissa), clip 1"},
    {"group", group, LB_E_SHAPE, "fake_quantise(x[2,3]): groups of 2 do not divide rows of 3"},
    {"size", size, LB_E_SHAPE, "resize(x[1,2,4,4]): axis 2 goes from 4 to 0 elements (scale 0.1), expected at least one"},
    {"smooth", smooth, LB_E_ARG, "resize(x[1,2,4,4]): antialias goes with linear and cubic"},
    {"blur", blur, LB_E_ARG, "gaussian_blur(x[1,2,4,4]): window 2 of 4 elements, sigma 1: expected an odd window, half of it less than the axis, sigma > 0"},
    {"norm_power", norm_power, LB_E_ARG, "normalize(x[2,3]): the norm's power is 3, expected 1 or 2"},
    {"power", power, LB_E_ARG, "lp_pool(x[1,2,4,4]): the power is 0, expected a number other than 0"},
    {"local", local, LB_E_SHAPE, "local_response_norm(x[1,2,4,4]): x is [1,2,4,4], the window 0 channels, expected [N,C,...] and at least one"},
    {"width", width, LB_E_ARG, "sinusoid(position[2]:i64): width 3 and base 10000, expected an even width and a base above 0"},
    {"quantile", quantile, LB_E_ARG, "quantile: 1.5, expected 0 to 1"},
    {"letters", letters, LB_E_ARG, "einsum: a letter of the result of 'ij->ijq' stands in no operand"},
    {"tiles", tiles, LB_E_ARG, "tile: -1 times"},
    {"parts", parts, LB_E_ARG, "chunk: 0 parts"},
    {"softcap", softcap, LB_E_ARG,
     "attention(q[1,2,2,4], k[1,2,2,4], v[1,2,2,4]): dropout 0, softcap -1, window 0, prefix 0: expected dropout below 1 and none negative"},
    {"not_positive", not_positive, LB_E_NUMERIC, "cholesky(x[2,2]): matrix 0 is not positive definite"},
    {"singular", singular, LB_E_NUMERIC, "inverse(x[2,2]): matrix 0 is singular"},
    {"singular_solve", singular_solve, LB_E_NUMERIC, "solve(a[3,3], x[3,3]): matrix 0 is singular"},
    {"singular_triangle", singular_triangle, LB_E_NUMERIC, "triangular_solve(t[3,3], x[3,3]): matrix 0 is singular: 0 at 0 on its diagonal"},
    {"nan_matrix", nan_matrix, LB_E_NUMERIC, "eigh(x[2,2]): no eigenvalues of matrix 0: it holds NaN or infinity"},
    {"infinite_matrix", infinite_matrix, LB_E_NUMERIC, "eigh(x[2,2]): no eigenvalues of matrix 0: it holds NaN or infinity"},
    {"infinite_values", infinite_values, LB_E_NUMERIC, "svd(x[2,3]): no singular values of matrix 0: it holds NaN or infinity"},
    {"nan_inverse", nan_inverse, LB_E_NUMERIC, "pinv(x[2,3]): no singular values of matrix 0: it holds NaN or infinity"},
    {"nan_root", nan_root, LB_E_NUMERIC, "sym_power(x[2,2]): no eigenvalues of matrix 0: it holds NaN or infinity"},
    {"nan_values", nan_values, LB_E_NUMERIC, "svd(x[2,2]): no singular values of matrix 0: it holds NaN or infinity"},
    {"nan_cost", nan_cost, LB_E_ARG, "assignment(cost[2,2]): cost[0,0] is nan"},
    {"supply", supply, LB_E_ARG, "transport(cost[2,3], supply[2], demand[3]): supply[0] is -1, at least 0 is wanted"},
};

static lb_tensor *leaf(int rank, const int64_t *shape) {
    lb_tensor *x = NULL;
    if (!CHECK_OK(lb_tensor_new(&x, LB_REAL, rank, shape))) exit(2);
    for (int64_t i = 0; i < lb_numel(x); i++) ((lb_real *)x->data)[i] = (lb_real)(0.25 * (double)(i % 7) + 0.5);
    x->requires_grad = true;
    return x;
}

static lb_tensor *indices(int rank, const int64_t *shape, int64_t value) {
    lb_tensor *x = NULL;
    if (!CHECK_OK(lb_tensor_new(&x, LB_I64, rank, shape))) exit(2);
    for (int64_t i = 0; i < lb_numel(x); i++) ((int64_t *)x->data)[i] = i == 1 ? value : i % 2;
    return x;
}

static void refused(void) {
    enum { LEAVES = 13 };
    lb_tensor *x[LEAVES] = {leaf(2, (int64_t[]){2, 3}), leaf(2, (int64_t[]){2, 3}), leaf(2, (int64_t[]){3, 3}), leaf(1, (int64_t[]){3}), leaf(1, (int64_t[]){2}), leaf(4, (int64_t[]){1, 2, 4, 4}),
                            leaf(4, (int64_t[]){2, 2, 3, 3}), leaf(5, (int64_t[]){1, 2, 4, 4, 4}), indices(1, (int64_t[]){2}, (int64_t)1 << 40), indices(1, (int64_t[]){2}, -1),
                            indices(2, (int64_t[]){2, 3}, (int64_t)1 << 40), indices(1, (int64_t[]){2}, 1), indices(2, (int64_t[]){2, 70}, (int64_t)1 << 40)};
    const given g = {x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7], x[8], x[9], x[10], x[11], x[12]};
    lb_tape *t = NULL;
    lb_rng rng = lb_rng_make(1, 1);
    if (!CHECK_OK(lb_tape_new(&t))) exit(2);
    lb_tape_set_training(t, true, &rng);
    lb_tape_set_mode(t, LB_TAPE_GRAD);
    for (size_t k = 0; k < LB_COUNT(refusals); k++) {
        check_begin("%s", refusals[k].name);
        refusals[k].run(t, &g);
        CHECK_FAILS(lb_tape_status(t), refusals[k].code, refusals[k].part);
        lb_tape_reset(t);
        check_end();
    }
    lb_tape_free(t);
    for (int i = 0; i < LEAVES; i++) lb_tensor_free(x[i]);
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "refused", (check_test[]){{"refused", refused}, {0}});
}
