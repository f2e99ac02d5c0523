/* SPDX-License-Identifier: Apache-2.0 */
/* Characters as bytes: well-formed UTF-8 by table 3-7 of Unicode 15. Any thread. Not installed. */
#ifndef LB_BASE_UTF8_H
#define LB_BASE_UTF8_H
#include "base/buf.h"
LB_BEGIN

enum { LBI_NOT_A_CHARACTER = 0xFFFD };

/* Next code point of p[0..n), n > 0; *used = its bytes. A malformed sequence gives U+FFFD for its longest well-formed beginning
 * (Unicode 15, section 3.9, "substitution of maximal subparts"). */
uint32_t lbi_utf8_next(const uint8_t *p, size_t n, size_t *used);
void lbi_utf8_add(lb_buf *out, uint32_t c);
/* Writes c into dst. @return bytes, 1 to 4 */
int lbi_utf8_write(uint8_t dst[4], uint32_t c);
/* The character that ends at `end` (end > 0), and where it begins; a byte that ends no character is U+FFFD. */
uint32_t lbi_utf8_before(const uint8_t *text, size_t end, size_t *begin);
/* Bytes of the character at p, n > 0; 0 = none that is well formed. */
size_t lbi_utf8_size(const uint8_t *p, size_t n);
/* Is it well formed from end to end? */
bool lbi_utf8_valid(const uint8_t *p, size_t n);

LB_END
#endif
