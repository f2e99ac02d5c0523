/* SPDX-License-Identifier: Apache-2.0 */
/* A picture is a noisy mixture of twelve attributes of which it has three, a caption names three. A row is a picture with its candidates: column 0 the
 * match, then random captions of which some differ in one attribute. Score: R@1 both ways among 64 pairs. */
#include "cli/made.h"
#include "cli/source.h"

enum { ATTRIBUTES = 12, NAMED = 3, CANDIDATES = 32, TEST = 64, ROUNDS = 8, WIDTH = 2 * ATTRIBUTES };

typedef struct config {
    double noise, near;
    int64_t rows;
} config;
static const lb_param params[] = {
    LB_PARAM(config, noise, 0.3, 0, 100, "1", "standard deviation of a picture's noise"),
    LB_PARAM(config, near, 0.02, 0, 1, "1", "share of the candidates that differ from the match in one attribute"),
    LB_PARAM(config, rows, 2000, 1, 1e9, "rows", "pictures to train on"),
    LB_PARAM_END};

typedef struct table {
    double mixture[ATTRIBUTES][ATTRIBUTES];
} table;

static void make_table(cli_made *m, lb_rng *rng) {
    table *t = m->table;
    for (int i = 0; i < ATTRIBUTES; i++)
        for (int k = 0; k < ATTRIBUTES; k++) t->mixture[i][k] = lb_rng_normal(rng) / sqrt(ATTRIBUTES) + (i == k);
}

static int64_t rows(const cli_made *m, const char *stream, int client) {
    (void)stream, (void)client;
    return ((const config *)m->cfg)->rows;
}

static void draw(lb_rng *rng, double has[ATTRIBUTES]) {
    int64_t order[ATTRIBUTES];
    lb_rng_permutation(rng, order, ATTRIBUTES);
    for (int i = 0; i < ATTRIBUTES; i++) has[order[i]] = i < NAMED;
}

/* Another caption with one attribute exchanged. */
static void neighbour(lb_rng *rng, const double of[ATTRIBUTES], double has[ATTRIBUTES]) {
    int64_t out = lb_rng_below(rng, ATTRIBUTES), in = lb_rng_below(rng, ATTRIBUTES);
    for (int i = 0; i < ATTRIBUTES; i++) has[i] = of[i];
    while (of[out] == 0) out = (out + 1) % ATTRIBUTES;
    while (of[in] == 1) in = (in + 1) % ATTRIBUTES;
    has[out] = 0;
    has[in] = 1;
}

static void see(const cli_made *m, lb_rng *rng, const double has[ATTRIBUTES], double picture[ATTRIBUTES]) {
    const table *t = m->table;
    for (int i = 0; i < ATTRIBUTES; i++) {
        picture[i] = ((const config *)m->cfg)->noise * lb_rng_normal(rng);
        for (int k = 0; k < ATTRIBUTES; k++) picture[i] += t->mixture[i][k] * has[k];
    }
}

static void row(cli_row *r) {
    double match[ATTRIBUTES], picture[ATTRIBUTES], other[ATTRIBUTES];
    lb_real *x = cli_row_reals(r, "pairs", 2, (int64_t[]){CANDIDATES, WIDTH});
    *cli_row_numbers(r, "label", 0, NULL) = 0; /* the column of the match */
    draw(&r->rng, match);
    see(r->made, &r->rng, match, picture);
    for (int c = 0; c < CANDIDATES; c++) {
        bool same = true;
        while (c > 0 && same) { /* a candidate is never the match */
            if (lb_rng_uniform(&r->rng) < ((const config *)r->made->cfg)->near) neighbour(&r->rng, match, other);
            else draw(&r->rng, other);
            for (int i = 0; i < ATTRIBUTES; i++) same = same && other[i] == match[i];
            if (same) continue;
        }
        for (int i = 0; i < ATTRIBUTES; i++) {
            x[c * WIDTH + i] = (lb_real)picture[i];
            x[c * WIDTH + ATTRIBUTES + i] = (lb_real)(c ? other[i] : match[i]);
        }
    }
}

/* Hits of the diagonal along rows and along columns. */
static double hits(const double *s) {
    int n = 0;
    for (int i = 0; i < TEST; i++) {
        bool row_best = true, column_best = true;
        for (int j = 0; j < TEST; j++) {
            row_best = row_best && (j == i || s[i * TEST + j] < s[i * TEST + i]);
            column_best = column_best && (j == i || s[j * TEST + i] < s[i * TEST + i]);
        }
        n += row_best + column_best;
    }
    return n / (2.0 * TEST);
}

static lb_status score_round(const cli_made *m, lb_model *student, lb_rng *rng, double *hit) {
    lb_status st = LB_OK;
    lb_tensor *pairs = NULL;
    double has[TEST][ATTRIBUTES], picture[TEST][ATTRIBUTES], *scores = NULL;
    int64_t n = 0;
    LB_TRY(lb_tensor_new(&pairs, LB_REAL, 3, (int64_t[]){TEST, TEST, WIDTH}));
    lb_real *x = pairs->data;
    for (int i = 0; i < TEST; i++) {
        for (bool fresh = false; !fresh;) { /* captions of a test differ */
            draw(rng, has[i]);
            fresh = true;
            for (int j = 0; j < i; j++) {
                bool same = true;
                for (int k = 0; k < ATTRIBUTES; k++) same = same && has[i][k] == has[j][k];
                fresh = fresh && !same;
            }
        }
        see(m, rng, has[i], picture[i]);
    }
    for (int i = 0; i < TEST; i++)
        for (int j = 0; j < TEST; j++)
            for (int k = 0; k < ATTRIBUTES; k++) {
                x[(i * TEST + j) * WIDTH + k] = (lb_real)picture[i][k];
                x[(i * TEST + j) * WIDTH + ATTRIBUTES + k] = (lb_real)has[j][k];
            }
    LB_TRY(cli_made_run(student, NULL, 1, &(lb_named){"pairs", pairs}, "score", &scores, &n));
    *hit = hits(scores);
done:
    lb_tensor_free(pairs);
    lb_free(scores);
    return st;
}

static lb_status score(const cli_made *m, lb_model *student, int client, lb_value *scores, double *key) {
    lb_rng rng = lb_rng_of(m->seed, 0, "test");
    double sum = 0, hit = 0;
    (void)client;
    for (int k = 0; k < ROUNDS; k++) {
        lb_status st = score_round(m, student, &rng, &hit);
        if (st != LB_OK) return st;
        sum += hit;
    }
    lb_map_real(scores, "r1", *key = 100 * sum / ROUNDS);
    return LB_OK;
}

LB_MADE(attributes) = {.id = "attributes",
                       .title = "pictures of attributes and captions that name them",
                       .source = "",
                       .params = params,
                       .params_size = sizeof(config),
                       .gives = "pairs[N,32,24] label[N]",
                       .table_size = sizeof(table),
                       .open = make_table,
                       .rows = rows,
                       .row = row,
                       .score = score};
