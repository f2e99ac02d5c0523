/* SPDX-License-Identifier: Apache-2.0 */
/* The header of a NIfTI file as it is needed to read it. Private to io. */
#ifndef LB_IO_VOLUME_PRIVATE_H
#define LB_IO_VOLUME_PRIVATE_H
#include "io/volume.h"
LB_BEGIN

struct lbi_nifti {
    lb_volume v; /* without values */
    int type, bytes, version;
    bool swap, pair; /* pair: the values are in an .img file */
    size_t offset;   /* of the first value */
    double slope, intercept;
};

/* 1, 2, or 0 for no NIfTI; compressed or not. */
int lbi_nifti_version(const uint8_t *data, size_t size);
LB_MUST_USE lb_status lbi_nifti_open(struct lbi_nifti *out, const uint8_t *data, size_t size);
/* n bytes from `from` on, inflated if the file is compressed. */
LB_MUST_USE lb_status lbi_nifti_bytes(uint8_t *dst, size_t n, size_t from, const uint8_t *data, size_t size);

LB_END
#endif
