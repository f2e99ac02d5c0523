/* SPDX-License-Identifier: Apache-2.0 */
/* Bad luck on order, preloaded into the command. Operations that change files below LB_FAULT_FOLDER are counted; at number LB_FAULT_AT:
 *   LB_FAULT=kill      the process dies as by kill -9
 *   LB_FAULT=TERM ...  it gets that signal (INT, TERM, USR1) and goes on
 *   LB_FAULT=cut       it dies; LB_FAULT_SHADOW holds what a power cut leaves for certain (see below)
 *   LB_FAULT=ENOSPC .. that operation fails (EIO, EDQUOT too); with LB_FAULT_STAY=1 every later write fails as well
 *   LB_FAULT=count     nothing; at the end the number of operations is written to LB_FAULT_COUNT
 * LB_FAULT_CRASH=WORD: reading a file whose name holds WORD is a segmentation fault: a decoder's bug.
 * Shadow: after a file's sync its bytes as <inode>.bytes, after a folder's sync its names as names ("inode name" a line). */
#undef _FILE_OFFSET_BITS /* both names of each call are defined here */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long operations;

static const char *word(const char *name) {
    const char *w = getenv(name);
    return w ? w : "";
}

static int inside(const char *path) {
    const char *folder = word("LB_FAULT_FOLDER");
    return folder[0] && strncmp(path, folder, strlen(folder)) == 0;
}

static int inside_fd(int fd, char path[4096]) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, 4095);
    path[n > 0 ? n : 0] = '\0';
    return n > 0 && inside(path);
}

static void write_count(void) {
    char text[32];
    int n = snprintf(text, sizeof text, "%ld\n", operations), fd = REAL(open)(word("LB_FAULT_COUNT"), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd >= 0 && REAL(write)(fd, text, (size_t)n) == n) (void)close(fd);
}

__attribute__((destructor)) static void at_end(void) {
    if (strcmp(word("LB_FAULT"), "count") == 0) write_count();
}

static int error_of(const char *name) {
    static const struct {
        const char *name;
        int code;
    } codes[] = {{"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}};
    for (size_t i = 0; i < 3; i++)
        if (strcmp(codes[i].name, name) == 0) return codes[i].code;
    return 0;
}

static int signal_of(const char *name) { return strcmp(name, "INT") == 0 ? SIGINT : strcmp(name, "TERM") == 0 ? SIGTERM : strcmp(name, "USR1") == 0 ? SIGUSR1 : 0; }

/* Counts one operation. @return the error that it is to fail with, or 0 */
static int luck(int grows) {
    const char *fault = word("LB_FAULT");
    pthread_mutex_lock(&lock);
    long number = ++operations, at = atol(word("LB_FAULT_AT"));
    pthread_mutex_unlock(&lock);
    int code = error_of(fault), stay = word("LB_FAULT_STAY")[0] == '1';
    if (code) return number == at || (stay && grows && number > at) ? code : 0;
    if (number != at) return 0;
    if (strcmp(fault, "kill") == 0 || strcmp(fault, "cut") == 0) (void)kill(getpid(), SIGKILL);
    if (signal_of(fault)) (void)kill(getpid(), signal_of(fault));
    return 0;
}

/* ---- what is certain after a sync ---- */

static void keep_bytes(int fd) {
    char name[4200], piece[65536];
    struct stat info;
    if (!word("LB_FAULT_SHADOW")[0] || fstat(fd, &info) != 0) return;
    snprintf(name, sizeof name, "%s/%lu.bytes", word("LB_FAULT_SHADOW"), (unsigned long)info.st_ino);
    int to = REAL(open)(name, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    ssize_t n;
    for (off_t at = 0; to >= 0 && (n = pread(fd, piece, sizeof piece, at)) > 0; at += n)
        if (REAL(write)(to, piece, (size_t)n) != n) abort();
    if (to >= 0) (void)close(to);
}

static void keep_names(const char *folder) {
    char name[4200], text[4600];
    if (!word("LB_FAULT_SHADOW")[0]) return;
    snprintf(name, sizeof name, "%s/names", word("LB_FAULT_SHADOW"));
    int to = REAL(open)(name, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    DIR *d = opendir(folder);
    for (struct dirent *e; to >= 0 && d && (e = readdir(d));) {
        if (e->d_type != DT_REG) continue;
        int n = snprintf(text, sizeof text, "%lu %s\n", (unsigned long)e->d_ino, e->d_name);
        if (REAL(write)(to, text, (size_t)n) != n) abort();
    }
    if (d) (void)closedir(d);
    if (to >= 0) (void)close(to);
}

/* ---- the calls ---- */

static ssize_t refuse(int code) {
    errno = code;
    return -1;
}

EXPORTED ssize_t write(int fd, const void *bytes, size_t n) {
    char path[4096];
    int code = inside_fd(fd, path) ? luck(1) : 0;
    return code ? refuse(code) : REAL(write)(fd, bytes, n);
}

EXPORTED ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at) {
    char path[4096];
    int code = inside_fd(fd, path) ? luck(1) : 0;
    return code ? refuse(code) : REAL(pwrite)(fd, bytes, n, at);
}

EXPORTED ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at) {
    char path[4096];
    int code = inside_fd(fd, path) ? luck(1) : 0;
    return code ? refuse(code) : REAL(pwrite64)(fd, bytes, n, at);
}

static int sync_with(int fd, int (*real)(int)) {
    char path[4096];
    struct stat info;
    if (!inside_fd(fd, path)) return real(fd);
    int code = luck(0);
    if (code) return (int)refuse(code);
    int done = real(fd);
    if (done == 0 && fstat(fd, &info) == 0) {
        if (S_ISDIR(info.st_mode)) keep_names(path);
        else keep_bytes(fd);
    }
    return done;
}

EXPORTED int fsync(int fd) { return sync_with(fd, REAL(fsync)); }

EXPORTED int fdatasync(int fd) { return sync_with(fd, REAL(fdatasync)); }

EXPORTED int ftruncate(int fd, off_t size) {
    char path[4096];
    int code = inside_fd(fd, path) ? luck(0) : 0;
    return code ? (int)refuse(code) : REAL(ftruncate)(fd, size);
}

EXPORTED int ftruncate64(int fd, off64_t size) {
    char path[4096];
    int code = inside_fd(fd, path) ? luck(0) : 0;
    return code ? (int)refuse(code) : REAL(ftruncate64)(fd, size);
}

EXPORTED int fallocate(int fd, int mode, off_t at, off_t size) {
    char path[4096];
    int code = inside_fd(fd, path) ? luck(1) : 0;
    return code ? (int)refuse(code) : REAL(fallocate)(fd, mode, at, size);
}

EXPORTED int fallocate64(int fd, int mode, off64_t at, off64_t size) {
    char path[4096];
    int code = inside_fd(fd, path) ? luck(1) : 0;
    return code ? (int)refuse(code) : REAL(fallocate64)(fd, mode, at, size);
}

EXPORTED int rename(const char *from, const char *to) {
    int code = inside(to) ? luck(0) : 0;
    return code ? (int)refuse(code) : REAL(rename)(from, to);
}

EXPORTED int unlink(const char *path) {
    int code = inside(path) ? luck(0) : 0;
    return code ? (int)refuse(code) : REAL(unlink)(path);
}

static int open_with(int (*real)(const char *, int, ...), const char *path, int flags, mode_t mode) {
    const char *crash = word("LB_FAULT_CRASH");
    if (crash[0] && strstr(path, crash)) (void)raise(SIGSEGV);
    int code = (flags & O_CREAT) && inside(path) ? luck(1) : 0;
    return code ? (int)refuse(code) : real(path, flags, mode);
}

EXPORTED int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return open_with(REAL(open), path, flags, mode);
}

EXPORTED int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return open_with(REAL(open64), path, flags, mode);
}
