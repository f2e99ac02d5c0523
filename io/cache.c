/* SPDX-License-Identifier: Apache-2.0 */
/* Feature files: fingerprints and the layout's rules. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
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

int64_t cache_value_bytes(const lb_tap_spec *tap, int64_t length) {
    int64_t inner = tap->ragged ? cache_numel(tap->rank - 1, tap->shape + 1) * length : cache_numel(tap->rank, tap->shape);
    return inner * (int64_t)lb_dtype_size(tap->dtype);
}

const char *cache_path(char dst[160], const char *folder, const char *name) {
    snprintf(dst, 160, "%s/%s", folder, name);
    return dst;
}

uint64_t cache_hash(const void *bytes, size_t size, uint64_t seed) {
    const size_t piece = 4 << 20;
    for (const char *at = bytes; size > 0;) {
        size_t n = size < piece ? size : piece;
        seed = lb_hash64(at, n, seed);
        at += n;
        size -= n;
    }
    return seed;
}

lb_status cache_pwrite(int fd, const char *path, const void *bytes, int64_t size, int64_t at) {
    for (const char *from = bytes; size > 0;) {
        ssize_t n = pwrite(fd, from, (size_t)size, at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return lb_fail(LB_E_IO, "%s: cannot write: %s (finished rows are kept; the same command goes on from there)", path, n < 0 ? strerror(errno) : "no progress");
        from += n;
        at += n;
        size -= n;
    }
    return LB_OK;
}

lb_status cache_pread(int fd, const char *path, void *bytes, int64_t size, int64_t at) {
    for (char *to = bytes; size > 0;) {
        ssize_t n = pread(fd, to, (size_t)size, at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return lb_fail(LB_E_IO, "%s: cannot read: %s", path, strerror(errno));
        if (n == 0) return lb_fail(LB_E_FORMAT, "%s: " CACHE_DAMAGED " (it ends early)", path);
        to += n;
        at += n;
        size -= n;
    }
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
