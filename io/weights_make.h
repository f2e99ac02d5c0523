/* SPDX-License-Identifier: Apache-2.0 */
/* What weight formats build a list of tensors with. Private to io. */
#ifndef LB_IO_WEIGHTS_MAKE_H
#define LB_IO_WEIGHTS_MAKE_H
#include "io/weights.h"
LB_BEGIN

/* Appends a tensor; the name's n bytes are copied, data must live as long as the weights. Any rank beyond LB_MAX_RANK is the caller's
 * to refuse. */
LB_MUST_USE lb_status lbi_weights_add(lb_weights *w, const char *name, size_t n, lb_dtype dtype, int rank, const int64_t *shape, const void *data, size_t bytes);

/* elements * size of dtype, or false when it overflows or a size is negative. */
LB_MUST_USE bool lbi_weight_bytes(size_t *out, lb_dtype dtype, int rank, const int64_t *shape);

/* Data that does not begin at a multiple of its element's size is copied: *data then is the copy. */
LB_MUST_USE lb_status lbi_weight_align(lb_weights *w, const uint8_t **data, size_t bytes, lb_dtype dtype);

/* Copies a strided array of elements of `size` bytes into a contiguous one; strides in elements. */
void lbi_weight_gather(uint8_t *dst, const uint8_t *src, size_t size, int rank, const int64_t *shape, const int64_t *stride);

/* Gives the file's metadata; of several shards the first that has a key says its value. take_map moves in every case. */
LB_MUST_USE lb_status lbi_weights_metadata(lb_weights *w, lb_value *take_map);

LB_END
#endif
