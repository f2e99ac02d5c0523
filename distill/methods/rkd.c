/* SPDX-License-Identifier: Apache-2.0 */
/* Relational Knowledge Distillation. Park, Kim, Lu, Cho, 2019, arXiv:1904.05068.
 * distance, eq. (5)-(7): Huber of distances, each divided by its mean over pairs with positive distance.
 * angle, eq. (8)-(9): Huber of cosines <e_ij, e_kj> over all triples, e_ij = (x_i - x_j) / ||x_i - x_j||.
 * As in lenscas/RKD: means over all N x N and N x N x N entries (zeros of the diagonals included), squared distances clamped at 1e-12. */
#include "distill/method.h"

typedef struct options {
    double weight_distance, weight_angle;
} options;

static const lb_param params[] = {
    LB_PARAM(options, weight_distance, 1, 0, LB_NO_MAX, "1", "objective: weight of distances"),
    LB_PARAM(options, weight_angle, 2, 0, LB_NO_MAX, "1", "objective: weight of angles"),
    LB_PARAM_END};

static bool check(lb_tape *t, const lb_args *a) {
    return lb_check(t, a->in[0]->shape[0] >= 2, "relations want at least 2 rows, student has %lld", (long long)a->in[0]->shape[0]) &&
           lb_check_finite(t, a->in[0], "student") && lb_check_finite(t, a->in[1], "teacher");
}

static void distance(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    (void)cfg;
    if (check(t, a)) lb_out(out, 0, lb_rkd_distance(t, a->in[0], lb_detach(t, a->in[1])));
}

static void angle(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    (void)cfg;
    if (check(t, a)) lb_out(out, 0, lb_rkd_angle(t, a->in[0], lb_detach(t, a->in[1])));
}

static void objective(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    if (!check(t, a)) return;
    lb_tensor *d = lb_rkd_distance(t, a->in[0], lb_detach(t, a->in[1])), *g = lb_rkd_angle(t, a->in[0], lb_detach(t, a->in[1]));
    lb_out(out, 0, lb_add(t, lb_scale(t, d, o->weight_distance), lb_scale(t, g, o->weight_angle)));
    lb_out(out, 1, lb_detach(t, d));
    lb_out(out, 2, lb_detach(t, g));
}

#define BOTH "student[N,D] teacher[N,E] -> loss[]"
static const lb_component components[] = {
    {.name = "objective", .run = objective, .sig = BOTH " distance_loss[] angle_loss[]", .constant = "teacher", .values = "distance_loss angle_loss", .text = "eq. (10): both, weighted"},
    {.name = "distance", .run = distance, .sig = BOTH, .constant = "teacher", .text = "eq. (5)-(7)"},
    {.name = "angle", .run = angle, .sig = BOTH, .constant = "teacher", .text = "eq. (8)-(9)"},
    LB_COMPONENT_END};

LB_METHOD(rkd) = {.id = "rkd",
                  .title = "relations of a batch: distances and angles",
                  .source = "Relational Knowledge Distillation, arXiv:1904.05068",
                  .params = params,
                  .params_size = sizeof(options),
                  .group = "relation",
                  .needs = "student:vector teacher:vector",
                  .components = components,
                  .verified = LB_VERIFIED_EQUATIONS};
