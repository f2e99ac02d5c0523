/* SPDX-License-Identifier: Apache-2.0 */
/* Two modalities of eight numbers each, a class, and a second modality that is missing by the class: in training for class 1 (0.8). Scored with the same
 * pattern (a), the reverse (b), nothing missing (c). For parallel fusion: `image_features` and `text_features` are the two
 * with the training mean in place of what is missing, `x` those side by side. */
#include "cli/made.h"
#include "cli/source.h"
#include <string.h>

enum { WIDTH = 8, TRAIN = 2000, TEST = 2000 };

typedef struct config {
    bool complete;
} config;
static const lb_param params[] = {
    LB_PARAM_FLAG(config, complete, 0, "nothing is missing in training"),
    LB_PARAM_END};

typedef struct table {
    double direction[2][WIDTH], mean[WIDTH]; /* mean: of the second modality where it is present in training */
} table;

static double chance(const config *c, const char *stream, int64_t label) {
    if (strcmp(stream, "c") == 0 || (c->complete && strcmp(stream, "train") == 0)) return 0;
    return (label == 1) != (strcmp(stream, "b") == 0) ? 0.8 : 0;
}

static void make_table(cli_made *m, lb_rng *rng) {
    table *t = m->table;
    for (int k = 0; k < 2; k++) {
        double sum = 0;
        for (int i = 0; i < WIDTH; i++) {
            t->direction[k][i] = lb_rng_normal(rng);
            sum += t->direction[k][i] * t->direction[k][i];
        }
        for (int i = 0; i < WIDTH; i++) t->direction[k][i] /= sqrt(sum);
    }
    double kept = 1 - chance(m->cfg, "train", 1), sign = (kept - 1) / (kept + 1); /* mean of 2 y - 1 among those present */
    for (int i = 0; i < WIDTH; i++) t->mean[i] = 0.75 * sign * t->direction[1][i];
}

static int64_t rows(const cli_made *m, const char *stream, int client) {
    (void)m, (void)client;
    return strcmp(stream, "train") == 0 ? TRAIN : 0;
}

static void row(cli_row *r) {
    const table *t = r->made->table;
    int64_t label = lb_rng_below(&r->rng, 2), *mask = cli_row_numbers(r, "mask", 1, (int64_t[]){2});
    lb_real *x[2] = {cli_row_reals(r, "x0", 1, (int64_t[]){WIDTH}), cli_row_reals(r, "x1", 1, (int64_t[]){WIDTH})}, *both = cli_row_reals(r, "x", 1, (int64_t[]){2 * WIDTH});
    lb_real *fill[2] = {cli_row_reals(r, "image_features", 1, (int64_t[]){WIDTH}), cli_row_reals(r, "text_features", 1, (int64_t[]){WIDTH})};
    *cli_row_numbers(r, "label", 0, NULL) = *cli_row_numbers(r, "labels", 1, (int64_t[]){1}) = label;
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < WIDTH; i++) x[k][i] = (lb_real)(lb_rng_normal(&r->rng) + 0.75 * (2 * (double)label - 1) * t->direction[k][i]);
    mask[0] = 1;
    mask[1] = lb_rng_uniform(&r->rng) >= chance(r->made->cfg, r->stream, label);
    for (int i = 0; i < WIDTH; i++) {
        if (!mask[1]) x[1][i] = (lb_real)NAN;
        both[i] = fill[0][i] = x[0][i];
        both[WIDTH + i] = fill[1][i] = mask[1] ? x[1][i] : (lb_real)t->mean[i];
    }
}

static double auroc(const double *logits, const lb_tensor *labels) {
    double right = 0, pairs = 0;
    for (int i = 0; i < TEST; i++)
        for (int j = 0; j < TEST && lb_get_at(labels, i) == 1; j++) {
            if (lb_get_at(labels, j) != 0) continue;
            double a = logits[2 * i + 1] - logits[2 * i], b = logits[2 * j + 1] - logits[2 * j];
            right += a > b ? 1 : a == b ? 0.5 : 0;
            pairs++;
        }
    return pairs > 0 ? right / pairs : 0;
}

static lb_status score(const cli_made *m, lb_model *student, int client, lb_value *scores, double *key) {
    static const char *const names[] = {"a", "b", "c"};
    lb_status st = LB_OK;
    (void)client;
    for (int k = 0; k < 3 && st == LB_OK; k++) {
        lb_batch b = {0};
        double *logits = NULL;
        int64_t n = 0;
        st = cli_made_batch(m, names[k], 0, TEST, &b);
        if (st == LB_OK) st = cli_made_run(student, &b, 0, NULL, "logits", &logits, &n);
        if (st == LB_OK) lb_map_real(scores, names[k], *key = auroc(logits, cli_batch_find(&b, "label")));
        cli_batch_release(&b);
        lb_free(logits);
    }
    if (st == LB_OK) lb_map_real(scores, "drop", lb_get_real(scores, "a", 0) - lb_get_real(scores, "b", 0));
    return st;
}

LB_MADE(halves) = {.id = "halves",
                   .title = "two modalities, the second missing by the class",
                   .source = "",
                   .params = params,
                   .params_size = sizeof(config),
                   .gives = "x0[N,8] x1[N,8] x[N,16] image_features[N,8] text_features[N,8] mask[N,2] label[N] labels[N,1]",
                   .table_size = sizeof(table),
                   .open = make_table,
                   .rows = rows,
                   .row = row,
                   .score = score};
