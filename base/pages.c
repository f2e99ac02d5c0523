/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pages.h"
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* A page's number in /proc/self/pagemap (Linux, Documentation/admin-guide/mm/pagemap.rst). */
static bool mirrors_file(uint64_t entry) {
    const uint64_t present = (uint64_t)1 << 63, swapped = (uint64_t)1 << 62, of_file = (uint64_t)1 << 61;
    return (entry & present) && !(entry & swapped) && (entry & of_file);
}

void lb_pages_forget(const void *p, size_t bytes) {
    enum { SOME = 512 };
    uint64_t entry[SOME];
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t at = ((uintptr_t)p + page - 1) / page, end = ((uintptr_t)p + bytes) / page;
    int fd = at < end ? open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC) : -1;
    while (fd >= 0 && at < end) {
        size_t wanted = end - at < SOME ? end - at : SOME;
        ssize_t got = pread(fd, entry, wanted * sizeof *entry, (off_t)(at * sizeof *entry));
        if (got < (ssize_t)sizeof *entry) break;
        size_t n = (size_t)got / sizeof *entry;
        for (size_t i = 0, run; i < n; i += run + 1) {
            for (run = 0; i + run < n && mirrors_file(entry[i + run]);) run++;
            if (run > 0) (void)madvise((void *)((at + i) * page), run * page, MADV_DONTNEED);
        }
        at += n;
    }
    if (fd >= 0) close(fd);
}
