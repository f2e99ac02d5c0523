/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include "datasets/synth.h"
#include "datasets/synth_draw.h"

typedef struct options {
    int64_t each, size;
    double test;
} options;

static const lb_param params[] = {
    LB_PARAM(options, each, 40, 1, 1e6, "items", "pictures of a class"),
    LB_PARAM(options, size, 48, 16, 4096, "px", "side of the pictures"),
    LB_PARAM(options, test, 0.25, 0, 1, "1", "share of each class in test/, the rest is in train/"),
    LB_PARAM_END};

static int64_t count(const void *cfg) { return ((const options *)cfg)->each * LBI_SHAPES; }

static lb_status make(lb_synth_out *out, const void *cfg, int64_t i, lb_rng *rng) {
    const options *o = cfg;
    lb_status st = LB_OK;
    lb_image img = {0};
    char picture[64];
    int64_t nth = i / LBI_SHAPES;
    const char *split = (double)nth < o->test * (double)o->each ? "test" : "train";
    lbi_figure f = lbi_draw_figure(rng, 0.15, 0.4);
    f.shape = (int)(i % LBI_SHAPES);
    LB_TRY(lb_image_new(&img, (int32_t)o->size, (int32_t)o->size, 3, 8));
    lbi_paint_background(&img, (int)lb_rng_below(rng, LBI_TEXTURES), rng);
    lbi_paint_figure(&img, NULL, &f, 0);
    snprintf(picture, sizeof picture, "%s/%s/%06lld.png", split, lbi_shape_names[f.shape], (long long)nth);
    LB_TRY(lb_synth_picture(out, &img, picture));
    lb_value *v = lb_value_map();
    lb_map_text(v, "key", picture);
    lb_map_text(v, "image", picture);
    lb_map_text(v, "label", lbi_shape_names[f.shape]);
    lb_map_text(v, "split", split);
    lb_synth_item(out, v);
done:
    lb_image_free(&img);
    return st;
}

LB_SYNTH(classes) = {.id = "classes", .title = "class folders of shapes, train and test", .source = "", .params = params, .params_size = sizeof(options), .count = count, .make = make};
