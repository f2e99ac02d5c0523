/* SPDX-License-Identifier: Apache-2.0 */
/* Every op of the table in float, as the product computes it, against the same case in double: results and gradients, from plain
 * and from strided inputs. The suites ops32 and ops32-ref differ in LB_CPU, which chooses the kernels. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "check.h"
#include "tensor/kernels/maths.h"
#include "tensor/op.h"
#include "tests/ops_run.h"

/* Root of the mean square. */
static double rms(const double *x, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += isfinite(x[i]) ? x[i] * x[i] : 0;
    return n > 0 ? sqrt(sum / (double)n) : 0;
}

/* Inputs are equal floats, so what differs is rounding on the way: each step errs by an epsilon of its value, sums of k terms by
 * about sqrt(k) of them, and terms may cancel; 64 epsilons of the value or of the typical value cover the sums of a few hundred
 * terms that the cases have. Where terms of the inputs' size cancel to much less (1 + tanh u far on the left), an epsilon of the
 * inputs' size remains. */
static void against(const double *got, const double *want, int64_t n, double inputs) {
    CHECK_DOUBLES(got, want, n, 64 * (double)FLT_EPSILON, (double)FLT_EPSILON * inputs);
}

static void compare(const ops_values *a, const ops_values *b) {
    double inputs = 0;
    for (int i = 0; i < a->nin; i++)
        if (a->real[i] && a->in_rank[i] >= 0) inputs = fmax(inputs, rms(a->in[i], a->in_n[i]));
    for (int k = 0; k < a->results; k++)
        if (CHECK_INT(a->out_n[k], b->out_n[k])) against(a->out[k], b->out[k], a->out_n[k], inputs);
    for (int i = 0; i < a->nin; i++) {
        if (!CHECK(!a->grad[i] == !b->grad[i]) || !a->grad[i]) continue;
        int before = check_failed();
        against(a->grad[i], b->grad[i], a->in_n[i], inputs);
        if (!before && check_failed()) printf("     gradient of input %d\n", i);
    }
}

static void one_case(const char *op, int number) {
    static const ops_how ways[] = {OPS_COPIES, OPS_STRIDED};
    ops_values right = {0};
    ops_values v = {0};
    /* The float side draws and mends, so that both get what float can hold. */
    lb_status st = ops_evaluate_f32(op, number, OPS_FORWARD, &v);
    ops_free(&v, false);
    right = v;
    if (CHECK_OK(st) && CHECK_OK(ops_evaluate_f64(op, number, OPS_DIRECT, &right))) {
        memcpy(v.weight, right.weight, sizeof v.weight);
        for (size_t k = 0; k < LB_COUNT(ways); k++) {
            if (CHECK_OK(ops_evaluate_f32(op, number, ways[k], &v))) compare(&v, &right);
            ops_free(&v, false);
        }
    }
    ops_free(&right, true);
}

static void cases(void) {
    for (int i = 0; i < lb_ops.count; i++) {
        const lb_op *op = (const lb_op *)lb_ops.members[i];
        if (!check_wanted(op->id)) continue;
        for (int number = 0; number < op->case_count; number++) {
            check_begin("%s/%s", op->id, op->cases[number].name);
            one_case(op->id, number);
            check_end();
        }
    }
}

/* ---- NaN and infinities: the rules atop tensor/ops.h ---- */

/* Of ops, or of their cases. NaN may reach results beside those that the formula says, since products run over zeros, tiles or chunks: results alone are compared. */
static const char *const spreads[] = {"attention", "attention_map", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
                                      "grid_sample", "inverted_residual", "solve", "triangular_solve", NULL};
/* Infinities may have the limit of the formula; what decays may be forgotten: not compared. */
static const char *const limits[] = {"gelu", "ssd", NULL};
/* NaN may be in none of the results: of comparisons, counts, places and choices, of what is not picked, hidden or labelled, of constants. */
static const char *const passes_over[] = {
    "adaptive_argmax_pool", "all", "any", "argmax", "argmax_pool", "argmin", "argsort", "attention", "attention_map", "causal_conv1d/no steps", "conv3d/strided, dilated, two groups", "conv3d/slices, strided, two groups", "count_nonzero", "cross_entropy",
    "diagonal/plane", "eq", "fold/padded, dilated", "gather", "ge", "grid_sample", "grouped_linear", "gru/no steps", "gt", "hinge_embedding", "histogram", "index_select", "isinf", "isnan",
    "le", "logical_and", "logical_not", "logical_or", "logical_xor", "lstm/no steps", "lt", "masked_fill", "masked_scatter", "mode", "nan_to_num", "ne", "nearest_rows", "nms", "nonzero",
    "pad", "pow_scalar/none", "prelu", "resize", "rkd_angle/one row", "roi_align", "roi_pool", "scatter", "searchsorted", "select", "selective_scan/no steps", "siglip/no pairs", "sign", "slice",
    "ssd/no steps", "straight_through", "topk", "triangular_solve/upper transposed", "triu", NULL};

static bool is_named(const char *const *list, const lb_op *op, int number) {
    char one[160];
    snprintf(one, sizeof one, "%s/%s", op->id, op->cases[number].name);
    for (; *list; list++)
        if (strcmp(*list, op->id) == 0 || strcmp(*list, one) == 0) return true;
    return false;
}

/* Where a result is right to be NaN though `want` is not: infinities may meet in a kernel, and NaN may spread. */
static void allow(const double *got, double *want, int64_t n, bool anywhere) {
    for (int64_t i = 0; i < n; i++)
        if (isnan(got[i]) && (anywhere || isinf(want[i]))) want[i] = got[i];
}

static void compare_strange(ops_values *v, ops_values *right, ops_values *plain, bool anywhere) {
    for (int k = 0; k < v->results; k++) {
        double *want = plain->out[k] ? plain->out[k] : right->out[k];
        allow(v->out[k], want, v->out_n[k], anywhere);
        if (want != right->out[k] && v->out_n[k] > 0) memcpy(right->out[k], want, sizeof(double) * (size_t)v->out_n[k]);
    }
    for (int i = 0; i < v->nin; i++) {
        if (v->grad[i] && right->grad[i]) allow(v->grad[i], right->grad[i], v->in_n[i], false);
        if (!anywhere) continue;
        lb_free(v->grad[i]);
        lb_free(right->grad[i]);
        v->grad[i] = right->grad[i] = NULL;
    }
    compare(v, right);
}

static bool none_is_nan(const ops_values *v) {
    int64_t all = 0;
    for (int k = 0; k < v->results; k++)
        for (int64_t i = 0; i < v->out_n[k]; i++, all++)
            if (isnan(v->out[k][i])) return false;
    return all > 0;
}

/* One element of one input is not finite. */
static void one_strange(const lb_op *op, int number, ops_values *v, int i, double strange) {
    double *at = &v->in[i][v->in_n[i] / 2], kept = *at;
    *at = strange;
    ops_values right = *v, plain = *v;
    lb_status st = ops_evaluate_f64(op->id, number, OPS_DIRECT, &right);
    memcpy(v->weight, right.weight, sizeof v->weight);
    if (op->reference && st == LB_OK) CHECK_OK(ops_evaluate_f64(op->id, number, OPS_REFERENCE, &plain));
    if (CHECK_INT(ops_evaluate_f32(op->id, number, OPS_DIRECT, v), st) && st == LB_OK) {
        if (!is_named(limits, op, number)) compare_strange(v, &right, &plain, is_named(spreads, op, number));
        if (isnan(strange) && !is_named(passes_over, op, number)) CHECK(!none_is_nan(v));
    } else {
        CHECK(st == LB_E_NUMERIC || st == LB_E_ARG);
    }
    if (check_failed()) printf("     %g in input %d\n", strange, i);
    lb_error_clear();
    *at = kept;
    ops_free(v, false);
    ops_free(&right, false);
    ops_free(&plain, false);
}

enum { FEW = 4 }; /* of more inputs one in each case */

static void strange(void) {
    for (int i = 0; i < lb_ops.count; i++) {
        const lb_op *op = (const lb_op *)lb_ops.members[i];
        if (!check_wanted(op->id)) continue;
        for (int number = 0; number < op->case_count; number++) {
            check_begin("%s/%s, not finite", op->id, op->cases[number].name);
            ops_values v = {0};
            lb_status st = ops_evaluate_f32(op->id, number, OPS_FORWARD, &v);
            ops_free(&v, false);
            for (int k = 0; CHECK_OK(st) && k < v.nin; k++) {
                if (!v.real[k] || v.in_rank[k] < 0 || v.in_n[k] == 0 || (v.nin > FEW && k != number % v.nin)) continue;
                one_strange(op, number, &v, k, NAN);
                one_strange(op, number, &v, k, number % 2 ? INFINITY : -INFINITY);
            }
            ops_free(&v, true);
            check_end();
        }
    }
}

/* ---- functions of one number, against the C library in double, in units in the last place of the float result ---- */

static double worst(float (*f)(float), double (*right)(double), double lo, double hi, bool by_exponent) {
    double most = 0;
    for (int i = 0; i <= 200000 && most < 1e6; i++) {
        double at = lo + (hi - lo) * i / 200000;
        float x = (float)(by_exponent ? exp(at) : at);
        double want = right((double)x), got = (double)f(x), unit = fabs((double)(float)want) * (double)FLT_EPSILON;
        most = fmax(most, fabs(got - want) / fmax(unit, (double)FLT_MIN));
    }
    return most;
}

static void functions(void) {
    /* Bounds are what the headers promise; an epsilon is one to two units. */
    CHECK_NEAR(worst(lbi_exp, exp, -87, 88.7, false), 0, 2);
    CHECK_NEAR(worst(lbi_exp_low, exp, -87, 1, false), 0, 2);
    CHECK_NEAR(worst(lbi_tanh, tanh, -10, 10, false), 0, 2);
    CHECK_NEAR(worst(lbi_tanh, tanh, -60, -1, true), 0, 2);
    CHECK_NEAR(worst(lbi_erf, erf, -5, 5, false), 0, 8);
    CHECK_NEAR(worst(lbi_erf, erf, -60, -1, true), 0, 8);
    CHECK_NEAR(worst(lbi_log, log, -87, 88, true), 0, 2);
    CHECK_NEAR(worst(lbi_log1p, log1p, -60, 80, true), 0, 3);
    CHECK_NEAR(worst(lbi_log1p, log1p, -0.9, 1, false), 0, 3);
    CHECK_NEAR(worst(lbi_log1p_low, log1p, 0, 1, false), 0, 3);
    CHECK_NEAR(worst(lbi_log1p_low, log1p, -60, 0, true), 0, 3);
    CHECK(lbi_exp(-INFINITY) == 0 && isinf(lbi_exp(INFINITY)) && isnan(lbi_exp(NAN)) && lbi_exp(0) == 1);
    CHECK(lbi_exp_low(-INFINITY) == 0 && lbi_exp_low(-88) == 0 && isnan(lbi_exp_low(NAN)) && lbi_exp_low(0) == 1);
    CHECK(lbi_tanh(INFINITY) == 1 && lbi_tanh(-INFINITY) == -1 && isnan(lbi_tanh(NAN)));
    CHECK(lbi_erf(INFINITY) == 1 && lbi_erf(-INFINITY) == -1 && isnan(lbi_erf(NAN)));
    CHECK(lbi_log(0) == -INFINITY && isnan(lbi_log(-1)) && isinf(lbi_log(INFINITY)) && isnan(lbi_log(NAN)) && lbi_log(1) == 0);
    CHECK(lbi_log1p(0) == 0 && isinf(lbi_log1p(INFINITY)) && isnan(lbi_log1p(NAN)));
    CHECK_NEAR((double)lbi_log(1e-42f), log((double)1e-42f), 1e-5); /* below FLT_MIN */
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "ops32", (check_test[]){{"functions", functions}, {"cases", cases}, {"strange", strange}, {0}});
}
