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

/* What follows the pooling. */
typedef struct head {
    lb_buf steps;        /* as the parameter `head` writes them */
    int maps, norms;
    bool usual;          /* at most a map, then at most a norm: what `dense` and `normalize` say */
} head;

static lb_status read_dense(lb_value *config, head *h, const lb_value *v, const char *inner) {
    static const struct {
        const char *theirs, *ours;
    } acts[] = {{"Tanh", "tanh"}, {"Identity", "none"}, {"GELU", "gelu"}, {"ReLU", "relu"}, {"SiLU", "silu"}, {"Sigmoid", "sigmoid"}};
    const char *act = lb_get_text(v, "activation_function", "torch.nn.modules.activation.Tanh"), *last = strrchr(act, '.');
    int64_t width = lb_get_int(v, "out_features", 0);
    bool bias = lb_get_bool(v, "bias", true);
    char key[32];
    h->usual = h->usual && h->maps == 0 && h->norms == 0;
    for (size_t i = 0; i < LB_COUNT(acts); i++) {
        if (strcmp(last ? last + 1 : act, acts[i].theirs) != 0) continue;
        lb_buf_format(&h->steps, "%sdense:%lld:%s%s", h->steps.size ? "+" : "", (long long)width, acts[i].ours, bias ? "" : ":no-bias");
        snprintf(key, sizeof key, "dense_folder_%d", h->maps);
        lb_map_text(config, key, inner);
        if (h->maps++ > 0) return LB_OK;
        lb_map_text(config, "dense_act", acts[i].ours);
        lb_map_int(config, "dense", width);
        lb_map_bool(config, "dense_bias", bias);
        return LB_OK;
    }
    return lb_fail(LB_E_UNSUPPORTED, "modules.json: activation '%s' of a Dense module", act);
}

static void read_normalize(lb_value *config, head *h) {
    h->usual = h->usual && h->norms == 0;
    h->norms++;
    lb_buf_format(&h->steps, "%snormalize", h->steps.size ? "+" : "");
    lb_map_bool(config, "normalize", true);
}

static lb_status read_module(lb_value *config, head *h, const lb_value *module, const char *folder) {
    const char *type = lb_get_text(module, "type", ""), *inner = lb_get_text(module, "path", "");
    lb_value *own = NULL;
    lb_status st = LB_OK;
    char *path = lb_path_join(folder, inner);
    if (!path) return LB_E_NOMEM;
    bool pooling = lb_ends_with(type, ".Pooling"), dense = lb_ends_with(type, ".Dense");
    if (pooling || dense) st = read_json(&own, path, "config.json");
    if (st == LB_OK && pooling) st = read_pooling(config, own);
    else if (st == LB_OK && dense) st = read_dense(config, h, own, inner);
    else if (st == LB_OK && lb_ends_with(type, ".Normalize")) read_normalize(config, h);
    else if (st == LB_OK && !lb_ends_with(type, ".Transformer") && !lb_ends_with(type, ".Dropout"))
        st = lb_fail(LB_E_UNSUPPORTED, "modules.json: module '%s': Transformer, Pooling, Dense and Normalize are known", type);
    lb_value_free(own);
    lb_free(path);
    return st;
}

lb_status cli_sentence_config(lb_value *config, const char *folder) {
    lb_value *modules = NULL;
    head h = {.usual = true};
    lb_status st = read_json(&modules, folder, "modules.json");
    for (int64_t i = 0; st == LB_OK && modules && modules->kind == LB_V_LIST && i < modules->count; i++) st = read_module(config, &h, modules->items[i], folder);
    if (st == LB_OK) st = lb_buf_status(&h.steps);
    if (st == LB_OK && !h.usual) lb_map_text(config, "head", lb_buf_str(&h.steps));
    lb_buf_free(&h.steps);
    lb_value_free(modules);
    return st == LB_OK ? st : lb_where(st, "%s", folder);
}

/* Map number `number`, from its module's folder. */
static lb_status join_dense(lb_weights *w, const char *folder, int number) {
    static const char *const files[] = {"model.safetensors", "pytorch_model.bin"};
    char prefix[24] = "dense.";
    bool found = false;
    lb_status st = LB_OK;
    if (number > 0) snprintf(prefix, sizeof prefix, "dense.%d.", number);
    for (size_t i = 0; st == LB_OK && !found && i < LB_COUNT(files); i++) {
        char *file = lb_path_join(folder, files[i]);
        if (!file) st = LB_E_NOMEM;
        else if ((found = lb_file_exists(file))) st = lb_weights_join(w, file, prefix);
        lb_free(file);
    }
    return st == LB_OK && !found ? lb_fail(LB_E_NOTFOUND, "%s: no model.safetensors or pytorch_model.bin of the Dense module", folder) : st;
}

lb_status cli_sentence_weights(lb_weights *w, const lb_value *config, const char *folder) {
    lb_status st = LB_OK;
    char key[32];
    for (int i = 0; st == LB_OK; i++) {
        snprintf(key, sizeof key, "dense_folder_%d", i);
        const char *inner = lb_get_text(config, key, NULL);
        if (!inner) break;
        char *path = lb_path_join(folder, inner);
        st = path ? join_dense(w, path, i) : LB_E_NOMEM;
        lb_free(path);
    }
    return st;
}
