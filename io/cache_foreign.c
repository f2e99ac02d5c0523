/* SPDX-License-Identifier: Apache-2.0 */
/* Feature files of other programs, and of version 1: /keys and /features, and what else of the layout is there, through HDF5. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/file.h"
#include "io/cache_private.h"

static lb_status read_root(shard *s) {
    lb_h5_attr *a = NULL;
    int n = 0;
    lb_status st = lb_h5_attrs(s->file, "/", &a, &n);
    for (int i = 0; st == LB_OK && i < n; i++) {
        if (strcmp(a[i].name, "version") == 0 && a[i].kind == LB_H5_INT && a[i].integer > CACHE_VERSION)
            st = lb_fail(LB_E_UNSUPPORTED, "%s: version %lld of the format, this program knows up to %d", s->path, (long long)a[i].integer, CACHE_VERSION);
        if (st != LB_OK || a[i].kind != LB_H5_TEXT) continue;
        if (strcmp(a[i].name, "format") == 0 && strcmp(a[i].text, CACHE_FORMAT) != 0) st = lb_fail(LB_E_FORMAT, "%s: format '%s', want '%s'", s->path, a[i].text, CACHE_FORMAT);
        for (const cache_field *f = cache_fields; f->name; f++)
            if (strcmp(a[i].name, f->name) == 0) snprintf((char *)&s->print + f->offset, f->size, "%s", a[i].text);
    }
    lb_h5_attrs_free(a, n);
    return st;
}

static lb_status read_keys(shard *s) {
    lb_status st = lb_h5_read_texts(&s->keys, &s->n, s->file, "/keys");
    if (st == LB_OK) cache_texts_sha256(s->n, (const char *const *)s->keys, s->keys_sha256);
    return st;
}

static lb_status read_messages(shard *s) {
    char **messages = NULL;
    int64_t n = 0;
    if (!lb_h5_has(s->file, "/message")) return (s->messages = lb_calloc((size_t)s->n, sizeof *s->messages)) ? LB_OK : LB_E_NOMEM;
    lb_status st = lb_h5_read_texts(&messages, &n, s->file, "/message");
    if (st == LB_OK && n != s->n) st = lb_fail(LB_E_FORMAT, "%s: dataset '/message' has not one row per key", s->path);
    if (st == LB_OK) s->messages = messages;
    else lb_names_free(messages, n);
    return st;
}

/* A table of `count` numbers as a new array of its own. */
static lb_status read_table(shard *s, const char *dataset, lb_dtype dtype, int64_t count, void *out) {
    lb_tensor *x = NULL;
    lb_status st = lb_h5_read(&x, s->file, dataset, dtype);
    if (st != LB_OK) return st;
    size_t bytes = (size_t)lb_numel(x) * lb_dtype_size(dtype);
    void *copy = lb_alloc(bytes + 1, 1);
    if (x->rank != 1 || x->shape[0] != count)
        st = lb_fail(LB_E_FORMAT, "%s: dataset '%s' has %lld elements, want %lld", s->path, dataset, (long long)lb_numel(x), (long long)count);
    else if (!copy) st = LB_E_NOMEM;
    if (st == LB_OK) *(void **)out = memcpy(copy, x->data, bytes);
    else lb_free(copy);
    lb_tensor_free(x);
    return st;
}

static lb_status read_offsets(shard *s, shard_tap *t, const char *path) {
    lb_status st = read_table(s, path, LB_I64, s->n + 1, &t->offsets);
    if (st != LB_OK) return st;
    bool good = t->offsets[0] == 0 && t->offsets[s->n] == t->positions;
    for (int64_t i = 0; i < s->n && good; i++) good = t->offsets[i + 1] >= t->offsets[i];
    return good ? LB_OK : lb_fail(LB_E_FORMAT, "%s: dataset '%s' does not go up to its feature's rows", s->path, path);
}

static lb_status read_classes(shard *s, shard_tap *t, const char *path) {
    lb_h5_attr *all = NULL;
    int count = 0;
    lb_status st = lb_h5_attrs(s->file, path, &all, &count);
    for (int i = 0; st == LB_OK && i < count; i++)
        if (strcmp(all[i].name, "classes") == 0 && all[i].kind == LB_H5_INT && all[i].integer > 0 && all[i].integer < INT32_MAX) t->tap.classes = all[i].integer;
    lb_h5_attrs_free(all, count);
    return st;
}

static lb_status open_tap(shard *s, shard_tap *t, const char *name) {
    char path[160], side[160];
    if (strlen(name) >= sizeof t->tap.name) return lb_fail(LB_E_UNSUPPORTED, "%s: tap '%s' has a name longer than %zu bytes", s->path, name, sizeof t->tap.name - 1);
    snprintf(t->tap.name, sizeof t->tap.name, "%s", name);
    lb_status st = lb_h5_data_open(&t->data, s->file, cache_path(path, "/features", name));
    if (st != LB_OK) return st;
    t->positions = t->data->shape[0];
    t->tap.dtype = t->data->dtype;
    if ((st = read_classes(s, t, path)) != LB_OK) return st;
    t->tap.ragged = lb_h5_has(s->file, cache_path(side, "/offsets", name));
    t->tap.rank = t->data->rank - (t->tap.ragged ? 0 : 1);
    int skip = t->tap.ragged ? 1 : 0;
    for (int d = 1; d < t->data->rank; d++) t->tap.shape[d - 1 + skip] = t->data->shape[d];
    int64_t row = t->data->row * (int64_t)lb_dtype_size(t->data->dtype);
    int64_t rows = t->data->chunk[0] ? t->data->chunk[0] : row ? (1 << 20) / row + 1 : 1;
    t->grid = (cache_grid){.row_bytes = row, .rows = rows, .slabs = 1, .chunk_bytes = rows * row, .blocks = row ? (t->positions + rows - 1) / rows : 0};
    if (t->tap.ragged) st = read_offsets(s, t, side);
    else if (t->positions != s->n) st = lb_fail(LB_E_FORMAT, "%s: dataset '%s' has %lld rows for %lld keys", s->path, path, (long long)t->positions, (long long)s->n);
    if (st == LB_OK && t->tap.dtype == LB_I8 && lb_h5_has(s->file, cache_path(side, "/scale", name))) st = read_table(s, side, LB_F32, s->n, &t->scale);
    if (st == LB_OK && !(t->checked = lb_calloc((size_t)t->grid.blocks, 1))) st = LB_E_NOMEM;
    return st;
}

static lb_status open_taps(shard *s) {
    char **names = NULL;
    int64_t count = 0;
    lb_status st = lb_h5_members(s->file, "/features", &names, &count);
    if (st != LB_OK) return st;
    if (count == 0) st = lb_fail(LB_E_FORMAT, "%s: no features (no member in /features)", s->path);
    if (st == LB_OK && !(s->taps = lb_calloc((size_t)count, sizeof *s->taps))) st = LB_E_NOMEM;
    for (int64_t i = 0; st == LB_OK && i < count; i++) {
        s->ntaps = (int)i + 1;
        st = open_tap(s, &s->taps[i], names[i]);
    }
    lb_names_free(names, count);
    return st;
}

/* ---- a trial in a process of its own: HDF5 1.10 may crash or loop on a damaged file ---- */

/* LB_TRIAL_SECONDS sets another time (for tests). */
static unsigned trial_seconds(void) {
    const char *word = getenv("LB_TRIAL_SECONDS");
    int seconds = word ? atoi(word) : 0;
    return seconds > 0 ? (unsigned)seconds : 30;
}

static lb_status open_all(shard *s) {
    lb_status st = LB_OK;
    LB_TRY(lb_h5_open(&s->file, s->path));
    LB_TRY(read_root(s));
    LB_TRY(read_keys(s));
    LB_TRY(read_messages(s));
    if (lb_h5_has(s->file, "/status")) LB_TRY(read_table(s, "/status", LB_U8, s->n, &s->status));
    else if (!(s->status = lb_calloc((size_t)s->n, 1))) st = LB_E_NOMEM;
    if (st == LB_OK) LB_TRY(open_taps(s));
done:
    return st;
}

/* The tables, and every block or the first and the last of each tap. */
static void try_all(const char *path, bool every) {
    shard s = {.fd = -1, .foreign = true, .path = (char *)(uintptr_t)path};
    lb_status st = open_all(&s);
    for (int i = 0; st == LB_OK && i < s.ntaps; i++) {
        shard_tap *t = &s.taps[i];
        char *bytes = lb_alloc((size_t)t->grid.rows, (size_t)t->grid.row_bytes);
        for (int64_t b = 0; bytes && st == LB_OK && b < t->grid.blocks; b = every || b == t->grid.blocks - 1 ? b + 1 : t->grid.blocks - 1) st = shard_read_block(&s, t, b, true, bytes);
    }
}

lb_status shard_foreign_trial(const char *path, bool every) {
    int status = 0;
    pid_t child = fork();
    if (child < 0) return lb_fail(LB_E_IO, "%s: no process can be started to try it: %s", path, strerror(errno));
    if (child == 0) {
        alarm(getenv("LB_TRIAL_SECONDS") || !every ? trial_seconds() : 100 * trial_seconds());
        (void)signal(SIGALRM, SIG_DFL);
        (void)signal(SIGSEGV, SIG_DFL);
        (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        try_all(path, every);
        _exit(0);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return LB_OK; /* what it met, this process meets too, and tells */
    return lb_fail(LB_E_FORMAT, "%s: damaged: the HDF5 library %s on it", path, WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? "does not end" : "crashes");
}

lb_status shard_foreign_open(shard *s) {
    lb_status st = shard_foreign_trial(s->path, false);
    return st == LB_OK ? open_all(s) : st;
}

lb_status shard_foreign_reopen(shard *s) {
    char path[160];
    lb_status st = lb_h5_open(&s->file, s->path);
    for (int i = 0; st == LB_OK && i < s->ntaps; i++) {
        shard_tap *t = &s->taps[i];
        st = lb_h5_data_open(&t->data, s->file, cache_path(path, "/features", t->tap.name));
        if (st == LB_OK && t->data->shape[0] != t->positions) st = lb_fail(LB_E_FORMAT, "%s: '%s' changed while it was in use", s->path, path);
    }
    if (st != LB_OK) shard_rest(s);
    return st;
}

void shard_foreign_rest(shard *s) {
    lb_status ignored = LB_OK;
    for (int i = 0; s->taps && i < s->ntaps; i++) {
        ignored = lb_h5_data_close(s->taps[i].data);
        s->taps[i].data = NULL;
    }
    ignored = lb_h5_close(s->file);
    (void)ignored; /* nothing was written */
    s->file = NULL;
}
