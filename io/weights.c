/* SPDX-License-Identifier: Apache-2.0 */
#include "io/weights.h"
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/hash.h"
#include "io/weights_make.h"

/* What an open lb_weights owns besides its list. */
typedef struct holder {
    lb_mmap *maps;
    int64_t map_count;
    void **blocks;
    int64_t block_count, block_capacity, capacity;
    char *room;      /* what is left of the newest slab */
    size_t room_size;
    int64_t *sorted; /* numbers of tensors in byte order of names */
    bool sharded;    /* from an index: a list of files, be it of one */
} holder;

static lb_status grow(void **array, int64_t *capacity, int64_t count, size_t size) {
    if (count < *capacity) return LB_OK;
    int64_t more = *capacity ? *capacity * 2 : 16;
    void *p = lb_realloc(*array, (size_t)more, size);
    if (!p) return LB_E_NOMEM;
    *array = p;
    *capacity = more;
    return LB_OK;
}

bool lbi_weight_bytes(size_t *out, lb_dtype dtype, int rank, const int64_t *shape) {
    size_t n = lb_dtype_size(dtype);
    bool empty = false;
    for (int i = 0; i < rank; i++) {
        if (shape[i] < 0) return false;
        if (shape[i] == 0) empty = true;
        else if (!lb_mul_size(&n, n, (size_t)shape[i])) return false;
    }
    if (n > INT64_MAX) return false;
    *out = empty ? 0 : n;
    return true;
}

lb_status lbi_weights_add(lb_weights *w, const char *name, size_t n, lb_dtype dtype, int rank, const int64_t *shape, const void *data, size_t bytes) {
    holder *h = w->owner;
    lb_status st = grow((void **)&w->at, &h->capacity, w->count, sizeof *w->at);
    if (st != LB_OK) return st;
    char *copy = lb_strndup(name, n);
    if (!copy) return LB_E_NOMEM;
    lb_weight *t = &w->at[w->count++];
    *t = (lb_weight){.name = copy, .dtype = dtype, .rank = rank, .data = data, .bytes = bytes};
    for (int i = 0; i < rank; i++) t->shape[i] = shape[i];
    return LB_OK;
}

static void *new_block(holder *h, size_t bytes) {
    if (grow((void **)&h->blocks, &h->block_capacity, h->block_count, sizeof *h->blocks) != LB_OK) return NULL;
    void *p = lb_alloc_aligned(bytes);
    if (p) h->blocks[h->block_count++] = p;
    return p;
}

/* Of large files many tensors share a block, which the system then gives in large pages. */
void *lb_weights_alloc(lb_weights *w, size_t bytes) {
    enum { SLAB = 8 << 20, LINE = 64 };
    holder *h = w->owner;
    size_t file = h->map_count ? h->maps[h->map_count - 1].size : 0, size = (bytes + LINE - 1) / LINE * LINE;
    if (file < SLAB || size > SLAB / 4 || size < bytes) return new_block(h, bytes);
    if (size > h->room_size) {
        char *slab = new_block(h, SLAB);
        if (!slab) return NULL;
        h->room = slab;
        h->room_size = SLAB;
    }
    void *p = h->room;
    h->room += size;
    h->room_size -= size;
    return p;
}

lb_status lbi_weight_align(lb_weights *w, const uint8_t **data, size_t bytes, lb_dtype dtype) {
    if ((uintptr_t)*data % lb_dtype_size(dtype) == 0) return LB_OK;
    uint8_t *copy = lb_weights_alloc(w, bytes);
    if (!copy) return LB_E_NOMEM;
    if (bytes) memcpy(copy, *data, bytes);
    *data = copy;
    return LB_OK;
}

/* n elements, `stride` bytes apart; the sizes are named so that each is one move. */
static void gather_line(uint8_t *dst, const uint8_t *src, size_t size, int64_t n, int64_t stride) {
    if (stride == (int64_t)size) memcpy(dst, src, (size_t)n * size);
    else if (size == 4)
        for (int64_t i = 0; i < n; i++) memcpy(dst + 4 * i, src + i * stride, 4);
    else if (size == 2)
        for (int64_t i = 0; i < n; i++) memcpy(dst + 2 * i, src + i * stride, 2);
    else
        for (int64_t i = 0; i < n; i++) memcpy(dst + (int64_t)size * i, src + i * stride, size);
}

/* Four rows of four numbers of 4 bytes, turned. */
static inline void turn_four(uint8_t *dst, const uint8_t *src, int64_t line, int64_t across) {
    typedef int32_t four __attribute__((vector_size(16)));
    four x[4], y[4];
    for (int i = 0; i < 4; i++) memcpy(&x[i], src + i * across, 16);
    four a = __builtin_shuffle(x[0], x[1], (four){0, 4, 1, 5}), b = __builtin_shuffle(x[2], x[3], (four){0, 4, 1, 5});
    four c = __builtin_shuffle(x[0], x[1], (four){2, 6, 3, 7}), d = __builtin_shuffle(x[2], x[3], (four){2, 6, 3, 7});
    y[0] = __builtin_shuffle(a, b, (four){0, 1, 4, 5}), y[1] = __builtin_shuffle(a, b, (four){2, 3, 6, 7});
    y[2] = __builtin_shuffle(c, d, (four){0, 1, 4, 5}), y[3] = __builtin_shuffle(c, d, (four){2, 3, 6, 7});
    for (int i = 0; i < 4; i++) memcpy(dst + i * line, &y[i], 16);
}

/* A tile of rows x columns elements; elements of a column lie side by side in src. */
static void turn_tile(uint8_t *dst, const uint8_t *src, size_t size, int64_t rows, int64_t columns, int64_t line, int64_t across) {
    int64_t fast = size == 4 ? rows / 4 * 4 : 0, wide = columns / 4 * 4;
    for (int64_t r = 0; r < fast; r += 4)
        for (int64_t i = 0; i < wide; i += 4) turn_four(dst + r * line + 4 * i, src + i * across + 4 * r, line, across);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = r < fast ? wide : 0; i < columns; i++) memcpy(dst + r * line + i * (int64_t)size, src + i * across + r * (int64_t)size, size);
}

enum { TURN_ROWS = 32, TURN_COLUMNS = 32 };

/* Asks for a tile's elements: they lie too far apart for the processor to guess. */
static void fetch_tile(const uint8_t *src, int64_t columns, int64_t across) {
    enum { LINE = 64 };
    for (int64_t i = 0; i < columns && i < TURN_COLUMNS; i++)
        for (int64_t at = 0; at < TURN_ROWS * (int64_t)sizeof(float); at += LINE) __builtin_prefetch(src + i * across + at);
}

/* [rows, columns] whose columns lie farther apart than its rows, which lie side by side: by tiles, so that what is loaded together is used together. */
static void gather_turned(uint8_t *dst, const uint8_t *src, size_t size, const int64_t *shape, int64_t across) {
    enum { ROWS = TURN_ROWS, COLUMNS = TURN_COLUMNS, LARGE = 1 << 16 };
    int64_t rows = shape[0], columns = shape[1], line = columns * (int64_t)size;
#pragma omp parallel for schedule(static) if (rows * columns > LARGE)
    for (int64_t k = 0; k < rows; k += ROWS)
        for (int64_t i = 0; i < columns; i += COLUMNS) {
            fetch_tile(src + (i + COLUMNS) * across + k * (int64_t)size, columns - i - COLUMNS, across);
            turn_tile(dst + k * line + i * (int64_t)size, src + i * across + k * (int64_t)size, size, rows - k < ROWS ? rows - k : ROWS, columns - i < COLUMNS ? columns - i : COLUMNS, line, across);
        }
}

void lbi_weight_gather(uint8_t *dst, const uint8_t *src, size_t size, int rank, const int64_t *shape, const int64_t *stride) {
    while (rank > 1 && shape[rank - 1] == 1) rank--;
    if (rank <= 1) {
        gather_line(dst, src, size, rank ? shape[0] : 1, rank ? stride[0] * (int64_t)size : (int64_t)size);
        return;
    }
    if (rank == 2 && stride[0] == 1) {
        gather_turned(dst, src, size, shape, stride[1] * (int64_t)size);
        return;
    }
    size_t inner = size;
    for (int i = 1; i < rank; i++) inner *= (size_t)shape[i];
    for (int64_t k = 0; k < shape[0]; k++) lbi_weight_gather(dst + (size_t)k * inner, src + k * stride[0] * (int64_t)size, size, rank - 1, shape + 1, stride + 1);
}

lb_status lbi_weights_metadata(lb_weights *w, lb_value *take_map) {
    if (!w->metadata) {
        w->metadata = take_map;
        return LB_OK;
    }
    for (int64_t i = 0; i < take_map->count; i++) {
        bool there = false;
        for (int64_t k = 0; k < w->metadata->count && !there; k++) there = strcmp(w->metadata->keys[k], take_map->keys[i]) == 0;
        if (!there) lb_map_put(w->metadata, take_map->keys[i], lb_value_copy(take_map->items[i]));
    }
    lb_value_free(take_map);
    return w->metadata->failed ? LB_E_NOMEM : LB_OK;
}

void lb_weights_close(lb_weights *w) {
    if (!w) return;
    for (int64_t i = 0; i < w->count; i++) lb_free(w->at[i].name);
    lb_free(w->at);
    lb_value_free(w->metadata);
    holder *h = w->owner;
    for (int64_t i = 0; h && i < h->block_count; i++) lb_free(h->blocks[i]);
    for (int64_t i = 0; h && i < h->map_count; i++) lb_mmap_close(&h->maps[i]);
    if (h) {
        lb_free(h->blocks);
        lb_free(h->maps);
        lb_free(h->sorted);
        lb_free(h);
    }
    lb_free(w);
}

static lb_status new_weights(lb_weights **out, int64_t maps) {
    lb_weights *w = lb_calloc(1, sizeof *w);
    holder *h = lb_calloc(1, sizeof *h);
    lb_mmap *m = lb_calloc((size_t)maps, sizeof *m);
    if (!w || !h || !m) {
        lb_free(w);
        lb_free(h);
        lb_free(m);
        return LB_E_NOMEM;
    }
    h->maps = m;
    w->owner = h;
    *out = w;
    return LB_OK;
}

static int by_name(const void *a, const void *b, void *list) {
    const lb_weight *at = list;
    return strcmp(at[*(const int64_t *)a].name, at[*(const int64_t *)b].name);
}

/* The index of names; equal names are refused here for every format. */
static lb_status sort_names(lb_weights *w) {
    holder *h = w->owner;
    h->sorted = lb_alloc((size_t)w->count, sizeof *h->sorted);
    if (!h->sorted) return LB_E_NOMEM;
    for (int64_t i = 0; i < w->count; i++) h->sorted[i] = i;
    qsort_r(h->sorted, (size_t)w->count, sizeof *h->sorted, by_name, w->at);
    for (int64_t i = 1; i < w->count; i++) {
        const char *name = w->at[h->sorted[i]].name;
        if (strcmp(w->at[h->sorted[i - 1]].name, name) == 0) return lb_fail(LB_E_FORMAT, "tensor '%s' is there twice", name);
    }
    return LB_OK;
}

bool lb_weights_strip(lb_weights *w, const char *prefix) {
    size_t n = strlen(prefix);
    for (int64_t i = 0; i < w->count; i++)
        if (strncmp(w->at[i].name, prefix, n) != 0 || !w->at[i].name[n]) return false;
    for (int64_t i = 0; i < w->count; i++) memmove(w->at[i].name, w->at[i].name + n, strlen(w->at[i].name + n) + 1);
    return w->count > 0;
}

const lb_weight *lb_weights_find(const lb_weights *w, const char *name) {
    const holder *h = w->owner;
    int64_t lo = 0, hi = w->count;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        const lb_weight *t = &w->at[h->sorted[mid]];
        int order = strcmp(name, t->name);
        if (order == 0) return t;
        if (order < 0) hi = mid;
        else lo = mid + 1;
    }
    return NULL;
}

static lb_status format_of(const lb_weight_format **out, const uint8_t *data, size_t size) {
    const lb_weight_format *best = NULL;
    int most = 0;
    for (int i = 0; i < lb_weight_formats.count; i++) {
        const lb_weight_format *f = (const lb_weight_format *)lb_weight_formats.members[i];
        int score = f->probe(data, size);
        if (score > most) most = score, best = f;
    }
    if (!best) {
        if (size == 0) return lb_fail(LB_E_FORMAT, "is empty");
        return lb_fail(LB_E_UNSUPPORTED, "is no weight file that is known here (see limbeck describe weights); first bytes %02x %02x %02x %02x", data[0],
                       size > 1 ? data[1] : 0, size > 2 ? data[2] : 0, size > 3 ? data[3] : 0);
    }
    *out = best;
    return LB_OK;
}

/* Maps a file and adds its tensors. */
static lb_status add_file(lb_weights *w, const char *path) {
    holder *h = w->owner;
    lb_mmap *m = &h->maps[h->map_count];
    lb_status st = lb_mmap_own(m, path);
    if (st != LB_OK) return st;
    h->map_count++;
    const lb_weight_format *f = NULL;
    st = format_of(&f, m->data, m->size);
    if (st == LB_OK) st = f->open(w, m->data, m->size);
    w->format = f;
    if (st != LB_OK) return lb_where(st, "%s", path);
    return LB_OK;
}

/* ---- sharded: {"metadata": {...}, "weight_map": {"tensor": "file"}} (Hugging Face) ---- */

typedef struct shard_map {
    lb_value *index;
    const lb_value *names;  /* the weight_map */
    const char **files;     /* distinct, sorted */
    int64_t file_count;
} shard_map;

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static lb_status read_index(shard_map *s, const char *path) {
    lb_status st = lb_json_read(&s->index, path);
    if (st != LB_OK) return st;
    s->names = lb_get(s->index, "weight_map");
    if (!s->names || s->names->kind != LB_V_MAP || s->names->count == 0) return lb_fail(LB_E_FORMAT, "%s: has no weight_map", path);
    s->files = lb_alloc((size_t)s->names->count, sizeof *s->files);
    if (!s->files) return LB_E_NOMEM;
    for (int64_t i = 0; i < s->names->count; i++) {
        const lb_value *v = s->names->items[i];
        if (v->kind != LB_V_TEXT || strlen(v->text) != v->text_size || v->text_size == 0 || strchr(v->text, '/') || v->text[0] == '.')
            return lb_fail(LB_E_FORMAT, "%s: tensor '%s' must name a file of the same folder", path, s->names->keys[i]);
        s->files[i] = v->text;
    }
    qsort(s->files, (size_t)s->names->count, sizeof *s->files, by_text);
    for (int64_t i = 0; i < s->names->count; i++)
        if (i == 0 || strcmp(s->files[i], s->files[s->file_count - 1]) != 0) s->files[s->file_count++] = s->files[i];
    return LB_OK;
}

static lb_status check_index(const lb_weights *w, const shard_map *s, const int64_t *file_of, const char *path) {
    for (int64_t i = 0; i < s->names->count; i++) {
        const char *name = s->names->keys[i], *file = s->names->items[i]->text;
        const lb_weight *t = lb_weights_find(w, name);
        if (!t || strcmp(s->files[file_of[t - w->at]], file) != 0) return lb_fail(LB_E_FORMAT, "%s: tensor '%s' is not in %s", path, name, file);
    }
    if (w->count != s->names->count)
        return lb_fail(LB_E_FORMAT, "%s: names %lld tensors, the files hold %lld", path, (long long)s->names->count, (long long)w->count);
    return LB_OK;
}

static lb_status open_shards(lb_weights **out, const char *path) {
    shard_map s = {0};
    lb_weights *w = NULL;
    int64_t *file_of = NULL;
    char *folder = NULL, *file = NULL;
    lb_status st = LB_OK;
    LB_TRY(read_index(&s, path));
    LB_TRY(new_weights(&w, s.file_count));
    ((holder *)w->owner)->sharded = true;
    file_of = lb_alloc((size_t)s.names->count, sizeof *file_of);
    folder = lb_path_folder(path);
    if (!file_of || !folder) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int64_t i = 0; i < s.file_count; i++) {
        int64_t before = w->count;
        lb_free(file);
        file = lb_path_join(folder, s.files[i]);
        if (!file) {
            st = LB_E_NOMEM;
            goto done;
        }
        LB_TRY(add_file(w, file));
        for (int64_t k = before; k < w->count && k < s.names->count; k++) file_of[k] = i;
        if (w->count > s.names->count) {
            st = lb_fail(LB_E_FORMAT, "%s: %s holds tensors that are not named here", path, s.files[i]);
            goto done;
        }
    }
    st = sort_names(w);
    if (st != LB_OK) {
        st = lb_where(st, "%s", path);
        goto done;
    }
    LB_TRY(check_index(w, &s, file_of, path));
    *out = w;
    w = NULL;
done:
    lb_weights_close(w);
    lb_free(file_of);
    lb_free(folder);
    lb_free(file);
    lb_free(s.files);
    lb_value_free(s.index);
    return st;
}

lb_status lb_weights_open(lb_weights **out, const char *path) {
    if (lb_ends_with(path, ".index.json")) return open_shards(out, path);
    lb_weights *w = NULL;
    lb_status st = LB_OK;
    LB_TRY(new_weights(&w, 1));
    LB_TRY(add_file(w, path));
    st = sort_names(w);
    if (st != LB_OK) {
        st = lb_where(st, "%s", path);
        goto done;
    }
    *out = w;
    w = NULL;
done:
    lb_weights_close(w);
    return st;
}

/* Prefix before the names of tensors from `first` on. */
static lb_status rename_from(lb_weights *w, int64_t first, const char *prefix) {
    for (int64_t i = first; i < w->count; i++) {
        char *name = lb_format_dup("%s%s", prefix, w->at[i].name);
        if (!name) return LB_E_NOMEM;
        lb_free(w->at[i].name);
        w->at[i].name = name;
    }
    return LB_OK;
}

lb_status lb_weights_join(lb_weights *w, const char *path, const char *prefix) {
    holder *h = w->owner;
    int64_t before = w->count;
    lb_mmap *maps = lb_realloc(h->maps, (size_t)h->map_count + 1, sizeof *maps);
    if (!maps) return LB_E_NOMEM;
    h->maps = maps;
    memset(&maps[h->map_count], 0, sizeof *maps);
    lb_status st = add_file(w, path);
    if (st == LB_OK) st = rename_from(w, before, prefix);
    lb_free(h->sorted);
    h->sorted = NULL;
    if (st == LB_OK) st = sort_names(w);
    return st == LB_OK ? st : lb_where(st, "%s", path);
}

/* ---- hashes ---- */

static int by_hash(const void *a, const void *b) {
    return strcmp(a, b);
}

int64_t lb_weights_files(const lb_weights *w) {
    const holder *h = w->owner;
    return h->map_count + (h->sharded ? 1 : 0);
}

lb_status lb_weights_sha256(const lb_weights *w, char out[65]) {
    const holder *h = w->owner;
    lb_sha256 sum;
    if (!h->sharded && h->map_count == 1) {
        lb_sha256_of(h->maps[0].data, h->maps[0].size, out);
        return LB_OK;
    }
    char(*hashes)[65] = lb_alloc((size_t)h->map_count, sizeof *hashes);
    if (!hashes) return LB_E_NOMEM;
    for (int64_t i = 0; i < h->map_count; i++) lb_sha256_of(h->maps[i].data, h->maps[i].size, hashes[i]);
    lb_sha256_init(&sum);
    qsort(hashes, (size_t)h->map_count, sizeof *hashes, by_hash);
    for (int64_t i = 0; i < h->map_count; i++) lb_sha256_add(&sum, hashes[i], 64);
    lb_sha256_hex(&sum, out);
    lb_free(hashes);
    return LB_OK;
}
