/* SPDX-License-Identifier: Apache-2.0 */
/* The byte-level alphabet: a letter for each byte, so that tokens of bytes can be written in a file. Private to text.
 * Source: Radford et al. 2019, GPT-2's encoder: printable Latin-1 is itself, the others follow from U+0100 on. */
#ifndef LB_TEXT_BYTE_ALPHABET_H
#define LB_TEXT_BYTE_ALPHABET_H
#include "base/buf.h"
LB_BEGIN

/* Appends the bytes that letters stand for; false when one of them is no letter of the alphabet (what was appended is then of no use). */
bool lbi_bytes_of_alphabet(lb_buf *out, const char *text, size_t size);
/* The letter of a byte. */
uint32_t lbi_alphabet_of_byte(uint8_t byte);

LB_END
#endif
