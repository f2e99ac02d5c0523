/* SPDX-License-Identifier: Apache-2.0 */
/* Distils a small student from a larger teacher, from memory: what a training step looks like in C.
 *
 *   cc distill.c $(pkg-config --cflags --libs limbeck) && ./a.out student.safetensors
 *
 * The data are points of five noisy spirals in the plane. The teacher learns from labels, the student from the teacher's logits and labels
 * with (1 - alpha) CE + alpha T^2 KL (Hinton et al., arXiv:1503.02531), a component of the method kd-divergences. */
#include <math.h>
#include <stdio.h>
#include "distill/method.h"
#include "io/weights.h"
#include "nn/optim.h"

enum { POINTS = 1000, CLASSES = 5, BATCH = 100, STEPS = 600 };

typedef struct network {
    int64_t width;
    lb_store *store;
} network;

static lb_tensor *logits(network *n, lb_tape *t, lb_tensor *x, bool declaring) {
    lb_nn *m = NULL;
    lb_status st = lb_nn_new(&m, t, n->store, declaring);
    if (st) return lb_tape_fail_status(t, st);
    x = lb_nn_linear(m, x, "fc1", n->width, LB_ACT_GELU);
    x = lb_nn_linear(m, x, "fc2", n->width, LB_ACT_GELU);
    x = lb_nn_linear(m, x, "fc3", CLASSES, LB_ACT_NONE);
    lb_nn_free(m);
    return x;
}

/* States its parameters by a run without data, then draws them. */
static lb_status build(network *n, lb_tape *t, uint64_t seed) {
    lb_status st = LB_OK;
    LB_TRY(lb_store_new(&n->store));
    lb_tape_set_mode(t, LB_TAPE_SHAPES);
    logits(n, t, lb_zeros(t, 2, (int64_t[]){1, 2}), true);
    st = lb_tape_status(t);
    lb_tape_reset(t);
    lb_tape_set_mode(t, LB_TAPE_GRAD);
    if (!st) st = lb_store_init(n->store, seed);
done:
    return st;
}

static void spirals(float *x, int64_t *label) {
    lb_rng rng = lb_rng_make(7, 0);
    for (int i = 0; i < POINTS; i++) {
        double r = (i / CLASSES + 1.0) / (POINTS / CLASSES), angle = 4 * r + 6.28318530717958648 * (i % CLASSES) / CLASSES + 0.1 * lb_rng_normal(&rng);
        x[2 * i] = (float)(r * cos(angle));
        x[2 * i + 1] = (float)(r * sin(angle));
        label[i] = i % CLASSES;
    }
}

/* The rows of a step: a pure function of its number. */
static void draw(const float *x, const int64_t *label, int64_t step, int below, float *rows, int64_t *labels) {
    lb_rng rng = lb_rng_make(8, (uint64_t)step);
    for (int i = 0; i < BATCH; i++) {
        int64_t k = lb_rng_below(&rng, below);
        rows[2 * i] = x[2 * k];
        rows[2 * i + 1] = x[2 * k + 1];
        labels[i] = label[k];
    }
}

/* Trains `n` from labels alone (teacher NULL) or from the teacher's logits and labels. */
static lb_status train(network *n, network *teacher, lb_tape *t, const float *x, const int64_t *label) {
    lb_status st = LB_OK;
    lb_optim *optim = NULL;
    void *cfg = NULL;
    const lb_component *kd = NULL;
    const lb_method *method = (const lb_method *)lb_family_at(&lb_methods, "kd-divergences");
    lb_optim_config config = {.name = "adamw", .lr = 0.01, .weight_decay = 0.01, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .schedule = "cosine", .warmup = 10};
    LB_TRY(lb_component_find(&kd, method, "vanilla_kd"));
    LB_TRY(lb_component_config(&cfg, method, kd, NULL));
    LB_TRY(lb_optim_new(&optim, &config, n->store, STEPS));
    for (int64_t step = 0; step < STEPS; step++) {
        float rows[2 * BATCH];
        int64_t labels[BATCH];
        draw(x, label, step, POINTS, rows, labels);
        lb_tensor *in = lb_input(t, LB_F32, 2, (int64_t[]){BATCH, 2}, rows, LB_F32), *want = lb_input(t, LB_I64, 1, (int64_t[]){BATCH}, labels, LB_I64), *loss;
        if (teacher) {
            lb_outs out = {{NULL}};
            const char *names[] = {"student_logits", "teacher_logits", "labels"};
            lb_tensor *given[] = {logits(n, t, in, false), lb_detach(t, logits(teacher, t, in, false)), want};
            lb_component_run(t, method, kd, cfg, 3, names, given, &out);
            loss = out.at[0];
        } else {
            loss = lb_cross_entropy(t, logits(n, t, in, false), want, NULL, 1, -1, 0, LB_MEAN);
        }
        lb_backward(t, loss);
        LB_TRY(lb_tape_status(t));
        if (step % 200 == 0 || step == STEPS - 1) printf("  step %lld loss %.4f\n", (long long)step, lb_number(loss));
        LB_TRY(lb_optim_step(optim, step, NULL));
        lb_store_zero_grad(n->store);
        lb_tape_reset(t);
    }
done:
    lb_tape_reset(t);
    lb_optim_free(optim);
    lb_params_free(method->params, cfg);
    lb_free(cfg);
    return st;
}

static lb_status accuracy(network *n, lb_tape *t, const float *x, const int64_t *label, double *percent) {
    int64_t right = 0, guess[POINTS];
    lb_tape_set_mode(t, LB_TAPE_NO_GRAD);
    lb_tensor *best = lb_argmax(t, logits(n, t, lb_input(t, LB_F32, 2, (int64_t[]){POINTS, 2}, x, LB_F32), false), 1);
    lb_status st = lb_tape_status(t);
    if (!st) st = lb_read_i64(best, guess, POINTS);
    for (int i = 0; !st && i < POINTS; i++) right += guess[i] == label[i];
    *percent = 100.0 * (double)right / POINTS;
    lb_tape_reset(t);
    lb_tape_set_mode(t, LB_TAPE_GRAD);
    return st;
}

static lb_status save(network *n, const char *path) {
    enum { MOST = 16 };
    const char *names[MOST];
    const lb_tensor *tensors[MOST];
    int64_t count = lb_store_count(n->store);
    for (int64_t i = 0; i < count && i < MOST; i++) {
        names[i] = lb_store_at(n->store, i)->name;
        tensors[i] = lb_store_at(n->store, i)->x;
    }
    return lb_safetensors_write(path, count, names, tensors, NULL);
}

int main(int argc, char **argv) {
    lb_status st = LB_OK;
    static float x[2 * POINTS];
    static int64_t label[POINTS];
    network teacher = {.width = 128}, student = {.width = 16};
    double teacher_right = 0, student_right = 0;
    lb_tape *t = NULL;
    spirals(x, label);
    LB_TRY(lb_tape_new(&t));
    LB_TRY(build(&teacher, t, 1));
    LB_TRY(build(&student, t, 2));
    printf("teacher, %lld parameters\n", (long long)lb_store_parameters(teacher.store, NULL));
    LB_TRY(train(&teacher, NULL, t, x, label));
    LB_TRY(accuracy(&teacher, t, x, label, &teacher_right));
    printf("student, %lld parameters\n", (long long)lb_store_parameters(student.store, NULL));
    LB_TRY(train(&student, &teacher, t, x, label));
    LB_TRY(accuracy(&student, t, x, label, &student_right));
    printf("teacher %.1f %%, student %.1f %% right\n", teacher_right, student_right);
    if (argc > 1) LB_TRY(save(&student, argv[1]));
done:
    if (st) fprintf(stderr, "distill: %s\n", lb_error_text());
    lb_store_free(teacher.store);
    lb_store_free(student.store);
    lb_tape_free(t);
    return st ? 1 : 0;
}
