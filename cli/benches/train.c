/* SPDX-License-Identifier: Apache-2.0 */
/* Whole training steps: forward, cross entropy, backward, AdamW. */
#include "base/rng.h"
#include "cli/bench.h"
#include "nn/optim.h"

typedef struct net {
    const char *name, *arch, *params;
    int64_t images, size, classes;
} net;

static const net nets[] = {
    {"vit-tiny-64-step", "vit", "{\"size\": 64, \"patch\": 8, \"width\": 192, \"depth\": 12, \"heads\": 3, \"mlp\": 768, \"embed\": 0, \"classes\": 100}", 64, 64, 100},
    {"vit-tiny-224-step", "vit", "{\"size\": 224, \"patch\": 16, \"width\": 192, \"depth\": 12, \"heads\": 3, \"mlp\": 768, \"embed\": 0, \"classes\": 100}", 16, 224, 100},
    {"resnet18-224-step", "resnet", "{\"depth\": 18}", 16, 224, 100},
    {"mobilenetv3s-64-step", "mobilenet_v3", "{\"variant\": \"small\", \"classes\": 100}", 64, 64, 100},
};

typedef struct state {
    lb_model *model;
    lb_tape *tape;
    lb_optim *optim;
    lb_tensor *image, *label;
    lb_rng rng;
    int64_t step;
} state;

static lb_status once(void *ctx) {
    state *s = ctx;
    lb_tensor *out = NULL;
    lb_store_zero_grad(s->model->store);
    lb_tape_set_training(s->tape, true, &s->rng);
    lb_model_run(s->model, s->tape, 1, (lb_named[]){{"image", s->image}}, 1, (const char *[]){"logits"}, &out);
    lb_backward(s->tape, lb_cross_entropy(s->tape, out, s->label, NULL, 1, -100, 0, LB_MEAN));
    lb_status st = lb_tape_status(s->tape);
    lb_tape_reset(s->tape);
    return st == LB_OK ? lb_optim_step(s->optim, s->step++, NULL) : st;
}

static lb_status one(cli_bench *b, const net *n) {
    lb_status st = LB_OK;
    state s = {.rng = lb_rng_of(b->cli->seed, 0, n->name)};
    lb_optim_config c = {0};
    double seconds = 0;
    if (!cli_bench_wants(b, n->name)) return LB_OK;
    LB_TRY(lb_params_default(lb_optim_params, &c));
    LB_TRY(cli_bench_model(b, &s.model, n->arch, n->params));
    LB_TRY(lb_optim_new(&s.optim, &c, s.model->store, 1000));
    LB_TRY(lb_tape_new(&s.tape));
    LB_TRY(cli_bench_random(b, &s.image, "image", 4, (int64_t[]){n->images, 3, n->size, n->size}));
    LB_TRY(lb_tensor_new(&s.label, LB_I64, 1, &n->images));
    for (int64_t i = 0; i < n->images; i++) ((int64_t *)s.label->data)[i] = lb_rng_below(&s.rng, n->classes);
    LB_TRY(cli_bench_best(b, &seconds, 4, 2, once, &s));
    LB_TRY(cli_bench_say(b, n->name, "limbeck", (double)n->images / seconds, "img/s"));
    lb_say(LB_LOG_INFO, "bench", "%s: %.1f MiB of tensors at most", n->name, (double)lb_tape_get_stats(s.tape).peak_bytes / 1048576);
done:
    lb_tensor_free(s.image);
    lb_tensor_free(s.label);
    lb_tape_free(s.tape);
    lb_optim_free(s.optim);
    lb_model_free(s.model);
    lb_params_free(lb_optim_params, &c);
    return st;
}

static lb_status run(cli_bench *b) {
    lb_status st = LB_OK;
    for (size_t i = 0; i < LB_COUNT(nets) && st == LB_OK; i++) st = one(b, &nets[i]);
    return st;
}

LB_BENCH(train) = {.id = "train", .title = "training steps of image networks", .source = "", .run = run};
