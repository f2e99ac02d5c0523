/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/sentence.h"
#include <stdio.h>
#include <string.h>
#include "base/file.h"

static lb_status read_json(lb_value **out, const char *folder, const char *name) {
    char *path = lb_path_join(folder, name);
    if (!path) return LB_E_NOMEM;
    lb_status st = lb_file_exists(path) ? lb_json_read(out, path) : LB_OK;
    lb_free(path);
    return st;
}

/* The modes that are on, in the order in which sentence-transformers put them side by side. */
static lb_status read_pooling(lb_value *config, const lb_value *v) {
    static const struct {
        const char *key, *name;
    } modes[] = {{"pooling_mode_cls_token", "cls"}, {"pooling_mode_max_tokens", "max"}, {"pooling_mode_mean_tokens", "mean"}, {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len"},
                 {"pooling_mode_weightedmean_tokens", "weightedmean"}, {"pooling_mode_lasttoken", "lasttoken"}};
    const lb_value *named = lb_get(v, "pooling_mode");
    lb_buf text = {0};
    for (size_t i = 0; i < LB_COUNT(modes); i++) {
        bool on = lb_get_bool(v, modes[i].key, !named && i == 2 && !v); /* without a file of its own: the mean */
        if (named && named->kind == LB_V_TEXT) on = strcmp(named->text, modes[i].name) == 0;
        for (int64_t k = 0; named && named->kind == LB_V_LIST && k < named->count; k++) on |= named->items[k]->kind == LB_V_TEXT && strcmp(named->items[k]->text, modes[i].name) == 0;
        if (on) lb_buf_format(&text, "%s%s", text.size ? "+" : "", modes[i].name);
    }
    lb_map_text(config, "pooling", text.size ? lb_buf_str(&text) : "mean");
    lb_status st = lb_buf_status(&text);
    lb_buf_free(&text);
    return st;
}

static lb_status read_dense(lb_value *config, const lb_value *v, const char *inner) {
    static const struct {
        const char *theirs, *ours;
    } acts[] = {{"Tanh", "tanh"}, {"Identity", "none"}, {"GELU", "gelu"}, {"ReLU", "relu"}, {"SiLU", "silu"}, {"Sigmoid", "sigmoid"}};
    const char *act = lb_get_text(v, "activation_function", "torch.nn.modules.activation.Tanh"), *last = strrchr(act, '.');
    if (lb_get(config, "dense_folder")) return lb_fail(LB_E_UNSUPPORTED, "modules.json: two Dense modules, at most one wanted");
    for (size_t i = 0; i < LB_COUNT(acts); i++) {
        if (strcmp(last ? last + 1 : act, acts[i].theirs) != 0) continue;
        lb_map_text(config, "dense_act", acts[i].ours);
        lb_map_int(config, "dense", lb_get_int(v, "out_features", 0));
        lb_map_bool(config, "dense_bias", lb_get_bool(v, "bias", true));
        lb_map_text(config, "dense_folder", inner);
        return LB_OK;
    }
    return lb_fail(LB_E_UNSUPPORTED, "modules.json: activation '%s' of a Dense module", act);
}

static lb_status read_module(lb_value *config, const lb_value *module, const char *folder) {
    const char *type = lb_get_text(module, "type", ""), *inner = lb_get_text(module, "path", "");
    lb_value *own = NULL;
    lb_status st = LB_OK;
    char *path = lb_path_join(folder, inner);
    if (!path) return LB_E_NOMEM;
    bool pooling = lb_ends_with(type, ".Pooling"), dense = lb_ends_with(type, ".Dense");
    if (pooling || dense) st = read_json(&own, path, "config.json");
    if (st == LB_OK && pooling) st = read_pooling(config, own);
    else if (st == LB_OK && dense) st = read_dense(config, own, inner);
    else if (st == LB_OK && lb_ends_with(type, ".Normalize")) lb_map_bool(config, "normalize", true);
    else if (st == LB_OK && !lb_ends_with(type, ".Transformer")) st = lb_fail(LB_E_UNSUPPORTED, "modules.json: module '%s': Transformer, Pooling, Dense and Normalize are known", type);
    lb_value_free(own);
    lb_free(path);
    return st;
}

lb_status cli_sentence_config(lb_value *config, const char *folder) {
    lb_value *modules = NULL;
    lb_status st = read_json(&modules, folder, "modules.json");
    for (int64_t i = 0; st == LB_OK && modules && modules->kind == LB_V_LIST && i < modules->count; i++) st = read_module(config, modules->items[i], folder);
    lb_value_free(modules);
    return st == LB_OK ? st : lb_where(st, "%s", folder);
}

lb_status cli_sentence_weights(lb_weights *w, const lb_value *config, const char *folder) {
    static const char *const files[] = {"model.safetensors", "pytorch_model.bin"};
    const char *inner = lb_get_text(config, "dense_folder", "");
    char *path = inner[0] ? lb_path_join(folder, inner) : NULL;
    lb_status st = inner[0] && !path ? LB_E_NOMEM : LB_OK;
    bool found = false;
    for (size_t i = 0; st == LB_OK && path && !found && i < LB_COUNT(files); i++) {
        char *file = lb_path_join(path, files[i]);
        if (!file) st = LB_E_NOMEM;
        else if ((found = lb_file_exists(file))) st = lb_weights_join(w, file, "dense.");
        lb_free(file);
    }
    if (st == LB_OK && path && !found) st = lb_fail(LB_E_NOTFOUND, "%s: no model.safetensors or pytorch_model.bin of the Dense module", path);
    lb_free(path);
    return st;
}
