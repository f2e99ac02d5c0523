/* SPDX-License-Identifier: Apache-2.0 */
/* `limbeck bench`: groups of figures are a family (cli/benches/<id>.c, one line in cli/benches.def). A figure's name says model, batch and
 * size; the same names are used by bench/peers.py for other programs. */
#ifndef LB_CLI_BENCH_H
#define LB_CLI_BENCH_H
#include "cli/cli.h"
#include "nn/model.h"

typedef struct cli_bench {
    lb_cli *cli;
    const char *only; /* figures whose name holds this; NULL = all */
    const char *file; /* for groups that measure on a file; NULL = none */
} cli_bench;

typedef struct lb_bench {
    LB_HEAD;
    lb_status (*run)(cli_bench *b);
} lb_bench;
#define LB_BENCH(name) const lb_bench lb_bench_##name
extern const lb_family lb_benches;

/** Is this figure asked for? */
bool cli_bench_wants(const cli_bench *b, const char *name);
/** The least seconds of `runs` calls of once(ctx), after `warm` that do not count. LB_E_CANCELLED when a stop was asked for. */
LB_MUST_USE lb_status cli_bench_best(cli_bench *b, double *seconds, int runs, int warm, lb_status (*once)(void *ctx), void *ctx);
/** Prints one figure; peer is "limbeck", or "limbeck-bf16" for a variant. In "ms" less is better, in other units more. */
LB_MUST_USE lb_status cli_bench_say(cli_bench *b, const char *name, const char *peer, double value, const char *unit);
/** A model with random weights: arch by name, parameters as JSON text. */
LB_MUST_USE lb_status cli_bench_model(cli_bench *b, lb_model **out, const char *arch, const char *params);
/** A tensor of its own with normal numbers that are a function of seed and name. */
LB_MUST_USE lb_status cli_bench_random(cli_bench *b, lb_tensor **out, const char *name, int rank, const int64_t *shape);


/* A forward run of a network with random weights, in evaluation without gradient. */
typedef struct cli_bench_net {
    const char *name, *arch, *params; /* of the figure; of the arch, as JSON text */
    const char *input, *tap;          /* "ids": whole numbers, with a mask of ones; else normal numbers */
    int rank;
    int64_t shape[4];
    const char *unit;                 /* items (the first size) a second: "img/s" */
    int runs;
    bool linears;                     /* most of it is linear layers: also in int8 */
} cli_bench_net;
/** Measures and says it, where it is asked for. */
LB_MUST_USE lb_status cli_bench_forward(cli_bench *b, const cli_bench_net *net);

#endif
