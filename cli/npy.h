/* SPDX-License-Identifier: Apache-2.0 */
/* NumPy's .npy layout, version 1.0 (numpy.lib.format): a head that says type and shape, then the numbers in C order. */
#ifndef LB_CLI_NPY_H
#define LB_CLI_NPY_H
#include "base/buf.h"
#include "tensor/tensor.h"

/** Appends the head; descr: "<f4", "<f2", "<i8", "<U12". Data begin at a multiple of 64 bytes. */
void cli_npy_head(lb_buf *out, const char *descr, int rank, const int64_t *shape);

typedef struct cli_npy {
    lb_dtype dtype; /* f32, f64, f16 */
    int rank;
    int64_t shape[LB_MAX_RANK];
    int64_t data; /* where the numbers begin */
} cli_npy;
/** Reads a head of version 1 to 3; LB_E_FORMAT or LB_E_UNSUPPORTED (byte order, type, Fortran order) with the file's name. */
LB_MUST_USE lb_status cli_npy_read(cli_npy *out, const uint8_t *data, size_t size, const char *path);

#endif
