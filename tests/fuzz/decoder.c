/* SPDX-License-Identifier: Apache-2.0 */
/* One picture decoder, LB_FUZZ_ONLY by name; bytes that are not its own are passed over. */
#include <stdlib.h>
#include "io/decoder.h"
#include "io/image.h"
#include "tests/fuzz/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *name = getenv("LB_FUZZ_ONLY");
    const lb_decoder *d = (const lb_decoder *)lb_family_at(&lb_decoders, name ? name : "jpeg");
    lb_media_info info;
    if (!d || !d->decode) abort();
    if (size == 0 || d->probe(data, size) < 1) return 0;
    if (d->info(&info, data, size) == LB_OK && info.frames < 1) abort();
    for (int k = 0; k < 4; k++) {
        lb_image img = {0}, rgb = {0};
        lb_decode_options o = {.max_pixels = 1 << 20, .partial = k & 1, .keep_depth = k & 2, .keep_palette = k & 2, .at_least = k == 3 ? 8 : 0, .frame = k == 2};
        if (d->decode(&img, data, size, &o) != LB_OK) continue;
        if (lb_image_to_rgb(&rgb, &img) == LB_OK) lb_image_free(&rgb);
        lb_image_free(&img);
    }
    return 0;
}
