/* SPDX-License-Identifier: Apache-2.0 */
/* GGUF, versions 2 and 3: "GGUF", u32 version, u64 tensors, u64 keys; the metadata; per tensor name, u32 rank, u64 sizes (fastest axis first), u32 type,
 * u64 offset; padding to `general.alignment` (32); the data, one tensor behind the other, each padded. Strings: u64 size, bytes.
 * Tensors of whole numbers, f32, f64, f16 and bf16 are views of the file; q8_0 (32 numbers: f16 scale d, 32 x i8 q; x = d q) becomes f32. */
#include <string.h>
#include "io/bytes.h"
#include "io/weights_make.h"

enum { KEYS_MAX = 10000, ALIGNMENT_MAX = 1 << 20, Q8_NUMBERS = 32, Q8_BYTES = 34 };
enum { T_U8, T_I8, T_U16, T_I16, T_U32, T_I32, T_F32, T_BOOL, T_TEXT, T_LIST, T_U64, T_I64, T_F64, T_COUNT };
enum { TYPE_Q8_0 = 8 };

/* Bytes of a metadata value; 0 = has a size of its own. */
static const uint8_t value_bytes[T_COUNT] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

static const struct {
    uint32_t id;
    const char *name;
    int dtype; /* -1 = not read */
} types[] = {
    {0, "f32", LB_F32}, {1, "f16", LB_F16},  {2, "q4_0", -1},     {3, "q4_1", -1},     {6, "q5_0", -1},    {7, "q5_1", -1},   {TYPE_Q8_0, "q8_0", LB_F32}, {9, "q8_1", -1},  {10, "q2_k", -1},
    {11, "q3_k", -1},   {12, "q4_k", -1},    {13, "q5_k", -1},    {14, "q6_k", -1},    {15, "q8_k", -1},   {16, "iq2_xxs", -1}, {17, "iq2_xs", -1},   {18, "iq3_xxs", -1}, {19, "iq1_s", -1},
    {20, "iq4_nl", -1}, {21, "iq3_s", -1},   {22, "iq2_s", -1},   {23, "iq4_xs", -1},  {24, "i8", LB_I8},  {25, "i16", LB_I16}, {26, "i32", LB_I32},  {27, "i64", LB_I64}, {28, "f64", LB_F64},
    {29, "iq1_m", -1},  {30, "bf16", LB_BF16}, {34, "tq1_0", -1}, {35, "tq2_0", -1}, {39, "mxfp4", -1},
};

static int probe(const uint8_t *head, size_t size) {
    return size >= 8 && memcmp(head, "GGUF", 4) == 0 ? 95 : 0;
}

static lb_status cut(const lbi_bytes *b, const char *what) {
    return lb_fail(LB_E_FORMAT, "%s at byte %zu reaches beyond the file of %zu: truncated?", what, b->at, b->size);
}

/* A view of a string without NULs in it. */
static lb_status take_text(lbi_bytes *b, const char *what, const char **text, size_t *size) {
    uint64_t n;
    const uint8_t *p;
    if (!lbi_take_number(b, 8, &n) || !(p = lbi_take(b, n))) return cut(b, what);
    *text = (const char *)p;
    *size = (size_t)n;
    return LB_OK;
}

/* ---- metadata ---- */

/* A number of the given type into a list (key NULL) or a map. */
static void put_number(lb_value *to, const char *key, int type, uint64_t bits) {
    float f;
    double d;
    uint32_t low = (uint32_t)bits;
    memcpy(&f, &low, sizeof f);
    memcpy(&d, &bits, sizeof d);
    bool real = type == T_F32 || type == T_F64 || (type == T_U64 && bits > INT64_MAX);
    double x = type == T_F32 ? f : type == T_F64 ? d : (double)bits;
    int64_t i = type == T_I8 ? (int8_t)bits : type == T_I16 ? (int16_t)bits : type == T_I32 ? (int32_t)low : (int64_t)bits;
    if (type == T_BOOL && key) lb_map_bool(to, key, bits != 0);
    else if (real && key) lb_map_real(to, key, x);
    else if (real) lb_list_real(to, x);
    else if (key) lb_map_int(to, key, i);
    else lb_list_int(to, i);
}

static lb_status take_item(lbi_bytes *b, lb_value *list, int type) {
    uint64_t bits;
    if (type != T_TEXT) {
        if (!lbi_take_number(b, value_bytes[type], &bits)) return cut(b, "a metadata value");
        put_number(list, NULL, type, bits);
        return LB_OK;
    }
    const char *text;
    size_t size;
    lb_status st = take_text(b, "a metadata text", &text, &size);
    char *copy = st == LB_OK ? lb_strndup(text, size) : NULL;
    if (copy) lb_list_text(list, copy);
    else if (st == LB_OK) st = LB_E_NOMEM;
    lb_free(copy);
    return st;
}

static lb_status take_list(lbi_bytes *b, lb_value *map, const char *key) {
    uint64_t type, count;
    if (!lbi_take_number(b, 4, &type) || !lbi_take_number(b, 8, &count)) return cut(b, "a metadata list");
    if (type == T_LIST || type >= T_COUNT) return lb_fail(LB_E_UNSUPPORTED, "metadata '%s': a list of values of type %llu", key, (unsigned long long)type);
    if (count > (b->size - b->at) / (value_bytes[type] ? value_bytes[type] : 8)) return cut(b, "a metadata list");
    lb_value *list = lb_value_list();
    lb_status st = list ? LB_OK : LB_E_NOMEM;
    for (uint64_t i = 0; st == LB_OK && i < count; i++) st = take_item(b, list, (int)type);
    if (st == LB_OK) lb_map_put(map, key, list);
    else lb_value_free(list);
    return st;
}

static lb_status take_value(lbi_bytes *b, lb_value *map, const char *key) {
    uint64_t type, bits;
    if (!lbi_take_number(b, 4, &type)) return cut(b, "a metadata value");
    if (type >= T_COUNT) return lb_fail(LB_E_UNSUPPORTED, "metadata '%s': a value of type %llu", key, (unsigned long long)type);
    if (type == T_LIST) return take_list(b, map, key);
    if (type == T_TEXT) {
        const char *text;
        size_t size;
        lb_status st = take_text(b, "a metadata text", &text, &size);
        if (st == LB_OK) lb_map_bytes(map, key, text, size);
        return st;
    }
    if (!lbi_take_number(b, value_bytes[type], &bits)) return cut(b, "a metadata value");
    put_number(map, key, (int)type, bits);
    return LB_OK;
}

static lb_status take_metadata(lbi_bytes *b, lb_value *map, uint64_t keys, uint64_t *alignment) {
    if (keys > KEYS_MAX) return lb_fail(LB_E_LIMIT, "%llu metadata keys, at most %d are taken", (unsigned long long)keys, KEYS_MAX);
    for (uint64_t i = 0; i < keys; i++) {
        const char *text;
        size_t size;
        lb_status st = take_text(b, "a metadata key", &text, &size);
        if (st != LB_OK) return st;
        char *key = lb_strndup(text, size);
        if (!key) return LB_E_NOMEM;
        int64_t before = map->count;
        st = strlen(key) == size ? take_value(b, map, key) : lb_fail(LB_E_FORMAT, "a metadata key holds a NUL");
        if (st == LB_OK && map->count == before) st = map->failed ? LB_E_NOMEM : lb_fail(LB_E_FORMAT, "metadata '%s' is there twice", key);
        const lb_value *v = st == LB_OK && strcmp(key, "general.alignment") == 0 ? map->items[map->count - 1] : NULL;
        if (v && v->kind == LB_V_INT && v->integer >= 8 && v->integer <= ALIGNMENT_MAX && v->integer % 8 == 0) *alignment = (uint64_t)v->integer;
        else if (v) st = lb_fail(LB_E_FORMAT, "metadata 'general.alignment' must be a multiple of 8 up to %d", ALIGNMENT_MAX);
        lb_free(key);
        if (st != LB_OK) return st;
    }
    return LB_OK;
}

/* ---- tensors ---- */

typedef struct entry {
    const char *name;
    size_t name_size;
    int rank;
    int64_t shape[LB_MAX_RANK];
    uint32_t type;
    lb_dtype dtype;
    uint64_t offset, stored; /* bytes */
    size_t bytes;            /* as it is given out */
} entry;

static lb_status find_type(entry *e) {
    size_t k = 0;
    int shown = (int)(e->name_size < 200 ? e->name_size : 200);
    while (k < LB_COUNT(types) && types[k].id != e->type) k++;
    if (k == LB_COUNT(types)) return lb_fail(LB_E_FORMAT, "tensor '%.*s': unknown type %u", shown, e->name, e->type);
    if (types[k].dtype < 0) return lb_fail(LB_E_UNSUPPORTED, "tensor '%.*s': type %s is not handled (f32, f64, f16, bf16, q8_0 and whole numbers are)", shown, e->name, types[k].name);
    e->dtype = (lb_dtype)types[k].dtype;
    if (!lbi_weight_bytes(&e->bytes, e->dtype, e->rank, e->shape)) return lb_fail(LB_E_FORMAT, "tensor '%.*s': its size overflows", shown, e->name);
    e->stored = e->bytes;
    if (e->type != TYPE_Q8_0) return LB_OK;
    if (e->rank == 0 || e->shape[e->rank - 1] % Q8_NUMBERS != 0) return lb_fail(LB_E_FORMAT, "tensor '%.*s': rows of q8_0 must hold a multiple of %d numbers", shown, e->name, Q8_NUMBERS);
    e->stored = e->bytes / sizeof(float) / Q8_NUMBERS * Q8_BYTES;
    return LB_OK;
}

static lb_status take_entry(lbi_bytes *b, entry *e) {
    uint64_t rank, size, type;
    lb_status st = take_text(b, "a tensor's name", &e->name, &e->name_size);
    if (st != LB_OK) return st;
    int shown = (int)(e->name_size < 200 ? e->name_size : 200);
    if (e->name_size == 0 || memchr(e->name, 0, e->name_size)) return lb_fail(LB_E_FORMAT, "a tensor's name before byte %zu is empty or holds a NUL", b->at);
    if (!lbi_take_number(b, 4, &rank)) return cut(b, "a tensor's description");
    if (rank > LB_MAX_RANK) return lb_fail(LB_E_UNSUPPORTED, "tensor '%.*s': rank %llu, at most %d is handled", shown, e->name, (unsigned long long)rank, LB_MAX_RANK);
    e->rank = (int)rank;
    for (int d = e->rank - 1; d >= 0; d--) {
        if (!lbi_take_number(b, 8, &size)) return cut(b, "a tensor's description");
        if (size > INT64_MAX) return lb_fail(LB_E_FORMAT, "tensor '%.*s': its size overflows", shown, e->name);
        e->shape[d] = (int64_t)size;
    }
    if (!lbi_take_number(b, 4, &type) || !lbi_take_number(b, 8, &e->offset)) return cut(b, "a tensor's description");
    e->type = (uint32_t)type;
    return find_type(e);
}

/* x = d q in blocks. */
static void dequantise(float *to, const uint8_t *from, size_t blocks) {
    for (size_t i = 0; i < blocks; i++, from += Q8_BYTES, to += Q8_NUMBERS) {
        uint16_t half = (uint16_t)(from[0] | from[1] << 8);
        float d;
        lb_convert(&d, LB_F32, &half, LB_F16, 1);
        for (int k = 0; k < Q8_NUMBERS; k++) to[k] = d * (float)(int8_t)from[2 + k];
    }
}

static lb_status add_entry(lb_weights *w, const entry *e, const uint8_t *data) {
    lb_status st = LB_OK;
    if (e->type == TYPE_Q8_0) {
        float *full = lb_weights_alloc(w, e->bytes);
        if (!full) return LB_E_NOMEM;
        dequantise(full, data, e->stored / Q8_BYTES);
        data = (const uint8_t *)full;
    } else st = lbi_weight_align(w, &data, e->bytes, e->dtype);
    return st == LB_OK ? lbi_weights_add(w, e->name, e->name_size, e->dtype, e->rank, e->shape, data, e->bytes) : st;
}

/* The published loader asks for tensors in order without gaps beyond their padding; so do we. */
static lb_status add_entries(lb_weights *w, const entry *list, uint64_t count, const uint8_t *data, size_t size, uint64_t alignment) {
    uint64_t at = 0;
    for (uint64_t i = 0; i < count; i++) {
        const entry *e = &list[i];
        int shown = (int)(e->name_size < 200 ? e->name_size : 200);
        if (e->offset != at)
            return lb_fail(LB_E_FORMAT, "tensor '%.*s': its data begin at %llu, those before it end at %llu", shown, e->name, (unsigned long long)e->offset, (unsigned long long)at);
        if (e->stored > size || at > size - e->stored)
            return lb_fail(LB_E_FORMAT, "tensor '%.*s': bytes %llu to %llu, the file has %zu bytes of data: truncated?", shown, e->name, (unsigned long long)at,
                           (unsigned long long)(at + e->stored), size);
        lb_status st = add_entry(w, e, data + at);
        if (st != LB_OK) return st;
        at += (e->stored + alignment - 1) / alignment * alignment;
    }
    return LB_OK;
}

static lb_status take_head(lbi_bytes *b, uint64_t *tensors, uint64_t *keys) {
    uint64_t version;
    (void)lbi_take(b, 4);
    if (!lbi_take_number(b, 4, &version)) return cut(b, "the version");
    if (version > 0xFFFF) return lb_fail(LB_E_UNSUPPORTED, "a big-endian GGUF; only little-endian files are handled");
    if (version < 2 || version > 3) return lb_fail(LB_E_UNSUPPORTED, "GGUF version %llu; 2 and 3 are handled", (unsigned long long)version);
    if (!lbi_take_number(b, 8, tensors) || !lbi_take_number(b, 8, keys)) return cut(b, "the head");
    if (*tensors > (b->size - b->at) / 24) return lb_fail(LB_E_FORMAT, "%llu tensors do not fit into a file of %zu bytes", (unsigned long long)*tensors, b->size);
    return LB_OK;
}

static lb_status open(lb_weights *w, const uint8_t *data, size_t size) {
    lbi_bytes b = {data, size, 0};
    uint64_t tensors = 0, keys = 0, alignment = 32;
    entry *list = NULL;
    lb_value *map = lb_value_map();
    lb_status st = map ? LB_OK : LB_E_NOMEM;
    if (st != LB_OK) goto done;
    LB_TRY(take_head(&b, &tensors, &keys));
    LB_TRY(take_metadata(&b, map, keys, &alignment));
    if (!(list = lb_calloc((size_t)tensors, sizeof *list))) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (uint64_t i = 0; i < tensors; i++) LB_TRY(take_entry(&b, &list[i]));
    size_t start = (b.at + alignment - 1) / alignment * alignment;
    if (start > size) start = size;
    LB_TRY(add_entries(w, list, tensors, data + start, size - start, alignment));
    LB_TRY(lbi_weights_metadata(w, map));
    map = NULL;
done:
    lb_free(list);
    lb_value_free(map);
    return st;
}

LB_WEIGHTS(gguf) = {.id = "gguf", .title = "GGUF 2 and 3: numbers as they are, q8_0 as f32", .source = "ggml-org/ggml, docs/gguf.md", .endings = "gguf", .probe = probe, .open = open};
