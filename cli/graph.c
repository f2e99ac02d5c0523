/* SPDX-License-Identifier: Apache-2.0 */
/* ONNX graphs among models. */
#include <string.h>
#include "base/file.h"
#include "cli/fetch.h"
#include "cli/models.h"
#include "onnx/frames.h"

lb_status cli_graph_find(char **out, const char *path) {
    static const char *const usual[] = {"model.onnx", "onnx/model.onnx"};
    if (!lb_is_folder(path)) return !lb_ends_with(path, ".onnx") || (*out = lb_strdup(path)) ? LB_OK : LB_E_NOMEM;
    for (size_t i = 0; i < LB_COUNT(usual); i++) {
        char *file = lb_path_join(path, usual[i]), *weights = lb_path_join(path, "model.safetensors");
        bool ok = file && weights, is = ok && lb_file_exists(file) && !lb_file_exists(weights);
        lb_free(weights);
        if (is) *out = file;
        else lb_free(file);
        if (!ok) return LB_E_NOMEM;
        if (is) return LB_OK;
    }
    return LB_OK;
}

/* How the network that was exported prepares pictures (limbeck export), where nothing beside the graph says it. */
static lb_status take_preprocess(lb_value *config, const lb_onnx *graph, const char *file) {
    const char *text = lb_onnx_property(graph, "limbeck.preprocess");
    lb_value *v = NULL;
    if (!text || lb_get(config, "preprocess")) return LB_OK;
    lb_status st = lb_json_parse(&v, text, strlen(text), file);
    if (st != LB_OK) return st;
    lb_map_put(config, "preprocess", v);
    return config->failed ? LB_E_NOMEM : LB_OK;
}

lb_status cli_graph_open(cli_model *m, const char *file, lb_value **config) {
    lb_status st = LB_OK;
    lb_value *beside = NULL;
    char *json = lb_format_dup("%.*s.json", (int)(strlen(file) - strlen(".onnx")), file);
    if (!json) return LB_E_NOMEM;
    if (lb_file_exists(json)) LB_TRY(lb_json_read(&beside, json));
    if (beside) {
        lb_value_free(*config);
        *config = beside;
    }
    LB_TRY(lb_onnx_open(&m->graph, file, NULL));
    LB_TRY(take_preprocess(*config, m->graph, file));
    LB_TRY(lb_onnx_hears_frames(m->graph) ? lb_onnx_frames_model(&m->model, m->graph) : lb_onnx_model(&m->model, m->graph));
done:
    lb_free(json);
    return st;
}
