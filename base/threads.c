/* SPDX-License-Identifier: Apache-2.0 */
#include "base/threads.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include "base/cpu.h"

static atomic_int chosen;

int lb_cpu_count(void) {
    int n = lbi_affinity_cpus(), quota = lbi_quota_cpus("");
    return quota > 0 && quota < n ? quota : n;
}

void lb_threads_set(int n) {
    atomic_store(&chosen, n > 0 ? n : lb_cpu_count());
}

int lb_threads(void) {
    int n = atomic_load(&chosen);
    if (n > 0) return n;
    lb_threads_set(0);
    return atomic_load(&chosen);
}

/* The message is kept by value: carrying a failure must not need memory. */
typedef struct slot {
    bool ready;
    lb_status status;
    void *result;
    int64_t bytes;
    char message[512];
} slot;

/* Item i lives in slots[i % depth]. next: first item not yet handed to a worker; taken: first not yet given out. */
struct lb_flow {
    lb_flow_spec spec;
    slot *slots;
    pthread_t *threads;
    int depth, running;
    int64_t next, taken;
    int64_t held; /* bytes of results not yet taken */
    bool stop;
    pthread_mutex_t lock;
    pthread_cond_t room, made;
};

static void make(lb_flow *f, int64_t i, slot *s) {
    s->result = NULL;
    lb_error_clear();
    s->status = f->spec.work(f->spec.ctx, i, &s->result);
    s->message[0] = 0;
    if (s->status != LB_OK) snprintf(s->message, sizeof s->message, "%s", lb_error_text());
    s->bytes = s->result && f->spec.bytes && f->spec.memory > 0 ? f->spec.bytes(f->spec.ctx, s->result) : 0;
}

/* May the next item be begun? Full slots or full memory wait, but never for the item that is taken next: that would be for ever. */
static bool is_full(const lb_flow *f) { return f->next >= f->taken + f->depth || (f->spec.memory > 0 && f->held > f->spec.memory && f->next > f->taken); }

static void *worker(void *arg) {
    lb_flow *f = arg;
    pthread_mutex_lock(&f->lock);
    for (;;) {
        while (!f->stop && f->next < f->spec.count && is_full(f))
            pthread_cond_wait(&f->room, &f->lock);
        if (f->stop || f->next >= f->spec.count) break;
        int64_t i = f->next++;
        slot *s = &f->slots[i % f->depth];
        pthread_mutex_unlock(&f->lock);
        make(f, i, s);
        pthread_mutex_lock(&f->lock);
        s->ready = true;
        f->held += s->bytes;
        if (i != f->taken) continue; /* not what the one who takes results may wait for */
        pthread_mutex_unlock(&f->lock);
        pthread_cond_signal(&f->made);
        pthread_mutex_lock(&f->lock);
    }
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

/* Signals stay with the threads of the program, but for those of a fault, which are the thread's own. If the system gives fewer threads, or none, the results are the same. */
static void start(lb_flow *f) {
    sigset_t all, before;
    const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    sigfillset(&all);
    for (size_t i = 0; i < LB_COUNT(faults); i++) sigdelset(&all, faults[i]);
    bool masked = pthread_sigmask(SIG_SETMASK, &all, &before) == 0;
    while (f->running < f->spec.workers && pthread_create(&f->threads[f->running], NULL, worker, f) == 0) f->running++;
    if (masked) pthread_sigmask(SIG_SETMASK, &before, NULL);
}

lb_status lb_flow_open(lb_flow **out, const lb_flow_spec *spec) {
    lb_status st = LB_OK;
    if (!spec->work || spec->workers < 0 || spec->depth < 0 || spec->first < 0)
        return lb_fail(LB_E_ARG, "flow: work missing, or a negative number of items, workers or results");
    lb_flow *f = lb_calloc(1, sizeof *f);
    if (!f) return LB_E_NOMEM;
    f->spec = *spec;
    f->next = f->taken = spec->first;
    f->depth = spec->depth > 0 ? spec->depth : 2 * spec->workers;
    if (f->depth < 1) f->depth = 1;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->room, NULL);
    pthread_cond_init(&f->made, NULL);
    f->slots = lb_calloc((size_t)f->depth, sizeof *f->slots);
    f->threads = lb_calloc((size_t)spec->workers, sizeof *f->threads);
    if (!f->slots || !f->threads) {
        st = LB_E_NOMEM;
        goto done;
    }
    start(f);
    *out = f;
    f = NULL;
done:
    lb_flow_close(f);
    return st;
}

lb_status lb_flow_next(lb_flow *f, int64_t *index, void **result, bool *end) {
    *result = NULL;
    *end = f->taken >= f->spec.count;
    if (*end) return LB_OK;
    slot *s = &f->slots[f->taken % f->depth], got;
    if (f->running == 0) {
        make(f, f->taken, s);
        s->ready = true;
        f->held += s->bytes;
        f->next++;
    }
    pthread_mutex_lock(&f->lock);
    while (!s->ready) pthread_cond_wait(&f->made, &f->lock);
    got = *s;
    s->ready = false;
    s->result = NULL;
    *index = f->taken++;
    f->held -= got.bytes;
    pthread_mutex_unlock(&f->lock);
    pthread_cond_broadcast(&f->room);
    if (got.status == LB_OK) {
        *result = got.result;
        return LB_OK;
    }
    if (got.result && f->spec.drop) f->spec.drop(f->spec.ctx, got.result);
    return lb_fail(got.status, "%s", got.message);
}

void lb_flow_close(lb_flow *f) {
    if (!f) return;
    pthread_mutex_lock(&f->lock);
    f->stop = true;
    pthread_cond_broadcast(&f->room);
    pthread_mutex_unlock(&f->lock);
    for (int i = 0; i < f->running; i++) pthread_join(f->threads[i], NULL);
    for (int i = 0; f->slots && i < f->depth; i++)
        if (f->slots[i].ready && f->slots[i].result && f->spec.drop) f->spec.drop(f->spec.ctx, f->slots[i].result);
    pthread_cond_destroy(&f->made);
    pthread_cond_destroy(&f->room);
    pthread_mutex_destroy(&f->lock);
    lb_free(f->threads);
    lb_free(f->slots);
    lb_free(f);
}
