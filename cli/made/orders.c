/* SPDX-License-Identifier: Apache-2.0 */
/* Five responses of eight numbers each, and a teacher's rewards that are a linear function of them with some noise. Score: percentage of pairs of fresh
 * responses that the student's scores put in the order of the noiseless rewards. */
#include "cli/made.h"
#include "cli/source.h"

enum { RESPONSES = 5, WIDTH = 8, TEST = 256 };

typedef struct table {
    double direction[WIDTH];
} table;

static void make_table(cli_made *m, lb_rng *rng) {
    for (int i = 0; i < WIDTH; i++) ((table *)m->table)->direction[i] = lb_rng_normal(rng);
}

static void row(cli_row *r) {
    const table *t = r->made->table;
    lb_real *pairs = cli_row_reals(r, "pairs", 2, (int64_t[]){RESPONSES, WIDTH}), *rewards = cli_row_reals(r, "rewards", 1, (int64_t[]){RESPONSES}),
            *truth = cli_row_reals(r, "truth", 1, (int64_t[]){RESPONSES});
    for (int k = 0; k < RESPONSES; k++) {
        double sum = 0;
        for (int i = 0; i < WIDTH; i++) sum += t->direction[i] * (double)(pairs[k * WIDTH + i] = (lb_real)lb_rng_normal(&r->rng));
        truth[k] = (lb_real)sum;
        rewards[k] = (lb_real)(sum + 0.3 * lb_rng_normal(&r->rng));
    }
}

static lb_status score(const cli_made *m, lb_model *student, int client, lb_value *scores, double *key) {
    lb_status st = LB_OK;
    lb_batch b = {0};
    double *s = NULL;
    int64_t n = 0, right = 0, all = 0;
    (void)client;
    LB_TRY(cli_made_batch(m, "test", 0, TEST, &b));
    LB_TRY(cli_made_run(student, &b, 0, NULL, "score", &s, &n));
    const lb_tensor *truth = cli_batch_find(&b, "truth");
    for (int64_t i = 0; i < TEST * RESPONSES; i++)
        for (int64_t j = i - i % RESPONSES; j < i; j++, all++) right += (s[i] - s[j]) * (lb_get_at(truth, i) - lb_get_at(truth, j)) > 0;
    lb_map_real(scores, "ordered", *key = 100 * (double)right / (double)all);
done:
    cli_batch_release(&b);
    lb_free(s);
    return st;
}

LB_MADE(orders) = {.id = "orders",
                   .title = "responses in a teacher's order",
                   .source = "",
                   .gives = "pairs[N,5,8] rewards[N,5] truth[N,5]",
                   .table_size = sizeof(table),
                   .open = make_table,
                   .row = row,
                   .score = score};
