/* SPDX-License-Identifier: Apache-2.0 */
/* Long lists and maps of a JSON text (vocabularies) without a tree: the parse leaves them where they stand in the text, and their members are read from
 * there one after another. One thread at a time. */
#ifndef LB_BASE_JSON_PARTS_H
#define LB_BASE_JSON_PARTS_H
#include "base/value.h"
LB_BEGIN

/* A place of the tree, and what stands there. */
typedef struct lb_json_part {
    const char *path; /* keys with dots, "model.vocab"; "" = the whole */
    const char *text; /* out: a list or map, well-formed but for equal keys, which the reader has to refuse; NULL = nothing of that kind is there */
    size_t size;
    int64_t count;    /* of its members */
    lb_buf own;       /* the text where it is not part of the parsed one */
} lb_json_part;

/** lb_json_parse, but where a part is given the tree has null. `text` must outlive the parts, which lb_json_parts_free ends after a failure too. */
LB_API LB_MUST_USE lb_status lb_json_parse_parts(lb_value **out, const char *text, size_t size, const char *name, int n, lb_json_part *parts);
LB_API void lb_json_parts_free(int n, lb_json_part *parts);

/* The members of a part, in order; the first lines are of the current one, good until the next, a list's strings until the next but one. */
typedef struct lb_json_items lb_json_items;
struct lb_json_items {
    const char *key; /* of a map's member */
    size_t key_size;
    lb_value_kind kind;
    const char *text; /* LB_V_TEXT */
    size_t size;
    int64_t integer; /* LB_V_BOOL: 0 or 1 */
    double real; /* LB_V_INT too */
    const char *at, *end;
    lb_json_items *outer;
    bool begun, map, odd, inside, failed; /* failed: memory was refused, or the text is no such part */
    char *spare[2];
    size_t room[2];
};
static inline lb_json_items lb_json_items_of(const char *text, size_t size) {
    lb_json_items i = {.at = text, .end = text + size};
    return i;
}
/** @return false behind the last, or when it failed */
LB_API bool lb_json_next(lb_json_items *i);
/** The members of the current one, which is a list or map. All are read, or the outer ones are read on without; lb_json_items_free ends it. */
LB_API lb_json_items lb_json_inside(lb_json_items *outer);
LB_API void lb_json_items_free(lb_json_items *i);

LB_END
#endif
