/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/torch_ops.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- parameters ---- */

static double number(const torch_job *j, const char *name) {
    const char *text = lb_get_text(j->p, name, NULL); /* JSON has no infinities */
    return text ? strtod(text, NULL) : lb_get_real(j->p, name, 0);
}

static int64_t whole(const torch_job *j, const char *name) {
    return lb_get_int(j->p, name, 0);
}

static bool flag(const torch_job *j, const char *name) {
    return lb_get_bool(j->p, name, false);
}

static int axis_of(const torch_job *j) {
    return (int)whole(j, "axis");
}

/* A list, or what stands for it when it is not given. @return its length */
static int wholes(const torch_job *j, const char *name, int64_t *to, int most) {
    const lb_value *list = lb_get(j->p, name);
    int n = list ? (int)list->count : 0;
    for (int i = 0; i < n && i < most; i++) to[i] = list->items[i]->integer;
    return n;
}

static void reals(const torch_job *j, const char *name, double *to, int most) {
    const lb_value *list = lb_get(j->p, name);
    for (int i = 0; list && i < list->count && i < most; i++) to[i] = list->items[i]->kind == LB_V_INT ? (double)list->items[i]->integer : list->items[i]->real;
}

static lb_axes axes_of(const torch_job *j) {
    int64_t at[LB_MAX_RANK] = {0};
    lb_axes axes = {.n = wholes(j, "axes", at, LB_MAX_RANK)};
    for (int i = 0; i < axes.n; i++) axes.at[i] = (int)at[i];
    return axes;
}

static lb_act act_of(const torch_job *j) {
    return (lb_act)whole(j, "act");
}

static lb_reduction reduction_of(const torch_job *j) {
    return (lb_reduction)whole(j, "reduction");
}

/* ---- elements ---- */

static void add_scalar(torch_job *j) { j->y[0] = lb_add_scalar(j->t, j->x[0], number(j, "s")); }
static void scale(torch_job *j) { j->y[0] = lb_scale(j->t, j->x[0], number(j, "s")); }
static void clamp(torch_job *j) { j->y[0] = lb_clamp(j->t, j->x[0], number(j, "min"), number(j, "max")); }
static void hardtanh(torch_job *j) { j->y[0] = lb_hardtanh(j->t, j->x[0], number(j, "min_val"), number(j, "max_val")); }
static void elu(torch_job *j) { j->y[0] = lb_elu(j->t, j->x[0], number(j, "alpha")); }
static void celu(torch_job *j) { j->y[0] = lb_celu(j->t, j->x[0], number(j, "alpha")); }
static void leaky_relu(torch_job *j) { j->y[0] = lb_leaky_relu(j->t, j->x[0], number(j, "negative_slope")); }
static void pow_scalar(torch_job *j) { j->y[0] = lb_pow_scalar(j->t, j->x[0], number(j, "power")); }
static void nan_to_num(torch_job *j) { j->y[0] = lb_nan_to_num(j->t, j->x[0], number(j, "nan"), number(j, "up"), number(j, "down")); }
static void lerp(torch_job *j) { j->y[0] = lb_lerp(j->t, j->x[0], j->x[1], number(j, "weight")); }

/* ---- reductions and running ones ---- */

static void norm(torch_job *j) { j->y[0] = lb_norm(j->t, j->x[0], number(j, "power"), axes_of(j), flag(j, "keep")); }
static void var(torch_job *j) { j->y[0] = lb_var(j->t, j->x[0], axis_of(j), number(j, "correction"), flag(j, "keep")); }
static void var_over(torch_job *j) { j->y[0] = lb_var_over(j->t, j->x[0], axes_of(j), number(j, "correction"), flag(j, "keep")); }
static void deviation(torch_job *j) { j->y[0] = lb_std(j->t, j->x[0], axes_of(j), number(j, "correction"), flag(j, "keep")); }
static void cummax(torch_job *j) { j->y[0] = lb_cummax(j->t, j->x[0], axis_of(j), &j->y[1]); }
static void cummin(torch_job *j) { j->y[0] = lb_cummin(j->t, j->x[0], axis_of(j), &j->y[1]); }
static void normalize(torch_job *j) { j->y[0] = lb_normalize(j->t, j->x[0], number(j, "eps")); }

/* ---- elsewhere ---- */

static void concat(torch_job *j) { j->y[0] = lb_concat(j->t, j->nin, j->x, axis_of(j)); }
static void eye(torch_job *j) { j->y[0] = lb_eye(j->t, whole(j, "n")); }
static void triu(torch_job *j) { j->y[0] = lb_triu(j->t, j->x[0], whole(j, "diagonal")); }
static void tril(torch_job *j) { j->y[0] = lb_tril(j->t, j->x[0], whole(j, "diagonal")); }
static void transpose(torch_job *j) { j->y[0] = lb_transpose(j->t, j->x[0], (int)whole(j, "a"), (int)whole(j, "b")); }
static void slice(torch_job *j) { j->y[0] = lb_slice(j->t, j->x[0], axis_of(j), whole(j, "start"), whole(j, "stop"), whole(j, "step")); }
static void split_heads(torch_job *j) { j->y[0] = lb_split_heads(j->t, j->x[0], whole(j, "heads"), whole(j, "kv_heads"), &j->y[1], &j->y[2]); }
static void alibi(torch_job *j) { j->y[0] = lb_alibi(j->t, whole(j, "heads"), whole(j, "queries"), whole(j, "keys")); }

static void expand(torch_job *j) {
    int64_t shape[LB_MAX_RANK] = {0};
    int rank = wholes(j, "shape", shape, LB_MAX_RANK);
    j->y[0] = lb_expand(j->t, j->x[0], rank, shape);
}

static void reshape(torch_job *j) {
    int64_t shape[LB_MAX_RANK] = {0};
    int rank = wholes(j, "shape", shape, LB_MAX_RANK);
    j->y[0] = lb_reshape(j->t, j->x[0], rank, shape);
}

static void view(torch_job *j) {
    int64_t shape[LB_MAX_RANK] = {0};
    int rank = wholes(j, "shape", shape, LB_MAX_RANK);
    j->y[0] = lb_view(j->t, j->x[0], rank, shape);
}

static void permute(torch_job *j) {
    int64_t given[LB_MAX_RANK] = {0};
    int order[LB_MAX_RANK], n = wholes(j, "order", given, LB_MAX_RANK);
    for (int i = 0; i < n; i++) order[i] = (int)given[i];
    j->y[0] = lb_permute(j->t, j->x[0], order);
}

static void pad(torch_job *j) {
    int64_t before[LB_MAX_RANK] = {0}, after[LB_MAX_RANK] = {0};
    wholes(j, "before", before, LB_MAX_RANK);
    wholes(j, "after", after, LB_MAX_RANK);
    j->y[0] = lb_pad(j->t, j->x[0], before, after, number(j, "value"));
}

static void pad_with(torch_job *j) {
    int64_t before[LB_MAX_RANK] = {0}, after[LB_MAX_RANK] = {0};
    wholes(j, "before", before, LB_MAX_RANK);
    wholes(j, "after", after, LB_MAX_RANK);
    j->y[0] = lb_pad_with(j->t, j->x[0], before, after, (lb_pad_mode)whole(j, "mode"));
}

static void rotary_table(torch_job *j) {
    lb_rotary_spec spec = {.pairs = whole(j, "pairs"), .base = number(j, "base")};
    j->y[0] = lb_rotary_table(j->t, j->x[0], spec, &j->y[1]);
}

static void sinusoid(torch_job *j) { j->y[0] = lb_sinusoid(j->t, j->x[0], whole(j, "width"), number(j, "base"), flag(j, "halves"), flag(j, "closed")); }

/* ---- places, orders, counts ---- */

static void masked_fill(torch_job *j) { j->y[0] = lb_masked_fill(j->t, j->x[0], j->x[1], number(j, "value")); }
static void topk(torch_job *j) { j->y[0] = lb_topk(j->t, j->x[0], whole(j, "k"), &j->y[1]); }
static void smallest(torch_job *j) { j->y[0] = lb_smallest(j->t, j->x[0], whole(j, "k"), &j->y[1]); }
static void sort(torch_job *j) { j->y[0] = lb_sort(j->t, j->x[0], flag(j, "descending")); }
static void argsort(torch_job *j) { j->y[0] = lb_argsort(j->t, j->x[0], flag(j, "descending")); }
static void argmax(torch_job *j) { j->y[0] = lb_argmax(j->t, j->x[0], axis_of(j)); }
static void argmin(torch_job *j) { j->y[0] = lb_argmin(j->t, j->x[0], axis_of(j)); }
static void unique(torch_job *j) { j->y[0] = lb_unique(j->t, j->x[0], &j->y[1], &j->y[2]); }
static void bincount(torch_job *j) { j->y[0] = lb_bincount(j->t, j->x[0], whole(j, "count")); }
static void one_hot(torch_job *j) { j->y[0] = lb_one_hot(j->t, j->x[0], whole(j, "count")); }
static void histogram(torch_job *j) { j->y[0] = lb_histogram(j->t, j->x[0], whole(j, "bins"), number(j, "lo"), number(j, "hi")); }
static void searchsorted(torch_job *j) { j->y[0] = lb_searchsorted(j->t, j->x[0], j->x[1], flag(j, "after")); }
static void segment_max(torch_job *j) { j->y[0] = lb_segment_max(j->t, j->x[0], j->x[1], whole(j, "count")); }

/* ---- layers ---- */

static void matmul(torch_job *j) { j->y[0] = lb_matmul(j->t, j->x[0], j->x[1], flag(j, "trans_a"), flag(j, "trans_b")); }
static void linear(torch_job *j) { j->y[0] = lb_linear(j->t, j->x[0], j->x[1], j->x[2], act_of(j)); }
static void layer_norm(torch_job *j) { j->y[0] = lb_layer_norm(j->t, j->x[0], j->x[1], j->x[2], number(j, "eps")); }
static void channel_affine(torch_job *j) { j->y[0] = lb_channel_affine(j->t, j->x[0], j->x[1], j->x[2], act_of(j)); }
static void batch_norm(torch_job *j) { j->y[0] = lb_batch_norm(j->t, j->x[0], j->x[1], j->x[2], number(j, "eps"), act_of(j), &j->y[1], &j->y[2]); }

static lb_conv3d_spec volume_of(const torch_job *j) {
    lb_conv3d_spec s = {.groups = whole(j, "groups")};
    wholes(j, "stride", s.stride, 3);
    wholes(j, "before", s.before, 3);
    wholes(j, "after", s.after, 3);
    wholes(j, "dilation", s.dilation, 3);
    return s;
}

static lb_conv_spec plane_of(const torch_job *j) {
    lb_conv3d_spec s = volume_of(j);
    return (lb_conv_spec){s.stride[0], s.stride[1], s.before[0], s.after[0], s.before[1], s.after[1], s.dilation[0], s.dilation[1], s.groups};
}

static lb_conv_spec line_of(const torch_job *j) {
    lb_conv3d_spec s = volume_of(j);
    return (lb_conv_spec){1, s.stride[0], 0, 0, s.before[0], s.after[0], 1, s.dilation[0], s.groups};
}

static void conv1d(torch_job *j) { j->y[0] = lb_conv1d(j->t, j->x[0], j->x[1], j->x[2], line_of(j), act_of(j)); }
static void conv2d(torch_job *j) { j->y[0] = lb_conv2d(j->t, j->x[0], j->x[1], j->x[2], plane_of(j), act_of(j)); }
static void inverted_residual(torch_job *j) {
    lb_tensor **x = j->x;
    const lb_inverted_spec s = {{x[1], x[2], x[3]},       {x[4], x[5], x[6]}, {x[7], x[8], NULL}, {x[9], x[10], NULL},
                                {x[11], x[12], x[13]},    plane_of(j),        act_of(j),          (lb_act)whole(j, "inner_act"),
                                (lb_act)whole(j, "gate"), flag(j, "add")};
    j->y[0] = lb_inverted_residual(j->t, x[0], &s);
}

static void conv3d(torch_job *j) { j->y[0] = lb_conv3d(j->t, j->x[0], j->x[1], j->x[2], volume_of(j)); }

static void conv_transpose1d(torch_job *j) {
    int64_t more[3] = {0};
    wholes(j, "more", more, 3);
    j->y[0] = lb_conv_transpose1d(j->t, j->x[0], j->x[1], j->x[2], line_of(j), more[0]);
}

static void conv_transpose2d(torch_job *j) {
    int64_t more[3] = {0};
    wholes(j, "more", more, 3);
    j->y[0] = lb_conv_transpose2d(j->t, j->x[0], j->x[1], j->x[2], plane_of(j), more[0], more[1]);
}

static void conv_transpose3d(torch_job *j) {
    int64_t more[3] = {0};
    wholes(j, "more", more, 3);
    j->y[0] = lb_conv_transpose3d(j->t, j->x[0], j->x[1], j->x[2], volume_of(j), more);
}

static lb_window window_of(const torch_job *j) {
    lb_window w = {.ceil = flag(j, "ceil")};
    wholes(j, "size", w.size, 3);
    wholes(j, "stride", w.stride, 3);
    wholes(j, "pad", w.before, 3);
    wholes(j, "pad", w.after, 3);
    return w;
}

static void avg_pool(torch_job *j) { j->y[0] = lb_avg_pool(j->t, j->x[0], window_of(j), (lb_avg_border)whole(j, "border"), whole(j, "divisor")); }
static void lp_pool(torch_job *j) { j->y[0] = lb_lp_pool(j->t, j->x[0], number(j, "power"), window_of(j)); }

static void adaptive_avg_pool(torch_job *j) {
    int64_t size[3] = {0};
    wholes(j, "size", size, 3);
    j->y[0] = lb_adaptive_avg_pool(j->t, j->x[0], size);
}

static void resize(torch_job *j) {
    lb_resize_spec s = {.mode = (lb_resize_mode)whole(j, "mode"), .coords = (lb_coords)whole(j, "coords"), .nearest = (lb_rounding)whole(j, "nearest"), .antialias = flag(j, "antialias")};
    wholes(j, "size", s.size, 3);
    reals(j, "scale", s.scale, 3);
    j->y[0] = lb_resize(j->t, j->x[0], s);
}

static void resize2d(torch_job *j) {
    int64_t size[2] = {0};
    wholes(j, "size", size, 2);
    j->y[0] = lb_resize2d(j->t, j->x[0], size[0], size[1], (lb_resize_mode)whole(j, "mode"), flag(j, "corners"));
}

static void gaussian_blur(torch_job *j) {
    int64_t size[2] = {0};
    double sigma[2] = {0};
    wholes(j, "size", size, 2);
    reals(j, "sigma", sigma, 2);
    j->y[0] = lb_gaussian_blur(j->t, j->x[0], size[0], size[1], sigma[0], sigma[1]);
}

static lb_attention_spec attention_of(const torch_job *j, lb_tensor *bias, lb_tensor *mask) {
    return (lb_attention_spec){.bias = bias, .mask = mask, .scale = number(j, "scale"), .softcap = number(j, "softcap"), .window = whole(j, "window"), .prefix = whole(j, "prefix"),
                               .shift = whole(j, "shift"), .causal = flag(j, "causal"), .merge = flag(j, "merge")};
}

static void attention(torch_job *j) { j->y[0] = lb_attention(j->t, j->x[0], j->x[1], j->x[2], attention_of(j, j->x[3], j->x[4])); }
static void attention_map(torch_job *j) { j->y[0] = lb_attention_map(j->t, j->x[0], j->x[1], attention_of(j, j->x[2], j->x[3])); }
static void rotary(torch_job *j) { j->y[0] = lb_rotary(j->t, j->x[0], j->x[1], j->x[2], flag(j, "interleaved")); }

/* ---- maxima, patches, norms over channels, reading between elements ---- */

static lb_window dilated_of(const torch_job *j) {
    lb_window w = window_of(j);
    wholes(j, "dilation", w.dilation, 3);
    return w;
}

static void sizes(const torch_job *j, const char *name, int64_t *to) {
    memset(to, 0, 3 * sizeof *to);
    wholes(j, name, to, 3);
}

static void max_pool(torch_job *j) { j->y[0] = lb_max_pool(j->t, j->x[0], dilated_of(j)); }
static void argmax_pool(torch_job *j) { j->y[0] = lb_argmax_pool(j->t, j->x[0], dilated_of(j)); }
static void unfold(torch_job *j) { j->y[0] = lb_unfold(j->t, j->x[0], dilated_of(j)); }
static void depth_to_space(torch_job *j) { j->y[0] = lb_depth_to_space(j->t, j->x[0], whole(j, "block"), (lb_block_order)whole(j, "order")); }
static void space_to_depth(torch_job *j) { j->y[0] = lb_space_to_depth(j->t, j->x[0], whole(j, "block"), (lb_block_order)whole(j, "order")); }
static void group_norm(torch_job *j) { j->y[0] = lb_group_norm(j->t, j->x[0], j->x[1], j->x[2], whole(j, "groups"), number(j, "eps")); }
static void channel_norm(torch_job *j) { j->y[0] = lb_channel_norm(j->t, j->x[0], j->x[1], j->x[2], number(j, "eps")); }
static void instance_norm(torch_job *j) { j->y[0] = lb_instance_norm(j->t, j->x[0], j->x[1], j->x[2], number(j, "eps")); }
static void rms_norm(torch_job *j) { j->y[0] = lb_rms_norm(j->t, j->x[0], j->x[1], number(j, "eps")); }
static void local_response_norm(torch_job *j) { j->y[0] = lb_local_response_norm(j->t, j->x[0], whole(j, "size"), number(j, "alpha"), number(j, "beta"), number(j, "k")); }
static void grid_sample(torch_job *j) { j->y[0] = lb_grid_sample(j->t, j->x[0], j->x[1], (lb_sample)whole(j, "mode"), (lb_border)whole(j, "border"), flag(j, "corners")); }

static void adaptive_max_pool(torch_job *j) {
    int64_t size[3];
    sizes(j, "size", size);
    j->y[0] = lb_adaptive_max_pool(j->t, j->x[0], size);
}

static void adaptive_argmax_pool(torch_job *j) {
    int64_t size[3];
    sizes(j, "size", size);
    j->y[0] = lb_adaptive_argmax_pool(j->t, j->x[0], size);
}

static void max_unpool(torch_job *j) {
    int64_t size[3];
    sizes(j, "size", size);
    j->y[0] = lb_max_unpool(j->t, j->x[0], j->x[1], size);
}

static void fold(torch_job *j) {
    int64_t to[3];
    sizes(j, "to", to);
    j->y[0] = lb_fold(j->t, j->x[0], to[0], to[1], dilated_of(j));
}

static void affine_grid(torch_job *j) {
    int64_t size[3];
    sizes(j, "size", size);
    j->y[0] = lb_affine_grid(j->t, j->x[0], size, flag(j, "corners"));
}

static void roi_align(torch_job *j) {
    int64_t to[3];
    sizes(j, "to", to);
    j->y[0] = lb_roi_align(j->t, j->x[0], j->x[1], to[0], to[1], number(j, "scale"), whole(j, "samples"), flag(j, "aligned"));
}

static void roi_pool(torch_job *j) {
    int64_t to[3];
    sizes(j, "to", to);
    j->y[0] = lb_roi_pool(j->t, j->x[0], j->x[1], to[0], to[1], number(j, "scale"));
}

/* ---- objectives ---- */

static void huber(torch_job *j) { j->y[0] = lb_huber(j->t, j->x[0], j->x[1], number(j, "delta"), reduction_of(j)); }
static void smooth_l1(torch_job *j) { j->y[0] = lb_smooth_l1(j->t, j->x[0], j->x[1], number(j, "beta"), reduction_of(j)); }
static void bce_logits(torch_job *j) { j->y[0] = lb_bce_logits(j->t, j->x[0], j->x[1], j->x[2], reduction_of(j)); }
static void focal(torch_job *j) { j->y[0] = lb_focal(j->t, j->x[0], j->x[1], number(j, "alpha"), number(j, "gamma"), reduction_of(j)); }
static void kl_div(torch_job *j) { j->y[0] = lb_kl_div(j->t, j->x[0], j->x[1], flag(j, "log_target"), reduction_of(j)); }
static void gaussian_nll(torch_job *j) { j->y[0] = lb_gaussian_nll(j->t, j->x[0], j->x[1], j->x[2], number(j, "eps"), flag(j, "full"), reduction_of(j)); }
static void margin_ranking(torch_job *j) { j->y[0] = lb_margin_ranking(j->t, j->x[0], j->x[1], j->x[2], number(j, "margin"), reduction_of(j)); }
static void hinge_embedding(torch_job *j) { j->y[0] = lb_hinge_embedding(j->t, j->x[0], j->x[1], number(j, "margin"), reduction_of(j)); }
static void info_nce(torch_job *j) { j->y[0] = lb_info_nce(j->t, j->x[0], j->x[1], j->x[2], number(j, "temperature"), flag(j, "both")); }
static void siglip(torch_job *j) { j->y[0] = lb_siglip(j->t, j->x[0], j->x[1], j->x[2], j->x[3], number(j, "temperature")); }
static void layer_norm_mse(torch_job *j) { j->y[0] = lb_layer_norm_mse(j->t, j->x[0], j->x[1], number(j, "eps")); }

static void cross_entropy(torch_job *j) {
    j->y[0] = lb_cross_entropy(j->t, j->x[0], j->x[1], j->x[2], axis_of(j), whole(j, "ignore"), number(j, "smoothing"), reduction_of(j));
}

static void soft_cross_entropy(torch_job *j) {
    j->y[0] = lb_soft_cross_entropy(j->t, j->x[0], j->x[1], j->x[2], axis_of(j), number(j, "smoothing"), reduction_of(j));
}

static void divergence(torch_job *j) {
    j->y[0] = lb_divergence(j->t, j->x[0], j->x[1], j->x[2], (lb_divergence_kind)whole(j, "kind"), number(j, "temperature"), number(j, "share"), axis_of(j), reduction_of(j));
}

/* ---- matrices, rows, boxes, recurrences ---- */

static void eigh(torch_job *j) { j->y[0] = lb_eigh(j->t, j->x[0], &j->y[1]); }
static void svd(torch_job *j) { j->y[0] = lb_svd(j->t, j->x[0], &j->y[1], &j->y[2]); }
static void qr(torch_job *j) { j->y[0] = lb_qr(j->t, j->x[0], &j->y[1]); }
static void log_det(torch_job *j) { j->y[0] = lb_log_det(j->t, j->x[0], &j->y[1]); }
static void pinv(torch_job *j) { j->y[0] = lb_pinv(j->t, j->x[0], number(j, "rcond")); }
static void sym_power(torch_job *j) { j->y[0] = lb_sym_power(j->t, j->x[0], number(j, "power"), number(j, "least")); }
static void triangular_solve(torch_job *j) { j->y[0] = lb_triangular_solve(j->t, j->x[0], j->x[1], flag(j, "upper"), flag(j, "transposed")); }
static void pairwise(torch_job *j) { j->y[0] = lb_pairwise(j->t, j->x[0], j->x[1], (lb_distance_kind)whole(j, "kind"), number(j, "least")); }
static void cosine_similarity(torch_job *j) { j->y[0] = lb_cosine_similarity(j->t, j->x[0], j->x[1], number(j, "eps")); }
static void cosine_embedding(torch_job *j) { j->y[0] = lb_cosine_embedding(j->t, j->x[0], j->x[1], j->x[2], number(j, "margin")); }
static void nearest_rows(torch_job *j) { j->y[0] = lb_nearest_rows(j->t, j->x[0], j->x[1], whole(j, "k"), true, NULL); }
static void triplet(torch_job *j) { j->y[0] = lb_triplet(j->t, j->x[0], j->x[1], j->x[2], number(j, "margin"), flag(j, "swap"), reduction_of(j)); }
static void box_iou(torch_job *j) { j->y[0] = lb_box_iou(j->t, j->x[0], j->x[1], (lb_box_kind)whole(j, "kind")); }
static void gru(torch_job *j) { j->y[0] = lb_gru(j->t, j->x[0], j->x[1], j->x[2], j->x[3], flag(j, "reverse"), &j->y[1]); }
static void lstm(torch_job *j) { j->y[0] = lb_lstm(j->t, j->x[0], j->x[1], j->x[2], j->x[3], j->x[4], flag(j, "reverse"), &j->y[1], &j->y[2]); }
static void causal_conv1d(torch_job *j) { j->y[0] = lb_causal_conv1d(j->t, j->x[0], j->x[1], j->x[2], j->x[3], flag(j, "silu"), &j->y[1]); }
static void grouped_linear(torch_job *j) { j->y[0] = lb_grouped_linear(j->t, j->x[0], j->x[1], j->x[2], j->x[3]); }
static void selective_scan(torch_job *j) {
    lb_scan_spec spec = {.d = j->x[5], .z = j->x[6], .bias = j->x[7], .state = j->x[8], .softplus = flag(j, "softplus")};
    j->y[0] = lb_selective_scan(j->t, j->x[0], j->x[1], j->x[2], j->x[3], j->x[4], spec, &j->y[1]);
}
static void ssd(torch_job *j) {
    lb_scan_spec spec = {.d = j->x[5], .bias = j->x[6], .state = j->x[7], .softplus = flag(j, "softplus"), .lo = number(j, "lo"), .hi = number(j, "hi")};
    j->y[0] = lb_ssd(j->t, j->x[0], j->x[1], j->x[2], j->x[3], j->x[4], spec, &j->y[1]);
}

/* ---- all ---- */

/* Sorted by name. */
static const torch_op ops[] = {
    {"abs", .one = lb_abs},
    {"acos", .one = lb_acos},
    {"adaptive_argmax_pool", .run = adaptive_argmax_pool},
    {"adaptive_avg_pool", .run = adaptive_avg_pool},
    {"adaptive_max_pool", .run = adaptive_max_pool},
    {"add", .two = lb_add},
    {"add_scalar", .run = add_scalar},
    {"affine_grid", .run = affine_grid},
    {"alibi", .run = alibi},
    {"all", .over = lb_all},
    {"amax", .over = lb_amax},
    {"amin", .over = lb_amin},
    {"any", .over = lb_any},
    {"argmax", .run = argmax},
    {"argmax_pool", .run = argmax_pool},
    {"argmin", .run = argmin},
    {"argsort", .run = argsort},
    {"asin", .one = lb_asin},
    {"atan", .one = lb_atan},
    {"atan2", .two = lb_atan2},
    {"attention", .run = attention},
    {"attention_map", .run = attention_map},
    {"avg_pool", .run = avg_pool},
    {"batch_norm", .run = batch_norm},
    {"bce", .loss = lb_bce},
    {"bce_logits", .run = bce_logits},
    {"bincount", .run = bincount},
    {"box_iou", .run = box_iou},
    {"causal_conv1d", .run = causal_conv1d},
    {"ceil", .one = lb_ceil},
    {"celu", .run = celu},
    {"channel_affine", .run = channel_affine},
    {"channel_norm", .run = channel_norm},
    {"cholesky", .one = lb_cholesky},
    {"clamp", .run = clamp},
    {"concat", .run = concat},
    {"contiguous", .one = lb_contiguous},
    {"conv1d", .run = conv1d},
    {"conv2d", .run = conv2d},
    {"conv3d", .run = conv3d},
    {"conv_transpose1d", .run = conv_transpose1d},
    {"conv_transpose2d", .run = conv_transpose2d},
    {"conv_transpose3d", .run = conv_transpose3d},
    {"cos", .one = lb_cos},
    {"cosh", .one = lb_cosh},
    {"cosine_embedding", .run = cosine_embedding},
    {"cosine_similarity", .run = cosine_similarity},
    {"count_nonzero", .over = lb_count_nonzero},
    {"cross_entropy", .run = cross_entropy},
    {"cummax", .run = cummax},
    {"cummin", .run = cummin},
    {"cumprod", .at = lb_cumprod},
    {"cumsum", .at = lb_cumsum},
    {"cumsum_reverse", .at = lb_cumsum_reverse},
    {"depth_to_space", .run = depth_to_space},
    {"det", .one = lb_det},
    {"diagonal", .one = lb_diagonal},
    {"div", .two = lb_div},
    {"divergence", .run = divergence},
    {"eigh", .run = eigh},
    {"elu", .run = elu},
    {"embedding", .two = lb_embedding},
    {"eq", .two = lb_eq},
    {"erf", .one = lb_erf},
    {"exp", .one = lb_exp},
    {"expand", .run = expand},
    {"expm1", .one = lb_expm1},
    {"eye", .run = eye},
    {"flip", .at = lb_flip},
    {"floor", .one = lb_floor},
    {"fmod", .two = lb_fmod},
    {"focal", .run = focal},
    {"fold", .run = fold},
    {"gather", .pick = lb_gather},
    {"gaussian_blur", .run = gaussian_blur},
    {"gaussian_kl", .loss = lb_gaussian_kl},
    {"gaussian_nll", .run = gaussian_nll},
    {"ge", .two = lb_ge},
    {"gelu", .one = lb_gelu},
    {"gelu_quick", .one = lb_gelu_quick},
    {"gelu_tanh", .one = lb_gelu_tanh},
    {"grid_sample", .run = grid_sample},
    {"group_norm", .run = group_norm},
    {"grouped_linear", .run = grouped_linear},
    {"gru", .run = gru},
    {"gt", .two = lb_gt},
    {"hardsigmoid", .one = lb_hardsigmoid},
    {"hardswish", .one = lb_hardswish},
    {"hardtanh", .run = hardtanh},
    {"hinge_embedding", .run = hinge_embedding},
    {"histogram", .run = histogram},
    {"huber", .run = huber},
    {"index_add", .put = lb_index_add},
    {"index_select", .two = lb_index_select},
    {"info_nce", .run = info_nce},
    {"instance_norm", .run = instance_norm},
    {"inverse", .one = lb_inverse},
    {"inverted_residual", .run = inverted_residual},
    {"isinf", .one = lb_isinf},
    {"isnan", .one = lb_isnan},
    {"kl_div", .run = kl_div},
    {"l1", .loss = lb_l1},
    {"layer_norm", .run = layer_norm},
    {"layer_norm_mse", .run = layer_norm_mse},
    {"le", .two = lb_le},
    {"leaky_relu", .run = leaky_relu},
    {"lerp", .run = lerp},
    {"linear", .run = linear},
    {"local_response_norm", .run = local_response_norm},
    {"log", .one = lb_log},
    {"log1p", .one = lb_log1p},
    {"log2", .one = lb_log2},
    {"log_cosh", .loss = lb_log_cosh},
    {"log_det", .run = log_det},
    {"log_expm1", .one = lb_log_expm1},
    {"log_sigmoid", .one = lb_log_sigmoid},
    {"log_softmax", .at = lb_log_softmax},
    {"logaddexp", .two = lb_logaddexp},
    {"logcumsumexp", .at = lb_logcumsumexp},
    {"logcumsumexp_reverse", .at = lb_logcumsumexp_reverse},
    {"logical_and", .two = lb_logical_and},
    {"logical_not", .one = lb_logical_not},
    {"logical_or", .two = lb_logical_or},
    {"logical_xor", .two = lb_logical_xor},
    {"logsumexp", .along = lb_logsumexp},
    {"logsumexp_over", .over = lb_logsumexp_over},
    {"lp_pool", .run = lp_pool},
    {"lstm", .run = lstm},
    {"lt", .two = lb_lt},
    {"margin_ranking", .run = margin_ranking},
    {"masked_fill", .run = masked_fill},
    {"masked_scatter", .three = lb_masked_scatter},
    {"matmul", .run = matmul},
    {"max", .along = lb_max},
    {"max_pool", .run = max_pool},
    {"max_unpool", .run = max_unpool},
    {"maximum", .two = lb_maximum},
    {"mean", .along = lb_mean},
    {"mean_all", .one = lb_mean_all},
    {"mean_over", .over = lb_mean_over},
    {"min", .along = lb_min},
    {"minimum", .two = lb_minimum},
    {"mish", .one = lb_mish},
    {"mode", .one = lb_mode},
    {"mse", .loss = lb_mse},
    {"mul", .two = lb_mul},
    {"nan_to_num", .run = nan_to_num},
    {"ne", .two = lb_ne},
    {"nearest_rows", .run = nearest_rows},
    {"neg", .one = lb_neg},
    {"nonzero", .one = lb_nonzero},
    {"norm", .run = norm},
    {"normalize", .run = normalize},
    {"one_hot", .run = one_hot},
    {"pad", .run = pad},
    {"pad_with", .run = pad_with},
    {"pairwise", .run = pairwise},
    {"permute", .run = permute},
    {"pinv", .run = pinv},
    {"pow", .two = lb_pow},
    {"pow_scalar", .run = pow_scalar},
    {"prelu", .two = lb_prelu},
    {"prod", .over = lb_prod},
    {"qr", .run = qr},
    {"reciprocal", .one = lb_reciprocal},
    {"relu", .one = lb_relu},
    {"relu6", .one = lb_relu6},
    {"remainder", .two = lb_remainder},
    {"reshape", .run = reshape},
    {"resize", .run = resize},
    {"resize2d", .run = resize2d},
    {"rkd_angle", .two = lb_rkd_angle},
    {"rkd_distance", .two = lb_rkd_distance},
    {"rms_norm", .run = rms_norm},
    {"roi_align", .run = roi_align},
    {"roi_pool", .run = roi_pool},
    {"rotary", .run = rotary},
    {"rotary_table", .run = rotary_table},
    {"round", .one = lb_round},
    {"rsqrt", .one = lb_rsqrt},
    {"scale", .run = scale},
    {"scatter", .put = lb_scatter},
    {"scatter_add", .put = lb_scatter_add},
    {"searchsorted", .run = searchsorted},
    {"segment_max", .run = segment_max},
    {"select", .three = lb_select},
    {"selective_scan", .run = selective_scan},
    {"selu", .one = lb_selu},
    {"siglip", .run = siglip},
    {"sigmoid", .one = lb_sigmoid},
    {"sign", .one = lb_sign},
    {"silu", .one = lb_silu},
    {"sin", .one = lb_sin},
    {"sinh", .one = lb_sinh},
    {"sinusoid", .run = sinusoid},
    {"slice", .run = slice},
    {"smallest", .run = smallest},
    {"smooth_l1", .run = smooth_l1},
    {"soft_cross_entropy", .run = soft_cross_entropy},
    {"softmax", .at = lb_softmax},
    {"softplus", .one = lb_softplus},
    {"softsign", .one = lb_softsign},
    {"solve", .two = lb_solve},
    {"sort", .run = sort},
    {"space_to_depth", .run = space_to_depth},
    {"split_heads", .run = split_heads},
    {"sqrt", .one = lb_sqrt},
    {"square", .one = lb_square},
    {"ssd", .run = ssd},
    {"std", .run = deviation},
    {"straight_through", .two = lb_straight_through},
    {"sub", .two = lb_sub},
    {"sum", .along = lb_sum},
    {"sum_all", .one = lb_sum_all},
    {"sum_over", .over = lb_sum_over},
    {"svd", .run = svd},
    {"sym_power", .run = sym_power},
    {"take", .pick = lb_take},
    {"tan", .one = lb_tan},
    {"tanh", .one = lb_tanh},
    {"to_real", .one = lb_to_real},
    {"topk", .run = topk},
    {"transpose", .run = transpose},
    {"triangular_solve", .run = triangular_solve},
    {"tril", .run = tril},
    {"triplet", .run = triplet},
    {"triu", .run = triu},
    {"unfold", .run = unfold},
    {"unique", .run = unique},
    {"var", .run = var},
    {"var_over", .run = var_over},
    {"view", .run = view},
};

/* Sorted by name. An op of ops.def that has neither cases nor a line here fails the suite. */
static const struct {
    const char *name, *why;
} left_out[] = {
    {"admit", "places of experts: torch has none; checked through the mixture of experts in tests/data/nn"},
    {"alpha_dropout", "random: tested by its statistics and by central differences"},
    {"dropout", "random: tested by its statistics and by central differences"},
    {"relative_bias", "an embedding of relative_bucket"},
    {"relative_bucket", "torch has none: values of transformers' T5 in tests/data/ops/sequence.json"},
};

const torch_op *torch_find(const char *name) {
    for (size_t k = 0; k < LB_COUNT(ops); k++)
        if (strcmp(ops[k].name, name) == 0) return &ops[k];
    return NULL;
}

const char *torch_left_out(const char *name) {
    for (size_t k = 0; k < LB_COUNT(left_out); k++)
        if (strcmp(left_out[k].name, name) == 0) return left_out[k].why;
    return NULL;
}

void torch_run(const torch_op *op, torch_job *j) {
    lb_tensor **x = j->x, **y = j->y;
    if (op->run) op->run(j);
    else if (op->one) y[0] = op->one(j->t, x[0]);
    else if (op->two) y[0] = op->two(j->t, x[0], x[1]);
    else if (op->three) y[0] = op->three(j->t, x[0], x[1], x[2]);
    else if (op->at) y[0] = op->at(j->t, x[0], axis_of(j));
    else if (op->along) y[0] = op->along(j->t, x[0], axis_of(j), flag(j, "keep"));
    else if (op->over) y[0] = op->over(j->t, x[0], axes_of(j), flag(j, "keep"));
    else if (op->put) y[0] = op->put(j->t, x[0], x[1], x[2], axis_of(j));
    else if (op->pick) y[0] = op->pick(j->t, x[0], x[1], axis_of(j));
    else if (op->loss) y[0] = op->loss(j->t, x[0], x[1], reduction_of(j));
}
