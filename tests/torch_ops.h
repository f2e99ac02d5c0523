/* SPDX-License-Identifier: Apache-2.0 */
/* How a recorded case of PyTorch (tests/data/torch) is put to the op of that name. */
#ifndef LB_TESTS_TORCH_OPS_H
#define LB_TESTS_TORCH_OPS_H
#include "base/value.h"
#include "tensor/ops.h"

enum { TORCH_IN = 14, TORCH_OUT = 3 };

typedef struct torch_job {
    lb_tape *t;
    const lb_value *p; /* parameters; may be NULL */
    int nin;
    lb_tensor *x[TORCH_IN]; /* NULL = absent */
    lb_tensor *y[TORCH_OUT];
} torch_job;

/* One of the functions is set. The first ones are constructors themselves; `run` reads parameters and sets y. */
typedef struct torch_op {
    const char *name;
    lb_tensor *(*one)(lb_tape *t, lb_tensor *x);
    lb_tensor *(*two)(lb_tape *t, lb_tensor *a, lb_tensor *b);
    lb_tensor *(*three)(lb_tape *t, lb_tensor *a, lb_tensor *b, lb_tensor *c);
    lb_tensor *(*at)(lb_tape *t, lb_tensor *x, int axis);                              /* axis */
    lb_tensor *(*along)(lb_tape *t, lb_tensor *x, int axis, bool keep);                /* axis, keep */
    lb_tensor *(*over)(lb_tape *t, lb_tensor *x, lb_axes axes, bool keep);             /* axes, keep */
    lb_tensor *(*put)(lb_tape *t, lb_tensor *x, lb_tensor *i, lb_tensor *src, int axis); /* axis */
    lb_tensor *(*pick)(lb_tape *t, lb_tensor *x, lb_tensor *i, int axis);              /* axis */
    lb_tensor *(*loss)(lb_tape *t, lb_tensor *x, lb_tensor *target, lb_reduction how); /* reduction */
    void (*run)(torch_job *j);
} torch_op;

/* NULL when there is none. */
const torch_op *torch_find(const char *name);
void torch_run(const torch_op *op, torch_job *j);
/* Why an op has no cases; NULL = it should have. */
const char *torch_left_out(const char *name);

#endif
