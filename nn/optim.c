/* SPDX-License-Identifier: Apache-2.0 */
/* AdamW: Loshchilov and Hutter, arXiv:1711.05101; Adam: Kingma and Ba, arXiv:1412.6980; formulas and defaults as torch.optim. */
#include "nn/optim.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

const lb_param lb_optim_params[] = {
    LB_PARAM_TEXT(lb_optim_config, name, "adamw", "adamw|adam|sgd", "optimiser"),
    LB_PARAM(lb_optim_config, lr, 1e-3, 0, 1e3, "1", "learning rate after warm-up"),
    LB_PARAM(lb_optim_config, weight_decay, 0.01, 0, 1e3, "1", "adamw: decoupled, on matrices and kernels only; adam, sgd: added to their gradient"),
    LB_PARAM(lb_optim_config, beta1, 0.9, 0, 0.999999, "1", "decay of the first moment"),
    LB_PARAM(lb_optim_config, beta2, 0.999, 0, 0.9999999, "1", "decay of the second moment"),
    LB_PARAM(lb_optim_config, eps, 1e-8, 0, 1, "1", "added to the root of the second moment"),
    LB_PARAM(lb_optim_config, momentum, 0, 0, 0.999999, "1", "sgd"),
    LB_PARAM(lb_optim_config, clip_norm, 0, 0, LB_NO_MAX, "1", "largest global gradient norm; 0 = none"),
    LB_PARAM_TEXT(lb_optim_config, schedule, "constant", "constant|cosine|linear|step|exponential", "course of the learning rate after warm-up"),
    LB_PARAM(lb_optim_config, warmup, 0, 0, 1e12, "steps", "linear growth of the learning rate from 0"),
    LB_PARAM(lb_optim_config, final_lr, 0, 0, 1, "1", "cosine, linear: learning rate at the end, as a share of lr"),
    LB_PARAM(lb_optim_config, gamma, 0.1, 0, 1, "1", "step, exponential: factor"),
    LB_PARAM(lb_optim_config, step_size, 1000, 1, 1e12, "steps", "step: steps between factors"),
    LB_PARAM_FLAG(lb_optim_config, nesterov, 0, "sgd: Nesterov momentum"),
    LB_PARAM_END};

#ifdef LB_DOUBLE
#define ROOT sqrt
#else
#define ROOT sqrtf
#endif

struct lb_optim {
    lb_optim_config config;
    lb_store *store, *state;
    int64_t total;
};

static bool listed(const char *const *all, const char *name) {
    while (*all && strcmp(*all, name ? name : "") != 0) all++;
    return *all != NULL;
}

lb_status lb_optim_new(lb_optim **out, const lb_optim_config *config, lb_store *store, int64_t total_steps) {
    static const char *const names[] = {"adamw", "adam", "sgd", NULL}, *const schedules[] = {"constant", "cosine", "linear", "step", "exponential", NULL};
    if (!listed(names, config->name)) return lb_fail(LB_E_ARG, "optimiser '%s': adamw, adam or sgd wanted", config->name ? config->name : "");
    if (!listed(schedules, config->schedule))
        return lb_fail(LB_E_ARG, "schedule '%s': constant, cosine, linear, step or exponential wanted", config->schedule ? config->schedule : "");
    lb_optim *o = lb_calloc(1, sizeof *o);
    if (!o) return LB_E_NOMEM;
    o->config = *config;
    o->store = store;
    o->total = total_steps;
    lb_status st = lb_store_new(&o->state);
    if (st != LB_OK) {
        lb_free(o);
        return st;
    }
    *out = o;
    return LB_OK;
}

void lb_optim_free(lb_optim *o) {
    if (!o) return;
    lb_store_free(o->state);
    lb_free(o);
}

lb_store *lb_optim_state(lb_optim *o) { return o->state; }

double lb_optim_lr(const lb_optim *o, int64_t step) {
    const lb_optim_config *c = &o->config;
    if (step < c->warmup) return c->lr * (double)(step + 1) / (double)c->warmup;
    int64_t after = step - c->warmup, span = o->total - c->warmup;
    double share = span > 0 ? fmin(1, (double)after / (double)span) : 1;
    if (strcmp(c->schedule, "cosine") == 0) return c->lr * (c->final_lr + (1 - c->final_lr) * 0.5 * (1 + cos(3.14159265358979323846 * share)));
    if (strcmp(c->schedule, "linear") == 0) return c->lr * (1 + (c->final_lr - 1) * share);
    if (strcmp(c->schedule, "step") == 0) return c->lr * pow(c->gamma, (double)(after / c->step_size));
    if (strcmp(c->schedule, "exponential") == 0) return c->lr * pow(c->gamma, (double)after);
    return c->lr;
}

/* ---- one parameter ---- */

typedef struct update {
    double lr, scale; /* scale: what gradients are multiplied with (clipping) */
    double bias1, bias2;
    bool decoupled;
} update;

static void adam(lb_real *x, const lb_real *g, lb_real *m, lb_real *v, int64_t n, const lb_optim_config *c, const update *u, double decay) {
    lb_real b1 = (lb_real)c->beta1, b2 = (lb_real)c->beta2, scale = (lb_real)u->scale, keep = u->decoupled ? (lb_real)(1 - u->lr * decay) : 1;
    lb_real add = u->decoupled ? 0 : (lb_real)decay, rate = (lb_real)(u->lr / u->bias1), root = (lb_real)(1 / sqrt(u->bias2)), eps = (lb_real)c->eps;
#pragma omp parallel for simd if (n > 65536)
    for (int64_t i = 0; i < n; i++) {
        lb_real grad = g[i] * scale + add * x[i];
        m[i] = b1 * m[i] + (1 - b1) * grad;
        v[i] = b2 * v[i] + (1 - b2) * grad * grad;
        x[i] = x[i] * keep - rate * m[i] / (ROOT(v[i]) * root + eps);
    }
}

static void sgd(lb_real *x, const lb_real *g, lb_real *m, int64_t n, const lb_optim_config *c, const update *u, double decay, bool first) {
    lb_real mu = (lb_real)c->momentum, lr = (lb_real)u->lr, scale = (lb_real)u->scale, add = (lb_real)decay;
#pragma omp parallel for simd if (n > 65536)
    for (int64_t i = 0; i < n; i++) {
        lb_real grad = g[i] * scale + add * x[i];
        if (m) {
            m[i] = first ? grad : mu * m[i] + grad;
            grad = c->nesterov ? grad + mu * m[i] : m[i];
        }
        x[i] -= lr * grad;
    }
}

static lb_status state_of(lb_real **out, lb_optim *o, const char *kind, const lb_param_tensor *p, bool *fresh) {
    char name[320];
    lb_param_tensor *s = NULL;
    snprintf(name, sizeof name, "%s.%s", kind, p->name);
    *fresh = lb_store_find(o->state, name) == NULL;
    lb_status st = lb_store_add(&s, o->state, name, p->x->rank, p->x->shape, LB_INIT_ZEROS, 0);
    if (st == LB_OK) *out = s->x->data;
    return st;
}

/* Steps a parameter has taken: its own, since parameters may be frozen or added between steps. */
static lb_status count_step(double *out, lb_optim *o, const lb_param_tensor *p) {
    char name[320];
    lb_param_tensor *s = NULL;
    snprintf(name, sizeof name, "step.%s", p->name);
    lb_status st = lb_store_add(&s, o->state, name, 0, NULL, LB_INIT_ZEROS, 0);
    if (st == LB_OK) *out = (double)(*(lb_real *)s->x->data += 1);
    return st;
}

static lb_status step_one(lb_optim *o, const lb_param_tensor *p, update u) {
    const lb_optim_config *c = &o->config;
    lb_status st = LB_OK;
    lb_real *m = NULL, *v = NULL;
    bool fresh = false;
    bool decoupled = strcmp(c->name, "adamw") == 0;
    double steps, decay = p->decay || !decoupled ? c->weight_decay : 0;
    int64_t n = lb_numel(p->x);
    if (strcmp(c->name, "sgd") == 0) {
        if (c->momentum > 0) LB_TRY(state_of(&m, o, "momentum", p, &fresh));
        sgd(p->x->data, p->x->grad->data, m, n, c, &u, decay, fresh);
        goto done;
    }
    LB_TRY(count_step(&steps, o, p));
    LB_TRY(state_of(&m, o, "exp_avg", p, &fresh));
    LB_TRY(state_of(&v, o, "exp_avg_sq", p, &fresh));
    u.bias1 = 1 - pow(c->beta1, steps);
    u.bias2 = 1 - pow(c->beta2, steps);
    u.decoupled = decoupled;
    adam(p->x->data, p->x->grad->data, m, v, n, c, &u, decay);
done:
    return st;
}

static bool trained(const lb_param_tensor *p) { return !p->buffer && p->x->requires_grad && p->x->grad && p->x->grad->data; }

lb_status lb_optim_step(lb_optim *o, int64_t step, double *norm) {
    lb_status st = LB_OK;
    double total = 0;
    for (int64_t i = 0; i < lb_store_count(o->store); i++) {
        const lb_param_tensor *p = lb_store_at(o->store, i);
        if (!trained(p)) continue;
        const lb_real *g = p->x->grad->data;
        int64_t n = lb_numel(p->x);
        double sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t k = 0; k < n; k++) sum += (double)g[k] * (double)g[k];
        if (!isfinite(sum)) return lb_fail(LB_E_NUMERIC, "the gradient of parameter '%s' is not finite at step %lld", p->name, (long long)step);
        total += sum;
    }
    total = sqrt(total);
    if (norm) *norm = total;
    update u = {.lr = lb_optim_lr(o, step), .scale = o->config.clip_norm > 0 && total > o->config.clip_norm ? o->config.clip_norm / (total + 1e-6) : 1};
    for (int64_t i = 0; i < lb_store_count(o->store) && st == LB_OK; i++)
        if (trained(lb_store_at(o->store, i))) st = step_one(o, lb_store_at(o->store, i), u);
    return st;
}
