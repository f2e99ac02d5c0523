/* SPDX-License-Identifier: Apache-2.0 */
/* Tokenizers: a family (text/tokenizers/<id>.c). Opened from a folder that holds tokenizer.json, vocab.txt, vocab.json and merges.txt, a SentencePiece
 * model, ...; equal to Hugging Face tokenizers. An open tokenizer: locked inside (words are remembered), share freely. */
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
    int64_t pad_to;                    /* the model always gets so many tokens; 0 = as many as there are */
    int prefix_count, suffix_count;    /* special tokens around a text */
    int64_t prefix[8], suffix[8];
    char sha256[65];                   /* of the files it was read from */
} lb_tokenizer;

/* How a text is taken. */
typedef struct lb_tokenize_how {
    int64_t max;   /* at most so many tokens, special ones kept; 0 = no limit */
    bool plain;    /* no special tokens around the text */
    bool offsets;  /* also which bytes each token stands for */
} lb_tokenize_how;

/* Tokens of a text, owned: lb_tokens_free. */
typedef struct lb_tokens {
    int64_t count;
    int64_t *ids;
    int64_t *begin, *end; /* [begin, end) bytes of the text, 0 and 0 for special tokens; NULL unless asked for */
} lb_tokens;

struct lb_tokenizer_kind {
    LB_HEAD;
    int (*probe)(const char *folder);  /* 0..100 */
    lb_status (*open)(lb_tokenizer *t, const char *folder);
    void (*close)(lb_tokenizer *t);    /* also after a failed open */
    /* Text (bytes; invalid UTF-8 becomes U+FFFD) to tokens. Thread-safe. */
    lb_status (*encode)(const lb_tokenizer *t, const char *text, size_t size, const lb_tokenize_how *how, lb_tokens *out);
    const char *(*token)(const lb_tokenizer *t, int64_t id); /* "" out of range */
    int64_t (*find)(const lb_tokenizer *t, const char *token); /* -1 = no such token. NULL: none is ever found */
    /* Appends the text of tokens. Thread-safe. NULL: the kind has no way back. */
    lb_status (*decode)(const lb_tokenizer *t, const int64_t *ids, int64_t count, bool specials, lb_buf *out);
};
#define LB_TOKENIZER(name) const lb_tokenizer_kind lb_tokenizer_kind_##name
extern LB_API const lb_family lb_tokenizers;

/** Opens the tokenizer of a model folder (or of a single tokenizer.json, vocab.txt, vocab.json, *.model). */
LB_API LB_MUST_USE lb_status lb_tokenizer_open(lb_tokenizer **out, const char *path);
LB_API void lb_tokenizer_close(lb_tokenizer *t);
/** max 0 = no truncation; else at most max ids, special tokens kept. *ids is new (lb_free). Thread-safe. */
LB_API LB_MUST_USE lb_status lb_tokenize(const lb_tokenizer *t, const char *text, size_t size, int64_t max, int64_t **ids, int64_t *count);
/** The same with all that can be asked for; how NULL = all defaults. *out is new (lb_tokens_free). Thread-safe. */
LB_API LB_MUST_USE lb_status lb_tokenize_full(const lb_tokenizer *t, const char *text, size_t size, const lb_tokenize_how *how, lb_tokens *out);
/** n texts on lb_threads() threads into out[0..n). On failure all of out is empty. */
LB_API LB_MUST_USE lb_status lb_tokenize_many(const lb_tokenizer *t, int64_t n, const char *const *texts, const size_t *sizes, const lb_tokenize_how *how, lb_tokens *out);
/** A long text in windows of at most `window` tokens, special ones around each and counted: *out is new, of *count tokens (at least one;
 *  lb_windows_free). As tokenizers' overflowing tokens with a stride of 0. Thread-safe. */
LB_API LB_MUST_USE lb_status lb_tokenize_windows(const lb_tokenizer *t, const char *text, size_t size, int64_t window, lb_tokens **out, int64_t *count);
LB_API void lb_windows_free(lb_tokens *windows, int64_t count);
LB_API void lb_tokens_free(lb_tokens *t);
/** Fills up to `length` tokens with pad_id (0 bytes each); longer ones stay as they are. */
LB_API LB_MUST_USE lb_status lb_tokens_pad(lb_tokens *t, int64_t length, int64_t pad_id);
/** Turns places in bytes of the text into places in its characters, as Python counts them once bytes that are no UTF-8 are decoded with U+FFFD. */
LB_API LB_MUST_USE lb_status lb_tokens_in_characters(lb_tokens *t, const char *text, size_t size);
/** Appends the text that tokens stand for, without special tokens unless `specials`; numbers that name no token are passed over. Thread-safe.
 *  LB_E_UNSUPPORTED when the kind has no way back. */
LB_API LB_MUST_USE lb_status lb_tokenizer_decode(const lb_tokenizer *t, const int64_t *ids, int64_t count, bool specials, lb_buf *out);
/** The number of a token by its text ("<|endoftext|>"); -1 = there is none. Thread-safe. */
LB_API int64_t lb_tokenizer_find(const lb_tokenizer *t, const char *token);

LB_END
#endif
