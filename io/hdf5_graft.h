/* SPDX-License-Identifier: Apache-2.0 */
/* HDF5 records around data that were written without HDF5. Private to io/. */
#ifndef LB_IO_HDF5_GRAFT_H
#define LB_IO_HDF5_GRAFT_H
#include "base/buf.h"
#include "io/hdf5.h"

typedef struct lb_h5_graft lb_h5_graft; /* one thread at a time */

/* Begins the records of a file whose first `userblock` bytes and bytes 4096 to data_end are the caller's. *file takes attributes, texts and
 * small datasets as any other file; it belongs to the graft. `name` is for messages. */
LB_MUST_USE lb_status lb_h5_graft_open(lb_h5_graft **out, lb_h5 **file, const char *name, int64_t userblock, int64_t data_end);

/* A dataset whose bytes are in place. */
typedef struct lb_h5_grafted {
    lb_dtype dtype;
    int64_t text; /* > 0: UTF-8 texts of that many bytes, padded with zeros */
    int rank;
    int64_t shape[LB_MAX_RANK], chunk[LB_MAX_RANK];
    int64_t nchunks;        /* all of them, in row-major order of the grid; 0 = contiguous at address[0] */
    const int64_t *address; /* in the file */
    const int64_t *size;    /* bytes of each chunk as stored */
    bool deflate;           /* chunks are shuffled and deflated */
} lb_h5_grafted;
LB_MUST_USE lb_status lb_h5_graft_adopt(lb_h5_graft *g, const char *dataset, const lb_h5_grafted *d);

/* A dataset whose rows are those of the same dataset in other files, one after the other. */
typedef struct lb_h5_view {
    char *file; /* relative to the new file's folder, or absolute */
    int64_t rows;
} lb_h5_view;
LB_MUST_USE lb_status lb_h5_graft_views(lb_h5_graft *g, const char *dataset, lb_dtype dtype, int rank, const int64_t *shape, int64_t count, const lb_h5_view *views);

/* Ends it: the bytes from `userblock` to 4096, and those from data_end on. They stay until the graft is freed. */
LB_MUST_USE lb_status lb_h5_graft_close(lb_h5_graft *g, const char **head, size_t *head_size, const char **tail, size_t *tail_size);
void lb_h5_graft_free(lb_h5_graft *g);

#endif
