/* SPDX-License-Identifier: Apache-2.0 */
/* One component evaluated on plain arrays: what golden files, and the tests of methods, go through. Compiled twice; the double form
 * is the one global symbol of the double build, so both live in one program. No lb_real appears here. */
#ifndef LB_DISTILL_EVALUATE_H
#define LB_DISTILL_EVALUATE_H
#include "base/alloc.h"
LB_BEGIN

typedef struct lb_eval_array {
    const char *name;
    int rank;
    int64_t shape[LB_MAX_RANK];
    bool integer;          /* i64 holds the values, else f64 */
    double *f64;           /* owned by the caller for inputs; by the case (lb_free) for results */
    int64_t *i64;
    bool requires_grad;    /* inputs; results: is it differentiated */
    double *weights;       /* results: cotangent (caller's); NULL = 1 for a scalar */
} lb_eval_array;

typedef struct lb_eval_param {
    const char *name;
    const char *text;      /* NULL = number */
    double number;
} lb_eval_param;

typedef struct lb_eval_case {
    const char *method, *component;
    int nparams;
    const lb_eval_param *params;
    int nin;
    const lb_eval_array *in;
    int nout;
    lb_eval_array *out;    /* in: name, requires_grad, weights; filled: rank, shape, values */
    double **grad;         /* [nin], filled where in[i].requires_grad: same size as in[i]; freed by the caller */
} lb_eval_case;

/** LB_E_NOTFOUND when the method or component does not exist (a golden SKIP). Other failures carry the tape's message. */
LB_API LB_MUST_USE lb_status lb_evaluate_f32(lb_eval_case *c);
LB_MUST_USE lb_status lb_evaluate_f64(lb_eval_case *c);

LB_END
#endif
