/* SPDX-License-Identifier: Apache-2.0 */
/* The training loop on named tensors without media: what joins student and teacher, against the formulas written out in loops. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "check.h"
#include "distill/trainer.h"
#include "tensor/derived.h"

/* ---- a student that gives back what the batch holds, times a number ---- */

typedef struct config {
    double factor;
} config;
static const lb_param no_params[] = {LB_PARAM(config, factor, 1, LB_ABOVE_0, 1e3, "1", "of the student"), LB_PARAM_END};

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    (void)cfg;
    lb_nn_tap(m, lb_mul(lb_nn_tape(m), in[0], lb_nn_param(m, "factor", 0, NULL, LB_INIT_ONES, 0)), "feat");
    lb_nn_tap(m, lb_exp(lb_nn_tape(m), lb_nn_param(m, "scale", 0, NULL, LB_INIT_ONES, 0)), "scale");
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    (void)cfg, (void)input;
    *rank = 1;
    shape[0] = 1;
}

static const lb_arch copying = {.id = "copying",
                                .title = "",
                                .source = "",
                                .params = no_params,
                                .params_size = sizeof(config),
                                .kind = "joint",
                                .inputs = "x",
                                .taps = "feat scale",
                                .forward = forward,
                                .example = example};

/* ---- a batch of two tensors ---- */

typedef struct made {
    int student_rank, teacher_rank;
    int64_t student[4], teacher[4];
    int64_t first; /* row of all that this process begins with */
} made;

/* Whatever is no line, so that a wrong place shows. */
static double value(int64_t i, int which) { return sin(1.7 * (double)i + which) + 0.1 * (double)(i % 5); }

static lb_status put(lb_batch *b, const char *name, int which, int rank, const int64_t *shape, int64_t first) {
    lb_tensor **x = &b->at[b->count].x;
    lb_status st = lb_tensor_new(x, LB_REAL, rank, shape);
    if (st != LB_OK) return st;
    for (int64_t i = 0; i < lb_numel(*x); i++) ((lb_real *)(*x)->data)[i] = (lb_real)value(first * lb_numel(*x) / shape[0] + i, which);
    strcpy(b->at[b->count++].name, name);
    return LB_OK;
}

static int64_t rows(void *ctx, const char *stream) {
    (void)stream;
    return ((const made *)ctx)->student[0];
}

static lb_status batch(void *ctx, const char *stream, int64_t step, lb_batch *out) {
    const made *m = ctx;
    (void)stream, (void)step;
    *out = (lb_batch){.rows = m->student[0]};
    lb_status st = put(out, "x", 0, m->student_rank, m->student, m->first);
    return st == LB_OK ? put(out, "given", 1, m->teacher_rank, m->teacher, m->first) : st;
}

static void release(void *ctx, lb_batch *b) {
    (void)ctx;
    for (int i = 0; i < b->count; i++) lb_tensor_free(b->at[i].x);
}

/* ---- mean square of differences, in three forms ---- */

static void mse(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    (void)cfg;
    lb_out(out, 0, lb_mean_all(t, lb_square(t, lb_sub(t, a->in[0], a->in[1]))));
}
static const lb_component forms[] = {{.name = "rows", .run = mse, .sig = "student[N,D] teacher[N,D] -> loss[]", .constant = "teacher", .text = ""},
                                     {.name = "tokens", .run = mse, .sig = "student[N,L,D] teacher[N,L,D] -> loss[]", .constant = "teacher", .text = ""},
                                     {.name = "map", .run = mse, .sig = "student[N,C,H,W] teacher[N,C,H,W] -> loss[]", .constant = "teacher", .text = ""},
                                     LB_COMPONENT_END};
static const lb_method likeness = {.id = "likeness", .title = "", .source = "", .params = no_params, .params_size = sizeof(config), .components = forms};

/* ---- what the run writes, kept in memory ---- */

static struct {
    char name[8][128];
    double *x[8];
    int64_t size[8];
    int count;
} written;

static void forget(void) {
    for (int i = 0; i < written.count; i++) free(written.x[i]);
    memset(&written, 0, sizeof written);
}

static lb_status keep(const char *path, int64_t count, const char *const *names, const lb_tensor *const *tensors, const lb_value *metadata) {
    (void)metadata;
    if (!strstr(path, "adapters")) return LB_OK;
    forget();
    for (int64_t i = 0; i < count && i < 8; i++) {
        strcpy(written.name[i], names[i]);
        written.size[i] = lb_numel(tensors[i]);
        written.x[i] = calloc((size_t)written.size[i] + 1, sizeof(double));
        lb_status st = lb_read_f64(tensors[i], written.x[i], written.size[i]);
        if (st != LB_OK) return st;
        written.count++;
    }
    return LB_OK;
}

static lb_status read_none(const char *path, lb_store *into, lb_value **metadata) {
    (void)into, (void)metadata;
    return lb_fail(LB_E_NOTFOUND, "%s", path);
}

static const double *learned(const char *name, int64_t size) {
    for (int i = 0; i < written.count; i++)
        if (strcmp(written.name[i], name) == 0) return CHECK_INT(written.size[i], size) ? written.x[i] : NULL;
    CHECK_TEXT("absent", name);
    return NULL;
}

/* One step at rate 0: the loss with the maps as they were drawn; *plan (may be NULL) says what joins. */
static double one_step(made *m, int form, const char *adapt, lb_value **plan) {
    static const char *inputs[] = {"student", "teacher"}, *names[] = {"student.feat", "given"};
    lb_train_result result = {0};
    lb_model *student = NULL;
    lb_objective o = {.name = "like", .method = &likeness, .component = &forms[form], .stream = "s", .weight = 1, .nbind = 2, .inputs = inputs, .names = names, .adapt = adapt};
    lb_checkpoint_set_io(&(lb_checkpoint_io){keep, read_none});
    CHECK_OK(lb_model_new(&student, &copying, NULL));
    CHECK_OK(lb_store_init(student->store, 1));
    lb_train_spec spec = {.student = student, .nobjectives = 1, .objectives = &o, .source = {m, rows, batch, release}, .steps = 1, .log_every = 1, .save_every = 1, .folder = check_tmp("run")};
    CHECK_OK(lb_make_folders(spec.folder));
    CHECK_OK(lb_params_default(lb_optim_params, &spec.optim));
    spec.optim.lr = 0;
    if (plan) CHECK_OK(lb_train_plan(plan, &spec));
    lb_status st = lb_train(&result, &spec);
    if (!adapt || strcmp(adapt, "none") != 0) CHECK_OK(st);
    else CHECK_FAILS(st, LB_E_SHAPE, "");
    lb_params_free(lb_optim_params, &spec.optim);
    lb_model_free(student);
    return result.last_loss;
}

/* Bilinear as the formula has it: output i looks at (i + 1/2) in / out - 1/2, held inside. */
static double between(const double *x, int64_t stride, int64_t in, int64_t out, int64_t i) {
    double at = ((double)i + 0.5) * (double)in / (double)out - 0.5;
    if (at < 0) at = 0;
    int64_t lo = (int64_t)at, hi = lo + 1 < in ? lo + 1 : in - 1;
    return x[lo * stride] + (at - (double)lo) * (x[hi * stride] - x[lo * stride]);
}

static void rows_of_other_width(void) {
    made m = {2, 2, {3, 4}, {3, 5}};
    lb_value *plan = NULL;
    double got = one_step(&m, 0, NULL, &plan), want = 0;
    const double *w = learned("proj.like.student.weight", 20), *b = learned("proj.like.student.bias", 5);
    for (int n = 0; n < 3 && w && b; n++)
        for (int d = 0; d < 5; d++) {
            double y = b[d];
            for (int k = 0; k < 4; k++) y += w[d * 4 + k] * value(n * 4 + k, 0);
            want += pow(y - value(n * 5 + d, 1), 2) / 15;
        }
    CHECK_NEAR(got, want, 1e-12); /* rounding of sums of 15 numbers near 1, in double */
    if (CHECK(lb_get(plan, "adapters")->count == 1)) CHECK_TEXT(lb_get_text(lb_get(plan, "adapters")->items[0], "by", ""), "linear map 4 -> 5");
    lb_value_free(plan);
    forget();
}

/* A 1x1 convolution and a bilinear resize, 2x3 to 4x5. */
static void maps_of_other_grid(void) {
    made m = {4, 4, {2, 3, 2, 3}, {2, 2, 4, 5}};
    double got = one_step(&m, 2, NULL, NULL), want = 0;
    const double *w = learned("proj.like.student.weight", 6), *b = learned("proj.like.student.bias", 2);
    for (int n = 0; n < 2 && w && b; n++)
        for (int c = 0; c < 2; c++) {
            double small[6], tall[12];
            for (int p = 0; p < 6; p++) {
                small[p] = b[c];
                for (int k = 0; k < 3; k++) small[p] += w[c * 3 + k] * value((n * 3 + k) * 6 + p, 0);
            }
            for (int y = 0; y < 4; y++)
                for (int x = 0; x < 3; x++) tall[y * 3 + x] = between(small + x, 3, 2, 4, y);
            for (int y = 0; y < 4; y++)
                for (int x = 0; x < 5; x++) want += pow(between(tall + y * 3, 1, 3, 5, x) - value((n * 2 + c) * 20 + y * 5 + x, 1), 2) / 80;
        }
    CHECK_NEAR(got, want, 1e-12);
    forget();
}

static void sequences_of_other_length(void) {
    made m = {3, 3, {2, 4, 2}, {2, 9, 2}};
    double got = one_step(&m, 1, "sequence", NULL), want = 0;
    for (int n = 0; n < 2; n++)
        for (int l = 0; l < 9; l++)
            for (int d = 0; d < 2; d++) {
                double x[4];
                for (int k = 0; k < 4; k++) x[k] = value((n * 4 + k) * 2 + d, 0);
                want += pow(between(x, 1, 4, 9, l) - value((n * 9 + l) * 2 + d, 1), 2) / 36;
            }
    CHECK_NEAR(got, want, 1e-12);
    CHECK_INT(written.count, 0); /* nothing is learned */
}

/* A class token and 2x2 places beside one and 3x3: the first stays, the others are a picture. */
static void tokens_of_other_grid(void) {
    made m = {3, 3, {1, 5, 2}, {1, 10, 2}};
    double got = one_step(&m, 1, NULL, NULL), want = 0;
    for (int d = 0; d < 2; d++) {
        double small[4], tall[6];
        want += pow(value(d, 0) - value(d, 1), 2) / 20;
        for (int p = 0; p < 4; p++) small[p] = value((1 + p) * 2 + d, 0);
        for (int y = 0; y < 3; y++)
            for (int x = 0; x < 2; x++) tall[y * 2 + x] = between(small + x, 2, 2, 3, y);
        for (int y = 0; y < 3; y++)
            for (int x = 0; x < 3; x++) want += pow(between(tall + y * 2, 1, 2, 3, x) - value((1 + y * 3 + x) * 2 + d, 1), 2) / 20;
    }
    CHECK_NEAR(got, want, 1e-12);
}

/* Tokens with a class token against a map: that is left out, the rest laid out row by row. */
static void tokens_to_a_map(void) {
    made m = {3, 4, {1, 5, 2}, {1, 2, 2, 2}};
    lb_value *plan = NULL;
    double got = one_step(&m, 2, NULL, &plan), want = 0;
    for (int c = 0; c < 2; c++)
        for (int p = 0; p < 4; p++) want += pow(value((1 + p) * 2 + c, 0) - value(c * 4 + p, 1), 2) / 8;
    CHECK_NEAR(got, want, 1e-12);
    if (CHECK(lb_get(plan, "adapters")->count == 1)) CHECK_HAS(lb_get_text(lb_get(plan, "adapters")->items[0], "by", ""), "class token left out");
    lb_value_free(plan);
}

/* ---- several students ---- */

/* Three steps of a student, alone or beside one that only it is set against; its factor after them. */
static double factor_after(made *m, bool beside, double *peer) {
    static const char *inputs[] = {"student", "teacher"}, *own[] = {"student.feat", "given"}, *others[] = {"peer.feat", "student.feat"};
    lb_train_result result = {0};
    lb_model *student = NULL, *second = NULL;
    lb_objective o[] = {{.name = "own", .method = &likeness, .component = &forms[0], .stream = "s", .weight = 1, .nbind = 2, .inputs = inputs, .names = own},
                        {.name = "peer", .method = &likeness, .component = &forms[0], .stream = "s", .weight = 1, .nbind = 2, .inputs = inputs, .names = others, .allow_zero = true}};
    lb_optim_config slow;
    CHECK_OK(lb_model_new(&student, &copying, NULL));
    CHECK_OK(lb_model_new(&second, &copying, NULL));
    CHECK_OK(lb_store_init(student->store, 1));
    CHECK_OK(lb_store_init(second->store, 1));
    lb_student more = {"peer", second, &slow};
    lb_train_spec spec = {.student = student,
                          .nothers = beside,
                          .others = &more,
                          .nobjectives = 1 + beside,
                          .objectives = o,
                          .source = {m, rows, batch, release},
                          .steps = 3,
                          .log_every = 1,
                          .save_every = 1};
    CHECK_OK(lb_params_default(lb_optim_params, &spec.optim));
    CHECK_OK(lb_params_default(lb_optim_params, &slow));
    CHECK_OK(lb_param_set_text(lb_param_find(lb_optim_params, "name"), &spec.optim, "sgd"));
    CHECK_OK(lb_param_set_text(lb_param_find(lb_optim_params, "name"), &slow, "sgd"));
    spec.optim.lr = 0.25;
    spec.optim.warmup = slow.warmup = 0;
    slow.lr = 0.125;
    spec.optim.weight_decay = slow.weight_decay = spec.optim.momentum = slow.momentum = 0;
    CHECK_OK(lb_train(&result, &spec));
    double got = lb_number(student->store ? lb_store_find(student->store, "factor")->x : NULL);
    *peer = lb_number(lb_store_find(second->store, "factor")->x);
    lb_params_free(lb_optim_params, &spec.optim);
    lb_params_free(lb_optim_params, &slow);
    lb_model_free(student);
    lb_model_free(second);
    return got;
}

/* Mean square of f x - g: gradient 2 mean(x (f x - g)). The peer follows the student; the student does not hear it. */
static void students_side_by_side(void) {
    made m = {2, 2, {4, 3}, {4, 3}};
    double f = 1, p = 1, peer, xx = 0, xg = 0;
    lb_optim_config schedule;
    lb_optim *rates = NULL;
    CHECK_OK(lb_params_default(lb_optim_params, &schedule));
    for (int i = 0; i < 12; i++) {
        xx += value(i, 0) * value(i, 0) / 12;
        xg += value(i, 0) * value(i, 1) / 12;
    }
    schedule.lr = 1;
    schedule.warmup = 0;
    CHECK_OK(lb_optim_new(&rates, &schedule, NULL, 3));
    for (int k = 0; k < 3; k++) {
        double rate = lb_optim_lr(rates, k), was = f;
        f -= 0.25 * rate * 2 * (f * xx - xg);
        p -= 0.125 * rate * 2 * (p - was) * xx;
    }
    lb_optim_free(rates);
    lb_params_free(lb_optim_params, &schedule);
    CHECK_NEAR(factor_after(&m, false, &peer), f, 1e-12); /* rounding of a dozen sums, in double */
    CHECK_NEAR(peer, 1, 0);
    CHECK_NEAR(factor_after(&m, true, &peer), f, 1e-12);
    CHECK_NEAR(peer, p, 1e-12);
}

/* ---- several processes: threads here, each with its rows ---- */

static struct meeting {
    pthread_barrier_t gate;
    const void *mine[4];
} meeting;

/* Everybody's bytes are looked at between two gates. */
static lb_status gather(void *ctx, const void *mine, size_t bytes, void *all) {
    const lb_crew *k = ctx;
    meeting.mine[k->rank] = mine;
    pthread_barrier_wait(&meeting.gate);
    for (int i = 0; i < k->count; i++) memcpy((char *)all + bytes * (size_t)i, meeting.mine[i], bytes);
    pthread_barrier_wait(&meeting.gate);
    return LB_OK;
}

static lb_status sum(void *ctx, lb_real *x, int64_t n) {
    const lb_crew *k = ctx;
    lb_real *all = calloc((size_t)(n * k->count), sizeof *all);
    if (!all) return LB_E_NOMEM;
    lb_status st = gather(ctx, x, (size_t)n * sizeof *x, all);
    for (int64_t i = 0; i < n; i++) {
        x[i] = 0;
        for (int r = 0; r < k->count; r++) x[i] += all[r * n + i];
    }
    free(all);
    return st;
}

/* Contrast of every row with all teachers', and a mean over rows that count. */
static void contrast(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    (void)cfg;
    lb_out(out, 0, lb_info_nce(t, a->in[0], a->in[1], a->in[2], 1, true));
}
static void counted(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    (void)cfg;
    lb_tensor *far = lb_gt(t, lb_sum(t, a->in[1], 1, false), lb_scalar(t, 0.4));
    lb_out(out, 0, lb_masked_mean(t, lb_sum(t, lb_square(t, lb_sub(t, a->in[0], a->in[1])), 1, false), far, LB_AXES(0), false));
}
static const lb_component together[] = {{.name = "contrast", .run = contrast, .sig = "student[N,D] teacher[N,D] scale[] -> loss[]", .constant = "teacher", .text = ""},
                                        {.name = "counted", .run = counted, .sig = "student[N,D] teacher[N,D] -> loss[]", .constant = "teacher", .text = ""},
                                        LB_COMPONENT_END};
static const lb_method coupled = {.id = "coupled", .title = "", .source = "", .params = no_params, .params_size = sizeof(config), .components = together};

typedef struct worker {
    lb_crew ranks;
    made m;
    double loss, factor, scale;
    lb_status st;
} worker;

static void *train_share(void *ctx) {
    worker *w = ctx;
    static const char *inputs[] = {"student", "teacher", "scale"}, *names[] = {"student.feat", "given", "student.scale"};
    lb_objective o[] = {{.name = "contrast", .method = &coupled, .component = &together[0], .stream = "s", .weight = 1, .nbind = 3, .inputs = inputs, .names = names},
                        {.name = "counted", .method = &coupled, .component = &together[1], .stream = "s", .weight = 0.5, .nbind = 2, .inputs = inputs, .names = names}};
    lb_train_result result = {0};
    lb_model *student = NULL;
    lb_train_spec spec = {.student = student,
                          .nobjectives = 2,
                          .objectives = o,
                          .source = {&w->m, rows, batch, release},
                          .crew = w->ranks.count > 1 ? &w->ranks : NULL,
                          .steps = 5,
                          .log_every = 1,
                          .save_every = 9,
                          .accumulate = 2};
    w->st = lb_model_new(&student, &copying, NULL);
    if (w->st == LB_OK) w->st = lb_store_init(student->store, 1);
    if (w->st == LB_OK) w->st = lb_params_default(lb_optim_params, &spec.optim);
    spec.student = student;
    spec.optim.lr = 0.1;
    spec.optim.clip_norm = 0.5;
    if (w->st == LB_OK) w->st = lb_train(&result, &spec);
    w->loss = result.last_loss;
    w->factor = lb_number(lb_store_find(student->store, "factor")->x);
    w->scale = lb_number(lb_store_find(student->store, "scale")->x);
    lb_params_free(lb_optim_params, &spec.optim);
    lb_model_free(student);
    return NULL;
}

static void processes_are_one(void) {
    worker one = {.ranks = {.count = 1}, .m = {2, 2, {8, 3}, {8, 4}}};
    train_share(&one);
    CHECK_OK(one.st);
    for (int count = 2; count <= 4; count += 2) {
        worker w[4] = {0};
        pthread_t thread[4];
        pthread_barrier_init(&meeting.gate, NULL, (unsigned)count);
        for (int i = 0; i < count; i++) {
            w[i] = (worker){.ranks = {i, count, NULL, gather, sum}, .m = {2, 2, {8 / count, 3}, {8 / count, 4}, .first = i * 8 / count}};
            w[i].ranks.ctx = &w[i].ranks;
        }
        for (int i = 0; i < count; i++) pthread_create(&thread[i], NULL, train_share, &w[i]);
        for (int i = 0; i < count; i++) pthread_join(thread[i], NULL);
        for (int i = 0; i < count; i++) {
            CHECK_INT(w[i].st, LB_OK);
            CHECK_NEAR(w[i].loss, one.loss, 1e-10); /* other orders of sums in double over five steps */
            CHECK_NEAR(w[i].factor, one.factor, 1e-10);
            CHECK_NEAR(w[i].scale, one.scale, 1e-10);
        }
        pthread_barrier_destroy(&meeting.gate);
    }
}

static void none_refuses(void) { one_step(&(made){2, 2, {3, 4}, {3, 5}}, 0, "none", NULL); }

int main(int argc, char **argv) {
    return check_main(argc, argv, "train",
                      (check_test[]){{"rows_of_other_width", rows_of_other_width},
                                     {"maps_of_other_grid", maps_of_other_grid},
                                     {"sequences_of_other_length", sequences_of_other_length},
                                     {"tokens_of_other_grid", tokens_of_other_grid},
                                     {"tokens_to_a_map", tokens_to_a_map},
                                     {"none_refuses", none_refuses},
                                     {"processes_are_one", processes_are_one},
                                     {"students_side_by_side", students_side_by_side},
                                     {0}});
}
