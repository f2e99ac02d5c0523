/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding and resampling against bytes recorded from Pillow 13.0.0 (tests/data/image/make.py). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "io/decoder.h"
#include "io/image.h"
#include "io/phash.h"
#include "io/resize.h"
#include "base/rng.h"
#include "tests/check.h"

static lb_buf read_data(const char *name) {
    lb_buf b = {0};
    CHECK_OK(lb_file_read(&b, check_data(name), 0));
    return b;
}

/* Bytes that differ by `most` at most, or the first place where they differ by more. */
static void near_pixels(const lb_image *got, const uint8_t *want, int w, int h, int c, int most) {
    CHECK_INT(got->width, w);
    CHECK_INT(got->height, h);
    CHECK_INT(got->channels, c);
    CHECK_INT(got->bits, 8);
    if (check_failed()) return;
    const uint8_t *p = got->pixels;
    int64_t n = (int64_t)w * h * c, bad = 0, first = -1;
    for (int64_t i = 0; i < n; i++)
        if (abs(p[i] - want[i]) > most && bad++ == 0) first = i;
    CHECK_INT(bad, 0);
    if (first >= 0) {
        printf("     first at x %lld y %lld channel %lld\n", (long long)(first / c % w), (long long)(first / c / w), (long long)(first % c));
        CHECK_INT(p[first], want[first]);
    }
}

static void same_pixels(const lb_image *got, const uint8_t *want, int w, int h, int c) { near_pixels(got, want, w, h, c, 0); }

static void decodes_as_pillow(void) {
    lb_buf list = read_data("image/decode.txt"), pixels = read_data("image/decode.bin");
    int files = 0;
    char *rest = NULL;
    for (char *line = strtok_r(list.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char name[64], tag[16] = "", path[80];
        int w, h, at;
        if (!CHECK(sscanf(line, "%63s %d %d %d %15s", name, &w, &h, &at, tag) >= 4)) break;
        files++;
        check_begin("decode-%s", name);
        snprintf(path, sizeof path, "image/%s", name);
        bool partial = strcmp(tag, "partial") == 0;
        lb_decode_options o = {.partial = partial, .frame = strncmp(tag, "frame-", 6) == 0 ? atoi(tag + 6) : 0};
        lb_image img = {0};
        if (CHECK_OK(lb_image_read_rgb(&img, check_data(path), &o))) near_pixels(&img, (const uint8_t *)pixels.data + at, w, h, 3, strncmp(tag, "near-", 5) == 0 ? atoi(tag + 5) : 0);
        lb_image_free(&img);
        if (partial) CHECK_FAILS(lb_image_read_rgb(&img, check_data(path), NULL), LB_E_FORMAT, "truncated");
        check_end();
    }
    CHECK(files > 90);
    lb_buf_free(&list);
    lb_buf_free(&pixels);
}

static void resizes_as_pillow(void) {
    lb_buf list = read_data("image/resize.txt"), pixels = read_data("image/resize.bin");
    const uint8_t *base = (const uint8_t *)pixels.data;
    char *rest = NULL;
    int cases = 0;
    for (char *line = strtok_r(list.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char name[16];
        int c, w, h, at, W, H, to;
        if (!CHECK(sscanf(line, "%15s %d %d %d %d %d %d %d", name, &c, &w, &h, &at, &W, &H, &to) == 8)) break;
        cases++;
        check_begin("resize-%s-%dx%dx%d-%dx%d", name, w, h, c, W, H);
        lb_filter f = LB_FILTER_BOX;
        lb_image in = {.width = w, .height = h, .channels = c, .bits = 8, .pixels = (void *)(uintptr_t)(base + at)}, out = {0};
        CHECK_OK(lb_filter_parse(&f, name));
        if (CHECK_OK(lb_image_resize(&out, &in, W, H, f))) same_pixels(&out, base + to, W, H, c);
        lb_image_free(&out);
        check_end();
    }
    CHECK(cases >= 240);
    lb_buf_free(&list);
    lb_buf_free(&pixels);
}

/* The fast kernels against the plain ones: random sizes and filters, one pixel to some hundred; equal bytes. */
static void fast_is_plain(void) {
    lbi_resize_level best = lbi_resize_best();
    if (best == LBI_RESIZE_PLAIN) {
        check_skip("no AVX2 here");
        return;
    }
    lb_rng r = lb_rng_make(5, 0);
    for (int i = 0; i < 600; i++) {
        int limit = i % 4 == 0 ? 9 : 150;
        int w = 1 + (int)lb_rng_below(&r, limit), h = 1 + (int)lb_rng_below(&r, limit), W = 1 + (int)lb_rng_below(&r, limit), H = 1 + (int)lb_rng_below(&r, limit);
        lb_image in = {0}, a = {0}, b = {0};
        lb_filter f = (lb_filter)lb_rng_below(&r, 6);
        CHECK_OK(lb_image_new(&in, w, h, 1 + (int)lb_rng_below(&r, 4), 8));
        size_t n = (size_t)w * (size_t)h * (size_t)in.channels;
        bool extreme = lb_rng_below(&r, 2);
        for (size_t k = 0; k < n; k++) ((uint8_t *)in.pixels)[k] = (uint8_t)(extreme ? -(lb_rng_u32(&r) & 1) : lb_rng_u32(&r));
        CHECK_OK(lbi_image_resize(&a, &in, W, H, f, i % 3 == 0 ? LBI_RESIZE_AVX2 : best));
        CHECK_OK(lbi_image_resize(&b, &in, W, H, f, LBI_RESIZE_PLAIN));
        if (!CHECK(memcmp(a.pixels, b.pixels, (size_t)W * (size_t)H * (size_t)in.channels) == 0)) printf("     filter %d, %dx%dx%d to %dx%d\n", f, w, h, in.channels, W, H);
        lb_image_free(&in);
        lb_image_free(&a);
        lb_image_free(&b);
    }
}

static void bad(const char *name, lb_status want, const char *part) {
    char path[80];
    snprintf(path, sizeof path, "image/%s", name);
    lb_image img = {0};
    check_begin("bad-%s", name);
    CHECK_FAILS(lb_image_read_rgb(&img, check_data(path), NULL), want, part);
    CHECK_HAS(lb_error_text(), name);
    CHECK(img.pixels == NULL);
    check_end();
}

static void refuses_bad_files(void) {
    int64_t live = lb_alloc_live();
    bad("bad-cut.png", LB_E_FORMAT, "truncated");
    bad("bad-crc.png", LB_E_FORMAT, "damaged");
    bad("bad-empty.jpg", LB_E_FORMAT, "empty");
    bad("bad-text.png", LB_E_UNSUPPORTED, "74 68 69 73");
    bad("bad-huge.png", LB_E_LIMIT, "50000 x 50000");
    bad("bad-huge.jpg", LB_E_LIMIT, "50000 x 50000");
    bad("bad-header.jpg", LB_E_FORMAT, "truncated");
    bad("bad-no-end.jpg", LB_E_FORMAT, "truncated");
    bad("bad-tables.jpg", LB_E_FORMAT, "JPEG");
    bad("absent.jpg", LB_E_NOTFOUND, "");
    CHECK_INT(lb_alloc_live(), live);
}

/* 12 bits a sample, lossless, hierarchical: no damage. */
static void jpegs_of_other_kinds(void) {
    static const struct {
        int at, value;
        const char *part;
    } kinds[] = {{4, 12, "precision 12"}, {1, 0xC3, "0xc3"}, {1, 0xC5, "0xc5"}};
    lb_buf b = read_data("image/rgb-420.jpg");
    for (size_t i = 0; i < LB_COUNT(kinds); i++) {
        lb_image img = {0};
        char *sof = memmem(b.data, b.size, "\xff\xc0", 2), before;
        if (!CHECK(sof != NULL)) break;
        before = sof[kinds[i].at];
        sof[kinds[i].at] = (char)kinds[i].value;
        CHECK_FAILS(lb_image_decode_rgb(&img, (const uint8_t *)b.data, b.size, "other.jpg", NULL), LB_E_UNSUPPORTED, kinds[i].part);
        sof[kinds[i].at] = before;
    }
    lb_buf_free(&b);
}

/* Every byte behind the JPEGs, where sizes and places stand, set to values that nobody expects. */
static void damaged_directories(void) {
    static const char *const names[] = {"image/jpeg-tiles.tif", "image/jpeg-rgb.tif", "image/pages.tif"};
    static const uint8_t values[] = {0, 1, 7, 255};
    int64_t live = lb_alloc_live();
    for (size_t k = 0; k < LB_COUNT(names); k++) {
        lb_buf b = read_data(names[k]);
        for (size_t i = 0; i < 4 * 400 && b.size > 400; i++) {
            char *at = b.data + b.size - 1 - i / 4, before = *at;
            lb_image img = {0};
            lb_decode_options o = {.max_pixels = 1 << 20};
            *at = (char)values[i % 4];
            if (lb_image_decode_rgb(&img, (const uint8_t *)b.data, b.size, "damaged.tif", &o) != LB_OK) lb_error_clear();
            lb_image_free(&img);
            *at = before;
        }
        lb_buf_free(&b);
    }
    CHECK_INT(lb_alloc_live(), live);
}

static void every_cut_is_an_error_or_a_picture(void) {
    static const char *const names[] = {"image/progressive.jpg", "image/ycck.jpg", "image/restart.jpg", "image/palette-8-clear.png", "image/rgb-16-interlaced.png",
                                        "image/lossy-alpha.webp", "image/555.bmp", "image/palette.tif", "image/clear.gif"};
    int64_t live = lb_alloc_live();
    for (size_t k = 0; k < LB_COUNT(names); k++) {
        lb_buf b = read_data(names[k]);
        for (size_t n = 0; n < b.size; n++)
            for (int partial = 0; partial < 2; partial++) {
                lb_image img = {0};
                lb_decode_options o = {.partial = partial};
                lb_status st = lb_image_decode_rgb(&img, (const uint8_t *)b.data, n, "cut", &o);
                if (st == LB_OK) CHECK(img.pixels && img.width > 0);
                else CHECK(lb_error_text()[0] && !img.pixels);
                lb_image_free(&img);
            }
        lb_buf_free(&b);
    }
    CHECK_INT(lb_alloc_live(), live);
}

static void refused_memory_is_reported(void) {
    static const char *const names[] = {"image/exif-6.jpg", "image/ycck.jpg", "image/rgb-16-interlaced.png"};
    for (size_t k = 0; k < LB_COUNT(names); k++) {
        lb_buf b = read_data(names[k]);
        int64_t live = lb_alloc_live(), n = 1;
        lb_status st = LB_E_NOMEM;
        for (; n < 50 && st != LB_OK; n++) {
            lb_image img = {0};
            lb_alloc_fail_at(n);
            st = lb_image_decode_rgb(&img, (const uint8_t *)b.data, b.size, "x", NULL);
            lb_alloc_fail_at(0);
            if (st != LB_OK) CHECK_INT(st, LB_E_NOMEM);
            lb_image_free(&img);
        }
        CHECK(n > 2 && st == LB_OK);
        CHECK_INT(lb_alloc_live(), live);
        lb_buf_free(&b);
    }
}

static void media_info(void) {
    lb_media_info i = {0};
    CHECK_OK(lb_media_probe(&i, check_data("image/exif-6.jpg")));
    CHECK_TEXT(i.codec, "jpeg");
    CHECK_INT(i.orientation, 6);
    CHECK_INT(i.width, 29);
    CHECK_INT(i.height, 19);
    CHECK_OK(lb_media_probe(&i, check_data("image/ycck.jpg")));
    CHECK_TEXT(i.note, "YCCK (Adobe)");
    CHECK_OK(lb_media_probe(&i, check_data("image/progressive-grey.jpg")));
    CHECK_TEXT(i.note, "progressive, grey");
    CHECK_OK(lb_media_probe(&i, check_data("image/palette-8-clear.png")));
    CHECK_TEXT(i.note, "interlaced, palette with transparency");
    CHECK_INT(i.channels, 4);
    CHECK_OK(lb_media_probe(&i, check_data("image/grey-16.png")));
    CHECK_INT(i.bits, 16);
    CHECK_INT(i.channels, 1);
    CHECK_OK(lb_media_probe(&i, check_data("image/exif-8.png")));
    CHECK_INT(i.orientation, 8);
    CHECK_FAILS(lb_media_probe(&i, check_data("image/bad-text.png")), LB_E_UNSUPPORTED, "no png");
}

static void options(void) {
    lb_image img = {0};
    lb_decode_options o = {.keep_orientation = true};
    CHECK_OK(lb_image_read_rgb(&img, check_data("image/exif-6.jpg"), &o));
    CHECK_INT(img.width, 29);
    lb_image_free(&img);
    CHECK_OK(lb_image_read_rgb(&img, check_data("image/exif-6.jpg"), NULL));
    CHECK_INT(img.width, 19);
    lb_image_free(&img);
    o = (lb_decode_options){.max_pixels = 100};
    CHECK_FAILS(lb_image_read_rgb(&img, check_data("image/rgb.png"), &o), LB_E_LIMIT, "limit is 100");
    lb_buf b = read_data("image/rgba-16.png");
    const lb_decoder *d = NULL;
    o = (lb_decode_options){.keep_depth = true};
    if (CHECK_OK(lb_decoder_for(&d, (const uint8_t *)b.data, b.size, NULL)) && CHECK_OK(d->decode(&img, (const uint8_t *)b.data, b.size, &o))) {
        CHECK_INT(img.bits, 16);
        CHECK_INT(img.channels, 4);
    }
    lb_image_free(&img);
    lb_buf_free(&b);
}

/* The scaled inverse DCT: sizes halve while the shorter side stays enough, and the mean of the picture stays nearly the same. */
static void fast_mode(void) {
    lb_buf b = read_data("image/cut-restart.jpg");
    lb_image whole = {0}, small = {0};
    const int want[][2] = {{0, 64}, {64, 64}, {33, 64}, {32, 32}, {17, 32}, {16, 16}, {8, 8}, {1, 8}};
    for (size_t i = 0; i < LB_COUNT(want); i++) {
        lb_decode_options o = {.at_least = want[i][0], .partial = true};
        if (CHECK_OK(lb_image_decode_rgb(&small, (const uint8_t *)b.data, b.size, "x", &o))) CHECK_INT(small.width, want[i][1]);
        lb_image_free(&small);
    }
    lb_buf_free(&b);
    double mean[2] = {0};
    lb_decode_options o = {.at_least = 9};
    CHECK_OK(lb_image_read_rgb(&whole, check_data("image/rgb-444.jpg"), NULL));
    CHECK_OK(lb_image_read_rgb(&small, check_data("image/rgb-444.jpg"), &o));
    CHECK_INT(small.width, 15);
    CHECK_INT(small.height, 10);
    for (int i = 0; i < 28 * 18; i++) mean[0] += ((uint8_t *)whole.pixels)[3 * (i / 28 * 29 + i % 28)] / (28.0 * 18);
    for (int i = 0; i < 14 * 9; i++) mean[1] += ((uint8_t *)small.pixels)[3 * (i / 14 * 15 + i % 14)] / (14.0 * 9);
    CHECK(mean[0] - mean[1] < 2 && mean[1] - mean[0] < 2); /* each pixel of the small one is about the mean of four */
    lb_image_free(&whole);
    lb_image_free(&small);
}

static void other_infos(void) {
    static const struct {
        const char *file, *codec, *note;
        int width, channels, frames;
    } want[] = {{"lossy.webp", "webp", "lossy", 29, 3, 1},          {"moving.webp", "webp", "animated", 29, 4, 3}, {"moving.gif", "gif", "animated", 29, 3, 3},
                {"clear.gif", "gif", "clear colour", 29, 4, 1},     {"pages.tif", "tiff", "LZW", 29, 3, 3},         {"565.bmp", "bmp", "16 bits", 29, 3, 1},
                {"lossless-alpha.heic", "heic", "", 29, 4, 1},      {"lossy.avif", "avif", "", 64, 3, 1}};
    for (size_t i = 0; i < LB_COUNT(want); i++) {
        char path[64];
        lb_media_info m = {0};
        lb_image img = {0};
        snprintf(path, sizeof path, "image/%s", want[i].file);
        check_begin("info-%s", want[i].file);
        CHECK_OK(lb_media_probe(&m, check_data(path)));
        CHECK_TEXT(m.kind, "image");
        CHECK_TEXT(m.codec, want[i].codec);
        CHECK_HAS(m.note, want[i].note);
        CHECK_INT(m.width, want[i].width);
        CHECK_INT(m.channels, want[i].channels);
        CHECK_INT(m.frames, want[i].frames);
        lb_decode_options o = {.frame = want[i].frames};
        CHECK_FAILS(lb_image_read_rgb(&img, check_data(path), &o), LB_E_ARG, "frame");
        o = (lb_decode_options){.max_pixels = 9};
        CHECK_FAILS(lb_image_read_rgb(&img, check_data(path), &o), LB_E_LIMIT, "limit is 9");
        check_end();
    }
    lb_media_info m = {0};
    CHECK_OK(lb_media_probe(&m, check_data("image/moving.gif")));
    CHECK(m.duration_s > 0.149 && m.duration_s < 0.151);
    CHECK_OK(lb_media_probe(&m, check_data("image/exif-8.tif")));
    CHECK_INT(m.orientation, 8);
    lb_buf whole = {0};
    const lb_decoder *d = NULL;
    CHECK_OK(lb_file_read(&whole, check_data("image/moving.webp"), 0));
    CHECK_OK(lb_decoder_for(&d, (const uint8_t *)whole.data, 50, "cut.webp"));
    CHECK_FAILS(d->info(&m, (const uint8_t *)whole.data, 50), LB_E_FORMAT, "no frame"); /* the header and nothing of the first frame */
    lb_buf_free(&whole);
}

static void crop_flip_over(void) {
    uint8_t px[12], fill[2] = {7, 9}, want[] = {7, 9, 7, 9, 7, 9, 7, 9, 0, 1, 2, 3};
    for (int i = 0; i < 12; i++) px[i] = (uint8_t)i;
    lb_image in = {.width = 2, .height = 3, .channels = 2, .bits = 8, .pixels = px}, out = {0};
    if (CHECK_OK(lb_image_crop(&out, &in, -1, -1, 3, 2, fill))) same_pixels(&out, want, 3, 2, 2);
    lb_image_free(&out);
    if (CHECK_OK(lb_image_crop(&out, &in, 5, 1, 1, 1, fill))) same_pixels(&out, fill, 1, 1, 2);
    lb_image_free(&out);
    uint8_t flipped[] = {2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9};
    if (CHECK_OK(lb_image_flip(&out, &in, true, false))) same_pixels(&out, flipped, 2, 3, 2);
    lb_image_free(&out);
    uint8_t rgba[] = {200, 100, 0, 128, 9, 9, 9, 0}, white[] = {255, 255, 255}, composed[] = {227, 177, 127, 255, 255, 255};
    in = (lb_image){.width = 2, .height = 1, .channels = 4, .bits = 8, .pixels = rgba};
    if (CHECK_OK(lb_image_over(&out, &in, white))) same_pixels(&out, composed, 2, 1, 3); /* (200*128 + 255*127 + 127)/255 = 227 */
    lb_image_free(&out);
    CHECK_FAILS(lb_image_new(&out, 0, 4, 3, 8), LB_E_ARG, "0 x 4");
    CHECK_FAILS(lb_image_new(&out, INT32_MAX, INT32_MAX, 4, 16), LB_E_NOMEM, "");
    CHECK_FAILS(lb_image_orient(&out, &in, 9), LB_E_ARG, "9");
}

static void png_round_trip(void) {
    uint8_t px[5 * 3 * 4];
    for (size_t i = 0; i < sizeof px; i++) px[i] = (uint8_t)(i * 37 + 5);
    for (int c = 1; c <= 4; c++) {
        lb_image in = {.width = 5, .height = 3, .channels = c, .bits = 8, .pixels = px}, out = {0};
        lb_buf b = {0};
        const lb_decoder *d = NULL;
        CHECK_OK(lb_png_encode(&b, &in));
        if (CHECK_OK(lb_decoder_for(&d, (const uint8_t *)b.data, b.size, NULL)) && CHECK_OK(d->decode(&out, (const uint8_t *)b.data, b.size, NULL)))
            same_pixels(&out, px, 5, 3, c);
        lb_image_free(&out);
        lb_buf_free(&b);
    }
}

static void jpeg_round_trip(void) {
    uint8_t px[16 * 16 * 3];
    for (int i = 0; i < 16 * 16; i++) px[3 * i] = (uint8_t)(i % 16 * 12), px[3 * i + 1] = (uint8_t)(i / 16 * 9), px[3 * i + 2] = 90;
    lb_image in = {.width = 16, .height = 16, .channels = 3, .bits = 8, .pixels = px}, out = {0};
    lb_buf b = {0};
    CHECK_OK(lb_jpeg_encode(&b, &in, 98));
    if (CHECK_OK(lb_image_decode_rgb(&out, (const uint8_t *)b.data, b.size, "x", NULL))) {
        int worst = 0;
        for (int i = 0; i < 16 * 16 * 3; i++) {
            int e = abs(((uint8_t *)out.pixels)[i] - px[i]);
            if (e > worst) worst = e;
        }
        CHECK(worst <= 12); /* quality 98 with halved chroma: a ramp is nearly kept */
    }
    lb_image_free(&out);
    lb_buf_free(&b);
    in.channels = 4;
    CHECK_FAILS(lb_jpeg_encode(&b, &in, 90), LB_E_ARG, "4 channels");
    in.channels = 3;
    CHECK_FAILS(lb_jpeg_encode(&b, &in, 0), LB_E_ARG, "quality 0");
    lb_buf_free(&b);
}

static void hashes(void) {
    lb_buf list = {0};
    char *rest = NULL;
    int lines = 0;
    CHECK_OK(lb_file_read(&list, check_data("image/hashes.txt"), 0));
    for (char *line = strtok_r(list.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), lines++) {
        char name[64], path[128];
        unsigned long long want[2];
        uint64_t got[2] = {0};
        lb_image img = {0};
        if (!CHECK(sscanf(line, "%63s %llx %llx", name, &want[0], &want[1]) == 3)) break;
        snprintf(path, sizeof path, "image/%s", name);
        CHECK_OK(lb_image_read_rgb(&img, check_data(path), NULL));
        CHECK_OK(lb_image_dhash(&got[0], &img));
        CHECK_OK(lb_image_phash(&got[1], &img));
        for (int i = 0; i < 2; i++) CHECK_INT((int64_t)got[i], (int64_t)want[i]);
        lb_image_free(&img);
    }
    CHECK_INT(lines, 8);
    lb_buf_free(&list);
}

/* Against all pairs. */
static void near_pairs(void) {
    enum { N = 300 };
    uint64_t h[N];
    lb_rng r = lb_rng_make(1, 2);
    for (int i = 0; i < N; i++) {
        h[i] = i % 3 == 0 || i < 3 ? lb_rng_u64(&r) : h[i - 1];
        for (int64_t k = lb_rng_below(&r, 9); k > 0 && i % 3; k--) h[i] ^= (uint64_t)1 << lb_rng_below(&r, 64);
    }
    for (int d = 0; d <= 12; d += 3) {
        lb_near *near = NULL;
        int64_t n = 0, at = 0;
        if (!CHECK_OK(lb_near_pairs(&near, &n, h, N, d, 100000))) return;
        for (int a = 0; a < N; a++)
            for (int b = a + 1; b < N; b++) {
                if (__builtin_popcountll(h[a] ^ h[b]) > d) continue;
                if (!CHECK(at < n) || !CHECK(near[at].a == a && near[at].b == b)) break;
                at++;
            }
        CHECK_INT(at, n);
        CHECK(d == 0 || n > 50);
        lb_free(near);
    }
    lb_near *none = NULL;
    int64_t n = 0;
    CHECK_FAILS(lb_near_pairs(&none, &n, h, N, 12, 10), LB_E_LIMIT, "more than 10 pairs");
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "image",
                      (check_test[]){{"decode", decodes_as_pillow},
                                     {"resize", resizes_as_pillow},
                                     {"fast", fast_is_plain},
                                     {"bad", refuses_bad_files},
                                     {"other_jpegs", jpegs_of_other_kinds},
                                     {"directories", damaged_directories},
                                     {"cuts", every_cut_is_an_error_or_a_picture},
                                     {"memory", refused_memory_is_reported},
                                     {"info", media_info},
                                     {"options", options},
                                     {"fast-mode", fast_mode},
                                     {"infos", other_infos},
                                     {"geometry", crop_flip_over},
                                     {"png", png_round_trip},
                                     {"jpeg", jpeg_round_trip},
                                     {"hashes", hashes},
                                     {"near_pairs", near_pairs},
                                     {0}});
}
