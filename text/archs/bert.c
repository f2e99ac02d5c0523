/* SPDX-License-Identifier: Apache-2.0 */
/* BERT encoder, as a sentence encoder: Devlin et al., arXiv:1810.04805; pooling and normalisation of sentence-transformers (arXiv:1908.10084).
 * Parameter names are Hugging Face's BertModel. */
#include <stdio.h>
#include <string.h>
#include "text/archs.h"

typedef struct config {
    int64_t vocab_size, hidden_size, num_hidden_layers, num_attention_heads, intermediate_size, max_position_embeddings, type_vocab_size;
    double layer_norm_eps;
    const char *hidden_act, *pooling;
    bool normalize;
} config;

static const lb_param params[] = {
    LB_PARAM(config, vocab_size, 30522, 1, 10000000, "tokens", "size of the vocabulary"),
    LB_PARAM(config, hidden_size, 384, 1, 65536, "1", "width of the tokens"),
    LB_PARAM(config, num_hidden_layers, 6, 1, 1000, "1", "layers"),
    LB_PARAM(config, num_attention_heads, 12, 1, 1024, "1", "attention heads"),
    LB_PARAM(config, intermediate_size, 1536, 1, 1000000, "1", "inner width of a layer's map"),
    LB_PARAM(config, max_position_embeddings, 512, 1, 1000000, "tokens", "longest text"),
    LB_PARAM(config, type_vocab_size, 2, 1, 1024, "1", "token types; type 0 is used"),
    LB_PARAM(config, layer_norm_eps, 1e-12, 0, 1, "1", "epsilon of the norms"),
    LB_PARAM_TEXT(config, hidden_act, "gelu", "gelu|gelu_new|relu|silu", "activation"),
    LB_PARAM_TEXT(config, pooling, "mean", "mean|cls|max", "how tokens become one vector"),
    LB_PARAM_FLAG(config, normalize, 1, "embedding is L2-normalised"),
    LB_PARAM_END};

static lb_act act_of(const char *name) {
    if (strcmp(name, "gelu_new") == 0) return LB_ACT_GELU_TANH;
    return strcmp(name, "relu") == 0 ? LB_ACT_RELU : strcmp(name, "silu") == 0 ? LB_ACT_SILU : LB_ACT_GELU;
}

static lb_tensor *embeddings(lb_nn *m, const config *c, lb_tensor *ids) {
    lb_tape *t = lb_nn_tape(m);
    int64_t length = ids->rank == 2 ? ids->shape[1] : 1;
    if (lb_tape_ok(t) && length > c->max_position_embeddings) return lb_tape_fail(t, LB_E_SHAPE, "bert: a text of %lld tokens, at most %lld wanted", (long long)length, (long long)c->max_position_embeddings);
    lb_nn_in(m, "embeddings");
    lb_tensor *x = lb_nn_embedding(m, ids, "word_embeddings", c->vocab_size, c->hidden_size, 0.02);
    lb_tensor *places = lb_nn_param(m, "position_embeddings.weight", 2, (int64_t[]){c->max_position_embeddings, c->hidden_size}, LB_INIT_NORMAL, 0.02);
    lb_tensor *types = lb_nn_param(m, "token_type_embeddings.weight", 2, (int64_t[]){c->type_vocab_size, c->hidden_size}, LB_INIT_NORMAL, 0.02);
    x = lb_add(t, lb_add(t, x, lb_slice(t, types, 0, 0, 1, 1)), lb_slice(t, places, 0, 0, length, 1));
    return lb_nn_out(m, lb_nn_layer_norm(m, x, "LayerNorm", c->layer_norm_eps));
}

static lb_tensor *layer(lb_nn *m, const config *c, lb_tensor *x, lb_tensor *mask, int i) {
    static const lb_attention_names names = {"self.query", "self.key", "self.value", "output.dense"};
    lb_tape *t = lb_nn_tape(m);
    lb_nn_in(m, "encoder.layer.%d", i);
    lb_nn_in(m, "attention");
    lb_tensor *y = lb_nn_attention(m, x, NULL, mask, c->num_attention_heads, &names);
    x = lb_nn_out(m, lb_nn_layer_norm(m, lb_add(t, y, x), "output.LayerNorm", c->layer_norm_eps));
    y = lb_nn_linear(m, x, "intermediate.dense", c->intermediate_size, act_of(c->hidden_act));
    y = lb_nn_linear(m, y, "output.dense", c->hidden_size, LB_ACT_NONE);
    x = lb_nn_layer_norm(m, lb_add(t, y, x), "output.LayerNorm", c->layer_norm_eps);
    lb_nn_tap(m, x, "block.%d", i);
    return lb_nn_out(m, x);
}

static lb_tensor *pool(lb_tape *t, const config *c, lb_tensor *x, lb_tensor *mask) {
    if (!lb_tape_ok(t) || strcmp(c->pooling, "mean") == 0) return lb_mean_tokens(t, x, mask);
    if (strcmp(c->pooling, "cls") == 0) return lb_reshape(t, lb_slice(t, x, 1, 0, 1, 1), 2, (int64_t[]){x->shape[0], x->shape[2]});
    lb_tensor *off = lb_reshape(t, lb_add_scalar(t, lb_neg(t, lb_to_real(t, mask)), 1), 3, (int64_t[]){mask->shape[0], mask->shape[1], 1});
    return lb_max(t, lb_masked_fill(t, x, lb_expand(t, off, 3, x->shape), -1e9), 1, false);
}

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_tape *t = lb_nn_tape(m);
    lb_tensor *x = embeddings(m, c, in[0]);
    lb_nn_tap(m, x, "embeddings");
    for (int64_t i = 0; i < c->num_hidden_layers; i++) x = layer(m, c, x, in[1], (int)i);
    lb_nn_tap(m, x, "tokens");
    x = pool(t, c, x, in[1]);
    lb_nn_tap(m, x, "pooled");
    lb_nn_tap(m, c->normalize ? lb_normalize(t, x, 1e-12) : x, "embedding");
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    const config *c = cfg;
    (void)input;
    *rank = 2;
    shape[0] = 1;
    shape[1] = c->max_position_embeddings < 16 ? c->max_position_embeddings : 16;
}

static int recognise(const lb_value *config_json, const char *const *names, int64_t count) {
    if (strcmp(lb_get_text(config_json, "model_type", ""), "bert") == 0) return 90;
    for (int64_t i = 0; i < count; i++)
        if (strcmp(names[i], "embeddings.word_embeddings.weight") == 0 || strcmp(names[i], "bert.embeddings.word_embeddings.weight") == 0) return 40;
    return 0;
}

static lb_status from_config(void *cfg, const lb_value *json) {
    lb_status st = LB_OK;
    for (const lb_param *p = params; p->name; p++) {
        const lb_value *v = lb_get(json, p->name);
        if (!v) continue;
        if (v->kind == LB_V_TEXT) LB_TRY(lb_param_set_text(p, cfg, v->text));
        else if (v->kind == LB_V_BOOL) LB_TRY(lb_param_set_number(p, cfg, v->boolean));
        else if (v->kind == LB_V_INT || v->kind == LB_V_REAL) LB_TRY(lb_param_set_number(p, cfg, lb_get_real(json, p->name, 0)));
    }
    if (!lb_get(json, "normalize")) ((config *)cfg)->normalize = false;
    if (strcmp(lb_get_text(json, "position_embedding_type", "absolute"), "absolute") != 0)
        st = lb_fail(LB_E_UNSUPPORTED, "bert: position_embedding_type '%s', absolute wanted", lb_get_text(json, "position_embedding_type", ""));
done:
    return st;
}

static bool outside_name(char *dst, size_t cap, const char *name, int variant) {
    snprintf(dst, cap, "%s%s", variant == 1 ? "bert." : variant == 2 ? "0.auto_model." : "", name);
    return true;
}

LB_ARCH(bert) = {.id = "bert", .title = "BERT encoder with the pooling of sentence-transformers", .source = "arXiv:1810.04805; names of Hugging Face BertModel; arXiv:1908.10084", .params = params,
                 .params_size = sizeof(config), .kind = "text", .inputs = "ids[N,L]:i64 mask[N,L]:i64", .taps = "embedding[N,D] pooled[N,D] tokens[N,L,D] embeddings[N,L,D] block.K[N,L,D]",
                 .forward = forward, .example = example, .from_config = from_config, .recognise = recognise, .outside_name = outside_name, .outside_variants = 3};
