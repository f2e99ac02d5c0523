/* SPDX-License-Identifier: Apache-2.0 */
/* What made pictures are drawn with: named shapes in named colours over textured backgrounds. A pixel belongs to a shape when its centre does, so
 * masks are exact. Private to datasets. */
#ifndef LB_DATASETS_SYNTH_DRAW_H
#define LB_DATASETS_SYNTH_DRAW_H
#include "base/rng.h"
#include "io/sample.h"

enum { LBI_SHAPES = 6, LBI_COLOURS = 8, LBI_TEXTURES = 4, LBI_STYLES = 4 };
extern const char *const lbi_shape_names[LBI_SHAPES], *const lbi_colour_names[LBI_COLOURS], *const lbi_texture_names[LBI_TEXTURES], *const lbi_style_names[LBI_STYLES];

typedef struct lbi_figure {
    int shape, colour;
    double x, y, radius, angle; /* of the picture's side, radians */
} lbi_figure;

lbi_figure lbi_draw_figure(lb_rng *rng, double least, double most);
/** "a" or "an". */
const char *lbi_article(const char *word);
/** "small", "large" or "" (between), by the radius. */
const char *lbi_size_name(const lbi_figure *f);
/** Fills an RGB picture with a texture in pale tones. */
void lbi_paint_background(lb_image *img, int texture, lb_rng *rng);
/** Paints a figure, and its value into the mask (1 channel, same size; NULL = none). */
void lbi_paint_figure(lb_image *img, lb_image *mask, const lbi_figure *f, uint8_t value);
/** colour (nothing), grey, edges (absolute differences), noise (Gaussian, standard deviation 40): the "modalities" of one scene. */
void lbi_paint_style(lb_image *img, int style, lb_rng *rng);

#endif
