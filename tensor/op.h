/* SPDX-License-Identifier: Apache-2.0 */
/* How an op is written: one file tensor/ops/<id>.c plus one line in tensor/ops.def. In this order: formula and derivative
 * in a comment; shape (only when the signature cannot say it); forward; backward; reference (when forward calls a kernel); cases;
 * the descriptor; the typed constructor that users call. Ops are written in lb_real and compiled twice (float, double). */
#ifndef LB_TENSOR_OP_H
#define LB_TENSOR_OP_H
#include "base/registry.h"
#include "base/sig.h"
#include "tensor/tape.h"
LB_BEGIN

#define LB_OP_MAX_IN 14
#define LB_OP_MAX_OUT 4

typedef struct lb_op lb_op;

/* n elements from p[k] on with steps of step[k] bytes; what the operands are stands where it is called. May run on any thread. */
typedef void (*lb_row)(const void *ctx, int64_t n, char *const *p, const int64_t *step);

/* One call of an op, handed to its functions. */
typedef struct lb_call {
    lb_tape *tape;
    const lb_op *op;
    const void *params;        /* the op's struct */
    int nin, nout;             /* absent optional inputs are NULL in `in` */
    lb_tensor *in[LB_OP_MAX_IN];   /* contiguous unless the op is LB_OP_STRIDED */
    lb_tensor *out[LB_OP_MAX_OUT]; /* allocated, contiguous, uninitialised; saved extras (mean, argmax) come after results */
    lb_tensor *gout[LB_OP_MAX_OUT]; /* backward: gradients of results, contiguous; NULL = zero */
    lb_tensor *gin[LB_OP_MAX_IN];   /* backward: where to add; NULL = not asked for */
    /* With LB_OP_SETS: gin[i] holds rubbish and is to be overwritten where fresh[i]; else gin[i] is to be added to. */
    bool fresh[LB_OP_MAX_IN];
    void *note; /* what shape leaves for forward where shapes depend on values (scratch lives until the end of forward); else NULL */
    bool again; /* forward of a cheap op: the result alone is wanted once more, what else it gave stands in out */
    bool last; /* pictures of rank 4 may have their channels last (tensor/last.h), and results have; gradients lie as what they are of */
} lb_call;

enum {
    LB_OP_STRIDED = 1u << 0, /* forward and backward take strided inputs; otherwise they are made contiguous first */
    LB_OP_VIEW = 1u << 1,    /* results share the storage of in[0]; shape() sets shape, stride and data (NULL where in[0] has none) */
    LB_OP_SETS = 1u << 2,    /* backward honours `fresh` (saves a zero fill and a pass over memory) */
    LB_OP_NONSMOOTH = 1u << 3, /* has kinks: gradient checks keep away from them (see lb_op_case.lo) */
    LB_OP_ANY_TYPE = 1u << 4,  /* the signature does not check number types, shape() does (views, copies) */
    LB_OP_INF_OK = 1u << 5,    /* infinities are its purpose (masks): LB_CHECK=nan lets them pass */
    LB_OP_ESTIMATE = 1u << 6,  /* backward is on purpose not the derivative (straight-through): gradient checks leave it out */
    LB_OP_CHEAP = 1u << 7,     /* the result costs little beside its memory, and backward reads the input: a large one is made again in the backward
                                * pass rather than held. forward must give the same bytes again */
    LB_OP_IN_PLACE = 1u << 8,  /* with LB_OP_SETS: gin[0] may be the memory of gout[0] where it is fresh: each element is read for the last time before
                                * it is written */
    LB_OP_ROUNDED = 1u << 9,   /* in[0] may be rounded to bf16 (tensor/rounded.h) where it is real */
};

/* Bits of lb_op.reads: what backward reads. The tape keeps only that. */
#define LB_READS_IN(i) (1u << (i))
#define LB_READS_OUT(i) (1u << (16 + (i)))
/* Those of one call. */
uint32_t lb_call_reads(const lb_call *c);

/* A case worth testing, as data: the harness makes the inputs, compares forward with reference, backward with central
 * differences, every kernel level with ref, and times it. */
typedef struct lb_op_case {
    const char *name;
    int rank[LB_OP_MAX_IN];                     /* -1 = input absent */
    int64_t shape[LB_OP_MAX_IN][LB_MAX_RANK];
    double lo, hi;                              /* range of real inputs; both 0 = -2..2 */
    int64_t imax;                               /* integer inputs are drawn from 0..imax-1 */
    const void *params;                         /* then the descriptor has params_size */
    /* Optional: mends the drawn inputs (distinct values for sort, positive for log). data[i]: lb_real or int64_t. */
    void (*fill)(void *const *data, const int64_t *numel);
} lb_op_case;

struct lb_op {
    LB_HEAD;
    const char *sig;   /* "x[...,K] w[M,K] b[M]? -> y[...,M]": results, then saved extras, on the right */
    const char *math;  /* "y = x w^T + b" */
    int results;       /* results on the right side; the rest are saved extras. 0 means 1 */
    uint32_t flags;
    uint32_t reads;    /* LB_READS_IN | LB_READS_OUT */
    bool (*reads_result)(const lb_call *c); /* does backward of this call read out[0]? NULL: as `reads` says */
    uint32_t passes;   /* bit i: the gradient of input i is that of result 0 as it is, in the shape of the input. Where it is the first to come and the counts
                        * agree, the tape hands it over, and backward finds gin[i] = NULL; else backward adds it */
    uint32_t constant; /* bit i: input i has no gradient, whatever asks for one (class weights, teachers, masks) */
    /* Fills out[i]->dtype/rank/shape; inputs have passed the signature. Optional when every letter on the right is bound on
     * the left. Fails through lb_tape_fail and returns false. */
    bool (*shape)(lb_call *c);
    /* Before shape(): does this call take pictures with channels last as they are, and give such? NULL: no. See tensor/last.h. */
    bool (*last)(const lb_call *c);
    /* The input whose memory the result of this call may be written over, where shape and layout agree and nobody else wants it; -1: none. forward then finds both at one place. NULL: none. */
    int (*over)(const lb_call *c);
    void (*forward)(lb_call *c);
    void (*backward)(lb_call *c); /* NULL needs no_grad */
    void (*reference)(lb_call *c); /* naive, sums in double; NULL when forward is already that */
    lb_row rows[4]; /* element-wise ops and losses: value, slopes, of two inputs also both slopes at once, for the generic functions of tensor/ops/elementwise.h and losses.h */
    double (*flops)(const lb_call *c);
    const char *no_grad; /* why there is no gradient */
    const lb_op_case *cases;
    int case_count;
};

#define LB_OP(name) const lb_op lb_op_##name

/** Runs an op: checks, allocates, forwards, records. `in` holds the signature's inputs in order, NULL for absent ones.
 *  Params are copied (op->params_size, or params_size given by the op's own struct when it has no table).
 *  @return the first result; further ones through lb_apply_n. Inert when the tape has failed. */
LB_API lb_tensor *lb_apply(lb_tape *t, const lb_op *op, const void *params, size_t params_size, int nin, lb_tensor *const *in);
LB_API void lb_apply_n(lb_tape *t, const lb_op *op, const void *params, size_t params_size, int nin, lb_tensor *const *in, int nout, lb_tensor **out);

/** Tells of each call that the tape makes from now on, when it has run: inputs as they were given, results without saved extras, all alive. NULL ends it. */
LB_API void lb_tape_watch(lb_tape *t, void (*seen)(void *ctx, const lb_call *call), void *ctx);

/** Scratch for the length of a forward or backward call, 64-byte aligned; fails the tape and returns NULL without memory.
 *  Freed by the tape when the call ends. */
LB_API void *lb_scratch(lb_call *c, size_t bytes);

/** Saved pointers with the right type. */
static inline lb_real *lb_r(const lb_tensor *x) { return (lb_real *)x->data; }
static inline int64_t *lb_i(const lb_tensor *x) { return (int64_t *)x->data; }

extern LB_API const lb_family lb_ops;

LB_END
#endif
