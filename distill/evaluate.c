/* SPDX-License-Identifier: Apache-2.0 */
/* One component on plain arrays. This file is part of both builds; only its entry has two names. */
#include "distill/evaluate.h"
#include <string.h>
#include "distill/method.h"

#ifdef LB_DOUBLE
#define EVALUATE lb_evaluate_f64
#else
#define EVALUATE lb_evaluate_f32
#endif

typedef struct session {
    lb_tape *tape;
    const lb_method *method;
    const lb_component *component;
    void *cfg;
    const char **names;
    lb_tensor **in;
} session;

static void close_session(session *s, int nin) {
    for (int i = 0; s->in && i < nin; i++) lb_tensor_free(s->in[i]);
    lb_free(s->in);
    lb_free(s->names);
    lb_tape_free(s->tape);
    if (s->cfg) lb_params_free(s->method->params, s->cfg);
    lb_free(s->cfg);
}

static lb_status configure(session *s, const lb_eval_case *c) {
    lb_status st = LB_OK;
    const lb_head *head = NULL;
    LB_TRY(lb_family_find(&head, &lb_methods, c->method));
    s->method = (const lb_method *)head;
    LB_TRY(lb_component_find(&s->component, s->method, c->component));
    LB_TRY(lb_component_config(&s->cfg, s->method, s->component, NULL));
    for (int i = 0; i < c->nparams; i++) {
        const lb_param *row = NULL;
        LB_TRY(lb_param_get(&row, s->method->params, c->params[i].name));
        LB_TRY(c->params[i].text ? lb_param_set_text(row, s->cfg, c->params[i].text) : lb_param_set_number(row, s->cfg, c->params[i].number));
    }
done:
    return st;
}

static lb_status load_inputs(session *s, const lb_eval_case *c) {
    s->in = lb_calloc((size_t)c->nin + 1, sizeof *s->in);
    s->names = lb_calloc((size_t)c->nin + 1, sizeof *s->names);
    if (!s->in || !s->names) return LB_E_NOMEM;
    for (int i = 0; i < c->nin; i++) {
        const lb_eval_array *a = &c->in[i];
        lb_status st = lb_tensor_new(&s->in[i], a->integer ? LB_I64 : LB_REAL, a->rank, a->shape);
        if (st != LB_OK) return st;
        if (a->integer) memcpy(s->in[i]->data, a->i64, (size_t)lb_numel(s->in[i]) * sizeof *a->i64);
        else lb_convert(s->in[i]->data, LB_REAL, a->f64, LB_F64, lb_numel(s->in[i]));
        s->in[i]->requires_grad = a->requires_grad && !a->integer;
        s->names[i] = a->name;
    }
    return LB_OK;
}

static lb_status read_output(lb_eval_array *a, const lb_tensor *y) {
    int64_t n = lb_numel(y);
    a->rank = y->rank;
    memcpy(a->shape, y->shape, sizeof a->shape);
    a->integer = y->dtype == LB_I64;
    if (a->integer) {
        if (!(a->i64 = lb_alloc((size_t)n + 1, sizeof *a->i64))) return LB_E_NOMEM;
        return lb_read_i64(y, a->i64, n);
    }
    if (!(a->f64 = lb_alloc((size_t)n + 1, sizeof *a->f64))) return LB_E_NOMEM;
    return lb_read_f64(y, a->f64, n);
}

/* A name of the case -> an output of the component; -1 when there is none. */
static int output_index(const lb_sig *sig, const char *name) { return lb_sig_output_find(sig, name); }

static lb_status backward(session *s, const lb_eval_case *c, const lb_sig *sig, const lb_outs *outs) {
    lb_tensor *from[LB_OUTS_MAX], *weight[LB_OUTS_MAX];
    int n = 0;
    for (int i = 0; i < c->nout; i++) {
        const lb_eval_array *a = &c->out[i];
        int k = output_index(sig, a->name);
        if (k < 0 || !a->requires_grad || n == LB_OUTS_MAX || outs->at[k]->dtype != LB_REAL) continue;
        from[n] = outs->at[k];
        weight[n] = a->weights ? lb_input(s->tape, LB_REAL, outs->at[k]->rank, outs->at[k]->shape, a->weights, LB_F64) : NULL;
        n++;
    }
    if (n > 0) lb_backward_from(s->tape, n, from, weight, false);
    return lb_tape_status(s->tape);
}

static lb_status read_gradients(const session *s, lb_eval_case *c) {
    for (int i = 0; i < c->nin; i++) {
        if (!c->in[i].requires_grad) continue;
        int64_t n = lb_numel(s->in[i]);
        if (!(c->grad[i] = lb_calloc((size_t)n + 1, sizeof **c->grad))) return LB_E_NOMEM;
        if (!s->in[i]->grad) continue; /* nothing depends on it: zeros */
        lb_status st = lb_read_f64(s->in[i]->grad, c->grad[i], n);
        if (st != LB_OK) return st;
    }
    return LB_OK;
}

lb_status EVALUATE(lb_eval_case *c) {
    lb_status st = LB_OK;
    session s = {0};
    lb_outs outs = {0};
    lb_sig *sig = NULL;
    LB_TRY(configure(&s, c));
    LB_TRY(lb_sig_parse(&sig, s.component->sig));
    LB_TRY(load_inputs(&s, c));
    LB_TRY(lb_tape_new(&s.tape));
    lb_component_run(s.tape, s.method, s.component, s.cfg, c->nin, s.names, s.in, &outs);
    LB_TRY(lb_tape_status(s.tape));
    for (int i = 0; i < c->nout; i++) {
        int k = output_index(sig, c->out[i].name);
        if (k < 0) {
            st = lb_fail(LB_E_ARG, "%s/%s gives no output '%s'", c->method, c->component, c->out[i].name);
            goto done;
        }
        LB_TRY(read_output(&c->out[i], outs.at[k]));
    }
    LB_TRY(backward(&s, c, sig, &outs));
    LB_TRY(read_gradients(&s, c));
done:
    lb_sig_free(sig);
    close_session(&s, c->nin);
    return st;
}
