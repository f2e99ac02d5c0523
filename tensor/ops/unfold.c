/* SPDX-License-Identifier: Apache-2.0 */
/* y[n, (c kh + u) kw + v, i X + j] = x[n,c, i sh + u dh - pt, j sw + v dw - pl], 0 outside: every window of a picture as a column. dx adds columns back. */
#include "tensor/patches.h"

static bool shape(lb_call *c) {
    const lb_tensor *x = c->in[0];
    if (!lbi_patches_small(c, c->params, x->shape[2], x->shape[3])) return false;
    lbi_conv p = lbi_patches_of(c->params, x->shape[1], x->shape[2], x->shape[3]);
    if (!lbi_patches_fit(c, &p)) return false;
    c->out[0]->rank = 3;
    c->out[0]->shape[0] = x->shape[0];
    c->out[0]->shape[1] = x->shape[1] * p.kh * p.kw;
    c->out[0]->shape[2] = p.y * p.x;
    return true;
}

static void forward(lb_call *c) {
    const lb_tensor *x = c->in[0];
    lbi_conv p = lbi_patches_of(c->params, x->shape[1], x->shape[2], x->shape[3]);
    lbi_to_columns(&p, x->shape[0], lb_r(x), lb_r(c->out[0]));
}

static void backward(lb_call *c) {
    const lb_tensor *x = c->in[0];
    lbi_conv p = lbi_patches_of(c->params, x->shape[1], x->shape[2], x->shape[3]);
    if (c->gin[0] && c->gout[0]) lbi_from_columns(&p, x->shape[0], lb_r(c->gout[0]), lb_r(c->gin[0]), c->fresh[0]);
}

static void reference(lb_call *c) {
    const lb_tensor *x = c->in[0], *y = c->out[0];
    lbi_conv p = lbi_patches_of(c->params, x->shape[1], x->shape[2], x->shape[3]);
    for (int64_t i = 0, n = lb_numel(y); i < n; i++) {
        int64_t at = i % y->shape[2], k = i / y->shape[2] % y->shape[1], picture = i / (y->shape[2] * y->shape[1]);
        int64_t row = at / p.x * p.sh + k / p.kw % p.kh * p.dh - p.pt, column = at % p.x * p.sw + k % p.kw * p.dw - p.pl;
        bool in = row >= 0 && row < p.h && column >= 0 && column < p.w;
        lb_r(y)[i] = in ? lb_r(x)[((picture * p.c + k / (p.kh * p.kw)) * p.h + row) * p.w + column] : 0;
    }
}

static const lb_window plain = {.size = {2, 3}, .stride = {2, 1}}, padded = {.size = {3, 2}, .stride = {1, 2}, .before = {1, 0}, .after = {2, 1}, .dilation = {1, 2}};
static const lb_op_case cases[] = {
    {.name = "2x3", .rank = {4}, .shape = {{2, 2, 4, 5}}, .params = &plain},
    {.name = "padded, dilated", .rank = {4}, .shape = {{1, 3, 4, 5}}, .params = &padded},
    {.name = "no pictures", .rank = {4}, .shape = {{0, 2, 4, 5}}, .params = &plain},
    {.name = "large", .rank = {4}, .shape = {{2, 3, 41, 43}}, .params = &padded},
};

LB_OP(unfold) = {.id = "unfold",
                 .title = "windows of pictures as columns",
                 .source = "torch.nn.functional.unfold",
                 .sig = "x[N,C,H,W] -> y",
                 .math = "y[n, window element, window] = x",
                 .flags = LB_OP_SETS,
                 .shape = shape,
                 .params_size = sizeof(lb_window),
                 .forward = forward,
                 .backward = backward,
                 .reference = reference,
                 .cases = cases,
                 .case_count = LB_COUNT(cases)};

lb_tensor *lb_unfold(lb_tape *t, lb_tensor *x, lb_window window) { return lb_apply(t, &lb_op_unfold, &window, sizeof window, 1, &x); }
