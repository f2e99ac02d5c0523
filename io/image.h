/* SPDX-License-Identifier: Apache-2.0 */
/* Geometry and colour on pixels, shared by datasets and vision. All thread-safe, outputs are new images, equal to Pillow's bytes
 * where a Pillow counterpart exists (source: Pillow, libImaging/Resample.c, Convert.c). */
#ifndef LB_IO_IMAGE_H
#define LB_IO_IMAGE_H
#include "base/buf.h"
#include "io/sample.h"
LB_BEGIN

typedef enum lb_filter { LB_FILTER_BICUBIC = 0, LB_FILTER_BILINEAR, LB_FILTER_LANCZOS, LB_FILTER_BOX, LB_FILTER_NEAREST, LB_FILTER_HAMMING } lb_filter;
LB_API LB_MUST_USE lb_status lb_filter_parse(lb_filter *out, const char *name);

/** Image.resize((width, height), filter) of Pillow 13.0: horizontal pass, then vertical (the other way round when the height shrinks by
 *  more than twice as many pixels as the width), rounded to u8 between; 22-bit fixed-point weights. u8 only (nearest: u16 too), 1 to 4 channels (alpha is
 *  not premultiplied). */
LB_API LB_MUST_USE lb_status lb_image_resize(lb_image *out, const lb_image *in, int32_t width, int32_t height, lb_filter filter);
/* A resize that a decoder does on the way: rows go through the horizontal pass as they come, so the whole picture is never held. */
typedef struct lb_fit {
    void (*size)(const void *ctx, int32_t w, int32_t h, int32_t *out_w, int32_t *out_h); /* of the result, for a picture of w x h pixels, upright */
    const void *ctx;
    lb_filter filter;
    int32_t width, height; /* out: the picture's own size; 0 until it is resized */
} lb_fit;
/** Does it where no decoder did; the bytes are the same. */
LB_API LB_MUST_USE lb_status lb_image_fit(lb_image *img, lb_fit *fit);

/** Cut out [x, x+w) x [y, y+h); parts outside are filled with `fill` (u8 per channel, NULL = 0). */
LB_API LB_MUST_USE lb_status lb_image_crop(lb_image *out, const lb_image *in, int32_t x, int32_t y, int32_t w, int32_t h, const uint8_t *fill);
LB_API LB_MUST_USE lb_status lb_image_flip(lb_image *out, const lb_image *in, bool horizontal, bool vertical);
/** EXIF orientation 1..8 made upright. */
LB_API LB_MUST_USE lb_status lb_image_orient(lb_image *out, const lb_image *in, int orientation);
/** 8-bit RGB: grey repeated, alpha dropped. 16 bits become 8 as in Pillow 13.0: one-channel grey is clipped at 255 (mode I;16), all other
 *  pictures keep the high byte. */
LB_API LB_MUST_USE lb_status lb_image_to_rgb(lb_image *out, const lb_image *in);
/** Alpha-composited over a colour: u8 RGBA -> RGB, out = (c*a + bg*(255-a) + 127)/255. */
LB_API LB_MUST_USE lb_status lb_image_over(lb_image *out, const lb_image *rgba, const uint8_t background[3]);
/** PNG file bytes, 1 to 4 channels u8; appended to out. */
LB_API LB_MUST_USE lb_status lb_png_encode(lb_buf *out, const lb_image *img);
LB_API LB_MUST_USE lb_status lb_jpeg_encode(lb_buf *out, const lb_image *img, int quality);

LB_END
#endif
