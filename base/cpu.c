/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cpu.h"
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int lbi_affinity_cpus(void) {
    for (size_t cpus = 1024; cpus <= 1u << 20; cpus *= 2) {
        cpu_set_t *set = CPU_ALLOC(cpus);
        if (!set) break;
        size_t size = CPU_ALLOC_SIZE(cpus);
        int n = sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (n > 0) return n;
    }
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 && n < INT_MAX ? (int)n : 1;
}

static bool read_line(const char *path, char *line, int cap) {
    FILE *f = fopen(path, "r");
    if (!f) return false;
    bool ok = fgets(line, cap, f) != NULL;
    fclose(f);
    return ok;
}

static void smaller(int *least, long long quota, long long period) {
    if (quota <= 0 || period <= 0 || quota > INT_MAX * period) return;
    int n = (int)((quota + period - 1) / period);
    if (*least == 0 || n < *least) *least = n;
}

static void read_v2(int *least, const char *folder) {
    char path[PATH_MAX], line[128];
    long long quota, period;
    if (snprintf(path, sizeof path, "%s/cpu.max", folder) >= (int)sizeof path) return;
    if (read_line(path, line, sizeof line) && sscanf(line, "%lld %lld", &quota, &period) == 2)
        smaller(least, quota, period);
}

static void read_v1(int *least, const char *folder) {
    char path[PATH_MAX], line[128];
    long long quota, period;
    if (snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder) >= (int)sizeof path) return;
    if (!read_line(path, line, sizeof line) || sscanf(line, "%lld", &quota) != 1) return;
    if (snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder) >= (int)sizeof path) return;
    if (read_line(path, line, sizeof line) && sscanf(line, "%lld", &period) == 1) smaller(least, quota, period);
}

/* From the group up to the mount. Inside a container the group's path may not be visible; then only the mount counts. */
static void climb(int *least, const char *root, const char *mount, const char *group,
                  void (*read_quota)(int *least, const char *folder)) {
    char path[PATH_MAX];
    int stem = snprintf(path, sizeof path, "%s%s", root, mount);
    if (stem < 0 || stem >= (int)sizeof path) return;
    snprintf(path + stem, sizeof path - (size_t)stem, "%s", group);
    for (;;) {
        read_quota(least, path);
        char *slash = strrchr(path + stem, '/');
        if (!slash) break;
        *slash = 0;
    }
}

static bool has_cpu(const char *controllers) {
    for (const char *p = controllers; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
        if (strncmp(p, "cpu", 3) == 0 && (p[3] == ',' || p[3] == 0)) return true;
    return false;
}

int lbi_quota_cpus(const char *root) {
    char path[PATH_MAX], line[PATH_MAX];
    int least = 0;
    if (snprintf(path, sizeof path, "%s/proc/self/cgroup", root) >= (int)sizeof path) return 0;
    FILE *f = fopen(path, "r");
    if (!f) return 0;
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group) continue;
        controllers++;
        *group++ = 0;
        if (!controllers[0]) {
            climb(&least, root, "/sys/fs/cgroup", group, read_v2);
        } else if (has_cpu(controllers)) {
            climb(&least, root, "/sys/fs/cgroup/cpu", group, read_v1);
            climb(&least, root, "/sys/fs/cgroup/cpu,cpuacct", group, read_v1);
        }
    }
    fclose(f);
    return least;
}
