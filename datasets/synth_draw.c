/* SPDX-License-Identifier: Apache-2.0 */
#include "datasets/synth_draw.h"
#include <math.h>
#include <string.h>
#include <stdlib.h>

const char *const lbi_shape_names[LBI_SHAPES] = {"circle", "square", "triangle", "star", "ring", "cross"};
const char *const lbi_colour_names[LBI_COLOURS] = {"red", "green", "blue", "yellow", "purple", "orange", "black", "white"};
const char *const lbi_texture_names[LBI_TEXTURES] = {"plain", "striped", "checked", "speckled"};
const char *const lbi_style_names[LBI_STYLES] = {"colour", "grey", "edges", "noise"};
static const uint8_t colours[LBI_COLOURS][3] = {{214, 39, 40}, {44, 160, 44}, {31, 87, 200}, {240, 210, 40}, {130, 60, 180}, {255, 127, 14}, {20, 20, 20}, {250, 250, 250}};
static const double pi = 3.14159265358979323846;

lbi_figure lbi_draw_figure(lb_rng *rng, double least, double most) {
    lbi_figure f = {.shape = (int)lb_rng_below(rng, LBI_SHAPES), .colour = (int)lb_rng_below(rng, LBI_COLOURS)};
    f.radius = least + (most - least) * lb_rng_uniform(rng);
    f.x = f.radius + (1 - 2 * f.radius) * lb_rng_uniform(rng);
    f.y = f.radius + (1 - 2 * f.radius) * lb_rng_uniform(rng);
    f.angle = 2 * pi * lb_rng_uniform(rng);
    return f;
}

const char *lbi_article(const char *word) { return strchr("aeiou", word[0]) ? "an" : "a"; }

const char *lbi_size_name(const lbi_figure *f) { return f->radius < 0.17 ? "small" : f->radius > 0.27 ? "large" : ""; }

/* (u, v): the pixel's centre in the figure's frame, radius 1. */
static bool inside(int shape, double u, double v) {
    double r = sqrt(u * u + v * v), a;
    switch (shape) {
    case 0: return r <= 1;
    case 1: return fabs(u) <= 0.75 && fabs(v) <= 0.75;
    case 2: return v >= -0.5 && v <= 1 - sqrt(3.0) * fabs(u);
    case 3: /* five points: the edge runs from radius 1 at a tip to 0.45 between two */
        a = fabs(remainder(atan2(v, u), 2 * pi / 5));
        return r * (0.45 * sin(a) + sin(pi / 5 - a)) <= 0.45 * sin(pi / 5);
    case 4: return r <= 1 && r >= 0.55;
    default: return (fabs(u) <= 0.28 && fabs(v) <= 0.95) || (fabs(v) <= 0.28 && fabs(u) <= 0.95);
    }
}

void lbi_paint_background(lb_image *img, int texture, lb_rng *rng) {
    uint8_t *p = img->pixels;
    double tone[2][3], slope = 2 * pi * lb_rng_uniform(rng), period = 4 + 8 * lb_rng_uniform(rng);
    for (int k = 0; k < 3; k++) {
        tone[0][k] = 150 + 70 * lb_rng_uniform(rng);
        tone[1][k] = tone[0][k] - 25 - 20 * lb_rng_uniform(rng);
    }
    for (int y = 0; y < img->height; y++)
        for (int x = 0; x < img->width; x++) {
            int which = 0;
            if (texture == 1) which = fmod(fabs(x * cos(slope) + y * sin(slope)), 2 * period) < period;
            else if (texture == 2) which = ((int)(x / period) + (int)(y / period)) % 2;
            else if (texture == 3) which = lb_rng_uniform(rng) < 0.3;
            for (int k = 0; k < 3; k++) *p++ = (uint8_t)tone[which][k];
        }
}

void lbi_paint_figure(lb_image *img, lb_image *mask, const lbi_figure *f, uint8_t value) {
    double c = cos(f->angle), s = sin(f->angle), side = img->width;
    for (int y = 0; y < img->height; y++)
        for (int x = 0; x < img->width; x++) {
            double dx = ((x + 0.5) / side - f->x) / f->radius, dy = ((y + 0.5) / side - f->y) / f->radius;
            if (!inside(f->shape, c * dx + s * dy, c * dy - s * dx)) continue;
            uint8_t *p = (uint8_t *)img->pixels + 3 * ((size_t)y * (size_t)img->width + (size_t)x);
            for (int k = 0; k < 3; k++) p[k] = colours[f->colour][k];
            if (mask) ((uint8_t *)mask->pixels)[(size_t)y * (size_t)mask->width + (size_t)x] = value;
        }
}

static void to_grey(lb_image *img) {
    uint8_t *p = img->pixels;
    for (int64_t i = 0, n = (int64_t)img->width * img->height; i < n; i++, p += 3) p[0] = p[1] = p[2] = (uint8_t)((p[0] * 299 + p[1] * 587 + p[2] * 114 + 500) / 1000);
}

/* In place, from the top left: each pixel becomes its difference to the right and below. */
static void to_edges(lb_image *img) {
    uint8_t *p = img->pixels;
    int w = img->width, h = img->height;
    to_grey(img);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++, p += 3) {
            int right = x + 1 < w ? abs(p[3] - p[0]) : 0, below = y + 1 < h ? abs(p[3 * w] - p[0]) : 0, e = 2 * (right + below);
            p[0] = p[1] = p[2] = (uint8_t)(e > 255 ? 255 : e);
        }
}

void lbi_paint_style(lb_image *img, int style, lb_rng *rng) {
    uint8_t *p = img->pixels;
    if (style == 1) to_grey(img);
    else if (style == 2) to_edges(img);
    else if (style == 3)
        for (int64_t i = 0, n = (int64_t)img->width * img->height * 3; i < n; i++) {
            double v = p[i] + 40 * lb_rng_normal(rng);
            p[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
        }
}
