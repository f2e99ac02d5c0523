/* SPDX-License-Identifier: Apache-2.0 */
/* From the journal to the finished feature file: one pass, one chunk per tap in memory, beside the name, synced, renamed. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/hash.h"
#include "io/cache_private.h"

static char none[1]; /* the message of every good item */

/* One tap while it is written. */
struct column {
    const lb_tap_spec *spec;
    lb_h5_data *data;
    char *block;             /* rows of one chunk, as stored */
    int64_t row_bytes;       /* of one position of /features/<tap> */
    int64_t block_rows, held, written, positions;
    lb_tensor *offsets, *scale, *sums; /* i64 [n+1], f32 [n], u64 [blocks]; NULL where the tap has none */
};

struct build {
    const cache_plan *plan;
    lb_h5 *file;
    struct column *columns;
    lb_tensor *status;
    char **messages;
};

static lb_status begin_column(struct build *b, int i) {
    const cache_plan *p = b->plan;
    struct column *c = &b->columns[i];
    char path[160];
    int64_t shape[LB_MAX_RANK + 1], chunk[LB_MAX_RANK + 1], offsets = p->n + 1;
    c->spec = &p->taps[i];
    c->positions = p->positions[i];
    int rank = cache_shape(shape, c->spec, c->positions);
    bool chunked = cache_chunk(chunk, c->spec->dtype, rank, shape);
    lb_status st = lb_h5_data_create(&c->data, b->file, cache_path(path, "/features", c->spec->name), c->spec->dtype, rank, shape, chunked ? chunk : NULL);
    if (st != LB_OK) return st;
    c->row_bytes = c->data->row * (int64_t)lb_dtype_size(c->spec->dtype);
    c->block_rows = chunked ? chunk[0] : 1;
    int64_t blocks = chunked ? (c->positions + c->block_rows - 1) / c->block_rows : 0;
    if (!(c->block = lb_alloc((size_t)c->block_rows, (size_t)c->row_bytes))) return LB_E_NOMEM;
    st = lb_tensor_new(&c->sums, LB_U64, 1, &blocks);
    if (st == LB_OK && c->spec->ragged) st = lb_tensor_new(&c->offsets, LB_I64, 1, &offsets);
    if (st == LB_OK && c->spec->dtype == LB_I8) st = lb_tensor_new(&c->scale, LB_F32, 1, &p->n);
    return st;
}

static lb_status flush_column(struct column *c) {
    if (c->held == 0) return LB_OK;
    ((uint64_t *)c->sums->data)[c->written / c->block_rows] = lb_hash64(c->block, (size_t)(c->held * c->row_bytes), 0);
    lb_status st = lb_h5_data_write(c->data, c->written, c->held, c->block);
    c->written += c->held;
    c->held = 0;
    return st;
}

/* Appends positions; NULL bytes = the filling of a failed item. */
static lb_status feed_column(struct column *c, const char *bytes, int64_t rows) {
    while (rows > 0 && c->row_bytes > 0) {
        int64_t n = c->block_rows - c->held < rows ? c->block_rows - c->held : rows;
        char *to = c->block + c->held * c->row_bytes;
        if (bytes) {
            memcpy(to, bytes, (size_t)(n * c->row_bytes));
            bytes += n * c->row_bytes;
        } else {
            int64_t size = (int64_t)lb_dtype_size(c->spec->dtype);
            float nan = c->spec->dtype == LB_I8 ? 0.0f : NAN;
            for (int64_t k = 0; k < n * c->row_bytes / size; k++) lb_convert(to + k * size, c->spec->dtype, &nan, LB_F32, 1);
        }
        c->held += n;
        rows -= n;
        if (c->held == c->block_rows) {
            lb_status st = flush_column(c);
            if (st != LB_OK) return st;
        }
    }
    return LB_OK;
}

static lb_status take_row(struct build *b, int64_t row, const cache_record *r) {
    ((uint8_t *)b->status->data)[row] = (uint8_t)r->status;
    const char *at = r->data;
    if (r->status && !(b->messages[row] = lb_strndup(r->data, (size_t)r->size))) return LB_E_NOMEM;
    for (int i = 0; i < b->plan->ntaps; i++) {
        struct column *c = &b->columns[i];
        int64_t rows = 1;
        if (r->status) {
            if (c->spec->ragged) rows = 0;
            lb_status st = feed_column(c, NULL, rows);
            if (st != LB_OK) return st;
        } else {
            if (c->spec->ragged) memcpy(&rows, at, sizeof rows), at += sizeof rows;
            if (c->scale) memcpy((float *)c->scale->data + row, at, sizeof(float)), at += sizeof(float);
            lb_status st = feed_column(c, at, rows);
            if (st != LB_OK) return st;
            at += rows * c->row_bytes;
        }
        if (c->offsets) ((int64_t *)c->offsets->data)[row + 1] = ((int64_t *)c->offsets->data)[row] + rows;
    }
    return LB_OK;
}

static lb_status set_hash(lb_h5 *f, const char *dataset, const lb_tensor *x) {
    char hex[65];
    lb_sha256_of(x->data, (size_t)lb_numel(x) * lb_dtype_size(x->dtype), hex);
    return lb_h5_set_text(f, dataset, "sha256", hex);
}

static lb_status write_table(lb_h5 *f, const char *dataset, const lb_tensor *x) {
    lb_status st = lb_h5_write(f, dataset, x);
    return st == LB_OK ? set_hash(f, dataset, x) : st;
}

static lb_status write_texts(lb_h5 *f, const char *dataset, int64_t n, const char *const *texts) {
    char hex[65];
    lb_status st = lb_h5_write_texts(f, dataset, n, texts);
    cache_texts_sha256(n, texts, hex);
    return st == LB_OK ? lb_h5_set_text(f, dataset, "sha256", hex) : st;
}

static lb_status end_column(struct build *b, struct column *c) {
    char path[160];
    lb_status st = flush_column(c);
    if (st == LB_OK) st = lb_h5_write(b->file, cache_path(path, "/checksum", c->spec->name), c->sums);
    if (st == LB_OK) st = lb_h5_set_int(b->file, path, "rows", c->block_rows);
    if (st == LB_OK && c->offsets) st = write_table(b->file, cache_path(path, "/offsets", c->spec->name), c->offsets);
    if (st == LB_OK && c->scale) st = write_table(b->file, cache_path(path, "/scale", c->spec->name), c->scale);
    lb_status closed = lb_h5_data_close(c->data);
    c->data = NULL;
    return st == LB_OK ? closed : st;
}

static lb_status write_root(struct build *b) {
    lb_status st = LB_OK;
    lb_buf codes = {0};
    const char *const *messages = (const char *const *)b->messages;
    LB_TRY(write_texts(b->file, "/keys", b->plan->n, b->plan->keys));
    LB_TRY(write_table(b->file, "/status", b->status));
    cache_codes(&codes);
    LB_TRY(lb_buf_status(&codes));
    LB_TRY(lb_h5_set_text(b->file, "/status", "codes", lb_buf_str(&codes)));
    for (int64_t i = 0; i < b->plan->n; i++)
        if (!b->messages[i]) b->messages[i] = none;
    LB_TRY(write_texts(b->file, "/message", b->plan->n, messages));
    LB_TRY(lb_h5_set_text(b->file, "/", "format", CACHE_FORMAT));
    LB_TRY(lb_h5_set_int(b->file, "/", "version", CACHE_VERSION));
    for (const cache_field *f = cache_fields; f->name; f++) LB_TRY(lb_h5_set_text(b->file, "/", f->name, (const char *)b->plan->print + f->offset));
done:
    lb_buf_free(&codes);
    return st;
}

static lb_status fill(struct build *b, cache_part *part) {
    lb_status st = LB_OK;
    bool end = false;
    cache_record r;
    cache_part_rewind(part);
    for (int64_t row = 0; row < b->plan->n; row++) {
        LB_TRY(cache_part_next(part, &r, &end));
        if (end) {
            st = lb_fail(LB_E_FORMAT, "%s: row %lld was damaged after it had been written; the same command makes it again", cache_part_path(part), (long long)row);
            goto done;
        }
        LB_TRY(take_row(b, row, &r));
    }
    for (int i = 0; i < b->plan->ntaps; i++) LB_TRY(end_column(b, &b->columns[i]));
    LB_TRY(write_root(b));
done:
    return st;
}

static void free_build(struct build *b) {
    for (int i = 0; b->columns && i < b->plan->ntaps; i++) {
        struct column *c = &b->columns[i];
        lb_status ignored = lb_h5_data_close(c->data);
        (void)ignored;
        lb_free(c->block);
        lb_tensor_free(c->offsets);
        lb_tensor_free(c->scale);
        lb_tensor_free(c->sums);
    }
    for (int64_t i = 0; b->messages && i < b->plan->n; i++)
        if (b->messages[i] != none) lb_free(b->messages[i]);
    lb_free(b->messages);
    lb_free(b->columns);
    lb_tensor_free(b->status);
}

/* Bytes of the finished file, rather too many: whole chunks, tables, texts in HDF5's heap, and its own records. */
static int64_t file_bytes(const cache_plan *p) {
    int64_t bytes = (256 << 10) + p->n * 128;
    for (int64_t i = 0; i < p->n; i++) bytes += (int64_t)strlen(p->keys[i]);
    for (int i = 0; i < p->ntaps; i++) {
        int64_t shape[LB_MAX_RANK + 1], chunk[LB_MAX_RANK + 1], tap = (int64_t)lb_dtype_size(p->taps[i].dtype);
        int rank = cache_shape(shape, &p->taps[i], p->positions[i]);
        bool chunked = cache_chunk(chunk, p->taps[i].dtype, rank, shape);
        for (int d = 0; d < rank; d++) tap *= chunked ? (shape[d] + chunk[d] - 1) / chunk[d] * chunk[d] : shape[d];
        bytes += tap + tap / 1000 + (64 << 10);
    }
    return bytes;
}

/* HDF5 gets into a bad state when the disk fills up under it, so the room is asked for first. */
static lb_status ask_room(const char *path, const cache_plan *p) {
    int64_t bytes = file_bytes(p);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) return lb_fail(LB_E_IO, "%s: %s", path, strerror(errno));
    lb_status st = LB_OK;
    if (fallocate(fd, 0, 0, bytes) != 0 && (errno == ENOSPC || errno == EFBIG || errno == EDQUOT))
        st = lb_fail(LB_E_IO, "%s: %s: %.1f MB are needed to finish it (the rows are kept; make room and run the same command)", path, strerror(errno), (double)bytes / 1e6);
    close(fd);
    return st;
}

/* Puts size and hash into the first 512 bytes, and all of it on the disk. */
static lb_status seal(const char *path) {
    uint64_t hash;
    int64_t size;
    char block[CACHE_USERBLOCK];
    lb_status st = cache_file_hash(path, &hash, &size);
    if (st != LB_OK) return st;
    cache_userblock(block, hash, size);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return lb_fail(LB_E_IO, "%s: %s", path, strerror(errno));
    if (pwrite(fd, block, sizeof block, 0) != sizeof block || fsync(fd) != 0) st = lb_fail(LB_E_IO, "%s: cannot write: %s", path, strerror(errno));
    close(fd);
    return st;
}

static lb_status build_at(const char *path, cache_part *part, const cache_plan *plan) {
    lb_status st = LB_OK;
    struct build b = {.plan = plan};
    LB_TRY(ask_room(path, plan));
    LB_TRY(lb_h5_create_after(&b.file, path, CACHE_USERBLOCK));
    b.columns = lb_calloc((size_t)plan->ntaps, sizeof *b.columns);
    b.messages = lb_calloc((size_t)plan->n, sizeof *b.messages);
    if (!b.columns || !b.messages) {
        st = LB_E_NOMEM;
        goto done;
    }
    LB_TRY(lb_tensor_new(&b.status, LB_U8, 1, &plan->n));
    for (int i = 0; i < plan->ntaps; i++) LB_TRY(begin_column(&b, i));
    LB_TRY(fill(&b, part));
done:
    free_build(&b);
    if (b.file) {
        lb_status closed = lb_h5_close(b.file);
        if (st == LB_OK) st = closed;
    }
    return st == LB_OK ? seal(path) : st;
}

lb_status cache_build(const char *path, cache_part *part, const cache_plan *plan) {
    lb_status st = LB_OK;
    char *beside = lb_format_dup("%s.part2", path), *folder = lb_path_folder(path);
    if (!beside || !folder) {
        st = LB_E_NOMEM;
        goto done;
    }
    LB_TRY(build_at(beside, part, plan));
    if (rename(beside, path) != 0) {
        st = lb_fail(LB_E_IO, "%s: %s", path, strerror(errno));
        goto done;
    }
    LB_TRY(lb_sync_folder(folder));
done:
    if (st != LB_OK && beside) unlink(beside);
    lb_free(beside);
    lb_free(folder);
    return st;
}
