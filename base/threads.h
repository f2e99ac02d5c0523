/* SPDX-License-Identifier: Apache-2.0 */
/* CPUs and ordered parallel work. Maths uses OpenMP; decoding and writing use lb_flow, whose results come in index
 * order whatever the number of workers. */
#ifndef LB_BASE_THREADS_H
#define LB_BASE_THREADS_H
#include "base/alloc.h"
LB_BEGIN

/** CPUs this process may use: affinity mask and cgroup quota (v1 and v2), at least 1. */
LB_API int lb_cpu_count(void);
/** Threads for maths and workers; n <= 0 = lb_cpu_count(). Set once, before use. */
LB_API void lb_threads_set(int n);
LB_API int lb_threads(void);

/* Ordered parallel map over 0..count-1 with bounded look-ahead. */
typedef struct lb_flow lb_flow;
typedef struct lb_flow_spec {
    int64_t first, count; /* items first .. count-1 */
    int workers;          /* 0 = do the work inside lb_flow_next; results are the same */
    int depth;            /* results kept ahead at most; 0 = 2 * workers */
    /* Makes item i into *result; runs on any worker, also for several i at once. A failure is carried to the caller of
     * lb_flow_next together with its message. */
    lb_status (*work)(void *ctx, int64_t i, void **result);
    void (*drop)(void *ctx, void *result); /* frees a result nobody took */
    /* With memory > 0: bytes that a result holds; work waits while those ahead hold more than `memory`, but for the one that is taken next. */
    int64_t (*bytes)(void *ctx, const void *result);
    int64_t memory;
    void *ctx;
} lb_flow_spec;

LB_API LB_MUST_USE lb_status lb_flow_open(lb_flow **out, const lb_flow_spec *spec);
/** The next result in order. *end = true (and *result NULL) after the last. On the failure of an item its status is
 *  returned with its message, and the flow goes on with the following item at the next call. One thread at a time. */
LB_API LB_MUST_USE lb_status lb_flow_next(lb_flow *f, int64_t *index, void **result, bool *end);
/** Stops workers, drops what was not taken. */
LB_API void lb_flow_close(lb_flow *f);

LB_END
#endif
