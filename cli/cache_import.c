/* SPDX-License-Identifier: Apache-2.0 */
/* `limbeck cache import`: rows of a NumPy array as a feature file. Their origin is not known: the fingerprint is that of the file. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "base/hash.h"
#include "cli/cache_verbs.h"
#include "cli/npy.h"
#include "lb_version.h"

/* Keys: those of a list's items, or the lines of a text file. */
static lb_status keys_of_lines(char ***out, int64_t *count, const char *path) {
    lb_buf text = {0};
    lb_status st = lb_file_read(&text, path, (size_t)16 << 30);
    int64_t n = 0, at = 0;
    for (const char *p = lb_buf_str(&text); *p; p += strcspn(p, "\n"), p += *p == '\n') n++;
    char **keys = st == LB_OK ? lb_calloc((size_t)n + 1, sizeof *keys) : NULL;
    if (st == LB_OK && !keys) st = LB_E_NOMEM;
    for (const char *p = lb_buf_str(&text); st == LB_OK && *p; p += *p == '\n') {
        size_t size = strcspn(p, "\n");
        if (size == 0) st = lb_fail(LB_E_FORMAT, "%s:%lld: an empty key", path, (long long)at + 1);
        else if (!(keys[at++] = lb_strndup(p, size - (p[size - 1] == '\r')))) st = LB_E_NOMEM;
        p += size;
    }
    lb_buf_free(&text);
    if (st != LB_OK) {
        lb_names_free(keys, keys ? n : 0);
        return st;
    }
    *out = keys;
    *count = n;
    return LB_OK;
}

static lb_status keys_of_items(char ***out, int64_t *count, const char *path) {
    lb_items *items = NULL;
    lb_status st = lb_items_open(&items, 1, &path, NULL, NULL);
    if (st != LB_OK) return st;
    char **keys = lb_calloc((size_t)items->count + 1, sizeof *keys);
    for (int64_t i = 0; keys && i < items->count && st == LB_OK; i++)
        if (!(keys[i] = lb_strdup(items->at[i].key))) st = LB_E_NOMEM;
    if (!keys) st = LB_E_NOMEM;
    int64_t n = items->count;
    lb_items_free(items);
    if (st != LB_OK) {
        lb_names_free(keys, keys ? n : 0);
        return st;
    }
    *out = keys;
    *count = n;
    return LB_OK;
}

static lb_status keys_of_numbers(char ***out, int64_t n) {
    char **keys = lb_calloc((size_t)n + 1, sizeof *keys);
    lb_status st = keys ? LB_OK : LB_E_NOMEM;
    for (int64_t i = 0; st == LB_OK && i < n; i++)
        if (!(keys[i] = lb_format_dup("row-%09lld", (long long)i))) st = LB_E_NOMEM;
    if (st == LB_OK) *out = keys;
    else lb_names_free(keys, keys ? n : 0);
    return st;
}

static lb_status find_keys(char ***keys, const char *path, int64_t rows) {
    int64_t count = rows;
    lb_status st = !path ? keys_of_numbers(keys, rows) : lb_ends_with(path, ".jsonl") ? keys_of_items(keys, &count, path) : keys_of_lines(keys, &count, path);
    if (st == LB_OK && count != rows) {
        lb_names_free(*keys, count);
        *keys = NULL;
        return lb_fail(LB_E_MISMATCH, "%s has %lld keys, the array %lld rows", path, (long long)count, (long long)rows);
    }
    return st;
}

static lb_status write_rows(lb_cli *cli, lb_cache_writer *w, const cli_npy *n, const uint8_t *data, int64_t done) {
    lb_status st = LB_OK;
    int64_t width = 1;
    for (int d = 1; d < n->rank; d++) width *= n->shape[d];
    size_t bytes = (size_t)width * lb_dtype_size(n->dtype);
    float *row = lb_alloc((size_t)width, sizeof *row);
    void *aligned = lb_alloc_aligned(bytes ? bytes : 1);
    if (!row || !aligned) st = LB_E_NOMEM;
    lb_progress_begin(&cli->progress, "import", "rows", done, n->shape[0]);
    for (int64_t i = done; i < n->shape[0] && st == LB_OK; i++) {
        memcpy(aligned, data + n->data + i * (int64_t)bytes, bytes);
        lb_convert(row, LB_F32, aligned, n->dtype, width);
        bool finite = true;
        for (int64_t k = 0; k < width; k++) finite &= isfinite(row[k]) != 0;
        st = finite ? lb_cache_row(w, (const float *const[]){row}, NULL) : LB_E_NUMERIC;
        if (st == LB_E_NUMERIC) st = lb_cache_failed_row(w, LB_E_NUMERIC, "not a number that can be stored");
        if (st == LB_OK && i % 1024 == 1023) st = lb_progress_at(&cli->progress, i + 1, NULL);
    }
    lb_progress_end(&cli->progress, NULL);
    lb_free(aligned);
    lb_free(row);
    return st;
}

lb_status cli_cache_import(lb_cli *cli, const char *from, const cli_cache_options *o) {
    lb_status st = LB_OK;
    lb_mmap m = {0};
    cli_npy n;
    lb_fingerprint f = {.preprocessing = "unknown", .tokenizer = "unknown"};
    lb_tap_spec tap = {.name = o->encode.taps ? o->encode.taps : "embedding", .deflate = o->encode.deflate};
    char **keys = NULL, hex[65];
    lb_cache_writer *w = NULL;
    int64_t done = 0, failed = 0;
    if (!o->encode.out) return cli_usage("--out is missing: a name ending in .h5");
    LB_TRY(lb_mmap_open(&m, from));
    LB_TRY(cli_npy_read(&n, m.data, m.size, from));
    if (n.rank < 1) LB_TRY(lb_fail(LB_E_FORMAT, "%s: one number, want rows", from));
    LB_TRY(lb_dtype_parse(&tap.dtype, o->encode.dtype));
    tap.rank = n.rank - 1;
    memcpy(tap.shape, n.shape + 1, (size_t)tap.rank * sizeof *tap.shape);
    LB_TRY(find_keys(&keys, o->keys, n.shape[0]));
    lb_sha256_of(m.data, m.size, hex);
    snprintf(f.weights, sizeof f.weights, "imported:%s", hex);
    snprintf(f.taps, sizeof f.taps, "%s", tap.name);
    lb_sha256 sum;
    lb_sha256_init(&sum);
    for (int64_t i = 0; i < n.shape[0]; i++) lb_sha256_add(&sum, keys[i], strlen(keys[i]) + 1);
    lb_sha256_hex(&sum, f.list);
    snprintf(f.program, sizeof f.program, "limbeck %s", LB_VERSION);
    LB_TRY(lb_cache_begin(&w, &done, o->encode.out, &f, n.shape[0], (const char *const *)keys, 1, &tap));
    LB_TRY(write_rows(cli, w, &n, m.data, done));
    LB_TRY(lb_cache_commit(&w));
    LB_TRY(cli_say_features(cli, o->encode.out, -1, false, &failed));
done:
    lb_cache_close_part(&w);
    lb_names_free(keys, keys ? n.shape[0] : 0);
    lb_mmap_close(&m);
    return st;
}
