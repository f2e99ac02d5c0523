/* SPDX-License-Identifier: Apache-2.0 */
/* Every op with a number result, from its own cases: forward, and forward with backward where it has one. Times of small cases are the
 * overhead of a call; cases named "large" and the op's last word are arithmetic. */
#include <stdio.h>
#include <string.h>
#include "base/rng.h"
#include "base/sig.h"
#include "cli/bench.h"
#include "tensor/op.h"

typedef struct state {
    const lb_op *op;
    const lb_op_case *c;
    lb_tape *tape;
    lb_tensor *in[LB_OP_MAX_IN];
    int nin, repeat;
    bool backward;
} state;

static lb_status once(void *ctx) {
    state *s = ctx;
    int results = s->op->results > 0 ? s->op->results : 1;
    lb_tensor *out[LB_OP_MAX_OUT];
    lb_tape_set_mode(s->tape, s->backward ? LB_TAPE_GRAD : LB_TAPE_NO_GRAD);
    for (int i = 0; i < s->repeat; i++) {
        lb_apply_n(s->tape, s->op, s->c->params, s->op->params_size, s->nin, s->in, results, out);
        if (s->backward && lb_tape_ok(s->tape)) lb_backward_from(s->tape, 1, out, out, false);
        lb_status st = lb_tape_status(s->tape);
        if (st != LB_OK) return st;
        lb_tape_reset(s->tape);
    }
    return LB_OK;
}

static lb_status draw(cli_bench *b, state *s, const lb_sig *sig) {
    lb_status st = LB_OK;
    void *data[LB_OP_MAX_IN] = {NULL};
    int64_t numel[LB_OP_MAX_IN] = {0};
    double lo = s->c->lo == 0 && s->c->hi == 0 ? -2 : s->c->lo, hi = s->c->lo == 0 && s->c->hi == 0 ? 2 : s->c->hi;
    s->nin = lb_sig_inputs(sig);
    for (int i = 0; i < s->nin; i++) {
        static const lb_dtype types[] = {[LB_SIG_F32] = LB_REAL, [LB_SIG_I64] = LB_I64, [LB_SIG_U8] = LB_U8};
        lb_dtype type = types[lb_sig_input_type(sig, i)];
        if (s->c->rank[i] < 0) continue;
        LB_TRY(lb_tensor_new(&s->in[i], type, s->c->rank[i], s->c->shape[i]));
        lb_rng r = lb_rng_of(b->cli->seed, (uint64_t)i, s->c->name);
        data[i] = s->in[i]->data;
        numel[i] = lb_numel(s->in[i]);
        for (int64_t k = 0; k < numel[i]; k++) {
            double x = type == LB_REAL ? lo + (hi - lo) * lb_rng_uniform(&r) : (double)lb_rng_below(&r, s->c->imax > 0 ? s->c->imax : 2);
            lb_convert((char *)data[i] + (size_t)k * lb_dtype_size(type), type, &x, LB_F64, 1);
        }
        s->in[i]->requires_grad = type == LB_REAL && s->op->backward;
    }
    if (s->c->fill) s->c->fill(data, numel);
done:
    return st;
}

static lb_status measure(cli_bench *b, state *s, const char *name) {
    double seconds = 0;
    s->repeat = 1;
    lb_status st = cli_bench_best(b, &seconds, 2, 1, once, s);
    if (st != LB_OK) return st;
    s->repeat = seconds > 0 && seconds < 2e-4 ? (int)(2e-4 / seconds) + 1 : 1; /* clocks tick in some 50 ns */
    st = cli_bench_best(b, &seconds, 5, 1, once, s);
    return st == LB_OK ? cli_bench_say(b, name, "limbeck", 1e3 * seconds / s->repeat, "ms") : st;
}

static lb_status one(cli_bench *b, const lb_op *op, const lb_op_case *c) {
    lb_status st = LB_OK;
    state s = {.op = op, .c = c};
    lb_sig *sig = NULL;
    char forward[160], both[192];
    snprintf(forward, sizeof forward, "op/%s/%s", op->id, c->name);
    snprintf(both, sizeof both, "%s/backward", forward);
    if (!cli_bench_wants(b, both)) return LB_OK;
    LB_TRY(lb_sig_parse(&sig, op->sig));
    LB_TRY(lb_tape_new(&s.tape));
    LB_TRY(draw(b, &s, sig));
    if (cli_bench_wants(b, forward)) LB_TRY(measure(b, &s, forward));
    s.backward = op->backward != NULL;
    if (s.backward) LB_TRY(measure(b, &s, both));
done:
    for (int i = 0; i < LB_OP_MAX_IN; i++) lb_tensor_free(s.in[i]);
    lb_sig_free(sig);
    lb_tape_free(s.tape);
    return st;
}

static lb_status run(cli_bench *b) {
    lb_status st = LB_OK;
    for (int i = 0; i < lb_ops.count; i++) {
        const lb_op *op = (const lb_op *)lb_ops.members[i];
        for (int k = 0; k < op->case_count && st == LB_OK; k++) st = one(b, op, &op->cases[k]);
    }
    return st;
}

LB_BENCH(ops) = {.id = "ops", .title = "every op, from its own cases", .source = "", .run = run};
