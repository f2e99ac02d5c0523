/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes: SHA-256 (FIPS 180-4) for fingerprints and downloads, a fast 64-bit one for tables and chunk checksums. */
#ifndef LB_BASE_HASH_H
#define LB_BASE_HASH_H
#include "base/alloc.h"
LB_BEGIN

typedef struct lb_sha256 {
    uint32_t h[8];
    uint64_t bytes;
    uint8_t block[64];
} lb_sha256;

LB_API void lb_sha256_init(lb_sha256 *s);
LB_API void lb_sha256_add(lb_sha256 *s, const void *data, size_t n);
LB_API void lb_sha256_hex(lb_sha256 *s, char out[65]); /* ends the hash; 64 lower-case digits and a NUL */
LB_API void lb_sha256_of(const void *data, size_t n, char out[65]);
LB_API LB_MUST_USE lb_status lb_sha256_file(const char *path, char out[65]);
/** XXH64 (Collet; public specification), seed 0 in files. */
LB_API uint64_t lb_hash64(const void *data, size_t n, uint64_t seed);

LB_END
#endif
