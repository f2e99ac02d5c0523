/* SPDX-License-Identifier: Apache-2.0 */
/* Matrix products. f32 by matmul and linear; other types in double, which holds sums of products of 8 bits exactly. */
#include <string.h>
#include "onnx/operator.h"
#include "tensor/ops.h"

/* Y = A B over the last two axes, in double, for types that matmul does not know. */
static lb_tensor *slow(onnx_call *c, lb_tensor *a, lb_tensor *b, lb_dtype out) {
    lb_tensor la = {.rank = a->rank - 2}, lb = {.rank = b->rank - 2};
    int64_t shape[LB_MAX_RANK], m = a->shape[a->rank - 2], k = a->shape[a->rank - 1], n = b->shape[b->rank - 1];
    int rank;
    memcpy(la.shape, a->shape, sizeof la.shape);
    memcpy(lb.shape, b->shape, sizeof lb.shape);
    if (!onnx_broadcast(c, &la, &lb, &rank, shape)) return lb_inert(c->tape);
    if (b->shape[b->rank - 2] != k) return onnx_fail(c, LB_E_SHAPE, "inner sizes %lld and %lld", (long long)k, (long long)b->shape[b->rank - 2]);
    int64_t batch = onnx_product(shape, 0, rank);
    shape[rank] = m, shape[rank + 1] = k;
    lb_tensor *x = onnx_spread(c, a, LB_F64, rank + 2, shape);
    shape[rank] = k, shape[rank + 1] = n;
    lb_tensor *w = onnx_spread(c, b, LB_F64, rank + 2, shape);
    shape[rank] = m;
    lb_tensor *y = onnx_scratch(c, LB_F64, rank + 2, shape);
    if (!onnx_ok(c) || !y->data || (k && (!x->data || !w->data))) return onnx_as(c, y, out);
    memset(y->data, 0, (size_t)lb_numel(y) * sizeof(double));
    for (int64_t i = 0; i < batch * m; i++)
        for (int64_t p = 0; p < k; p++) {
            double v = ((const double *)x->data)[i * k + p];
            const double *row = (const double *)w->data + (i / m * k + p) * n;
            for (int64_t j = 0; j < n; j++) ((double *)y->data)[i * n + j] += v * row[j];
        }
    return onnx_as(c, y, out);
}

/* Vectors are rows on the left and columns on the right; that axis is taken out again. */
static lb_tensor *product(onnx_call *c, lb_tensor *a, lb_tensor *b, lb_dtype out) {
    bool row = a->rank == 1, column = b->rank == 1;
    lb_tape *t = c->tape;
    if (a->rank < 1 || b->rank < 1) return onnx_fail(c, LB_E_SHAPE, "a matrix product of scalars");
    if (row) a = lb_unsqueeze(t, a, 0);
    if (column) b = lb_unsqueeze(t, b, 1);
    bool wide = out == LB_F32 && a->dtype == LB_F32 && b->dtype == LB_F32, rows = wide && b->rank == 2 && a->rank > 2;
    int64_t shape[LB_MAX_RANK];
    int rank = a->rank;
    memcpy(shape, a->shape, sizeof shape);
    if (rows) a = lb_reshape(t, a, 2, (int64_t[]){onnx_product(shape, 0, rank - 1), shape[rank - 1]}); /* one large product, not many small ones */
    if (!onnx_ok(c)) return lb_inert(t);
    lb_tensor *y = wide ? lb_matmul(t, a, b, false, false) : slow(c, a, b, out);
    if (!onnx_ok(c)) return y;
    shape[rank - 1] = b->shape[b->rank - 1];
    if (rows) y = lb_reshape(t, y, rank, shape);
    if (row) y = lb_squeeze(t, y, -2);
    if (column) y = lb_squeeze(t, y, -1);
    return y;
}

static void matmul(onnx_call *c) {
    lb_tensor *a = onnx_need(c, 0), *b = onnx_need(c, 1);
    if (onnx_ok(c)) onnx_put(c, 0, product(c, a, b, a->dtype));
}

/* Fused: a product with a constant matrix, stored [M,K], a bias or none, and what stood behind. */
static void linear(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0), *w = onnx_need(c, 1);
    if (onnx_ok(c)) onnx_put(c, 0, lb_linear(c->tape, x, w, onnx_in(c, 2), c->node->act));
}

/* Fused: q [N,H,L,D], k turned [N,H,D,S], v [N,H,S,E], added bias: the map [L,S] never lies in memory. Other shapes go by three products. */
static void attention(onnx_call *c) {
    lb_tensor *q = onnx_need(c, 0), *k = onnx_need(c, 1), *v = onnx_need(c, 2), *bias = onnx_in(c, 3);
    double scale = onnx_real(c, "scale", 1);
    lb_tape *t = c->tape;
    if (!onnx_ok(c)) return;
    bool fits = q->rank == 4 && k->rank == 4 && v->rank == 4 && scale != 0 && (!bias || bias->rank == 4);
    for (int d = 0; d < 2 && fits; d++) fits = q->shape[d] == k->shape[d] && q->shape[d] == v->shape[d];
    if (fits) {
        lb_attention_spec s = {.scale = scale, .bias = bias};
        onnx_put(c, 0, lb_attention(t, q, lb_permute(t, k, (int[]){0, 1, 3, 2}), v, s));
        return;
    }
    lb_tensor *map = product(c, q, k, LB_F32);
    if (scale != 1) map = lb_scale(t, map, scale);
    if (bias) map = lb_add(t, map, bias);
    map = lb_softmax(t, map, -1);
    if (onnx_ok(c)) onnx_put(c, 0, product(c, map, v, LB_F32));
}

static void gemm(onnx_call *c) {
    lb_tensor *a = onnx_need(c, 0), *b = onnx_need(c, 1), *add = onnx_in(c, 2);
    double alpha = onnx_real(c, "alpha", 1), beta = onnx_real(c, "beta", 1);
    bool ta = onnx_int(c, "transA", 0), tb = onnx_int(c, "transB", 0);
    lb_tape *t = c->tape;
    if (!onnx_ok(c)) return;
    if (a->rank != 2 || b->rank != 2) {
        onnx_fail(c, LB_E_SHAPE, "%d and %d axes, expected matrices", a->rank, b->rank);
        return;
    }
    bool vector = add && (add->rank == 1 || (add->rank == 2 && add->shape[0] == 1)) && add->shape[add->rank - 1] == b->shape[tb ? 0 : 1];
    if (!ta && tb && alpha == 1 && beta == 1 && (!add || vector)) {
        onnx_put(c, 0, lb_linear(t, a, b, add ? lb_reshape(t, add, 1, (int64_t[]){lb_numel(add)}) : NULL, c->node->act));
        return;
    }
    lb_tensor *y = lb_matmul(t, a, b, ta, tb);
    if (alpha != 1) y = lb_scale(t, y, alpha);
    if (add && beta != 0) y = lb_add(t, y, beta == 1 ? add : lb_scale(t, add, beta));
    onnx_put(c, 0, onnx_act(c, y, c->node->act));
}

/* Numbers of 8 bits less their zero point: one, or one for each row (column, for `last`). */
static lb_tensor *centred(onnx_call *c, lb_tensor *x, lb_tensor *zero, bool last) {
    lb_tensor *wide = onnx_as(c, x, LB_F64), *z = zero ? onnx_as(c, zero, LB_F64) : NULL, *y = onnx_scratch(c, LB_F64, x->rank, x->shape);
    if (!onnx_ok(c) || !y->data || !wide->data || (z && !z->data)) return y;
    int64_t n = lb_numel(x), width = x->rank ? x->shape[x->rank - 1] : 1, count = z ? lb_numel(z) : 1, rows = x->rank > 1 ? x->shape[x->rank - 2] : 1;
    if (count != 1 && count != (last ? width : rows)) return onnx_fail(c, LB_E_SHAPE, "%lld zero points", (long long)count);
    for (int64_t i = 0; i < n; i++) ((double *)y->data)[i] = ((const double *)wide->data)[i] - (z ? ((const double *)z->data)[count == 1 ? 0 : last ? i % width : i / width % rows] : 0);
    return y;
}

static void matmul_integer(onnx_call *c) {
    lb_tensor *a = onnx_need(c, 0), *b = onnx_need(c, 1);
    if (!onnx_ok(c)) return;
    a = centred(c, a, onnx_in(c, 2), false);
    b = centred(c, b, onnx_in(c, 3), true);
    if (onnx_ok(c)) onnx_put(c, 0, product(c, a, b, LB_I32));
}

/* ---- einsum: dots become letters, and a missing right side is written out ---- */

typedef struct equation {
    char text[512];
    int n, count[128]; /* how often a letter stands on the left */
} equation;

static void letter(equation *e, char ch, bool left) {
    if (e->n < 500) e->text[e->n++] = ch;
    if (left && ch > 0) e->count[(int)ch]++;
}

/* The letters of "...", which stands for `many` axes: the last of `most`, in capitals of the end of the alphabet. */
static void dots(equation *e, int many, bool left) {
    for (int i = many; i > 0; i--) letter(e, (char)('Z' - i + 1), left);
}

static bool written_out(onnx_call *c, equation *e, const char *text) {
    int most = 0, operand = 0;
    const char *right = strstr(text, "->");
    for (const char *p = text; *p && p != right; operand += *p++ == ',') {
        if (strncmp(p, "...", 3) == 0 && operand < c->nin) {
            int letters = 0;
            const char *start = p;
            while (start > text && start[-1] != ',') start--;
            for (const char *q = start; *q && *q != ',' && q != right; q++) letters += *q != ' ' && *q != '.';
            int many = c->in[operand]->rank - letters;
            if (many < 0 || many > LB_MAX_RANK) many = 0;
            most = many > most ? many : most;
            dots(e, many, true);
            p += 2;
        } else if (*p != ' ' && *p != '.') letter(e, *p, *p != ',');
    }
    letter(e, '-', false);
    letter(e, '>', false);
    for (const char *p = right ? right + 2 : ""; *p; p++) {
        if (strncmp(p, "...", 3) == 0) dots(e, most, false), p += 2;
        else if (*p != ' ' && *p != '.') letter(e, *p, false);
    }
    if (!right) {
        dots(e, most, false);
        for (char ch = 'A'; ch <= 'z'; ch++)
            if (e->count[(int)ch] == 1 && !(most && ch > 'Z' - most && ch <= 'Z')) letter(e, ch, false);
    }
    return e->n < 500;
}

static void einsum(onnx_call *c) {
    equation e = {.n = 0};
    for (int i = 0; i < c->nin; i++) onnx_need(c, i);
    if (c->nin < 1) onnx_fail(c, LB_E_FORMAT, "no operands");
    if (!onnx_ok(c)) return;
    if (!written_out(c, &e, onnx_word(c, "equation", ""))) onnx_fail(c, LB_E_LIMIT, "the equation is too long");
    else onnx_put(c, 0, lb_einsum(c->tape, e.text, c->nin, c->in));
}

/* By Gaussian elimination with pivots, in double. */
static double determinant(double *a, int64_t n) {
    double det = 1;
    for (int64_t i = 0; i < n; i++) {
        int64_t best = i;
        for (int64_t r = i + 1; r < n; r++)
            if (__builtin_fabs(a[r * n + i]) > __builtin_fabs(a[best * n + i])) best = r;
        if (a[best * n + i] == 0) return 0;
        if (best != i) det = -det;
        for (int64_t k = 0; k < n && best != i; k++) {
            double swap = a[i * n + k];
            a[i * n + k] = a[best * n + k];
            a[best * n + k] = swap;
        }
        det *= a[i * n + i];
        for (int64_t r = i + 1; r < n; r++) {
            double f = a[r * n + i] / a[i * n + i];
            for (int64_t k = i; k < n; k++) a[r * n + k] -= f * a[i * n + k];
        }
    }
    return det;
}

static void det(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0);
    if (!onnx_ok(c)) return;
    if (x->rank < 2 || x->shape[x->rank - 1] != x->shape[x->rank - 2]) {
        onnx_fail(c, LB_E_SHAPE, "expected square matrices");
        return;
    }
    int64_t n = x->shape[x->rank - 1];
    lb_dtype dtype = x->dtype;
    lb_tensor *work = onnx_scratch(c, LB_F64, x->rank, x->shape), *from = onnx_as(c, x, LB_F64), *y = onnx_scratch(c, LB_F64, x->rank - 2, x->shape);
    if (onnx_ok(c) && work->data && from->data) memcpy(work->data, from->data, (size_t)lb_numel(x) * sizeof(double));
    for (int64_t i = 0, count = onnx_ok(c) && y->data && work->data ? lb_numel(y) : 0; i < count; i++) ((double *)y->data)[i] = determinant((double *)work->data + i * n * n, n);
    onnx_put(c, 0, onnx_as(c, y, dtype));
}

static const onnx_operator operators[] = {
    {"Det", det},
    {"Einsum", einsum, ONNX_FLOAT_ONLY, "more than eight operands"},
    {"Gemm", gemm, ONNX_FLOAT_ONLY | ONNX_FUSES},
    {"LimbeckAttention", attention, ONNX_FLOAT_ONLY, "made by fusing"},
    {"LimbeckLinear", linear, ONNX_FUSES, "made by fusing"},
    {"MatMul", matmul},
    {"MatMulInteger", matmul_integer},
    {0},
};

ONNX_GROUP(matmul) = {.id = "matmul", .title = "matrix products", .source = "github.com/onnx/onnx docs/Operators.md", .operators = operators};
