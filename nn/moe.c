/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/moe.h"
#include <math.h>
#include "nn/parts.h"
#include "tensor/arrange.h"
#include "tensor/derived.h"

static lb_tensor *noisy(lb_nn *m, lb_tensor *x, lb_tensor *logits, const lb_moe_spec *s) {
    lb_tape *t = lb_nn_tape(m);
    lb_tensor *w = lb_nn_param(m, "w_noise.weight", 2, (int64_t[]){s->experts, lbi_size(x, 0)}, LB_INIT_ZEROS, 0);
    return lb_add(t, logits, lb_mul(t, s->noise, lb_softplus(t, lb_linear(t, x, w, NULL, LB_ACT_NONE))));
}

void lb_nn_route(lb_nn *m, lb_tensor *x, const lb_moe_spec *s, lb_moe_out *out) {
    lb_tape *t = lb_nn_tape(m);
    lb_tensor *none = lb_inert(t), *index = NULL;
    *out = (lb_moe_out){none, none, none, none, none};
    if (lb_tape_ok(t) && (x->rank != 2 || s->experts < 1 || s->top < 1 || s->top > s->experts)) {
        lb_tape_fail(t, LB_E_ARG, "mixture of experts: %lld of %lld experts for x of rank %d, expected rank 2", (long long)s->top, (long long)s->experts, x->rank);
        return;
    }
    out->logits = lb_nn_linear_no_bias(m, x, "gate", s->experts, LB_ACT_NONE);
    lb_tensor *p = lb_softmax(t, s->noise ? noisy(m, x, out->logits, s) : out->logits, -1);
    out->weight = lb_topk(t, p, s->top, &index);
    if (s->renormalise) out->weight = lb_div(t, out->weight, lb_sum(t, out->weight, -1, true));
    lb_tensor *share = lb_mean(t, lb_sum(t, lb_one_hot(t, index, s->experts), 1, false), 0, false);
    out->balance = lb_scale(t, lb_sum_all(t, lb_mul(t, share, lb_mean(t, p, 0, false))), (double)s->experts);
    out->z_loss = lb_mean_all(t, lb_square(t, lb_logsumexp(t, out->logits, -1, false)));
    if (s->capacity > 0 && lb_tape_ok(t)) index = lb_admit(t, index, s->experts, (int64_t)ceil(s->capacity * (double)(x->shape[0] * s->top) / (double)s->experts));
    out->index = index;
}

/* Rows x [R,C] each through the expert of its id. */
static lb_tensor *experts(lb_nn *m, lb_tensor *x, lb_tensor *id, const lb_moe_spec *s) {
    lb_tape *t = lb_nn_tape(m);
    int64_t c = lbi_size(x, 0), e = s->experts, w = s->width, rows = s->gated ? 2 * w : w;
    lb_nn_in(m, "experts");
    lb_tensor *up = lb_nn_param(m, s->gated ? "gate_up_proj" : "up_proj", 3, (int64_t[]){e, rows, c}, LB_INIT_UNIFORM, 1 / sqrt((double)(c > 0 ? c : 1)));
    lb_tensor *up_bias = s->bias ? lb_nn_param(m, s->gated ? "gate_up_proj_bias" : "up_proj_bias", 2, (int64_t[]){e, rows}, LB_INIT_ZEROS, 0) : NULL;
    lb_tensor *down = lb_nn_param(m, "down_proj", 3, (int64_t[]){e, c, w}, LB_INIT_UNIFORM, 1 / sqrt((double)(w > 0 ? w : 1)));
    lb_tensor *down_bias = s->bias ? lb_nn_param(m, "down_proj_bias", 2, (int64_t[]){e, c}, LB_INIT_ZEROS, 0) : NULL;
    lb_tensor *h = lb_grouped_linear(t, x, id, up, up_bias), *half[2];
    if (s->gated) {
        lb_chunk(t, h, -1, 2, half);
        h = lb_mul(t, lb_activate(t, half[0], s->act), half[1]);
    } else h = lb_activate(t, h, s->act);
    return lb_nn_out(m, lb_grouped_linear(t, h, id, down, down_bias));
}

static lb_tensor *shared(lb_nn *m, lb_tensor *x, const lb_moe_spec *s) {
    lb_nn_in(m, "shared_expert");
    lb_tensor *y = lb_nn_out(m, lb_nn_mlp(m, x,
                                          &(lb_mlp_spec){.width = s->shared,
                                                         .act = s->act,
                                                         .gated = s->gated,
                                                         .no_bias = !s->bias,
                                                         .up = "up_proj",
                                                         .gate = s->gated ? "gate_proj" : NULL,
                                                         .down = "down_proj"}));
    return s->shared_gate ? lb_mul(lb_nn_tape(m), y, lb_nn_linear_no_bias(m, x, "shared_expert_gate", 1, LB_ACT_SIGMOID)) : y;
}

lb_tensor *lb_nn_moe(lb_nn *m, lb_tensor *x, const lb_moe_spec *s, lb_moe_out *out) {
    lb_tape *t = lb_nn_tape(m);
    lb_moe_out route;
    if (!lb_tape_ok(t)) return lb_inert(t);
    lb_tensor *rows = lb_reshape(t, x, 2, (int64_t[]){-1, lbi_size(x, 0)});
    lb_nn_route(m, rows, s, &route);
    if (out) *out = route;
    if (!lb_tape_ok(t)) return lb_inert(t);
    int64_t n = rows->shape[0], k = s->top, c = rows->shape[1];
    lb_tensor *repeated = k == 1 ? rows : lb_repeat_each(t, rows, 0, k);
    lb_tensor *y = experts(m, repeated, lb_reshape(t, route.index, 1, (int64_t[]){n * k}), s);
    y = lb_mul(t, lb_reshape(t, y, 3, (int64_t[]){n, k, c}), lb_unsqueeze(t, route.weight, -1));
    y = lb_sum(t, y, 1, false);
    if (s->shared > 0) y = lb_add(t, y, shared(m, rows, s));
    return lb_reshape(t, y, x->rank, x->shape);
}

lb_tensor *lb_nn_soft_moe(lb_nn *m, lb_tensor *x, int64_t count, int64_t slots, int64_t width, lb_act act) {
    lb_tape *t = lb_nn_tape(m);
    int64_t c = lbi_size(x, 0);
    lb_tensor *logits = lb_matmul(t, x, lb_nn_param(m, "phi", 2, (int64_t[]){c, count * slots}, LB_INIT_NORMAL, 1 / sqrt((double)(c > 0 ? c : 1))), false, false); /* [N,L,E S] */
    lb_tensor *in = lb_matmul(t, lb_softmax(t, logits, 1), x, true, false);
    if (!lb_tape_ok(t)) return lb_inert(t);
    const int64_t n = x->shape[0], apart[] = {n, count, slots, c};
    lb_nn_in(m, "experts");
    lb_tensor *up = lb_nn_param(m, "up_proj", 3, (int64_t[]){count, width, c}, LB_INIT_UNIFORM, 1 / sqrt((double)c)),
              *ub = lb_nn_param(m, "up_proj_bias", 2, (int64_t[]){count, width}, LB_INIT_ZEROS, 0);
    lb_tensor *down = lb_nn_param(m, "down_proj", 3, (int64_t[]){count, c, width}, LB_INIT_UNIFORM, 1 / sqrt((double)width)),
              *db = lb_nn_param(m, "down_proj_bias", 2, (int64_t[]){count, c}, LB_INIT_ZEROS, 0);
    lb_tensor *h = lb_activate(t, lb_add(t, lb_matmul(t, lb_reshape(t, in, 4, apart), up, false, true), lb_unsqueeze(t, ub, 1)), act);
    lb_tensor *y = lb_nn_out(m, lb_add(t, lb_matmul(t, h, down, false, true), lb_unsqueeze(t, db, 1)));
    return lb_matmul(t, lb_softmax(t, logits, -1), lb_reshape(t, y, 3, (int64_t[]){n, count * slots, c}), false, false);
}
