/* SPDX-License-Identifier: Apache-2.0 */
/* Command-line words -> a verb's options struct, and help pages, both from the parameter tables. Private to the command. */
#ifndef LB_CLI_OPTIONS_H
#define LB_CLI_OPTIONS_H
#include "cli/cli.h"

/* The options every verb has. */
typedef struct cli_common {
    bool help, json, quiet;
    int threads;
    int64_t seed;
} cli_common;
extern const lb_param cli_common_params[];

/** Fills both structs (defaults first) from argv; words that belong to no option go to words (argc entries are enough).
 *  `--name value`, `--name=value`, `--flag`, `--no-flag`, a list takes words until the next option; `--` ends options. */
LB_MUST_USE lb_status cli_parse(const lb_verb *verb, void *options, cli_common *common, int argc, char *const *argv, const char **words, int *nwords);
void cli_help_verb(const lb_verb *verb, lb_buf *out);
void cli_help_all(lb_buf *out);
/** The manual page of the command, all verbs with their options, as man(7) reads it. */
void cli_manual(lb_buf *out);

#endif
