/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes of what a picture looks like, 64 bits: pictures that look alike have hashes that differ in few bits. Equal to those of imagehash 4.3 (Buchner,
 * github.com/JohannesBuchner/imagehash), first bit highest. Thread-safe. */
#ifndef LB_IO_PHASH_H
#define LB_IO_PHASH_H
#include "io/sample.h"
LB_BEGIN

/** dHash: grey, resized to 9 x 8 (Lanczos); is a pixel brighter than its left neighbour? img: RGB u8. */
LB_API LB_MUST_USE lb_status lb_image_dhash(uint64_t *out, const lb_image *img);
/** pHash: grey, resized to 32 x 32; of the two-dimensional cosine transform the 8 x 8 lowest, against their median. */
LB_API LB_MUST_USE lb_status lb_image_phash(uint64_t *out, const lb_image *img);

/* Two that are near. */
typedef struct lb_near {
    int64_t a, b; /* a < b */
    int distance; /* bits */
} lb_near;
/** All pairs of hashes that differ in at most `distance` bits (0..16), by a, then b, as a new array. LB_E_LIMIT beyond `most` pairs. */
LB_API LB_MUST_USE lb_status lb_near_pairs(lb_near **out, int64_t *count, const uint64_t *hashes, int64_t n, int distance, int64_t most);

LB_END
#endif
