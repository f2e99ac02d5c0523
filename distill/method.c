/* SPDX-License-Identifier: Apache-2.0 */
#include "distill/method.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

lb_tensor *lb_arg(const lb_args *a, const char *fmt, ...) {
    char name[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(name, sizeof name, fmt, args);
    va_end(args);
    for (int i = 0; i < a->named_count; i++)
        if (strcmp(a->names[i], name) == 0) return a->tensors[i];
    return NULL;
}

int64_t lb_dim(const lb_args *a, const char *letter) {
    int64_t value = -1;
    return lb_sig_dims_get(a->dims, letter, &value) ? value : -1;
}

lb_status lb_component_find(const lb_component **out, const lb_method *m, const char *name) {
    const char *names[64];
    int n = 0;
    for (const lb_component *c = m->components; c->name; c++) {
        if (lb_name_distance(c->name, name) == 0) {
            *out = c;
            return LB_OK;
        }
        if (n < 64) names[n++] = c->name;
    }
    lb_buf near = {0};
    lb_nearest(&near, name, names, n);
    lb_status st = lb_fail(LB_E_NOTFOUND, "method %s has no component '%s'%s", m->id, name, lb_buf_str(&near));
    lb_buf_free(&near);
    return st;
}

static lb_status own_defaults(void *cfg, const lb_method *m, const lb_component *c) {
    lb_status st = LB_OK;
    for (const lb_default *d = c->defaults; d && d->param && st == LB_OK; d++) {
        const lb_param *row = lb_param_find(m->params, d->param);
        if (!row) st = lb_fail(LB_E_BUG, "component %s: no parameter '%s'", c->name, d->param);
        else st = d->text ? lb_param_set_text(row, cfg, d->text) : lb_param_set_number(row, cfg, d->value);
    }
    return st;
}

static lb_status set_value(const lb_param *row, void *cfg, const lb_value *v) {
    switch (v->kind) {
    case LB_V_BOOL: return lb_param_set_number(row, cfg, v->boolean);
    case LB_V_INT: return lb_param_set_number(row, cfg, (double)v->integer);
    case LB_V_REAL: return lb_param_set_number(row, cfg, v->real);
    case LB_V_TEXT: return lb_param_set_text(row, cfg, v->text);
    case LB_V_NULL:
    case LB_V_LIST:
    case LB_V_MAP: break;
    }
    return lb_fail(LB_E_ARG, "parameter '%s': a number, truth value or text is wanted", row->name);
}

lb_status lb_component_config(void **cfg, const lb_method *m, const lb_component *c, const lb_value *params) {
    lb_status st = LB_OK;
    void *p = lb_calloc(1, m->params_size + 1);
    if (!p) return LB_E_NOMEM;
    LB_TRY(lb_params_default(m->params, p));
    LB_TRY(own_defaults(p, m, c));
    for (int64_t i = 0; params && i < params->count; i++) {
        const lb_param *row = NULL;
        st = lb_param_get(&row, m->params, params->keys[i]);
        if (st == LB_OK) st = set_value(row, p, params->items[i]);
        if (st != LB_OK) {
            st = params->key_lines && params->key_lines[i] ? lb_where(st, "line %d", params->key_lines[i]) : lb_where(st, "method %s", m->id);
            goto done;
        }
    }
    *cfg = p;
    p = NULL;
done:
    if (p) lb_params_free(m->params, p);
    lb_free(p);
    return st;
}

/* ---- calling a component ---- */

static lb_sig_type type_of(const lb_tensor *x) { return x->dtype == LB_I64 ? LB_SIG_I64 : x->dtype == LB_U8 ? LB_SIG_U8 : LB_SIG_F32; }

static lb_status check_outs(const lb_sig *sig, lb_sig_dims *dims, const lb_outs *out) {
    for (int i = 0; i < lb_sig_outputs(sig) && i < LB_OUTS_MAX; i++) {
        const lb_tensor *y = out->at[i];
        lb_sig_item item;
        lb_sig_item_at(sig, true, i, &item);
        if (!y && item.optional) continue;
        if (!y) return lb_fail(LB_E_BUG, "output '%s' was not given", lb_sig_output_name(sig, i));
        lb_sig_shape s = {lb_sig_output_name(sig, i), y->rank, y->shape, type_of(y)};
        lb_status st = lb_sig_check_output(sig, dims, i, &s);
        if (st != LB_OK) return st;
    }
    return LB_OK;
}

static lb_status run(lb_tape *t, const lb_method *m, const lb_component *c, const void *cfg, int nin, const char *const *names, lb_tensor *const *tensors, lb_outs *out) {
    lb_status st = LB_OK;
    lb_sig *sig = NULL;
    lb_sig_dims dims;
    lb_tensor **in = NULL;
    lb_sig_shape *given = lb_calloc((size_t)nin + 1, sizeof *given);
    if (!given) return LB_E_NOMEM;
    if (!c->run) LB_TRY(lb_fail(LB_E_UNSUPPORTED, "it runs models, so it is a term of a recipe only"));
    LB_TRY(lb_sig_parse(&sig, c->sig));
    lb_sig_dims_init(&dims);
    for (int i = 0; i < nin; i++) given[i] = (lb_sig_shape){names[i], tensors[i]->rank, tensors[i]->shape, type_of(tensors[i])};
    LB_TRY(lb_sig_match(sig, &dims, given, nin));
    if (!(in = lb_calloc((size_t)lb_sig_inputs(sig) + 1, sizeof *in))) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int i = 0; i < lb_sig_inputs(sig); i++)
        for (int k = 0; k < nin; k++)
            if (strcmp(lb_sig_input_name(sig, i), names[k]) == 0) in[i] = tensors[k];
    memset(out, 0, sizeof *out);
    c->run(t, cfg, &(lb_args){in, &dims, nin, names, tensors}, out);
    LB_TRY(lb_tape_status(t));
    LB_TRY(check_outs(sig, &dims, out));
done:
    lb_sig_free(sig);
    lb_free(given);
    lb_free(in);
    (void)m;
    return st;
}

void lb_component_run(lb_tape *t, const lb_method *m, const lb_component *c, const void *cfg, int nin, const char *const *names, lb_tensor *const *tensors, lb_outs *out) {
    if (!lb_tape_ok(t)) return;
    lb_status st = run(t, m, c, cfg, nin, names, tensors, out);
    if (st != LB_OK) (void)lb_tape_fail_status(t, lb_where(st, "%s/%s", m->id, c->name));
}

/* ---- checks ---- */

static bool checkable(lb_tape *t, const lb_tensor *x) { return lb_tape_ok(t) && lb_tape_get_mode(t) != LB_TAPE_SHAPES && x && x->data; }

bool lb_check(lb_tape *t, bool ok, const char *fmt, ...) {
    if (ok || !lb_tape_ok(t)) return lb_tape_ok(t);
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    (void)lb_tape_fail(t, LB_E_ARG, "%s", text);
    return false;
}

static bool check_each(lb_tape *t, const lb_tensor *x, const char *name, bool (*ok)(double v, const double *limits), const double *limits, const char *want) {
    if (!checkable(t, x)) return lb_tape_ok(t);
    int64_t n = lb_numel(x);
    if (!limits && lb_all_finite(x)) return true;
    for (int64_t i = 0; i < n; i++) {
        double v = lb_get_at(x, i);
        if (!ok(v, limits)) return lb_check(t, false, "%s[%lld] is %g, %s is wanted", name, (long long)i, v, want);
    }
    return true;
}

static bool in_range(double v, const double *limits) { return v >= limits[0] && v <= limits[1]; }
static bool is_finite(double v, const double *limits) { return (void)limits, isfinite(v); }
static bool is_number(double v, const double *limits) { return (void)limits, !isnan(v); }

bool lb_check_index(lb_tape *t, const lb_tensor *x, int64_t below, const char *name) {
    char want[64];
    snprintf(want, sizeof want, "0 to %lld", (long long)below - 1);
    return check_each(t, x, name, in_range, (double[]){0, (double)below - 1}, want);
}

bool lb_check_range(lb_tape *t, const lb_tensor *x, double lo, double hi, const char *name) {
    char want[64];
    snprintf(want, sizeof want, "%g to %g", lo, hi);
    return check_each(t, x, name, in_range, (double[]){lo, hi}, want);
}

bool lb_check_finite(lb_tape *t, const lb_tensor *x, const char *name) { return check_each(t, x, name, is_finite, NULL, "a finite number"); }
bool lb_check_no_nan(lb_tape *t, const lb_tensor *x, const char *name) { return check_each(t, x, name, is_number, NULL, "a number"); }
