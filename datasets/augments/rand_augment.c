/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include "datasets/augments.h"
#include "io/enhance.h"

enum { OPS_MAX = 8 };

typedef struct options {
    int64_t ops, magnitude, bins;
} options;

static const lb_param params[] = {
    LB_PARAM(options, ops, 2, 1, OPS_MAX, "1", "operations one after the other"),
    LB_PARAM(options, magnitude, 9, 0, 1000, "1", "of all of them, 0 to bins - 1"),
    LB_PARAM(options, bins, 31, 2, 1001, "1", "steps that a magnitude has"),
    LB_PARAM_END,
};

enum { IDENTITY, SHEAR_X, SHEAR_Y, TRANSLATE_X, TRANSLATE_Y, ROTATE, BRIGHTNESS, COLOR, CONTRAST, SHARPNESS, POSTERIZE, SOLARIZE, AUTOCONTRAST, EQUALIZE, KINDS };

/* What the magnitude's place in 0..1 means to each. */
static double value_of(int kind, double t, double width, double height, bool negative) {
    double v = 0;
    switch (kind) {
    case SHEAR_X:
    case SHEAR_Y: v = 0.3 * t; break;
    case TRANSLATE_X: v = 150.0 / 331.0 * width * t; break;
    case TRANSLATE_Y: v = 150.0 / 331.0 * height * t; break;
    case ROTATE: v = 30 * t; break;
    case BRIGHTNESS:
    case COLOR:
    case CONTRAST:
    case SHARPNESS: v = 0.9 * t; break;
    case POSTERIZE: return 8 - rint(4 * t);
    case SOLARIZE: return 255 - 255 * t;
    }
    return negative ? -v : v;
}

static void draw(double *v, const void *cfg, int64_t width, int64_t height, lb_rng *rng) {
    const options *o = cfg;
    int64_t magnitude = o->magnitude < o->bins ? o->magnitude : o->bins - 1;
    double t = (double)magnitude / (double)(o->bins - 1);
    for (int i = 0; i < OPS_MAX; i++) {
        int kind = (int)lb_rng_below(rng, KINDS);
        bool negative = lb_rng_uniform(rng) < 0.5;
        v[2 * i] = i < o->ops ? kind : IDENTITY;
        v[2 * i + 1] = i < o->ops ? value_of(kind, t, (double)width, (double)height, negative) : 0;
    }
}

static double round15(double x) { return rint(x * 1e15) / 1e15; }

/* Output to input, as torchvision's affine() (shears about the corner, whole translations) and Pillow's rotate() (about the centre). */
static bool matrix_of(double m[6], int kind, double v, double width, double height) {
    const double same[6] = {1, 0, 0, 0, 1, 0};
    for (int i = 0; i < 6; i++) m[i] = same[i];
    if (kind == SHEAR_X) m[1] = tan(atan(v));
    else if (kind == SHEAR_Y) m[3] = tan(atan(v));
    else if (kind == TRANSLATE_X) m[2] = -trunc(v);
    else if (kind == TRANSLATE_Y) m[5] = -trunc(v);
    else if (kind == ROTATE) {
        double a = -fmod(fmod(v, 360) + 360, 360) * M_PI / 180, c = round15(cos(a)), s = round15(sin(a)), x = width / 2, y = height / 2;
        if (v == 0) return false;
        m[0] = c, m[1] = s, m[3] = -s, m[4] = c;
        m[2] = x - c * x - s * y;
        m[5] = y + s * x - c * y;
    } else return false;
    return true;
}

/* The corners of each box go where the picture goes; the box around them, cut off at the border. */
static void move_boxes(lb_scene *view, const double m[6], double width, double height) {
    double det = m[0] * m[4] - m[1] * m[3];
    for (int64_t i = 0; i < view->box_count; i++) {
        float *b = view->boxes + 4 * i;
        double low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY}, most[2] = {width, height};
        for (int k = 0; k < 4; k++) {
            double x = (double)b[k % 2 ? 2 : 0] - m[2], y = (double)b[k / 2 ? 3 : 1] - m[5], to[2] = {(m[4] * x - m[1] * y) / det, (m[0] * y - m[3] * x) / det};
            for (int d = 0; d < 2; d++) low[d] = fmin(low[d], to[d]), high[d] = fmax(high[d], to[d]);
        }
        for (int d = 0; d < 2; d++) b[d] = (float)fmin(fmax(low[d], 0), most[d]), b[d + 2] = (float)fmin(fmax(high[d], 0), most[d]);
    }
}

static lb_status change(lb_scene *view, int kind, double v) {
    lb_image *img = &view->image;
    double m[6], w = img->width, h = img->height;
    lb_status st = LB_OK;
    switch (kind) {
    case BRIGHTNESS: lb_enhance_brightness(img, 1 + v); break;
    case COLOR: lb_enhance_saturation(img, 1 + v); break;
    case CONTRAST: lb_enhance_contrast(img, 1 + v); break;
    case SHARPNESS: return lb_enhance_sharpness(img, 1 + v);
    case POSTERIZE: lb_enhance_posterize(img, (int)v); break;
    case SOLARIZE: lb_enhance_solarize(img, v); break;
    case AUTOCONTRAST: lb_enhance_autocontrast(img); break;
    case EQUALIZE: lb_enhance_equalize(img); break;
    default:
        if (!matrix_of(m, kind, v, w, h)) break;
        st = lb_image_affine(img, m, 0);
        if (st == LB_OK && view->mask.pixels) st = lb_image_affine(&view->mask, m, 0);
        if (st == LB_OK) move_boxes(view, m, w, h);
    }
    return st;
}

static lb_status apply(lb_scene *view, const lb_scene *other, const double *v, const void *cfg) {
    lb_status st = LB_OK;
    if (!view->image.pixels) return LB_OK;
    for (int i = 0; i < OPS_MAX && st == LB_OK; i++)
        if (v[2 * i] > 0 && v[2 * i] < KINDS) st = change(view, (int)v[2 * i], v[2 * i + 1]);
    return st;
}

LB_AUGMENT(rand_augment) = {.id = "rand_augment",
                            .title = "some of fourteen changes of colour and place, of one magnitude",
                            .source = "arXiv:1909.13719; torchvision, RandAugment, nearest, on Pillow's pictures",
                            .params = params,
                            .params_size = sizeof(options),
                            .on = "image mask boxes",
                            .values = "op0 value0 op1 value1 op2 value2 op3 value3 op4 value4 op5 value5 op6 value6 op7 value7",
                            .draw = draw,
                            .apply = apply};
