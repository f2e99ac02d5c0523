/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays of NumPy's .npz as numbers and pictures. Whole numbers, booleans, f32 and f64 of both byte orders. Thread-safe. Private to io and to readers. */
#ifndef LB_IO_NPZ_H
#define LB_IO_NPZ_H
#include "io/npy.h"
#include "io/sample.h"
#include "io/zip.h"
LB_BEGIN

typedef struct lbi_array {
    lb_npy head;
    int64_t count;       /* of elements */
    const uint8_t *data; /* the caller's; NULL when only the head was read */
} lbi_array;

LB_MUST_USE lb_status lbi_array_open(lbi_array *out, const uint8_t *data, size_t size);
/* Array `name` of an archive: its bytes in new memory (*memory, lb_free), which the array points into. LB_E_LIMIT beyond `limit` bytes. */
LB_MUST_USE lb_status lbi_npz_read(lbi_array *out, uint8_t **memory, const lbi_zip *z, const char *name, size_t limit);
/* Only what its head says. */
LB_MUST_USE lb_status lbi_npz_head(lbi_array *out, const lbi_zip *z, const char *name);
/* Element at a flat index in row-major order. */
double lbi_array_value(const lbi_array *a, int64_t i);
/* [H,W] or [H,W,C] with C <= 4; index >= 0: that one of [N,H,W] or [N,H,W,C]. Whole numbers of 0 to 255 (65535 with `deep`, which gives 16 bits
 * where they are needed) are kept. Reals within 0..1 become 0..255 when not `deep`, rounded; any others are LB_E_UNSUPPORTED. */
LB_MUST_USE lb_status lbi_array_picture(lb_image *out, const lbi_array *a, int64_t index, bool deep, int64_t max_pixels);

LB_END
#endif
