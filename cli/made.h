/* SPDX-License-Identifier: Apache-2.0 */
/* Made data sets that live in memory, as tensors: `data: {made: ring}` of a recipe. A family (cli/made/<id>.c, one line in cli/made.def). A row is a
 * pure function of (seed, stream, row), so a resumed run sees the same. A set also says how well a student does. */
#ifndef LB_CLI_MADE_H
#define LB_CLI_MADE_H
#include "base/rng.h"
#include "base/value.h"
#include "distill/trainer.h"

typedef struct cli_made {
    const struct lb_made *set;
    void *cfg;
    void *table;    /* what the seed makes once: set->table_size bytes */
    uint64_t seed;
    int nteachers;
    const lb_teacher *teachers;
    int64_t batch[16]; /* of the streams, in the recipe's order */
    const char *streams[16];
    int nstreams;
    double spread;     /* concentration of clients' shares; 0 = no clients */
} cli_made;

/* One row to be filled. */
typedef struct cli_row {
    const cli_made *made;
    const char *stream;
    int client;     /* -1 = none */
    int64_t index;  /* of the row in its set */
    lb_rng rng;     /* the row's own */
    lb_batch *batch;
    int64_t at;     /* place in the batch */
} cli_row;

typedef struct lb_made {
    LB_HEAD;
    const char *gives; /* for people: "points[N,2] noise[N,2] t[N]" */
    size_t table_size;
    void (*open)(cli_made *m, lb_rng *rng); /* fills the table; NULL = none */
    int64_t (*rows)(const cli_made *m, const char *stream, int client); /* rows of a stream; 0 = no end, NULL = no end anywhere */
    void (*row)(cli_row *r);
    /* Puts scores of a student into a map. client -1 = none. NULL = nothing to say. */
    lb_status (*score)(const cli_made *m, lb_model *student, int client, lb_value *scores, double *key);
} lb_made;
#define LB_MADE(name) const lb_made lb_made_##name
extern const lb_family lb_mades;

/** map: `made` and `options`. */
LB_MUST_USE lb_status cli_made_open(cli_made **out, const lb_value *data, uint64_t seed);
void cli_made_close(cli_made *m);
lb_batch_source cli_made_batches(cli_made *m);
LB_MUST_USE lb_status cli_made_batch(const cli_made *m, const char *stream, int64_t step, int64_t rows, lb_batch *out);

/* ---- for members ---- */

/** The row's numbers of a tensor [rows, width] (or [rows] when width is 0) of the batch, made when it is not there yet. */
lb_real *cli_row_reals(cli_row *r, const char *name, int rank, const int64_t *shape);
int64_t *cli_row_numbers(cli_row *r, const char *name, int rank, const int64_t *shape);
/** A tap of a model on a batch with some tensors in place of others, in evaluation; new, lb_free. */
LB_MUST_USE lb_status cli_made_run(lb_model *model, const lb_batch *b, int nin, const lb_named *in, const char *tap, double **out, int64_t *count);
const lb_tensor *cli_batch_find(const lb_batch *b, const char *name);
/** A random source of order two: for each pair of `symbols` those `next` that may follow, and their shares. follow, share: [symbols^2, next] */
void cli_made_chain(lb_rng *rng, int symbols, int next, int *follow, double *share);
/** Percentage of rows of logits [n,k] whose largest is the label. */
double cli_made_top1(const double *logits, const lb_tensor *labels, int64_t n, int64_t k);
/** The same of a student's tap logits on the first n rows of a stream: score `top1`. */
LB_MUST_USE lb_status cli_made_score_top1(const cli_made *m, lb_model *student, const char *stream, int64_t n, lb_value *scores, double *key);

#endif
