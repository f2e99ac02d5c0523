/* SPDX-License-Identifier: Apache-2.0 */
#include "io/audio.h"
#include "tests/fuzz/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    lb_audio a = {0};
    if (lb_audio_decode(&a, data, size, "fuzz", &(lb_audio_options){.rate_hz = 8000, .channels = 1, .max_seconds = 100}) == LB_OK) lb_audio_free(&a);
    return 0;
}
