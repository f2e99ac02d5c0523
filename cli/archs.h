/* SPDX-License-Identifier: Apache-2.0 */
/* For networks that are put together from components of methods: weights by name, then the call. */
#ifndef LB_CLI_ARCHS_H
#define LB_CLI_ARCHS_H
#include "cli/models.h"
#include "distill/method.h"

enum { CLI_PARTS_MAX = 96 };

typedef struct cli_parts {
    lb_nn *nn;
    int count;
    char names[CLI_PARTS_MAX][40];
    lb_tensor *x[CLI_PARTS_MAX];
} cli_parts;

void cli_part_put(cli_parts *p, lb_tensor *x, const char *fmt, ...) LB_PRINTF(3, 4);
/** `<name>_weight`[out,in] and `<name>_bias`[out] of the network under these names; joined with suffixes: ("_w", "_b"). */
void cli_part_linear(cli_parts *p, const char *name, const char *weight, const char *bias, int64_t out, int64_t in);
/** The component on what was put, with parameters "heads 2 hidden 32"; inert outputs after a failure. */
lb_outs cli_part_call(cli_parts *p, const char *method, const char *component, const lb_value *take_params);

#endif
