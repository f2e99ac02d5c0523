/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/split.h"
#include <omp.h>
#include "tensor/parts.h"

typedef struct job {
    lb_tape *tape;
    int64_t count, each, failed; /* failed: the first part that has */
    lb_split_work work;
    void *ctx;
} job;

/* Tapes of the threads, kept for the next time. */
static bool have_parts(lb_tape *t, int n) {
    if (n <= t->part_count) return true;
    lb_tape **at = lb_realloc(t->parts, (size_t)n, sizeof *at);
    if (!at) return false;
    t->parts = at;
    for (; t->part_count < n; t->part_count++)
        if (lb_tape_new(&at[t->part_count]) != LB_OK) return false;
    return true;
}

static void prepare(lb_tape *part, const lb_tape *t) {
    part->mode = t->mode;
    part->training = t->training;
    part->check_nan = t->check_nan;
    part->trace = t->trace;
    part->precision = t->precision;
    lb_tape_clear_stats(part);
}

static void run_part(job *j, lb_tape *part, int64_t i) {
    int64_t first = i * j->each, left = j->count - first;
    j->work(j->ctx, part, first, left < j->each ? left : j->each);
    if (part->code != LB_OK) {
#pragma omp critical(lb_split_failure)
        if (i < j->failed) {
            j->failed = i;
            j->tape->code = LB_OK;
            lb_tape_fail(j->tape, part->code, "%s", part->message);
        }
    }
    lb_tape_reset(part);
}

static void run_parts(job *j, int64_t parts, int threads) {
#pragma omp parallel num_threads(threads)
    {
        lb_tape *mine = j->tape->parts[omp_get_thread_num()];
        int before = omp_get_max_threads();
        omp_set_num_threads(1); /* ops ask how many threads they have: this setting is the thread's own */
#pragma omp for schedule(dynamic, 1)
        for (int64_t i = 0; i < parts; i++) run_part(j, mine, i);
        omp_set_num_threads(before);
    }
}

void lb_tape_split(lb_tape *t, int64_t count, int64_t each, lb_split_work work, void *ctx) {
    int64_t parts = each > 0 ? (count + each - 1) / each : 0, peak = 0;
    int threads = omp_in_parallel() ? 1 : omp_get_max_threads();
    job j = {t, count, each, INT64_MAX, work, ctx};
    if (parts < 2) threads = 1; /* or all: a smaller team would end the others, for the next one to start them again */
    if (t->code != LB_OK || parts == 0) return;
    if (!have_parts(t, threads)) {
        lb_tape_fail_status(t, LB_E_NOMEM);
        return;
    }
    for (int k = 0; k < threads; k++) prepare(t->parts[k], t);
    if (parts == 1) run_part(&j, t->parts[0], 0);
    else run_parts(&j, parts, threads);
    for (int k = 0; k < threads; k++) {
        lb_tape_stats s = lb_tape_get_stats(t->parts[k]);
        t->calls += s.calls;
        t->flops += s.flops;
        peak += s.peak_bytes;
    }
    if (t->pool.bytes + peak > t->pool.peak) t->pool.peak = t->pool.bytes + peak;
}

bool lb_tape_splits(const lb_tape *t) { return t->code == LB_OK && t->mode == LB_TAPE_NO_GRAD && !t->training && !t->seen; }
