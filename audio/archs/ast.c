/* SPDX-License-Identifier: Apache-2.0 */
/* Audio Spectrogram Transformer: Gong et al., arXiv:2104.01778; a vision transformer with two tokens over overlapping patches of a log-mel. Parameter names
 * are those that Hugging Face's ASTModel computes with; its published spelling loads too. */
#include <stdio.h>
#include <string.h>
#include "audio/archs.h"
#include "nn/attention.h"
#include "nn/outside.h"
#include "tensor/arrange.h"
#include "tensor/hold.h"

typedef struct config {
    int64_t hidden_size, num_hidden_layers, num_attention_heads, intermediate_size, patch_size, frequency_stride, time_stride, max_length, num_mel_bins, classes;
    double layer_norm_eps;
    const char *hidden_act;
    bool qkv_bias;
} config;

static const lb_param params[] = {
    LB_PARAM(config, hidden_size, 768, 1, 65536, "1", "width of the tokens"),
    LB_PARAM(config, num_hidden_layers, 12, 1, 1000, "1", "layers"),
    LB_PARAM(config, num_attention_heads, 12, 1, 1024, "1", "attention heads"),
    LB_PARAM(config, intermediate_size, 3072, 1, 1000000, "1", "inner width of a layer's map"),
    LB_PARAM(config, patch_size, 16, 1, 1024, "1", "side of a patch, in bands and frames"),
    LB_PARAM(config, frequency_stride, 10, 1, 1024, "1", "bands from a patch to the next"),
    LB_PARAM(config, time_stride, 10, 1, 1024, "1", "frames from a patch to the next"),
    LB_PARAM(config, max_length, 1024, 1, 1000000, "frames", "frames of the log-mel"),
    LB_PARAM(config, num_mel_bins, 128, 1, 4096, "1", "bands of the log-mel"),
    LB_PARAM(config, classes, 0, 0, 10000000, "1", "classes of the head; 0 = no logits"),
    LB_PARAM(config, layer_norm_eps, 1e-12, 0, 1, "1", "epsilon of the norms"),
    LB_PARAM_TEXT(config, hidden_act, "gelu", LB_ACT_CHOICES, "activation"),
    LB_PARAM_FLAG(config, qkv_bias, 1, "maps of queries, keys and values have biases"),
    LB_PARAM_END};

static const lb_attend_names attend_names = {.q = "q_proj", .k = "k_proj", .v = "v_proj", .out = "o_proj"};
static const lb_block_names names = {.norm1 = "layernorm_before", .attn = "attention", .norm2 = "layernorm_after", .mlp = "mlp", .self_names = &attend_names};

/* audio [N,T,F] -> two tokens, then patches, bands outermost: [N,2+P,C]. */
static lb_tensor *embeddings(lb_nn *m, const config *c, lb_tensor *audio) {
    lb_tape *t = lb_nn_tape(m);
    int64_t w = c->hidden_size, count = ((c->num_mel_bins - c->patch_size) / c->frequency_stride + 1) * ((c->max_length - c->patch_size) / c->time_stride + 1);
    if (lb_tape_ok(t) && (audio->rank != 3 || audio->shape[1] != c->max_length || audio->shape[2] != c->num_mel_bins)) {
        char text[96];
        return lb_tape_fail(t, LB_E_SHAPE, "ast: log-mel %s, wanted [N,%lld,%lld]", lb_shape_text(text, sizeof text, audio->rank, audio->shape), (long long)c->max_length, (long long)c->num_mel_bins);
    }
    lb_nn_in(m, "embeddings");
    lb_tensor *x = lb_unsqueeze(t, lb_transpose(t, audio, 1, 2), 1);
    x = lb_nn_conv2d(m, x, "patch_embeddings.projection", w, c->patch_size, (lb_conv_spec){.stride_h = c->frequency_stride, .stride_w = c->time_stride}, true);
    lb_tensor *first[] = {lb_nn_param(m, "cls_token", 3, (int64_t[]){1, 1, w}, LB_INIT_NORMAL, 0.02), lb_nn_param(m, "distillation_token", 3, (int64_t[]){1, 1, w}, LB_INIT_NORMAL, 0.02), NULL};
    lb_tensor *places = lb_nn_param(m, "position_embeddings", 3, (int64_t[]){1, count + 2, w}, LB_INIT_NORMAL, 0.02);
    if (!lb_tape_ok(t)) return lb_nn_out(m, x);
    for (int i = 0; i < 2; i++) first[i] = lb_expand(t, first[i], 3, (int64_t[]){x->shape[0], 1, w});
    first[2] = lb_transpose(t, lb_flatten(t, x, 2, 3), 1, 2);
    return lb_nn_out(m, lb_add(t, lb_concat(t, 3, first, 1), places));
}

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_tape *t = lb_nn_tape(m);
    lb_nn_tap(m, in[0], "mel");
    lb_tensor *x = embeddings(m, c, in[0]);
    lb_nn_tap(m, x, "embeddings");
    for (int64_t i = 0; i < c->num_hidden_layers; i++) {
        lb_tensor *before = x;
        lb_nn_in(m, "layers.%d", (int)i);
        x = lb_nn_out(m, lb_nn_tapped_block(m, x,
                                            &(lb_block_spec){.self = {.heads = c->num_attention_heads, .no_bias = !c->qkv_bias},
                                                             .mlp = {.width = c->intermediate_size, .act = lb_act_named(c->hidden_act)},
                                                             .eps = c->layer_norm_eps,
                                                             .names = &names},
                                            (int)i));
        lb_release(lb_nn_tape(m), before); /* nobody looks back */
    }
    x = lb_nn_layer_norm(m, x, "layernorm", c->layer_norm_eps);
    lb_nn_tap(m, x, "tokens");
    x = lb_mean(t, lb_slice(t, x, 1, 0, 2, 1), 1, false);
    lb_nn_tap(m, x, "pooled");
    lb_nn_tap(m, x, "embedding");
    if (c->classes) lb_nn_tap(m, lb_nn_linear(m, lb_nn_layer_norm(m, x, "classifier.layernorm", c->layer_norm_eps), "classifier.dense", c->classes, LB_ACT_NONE), "logits");
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    const config *c = cfg;
    (void)input;
    *rank = 3;
    shape[0] = 1;
    shape[1] = c->max_length;
    shape[2] = c->num_mel_bins;
}

static int recognise(const lb_value *json, const char *const *tensors, int64_t count) {
    static const char *const known[] = {"embeddings.distillation_token", "audio_spectrogram_transformer.embeddings.distillation_token"};
    if (lb_config_is(json, "audio-spectrogram-transformer")) return 90;
    return !lb_get(json, "model_type") && lb_names_found(tensors, count, 2, known) ? 20 : 0;
}

static lb_status from_config(void *cfg, const lb_value *json) {
    config *c = cfg;
    lb_status st = lb_params_from_config(params, cfg, json);
    if (lb_config_int(json, "patch_size", 0, 16) != lb_config_int(json, "patch_size", 1, 16)) return lb_fail(LB_E_UNSUPPORTED, "ast: patches that are not square");
    c->patch_size = lb_config_int(json, "patch_size", 0, 16);
    c->classes = lb_outside_size(json, "classifier.dense.weight", 0);
    return st;
}

static const lb_rename published[] = {{"layers.*.attention.q_proj", "encoder.layer.*.attention.attention.query"},
                                      {"layers.*.attention.k_proj", "encoder.layer.*.attention.attention.key"},
                                      {"layers.*.attention.v_proj", "encoder.layer.*.attention.attention.value"},
                                      {"layers.*.attention.o_proj", "encoder.layer.*.attention.output.dense"},
                                      {"layers.*.mlp.fc1", "encoder.layer.*.intermediate.dense"},
                                      {"layers.*.mlp.fc2", "encoder.layer.*.output.dense"},
                                      {"layers.*.layernorm_before", "encoder.layer.*.layernorm_before"},
                                      {"layers.*.layernorm_after", "encoder.layer.*.layernorm_after"},
                                      {"classifier", "/classifier"},
                                      {0}};
static const lb_rename plain[] = {{"classifier", "/classifier"}, {0}};
static const lb_spelling spellings[] = {{"audio_spectrogram_transformer.", {published}}, {"", {published}}, {"audio_spectrogram_transformer.", {plain}}, {"", {plain}}};
static bool outside_name(char *dst, size_t cap, const char *name, int variant) { return lb_spell(dst, cap, name, &spellings[variant]); }

LB_ARCH(ast) = {.id = "ast",
                .title = "Audio Spectrogram Transformer",
                .source = "arXiv:2104.01778; names of Hugging Face ASTModel",
                .params = params,
                .params_size = sizeof(config),
                .kind = "audio",
                .apart = true,
                .inputs = "audio[N,T,F]",
                .taps = "embedding[N,D] pooled[N,D] tokens[N,L,D] block.K[N,L,D] attn.K[N,H,L,L] embeddings[N,L,D] mel[N,T,F] logits[N,K]",
                .forward = forward,
                .example = example,
                .from_config = from_config,
                .recognise = recognise,
                .outside_name = outside_name,
                .outside_variants = 4,
                .preprocess = "{\"feature_extractor_type\": \"ASTFeatureExtractor\"}"};
