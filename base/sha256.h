/* SPDX-License-Identifier: Apache-2.0 */
/* The inner loop of SHA-256 where the processor has instructions for it. Private to base. */
#ifndef LB_BASE_SHA256_H
#define LB_BASE_SHA256_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool lbi_sha256_fast(void);
/* Adds blocks of 64 bytes to the state. Only where lbi_sha256_fast(). */
void lbi_sha256_blocks_fast(uint32_t h[8], const uint8_t *p, size_t blocks, const uint32_t round_words[64]);

#endif
