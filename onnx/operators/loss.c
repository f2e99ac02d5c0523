/* SPDX-License-Identifier: Apache-2.0 */
/* Losses, which exported training graphs end in. */
#include <math.h>
#include <string.h>
#include "onnx/operator.h"
#include "tensor/ops.h"

/* Of log-probabilities x [N,C,...] and labels [N,...]: - w x[label], where the label is not `ignore_index`. Mean: over the weights. */
static void likelihood(onnx_call *c, lb_tensor *x, lb_tensor *labels, lb_tensor *weight, lb_dtype dtype) {
    const char *how = onnx_word(c, "reduction", "mean");
    const onnx_attribute *skip = onnx_attribute_find(c->node, "ignore_index");
    bool each = onnx_is(how, "none");
    if (x->rank < 2 || labels->rank != x->rank - 1) {
        onnx_fail(c, LB_E_SHAPE, "scores with %d axes, labels with %d", x->rank, labels->rank);
        return;
    }
    int64_t classes = x->shape[1], inner = onnx_product(x->shape, 2, x->rank), n = lb_numel(labels);
    lb_tensor *from = onnx_as(c, x, LB_F64), *at = onnx_as(c, labels, LB_I64), *w = weight ? onnx_as(c, weight, LB_F64) : NULL, *y = onnx_scratch(c, LB_F64, each ? labels->rank : 0, labels->shape);
    if (w && lb_numel(w) != classes) onnx_fail(c, LB_E_SHAPE, "%lld weights for %lld classes", (long long)lb_numel(w), (long long)classes);
    if (n * classes != lb_numel(x)) onnx_fail(c, LB_E_SHAPE, "labels do not fit the scores");
    double sum = 0, total = 0;
    bool known = onnx_ok(c) && y->data && (n == 0 || (from->data && at->data));
    for (int64_t i = 0; i < n && known; i++) {
        int64_t label = ((const int64_t *)at->data)[i];
        bool skipped = skip && label == skip->i;
        if (!skipped && (label < 0 || label >= classes)) {
            onnx_fail(c, LB_E_ARG, "label %lld of %lld classes", (long long)label, (long long)classes);
            return;
        }
        double v = skipped ? 0 : w ? ((const double *)w->data)[label] : 1, loss = skipped ? 0 : -v * ((const double *)from->data)[(i / inner * classes + label) * inner + i % inner];
        sum += loss;
        total += v;
        if (each) ((double *)y->data)[i] = loss;
    }
    if (known && !each) *(double *)y->data = onnx_is(how, "sum") ? sum : sum / total;
    onnx_put(c, 0, onnx_as(c, y, dtype));
}

static void nll(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0), *labels = onnx_need(c, 1);
    if (onnx_ok(c)) likelihood(c, x, labels, onnx_in(c, 2), x->dtype);
}

static void cross_entropy(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0), *labels = onnx_need(c, 1);
    if (!onnx_ok(c)) return;
    lb_dtype dtype = x->dtype;
    lb_tensor *log = lb_log_softmax(c->tape, onnx_as(c, x, LB_F32), 1);
    likelihood(c, log, labels, onnx_in(c, 2), dtype);
    onnx_put(c, 1, onnx_as(c, log, dtype));
}

static const onnx_operator operators[] = {
    {"NegativeLogLikelihoodLoss", nll},
    {"SoftmaxCrossEntropyLoss", cross_entropy},
    {0},
};

ONNX_GROUP(loss) = {.id = "loss", .title = "losses", .source = "github.com/onnx/onnx docs/Operators.md", .operators = operators};
