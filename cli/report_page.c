/* SPDX-License-Identifier: Apache-2.0 */
/* What the page says of the runs, as data. */
#include "cli/report_page.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const ranks[] = {"r1", "r5", "r10"};
enum { RANKS = 3, SCORES = 4, MOST_CLASSES = 40 };

/* What runs are judged by: retrieval, masks, classes, or nothing yet. */
typedef struct judged {
    const char *key, *name;              /* the main score: "r5", "R@5" */
    const char *keys[SCORES], *names[SCORES];
    int count;
    const char *note, *curve;
} judged;
static const judged by_ranks = {"r5",
                                "R@5",
                                {"r1", "r5", "r10"},
                                {"R@1", "R@5", "R@10"},
                                3,
                                "R@K: percent of queries whose partner is among the first K hits, both directions averaged; mean \u00b1 standard deviation "
                                "over seeds. Bars and dots: mean R@5 and each run's.",
                                "On the test items, both directions averaged."};
static const judged by_masks = {"dice",
                                "Dice",
                                {"dice", "iou", "nsd", "hd95"},
                                {"Dice", "IoU", "NSD", "HD95, px"},
                                4,
                                "Mean over cases, then over foreground classes (percent; HD95 in pixels, less is better); mean \u00b1 standard deviation over "
                                "seeds. Bars and dots: mean Dice and each run's.",
                                "On the test items."};

static const judged by_classes = {"top1",
                                  "top-1",
                                  {"top1", "balanced_accuracy", "macro.f1", "ece"},
                                  {"Top-1", "Class recall", "Macro F1", "ECE"},
                                  4,
                                  "Percent; class recall and F1 are means over classes, ECE is the expected calibration error (less is better); mean \u00b1 "
                                  "standard deviation over seeds. Bars and dots: mean top-1 and each run's.",
                                  "On the test items."};
static const judged by_nothing = {.name = "Score", .curve = "On the test items."};

/* ---- runs of one recipe together ---- */

typedef struct group {
    const char *name;
    int count;
    const cli_run *runs[CLI_RUNS_MAX];
} group;

static int group_runs(group *groups, int count, const cli_run *runs) {
    int n = 0;
    for (int i = 0; i < count; i++) {
        const char *name = cli_run_name(&runs[i]);
        int g = 0;
        while (g < n && strcmp(groups[g].name, name) != 0) g++;
        if (g == n) groups[n++] = (group){.name = name};
        groups[g].runs[groups[g].count++] = &runs[i];
    }
    return n;
}

typedef struct spread {
    double mean, std; /* mean NaN when n is 0; std 0 when n is 1 */
    int n;            /* runs that have the number */
} spread;

static spread spread_of(const group *g, const char *path) {
    spread s = {0};
    double square = 0;
    for (int i = 0; i < g->count; i++) {
        double x = lb_get_real(g->runs[i]->summary, path, NAN);
        if (!isnan(x)) s.mean += x, s.n++;
    }
    s.mean = s.n ? s.mean / s.n : NAN;
    for (int i = 0; i < g->count; i++) {
        double x = lb_get_real(g->runs[i]->summary, path, NAN);
        if (!isnan(x)) square += (x - s.mean) * (x - s.mean);
    }
    s.std = s.n > 1 ? sqrt(square / (s.n - 1)) : 0;
    return s;
}

/* ---- tables ---- */

typedef struct sheet {
    lb_value *columns, *rows, *row;
} sheet;

static sheet sheet_new(int n, const char *const *columns) {
    sheet s = {lb_value_list(), lb_value_list(), NULL};
    for (int i = 0; i < n; i++) lb_list_text(s.columns, columns[i]);
    return s;
}

static void next_row(sheet *s, const char *name) {
    lb_value *row = lb_value_list();
    lb_list_text(row, name);
    lb_list_put(s->rows, row);
    s->row = row;
}

static void put_shown(sheet *s, double value, const char *text) {
    lb_value *cell = lb_value_map();
    lb_map_real(cell, "value", value);
    lb_map_text(cell, "text", text);
    lb_list_put(s->row, cell);
}

/* A percentage with one digit. */
static void put_percent(sheet *s, double x) {
    char text[32];
    snprintf(text, sizeof text, "%.1f", x);
    put_shown(s, x, isnan(x) ? "-" : text);
}

static void put_spread(sheet *s, spread x) {
    char text[64];
    if (x.n < 2) put_percent(s, x.mean);
    else {
        snprintf(text, sizeof text, "%.1f \u00b1 %.1f", x.mean, x.std);
        put_shown(s, x.mean, text);
    }
}

/* Rounded to a whole number. */
static void put_count(sheet *s, double x) {
    if (isnan(x)) lb_list_text(s->row, "-");
    else lb_list_int(s->row, llround(x));
}

static lb_value *put_sheet(lb_value *section, sheet s) {
    lb_value *table = lb_value_map();
    lb_map_put(table, "columns", s.columns);
    lb_map_put(table, "rows", s.rows);
    lb_map_put(section, "table", table);
    return section;
}

static lb_value *new_section(lb_value *sections, const char *title) {
    lb_value *section = lb_value_map();
    lb_map_text(section, "title", title);
    lb_list_put(sections, section);
    return section;
}

/* ---- sections ---- */

static spread score_of(const group *g, const char *key) {
    char path[48];
    snprintf(path, sizeof path, "scores.%s", key);
    return spread_of(g, path);
}

static void bars(lb_value *section, int n, const group *groups, const judged *by) {
    lb_value *list = lb_value_list();
    char path[48];
    snprintf(path, sizeof path, "scores.%s", by->key);
    for (int g = 0; g < n; g++) {
        lb_value *bar = lb_value_map(), *values = lb_value_list();
        for (int i = 0; i < groups[g].count; i++) {
            double x = lb_get_real(groups[g].runs[i]->summary, path, NAN);
            if (!isnan(x)) lb_list_real(values, x);
        }
        lb_map_text(bar, "name", groups[g].name);
        lb_map_int(bar, "colour", g);
        lb_map_put(bar, "values", values);
        lb_list_put(list, bar);
    }
    lb_map_put(section, "bars", list);
}

static void averaged(lb_value *sections, int n, const group *groups, const judged *by, const char *verdict) {
    const char *names[SCORES + 3] = {"", "runs"};
    bool zeroshot = false;
    int columns = 2;
    for (int k = 0; k < by->count; k++) names[columns++] = by->names[k];
    for (int g = 0; g < n; g++) zeroshot = zeroshot || spread_of(&groups[g], "zeroshot.top1").n > 0;
    if (zeroshot) names[columns++] = "zero-shot top-1";
    sheet s = sheet_new(columns, names);
    for (int g = 0; g < n; g++) {
        next_row(&s, groups[g].name);
        lb_list_int(s.row, groups[g].count);
        for (int k = 0; k < by->count; k++) put_spread(&s, score_of(&groups[g], by->keys[k]));
        if (zeroshot) put_spread(&s, spread_of(&groups[g], "zeroshot.top1"));
    }
    lb_value *section = put_sheet(new_section(sections, "Teacher and students"), s);
    if (verdict[0]) lb_map_text(section, "verdict", verdict);
    bars(section, n, groups, by);
    lb_map_text(section, "note", by->note);
}

/* A column per domain of the first run that has some. */
static void each_domain(lb_value *sections, int n, const group *groups) {
    const lb_value *domains = NULL;
    const char *names[33] = {""};
    for (int g = 0; g < n && !domains; g++) domains = lb_get(groups[g].runs[0]->summary, "scores.domains");
    int count = domains ? (int)(domains->count < 32 ? domains->count : 32) : 0;
    if (count == 0) return;
    for (int d = 0; d < count; d++) names[d + 1] = domains->keys[d];
    sheet s = sheet_new(count + 1, names);
    for (int g = 0; g < n; g++) {
        next_row(&s, groups[g].name);
        for (int d = 0; d < count; d++) {
            char path[160];
            snprintf(path, sizeof path, "scores.domains.%s.dice", domains->keys[d]);
            put_spread(&s, spread_of(&groups[g], path));
        }
    }
    lb_map_text(put_sheet(new_section(sections, "Each style"), s), "note", "Dice on the test items of one domain.");
}

static void both_ways(lb_value *sections, int n, const group *groups) {
    static const char *const names[] = {"", "picture to text R@1", "R@5", "R@10", "text to picture R@1", "R@5", "R@10"};
    static const char *const ways[] = {"image_to_text", "text_to_image"};
    sheet s = sheet_new((int)LB_COUNT(names), names);
    for (int g = 0; g < n; g++) {
        next_row(&s, groups[g].name);
        for (size_t w = 0; w < LB_COUNT(ways); w++)
            for (int k = 0; k < RANKS; k++) {
                char path[48];
                snprintf(path, sizeof path, "scores.%s.%s", ways[w], ranks[k]);
                put_spread(&s, spread_of(&groups[g], path));
            }
    }
    put_sheet(new_section(sections, "Each direction"), s);
}

static void cost(lb_value *sections, int n, const group *groups) {
    static const char *const names[] = {"", "parameters", "without token table", "trained, items/s", "seconds", "peak memory, MB"};
    sheet s = sheet_new((int)LB_COUNT(names), names);
    for (int g = 0; g < n; g++) {
        const lb_value *first = groups[g].runs[0]->summary;
        next_row(&s, groups[g].name);
        lb_list_int(s.row, lb_get_int(first, "parameters", 0));
        lb_list_int(s.row, lb_get_int(first, "parameters_without_tokens", 0));
        put_count(&s, spread_of(&groups[g], "items_per_second").mean);
        put_count(&s, spread_of(&groups[g], "seconds").mean);
        put_count(&s, spread_of(&groups[g], "peak_bytes").mean / 1e6);
    }
    lb_value *section = put_sheet(new_section(sections, "Size and cost"), s);
    lb_map_text(section, "note", "Of training: mean over seeds; memory is what the tape held at its fullest.");
}

static void put_interval(sheet *s, const lb_value *range) {
    char text[64];
    if (!range || range->count != 2) {
        lb_list_text(s->row, "-");
        return;
    }
    snprintf(text, sizeof text, "%.1f to %.1f", range->items[0]->real, range->items[1]->real);
    put_shown(s, range->items[0]->real, text);
}

static void way(sheet *s, const lb_value *scores, const char *which) {
    char path[48];
    for (int k = 0; k < RANKS; k++) {
        snprintf(path, sizeof path, "%s.%s", which, ranks[k]);
        put_percent(s, lb_get_real(scores, path, NAN));
        if (k != 1) continue;
        snprintf(path, sizeof path, "%s.r5_95", which);
        put_interval(s, lb_get(scores, path));
    }
    snprintf(path, sizeof path, "%s.median_rank", which);
    lb_list_real(s->row, lb_get_real(scores, path, NAN));
}

static void each_mask_run(lb_value *sections, int count, const cli_run *runs) {
    static const char *const names[] = {"run", "seed", "Dice", "95 %", "IoU", "95 %", "NSD", "95 %", "HD95", "95 %"};
    sheet s = sheet_new((int)LB_COUNT(names), names);
    for (int i = 0; i < count; i++) {
        const lb_value *scores = lb_get(runs[i].summary, "scores");
        next_row(&s, cli_run_name(&runs[i]));
        lb_list_int(s.row, lb_get_int(runs[i].summary, "seed", 0));
        for (int k = 0; k < by_masks.count; k++) {
            char range[32];
            snprintf(range, sizeof range, "%s_95", by_masks.keys[k]);
            put_percent(&s, lb_get_real(scores, by_masks.keys[k], NAN));
            put_interval(&s, lb_get(scores, range));
        }
    }
    lb_map_text(put_sheet(new_section(sections, "Every run"), s), "note", "95 %: percentile bootstrap over the items.");
}

static void each_class_run(lb_value *sections, int count, const cli_run *runs) {
    static const char *const names[] = {"run", "seed", "items", "Top-1", "95 %", "Class recall", "Macro F1", "ECE"};
    sheet s = sheet_new((int)LB_COUNT(names), names);
    for (int i = 0; i < count; i++) {
        const lb_value *scores = lb_get(runs[i].summary, "scores");
        next_row(&s, cli_run_name(&runs[i]));
        lb_list_int(s.row, lb_get_int(runs[i].summary, "seed", 0));
        lb_list_int(s.row, lb_get_int(scores, "labelled", 0));
        put_percent(&s, lb_get_real(scores, "top1", NAN));
        put_interval(&s, lb_get(scores, "top1_95"));
        for (int k = 1; k < by_classes.count; k++) put_percent(&s, lb_get_real(scores, by_classes.keys[k], NAN));
    }
    lb_map_text(put_sheet(new_section(sections, "Every run"), s), "note", "95 %: percentile bootstrap over the items.");
}

/* Of the first run of each recipe: what was taken for what. */
static void confusions(lb_value *sections, int n, const group *groups) {
    for (int g = 0; g < n; g++) {
        const lb_value *scores = lb_get(groups[g].runs[0]->summary, "scores"), *counts = lb_get(scores, "confusion"), *names = lb_get(scores, "names");
        char title[160];
        if (!counts || counts->count > MOST_CLASSES) continue;
        snprintf(title, sizeof title, "Confusion: %s", groups[g].name);
        lb_value *section = new_section(sections, title), *matrix = lb_value_map();
        lb_map_put(matrix, "counts", lb_value_copy(counts));
        if (names) lb_map_put(matrix, "names", lb_value_copy(names));
        lb_map_put(section, "matrix", matrix);
        lb_map_text(section, "note", "Rows: the label; columns: what the student said; items of the first seed. A row's colours are shares of its items.");
    }
}

static void each_run(lb_value *sections, int count, const cli_run *runs) {
    static const char *const names[] = {"run", "seed", "picture to text R@1", "R@5", "95 %", "R@10", "median rank", "text to picture R@1", "R@5", "95 %", "R@10", "median rank"};
    sheet s = sheet_new((int)LB_COUNT(names), names);
    for (int i = 0; i < count; i++) {
        const lb_value *scores = lb_get(runs[i].summary, "scores");
        next_row(&s, cli_run_name(&runs[i]));
        lb_list_int(s.row, lb_get_int(runs[i].summary, "seed", 0));
        way(&s, scores, "image_to_text");
        way(&s, scores, "text_to_image");
    }
    lb_value *section = put_sheet(new_section(sections, "Every run"), s);
    lb_map_text(section, "note", "95 %: percentile bootstrap over the queries.");
}

static void each_run_without_scores(lb_value *sections, int count, const cli_run *runs) {
    static const char *const names[] = {"run", "seed", "steps", "last loss", "seconds"};
    sheet s = sheet_new((int)LB_COUNT(names), names);
    for (int i = 0; i < count; i++) {
        const lb_value *summary = runs[i].summary;
        next_row(&s, cli_run_name(&runs[i]));
        lb_list_int(s.row, lb_get_int(summary, "seed", 0));
        lb_list_int(s.row, lb_get_int(summary, "steps", 0));
        lb_list_real(s.row, lb_get_real(summary, "last_loss", NAN));
        put_count(&s, lb_get_real(summary, "seconds", NAN));
    }
    lb_map_text(put_sheet(new_section(sections, "Every run"), s), "note", "None of them was evaluated.");
}

static void add_curve(lb_value *curves, const cli_run *run, int colour, bool scores) {
    const lb_value *x = scores ? run->score_steps : run->steps, *y = scores ? run->score : run->losses;
    char name[160];
    if (x->count < 2) return;
    lb_value *curve = lb_value_map();
    snprintf(name, sizeof name, "%s %lld", cli_run_name(run), (long long)lb_get_int(run->summary, "seed", 0));
    lb_map_text(curve, "name", name);
    lb_map_text(curve, "group", cli_run_name(run));
    lb_map_int(curve, "colour", colour);
    lb_map_put(curve, "x", lb_value_copy(x));
    lb_map_put(curve, "y", lb_value_copy(y));
    lb_list_put(curves, curve);
}

static void add_curves(lb_value *sections, int n, const group *groups, bool scores, const char *title, const char *note) {
    lb_value *curves = lb_value_list();
    for (int g = 0; g < n; g++)
        for (int i = 0; i < groups[g].count; i++) add_curve(curves, groups[g].runs[i], g, scores);
    if (!curves || curves->count == 0) {
        lb_value_free(curves);
        return;
    }
    lb_value *section = new_section(sections, title);
    lb_map_put(section, "curves", curves);
    lb_map_text(section, "x_name", "step");
    lb_map_text(section, "note", note);
}

/* ---- what may be said ---- */

static const group *named(int n, const group *groups, const char *part) {
    for (int g = 0; g < n; g++)
        if (strstr(groups[g].name, part)) return &groups[g];
    return NULL;
}

/* The difference of the mean main score against the larger spread, for each recipe that is neither teacher nor baseline. */
static void verdict_of(lb_buf *out, int n, const group *groups, const judged *by) {
    const group *alone = named(n, groups, "alone");
    if (!alone) return;
    spread a = score_of(alone, by->key);
    for (int g = 0; g < n; g++) {
        if (&groups[g] == alone || strstr(groups[g].name, "teacher") || a.n == 0) continue;
        spread d = score_of(&groups[g], by->key);
        if (d.n == 0) continue;
        double gain = d.mean - a.mean, noise = fmax(a.std, d.std);
        lb_buf_format(out, "%s%s against %s: %+.1f points of mean %s (%d and %d runs). ", out->size ? " " : "", groups[g].name, alone->name, gain, by->name, d.n, a.n);
        if (a.n < 2 || d.n < 2) lb_buf_text(out, "A single run tells no spread.");
        else if (gain > noise) lb_buf_format(out, "That is more than the larger spread over seeds, %.1f.", noise);
        else lb_buf_format(out, "That is not more than the larger spread over seeds, %.1f: no gain is shown.", noise);
    }
}

static const judged *judged_by(int n, const group *groups) {
    for (int g = 0; g < n; g++)
        if (score_of(&groups[g], "dice").n) return &by_masks;
    for (int g = 0; g < n; g++)
        if (score_of(&groups[g], "top1").n && !score_of(&groups[g], "r5").n) return &by_classes;
    for (int g = 0; g < n; g++)
        if (score_of(&groups[g], "r5").n) return &by_ranks;
    return &by_nothing;
}

lb_status cli_report_sections(lb_value *sections, int count, const cli_run *runs) {
    lb_buf verdict = {0};
    group *groups = lb_calloc((size_t)count + 1, sizeof *groups);
    if (!groups) return LB_E_NOMEM;
    int n = group_runs(groups, count, runs);
    const judged *by = judged_by(n, groups);
    char curve[32];
    verdict_of(&verdict, n, groups, by);
    if (by != &by_nothing) averaged(sections, n, groups, by, lb_buf_str(&verdict));
    if (by == &by_masks) each_domain(sections, n, groups);
    else if (by == &by_classes) confusions(sections, n, groups);
    else if (by == &by_ranks) both_ways(sections, n, groups);
    cost(sections, n, groups);
    snprintf(curve, sizeof curve, "%s by step", by->name);
    add_curves(sections, n, groups, true, curve, by->curve);
    add_curves(sections, n, groups, false, "Loss by step", "Losses of different recipes are sums of different terms and cannot be compared with each other.");
    if (by == &by_masks) each_mask_run(sections, count, runs);
    else if (by == &by_classes) each_class_run(sections, count, runs);
    else if (by == &by_ranks) each_run(sections, count, runs);
    else each_run_without_scores(sections, count, runs);
    lb_status st = lb_buf_status(&verdict);
    lb_buf_free(&verdict);
    lb_free(groups);
    return st;
}

/* ---- the summary ---- */

static void put_pair(lb_value *to, const char *key, spread s) {
    lb_value *pair = lb_value_map();
    lb_map_real(pair, "mean", s.mean);
    lb_map_real(pair, "std", s.std);
    lb_map_put(to, key, pair);
}

/* Dice of each domain. */
static void put_domains(lb_value *scores, const group *g) {
    const lb_value *domains = lb_get(g->runs[0]->summary, "scores.domains");
    lb_value *out = lb_value_map();
    for (int64_t d = 0; domains && d < domains->count; d++) {
        char path[160];
        snprintf(path, sizeof path, "scores.domains.%s.dice", domains->keys[d]);
        put_pair(out, domains->keys[d], spread_of(g, path));
    }
    if (domains) lb_map_put(scores, "domains", out);
    else lb_value_free(out);
}

lb_status cli_report_summary(lb_value *out, int count, const cli_run *runs) {
    group *groups = lb_calloc((size_t)count + 1, sizeof *groups);
    if (!groups) return LB_E_NOMEM;
    int n = group_runs(groups, count, runs);
    const judged *by = judged_by(n, groups);
    for (int g = 0; g < n; g++) {
        char key[128];
        lb_value *scores = lb_value_map();
        snprintf(key, sizeof key, "%s", groups[g].name);
        for (char *c = key; *c; c++)
            if (*c == '-' || *c == '.') *c = '_';
        for (int k = 0; k < by->count; k++) put_pair(scores, by->keys[k], score_of(&groups[g], by->keys[k]));
        if (by == &by_masks) put_domains(scores, &groups[g]);
        spread zero = spread_of(&groups[g], "zeroshot.top1");
        if (zero.n == groups[g].count) put_pair(scores, "zeroshot", zero);
        lb_map_int(scores, "runs", groups[g].count);
        lb_map_put(out, strcmp(key, "student_distilled") == 0 ? "distilled" : key, scores);
    }
    lb_free(groups);
    return LB_OK;
}
