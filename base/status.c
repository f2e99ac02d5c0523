/* SPDX-License-Identifier: Apache-2.0 */
#include "base/status.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A fixed buffer: reporting refused memory must not need memory. Longer messages are cut. */
enum { TEXT_MAX = 2048 };
static _Thread_local char message[TEXT_MAX];

static void put_v(char *dst, const char *fmt, va_list args) {
    int n = vsnprintf(dst, TEXT_MAX, fmt, args);
    if (n < 0) snprintf(dst, TEXT_MAX, "(unprintable message)");
    if (n >= TEXT_MAX) memcpy(dst + TEXT_MAX - 4, "...", 4);
}

/* Formatted aside first, since an argument may be the old message itself. */
lb_status lb_fail(lb_status code, const char *fmt, ...) {
    char text[TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    put_v(text, fmt, args);
    va_end(args);
    memcpy(message, text, strlen(text) + 1);
    return code;
}

lb_status lb_where(lb_status code, const char *fmt, ...) {
    char text[TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    put_v(text, fmt, args);
    va_end(args);
    size_t n = strlen(text);
    snprintf(text + n, TEXT_MAX - n, "%s%s", message[0] ? ": " : "", message);
    memcpy(message, text, strlen(text) + 1);
    return code;
}

const char *lb_error_text(void) {
    return message;
}

void lb_error_clear(void) {
    message[0] = 0;
}

const char *lb_status_name(lb_status code) {
    switch (code) {
    case LB_OK: return "ok";
    case LB_E_NOMEM: return "out of memory";
    case LB_E_ARG: return "wrong argument";
    case LB_E_SHAPE: return "wrong shape";
    case LB_E_FORMAT: return "wrong format";
    case LB_E_NOTFOUND: return "not found";
    case LB_E_UNSUPPORTED: return "unsupported";
    case LB_E_IO: return "input/output error";
    case LB_E_NUMERIC: return "numeric failure";
    case LB_E_CANCELLED: return "cancelled";
    case LB_E_BUG: return "bug";
    case LB_E_MISMATCH: return "mismatch";
    case LB_E_LIMIT: return "limit exceeded";
    }
    return "unknown status";
}
