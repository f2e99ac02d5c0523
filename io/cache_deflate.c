/* SPDX-License-Identifier: Apache-2.0 */
/* Shuffled bytes as one zlib stream (RFC 1950, 1951). The low bytes of floats are noise, on which a compressor spends most of its time for
 * nothing: the leading byte planes that hold noise become stored blocks, the rest is deflated. */
#include <libdeflate.h>
#include <math.h>
#include <string.h>
#include "io/cache_private.h"

enum { STORED_MOST = 65535, SAMPLE = 16384, LEVEL = 1 };

struct cache_deflater {
    struct libdeflate_compressor *compressor;
    char *sample;
};

lb_status cache_deflater_new(cache_deflater **out) {
    cache_deflater *d = lb_calloc(1, sizeof *d);
    if (d) d->compressor = libdeflate_alloc_compressor(LEVEL);
    if (d) d->sample = lb_alloc(2 * SAMPLE, 1);
    if (!d || !d->compressor || !d->sample) {
        cache_deflater_free(d);
        return LB_E_NOMEM;
    }
    *out = d;
    return LB_OK;
}

void cache_deflater_free(cache_deflater *d) {
    if (!d) return;
    libdeflate_free_compressor(d->compressor);
    lb_free(d->sample);
    lb_free(d);
}

size_t cache_deflate_bound(cache_deflater *d, size_t size) {
    return libdeflate_deflate_compress_bound(d->compressor, size) + size + 5 * (size / STORED_MOST + 10) + 16;
}

/* All byte values about equally often, and no repetitions in its beginning. */
static bool is_noise(const cache_deflater *d, const uint8_t *plane, size_t size) {
    size_t count[256] = {0}, sample = size < SAMPLE ? size : SAMPLE;
    double bits = 0;
    if (size < SAMPLE / 4) return false;
    for (size_t i = 0; i < size; i++) count[plane[i]]++;
    for (int b = 0; b < 256; b++)
        if (count[b]) bits -= (double)count[b] / (double)size * log2((double)count[b] / (double)size);
    if (bits < 7.9) return false;
    size_t packed = libdeflate_deflate_compress(d->compressor, plane, sample, d->sample, 2 * SAMPLE);
    return packed == 0 || packed > sample - sample / 64;
}

static char *store(char *to, const uint8_t *from, size_t size, bool final) {
    do {
        size_t n = size < STORED_MOST ? size : STORED_MOST;
        to[0] = final && n == size;
        to[1] = (char)(n & 255);
        to[2] = (char)(n >> 8);
        to[3] = (char)~to[1];
        to[4] = (char)~to[2];
        memcpy(to + 5, from, n);
        to += 5 + n;
        from += n;
        size -= n;
    } while (size);
    return to;
}

size_t cache_deflate(cache_deflater *d, char *out, const char *shuffled, size_t size, int element) {
    const uint8_t *from = (const uint8_t *)shuffled;
    size_t plane = size / (size_t)element, noise = 0;
    char *to = out;
    *to++ = 0x78;
    *to++ = 0x01;
    while (noise + 1 < (size_t)element && is_noise(d, from + noise * plane, plane)) noise++;
    if (noise) to = store(to, from, noise * plane, false);
    size_t rest = size - noise * plane, room = libdeflate_deflate_compress_bound(d->compressor, rest);
    size_t packed = libdeflate_deflate_compress(d->compressor, from + noise * plane, rest, to, room);
    to = packed ? to + packed : store(to, from + noise * plane, rest, true);
    uint32_t sum = libdeflate_adler32(1, from, size);
    for (int shift = 24; shift >= 0; shift -= 8) *to++ = (char)(sum >> shift & 255);
    return (size_t)(to - out);
}
