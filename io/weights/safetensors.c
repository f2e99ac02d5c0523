/* SPDX-License-Identifier: Apache-2.0 */
/* u64 length of the header, little-endian; the header, JSON that begins with '{' and may end in spaces; then the data, which the tensors'
 * offsets cover without holes or overlap. */
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "io/weights_make.h"

enum { HEADER_MAX = 100000000 }; /* the reference implementation's limit */

static const struct {
    const char *name;
    lb_dtype dtype;
} types[] = {{"F32", LB_F32}, {"F64", LB_F64}, {"F16", LB_F16}, {"BF16", LB_BF16}, {"I64", LB_I64}, {"I32", LB_I32}, {"I16", LB_I16},
             {"I8", LB_I8},   {"U8", LB_U8},   {"U16", LB_U16}, {"U32", LB_U32},   {"U64", LB_U64}, {"BOOL", LB_BOOL}};

static uint64_t little64(const uint8_t *p) {
    uint64_t x = 0;
    for (int i = 0; i < 8; i++) x |= (uint64_t)p[i] << (8 * i);
    return x;
}

static int probe(const uint8_t *head, size_t size) {
    if (size < 10 || head[8] != '{') return 0;
    return little64(head) <= HEADER_MAX ? 90 : 20; /* a length beyond the limit is still this format, to be refused with its reason */
}

/* One entry of the header, before it is known where it stands in the data. */
typedef struct entry {
    const char *name;
    lb_dtype dtype;
    int rank;
    int64_t shape[LB_MAX_RANK];
    int64_t begin, end, number;
} entry;

static lb_status read_shape(entry *e, const lb_value *shape) {
    if (!shape || shape->kind != LB_V_LIST) return lb_fail(LB_E_FORMAT, "tensor '%s': shape must be a list", e->name);
    if (shape->count > LB_MAX_RANK) return lb_fail(LB_E_UNSUPPORTED, "tensor '%s': rank %lld, at most %d is handled", e->name, (long long)shape->count, LB_MAX_RANK);
    e->rank = (int)shape->count;
    for (int i = 0; i < e->rank; i++) {
        const lb_value *v = shape->items[i];
        if (v->kind != LB_V_INT || v->integer < 0) return lb_fail(LB_E_FORMAT, "tensor '%s': shape must hold whole numbers of 0 or more", e->name);
        e->shape[i] = v->integer;
    }
    return LB_OK;
}

static lb_status read_entry(entry *e, const lb_value *v, int64_t data_size) {
    if (v->kind != LB_V_MAP) return lb_fail(LB_E_FORMAT, "tensor '%s': expected dtype, shape and data_offsets", e->name);
    const char *type = lb_get_text(v, "dtype", NULL);
    size_t k = 0;
    while (type && k < LB_COUNT(types) && strcmp(type, types[k].name) != 0) k++;
    if (!type) return lb_fail(LB_E_FORMAT, "tensor '%s': dtype must be a text", e->name);
    if (k == LB_COUNT(types)) return lb_fail(LB_E_UNSUPPORTED, "tensor '%s': dtype %s is not handled", e->name, type);
    e->dtype = types[k].dtype;
    lb_status st = read_shape(e, lb_get(v, "shape"));
    if (st != LB_OK) return st;
    const lb_value *at = lb_get(v, "data_offsets");
    if (!at || at->kind != LB_V_LIST || at->count != 2 || at->items[0]->kind != LB_V_INT || at->items[1]->kind != LB_V_INT)
        return lb_fail(LB_E_FORMAT, "tensor '%s': data_offsets must be two whole numbers", e->name);
    e->begin = at->items[0]->integer;
    e->end = at->items[1]->integer;
    if (e->begin < 0 || e->end < e->begin || e->end > data_size)
        return lb_fail(LB_E_FORMAT, "tensor '%s': bytes %lld to %lld, the file has %lld bytes of data", e->name, (long long)e->begin, (long long)e->end, (long long)data_size);
    size_t bytes = 0;
    if (!lbi_weight_bytes(&bytes, e->dtype, e->rank, e->shape)) return lb_fail(LB_E_FORMAT, "tensor '%s': its size overflows", e->name);
    if ((int64_t)bytes != e->end - e->begin) {
        char text[96];
        return lb_fail(LB_E_FORMAT, "tensor '%s': %s of %s takes %zu bytes, data_offsets give %lld", e->name, lb_shape_text(text, sizeof text, e->rank, e->shape), type, bytes,
                       (long long)(e->end - e->begin));
    }
    return LB_OK;
}

static int by_place(const void *a, const void *b) {
    const entry *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end) return x->end < y->end ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

static lb_status take_metadata(lb_weights *w, lb_value *v) {
    if (v->kind != LB_V_MAP) return lb_fail(LB_E_FORMAT, "__metadata__ must be a map of texts");
    for (int64_t i = 0; i < v->count; i++)
        if (v->items[i]->kind != LB_V_TEXT) return lb_fail(LB_E_FORMAT, "__metadata__ '%s' must be a text", v->keys[i]);
    lb_value *copy = lb_value_copy(v);
    return copy ? lbi_weights_metadata(w, copy) : LB_E_NOMEM;
}

static lb_status add_entries(lb_weights *w, const entry *list, int64_t count, const uint8_t *data, int64_t data_size) {
    int64_t at = 0;
    for (int64_t i = 0; i < count; i++) {
        const entry *e = &list[i];
        if (e->begin > at) return lb_fail(LB_E_FORMAT, "tensor '%s': bytes %lld to %lld before it belong to none", e->name, (long long)at, (long long)e->begin);
        if (e->begin < at) return lb_fail(LB_E_FORMAT, "tensor '%s': its data overlaps that of '%s'", e->name, list[i - 1].name);
        at = e->end;
        const uint8_t *from = data + e->begin;
        size_t bytes = (size_t)(e->end - e->begin);
        lb_status st = lbi_weight_align(w, &from, bytes, e->dtype);
        if (st == LB_OK) st = lbi_weights_add(w, e->name, strlen(e->name), e->dtype, e->rank, e->shape, from, bytes);
        if (st != LB_OK) return st;
    }
    if (at != data_size) return lb_fail(LB_E_FORMAT, "%lld bytes after the last tensor belong to none", (long long)(data_size - at));
    return LB_OK;
}

static lb_status open(lb_weights *w, const uint8_t *data, size_t size) {
    uint64_t n = little64(data);
    if (n > HEADER_MAX) return lb_fail(LB_E_LIMIT, "header of %llu bytes, at most %d are taken", (unsigned long long)n, HEADER_MAX);
    if (n > size - 8) return lb_fail(LB_E_FORMAT, "header of %llu bytes in a file of %zu: truncated?", (unsigned long long)n, size);
    lb_value *header = NULL;
    entry *list = NULL;
    int64_t count = 0, data_size = (int64_t)(size - 8 - n);
    lb_status st = LB_OK;
    LB_TRY(lb_json_parse(&header, (const char *)data + 8, (size_t)n, "header"));
    if (header->kind != LB_V_MAP) {
        st = lb_fail(LB_E_FORMAT, "header must be a map");
        goto done;
    }
    if (!(list = lb_calloc((size_t)header->count, sizeof *list))) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int64_t i = 0; i < header->count; i++) {
        if (strcmp(header->keys[i], "__metadata__") == 0) {
            LB_TRY(take_metadata(w, header->items[i]));
            continue;
        }
        entry *e = &list[count];
        e->name = header->keys[i];
        e->number = count++;
        LB_TRY(read_entry(e, header->items[i], data_size));
    }
    qsort(list, (size_t)count, sizeof *list, by_place);
    LB_TRY(add_entries(w, list, count, data + 8 + n, data_size));
done:
    lb_free(list);
    lb_value_free(header);
    return st;
}

/* ---- writing ---- */

static const char *type_name(lb_dtype d) {
    for (size_t k = 0; k < LB_COUNT(types); k++)
        if (types[k].dtype == d) return types[k].name;
    return NULL;
}

static lb_status describe_tensor(lb_value *header, const char *name, const lb_tensor *x, size_t begin, size_t bytes) {
    const char *type = type_name(x->dtype);
    if (strcmp(name, "__metadata__") == 0) return lb_fail(LB_E_ARG, "a tensor may not be named '%s'", name);
    if (!type) return lb_fail(LB_E_UNSUPPORTED, "tensor '%s': %s has no safetensors type", name, lb_dtype_name(x->dtype));
    lb_value *v = lb_value_map(), *shape = lb_value_list(), *at = lb_value_list();
    for (int i = 0; i < x->rank; i++) lb_list_int(shape, x->shape[i]);
    lb_list_int(at, (int64_t)begin);
    lb_list_int(at, (int64_t)(begin + bytes));
    lb_map_text(v, "dtype", type);
    lb_map_put(v, "shape", shape);
    lb_map_put(v, "data_offsets", at);
    int64_t before = header->count;
    lb_map_put(header, name, v);
    if (header->count == before) return lb_fail(LB_E_ARG, "two tensors are named '%s'", name);
    return LB_OK;
}

static lb_status write_header(lb_buf *out, int64_t count, const char *const *names, const lb_tensor *const *tensors, const lb_value *metadata) {
    lb_value *header = lb_value_map();
    lb_buf text = {0};
    lb_status st = LB_OK;
    size_t at = 0;
    if (!header) return LB_E_NOMEM;
    if (metadata && metadata->count > 0) lb_map_put(header, "__metadata__", lb_value_copy(metadata));
    for (int64_t i = 0; i < count; i++) {
        size_t bytes = (size_t)lb_numel(tensors[i]) * lb_dtype_size(tensors[i]->dtype);
        LB_TRY(describe_tensor(header, names[i], tensors[i], at, bytes));
        at += bytes;
    }
    LB_TRY(lb_json_write(&text, header, 0));
    while (text.size % 8 != 0 && !text.failed) lb_buf_text(&text, " ");
    LB_TRY(lb_buf_status(&text));
    uint8_t length[8];
    for (int i = 0; i < 8; i++) length[i] = (uint8_t)((uint64_t)text.size >> (8 * i));
    lb_buf_add(out, length, 8);
    lb_buf_add(out, text.data, text.size);
    st = lb_buf_status(out);
done:
    lb_value_free(header);
    lb_buf_free(&text);
    return st;
}

lb_status lb_safetensors_write(const char *path, int64_t count, const char *const *names, const lb_tensor *const *tensors, const lb_value *metadata) {
    lb_buf out = {0};
    lb_tensor *copy = NULL;
    lb_status st = LB_OK;
    for (int64_t i = 0; metadata && i < metadata->count; i++)
        if (metadata->items[i]->kind != LB_V_TEXT) return lb_fail(LB_E_ARG, "%s: metadata '%s' must be a text", path, metadata->keys[i]);
    LB_TRY(write_header(&out, count, names, tensors, metadata));
    for (int64_t i = 0; i < count; i++) {
        const lb_tensor *x = tensors[i];
        if (!lb_is_contiguous(x)) {
            LB_TRY(lb_tensor_copy(&copy, x, x->dtype));
            x = copy;
        }
        lb_buf_add(&out, x->data, (size_t)lb_numel(x) * lb_dtype_size(x->dtype));
        lb_tensor_free(copy);
        copy = NULL;
        LB_TRY(lb_buf_status(&out));
    }
    LB_TRY(lb_file_write(path, out.data, out.size));
done:
    lb_buf_free(&out);
    return st == LB_OK ? st : lb_where(st, "%s", path);
}

LB_WEIGHTS(safetensors) = {.id = "safetensors", .title = "safetensors", .source = "huggingface/safetensors, README.md, section Format",
                           .endings = "safetensors", .probe = probe, .open = open};
