/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/eval.h"

static lb_status run(lb_value *out, const cli_eval_words *o, lb_cli *cli) { return cli_eval_fitted(out, "probe", o, cli); }

LB_EVAL(probe) = {.id = "probe", .title = "logistic regression on frozen features", .source = "",
                  .usage = "probe --input ... --model MODEL | --rows FILE:TAP | --train FILE:TAP --test FILE:TAP", .run = run};
