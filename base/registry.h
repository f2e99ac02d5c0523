/* SPDX-License-Identifier: Apache-2.0 */
/* Families: one protocol for ops, decoders, weight formats, archs, tokenizers, blocks, methods, readers, metrics, verbs.
 *
 * A member is one file with one const descriptor, and one line in the family's .def list, which both meson and the C
 * table read. Every descriptor starts with LB_HEAD, so `count / at / find / describe` are the same for all.
 * Identifier esp_medsam = file esp_medsam.c = name on the command line esp-medsam. Immutable, share freely. */
#ifndef LB_BASE_REGISTRY_H
#define LB_BASE_REGISTRY_H
#include "base/param.h"
LB_BEGIN

/* id is filled by the family's LB_<KIND>(id) macro; title is one line; source says where facts came from (paper, equation,
 * format document); params may be NULL. */
#define LB_HEAD                                                                                                        \
    const char *id, *title, *source;                                                                                   \
    const lb_param *params;                                                                                            \
    size_t params_size

typedef struct lb_head {
    LB_HEAD;
} lb_head;

typedef struct lb_family {
    const char *name;  /* plural: "methods" */
    const char *text;  /* one line: what a member is */
    const char *def;   /* its list, seen from the root: "distill/methods.def" */
    const char *dir;   /* folder of its members: "distill/methods" */
    int count;
    const lb_head *const *members; /* in the order of the list, which is sorted */
    /* Adds what only this family knows to a description (components, taps, ...), as Markdown. May be NULL. */
    void (*describe)(const lb_head *member, lb_buf *out);
} lb_family;

/** The member with that name ('-' equals '_'), or NULL without a message. */
LB_API const lb_head *lb_family_at(const lb_family *f, const char *name);
/** The same; an unknown name is LB_E_NOTFOUND naming the family and the nearest members. */
LB_API LB_MUST_USE lb_status lb_family_find(const lb_head **out, const lb_family *f, const char *name);
/** Writes Markdown: title, source, parameter table, then the family's own part. */
LB_API void lb_family_describe(const lb_family *f, const lb_head *member, lb_buf *out);
/** Name for people: '_' becomes '-'. dst holds cap bytes. @return dst */
LB_API const char *lb_public_name(char *dst, size_t cap, const char *id);
/** Edit distance where '-' equals '_', used for "did you mean"; a and b up to 63 characters count. */
LB_API int lb_name_distance(const char *a, const char *b);
/** Appends " (did you mean a, b?)" for the candidates near to name; nothing when none is near. */
LB_API void lb_nearest(lb_buf *out, const char *name, const char *const *candidates, int count);

LB_END
#endif
