/* SPDX-License-Identifier: Apache-2.0 */
/* The reverse of unfold: y[n,c, i sh + u dh - pt, j sw + v dw - pl] = sum of x[n, (c kh + u) kw + v, i X + j] over all that land there. dx = unfold(g). */
#include "tensor/patches.h"

typedef struct options {
    lb_window window;
    int64_t h, w;
} options;

static lbi_conv plan_of(const lb_call *c) {
    const options *o = c->params;
    int64_t each = o->window.size[0] * o->window.size[1];
    return lbi_patches_of(&o->window, each > 0 ? c->in[0]->shape[1] / each : 0, o->h, o->w);
}

static bool shape(lb_call *c) {
    const lb_tensor *x = c->in[0];
    const options *o = c->params;
    char text[96];
    if (!lbi_patches_small(c, &o->window, o->h, o->w)) return false;
    lbi_conv p = plan_of(c);
    if (!lbi_patches_fit(c, &p)) return false;
    if (p.c * p.kh * p.kw != x->shape[1] || p.y * p.x != x->shape[2]) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "x is %s, expected [N, C %lld, %lld]", lb_shape_text(text, sizeof text, 3, x->shape), (long long)(p.kh * p.kw), (long long)(p.y * p.x));
        return false;
    }
    c->out[0]->rank = 4;
    c->out[0]->shape[0] = x->shape[0];
    c->out[0]->shape[1] = p.c;
    c->out[0]->shape[2] = p.h;
    c->out[0]->shape[3] = p.w;
    return true;
}

static void forward(lb_call *c) {
    lbi_conv p = plan_of(c);
    lbi_from_columns(&p, c->in[0]->shape[0], lb_r(c->in[0]), lb_r(c->out[0]), true);
}

static void backward(lb_call *c) {
    lbi_conv p = plan_of(c);
    int64_t n = lb_numel(c->in[0]);
    if (!c->gin[0] || !c->gout[0]) return;
    lb_tensor made = *c->gin[0];
    if (!c->fresh[0] && !(made.data = lb_scratch(c, (size_t)(n + 1) * sizeof(lb_real)))) return;
    lbi_to_columns(&p, c->in[0]->shape[0], lb_r(c->gout[0]), lb_r(&made));
    if (!c->fresh[0]) lbi_add_flat(c->gin[0], &made, false);
}

static void reference(lb_call *c) {
    const lb_tensor *x = c->in[0], *y = c->out[0];
    lbi_conv p = plan_of(c);
    lbi_fill(c->out[0], 0);
    for (int64_t i = 0, n = lb_numel(x); i < n; i++) {
        int64_t at = i % x->shape[2], k = i / x->shape[2] % x->shape[1], picture = i / (x->shape[2] * x->shape[1]);
        int64_t row = at / p.x * p.sh + k / p.kw % p.kh * p.dh - p.pt, column = at % p.x * p.sw + k % p.kw * p.dw - p.pl;
        if (row >= 0 && row < p.h && column >= 0 && column < p.w) lb_r(y)[((picture * p.c + k / (p.kh * p.kw)) * p.h + row) * p.w + column] += lb_r(x)[i];
    }
}

static const options plain = {{.size = {2, 3}, .stride = {2, 1}}, 4, 5}, padded = {{.size = {3, 2}, .stride = {1, 2}, .before = {1, 0}, .after = {1, 1}, .dilation = {1, 2}}, 4, 5};
static const lb_op_case cases[] = {
    {.name = "2x3", .rank = {3}, .shape = {{2, 12, 6}}, .params = &plain},
    {.name = "padded, dilated", .rank = {3}, .shape = {{1, 12, 8}}, .params = &padded},
    {.name = "no pictures", .rank = {3}, .shape = {{0, 12, 6}}, .params = &plain},
};

LB_OP(fold) = {.id = "fold",
               .title = "columns added back into pictures",
               .source = "torch.nn.functional.fold",
               .sig = "x[N,K,L] -> y",
               .math = "y = sum of the window elements that land there",
               .flags = LB_OP_SETS,
               .shape = shape,
               .params_size = sizeof(options),
               .forward = forward,
               .backward = backward,
               .reference = reference,
               .cases = cases,
               .case_count = LB_COUNT(cases)};

lb_tensor *lb_fold(lb_tape *t, lb_tensor *x, int64_t h, int64_t w, lb_window window) {
    options o = {window, h, w};
    return lb_apply(t, &lb_op_fold, &o, sizeof o, 1, &x);
}
