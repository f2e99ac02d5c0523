/* SPDX-License-Identifier: Apache-2.0 */
/* HDF5: scalar attributes. Texts are written as variable-length UTF-8, as h5py does. */
#include <stdio.h>
#include <string.h>
#include "io/hdf5_private.h"

void lb_h5_attrs_free(lb_h5_attr *a, int count) {
    for (int i = 0; i < count; i++) lb_free(a[i].text);
    lb_free(a);
}

static lb_status read_text(lb_h5_attr *a, hid_t attr, hid_t type) {
    if (H5Tis_variable_str(type) > 0) {
        char *s = NULL;
        hid_t mem = H5Tcopy(type);
        herr_t bad = H5Aread(attr, mem, &s);
        H5Tclose(mem);
        if (bad < 0) return LB_E_FORMAT;
        a->text = lb_strdup(s ? s : "");
        H5free_memory(s);
    } else {
        size_t size = H5Tget_size(type);
        a->text = lb_calloc(size + 1, 1);
        if (a->text && H5Aread(attr, type, a->text) < 0) return LB_E_FORMAT;
        if (a->text && H5Tget_strpad(type) == H5T_STR_SPACEPAD)
            for (size_t n = strlen(a->text); n && a->text[n - 1] == ' '; n--) a->text[n - 1] = '\0';
    }
    a->kind = LB_H5_TEXT;
    return a->text ? LB_OK : LB_E_NOMEM;
}

static lb_status read_enum(lb_h5_attr *a, hid_t attr, hid_t type) {
    unsigned char raw[16] = {0};
    if (H5Tget_size(type) > sizeof raw || H5Aread(attr, type, raw) < 0) return LB_E_FORMAT;
    hid_t super = H5Tget_super(type);
    herr_t bad = H5Tconvert(super, H5T_NATIVE_INT64, 1, raw, NULL, H5P_DEFAULT);
    H5Tclose(super);
    a->kind = LB_H5_INT;
    memcpy(&a->integer, raw, sizeof a->integer);
    return bad < 0 ? LB_E_FORMAT : LB_OK;
}

/* Reads one value. *skip: not a scalar, or of a kind that has no place here. */
static lb_status read_value(lb_h5_attr *a, hid_t attr, bool *skip) {
    lb_status st = LB_OK;
    hid_t type = H5Aget_type(attr), space = H5Aget_space(attr);
    H5T_class_t kind = H5Tget_class(type);
    *skip = H5Sget_simple_extent_npoints(space) != 1;
    if (*skip) {
    } else if (kind == H5T_STRING) {
        st = read_text(a, attr, type);
    } else if (kind == H5T_INTEGER) {
        a->kind = LB_H5_INT;
        st = H5Aread(attr, H5T_NATIVE_INT64, &a->integer) < 0 ? LB_E_FORMAT : LB_OK;
    } else if (kind == H5T_ENUM) {
        st = read_enum(a, attr, type);
    } else if (kind == H5T_FLOAT) {
        a->kind = LB_H5_REAL;
        st = H5Aread(attr, H5T_NATIVE_DOUBLE, &a->real) < 0 ? LB_E_FORMAT : LB_OK;
    } else {
        *skip = true;
    }
    if (a->kind == LB_H5_INT) a->real = (double)a->integer;
    H5Tclose(type);
    H5Sclose(space);
    return st;
}

static lb_status read_all(hid_t object, lb_h5_attr *a, int room, int *count) {
    for (int i = 0; i < room; i++) {
        bool skip = true;
        hid_t attr = H5Aopen_by_idx(object, ".", H5_INDEX_NAME, H5_ITER_INC, (hsize_t)i, H5P_DEFAULT, H5P_DEFAULT);
        if (attr < 0) return LB_E_FORMAT;
        lb_status st = LB_OK;
        if (H5Aget_name(attr, sizeof a->name, a[*count].name) < (ssize_t)sizeof a->name) st = read_value(&a[*count], attr, &skip);
        H5Aclose(attr);
        if (st != LB_OK) return st;
        if (!skip) (*count)++;
    }
    return LB_OK;
}

lb_status lb_h5_attrs(lb_h5 *f, const char *object, lb_h5_attr **out, int *count) {
    lb_status st = LB_OK;
    *out = NULL;
    *count = 0;
    lb_h5_lock();
    hid_t o = lb_h5_exists(f->id, object) ? H5Oopen(f->id, object, H5P_DEFAULT) : -1;
    H5O_info_t info;
    if (o >= 0 && H5Oget_info(o, &info) < 0) {
        st = lb_h5_fail(LB_E_FORMAT, f->path, "cannot read attributes of", object);
    } else if (o >= 0 && info.num_attrs) {
        *out = lb_calloc((size_t)info.num_attrs, sizeof **out);
        st = *out ? read_all(o, *out, (int)info.num_attrs, count) : LB_E_NOMEM;
        if (st == LB_E_FORMAT) st = lb_h5_fail(st, f->path, "cannot read attributes of", object);
    }
    if (o >= 0) H5Oclose(o);
    H5Eclear2(H5E_DEFAULT);
    lb_h5_unlock();
    if (st != LB_OK) {
        lb_h5_attrs_free(*out, *out ? *count + 1 : 0); /* the one that failed may hold text */
        *out = NULL;
        *count = 0;
    }
    return st;
}

static lb_status set(lb_h5 *f, const char *object, const char *name, hid_t type, const void *value) {
    lb_status st = LB_OK;
    lb_h5_lock();
    hid_t o = H5Oopen(f->id, object, H5P_DEFAULT), space = H5Screate(H5S_SCALAR), attr = -1;
    if (o >= 0 && H5Aexists(o, name) > 0) H5Adelete(o, name);
    if (o >= 0) attr = H5Acreate2(o, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    if (attr < 0 || H5Awrite(attr, type, value) < 0) st = lb_h5_fail(o < 0 ? LB_E_NOTFOUND : LB_E_IO, f->path, "cannot write attribute", name);
    if (attr >= 0) H5Aclose(attr);
    if (o >= 0) H5Oclose(o);
    if (space >= 0) H5Sclose(space);
    lb_h5_unlock();
    return st;
}

lb_status lb_h5_set_text(lb_h5 *f, const char *object, const char *name, const char *text) {
    lb_h5_lock();
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    lb_h5_unlock();
    lb_status st = set(f, object, name, type, &text);
    lb_h5_lock();
    H5Tclose(type);
    lb_h5_unlock();
    return st;
}

lb_status lb_h5_set_real(lb_h5 *f, const char *object, const char *name, double x) { return set(f, object, name, H5T_NATIVE_DOUBLE, &x); }

lb_status lb_h5_set_int(lb_h5 *f, const char *object, const char *name, int64_t x) { return set(f, object, name, H5T_NATIVE_INT64, &x); }
