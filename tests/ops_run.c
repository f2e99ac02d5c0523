/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/ops_run.h"
#include <stdio.h>
#include <string.h>
#include "tensor/op.h"
#include "tensor/ops.h"

#ifdef LB_DOUBLE
#define ops_evaluate ops_evaluate_f64
#else
#define ops_evaluate ops_evaluate_f32
#endif

typedef struct run {
    const lb_op *op;
    const lb_op_case *c;
    lb_sig *sig;
    lb_tape *t;
    ops_how how;
    int results;
    lb_tensor *leaf[OPS_IN], *x[OPS_IN], *y[OPS_OUT];
} run;

static int64_t count_of(int rank, const int64_t *shape) {
    int64_t n = 1;
    for (int i = 0; i < rank; i++) n *= shape[i];
    return n;
}

static lb_dtype dtype_of(const run *r, int i) {
    static const lb_dtype types[] = {[LB_SIG_F32] = LB_REAL, [LB_SIG_I64] = LB_I64, [LB_SIG_U8] = LB_U8};
    return types[lb_sig_input_type(r->sig, i)];
}

/* ---- drawing ---- */

/* The op's own mending works on the maths type. */
static lb_status mend(const run *r, ops_values *v) {
    lb_status st = LB_OK;
    void *data[OPS_IN] = {NULL};
    for (int i = 0; i < v->nin; i++) {
        if (!v->in[i]) continue;
        data[i] = lb_alloc((size_t)v->in_n[i] + 1, 8);
        if (!data[i]) LB_TRY(LB_E_NOMEM);
        lb_convert(data[i], dtype_of(r, i), v->in[i], LB_F64, v->in_n[i]);
    }
    r->c->fill(data, v->in_n);
    for (int i = 0; i < v->nin; i++)
        if (data[i]) lb_convert(v->in[i], LB_F64, data[i], dtype_of(r, i), v->in_n[i]);
done:
    for (int i = 0; i < v->nin; i++) lb_free(data[i]);
    return st;
}

static lb_status draw_inputs(const run *r, ops_values *v) {
    const lb_op_case *c = r->c;
    bool drawn = false;
    double lo = c->lo == 0 && c->hi == 0 ? -2 : c->lo, hi = c->lo == 0 && c->hi == 0 ? 2 : c->hi;
    v->nin = lb_sig_inputs(r->sig);
    for (int i = 0; i < v->nin; i++) {
        char name[160];
        v->real[i] = lb_sig_input_type(r->sig, i) == LB_SIG_F32;
        v->in_rank[i] = c->rank[i];
        if (c->rank[i] < 0) continue;
        memcpy(v->in_shape[i], c->shape[i], sizeof c->shape[i]);
        v->in_n[i] = count_of(c->rank[i], c->shape[i]);
        if (v->in[i]) continue;
        v->in[i] = lb_alloc((size_t)v->in_n[i] + 1, sizeof(double));
        if (!v->in[i]) return LB_E_NOMEM;
        drawn = true;
        snprintf(name, sizeof name, "%s/%s/%d", r->op->id, c->name, i);
        lb_rng g = lb_rng_of(7, 0, name);
        for (int64_t k = 0; k < v->in_n[i]; k++)
            v->in[i][k] = v->real[i] ? (double)(float)(lo + (hi - lo) * lb_rng_uniform(&g))
                                     : (double)lb_rng_below(&g, c->imax > 0 ? c->imax : 2);
    }
    return drawn && c->fill ? mend(r, v) : LB_OK;
}

static lb_status draw_weights(const run *r, ops_values *v) {
    for (int k = 0; k < v->results; k++) {
        char name[160];
        if (!v->out_real[k] || v->weight[k]) continue;
        v->weight[k] = lb_alloc((size_t)v->out_n[k] + 1, sizeof(double));
        if (!v->weight[k]) return LB_E_NOMEM;
        snprintf(name, sizeof name, "%s/%s/weight %d", r->op->id, r->c->name, k);
        lb_rng g = lb_rng_of(7, 0, name);
        for (int64_t i = 0; i < v->out_n[k]; i++) v->weight[k][i] = (double)(float)(2 * lb_rng_uniform(&g) - 1);
    }
    return LB_OK;
}

/* ---- inputs on the tape ---- */

/* Where element i of a tensor lies in the memory of its strided stand-in: the last two axes swapped, or every second element. */
static int64_t strided_place(int rank, const int64_t *shape, int64_t i) {
    if (rank < 2) return rank == 1 ? 2 * i : 0;
    int64_t n = shape[rank - 1], m = shape[rank - 2], plane = i / (m * n), rest = i % (m * n);
    return plane * m * n + rest % n * m + rest / n;
}

static lb_status make_input(run *r, const ops_values *v, int i) {
    lb_status st = LB_OK;
    int rank = v->in_rank[i];
    bool strided = r->how == OPS_STRIDED && rank > 0;
    int64_t shape[LB_MAX_RANK];
    memcpy(shape, v->in_shape[i], sizeof shape);
    if (strided && rank == 1) shape[0] *= 2;
    if (strided && rank > 1) {
        shape[rank - 1] = v->in_shape[i][rank - 2];
        shape[rank - 2] = v->in_shape[i][rank - 1];
    }
    LB_TRY(lb_tensor_new(&r->leaf[i], dtype_of(r, i), rank, shape));
    lb_tensor *leaf = r->leaf[i];
    if (!strided) lb_convert(leaf->data, leaf->dtype, v->in[i], LB_F64, v->in_n[i]);
    for (int64_t k = 0; strided && k < v->in_n[i]; k++)
        lb_convert((char *)leaf->data + (size_t)strided_place(rank, v->in_shape[i], k) * lb_dtype_size(leaf->dtype), leaf->dtype, &v->in[i][k], LB_F64, 1);
    leaf->requires_grad = v->real[i] && r->op->backward && r->how != OPS_FORWARD && r->how != OPS_REFERENCE;
    r->x[i] = leaf;
    if (strided) r->x[i] = rank == 1 ? lb_slice(r->t, leaf, 0, 0, INT64_MAX, 2) : lb_transpose(r->t, leaf, -1, -2);
    if (r->how == OPS_COPIES) r->x[i] = lb_contiguous(r->t, leaf);
done:
    return st;
}

static lb_status call(run *r, const lb_op *op, ops_values *v) {
    lb_status st = LB_OK;
    lb_scope s = lb_scope_begin(r->t);
    for (int i = 0; i < v->nin; i++)
        if (v->in_rank[i] >= 0) LB_TRY(make_input(r, v, i));
    lb_apply_n(r->t, op, r->c->params, op->params_size, v->nin, r->x, r->results, r->y);
    for (int k = 0; r->how == OPS_COPIES && k < r->results; k++)
        if (r->y[k]->dtype == LB_REAL) r->y[k] = lb_scale(r->t, r->y[k], 1);
    if (r->how == OPS_COPIES) lb_scope_end_n(r->t, s, r->results, r->y);
    st = lb_tape_status(r->t);
done:
    return st;
}

/* ---- what came out ---- */

static lb_status check_shapes(const run *r, const ops_values *v) {
    lb_status st = LB_OK;
    lb_sig_dims dims;
    lb_sig_shape in[OPS_IN], out;
    int n = 0;
    bool any = r->op->flags & LB_OP_ANY_TYPE;
    lb_sig_dims_init(&dims);
    for (int i = 0; i < v->nin; i++)
        if (v->in_rank[i] >= 0)
            in[n++] = (lb_sig_shape){lb_sig_input_name(r->sig, i), v->in_rank[i], v->in_shape[i],
                                     lb_sig_input_type(r->sig, i)};
    LB_TRY(lb_sig_match(r->sig, &dims, in, n));
    for (int k = 0; k < r->results; k++) {
        lb_sig_type type = r->y[k]->dtype == LB_I64 ? LB_SIG_I64 : r->y[k]->dtype == LB_U8 ? LB_SIG_U8 : LB_SIG_F32;
        out = (lb_sig_shape){lb_sig_output_name(r->sig, k), r->y[k]->rank, r->y[k]->shape,
                             any ? lb_sig_output_type(r->sig, k) : type};
        LB_TRY(lb_sig_check_output(r->sig, &dims, k, &out));
    }
done:
    return st;
}

static lb_status take_results(const run *r, ops_values *v) {
    v->results = r->results;
    for (int k = 0; k < r->results; k++) {
        const lb_tensor *y = r->y[k];
        v->out_rank[k] = y->rank;
        memcpy(v->out_shape[k], y->shape, sizeof(int64_t) * (size_t)y->rank);
        v->out_n[k] = lb_numel(y);
        v->out_real[k] = y->dtype == LB_REAL;
        if (r->how == OPS_SHAPES) continue;
        v->out[k] = lb_alloc((size_t)v->out_n[k] + 1, sizeof(double));
        if (!v->out[k]) return LB_E_NOMEM;
        lb_status st = lb_read_f64(y, v->out[k], v->out_n[k]);
        if (st != LB_OK) return st;
    }
    return LB_OK;
}

static lb_status backward(run *r, ops_values *v) {
    lb_tensor *y[OPS_OUT], *w[OPS_OUT];
    int n = 0;
    for (int k = 0; k < r->results; k++) {
        if (!v->out_real[k]) continue;
        y[n] = r->y[k];
        w[n++] = lb_input(r->t, LB_REAL, r->y[k]->rank, r->y[k]->shape, v->weight[k], LB_F64);
    }
    if (r->how == OPS_TWICE) lb_backward_from(r->t, n, y, w, true);
    lb_backward_from(r->t, n, y, w, false);
    return lb_tape_status(r->t);
}

static lb_status take_gradients(const run *r, ops_values *v) {
    for (int i = 0; i < v->nin; i++) {
        const lb_tensor *g = r->leaf[i] ? r->leaf[i]->grad : NULL;
        if (!g) continue;
        v->grad[i] = lb_alloc((size_t)v->in_n[i] + 1, sizeof(double));
        if (!v->grad[i]) return LB_E_NOMEM;
        bool strided = r->how == OPS_STRIDED;
        if (!strided && lb_read_f64(g, v->grad[i], v->in_n[i]) != LB_OK) return LB_E_FORMAT;
        for (int64_t k = 0; strided && k < v->in_n[i]; k++) v->grad[i][k] = lb_get_at(g, strided_place(v->in_rank[i], v->in_shape[i], k));
    }
    return LB_OK;
}

lb_status ops_evaluate(const char *op, int number, ops_how how, ops_values *v) {
    lb_status st = LB_OK;
    const lb_head *head = NULL;
    lb_op reference;
    run r = {.how = how};
    LB_TRY(lb_family_find(&head, &lb_ops, op));
    r.op = (const lb_op *)head;
    r.c = &r.op->cases[number];
    r.results = r.op->results > 0 ? r.op->results : 1;
    LB_TRY(lb_sig_parse(&r.sig, r.op->sig));
    LB_TRY(draw_inputs(&r, v));
    LB_TRY(lb_tape_new(&r.t));
    if (how == OPS_SHAPES) lb_tape_set_mode(r.t, LB_TAPE_SHAPES);
    if (how == OPS_FORWARD || how == OPS_REFERENCE) lb_tape_set_mode(r.t, LB_TAPE_NO_GRAD);
    reference = *r.op;
    if (how == OPS_REFERENCE) reference.forward = r.op->reference;
    LB_TRY(call(&r, how == OPS_REFERENCE ? &reference : r.op, v));
    LB_TRY(check_shapes(&r, v));
    LB_TRY(take_results(&r, v));
    if (!r.op->backward || how == OPS_FORWARD || how == OPS_REFERENCE || how == OPS_SHAPES) goto done;
    LB_TRY(draw_weights(&r, v));
    LB_TRY(backward(&r, v));
    LB_TRY(take_gradients(&r, v));
done:
    for (int i = 0; i < OPS_IN; i++) lb_tensor_free(r.leaf[i]);
    lb_sig_free(r.sig);
    lb_tape_free(r.t);
    return st;
}
