/* SPDX-License-Identifier: Apache-2.0 */
/* The C side of libsentencepiece (text/sentencepiece_shim.cc, the only C++ file). Private to text. */
#ifndef LB_TEXT_SENTENCEPIECE_SHIM_H
#define LB_TEXT_SENTENCEPIECE_SHIM_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

typedef struct lbi_sentencepiece lbi_sentencepiece;

/* A model from the bytes of a .model file; NULL with the library's words in why. An open model is immutable, share freely. */
lbi_sentencepiece *lbi_sentencepiece_open(const void *bytes, size_t size, char *why, size_t why_size);
void lbi_sentencepiece_close(lbi_sentencepiece *s);
int lbi_sentencepiece_count(const lbi_sentencepiece *s);
/* Text of a piece; owned by the model. */
const char *lbi_sentencepiece_piece(const lbi_sentencepiece *s, int id, size_t *size);
/* A piece that no text gives: <s>, </s>, <pad>. */
bool lbi_sentencepiece_is_control(const lbi_sentencepiece *s, int id);
/* Calls give(ctx, id, begin, end) for each piece of the text, with the bytes it stands for; false when the library fails. */
bool lbi_sentencepiece_encode(const lbi_sentencepiece *s, const char *text, size_t size, void (*give)(void *ctx, int id, size_t begin, size_t end), void *ctx);

#ifdef __cplusplus
}
#endif
#endif
