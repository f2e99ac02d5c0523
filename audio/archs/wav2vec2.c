/* SPDX-License-Identifier: Apache-2.0 */
/* wav2vec 2.0 and HuBERT: Baevski et al., arXiv:2006.11477; Hsu et al., arXiv:2106.07447. Convolutions over the wave, places by a grouped convolution with
 * weight norm, a transformer. Parameter names are Hugging Face's Wav2Vec2Model; weight norm in its old spelling, the new one loads too. */
#include <stdio.h>
#include <string.h>
#include "audio/archs.h"
#include "nn/attention.h"
#include "nn/conv.h"
#include "nn/outside.h"
#include "tensor/arrange.h"
#include "tensor/derived.h"

enum { CONVS = 32 };

typedef struct config {
    int64_t hidden_size, num_hidden_layers, num_attention_heads, intermediate_size, num_conv_pos_embeddings, num_conv_pos_embedding_groups, num_adapter_layers,
        adapter_kernel_size, adapter_stride, output_hidden_size, adapter_attn_dim, classes;
    double layer_norm_eps;
    const char *conv_dim, *conv_stride, *conv_kernel, *feat_extract_norm, *feat_extract_activation, *hidden_act;
    bool conv_bias, do_stable_layer_norm, feat_proj_layer_norm, conv_pos_batch_norm;
} config;

static const lb_param params[] = {
    LB_PARAM(config, hidden_size, 768, 1, 65536, "1", "width of the tokens"),
    LB_PARAM(config, num_hidden_layers, 12, 1, 1000, "1", "layers"),
    LB_PARAM(config, num_attention_heads, 12, 1, 1024, "1", "attention heads"),
    LB_PARAM(config, intermediate_size, 3072, 1, 1000000, "1", "inner width of a layer's map"),
    LB_PARAM_TEXT(config, conv_dim, "512,512,512,512,512,512,512", NULL, "channels of the convolutions over the wave"),
    LB_PARAM_TEXT(config, conv_stride, "5,2,2,2,2,2,2", NULL, "their strides"),
    LB_PARAM_TEXT(config, conv_kernel, "10,3,3,3,3,2,2", NULL, "their kernels"),
    LB_PARAM_FLAG(config, conv_bias, 0, "they have biases"),
    LB_PARAM_TEXT(config, feat_extract_norm, "group", "group|layer", "norm of each channel behind the first, or over the channels behind each"),
    LB_PARAM_TEXT(config, feat_extract_activation, "gelu", LB_ACT_CHOICES, "their activation"),
    LB_PARAM_FLAG(config, feat_proj_layer_norm, 1, "features are normalised before their map"),
    LB_PARAM(config, num_conv_pos_embeddings, 128, 1, 100000, "1", "kernel of the convolution that tells places"),
    LB_PARAM(config, num_conv_pos_embedding_groups, 16, 1, 100000, "1", "its groups"),
    LB_PARAM_FLAG(config, conv_pos_batch_norm, 0, "before it a batch norm, and no weight norm"),
    LB_PARAM_FLAG(config, do_stable_layer_norm, 0, "norms before the layers' parts, and one at the end"),
    LB_PARAM(config, layer_norm_eps, 1e-5, 0, 1, "1", "epsilon of the norms"),
    LB_PARAM_TEXT(config, hidden_act, "gelu", LB_ACT_CHOICES, "activation of the layers"),
    LB_PARAM(config, num_adapter_layers, 0, 0, 16, "layers", "gated convolutions behind the layers; 0 = none"),
    LB_PARAM(config, adapter_kernel_size, 3, 1, 1000, "1", "their kernel"),
    LB_PARAM(config, adapter_stride, 2, 1, 1000, "1", "their stride"),
    LB_PARAM(config, output_hidden_size, 0, 0, 65536, "1", "their width; 0 = hidden_size"),
    LB_PARAM(config, adapter_attn_dim, 0, 0, 65536, "1", "width of a map of two linears added behind each layer (with do_stable_layer_norm); 0 = none"),
    LB_PARAM(config, classes, 0, 0, 10000000, "tokens", "vocabulary of the CTC head; 0 = no logits"),
    LB_PARAM_END};

typedef struct convs {
    int count;
    int64_t dim[CONVS], stride[CONVS], kernel[CONVS];
} convs;

static bool read_convs(convs *v, const config *c) {
    v->count = lb_numbers_of(v->dim, CONVS, c->conv_dim);
    return v->count > 0 && lb_numbers_of(v->stride, CONVS, c->conv_stride) == v->count && lb_numbers_of(v->kernel, CONVS, c->conv_kernel) == v->count;
}

static const lb_attend_names attend_names = {0};
static const lb_block_names names = {.norm1 = "layer_norm",
                                     .attn = "attention",
                                     .norm2 = "final_layer_norm",
                                     .mlp = "feed_forward",
                                     .self_names = &attend_names,
                                     .up = "intermediate_dense",
                                     .down = "output_dense"};

/* audio [N,T] -> [N,L,C]. */
static lb_tensor *extract(lb_nn *m, const config *c, const convs *v, lb_tensor *audio) {
    lb_tape *t = lb_nn_tape(m);
    bool layers = strcmp(c->feat_extract_norm, "layer") == 0;
    lb_tensor *x = lb_unsqueeze(t, audio, 1);
    for (int i = 0; i < v->count; i++) {
        lb_nn_in(m, "feature_extractor.conv_layers.%d", i);
        x = lb_nn_conv1d(m, x, "conv", v->dim[i], v->kernel[i], lb_conv_same(v->stride[i], 0, 1), c->conv_bias);
        if (layers) x = lb_nn_channel_norm(m, x, "layer_norm", 1e-5);
        else if (i == 0) x = lb_nn_group_norm(m, x, "layer_norm", v->dim[0], 1e-5);
        x = lb_nn_out(m, lb_activate(t, x, lb_act_named(c->feat_extract_activation)));
    }
    return lb_transpose(t, x, 1, 2);
}

/* Places of x [N,L,C]: kernel g v / |v|, the norm over all but the last axis (Salimans and Kingma, arXiv:1602.07868). */
static lb_tensor *places(lb_nn *m, const config *c, lb_tensor *x) {
    lb_tape *t = lb_nn_tape(m);
    int64_t w = c->hidden_size, k = c->num_conv_pos_embeddings, shape[] = {w, w / c->num_conv_pos_embedding_groups, k};
    lb_nn_in(m, "pos_conv_embed");
    lb_tensor *y = lb_transpose(t, x, 1, 2), *kernel;
    if (c->conv_pos_batch_norm) {
        y = lb_squeeze(t, lb_nn_batch_norm(m, lb_unsqueeze(t, y, -1), "batch_norm", 1e-5, 0.1, LB_ACT_NONE), -1);
        kernel = lb_nn_param(m, "conv.weight", 3, shape, LB_INIT_NORMAL, 0.02);
    } else {
        lb_tensor *size = lb_nn_param(m, "conv.weight_g", 3, (int64_t[]){1, 1, k}, LB_INIT_ONES, 0), *direction = lb_nn_param(m, "conv.weight_v", 3, shape, LB_INIT_NORMAL, 0.02);
        kernel = lb_mul(t, direction, lb_div(t, size, lb_norm(t, direction, 2, LB_AXES(0, 1), true)));
    }
    lb_tensor *bias = lb_nn_param(m, "conv.bias", 1, &w, LB_INIT_ZEROS, 0);
    const lb_conv_spec spec = {.stride_w = 1, .pad_l = k / 2, .pad_r = k / 2 - (k % 2 == 0), .groups = c->num_conv_pos_embedding_groups};
    y = lb_conv1d(t, y, kernel, bias, spec, lb_act_named(c->feat_extract_activation));
    return lb_nn_out(m, lb_transpose(t, y, 1, 2));
}

/* Which of `count` features hold sound, from the mask of samples, by its values; ones on a SHAPES tape. i64 [N,count] */
static lb_tensor *feature_mask(lb_tape *t, const convs *v, lb_tensor *mask, int64_t count) {
    if (!lb_tape_ok(t)) return lb_inert(t);
    int64_t n = mask->shape[0], length = mask->shape[1];
    int64_t *x = lb_calloc((size_t)(n * length) + 1, sizeof *x), *y = lb_calloc((size_t)(n * count) + 1, sizeof *y);
    lb_status st = x && y ? LB_OK : LB_E_NOMEM;
    bool shapes = lb_tape_get_mode(t) == LB_TAPE_SHAPES;
    if (st == LB_OK && !shapes) st = lb_read_i64(mask, x, n * length);
    for (int64_t i = 0; st == LB_OK && i < n; i++) {
        int64_t samples = 0;
        for (int64_t k = 0; k < length; k++) samples += shapes || x[i * length + k];
        for (int k = 0; k < v->count; k++) samples = samples < v->kernel[k] ? 0 : (samples - v->kernel[k]) / v->stride[k] + 1;
        for (int64_t k = 0; k < count; k++) y[i * count + k] = k < samples;
    }
    lb_tensor *z = st == LB_OK ? lb_input(t, LB_I64, 2, (int64_t[]){n, count}, y, LB_I64) : lb_tape_fail_status(t, st);
    lb_free(x);
    lb_free(y);
    return z;
}

/* A layer with its adapter: x + linear_2 relu(linear_1 norm x) behind the block. */
static lb_tensor *adapted_block(lb_nn *m, const config *c, lb_tensor *x, const lb_block_spec *spec, int i) {
    lb_tape *t = lb_nn_tape(m);
    char tap[24];
    lb_tensor *map = NULL;
    lb_block_spec block = *spec;
    snprintf(tap, sizeof tap, "attn.%d", i);
    if (lb_nn_wants(m, tap)) block.self.map = &map;
    x = lb_nn_block(m, x, &block);
    if (map) lb_nn_tap(m, map, "%s", tap);
    lb_nn_in(m, "adapter_layer");
    lb_tensor *y = lb_nn_linear(m, lb_nn_layer_norm(m, x, "norm", 1e-5), "linear_1", c->adapter_attn_dim, LB_ACT_RELU);
    x = lb_add(t, x, lb_nn_out(m, lb_nn_linear(m, y, "linear_2", c->hidden_size, LB_ACT_NONE)));
    lb_nn_tap(m, x, "block.%d", i);
    return x;
}

/* Gated convolutions over the tokens [N,L,C], which become fewer. */
static lb_tensor *adapter(lb_nn *m, const config *c, lb_tensor *x) {
    lb_tape *t = lb_nn_tape(m);
    int64_t width = c->output_hidden_size ? c->output_hidden_size : c->hidden_size;
    lb_nn_in(m, "adapter");
    if (width != c->hidden_size) x = lb_nn_layer_norm(m, lb_nn_linear(m, x, "proj", width, LB_ACT_NONE), "proj_layer_norm", 1e-5);
    x = lb_transpose(t, x, 1, 2);
    for (int64_t i = 0; i < c->num_adapter_layers; i++) {
        lb_nn_in(m, "layers.%d", (int)i);
        lb_tensor *y = lb_nn_conv1d(m, x, "conv", 2 * width, c->adapter_kernel_size, lb_conv_same(c->adapter_stride, 1, 1), true);
        x = lb_nn_out(m, lb_glu(t, y, 1, LB_ACT_SIGMOID));
    }
    return lb_nn_out(m, lb_transpose(t, x, 1, 2));
}

static lb_tensor *encode(lb_nn *m, const config *c, lb_tensor *x, lb_tensor *mask) {
    lb_tape *t = lb_nn_tape(m);
    const lb_block_spec block = {.self = {.heads = c->num_attention_heads, .mask = mask},
                                 .mlp = {.width = c->intermediate_size, .act = lb_act_named(c->hidden_act)},
                                 .post = !c->do_stable_layer_norm,
                                 .eps = c->layer_norm_eps,
                                 .names = &names};
    if (mask) x = lb_mul(t, x, lb_unsqueeze(t, lb_to_real(t, mask), -1));
    lb_nn_in(m, "encoder");
    x = lb_add(t, x, places(m, c, x));
    if (!c->do_stable_layer_norm) x = lb_nn_layer_norm(m, x, "layer_norm", c->layer_norm_eps);
    lb_nn_tap(m, x, "embeddings");
    for (int64_t i = 0; i < c->num_hidden_layers; i++) {
        lb_nn_in(m, "layers.%d", (int)i);
        x = lb_nn_out(m, c->adapter_attn_dim && c->do_stable_layer_norm ? adapted_block(m, c, x, &block, (int)i) : lb_nn_tapped_block(m, x, &block, (int)i));
    }
    return lb_nn_out(m, c->do_stable_layer_norm ? lb_nn_layer_norm(m, x, "layer_norm", c->layer_norm_eps) : x);
}

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_tape *t = lb_nn_tape(m);
    convs v;
    if (!read_convs(&v, c)) {
        lb_tape_fail(t, LB_E_ARG, "wav2vec2: conv_dim, conv_stride and conv_kernel are to be as many whole numbers each, 1 to %d", CONVS);
        return;
    }
    lb_tensor *x = extract(m, c, &v, in[0]);
    lb_nn_tap(m, x, "features");
    if (!lb_tape_ok(t)) return;
    lb_tensor *mask = in[1] ? feature_mask(t, &v, in[1], x->shape[1]) : NULL;
    lb_nn_in(m, "feature_projection");
    if (c->feat_proj_layer_norm) x = lb_nn_layer_norm(m, x, "layer_norm", c->layer_norm_eps);
    x = lb_nn_out(m, lb_nn_linear(m, x, "projection", c->hidden_size, LB_ACT_NONE));
    x = encode(m, c, x, mask);
    if (c->num_adapter_layers) {
        x = adapter(m, c, x);
        for (int64_t i = 0; i < c->num_adapter_layers && v.count < CONVS; i++) v.kernel[v.count] = 1, v.stride[v.count++] = c->adapter_stride;
        if (!lb_tape_ok(t)) return;
        if (mask) mask = feature_mask(t, &v, in[1], x->shape[1]);
    }
    lb_nn_tap(m, x, "tokens");
    lb_nn_tap(m, x, "encoder");
    if (c->classes) lb_nn_tap(m, lb_nn_linear(m, x, "lm_head", c->classes, LB_ACT_NONE), "logits");
    x = mask ? lb_masked_mean(t, x, lb_unsqueeze(t, mask, -1), LB_AXES(1), false) : lb_mean(t, x, 1, false);
    lb_nn_tap(m, x, "pooled");
    lb_nn_tap(m, x, "embedding");
}

/* The second input is optional: its example has the first one's length. */
static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    convs v;
    int64_t samples = 8;
    (void)input;
    if (read_convs(&v, cfg))
        for (int i = v.count - 1; i >= 0; i--) samples = (samples - 1) * v.stride[i] + v.kernel[i];
    *rank = 2;
    shape[0] = 1;
    shape[1] = samples;
}

static int recognise(const lb_value *json, const char *const *tensors, int64_t count) {
    static const char *const known[] = {"feature_extractor.conv_layers.0.conv.weight", "wav2vec2.feature_extractor.conv_layers.0.conv.weight", "hubert.feature_extractor.conv_layers.0.conv.weight"};
    if (lb_config_is(json, "wav2vec2") || lb_config_is(json, "hubert")) return 90;
    return !lb_get(json, "model_type") && lb_names_found(tensors, count, 3, known) ? 20 : 0;
}

static lb_status from_config(void *cfg, const lb_value *json) {
    static const char *const lists[] = {"conv_dim", "conv_stride", "conv_kernel"};
    config *c = cfg;
    lb_status st = lb_params_from_config(params, cfg, json);
    for (int i = 0; st == LB_OK && i < 3; i++) st = lb_numbers_from_config(lb_param_find(params, lists[i]), cfg, json);
    if (st != LB_OK) return st;
    if (!lb_get_bool(json, "add_adapter", false)) c->num_adapter_layers = 0;
    else if (!lb_get(json, "num_adapter_layers")) c->num_adapter_layers = 3;
    if (lb_config_is(json, "wav2vec2")) c->feat_proj_layer_norm = true, c->conv_pos_batch_norm = false;
    c->classes = lb_outside_size(json, "lm_head.weight", 0);
    return LB_OK;
}

static const lb_rename old_names[] = {{"lm_head", "/lm_head"}, {0}};
static const lb_rename new_names[] = {{"encoder.pos_conv_embed.conv.weight_g", "encoder.pos_conv_embed.conv.parametrizations.weight.original0"},
                                      {"encoder.pos_conv_embed.conv.weight_v", "encoder.pos_conv_embed.conv.parametrizations.weight.original1"},
                                      {"lm_head", "/lm_head"},
                                      {0}};
static const lb_spelling spellings[] = {{"", {old_names}}, {"", {new_names}}, {"wav2vec2.", {old_names}}, {"wav2vec2.", {new_names}}, {"hubert.", {old_names}}, {"hubert.", {new_names}}};
static bool outside_name(char *dst, size_t cap, const char *name, int variant) { return lb_spell(dst, cap, name, &spellings[variant]); }

LB_ARCH(wav2vec2) = {
    .id = "wav2vec2",
    .title = "wav2vec 2.0 and HuBERT",
    .source = "arXiv:2006.11477, arXiv:2106.07447; names of Hugging Face Wav2Vec2Model",
    .params = params,
    .params_size = sizeof(config),
    .kind = "audio",
    .apart = true,
    .inputs = "audio[N,T] mask[N,T]:i64?",
    .taps = "embedding[N,D] pooled[N,D] tokens[N,L,D] encoder[N,L,D] block.K[N,L,D] attn.K[N,H,L,L] embeddings[N,L,D] features[N,L,C] logits[N,L,V]",
    .forward = forward,
    .example = example,
    .from_config = from_config,
    .recognise = recognise,
    .outside_name = outside_name,
    .outside_variants = 6,
    .preprocess = "{\"feature_extractor_type\": \"Wav2Vec2FeatureExtractor\"}"};
