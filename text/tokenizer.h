/* SPDX-License-Identifier: Apache-2.0 */
/* Tokenizers: a family (text/tokenizers/<id>.c). Opened from a folder that holds tokenizer.json, vocab.txt, ...; equal to Hugging
 * Face tokenizers. An open tokenizer is immutable, share freely. */
#ifndef LB_TEXT_TOKENIZER_H
#define LB_TEXT_TOKENIZER_H
#include "base/registry.h"
#include "base/value.h"
LB_BEGIN

typedef struct lb_tokenizer_kind lb_tokenizer_kind;
typedef struct lb_tokenizer {
    const lb_tokenizer_kind *kind;
    void *impl;
    int64_t vocab, pad_id, max_tokens; /* max_tokens: what the model's folder states; 0 = none */
    char sha256[65];                   /* of the files it was read from */
} lb_tokenizer;

struct lb_tokenizer_kind {
    LB_HEAD;
    int (*probe)(const char *folder);  /* 0..100 */
    lb_status (*open)(lb_tokenizer *t, const char *folder);
    void (*close)(lb_tokenizer *t);
    /* Text (bytes; invalid UTF-8 becomes U+FFFD) to ids with special tokens. */
    lb_status (*encode)(const lb_tokenizer *t, const char *text, size_t size, int64_t max, int64_t **ids, int64_t *count);
    const char *(*token)(const lb_tokenizer *t, int64_t id); /* "" out of range */
};
#define LB_TOKENIZER(name) const lb_tokenizer_kind lb_tokenizer_kind_##name
extern LB_API const lb_family lb_tokenizers;

/** Opens the tokenizer of a model folder (or of a single vocab.txt / tokenizer.json). */
LB_API LB_MUST_USE lb_status lb_tokenizer_open(lb_tokenizer **out, const char *path);
LB_API void lb_tokenizer_close(lb_tokenizer *t);
/** max 0 = no truncation; else at most max ids, special tokens kept. *ids is new (lb_free). Thread-safe. */
LB_API LB_MUST_USE lb_status lb_tokenize(const lb_tokenizer *t, const char *text, size_t size, int64_t max, int64_t **ids, int64_t *count);

LB_END
#endif
