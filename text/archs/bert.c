/* SPDX-License-Identifier: Apache-2.0 */
/* BERT encoders, as sentence encoders: Devlin et al., arXiv:1810.04805; RoBERTa (arXiv:1907.11692), XLM-RoBERTa and CamemBERT, which count places behind the
 * padding's id; ELECTRA (arXiv:2003.10555), whose tables may be narrower; places as distances inside attention (arXiv:1803.02155, arXiv:2009.13658).
 * Parameter names are Hugging Face's BertModel. */
#include <string.h>
#include "nn/attention.h"
#include "nn/outside.h"
#include "tensor/hold.h"
#include "text/archs.h"
#include "text/sentence.h"

typedef struct config {
    int64_t vocab_size, hidden_size, num_hidden_layers, num_attention_heads, intermediate_size, max_position_embeddings, type_vocab_size, embedding_size, places_after;
    double layer_norm_eps;
    bool is_decoder;
    const char *hidden_act, *position_embedding_type;
    lb_sentence sentence;
} config;

static const lb_param params[] = {
    LB_PARAM(config, vocab_size, 30522, 1, 10000000, "tokens", "size of the vocabulary"),
    LB_PARAM(config, hidden_size, 768, 1, 65536, "1", "width of the tokens"),
    LB_PARAM(config, num_hidden_layers, 12, 1, 1000, "1", "layers"),
    LB_PARAM(config, num_attention_heads, 12, 1, 1024, "1", "attention heads"),
    LB_PARAM(config, intermediate_size, 3072, 1, 1000000, "1", "inner width of a layer's map"),
    LB_PARAM(config, max_position_embeddings, 512, 1, 1000000, "tokens", "places in the table"),
    LB_PARAM(config, type_vocab_size, 2, 0, 1024, "1", "token types; type 0 is used; 0 = there is no table"),
    LB_PARAM(config, embedding_size, 0, 0, 65536, "1", "width of the tables, mapped to hidden_size; 0 = hidden_size (ELECTRA)"),
    LB_PARAM(config, places_after, -1, -1, 10000000, "id", "padding's id, behind which places are counted (RoBERTa); -1 = they are counted from 0"),
    LB_PARAM(config, layer_norm_eps, 1e-12, 0, 1, "1", "epsilon of the norms"),
    LB_PARAM_FLAG(config, is_decoder, 0, "a token attends to none behind it"),
    LB_PARAM_TEXT(config, hidden_act, "gelu", LB_ACT_CHOICES, "activation"),
    LB_PARAM_TEXT(config, position_embedding_type, "absolute", "absolute|relative_key|relative_key_query", "places are added to the tokens, or distances speak to queries, or to queries and keys"),
    LB_SENTENCE_PARAMS(config, "mean", 1),
    LB_PARAM_END};

static bool by_distance(const config *c) { return strcmp(c->position_embedding_type, "absolute") != 0; }

static lb_tensor *embeddings(lb_nn *m, const config *c, lb_tensor *ids) {
    lb_tape *t = lb_nn_tape(m);
    int64_t length = ids->rank == 2 ? ids->shape[1] : 1, most = c->max_position_embeddings - c->places_after - 1, width = c->embedding_size ? c->embedding_size : c->hidden_size;
    if (lb_tape_ok(t) && length > most) return lb_tape_fail(t, LB_E_SHAPE, "bert: a text of %lld tokens, at most %lld wanted", (long long)length, (long long)most);
    lb_nn_in(m, "embeddings");
    lb_tensor *x = lb_nn_embedding(m, ids, "word_embeddings", c->vocab_size, width, 0.02);
    lb_tensor *places = by_distance(c) ? NULL : lb_nn_param(m, "position_embeddings.weight", 2, (int64_t[]){c->max_position_embeddings, width}, LB_INIT_NORMAL, 0.02);
    if (c->type_vocab_size) x = lb_add(t, x, lb_slice(t, lb_nn_param(m, "token_type_embeddings.weight", 2, (int64_t[]){c->type_vocab_size, width}, LB_INIT_NORMAL, 0.02), 0, 0, 1, 1));
    if (places) x = lb_add(t, x, c->places_after >= 0 ? lb_embedding(t, places, lb_places_after_padding(t, ids, c->places_after)) : lb_slice(t, places, 0, 0, length, 1));
    x = lb_nn_out(m, lb_nn_layer_norm(m, x, "LayerNorm", c->layer_norm_eps));
    return width == c->hidden_size ? x : lb_nn_linear(m, x, "embeddings_project", c->hidden_size, LB_ACT_NONE);
}

static const lb_attend_names attend_names = {.q = "self.query", .k = "self.key", .v = "self.value", .out = "output.dense", .places = "self.distance_embedding"};
static const lb_block_names layer_names = {.norm1 = "attention.output.LayerNorm",
                                           .attn = "attention",
                                           .norm2 = "output.LayerNorm",
                                           .mlp = "",
                                           .self_names = &attend_names,
                                           .up = "intermediate.dense",
                                           .down = "output.dense"};

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    const lb_block_spec block = {.self = {.heads = c->num_attention_heads,
                                          .mask = in[1],
                                          .causal = c->is_decoder,
                                          .places = by_distance(c) ? c->max_position_embeddings : 0,
                                          .places_of_keys = strcmp(c->position_embedding_type, "relative_key_query") == 0},
                                 .mlp = {.width = c->intermediate_size, .act = lb_act_named(c->hidden_act)},
                                 .post = true,
                                 .eps = c->layer_norm_eps,
                                 .names = &layer_names};
    lb_tensor *x = embeddings(m, c, in[0]);
    lb_nn_tap(m, x, "embeddings");
    for (int64_t i = 0; i < c->num_hidden_layers; i++) {
        lb_tensor *before = x;
        lb_nn_in(m, "encoder.layer.%d", (int)i);
        x = lb_nn_out(m, lb_nn_tapped_block(m, x, &block, (int)i));
        lb_release(lb_nn_tape(m), before); /* nobody looks back */
    }
    lb_nn_tap(m, x, "tokens");
    lb_sentence_head(m, x, in[1], &c->sentence);
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    const config *c = cfg;
    (void)input;
    lb_text_example(c->max_position_embeddings - c->places_after - 1, rank, shape);
}

static int recognise(const lb_value *json, const char *const *names, int64_t count) {
    static const char *const types[] = {"bert", "roberta", "xlm-roberta", "camembert", "electra"}, *const tensors[] = {"embeddings.word_embeddings.weight", "bert.embeddings.word_embeddings.weight"};
    for (size_t i = 0; i < LB_COUNT(types); i++)
        if (lb_config_is(json, types[i])) return 90;
    return lb_get(json, "model_type") ? 0 : lb_names_found(names, count, 2, tensors) ? 40 : 0;
}

static lb_status from_config(void *cfg, const lb_value *json) {
    config *c = cfg;
    lb_status st = lb_sentence_from_config(params, cfg, json);
    if (st != LB_OK) return st;
    bool after = lb_config_is(json, "roberta") || lb_config_is(json, "xlm-roberta") || lb_config_is(json, "camembert");
    if (after) c->places_after = lb_get_int(json, "pad_token_id", 1);
    if (lb_config_is(json, "electra") && !lb_get(json, "embedding_size")) c->embedding_size = 128;
    if (c->embedding_size == c->hidden_size) c->embedding_size = 0;
    return LB_OK;
}

static bool outside_name(char *dst, size_t cap, const char *name, int variant) {
    static const char *const prefix[] = {"", "bert.", "roberta.", "electra.", "0.auto_model."};
    return lb_sentence_name(dst, cap, name, prefix[variant]);
}

LB_ARCH(bert) = {.id = "bert",
                 .title = "BERT, RoBERTa, XLM-RoBERTa, CamemBERT, ELECTRA, with the head of sentence-transformers",
                 .source = "arXiv:1810.04805; names of Hugging Face BertModel; arXiv:1908.10084",
                 .params = params,
                 .params_size = sizeof(config),
                 .kind = "text",
                 .apart = true,
                 .inputs = "ids[N,L]:i64 mask[N,L]:i64",
                 .taps = "embedding[N,D] pooled[N,D] tokens[N,L,D] embeddings[N,L,D] block.K[N,L,D] attn.K[N,H,L,L]",
                 .forward = forward,
                 .example = example,
                 .from_config = from_config,
                 .recognise = recognise,
                 .outside_name = outside_name,
                 .outside_variants = 5};
