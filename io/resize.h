/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of lb_image_resize, so that its fast level can be tested against its plain one. Private to io. */
#ifndef LB_IO_RESIZE_H
#define LB_IO_RESIZE_H
#include <string.h>
#include "io/image.h"
LB_BEGIN

enum { LBI_RESIZE_PRECISION = 32 - 8 - 2, LBI_RESIZE_LOW = 12, LBI_RESIZE_DIGITS = 48 };

/* What may be used, each on processors that have it. */
typedef enum lbi_resize_level { LBI_RESIZE_PLAIN = 0, LBI_RESIZE_AVX2, LBI_RESIZE_AVX512 } lbi_resize_level;
/* The best one of processor and LB_CPU. */
lbi_resize_level lbi_resize_best(void);

/* For each output position: the first input position, and the weights from there on in groups of 4, zeros after the last. Products of few bits
 * add up to the same 32-bit sum:
 * AVX2: a weight of the definition is high * 4096 + low; a group is 4 highs, then 4 lows.
 * AVX-512: it is three signed digits of base 256. Four positions side by side are a block; each of its groups has the lowest digits of the four,
 * 4 taps each, then the middle ones, then the highest. Positions are filled up to whole blocks. */
typedef struct lbi_taps {
    int32_t width;    /* of a row of `weight` */
    int32_t groups;   /* of a position */
    int32_t *first, *count;
    int32_t *weight;
    int16_t *pair;
    int8_t *digits;
} lbi_taps;

/* The same as lb_image_resize with the kernels of a level that is not above the best. */
LB_MUST_USE lb_status lbi_image_resize(lb_image *out, const lb_image *in, int32_t width, int32_t height, lb_filter filter, lbi_resize_level level);

/* The horizontal pass of a picture whose rows come a few at a time. */
typedef struct lbi_across {
    lb_image out;
    lbi_taps taps;
    int32_t done; /* rows */
    lbi_resize_level level;
} lbi_across;
LB_MUST_USE lb_status lbi_across_begin(lbi_across *a, int32_t in_width, int32_t height, int channels, int32_t width, lb_filter filter, lbi_resize_level level);
/* `count` more rows, `stride` bytes apart; nothing behind count * stride is read. */
void lbi_across_rows(lbi_across *a, const uint8_t *src, size_t stride, int32_t count);
void lbi_across_free(lbi_across *a);
/* Is this resize a horizontal pass and then a vertical one, or none? */
bool lbi_resize_is_across_first(int32_t in_width, int32_t in_height, int32_t width, int32_t height, lb_filter filter);

bool lbi_resize_has_avx2(void);
/* Two rows of 3 or 4 channels; `end` is the first byte that may not be read. */
void lbi_rows_across_avx2(uint8_t *dst0, uint8_t *dst1, const uint8_t *src0, const uint8_t *src1, const uint8_t *end, int32_t width, const lbi_taps *t, int channels);
bool lbi_resize_has_avx512(void);
/* Rows of 3 or 4 channels, `to` and `from` bytes apart; nothing behind the last is read. */
void lbi_rows_across_avx512(uint8_t *dst, size_t to, const uint8_t *src, size_t from, int32_t count, int32_t width, const lbi_taps *t, int channels);
/* Output row y of `bytes` bytes from the rows of src (bytes apart). */
void lbi_row_down_avx2(uint8_t *dst, const uint8_t *src, size_t bytes, const lbi_taps *t, int32_t y);
void lbi_row_down_avx512(uint8_t *dst, const uint8_t *src, size_t bytes, const lbi_taps *t, int32_t y);

/* The first C bytes, 3 or 4; a call of memcpy costs as much as the sum before it. */
static inline void lbi_put_pixel(uint8_t *dst, uint32_t bytes, int C) {
    uint16_t two = (uint16_t)bytes;
    if (C == 4) memcpy(dst, &bytes, sizeof bytes);
    else {
        memcpy(dst, &two, sizeof two);
        dst[2] = (uint8_t)(bytes >> 16);
    }
}

LB_END
#endif
