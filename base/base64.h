/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LB_BASE_BASE64_H
#define LB_BASE_BASE64_H
#include "base/buf.h"
LB_BEGIN

/** Appends n bytes as base64 with padding (RFC 4648, section 4). Failure is the buffer's. Thread-safe for distinct buffers. */
LB_API void lb_base64(lb_buf *out, const void *bytes, size_t n);

LB_END
#endif
