/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/bench.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/rng.h"
#include "cli/models.h"
#include "tensor/precision.h"

#define BENCH(id) extern LB_BENCH(id);
#include "cli/benches.def"
#undef BENCH

static const lb_head *const members[] = {
#define BENCH(id) (const lb_head *)&lb_bench_##id,
#include "cli/benches.def"
#undef BENCH
};

const lb_family lb_benches = {.name = "benches", .text = "groups of figures that bench measures", .def = "cli/benches.def", .dir = "cli/benches", .count = (int)LB_COUNT(members), .members = members};

bool cli_bench_wants(const cli_bench *b, const char *name) { return !b->only || strstr(name, b->only); }

lb_status cli_bench_best(cli_bench *b, double *seconds, int runs, int warm, lb_status (*once)(void *ctx), void *ctx) {
    double best = 0;
    for (int i = -warm; i < runs; i++) {
        if (lb_progress_stopped(&b->cli->progress)) return lb_fail(LB_E_CANCELLED, "bench: stopped");
        double start = lb_now();
        lb_status st = once(ctx);
        if (st != LB_OK) return st;
        double took = lb_now() - start;
        if (i == 0 || (i > 0 && took < best)) best = took;
    }
    *seconds = best;
    return LB_OK;
}

lb_status cli_bench_say(cli_bench *b, const char *name, const char *peer, double value, const char *unit) {
    if (!b->cli->json) {
        lb_status st = cli_print("%-40s %12.3f %-8s %s", name, value, unit, peer);
        return st == LB_OK ? cli_flush() : st;
    }
    lb_value *v = lb_value_map();
    lb_map_text(v, "name", name);
    lb_map_text(v, "peer", peer);
    lb_map_real(v, "value", value);
    lb_map_text(v, "unit", unit);
    lb_status st = cli_json(v);
    lb_value_free(v);
    return st;
}

lb_status cli_bench_model(cli_bench *b, lb_model **out, const char *arch, const char *params) {
    lb_status st = LB_OK;
    const lb_head *head = NULL;
    lb_value *v = NULL;
    lb_model *m = NULL;
    LB_TRY(lb_family_find(&head, &lb_archs, arch));
    LB_TRY(lb_json_parse(&v, params, strlen(params), arch));
    LB_TRY(lb_model_new(&m, (const lb_arch *)head, v));
    LB_TRY(lb_store_init(m->store, b->cli->seed));
    *out = m;
    m = NULL;
done:
    lb_value_free(v);
    lb_model_free(m);
    return st;
}

lb_status cli_bench_random(cli_bench *b, lb_tensor **out, const char *name, int rank, const int64_t *shape) {
    lb_status st = lb_tensor_new(out, LB_REAL, rank, shape);
    if (st != LB_OK) return st;
    lb_rng r = lb_rng_of(b->cli->seed, 0, name);
    lb_real *x = (*out)->data;
    for (int64_t i = 0, n = lb_numel(*out); i < n; i++) x[i] = (lb_real)lb_rng_normal(&r);
    return LB_OK;
}

/* ---- forward runs ---- */

typedef struct forward {
    lb_model *model;
    lb_tape *tape;
    lb_named in[2];
    int nin;
    const char *tap;
} forward;

static lb_status forward_once(void *ctx) {
    forward *f = ctx;
    lb_tensor *out = NULL;
    lb_model_run(f->model, f->tape, f->nin, f->in, 1, &f->tap, &out);
    lb_status st = lb_tape_status(f->tape);
    lb_tape_reset(f->tape);
    return st;
}

/* Ids below 1000 and a mask of ones, or normal numbers. */
static lb_status forward_inputs(cli_bench *b, forward *f, const cli_bench_net *net) {
    lb_status st = LB_OK;
    if (strcmp(net->input, "ids") != 0) {
        f->in[f->nin++].name = net->input;
        return cli_bench_random(b, &f->in[0].x, net->input, net->rank, net->shape);
    }
    lb_rng r = lb_rng_of(b->cli->seed, 0, net->name);
    for (; f->nin < 2 && st == LB_OK; f->nin++) {
        f->in[f->nin].name = f->nin ? "mask" : "ids";
        st = lb_tensor_new(&f->in[f->nin].x, LB_I64, net->rank, net->shape);
        for (int64_t i = 0; st == LB_OK && i < lb_numel(f->in[f->nin].x); i++) ((int64_t *)f->in[f->nin].x->data)[i] = f->nin ? 1 : lb_rng_below(&r, 1000);
    }
    return st;
}

/* Of all numbers of the tap, between f32 and p. */
static lb_status forward_cosine(forward *f, lb_precision p, double *cosine) {
    lb_status st = LB_OK;
    lb_tensor *out = NULL, *kept[2] = {0};
    double dot = 0, square[2] = {0};
    for (int i = 0; i < 2; i++) {
        lb_tape_set_precision(f->tape, i ? p : LB_PRECISION_F32);
        lb_model_run(f->model, f->tape, f->nin, f->in, 1, &f->tap, &out);
        LB_TRY(lb_tape_status(f->tape));
        LB_TRY(lb_tensor_copy(&kept[i], out, LB_F32));
        lb_tape_reset(f->tape);
    }
    const float *a = kept[0]->data, *c = kept[1]->data;
    for (int64_t i = 0; i < lb_numel(kept[0]); i++) {
        dot += (double)a[i] * (double)c[i];
        square[0] += (double)a[i] * (double)a[i];
        square[1] += (double)c[i] * (double)c[i];
    }
    *cosine = dot / sqrt(square[0] * square[1]);
done:
    for (int i = 0; i < 2; i++) lb_tensor_free(kept[i]);
    return st;
}

lb_status cli_bench_forward(cli_bench *b, const cli_bench_net *net) {
    lb_status st = LB_OK;
    forward f = {.tap = net->tap};
    double seconds = 0;
    if (!cli_bench_wants(b, net->name)) return LB_OK;
    LB_TRY(cli_bench_model(b, &f.model, net->arch, net->params));
    lb_store_fix(f.model->store, true);
    LB_TRY(lb_tape_new(&f.tape));
    lb_tape_set_mode(f.tape, LB_TAPE_NO_GRAD);
    LB_TRY(forward_inputs(b, &f, net));
    for (lb_precision p = LB_PRECISION_F32; p <= LB_PRECISION_INT8; p++) {
        char peer[32], name[96];
        if (lb_precision_here(p) != p || (p == LB_PRECISION_INT8 && !net->linears)) continue;
        lb_tape_set_precision(f.tape, p);
        LB_TRY(cli_bench_best(b, &seconds, net->runs, 2, forward_once, &f));
        snprintf(peer, sizeof peer, p ? "limbeck-%s" : "limbeck", lb_precision_name(p));
        LB_TRY(cli_bench_say(b, net->name, peer, (double)net->shape[0] / seconds, net->unit));
        if (p == LB_PRECISION_F32) continue;
        snprintf(name, sizeof name, "%s-%s-cosine", net->name, lb_precision_name(p));
        LB_TRY(forward_cosine(&f, p, &seconds));
        LB_TRY(cli_bench_say(b, name, "limbeck", seconds, "1"));
    }
done:
    for (int i = 0; i < 2; i++) lb_tensor_free(f.in[i].x);
    lb_tape_free(f.tape);
    lb_model_free(f.model);
    return st;
}
