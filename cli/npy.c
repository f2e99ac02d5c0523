/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/npy.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* What follows "'name':" in the dictionary; NULL when it is not there. */
static const char *field(const char *dict, const char *name) {
    char quoted[32];
    snprintf(quoted, sizeof quoted, "'%s'", name);
    const char *at = strstr(dict, quoted);
    if (!at) return NULL;
    at += strlen(quoted);
    at += strspn(at, " ");
    return *at == ':' ? at + 1 + strspn(at + 1, " ") : NULL;
}

static lb_status read_type(lb_dtype *out, const char *at, const char *path) {
    static const struct {
        const char *descr;
        lb_dtype dtype;
    } known[] = {{"'<f4'", LB_F32}, {"'<f8'", LB_F64}, {"'<f2'", LB_F16}};
    for (size_t i = 0; at && i < LB_COUNT(known); i++)
        if (strncmp(at, known[i].descr, strlen(known[i].descr)) == 0) {
            *out = known[i].dtype;
            return LB_OK;
        }
    return lb_fail(LB_E_UNSUPPORTED, "%s: numbers of type %.12s, want '<f4', '<f2' or '<f8'", path, at ? at : "?");
}

static lb_status read_shape(cli_npy *n, const char *at, const char *path) {
    if (!at || *at != '(') return lb_fail(LB_E_FORMAT, "%s: a NumPy head without a shape", path);
    for (at++; *at && *at != ')';) {
        char *end;
        if (*at == ' ' || *at == ',') {
            at++;
            continue;
        }
        long long size = strtoll(at, &end, 10);
        if (end == at || size < 0 || n->rank == LB_MAX_RANK) return lb_fail(LB_E_FORMAT, "%s: a NumPy head with the shape (%.40s", path, at);
        n->shape[n->rank++] = size;
        at = end;
    }
    return LB_OK;
}

lb_status cli_npy_read(cli_npy *n, const uint8_t *data, size_t size, const char *path) {
    char dict[4096];
    *n = (cli_npy){0};
    if (size < 12 || memcmp(data, "\x93NUMPY", 6) != 0) return lb_fail(LB_E_FORMAT, "%s: not a NumPy array (.npy)", path);
    size_t start = data[6] == 1 ? 10 : 12, text = (size_t)data[8] | (size_t)data[9] << 8;
    if (data[6] > 1) text |= (size_t)data[10] << 16 | (size_t)data[11] << 24;
    if (data[6] < 1 || data[6] > 3 || text >= sizeof dict || start + text > size) return lb_fail(LB_E_FORMAT, "%s: a NumPy head of version %d that is damaged", path, data[6]);
    memcpy(dict, data + start, text);
    dict[text] = '\0';
    n->data = (int64_t)(start + text);
    const char *order = field(dict, "fortran_order");
    if (order && strncmp(order, "True", 4) == 0) return lb_fail(LB_E_UNSUPPORTED, "%s: an array in Fortran order; save it with numpy.ascontiguousarray", path);
    lb_status st = read_type(&n->dtype, field(dict, "descr"), path);
    if (st == LB_OK) st = read_shape(n, field(dict, "shape"), path);
    int64_t bytes = (int64_t)lb_dtype_size(n->dtype);
    for (int d = 0; st == LB_OK && d < n->rank; d++)
        if (!lb_mul_i64(&bytes, bytes, n->shape[d])) st = lb_fail(LB_E_FORMAT, "%s: an impossible shape", path);
    if (st == LB_OK && (size_t)n->data + (size_t)bytes > size) st = lb_fail(LB_E_FORMAT, "%s: ends early: %zu bytes, want %zu", path, size, (size_t)n->data + (size_t)bytes);
    return st;
}
