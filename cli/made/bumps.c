/* SPDX-License-Identifier: Apache-2.0 */
/* A teacher of two narrow bumps on a grid of 41 points, and where a student's single bell comes to lie (experiment of method kd-divergences). */
#include "cli/made.h"

enum { GRID = 41 };

typedef struct table {
    double center[2];
} table;

static void make_table(cli_made *m, lb_rng *rng) {
    table *t = m->table;
    t->center[0] = -2 + 0.2 * lb_rng_normal(rng);
    t->center[1] = 2 + 0.2 * lb_rng_normal(rng);
}

static void row(cli_row *r) {
    const table *t = r->made->table;
    lb_real *grid = cli_row_reals(r, "grid", 1, (int64_t[]){GRID}), *teacher = cli_row_reals(r, "teacher_logits", 1, (int64_t[]){GRID});
    for (int i = 0; i < GRID; i++) {
        double x = -5 + 0.25 * i, a = (x - t->center[0]) / 0.3, b = (x - t->center[1]) / 0.3;
        grid[i] = (lb_real)x;
        teacher[i] = (lb_real)log(0.7 * exp(-a * a / 2) + 0.3 * exp(-b * b / 2) + 1e-30);
    }
}

static lb_status score(const cli_made *m, lb_model *student, int client, lb_value *scores, double *key) {
    const table *t = m->table;
    lb_param_tensor *mean = lb_store_find(student->store, "mean"), *width = lb_store_find(student->store, "log_width");
    (void)client;
    if (!mean || !width) return lb_fail(LB_E_ARG, "the set bumps scores the arch bell");
    double x = lb_number(mean->x), w = exp(lb_number(width->x));
    lb_map_real(scores, "mean", x);
    lb_map_real(scores, "width", w);
    lb_map_real(scores, "distance", fmin(fabs(x - t->center[0]), fabs(x - t->center[1])));
    *key = -w;
    return LB_OK;
}

LB_MADE(bumps) = {.id = "bumps",
                  .title = "two narrow bumps on a grid",
                  .source = "",
                  .gives = "grid[N,41] teacher_logits[N,41]",
                  .table_size = sizeof(table),
                  .open = make_table,
                  .row = row,
                  .score = score};
