/* SPDX-License-Identifier: Apache-2.0 */
/* How an operator is written. Kin operators share a file onnx/operators/<group>.c: the functions, then the group's table. One line in
 * onnx/operators.def for the group.
 *
 * Float numbers run on the ops of tensor/ops.h, so that the kernels made for speed serve them; other types run on plain loops. On a SHAPES tape a node whose
 * inputs all have data still runs for real: shapes are computed by graphs themselves. Otherwise inputs have no data and results get none: a function
 * makes its result first and returns when `y->data` is NULL. Failures go to the tape (onnx_fail); the runner adds node and operator. */
#ifndef LB_ONNX_OPERATOR_H
#define LB_ONNX_OPERATOR_H
#include "onnx/graph.h"
#include "tensor/arrange.h"
#include "tensor/derived.h"
#include "tensor/hold.h"
LB_BEGIN

typedef struct onnx_call {
    onnx_run *run;
    lb_tape *tape;
    const onnx_node *node;
    int64_t opset;
    int nin, nout;
    lb_tensor **in;  /* NULL = absent; any strides; of one tape or constants */
    lb_tensor **out; /* to be set; inert before. May be an input itself */
} onnx_call;

enum {
    ONNX_FLOAT_ONLY = 1u << 0, /* written for f32: f16, bf16 and f64 are converted around it */
    ONNX_SHAPE_ONLY = 1u << 1, /* reads no data: gives its result on SHAPES tapes too */
    ONNX_RANDOM = 1u << 2,     /* not folded */
    ONNX_FUSES = 1u << 3,      /* applies node->act, an activation that stood behind it */
};

struct onnx_operator {
    const char *name;
    void (*run)(onnx_call *c);
    uint32_t flags;
    const char *note; /* what of it is not supported; NULL = nothing */
    /* What a shared function needs to know: see the group's file. */
    const void *how;
};

typedef struct onnx_group {
    LB_HEAD;
    const onnx_operator *operators; /* sorted by name, ended by an empty one */
} onnx_group;
#define ONNX_GROUP(id) const onnx_group onnx_group_##id

/* ---- inputs ---- */
lb_tensor *onnx_in(const onnx_call *c, int i); /* NULL when absent or beyond the end */
/** Input i, or the failure that it is missing (then the inert tensor). */
lb_tensor *onnx_need(onnx_call *c, int i);
/** Whole numbers of a tensor into dst. @return false with the tape failed: no data, more than cap, no whole numbers */
bool onnx_ints(onnx_call *c, const lb_tensor *x, int64_t *dst, int cap, int *n);
/** The same of input i when it is there, else of the attribute; *n = -1 when there is neither. */
bool onnx_ints_or(onnx_call *c, int i, const char *attribute, int64_t *dst, int cap, int *n);
/** Element 0 of a tensor, or `def` for NULL. Fails without data. */
double onnx_number(onnx_call *c, const lb_tensor *x, double def);
/** An axis, negative ones from the end. @return -1 with the tape failed */
int onnx_axis(onnx_call *c, int64_t axis, int rank);
/** Contiguous, of that type: x itself where it is so already. */
lb_tensor *onnx_as(onnx_call *c, lb_tensor *x, lb_dtype dtype);
static inline bool onnx_is_float(lb_dtype d) { return d == LB_F32 || d == LB_F16 || d == LB_BF16 || d == LB_F64; }

/* ---- attributes ---- */
int64_t onnx_int(const onnx_call *c, const char *name, int64_t def);
double onnx_real(const onnx_call *c, const char *name, double def);
const char *onnx_word(const onnx_call *c, const char *name, const char *def);
/** How many numbers it has, at most cap of them into dst; -1 when absent. */
int onnx_list(const onnx_call *c, const char *name, int64_t *dst, int cap);
static inline bool onnx_is(const char *a, const char *b) { return a == b || (a && b && __builtin_strcmp(a, b) == 0); }

/* ---- results ---- */
/** Result k, contiguous and uninitialised; inert after a failure, NULL data on SHAPES tapes and for no elements. */
lb_tensor *onnx_make(onnx_call *c, int k, lb_dtype dtype, int rank, const int64_t *shape);
/** A tensor that dies with the call. */
lb_tensor *onnx_scratch(onnx_call *c, lb_dtype dtype, int rank, const int64_t *shape);
void onnx_put(onnx_call *c, int k, lb_tensor *x);
lb_tensor *onnx_fail(onnx_call *c, lb_status code, const char *fmt, ...) LB_PRINTF(3, 4);
/** Were they given a failure? */
static inline bool onnx_ok(const onnx_call *c) { return lb_tape_ok(c->tape); }
/** The shape that NumPy repeats both to. @return false with the tape failed */
bool onnx_broadcast(onnx_call *c, const lb_tensor *a, const lb_tensor *b, int *rank, int64_t *shape);
/** x repeated to a shape, contiguous, of that type; NULL data on SHAPES tapes. */
lb_tensor *onnx_spread(onnx_call *c, lb_tensor *x, lb_dtype dtype, int rank, const int64_t *shape);
/** Sizes as a result's whole numbers. */
int64_t onnx_product(const int64_t *shape, int from, int to);

/* ---- what several groups use ---- */
/** A result for elements of `dtype` computed as f32: converted when needed. */
lb_tensor *onnx_act(onnx_call *c, lb_tensor *x, lb_act act);

LB_END
#endif
