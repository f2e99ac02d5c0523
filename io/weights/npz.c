/* SPDX-License-Identifier: Apache-2.0 */
/* What numpy.savez and savez_compressed write: a ZIP archive of NAME.npy, stored or deflated; and one array of numpy.save, which is given the
 * name "array". Stored arrays in C order are views of the file where they lie at a multiple of their element's size. */
#include <string.h>
#include "io/npy.h"
#include "io/weights_make.h"
#include "io/zip.h"

static bool is_array(const uint8_t *head, size_t size) {
    return size >= 8 && memcmp(head, "\x93NUMPY", 6) == 0;
}

/* A ZIP archive whose first entry is NAME.npy; an empty one says nothing. */
static int probe(const uint8_t *head, size_t size) {
    if (is_array(head, size)) return 90;
    if (size < 30 || memcmp(head, "PK\3\4", 4) != 0) return 0;
    size_t name = (size_t)head[26] | (size_t)head[27] << 8;
    return name > 4 && name <= size - 30 && memcmp(head + 30 + name - 4, ".npy", 4) == 0 ? 90 : 0;
}

static void swap_bytes(uint8_t *data, size_t bytes, size_t element) {
    for (size_t at = 0; at < bytes; at += element)
        for (size_t i = 0; i < element / 2; i++) {
            uint8_t kept = data[at + i];
            data[at + i] = data[at + element - 1 - i];
            data[at + element - 1 - i] = kept;
        }
}

/* Data that may be changed: of the copy already made, or a new one. */
static lb_status own(lb_weights *w, const uint8_t **data, size_t bytes, bool copied) {
    if (copied) return LB_OK;
    uint8_t *copy = lb_weights_alloc(w, bytes);
    if (!copy) return LB_E_NOMEM;
    if (bytes) memcpy(copy, *data, bytes);
    *data = copy;
    return LB_OK;
}

static lb_status turn(lb_weights *w, const lb_npy *n, const uint8_t **data) {
    int64_t stride[LB_MAX_RANK], step = 1;
    for (int d = 0; d < n->rank; d++) {
        stride[d] = step;
        step *= n->shape[d];
    }
    uint8_t *copy = lb_weights_alloc(w, n->bytes);
    if (!copy) return LB_E_NOMEM;
    if (n->bytes) lbi_weight_gather(copy, *data, lb_dtype_size(n->dtype), n->rank, n->shape, stride);
    *data = copy;
    return LB_OK;
}

/* `copied`: the memory is the weights' own and may be changed. */
static lb_status add_array(lb_weights *w, const char *name, size_t name_size, const uint8_t *file, size_t size, bool copied) {
    lb_npy n;
    lb_status st = lb_npy_read(&n, file, size);
    if (st != LB_OK) return st;
    if (n.data + n.bytes != size) return lb_fail(LB_E_FORMAT, "%zu bytes behind the numbers of the array", size - n.data - n.bytes);
    const uint8_t *data = file + n.data;
    if (n.swapped) {
        st = own(w, &data, n.bytes, copied);
        if (st == LB_OK) swap_bytes((uint8_t *)(uintptr_t)data, n.bytes, lb_dtype_size(n.dtype));
    }
    if (st == LB_OK && n.fortran && n.rank > 1) st = turn(w, &n, &data);
    if (st == LB_OK) st = lbi_weight_align(w, &data, n.bytes, n.dtype);
    return st == LB_OK ? lbi_weights_add(w, name, name_size, n.dtype, n.rank, n.shape, data, n.bytes) : st;
}

static lb_status add_entry(lb_weights *w, const lbi_zip_entry *e) {
    const uint8_t *data = e->data;
    lb_status st = LB_OK;
    if (e->deflated) {
        uint8_t *full = lb_weights_alloc(w, e->full);
        if (!full) return LB_E_NOMEM;
        st = lbi_zip_inflate(e, full);
        data = full;
    } else st = lbi_zip_check(e);
    if (st == LB_OK && memchr(e->name, 0, e->name_size)) return lb_fail(LB_E_FORMAT, "the name of an array holds a NUL");
    if (st == LB_OK) st = add_array(w, e->name, e->name_size - 4, data, e->full, e->deflated);
    return st == LB_OK ? st : lb_where(st, "array '%.*s'", (int)(e->name_size < 200 ? e->name_size : 200), e->name);
}

static lb_status open(lb_weights *w, const uint8_t *data, size_t size) {
    if (is_array(data, size)) return add_array(w, "array", 5, data, size, false);
    lbi_zip z = {0};
    lb_status st = lbi_zip_open(&z, data, size);
    for (int64_t i = 0; st == LB_OK && i < z.count; i++)
        if (z.at[i].name_size > 4 && memcmp(z.at[i].name + z.at[i].name_size - 4, ".npy", 4) == 0) st = add_entry(w, &z.at[i]);
    lbi_zip_close(&z);
    return st;
}

LB_WEIGHTS(npz) = {.id = "npz", .title = "NumPy .npz and .npy: stored or deflated, any order of axes and bytes", .source = "numpy/numpy, numpy/lib/format.py",
                   .endings = "npz npy", .probe = probe, .open = open};
