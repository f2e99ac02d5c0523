/* SPDX-License-Identifier: Apache-2.0 */
/* Which items are being worked on, in a small file that outlives a crash (shared memory over it; no sync, a power cut is no item's fault).
 * An end counts as a crash when the program itself failed (a signal such as SIGSEGV), or when the kernel killed processes for memory
 * meanwhile; kill -9 alone says nothing about items. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/file.h"
#include "cli/encode_private.h"

#define MAGIC "LBKFLY1"
enum { SLOTS = 256, SUSPECTS = 1024 };

typedef struct suspect {
    int64_t item;
    int64_t crashes;
} suspect;

/* The file. */
typedef struct board {
    char magic[8];
    int64_t ooms; /* processes that the kernel had killed when the run began */
    _Atomic int32_t fault;
    int32_t unused;
    int64_t batch_first, batch_end; /* in the network */
    _Atomic int64_t slots[SLOTS];   /* being prepared: item + 1 */
    suspect suspects[SUSPECTS];
} board;

struct encode_flight {
    board *b;
    char *path;
};

static board *watched; /* by the signal handler */
static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

static void on_fault(int number) {
    if (watched) watched->fault = 1;
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

static void watch(board *b) {
    watched = b;
    for (size_t i = 0; i < LB_COUNT(faults); i++) (void)signal(faults[i], b ? on_fault : SIG_DFL);
}

/* "<name> <number>" on a line of its own. */
static int64_t number_in(const char *file, const char *name) {
    char line[256];
    long long n = 0, found = 0;
    size_t size = strlen(name);
    FILE *f = fopen(file, "re");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, name, size) == 0 && line[size] == ' ' && sscanf(line + size, "%lld", &n) == 1) found = n;
    if (f) fclose(f);
    return found;
}

static int64_t count_ooms(void) { return number_in("/proc/vmstat", "oom_kill") + number_in("/sys/fs/cgroup/memory.events", "oom_kill"); }

/* ---- suspects ---- */

static suspect *find(board *b, int64_t item) {
    for (int i = 0; i < SUSPECTS; i++)
        if (b->suspects[i].crashes && b->suspects[i].item == item) return &b->suspects[i];
    return NULL;
}

static void accuse(board *b, int64_t item, int64_t n) {
    suspect *s = item >= 0 && item < n ? find(b, item) : NULL;
    for (int i = 0; i < SUSPECTS && !s && item >= 0 && item < n; i++)
        if (!b->suspects[i].crashes) s = &b->suspects[i], s->item = item;
    if (s) s->crashes++;
}

/* What the run before left: the items that were in flight when it crashed. Those in the network count only once each. */
static void judge(board *b, int64_t n) {
    bool crashed = b->fault || count_ooms() > b->ooms;
    for (int i = 0; i < SLOTS; i++) {
        if (crashed && b->slots[i]) accuse(b, b->slots[i] - 1, n);
        b->slots[i] = 0;
    }
    for (int64_t i = b->batch_first; crashed && i < b->batch_end && i < n; i++) accuse(b, i, n);
    b->batch_first = b->batch_end = 0;
    b->fault = 0;
    b->ooms = count_ooms();
}

/* ---- opening ---- */

static lb_status map(encode_flight *f, int64_t n) {
    board fresh = {.magic = MAGIC, .ooms = count_ooms()}, have = {0};
    int fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) return lb_fail(LB_E_IO, "%s: %s", f->path, strerror(errno));
    lb_status st = LB_OK;
    bool old = pread(fd, &have, sizeof have, 0) == (ssize_t)sizeof have && memcmp(have.magic, MAGIC, sizeof have.magic) == 0;
    /* written before it is mapped: on a full disk a store into a hole of a file is a fault */
    for (size_t at = 0; !old && at < sizeof fresh && st == LB_OK;) { /* a part of it where the last page is taken: the next call says why */
        ssize_t wrote = pwrite(fd, (const char *)&fresh + at, sizeof fresh - at, (off_t)at);
        if (wrote <= 0) st = lb_fail(LB_E_IO, "%s: cannot write: %s (finished rows are kept; the same command goes on from there)", f->path, wrote < 0 ? strerror(errno) : "no progress");
        else at += (size_t)wrote;
    }
    void *at = st == LB_OK ? mmap(NULL, sizeof *f->b, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (st == LB_OK && at == MAP_FAILED) st = lb_fail(LB_E_IO, "%s: %s", f->path, strerror(errno));
    close(fd);
    if (st != LB_OK) return st;
    f->b = at;
    judge(f->b, n);
    watch(f->b);
    return LB_OK;
}

lb_status encode_flight_open(encode_flight **out, const char *file, int64_t n) {
    encode_flight *f = lb_calloc(1, sizeof *f);
    if (!f) return LB_E_NOMEM;
    lb_status st = (f->path = lb_format_dup("%s.flight", file)) ? map(f, n) : LB_E_NOMEM;
    if (st == LB_OK) *out = f;
    else encode_flight_close(f, false);
    return st;
}

void encode_flight_close(encode_flight *f, bool finished) {
    if (!f) return;
    bool suspects = false;
    if (f->b) {
        watch(NULL);
        for (int i = 0; i < SUSPECTS; i++) suspects |= f->b->suspects[i].crashes > 0;
        munmap(f->b, sizeof *f->b);
    }
    if (f->path && (finished || !suspects)) unlink(f->path);
    lb_free(f->path);
    lb_free(f);
}

void encode_flight_remove(const char *file) {
    char *path = lb_format_dup("%s.flight", file);
    if (path) unlink(path);
    lb_free(path);
}

/* ---- during the run ---- */

int encode_flight_begin(encode_flight *f, int64_t item) {
    for (int i = 0; f && i < SLOTS; i++) {
        int64_t none = 0;
        if (atomic_compare_exchange_strong(&f->b->slots[i], &none, item + 1)) return i;
    }
    return -1;
}

void encode_flight_end(encode_flight *f, int slot) {
    if (f && slot >= 0) f->b->slots[slot] = 0;
}

void encode_flight_batch(encode_flight *f, int64_t first, int64_t end) {
    if (!f) return;
    f->b->batch_first = first;
    f->b->batch_end = end;
}

int64_t encode_flight_crashes(const encode_flight *f, int64_t item) {
    const suspect *s = f ? find(f->b, item) : NULL;
    return s ? s->crashes : 0;
}

int64_t encode_flight_suspect(const encode_flight *f, int i) { return f && i < SUSPECTS ? (f->b->suspects[i].crashes ? f->b->suspects[i].item : -1) : -2; }
