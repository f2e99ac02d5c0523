/* SPDX-License-Identifier: Apache-2.0 */
/* Scenes of colour emoji over textures, in styles. An emoji drawn on white and on black gives its alpha, 255 - (white - black), and with it an exact
 * mask. Emoji of the test scenes are in no other. */
#include <stdio.h>
#include <string.h>
#include "datasets/reader.h"
#include "datasets/synth.h"
#include "datasets/synth_draw.h"
#include "io/image.h"

typedef struct options {
    int64_t teacher, labelled, unlabelled, test, size, emoji;
} options;

static const lb_param params[] = {
    LB_PARAM(options, teacher, 600, 0, 1e7, "items", "scenes with masks for a teacher (split \"teacher\")"),
    LB_PARAM(options, labelled, 40, 0, 1e7, "items", "scenes with masks (split \"labelled\")"),
    LB_PARAM(options, unlabelled, 600, 0, 1e7, "items", "scenes without masks (split \"unlabelled\")"),
    LB_PARAM(options, test, 160, 0, 1e7, "items", "held-out scenes with masks, of other emoji (split \"test\")"),
    LB_PARAM(options, size, 96, 32, 4096, "px", "side of the pictures"),
    LB_PARAM(options, emoji, 3, 1, 20, "1", "most emoji of a scene"),
    LB_PARAM_END};

enum { HELD_OUT = 5 }; /* every fifth emoji is of the test scenes */

typedef struct fonts {
    lb_items *white, *black;
} fonts;

static void close(void *p) {
    fonts *f = p;
    lb_items_free(f->white);
    lb_items_free(f->black);
    lb_free(f);
}

static lb_status open_on(lb_items **out, const char *background) {
    static const char *const input = "emoji";
    lb_value *words = lb_value_map();
    lb_map_text(words, "background", background);
    lb_status st = lb_items_open(out, 1, &input, "emoji", words);
    lb_value_free(words);
    return st;
}

static lb_status open(void **state, const void *cfg) {
    (void)cfg;
    fonts *f = lb_calloc(1, sizeof *f);
    if (!f) return LB_E_NOMEM;
    lb_status st = open_on(&f->white, "white");
    if (st == LB_OK) st = open_on(&f->black, "black");
    if (st == LB_OK && f->white->count < 2 * HELD_OUT) st = lb_fail(LB_E_NOTFOUND, "emoji-scenes: %lld emoji are too few", (long long)f->white->count);
    if (st == LB_OK) *state = f;
    else close(f);
    return st;
}

static int64_t count(const void *cfg) {
    const options *o = cfg;
    return o->teacher + o->labelled + o->unlabelled + o->test;
}

static const char *split_of(const options *o, int64_t i) {
    if (i < o->test) return "test";
    if (i < o->test + o->labelled) return "labelled";
    return i < o->test + o->labelled + o->unlabelled ? "unlabelled" : "teacher";
}

/* Glyph i of one side, resized. */
static lb_status glyph(lb_image *out, const lb_items *items, int64_t i, int32_t side) {
    lb_image img = {0};
    lb_status st = lb_item_image(&img, items, &items->at[i]);
    if (st == LB_OK) st = lb_image_resize(out, &img, side, side, LB_FILTER_BILINEAR);
    lb_image_free(&img);
    return st;
}

static lb_status paste(lb_image *scene, lb_image *mask, const fonts *f, int64_t which, int32_t side, int32_t x0, int32_t y0) {
    lb_image white = {0}, black = {0};
    lb_status st = glyph(&white, f->white, which, side);
    if (st == LB_OK) st = glyph(&black, f->black, which, side);
    for (int32_t y = 0; st == LB_OK && y < side; y++)
        for (int32_t x = 0; x < side; x++) {
            int32_t sx = x0 + x, sy = y0 + y;
            if (sx < 0 || sy < 0 || sx >= scene->width || sy >= scene->height) continue;
            const uint8_t *w = (const uint8_t *)white.pixels + (y * side + x) * 3, *b = (const uint8_t *)black.pixels + (y * side + x) * 3;
            uint8_t *p = (uint8_t *)scene->pixels + (sy * scene->width + sx) * 3;
            int alpha = 255 - (w[0] - b[0] + w[1] - b[1] + w[2] - b[2] + 1) / 3;
            alpha = alpha < 0 ? 0 : alpha > 255 ? 255 : alpha;
            for (int c = 0; c < 3; c++) {
                int v = b[c] + (p[c] * (255 - alpha) + 127) / 255;
                p[c] = (uint8_t)(v > 255 ? 255 : v);
            }
            if (alpha >= 128) ((uint8_t *)mask->pixels)[sy * scene->width + sx] = 1;
        }
    lb_image_free(&white);
    lb_image_free(&black);
    return st;
}

/* Of the test scenes' emoji, or of the others. */
static int64_t draw_emoji(lb_rng *rng, int64_t all, bool test) {
    int64_t i = lb_rng_below(rng, all / HELD_OUT) * HELD_OUT;
    return test ? i : i + 1 + lb_rng_below(rng, HELD_OUT - 1);
}

static lb_status make(lb_synth_out *out, const void *cfg, int64_t i, lb_rng *rng) {
    const options *o = cfg;
    const fonts *f = lb_synth_state(out);
    lb_status st = LB_OK;
    lb_image img = {0}, mask = {0};
    char picture[48], cut[48];
    int style = (int)(i % LBI_STYLES);
    const char *split = split_of(o, i);
    bool masked = strcmp(split, "unlabelled") != 0;
    LB_TRY(lb_image_new(&img, (int32_t)o->size, (int32_t)o->size, 3, 8));
    LB_TRY(lb_image_new(&mask, (int32_t)o->size, (int32_t)o->size, 1, 8));
    memset(mask.pixels, 0, (size_t)(o->size * o->size));
    lbi_paint_background(&img, (int)lb_rng_below(rng, LBI_TEXTURES), rng);
    for (int64_t n = 1 + lb_rng_below(rng, o->emoji); n > 0; n--) {
        int64_t which = draw_emoji(rng, f->white->count, strcmp(split, "test") == 0);
        int32_t side = (int32_t)((0.25 + 0.3 * lb_rng_uniform(rng)) * (double)o->size), room = (int32_t)o->size - side / 2;
        int32_t x = (int32_t)lb_rng_below(rng, room) - side / 4, y = (int32_t)lb_rng_below(rng, room) - side / 4;
        LB_TRY(paste(&img, &mask, f, which, side, x, y));
    }
    lbi_paint_style(&img, style, rng);
    snprintf(picture, sizeof picture, "images/%06lld.png", (long long)i);
    snprintf(cut, sizeof cut, "masks/%06lld.png", (long long)i);
    LB_TRY(lb_synth_picture(out, &img, picture));
    if (masked) LB_TRY(lb_synth_picture(out, &mask, cut));
    lb_value *v = lb_value_map();
    lb_map_text(v, "key", picture);
    lb_map_text(v, "image", picture);
    if (masked) lb_map_text(v, "mask", cut);
    lb_map_text(v, "split", split);
    lb_map_text(v, "domain", lbi_style_names[style]);
    lb_synth_item(out, v);
done:
    lb_image_free(&img);
    lb_image_free(&mask);
    return st;
}

LB_SYNTH(emoji_scenes) = {.id = "emoji_scenes",
                          .title = "colour emoji over textures in four styles (domains) with exact masks",
                          .source = "",
                          .params = params,
                          .params_size = sizeof(options),
                          .count = count,
                          .open = open,
                          .close = close,
                          .make = make};
