/* SPDX-License-Identifier: Apache-2.0 */
/* Readers: a folder, list or built-in set -> items by key. A family: datasets/readers/<id>.c, one line in datasets/readers.def. */
#ifndef LB_DATASETS_READER_H
#define LB_DATASETS_READER_H
#include "base/registry.h"
#include "base/value.h"
#include "io/image.h"
LB_BEGIN

/* One item. Texts are owned by the list; absent = NULL. Paths are absolute or relative to the working folder, and may name a part of a
 * file (io/uri.h). */
typedef struct lb_item {
    char *key;
    char *image, *audio, *video, *mask;
    char *text;
    size_t text_size;
    char *label, *split, *domain;
    char *group;      /* items of one group never part between splits */
    const float *boxes; /* box_count rows x0 y0 x1 y1, pixels of the picture; the list's */
    int64_t box_count;
    int64_t line;     /* of the list it came from; 0 = none */
    const void *inner;/* reader's own handle for items without a file (emoji, archives); begins with its const lb_reader * */
} lb_item;

typedef struct lb_items {
    lb_item *at;
    int64_t count;
    char **problems;  /* one line each: what was left out and why, with file and line */
    int64_t problem_count;
    struct lb_source *sources; /* private: open readers that make pixels for `inner` items */
    struct lb_kept *kept; /* private: volumes and arrays whose slices are items */
    void *arena;      /* private */
    char sha256[65];  /* over keys, texts, uris and labels in order: the list's fingerprint */
} lb_items;

typedef struct lb_reader {
    LB_HEAD;
    const char *fields; /* "image label split" */
    /* Is this path mine, and how sure? 0..100. */
    int (*probe)(const char *path);
    /* Adds the items of path through lb_items_add. A bad line or file is a problem, not a failure; cfg is params filled. */
    lb_status (*read)(lb_items *items, const char *path, const void *cfg);
    /* Pixels of an `inner` item (RGB u8); NULL when all items have files. Thread-safe. */
    lb_status (*image)(lb_image *out, const lb_item *item);
    /* Labels of an `inner` item (1 channel, 8 or 16 bits), likewise. */
    lb_status (*mask)(lb_image *out, const lb_item *item);
} lb_reader;
#define LB_READER(name) const lb_reader lb_reader_##name
extern LB_API const lb_family lb_readers;

/** For readers. Copies the item's texts. Equal keys: LB_E_ARG naming both lines. */
LB_API LB_MUST_USE lb_status lb_items_add(lb_items *items, const lb_item *item);
LB_API void lb_items_problem(lb_items *items, const char *fmt, ...) LB_PRINTF(2, 3);

/** Lists every input (a media or text file, a folder, a .jsonl, "-", or a reader's name such as "emoji"; a folder of that name is
 *  "./emoji") in order. reader NULL = the surest probe; options: the readers' parameters as a map, each reader taking those it has,
 *  NULL = defaults; besides, of every list: truncated error|partial, orientation apply|keep, jpeg_at_least (io/decoder.h),
 *  frames first|all: every picture of a file of several is an item KEY/000, KEY/001, ... of the group KEY. LB_E_ARG for two items with one key, naming both places, and for an option that no reader of the inputs has;
 *  LB_E_NOTFOUND for an input that is not there. Immutable afterwards, share freely. */
LB_API LB_MUST_USE lb_status lb_items_open(lb_items **out, int64_t ninputs, const char *const *inputs, const char *reader, const lb_value *options);
LB_API void lb_items_free(lb_items *items);
/** Only items of a split (NULL or "" = all; "a|b" = either), as indices, new array. */
LB_API LB_MUST_USE lb_status lb_items_split(const lb_items *items, const char *split, int64_t **indices, int64_t *count);
LB_API int64_t lb_items_find(const lb_items *items, const char *key); /* index or -1 */
/** Pixels of an item as RGB u8, from its file or its reader. LB_E_NOTFOUND when it has no picture. Thread-safe. */
LB_API LB_MUST_USE lb_status lb_item_image(lb_image *out, const lb_items *items, const lb_item *item);
/** The same resized, by the decoder where it can (io/image.h). */
LB_API LB_MUST_USE lb_status lb_item_image_fit(lb_image *out, const lb_items *items, const lb_item *item, lb_fit *fit);
/** Labels of an item: one channel, 8 bits or 16 where values need them; from its file (lb_uri_labels) or its reader. LB_E_NOTFOUND when it has
 *  none. Thread-safe. */
LB_API LB_MUST_USE lb_status lb_item_mask(lb_image *out, const lb_items *items, const lb_item *item);
/** Has it a picture, a mask: a file, or one that its reader makes? */
LB_API bool lb_item_has_image(const lb_item *item);
LB_API bool lb_item_has_mask(const lb_item *item);
/** The first file of item i that is not there; NULL when all are. Writes where the item stands ("list.jsonl:3") into place. */
LB_API const char *lb_items_missing(const lb_items *items, int64_t i, char *place, size_t cap);
/** One item as a JSONL map (cli.md). */
LB_API lb_value *lb_item_value(const lb_item *item);

LB_END
#endif
