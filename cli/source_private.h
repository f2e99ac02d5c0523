/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by cli/source*.c only. */
#ifndef LB_CLI_SOURCE_PRIVATE_H
#define LB_CLI_SOURCE_PRIVATE_H
#include <pthread.h>
#include "base/threads.h"
#include "cli/source.h"
#include "cli/source_order.h"
#include "datasets/sampler.h"

typedef struct source_tokens {
    int64_t *ids;
    int64_t count;
} source_tokens;

/* An order of a stream's items. */
typedef struct source_order {
    cli_chunk_order *chunks; /* NULL = all items alike */
    lb_sampler *sampler;
} source_order;

/* One stream's batches, made ahead by workers, or by all threads when they are asked for. */
typedef struct source_ahead {
    cli_source *source;
    const cli_stream *stream;
    source_order order, texts; /* texts: when unpaired */
    lb_flow *flow;
    int64_t next;
} source_ahead;

struct cli_source {
    cli_source_spec spec;
    source_tokens *tokens; /* per item; ids NULL = not yet made */
    lb_image *kept;     /* per item; decoded pictures, before augmentation */
    int64_t kept_bytes;
    int viewed;         /* first feature with several views; -1 = none */
    uint8_t *broken;    /* per item: its picture cannot be read */
    int64_t **rows;     /* [feature][item]: row in the cache, -1 = none */
    int64_t *label;     /* per item, -1 = none */
    pthread_mutex_t lock;
    source_ahead *ahead; /* per stream */
};

/* Does a batch of the stream hold the feature? */
bool source_uses(const cli_stream *stream, const cli_feature *f);
/* A named tensor more in the batch. */
LB_MUST_USE lb_status source_add(lb_batch *b, const char *name, lb_dtype dtype, int rank, const int64_t *shape, lb_tensor **out);
/* work(ctx, i) for i = 0 .. n-1 by so many hands (1: here, in this order), as the work of a flow (base/threads.h) that makes no result. Of those that fail
 * the first is told, *failed its number. */
LB_MUST_USE lb_status source_each(int hands, int64_t n, lb_status (*work)(void *ctx, int64_t i, void **none), void *ctx, int64_t *failed);
/* `audio`: the first window of every item's sound, as its shape has it [N,...]. LB_E_FORMAT and the like name the item, which is *bad. */
LB_MUST_USE lb_status source_add_audio(const cli_source_spec *s, int hands, const int64_t *items, int64_t n, lb_batch *b, int64_t *bad);
/* `video` [N,T,3,H,W]: T frames of every item, the middles of equal parts; of shorter videos the last is repeated. */
LB_MUST_USE lb_status source_add_video(const cli_source_spec *s, int hands, int64_t frames, const int64_t *items, int64_t n, lb_batch *b, int64_t *bad);

/* ---- source_picture.c ---- */
/* `image`, and `true_mask` where the stream has it. */
LB_MUST_USE lb_status source_add_pictures(cli_source *s, int hands, const cli_stream *stream, const int64_t *items, int64_t n, uint64_t epoch, lb_batch *b);
/* What is wrong with the item itself, not with disk or memory, is remembered and told once. @return st */
LB_MUST_USE lb_status source_mark_broken(cli_source *s, int64_t item, lb_status st);
bool source_is_broken(cli_source *s, int64_t item);
/* Which of a cache's views this epoch sees. */
int64_t source_view(const cli_source *s, int64_t item, uint64_t epoch);

/* ---- source_order.c ---- */
/* By the chunks of the first feature that follows these items, when there is one and it is asked for. */
LB_MUST_USE lb_status source_order_open(cli_source *s, const cli_stream *stream, bool texts, source_order *out);
void source_order_close(source_order *o);

#endif
