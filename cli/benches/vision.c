/* SPDX-License-Identifier: Apache-2.0 */
/* Forward runs of image networks in evaluation, without gradient. */
#include "cli/bench.h"

typedef struct net {
    const char *name, *arch, *params;
    int64_t images, size;
    int runs;
} net;

static const net nets[] = {
    {"vit-b16-forward", "vit", "{\"size\": 224, \"patch\": 16, \"width\": 768, \"depth\": 12, \"heads\": 12, \"mlp\": 3072, \"embed\": 0, \"classes\": 1000}", 8, 224, 3},
    {"resnet18-forward", "resnet", "{\"depth\": 18}", 16, 224, 4},
    {"resnet50-forward", "resnet", "{\"depth\": 50}", 8, 224, 4},
    {"mobilenetv3l-forward", "mobilenet_v3", "{\"variant\": \"large\"}", 16, 224, 4},
    {"efficientnet-lite0-forward", "efficientnet_lite", "{}", 16, 224, 4},
};

typedef struct state {
    lb_model *model;
    lb_tape *tape;
    lb_tensor *image;
} state;

static lb_status once(void *ctx) {
    state *s = ctx;
    lb_tensor *out = NULL;
    lb_model_run(s->model, s->tape, 1, (lb_named[]){{"image", s->image}}, 1, (const char *[]){"logits"}, &out);
    lb_status st = lb_tape_status(s->tape);
    lb_tape_reset(s->tape);
    return st;
}

static lb_status one(cli_bench *b, const net *n) {
    lb_status st = LB_OK;
    state s = {0};
    double seconds = 0;
    if (!cli_bench_wants(b, n->name)) return LB_OK;
    LB_TRY(cli_bench_model(b, &s.model, n->arch, n->params));
    LB_TRY(lb_tape_new(&s.tape));
    lb_tape_set_mode(s.tape, LB_TAPE_NO_GRAD);
    LB_TRY(cli_bench_random(b, &s.image, "image", 4, (int64_t[]){n->images, 3, n->size, n->size}));
    LB_TRY(cli_bench_best(b, &seconds, n->runs, 2, once, &s));
    LB_TRY(cli_bench_say(b, n->name, "limbeck", (double)n->images / seconds, "img/s"));
done:
    lb_tensor_free(s.image);
    lb_tape_free(s.tape);
    lb_model_free(s.model);
    return st;
}

static lb_status run(cli_bench *b) {
    lb_status st = LB_OK;
    for (size_t i = 0; i < LB_COUNT(nets) && st == LB_OK; i++) st = one(b, &nets[i]);
    return st;
}

LB_BENCH(vision) = {.id = "vision", .title = "forward runs of image networks", .source = "", .run = run};
