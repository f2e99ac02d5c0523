/* SPDX-License-Identifier: Apache-2.0 */
/* A student's vector pulled to its teacher's: squared error (FitNets, Romero et al., arXiv:1412.6550, eq. (3)), cosine, smooth L1. The teacher is
 * constant; widths must agree (the trainer puts a linear map between when they do not). */
#include "distill/method.h"

static bool check(lb_tape *t, const lb_args *a) {
    return lb_check(t, lb_numel(a->in[0]) > 0, "student is empty") && lb_check_finite(t, a->in[0], "student") && lb_check_finite(t, a->in[1], "teacher");
}

static void cosine(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    (void)cfg;
    if (!check(t, a)) return;
    lb_tensor *s = lb_normalize(t, a->in[0], 1e-12), *z = lb_normalize(t, lb_detach(t, a->in[1]), 1e-12);
    lb_out(out, 0, lb_add_scalar(t, lb_neg(t, lb_mean_all(t, lb_sum(t, lb_mul(t, s, z), -1, false))), 1));
}

static void mse(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    (void)cfg;
    if (!check(t, a)) return;
    lb_out(out, 0, lb_mse(t, a->in[0], lb_detach(t, a->in[1]), LB_MEAN));
}

static void smooth_l1(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    (void)cfg;
    if (!check(t, a)) return;
    lb_out(out, 0, lb_smooth_l1(t, a->in[0], lb_detach(t, a->in[1]), 1, LB_MEAN));
}

#define BOTH "student[N,D] teacher[N,D] -> loss[]"
static const lb_component components[] = {
    {.name = "cosine", .run = cosine, .sig = BOTH, .constant = "teacher", .text = "1 - mean cosine"},
    {.name = "mse", .run = mse, .sig = BOTH, .constant = "teacher", .text = "mean squared error over all elements"},
    {.name = "smooth_l1", .run = smooth_l1, .sig = BOTH, .constant = "teacher", .text = "Huber with delta 1, mean over all elements"},
    LB_COMPONENT_END};

LB_METHOD(embed) = {.id = "embed",
                    .title = "a student's vector pulled to its teacher's",
                    .source = "arXiv:1412.6550, eq. (3); cosine and Huber forms",
                    .group = "feature",
                    .needs = "student:vector teacher:vector",
                    .components = components,
                    .verified = LB_VERIFIED_EQUATIONS};
