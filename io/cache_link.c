/* SPDX-License-Identifier: Apache-2.0 */
/* One HDF5 file whose features are views of the shards' (virtual datasets); keys, status, messages, scales and offsets are its own. The
 * records are made in memory and written at once. */
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "io/cache_private.h"
#include "io/hdf5_graft.h"

typedef struct link_job {
    lb_cache *c;
    const char *folder;    /* of the new file: sources are named relative to it where they lie below */
    lb_h5_graft *graft;
    lb_h5 *file;
} link_job;

/* A source's name as HDF5 looks for it: relative to the file that names it. */
static char *name_from(const link_job *j, const char *path) {
    size_t n = strlen(j->folder);
    if (strcmp(j->folder, ".") == 0) return lb_strdup(path);
    if (strncmp(path, j->folder, n) == 0 && path[n] == '/') return lb_strdup(path + n + 1);
    if (path[0] == '/') return lb_strdup(path);
    return NULL;
}

static lb_status link_tap(link_job *j, int tap) {
    lb_status st = LB_OK;
    char path[160];
    const lb_cache *c = j->c;
    const shard_tap *t = &c->shards[0].taps[tap];
    lb_h5_view *views = lb_calloc((size_t)c->nshards, sizeof *views);
    int64_t shape[LB_MAX_RANK + 1] = {0};
    int rank = 1 + t->tap.rank - (t->tap.ragged ? 1 : 0);
    if (!views) return LB_E_NOMEM;
    for (int d = 1; d < rank; d++) shape[d] = t->tap.shape[d - 1 + (t->tap.ragged ? 1 : 0)];
    for (int64_t i = 0; i < c->nshards; i++) {
        views[i].rows = c->shards[i].taps[tap].positions;
        shape[0] += views[i].rows;
        views[i].file = name_from(j, c->shards[i].path);
        if (!views[i].file) st = lb_fail(LB_E_ARG, "%s lies neither below the folder of the new file nor has it an absolute path: give one", c->shards[i].path);
        if (st != LB_OK) break;
    }
    if (st == LB_OK) st = lb_h5_graft_views(j->graft, cache_path(path, "/features", t->tap.name), t->tap.dtype, rank, shape, c->nshards, views);
    if (st == LB_OK && t->tap.classes) st = lb_h5_set_int(j->file, path, "classes", t->tap.classes);
    for (int64_t i = 0; i < c->nshards; i++) lb_free(views[i].file);
    lb_free(views);
    return st;
}

/* Scales and offsets of all shards as one. */
static lb_status join_tables(link_job *j, int tap) {
    lb_status st = LB_OK;
    char path[160];
    lb_cache *c = j->c;
    const lb_cache_tap *t = lb_cache_tap_at(c, tap);
    lb_tensor *offsets = NULL, *scale = NULL;
    int64_t n1 = c->rows + 1, base = 0;
    if (t->ragged) LB_TRY(lb_tensor_new(&offsets, LB_I64, 1, &n1));
    if (t->dtype == LB_I8) LB_TRY(lb_tensor_new(&scale, LB_F32, 1, &c->rows));
    for (int64_t i = 0; i < c->nshards && (offsets || scale); i++) {
        shard *s = &c->shards[i];
        LB_TRY(cache_wake(c, s));
        LB_TRY(shard_load_tap(s, &s->taps[tap]));
        for (int64_t k = 0; offsets && k <= s->n; k++) ((int64_t *)offsets->data)[s->first + k] = base + s->taps[tap].offsets[k];
        for (int64_t k = 0; scale && k < s->n; k++) ((float *)scale->data)[s->first + k] = s->taps[tap].scale ? s->taps[tap].scale[k] : 1;
        base += s->taps[tap].positions;
    }
    if (offsets) LB_TRY(lb_h5_write(j->file, cache_path(path, "/offsets", t->name), offsets));
    if (scale) LB_TRY(lb_h5_write(j->file, cache_path(path, "/scale", t->name), scale));
done:
    lb_tensor_free(offsets);
    lb_tensor_free(scale);
    return st;
}

static lb_status write_rows(link_job *j) {
    lb_status st = LB_OK;
    lb_cache *c = j->c;
    lb_buf codes = {0};
    lb_tensor *status = NULL;
    const char **texts = lb_alloc((size_t)c->rows, sizeof *texts);
    if (!texts) return LB_E_NOMEM;
    LB_TRY(lb_tensor_new(&status, LB_U8, 1, &c->rows));
    for (int64_t i = 0; i < c->rows; i++) {
        texts[i] = lb_cache_key(c, i);
        ((uint8_t *)status->data)[i] = (uint8_t)lb_cache_row_status(c, i);
    }
    LB_TRY(lb_h5_write_texts(j->file, "/keys", c->rows, texts));
    for (int64_t i = 0; i < c->rows; i++) texts[i] = lb_cache_row_message(c, i);
    LB_TRY(lb_h5_write_texts(j->file, "/message", c->rows, texts));
    LB_TRY(lb_h5_write(j->file, "/status", status));
    cache_codes(&codes);
    LB_TRY(lb_h5_set_text(j->file, "/status", "codes", lb_buf_str(&codes)));
    LB_TRY(lb_h5_set_text(j->file, "/", "format", CACHE_FORMAT));
    LB_TRY(lb_h5_set_int(j->file, "/", "version", CACHE_VERSION));
    for (const cache_field *x = cache_fields; x->name; x++) LB_TRY(lb_h5_set_text(j->file, "/", x->name, (const char *)&c->shards[0].print + x->offset));
done:
    lb_buf_free(&codes);
    lb_tensor_free(status);
    lb_free(texts);
    return st;
}

static lb_status write_file(link_job *j, const char *path) {
    const char *head, *tail;
    size_t head_size, tail_size;
    lb_buf all = {0};
    lb_status st = lb_h5_graft_close(j->graft, &head, &head_size, &tail, &tail_size);
    if (st == LB_OK) {
        lb_buf_add(&all, head, head_size);
        lb_buf_add(&all, tail, tail_size);
        st = lb_buf_status(&all);
    }
    if (st == LB_OK) st = lb_file_write(path, all.data, all.size);
    lb_buf_free(&all);
    return st;
}

lb_status lb_cache_link(const char *path, const char *from) {
    lb_status st = LB_OK;
    link_job j = {0};
    char *folder = lb_path_folder(path);
    if (!folder) return LB_E_NOMEM;
    j.folder = folder;
    LB_TRY(lb_cache_open(&j.c, from));
    LB_TRY(lb_cache_load_keys(j.c));
    LB_TRY(lb_h5_graft_open(&j.graft, &j.file, path, 0, CACHE_DATA));
    LB_TRY(write_rows(&j));
    for (int t = 0; t < lb_cache_taps(j.c); t++) {
        LB_TRY(link_tap(&j, t));
        LB_TRY(join_tables(&j, t));
    }
    LB_TRY(write_file(&j, path));
done:
    lb_h5_graft_free(j.graft);
    lb_cache_close(j.c);
    lb_free(folder);
    return st;
}
