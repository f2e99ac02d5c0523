/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include "nn/parts.h"
#include "nn/sequence.h"
#include "tensor/arrange.h"

enum { PARTS_MAX = 32 }; /* layers times directions */

typedef struct net {
    lb_nn *m;
    const lb_recurrent_spec *s;
    int64_t gates; /* 3: GRU, 4: LSTM */
    lb_tensor *start[2], *last[2][PARTS_MAX];
} net;

static lb_tensor *weight(const net *r, const char *what, int layer, bool reverse, int rank, const int64_t *shape) {
    char name[64];
    snprintf(name, sizeof name, "%s_l%d%s", what, layer, reverse ? "_reverse" : "");
    return lb_nn_param(r->m, name, rank, shape, LB_INIT_UNIFORM, 1 / sqrt((double)r->s->hidden)); /* PyTorch's, of all of them */
}

/* Part i of a state [layers directions,N,H]. */
static lb_tensor *part_of(lb_tape *t, lb_tensor *state, int i) { return state ? lb_squeeze(t, lb_slice(t, state, 0, i, i + 1, 1), 0) : NULL; }

/* One layer in one direction; i: its place in states. */
static lb_tensor *one(net *r, lb_tensor *x, int layer, bool reverse, int i) {
    lb_tape *t = lb_nn_tape(r->m);
    int64_t h = r->s->hidden, rows = r->gates * h, in = lbi_size(x, 0);
    lb_tensor *wi = weight(r, "weight_ih", layer, reverse, 2, (int64_t[]){rows, in}), *wh = weight(r, "weight_hh", layer, reverse, 2, (int64_t[]){rows, h});
    lb_tensor *bi = r->s->no_bias ? NULL : weight(r, "bias_ih", layer, reverse, 1, &rows), *bh = r->s->no_bias ? NULL : weight(r, "bias_hh", layer, reverse, 1, &rows);
    lb_tensor *gx = lb_linear(t, x, wi, bi, LB_ACT_NONE), *state = part_of(t, r->start[0], i);
    if (r->gates == 3) return lb_gru(t, gx, wh, bh, state, reverse, &r->last[0][i]);
    return lb_lstm(t, gx, wh, bh, state, part_of(t, r->start[1], i), reverse, &r->last[0][i], &r->last[1][i]);
}

static lb_tensor *all(net *r, lb_tensor *x) {
    lb_tape *t = lb_nn_tape(r->m);
    int layers = r->s->layers > 0 ? (int)r->s->layers : 1, ways = r->s->bidirectional ? 2 : 1;
    if (r->s->hidden < 1 || layers * ways > PARTS_MAX)
        return lb_tape_fail(t, LB_E_ARG, "recurrent layers: %lld of width %lld, expected 1 to %d", (long long)r->s->layers, (long long)r->s->hidden,
                            PARTS_MAX / ways);
    for (int layer = 0; layer < layers; layer++) {
        lb_tensor *y[2];
        if (layer > 0) x = lb_nn_dropout(r->m, x, r->s->dropout);
        for (int way = 0; way < ways; way++) y[way] = one(r, x, layer, way == 1, layer * ways + way);
        x = ways == 2 ? lb_concat(t, 2, y, -1) : y[0];
    }
    return x;
}

static lb_tensor *stacked(const net *r, int which) {
    int ways = r->s->bidirectional ? 2 : 1, count = (r->s->layers > 0 ? (int)r->s->layers : 1) * ways;
    return lb_tape_ok(lb_nn_tape(r->m)) ? lb_stack(lb_nn_tape(r->m), count, r->last[which], 0) : lb_inert(lb_nn_tape(r->m));
}

lb_tensor *lb_nn_gru(lb_nn *m, lb_tensor *x, const lb_recurrent_spec *spec, lb_tensor *state, lb_tensor **last) {
    net r = {.m = m, .s = spec, .gates = 3, .start = {state}};
    lb_tensor *y = all(&r, x);
    if (last) *last = stacked(&r, 0);
    return y;
}

lb_tensor *lb_nn_lstm(lb_nn *m, lb_tensor *x, const lb_recurrent_spec *spec, lb_tensor *state, lb_tensor *cell, lb_tensor **last, lb_tensor **last_cell) {
    net r = {.m = m, .s = spec, .gates = 4, .start = {state, cell}};
    lb_tensor *y = all(&r, x);
    if (last) *last = stacked(&r, 0);
    if (last_cell) *last_cell = stacked(&r, 1);
    return y;
}
