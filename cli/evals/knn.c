/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/eval.h"

static lb_status run(lb_value *out, const cli_eval_words *o, lb_cli *cli) { return cli_eval_fitted(out, "knn", o, cli); }

LB_EVAL(knn) = {.id = "knn", .title = "nearest neighbours of frozen features vote for a class", .source = "",
                .usage = "knn --input ... --model MODEL | --rows FILE:TAP | --train FILE:TAP --test FILE:TAP", .run = run};
