/* SPDX-License-Identifier: Apache-2.0 */
/* One case of one op, run from drawn or given inputs: results and gradients as doubles. Compiled for float and for double, so
 * that a float program can ask the double build what is right. */
#ifndef LB_TESTS_OPS_RUN_H
#define LB_TESTS_OPS_RUN_H
#include "base/sig.h"

enum { OPS_IN = 14, OPS_OUT = 4 };

/* How the inputs reach the op. */
typedef enum ops_how {
    OPS_DIRECT = 0, /* leaves */
    OPS_TWICE,      /* leaves; two backward passes, so gradients are twice as large and are added to what is there */
    OPS_COPIES,     /* copies that die at the end of a scope, results too: backward has only what the op says that it reads */
    OPS_STRIDED,    /* views with gaps or swapped axes */
    OPS_FORWARD,    /* no gradients */
    OPS_SHAPES,     /* on a tape of shapes */
    OPS_REFERENCE,  /* the op's reference in place of its forward; no gradients */
} ops_how;

typedef struct ops_values {
    int nin, results;
    bool real[OPS_IN];             /* a number input (else an integer one) */
    int in_rank[OPS_IN], out_rank[OPS_OUT]; /* -1 = absent */
    int64_t in_shape[OPS_IN][LB_MAX_RANK], out_shape[OPS_OUT][LB_MAX_RANK];
    int64_t in_n[OPS_IN], out_n[OPS_OUT];
    bool out_real[OPS_OUT];
    double *in[OPS_IN];            /* drawn when NULL; freed by ops_free */
    double *out[OPS_OUT];
    double *weight[OPS_OUT];       /* of the number results, for the backward pass; drawn when NULL */
    double *grad[OPS_IN];          /* NULL without one */
} ops_values;

/* Same draws in both builds: all values are floats. */
lb_status ops_evaluate_f32(const char *op, int number, ops_how how, ops_values *v);
lb_status ops_evaluate_f64(const char *op, int number, ops_how how, ops_values *v);
/* Forgets results and gradients; with all = true inputs and weights too. */
void ops_free(ops_values *v, bool all);

#endif
