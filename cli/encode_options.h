/* SPDX-License-Identifier: Apache-2.0 */
/* What `encode` and `cache run` share: their options, and opening what they name. */
#ifndef LB_CLI_ENCODE_OPTIONS_H
#define LB_CLI_ENCODE_OPTIONS_H
#include "cli/items.h"
#include "cli/models.h"

enum { CLI_ENCODE_TAPS = 256, CLI_ENCODE_FEATURES = 8 };

typedef struct cli_encode_options {
    const char *model, *taps, *dtype, *precision, *out;
    lb_text_list features;
    lb_text_list augment;
    int64_t batch, topk, frames, views, memory;
    bool retry_failed, strict, deflate;
    double window;
    int64_t text_window, beams, max_new;
    const char *language, *task;
} cli_encode_options;

/* The rows of a table whose options struct T has a cli_encode_options named `encode` (beside CLI_ITEMS_PARAMS). */
#define CLI_ENCODE_ROW(T, field, type_, def_, choices_, word_, text_) \
    {.name = #field, .type = type_, .offset = offsetof(T, encode.field), .def_text = def_, .choices = choices_, .unit = word_, .text = text_}
#define CLI_ENCODE_FLAG(T, field, text_) {.name = #field, .type = LB_T_BOOL, .offset = offsetof(T, encode.field), .min = 0, .max = 1, .unit = "", .text = text_}
#define CLI_ENCODE_PARAMS(T)                                                                                                                                   \
    CLI_ENCODE_ROW(T, model, LB_T_TEXT, NULL, NULL, "NAME|PATH", "a fetched model, a model or run folder, or a weight file"),                                  \
        CLI_ENCODE_ROW(T, features, LB_T_LIST, NULL, NULL, "INPUT=FILE:TAP", "a feature file or cache folder as that input of the model, joined by key"),      \
        CLI_ENCODE_ROW(T, taps, LB_T_TEXT, NULL, NULL, "A,B|list", "which taps; list tells them with shapes"),                                                 \
        CLI_ENCODE_ROW(T, dtype, LB_T_TEXT, "f32", "f32|f16|bf16|i8", "TYPE", "as which numbers features are stored"),                                         \
        CLI_ENCODE_ROW(                                                                                                                                        \
            T, precision, LB_T_TEXT, "f32", "f32|bf16|int8", "TYPE",                                                                                           \
            "arithmetic of the model: bf16 where the processor multiplies it faster, int8 of its linear layers; the cosine to f32 is told (docs/caching.md)"), \
        CLI_ENCODE_ROW(T, out, LB_T_TEXT, NULL, NULL, "PATH", "where features go"),                                                                            \
        {.name = "batch",                                                                                                                                      \
         .type = LB_T_I64,                                                                                                                                     \
         .offset = offsetof(T, encode.batch),                                                                                                                  \
         .def = 0,                                                                                                                                             \
         .min = 0,                                                                                                                                             \
         .max = 65536,                                                                                                                                         \
         .unit = "items",                                                                                                                                      \
         .text = "items that run together; 0 = 16 pictures, 32 texts, 8 windows of sound"},                                                                    \
        {.name = "memory",                                                                                                                                     \
         .type = LB_T_I64,                                                                                                                                     \
         .offset = offsetof(T, encode.memory),                                                                                                                 \
         .def = 1024,                                                                                                                                          \
         .min = 1,                                                                                                                                             \
         .max = 1e6,                                                                                                                                           \
         .unit = "MiB",                                                                                                                                        \
         .text = "prepared items waiting for the model hold at most this"},                                                                                    \
        {.name = "topk",                                                                                                                                       \
         .type = LB_T_I64,                                                                                                                                     \
         .offset = offsetof(T, encode.topk),                                                                                                                   \
         .def = 0,                                                                                                                                             \
         .min = 0,                                                                                                                                             \
         .max = 65536,                                                                                                                                         \
         .unit = "classes",                                                                                                                                    \
         .text = "of taps named logits only so many largest probabilities; 0 = all (export as tinyvit: 100)"},                                                 \
        {.name = "frames",                                                                                                                                     \
         .type = LB_T_I64,                                                                                                                                     \
         .offset = offsetof(T, encode.frames),                                                                                                                 \
         .def = 0,                                                                                                                                             \
         .min = 0,                                                                                                                                             \
         .max = 4096,                                                                                                                                          \
         .unit = "N",                                                                                                                                          \
         .text = "of a video so many frames, evenly over it, through a network of pictures: a row of each tap a frame; 0 = pictures"},                         \
        {.name = "views",                                                                                                                                      \
         .type = LB_T_I64,                                                                                                                                     \
         .offset = offsetof(T, encode.views),                                                                                                                  \
         .def = 0,                                                                                                                                             \
         .min = 0,                                                                                                                                             \
         .max = 1024,                                                                                                                                          \
         .unit = "pictures",                                                                                                                                   \
         .text = "augmented pictures of each item, with what was drawn beside (docs/caching.md); 0 = the picture itself"},                                     \
        CLI_ENCODE_ROW(                                                                                                                                        \
            T, augment, LB_T_LIST, NULL, NULL, "LIST",                                                                                                         \
            "of the views: a list as `augment` of recipes, [{op: flip}, ...]; or KEY=VALUE of crop_min, ratio_max, flip, brightness, contrast, saturation"),   \
        {.name = "window",                                                                                                                                     \
         .type = LB_T_F64,                                                                                                                                     \
         .offset = offsetof(T, encode.window),                                                                                                                 \
         .def = 0,                                                                                                                                             \
         .min = 0,                                                                                                                                             \
         .max = 1e6,                                                                                                                                           \
         .unit = "s",                                                                                                                                          \
         .text = "cut sound into windows: a row of each tap a window, and the tap times; 0 = the begin, as long as the model hears"},                          \
        {.name = "text_window",                                                                                                                                \
         .type = LB_T_I64,                                                                                                                                     \
         .offset = offsetof(T, encode.text_window),                                                                                                            \
         .def = 0,                                                                                                                                             \
         .min = 0,                                                                                                                                             \
         .max = 1 << 24,                                                                                                                                       \
         .unit = "tokens",                                                                                                                                     \
         .text =                                                                                                                                               \
             "long texts in windows of so many tokens, special ones counted: a tap is the mean over the windows; 0 = the begin, as long as the model reads"},  \
        {.name = "beams",                                                                                                                                      \
         .type = LB_T_I64,                                                                                                                                     \
         .offset = offsetof(T, encode.beams),                                                                                                                  \
         .def = 0,                                                                                                                                             \
         .min = 0,                                                                                                                                             \
         .max = 64,                                                                                                                                            \
         .unit = "1",                                                                                                                                          \
         .text = "beams of the search for the tap text; 0 = as the model's folder says"},                                                                      \
        {.name = "max_new",                                                                                                                                    \
         .type = LB_T_I64,                                                                                                                                     \
         .offset = offsetof(T, encode.max_new),                                                                                                                \
         .def = 0,                                                                                                                                             \
         .min = 0,                                                                                                                                             \
         .max = 1000000,                                                                                                                                       \
         .unit = "tokens",                                                                                                                                     \
         .text = "longest text that is written; 0 = as the model's folder says"},                                                                              \
        CLI_ENCODE_ROW(T, language, LB_T_TEXT, "auto", NULL, "NAME", "language of the sound (en, de, ...) for the tap text; auto = the likeliest"),            \
        CLI_ENCODE_ROW(T, task, LB_T_TEXT, "transcribe", "transcribe|translate", "TASK", "what the tap text is: what is said, or that in English"),            \
        CLI_ENCODE_FLAG(T, deflate, "store features shuffled and deflated (gzip in h5py)"),                                                                    \
        CLI_ENCODE_FLAG(T, retry_failed, "try the failed items of a finished file again"), CLI_ENCODE_FLAG(T, strict, "exit 1 when an item failed")

/* Everything opened. */
typedef struct cli_encode_run {
    cli_model *model;
    lb_items *items;
    int64_t *indices, count;
    cli_feature_input features[CLI_ENCODE_FEATURES];
    char **taps;
    cli_encode_spec spec;
} cli_encode_run;
LB_MUST_USE lb_status cli_encode_open(cli_encode_run *out, lb_cli *cli, const cli_items *items, const cli_encode_options *o);
void cli_encode_close(cli_encode_run *r);
/** Prints the model's taps with their shapes. */
LB_MUST_USE lb_status cli_print_taps(const lb_cli *cli, const cli_encode_options *o);
/** Bytes of all features of `count` items as stored, a tap of varying length counted with `each` positions an item. */
int64_t cli_encode_bytes(int64_t count, int ntaps, const lb_tap_spec *taps, double each);
/** What a feature file or cache folder holds: items, failed by reason, taps, fingerprints; ranges: reads all features for their ranges and
 *  norms. */
LB_MUST_USE lb_status cli_features_value(lb_value **out, const char *path, bool ranges);
/** Says it as one JSON object, or for people. *failed counts. */
LB_MUST_USE lb_status cli_say_features(const lb_cli *cli, const char *path, double seconds, bool ranges, int64_t *failed);

#endif
