/* SPDX-License-Identifier: Apache-2.0 */
/* Contrast of a batch of pairs: InfoNCE (van den Oord et al., arXiv:1807.03748, eq. (4)), symmetric as in CLIP (Radford et al.,
 * arXiv:2103.00020, fig. 3): l = scale <i_a, t_b>, loss = (CE(rows, diagonal) + CE(columns, diagonal)) / 2. Vectors are L2-normalised here. */
#include "distill/method.h"

typedef struct options {
    double temperature;
} options;

static const lb_param params[] = {LB_PARAM(options, temperature, 0.07, LB_ABOVE_0, LB_NO_MAX, "1", "divides the cosines when logit_scale is not given"), LB_PARAM_END};

static void contrast(lb_tape *t, const options *o, const lb_args *a, lb_outs *out, bool both_ways) {
    if (!lb_check(t, lb_numel(a->in[0]) > 0, "image_embed is empty") || !lb_check_finite(t, a->in[0], "image_embed") || !lb_check_finite(t, a->in[1], "text_embed")) return;
    lb_out(out, 0, lb_info_nce(t, a->in[0], a->in[1], a->in[2], o->temperature, both_ways));
}

static void symmetric(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) { contrast(t, cfg, a, out, true); }
static void one_way(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) { contrast(t, cfg, a, out, false); }

#define PAIR "image_embed[N,D] text_embed[N,D] logit_scale[]? -> loss[]"
static const lb_component components[] = {
    {.name = "symmetric", .run = symmetric, .sig = PAIR, .text = "pictures find their texts and texts their pictures, halved"},
    {.name = "one_way", .run = one_way, .sig = PAIR, .text = "the first finds the second among the batch"},
    LB_COMPONENT_END};

LB_METHOD(infonce) = {.id = "infonce",
                      .title = "contrast of a batch of pairs (CLIP)",
                      .source = "arXiv:2103.00020, fig. 3; arXiv:1807.03748, eq. (4)",
                      .params = params,
                      .params_size = sizeof(options),
                      .group = "contrastive",
                      .needs = "student:image_embed student:text_embed",
                      .components = components,
                      .verified = LB_VERIFIED_EQUATIONS};
