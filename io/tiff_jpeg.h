/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of a TIFF whose strips or tiles are JPEG files without their tables (compression 7, TIFF Technical Note 2), which FFmpeg does not decode. Private to io. */
#ifndef LB_IO_TIFF_JPEG_H
#define LB_IO_TIFF_JPEG_H
#include "io/decoder_private.h"

/* Is the page of this directory such a one? */
bool lbi_tiff_is_jpeg(const uint8_t *data, size_t size, size_t directory);
/* Decodes it, not turned, in the size that the caller found and checked. */
LB_MUST_USE lb_status lbi_tiff_jpeg(lb_image *out, const uint8_t *data, size_t size, size_t directory, const lb_media_info *page, const lb_decode_options *o);

#endif
