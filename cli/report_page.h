/* SPDX-License-Identifier: Apache-2.0 */
/* Run folders -> the page of eval/report.h and summary.json. */
#ifndef LB_CLI_REPORT_PAGE_H
#define LB_CLI_REPORT_PAGE_H
#include "cli/items.h"

enum { CLI_RUNS_MAX = 256 };

/* A finished run: what `train` left in its folder, and zeroshot.json where somebody put it (`eval zeroshot --json`). */
typedef struct cli_run {
    const char *folder;
    lb_value *summary;            /* zeroshot.json under "zeroshot" */
    lb_value *steps, *losses;     /* lists: the logged curve */
    lb_value *score_steps, *score; /* the same of R@5 or Dice, where the run was scored on its way */
} cli_run;

/** LB_E_NOTFOUND when the folder holds no summary.json (the run is not finished). */
LB_MUST_USE lb_status cli_run_open(cli_run *out, const char *folder);
void cli_run_close(cli_run *r);
/** Name of the recipe, or the folder. */
const char *cli_run_name(const cli_run *r);

/** Adds the sections of verdict, tables and curves. Runs of one recipe name are one row: mean and standard deviation over seeds (n - 1). */
LB_MUST_USE lb_status cli_report_sections(lb_value *sections, int count, const cli_run *runs);
/** {"teacher": {"r1": {"mean", "std"}, ..., "runs": N}, ...}: a key per recipe name, '-' as '_'; "zeroshot" too where every run has it. The
 *  std of one run is 0. */
LB_MUST_USE lb_status cli_report_summary(lb_value *out, int count, const cli_run *runs);

/** Adds pictures with their true masks and what each model says of them. `queries` rows, evenly spread over the items that have masks. */
LB_MUST_USE lb_status cli_report_masks(lb_value *sections, const lb_text_list *models, const cli_items *items, int64_t queries, bool nonzero);
/** Adds grids of queries with their first five hits, both ways, of a model over the items. `queries` rows each, evenly spread. */
LB_MUST_USE lb_status cli_report_grids(lb_value *sections, const char *model, const cli_items *items, int64_t queries);

#endif
