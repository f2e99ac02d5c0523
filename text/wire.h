/* SPDX-License-Identifier: Apache-2.0 */
/* A look at a SentencePiece model before the library sees it: the library trusts the places in its trie of normalisations. Private to text.
 * Source: Protocol Buffers encoding; sentencepiece_model.proto (pieces = 1, normalizer_spec = 3, denormalizer_spec = 5; precompiled_charsmap = 2). */
#ifndef LB_TEXT_WIRE_H
#define LB_TEXT_WIRE_H
#include "base/alloc.h"
LB_BEGIN

/** LB_E_FORMAT when the message is malformed, has no pieces, or its charsmap leads out of itself. */
LB_MUST_USE lb_status lbi_wire_check_sentencepiece(const uint8_t *p, size_t n);

LB_END
#endif
