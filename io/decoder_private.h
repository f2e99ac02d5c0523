/* SPDX-License-Identifier: Apache-2.0 */
/* What the decoders share. Private to io. */
#ifndef LB_IO_DECODER_PRIVATE_H
#define LB_IO_DECODER_PRIVATE_H
#include "io/decoder.h"
LB_BEGIN

/* A declared size against the limit of the options (NULL = the default): LB_E_LIMIT, or LB_E_FORMAT for sizes no picture has; the asked frame
 * against the number of frames: LB_E_ARG. */
LB_MUST_USE lb_status lbi_check_pixels(const char *what, int64_t width, int64_t height, int64_t frames, const lb_decode_options *o);
/* The picture handed out, turned upright when orientation > 1. *take_own is empty afterwards unless it was turned or this failed. */
LB_MUST_USE lb_status lbi_finish(lb_image *out, lb_image *take_own, int orientation);

/* One picture by a decoder's begin, at and end. */
LB_MUST_USE lb_status lbi_decode_one(lb_image *out, const lb_decoder *d, const uint8_t *data, size_t size, const lb_decode_options *o);
/* A decoded picture in its own channels becomes 8-bit RGB and is resized as `fit` says (NULL = not); in place. */
LB_MUST_USE lb_status lbi_image_rgb(lb_image *img, lb_fit *fit);

LB_END
#endif
