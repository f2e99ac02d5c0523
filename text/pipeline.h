/* SPDX-License-Identifier: Apache-2.0 */
/* What all tokenizers of a tokenizer.json share: added tokens apart, normalisers, splitters, a model over each piece, special tokens around, and
 * the way back. A member of the family brings the model. Private to text. Source: Hugging Face tokenizers 0.23. */
#ifndef LB_TEXT_PIPELINE_H
#define LB_TEXT_PIPELINE_H
#include "base/hash.h"
#include "text/added.h"
#include "text/normalise.h"
#include "text/split.h"
#include "text/tokenizer.h"
#include "text/vocab.h"
#include "text/word_cache.h"
LB_BEGIN

enum { LBI_AFFIX_MAX = 8, LBI_DECODERS_MAX = 8, LBI_PATH_SIZE = 4096 };

typedef struct lbi_pipeline lbi_pipeline;

/* Tokens of one piece. */
typedef struct lbi_parts {
    lbi_part *at;
    int64_t count, capacity;
    bool failed;
} lbi_parts;

/* Working memory of one text. */
typedef struct lbi_work {
    lbi_line line, spare, part; /* part: what stands between added tokens of the normalised text */
    lbi_pieces pieces, other;
    lbi_parts parts;
    void *scratch; /* of the model */
    size_t scratch_size;
} lbi_work;
/* At least `size` bytes of w->scratch; NULL when memory is refused. */
void *lbi_work_scratch(lbi_work *w, size_t size);

/* The long parts of a model in a tokenizer.json: "model.vocab", "model.merges". */
enum { LBI_MODEL_VOCAB, LBI_MODEL_MERGES, LBI_MODEL_PARTS };

/* What a model brings. */
typedef struct lbi_model {
    const char *type; /* "BPE", as in tokenizer.json */
    /* Reads what stands under "model", its vocabulary and merges apart, into p->vocab (finished) and p->model. p->splits is read already. */
    lb_status (*read)(lbi_pipeline *p, const lb_value *model, const lb_json_part parts[LBI_MODEL_PARTS]);
    /* Appends the tokens of text[0..size), size > 0, to w->parts. Failures are sticky there. */
    void (*word)(const lbi_pipeline *p, lbi_work *w, const uint8_t *text, size_t size);
    void (*close)(lbi_pipeline *p);
} lbi_model;

typedef enum lbi_decoder_kind {
    LBI_DECODE_BYTES = 0,
    LBI_DECODE_WORDPIECE,
    LBI_DECODE_BPE,
    LBI_DECODE_METASPACE,
    LBI_DECODE_REPLACE,
    LBI_DECODE_FALLBACK,
    LBI_DECODE_FUSE,
    LBI_DECODE_STRIP,
    LBI_DECODE_CTC
} lbi_decoder_kind;
typedef struct lbi_decoder {
    lbi_decoder_kind kind;
    lbi_pattern pattern;       /* Replace */
    char *text, *delimiter;    /* prefix, suffix, content, pad token; CTC's word delimiter */
    bool flag;                 /* cleanup; Metaspace: the first mark is a space too */
    int64_t start, stop;       /* Strip */
} lbi_decoder;

/* Offsets lose the spaces of byte-level tokens. */
typedef struct lbi_trim {
    bool on, prefix_space, after_specials;
} lbi_trim;

struct lbi_pipeline {
    const lbi_model *kind;
    void *model;
    lbi_vocab vocab;
    lbi_added *added;
    int64_t added_count;
    char **normal_texts;     /* of the added tokens that are looked for after normalisation */
    lbi_added_set raw, normalized;
    const lbi_added **added_by_id;
    int64_t top;             /* highest number + 1 */
    lbi_norms norms;
    lbi_splits splits;
    bool tracked;            /* splitting depends on where pieces come from */
    int64_t prefix[LBI_AFFIX_MAX], suffix[LBI_AFFIX_MAX];
    int prefix_count, suffix_count;
    bool cut_left;           /* truncation keeps the end */
    lbi_trim trim;
    lbi_decoder decoders[LBI_DECODERS_MAX];
    int decoder_count;
    bool joined;             /* there is a decoder: else tokens are joined by spaces */
    lbi_word_cache cache;
};

/** Reads a tokenizer.json (parsed) whose model is of p->kind; sets the tokenizer's numbers. */
LB_MUST_USE lb_status lbi_pipeline_read(lb_tokenizer *t, lbi_pipeline *p, const lb_value *json, const lb_json_part parts[LBI_MODEL_PARTS]);
/** The same when p->vocab and p->model are made already: "model" is not looked at. */
LB_MUST_USE lb_status lbi_pipeline_read_rest(lb_tokenizer *t, lbi_pipeline *p, const lb_value *json);
/* Says to the tokenizer which special tokens stand around a text; again after they changed. */
void lbi_tell_specials(lb_tokenizer *t, const lbi_pipeline *p);
/* Parts of the two. */
LB_MUST_USE lb_status lbi_post_read(lbi_pipeline *p, const lb_value *json);
LB_MUST_USE lb_status lbi_decoders_read(lbi_pipeline *p, const lb_value *json);
void lbi_decoders_free(lbi_pipeline *p);

/* Members' slots. t->impl is the pipeline. */
void lbi_pipeline_close(lb_tokenizer *t);
lb_status lbi_pipeline_encode(const lb_tokenizer *t, const char *text, size_t size, const lb_tokenize_how *how, lb_tokens *out);
const char *lbi_pipeline_token(const lb_tokenizer *t, int64_t id);
int64_t lbi_pipeline_find(const lb_tokenizer *t, const char *token);
lb_status lbi_pipeline_decode(const lb_tokenizer *t, const int64_t *ids, int64_t count, bool specials, lb_buf *out);

void lbi_parts_add(lbi_parts *p, uint32_t id, size_t size);

/* Files of a tokenizer's folder (text/folder.c). */
/** Is there a file of that name? Without memory from the heap, so that a refusal is not taken for an absent file. */
bool lbi_in_folder(char dst[LBI_PATH_SIZE], const char *folder, const char *name);
/** 80 when path is (or its folder holds) a tokenizer.json that holds `needle`, else 0. */
int lbi_probe_json(const char *path, const char *needle);
/** Reads a JSON file of the folder when there is one; sum may be NULL. */
LB_MUST_USE lb_status lbi_read_beside(lb_value **out, const char *folder, const char *name, lb_sha256 *sum);
/* A tokenizer's main file and what always stands beside it. */
typedef struct lbi_files {
    char *folder, *file;
    lb_value *config; /* tokenizer_config.json, NULL when there is none */
    lb_buf text;      /* of the file */
    lb_sha256 sum;
} lbi_files;
/** path is the file, or a folder that holds it under `name`. The configuration is part of the fingerprint when it says more than the file
 *  (`config_counts`). lbi_files_close also after a failure. */
LB_MUST_USE lb_status lbi_files_open(lbi_files *f, const char *path, const char *name, bool config_counts);
void lbi_files_close(lbi_files *f);
/** Opens a tokenizer.json, or the one of a folder, with what stands beside it. */
LB_MUST_USE lb_status lbi_open_json(lb_tokenizer *t, const char *path, const lbi_model *kind);
/** max_tokens by sentence_bert_config.json or tokenizer_config.json of the folder. */
LB_MUST_USE lb_status lbi_read_limit(lb_tokenizer *t, const char *folder, const lb_value *config);
/** A new pipeline as t->impl. */
LB_MUST_USE lb_status lbi_pipeline_new(lbi_pipeline **out, lb_tokenizer *t, const lbi_model *kind);
/** Appends "added_tokens" of a tokenizer.json made from tokenizer_config.json and added_tokens.json of a folder: those of added_tokens_decoder, or the
 *  special ones that the configuration names. */
void lbi_list_added(lb_value *json, const lb_value *config, const lb_value *more);

LB_END
#endif
