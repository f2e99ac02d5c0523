/* SPDX-License-Identifier: Apache-2.0 */
/* A student's rows of similarities follow its teacher's: KL(softmax(Z_a Z_b^T / T_t) || softmax(S_a S_b^T / T_s)) per row of a over the columns
 * of b, mean over rows (SEED, Fang et al., arXiv:2101.04731, eq. (4)-(6); CLIP-KD, Yang et al., arXiv:2307.12732, eq. (4) for pictures against texts).
 * a and b may be any two sets, such as pictures and texts whose pairing is not known. Vectors are L2-normalised here; the teacher is constant. */
#include "distill/method.h"

typedef struct options {
    double temperature, teacher_temperature;
    bool both_ways;
} options;

static const lb_param params[] = {
    LB_PARAM(options, temperature, 0.07, LB_ABOVE_0, LB_NO_MAX, "1", "divides the student's cosines"),
    LB_PARAM(options, teacher_temperature, 0.07, LB_ABOVE_0, LB_NO_MAX, "1", "divides the teacher's cosines"),
    LB_PARAM_FLAG(options, both_ways, 1, "rows of a over b and rows of b over a, halved"),
    LB_PARAM_END};

static lb_tensor *scores(lb_tape *t, lb_tensor *a, lb_tensor *b, double temperature) {
    lb_tensor *cosines = lb_matmul(t, lb_normalize(t, a, 1e-12), lb_normalize(t, b, 1e-12), false, true);
    return lb_scale(t, cosines, 1 / temperature);
}

static lb_tensor *one_way(lb_tape *t, const options *o, lb_tensor *const *in, int a, int b) {
    lb_tensor *p = lb_detach(t, scores(t, lb_detach(t, in[2 + a]), lb_detach(t, in[2 + b]), o->teacher_temperature));
    return lb_divergence(t, scores(t, in[a], in[b], o->temperature), p, NULL, LB_KL_FORWARD, 1, 0, -1, LB_MEAN);
}

static void rows(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    static const char *const names[] = {"student_a", "student_b", "teacher_a", "teacher_b"};
    const options *o = cfg;
    for (int i = 0; i < 4; i++)
        if (!lb_check(t, lb_numel(a->in[i]) > 0, "%s is empty", names[i]) || !lb_check_finite(t, a->in[i], names[i])) return;
    lb_tensor *loss = one_way(t, o, a->in, 0, 1);
    if (o->both_ways) loss = lb_scale(t, lb_add(t, loss, one_way(t, o, a->in, 1, 0)), 0.5);
    lb_out(out, 0, loss);
}

static const lb_component components[] = {
    {.name = "rows", .run = rows, .sig = "student_a[N,D] student_b[M,D] teacher_a[N,E] teacher_b[M,E] -> loss[]", .constant = "teacher_a teacher_b", .text = "KL of similarity rows"},
    LB_COMPONENT_END};

LB_METHOD(similarity) = {.id = "similarity",
                         .title = "rows of similarities follow the teacher's, over unpaired sets too",
                         .source = "arXiv:2101.04731, eq. (4)-(6); arXiv:2307.12732, eq. (4)",
                         .params = params,
                         .params_size = sizeof(options),
                         .group = "relation contrastive",
                         .needs = "student:image_embed student:text_embed teacher:image_embed teacher:text_embed",
                         .components = components,
                         .verified = LB_VERIFIED_EQUATIONS};
