/* SPDX-License-Identifier: Apache-2.0 */
/* `limbeck golden PATH...`: recorded cases of components against what Limbeck computes, in float64 and float32. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include "base/file.h"
#include "cli/cli.h"
#include "distill/evaluate.h"
#include "io/hdf5.h"

typedef struct options {
    bool float_only, double_only;
    const char *dump;
} options;

static const lb_param params[] = {
    {.name = "float", .type = LB_T_BOOL, .offset = offsetof(options, float_only), .max = 1, .unit = "", .text = "float32 alone"},
    {.name = "double", .type = LB_T_BOOL, .offset = offsetof(options, double_only), .max = 1, .unit = "", .text = "float64 alone"},
    LB_PARAM_WORD(options, dump, "X.h5", "writes what was computed (in float64, unless --float) to this HDF5 file"),
    LB_PARAM_END};

typedef struct golden {
    char method[64], component[64];
    double rtol, atol, rtol64;
    lb_h5_attr *attrs, *param_attrs;
    int attr_count, param_count;
    lb_eval_param *params;
    char **in_names, **out_names;
    int64_t in_count, out_count;
    lb_eval_array *in, *want; /* want: expected values and cotangents; requires_grad = differentiated */
    double **want_grad;       /* [in_count] */
} golden;

static void close_golden(golden *g) {
    lb_h5_attrs_free(g->attrs, g->attr_count);
    lb_h5_attrs_free(g->param_attrs, g->param_count);
    lb_free(g->params);
    for (int64_t i = 0; g->in && i < g->in_count; i++) {
        lb_free(g->in[i].f64);
        lb_free(g->in[i].i64);
        if (g->want_grad) lb_free(g->want_grad[i]);
    }
    for (int64_t i = 0; g->want && i < g->out_count; i++) {
        lb_free(g->want[i].f64);
        lb_free(g->want[i].i64);
        lb_free(g->want[i].weights);
    }
    lb_free(g->in);
    lb_free(g->want);
    lb_free(g->want_grad);
    lb_names_free(g->in_names, g->in_count);
    lb_names_free(g->out_names, g->out_count);
}

static const lb_h5_attr *find_attr(const lb_h5_attr *a, int n, const char *name) {
    for (int i = 0; i < n; i++)
        if (strcmp(a[i].name, name) == 0) return &a[i];
    return NULL;
}

static double number_of(const lb_h5_attr *a, double fallback) { return !a ? fallback : a->kind == LB_H5_REAL ? a->real : a->kind == LB_H5_INT ? (double)a->integer : fallback; }

static lb_status read_array(lb_eval_array *out, lb_h5 *f, const char *group, const char *name) {
    lb_status st = LB_OK;
    lb_tensor *x = NULL;
    char path[512];
    snprintf(path, sizeof path, "%s/%s", group, name);
    LB_TRY(lb_h5_is_integer(&out->integer, f, path));
    LB_TRY(lb_h5_read(&x, f, path, out->integer ? LB_I64 : LB_F64));
    size_t n = (size_t)lb_numel(x);
    out->name = name;
    out->rank = x->rank;
    memcpy(out->shape, x->shape, sizeof out->shape);
    void *data = lb_alloc(n + 1, 8);
    if (!data) {
        st = LB_E_NOMEM;
        goto done;
    }
    memcpy(data, x->data, n * 8);
    if (out->integer) out->i64 = data;
    else out->f64 = data;
done:
    lb_tensor_free(x);
    return st;
}

static lb_status flag_of(bool *out, lb_h5 *f, const char *group, const char *name, const char *attr) {
    lb_h5_attr *a = NULL;
    int n = 0;
    char path[512];
    snprintf(path, sizeof path, "%s/%s", group, name);
    lb_status st = lb_h5_attrs(f, path, &a, &n);
    if (st == LB_OK) *out = number_of(find_attr(a, n, attr), 0) != 0;
    lb_h5_attrs_free(a, n);
    return st;
}

static lb_status read_plain(double **out, lb_h5 *f, const char *group, const char *name) {
    char path[512];
    lb_eval_array a = {0};
    snprintf(path, sizeof path, "%s/%s", group, name);
    if (!lb_h5_has(f, path)) return LB_OK;
    lb_status st = read_array(&a, f, group, name);
    if (st == LB_OK && a.integer) st = lb_fail(LB_E_FORMAT, "%s holds integers", path);
    *out = a.f64;
    return st;
}

static lb_status read_head(golden *g, lb_h5 *f) {
    lb_status st = LB_OK;
    LB_TRY(lb_h5_attrs(f, "/", &g->attrs, &g->attr_count));
    const lb_h5_attr *format = find_attr(g->attrs, g->attr_count, "format"), *method = find_attr(g->attrs, g->attr_count, "method"), *component = find_attr(g->attrs, g->attr_count, "component");
    if (!format || !format->text || strcmp(format->text, "distill-golden/1") != 0) return lb_fail(LB_E_FORMAT, "no golden case: attribute format is not distill-golden/1");
    if (!method || !method->text || !component || !component->text) return lb_fail(LB_E_FORMAT, "golden case without method and component");
    snprintf(g->method, sizeof g->method, "%s", method->text);
    snprintf(g->component, sizeof g->component, "%s", component->text);
    g->rtol = number_of(find_attr(g->attrs, g->attr_count, "rtol"), 1e-4);
    g->atol = number_of(find_attr(g->attrs, g->attr_count, "atol"), 1e-6);
    g->rtol64 = number_of(find_attr(g->attrs, g->attr_count, "rtol64"), 1e-7);
    LB_TRY(lb_h5_attrs(f, "/params", &g->param_attrs, &g->param_count));
    if (!(g->params = lb_calloc((size_t)g->param_count + 1, sizeof *g->params))) return LB_E_NOMEM;
    for (int i = 0; i < g->param_count; i++) {
        const lb_h5_attr *a = &g->param_attrs[i];
        g->params[i] = (lb_eval_param){a->name, a->kind == LB_H5_TEXT ? a->text : NULL, number_of(a, 0)};
    }
done:
    return st;
}

static lb_status read_golden(golden *g, lb_h5 *f) {
    lb_status st = LB_OK;
    LB_TRY(read_head(g, f));
    if (lb_h5_has(f, "/inputs")) LB_TRY(lb_h5_members(f, "/inputs", &g->in_names, &g->in_count));
    LB_TRY(lb_h5_members(f, "/expected", &g->out_names, &g->out_count));
    g->in = lb_calloc((size_t)g->in_count + 1, sizeof *g->in);
    g->want = lb_calloc((size_t)g->out_count + 1, sizeof *g->want);
    g->want_grad = lb_calloc((size_t)g->in_count + 1, sizeof *g->want_grad);
    if (!g->in || !g->want || !g->want_grad) return LB_E_NOMEM;
    for (int64_t i = 0; i < g->in_count; i++) {
        LB_TRY(read_array(&g->in[i], f, "/inputs", g->in_names[i]));
        LB_TRY(flag_of(&g->in[i].requires_grad, f, "/inputs", g->in_names[i], "requires_grad"));
        if (g->in[i].requires_grad) LB_TRY(read_plain(&g->want_grad[i], f, "/expected_grad", g->in_names[i]));
    }
    for (int64_t i = 0; i < g->out_count; i++) {
        LB_TRY(read_array(&g->want[i], f, "/expected", g->out_names[i]));
        LB_TRY(flag_of(&g->want[i].requires_grad, f, "/expected", g->out_names[i], "differentiated"));
        LB_TRY(read_plain(&g->want[i].weights, f, "/cotangents", g->out_names[i]));
    }
done:
    return st;
}

/* ---- comparing ---- */

typedef struct verdict {
    bool ok;
    double worst;     /* largest |got - want| / max(|want|, rms) */
    char why[256];
} verdict;

static int64_t count_of(const lb_eval_array *a) {
    int64_t n = 1;
    for (int d = 0; d < a->rank; d++) n *= a->shape[d];
    return n;
}

static void differ(verdict *v, const char *what, const char *name, int64_t i, double got, double want) {
    if (v->ok) snprintf(v->why, sizeof v->why, "%s %s[%lld] is %.17g, expected %.17g", what, name, (long long)i, got, want);
    v->ok = false;
}

static void compare(verdict *v, const char *what, const char *name, const double *got, const double *want, int64_t n, double rtol, double atol) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += want[i] * want[i];
    double rms = n ? sqrt(sum / (double)n) : 0;
    for (int64_t i = 0; i < n; i++) {
        double scale = fmax(fabs(want[i]), rms), error = fabs(got[i] - want[i]);
        if (!(error <= atol + rtol * scale)) differ(v, what, name, i, got[i], want[i]);
        if (!isfinite(error)) v->worst = INFINITY;
        else if (scale > 0) v->worst = fmax(v->worst, error / scale);
    }
}

static void compare_all(verdict *v, const golden *g, const lb_eval_case *c, double rtol, double atol) {
    for (int i = 0; i < c->nout; i++) {
        const lb_eval_array *got = &c->out[i], *want = &g->want[i];
        bool same = got->rank == want->rank;
        for (int d = 0; same && d < got->rank; d++) same = got->shape[d] == want->shape[d];
        if (!same) {
            v->ok = false;
            snprintf(v->why, sizeof v->why, "output %s has another shape than expected", got->name);
            continue;
        }
        int64_t n = count_of(want);
        for (int64_t k = 0; want->integer && k < n; k++) {
            double have = got->integer ? (double)got->i64[k] : got->f64[k];
            if (have != (double)want->i64[k]) differ(v, "output", want->name, k, have, (double)want->i64[k]);
        }
        if (want->integer) continue;
        if (got->integer) {
            v->ok = false;
            snprintf(v->why, sizeof v->why, "output %s is of integers, numbers are expected", got->name);
        } else compare(v, "output", want->name, got->f64, want->f64, n, rtol, atol);
    }
    for (int i = 0; i < c->nin; i++)
        if (g->want_grad[i] && c->grad[i]) compare(v, "gradient of", g->in[i].name, c->grad[i], g->want_grad[i], count_of(&g->in[i]), rtol, atol);
}

static lb_status dump(const char *path, const lb_eval_case *c) {
    lb_status st = LB_OK;
    lb_h5 *f = NULL;
    lb_tensor *x = NULL;
    char name[512];
    LB_TRY(lb_h5_create(&f, path));
    for (int i = 0; i < c->nout; i++) {
        const lb_eval_array *a = &c->out[i];
        snprintf(name, sizeof name, "/computed/%s", a->name);
        LB_TRY(lb_tensor_borrow(&x, a->integer ? LB_I64 : LB_F64, a->rank, a->shape, a->integer ? (const void *)a->i64 : a->f64));
        LB_TRY(lb_h5_write(f, name, x));
        lb_tensor_free(x);
        x = NULL;
    }
    for (int i = 0; i < c->nin; i++) {
        if (!c->grad[i]) continue;
        snprintf(name, sizeof name, "/computed_grad/%s", c->in[i].name);
        LB_TRY(lb_tensor_borrow(&x, LB_F64, c->in[i].rank, c->in[i].shape, c->grad[i]));
        LB_TRY(lb_h5_write(f, name, x));
        lb_tensor_free(x);
        x = NULL;
    }
done:
    lb_tensor_free(x);
    if (f) {
        lb_status closed = lb_h5_close(f);
        if (st == LB_OK) st = closed;
    }
    return st;
}

static lb_status evaluate(verdict *v, const golden *g, bool wide, const char *dump_to) {
    lb_status st = LB_OK;
    lb_eval_case c = {.method = g->method, .component = g->component, .nparams = g->param_count, .params = g->params, .nin = (int)g->in_count, .in = g->in, .nout = (int)g->out_count};
    c.out = lb_calloc((size_t)c.nout + 1, sizeof *c.out);
    c.grad = lb_calloc((size_t)c.nin + 1, sizeof *c.grad);
    if (!c.out || !c.grad) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int i = 0; i < c.nout; i++) c.out[i] = (lb_eval_array){.name = g->want[i].name, .requires_grad = g->want[i].requires_grad, .weights = g->want[i].weights};
    LB_TRY(wide ? lb_evaluate_f64(&c) : lb_evaluate_f32(&c));
    if (dump_to) LB_TRY(dump(dump_to, &c));
    compare_all(v, g, &c, wide ? g->rtol64 : g->rtol, wide ? 1e-10 : g->atol);
done:
    for (int i = 0; c.out && i < c.nout; i++) {
        lb_free(c.out[i].f64);
        lb_free(c.out[i].i64);
    }
    for (int i = 0; c.grad && i < c.nin; i++) lb_free(c.grad[i]);
    lb_free(c.out);
    lb_free(c.grad);
    return st;
}

/* ---- files ---- */

typedef struct tally {
    int64_t passed, failed, skipped;
} tally;

static lb_status say(const lb_cli *cli, const char *word, const golden *g, const char *file, double worst, const char *why) {
    if (!cli->json) return why && *why ? cli_print("%s %s/%s %s %.3g  %s", word, g->method, g->component, file, worst, why) : cli_print("%s %s/%s %s %.3g", word, g->method, g->component, file, worst);
    lb_value *v = lb_value_map();
    lb_map_text(v, "result", word);
    lb_map_text(v, "method", g->method);
    lb_map_text(v, "component", g->component);
    lb_map_text(v, "file", file);
    lb_map_real(v, "max_rel_err", worst);
    if (why && *why) lb_map_text(v, "why", why);
    lb_status st = cli_json(v);
    lb_value_free(v);
    return st;
}

static lb_status run_file(const lb_cli *cli, const options *o, const char *file, tally *t) {
    lb_status st = LB_OK;
    lb_h5 *f = NULL;
    golden g = {.method = "?", .component = "?"};
    verdict v = {.ok = true};
    st = lb_h5_open(&f, file);
    if (st == LB_OK) st = read_golden(&g, f);
    if (f && lb_h5_close(f) != LB_OK) lb_error_clear();
    if (st == LB_OK && !o->float_only) st = evaluate(&v, &g, true, o->dump);
    if (st == LB_OK && !o->double_only) st = evaluate(&v, &g, false, o->float_only ? o->dump : NULL);
    bool missing = st == LB_E_NOTFOUND && g.method[0] != '?';
    if (missing) {
        t->skipped++;
        st = say(cli, "SKIP", &g, file, 0, lb_error_text());
    } else if (st != LB_OK || !v.ok) {
        t->failed++;
        st = say(cli, "FAIL", &g, file, v.worst, st != LB_OK ? lb_error_text() : v.why);
    } else {
        t->passed++;
        st = say(cli, "PASS", &g, file, v.worst, NULL);
    }
    close_golden(&g);
    return st;
}

static lb_status run_path(lb_cli *cli, const options *o, const char *path, tally *t) {
    if (!lb_is_folder(path)) return run_file(cli, o, path, t);
    char **names = NULL;
    int64_t count = 0;
    lb_status st = lb_list_files(&names, &count, path);
    for (int64_t i = 0; st == LB_OK && i < count; i++) {
        if (!lb_ends_with(names[i], ".h5")) continue;
        char *file = lb_path_join(path, names[i]);
        st = file ? run_file(cli, o, file, t) : LB_E_NOMEM;
        lb_free(file);
        if (st == LB_OK && lb_progress_stopped(&cli->progress)) st = lb_fail(LB_E_CANCELLED, "stopped");
    }
    lb_names_free(names, count);
    return st;
}

static lb_status run(lb_cli *cli, void *opts) {
    lb_status st = LB_OK;
    tally t = {0};
    for (int i = 0; i < cli->nwords; i++) LB_TRY(run_path(cli, opts, cli->words[i], &t));
    LB_TRY(cli_print("%lld passed, %lld failed, %lld skipped", (long long)t.passed, (long long)t.failed, (long long)t.skipped));
    if (t.failed > 0) st = lb_fail(LB_E_NUMERIC, "%lld golden cases failed", (long long)t.failed);
done:
    return st;
}

LB_VERB(golden) = {.id = "golden",
                   .title = "recorded cases of methods against what Limbeck computes",
                   .source = "",
                   .params = params,
                   .params_size = sizeof(options),
                   .usage = "golden PATH... [--float|--double] [--dump X.h5]",
                   .min_words = 1,
                   .max_words = -1,
                   .help = "A case agrees when |got - expected| <= atol + rtol max(|expected|, rms) elementwise, outputs and gradients; in float64 with rtol "
                           "1e-7 (or\nthe case's rtol64) and atol 1e-10, in float32 with the case's own. SKIP: a method or component that does not exist.",
                   .run = run};
