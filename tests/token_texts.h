/* SPDX-License-Identifier: Apache-2.0 */
/* Made texts by their number: the rule of tests/data/tokenizers/make.py, text(). All scripts, emoji, marks, controls, malformed UTF-8. */
#ifndef LB_TESTS_TOKEN_TEXTS_H
#define LB_TESTS_TOKEN_TEXTS_H
#include "base/buf.h"

/* The lines of bits.txt. */
typedef struct token_bits {
    lb_buf text;
    const char *at[1024];
    int count;
} token_bits;
void token_bits_read(token_bits *b, const char *path);
void token_bits_free(token_bits *b);
/* Writes text i into out (emptied first). */
void token_text(lb_buf *out, const token_bits *bits, uint64_t i);

#endif
