/* SPDX-License-Identifier: Apache-2.0 */
/* The picture encoder. A block's scores are q k^T / sqrt(d) + (q . rh[y - y']) + (q . rw[x - x']): the two terms are written as further numbers of
 * queries (q times all rh, all rw) and keys (which row, which column they stand in), so no matrix of all scores is ever in memory. */
#include "vision/sam.h"
#include <math.h>
#include "nn/attention.h"
#include "nn/conv.h"
#include "nn/swin.h"
#include "tensor/arrange.h"
#include "tensor/derived.h"

static const double channel_eps = 1e-6;

/* rh or rw for every pair of places of an axis: [n,n,d], element (q, k) = table[q - k + n - 1]. */
static lb_tensor *relative(lb_nn *m, const char *name, int64_t trained, int64_t n, int64_t d) {
    lb_tape *t = lb_nn_tape(m);
    lb_tensor *table = lb_nn_param(m, name, 2, (int64_t[]){2 * trained - 1, d}, LB_INIT_ZEROS, 0);
    if (n != trained) { /* PyTorch's linear resizing along the rows */
        table = lb_reshape(t, lb_transpose(t, table, 0, 1), 3, (int64_t[]){1, d, 2 * trained - 1});
        table = lb_resize(t, table, (lb_resize_spec){.size = {2 * n - 1}, .mode = LB_RESIZE_LINEAR});
        table = lb_transpose(t, lb_reshape(t, table, 2, (int64_t[]){d, 2 * n - 1}), 0, 1);
    }
    int64_t *at = lb_alloc((size_t)(n * n) + 1, sizeof *at);
    if (!at) return lb_tape_fail_status(t, LB_E_NOMEM);
    for (int64_t i = 0; i < n * n; i++) at[i] = i / n - i % n + n - 1;
    lb_tensor *index = lb_input(t, LB_I64, 2, (int64_t[]){n, n}, at, LB_I64);
    lb_free(at);
    return lb_embedding(t, table, index);
}

/* Which row and which column each of h w places stands in: [h w, h + w] of ones and zeros. */
static lb_tensor *standing(lb_tape *t, int64_t h, int64_t w) {
    int64_t n = h * w, all = h + w;
    lb_real *x = lb_calloc((size_t)(n * all) + 1, sizeof *x);
    if (!x) return lb_tape_fail_status(t, LB_E_NOMEM);
    for (int64_t i = 0; i < n; i++) x[i * all + i / w] = x[i * all + h + i % w] = 1;
    lb_tensor *y = lb_input(t, LB_REAL, 2, (int64_t[]){n, all}, x, LB_REAL);
    lb_free(x);
    return y;
}

/* x [B,h,w,C]; trained: side of the grid, or window, that relative positions belong to. */
static lb_tensor *attend(lb_nn *m, lb_tensor *x, const lb_sam_encoder *c, int64_t trained) {
    lb_tape *t = lb_nn_tape(m);
    if (!lb_tape_ok(t)) return lb_inert(t);
    int64_t b = x->shape[0], h = x->shape[1], w = x->shape[2], n = h * w, d = c->dim / c->heads;
    lb_tensor *part[3], *qkv = (c->no_qkv_bias ? lb_nn_linear_no_bias : lb_nn_linear)(m, x, "qkv", 3 * c->dim, LB_ACT_NONE);
    qkv = lb_permute(t, lb_reshape(t, qkv, 5, (int64_t[]){b, n, 3, c->heads, d}), (int[]){2, 0, 3, 1, 4});
    lb_unbind(t, qkv, 0, part); /* [B,H,n,d] */
    lb_tensor *q = lb_scale(t, part[0], 1 / sqrt((double)d)), *k = part[1];
    if (!c->no_relative) {
        lb_tensor *grid = lb_reshape(t, part[0], 5, (int64_t[]){b, c->heads, h, w, d});
        lb_tensor *rows = lb_einsum(t, "bnyxc,ykc->bnyxk", 2, (lb_tensor *[]){grid, relative(m, "rel_pos_h", trained, h, d)});
        lb_tensor *columns = lb_einsum(t, "bnyxc,xkc->bnyxk", 2, (lb_tensor *[]){grid, relative(m, "rel_pos_w", trained, w, d)});
        rows = lb_reshape(t, rows, 4, (int64_t[]){b, c->heads, n, h});
        columns = lb_reshape(t, columns, 4, (int64_t[]){b, c->heads, n, w});
        q = lb_concat(t, 3, (lb_tensor *[]){q, rows, columns}, 3);
        k = lb_concat(t, 2, (lb_tensor *[]){k, lb_expand(t, standing(t, h, w), 4, (int64_t[]){b, c->heads, n, h + w})}, 3);
    }
    lb_tensor *y = lb_attention(t, q, k, part[2], (lb_attention_spec){.scale = 1, .merge = true});
    return lb_reshape(t, lb_nn_linear(m, y, "proj", c->dim, LB_ACT_NONE), 4, (int64_t[]){b, h, w, c->dim});
}

/* Attention within windows of the picture, whose sides are filled up with zeros. */
static lb_tensor *attend_windows(lb_nn *m, lb_tensor *x, const lb_sam_encoder *c) {
    lb_tape *t = lb_nn_tape(m);
    if (!lb_tape_ok(t)) return lb_inert(t);
    int64_t h = x->shape[1], w = x->shape[2], s = c->window, more_h = (s - h % s) % s, more_w = (s - w % s) % s;
    if (more_h || more_w) x = lb_pad(t, x, (int64_t[]){0, 0, 0, 0}, (int64_t[]){0, more_h, more_w, 0}, 0);
    x = lb_from_windows(t, attend(m, lb_windows(t, x, s, s), c, s), h + more_h, w + more_w);
    return lb_slice(t, lb_slice(t, x, 1, 0, h, 1), 2, 0, w, 1);
}

static bool listed(const char *list, int64_t number) {
    int64_t all[256], n = lb_numbers(list, all, (int64_t)LB_COUNT(all));
    while (n > 0 && all[n - 1] != number) n--;
    return n > 0;
}

static lb_tensor *block(lb_nn *m, lb_tensor *x, const lb_sam_encoder *c, int i) {
    lb_tape *t = lb_nn_tape(m);
    lb_nn_in(m, "blocks.%d", i);
    lb_tensor *y = lb_nn_layer_norm(m, x, "norm1", c->eps);
    lb_nn_in(m, "attn");
    y = c->window == 0 || listed(c->global, i) ? attend(m, y, c, c->size / c->patch) : attend_windows(m, y, c);
    x = lb_add(t, x, lb_nn_out(m, y));
    y = lb_nn_layer_norm(m, x, "norm2", c->eps);
    lb_nn_in(m, "mlp");
    y = lb_nn_mlp(m, y, &(lb_mlp_spec){.width = c->mlp, .act = lb_act_named(c->act), .up = "lin1", .down = "lin2"});
    x = lb_add(t, x, lb_nn_out(m, y));
    lb_nn_tap(m, x, "block.%d", i);
    return lb_nn_out(m, x);
}

lb_tensor *lb_sam_neck(lb_nn *m, lb_tensor *x, int64_t out) {
    x = lb_nn_channel_norm(m, lb_nn_conv2d(m, x, "neck.0", out, 1, lb_conv_same(1, 0, 1), false), "neck.1", channel_eps);
    return lb_nn_channel_norm(m, lb_nn_conv2d(m, x, "neck.2", out, 3, lb_conv_same(1, 1, 1), false), "neck.3", channel_eps);
}

lb_tensor *lb_sam_encode(lb_nn *m, lb_tensor *image, const lb_sam_encoder *c) {
    lb_tape *t = lb_nn_tape(m);
    if (!lb_tape_ok(t)) return lb_inert(t);
    int64_t side = c->size / c->patch;
    if (side < 1 || c->dim % c->heads || image->rank != 4 || image->shape[2] < c->patch || image->shape[3] < c->patch)
        return lb_tape_fail(t, LB_E_ARG, "sam: size %lld, patch %lld, width %lld, %lld heads and the picture do not go together", (long long)c->size,
                            (long long)c->patch, (long long)c->dim, (long long)c->heads);
    int64_t h = image->shape[2] / c->patch, w = image->shape[3] / c->patch;
    lb_tensor *x = lb_nn_patches(m, image, "patch_embed.proj", c->dim, c->patch, true);
    if (!c->no_positions) {
        lb_tensor *places = lb_nn_param(m, "pos_embed", 4, (int64_t[]){1, side, side, c->dim}, LB_INIT_TRUNC_NORMAL, 0.02);
        places = lb_nn_resize_positions(m, lb_reshape(t, places, 3, (int64_t[]){1, side * side, c->dim}), 0, side, side, h, w, LB_PLACES_CUBIC);
        x = lb_add(t, x, places);
    }
    x = lb_reshape(t, x, 4, (int64_t[]){-1, h, w, c->dim});
    for (int i = 0; i < c->depth; i++) x = block(m, x, c, i);
    return lb_sam_neck(m, lb_permute(t, x, (int[]){0, 3, 1, 2}), c->out);
}
