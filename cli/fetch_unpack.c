/* SPDX-License-Identifier: Apache-2.0 */
/* Taking a model's files out of its packages. Only the paths that the model names are written, below a folder of their own. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "cli/fetch.h"

enum { CHUNK = 1 << 20 };

/* Paths inside the packages, and those of each file in order. */
typedef struct paths {
    char **at;
    int64_t count, capacity;
} paths;

static lb_status add_path(paths *p, const char *text, size_t n) {
    if (p->count == p->capacity) {
        int64_t more = p->capacity ? 2 * p->capacity : 32;
        char **at = lb_realloc(p->at, (size_t)more, sizeof *at);
        if (!at) return LB_E_NOMEM;
        p->at = at;
        p->capacity = more;
    }
    char *copy = lb_strndup(text, n);
    if (!copy) return LB_E_NOMEM;
    p->at[p->count++] = copy;
    return LB_OK;
}

static void free_paths(paths *p) {
    for (int64_t i = 0; i < p->count; i++) lb_free(p->at[i]);
    lb_free(p->at);
}

static bool has_path(const paths *p, const char *path) {
    for (int64_t i = 0; i < p->count; i++)
        if (strcmp(p->at[i], path) == 0) return true;
    return false;
}

/* ---- archives ---- */

static lb_status unpack_entry(struct archive *a, const char *path) {
    char *parent = lb_path_folder(path);
    lb_status st = parent ? lb_make_folders(parent) : LB_E_NOMEM;
    lb_free(parent);
    if (st != LB_OK) return st;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0) return lb_fail(LB_E_IO, "%s: %s", path, strerror(errno));
    if (archive_read_data_into_fd(a, fd) != ARCHIVE_OK) st = lb_fail(LB_E_IO, "%s: %s", path, archive_error_string(a));
    if (close(fd) != 0 && st == LB_OK) st = lb_fail(LB_E_IO, "%s: %s", path, strerror(errno));
    return st;
}

static lb_status unpack(const paths *wanted, const char *archive, const char *folder) {
    lb_status st = LB_OK;
    struct archive_entry *entry;
    struct archive *a = archive_read_new();
    if (!a) return LB_E_NOMEM;
    archive_read_support_format_zip(a);
    archive_read_support_format_tar(a);
    archive_read_support_filter_gzip(a);
    if (archive_read_open_filename(a, archive, 1 << 16) != ARCHIVE_OK) {
        st = lb_fail(LB_E_FORMAT, "%s: %s", archive, archive_error_string(a));
        goto done;
    }
    int code;
    while ((code = archive_read_next_header(a, &entry)) == ARCHIVE_OK) {
        const char *name = archive_entry_pathname(entry);
        if (!name || !has_path(wanted, name) || archive_entry_filetype(entry) != AE_IFREG) continue;
        char *path = lb_path_join(folder, name);
        st = path ? unpack_entry(a, path) : LB_E_NOMEM;
        lb_free(path);
        if (st != LB_OK) goto done;
    }
    if (code != ARCHIVE_EOF) st = lb_fail(LB_E_FORMAT, "%s: %s", archive, archive_error_string(a));
done:
    archive_read_free(a);
    return st;
}

static lb_status unpack_all(const paths *wanted, char *const *archives, const char *folder) {
    lb_status st = LB_OK;
    for (int i = 0; archives[i] && st == LB_OK; i++) st = unpack(wanted, archives[i], folder);
    return st;
}

/* ---- the pieces of a file ---- */

/* The paths of "a+b", or of "list.json#key" the list alone. */
static lb_status plain_pieces(paths *out, const char *from) {
    lb_status st = LB_OK;
    for (const char *p = from; *p && *p != '#' && st == LB_OK;) {
        size_t n = strcspn(p, "+#");
        st = add_path(out, p, n);
        p += n + (p[n] == '+');
    }
    return st;
}

static bool is_name(const lb_value *v) {
    return v && v->kind == LB_V_TEXT && v->text_size > 0 && strspn(v->text, "0123456789abcdefghijklmnopqrstuvwxyz-_") == v->text_size;
}

static const lb_value *value_at(const lb_value *map, const char *key) {
    for (int64_t i = 0; map && map->kind == LB_V_MAP && i < map->count; i++)
        if (strcmp(map->keys[i], key) == 0) return map->items[i];
    return NULL;
}

/* The chunks that an unpacked list names at `key`, in its order. */
static lb_status chunk_pieces(paths *out, const char *from, const char *key, const char *scratch) {
    lb_value *list = NULL;
    char *inside = lb_strndup(from, (size_t)(key - 1 - from)), *path = inside ? lb_path_join(scratch, inside) : NULL, *folder = inside ? lb_path_folder(inside) : NULL;
    lb_status st = path && folder ? lb_json_read(&list, path) : LB_E_NOMEM;
    if (st != LB_OK) goto done;
    const lb_value *chunks = value_at(value_at(list, key), "chunks");
    if (!chunks || chunks->kind != LB_V_LIST || chunks->count == 0) {
        st = lb_fail(LB_E_FORMAT, "%s: lists no chunks of %s", inside, key);
        goto done;
    }
    for (int64_t i = 0; i < chunks->count && st == LB_OK; i++) {
        const lb_value *hash = value_at(chunks->items[i], "hash");
        char *piece = is_name(hash) ? lb_path_join(folder, hash->text) : NULL;
        if (!is_name(hash)) st = lb_fail(LB_E_FORMAT, "%s: chunk %lld of %s has no name", inside, (long long)i, key);
        else st = piece ? add_path(out, piece, strlen(piece)) : LB_E_NOMEM;
        lb_free(piece);
    }
done:
    lb_value_free(list);
    lb_free(inside);
    lb_free(path);
    lb_free(folder);
    return st;
}

static lb_status pieces_of(paths *out, const cli_fetch_file *f, const char *scratch) {
    const char *key = strchr(f->from, '#');
    return key ? chunk_pieces(out, f->from, key + 1, scratch) : plain_pieces(out, f->from);
}

/* ---- joining ---- */

static lb_status append(int to, const char *target, const char *from, char *part) {
    lb_status st = LB_OK;
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0) return lb_fail(LB_E_IO, "%s: %s", from, strerror(errno));
    ssize_t n;
    while (st == LB_OK && (n = read(in, part, CHUNK)) != 0)
        for (ssize_t at = 0, wrote = 0; st == LB_OK && at < n; at += wrote)
            if ((wrote = write(to, part + at, (size_t)(n - at))) < 0) st = lb_fail(LB_E_IO, "%s: %s", target, strerror(errno));
    if (st == LB_OK && n < 0) st = lb_fail(LB_E_IO, "%s: %s", from, strerror(errno));
    (void)close(in);
    return st;
}

static lb_status join(const paths *pieces, const char *target, const char *scratch) {
    lb_status st = LB_OK;
    char *parent = lb_path_folder(target), *part = lb_alloc(CHUNK, 1), *from = NULL;
    int to = -1;
    if (!parent || !part) {
        st = LB_E_NOMEM;
        goto done;
    }
    LB_TRY(lb_make_folders(parent));
    to = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (to < 0) st = lb_fail(LB_E_IO, "%s: %s", target, strerror(errno));
    for (int64_t i = 0; i < pieces->count && st == LB_OK; i++) {
        lb_free(from);
        from = lb_path_join(scratch, pieces->at[i]);
        if (!from) st = LB_E_NOMEM;
        else if (!lb_file_exists(from)) st = lb_fail(LB_E_FORMAT, "the package lacks %s", pieces->at[i]);
        else st = append(to, target, from, part);
    }
    if (st == LB_OK && fsync(to) != 0) st = lb_fail(LB_E_IO, "%s: %s", target, strerror(errno));
done:
    if (to >= 0 && close(to) != 0 && st == LB_OK) st = lb_fail(LB_E_IO, "%s: %s", target, strerror(errno));
    lb_free(parent);
    lb_free(part);
    lb_free(from);
    return st;
}

lb_status cli_unpack(const cli_pretrained *m, char *const *archives, const char *folder, const char *scratch) {
    paths wanted = {0}, chunks = {0};
    lb_status st = LB_OK;
    for (const cli_fetch_file *f = m->files; f->from; f++) LB_TRY(plain_pieces(&wanted, f->from));
    LB_TRY(unpack_all(&wanted, archives, scratch));
    for (const cli_fetch_file *f = m->files; f->from; f++)
        if (strchr(f->from, '#')) LB_TRY(pieces_of(&chunks, f, scratch));
    if (chunks.count > 0) LB_TRY(unpack_all(&chunks, archives, scratch));
    for (const cli_fetch_file *f = m->files; f->from && st == LB_OK; f++) {
        paths pieces = {0};
        char *target = lb_path_join(folder, f->to);
        st = target ? pieces_of(&pieces, f, scratch) : LB_E_NOMEM;
        if (st == LB_OK) st = join(&pieces, target, scratch);
        lb_free(target);
        free_paths(&pieces);
    }
done:
    free_paths(&wanted);
    free_paths(&chunks);
    return st;
}
