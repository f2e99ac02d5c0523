/* SPDX-License-Identifier: Apache-2.0 */
#include "io/phash.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "io/image.h"

enum { FINE = 32, LOW = 8, BITS = 64 };

/* Pillow's convert("L"), then resize(LANCZOS). */
static lb_status small_grey(lb_image *out, const lb_image *img, int32_t width, int32_t height) {
    lb_image grey = {0};
    if (img->channels != 3 || img->bits != 8) return lb_fail(LB_E_ARG, "a hash wants RGB u8, got %d channels of %d bits", img->channels, img->bits);
    lb_status st = lb_image_new(&grey, img->width, img->height, 1, 8);
    if (st != LB_OK) return st;
    const uint8_t *p = img->pixels;
    uint8_t *g = grey.pixels;
    for (int64_t i = 0, n = (int64_t)img->width * img->height; i < n; i++, p += 3) g[i] = (uint8_t)((p[0] * 19595 + p[1] * 38470 + p[2] * 7471 + 0x8000) >> 16);
    st = lb_image_resize(out, &grey, width, height, LB_FILTER_LANCZOS);
    lb_image_free(&grey);
    return st;
}

lb_status lb_image_dhash(uint64_t *out, const lb_image *img) {
    lb_image s = {0};
    lb_status st = small_grey(&s, img, LOW + 1, LOW);
    if (st != LB_OK) return st;
    const uint8_t *p = s.pixels;
    uint64_t h = 0;
    for (int y = 0; y < LOW; y++, p += LOW + 1)
        for (int x = 0; x < LOW; x++) h = h << 1 | (p[x + 1] > p[x]);
    lb_image_free(&s);
    *out = h;
    return LB_OK;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

lb_status lb_image_phash(uint64_t *out, const lb_image *img) {
    lb_image s = {0};
    lb_status st = small_grey(&s, img, FINE, FINE);
    if (st != LB_OK) return st;
    double cosine[LOW][FINE], rows[LOW][FINE], low[LOW * LOW], sorted[LOW * LOW];
    const uint8_t *p = s.pixels;
    for (int k = 0; k < LOW; k++)
        for (int i = 0; i < FINE; i++) cosine[k][i] = cos(M_PI * k * (2 * i + 1) / (2.0 * FINE));
    for (int k = 0; k < LOW; k++)
        for (int x = 0; x < FINE; x++) {
            rows[k][x] = 0;
            for (int y = 0; y < FINE; y++) rows[k][x] += cosine[k][y] * p[y * FINE + x];
        }
    for (int k = 0; k < LOW; k++)
        for (int l = 0; l < LOW; l++) {
            double sum = 0;
            for (int x = 0; x < FINE; x++) sum += cosine[l][x] * rows[k][x];
            low[k * LOW + l] = sum;
        }
    lb_image_free(&s);
    memcpy(sorted, low, sizeof low);
    qsort(sorted, LOW * LOW, sizeof *sorted, by_size);
    double median = (sorted[LOW * LOW / 2 - 1] + sorted[LOW * LOW / 2]) / 2;
    uint64_t h = 0;
    for (int i = 0; i < LOW * LOW; i++) h = h << 1 | (low[i] > median);
    *out = h;
    return LB_OK;
}

/* ---- near pairs ---- */

typedef struct part {
    uint64_t bits;
    int64_t index;
} part;

typedef struct found {
    lb_near *at;
    int64_t count, capacity, most;
} found;

static int by_bits(const void *a, const void *b) {
    const part *x = a, *y = b;
    return x->bits != y->bits ? x->bits < y->bits ? -1 : 1 : (x->index > y->index) - (x->index < y->index);
}

static int by_pair(const void *a, const void *b) {
    const lb_near *x = a, *y = b;
    return x->a != y->a ? x->a < y->a ? -1 : 1 : (x->b > y->b) - (x->b < y->b);
}

static lb_status add(found *f, int64_t a, int64_t b, int distance) {
    if (f->count == f->capacity) {
        if (f->count >= f->most) return lb_fail(LB_E_LIMIT, "more than %lld pairs of near pictures; take a smaller distance", (long long)f->most);
        int64_t capacity = f->capacity ? 2 * f->capacity : 256;
        lb_near *at = lb_realloc(f->at, (size_t)capacity, sizeof *at);
        if (!at) return LB_E_NOMEM;
        f->at = at;
        f->capacity = capacity;
    }
    f->at[f->count++] = (lb_near){a, b, distance};
    return LB_OK;
}

static uint64_t bits_of(uint64_t h, int band, int bands) {
    int from = BITS * band / bands, to = BITS * (band + 1) / bands;
    return (h >> from) & (to - from == BITS ? UINT64_MAX : ((uint64_t)1 << (to - from)) - 1);
}

/* Does an earlier band agree too? Then the pair is known. */
static bool known(uint64_t x, uint64_t y, int band, int bands) {
    for (int k = 0; k < band; k++)
        if (bits_of(x, k, bands) == bits_of(y, k, bands)) return true;
    return false;
}

/* Of distance + 1 bands of bits, two near hashes agree in one at least. */
lb_status lb_near_pairs(lb_near **out, int64_t *count, const uint64_t *hashes, int64_t n, int distance, int64_t most) {
    found f = {.most = most};
    int bands = distance + 1;
    lb_status st = LB_OK;
    if (distance < 0 || distance > 16) return lb_fail(LB_E_ARG, "a distance of %d bits: 0 to 16 are possible", distance);
    part *p = lb_alloc((size_t)n, sizeof *p);
    if (!p) return LB_E_NOMEM;
    for (int band = 0; band < bands; band++) {
        for (int64_t i = 0; i < n; i++) p[i] = (part){bits_of(hashes[i], band, bands), i};
        if (n > 1) qsort(p, (size_t)n, sizeof *p, by_bits);
        for (int64_t i = 0; i < n; i++)
            for (int64_t k = i + 1; k < n && p[k].bits == p[i].bits; k++) {
                uint64_t x = hashes[p[i].index], y = hashes[p[k].index];
                int d = __builtin_popcountll(x ^ y);
                if (d <= distance && !known(x, y, band, bands)) LB_TRY(add(&f, p[i].index, p[k].index, d));
            }
    }
    if (f.count > 1) qsort(f.at, (size_t)f.count, sizeof *f.at, by_pair);
    *out = f.at;
    *count = f.count;
    f.at = NULL;
done:
    lb_free(f.at);
    lb_free(p);
    return st;
}
