/* SPDX-License-Identifier: Apache-2.0 */
/* Checked allocation. All heap of the library goes through here, so that tests can fail the n-th allocation.
 * Each returns NULL and sets the thread's message (LB_E_NOMEM) when memory is refused or the product overflows. */
#ifndef LB_BASE_ALLOC_H
#define LB_BASE_ALLOC_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
LB_BEGIN

LB_API void *lb_alloc(size_t n, size_t size);              /* n * size bytes, uninitialised; n * size = 0 gives a valid pointer */
LB_API void *lb_calloc(size_t n, size_t size);             /* the same, zeroed */
LB_API void *lb_realloc(void *p, size_t n, size_t size);   /* on failure p is untouched */
LB_API void *lb_alloc_aligned(size_t bytes);               /* 64-byte aligned; freed with lb_free as all others */
LB_API void lb_free(void *p);                              /* NULL is fine */
LB_API char *lb_strdup(const char *s);
LB_API char *lb_strndup(const char *s, size_t n);
LB_API char *lb_format_dup(const char *fmt, ...) LB_PRINTF(1, 2); /* a new string, caller frees */

/** Checked a * b and a + b for sizes and dimensions. @return false on overflow, *out untouched. */
LB_API LB_MUST_USE bool lb_mul_size(size_t *out, size_t a, size_t b);
LB_API LB_MUST_USE bool lb_mul_i64(int64_t *out, int64_t a, int64_t b);

/** For tests: the n-th allocation from now on this process fails (1 = the next); 0 switches off. */
LB_API void lb_alloc_fail_at(int64_t n);
/** Allocations made since the last lb_alloc_fail_at(), and blocks now live, over all threads. */
LB_API int64_t lb_alloc_calls(void);
LB_API int64_t lb_alloc_live(void);

LB_END
#endif
