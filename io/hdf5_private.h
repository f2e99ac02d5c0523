/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by io/hdf5*.c only: HDF5's own types never leave these files. */
#ifndef LB_IO_HDF5_PRIVATE_H
#define LB_IO_HDF5_PRIVATE_H
#define H5_USE_110_API /* the calls of 1.10 in later libraries too */
#include <hdf5.h>
#include "io/hdf5.h"

struct lb_h5 {
    hid_t id;
    char *path;
};

/* The process-wide lock (Debian's HDF5 is built without thread safety). Not recursive. */
void lb_h5_lock(void);
void lb_h5_unlock(void);
/* "<path>: <what> '<name>': <HDF5's outermost text>: <its innermost text>"; the error stack is cleared. Under the lock. */
LB_MUST_USE lb_status lb_h5_fail(lb_status code, const char *path, const char *what, const char *name);
/* Does every step of the path exist? Under the lock. */
bool lb_h5_exists(hid_t file, const char *path);

/* Lists of properties for files and datasets as ours are made, ids to close; < 0 on failure. Under the lock. */
hid_t lb_h5_access_list(void);
hid_t lb_h5_create_list(int rank, const int64_t *chunk);
/* A new dataset with such a list (groups made on the way), an id to close; < 0 on failure. Under the lock. */
hid_t lb_h5_new_set(lb_h5 *f, const char *name, hid_t type, int rank, const int64_t *shape, hid_t list);

/* HDF5's type in memory for one of ours, as a new id to close; < 0 on failure. Little-endian f16 is built by hand. */
hid_t lb_h5_type(lb_dtype d);
/* Our type for a stored number type (HDF5 converts byte order). False for what is not a number. Enumerations (h5py's booleans) count as
 * their integer. */
bool lb_h5_dtype_of(lb_dtype *out, hid_t type);

#endif
