/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/optim.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "nn/optim_private.h"
#include "nn/parts.h"
#include "tensor/kernels/levels.h"
#include "tensor/loops.h"

#define RULES "adafactor|adagrad|adam|adamw|lamb|lion|rmsprop|sgd"
#define SCHEDULES "constant|cosine|cosine-restarts|exponential|inverse-sqrt|linear|one-cycle|polynomial|step|wsd"

const lb_param lb_optim_params[] = {
    LB_PARAM_TEXT(lb_optim_config, name, "adamw", RULES, "optimiser"),
    LB_PARAM(lb_optim_config, lr, 1e-3, 0, 1e3, "1", "learning rate after warm-up"),
    LB_PARAM(lb_optim_config, weight_decay, 0.01, 0, 1e3, "1", "adamw, lamb, lion, adafactor: decoupled, on matrices and kernels only; others: added to their gradient"),
    LB_PARAM(lb_optim_config, beta1, 0.9, 0, 0.999999, "1", "decay of the first moment; adafactor: 0 = none is kept"),
    LB_PARAM(lb_optim_config, beta2, 0.999, 0, 0.9999999, "1", "decay of the second moment"),
    LB_PARAM(lb_optim_config, eps, 1e-8, 0, 1, "1", "added to the root of the second moment"),
    LB_PARAM(lb_optim_config, momentum, 0, 0, 0.999999, "1", "sgd, rmsprop"),
    LB_PARAM(lb_optim_config, clip_norm, 0, 0, LB_NO_MAX, "1", "largest global gradient norm; 0 = none"),
    LB_PARAM(lb_optim_config, clip_value, 0, 0, LB_NO_MAX, "1", "largest size of one gradient; 0 = none"),
    LB_PARAM_TEXT(lb_optim_config, schedule, "constant", SCHEDULES, "course of the learning rate after warm-up"),
    LB_PARAM(lb_optim_config, warmup, 0, 0, 1e12, "steps", "linear growth of the learning rate from 0"),
    LB_PARAM(lb_optim_config, final_lr, 0, 0, 1, "1", "learning rate at the end, as a share of lr"),
    LB_PARAM(lb_optim_config, gamma, 0.1, 0, 100, "1", "step, exponential: factor; polynomial: power; cosine-restarts: growth of the cycle"),
    LB_PARAM(lb_optim_config, step_size, 1000, 1, 1e12, "steps", "step: steps between factors; cosine-restarts: steps of the first cycle"),
    LB_PARAM(lb_optim_config, peak, 0.3, 0, 1, "1", "one-cycle: share of the steps before the highest rate; wsd: before the decline"),
    LB_PARAM(lb_optim_config, start_lr, 0.04, 0, 1, "1", "one-cycle: first rate, as a share of lr"),
    LB_PARAM_FLAG(lb_optim_config, nesterov, 0, "sgd: Nesterov momentum"),
    LB_PARAM_FLAG(lb_optim_config, scale_parameter, 0, "adafactor: the rate is a share of a parameter's size"),
    LB_PARAM(lb_optim_config, lookahead, 0, 0, 1e6, "steps", "steps between looks of slow weights; 0 = none"),
    LB_PARAM(lb_optim_config, lookahead_rate, 0.5, 0, 1, "1", "how far slow weights follow"),
    LB_PARAM_TEXT(lb_optim_config, only, "", NULL, "patterns of the parameters that are trained; empty = all"),
    LB_PARAM_TEXT(lb_optim_config, groups, "", NULL, "\"head.*: lr 10; *.bias|*.norm*: decay 0; stem.*: frozen\""),
    LB_PARAM_END};

/* ---- groups ---- */

enum { GROUPS = 32 };

typedef struct group {
    char pattern[160];
    double lr; /* factor */
    double decay; /* own weight decay; below 0 = that of the config */
    bool frozen;
    double from, until; /* steps in between which it is trained; until 0 = for ever */
} group;

struct lb_optim {
    lb_optim_config config;
    const lbi_rule *rule;
    const lbi_schedule *schedule;
    lb_store *store, *state;
    int64_t total;
    double scale;
    group groups[GROUPS];
    int group_count;
};

/* '*' stands for any text. */
static bool fits_one(const char *pattern, size_t length, const char *name) {
    const char *end = pattern + length, *star = NULL, *from = NULL;
    while (*name) {
        if (pattern < end && *pattern == '*') {
            star = ++pattern;
            from = name;
        } else if (pattern < end && *pattern == *name) {
            pattern++;
            name++;
        } else if (star) {
            pattern = star;
            name = ++from;
        } else {
            return false;
        }
    }
    while (pattern < end && *pattern == '*') pattern++;
    return pattern == end;
}

/* Patterns joined by '|'. */
static bool fits(const char *patterns, const char *name) {
    while (*patterns) {
        size_t n = strcspn(patterns, "|");
        if (fits_one(patterns, n, name)) return true;
        patterns += n + (patterns[n] == '|');
    }
    return false;
}

static const char *skip_space(const char *s, const char *end) {
    while (s < end && isspace((unsigned char)*s)) s++;
    return s;
}

/* One word and, but for frozen, its number. @return behind it, NULL when it is neither */
static const char *read_setting(group *g, const char *s, const char *end) {
    char word[16] = "", *after = NULL;
    size_t n = 0;
    while (s + n < end && !isspace((unsigned char)s[n]) && s[n] != ',') n++;
    if (n == 0 || n >= sizeof word) return NULL;
    memcpy(word, s, n);
    s = skip_space(s + n, end);
    if (strcmp(word, "frozen") == 0) {
        g->frozen = true;
        return s;
    }
    double *to = strcmp(word, "lr") == 0 ? &g->lr : strcmp(word, "decay") == 0 ? &g->decay : strcmp(word, "from") == 0 ? &g->from : strcmp(word, "until") == 0 ? &g->until : NULL;
    if (!to) return NULL;
    *to = strtod(s, &after);
    return after > s && after <= end && *to >= 0 && isfinite(*to) ? after : NULL;
}

/* "pattern: settings" from s to end. */
static lb_status read_group(lb_optim *o, const char *s, const char *end) {
    const char *colon = memchr(s, ':', (size_t)(end - s));
    group *g = &o->groups[o->group_count];
    *g = (group){.lr = 1, .decay = -1};
    size_t n = colon ? (size_t)(colon - s) : 0;
    while (n > 0 && isspace((unsigned char)s[n - 1])) n--;
    if (n == 0 || n >= sizeof g->pattern) return lb_fail(LB_E_ARG, "optimiser groups: '%.*s' is no \"pattern: lr NUMBER, decay NUMBER, from STEP, until STEP, frozen\"", (int)(end - s), s);
    if (++o->group_count > GROUPS - 1) return lb_fail(LB_E_ARG, "optimiser groups: at most %d", GROUPS - 1);
    memcpy(g->pattern, s, n);
    for (const char *at = skip_space(colon + 1, end); at < end; at = skip_space(at, end)) {
        if (*at == ',') {
            at++;
            continue;
        }
        const char *next = read_setting(g, at, end);
        if (!next) return lb_fail(LB_E_ARG, "optimiser groups: '%.*s': lr NUMBER, decay NUMBER, from STEP, until STEP or frozen wanted", (int)(end - at), at);
        at = next;
    }
    return LB_OK;
}

static lb_status read_groups(lb_optim *o, const char *s) {
    while (s && *s) {
        const char *end = s + strcspn(s, ";"), *start = skip_space(s, end);
        if (start < end) {
            lb_status st = read_group(o, start, end);
            if (st != LB_OK) return st;
        }
        s = *end ? end + 1 : end;
    }
    return LB_OK;
}

static const group *group_of(const lb_optim *o, const char *name) {
    for (int i = 0; i < o->group_count; i++)
        if (fits(o->groups[i].pattern, name)) return &o->groups[i];
    return NULL;
}

/* ---- life ---- */

lb_status lb_optim_new(lb_optim **out, const lb_optim_config *config, lb_store *store, int64_t total_steps) {
    lb_status st = LB_OK;
    const lbi_rule *rule = lbi_rule_find(config->name);
    const lbi_schedule *schedule = lbi_schedule_find(config->schedule);
    if (!rule) return lb_fail(LB_E_ARG, "optimiser '%s': one of %s wanted", config->name ? config->name : "", RULES);
    if (!schedule) return lb_fail(LB_E_ARG, "schedule '%s': one of %s wanted", config->schedule ? config->schedule : "", SCHEDULES);
    lb_optim *o = lb_calloc(1, sizeof *o);
    if (!o) return LB_E_NOMEM;
    o->config = *config;
    o->rule = rule;
    o->schedule = schedule;
    o->store = store;
    o->total = total_steps;
    o->scale = 1;
    LB_TRY(read_groups(o, config->groups));
    LB_TRY(lb_store_new(&o->state));
    *out = o;
    o = NULL;
done:
    lb_optim_free(o);
    return st;
}

void lb_optim_free(lb_optim *o) {
    if (!o) return;
    lb_store_free(o->state);
    lb_free(o);
}

lb_store *lb_optim_state(lb_optim *o) { return o->state; }
void lb_optim_scale_gradients(lb_optim *o, double scale) { o->scale = scale; }

double lb_optim_lr(const lb_optim *o, int64_t step) {
    const lb_optim_config *c = &o->config;
    if (step < c->warmup) return c->lr * (double)(step + 1) / (double)c->warmup;
    return c->lr * o->schedule->rate(c, step - c->warmup, o->total - c->warmup);
}

double lb_ema_decay(double decay, int64_t updates) { return fmin(decay, (1 + (double)updates) / (10 + (double)updates)); }
double lb_swa_decay(int64_t averaged) { return (double)averaged / ((double)averaged + 1); }

static bool fits_any(const char *patterns, int n, lb_store *const *stores) {
    for (int k = 0; k < n; k++)
        for (int64_t i = 0; i < lb_store_count(stores[k]); i++)
            if (fits(patterns, lb_store_at(stores[k], i)->name)) return true;
    return false;
}

const char *lb_optim_idle(const lb_optim *o, int n, lb_store *const *stores, char dst[96]) {
    const char *only = o->config.only, *idle = only && *only && !fits_any(only, n, stores) ? only : NULL;
    for (int i = 0; i < o->group_count && !idle; i++)
        if (!fits_any(o->groups[i].pattern, n, stores)) idle = o->groups[i].pattern;
    if (!idle) return NULL;
    snprintf(dst, 96, "%s", idle);
    return dst;
}

/* ---- a step ---- */

static bool trained(const lb_optim *o, const lb_param_tensor *p, int64_t step) {
    if (p->buffer || !p->x->requires_grad || !p->x->grad || !p->x->grad->data) return false;
    if (o->config.only && *o->config.only && !fits(o->config.only, p->name)) return false;
    const group *g = group_of(o, p->name);
    return !g || !(g->frozen || (double)step < g->from || (g->until > 0 && (double)step >= g->until));
}

enum { PIECE = 65536, PIECES = 256 }; /* summed in the order of the pieces, whatever the threads */

typedef struct squaring {
    const lb_real *g;
    int64_t n;
    double scale, most, *sums;
} squaring;

LBI_LEVELS static double square_piece(const lb_real *g, int64_t n, double scale, double most) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t k = 0; k < n; k++) {
        double x = (double)g[k] * scale;
        x = x > most && x <= DBL_MAX ? most : x < -most && x >= -DBL_MAX ? -most : x;
        sum += x * x;
    }
    return sum;
}

static void square_pieces(const void *ctx, int64_t first, int64_t last) {
    const squaring *q = ctx;
    for (int64_t i = first; i < last; i++) q->sums[i] = square_piece(q->g + i * PIECE, q->n - i * PIECE < PIECE ? q->n - i * PIECE : PIECE, q->scale, q->most);
}

/* Sum of squares after scale and clip_value; not finite when a gradient is not. */
static double squares(const lb_optim *o, const lb_param_tensor *p) {
    const lb_real *g = p->x->grad->data;
    int64_t n = lb_numel(p->x), most = (int64_t)PIECE * PIECES;
    double sums[PIECES], total = 0;
    for (int64_t at = 0; at < n; at += most) {
        squaring q = {g + at, n - at < most ? n - at : most, o->scale, o->config.clip_value > 0 ? o->config.clip_value : (double)INFINITY, sums};
        int64_t pieces = (q.n + PIECE - 1) / PIECE;
        lbi_split(pieces, PIECE, square_pieces, &q);
        for (int64_t i = 0; i < pieces; i++) total += sums[i];
    }
    return total;
}

/* Slow weights go a part of the way to the fast ones, which start again from there. */
static lb_status look_ahead(const lbi_update *u, int64_t every, double rate) {
    lb_status st = LB_OK;
    lb_real *slow = NULL, *count = NULL, *x = u->p->x->data;
    int64_t n = lb_numel(u->p->x);
    LB_TRY(lbi_state(&count, u, "look", 0, NULL, NULL));
    LB_TRY(lbi_state(&slow, u, "slow", u->p->x->rank, u->p->x->shape, NULL));
    *count += 1;
    if ((int64_t)*count % every != 0) goto done;
    *count = 0;
    for (int64_t i = 0; i < n; i++) x[i] = slow[i] += (lb_real)rate * (x[i] - slow[i]);
done:
    return st;
}

static lb_status step_one(lb_optim *o, const lb_param_tensor *p, double lr, double clip) {
    lb_status st = LB_OK;
    const lb_optim_config *c = &o->config;
    const group *g = group_of(o, p->name);
    lbi_update u = {.c = c, .state = o->state, .p = p, .lr = lr * (g ? g->lr : 1), .scale = o->scale * clip, .clip_value = c->clip_value * clip};
    u.decay = g && g->decay >= 0 ? g->decay : p->decay || !o->rule->decoupled ? c->weight_decay : 0;
    if (c->lookahead > 0) {
        lb_real *slow = NULL;
        bool fresh = false;
        LB_TRY(lbi_state(&slow, &u, "slow", p->x->rank, p->x->shape, &fresh)); /* where the fast weights started */
        if (fresh) memcpy(slow, p->x->data, (size_t)lb_numel(p->x) * sizeof *slow);
    }
    LB_TRY(o->rule->step(&u));
    if (c->lookahead > 0) LB_TRY(look_ahead(&u, c->lookahead, c->lookahead_rate));
done:
    return st;
}

void lb_optim_restart(lb_optim *o, const char *prefix) {
    for (int64_t i = lb_store_count(o->state) - 1; i >= 0; i--) {
        const char *name = strchr(lb_store_at(o->state, i)->name, '.'); /* "exp_avg.<param>" */
        if (name && (!prefix || strncmp(name + 1, prefix, strlen(prefix)) == 0)) lbi_store_remove(o->state, i);
    }
}

lb_status lb_optim_step(lb_optim *o, int64_t step, double *norm) {
    lb_status st = LB_OK;
    double total = 0;
    for (int64_t i = 0; i < lb_store_count(o->store); i++) {
        const lb_param_tensor *p = lb_store_at(o->store, i);
        if (!trained(o, p, step)) continue;
        double sum = squares(o, p);
        if (!isfinite(sum)) return lb_fail(LB_E_NUMERIC, "the gradient of parameter '%s' is not finite at step %lld", p->name, (long long)step);
        total += sum;
    }
    total = sqrt(total);
    if (norm) *norm = total;
    double clip = o->config.clip_norm > 0 && total > o->config.clip_norm ? o->config.clip_norm / (total + 1e-6) : 1;
    for (int64_t i = 0; i < lb_store_count(o->store) && st == LB_OK; i++)
        if (trained(o, lb_store_at(o->store, i), step)) st = step_one(o, lb_store_at(o->store, i), lb_optim_lr(o, step), clip);
    return st;
}
