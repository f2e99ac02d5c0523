/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/swin.h"
#include <math.h>
#include "nn/parts.h"
#include "tensor/arrange.h"

/* i64 [count] made by value(i, context). */
static lb_tensor *table(lb_tape *t, int64_t count, int rank, const int64_t *shape, int64_t (*value)(const int64_t *context, int64_t i), const int64_t *context) {
    int64_t *x = lb_alloc((size_t)count + 1, sizeof *x);
    if (!x) return lb_tape_fail_status(t, LB_E_NOMEM);
    for (int64_t i = 0; i < count; i++) x[i] = value(context, i);
    lb_tensor *y = lb_input(t, LB_I64, rank, shape, x, LB_I64);
    lb_free(x);
    return y;
}

/* Row of the bias table for query i / w^2 and key i % w^2; context: the window's side w. */
static int64_t relative(const int64_t *context, int64_t i) {
    int64_t w = context[0], q = i / (w * w), k = i % (w * w);
    return (q / w - k / w + w - 1) * (2 * w - 1) + q % w - k % w + w - 1;
}

/* Of one axis: which of the parts that the shift brings together place `at` belongs to. */
static int64_t part_of(int64_t at, int64_t size, int64_t w, int64_t shift) { return shift == 0 || at < size - w ? 0 : at < size - shift ? 1 : 2; }

/* Region of place `at` (0..w^2-1) in window i. context: w, height, width, shifts. */
static int64_t region(const int64_t *c, int64_t window, int64_t at) {
    int64_t w = c[0], across = c[2] / w, y = window / across * w + at / w, x = window % across * w + at % w;
    return part_of(y, c[1], w, c[3]) * 3 + part_of(x, c[2], w, c[4]);
}

/* 1 where query and key come from the same region; element i of [windows,1,w^2,w^2]. */
static int64_t together(const int64_t *c, int64_t i) {
    int64_t area = c[0] * c[0];
    return region(c, i / area / area, i / area % area) == region(c, i / area / area, i % area);
}

static lb_tensor *bias_of(lb_nn *m, int64_t w, int64_t heads) {
    lb_tape *t = lb_nn_tape(m);
    int64_t side = 2 * w - 1, area = w * w;
    lb_tensor *weight = lb_nn_param(m, "relative_position_bias_table", 2, (int64_t[]){side * side, heads}, LB_INIT_TRUNC_NORMAL, 0.02);
    lb_tensor *index = table(t, area * area, 2, (int64_t[]){area, area}, relative, &w);
    return lb_permute(t, lb_embedding(t, weight, index), (int[]){2, 0, 1}); /* [heads,area,area] */
}

static lb_tensor *shift(lb_tape *t, lb_tensor *x, int64_t down, int64_t right) { return lb_roll(t, lb_roll(t, x, 1, down), 2, right); }

lb_tensor *lb_nn_window_attention(lb_nn *m, lb_tensor *x, const lb_swin_spec *s) {
    static const lb_attend_names names = {.qkv = "qkv", .out = "proj"};
    lb_tape *t = lb_nn_tape(m);
    int64_t w = s->window;
    if (!lb_tape_ok(t)) return lb_inert(t);
    if (x->rank != 4 || w < 1 || s->shift < 0 || s->shift >= w)
        return lb_tape_fail(t, LB_E_ARG, "windows of %lld shifted by %lld: expected x [N,H,W,C] and a shift below the window", (long long)w,
                            (long long)s->shift);
    int64_t h = x->shape[1], wide = x->shape[2], c = x->shape[3], area = w * w, pad_h = (w - h % w) % w, pad_w = (w - wide % w) % w;
    const int64_t context[] = {w, h + pad_h, wide + pad_w, h + pad_h > w ? s->shift : 0, wide + pad_w > w ? s->shift : 0}, windows = context[1] / w * (context[2] / w);
    bool shifted = context[3] > 0 || context[4] > 0, padded = pad_h || pad_w;
    if (shifted && s->shift_first) x = shift(t, x, -context[3], -context[4]);
    if (padded) x = lb_pad(t, x, (int64_t[]){0, 0, 0, 0}, (int64_t[]){0, pad_h, pad_w, 0}, 0);
    if (shifted && !s->shift_first) x = shift(t, x, -context[3], -context[4]);
    lb_attend_spec a = {.heads = s->heads, .names = &names, .no_bias = s->no_qkv_bias, .bias = bias_of(m, w, s->heads)};
    if (shifted) a.mask = table(t, windows * area * area, 4, (int64_t[]){windows, 1, area, area}, together, context);
    a.map = s->map;
    lb_tensor *y = lb_reshape(t, lb_windows(t, x, w, w), 3, (int64_t[]){-1, area, c});
    y = lb_nn_attend(m, y, NULL, &a);
    if (s->map) *s->map = lb_keep(t, lb_reshape(t, *s->map, 5, (int64_t[]){-1, windows, s->heads, area, area}));
    y = lb_from_windows(t, lb_reshape(t, y, 4, (int64_t[]){-1, w, w, c}), context[1], context[2]);
    if (shifted && !s->shift_first) y = shift(t, y, context[3], context[4]);
    if (padded) y = lb_slice(t, lb_slice(t, y, 1, 0, h, 1), 2, 0, wide, 1);
    return shifted && s->shift_first ? shift(t, y, context[3], context[4]) : y;
}

lb_tensor *lb_nn_swin_block(lb_nn *m, lb_tensor *x, const lb_swin_spec *s) {
    lb_tape *t = lb_nn_tape(m);
    double eps = s->eps > 0 ? s->eps : 1e-5;
    lb_tensor *f = lb_nn_layer_norm(m, x, "norm1", eps);
    lb_nn_in(m, "attn");
    f = lb_nn_out(m, lb_nn_window_attention(m, f, s));
    x = lb_add(t, x, lb_nn_drop_path(m, f, s->drop_path));
    f = lb_nn_layer_norm(m, x, "norm2", eps);
    lb_nn_in(m, "mlp");
    f = lb_nn_out(m, lb_nn_mlp(m, f, &s->mlp));
    return lb_add(t, x, lb_nn_drop_path(m, f, s->drop_path));
}

lb_tensor *lb_nn_patch_merging(lb_nn *m, lb_tensor *x, double eps) {
    lb_tape *t = lb_nn_tape(m);
    lb_tensor *part[4];
    if (!lb_tape_ok(t) || x->rank != 4) return lb_tape_fail(t, LB_E_SHAPE, "patch merging: expected [N,H,W,C]");
    int64_t c = x->shape[3];
    if (x->shape[1] % 2 || x->shape[2] % 2) x = lb_pad(t, x, (int64_t[]){0, 0, 0, 0}, (int64_t[]){0, x->shape[1] % 2, x->shape[2] % 2, 0}, 0);
    /* Order of the published code: (0,0), (1,0), (0,1), (1,1) as (row, column). */
    for (int i = 0; i < 4; i++) part[i] = lb_slice(t, lb_slice(t, x, 1, i % 2, INT64_MAX, 2), 2, i / 2, INT64_MAX, 2);
    return lb_nn_linear_no_bias(m, lb_nn_layer_norm(m, lb_concat(t, 4, part, -1), "norm", eps), "reduction", 2 * c, LB_ACT_NONE);
}

lb_tensor *lb_nn_resize_positions(lb_nn *m, lb_tensor *x, int64_t first, int64_t h, int64_t w, int64_t h2, int64_t w2, lb_places how) {
    lb_tape *t = lb_nn_tape(m);
    int64_t c = lbi_size(x, 0), rows = lbi_size(x, 1);
    if (!lb_tape_ok(t) || (h == h2 && w == w2)) return x;
    if (x->rank < 2 || rows != first + h * w || h2 < 1 || w2 < 1)
        return lb_tape_fail(t, LB_E_SHAPE, "positions: %lld rows, expected %lld and a grid %lldx%lld", (long long)rows, (long long)first, (long long)h,
                            (long long)w);
    lb_tensor *grid = lb_reshape(t, lb_slice(t, x, -2, first, INT64_MAX, 1), 4, (int64_t[]){-1, h, w, c});
    lb_resize_spec spec = {.size = {h2, w2}, .mode = how == LB_PLACES_LINEAR ? LB_RESIZE_LINEAR : LB_RESIZE_CUBIC, .antialias = how == LB_PLACES_SMOOTH};
    if (how == LB_PLACES_OFFSET) {
        spec.scale[0] = ((double)h2 + 0.1) / (double)h;
        spec.scale[1] = ((double)w2 + 0.1) / (double)w;
    }
    grid = lb_resize(t, lb_permute(t, grid, (int[]){0, 3, 1, 2}), spec);
    int64_t shape[LB_MAX_RANK];
    for (int i = 0; i < x->rank; i++) shape[i] = x->shape[i];
    shape[x->rank - 2] = h2 * w2;
    grid = lb_reshape(t, lb_permute(t, grid, (int[]){0, 2, 3, 1}), x->rank, shape);
    return first > 0 ? lb_concat(t, 2, (lb_tensor *[]){lb_slice(t, x, -2, 0, first, 1), grid}, -2) : grid;
}
