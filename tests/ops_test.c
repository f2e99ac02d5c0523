/* SPDX-License-Identifier: Apache-2.0 */
/* Every op of the table, in double, from its own cases: shapes against the signature, forward against the reference, backward
 * against central differences, with inputs that die, that are strided, with gradients added to, and with memory refused. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/value.h"
#include "check.h"
#include "tensor/op.h"
#include "tests/ops_run.h"

enum { SMALL = 96 }; /* up to so many elements are shifted one by one; larger inputs along random directions */

static const lb_op *op;
static int number;

static lb_status evaluate(ops_how how, ops_values *v) {
    return ops_evaluate_f64(op->id, number, how, v);
}

/* The same inputs and weights for another run; results and gradients are its own. */
static ops_values like(const ops_values *v) {
    ops_values w = *v;
    memset(w.out, 0, sizeof w.out);
    memset(w.grad, 0, sizeof w.grad);
    return w;
}

/* Same results and gradients, apart from the order of sums: a few hundred roundings at most. */
static void check_same(const ops_values *a, const ops_values *b, double factor) {
    for (int k = 0; k < a->results; k++)
        if (a->out[k] && b->out[k]) CHECK_DOUBLES(a->out[k], b->out[k], a->out_n[k], 1e-12, 1e-13);
    for (int i = 0; i < a->nin; i++) {
        if (!CHECK(!a->grad[i] == !b->grad[i]) || !a->grad[i]) continue;
        for (int64_t k = 0; k < a->in_n[i]; k++) a->grad[i][k] *= factor;
        CHECK_DOUBLES(a->grad[i], b->grad[i], a->in_n[i], 1e-12, 1e-13);
        for (int64_t k = 0; k < a->in_n[i]; k++) a->grad[i][k] /= factor;
    }
}

static void other_ways(const ops_values *v) {
    static const struct {
        ops_how how;
        double factor;
    } ways[] = {{OPS_COPIES, 1}, {OPS_STRIDED, 1}, {OPS_TWICE, 0.5}, {OPS_FORWARD, 0}, {OPS_SHAPES, 0}};
    for (size_t k = 0; k < LB_COUNT(ways); k++) {
        ops_values w = like(v);
        if (CHECK_OK(evaluate(ways[k].how, &w))) {
            for (int i = 0; i < v->results; i++) {
                CHECK_INT(w.out_rank[i], v->out_rank[i]);
                CHECK(memcmp(w.out_shape[i], v->out_shape[i], sizeof(int64_t) * (size_t)v->out_rank[i]) == 0);
            }
            if (ways[k].factor > 0) check_same(&w, v, ways[k].factor);
            if (check_failed()) printf("     in way %d of ops_run.h\n", (int)ways[k].how);
        }
        ops_free(&w, false);
    }
}

/* The reference sums in double too: what differs is the order. */
static void reference(const ops_values *v) {
    if (!op->reference) return;
    ops_values w = like(v);
    if (CHECK_OK(evaluate(OPS_REFERENCE, &w)))
        for (int k = 0; k < v->results; k++) CHECK_DOUBLES(v->out[k], w.out[k], v->out_n[k], 1e-11, 1e-12);
    ops_free(&w, false);
}

/* ---- gradients ---- */

/* sum of weight * result; *size = sum of its absolute terms. */
static bool objective(ops_values *v, double *value, double *size) {
    bool ok = CHECK_OK(evaluate(OPS_FORWARD, v));
    *value = *size = 0;
    for (int k = 0; ok && k < v->results; k++)
        for (int64_t i = 0; v->out_real[k] && i < v->out_n[k]; i++) {
            *value += v->weight[k][i] * v->out[k][i];
            *size += fabs(v->weight[k][i] * v->out[k][i]);
        }
    ops_free(v, false);
    return ok;
}

/* Derivative along `step` of input i, by central differences with h = 1e-6 of the inputs' size: the cut-off error is of the order
 * h^2 f''' = 1e-12, rounding gives eps * sum |terms| / h = 1e-10 * sum |terms|; the bound allows for a few of both. */
static void compare(const ops_values *v, int i, const double *step, int64_t shown) {
    ops_values w = like(v);
    double *moved = lb_alloc((size_t)v->in_n[i] + 1, sizeof(double)), slope = 0, plus, minus, size, h = 1e-6, scale = 0;
    if (!CHECK(moved)) return;
    for (int64_t k = 0; k < v->in_n[i]; k++) {
        slope += v->grad[i][k] * step[k];
        scale += fabs(v->grad[i][k] * step[k]);
    }
    w.in[i] = moved;
    for (int64_t k = 0; k < v->in_n[i]; k++) moved[k] = v->in[i][k] + h * step[k];
    bool ok = objective(&w, &plus, &size);
    for (int64_t k = 0; k < v->in_n[i]; k++) moved[k] = v->in[i][k] - h * step[k];
    ok = ok && objective(&w, &minus, &size);
    if (ok && !CHECK_NEAR(slope, (plus - minus) / (2 * h), 1e-7 * scale + 2e-9 * size + 1e-9))
        printf("     gradient of input %d, element %lld (-1 = a direction)\n", i, (long long)shown);
    lb_free(moved);
}

static void gradient(const ops_values *v, int i) {
    int64_t n = v->in_n[i];
    double *step = lb_calloc((size_t)n + 1, sizeof *step);
    if (!CHECK(step)) return;
    for (int64_t k = 0; n <= SMALL && k < n && !check_failed(); k++) {
        step[k] = fmax(1, fabs(v->in[i][k]));
        compare(v, i, step, k);
        step[k] = 0;
    }
    lb_rng g = lb_rng_of(11, (uint64_t)i, op->id);
    /* Ops with kinks: few elements move, so that none is likely to cross one. */
    double share = (op->flags & LB_OP_NONSMOOTH) ? fmin(1, 64 / (double)(n > 0 ? n : 1)) : 1;
    for (int round = 0; n > SMALL && round < 3; round++) {
        for (int64_t k = 0; k < n; k++) step[k] = lb_rng_uniform(&g) < share ? 2 * lb_rng_uniform(&g) - 1 : 0;
        compare(v, i, step, -1);
    }
    lb_free(step);
}

static void gradients(const ops_values *v) {
    if (!op->backward || (op->flags & LB_OP_ESTIMATE)) return;
    for (int i = 0; i < v->nin; i++) {
        if (!v->real[i] || v->in_rank[i] < 0) continue;
        if (v->grad[i]) gradient(v, i);
    }
}

/* ---- memory ---- */

/* Each allocation of the run is refused once: it ends with a message or gets by without, and leaves nothing behind. */
static void refused(const ops_values *v) {
    for (int i = 0; i < v->nin; i++)
        if (v->in_n[i] > 200) return;
    int64_t live = lb_alloc_live(), calls = 0;
    for (int64_t n = 0; n <= calls && n < 400; n++) {
        ops_values w = like(v);
        lb_error_clear();
        lb_alloc_fail_at(n);
        lb_status st = evaluate(OPS_COPIES, &w);
        if (n == 0) calls = lb_alloc_calls();
        lb_alloc_fail_at(0);
        ops_free(&w, false);
        if (st != LB_OK && !CHECK(lb_error_text()[0])) printf("     no message, allocation %lld\n", (long long)n);
        if (n > 0 && st != LB_OK) CHECK_INT(st, LB_E_NOMEM);
        if (!CHECK_INT(lb_alloc_live(), live)) printf("     left behind after allocation %lld\n", (long long)n);
    }
}

static void one_case(void) {
    ops_values v = {0};
    if (CHECK_OK(evaluate(OPS_DIRECT, &v))) {
        reference(&v);
        other_ways(&v);
        gradients(&v);
        if (!check_failed()) refused(&v);
    }
    ops_free(&v, true);
}

static void descriptors(void) {
    for (int i = 0; i < lb_ops.count; i++) {
        const lb_op *o = (const lb_op *)lb_ops.members[i];
        if (!check_wanted(o->id)) continue;
        check_begin("%s/descriptor", o->id);
        CHECK(o->title && o->sig && o->math && o->source);
        CHECK(!o->backward == (o->no_grad != NULL));
        CHECK(o->case_count > 0);
        CHECK(o->forward || (o->flags & LB_OP_VIEW));
        for (int k = 0; k < o->case_count; k++) CHECK(!o->cases[k].params || o->params_size > 0);
        check_end();
    }
}

static void cases(void) {
    for (int i = 0; i < lb_ops.count; i++) {
        op = (const lb_op *)lb_ops.members[i];
        if (!check_wanted(op->id)) continue;
        for (number = 0; number < op->case_count; number++) {
            check_begin("%s/%s", op->id, op->cases[number].name);
            one_case();
            check_end();
        }
    }
}

/* ---- values that another program computed: tests/data/ops, made by make.py and its like beside them ---- */

enum { RECORDED = 200 }; /* inputs of up to so many elements are recorded */

static bool is_recorded(const ops_values *v) {
    for (int i = 0; i < v->nin; i++)
        if (v->in_rank[i] >= 0 && v->in_n[i] > RECORDED) return false;
    for (int k = 0; k < v->results; k++)
        if (v->out_n[k] > RECORDED) return false;
    return true;
}

static lb_value *list_of(const double *x, int64_t n) {
    lb_value *list = lb_value_list();
    for (int64_t i = 0; i < n; i++) lb_list_real(list, x[i]);
    return list;
}

static void dump_case(lb_value *to, ops_values *v) {
    lb_value *entry = lb_value_map(), *in = lb_value_list(), *weights = lb_value_list();
    lb_map_text(entry, "op", op->id);
    lb_map_text(entry, "case", op->cases[number].name);
    for (int i = 0; i < v->nin; i++) {
        lb_value *one = lb_value_map(), *shape = lb_value_list();
        for (int k = 0; k < v->in_rank[i]; k++) lb_list_int(shape, v->in_shape[i][k]);
        lb_map_bool(one, "absent", v->in_rank[i] < 0);
        lb_map_bool(one, "real", v->real[i]);
        lb_map_put(one, "shape", shape);
        lb_map_put(one, "data", list_of(v->in[i], v->in_rank[i] < 0 ? 0 : v->in_n[i]));
        lb_list_put(in, one);
    }
    for (int k = 0; k < v->results; k++) lb_list_put(weights, list_of(v->weight[k], v->weight[k] ? v->out_n[k] : 0));
    lb_map_put(entry, "in", in);
    lb_map_put(entry, "weight", weights);
    lb_list_put(to, entry);
}

/* LB_OPS_DUMP=FILE: writes the inputs for make.py. */
static void dump(const char *path) {
    lb_value *all = lb_value_list();
    lb_buf text = {0};
    for (int i = 0; i < lb_ops.count; i++) {
        op = (const lb_op *)lb_ops.members[i];
        if (!check_wanted(op->id)) continue;
        for (number = 0; number < op->case_count; number++) {
            ops_values v = {0};
            if (CHECK_OK(evaluate(OPS_DIRECT, &v)) && is_recorded(&v)) dump_case(all, &v);
            ops_free(&v, true);
        }
    }
    CHECK_OK(lb_json_write(&text, all, 0));
    CHECK_OK(lb_file_write(path, text.data, text.size));
    lb_value_free(all);
    lb_buf_free(&text);
}

static double *numbers(const lb_value *list) {
    double *x = lb_alloc((size_t)list->count + 1, sizeof *x);
    for (int64_t i = 0; x && i < list->count; i++)
        x[i] = list->items[i]->kind == LB_V_INT ? (double)list->items[i]->integer : list->items[i]->real;
    return x;
}

/* Both sides compute in double: what differs is the order of sums and the last bits of exp, erf and the like. */
static void against(const double *got, const lb_value *want, int64_t n) {
    if (!want || want->kind != LB_V_LIST) return;
    double *x = numbers(want);
    if (CHECK(got && x) && CHECK_INT(want->count, n)) CHECK_DOUBLES(got, x, n, 1e-11, 1e-13);
    lb_free(x);
}

static void recorded_case(const lb_value *entry) {
    const lb_value *in = lb_get(entry, "in"), *weight = lb_get(entry, "weight"), *out = lb_get(entry, "out"), *grad = lb_get(entry, "grad");
    ops_values v = {0};
    for (int64_t i = 0; i < in->count && i < OPS_IN; i++)
        if (!lb_get_bool(in->items[i], "absent", false)) v.in[i] = numbers(lb_get(in->items[i], "data"));
    for (int64_t k = 0; k < weight->count && k < OPS_OUT; k++)
        if (weight->items[k]->count > 0) v.weight[k] = numbers(weight->items[k]);
    if (CHECK_OK(evaluate(OPS_DIRECT, &v))) {
        for (int k = 0; k < v.results; k++) against(v.out[k], out->items[k], v.out_n[k]);
        for (int i = 0; i < v.nin; i++)
            if (v.grad[i]) against(v.grad[i], grad->items[i], v.in_n[i]);
    }
    ops_free(&v, true);
}

static void recorded_file(const char *name) {
    lb_value *all = NULL;
    if (!CHECK_OK(lb_json_read(&all, check_data(name)))) return;
    for (int64_t e = 0; e < all->count; e++) {
        const char *id = lb_get_text(all->items[e], "op", ""), *kind = lb_get_text(all->items[e], "case", "");
        op = (const lb_op *)lb_family_at(&lb_ops, id);
        if (!check_wanted(id)) continue;
        check_begin("recorded/%s/%s", id, kind);
        for (number = 0; op && number < op->case_count && strcmp(op->cases[number].name, kind) != 0;) number++;
        if (CHECK(op && number < op->case_count)) recorded_case(all->items[e]);
        check_end();
    }
    lb_value_free(all);
}

/* That every op has values from outside is asked by tests/torch_test.c. */
static void recorded(void) {
    if (getenv("LB_OPS_DUMP")) dump(getenv("LB_OPS_DUMP"));
    recorded_file("ops/expected.json");
    recorded_file("ops/objectives.json");
    recorded_file("ops/sequence.json");
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "ops", (check_test[]){{"descriptors", descriptors}, {"cases", cases}, {"recorded", recorded}, {0}});
}
