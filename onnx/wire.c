/* SPDX-License-Identifier: Apache-2.0 */
#include "onnx/wire.h"
#include <string.h>

static bool varint(uint64_t *out, onnx_bytes *left) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (!left->size) return false;
        uint8_t byte = *left->at++;
        left->size--;
        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) {
            *out = value;
            return true;
        }
    }
    return false;
}

static bool fixed(uint64_t *out, onnx_bytes *left, size_t width) {
    *out = 0;
    if (left->size < width) return false;
    for (size_t i = 0; i < width; i++) *out |= (uint64_t)left->at[i] << 8 * i;
    left->at += width;
    left->size -= width;
    return true;
}

lb_status onnx_next(onnx_field *f, onnx_bytes *left, bool *end) {
    uint64_t key = 0, size = 0;
    *end = left->size == 0;
    if (*end) return LB_OK;
    size_t before = left->size;
    memset(f, 0, sizeof *f);
    if (!varint(&key, left) || key >> 3 == 0 || key >> 3 > UINT32_MAX) return lb_fail(LB_E_FORMAT, "no field begins %zu bytes before the end of a message", before);
    f->number = (uint32_t)(key >> 3);
    f->type = (int)(key & 7);
    bool fits = true;
    switch (f->type) {
    case 0: fits = varint(&f->value, left); break;
    case 1: fits = fixed(&f->value, left, 8); break;
    case 5: fits = fixed(&f->value, left, 4); break;
    case 2:
        fits = varint(&size, left) && size <= left->size;
        if (!fits) break;
        f->bytes = (onnx_bytes){left->at, (size_t)size};
        left->at += size;
        left->size -= (size_t)size;
        break;
    default: return lb_fail(LB_E_FORMAT, "field %u has the unknown wire type %d", f->number, f->type);
    }
    return fits ? LB_OK : lb_fail(LB_E_FORMAT, "field %u runs over the end of its message", f->number);
}

lb_status onnx_each(const onnx_field *f, int width, void (*fn)(void *ctx, uint64_t value), void *ctx) {
    onnx_bytes left = f->bytes;
    uint64_t value;
    if (f->type != 2) {
        fn(ctx, f->value);
        return LB_OK;
    }
    while (left.size) {
        if (!(width ? fixed(&value, &left, (size_t)width) : varint(&value, &left))) return lb_fail(LB_E_FORMAT, "packed numbers of field %u end in the middle of one", f->number);
        fn(ctx, value);
    }
    return LB_OK;
}

size_t onnx_count(const onnx_field *f, int width) {
    size_t n = 0;
    if (f->type != 2) return 1;
    if (width) return f->bytes.size / (size_t)width;
    for (size_t i = 0; i < f->bytes.size; i++) n += f->bytes.at[i] < 128;
    return n;
}

float onnx_float(uint64_t bits) {
    uint32_t low = (uint32_t)bits;
    float f;
    memcpy(&f, &low, 4);
    return f;
}

double onnx_double(uint64_t bits) {
    double d;
    memcpy(&d, &bits, 8);
    return d;
}
