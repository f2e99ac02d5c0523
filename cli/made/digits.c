/* SPDX-License-Identifier: Apache-2.0 */
/* Ten signs of 8 x 8 pixels, seen by clients in their own ways: each turns the picture by an angle of its own, and has its own shares of the signs
 * (Dirichlet). Score: top-1 on a client's own test rows, drawn as its training rows are. */
#include "cli/made.h"
#include <stdio.h>
#include <string.h>

enum { SIDE = 8, SIGNS = 10, CLIENTS = 32, TRAIN = 80, TEST = 300 };

typedef struct config {
    double noise, turn;
} config;
static const lb_param params[] = {
    LB_PARAM(config, noise, 0.4, 0, 100, "1", "standard deviation of the pixels' noise"),
    LB_PARAM(config, turn, 45, 0, 180, "degrees", "a client's angle lies between - and + this"),
    LB_PARAM_END};

typedef struct table {
    double sign[SIGNS][SIDE][SIDE], angle[CLIENTS], share[CLIENTS][SIGNS];
} table;

static void make_table(cli_made *m, lb_rng *rng) {
    table *t = m->table;
    const config *c = m->cfg;
    for (int s = 0; s < SIGNS; s++) { /* three strokes: smooth blobs along a line */
        for (int k = 0; k < 3; k++) {
            double x0 = 1 + 5 * lb_rng_uniform(rng), y0 = 1 + 5 * lb_rng_uniform(rng), x1 = 1 + 5 * lb_rng_uniform(rng), y1 = 1 + 5 * lb_rng_uniform(rng);
            for (int y = 0; y < SIDE; y++)
                for (int x = 0; x < SIDE; x++)
                    for (int i = 0; i <= 4; i++) {
                        double dx = x - x0 - (x1 - x0) * i / 4, dy = y - y0 - (y1 - y0) * i / 4;
                        t->sign[s][y][x] = fmax(t->sign[s][y][x], exp(-(dx * dx + dy * dy)));
                    }
        }
    }
    for (int k = 0; k < CLIENTS; k++) t->angle[k] = c->turn * (2 * lb_rng_uniform(rng) - 1) * 0.017453292519943295;
}

static int64_t rows(const cli_made *m, const char *stream, int client) {
    (void)m, (void)client;
    return strcmp(stream, "train") == 0 ? TRAIN : 0;
}

/* The client's shares of the signs, from the seed alone. */
static int64_t draw_sign(cli_row *r, int client) {
    double share[SIGNS];
    if (client < 0 || r->made->spread <= 0) return lb_rng_below(&r->rng, SIGNS);
    lb_rng own = lb_rng_of(r->made->seed, (uint64_t)client, "share");
    for (int s = 0; s < SIGNS; s++) share[s] = lb_rng_gamma(&own, r->made->spread);
    return lb_rng_categorical(&r->rng, share, SIGNS);
}

static void row(cli_row *r) {
    const table *t = r->made->table;
    int client = r->client >= 0 ? r->client % CLIENTS : -1;
    int64_t s = draw_sign(r, client);
    double angle = client >= 0 ? t->angle[client] : 0, co = cos(angle), si = sin(angle), mid = (SIDE - 1) / 2.0;
    lb_real *x = cli_row_reals(r, "x", 1, (int64_t[]){SIDE * SIDE});
    *cli_row_numbers(r, "label", 0, NULL) = s;
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            int u = (int)lround(mid + co * (i - mid) - si * (j - mid)), v = (int)lround(mid + si * (i - mid) + co * (j - mid));
            double value = u >= 0 && u < SIDE && v >= 0 && v < SIDE ? t->sign[s][u][v] : 0;
            x[i * SIDE + j] = (lb_real)(value + ((const config *)r->made->cfg)->noise * lb_rng_normal(&r->rng));
        }
}

static lb_status score(const cli_made *m, lb_model *student, int client, lb_value *scores, double *key) {
    char stream[32] = "test";
    if (client >= 0) snprintf(stream, sizeof stream, "test#%d", client);
    return cli_made_score_top1(m, student, stream, TEST, scores, key);
}

LB_MADE(digits) = {.id = "digits",
                   .title = "signs of 8 x 8 pixels, seen by clients in their own ways",
                   .source = "",
                   .params = params,
                   .params_size = sizeof(config),
                   .gives = "x[N,64] label[N]",
                   .table_size = sizeof(table),
                   .open = make_table,
                   .rows = rows,
                   .row = row,
                   .score = score};
