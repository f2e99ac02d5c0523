/* SPDX-License-Identifier: Apache-2.0 */
/* A thin layer over HDF5: errors translated with HDF5's own text, its automatic printing off, one process-wide lock. No HDF5 type
 * appears here. Used by the cache, golden files, reports of features. */
#ifndef LB_IO_HDF5_H
#define LB_IO_HDF5_H
#include "tensor/tensor.h"
LB_BEGIN

typedef struct lb_h5 lb_h5; /* locked inside */
LB_API LB_MUST_USE lb_status lb_h5_open(lb_h5 **out, const char *path);   /* read only */
LB_API LB_MUST_USE lb_status lb_h5_create(lb_h5 **out, const char *path); /* new file, truncates */
/** The same, leaving `userblock` bytes (0, 512, 1024, ...) before the HDF5 data for the caller's own use. */
LB_API LB_MUST_USE lb_status lb_h5_create_after(lb_h5 **out, const char *path, int64_t userblock);
LB_API LB_MUST_USE lb_status lb_h5_close(lb_h5 *f);                       /* a write error shows here */
LB_API bool lb_h5_has(lb_h5 *f, const char *path);
/** Names of the members of a group, byte order. Release with lb_names_free (base/file.h). A missing group: count 0. */
LB_API LB_MUST_USE lb_status lb_h5_members(lb_h5 *f, const char *group, char ***names, int64_t *count);
/** Reads a whole numeric dataset, converted to dtype (any HDF5 integer or float type), as a tensor of its own. */
LB_API LB_MUST_USE lb_status lb_h5_read(lb_tensor **out, lb_h5 *f, const char *dataset, lb_dtype dtype);
/** True when the dataset holds integers. */
LB_API LB_MUST_USE lb_status lb_h5_is_integer(bool *out, lb_h5 *f, const char *dataset);
LB_API LB_MUST_USE lb_status lb_h5_write(lb_h5 *f, const char *dataset, const lb_tensor *x); /* makes groups on the way */
LB_API LB_MUST_USE lb_status lb_h5_read_texts(char ***out, int64_t *count, lb_h5 *f, const char *dataset);
LB_API LB_MUST_USE lb_status lb_h5_write_texts(lb_h5 *f, const char *dataset, int64_t count, const char *const *texts);

/* One dataset held open, for reading and writing it by rows (a row: one index of the first dimension). Close before its file. */
typedef struct lb_h5_data {
    lb_dtype dtype; /* as stored; LB_BF16 is u16 with the attribute "dtype" = "bf16" */
    int rank;
    int64_t shape[LB_MAX_RANK], chunk[LB_MAX_RANK]; /* chunk[0] = 0: contiguous */
    int64_t row; /* elements of one row */
    /* private */
    int64_t id;
    lb_h5 *file;
    char *name;
} lb_h5_data;
LB_API LB_MUST_USE lb_status lb_h5_data_open(lb_h5_data **out, lb_h5 *f, const char *dataset);
/** A new dataset of known size; chunk NULL = contiguous. Unwritten elements are zero. */
LB_API LB_MUST_USE lb_status lb_h5_data_create(lb_h5_data **out, lb_h5 *f, const char *dataset, lb_dtype dtype, int rank, const int64_t *shape, const int64_t *chunk);
/** Rows first .. first+count-1, as stored. LB_E_NOTFOUND when they are not all there. */
LB_API LB_MUST_USE lb_status lb_h5_data_read(lb_h5_data *d, int64_t first, int64_t count, void *out);
LB_API LB_MUST_USE lb_status lb_h5_data_write(lb_h5_data *d, int64_t first, int64_t count, const void *rows);
LB_API LB_MUST_USE lb_status lb_h5_data_close(lb_h5_data *d); /* NULL is fine */

typedef struct lb_h5_attr {
    char name[64];
    enum { LB_H5_REAL, LB_H5_INT, LB_H5_TEXT } kind;
    double real;
    int64_t integer;
    char *text; /* owned by the list */
} lb_h5_attr;
/** Scalar attributes of an object ("/" = root). Release with lb_h5_attrs_free. A missing object: count 0. */
LB_API LB_MUST_USE lb_status lb_h5_attrs(lb_h5 *f, const char *object, lb_h5_attr **out, int *count);
LB_API void lb_h5_attrs_free(lb_h5_attr *a, int count);
LB_API LB_MUST_USE lb_status lb_h5_set_text(lb_h5 *f, const char *object, const char *name, const char *text);
LB_API LB_MUST_USE lb_status lb_h5_set_real(lb_h5 *f, const char *object, const char *name, double x);
LB_API LB_MUST_USE lb_status lb_h5_set_int(lb_h5 *f, const char *object, const char *name, int64_t x);

LB_END
#endif
