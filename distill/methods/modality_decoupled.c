/* SPDX-License-Identifier: Apache-2.0 */
/* Modality-decoupled distillation of a picture-text student, after the split of ESP-MedSAM (Xu et al., arXiv:2407.14153: knowledge common to all
 * modalities apart from what each alone holds) carried over to vectors. Reconstructed: the paper decouples an image encoder by parameters;
 * here a student gives, per modality m in {image, text}, a common vector c_m and a specific one s_m.
 *   common    = 1 - mean cos(c_m, z_m), averaged over both modalities, z the teacher's vector in the joint space
 *   image     = mean over pairs of rows (cos(s_i, s_j) - cos(f_i, f_j))^2 with f the image teacher's own features; text likewise
 *   apart     = mean cos(c_m P, s_m)^2 with P the identity on the shorter width: what is common and what is specific are orthogonal
 *   loss      = weight_common common + weight_image image + weight_text text + weight_apart apart
 * A modality that a batch lacks leaves its terms out, so pictures without texts and texts without pictures train too. */
#include "distill/method.h"
#include "distill/parts/parts.h"

typedef struct options {
    double weight_common, weight_image, weight_text, weight_apart;
} options;

static const lb_param params[] = {
    LB_PARAM(options, weight_common, 1, 0, LB_NO_MAX, "1", "weight of the common part"),
    LB_PARAM(options, weight_image, 1, 0, LB_NO_MAX, "1", "weight of what pictures alone hold"),
    LB_PARAM(options, weight_text, 1, 0, LB_NO_MAX, "1", "weight of what texts alone hold"),
    LB_PARAM(options, weight_apart, 0.1, 0, LB_NO_MAX, "1", "weight of the orthogonality of common and specific parts"),
    LB_PARAM_END};

static lb_tensor *unit(lb_tape *t, lb_tensor *x) { return lb_normalize(t, x, 1e-12); }

static lb_tensor *common_part(lb_tape *t, lb_tensor *student, lb_tensor *teacher) {
    lb_tensor *cosine = lb_sum(t, lb_mul(t, unit(t, student), unit(t, lb_detach(t, teacher))), -1, false);
    return lb_add_scalar(t, lb_neg(t, lb_mean_all(t, cosine)), 1);
}

static lb_tensor *gram(lb_tape *t, lb_tensor *x) {
    x = unit(t, x);
    return lb_matmul(t, x, x, false, true);
}

static lb_tensor *specific_part(lb_tape *t, lb_tensor *student, lb_tensor *teacher) {
    return lb_mean_all(t, lb_square(t, lb_sub(t, gram(t, student), lb_detach(t, gram(t, lb_detach(t, teacher))))));
}

static lb_tensor *apart_part(lb_tape *t, lb_tensor *common, lb_tensor *specific) {
    int64_t d = common->shape[1] < specific->shape[1] ? common->shape[1] : specific->shape[1];
    lb_tensor *a = unit(t, lb_slice(t, common, 1, 0, d, 1)), *b = unit(t, lb_slice(t, specific, 1, 0, d, 1));
    return lb_mean_all(t, lb_square(t, lb_sum(t, lb_mul(t, a, b), -1, false)));
}

static bool finite_all(lb_tape *t, const lb_args *a) {
    for (int i = 0; i < a->named_count; i++)
        if (!lb_check(t, lb_numel(a->tensors[i]) > 0, "%s is empty", a->names[i]) || !lb_check_finite(t, a->tensors[i], a->names[i])) return false;
    return true;
}

static void common(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    (void)cfg;
    if (finite_all(t, a)) lb_out(out, 0, common_part(t, a->in[0], a->in[1]));
}

static void specific(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    (void)cfg;
    if (finite_all(t, a)) lb_out(out, 0, specific_part(t, a->in[0], a->in[1]));
}

static void apart(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    (void)cfg;
    if (finite_all(t, a)) lb_out(out, 0, apart_part(t, a->in[0], a->in[1]));
}

/* inputs of a modality: common, specific, joint teacher, own teacher */
static void add_modality(lb_tape *t, lb_tensor *const *in, lb_tensor *sums[4], int own) {
    lb_tensor *parts[3] = {common_part(t, in[0], in[2]), specific_part(t, in[1], in[3]), apart_part(t, in[0], in[1])};
    sums[0] = sums[0] ? lb_scale(t, lb_add(t, sums[0], parts[0]), 0.5) : parts[0];
    sums[own] = parts[1];
    sums[3] = sums[3] ? lb_scale(t, lb_add(t, sums[3], parts[2]), 0.5) : parts[2];
}

static void objective(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    const double weights[4] = {o->weight_common, o->weight_image, o->weight_text, o->weight_apart};
    lb_tensor *sums[4] = {0}, *loss = NULL;
    if (!finite_all(t, a)) return;
    for (int m = 0; m < 2; m++) {
        int given = 0;
        for (int i = 0; i < 4; i++) given += a->in[4 * m + i] != NULL;
        if (!lb_check(t, given == 0 || given == 4, "all four inputs of a modality belong together (common, specific, joint, own)")) return;
        if (given == 4) add_modality(t, a->in + 4 * m, sums, 1 + m);
    }
    for (int i = 0; i < 4; i++) {
        if (sums[i]) loss = loss ? lb_add(t, loss, lb_scale(t, sums[i], weights[i])) : lb_scale(t, sums[i], weights[i]);
        lb_out(out, 1 + i, sums[i] ? lb_detach(t, sums[i]) : lb_scalar(t, 0));
    }
    if (lb_check(t, loss != NULL, "neither pictures nor texts are given")) lb_out(out, 0, loss);
}

static const lb_component components[] = {
    {.name = "objective",
     .run = objective,
     .sig = "image_common[N,D]? image_specific[N,S]? image_joint[N,D]? image_own[N,F]? text_common[M,D]? text_specific[M,S]? text_joint[M,D]? text_own[M,G]? "
            "-> loss[] common_loss[] image_loss[] text_loss[] apart_loss[]",
     .constant = "image_joint image_own text_joint text_own",
     .values = "common_loss image_loss text_loss apart_loss",
     .text = "all parts, weighted"},
    {.name = "common", .run = common, .sig = "student[N,D] teacher[N,D] -> loss[]", .constant = "teacher", .text = "common part of one modality"},
    {.name = "specific",
     .run = specific,
     .sig = "student[N,S] teacher[N,F] -> loss[]",
     .constant = "teacher",
     .text = "what one modality alone holds: squared difference of cosine tables"},
    {.name = "apart", .run = apart, .sig = "common[N,D] specific[N,S] -> loss[]", .text = "squared cosine of common and specific vectors"},
    LB_COMPONENT_END};

LB_METHOD(modality_decoupled) = {.id = "modality_decoupled",
                                 .title = "image-specific, text-specific and common parts, each weighted on its own",
                                 .source = "after arXiv:2407.14153; reconstructed for vectors",
                                 .params = params,
                                 .params_size = sizeof(options),
                                 .group = "relation feature",
                                 .needs = "student:{image,text}_{embed,specific} teacher:{image,text}_embed and own features",
                                 .components = components,
                                 .verified = LB_VERIFIED_TOY};
