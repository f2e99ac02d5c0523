/* SPDX-License-Identifier: Apache-2.0 */
/* One picture decoder, LB_FUZZ_ONLY by name; bytes that are not its own are passed over. */
#include <stdlib.h>
#include <string.h>
#include "io/decoder.h"
#include "io/image.h"
#include "tests/fuzz/target.h"

static void smaller(const void *ctx, int32_t w, int32_t h, int32_t *out_w, int32_t *out_h) {
    *out_w = (w + 2) / 3;
    *out_h = (h + 1) / 2;
}

/* A picture resized while it is decoded is the picture resized behind. */
static void fitted(const uint8_t *data, size_t size, const char *name) {
    lb_fit way = {.size = smaller, .filter = LB_FILTER_BICUBIC}, behind = way;
    lb_image one = {0}, two = {0};
    lb_decode_options o = {.max_pixels = 1 << 20, .fit = &way}, plain = {.max_pixels = 1 << 20};
    bool made = lb_image_decode_rgb(&one, data, size, name, &o) == LB_OK;
    bool whole = lb_image_decode_rgb(&two, data, size, name, &plain) == LB_OK && lb_image_fit(&two, &behind) == LB_OK;
    if (made != whole) abort();
    if (made && (one.width != two.width || one.height != two.height || memcmp(one.pixels, two.pixels, (size_t)one.width * (size_t)one.height * 3) != 0)) abort();
    lb_image_free(&one);
    lb_image_free(&two);
}

/* Going from picture to picture, and back, gives what decoding each for itself gives. */
static void walked(const lb_decoder *d, const uint8_t *data, size_t size, int64_t frames) {
    void *state = NULL;
    if (!d->begin || d->begin(&state, data, size) != LB_OK) frames = 0;
    for (int64_t k = 0; k < 5; k++) {
        lb_image one = {0}, two = {0};
        lb_decode_options o = {.max_pixels = 1 << 20, .frame = k < 4 ? k : 1};
        if (o.frame >= frames) continue;
        bool made = d->at(&one, state, &o) == LB_OK;
        if (made && d->decode(&two, data, size, &o) == LB_OK && (one.width != two.width || one.height != two.height || one.channels != two.channels)) abort();
        lb_image_free(&one);
        lb_image_free(&two);
    }
    if (d->end) d->end(state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *name = getenv("LB_FUZZ_ONLY");
    const lb_decoder *d = (const lb_decoder *)lb_family_at(&lb_decoders, name ? name : "jpeg");
    lb_media_info info;
    if (!d || !d->decode) abort();
    if (size == 0 || d->probe(data, size) < 1) return 0;
    bool told = d->info(&info, data, size) == LB_OK;
    if (told && info.frames < 1) abort();
    if (told && info.frames > 1) walked(d, data, size, info.frames);
    for (int k = 0; k < 4; k++) {
        lb_image img = {0}, rgb = {0};
        lb_decode_options o = {.max_pixels = 1 << 20, .partial = k & 1, .keep_depth = k & 2, .keep_palette = k & 2, .at_least = k == 3 ? 8 : 0, .frame = k == 2};
        if (d->decode(&img, data, size, &o) != LB_OK) continue;
        if (lb_image_to_rgb(&rgb, &img) == LB_OK) lb_image_free(&rgb);
        lb_image_free(&img);
    }
    fitted(data, size, name);
    return 0;
}
