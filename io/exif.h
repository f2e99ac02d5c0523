/* SPDX-License-Identifier: Apache-2.0 */
/* The orientation tag of picture files. Private to io. */
#ifndef LB_IO_EXIF_H
#define LB_IO_EXIF_H
#include <stddef.h>
#include <stdint.h>
#include "base/attr.h"
LB_BEGIN

/* Orientation 1..8 of a TIFF block ("II*\0" or "MM\0*", EXIF 2.3 section 4.6.4, tag 0x0112); 0 = none or malformed. */
int lbi_exif_orientation(const uint8_t *tiff, size_t size);
/* Orientation of an XMP packet (tiff:Orientation="6" or <tiff:Orientation>6); 0 = none. */
int lbi_xmp_orientation(const uint8_t *xml, size_t size);

LB_END
#endif
