/* SPDX-License-Identifier: Apache-2.0 */
/* `limbeck experiment NAME`: experiments/NAME.yaml says which recipes run over which seeds and what is expected of their scores; one row of a table
 * comes of it. Every run is a `limbeck train` with a folder of its own, so a stopped experiment goes on where it was. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include "base/file.h"
#include "cli/cli.h"

enum { SEEDS_MAX = 16, WORDS_MAX = 96 };

typedef struct options {
    const char *out, *results;
    int64_t seeds, first;
    lb_text_list set;
} options;

static const lb_param params[] = {
    LB_PARAM_WORD(options, out, "FOLDER", "where its runs are kept; default runs/experiments/NAME"),
    LB_PARAM_WORD(options, results, "FILE", "table whose row is written; none by default"),
    LB_PARAM(options, seeds, 0, 0, SEEDS_MAX, "seeds", "how many; 0 = as the experiment says"),
    LB_PARAM(options, first, -1, -1, 1000000000, "seed", "the first one, the others follow it; -1 = as the experiment says"),
    LB_PARAM_LIST(options, set, "KEY=VALUE", "overrides a key of every recipe (train.steps=2 tries an experiment out)"),
    LB_PARAM_END};

typedef struct experiment {
    lb_cli *cli;
    const options *o;
    lb_value *value;   /* the file */
    char *folder;
    int64_t seeds, first; /* seeds first .. first + seeds - 1 */
    lb_value *summary[SEEDS_MAX]; /* of seed first + i; map: run -> summary.json */
} experiment;

/* ---- runs ---- */

extern char **environ;

static lb_status wait_for(pid_t pid, const lb_cli *cli, const char *what) {
    int status = 0;
    for (pid_t got; (got = waitpid(pid, &status, WNOHANG)) != pid;) {
        if (got < 0 && errno != EINTR) return lb_fail(LB_E_IO, "%s: %s", what, strerror(errno));
        if (lb_progress_stopped(&cli->progress)) (void)kill(pid, SIGTERM);
        nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 3) return lb_fail(LB_E_CANCELLED, "%s was stopped; the same command goes on", what);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? LB_OK : lb_fail(LB_E_ARG, "%s failed", what);
}

typedef struct words {
    char *at[WORDS_MAX];
    int count;
} words;

static void add(words *w, char *take_word) {
    if (w->count < WORDS_MAX - 1) w->at[w->count++] = take_word;
    else lb_free(take_word);
}

static void add_set(words *w, char *take_word) {
    add(w, lb_strdup("--set"));
    add(w, take_word);
}

static lb_status words_of(words *w, const experiment *e, const char *run, const lb_value *v, int64_t seed) {
    const char *teacher = lb_get_text(v, "teacher", NULL), *from = lb_get_text(v, "from", NULL), *recipe = lb_get_text(v, "recipe", NULL);
    if (!recipe) return lb_fail(LB_E_ARG, "experiment: run %s names no recipe", run);
    add(w, lb_strdup("limbeck"));
    add(w, lb_strdup("train"));
    add(w, lb_strdup(recipe));
    add(w, lb_strdup("--out"));
    add(w, lb_format_dup("%s/%lld/%s", e->folder, (long long)seed, run));
    add(w, lb_strdup("--quiet"));
    add(w, lb_strdup("--threads"));
    add(w, lb_format_dup("%d", e->cli->threads));
    add_set(w, lb_format_dup("seed=%lld", (long long)seed));
    add_set(w, lb_format_dup("name=%s", run));
    if (teacher) add_set(w, lb_format_dup("teachers.teacher.model=%s/%lld/%s/model", e->folder, (long long)seed, teacher));
    if (from) add_set(w, lb_format_dup("student.from=%s/%lld/%s/model", e->folder, (long long)seed, from));
    const lb_value *set = lb_get(v, "set");
    for (int64_t i = 0; set && i < set->count; i++) {
        if (set->items[i]->kind != LB_V_TEXT) return lb_fail(LB_E_ARG, "experiment: line %d: 'set' is a list of texts \"key=value\"", set->items[i]->line);
        add_set(w, lb_strdup(set->items[i]->text));
    }
    for (int64_t i = 0; i < e->o->set.count; i++) add_set(w, lb_strdup(e->o->set.items[i]));
    for (int i = 0; i < w->count; i++)
        if (!w->at[i]) return LB_E_NOMEM;
    return w->count < WORDS_MAX - 1 ? LB_OK : lb_fail(LB_E_LIMIT, "experiment: run %s sets too many keys", run);
}

/* What the child prints on stdout goes nowhere: its summary is read. */
static lb_status spawn(const experiment *e, const words *w, const char *what) {
    posix_spawn_file_actions_t files;
    pid_t pid;
    if (posix_spawn_file_actions_init(&files) != 0) return LB_E_NOMEM;
    int failed = posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    if (!failed) failed = posix_spawn(&pid, "/proc/self/exe", &files, NULL, (char *const *)w->at, environ);
    posix_spawn_file_actions_destroy(&files);
    return failed ? lb_fail(LB_E_IO, "%s: %s", what, strerror(failed)) : wait_for(pid, e->cli, what);
}

static lb_status run_one(experiment *e, const char *run, const lb_value *v, int64_t at) {
    lb_status st = LB_OK;
    words w = {0};
    int64_t seed = e->first + at;
    lb_value *summary = NULL;
    char what[128], *path = lb_format_dup("%s/%lld/%s/summary.json", e->folder, (long long)seed, run);
    snprintf(what, sizeof what, "run %s, seed %lld", run, (long long)seed);
    if (!path) return LB_E_NOMEM;
    LB_TRY(lb_value_only(v, "experiment: runs", (const char *const[]){"recipe", "teacher", "from", "set", NULL}));
    LB_TRY(words_of(&w, e, run, v, seed));
    LB_TRY(spawn(e, &w, what));
    LB_TRY(lb_json_read(&summary, path));
    lb_map_put(e->summary[at], run, summary);
    summary = NULL;
done:
    for (int i = 0; i < w.count; i++) lb_free(w.at[i]);
    lb_value_free(summary);
    lb_free(path);
    return st;
}

/* ---- scores and what is expected of them ---- */

/* "run.score" of a seed, or a number. */
static lb_status value_of(const experiment *e, const lb_value *what, int64_t at, double *out) {
    char path[256];
    if (what->kind == LB_V_REAL || what->kind == LB_V_INT) {
        *out = what->kind == LB_V_REAL ? what->real : (double)what->integer;
        return LB_OK;
    }
    const char *text = what->kind == LB_V_TEXT ? what->text : "", *dot = strchr(text, '.');
    if (!dot) return lb_fail(LB_E_ARG, "experiment: line %d: a number or run.score is wanted", what->line);
    snprintf(path, sizeof path, "%.*s.scores.%s", (int)(dot - text), text, dot + 1);
    *out = lb_get_real(e->summary[at], path, NAN);
    return isfinite(*out) ? LB_OK : lb_fail(LB_E_NOTFOUND, "experiment: line %d: there is no score '%s'", what->line, text);
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double mean_of(const double *x, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += x[i];
    return sum / (double)n;
}

static double spread_of(const double *x, int64_t n) {
    double mean = mean_of(x, n), sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (x[i] - mean) * (x[i] - mean);
    return n > 1 ? sqrt(sum / (double)(n - 1)) : 0;
}

static double median_of(const double *x, int64_t n) {
    double y[SEEDS_MAX];
    memcpy(y, x, (size_t)n * sizeof *y);
    qsort(y, (size_t)n, sizeof *y, by_size);
    return (y[(n - 1) / 2] + y[n / 2]) / 2;
}

static lb_status values_of(const experiment *e, const lb_value *what, double out[SEEDS_MAX]) {
    lb_status st = LB_OK;
    if (!what) return lb_fail(LB_E_ARG, "experiment: an expectation wants 'of', and 'above' or 'below'");
    for (int64_t s = 0; s < e->seeds && st == LB_OK; s++) st = value_of(e, what, s, &out[s]);
    return st;
}

/* of above|below (other * times + plus), by mean, median, or in each of at least `in` seeds. */
static lb_status check(const experiment *e, const lb_value *v, bool *holds) {
    double of[SEEDS_MAX], than[SEEDS_MAX], times = lb_get_real(v, "times", 1), plus = lb_get_real(v, "plus", 0);
    const lb_value *above = lb_get(v, "above");
    const char *by = lb_get_text(v, "by", "each");
    int64_t good = 0, want = lb_get_int(v, "in", e->seeds);
    lb_status st = lb_value_only(v, "experiment: expect", (const char *const[]){"of", "above", "below", "times", "plus", "by", "in", NULL});
    if (st == LB_OK) st = values_of(e, lb_get(v, "of"), of);
    if (st == LB_OK) st = values_of(e, above ? above : lb_get(v, "below"), than);
    if (st != LB_OK) return st;
    for (int64_t s = 0; s < e->seeds; s++) {
        than[s] = than[s] * times + plus;
        good += above ? of[s] > than[s] : of[s] < than[s];
    }
    if (strcmp(by, "each") == 0) *holds = good >= (want < e->seeds ? want : e->seeds);
    else {
        bool mean = strcmp(by, "mean") == 0;
        double a = mean ? mean_of(of, e->seeds) : median_of(of, e->seeds), b = mean ? mean_of(than, e->seeds) : median_of(than, e->seeds);
        *holds = above ? a > b : a < b;
    }
    return LB_OK;
}

static int64_t rank_in(const double *x, int64_t n, int64_t i) {
    int64_t rank = 0;
    for (int64_t k = 0; k < n; k++) rank += x[k] < x[i] || (x[k] == x[i] && k < i);
    return rank;
}

/* Spearman's correlation of two lists of scores, above a number in every seed. */
static lb_status check_ranks(const experiment *e, const lb_value *v, bool *holds) {
    const lb_value *of = lb_get(v, "ranks_of"), *with = lb_get(v, "with");
    double a[32], b[32];
    lb_status st = lb_value_only(v, "experiment: expect", (const char *const[]){"ranks_of", "with", "above", NULL});
    if (st != LB_OK) return st;
    if (!of || !with || of->count != with->count || of->count < 2 || of->count > 32) return lb_fail(LB_E_ARG, "experiment: line %d: ranks_of and with are two lists of one length", v->line);
    *holds = true;
    for (int64_t s = 0; s < e->seeds; s++) {
        double sum = 0, n = (double)of->count;
        for (int64_t i = 0; i < of->count && st == LB_OK; i++) {
            st = value_of(e, of->items[i], s, &a[i]);
            if (st == LB_OK) st = value_of(e, with->items[i], s, &b[i]);
        }
        if (st != LB_OK) return st;
        for (int64_t i = 0; i < of->count; i++) {
            double gap = (double)(rank_in(a, of->count, i) - rank_in(b, of->count, i));
            sum += gap * gap;
        }
        double correlation = 1 - 6 * sum / (n * (n * n - 1));
        lb_say(LB_LOG_INFO, "experiment", "seed %lld: rank correlation %.3f", (long long)(e->first + s), correlation);
        *holds = *holds && correlation > lb_get_real(v, "above", 0);
    }
    return LB_OK;
}

/* Of candidates (score, what chooses, cost) in one seed: is the score of the one that is chosen, with the least of `chosen_by`, no less than the mean of the
 * others that cost no more? */
static lb_status chosen_well(const experiment *e, const lb_value *v, int64_t at, bool *good) {
    const lb_value *by = lb_get(v, "chosen_by"), *of = lb_get(v, "of"), *cost = lb_get(v, "cost");
    double x[3][32], sum = 0, n = 0;
    int64_t best = 0;
    for (int64_t i = 0; i < by->count; i++) {
        const lb_value *one[] = {by->items[i], of->items[i], cost->items[i]};
        for (int k = 0; k < 3; k++) {
            lb_status st = value_of(e, one[k], at, &x[k][i]);
            if (st != LB_OK) return st;
        }
        if (x[0][i] < x[0][best]) best = i;
    }
    for (int64_t i = 0; i < by->count; i++) {
        if (i == best || x[2][i] > x[2][best]) continue;
        sum += x[1][i];
        n++;
    }
    *good = n == 0 || x[1][best] >= sum / n;
    lb_say(LB_LOG_INFO, "experiment", "seed %lld: candidate %lld is chosen: %.4g, %.0f others %.4g", (long long)(e->first + at), (long long)best, x[1][best], n, n > 0 ? sum / n : 0);
    return LB_OK;
}

static lb_status check_choice(const experiment *e, const lb_value *v, bool *holds) {
    const lb_value *by = lb_get(v, "chosen_by"), *of = lb_get(v, "of"), *cost = lb_get(v, "cost");
    int64_t good = 0;
    lb_status st = lb_value_only(v, "experiment: expect", (const char *const[]){"chosen_by", "of", "cost", "in", NULL});
    if (st == LB_OK && (!of || !cost || by->count < 2 || by->count > 32 || of->count != by->count || cost->count != by->count))
        st = lb_fail(LB_E_ARG, "experiment: line %d: chosen_by, of and cost are lists of one length, 2 to 32", v->line);
    for (int64_t s = 0; s < e->seeds && st == LB_OK; s++) {
        bool well = false;
        st = chosen_well(e, v, s, &well);
        good += well;
    }
    *holds = good >= (lb_get_int(v, "in", e->seeds) < e->seeds ? lb_get_int(v, "in", e->seeds) : e->seeds);
    return st;
}

/* ---- the row ---- */

static lb_status shown(const experiment *e, lb_buf *row) {
    const lb_value *show = lb_get(e->value, "show");
    for (int64_t i = 0; show && i < show->count; i++) {
        double x[SEEDS_MAX];
        lb_status st = values_of(e, show->items[i], x);
        if (st != LB_OK) return st;
        lb_buf_format(row, "%s%s %.3g ± %.2g", i ? "; " : "", show->items[i]->text, mean_of(x, e->seeds), spread_of(x, e->seeds));
    }
    return LB_OK;
}

static lb_status judge(const experiment *e, lb_buf *row, int *held, int *all) {
    lb_status st = LB_OK;
    const lb_value *expect = lb_get(e->value, "expect");
    lb_buf missed = {0};
    for (int64_t i = 0; expect && i < expect->count; i++) {
        const lb_value *v = expect->items[i];
        bool holds = false;
        LB_TRY(lb_get(v, "ranks_of") ? check_ranks(e, v, &holds) : lb_get(v, "chosen_by") ? check_choice(e, v, &holds) : check(e, v, &holds));
        *all += 1;
        *held += holds;
        if (!holds) lb_buf_format(&missed, "%s%lld", missed.size ? ", " : "", (long long)i + 1);
    }
    if (*held == *all) lb_buf_format(row, "holds (%d of %d)", *held, *all);
    else lb_buf_format(row, "%s: %d of %d, not %s", *held ? "holds in part" : "does not hold", *held, *all, lb_buf_str(&missed));
done:
    lb_buf_free(&missed);
    return st;
}

/* The row's place: the line that begins with its name, else the end of the table. */
static lb_status write_row(const char *path, const char *name, const char *row) {
    lb_status st = LB_OK;
    lb_buf old = {0}, text = {0};
    char head[128];
    bool put = false;
    LB_TRY(lb_file_read(&old, path, 1 << 20));
    snprintf(head, sizeof head, "| %s |", name);
    for (const char *at = lb_buf_str(&old); *at;) {
        const char *end = strchr(at, '\n');
        size_t size = end ? (size_t)(end - at) + 1 : strlen(at);
        bool mine = strncmp(at, head, strlen(head)) == 0, closes = strncmp(at, "<!-- end -->", 12) == 0;
        if ((mine || closes) && !put) {
            lb_buf_format(&text, "%s\n", row);
            put = true;
        }
        if (!mine) lb_buf_add(&text, at, size);
        at += size;
    }
    if (!put) LB_TRY(lb_fail(LB_E_FORMAT, "%s has no table that ends with <!-- end -->", path));
    LB_TRY(lb_file_write(path, text.data, text.size));
done:
    lb_buf_free(&old);
    lb_buf_free(&text);
    return st;
}

static lb_status run_all(experiment *e) {
    lb_status st = LB_OK;
    const lb_value *runs = lb_get(e->value, "runs");
    if (!runs || runs->count == 0) return lb_fail(LB_E_ARG, "experiment: it has no runs");
    lb_progress_begin(&e->cli->progress, "experiment", "runs", 0, e->seeds * runs->count);
    for (int64_t s = 0; s < e->seeds; s++) {
        if (!(e->summary[s] = lb_value_map())) return LB_E_NOMEM;
        for (int64_t i = 0; i < runs->count; i++) {
            LB_TRY(run_one(e, runs->keys[i], runs->items[i], s));
            LB_TRY(lb_progress_at(&e->cli->progress, s * runs->count + i + 1, runs->keys[i]));
        }
    }
    lb_progress_end(&e->cli->progress, NULL);
done:
    return st;
}

static lb_status report(experiment *e, double seconds) {
    lb_status st = LB_OK;
    lb_buf row = {0};
    int held = 0, all = 0;
    const char *name = lb_get_text(e->value, "name", "");
    lb_buf_format(&row, "| %s | %s | %lld to %lld | ", name, lb_get_text(e->value, "claim", ""), (long long)e->first, (long long)(e->first + e->seeds - 1));
    LB_TRY(shown(e, &row));
    lb_buf_format(&row, " | ");
    LB_TRY(judge(e, &row, &held, &all));
    lb_buf_format(&row, " | %.0f s |", seconds);
    LB_TRY(lb_buf_status(&row));
    if (e->o->results) LB_TRY(write_row(e->o->results, name, lb_buf_str(&row)));
    if (e->cli->json) {
        lb_value *v = lb_value_map();
        lb_map_text(v, "name", name);
        lb_map_int(v, "seeds", e->seeds);
        lb_map_int(v, "first", e->first);
        lb_map_int(v, "expected", all);
        lb_map_int(v, "held", held);
        lb_map_text(v, "row", lb_buf_str(&row));
        st = cli_json(v);
        lb_value_free(v);
    } else st = cli_print("%s", lb_buf_str(&row));
done:
    lb_buf_free(&row);
    return st;
}

static lb_status run(lb_cli *cli, void *opts) {
    static const char *const known[] = {"name", "claim", "seeds", "first", "runs", "show", "expect", NULL};
    lb_status st = LB_OK;
    experiment e = {.cli = cli, .o = opts};
    double start = lb_now();
    char *path = strchr(cli->words[0], '/') || lb_ends_with(cli->words[0], ".yaml") ? lb_strdup(cli->words[0]) : lb_format_dup("experiments/%s.yaml", cli->words[0]);
    if (!path) return LB_E_NOMEM;
    LB_TRY(lb_yaml_read(&e.value, path));
    LB_TRY(lb_value_only(e.value, "experiment", known));
    e.folder = e.o->out ? lb_strdup(e.o->out) : lb_format_dup("runs/experiments/%s", lb_get_text(e.value, "name", "unnamed"));
    if (!e.folder) LB_TRY(LB_E_NOMEM);
    e.seeds = e.o->seeds ? e.o->seeds : lb_get_int(e.value, "seeds", 3);
    if (e.seeds < 1 || e.seeds > SEEDS_MAX) LB_TRY(lb_fail(LB_E_ARG, "experiment: seeds is %lld, 1 to %d is wanted", (long long)e.seeds, SEEDS_MAX));
    e.first = e.o->first >= 0 ? e.o->first : lb_get_int(e.value, "first", 0);
    if (e.first < 0 || e.first > 1000000000) LB_TRY(lb_fail(LB_E_ARG, "experiment: first is %lld, a seed from 0 to 1000000000 is wanted", (long long)e.first));
    LB_TRY(run_all(&e));
    LB_TRY(report(&e, lb_now() - start));
done:
    for (int64_t s = 0; s < SEEDS_MAX; s++) lb_value_free(e.summary[s]);
    lb_value_free(e.value);
    lb_free(e.folder);
    lb_free(path);
    return st;
}

LB_VERB(experiment) = {.id = "experiment", .title = "runs the experiment of a method and says whether its claim holds", .source = "", .params = params, .params_size = sizeof(options),
                       .usage = "experiment NAME [--results FILE] [--seeds N] [--first SEED] [--out FOLDER]", .min_words = 1, .max_words = 1,
                       .help = "NAME is experiments/NAME.yaml, or a file: runs (recipes with what they set, each over the seeds), scores to show, and what is expected of\n"
                               "them. Prints a row: the claim, seeds, scores as mean and standard deviation, verdict, time; --results puts it into a table. Stopped: the\n"
                               "same command goes on.", .run = run};
