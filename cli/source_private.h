/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by cli/source*.c only. */
#ifndef LB_CLI_SOURCE_PRIVATE_H
#define LB_CLI_SOURCE_PRIVATE_H
#include "cli/source.h"

/* A named tensor more in the batch. */
LB_MUST_USE lb_status source_add(lb_batch *b, const char *name, lb_dtype dtype, int rank, const int64_t *shape, lb_tensor **out);
/* `audio`: the first window of every item's sound, as its shape has it [N,...]. LB_E_FORMAT and the like name the item, whose place in the list is *bad. */
LB_MUST_USE lb_status source_add_audio(const cli_source_spec *s, const int64_t *items, int64_t n, lb_batch *b, int64_t *bad);
/* `video` [N,T,3,H,W]: T frames of every item, the middles of equal parts; of shorter videos the last is repeated. */
LB_MUST_USE lb_status source_add_video(const cli_source_spec *s, int64_t frames, const int64_t *items, int64_t n, lb_batch *b, int64_t *bad);

#endif
