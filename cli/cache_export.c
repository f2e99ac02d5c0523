/* SPDX-License-Identifier: Apache-2.0 */
/* Features as plain NumPy arrays for search tools: <tap>.npy, f32, C order, items that failed left out; keys.jsonl: one line per row. The
 * .npy layout: NumPy's format description, version 1.0. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "cli/encode_options.h"

enum { ROWS_AT_ONCE = 256 };

typedef struct exporter {
    lb_cache *c;
    int64_t *rows, count; /* good rows */
} exporter;

static lb_status begin_npy(FILE *f, const lb_cache_tap *t, int64_t n) {
    char dict[512], head[640];
    int at = snprintf(dict, sizeof dict, "{'descr': '<f4', 'fortran_order': False, 'shape': (%lld,", (long long)n);
    for (int d = 0; d < t->rank; d++) at += snprintf(dict + at, sizeof dict - (size_t)at, " %lld,", (long long)t->shape[d]);
    snprintf(dict + at, sizeof dict - (size_t)at, "), }");
    size_t size = 10 + strlen(dict) + 1, padded = (size + 63) / 64 * 64, text = padded - 10; /* data begin at a multiple of 64 */
    memcpy(head, "\x93NUMPY\x01\x00", 8);
    head[8] = (char)(text & 255);
    head[9] = (char)(text >> 8);
    memset(head + 10, ' ', text);
    memcpy(head + 10, dict, strlen(dict));
    head[padded - 1] = '\n';
    return fwrite(head, 1, padded, f) == padded ? LB_OK : lb_fail(LB_E_IO, "%s", strerror(errno));
}

static lb_status write_npy(FILE *f, exporter *e, int tap) {
    const lb_cache_tap *t = lb_cache_tap_at(e->c, tap);
    size_t width = 1;
    for (int d = 0; d < t->rank; d++) width *= (size_t)t->shape[d];
    float *values = lb_alloc(width * ROWS_AT_ONCE, sizeof *values);
    if (!values) return LB_E_NOMEM;
    lb_status st = begin_npy(f, t, e->count);
    for (int64_t i = 0; st == LB_OK && i < e->count; i += ROWS_AT_ONCE) {
        int64_t n = e->count - i < ROWS_AT_ONCE ? e->count - i : ROWS_AT_ONCE;
        st = lb_cache_read(e->c, tap, n, e->rows + i, values);
        if (st == LB_OK && fwrite(values, width * sizeof *values, (size_t)n, f) != (size_t)n && width) st = lb_fail(LB_E_IO, "%s", strerror(errno));
    }
    lb_free(values);
    return st;
}

/* Beside its name, then renamed. */
static lb_status export_tap(exporter *e, int tap, const char *folder) {
    lb_status st = LB_OK;
    const char *name = lb_cache_tap_at(e->c, tap)->name;
    char *path = lb_format_dup("%s/%s.npy", folder, name), *beside = lb_format_dup("%s/%s.npy.part", folder, name);
    FILE *f = beside ? fopen(beside, "wb") : NULL;
    if (!path || !beside) st = LB_E_NOMEM;
    else if (!f) st = lb_fail(LB_E_IO, "%s: %s", beside, strerror(errno));
    if (st == LB_OK) st = write_npy(f, e, tap);
    if (st == LB_OK && (fflush(f) != 0 || fsync(fileno(f)) != 0)) st = lb_fail(LB_E_IO, "%s", strerror(errno));
    if (st != LB_OK && f) st = lb_where(st, "%s", beside);
    if (f) fclose(f);
    if (st == LB_OK && rename(beside, path) != 0) st = lb_fail(LB_E_IO, "%s: %s", path, strerror(errno));
    if (st != LB_OK && beside) unlink(beside);
    lb_free(path);
    lb_free(beside);
    return st;
}

static lb_status export_keys(exporter *e, const char *folder) {
    lb_buf text = {0};
    lb_status st = LB_OK;
    char *path = lb_path_join(folder, "keys.jsonl");
    for (int64_t i = 0; i < e->count && st == LB_OK; i++) {
        lb_value *v = lb_value_map();
        lb_map_text(v, "key", lb_cache_key(e->c, e->rows[i]));
        st = lb_json_write(&text, v, 0);
        lb_buf_text(&text, "\n");
        lb_value_free(v);
    }
    if (st == LB_OK) st = lb_buf_status(&text);
    if (st == LB_OK) st = path ? lb_file_write(path, text.data, text.size) : LB_E_NOMEM;
    lb_buf_free(&text);
    lb_free(path);
    return st;
}

lb_status cli_export_features(const char *from, const char *folder, int64_t *count) {
    lb_status st = LB_OK;
    exporter e = {0};
    LB_TRY(lb_cache_open(&e.c, from));
    if (!(e.rows = lb_alloc((size_t)lb_cache_rows(e.c), sizeof *e.rows))) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int64_t i = 0; i < lb_cache_rows(e.c); i++)
        if (!lb_cache_row_status(e.c, i)) e.rows[e.count++] = i;
    LB_TRY(lb_make_folders(folder));
    for (int t = 0; t < lb_cache_taps(e.c); t++) {
        if (!lb_cache_tap_at(e.c, t)->ragged) LB_TRY(export_tap(&e, t, folder));
        else lb_say(LB_LOG_WARN, "export", "tap '%s' varies in length and is left out", lb_cache_tap_at(e.c, t)->name);
    }
    LB_TRY(export_keys(&e, folder));
    *count = e.count;
done:
    lb_cache_close(e.c);
    lb_free(e.rows);
    return st;
}
