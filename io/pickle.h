/* SPDX-License-Identifier: Apache-2.0 */
/* Python pickles, protocols 1 to 5, read as plain data. Calls and globals become nodes; nothing is ever called. Private to io.
 * Memory is bounded by a constant times the pickle's size; the nodes form a graph that may have cycles. */
#ifndef LB_IO_PICKLE_H
#define LB_IO_PICKLE_H
#include "base/alloc.h"
LB_BEGIN

typedef enum lbi_pk_kind { LBI_PK_NONE = 0, LBI_PK_BOOL, LBI_PK_INT, LBI_PK_REAL, LBI_PK_TEXT, LBI_PK_LIST, LBI_PK_TUPLE, LBI_PK_DICT, LBI_PK_GLOBAL,
                           LBI_PK_CALL, LBI_PK_PERSISTENT } lbi_pk_kind;

typedef struct lbi_pk_node {
    uint8_t kind;
    int32_t global;     /* GLOBAL: number in the table of allowed names; CALL: of the callee */
    int32_t args;       /* CALL: node of the tuple of arguments; PERSISTENT: node of the id */
    int32_t count, capacity;
    int32_t *items;     /* LIST, TUPLE: nodes; DICT and CALL: keys and values in turn (a CALL's are what SETITEMS added) */
    int64_t integer;    /* INT, BOOL; an INT beyond 64 bits is clamped */
    double real;
    const char *text;   /* TEXT: a view of the pickle, text_size bytes, no NUL after it */
    size_t text_size;
} lbi_pk_node;

typedef struct lbi_pickle {
    lbi_pk_node *at;
    int32_t count, capacity;
    int32_t root;
    size_t used; /* bytes up to and with STOP: another pickle may follow */
} lbi_pickle;

/* `allowed` is a NULL-ended list of "module name"; any other global is LB_E_UNSUPPORTED with its name. LB_E_FORMAT gives the byte. */
LB_MUST_USE lb_status lbi_pickle_read(lbi_pickle *out, const uint8_t *data, size_t size, const char *const *allowed);
void lbi_pickle_free(lbi_pickle *p);

LB_END
#endif
