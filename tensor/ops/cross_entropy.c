/* SPDX-License-Identifier: Apache-2.0 */
/* Mean over rows that are not ignored of -sum_k q_k log softmax(x)_k with q = (1 - s) one-hot(label) + s / K.
 * dx = g (softmax(x) - q) / rows. No row left: 0 (torch gives NaN). */
#include <math.h>
#include "tensor/kernels/rows.h"
#include "tensor/ops.h"

typedef struct options {
    int64_t ignore;
    double smoothing;
} options;

static bool shape(lb_call *c) {
    c->out[0]->dtype = c->out[1]->dtype = LB_REAL;
    c->out[0]->rank = 0;
    c->out[1]->rank = 2;
    c->out[1]->shape[0] = c->in[0]->shape[0];
    c->out[1]->shape[1] = c->in[0]->shape[1];
    return true;
}

static int64_t used_rows(const lb_call *c) {
    const options *o = c->params;
    int64_t used = 0;
    for (int64_t i = 0; i < c->in[0]->shape[0]; i++) used += lb_i(c->in[1])[i] != o->ignore;
    return used;
}

static void forward(lb_call *c) {
    const options *o = c->params;
    int64_t n = c->in[0]->shape[0], k = c->in[0]->shape[1], used = used_rows(c);
    double total = 0;
    for (int64_t i = 0; i < n; i++) {
        const lb_real *x = lb_r(c->in[0]) + i * k;
        int64_t label = lb_i(c->in[1])[i];
        double log_sum = lbi_softmax_row(lb_r(c->out[1]) + i * k, x, k), mean = 0;
        if (label == o->ignore) continue;
        if (label < 0 || label >= k) {
            lb_tape_fail(c->tape, LB_E_ARG, "cross_entropy: label %lld of row %lld is outside 0..%lld", (long long)label, (long long)i, (long long)k - 1);
            return;
        }
        if (o->smoothing > 0)
            for (int64_t j = 0; j < k; j++) mean += (double)x[j] / (double)k;
        total += log_sum - (1 - o->smoothing) * (double)x[label] - o->smoothing * mean;
    }
    lb_r(c->out[0])[0] = used ? (lb_real)(total / (double)used) : 0;
}

static void backward(lb_call *c) {
    const options *o = c->params;
    int64_t n = c->in[0]->shape[0], k = c->in[0]->shape[1], used = used_rows(c);
    if (!c->gin[0] || !c->gout[0] || used == 0) return;
    lb_real g = lb_r(c->gout[0])[0] / (lb_real)used, even = (lb_real)(o->smoothing / (double)k);
    for (int64_t i = 0; i < n; i++) {
        int64_t label = lb_i(c->in[1])[i];
        if (label == o->ignore) continue;
        const lb_real *p = lb_r(c->out[1]) + i * k;
        lb_real *gx = lb_r(c->gin[0]) + i * k;
        for (int64_t j = 0; j < k; j++) gx[j] += g * (p[j] - even);
        gx[label] -= g * (lb_real)(1 - o->smoothing);
    }
}

static const options plain = {-100, 0}, smooth = {1, 0.1};
static const lb_op_case cases[] = {
    {.name = "plain", .rank = {2, 1}, .shape = {{4, 5}, {4}}, .imax = 5, .params = &plain},
    {.name = "smoothed, class 1 ignored", .rank = {2, 1}, .shape = {{6, 3}, {6}}, .imax = 3, .params = &smooth},
};

LB_OP(cross_entropy) = {.id = "cross_entropy", .title = "cross entropy of logits against labels, mean over rows", .source = "torch.nn.functional.cross_entropy", .sig = "x[N,K] label[N]:i64 -> loss[] p[N,K]", .results = 1,
                        .math = "mean of -sum q log softmax(x)", .reads = LB_READS_IN(1) | LB_READS_OUT(1) | LB_READS_IN(0), .shape = shape, .params_size = sizeof(options), .forward = forward, .backward = backward, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_cross_entropy(lb_tape *t, lb_tensor *logits, lb_tensor *labels, int64_t ignore, double smoothing) {
    return lb_apply(t, &lb_op_cross_entropy, &(options){ignore, smoothing}, sizeof(options), 2, (lb_tensor *[]){logits, labels});
}
