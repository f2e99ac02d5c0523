/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of a writer. Full chunks go to their place in the data file at once and are never written again; what does not fill a chunk yet,
 * and the tables, go to the journal, one record a flush (little-endian):
 *   i64 rows, i64 end of the data, i64 1 if the data before this record are on the disk, i64 chunks, i64 pieces, i64 first new row
 *   chunks: i64 tap, i64 address, i64 size, u64 XXH64; in the order of each tap's grid
 *   pieces: i64 tap, i64 first position, i64 count, stored bytes
 *   rows: u8 status; failed: i64 size, message; good: i64 length per ragged tap, f32 scale per i8 tap */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/hash.h"
#include "io/cache_private.h"

typedef struct group {
    int64_t rows, data_end, synced, chunks, pieces, first;
} group;

typedef struct chunk_entry {
    int64_t tap, address, size;
    uint64_t sum;
} chunk_entry;

typedef struct piece_entry {
    int64_t tap, first, count;
} piece_entry;

/* ---- columns ---- */

static int64_t positions_of(const cache_rows *r, const cache_column *c) { return c->offsets ? c->offsets[r->count] : r->count; }

static lb_status add_chunk(cache_rows *r, const cache_chunk *k) {
    cache_column *c = &r->columns[k->tap];
    if (c->nchunks == c->room) {
        int64_t room = 2 * c->room + 16;
        int64_t *address = lb_realloc(c->address, (size_t)room, sizeof *address);
        if (address) c->address = address;
        int64_t *size = lb_realloc(c->size, (size_t)room, sizeof *size);
        if (size) c->size = size;
        uint64_t *sum = lb_realloc(c->sum, (size_t)room, sizeof *sum);
        if (sum) c->sum = sum;
        if (!address || !size || !sum) return LB_E_NOMEM;
        c->room = room;
    }
    c->address[c->nchunks] = k->address;
    c->size[c->nchunks] = k->size;
    c->sum[c->nchunks++] = k->sum;
    return LB_OK;
}

static lb_status on_written(void *ctx, const cache_chunk *k) {
    cache_rows *r = ctx;
    if (r->nfresh == r->fresh_room) {
        int64_t room = 2 * r->fresh_room + 16;
        cache_chunk *fresh = lb_realloc(r->fresh, (size_t)room, sizeof *fresh);
        if (!fresh) return LB_E_NOMEM;
        r->fresh = fresh;
        r->fresh_room = room;
    }
    r->fresh[r->nfresh++] = *k;
    return add_chunk(r, k);
}

static lb_status need_block(cache_rows *r, cache_column *c) {
    if (!c->block && !(c->block = cache_pool_buffer(r->pool, c->grid.rows * c->grid.row_bytes))) return LB_E_NOMEM;
    return LB_OK;
}

/* The block as chunks; a block that is not full is padded with zeros. */
static lb_status emit_block(cache_rows *r, int tap) {
    cache_column *c = &r->columns[tap];
    const cache_grid *g = &c->grid;
    lb_status st = LB_OK;
    int element = (int)lb_dtype_size(c->spec->dtype);
    int64_t used = c->held * g->row_bytes;
    c->first += c->held;
    c->held = 0;
    if (c->journaled < c->first) c->journaled = c->first;
    if (g->slabs == 1) {
        memset(c->block + used, 0, (size_t)(g->chunk_bytes - used));
        char *block = c->block;
        c->block = NULL;
        return cache_pool_put(r->pool, tap, block, g->chunk_bytes, element, c->spec->deflate);
    }
    for (int64_t i = 0; i < g->slabs && st == LB_OK; i++) {
        int64_t offset, bytes;
        char *slab = cache_pool_buffer(r->pool, g->chunk_bytes);
        if (!slab) return LB_E_NOMEM;
        cache_grid_slab(g, i, &offset, &bytes);
        memcpy(slab, c->block + offset, (size_t)bytes);
        memset(slab + bytes, 0, (size_t)(g->chunk_bytes - bytes));
        st = cache_pool_put(r->pool, tap, slab, g->chunk_bytes, element, c->spec->deflate);
    }
    return st;
}

static void fill_failed(char *to, const cache_column *c, int64_t positions) {
    int64_t size = (int64_t)lb_dtype_size(c->spec->dtype), n = positions * c->grid.row_bytes / size;
    const float nan = NAN;
    if (c->spec->dtype == LB_I8 || c->spec->dtype == LB_U16 || c->spec->dtype == LB_U32) memset(to, 0, (size_t)(n * size));
    else for (int64_t k = 0; k < n; k++) lb_convert(to + k * size, c->spec->dtype, &nan, LB_F32, 1);
}

/* Appends positions; NULL bytes = the filling of a failed item. */
static lb_status feed(cache_rows *r, int tap, const char *bytes, int64_t positions) {
    cache_column *c = &r->columns[tap];
    const cache_grid *g = &c->grid;
    while (positions > 0 && g->row_bytes > 0) {
        int64_t n = g->rows - c->held < positions ? g->rows - c->held : positions;
        lb_status st = need_block(r, c);
        if (st != LB_OK) return st;
        char *to = c->block + c->held * g->row_bytes;
        if (bytes) {
            memcpy(to, bytes, (size_t)(n * g->row_bytes));
            bytes += n * g->row_bytes;
        } else fill_failed(to, c, n);
        c->held += n;
        positions -= n;
        if (c->held == g->rows) st = emit_block(r, tap);
        if (st != LB_OK) return st;
    }
    return LB_OK;
}

static bool has_place(const cache_column *c) { return !c->offsets && !c->spec->classes && c->grid.row_bytes > 0; }

lb_status cache_rows_place(cache_rows *r, int tap, char **place) {
    cache_column *c = &r->columns[tap];
    *place = NULL;
    if (!has_place(c)) return LB_OK;
    lb_status st = need_block(r, c);
    if (st == LB_OK) *place = c->block + c->held * c->grid.row_bytes;
    return st;
}

/* One more position, whose bytes are in the block. */
static lb_status fed(cache_rows *r, int tap) {
    cache_column *c = &r->columns[tap];
    return ++c->held == c->grid.rows ? emit_block(r, tap) : LB_OK;
}

lb_status cache_rows_add(cache_rows *r, const char *value, bool in_place) {
    for (int t = 0; t < r->ntaps; t++) {
        cache_column *c = &r->columns[t];
        int64_t positions = 1;
        if (c->offsets) {
            memcpy(&positions, value, sizeof positions);
            value += sizeof positions;
            c->offsets[r->count + 1] = c->offsets[r->count] + positions;
        }
        if (c->scale) {
            memcpy(&c->scale[r->count], value, sizeof *c->scale);
            value += sizeof *c->scale;
        }
        bool placed = in_place && has_place(c);
        lb_status st = placed ? fed(r, t) : feed(r, t, value, positions);
        if (st != LB_OK) return st;
        value += placed ? 0 : positions * c->grid.row_bytes;
    }
    r->status[r->count++] = 0;
    return LB_OK;
}

lb_status cache_rows_fail(cache_rows *r, int status, const char *message) {
    char *copy = lb_strdup(message);
    if (!copy) return LB_E_NOMEM;
    r->messages[r->count] = copy;
    for (int t = 0; t < r->ntaps; t++) {
        cache_column *c = &r->columns[t];
        if (c->offsets) c->offsets[r->count + 1] = c->offsets[r->count];
        lb_status st = c->offsets ? LB_OK : feed(r, t, NULL, 1);
        if (st != LB_OK) return st;
    }
    r->status[r->count++] = (uint8_t)status;
    return LB_OK;
}

/* ---- to the journal ---- */

static void add_pieces(cache_rows *r, int64_t *pieces, bool count_only) {
    *pieces = 0;
    for (int t = 0; t < r->ntaps; t++) {
        cache_column *c = &r->columns[t];
        int64_t end = c->first + c->held;
        if (c->journaled >= end) continue;
        ++*pieces;
        if (count_only) continue;
        piece_entry p = {t, c->journaled, end - c->journaled};
        lb_buf_add(&r->record, &p, sizeof p);
        lb_buf_add(&r->record, c->block + (c->journaled - c->first) * c->grid.row_bytes, (size_t)(p.count * c->grid.row_bytes));
        c->journaled = end;
    }
}

static void add_rows(cache_rows *r) {
    for (int64_t i = r->known; i < r->count; i++) {
        lb_buf_add(&r->record, &r->status[i], 1);
        if (r->status[i]) {
            int64_t size = (int64_t)strlen(r->messages[i]);
            lb_buf_add(&r->record, &size, sizeof size);
            lb_buf_add(&r->record, r->messages[i], (size_t)size);
            continue;
        }
        for (int t = 0; t < r->ntaps; t++) {
            const cache_column *c = &r->columns[t];
            int64_t length = c->offsets ? c->offsets[i + 1] - c->offsets[i] : 0;
            if (c->offsets) lb_buf_add(&r->record, &length, sizeof length);
            if (c->scale) lb_buf_add(&r->record, &c->scale[i], sizeof *c->scale);
        }
    }
}

lb_status cache_rows_flush(cache_rows *r, bool sync) {
    lb_status st = LB_OK;
    group g = {0};
    LB_TRY(cache_pool_drain(r->pool, on_written, r, &r->data_end));
    if (sync && fdatasync(r->fd) != 0) {
        st = lb_fail(LB_E_IO, "%s: cannot sync: %s (finished rows are kept; the same command goes on from there)", r->data_path, strerror(errno));
        goto done;
    }
    if (r->known < r->count || r->nfresh || sync) {
        g = (group){.rows = r->count, .data_end = r->data_end, .synced = sync, .chunks = r->nfresh, .first = r->known};
        add_pieces(r, &g.pieces, true);
        lb_buf_clear(&r->record);
        lb_buf_add(&r->record, &g, sizeof g);
        for (int64_t i = 0; i < r->nfresh; i++) {
            const cache_chunk *k = &r->fresh[i];
            lb_buf_add(&r->record, &(chunk_entry){k->tap, k->address, k->size, k->sum}, sizeof(chunk_entry));
        }
        add_pieces(r, &g.pieces, false);
        add_rows(r);
        LB_TRY(lb_buf_status(&r->record));
        LB_TRY(cache_part_add(r->part, &(cache_record){(int64_t)r->record.size, r->record.data}));
        r->known = r->count;
        r->nfresh = 0;
    }
    if (sync) LB_TRY(cache_part_sync(r->part));
done:
    return st;
}

lb_status cache_rows_end(cache_rows *r) {
    lb_status st = LB_OK;
    for (int t = 0; t < r->ntaps; t++) {
        cache_column *c = &r->columns[t];
        if (c->offsets) cache_grid_make(&c->grid, c->spec, positions_of(r, c)); /* now its size is known */
        if (c->held) LB_TRY(emit_block(r, t));
    }
    LB_TRY(cache_pool_drain(r->pool, on_written, r, &r->data_end));
done:
    return st;
}

/* ---- from the journal ---- */

typedef struct reading {
    const char *at;
    int64_t left;
} reading;

static bool take(reading *in, void *out, size_t n) {
    if (in->left < (int64_t)n) return false;
    memcpy(out, in->at, n);
    in->at += n;
    in->left -= (int64_t)n;
    return true;
}

static lb_status odd(const cache_rows *r) { return lb_fail(LB_E_FORMAT, "%s: a record does not fit the run that it is of; remove the file", cache_part_path(r->part)); }

/* Chunks of a record that was not synced may be lost though the record is not; those of one that was are there, in a file of that size. */
static lb_status check_chunks(cache_rows *r, reading in, int64_t count, bool synced, bool *good) {
    lb_status st = LB_OK;
    *good = true;
    int64_t end = lseek(r->fd, 0, SEEK_END);
    for (int64_t i = 0; i < count && *good && st == LB_OK; i++) {
        chunk_entry k;
        if (!take(&in, &k, sizeof k) || k.size < 0 || k.size > INT32_MAX || k.address < CACHE_DATA) return odd(r);
        *good = k.address + k.size <= end;
        if (synced || !*good) continue;
        char *bytes = lb_alloc((size_t)k.size, 1);
        if (!bytes) return LB_E_NOMEM;
        st = cache_pread(r->fd, r->data_path, bytes, k.size, k.address);
        *good = st == LB_OK && lb_hash64(bytes, (size_t)k.size, 0) == k.sum;
        if (st == LB_E_FORMAT) st = LB_OK; /* the file ends before */
        lb_free(bytes);
    }
    lb_error_clear();
    return st;
}

static lb_status apply_chunks(cache_rows *r, reading *in, const group *g) {
    for (int64_t i = 0; i < g->chunks; i++) {
        chunk_entry k;
        if (!take(in, &k, sizeof k) || k.tap < 0 || k.tap >= r->ntaps) return odd(r);
        lb_status st = add_chunk(r, &(cache_chunk){(int)k.tap, k.address, k.size, k.sum});
        if (st != LB_OK) return st;
        cache_column *c = &r->columns[k.tap];
        if (c->nchunks % c->grid.slabs) continue;
        c->first = c->journaled = c->nchunks / c->grid.slabs * c->grid.rows;
        c->held = 0;
    }
    return LB_OK;
}

static lb_status apply_pieces(cache_rows *r, reading *in, const group *g) {
    for (int64_t i = 0; i < g->pieces; i++) {
        piece_entry p;
        if (!take(in, &p, sizeof p) || p.tap < 0 || p.tap >= r->ntaps) return odd(r);
        cache_column *c = &r->columns[p.tap];
        int64_t at = p.first - c->first;
        if (at != c->held || p.count < 0 || p.count > c->grid.rows - at || p.count * c->grid.row_bytes > in->left) return odd(r);
        lb_status st = need_block(r, c);
        if (st != LB_OK) return st;
        (void)take(in, c->block + at * c->grid.row_bytes, (size_t)(p.count * c->grid.row_bytes));
        c->held += p.count;
        c->journaled = c->first + c->held;
    }
    return LB_OK;
}

static lb_status apply_row(cache_rows *r, reading *in) {
    int64_t i = r->count, size = 0;
    if (!take(in, &r->status[i], 1)) return odd(r);
    bool failed = r->status[i] != 0;
    if (failed) {
        if (!take(in, &size, sizeof size) || size < 0 || size > in->left) return odd(r);
        if (!(r->messages[i] = lb_strndup(in->at, (size_t)size))) return LB_E_NOMEM;
        in->at += size;
        in->left -= size;
    }
    for (int t = 0; t < r->ntaps; t++) {
        cache_column *c = &r->columns[t];
        int64_t length = 0;
        if (c->offsets && !failed && (!take(in, &length, sizeof length) || length < 0)) return odd(r);
        if (c->offsets) c->offsets[i + 1] = c->offsets[i] + length;
        if (c->scale && !failed && !take(in, &c->scale[i], sizeof *c->scale)) return odd(r);
    }
    r->count++;
    return LB_OK;
}

static lb_status apply(cache_rows *r, const cache_record *record, bool synced, bool *good) {
    lb_status st = LB_OK;
    reading in = {record->data, record->size};
    group g;
    *good = true;
    if (!take(&in, &g, sizeof g) || g.first != r->count || g.rows < g.first || g.rows > r->n || g.chunks < 0) return odd(r);
    LB_TRY(check_chunks(r, in, g.chunks, synced, good));
    if (!*good) goto done;
    LB_TRY(apply_chunks(r, &in, &g));
    LB_TRY(apply_pieces(r, &in, &g));
    while (r->count < g.rows) LB_TRY(apply_row(r, &in));
    r->data_end = g.data_end;
    for (int t = 0; t < r->ntaps; t++) {
        const cache_column *c = &r->columns[t];
        if (c->grid.row_bytes && c->first + c->held != positions_of(r, c)) return odd(r);
    }
    r->known = r->count;
done:
    return st;
}

static lb_status last_synced(cache_rows *r, int64_t *number) {
    lb_status st = LB_OK;
    bool end = false;
    *number = -1;
    cache_part_rewind(r->part);
    for (int64_t i = 0;; i++) {
        cache_record record;
        group g = {0};
        LB_TRY(cache_part_next(r->part, &record, &end));
        if (end) break;
        if (record.size >= (int64_t)sizeof g) memcpy(&g, record.data, sizeof g);
        if (g.synced) *number = i;
    }
done:
    return st;
}

/* Up to the last record that is whole and whose chunks are there. */
static lb_status replay(cache_rows *r) {
    lb_status st = LB_OK;
    int64_t synced = -1;
    bool end = false, good = true;
    LB_TRY(last_synced(r, &synced));
    cache_part_rewind(r->part);
    for (int64_t i = 0; good; i++) {
        cache_record record;
        LB_TRY(cache_part_next(r->part, &record, &end));
        if (end) break;
        LB_TRY(apply(r, &record, i <= synced, &good));
    }
    LB_TRY(cache_part_cut(r->part, !good));
done:
    return st;
}

/* ---- opening ---- */

static lb_status make_columns(cache_rows *r, int ntaps, const lb_tap_spec *taps) {
    r->ntaps = ntaps;
    r->status = lb_calloc((size_t)r->n, 1);
    r->messages = lb_calloc((size_t)r->n, sizeof *r->messages);
    r->columns = lb_calloc((size_t)ntaps, sizeof *r->columns);
    if (!r->status || !r->messages || !r->columns) return LB_E_NOMEM;
    for (int t = 0; t < ntaps; t++) {
        cache_column *c = &r->columns[t];
        c->spec = &taps[t];
        cache_grid_make(&c->grid, &taps[t], taps[t].ragged ? -1 : r->n);
        if (taps[t].ragged && !(c->offsets = lb_calloc((size_t)r->n + 1, sizeof *c->offsets))) return LB_E_NOMEM;
        if (taps[t].dtype == LB_I8 && !(c->scale = lb_calloc((size_t)r->n, sizeof *c->scale))) return LB_E_NOMEM;
    }
    return LB_OK;
}

static lb_status sync_name(const cache_rows *r) {
    char *folder = lb_path_folder(r->data_path);
    lb_status st = folder ? lb_sync_folder(folder) : LB_E_NOMEM;
    lb_free(folder);
    return st;
}

lb_status cache_rows_open(cache_rows *r, const char *path, cache_part *part, bool fresh, int64_t n, int ntaps, const lb_tap_spec *taps, int workers) {
    lb_status st = LB_OK;
    r->n = n;
    r->path = path;
    r->part = part;
    r->data_end = CACHE_DATA;
    r->fd = -1;
    if (!(r->data_path = lb_format_dup("%s.chunks", path))) return LB_E_NOMEM;
    LB_TRY(make_columns(r, ntaps, taps));
    r->fd = open(r->data_path, O_RDWR | O_CREAT | O_CLOEXEC | (fresh ? O_TRUNC : 0), 0666);
    if (r->fd < 0) {
        st = lb_fail(LB_E_IO, "%s: %s", r->data_path, strerror(errno));
        goto done;
    }
    LB_TRY(sync_name(r)); /* or a power cut might leave a journal that speaks of chunks in a file without a name */
    LB_TRY(cache_pool_open(&r->pool, r->fd, r->data_path, CACHE_DATA, workers));
    LB_TRY(replay(r));
    cache_pool_move(r->pool, r->data_end);
    if (ftruncate(r->fd, r->data_end) != 0) st = lb_fail(LB_E_IO, "%s: cannot cut: %s", r->data_path, strerror(errno));
done:
    return st;
}

void cache_rows_close(cache_rows *r) {
    cache_pool_close(r->pool);
    for (int t = 0; r->columns && t < r->ntaps; t++) {
        cache_column *c = &r->columns[t];
        lb_free(c->block);
        lb_free(c->offsets);
        lb_free(c->scale);
        lb_free(c->address);
        lb_free(c->size);
        lb_free(c->sum);
    }
    for (int64_t i = 0; r->messages && i < r->n; i++) lb_free(r->messages[i]);
    if (r->fd > 0) close(r->fd);
    lb_free(r->columns);
    lb_free(r->messages);
    lb_free(r->status);
    lb_free(r->fresh);
    lb_free(r->data_path);
    lb_buf_free(&r->record);
    *r = (cache_rows){0};
}
