/* SPDX-License-Identifier: Apache-2.0 */
/* A distillation method is one file (distill/methods/<id>.c) and one line (distill/methods.def): parameters, components, and where
 * it has them learnable weights, state, needs, and a regime. Components are pure functions of named tensors, so golden files and recipes bind
 * to them by name. */
#ifndef LB_DISTILL_METHOD_H
#define LB_DISTILL_METHOD_H
#include "base/registry.h"
#include "base/sig.h"
#include "base/value.h"
#include "tensor/ops.h"
LB_BEGIN

/* The inputs of a component call, in the signature's order; absent optional ones are NULL; a pattern ("block.*.w") leaves in[i] NULL
 * and its tensors are found by name. */
typedef struct lb_args {
    lb_tensor *const *in;
    const lb_sig_dims *dims;  /* letters of the signature, bound */
    int named_count;          /* everything that was given, by concrete name */
    const char *const *names;
    lb_tensor *const *tensors;
} lb_args;
/** By concrete name ("block.2.attn.qkv.weight"); NULL when absent. */
LB_API lb_tensor *lb_arg(const lb_args *a, const char *fmt, ...) LB_PRINTF(2, 3);
/** The size bound to a letter; -1 when unbound. */
LB_API int64_t lb_dim(const lb_args *a, const char *letter);

#define LB_OUTS_MAX 16
typedef struct lb_outs {
    lb_tensor *at[LB_OUTS_MAX];
} lb_outs;
static inline void lb_out(lb_outs *o, int i, lb_tensor *x) { o->at[i] = x; }

/* A component's own defaults: a parameter row of the method with another default. */
typedef struct lb_default {
    const char *param;
    double value;
    const char *text;
} lb_default;

struct lb_play;

typedef struct lb_component {
    const char *name;
    /* Computes the outputs from the inputs on the tape. Value checks (label in range, mask sum) through lb_check_*; ranges of
     * parameters stand in the table. */
    void (*run)(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out);
    const char *sig;      /* "student[N,K] teacher[N,K] -> loss[] index[N]:i64" */
    const char *constant; /* inputs that are constant (no gradient is asked for): "teacher labels" */
    const char *values;   /* outputs that are reported only, not differentiated: "dice_loss" */
    const lb_default *defaults; /* ends with {0}; NULL = none */
    const char *text;     /* one line with equation number */
    /* In place of run, in training alone: the term runs the models itself (distill/play.h). Gives the loss. */
    lb_tensor *(*play)(struct lb_play *p, const void *cfg);
} lb_component;
#define LB_COMPONENT_END {0}

typedef enum lb_verified { LB_VERIFIED_EQUATIONS = 0, LB_VERIFIED_CODE, LB_VERIFIED_TOY } lb_verified;

typedef struct lb_method {
    LB_HEAD;                 /* title, paper as `source`, parameter table */
    const char *group;       /* logit, feature, relation, contrastive, sequence, segmentation, ... (several, space between) */
    const char *needs;       /* taps and labels: "student:logits teacher:logits label" */
    const char *weights;     /* learnable: a signature's left side, "proj.weight[D,E] proj.bias[D]"; NULL = none */
    const char *state;       /* kept between steps and in checkpoints, zeros at first: "t[] momentum[]"; NULL = none */
    /* An input that the recipe does not bind and that is drawn for each batch, from the letters of what is bound; NULL when it is none of those. On a
     * SHAPES tape rng is NULL: any values do. */
    lb_tensor *(*draw)(lb_tape *t, const void *cfg, const char *input, const lb_sig_dims *dims, lb_rng *rng);
    /* What moves over a run, in the one trainer; NULL = nothing. Both may change cfg for the step to come, from the state (in the order of `state`)
     * and the number of the step alone, so that a resumed run goes on as if it had not stopped. loss: the term's value in the step. */
    void (*before_step)(void *cfg, lb_tensor *const *state, int64_t step, int64_t steps);
    void (*after_step)(void *cfg, lb_tensor *const *state, double loss, int64_t step, int64_t steps);
    const lb_component *components; /* ends with LB_COMPONENT_END; the first is the objective a recipe means by the bare name */
    lb_verified verified;
} lb_method;
#define LB_METHOD(name) const lb_method lb_method_##name
extern LB_API const lb_family lb_methods;

LB_API LB_MUST_USE lb_status lb_component_find(const lb_component **out, const lb_method *m, const char *name);
/** cfg filled with the table's and the component's defaults (release with lb_params_free and lb_free). */
LB_API LB_MUST_USE lb_status lb_component_config(void **cfg, const lb_method *m, const lb_component *c, const struct lb_value *params);
/** Calls a component: binds names, checks the signature and the outputs' shapes. Failures are on the tape. */
LB_API void lb_component_run(lb_tape *t, const lb_method *m, const lb_component *c, const void *cfg, int nin, const char *const *names, lb_tensor *const *tensors, lb_outs *out);

/* ---- Checks for components: fail the tape with LB_E_ARG, name the input and the first bad index. On SHAPES tapes they pass. ---- */
LB_API bool lb_check(lb_tape *t, bool ok, const char *fmt, ...) LB_PRINTF(3, 4);
LB_API bool lb_check_index(lb_tape *t, const lb_tensor *x, int64_t below, const char *name);        /* 0 <= x < below */
LB_API bool lb_check_range(lb_tape *t, const lb_tensor *x, double lo, double hi, const char *name); /* NaN fails */
LB_API bool lb_check_finite(lb_tape *t, const lb_tensor *x, const char *name);
LB_API bool lb_check_no_nan(lb_tape *t, const lb_tensor *x, const char *name);

LB_END
#endif
