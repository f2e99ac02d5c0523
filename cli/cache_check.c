/* SPDX-License-Identifier: Apache-2.0 */
/* `limbeck cache verify|repair`. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "cli/cache_verbs.h"

typedef struct findings {
    const lb_cli *cli;
    lb_status st;
    char **files; /* damaged ones, each once */
    int64_t count, room;
} findings;

static void on_problem(void *ctx, const char *file, const char *text) {
    findings *f = ctx;
    if (f->st != LB_OK) return;
    if (f->cli->json) {
        lb_value *v = lb_value_map();
        lb_map_text(v, "file", file);
        lb_map_text(v, "problem", text);
        f->st = cli_json(v);
        lb_value_free(v);
    } else {
        f->st = cli_print("%s: %s", file, text);
    }
    if (f->st != LB_OK || (f->count && strcmp(f->files[f->count - 1], file) == 0)) return;
    if (f->count == f->room) {
        int64_t room = 2 * f->room + 8;
        char **files = lb_realloc(f->files, (size_t)room, sizeof *files);
        if (!files) {
            f->st = LB_E_NOMEM;
            return;
        }
        f->files = files;
        f->room = room;
    }
    if (!(f->files[f->count] = lb_strdup(file))) f->st = LB_E_NOMEM;
    else f->count++;
}

/* Numbers that are missing between the shards that are there. */
static lb_status find_missing(findings *f, const char *folder, int64_t *missing) {
    char **names = NULL, text[96];
    int64_t count = 0, have = 0;
    long long i, of, total = 0;
    lb_status st = lb_list_folder(&names, &count, folder);
    for (int64_t k = 0; st == LB_OK && k < count; k++)
        if (cli_shard_name(names[k], &i, &of)) have++, total = of;
    *missing = total > have ? total - have : 0;
    snprintf(text, sizeof text, "%lld of %lld shards are not there (not yet made, or lost)", (long long)*missing, total);
    if (st == LB_OK && *missing && !f->cli->json) st = cli_print("%s: %s", folder, text);
    lb_names_free(names, count);
    return st;
}

static lb_status move_aside(const findings *f) {
    lb_status st = LB_OK;
    for (int64_t i = 0; i < f->count && st == LB_OK; i++) {
        if (!lb_ends_with(f->files[i], ".h5")) continue;
        char *to = lb_format_dup("%s.damaged", f->files[i]);
        if (!to) return LB_E_NOMEM;
        if (rename(f->files[i], to) != 0) st = lb_fail(LB_E_IO, "%s: %s", f->files[i], strerror(errno));
        else if (!f->cli->json) st = cli_print("%s: moved aside; the same limbeck cache run takes over what is whole in it and makes the rest again", f->files[i]);
        lb_free(to);
    }
    return st;
}

lb_status cli_cache_check(lb_cli *cli, const char *path, bool repair) {
    findings f = {.cli = cli};
    int64_t problems = 0, missing = 0;
    lb_status st = LB_OK;
    LB_TRY(lb_cache_verify(path, on_problem, &f, &problems));
    LB_TRY(f.st);
    if (lb_is_folder(path)) LB_TRY(find_missing(&f, path, &missing));
    if (problems && repair) LB_TRY(move_aside(&f));
    else if (problems) st = lb_fail(LB_E_FORMAT, "%s: %lld problems", path, (long long)problems);
    else if (missing) st = lb_fail(LB_E_NOTFOUND, "%s: %lld shards are missing", path, (long long)missing);
    else if (!cli->json) st = cli_print("%s: no problem found", path);
done:
    lb_names_free(f.files, f.count);
    return st;
}
