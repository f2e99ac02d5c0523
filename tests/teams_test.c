/* SPDX-License-Identifier: Apache-2.0 */
/* Threads of the system: once warm, no op starts one. A region of OpenMP inside another one, also inside one of a single thread, starts and ends its threads each time; so does one that
 * has fewer threads than the one before. Here all that the program starts are counted. */
#include <dlfcn.h>
#include <omp.h>
#include <pthread.h>
#include <stdatomic.h>
#include "base/alloc.h"
#include "base/rng.h"
#include "base/threads.h"
#include "check.h"
#include "tensor/derived.h"
#include "tensor/ops.h"
#include "tensor/split.h"

enum { THREADS = 3, INPUTS = 6 }; /* more than two, so that teams may be too small */

static atomic_int started;

/* In place of the C library's, for all libraries. */
LB_API int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg) {
    typedef int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    union { /* a function is no object */
        void *found;
        create call;
    } real = {dlsym(RTLD_NEXT, "pthread_create")};
    started++;
    return real.call(thread, attr, run, arg);
}

/* ---- what is run ---- */

typedef lb_tensor *(*graph)(lb_tape *t, lb_tensor *const *x);
static lb_tensor *product(lb_tape *t, lb_tensor *const *x) { return lb_matmul(t, x[0], x[1], false, false); }
static lb_tensor *linear(lb_tape *t, lb_tensor *const *x) { return lb_linear(t, x[0], x[1], x[2], LB_ACT_GELU); }
static lb_tensor *attention(lb_tape *t, lb_tensor *const *x) { return lb_attention(t, x[0], x[1], x[2], (lb_attention_spec){0}); }
static lb_tensor *causal(lb_tape *t, lb_tensor *const *x) { return lb_attention(t, x[0], x[1], x[2], (lb_attention_spec){.causal = true, .softcap = 5}); }
static lb_tensor *map(lb_tape *t, lb_tensor *const *x) { return lb_attention_map(t, x[0], x[1], (lb_attention_spec){0}); }
static lb_tensor *scan(lb_tape *t, lb_tensor *const *x) { return lb_ssd(t, x[0], x[1], x[2], x[3], x[4], (lb_scan_spec){0}, NULL); }
static lb_tensor *selective(lb_tape *t, lb_tensor *const *x) { return lb_selective_scan(t, x[0], x[1], x[2], x[3], x[4], (lb_scan_spec){0}, NULL); }
static lb_tensor *conv(lb_tape *t, lb_tensor *const *x) { return lb_conv2d(t, x[0], x[1], NULL, lb_conv_same(1, x[1]->shape[2] / 2, x[0]->shape[1] / x[1]->shape[1]), LB_ACT_RELU); }
static lb_tensor *turned(lb_tape *t, lb_tensor *const *x) { return lb_conv_transpose2d(t, x[0], x[1], NULL, lb_conv_same(2, 0, 1), 0, 0); }
static lb_tensor *volume(lb_tape *t, lb_tensor *const *x) {
    return lb_conv3d(t, x[0], x[1], NULL, (lb_conv3d_spec){.stride = {1, 1, 1}, .before = {1, 1, 1}, .after = {1, 1, 1}, .dilation = {1, 1, 1}, .groups = x[0]->shape[1] / x[1]->shape[1]});
}
static lb_tensor *rows(lb_tape *t, lb_tensor *const *x) { return lb_sum_all(t, lb_mul(t, lb_softmax(t, x[0], 1), lb_layer_norm(t, x[0], NULL, NULL, 1e-5))); }

typedef struct work {
    const char *name;
    graph run;
    int rank[INPUTS];
    int64_t shape[INPUTS][5];
} work;

/* Of a size for threads, in one piece, in fewer than there are threads, and in more. */
static const work works[] = {
    {"product", product, {2, 2}, {{300, 300}, {300, 300}}},
    {"product, long k", product, {2, 2}, {{64, 6000}, {6000, 64}}},
    {"product, two tasks", product, {2, 2}, {{64, 400}, {400, 64}}},
    {"two products", product, {3, 3}, {{2, 200, 200}, {2, 200, 200}}},
    {"eight products", product, {3, 3}, {{8, 150, 150}, {8, 150, 150}}},
    {"linear", linear, {3, 2, 1}, {{2, 90, 300}, {400, 300}, {400}}},
    {"attention of one head", attention, {4, 4, 4}, {{1, 1, 60, 64}, {1, 1, 900, 64}, {1, 1, 900, 64}}},
    {"attention of two heads", attention, {4, 4, 4}, {{1, 2, 60, 48}, {1, 2, 300, 48}, {1, 2, 300, 48}}},
    {"attention of many", attention, {4, 4, 4}, {{2, 3, 130, 32}, {2, 3, 130, 32}, {2, 3, 130, 32}}},
    {"attention of one wide head", causal, {4, 4, 4}, {{1, 1, 64, 300}, {1, 1, 400, 300}, {1, 1, 400, 300}}},
    {"map of one head", map, {4, 4}, {{1, 1, 60, 64}, {1, 1, 900, 64}}},
    {"map of two heads", map, {4, 4}, {{1, 2, 60, 64}, {1, 2, 300, 64}}},
    {"scan of one group", scan, {4, 3, 1, 4, 4}, {{1, 256, 2, 200}, {1, 256, 2}, {2}, {1, 256, 1, 128}, {1, 256, 1, 128}}},
    {"scan of two", scan, {4, 3, 1, 4, 4}, {{2, 128, 2, 64}, {2, 128, 2}, {2}, {2, 128, 1, 64}, {2, 128, 1, 64}}},
    {"selective scan of two", selective, {3, 3, 2, 4, 4}, {{1, 200, 32}, {1, 200, 32}, {32, 16}, {1, 200, 2, 16}, {1, 200, 2, 16}}},
    {"convolution of a picture", conv, {4, 4}, {{1, 24, 40, 40}, {32, 24, 3, 3}}},
    {"convolution in groups", conv, {4, 4}, {{1, 12, 80, 80}, {12, 6, 5, 5}}},
    {"convolution of two pictures", conv, {4, 4}, {{2, 64, 30, 30}, {70, 64, 1, 1}}},
    {"transposed convolution", turned, {4, 4}, {{1, 64, 28, 28}, {64, 32, 2, 2}}},
    {"convolution of a volume", volume, {5, 5}, {{1, 6, 24, 24, 24}, {6, 6, 3, 3, 3}}},
    {"volume in groups", volume, {5, 5}, {{1, 12, 20, 20, 20}, {12, 6, 3, 3, 3}}},
    {"two volumes", volume, {5, 5}, {{2, 8, 16, 16, 16}, {8, 8, 3, 3, 3}}},
    {"rows", rows, {2}, {{300, 400}}},
};

static lb_tensor *draw(lb_rng *r, int rank, const int64_t *shape) {
    lb_tensor *x = NULL;
    CHECK_OK(lb_tensor_new(&x, LB_REAL, rank, shape));
    for (int64_t i = 0; x && i < lb_numel(x); i++) ((lb_real *)x->data)[i] = (lb_real)(lb_rng_uniform(r) - 0.5) / 4;
    if (x) x->requires_grad = true;
    return x;
}

static void once(lb_tape *t, const work *w, lb_tensor *const *x, bool back) {
    lb_tape_set_mode(t, back ? LB_TAPE_GRAD : LB_TAPE_NO_GRAD);
    lb_tensor *y = w->run(t, x);
    if (back) lb_backward(t, lb_sum_all(t, y));
    CHECK_OK(lb_tape_status(t));
    lb_tape_reset(t);
}

/* The library's own threads, all of them. */
static void warm(void) {
#pragma omp parallel
    started += 0;
}

static void one(lb_rng *r, const work *w) {
    lb_tensor *x[INPUTS] = {0};
    lb_tape *t = NULL;
    if (!CHECK_OK(lb_tape_new(&t))) return;
    for (int i = 0; i < INPUTS && w->rank[i] > 0; i++) x[i] = draw(r, w->rank[i], w->shape[i]);
    for (int back = 0; back < 2; back++) {
        once(t, w, x, back);
        warm();
        int before = started;
        once(t, w, x, back);
        warm();
        CHECK_INT(started - before, 0);
    }
    for (int i = 0; i < INPUTS; i++) lb_tensor_free(x[i]);
    lb_tape_free(t);
}

static void ops(void) {
    lb_rng r = lb_rng_of(23, 0, "teams");
    omp_set_num_threads(THREADS);
    lb_threads_set(THREADS);
    for (size_t k = 0; k < LB_COUNT(works); k++) {
        check_begin("%s", works[k].name);
        one(&r, &works[k]);
        check_end();
    }
}

static void part(void *ctx, lb_tape *t, int64_t first, int64_t count) {
    lb_tensor *const *x = ctx;
    for (int64_t i = 0; i < count; i++) attention(t, x);
}

/* A batch in fewer parts than threads, in one, and in more. */
static void parts(void) {
    lb_rng r = lb_rng_of(29, 0, "teams");
    const int64_t q[] = {1, 1, 60, 64}, k[] = {1, 1, 900, 64};
    lb_tensor *x[] = {draw(&r, 4, q), draw(&r, 4, k), draw(&r, 4, k)};
    lb_tape *t = NULL;
    if (!CHECK_OK(lb_tape_new(&t))) return;
    lb_tape_set_mode(t, LB_TAPE_NO_GRAD);
    for (int64_t count = 1; count < 5; count++) {
        int before = 0;
        for (int run = 0; run < 3; run++) {
            lb_tape_split(t, count, 1, part, x);
            CHECK_OK(lb_tape_status(t));
            lb_tape_reset(t);
            warm();
            if (run == 0) before = started;
        }
        CHECK_INT(started - before, 0);
    }
    lb_tape_free(t);
    for (int i = 0; i < 3; i++) lb_tensor_free(x[i]);
}

/* What is counted are threads. */
static void *nothing(void *arg) { return arg; }
static void counted(void) {
    pthread_t thread;
    int before = started;
    CHECK_INT(pthread_create(&thread, NULL, nothing, NULL), 0);
    pthread_join(thread, NULL);
    CHECK_INT(started - before, 1);
    omp_set_num_threads(THREADS);
    warm();
    before = started;
#pragma omp parallel num_threads(THREADS - 1)
    started += 0;
    warm();
    CHECK(started > before); /* libgomp: a team that is too small; where this fails once, lbi_each may do without its rule */
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "teams", (check_test[]){{"counted", counted}, {"ops", ops}, {"parts", parts}, {0}});
}
