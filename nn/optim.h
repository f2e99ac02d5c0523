/* SPDX-License-Identifier: Apache-2.0 */
/* Optimisers and schedules, as PyTorch computes them where it has them. State is named tensors, so a checkpoint holds it.
 *
 *   lb_optim_step(o, step, &norm);     // after lb_backward; several optimisers may each train a part of one store (config.only)
 *   lb_store_zero_grad(store);
 *
 * Gradients of several batches add up in the parameters; lb_optim_scale_gradients(o, 1.0 / batches) makes their mean of it. */
#ifndef LB_NN_OPTIM_H
#define LB_NN_OPTIM_H
#include "base/param.h"
#include "base/value.h"
#include "nn/nn.h"
LB_BEGIN

typedef struct lb_optim_config {
    const char *name;      /* sgd, adam, adamw, lamb, lion, adafactor, rmsprop, adagrad: nn/update.c */
    double lr, weight_decay, beta1, beta2, eps, momentum;
    double clip_norm;      /* global norm of all gradients; 0 = none */
    double clip_value;     /* each gradient to -clip_value..clip_value, before the norm; 0 = none */
    const char *schedule;  /* constant, linear, cosine, cosine-restarts, polynomial, step, exponential, one-cycle, inverse-sqrt, wsd: nn/schedule.c */
    int64_t warmup;        /* steps of linear warm-up: lr (step + 1) / warmup */
    double final_lr;       /* what lr comes down to after total_steps, as a share of lr */
    double gamma;          /* step, exponential: factor; polynomial: power; cosine-restarts: growth of the cycle */
    int64_t step_size;     /* step: steps between factors; cosine-restarts: steps of the first cycle */
    double peak;           /* one-cycle: share of the steps before the highest rate; wsd: share of the steps before the decline */
    double start_lr;       /* one-cycle: first rate, as a share of lr */
    bool nesterov;
    bool scale_parameter;  /* adafactor: rates are shares of a parameter's size */
    int64_t lookahead;     /* steps between looks (Zhang et al., arXiv:1907.08610); 0 = none */
    double lookahead_rate; /* how far the slow weights follow */
    const char *only;      /* patterns of the parameters that are trained; empty = all */
    const char *groups;    /* "head.*: lr 10; *.bias: decay 0; stem.*: frozen; body.*: from 100, until 900"; the first pattern that fits a name counts */
} lb_optim_config;
extern LB_API const lb_param lb_optim_params[];

typedef struct lb_optim lb_optim; /* one thread at a time */
/** Over the trainable parameters of the store now and later (parameters may be frozen or added between steps). config is copied, its
 *  texts and the store are borrowed. In patterns '*' stands for any text; several are joined by '|'. LB_E_ARG for an unknown optimiser or
 *  schedule, or groups that cannot be read. */
LB_API LB_MUST_USE lb_status lb_optim_new(lb_optim **out, const lb_optim_config *config, lb_store *store, int64_t total_steps);
LB_API void lb_optim_free(lb_optim *o);
/** Learning rate of a step (0-based): a pure function of config and step. Linear warm-up, then by the schedule, counted from the end of warm-up
 *  over total_steps - warmup steps: torch.optim.lr_scheduler's LinearLR (from 1 to final_lr), CosineAnnealingLR, CosineAnnealingWarmRestarts,
 *  PolynomialLR, StepLR, ExponentialLR, OneCycleLR; inverse-sqrt as get_inverse_sqrt_schedule of transformers (time scale = warmup, 10,000 without);
 *  wsd (Hu et al., arXiv:2404.06395, eq. (1)): constant, then a line to final_lr. */
LB_API double lb_optim_lr(const lb_optim *o, int64_t step);
/** Updates every parameter that has a gradient. @param norm the global gradient norm before clipping, may be NULL.
 *  LB_E_NUMERIC names the first parameter with a gradient that is not finite; nothing is updated then. */
LB_API LB_MUST_USE lb_status lb_optim_step(lb_optim *o, int64_t step, double *norm);
/** Gradients count as multiplied with this from now on (1 / batches that were added up, 1 / loss scale), before clipping. */
LB_API void lb_optim_scale_gradients(lb_optim *o, double scale);
/** Forgets all state of the parameters whose names start with prefix (NULL = all): they begin anew. Needed where a parameter has changed its shape
 *  (lb_store_resize). */
LB_API void lb_optim_restart(lb_optim *o, const char *prefix);
/** The first pattern of config.only or config.groups that fits no parameter of these n stores: a slip of its writer. NULL when there is none. dst gets a copy. */
LB_API const char *lb_optim_idle(const lb_optim *o, int n, lb_store *const *stores, char dst[96]);
/** Its state ("exp_avg.<param>", ...) as a store owned by the optimiser; a loaded one must have the same names and shapes. */
LB_API lb_store *lb_optim_state(lb_optim *o);

/* ---- Averages of weights: lb_store_ema(average, store, decay) with these decays ---- */

/** min(decay, (1 + updates) / (10 + updates)): young averages forget faster (as TensorFlow's ExponentialMovingAverage and timm). */
LB_API double lb_ema_decay(double decay, int64_t updates);
/** n / (n + 1) after n averaged models: their plain mean (stochastic weight averaging, arXiv:1803.05407). */
LB_API double lb_swa_decay(int64_t averaged);

LB_END
#endif
