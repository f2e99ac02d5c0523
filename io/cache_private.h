/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by io/cache*.c only: the layout of a feature file (docs/cache-format.md). */
#ifndef LB_IO_CACHE_PRIVATE_H
#define LB_IO_CACHE_PRIVATE_H
#include "base/buf.h"
#include "io/cache.h"
#include "io/hdf5.h"

#define CACHE_FORMAT "limbeck-features"
#define CACHE_VERSION 1
#define CACHE_USERBLOCK 512 /* before the HDF5 data: one line with size and XXH64 of everything after it */

/* ---- cache.c ---- */
typedef struct cache_field {
    const char *name;
    size_t offset, size;
} cache_field;
extern const cache_field cache_fields[7]; /* the fingerprint's fields, ended by a NULL name */

/* The numbers of /status with their names, as one line: "0 ok, 1 no memory, ...". */
void cache_codes(lb_buf *out);
/* SHA-256 over texts, each with its closing NUL. */
void cache_texts_sha256(int64_t count, const char *const *texts, char out[65]);
/* Rows of one chunk (1 MiB, at least a row) and the chunk's shape; a row beyond 4 MiB is cut. False: nothing to cut, contiguous. */
bool cache_chunk(int64_t chunk[LB_MAX_RANK], lb_dtype dtype, int rank, const int64_t *shape);
/* Shape of /features/<tap>: rows, then one item's value (without the varying size of a ragged one). */
int cache_shape(int64_t shape[LB_MAX_RANK + 1], const lb_tap_spec *tap, int64_t rows);
int64_t cache_numel(int rank, const int64_t *shape);
/* "<folder>/<name>" inside the file, into dst[160]. */
const char *cache_path(char dst[160], const char *folder, const char *name);
/* XXH64 of a file from CACHE_USERBLOCK on, and its whole size. */
LB_MUST_USE lb_status cache_file_hash(const char *path, uint64_t *hash, int64_t *size);
/* What the first 512 bytes say of the rest: as written; changed since; nothing (a file of another program). */
typedef enum cache_seal { CACHE_SEAL_NONE = 0, CACHE_SEAL_GOOD, CACHE_SEAL_BROKEN } cache_seal;
#define CACHE_DAMAGED "damaged: bytes are not those that were written (checksum of the whole file differs)"
LB_MUST_USE lb_status cache_check_seal(const char *path, cache_seal *seal);
/* The block's text, zero-padded. */
void cache_userblock(char block[CACHE_USERBLOCK], uint64_t hash, int64_t size);

/* ---- cache_part.c: the journal of a run that is not finished ---- */
typedef struct cache_part cache_part;
/* One record: a row, good or failed. data: for each tap its length (i64, ragged only), scale (f32, i8 only), stored bytes. */
typedef struct cache_record {
    int status; /* 0, or -lb_status */
    int64_t size;
    const char *data; /* failed: the message, without NUL */
} cache_record;
/* Opens or makes it, locks it against other processes, keeps what is whole and cuts the rest off. `head` describes the run (JSON). When a
 * part with a head is there, *have is its head (to compare), else NULL. */
LB_MUST_USE lb_status cache_part_open(cache_part **out, const char *path, const lb_value *head, lb_value **have);
/* Goes through the records from the first; *end after the last whole one. */
void cache_part_rewind(cache_part *p);
LB_MUST_USE lb_status cache_part_next(cache_part *p, cache_record *r, bool *end);
/* Cuts after the last record read by cache_part_next: appending starts there. */
LB_MUST_USE lb_status cache_part_cut(cache_part *p);
LB_MUST_USE lb_status cache_part_add(cache_part *p, const cache_record *r);
LB_MUST_USE lb_status cache_part_flush(cache_part *p); /* to the system */
LB_MUST_USE lb_status cache_part_sync(cache_part *p);  /* to the disk */
double cache_part_synced(const cache_part *p);         /* lb_now() of the last sync */
bool cache_part_failed(const cache_part *p);
const char *cache_part_path(const cache_part *p);
void cache_part_close(cache_part *p);                  /* writes nothing more */

/* ---- cache_build.c: from the journal to the file ---- */
typedef struct cache_plan {
    const lb_fingerprint *print;
    int64_t n;
    const char *const *keys;
    int ntaps;
    const lb_tap_spec *taps;
    const int64_t *positions; /* sum of lengths per ragged tap, n for others */
} cache_plan;
/* Writes <path> whole: beside its name, synced, renamed, folder synced. */
LB_MUST_USE lb_status cache_build(const char *path, cache_part *part, const cache_plan *plan);
/* Bytes of one item's value as stored, length for ragged taps. */
int64_t cache_value_bytes(const lb_tap_spec *tap, int64_t length);

/* ---- cache_read.c: one finished file, for reading and for verifying ---- */
typedef struct shard_tap {
    lb_cache_tap tap;
    lb_h5_data *data;    /* NULL while the file is closed */
    int64_t positions;   /* rows of /features/<tap> */
    float *scale;        /* i8: [n] */
    int64_t *offsets;    /* ragged: [n+1] */
    int64_t block;       /* positions of one checksum */
    int64_t blocks;
    uint64_t *sums;      /* [blocks], NULL: none in the file */
    uint8_t *checked;    /* [blocks] */
} shard_tap;
typedef struct shard {
    char *path;
    lb_h5 *file; /* NULL while closed */
    uint64_t used;
    int64_t first, n;
    char **keys, **messages; /* messages NULL: all empty */
    uint8_t *status;
    lb_fingerprint print;
    char keys_sha256[65];
    int ntaps;
    shard_tap *taps;
} shard;
/* Reads everything but features, checks structure and the tables' hashes, and leaves the file open. */
LB_MUST_USE lb_status shard_open(shard *s, const char *path);
LB_MUST_USE lb_status shard_reopen(shard *s); /* makes file and data handles again */
void shard_rest(shard *s);                    /* closes them */
void shard_free(shard *s);
int64_t shard_block_rows(const shard_tap *t, int64_t block);
/* Reads one block as stored into bytes and checks it. */
LB_MUST_USE lb_status shard_read_block(shard *s, shard_tap *t, int64_t block, void *bytes);
/* The feature files of a path: itself, or a folder's *.h5 in byte order, as paths. lb_names_free. */
LB_MUST_USE lb_status cache_files(char ***paths, int64_t *count, const char *path);

#endif
