/* SPDX-License-Identifier: Apache-2.0 */
/* What `limbeck eval` scores: a family (cli/evals/<id>.c, one line in cli/evals.def). A member gathers the tensors of a metric from a model
 * over items, or from feature files, and adds the scores to a map. */
#ifndef LB_CLI_EVAL_H
#define LB_CLI_EVAL_H
#include "cli/cli.h"
#include "cli/items.h"
#include "cli/models.h"
#include "cli/source.h"
#include "eval/metric.h"

typedef struct cli_eval_words {
    cli_items items;
    const char *model, *image, *text, *image_tap, *text_tap, *tap, *rows, *train, *test, *train_split, *labels, *truth, *guess, *csv;
    lb_text_list features, template, set;
    int64_t bootstrap;
} cli_eval_words;

typedef struct lb_eval {
    LB_HEAD;
    const char *usage;
    lb_status (*run)(lb_value *out, const cli_eval_words *o, lb_cli *cli);
} lb_eval;
#define LB_EVAL(name) const lb_eval lb_eval_##name
extern const lb_family lb_evals;

/* ---- for members ---- */

/** Scores named tensors by a metric with its parameters from --bootstrap and --set. */
LB_MUST_USE lb_status cli_eval_score(lb_value *out, const char *metric, const cli_eval_words *o, lb_cli *cli, int nin, const lb_metric_input *in);
/** Plain data as a tensor. */
lb_tensor cli_eval_view(const void *data, lb_dtype dtype, int rank, const int64_t *shape);

/* Rows of a feature file that are whole: vectors of one tap. */
typedef struct cli_eval_rows {
    lb_cache *cache;
    int tap;
    int64_t n, width, *row; /* row: in the file */
    float *values;          /* [n, width] */
} cli_eval_rows;
LB_MUST_USE lb_status cli_eval_rows_open(cli_eval_rows *r, const char *file_and_tap);
void cli_eval_rows_close(cli_eval_rows *r);

/* A model over items. */
typedef struct cli_eval_session {
    cli_model *model;
    lb_items *items;
    int64_t *index, count;
    cli_feature features[8];
    int nfeatures;
    cli_source *source;
} cli_eval_session;
LB_MUST_USE lb_status cli_eval_session_open(cli_eval_session *s, const cli_eval_words *o);
void cli_eval_session_close(cli_eval_session *s);
cli_source_spec cli_eval_source_spec(const cli_eval_session *s, const lb_items *items, bool text_only);
int cli_eval_text_features(const cli_eval_session *s); /* those of texts stand first */

/* ---- items with labels, and their vectors (cli/eval_labels.c) ---- */

/* Vectors of items with their classes: from `words` (FILE:TAP, rows joined to the items by key), or by the model. */
typedef struct cli_eval_labelled {
    float *values; /* [n, width] */
    int64_t *label, n, width, left_out; /* left_out: rows without an item or a label */
} cli_eval_labelled;
/* The classes: lines of --labels, else the distinct labels of all items in byte order. */
typedef struct cli_eval_classes {
    char **name;
    int64_t count;
    lb_buf text;
} cli_eval_classes;
LB_MUST_USE lb_status cli_eval_classes_open(cli_eval_classes *c, const cli_eval_words *o, const lb_items *items);
void cli_eval_classes_close(cli_eval_classes *c);
/** file_and_tap NULL: tap of the model over the picked items. */
LB_MUST_USE lb_status cli_eval_labelled_open(cli_eval_labelled *l, const cli_eval_classes *c, const lb_items *items, const int64_t *index, int64_t count, const char *file_and_tap,
                                             cli_eval_session *s, const char *tap);
void cli_eval_labelled_close(cli_eval_labelled *l);
/** Names of the classes into out["names"]. */
void cli_eval_names(lb_value *out, const cli_eval_classes *c);
/** Scores a metric that fits training rows and judges test rows: knn, probe. */
LB_MUST_USE lb_status cli_eval_fitted(lb_value *out, const char *metric, const cli_eval_words *o, lb_cli *cli);

#endif
