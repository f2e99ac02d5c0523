/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include "base/cpu.h"
#include "base/sha256.h"

static const uint32_t round_words[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t ror(uint32_t x, int n) {
    return x >> n | x << (32 - n);
}

/* One round of eight: the roles of the state's words move by one place a round, instead of the words. */
static inline void one_round(uint32_t v[8], int i, uint32_t added) {
    uint32_t a = v[-i & 7], b = v[(1 - i) & 7], c = v[(2 - i) & 7], e = v[(4 - i) & 7], f = v[(5 - i) & 7], g = v[(6 - i) & 7];
    uint32_t t1 = v[(7 - i) & 7] + (ror(e, 6) ^ ror(e, 11) ^ ror(e, 25)) + ((e & f) ^ (~e & g)) + added;
    v[(3 - i) & 7] += t1;
    v[(7 - i) & 7] = t1 + (ror(a, 2) ^ ror(a, 13) ^ ror(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
}

static void block_add(uint32_t h[8], const uint8_t *p) {
    uint32_t w[64], v[8];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t s0 = ror(w[i - 15], 7) ^ ror(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t s1 = ror(w[i - 2], 17) ^ ror(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    memcpy(v, h, sizeof v);
    for (int i = 0; i < 64; i += 8) {
        one_round(v, 0, round_words[i] + w[i]);
        one_round(v, 1, round_words[i + 1] + w[i + 1]);
        one_round(v, 2, round_words[i + 2] + w[i + 2]);
        one_round(v, 3, round_words[i + 3] + w[i + 3]);
        one_round(v, 4, round_words[i + 4] + w[i + 4]);
        one_round(v, 5, round_words[i + 5] + w[i + 5]);
        one_round(v, 6, round_words[i + 6] + w[i + 6]);
        one_round(v, 7, round_words[i + 7] + w[i + 7]);
    }
    for (int i = 0; i < 8; i++) h[i] += v[i];
}

static bool fast;

static void look(void) {
    fast = lbi_cpu() >= LBI_CPU_AVX2 && lbi_sha256_fast(); /* LB_CPU=ref: the plain loop */
}

static void blocks_add(lb_sha256 *s, const uint8_t *p, size_t blocks) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, look);
    if (fast) lbi_sha256_blocks_fast(s->h, p, blocks, round_words);
    else
        for (size_t i = 0; i < blocks; i++) block_add(s->h, p + 64 * i);
}

void lb_sha256_init(lb_sha256 *s) {
    *s = (lb_sha256){.h = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab,
                           0x5be0cd19}};
}

void lb_sha256_add(lb_sha256 *s, const void *data, size_t n) {
    const uint8_t *p = data;
    while (n > 0) {
        size_t at = (size_t)(s->bytes % 64), take = 64 - at < n ? 64 - at : n;
        if (take == 64) {
            take = n / 64 * 64;
            blocks_add(s, p, n / 64);
        } else {
            memcpy(s->block + at, p, take);
            if (at + take == 64) blocks_add(s, s->block, 1);
        }
        s->bytes += take;
        p += take;
        n -= take;
    }
}

void lb_sha256_hex(lb_sha256 *s, char out[65]) {
    uint64_t bits = s->bytes * 8;
    uint8_t length[8];
    for (int i = 0; i < 8; i++) length[i] = (uint8_t)(bits >> (56 - 8 * i));
    lb_sha256_add(s, "\x80", 1);
    while (s->bytes % 64 != 56) lb_sha256_add(s, "", 1);
    lb_sha256_add(s, length, 8);
    for (int i = 0; i < 8; i++) snprintf(out + 8 * i, 9, "%08x", (unsigned)s->h[i]);
}

void lb_sha256_of(const void *data, size_t n, char out[65]) {
    lb_sha256 s;
    lb_sha256_init(&s);
    lb_sha256_add(&s, data, n);
    lb_sha256_hex(&s, out);
}

lb_status lb_sha256_file(const char *path, char out[65]) {
    uint8_t part[16384];
    size_t n;
    lb_sha256 s;
    FILE *f = fopen(path, "rb");
    if (!f) return lb_fail(errno == ENOENT ? LB_E_NOTFOUND : LB_E_IO, "%s: %s", path, strerror(errno));
    lb_sha256_init(&s);
    while ((n = fread(part, 1, sizeof part, f)) > 0) lb_sha256_add(&s, part, n);
    lb_status st = ferror(f) ? lb_fail(LB_E_IO, "%s: %s", path, strerror(errno)) : LB_OK;
    fclose(f);
    if (st == LB_OK) lb_sha256_hex(&s, out);
    return st;
}

static const uint64_t prime1 = 0x9E3779B185EBCA87u, prime2 = 0xC2B2AE3D27D4EB4Fu, prime3 = 0x165667B19E3779F9u,
                      prime4 = 0x85EBCA77C2B2AE63u, prime5 = 0x27D4EB2F165667C5u;

static uint64_t rol(uint64_t x, int n) {
    return x << n | x >> (64 - n);
}

static uint64_t little(const uint8_t *p, int bytes) {
    uint64_t x = 0;
    for (int i = 0; i < bytes; i++) x |= (uint64_t)p[i] << 8 * i;
    return x;
}

static uint64_t little64(const uint8_t *p) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return x;
#else
    return little(p, 8);
#endif
}

static uint64_t mix(uint64_t acc, uint64_t word) {
    return rol(acc + word * prime2, 31) * prime1;
}

uint64_t lb_hash64(const void *data, size_t n, uint64_t seed) {
    const uint8_t *p = data;
    uint64_t h = seed + prime5;
    size_t left = n;
    if (n >= 32) {
        uint64_t a = seed + prime1 + prime2, b = seed + prime2, c = seed, d = seed - prime1;
        for (; left >= 32; left -= 32, p += 32) {
            a = mix(a, little64(p));
            b = mix(b, little64(p + 8));
            c = mix(c, little64(p + 16));
            d = mix(d, little64(p + 24));
        }
        h = rol(a, 1) + rol(b, 7) + rol(c, 12) + rol(d, 18);
        h = (h ^ mix(0, a)) * prime1 + prime4;
        h = (h ^ mix(0, b)) * prime1 + prime4;
        h = (h ^ mix(0, c)) * prime1 + prime4;
        h = (h ^ mix(0, d)) * prime1 + prime4;
    }
    h += n;
    for (; left >= 8; left -= 8, p += 8) h = rol(h ^ mix(0, little64(p)), 27) * prime1 + prime4;
    if (left >= 4) {
        h = rol(h ^ little(p, 4) * prime1, 23) * prime2 + prime3;
        left -= 4;
        p += 4;
    }
    for (; left > 0; left--, p++) h = rol(h ^ *p * prime5, 11) * prime1;
    h = (h ^ h >> 33) * prime2;
    h = (h ^ h >> 29) * prime3;
    return h ^ h >> 32;
}
