/* SPDX-License-Identifier: Apache-2.0 */
#include "io/decoder.h"
#include "io/image.h"
#include "tests/fuzz/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    for (int k = 0; k < 2; k++) {
        lb_image img = {0};
        lb_decode_options o = {.max_pixels = 1 << 20, .partial = k};
        if (lb_image_decode_rgb(&img, data, size, "fuzz", &o) == LB_OK) lb_image_free(&img);
    }
    const lb_decoder *d = NULL;
    lb_media_info info;
    if (lb_decoder_for(&d, data, size, "fuzz") == LB_OK && d->info(&info, data, size) != LB_OK) return 0;
    return 0;
}
