/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The number behind `key` at a line's start, in a file of such lines; -1 when there is none. */
static int64_t number_after(const char *path, const char *key) {
    FILE *f = fopen(path, "r");
    char line[256];
    int64_t found = -1;
    size_t n = strlen(key);
    while (f && found < 0 && fgets(line, sizeof line, f)) {
        char *end, *at = line + n;
        if (strncmp(line, key, n) != 0) continue;
        long long x = strtoll(at, &end, 10);
        if (end != at) found = x;
    }
    if (f) fclose(f);
    return found;
}

static int64_t left_of(const char *limit, const char *used, const char *stat, const char *cached) {
    int64_t most = number_after(limit, ""), now = number_after(used, ""), cache = number_after(stat, cached);
    if (most < 0 || now < 0) return -1; /* "max": none */
    return most - now + (cache > 0 ? cache : 0);
}

int64_t lb_memory_available(void) {
    int64_t kib = number_after("/proc/meminfo", "MemAvailable:"), all = kib < 0 ? -1 : kib << 10;
    const int64_t left[] = {left_of("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat", "inactive_file "),
                            left_of("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes", "/sys/fs/cgroup/memory/memory.stat", "total_inactive_file ")};
    for (int i = 0; i < 2; i++)
        if (left[i] >= 0 && (all < 0 || left[i] < all)) all = left[i];
    return all;
}

int64_t lb_memory_held(int64_t *most) {
    int64_t now = number_after("/proc/self/status", "VmRSS:"), peak = number_after("/proc/self/status", "VmHWM:");
    if (most) *most = peak < 0 ? -1 : peak << 10;
    return now < 0 ? -1 : now << 10;
}
