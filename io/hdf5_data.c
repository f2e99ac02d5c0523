/* SPDX-License-Identifier: Apache-2.0 */
/* HDF5: datasets, whole and by rows. Numbers stored as ours are read as they are and converted by lb_convert (HDF5's own conversion of
 * f16 goes bit by bit); anything else, such as big-endian numbers, is converted by HDF5. */
#include <stdio.h>
#include <string.h>
#include "io/hdf5_private.h"

enum { TEXTS_AT_ONCE = 65536 };

/* A dataset under the lock: ids, shape, and how it is stored. */
struct opened {
    hid_t set, type, space;
    lb_dtype dtype;
    int rank;
    int64_t shape[LB_MAX_RANK], numel;
};

static void shut(struct opened *o) {
    if (o->space > 0) H5Sclose(o->space);
    if (o->type > 0) H5Tclose(o->type);
    if (o->set > 0) H5Dclose(o->set);
    memset(o, 0, sizeof *o);
}

/* Rank, sizes and element count. A null dataspace (h5py's Empty) counts as [0]. */
static lb_status take_shape(struct opened *o, lb_h5 *f, const char *name) {
    hsize_t dims[H5S_MAX_RANK];
    if (H5Sget_simple_extent_type(o->space) == H5S_NULL) {
        o->rank = 1;
        return LB_OK;
    }
    o->rank = H5Sget_simple_extent_dims(o->space, dims, NULL);
    if (o->rank < 0) return lb_h5_fail(LB_E_FORMAT, f->path, "no shape in", name);
    if (o->rank > LB_MAX_RANK) return lb_fail(LB_E_UNSUPPORTED, "%s: dataset '%s' has rank %d, want at most %d", f->path, name, o->rank, LB_MAX_RANK);
    o->numel = 1;
    for (int i = 0; i < o->rank; i++) {
        if (dims[i] > INT64_MAX) return lb_fail(LB_E_FORMAT, "%s: dataset '%s' has an impossible size", f->path, name);
        o->shape[i] = (int64_t)dims[i];
        if (!lb_mul_i64(&o->numel, o->numel, o->shape[i])) return lb_fail(LB_E_FORMAT, "%s: dataset '%s' has too many elements", f->path, name);
    }
    return LB_OK;
}

/* No chunk cache: callers read and write whole chunks, or rows that are wanted once. */
static hid_t row_list(void) {
    hid_t p = H5Pcreate(H5P_DATASET_ACCESS);
    if (p >= 0) H5Pset_chunk_cache(p, 1, 0, 1.0);
    return p;
}

static lb_status open_set(struct opened *o, lb_h5 *f, const char *name) {
    *o = (struct opened){0};
    if (!lb_h5_exists(f->id, name)) return lb_fail(LB_E_NOTFOUND, "%s: no dataset '%s'", f->path, name);
    hid_t dapl = row_list();
    o->set = H5Dopen2(f->id, name, dapl < 0 ? H5P_DEFAULT : dapl);
    if (dapl >= 0) H5Pclose(dapl);
    if (o->set >= 0) o->type = H5Dget_type(o->set);
    if (o->set >= 0) o->space = H5Dget_space(o->set);
    if (o->set < 0 || o->type < 0 || o->space < 0) return lb_h5_fail(LB_E_FORMAT, f->path, "cannot open dataset", name);
    return take_shape(o, f, name);
}

/* bf16 has no HDF5 type of its own: u16 with the attribute dtype = "bf16". */
static bool says_bf16(hid_t set) {
    char *s = NULL;
    bool yes = false;
    if (H5Aexists(set, "dtype") <= 0) return false;
    hid_t a = H5Aopen(set, "dtype", H5P_DEFAULT), t = H5Aget_type(a);
    if (H5Tget_class(t) == H5T_STRING && H5Tis_variable_str(t) > 0 && H5Aread(a, t, &s) >= 0) yes = s && strcmp(s, "bf16") == 0;
    if (s) H5free_memory(s);
    H5Tclose(t);
    H5Aclose(a);
    return yes;
}

static lb_status open_numbers(struct opened *o, lb_h5 *f, const char *name) {
    lb_status st = open_set(o, f, name);
    if (st == LB_OK && !lb_h5_dtype_of(&o->dtype, o->type)) st = lb_fail(LB_E_FORMAT, "%s: dataset '%s' does not hold numbers", f->path, name);
    if (st == LB_OK && o->dtype == LB_U16 && says_bf16(o->set)) o->dtype = LB_BF16;
    if (st != LB_OK) shut(o);
    return st;
}

/* What to ask HDF5 for: an id to close. Enumerations are read as they lie. */
static hid_t memory_type(const struct opened *o) { return H5Tget_class(o->type) == H5T_ENUM ? H5Tcopy(o->type) : lb_h5_type(o->dtype); }

static lb_status read_into(struct opened *o, lb_h5 *f, const char *name, void *data) {
    hid_t mem = memory_type(o);
    herr_t bad = mem < 0 ? -1 : H5Dread(o->set, mem, H5S_ALL, H5S_ALL, H5P_DEFAULT, data);
    if (mem >= 0) H5Tclose(mem);
    return bad < 0 ? lb_h5_fail(LB_E_FORMAT, f->path, "cannot read dataset", name) : LB_OK;
}

lb_status lb_h5_read(lb_tensor **out, lb_h5 *f, const char *dataset, lb_dtype dtype) {
    lb_status st = LB_OK;
    struct opened o = {0};
    lb_tensor *x = NULL, *raw = NULL;
    lb_h5_lock();
    LB_TRY(open_numbers(&o, f, dataset));
    LB_TRY(lb_tensor_new(&x, dtype, o.rank, o.shape));
    if (o.numel == 0) goto done;
    if (o.dtype == dtype) {
        LB_TRY(read_into(&o, f, dataset, x->data));
    } else {
        LB_TRY(lb_tensor_new(&raw, o.dtype, o.rank, o.shape));
        LB_TRY(read_into(&o, f, dataset, raw->data));
        lb_convert(x->data, dtype, raw->data, o.dtype, o.numel);
    }
done:
    shut(&o);
    lb_h5_unlock();
    lb_tensor_free(raw);
    if (st != LB_OK) lb_tensor_free(x);
    else *out = x;
    return st;
}

lb_status lb_h5_is_integer(bool *out, lb_h5 *f, const char *dataset) {
    struct opened o = {0};
    lb_h5_lock();
    lb_status st = open_numbers(&o, f, dataset);
    if (st == LB_OK) *out = o.dtype >= LB_I64;
    shut(&o);
    lb_h5_unlock();
    return st;
}

/* Makes the groups of a path. Neither they nor datasets keep times: equal content gives equal bytes. */
static bool make_groups(lb_h5 *f, const char *path) {
    char step[1024];
    hid_t p = H5Pcreate(H5P_GROUP_CREATE);
    bool ok = p >= 0 && H5Pset_obj_track_times(p, false) >= 0 && strlen(path) < sizeof step;
    for (size_t i = 1; ok && path[i]; i++) {
        if (path[i] != '/') continue;
        memcpy(step, path, i);
        step[i] = '\0';
        if (lb_h5_exists(f->id, step)) continue;
        hid_t g = H5Gcreate2(f->id, step, H5P_DEFAULT, p, H5P_DEFAULT);
        ok = g >= 0;
        if (ok) H5Gclose(g);
    }
    if (p >= 0) H5Pclose(p);
    return ok;
}

hid_t lb_h5_create_list(int rank, const int64_t *chunk) {
    hid_t p = H5Pcreate(H5P_DATASET_CREATE);
    if (p < 0) return p;
    H5Pset_obj_track_times(p, false);
    H5Pset_fill_time(p, H5D_FILL_TIME_ALLOC);
    if (chunk) {
        hsize_t c[LB_MAX_RANK];
        for (int i = 0; i < rank; i++) c[i] = (hsize_t)chunk[i];
        if (H5Pset_chunk(p, rank, c) < 0) {
            H5Pclose(p);
            return -1;
        }
    }
    return p;
}

static hid_t new_set_with(lb_h5 *f, const char *name, hid_t type, int rank, const int64_t *shape, hid_t list, hid_t dapl) {
    hsize_t dims[LB_MAX_RANK];
    for (int i = 0; i < rank; i++) dims[i] = (hsize_t)shape[i];
    hid_t space = rank ? H5Screate_simple(rank, dims, NULL) : H5Screate(H5S_SCALAR);
    hid_t set = -1;
    if (space >= 0 && dapl >= 0 && make_groups(f, name)) set = H5Dcreate2(f->id, name, type, space, H5P_DEFAULT, list, dapl);
    if (space >= 0) H5Sclose(space);
    return set;
}

hid_t lb_h5_new_set(lb_h5 *f, const char *name, hid_t type, int rank, const int64_t *shape, hid_t list) {
    hid_t dapl = row_list(), set = new_set_with(f, name, type, rank, shape, list, dapl);
    if (dapl >= 0) H5Pclose(dapl);
    return set;
}

static hid_t new_set(lb_h5 *f, const char *name, hid_t type, int rank, const int64_t *shape, const int64_t *chunk) {
    hid_t list = lb_h5_create_list(rank, chunk);
    if (list < 0) return list;
    hid_t set = lb_h5_new_set(f, name, type, rank, shape, list);
    H5Pclose(list);
    return set;
}

static lb_status mark_bf16(lb_h5 *f, const char *dataset, lb_dtype dtype) {
    return dtype == LB_BF16 ? lb_h5_set_text(f, dataset, "dtype", "bf16") : LB_OK;
}

lb_status lb_h5_write(lb_h5 *f, const char *dataset, const lb_tensor *x) {
    lb_status st = LB_OK;
    lb_tensor *own = NULL;
    if (!lb_is_contiguous(x)) {
        st = lb_tensor_copy(&own, x, x->dtype);
        if (st != LB_OK) return st;
        x = own;
    }
    lb_h5_lock();
    hid_t type = lb_h5_type(x->dtype), set = type < 0 ? -1 : new_set(f, dataset, type, x->rank, x->shape, NULL);
    if (set < 0 || (lb_numel(x) > 0 && H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, x->data) < 0))
        st = lb_h5_fail(LB_E_IO, f->path, "cannot write dataset", dataset);
    if (set >= 0) H5Dclose(set);
    if (type >= 0) H5Tclose(type);
    lb_h5_unlock();
    if (st == LB_OK) st = mark_bf16(f, dataset, x->dtype);
    lb_tensor_free(own);
    return st;
}

/* ---- texts ---- */
static void free_texts(char **t, int64_t n) {
    for (int64_t i = 0; t && i < n; i++) lb_free(t[i]);
    lb_free(t);
}

static lb_status read_variable(struct opened *o, lb_h5 *f, const char *name, char **texts) {
    char **raw = lb_calloc((size_t)o->numel, sizeof *raw);
    if (!raw) return LB_E_NOMEM;
    lb_status st = LB_OK;
    hid_t mem = H5Tcopy(o->type);
    if (H5Dread(o->set, mem, H5S_ALL, H5S_ALL, H5P_DEFAULT, raw) < 0) {
        st = lb_h5_fail(LB_E_FORMAT, f->path, "cannot read dataset", name);
    } else {
        for (int64_t i = 0; i < o->numel && st == LB_OK; i++)
            if (!(texts[i] = lb_strdup(raw[i] ? raw[i] : ""))) st = LB_E_NOMEM;
        H5Dvlen_reclaim(mem, o->space, H5P_DEFAULT, raw);
    }
    H5Tclose(mem);
    lb_free(raw);
    return st;
}

static lb_status read_fixed(struct opened *o, lb_h5 *f, const char *name, char **texts) {
    size_t size = H5Tget_size(o->type), bytes;
    if (!lb_mul_size(&bytes, size, (size_t)o->numel)) return lb_fail(LB_E_FORMAT, "%s: dataset '%s' has too many elements", f->path, name);
    char *raw = lb_calloc(bytes ? bytes : 1, 1);
    if (!raw) return LB_E_NOMEM;
    lb_status st = LB_OK;
    bool spaces = H5Tget_strpad(o->type) == H5T_STR_SPACEPAD;
    if (H5Dread(o->set, o->type, H5S_ALL, H5S_ALL, H5P_DEFAULT, raw) < 0) st = lb_h5_fail(LB_E_FORMAT, f->path, "cannot read dataset", name);
    for (int64_t i = 0; i < o->numel && st == LB_OK; i++) {
        const char *s = raw + (size_t)i * size;
        size_t n = strnlen(s, size);
        while (spaces && n && s[n - 1] == ' ') n--;
        if (!(texts[i] = lb_strndup(s, n))) st = LB_E_NOMEM;
    }
    lb_free(raw);
    return st;
}

lb_status lb_h5_read_texts(char ***out, int64_t *count, lb_h5 *f, const char *dataset) {
    lb_status st = LB_OK;
    struct opened o = {0};
    char **texts = NULL;
    lb_h5_lock();
    LB_TRY(open_set(&o, f, dataset));
    if (H5Tget_class(o.type) != H5T_STRING) {
        st = lb_fail(LB_E_FORMAT, "%s: dataset '%s' does not hold texts", f->path, dataset);
        goto done;
    }
    if (!(texts = lb_calloc((size_t)o.numel, sizeof *texts))) {
        st = LB_E_NOMEM;
        goto done;
    }
    if (o.numel) st = H5Tis_variable_str(o.type) > 0 ? read_variable(&o, f, dataset, texts) : read_fixed(&o, f, dataset, texts);
    *count = o.numel;
done:
    if (st == LB_OK) *out = texts;
    else free_texts(texts, o.numel);
    shut(&o);
    lb_h5_unlock();
    return st;
}

/* References to many texts, most of them to the same or to none, in deflated chunks. */
static hid_t packed_texts(lb_h5 *f, const char *dataset, hid_t type, int64_t count) {
    int64_t chunk = TEXTS_AT_ONCE;
    hid_t list = lb_h5_create_list(1, &chunk);
    hid_t dapl = H5Pcreate(H5P_DATASET_ACCESS); /* a chunk is made in several parts: it stays in memory until it is whole */
    bool ok = list >= 0 && dapl >= 0 && H5Pset_deflate(list, 1) >= 0 && H5Pset_chunk_cache(dapl, 521, 4 << 20, 1.0) >= 0;
    hid_t set = ok ? new_set_with(f, dataset, type, 1, &count, list, dapl) : -1;
    if (dapl >= 0) H5Pclose(dapl);
    if (list >= 0) H5Pclose(list);
    return set;
}

/* Some of a set's texts: nothing for a piece without any, which then takes no room; in others an empty one is a reference to nothing. */
static bool write_texts(hid_t set, hid_t type, hsize_t first, hsize_t count, const char *const *texts, const char **piece) {
    bool any = false;
    for (hsize_t i = 0; i < count; i++) {
        piece[i] = texts[first + i][0] ? texts[first + i] : NULL;
        any |= piece[i] != NULL;
    }
    if (!any) return true;
    hid_t space = H5Dget_space(set), memory = H5Screate_simple(1, &count, NULL);
    bool ok = space >= 0 && memory >= 0 && H5Sselect_hyperslab(space, H5S_SELECT_SET, &first, NULL, &count, NULL) >= 0 &&
              H5Dwrite(set, type, memory, space, H5P_DEFAULT, piece) >= 0;
    if (space >= 0) H5Sclose(space);
    if (memory >= 0) H5Sclose(memory);
    return ok;
}

lb_status lb_h5_write_texts(lb_h5 *f, const char *dataset, int64_t count, const char *const *texts) {
    lb_status st = LB_OK;
    const char **piece = lb_alloc((size_t)(count < TEXTS_AT_ONCE ? count : TEXTS_AT_ONCE), sizeof *piece);
    if (!piece) return LB_E_NOMEM;
    lb_h5_lock();
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    hid_t set = count > TEXTS_AT_ONCE ? packed_texts(f, dataset, type, count) : new_set(f, dataset, type, 1, &count, NULL);
    bool ok = set >= 0;
    for (int64_t at = 0; ok && at < count; at += TEXTS_AT_ONCE) ok = write_texts(set, type, (hsize_t)at, (hsize_t)(count - at < TEXTS_AT_ONCE ? count - at : TEXTS_AT_ONCE), texts, piece);
    if (!ok) st = lb_h5_fail(LB_E_IO, f->path, "cannot write dataset", dataset);
    if (set >= 0) H5Dclose(set);
    H5Tclose(type);
    lb_h5_unlock();
    lb_free(piece);
    return st;
}

/* ---- by rows ---- */
static lb_status wrap(lb_h5_data **out, lb_h5 *f, const char *name, struct opened *o) {
    lb_h5_data *d = lb_calloc(1, sizeof *d);
    char *copy = lb_strdup(name);
    if (!d || !copy) {
        lb_free(d);
        lb_free(copy);
        return LB_E_NOMEM;
    }
    *d = (lb_h5_data){.dtype = o->dtype, .rank = o->rank, .row = 1, .id = o->set, .file = f, .name = copy};
    memcpy(d->shape, o->shape, sizeof d->shape);
    for (int i = 1; i < o->rank; i++) d->row *= o->shape[i];
    hid_t dcpl = H5Dget_create_plist(o->set);
    hsize_t chunk[LB_MAX_RANK] = {0};
    if (dcpl >= 0 && H5Pget_layout(dcpl) == H5D_CHUNKED && H5Pget_chunk(dcpl, LB_MAX_RANK, chunk) > 0)
        for (int i = 0; i < o->rank; i++) d->chunk[i] = (int64_t)chunk[i];
    if (dcpl >= 0) H5Pclose(dcpl);
    o->set = 0; /* moved */
    *out = d;
    return LB_OK;
}

lb_status lb_h5_data_open(lb_h5_data **out, lb_h5 *f, const char *dataset) {
    struct opened o = {0};
    lb_h5_lock();
    lb_status st = open_numbers(&o, f, dataset);
    if (st == LB_OK && o.rank < 1) st = lb_fail(LB_E_FORMAT, "%s: dataset '%s' is a scalar, want rows", f->path, dataset);
    if (st == LB_OK) st = wrap(out, f, dataset, &o);
    shut(&o);
    lb_h5_unlock();
    return st;
}

lb_status lb_h5_data_create(lb_h5_data **out, lb_h5 *f, const char *dataset, lb_dtype dtype, int rank, const int64_t *shape, const int64_t *chunk) {
    struct opened o = {.dtype = dtype, .rank = rank};
    memcpy(o.shape, shape, (size_t)rank * sizeof *shape);
    lb_h5_lock();
    hid_t type = lb_h5_type(dtype), set = type < 0 ? -1 : new_set(f, dataset, type, rank, shape, chunk);
    lb_status st = set < 0 ? lb_h5_fail(LB_E_IO, f->path, "cannot create dataset", dataset) : LB_OK;
    if (type >= 0) H5Tclose(type);
    o.set = set < 0 ? 0 : set;
    lb_h5_data *d = NULL;
    if (st == LB_OK) st = wrap(&d, f, dataset, &o);
    shut(&o);
    lb_h5_unlock();
    if (st == LB_OK) st = mark_bf16(f, dataset, dtype);
    if (st == LB_OK) {
        *out = d;
    } else if (d) {
        lb_status ignored = lb_h5_data_close(d);
        (void)ignored;
    }
    return st;
}

static lb_status transfer(lb_h5_data *d, int64_t first, int64_t count, const void *from, void *to) {
    if (first < 0 || count < 0 || first > d->shape[0] - count)
        return lb_fail(LB_E_NOTFOUND, "%s: dataset '%s' has %lld rows, want %lld to %lld", d->file->path, d->name, (long long)d->shape[0], (long long)first,
                       (long long)(first + count - 1));
    if (count == 0 || d->row == 0) return LB_OK;
    hsize_t at[LB_MAX_RANK] = {0}, size[LB_MAX_RANK];
    for (int i = 0; i < d->rank; i++) size[i] = (hsize_t)d->shape[i];
    at[0] = (hsize_t)first;
    size[0] = (hsize_t)count;
    lb_h5_lock();
    hid_t stored = H5Dget_type(d->id);
    hid_t type = H5Tget_class(stored) == H5T_ENUM ? H5Tcopy(stored) : lb_h5_type(d->dtype);
    hid_t space = H5Dget_space(d->id), memory = H5Screate_simple(d->rank, size, NULL);
    bool ok = type >= 0 && space >= 0 && memory >= 0 && H5Sselect_hyperslab(space, H5S_SELECT_SET, at, NULL, size, NULL) >= 0;
    if (ok) ok = (to ? H5Dread(d->id, type, memory, space, H5P_DEFAULT, to) : H5Dwrite(d->id, type, memory, space, H5P_DEFAULT, from)) >= 0;
    lb_status st = ok ? LB_OK : lb_h5_fail(to ? LB_E_FORMAT : LB_E_IO, d->file->path, to ? "cannot read dataset" : "cannot write dataset", d->name);
    if (type >= 0) H5Tclose(type);
    if (stored >= 0) H5Tclose(stored);
    if (space >= 0) H5Sclose(space);
    if (memory >= 0) H5Sclose(memory);
    lb_h5_unlock();
    return st;
}

lb_status lb_h5_data_read(lb_h5_data *d, int64_t first, int64_t count, void *out) { return transfer(d, first, count, NULL, out); }

lb_status lb_h5_data_write(lb_h5_data *d, int64_t first, int64_t count, const void *rows) { return transfer(d, first, count, rows, NULL); }

lb_status lb_h5_data_close(lb_h5_data *d) {
    if (!d) return LB_OK;
    lb_h5_lock();
    lb_status st = H5Dclose(d->id) < 0 ? lb_h5_fail(LB_E_IO, d->file->path, "cannot close dataset", d->name) : LB_OK;
    lb_h5_unlock();
    lb_free(d->name);
    lb_free(d);
    return st;
}
