/* SPDX-License-Identifier: Apache-2.0 */
/* Forward runs of image networks in evaluation, without gradient. */
#include "cli/bench.h"

#define PICTURES(name_, arch_, params_, images_, runs_) \
    {.name = name_, .arch = arch_, .params = params_, .input = "image", .tap = "logits", .rank = 4, .shape = {images_, 3, 224, 224}, .unit = "img/s", .runs = runs_, .linears = sizeof(arch_) == sizeof "vit"}

static const cli_bench_net nets[] = {
    PICTURES("vit-b16-forward", "vit", "{\"size\": 224, \"patch\": 16, \"width\": 768, \"depth\": 12, \"heads\": 12, \"mlp\": 3072, \"embed\": 0, \"classes\": 1000}", 8, 3),
    PICTURES("resnet18-forward", "resnet", "{\"depth\": 18}", 16, 4),
    PICTURES("resnet50-forward", "resnet", "{\"depth\": 50}", 8, 4),
    PICTURES("mobilenetv3l-forward", "mobilenet_v3", "{\"variant\": \"large\"}", 16, 4),
    PICTURES("efficientnet-lite0-forward", "efficientnet_lite", "{}", 16, 4),
};

static lb_status run(cli_bench *b) {
    lb_status st = LB_OK;
    for (size_t i = 0; i < LB_COUNT(nets) && st == LB_OK; i++) st = cli_bench_forward(b, &nets[i]);
    return st;
}

LB_BENCH(vision) = {.id = "vision", .title = "forward runs of image networks", .source = "", .run = run};
