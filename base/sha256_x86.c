/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 by the processor's own instructions (Intel SDM, SHA256RNDS2, SHA256MSG1, SHA256MSG2): four rounds a turn, the message schedule four words
 * ahead. State as the instructions want it: {a,b,e,f} and {c,d,g,h}, highest word first. */
#include "base/sha256.h"
#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>

bool lbi_sha256_fast(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSE4_1) || !(c & bit_SSSE3)) return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
}

/* Words i+16 .. i+19 of the schedule from the sixteen before them. */
__attribute__((target("sha,sse4.1,ssse3"))) static inline __m128i next_words(const __m128i w[4]) {
    __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w[0], w[1]), _mm_alignr_epi8(w[3], w[2], 4));
    return _mm_sha256msg2_epu32(sum, w[3]);
}

__attribute__((target("sha,sse4.1,ssse3"))) void lbi_sha256_blocks_fast(uint32_t h[8], const uint8_t *p, size_t blocks, const uint32_t round_words[64]) {
    const __m128i turn = _mm_set_epi64x(0x0c0d0e0f08090a0bll, 0x0405060700010203ll);
    __m128i low = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)h), 0xb1), high = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(h + 4)), 0x1b);
    __m128i abef = _mm_alignr_epi8(low, high, 8), cdgh = _mm_blend_epi16(high, low, 0xf0);
    for (; blocks > 0; blocks--, p += 64) {
        const __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i w[4];
        for (int i = 0; i < 4; i++) w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(p + 16 * i)), turn);
        for (int i = 0; i < 16; i++) {
            __m128i sum = _mm_add_epi32(w[0], _mm_loadu_si128((const __m128i *)(round_words + 4 * i)));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
            const __m128i next = i < 12 ? next_words(w) : w[0];
            w[0] = w[1], w[1] = w[2], w[2] = w[3], w[3] = next;
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    low = _mm_shuffle_epi32(abef, 0x1b), high = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128((__m128i *)h, _mm_blend_epi16(low, high, 0xf0));
    _mm_storeu_si128((__m128i *)(h + 4), _mm_alignr_epi8(high, low, 8));
}
#else
bool lbi_sha256_fast(void) {
    return false;
}
void lbi_sha256_blocks_fast(uint32_t h[8], const uint8_t *p, size_t blocks, const uint32_t round_words[64]) {
    (void)h, (void)p, (void)blocks, (void)round_words;
}
#endif
