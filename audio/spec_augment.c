/* SPDX-License-Identifier: Apache-2.0 */
#include "audio/mel.h"
#include "base/rng.h"

static void draw(int64_t at[][2], int count, int width, int64_t size, lb_rng *r) {
    for (int i = 0; i < LB_SPEC_MASKS; i++) { /* always the same number of draws, so an option changes no other's values */
        double u = lb_rng_uniform(r), v = lb_rng_uniform(r);
        int64_t w = i < count ? (int64_t)(u * (double)((width < size ? width : size) + 1)) : 0;
        at[i][0] = (int64_t)(v * (double)(size - w + 1));
        at[i][1] = w;
    }
}

lb_spec_augment_draw lb_spec_augment_of(const lb_spec_augment_spec *s, int64_t bands, int64_t frames, uint64_t seed, uint64_t epoch, const char *key) {
    lb_spec_augment_draw d;
    lb_rng r = lb_rng_of(seed, epoch, key);
    draw(d.band, s->band_masks, s->band_width, bands, &r);
    draw(d.frame, s->frame_masks, s->frame_width, frames, &r);
    return d;
}

static bool inside(const int64_t at[][2], int64_t i) {
    for (int k = 0; k < LB_SPEC_MASKS; k++)
        if (i >= at[k][0] && i < at[k][0] + at[k][1]) return true;
    return false;
}

void lb_spec_augment_apply(float *mel, int64_t bands, int64_t frames, bool bands_first, const lb_spec_augment_draw *d, float fill) {
    int64_t band_step = bands_first ? frames : 1, frame_step = bands_first ? 1 : bands;
    for (int64_t b = 0; b < bands; b++) {
        bool whole = inside(d->band, b);
        for (int64_t t = 0; t < frames; t++)
            if (whole || inside(d->frame, t)) mel[b * band_step + t * frame_step] = fill;
    }
}
