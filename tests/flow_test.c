/* SPDX-License-Identifier: Apache-2.0 */
/* Ordered parallel work: results in order whatever the workers, failures in their place, memory ahead bounded. */
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include "base/threads.h"
#include "tests/check.h"

typedef struct job {
    atomic_llong live, most; /* bytes held by results that nobody took yet */
    int64_t size;
    bool uneven;
} job;

static void nap(long us) { nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL); }

static lb_status work(void *ctx, int64_t i, void **result) {
    job *j = ctx;
    if (i % 17 == 5) return lb_fail(LB_E_FORMAT, "item %lld is bad", (long long)i);
    if (j->uneven) nap(i % 3 == 0 ? 300 : 20);
    int64_t *r = lb_alloc(1, sizeof *r);
    if (!r) return LB_E_NOMEM;
    *r = i * i;
    long long now = atomic_fetch_add(&j->live, j->size) + j->size, most = atomic_load(&j->most);
    while (now > most && !atomic_compare_exchange_weak(&j->most, &most, now)) {}
    *result = r;
    return LB_OK;
}

static void drop(void *ctx, void *result) {
    job *j = ctx;
    atomic_fetch_sub(&j->live, j->size);
    lb_free(result);
}

static int64_t bytes(void *ctx, const void *result) { return ((job *)ctx)->size; }

static void in_order(void) {
    for (int workers = 0; workers < 5; workers++) {
        job j = {.size = 1, .uneven = true};
        lb_flow *f = NULL;
        int64_t want = 3, bad = 0;
        CHECK_OK(lb_flow_open(&f, &(lb_flow_spec){.first = 3, .count = 200, .workers = workers, .work = work, .drop = drop, .ctx = &j}));
        for (bool end = false;;) {
            int64_t i = -1;
            void *r = NULL;
            lb_status st = lb_flow_next(f, &i, &r, &end);
            if (end) break;
            CHECK_INT(i, want++);
            if (i % 17 == 5) bad++, CHECK_INT(st, LB_E_FORMAT), CHECK_HAS(lb_error_text(), "is bad");
            else if (CHECK_OK(st)) CHECK_INT(*(int64_t *)r, i * i);
            if (r) drop(&j, r);
        }
        CHECK_INT(want, 200);
        CHECK_INT(bad, 12);
        lb_flow_close(f);
    }
}

/* A slow taker: what is ahead stays within the memory, by one result of each worker that was being made. */
static void memory(void) {
    job j = {.size = 100};
    lb_flow *f = NULL;
    CHECK_OK(lb_flow_open(&f, &(lb_flow_spec){.count = 150, .workers = 3, .depth = 64, .work = work, .drop = drop, .ctx = &j, .bytes = bytes, .memory = 1000}));
    nap(5000);
    for (bool end = false; !end;) {
        int64_t i;
        void *r = NULL;
        lb_status st = lb_flow_next(f, &i, &r, &end);
        (void)st;
        nap(100);
        if (r) drop(&j, r);
    }
    lb_flow_close(f);
    CHECK(atomic_load(&j.most) <= 1000 + 100 * 5); /* 3 workers, the one over the limit, the one just taken */
    CHECK(atomic_load(&j.most) >= 800);
}

/* A result that alone is beyond the memory does not stop the flow. */
static void too_large(void) {
    job j = {.size = 5000};
    lb_flow *f = NULL;
    int64_t n = 0;
    CHECK_OK(lb_flow_open(&f, &(lb_flow_spec){.count = 40, .workers = 2, .work = work, .drop = drop, .ctx = &j, .bytes = bytes, .memory = 1000}));
    for (bool end = false; !end;) {
        int64_t i;
        void *r = NULL;
        n += lb_flow_next(f, &i, &r, &end) == LB_OK && !end;
        if (r) drop(&j, r);
    }
    CHECK_INT(n, 37);
    lb_flow_close(f);
    CHECK_INT(atomic_load(&j.live), 0);
}

static void closed_early(void) {
    job j = {.size = 1, .uneven = true};
    lb_flow *f = NULL;
    CHECK_OK(lb_flow_open(&f, &(lb_flow_spec){.count = 1000, .workers = 3, .work = work, .drop = drop, .ctx = &j}));
    nap(2000);
    lb_flow_close(f);
    CHECK_INT(atomic_load(&j.live), 0);
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "flow", (check_test[]){{"in_order", in_order}, {"memory", memory}, {"too_large", too_large}, {"closed_early", closed_early}, {0}});
}
