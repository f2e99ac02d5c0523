/* SPDX-License-Identifier: Apache-2.0 */
/* Opening what users have as a model: a fetched name ("minilm-l6"), a Hugging Face or sentence-transformers folder, a run folder or an
 * exported folder, a weight file. And running it over items. */
#ifndef LB_CLI_MODELS_H
#define LB_CLI_MODELS_H
#include "audio/prepare.h"
#include "cli/cli.h"
#include "cli/writer.h"
#include "datasets/augment.h"
#include "datasets/reader.h"
#include "io/cache.h"
#include "io/weights.h"
#include "nn/model.h"
#include "onnx/onnx.h"
#include "tensor/precision.h"
#include "text/tokenizer.h"
#include "vision/preprocess.h"

extern const lb_family lb_archs; /* all archs of vision, text, audio and cli, one table */

typedef struct cli_model {
    char *name, *path;
    lb_model *model;
    lb_onnx *graph;          /* of an ONNX model; NULL for all others */
    lb_tokenizer *tokenizer; /* NULL when it takes no text */
    bool has_image;
    lb_image_spec image;     /* when it takes pictures */
    int64_t max_tokens;      /* texts are cut to this; 0 = never */
    bool has_audio;
    lb_audio_prepare audio;  /* when it takes sound */
    cli_writer *writer;      /* when it writes text; NULL otherwise */
    char *why_no_image, *why_no_text, *why_no_audio, *why_no_writer; /* it takes or gives them, but something is missing: what */
    lb_weights *weights;     /* that its parameters are lent by; NULL of a graph */
    char *file;              /* of the weights or the graph */
    bool printed;
    lb_fingerprint print;    /* weights, preprocessing, tokenizer, once cli_model_print has filled them */
} cli_model;

LB_MUST_USE lb_status cli_model_open(cli_model **out, const char *name_or_path);
/** The same in two steps: all but the weights; then those that the taps need (ntaps 0 = all). */
LB_MUST_USE lb_status cli_model_begin(cli_model **out, const char *name_or_path);
LB_MUST_USE lb_status cli_model_load(cli_model *m, int ntaps, const char *const *taps);
void cli_model_close(cli_model *m);
/** Fills m->print, which reads every byte of the weights, and holds a fetched model's file against its pinned hash. Once; then nothing. */
LB_MUST_USE lb_status cli_model_print(cli_model *m);
/** The tokenizer of a model by itself: name, folder, or a tokenizer's file. */
LB_MUST_USE lb_status cli_open_tokenizer(lb_tokenizer **out, const char *name_or_path);
/** The ONNX file that a path is, or that its folder has as its model (model.onnx without model.safetensors), as a new string; NULL when there is none. */
LB_MUST_USE lb_status cli_graph_find(char **out, const char *path);
/** Fills m->graph and m->model from it; X.json beside X.onnx takes the place of *config. */
LB_MUST_USE lb_status cli_graph_open(cli_model *m, const char *file, lb_value **config);
/** Weights into a model's store by name (arch->outside_name spellings tried): what has the store's type is lent by w, which must outlive the model and be its
 *  alone; all else is converted, but what is idle, which stays without memory. Missing, extra and mis-shaped tensors are
 *  listed in one message, up to 24 names each and how many more there are. */
LB_MUST_USE lb_status cli_load_weights(lb_model *m, const lb_weights *w, const char *file);
/** Writes config.json (arch, params; the keys of `extra` beside them: preprocess, max_tokens, ...) + model.safetensors: a folder that
 *  cli_model_open takes once the tokenizer's files are copied in. */
LB_MUST_USE lb_status cli_model_save(const char *folder, const lb_model *m, const lb_value *extra);
/** Does the arch take an input of that name? */
bool cli_model_takes(const cli_model *m, const char *input);
/** Fills *w with the weights of a file, or of the one weight file of a folder; *path (new) is the file. */
LB_MUST_USE lb_status cli_open_weights(lb_weights **w, char **path, const char *file_or_folder);
/** Prints what is in a weight file, or in the one of a folder: format, metadata, each tensor's name, type and shape; with --json an object for the file,
 *  then one for each tensor. */
LB_MUST_USE lb_status cli_describe_weights(const lb_cli *cli, const char *file_or_folder);
/** The same of an ONNX file: inputs, outputs, operators, parameters, names of taps. */
LB_MUST_USE lb_status cli_describe_graph(const lb_cli *cli, const char *file);

/* Rows of a feature file as a model input, joined by key. */
typedef struct cli_feature_input {
    char name[64], tap[96]; /* the model's input; the cache's tap */
    lb_cache *cache;
} cli_feature_input;
/** "NAME=PATH:TAP" -> an open cache. ":TAP" may be left out when there is one tap. */
LB_MUST_USE lb_status cli_feature_open(cli_feature_input *out, const char *word);
void cli_feature_close(cli_feature_input *f);

typedef struct cli_encode_spec {
    const lb_items *items;    /* NULL: the rows of the first feature input */
    int64_t count;            /* of indices; NULL indices = all items */
    const int64_t *indices;
    int nfeatures;
    const cli_feature_input *features;
    int ntaps;
    const char *const *taps;
    lb_dtype dtype;
    lb_precision precision;   /* of the network's products */
    bool deflate;             /* stored shuffled and deflated */
    int64_t frames;           /* of each item's video, evenly over it: taps are [frames, ...]; 0 = the item's picture */
    int64_t views;            /* augmented pictures of each item: taps are [views, ...], and a tap `augment` holds what was drawn; 0 = the picture itself */
    lb_augment_spec augment;
    struct lb_chain *chain;   /* in its place: a list of augmentations; borrowed, NULL = none */
    uint64_t seed;            /* of the draws */
    int64_t topk;             /* taps named logits, or ending in .logits, as their largest probabilities; 0 = all */
    int64_t batch;            /* 0 = 16 pictures, 32 texts, 8 windows of sound */
    int64_t memory;           /* bytes that prepared items may hold ahead of the model; 0 = no bound but their number */
    double window_s;          /* sound is cut into windows of so many seconds, a row of each tap a window; 0 = the model's first window */
    int64_t text_window;      /* texts run in windows of so many tokens, and a tap is the mean over them; 0 = cut to what the model takes */
    cli_writing writing;      /* for the tap `text` */
    bool retry_failed;        /* a finished file: its failed items are tried again, the others' rows are kept */
    const char *what;         /* shown with the progress; NULL = "encode" */
    lb_progress *progress;
} cli_encode_spec;
/** decode (workers) -> prepare -> batches -> model -> rows of a feature file; failed items keep their row with a reason. Batches are a
 *  function of the list alone. Resumes. *failed counts failed items. */
LB_MUST_USE lb_status cli_encode(cli_model *m, const cli_encode_spec *spec, const char *out_path, int64_t *failed);
/** A run of the first items for about that long; nothing is written. */
typedef struct cli_encode_trial {
    double items, seconds, positions; /* positions: tokens of an item on the average */
    int64_t memory;                   /* bytes of the process at its largest */
} cli_encode_trial;
LB_MUST_USE lb_status cli_encode_try(cli_model *m, const cli_encode_spec *spec, double seconds, cli_encode_trial *out);
/** The taps' shapes for these inputs, without running anything. taps[i].name is spec->taps[i]. */
LB_MUST_USE lb_status cli_encode_plan(cli_model *m, const cli_encode_spec *spec, lb_tap_spec *taps);

#endif
