/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of a random source of order two: 24 symbols, four that may follow each pair. Score: divergence from the teacher on fresh contexts. */
#include "cli/made.h"
#include "cli/source.h"

enum { SYMBOLS = 24, NEXT = 4, TEST = 1024 };

typedef struct table {
    int next[SYMBOLS * SYMBOLS][NEXT];
    double share[SYMBOLS * SYMBOLS][NEXT];
} table;

static void make_table(cli_made *m, lb_rng *rng) { cli_made_chain(rng, SYMBOLS, NEXT, ((table *)m->table)->next[0], ((table *)m->table)->share[0]); }

static int64_t follow(const table *t, lb_rng *rng, int64_t a, int64_t b) {
    int64_t state = a * SYMBOLS + b;
    return t->next[state][lb_rng_categorical(rng, t->share[state], NEXT)];
}

static void row(cli_row *r) {
    const table *t = r->made->table;
    int64_t a = lb_rng_below(&r->rng, SYMBOLS), b = lb_rng_below(&r->rng, SYMBOLS), c = 0, *ids = cli_row_numbers(r, "ids", 1, (int64_t[]){2});
    for (int i = 0; i < 7; i++) {
        c = follow(t, &r->rng, a, b);
        if (i == 6) break;
        a = b;
        b = c;
    }
    ids[0] = a;
    ids[1] = b;
    *cli_row_numbers(r, "label", 0, NULL) = c;
}

static double divergence(const double *p, const double *q) {
    double zp = 0, zq = 0, mp = -INFINITY, mq = -INFINITY, sum = 0;
    for (int i = 0; i < SYMBOLS; i++) mp = fmax(mp, p[i]), mq = fmax(mq, q[i]);
    for (int i = 0; i < SYMBOLS; i++) zp += exp(p[i] - mp), zq += exp(q[i] - mq);
    for (int i = 0; i < SYMBOLS; i++) sum += exp(p[i] - mp) / zp * ((p[i] - mp - log(zp)) - (q[i] - mq - log(zq)));
    return sum;
}

static lb_status score(const cli_made *m, lb_model *student, int client, lb_value *scores, double *key) {
    lb_status st = LB_OK;
    lb_batch b = {0};
    double *own = NULL, *other = NULL, kl = 0;
    int64_t n = 0;
    (void)client;
    LB_TRY(cli_made_batch(m, "test", 0, TEST, &b));
    LB_TRY(cli_made_run(student, &b, 0, NULL, "logits", &own, &n));
    lb_map_real(scores, "top1", *key = cli_made_top1(own, cli_batch_find(&b, "label"), TEST, SYMBOLS));
    if (m->nteachers == 0) goto done;
    LB_TRY(cli_made_run(m->teachers[0].model, &b, 0, NULL, "logits", &other, &n));
    for (int64_t i = 0; i < TEST; i++) kl += divergence(other + i * SYMBOLS, own + i * SYMBOLS) / TEST;
    lb_map_real(scores, "kl", kl);
    *key = -kl;
done:
    cli_batch_release(&b);
    lb_free(own);
    lb_free(other);
    return st;
}

LB_MADE(markov) = {.id = "markov",
                   .title = "tokens of a random source of order two",
                   .source = "",
                   .gives = "ids[N,2] label[N]",
                   .table_size = sizeof(table),
                   .open = make_table,
                   .row = row,
                   .score = score};
