/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes as a weight file, of which every byte that is given out is read; and once more with the checksums of a zip archive made to fit its changed members,
 * so that what is behind them is met too. */
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/hash.h"
#include "io/weights.h"
#include "tests/fuzz/bound.h"
#include "tests/fuzz/target.h"

/* Four copies of what is stored (a conversion to wider numbers is one, deflate makes up to 1032 of a byte but an archive says its sizes), names, and lists that
 * are twice what is in use. */
enum { TIMES = 64, MORE = 1 << 20 };

static void open_bytes(const uint8_t *data, size_t size) {
    char path[] = "/tmp/limbeck-fuzz-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0) return;
    bool written = write(fd, data, size) == (ssize_t)size;
    close(fd);
    lb_weights *w = NULL;
    fuzz_bound_begin();
    if (written && lb_weights_open(&w, path) == LB_OK) {
        volatile uint64_t sum = 0;
        for (int64_t i = 0; i < w->count; i++) sum ^= lb_hash64(w->at[i].data, w->at[i].bytes, 0);
        lb_weights_close(w);
    }
    fuzz_bound_end(size, TIMES, MORE);
    unlink(path);
}

static uint32_t number(const uint8_t *p, int bytes) {
    uint32_t n = 0;
    for (int i = bytes - 1; i >= 0; i--) n = n << 8 | p[i];
    return n;
}

/* The checksum of a stored member, in its entry at `at` of the central directory. */
static void seal(uint8_t *zip, size_t size, size_t at) {
    enum { LOCAL = 30, METHOD = 10, CRC = 16, PACKED = 20, PLACE = 42 };
    size_t packed = number(zip + at + PACKED, 4), place = number(zip + at + PLACE, 4);
    if (number(zip + at + METHOD, 2) != 0 || place > size || size - place < LOCAL) return;
    size_t from = place + LOCAL + number(zip + place + 26, 2) + number(zip + place + 28, 2);
    if (from > size || packed > size - from) return;
    uint32_t crc = libdeflate_crc32(0, zip + from, packed);
    memcpy(zip + at + CRC, &crc, 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    enum { CENTRAL = 46 };
    static const uint8_t mark[] = {'P', 'K', 1, 2};
    uint8_t *copy = malloc(size ? size : 1);
    open_bytes(data, size);
    if (!copy) return 0;
    memcpy(copy, data, size);
    for (size_t at = 0; size >= CENTRAL && at <= size - CENTRAL; at++)
        if (memcmp(copy + at, mark, sizeof mark) == 0) seal(copy, size, at);
    if (memcmp(copy, data, size) != 0) open_bytes(copy, size);
    free(copy);
    return 0;
}
