/* SPDX-License-Identifier: Apache-2.0 */
/* Optimisers and schedules, as PyTorch computes them. State is named tensors, so a checkpoint holds it. */
#ifndef LB_NN_OPTIM_H
#define LB_NN_OPTIM_H
#include "base/param.h"
#include "base/value.h"
#include "nn/nn.h"
LB_BEGIN

typedef struct lb_optim_config {
    const char *name;      /* adamw, adam, sgd */
    double lr, weight_decay, beta1, beta2, eps, momentum;
    double clip_norm;      /* global norm of all gradients; 0 = none */
    const char *schedule;  /* constant, cosine, linear, step, exponential */
    int64_t warmup;        /* steps of linear warm-up: lr (step + 1) / warmup */
    double final_lr;       /* cosine, linear: what lr has come down to after total_steps, as a share of lr */
    double gamma;          /* step, exponential */
    int64_t step_size;     /* step */
    bool nesterov;
} lb_optim_config;
extern LB_API const lb_param lb_optim_params[];

typedef struct lb_optim lb_optim; /* one thread at a time */
/** Over the trainable parameters of the store now and later (parameters may be frozen or added between steps). config is copied, its
 *  texts and the store are borrowed. LB_E_ARG for an unknown optimiser or schedule. */
LB_API LB_MUST_USE lb_status lb_optim_new(lb_optim **out, const lb_optim_config *config, lb_store *store, int64_t total_steps);
LB_API void lb_optim_free(lb_optim *o);
/** Learning rate of a step (0-based): a pure function of config and step. After warm-up as torch.optim.lr_scheduler's CosineAnnealingLR
 *  (T_max = total_steps - warmup), LinearLR (from 1 to final_lr over as many), StepLR, ExponentialLR, counted from the end of warm-up. */
LB_API double lb_optim_lr(const lb_optim *o, int64_t step);
/** Updates every parameter that has a gradient. @param norm the global gradient norm before clipping, may be NULL.
 *  LB_E_NUMERIC names the first parameter with a gradient that is not finite; nothing is updated then. */
LB_API LB_MUST_USE lb_status lb_optim_step(lb_optim *o, int64_t step, double *norm);
/** Its state ("exp_avg.<param>", ...) as a store owned by the optimiser; a loaded one must have the same names and shapes. */
LB_API lb_store *lb_optim_state(lb_optim *o);

LB_END
#endif
