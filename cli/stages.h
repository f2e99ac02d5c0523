/* SPDX-License-Identifier: Apache-2.0 */
/* Where the time of a pipeline goes: seconds of each stage, and which one the others wait for. Locked inside. */
#ifndef LB_CLI_STAGES_H
#define LB_CLI_STAGES_H
#include <pthread.h>
#include "cli/cli.h"

enum { CLI_STAGES = 6 };

typedef struct cli_stages {
    int count;
    const char *names[CLI_STAGES];
    bool parallel[CLI_STAGES]; /* done by workers, several at once; else by the one who takes their results */
    int workers;
    /* private */
    double begin, seconds[CLI_STAGES];
    pthread_mutex_t lock;
    char note[256];
} cli_stages;

/** The first `parallel` names are stages of the workers. The names must outlive the stages. */
void cli_stages_begin(cli_stages *s, const char *const *names, int count, int parallel, int workers);
void cli_stages_end(cli_stages *s);
void cli_stages_add(cli_stages *s, int stage, double seconds);
/** "decode 97 % of 2 workers, model 40 %, write 2 %: decode is the bottleneck": shares of the time since the begin (of workers: of their number times it).
 *  The bottleneck is the largest stage on the side that is busier; none is named while nothing is busy for half of the time. For one thread. */
const char *cli_stages_note(cli_stages *s);
/** The same as a map: seconds by name, workers, "wall", "bottleneck". */
lb_value *cli_stages_value(cli_stages *s);

#endif
