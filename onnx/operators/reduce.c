/* SPDX-License-Identifier: Apache-2.0 */
/* Many numbers to one along axes; softmax and its kin; running sums. f32 by ops, other types in double or 64 bits. */
#include <math.h>
#include <string.h>
#include "onnx/operator.h"
#include "tensor/ops.h"

typedef enum kind { SUM, MEAN, MOST, LEAST, PRODUCT, L1, L2, LOG_SUM, LOG_SUM_EXP, SUM_SQUARE } kind;

static lb_tensor *by_op(lb_tape *t, kind k, lb_tensor *x, lb_axes a, bool keep) {
    switch (k) {
    case SUM: return lb_sum_over(t, x, a, keep);
    case MEAN: return lb_mean_over(t, x, a, keep);
    case MOST: return lb_amax(t, x, a, keep);
    case LEAST: return lb_amin(t, x, a, keep);
    case PRODUCT: return lb_prod(t, x, a, keep);
    case L1: return lb_sum_over(t, lb_abs(t, x), a, keep);
    case L2: return lb_sqrt(t, lb_sum_over(t, lb_square(t, x), a, keep));
    case LOG_SUM: return lb_log(t, lb_sum_over(t, x, a, keep));
    case LOG_SUM_EXP: return lb_logsumexp_over(t, x, a, keep);
    case SUM_SQUARE: return lb_sum_over(t, lb_square(t, x), a, keep);
    }
    return x;
}

static double real_of(kind k, const double *x, int64_t n) {
    double sum = k == PRODUCT ? 1 : k == MOST || k == LOG_SUM_EXP ? -INFINITY : k == LEAST ? INFINITY : 0, most = -INFINITY;
    for (int64_t i = 0; i < n && k == LOG_SUM_EXP; i++) most = fmax(most, x[i]);
    if (k == LOG_SUM_EXP) sum = 0;
    for (int64_t i = 0; i < n; i++) switch (k) {
        case SUM:
        case MEAN:
        case LOG_SUM: sum += x[i]; break;
        case MOST: sum = x[i] > sum || x[i] != x[i] ? x[i] : sum; break;
        case LEAST: sum = x[i] < sum || x[i] != x[i] ? x[i] : sum; break;
        case PRODUCT: sum *= x[i]; break;
        case L1: sum += fabs(x[i]); break;
        case L2:
        case SUM_SQUARE: sum += x[i] * x[i]; break;
        case LOG_SUM_EXP: sum += exp(x[i] - most); break;
        }
    if (k == MEAN) return sum / (double)n;
    if (k == L2) return sqrt(sum);
    if (k == LOG_SUM) return log(sum);
    return k == LOG_SUM_EXP ? most + log(sum) : sum;
}

static int64_t whole_of(kind k, const int64_t *x, int64_t n) {
    if (k == MEAN || k == L2 || k == LOG_SUM || k == LOG_SUM_EXP) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++) sum += k == L2 ? (double)x[i] * (double)x[i] : k == LOG_SUM_EXP ? exp((double)x[i]) : (double)x[i];
        return (int64_t)(k == MEAN ? sum / (double)(n ? n : 1) : k == L2 ? sqrt(sum) : log(sum));
    }
    uint64_t sum = k == PRODUCT;
    int64_t best = k == MOST ? INT64_MIN : INT64_MAX;
    for (int64_t i = 0; i < n; i++) {
        if (k == MOST) best = x[i] > best ? x[i] : best;
        else if (k == LEAST) best = x[i] < best ? x[i] : best;
        else if (k == PRODUCT) sum *= (uint64_t)x[i];
        else sum += k == SUM_SQUARE ? (uint64_t)x[i] * (uint64_t)x[i] : k == L1 && x[i] < 0 ? 0 - (uint64_t)x[i] : (uint64_t)x[i];
    }
    return k == MOST || k == LEAST ? best : (int64_t)sum;
}

/* x with the marked axes behind the others, contiguous. */
static lb_tensor *behind(onnx_call *c, lb_tensor *x, const bool *marked, lb_dtype wide) {
    int order[LB_MAX_RANK], n = 0;
    for (int d = 0; d < x->rank; d++)
        if (!marked[d]) order[n++] = d;
    for (int d = 0; d < x->rank; d++)
        if (marked[d]) order[n++] = d;
    return onnx_as(c, x->rank > 1 ? lb_permute(c->tape, x, order) : x, wide);
}

static lb_tensor *by_loop(onnx_call *c, kind k, lb_tensor *x, const bool *marked, bool keep) {
    int64_t shape[LB_MAX_RANK], outer = 1, inner = 1;
    int rank = 0;
    for (int d = 0; d < x->rank; d++) {
        *(marked[d] ? &inner : &outer) *= x->shape[d];
        if (keep || !marked[d]) shape[rank++] = marked[d] ? 1 : x->shape[d];
    }
    lb_dtype dtype = x->dtype, wide = onnx_is_float(dtype) ? LB_F64 : LB_I64;
    lb_tensor *from = behind(c, x, marked, wide), *y = onnx_scratch(c, wide, rank, shape);
    bool known = onnx_ok(c) && y->data && (from->data || inner == 0);
    for (int64_t i = 0; i < outer && known; i++) {
        if (wide == LB_F64) ((double *)y->data)[i] = real_of(k, (const double *)from->data + i * inner, inner);
        else ((int64_t *)y->data)[i] = whole_of(k, (const int64_t *)from->data + i * inner, inner);
    }
    return onnx_as(c, y, dtype);
}

static void run(onnx_call *c) {
    kind k = (kind)*(const int *)c->node->def->how;
    lb_tensor *x = onnx_need(c, 0);
    int64_t axes[LB_MAX_RANK];
    bool marked[LB_MAX_RANK] = {false}, keep = onnx_int(c, "keepdims", 1);
    lb_axes all = {0};
    int n;
    if (!onnx_ok(c) || !onnx_ints_or(c, 1, "axes", axes, LB_MAX_RANK, &n)) return;
    if (n <= 0 && onnx_int(c, "noop_with_empty_axes", 0)) {
        onnx_put(c, 0, x);
        return;
    }
    for (int i = 0; i < (n <= 0 ? x->rank : n); i++) {
        int a = onnx_axis(c, n <= 0 ? i : axes[i], x->rank);
        if (a < 0) return;
        if (!marked[a]) all.at[all.n++] = a;
        marked[a] = true;
    }
    bool fast = x->dtype == LB_F32 && x->rank > 0 && lb_numel(x) > 0;
    onnx_put(c, 0, fast ? by_op(c->tape, k, x, all, keep) : by_loop(c, k, x, marked, keep));
}

/* ---- the place of the largest ---- */

static void arg(onnx_call *c) {
    bool most = *(const int *)c->node->def->how == MOST, last = onnx_int(c, "select_last_index", 0), keep = onnx_int(c, "keepdims", 1);
    lb_tensor *x = onnx_need(c, 0);
    if (!onnx_ok(c)) return;
    int axis = onnx_axis(c, onnx_int(c, "axis", 0), x->rank), rank = 0;
    int64_t shape[LB_MAX_RANK];
    bool marked[LB_MAX_RANK] = {false};
    if (axis < 0) return;
    marked[axis] = true;
    for (int d = 0; d < x->rank; d++)
        if (keep || d != axis) shape[rank++] = d == axis ? 1 : x->shape[d];
    int64_t n = x->shape[axis];
    if (n < 1) onnx_fail(c, LB_E_SHAPE, "an empty axis");
    lb_tensor *from = behind(c, x, marked, LB_F64), *y = onnx_make(c, 0, LB_I64, rank, shape);
    for (int64_t i = 0, rows = onnx_ok(c) && y->data && from->data ? lb_numel(y) : 0; i < rows; i++) {
        const double *row = (const double *)from->data + i * n;
        int64_t best = 0;
        for (int64_t j = 1; j < n; j++)
            if ((most ? row[j] > row[best] : row[j] < row[best]) || (last && row[j] == row[best])) best = j;
        ((int64_t *)y->data)[i] = best;
    }
}

/* ---- softmax: before set 13 over all axes from `axis` on as one ---- */

enum { SOFT, LOG_SOFT, HARD };

static lb_tensor *hardmax(onnx_call *c, lb_tensor *x, int axis) {
    int64_t outer = onnx_product(x->shape, 0, axis), n = x->shape[axis], inner = onnx_product(x->shape, axis + 1, x->rank);
    lb_tensor *from = onnx_as(c, x, LB_F32), *y = onnx_scratch(c, LB_F32, x->rank, x->shape);
    if (!onnx_ok(c) || !y->data || !from->data) return y;
    memset(y->data, 0, (size_t)lb_numel(y) * sizeof(float));
    for (int64_t i = 0; i < outer * inner; i++) {
        int64_t at = i / inner * n * inner + i % inner, best = 0;
        for (int64_t j = 1; j < n; j++)
            if (((const float *)from->data)[at + j * inner] > ((const float *)from->data)[at + best * inner]) best = j;
        ((float *)y->data)[at + best * inner] = 1;
    }
    return y;
}

static void softmax(onnx_call *c) {
    int what = *(const int *)c->node->def->how;
    lb_tensor *x = onnx_need(c, 0);
    if (!onnx_ok(c)) return;
    int axis = onnx_axis(c, onnx_int(c, "axis", c->opset < 13 ? 1 : -1), x->rank), rank = x->rank;
    int64_t shape[LB_MAX_RANK];
    if (axis < 0) return;
    memcpy(shape, x->shape, sizeof shape);
    if (c->opset < 13 && axis < rank - 1) {
        x = lb_reshape(c->tape, x, 2, (int64_t[]){onnx_product(shape, 0, axis), onnx_product(shape, axis, rank)});
        axis = 1;
    }
    if (!onnx_ok(c)) return;
    lb_tensor *y = what == SOFT ? lb_softmax(c->tape, x, axis) : what == LOG_SOFT ? lb_log_softmax(c->tape, x, axis) : hardmax(c, x, axis);
    onnx_put(c, 0, lb_reshape(c->tape, y, rank, shape));
}

static void cumsum(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0);
    if (!onnx_ok(c)) return;
    int axis = onnx_axis(c, (int64_t)onnx_number(c, onnx_need(c, 1), 0), x->rank);
    bool exclusive = onnx_int(c, "exclusive", 0), back = onnx_int(c, "reverse", 0);
    if (axis < 0 || !onnx_ok(c)) return;
    lb_dtype dtype = x->dtype, wide = onnx_is_float(dtype) ? LB_F64 : LB_I64;
    lb_tensor *from = onnx_as(c, x, wide), *y = onnx_scratch(c, wide, x->rank, x->shape);
    int64_t outer = onnx_product(x->shape, 0, axis), n = x->shape[axis], inner = onnx_product(x->shape, axis + 1, x->rank);
    for (int64_t i = 0; i < outer * inner && onnx_ok(c) && y->data && from->data; i++) {
        double real = 0;
        uint64_t whole = 0;
        for (int64_t j = 0; j < n; j++) {
            int64_t at = (i / inner * n + (back ? n - 1 - j : j)) * inner + i % inner;
            double before = real;
            uint64_t first = whole;
            if (wide == LB_F64) real += ((const double *)from->data)[at], ((double *)y->data)[at] = exclusive ? before : real;
            else whole += ((const uint64_t *)from->data)[at], ((uint64_t *)y->data)[at] = exclusive ? first : whole;
        }
    }
    onnx_put(c, 0, onnx_as(c, y, dtype));
}

#define WHAT(x) &(const int){x}
static const onnx_operator operators[] = {
    {"ArgMax", arg, 0, NULL, WHAT(MOST)},
    {"ArgMin", arg, 0, NULL, WHAT(LEAST)},
    {"CumSum", cumsum},
    {"Hardmax", softmax, ONNX_FLOAT_ONLY, NULL, WHAT(HARD)},
    {"LogSoftmax", softmax, ONNX_FLOAT_ONLY, NULL, WHAT(LOG_SOFT)},
    {"ReduceL1", run, 0, NULL, WHAT(L1)},
    {"ReduceL2", run, 0, NULL, WHAT(L2)},
    {"ReduceLogSum", run, 0, NULL, WHAT(LOG_SUM)},
    {"ReduceLogSumExp", run, 0, NULL, WHAT(LOG_SUM_EXP)},
    {"ReduceMax", run, 0, NULL, WHAT(MOST)},
    {"ReduceMean", run, 0, NULL, WHAT(MEAN)},
    {"ReduceMin", run, 0, NULL, WHAT(LEAST)},
    {"ReduceProd", run, 0, NULL, WHAT(PRODUCT)},
    {"ReduceSum", run, 0, NULL, WHAT(SUM)},
    {"ReduceSumSquare", run, 0, NULL, WHAT(SUM_SQUARE)},
    {"Softmax", softmax, ONNX_FLOAT_ONLY, NULL, WHAT(SOFT)},
    {0},
};

ONNX_GROUP(reduce) = {.id = "reduce", .title = "many numbers to one, softmax, running sums", .source = "github.com/onnx/onnx docs/Operators.md, Changelog.md", .operators = operators};
