/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cpu.h"
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifdef __x86_64__
#include <cpuid.h>
#endif

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

/* ---- what they can do ---- */

static const char *const level_names[] = {[LBI_CPU_REF] = "ref", [LBI_CPU_BLAS] = "blas", [LBI_CPU_AVX2] = "avx2", [LBI_CPU_AVX512] = "avx512", [LBI_CPU_BF16] = "bf16", [LBI_CPU_AMX] = "amx"};

const char *lbi_cpu_name(lbi_cpu_level level) { return level_names[level]; }

#ifdef __x86_64__
/* Tiles need the processor (CPUID leaf 7: bits 22 and 24 of edx) and a permission of the system (Documentation/arch/x86/xstate.rst). */
static bool has_tiles(void) {
    enum { ASK_FOR = 0x1023, TILE_DATA = 18 };
    unsigned a, b, c, d = 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
    if (!(d >> 22 & 1) || !(d >> 24 & 1)) return false;
    return syscall(SYS_arch_prctl, ASK_FOR, TILE_DATA) == 0;
}

/* Two bf16 products a cycle and lane, as many as of floats, and the packing besides. */
static bool is_intel(void) { return __builtin_cpu_is("intel"); }

static lbi_cpu_level best(void) {
    unsigned a = 0, b, c, d;
    const char *asked = getenv("LB_CPU");
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return LBI_CPU_BLAS;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl")) return LBI_CPU_AVX2;
    if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || !(a >> 5 & 1)) return LBI_CPU_AVX512;
    if (has_tiles()) return LBI_CPU_AMX;
    return is_intel() && !(asked && strcmp(asked, level_names[LBI_CPU_BF16]) == 0) ? LBI_CPU_AVX512 : LBI_CPU_BF16;
}
#else
static lbi_cpu_level best(void) { return LBI_CPU_BLAS; }
#endif

static lbi_cpu_level level;
static void choose_level(void) {
    const char *most = getenv("LB_CPU");
    level = best();
    for (int i = 0; most && i < (int)(sizeof level_names / sizeof level_names[0]); i++)
        if (strcmp(most, level_names[i]) == 0 && i < (int)level) level = (lbi_cpu_level)i;
}

lbi_cpu_level lbi_cpu(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, choose_level);
    return level;
}
