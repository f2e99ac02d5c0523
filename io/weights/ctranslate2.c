/* SPDX-License-Identifier: Apache-2.0 */
/* CTranslate2 model.bin, format 6: u32 version; name of the specification (u16 size with the closing NUL, bytes); u32 revision; u32 variables, each: name,
 * u8 rank, u32 sizes, u8 type (0 f32, 1 i8, 2 i16, 3 i32, 4 f16, 5 bf16), u32 bytes, data; u32 aliases, each: name, the variable's name.
 * Quantised variables (i8, i16 with NAME_scale beside: one for all or one a row; x = q / scale) become f32 and their scales are left out; all
 * others are views of the file where they lie at a multiple of their element's size. */
#include <stdlib.h>
#include <string.h>
#include "io/bytes.h"
#include "io/weights_make.h"

enum { VERSION = 6, NAME_SHOWN = 200 };
static const lb_dtype types[] = {LB_F32, LB_I8, LB_I16, LB_I32, LB_F16, LB_BF16};

typedef struct variable {
    const char *name; /* NUL-terminated, in the file */
    lb_dtype dtype;
    int rank;
    int64_t shape[LB_MAX_RANK];
    const uint8_t *data;
    size_t bytes;
    bool scale; /* of another variable */
} variable;

/* The name of a specification follows the version: letters with a NUL at the end. */
static int probe(const uint8_t *head, size_t size) {
    if (size < 16 || head[0] == 0 || head[0] > 32 || head[1] || head[2] || head[3]) return 0;
    size_t n = (size_t)head[4] | (size_t)head[5] << 8;
    if (n < 2 || n > 64 || n > size - 6 || head[6 + n - 1] != 0) return 0;
    for (size_t i = 0; i + 1 < n; i++)
        if (head[6 + i] < 0x21 || head[6 + i] > 0x7e) return 0;
    return 80;
}

static lb_status cut(const lbi_bytes *b, const char *what) {
    return lb_fail(LB_E_FORMAT, "%s at byte %zu reaches beyond the file of %zu: truncated?", what, b->at, b->size);
}

static lb_status take_name(lbi_bytes *b, const char **name) {
    uint64_t n;
    const uint8_t *p;
    if (!lbi_take_number(b, 2, &n) || !(p = lbi_take(b, n))) return cut(b, "a name");
    if (n < 2 || memchr(p, 0, n) != p + n - 1) return lb_fail(LB_E_FORMAT, "the name before byte %zu does not end in its only NUL", b->at);
    *name = (const char *)p;
    return LB_OK;
}

static lb_status take_variable(lbi_bytes *b, variable *v) {
    uint64_t rank, size, type, bytes;
    size_t want = 0;
    lb_status st = take_name(b, &v->name);
    if (st != LB_OK) return st;
    if (!lbi_take_number(b, 1, &rank)) return cut(b, "a variable");
    if (rank > LB_MAX_RANK) return lb_fail(LB_E_UNSUPPORTED, "variable '%.*s': rank %d, at most %d is handled", NAME_SHOWN, v->name, (int)rank, LB_MAX_RANK);
    v->rank = (int)rank;
    for (int d = 0; d < v->rank; d++) {
        if (!lbi_take_number(b, 4, &size)) return cut(b, "a variable");
        v->shape[d] = (int64_t)size;
    }
    if (!lbi_take_number(b, 1, &type) || !lbi_take_number(b, 4, &bytes)) return cut(b, "a variable");
    if (type >= LB_COUNT(types)) return lb_fail(LB_E_UNSUPPORTED, "variable '%.*s': type %d is not handled", NAME_SHOWN, v->name, (int)type);
    v->dtype = types[type];
    if (!lbi_weight_bytes(&want, v->dtype, v->rank, v->shape) || want != bytes) {
        char text[96];
        return lb_fail(LB_E_FORMAT, "variable '%.*s': %s of %s does not take %llu bytes", NAME_SHOWN, v->name, lb_shape_text(text, sizeof text, v->rank, v->shape), lb_dtype_name(v->dtype),
                       (unsigned long long)bytes);
    }
    v->bytes = want;
    v->data = lbi_take(b, bytes);
    return v->data ? LB_OK : cut(b, "a variable's data");
}

static int by_name(const void *a, const void *b) {
    return strcmp((*(variable *const *)a)->name, (*(variable *const *)b)->name);
}

typedef struct file {
    lb_weights *w;
    variable *list, **sorted;
    int64_t count;
} file;

static variable *find(const file *f, const char *name) {
    variable key = {.name = name}, *p = &key, **found = bsearch(&p, f->sorted, (size_t)f->count, sizeof *f->sorted, by_name);
    return found ? *found : NULL;
}

/* The scales of a quantised variable; NULL when it has none. */
static lb_status find_scale(const file *f, const variable *v, variable **scale) {
    *scale = NULL;
    if (v->dtype != LB_I8 && v->dtype != LB_I16) return LB_OK;
    char *name = lb_format_dup("%s_scale", v->name);
    if (!name) return LB_E_NOMEM;
    variable *s = find(f, name);
    lb_free(name);
    if (!s) return LB_OK;
    size_t one = sizeof(float), rows = v->rank > 0 ? (size_t)v->shape[0] : 1;
    if (s->dtype != LB_F32 || (s->bytes != one && s->bytes / one != rows))
        return lb_fail(LB_E_FORMAT, "variable '%.*s': one scale of f32, or one for each of its %zu rows, is wanted", NAME_SHOWN, s->name, rows);
    *scale = s;
    return LB_OK;
}

static lb_status dequantise(const file *f, const variable *v, const variable *scale, const uint8_t **out) {
    size_t element = lb_dtype_size(v->dtype), n = v->bytes / element, rows = v->rank > 0 ? (size_t)v->shape[0] : 1, each = rows ? n / rows : 0;
    float *full = lb_weights_alloc(f->w, n * sizeof *full);
    if (!full) return LB_E_NOMEM;
    for (size_t r = 0; r < rows; r++) {
        float s;
        memcpy(&s, scale->data + (scale->bytes == sizeof s ? 0 : r * sizeof s), sizeof s);
        for (size_t i = r * each; i < (r + 1) * each; i++) {
            int16_t q;
            if (v->dtype == LB_I8) q = (int8_t)v->data[i];
            else memcpy(&q, v->data + 2 * i, sizeof q);
            full[i] = (float)q / s;
        }
    }
    *out = (const uint8_t *)full;
    return LB_OK;
}

static lb_status add_variables(file *f) {
    lb_status st = LB_OK;
    for (int64_t i = 0; st == LB_OK && i < f->count; i++) {
        variable *v = &f->list[i], *scale;
        st = find_scale(f, v, &scale);
        if (st != LB_OK) break;
        if (scale) {
            st = dequantise(f, v, scale, &v->data);
            v->bytes = v->bytes / lb_dtype_size(v->dtype) * sizeof(float);
            v->dtype = LB_F32;
            scale->scale = true;
        } else st = lbi_weight_align(f->w, &v->data, v->bytes, v->dtype);
    }
    for (int64_t i = 0; st == LB_OK && i < f->count; i++) {
        const variable *v = &f->list[i];
        if (!v->scale) st = lbi_weights_add(f->w, v->name, strlen(v->name), v->dtype, v->rank, v->shape, v->data, v->bytes);
    }
    return st;
}

static lb_status add_aliases(file *f, lbi_bytes *b) {
    uint64_t count;
    if (!lbi_take_number(b, 4, &count)) return cut(b, "the number of aliases");
    for (uint64_t i = 0; i < count; i++) {
        const char *name, *of;
        lb_status st = take_name(b, &name);
        if (st == LB_OK) st = take_name(b, &of);
        if (st != LB_OK) return st;
        const variable *v = find(f, of);
        if (!v) return lb_fail(LB_E_FORMAT, "alias '%.*s': no variable '%.*s'", NAME_SHOWN, name, NAME_SHOWN, of);
        if (v->scale) continue;
        st = lbi_weights_add(f->w, name, strlen(name), v->dtype, v->rank, v->shape, v->data, v->bytes);
        if (st != LB_OK) return st;
    }
    return b->at == b->size ? LB_OK : lb_fail(LB_E_FORMAT, "%zu bytes after the last alias belong to none", b->size - b->at);
}

static lb_status take_head(lbi_bytes *b, const char **spec, uint64_t *revision, uint64_t *count) {
    uint64_t version;
    if (!lbi_take_number(b, 4, &version)) return cut(b, "the version");
    if (version != VERSION) return lb_fail(LB_E_UNSUPPORTED, "CTranslate2 format %llu; %d is handled", (unsigned long long)version, VERSION);
    lb_status st = take_name(b, spec);
    if (st != LB_OK) return st;
    if (!lbi_take_number(b, 4, revision) || !lbi_take_number(b, 4, count)) return cut(b, "the head");
    if (*count > (b->size - b->at) / 8) return lb_fail(LB_E_FORMAT, "%llu variables do not fit into a file of %zu bytes", (unsigned long long)*count, b->size);
    return LB_OK;
}

static lb_status open(lb_weights *w, const uint8_t *data, size_t size) {
    lbi_bytes b = {data, size, 0};
    file f = {.w = w};
    lb_value *map = NULL;
    const char *spec = NULL;
    uint64_t revision = 0, count = 0;
    lb_status st = LB_OK;
    LB_TRY(take_head(&b, &spec, &revision, &count));
    f.list = lb_calloc((size_t)count, sizeof *f.list);
    f.sorted = lb_calloc((size_t)count, sizeof *f.sorted);
    map = lb_value_map();
    if (!f.list || !f.sorted || !map) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (; f.count < (int64_t)count; f.count++) {
        LB_TRY(take_variable(&b, &f.list[f.count]));
        f.sorted[f.count] = &f.list[f.count];
    }
    qsort(f.sorted, (size_t)count, sizeof *f.sorted, by_name);
    LB_TRY(add_variables(&f));
    LB_TRY(add_aliases(&f, &b));
    lb_map_text(map, "specification", spec);
    lb_map_int(map, "revision", (int64_t)revision);
    LB_TRY(lbi_weights_metadata(w, map));
    map = NULL;
done:
    lb_value_free(map);
    lb_free(f.list);
    lb_free(f.sorted);
    return st;
}

LB_WEIGHTS(ctranslate2) = {.id = "ctranslate2",
                           .title = "CTranslate2 model.bin: f32, f16, bf16 as they are, i8 and i16 by their scales",
                           .source = "OpenNMT/CTranslate2, python/ctranslate2/specs/model_spec.py",
                           .endings = "bin",
                           .probe = probe,
                           .open = open};
