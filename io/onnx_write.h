/* SPDX-License-Identifier: Apache-2.0 */
/* Writing an ONNX model: a graph is put together node by node, then written as one protobuf message. No reader here. Building is sticky as that of lb_buf:
 * one check, at the end. One thread at a time. */
#ifndef LB_IO_ONNX_WRITE_H
#define LB_IO_ONNX_WRITE_H
#include "base/buf.h"
#include "base/value.h"
#include "tensor/tensor.h"
LB_BEGIN

enum { LB_ONNX_BATCH = -1 }; /* a size that is given when the graph is run: the axis "N" */

typedef struct lb_onnx_file lb_onnx_file;
LB_API LB_MUST_USE lb_status lb_onnx_file_new(lb_onnx_file **out, const char *graph_name);
LB_API void lb_onnx_file_free(lb_onnx_file *g);

LB_API void lb_onnx_file_input(lb_onnx_file *g, const char *name, lb_dtype dtype, int rank, const int64_t *shape);
LB_API void lb_onnx_file_output(lb_onnx_file *g, const char *name, lb_dtype dtype, int rank, const int64_t *shape);
/** An initialiser; data are contiguous and copied. */
LB_API void lb_onnx_file_tensor(lb_onnx_file *g, const char *name, lb_dtype dtype, int rank, const int64_t *shape, const void *data);

/** Begins a node of the standard operators; its attributes follow until the next begins. An input NULL or "" is left out. */
LB_API void lb_onnx_file_node(lb_onnx_file *g, const char *op, int nin, const char *const *in, int nout, const char *const *out);
LB_API void lb_onnx_file_int(lb_onnx_file *g, const char *name, int64_t x);
LB_API void lb_onnx_file_real(lb_onnx_file *g, const char *name, double x);
LB_API void lb_onnx_file_ints(lb_onnx_file *g, const char *name, int n, const int64_t *x);
LB_API void lb_onnx_file_text(lb_onnx_file *g, const char *name, const char *x);

/** Appends the model: opset 17, IR version 8, texts of `metadata` (a map; NULL = none) as its properties. LB_E_LIMIT beyond 2 GiB, which protobuf cannot hold. */
LB_API LB_MUST_USE lb_status lb_onnx_file_write(const lb_onnx_file *g, const lb_value *metadata, lb_buf *out);

LB_END
#endif
