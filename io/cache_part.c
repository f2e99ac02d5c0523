/* SPDX-License-Identifier: Apache-2.0 */
/* The journal of an unfinished feature file, a plain file that is only appended to: whatever is lost, what stands before the first record
 * whose hash is wrong is whole. Layout (little-endian):
 *   "LBKPART2", u64 size, head (JSON), u64 XXH64(head)
 *   per record: u32 magic, u32 0, u64 number, u64 size, size bytes, u64 XXH64(bytes, seed XXH64(the 24 bytes before)) */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/file.h"
#include "base/hash.h"
#include "io/cache_private.h"

#define MAGIC "LBKPART2"
#define RECORD_MAGIC 0x324b4c52u /* "RLK2" */
enum { READ_AT_ONCE = 1 << 20 };

struct record_head {
    uint32_t magic, zero;
    uint64_t number, size;
};

struct cache_part {
    char *path;
    int fd;
    int64_t end;      /* where the next record is written */
    uint64_t records; /* before end */
    bool failed;
    lb_buf out;       /* a record on its way */
    /* reading */
    int64_t size, at, last; /* bytes in the file; where the next record is read; the one before it */
    uint64_t next;          /* its number */
    lb_buf window;    /* file bytes from window_at on */
    int64_t window_at;
    int64_t first;    /* of the first record */
};

bool cache_part_failed(const cache_part *p) { return p->failed; }
const char *cache_part_path(const cache_part *p) { return p->path; }

static lb_status broken(cache_part *p, const char *did) {
    int e = errno;
    p->failed = true;
    return lb_fail(LB_E_IO, "%s: cannot %s: %s (finished rows are kept; the same command goes on from there)", p->path, did, strerror(e));
}

/* Makes bytes [at, at+size) available in the window. *ok = false when the file ends before. */
static lb_status need(cache_part *p, int64_t at, int64_t size, const char **bytes, bool *ok) {
    *ok = at + size <= p->size;
    if (!*ok) return LB_OK;
    if (at < p->window_at || at + size > p->window_at + (int64_t)p->window.size) {
        int64_t want = size > READ_AT_ONCE ? size : READ_AT_ONCE;
        if (want > p->size - at) want = p->size - at;
        lb_buf_clear(&p->window);
        char piece[1 << 16];
        for (int64_t have = 0; have < want;) {
            size_t n = sizeof piece < (size_t)(want - have) ? sizeof piece : (size_t)(want - have);
            ssize_t got = pread(p->fd, piece, n, at + have);
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) return lb_fail(LB_E_IO, "%s: cannot read: %s", p->path, strerror(errno));
            if (got == 0) return lb_fail(LB_E_IO, "%s: became shorter while it was read", p->path);
            lb_buf_add(&p->window, piece, (size_t)got);
            have += got;
        }
        if (p->window.failed) return LB_E_NOMEM;
        p->window_at = at;
    }
    *bytes = p->window.data + (at - p->window_at);
    return LB_OK;
}

void cache_part_rewind(cache_part *p) {
    p->at = p->last = p->first;
    p->next = 0;
    lb_buf_clear(&p->window);
    p->window_at = 0;
}

lb_status cache_part_next(cache_part *p, cache_record *r, bool *end) {
    const char *bytes = NULL;
    struct record_head head;
    uint64_t sum;
    bool ok;
    *end = true;
    lb_status st = need(p, p->at, sizeof head, &bytes, &ok);
    if (st != LB_OK || !ok) return st;
    memcpy(&head, bytes, sizeof head);
    if (head.magic != RECORD_MAGIC || head.number != p->next || head.size > (uint64_t)p->size) return LB_OK;
    int64_t all = (int64_t)(sizeof head + head.size + sizeof sum);
    st = need(p, p->at, all, &bytes, &ok);
    if (st != LB_OK || !ok) return st;
    memcpy(&sum, bytes + sizeof head + head.size, sizeof sum);
    if (sum != lb_hash64(bytes + sizeof head, head.size, lb_hash64(&head, sizeof head, 0))) return LB_OK;
    *r = (cache_record){.size = (int64_t)head.size, .data = bytes + sizeof head};
    p->last = p->at;
    p->at += all;
    p->next++;
    *end = false;
    return LB_OK;
}

lb_status cache_part_cut(cache_part *p, bool before) {
    if (before) p->at = p->last, p->next--;
    if (p->at < p->size && ftruncate(p->fd, p->at) != 0) return broken(p, "cut");
    p->size = p->end = p->at;
    p->records = p->next;
    return LB_OK;
}

static lb_status put(cache_part *p, const char *data, size_t size) {
    while (size) {
        ssize_t n = pwrite(p->fd, data, size, p->end);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return broken(p, "write");
        p->end += n;
        data += n;
        size -= (size_t)n;
    }
    if (p->size < p->end) p->size = p->end;
    return LB_OK;
}

static lb_status write_out(cache_part *p) {
    if (p->failed) return lb_fail(LB_E_IO, "%s: writing has failed before", p->path);
    lb_status st = lb_buf_status(&p->out);
    if (st == LB_OK) st = put(p, p->out.data, p->out.size);
    lb_buf_clear(&p->out);
    return st;
}

lb_status cache_part_sync(cache_part *p) {
    if (p->failed) return lb_fail(LB_E_IO, "%s: writing has failed before", p->path);
    return fdatasync(p->fd) != 0 ? broken(p, "sync") : LB_OK;
}

lb_status cache_part_add(cache_part *p, const cache_record *r) {
    struct record_head head = {.magic = RECORD_MAGIC, .number = p->records, .size = (uint64_t)r->size};
    uint64_t sum = lb_hash64(r->data, (size_t)r->size, lb_hash64(&head, sizeof head, 0));
    lb_buf_add(&p->out, &head, sizeof head);
    lb_buf_add(&p->out, r->data, (size_t)r->size);
    lb_buf_add(&p->out, &sum, sizeof sum);
    lb_status st = write_out(p);
    if (st == LB_OK) p->records++;
    return st;
}

void cache_part_close(cache_part *p) {
    if (!p) return;
    if (p->fd >= 0) close(p->fd); /* gives the lock back */
    lb_buf_free(&p->out);
    lb_buf_free(&p->window);
    lb_free(p->path);
    lb_free(p);
}

/* Reads the head; *have NULL when there is none that is whole (a new file, or one torn at its very start). */
static lb_status read_head(cache_part *p, lb_value **have) {
    const char *bytes = NULL;
    uint64_t size, sum;
    bool ok;
    lb_status st = need(p, 0, 16, &bytes, &ok);
    if (st != LB_OK || !ok || memcmp(bytes, MAGIC, 8) != 0) return st;
    memcpy(&size, bytes + 8, sizeof size);
    if (size > (uint64_t)p->size) return LB_OK;
    st = need(p, 0, 16 + (int64_t)size + 8, &bytes, &ok);
    if (st != LB_OK || !ok) return st;
    memcpy(&sum, bytes + 16 + size, sizeof sum);
    if (sum != lb_hash64(bytes + 16, size, 0)) return LB_OK;
    p->first = p->at = 16 + (int64_t)size + 8;
    return lb_json_parse(have, bytes + 16, size, p->path);
}

static lb_status write_head(cache_part *p, const lb_value *head) {
    lb_buf json = {0};
    lb_status st = lb_json_write(&json, head, 0);
    if (st == LB_OK) {
        uint64_t size = json.size, sum = lb_hash64(json.data, json.size, 0);
        lb_buf_add(&p->out, MAGIC, 8);
        lb_buf_add(&p->out, &size, sizeof size);
        lb_buf_add(&p->out, json.data, json.size);
        lb_buf_add(&p->out, &sum, sizeof sum);
        p->first = p->at = (int64_t)p->out.size;
    }
    lb_buf_free(&json);
    if (st == LB_OK) st = write_out(p);
    if (st == LB_OK) st = cache_part_sync(p);
    if (st == LB_OK) {
        char *folder = lb_path_folder(p->path);
        st = folder ? lb_sync_folder(folder) : LB_E_NOMEM;
        lb_free(folder);
    }
    return st;
}

/* A file that is there but is no journal of ours is left alone. */
static lb_status foreign(cache_part *p) {
    const char *bytes = NULL;
    bool ok;
    int64_t n = p->size < 8 ? p->size : 8;
    lb_status st = need(p, 0, n, &bytes, &ok);
    static const char zeros[8];
    if (st == LB_OK && n && memcmp(bytes, MAGIC, (size_t)n) != 0 && memcmp(bytes, zeros, (size_t)n) != 0)
        st = lb_fail(LB_E_FORMAT, "%s: not an unfinished feature file of this program; move it away", p->path);
    return st;
}

bool lb_cache_in_use(const char *path) {
    char *part = lb_format_dup("%s.part", path);
    int fd = part ? open(part, O_RDWR | O_CLOEXEC) : -1;
    bool used = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (fd >= 0) close(fd);
    lb_free(part);
    return used;
}

/* Opens and locks; again when the process that held the lock has removed the file meanwhile, or may only have looked (lb_cache_in_use). */
static lb_status open_locked(cache_part *p) {
    for (int again = 0; again < 16; again++) {
        struct stat mine, named;
        p->fd = open(p->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (p->fd < 0) return lb_fail(LB_E_IO, "%s: %s", p->path, strerror(errno));
        bool held = flock(p->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
        if (!held && fstat(p->fd, &mine) == 0 && stat(p->path, &named) == 0 && mine.st_ino == named.st_ino) return LB_OK;
        close(p->fd);
        p->fd = -1;
        if (held) nanosleep(&(struct timespec){.tv_nsec = 5 * 1000 * 1000}, NULL);
    }
    return lb_fail(LB_E_IO, "%s: another process is writing it", p->path);
}

lb_status cache_part_open(cache_part **out, const char *path, const lb_value *head, lb_value **have) {
    lb_status st = LB_OK;
    *have = NULL;
    cache_part *p = lb_calloc(1, sizeof *p);
    if (!p) return LB_E_NOMEM;
    p->fd = -1;
    if (!(p->path = lb_strdup(path))) {
        st = LB_E_NOMEM;
        goto done;
    }
    LB_TRY(open_locked(p));
    p->size = lseek(p->fd, 0, SEEK_END);
    LB_TRY(foreign(p));
    LB_TRY(read_head(p, have));
    if (!*have) {
        if (ftruncate(p->fd, 0) != 0) {
            st = broken(p, "cut");
            goto done;
        }
        p->size = 0;
        LB_TRY(write_head(p, head));
    }
    cache_part_rewind(p);
done:
    if (st == LB_OK) *out = p;
    else cache_part_close(p);
    return st;
}
