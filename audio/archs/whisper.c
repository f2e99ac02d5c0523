/* SPDX-License-Identifier: Apache-2.0 */
/* Whisper: Radford et al., arXiv:2212.04356. Sound to text by an encoder over log-mels and a decoder over tokens. Parameter names are those of Hugging
 * Face's WhisperModel; the spellings of its WhisperForConditionalGeneration, of OpenAI's checkpoints and of CTranslate2 load too. CTranslate2 keeps
 * queries, keys and values as one map: with `fused` so does the model. */
#include <stdio.h>
#include <string.h>
#include "audio/archs.h"
#include "nn/conv.h"
#include "nn/generate.h"
#include "nn/outside.h"
#include "tensor/derived.h"
#include "tensor/hold.h"

typedef struct config {
    int64_t vocab_size, num_mel_bins, d_model, encoder_layers, encoder_attention_heads, encoder_ffn_dim, decoder_layers, decoder_attention_heads,
        decoder_ffn_dim, max_source_positions, max_target_positions;
    double dropout;
    const char *activation_function;
    bool tie_word_embeddings, fused;
} config;

static const lb_param params[] = {
    LB_PARAM(config, vocab_size, 51865, 1, 10000000, "tokens", "size of the vocabulary"),
    LB_PARAM(config, num_mel_bins, 80, 1, 1024, "1", "bands of the log-mel"),
    LB_PARAM(config, d_model, 384, 2, 65536, "1", "width of the tokens"),
    LB_PARAM(config, encoder_layers, 4, 1, 1000, "1", "layers of the encoder"),
    LB_PARAM(config, encoder_attention_heads, 6, 1, 1024, "1", "its attention heads"),
    LB_PARAM(config, encoder_ffn_dim, 1536, 1, 1000000, "1", "inner width of its layers' maps"),
    LB_PARAM(config, decoder_layers, 4, 1, 1000, "1", "layers of the decoder"),
    LB_PARAM(config, decoder_attention_heads, 6, 1, 1024, "1", "its attention heads"),
    LB_PARAM(config, decoder_ffn_dim, 1536, 1, 1000000, "1", "inner width of its layers' maps"),
    LB_PARAM(config, max_source_positions, 1500, 1, 100000, "frames", "places of the encoder: half as many as frames of the log-mel"),
    LB_PARAM(config, max_target_positions, 448, 1, 100000, "tokens", "longest text"),
    LB_PARAM(config, dropout, 0, 0, 0.9, "1", "dropout behind attention and map"),
    LB_PARAM_TEXT(config, activation_function, "gelu", LB_ACT_CHOICES, "activation"),
    LB_PARAM_FLAG(config, tie_word_embeddings, 1, "the logits' map is the table of tokens"),
    LB_PARAM_FLAG(config, fused, 0, "queries, keys and values come from one map, keys and values of the cross-attention from another"),
    LB_PARAM_END};

static const lb_attend_names one_map = {.qkv = "qkv", .out = "out_proj"}, two_maps = {.q = "q_proj", .kv = "kv_proj", .out = "out_proj"},
                             own_maps = {.q = "q_proj", .k = "k_proj", .v = "v_proj", .out = "out_proj"};

static lb_block_names names_of(const config *c) {
    return (lb_block_names){.norm1 = "self_attn_layer_norm",
                            .attn = "self_attn",
                            .norm_cross = "encoder_attn_layer_norm",
                            .cross = "encoder_attn",
                            .norm2 = "final_layer_norm",
                            .mlp = "",
                            .self_names = c->fused ? &one_map : &own_maps,
                            .cross_names = c->fused ? &two_maps : &own_maps};
}

/* x [N,L,C] with the places `first` and on, of `count` learned ones, or those given. */
static lb_tensor *with_places(lb_nn *m, lb_tensor *x, lb_tensor *places, int64_t first, int64_t count, int64_t width) {
    lb_tape *t = lb_nn_tape(m);
    lb_tensor *table = lb_nn_param(m, "embed_positions.weight", 2, (int64_t[]){count, width}, LB_INIT_NORMAL, 0.02);
    if (!lb_tape_ok(t)) return lb_inert(t);
    return lb_add(t, x, places ? lb_embedding(t, table, places) : lb_slice(t, table, 0, first, first + x->shape[1], 1));
}

static lb_tensor *then_gelu(lb_tape *t, lb_tensor *x) {
    lb_tensor *y = lb_gelu(t, x);
    lb_release(t, x);
    return y;
}

static lb_tensor *encode(lb_nn *m, const config *c, lb_tensor *audio) {
    lb_tape *t = lb_nn_tape(m);
    lb_block_names names = names_of(c);
    lb_act act = lb_act_named(c->activation_function);
    if (lb_tape_ok(t) && (audio->rank != 3 || audio->shape[1] != c->num_mel_bins || audio->shape[2] != 2 * c->max_source_positions)) {
        char text[96];
        return lb_tape_fail(t, LB_E_SHAPE, "whisper: log-mel %s, wanted [N,%lld,%lld]", lb_shape_text(text, sizeof text, audio->rank, audio->shape),
                            (long long)c->num_mel_bins, (long long)(2 * c->max_source_positions));
    }
    lb_nn_tap(m, audio, "mel");
    lb_nn_in(m, "encoder");
    lb_scope inner = lb_scope_begin(t);
    lb_tensor *x = then_gelu(t, lb_nn_conv1d(m, audio, "conv1", c->d_model, 3, lb_conv_same(1, 1, 1), true)), *before = x;
    x = then_gelu(t, lb_nn_conv1d(m, x, "conv2", c->d_model, 3, lb_conv_same(2, 1, 1), true));
    lb_release(t, before);
    x = lb_scope_end(t, inner, lb_nn_dropout(m, with_places(m, lb_transpose(t, x, 1, 2), NULL, 0, c->max_source_positions, c->d_model), c->dropout));
    lb_nn_tap(m, x, "embeddings");
    for (int64_t i = 0; i < c->encoder_layers; i++) {
        before = x;
        lb_nn_in(m, "layers.%d", (int)i);
        x = lb_nn_out(m, lb_nn_tapped_block(m, x,
                                            &(lb_block_spec){.self = {.heads = c->encoder_attention_heads, .no_key_bias = true},
                                                             .mlp = {.width = c->encoder_ffn_dim, .act = act},
                                                             .dropout = c->dropout,
                                                             .names = &names},
                                            (int)i));
        lb_release(t, before); /* nobody looks back */
    }
    x = lb_nn_out(m, lb_nn_layer_norm(m, x, "layer_norm", 1e-5));
    lb_nn_tap(m, x, "encoder");
    return x;
}

static lb_tensor *decode(lb_nn *m, const void *cfg, const lb_decode *d) {
    const config *c = cfg;
    lb_tape *t = lb_nn_tape(m);
    lb_block_names names = names_of(c);
    int64_t length = d->ids->rank == 2 ? d->ids->shape[1] : 1, before = d->self && c->decoder_layers > 0 ? lb_kv_cache_length(d->self[0]) : 0;
    if (lb_tape_ok(t) && before + length > c->max_target_positions)
        return lb_tape_fail(t, LB_E_SHAPE, "whisper: a text of %lld tokens, at most %lld wanted", (long long)(before + length),
                            (long long)c->max_target_positions);
    lb_nn_in(m, "decoder");
    lb_tensor *table = lb_nn_param(m, "embed_tokens.weight", 2, (int64_t[]){c->vocab_size, c->d_model}, LB_INIT_NORMAL, 0.02);
    lb_tensor *x = lb_nn_dropout(m, with_places(m, lb_embedding(t, table, d->ids), d->positions, before, c->max_target_positions, c->d_model), c->dropout);
    for (int64_t i = 0; i < c->decoder_layers; i++) {
        lb_nn_in(m, "layers.%d", (int)i);
        lb_attend_spec self = {.heads = c->decoder_attention_heads, .no_key_bias = true, .causal = true, .mask = d->mask, .cache = d->self ? d->self[i] : NULL};
        lb_attend_spec cross = {.heads = c->decoder_attention_heads, .no_key_bias = true, .cache = d->cross ? d->cross[i] : NULL, .fixed = true};
        x = lb_nn_block(m, x,
                        &(lb_block_spec){.self = self,
                                         .cross = cross,
                                         .memory = d->memory,
                                         .mlp = {.width = c->decoder_ffn_dim, .act = lb_act_named(c->activation_function)},
                                         .dropout = c->dropout,
                                         .names = &names});
        if (!d->self) lb_nn_tap(m, x, "decoder.%d", (int)i);
        x = lb_nn_out(m, x);
    }
    if (d->last) x = lb_slice(t, x, 1, -1, INT64_MAX, 1);
    x = lb_nn_layer_norm(m, x, "layer_norm", 1e-5);
    x = lb_nn_out(m, x);
    return lb_nn_logits(m, x, c->vocab_size, c->tie_word_embeddings ? "decoder.embed_tokens.weight" : NULL, "proj_out");
}

static int64_t layers_of(const void *cfg) { return ((const config *)cfg)->decoder_layers; }
static int64_t most_of(const void *cfg) { return ((const config *)cfg)->max_target_positions; }
static int64_t vocab_of(const void *cfg) { return ((const config *)cfg)->vocab_size; }
static const struct lb_text_decoder decoder = {.layers = layers_of, .most = most_of, .vocab = vocab_of, .run = decode, .memory = "encoder"};

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    lb_tensor *x = encode(m, cfg, in[0]);
    if (in[1]) lb_nn_tap(m, decode(m, cfg, &(lb_decode){.ids = in[1], .memory = x}), "logits");
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    const config *c = cfg;
    *rank = input == 0 ? 3 : 2;
    shape[0] = 1;
    shape[1] = input == 0 ? c->num_mel_bins : c->max_target_positions < 4 ? c->max_target_positions : 4;
    shape[2] = 2 * c->max_source_positions;
}

/* ---- what others write ---- */

static const lb_rename openai_names[] = {{"*.embed_positions.weight", "*.positional_embedding"},
                                         {"decoder.embed_tokens", "decoder.token_embedding"},
                                         {"encoder.layer_norm", "encoder.ln_post"},
                                         {"decoder.layer_norm", "decoder.ln"},
                                         {"*.layers.*.self_attn.q_proj", "*.blocks.*.attn.query"},
                                         {"*.layers.*.self_attn.k_proj", "*.blocks.*.attn.key"},
                                         {"*.layers.*.self_attn.v_proj", "*.blocks.*.attn.value"},
                                         {"*.layers.*.self_attn.out_proj", "*.blocks.*.attn.out"},
                                         {"*.layers.*.encoder_attn.q_proj", "*.blocks.*.cross_attn.query"},
                                         {"*.layers.*.encoder_attn.k_proj", "*.blocks.*.cross_attn.key"},
                                         {"*.layers.*.encoder_attn.v_proj", "*.blocks.*.cross_attn.value"},
                                         {"*.layers.*.encoder_attn.out_proj", "*.blocks.*.cross_attn.out"},
                                         {"*.layers.*.self_attn_layer_norm", "*.blocks.*.attn_ln"},
                                         {"*.layers.*.encoder_attn_layer_norm", "*.blocks.*.cross_attn_ln"},
                                         {"*.layers.*.final_layer_norm", "*.blocks.*.mlp_ln"},
                                         {"*.layers.*.fc1", "*.blocks.*.mlp.0"},
                                         {"*.layers.*.fc2", "*.blocks.*.mlp.2"},
                                         {0}};
/* With dots where CTranslate2 has slashes. */
static const lb_rename ctranslate2_names[] = {{"*.embed_positions.weight", "*.position_encodings.encodings"},
                                              {"decoder.embed_tokens", "decoder.embeddings"},
                                              {"proj_out", "decoder.projection"},
                                              {"*.layer_norm.weight", "*.layer_norm.gamma"},
                                              {"*.layer_norm.bias", "*.layer_norm.beta"},
                                              {"*.layers.*.self_attn_layer_norm.weight", "*.layer_*.self_attention.layer_norm.gamma"},
                                              {"*.layers.*.self_attn_layer_norm.bias", "*.layer_*.self_attention.layer_norm.beta"},
                                              {"*.layers.*.encoder_attn_layer_norm.weight", "*.layer_*.attention.layer_norm.gamma"},
                                              {"*.layers.*.encoder_attn_layer_norm.bias", "*.layer_*.attention.layer_norm.beta"},
                                              {"*.layers.*.final_layer_norm.weight", "*.layer_*.ffn.layer_norm.gamma"},
                                              {"*.layers.*.final_layer_norm.bias", "*.layer_*.ffn.layer_norm.beta"},
                                              {"*.layers.*.self_attn.qkv", "*.layer_*.self_attention.linear_0"},
                                              {"*.layers.*.self_attn.out_proj", "*.layer_*.self_attention.linear_1"},
                                              {"*.layers.*.encoder_attn.q_proj", "*.layer_*.attention.linear_0"},
                                              {"*.layers.*.encoder_attn.kv_proj", "*.layer_*.attention.linear_1"},
                                              {"*.layers.*.encoder_attn.out_proj", "*.layer_*.attention.linear_2"},
                                              {"*.layers.*.fc1", "*.layer_*.ffn.linear_0"},
                                              {"*.layers.*.fc2", "*.layer_*.ffn.linear_1"},
                                              {0}};
static const lb_rename huggingface_names[] = {{"proj_out", "/proj_out"}, {0}};

enum { HUGGINGFACE, HUGGINGFACE_BARE, OPENAI, CTRANSLATE2, SPELLINGS };
static const lb_spelling spellings[SPELLINGS] = {{"model.", {huggingface_names}}, {"", {NULL}}, {"", {openai_names}}, {"", {ctranslate2_names}}};

static bool outside_name(char *dst, size_t cap, const char *name, int variant) {
    bool there = lb_spell(dst, cap, name, &spellings[variant]);
    for (char *p = dst; variant == CTRANSLATE2 && *p; p++)
        if (*p == '.') *p = '/';
    return there;
}

static int recognise(const lb_value *json, const char *const *names, int64_t count) {
    static const char *const known[] = {"decoder/layer_0/attention/linear_1/weight", "decoder.blocks.0.cross_attn.query.weight"}, *const conv[] = {"encoder/conv1/weight", "encoder.conv1.weight"};
    if (lb_config_is(json, "whisper")) return 90;
    return lb_names_found(names, count, 2, known) && lb_names_found(names, count, 2, conv) ? 60 : 0;
}

static int64_t size_by(const lb_value *json, const char *ours, int variant, int axis) {
    char name[256];
    outside_name(name, sizeof name, ours, variant);
    return lb_outside_size(json, name, axis);
}

static int64_t count_layers(const lb_value *json, const char *side, int variant) {
    char name[128];
    for (int64_t i = 0;; i++) {
        snprintf(name, sizeof name, "%s.layers.%lld.fc1.weight", side, (long long)i);
        if (size_by(json, name, variant, 0) == 0) return i;
    }
}

/* Sizes from the tensors where there is no config.json of Hugging Face; heads are 64 wide in every published size. */
static lb_status from_tensors(config *c, const lb_value *json, int variant) {
    c->fused = variant == CTRANSLATE2;
    c->d_model = size_by(json, "encoder.conv1.weight", variant, 0);
    c->num_mel_bins = size_by(json, "encoder.conv1.weight", variant, 1);
    c->vocab_size = size_by(json, "decoder.embed_tokens.weight", variant, 0);
    c->max_source_positions = size_by(json, "encoder.embed_positions.weight", variant, 0);
    c->max_target_positions = size_by(json, "decoder.embed_positions.weight", variant, 0);
    c->encoder_layers = count_layers(json, "encoder", variant);
    c->decoder_layers = count_layers(json, "decoder", variant);
    c->encoder_ffn_dim = size_by(json, "encoder.layers.0.fc1.weight", variant, 0);
    c->decoder_ffn_dim = size_by(json, "decoder.layers.0.fc1.weight", variant, 0);
    c->encoder_attention_heads = c->decoder_attention_heads = c->d_model / 64;
    if (c->d_model >= 64 && c->d_model % 64 == 0 && c->vocab_size && c->num_mel_bins && c->max_source_positions && c->max_target_positions && c->encoder_layers && c->decoder_layers) return LB_OK;
    return lb_fail(LB_E_UNSUPPORTED, "whisper: sizes cannot be read from the tensors: width %lld (a multiple of 64 is wanted), %lld and %lld layers",
                   (long long)c->d_model, (long long)c->encoder_layers, (long long)c->decoder_layers);
}

static lb_status from_config(void *cfg, const lb_value *json) {
    if (lb_get(json, "d_model")) return lb_params_from_config(params, cfg, json);
    for (int variant = 0; variant < SPELLINGS; variant++)
        if (size_by(json, "encoder.conv1.weight", variant, 0)) return from_tensors(cfg, json, variant);
    return lb_fail(LB_E_UNSUPPORTED, "whisper: neither a config.json with d_model nor tensors of a known spelling");
}

LB_ARCH(whisper) = {.id = "whisper",
                    .title = "Whisper: speech to text by an encoder and a decoder",
                    .source = "arXiv:2212.04356; names of Hugging Face WhisperModel",
                    .params = params,
                    .params_size = sizeof(config),
                    .kind = "audio",
                    .apart = true,
                    .inputs = "audio[N,B,T] ids[N,L]:i64?",
                    .taps = "encoder[N,S,D] block.K[N,S,D] attn.K[N,H,S,S] embeddings[N,S,D] mel[N,B,T] logits[N,L,V] decoder.K[N,L,D] text",
                    .forward = forward,
                    .example = example,
                    .from_config = from_config,
                    .recognise = recognise,
                    .outside_name = outside_name,
                    .outside_variants = SPELLINGS,
                    .preprocess = "{\"feature_extractor_type\": \"WhisperFeatureExtractor\"}",
                    .decoder = &decoder};
