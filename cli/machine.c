/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/machine.h"
#include <stdio.h>
#include <string.h>
#include "base/file.h"

const char *cli_cpu_name(char *dst, size_t cap) {
    lb_buf text = {0};
    snprintf(dst, cap, "unknown processor");
    if (lb_file_read(&text, "/proc/cpuinfo", 0) == LB_OK) {
        const char *at = strstr(lb_buf_str(&text), "model name");
        at = at ? strstr(at, ": ") : NULL;
        if (at) snprintf(dst, cap, "%.*s", (int)strcspn(at + 2, "\n"), at + 2);
    }
    lb_error_clear();
    lb_buf_free(&text);
    return dst;
}
