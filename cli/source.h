/* SPDX-License-Identifier: Apache-2.0 */
/* From items to training batches: pictures decoded, prepared and augmented, texts tokenised, cached teacher rows joined by key. An item
 * whose picture cannot be read gives way to the next of its stream, and is told once.
 * What a batch holds is a pure function of (seed, stream, step), so a resumed run sees the same batches. */
#ifndef LB_CLI_SOURCE_H
#define LB_CLI_SOURCE_H
#include "cli/models.h"
#include "datasets/augment.h"
#include "datasets/augments.h"
#include "distill/trainer.h"

/* A named row of a cache, joined by item key. */
typedef struct cli_feature {
    char *name;
    lb_cache *cache;
    int tap;
    int64_t views;     /* the tap is [views, ...], of augmented pictures whose draws stand in the cache's tap `augment`; 0 = no */
    int draws;         /* that tap */
    bool of_text;      /* joined to the stream's text items instead of its pictures (they differ when unpaired) */
} cli_feature;

typedef struct cli_stream {
    char *name;
    bool image, text, audio, video; /* which fields of an item are used */
    int64_t frames;    /* of a video */
    bool mask;         /* of pictures: `true_mask` i64 [N,H,W], as large as the prepared picture */
    bool unpaired;     /* pictures and texts are drawn apart: row i's picture and text are of different items */
    bool augment;
    bool labelled;     /* a term wants labels: items without one are left out */
    bool bare;         /* without features */
    int64_t batch;
    int64_t *rows;     /* items, as indices into the list */
    int64_t count;
} cli_stream;

typedef struct cli_source cli_source;
typedef struct cli_source_spec {
    const lb_items *items;
    const lb_image_spec *image;        /* NULL: no pictures and videos are made */
    const lb_audio_prepare *audio;     /* NULL: no sounds are made */
    const lb_tokenizer *tokenizer;     /* NULL: no texts are made */
    int64_t max_tokens;
    int nfeatures;
    cli_feature *features;             /* borrowed */
    int nstreams;
    cli_stream *streams;               /* borrowed */
    lb_augment_spec augment;
    const lb_chain *chain;             /* in its place; borrowed, NULL = none */
    const lb_chain *pairs;             /* behind it (cli/source_mix.h); borrowed, NULL = none */
    const char *const *labels;         /* class names in order, for `label`; NULL = none */
    int64_t label_count;
    bool mask_nonzero;                 /* every value of a mask above 0 is 1 */
    uint64_t seed;
    int64_t memory;                    /* bytes of decoded pictures to keep; beyond that they are decoded again */
    int workers;
    bool by_chunks;                    /* items in the order of the chunks of their features, shuffled (lb_cache_order); else all alike */
    int part, parts;                   /* of several processes each makes its rows of a batch; parts 0 = 1 */
} cli_source_spec;

/** Checks that every item of every stream has what the stream needs (rows in caches, pictures, texts): items that lack something are
 *  left out, counted and reported; an empty stream is LB_E_ARG. Spec is copied; what it points to must outlive the source. */
LB_MUST_USE lb_status cli_source_open(cli_source **out, const cli_source_spec *spec);
void cli_source_close(cli_source *s);
lb_batch_source cli_source_batches(cli_source *s);

/** A batch of given items in order, no augmentation: for evaluation. `image`/`text` choose what is made. Released with
 *  cli_batch_release. A picture that cannot be read fails with its key. */
LB_MUST_USE lb_status cli_source_make(cli_source *s, const int64_t *items, int64_t count, bool image, bool text, lb_batch *out);
/** Pictures alone, whatever features the source has. */
LB_MUST_USE lb_status cli_source_pictures(cli_source *s, const int64_t *items, int64_t count, lb_batch *out);
void cli_batch_release(lb_batch *b);
/** Takes out of the list the items whose picture has turned out to be broken. @return how many stay */
int64_t cli_source_keep_whole(cli_source *s, int64_t *items, int64_t count);
/** Runs a model over items in batches under no-grad and gathers one tap of width D as f32 [count, D] (new, lb_free). */
LB_MUST_USE lb_status cli_source_embed(cli_source *s, lb_model *m, const int64_t *items, int64_t count, bool image, bool text, const char *tap, float **out, int64_t *width);

#endif
