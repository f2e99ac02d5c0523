/* SPDX-License-Identifier: Apache-2.0 */
#include "datasets/augments.h"

enum { MASKS = 8 }; /* of each kind */

typedef struct options {
    int64_t band_masks, band_width, frame_masks, frame_width;
    double fill;
} options;

static const lb_param params[] = {
    LB_PARAM(options, band_masks, 2, 0, MASKS, "1", "masks of bands"),
    LB_PARAM(options, band_width, 27, 0, 1e6, "bands", "largest width of one"),
    LB_PARAM(options, frame_masks, 2, 0, MASKS, "1", "masks of frames"),
    LB_PARAM(options, frame_width, 100, 0, 1e9, "frames", "largest width of one"),
    LB_PARAM(options, fill, 0, -LB_NO_MAX, LB_NO_MAX, "1", "value of masked places"),
    LB_PARAM_END,
};

/* Width uniform in 0..largest, begin uniform in what is left. Always the same number of draws. */
static void some(double *v, int64_t count, int64_t width, int64_t size, lb_rng *rng) {
    for (int i = 0; i < MASKS; i++) {
        double u = lb_rng_uniform(rng), b = lb_rng_uniform(rng);
        int64_t w = i < count ? (int64_t)(u * (double)((width < size ? width : size) + 1)) : 0;
        v[2 * i] = (double)(int64_t)(b * (double)(size - w + 1));
        v[2 * i + 1] = (double)w;
    }
}

static void draw(double *v, const void *cfg, int64_t width, int64_t height, lb_rng *rng) {
    const options *o = cfg;
    some(v, o->band_masks, o->band_width, height, rng);
    some(v + 2 * MASKS, o->frame_masks, o->frame_width, width, rng);
}

static bool inside(const double *v, int64_t i) {
    for (int k = 0; k < MASKS; k++)
        if ((double)i >= v[2 * k] && (double)i < v[2 * k] + v[2 * k + 1]) return true;
    return false;
}

static lb_status apply(lb_scene *view, const lb_scene *other, const double *v, const void *cfg) {
    const options *o = cfg;
    for (int64_t b = 0, n = view->planes ? view->plane_count * view->plane_height : 0; b < n; b++) {
        bool whole = inside(v, b % view->plane_height);
        for (int64_t t = 0; t < view->plane_width; t++)
            if (whole || inside(v + 2 * MASKS, t)) view->planes[b * view->plane_width + t] = (float)o->fill;
    }
    return LB_OK;
}

LB_AUGMENT(spec_augment) = {.id = "spec_augment",
                            .title = "masks over bands and frames of a log-mel",
                            .source = "arXiv:1904.08779, without time warping",
                            .params = params,
                            .params_size = sizeof(options),
                            .on = "planes",
                            .values = "band0 bands0 band1 bands1 band2 bands2 band3 bands3 band4 bands4 band5 bands5 band6 bands6 band7 bands7 "
                                      "frame0 frames0 frame1 frames1 frame2 frames2 frame3 frames3 frame4 frames4 frame5 frames5 frame6 frames6 frame7 frames7",
                            .draw = draw,
                            .apply = apply};
