/* SPDX-License-Identifier: Apache-2.0 */
/* `limbeck export MODEL --to FOLDER|X.onnx`: a model for every verb, or for other programs. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "cli/export.h"
#include "cli/scores.h"

typedef struct options {
    const char *to;
    lb_text_list taps, inputs;
    int64_t length;
} options;

static const lb_param params[] = {
    LB_PARAM_WORD(options, to, "FOLDER|X.onnx", "what to write"),
    LB_PARAM_LIST(options, taps, "TAP", "outputs of the graph, joined by commas or repeated; none = embedding, logits and their like"),
    LB_PARAM_LIST(options, inputs, "NAME", "inputs of the graph, of a network with several (image, ids, mask); none = all"),
    LB_PARAM(options, length, 0, 0, 1000000, "tokens", "length of texts in the graph; 0 = what the network shows as its example"),
    LB_PARAM_END};

/* ---- what the graph gives ---- */

enum { TAPS = 64, NAME_SIZE = 96 };
typedef struct names {
    char text[TAPS][NAME_SIZE];
    const char *at[TAPS];
    int count;
} names;

static void add_name(names *n, const char *text, size_t size) {
    if (size == 0 || size >= NAME_SIZE || n->count == TAPS) return;
    snprintf(n->text[n->count], NAME_SIZE, "%.*s", (int)size, text);
    n->at[n->count] = n->text[n->count];
    n->count++;
}

static void split(names *n, const lb_text_list *list) {
    for (int64_t i = 0; i < list->count; i++)
        for (const char *p = list->items[i]; *p; p += strcspn(p, ",") + (p[strcspn(p, ",")] == ',')) add_name(n, p, strcspn(p, ","));
}

static void usual_tap(void *ctx, const char *tap, int rank, const int64_t *shape) {
    static const char *const usual[] = {"embedding", "logits", "image_embed", "text_embed", "mask", "output"};
    (void)rank, (void)shape;
    for (size_t i = 0; i < LB_COUNT(usual); i++)
        if (strcmp(tap, usual[i]) == 0) add_name(ctx, tap, strlen(tap));
}

/* ---- a folder ---- */

static lb_value *beside_weights(const cli_model *m) {
    lb_value *extra = lb_value_map();
    if (m->has_image) lb_map_put(extra, "preprocess", lb_image_spec_value(&m->image));
    if (m->max_tokens) lb_map_int(extra, "max_tokens", m->max_tokens);
    return extra;
}

/* A folder of such a name is hardly meant. */
static lb_status check_name(const char *to) {
    static const char *const foreign[] = {"bin", "ckpt", "engine", "gguf", "h5", "mlmodel", "npz", "pb", "pt", "pth", "safetensors", "tflite"};
    for (size_t i = 0; i < LB_COUNT(foreign); i++)
        if (strcmp(lb_path_ending(to), foreign[i]) == 0) return lb_fail(LB_E_UNSUPPORTED, "export: %s: a folder (model.safetensors, config.json) or X.onnx is written, no .%s", to, foreign[i]);
    return LB_OK;
}

static lb_status to_folder(const cli_model *m, const char *folder) {
    lb_status st = check_name(folder);
    if (st != LB_OK) return st;
    lb_value *extra = beside_weights(m);
    char *part = lb_format_dup("%s.part-%ld", folder, (long)getpid());
    if (!part || !extra) {
        st = LB_E_NOMEM;
        goto done;
    }
    if (lb_is_folder(folder) || lb_file_exists(folder)) {
        st = lb_fail(LB_E_ARG, "export: %s is already there", folder);
        goto done;
    }
    st = cli_model_save(part, m->model, extra);
    if (st == LB_OK && m->tokenizer) st = cli_copy_tokenizer(part, m->path);
    if (st == LB_OK && rename(part, folder) != 0) st = lb_fail(LB_E_IO, "%s: %s", folder, strerror(errno));
    if (st != LB_OK) {
        lb_buf kept = {0};
        lb_buf_text(&kept, lb_error_text());
        if (lb_remove_all(part) != LB_OK) lb_error_clear();
        st = lb_fail(st, "%s", lb_buf_str(&kept));
        lb_buf_free(&kept);
    }
done:
    lb_value_free(extra);
    lb_free(part);
    return st;
}

/* ---- a graph ---- */

static lb_status metadata_of(lb_value **out, cli_model *m) {
    lb_status printed = cli_model_print(m);
    if (printed != LB_OK) return printed;
    lb_value *v = lb_value_map(), *preprocess = m->has_image ? lb_image_spec_value(&m->image) : NULL;
    lb_buf text = {0};
    lb_status st = preprocess ? lb_json_write(&text, preprocess, 0) : LB_OK;
    lb_map_text(v, "limbeck.arch", m->model->arch->id);
    lb_map_text(v, "limbeck.weights", m->print.weights);
    if (preprocess) lb_map_text(v, "limbeck.preprocess", lb_buf_str(&text));
    lb_value_free(preprocess);
    lb_buf_free(&text);
    if (st == LB_OK) *out = v;
    else lb_value_free(v);
    return st;
}

static lb_status to_graph(cli_model *m, const options *o, const names *taps) {
    names inputs = {.count = 0};
    lb_value *metadata = NULL;
    split(&inputs, &o->inputs);
    for (int i = 0; i < inputs.count; i++)
        if (!cli_model_takes(m, inputs.at[i])) return cli_usage("model %s has no input '%s'; it takes %s", m->name, inputs.at[i], m->model->arch->inputs);
    cli_export_spec spec = {.ntaps = taps->count, .taps = taps->at, .ninputs = inputs.count, .inputs = inputs.at, .length = o->length};
    lb_status st = metadata_of(&metadata, m);
    if (st == LB_OK) st = cli_export_onnx(o->to, m->model, &spec, metadata);
    lb_value_free(metadata);
    return st;
}

static lb_status say(const lb_cli *cli, const cli_model *m, const char *to, const names *taps) {
    lb_value *v = lb_value_map(), *list = lb_value_list();
    lb_buf text = {0};
    for (int i = 0; i < taps->count; i++) {
        lb_list_text(list, taps->at[i]);
        lb_buf_format(&text, "%s%s", i ? "," : " with ", taps->at[i]);
    }
    lb_map_text(v, "to", to);
    lb_map_text(v, "arch", m->model->arch->id);
    lb_map_int(v, "tensors", lb_store_count(m->model->store));
    lb_map_put(v, "taps", list);
    lb_status st = cli->json ? cli_json(v) : cli_print("%s: %s, %lld tensors%s", to, m->model->arch->id, (long long)lb_store_count(m->model->store), lb_buf_str(&text));
    lb_value_free(v);
    lb_buf_free(&text);
    return st;
}

static lb_status run(lb_cli *cli, void *opts) {
    const options *o = opts;
    lb_status st = LB_OK;
    cli_model *m = NULL;
    names taps = {.count = 0};
    if (!o->to) return cli_usage("--to is missing: a folder, or a name ending in .onnx");
    bool graph = lb_ends_with(o->to, ".onnx");
    LB_TRY(cli_model_open(&m, cli->words[0]));
    if (m->graph) {
        st = lb_fail(LB_E_UNSUPPORTED, "export: %s is an ONNX graph already", cli->words[0]);
        goto done;
    }
    split(&taps, &o->taps);
    if (graph && taps.count == 0) LB_TRY(lb_model_taps(m->model, usual_tap, &taps));
    if (graph && taps.count == 0) {
        st = cli_usage("model %s has none of the usual outputs; name some with --taps (limbeck encode --model %s --taps list)", m->name, m->name);
        goto done;
    }
    LB_TRY(graph ? to_graph(m, o, &taps) : to_folder(m, o->to));
    st = say(cli, m, o->to, &taps);
done:
    cli_model_close(m);
    return st;
}

LB_VERB(export) = {.id = "export", .title = "writes a model as a folder for every verb, or as an ONNX graph", .source = "", .params = params, .params_size = sizeof(options),
                   .usage = "export RUN|NAME|PATH --to FOLDER|X.onnx", .min_words = 1, .max_words = 1,
                   .help = "FOLDER: model.safetensors, config.json with arch, parameters and preprocessing, and the tokenizer's files. X.onnx: opset 17, weights under\n"
                           "their names, any batch, pictures and texts of the size the network was made for; preprocessing stands in the file's properties.\n\n"
                           "  limbeck export runs/student --to student\n"
                           "  limbeck export efficientnet-lite0 --to lite0.onnx --taps pooled,logits\n"
                           "  limbeck export runs/pair --to picture-tower.onnx --inputs image --taps image_embed",
                   .run = run};
