/* SPDX-License-Identifier: Apache-2.0 */
/* The test harness: one executable per suite, a table of named tests, one closing line `N passed, N failed, N skipped`.
 *
 *   static void adds(void) { CHECK_INT(1 + 1, 2); }
 *   int main(int argc, char **argv) { return check_main(argc, argv, "base", (check_test[]){ {"adds", adds}, {0} }); }
 *
 * `build/tests/base adds` runs one test, `build/tests/test-ops gelu` those that are made from data of that name; a failure prints the file, line, both values and the command that reruns it. */
#ifndef LB_TESTS_CHECK_H
#define LB_TESTS_CHECK_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

typedef struct check_test {
    const char *name;
    void (*run)(void);
} check_test;

int check_main(int argc, char **argv, const char *suite, const check_test *tests);

/* For tests made from data (one per file, per op): counts as one more test of the running suite. */
void check_begin(const char *fmt, ...) LB_PRINTF(1, 2);
void check_end(void);
bool check_wanted(const char *name);                     /* is this one asked for? True when the program was given no names but those of its table */
bool check_failed(void);                                 /* has the current test failed so far? */
void check_skip(const char *fmt, ...) LB_PRINTF(1, 2);   /* the current test cannot run here, and why */

bool check_true(bool ok, const char *file, int line, const char *what);
bool check_int(int64_t got, int64_t want, const char *file, int line, const char *what);
bool check_near(double got, double want, double tol, const char *file, int line, const char *what);
bool check_text(const char *got, const char *want, const char *file, int line, const char *what);
bool check_has(const char *text, const char *part, const char *file, int line, const char *what);
bool check_ok(lb_status st, const char *file, int line, const char *what);
/* A failure must have this code and a message that contains `part`. */
bool check_fails(lb_status st, lb_status want, const char *part, const char *file, int line, const char *what);
/* |got - want| <= atol + rtol * max(|want|, rms(want)) elementwise; prints the first bad index with both values. */
bool check_floats(const float *got, const float *want, int64_t n, double rtol, double atol, const char *file, int line, const char *what);
bool check_doubles(const double *got, const double *want, int64_t n, double rtol, double atol, const char *file, int line, const char *what);

#define CHECK(x) check_true((x), __FILE__, __LINE__, #x)
#define CHECK_INT(got, want) check_int((got), (want), __FILE__, __LINE__, #got)
#define CHECK_NEAR(got, want, tol) check_near((got), (want), (tol), __FILE__, __LINE__, #got)
#define CHECK_TEXT(got, want) check_text((got), (want), __FILE__, __LINE__, #got)
#define CHECK_HAS(text, part) check_has((text), (part), __FILE__, __LINE__, #text)
#define CHECK_OK(expr) check_ok((expr), __FILE__, __LINE__, #expr)
#define CHECK_FAILS(expr, code, part) check_fails((expr), (code), (part), __FILE__, __LINE__, #expr)
#define CHECK_FLOATS(got, want, n, rtol, atol) check_floats((got), (want), (n), (rtol), (atol), __FILE__, __LINE__, #got)
#define CHECK_DOUBLES(got, want, n, rtol, atol) check_doubles((got), (want), (n), (rtol), (atol), __FILE__, __LINE__, #got)

/* Folder for scratch files, removed at the end of the suite; and a file of tests/data by name. Owned by the harness. */
const char *check_tmp(const char *name);
const char *check_data(const char *name);

#endif
