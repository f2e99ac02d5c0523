/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include "datasets/augments.h"
#include "io/enhance.h"

typedef struct options {
    double brightness, contrast, saturation, hue, p;
} options;

static const lb_param params[] = {
    LB_PARAM(options, brightness, 0, 0, 10, "1", "factor is drawn from max(0, 1 - x) .. 1 + x"),
    LB_PARAM(options, contrast, 0, 0, 10, "1", "likewise"),
    LB_PARAM(options, saturation, 0, 0, 10, "1", "likewise"),
    LB_PARAM(options, hue, 0, 0, 0.5, "turns", "turned by -x .. x"),
    LB_PARAM(options, p, 1, 0, 1, "1", "probability that anything is changed"),
    LB_PARAM_END,
};

static double around_one(lb_rng *rng, double x) {
    double low = fmax(0, 1 - x);
    return low + (1 + x - low) * lb_rng_uniform(rng);
}

/* The four come in random order; 0 to 3 are brightness, contrast, saturation, hue. */
static void draw(double *v, const void *cfg, int64_t width, int64_t height, lb_rng *rng) {
    const options *o = cfg;
    int64_t order[4];
    lb_rng_permutation(rng, order, 4);
    v[0] = around_one(rng, o->brightness);
    v[1] = around_one(rng, o->contrast);
    v[2] = around_one(rng, o->saturation);
    v[3] = o->hue * (2 * lb_rng_uniform(rng) - 1);
    for (int i = 0; i < 4; i++) v[4 + i] = (double)order[i];
    if (lb_rng_uniform(rng) < o->p) return;
    v[0] = v[1] = v[2] = 1;
    v[3] = 0;
}

static lb_status apply(lb_scene *view, const lb_scene *other, const double *v, const void *cfg) {
    lb_image *img = &view->image;
    if (!img->pixels) return LB_OK;
    for (int i = 0; i < 4; i++) switch ((int)v[4 + i]) {
        case 0:
            if (v[0] != 1) lb_enhance_brightness(img, v[0]);
            break;
        case 1:
            if (v[1] != 1) lb_enhance_contrast(img, v[1]);
            break;
        case 2:
            if (v[2] != 1) lb_enhance_saturation(img, v[2]);
            break;
        case 3:
            if (v[3] != 0) lb_enhance_hue(img, v[3]);
            break;
        }
    return LB_OK;
}

LB_AUGMENT(color_jitter) = {.id = "color_jitter",
                            .title = "brightness, contrast, saturation and hue, in random order",
                            .source = "torchvision, ColorJitter, on Pillow's pictures",
                            .params = params,
                            .params_size = sizeof(options),
                            .on = "image",
                            .values = "brightness contrast saturation hue first second third fourth",
                            .draw = draw,
                            .apply = apply};
