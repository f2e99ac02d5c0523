/* SPDX-License-Identifier: Apache-2.0 */
#include "io/uri_files.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

enum { OPEN_MOST = 16 };

typedef struct file {
    char *path; /* NULL: free */
    size_t length;
    int fd, users;
    uint64_t used;
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

static void shut(file *at) {
    if (at->path) close(at->fd);
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

lb_status lbi_files_read(lb_mmap *out, lbi_files *f, const char *path, size_t length, int64_t offset, int64_t size) {
    lb_status st = LB_OK;
    pthread_mutex_lock(&f->lock);
    file *at = find(f, path, length);
    if (!at) st = add(&at, f, path, length);
    if (st == LB_OK && at) at->users++, at->used = ++f->clock;
    pthread_mutex_unlock(&f->lock);
    if (st != LB_OK) return st;
    if (!at) return read_alone(out, path, length, offset, size);
    st = lb_mmap_open_part(out, at->fd, at->path, offset, size);
    pthread_mutex_lock(&f->lock);
    at->users--;
    pthread_mutex_unlock(&f->lock);
    return st;
}
