/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>
#include "datasets/augments.h"

typedef struct options {
    double alpha, p;
} options;

static const lb_param params[] = {
    LB_PARAM(options, alpha, 1, LB_ABOVE_0, 1000, "1", "the share comes from Beta(alpha, alpha)"),
    LB_PARAM(options, p, 1, 0, 1, "1", "probability"),
    LB_PARAM_END,
};

static double within(double x, double most) { return x < 0 ? 0 : x > most ? most : x; }

/* A rectangle around a random centre, cut off at the border; the share is what it leaves. */
static void draw(double *v, const void *cfg, int64_t width, int64_t height, lb_rng *rng) {
    const options *o = cfg;
    double w = (double)width, h = (double)height, x = floor(lb_rng_uniform(rng) * w), y = floor(lb_rng_uniform(rng) * h);
    bool wanted = lb_rng_uniform(rng) < o->p;
    double side = 0.5 * sqrt(1 - (wanted ? lb_rng_beta(rng, o->alpha, o->alpha) : 1)), half_w = floor(side * w), half_h = floor(side * h);
    v[0] = within(x - half_w, w), v[1] = within(y - half_h, h);
    v[2] = within(x + half_w, w) - v[0], v[3] = within(y + half_h, h) - v[1];
    v[4] = 1 - v[2] * v[3] / (w * h);
}

static void paste(float *y, const float *x, int64_t planes, int64_t width, int64_t height, const double *v) {
    for (int64_t p = 0; y && x && p < planes; p++)
        for (int64_t r = (int64_t)v[1]; r < (int64_t)(v[1] + v[3]); r++) {
            int64_t at = (p * height + r) * width + (int64_t)v[0];
            memcpy(y + at, x + at, (size_t)v[2] * sizeof *y);
        }
}

static lb_status apply(lb_scene *view, const lb_scene *other, const double *v, const void *cfg) {
    int64_t w = view->plane_width, h = view->plane_height;
    if (!other || v[2] <= 0 || v[3] <= 0) return LB_OK;
    if (other->plane_width != w || other->plane_height != h || other->plane_count != view->plane_count || other->soft_count != view->soft_count)
        return lb_fail(LB_E_SHAPE, "cutmix of items of two sizes");
    if (v[0] + v[2] > (double)w || v[1] + v[3] > (double)h) return lb_fail(LB_E_MISMATCH, "cutmix drawn for another size");
    paste(view->planes, other->planes, view->plane_count, w, h, v);
    paste(view->soft, other->soft, view->soft_count, w, h, v);
    view->own *= v[4];
    return LB_OK;
}

LB_AUGMENT(cutmix) = {.id = "cutmix",
                      .title = "a rectangle of another item, labels by area, masks with it",
                      .source = "arXiv:1905.04899; torchvision, v2.CutMix (a rectangle for each item)",
                      .params = params,
                      .params_size = sizeof(options),
                      .on = "pair",
                      .values = "x y width height own",
                      .draw = draw,
                      .apply = apply};
