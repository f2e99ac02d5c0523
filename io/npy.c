/* SPDX-License-Identifier: Apache-2.0 */
#include "io/npy.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DICT_MAX = 65536 };

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

static lb_status read_type(lb_npy *n, const char *at) {
    static const struct {
        const char *descr;
        lb_dtype dtype;
    } known[] = {{"f2", LB_F16}, {"f4", LB_F32}, {"f8", LB_F64}, {"i1", LB_I8},  {"i2", LB_I16}, {"i4", LB_I32},
                 {"i8", LB_I64}, {"u1", LB_U8},  {"u2", LB_U16}, {"u4", LB_U32}, {"u8", LB_U64}, {"b1", LB_BOOL}};
    if (!at) return lb_fail(LB_E_FORMAT, "NumPy head without 'descr'");
    if (*at == '[') return lb_fail(LB_E_UNSUPPORTED, "NumPy records (a descr of several fields) are not numbers");
    if (*at != '\'' || !strchr("<>|=", at[1])) return lb_fail(LB_E_FORMAT, "NumPy head with the type %.12s", at);
    size_t size = strcspn(at + 2, "'");
    for (size_t i = 0; i < LB_COUNT(known); i++)
        if (strlen(known[i].descr) == size && strncmp(at + 2, known[i].descr, size) == 0) {
            n->dtype = known[i].dtype;
            n->swapped = at[1] == '>' && lb_dtype_size(n->dtype) > 1;
            return LB_OK;
        }
    return lb_fail(LB_E_UNSUPPORTED, "NumPy type '%.*s' is not read: only real numbers and bool of up to 8 bytes are", (int)(size < 20 ? size + 1 : 20), at + 1);
}

static lb_status read_shape(lb_npy *n, const char *at) {
    if (!at || *at != '(') return lb_fail(LB_E_FORMAT, "NumPy head without a shape");
    for (at++; *at != ')';) {
        char *end;
        if (*at == ' ' || *at == ',') {
            at++;
            continue;
        }
        long long size = strtoll(at, &end, 10);
        if (end == at || size < 0 || size == INT64_MAX) return lb_fail(LB_E_FORMAT, "NumPy head with the shape (%.40s", at);
        if (n->rank == LB_MAX_RANK) return lb_fail(LB_E_UNSUPPORTED, "NumPy array of more than %d axes", LB_MAX_RANK);
        n->shape[n->rank++] = size;
        at = end;
    }
    return LB_OK;
}

static lb_status read_dict(lb_npy *n, const char *dict) {
    const char *order = field(dict, "fortran_order");
    if (!order || (strncmp(order, "True", 4) != 0 && strncmp(order, "False", 5) != 0)) return lb_fail(LB_E_FORMAT, "NumPy head without 'fortran_order'");
    n->fortran = *order == 'T';
    lb_status st = read_type(n, field(dict, "descr"));
    return st == LB_OK ? read_shape(n, field(dict, "shape")) : st;
}

static lb_status find_bytes(lb_npy *n, size_t left) {
    n->bytes = lb_dtype_size(n->dtype);
    bool empty = false, fits = true;
    for (int d = 0; d < n->rank; d++) {
        if (n->shape[d] == 0) empty = true;
        else fits = fits && lb_mul_size(&n->bytes, n->bytes, (size_t)n->shape[d]);
    }
    if (!fits) return lb_fail(LB_E_FORMAT, "NumPy array of an impossible shape");
    if (empty) n->bytes = 0;
    if (n->bytes > left) return lb_fail(LB_E_FORMAT, "NumPy array ends early: %zu bytes of numbers, want %zu", left, n->bytes);
    return LB_OK;
}

lb_status lb_npy_head(lb_npy *out, const uint8_t *data, size_t size, size_t full) {
    lb_npy n = {0};
    if (size < 12 || memcmp(data, "\x93NUMPY", 6) != 0) return lb_fail(LB_E_FORMAT, "not a NumPy array (.npy)");
    if (data[6] < 1 || data[6] > 3) return lb_fail(LB_E_UNSUPPORTED, "NumPy head of version %d; 1 to 3 are read", data[6]);
    size_t start = data[6] == 1 ? 10 : 12, text = (size_t)data[8] | (size_t)data[9] << 8;
    if (data[6] > 1) text |= (size_t)data[10] << 16 | (size_t)data[11] << 24;
    if (text > size - start) return lb_fail(LB_E_FORMAT, "NumPy head of %zu bytes does not fit: truncated?", text);
    if (text > DICT_MAX) return lb_fail(LB_E_LIMIT, "NumPy head of %zu bytes, at most %d are taken", text, DICT_MAX);
    char *dict = lb_strndup((const char *)data + start, text);
    if (!dict) return LB_E_NOMEM;
    lb_status st = read_dict(&n, dict);
    lb_free(dict);
    n.data = start + text;
    if (st == LB_OK) st = find_bytes(&n, full - n.data);
    if (st == LB_OK) *out = n;
    return st;
}

lb_status lb_npy_read(lb_npy *out, const uint8_t *data, size_t size) { return lb_npy_head(out, data, size, size); }
