/* SPDX-License-Identifier: Apache-2.0 */
/* y [...,D], D even: sin and cos of position f_i, i < D / 2, f_i = base^(-2i / D), or base^(-i / (D / 2 - 1)) with `closed`, so that the last is
 * 1 / base. Interleaved (sin, cos, sin, ...), or halves: sines, then cosines. */
#include <math.h>
#include <string.h>
#include "tensor/ops.h"
#include "tensor/op.h"

struct sinusoid {
    int64_t width;
    double base;
    bool halves, closed;
};

static bool shape(lb_call *c) {
    const struct sinusoid *p = c->params;
    lb_tensor *y = c->out[0];
    if (p->width < 2 || p->width % 2 || p->base <= 0 || (p->closed && p->width < 4) || c->in[0]->rank == LB_MAX_RANK) {
        lb_tape_fail(c->tape, LB_E_ARG, "width %lld and base %g, expected an even width and a base above 0", (long long)p->width, p->base);
        return false;
    }
    y->rank = c->in[0]->rank + 1;
    memcpy(y->shape, c->in[0]->shape, sizeof y->shape);
    y->shape[y->rank - 1] = p->width;
    return true;
}

static void forward(lb_call *c) {
    const struct sinusoid *p = c->params;
    int64_t rows = lb_numel(c->in[0]), half = p->width / 2;
    for (int64_t k = 0; k < half; k++) {
        double f = pow(p->base, -(double)k / (double)(p->closed ? half - 1 : half));
        for (int64_t i = 0; i < rows; i++) {
            lb_real *y = lb_r(c->out[0]) + i * p->width;
            double angle = (double)lb_i(c->in[0])[i] * f;
            y[p->halves ? k : 2 * k] = (lb_real)sin(angle);
            y[p->halves ? half + k : 2 * k + 1] = (lb_real)cos(angle);
        }
    }
}

static const struct sinusoid interleaved = {6, 10000, false, false}, halves = {8, 10000, true, true}, open = {4, 100, true, false};
static const lb_op_case cases[] = {
    {.name = "interleaved", .rank = {1}, .shape = {{5}}, .imax = 50, .params = &interleaved},
    {.name = "halves, closed", .rank = {1}, .shape = {{5}}, .imax = 50, .params = &halves},
    {.name = "halves", .rank = {2}, .shape = {{2, 2}}, .imax = 50, .params = &open},
    {.name = "empty", .rank = {1}, .shape = {{0}}, .imax = 5, .params = &open},
};

LB_OP(sinusoid) = {.id = "sinusoid",
                   .title = "sinusoidal positions",
                   .source = "Vaswani et al., arXiv:1706.03762, section 3.5; halves, closed: Whisper, fairseq",
                   .sig = "position:i64 -> y",
                   .math = "y = sin, cos of position base^(-2i/D)",
                   .params_size = sizeof(struct sinusoid),
                   .shape = shape,
                   .forward = forward,
                   .no_grad = "of whole numbers",
                   .cases = cases,
                   .case_count = LB_COUNT(cases)};

lb_tensor *lb_sinusoid(lb_tape *t, lb_tensor *position, int64_t width, double base, bool in_halves, bool closed) {
    struct sinusoid p = {width, base, in_halves, closed};
    return lb_apply(t, &lb_op_sinusoid, &p, sizeof p, 1, &position);
}
