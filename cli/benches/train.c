/* SPDX-License-Identifier: Apache-2.0 */
/* Whole training steps: forward, cross entropy (of the embedding's numbers for texts), backward, AdamW. */
#include "base/rng.h"
#include "cli/bench.h"
#include "nn/optim.h"

typedef struct net {
    const char *name, *arch, *params;
    int64_t items, size, classes; /* of a batch; a picture's side, or tokens of a text */
    int64_t words;                /* of the vocabulary; 0: pictures */
} net;

static const net nets[] = {
    {"vit-tiny-64-step", "vit", "{\"size\": 64, \"patch\": 8, \"width\": 192, \"depth\": 12, \"heads\": 3, \"mlp\": 768, \"embed\": 0, \"classes\": 100}", 64, 64, 100, 0},
    {"vit-tiny-224-step", "vit", "{\"size\": 224, \"patch\": 16, \"width\": 192, \"depth\": 12, \"heads\": 3, \"mlp\": 768, \"embed\": 0, \"classes\": 100}", 16, 224, 100, 0},
    {"resnet18-224-step", "resnet", "{\"depth\": 18}", 16, 224, 100, 0},
    {"mobilenetv3s-64-step", "mobilenet_v3", "{\"variant\": \"small\", \"classes\": 100}", 64, 64, 100, 0},
    {"text6-128-step", "text_transformer", "{\"vocab\": 30522, \"width\": 384, \"layers\": 6, \"heads\": 6, \"mlp\": 1536, \"max_tokens\": 128, \"embed\": 100}", 32, 128, 100, 30522},
};

typedef struct state {
    lb_model *model;
    lb_tape *tape;
    lb_optim *optim;
    lb_tensor *x, *mask, *label; /* mask: of texts, all tokens count */
    lb_rng rng;
    int64_t step;
} state;

static lb_status once(void *ctx) {
    state *s = ctx;
    lb_tensor *out = NULL;
    lb_store_zero_grad(s->model->store);
    lb_tape_set_training(s->tape, true, &s->rng);
    if (s->mask) lb_model_run(s->model, s->tape, 2, (lb_named[]){{"ids", s->x}, {"mask", s->mask}}, 1, (const char *[]){"embedding"}, &out);
    else lb_model_run(s->model, s->tape, 1, (lb_named[]){{"image", s->x}}, 1, (const char *[]){"logits"}, &out);
    lb_backward(s->tape, lb_cross_entropy(s->tape, out, s->label, NULL, 1, -100, 0, LB_MEAN));
    lb_status st = lb_tape_status(s->tape);
    lb_tape_reset(s->tape);
    return st == LB_OK ? lb_optim_step(s->optim, s->step++, NULL) : st;
}

/* Whole numbers below `end`, drawn. */
static lb_status whole_numbers(lb_tensor **out, lb_rng *r, int rank, const int64_t *shape, int64_t end) {
    lb_status st = lb_tensor_new(out, LB_I64, rank, shape);
    for (int64_t i = 0; st == LB_OK && i < lb_numel(*out); i++) ((int64_t *)(*out)->data)[i] = lb_rng_below(r, end);
    return st;
}

static lb_status inputs(cli_bench *b, state *s, const net *n) {
    int64_t text[] = {n->items, n->size}, image[] = {n->items, 3, n->size, n->size};
    lb_status st = whole_numbers(&s->label, &s->rng, 1, &n->items, n->classes);
    if (st != LB_OK) return st;
    if (n->words == 0) return cli_bench_random(b, &s->x, "image", 4, image);
    st = whole_numbers(&s->x, &s->rng, 2, text, n->words);
    if (st == LB_OK) st = whole_numbers(&s->mask, &s->rng, 2, text, 1);
    for (int64_t i = 0; st == LB_OK && i < lb_numel(s->mask); i++) ((int64_t *)s->mask->data)[i] = 1;
    return st;
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
    LB_TRY(inputs(b, &s, n));
    LB_TRY(cli_bench_best(b, &seconds, 4, 2, once, &s));
    LB_TRY(cli_bench_say(b, n->name, "limbeck", (double)n->items / seconds, n->words ? "seq/s" : "img/s"));
    lb_say(LB_LOG_INFO, "bench", "%s: %.1f MiB of tensors at most", n->name, (double)lb_tape_get_stats(s.tape).peak_bytes / 1048576);
done:
    lb_tensor_free(s.x);
    lb_tensor_free(s.mask);
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

LB_BENCH(train) = {.id = "train", .title = "training steps of image and text networks", .source = "", .run = run};
