/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/held.h"

static lb_status system_error(int code, const char *path) {
    return lb_fail(code == ENOENT ? LB_E_NOTFOUND : code == ENOMEM ? LB_E_NOMEM : LB_E_IO, "%s: %s", path,
                   strerror(code));
}

/* ---- whole files ---- */

static lb_status read_all(lb_buf *out, int fd, const char *path, size_t limit) {
    char part[16384];
    size_t total = 0;
    for (;;) {
        ssize_t n = read(fd, part, sizeof part);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return system_error(errno, path);
        if (n == 0) return lb_buf_status(out);
        total += (size_t)n;
        if (total > limit) return lb_fail(LB_E_LIMIT, "%s: larger than %zu bytes", path, limit);
        lb_buf_add(out, part, (size_t)n);
        if (out->failed) return lb_fail(LB_E_NOMEM, "%s: out of memory after %zu bytes", path, total);
    }
}

lb_status lb_file_read(lb_buf *out, const char *path, size_t limit) {
    if (limit == 0) limit = (size_t)1 << 30;
    if (strcmp(path, "-") == 0) return read_all(out, STDIN_FILENO, "standard input", limit);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return system_error(errno, path);
    lb_status st = read_all(out, fd, path, limit);
    close(fd);
    return st;
}

static lb_status write_all(int fd, const char *path, const void *data, size_t size) {
    const char *p = data;
    while (size > 0) {
        ssize_t n = write(fd, p, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return system_error(errno, path);
        p += n;
        size -= (size_t)n;
    }
    return LB_OK;
}

/* A new file beside the path, with the mode that the umask gives. */
static lb_status open_beside(int *fd, char **name, const char *path) {
    static atomic_uint number;
    for (int tries = 0; tries < 100; tries++) {
        *name = lb_format_dup("%s.%ld-%u.part", path, (long)getpid(), atomic_fetch_add(&number, 1));
        if (!*name) return LB_E_NOMEM;
        *fd = open(*name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (*fd >= 0) return LB_OK;
        int code = errno;
        lb_free(*name);
        *name = NULL;
        if (code != EEXIST) return system_error(code, path);
    }
    return lb_fail(LB_E_IO, "%s: too many unfinished files beside it", path);
}

/* A device or pipe must not be replaced by a file. */
static lb_status write_special(const char *path, const void *data, size_t size) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return system_error(errno, path);
    lb_status st = write_all(fd, path, data, size);
    if (close(fd) != 0 && st == LB_OK) st = system_error(errno, path);
    return st;
}

lb_status lb_file_write(const char *path, const void *data, size_t size) {
    lb_status st = LB_OK;
    struct stat info;
    char *name = NULL, *folder = NULL;
    int fd = -1;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) return write_special(path, data, size);
    folder = lb_path_folder(path);
    if (!folder) return LB_E_NOMEM;
    LB_TRY(open_beside(&fd, &name, path));
    LB_TRY(write_all(fd, path, data, size));
    if (fsync(fd) != 0) LB_TRY(system_error(errno, path));
    int closed = close(fd);
    fd = -1;
    if (closed != 0) LB_TRY(system_error(errno, path));
    if (rename(name, path) != 0) LB_TRY(system_error(errno, path));
    lb_free(name);
    name = NULL;
    LB_TRY(lb_sync_folder(folder));
done:
    if (fd >= 0) close(fd);
    if (name) unlink(name);
    lb_free(name);
    lb_free(folder);
    return st;
}

lb_status lb_lock_folder(int *lock, const char *folder) {
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return system_error(errno, folder);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        close(fd);
        return lb_fail(LB_E_IO, "%s: another process is at work in it", folder);
    }
    *lock = fd;
    return LB_OK;
}

void lb_unlock(int lock) {
    if (lock >= 0) close(lock);
}

/* "<name>.<process>-<number>.part" */
static bool is_beside(const char *name) {
    const char *dot = strrchr(name, '.');
    long process;
    unsigned number;
    char end;
    if (!dot || strcmp(dot, ".part") != 0) return false;
    while (dot > name && dot[-1] != '.') dot--;
    return dot > name && sscanf(dot, "%ld-%u.par%c", &process, &number, &end) == 3;
}

lb_status lb_remove_unfinished(const char *folder) {
    char **names = NULL;
    int64_t count = 0;
    lb_status st = lb_list_folder(&names, &count, folder);
    for (int64_t i = 0; i < count && st == LB_OK; i++) {
        if (!is_beside(names[i])) continue;
        char *path = lb_path_join(folder, names[i]);
        if (!path) st = LB_E_NOMEM;
        else if (unlink(path) != 0 && errno != ENOENT) st = system_error(errno, path);
        lb_free(path);
    }
    lb_names_free(names, count);
    return st;
}

bool lb_file_exists(const char *path) {
    return access(path, F_OK) == 0;
}

bool lb_is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

lb_status lb_file_size(int64_t *out, const char *path) {
    struct stat info;
    if (stat(path, &info) != 0) return system_error(errno, path);
    *out = info.st_size;
    return LB_OK;
}

lb_status lb_make_folders(const char *path) {
    lb_status st = LB_OK;
    char *copy = lb_strdup(path);
    if (!copy) return LB_E_NOMEM;
    for (char *p = copy; *p; p++) {
        if (p[1] != '/' && p[1] != 0) continue;
        if (*p == '/') continue;
        char kept = p[1];
        p[1] = 0;
        int code = mkdir(copy, 0777) == 0 ? 0 : errno;
        if (code != 0 && !lb_is_folder(copy)) LB_TRY(system_error(code, copy));
        p[1] = kept;
    }
done:
    lb_free(copy);
    return st;
}

lb_status lb_sync_folder(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return system_error(errno, path);
    /* Some file systems cannot sync a folder and say so. */
    int code = fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP ? 0 : errno;
    close(fd);
    return code == 0 ? LB_OK : system_error(code, path);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at) {
    (void)info, (void)kind, (void)at;
    return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}

lb_status lb_remove_all(const char *path) {
    struct stat info;
    if (lstat(path, &info) != 0) return errno == ENOENT ? LB_OK : system_error(errno, path);
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0) return system_error(errno, path);
    return LB_OK;
}

enum { READ_MOST = 1 << 20 }; /* faults of a map and its end, which stops other threads, cost more than a copy of less */

static lb_status ends_early(const char *path, int64_t end, int64_t offset, int64_t size) {
    return lb_fail(LB_E_FORMAT, "%s: ends at byte %lld, %lld bytes from %lld on are asked", path, (long long)end, (long long)size, (long long)offset);
}

static lb_status map_bytes(lb_mmap *out, int fd, const char *path, int64_t offset, int64_t size) {
    off_t extra = offset % sysconf(_SC_PAGESIZE); /* a map begins with a page */
    uint8_t *p = mmap(NULL, (size_t)(size + extra), PROT_READ, MAP_PRIVATE, fd, offset - extra);
    if (p == MAP_FAILED) return system_error(errno, path);
    *out = (lb_mmap){.data = p + extra, .size = (size_t)size};
    return LB_OK;
}

typedef struct part {
    lbi_held held;
    uint8_t bytes[]; /* no alignment: a part that is mapped has none either, and malloc finds the block of the last one at once */
} part;

static void give_part(lbi_held *h) { lb_free(h); }

static lb_status read_bytes(lb_mmap *out, int fd, const char *path, int64_t offset, int64_t size) {
    lb_status st = LB_OK;
    part *p = lb_alloc(sizeof *p + (size_t)size, 1);
    if (!p) return LB_E_NOMEM;
    p->held.give = give_part;
    for (int64_t done = 0; done < size;) {
        ssize_t n = pread(fd, p->bytes + done, (size_t)(size - done), offset + done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) LB_TRY(system_error(errno, path));
        if (n == 0) LB_TRY(ends_early(path, offset + done, offset, size));
        done += n;
    }
    *out = (lb_mmap){.data = p->bytes, .size = (size_t)size, .memory = p};
    p = NULL;
done:
    lb_free(p);
    return st;
}

/* size < 0: all from the offset on. small: what is small is read. */
static lb_status open_range(lb_mmap *out, int fd, const char *path, int64_t offset, int64_t size, bool small) {
    struct stat info;
    if (fstat(fd, &info) != 0) return system_error(errno, path);
    if (!S_ISREG(info.st_mode)) return lb_fail(LB_E_IO, "%s: not a regular file", path);
    if (size < 0) size = info.st_size - offset;
    if (offset > info.st_size || size > info.st_size - offset) return ends_early(path, info.st_size, offset, size);
    if (size == 0) *out = (lb_mmap){0};
    return size == 0 ? LB_OK : small && size <= READ_MOST ? read_bytes(out, fd, path, offset, size) : map_bytes(out, fd, path, offset, size);
}

static lb_status map_range(lb_mmap *out, const char *path, int64_t offset, int64_t size, bool small) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return system_error(errno, path);
    lb_status st = open_range(out, fd, path, offset, size, small);
    close(fd);
    return st;
}

lb_status lb_mmap_open(lb_mmap *out, const char *path) { return map_range(out, path, 0, -1, false); }

lb_status lb_mmap_part(lb_mmap *out, const char *path, int64_t offset, int64_t size) {
    if (offset < 0 || size < 0) return lb_fail(LB_E_ARG, "%s: %lld bytes from %lld on", path, (long long)size, (long long)offset);
    return map_range(out, path, offset, size, true);
}

lb_status lb_mmap_open_part(lb_mmap *out, int fd, const char *path, int64_t offset, int64_t size) {
    if (offset < 0 || size < 0) return lb_fail(LB_E_ARG, "%s: %lld bytes from %lld on", path, (long long)size, (long long)offset);
    if (size > 0 && size <= READ_MOST) return read_bytes(out, fd, path, offset, size);
    return open_range(out, fd, path, offset, size, true);
}

lb_status lb_mmap_own(lb_mmap *out, const char *path) {
    lb_status st = lb_mmap_open(out, path);
    if (st != LB_OK || !out->data || out->memory) return st;
    uintptr_t extra = (uintptr_t)out->data % (uintptr_t)sysconf(_SC_PAGESIZE);
    if (mprotect((void *)((uintptr_t)out->data - extra), out->size + extra, PROT_READ | PROT_WRITE) != 0) {
        st = system_error(errno, path);
        lb_mmap_close(out);
    }
    return st;
}

void lb_mmap_rest(const lb_mmap *m) {
    uintptr_t extra = (uintptr_t)m->data % (uintptr_t)sysconf(_SC_PAGESIZE);
    if (m->data && !m->memory) (void)madvise((void *)((uintptr_t)m->data - extra), m->size + extra, MADV_DONTNEED);
}

void lb_mmap_close(lb_mmap *m) {
    if (!m) return;
    lbi_held *held = m->memory;
    if (held) held->give(held);
    else if (m->data) {
        uintptr_t extra = (uintptr_t)m->data % (uintptr_t)sysconf(_SC_PAGESIZE);
        munmap((void *)((uintptr_t)m->data - extra), m->size + extra);
    }
    *m = (lb_mmap){0};
}

/* ---- lists ---- */

typedef struct name_list {
    char **at;
    int64_t count, capacity;
} name_list;

static lb_status add_name(name_list *list, char *take_name) {
    if (!take_name) return LB_E_NOMEM;
    if (list->count == list->capacity) {
        int64_t capacity = list->capacity ? 2 * list->capacity : 16;
        char **at = lb_realloc(list->at, (size_t)capacity, sizeof *at);
        if (!at) {
            lb_free(take_name);
            return LB_E_NOMEM;
        }
        list->at = at;
        list->capacity = capacity;
    }
    list->at[list->count++] = take_name;
    return LB_OK;
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The folders we are inside of: a link back to one of them is not followed. */
typedef struct inside {
    const struct inside *outer;
    dev_t device;
    ino_t inode;
} inside;

static bool is_inside(const inside *in, const struct stat *info) {
    for (; in; in = in->outer)
        if (in->device == info->st_dev && in->inode == info->st_ino) return true;
    return false;
}

static lb_status walk(name_list *list, const char *folder, const char *prefix, const inside *outer, bool deep);

static lb_status visit(name_list *list, const char *folder, const char *prefix, const char *entry, const inside *outer,
                       bool deep) {
    lb_status st = LB_OK;
    struct stat info;
    char *name = prefix[0] ? lb_format_dup("%s/%s", prefix, entry) : lb_strdup(entry), *path = NULL;
    if (!name) return LB_E_NOMEM;
    if (deep) {
        path = lb_path_join(folder, entry);
        if (!path) LB_TRY(LB_E_NOMEM);
        if (stat(path, &info) != 0) {
            /* A link to nothing, or a file that has just gone. */
            if (errno != ENOENT && errno != ELOOP) LB_TRY(system_error(errno, path));
            goto done;
        }
        if (S_ISDIR(info.st_mode)) {
            inside here = {outer, info.st_dev, info.st_ino};
            if (!is_inside(outer, &info)) LB_TRY(walk(list, path, name, &here, deep));
            goto done;
        }
        if (!S_ISREG(info.st_mode)) goto done;
    }
    st = add_name(list, name);
    name = NULL;
done:
    lb_free(path);
    lb_free(name);
    return st;
}

static lb_status walk(name_list *list, const char *folder, const char *prefix, const inside *outer, bool deep) {
    lb_status st = LB_OK;
    DIR *d = opendir(folder);
    if (!d) return system_error(errno, folder);
    for (;;) {
        errno = 0;
        const struct dirent *e = readdir(d);
        if (!e && errno) LB_TRY(system_error(errno, folder));
        if (!e) break;
        if (e->d_name[0] != '.') LB_TRY(visit(list, folder, prefix, e->d_name, outer, deep));
    }
done:
    closedir(d);
    return st;
}

static lb_status list_all(char ***out, int64_t *count, const char *folder, bool deep) {
    lb_status st = LB_OK;
    name_list list = {0};
    struct stat info;
    if (stat(folder, &info) != 0) return system_error(errno, folder);
    inside top = {NULL, info.st_dev, info.st_ino};
    LB_TRY(walk(&list, folder, "", &top, deep));
    if (list.count > 0) qsort(list.at, (size_t)list.count, sizeof *list.at, by_bytes);
    *out = list.at;
    *count = list.count;
    list = (name_list){0};
done:
    lb_names_free(list.at, list.count);
    return st;
}

lb_status lb_list_files(char ***names, int64_t *count, const char *folder) {
    return list_all(names, count, folder, true);
}

lb_status lb_list_folder(char ***names, int64_t *count, const char *folder) {
    return list_all(names, count, folder, false);
}

void lb_names_free(char **names, int64_t count) {
    if (!names) return;
    for (int64_t i = 0; i < count; i++) lb_free(names[i]);
    lb_free(names);
}

/* ---- paths ---- */

char *lb_path_join(const char *folder, const char *name) {
    size_t n = strlen(folder);
    if (name[0] == '/' || n == 0) return lb_strdup(name);
    return lb_format_dup(folder[n - 1] == '/' ? "%s%s" : "%s/%s", folder, name);
}

char *lb_path_folder(const char *path) {
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    while (n > 0 && path[n - 1] != '/') n--;
    while (n > 1 && path[n - 1] == '/') n--;
    return n == 0 ? lb_strdup(".") : lb_strndup(path, n);
}

const char *lb_path_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

const char *lb_path_ending(const char *path) {
    const char *name = lb_path_name(path), *dot = strrchr(name, '.');
    return dot ? dot + 1 : "";
}

bool lb_ends_with(const char *s, const char *ending) {
    size_t n = strlen(s), m = strlen(ending);
    if (m > n) return false;
    for (size_t i = 0; i < m; i++) {
        char a = s[n - m + i], b = ending[i];
        if (a >= 'A' && a <= 'Z') a = (char)(a + 32);
        if (b >= 'A' && b <= 'Z') b = (char)(b + 32);
        if (a != b) return false;
    }
    return true;
}

char *lb_home(void) {
    const char *home = getenv("LIMBECK_HOME"), *user = getenv("HOME");
    if (home && home[0]) return lb_strdup(home);
    return lb_path_join(user && user[0] ? user : ".", ".cache/limbeck");
}
