/* SPDX-License-Identifier: Apache-2.0 */
#include "datasets/augments.h"
#include "io/image.h"

typedef struct options {
    double horizontal, vertical;
} options;

static const lb_param params[] = {
    LB_PARAM(options, horizontal, 0.5, 0, 1, "1", "probability of a mirror image, left for right"),
    LB_PARAM(options, vertical, 0, 0, 1, "1", "probability of top for bottom"),
    LB_PARAM_END,
};

static void draw(double *v, const void *cfg, int64_t width, int64_t height, lb_rng *rng) {
    const options *o = cfg;
    v[0] = lb_rng_uniform(rng) < o->horizontal;
    v[1] = lb_rng_uniform(rng) < o->vertical;
}

static lb_status flip(lb_image *img, bool x, bool y) {
    lb_image out = {0};
    if (!img->pixels) return LB_OK;
    lb_status st = lb_image_flip(&out, img, x, y);
    if (st != LB_OK) return st;
    lb_image_free(img);
    *img = out;
    return LB_OK;
}

static void mirror(float *boxes, int64_t n, float size, int from) {
    for (int64_t i = 0; i < n; i++) {
        float *low = boxes + 4 * i + from, *high = low + 2, a = size - *high;
        *high = size - *low;
        *low = a;
    }
}

static lb_status apply(lb_scene *v, const lb_scene *other, const double *values, const void *cfg) {
    bool x = values[0] != 0, y = values[1] != 0;
    const lb_image *of = v->image.pixels ? &v->image : &v->mask;
    if (!x && !y) return LB_OK;
    if (x) mirror(v->boxes, v->box_count, (float)of->width, 0);
    if (y) mirror(v->boxes, v->box_count, (float)of->height, 1);
    lb_status st = flip(&v->image, x, y);
    return st == LB_OK ? flip(&v->mask, x, y) : st;
}

LB_AUGMENT(flip) = {.id = "flip",
                    .title = "mirror images",
                    .source = "torchvision, RandomHorizontalFlip and RandomVerticalFlip",
                    .params = params,
                    .params_size = sizeof(options),
                    .on = "image mask boxes",
                    .values = "horizontal vertical",
                    .draw = draw,
                    .apply = apply};
