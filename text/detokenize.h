/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens back to text: byte-level BPE (GPT-2, Whisper, Llama 3, Qwen) and the SentencePiece spelling (Llama, Mistral), read from tokenizer.json or
 * vocab.json (with added_tokens.json) of a folder. An open one is immutable, share freely. */
#ifndef LB_TEXT_DETOKENIZE_H
#define LB_TEXT_DETOKENIZE_H
#include "base/buf.h"
LB_BEGIN

typedef struct lb_detokenizer lb_detokenizer;
/** LB_E_NOTFOUND when the folder has neither file; LB_E_FORMAT names what is wrong in one. */
LB_API LB_MUST_USE lb_status lb_detokenizer_open(lb_detokenizer **out, const char *folder);
LB_API void lb_detokenizer_close(lb_detokenizer *d);
/** Id of a token as it is spelled in the vocabulary ("<|en|>"); -1 = none. */
LB_API int64_t lb_detokenizer_id(const lb_detokenizer *d, const char *token);
/** Its spelling; "" for an id without one. */
LB_API const char *lb_detokenizer_token(const lb_detokenizer *d, int64_t id);
/** Appends the text of n tokens, special ones left out; bytes that are no UTF-8 become U+FFFD, as Hugging Face's tokenizers write them. */
LB_API void lb_detokenize(lb_buf *out, const lb_detokenizer *d, const int64_t *ids, int64_t n);

LB_END
#endif
