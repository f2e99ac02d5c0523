/* SPDX-License-Identifier: Apache-2.0 */
/* Claims on shards: "<shard>.claim-NNNN" holds host, process and machine, and is touched while its holder lives. The highest number counts. To take a
 * stale claim over is to make the next number, which only one process can do; so nobody can remove the claim of somebody alive. Times are
 * those of the disk's own clock. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/file.h"
#include "cli/cache_verbs.h"

struct cli_claim {
    char *shard, *path;
    int64_t number;
    double stale;
    const volatile int *asked; /* the command's stop */
    volatile int stop;
    bool lost, started;
    volatile int ends;
    pthread_t thread;
};

static char *claim_path(const char *shard, int64_t number) { return lb_format_dup("%s.claim-%04lld", shard, (long long)number); }

/* The highest claim on a shard; 0 = none. */
static lb_status highest(int64_t *number, const char *shard) {
    char **names = NULL, *folder = lb_path_folder(shard);
    const char *name = lb_path_name(shard);
    int64_t count = 0;
    size_t size = strlen(name);
    *number = 0;
    lb_status st = folder ? lb_list_folder(&names, &count, folder) : LB_E_NOMEM;
    for (int64_t i = 0; i < count; i++) {
        long long n;
        char end;
        if (strncmp(names[i], name, size) == 0 && sscanf(names[i] + size, ".claim-%lld%c", &n, &end) == 1 && n > *number) *number = n;
    }
    lb_names_free(names, count);
    lb_free(folder);
    return st;
}

static double seconds(struct timespec t) { return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec; }

/* What the disk's clock says now: the time of a file that is made there. */
static double disk_now(const char *shard) {
    struct stat info;
    double now = -1;
    char *path = lb_format_dup("%s.clock-%ld", shard, (long)getpid());
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : -1;
    if (fd >= 0 && futimens(fd, NULL) == 0 && fstat(fd, &info) == 0) now = seconds(info.st_mtim);
    if (fd >= 0) close(fd);
    if (path) unlink(path);
    lb_free(path);
    return now;
}

/* Where process numbers mean the same: this start of the system, and the container's own numbers. Machines and containers may share a name. */
static bool this_machine(char out[160]) {
    lb_buf boot = {0};
    char numbers[64] = "";
    bool known = lb_file_read(&boot, "/proc/sys/kernel/random/boot_id", 64) == LB_OK && readlink("/proc/self/ns/pid", numbers, sizeof numbers - 1) > 0;
    if (known) snprintf(out, 160, "%.*s/%s", (int)strcspn(lb_buf_str(&boot), "\n"), lb_buf_str(&boot), numbers);
    else snprintf(out, 160, "unknown");
    lb_error_clear();
    lb_buf_free(&boot);
    return known;
}

static bool dead_here(const char *path) {
    lb_buf text = {0};
    char machine[160] = "", mine[160];
    long process = 0;
    bool dead = false;
    if (this_machine(mine) && lb_file_read(&text, path, 1024) == LB_OK && sscanf(lb_buf_str(&text), "%*s %ld %159s", &process, machine) == 2)
        dead = strcmp(machine, mine) == 0 && process > 0 && kill((pid_t)process, 0) != 0 && errno == ESRCH;
    lb_error_clear();
    lb_buf_free(&text);
    return dead;
}

static bool is_stale(const char *shard, int64_t number, double stale) {
    struct stat info;
    char *path = claim_path(shard, number);
    bool gone = !path || stat(path, &info) != 0; /* given back meanwhile */
    bool old = !gone && (dead_here(path) || disk_now(shard) - seconds(info.st_mtim) > stale);
    lb_free(path);
    return old;
}

/* ---- while it is held ---- */

static void *beat(void *ctx) {
    cli_claim *c = ctx;
    double since = 0, every = c->stale / 8;
    while (!c->ends) {
        nanosleep(&(struct timespec){.tv_nsec = 50 * 1000 * 1000}, NULL);
        since += 0.05;
        if (c->asked && *c->asked) c->stop = 1;
        if (since < every) continue;
        since = 0;
        int64_t number = 0;
        if (utimensat(AT_FDCWD, c->path, NULL, 0) != 0 && errno == ENOENT) c->lost = true;
        if (highest(&number, c->shard) == LB_OK && number > c->number) c->lost = true;
        if (c->lost) c->stop = 1;
    }
    return NULL;
}

const volatile int *cli_claim_stop(const cli_claim *c) { return &c->stop; }

bool cli_claim_lost(const cli_claim *c) { return c->lost; }

static void remove_older(const cli_claim *c) {
    for (int64_t n = c->number - 1; n > 0; n--) {
        char *path = claim_path(c->shard, n);
        bool there = path && unlink(path) == 0;
        lb_free(path);
        if (!there) break;
    }
}

void cli_claim_give(cli_claim *c) {
    if (!c) return;
    c->ends = 1;
    if (c->started) pthread_join(c->thread, NULL);
    if (c->path && c->number && !c->lost) unlink(c->path);
    lb_free(c->shard);
    lb_free(c->path);
    lb_free(c);
}

void cli_claim_tidy(const char *path, double stale) {
    int64_t number = 0;
    if (highest(&number, path) == LB_OK && number > 0 && is_stale(path, number, stale))
        for (; number > 0; number--) {
            char *claim = claim_path(path, number);
            if (claim) (void)unlink(claim);
            lb_free(claim);
        }
    lb_error_clear();
}

/* ---- taking it ---- */

/* *made = false: somebody else was first. */
static lb_status make(cli_claim *c, int64_t number, bool *made) {
    char host[256] = "unknown", machine[160], text[512];
    *made = false;
    if (!(c->path = claim_path(c->shard, number))) return LB_E_NOMEM;
    int fd = open(c->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno == EEXIST) return LB_OK;
    if (fd < 0) return lb_fail(LB_E_IO, "%s: %s", c->path, strerror(errno));
    (void)gethostname(host, sizeof host - 1);
    (void)this_machine(machine);
    int n = snprintf(text, sizeof text, "%s %ld %s\n", host[0] ? host : "unknown", (long)getpid(), machine);
    lb_status st = write(fd, text, (size_t)n) == n ? LB_OK : lb_fail(LB_E_IO, "%s: cannot write: %s", c->path, strerror(errno));
    close(fd);
    if (st != LB_OK) unlink(c->path);
    else c->number = number;
    *made = st == LB_OK;
    return st;
}

lb_status cli_claim_take(cli_claim **out, const char *path, double stale, const volatile int *stop) {
    lb_status st = LB_OK;
    int64_t number = 0;
    bool made = false;
    *out = NULL;
    cli_claim *c = lb_calloc(1, sizeof *c);
    if (!c) return LB_E_NOMEM;
    c->stale = stale;
    c->asked = stop;
    if (!(c->shard = lb_strdup(path))) {
        st = LB_E_NOMEM;
        goto done;
    }
    LB_TRY(highest(&number, path));
    if (number && !is_stale(path, number, stale)) goto done;
    LB_TRY(make(c, number + 1, &made));
    if (!made) goto done;
    if (number) lb_say(LB_LOG_INFO, "cache", "%s: the claim of a process that is gone is taken over", path);
    remove_older(c);
    c->started = pthread_create(&c->thread, NULL, beat, c) == 0;
    if (!c->started) st = lb_fail(LB_E_NOMEM, "no thread can be started");
done:
    if (st == LB_OK && made) *out = c;
    else cli_claim_give(c);
    return st;
}
