/* SPDX-License-Identifier: Apache-2.0 */
/* Opens the bytes as a graph and runs it, as it stands and made fast, on inputs of ones: within limits of memory and steps. */
#include <stdlib.h>
#include <unistd.h>
#include "onnx/onnx.h"
#include "tests/fuzz/bound.h"
#include "tests/fuzz/target.h"

/* Opening: values folded at opening may be four times the file and 16 MB; a node takes some hundred bytes, its text at least six. */
enum { TIMES = 128, MORE = 24 << 20 };
enum { VALUE_BYTES = 1 << 16, NODES = 500, INPUTS = 16, SIDE = 3 };

static lb_status ones(lb_tensor **out, const lb_onnx_value *v) {
    int64_t shape[LB_MAX_RANK] = {0}, n = 1;
    int rank = v->rank < 0 ? 1 : v->rank;
    for (int d = 0; d < rank; d++) {
        shape[d] = v->rank < 0 || v->shape[d] < 0 ? SIDE : v->shape[d];
        if (shape[d] > VALUE_BYTES || !lb_mul_i64(&n, n, shape[d]) || n > VALUE_BYTES) return lb_fail(LB_E_LIMIT, "too large");
    }
    lb_status st = lb_tensor_new(out, v->dtype, rank, shape);
    double one = 1;
    for (int64_t i = 0; i < n && st == LB_OK; i++) lb_convert((char *)(*out)->data + (size_t)i * lb_dtype_size(v->dtype), v->dtype, &one, LB_F64, 1);
    return st;
}

static void run(const lb_onnx *m) {
    lb_tape *t = NULL;
    lb_tensor *x[INPUTS] = {NULL}, *out[INPUTS];
    lb_named in[INPUTS];
    const char *names[INPUTS];
    int nin = lb_onnx_inputs(m), nout = lb_onnx_outputs(m);
    lb_status st = nin > INPUTS || nout > INPUTS ? LB_E_LIMIT : lb_tape_new(&t);
    for (int i = 0; i < nin && st == LB_OK; i++) {
        st = ones(&x[i], lb_onnx_input(m, i));
        in[i] = (lb_named){lb_onnx_input(m, i)->name, x[i]};
    }
    for (int k = 0; k < nout && st == LB_OK; k++) names[k] = lb_onnx_output(m, k)->name;
    for (int mode = 0; mode < 2 && st == LB_OK; mode++) {
        lb_tape_set_mode(t, mode ? LB_TAPE_NO_GRAD : LB_TAPE_SHAPES);
        lb_onnx_run(m, t, nin, in, nout, names, out);
        lb_tape_reset(t);
    }
    for (int i = 0; i < INPUTS; i++) lb_tensor_free(x[i]);
    lb_tape_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[] = "/tmp/limbeck-fuzz-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0) return 0;
    bool written = write(fd, data, size) == (ssize_t)size;
    close(fd);
    for (int plain = 0; plain < 2 && written; plain++) {
        lb_onnx *m = NULL;
        fuzz_bound_begin();
        bool opened = lb_onnx_open(&m, path, &(lb_onnx_options){.plain = plain, .limit_nodes = NODES}) == LB_OK;
        fuzz_bound_end(size, TIMES, MORE);
        lb_onnx_close(m);
        m = NULL;
        if (opened && lb_onnx_open(&m, path, &(lb_onnx_options){plain, VALUE_BYTES, NODES}) == LB_OK) run(m);
        lb_onnx_close(m);
    }
    unlink(path);
    return 0;
}
