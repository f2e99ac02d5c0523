/* SPDX-License-Identifier: Apache-2.0 */
/* Feature files and caches (cli.md "Feature file"; DESIGN section 5). One single-writer HDF5 file per shard, written beside its
 * name, synced, renamed; `/keys`, `/status` u8, `/message`, `/features/<tap>` [n,...] in chunks of 256 KB to 4 MB, ragged taps with
 * `/offsets/<tap>` i64 [n+1]; fingerprints as attributes of the root. Opens in h5py with no plugin. */
#ifndef LB_IO_CACHE_H
#define LB_IO_CACHE_H
#include "base/value.h"
#include "tensor/tensor.h"
LB_BEGIN

/* What a cache was made from: texts, each a hash or a short description. */
typedef struct lb_fingerprint {
    char weights[80], preprocessing[80], tokenizer[80], taps[256], list[80], program[40];
} lb_fingerprint;
/** LB_E_MISMATCH naming every field that differs with both values. `program` is told apart only when strict. */
LB_API LB_MUST_USE lb_status lb_fingerprint_match(const lb_fingerprint *have, const lb_fingerprint *want, bool strict, const char *file);
/** SHA-256 over all fields but program: the cache's identity, kept in checkpoints. */
LB_API void lb_fingerprint_hash(const lb_fingerprint *f, char out[65]);

/* ---- writing one feature file ---- */
typedef struct lb_tap_spec {
    const char *name;
    int rank;                       /* of one item's value; a ragged tap's first size is 0 and varies */
    int64_t shape[LB_MAX_RANK];
    bool ragged;
    bool deflate;                   /* chunks are shuffled and deflated (level 1) by worker threads */
    lb_dtype dtype;                 /* stored: LB_F32, LB_F16, LB_BF16 (u16 with attribute "dtype"="bf16"), LB_I8 (with "/scale/<tap>" f32 per row), LB_U8 (whole numbers to 255: bytes of text) */
    int64_t topk;                   /* of a vector of logits only the topk largest probabilities are kept, as two taps: <tap>.indices, <tap>.values
                                       (docs/cache-format.md); 0 = all. dtype does not matter then */
    int64_t classes;                /* of a tap that lb_cache_copy_row takes from a cache: its lb_cache_tap's; else 0 */
} lb_tap_spec;

typedef struct lb_cache_writer lb_cache_writer; /* one thread at a time */
/** Begins or resumes `path`: work goes to "<path>.part" (the ending never is .h5). When a part with the same fingerprint, keys and
 *  taps exists, *done = rows already safe (the rest is to be written again from there); with another fingerprint LB_E_MISMATCH.
 *  If `path` itself is finished with the same fingerprint and keys, *done = n and nothing is to be done; another: LB_E_MISMATCH. */
LB_API LB_MUST_USE lb_status lb_cache_begin(lb_cache_writer **out, int64_t *done, const char *path, const lb_fingerprint *f, int64_t n,
                                            const char *const *keys, int ntaps, const lb_tap_spec *taps);
/** Appends the next row: one f32 contiguous value per tap; length[i] = first size of a ragged tap's value. */
LB_API LB_MUST_USE lb_status lb_cache_row(lb_cache_writer *w, const float *const *values, const int64_t *length);
/** Appends a failed item: its row is NaN (0 in i8), status is -code, message kept. */
LB_API LB_MUST_USE lb_status lb_cache_failed_row(lb_cache_writer *w, lb_status code, const char *message);
struct lb_cache;
/** Appends a row of a cache as it is stored there, a failed one as failed. LB_E_MISMATCH when a tap is not there or stored otherwise. */
LB_API LB_MUST_USE lb_status lb_cache_copy_row(lb_cache_writer *w, struct lb_cache *c, int64_t row);
/** Hands all rows so far to the system: they survive the end of this process, not a power cut. Happens by itself within a second while
 *  rows are being added. */
LB_API LB_MUST_USE lb_status lb_cache_flush(lb_cache_writer *w);
/** Makes all rows so far safe on disk (flush + fsync). Called by the writer itself at least every 30 seconds. */
LB_API LB_MUST_USE lb_status lb_cache_sync(lb_cache_writer *w);
/** All n rows are there: sync, close, rename into place, sync the folder. The writer is gone in every case. */
LB_API LB_MUST_USE lb_status lb_cache_commit(lb_cache_writer **w);
/** Stops with what is safe left for a resume. Cannot fail. */
LB_API void lb_cache_close_part(lb_cache_writer **w);
/** Is another process writing this file now? */
LB_API bool lb_cache_in_use(const char *path);
/** Drops writer and part. Cannot fail. */
LB_API void lb_cache_discard(lb_cache_writer **w);

/* ---- reading a feature file or a folder of shards ---- */
typedef struct lb_cache lb_cache; /* locked inside: share freely */
typedef struct lb_cache_tap {
    char name[96];
    int rank; /* of one item */
    int64_t shape[LB_MAX_RANK];
    bool ragged;
    lb_dtype dtype;
    int64_t classes; /* of the largest logits, or of a tap made of them: how many classes there are; else 0 */
} lb_cache_tap;
/** Opens X.h5 or a folder (every *.h5 in it is a finished shard; fingerprints of all shards must agree). */
LB_API LB_MUST_USE lb_status lb_cache_open(lb_cache **out, const char *path);
LB_API void lb_cache_close(lb_cache *c);
LB_API int64_t lb_cache_rows(const lb_cache *c);
LB_API const char *lb_cache_key(const lb_cache *c, int64_t row);
LB_API int lb_cache_row_status(const lb_cache *c, int64_t row);            /* 0 = ok */
LB_API const char *lb_cache_row_message(const lb_cache *c, int64_t row);   /* "" when ok */
LB_API int64_t lb_cache_find(const lb_cache *c, const char *key);          /* row, or -1 */
LB_API int lb_cache_taps(const lb_cache *c);
LB_API const lb_cache_tap *lb_cache_tap_at(const lb_cache *c, int i);
/** -1 when absent. Logits of which the largest were kept are found by their own name too: read, they are log-probabilities of all classes, what is
 *  missing to 1 spread evenly. Such a tap is not among lb_cache_taps(). */
LB_API int lb_cache_tap_find(const lb_cache *c, const char *name);
LB_API const lb_fingerprint *lb_cache_fingerprint(const lb_cache *c);
/** Reads all keys, and makes ready to look them up: LB_E_FORMAT when one is there twice. Happens by itself for caches of up to 200,000 rows
 *  when they are opened, and for larger ones when a key is first asked for (which then is "", or not found, should reading fail). */
LB_API LB_MUST_USE lb_status lb_cache_load_keys(lb_cache *c);
/** How many bytes of features are kept in memory at the most; 256 MiB until it is called. */
LB_API void lb_cache_set_memory(lb_cache *c, int64_t bytes);
/** Rows of a fixed-size tap as f32, out [count, ...]; rows in any order. LB_E_NOTFOUND for a bad row, LB_E_FORMAT naming file and
 *  dataset for damage. */
LB_API LB_MUST_USE lb_status lb_cache_read(lb_cache *c, int tap, int64_t count, const int64_t *rows, float *out);
/** One row of a ragged tap; *out is a new array of length * inner sizes, freed by the caller. */
LB_API LB_MUST_USE lb_status lb_cache_read_ragged(lb_cache *c, int tap, int64_t row, float **out, int64_t *length);

/** First size of a row of a ragged tap, without reading it; 0 for a failed one. */
LB_API LB_MUST_USE lb_status lb_cache_length(lb_cache *c, int tap, int64_t row, int64_t *length);

/* ---- reading for training ---- */
enum { LB_CACHE_WINDOW = 8 }; /* chunks of about 1 MiB whose rows are mixed: what stays near the processor */
/** All good rows in an order for training: chunks of a tap shuffled, then rows within each `window` of chunks (below 1: LB_CACHE_WINDOW), so that
 *  few chunks are in use at a time. A pure function of seed, epoch and the files. rows: [lb_cache_rows]. *count: how many (failed items are left out). */
LB_API LB_MUST_USE lb_status lb_cache_order(lb_cache *c, int tap, uint64_t seed, int64_t epoch, int64_t window, int64_t *rows, int64_t *count);

typedef struct lb_cache_stream lb_cache_stream; /* one thread at a time; several streams may share a cache */
typedef struct lb_cache_stream_spec {
    int ntaps;
    const int *taps;     /* of one size each */
    const int64_t *rows; /* [count], borrowed: in this order */
    int64_t count, batch;
    int workers;         /* read, check, inflate and convert ahead; 0 = within lb_cache_stream_next */
    int depth;           /* batches ahead at the most; 0 = 2 * workers */
} lb_cache_stream_spec;
typedef struct lb_cache_batch {
    int64_t first, count; /* places in rows */
    float **values;       /* [ntaps][count, ...] */
} lb_cache_batch;
LB_API LB_MUST_USE lb_status lb_cache_stream_open(lb_cache_stream **out, lb_cache *c, const lb_cache_stream_spec *spec);
/** The next batch, in order; *out = NULL after the last. Released with lb_cache_batch_free. */
LB_API LB_MUST_USE lb_status lb_cache_stream_next(lb_cache_stream *s, lb_cache_batch **out);
LB_API void lb_cache_stream_close(lb_cache_stream *s);
LB_API void lb_cache_batch_free(lb_cache_batch *b);

/** Checks one file or folder whole: structure, sizes, checksums, NaN in rows that say ok. Calls `problem` for each; returns LB_OK when
 *  reading worked, whatever was found; *problems counts. */
LB_API LB_MUST_USE lb_status lb_cache_verify(const char *path, void (*problem)(void *ctx, const char *file, const char *text), void *ctx, int64_t *problems);

/** Writes `path`: one feature file whose features are views of those of `from`, a folder of shards, which must stay where they are. h5py and
 *  limbeck read it as any other. */
LB_API LB_MUST_USE lb_status lb_cache_link(const char *path, const char *from);

LB_END
#endif
