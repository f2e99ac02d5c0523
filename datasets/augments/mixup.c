/* SPDX-License-Identifier: Apache-2.0 */
#include "datasets/augments.h"

typedef struct options {
    double alpha, p;
} options;

static const lb_param params[] = {
    LB_PARAM(options, alpha, 1, LB_ABOVE_0, 1000, "1", "the share comes from Beta(alpha, alpha)"),
    LB_PARAM(options, p, 1, 0, 1, "1", "probability"),
    LB_PARAM_END,
};

static void draw(double *v, const void *cfg, int64_t width, int64_t height, lb_rng *rng) {
    const options *o = cfg;
    bool wanted = lb_rng_uniform(rng) < o->p;
    v[0] = wanted ? lb_rng_beta(rng, o->alpha, o->alpha) : 1;
}

static void mix(float *y, const float *x, int64_t n, double own) {
    for (int64_t i = 0; y && x && i < n; i++) y[i] = (float)own * y[i] + (float)(1 - own) * x[i];
}

static lb_status apply(lb_scene *view, const lb_scene *other, const double *v, const void *cfg) {
    if (!other || v[0] == 1) return LB_OK;
    int64_t n = view->plane_width * view->plane_height;
    if (other->plane_width != view->plane_width || other->plane_height != view->plane_height || other->plane_count != view->plane_count || other->soft_count != view->soft_count)
        return lb_fail(LB_E_SHAPE, "mixup of items of two sizes");
    mix(view->planes, other->planes, n * view->plane_count, v[0]);
    mix(view->soft, other->soft, n * view->soft_count, v[0]);
    view->own *= v[0];
    return LB_OK;
}

LB_AUGMENT(mixup) = {.id = "mixup",
                     .title = "a weighted mean of two items, of their labels and of their masks",
                     .source = "arXiv:1710.09412; torchvision, v2.MixUp (a share for each item)",
                     .params = params,
                     .params_size = sizeof(options),
                     .on = "pair",
                     .values = "own",
                     .draw = draw,
                     .apply = apply};
