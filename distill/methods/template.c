/* SPDX-License-Identifier: Apache-2.0 */
/* To copy: cp template.c mine.c, METHOD(mine) in distill/methods.def, `limbeck describe methods mine`.
 * Head comment of a method: title, authors, year, paper; the equations that are implemented; deviations from the paper, and why; the code that was
 * consulted, with its licence. This one: attention transfer, Zagoruyko and Komodakis, arXiv:1612.03928, eq. (2):
 *   loss = beta / 2 * mean over images || Q_s / ||Q_s|| - Q_t / ||Q_t|| ||^2, Q the sum over channels of |F|^power, flattened. */
#include "distill/method.h"

typedef struct options {
    double beta, power;
} options;

static const lb_param params[] = {
    LB_PARAM(options, beta, 1000, 0, LB_NO_MAX, "1", "weight of the term"),
    LB_PARAM(options, power, 2, LB_ABOVE_0, LB_NO_MAX, "1", "p of the map of absolute values"),
    LB_PARAM_END};

static lb_tensor *attention_map(lb_tape *t, lb_tensor *x, double power) {
    lb_tensor *q = lb_sum(t, lb_pow_scalar(t, lb_abs(t, x), power), 1, false);
    return lb_normalize(t, lb_reshape(t, q, 2, (int64_t[]){x->shape[0], -1}), 1e-12);
}

static void loss(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    lb_tensor *student = a->in[0], *teacher = a->in[1];
    if (!lb_check(t, lb_numel(student) > 0, "student is empty") || !lb_check_finite(t, student, "student") || !lb_check_finite(t, teacher, "teacher")) return;
    lb_tensor *difference = lb_sub(t, attention_map(t, student, o->power), lb_detach(t, attention_map(t, teacher, o->power)));
    lb_out(out, 0, lb_scale(t, lb_sum_all(t, lb_square(t, difference)), o->beta / (2.0 * (double)student->shape[0])));
}

/* The signature is checked at every call: the same letter is the same size. */
static const lb_component components[] = {
    {.name = "loss", .run = loss, .sig = "student[N,C,H,W] teacher[N,D,H,W] -> loss[]", .constant = "teacher", .text = "eq. (2)"},
    LB_COMPONENT_END};

LB_METHOD(template) = {.id = "template",
                       .title = "attention maps of a layer follow the teacher's",
                       .source = "Paying More Attention to Attention, arXiv:1612.03928",
                       .params = params,
                       .params_size = sizeof(options),
                       .group = "feature",
                       .needs = "student:features teacher:features",
                       .components = components,
                       .verified = LB_VERIFIED_EQUATIONS};
