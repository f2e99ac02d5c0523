/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/report_page.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/file.h"

static const char *const ranks[] = {"r1", "r5", "r10"};
enum { RANKS = 3 };

/* ---- reading a run ---- */

static lb_status read_log(cli_run *r, const char *path) {
    lb_status st = LB_OK;
    lb_buf text = {0};
    LB_TRY(lb_file_read(&text, path, 0));
    for (const char *at = lb_buf_str(&text), *end; *at; at = end) {
        const char *line = strchr(at, '\n');
        size_t n = line ? (size_t)(line - at) : strlen(at);
        end = at + n + (line != NULL);
        lb_value *v = NULL;
        if (n == 0 || lb_json_parse(&v, at, n, path) != LB_OK) continue; /* a line that a kill cut off */
        if (lb_get(v, "step") && lb_get(v, "loss")) {
            lb_list_real(r->steps, (double)lb_get_int(v, "step", 0));
            lb_list_real(r->losses, lb_get_real(v, "loss", NAN));
        }
        lb_value_free(v);
    }
    lb_error_clear();
done:
    lb_buf_free(&text);
    return st;
}

lb_status cli_run_open(cli_run *out, const char *folder) {
    lb_status st = LB_OK;
    char *summary = lb_path_join(folder, "summary.json"), *zeroshot = lb_path_join(folder, "zeroshot.json"), *log = lb_path_join(folder, "log.jsonl");
    *out = (cli_run){.folder = folder, .steps = lb_value_list(), .losses = lb_value_list()};
    if (!summary || !zeroshot || !log || !out->steps || !out->losses) st = LB_E_NOMEM;
    else if (!lb_file_exists(summary)) st = lb_fail(LB_E_NOTFOUND, "%s holds no summary.json: no finished run", folder);
    if (st == LB_OK) st = lb_json_read(&out->summary, summary);
    if (st == LB_OK && lb_file_exists(zeroshot)) st = lb_json_read(&out->zeroshot, zeroshot);
    if (st == LB_OK && lb_file_exists(log)) st = read_log(out, log);
    lb_free(summary);
    lb_free(zeroshot);
    lb_free(log);
    return st;
}

void cli_run_close(cli_run *r) {
    lb_value_free(r->summary);
    lb_value_free(r->zeroshot);
    lb_value_free(r->steps);
    lb_value_free(r->losses);
}

/* ---- runs of one recipe together ---- */

typedef struct group {
    const char *name;
    int count;
    const cli_run *runs[CLI_RUNS_MAX];
} group;

static int group_runs(group *groups, int count, const cli_run *runs) {
    int n = 0;
    for (int i = 0; i < count; i++) {
        const char *name = lb_get_text(runs[i].summary, "name", runs[i].folder);
        int g = 0;
        while (g < n && strcmp(groups[g].name, name) != 0) g++;
        if (g == n) groups[n++] = (group){.name = name};
        groups[g].runs[groups[g].count++] = &runs[i];
    }
    return n;
}

typedef struct spread {
    double mean, std;
    int n;
} spread;

static spread spread_of(const group *g, const char *path, bool zeroshot) {
    spread s = {0};
    double square = 0;
    for (int i = 0; i < g->count; i++) {
        const lb_value *from = zeroshot ? g->runs[i]->zeroshot : g->runs[i]->summary;
        double x = lb_get_real(from, path, NAN);
        if (!isnan(x)) s.mean += x, s.n++;
    }
    s.mean = s.n ? s.mean / s.n : NAN;
    for (int i = 0; i < g->count; i++) {
        double x = lb_get_real(zeroshot ? g->runs[i]->zeroshot : g->runs[i]->summary, path, NAN);
        if (!isnan(x)) square += (x - s.mean) * (x - s.mean);
    }
    s.std = s.n > 1 ? sqrt(square / (s.n - 1)) : 0;
    return s;
}

static void spread_cell(lb_value *row, spread s, const char *form) {
    char text[64], number[32];
    snprintf(number, sizeof number, form, s.mean);
    if (s.n > 1) snprintf(text, sizeof text, "%s ± %.1f", number, s.std);
    else snprintf(text, sizeof text, "%s", number);
    lb_list_text(row, s.n ? text : "-");
}

static lb_value *columns_of(int n, const char *const *names) {
    lb_value *list = lb_value_list();
    for (int i = 0; i < n; i++) lb_list_text(list, names[i]);
    return list;
}

static void add_table(lb_value *sections, const char *title, const char *text, lb_value *take_columns, lb_value *take_rows, const char *note) {
    lb_value *section = lb_value_map(), *table = lb_value_map();
    lb_map_put(table, "columns", take_columns);
    lb_map_put(table, "rows", take_rows);
    lb_map_text(section, "title", title);
    if (text) lb_map_text(section, "text", text);
    lb_map_put(section, "table", table);
    if (note) lb_map_text(section, "note", note);
    lb_list_put(sections, section);
}

static void compare(lb_value *sections, int n, const group *groups, const char *verdict) {
    static const char *const names[] = {"", "runs", "R@1", "R@5", "R@10", "zero-shot top-1", "parameters", "without token table", "trained at, items/s", "seconds", "peak memory, MB"};
    lb_value *rows = lb_value_list();
    for (int g = 0; g < n; g++) {
        const group *at = &groups[g];
        const lb_value *first = at->runs[0]->summary;
        lb_value *row = lb_value_list();
        char path[32];
        lb_list_text(row, at->name);
        lb_list_int(row, at->count);
        for (int k = 0; k < RANKS; k++) {
            snprintf(path, sizeof path, "scores.%s", ranks[k]);
            spread_cell(row, spread_of(at, path, false), "%.1f");
        }
        spread_cell(row, spread_of(at, "top1", true), "%.1f");
        lb_list_int(row, lb_get_int(first, "parameters", 0));
        lb_list_int(row, lb_get_int(first, "parameters_without_tokens", 0));
        lb_list_real(row, round(spread_of(at, "items_per_second", false).mean));
        lb_list_real(row, round(spread_of(at, "seconds", false).mean));
        lb_list_real(row, round(spread_of(at, "peak_bytes", false).mean / 1e6));
        lb_list_put(rows, row);
    }
    add_table(sections, "Teacher and students", verdict, columns_of((int)LB_COUNT(names), names), rows,
              "Percent of queries whose partner is among the first 1, 5, 10; both directions averaged; mean and standard deviation over seeds.");
}

static void way(lb_value *row, const lb_value *scores, const char *which) {
    char path[48], text[64];
    for (int k = 0; k < RANKS; k++) {
        snprintf(path, sizeof path, "%s.%s", which, ranks[k]);
        lb_list_real(row, lb_get_real(scores, path, NAN));
        snprintf(path, sizeof path, "%s.%s_95", which, ranks[k]);
        const lb_value *range = lb_get(scores, path);
        if (k != 1 || !range || range->count != 2) continue;
        snprintf(text, sizeof text, "%.1f .. %.1f", range->items[0]->real, range->items[1]->real);
        lb_list_text(row, text);
    }
    snprintf(path, sizeof path, "%s.median_rank", which);
    lb_list_real(row, lb_get_real(scores, path, NAN));
}

static void each_run(lb_value *sections, int count, const cli_run *runs) {
    static const char *const names[] = {"run", "seed", "picture to text R@1", "R@5", "95 %", "R@10", "median rank", "text to picture R@1", "R@5", "95 %", "R@10", "median rank"};
    lb_value *rows = lb_value_list();
    for (int i = 0; i < count; i++) {
        const lb_value *scores = lb_get(runs[i].summary, "scores");
        lb_value *row = lb_value_list();
        lb_list_text(row, lb_get_text(runs[i].summary, "name", runs[i].folder));
        lb_list_int(row, lb_get_int(runs[i].summary, "seed", 0));
        way(row, scores, "image_to_text");
        way(row, scores, "text_to_image");
        lb_list_put(rows, row);
    }
    add_table(sections, "Every run, both directions", NULL, columns_of((int)LB_COUNT(names), names), rows, "Intervals: percentile bootstrap over the queries.");
}

static void loss_curves(lb_value *sections, int count, const cli_run *runs) {
    lb_value *section = lb_value_map(), *curves = lb_value_list();
    for (int i = 0; i < count; i++) {
        if (runs[i].steps->count == 0) continue;
        char name[160];
        snprintf(name, sizeof name, "%s, seed %lld", lb_get_text(runs[i].summary, "name", runs[i].folder), (long long)lb_get_int(runs[i].summary, "seed", 0));
        lb_value *curve = lb_value_map();
        lb_map_text(curve, "name", name);
        lb_map_put(curve, "x", lb_value_copy(runs[i].steps));
        lb_map_put(curve, "y", lb_value_copy(runs[i].losses));
        lb_list_put(curves, curve);
    }
    lb_map_text(section, "title", "Loss by step");
    lb_map_put(section, "curves", curves);
    lb_map_text(section, "note", "Losses of different recipes are sums of different terms and cannot be compared with each other.");
    lb_list_put(sections, section);
}

static const group *named(int n, const group *groups, const char *part) {
    for (int g = 0; g < n; g++)
        if (strstr(groups[g].name, part)) return &groups[g];
    return NULL;
}

/* The difference of means against the larger spread: what may be said, and what may not. */
static void verdict_of(char *dst, size_t cap, int n, const group *groups) {
    const group *alone = named(n, groups, "alone"), *distilled = named(n, groups, "distilled");
    dst[0] = 0;
    if (!alone || !distilled) return;
    spread a = spread_of(alone, "scores.r5", false), d = spread_of(distilled, "scores.r5", false);
    double gain = d.mean - a.mean, noise = fmax(a.std, d.std);
    snprintf(dst, cap, "Distilled against alone, mean R@5 over %d and %d runs: %+.1f points; the larger spread over seeds is %.1f. %s", d.n, a.n, gain, noise,
             a.n < 2 || d.n < 2 ? "One run each tells no spread." : gain > noise ? "The gain is larger than the spread." : "That is not more than the spread: no gain is shown.");
}

lb_status cli_report_sections(lb_value *sections, int count, const cli_run *runs) {
    group *groups = lb_calloc(CLI_RUNS_MAX, sizeof *groups);
    char verdict[320];
    if (!groups) return LB_E_NOMEM;
    int n = group_runs(groups, count, runs);
    verdict_of(verdict, sizeof verdict, n, groups);
    compare(sections, n, groups, verdict[0] ? verdict : NULL);
    each_run(sections, count, runs);
    loss_curves(sections, count, runs);
    lb_free(groups);
    return LB_OK;
}

lb_status cli_report_summary(lb_value *out, int count, const cli_run *runs) {
    group *groups = lb_calloc(CLI_RUNS_MAX, sizeof *groups);
    if (!groups) return LB_E_NOMEM;
    int n = group_runs(groups, count, runs);
    for (int g = 0; g < n; g++) {
        char key[128], path[32];
        lb_value *scores = lb_value_map();
        snprintf(key, sizeof key, "%s", groups[g].name);
        for (char *c = key; *c; c++)
            if (*c == '-' || *c == '.') *c = '_';
        for (int k = 0; k < RANKS; k++) {
            snprintf(path, sizeof path, "scores.%s", ranks[k]);
            spread s = spread_of(&groups[g], path, false);
            lb_value *pair = lb_value_map();
            lb_map_real(pair, "mean", s.mean);
            lb_map_real(pair, "std", s.std);
            lb_map_put(scores, ranks[k], pair);
        }
        lb_map_int(scores, "runs", groups[g].count);
        lb_map_put(out, strcmp(key, "student_distilled") == 0 ? "distilled" : key, scores);
    }
    lb_free(groups);
    return LB_OK;
}
