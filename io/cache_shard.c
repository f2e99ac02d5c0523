/* SPDX-License-Identifier: Apache-2.0 */
/* One finished feature file: its tables in memory, its features block by block. Files made with h5py by others may lack everything but
 * /keys and /features. */
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "base/hash.h"
#include "io/cache_private.h"

#define CHECKED_WHOLE ((int64_t)16 << 20) /* bytes */

static lb_status bad(const shard *s, const char *dataset, const char *why) { return lb_fail(LB_E_FORMAT, "%s: dataset '%s' %s", s->path, dataset, why); }

/* The sha256 attribute of a table; "" when it has none. */
static lb_status stored_sha(char out[65], lb_h5 *f, const char *dataset) {
    lb_h5_attr *a = NULL;
    int n = 0;
    lb_status st = lb_h5_attrs(f, dataset, &a, &n);
    out[0] = '\0';
    for (int i = 0; st == LB_OK && i < n; i++)
        if (strcmp(a[i].name, "sha256") == 0 && a[i].kind == LB_H5_TEXT) snprintf(out, 65, "%s", a[i].text);
    lb_h5_attrs_free(a, n);
    return st;
}

static lb_status read_root(shard *s) {
    lb_h5_attr *a = NULL;
    int n = 0;
    lb_status st = lb_h5_attrs(s->file, "/", &a, &n);
    for (int i = 0; st == LB_OK && i < n; i++) {
        if (strcmp(a[i].name, "version") == 0 && a[i].kind == LB_H5_INT && a[i].integer != CACHE_VERSION)
            st = lb_fail(LB_E_UNSUPPORTED, "%s: version %lld of the format, want %d", s->path, (long long)a[i].integer, CACHE_VERSION);
        if (st != LB_OK || a[i].kind != LB_H5_TEXT) continue;
        if (strcmp(a[i].name, "format") == 0 && strcmp(a[i].text, CACHE_FORMAT) != 0) st = lb_fail(LB_E_FORMAT, "%s: format '%s', want '%s'", s->path, a[i].text, CACHE_FORMAT);
        for (const cache_field *f = cache_fields; f->name; f++)
            if (strcmp(a[i].name, f->name) == 0) snprintf((char *)&s->print + f->offset, f->size, "%s", a[i].text);
    }
    lb_h5_attrs_free(a, n);
    return st;
}

/* Texts as a new list, whose hash is right; its SHA-256 into sha. */
static lb_status read_texts(shard *s, const char *dataset, char ***out, int64_t *count, char sha[65]) {
    char want[65], **texts = NULL;
    int64_t n = 0;
    lb_status st = lb_h5_read_texts(&texts, &n, s->file, dataset);
    if (st == LB_OK) st = stored_sha(want, s->file, dataset);
    if (st == LB_OK) cache_texts_sha256(n, (const char *const *)texts, sha);
    if (st == LB_OK && want[0] && strcmp(want, sha) != 0) st = bad(s, dataset, "is damaged (SHA-256 differs)");
    if (st != LB_OK) {
        lb_names_free(texts, n);
        return st;
    }
    *out = texts;
    *count = n;
    return LB_OK;
}

/* A table of `count` numbers as a new array of its own. */
static lb_status read_table(shard *s, const char *dataset, lb_dtype dtype, int64_t count, void **out) {
    lb_tensor *x = NULL;
    char want[65], sha[65];
    lb_status st = lb_h5_read(&x, s->file, dataset, dtype);
    if (st == LB_OK) st = stored_sha(want, s->file, dataset);
    if (st != LB_OK) goto done;
    size_t bytes = (size_t)lb_numel(x) * lb_dtype_size(dtype);
    if (x->rank != 1 || x->shape[0] != count) {
        st = lb_fail(LB_E_FORMAT, "%s: dataset '%s' has %lld elements, want %lld", s->path, dataset, (long long)lb_numel(x), (long long)count);
        goto done;
    }
    lb_sha256_of(x->data, bytes, sha);
    if (want[0] && strcmp(want, sha) != 0) {
        st = bad(s, dataset, "is damaged (SHA-256 differs)");
        goto done;
    }
    if (!(*out = lb_alloc(bytes ? bytes : 1, 1))) st = LB_E_NOMEM;
    else if (bytes) memcpy(*out, x->data, bytes);
done:
    lb_tensor_free(x);
    return st;
}

static lb_status read_offsets(shard *s, shard_tap *t, const char *path) {
    lb_status st = read_table(s, path, LB_I64, s->n + 1, (void **)&t->offsets);
    if (st != LB_OK) return st;
    if (t->offsets[0] != 0 || t->offsets[s->n] != t->positions) return bad(s, path, "does not span its feature");
    for (int64_t i = 0; i < s->n; i++)
        if (t->offsets[i + 1] < t->offsets[i]) return bad(s, path, "is not ascending");
    return LB_OK;
}

static lb_status read_sums(shard *s, shard_tap *t) {
    char path[160];
    lb_h5_attr *a = NULL;
    int n = 0;
    int64_t row = t->data->row * (int64_t)lb_dtype_size(t->data->dtype);
    t->block = t->data->chunk[0] ? t->data->chunk[0] : row ? (1 << 20) / row + 1 : 1;
    bool has = lb_h5_has(s->file, cache_path(path, "/checksum", t->tap.name));
    lb_status st = has ? lb_h5_attrs(s->file, path, &a, &n) : LB_OK;
    for (int i = 0; st == LB_OK && i < n; i++)
        if (strcmp(a[i].name, "rows") == 0 && a[i].kind == LB_H5_INT) t->block = a[i].integer;
    lb_h5_attrs_free(a, n);
    if (st != LB_OK) return st;
    if (t->block < 1) return bad(s, path, "has a wrong attribute 'rows'");
    t->blocks = row ? (t->positions + t->block - 1) / t->block : 0;
    if (!(t->checked = lb_calloc((size_t)t->blocks, 1))) return LB_E_NOMEM;
    return has ? read_table(s, path, LB_U64, t->blocks, (void **)&t->sums) : LB_OK;
}

static lb_status open_tap(shard *s, shard_tap *t, const char *name) {
    char path[160], side[160];
    if (strlen(name) >= sizeof t->tap.name) return lb_fail(LB_E_UNSUPPORTED, "%s: tap '%s' has a name longer than %zu bytes", s->path, name, sizeof t->tap.name - 1);
    snprintf(t->tap.name, sizeof t->tap.name, "%s", name);
    lb_status st = lb_h5_data_open(&t->data, s->file, cache_path(path, "/features", name));
    if (st != LB_OK) return st;
    t->positions = t->data->shape[0];
    t->tap.dtype = t->data->dtype;
    t->tap.ragged = lb_h5_has(s->file, cache_path(side, "/offsets", name));
    t->tap.rank = t->data->rank - (t->tap.ragged ? 0 : 1);
    int skip = t->tap.ragged ? 1 : 0;
    for (int d = 1; d < t->data->rank; d++) t->tap.shape[d - 1 + skip] = t->data->shape[d];
    if (t->tap.ragged) st = read_offsets(s, t, side);
    else if (t->positions != s->n) st = lb_fail(LB_E_FORMAT, "%s: dataset '%s' has %lld rows for %lld keys", s->path, path, (long long)t->positions, (long long)s->n);
    if (st == LB_OK && t->tap.dtype == LB_I8 && lb_h5_has(s->file, cache_path(side, "/scale", name))) st = read_table(s, side, LB_F32, s->n, (void **)&t->scale);
    return st == LB_OK ? read_sums(s, t) : st;
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

/* HDF5 may crash or hang on records with a flipped bit. In small files they are a good part of all bytes, so those are checked whole (some
 * milliseconds); in large ones a flip hits the features, whose blocks have checksums. */
static lb_status check_small(const char *path) {
    cache_seal seal;
    int64_t size = 0;
    if (lb_is_folder(path) || !lb_file_exists(path)) return LB_OK; /* lb_h5_open says it better */
    lb_status st = lb_file_size(&size, path);
    if (st != LB_OK || size > CHECKED_WHOLE) return st;
    st = cache_check_seal(path, &seal);
    if (st != LB_OK || seal != CACHE_SEAL_BROKEN) return st;
    char head[sizeof CACHE_FORMAT] = "";
    FILE *in = fopen(path, "rb");
    bool ours = in && fread(head, 1, sizeof head - 1, in) == sizeof head - 1 && strcmp(head, CACHE_FORMAT) == 0;
    if (in) fclose(in);
    return ours ? lb_fail(LB_E_FORMAT, "%s: %s", path, CACHE_DAMAGED) : LB_OK;
}

lb_status shard_open(shard *s, const char *path) {
    lb_status st = LB_OK;
    char sha[65], **messages = NULL;
    int64_t n = 0;
    if (!(s->path = lb_strdup(path))) return LB_E_NOMEM;
    LB_TRY(check_small(path));
    LB_TRY(lb_h5_open(&s->file, path));
    LB_TRY(read_root(s));
    LB_TRY(read_texts(s, "/keys", &s->keys, &s->n, s->keys_sha256));
    if (lb_h5_has(s->file, "/message")) {
        LB_TRY(read_texts(s, "/message", &messages, &n, sha));
        if (n != s->n) {
            lb_names_free(messages, n);
            st = bad(s, "/message", "has not one row per key");
            goto done;
        }
        s->messages = messages;
    }
    if (lb_h5_has(s->file, "/status")) {
        LB_TRY(read_table(s, "/status", LB_U8, s->n, (void **)&s->status));
    } else if (!(s->status = lb_calloc((size_t)s->n, 1))) {
        st = LB_E_NOMEM;
        goto done;
    }
    LB_TRY(open_taps(s));
done:
    return st;
}

lb_status shard_reopen(shard *s) {
    char path[160];
    if (s->file) return LB_OK;
    lb_status st = lb_h5_open(&s->file, s->path);
    for (int i = 0; st == LB_OK && i < s->ntaps; i++) {
        shard_tap *t = &s->taps[i];
        st = lb_h5_data_open(&t->data, s->file, cache_path(path, "/features", t->tap.name));
        if (st == LB_OK && t->data->shape[0] != t->positions) st = bad(s, path, "changed while it was in use");
    }
    if (st != LB_OK) shard_rest(s);
    return st;
}

void shard_rest(shard *s) {
    lb_status ignored = LB_OK;
    for (int i = 0; s->taps && i < s->ntaps; i++) {
        ignored = lb_h5_data_close(s->taps[i].data);
        s->taps[i].data = NULL;
    }
    ignored = lb_h5_close(s->file);
    (void)ignored; /* nothing was written */
    s->file = NULL;
}

void shard_free(shard *s) {
    shard_rest(s);
    for (int i = 0; s->taps && i < s->ntaps; i++) {
        lb_free(s->taps[i].scale);
        lb_free(s->taps[i].offsets);
        lb_free(s->taps[i].sums);
        lb_free(s->taps[i].checked);
    }
    lb_free(s->taps);
    lb_names_free(s->keys, s->n);
    lb_names_free(s->messages, s->n);
    lb_free(s->status);
    lb_free(s->path);
    *s = (shard){0};
}

int64_t shard_block_rows(const shard_tap *t, int64_t block) {
    int64_t left = t->positions - block * t->block;
    return left < t->block ? left : t->block;
}

lb_status shard_read_block(shard *s, shard_tap *t, int64_t block, void *bytes) {
    int64_t rows = shard_block_rows(t, block), first = block * t->block;
    size_t size = (size_t)(rows * t->data->row) * lb_dtype_size(t->data->dtype);
    lb_status st = lb_h5_data_read(t->data, first, rows, bytes);
    if (st != LB_OK) return st;
    if (t->sums && t->sums[block] != lb_hash64(bytes, size, 0))
        return lb_fail(LB_E_FORMAT, "%s: dataset '/features/%s' is damaged in rows %lld to %lld (checksum differs)", s->path, t->tap.name, (long long)first, (long long)(first + rows - 1));
    t->checked[block] = 1;
    return LB_OK;
}
