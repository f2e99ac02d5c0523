/* SPDX-License-Identifier: Apache-2.0 */
#include "datasets/augment.h"
#include <math.h>
#include "base/rng.h"
#include "io/image.h"

const lb_param lb_augment_params[] = {
    LB_PARAM(lb_augment_spec, crop_min, 1, 0.01, 1, "1", "smallest share of the area that a random crop keeps; 1 = no crop"),
    LB_PARAM(lb_augment_spec, ratio_max, 1.3333333333333333, 1, 10, "1", "a crop is at most this much wider than high, or higher than wide"),
    LB_PARAM(lb_augment_spec, flip, 0, 0, 1, "1", "probability of a mirror image"),
    LB_PARAM(lb_augment_spec, brightness, 0, 0, 1, "1", "brightness factor is drawn from 1 - x .. 1 + x"),
    LB_PARAM(lb_augment_spec, contrast, 0, 0, 1, "1", "contrast factor, likewise"),
    LB_PARAM(lb_augment_spec, saturation, 0, 0, 1, "1", "saturation factor, likewise"),
    LB_PARAM_END};

static double around_one(lb_rng *r, double x) { return 1 + x * (2 * lb_rng_uniform(r) - 1); }

/* Every draw takes the same number of random words, so a changed option leaves the others' values as they were. */
lb_augment_draw lb_augment_of(const lb_augment_spec *spec, int32_t width, int32_t height, uint64_t seed, uint64_t epoch, const char *key) {
    lb_rng r = lb_rng_of(seed, epoch, key);
    double area = spec->crop_min + (1 - spec->crop_min) * lb_rng_uniform(&r);
    double ratio = exp(log(spec->ratio_max) * (2 * lb_rng_uniform(&r) - 1)), u = lb_rng_uniform(&r), v = lb_rng_uniform(&r);
    lb_augment_draw d = {.width = width, .height = height};
    if (spec->crop_min < 1) {
        double side = sqrt(area * width * height), k = sqrt(ratio);
        d.width = (int32_t)fmin(fmax(1, side * k + 0.5), width);
        d.height = (int32_t)fmin(fmax(1, side / k + 0.5), height);
        d.x = (int32_t)(u * (width - d.width + 1));
        d.y = (int32_t)(v * (height - d.height + 1));
    }
    d.flip = lb_rng_uniform(&r) < spec->flip;
    d.brightness = around_one(&r, spec->brightness);
    d.contrast = around_one(&r, spec->contrast);
    d.saturation = around_one(&r, spec->saturation);
    return d;
}

void lb_augment_pack(float out[LB_AUGMENT_NUMBERS], const lb_augment_draw *d) {
    const double all[LB_AUGMENT_NUMBERS] = {d->x, d->y, d->width, d->height, d->flip, d->brightness, d->contrast, d->saturation};
    for (int i = 0; i < LB_AUGMENT_NUMBERS; i++) out[i] = (float)all[i];
}

lb_status lb_augment_unpack(lb_augment_draw *out, const float in[LB_AUGMENT_NUMBERS], int32_t width, int32_t height) {
    bool inside = in[0] >= 0 && in[1] >= 0 && in[2] >= 1 && in[3] >= 1 && in[0] + in[2] <= (float)width && in[1] + in[3] <= (float)height;
    for (int i = 0; i < LB_AUGMENT_NUMBERS; i++) inside = inside && isfinite(in[i]);
    if (!inside)
        return lb_fail(LB_E_FORMAT, "an augmentation of crop %g,%g %gx%g does not fit a picture of %dx%d: is it another picture?", (double)in[0], (double)in[1],
                       (double)in[2], (double)in[3], width, height);
    *out = (lb_augment_draw){.x = (int32_t)in[0], .y = (int32_t)in[1], .width = (int32_t)in[2], .height = (int32_t)in[3], .flip = in[4] != 0, .brightness = in[5], .contrast = in[6], .saturation = in[7]};
    return LB_OK;
}

static double grey_of(const uint8_t *p) { return 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]; }
static uint8_t clip(double x) { return x <= 0 ? 0 : x >= 255 ? 255 : (uint8_t)(x + 0.5); }

/* y = mix * x + (1 - mix) * base, where base is 0, the mean grey of the picture, or the pixel's own grey. */
static void colours(lb_image *img, const lb_augment_draw *d) {
    uint8_t *p = img->pixels;
    int64_t n = (int64_t)img->width * img->height;
    double mean = 0;
    if (d->brightness != 1)
        for (int64_t i = 0; i < 3 * n; i++) p[i] = clip(p[i] * d->brightness);
    if (d->contrast != 1) {
        for (int64_t i = 0; i < n; i++) mean += grey_of(p + 3 * i) / (double)n;
        for (int64_t i = 0; i < 3 * n; i++) p[i] = clip(d->contrast * p[i] + (1 - d->contrast) * mean);
    }
    if (d->saturation != 1)
        for (int64_t i = 0; i < n; i++) {
            double grey = grey_of(p + 3 * i);
            for (int c = 0; c < 3; c++) p[3 * i + c] = clip(d->saturation * p[3 * i + c] + (1 - d->saturation) * grey);
        }
}

lb_status lb_augment_apply(lb_image *out, const lb_image *in, const lb_augment_draw *d) {
    lb_image cut = {0};
    if (in->channels != 3 || in->bits != 8) return lb_fail(LB_E_ARG, "augmentation wants RGB u8 pictures, got %d channels of %d bits", in->channels, in->bits);
    lb_status st = lb_image_crop(&cut, in, d->x, d->y, d->width, d->height, NULL);
    if (st != LB_OK) return st;
    if (d->flip) {
        st = lb_image_flip(out, &cut, true, false);
        lb_image_free(&cut);
        if (st != LB_OK) return st;
    } else *out = cut;
    colours(out, d);
    return LB_OK;
}

lb_status lb_augment(lb_image *out, const lb_image *in, const lb_augment_spec *spec, uint64_t seed, uint64_t epoch, const char *key) {
    lb_augment_draw d = lb_augment_of(spec, in->width, in->height, seed, epoch, key);
    return lb_augment_apply(out, in, &d);
}
