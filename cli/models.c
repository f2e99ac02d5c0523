/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/hash_memo.h"
#include "cli/models.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/hash.h"
#include "base/sig.h"
#include "cli/fetch.h"
#include "cli/sentence.h"
#include "nn/outside.h"

/* ---- finding it ---- */

static lb_status not_found(const char *name) {
    const cli_pretrained *m = NULL;
    lb_status st = cli_pretrained_find(&m, name, "neither a file or folder nor a fetched model: no model");
    return m ? lb_fail(LB_E_NOTFOUND, "model '%s' is not on this machine; bring it with: limbeck fetch %s", name, name) : st;
}

/* A run folder keeps its model below itself. */
static lb_status inner_folder(char **path) {
    static const char *const inner[] = {"", "model", "best", "last"};
    for (size_t i = 0; i < LB_COUNT(inner); i++) {
        char *folder = inner[i][0] ? lb_path_join(*path, inner[i]) : lb_strdup(*path);
        char *config = folder ? lb_path_join(folder, "config.json") : NULL;
        if (!config) {
            lb_free(folder);
            return LB_E_NOMEM;
        }
        bool found = lb_file_exists(config);
        lb_free(config);
        if (found) {
            lb_free(*path);
            *path = folder;
            return LB_OK;
        }
        lb_free(folder);
    }
    return LB_OK; /* a folder of weights alone */
}

static lb_status locate(char **out, const char *name) {
    char *path = lb_strdup(name);
    if (!path) return LB_E_NOMEM;
    if (!lb_file_exists(path) && !lb_is_folder(path)) {
        char *home = lb_home(), *fetched = home ? lb_path_join(home, name) : NULL;
        lb_free(home);
        lb_free(path);
        if (!fetched) return LB_E_NOMEM;
        path = fetched;
        if (strchr(name, '/') || !lb_is_folder(path)) {
            lb_free(path);
            return not_found(name);
        }
    }
    lb_status st = lb_is_folder(path) ? inner_folder(&path) : LB_OK;
    *out = path;
    return st;
}

lb_status cli_open_tokenizer(lb_tokenizer **out, const char *name_or_path) {
    char *path = NULL;
    lb_status st = locate(&path, name_or_path);
    if (st == LB_OK) st = lb_tokenizer_open(out, path);
    lb_free(path);
    return st;
}

/* ---- weights ---- */

static lb_status only_weights(char **out, const char *folder) {
    static const char *const endings[] = {".safetensors", ".pth", ".pt", ".bin", ".npz", ".gguf"};
    char **names = NULL, *found = NULL;
    int64_t count = 0;
    lb_status st = lb_list_folder(&names, &count, folder);
    for (int64_t i = 0; st == LB_OK && i < count; i++) {
        bool is = false;
        for (size_t k = 0; k < LB_COUNT(endings); k++) is |= lb_ends_with(names[i], endings[k]);
        if (is && found) st = lb_fail(LB_E_ARG, "%s: several weight files (%s, %s): name the one", folder, found, names[i]);
        else if (is) found = names[i];
    }
    if (st == LB_OK && !found) st = lb_fail(LB_E_NOTFOUND, "%s: no weight file (model.safetensors, pytorch_model.bin, *.pth, ...)", folder);
    if (st == LB_OK && !(*out = lb_path_join(folder, found))) st = LB_E_NOMEM;
    lb_names_free(names, count);
    return st;
}

lb_status cli_open_weights(lb_weights **w, char **path, const char *file_or_folder) {
    static const char *const usual[] = {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json", "model.bin"};
    char *file = NULL;
    lb_status st = LB_OK;
    if (!lb_is_folder(file_or_folder)) {
        file = lb_strdup(file_or_folder);
        if (!file) return LB_E_NOMEM;
    }
    for (size_t i = 0; !file && i < LB_COUNT(usual); i++) {
        file = lb_path_join(file_or_folder, usual[i]);
        if (!file) return LB_E_NOMEM;
        if (lb_file_exists(file)) break;
        lb_free(file);
        file = NULL;
    }
    if (!file) st = only_weights(&file, file_or_folder);
    if (st == LB_OK) st = lb_weights_open(w, file);
    if (st != LB_OK) lb_free(file);
    else *path = file;
    return st;
}

/* ---- which network ---- */

static lb_status recognise(const lb_arch **out, const lb_value *config, const lb_weights *w, const char *path) {
    int best = 0;
    const char **names = lb_calloc((size_t)w->count + 1, sizeof *names);
    if (!names) return LB_E_NOMEM;
    for (int64_t i = 0; i < w->count; i++) names[i] = w->at[i].name;
    for (int i = 0; i < lb_archs.count; i++) {
        const lb_arch *a = (const lb_arch *)lb_archs.members[i];
        int score = a->recognise ? a->recognise(config, names, w->count) : 0;
        if (score > best) best = score, *out = a;
    }
    lb_free(names);
    if (best > 0) return LB_OK;
    return lb_fail(LB_E_UNSUPPORTED, "%s: no known architecture (model_type '%s', first tensor '%s'); see limbeck describe archs", path, lb_get_text(config, "model_type", "none"),
                   w->count ? w->at[0].name : "none");
}

/* What wraps a network in training or elsewhere: DataParallel, torch.compile, transformers around timm. */
static void unwrap(lb_weights *w) {
    static const char *const wrappers[] = {"module.", "_orig_mod.", "timm_model."};
    for (size_t i = 0; i < LB_COUNT(wrappers); i++)
        if (lb_weights_strip(w, wrappers[i])) i = (size_t)-1; /* one may lie in another */
}

/* A network that is a part of someone's module ("net.conv1.weight"): all its names have one beginning. */
static bool unwrap_part(lb_weights *w) {
    char first[64];
    const char *dot = w->count ? strchr(w->at[0].name, '.') : NULL;
    if (!dot || dot - w->at[0].name + 2 > (int64_t)sizeof first) return false;
    snprintf(first, sizeof first, "%.*s", (int)(dot - w->at[0].name + 1), w->at[0].name);
    return lb_weights_strip(w, first);
}

/* Names and shapes of the weights, for archs that read their sizes from them: {"tensors": {"name": [sizes]}}. */
static void add_tensors(lb_value *config, const lb_weights *w) {
    lb_value *all = lb_value_map();
    for (int64_t i = 0; i < w->count; i++) {
        lb_value *shape = lb_value_list();
        for (int d = 0; d < w->at[i].rank; d++) lb_list_int(shape, w->at[i].shape[d]);
        lb_map_put(all, w->at[i].name, shape);
    }
    lb_map_put(config, "tensors", all);
}

/* timm names its published files after the network ("tf_mobilenetv3_large_100-427764d5.pth"), which says what tensors cannot: padding, epsilon, blurring. */
static void add_name(lb_value *config, const char *path) {
    const char *name = strrchr(path, '/');
    if (!lb_get(config, "architecture")) lb_map_text(config, "architecture", name ? name + 1 : path);
}

static lb_status make_outside(lb_model **out, lb_value *config, lb_weights *w, const char *path) {
    const lb_arch *arch = NULL;
    unwrap(w);
    lb_status st = recognise(&arch, config, w, path);
    int parts = 0;
    for (; st == LB_E_UNSUPPORTED && unwrap_part(w); parts++) st = recognise(&arch, config, w, path);
    if (st == LB_OK && parts) lb_say(LB_LOG_INFO, "model", "%s: the network's tensors are taken without what all their names begin with", path);
    if (st != LB_OK) return st;
    void *cfg = lb_calloc(1, arch->params_size ? arch->params_size : 1);
    if (!cfg) return LB_E_NOMEM;
    st = lb_params_default(arch->params, cfg);
    add_tensors(config, w);
    add_name(config, path);
    if (st == LB_OK && arch->from_config) st = arch->from_config(cfg, config);
    if (st != LB_OK) {
        lb_params_free(arch->params, cfg);
        lb_free(cfg);
        return lb_where(st, "%s", path);
    }
    return lb_model_new_bare(out, arch, NULL, cfg);
}

static lb_status make_own(lb_model **out, const lb_value *own, const char *path) {
    const lb_head *head = NULL;
    lb_status st = lb_family_find(&head, &lb_archs, lb_get_text(own, "arch", ""));
    if (st == LB_OK) st = lb_model_new_bare(out, (const lb_arch *)head, lb_get(own, "params"), NULL);
    return st == LB_OK ? st : lb_where(st, "%s", path);
}

/* ---- what lies beside the weights ---- */

static lb_status read_beside(lb_value **out, const char *folder, const char *name) {
    char *path = lb_path_join(folder, name);
    if (!path) return LB_E_NOMEM;
    lb_status st = lb_file_exists(path) ? lb_json_read(out, path) : LB_OK;
    lb_free(path);
    return st;
}

bool cli_model_takes(const cli_model *m, const char *input) {
    char text[512];
    lb_sig *sig = NULL;
    snprintf(text, sizeof text, "%s -> y", m->model->arch->inputs);
    bool takes = lb_sig_parse(&sig, text) == LB_OK && lb_sig_input_find(sig, input) >= 0;
    lb_sig_free(sig);
    lb_error_clear();
    return takes;
}

static lb_status open_image(cli_model *m, const char *folder, const lb_value *config) {
    lb_value *beside = NULL;
    lb_status st = LB_OK;
    const lb_value *spec = lb_get(config, "preprocess");
    if (!cli_model_takes(m, "image")) return LB_OK;
    if (!spec && folder) {
        LB_TRY(read_beside(&beside, folder, "preprocessor_config.json"));
        spec = beside ? beside : lb_get(config, "preprocess_cfg") || lb_get(config, "pretrained_cfg") ? config : NULL; /* Hugging Face; open_clip, timm */
    }
    if (spec) LB_TRY(lb_image_spec_from(&m->image, spec));
    else if (m->model->arch->preprocess) LB_TRY(lb_image_spec_parse(&m->image, m->model->arch->preprocess));
    else if (!(m->why_no_image = lb_format_dup("%s: nothing says how pictures are prepared (config.json: preprocess, or preprocessor_config.json)", m->path))) st = LB_E_NOMEM;
    if (st == LB_OK) m->has_image = !m->why_no_image;
done:
    lb_value_free(beside);
    return st;
}

static lb_status open_audio(cli_model *m, const char *folder) {
    lb_value *beside = NULL, *processor = NULL;
    lb_status st = LB_OK;
    if (!cli_model_takes(m, "audio")) return LB_OK;
    if (folder) LB_TRY(read_beside(&beside, folder, "preprocessor_config.json"));
    if (folder && !beside) LB_TRY(read_beside(&processor, folder, "processor_config.json"));
    const lb_value *spec = beside ? beside : lb_get(processor, "feature_extractor");
    if (spec) LB_TRY(lb_audio_prepare_from(&m->audio, spec));
    else if (m->model->arch->preprocess) LB_TRY(lb_audio_prepare_parse(&m->audio, m->model->arch->preprocess));
    else if (!(m->why_no_audio = lb_format_dup("%s: nothing says how sound is prepared (preprocessor_config.json)", m->path))) st = LB_E_NOMEM;
    if (st == LB_OK) m->has_audio = !m->why_no_audio;
done:
    lb_value_free(beside);
    lb_value_free(processor);
    return st;
}

static lb_status open_writer(cli_model *m, const char *folder, const lb_value *config) {
    const struct lb_text_decoder *d = m->model->arch->decoder;
    if (!d) return LB_OK;
    lb_status st = m->tokenizer ? cli_writer_open(&m->writer, folder, config, m->tokenizer, d->memory != NULL) : lb_fail(LB_E_NOTFOUND, "%s", m->why_no_text ? m->why_no_text : "no tokenizer");
    if (st != LB_E_NOTFOUND && st != LB_E_UNSUPPORTED) return st;
    m->why_no_writer = lb_format_dup("%s: writes no text: %s", m->path, lb_error_text());
    lb_error_clear();
    return m->why_no_writer ? LB_OK : LB_E_NOMEM;
}

static lb_status open_text(cli_model *m, const char *folder, const lb_value *config) {
    lb_value *sentence = NULL;
    lb_status st = LB_OK;
    if (!cli_model_takes(m, "ids")) return LB_OK;
    st = folder ? lb_tokenizer_open(&m->tokenizer, folder) : lb_fail(LB_E_NOTFOUND, "a weight file alone has no tokenizer");
    if (st == LB_E_NOTFOUND || st == LB_E_UNSUPPORTED) {
        m->why_no_text = lb_format_dup("%s: no tokenizer: %s", m->path, lb_error_text());
        lb_error_clear();
        return m->why_no_text ? LB_OK : LB_E_NOMEM;
    }
    if (st != LB_OK) return st;
    LB_TRY(read_beside(&sentence, folder, "sentence_bert_config.json"));
    m->max_tokens = lb_get_int(sentence, "max_seq_length", m->tokenizer->max_tokens);
    m->max_tokens = lb_get_int(
        config, "max_tokens",
        m->max_tokens
            ? m->max_tokens
            : lb_config_int(config, "max_position_embeddings|n_positions|text_config.max_position_embeddings|model_cfg.text_cfg.context_length", 0, 0));
done:
    lb_value_free(sentence);
    return st;
}

/* ---- fingerprints ---- */

static lb_status hash_value(char out[65], lb_value *take_v) {
    lb_buf json = {0};
    lb_status st = lb_json_write(&json, take_v, 0);
    if (st == LB_OK) lb_sha256_of(json.data, json.size, out);
    lb_buf_free(&json);
    lb_value_free(take_v);
    return st;
}

static lb_status fill_print(cli_model *m, const char *sha256) {
    char hex[65];
    lb_value *v = lb_value_map(), *about = lb_value_map();
    lb_map_text(about, "arch", m->model->arch->id);
    if (m->model->arch->params) lb_map_put(about, "params", lb_params_to_value(m->model->arch->params, m->model->cfg));
    lb_status st = hash_value(hex, about);
    /* the file's own SHA-256, then 8 digits over what the network was told besides */
    snprintf(m->print.weights, sizeof m->print.weights, "%s+%.8s", sha256, hex);
    if (m->has_image) lb_map_put(v, "image", lb_image_spec_value(&m->image));
    if (m->has_audio) lb_map_put(v, "audio", lb_audio_prepare_value(&m->audio));
    if (m->tokenizer) lb_map_int(v, "max_tokens", m->max_tokens);
    if (st == LB_OK) st = hash_value(hex, v);
    else lb_value_free(v);
    snprintf(m->print.preprocessing, sizeof m->print.preprocessing, "%s", hex);
    snprintf(m->print.tokenizer, sizeof m->print.tokenizer, "%s", m->tokenizer ? m->tokenizer->sha256 : "none");
    return st;
}

/* Of one file it may be known already. */
static lb_status hash_weights(const cli_model *m, char sha256[65]) {
    bool one = lb_weights_files(m->weights) == 1;
    if (one && cli_hash_recall(sha256, m->file)) return LB_OK;
    lb_status st = lb_weights_sha256(m->weights, sha256);
    if (st == LB_OK && one) cli_hash_keep(m->file, sha256);
    return st;
}

lb_status cli_model_print(cli_model *m) {
    char sha256[65];
    lb_status st = LB_OK;
    if (m->printed || !m->file) return LB_OK; /* one that was put together by hand has what it has */
    if (m->graph) lb_onnx_sha256(m->graph, sha256);
    else LB_TRY(hash_weights(m, sha256));
    LB_TRY(cli_check_pinned(m->path, m->file, sha256));
    LB_TRY(fill_print(m, sha256));
    m->printed = true;
done:
    return st;
}

/* ---- opening ---- */

static lb_status read_config(lb_value **out, const char *folder) {
    static const char *const files[] = {"config.json", "open_clip_config.json"};
    lb_status st = LB_OK;
    for (size_t i = 0; folder && st == LB_OK && !*out && i < LB_COUNT(files); i++) st = read_beside(out, folder, files[i]);
    if (st == LB_OK && !*out && !(*out = lb_value_map())) st = LB_E_NOMEM;
    if (st == LB_OK && (*out)->kind != LB_V_MAP) st = lb_fail(LB_E_FORMAT, "%s: config.json is to be a JSON object", folder);
    if (st == LB_OK && folder) st = cli_sentence_config(*out, folder);
    return st;
}

/* The folder that says what the weights are: the one given, or that of a weight file when it holds a config.json; else NULL. */
static lb_status folder_of(char **out, const char *path) {
    char *folder = lb_is_folder(path) ? lb_strdup(path) : lb_path_folder(path), *config = folder ? lb_path_join(folder, "config.json") : NULL;
    lb_status st = config ? LB_OK : LB_E_NOMEM;
    if (st == LB_OK && (lb_is_folder(path) || lb_file_exists(config))) {
        *out = folder;
        folder = NULL;
    }
    lb_free(folder);
    lb_free(config);
    return st;
}

/* A network of ours, its weights still in their file. */
static lb_status open_network(cli_model *m, const char *folder, lb_value *config) {
    lb_status st = LB_OK;
    LB_TRY(cli_open_weights(&m->weights, &m->file, m->path));
    if (folder) LB_TRY(cli_sentence_weights(m->weights, config, folder));
    const lb_value *own = lb_get(config, "limbeck");
    LB_TRY(own ? make_own(&m->model, own, m->path) : make_outside(&m->model, config, m->weights, m->path));
done:
    return st;
}

lb_status cli_model_begin(cli_model **out, const char *name_or_path) {
    lb_status st = LB_OK;
    lb_value *config = NULL;
    char *graph = NULL, *folder = NULL;
    cli_model *m = lb_calloc(1, sizeof *m);
    if (!m) return LB_E_NOMEM;
    LB_TRY(locate(&m->path, name_or_path));
    if (!(m->name = lb_strdup(name_or_path))) {
        st = LB_E_NOMEM;
        goto done;
    }
    LB_TRY(folder_of(&folder, m->path));
    LB_TRY(read_config(&config, folder));
    LB_TRY(cli_graph_find(&graph, m->path));
    LB_TRY(graph ? cli_graph_open(m, graph, &config) : open_network(m, folder, config));
    if (graph) m->file = graph, graph = NULL;
    LB_TRY(open_image(m, folder, config));
    LB_TRY(open_audio(m, folder));
    LB_TRY(open_text(m, folder, config));
    LB_TRY(open_writer(m, folder, config));
    *out = m;
    m = NULL;
done:
    cli_model_close(m);
    lb_value_free(config);
    lb_free(graph);
    lb_free(folder);
    return st;
}

lb_status cli_model_load(cli_model *m, int ntaps, const char *const *taps) {
    lb_status st = LB_OK;
    if (m->weights && ntaps > 0) LB_TRY(lb_model_mark_idle(m->model, ntaps, taps));
    if (m->weights) LB_TRY(cli_load_weights(m->model, m->weights, m->file));
    lb_store_fix(m->model->store, true); /* it is run, not trained */
done:
    return st;
}

lb_status cli_model_open(cli_model **out, const char *name_or_path) {
    cli_model *m = NULL;
    lb_status st = cli_model_begin(&m, name_or_path);
    if (st == LB_OK) st = cli_model_load(m, 0, NULL);
    if (st == LB_OK) *out = m;
    else cli_model_close(m);
    return st;
}

void cli_model_close(cli_model *m) {
    if (!m) return;
    lb_model_free(m->model);
    lb_weights_close(m->weights);
    lb_onnx_close(m->graph);
    lb_free(m->file);
    lb_tokenizer_close(m->tokenizer);
    lb_free(m->why_no_image);
    lb_free(m->why_no_text);
    lb_free(m->why_no_audio);
    lb_free(m->why_no_writer);
    lb_audio_prepare_free(&m->audio);
    cli_writer_close(m->writer);
    lb_free(m->name);
    lb_free(m->path);
    lb_free(m);
}

/* ---- saving ---- */

static lb_status save_config(const char *folder, const lb_model *m, const lb_value *extra) {
    lb_status st = LB_OK;
    lb_buf json = {0};
    char *path = lb_path_join(folder, "config.json");
    lb_value *v = lb_value_map(), *own = lb_value_map();
    lb_map_text(own, "arch", m->arch->id);
    if (m->arch->params) lb_map_put(own, "params", lb_params_to_value(m->arch->params, m->cfg));
    lb_map_put(v, "limbeck", own);
    for (int64_t i = 0; extra && i < extra->count; i++) lb_map_put(v, extra->keys[i], lb_value_copy(extra->items[i]));
    st = path ? lb_json_write(&json, v, 2) : LB_E_NOMEM;
    lb_buf_text(&json, "\n");
    if (st == LB_OK) st = lb_buf_status(&json);
    if (st == LB_OK) st = lb_file_write(path, json.data, json.size);
    lb_buf_free(&json);
    lb_value_free(v);
    lb_free(path);
    return st;
}

lb_status cli_model_save(const char *folder, const lb_model *m, const lb_value *extra) {
    lb_status st = LB_OK;
    int64_t n = lb_store_count(m->store);
    const char **names = lb_calloc((size_t)n + 1, sizeof *names);
    const lb_tensor **tensors = lb_calloc((size_t)n + 1, sizeof *tensors);
    char *path = lb_path_join(folder, "model.safetensors");
    if (!names || !tensors || !path) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int64_t i = 0; i < n; i++) {
        lb_param_tensor *p = lb_store_at(m->store, i);
        names[i] = p->name;
        tensors[i] = p->x;
    }
    LB_TRY(lb_make_folders(folder));
    LB_TRY(lb_safetensors_write(path, n, names, tensors, NULL));
    LB_TRY(save_config(folder, m, extra));
done:
    lb_free(names);
    lb_free(tensors);
    lb_free(path);
    return st;
}
