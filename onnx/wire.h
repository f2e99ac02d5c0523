/* SPDX-License-Identifier: Apache-2.0 */
/* Protocol Buffers' wire format, read in place: a message is a run of (number, type, value); nothing is copied (protobuf.dev/programming-guides/
 * encoding). Every length is checked against the bytes that are left. */
#ifndef LB_ONNX_WIRE_H
#define LB_ONNX_WIRE_H
#include "base/alloc.h"
LB_BEGIN

/* Bytes of a message, a text, or packed numbers. */
typedef struct onnx_bytes {
    const uint8_t *at;
    size_t size;
} onnx_bytes;

typedef struct onnx_field {
    uint32_t number;
    int type;         /* 0 varint, 1 eight bytes, 2 bytes, 5 four bytes */
    uint64_t value;   /* types 0, 1, 5 */
    onnx_bytes bytes; /* type 2 */
} onnx_field;

/** The next field of *left, which moves on. *end when there is none. LB_E_FORMAT for a broken one. */
LB_MUST_USE lb_status onnx_next(onnx_field *f, onnx_bytes *left, bool *end);
/** A repeated number that may be packed: fn(ctx, value) for each, as varint (width 0) or little-endian of 4 or 8 bytes. */
LB_MUST_USE lb_status onnx_each(const onnx_field *f, int width, void (*fn)(void *ctx, uint64_t value), void *ctx);
/** How many numbers that is. */
size_t onnx_count(const onnx_field *f, int width);
float onnx_float(uint64_t bits);
double onnx_double(uint64_t bits);

LB_END
#endif
