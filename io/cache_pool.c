/* SPDX-License-Identifier: Apache-2.0 */
/* Chunks on their way to the file: workers shuffle, deflate, hash and write them; the order of their addresses is that in which they came.
 * Shuffle: byte k of every element, for k = 0, 1, ... (HDF5 filter 2); deflate: zlib streams (HDF5 filter 1). */
#include <fcntl.h>
#include <libdeflate.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include "base/hash.h"
#include "io/cache_private.h"

typedef struct job {
    cache_chunk chunk;
    char *bytes;
    int64_t size;
    int element;
    bool deflate, written;
} job;

typedef struct spare {
    char *bytes;
    int64_t size;
} spare;

struct cache_pool {
    int fd, workers;
    char *path;
    pthread_t *threads;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stop;
    int64_t depth, head, next, placed, tail; /* numbers of jobs: to be collected, taken, placed, put */
    job *jobs;                               /* [depth] */
    int64_t end;
    cache_chunk *done;
    int64_t ndone, done_room;
    spare *spares;
    int64_t nspares, spare_room;
    lb_status status;
    char message[512];
};

/* ---- filters ---- */

static void shuffle(uint8_t *restrict out, const uint8_t *restrict in, int64_t size, int element) {
    int64_t n = size / element;
    if (element == 2) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++) {
            out[i] = in[2 * i];
            out[n + i] = in[2 * i + 1];
        }
    } else {
        for (int k = 0; k < element; k++)
            for (int64_t i = 0; i < n; i++) out[k * n + i] = in[i * element + k];
    }
    memcpy(out + n * element, in + n * element, (size_t)(size - n * element));
}

static void unshuffle(uint8_t *restrict out, const uint8_t *restrict in, int64_t size, int element) {
    int64_t n = size / element;
    if (element == 2) {
        const uint8_t *high = in + n;
#pragma omp simd
        for (int64_t i = 0; i < n; i++) {
            out[2 * i] = in[i];
            out[2 * i + 1] = high[i];
        }
    } else if (element == 4) {
        for (int64_t i = 0; i < n; i++)
            for (int k = 0; k < 4; k++) out[4 * i + k] = in[k * n + i];
    } else {
        for (int64_t i = 0; i < n; i++)
            for (int k = 0; k < element; k++) out[i * element + k] = in[k * n + i];
    }
    memcpy(out + n * element, in + n * element, (size_t)(size - n * element));
}

lb_status cache_inflate(void *out, int64_t bytes, const void *stored, int64_t size, int element) {
    lb_status st = LB_OK;
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    uint8_t *to = out, *own = NULL;
    if (element > 1) to = own = lb_alloc((size_t)bytes, 1);
    if (!d || !to) st = LB_E_NOMEM;
    else if (libdeflate_zlib_decompress(d, stored, (size_t)size, to, (size_t)bytes, NULL) != LIBDEFLATE_SUCCESS) st = lb_fail(LB_E_FORMAT, "a deflated chunk is damaged");
    else if (element > 1) unshuffle(out, to, bytes, element);
    libdeflate_free_decompressor(d);
    lb_free(own);
    return st;
}

/* ---- one job ---- */

typedef struct scratch {
    cache_deflater *deflater;
    char *shuffled, *packed;
    size_t shuffled_size, packed_size;
} scratch;

static bool need(char **bytes, size_t *have, size_t want) {
    if (*have >= want) return true;
    lb_free(*bytes);
    *bytes = lb_alloc(want, 1);
    *have = *bytes ? want : 0;
    return *bytes != NULL;
}

/* *out: the stored bytes, within the job or the scratch. */
static lb_status pack(job *j, scratch *s, const char **out) {
    *out = j->bytes;
    j->chunk.size = j->size;
    if (!j->deflate) return LB_OK;
    if (!s->deflater && cache_deflater_new(&s->deflater) != LB_OK) return LB_E_NOMEM;
    const char *from = j->bytes;
    if (!need(&s->packed, &s->packed_size, cache_deflate_bound(s->deflater, (size_t)j->size))) return LB_E_NOMEM;
    if (j->element > 1) {
        if (!need(&s->shuffled, &s->shuffled_size, (size_t)j->size)) return LB_E_NOMEM;
        shuffle((uint8_t *)s->shuffled, (const uint8_t *)from, j->size, j->element);
        from = s->shuffled;
    }
    j->chunk.size = (int64_t)cache_deflate(s->deflater, s->packed, from, (size_t)j->size, j->element);
    *out = s->packed;
    return LB_OK;
}

static void free_scratch(scratch *s) {
    cache_deflater_free(s->deflater);
    lb_free(s->shuffled);
    lb_free(s->packed);
}

/* Under the lock. */
static void keep_failure(cache_pool *p, lb_status st) {
    if (st == LB_OK || p->status != LB_OK) return;
    p->status = st;
    snprintf(p->message, sizeof p->message, "%s", lb_error_text());
}

static void keep_spare(cache_pool *p, char *bytes, int64_t size) {
    if (p->nspares < p->spare_room) p->spares[p->nspares++] = (spare){bytes, size};
    else lb_free(bytes);
}

/* The job's turn to be placed has come when all before it are; number: its own. Under the lock, and again at the end. */
static void run_job(cache_pool *p, int64_t number, scratch *s) {
    job *j = &p->jobs[number % p->depth];
    const char *bytes = NULL;
    pthread_mutex_unlock(&p->lock);
    lb_status st = pack(j, s, &bytes);
    if (st == LB_OK) j->chunk.sum = lb_hash64(bytes, (size_t)j->chunk.size, 0);
    pthread_mutex_lock(&p->lock);
    keep_failure(p, st);
    while (p->placed != number) pthread_cond_wait(&p->changed, &p->lock);
    j->chunk.address = p->end;
    if (st == LB_OK) p->end += j->chunk.size;
    p->placed++;
    bool go = p->status == LB_OK;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    if (go) st = cache_pwrite(p->fd, p->path, bytes, j->chunk.size, j->chunk.address);
    if (go && st == LB_OK) /* a hint, so that the disk works while rows come; errors are told by the sync */
        (void)sync_file_range(p->fd, j->chunk.address, j->chunk.size, SYNC_FILE_RANGE_WRITE);
    pthread_mutex_lock(&p->lock);
    keep_failure(p, st);
    keep_spare(p, j->bytes, j->size);
    j->bytes = NULL;
    j->written = true;
    pthread_cond_broadcast(&p->changed);
}

static void *work(void *ctx) {
    cache_pool *p = ctx;
    scratch s = {0};
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (p->next == p->tail && !p->stop) pthread_cond_wait(&p->changed, &p->lock);
        if (p->next == p->tail) break;
        run_job(p, p->next++, &s);
    }
    pthread_mutex_unlock(&p->lock);
    free_scratch(&s);
    return NULL;
}

/* ---- the pool ---- */

lb_status cache_pool_open(cache_pool **out, int fd, const char *path, int64_t end, int workers) {
    lb_status st = LB_OK;
    cache_pool *p = lb_calloc(1, sizeof *p);
    if (!p) return LB_E_NOMEM;
    if (workers < 1) workers = 1;
    *p = (cache_pool){.fd = fd, .end = end, .depth = 2 * workers + 8, .spare_room = 4 * workers + 8};
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->changed, NULL);
    p->path = lb_strdup(path);
    p->jobs = lb_calloc((size_t)p->depth, sizeof *p->jobs);
    p->spares = lb_calloc((size_t)p->spare_room, sizeof *p->spares);
    p->threads = lb_calloc((size_t)workers, sizeof *p->threads);
    if (!p->path || !p->jobs || !p->spares || !p->threads) st = LB_E_NOMEM;
    for (; st == LB_OK && p->workers < workers; p->workers++)
        if (pthread_create(&p->threads[p->workers], NULL, work, p) != 0) {
            st = lb_fail(LB_E_NOMEM, "%s: no thread can be started", path);
            break;
        }
    if (st == LB_OK) *out = p;
    else cache_pool_close(p);
    return st;
}

void cache_pool_close(cache_pool *p) {
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->workers; i++) pthread_join(p->threads[i], NULL);
    for (int64_t i = 0; i < p->nspares; i++) lb_free(p->spares[i].bytes);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->changed);
    lb_free(p->spares);
    lb_free(p->jobs);
    lb_free(p->threads);
    lb_free(p->done);
    lb_free(p->path);
    lb_free(p);
}

void cache_pool_move(cache_pool *p, int64_t end) { p->end = end; }

char *cache_pool_buffer(cache_pool *p, int64_t size) {
    char *found = NULL;
    pthread_mutex_lock(&p->lock);
    for (int64_t i = 0; i < p->nspares && !found; i++) {
        if (p->spares[i].size != size) continue;
        found = p->spares[i].bytes;
        p->spares[i] = p->spares[--p->nspares];
    }
    pthread_mutex_unlock(&p->lock);
    return found ? found : lb_alloc((size_t)size, 1);
}

static lb_status failure(const cache_pool *p) { return p->status == LB_OK ? LB_OK : lb_fail(p->status, "%s", p->message); }

/* Takes the oldest job over once it is written. Under the lock. */
static lb_status collect(cache_pool *p) {
    job *j = &p->jobs[p->head % p->depth];
    while (!j->written) pthread_cond_wait(&p->changed, &p->lock);
    if (p->ndone == p->done_room) {
        int64_t room = 2 * p->done_room + 64;
        cache_chunk *done = lb_realloc(p->done, (size_t)room, sizeof *done);
        if (!done) return LB_E_NOMEM;
        p->done = done;
        p->done_room = room;
    }
    p->done[p->ndone++] = j->chunk;
    p->head++;
    return LB_OK;
}

lb_status cache_pool_put(cache_pool *p, int tap, char *take_bytes, int64_t size, int element, bool deflate) {
    lb_status st = LB_OK;
    pthread_mutex_lock(&p->lock);
    if (p->tail - p->head == p->depth) st = collect(p);
    if (st == LB_OK) st = failure(p);
    if (st == LB_OK) {
        p->jobs[p->tail % p->depth] = (job){.chunk.tap = tap, .bytes = take_bytes, .size = size, .element = element, .deflate = deflate};
        p->tail++;
        pthread_cond_broadcast(&p->changed);
        take_bytes = NULL;
    }
    pthread_mutex_unlock(&p->lock);
    lb_free(take_bytes);
    return st;
}

lb_status cache_pool_drain(cache_pool *p, lb_status (*done)(void *ctx, const cache_chunk *c), void *ctx, int64_t *end) {
    lb_status st = LB_OK;
    pthread_mutex_lock(&p->lock);
    while (st == LB_OK && p->head < p->tail) st = collect(p);
    if (st == LB_OK) st = failure(p);
    for (int64_t i = 0; i < p->ndone && st == LB_OK; i++) st = done(ctx, &p->done[i]);
    p->ndone = 0;
    *end = p->end;
    pthread_mutex_unlock(&p->lock);
    return st;
}
