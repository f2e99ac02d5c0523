/* SPDX-License-Identifier: Apache-2.0 */
#include <omp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/threads.h"
#include "cli/options.h"
#include "lb_version.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_STOPPED = 3 };

static volatile int stop_asked;
static bool quiet;

/* The first signal asks for a stop at the next safe point; a second one ends the process at once. */
static void on_signal(int number) {
    if (stop_asked) _exit(128 + number);
    stop_asked = 1;
}

static void watch_signals(void) {
    struct sigaction act = {.sa_handler = on_signal};
    sigemptyset(&act.sa_mask);
    const int asked[] = {SIGINT, SIGTERM, SIGUSR1, SIGHUP};
    for (size_t i = 0; i < LB_COUNT(asked); i++) (void)sigaction(asked[i], &act, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file-size limit shows as a failed write */
}

/* ---- what a person sees on stderr: one progress line that is rewritten on a terminal, a line now and then elsewhere ---- */

static bool line_open; /* an unfinished progress line stands on the terminal */

static void sink(void *ctx, lb_log_level level, const char *component, const char *text) {
    (void)ctx;
    if (level == LB_LOG_DEBUG || (quiet && level == LB_LOG_INFO)) return;
    if (line_open) fputc('\n', stderr);
    line_open = false;
    static const char *const words[] = {"debug: ", "", "warning: ", "error: "};
    fprintf(stderr, "%s: %s%s\n", component, words[level], text);
}

static void duration(char *dst, size_t cap, double s) {
    if (s < 0) snprintf(dst, cap, "?");
    else if (s < 100) snprintf(dst, cap, "%.0f s", s);
    else if (s < 6000) snprintf(dst, cap, "%d min %02d s", (int)s / 60, (int)s % 60);
    else snprintf(dst, cap, "%d h %02d min", (int)(s / 3600), (int)(s / 60) % 60);
}

static void show(void *ctx, const lb_progress_state *s) {
    static double last_plain;
    (void)ctx;
    char left[32], line[320];
    bool terminal = isatty(STDERR_FILENO) != 0, end = s->total >= 0 && s->done >= s->total;
    if (!terminal && !end && s->seconds - last_plain < 5 && s->seconds >= last_plain) return;
    last_plain = s->seconds;
    duration(left, sizeof left, s->left);
    if (s->total >= 0)
        snprintf(line, sizeof line, "%s: %lld of %lld %s, %.1f/s, %s left%s%s", s->what, (long long)s->done, (long long)s->total, s->unit, s->rate, left,
                 s->note ? "; " : "", s->note ? s->note : "");
    else snprintf(line, sizeof line, "%s: %lld %s, %.1f/s%s%s", s->what, (long long)s->done, s->unit, s->rate, s->note ? "; " : "", s->note ? s->note : "");
    if (terminal) fprintf(stderr, "\r\033[K%s", line);
    else fprintf(stderr, "%s\n", line);
    line_open = terminal;
    if (terminal && end) {
        fputc('\n', stderr);
        line_open = false;
    }
}

/* ---- running a verb ---- */

static int exit_code(lb_status st) {
    if (st == LB_OK) return EXIT_DONE;
    if (line_open) fputc('\n', stderr);
    fprintf(stderr, "limbeck: %s\n", lb_error_text());
    if (st == LB_E_CANCELLED) return EXIT_STOPPED;
    return cli_was_usage() ? EXIT_USAGE : EXIT_FAILED;
}

static lb_status print_page(void (*page)(lb_buf *), const lb_verb *verb) {
    lb_buf out = {0};
    if (verb) cli_help_verb(verb, &out);
    else page(&out);
    lb_status st = lb_buf_status(&out);
    if (st == LB_OK) st = cli_print("%.*s", (int)out.size - 1, lb_buf_str(&out)); /* without the last line end */
    lb_buf_free(&out);
    return st;
}

static lb_status run_verb(const lb_verb *verb, int argc, char **argv) {
    lb_status st = LB_OK;
    cli_common common = {0};
    cli_common *c = &common;
    lb_cli cli = {0};
    void *options = lb_calloc(1, verb->params_size ? verb->params_size : 1);
    const char **words = lb_calloc((size_t)argc + 1, sizeof *words);
    if (!options || !words) {
        st = LB_E_NOMEM;
        goto done;
    }
    LB_TRY(cli_parse(verb, options, c, argc, argv, words, &cli.nwords));
    if (c->help) {
        st = print_page(NULL, verb);
        goto done;
    }
    quiet = c->quiet;
    cli.json = c->json;
    cli.quiet = c->quiet;
    cli.seed = (uint64_t)c->seed;
    cli.words = words;
    cli.progress.stop = &stop_asked;
    cli.progress.show = quiet ? NULL : show;
    lb_threads_set(c->threads);
    omp_set_num_threads(lb_threads());
    cli.threads = lb_threads();
    st = verb->run(&cli, options);
done:
    if (st == LB_OK) st = cli_flush();
    if (options) lb_params_free(verb->params, options);
    lb_free(options);
    lb_free(words);
    return st;
}

/* Does the machine run nothing else just now? */
static bool is_alone(void) {
    int running = 0;
    FILE *f = fopen("/proc/loadavg", "r");
    if (!f) return false;
    if (fscanf(f, "%*f %*f %*f %d/", &running) != 1) running = 0;
    (void)fclose(f);
    return running == 1;
}

/* libgomp's waiting threads spin for milliseconds, which starves them and everybody else on a busy machine (measured: 6 times slower beside
 * two other programs). Beside others they spin for some 10 us; alone for some 100, with which losses of a millisecond take a fifth less time than
 * with 10 us, and as long as with more. The library reads its environment before main, so the program starts itself once more. */
static void wait_politely(char **argv) {
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT")) return;
    if (setenv("GOMP_SPINCOUNT", is_alone() ? "10000" : "1000", 1) == 0) (void)execv("/proc/self/exe", argv); /* on failure: as it is */
}

int main(int argc, char **argv) {
    watch_signals();
    lb_log_set(sink, NULL);
    const char *name = argc > 1 ? argv[1] : "--help";
    if (strcmp(name, "--version") == 0) return exit_code(cli_print("limbeck %s", LB_VERSION));
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        int code = exit_code(print_page(cli_help_all, NULL));
        return argc > 1 ? code : EXIT_USAGE;
    }
    if (strcmp(name, "--man") == 0) return exit_code(print_page(cli_manual, NULL));
    const lb_head *found = NULL;
    if (lb_family_find(&found, &lb_verbs, name) != LB_OK) return exit_code(cli_usage("%s", lb_error_text()));
    wait_politely(argv);
    return exit_code(run_verb((const lb_verb *)found, argc - 2, argv + 2));
}
