/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/ops/losses.h"
#include <string.h>

enum { PIECE = 8192 }; /* elements that are summed together: sums do not depend on the number of threads */

void lbi_reduction_shape(lb_tensor *loss, const lb_tensor *x, lb_reduction reduction) {
    loss->dtype = LB_REAL;
    loss->rank = reduction == LB_NONE ? x->rank : 0;
    memcpy(loss->shape, x->shape, sizeof x->shape);
}

double lbi_reduction_factor(lb_reduction reduction, int64_t count, int64_t batch) {
    if (reduction == LB_MEAN) return count > 0 ? 1 / (double)count : 0;
    if (reduction == LB_BATCH_MEAN) return batch > 0 ? 1 / (double)batch : 0;
    return 1;
}

static double factor_of(const lb_call *c) {
    const lbi_loss *o = c->params;
    const lb_tensor *x = c->in[0];
    return lbi_reduction_factor(o->reduction, lb_numel(x), x->rank > 0 ? x->shape[0] : 1);
}

bool lbi_loss_shape(lb_call *c) {
    const lbi_loss *o = c->params;
    const lb_tensor *x = c->in[0], *w = c->nin > 2 ? c->in[2] : NULL;
    if (!lb_same_shape(x, c->in[1])) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "the shapes of input and target differ");
        return false;
    }
    bool row = w && w->rank == 1 && x->rank > 0 && w->shape[0] == x->shape[x->rank - 1];
    if (w && w->rank != 0 && !row && !lb_same_shape(w, x)) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "the third input is wanted in the shape of the first, of its last axis, or as a scalar");
        return false;
    }
    lbi_reduction_shape(c->out[0], x, o->reduction);
    return true;
}

/* ---- pieces ---- */

typedef struct job {
    const lb_call *c;
    lb_row row;
    const void *ctx;
    int64_t n, width, step_c; /* width: period of the third operand; step_c: its step in bytes */
    char *first, *second;     /* what is written; second: by a pair of slopes */
    int64_t step_first;       /* its step in bytes; 0 = one double for each piece */
    const char *g, *w;        /* backward: gradient */
    int64_t step_g;
} job;

static job job_of(const lb_call *c, lb_row row, const void *ctx) {
    static const lb_real one = 1;
    const lb_tensor *w = c->nin > 2 ? c->in[2] : NULL;
    job j = {.c = c, .row = row, .ctx = ctx, .n = lb_numel(c->in[0]), .w = (const char *)&one};
    j.width = j.n;
    if (!w) return j;
    j.w = w->data;
    if (w->rank == 0) return j;
    j.step_c = LBI_STEP;
    if (!lb_same_shape(w, c->in[0])) j.width = w->shape[0];
    return j;
}

/* Elements from..to-1, cut where the third operand starts anew. */
static void run_range(const job *j, int64_t from, int64_t to, char *first) {
    for (int64_t i = from; i < to;) {
        int64_t stop = (i / j->width + 1) * j->width;
        if (stop > to) stop = to;
        char *w = (char *)j->w + (i % j->width) * j->step_c;
        char *a = (char *)j->c->in[0]->data + i * LBI_STEP, *b = (char *)j->c->in[1]->data + i * LBI_STEP, *y = first + i * j->step_first;
        char *also = j->second ? j->second + i * LBI_STEP : NULL;
        if (j->g) j->row(j->ctx, stop - i, (char *[]){y, (char *)j->g + i * j->step_g, a, b, w, also}, (int64_t[]){j->step_first, j->step_g, LBI_STEP, LBI_STEP, j->step_c});
        else j->row(j->ctx, stop - i, (char *[]){y, a, b, w}, (int64_t[]){j->step_first, LBI_STEP, LBI_STEP, j->step_c});
        i = stop;
    }
}

static void run_pieces(const void *ctx, int64_t first, int64_t last) {
    const job *j = ctx;
    for (int64_t p = first; p < last; p++) {
        int64_t from = p * PIECE, to = from + PIECE < j->n ? from + PIECE : j->n;
        run_range(j, from, to, j->step_first ? j->first : j->first + p * (int64_t)sizeof(double));
    }
}

void lbi_loss_forward(lb_call *c) {
    const lbi_loss *o = c->params;
    job j = job_of(c, c->op->rows[0], o);
    int64_t pieces = (j.n + PIECE - 1) / PIECE;
    if (o->reduction == LB_NONE) {
        j.first = c->out[0]->data;
        j.step_first = LBI_STEP;
        lbi_split(pieces, PIECE, run_pieces, &j);
        return;
    }
    double *sums = lb_scratch(c, (size_t)(pieces + 1) * sizeof *sums), total = 0;
    if (!sums) return;
    memset(sums, 0, (size_t)(pieces + 1) * sizeof *sums);
    j.first = (char *)sums;
    lbi_split(pieces, PIECE, run_pieces, &j);
    for (int64_t i = 0; i < pieces; i++) total += sums[i];
    lb_r(c->out[0])[0] = (lb_real)(total * factor_of(c));
}

static void gradient_of(lb_call *c, int i) {
    const lbi_loss *o = c->params;
    lb_tensor *to = c->gin[i], wide = *c->in[0];
    bool same = lb_same_shape(to, c->in[0]);
    lbi_loss_back back = {o, (lb_real)factor_of(c), c->fresh[i] || !same};
    job j = job_of(c, c->op->rows[1 + i], &back);
    if (!same) wide.data = lb_scratch(c, (size_t)j.n * sizeof(lb_real));
    if (!same && !wide.data) return;
    j.first = same ? to->data : wide.data;
    j.step_first = LBI_STEP;
    j.g = c->gout[0]->data;
    j.step_g = o->reduction == LB_NONE ? LBI_STEP : 0;
    lbi_split((j.n + PIECE - 1) / PIECE, PIECE, run_pieces, &j);
    if (!same) lbi_reduce_to(to, &wide, 1, c->fresh[i]);
}

/* Both gradients in one pass, where the op has a row function for that and neither is added to. */
static bool pair_of(lb_call *c) {
    const lbi_loss *o = c->params;
    if (c->nin != 2 || !c->op->rows[3] || !c->gin[0] || !c->gin[1] || !c->fresh[0] || !c->fresh[1]) return false;
    lbi_loss_back back = {o, (lb_real)factor_of(c), true};
    job j = job_of(c, c->op->rows[3], &back);
    j.first = c->gin[0]->data;
    j.second = c->gin[1]->data;
    j.step_first = LBI_STEP;
    j.g = c->gout[0]->data;
    j.step_g = o->reduction == LB_NONE ? LBI_STEP : 0;
    lbi_split((j.n + PIECE - 1) / PIECE, PIECE, run_pieces, &j);
    return true;
}

void lbi_loss_backward(lb_call *c) {
    if (c->gout[0] && pair_of(c)) return;
    for (int i = 0; c->gout[0] && i < c->nin && i < 3; i++)
        if (c->gin[i]) gradient_of(c, i);
}

lb_tensor *lbi_loss_apply(lb_tape *t, const lb_op *op, lb_reduction reduction, double a, double b, int nin, lb_tensor *const *in) {
    return lb_apply(t, op, &(lbi_loss){reduction, a, b}, sizeof(lbi_loss), nin, in);
}
