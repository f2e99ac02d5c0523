/* SPDX-License-Identifier: Apache-2.0 */
/* TensorProto to tensors: raw bytes are used where they lie when they are aligned; numbers in fields, halves and external files as the format
 * has them (onnx.proto3, docs/ExternalData.md). */
#include <stdlib.h>
#include <string.h>
#include "onnx/graph.h"

lb_status onnx_type(lb_dtype *out, int64_t data_type) {
    static const lb_dtype types[] = {[1] = LB_F32,  [2] = LB_U8,   [3] = LB_I8,   [4] = LB_U16,  [5] = LB_I16,  [6] = LB_I32,  [7] = LB_I64,
                                     [9] = LB_BOOL, [10] = LB_F16, [11] = LB_F64, [12] = LB_U32, [13] = LB_U64, [16] = LB_BF16};
    bool known = data_type == 1 || (data_type > 1 && data_type <= 7) || (data_type >= 9 && data_type <= 13) || data_type == 16;
    if (!known) return lb_fail(LB_E_UNSUPPORTED, "%s (type %lld)", data_type == 8 ? "texts" : data_type == 14 || data_type == 15 ? "complex numbers" : "an unknown number type", (long long)data_type);
    *out = types[data_type];
    return LB_OK;
}

typedef struct proto {
    onnx_bytes name, raw, location;
    lb_dtype dtype;
    int rank;
    int64_t shape[LB_MAX_RANK];
    bool has_raw, external, typed;
    int64_t offset, length; /* of external data; length -1 = not stated */
    size_t count;           /* numbers in fields */
} proto;

static void put_dim(void *ctx, uint64_t value) {
    proto *p = ctx;
    if (p->rank < LB_MAX_RANK) p->shape[p->rank] = (int64_t)value;
    p->rank++;
}

static int64_t number_of(onnx_bytes b) {
    char text[32] = {0};
    if (b.size == 0 || b.size >= sizeof text) return -1;
    memcpy(text, b.at, b.size);
    return strtoll(text, NULL, 10);
}

static lb_status external_entry(proto *p, onnx_bytes b) {
    onnx_field f;
    onnx_bytes key = {NULL, 0}, value = {NULL, 0};
    bool end = false;
    lb_status st;
    while ((st = onnx_next(&f, &b, &end)) == LB_OK && !end) {
        if (f.number == 1) key = f.bytes;
        if (f.number == 2) value = f.bytes;
    }
    if (key.size == 8 && memcmp(key.at, "location", 8) == 0) p->location = value;
    if (key.size == 6 && memcmp(key.at, "offset", 6) == 0) p->offset = number_of(value);
    if (key.size == 6 && memcmp(key.at, "length", 6) == 0) p->length = number_of(value);
    return st;
}

/* Width of the numbers of a data field: float_data, int32_data, int64_data, double_data, uint64_data; -1 = another field. */
static int width_of(uint32_t number) {
    if (number == 4) return 4;
    if (number == 10) return 8;
    return number == 5 || number == 7 || number == 11 ? 0 : -1;
}

static lb_status proto_field(proto *p, const onnx_field *f) {
    switch (f->number) {
    case 1: return onnx_each(f, 0, put_dim, p);
    case 2: p->typed = true; return onnx_type(&p->dtype, (int64_t)f->value);
    case 8: p->name = f->bytes; return LB_OK;
    case 9: p->raw = f->bytes, p->has_raw = true; return LB_OK;
    case 13: return external_entry(p, f->bytes);
    case 14: p->external = f->value == 1; return LB_OK;
    default:
        if (width_of(f->number) >= 0) p->count += onnx_count(f, width_of(f->number));
        return LB_OK;
    }
}

typedef struct filling {
    lb_tensor *x;
    int64_t at, count;
    uint32_t field;
} filling;

/* One number of a data field. Halves stand in int32_data as bits. */
static void put_number(void *ctx, uint64_t value) {
    filling *f = ctx;
    if (f->at >= f->count) {
        f->at++;
        return;
    }
    size_t size = lb_dtype_size(f->x->dtype);
    char *to = (char *)f->x->data + (size_t)f->at++ * size;
    if (f->field == 4 || f->field == 10) memcpy(to, &value, size); /* bits of a float or double */
    else if (f->x->dtype == LB_BOOL) *to = value != 0;
    else memcpy(to, &value, size);                              /* little-endian: the low bytes */
}

static bool field_fits(lb_dtype d, uint32_t field) {
    switch (field) {
    case 4: return d == LB_F32;
    case 10: return d == LB_F64;
    case 7: return d == LB_I64;
    case 11: return d == LB_U64 || d == LB_U32;
    default: return d == LB_I32 || d == LB_I16 || d == LB_I8 || d == LB_U8 || d == LB_U16 || d == LB_BOOL || d == LB_F16 || d == LB_BF16;
    }
}

static lb_status fill(lb_tensor *x, onnx_bytes b) {
    onnx_field f;
    bool end = false;
    lb_status st;
    filling to = {x, 0, lb_numel(x), 0};
    while ((st = onnx_next(&f, &b, &end)) == LB_OK && !end) {
        if (width_of(f.number) < 0) continue;
        if (!field_fits(x->dtype, f.number)) return lb_fail(LB_E_FORMAT, "numbers of %s stand in field %u", lb_dtype_name(x->dtype), f.number);
        to.field = f.number;
        st = onnx_each(&f, width_of(f.number), put_number, &to);
        if (st != LB_OK) return st;
    }
    if (st == LB_OK && to.at != to.count) return lb_fail(LB_E_FORMAT, "%lld numbers, its shape has %lld", (long long)to.at, (long long)to.count);
    return st;
}

/* The file of external data beside the model, mapped once. */
static lb_status external(onnx_bytes *out, lb_onnx *m, const proto *p) {
    if (!m) return lb_fail(LB_E_UNSUPPORTED, "external data of a tensor without a model");
    if (p->location.size == 0) return lb_fail(LB_E_FORMAT, "external data without a file");
    char *name = lb_strndup((const char *)p->location.at, p->location.size), *path = NULL;
    lb_status st = LB_OK;
    if (!name) return LB_E_NOMEM;
    if (!*name || *name == '/' || strstr(name, "..")) {
        st = lb_fail(LB_E_FORMAT, "external data in '%s': expected a file beside the model", name);
        goto done;
    }
    int k = 0;
    while (k < m->nexternal && strcmp(m->external_paths[k], name) != 0) k++;
    if (k == m->nexternal) {
        lb_mmap *maps = lb_realloc(m->external, (size_t)k + 1, sizeof *maps);
        if (maps) m->external = maps;
        char **paths = lb_realloc(m->external_paths, (size_t)k + 1, sizeof *paths);
        if (paths) m->external_paths = paths;
        path = lb_path_join(m->folder, name);
        if (!maps || !paths || !path) LB_TRY(LB_E_NOMEM);
        LB_TRY(lb_mmap_open(&m->external[k], path));
        m->external_paths[k] = name;
        name = NULL;
        m->nexternal++;
    }
    size_t size = m->external[k].size, offset = (size_t)p->offset, length = p->length < 0 ? size - offset : (size_t)p->length;
    if (p->offset < 0 || offset > size || length > size - offset) {
        st = lb_fail(LB_E_FORMAT, "external data from byte %lld, %lld bytes: %s has %zu", (long long)p->offset, (long long)p->length, m->external_paths[k], size);
        goto done;
    }
    *out = (onnx_bytes){m->external[k].data + offset, length};
done:
    lb_free(name);
    lb_free(path);
    return st;
}

static lb_status make(lb_tensor **out, lb_onnx *m, const proto *p, onnx_bytes b) {
    int64_t n = 1, bytes;
    if (!p->typed) return lb_fail(LB_E_FORMAT, "no number type");
    if (p->rank > LB_MAX_RANK) return lb_fail(LB_E_UNSUPPORTED, "%d axes, at most %d", p->rank, LB_MAX_RANK);
    for (int d = 0; d < p->rank; d++)
        if (p->shape[d] < 0 || !lb_mul_i64(&n, n, p->shape[d])) return lb_fail(LB_E_FORMAT, "axis %d has size %lld", d, (long long)p->shape[d]);
    for (int d = 0; d < p->rank; d++)
        if (m && m->options.limit_bytes && p->shape[d] > m->options.limit_bytes) return lb_fail(LB_E_LIMIT, "a size of %lld", (long long)p->shape[d]);
    if (!lb_mul_i64(&bytes, n, (int64_t)lb_dtype_size(p->dtype))) return lb_fail(LB_E_LIMIT, "%lld numbers", (long long)n);
    onnx_bytes raw = p->raw;
    if (p->external) {
        lb_status st = external(&raw, m, p);
        if (st != LB_OK) return st;
    }
    if (p->has_raw || p->external) {
        if (raw.size != (size_t)bytes) return lb_fail(LB_E_FORMAT, "%zu bytes of data, its shape and type want %lld", raw.size, (long long)bytes);
        if (m && bytes && (uintptr_t)raw.at % lb_dtype_size(p->dtype) == 0) return lb_tensor_borrow(out, p->dtype, p->rank, p->shape, raw.at);
        lb_status st = lb_tensor_new(out, p->dtype, p->rank, p->shape);
        if (st == LB_OK && bytes) memcpy((*out)->data, raw.at, (size_t)bytes);
        return st;
    }
    if (p->count != (size_t)n) return lb_fail(LB_E_FORMAT, "%zu numbers, its shape has %lld", p->count, (long long)n);
    lb_tensor *x = NULL;
    lb_status st = lb_tensor_new(&x, p->dtype, p->rank, p->shape);
    if (st == LB_OK) st = fill(x, b);
    if (st == LB_OK) *out = x;
    else lb_tensor_free(x);
    return st;
}

lb_status onnx_tensor_parse(lb_tensor **out, lb_onnx *m, onnx_bytes b, onnx_bytes *name) {
    proto p = {.length = -1};
    onnx_field f;
    onnx_bytes left = b;
    bool end = false;
    lb_status st;
    while ((st = onnx_next(&f, &left, &end)) == LB_OK && !end && st == LB_OK) {
        st = proto_field(&p, &f);
        if (st != LB_OK) break;
    }
    if (st == LB_OK) st = make(out, m, &p, b);
    if (name) *name = p.name;
    if (st != LB_OK && st != LB_E_NOMEM) return lb_where(st, "tensor '%.*s'", (int)(p.name.size < 200 ? p.name.size : 200), p.name.size ? (const char *)p.name.at : "");
    return st;
}

lb_status lb_onnx_tensor_read(lb_tensor **out, const char *path) {
    lb_mmap map = {0};
    lb_status st = lb_mmap_open(&map, path);
    if (st != LB_OK) return st;
    st = onnx_tensor_parse(out, NULL, (onnx_bytes){map.data, map.size}, NULL);
    lb_mmap_close(&map);
    return st == LB_OK ? st : lb_where(st, "%s", path);
}
