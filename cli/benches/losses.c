/* SPDX-License-Identifier: Apache-2.0 */
/* Losses and costly ops, forward and backward. */
#include <limits.h>
#include <malloc.h>
#include <string.h>
#include "cli/bench.h"
#include "distill/method.h"

enum { INPUTS = 2 };
typedef struct loss loss;
typedef struct state {
    const loss *loss;
    lb_tape *tape;
    lb_tensor *in[INPUTS];
} state;

struct loss {
    const char *name;
    int rank[INPUTS]; /* 0 = absent */
    int64_t shape[INPUTS][4];
    bool trained[INPUTS];
    lb_tensor *(*value)(state *s);
    int runs;
};

static lb_tensor *component(state *s, const char *method, const char *name, const char *params, const char *const names[INPUTS], lb_tensor *const *in, int nin) {
    const lb_head *head = NULL;
    const lb_component *c = NULL;
    lb_outs out = {0};
    lb_value *v = NULL;
    void *cfg = NULL;
    lb_status st = LB_OK;
    LB_TRY(lb_family_find(&head, &lb_methods, method));
    const lb_method *m = (const lb_method *)head;
    LB_TRY(lb_component_find(&c, m, name));
    LB_TRY(lb_json_parse(&v, params, strlen(params), name));
    LB_TRY(lb_component_config(&cfg, m, c, v));
    lb_component_run(s->tape, m, c, cfg, nin, names, in, &out);
    lb_params_free(m->params, cfg);
done:
    lb_value_free(v);
    lb_free(cfg);
    return st != LB_OK ? lb_tape_fail_status(s->tape, st) : lb_tape_ok(s->tape) ? out.at[0] : lb_inert(s->tape);
}

static lb_tensor *kd_kl(state *s) {
    lb_tensor *labels = lb_arange(s->tape, s->in[0]->shape[0]);
    return component(s, "kd_divergences", "vanilla_kd", "{\"temperature\": 4, \"alpha\": 1}", (const char *[]){"student_logits", "teacher_logits", "labels"},
                     (lb_tensor *[]){s->in[0], s->in[1], labels}, 3);
}

static lb_tensor *infonce(state *s) {
    return component(s, "infonce", "symmetric", "{\"temperature\": 0.0699300699}", (const char *[]){"image_embed", "text_embed"}, s->in, 2);
}

static lb_tensor *rkd_distance(state *s) { return component(s, "rkd", "distance", "{}", (const char *[]){"student", "teacher"}, s->in, 2); }
static lb_tensor *rkd_angle(state *s) { return component(s, "rkd", "angle", "{}", (const char *[]){"student", "teacher"}, s->in, 2); }

static lb_tensor *token_mse(state *s) {
    return lb_layer_norm_mse(s->tape, s->in[0], s->in[1], 1e-5);
}

static lb_tensor *attention(state *s) { return lb_sum_all(s->tape, lb_attention(s->tape, s->in[0], s->in[0], s->in[0], (lb_attention_spec){.scale = 0.125})); }
static lb_tensor *conv(state *s) { return lb_sum_all(s->tape, lb_conv2d(s->tape, s->in[0], s->in[1], NULL, lb_conv_same(1, 1, 1), LB_ACT_NONE)); }

static const loss losses[] = {
    {"kd-kl-256x1000", {2, 2}, {{256, 1000}, {256, 1000}}, {true, false}, kd_kl, 50},
    {"infonce-256x512", {2, 2}, {{256, 512}, {256, 512}}, {true, true}, infonce, 50},
    {"rkd-distance-256x512", {2, 2}, {{256, 512}, {256, 512}}, {true, false}, rkd_distance, 50},
    {"rkd-angle-128x256", {2, 2}, {{128, 256}, {128, 256}}, {true, false}, rkd_angle, 50},
    {"token-mse-64x196x384", {3, 3}, {{64, 196, 384}, {64, 196, 384}}, {true, false}, token_mse, 20},
    {"attention-8x12x197x64", {4, 0}, {{8, 12, 197, 64}}, {true, false}, attention, 20},
    {"conv3x3-16x64x56", {4, 4}, {{16, 64, 56, 56}, {64, 64, 3, 3}}, {true, true}, conv, 20},
};

static lb_status once(void *ctx) {
    state *s = ctx;
    for (int i = 0; i < INPUTS; i++) {
        if (!s->in[i]) continue;
        lb_tensor_free(s->in[i]->grad);
        s->in[i]->grad = NULL;
    }
    lb_backward(s->tape, s->loss->value(s));
    lb_status st = lb_tape_status(s->tape);
    lb_tape_reset(s->tape);
    return st;
}

static lb_status one(cli_bench *b, const loss *l) {
    static const char *const names[INPUTS] = {"first", "second"};
    lb_status st = LB_OK;
    state s = {.loss = l};
    double seconds = 0;
    if (!cli_bench_wants(b, l->name)) return LB_OK;
    LB_TRY(lb_tape_new(&s.tape));
    for (int i = 0; i < INPUTS; i++) {
        if (l->rank[i] == 0) continue;
        LB_TRY(cli_bench_random(b, &s.in[i], names[i], l->rank[i], l->shape[i]));
        s.in[i]->requires_grad = l->trained[i];
    }
    LB_TRY(cli_bench_best(b, &seconds, l->runs, 3, once, &s));
    LB_TRY(cli_bench_say(b, l->name, "limbeck", 1e3 * seconds, "ms"));
done:
    for (int i = 0; i < INPUTS; i++) lb_tensor_free(s.in[i]);
    lb_tape_free(s.tape);
    return st;
}

static lb_status run(cli_bench *b) {
    lb_status st = LB_OK;
    mallopt(M_MMAP_THRESHOLD, 1 << 30); /* gradients of leaves come from here; a network's come from the tape, which keeps its memory */
    mallopt(M_TRIM_THRESHOLD, INT_MAX);
    for (size_t i = 0; i < LB_COUNT(losses) && st == LB_OK; i++) st = one(b, &losses[i]);
    return st;
}

LB_BENCH(losses) = {.id = "losses", .title = "losses and costly ops, forward and backward", .source = "", .run = run};
