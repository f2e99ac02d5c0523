/* SPDX-License-Identifier: Apache-2.0 */
/* `limbeck synth NAME --out FOLDER`: made data. */
#include "cli/items.h"
#include "datasets/synth.h"

typedef struct options {
    const char *out;
    lb_text_list option;
    double damage;
} options;

static const lb_param params[] = {
    LB_PARAM_WORD(options, out, "FOLDER", "folder of the set"),
    LB_PARAM_LIST(options, option, "KEY=VALUE", "a parameter of the set (limbeck describe synths NAME)"),
    LB_PARAM(options, damage, 0, 0, 1, "1", "share of the pictures that are spoiled: cut off, empty, or no picture"),
    LB_PARAM_END};

static lb_status run(lb_cli *cli, void *opts) {
    const options *o = opts;
    lb_status st = LB_OK;
    const lb_head *found = NULL;
    int64_t count = 0;
    lb_value *set = NULL;
    if (!o->out) LB_TRY(cli_usage("synth wants --out FOLDER"));
    if (lb_family_find(&found, &lb_synths, cli->words[0]) != LB_OK) LB_TRY(cli_usage("%s", lb_error_text()));
    LB_TRY(cli_key_values(&set, &o->option));
    for (int64_t i = 0; i < set->count; i++) {
        const lb_param *row = NULL;
        if (lb_param_get(&row, found->params, set->keys[i]) != LB_OK) LB_TRY(cli_usage("%s: %s", cli->words[0], lb_error_text()));
    }
    LB_TRY(lb_synth_make((const lb_synth *)found, o->out, set, cli->seed, o->damage, &cli->progress, &count));
    if (cli->json) {
        lb_value *v = lb_value_map();
        lb_map_int(v, "items", count);
        lb_map_text(v, "folder", o->out);
        st = cli_json(v);
        lb_value_free(v);
    } else st = cli_print("%s: %lld items; limbeck list --input %s/list.jsonl", o->out, (long long)count, o->out);
done:
    lb_value_free(set);
    return st;
}

LB_VERB(synth) = {.id = "synth",
                  .title = "made data sets: pictures with captions, labels and exact masks; texts",
                  .source = "",
                  .params = params,
                  .params_size = sizeof(options),
                  .usage = "synth NAME --out FOLDER [--option KEY=VALUE...] [--damage RATE]",
                  .help = "The same seed gives the same bytes on every machine. limbeck describe synths lists the sets.",
                  .min_words = 1,
                  .max_words = 1,
                  .run = run};
