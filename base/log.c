/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

enum { TEXT_MAX = 2048 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static lb_log_sink current;
static void *current_ctx;

void lb_log_set(lb_log_sink sink, void *ctx) {
    pthread_mutex_lock(&lock);
    current = sink;
    current_ctx = ctx;
    pthread_mutex_unlock(&lock);
}

void lb_say(lb_log_level level, const char *component, const char *fmt, ...) {
    char text[TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (n < 0) return;
    pthread_mutex_lock(&lock);
    if (current) current(current_ctx, level, component, text);
    pthread_mutex_unlock(&lock);
}
