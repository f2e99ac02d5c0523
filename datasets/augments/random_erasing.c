/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>
#include "datasets/augments.h"

enum { TRIES = 10 };

typedef struct options {
    double p, scale_min, scale_max, ratio_min, ratio_max;
    int64_t value;
} options;

static const lb_param params[] = {
    LB_PARAM(options, p, 0.5, 0, 1, "1", "probability"),
    LB_PARAM(options, scale_min, 0.02, 0.0001, 1, "1", "least share of the area that is erased"),
    LB_PARAM(options, scale_max, 0.33, 0.0001, 1, "1", "largest share of it"),
    LB_PARAM(options, ratio_min, 0.3, 0.01, 100, "1", "least height by width"),
    LB_PARAM(options, ratio_max, 3.3, 0.01, 100, "1", "largest height by width"),
    LB_PARAM(options, value, 0, 0, 255, "1", "of all channels of the erased pixels"),
    LB_PARAM_END,
};

/* width 0: nothing is erased. */
static void draw(double *v, const void *cfg, int64_t width, int64_t height, lb_rng *rng) {
    const options *o = cfg;
    double w = (double)width, h = (double)height;
    bool wanted = lb_rng_uniform(rng) < o->p;
    v[0] = v[1] = v[2] = v[3] = 0;
    for (int i = 0; i < TRIES; i++) {
        double area = w * h * (o->scale_min + (o->scale_max - o->scale_min) * lb_rng_uniform(rng));
        double aspect = exp(log(o->ratio_min) + (log(o->ratio_max) - log(o->ratio_min)) * lb_rng_uniform(rng)), a = lb_rng_uniform(rng), b = lb_rng_uniform(rng);
        double eh = rint(sqrt(area * aspect)), ew = rint(sqrt(area / aspect));
        if (!wanted || v[2] > 0 || !(eh < h && ew < w && eh > 0 && ew > 0)) continue;
        v[0] = floor(b * (w - ew + 1)), v[1] = floor(a * (h - eh + 1)), v[2] = ew, v[3] = eh;
    }
}

static lb_status apply(lb_scene *view, const lb_scene *other, const double *v, const void *cfg) {
    const options *o = cfg;
    lb_image *img = &view->image;
    if (!img->pixels || v[2] <= 0) return LB_OK;
    size_t n = (size_t)v[2] * (size_t)img->channels;
    for (int64_t y = (int64_t)v[1]; y < (int64_t)(v[1] + v[3]) && y < img->height; y++)
        if (v[0] + v[2] <= img->width) memset((uint8_t *)img->pixels + (size_t)(y * img->width + (int64_t)v[0]) * (size_t)img->channels, (int)o->value, n);
    return LB_OK;
}

LB_AUGMENT(random_erasing) = {.id = "random_erasing",
                              .title = "a rectangle of one colour over the picture",
                              .source = "arXiv:1708.04896; torchvision, RandomErasing",
                              .params = params,
                              .params_size = sizeof(options),
                              .on = "image",
                              .values = "x y width height",
                              .draw = draw,
                              .apply = apply};
