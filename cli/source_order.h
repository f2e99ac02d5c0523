/* SPDX-License-Identifier: Apache-2.0 */
/* The order of a stream's items by the chunks of a cache: few chunks are in use at a time. */
#ifndef LB_CLI_SOURCE_ORDER_H
#define LB_CLI_SOURCE_ORDER_H
#include "io/cache.h"

typedef struct cli_chunk_order cli_chunk_order;

/** rows: [count] the good cache row of each item of the stream, copied. LB_E_ARG when two items share a row. The cache must outlive it. */
LB_MUST_USE lb_status cli_chunk_order_open(cli_chunk_order **out, lb_cache *cache, int tap, const char *stream, const int64_t *rows, int64_t count);
void cli_chunk_order_close(cli_chunk_order *o);
/** For lb_sampler_spec: ctx is the cli_chunk_order. */
lb_status cli_chunk_order_make(void *ctx, uint64_t seed, int64_t epoch, int64_t *out);

#endif
