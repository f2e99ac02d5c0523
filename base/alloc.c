/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "base/pages.h"

static atomic_llong calls, live, fail_at;

bool lb_mul_size(size_t *out, size_t a, size_t b) {
    if (b != 0 && a > SIZE_MAX / b) return false;
    *out = a * b;
    return true;
}

bool lb_mul_i64(int64_t *out, int64_t a, int64_t b) {
    if (a == 0 || b == 0) {
        *out = 0;
        return true;
    }
    if (a > 0 ? (b > 0 ? a > INT64_MAX / b : b < INT64_MIN / a) : (b > 0 ? a < INT64_MIN / b : a < INT64_MAX / b))
        return false;
    *out = a * b;
    return true;
}

static void *refused(size_t n, size_t size) {
    lb_status code = lb_fail(LB_E_NOMEM, "out of memory: %zu * %zu bytes refused", n, size);
    (void)code;
    return NULL;
}

/* Counts the call. @return false if this is the one that a test wants to fail. */
static bool allowed(void) {
    long long n = atomic_fetch_add(&calls, 1) + 1;
    return n != atomic_load(&fail_at);
}

/* Bytes to ask the system for, never 0; sizes that no object may have are refused here. */
static bool wanted(size_t *bytes, size_t n, size_t size) {
    if (!lb_mul_size(bytes, n, size) || *bytes > PTRDIFF_MAX - 64) return false;
    if (*bytes == 0) *bytes = 1;
    return true;
}

void *lb_alloc(size_t n, size_t size) {
    size_t bytes;
    void *p = allowed() && wanted(&bytes, n, size) ? malloc(bytes) : NULL;
    if (!p) return refused(n, size);
    atomic_fetch_add(&live, 1);
    return p;
}

void *lb_calloc(size_t n, size_t size) {
    size_t bytes;
    void *p = allowed() && wanted(&bytes, n, size) ? calloc(bytes, 1) : NULL;
    if (!p) return refused(n, size);
    atomic_fetch_add(&live, 1);
    return p;
}

void *lb_realloc(void *p, size_t n, size_t size) {
    size_t bytes;
    void *q = allowed() && wanted(&bytes, n, size) ? realloc(p, bytes) : NULL;
    if (!q) return refused(n, size);
    if (!p) atomic_fetch_add(&live, 1);
    return q;
}

/* Large blocks ask for huge pages: they are read from end to end, across more small pages than the processor's table of pages holds, and a
 * fresh one costs the system one fault instead of 512. What lies behind the last whole one stays small pages. */
static void *aligned(size_t bytes) {
    enum { LINE = 64, HUGE_PAGE = 2 << 20 };
    size_t step = bytes < 2 * HUGE_PAGE ? LINE : HUGE_PAGE;
    void *p = NULL;
    if (posix_memalign(&p, step, (bytes + LINE - 1) / LINE * LINE) != 0) return NULL;
    if (step == HUGE_PAGE) (void)madvise(p, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
    return p;
}

void *lb_alloc_aligned(size_t bytes) {
    size_t rounded;
    if (!allowed() || !wanted(&rounded, bytes, 1)) return refused(bytes, 1);
    void *p = aligned(rounded);
    if (!p) return refused(bytes, 1);
    atomic_fetch_add(&live, 1);
    return p;
}

/* Mapped one huge page longer than asked; what lies before the first whole one and behind the end is given back. */
void *lb_pages_take(size_t bytes) {
    const size_t huge = (size_t)2 << 20, page = 4096;
    size_t size = (bytes + page - 1) / page * page;
    if (!allowed() || bytes > PTRDIFF_MAX / 2) return refused(bytes, 1);
    char *p = mmap(NULL, size + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return refused(bytes, 1);
    size_t before = (huge - (uintptr_t)p % huge) % huge;
    if (before) munmap(p, before);
    munmap(p + before + size, huge - before);
    (void)madvise(p + before, size, MADV_HUGEPAGE);
    atomic_fetch_add(&live, 1);
    return p + before;
}

void lb_pages_give(void *p, size_t bytes) {
    const size_t page = 4096;
    if (!p) return;
    atomic_fetch_sub(&live, 1);
    munmap(p, (bytes + page - 1) / page * page);
}

void lb_free(void *p) {
    if (!p) return;
    atomic_fetch_sub(&live, 1);
    free(p);
}

char *lb_strndup(const char *s, size_t n) {
    size_t len = strnlen(s, n);
    char *p = lb_alloc(len + 1, 1);
    if (!p) return NULL;
    memcpy(p, s, len);
    p[len] = 0;
    return p;
}

char *lb_strdup(const char *s) {
    return lb_strndup(s, SIZE_MAX);
}

char *lb_format_dup(const char *fmt, ...) {
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    size_t size = n < 0 ? 1 : (size_t)n + 1;
    char *p = lb_alloc(size, 1);
    if (p) {
        p[0] = 0;
        if (n > 0) vsnprintf(p, size, fmt, again);
    }
    va_end(again);
    return p;
}

void lb_alloc_fail_at(int64_t n) {
    atomic_store(&fail_at, 0);
    atomic_store(&calls, 0);
    atomic_store(&fail_at, n);
}

int64_t lb_alloc_calls(void) {
    return atomic_load(&calls);
}

int64_t lb_alloc_live(void) {
    return atomic_load(&live);
}
