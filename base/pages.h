/* SPDX-License-Identifier: Apache-2.0 */
/* Large memory of pages that the system backs as they are first written, whatever the C library does with its own. Counted as the blocks of alloc.h are. */
#ifndef LB_BASE_PAGES_H
#define LB_BASE_PAGES_H
#include <stddef.h>
#include "base/status.h"
LB_BEGIN

/** Zeroed, beginning with a huge page and asking for such. NULL sets the thread's message (LB_E_NOMEM). */
LB_API void *lb_pages_take(size_t bytes);
/** NULL is fine. `bytes` as they were asked for. */
LB_API void lb_pages_give(void *p, size_t bytes);
/** Of the whole pages there, those that mirror a file and were not written leave this process until they are read again; what is read stays the same. All others stay. Nothing is written there meanwhile. */
LB_API void lb_pages_forget(const void *p, size_t bytes);

LB_END
#endif
