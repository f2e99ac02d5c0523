/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/check.h"
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/alloc.h"
#include "base/file.h"

enum { NAME = 256, PATH = 4096, PATHS = 16 };

/* One result; a test made from data sits on top of the test that makes it. */
typedef struct result {
    char name[NAME];
    bool failed, skipped;
} result;

static struct {
    const char *program, *suite;
    const char *test; /* the entry of the table that runs: what a rerun must name */
    const check_test *tests;
    char **wanted; /* arguments; ends with NULL */
    bool found;    /* did they name anything? */
    result stack[2];
    int depth;
    int passed, failed, skipped;
    char tmp[PATH];
    char paths[PATHS][PATH];
    int next_path;
} run;

static result *current(void) {
    return &run.stack[run.depth > 0 ? run.depth - 1 : 0];
}

static void report(const char *file, int line, const char *fmt, ...) LB_PRINTF(3, 4);
static void report(const char *file, int line, const char *fmt, ...) {
    va_list args;
    printf("FAIL %s/%s: %s:%d: ", run.suite, current()->name, file, line);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    if (!current()->failed) printf("\n     rerun: %s %s", run.program, run.test);
    printf("\n");
    fflush(stdout);
    current()->failed = true;
}

static void count(const result *r) {
    if (r->failed) run.failed++;
    else if (r->skipped) run.skipped++;
    else run.passed++;
}

void check_begin(const char *fmt, ...) {
    if (run.depth == 2) check_end();
    result *r = &run.stack[run.depth++];
    *r = (result){0};
    va_list args;
    va_start(args, fmt);
    vsnprintf(r->name, sizeof r->name, fmt, args);
    va_end(args);
}

void check_end(void) {
    if (run.depth == 0) return;
    count(current());
    run.depth--;
}

bool check_failed(void) {
    return current()->failed;
}

void check_skip(const char *fmt, ...) {
    va_list args;
    printf("SKIP %s/%s: ", run.suite, current()->name);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    printf("\n");
    current()->skipped = true;
}

bool check_true(bool ok, const char *file, int line, const char *what) {
    if (!ok) report(file, line, "%s is false", what);
    return ok;
}

bool check_int(int64_t got, int64_t want, const char *file, int line, const char *what) {
    if (got != want) report(file, line, "%s is %" PRId64 ", want %" PRId64, what, got, want);
    return got == want;
}

static bool near(double got, double want, double tol) {
    if (isnan(got) || isnan(want)) return isnan(got) && isnan(want);
    return got == want || fabs(got - want) <= tol;
}

bool check_near(double got, double want, double tol, const char *file, int line, const char *what) {
    bool ok = near(got, want, tol);
    if (!ok) report(file, line, "%s is %.17g, want %.17g within %.3g", what, got, want, tol);
    return ok;
}

bool check_text(const char *got, const char *want, const char *file, int line, const char *what) {
    bool ok = got && want ? strcmp(got, want) == 0 : got == want;
    if (!ok) report(file, line, "%s is\n     '%s', want\n     '%s'", what, got ? got : "(NULL)", want ? want : "(NULL)");
    return ok;
}

bool check_has(const char *text, const char *part, const char *file, int line, const char *what) {
    bool ok = text && strstr(text, part);
    if (!ok) report(file, line, "%s is\n     '%s', which lacks\n     '%s'", what, text ? text : "(NULL)", part);
    return ok;
}

bool check_ok(lb_status st, const char *file, int line, const char *what) {
    if (st != LB_OK) report(file, line, "%s: %s: %s", what, lb_status_name(st), lb_error_text());
    return st == LB_OK;
}

bool check_fails(lb_status st, lb_status want, const char *part, const char *file, int line, const char *what) {
    bool ok = st == want;
    if (!ok) report(file, line, "%s gives '%s', want '%s' (message: %s)", what, lb_status_name(st), lb_status_name(want),
                    lb_error_text());
    if (st == LB_OK) return false;
    if (!lb_error_text()[0]) {
        report(file, line, "%s fails without a message", what);
        ok = false;
    }
    return check_has(lb_error_text(), part, file, line, what) && ok;
}

bool check_doubles(const double *got, const double *want, int64_t n, double rtol, double atol, const char *file, int line,
                   const char *what) {
    double squares = 0, worst = 0;
    int64_t bad = 0, first = -1;
    for (int64_t i = 0; i < n; i++) squares += isfinite(want[i]) ? want[i] * want[i] : 0;
    double rms = n > 0 ? sqrt(squares / (double)n) : 0;
    for (int64_t i = 0; i < n; i++) {
        if (near(got[i], want[i], atol + rtol * fmax(fabs(want[i]), rms))) continue;
        if (first < 0) first = i;
        worst = fmax(worst, fabs(got[i] - want[i]));
        bad++;
    }
    if (bad > 0)
        report(file, line, "%s[%" PRId64 "] is %.9g, want %.9g (%" PRId64 " of %" PRId64 " differ, by up to %.3g)", what,
               first, got[first], want[first], bad, n, worst);
    return bad == 0;
}

bool check_floats(const float *got, const float *want, int64_t n, double rtol, double atol, const char *file, int line,
                  const char *what) {
    size_t cells = n > 0 ? (size_t)n : 1;
    double *a = malloc(cells * sizeof *a), *b = malloc(cells * sizeof *b);
    bool ok = a && b;
    if (!ok) report(file, line, "%s: no memory to compare %" PRId64 " values", what, n);
    for (int64_t i = 0; ok && i < n; i++) {
        a[i] = (double)got[i];
        b[i] = (double)want[i];
    }
    ok = ok && check_doubles(a, b, n, rtol, atol, file, line, what);
    free(a);
    free(b);
    return ok;
}

/* A path stays valid until PATHS more have been asked for. */
static const char *keep_path(const char *folder, const char *name) {
    char *path = run.paths[run.next_path++ % PATHS];
    int n = snprintf(path, PATH, "%s/%s", folder, name);
    if (n < 0 || n >= PATH) report(__FILE__, __LINE__, "path too long: %s/%s", folder, name);
    return path;
}

const char *check_tmp(const char *name) {
    const char *base = getenv("TMPDIR");
    if (!run.tmp[0]) {
        snprintf(run.tmp, sizeof run.tmp, "%s/limbeck-%s-XXXXXX", base && base[0] ? base : "/tmp", run.suite);
        if (!mkdtemp(run.tmp)) report(__FILE__, __LINE__, "no scratch folder %s", run.tmp);
    }
    return keep_path(run.tmp, name);
}

#ifndef LB_TEST_DATA
#define LB_TEST_DATA "tests/data"
#endif

const char *check_data(const char *name) {
    const char *folder = getenv("LB_TEST_DATA");
    return keep_path(folder && folder[0] ? folder : LB_TEST_DATA, name);
}

static void run_test(const check_test *t) {
    int64_t before = lb_alloc_live();
    run.test = t->name;
    check_begin("%s", t->name);
    t->run();
    lb_alloc_fail_at(0);
    while (run.depth > 1) check_end();
    if (lb_alloc_live() != before && !check_failed())
        report(t->name, 0, "%" PRId64 " blocks are still allocated", lb_alloc_live() - before);
    check_end();
}

static const check_test *find(const char *name) {
    for (const check_test *t = run.tests; t->name; t++)
        if (strcmp(t->name, name) == 0) return t;
    return NULL;
}

bool check_wanted(const char *name) {
    bool narrow = false;
    for (char **arg = run.wanted; *arg; arg++) {
        if (find(*arg)) continue;
        narrow = true;
        if (strcmp(*arg, name) == 0) return run.found = true;
    }
    return !narrow;
}

/* A name that is none of the table's is one of what they make from data (check_wanted). */
static bool is_wanted(const check_test *t) {
    bool wanted = !*run.wanted;
    for (char **arg = run.wanted; *arg; arg++) {
        run.found |= find(*arg) == t;
        wanted |= !find(*arg) || find(*arg) == t;
    }
    return wanted;
}

int check_main(int argc, char **argv, const char *suite, const check_test *tests) {
    run.program = argv[0];
    run.suite = suite;
    run.tests = tests;
    run.wanted = argv + 1;
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (const check_test *t = tests; t->name; t++) printf("%s\n", t->name);
        return 0;
    }
    for (const check_test *t = tests; t->name; t++)
        if (is_wanted(t)) run_test(t);
    if (run.tmp[0] && lb_remove_all(run.tmp) != LB_OK) printf("cannot remove %s: %s\n", run.tmp, lb_error_text());
    if (argc > 1 && !run.found) {
        printf("%s: no test of that name; --list shows them\n", suite);
        return 2;
    }
    printf("%d passed, %d failed, %d skipped\n", run.passed, run.failed, run.skipped);
    /* 77: meson's code for a suite in which nothing could run. */
    return run.failed ? 1 : run.passed == 0 && run.skipped > 0 ? 77 : 0;
}
