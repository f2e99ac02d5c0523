/* SPDX-License-Identifier: Apache-2.0 */
/* For readers only: memory that lives as long as the list, and what the list owns. */
#ifndef LB_DATASETS_ITEMS_PRIVATE_H
#define LB_DATASETS_ITEMS_PRIVATE_H
#include "datasets/reader.h"

/* Memory of the list, zeroed, aligned for any type. NULL = refused (message set). */
void *lbi_items_alloc(lb_items *items, size_t bytes);
char *lbi_items_text(lb_items *items, const char *s, size_t n); /* a copy, NUL-terminated */

/* p is closed with the list, and now if there is no memory to remember it. The last one taken is closed first. */
LB_MUST_USE lb_status lbi_items_own(lb_items *items, void *take_p, void (*close)(void *p));

/* Paths of the items added from now on begin with this folder, which is not part of the fingerprint: a list that was moved is the same
 * list. NULL = none. Copied. */
LB_MUST_USE lb_status lbi_items_base(lb_items *items, const char *folder);

/* `base` where no item has that key yet, else base:2, base:3, ...: several captions of one picture. */
LB_MUST_USE lb_status lbi_items_key(lb_buf *out, const lb_items *items, const char *base);

/* Where pictures named in a file of annotations lie: `root` if given; else beside the file, or in the usual places around it (COCO: ../<set>,
 * ../images, ../images/<set> for annotations/..._<set>.json), or any folder beside it, wherever `name` is there; else the file's own folder. NULL = no memory. */
char *lbi_picture_root(lb_items *items, const char *file, const char *root, const char *name);

/* Is the first picture that a file of annotations names (in its list "images") there? True too where it names none. */
bool lbi_has_pictures(lb_items *items, const char *file, const char *root);

/* train, val, valid, validation, dev or test, as the first n characters of s? */
bool lbi_is_split(const char *s, size_t n);

bool lbi_is_utf8(const char *s, size_t n);

/* "image", "audio", "video", "text" by a file's ending; NULL for any other. */
const char *lbi_kind_of(const char *path);

#endif
