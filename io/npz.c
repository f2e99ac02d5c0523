/* SPDX-License-Identifier: Apache-2.0 */
#include "io/npz.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "io/decoder_private.h"

enum { PEEK = 1024 };

/* ---- reading ---- */

static lb_status finish(lbi_array *out, const lb_npy *head, const uint8_t *data) {
    lbi_array a = {.head = *head, .count = 1, .data = data};
    for (int d = 0; d < head->rank; d++) a.count *= head->shape[d]; /* the product fits: lb_npy_read checked it */
    if (head->dtype == LB_F16) return lb_fail(LB_E_UNSUPPORTED, "array of 16-bit reals is no picture");
    *out = a;
    return LB_OK;
}

lb_status lbi_array_open(lbi_array *out, const uint8_t *data, size_t size) {
    lb_npy head;
    lb_status st = lb_npy_read(&head, data, size);
    return st == LB_OK ? finish(out, &head, data + head.data) : st;
}

static lb_status find(const lbi_zip_entry **out, const lbi_zip *z, const char *name) {
    char file[256];
    snprintf(file, sizeof file, "%s.npy", name);
    *out = lbi_zip_find(z, file, strlen(file));
    return *out ? LB_OK : lb_fail(LB_E_NOTFOUND, "no array '%s'", name);
}

lb_status lbi_npz_head(lbi_array *out, const lbi_zip *z, const char *name) {
    uint8_t bytes[PEEK];
    size_t n = 0;
    lb_npy head;
    const lbi_zip_entry *e = NULL;
    lb_status st = find(&e, z, name);
    if (st == LB_OK) st = lbi_zip_peek(bytes, sizeof bytes, &n, e);
    if (st == LB_OK) st = lb_npy_head(&head, bytes, n, e->full);
    if (st == LB_OK) st = finish(out, &head, NULL);
    return st == LB_OK || st == LB_E_NOTFOUND ? st : lb_where(st, "array '%s'", name);
}

lb_status lbi_npz_read(lbi_array *out, uint8_t **memory, const lbi_zip *z, const char *name, size_t limit) {
    uint8_t *data = NULL;
    const lbi_zip_entry *e = NULL;
    lb_status st = find(&e, z, name);
    if (st != LB_OK) return st;
    st = lbi_zip_read(&data, e, limit);
    if (st == LB_OK) st = lbi_array_open(out, data, e->full);
    if (st == LB_OK) *memory = data;
    else lb_free(data);
    return st == LB_OK ? st : lb_where(st, "array '%s'", name);
}

/* ---- elements ---- */

static double number(const lbi_array *a, const uint8_t *p) {
    union {
        uint8_t b[8];
        uint16_t u16;
        int16_t i16;
        uint32_t u32;
        int32_t i32;
        uint64_t u64;
        int64_t i64;
        float f32;
        double f64;
    } v = {.b = {0}};
    size_t n = lb_dtype_size(a->head.dtype);
    for (size_t i = 0; i < n; i++) v.b[i] = p[a->head.swapped ? n - 1 - i : i];
    switch ((int)a->head.dtype) {
    case LB_I8: return (int8_t)v.b[0];
    case LB_I16: return v.i16;
    case LB_U16: return v.u16;
    case LB_I32: return v.i32;
    case LB_U32: return v.u32;
    case LB_I64: return (double)v.i64;
    case LB_U64: return (double)v.u64;
    case LB_F32: return (double)v.f32;
    case LB_F64: return v.f64;
    }
    return v.b[0];
}

/* Where the element of a row-major index lies. */
static int64_t place(const lbi_array *a, int64_t i) {
    if (!a->head.fortran) return i;
    int64_t at = 0, step = a->count;
    for (int d = a->head.rank - 1; d >= 0; d--) {
        step /= a->head.shape[d];
        at += i % a->head.shape[d] * step;
        i /= a->head.shape[d];
    }
    return at;
}

double lbi_array_value(const lbi_array *a, int64_t i) { return number(a, a->data + (size_t)place(a, i) * lb_dtype_size(a->head.dtype)); }

/* ---- pictures ---- */

static lb_status fill(lb_image *img, const lbi_array *a, int64_t first, int64_t n, bool deep) {
    double most = 0, least = 0;
    bool whole = true;
    for (int64_t i = 0; i < n; i++) {
        double x = lbi_array_value(a, first + i);
        if (!(x >= -1e300 && x <= 1e300)) return lb_fail(LB_E_NUMERIC, "array holds NaN or infinity");
        most = x > most ? x : most;
        least = x < least ? x : least;
        whole = whole && x == floor(x);
    }
    bool unit = (a->head.dtype == LB_F32 || a->head.dtype == LB_F64) && !deep && least >= 0 && most <= 1;
    if (!unit && (!whole || least < 0 || most > (deep ? 65535 : 255)))
        return lb_fail(LB_E_UNSUPPORTED, "array with values from %g to %g is no picture: whole numbers from 0 to %d%s are", least, most, deep ? 65535 : 255, deep ? "" : ", or reals from 0 to 1,");
    if (deep && most > 255) {
        lb_image wide = {0};
        lb_status st = lb_image_new(&wide, img->width, img->height, img->channels, 16);
        if (st != LB_OK) return st;
        lb_image_free(img);
        *img = wide;
        for (int64_t i = 0; i < n; i++) ((uint16_t *)img->pixels)[i] = (uint16_t)lbi_array_value(a, first + i);
        return LB_OK;
    }
    for (int64_t i = 0; i < n; i++) ((uint8_t *)img->pixels)[i] = (uint8_t)(lbi_array_value(a, first + i) * (unit ? 255 : 1) + 0.5);
    return LB_OK;
}

lb_status lbi_array_picture(lb_image *out, const lbi_array *a, int64_t index, bool deep, int64_t max_pixels) {
    int lead = index >= 0, rank = a->head.rank - lead;
    const int64_t *s = a->head.shape + lead;
    if (rank < 2 || rank > 3 || (rank == 3 && (s[2] < 1 || s[2] > 4)))
        return lb_fail(LB_E_SHAPE, "array of rank %d%s is no picture: [H,W] or [H,W,C] with 1 to 4 channels is", a->head.rank, lead ? " with an index" : "");
    if (lead && index >= a->head.shape[0]) return lb_fail(LB_E_ARG, "index %lld of an array of %lld", (long long)index, (long long)a->head.shape[0]);
    lb_decode_options o = {.max_pixels = max_pixels};
    lb_status st = lbi_check_pixels("array", s[1], s[0], 1, &o);
    if (st != LB_OK) return st;
    int64_t channels = rank == 3 ? s[2] : 1, n = s[0] * s[1] * channels;
    lb_image img = {0};
    st = lb_image_new(&img, (int32_t)s[1], (int32_t)s[0], (int32_t)channels, 8);
    if (st != LB_OK) return st;
    if ((a->head.dtype == LB_U8 || a->head.dtype == LB_BOOL) && !a->head.fortran) memcpy(img.pixels, a->data + (lead ? index * n : 0), (size_t)n);
    else st = fill(&img, a, lead ? index * n : 0, n, deep);
    if (st == LB_OK) *out = img;
    else lb_image_free(&img);
    return st;
}
