/* SPDX-License-Identifier: Apache-2.0 */
/* What optim.c, update.c and schedule.c share. Private to nn/. */
#ifndef LB_NN_OPTIM_PRIVATE_H
#define LB_NN_OPTIM_PRIVATE_H
#include "nn/optim.h"
LB_BEGIN

/* ---- schedules: rate as a share of config.lr, `after` steps past warm-up, of `span` ---- */

typedef struct lbi_schedule {
    const char *name;
    double (*rate)(const lb_optim_config *c, int64_t after, int64_t span);
} lbi_schedule;
const lbi_schedule *lbi_schedule_find(const char *name); /* NULL when there is none */

/* ---- update rules ---- */

/* One parameter at one step. Gradients are multiplied with scale (clipping, batches) where they are read. */
typedef struct lbi_update {
    const lb_optim_config *c;
    lb_store *state;
    const lb_param_tensor *p;
    double lr, decay, scale, clip_value;
} lbi_update;

typedef struct lbi_rule {
    const char *name;
    bool decoupled; /* weight decay shrinks matrices and kernels only; else it is added to the gradient of all */
    lb_status (*step)(const lbi_update *u);
} lbi_rule;
const lbi_rule *lbi_rule_find(const char *name);

/* State "<kind>.<param>" of the given shape, zeros when new. */
LB_MUST_USE lb_status lbi_state(lb_real **out, const lbi_update *u, const char *kind, int rank, const int64_t *shape, bool *fresh);

LB_END
#endif
