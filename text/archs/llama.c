/* SPDX-License-Identifier: Apache-2.0 */
/* LLaMA and its kin: Touvron et al., arXiv:2302.13971; Mistral (arXiv:2310.06825: sliding window), Qwen2 (arXiv:2407.10671: biases of queries, keys and values),
 * Qwen3 (arXiv:2505.09388: norms of queries and keys). Rotary positions, grouped keys and values, SwiGLU, RMS norms. Parameter names are Hugging Face's
 * LlamaModel. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "nn/generate.h"
#include "nn/outside.h"
#include "text/archs.h"
#include "text/sentence.h"

typedef struct config {
    int64_t vocab_size, hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, num_key_value_heads, head_dim, max_position_embeddings, sliding_window, rope_length;
    double rms_norm_eps, rope_theta, rope_factor, rope_low, rope_high, rope_part, rope_magnitude;
    const char *hidden_act, *rope_type, *layer_types;
    bool qkv_bias, out_bias, mlp_bias, head_norms, tie_word_embeddings, no_logits, rope_exact;
    lb_sentence sentence;
} config;

static const lb_param params[] = {
    LB_PARAM(config, vocab_size, 32000, 1, 10000000, "tokens", "size of the vocabulary"),
    LB_PARAM(config, hidden_size, 4096, 1, 65536, "1", "width of the tokens"),
    LB_PARAM(config, intermediate_size, 11008, 1, 1000000, "1", "inner width of a layer's map"),
    LB_PARAM(config, num_hidden_layers, 32, 1, 1000, "1", "layers"),
    LB_PARAM(config, num_attention_heads, 32, 1, 1024, "1", "attention heads"),
    LB_PARAM(config, num_key_value_heads, 0, 0, 1024, "1", "heads of keys and values; 0 = num_attention_heads"),
    LB_PARAM(config, head_dim, 0, 0, 65536, "1", "width of a head; 0 = hidden_size / num_attention_heads"),
    LB_PARAM(config, max_position_embeddings, 2048, 1, 100000000, "tokens", "longest text"),
    LB_PARAM(config, sliding_window, 0, 0, 100000000, "tokens", "tokens that a token sees, itself included; 0 = all before it"),
    LB_PARAM_TEXT(config, layer_types, "", NULL, "where the window holds: a letter for each layer, s = window, f = all; empty = in all layers"),
    LB_PARAM(config, rms_norm_eps, 1e-6, 0, 1, "1", "epsilon of the norms"),
    LB_PARAM_TEXT(config, hidden_act, "silu", LB_ACT_CHOICES, "activation of the gates"),
    LB_PARAM(config, rope_theta, 10000, LB_ABOVE_0, 1e12, "1", "base of the rotary positions"),
    LB_PARAM_TEXT(config, rope_type, "default", "default|linear|dynamic|llama3|yarn", "how they are scaled for longer texts"),
    LB_PARAM(config, rope_factor, 1, LB_ABOVE_0, 1e6, "1", "by how much"),
    LB_PARAM(config, rope_low, 1, 0, 1e6, "1", "low_freq_factor of llama3, beta_slow of yarn"),
    LB_PARAM(config, rope_high, 4, 0, 1e6, "1", "high_freq_factor of llama3, beta_fast of yarn"),
    LB_PARAM(config, rope_length, 0, 0, 100000000, "tokens", "original_max_position_embeddings; 0 = max_position_embeddings"),
    LB_PARAM(config, rope_magnitude, 0, 0, 1000, "1", "attention_factor of yarn; 0 = 0.1 log(factor) + 1"),
    LB_PARAM_FLAG(config, rope_exact, 0, "yarn: borders are not rounded"),
    LB_PARAM(config, rope_part, 1, 0, 1, "1", "share of a head that is turned"),
    LB_PARAM_FLAG(config, qkv_bias, 0, "maps of queries, keys and values have biases"),
    LB_PARAM_FLAG(config, out_bias, 0, "the attention's output map has a bias"),
    LB_PARAM_FLAG(config, mlp_bias, 0, "the maps behind it have biases"),
    LB_PARAM_FLAG(config, head_norms, 0, "queries and keys of each head are normalised"),
    LB_PARAM_FLAG(config, no_logits, 0, "the network ends with its tokens: no map to logits, no text"),
    LB_PARAM_FLAG(config, tie_word_embeddings, 0, "the logits' map is the table of tokens"),
    LB_SENTENCE_PARAMS(config, "none", 0),
    LB_PARAM_END};

static const lb_attend_names plain = {.q = "q_proj", .k = "k_proj", .v = "v_proj", .out = "o_proj"},
                             normed = {.q = "q_proj", .k = "k_proj", .v = "v_proj", .out = "o_proj", .q_norm = "q_norm", .k_norm = "k_norm"};

static int64_t head_of(const config *c) { return c->head_dim ? c->head_dim : c->hidden_size / c->num_attention_heads; }

/* Tables for texts of `length` tokens. */
static lb_rotary_spec rotary_of(const config *c, int64_t length) {
    lb_rotary_spec s = {.pairs = (int64_t)((double)head_of(c) * c->rope_part) / 2,
                        .base = c->rope_theta,
                        .factor = c->rope_factor,
                        .low = c->rope_low,
                        .high = c->rope_high,
                        .length = c->rope_length ? c->rope_length : c->max_position_embeddings};
    double dim = 2 * (double)s.pairs, most = (double)c->max_position_embeddings;
    if (strcmp(c->rope_type, "linear") == 0) s.scaling = LB_ROTARY_LINEAR;
    if (strcmp(c->rope_type, "llama3") == 0) s.scaling = LB_ROTARY_LLAMA3;
    if (strcmp(c->rope_type, "yarn") == 0) {
        s.scaling = LB_ROTARY_YARN;
        s.exact = c->rope_exact;
        s.magnitude = c->rope_magnitude > 0 ? c->rope_magnitude : c->rope_factor > 1 ? 0.1 * log(c->rope_factor) + 1 : 1;
    }
    if (strcmp(c->rope_type, "dynamic") == 0 && length > c->max_position_embeddings) s.base *= pow(c->rope_factor * (double)length / most - (c->rope_factor - 1), dim / (dim - 2));
    return s;
}

/* Tokens [R,L,C] behind the final norm. */
static lb_tensor *run(lb_nn *m, const config *c, const lb_decode *d) {
    lb_tape *t = lb_nn_tape(m);
    int64_t length = d->ids->rank == 2 ? d->ids->shape[1] : 1, before = d->self && c->num_hidden_layers > 0 ? lb_kv_cache_length(d->self[0]) : 0;
    lb_tensor *x = lb_nn_embedding(m, d->ids, "embed_tokens", c->vocab_size, c->hidden_size, 0.02), *sin = NULL;
    lb_tensor *places = d->positions ? d->positions : lb_slice(t, lb_arange(t, before + length), 0, before, before + length, 1);
    lb_tensor *cos = lb_rotary_table(t, places, rotary_of(c, before + length), &sin);
    lb_block_names names = lb_names_llama;
    names.self_names = c->head_norms ? &normed : &plain;
    if (!d->self) lb_nn_tap(m, x, "embeddings");
    for (int64_t i = 0; i < c->num_hidden_layers; i++) {
        bool all = (size_t)i < strlen(c->layer_types) && c->layer_types[i] == 'f';
        lb_attend_spec self = {.heads = c->num_attention_heads,
                               .kv_heads = c->num_key_value_heads,
                               .head_width = head_of(c),
                               .no_bias = !c->qkv_bias,
                               .no_out_bias = !c->out_bias,
                               .mask = d->mask,
                               .window = all ? 0 : c->sliding_window,
                               .causal = true,
                               .cos = cos,
                               .sin = sin,
                               .head_norm = LB_NORM_RMS,
                               .eps = c->rms_norm_eps,
                               .cache = d->self ? d->self[i] : NULL};
        lb_nn_in(m, "layers.%d", (int)i);
        x = lb_nn_tapped_block(
            m, x,
            &(lb_block_spec){.self = self,
                             .mlp = {.width = c->intermediate_size, .act = lb_act_named(c->hidden_act), .gated = true, .no_bias = !c->mlp_bias},
                             .norm = LB_NORM_RMS,
                             .eps = c->rms_norm_eps,
                             .names = &names},
            (int)i);
        x = lb_nn_out(m, x);
    }
    if (d->last) x = lb_slice(t, x, 1, -1, INT64_MAX, 1);
    return lb_nn_rms_norm(m, x, "norm", c->rms_norm_eps);
}

static lb_tensor *logits(lb_nn *m, const config *c, lb_tensor *x) { return lb_nn_logits(m, x, c->vocab_size, c->tie_word_embeddings ? "embed_tokens.weight" : NULL, "lm_head"); }

static lb_tensor *decode(lb_nn *m, const void *cfg, const lb_decode *d) {
    const config *c = cfg;
    return c->no_logits ? lb_tape_fail(lb_nn_tape(m), LB_E_UNSUPPORTED, "llama: the file has no map to logits (lm_head.weight): it writes no text") : logits(m, c, run(m, c, d));
}
static int64_t layers_of(const void *cfg) { return ((const config *)cfg)->num_hidden_layers; }
static int64_t most_of(const void *cfg) { return ((const config *)cfg)->max_position_embeddings; }
static int64_t vocab_of(const void *cfg) { return ((const config *)cfg)->vocab_size; }
static const struct lb_text_decoder decoder = {.layers = layers_of, .most = most_of, .vocab = vocab_of, .run = decode};

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_tensor *x = run(m, c, &(lb_decode){.ids = in[0], .mask = in[1]});
    lb_nn_tap(m, x, "tokens");
    if (!c->no_logits && lb_nn_wants_logits(m)) lb_nn_tap(m, logits(m, c, x), "logits");
    lb_sentence_head(m, x, in[1], &c->sentence);
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    const config *c = cfg;
    (void)input;
    lb_text_example(c->max_position_embeddings, rank, shape);
}

/* ---- config.json ---- */

static int recognise(const lb_value *json, const char *const *tensors, int64_t count) {
    static const char *const types[] = {"llama", "mistral", "qwen2", "qwen3"}, *const known[] = {"model.layers.0.self_attn.q_proj.weight",
                                                                                                 "model.layers.0.mlp.gate_proj.weight",
                                                                                                 "model.layers.0.post_attention_layernorm.weight"};
    for (size_t i = 0; i < LB_COUNT(types); i++)
        if (lb_config_is(json, types[i])) return 90;
    return !lb_get(json, "model_type") && lb_names_found(tensors, count, 3, known) == 3 ? 30 : 0;
}

/* transformers 5 writes rope_parameters, earlier ones rope_theta and rope_scaling. */
static lb_status read_rope(config *c, const lb_value *json) {
    const lb_value *r = lb_get(json, "rope_parameters"), *old = lb_get(json, "rope_scaling");
    const lb_value *v = r && r->kind == LB_V_MAP ? r : old && old->kind == LB_V_MAP ? old : NULL;
    const char *type = lb_get_text(v, "rope_type", lb_get_text(v, "type", "default"));
    c->rope_theta = lb_get_real(v, "rope_theta", lb_get_real(json, "rope_theta", 10000));
    double part = lb_get_real(v, "partial_rotary_factor", lb_get_real(json, "partial_rotary_factor", 1));
    if (part != 1) return lb_fail(LB_E_UNSUPPORTED, "partial_rotary_factor is %g: networks of this kind turn whole heads", part);
    c->rope_length = lb_get_int(v, "original_max_position_embeddings", 0);
    c->rope_factor = lb_get_real(v, "factor", c->rope_length ? (double)c->max_position_embeddings / (double)c->rope_length : 1);
    c->rope_magnitude = lb_get_real(v, "attention_factor", 0);
    bool yarn = strcmp(type, "yarn") == 0;
    c->rope_low = yarn ? lb_get_real(v, "beta_slow", 1) : lb_get_real(v, "low_freq_factor", 1);
    c->rope_high = yarn ? lb_get_real(v, "beta_fast", 32) : lb_get_real(v, "high_freq_factor", 4);
    c->rope_exact = !lb_get_bool(v, "truncate", true);
    double mscale = lb_get_real(v, "mscale", 0), all = lb_get_real(v, "mscale_all_dim", 0);
    if (yarn && !(c->rope_magnitude > 0) && mscale != 0 && all != 0 && c->rope_factor > 1) c->rope_magnitude = (0.1 * mscale * log(c->rope_factor) + 1) / (0.1 * all * log(c->rope_factor) + 1);
    lb_status st = lb_param_set_text(lb_param_find(params, "rope_type"), c, type);
    return st == LB_OK ? st : lb_fail(LB_E_UNSUPPORTED, "rotary positions '%s': default, linear, dynamic, llama3 or yarn wanted", type);
}

/* In which layers the window holds. */
static lb_status read_windows(config *c, const lb_value *json) {
    const lb_value *types = lb_get(json, "layer_types");
    bool qwen = lb_config_is(json, "qwen2") || lb_config_is(json, "qwen3"), used = !qwen || lb_get_bool(json, "use_sliding_window", false);
    int64_t from = qwen ? lb_get_int(json, "max_window_layers", 28) : 0;
    char text[1001];
    int64_t n = c->num_hidden_layers < 1000 ? c->num_hidden_layers : 1000;
    if (lb_config_is(json, "llama") || !used) c->sliding_window = 0;
    else if (!lb_get(json, "sliding_window")) c->sliding_window = 4096;
    if (c->sliding_window == 0) return LB_OK;
    for (int64_t i = 0; i < n; i++) {
        bool listed = types && types->kind == LB_V_LIST && i < types->count && types->items[i]->kind == LB_V_TEXT;
        text[i] = (listed ? strcmp(types->items[i]->text, "sliding_attention") == 0 : i >= from) ? 's' : 'f';
    }
    text[n] = 0;
    return lb_param_set_text(lb_param_find(params, "layer_types"), c, text);
}

static lb_status from_config(void *cfg, const lb_value *json) {
    config *c = cfg;
    lb_status st = lb_params_from_config(params, cfg, json);
    if (st != LB_OK) return st;
    bool qwen2 = lb_config_is(json, "qwen2"), qwen3 = lb_config_is(json, "qwen3"), bias = lb_get_bool(json, "attention_bias", false);
    c->qkv_bias = qwen2 || bias;
    c->out_bias = !qwen2 && bias;
    c->head_norms = qwen3;
    if (qwen3 && !lb_get(json, "head_dim")) c->head_dim = 128;
    if (lb_config_is(json, "mistral") && !lb_get(json, "num_key_value_heads")) c->num_key_value_heads = 8;
    c->no_logits = !c->tie_word_embeddings && lb_get(json, "tensors") && !lb_outside_has(json, "lm_head.weight");
    st = read_rope(c, json);
    return st == LB_OK ? read_windows(c, json) : st;
}

static const lb_rename hf_names[] = {{"lm_head", "/lm_head"}, {"dense", "/dense"}, {0}};
static const lb_spelling spellings[] = {{"model.", {hf_names}}, {"", {hf_names}}};
static bool outside_name(char *dst, size_t cap, const char *name, int variant) { return lb_spell(dst, cap, name, &spellings[variant]); }

LB_ARCH(llama) = {.id = "llama",
                  .title = "LLaMA, Mistral, Qwen2, Qwen3: decoders of text",
                  .source = "arXiv:2302.13971; names of Hugging Face LlamaModel",
                  .params = params,
                  .params_size = sizeof(config),
                  .kind = "text",
                  .apart = true,
                  .inputs = "ids[N,L]:i64 mask[N,L]:i64",
                  .taps = "logits[N,L,V] tokens[N,L,D] embeddings[N,L,D] block.K[N,L,D] attn.K[N,H,L,L] text embedding[N,D] pooled[N,D]",
                  .forward = forward,
                  .example = example,
                  .from_config = from_config,
                  .recognise = recognise,
                  .outside_name = outside_name,
                  .outside_variants = 2,
                  .decoder = &decoder};
