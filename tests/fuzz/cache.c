/* SPDX-License-Identifier: Apache-2.0 */
/* Feature files through verify and the reader: as they are, and with the first line made to fit a changed index, so that what is behind its
 * checksum is met too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "io/cache_private.h"
#include "tests/fuzz/target.h"

static void read_all(const char *path) {
    lb_cache *c = NULL;
    if (lb_cache_open(&c, path) != LB_OK) return;
    int64_t n = lb_cache_rows(c) < 64 ? lb_cache_rows(c) : 64;
    for (int t = 0; t < lb_cache_taps(c); t++) {
        const lb_cache_tap *tap = lb_cache_tap_at(c, t);
        int64_t width = cache_numel(tap->rank, tap->shape), length;
        float *one = !tap->ragged && width < 1 << 24 ? lb_alloc((size_t)width, sizeof *one) : NULL, *many = NULL;
        for (int64_t i = 0; i < n; i++) {
            lb_status st = LB_OK;
            if (tap->ragged) st = lb_cache_read_ragged(c, t, i, &many, &length);
            else if (one) st = lb_cache_read(c, t, 1, &i, one);
            if (tap->ragged && st == LB_OK) lb_free(many);
        }
        lb_free(one);
    }
    for (int64_t i = 0; i < n; i++) (void)(strlen(lb_cache_key(c, i)) + strlen(lb_cache_row_message(c, i)));
    lb_cache_close(c);
}

static void try_file(const char *path) {
    int64_t problems;
    if (lb_cache_verify(path, NULL, NULL, &problems) != LB_OK) lb_error_clear();
    read_all(path);
}

/* The first line of a file whose index was changed. */
static void seal_again(const char *path, const uint8_t *data, size_t size) {
    cache_seal s = {0};
    char block[CACHE_USERBLOCK + 1] = {0};
    long long all, index, bytes;
    unsigned long long sum, rest;
    int version;
    if (size < sizeof block) return;
    memcpy(block, data, CACHE_USERBLOCK);
    if (sscanf(block, CACHE_FORMAT " %d size %lld index %lld %lld %16llx rest %16llx", &version, &all, &index, &bytes, &sum, &rest) != 6) return;
    if (index < 0 || bytes < 0 || (size_t)index > size || (size_t)bytes > size - (size_t)index) return;
    s = (cache_seal){(int64_t)size, index, bytes, cache_hash(data + index, (size_t)bytes, 0), rest};
    cache_seal_write(block, &s);
    FILE *f = fopen(path, "r+b");
    if (f && fwrite(block, 1, CACHE_USERBLOCK, f) == CACHE_USERBLOCK) {
        fclose(f);
        try_file(path);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[] = "/tmp/limbeck-fuzz-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0) return 0;
    bool written = write(fd, data, size) == (ssize_t)size;
    close(fd);
    if (written) try_file(path);
    if (written) seal_again(path, data, size);
    unlink(path);
    return 0;
}
