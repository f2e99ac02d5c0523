/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures of 16 x 16 pixels whose class is the direction and width of their stripes, under noise. In stream `train` class sizes fall exponentially
 * (largest / smallest = tail); stream `even` and the test have equal classes. */
#include "cli/made.h"
#include <string.h>

enum { SIDE = 16, CLASSES = 10, TEST = 500 };

typedef struct config {
    double tail, noise;
    int64_t rows;
} config;
static const lb_param params[] = {
    LB_PARAM(config, tail, 20, 1, 1e6, "1", "largest class over smallest in stream train"),
    LB_PARAM(config, noise, 1.5, 0, 100, "1", "standard deviation of the pixels' noise"),
    LB_PARAM(config, rows, 600, 10, 1e9, "rows", "pictures of stream train"),
    LB_PARAM_END};

static int64_t rows(const cli_made *m, const char *stream, int client) {
    (void)client;
    return strcmp(stream, "train") == 0 ? ((const config *)m->cfg)->rows : 0;
}

static void row(cli_row *r) {
    const config *c = r->made->cfg;
    double share[CLASSES];
    for (int k = 0; k < CLASSES; k++) share[k] = strcmp(r->stream, "train") == 0 ? pow(c->tail, -(double)k / (CLASSES - 1)) : 1;
    int64_t k = lb_rng_categorical(&r->rng, share, CLASSES);
    double angle = 3.14159265358979323846 * (double)(k % 5) / 5 + 0.1 * lb_rng_normal(&r->rng), pace = (k < 5 ? 0.7 : 1.2) + 0.05 * lb_rng_normal(&r->rng),
           phase = 6.283185307179586 * lb_rng_uniform(&r->rng);
    lb_real *x = cli_row_reals(r, "image", 3, (int64_t[]){3, SIDE, SIDE});
    *cli_row_numbers(r, "label", 0, NULL) = k;
    for (int i = 0; i < SIDE * SIDE; i++) {
        double value = sin(pace * (cos(angle) * (i % SIDE) + sin(angle) * (double)(i / SIDE)) + phase) + c->noise * lb_rng_normal(&r->rng);
        for (int p = 0; p < 3; p++) x[p * SIDE * SIDE + i] = (lb_real)value;
    }
}

static lb_status score(const cli_made *m, lb_model *student, int client, lb_value *scores, double *key) {
    (void)client;
    return cli_made_score_top1(m, student, "test", TEST, scores, key);
}

LB_MADE(gratings) = {.id = "gratings",
                     .title = "pictures of stripes, ten classes with a long tail",
                     .source = "",
                     .params = params,
                     .params_size = sizeof(config),
                     .gives = "image[N,3,16,16] label[N]",
                     .rows = rows,
                     .row = row,
                     .score = score};
