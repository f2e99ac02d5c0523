/* SPDX-License-Identifier: Apache-2.0 */
/* Separable resampling with the arithmetic of Pillow 13.0 (facts from libImaging/Resample.c and Geometry.c), so that the bytes are
 * equal: weights normalised in double, rounded half away from zero to 22-bit fixed point, sums in 32 bits, u8 between the passes. */
#include "io/resize.h"
#include <math.h>
#include <string.h>
#include "base/cpu.h"

enum { PRECISION = LBI_RESIZE_PRECISION, HALF = 1 << (PRECISION - 1) };

lbi_resize_level lbi_resize_best(void) {
    if (lbi_cpu() >= LBI_CPU_AVX512 && lbi_resize_has_avx512()) return LBI_RESIZE_AVX512;
    return lbi_cpu() >= LBI_CPU_AVX2 && lbi_resize_has_avx2() ? LBI_RESIZE_AVX2 : LBI_RESIZE_PLAIN;
}

static double box(double x) {
    return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

static double bilinear(double x) {
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double hamming(double x) {
    x = fabs(x);
    if (x == 0.0) return 1.0;
    if (x >= 1.0) return 0.0;
    x *= M_PI;
    return sin(x) / x * (0.54f + 0.46f * cos(x)); /* float constants are part of the definition */
}

static double bicubic(double x) { /* Keys 1981 with a = -0.5 */
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static double sinc(double x) {
    if (x == 0.0) return 1.0;
    x *= M_PI;
    return sin(x) / x;
}

static double lanczos(double x) {
    return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
}

static const struct kernel {
    const char *name;
    double (*at)(double x);
    double support;
} kernels[] = {
    [LB_FILTER_BICUBIC] = {"bicubic", bicubic, 2.0}, [LB_FILTER_BILINEAR] = {"bilinear", bilinear, 1.0},
    [LB_FILTER_LANCZOS] = {"lanczos", lanczos, 3.0}, [LB_FILTER_BOX] = {"box", box, 0.5},
    [LB_FILTER_NEAREST] = {"nearest", NULL, 0.0},    [LB_FILTER_HAMMING] = {"hamming", hamming, 1.0},
};

lb_status lb_filter_parse(lb_filter *out, const char *name) {
    for (size_t i = 0; i < LB_COUNT(kernels); i++)
        if (strcmp(name, kernels[i].name) == 0) {
            *out = (lb_filter)i;
            return LB_OK;
        }
    return lb_fail(LB_E_ARG, "unknown filter '%s': bicubic, bilinear, lanczos, box, nearest or hamming", name);
}

static void taps_free(lbi_taps *t) {
    lb_free(t->first);
    lb_free(t->pair);
    lb_free(t->digits);
    lb_free(t->weight);
}

static void taps_at(lbi_taps *t, int32_t i, int32_t in, double scale, double spread, const struct kernel *k, double *w) {
    double support = k->support * spread, center = (i + 0.5) * scale, sum = 0.0, inverse = 1.0 / spread;
    int32_t lo = (int32_t)(center - support + 0.5), hi = (int32_t)(center + support + 0.5);
    if (lo < 0) lo = 0;
    if (hi > in) hi = in;
    int32_t n = hi - lo;
    for (int32_t x = 0; x < n; x++) sum += w[x] = k->at((x + lo - center + 0.5) * inverse);
    int32_t *out = t->weight + (size_t)i * (size_t)t->width;
    for (int32_t x = 0; x < n; x++) {
        double v = (sum != 0.0 ? w[x] / sum : w[x]) * (1 << PRECISION);
        out[x] = (int32_t)(v < 0 ? v - 0.5 : v + 0.5);
    }
    memset(out + n, 0, (size_t)(t->width - n) * sizeof *out);
    t->first[i] = lo;
    t->count[i] = n;
}

static int64_t blocks(int32_t out) { return ((int64_t)out + 3) / 4; }

static lb_status taps_make(lbi_taps *t, int32_t in, int32_t out, const struct kernel *k) {
    double scale = (double)in / out, spread = scale < 1.0 ? 1.0 : scale;
    double *w = NULL;
    size_t n = 0;
    double width = ceil(k->support * spread) * 2 + 1;
    if (width > INT32_MAX / 2 || !lb_mul_size(&n, (size_t)width, (size_t)out)) return lb_fail(LB_E_LIMIT, "resize from %d to %d pixels is too far", in, out);
    t->width = (int32_t)width;
    t->first = lb_alloc((size_t)blocks(out) * 4, 2 * sizeof *t->first);
    t->weight = lb_alloc(n, sizeof *t->weight);
    w = lb_alloc((size_t)width, sizeof *w);
    if (!t->first || !t->weight || !w) {
        lb_free(w);
        return LB_E_NOMEM;
    }
    t->count = t->first + blocks(out) * 4;
    for (int32_t i = 0; i < out; i++) taps_at(t, i, in, scale, spread, k, w);
    for (int64_t i = out; i < blocks(out) * 4; i++) t->first[i] = t->first[out - 1], t->count[i] = 0;
    lb_free(w);
    return LB_OK;
}

static lb_status make_pairs(lbi_taps *t, int32_t out) {
    size_t n = 0;
    if (!lb_mul_size(&n, (size_t)out, (size_t)t->groups)) return lb_fail(LB_E_LIMIT, "resize to %d pixels", out);
    t->pair = lb_calloc(n, 8 * sizeof *t->pair);
    if (!t->pair) return LB_E_NOMEM;
    for (int32_t i = 0; i < out; i++)
        for (int32_t k = 0; k < t->count[i]; k++) {
            int32_t w = t->weight[(size_t)i * (size_t)t->width + (size_t)k];
            int16_t *group = t->pair + ((size_t)i * (size_t)t->groups + (size_t)(k / 4)) * 8;
            group[k % 4] = (int16_t)(w >> LBI_RESIZE_LOW);
            group[4 + k % 4] = (int16_t)(w & ((1 << LBI_RESIZE_LOW) - 1));
        }
    return LB_OK;
}

static lb_status make_digits(lbi_taps *t, int32_t out) {
    size_t n = 0;
    if (!lb_mul_size(&n, (size_t)blocks(out), (size_t)t->groups)) return lb_fail(LB_E_LIMIT, "resize to %d pixels", out);
    t->digits = lb_calloc(n, LBI_RESIZE_DIGITS);
    if (!t->digits) return LB_E_NOMEM;
    for (int32_t i = 0; i < out; i++)
        for (int32_t k = 0; k < t->count[i]; k++) {
            int32_t w = t->weight[(size_t)i * (size_t)t->width + (size_t)k];
            int8_t *at = t->digits + ((size_t)(i / 4) * (size_t)t->groups + (size_t)(k / 4)) * LBI_RESIZE_DIGITS + i % 4 * 4 + k % 4;
            for (int d = 0; d < 3; d++, w = (w + 128) >> 8) at[16 * d] = (int8_t)(w & 255);
        }
    return LB_OK;
}

/* What a level reads. Three digits hold weights from -2 to below 2, all that there are but those of sums that nearly vanish: then AVX2's. */
static lb_status split_weights(lbi_taps *t, int32_t out, lbi_resize_level *level) {
    t->groups = (t->width + 3) / 4;
    const int32_t least = -(127 << 16), most = 127 << 16;
    for (int32_t i = 0; *level == LBI_RESIZE_AVX512 && i < out; i++)
        for (int32_t k = 0; k < t->count[i]; k++) {
            int32_t w = t->weight[(size_t)i * (size_t)t->width + (size_t)k];
            if (w < least || w > most) *level = LBI_RESIZE_AVX2;
        }
    switch (*level) {
    case LBI_RESIZE_PLAIN: return LB_OK;
    case LBI_RESIZE_AVX2: return make_pairs(t, out);
    case LBI_RESIZE_AVX512: return make_digits(t, out);
    }
    return LB_OK;
}

static inline uint8_t clip(int32_t sum) {
    sum >>= PRECISION;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

/* One row, C channels. Inlined with a constant C, so that the channel loop is unrolled. */
static inline __attribute__((always_inline)) void row_across(uint8_t *dst, const uint8_t *src, int32_t width, const lbi_taps *t, int C) {
    for (int32_t x = 0; x < width; x++, dst += C) {
        const int32_t *k = t->weight + (size_t)x * (size_t)t->width;
        const uint8_t *p = src + (size_t)t->first[x] * (size_t)C;
        int32_t n = t->count[x], sum[4] = {HALF, HALF, HALF, HALF};
        for (int32_t i = 0; i < n; i++, p += C)
            for (int c = 0; c < C; c++) sum[c] += p[c] * k[i];
        for (int c = 0; c < C; c++) dst[c] = clip(sum[c]);
    }
}

static void row_plain(uint8_t *dst, const uint8_t *src, int32_t width, const lbi_taps *t, int channels) {
    switch (channels) {
    case 1: row_across(dst, src, width, t, 1); break;
    case 2: row_across(dst, src, width, t, 2); break;
    case 3: row_across(dst, src, width, t, 3); break;
    default: row_across(dst, src, width, t, 4); break;
    }
}

lb_status lbi_across_begin(lbi_across *a, int32_t in_width, int32_t height, int channels, int32_t width, lb_filter filter, lbi_resize_level level) {
    lb_status st = LB_OK;
    *a = (lbi_across){.level = channels >= 3 ? level : LBI_RESIZE_PLAIN};
    LB_TRY(lb_image_new(&a->out, width, height, channels, 8));
    LB_TRY(taps_make(&a->taps, in_width, width, &kernels[filter]));
    LB_TRY(split_weights(&a->taps, width, &a->level));
done:
    return st;
}

void lbi_across_rows(lbi_across *a, const uint8_t *src, size_t stride, int32_t count) {
    const lbi_taps *t = &a->taps;
    int channels = a->out.channels;
    int32_t width = a->out.width, y = 0;
    size_t to = (size_t)width * (size_t)channels;
    const uint8_t *end = src + stride * (size_t)count;
    uint8_t *dst = (uint8_t *)a->out.pixels + (size_t)a->done * to;
    a->done += count;
    if (a->level == LBI_RESIZE_AVX512) {
        lbi_rows_across_avx512(dst, to, src, stride, count, width, t, channels);
        return;
    }
    for (; a->level == LBI_RESIZE_AVX2 && y + 2 <= count; y += 2, src += 2 * stride, dst += 2 * to) lbi_rows_across_avx2(dst, dst + to, src, src + stride, end, width, t, channels);
    for (; y < count; y++, src += stride, dst += to) row_plain(dst, src, width, t, channels);
}

void lbi_across_free(lbi_across *a) {
    lb_image_free(&a->out);
    taps_free(&a->taps);
    *a = (lbi_across){0};
}

static lb_status across(lb_image *out, const lb_image *in, int32_t width, lb_filter filter, lbi_resize_level level) {
    lbi_across a;
    lb_status st = lbi_across_begin(&a, in->width, in->height, in->channels, width, filter, level);
    if (st == LB_OK) {
        lbi_across_rows(&a, in->pixels, (size_t)in->width * (size_t)in->channels, in->height);
        *out = a.out;
        a.out = (lb_image){0};
    }
    lbi_across_free(&a);
    return st;
}

static void row_down(uint8_t *dst, const uint8_t *src, size_t row, const lbi_taps *t, int32_t y, int32_t *sum) {
    const int32_t *w = t->weight + (size_t)y * (size_t)t->width;
    for (size_t i = 0; i < row; i++) sum[i] = HALF;
    src += (size_t)t->first[y] * row;
    for (int32_t j = 0; j < t->count[y]; j++, src += row)
        for (size_t i = 0; i < row; i++) sum[i] += src[i] * w[j];
    for (size_t i = 0; i < row; i++) dst[i] = clip(sum[i]);
}

static lb_status down(lb_image *out, const lb_image *in, int32_t height, const struct kernel *k, lbi_resize_level level) {
    lbi_taps t = {0};
    lb_image img = {0};
    lb_status st = LB_OK;
    size_t row = (size_t)in->width * (size_t)in->channels;
    int32_t *sum = NULL;
    LB_TRY(lb_image_new(&img, in->width, height, in->channels, 8));
    LB_TRY(taps_make(&t, in->height, height, k));
    LB_TRY(split_weights(&t, height, &level));
    if (!(sum = lb_alloc(row, sizeof *sum))) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int32_t y = 0; y < height; y++) {
        uint8_t *dst = (uint8_t *)img.pixels + (size_t)y * row;
        if (level == LBI_RESIZE_AVX512) lbi_row_down_avx512(dst, in->pixels, row, &t, y);
        else if (level == LBI_RESIZE_AVX2) lbi_row_down_avx2(dst, in->pixels, row, &t, y);
        else row_down(dst, in->pixels, row, &t, y, sum);
    }
    *out = img;
    img.pixels = NULL;
done:
    lb_free(sum);
    lb_image_free(&img);
    taps_free(&t);
    return st;
}

/* Positions are summed up in double, not multiplied out: the last bit of the sum decides ties. A position beyond the input gives 0. */
static lb_status nearest(lb_image *out, const lb_image *in, int32_t width, int32_t height) {
    lb_image img = {0};
    lb_status st = LB_OK;
    int32_t *from = NULL;
    size_t C = (size_t)in->channels * (size_t)(in->bits / 8); /* bytes of a pixel */
    LB_TRY(lb_image_new(&img, width, height, in->channels, in->bits));
    if (!(from = lb_alloc((size_t)width, sizeof *from))) {
        st = LB_E_NOMEM;
        goto done;
    }
    double step = (double)in->width / width, at = step * 0.5;
    for (int32_t x = 0; x < width; x++, at += step) from[x] = at < in->width ? (int32_t)at : -1;
    step = (double)in->height / height, at = step * 0.5;
    uint8_t *dst = img.pixels;
    for (int32_t y = 0; y < height; y++, at += step) {
        const uint8_t *row = at < in->height ? (const uint8_t *)in->pixels + (size_t)at * (size_t)in->width * C : NULL;
        for (int32_t x = 0; x < width; x++, dst += C)
            for (size_t c = 0; c < C; c++) dst[c] = row && from[x] >= 0 ? row[(size_t)from[x] * C + c] : 0;
    }
    *out = img;
    img.pixels = NULL;
done:
    lb_free(from);
    lb_image_free(&img);
    return st;
}

lb_status lbi_image_resize(lb_image *out, const lb_image *in, int32_t width, int32_t height, lb_filter filter, lbi_resize_level level) {
    if (in->bits != 8 && filter != LB_FILTER_NEAREST) return lb_fail(LB_E_ARG, "resize takes 8-bit pictures, not %d-bit", in->bits);
    if (width < 1 || height < 1) return lb_fail(LB_E_ARG, "resize to %d x %d pixels: sizes must be at least 1", width, height);
    if ((unsigned)filter >= LB_COUNT(kernels)) return lb_fail(LB_E_ARG, "filter number %d is unknown", (int)filter);
    if (width == in->width && height == in->height) return lb_image_crop(out, in, 0, 0, width, height, NULL);
    const struct kernel *k = &kernels[filter];
    if (!k->at) return nearest(out, in, width, height);
    if (height == in->height) return across(out, in, width, filter, level);
    if (width == in->width) return down(out, in, height, k, level);
    bool across_first = lbi_resize_is_across_first(in->width, in->height, width, height, filter);
    lb_image middle = {0};
    lb_status st = across_first ? across(&middle, in, width, filter, level) : down(&middle, in, height, k, level);
    if (st == LB_OK) st = across_first ? down(out, &middle, height, k, level) : across(out, &middle, width, filter, level);
    lb_image_free(&middle);
    return st;
}

/* Pillow 13.0 (PR 9549) takes the vertical pass first when the height shrinks by more than twice as many pixels as the width; up to 12 the
 * horizontal pass was always first. The order shows in single units of rounding. */
bool lbi_resize_is_across_first(int32_t in_width, int32_t in_height, int32_t width, int32_t height, lb_filter filter) {
    bool down_first = height < in_height && (int64_t)in_height - height > 2 * ((int64_t)in_width - width);
    return kernels[filter].at && width != in_width && !down_first;
}

lb_status lb_image_resize(lb_image *out, const lb_image *in, int32_t width, int32_t height, lb_filter filter) {
    return lbi_image_resize(out, in, width, height, filter, lbi_resize_best());
}

lb_status lb_image_fit(lb_image *img, lb_fit *fit) {
    int32_t width = img->width, height = img->height;
    if (!fit || fit->width) return LB_OK;
    fit->size(fit->ctx, img->width, img->height, &width, &height);
    fit->width = img->width;
    fit->height = img->height;
    if (width == img->width && height == img->height) return LB_OK;
    lb_image own = {0};
    lb_status st = lb_image_resize(&own, img, width, height, fit->filter);
    if (st != LB_OK) return st;
    lb_image_free(img);
    *img = own;
    return LB_OK;
}
