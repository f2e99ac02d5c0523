/* SPDX-License-Identifier: Apache-2.0 */
/* Two numbers (or many, one after another) to one, repeated to a common shape; comparisons and logic. f32 by an op where there is one, other types
 * in double or 64 bits. */
#include <math.h>
#include "onnx/operator.h"
#include "tensor/ops.h"

typedef struct binary {
    lb_tensor *(*op)(lb_tape *t, lb_tensor *a, lb_tensor *b);
    double (*real)(double a, double b);
    int64_t (*whole)(int64_t a, int64_t b);
    uint64_t (*natural)(uint64_t a, uint64_t b); /* unsigned numbers; NULL: as whole */
} binary;

static double add(double a, double b) { return a + b; }
static double sub(double a, double b) { return a - b; }
static double mul(double a, double b) { return a * b; }
static double div_real(double a, double b) { return a / b; }
static double larger(double a, double b) { return a != a || a > b ? a : b; }
static double smaller(double a, double b) { return a != a || a < b ? a : b; }
static int64_t whole_add(int64_t a, int64_t b) { return (int64_t)((uint64_t)a + (uint64_t)b); }
static int64_t whole_sub(int64_t a, int64_t b) { return (int64_t)((uint64_t)a - (uint64_t)b); }
static int64_t whole_mul(int64_t a, int64_t b) { return (int64_t)((uint64_t)a * (uint64_t)b); }
static int64_t whole_div(int64_t a, int64_t b) { return b == 0 ? 0 : b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b; }
static int64_t whole_larger(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t whole_smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static uint64_t natural_div(uint64_t a, uint64_t b) { return b ? a / b : 0; }
static uint64_t natural_larger(uint64_t a, uint64_t b) { return a > b ? a : b; }
static uint64_t natural_smaller(uint64_t a, uint64_t b) { return a < b ? a : b; }
static int64_t whole_pow(int64_t a, int64_t b) { return (int64_t)llrint(pow((double)a, (double)b)); }
/* The sign of the divisor, as Python has it; and that of the dividend, as C has it. */
static double mod_real(double a, double b) {
    double r = fmod(a, b);
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
static int64_t whole_fmod(int64_t a, int64_t b) { return b == 0 || b == -1 ? 0 : a % b; }
static int64_t whole_mod(int64_t a, int64_t b) {
    int64_t r = whole_fmod(a, b);
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
static uint64_t natural_mod(uint64_t a, uint64_t b) { return b ? a % b : 0; }

static int64_t bits_and(int64_t a, int64_t b) { return a & b; }
static int64_t bits_or(int64_t a, int64_t b) { return a | b; }
static int64_t bits_xor(int64_t a, int64_t b) { return a ^ b; }

static bool is_unsigned(lb_dtype d) { return d == LB_U8 || d == LB_U16 || d == LB_U32 || d == LB_U64; }

static lb_tensor *apply(onnx_call *c, const binary *how, lb_tensor *a, lb_tensor *b) {
    int rank;
    int64_t shape[LB_MAX_RANK];
    if (!onnx_ok(c) || !onnx_broadcast(c, a, b, &rank, shape)) return lb_inert(c->tape);
    lb_dtype dtype = a->dtype;
    bool real = onnx_is_float(dtype);
    if (dtype == LB_F32 && b->dtype == LB_F32 && how->op) return how->op(c->tape, a, b);
    lb_dtype wide = real ? LB_F64 : LB_I64;
    bool natural = is_unsigned(dtype) && how->natural;
    lb_tensor *x = onnx_spread(c, a, wide, rank, shape), *z = onnx_spread(c, b, wide, rank, shape), *y = onnx_scratch(c, wide, rank, shape);
    if (real ? !how->real : !how->whole) return onnx_fail(c, LB_E_UNSUPPORTED, "numbers of type %s", lb_dtype_name(dtype));
    for (int64_t i = 0, n = onnx_ok(c) && y->data && x->data && z->data ? lb_numel(y) : 0; i < n; i++) {
        if (real) ((double *)y->data)[i] = how->real(((const double *)x->data)[i], ((const double *)z->data)[i]);
        else if (natural) ((uint64_t *)y->data)[i] = how->natural(((const uint64_t *)x->data)[i], ((const uint64_t *)z->data)[i]);
        else ((int64_t *)y->data)[i] = how->whole(((const int64_t *)x->data)[i], ((const int64_t *)z->data)[i]);
    }
    return onnx_as(c, y, dtype);
}

/* Before set 7 the second is repeated only when asked for, from an axis that may be given. */
static lb_tensor *old_second(onnx_call *c, lb_tensor *a, lb_tensor *b) {
    int64_t axis = onnx_int(c, "axis", -1), shape[LB_MAX_RANK];
    if (c->opset >= 7 || !onnx_int(c, "broadcast", 0) || axis < 0 || axis + b->rank >= a->rank) return b;
    int rank = a->rank - (int)axis;
    for (int d = 0; d < rank; d++) shape[d] = d < b->rank ? b->shape[d] : 1;
    return lb_reshape(c->tape, b, rank, shape);
}

static void two(onnx_call *c) {
    lb_tensor *a = onnx_need(c, 0), *b = onnx_need(c, 1);
    if (!onnx_ok(c)) return;
    lb_tensor *y = apply(c, c->node->def->how, a, old_second(c, a, b));
    onnx_put(c, 0, c->node->act && onnx_ok(c) ? onnx_act(c, y, c->node->act) : y);
}

static void many(onnx_call *c) {
    lb_tensor *y = onnx_need(c, 0);
    for (int i = 1; i < c->nin && onnx_ok(c); i++) y = apply(c, c->node->def->how, y, onnx_need(c, i));
    onnx_put(c, 0, y);
}

static void mean(onnx_call *c) {
    many(c);
    if (onnx_ok(c)) onnx_put(c, 0, lb_scale(c->tape, c->out[0], 1.0 / c->nin));
}

static const binary power = {lb_pow, pow, whole_pow, NULL};

/* The exponent may be of another type. */
static void run_pow(onnx_call *c) {
    lb_tensor *a = onnx_need(c, 0), *b = onnx_need(c, 1);
    if (!onnx_ok(c)) return;
    if (a->dtype == LB_F32 && b->data && lb_numel(b) == 1 && b->rank <= a->rank) {
        double e = lb_get_at(b, 0);
        onnx_put(c, 0, e == 2 ? lb_square(c->tape, a) : e == 0.5 ? lb_sqrt(c->tape, a) : lb_pow_scalar(c->tape, a, e));
        return;
    }
    if (!onnx_is_float(a->dtype) && onnx_is_float(b->dtype)) { /* computed in double, cut to the type of the base */
        lb_dtype dtype = a->dtype;
        onnx_put(c, 0, onnx_as(c, apply(c, &power, onnx_as(c, a, LB_F64), b), dtype));
        return;
    }
    onnx_put(c, 0, apply(c, &power, a, a->dtype == b->dtype ? b : onnx_as(c, b, a->dtype)));
}

static const binary mod = {NULL, mod_real, whole_mod, natural_mod}, fmod_like = {NULL, fmod, whole_fmod, natural_mod};
static void run_mod(onnx_call *c) { onnx_put(c, 0, apply(c, onnx_int(c, "fmod", 0) ? &fmod_like : &mod, onnx_need(c, 0), onnx_need(c, 1))); }

static void bit_shift(onnx_call *c) {
    bool left = onnx_is(onnx_word(c, "direction", ""), "LEFT");
    lb_tensor *a = onnx_need(c, 0), *b = onnx_need(c, 1);
    int rank;
    int64_t shape[LB_MAX_RANK];
    if (!onnx_ok(c) || !onnx_broadcast(c, a, b, &rank, shape)) return;
    lb_dtype dtype = a->dtype;
    lb_tensor *x = onnx_spread(c, a, LB_U64, rank, shape), *z = onnx_spread(c, b, LB_U64, rank, shape), *y = onnx_scratch(c, LB_U64, rank, shape);
    for (int64_t i = 0, n = onnx_ok(c) && y->data && x->data && z->data ? lb_numel(y) : 0; i < n; i++) {
        uint64_t v = ((const uint64_t *)x->data)[i], s = ((const uint64_t *)z->data)[i];
        ((uint64_t *)y->data)[i] = s > 63 ? 0 : left ? v << s : v >> s;
    }
    onnx_put(c, 0, onnx_as(c, y, dtype));
}

/* ---- comparisons and logic ---- */

enum { EQUAL = 1, LESS = 2, GREATER = 4, AND, OR, XOR };

static bool compare(int what, int order) { return (what & EQUAL && order == 0) || (what & LESS && order == -1) || (what & GREATER && order == 1); }

static int order_of(lb_dtype wide, bool natural, const void *x, const void *z, int64_t i) {
    if (wide == LB_F64) {
        double a = ((const double *)x)[i], b = ((const double *)z)[i];
        return a == b ? 0 : a < b ? -1 : a > b ? 1 : 2;
    }
    if (natural) {
        uint64_t a = ((const uint64_t *)x)[i], b = ((const uint64_t *)z)[i];
        return a == b ? 0 : a < b ? -1 : 1;
    }
    int64_t a = ((const int64_t *)x)[i], b = ((const int64_t *)z)[i];
    return a == b ? 0 : a < b ? -1 : 1;
}

static void order(onnx_call *c) {
    int what = *(const int *)c->node->def->how, rank;
    int64_t shape[LB_MAX_RANK];
    lb_tensor *a = onnx_need(c, 0), *b = onnx_need(c, 1);
    if (onnx_ok(c)) b = old_second(c, a, b);
    if (!onnx_ok(c) || !onnx_broadcast(c, a, b, &rank, shape)) return;
    lb_dtype wide = onnx_is_float(a->dtype) ? LB_F64 : LB_I64;
    bool natural = is_unsigned(a->dtype);
    lb_tensor *x = onnx_spread(c, a, wide, rank, shape), *z = onnx_spread(c, b, wide, rank, shape), *y = onnx_make(c, 0, LB_BOOL, rank, shape);
    for (int64_t i = 0, n = onnx_ok(c) && y->data && x->data && z->data ? lb_numel(y) : 0; i < n; i++)
        ((uint8_t *)y->data)[i] = compare(what, order_of(wide, natural, x->data, z->data, i));
}

static void logic(onnx_call *c) {
    int what = *(const int *)c->node->def->how, rank;
    int64_t shape[LB_MAX_RANK];
    lb_tensor *a = onnx_need(c, 0), *b = onnx_need(c, 1);
    if (onnx_ok(c)) b = old_second(c, a, b);
    if (!onnx_ok(c) || !onnx_broadcast(c, a, b, &rank, shape)) return;
    lb_tensor *x = onnx_spread(c, a, LB_BOOL, rank, shape), *z = onnx_spread(c, b, LB_BOOL, rank, shape), *y = onnx_make(c, 0, LB_BOOL, rank, shape);
    for (int64_t i = 0, n = onnx_ok(c) && y->data && x->data && z->data ? lb_numel(y) : 0; i < n; i++) {
        bool p = ((const uint8_t *)x->data)[i], q = ((const uint8_t *)z->data)[i];
        ((uint8_t *)y->data)[i] = what == AND ? p && q : what == OR ? p || q : p != q;
    }
}

/* Any type: bytes of the one or the other. */
static void where(onnx_call *c) {
    lb_tensor *q = onnx_need(c, 0), *a = onnx_need(c, 1), *b = onnx_need(c, 2);
    int rank;
    int64_t shape[LB_MAX_RANK];
    lb_tensor both = {.rank = 0};
    if (!onnx_ok(c) || !onnx_broadcast(c, a, b, &both.rank, both.shape) || !onnx_broadcast(c, q, &both, &rank, shape)) return;
    lb_tensor *p = onnx_spread(c, q, LB_BOOL, rank, shape), *x = onnx_spread(c, a, a->dtype, rank, shape), *z = onnx_spread(c, b, a->dtype, rank, shape);
    lb_tensor *y = onnx_make(c, 0, a->dtype, rank, shape);
    size_t size = lb_dtype_size(a->dtype);
    if (!onnx_ok(c) || !y->data || !p->data || !x->data || !z->data) return;
    for (int64_t i = 0, n = lb_numel(y); i < n; i++) {
        const char *from = ((const uint8_t *)p->data)[i] ? x->data : z->data;
        __builtin_memcpy((char *)y->data + (size_t)i * size, from + (size_t)i * size, size);
    }
}

#define HOW(...) &(const binary){__VA_ARGS__}
#define WHAT(x) &(const int){x}
static const onnx_operator operators[] = {
    {"Add", two, ONNX_FUSES, NULL, HOW(lb_add, add, whole_add)},
    {"And", logic, 0, NULL, WHAT(AND)},
    {"BitShift", bit_shift},
    {"BitwiseAnd", two, 0, NULL, HOW(NULL, NULL, bits_and)},
    {"BitwiseOr", two, 0, NULL, HOW(NULL, NULL, bits_or)},
    {"BitwiseXor", two, 0, NULL, HOW(NULL, NULL, bits_xor)},
    {"Div", two, ONNX_FUSES, NULL, HOW(lb_div, div_real, whole_div, natural_div)},
    {"Equal", order, 0, "texts", WHAT(EQUAL)},
    {"Greater", order, 0, NULL, WHAT(GREATER)},
    {"GreaterOrEqual", order, 0, NULL, WHAT(GREATER | EQUAL)},
    {"Less", order, 0, NULL, WHAT(LESS)},
    {"LessOrEqual", order, 0, NULL, WHAT(LESS | EQUAL)},
    {"Max", many, 0, NULL, HOW(lb_maximum, larger, whole_larger, natural_larger)},
    {"Mean", mean, ONNX_FLOAT_ONLY, NULL, HOW(lb_add, add, whole_add)},
    {"Min", many, 0, NULL, HOW(lb_minimum, smaller, whole_smaller, natural_smaller)},
    {"Mod", run_mod},
    {"Mul", two, ONNX_FUSES, NULL, HOW(lb_mul, mul, whole_mul)},
    {"Or", logic, 0, NULL, WHAT(OR)},
    {"Pow", run_pow},
    {"Sub", two, ONNX_FUSES, NULL, HOW(lb_sub, sub, whole_sub)},
    {"Sum", many, 0, NULL, HOW(lb_add, add, whole_add)},
    {"Where", where, 0, "texts"},
    {"Xor", logic, 0, NULL, WHAT(XOR)},
    {0},
};

ONNX_GROUP(binary) = {.id = "binary", .title = "two numbers to one; comparisons, logic", .source = "github.com/onnx/onnx docs/Operators.md, Broadcasting.md", .operators = operators};
