/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/kernels/work.h"
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

typedef struct block {
    struct block *next;
    size_t bytes;
} block;

enum { HEADER = 64, KEPT = 32, STEP = 65536, HUGE_PAGE = 2 << 20 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static block *idle;
static int count;

/* The smallest idle block that is large enough, but not more than four times as large. */
static block *find(size_t bytes) {
    block **best = NULL;
    for (block **at = &idle; *at; at = &(*at)->next)
        if ((*at)->bytes >= bytes && (*at)->bytes / 4 <= bytes && (!best || (*at)->bytes < (*best)->bytes)) best = at;
    block *b = best ? *best : NULL;
    if (b) {
        *best = b->next;
        count--;
    }
    return b;
}

/* Not lb_alloc: it outlives the call that asked. Large blocks on huge pages, since panels are read across more pages than the processor's
 * table of pages holds. */
static block *fresh(size_t bytes) {
    if (bytes < HUGE_PAGE) return aligned_alloc(64, bytes);
    void *b = aligned_alloc(HUGE_PAGE, bytes);
    if (b) (void)madvise(b, bytes, MADV_HUGEPAGE);
    return b;
}

void *lbi_work_take(size_t bytes) {
    size_t step = bytes + HEADER < HUGE_PAGE ? STEP : HUGE_PAGE;
    bytes = (bytes + HEADER + step - 1) / step * step;
    pthread_mutex_lock(&lock);
    block *b = find(bytes);
    pthread_mutex_unlock(&lock);
    if (!b) {
        b = fresh(bytes);
        if (b) b->bytes = bytes;
    }
    return b ? (char *)b + HEADER : NULL;
}

void lbi_work_give(void *work) {
    if (!work) return;
    block *b = (block *)(void *)((char *)work - HEADER), *out = NULL;
    pthread_mutex_lock(&lock);
    b->next = idle;
    idle = b;
    if (++count > KEPT) { /* the one that was given longest ago goes */
        block **at = &idle;
        while ((*at)->next) at = &(*at)->next;
        out = *at;
        *at = NULL;
        count--;
    }
    pthread_mutex_unlock(&lock);
    free(out);
}
