/* SPDX-License-Identifier: Apache-2.0 */
/* Source of the colour rules: Pillow 13.0, Convert.c (I;16 to L clips at 255), PngImagePlugin.py (16-bit colour and grey with alpha
 * keep the high byte), ImageOps.exif_transpose. */
#include "io/image.h"
#include <string.h>

void lb_image_free(lb_image *img) {
    if (!img) return;
    lb_free(img->pixels);
    *img = (lb_image){0};
}

void lb_audio_free(lb_audio *a) {
    if (!a) return;
    lb_free(a->samples);
    *a = (lb_audio){0};
}

void lb_volume_free(lb_volume *v) {
    if (!v) return;
    lb_free(v->values);
    *v = (lb_volume){0};
}

static size_t pixel_bytes(const lb_image *img) {
    return (size_t)img->channels * (size_t)(img->bits / 8);
}

static size_t row_bytes(const lb_image *img) {
    return (size_t)img->width * pixel_bytes(img);
}

lb_status lb_image_new(lb_image *out, int32_t width, int32_t height, int32_t channels, int bits) {
    if (width < 1 || height < 1) return lb_fail(LB_E_ARG, "picture of %d x %d pixels: sizes must be at least 1", width, height);
    if (channels < 1 || channels > 4) return lb_fail(LB_E_ARG, "picture of %d channels: 1 to 4 are possible", channels);
    if (bits != 8 && bits != 16) return lb_fail(LB_E_ARG, "picture of %d bits: 8 or 16 are possible", bits);
    lb_image img = {.width = width, .height = height, .channels = channels, .bits = bits};
    img.pixels = lb_alloc((size_t)width * (size_t)height, pixel_bytes(&img)); /* 2^62 * 8 is refused inside */
    if (!img.pixels) return LB_E_NOMEM;
    *out = img;
    return LB_OK;
}

static lb_status new_like(lb_image *out, const lb_image *in, int32_t width, int32_t height) {
    return lb_image_new(out, width, height, in->channels, in->bits);
}

lb_status lb_image_crop(lb_image *out, const lb_image *in, int32_t x, int32_t y, int32_t w, int32_t h, const uint8_t *fill) {
    lb_image img = {0};
    lb_status st = new_like(&img, in, w, h);
    if (st != LB_OK) return st;
    size_t pixel = pixel_bytes(in), row = row_bytes(in);
    int64_t left = x < 0 ? -(int64_t)x : 0, right = (int64_t)in->width - x;
    if (left > w) left = w;
    if (right > w) right = w;
    if (right < left) right = left;
    uint8_t *dst = img.pixels;
    const uint8_t *src = in->pixels;
    if (left > 0 || right < w || y < 0 || (int64_t)y + h > in->height) {
        size_t n = (size_t)w * (size_t)h * (size_t)in->channels;
        if (in->bits == 8)
            for (size_t i = 0; i < n; i++) dst[i] = fill ? fill[i % (size_t)in->channels] : 0;
        else
            for (size_t i = 0; i < n; i++) ((uint16_t *)img.pixels)[i] = fill ? (uint16_t)(fill[i % (size_t)in->channels] * 257) : 0;
    }
    for (int64_t j = 0; j < h && right > left; j++) {
        int64_t from = (int64_t)y + j;
        if (from < 0 || from >= in->height) continue;
        memcpy(dst + ((size_t)j * (size_t)w + (size_t)left) * pixel, src + (size_t)from * row + (size_t)(x + left) * pixel, (size_t)(right - left) * pixel);
    }
    *out = img;
    return LB_OK;
}

/* out(x, y) = in(ox + ax*x + bx*y, oy + ay*x + by*y) */
typedef struct walk {
    int64_t ox, ax, bx, oy, ay, by;
} walk;

static void copy_walk(lb_image *out, const lb_image *in, walk k) {
    size_t pixel = pixel_bytes(in);
    const uint8_t *src = in->pixels;
    uint8_t *dst = out->pixels;
    int64_t step = (k.ay * in->width + k.ax) * (int64_t)pixel;
    for (int64_t y = 0; y < out->height; y++) {
        const uint8_t *from = src + ((k.oy + k.by * y) * in->width + k.ox + k.bx * y) * (int64_t)pixel;
        for (int64_t x = 0; x < out->width; x++, from += x < out->width ? step : 0, dst += pixel)
            for (size_t c = 0; c < pixel; c++) dst[c] = from[c];
    }
}

lb_status lb_image_orient(lb_image *out, const lb_image *in, int orientation) {
    if (orientation < 1 || orientation > 8) return lb_fail(LB_E_ARG, "orientation %d: 1 to 8 are possible", orientation);
    int64_t w = in->width - 1, h = in->height - 1;
    /* EXIF 2.3, tag Orientation: which side of the picture row 0 and column 0 of the file are. */
    const walk walks[9] = {
        [1] = {0, 1, 0, 0, 0, 1},  [2] = {w, -1, 0, 0, 0, 1}, [3] = {w, -1, 0, h, 0, -1}, [4] = {0, 1, 0, h, 0, -1},
        [5] = {0, 0, 1, 0, 1, 0},  [6] = {0, 0, 1, h, -1, 0}, [7] = {w, 0, -1, h, -1, 0}, [8] = {w, 0, -1, 0, 1, 0},
    };
    bool turned = orientation >= 5;
    lb_image img = {0};
    lb_status st = new_like(&img, in, turned ? in->height : in->width, turned ? in->width : in->height);
    if (st != LB_OK) return st;
    copy_walk(&img, in, walks[orientation]);
    *out = img;
    return LB_OK;
}

lb_status lb_image_flip(lb_image *out, const lb_image *in, bool horizontal, bool vertical) {
    return lb_image_orient(out, in, horizontal ? (vertical ? 3 : 2) : (vertical ? 4 : 1));
}

/* One sample as 8 bits: 16-bit grey is clipped, other 16-bit pictures keep the high byte (see the head of the file). */
static uint8_t sample8(const lb_image *in, size_t i) {
    if (in->bits == 8) return ((const uint8_t *)in->pixels)[i];
    uint16_t v = ((const uint16_t *)in->pixels)[i];
    if (in->channels == 1) return v > 255 ? 255 : (uint8_t)v;
    return (uint8_t)(v >> 8);
}

lb_status lb_image_to_rgb(lb_image *out, const lb_image *in) {
    lb_image img = {0};
    lb_status st = lb_image_new(&img, in->width, in->height, 3, 8);
    if (st != LB_OK) return st;
    size_t n = (size_t)in->width * (size_t)in->height, channels = (size_t)in->channels;
    uint8_t *dst = img.pixels;
    if (in->bits == 8 && channels == 3) memcpy(dst, in->pixels, n * 3);
    else if (channels >= 3)
        for (size_t i = 0; i < n; i++)
            for (size_t c = 0; c < 3; c++) dst[3 * i + c] = sample8(in, i * channels + c);
    else
        for (size_t i = 0; i < n; i++) dst[3 * i] = dst[3 * i + 1] = dst[3 * i + 2] = sample8(in, i * channels);
    *out = img;
    return LB_OK;
}

lb_status lb_image_over(lb_image *out, const lb_image *rgba, const uint8_t background[3]) {
    if (rgba->channels != 4 || rgba->bits != 8) return lb_fail(LB_E_ARG, "compositing takes 8-bit RGBA, not %d channels of %d bits", rgba->channels, rgba->bits);
    lb_image img = {0};
    lb_status st = lb_image_new(&img, rgba->width, rgba->height, 3, 8);
    if (st != LB_OK) return st;
    const uint8_t *src = rgba->pixels;
    uint8_t *dst = img.pixels;
    size_t n = (size_t)rgba->width * (size_t)rgba->height;
    for (size_t i = 0; i < n; i++, src += 4, dst += 3)
        for (int c = 0; c < 3; c++) dst[c] = (uint8_t)((src[c] * src[3] + background[c] * (255 - src[3]) + 127) / 255);
    *out = img;
    return LB_OK;
}
