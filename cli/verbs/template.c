/* SPDX-License-Identifier: Apache-2.0 */
/* To copy: cp template.c mine.c, VERB(mine) in cli/verbs.def, `limbeck mine --help`. Options stand in the table: help, manual page and checks
 * come from it. Results go to stdout (one JSON object a line with --json), remarks to stderr. This one counts the items of inputs. */
#include "cli/cli.h"
#include "datasets/reader.h"

typedef struct options {
    const char *split;
} options;

static const lb_param params[] = {
    LB_PARAM_TEXT(options, split, NULL, NULL, "only items of this split"),
    LB_PARAM_END};

static lb_status run(lb_cli *cli, void *cfg) {
    const options *o = cfg;
    lb_status st = LB_OK;
    lb_items *items = NULL;
    int64_t *chosen = NULL, count = 0;
    LB_TRY(lb_items_open(&items, cli->nwords, cli->words, NULL, NULL));
    LB_TRY(lb_items_split(items, o->split, &chosen, &count));
    if (cli->json) {
        lb_value *v = lb_value_map();
        lb_map_int(v, "items", count);
        st = cli_json(v);
        lb_value_free(v);
    } else {
        st = cli_print("%lld items", (long long)count);
    }
done:
    lb_free(chosen);
    lb_items_free(items);
    return st;
}

LB_VERB(template) = {.id = "template", .title = "count items", .source = "", .params = params, .params_size = sizeof(options), .usage = "template INPUT... [options]",
                     .help = "Counts what the inputs list.", .min_words = 1, .max_words = -1, .run = run};
