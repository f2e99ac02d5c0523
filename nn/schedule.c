/* SPDX-License-Identifier: Apache-2.0 */
/* Courses of the learning rate. Each is a pure function of the step. */
#include <math.h>
#include <string.h>
#include "nn/optim_private.h"

static const double pi = 3.14159265358979323846;

static double share_of(int64_t after, int64_t span) { return span > 0 ? fmin(1, (double)after / (double)span) : 1; }

/* Half a cosine from `from` to `to`. */
static double swing(double from, double to, double share) { return to + (from - to) * 0.5 * (1 + cos(pi * share)); }

static double constant(const lb_optim_config *c, int64_t after, int64_t span) { return 1; }
static double linear(const lb_optim_config *c, int64_t after, int64_t span) { return 1 + (c->final_lr - 1) * share_of(after, span); }
static double cosine(const lb_optim_config *c, int64_t after, int64_t span) { return swing(1, c->final_lr, share_of(after, span)); }
static double polynomial(const lb_optim_config *c, int64_t after, int64_t span) { return c->final_lr + (1 - c->final_lr) * pow(1 - share_of(after, span), c->gamma); }
static double step(const lb_optim_config *c, int64_t after, int64_t span) { return pow(c->gamma, (double)(after / (c->step_size > 0 ? c->step_size : 1))); }
static double exponential(const lb_optim_config *c, int64_t after, int64_t span) { return pow(c->gamma, (double)after); }

/* Cycles of step_size, step_size gamma, step_size gamma^2, ... steps (gamma at least 1). */
static double restarts(const lb_optim_config *c, int64_t after, int64_t span) {
    double cycle = (double)(c->step_size > 0 ? c->step_size : 1), at = (double)after, growth = c->gamma > 1 ? c->gamma : 1;
    if (growth == 1) at = fmod(at, cycle);
    while (growth > 1 && at >= cycle) {
        at -= cycle;
        cycle *= growth;
    }
    return swing(1, c->final_lr, at / cycle);
}

/* Up from start_lr over a share `peak` of the steps, down to final_lr at the last one. torch: two cosines that meet at step peak span - 1. */
static double one_cycle(const lb_optim_config *c, int64_t after, int64_t span) {
    double last = (double)(span > 1 ? span - 1 : 1), top = c->peak * (double)span - 1, at = fmin((double)after, last);
    if (top > 0 && at <= top) return swing(c->start_lr, 1, at / top);
    return swing(1, c->final_lr, last > top ? (at - top) / (last - top) : 1);
}

static double inverse_sqrt(const lb_optim_config *c, int64_t after, int64_t span) {
    double scale = c->warmup > 0 ? (double)c->warmup : 10000;
    return 1 / sqrt(((double)after + scale) / scale);
}

static double stable_then_down(const lb_optim_config *c, int64_t after, int64_t span) {
    double share = share_of(after, span), rest = 1 - c->peak;
    if (share <= c->peak) return 1;
    return 1 + (c->final_lr - 1) * (rest > 0 ? (share - c->peak) / rest : 1);
}

static const lbi_schedule all[] = {
    {"constant", constant}, {"cosine", cosine}, {"cosine-restarts", restarts}, {"exponential", exponential}, {"inverse-sqrt", inverse_sqrt},
    {"linear", linear}, {"one-cycle", one_cycle}, {"polynomial", polynomial}, {"step", step}, {"wsd", stable_then_down},
};

const lbi_schedule *lbi_schedule_find(const char *name) {
    for (size_t i = 0; name && i < LB_COUNT(all); i++)
        if (strcmp(all[i].name, name) == 0) return &all[i];
    return NULL;
}
