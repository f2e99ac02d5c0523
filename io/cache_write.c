/* SPDX-License-Identifier: Apache-2.0 */
/* The writer of one feature file: values as stored bytes, chunks and journal (cache_rows.c), at the end the file (cache_finish.c). */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/progress.h"
#include "base/threads.h"
#include "io/cache_private.h"

#define FLUSH_SECONDS 0.5 /* what a kill can lose at the most */

/* Between syncs to the disk; LB_SYNC_SECONDS sets another time. */
static double sync_seconds(void) {
    const char *word = getenv("LB_SYNC_SECONDS");
    double seconds = word ? strtod(word, NULL) : 0;
    return seconds > 0 ? seconds : 30;
}

struct lb_cache_writer {
    char *path;
    lb_fingerprint print;
    int64_t n;
    char **keys, *key_bytes; /* our own copy, in one block */
    char keys_sha256[65];
    int ntaps, nasked;
    lb_tap_spec *taps;  /* as stored */
    lb_tap_spec *asked; /* as given: one with topk is two of `taps`; without a name of its own */
    cache_part *part;   /* NULL: the file is finished already */
    cache_rows rows;
    double sync_seconds, flushed, synced; /* when last */
    bool failed;        /* a write failed: what follows cannot be kept */
    lb_buf record;
};

static void free_writer(lb_cache_writer *w) {
    if (!w) return;
    cache_rows_close(&w->rows);
    cache_part_close(w->part);
    for (int i = 0; w->taps && i < w->ntaps; i++) lb_free((char *)w->taps[i].name);
    lb_free(w->taps);
    lb_free(w->asked);
    lb_free(w->keys);
    lb_free(w->key_bytes);
    lb_free(w->path);
    lb_buf_free(&w->record);
    lb_free(w);
}

static lb_status copy_keys(lb_cache_writer *w, const char *const *keys) {
    size_t bytes = 0, at = 0;
    for (int64_t i = 0; i < w->n; i++) bytes += strlen(keys[i]) + 1;
    w->keys = lb_alloc((size_t)w->n, sizeof *w->keys);
    w->key_bytes = lb_alloc(bytes, 1);
    if (!w->keys || !w->key_bytes) return LB_E_NOMEM;
    for (int64_t i = 0; i < w->n; i++) {
        size_t size = strlen(keys[i]) + 1;
        w->keys[i] = memcpy(w->key_bytes + at, keys[i], size);
        at += size;
    }
    cache_texts_sha256(w->n, (const char *const *)w->keys, w->keys_sha256);
    return LB_OK;
}

static lb_status check_tap(const lb_cache_writer *w, const lb_tap_spec *t) {
    int64_t bytes = (int64_t)lb_dtype_size(t->dtype);
    bool indices = t->classes && (t->dtype == LB_U16 || t->dtype == LB_U32);
    if (!indices && t->dtype != LB_F32 && t->dtype != LB_F16 && t->dtype != LB_BF16 && t->dtype != LB_I8 && t->dtype != LB_U8)
        return lb_fail(LB_E_ARG, "%s: tap '%s' as %s: want f32, f16, bf16, i8 or u8", w->path, t->name, lb_dtype_name(t->dtype));
    if (t->rank < (t->ragged ? 1 : 0) || t->rank + (t->ragged ? 0 : 1) > LB_MAX_RANK) return lb_fail(LB_E_SHAPE, "%s: tap '%s' has rank %d", w->path, t->name, t->rank);
    if (!t->name[0] || strlen(t->name) > 95 || strchr(t->name, '/')) return lb_fail(LB_E_ARG, "%s: '%s' cannot be the name of a tap (1 to 95 bytes without '/')", w->path, t->name);
    for (int d = t->ragged ? 1 : 0; d < t->rank; d++)
        if (t->shape[d] < 0 || !lb_mul_i64(&bytes, bytes, t->shape[d]) || bytes > (int64_t)1 << 40) return lb_fail(LB_E_SHAPE, "%s: tap '%s' has an impossible size", w->path, t->name);
    return LB_OK;
}

static lb_status copy_taps(lb_cache_writer *w, int ntaps, const lb_tap_spec *taps) {
    w->taps = lb_calloc((size_t)ntaps * 2, sizeof *w->taps);
    w->asked = lb_calloc((size_t)ntaps, sizeof *w->asked);
    if (!w->taps || !w->asked) return LB_E_NOMEM;
    w->nasked = ntaps;
    for (int i = 0; i < ntaps; i++) {
        const lb_tap_spec *t = &taps[i];
        lb_tap_spec *to = &w->taps[w->ntaps];
        lb_status st = check_tap(w, t);
        if (st != LB_OK) return st;
        w->asked[i] = *t;
        if (t->topk) {
            w->ntaps += 2; /* names that were not made are NULL */
            if ((st = cache_topk_specs(to, t, w->path)) != LB_OK) return st;
            continue;
        }
        *to = *t;
        to->name = lb_strdup(t->name);
        w->ntaps++;
        if (!to->name) return LB_E_NOMEM;
    }
    return LB_OK;
}

/* ---- what a part says about itself ---- */
static lb_value *tap_value(const lb_tap_spec *t) {
    lb_value *v = lb_value_map(), *shape = lb_value_list();
    lb_map_text(v, "name", t->name);
    lb_map_text(v, "dtype", lb_dtype_name(t->dtype));
    lb_map_bool(v, "ragged", t->ragged);
    if (t->deflate) lb_map_bool(v, "deflate", true);
    if (t->classes) lb_map_int(v, "classes", t->classes);
    for (int d = t->ragged ? 1 : 0; d < t->rank; d++) lb_list_int(shape, t->shape[d]);
    lb_map_put(v, "shape", shape);
    return v;
}

static lb_value *head_value(const lb_cache_writer *w) {
    lb_value *v = lb_value_map(), *taps = lb_value_list();
    for (const cache_field *f = cache_fields; f->name; f++) lb_map_text(v, f->name, (const char *)&w->print + f->offset);
    lb_map_int(v, "n", w->n);
    lb_map_text(v, "keys", w->keys_sha256);
    for (int i = 0; i < w->ntaps; i++) lb_list_put(taps, tap_value(&w->taps[i]));
    lb_map_put(v, "features", taps);
    return v;
}

/* Compares two heads field by field. */
static lb_status match_head(const lb_value *have, const lb_value *want, const char *file, const char *advice) {
    lb_status st = LB_OK;
    lb_fingerprint a = {0}, b = {0};
    lb_buf x = {0}, y = {0};
    for (const cache_field *f = cache_fields; f->name; f++) {
        snprintf((char *)&a + f->offset, f->size, "%s", lb_get_text(have, f->name, ""));
        snprintf((char *)&b + f->offset, f->size, "%s", lb_get_text(want, f->name, ""));
    }
    LB_TRY(lb_fingerprint_match(&a, &b, true, file));
    if (lb_get_int(have, "n", -1) != lb_get_int(want, "n", -2))
        st = lb_fail(LB_E_MISMATCH, "%s: number of items differs: the file has %lld, wanted are %lld", file, (long long)lb_get_int(have, "n", -1), (long long)lb_get_int(want, "n", -1));
    else if (strcmp(lb_get_text(have, "keys", ""), lb_get_text(want, "keys", "")) != 0)
        st = lb_fail(LB_E_MISMATCH, "%s: keys differ: the file's have SHA-256 %s, the wanted ones %s", file, lb_get_text(have, "keys", "?"), lb_get_text(want, "keys", "?"));
    if (st != LB_OK) goto done;
    LB_TRY(lb_json_write(&x, lb_get(have, "features"), 0));
    LB_TRY(lb_json_write(&y, lb_get(want, "features"), 0));
    if (strcmp(lb_buf_str(&x), lb_buf_str(&y)) != 0) st = lb_fail(LB_E_MISMATCH, "%s: features differ: the file has %s, wanted are %s", file, lb_buf_str(&x), lb_buf_str(&y));
done:
    lb_buf_free(&x);
    lb_buf_free(&y);
    return st == LB_E_MISMATCH ? lb_where(st, "%s", advice) : st;
}

/* The file's tap of that name; NULL: those that are not wanted. */
static void put_taps(lb_value *list, const shard *s, const lb_cache_writer *w, const char *name) {
    for (int k = 0; k < s->ntaps; k++) {
        const lb_cache_tap *t = &s->taps[k].tap;
        lb_tap_spec spec = {.name = t->name, .rank = t->rank, .ragged = t->ragged, .dtype = t->dtype, .deflate = s->taps[k].deflate, .classes = t->classes};
        bool wanted = false;
        for (int i = 0; i < w->ntaps; i++) wanted |= strcmp(t->name, w->taps[i].name) == 0;
        memcpy(spec.shape, t->shape, sizeof spec.shape);
        if (name ? strcmp(t->name, name) == 0 : !wanted) lb_list_put(list, tap_value(&spec));
    }
}

/* The finished file against what is wanted. */
static lb_status match_finished(const lb_cache_writer *w) {
    lb_status st = LB_OK;
    shard s = {0};
    lb_value *want = head_value(w), *have = lb_value_map(), *taps = lb_value_list();
    LB_TRY(shard_open(&s, w->path));
    for (const cache_field *f = cache_fields; f->name; f++) {
        bool program = strcmp(f->name, "program") == 0; /* an upgrade alone is no reason to make all features again */
        lb_map_text(have, f->name, program ? w->print.program : (const char *)&s.print + f->offset);
    }
    lb_map_int(have, "n", s.n);
    lb_map_text(have, "keys", s.keys_sha256);
    for (int i = 0; i < w->ntaps; i++) put_taps(taps, &s, w, w->taps[i].name); /* in the order wanted: the file's own is by name */
    put_taps(taps, &s, w, NULL);
    lb_map_put(have, "features", taps);
    taps = NULL;
    st = match_head(have, want, w->path, "a finished file of another run is there (remove it, or write elsewhere)");
done:
    shard_free(&s);
    lb_value_free(want);
    lb_value_free(have);
    lb_value_free(taps);
    return st;
}

/* ---- beginning ---- */
static int workers(const lb_cache_writer *w) {
    bool deflate = false;
    for (int i = 0; i < w->ntaps; i++) deflate |= w->taps[i].deflate;
    return deflate ? lb_threads() : 1;
}

static lb_status begin_part(lb_cache_writer *w) {
    lb_status st = LB_OK;
    lb_value *want = head_value(w), *have = NULL;
    char *path = lb_format_dup("%s.part", w->path), *chunks = lb_format_dup("%s.chunks", w->path);
    if (!path || !chunks) {
        st = LB_E_NOMEM;
        goto done;
    }
    LB_TRY(cache_part_open(&w->part, path, want, &have));
    if (lb_file_exists(w->path)) { /* finished; a part beside it is what a crash after the rename left */
        st = match_finished(w);
        if (st == LB_OK || !have) {
            unlink(path);
            unlink(chunks);
        }
        if (st != LB_OK) goto done;
        cache_part_close(w->part);
        w->part = NULL;
        goto done;
    }
    if (have) LB_TRY(match_head(have, want, path, "an unfinished file of another run is there (remove it, or write elsewhere)"));
    LB_TRY(cache_rows_open(&w->rows, w->path, w->part, !have, w->n, w->ntaps, w->taps, workers(w)));
done:
    lb_value_free(want);
    lb_value_free(have);
    lb_free(path);
    lb_free(chunks);
    return st;
}

lb_status lb_cache_begin(lb_cache_writer **out, int64_t *done_rows, const char *path, const lb_fingerprint *f, int64_t n, const char *const *keys, int ntaps,
                         const lb_tap_spec *taps) {
    lb_status st = LB_OK;
    if (n < 0 || ntaps < 1) return lb_fail(LB_E_ARG, "%s: %lld items, %d taps: want at least 0 and 1", path, (long long)n, ntaps);
    lb_cache_writer *w = lb_calloc(1, sizeof *w);
    if (!w) return LB_E_NOMEM;
    w->print = *f;
    w->n = n;
    w->sync_seconds = sync_seconds();
    if (!(w->path = lb_strdup(path))) {
        st = LB_E_NOMEM;
        goto done;
    }
    LB_TRY(copy_keys(w, keys));
    LB_TRY(copy_taps(w, ntaps, taps));
    LB_TRY(begin_part(w));
    *done_rows = w->part ? w->rows.count : n;
    w->flushed = w->synced = lb_now();
    *out = w;
    w = NULL;
done:
    free_writer(w);
    return st;
}

/* ---- rows ---- */

/* q = round(x / s) with s = max|x| / 127; one s per row. */
static lb_status put_i8(char *to, const float *x, int64_t n, float *scale) {
    float most = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(x[i])) return lb_fail(LB_E_NUMERIC, "element %lld is not finite, which i8 cannot hold", (long long)i);
        most = fmaxf(most, fabsf(x[i]));
    }
    *scale = most / 127.0f;
    for (int64_t i = 0; i < n; i++) to[i] = (char)(*scale > 0 ? fmaxf(-127, fminf(127, nearbyintf(x[i] / *scale))) : 0);
    return LB_OK;
}

/* Is any of them infinite? */
static bool any_infinite(const uint16_t *half, int64_t n, lb_dtype dtype) {
    const unsigned infinite = dtype == LB_F16 ? 0x7c00 : 0x7f80;
    unsigned any = 0;
#pragma omp simd reduction(| : any)
    for (int64_t i = 0; i < n; i++) any |= (half[i] & 0x7fffu) == infinite;
    return any != 0;
}

/* In pieces that are looked at while they are in the cache. */
static lb_status put_half(char *to, lb_dtype dtype, const float *x, int64_t n) {
    uint16_t piece[1024];
    const int64_t room = (int64_t)LB_COUNT(piece);
    bool odd = (uintptr_t)to % sizeof *piece != 0;
    for (int64_t i = 0; i < n; i += room) {
        uint16_t *half = odd ? piece : (uint16_t *)(void *)to + i;
        int64_t m = n - i < room ? n - i : room;
        lb_convert(half, dtype, x + i, LB_F32, m);
        if (odd) memcpy(to + 2 * i, piece, (size_t)m * sizeof *piece);
        if (!any_infinite(half, m, dtype)) continue;
        for (int64_t k = 0; k < m; k++)
            if (isfinite(x[i + k]) && any_infinite(&half[k], 1, dtype))
                return lb_fail(LB_E_NUMERIC, "element %lld is %g, which %s cannot hold", (long long)(i + k), (double)x[i + k], lb_dtype_name(dtype));
    }
    return LB_OK;
}

static lb_status put_bytes(char *to, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        uint8_t b = (uint8_t)x[i];
        if ((float)b != x[i]) return lb_fail(LB_E_NUMERIC, "element %lld is %g, which u8 cannot hold", (long long)i, (double)x[i]);
        to[i] = (char)b;
    }
    return LB_OK;
}

/* A value as stored; length, scale and what has no place in a block yet go to the record. */
static lb_status put_value(lb_cache_writer *w, int tap, const float *x, int64_t length) {
    const lb_tap_spec *t = &w->taps[tap];
    int64_t bytes = cache_value_bytes(t, length), n = bytes / (int64_t)lb_dtype_size(t->dtype);
    size_t scale_at = w->record.size;
    float scale = 0;
    lb_status st = LB_OK;
    if (t->ragged) lb_buf_add(&w->record, &length, sizeof length);
    if (t->dtype == LB_I8) scale_at = w->record.size, lb_buf_add(&w->record, &scale, sizeof scale);
    char *to = NULL;
    st = cache_rows_place(&w->rows, tap, &to);
    if (st == LB_OK && !to && !(to = lb_buf_room(&w->record, (size_t)bytes))) st = LB_E_NOMEM;
    if (st == LB_OK && w->record.failed) st = LB_E_NOMEM;
    if (st != LB_OK) return st;
    if (t->dtype == LB_I8) st = put_i8(to, x, n, &scale);
    else if (t->dtype == LB_U8) st = put_bytes(to, x, n);
    else if (t->dtype != LB_F32) st = put_half(to, t->dtype, x, n);
    else if (n) memcpy(to, x, (size_t)bytes);
    if (st == LB_OK && t->dtype == LB_I8) memcpy(w->record.data + scale_at, &scale, sizeof scale);
    return st;
}

static lb_status ready(const lb_cache_writer *w) {
    if (w->failed) return lb_fail(LB_E_IO, "%s: writing has failed before", w->path);
    if (!w->part || w->rows.count >= w->n) return lb_fail(LB_E_ARG, "%s: all %lld rows are there", w->path, (long long)w->n);
    return LB_OK;
}

static lb_status flush(lb_cache_writer *w, bool sync) {
    lb_status st = cache_rows_flush(&w->rows, sync);
    w->flushed = lb_now();
    if (sync) w->synced = w->flushed;
    w->failed |= st != LB_OK;
    return st;
}

/* After a row: to the system within half a second, to the disk within sync_seconds. */
static lb_status keep_up(lb_cache_writer *w, lb_status st) {
    if (st != LB_OK) {
        w->failed = true;
        return st;
    }
    double now = lb_now();
    bool sync = now - w->synced >= w->sync_seconds;
    return sync || now - w->flushed >= FLUSH_SECONDS ? flush(w, sync) : LB_OK;
}

lb_status lb_cache_row(lb_cache_writer *w, const float *const *values, const int64_t *length) {
    lb_status st = ready(w);
    if (st != LB_OK) return st;
    lb_buf_clear(&w->record);
    for (int i = 0, k = 0; i < w->nasked; i++, k++) {
        const lb_tap_spec *t = &w->asked[i];
        const char *name = w->taps[k].name;
        int64_t n = t->ragged ? (length ? length[i] : -1) : 0;
        if (n < 0) return lb_fail(LB_E_ARG, "%s: tap '%s' is ragged and needs a length", w->path, name);
        st = t->topk ? cache_topk_add(&w->record, t, values[i]) : put_value(w, k, values[i], n);
        if (st != LB_OK) return lb_where(st, "%s: item '%s', tap '%s'", w->path, w->keys[w->rows.count], name);
        k += t->topk > 0;
    }
    if (w->record.failed) return LB_E_NOMEM;
    return keep_up(w, cache_rows_add(&w->rows, lb_buf_str(&w->record), true));
}

lb_status lb_cache_failed_row(lb_cache_writer *w, lb_status code, const char *message) {
    lb_status st = ready(w);
    if (st != LB_OK) return st;
    if (code >= 0 || code < -255) return lb_fail(LB_E_ARG, "%s: a failed item with code %d", w->path, (int)code);
    return keep_up(w, cache_rows_fail(&w->rows, -(int)code, message && message[0] ? message : lb_status_name(code)));
}

static lb_status stored_tap(const lb_cache_writer *w, const lb_cache *c, int i, int *tap) {
    const lb_tap_spec *want = &w->taps[i];
    *tap = lb_cache_tap_find(c, want->name);
    const lb_cache_tap *have = lb_cache_tap_at(c, *tap);
    bool same = have && have->dtype == want->dtype && have->classes == want->classes && have->ragged == want->ragged && have->rank == want->rank;
    for (int d = want->ragged ? 1 : 0; same && d < want->rank; d++) same = have->shape[d] == want->shape[d];
    return same ? LB_OK : lb_fail(LB_E_MISMATCH, "%s: tap '%s' is not stored in the same way where it is taken from", w->path, want->name);
}

lb_status lb_cache_copy_row(lb_cache_writer *w, lb_cache *c, int64_t row) {
    int status = lb_cache_row_status(c, row);
    if (status) return lb_cache_failed_row(w, (lb_status)-status, lb_cache_row_message(c, row));
    lb_status st = ready(w);
    if (st != LB_OK) return st;
    lb_buf_clear(&w->record);
    for (int i = 0, tap; i < w->ntaps; i++) {
        st = stored_tap(w, c, i, &tap);
        if (st == LB_OK) st = cache_stored_row(c, tap, row, &w->record);
        if (st != LB_OK) return st;
    }
    if (w->record.failed) return LB_E_NOMEM;
    return keep_up(w, cache_rows_add(&w->rows, lb_buf_str(&w->record), false));
}

lb_status lb_cache_flush(lb_cache_writer *w) {
    if (!w->part) return LB_OK;
    if (w->failed) return ready(w);
    return flush(w, lb_now() - w->synced >= w->sync_seconds);
}

lb_status lb_cache_sync(lb_cache_writer *w) { return !w->part ? LB_OK : w->failed ? ready(w) : flush(w, true); }

/* ---- ends ---- */
lb_status lb_cache_commit(lb_cache_writer **pw) {
    lb_cache_writer *w = *pw;
    lb_status st = LB_OK;
    *pw = NULL;
    if (!w || !w->part) goto done;
    if (w->failed) {
        st = ready(w);
        goto done;
    }
    if (w->rows.count < w->n) {
        st = lb_fail(LB_E_ARG, "%s: %lld of %lld rows are there", w->path, (long long)w->rows.count, (long long)w->n);
        goto done;
    }
    LB_TRY(flush(w, false)); /* should the disk be full now, nothing is lost */
    LB_TRY(cache_rows_end(&w->rows));
    LB_TRY(cache_finish(&w->rows, &w->print, (const char *const *)w->keys, w->keys_sha256));
    if (unlink(cache_part_path(w->part)) != 0 && errno != ENOENT) st = lb_fail(LB_E_IO, "%s: cannot remove: %s", cache_part_path(w->part), strerror(errno));
done:
    free_writer(w);
    return st;
}

void lb_cache_close_part(lb_cache_writer **pw) {
    lb_cache_writer *w = *pw;
    *pw = NULL;
    if (w && w->part && !w->failed && !cache_part_failed(w->part)) { /* a failure keeps its message */
        lb_buf kept = {0};
        lb_buf_text(&kept, lb_error_text());
        lb_status ignored = flush(w, true);
        if (ignored != LB_OK && kept.size) ignored = lb_fail(ignored, "%s", lb_buf_str(&kept));
        lb_buf_free(&kept);
    }
    free_writer(w);
}

void lb_cache_discard(lb_cache_writer **pw) {
    lb_cache_writer *w = *pw;
    *pw = NULL;
    if (w && w->part) {
        unlink(cache_part_path(w->part));
        if (w->rows.data_path) unlink(w->rows.data_path);
    }
    free_writer(w);
}
