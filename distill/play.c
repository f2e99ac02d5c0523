/* SPDX-License-Identifier: Apache-2.0 */
#include "distill/play.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "distill/train_private.h"

lb_tensor *lb_play_input(const lb_play *p, const char *input) {
    for (int i = 0; i < p->inputs->count; i++)
        if (strcmp(p->inputs->names[i], input) == 0) return p->inputs->x[i];
    return NULL;
}

static bool find_model(const lb_play *p, const char *name, lb_model *out) {
    const lbi_train *r = p->run;
    if (strcmp(name, "student") == 0) {
        *out = *lbi_learning(r)->model;
        return true;
    }
    for (int i = 0; i < r->spec->nteachers; i++)
        if (strcmp(name, r->spec->teachers[i].name) == 0) {
            *out = *r->spec->teachers[i].model;
            return true;
        }
    return false;
}

/* The batch, with some tensors in place of others. */
static int overlay(const lb_play *p, int nin, const lb_named *in, lb_named *all, int most) {
    int n = 0;
    for (int i = 0; i < nin && n < most; i++) all[n++] = in[i];
    for (int i = 0; i < p->env->count && n < most; i++) {
        bool covered = false;
        for (int k = 0; k < nin; k++) covered = covered || strcmp(in[k].name, p->env->at[i].name) == 0;
        if (!covered) all[n++] = (lb_named){p->env->at[i].name, p->env->at[i].x};
    }
    return n;
}

void lb_play_run(lb_play *p, const char *model, bool gradient, int nin, const lb_named *in, int ntaps, const char *const *taps, lb_tensor **out) {
    lb_tape *t = p->tape;
    lb_model m;
    lb_named all[LBI_NAMES_MAX + 16];
    for (int i = 0; i < ntaps; i++) out[i] = lb_inert(t);
    if (!lb_tape_ok(t)) return;
    if (!find_model(p, model, &m)) {
        (void)lb_tape_fail(t, LB_E_NOTFOUND, "objective %s: there is no model '%s'", p->term->name, model);
        return;
    }
    lb_tape_mode mode = lb_tape_get_mode(t);
    bool training = lb_tape_training(t), learns = gradient && strcmp(model, "student") == 0;
    if (!learns && mode == LB_TAPE_GRAD) lb_tape_set_mode(t, LB_TAPE_NO_GRAD);
    if (!learns) lb_tape_set_training(t, false, p->rng);
    lb_model_run(&m, t, overlay(p, nin, in, all, (int)LB_COUNT(all)), all, ntaps, taps, out);
    lb_tape_set_mode(t, mode);
    lb_tape_set_training(t, training, p->rng);
}

void lb_play_freeze(lb_play *p, bool on, const char *fmt, ...) {
    char prefix[96];
    va_list list;
    va_start(list, fmt);
    vsnprintf(prefix, sizeof prefix, fmt, list);
    va_end(list);
    if (lb_store_train(lbi_learning(p->run)->model->store, prefix, !on) == 0)
        (void)lb_tape_fail(p->tape, LB_E_NOTFOUND, "objective %s: the student has no weights '%s...' to freeze", p->term->name, prefix);
}

/* What was there before, and what is looked at. */
struct lbi_look {
    const lbi_env *env;
    const lbi_inputs *inputs;
    lbi_env there;
    lbi_inputs seen;
    lb_batch batch;
};

void lb_play_look(lb_play *p, const char *stream, int64_t at) {
    lbi_train *r = p->run;
    const lb_batch_source *source = &r->spec->source;
    if (p->look || !lb_tape_ok(p->tape)) return;
    struct lbi_look *look = p->look = lb_calloc(1, sizeof *look);
    lb_status st = look ? source->batch(source->ctx, stream, at, &look->batch) : LB_E_NOMEM;
    if (st != LB_OK) {
        (void)lb_tape_fail_status(p->tape, lb_where(st, "objective %s", p->term->name));
        lb_free(look);
        p->look = NULL;
        return;
    }
    look->env = p->env;
    look->inputs = p->inputs;
    lbi_fill_env(r, &look->there, &look->batch, p->term->stream);
    st = lbi_bind(r, p->term, &look->there, &look->seen);
    if (st != LB_OK) (void)lb_tape_fail_status(p->tape, st);
    p->env = &look->there;
    p->inputs = &look->seen;
}

void lb_play_back(lb_play *p) {
    const lb_batch_source *source = &p->run->spec->source;
    if (!p->look) return;
    p->env = p->look->env;
    p->inputs = p->look->inputs;
    if (source->release) source->release(source->ctx, &p->look->batch);
    lb_free(p->look);
    p->look = NULL;
}

lb_outs lb_play_call(lb_play *p, const void *cfg, const char *component, int nin, const char *const *names, lb_tensor *const *tensors) {
    lb_outs out = {0};
    const lb_component *c = NULL;
    lb_status st = lb_component_find(&c, p->term->method, component);
    if (st == LB_OK) lb_component_run(p->tape, p->term->method, c, cfg, nin, names, tensors, &out);
    else (void)lb_tape_fail_status(p->tape, st);
    for (int i = 0; i < LB_OUTS_MAX; i++)
        if (!out.at[i]) out.at[i] = lb_inert(p->tape);
    return out;
}

lb_tensor *lb_play_learned(lb_play *p, const char *name, int rank, const int64_t *shape) { return lbi_learned(p->run, p->term, name, rank, shape); }
