/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <unistd.h>
#include "base/hash.h"
#include "io/weights.h"
#include "tests/fuzz/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[] = "/tmp/limbeck-fuzz-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0) return 0;
    bool written = write(fd, data, size) == (ssize_t)size;
    close(fd);
    lb_weights *w = NULL;
    if (written && lb_weights_open(&w, path) == LB_OK) {
        volatile uint64_t sum = 0; /* reaches every byte that is given out */
        for (int64_t i = 0; i < w->count; i++) sum ^= lb_hash64(w->at[i].data, w->at[i].bytes, 0);
        lb_weights_close(w);
    }
    unlink(path);
    return 0;
}
