/* SPDX-License-Identifier: Apache-2.0 */
/* The pre-tokenizers of a tokenizer.json, in their order: BertPreTokenizer, Whitespace, WhitespaceSplit, Punctuation, Digits, Split,
 * CharDelimiterSplit, Metaspace, ByteLevel (last), Sequence. Immutable once read. Private to text. Source: Hugging Face tokenizers 0.23, pre_tokenizers/. */
#ifndef LB_TEXT_SPLIT_H
#define LB_TEXT_SPLIT_H
#include "text/line.h"
#include "text/pattern.h"
LB_BEGIN

enum { LBI_SPLITS_MAX = 8, LBI_MARK_SIZE = 8 };

typedef enum lbi_split_kind { LBI_SPLIT_BERT = 0, LBI_SPLIT_WORDS, LBI_SPLIT_SPACES, LBI_SPLIT_PUNCTUATION, LBI_SPLIT_DIGITS, LBI_SPLIT_PATTERN, LBI_SPLIT_METASPACE, LBI_SPLIT_BYTES } lbi_split_kind;
typedef enum lbi_behaviour { LBI_ISOLATED = 0, LBI_REMOVED, LBI_CONTIGUOUS, LBI_WITH_PREVIOUS, LBI_WITH_NEXT } lbi_behaviour;
typedef enum lbi_prepend { LBI_PREPEND_ALWAYS = 0, LBI_PREPEND_FIRST, LBI_PREPEND_NEVER } lbi_prepend;

typedef struct lbi_split {
    lbi_split_kind kind;
    lbi_behaviour behaviour;
    lbi_pattern pattern;
    bool invert;            /* what does not match is the delimiter */
    bool whole;             /* Metaspace, ByteLevel: no splitting */
    lbi_prepend prepend;    /* Metaspace; ByteLevel: a space, always or never */
    char mark[LBI_MARK_SIZE]; /* Metaspace's space */
} lbi_split;

typedef struct lbi_splits {
    lbi_split at[LBI_SPLITS_MAX];
    int count;
    bool bytes; /* ByteLevel is among them: the model sees bytes */
} lbi_splits;

/* Pieces [begin, end) of a line. */
typedef struct lbi_piece {
    size_t begin, end;
} lbi_piece;
typedef struct lbi_pieces {
    lbi_piece *at;
    size_t count, capacity;
    bool failed;
} lbi_pieces;

/** Reads what stands under "pre_tokenizer" (null: none). LB_E_UNSUPPORTED names a kind that is not handled. */
LB_MUST_USE lb_status lbi_splits_read(lbi_splits *out, const lb_value *json);
void lbi_splits_free(lbi_splits *s);
/** Splits `pieces` further; *line may be rewritten through *spare. Failures are sticky in line and pieces. */
void lbi_split_pieces(const lbi_splits *s, lbi_line *line, lbi_line *spare, lbi_pieces *pieces, lbi_pieces *other);
void lbi_pieces_add(lbi_pieces *p, size_t begin, size_t end);

LB_END
#endif
