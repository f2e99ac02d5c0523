/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "cli/cli.h"

static bool usage_error;

bool cli_was_usage(void) { return usage_error; }

lb_status cli_usage(const char *fmt, ...) {
    char text[2048];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    usage_error = true;
    return lb_fail(LB_E_ARG, "%s", text);
}

const char *cli_bytes(char text[24], int64_t bytes) {
    static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    double x = (double)bytes / 1e3;
    size_t unit = 0;
    for (; x >= 999.95 && unit + 1 < LB_COUNT(units); unit++) x /= 1e3;
    if (bytes < 0) snprintf(text, 24, "unknown");
    else if (bytes < 1000) snprintf(text, 24, "%d bytes", (int)bytes);
    else snprintf(text, 24, "%.1f %s", x, units[unit]);
    return text;
}

static lb_status out_failed(void) { return lb_fail(LB_E_IO, "standard output: %s", strerror(errno)); }

lb_status cli_print(const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    int n = vprintf(fmt, args);
    va_end(args);
    return n < 0 || putchar('\n') == EOF ? out_failed() : LB_OK;
}

lb_status cli_write(const void *bytes, size_t size) { return fwrite(bytes, 1, size, stdout) != size ? out_failed() : LB_OK; }

lb_status cli_json(const lb_value *v) {
    lb_buf text = {0};
    lb_status st = LB_OK;
    LB_TRY(lb_json_write(&text, v, 0));
    st = fwrite(text.data, 1, text.size, stdout) != text.size || putchar('\n') == EOF || fflush(stdout) != 0 ? out_failed() : LB_OK;
done:
    lb_buf_free(&text);
    return st;
}

lb_status cli_json_file(const char *path, const lb_value *v) {
    lb_buf text = {0};
    lb_status st = lb_json_write(&text, v, 2);
    lb_buf_text(&text, "\n");
    if (st == LB_OK) st = lb_buf_status(&text);
    if (st == LB_OK) st = lb_file_write(path, text.data, text.size);
    lb_buf_free(&text);
    return st;
}

lb_status cli_flush(void) { return fflush(stdout) != 0 ? out_failed() : LB_OK; }
