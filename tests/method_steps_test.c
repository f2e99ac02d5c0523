/* SPDX-License-Identifier: Apache-2.0 */
/* What methods do between the steps of a run: schedules are held against the components that golden cases verify, each step with a fresh configuration as a
 * run that was stopped has it; and what is drawn for each batch. */
#include <math.h>
#include <stdlib.h>
#include "base/registry.h"
#include "base/rng.h"
#include "check.h"
#include "distill/method.h"

enum { STEPS = 40 };

static const lb_method *method(const char *name) {
    const lb_head *head = NULL;
    if (!CHECK_OK(lb_family_find(&head, &lb_methods, name))) exit(2);
    return (const lb_method *)head;
}

static void *config(const lb_method *m) {
    void *cfg = NULL;
    if (!CHECK_OK(lb_component_config(&cfg, m, m->components, NULL))) exit(2);
    return cfg;
}

static void drop(const lb_method *m, void *cfg) {
    lb_params_free(m->params, cfg);
    lb_free(cfg);
}

static double *number(const lb_method *m, void *cfg, const char *name) { return (double *)(void *)((char *)cfg + lb_param_find(m->params, name)->offset); }

/* A component of one row of numbers. */
static lb_outs row(lb_tape *t, const lb_method *m, const void *cfg, const char *component, const char *input, const double *x, int64_t n) {
    const lb_component *c = NULL;
    lb_outs out = {{NULL}};
    if (!CHECK_OK(lb_component_find(&c, m, component))) exit(2);
    lb_component_run(t, m, c, cfg, 1, &input, (lb_tensor *[]){lb_input(t, LB_REAL, 1, &n, x, LB_F64)}, &out);
    if (!CHECK_OK(lb_tape_status(t))) exit(2);
    return out;
}

/* The share of the teacher at a step is that behind the losses before it. A loss that rises, and one that is 0, among them. */
static void taid_shares(void) {
    const lb_method *m = method("taid");
    double losses[STEPS];
    lb_tape *t = NULL;
    lb_tensor *state[4];
    void *cfg = config(m);
    for (int i = 0; i < STEPS; i++) losses[i] = i == 30 ? 0 : 3.0 / (1 + i) + 0.5 * (i % 3);
    if (!CHECK_OK(lb_tape_new(&t))) exit(2);
    for (int i = 0; i < 4; i++)
        if (!CHECK_OK(lb_tensor_new(&state[i], LB_REAL, 0, NULL))) exit(2);
    *(int64_t *)(void *)((char *)cfg + lb_param_find(m->params, "num_train_steps")->offset) = STEPS;
    lb_outs trace = row(t, m, cfg, "taid_update", "losses", losses, STEPS);
    for (int i = 0; i < STEPS; i++) {
        void *now = config(m);
        m->before_step(now, state, i, STEPS);
        CHECK_NEAR(*number(m, now, "t"), i == 0 ? *number(m, now, "t_start") : lb_get_at(trace.at[0], i - 1), 1e-14);
        m->after_step(now, state, losses[i], i, STEPS);
        CHECK_NEAR(lb_get_at(state[1], 0), lb_get_at(trace.at[1], i), 1e-14);
        drop(m, now);
    }
    CHECK(lb_get_at(trace.at[0], STEPS - 1) > 0.9 && lb_get_at(trace.at[0], STEPS - 1) <= 1);
    for (int i = 0; i < 4; i++) lb_tensor_free(state[i]);
    drop(m, cfg);
    lb_tape_free(t);
}

static void trg_temperatures(void) {
    const lb_method *m = method("trg");
    double steps[STEPS + 1];
    lb_tape *t = NULL;
    void *cfg = config(m);
    if (!CHECK_OK(lb_tape_new(&t))) exit(2);
    for (int i = 0; i <= STEPS; i++) steps[i] = i;
    *number(m, cfg, "total_steps") = STEPS;
    lb_outs want = row(t, m, cfg, "dynamic_temperature", "step", steps, STEPS + 1);
    for (int i = 0; i <= STEPS; i++) {
        void *now = config(m);
        m->before_step(now, NULL, i, STEPS);
        CHECK_NEAR(*number(m, now, "temperature"), lb_get_at(want.at[0], i), 1e-14);
        drop(m, now);
    }
    drop(m, cfg);
    lb_tape_free(t);
}

/* m of the N tokens of each picture, none twice, every one as often as another: 4000 draws of 2 of 5 take each 1600 times, give or take 31 (a standard
 * deviation). */
static void trg_tokens(void) {
    enum { PICTURES = 4, TOKENS = 5, CHOSEN = 2, ROUNDS = 1000 };
    const lb_method *m = method("trg");
    lb_rng rng = lb_rng_make(1, 2);
    lb_sig_dims dims;
    lb_tape *t = NULL;
    void *cfg = config(m);
    int count[TOKENS] = {0};
    if (!CHECK_OK(lb_tape_new(&t))) exit(2);
    *(int64_t *)(void *)((char *)cfg + lb_param_find(m->params, "per_image")->offset) = CHOSEN;
    lb_sig_dims_init(&dims);
    lb_sig_dims_set(&dims, "B", PICTURES);
    lb_sig_dims_set(&dims, "N", TOKENS);
    for (int k = 0; k < ROUNDS; k++) {
        lb_tensor *x = m->draw(t, cfg, "sample_index", &dims, &rng);
        if (!CHECK(x->rank == 2 && x->shape[0] == PICTURES && x->shape[1] == CHOSEN)) break;
        for (int i = 0; i < PICTURES; i++) {
            int a = (int)lb_get_at(x, 2 * i) - TOKENS * i, b = (int)lb_get_at(x, 2 * i + 1) - TOKENS * i;
            if (!CHECK(a >= 0 && a < TOKENS && b >= 0 && b < TOKENS && a != b)) continue;
            count[a]++, count[b]++;
        }
        lb_tape_reset(t);
    }
    for (int i = 0; i < TOKENS; i++) CHECK_NEAR(count[i], ROUNDS * PICTURES * CHOSEN / TOKENS, 5 * 31);
    CHECK(m->draw(t, cfg, "student_tokens", &dims, &rng) == NULL);
    lb_sig_dims_set(&dims, "N", 1);
    m->draw(t, cfg, "sample_index", &dims, &rng);
    CHECK_FAILS(lb_tape_status(t), LB_E_ARG, "per_image is 2, a picture has 1 tokens");
    drop(m, cfg);
    lb_tape_free(t);
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "method-steps",
                      (check_test[]){{"taid's shares", taid_shares}, {"trg's temperatures", trg_temperatures}, {"trg's tokens", trg_tokens}, {0}});
}
