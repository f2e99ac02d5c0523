/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include "datasets/synth.h"
#include "datasets/synth_draw.h"

typedef struct options {
    int64_t count, size;
    double test;
} options;

static const lb_param params[] = {
    LB_PARAM(options, count, 200, 1, 1e7, "items", "pictures"),
    LB_PARAM(options, size, 64, 16, 4096, "px", "side of the pictures"),
    LB_PARAM(options, test, 0.2, 0, 1, "1", "share of the split \"test\"; the rest is \"train\""),
    LB_PARAM_END};

static int64_t count(const void *cfg) { return ((const options *)cfg)->count; }

static lb_status make(lb_synth_out *out, const void *cfg, int64_t i, lb_rng *rng) {
    const options *o = cfg;
    lb_status st = LB_OK;
    lb_image img = {0}, mask = {0};
    char picture[48], cut[48], text[128];
    int texture = (int)lb_rng_below(rng, LBI_TEXTURES);
    lbi_figure f = lbi_draw_figure(rng, 0.12, 0.35);
    const char *size = lbi_size_name(&f);
    bool test = lb_rng_uniform(rng) < o->test;
    LB_TRY(lb_image_new(&img, (int32_t)o->size, (int32_t)o->size, 3, 8));
    LB_TRY(lb_image_new(&mask, (int32_t)o->size, (int32_t)o->size, 1, 8));
    memset(mask.pixels, 0, (size_t)(o->size * o->size));
    lbi_paint_background(&img, texture, rng);
    lbi_paint_figure(&img, &mask, &f, (uint8_t)(f.shape + 1));
    snprintf(picture, sizeof picture, "images/%06lld.png", (long long)i);
    snprintf(cut, sizeof cut, "masks/%06lld.png", (long long)i);
    snprintf(text, sizeof text, "%s %s%s%s %s on a %s background", lbi_article(*size ? size : lbi_colour_names[f.colour]), size, *size ? " " : "",
             lbi_colour_names[f.colour], lbi_shape_names[f.shape], lbi_texture_names[texture]);
    LB_TRY(lb_synth_picture(out, &img, picture));
    LB_TRY(lb_synth_picture(out, &mask, cut));
    lb_value *v = lb_value_map();
    lb_map_text(v, "key", picture);
    lb_map_text(v, "image", picture);
    lb_map_text(v, "mask", cut);
    lb_map_text(v, "text", text);
    lb_map_text(v, "label", lbi_shape_names[f.shape]);
    lb_map_text(v, "split", test ? "test" : "train");
    lb_synth_item(out, v);
done:
    lb_image_free(&img);
    lb_image_free(&mask);
    return st;
}

LB_SYNTH(shapes) = {.id = "shapes",
                    .title = "one coloured shape on a texture: caption, label, exact mask (1 + index of the shape)",
                    .source = "",
                    .params = params,
                    .params_size = sizeof(options),
                    .count = count,
                    .make = make};
