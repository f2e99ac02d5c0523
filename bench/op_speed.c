/* SPDX-License-Identifier: Apache-2.0 */
/* The other side of ops.py: reads a list of cases as JSON from standard input, draws their inputs, and prints for each a line with the least time in
 * milliseconds of forward, and of forward with backward. */
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include "base/buf.h"
#include "base/progress.h"
#include "base/rng.h"
#include "tensor/op.h"
#include "tests/torch_ops.h"

static double number(const lb_value *v) {
    return v->kind == LB_V_INT ? (double)v->integer : v->real;
}

static double ascending(double lo, double hi, int64_t k, int64_t row) {
    return lo + (hi - lo) * (double)(k % row) / (double)row;
}

/* One number of an input of a kind: see Drawn in ops.py. */
static double draw(lb_rng *r, char kind, double lo, double hi, int64_t k, const lb_tensor *x) {
    static const double box[5] = {0, 0, 0, 0.5, 0.5}; /* far corners lie beyond half, near ones before */
    switch (kind) {
    case 'i': return (double)lb_rng_below(r, (int64_t)hi);
    case 's': return ascending(lo, hi, k, x->shape[x->rank - 1]);
    case 'd': return (double)((k * 2654435761LL) % lb_numel(x)) / 16; /* an odd factor: no two alike but by chance */
    case 'b': return k % 5 == 0 ? 0 : hi * (box[k % 5] + lb_rng_uniform(r) / 2);
    default: return lo + (hi - lo) * lb_rng_uniform(r);
    }
}

/* in: [kind, lo, hi, gradient, sizes...] or null. */
static lb_status make_input(lb_tensor **out, const lb_value *in, int place) {
    int64_t shape[LB_MAX_RANK];
    if (in->kind != LB_V_LIST) return LB_OK;
    char kind = in->items[0]->text[0];
    int rank = (int)in->count - 4;
    for (int i = 0; i < rank; i++) shape[i] = in->items[i + 4]->integer;
    lb_status st = lb_tensor_new(out, kind == 'i' ? LB_I64 : LB_REAL, rank, shape);
    if (st != LB_OK) return st;
    lb_tensor *x = *out;
    lb_rng r = lb_rng_of(0, (uint64_t)place, "op-speed");
    for (int64_t k = 0; k < lb_numel(x); k++) {
        double v = draw(&r, kind, number(in->items[1]), number(in->items[2]), k, x);
        if (kind == 'i') lb_i(x)[k] = (int64_t)v;
        else lb_r(x)[k] = (lb_real)v;
    }
    x->requires_grad = in->items[3]->boolean;
    return LB_OK;
}

/* Whole numbers where the op wants places stay; where it wants numbers they become some. */
static const torch_op *op_of(torch_job *j, const char *name) {
    static const char *const counted[] = {"mode", "nonzero", "unique"};
    for (size_t k = 0; k < LB_COUNT(counted); k++)
        if (strcmp(name, counted[k]) == 0 && j->x[0] && j->x[0]->dtype == LB_I64) {
            lb_tensor *real = NULL;
            if (lb_tensor_new(&real, LB_REAL, j->x[0]->rank, j->x[0]->shape) != LB_OK) return NULL;
            lb_convert(real->data, LB_REAL, j->x[0]->data, LB_I64, lb_numel(real));
            lb_tensor_free(j->x[0]);
            j->x[0] = real;
        }
    return torch_find(name);
}

static lb_status once(torch_job *j, const torch_op *op, bool backward) {
    lb_tensor *y[TORCH_OUT];
    int n = 0;
    lb_tape_set_mode(j->t, backward ? LB_TAPE_GRAD : LB_TAPE_NO_GRAD);
    memset(j->y, 0, sizeof j->y);
    torch_run(op, j);
    if (lb_get_bool(j->p, "contiguous", false)) j->y[0] = lb_contiguous(j->t, j->y[0]);
    for (int k = 0; backward && k < TORCH_OUT; k++)
        if (j->y[k] && j->y[k]->requires_grad) y[n++] = j->y[k];
    if (n > 0) lb_backward_from(j->t, n, y, y, false);
    lb_status st = lb_tape_status(j->t);
    lb_tape_reset(j->t);
    for (int i = 0; i < j->nin; i++)
        if (j->x[i]) {
            lb_tensor_free(j->x[i]->grad);
            j->x[i]->grad = NULL;
        }
    return st;
}

static lb_status measure(double *least, torch_job *j, const torch_op *op, bool backward) {
    lb_status st = once(j, op, backward);
    double spent = 0;
    *least = 1e30;
    for (int count = 0; st == LB_OK && (count < 3 || (spent < 0.12 && count < 50)); count++) {
        double start = lb_now();
        st = once(j, op, backward);
        double took = 1e3 * (lb_now() - start);
        spent += 1e-3 * took;
        if (took < *least) *least = took;
    }
    return st;
}

static lb_status one(const lb_value *v) {
    const lb_value *in = lb_get(v, "in");
    torch_job j = {.p = lb_get(v, "p"), .nin = (int)in->count};
    double forward = 0, both = 0;
    bool pulls = false;
    lb_status st = LB_OK;
    LB_TRY(lb_tape_new(&j.t));
    for (int i = 0; i < j.nin; i++) {
        LB_TRY(make_input(&j.x[i], in->items[i], i));
        pulls = pulls || (j.x[i] && j.x[i]->requires_grad);
    }
    const char *name = lb_get_text(v, "op", "");
    const torch_op *op = op_of(&j, name);
    if (!op) LB_TRY(lb_fail(LB_E_ARG, "op-speed: no op %s", name));
    LB_TRY(measure(&forward, &j, op, false));
    if (pulls) LB_TRY(measure(&both, &j, op, true));
    printf("{\"forward\": %.6f, \"both\": ", forward);
    printf(pulls ? "%.6f}\n" : "null}\n", both);
done:
    for (int i = 0; i < j.nin; i++) lb_tensor_free(j.x[i]);
    lb_tape_free(j.t);
    return st;
}

static lb_status run(void) {
    lb_buf text = {0};
    lb_value *cases = NULL;
    char block[4096];
    size_t n;
    lb_status st = LB_OK;
    while ((n = fread(block, 1, sizeof block, stdin)) > 0) lb_buf_add(&text, block, n);
    LB_TRY(lb_buf_status(&text));
    LB_TRY(lb_json_parse(&cases, (const char *)text.data, text.size, "standard input"));
    for (int64_t k = 0; k < cases->count; k++) {
        st = one(cases->items[k]);
        if (st != LB_OK) fprintf(stderr, "op-speed: case %lld (%s): %s\n", (long long)k, lb_get_text(cases->items[k], "op", ""), lb_error_text());
        if (st != LB_OK) break;
    }
done:
    lb_buf_free(&text);
    lb_value_free(cases);
    return st;
}

int main(void) {
    mallopt(M_MMAP_THRESHOLD, 1 << 30); /* gradients of leaves come from here; a network's come from the tape, which keeps its memory */
    mallopt(M_TRIM_THRESHOLD, INT_MAX);
    return run() == LB_OK ? 0 : 1;
}
