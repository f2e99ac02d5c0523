/* SPDX-License-Identifier: Apache-2.0 */
/* Folders of pictures (or volumes) with their masks, paired by names. Private to datasets. */
#ifndef LB_DATASETS_PAIRS_H
#define LB_DATASETS_PAIRS_H
#include "datasets/items_private.h"

typedef struct lbi_pair {
    char *image, *mask; /* paths */
    char *key;          /* the image's path below the root */
    char *split;        /* NULL: none */
} lbi_pair;

typedef struct lbi_pair_spec {
    const char *images, *masks; /* names of the folders below the root or a split of it; NULL = the usual ones */
    const char *suffix;         /* of a mask's stem after the picture's; NULL = none or one of the usual ones */
    bool (*is_mine)(const char *name); /* a file of this kind? */
} lbi_pair_spec;

/* Are there such folders with files of the kind? */
bool lbi_pairs_known(const char *root, const lbi_pair_spec *spec);
/* Pairs in byte order of keys, in the list's memory, as a new array (lb_free). Pictures without a mask and masks without a picture are problems.
 * LB_E_NOTFOUND when the folders are not there. */
LB_MUST_USE lb_status lbi_pairs_find(lbi_pair **out, int64_t *count, lb_items *items, const char *root, const lbi_pair_spec *spec);
/* Length of a name without its ending (.nii.gz is one). */
size_t lbi_stem_size(const char *name);

#endif
