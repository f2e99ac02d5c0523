/* SPDX-License-Identifier: Apache-2.0 */
/* Making a graph faster once, at opening: passes over a second list of nodes. Each pass replaces a few nodes by one that makes the same value. A value
 * may only vanish when nothing but the pattern reads it. Private to onnx/. */
#ifndef LB_ONNX_FAST_H
#define LB_ONNX_FAST_H
#include "onnx/operator.h"

typedef struct onnx_fast {
    lb_onnx *m;
    onnx_graph *g;
    int count;    /* values that the arrays know; newer ones are constants, or made and read by what a pass made */
    int *maker;   /* [count] node that makes a value; -1 = none */
    int *reader;  /* [count] last node that reads it */
    int *uses;    /* [count] readers, outputs of the graph and inner graphs among them */
    lb_status st;
} onnx_fast;

/** Counts anew, after a pass. */
void onnx_fast_count(onnx_fast *f);
/** The node that makes v, if it is such an operator and still there; NULL. */
onnx_node *onnx_maker(const onnx_fast *f, int v, const char *op);
/** The only node that reads v, if nothing else does. */
onnx_node *onnx_reader(const onnx_fast *f, int v);
const lb_tensor *onnx_constant(const onnx_fast *f, int v);
/** Is v one constant number? */
bool onnx_is_number(const onnx_fast *f, int v, double *out);
/** A new constant that the model owns; -1 with f->st set. data NULL = zeros. */
int onnx_new_constant(onnx_fast *f, int rank, const int64_t *shape, lb_tensor **x);
/* How a later constant comes from another one: a matrix turned; whole numbers of 8 bits less `zero`; f32 with a factor for each of the first axis. */
typedef struct onnx_late {
    enum { ONNX_LATE_TURNED, ONNX_LATE_CENTRED, ONNX_LATE_SCALED } how;
    int v, from; /* values */
    double zero;
    const double *scale; /* the model's */
} onnx_late;
/** A constant that is made before the first run that computes; v is set here. -1 with f->st set. */
int onnx_late_constant(onnx_fast *f, int rank, const int64_t *shape, const onnx_late *how);
/** An input among two that is not v; of a node that reads v. -1 when v is not there. */
int onnx_other(const onnx_node *n, int v);
/** n becomes another operator with these inputs and the result `out`; its attributes stay. */
void onnx_become(onnx_fast *f, onnx_node *n, const char *op, int nin, const int *in, int out);

/* ---- the passes ---- */
void onnx_fold(onnx_fast *f);       /* nodes of constants, in inner graphs too (fold.c) */
void onnx_fuse_norm(onnx_fast *f);  /* layer norm written out; GELU, SiLU, hard swish; attention (fuse_pattern.c) */
void onnx_fuse_conv(onnx_fast *f);  /* quantised convolutions; scale, shift and batch norm into kernels (fuse_conv.c) */
void onnx_fuse_end(onnx_fast *f);   /* bias into products, activations into what stands before them (fast.c) */

#endif
