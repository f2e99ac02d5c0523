/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include "datasets/synth.h"
#include "datasets/synth_draw.h"

typedef struct options {
    int64_t count, size, figures;
    double labelled, test;
} options;

static const lb_param params[] = {
    LB_PARAM(options, count, 200, 1, 1e7, "items", "pictures; their styles take turns"),
    LB_PARAM(options, size, 96, 16, 4096, "px", "side of the pictures"),
    LB_PARAM(options, figures, 3, 1, 100, "shapes", "most shapes of a picture"),
    LB_PARAM(options, labelled, 0.2, 0, 1, "1", "share of the training pictures that have a mask (split \"labelled\", else \"unlabelled\")"),
    LB_PARAM(options, test, 0.2, 0, 1, "1", "share of the split \"test\", all with masks"),
    LB_PARAM_END};

static int64_t count(const void *cfg) { return ((const options *)cfg)->count; }

static lb_status make(lb_synth_out *out, const void *cfg, int64_t i, lb_rng *rng) {
    const options *o = cfg;
    lb_status st = LB_OK;
    lb_image img = {0}, mask = {0};
    char picture[48], cut[48];
    int style = (int)(i % LBI_STYLES);
    const char *split = lb_rng_uniform(rng) < o->test ? "test" : lb_rng_uniform(rng) < o->labelled ? "labelled" : "unlabelled";
    LB_TRY(lb_image_new(&img, (int32_t)o->size, (int32_t)o->size, 3, 8));
    LB_TRY(lb_image_new(&mask, (int32_t)o->size, (int32_t)o->size, 1, 8));
    memset(mask.pixels, 0, (size_t)(o->size * o->size));
    lbi_paint_background(&img, (int)lb_rng_below(rng, LBI_TEXTURES), rng);
    for (int64_t n = 1 + lb_rng_below(rng, o->figures); n > 0; n--) {
        lbi_figure f = lbi_draw_figure(rng, 0.1, 0.3);
        lbi_paint_figure(&img, &mask, &f, (uint8_t)(f.shape + 1)); /* later ones cover earlier ones, in both */
    }
    lbi_paint_style(&img, style, rng);
    snprintf(picture, sizeof picture, "images/%06lld.png", (long long)i);
    snprintf(cut, sizeof cut, "masks/%06lld.png", (long long)i);
    LB_TRY(lb_synth_picture(out, &img, picture));
    if (strcmp(split, "unlabelled") != 0) LB_TRY(lb_synth_picture(out, &mask, cut));
    lb_value *v = lb_value_map();
    lb_map_text(v, "key", picture);
    lb_map_text(v, "image", picture);
    if (strcmp(split, "unlabelled") != 0) lb_map_text(v, "mask", cut);
    lb_map_text(v, "split", split);
    lb_map_text(v, "domain", lbi_style_names[style]);
    lb_synth_item(out, v);
done:
    lb_image_free(&img);
    lb_image_free(&mask);
    return st;
}

LB_SYNTH(segmentation) = {.id = "segmentation",
                          .title = "shapes in four styles (domains) with exact masks: 0 background, 1 + index of the shape",
                          .source = "",
                          .params = params,
                          .params_size = sizeof(options),
                          .count = count,
                          .make = make};
