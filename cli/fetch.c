/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/fetch.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/hash.h"

enum { PACKAGES = 8 };

static lb_status check_hash(const char *path, const char *want) {
    char have[65];
    lb_status st = lb_sha256_file(path, have);
    if (st == LB_OK && strcmp(have, want) != 0) st = lb_fail(LB_E_FORMAT, "%s: SHA-256 is %s, expected %s", path, have, want);
    return st;
}

static lb_status check_files(const cli_pretrained *m, const char *folder) {
    lb_status st = LB_OK;
    for (const cli_fetch_file *f = m->files; f->from && st == LB_OK; f++) {
        if (!f->sha256) continue;
        char *path = lb_path_join(folder, f->to);
        st = path ? check_hash(path, f->sha256) : LB_E_NOMEM;
        lb_free(path);
    }
    return st;
}

static lb_status write_beside(const cli_pretrained *m, const char *folder) {
    lb_status st = LB_OK;
    char name[CLI_NAME];
    lb_value *v = lb_value_map();
    char *config = lb_path_join(folder, "config.json"), *source = lb_path_join(folder, "source.json");
    if (!config || !source) {
        st = LB_E_NOMEM;
        goto done;
    }
    if (m->config) LB_TRY(lb_file_write(config, m->config, strlen(m->config)));
    lb_map_text(v, "name", cli_pretrained_name(name, m));
    lb_map_put(v, "packages", cli_packages_value(m));
    lb_map_text(v, "licence", m->licence);
    LB_TRY(cli_json_file(source, v));
done:
    lb_value_free(v);
    lb_free(config);
    lb_free(source);
    return st;
}

/* ---- the whole ---- */

static char *folder_of(const cli_pretrained *m, const char *ending) {
    char name[CLI_NAME], *home = lb_home(), *path = home ? lb_format_dup("%s/%s%s", home, cli_pretrained_name(name, m), ending) : NULL;
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
    for (int i = 0; i < cli_pretrained_models.count && st == LB_OK; i++) {
        const cli_pretrained *m = cli_pretrained_at(i);
        char name[CLI_NAME], *home = folder_of(m, "");
        bool mine = home && strcmp(folder, home) == 0;
        for (const cli_fetch_file *f = m->files; mine && f->from && st == LB_OK; f++)
            if (f->sha256 && strcmp(lb_path_name(file), f->to) == 0 && strcmp(f->sha256, sha256) != 0)
                st = lb_fail(LB_E_FORMAT, "%s: SHA-256 is %s, expected %s: remove %s and run: limbeck fetch %s", file, sha256, f->sha256, folder, cli_pretrained_name(name, m));
        lb_free(home);
    }
    return st;
}

/* Each package's file, in a folder of its own below `part`. */
static lb_status download_all(const cli_pretrained *m, char *archives[PACKAGES + 1], const char *part, const lb_cli *cli) {
    lb_status st = LB_OK;
    for (int i = 0; m->packages[i].name && i < PACKAGES && st == LB_OK; i++) {
        char *folder = lb_format_dup("%s/package-%d", part, i);
        st = folder ? cli_download(&archives[i], &m->packages[i], folder, cli) : LB_E_NOMEM;
        lb_free(folder);
    }
    return st;
}

/* What failed stays this thread's message. */
static lb_status remove_part(const char *part, lb_status st) {
    lb_buf kept = {0};
    lb_buf_text(&kept, lb_error_text());
    lb_status removed = lb_remove_all(part);
    if (st != LB_OK) st = lb_fail(st, "%s", lb_buf_str(&kept));
    lb_buf_free(&kept);
    return st != LB_OK ? st : removed;
}

lb_status cli_fetch(const cli_pretrained *m, const lb_cli *cli) {
    lb_status st = LB_OK;
    char *archives[PACKAGES + 1] = {NULL}, ending[48], name[CLI_NAME];
    snprintf(ending, sizeof ending, ".part-%ld", (long)getpid());
    char *folder = folder_of(m, ""), *part = folder_of(m, ending), *files = part ? lb_path_join(part, "files") : NULL, *scratch = part ? lb_path_join(part, "inside") : NULL;
    if (!folder || !files || !scratch) {
        st = LB_E_NOMEM;
        goto done;
    }
    LB_TRY(lb_make_folders(files));
    LB_TRY(lb_make_folders(scratch));
    LB_TRY(download_all(m, archives, part, cli));
    LB_TRY(cli_unpack(m, archives, files, scratch));
    LB_TRY(check_files(m, files));
    LB_TRY(write_beside(m, files));
    LB_TRY(lb_sync_folder(files));
    LB_TRY(lb_remove_all(folder));
    if (rename(files, folder) != 0) st = lb_fail(LB_E_IO, "%s: %s", folder, strerror(errno));
done:
    if (st != LB_OK && st != LB_E_NOMEM) st = lb_where(st, "fetch %s", cli_pretrained_name(name, m));
    if (part) st = remove_part(part, st);
    for (int i = 0; archives[i]; i++) lb_free(archives[i]);
    lb_free(scratch);
    lb_free(files);
    lb_free(part);
    lb_free(folder);
    return st;
}
