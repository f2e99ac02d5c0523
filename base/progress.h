/* SPDX-License-Identifier: Apache-2.0 */
/* Progress of long work: done and total in, rate and time left out, "stop" back. The library calls; the command shows.
 * A stop request ends the work with LB_E_CANCELLED at the next safe point, resumable. */
#ifndef LB_BASE_PROGRESS_H
#define LB_BASE_PROGRESS_H
#include "base/alloc.h"
LB_BEGIN

typedef struct lb_progress_state {
    const char *what;   /* "cache images" */
    const char *unit;   /* "items" */
    int64_t done, total; /* total -1 = unknown */
    double seconds;     /* since the start */
    double rate;        /* units a second, over about the last ten seconds */
    double left;        /* seconds, -1 = unknown */
    const char *note;   /* free text: losses, bottleneck; may be NULL */
} lb_progress_state;

/* Called at most about ten times a second and once at the end. */
typedef void (*lb_progress_show)(void *ctx, const lb_progress_state *s);

typedef struct lb_progress {
    lb_progress_show show; /* NULL = silent */
    void *ctx;
    const volatile int *stop; /* set to non-zero (by a signal handler, say) to ask for a stop; may be NULL */
    /* private */
    lb_progress_state s;
    double start, last_shown, mark_time;
    int64_t base, mark_done;
} lb_progress;

/** Begins a piece of work; `already` units were done by an earlier run and do not count for the rate. p may be NULL. */
LB_API void lb_progress_begin(lb_progress *p, const char *what, const char *unit, int64_t already, int64_t total);
/** Reports; @return LB_E_CANCELLED (with message) once a stop was asked for, else LB_OK. */
LB_API LB_MUST_USE lb_status lb_progress_at(lb_progress *p, int64_t done, const char *note);
LB_API void lb_progress_end(lb_progress *p, const char *note);
LB_API bool lb_progress_stopped(const lb_progress *p);
/** Seconds of a monotonic clock. */
LB_API double lb_now(void);

LB_END
#endif
