/* SPDX-License-Identifier: Apache-2.0 */
/* y_k = largest of x_0..x_k along one axis, of equal ones the last; dx = g added where it came from. NaN stays from there on. The
 * places are the second result (index may be NULL). */
#include "tensor/running.h"

LBI_ALWAYS void extremes(const lb_call *c, lbi_lines l) {
    const lb_real *x = lb_r(c->in[0]);
    lb_real *restrict y = lb_r(c->out[0]), best[LBI_RUNNING_WIDTH];
    int64_t *restrict index = lb_i(c->out[1]), place[LBI_RUNNING_WIDTH] = {0};
    for (int64_t i = 0; i < l.width; i++) best[i] = x[l.at + i];
    for (int64_t k = 0, at = l.at; k < l.n; k++, at += l.step)
        for (int64_t i = 0; i < l.width; i++) {
            lb_real v = x[at + i];
            bool take = v >= best[i] || v != v;
            best[i] = take ? v : best[i];
            place[i] = take ? k : place[i];
            y[at + i] = best[i];
            index[at + i] = place[i];
        }
}

LBI_RUNNING(forward_lines, extremes)

static void forward(lb_call *c) {
    lbi_running_lines(c, forward_lines);
}

static void backward(lb_call *c) {
    lbi_running_lines(c, lbi_running_chosen);
}

static const lbi_running last = {-1, false}, first = {0, false}, middle = {1, false};
static const lb_op_case cases[] = {LBI_RUNNING_CASES(&last, &first, &middle)};

LB_OP(cummax) = {.id = "cummax", .title = "running largest along one axis", .source = "torch.cummax", .sig = "x -> y index:i64",
                .math = "y_k = max_{i <= k} x_i", .params_size = sizeof(lbi_running), .results = 2, .flags = LB_OP_NONSMOOTH | LB_OP_SETS,
                .reads = LB_READS_OUT(1), .shape = lbi_running_shape, .forward = forward, .backward = backward, .cases = cases,
                .case_count = LB_COUNT(cases)};

lb_tensor *lb_cummax(lb_tape *t, lb_tensor *x, int axis, lb_tensor **index) {
    lb_tensor *out[2];
    lb_apply_n(t, &lb_op_cummax, &(lbi_running){axis, false}, sizeof(lbi_running), 1, &x, 2, out);
    if (index) *index = out[1];
    return out[0];
}
