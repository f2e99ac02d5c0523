/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/npy.h"
#include <stdio.h>
#include <string.h>
#include "io/npy.h"

void cli_npy_head(lb_buf *out, const char *descr, int rank, const int64_t *shape) {
    char dict[512];
    int at = snprintf(dict, sizeof dict, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    for (int d = 0; d < rank; d++) at += snprintf(dict + at, sizeof dict - (size_t)at, "%lld,%s", (long long)shape[d], d + 1 < rank ? " " : "");
    snprintf(dict + at, sizeof dict - (size_t)at, "), }");
    size_t size = 10 + strlen(dict) + 1, padded = (size + 63) / 64 * 64, text = padded - 10;
    const uint8_t start[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (uint8_t)(text & 255), (uint8_t)(text >> 8)};
    lb_buf_add(out, start, sizeof start);
    lb_buf_text(out, dict);
    for (size_t i = size; i < padded; i++) lb_buf_text(out, " ");
    lb_buf_text(out, "\n");
}

lb_status cli_npy_read(cli_npy *n, const uint8_t *data, size_t size, const char *path) {
    lb_npy head;
    lb_status st = lb_npy_read(&head, data, size);
    if (st != LB_OK) return lb_where(st, "%s", path);
    if (head.fortran && head.rank > 1) return lb_fail(LB_E_UNSUPPORTED, "%s: an array in Fortran order; save it with numpy.ascontiguousarray", path);
    if (head.swapped || (head.dtype != LB_F32 && head.dtype != LB_F64 && head.dtype != LB_F16))
        return lb_fail(LB_E_UNSUPPORTED, "%s: numbers of type %s%s, want '<f4', '<f2' or '<f8'", path, lb_dtype_name(head.dtype), head.swapped ? ", big-endian" : "");
    *n = (cli_npy){.dtype = head.dtype, .rank = head.rank, .data = (int64_t)head.data};
    memcpy(n->shape, head.shape, sizeof n->shape);
    return LB_OK;
}
