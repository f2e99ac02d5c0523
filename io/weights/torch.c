/* SPDX-License-Identifier: Apache-2.0 */
/* What torch.save writes: since 1.6 a ZIP archive NAME/data.pkl + NAME/data/KEY, before that a stream of pickles and storages. The pickle is
 * read as data (io/pickle.h); only the calls below are understood, everything else is refused by name, nothing is executed.
 *   _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks[, metadata])
 *   _rebuild_tensor_v3(untyped storage, offset, size, stride, requires_grad, hooks, dtype[, metadata])
 *   _rebuild_parameter(tensor, requires_grad, hooks), _rebuild_parameter_with_state(the same, state)
 *   _rebuild_from_type_v2(one of these, type, its arguments, state)
 *   persistent id ('storage', type, key, location, elements[, view])
 * A tensor that lies contiguous in its storage is a view of the file, others are gathered. Names of nested containers are joined by '.';
 * of a training checkpoint only the network is taken (keys state_dict, model_state_dict, model). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "io/pickle.h"
#include "io/weights_make.h"
#include "io/zip.h"

enum { DEPTH_MAX = 64, NAME_MAX_SIZE = 1024 };

/* Order of `allowed`. */
enum { G_ORDERED_DICT, G_REBUILD_TENSOR, G_REBUILD_TENSOR3, G_REBUILD_PARAMETER, G_REBUILD_STATE, G_REBUILD_TYPE, G_UNTYPED, G_FIRST_STORAGE, G_FIRST_TYPE = G_FIRST_STORAGE + 10,
       G_FIRST_PLAIN = G_FIRST_TYPE + 13 };
static const char *const allowed[] = {
    "collections OrderedDict", "torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_tensor_v3", "torch._utils _rebuild_parameter",
    "torch._utils _rebuild_parameter_with_state", "torch._tensor _rebuild_from_type_v2", "torch.storage UntypedStorage",
    "torch FloatStorage", "torch DoubleStorage", "torch HalfStorage", "torch BFloat16Storage", "torch LongStorage", "torch IntStorage",
    "torch ShortStorage", "torch CharStorage", "torch ByteStorage", "torch BoolStorage",
    "torch float32", "torch float64", "torch float16", "torch bfloat16", "torch int64", "torch int32", "torch int16", "torch int8", "torch uint8", "torch bool",
    "torch uint16", "torch uint32", "torch uint64",
    /* what stands beside tensors and is passed over */
    "torch Size", "torch device", "torch Tensor", "torch.nn.parameter Parameter", "torch.nn.parameter Buffer", "__builtin__ set", "builtins set", "_codecs encode", NULL,
};
static const lb_dtype number_types[] = {LB_F32, LB_F64, LB_F16, LB_BF16, LB_I64, LB_I32, LB_I16, LB_I8, LB_U8, LB_BOOL, LB_U16, LB_U32, LB_U64};

/* The numbers of a storage; those of an untyped one are bytes. */
static bool storage_type(const lbi_pk_node *type, lb_dtype *out) {
    if (!type || (type->global != G_UNTYPED && (type->global < G_FIRST_STORAGE || type->global >= G_FIRST_TYPE))) return false;
    *out = type->global == G_UNTYPED ? LB_U8 : number_types[type->global - G_FIRST_STORAGE];
    return true;
}

/* The first pickle of the older stream: 0x1950a86a20f9469cfc6c. */
static const uint8_t magic[] = {0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e};

/* One storage's bytes; keys are views of the file. */
typedef struct blob {
    const char *key;
    size_t key_size;
    const uint8_t *data;
    size_t size;
} blob;

typedef struct file {
    lb_weights *w;
    size_t size;
    const lbi_pickle *p;
    blob *blobs; /* sorted by key */
    int64_t blob_count;
    int64_t visits;      /* values looked at: shared containers must not multiply the work */
    size_t gathered;     /* bytes copied for tensors that are not contiguous */
    size_t named;        /* bytes of names given out */
    char name[NAME_MAX_SIZE];
} file;

static int by_key(const void *a, const void *b) {
    const blob *x = a, *y = b;
    size_t n = x->key_size < y->key_size ? x->key_size : y->key_size;
    int order = memcmp(x->key, y->key, n);
    return order ? order : (x->key_size > y->key_size) - (x->key_size < y->key_size);
}

static const lbi_pk_node *at(const file *f, int32_t i) {
    return &f->p->at[i];
}

static bool is_text(const lbi_pk_node *n, const char *text) {
    return n->kind == LBI_PK_TEXT && n->text_size == strlen(text) && memcmp(n->text, text, n->text_size) == 0;
}

/* Item i of a tuple when it is of that kind; else NULL. */
static const lbi_pk_node *item(const file *f, const lbi_pk_node *args, int32_t i, int kind) {
    if (args->kind != LBI_PK_TUPLE || i >= args->count) return NULL;
    const lbi_pk_node *n = at(f, args->items[i]);
    return n->kind == kind ? n : NULL;
}

static const lbi_pk_node *arg(const file *f, const lbi_pk_node *call, int32_t i, int kind) {
    return item(f, at(f, call->args), i, kind);
}

/* A storage as the tensor sees it. */
typedef struct storage {
    lb_dtype dtype;
    const uint8_t *data;
    int64_t elements;
} storage;

static lb_status find_storage(file *f, const lbi_pk_node *id, storage *s) {
    const lbi_pk_node *tag = arg(f, id, 0, LBI_PK_TEXT), *type = arg(f, id, 1, LBI_PK_GLOBAL), *key = arg(f, id, 2, LBI_PK_TEXT), *count = arg(f, id, 4, LBI_PK_INT);
    if (!tag || !is_text(tag, "storage") || !storage_type(type, &s->dtype) || !key || !count || count->integer < 0)
        return lb_fail(LB_E_FORMAT, "tensor '%s': its storage is not described as PyTorch does", f->name);
    const lbi_pk_node *args = at(f, id->args);
    if (args->count > 5 && at(f, args->items[5])->kind != LBI_PK_NONE) return lb_fail(LB_E_UNSUPPORTED, "tensor '%s': storage that views another storage", f->name);
    s->elements = count->integer;
    blob want = {.key = key->text, .key_size = key->text_size}, *b = bsearch(&want, f->blobs, (size_t)f->blob_count, sizeof want, by_key);
    int shown = (int)(key->text_size < 64 ? key->text_size : 64);
    if (!b) return lb_fail(LB_E_FORMAT, "tensor '%s': its storage '%.*s' is not in the file", f->name, shown, key->text);
    size_t bytes = 0;
    if (!lb_mul_size(&bytes, (size_t)s->elements, lb_dtype_size(s->dtype)) || bytes > b->size)
        return lb_fail(LB_E_FORMAT, "tensor '%s': storage '%.*s' should hold %lld elements of %s, it has %zu bytes", f->name, shown, key->text, (long long)s->elements,
                       lb_dtype_name(s->dtype), b->size);
    s->data = b->data;
    return LB_OK;
}

/* Sizes and strides from their tuples; refuses what could reach outside the storage. */
static lb_status read_layout(file *f, const lbi_pk_node *args, const storage *s, int64_t *offset, int *rank, int64_t *shape, int64_t *stride) {
    const lbi_pk_node *first = item(f, args, 1, LBI_PK_INT), *sizes = item(f, args, 2, LBI_PK_TUPLE), *steps = item(f, args, 3, LBI_PK_TUPLE);
    if (!first || !sizes || !steps || sizes->count != steps->count || first->integer < 0)
        return lb_fail(LB_E_FORMAT, "tensor '%s': offset, size and stride are not as PyTorch writes them", f->name);
    if (sizes->count > LB_MAX_RANK) return lb_fail(LB_E_UNSUPPORTED, "tensor '%s': rank %d, at most %d is handled", f->name, sizes->count, LB_MAX_RANK);
    *offset = first->integer;
    *rank = sizes->count;
    int64_t last = *offset, step = 0;
    bool empty = false;
    for (int i = 0; i < *rank; i++) {
        const lbi_pk_node *a = at(f, sizes->items[i]), *b = at(f, steps->items[i]);
        if (a->kind != LBI_PK_INT || b->kind != LBI_PK_INT || a->integer < 0 || b->integer < 0)
            return lb_fail(LB_E_FORMAT, "tensor '%s': size and stride must be whole numbers of 0 or more", f->name);
        shape[i] = a->integer;
        stride[i] = b->integer;
        empty = empty || shape[i] == 0;
        if (shape[i] > 1 && (!lb_mul_i64(&step, shape[i] - 1, stride[i]) || step > INT64_MAX - last)) return lb_fail(LB_E_FORMAT, "tensor '%s': its size overflows", f->name);
        if (shape[i] > 1) last += step;
    }
    if (!empty && last >= s->elements)
        return lb_fail(LB_E_FORMAT, "tensor '%s': reaches element %lld of a storage of %lld", f->name, (long long)last, (long long)s->elements);
    return LB_OK;
}

static bool is_dense(int rank, const int64_t *shape, const int64_t *stride) {
    int64_t want = 1;
    for (int i = rank - 1; i >= 0; i--) {
        if (shape[i] != 1 && stride[i] != want) return false;
        want *= shape[i];
    }
    return true;
}

/* An untyped storage's bytes as numbers of the type that stands beside it. */
static lb_status retype(const file *f, const lbi_pk_node *args, storage *s) {
    const lbi_pk_node *type = item(f, args, 6, LBI_PK_GLOBAL);
    if (!type || type->global < G_FIRST_TYPE || type->global >= G_FIRST_PLAIN || s->dtype != LB_U8) return lb_fail(LB_E_FORMAT, "tensor '%s': has no type of numbers", f->name);
    s->dtype = number_types[type->global - G_FIRST_TYPE];
    s->elements /= (int64_t)lb_dtype_size(s->dtype);
    return LB_OK;
}

static lb_status add_tensor(file *f, const lbi_pk_node *args, bool untyped) {
    const lbi_pk_node *id = item(f, args, 0, LBI_PK_PERSISTENT);
    if (!id) return lb_fail(LB_E_FORMAT, "tensor '%s': has no storage", f->name);
    storage s = {0};
    int64_t offset = 0, shape[LB_MAX_RANK] = {0}, stride[LB_MAX_RANK] = {0};
    int rank = 0;
    size_t bytes = 0;
    lb_status st = find_storage(f, id, &s);
    if (st == LB_OK && untyped) st = retype(f, args, &s);
    if (st == LB_OK) st = read_layout(f, args, &s, &offset, &rank, shape, stride);
    if (st != LB_OK) return st;
    if (!lbi_weight_bytes(&bytes, s.dtype, rank, shape)) return lb_fail(LB_E_FORMAT, "tensor '%s': its size overflows", f->name);
    size_t size = lb_dtype_size(s.dtype);
    const uint8_t *data = bytes ? s.data + (size_t)offset * size : s.data;
    bool dense = bytes == 0 || is_dense(rank, shape, stride);
    f->named += strlen(f->name) + sizeof(lb_weight);
    if (f->named / 64 > f->size) return lb_fail(LB_E_LIMIT, "'%s': the names of shared tensors take more than 64 times the file's size", f->name);
    if (dense && (uintptr_t)data % size == 0) return lbi_weights_add(f->w, f->name, strlen(f->name), s.dtype, rank, shape, data, bytes);
    /* Transposed weights are as large as their storage; an expanded one could be anything. */
    size_t limit = f->size > SIZE_MAX / 4 ? SIZE_MAX : f->size * 4;
    if (bytes > limit - f->gathered) return lb_fail(LB_E_LIMIT, "tensor '%s': strided tensors of this file would take more than 4 times its size", f->name);
    f->gathered += bytes;
    if (dense) {
        st = lbi_weight_align(f->w, &data, bytes, s.dtype);
        return st == LB_OK ? lbi_weights_add(f->w, f->name, strlen(f->name), s.dtype, rank, shape, data, bytes) : st;
    }
    uint8_t *copy = lb_weights_alloc(f->w, bytes);
    if (!copy) return LB_E_NOMEM;
    lbi_weight_gather(copy, data, size, rank, shape, stride);
    return lbi_weights_add(f->w, f->name, strlen(f->name), s.dtype, rank, shape, copy, bytes);
}

/* Appends ".key" to the running name; *old = where to cut it again. */
static lb_status enter(file *f, const lbi_pk_node *key, int64_t number, size_t *old) {
    size_t n = *old = strlen(f->name);
    const char *dot = n ? "." : "";
    int wrote = 0;
    if (key && key->kind == LBI_PK_TEXT) {
        if (memchr(key->text, 0, key->text_size)) return lb_fail(LB_E_FORMAT, "a key below '%s' holds a NUL", f->name);
        wrote = key->text_size < NAME_MAX_SIZE ? snprintf(f->name + n, sizeof f->name - n, "%s%.*s", dot, (int)key->text_size, key->text) : NAME_MAX_SIZE;
    } else {
        wrote = snprintf(f->name + n, sizeof f->name - n, "%s%lld", dot, (long long)(key ? key->integer : number));
    }
    if ((size_t)wrote >= sizeof f->name - n) return lb_fail(LB_E_LIMIT, "the name of a tensor is longer than %d bytes", NAME_MAX_SIZE - 1);
    return LB_OK;
}

static lb_status collect(file *f, int32_t node, int depth);

static lb_status collect_items(file *f, const int32_t *items, int32_t count, bool pairs, int depth) {
    for (int32_t i = 0; i < count; i += pairs ? 2 : 1) {
        const lbi_pk_node *key = pairs ? at(f, items[i]) : NULL;
        if (key && key->kind != LBI_PK_TEXT && key->kind != LBI_PK_INT) continue;
        size_t old = 0;
        lb_status st = enter(f, key, i, &old);
        if (st == LB_OK) st = collect(f, items[pairs ? i + 1 : i], depth + 1);
        f->name[old] = 0;
        if (st != LB_OK) return st;
    }
    return LB_OK;
}

/* Python 2 wrote OrderedDict([[key, value], ...]). */
static lb_status collect_old_dict(file *f, const lbi_pk_node *call, int depth) {
    const lbi_pk_node *list = arg(f, call, 0, LBI_PK_LIST);
    for (int32_t i = 0; list && i < list->count; i++) {
        const lbi_pk_node *pair = at(f, list->items[i]);
        if ((pair->kind != LBI_PK_LIST && pair->kind != LBI_PK_TUPLE) || pair->count != 2) return lb_fail(LB_E_FORMAT, "OrderedDict of something else than pairs");
        lb_status st = collect_items(f, pair->items, 2, true, depth);
        if (st != LB_OK) return st;
    }
    return LB_OK;
}

/* One of the rebuilding calls with its tuple of arguments. */
static lb_status collect_call(file *f, int32_t global, const lbi_pk_node *args, int depth) {
    if (global == G_REBUILD_TENSOR || global == G_REBUILD_TENSOR3) return add_tensor(f, args, global == G_REBUILD_TENSOR3);
    if (global == G_REBUILD_PARAMETER || global == G_REBUILD_STATE) {
        if (!item(f, args, 0, LBI_PK_CALL)) return lb_fail(LB_E_FORMAT, "parameter '%s' holds no tensor", f->name);
        return collect(f, args->items[0], depth + 1);
    }
    const lbi_pk_node *callee = item(f, args, 0, LBI_PK_GLOBAL), *inner = item(f, args, 2, LBI_PK_TUPLE);
    if (!callee || !inner || callee->global < G_REBUILD_TENSOR || callee->global > G_REBUILD_STATE) return lb_fail(LB_E_FORMAT, "tensor '%s': rebuilt by something else than PyTorch does", f->name);
    return collect_call(f, callee->global, inner, depth);
}

static lb_status collect(file *f, int32_t node, int depth) {
    const lbi_pk_node *n = at(f, node);
    if (depth > DEPTH_MAX) return lb_fail(LB_E_LIMIT, "'%s': containers are nested deeper than %d", f->name, DEPTH_MAX);
    if (++f->visits > 4 * (int64_t)f->p->count + 1000) return lb_fail(LB_E_LIMIT, "'%s': containers refer to each other too often", f->name);
    switch (n->kind) {
    case LBI_PK_DICT: return collect_items(f, n->items, n->count, true, depth);
    case LBI_PK_LIST:
    case LBI_PK_TUPLE: return collect_items(f, n->items, n->count, false, depth);
    case LBI_PK_CALL: break;
    default: return LB_OK; /* numbers, texts: not weights */
    }
    if (n->global >= G_REBUILD_TENSOR && n->global <= G_REBUILD_TYPE) return collect_call(f, n->global, at(f, n->args), depth);
    lb_status st = n->global == G_ORDERED_DICT ? collect_old_dict(f, n, depth) : LB_OK;
    return st == LB_OK ? collect_items(f, n->items, n->count, true, depth) : st;
}

/* Of a training checkpoint, the part that is the network. */
static int32_t network_of(const file *f) {
    static const char *const keys[] = {"state_dict", "model_state_dict", "model"};
    const lbi_pk_node *root = at(f, f->p->root);
    if (root->kind != LBI_PK_DICT) return f->p->root;
    for (size_t k = 0; k < LB_COUNT(keys); k++)
        for (int32_t i = 0; i + 1 < root->count; i += 2) {
            int kind = at(f, root->items[i + 1])->kind;
            if (is_text(at(f, root->items[i]), keys[k]) && (kind == LBI_PK_DICT || kind == LBI_PK_CALL)) return root->items[i + 1];
        }
    return f->p->root;
}

static lb_status collect_all(file *f) {
    int32_t root = network_of(f);
    const lbi_pk_node *n = at(f, root);
    if (n->kind == LBI_PK_CALL && n->global != G_ORDERED_DICT) strcpy(f->name, "tensor"); /* torch.save of one tensor */
    lb_status st = collect(f, root, 0);
    if (st == LB_OK && f->w->count == 0) return lb_fail(LB_E_FORMAT, "no tensor in it");
    return st;
}

/* ---- the ZIP archive ---- */

static lb_status check_stored(const lbi_zip_entry *e) {
    if (e->deflated) return lb_fail(LB_E_UNSUPPORTED, "ZIP entry '%.*s' is compressed; PyTorch stores them", (int)(e->name_size < 200 ? e->name_size : 200), e->name);
    return lbi_zip_check(e);
}

/* NAME/data.pkl with no further '/': its folder's length with the '/'. */
static const lbi_zip_entry *find_pickle(const lbi_zip *z, size_t *prefix) {
    static const char ending[] = "/data.pkl";
    size_t n = sizeof ending - 1;
    for (int64_t i = 0; i < z->count; i++) {
        const lbi_zip_entry *e = &z->at[i];
        if (e->name_size <= n || memcmp(e->name + e->name_size - n, ending, n) != 0 || memchr(e->name, '/', e->name_size - n)) continue;
        *prefix = e->name_size - n + 1;
        return e;
    }
    return NULL;
}

static lb_status check_byte_order(const lbi_zip *z, const char *folder, size_t n) {
    static const char suffix[] = "byteorder";
    char name[NAME_MAX_SIZE];
    if (n + sizeof suffix > sizeof name) return lb_fail(LB_E_FORMAT, "name of %zu bytes in the archive", n);
    memcpy(name, folder, n);
    memcpy(name + n, suffix, sizeof suffix);
    const lbi_zip_entry *e = lbi_zip_find(z, name, n + sizeof suffix - 1);
    if (e && (e->size != 6 || memcmp(e->data, "little", 6) != 0))
        return lb_fail(LB_E_UNSUPPORTED, "byte order '%.*s': only little-endian files are handled", (int)(e->size < 16 ? e->size : 16), e->data);
    return LB_OK;
}

static lb_status zip_blobs(file *f, const lbi_zip *z, const char *folder, size_t n) {
    f->blobs = lb_alloc((size_t)z->count, sizeof *f->blobs);
    if (!f->blobs) return LB_E_NOMEM;
    for (int64_t i = 0; i < z->count; i++) {
        const lbi_zip_entry *e = &z->at[i];
        if (e->name_size <= n + 5 || memcmp(e->name, folder, n) != 0 || memcmp(e->name + n, "data/", 5) != 0) continue;
        lb_status st = check_stored(e);
        if (st != LB_OK) return st;
        f->blobs[f->blob_count++] = (blob){.key = e->name + n + 5, .key_size = e->name_size - n - 5, .data = e->data, .size = e->size};
    }
    return LB_OK; /* sorted, since the entries are and share the prefix */
}

static lb_status open_zip(file *f, const uint8_t *data, size_t size) {
    lbi_zip z = {0};
    lbi_pickle p = {0};
    size_t n = 0;
    lb_status st = LB_OK;
    LB_TRY(lbi_zip_open(&z, data, size));
    const lbi_zip_entry *e = find_pickle(&z, &n);
    if (!e) {
        st = lb_fail(LB_E_UNSUPPORTED, "ZIP archive without data.pkl: not written by torch.save");
        goto done;
    }
    LB_TRY(check_stored(e));
    LB_TRY(check_byte_order(&z, e->name, n));
    LB_TRY(zip_blobs(f, &z, e->name, n));
    LB_TRY(lbi_pickle_read(&p, e->data, e->size, allowed));
    f->p = &p;
    LB_TRY(collect_all(f));
done:
    lbi_pickle_free(&p);
    lbi_zip_close(&z);
    return st;
}

/* ---- the older stream: magic, version, system, object, keys of storages (pickles); then per storage i64 elements, bytes ---- */

typedef struct stream {
    const uint8_t *data;
    size_t size, at;
} stream;

static lb_status next_pickle(stream *s, lbi_pickle *p) {
    lb_status st = lbi_pickle_read(p, s->data + s->at, s->size - s->at, allowed);
    if (st == LB_OK) s->at += p->used;
    return st;
}

static lb_status check_system(const lbi_pickle *version, const lbi_pickle *system) {
    const lbi_pk_node *v = &version->at[version->root], *map = &system->at[system->root];
    if (v->kind != LBI_PK_INT || v->integer != 1001 || map->kind != LBI_PK_DICT) return lb_fail(LB_E_UNSUPPORTED, "torch.save of another version than 1001");
    for (int32_t i = 0; i + 1 < map->count; i += 2) {
        const lbi_pk_node *key = &system->at[map->items[i]], *value = &system->at[map->items[i + 1]];
        if (is_text(key, "little_endian") && (value->kind != LBI_PK_BOOL || !value->integer)) return lb_fail(LB_E_UNSUPPORTED, "only little-endian files are handled");
    }
    return LB_OK;
}

/* The element size of each storage is known from the object's pickle. Storages that no tensor names cannot be sized: refused. */
typedef struct sized {
    const char *key;
    size_t key_size, element;
} sized;

static int by_sized_key(const void *a, const void *b) {
    const sized *x = a, *y = b;
    blob p = {.key = x->key, .key_size = x->key_size}, q = {.key = y->key, .key_size = y->key_size};
    return by_key(&p, &q);
}

static lb_status list_sizes(const file *f, sized **out, int64_t *count) {
    int64_t n = 0;
    for (int32_t i = 0; i < f->p->count; i++) n += at(f, i)->kind == LBI_PK_PERSISTENT;
    sized *list = lb_alloc((size_t)n, sizeof *list);
    if (!list) return LB_E_NOMEM;
    n = 0;
    for (int32_t i = 0; i < f->p->count; i++) {
        const lbi_pk_node *id = at(f, i);
        if (id->kind != LBI_PK_PERSISTENT) continue;
        const lbi_pk_node *type = arg(f, id, 1, LBI_PK_GLOBAL), *key = arg(f, id, 2, LBI_PK_TEXT);
        lb_dtype dtype;
        if (!storage_type(type, &dtype) || !key) continue;
        list[n++] = (sized){key->text, key->text_size, lb_dtype_size(dtype)};
    }
    qsort(list, (size_t)n, sizeof *list, by_sized_key);
    *out = list;
    *count = n;
    return LB_OK;
}

static lb_status stream_blobs(file *f, stream *s, const lbi_pickle *keys) {
    const lbi_pk_node *list = &keys->at[keys->root];
    sized *sizes = NULL;
    int64_t size_count = 0;
    lb_status st = LB_OK;
    if (list->kind != LBI_PK_LIST) return lb_fail(LB_E_FORMAT, "the list of storages is missing");
    LB_TRY(list_sizes(f, &sizes, &size_count));
    if (!(f->blobs = lb_alloc((size_t)list->count, sizeof *f->blobs))) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int32_t i = 0; i < list->count; i++) {
        const lbi_pk_node *key = &keys->at[list->items[i]];
        sized want = {key->text, key->text_size, 0}, *known = key->kind == LBI_PK_TEXT ? bsearch(&want, sizes, (size_t)size_count, sizeof want, by_sized_key) : NULL;
        if (!known) {
            st = lb_fail(LB_E_FORMAT, "storage %d of the file belongs to no tensor", i);
            goto done;
        }
        uint64_t elements = 0;
        size_t bytes = 0;
        for (int k = 0; k < 8 && s->size - s->at >= 8; k++) elements |= (uint64_t)s->data[s->at + (size_t)k] << (8 * k);
        if (s->size - s->at < 8 || !lb_mul_size(&bytes, elements, known->element) || bytes > s->size - s->at - 8) {
            st = lb_fail(LB_E_FORMAT, "storage '%.*s' ends beyond the file of %zu bytes: truncated?", (int)(key->text_size < 64 ? key->text_size : 64), key->text, s->size);
            goto done;
        }
        f->blobs[f->blob_count++] = (blob){.key = key->text, .key_size = key->text_size, .data = s->data + s->at + 8, .size = bytes};
        s->at += 8 + bytes;
    }
    qsort(f->blobs, (size_t)f->blob_count, sizeof *f->blobs, by_key);
done:
    lb_free(sizes);
    return st;
}

static lb_status open_stream(file *f, const uint8_t *data, size_t size) {
    stream s = {data, size, sizeof magic};
    lbi_pickle version = {0}, system = {0}, object = {0}, keys = {0};
    lb_status st = LB_OK;
    LB_TRY(next_pickle(&s, &version));
    LB_TRY(next_pickle(&s, &system));
    LB_TRY(check_system(&version, &system));
    LB_TRY(next_pickle(&s, &object));
    LB_TRY(next_pickle(&s, &keys));
    f->p = &object;
    LB_TRY(stream_blobs(f, &s, &keys));
    LB_TRY(collect_all(f));
done:
    lbi_pickle_free(&version);
    lbi_pickle_free(&system);
    lbi_pickle_free(&object);
    lbi_pickle_free(&keys);
    return st;
}

static bool is_stream(const uint8_t *head, size_t size) {
    return size >= sizeof magic && memcmp(head, magic, sizeof magic) == 0;
}

static bool is_zip(const uint8_t *head, size_t size) {
    return size >= 4 && memcmp(head, "PK\3\4", 4) == 0;
}

static int probe(const uint8_t *head, size_t size) {
    if (is_stream(head, size)) return 100;
    if (is_zip(head, size)) return 60;
    return size >= 2 && head[0] == 0x80 && head[1] >= 1 && head[1] <= 5 ? 30 : 0; /* some other pickle: refused with its reason */
}

static lb_status open(lb_weights *w, const uint8_t *data, size_t size) {
    file *f = lb_calloc(1, sizeof *f);
    if (!f) return LB_E_NOMEM;
    f->w = w;
    f->size = size;
    lb_status st;
    if (is_zip(data, size)) st = open_zip(f, data, size);
    else if (is_stream(data, size)) st = open_stream(f, data, size);
    else {
        lbi_pickle p = {0}; /* says what it refers to, if that is refused */
        st = lbi_pickle_read(&p, data, size, allowed);
        if (st == LB_OK) st = lb_fail(LB_E_UNSUPPORTED, "a pickle, but not one of torch.save");
        lbi_pickle_free(&p);
    }
    lb_free(f->blobs);
    lb_free(f);
    return st;
}

LB_WEIGHTS(torch) = {.id = "torch", .title = "PyTorch .pt, .pth, .bin: archive and older stream, tensors only", .source = "pytorch/pytorch, torch/serialization.py and torch/_utils.py",
                     .endings = "pt pth bin ckpt", .probe = probe, .open = open};
