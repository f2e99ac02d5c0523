/* SPDX-License-Identifier: Apache-2.0 */
/* `limbeck bench [GROUP...]`: what this program does on this machine, under names that other programs are measured by too. */
#include <string.h>
#include "cli/bench.h"

typedef struct options {
    const char *only, *file;
} options;

static const lb_param params[] = {LB_PARAM_TEXT(options, only, NULL, NULL, "only figures whose name holds this"),
                                  LB_PARAM_TEXT(options, file, NULL, NULL, "of the group video: the file to measure on; of text: a folder of further tokenizers"), LB_PARAM_END};

static lb_status run(lb_cli *cli, void *opts) {
    lb_status st = LB_OK;
    const options *o = opts;
    cli_bench b = {cli, o->only, o->file};
    for (int i = 0; i < cli->nwords; i++) {
        const lb_head *found = NULL;
        if (lb_family_find(&found, &lb_benches, cli->words[i]) != LB_OK) return cli_usage("%s", lb_error_text());
    }
    for (int g = 0; g < lb_benches.count; g++) {
        const lb_bench *group = (const lb_bench *)lb_benches.members[g];
        bool asked = cli->nwords == 0;
        for (int i = 0; i < cli->nwords; i++) asked = asked || lb_family_at(&lb_benches, cli->words[i]) == (const lb_head *)group;
        if (asked) LB_TRY(group->run(&b));
    }
done:
    return st;
}

LB_VERB(bench) = {.id = "bench", .title = "speed of this machine and program: products, networks, training steps, losses, every op", .source = "", .params = params, .params_size = sizeof(options),
                  .usage = "bench [GROUP...] [--only TEXT] [--file VIDEO] [--json]", .max_words = -1,
                  .help = "Each figure is the best of several runs after a warm-up, with random weights. bench/run.sh measures other programs under the same names and prints the ratios.\n"
                          "Groups: `limbeck describe benches`. Use --threads 2 to compare with bench/peers.py. LB_CPU=ref|blas|avx2|avx512|bf16|amx holds the kernels to that level.",
                  .run = run};
