/* SPDX-License-Identifier: Apache-2.0 */
#include "io/image.h"
#include "io/video.h"
#include "tests/fuzz/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    lb_video *v = NULL;
    lb_image img = {0};
    int64_t count = 0;
    lb_video_options o = {.max_pixels = 1 << 20, .max_frames = 200, .max_seconds = 1000};
    if (lb_video_open_memory(&v, data, size, "fuzz", &o) == LB_OK && lb_video_count(&count, v) == LB_OK) {
        if (lb_video_read(&img, v, count - 1) == LB_OK) lb_image_free(&img);
        if (lb_video_read(&img, v, count / 3) == LB_OK) lb_image_free(&img);
    }
    lb_video_close(v);
    return 0;
}
