/* SPDX-License-Identifier: Apache-2.0 */
/* Opening what users have as a model: a fetched name ("minilm-l6"), a Hugging Face or sentence-transformers folder, a run folder or an
 * exported folder, a weight file. And running it over items. */
#ifndef LB_CLI_MODELS_H
#define LB_CLI_MODELS_H
#include "cli/cli.h"
#include "datasets/reader.h"
#include "io/cache.h"
#include "io/weights.h"
#include "nn/model.h"
#include "text/tokenizer.h"
#include "vision/preprocess.h"

extern const lb_family lb_archs; /* all archs of vision, text and cli, one table */

typedef struct cli_model {
    char *name, *path;
    lb_model *model;
    lb_tokenizer *tokenizer; /* NULL when it takes no text */
    bool has_image;
    lb_image_spec image;     /* when it takes pictures */
    int64_t max_tokens;
    lb_fingerprint print;    /* weights, preprocessing, tokenizer filled */
} cli_model;

LB_MUST_USE lb_status cli_model_open(cli_model **out, const char *name_or_path);
void cli_model_close(cli_model *m);
/** Copies weights into a model's store by name (arch->outside_name spellings tried). All missing, extra and mis-shaped tensors are
 *  listed in one message. */
LB_MUST_USE lb_status cli_load_weights(lb_model *m, const lb_weights *w, const char *file);
/** Writes config.json (arch, params, preprocess, tokenizer) + model.safetensors: a folder that cli_model_open takes. */
LB_MUST_USE lb_status cli_model_save(const char *folder, const lb_model *m, const lb_value *extra);

typedef struct cli_encode_spec {
    const lb_items *items;
    int64_t count;            /* of indices; NULL indices = all items */
    const int64_t *indices;
    int ntaps;
    const char *const *taps;
    lb_dtype dtype;
    int64_t batch;            /* 0 = 16 pictures, 32 texts */
    lb_progress *progress;
} cli_encode_spec;
/** decode (workers) -> prepare -> batches -> model -> rows of a feature file; failed items keep their row with a reason. Batches are a
 *  function of the list alone. Resumes. *failed counts failed items. */
LB_MUST_USE lb_status cli_encode(cli_model *m, const cli_encode_spec *spec, const char *out_path, int64_t *failed);

#endif
