/* SPDX-License-Identifier: Apache-2.0 */
/* Sequences of a random source of order two: twelve symbols, three that may follow each pair. The source is the teacher: `ids` are its samples, `rejected` begin
 * as they do and go on at random. Scores: divergence from the source on fresh sequences, and with a reference (the recipe's teacher) by how
 * much more than it the student prefers the source's sequence to the rejected one. */
#include <string.h>
#include "cli/made.h"
#include "cli/source.h"

enum { SYMBOLS = 12, NEXT = 3, LENGTH = 12, TEST = 128 };

typedef struct table {
    int next[SYMBOLS * SYMBOLS][NEXT];
    double share[SYMBOLS * SYMBOLS][NEXT];
} table;

static void make_table(cli_made *m, lb_rng *rng) { cli_made_chain(rng, SYMBOLS, NEXT, ((table *)m->table)->next[0], ((table *)m->table)->share[0]); }

static void row(cli_row *r) {
    const table *t = r->made->table;
    const int64_t shape = LENGTH;
    int64_t *ids = cli_row_numbers(r, "ids", 1, &shape), *rejected = cli_row_numbers(r, "rejected", 1, &shape), *mask = cli_row_numbers(r, "mask", 1, &shape);
    for (int i = 0; i < LENGTH; i++) {
        int64_t state = i < 2 ? 0 : ids[i - 2] * SYMBOLS + ids[i - 1];
        ids[i] = i < 2 ? lb_rng_below(&r->rng, SYMBOLS) : t->next[state][lb_rng_categorical(&r->rng, t->share[state], NEXT)];
        rejected[i] = i < 2 ? ids[i] : lb_rng_below(&r->rng, SYMBOLS);
        mask[i] = 1;
    }
}

/* Logits become log-probabilities. */
static void normalise(double *x, int64_t rows) {
    for (; rows-- > 0; x += SYMBOLS) {
        double most = x[0], sum = 0;
        for (int k = 1; k < SYMBOLS; k++) most = fmax(most, x[k]);
        for (int k = 0; k < SYMBOLS; k++) sum += exp(x[k] - most);
        for (int k = 0; k < SYMBOLS; k++) x[k] -= most + log(sum);
    }
}

/* Log-probabilities [TEST, LENGTH, SYMBOLS] of a model on `of`, one of the batch's sequences. */
static lb_status predict(lb_model *m, const lb_batch *b, const char *of, double **out) {
    int64_t n = 0;
    lb_status st = cli_made_run(m, b, 1, &(lb_named){"ids", (lb_tensor *)(uintptr_t)cli_batch_find(b, of)}, "logits", out, &n);
    if (st == LB_OK && n != TEST * LENGTH * SYMBOLS) st = lb_fail(LB_E_SHAPE, "the set sequences wants logits of %d symbols", SYMBOLS);
    if (st == LB_OK) normalise(*out, TEST * LENGTH);
    return st;
}

/* KL(source || student) where the source has its two symbols, mean over places. */
static double divergence(const table *t, const lb_tensor *ids, const double *log_q) {
    double sum = 0;
    int64_t places = 0;
    for (int64_t i = 0; i < TEST * LENGTH; i++) {
        if (i % LENGTH < 1 || i % LENGTH == LENGTH - 1) continue;
        int64_t state = (int64_t)lb_get_at(ids, i - 1) * SYMBOLS + (int64_t)lb_get_at(ids, i);
        double p[SYMBOLS] = {0}, all = 0;
        for (int k = 0; k < NEXT; k++) all += t->share[state][k];
        for (int k = 0; k < NEXT; k++) p[t->next[state][k]] += t->share[state][k] / all;
        for (int k = 0; k < SYMBOLS; k++) sum += p[k] > 0 ? p[k] * (log(p[k]) - log_q[i * SYMBOLS + k]) : 0;
        places++;
    }
    return sum / (double)places;
}

/* Log-probability per sequence of `of`, mean. */
static lb_status mean_logprob(lb_model *m, const lb_batch *b, const char *of, double *out) {
    double *log_q = NULL;
    const lb_tensor *ids = cli_batch_find(b, of);
    lb_status st = predict(m, b, of, &log_q);
    *out = 0;
    for (int64_t i = 0; st == LB_OK && i < TEST * LENGTH; i++)
        if (i % LENGTH > 0) *out += log_q[(i - 1) * SYMBOLS + (int64_t)lb_get_at(ids, i)] / TEST;
    lb_free(log_q);
    return st;
}

static lb_status score(const cli_made *m, lb_model *student, int client, lb_value *scores, double *key) {
    lb_status st = LB_OK;
    lb_batch b = {0};
    double *log_q = NULL, chosen[2], rejected[2];
    (void)client;
    LB_TRY(cli_made_batch(m, "test", 0, TEST, &b));
    LB_TRY(predict(student, &b, "ids", &log_q));
    double kl = divergence(m->table, cli_batch_find(&b, "ids"), log_q);
    lb_map_real(scores, "kl", kl);
    *key = -kl;
    if (m->nteachers == 0) goto done;
    for (int i = 0; i < 2; i++) {
        lb_model *who = i ? m->teachers[0].model : student;
        LB_TRY(mean_logprob(who, &b, "ids", &chosen[i]));
        LB_TRY(mean_logprob(who, &b, "rejected", &rejected[i]));
    }
    lb_map_real(scores, "margin", *key = chosen[0] - chosen[1] - (rejected[0] - rejected[1]));
done:
    cli_batch_release(&b);
    lb_free(log_q);
    return st;
}

LB_MADE(sequences) = {.id = "sequences",
                      .title = "sequences of a random source of order two, and what it would not say",
                      .source = "",
                      .gives = "ids[N,12] rejected[N,12] mask[N,12]",
                      .table_size = sizeof(table),
                      .open = make_table,
                      .row = row,
                      .score = score};
