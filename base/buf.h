/* SPDX-License-Identifier: Apache-2.0 */
/* A growable byte string. Zero-initialise it: `lb_buf b = {0};`. Failures are sticky (b.failed): check once at the end
 * with lb_buf_status(). Always followed by a NUL that is not counted. One thread at a time. */
#ifndef LB_BASE_BUF_H
#define LB_BASE_BUF_H
#include "base/alloc.h"
LB_BEGIN

typedef struct lb_buf {
    char *data; /* NULL while empty */
    size_t size, capacity;
    bool failed;
} lb_buf;

LB_API void lb_buf_add(lb_buf *b, const void *bytes, size_t n);
LB_API char *lb_buf_room(lb_buf *b, size_t n);            /* n more bytes, for the caller to fill; NULL if failed */
LB_API void lb_buf_text(lb_buf *b, const char *s);
LB_API void lb_buf_format(lb_buf *b, const char *fmt, ...) LB_PRINTF(2, 3);
LB_API void lb_buf_clear(lb_buf *b);                      /* size = 0, memory kept, failure forgotten */
LB_API void lb_buf_free(lb_buf *b);
LB_API LB_MUST_USE lb_status lb_buf_status(const lb_buf *b); /* LB_E_NOMEM if any addition failed */
LB_API char *lb_buf_take(lb_buf *b);                      /* hands the string to the caller (lb_free), b is empty then; NULL if failed */
LB_API const char *lb_buf_str(const lb_buf *b);           /* "" while empty */

LB_END
#endif
