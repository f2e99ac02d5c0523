/* SPDX-License-Identifier: Apache-2.0 */
/* The family of decoders: one file in io/decoders, one line in io/decoders.def. Descriptors are const; decode is thread-safe. */
#ifndef LB_IO_DECODER_H
#define LB_IO_DECODER_H
#include "base/registry.h"
#include "io/image.h"
LB_BEGIN

typedef struct lb_decode_options {
    int64_t max_pixels;   /* 0 = 178,956,970 (Pillow's decompression-bomb limit); checked before allocation: LB_E_LIMIT */
    bool keep_orientation; /* true: leave the EXIF orientation unapplied */
    bool partial;         /* truncated file: give what was decoded instead of LB_E_FORMAT */
    bool keep_depth;      /* 16-bit stays 16-bit; else reduced to 8 as stated in io/image.h */
    bool keep_palette;    /* a PNG's palette indices, and its grey values of less than 8 bits unscaled, for masks; other kinds have no such pictures or expand them */
    int32_t at_least;     /* fast mode, 0 = off: a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size (scaled inverse DCT) while its shorter side
                             stays at least this; pixels differ from decoding whole and shrinking, so the mode belongs into fingerprints */
    int64_t frame;        /* of an animation or a volume, from 0; LB_E_ARG beyond the last */
    int axis;             /* of a volume: slices across k (0), j (1) or i (2) */
    lb_fit *fit;          /* of the functions that give RGB: resized at once; NULL = not at all. Decoders may leave it to them */
} lb_decode_options;

typedef struct lb_decoder {
    LB_HEAD;
    const char *kind;    /* "image", "volume"; "video" and "audio" are read through io/video.h and io/audio.h */
    const char *endings; /* "jpg jpeg" */
    /* From the first bytes: is this mine? 0..100. The file's name is never trusted. */
    int (*probe)(const uint8_t *head, size_t size);
    lb_status (*info)(lb_media_info *out, const uint8_t *data, size_t size);
    /* Decodes the whole file in memory, in its own channels and depth. On failure *out is untouched. NULL options = defaults.
     * A NULL slot: the kind has no picture of its own. */
    lb_status (*decode)(lb_image *out, const uint8_t *data, size_t size, const lb_decode_options *o);
    /* Pictures of one file that are asked one after the other, where each for itself would be decoded from the begin; NULL slots: it is not. `at` gives picture
     * o->frame as decode does, best in rising order. The data stay the caller's until `end`, which takes NULL. One thread at a time. */
    lb_status (*begin)(void **state, const uint8_t *data, size_t size);
    lb_status (*at)(lb_image *out, void *state, const lb_decode_options *o);
    void (*end)(void *state);
} lb_decoder;
#define LB_DECODER(name) const lb_decoder lb_decoder_##name
extern LB_API const lb_family lb_decoders;

/** The decoder for these bytes; LB_E_UNSUPPORTED (naming the first bytes and what the name promised) when none knows them. */
LB_API LB_MUST_USE lb_status lb_decoder_for(const lb_decoder **out, const uint8_t *data, size_t size, const char *name);
/** Reads and decodes a file (or what a uri names, io/uri.h) to 8-bit RGB as Pillow's `Image.open(f).convert("RGB")` gives (alpha dropped, palette expanded, CMYK
 *  and 16-bit as Pillow does), EXIF orientation applied unless kept. Messages name the path. Thread-safe. */
LB_API LB_MUST_USE lb_status lb_image_read_rgb(lb_image *out, const char *path, const lb_decode_options *o);
/** The same from memory; `name` is for messages. */
LB_API LB_MUST_USE lb_status lb_image_decode_rgb(lb_image *out, const uint8_t *data, size_t size, const char *name, const lb_decode_options *o);
/** What the file says of itself, pixels not decoded. `path` may be a uri. */
LB_API LB_MUST_USE lb_status lb_media_probe(lb_media_info *out, const char *path);

LB_END
#endif
