/* SPDX-License-Identifier: Apache-2.0 */
/* Segment Anything: Kirillov et al., arXiv:2304.02643. */
#include <stdio.h>
#include <string.h>
#include "vision/archs.h"
#include "vision/sam.h"

typedef struct config {
    lb_sam_encoder image;
    lb_sam_decoder decoder;
} config;

static const lb_param params[] = {
    LB_SAM_NUMBER(config, image, "size", size, LB_T_I64, 1024, 1, 65536, "px", "side of the pictures"),
    LB_SAM_NUMBER(config, image, "channels", channels, LB_T_I64, 3, 1, 4096, "1", "channels of the pictures"),
    LB_SAM_NUMBER(config, image, "patch", patch, LB_T_I64, 16, 1, 4096, "px", "side of a patch"),
    LB_SAM_NUMBER(config, image, "width", dim, LB_T_I64, 768, 1, 65536, "1", "width of the tokens, a multiple of heads"),
    LB_SAM_NUMBER(config, image, "depth", depth, LB_T_I64, 12, 1, 1000, "1", "blocks"),
    LB_SAM_NUMBER(config, image, "heads", heads, LB_T_I64, 12, 1, 1024, "1", "attention heads"),
    LB_SAM_NUMBER(config, image, "mlp", mlp, LB_T_I64, 3072, 1, 1000000, "1", "inner width of a block's map"),
    LB_SAM_NUMBER(config, image, "window", window, LB_T_I64, 14, 0, 4096, "patches", "side of the windows; 0 = none"),
    {.name = "global", .type = LB_T_TEXT, .offset = offsetof(config, image.global), .def_text = "2,5,8,11", .unit = "NUMBERS", .text = "blocks that see the whole picture, with commas"},
    LB_SAM_NUMBER(config, image, "no_qkv_bias", no_qkv_bias, LB_T_BOOL, 0, 0, 1, "", "queries, keys and values without bias"),
    LB_SAM_NUMBER(config, image, "no_positions", no_positions, LB_T_BOOL, 0, 0, 1, "", "without learned positions"),
    LB_SAM_NUMBER(config, image, "no_relative", no_relative, LB_T_BOOL, 0, 0, 1, "", "without relative positions"),
    LB_SAM_NUMBER(config, image, "eps", eps, LB_T_F64, 1e-6, 0, 1, "1", "epsilon of the encoder's norms"),
    {.name = "act", .type = LB_T_TEXT, .offset = offsetof(config, image.act), .def_text = "gelu", .choices = LB_ACT_CHOICES, .unit = "TEXT", .text = "activation of a block's map"},
    LB_SAM_DECODER_PARAMS(config, decoder),
    LB_PARAM_END};

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_sam_encoder e = c->image;
    e.out = c->decoder.width;
    lb_nn_in(m, "image_encoder");
    lb_tensor *x = lb_nn_out(m, lb_sam_encode(m, in[0], &e));
    lb_sam_finish(m, x, in + 1, &c->decoder, c->image.size);
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    const config *c = cfg;
    lb_sam_example(input, c->image.channels, c->image.size, c->image.size / c->image.patch, rank, shape);
}

static int recognise(const lb_value *json, const char *const *names, int64_t count) {
    static const char *const published[] = {"image_encoder.blocks.0.attn.qkv.weight", "image_encoder.neck.0.weight", "mask_decoder.iou_token.weight"};
    if (lb_config_is(json, "sam")) return 90;
    return lb_names_found(names, count, (int)LB_COUNT(published), published) == (int)LB_COUNT(published) ? 80 : 0;
}

enum { BLOCKS = 128 };

/* The published names. Blocks whose relative positions are for the whole grid see all of it. */
static lb_status from_published(config *c, const lb_value *json) {
    lb_sam_encoder *e = &c->image;
    int64_t global[BLOCKS], n = 0;
    char name[64];
    e->dim = lb_outside_size(json, "image_encoder.patch_embed.proj.weight", 0);
    e->channels = lb_outside_size(json, "image_encoder.patch_embed.proj.weight", 1);
    e->patch = lb_outside_size(json, "image_encoder.patch_embed.proj.weight", 2);
    e->size = lb_outside_size(json, "image_encoder.pos_embed", 1) * e->patch;
    e->depth = lb_outside_count(json, "image_encoder.blocks.%d.attn.qkv.weight");
    e->mlp = lb_outside_size(json, "image_encoder.blocks.0.mlp.lin1.weight", 0);
    e->no_qkv_bias = !lb_outside_has(json, "image_encoder.blocks.0.attn.qkv.bias");
    int64_t d = lb_outside_size(json, "image_encoder.blocks.0.attn.rel_pos_h", 1);
    e->heads = d ? e->dim / d : 0;
    e->window = 0;
    for (int i = 0; i < e->depth && i < BLOCKS; i++) {
        snprintf(name, sizeof name, "image_encoder.blocks.%d.attn.rel_pos_h", i);
        int64_t side = (lb_outside_size(json, name, 0) + 1) / 2;
        if (e->patch && side == e->size / e->patch) global[n++] = i;
        else e->window = side;
    }
    if (!e->size || !e->heads || !e->depth || !e->mlp)
        return lb_fail(LB_E_UNSUPPORTED, "sam: size %lld, width %lld, %lld heads, %lld blocks", (long long)e->size, (long long)e->dim, (long long)e->heads,
                       (long long)e->depth);
    lb_status st = lb_numbers_to(lb_param_find(params, "global"), c, global, n);
    return st == LB_OK ? lb_sam_decoder_from_shapes(&c->decoder, json) : st;
}

static lb_status decoder_from_config(lb_sam_decoder *d, const lb_value *decoder, const lb_value *prompt) {
    d->width = lb_config_int(prompt, "hidden_size", 0, 256);
    d->mask_channels = lb_config_int(prompt, "mask_input_channels", 0, 16);
    d->depth = lb_config_int(decoder, "num_hidden_layers", 0, 2);
    d->heads = lb_config_int(decoder, "num_attention_heads", 0, 8);
    d->mlp = lb_config_int(decoder, "mlp_dim", 0, 2048);
    d->less = lb_config_int(decoder, "attention_downsample_rate", 0, 2);
    d->masks = lb_config_int(decoder, "num_multimask_outputs", 0, 3);
    d->iou_depth = lb_config_int(decoder, "iou_head_depth", 0, 3);
    d->iou_width = lb_config_int(decoder, "iou_head_hidden_dim", 0, 256);
    d->eps = lb_config_real(decoder, "layer_norm_eps", 1e-6);
    return LB_OK;
}

static lb_status from_hugging_face(config *c, const lb_value *json) {
    const lb_value *vision = lb_get(json, "vision_config"), *decoder = lb_get(json, "mask_decoder_config");
    lb_sam_encoder *e = &c->image;
    int64_t global[BLOCKS] = {2, 5, 8, 11}, n = lb_get(vision, "global_attn_indexes") ? lb_config_ints(vision, "global_attn_indexes", global, BLOCKS) : 4;
    e->size = lb_config_int(vision, "image_size", 0, 1024);
    e->channels = lb_config_int(vision, "num_channels", 0, 3);
    e->patch = lb_config_int(vision, "patch_size", 0, 16);
    e->dim = lb_config_int(vision, "hidden_size", 0, 768);
    e->depth = lb_config_int(vision, "num_hidden_layers", 0, 12);
    e->heads = lb_config_int(vision, "num_attention_heads", 0, 12);
    e->mlp = lb_config_int(vision, "mlp_dim", 0, (int64_t)((double)e->dim * lb_config_real(vision, "mlp_ratio", 4)));
    e->window = lb_config_int(vision, "window_size", 0, 14);
    e->no_qkv_bias = !lb_get_bool(vision, "qkv_bias", true);
    e->no_positions = !lb_get_bool(vision, "use_abs_pos", true);
    e->no_relative = !lb_get_bool(vision, "use_rel_pos", true);
    e->eps = lb_config_real(vision, "layer_norm_eps", 1e-6);
    lb_status st = lb_numbers_to(lb_param_find(params, "global"), c, global, n);
    if (st == LB_OK) st = lb_config_act_to(lb_param_find(params, "act"), c, lb_get_text(vision, "hidden_act", NULL));
    if (st == LB_OK) st = lb_config_act_to(lb_param_find(params, "decoder_act"), c, lb_get_text(decoder, "hidden_act", NULL));
    return st == LB_OK ? decoder_from_config(&c->decoder, decoder, lb_get(json, "prompt_encoder_config")) : st;
}

static lb_status from_config(void *cfg, const lb_value *json) { return lb_config_is(json, "sam") ? from_hugging_face(cfg, json) : from_published(cfg, json); }

static const lb_rename hugging_face[] = {
    {"image_encoder.patch_embed.proj", "vision_encoder.patch_embed.projection"},
    {"image_encoder.pos_embed", "vision_encoder.pos_embed"},
    {"image_encoder.blocks.*.norm1", "vision_encoder.layers.*.layer_norm1"},
    {"image_encoder.blocks.*.norm2", "vision_encoder.layers.*.layer_norm2"},
    {"image_encoder.blocks.*.attn", "vision_encoder.layers.*.attn"},
    {"image_encoder.blocks.*.mlp", "vision_encoder.layers.*.mlp"},
    {"image_encoder.neck.0", "vision_encoder.neck.conv1"},
    {"image_encoder.neck.1", "vision_encoder.neck.layer_norm1"},
    {"image_encoder.neck.2", "vision_encoder.neck.conv2"},
    {"image_encoder.neck.3", "vision_encoder.neck.layer_norm2"},
    {"prompt_encoder.pe_layer.positional_encoding_gaussian_matrix", "shared_image_embedding.positional_embedding"},
    {"prompt_encoder.point_embeddings.*", "prompt_encoder.point_embed.*"},
    {"prompt_encoder.mask_downscaling.0", "prompt_encoder.mask_embed.conv1"},
    {"prompt_encoder.mask_downscaling.1", "prompt_encoder.mask_embed.layer_norm1"},
    {"prompt_encoder.mask_downscaling.3", "prompt_encoder.mask_embed.conv2"},
    {"prompt_encoder.mask_downscaling.4", "prompt_encoder.mask_embed.layer_norm2"},
    {"prompt_encoder.mask_downscaling.6", "prompt_encoder.mask_embed.conv3"},
    {"mask_decoder.transformer.layers.*.norm1", "mask_decoder.transformer.layers.*.layer_norm1"},
    {"mask_decoder.transformer.layers.*.norm2", "mask_decoder.transformer.layers.*.layer_norm2"},
    {"mask_decoder.transformer.layers.*.norm3", "mask_decoder.transformer.layers.*.layer_norm3"},
    {"mask_decoder.transformer.layers.*.norm4", "mask_decoder.transformer.layers.*.layer_norm4"},
    {"mask_decoder.transformer.norm_final_attn", "mask_decoder.transformer.layer_norm_final_attn"},
    {"mask_decoder.output_upscaling.0", "mask_decoder.upscale_conv1"},
    {"mask_decoder.output_upscaling.1", "mask_decoder.upscale_layer_norm"},
    {"mask_decoder.output_upscaling.3", "mask_decoder.upscale_conv2"},
    {"mask_decoder.output_hypernetworks_mlps.*.layers.0", "mask_decoder.output_hypernetworks_mlps.*.proj_in"},
    {"mask_decoder.output_hypernetworks_mlps.*.layers.1", "mask_decoder.output_hypernetworks_mlps.*.layers.0"},
    {"mask_decoder.output_hypernetworks_mlps.*.layers.2", "mask_decoder.output_hypernetworks_mlps.*.proj_out"},
    {0}};
/* The first and the last linear of the overlap head, which may have from 2 to 4. */
static const lb_rename heads[3][5] = {
    {{"mask_decoder.iou_prediction_head.layers.0", "mask_decoder.iou_prediction_head.proj_in"}, {"mask_decoder.iou_prediction_head.layers.1", "mask_decoder.iou_prediction_head.proj_out"}, {0}},
    {{"mask_decoder.iou_prediction_head.layers.0", "mask_decoder.iou_prediction_head.proj_in"}, {"mask_decoder.iou_prediction_head.layers.1", "mask_decoder.iou_prediction_head.layers.0"},
     {"mask_decoder.iou_prediction_head.layers.2", "mask_decoder.iou_prediction_head.proj_out"}, {0}},
    {{"mask_decoder.iou_prediction_head.layers.0", "mask_decoder.iou_prediction_head.proj_in"}, {"mask_decoder.iou_prediction_head.layers.1", "mask_decoder.iou_prediction_head.layers.0"},
     {"mask_decoder.iou_prediction_head.layers.2", "mask_decoder.iou_prediction_head.layers.1"}, {"mask_decoder.iou_prediction_head.layers.3", "mask_decoder.iou_prediction_head.proj_out"}, {0}},
};
static const lb_spelling spellings[] = {{"", {NULL}}, {"", {heads[1], hugging_face}}, {"", {heads[0], hugging_face}}, {"", {heads[2], hugging_face}}};

static bool outside_name(char *dst, size_t cap, const char *name, int variant) { return lb_spell(dst, cap, name, &spellings[variant]); }

LB_ARCH(sam) = {.id = "sam",
                .title = "Segment Anything",
                .source = "arXiv:2304.02643; names of segment_anything, files of Hugging Face",
                .params = params,
                .params_size = sizeof(config),
                .kind = "image",
                .apart = true,
                .inputs = LB_SAM_INPUTS,
                .taps = LB_SAM_TAPS " block.K[N,h,w,D]",
                .forward = forward,
                .example = example,
                .from_config = from_config,
                .recognise = recognise,
                .outside_name = outside_name,
                .outside_variants = (int)LB_COUNT(spellings),
                .preprocess = LB_SAM_PREPROCESS};
