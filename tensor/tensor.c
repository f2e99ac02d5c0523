/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include "tensor/half.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/turn.h"
#include "tensor/loops.h"
#include "tensor/parts.h"

static const struct {
    const char *name;
    size_t size;
} types[] = {
    [LB_F32] = {"f32", 4}, [LB_F64] = {"f64", 8}, [LB_F16] = {"f16", 2}, [LB_BF16] = {"bf16", 2}, [LB_I64] = {"i64", 8},
    [LB_I32] = {"i32", 4}, [LB_I16] = {"i16", 2}, [LB_I8] = {"i8", 1},   [LB_U8] = {"u8", 1},     [LB_U16] = {"u16", 2},
    [LB_U32] = {"u32", 4}, [LB_U64] = {"u64", 8}, [LB_BOOL] = {"bool", 1},
};

size_t lb_dtype_size(lb_dtype d) {
    return (unsigned)d < LB_COUNT(types) ? types[d].size : 0;
}

const char *lb_dtype_name(lb_dtype d) {
    return (unsigned)d < LB_COUNT(types) ? types[d].name : "?";
}

lb_status lb_dtype_parse(lb_dtype *out, const char *name) {
    for (size_t i = 0; i < LB_COUNT(types); i++) {
        if (strcmp(types[i].name, name) != 0) continue;
        *out = (lb_dtype)i;
        return LB_OK;
    }
    return lb_fail(LB_E_ARG, "'%s' is no number type; known: f32 f64 f16 bf16 i64 i32 i16 i8 u8 u16 u32 u64 bool", name);
}

/* ---- shape ---- */

const char *lb_shape_text(char *dst, size_t cap, int rank, const int64_t *shape) {
    size_t used = 0;
    if (cap == 0) return dst;
    dst[0] = 0;
    for (int i = -1; i <= rank && used < cap; i++) {
        int n = i < 0 ? snprintf(dst, cap, "[")
                : i == rank
                    ? snprintf(dst + used, cap - used, "]")
                    : snprintf(dst + used, cap - used, i ? ",%" PRId64 : "%" PRId64, shape[i]);
        used += n > 0 ? (size_t)n : 0;
    }
    return dst;
}

int64_t lb_numel(const lb_tensor *x) {
    int64_t n = 1;
    for (int i = 0; i < x->rank; i++) n *= x->shape[i];
    return n;
}

bool lb_is_contiguous(const lb_tensor *x) {
    int64_t want = 1;
    for (int i = x->rank - 1; i >= 0; i--) {
        if (x->shape[i] == 0) return true;
        if (x->shape[i] != 1 && x->stride[i] != want) return lb_numel(x) == 0;
        want *= x->shape[i];
    }
    return true;
}

bool lb_same_shape(const lb_tensor *a, const lb_tensor *b) {
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->shape[i] != b->shape[i]) return false;
    return true;
}

lb_status lbi_layout(lb_tensor *x) {
    char text[200];
    int64_t step = 1;
    if (x->rank < 0 || x->rank > LB_MAX_RANK)
        return lb_fail(LB_E_SHAPE, "rank %d is outside 0 to %d", x->rank, LB_MAX_RANK);
    for (int i = x->rank - 1; i >= 0; i--) {
        x->stride[i] = step;
        if (x->shape[i] < 0)
            return lb_fail(LB_E_SHAPE, "shape %s has a negative size",
                           lb_shape_text(text, sizeof text, x->rank, x->shape));
        if (x->shape[i] > 1 && (!lb_mul_i64(&step, step, x->shape[i]) || step > INT64_MAX / 16))
            return lb_fail(LB_E_SHAPE, "shape %s has too many elements",
                           lb_shape_text(text, sizeof text, x->rank, x->shape));
    }
    return LB_OK;
}

/* ---- tensors of their own ---- */

bool lbi_view_strides(lb_tensor *y, const lb_tensor *x) {
    int64_t n = 1, shape[LB_MAX_RANK], stride[LB_MAX_RANK];
    int rank = 0, from = 0, to = 0;
    for (int i = 0; i < y->rank; i++)
        if (y->shape[i] < 0 || !lb_mul_i64(&n, n, y->shape[i])) return false;
    if (n != lb_numel(x)) return false;
    for (int i = 0; i < x->rank; i++)
        if (x->shape[i] != 1) {
            shape[rank] = x->shape[i];
            stride[rank++] = x->stride[i];
        }
    for (int i = 0; i < y->rank; i++) y->stride[i] = 1;
    if (n == 0) return true;
    /* Runs of axes with equal counts: those of x must lie one after another. */
    while (from < rank) {
        int from_end = from, to_end = to;
        int64_t a = shape[from_end++], b = 1;
        while (a != b) {
            if (a < b) a *= shape[from_end++];
            else b *= y->shape[to_end++];
        }
        for (int i = from; i + 1 < from_end; i++)
            if (stride[i] != stride[i + 1] * shape[i + 1]) return false;
        int64_t step = stride[from_end - 1];
        for (int i = to_end - 1; i >= to; i--) {
            y->stride[i] = step;
            step *= y->shape[i];
        }
        from = from_end;
        to = to_end;
    }
    return true;
}

/* Memory of a tensor of no tape. Large zeros come from the system, which has them ready: `prev` is then what is to be freed. */
static lb_storage *heap(size_t bytes, bool zero) {
    enum { LARGE = 1 << 20, LINE = 64 };
    if (!zero || bytes < LARGE) {
        lb_storage *s = lb_alloc_aligned(LBI_HEADER + bytes);
        if (s) *s = (lb_storage){.bytes = bytes, .refs = 1, .bin = LBI_ON_HEAP};
        if (s && zero) lbi_zero_bytes(lbi_storage_data(s), bytes);
        return s;
    }
    char *whole = bytes <= PTRDIFF_MAX ? lb_calloc(1, LBI_HEADER + LINE + bytes) : NULL;
    if (!whole) return NULL;
    lb_storage *s = (lb_storage *)(void *)(whole + (LINE - (uintptr_t)whole % LINE) % LINE);
    *s = (lb_storage){.prev = (lb_storage *)(void *)whole, .bytes = bytes, .refs = 1, .bin = LBI_ON_HEAP};
    return s;
}

static void heap_free(lb_storage *s) {
    if (s && --s->refs == 0) lb_free(s->prev ? s->prev : s);
}

lb_status lbi_tensor_make(lb_tensor **out, lb_dtype dtype, int rank, const int64_t *shape, bool zero) {
    lb_status st = LB_OK;
    lb_tensor *x = NULL;
    if (rank < 0 || rank > LB_MAX_RANK) return lb_fail(LB_E_SHAPE, "rank %d is outside 0 to %d", rank, LB_MAX_RANK);
    if (lb_dtype_size(dtype) == 0) return lb_fail(LB_E_ARG, "%d is no number type", (int)dtype);
    x = lb_calloc(1, sizeof *x);
    if (!x) return LB_E_NOMEM;
    x->dtype = dtype;
    x->rank = rank;
    for (int i = 0; i < rank; i++) x->shape[i] = shape[i];
    LB_TRY(lbi_layout(x));
    size_t bytes = (size_t)lb_numel(x) * lb_dtype_size(dtype);
    if (bytes > 0) {
        x->store = heap(bytes, zero);
        if (!x->store) LB_TRY(LB_E_NOMEM);
        x->data = lbi_storage_data(x->store);
    }
    *out = x;
    x = NULL;
done:
    lb_tensor_free(x);
    return st;
}

lb_status lb_tensor_new(lb_tensor **out, lb_dtype dtype, int rank, const int64_t *shape) {
    return lbi_tensor_make(out, dtype, rank, shape, true);
}

lb_status lb_tensor_borrow(lb_tensor **out, lb_dtype dtype, int rank, const int64_t *shape, const void *data) {
    lb_status st = LB_OK;
    lb_tensor *x = NULL;
    if (rank < 0 || rank > LB_MAX_RANK) return lb_fail(LB_E_SHAPE, "rank %d is outside 0 to %d", rank, LB_MAX_RANK);
    if (lb_dtype_size(dtype) == 0) return lb_fail(LB_E_ARG, "%d is no number type", (int)dtype);
    x = lb_calloc(1, sizeof *x);
    if (!x) return LB_E_NOMEM;
    x->dtype = dtype;
    x->rank = rank;
    for (int i = 0; i < rank; i++) x->shape[i] = shape[i];
    LB_TRY(lbi_layout(x));
    x->data = lb_numel(x) > 0 ? (void *)(uintptr_t)data : NULL;
    *out = x;
    x = NULL;
done:
    lb_tensor_free(x);
    return st;
}

void lb_tensor_lend(lb_tensor *x, void *data) {
    if (x->forms) lb_tensor_fix(x, false);
    heap_free(x->store);
    x->store = NULL;
    x->data = lb_numel(x) > 0 ? data : NULL;
}

void lb_tensor_free(lb_tensor *x) {
    if (!x) return;
    lb_tensor_free(x->grad);
    if (x->forms) lb_tensor_fix(x, false);
    heap_free(x->store);
    lb_free(x);
}

lb_status lb_tensor_copy(lb_tensor **out, const lb_tensor *x, lb_dtype dtype) {
    lb_status st = LB_OK;
    lb_tensor *y = NULL;
    void *packed = NULL;
    int64_t n = lb_numel(x);
    if (x->id < 0 || (n > 0 && !x->data)) return lb_fail(LB_E_ARG, "copy of a tensor that holds no data");
    LB_TRY(lbi_tensor_make(&y, dtype, x->rank, x->shape, false));
    if (lb_is_contiguous(x)) {
        lb_convert(y->data, dtype, x->data, x->dtype, n);
    } else if (dtype == x->dtype) {
        lbi_gather_strided(y->data, x);
    } else {
        packed = lb_alloc((size_t)n, lb_dtype_size(x->dtype));
        if (!packed) LB_TRY(LB_E_NOMEM);
        lbi_gather_strided(packed, x);
        lb_convert(y->data, dtype, packed, x->dtype, n);
    }
    *out = y;
    y = NULL;
done:
    lb_free(packed);
    lb_tensor_free(y);
    return st;
}

/* ---- element types ---- */

static float float_of_bf16(uint16_t b) {
    uint32_t bits = (uint32_t)b << 16;
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

static uint16_t bf16_of_float(float f) {
    uint32_t bits;
    memcpy(&bits, &f, 4);
    if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* double to float, inexact results made odd, so that a second rounding to fewer bits is as if there were one. */
static float float_to_odd(double x) {
    float f = (float)x;
    uint32_t bits;
    if ((double)f == x || x != x) return f;
    memcpy(&bits, &f, 4);
    if (fabs((double)f) > fabs(x)) bits--;
    bits |= 1;
    memcpy(&f, &bits, 4);
    return f;
}

static bool is_real(lb_dtype d) {
    return d == LB_F32 || d == LB_F64 || d == LB_F16 || d == LB_BF16;
}

static double get_real(const void *p, lb_dtype d, int64_t i) {
    switch (d) {
    case LB_F32: return (double)((const float *)p)[i];
    case LB_F64: return ((const double *)p)[i];
    case LB_F16: return (double)lbi_float_of_half(((const uint16_t *)p)[i]);
    case LB_BF16: return (double)float_of_bf16(((const uint16_t *)p)[i]);
    case LB_I64: return (double)((const int64_t *)p)[i];
    case LB_I32: return (double)((const int32_t *)p)[i];
    case LB_I16: return (double)((const int16_t *)p)[i];
    case LB_I8: return (double)((const int8_t *)p)[i];
    case LB_BOOL:
    case LB_U8: return (double)((const uint8_t *)p)[i];
    case LB_U16: return (double)((const uint16_t *)p)[i];
    case LB_U32: return (double)((const uint32_t *)p)[i];
    case LB_U64: return (double)((const uint64_t *)p)[i];
    }
    return 0;
}

static int64_t get_int(const void *p, lb_dtype d, int64_t i) {
    switch (d) {
    case LB_I64:
    case LB_U64: return ((const int64_t *)p)[i];
    case LB_I32: return ((const int32_t *)p)[i];
    case LB_I16: return ((const int16_t *)p)[i];
    case LB_I8: return ((const int8_t *)p)[i];
    case LB_BOOL:
    case LB_U8: return ((const uint8_t *)p)[i];
    case LB_U16: return ((const uint16_t *)p)[i];
    case LB_U32: return ((const uint32_t *)p)[i];
    case LB_F32:
    case LB_F64:
    case LB_F16:
    case LB_BF16: break;
    }
    double x = get_real(p, d, i);
    if (x != x) return 0;
    if (x >= 9223372036854775808.0) return INT64_MAX;
    return x <= -9223372036854775808.0 ? INT64_MIN : (int64_t)x;
}

static void put_real(void *p, lb_dtype d, int64_t i, double x) {
    if (d == LB_F64) ((double *)p)[i] = x;
    else if (d == LB_F32) ((float *)p)[i] = (float)x;
    else if (d == LB_F16) ((uint16_t *)p)[i] = lbi_half_of_float(float_to_odd(x));
    else ((uint16_t *)p)[i] = bf16_of_float(float_to_odd(x));
}

/* Integers keep their low bits, as C and NumPy do. */
static void put_int(void *p, lb_dtype d, int64_t i, int64_t x) {
    if (d == LB_BOOL) ((uint8_t *)p)[i] = x != 0;
    else if (lb_dtype_size(d) == 8) ((int64_t *)p)[i] = x;
    else if (lb_dtype_size(d) == 4) ((uint32_t *)p)[i] = (uint32_t)(uint64_t)x;
    else if (lb_dtype_size(d) == 2) ((uint16_t *)p)[i] = (uint16_t)(uint64_t)x;
    else ((uint8_t *)p)[i] = (uint8_t)(uint64_t)x;
}

LBI_LEVELS static void floats_of_integers(float *restrict to, const int64_t *restrict from, int64_t n) {
    for (int64_t i = 0; i < n; i++) to[i] = (float)from[i];
}

/* The pairs that weights, caches and pixels go through. @return false if the pair is none of them */
static bool convert_fast(void *dst, lb_dtype to, const void *src, lb_dtype from, int64_t n) {
    if (from == LB_F16 && to == LB_F32)
        lbi_floats_of_halves(dst, src, n);
    else if (from == LB_BF16 && to == LB_F32)
        for (int64_t i = 0; i < n; i++) ((float *)dst)[i] = float_of_bf16(((const uint16_t *)src)[i]);
    else if (from == LB_F32 && to == LB_F16)
        lbi_halves_of_floats(dst, src, n);
    else if (from == LB_F32 && to == LB_BF16)
        for (int64_t i = 0; i < n; i++) ((uint16_t *)dst)[i] = bf16_of_float(((const float *)src)[i]);
    else if (from == LB_F32 && to == LB_F64)
        for (int64_t i = 0; i < n; i++) ((double *)dst)[i] = (double)((const float *)src)[i];
    else if (from == LB_F64 && to == LB_F32)
        for (int64_t i = 0; i < n; i++) ((float *)dst)[i] = (float)((const double *)src)[i];
    else if (from == LB_U8 && to == LB_F32)
        for (int64_t i = 0; i < n; i++) ((float *)dst)[i] = (float)((const uint8_t *)src)[i];
    else if (from == LB_I64 && to == LB_F32)
        floats_of_integers(dst, src, n);
    else if (from == LB_I64 && to == LB_F64)
        for (int64_t i = 0; i < n; i++) ((double *)dst)[i] = (double)((const int64_t *)src)[i];
    else return false;
    return true;
}

void lb_convert(void *dst, lb_dtype to, const void *src, lb_dtype from, int64_t n) {
    if (n <= 0) return;
    if (to == from) {
        memcpy(dst, src, (size_t)n * lb_dtype_size(to));
        return;
    }
    if (convert_fast(dst, to, src, from, n)) return;
    for (int64_t i = 0; i < n; i++) {
        if (is_real(to)) put_real(dst, to, i, get_real(src, from, i));
        else if (to == LB_BOOL && is_real(from)) ((uint8_t *)dst)[i] = get_real(src, from, i) != 0;
        else put_int(dst, to, i, get_int(src, from, i));
    }
}

static int64_t offset_of(const lb_tensor *x, int64_t flat) {
    int64_t at = 0;
    for (int i = x->rank - 1; i >= 0; i--) {
        at += flat % x->shape[i] * x->stride[i];
        flat /= x->shape[i];
    }
    return at;
}

/* x - x is 0 for finite numbers, else NaN. */
LBI_LEVELS static bool finite_row(const lb_real *x, int64_t n) {
    int bad = 0;
#pragma omp simd reduction(| : bad)
    for (int64_t i = 0; i < n; i++) bad |= x[i] - x[i] != 0;
    return !bad;
}

typedef struct finding {
    const lb_real *x;
    atomic_bool *bad;
} finding;

static void find_bad(const void *ctx, int64_t first, int64_t last) {
    const finding *f = ctx;
    if (!finite_row(f->x + first, last - first)) atomic_store(f->bad, true);
}

bool lb_all_finite(const lb_tensor *x) {
    int64_t n = lb_numel(x);
    if (!x->data || (x->dtype != LB_F32 && x->dtype != LB_F64 && x->dtype != LB_F16 && x->dtype != LB_BF16)) return true;
    if (x->dtype == LB_REAL && lb_is_contiguous(x)) {
        atomic_bool bad = false;
        lbi_split(n, 1, find_bad, &(finding){x->data, &bad});
        return !bad;
    }
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(lb_get_at(x, i))) return false;
    return true;
}

double lb_get_at(const lb_tensor *x, int64_t flat) {
    if (!x->data || flat < 0 || flat >= lb_numel(x)) return NAN;
    return get_real(x->data, x->dtype, offset_of(x, flat));
}

/* ---- strided copies ---- */

/* Drops axes of size 1 and joins neighbours that lie one after another. @return the new rank */
static int squeeze(const lb_tensor *x, int64_t *shape, int64_t *stride) {
    int n = 0;
    for (int i = 0; i < x->rank; i++) {
        if (x->shape[i] == 1) continue;
        if (n > 0 && stride[n - 1] == x->stride[i] * x->shape[i]) {
            shape[n - 1] *= x->shape[i];
            stride[n - 1] = x->stride[i];
            continue;
        }
        shape[n] = x->shape[i];
        stride[n++] = x->stride[i];
    }
    return n;
}

/* to[i,j] = from[i*si + j*sj] for i < m, j < n, in blocks, so that transposes touch each cache line once. */
#define COPY_PLANE(name, type)                                                                                         \
    LBI_LEVELS static void name(void *to, const void *from, int64_t m, int64_t n, int64_t si, int64_t sj) {            \
        type *restrict dst = to;                                                                                       \
        const type *src = from;                                                                                        \
        for (int64_t i = 0; i < m && sj == 1; i++) memcpy(dst + i * n, src + i * si, (size_t)n * sizeof *dst);         \
        for (int64_t i = 0; i < m && sj == -1; i++)                                                                    \
            for (int64_t j = 0; j < n; j++) dst[i * n + j] = src[i * si - j];                                          \
        if (sj == 1 || sj == -1) return;                                                                               \
        for (int64_t j0 = 0; j0 < n; j0 += GATHER_ROWS)                                                                \
            for (int64_t i = 0; i < m; i++)                                                                            \
                for (int64_t j = j0; j < n && j < j0 + GATHER_ROWS; j++) dst[i * n + j] = src[i * si + j * sj];        \
    }
enum { GATHER_ROWS = 32 };
COPY_PLANE(plane8, uint64_t)
COPY_PLANE(plane4, uint32_t)
COPY_PLANE(plane2, uint16_t)
COPY_PLANE(plane1, uint8_t)

/* The same of a matrix on its side, by blocks in registers: what those write behind their last row is written again. */
static bool turned(void *to, const void *from, size_t size, int64_t m, int64_t n, int64_t si, int64_t sj) {
    enum { BEHIND = 8 };
    if (size != sizeof(lb_real) || si != 1 || sj <= 1 || m < 2 || n < BEHIND || n > INT_MAX) return false;
    lb_real *dst = to;
    const lb_real *src = from;
    lbi_turn(dst, (int)n, src, sj, (int)n, m - 1);
    for (int64_t j = 0; j < n; j++) dst[(m - 1) * n + j] = src[m - 1 + j * sj];
    return true;
}

typedef struct gather {
    char *to;
    const char *from;
    size_t size; /* of an element */
    int rank;    /* outer axes: of the planes */
    int64_t shape[LB_MAX_RANK + 2], stride[LB_MAX_RANK + 2];
    int64_t blocks; /* of rows in a plane */
} gather;

static void gather_blocks(const void *ctx, int64_t first, int64_t last) {
    const gather *g = ctx;
    void (*plane)(void *, const void *, int64_t, int64_t, int64_t, int64_t) = g->size == 8 ? plane8 : g->size == 4 ? plane4 : g->size == 2 ? plane2 : plane1;
    int64_t rows = g->shape[g->rank], width = g->shape[g->rank + 1], step = g->stride[g->rank];
    for (int64_t i = first; i < last; i++) {
        int64_t p = i / g->blocks, row = i % g->blocks * GATHER_ROWS, m = rows - row < GATHER_ROWS ? rows - row : GATHER_ROWS, at = row * step, rest = p;
        for (int k = g->rank - 1; k >= 0; k--) {
            at += rest % g->shape[k] * g->stride[k];
            rest /= g->shape[k];
        }
        char *to = g->to + (size_t)((p * rows + row) * width) * g->size;
        const char *from = g->from + at * (int64_t)g->size;
        if (!turned(to, from, g->size, m, width, step, g->stride[g->rank + 1])) plane(to, from, m, width, step, g->stride[g->rank + 1]);
    }
}

void lbi_gather_strided(void *dst, const lb_tensor *x) {
    gather g = {.to = dst, .from = x->data, .size = lb_dtype_size(x->dtype), .shape = {1, 1}};
    int64_t planes = 1;
    if (lb_numel(x) == 0) return;
    int rank = squeeze(x, g.shape + 2, g.stride + 2);
    if (rank == 0 || (rank == 1 && g.stride[2] == 1)) {
        lbi_copy_bytes(dst, x->data, (size_t)lb_numel(x) * g.size);
        return;
    }
    g.rank = rank < 2 ? 0 : rank - 2; /* two axes of 1 stand before, so that there are always rows */
    memmove(g.shape, g.shape + rank - g.rank, sizeof g.shape[0] * (size_t)(g.rank + 2));
    memmove(g.stride, g.stride + rank - g.rank, sizeof g.stride[0] * (size_t)(g.rank + 2));
    for (int i = 0; i < g.rank; i++) planes *= g.shape[i];
    g.blocks = (g.shape[g.rank] + GATHER_ROWS - 1) / GATHER_ROWS;
    lbi_split(planes * g.blocks, lb_numel(x) / (planes * g.blocks), gather_blocks, &g);
}
