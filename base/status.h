/* SPDX-License-Identifier: Apache-2.0 */
/* Status codes and the thread's error message.
 *
 * A function that can fail returns lb_status; the place that sees the fault makes the message with lb_fail(), layer
 * borders add a line of where with lb_where(). Messages are thread-local and valid until the next failing call on that
 * thread; work done on pool threads carries its message back. The library never prints, exits or aborts. */
#ifndef LB_BASE_STATUS_H
#define LB_BASE_STATUS_H
#include "base/attr.h"
LB_BEGIN

/** Few codes, good messages. The numbers are stored in files (a cache's /status) and are never reused. */
typedef enum lb_status {
    LB_OK = 0,
    LB_E_NOMEM = -1,       /* memory refused */
    LB_E_ARG = -2,         /* an argument, option or parameter is wrong */
    LB_E_SHAPE = -3,       /* shapes do not fit a signature */
    LB_E_FORMAT = -4,      /* a file is not what it should be */
    LB_E_NOTFOUND = -5,    /* no such file, key, tensor or member */
    LB_E_UNSUPPORTED = -6, /* well formed, but not handled */
    LB_E_IO = -7,          /* the operating system refused */
    LB_E_NUMERIC = -8,     /* NaN, infinity, no convergence */
    LB_E_CANCELLED = -9,   /* stopped on request; resumable */
    LB_E_BUG = -10,        /* our fault */
    LB_E_MISMATCH = -11,   /* fingerprints differ */
    LB_E_LIMIT = -12,      /* a declared limit (pixels, bytes, seconds) is exceeded */
} lb_status;

/** Stores the message of a failure on this thread.  @return code, so that `return lb_fail(...)` reads well.
 *  With LB_E_NOMEM no memory is taken. */
LB_API LB_MUST_USE LB_COLD lb_status lb_fail(lb_status code, const char *fmt, ...) LB_PRINTF(2, 3);

/** Puts "<where>: " before the message of a failure that is being passed on.  @return code unchanged. */
LB_API LB_MUST_USE LB_COLD lb_status lb_where(lb_status code, const char *fmt, ...) LB_PRINTF(2, 3);

/** The message of this thread's last failure; "" when none. Owned by the thread, never NULL. */
LB_API const char *lb_error_text(void);

/** Forgets the message (a failure that was handled). */
LB_API void lb_error_clear(void);

/** Short lower-case name of a code: "not found". Static. */
LB_API const char *lb_status_name(lb_status code);

/** In a function with `lb_status st = LB_OK;` and a `done:` label: leave on failure. The label never sets a code. */
#define LB_TRY(expr)                                                                                                   \
    do {                                                                                                               \
        st = (expr);                                                                                                   \
        if (st != LB_OK) goto done;                                                                                    \
    } while (0)

LB_END
#endif
