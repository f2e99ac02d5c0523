/* SPDX-License-Identifier: Apache-2.0 */
/* HDF5: files, groups, errors and number types. Source: HDF5 1.10 reference manual. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "io/hdf5_private.h"

static pthread_mutex_t the_lock = PTHREAD_MUTEX_INITIALIZER;

void lb_h5_lock(void) {
    pthread_mutex_lock(&the_lock);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* errors are read from the stack, never printed */
}

void lb_h5_unlock(void) { pthread_mutex_unlock(&the_lock); }

struct stack_text {
    char outer[200], inner[300];
};

static herr_t on_error(unsigned n, const H5E_error2_t *e, void *ctx) {
    struct stack_text *s = ctx;
    if (!e->desc) return 0;
    if (n == 0) snprintf(s->inner, sizeof s->inner, "%s", e->desc);
    snprintf(s->outer, sizeof s->outer, "%s", e->desc);
    return 0;
}

lb_status lb_h5_fail(lb_status code, const char *path, const char *what, const char *name) {
    struct stack_text s = {{0}, {0}};
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, on_error, &s); /* innermost first */
    H5Eclear2(H5E_DEFAULT);
    bool two = strcmp(s.outer, s.inner) != 0;
    return lb_fail(code, "%s: %s%s%s%s: HDF5: %s%s%s", path, what, name ? " '" : "", name ? name : "", name ? "'" : "",
                   s.outer[0] ? s.outer : "no reason given", two ? ": " : "", two ? s.inner : "");
}

/* File locks are ignored where the file system has none; closing a file closes everything opened in it. New files use the layout of HDF5
 * 1.10, whose records carry checksums: HDF5 crashes on older ones when a bit in them has flipped. */
hid_t lb_h5_access_list(void) {
    hid_t fapl = H5Pcreate(H5P_FILE_ACCESS);
    if (fapl < 0) return fapl;
    H5Pset_fclose_degree(fapl, H5F_CLOSE_STRONG);
    H5Pset_libver_bounds(fapl, H5F_LIBVER_V110, H5F_LIBVER_LATEST);
#if H5_VERSION_GE(1, 10, 7)
    H5Pset_file_locking(fapl, true, true);
#endif
    return fapl;
}

static lb_status wrap(lb_h5 **out, hid_t id, const char *path) {
    lb_h5 *f = lb_calloc(1, sizeof *f);
    char *copy = lb_strdup(path);
    if (!f || !copy) {
        lb_free(f);
        lb_free(copy);
        H5Fclose(id);
        return LB_E_NOMEM;
    }
    f->id = id;
    f->path = copy;
    *out = f;
    return LB_OK;
}

lb_status lb_h5_open(lb_h5 **out, const char *path) {
    if (access(path, R_OK) != 0)
        return lb_fail(errno == ENOENT || errno == ENOTDIR ? LB_E_NOTFOUND : LB_E_IO, "%s: %s", path, strerror(errno));
    if (lb_is_folder(path)) return lb_fail(LB_E_FORMAT, "%s: a folder, want an HDF5 file", path);
    lb_status st = LB_OK;
    lb_h5_lock();
    hid_t fapl = lb_h5_access_list();
    if (H5Fis_hdf5(path) == 0) {
        st = lb_fail(LB_E_FORMAT, "%s: not an HDF5 file", path);
    } else {
        hid_t id = H5Fopen(path, H5F_ACC_RDONLY, fapl);
        st = id < 0 ? lb_h5_fail(LB_E_FORMAT, path, "cannot open", NULL) : wrap(out, id, path);
    }
    if (fapl >= 0) H5Pclose(fapl);
    lb_h5_unlock();
    return st;
}

lb_status lb_h5_create_after(lb_h5 **out, const char *path, int64_t userblock) {
    lb_status st = LB_OK;
    lb_h5_lock();
    hid_t fapl = lb_h5_access_list(), fcpl = H5Pcreate(H5P_FILE_CREATE);
    if (fapl < 0 || fcpl < 0 || H5Pset_obj_track_times(fcpl, false) < 0 || H5Pset_userblock(fcpl, (hsize_t)userblock) < 0) {
        st = lb_h5_fail(LB_E_ARG, path, "cannot create", NULL);
    } else {
        hid_t id = H5Fcreate(path, H5F_ACC_TRUNC, fcpl, fapl);
        st = id < 0 ? lb_h5_fail(LB_E_IO, path, "cannot create", NULL) : wrap(out, id, path);
    }
    if (fapl >= 0) H5Pclose(fapl);
    if (fcpl >= 0) H5Pclose(fcpl);
    lb_h5_unlock();
    return st;
}

lb_status lb_h5_create(lb_h5 **out, const char *path) { return lb_h5_create_after(out, path, 0); }

lb_status lb_h5_close(lb_h5 *f) {
    if (!f) return LB_OK;
    lb_status st = LB_OK;
    lb_h5_lock();
    if (H5Fflush(f->id, H5F_SCOPE_LOCAL) < 0) st = lb_h5_fail(LB_E_IO, f->path, "cannot write", NULL);
    if (H5Fclose(f->id) < 0 && st == LB_OK) st = lb_h5_fail(LB_E_IO, f->path, "cannot close", NULL);
    lb_h5_unlock();
    lb_free(f->path);
    lb_free(f);
    return st;
}

bool lb_h5_exists(hid_t file, const char *path) {
    char step[1024];
    size_t n = strlen(path);
    if (n >= sizeof step) return false;
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0') continue;
        if (path[i - 1] == '/') continue;
        memcpy(step, path, i);
        step[i] = '\0';
        if (H5Lexists(file, step, H5P_DEFAULT) <= 0 || H5Oexists_by_name(file, step, H5P_DEFAULT) <= 0) {
            H5Eclear2(H5E_DEFAULT);
            return false;
        }
    }
    return true; /* also "/" */
}

bool lb_h5_has(lb_h5 *f, const char *path) {
    lb_h5_lock();
    bool has = lb_h5_exists(f->id, path);
    lb_h5_unlock();
    return has;
}

struct names {
    char **at;
    int64_t count, room;
};

static herr_t on_member(hid_t group, const char *name, const H5L_info_t *info, void *ctx) {
    struct names *n = ctx;
    if (n->count == n->room) {
        int64_t room = n->room ? 2 * n->room : 16;
        char **at = lb_realloc(n->at, (size_t)room, sizeof *at);
        if (!at) return -1;
        n->at = at;
        n->room = room;
    }
    n->at[n->count] = lb_strdup(name);
    return n->at[n->count] ? (n->count++, 0) : -1;
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

lb_status lb_h5_members(lb_h5 *f, const char *group, char ***names, int64_t *count) {
    lb_status st = LB_OK;
    struct names n = {0};
    *names = NULL;
    *count = 0;
    lb_h5_lock();
    if (lb_h5_exists(f->id, group)) {
        hid_t g = H5Gopen2(f->id, group, H5P_DEFAULT);
        if (g < 0) {
            st = lb_h5_fail(LB_E_FORMAT, f->path, "not a group:", group);
        } else {
            if (H5Literate(g, H5_INDEX_NAME, H5_ITER_INC, NULL, on_member, &n) < 0) st = lb_h5_fail(LB_E_FORMAT, f->path, "cannot list group", group);
            H5Gclose(g);
        }
    }
    lb_h5_unlock();
    if (st != LB_OK) {
        lb_names_free(n.at, n.count);
        return st;
    }
    if (n.count) qsort(n.at, (size_t)n.count, sizeof *n.at, by_bytes);
    *names = n.at;
    *count = n.count;
    return LB_OK;
}

/* IEEE binary16, little-endian: sign at bit 15, exponent 5 bits from bit 10 (bias 15), fraction 10 bits. What h5py calls float16. */
static hid_t half_type(void) {
    hid_t t = H5Tcopy(H5T_IEEE_F32LE);
    if (t < 0) return t;
    if (H5Tset_fields(t, 15, 10, 5, 0, 10) < 0 || H5Tset_size(t, 2) < 0 || H5Tset_ebias(t, 15) < 0) {
        H5Tclose(t);
        return -1;
    }
    return t;
}

hid_t lb_h5_type(lb_dtype d) {
    switch (d) {
    case LB_F32: return H5Tcopy(H5T_NATIVE_FLOAT);
    case LB_F64: return H5Tcopy(H5T_NATIVE_DOUBLE);
    case LB_F16: return half_type();
    case LB_BF16:
    case LB_U16: return H5Tcopy(H5T_NATIVE_UINT16);
    case LB_I64: return H5Tcopy(H5T_NATIVE_INT64);
    case LB_I32: return H5Tcopy(H5T_NATIVE_INT32);
    case LB_I16: return H5Tcopy(H5T_NATIVE_INT16);
    case LB_I8: return H5Tcopy(H5T_NATIVE_INT8);
    case LB_BOOL:
    case LB_U8: return H5Tcopy(H5T_NATIVE_UINT8);
    case LB_U32: return H5Tcopy(H5T_NATIVE_UINT32);
    case LB_U64: return H5Tcopy(H5T_NATIVE_UINT64);
    }
    return -1;
}

bool lb_h5_dtype_of(lb_dtype *out, hid_t type) {
    H5T_class_t kind = H5Tget_class(type);
    hid_t t = kind == H5T_ENUM ? H5Tget_super(type) : H5Tcopy(type);
    size_t size = H5Tget_size(t);
    bool known = true;
    if (kind == H5T_FLOAT) {
        *out = size == 2 ? LB_F16 : size == 4 ? LB_F32 : LB_F64;
    } else if (kind == H5T_INTEGER || kind == H5T_ENUM) {
        bool sign = H5Tget_sign(t) != H5T_SGN_NONE;
        *out = size == 1 ? (sign ? LB_I8 : LB_U8) : size == 2 ? (sign ? LB_I16 : LB_U16) : size == 4 ? (sign ? LB_I32 : LB_U32) : sign ? LB_I64 : LB_U64;
    } else {
        known = false;
    }
    H5Tclose(t);
    return known;
}
