/* SPDX-License-Identifier: Apache-2.0 */
/* A sample: what decoding an item gives. Plain data, owned by whoever decoded it. */
#ifndef LB_IO_SAMPLE_H
#define LB_IO_SAMPLE_H
#include "base/alloc.h"
LB_BEGIN

/* Pixels [height, width, channels] row-major without gaps. Channels: 1 grey, 2 grey+alpha, 3 RGB, 4 RGBA. */
typedef struct lb_image {
    int32_t width, height, channels;
    int bits;       /* 8: u8 samples; 16: native-endian u16 (kept for masks and medical images) */
    void *pixels;
} lb_image;
LB_API void lb_image_free(lb_image *img); /* frees pixels, zeroes the struct */
/** Allocates uninitialised pixels; LB_E_ARG for sizes < 1. */
LB_API LB_MUST_USE lb_status lb_image_new(lb_image *out, int32_t width, int32_t height, int32_t channels, int bits);

typedef struct lb_media_info {
    char kind[16];    /* "image", "video", "audio", "text" */
    char codec[32];   /* "jpeg", "png", ... */
    int32_t width, height, channels;
    int bits;
    int orientation;  /* EXIF 1..8, 1 = upright */
    int64_t frames;
    double duration_s;
    char note[128];   /* "progressive", "CMYK", "interlaced, palette with transparency" */
} lb_media_info;

LB_END
#endif
