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
    return check_main(argc, argv, "ops32", (check_test[]){{"functions", functions}, {"cases", cases}, {0}});
}
