/* SPDX-License-Identifier: Apache-2.0 */
/* Feature files: fingerprints and the layout's rules. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "base/hash.h"
#include "io/cache_private.h"

#define FIELD(f) {#f, offsetof(lb_fingerprint, f), sizeof(((lb_fingerprint *)0)->f)}
const cache_field cache_fields[7] = {FIELD(weights), FIELD(preprocessing), FIELD(tokenizer), FIELD(taps), FIELD(list), FIELD(program), {0}};

lb_status lb_fingerprint_match(const lb_fingerprint *have, const lb_fingerprint *want, bool strict, const char *file) {
    lb_status st = LB_OK;
    lb_buf differ = {0};
    for (const cache_field *f = cache_fields; f->name; f++) {
        const char *a = (const char *)have + f->offset, *b = (const char *)want + f->offset;
        if (!strict && strcmp(f->name, "program") == 0) continue;
        if (strcmp(a, b) != 0) lb_buf_format(&differ, "%s'%s' differs: the file has '%s', wanted is '%s'", differ.size ? "; " : "", f->name, a, b);
    }
    if (differ.failed) st = LB_E_NOMEM;
    else if (differ.size) st = lb_fail(LB_E_MISMATCH, "%s: %s", file, lb_buf_str(&differ));
    lb_buf_free(&differ);
    return st;
}

void lb_fingerprint_hash(const lb_fingerprint *f, char out[65]) {
    lb_sha256 h;
    lb_sha256_init(&h);
    for (const cache_field *x = cache_fields; x->name; x++) {
        const char *text = (const char *)f + x->offset;
        if (strcmp(x->name, "program") != 0) lb_sha256_add(&h, text, strlen(text) + 1);
    }
    lb_sha256_hex(&h, out);
}

void cache_codes(lb_buf *out) {
    for (int i = 0; i <= 12; i++) lb_buf_format(out, "%s%d %s", i ? ", " : "", i, i ? lb_status_name((lb_status)-i) : "ok");
}

void cache_texts_sha256(int64_t count, const char *const *texts, char out[65]) {
    lb_sha256 h;
    lb_sha256_init(&h);
    for (int64_t i = 0; i < count; i++) lb_sha256_add(&h, texts[i], strlen(texts[i]) + 1);
    lb_sha256_hex(&h, out);
}

int64_t cache_numel(int rank, const int64_t *shape) {
    int64_t n = 1;
    for (int i = 0; i < rank; i++) n *= shape[i];
    return n;
}

bool cache_chunk(int64_t chunk[LB_MAX_RANK], lb_dtype dtype, int rank, const int64_t *shape) {
    const int64_t aim = 1 << 20, most = 4 << 20;
    int64_t bytes = cache_numel(rank - 1, shape + 1) * (int64_t)lb_dtype_size(dtype);
    if (shape[0] == 0 || bytes == 0) return false;
    memcpy(chunk, shape, (size_t)rank * sizeof *shape);
    int64_t rows = aim / bytes;
    chunk[0] = rows < 1 ? 1 : rows < shape[0] ? rows : shape[0];
    for (int d = 1; d < rank && bytes > most; d++) {
        while (bytes > most && chunk[d] > 1) {
            chunk[d] = (chunk[d] + 1) / 2;
            bytes = cache_numel(rank - 1, chunk + 1) * (int64_t)lb_dtype_size(dtype);
        }
    }
    return true;
}

int cache_shape(int64_t shape[LB_MAX_RANK + 1], const lb_tap_spec *tap, int64_t rows) {
    int skip = tap->ragged ? 1 : 0;
    shape[0] = rows;
    for (int i = skip; i < tap->rank; i++) shape[1 + i - skip] = tap->shape[i];
    return 1 + tap->rank - skip;
}

int64_t cache_value_bytes(const lb_tap_spec *tap, int64_t length) {
    int64_t inner = tap->ragged ? cache_numel(tap->rank - 1, tap->shape + 1) * length : cache_numel(tap->rank, tap->shape);
    return inner * (int64_t)lb_dtype_size(tap->dtype);
}

const char *cache_path(char dst[160], const char *folder, const char *name) {
    snprintf(dst, 160, "%s/%s", folder, name);
    return dst;
}

/* XXH64 is taken over pieces: the seed of a piece is the hash of those before it. */
lb_status cache_file_hash(const char *path, uint64_t *hash, int64_t *size) {
    enum { PIECE = 4 << 20 };
    lb_status st = LB_OK;
    *hash = 0;
    FILE *in = fopen(path, "rb");
    if (!in) return lb_fail(LB_E_IO, "%s: %m", path);
    char *piece = lb_alloc(PIECE, 1);
    *size = CACHE_USERBLOCK;
    if (!piece) st = LB_E_NOMEM;
    else if (fseek(in, CACHE_USERBLOCK, SEEK_SET) != 0) st = lb_fail(LB_E_IO, "%s: %m", path);
    while (st == LB_OK) {
        size_t n = fread(piece, 1, PIECE, in);
        if (n == 0) break;
        *hash = lb_hash64(piece, n, *hash);
        *size += (int64_t)n;
    }
    if (st == LB_OK && ferror(in)) st = lb_fail(LB_E_IO, "%s: cannot read: %m", path);
    fclose(in);
    lb_free(piece);
    return st;
}

void cache_userblock(char block[CACHE_USERBLOCK], uint64_t hash, int64_t size) {
    memset(block, 0, CACHE_USERBLOCK);
    snprintf(block, CACHE_USERBLOCK, "%s %d size %lld xxh64 %016llx\n", CACHE_FORMAT, CACHE_VERSION, (long long)size, (unsigned long long)hash);
}

lb_status cache_check_seal(const char *path, cache_seal *seal) {
    char have[CACHE_USERBLOCK] = {0}, want[CACHE_USERBLOCK];
    uint64_t hash;
    int64_t size;
    *seal = CACHE_SEAL_NONE;
    FILE *in = fopen(path, "rb");
    if (!in) return lb_fail(errno == ENOENT ? LB_E_NOTFOUND : LB_E_IO, "%s: %s", path, strerror(errno));
    size_t n = fread(have, 1, sizeof have, in);
    fclose(in);
    if (memcmp(have, "\211HDF\r\n\032\n", 8) == 0) return LB_OK;
    lb_status st = cache_file_hash(path, &hash, &size);
    if (st != LB_OK) return st;
    cache_userblock(want, hash, size);
    *seal = n == sizeof have && memcmp(have, want, sizeof have) == 0 ? CACHE_SEAL_GOOD : CACHE_SEAL_BROKEN;
    return LB_OK;
}

static int64_t keep_features(char **names, int64_t count) {
    int64_t kept = 0;
    for (int64_t i = 0; i < count; i++) {
        bool feature = lb_ends_with(names[i], ".h5");
        if (feature) names[kept++] = names[i];
        else lb_free(names[i]);
    }
    return kept;
}

lb_status cache_files(char ***paths, int64_t *count, const char *path) {
    lb_status st = LB_OK;
    char **names = NULL;
    int64_t n = 0;
    if (lb_is_folder(path)) {
        LB_TRY(lb_list_folder(&names, &n, path));
        n = keep_features(names, n);
        if (n == 0) st = lb_fail(LB_E_NOTFOUND, "%s: no finished feature file (*.h5) in this folder", path);
        for (int64_t i = 0; i < n && st == LB_OK; i++) {
            char *full = lb_path_join(path, names[i]);
            if (!full) st = LB_E_NOMEM;
            else lb_free(names[i]), names[i] = full;
        }
    } else {
        if (!(names = lb_calloc(1, sizeof *names))) return LB_E_NOMEM;
        n = 1;
        if (!(names[0] = lb_strdup(path))) st = LB_E_NOMEM;
    }
done:
    if (st != LB_OK) {
        lb_names_free(names, n);
        return st;
    }
    *paths = names;
    *count = n;
    return LB_OK;
}
