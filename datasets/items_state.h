/* SPDX-License-Identifier: Apache-2.0 */
/* What a list keeps beside what everybody sees of it. For datasets/items.c and datasets/reader.c only. */
#ifndef LB_DATASETS_ITEMS_STATE_H
#define LB_DATASETS_ITEMS_STATE_H
#include "base/hash.h"
#include "datasets/items_private.h"
#include "io/decoder.h"

typedef struct lbi_block lbi_block;

/* Slots of the table hold index + 1. */
typedef struct lbi_items_state {
    lbi_block *blocks;
    int64_t *slots, slot_count, capacity, problem_capacity;
    const char **origin; /* per item: the input that it came from */
    const char *input;
    size_t base;         /* length of the folder that paths begin with */
    const char *base_text;
    lb_sha256 hash;
    bool failed;         /* a problem could not be kept */
    bool frames;         /* every picture of a file of several is an item */
    lb_decode_options decode;
} lbi_items_state;

/* Part of the list's fingerprint; text NULL = absent. */
void lbi_hash_text(lb_sha256 *h, const char *text, size_t n);

#endif
