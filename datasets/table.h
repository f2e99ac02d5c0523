/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a CSV or TSV file (RFC 4180: quotes, doubled quotes, line breaks within quotes; a UTF-8 mark is skipped; blanks behind a bar too), one after the other. Private to
 * datasets. */
#ifndef LB_DATASETS_TABLE_H
#define LB_DATASETS_TABLE_H
#include "base/file.h"
#include "datasets/items_private.h"

typedef struct lbi_table {
    const char *name; /* for messages; the caller's */
    lb_mmap map;
    const char *text;
    size_t size, at;
    char delimiter;
    int64_t columns;      /* of the header, or of the first row without one */
    int64_t line;         /* where the current row begins */
    char **head;          /* names of the columns; NULL without a header */
    /* private */
    int64_t next_line, fields, capacity;
    lb_buf row;           /* fields, each followed by a NUL */
    size_t *starts, *sizes;
} lbi_table;

/* delimiter 0: the most frequent of tab, comma, semicolon and bar in the first line outside quotes. LB_E_FORMAT for a header that is damaged or names a
 * column twice. The name must outlive the table. */
LB_MUST_USE lb_status lbi_table_open(lbi_table *out, const char *path, char delimiter, bool header);
LB_MUST_USE lb_status lbi_table_memory(lbi_table *out, const char *text, size_t size, const char *name, char delimiter, bool header);
void lbi_table_close(lbi_table *t); /* also after a failed open */
/* The next row; *end after the last. LB_E_FORMAT, with name and line, for a quote without an end, other than the header's number of fields, a NUL, or
 * bytes that are not UTF-8: the reading goes on with the next line. */
LB_MUST_USE lb_status lbi_table_next(lbi_table *t, bool *end);
/* `use` for each row; damaged ones become problems of the list. */
LB_MUST_USE lb_status lbi_table_each(lbi_table *t, lb_items *items, lb_status (*use)(void *ctx), void *ctx);
/* Field of the current row, NUL-terminated; until the next row. */
const char *lbi_table_field(const lbi_table *t, int64_t column);
/* The column of that name ("3" without a header: the third), ASCII case ignored; -1 when there is none. */
int64_t lbi_table_column(const lbi_table *t, const char *name);

#endif
