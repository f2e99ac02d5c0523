/* SPDX-License-Identifier: Apache-2.0 */
/* index [M,rank] = places of the elements that are not 0, in order; M depends on the values, on a SHAPES tape it is the most it can be.
 * Numbers of the maths type or i64; NaN is not 0. */
#include "tensor/loops.h"
#include "tensor/ops.h"
#include "tensor/truth.h"

enum { PIECES = 64 }; /* of the rows of x; what each holds is counted first, so that threads know where to write */

typedef struct job {
    const lb_tensor *x;
    int64_t width, rows, *to;
    int64_t count[PIECES], start[PIECES];
} job;

static void count_pieces(const void *ctx, int64_t first, int64_t last) {
    job *j = (job *)(uintptr_t)ctx;
    for (int64_t p = first; p < last; p++) {
        int64_t from = j->rows * p / PIECES, to = j->rows * (p + 1) / PIECES;
        j->count[p] = lbi_count_true(j->x, from * j->width, (to - from) * j->width);
    }
}

static bool shape(lb_call *c) {
    const lb_tensor *x = c->in[0];
    lb_tensor *y = c->out[0];
    if (!lbi_has_truth(x)) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "expected %s or i64", lb_dtype_name(LB_REAL));
        return false;
    }
    y->dtype = LB_I64;
    y->rank = 2;
    y->shape[0] = lb_numel(x);
    y->shape[1] = x->rank;
    if (!x->data) return true;
    job *j = c->note = lb_scratch(c, sizeof *j);
    if (!j) return false;
    *j = (job){.x = x, .width = x->rank > 0 ? x->shape[x->rank - 1] : 1};
    j->rows = j->width ? lb_numel(x) / j->width : 0;
    lbi_split(PIECES, lb_numel(x) / PIECES, count_pieces, j);
    y->shape[0] = 0;
    for (int p = 0; p < PIECES; p++) {
        j->start[p] = y->shape[0];
        y->shape[0] += j->count[p];
    }
    return true;
}

/* A row's places are noted without a branch, which no processor could foresee, and then written. */
static int64_t *write_row(const job *j, int64_t row, const int64_t *at, int64_t *to) {
    enum { PART = 256 };
    int32_t place[PART + 1];
    int rank = j->x->rank;
    for (int64_t from = 0; from < j->width; from += PART) {
        int64_t n = j->width - from < PART ? j->width - from : PART, count = 0;
        for (int64_t k = 0; k < n; k++) {
            place[count] = (int32_t)k;
            count += lbi_is_true(j->x, row * j->width + from + k);
        }
        for (int64_t k = 0; k < count; k++) {
            for (int d = 0; d < rank - 1; d++) *to++ = at[d];
            if (rank > 0) *to++ = from + place[k];
        }
    }
    return to;
}

static void write_pieces(const void *ctx, int64_t first, int64_t last) {
    const job *j = ctx;
    int rank = j->x->rank;
    for (int64_t p = first; p < last; p++) {
        int64_t row = j->rows * p / PIECES, end = j->rows * (p + 1) / PIECES, at[LB_MAX_RANK] = {0}, rest = row, *to = j->to + j->start[p] * rank;
        for (int d = rank - 2; d >= 0; d--) {
            at[d] = rest % j->x->shape[d];
            rest /= j->x->shape[d];
        }
        for (; row < end; row++) {
            to = write_row(j, row, at, to);
            for (int d = rank - 2; d >= 0 && ++at[d] == j->x->shape[d]; d--) at[d] = 0;
        }
    }
}

static void forward(lb_call *c) {
    job *j = c->note;
    if (!j) return; /* no elements */
    j->to = lb_i(c->out[0]);
    lbi_split(PIECES, 4 * lb_numel(c->in[0]) / PIECES, write_pieces, j);
}

/* None is 0: the shape is then the same when only shapes count. */
static void all_true(void *const *data, const int64_t *numel) {
    for (int64_t i = 0; i < numel[0]; i++) ((lb_real *)data[0])[i] += 5;
}

static const lb_op_case cases[] = {
    {.name = "plane", .rank = {2}, .shape = {{3, 5}}, .fill = all_true},
    {.name = "cube", .rank = {3}, .shape = {{2, 3, 2}}, .fill = all_true},
    {.name = "empty", .rank = {2}, .shape = {{0, 5}}},
};

LB_OP(nonzero) = {.id = "nonzero", .title = "places of what is not 0", .source = "torch.nonzero", .sig = "x -> index:i64",
                  .math = "index = {i : x_i != 0}", .flags = LB_OP_ANY_TYPE, .shape = shape, .forward = forward,
                  .no_grad = "a place does not change smoothly", .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_nonzero(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_nonzero, NULL, 0, 1, &x);
}
