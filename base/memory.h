/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory there is. */
#ifndef LB_BASE_MEMORY_H
#define LB_BASE_MEMORY_H
#include <stdint.h>
#include "base/status.h"
LB_BEGIN

/** Bytes that this process may still take without swapping: what the system has available, or what is left of a container's limit (cgroup v2 or v1)
 *  where that is less; -1 when the system does not tell. */
LB_API int64_t lb_memory_available(void);
/** Bytes of memory that this process holds now, and the most it ever held (VmRSS, VmHWM); -1 when the system does not tell. */
LB_API int64_t lb_memory_held(int64_t *most);

LB_END
#endif
