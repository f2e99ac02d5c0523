/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by io/cache*.c only: the layout of a feature file (docs/cache-format.md). */
#ifndef LB_IO_CACHE_PRIVATE_H
#define LB_IO_CACHE_PRIVATE_H
#include <pthread.h>
#include "base/buf.h"
#include "io/cache.h"
#include "io/hdf5.h"

#define CACHE_FORMAT "limbeck-features"
#define CACHE_VERSION 2
#define CACHE_USERBLOCK 512            /* before the HDF5 data: one line that leads to the index */
#define CACHE_DATA 4096                /* where chunks begin; HDF5's first records lie before them */
#define CACHE_PIECE ((int64_t)1 << 20) /* bytes of a table that share a checksum */

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
int64_t cache_numel(int rank, const int64_t *shape);
/* "<folder>/<name>" inside the file, into dst[160]. */
const char *cache_path(char dst[160], const char *folder, const char *name);
/* Bytes of one item's value as stored, length for ragged taps. */
int64_t cache_value_bytes(const lb_tap_spec *tap, int64_t length);
/* XXH64 in pieces of 4 MiB: the hash so far is the seed of the next. */
uint64_t cache_hash(const void *bytes, size_t size, uint64_t seed);
/* All of it, or a failure that names the file. */
LB_MUST_USE lb_status cache_pwrite(int fd, const char *path, const void *bytes, int64_t size, int64_t at);
LB_MUST_USE lb_status cache_pread(int fd, const char *path, void *bytes, int64_t size, int64_t at);
/* The feature files of a path: itself, or a folder's *.h5 in byte order, as paths. lb_names_free. */
LB_MUST_USE lb_status cache_files(char ***paths, int64_t *count, const char *path);

/* ---- cache_grid.c: how /features/<tap> is cut into chunks ---- */
/* A chunk is `rows` whole positions of about 1 MiB; a position beyond 4 MiB is cut into `slabs` chunks of consecutive bytes. */
typedef struct cache_grid {
    int rank;
    int64_t shape[LB_MAX_RANK + 1], chunk[LB_MAX_RANK + 1];
    int64_t row_bytes;  /* of one position */
    int64_t rows;       /* positions of a block */
    int64_t slabs;      /* chunks of a block */
    int64_t chunk_bytes;
    int64_t period, step, inner; /* slabs: dimension d of a position is [period] parts of `inner` bytes, `step` of them to a chunk */
    int64_t blocks;     /* all; 0 when there is nothing to store: the dataset is then contiguous */
} cache_grid;
/* positions < 0: not known yet, more than one block's. */
void cache_grid_make(cache_grid *g, const lb_tap_spec *tap, int64_t positions);
/* The bytes of a position that slab i holds. */
void cache_grid_slab(const cache_grid *g, int64_t i, int64_t *offset, int64_t *bytes);

/* ---- cache_pool.c: chunks on their way to the file ---- */
typedef struct cache_chunk {
    int tap;
    int64_t address, size; /* in the file, as stored */
    uint64_t sum;          /* XXH64 of the stored bytes */
} cache_chunk;
typedef struct cache_pool cache_pool; /* one thread at a time */
/* Workers shuffle and deflate where asked to, hash and write. Addresses follow the order of cache_pool_put whatever the workers do. */
LB_MUST_USE lb_status cache_pool_open(cache_pool **out, int fd, const char *path, int64_t end, int workers);
void cache_pool_close(cache_pool *p); /* waits; what is not collected is lost */
void cache_pool_move(cache_pool *p, int64_t end); /* the next chunk's address; while nothing is on its way */
/* A buffer of at least `size` bytes; handed in again by cache_pool_put, or freed with lb_free. */
char *cache_pool_buffer(cache_pool *p, int64_t size);
LB_MUST_USE lb_status cache_pool_put(cache_pool *p, int tap, char *take_bytes, int64_t size, int element, bool deflate);
/* Waits for all; every chunk since the last call, in order, through `done`; *end is behind the last. */
LB_MUST_USE lb_status cache_pool_drain(cache_pool *p, lb_status (*done)(void *ctx, const cache_chunk *c), void *ctx, int64_t *end);
/* Undoes shuffle and deflate: `size` stored bytes into exactly `bytes` of them. */
LB_MUST_USE lb_status cache_inflate(void *out, int64_t bytes, const void *stored, int64_t size, int element);

/* ---- cache_deflate.c ---- */
typedef struct cache_deflater cache_deflater; /* one thread at a time */
LB_MUST_USE lb_status cache_deflater_new(cache_deflater **out);
void cache_deflater_free(cache_deflater *d);
size_t cache_deflate_bound(cache_deflater *d, size_t size);
/* A zlib stream of shuffled bytes into out, of at least the bound. @return its size */
size_t cache_deflate(cache_deflater *d, char *out, const char *shuffled, size_t size, int element);

/* ---- cache_part.c: the journal of a run that is not finished ---- */
typedef struct cache_part cache_part;
typedef struct cache_record {
    int64_t size;
    const char *data;
} cache_record;
/* Opens or makes it, locks it against other processes, keeps what is whole and cuts the rest off. `head` describes the run (JSON). When a
 * part with a head is there, *have is its head (to compare), else NULL. */
LB_MUST_USE lb_status cache_part_open(cache_part **out, const char *path, const lb_value *head, lb_value **have);
/* Goes through the records from the first; *end after the last whole one. */
void cache_part_rewind(cache_part *p);
LB_MUST_USE lb_status cache_part_next(cache_part *p, cache_record *r, bool *end);
/* Cuts after the last record that was read, or before it: appending starts there. */
LB_MUST_USE lb_status cache_part_cut(cache_part *p, bool before);
LB_MUST_USE lb_status cache_part_add(cache_part *p, const cache_record *r); /* to the system */
LB_MUST_USE lb_status cache_part_sync(cache_part *p);                       /* to the disk */
bool cache_part_failed(const cache_part *p);
const char *cache_part_path(const cache_part *p);
void cache_part_close(cache_part *p); /* writes nothing more */

/* ---- cache_rows.c: the rows of a writer: tables in memory, chunks in the file, what is between in the journal ---- */
typedef struct cache_column {
    const lb_tap_spec *spec;
    cache_grid grid;
    char *block;         /* of grid.rows positions, being filled; NULL when nothing is stored */
    int64_t first, held; /* positions in chunks; in the block */
    int64_t journaled;   /* positions that the journal knows */
    int64_t *offsets;    /* ragged: [n+1] */
    float *scale;        /* i8: [n] */
    int64_t *address, *size, nchunks, room;
    uint64_t *sum;
} cache_column;
typedef struct cache_rows {
    const char *path;    /* of the finished file */
    int64_t n, count;    /* rows in all, rows there */
    uint8_t *status;
    char **messages;     /* NULL where there is none */
    int ntaps;
    cache_column *columns;
    cache_part *part;
    cache_pool *pool;
    char *data_path;
    int fd;
    int64_t data_end;    /* of the chunks that are written */
    int64_t known;       /* rows that the journal knows */
    cache_chunk *fresh;  /* chunks that it does not know yet */
    int64_t nfresh, fresh_room;
    lb_buf record;
} cache_rows;
/* Takes over what the journal says (its head has been compared). */
LB_MUST_USE lb_status cache_rows_open(cache_rows *r, const char *path, cache_part *part, bool fresh, int64_t n, int ntaps, const lb_tap_spec *taps, int workers);
/* Where the next row of a tap goes, to be put there before cache_rows_add. *place NULL: a tap whose rows come with cache_rows_add, being
 * ragged, of the largest logits, or of no size. */
LB_MUST_USE lb_status cache_rows_place(cache_rows *r, int tap, char **place);
/* Appends: for each tap its length (i64, ragged only), scale (f32, i8 only), stored bytes; in_place: without the bytes of taps that have a place. */
LB_MUST_USE lb_status cache_rows_add(cache_rows *r, const char *value, bool in_place);
LB_MUST_USE lb_status cache_rows_fail(cache_rows *r, int status, const char *message);
LB_MUST_USE lb_status cache_rows_flush(cache_rows *r, bool sync);
/* All rows are there: what is left in blocks becomes chunks. Only cache_finish may follow. */
LB_MUST_USE lb_status cache_rows_end(cache_rows *r);
void cache_rows_close(cache_rows *r);

/* ---- cache_finish.c ---- */
/* Puts tables, index and HDF5 records behind the chunks, syncs, renames, syncs the folder. */
LB_MUST_USE lb_status cache_finish(cache_rows *r, const lb_fingerprint *print, const char *const *keys, const char keys_sha256[65]);

/* ---- cache_index.c: what the reader needs, found without HDF5 ---- */
typedef struct cache_table {
    int64_t address, bytes;
    const uint64_t *sums; /* one per CACHE_PIECE */
} cache_table;
typedef struct cache_index_tap {
    char name[96];
    lb_dtype dtype;
    bool ragged, deflate;
    int rank;             /* of one item */
    int64_t shape[LB_MAX_RANK], classes, positions, nchunks;
    cache_table offsets, scale;
    const uint64_t *chunks; /* [nchunks][3]: address, size, sum */
} cache_index_tap;
typedef struct cache_index {
    int64_t n, data_end;
    char keys_sha256[65];
    lb_fingerprint print;
    int64_t key_size;      /* of one key in `keys`, padded with zeros; 0: `keys` holds them one behind the other, each with its NUL */
    cache_table keys, status, failed; /* failed: texts, each with its NUL, for every row with a status */
    int ntaps;
    cache_index_tap *taps;
    char *blob;            /* owns the arrays */
} cache_index;
/* Tables' sums and chunks of `in` are taken from where they point to. */
LB_MUST_USE lb_status cache_index_write(lb_buf *out, const cache_index *in);
LB_MUST_USE lb_status cache_index_read(cache_index *out, const char *take_blob, size_t size, const char *path);
void cache_index_free(cache_index *x);
/* The line of the first 512 bytes. */
typedef struct cache_seal {
    int64_t size, index, index_size;
    uint64_t index_sum, rest_sum; /* rest: bytes 512 to 4096, and those from data_end on that are in no table */
} cache_seal;
void cache_seal_write(char block[CACHE_USERBLOCK], const cache_seal *s);
/* *ours = false: a file of another program, or of an older version. LB_E_FORMAT: ours, but damaged. */
LB_MUST_USE lb_status cache_seal_read(cache_seal *s, bool *ours, int fd, const char *path);

/* ---- cache_shard.c: one finished file, for reading and for verifying ---- */
/* How often rows of a block were read alone, and how many, since that many such reads in all. */
typedef struct shard_asked {
    int64_t since;
    int32_t times, rows;
} shard_asked;
typedef struct shard_tap {
    lb_cache_tap tap;
    cache_grid grid;
    bool deflate;
    int64_t positions;   /* rows of /features/<tap> */
    float *scale;        /* i8: [n]; read when first needed */
    int64_t *offsets;    /* ragged: [n+1]; the same */
    const cache_index_tap *index; /* NULL: through HDF5 */
    lb_h5_data *data;
    uint8_t *checked;    /* [grid.blocks] */
    shard_asked *asked;  /* [grid.blocks]; NULL until rows are read alone */
} shard_tap;
typedef struct shard {
    char *path;
    int fd;              /* -1 while closed */
    lb_h5 *file;         /* files of others; NULL while closed */
    bool foreign;
    int users;
    uint64_t used;
    int64_t first, n;
    cache_index index;
    cache_seal seal;
    char **keys, *key_bytes, **messages; /* keys and messages: read when first needed */
    uint8_t *status;
    lb_fingerprint print;
    char keys_sha256[65];
    int ntaps;
    shard_tap *taps;
} shard;
/* Reads what is needed to know what the file is. It stays open. */
LB_MUST_USE lb_status shard_open(shard *s, const char *path);
LB_MUST_USE lb_status shard_reopen(shard *s);
void shard_rest(shard *s); /* closes it */
void shard_free(shard *s);
/* Tables, once; not thread-safe. */
LB_MUST_USE lb_status shard_load_keys(shard *s);
LB_MUST_USE lb_status shard_load_messages(shard *s);
LB_MUST_USE lb_status shard_load_tap(shard *s, shard_tap *t); /* offsets, scale */
int64_t shard_block_rows(const shard_tap *t, int64_t block);
/* Reads one block as stored into bytes [shard_block_rows * row_bytes] and, where wanted, checks it. Thread-safe for an open shard whose tap is
 * loaded. */
LB_MUST_USE lb_status shard_read_block(shard *s, shard_tap *t, int64_t block, bool check, void *bytes);
/* Positions of a block that was checked, read alone; only where !deflate and slabs is 1. */
LB_MUST_USE lb_status shard_read_rows(shard *s, shard_tap *t, int64_t first, int64_t count, void *bytes);

/* ---- cache_read.c ---- */
struct cache_block {
    int shard, tap;
    int64_t index;
    char *bytes;        /* NULL while it is being read */
    size_t size;
    int users;          /* threads that look at it; it stays while there are any */
    int64_t taken;      /* rows that were asked for */
    bool failed;        /* could not be read: gone once its users are */
    struct cache_block *newer, *older;
    struct cache_block *next; /* in its slot */
};

enum { CACHE_SLOTS = 4096, CACHE_DENSE = 8 };

/* cache_topk.c: logits of which the largest are stored, as a tap of all classes; its number follows the stored taps'. */
typedef struct cache_dense {
    lb_cache_tap tap;
    int indices, values;
} cache_dense;
/* The two taps that stand for one with topk; their names are new. */
LB_MUST_USE lb_status cache_topk_specs(lb_tap_spec out[2], const lb_tap_spec *t, const char *path);
/* Appends indices, then values, as stored. */
LB_MUST_USE lb_status cache_topk_add(lb_buf *out, const lb_tap_spec *t, const float *logits);
void cache_topk_find(lb_cache *c);
LB_MUST_USE lb_status cache_topk_read(lb_cache *c, const cache_dense *d, int64_t count, const int64_t *rows, float *out);

struct lb_cache {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a block was read, or a file is no longer in use */
    shard *shards;
    int64_t nshards, open_shards, rows;
    uint64_t clock;
    int64_t *index; /* rows by the hash of their key, -1 = free */
    uint64_t mask;
    struct cache_block *slots[CACHE_SLOTS], *newest, *oldest;
    int64_t kept, budget;
    int64_t alone;  /* reads of rows alone so far */
    char **frames;  /* memory for blocks: [nframes] free ones, of all_frames in all, cut out of regions[nregions] */
    char **regions;
    int64_t nframes, all_frames, nregions;
    cache_dense dense[CACHE_DENSE];
    int ndense;
};
/* The shard of a row and its place in it; NULL when there is no such row. */
const shard *cache_shard_of(const lb_cache *c, int64_t row, int64_t *inside);
/* Opens a shard's file; few are open beside those in use. Under the lock. */
LB_MUST_USE lb_status cache_wake(lb_cache *c, shard *s);

/* ---- cache_blocks.c: all under the lock ---- */
void cache_drop_blocks(lb_cache *c);
/* In memory, or on its way there (then without bytes); NULL: neither. */
struct cache_block *cache_block_find(lb_cache *c, int shard_index, int tap, int64_t index);
/* In memory, with one more user. *out NULL: another thread is reading it, and this one is not patient. The lock is given up meanwhile. */
LB_MUST_USE lb_status cache_block_get(lb_cache *c, int shard_index, int tap, int64_t index, bool patient, struct cache_block **out);
/* One user less, who took so many rows. A block of which all rows were taken is the next to go. */
void cache_block_release(lb_cache *c, struct cache_block *b, int64_t rows);
/* Are so many rows of a block that is not in memory to be read by themselves, in `reads` reads? A tap beyond half the room is not kept: of blocks that are checked only the
 * rows are read, but for blocks of which many are wanted now, as in the order of lb_cache_order. */
bool cache_alone(lb_cache *c, int shard_index, int tap, int64_t index, int64_t reads, int64_t rows);

/* ---- cache_values.c ---- */
/* Where values go: floats, scaled for an item, or bytes as they are stored. */
typedef struct cache_sink {
    float *floats;
    char *bytes;
    float scale;
} cache_sink;
void cache_pour(cache_sink *to, const shard_tap *t, const void *bytes, int64_t size);
LB_MUST_USE lb_status cache_check_tap(const lb_cache *c, int tap, bool ragged);
/* The shard with its tables for that tap. Under the lock. */
LB_MUST_USE lb_status cache_ready_shard(lb_cache *c, const shard *s, int tap);
/* Positions of one block. For an open shard. */
LB_MUST_USE lb_status cache_read_positions(shard *s, shard_tap *t, int64_t first, int64_t count, cache_sink *to);
/* Appends the row of a tap as it is stored: length (i64, ragged only), scale (f32, i8 only), bytes. */
LB_MUST_USE lb_status cache_stored_row(lb_cache *c, int tap, int64_t row, lb_buf *out);

/* ---- cache_foreign.c: the same through HDF5 ---- */
LB_MUST_USE lb_status shard_foreign_open(shard *s);
LB_MUST_USE lb_status shard_foreign_reopen(shard *s);
void shard_foreign_rest(shard *s);
/* Reads it in a process of its own; LB_E_FORMAT when that dies. every = false: only the first and the last block of a tap. */
LB_MUST_USE lb_status shard_foreign_trial(const char *path, bool every);

#define CACHE_DAMAGED "damaged: bytes are not those that were written"

#endif
