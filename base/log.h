/* SPDX-License-Identifier: Apache-2.0 */
/* Log: a callback with level, component and text. The library is silent until a sink is set; the command sets one.
 * Locked inside. */
#ifndef LB_BASE_LOG_H
#define LB_BASE_LOG_H
#include "base/status.h"
LB_BEGIN

typedef enum lb_log_level { LB_LOG_DEBUG = 0, LB_LOG_INFO = 1, LB_LOG_WARN = 2, LB_LOG_ERROR = 3 } lb_log_level;
typedef void (*lb_log_sink)(void *ctx, lb_log_level level, const char *component, const char *text);

/** NULL = silence. Calls to the sink never overlap. */
LB_API void lb_log_set(lb_log_sink sink, void *ctx);
LB_API void lb_say(lb_log_level level, const char *component, const char *fmt, ...) LB_PRINTF(3, 4);

LB_END
#endif
