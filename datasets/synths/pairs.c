/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include "datasets/synth.h"
#include "datasets/synth_draw.h"

typedef struct options {
    int64_t pairs, unpaired, test, size;
} options;

static const lb_param params[] = {
    LB_PARAM(options, pairs, 100, 0, 1e7, "items", "captioned pictures (split \"pairs\")"),
    LB_PARAM(options, unpaired, 500, 0, 1e7, "items", "pictures and captions to be drawn apart (split \"unpaired\")"),
    LB_PARAM(options, test, 100, 0, 1e7, "items", "held-out pairs (split \"test\")"),
    LB_PARAM(options, size, 64, 16, 4096, "px", "side of the pictures"),
    LB_PARAM_END};

static int64_t count(const void *cfg) {
    const options *o = cfg;
    return o->pairs + o->unpaired + o->test;
}

/* Two figures, left and right, so that captions seldom repeat. */
static lb_status make(lb_synth_out *out, const void *cfg, int64_t i, lb_rng *rng) {
    const options *o = cfg;
    lb_status st = LB_OK;
    lb_image img = {0};
    char picture[48], text[160];
    int texture = (int)lb_rng_below(rng, LBI_TEXTURES);
    lbi_figure f[2] = {lbi_draw_figure(rng, 0.1, 0.22), lbi_draw_figure(rng, 0.1, 0.22)};
    f[0].x = 0.25;
    f[1].x = 0.75;
    const char *colour[2] = {lbi_colour_names[f[0].colour], lbi_colour_names[f[1].colour]};
    LB_TRY(lb_image_new(&img, (int32_t)o->size, (int32_t)o->size, 3, 8));
    lbi_paint_background(&img, texture, rng);
    for (int k = 0; k < 2; k++) lbi_paint_figure(&img, NULL, &f[k], 0);
    snprintf(picture, sizeof picture, "images/%06lld.png", (long long)i);
    snprintf(text, sizeof text, "%s %s %s left of %s %s %s, %s background", lbi_article(colour[0]), colour[0], lbi_shape_names[f[0].shape],
             lbi_article(colour[1]), colour[1], lbi_shape_names[f[1].shape], lbi_texture_names[texture]);
    LB_TRY(lb_synth_picture(out, &img, picture));
    lb_value *v = lb_value_map();
    lb_map_text(v, "key", picture);
    lb_map_text(v, "image", picture);
    lb_map_text(v, "text", text);
    lb_map_text(v, "label", lbi_shape_names[f[0].shape]);
    lb_map_text(v, "split", i < o->pairs ? "pairs" : i < o->pairs + o->test ? "test" : "unpaired");
    lb_synth_item(out, v);
done:
    lb_image_free(&img);
    return st;
}

LB_SYNTH(pairs) = {.id = "pairs",
                   .title = "pictures of two shapes with captions: few pairs, many unpaired",
                   .source = "",
                   .params = params,
                   .params_size = sizeof(options),
                   .count = count,
                   .make = make};
