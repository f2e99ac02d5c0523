/* SPDX-License-Identifier: Apache-2.0 */
/* Forward runs of text networks in evaluation, without gradient: the size of all-MiniLM-L6-v2. */
#include "cli/bench.h"

static lb_status run(cli_bench *b) {
    static const cli_bench_net minilm = {.name = "minilm-l6-forward-b32-t128", .arch = "bert", .params = "{\"hidden_size\": 384, \"num_hidden_layers\": 6, \"num_attention_heads\": 12, \"intermediate_size\": 1536}", .input = "ids",
                                         .tap = "tokens", .rank = 2, .shape = {32, 128}, .unit = "seq/s", .runs = 5, .linears = true};
    return cli_bench_forward(b, &minilm);
}

LB_BENCH(text_nets) = {.id = "text_nets", .title = "forward runs of text networks", .source = "", .run = run};
