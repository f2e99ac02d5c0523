/* SPDX-License-Identifier: Apache-2.0 */
/* Feature files: what is written is read (by us and by h5py), at any interruption, and any damage is found. Values are a formula of item
 * and element, exact in f16, so that tests/data/cache/made.py can state them on its own. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/file.h"
#include "base/progress.h"
#include "base/rng.h"
#include "io/cache.h"
#include "io/hdf5.h"
#include "tests/check.h"

enum { EMBEDDING, HALF, BRAIN, SMALL, TOKENS, TAPS };
static const lb_tap_spec the_taps[TAPS] = {
    {.name = "embedding", .rank = 2, .shape = {4, 24}, .dtype = LB_F32},
    {.name = "half", .rank = 1, .shape = {33}, .dtype = LB_F16},
    {.name = "brain", .rank = 1, .shape = {17}, .dtype = LB_BF16},
    {.name = "small", .rank = 1, .shape = {50}, .dtype = LB_I8},
    {.name = "tokens", .rank = 2, .shape = {0, 5}, .ragged = true, .dtype = LB_F32},
};
static const int64_t widths[TAPS] = {96, 33, 17, 50, 5};
static const lb_fingerprint the_print = {"sha256:w", "sha256:p", "none", "embedding,half", "sha256:l", "test 1"};

static float value(int64_t i, int64_t k, int tap) { return (float)((i * 31 + k * 7 + tap * 13) % 997 - 320) / 64.0f; }

static bool fails(int64_t i) { return i % 50 == 7; }

static char **make_keys(int64_t n) {
    char **keys = lb_calloc((size_t)n, sizeof *keys);
    for (int64_t i = 0; i < n; i++) keys[i] = lb_format_dup("bild/\xc3\xa9-%lld.png", (long long)i);
    return keys;
}

static lb_status put_row(lb_cache_writer *w, int64_t i) {
    float v[TAPS][96];
    const float *values[TAPS];
    int64_t length[TAPS] = {0};
    char message[64];
    snprintf(message, sizeof message, "broken %lld", (long long)i);
    if (fails(i)) return lb_cache_failed_row(w, LB_E_FORMAT, message);
    length[TOKENS] = i % 4;
    for (int t = 0; t < TAPS; t++) {
        values[t] = v[t];
        int64_t n = t == TOKENS ? 5 * length[t] : widths[t];
        for (int64_t k = 0; k < n; k++) v[t][k] = value(i, k, t);
    }
    return lb_cache_row(w, values, length);
}

/* The whole run, as a command would: begin or resume, the rest of the rows, commit. */
static lb_status make(const char *path, int64_t n, const lb_fingerprint *print) {
    char **keys = make_keys(n);
    lb_cache_writer *w = NULL;
    int64_t at = 0;
    lb_status st = lb_cache_begin(&w, &at, path, print, n, (const char *const *)keys, TAPS, the_taps);
    for (; st == LB_OK && at < n; at++) {
        st = put_row(w, at);
        if (st == LB_OK && at % 64 == 63) st = lb_cache_sync(w);
    }
    if (st == LB_OK) st = lb_cache_commit(&w);
    lb_cache_close_part(&w);
    lb_names_free(keys, n);
    return st;
}

static bool same_bytes(const char *a, const char *b) {
    lb_buf x = {0}, y = {0};
    bool same = CHECK_OK(lb_file_read(&x, a, 0)) && CHECK_OK(lb_file_read(&y, b, 0)) && CHECK_INT(x.size, y.size) && CHECK(memcmp(x.data, y.data, x.size) == 0);
    lb_buf_free(&x);
    lb_buf_free(&y);
    return same;
}

static float half_step(float x) { return ldexpf(1, ilogbf(fabsf(x) > 0 ? x : 1) - 8); } /* of bf16: 8 bits of precision */

static void check_row(lb_cache *c, int64_t row, int64_t i) {
    float got[96], most = 0;
    char key[64];
    snprintf(key, sizeof key, "bild/\xc3\xa9-%lld.png", (long long)i);
    CHECK_TEXT(lb_cache_key(c, row), key);
    CHECK_INT(lb_cache_find(c, key), row);
    CHECK_INT(lb_cache_row_status(c, row), fails(i) ? 4 : 0);
    for (int t = 0; t < TAPS; t++) {
        int tap = lb_cache_tap_find(c, the_taps[t].name);
        if (t == TOKENS) {
            float *v = NULL;
            int64_t length = -1;
            CHECK_OK(lb_cache_read_ragged(c, tap, row, &v, &length));
            CHECK_INT(length, fails(i) ? 0 : i % 4);
            for (int64_t k = 0; k < 5 * length; k++) CHECK_NEAR(v[k], value(i, k, t), 0);
            lb_free(v);
            continue;
        }
        CHECK_OK(lb_cache_read(c, tap, 1, &row, got));
        for (int64_t k = 0; k < widths[t]; k++) most = fmaxf(most, fabsf(value(i, k, t)));
        for (int64_t k = 0; k < widths[t]; k++) {
            float want = value(i, k, t);
            /* f32 and f16 hold the values exactly; bf16 rounds to half a step, i8 to half of max/127 */
            double tol = t == BRAIN ? half_step(want) : t == SMALL ? most / 127.0 * 0.5001 : 0;
            if (fails(i)) CHECK(isnan(got[k]));
            else CHECK_NEAR(got[k], want, tol);
        }
        most = 0;
    }
}

static void round_trip(void) {
    const char *path = check_tmp("round.h5");
    const int64_t n = 3000; /* several chunks of the f32 tap */
    lb_cache *c = NULL;
    CHECK_OK(make(path, n, &the_print));
    CHECK_OK(make(path, n, &the_print)); /* finished: nothing to do */
    CHECK(!lb_file_exists(check_tmp("round.h5.part")));
    if (!CHECK_OK(lb_cache_open(&c, path))) return;
    CHECK_INT(lb_cache_rows(c), n);
    CHECK_INT(lb_cache_taps(c), TAPS);
    CHECK_TEXT(lb_cache_fingerprint(c)->list, "sha256:l");
    CHECK_TEXT(lb_cache_row_message(c, 57), "broken 57");
    CHECK_INT(lb_cache_find(c, "none"), -1);
    for (int64_t i = 0; i < 300; i++) check_row(c, i * 997 % n, i * 997 % n);
    int64_t *rows = lb_alloc((size_t)n, sizeof *rows), tap = lb_cache_tap_find(c, "half");
    float *all = lb_alloc((size_t)n * 33, sizeof *all);
    for (int64_t i = 0; i < n; i++) rows[i] = i * 7 % n; /* any order, in one call */
    CHECK_OK(lb_cache_read(c, (int)tap, n, rows, all));
    for (int64_t i = 0; i < n; i++)
        if (!fails(rows[i])) CHECK_NEAR(all[i * 33 + 5], value(rows[i], 5, HALF), 0);
    rows[0] = n;
    CHECK_FAILS(lb_cache_read(c, (int)tap, 1, rows, all), LB_E_NOTFOUND, "3000");
    lb_free(rows);
    lb_free(all);
    lb_cache_close(c);
    int64_t problems = -1;
    CHECK_OK(lb_cache_verify(path, NULL, NULL, &problems));
    CHECK_INT(problems, 0);
}

static bool has_python(void) {
    if (system("/usr/bin/python3 -c 'import numpy, h5py' 2>/dev/null") == 0) return true;
    check_skip("no python3 with numpy and h5py");
    return false;
}

static void h5py_reads_it(void) {
    char line[1024];
    const char *path = check_tmp("python.h5");
    if (!has_python()) return;
    CHECK_OK(make(path, 1500, &the_print));
    snprintf(line, sizeof line, "/usr/bin/python3 %s %s 1500 >/dev/null", check_data("cache/made.py"), path);
    CHECK_INT(system(line), 0);
}

static void reads_files_of_others(void) {
    char line[1024];
    const char *path = check_tmp("others.h5");
    float x[8];
    lb_cache *c = NULL;
    if (!has_python()) return;
    snprintf(line, sizeof line, "/usr/bin/python3 %s %s", check_data("cache/others.py"), path);
    if (!CHECK_INT(system(line), 0) || !CHECK_OK(lb_cache_open(&c, path))) return;
    CHECK_INT(lb_cache_rows(c), 3);
    CHECK_OK(lb_cache_read(c, lb_cache_tap_find(c, "x"), 2, (int64_t[]){2, 0}, x));
    CHECK_FLOATS(x, ((float[]){1, 1.125f, 1.25f, 1.375f, 0, 0.125f, 0.25f, 0.375f}), 8, 0, 0);
    CHECK_OK(lb_cache_read(c, lb_cache_tap_find(c, "y"), 1, (int64_t[]){1}, x));
    CHECK_NEAR(x[0], 1.5, 0);
    lb_cache_close(c);
}

/* A file that an earlier build wrote; its values as h5py gives them. */
static void reads_the_recorded_version(void) {
    lb_cache *c = NULL;
    float x[16], *v = NULL;
    int64_t problems = -1, length = 0;
    const char *path = check_data("cache/files/version-2.h5");
    if (!CHECK_OK(lb_cache_open(&c, path))) return;
    CHECK_INT(lb_cache_rows(c), 10);
    CHECK_INT(lb_cache_find(c, "item-00007"), 7);
    CHECK_TEXT(lb_cache_row_message(c, 9), "item broken has no picture");
    CHECK_OK(lb_cache_read(c, lb_cache_tap_find(c, "image_embed"), 1, (int64_t[]){3}, x));
    CHECK_FLOATS(x, ((float[]){0.12005615234375f, 0.1156005859375f, 0.08929443359375f}), 3, 0, 0);
    CHECK_OK(lb_cache_read_ragged(c, lb_cache_tap_find(c, "text.tokens"), 7, &v, &length));
    CHECK_INT(length, 4);
    CHECK_FLOATS(v, ((float[]){-0.9677734375f, -1.439453125f}), 2, 0, 0);
    lb_free(v);
    lb_cache_close(c);
    CHECK_OK(lb_cache_verify(path, NULL, NULL, &problems));
    CHECK_INT(problems, 0);
}

static void odd_sizes(void) {
    lb_cache *c = NULL;
    lb_cache_writer *w = NULL;
    int64_t done = -1;
    const char *path = check_tmp("odd.h5"), *keys[] = {"a", "b"};
    CHECK_OK(make(path, 0, &the_print)); /* no item at all */
    CHECK_OK(lb_cache_open(&c, path));
    CHECK_INT(lb_cache_rows(c), 0);
    lb_cache_close(c);

    lb_tap_spec big = {.name = "big", .rank = 3, .shape = {3, 700, 901}, .dtype = LB_F32}; /* 7.6 MB a row: chunks inside it */
    lb_tap_spec taps[] = {big, {.name = "none", .rank = 1, .shape = {0}, .dtype = LB_F32}, {.name = "one", .rank = 0, .dtype = LB_F32}};
    int64_t n = 3 * 700 * 901;
    float *x = lb_alloc((size_t)n, sizeof *x), *y = lb_alloc((size_t)n, sizeof *y), one = 4.5f;
    for (int64_t i = 0; i < n; i++) x[i] = (float)i;
    path = check_tmp("big.h5");
    CHECK_OK(lb_cache_begin(&w, &done, path, &the_print, 2, keys, 3, taps));
    CHECK_OK(lb_cache_row(w, (const float *const[]){x, x, &one}, NULL));
    CHECK_OK(lb_cache_row(w, (const float *const[]){x, x, &one}, NULL));
    CHECK_FAILS(lb_cache_row(w, (const float *const[]){x, x, &one}, NULL), LB_E_ARG, "all 2 rows");
    CHECK_OK(lb_cache_commit(&w));
    CHECK_OK(lb_cache_open(&c, path));
    CHECK_OK(lb_cache_read(c, lb_cache_tap_find(c, "big"), 1, (int64_t[]){1}, y));
    CHECK_FLOATS(y, x, n, 0, 0);
    CHECK_OK(lb_cache_read(c, lb_cache_tap_find(c, "one"), 1, (int64_t[]){1}, y));
    CHECK_NEAR(y[0], 4.5, 0);
    lb_cache_close(c);
    CHECK_OK(lb_cache_verify(path, NULL, NULL, &done));
    CHECK_INT(done, 0);
    lb_free(x);
    lb_free(y);
}

static void refuses_what_cannot_be_held(void) {
    lb_cache_writer *w = NULL;
    int64_t done;
    const char *keys[] = {"first", "second"};
    lb_tap_spec i8 = {.name = "q", .rank = 1, .shape = {3}, .dtype = LB_I8}, f16 = {.name = "h", .rank = 1, .shape = {3}, .dtype = LB_F16}, i64 = f16;
    CHECK_OK(lb_cache_begin(&w, &done, check_tmp("held.h5"), &the_print, 2, keys, 1, &i8));
    CHECK_FAILS(lb_cache_row(w, (const float *const[]){(float[]){1, NAN, 2}}, NULL), LB_E_NUMERIC, "item 'first', tap 'q'");
    CHECK_FAILS(lb_cache_commit(&w), LB_E_ARG, "0 of 2");
    lb_cache_close_part(&w);
    CHECK_OK(lb_cache_begin(&w, &done, check_tmp("held16.h5"), &the_print, 2, keys, 1, &f16));
    CHECK_FAILS(lb_cache_row(w, (const float *const[]){(float[]){1, 2, 70000}}, NULL), LB_E_NUMERIC, "70000");
    CHECK_OK(lb_cache_row(w, (const float *const[]){(float[]){1, 2, 65504}}, NULL));
    lb_cache_discard(&w);
    CHECK(!lb_file_exists(check_tmp("held16.h5.part")));
    i64.dtype = LB_I64;
    CHECK_FAILS(lb_cache_begin(&w, &done, check_tmp("held64.h5"), &the_print, 2, keys, 1, &i64), LB_E_ARG, "i64");
}

/* Logits kept as their k largest: read back, the largest are log-softmax to a half's step, the others share what is left, and all sum to 1. */
static void largest_logits(void) {
    enum { CLASSES = 300, K = 6, N = 5 };
    const char *path = check_tmp("largest.h5"), *copy = check_tmp("copied.h5");
    const lb_tap_spec spec = {.name = "logits", .rank = 1, .shape = {CLASSES}, .topk = K}, stored[2] = {{.name = "logits.indices", .rank = 1, .shape = {K}, .dtype = LB_U16, .classes = CLASSES},
                                                                                                         {.name = "logits.values", .rank = 1, .shape = {K}, .dtype = LB_F16, .classes = CLASSES}};
    static float x[N][CLASSES], y[N][CLASSES];
    char **keys = make_keys(N);
    lb_cache_writer *w = NULL;
    lb_cache *c = NULL;
    int64_t done;
    CHECK_OK(lb_cache_begin(&w, &done, path, &the_print, N, (const char *const *)keys, 1, &spec));
    for (int64_t i = 0; i < N; i++) {
        for (int64_t k = 0; k < CLASSES; k++) x[i][k] = (float)((k * 37 + i * 11) % 23) / 3 - (i == 3 ? 0 : 2); /* many are equal */
        if (i == 2) CHECK_OK(lb_cache_failed_row(w, LB_E_FORMAT, "no"));
        else CHECK_OK(lb_cache_row(w, (const float *const[]){x[i]}, NULL));
    }
    CHECK_OK(lb_cache_commit(&w));
    if (!CHECK_OK(lb_cache_open(&c, path))) return;
    CHECK_INT(lb_cache_taps(c), 2);
    int tap = lb_cache_tap_find(c, "logits");
    CHECK_INT(lb_cache_tap_at(c, tap)->shape[0], CLASSES);
    CHECK_OK(lb_cache_read(c, tap, N, (const int64_t[]){0, 1, 2, 3, 4}, y[0]));
    for (int64_t i = 0; i < N; i++) {
        double sum = 0, all = 0, low = INFINITY;
        int exact = 0;
        if (i == 2) {
            CHECK(isnan(y[i][0]) && isnan(y[i][CLASSES - 1]));
            continue;
        }
        for (int64_t k = 0; k < CLASSES; k++) all += exp(x[i][k]);
        for (int64_t k = 0; k < CLASSES; k++) sum += exp(y[i][k]), low = fmin(low, y[i][k]);
        for (int64_t k = 0; k < CLASSES; k++) {
            int64_t before = 0;
            for (int64_t j = 0; j < CLASSES; j++) before += x[i][j] > x[i][k] || (x[i][j] == x[i][k] && j < k);
            if (before >= K) CHECK(y[i][k] == (float)low);
            else exact += fabs(exp(y[i][k]) - exp(x[i][k]) / all) <= exp(x[i][k]) / all / 1024; /* half a step of f16 is 2^-11 of the number */
        }
        CHECK_INT(exact, K);
        CHECK_NEAR(sum, 1, 1e-5);
    }
    CHECK_OK(lb_cache_begin(&w, &done, copy, &the_print, N, (const char *const *)keys, 2, stored));
    for (int64_t i = 0; i < N; i++) CHECK_OK(lb_cache_copy_row(w, c, i));
    CHECK_OK(lb_cache_commit(&w));
    CHECK(same_bytes(path, copy));
    lb_cache_close(c);
    CHECK_FAILS(lb_cache_begin(&w, &done, check_tmp("flat.h5"), &the_print, 1, (const char *const *)keys, 1, &(lb_tap_spec){.name = "logits", .rank = 2, .shape = {3, 4}, .topk = 2}), LB_E_SHAPE, "no vector");
    lb_names_free(keys, N);
}

static void shards_in_a_folder(void) {
    const char *folder = check_tmp("shards");
    char path[1024];
    lb_cache *c = NULL;
    lb_cache_writer *w = NULL;
    int64_t done, n = 100;
    char **keys = make_keys(3 * n);
    CHECK_OK(lb_make_folders(folder));
    for (int64_t s = 0; s < 3; s++) {
        snprintf(path, sizeof path, "%s/shard-%05d.h5", folder, (int)s);
        CHECK_OK(lb_cache_begin(&w, &done, path, &the_print, n, (const char *const *)keys + s * n, TAPS, the_taps));
        for (int64_t i = 0; i < n; i++) CHECK_OK(put_row(w, s * n + i));
        CHECK_OK(lb_cache_commit(&w));
    }
    if (CHECK_OK(lb_cache_open(&c, folder))) {
        CHECK_INT(lb_cache_rows(c), 3 * n);
        for (int64_t i = 0; i < 3 * n; i += 7) check_row(c, i, i);
        lb_cache_close(c);
    }
    lb_fingerprint other = the_print;
    snprintf(other.weights, sizeof other.weights, "sha256:other");
    snprintf(path, sizeof path, "%s/shard-00003.h5", folder);
    CHECK_OK(lb_cache_begin(&w, &done, path, &other, 1, (const char *const[]){"k"}, TAPS, the_taps));
    CHECK_OK(put_row(w, 0));
    CHECK_OK(lb_cache_commit(&w));
    CHECK_FAILS(lb_cache_open(&c, folder), LB_E_MISMATCH, "weights");
    CHECK_HAS(lb_error_text(), "sha256:other");
    CHECK_OK(lb_remove_all(path));
    CHECK_OK(make(path, 1, &the_print)); /* a key that is there already */
    CHECK_FAILS(lb_cache_open(&c, folder), LB_E_FORMAT, "is there twice");
    CHECK_FAILS(lb_cache_open(&c, check_tmp("nowhere")), LB_E_NOTFOUND, "nowhere");
    lb_names_free(keys, 3 * n);
}

static void names_what_differs(void) {
    const char *path = check_tmp("differs.h5");
    char **keys = make_keys(10);
    lb_cache_writer *w = NULL;
    int64_t done;
    static const struct { size_t offset; const char *name; } fields[] = {
        {offsetof(lb_fingerprint, weights), "weights"}, {offsetof(lb_fingerprint, preprocessing), "preprocessing"}, {offsetof(lb_fingerprint, tokenizer), "tokenizer"},
        {offsetof(lb_fingerprint, taps), "taps"}, {offsetof(lb_fingerprint, list), "list"}};
    for (int finished = 0; finished < 2; finished++) {
        if (finished) {
            CHECK_OK(make(path, 10, &the_print));
        } else {
            CHECK_OK(lb_cache_begin(&w, &done, path, &the_print, 10, (const char *const *)keys, TAPS, the_taps));
            CHECK_OK(put_row(w, 0));
            lb_cache_close_part(&w);
        }
        for (size_t i = 0; i < LB_COUNT(fields); i++) {
            lb_fingerprint other = the_print;
            strcpy((char *)&other + fields[i].offset, "another");
            CHECK_FAILS(lb_cache_begin(&w, &done, path, &other, 10, (const char *const *)keys, TAPS, the_taps), LB_E_MISMATCH, fields[i].name);
            CHECK_HAS(lb_error_text(), "'another'");
            CHECK_HAS(lb_error_text(), (const char *)&the_print + fields[i].offset);
        }
        CHECK_FAILS(lb_cache_begin(&w, &done, path, &the_print, 9, (const char *const *)keys, TAPS, the_taps), LB_E_MISMATCH, "has 10, wanted are 9");
        CHECK_FAILS(lb_cache_begin(&w, &done, path, &the_print, 10, (const char *const *)keys, TAPS - 1, the_taps), LB_E_MISMATCH, "features differ");
        char *kept = keys[3];
        keys[3] = (char *)"changed";
        CHECK_FAILS(lb_cache_begin(&w, &done, path, &the_print, 10, (const char *const *)keys, TAPS, the_taps), LB_E_MISMATCH, "keys differ");
        keys[3] = kept;
    }
    CHECK(!lb_file_exists(check_tmp("differs.h5.part"))); /* a refused run leaves nothing */
    lb_fingerprint newer = the_print;
    strcpy(newer.program, "test 2");
    CHECK_OK(make(path, 10, &newer)); /* an upgrade alone does not throw a finished file away */
    lb_names_free(keys, 10);
}

/* ---- interruptions ---- */
enum { ROWS = 1200 };

static pid_t start(const char *path) {
    pid_t pid = fork();
    if (pid == 0) _exit(make(path, ROWS, &the_print) == LB_OK ? 0 : 1);
    return pid;
}

static void resumes_after_kill(void) {
    const char *whole = check_tmp("whole.h5"), *path = check_tmp("killed.h5");
    int status = 0, killed = 0;
    double t = lb_now();
    CHECK_OK(make(whole, ROWS, &the_print));
    t = lb_now() - t;
    lb_rng rng = lb_rng_make(7, 1);
    for (int round = 0; round < 30 || (killed <= 5 && round < 300); round++) {
        pid_t pid = start(path);
        usleep((useconds_t)(lb_rng_uniform(&rng) * t * 1.1e6));
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        killed += WIFSIGNALED(status);
        if (!WIFSIGNALED(status)) t *= 0.9; /* the first run was slower: the machine had other things to do */
        if (lb_file_exists(path)) { /* came to its end: what is there must be whole; then from the start again */
            same_bytes(path, whole);
            CHECK_OK(lb_remove_all(path));
        }
    }
    CHECK(killed > 5);
    pid_t pid = start(path);
    waitpid(pid, &status, 0);
    CHECK_INT(status, 0);
    same_bytes(path, whole);
    CHECK(!lb_file_exists(check_tmp("killed.h5.part")) && !lb_file_exists(check_tmp("killed.h5.chunks")));
}

/* Small rows do not wait in memory: a flush, or half a second, hands them to the system. */
static void rows_leave_the_process(void) {
    const char *path = check_tmp("flush.h5");
    char **keys = make_keys(10);
    lb_cache_writer *w = NULL;
    int64_t done, before, after;
    CHECK_OK(lb_cache_begin(&w, &done, path, &the_print, 10, (const char *const *)keys, TAPS, the_taps));
    CHECK_OK(lb_file_size(&before, check_tmp("flush.h5.part")));
    CHECK_OK(put_row(w, 0));
    CHECK_OK(lb_cache_flush(w));
    CHECK_OK(lb_file_size(&after, check_tmp("flush.h5.part")));
    CHECK(after > before);
    usleep(600 * 1000);
    CHECK_OK(put_row(w, 1));
    CHECK_OK(lb_file_size(&before, check_tmp("flush.h5.part")));
    CHECK(before > after);
    lb_cache_discard(&w);
    lb_names_free(keys, 10);
}

/* A power cut may leave the journal shorter, its tail zeroed, or garbage in its last blocks. */
static void resumes_after_power_cut(void) {
    const char *whole = check_tmp("whole2.h5"), *path = check_tmp("cut.h5"), *part = check_tmp("cut.h5.part");
    char **keys = make_keys(ROWS);
    lb_cache_writer *w = NULL;
    int64_t done = 0, before;
    lb_rng rng = lb_rng_make(7, 2);
    CHECK_OK(make(whole, ROWS, &the_print));
    for (int round = 0; round < 30; round++) {
        CHECK_OK(lb_cache_begin(&w, &before, path, &the_print, ROWS, (const char *const *)keys, TAPS, the_taps));
        int64_t upto = before + lb_rng_below(&rng, ROWS - before + 1);
        for (int64_t i = before; i < upto; i++) CHECK_OK(put_row(w, i));
        lb_cache_close_part(&w);
        lb_buf b = {0};
        CHECK_OK(lb_file_read(&b, part, 0));
        size_t cut = (size_t)((double)b.size * (0.3 + 0.7 * lb_rng_uniform(&rng)));
        if (round % 3 == 0) b.size = cut;
        else for (size_t i = cut; i < b.size; i++) b.data[i] = round % 3 == 1 ? 0 : (char)lb_rng_u32(&rng);
        CHECK_OK(lb_file_write(part, b.data, b.size));
        lb_buf_free(&b);
        CHECK_OK(lb_cache_begin(&w, &done, path, &the_print, ROWS, (const char *const *)keys, TAPS, the_taps));
        CHECK(done <= upto);
        lb_cache_close_part(&w);
    }
    CHECK_OK(lb_file_write(part, "LBKPART2\3\0", 10)); /* torn in its head */
    CHECK_OK(make(path, ROWS, &the_print));
    same_bytes(path, whole);
    CHECK_OK(lb_file_write(part, "my own notes", 12));
    CHECK_OK(lb_remove_all(path));
    CHECK_FAILS(make(path, ROWS, &the_print), LB_E_FORMAT, "move it away");
    lb_names_free(keys, ROWS);
}

static void one_writer_at_a_time(void) {
    const char *path = check_tmp("two.h5");
    char **keys = make_keys(10);
    lb_cache_writer *w = NULL, *other = NULL;
    int64_t done;
    CHECK_OK(lb_cache_begin(&w, &done, path, &the_print, 10, (const char *const *)keys, TAPS, the_taps));
    CHECK_FAILS(lb_cache_begin(&other, &done, path, &the_print, 10, (const char *const *)keys, TAPS, the_taps), LB_E_IO, "another process");
    lb_cache_discard(&w);
    lb_names_free(keys, 10);
}

/* Runs make() in a child whose files may not grow beyond `limit`. @return its exit code: 0, or -status. */
static int make_limited(const char *path, rlim_t limit, char *message, size_t cap) {
    int ends[2], status = 0;
    if (pipe(ends) != 0) return -1;
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){limit, limit});
        lb_status st = make(path, ROWS, &the_print);
        const char *text = st == LB_OK ? "" : lb_error_text();
        ssize_t n = write(ends[1], text, strlen(text) + 1);
        _exit(n > 0 ? -st : 99);
    }
    close(ends[1]);
    ssize_t n = read(ends[0], message, cap - 1);
    message[n > 0 ? n : 0] = '\0';
    close(ends[0]);
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -2;
}

static void survives_failing_writes(void) {
    const char *whole = check_tmp("whole3.h5"), *path = check_tmp("limited.h5"), *part = check_tmp("limited.h5.part");
    char message[512];
    int64_t done = 0, n, last = 0;
    char **keys = make_keys(ROWS);
    lb_cache_writer *w = NULL;
    CHECK_OK(make(whole, ROWS, &the_print));
    CHECK_OK(lb_file_size(&n, whole));
    for (rlim_t limit = 100; limit < (rlim_t)n; limit += (rlim_t)n / 9) { /* in the journal */
        CHECK_INT(make_limited(path, limit, message, sizeof message), -LB_E_IO);
        CHECK_HAS(message, "File too large");
        CHECK(!lb_file_exists(path) && lb_file_exists(part));
    }
    CHECK_OK(lb_cache_begin(&w, &done, path, &the_print, ROWS, (const char *const *)keys, TAPS, the_taps));
    CHECK(done > ROWS / 2); /* what was written before is kept */
    for (last = done; last < ROWS; last++) CHECK_OK(put_row(w, last));
    lb_cache_close_part(&w);
    CHECK_OK(lb_file_size(&n, part));
    CHECK_INT(make_limited(path, (rlim_t)n, message, sizeof message), -LB_E_IO); /* in making the file from it */
    CHECK_HAS(message, "the same command");
    CHECK(!lb_file_exists(path) && lb_file_exists(part));
    CHECK_OK(make(path, ROWS, &the_print));
    same_bytes(path, whole);
    lb_names_free(keys, ROWS);
}

static void survives_a_full_disk(void) {
    const char *disk = check_tmp("disk"), *whole = check_tmp("whole4.h5");
    char path[1024];
    CHECK_OK(lb_make_folders(disk));
    if (mount("none", disk, "tmpfs", 0, "size=600k") != 0) {
        check_skip("cannot mount a small tmpfs: %s", strerror(errno));
        return;
    }
    CHECK_OK(make(whole, ROWS, &the_print));
    snprintf(path, sizeof path, "%s/full.h5", disk);
    CHECK_FAILS(make(path, ROWS, &the_print), LB_E_IO, "No space left on device");
    CHECK_INT(mount("none", disk, "tmpfs", MS_REMOUNT, "size=1200k"), 0); /* the journal fits, chunks and tables beside it do not */
    CHECK_FAILS(make(path, ROWS, &the_print), LB_E_IO, "No space left on device");
    CHECK(!lb_file_exists(path));
    CHECK_INT(mount("none", disk, "tmpfs", MS_REMOUNT, "size=16m"), 0);
    CHECK_OK(make(path, ROWS, &the_print));
    same_bytes(path, whole);
    umount(disk);
}

/* ---- many readers, and orders for training ---- */
enum { READERS = 4 };

static void *read_at_random(void *ctx) {
    lb_cache *c = ctx;
    static atomic_uint number;
    lb_rng rng = lb_rng_make(9, atomic_fetch_add(&number, 1));
    int64_t rows[32], bad = 0;
    int tap = lb_cache_tap_find(c, "embedding"), tokens = lb_cache_tap_find(c, "tokens");
    float *x = lb_alloc(32 * 96, sizeof *x);
    for (int round = 0; round < 60; round++) {
        for (int i = 0; i < 32; i++) rows[i] = lb_rng_below(&rng, lb_cache_rows(c));
        bad += lb_cache_read(c, tap, 32, rows, x) != LB_OK;
        for (int i = 0; i < 32; i++)
            for (int k = 0; k < 96 && !fails(rows[i]); k += 13) bad += x[i * 96 + k] != value(rows[i], k, EMBEDDING);
        float *v = NULL;
        int64_t length = 0;
        bad += lb_cache_read_ragged(c, tokens, rows[0], &v, &length) != LB_OK || length != (fails(rows[0]) ? 0 : rows[0] % 4);
        lb_free(v);
        if (lb_cache_find(c, lb_cache_key(c, rows[1])) != rows[1]) bad++;
    }
    lb_free(x);
    return (void *)(intptr_t)bad;
}

/* Threads share what is read and wait for nobody; a budget of a few blocks makes them come and go. */
static void many_readers(void) {
    const char *path = check_tmp("readers.h5");
    pthread_t threads[READERS];
    lb_cache *c = NULL;
    CHECK_OK(make(path, 20000, &the_print));
    for (int small = 0; small < 2; small++) {
        if (!CHECK_OK(lb_cache_open(&c, path))) return;
        if (small) lb_cache_set_memory(c, 3 << 20);
        for (int i = 0; i < READERS; i++) CHECK_INT(pthread_create(&threads[i], NULL, read_at_random, c), 0);
        for (int i = 0; i < READERS; i++) {
            void *bad = NULL;
            pthread_join(threads[i], &bad);
            CHECK_INT((intptr_t)bad, 0);
        }
        lb_cache_close(c);
    }
}

static void check_stream(lb_cache *c, const int64_t *rows, int64_t count, int workers) {
    int taps[2] = {lb_cache_tap_find(c, "half"), lb_cache_tap_find(c, "embedding")};
    lb_cache_stream *s = NULL;
    lb_cache_batch *b = NULL;
    int64_t seen = 0;
    CHECK_OK(lb_cache_stream_open(&s, c, &(lb_cache_stream_spec){.ntaps = 2, .taps = taps, .rows = rows, .count = count, .batch = 37, .workers = workers}));
    while (CHECK_OK(lb_cache_stream_next(s, &b)) && b) {
        CHECK_INT(b->first, seen);
        for (int64_t i = 0; i < b->count; i++) {
            if (!CHECK_NEAR(b->values[0][i * 33 + 7], value(rows[seen + i], 7, HALF), 0)) break;
            if (!CHECK_NEAR(b->values[1][i * 96 + 95], value(rows[seen + i], 95, EMBEDDING), 0)) break;
        }
        seen += b->count;
        lb_cache_batch_free(b);
    }
    CHECK_INT(seen, count);
    lb_cache_stream_close(s);
}

static void orders_for_training(void) {
    const int64_t n = 9000, good = n - n / 50;
    const char *path = check_tmp("order.h5");
    int64_t *a = lb_alloc((size_t)n, sizeof *a), *b = lb_alloc((size_t)n, sizeof *b), count = 0, same = 0, blocks = 0;
    char *there = lb_calloc((size_t)n, 1);
    lb_cache *c = NULL;
    CHECK_OK(make(path, n, &the_print));
    if (!CHECK_OK(lb_cache_open(&c, path))) return;
    int tap = lb_cache_tap_find(c, "embedding"); /* 384 bytes a row: chunks of 2730 rows */
    CHECK_OK(lb_cache_order(c, tap, 5, 3, 1, a, &count));
    CHECK_INT(count, good);
    for (int64_t i = 0; i < count; i++) {
        CHECK(a[i] >= 0 && a[i] < n && !there[a[i]] && !fails(a[i]));
        there[a[i]] = 1;
        blocks += i > 0 && a[i] / 2730 != a[i - 1] / 2730; /* a window of one chunk: each is met once */
    }
    CHECK_INT(blocks, 3);
    CHECK_OK(lb_cache_order(c, tap, 5, 3, 1, b, &count));
    CHECK(memcmp(a, b, (size_t)count * sizeof *a) == 0);
    CHECK_OK(lb_cache_order(c, tap, 5, 4, 1, b, &count));
    for (int64_t i = 0; i < count; i++) same += a[i] == b[i];
    CHECK(same < count / 100);
    for (int workers = 0; workers < 4; workers += 1 + (workers == 1)) check_stream(c, b, count, workers);
    lb_cache_set_memory(c, 1 << 20);
    check_stream(c, b, count, 2);
    lb_cache_set_memory(c, 5 << 20); /* less than twice the tap: blocks in demand are kept, others read by rows */
    CHECK_OK(lb_cache_order(c, tap, 5, 5, 2, a, &count));
    for (int workers = 0; workers < 3; workers += 2) check_stream(c, a, count, workers);
    lb_cache_close(c);
    lb_free(a);
    lb_free(b);
    lb_free(there);
}

/* ---- damage ---- */
static void keep_last(void *ctx, const char *file, const char *text) { snprintf(ctx, 512, "%s", text); }

static void finds_every_flipped_bit(void) {
    const char *path = check_tmp("flip.h5"), *bad = check_tmp("flipped.h5");
    lb_buf b = {0};
    char last[512] = "";
    lb_rng rng = lb_rng_make(7, 3);
    CHECK_OK(make(path, 60, &the_print));
    CHECK_OK(lb_file_read(&b, path, 0));
    for (int i = 0; i < 200; i++) {
        int64_t bit = lb_rng_below(&rng, (int64_t)b.size * 8), problems = 0;
        b.data[bit / 8] = (char)(b.data[bit / 8] ^ (1 << bit % 8));
        FILE *f = fopen(bad, "wb");
        CHECK(f && fwrite(b.data, 1, b.size, f) == b.size);
        if (f) fclose(f);
        b.data[bit / 8] = (char)(b.data[bit / 8] ^ (1 << bit % 8));
        CHECK_OK(lb_cache_verify(bad, keep_last, last, &problems));
        if (!CHECK(problems > 0)) printf("     bit %lld of byte %lld\n", (long long)(bit % 8), (long long)(bit / 8));
    }
    lb_buf_free(&b);
}

/* Changes a bit at the last place where these bytes stand in the file. */
static bool damage(const char *path, const void *bytes, size_t size) {
    lb_buf b = {0};
    bool found = false;
    if (!CHECK_OK(lb_file_read(&b, path, 0))) return false;
    for (size_t i = b.size - size; i > 0 && !found; i--) {
        found = memcmp(b.data + i, bytes, size) == 0;
        if (found) b.data[i + size / 2] ^= 4;
    }
    CHECK_OK(lb_file_write(path, b.data, b.size));
    lb_buf_free(&b);
    return CHECK(found);
}

static void tells_damage_when_reading(void) {
    const char *path = check_tmp("hurt.h5"), *one = check_tmp("hurt2.h5");
    enum { WIDE = 1024, MANY = 5000 };
    float *x = lb_calloc(WIDE, sizeof *x);
    const float *values[1] = {x};
    lb_tap_spec tap = {.name = "wide", .rank = 1, .shape = {WIDE}, .dtype = LB_F32};
    char **keys = make_keys(MANY), last[512] = "";
    lb_cache_writer *w = NULL;
    lb_cache *c = NULL;
    int64_t problems;
    CHECK_OK(lb_cache_begin(&w, &problems, path, &the_print, MANY, (const char *const *)keys, 1, &tap));
    for (int64_t i = 0; i < MANY; i++) {
        x[0] = (float)(i + 1) * 1.25f;
        CHECK_OK(lb_cache_row(w, values, NULL));
    }
    CHECK_OK(lb_cache_commit(&w));
    damage(path, &(float){4901 * 1.25f}, sizeof(float));
    CHECK_OK(lb_cache_open(&c, path));
    CHECK_OK(lb_cache_read(c, 0, 1, (int64_t[]){0}, x)); /* another block */
    CHECK_FAILS(lb_cache_read(c, 0, 1, (int64_t[]){4901}, x), LB_E_FORMAT, "'/features/wide' is damaged in rows");
    CHECK_HAS(lb_error_text(), "hurt.h5");
    lb_cache_close(c);
    CHECK_OK(lb_cache_verify(path, keep_last, last, &problems));
    CHECK_INT(problems, 1);
    CHECK_HAS(last, "'/features/wide' is damaged in rows");
    damage(path, "bild/\xc3\xa9-4013.png", 16);
    CHECK_FAILS(lb_cache_open(&c, path), LB_E_FORMAT, "(keys: checksum differs)");
    CHECK_OK(make(one, 20, &the_print));
    damage(one, "bild/\xc3\xa9-13.png", 14);
    CHECK_FAILS(lb_cache_open(&c, one), LB_E_FORMAT, "(keys: checksum differs)");
    lb_names_free(keys, MANY);
    lb_free(x);
}

static void finds_numbers_that_are_not(void) {
    const char *path = check_tmp("nan.h5"), *keys[] = {"one", "two"};
    lb_tap_spec tap = {.name = "x", .rank = 1, .shape = {2}, .dtype = LB_F32};
    lb_cache_writer *w = NULL;
    int64_t problems;
    char last[512] = "";
    CHECK_OK(lb_cache_begin(&w, &problems, path, &the_print, 2, keys, 1, &tap));
    CHECK_OK(lb_cache_failed_row(w, LB_E_IO, "gone"));
    CHECK_OK(lb_cache_row(w, (const float *const[]){(float[]){1, INFINITY}}, NULL));
    CHECK_OK(lb_cache_commit(&w));
    CHECK_OK(lb_cache_verify(path, keep_last, last, &problems));
    CHECK_INT(problems, 1);
    CHECK_HAS(last, "tap 'x' of item 'two' is not finite");
}

/* ---- memory refused ---- */
static lb_status write_and_read(const char *path) {
    lb_cache *c = NULL;
    float x[100], *v = NULL;
    int64_t n;
    lb_status st = make(path, 9, &the_print);
    if (st == LB_OK) st = lb_cache_open(&c, path);
    if (st == LB_OK) st = lb_cache_read(c, lb_cache_tap_find(c, "small"), 2, (int64_t[]){1, 2}, x);
    if (st == LB_OK) st = lb_cache_read_ragged(c, lb_cache_tap_find(c, "tokens"), 3, &v, &n);
    lb_free(v);
    lb_cache_close(c);
    if (st == LB_OK) st = lb_cache_verify(path, NULL, NULL, &n);
    return st;
}

static void any_allocation_may_fail(void) {
    const char *path = check_tmp("nomem.h5");
    char **warm = make_keys(9); /* what make_keys takes is not under test */
    CHECK_OK(write_and_read(path));
    lb_names_free(warm, 9);
    int failures = 0;
    for (int64_t n = 11;; n++) { /* 10 are make_keys' own */
        CHECK_OK(lb_remove_all(path));
        lb_error_clear();
        int64_t live = lb_alloc_live();
        lb_alloc_fail_at(n);
        lb_status st = write_and_read(path);
        lb_alloc_fail_at(0);
        if (!CHECK_INT(lb_alloc_live(), live)) printf("     at allocation %lld\n", (long long)n);
        if (st == LB_OK) break;
        failures++;
        if (!CHECK_INT(st, LB_E_NOMEM) && failures > 5000) break;
        CHECK(lb_error_text()[0] != '\0');
    }
    CHECK(failures > 100);
    CHECK_OK(write_and_read(path));
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "cache",
                      (check_test[]){{"round_trip", round_trip},
                                     {"h5py_reads_it", h5py_reads_it},
                                     {"reads_files_of_others", reads_files_of_others},
                                     {"reads_the_recorded_version", reads_the_recorded_version},
                                     {"odd_sizes", odd_sizes},
                                     {"refuses_what_cannot_be_held", refuses_what_cannot_be_held},
                                     {"largest_logits", largest_logits},
                                     {"shards_in_a_folder", shards_in_a_folder},
                                     {"names_what_differs", names_what_differs},
                                     {"resumes_after_kill", resumes_after_kill},
                                     {"rows_leave_the_process", rows_leave_the_process},
                                     {"resumes_after_power_cut", resumes_after_power_cut},
                                     {"one_writer_at_a_time", one_writer_at_a_time},
                                     {"survives_failing_writes", survives_failing_writes},
                                     {"survives_a_full_disk", survives_a_full_disk},
                                     {"many_readers", many_readers},
                                     {"orders_for_training", orders_for_training},
                                     {"finds_every_flipped_bit", finds_every_flipped_bit},
                                     {"tells_damage_when_reading", tells_damage_when_reading},
                                     {"finds_numbers_that_are_not", finds_numbers_that_are_not},
                                     {"any_allocation_may_fail", any_allocation_may_fail},
                                     {0}});
}
