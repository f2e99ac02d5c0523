/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LB_BASE_BASE64_H
#define LB_BASE_BASE64_H
#include "base/buf.h"
LB_BEGIN

/** Appends n bytes as base64 with padding (RFC 4648, section 4). Failure is the buffer's. Thread-safe for distinct buffers. */
LB_API void lb_base64(lb_buf *out, const void *bytes, size_t n);
/** Appends the bytes of base64 text, with or without padding; line ends and spaces are passed over. LB_E_FORMAT names the first other byte. */
LB_API LB_MUST_USE lb_status lb_base64_decode(lb_buf *out, const char *text, size_t n);

LB_END
#endif
