/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cache_arrays.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "cli/npy.h"

enum { ROWS_AT_ONCE = 256 };

lb_status cli_exporter_open(cli_exporter *e, const char *from) {
    *e = (cli_exporter){0};
    lb_status st = lb_cache_open(&e->c, from);
    if (st == LB_OK) st = lb_cache_load_keys(e->c);
    if (st == LB_OK && !(e->rows = lb_alloc((size_t)lb_cache_rows(e->c), sizeof *e->rows))) st = LB_E_NOMEM;
    for (int64_t i = 0; st == LB_OK && i < lb_cache_rows(e->c); i++)
        if (!lb_cache_row_status(e->c, i)) e->rows[e->count++] = i;
    if (st != LB_OK) cli_exporter_close(e);
    return st;
}

void cli_exporter_close(cli_exporter *e) {
    lb_cache_close(e->c);
    lb_free(e->rows);
    *e = (cli_exporter){0};
}

/* ---- what an array is ---- */

static lb_status count_positions(cli_exporter *e, int tap, int64_t *positions) {
    lb_status st = LB_OK;
    *positions = 0;
    for (int64_t i = 0; i < e->count && st == LB_OK; i++) {
        int64_t length = 0;
        st = lb_cache_length(e->c, tap, e->rows[i], &length);
        *positions += length;
    }
    return st;
}

/* Characters of UTF-8, as NumPy counts them. */
static int64_t characters(const char *s) {
    int64_t n = 0;
    for (; *s; s++) n += (*s & 0xC0) != 0x80;
    return n;
}

lb_status cli_array_of(cli_array *a, cli_exporter *e, cli_array_kind kind, int tap) {
    *a = (cli_array){.kind = kind, .tap = tap, .rank = 1, .width = 1, .descr = "<i8", .name = "keys"};
    a->shape[0] = e->count;
    if (kind == CLI_ARRAY_KEYS) {
        for (int64_t i = 0; i < e->count; i++) {
            int64_t n = characters(lb_cache_key(e->c, e->rows[i]));
            if (n > a->width) a->width = n;
        }
        snprintf(a->descr, sizeof a->descr, "<U%lld", (long long)a->width);
        return LB_OK;
    }
    const lb_cache_tap *t = lb_cache_tap_at(e->c, tap);
    snprintf(a->name, sizeof a->name, "%s%s", t->name, kind == CLI_ARRAY_OFFSETS ? ".offsets" : "");
    if (kind == CLI_ARRAY_OFFSETS) {
        a->shape[0] = e->count + 1;
        return LB_OK;
    }
    snprintf(a->descr, sizeof a->descr, "<f4");
    for (int d = t->ragged ? 1 : 0; d < t->rank; d++) a->width *= a->shape[a->rank++] = t->shape[d];
    return t->ragged ? count_positions(e, tap, &a->shape[0]) : LB_OK;
}

int64_t cli_array_bytes(const cli_array *a) { return a->shape[0] * a->width * (a->kind == CLI_ARRAY_OFFSETS ? 8 : 4); }

/* ---- its numbers ---- */

static lb_status put_fixed(cli_exporter *e, const cli_array *a, const cli_sink *to) {
    float *values = lb_alloc((size_t)a->width * ROWS_AT_ONCE, sizeof *values);
    lb_status st = values ? LB_OK : LB_E_NOMEM;
    for (int64_t i = 0; st == LB_OK && i < e->count; i += ROWS_AT_ONCE) {
        int64_t n = e->count - i < ROWS_AT_ONCE ? e->count - i : ROWS_AT_ONCE;
        st = lb_cache_read(e->c, a->tap, n, e->rows + i, values);
        if (st == LB_OK) st = to->put(to->to, values, (size_t)(n * a->width) * sizeof *values);
    }
    lb_free(values);
    return st;
}

static lb_status put_ragged(cli_exporter *e, const cli_array *a, const cli_sink *to) {
    lb_status st = LB_OK;
    for (int64_t i = 0; st == LB_OK && i < e->count; i++) {
        float *values = NULL;
        int64_t length = 0;
        st = lb_cache_read_ragged(e->c, a->tap, e->rows[i], &values, &length);
        if (st == LB_OK) st = to->put(to->to, values, (size_t)(length * a->width) * sizeof *values);
        lb_free(values);
    }
    return st;
}

static lb_status put_offsets(cli_exporter *e, const cli_array *a, const cli_sink *to) {
    int64_t sum = 0, length = 0;
    lb_status st = to->put(to->to, &sum, sizeof sum);
    for (int64_t i = 0; st == LB_OK && i < e->count; i++) {
        st = lb_cache_length(e->c, a->tap, e->rows[i], &length);
        sum += length;
        if (st == LB_OK) st = to->put(to->to, &sum, sizeof sum);
    }
    return st;
}

/* The character at *s, which moves on; keys are UTF-8 (readers see to that). */
static uint32_t next_character(const char **s) {
    const uint8_t *p = (const uint8_t *)*s;
    int more = p[0] < 0x80 ? 0 : p[0] < 0xE0 ? 1 : p[0] < 0xF0 ? 2 : 3;
    uint32_t c = more == 0 ? p[0] : p[0] & (0x3Fu >> more);
    for (*s += 1; more > 0 && (**s & 0xC0) == 0x80; more--) c = c << 6 | (uint32_t)(*(*s)++ & 0x3F);
    return c;
}

static lb_status put_keys(cli_exporter *e, const cli_array *a, const cli_sink *to) {
    uint32_t *text = lb_alloc((size_t)a->width, sizeof *text);
    lb_status st = text ? LB_OK : LB_E_NOMEM;
    for (int64_t i = 0; st == LB_OK && i < e->count; i++) {
        const char *key = lb_cache_key(e->c, e->rows[i]);
        for (int64_t k = 0; k < a->width; k++) text[k] = *key ? next_character(&key) : 0;
        st = to->put(to->to, text, (size_t)a->width * sizeof *text);
    }
    lb_free(text);
    return st;
}

lb_status cli_array_write(cli_exporter *e, const cli_array *a, bool head, const cli_sink *to) {
    lb_buf text = {0};
    if (head) cli_npy_head(&text, a->descr, a->rank, a->shape);
    lb_status st = lb_buf_status(&text);
    if (st == LB_OK && head) st = to->put(to->to, text.data, text.size);
    lb_buf_free(&text);
    if (st != LB_OK) return st;
    if (a->kind == CLI_ARRAY_KEYS) return put_keys(e, a, to);
    if (a->kind == CLI_ARRAY_OFFSETS) return put_offsets(e, a, to);
    return lb_cache_tap_at(e->c, a->tap)->ragged ? put_ragged(e, a, to) : put_fixed(e, a, to);
}

/* ---- files ---- */

static lb_status put_file(void *to, const void *bytes, size_t size) {
    return fwrite(bytes, 1, size, to) == size ? LB_OK : lb_fail(LB_E_IO, "cannot write: %s", strerror(errno));
}

lb_status cli_write_file(const char *path, lb_status (*fill)(void *ctx, const cli_sink *to), void *ctx) {
    lb_status st = LB_OK;
    char *beside = lb_format_dup("%s.part", path);
    FILE *f = beside ? fopen(beside, "wb") : NULL;
    if (!beside) st = LB_E_NOMEM;
    else if (!f) st = lb_fail(LB_E_IO, "%s", strerror(errno));
    if (st == LB_OK) st = fill(ctx, &(cli_sink){put_file, f});
    if (st == LB_OK && (fflush(f) != 0 || fsync(fileno(f)) != 0)) st = lb_fail(LB_E_IO, "cannot write: %s", strerror(errno));
    if (f) fclose(f);
    if (st == LB_OK && rename(beside, path) != 0) st = lb_fail(LB_E_IO, "%s", strerror(errno));
    if (st != LB_OK && beside) unlink(beside);
    lb_free(beside);
    return st == LB_OK ? LB_OK : lb_where(st, "%s", path);
}
