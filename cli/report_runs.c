/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what a run left in its folder. */
#include <math.h>
#include <string.h>
#include "base/file.h"
#include "cli/report_page.h"

static double main_score(const lb_value *v) { return lb_get_real(v, "scores.r5", lb_get_real(v, "scores.dice", lb_get_real(v, "scores.top1", NAN))); }

static void take_line(cli_run *r, const lb_value *v) {
    if (!lb_get(v, "step")) return;
    if (lb_get(v, "loss")) {
        lb_list_int(r->steps, lb_get_int(v, "step", 0));
        lb_list_real(r->losses, lb_get_real(v, "loss", NAN));
    }
    double score = main_score(v);
    if (!isnan(score)) {
        lb_list_int(r->score_steps, lb_get_int(v, "step", 0));
        lb_list_real(r->score, score);
    }
}

static lb_status read_log(cli_run *r, const char *path) {
    lb_status st = LB_OK;
    lb_buf text = {0};
    LB_TRY(lb_file_read(&text, path, 0));
    for (const char *at = lb_buf_str(&text), *end; *at; at = end) {
        const char *line = strchr(at, '\n');
        size_t n = line ? (size_t)(line - at) : strlen(at);
        end = at + n + (line != NULL);
        lb_value *v = NULL;
        if (n > 0 && lb_json_parse(&v, at, n, path) == LB_OK) take_line(r, v); /* else: a line that a kill cut off */
        lb_value_free(v);
    }
    lb_error_clear();
done:
    lb_buf_free(&text);
    return st;
}

/* The score at the end closes the curve of those on the way. */
static void close_score(cli_run *r) {
    double last = main_score(r->summary);
    int64_t steps = lb_get_int(r->summary, "steps", 0), n = r->score_steps->count;
    if (n == 0 || isnan(last) || r->score_steps->items[n - 1]->integer >= steps) return;
    lb_list_int(r->score_steps, steps);
    lb_list_real(r->score, last);
}

lb_status cli_run_open(cli_run *out, const char *folder) {
    lb_status st = LB_OK;
    lb_value *zero = NULL;
    char *summary = lb_path_join(folder, "summary.json"), *zeroshot = lb_path_join(folder, "zeroshot.json"), *log = lb_path_join(folder, "log.jsonl");
    *out = (cli_run){.folder = folder, .steps = lb_value_list(), .losses = lb_value_list(), .score_steps = lb_value_list(), .score = lb_value_list()};
    if (!summary || !zeroshot || !log || !out->steps || !out->losses || !out->score_steps || !out->score) st = LB_E_NOMEM;
    else if (!lb_file_exists(summary)) st = lb_fail(LB_E_NOTFOUND, "%s holds no summary.json: no finished run", folder);
    if (st == LB_OK) st = lb_json_read(&out->summary, summary);
    if (st == LB_OK && lb_file_exists(zeroshot)) st = lb_json_read(&zero, zeroshot);
    if (st == LB_OK && zero) lb_map_put(out->summary, "zeroshot", zero);
    if (st == LB_OK && lb_file_exists(log)) st = read_log(out, log);
    if (st == LB_OK) close_score(out);
    lb_free(summary);
    lb_free(zeroshot);
    lb_free(log);
    return st;
}

void cli_run_close(cli_run *r) {
    lb_value_free(r->summary);
    lb_value_free(r->steps);
    lb_value_free(r->losses);
    lb_value_free(r->score_steps);
    lb_value_free(r->score);
}

const char *cli_run_name(const cli_run *r) { return lb_get_text(r->summary, "name", r->folder); }
