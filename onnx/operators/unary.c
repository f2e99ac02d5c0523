/* SPDX-License-Identifier: Apache-2.0 */
/* One number to one number. f32 by an op where there is one; other types in double, whole numbers in 64 bits. */
#include <math.h>
#include "onnx/operator.h"
#include "tensor/ops.h"

typedef struct unary {
    lb_tensor *(*op)(lb_tape *t, lb_tensor *x);
    double (*real)(double x);
    int64_t (*whole)(int64_t x); /* NULL: not for whole numbers */
} unary;

static double sign(double x) { return x > 0 ? 1 : x < 0 ? -1 : x; }
static double reciprocal(double x) { return 1 / x; }
static double negative(double x) { return -x; }
static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double relu(double x) { return x > 0 || x != x ? x : 0; }
static double softplus(double x) { return x > 30 ? x : log1p(exp(x)); }
static double softsign(double x) { return x / (1 + fabs(x)); }
static double hardswish(double x) { return x * fmin(1, fmax(0, x / 6 + 0.5)); }
static double mish(double x) { return x * tanh(softplus(x)); }
static int64_t whole_sign(int64_t x) { return (x > 0) - (x < 0); }
static int64_t whole_abs(int64_t x) { return x < 0 ? (int64_t)(0 - (uint64_t)x) : x; }
static int64_t whole_negative(int64_t x) { return (int64_t)(0 - (uint64_t)x); }
static int64_t whole_relu(int64_t x) { return x > 0 ? x : 0; }
static int64_t same(int64_t x) { return x; }

static bool is_unsigned(lb_dtype d) { return d == LB_U8 || d == LB_U16 || d == LB_U32 || d == LB_U64; }

static void run(onnx_call *c) {
    const unary *how = c->node->def->how;
    lb_tensor *x = onnx_need(c, 0);
    if (!onnx_ok(c)) return;
    if (x->dtype == LB_F32 && how->op) {
        onnx_put(c, 0, how->op(c->tape, x));
        return;
    }
    bool real = onnx_is_float(x->dtype);
    if (!real && !how->whole) {
        onnx_fail(c, LB_E_UNSUPPORTED, "numbers of type %s", lb_dtype_name(x->dtype));
        return;
    }
    if (!real && is_unsigned(x->dtype) && how->whole == whole_abs) {
        onnx_put(c, 0, x);
        return;
    }
    lb_dtype dtype = x->dtype;
    lb_tensor *wide = onnx_as(c, x, real ? LB_F64 : LB_I64), *y = onnx_scratch(c, real ? LB_F64 : LB_I64, x->rank, x->shape);
    for (int64_t i = 0, n = y->data && wide->data ? lb_numel(y) : 0; i < n; i++) {
        if (real) ((double *)y->data)[i] = how->real(((const double *)wide->data)[i]);
        else ((int64_t *)y->data)[i] = how->whole(((const int64_t *)wide->data)[i]);
    }
    onnx_put(c, 0, onnx_as(c, y, dtype));
}

/* ---- questions ---- */

static void is_nan(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0), *y = onnx_make(c, 0, LB_BOOL, x->rank, x->shape), *wide = onnx_as(c, x, LB_F64);
    for (int64_t i = 0, n = y->data && wide->data ? lb_numel(y) : 0; i < n; i++) ((bool *)y->data)[i] = isnan(((const double *)wide->data)[i]);
}

static void is_inf(onnx_call *c) {
    bool up = onnx_int(c, "detect_positive", 1), down = onnx_int(c, "detect_negative", 1);
    lb_tensor *x = onnx_need(c, 0), *y = onnx_make(c, 0, LB_BOOL, x->rank, x->shape), *wide = onnx_as(c, x, LB_F64);
    for (int64_t i = 0, n = y->data && wide->data ? lb_numel(y) : 0; i < n; i++) {
        double v = ((const double *)wide->data)[i];
        ((uint8_t *)y->data)[i] = isinf(v) && (v > 0 ? up : down);
    }
}

static void not(onnx_call *c) {
    lb_tensor *x = onnx_as(c, onnx_need(c, 0), LB_BOOL), *y = onnx_make(c, 0, LB_BOOL, x->rank, x->shape);
    for (int64_t i = 0, n = y->data && x->data ? lb_numel(y) : 0; i < n; i++) ((uint8_t *)y->data)[i] = !((const uint8_t *)x->data)[i];
}

static void bitwise_not(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0), *wide = onnx_as(c, x, LB_I64), *y = onnx_scratch(c, LB_I64, x->rank, x->shape);
    if (onnx_ok(c) && onnx_is_float(x->dtype)) onnx_fail(c, LB_E_UNSUPPORTED, "numbers of type %s", lb_dtype_name(x->dtype));
    for (int64_t i = 0, n = onnx_ok(c) && y->data && wide->data ? lb_numel(y) : 0; i < n; i++) ((int64_t *)y->data)[i] = ~((const int64_t *)wide->data)[i];
    if (onnx_ok(c)) onnx_put(c, 0, onnx_as(c, y, x->dtype));
}

/* Float numbers come whole from lb_convert (halves to the nearest even); whole numbers are cut as C does. */
static void to_type(onnx_call *c, lb_dtype type) {
    lb_tensor *x = onnx_need(c, 0);
    if (onnx_ok(c)) onnx_put(c, 0, x->dtype == type ? x : onnx_as(c, x, type));
}

static void cast(onnx_call *c) {
    lb_dtype type;
    if (onnx_type(&type, onnx_int(c, "to", 0)) != LB_OK) lb_tape_fail_status(c->tape, LB_E_UNSUPPORTED);
    else to_type(c, type);
}

static void cast_like(onnx_call *c) { to_type(c, onnx_need(c, 1)->dtype); }
static void identity(onnx_call *c) { onnx_put(c, 0, onnx_need(c, 0)); }

#define UNARY(name, op_, real_, whole_) {#name, run, 0, NULL, &(const unary){op_, real_, whole_}}
static const onnx_operator operators[] = {
    UNARY(Abs, lb_abs, fabs, whole_abs),
    UNARY(Acos, lb_acos, acos, NULL),
    UNARY(Acosh, NULL, acosh, NULL),
    UNARY(Asin, lb_asin, asin, NULL),
    UNARY(Asinh, NULL, asinh, NULL),
    UNARY(Atan, lb_atan, atan, NULL),
    UNARY(Atanh, NULL, atanh, NULL),
    {"BitwiseNot", bitwise_not},
    {"Cast", cast, 0, "texts"},
    {"CastLike", cast_like, 0, "texts"},
    UNARY(Ceil, lb_ceil, ceil, same),
    UNARY(Cos, lb_cos, cos, NULL),
    UNARY(Cosh, lb_cosh, cosh, NULL),
    UNARY(Erf, lb_erf, erf, NULL),
    UNARY(Exp, lb_exp, exp, NULL),
    UNARY(Floor, lb_floor, floor, same),
    UNARY(HardSwish, lb_hardswish, hardswish, NULL),
    {"Identity", identity},
    {"IsInf", is_inf},
    {"IsNaN", is_nan},
    UNARY(Log, lb_log, log, NULL),
    UNARY(Mish, lb_mish, mish, NULL),
    UNARY(Neg, lb_neg, negative, whole_negative),
    {"Not", not},
    UNARY(Reciprocal, lb_reciprocal, reciprocal, NULL),
    UNARY(Relu, lb_relu, relu, whole_relu),
    UNARY(Round, lb_round, rint, same),
    UNARY(Sigmoid, lb_sigmoid, sigmoid, NULL),
    UNARY(Sign, lb_sign, sign, whole_sign),
    UNARY(Sin, lb_sin, sin, NULL),
    UNARY(Sinh, lb_sinh, sinh, NULL),
    UNARY(Softplus, lb_softplus, softplus, NULL),
    UNARY(Softsign, lb_softsign, softsign, NULL),
    UNARY(Sqrt, lb_sqrt, sqrt, NULL),
    UNARY(Tan, lb_tan, tan, NULL),
    UNARY(Tanh, lb_tanh, tanh, NULL),
    {0},
};

ONNX_GROUP(unary) = {.id = "unary", .title = "one number to one number", .source = "github.com/onnx/onnx docs/Operators.md", .operators = operators};
