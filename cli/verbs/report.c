/* SPDX-License-Identifier: Apache-2.0 */
/* `limbeck report RUN... --out X.html`: one self-contained page from run folders. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "base/file.h"
#include "cli/report_page.h"
#include "eval/report.h"
#include "lb_version.h"

typedef struct options {
    cli_items items;
    const char *out, *summary, *title, *grid;
    lb_text_list fact, masks;
    bool nonzero;
    int64_t queries;
} options;

static const lb_param params[] = {
    LB_PARAM_WORD(options, out, "X.html", "the page"),
    LB_PARAM_WORD(options, summary, "X.json", "also the scores by recipe as JSON: mean and std of R@1, R@5, R@10"),
    LB_PARAM_TEXT(options, title, "Limbeck report", NULL, "title of the page"),
    LB_PARAM_LIST(options, fact, "KEY=VALUE", "something to state on the page and in the summary; repeat for several"),
    LB_PARAM_WORD(options, grid, "MODEL", "a model whose first hits are shown as pictures, over the items"),
    LB_PARAM_LIST(options, masks, "MODEL", "models whose masks are drawn over the pictures, beside the true ones"),
    LB_PARAM_FLAG(options, nonzero, false, "every value of a true mask above 0 is 1"),
    LB_PARAM(options, queries, 12, 1, 1000, "rows", "rows of each grid"),
    CLI_ITEMS_PARAMS(options),
    LB_PARAM_END};

static void add_fact(lb_value *facts, const char *name, const char *text) {
    lb_value *fact = lb_value_list();
    lb_list_text(fact, name);
    lb_list_text(fact, text);
    lb_list_put(facts, fact);
}

/* Given with --fact: on the page and in the summary. */
static lb_status given_facts(lb_value *facts, lb_value *summary, const lb_text_list *given) {
    char key[128];
    for (int64_t i = 0; i < given->count; i++) {
        const char *word = given->items[i], *eq = strchr(word, '=');
        if (!eq || eq == word || (size_t)(eq - word) >= sizeof key) return cli_usage("--fact wants KEY=VALUE, got '%s'", word);
        snprintf(key, sizeof key, "%.*s", (int)(eq - word), word);
        lb_map_text(summary, key, eq + 1);
        add_fact(facts, key, eq + 1);
    }
    return LB_OK;
}

/* "AMD EPYC, 2 threads", each machine once, in the order of the runs. */
static void machines(lb_buf *out, int count, const cli_run *runs) {
    for (int i = 0; i < count; i++) {
        char one[192];
        const char *name = lb_get_text(runs[i].summary, "machine", NULL);
        if (!name) continue;
        snprintf(one, sizeof one, "%s, %lld threads", name, (long long)lb_get_int(runs[i].summary, "threads", 0));
        if (!strstr(lb_buf_str(out), one)) lb_buf_format(out, "%s%s", out->size ? "; " : "", one);
    }
}

static lb_status add_facts(lb_value *page, lb_value *summary, const lb_text_list *given, int count, const cli_run *runs) {
    lb_value *facts = lb_value_list();
    lb_buf where = {0};
    char date[32] = "", items[32];
    time_t now = time(NULL);
    struct tm day;
    if (gmtime_r(&now, &day)) strftime(date, sizeof date, "%Y-%m-%d", &day);
    lb_status st = given_facts(facts, summary, given);
    snprintf(items, sizeof items, "%lld", (long long)lb_get_int(runs[0].summary, "eval_items", 0));
    machines(&where, count, runs);
    add_fact(facts, "test items", items);
    if (where.size) add_fact(facts, "trained on", lb_buf_str(&where));
    add_fact(facts, "program", "limbeck " LB_VERSION);
    add_fact(facts, "date", date);
    if (st == LB_OK) st = lb_buf_status(&where);
    lb_buf_free(&where);
    lb_map_put(page, "facts", facts);
    return st;
}

static lb_status run(lb_cli *cli, void *opts) {
    const options *o = opts;
    lb_status st = LB_OK;
    cli_run runs[CLI_RUNS_MAX] = {0};
    lb_buf html = {0};
    lb_value *page = lb_value_map(), *sections = lb_value_list(), *summary = lb_value_map();
    if (!o->out && !o->summary && !cli->json) LB_TRY(cli_usage("report wants --out X.html, --summary X.json or --json"));
    if (cli->nwords > CLI_RUNS_MAX) LB_TRY(cli_usage("at most %d runs", CLI_RUNS_MAX));
    for (int i = 0; i < cli->nwords; i++) LB_TRY(cli_run_open(&runs[i], cli->words[i]));
    LB_TRY(cli_report_sections(sections, cli->nwords, runs));
    LB_TRY(cli_report_summary(summary, cli->nwords, runs));
    if (o->grid) LB_TRY(cli_report_grids(sections, o->grid, &o->items, o->queries));
    if (o->masks.count) LB_TRY(cli_report_masks(sections, &o->masks, &o->items, o->queries, o->nonzero));
    LB_TRY(add_facts(page, summary, &o->fact, cli->nwords, runs));
    lb_map_text(page, "title", o->title);
    lb_map_put(page, "sections", sections);
    sections = NULL;
    LB_TRY(lb_report_html(&html, page));
    if (o->out) LB_TRY(lb_file_write(o->out, html.data, html.size));
    if (o->summary) LB_TRY(cli_json_file(o->summary, summary));
    if (cli->json)
        for (int i = 0; i < cli->nwords; i++) LB_TRY(cli_json(runs[i].summary));
    else if (o->out) LB_TRY(cli_print("%s: %d runs, %.0f kB", o->out, cli->nwords, (double)html.size / 1e3));
done:
    for (int i = 0; i < cli->nwords && i < CLI_RUNS_MAX; i++) cli_run_close(&runs[i]);
    lb_buf_free(&html);
    lb_value_free(sections);
    lb_value_free(page);
    lb_value_free(summary);
    return st;
}

LB_VERB(report) = {.id = "report", .title = "one self-contained page of runs: tables, curves, pictures", .source = "", .params = params, .params_size = sizeof(options),
                   .usage = "report RUN... --out X.html [--summary X.json] [--grid MODEL | --masks MODEL ... --input ...]", .min_words = 1, .max_words = -1,
                   .help = "Reads what `train` left in run folders. Runs of one recipe are one row, mean and spread over seeds. --json prints each run's summary.\n"
                           "A zeroshot.json in a run folder (limbeck eval zeroshot --json > RUN/zeroshot.json) adds its top-1.",
                   .run = run};
