/* SPDX-License-Identifier: Apache-2.0 */
/* What a feature file or a cache folder holds. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "cli/encode_options.h"

/* ---- ranges and norms, over the rows that are good ---- */

typedef struct range {
    double least, most, norm, norm_least, norm_most;
    int64_t rows, zeros;
} range;

static void add_row(range *r, const float *x, int64_t n) {
    double squares = 0;
    for (int64_t i = 0; i < n; i++) {
        squares += (double)x[i] * (double)x[i];
        r->least = fmin(r->least, (double)x[i]);
        r->most = fmax(r->most, (double)x[i]);
    }
    double norm = sqrt(squares);
    r->norm += norm;
    r->norm_least = fmin(r->norm_least, norm);
    r->norm_most = fmax(r->norm_most, norm);
    r->zeros += norm == 0;
    r->rows++;
}

static lb_status read_ragged(range *r, lb_cache *c, int tap, int64_t inner) {
    for (int64_t i = 0; i < lb_cache_rows(c); i++) {
        float *x = NULL;
        int64_t length = 0;
        if (lb_cache_row_status(c, i)) continue;
        lb_status st = lb_cache_read_ragged(c, tap, i, &x, &length);
        if (st != LB_OK) return st;
        add_row(r, x, length * inner);
        lb_free(x);
    }
    return LB_OK;
}

static lb_status read_fixed(range *r, lb_cache *c, int tap, int64_t width) {
    enum { AT_ONCE = 1 << 20 };
    int64_t rows[4096], step = width > 0 ? AT_ONCE / width : 1;
    if (step < 1) step = 1;
    if (step > (int64_t)LB_COUNT(rows)) step = (int64_t)LB_COUNT(rows);
    float *x = lb_alloc((size_t)(step * width), sizeof *x);
    lb_status st = x ? LB_OK : LB_E_NOMEM;
    for (int64_t at = 0; at < lb_cache_rows(c) && st == LB_OK;) {
        int64_t n = 0;
        for (; at < lb_cache_rows(c) && n < step; at++)
            if (!lb_cache_row_status(c, at)) rows[n++] = at;
        st = lb_cache_read(c, tap, n, rows, x);
        for (int64_t i = 0; i < n && st == LB_OK; i++) add_row(r, x + i * width, width);
    }
    lb_free(x);
    return st;
}

static lb_status put_range(lb_value *v, lb_cache *c, int tap) {
    const lb_cache_tap *t = lb_cache_tap_at(c, tap);
    range r = {.least = DBL_MAX, .most = -DBL_MAX, .norm_least = DBL_MAX};
    int64_t width = 1;
    for (int d = t->ragged ? 1 : 0; d < t->rank; d++) width *= t->shape[d];
    lb_status st = t->ragged ? read_ragged(&r, c, tap, width) : read_fixed(&r, c, tap, width);
    if (st != LB_OK || r.rows == 0 || width == 0 || r.least > r.most) return st;
    lb_map_real(v, "min", r.least);
    lb_map_real(v, "max", r.most);
    lb_map_real(v, "norm", r.norm / (double)r.rows);
    lb_map_real(v, "norm_min", r.norm_least);
    lb_map_real(v, "norm_max", r.norm_most);
    lb_map_int(v, "zero_rows", r.zeros);
    return LB_OK;
}

static lb_status put_bytes(lb_value *v, const char *path) {
    char **names = NULL;
    int64_t count = 0, files = 0, bytes = 0, one = 0;
    bool folder = lb_is_folder(path);
    lb_status st = folder ? lb_list_folder(&names, &count, path) : lb_file_size(&bytes, path);
    for (int64_t i = 0; i < count && st == LB_OK; i++) {
        char *full = lb_path_join(path, names[i]);
        if (!full) st = LB_E_NOMEM;
        else if (lb_ends_with(names[i], ".h5") && (st = lb_file_size(&one, full)) == LB_OK) files++, bytes += one;
        lb_free(full);
    }
    lb_names_free(names, count);
    lb_map_int(v, "files", folder ? files : 1);
    lb_map_int(v, "bytes", bytes);
    return st;
}

/* ---- the whole ---- */

static lb_status put_taps(lb_value *v, lb_cache *c, bool ranges) {
    lb_status st = LB_OK;
    lb_value *taps = lb_value_map();
    for (int i = 0; i < lb_cache_taps(c); i++) {
        const lb_cache_tap *t = lb_cache_tap_at(c, i);
        lb_value *tap = lb_value_map(), *shape = lb_value_list();
        for (int d = 0; d < t->rank; d++) lb_list_int(shape, t->ragged && d == 0 ? -1 : t->shape[d]);
        lb_map_text(tap, "dtype", lb_dtype_name(t->dtype));
        lb_map_put(tap, "shape", shape);
        if (ranges && st == LB_OK) st = put_range(tap, c, i);
        lb_map_put(taps, t->name, tap);
    }
    lb_map_put(v, "taps", taps);
    return st;
}

static void put_print(lb_value *v, const lb_fingerprint *f) {
    lb_value *p = lb_value_map();
    lb_map_text(p, "weights", f->weights);
    lb_map_text(p, "preprocessing", f->preprocessing);
    lb_map_text(p, "tokenizer", f->tokenizer);
    lb_map_text(p, "taps", f->taps);
    lb_map_text(p, "list", f->list);
    lb_map_text(p, "program", f->program);
    lb_map_put(v, "fingerprint", p);
}

static void put_failures(lb_value *v, const lb_cache *c) {
    enum { SHOWN = 5 };
    int64_t by[256] = {0}, failed = 0, shown = 0;
    lb_value *reasons = lb_value_map(), *first = lb_value_list();
    for (int64_t i = 0; i < lb_cache_rows(c); i++) {
        int code = lb_cache_row_status(c, i) & 255;
        if (!code) continue;
        by[code]++;
        failed++;
        if (shown++ >= SHOWN) continue;
        lb_value *one = lb_value_map();
        lb_map_text(one, "key", lb_cache_key(c, i));
        lb_map_text(one, "message", lb_cache_row_message(c, i));
        lb_list_put(first, one);
    }
    for (int code = 1; code < 256; code++)
        if (by[code]) lb_map_int(reasons, lb_status_name((lb_status)-code), by[code]);
    lb_map_int(v, "failed", failed);
    lb_map_put(v, "reasons", reasons);
    lb_map_put(v, "first_failures", first);
}

lb_status cli_features_value(lb_value **out, const char *path, bool ranges) {
    lb_cache *c = NULL;
    lb_status st = lb_cache_open(&c, path);
    if (st != LB_OK) return st;
    lb_value *v = lb_value_map();
    lb_map_text(v, "path", path);
    lb_map_int(v, "items", lb_cache_rows(c));
    put_failures(v, c);
    st = put_taps(v, c, ranges);
    put_print(v, lb_cache_fingerprint(c));
    lb_cache_close(c);
    if (st == LB_OK && ranges) st = put_bytes(v, path);
    if (st == LB_OK && v) *out = v;
    else lb_value_free(v);
    return st == LB_OK && !v ? LB_E_NOMEM : st;
}

static lb_status for_people(const lb_value *v) {
    const lb_value *taps = lb_get(v, "taps"), *reasons = lb_get(v, "reasons"), *first = lb_get(v, "first_failures");
    lb_status st = cli_print("%s: %lld items, %lld failed", lb_get_text(v, "path", ""), (long long)lb_get_int(v, "items", 0), (long long)lb_get_int(v, "failed", 0));
    char size[24];
    if (st == LB_OK && lb_get(v, "bytes")) st = cli_print("  %lld files, %s", (long long)lb_get_int(v, "files", 0), cli_bytes(size, lb_get_int(v, "bytes", 0)));
    for (int64_t i = 0; st == LB_OK && taps && i < taps->count; i++) {
        lb_buf shape = {0};
        st = lb_json_write(&shape, lb_get(taps->items[i], "shape"), 0);
        const lb_value *t = taps->items[i];
        if (lb_get(t, "min"))
            lb_buf_format(&shape, "  %g to %g, norm %.4g (%g to %g)", lb_get_real(t, "min", 0), lb_get_real(t, "max", 0), lb_get_real(t, "norm", 0),
                          lb_get_real(t, "norm_min", 0), lb_get_real(t, "norm_max", 0));
        if (st == LB_OK) st = cli_print("  %-20s %s %s", taps->keys[i], lb_get_text(t, "dtype", ""), lb_buf_str(&shape));
        lb_buf_free(&shape);
    }
    for (int64_t i = 0; st == LB_OK && reasons && i < reasons->count; i++) st = cli_print("  failed: %lld %s", (long long)reasons->items[i]->integer, reasons->keys[i]);
    for (int64_t i = 0; st == LB_OK && first && i < first->count; i++) st = cli_print("    %s: %s", lb_get_text(first->items[i], "key", ""), lb_get_text(first->items[i], "message", ""));
    return st;
}

lb_status cli_say_features(const lb_cli *cli, const char *path, double seconds, bool ranges, int64_t *failed) {
    lb_value *v = NULL;
    lb_status st = cli_features_value(&v, path, ranges);
    if (st != LB_OK) return st;
    if (seconds >= 0) lb_map_real(v, "seconds", seconds);
    *failed = lb_get_int(v, "failed", 0);
    st = cli->json ? cli_json(v) : for_people(v);
    lb_value_free(v);
    return st;
}
