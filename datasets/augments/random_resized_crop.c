/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include "datasets/augments.h"
#include "io/image.h"

enum { TRIES = 10 };

typedef struct options {
    double scale_min, scale_max, ratio_min, ratio_max;
    int64_t size;
    const char *filter;
} options;

static const lb_param params[] = {
    LB_PARAM(options, scale_min, 0.08, 0.0001, 1, "1", "least share of the area that is kept"),
    LB_PARAM(options, scale_max, 1, 0.0001, 1, "1", "largest share of it"),
    LB_PARAM(options, ratio_min, 0.75, 0.01, 100, "1", "least width by height"),
    LB_PARAM(options, ratio_max, 1.3333333333333333, 0.01, 100, "1", "largest width by height"),
    LB_PARAM(options, size, 0, 0, 16384, "px", "side that the crop is resized to; 0 = it stays as it is, the model's preprocessing resizes it"),
    LB_PARAM_TEXT(options, filter, "bilinear", "bicubic|bilinear|lanczos|box|nearest", "of that; masks are always nearest"),
    LB_PARAM_END,
};

/* Ten tries for a crop that fits, then the largest central one of a ratio within the range. All are drawn, so that nothing after depends on which fits. */
static void draw(double *v, const void *cfg, int64_t width, int64_t height, lb_rng *rng) {
    const options *o = cfg;
    double w = (double)width, h = (double)height, ratio = w / h;
    bool found = false;
    for (int i = 0; i < TRIES; i++) {
        double area = w * h * (o->scale_min + (o->scale_max - o->scale_min) * lb_rng_uniform(rng));
        double aspect = exp(log(o->ratio_min) + (log(o->ratio_max) - log(o->ratio_min)) * lb_rng_uniform(rng)), a = lb_rng_uniform(rng), b = lb_rng_uniform(rng);
        double cw = rint(sqrt(area * aspect)), ch = rint(sqrt(area / aspect));
        if (found || !(cw > 0 && cw <= w && ch > 0 && ch <= h)) continue;
        v[0] = floor(b * (w - cw + 1)), v[1] = floor(a * (h - ch + 1)), v[2] = cw, v[3] = ch;
        found = true;
    }
    if (found) return;
    v[2] = ratio > o->ratio_max ? rint(h * o->ratio_max) : w;
    v[3] = ratio < o->ratio_min ? rint(w / o->ratio_min) : h;
    v[2] = fmin(fmax(v[2], 1), w), v[3] = fmin(fmax(v[3], 1), h);
    v[0] = floor((w - v[2]) / 2), v[1] = floor((h - v[3]) / 2);
}

static void size(int64_t *width, int64_t *height, const double *v, const void *cfg) {
    const options *o = cfg;
    *width = o->size ? o->size : (int64_t)v[2];
    *height = o->size ? o->size : (int64_t)v[3];
}

static lb_status cut(lb_image *img, const double *v, int64_t side, lb_filter filter) {
    lb_image part = {0}, out = {0};
    if (!img->pixels) return LB_OK;
    lb_status st = lb_image_crop(&part, img, (int32_t)v[0], (int32_t)v[1], (int32_t)v[2], (int32_t)v[3], NULL);
    if (st != LB_OK) return st;
    if (side) {
        st = lb_image_resize(&out, &part, (int32_t)side, (int32_t)side, filter);
        lb_image_free(&part);
        if (st != LB_OK) return st;
        part = out;
    }
    lb_image_free(img);
    *img = part;
    return LB_OK;
}

static float within(double x, double most) { return (float)(x < 0 ? 0 : x > most ? most : x); }

static lb_status apply(lb_scene *view, const lb_scene *other, const double *v, const void *cfg) {
    const options *o = cfg;
    lb_filter filter = LB_FILTER_BILINEAR;
    int64_t w, h;
    lb_status st = lb_filter_parse(&filter, o->filter);
    if (st == LB_OK) st = cut(&view->image, v, o->size, filter);
    if (st == LB_OK) st = cut(&view->mask, v, o->size, LB_FILTER_NEAREST);
    size(&w, &h, v, cfg);
    for (int64_t i = 0; st == LB_OK && i < 4 * view->box_count; i++) {
        int axis = (int)(i % 2);
        view->boxes[i] = within(((double)view->boxes[i] - v[axis]) * (double)(axis ? h : w) / v[2 + axis], (double)(axis ? h : w));
    }
    return st;
}

LB_AUGMENT(random_resized_crop) = {.id = "random_resized_crop",
                                   .title = "a part of the picture, of random area and shape",
                                   .source = "torchvision, RandomResizedCrop",
                                   .params = params,
                                   .params_size = sizeof(options),
                                   .on = "image mask boxes",
                                   .values = "x y width height",
                                   .draw = draw,
                                   .size = size,
                                   .apply = apply};
