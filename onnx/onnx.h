/* SPDX-License-Identifier: Apache-2.0 */
/* ONNX graphs (github.com/onnx/onnx, docs/IR.md) as models: opened from a file with its external data, made faster once (constants folded, kin
 * nodes fused), and run on a tape by the ops of tensor/ops.h. Operators are a family (onnx/operators.def). All number types of ONNX are carried;
 * texts, sequences and optional values are not. docs/onnx.md lists what is supported. */
#ifndef LB_ONNX_ONNX_H
#define LB_ONNX_ONNX_H
#include "nn/model.h"
LB_BEGIN

typedef struct lb_onnx lb_onnx; /* immutable after opening, share freely; each run has a tape of its own */

typedef struct lb_onnx_value {
    const char *name;
    lb_dtype dtype;
    int rank;                      /* -1 = not stated */
    int64_t shape[LB_MAX_RANK];    /* -1 = open */
} lb_onnx_value;

typedef struct lb_onnx_options {
    bool plain;          /* nothing folded or fused: the graph as it stands in the file */
    int64_t limit_bytes; /* of one value of a run; 0 = none. For files that nobody vouches for */
    int64_t limit_nodes; /* run in one run, counting loops; 0 = none */
} lb_onnx_options;

/** Opens a graph. LB_E_FORMAT names what is wrong and where; LB_E_UNSUPPORTED the operators that are missing, all of them.
 *  options NULL = all defaults. */
LB_API LB_MUST_USE lb_status lb_onnx_open(lb_onnx **out, const char *path, const lb_onnx_options *options);
LB_API void lb_onnx_close(lb_onnx *m);

/* What the graph takes (initialisers left out) and gives; owned by the graph. */
LB_API int lb_onnx_inputs(const lb_onnx *m);
LB_API const lb_onnx_value *lb_onnx_input(const lb_onnx *m, int i);
LB_API int lb_onnx_outputs(const lb_onnx *m);
LB_API const lb_onnx_value *lb_onnx_output(const lb_onnx *m, int i);
/** All values that nodes make, by name, in the order of the file: what may be asked for beside the outputs. */
LB_API int lb_onnx_values(const lb_onnx *m);
LB_API const char *lb_onnx_value_name(const lb_onnx *m, int i);
LB_API int64_t lb_onnx_parameters(const lb_onnx *m); /* numbers in initialisers */
LB_API int lb_onnx_nodes(const lb_onnx *m);          /* as run: after folding and fusing */
LB_API int lb_onnx_nodes_in_file(const lb_onnx *m);
/** The operators of the graph as it stands in the file, those of graphs inside it too, by name; *count: nodes of kind i. */
LB_API int lb_onnx_operator_kinds(const lb_onnx *m);
LB_API const char *lb_onnx_operator_kind(const lb_onnx *m, int i, int *count);
LB_API void lb_onnx_sha256(const lb_onnx *m, char out[65]); /* of the file and its external data, read whole: slow */
LB_API int64_t lb_onnx_opset(const lb_onnx *m);
/** A text that the file's maker added (metadata_props) under this name; NULL = none. Owned by the graph. */
LB_API const char *lb_onnx_property(const lb_onnx *m, const char *name);

/** Runs what the wanted values need. Inputs by name, of the type that the graph states (numbers of other types are converted).
 *  On a SHAPES tape shapes alone are found; that fails where a shape depends on data.
 *  @param out  [nout], owned by the tape, of their own types. A failure names the node and its operator. Thread: as the tape. */
LB_API void lb_onnx_run(const lb_onnx *m, lb_tape *t, int nin, const lb_named *in, int nout, const char *const *names, lb_tensor **out);

/** The graph as a model of nn/model.h. The graph must outlive it. Inputs: a float input [N,3,H,W] is `image`; whole numbers [N,L] named as texts are usually
 *  (input_ids, attention_mask, ...) are `ids` and `mask`, token types are given as 0; others keep their names. Taps: `output` is the first output;
 *  every output and inner value has its own name as lb_onnx_tap_name writes it; all are given as f32. A graph that states how many items it
 *  takes at once is run in such parts. */
LB_API LB_MUST_USE lb_status lb_onnx_model(lb_model **out, const lb_onnx *graph);
enum { LB_ONNX_TAP_NAME = 120 }; /* bytes of a tap's name with its end */
/** "/encoder/Add_output_0" -> "encoder.Add_output_0". @return dst */
LB_API const char *lb_onnx_tap_name(char *dst, size_t cap, const char *name);

/** A file of one TensorProto (the test cases of ONNX). */
LB_API LB_MUST_USE lb_status lb_onnx_tensor_read(lb_tensor **out, const char *path);

extern LB_API const lb_family lb_onnx_operators;
/** Is this operator implemented? */
LB_API bool lb_onnx_knows(const char *op);

LB_END
#endif
