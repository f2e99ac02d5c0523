/* SPDX-License-Identifier: Apache-2.0 */
#include "datasets/augments.h"
#include "io/enhance.h"

typedef struct options {
    double p, sigma_min, sigma_max;
    int64_t kernel;
} options;

static const lb_param params[] = {
    LB_PARAM(options, p, 0.5, 0, 1, "1", "probability"),
    LB_PARAM(options, sigma_min, 0.1, 0.01, 100, "px", "least width of the bell"),
    LB_PARAM(options, sigma_max, 2, 0.01, 100, "px", "largest width of it"),
    LB_PARAM(options, kernel, 23, 1, 255, "px", "taps of the filter; an even number is one more. Pictures that are smaller take what fits"),
    LB_PARAM_END,
};

static void draw(double *v, const void *cfg, int64_t width, int64_t height, lb_rng *rng) {
    const options *o = cfg;
    double sigma = o->sigma_min + (o->sigma_max - o->sigma_min) * lb_rng_uniform(rng);
    v[0] = lb_rng_uniform(rng) < o->p ? sigma : 0;
}

static lb_status apply(lb_scene *view, const lb_scene *other, const double *v, const void *cfg) {
    const options *o = cfg;
    lb_image *img = &view->image;
    if (!img->pixels || v[0] <= 0) return LB_OK;
    int64_t least = img->width < img->height ? img->width : img->height, size = o->kernel | 1;
    if (size / 2 >= least) size = 2 * least - 1;
    return lb_image_gaussian(img, (int)size, v[0]);
}

LB_AUGMENT(gaussian_blur) = {.id = "gaussian_blur",
                             .title = "Gaussian blur of random width",
                             .source = "torchvision, GaussianBlur; defaults of SimCLR, arXiv:2002.05709",
                             .params = params,
                             .params_size = sizeof(options),
                             .on = "image",
                             .values = "sigma",
                             .draw = draw,
                             .apply = apply};
