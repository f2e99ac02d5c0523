/* SPDX-License-Identifier: Apache-2.0 */
/* HDF5 records around data that are on the disk already. HDF5 makes the file through a driver of ours: what it allocates for an adopted chunk
 * or table is where that lies, writing those is nothing, and all else it writes is kept in memory, to be put behind the data by the caller.
 * So HDF5 never meets a write error (after one it crashes, or leaves a damaged file and reports success), and data are written once.
 * Source: HDF5 virtual file layer, reference manual of 1.10 (H5FDregister). */
#include <stdio.h>
#include <string.h>
#include "io/hdf5_graft.h"
#include "io/hdf5_private.h"

enum { HEAD_BYTES = 4096 }; /* the superblock's place, with HDF5's first records */

struct lb_h5_graft {
    lb_h5 file;
    int64_t userblock, data_end; /* [HEAD_BYTES, data_end) is the caller's */
    haddr_t adopt;               /* where the next raw allocation lies; HADDR_UNDEF = anywhere */
    lb_buf head, tail;           /* bytes from userblock to HEAD_BYTES, and from data_end on */
    haddr_t end;                 /* of what HDF5 has allocated */
    void *zeros;
    size_t zeros_size;
};

/* ---- the driver ---- */

typedef struct graft_file {
    H5FD_t base; /* HDF5's own part comes first */
    lb_h5_graft *g;
} graft_file;

static hid_t driver_id = -1;

static H5FD_t *on_open(const char *name, unsigned flags, hid_t fapl, haddr_t most) {
    lb_h5_graft *const *g = H5Pget_driver_info(fapl);
    (void)name, (void)flags, (void)most;
    graft_file *f = g ? lb_calloc(1, sizeof *f) : NULL;
    if (f) f->g = *g;
    return (H5FD_t *)f;
}

static herr_t on_close(H5FD_t *file) {
    lb_free(file);
    return 0;
}

static int on_compare(const H5FD_t *a, const H5FD_t *b) { return a < b ? -1 : a > b; }

/* Neither small data nor records are gathered into larger blocks: every allocation is asked for. */
static herr_t on_query(const H5FD_t *file, unsigned long *flags) {
    (void)file;
    *flags = 0;
    return 0;
}

/* With zeros, to at least `size` bytes. */
static bool grow(lb_buf *b, size_t size) {
    static const char zeros[4096];
    while (b->size < size && !b->failed) lb_buf_add(b, zeros, size - b->size < sizeof zeros ? size - b->size : sizeof zeros);
    return !b->failed;
}

static haddr_t on_alloc(H5FD_t *file, H5FD_mem_t type, hid_t dxpl, hsize_t size) {
    lb_h5_graft *g = ((graft_file *)file)->g;
    (void)dxpl;
    haddr_t at = g->adopt;
    if (type == H5FD_MEM_DRAW && at != HADDR_UNDEF) {
        g->adopt = HADDR_UNDEF;
        return at;
    }
    if (type == H5FD_MEM_SUPER && g->head.size == 0) {
        g->end = (haddr_t)g->data_end; /* until now the file was empty, or HDF5 would read it */
        return grow(&g->head, (size_t)(HEAD_BYTES - g->userblock)) ? (haddr_t)g->userblock : HADDR_UNDEF;
    }
    at = g->end;
    g->end += size;
    return at;
}

static haddr_t on_get_eoa(const H5FD_t *file, H5FD_mem_t type) {
    (void)type;
    return ((const graft_file *)file)->g->end;
}

/* HDF5 sets it to the user block's size when it begins. */
static herr_t on_set_eoa(H5FD_t *file, H5FD_mem_t type, haddr_t end) {
    lb_h5_graft *g = ((graft_file *)file)->g;
    (void)type;
    if (end > g->end) g->end = end;
    return 0;
}

static haddr_t on_get_eof(const H5FD_t *file, H5FD_mem_t type) {
    const lb_h5_graft *g = ((const graft_file *)file)->g;
    (void)type;
    return g->head.size ? g->end : 0;
}

/* The bytes of an address that is kept in memory, made when missing; NULL for the caller's own. */
static char *place(lb_h5_graft *g, haddr_t at, size_t size) {
    if (at + size <= HEAD_BYTES && at >= (haddr_t)g->userblock) return g->head.data + (at - (haddr_t)g->userblock);
    if (at < (haddr_t)g->data_end) return NULL;
    size_t first = (size_t)(at - (haddr_t)g->data_end), want = first + size;
    return grow(&g->tail, want) ? g->tail.data + first : NULL;
}

static herr_t on_read(H5FD_t *file, H5FD_mem_t type, hid_t dxpl, haddr_t at, size_t size, void *out) {
    char *bytes = place(((graft_file *)file)->g, at, size);
    (void)type, (void)dxpl;
    if (!bytes) return -1;
    memcpy(out, bytes, size);
    return 0;
}

static herr_t on_write(H5FD_t *file, H5FD_mem_t type, hid_t dxpl, haddr_t at, size_t size, const void *in) {
    lb_h5_graft *g = ((graft_file *)file)->g;
    (void)type, (void)dxpl;
    char *bytes = place(g, at, size);
    if (bytes) memcpy(bytes, in, size);
    return bytes || at + size <= (haddr_t)g->data_end ? 0 : -1;
}

static const H5FD_class_t driver = {.name = "graft", .maxaddr = INT64_MAX, .fc_degree = H5F_CLOSE_STRONG, .fapl_size = sizeof(lb_h5_graft *), .open = on_open, .close = on_close,
                                    .cmp = on_compare, .query = on_query, .alloc = on_alloc, .get_eoa = on_get_eoa, .set_eoa = on_set_eoa, .get_eof = on_get_eof, .read = on_read,
                                    .write = on_write, .fl_map = H5FD_FLMAP_DICHOTOMY};

/* ---- the file ---- */

static lb_status create(lb_h5_graft *g) {
    lb_status st = LB_OK;
    if (driver_id < 0) driver_id = H5FDregister(&driver);
    hid_t fapl = lb_h5_access_list(), fcpl = H5Pcreate(H5P_FILE_CREATE);
    if (driver_id < 0 || fapl < 0 || fcpl < 0 || H5Pset_driver(fapl, driver_id, &g) < 0 || H5Pset_obj_track_times(fcpl, false) < 0 ||
        H5Pset_userblock(fcpl, (hsize_t)g->userblock) < 0)
        st = lb_h5_fail(LB_E_BUG, g->file.path, "cannot prepare", NULL);
    else if ((g->file.id = H5Fcreate(g->file.path, H5F_ACC_TRUNC, fcpl, fapl)) < 0) st = lb_h5_fail(LB_E_BUG, g->file.path, "cannot make", NULL);
    if (fapl >= 0) H5Pclose(fapl);
    if (fcpl >= 0) H5Pclose(fcpl);
    return st;
}

lb_status lb_h5_graft_open(lb_h5_graft **out, lb_h5 **file, const char *name, int64_t userblock, int64_t data_end) {
    lb_h5_graft *g = lb_calloc(1, sizeof *g);
    if (!g) return LB_E_NOMEM;
    g->userblock = userblock;
    g->data_end = data_end;
    g->adopt = HADDR_UNDEF;
    g->file.id = -1;
    lb_status st = (g->file.path = lb_strdup(name)) ? LB_OK : LB_E_NOMEM;
    lb_h5_lock();
    if (st == LB_OK) st = create(g);
    lb_h5_unlock();
    if (st != LB_OK) {
        lb_h5_graft_free(g);
        return st;
    }
    *out = g;
    *file = &g->file;
    return LB_OK;
}

lb_status lb_h5_graft_close(lb_h5_graft *g, const char **head, size_t *head_size, const char **tail, size_t *tail_size) {
    lb_h5_lock();
    lb_status st = H5Fflush(g->file.id, H5F_SCOPE_LOCAL) < 0 ? lb_h5_fail(LB_E_NOMEM, g->file.path, "cannot gather records", NULL) : LB_OK;
    if (H5Fclose(g->file.id) < 0 && st == LB_OK) st = lb_h5_fail(LB_E_NOMEM, g->file.path, "cannot close records", NULL);
    lb_h5_unlock();
    g->file.id = -1;
    if (st == LB_OK && g->end > (haddr_t)g->data_end && !place(g, g->end - 1, 1)) st = LB_E_NOMEM; /* the file reaches as far as HDF5 says */
    *head = g->head.data;
    *head_size = g->head.size;
    *tail = g->tail.data;
    *tail_size = g->tail.size;
    return st;
}

void lb_h5_graft_free(lb_h5_graft *g) {
    if (!g) return;
    if (g->file.id >= 0) {
        lb_h5_lock();
        H5Fclose(g->file.id);
        lb_h5_unlock();
    }
    lb_buf_free(&g->head);
    lb_buf_free(&g->tail);
    lb_free(g->zeros);
    lb_free(g->file.path);
    lb_free(g);
}

/* ---- adopting ---- */

static lb_status adopt_chunk(lb_h5_graft *g, hid_t set, const lb_h5_grafted *d, int64_t number, const char *name) {
    hsize_t at[LB_MAX_RANK];
    for (int i = d->rank - 1; i >= 0; i--) {
        int64_t across = (d->shape[i] + d->chunk[i] - 1) / d->chunk[i];
        at[i] = (hsize_t)(number % across * d->chunk[i]);
        number /= across;
    }
    return H5Dwrite_chunk(set, H5P_DEFAULT, 0, at, (size_t)d->size[0], g->zeros) < 0 ? lb_h5_fail(LB_E_BUG, g->file.path, "cannot place a chunk of", name) : LB_OK;
}

static lb_status need_zeros(lb_h5_graft *g, size_t size) {
    if (size <= g->zeros_size) return LB_OK;
    lb_free(g->zeros);
    g->zeros = lb_calloc(size, 1);
    g->zeros_size = g->zeros ? size : 0;
    return g->zeros ? LB_OK : LB_E_NOMEM;
}

static hid_t type_of(const lb_h5_grafted *d) {
    if (!d->text) return lb_h5_type(d->dtype);
    hid_t t = H5Tcopy(H5T_C_S1);
    if (t >= 0 && (H5Tset_size(t, (size_t)d->text) < 0 || H5Tset_cset(t, H5T_CSET_UTF8) < 0 || H5Tset_strpad(t, H5T_STR_NULLPAD) < 0)) {
        H5Tclose(t);
        return -1;
    }
    return t;
}

static hid_t list_of(const lb_h5_grafted *d) {
    hid_t p = lb_h5_create_list(d->rank, d->nchunks ? d->chunk : NULL);
    if (p < 0) return p;
    bool ok = H5Pset_fill_time(p, H5D_FILL_TIME_NEVER) >= 0;
    if (ok && !d->nchunks) ok = H5Pset_alloc_time(p, H5D_ALLOC_TIME_EARLY) >= 0;
    if (ok && d->deflate) ok = H5Pset_shuffle(p) >= 0 && H5Pset_deflate(p, 1) >= 0;
    if (ok) return p;
    H5Pclose(p);
    return -1;
}

lb_status lb_h5_graft_adopt(lb_h5_graft *g, const char *dataset, const lb_h5_grafted *d) {
    lb_status st = LB_OK;
    hid_t type = -1, list = -1, set = -1;
    size_t largest = 0;
    for (int64_t i = 0; i < d->nchunks; i++) largest = (size_t)d->size[i] > largest ? (size_t)d->size[i] : largest;
    LB_TRY(need_zeros(g, largest));
    lb_h5_lock();
    type = type_of(d);
    list = list_of(d);
    if (!d->nchunks) g->adopt = (haddr_t)d->address[0]; /* a table is placed when it is made */
    if (type >= 0 && list >= 0) set = lb_h5_new_set(&g->file, dataset, type, d->rank, d->shape, list);
    if (set < 0) st = lb_h5_fail(LB_E_BUG, g->file.path, "cannot make dataset", dataset);
    for (int64_t i = 0; i < d->nchunks && st == LB_OK; i++) {
        lb_h5_grafted one = *d;
        one.size = d->size + i;
        g->adopt = (haddr_t)d->address[i];
        st = adopt_chunk(g, set, &one, i, dataset);
    }
    g->adopt = HADDR_UNDEF;
    if (set >= 0) H5Dclose(set);
    if (list >= 0) H5Pclose(list);
    if (type >= 0) H5Tclose(type);
    lb_h5_unlock();
    if (st == LB_OK && d->dtype == LB_BF16 && !d->text) st = lb_h5_set_text(&g->file, dataset, "dtype", "bf16");
done:
    return st;
}

/* ---- views ---- */

static bool map_view(hid_t list, const char *dataset, int rank, const hsize_t *all, hsize_t first, const lb_h5_view *v) {
    hsize_t at[LB_MAX_RANK] = {first}, size[LB_MAX_RANK];
    memcpy(size, all, (size_t)rank * sizeof *size);
    size[0] = (hsize_t)v->rows;
    hid_t source = H5Screate_simple(rank, size, NULL), space = H5Screate_simple(rank, all, NULL);
    bool ok = source >= 0 && space >= 0 && H5Sselect_hyperslab(space, H5S_SELECT_SET, at, NULL, size, NULL) >= 0 && H5Pset_virtual(list, space, v->file, dataset, source) >= 0;
    if (source >= 0) H5Sclose(source);
    if (space >= 0) H5Sclose(space);
    return ok;
}

lb_status lb_h5_graft_views(lb_h5_graft *g, const char *dataset, lb_dtype dtype, int rank, const int64_t *shape, int64_t count, const lb_h5_view *views) {
    lb_status st = LB_OK;
    hsize_t all[LB_MAX_RANK], first = 0;
    for (int i = 0; i < rank; i++) all[i] = (hsize_t)shape[i];
    lb_h5_lock();
    hid_t type = lb_h5_type(dtype), list = lb_h5_create_list(rank, NULL), set = -1;
    bool ok = type >= 0 && list >= 0;
    for (int64_t i = 0; i < count && ok; i++) {
        if (views[i].rows > 0) ok = map_view(list, dataset, rank, all, first, &views[i]);
        first += (hsize_t)views[i].rows;
    }
    if (ok) set = lb_h5_new_set(&g->file, dataset, type, rank, shape, list);
    if (set < 0) st = lb_h5_fail(LB_E_BUG, g->file.path, "cannot make dataset", dataset);
    else H5Dclose(set);
    if (list >= 0) H5Pclose(list);
    if (type >= 0) H5Tclose(type);
    lb_h5_unlock();
    return st == LB_OK && dtype == LB_BF16 ? lb_h5_set_text(&g->file, dataset, "dtype", "bf16") : st;
}
