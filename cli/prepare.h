/* SPDX-License-Identifier: Apache-2.0 */
/* `limbeck prepare`: items resized and encoded once, into a folder, tar shards, or arrays of what a model would see. Private to the verb. */
#ifndef LB_CLI_PREPARE_H
#define LB_CLI_PREPARE_H
#include "base/file.h"
#include "cli/items.h"
#include "cli/stages.h"
#include "vision/preprocess.h"

enum { PREPARE_SPLITS = 8 };
enum { STAGE_DECODE, STAGE_PREPARE, STAGE_ENCODE, STAGE_WRITE, PREPARE_STAGES };

typedef struct prepare_job {
    lb_cli *cli;
    const lb_items *items;
    const int64_t *rows; /* [n] items, as indices */
    int64_t n;
    bool has_spec;       /* the spec is a model's: tensors are made too */
    lb_image_spec spec;
    const char *out;
    const char *format;  /* jpg | png | keep: files' bytes are taken over */
    int quality;
    int64_t shard;       /* items of a shard */
    int64_t memory;      /* bytes ahead */
    double ratio[PREPARE_SPLITS];
    char name[PREPARE_SPLITS][16];
    int nsplits;         /* 0: items keep the splits they have */
    const char *group;   /* field */
    const char *dedupe;  /* NULL, "report", "drop" */
    const char *hash;
    int distance;
    cli_stages stages;
    /* found on the way, per row */
    int *split;          /* index of the split; -1 = as it was */
    int64_t *same;       /* row that it is a duplicate of, or -1 */
    char run[65];        /* hash of items and options: resumed work must be of the same run */
} prepare_job;

/* One item, made by a worker. */
typedef struct prepared {
    lb_status status;
    char *why;
    lb_buf image, mask;     /* encoded; empty = none */
    lb_mmap image_file, mask_file; /* bytes that are taken over in place of those */
    char ending[8];         /* of the image's file */
    float *input;           /* arrays: [3,H,W] */
    lb_image pixels;        /* arrays: after geometry */
    float *boxes;
    int32_t width, height, from_width, from_height;
} prepared;

const lb_item *prepare_item(const prepare_job *j, int64_t i);
/* Decodes and resizes item i; encodes it unless `arrays`. Only refused memory is a failure, others are in the result. */
LB_MUST_USE lb_status prepare_one(prepare_job *j, int64_t i, bool arrays, prepared **out);
void prepare_drop(void *job, void *one);
/* Makes the folder. *finished: it holds this very set already, stats are its own; LB_E_MISMATCH when it holds another. */
LB_MUST_USE lb_status prepare_begin(prepare_job *j, lb_value *stats, bool *finished);
/* ---- prepare_arrays.c ---- */
LB_MUST_USE lb_status prepare_arrays(prepare_job *j, int64_t *failed);
/* ---- prepare_near.c: exact and near duplicates, and splits that keep groups (and duplicates) together ---- */
LB_MUST_USE lb_status prepare_near(prepare_job *j);
LB_MUST_USE lb_status prepare_split(prepare_job *j);
/* ---- prepare_sink.c: a folder or shards with list and stats ---- */
LB_MUST_USE lb_status prepare_sink(prepare_job *j, lb_value *stats, int64_t *failed);

#endif
