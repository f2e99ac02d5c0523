/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/scores.h"
#include <string.h>
#include "base/file.h"
#include "distill/trainer.h"
#include "eval/metric.h"

static lb_tensor view(const float *data, const int64_t shape[2], lb_dtype dtype, int rank) {
    lb_tensor x = {.dtype = dtype, .rank = rank, .shape = {shape[0], shape[1]}, .stride = {rank == 2 ? shape[1] : 1, 1}, .data = (void *)(uintptr_t)data};
    return x;
}

lb_status cli_score_retrieval(lb_value *out, const float *image, const float *text, int64_t n, int64_t width) {
    lb_status st = LB_OK;
    const lb_head *metric = NULL;
    int64_t *id = lb_alloc((size_t)n + 1, sizeof *id), shape[2] = {n, width};
    if (!id) return LB_E_NOMEM;
    for (int64_t i = 0; i < n; i++) id[i] = i;
    lb_tensor a = view(image, shape, LB_F32, 2), b = view(text, shape, LB_F32, 2), ids = view((const float *)id, shape, LB_I64, 1);
    LB_TRY(lb_family_find(&metric, &lb_metrics, "retrieval"));
    LB_TRY(((const lb_metric *)metric)->score(out, NULL, 4, (lb_metric_input[]){{"image", &a}, {"text", &b}, {"image_id", &ids}, {"text_id", &ids}}));
done:
    lb_free(id);
    return st;
}

lb_status cli_score_classes(lb_value *out, const float *logits, int64_t n, int64_t width, const int64_t *label, uint64_t seed) {
    lb_status st = LB_OK;
    const lb_head *metric = NULL;
    const int64_t shape[2] = {n, width};
    void *cfg = NULL;
    lb_tensor a = view(logits, shape, LB_F32, 2), b = view((const float *)label, shape, LB_I64, 1);
    LB_TRY(lb_family_find(&metric, &lb_metrics, "classify"));
    if (!(cfg = lb_calloc(1, metric->params_size + 1))) return LB_E_NOMEM;
    LB_TRY(lb_params_default(metric->params, cfg));
    LB_TRY(lb_param_set_number(lb_param_find(metric->params, "seed"), cfg, (double)seed));
    LB_TRY(((const lb_metric *)metric)->score(out, cfg, 2, (lb_metric_input[]){{"scores", &a}, {"label", &b}}));
done:
    if (cfg) lb_params_free(metric->params, cfg);
    lb_free(cfg);
    return st;
}

int64_t cli_token_parameters(lb_model *m) {
    int64_t n = 0;
    for (int64_t i = 0; i < lb_store_count(m->store); i++) {
        const lb_param_tensor *p = lb_store_at(m->store, i);
        if (lb_ends_with(p->name, "token_embedding.weight") || lb_ends_with(p->name, "word_embeddings.weight")) n += lb_numel(p->x);
    }
    return n;
}

static lb_status copy_file(const char *folder, const char *from, const char *name, const char *as) {
    lb_status st = LB_OK;
    lb_buf bytes = {0};
    char *a = lb_path_join(from, name), *b = lb_path_join(folder, as);
    if (!a || !b) st = LB_E_NOMEM;
    else if (lb_file_exists(a)) {
        LB_TRY(lb_file_read(&bytes, a, 0));
        LB_TRY(lb_file_write(b, bytes.data, bytes.size));
    }
done:
    lb_buf_free(&bytes);
    lb_free(a);
    lb_free(b);
    return st;
}

lb_status cli_copy_tokenizer(const char *folder, const char *from) {
    static const char *const names[] = {"tokenizer.json", "tokenizer_config.json", "vocab.txt", "merges.txt", "vocab.json", "special_tokens_map.json"};
    lb_status st = LB_OK;
    if (!lb_is_folder(from)) {
        char *parent = lb_path_folder(from);
        const char *as = lb_ends_with(from, ".txt") ? "vocab.txt" : lb_ends_with(from, ".json") ? "tokenizer.json" : lb_path_name(from);
        st = parent ? copy_file(folder, parent, lb_path_name(from), as) : LB_E_NOMEM;
        lb_free(parent);
        return st;
    }
    for (size_t i = 0; i < LB_COUNT(names) && st == LB_OK; i++) st = copy_file(folder, from, names[i], names[i]);
    return st;
}

/* ---- checkpoints are safetensors ---- */

static lb_status read_checkpoint(const char *path, lb_store *into, lb_value **metadata) {
    lb_status st = LB_OK;
    lb_weights *w = NULL;
    LB_TRY(lb_weights_open(&w, path));
    for (int64_t i = 0; i < w->count; i++) {
        const lb_weight *at = &w->at[i];
        lb_param_tensor *p = NULL;
        LB_TRY(lb_store_add(&p, into, at->name, at->rank, at->shape, LB_INIT_ZEROS, 0));
        lb_convert(p->x->data, p->x->dtype, at->data, at->dtype, lb_numel(p->x));
    }
    if (metadata) {
        *metadata = w->metadata ? lb_value_copy(w->metadata) : lb_value_map();
        if (!*metadata) st = LB_E_NOMEM;
    }
done:
    lb_weights_close(w);
    return st;
}

void cli_checkpoints(void) {
    static const lb_checkpoint_io io = {.write = lb_safetensors_write, .read = read_checkpoint};
    lb_checkpoint_set_io(&io);
}
