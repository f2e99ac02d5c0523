/* SPDX-License-Identifier: Apache-2.0 */
#include "io/volume.h"
#include "tests/fuzz/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    lb_volume v = {0};
    lb_image img = {0};
    if (lb_volume_decode(&v, data, size, 0, 1 << 20) == LB_OK && lb_volume_slice(&img, &v, 1, v.height / 2, 16, 0, 0) == LB_OK) lb_image_free(&img);
    lb_volume_free(&v);
    return 0;
}
