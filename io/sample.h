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
    int32_t pad_right, pad_bottom; /* of the size, what was filled in to reach it */
} lb_image;
LB_API void lb_image_free(lb_image *img); /* frees pixels, zeroes the struct */
/** Allocates uninitialised pixels; LB_E_ARG for sizes < 1. */
LB_API LB_MUST_USE lb_status lb_image_new(lb_image *out, int32_t width, int32_t height, int32_t channels, int bits);

/* Sound [channels, frames] row-major: one plane a channel, full scale is -1..1. */
typedef struct lb_audio {
    int channels, rate_hz;
    int64_t frames;
    double start_s; /* time of the first sample in the file */
    float *samples;
} lb_audio;
LB_API void lb_audio_free(lb_audio *a);

/* Values [depth, height, width] of a medical volume, scaled as its header says (value * slope + intercept). */
typedef struct lb_volume {
    int64_t width, height, depth; /* i, j, k of the file: i varies fastest */
    int64_t index, count;         /* which of `count` volumes of a series this is */
    double spacing_mm[3];         /* of i, j, k */
    double affine[3][4];          /* voxel (i, j, k, 1) -> millimetres in the scanner's space (x to the right, y forward, z up) */
    char orientation[4];          /* where i, j, k grow to: "RAS", "LPS", ... */
    bool whole;                   /* unsigned whole numbers below 65536 that no slope changed: a label map or raw grey values */
    double least, most;           /* of the finite values */
    float *values;
} lb_volume;
LB_API void lb_volume_free(lb_volume *v);

/* What a file says of itself; 0 and "" where it does not apply or the file does not say. */
typedef struct lb_media_info {
    char kind[16];      /* "image", "video", "audio", "volume", "text" */
    char codec[32];     /* "jpeg", "png", "h264", ...: of the pictures, or of the sound when there are none */
    char container[32]; /* of video and audio: "mov,mp4" ... */
    int32_t width, height, channels; /* channels of pixels, or of sound */
    int bits;
    int orientation;    /* EXIF 1..8, 1 = upright; a turned video is told in the same numbers */
    int64_t frames;     /* of an animation or video, slices of a volume, samples of sound a channel; of video what the header promises */
    double duration_s;
    double rate_hz;     /* frames or samples a second, on average */
    char sound[32];     /* codec of a video's sound track */
    double spacing_mm[3];
    char note[128];     /* "progressive", "CMYK", "interlaced, palette with transparency" */
} lb_media_info;

LB_END
#endif
