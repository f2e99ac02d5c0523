/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/uploads.h"
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "io/cache.h"
#include "lb_version.h"

enum { MAX_TAPS = 8 };

struct cli_uploads {
    lb_uploads calls;
    char *folder, recipe[65];
    lb_cache_writer *writer;
    int ntaps;
    int64_t count, done, at; /* rows of the file that is written: all, those an earlier process left, those that were handed over */
    int64_t round;           /* of the file that is read; -1 = none */
    lb_cache *cache;
};

static char *file_of(const cli_uploads *u, int64_t round) { return lb_format_dup("%s/round-%05lld.h5", u->folder, (long long)round); }

/* Of this run and round? */
static lb_status check_file(const cli_uploads *u, int64_t round, const char *path) {
    const lb_fingerprint *have = lb_cache_fingerprint(u->cache);
    lb_fingerprint want = *have;
    snprintf(want.weights, sizeof want.weights, "run %s", u->recipe);
    snprintf(want.list, sizeof want.list, "round %lld", (long long)round);
    return lb_fingerprint_match(have, &want, false, path);
}

static lb_status open_round(cli_uploads *u, int64_t round, bool *there) {
    lb_status st = LB_OK;
    char *path = NULL;
    *there = u->cache && u->round == round;
    if (*there) return LB_OK;
    lb_cache_close(u->cache);
    u->cache = NULL;
    if (!(path = file_of(u, round))) return LB_E_NOMEM;
    if (!lb_file_exists(path)) goto done;
    LB_TRY(lb_cache_open(&u->cache, path));
    LB_TRY(check_file(u, round, path));
    u->round = round;
    *there = true;
done:
    lb_free(path);
    return st;
}

static lb_status find(void *ctx, int64_t round, bool *there) { return open_round(ctx, round, there); }

static lb_status begin(void *ctx, int64_t round, int64_t n, const char *const *keys, int ntaps, const char *const *taps, lb_tensor *const *x) {
    cli_uploads *u = ctx;
    lb_status st = LB_OK;
    lb_tap_spec specs[MAX_TAPS];
    lb_fingerprint f = {.preprocessing = "", .tokenizer = ""};
    char *path = file_of(u, round);
    if (!path) return LB_E_NOMEM;
    if (ntaps > MAX_TAPS) LB_TRY(lb_fail(LB_E_LIMIT, "at most %d taps are kept", MAX_TAPS));
    snprintf(f.weights, sizeof f.weights, "run %s", u->recipe);
    snprintf(f.list, sizeof f.list, "round %lld", (long long)round);
    snprintf(f.program, sizeof f.program, "limbeck %s", LB_VERSION);
    for (int i = 0; i < ntaps; i++) {
        specs[i] = (lb_tap_spec){.name = taps[i], .rank = x[i]->rank - 1, .dtype = LB_F32};
        memcpy(specs[i].shape, x[i]->shape + 1, (size_t)(x[i]->rank - 1) * sizeof *specs[i].shape);
        snprintf(f.taps + strlen(f.taps), sizeof f.taps - strlen(f.taps), "%s%s", i ? "," : "", taps[i]);
    }
    LB_TRY(lb_make_folders(u->folder));
    LB_TRY(lb_cache_begin(&u->writer, &u->done, path, &f, n, keys, ntaps, specs));
    u->ntaps = ntaps;
    u->count = n;
    u->at = 0;
done:
    lb_free(path);
    return st;
}

static lb_status add(void *ctx, lb_tensor *const *x) {
    cli_uploads *u = ctx;
    lb_status st = LB_OK;
    for (int64_t i = 0; i < x[0]->shape[0] && st == LB_OK; i++, u->at++) {
        const float *rows[MAX_TAPS];
        int64_t whole[MAX_TAPS] = {0};
        for (int k = 0; k < u->ntaps; k++) rows[k] = (const float *)x[k]->data + i * (lb_numel(x[k]) / x[k]->shape[0]);
        if (u->at >= u->done) st = lb_cache_row(u->writer, rows, whole);
    }
    return st;
}

static lb_status end(void *ctx) { return lb_cache_commit(&((cli_uploads *)ctx)->writer); }

static lb_status read(void *ctx, int64_t round, const char *tap, int64_t n, const char *const *keys, lb_tensor **out) {
    cli_uploads *u = ctx;
    lb_status st = LB_OK;
    bool there = false;
    int64_t shape[LB_MAX_RANK] = {n}, *rows = NULL;
    lb_tensor *x = NULL;
    LB_TRY(open_round(u, round, &there));
    int at = there ? lb_cache_tap_find(u->cache, tap) : -1;
    if (at < 0) LB_TRY(lb_fail(LB_E_NOTFOUND, "%s: nothing of '%s' was sent in round %lld", u->folder, tap, (long long)round));
    const lb_cache_tap *of = lb_cache_tap_at(u->cache, at);
    memcpy(shape + 1, of->shape, (size_t)of->rank * sizeof *shape);
    LB_TRY(lb_tensor_new(&x, LB_F32, of->rank + 1, shape));
    if (!(rows = lb_alloc((size_t)n + 1, sizeof *rows))) LB_TRY(LB_E_NOMEM);
    for (int64_t i = 0; i < n; i++)
        if ((rows[i] = lb_cache_find(u->cache, keys[i])) < 0) LB_TRY(lb_fail(LB_E_NOTFOUND, "%s: nothing of item %s was sent in round %lld", u->folder, keys[i], (long long)round));
    LB_TRY(lb_cache_read(u->cache, at, n, rows, x->data));
    *out = x;
    x = NULL;
done:
    lb_tensor_free(x);
    lb_free(rows);
    return st;
}

static lb_status drop(void *ctx, int64_t round) {
    const cli_uploads *u = ctx;
    char **names = NULL;
    int64_t count = 0, of;
    lb_status st = lb_is_folder(u->folder) ? lb_list_folder(&names, &count, u->folder) : LB_OK;
    for (int64_t i = 0; i < count; i++) {
        long long number;
        of = sscanf(names[i], "round-%lld.h5", &number) == 1 ? number : round;
        char *path = st == LB_OK && of < round ? lb_path_join(u->folder, names[i]) : NULL;
        if (path) st = lb_remove_all(path);
        lb_free(path);
        lb_free(names[i]);
    }
    lb_free(names);
    return st;
}

lb_status cli_uploads_open(cli_uploads **out, const char *folder, const lb_value *recipe) {
    cli_uploads *u = lb_calloc(1, sizeof *u);
    if (!u) return LB_E_NOMEM;
    u->calls = (lb_uploads){.ctx = u, .find = find, .begin = begin, .add = add, .end = end, .read = read, .drop = drop};
    u->round = -1;
    lb_recipe_hash(recipe, u->recipe);
    if (!(u->folder = lb_path_join(folder, "uploads"))) {
        lb_free(u);
        return LB_E_NOMEM;
    }
    *out = u;
    return LB_OK;
}

void cli_uploads_close(cli_uploads *u) {
    if (!u) return;
    lb_cache_close(u->cache);
    if (u->writer) lb_cache_close_part(&u->writer);
    lb_free(u->folder);
    lb_free(u);
}

const lb_uploads *cli_uploads_of(const cli_uploads *u) { return &u->calls; }
