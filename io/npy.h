/* SPDX-License-Identifier: Apache-2.0 */
/* The head of NumPy's .npy layout, versions 1 to 3 (numpy/lib/format.py): type, order and shape of the numbers behind it. */
#ifndef LB_IO_NPY_H
#define LB_IO_NPY_H
#include "tensor/tensor.h"
LB_BEGIN

typedef struct lb_npy {
    lb_dtype dtype;
    bool fortran, swapped; /* first axis fastest; bytes in the other order than this machine's */
    int rank;
    int64_t shape[LB_MAX_RANK];
    size_t data, bytes;    /* where the numbers begin, and how many bytes they take: within the memory given */
} lb_npy;

/** Reads a head. LB_E_FORMAT where it is damaged or the numbers end early; LB_E_UNSUPPORTED with the type's name for what is no number (objects,
 *  texts, records, complex ones) and for more than LB_MAX_RANK axes. Thread: pure. */
LB_API LB_MUST_USE lb_status lb_npy_read(lb_npy *out, const uint8_t *data, size_t size);

/** The same from the first `size` of `full` bytes: enough for the head, the numbers may lie beyond. */
LB_API LB_MUST_USE lb_status lb_npy_head(lb_npy *out, const uint8_t *data, size_t size, size_t full);

LB_END
#endif
