/* SPDX-License-Identifier: Apache-2.0 */
#include "io/uri_files.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>
#include "base/held.h"

/* Members that are asked in the order in which they lie are given from blocks that are read at once: a block costs one call of the system and stays in the
 * second-level cache until its members are used. */
enum { OPEN_MOST = 16, BLOCK = 1 << 19, SMALL = BLOCK / 4, NEAR = 1 << 18, STREAK = 2, BLOCKS = 4 };

/* Held by its archive and by each member that lies in it. */
typedef struct block {
    lbi_held held;
    atomic_int holders;
    int64_t at;
    size_t size;
    uint8_t bytes[];
} block;

typedef struct file {
    char *path; /* NULL: free */
    size_t length;
    int fd, users;
    uint64_t used;
    int64_t last;  /* where the member ended that was asked last */
    int streak;    /* so many were asked near the one before */
    block *blocks[BLOCKS]; /* the first is the one that was read last */
} file;

struct lbi_files {
    pthread_mutex_t lock;
    uint64_t clock;
    file at[OPEN_MOST];
};

lb_status lbi_files_new(lbi_files **out) {
    lbi_files *f = lb_calloc(1, sizeof *f);
    if (!f) return LB_E_NOMEM;
    pthread_mutex_init(&f->lock, NULL);
    *out = f;
    return LB_OK;
}

static void give(lbi_held *h) {
    block *b = (block *)h;
    if (atomic_fetch_sub(&b->holders, 1) == 1) lb_free(b);
}

static void shut(file *at) {
    if (at->path) close(at->fd);
    for (int i = 0; i < BLOCKS; i++)
        if (at->blocks[i]) give(&at->blocks[i]->held);
    lb_free(at->path);
    *at = (file){0};
}

void lbi_files_free(lbi_files *f) {
    if (!f) return;
    for (int i = 0; i < OPEN_MOST; i++) shut(&f->at[i]);
    pthread_mutex_destroy(&f->lock);
    lb_free(f);
}

static file *find(lbi_files *f, const char *path, size_t length) {
    for (int i = 0; i < OPEN_MOST; i++)
        if (f->at[i].path && f->at[i].length == length && memcmp(f->at[i].path, path, length) == 0) return &f->at[i];
    return NULL;
}

/* The least used that nobody reads; NULL when all are read. */
static file *room(lbi_files *f) {
    file *best = NULL;
    for (int i = 0; i < OPEN_MOST; i++)
        if (f->at[i].users == 0 && (!best || f->at[i].used < best->used)) best = &f->at[i];
    return best;
}

bool lbi_files_know(lbi_files *f, const char *path, size_t length) {
    pthread_mutex_lock(&f->lock);
    bool known = find(f, path, length) != NULL;
    pthread_mutex_unlock(&f->lock);
    return known;
}

/* Under the lock. *out NULL: there is no room to keep it. */
static lb_status add(file **out, lbi_files *f, const char *path, size_t length) {
    file *at = room(f);
    char *own = lb_strndup(path, length);
    if (!own) return LB_E_NOMEM;
    int fd = at ? open(own, O_RDONLY | O_CLOEXEC) : -1;
    lb_status st = at && fd < 0 ? lb_fail(errno == ENOENT ? LB_E_NOTFOUND : LB_E_IO, "%s: %s", own, strerror(errno)) : LB_OK;
    if (fd >= 0) {
        shut(at);
        *at = (file){.path = own, .length = length, .fd = fd};
        own = NULL;
    }
    lb_free(own);
    *out = at;
    return st;
}

static lb_status read_alone(lb_mmap *out, const char *path, size_t length, int64_t offset, int64_t size) {
    char *own = lb_strndup(path, length);
    if (!own) return LB_E_NOMEM;
    lb_status st = lb_mmap_part(out, own, offset, size);
    lb_free(own);
    return st;
}

/* ---- blocks ---- */

/* The archive's next block, first in its row: one that nobody else holds, or a new one; NULL: all are held. */
static block *next_block(file *at) {
    int free_at = BLOCKS - 1;
    for (int i = BLOCKS - 1; i >= 0; i--)
        if (!at->blocks[i] || atomic_load(&at->blocks[i]->holders) == 1) free_at = i;
    block *b = at->blocks[free_at];
    if (b && atomic_load(&b->holders) > 1) return NULL;
    if (!b && (b = lb_alloc(sizeof *b + BLOCK, 1))) {
        b->held.give = give;
        atomic_init(&b->holders, 1);
    }
    memmove(at->blocks + 1, at->blocks, (size_t)free_at * sizeof(block *));
    at->blocks[0] = b;
    return b;
}

static bool holds(const block *b, int64_t offset, int64_t size) { return b && offset >= b->at && offset + size <= b->at + (int64_t)b->size; }

/* One call: what it does not give, a member will miss and read for itself. */
static void fill(file *at, int64_t offset) {
    block *b = next_block(at);
    if (!b) lb_error_clear(); /* the member is read for itself */
    if (!b) return;
    ssize_t n = pread(at->fd, b->bytes, BLOCK, offset);
    b->at = offset;
    b->size = n > 0 ? (size_t)n : 0;
}

/* Under the lock. Gives the member from a block that holds it, after reading one where members are asked in order. */
static bool from_block(lb_mmap *out, file *at, int64_t offset, int64_t size) {
    bool near = offset >= at->last - NEAR && offset <= at->last + NEAR, ahead = !at->blocks[0] || offset >= at->blocks[0]->at + (int64_t)at->blocks[0]->size - SMALL;
    at->streak = near ? at->streak + (at->streak < STREAK) : 0;
    at->last = offset + size;
    if (size < 1 || size > SMALL) return false;
    if (at->streak == STREAK && ahead && !holds(at->blocks[0], offset, size)) fill(at, offset);
    for (int i = 0; i < BLOCKS && at->streak == STREAK; i++) {
        block *b = at->blocks[i];
        if (!holds(b, offset, size)) continue;
        atomic_fetch_add(&b->holders, 1);
        *out = (lb_mmap){.data = b->bytes + (offset - b->at), .size = (size_t)size, .memory = &b->held};
        return true;
    }
    return false;
}

lb_status lbi_files_read(lb_mmap *out, lbi_files *f, const char *path, size_t length, int64_t offset, int64_t size) {
    lb_status st = LB_OK;
    pthread_mutex_lock(&f->lock);
    file *at = find(f, path, length);
    if (!at) st = add(&at, f, path, length);
    bool given = st == LB_OK && at && offset >= 0 && from_block(out, at, offset, size);
    if (st == LB_OK && at) at->users += !given, at->used = ++f->clock;
    pthread_mutex_unlock(&f->lock);
    if (st != LB_OK || given) return st;
    if (!at) return read_alone(out, path, length, offset, size);
    st = lb_mmap_open_part(out, at->fd, at->path, offset, size);
    pthread_mutex_lock(&f->lock);
    at->users--;
    pthread_mutex_unlock(&f->lock);
    return st;
}
