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
    lb_text_list fact;
    int64_t queries;
} options;

static const lb_param params[] = {
    LB_PARAM_TEXT(options, out, NULL, NULL, "the page, X.html"),
    LB_PARAM_TEXT(options, summary, NULL, NULL, "also the scores by recipe as JSON: mean and std of R@1, R@5, R@10"),
    LB_PARAM_TEXT(options, title, "Limbeck report", NULL, "title of the page"),
    LB_PARAM_LIST(options, fact, "KEY=VALUE", "something to state on the page and in the summary; repeat for several"),
    LB_PARAM_TEXT(options, grid, NULL, NULL, "a model whose first hits are shown as pictures, over the items"),
    LB_PARAM(options, queries, 12, 1, 1000, "N", "rows of each grid"),
    CLI_ITEMS_PARAMS(options),
    LB_PARAM_END};

static lb_status add_facts(lb_value *sections, lb_value *summary, const lb_text_list *facts) {
    lb_value *section = lb_value_map(), *table = lb_value_map(), *rows = lb_value_list(), *columns = lb_value_list();
    time_t now = time(NULL);
    struct tm day;
    char date[32] = "", key[128];
    lb_status st = LB_OK;
    if (gmtime_r(&now, &day)) strftime(date, sizeof date, "%Y-%m-%d", &day);
    const char *own[][2] = {{"program", "limbeck " LB_VERSION}, {"made on", date}};
    lb_list_text(columns, "fact");
    lb_list_text(columns, "");
    for (int64_t i = 0; i < facts->count + (int64_t)LB_COUNT(own) && st == LB_OK; i++) {
        lb_value *row = lb_value_list();
        if (i < facts->count) {
            const char *word = facts->items[i], *eq = strchr(word, '=');
            if (!eq || eq == word || (size_t)(eq - word) >= sizeof key) st = cli_usage("--fact wants KEY=VALUE, got '%s'", word);
            else {
                snprintf(key, sizeof key, "%.*s", (int)(eq - word), word);
                lb_map_text(summary, key, eq + 1);
                lb_list_text(row, key);
                lb_list_text(row, eq + 1);
            }
        } else {
            lb_list_text(row, own[i - facts->count][0]);
            lb_list_text(row, own[i - facts->count][1]);
        }
        lb_list_put(rows, row);
    }
    lb_map_put(table, "columns", columns);
    lb_map_put(table, "rows", rows);
    lb_map_put(section, "table", table);
    lb_list_put(sections, section);
    return st;
}

static lb_status write_json(const char *path, const lb_value *v) {
    lb_buf text = {0};
    lb_status st = lb_json_write(&text, v, 2);
    lb_buf_text(&text, "\n");
    if (st == LB_OK) st = lb_file_write(path, text.data, text.size);
    lb_buf_free(&text);
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
    LB_TRY(add_facts(sections, summary, &o->fact));
    lb_map_text(page, "title", o->title);
    lb_map_put(page, "sections", sections);
    sections = NULL;
    LB_TRY(lb_report_html(&html, page));
    if (o->out) LB_TRY(lb_file_write(o->out, html.data, html.size));
    if (o->summary) LB_TRY(write_json(o->summary, summary));
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
                   .usage = "report RUN... --out X.html [--summary X.json] [--grid MODEL --input ...]", .min_words = 1, .max_words = -1,
                   .help = "Reads what `train` left in run folders. Runs of one recipe are one row, mean and spread over seeds. --json prints each run's summary.\n"
                           "A zeroshot.json in a run folder (limbeck eval zeroshot --json > RUN/zeroshot.json) adds its top-1.",
                   .run = run};
