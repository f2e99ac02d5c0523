/* SPDX-License-Identifier: Apache-2.0 */
#include "io/enhance.h"
#include <math.h>
#include <string.h>

static int64_t samples(const lb_image *img) { return (int64_t)img->width * img->height * img->channels; }

static uint8_t clip(int v) { return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v); }

/* Between two values nothing can leave the range; beyond them it is clipped. Both truncate. */
static uint8_t blend(int base, int x, float factor) {
    float y = (float)base + factor * (float)(x - base);
    return y <= 0 ? 0 : y >= 255 ? 255 : (uint8_t)y;
}

static int grey_of(const uint8_t *p) { return (p[0] * 19595 + p[1] * 38470 + p[2] * 7471 + 0x8000) >> 16; }

void lb_enhance_brightness(lb_image *img, double factor) {
    uint8_t *p = img->pixels;
    for (int64_t i = 0, n = samples(img); i < n; i++) p[i] = blend(0, p[i], (float)factor);
}

void lb_enhance_contrast(lb_image *img, double factor) {
    uint8_t *p = img->pixels;
    int64_t n = (int64_t)img->width * img->height, sum = 0;
    for (int64_t i = 0; i < n; i++) sum += grey_of(p + 3 * i);
    int mean = (int)((double)sum / (double)n + 0.5);
    for (int64_t i = 0; i < 3 * n; i++) p[i] = blend(mean, p[i], (float)factor);
}

void lb_enhance_saturation(lb_image *img, double factor) {
    uint8_t *p = img->pixels;
    for (int64_t i = 0, n = (int64_t)img->width * img->height; i < n; i++, p += 3) {
        int grey = grey_of(p);
        for (int c = 0; c < 3; c++) p[c] = blend(grey, p[c], (float)factor);
    }
}

/* 1 1 1, 1 5 1, 1 1 1 over 13; the border stays. Sums in Pillow's order: the row below, the row itself, the row above. */
static void smooth(uint8_t *dst, const lb_image *img) {
    const float one = 1.0F / 13, five = 5.0F / 13;
    const uint8_t *src = img->pixels;
    int64_t row = (int64_t)img->width * 3;
    memcpy(dst, src, (size_t)samples(img));
    for (int64_t y = 1; y + 1 < img->height; y++)
        for (int64_t x = 3; x + 3 < row; x++) {
            const uint8_t *p = src + y * row + x;
            float s = 0.5F;
            s += (float)p[row - 3] * one + (float)p[row] * one + (float)p[row + 3] * one;
            s += (float)p[-3] * one + (float)p[0] * five + (float)p[3] * one;
            s += (float)p[-row - 3] * one + (float)p[-row] * one + (float)p[-row + 3] * one;
            dst[y * row + x] = s <= 0 ? 0 : s >= 255 ? 255 : (uint8_t)s;
        }
}

lb_status lb_enhance_sharpness(lb_image *img, double factor) {
    int64_t n = samples(img);
    uint8_t *soft = lb_alloc((size_t)n, 1), *p = img->pixels;
    if (!soft) return LB_E_NOMEM;
    smooth(soft, img);
    for (int64_t i = 0; i < n; i++) p[i] = blend(soft[i], p[i], (float)factor);
    lb_free(soft);
    return LB_OK;
}

/* ---- hue ---- */

static void to_hsv(uint8_t hsv[3], const uint8_t *p) {
    int r = p[0], g = p[1], b = p[2], most = r > g ? r : g, least = r < g ? r : g;
    most = b > most ? b : most;
    least = b < least ? b : least;
    hsv[0] = hsv[1] = 0;
    hsv[2] = (uint8_t)most;
    if (most == least) return;
    float range = (float)(most - least), h;
    float rc = (float)(most - r) / range, gc = (float)(most - g) / range, bc = (float)(most - b) / range;
    if (r == most) h = bc - gc;
    else if (g == most) h = (float)(2.0 + (double)rc - (double)bc);
    else h = (float)(4.0 + (double)gc - (double)rc);
    h = (float)fmod((double)h / 6.0 + 1.0, 1.0);
    hsv[0] = clip((int)((double)h * 255.0));
    hsv[1] = clip((int)((double)(range / (float)most) * 255.0));
}

static void to_rgb(uint8_t *p, const uint8_t hsv[3]) {
    int v = hsv[2];
    if (hsv[1] == 0) {
        p[0] = p[1] = p[2] = (uint8_t)v;
        return;
    }
    float h = (float)((float)hsv[0] * 6.0F / 255.0F), s = (float)hsv[1] / 255.0F;
    int i = (int)floorf(h);
    float f = h - (float)i;
    uint8_t a = clip((int)round((double)((float)v * (1.0F - s)))), b = clip((int)round((double)((float)v * (1.0F - s * f)))), c = clip((int)round((double)((float)v * (1.0F - s * (1.0F - f)))));
    uint8_t w = (uint8_t)v;
    const uint8_t sextant[6][3] = {{w, c, a}, {b, w, a}, {a, w, c}, {a, b, w}, {c, a, w}, {w, a, b}};
    memcpy(p, sextant[i % 6], 3);
}

void lb_enhance_hue(lb_image *img, double turns) {
    uint8_t *p = img->pixels, add = (uint8_t)(int)(turns * 255);
    for (int64_t i = 0, n = (int64_t)img->width * img->height; i < n; i++, p += 3) {
        uint8_t hsv[3];
        to_hsv(hsv, p);
        hsv[0] = (uint8_t)(hsv[0] + add);
        to_rgb(p, hsv);
    }
}

/* ---- tables ---- */

static void through(lb_image *img, int channel, const uint8_t table[256]) {
    uint8_t *p = img->pixels;
    for (int64_t i = channel, n = samples(img); i < n; i += img->channels) p[i] = table[p[i]];
}

static void histogram(int64_t count[256], const lb_image *img, int channel) {
    const uint8_t *p = img->pixels;
    memset(count, 0, 256 * sizeof *count);
    for (int64_t i = channel, n = samples(img); i < n; i += img->channels) count[p[i]]++;
}

void lb_enhance_posterize(lb_image *img, int bits) {
    uint8_t *p = img->pixels, mask = (uint8_t)~((1 << (8 - bits)) - 1);
    for (int64_t i = 0, n = samples(img); i < n; i++) p[i] &= mask;
}

void lb_enhance_solarize(lb_image *img, double threshold) {
    uint8_t *p = img->pixels;
    for (int64_t i = 0, n = samples(img); i < n; i++)
        if (p[i] >= threshold) p[i] = (uint8_t)(255 - p[i]);
}

void lb_enhance_autocontrast(lb_image *img) {
    for (int c = 0; c < img->channels; c++) {
        int64_t count[256];
        uint8_t table[256];
        int low = 0, high = 255;
        histogram(count, img, c);
        while (low < 255 && !count[low]) low++;
        while (high > 0 && !count[high]) high--;
        if (high <= low) continue;
        double scale = 255.0 / (high - low), offset = -low * scale;
        for (int i = 0; i < 256; i++) table[i] = clip((int)(i * scale + offset));
        through(img, c, table);
    }
}

void lb_enhance_equalize(lb_image *img) {
    for (int c = 0; c < img->channels; c++) {
        int64_t count[256], last = 0, kinds = 0, sum = 0;
        uint8_t table[256];
        histogram(count, img, c);
        for (int i = 0; i < 256; i++)
            if (count[i]) last = count[i], sum += count[i], kinds++;
        int64_t step = (sum - last) / 255, n = step / 2;
        if (kinds <= 1 || step == 0) continue;
        for (int i = 0; i < 256; i++) {
            table[i] = clip((int)(n / step));
            n += count[i];
        }
        through(img, c, table);
    }
}

/* ---- place ---- */

static int64_t fixed(double v) { return (int64_t)floor(v * 65536.0 + 0.5); }

/* Where each output column or row comes from when axes stay apart: in doubles, step by step. */
static int64_t apart(double *at, double step, int32_t size) {
    int64_t i = *at < 0 ? -1 : (int64_t)*at;
    *at += step;
    return i < size ? i : -1;
}

lb_status lb_image_affine(lb_image *img, const double m[6], uint16_t fill) {
    size_t pixel = (size_t)img->channels * (size_t)(img->bits / 8);
    lb_image out = {0};
    lb_status st = lb_image_new(&out, img->width, img->height, img->channels, img->bits);
    if (st != LB_OK) return st;
    for (int64_t i = 0, n = samples(img); i < n; i++) {
        if (img->bits == 16) ((uint16_t *)out.pixels)[i] = fill;
        else ((uint8_t *)out.pixels)[i] = (uint8_t)fill;
    }
    const uint8_t *src = img->pixels;
    uint8_t *dst = out.pixels;
    bool straight = m[1] == 0 && m[3] == 0;
    int64_t fx = fixed(m[2] + m[0] * 0.5 + m[1] * 0.5), fy = fixed(m[5] + m[3] * 0.5 + m[4] * 0.5), step[4] = {fixed(m[0]), fixed(m[1]), fixed(m[3]), fixed(m[4])};
    double y_at = m[5] + m[4] * 0.5;
    for (int32_t y = 0; y < img->height; y++) {
        double x_at = m[2] + m[0] * 0.5;
        int64_t row = straight ? apart(&y_at, m[4], img->height) : 0, xx = fx + y * step[1], yy = fy + y * step[3];
        for (int32_t x = 0; x < img->width; x++, dst += pixel, xx += step[0], yy += step[2]) {
            int64_t from_x = straight ? apart(&x_at, m[0], img->width) : xx >> 16, from_y = straight ? row : yy >> 16;
            if (from_x >= 0 && from_x < img->width && from_y >= 0 && from_y < img->height) memcpy(dst, src + (size_t)(from_y * img->width + from_x) * pixel, pixel);
        }
    }
    lb_image_free(img);
    *img = out;
    return LB_OK;
}

static int64_t reflect(int64_t i, int64_t n) { return i < 0 ? -i : i >= n ? 2 * n - 2 - i : i; }

lb_status lb_image_gaussian(lb_image *img, int size, double sigma) {
    int half = size / 2, w = img->width, h = img->height;
    if (size < 1 || size % 2 == 0 || half >= w || half >= h) return lb_fail(LB_E_ARG, "a blur of %d pixels on a picture of %d x %d", size, w, h);
    float *kernel = lb_alloc((size_t)size, sizeof *kernel), *rows = lb_alloc((size_t)samples(img), sizeof *rows), sum = 0;
    if (!kernel || !rows) {
        lb_free(kernel);
        lb_free(rows);
        return LB_E_NOMEM;
    }
    for (int i = 0; i < size; i++) sum += kernel[i] = expf(-0.5F * ((float)(i - half) / (float)sigma) * ((float)(i - half) / (float)sigma));
    for (int i = 0; i < size; i++) kernel[i] /= sum;
    uint8_t *p = img->pixels;
    int c = img->channels;
    for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x < w; x++)
            for (int k = 0; k < c; k++) {
                float s = 0;
                for (int i = -half; i <= half; i++) s += kernel[i + half] * (float)p[(y * w + reflect(x + i, w)) * c + k];
                rows[(y * w + x) * c + k] = s;
            }
    for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x < (int64_t)w * c; x++) {
            float s = 0;
            for (int i = -half; i <= half; i++) s += kernel[i + half] * rows[reflect(y + i, h) * w * c + x];
            p[y * w * c + x] = clip((int)lrintf(s));
        }
    lb_free(kernel);
    lb_free(rows);
    return LB_OK;
}
