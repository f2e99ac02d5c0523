/* SPDX-License-Identifier: Apache-2.0 */
/* Batches run in parts (nn/batch.c), by the archs that say that their items stand apart: each item's taps are those of a run of that item alone, with any number of
 * threads. */
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>
#include "base/rng.h"
#include "cli/models.h"
#include "tensor/ops.h"
#include "tensor/precision.h"
#include "tensor/split.h"
#include "tests/check.h"

enum { ITEMS = 5, TAPS = 48, INPUTS = 3 };
/* Sums of f32 in another order (products of few and of many rows): some 1e-6 of the tensor's rms. */
static const double agreement = 1e-5;

/* ---- archs ---- */

typedef struct input {
    const char *name;
    int rank; /* of one item */
    int64_t shape[3];
    bool shared; /* the same for all items: one axis, not [N,...] */
} input;

static const struct subject {
    const char *arch, *params;
    input in[INPUTS];
    const char *without; /* a tap that these inputs do not give */
} subjects[] = {
    {"bert",
     "{\"vocab_size\": 40, \"hidden_size\": 24, \"num_hidden_layers\": 2, \"num_attention_heads\": 2, \"intermediate_size\": 48}",
     {{"ids", 1, {7}, false}, {"mask", 1, {7}, false}}},
    {"convnext", "{\"size\": 64, \"depths\": \"1,1,1,1\", \"widths\": \"8,16,24,32\", \"classes\": 5}", {{"image", 3, {3, 64, 64}, false}}},
    {"mobilenet_v3", "{\"variant\": \"small\", \"width\": 0.25, \"classes\": 5}", {{"image", 3, {3, 64, 64}, false}}},
    {"resnet", "{\"depth\": 10, \"width\": 16, \"classes\": 5}", {{"image", 3, {3, 64, 64}, false}}},
    {"supernet", "{\"layers\": 2}", {{"ids", 1, {6}, false}, {"mask", 1, {6}, false}, {"subnet", 1, {4}, true}}, "logits"},
    {"vit",
     "{\"size\": 32, \"patch\": 8, \"width\": 24, \"depth\": 2, \"heads\": 2, \"mlp\": 48, \"embed\": 8, \"classes\": 5}",
     {{"image", 3, {3, 32, 32}, false}}},
    {"whisper",
     "{\"vocab_size\": 40, \"d_model\": 16, \"encoder_layers\": 1, \"encoder_attention_heads\": 2, \"encoder_ffn_dim\": 24, \"decoder_layers\": 1, "
     "\"decoder_attention_heads\": 2, \"decoder_ffn_dim\": 24, \"max_source_positions\": 20}",
     {{"audio", 2, {80, 40}, false}, {"ids", 1, {4}, false}}},
};

typedef struct run {
    lb_model *m;
    lb_tape *t;
    int nin, ntaps;
    lb_named in[INPUTS];
    lb_tensor *whole[INPUTS];
    char names[TAPS][64];
    const char *without;
    const char *taps[TAPS];
} run;

static void add_tap(void *ctx, const char *tap, int rank, const int64_t *shape) {
    run *r = ctx;
    (void)shape;
    if (r->ntaps == TAPS || rank == 0 || (r->without && strcmp(tap, r->without) == 0)) return;
    snprintf(r->names[r->ntaps], sizeof r->names[0], "%s", tap);
    r->taps[r->ntaps] = r->names[r->ntaps];
    r->ntaps++;
}

/* Numbers by name; each next text is shorter by one. */
static void fill(lb_tensor *x, const char *name) {
    lb_rng r = lb_rng_of(7, 0, name);
    int64_t n = lb_numel(x), each = n / x->shape[0];
    static const int64_t subnet[] = {2, 2, 16, 32};
    for (int64_t i = 0; i < n; i++) {
        if (x->dtype == LB_REAL) ((lb_real *)x->data)[i] = (lb_real)lb_rng_normal(&r);
        else if (strcmp(name, "mask") == 0) ((int64_t *)x->data)[i] = i % each < each - i / each;
        else ((int64_t *)x->data)[i] = strcmp(name, "subnet") == 0 ? subnet[i] : lb_rng_below(&r, 40);
    }
}

static bool open_run(run *r, const struct subject *s) {
    const lb_head *head = NULL;
    lb_value *v = NULL;
    r->without = s->without;
    bool ok = CHECK_OK(lb_family_find(&head, &lb_archs, s->arch)) && CHECK_OK(lb_json_parse(&v, s->params, strlen(s->params), s->arch)) && CHECK_OK(lb_model_new(&r->m, (const lb_arch *)head, v)) &&
              CHECK_OK(lb_store_init(r->m->store, 1)) && CHECK(r->m->arch->apart) && CHECK_OK(lb_model_taps(r->m, add_tap, r)) && CHECK_OK(lb_tape_new(&r->t));
    for (int i = 0; ok && i < INPUTS && s->in[i].name; i++) {
        const input *in = &s->in[i];
        int64_t shape[4] = {ITEMS, in->shape[0], in->shape[1], in->shape[2]};
        bool real = in->rank > 1;
        ok = CHECK_OK(lb_tensor_new(&r->whole[i], real ? LB_REAL : LB_I64, in->shared ? 1 : in->rank + 1, in->shared ? in->shape : shape));
        if (!ok) break;
        fill(r->whole[i], in->name);
        r->in[r->nin++] = (lb_named){in->name, r->whole[i]};
    }
    if (ok) lb_store_fix(r->m->store, true);
    if (ok) lb_tape_set_mode(r->t, LB_TAPE_NO_GRAD);
    lb_value_free(v);
    return ok;
}

static void close_run(run *r) {
    lb_tape_free(r->t);
    lb_model_free(r->m);
    for (int i = 0; i < INPUTS; i++) lb_tensor_free(r->whole[i]);
}

/* Copies of all taps of a run of the items first .. first + n - 1 with that many threads. */
static bool taps_of(run *r, int threads, int64_t first, int64_t n, lb_tensor **copy) {
    lb_tensor part[INPUTS], *out[TAPS];
    lb_named in[INPUTS];
    int before = omp_get_max_threads();
    for (int i = 0; i < r->nin; i++) {
        part[i] = *r->whole[i];
        if (part[i].shape[0] == ITEMS) {
            part[i].data = (char *)part[i].data + (size_t)(first * part[i].stride[0]) * lb_dtype_size(part[i].dtype);
            part[i].shape[0] = n;
        }
        in[i] = (lb_named){r->in[i].name, &part[i]};
    }
    omp_set_num_threads(threads);
    lb_model_run(r->m, r->t, r->nin, in, r->ntaps, r->taps, out);
    omp_set_num_threads(before);
    bool ok = CHECK_OK(lb_tape_status(r->t));
    for (int k = 0; ok && k < r->ntaps; k++) ok = CHECK_OK(lb_tensor_copy(&copy[k], out[k], LB_F64));
    lb_tape_reset(r->t);
    return ok;
}

static void drop(lb_tensor **copy) {
    for (int k = 0; k < TAPS; k++) {
        lb_tensor_free(copy[k]);
        copy[k] = NULL;
    }
}

static void same_item(const run *r, int k, const lb_tensor *got, const lb_tensor *alone, int64_t item) {
    int64_t n = lb_numel(alone);
    char what[96];
    double square = 0, worst = 0;
    const double *a = (const double *)got->data + item * n, *b = alone->data;
    snprintf(what, sizeof what, "%s %s, item %d", r->m->arch->id, r->taps[k], (int)item);
    if (!CHECK_INT(lb_numel(got), n * ITEMS)) return;
    for (int64_t i = 0; i < n; i++) {
        square += b[i] * b[i];
        if (!(fabs(a[i] - b[i]) <= worst)) worst = fabs(a[i] - b[i]);
    }
    check_near(worst, 0, agreement * sqrt(square / (double)n), __FILE__, __LINE__, what);
}

/* Five items by one thread, by two (two each, and one that both share), three and five; the same twice gives the same bytes. */
static void arch_runs(const struct subject *s) {
    static const int threads[] = {1, 2, 2, 3, 5};
    run r = {0};
    lb_tensor *alone[ITEMS][TAPS] = {{0}}, *got[TAPS] = {0}, *last[TAPS] = {0};
    bool ok = open_run(&r, s) && CHECK(r.ntaps > 0);
    for (int i = 0; ok && i < ITEMS; i++) ok = taps_of(&r, 1, i, 1, alone[i]);
    for (size_t i = 0; ok && i < LB_COUNT(threads); i++) {
        ok = taps_of(&r, threads[i], 0, ITEMS, got);
        for (int k = 0; ok && k < r.ntaps; k++)
            for (int item = 0; item < ITEMS; item++) same_item(&r, k, got[k], alone[item][k], item);
        for (int k = 0; ok && k < r.ntaps && i > 0 && threads[i] == threads[i - 1]; k++)
            CHECK(memcmp(got[k]->data, last[k]->data, (size_t)lb_numel(got[k]) * sizeof(double)) == 0);
        drop(last);
        memcpy(last, got, sizeof last);
        memset(got, 0, sizeof got);
    }
    drop(last);
    for (int i = 0; i < ITEMS; i++) drop(alone[i]);
    close_run(&r);
}

static void all_archs(void) {
    for (size_t i = 0; i < LB_COUNT(subjects); i++) arch_runs(&subjects[i]);
}

/* ---- splitting ---- */

typedef struct counted {
    int seen[ITEMS], threads;
    int64_t fail_from;
} counted;

static void count(void *ctx, lb_tape *part, int64_t first, int64_t n) {
    counted *c = ctx;
    (void)lb_add_scalar(part, lb_zeros(part, 1, (int64_t[]){1000 * n}), 1);
    for (int64_t i = first; i < first + n; i++) c->seen[i] += lb_tape_get_mode(part) == LB_TAPE_NO_GRAD && lb_tape_precision(part) == LB_PRECISION_BF16;
    if (first >= c->fail_from) (void)lb_tape_fail(part, LB_E_NUMERIC, "item %d", (int)first);
}

static void split(void) {
    lb_tape *t = NULL;
    int before = omp_get_max_threads();
    if (!CHECK_OK(lb_tape_new(&t))) return;
    lb_tape_set_precision(t, LB_PRECISION_BF16);
    CHECK(!lb_tape_splits(t)); /* records */
    lb_tape_set_mode(t, LB_TAPE_NO_GRAD);
    CHECK(lb_tape_splits(t));
    for (int threads = 1; threads <= 3; threads++) {
        omp_set_num_threads(threads);
        for (int64_t each = 1; each <= ITEMS + 1; each++) {
            counted c = {.fail_from = ITEMS};
            lb_tape_clear_stats(t);
            lb_tape_split(t, ITEMS, each, count, &c);
            CHECK_OK(lb_tape_status(t));
            for (int i = 0; i < ITEMS; i++) CHECK_INT(c.seen[i], 1);
            CHECK_INT(lb_tape_get_stats(t).calls, (ITEMS + each - 1) / each);
            CHECK(lb_tape_get_stats(t).peak_bytes >= 2 * 4000);
        }
        counted c = {.fail_from = 1};
        lb_tape_split(t, ITEMS, 1, count, &c);
        CHECK_FAILS(lb_tape_status(t), LB_E_NUMERIC, "item 1"); /* the first that fails, whichever thread was faster */
        CHECK(!lb_tape_splits(t));
        lb_tape_reset(t);
        CHECK_INT(omp_get_max_threads(), threads);
    }
    omp_set_num_threads(before);
    lb_tape_free(t);
}

/* ---- archs that say what they do not keep ---- */

/* A tap over all items, and one of each. */
static void mean_forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    lb_tape *t = lb_nn_tape(m);
    (void)cfg;
    lb_tensor *y = lb_nn_linear(m, in[0], "a", 2, LB_ACT_NONE);
    lb_nn_tap(m, y, "each");
    lb_nn_tap(m, lb_sum_all(t, y), "all");
}

static void mean_example(const void *cfg, int i, int *rank, int64_t shape[LB_MAX_RANK]) {
    (void)cfg;
    (void)i;
    *rank = 2;
    shape[0] = 1;
    shape[1] = 3;
}

static const lb_arch mean = {.id = "mean",
                             .title = "a test's network",
                             .source = "",
                             .kind = "joint",
                             .apart = true,
                             .inputs = "x[N,3]",
                             .taps = "each all",
                             .forward = mean_forward,
                             .example = mean_example};

/* Such a tap takes the whole batch: the run is done again that way. */
static void unfit(void) {
    lb_model *m = NULL;
    lb_tape *t = NULL;
    int before = omp_get_max_threads();
    if (!CHECK_OK(lb_model_new(&m, &mean, NULL)) || !CHECK_OK(lb_tape_new(&t))) goto done;
    CHECK_OK(lb_store_init(m->store, 0));
    lb_store_fix(m->store, true);
    lb_tape_set_mode(t, LB_TAPE_NO_GRAD);
    omp_set_num_threads(2);
    lb_tensor *x = lb_full(t, 2, (int64_t[]){4, 3}, 1), *out[2];
    lb_model_run(m, t, 1, (lb_named[]){{"x", x}}, 2, (const char *const[]){"each", "all"}, out);
    CHECK_OK(lb_tape_status(t));
    CHECK_INT(out[0]->shape[0], 4);
    double sum = 0;
    for (int i = 0; i < 8; i++) sum += lb_get_at(out[0], i);
    CHECK_NEAR(lb_number(out[1]), sum, 1e-5);
    lb_model_run(m, t, 1, (lb_named[]){{"x", x}}, 1, (const char *const[]){"none"}, out);
    CHECK_FAILS(lb_tape_status(t), LB_E_NOTFOUND, "no tap 'none'");
done:
    omp_set_num_threads(before);
    lb_tape_free(t);
    lb_model_free(m);
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "batch", (check_test[]){{"archs", all_archs}, {"split", split}, {"unfit", unfit}, {0}});
}
