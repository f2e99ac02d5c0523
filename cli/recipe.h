/* SPDX-License-Identifier: Apache-2.0 */
/* A recipe: one YAML file = one run (docs/recipes.md). Parsing opens what it names: items, caches, teachers, tokenizer, student. */
#ifndef LB_CLI_RECIPE_H
#define LB_CLI_RECIPE_H
#include "cli/made.h"
#include "cli/source.h"

enum { CLI_MAX_TERMS = 32, CLI_MAX_STREAMS = 64, CLI_MAX_TEACHERS = 8, CLI_MAX_FEATURES = 16, CLI_MAX_STUDENTS = 32 };

typedef struct cli_train_options {
    int64_t steps, log_every, save_every, eval_every, max_tokens, memory_mib, accumulate, patience;
    double ema;
    int workers;
    const char *order, *precision;
} cli_train_options;
extern const lb_param cli_train_params[];

typedef struct cli_eval_options {
    const char *split, *image_tap, *text_tap, *mask_tap, *class_tap, *score;
    bool classification, retrieval, zeroshot, segmentation;
    int64_t classes;
    double tolerance;
    lb_text_list templates;
} cli_eval_options;
extern const lb_param cli_eval_params[];

typedef struct cli_recipe {
    lb_value *value;           /* resolved: all defaults written out */
    const char *name;
    lb_items *items;           /* NULL when the data are made */
    cli_made *made;            /* NULL = items */
    lb_tokenizer *tokenizer;
    char *tokenizer_path;
    bool has_image;
    lb_image_spec image;
    bool has_audio;
    lb_audio_prepare audio;
    lb_model *student;
    lb_student others[CLI_MAX_STUDENTS]; /* further ones */
    lb_optim_config other_optims[CLI_MAX_STUDENTS];
    int nothers;
    lb_federation federation;  /* clients 0 = none */
    char client_names[CLI_MAX_STUDENTS][16];
    cli_feature features[CLI_MAX_FEATURES];
    int nfeatures;
    cli_stream streams[CLI_MAX_STREAMS];
    int nstreams;
    cli_model *teacher_models[CLI_MAX_TEACHERS];
    lb_teacher teachers[CLI_MAX_TEACHERS];
    int nteachers;
    lb_objective terms[CLI_MAX_TERMS];
    int nterms;
    lb_augment_spec augment;
    lb_chain *chain; /* in its place: a list of augmentations; NULL = none */
    lb_chain *pairs; /* its members that mix two items; NULL = none */
    char **labels;             /* class names in byte order */
    int64_t label_count;
    lb_optim_config optim;
    cli_train_options train;
    cli_eval_options eval;
    lb_value *sources;         /* fields of the caches' and teachers' fingerprints by name */
    char fingerprint[65];      /* over the caches and teachers it learns from */
    uint64_t seed;
} cli_recipe;

/** Reads, applies `key=value` words, checks every key (unknown: line and nearest name), opens everything. */
LB_MUST_USE lb_status cli_recipe_open(cli_recipe **out, const char *path, const lb_text_list *set);
/** Class of an item's label, -1 without one. */
int64_t cli_recipe_label(const cli_recipe *r, int64_t item);
void cli_recipe_close(cli_recipe *r);
/** Where a relative path of a recipe is seen from: the working folder. */
LB_MUST_USE lb_status cli_recipe_source(cli_source **out, cli_recipe *r, const lb_crew *crew);

#endif
