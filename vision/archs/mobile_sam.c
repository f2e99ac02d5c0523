/* SPDX-License-Identifier: Apache-2.0 */
/* MobileSAM: a TinyViT in place of Segment Anything's picture encoder. Zhang et al., arXiv:2306.14289. LiteMedSAM's files have the same names. */
#include <string.h>
#include "vision/archs.h"
#include "vision/sam.h"
#include "vision/tiny_vit.h"

typedef struct config {
    lb_tiny_vit image;
    lb_sam_decoder decoder;
} config;

static const lb_param params[] = {
    LB_TINY_VIT_PARAMS(config, image, 1024, "64,128,160,320", "2,4,5,10", 1),
    LB_SAM_DECODER_PARAMS(config, decoder),
    LB_PARAM_END};

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_nn_in(m, "image_encoder");
    lb_tensor *x = lb_tiny_vit_tower(m, in[0], &c->image);
    x = lb_nn_out(m, lb_sam_neck(m, x, c->decoder.width));
    lb_sam_finish(m, x, in + 1, &c->decoder, c->image.size);
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    const config *c = cfg;
    int64_t stride = c->image.keep_last ? 16 : 32;
    lb_sam_example(input, c->image.channels, c->image.size, (c->image.size + stride - 1) / stride, rank, shape);
}

static int recognise(const lb_value *json, const char *const *names, int64_t count) {
    static const char *const published[] = {"image_encoder.patch_embed.seq.0.c.weight", "image_encoder.neck.0.weight", "mask_decoder.iou_token.weight"};
    (void)json;
    return lb_names_found(names, count, 3, published) == 3 ? 80 : 0;
}

/* The published last stage keeps its grid in the widths 320, 448 and 576, which are all there are; the side of the pictures is in no weight. */
static lb_status from_config(void *cfg, const lb_value *json) {
    config *c = cfg;
    c->image.size = lb_config_int(json, "image_size", 0, 1024);
    lb_status st = lb_tiny_vit_from_shapes(&c->image, json, "image_encoder.", params, cfg);
    int64_t last = lb_outside_size(json, "image_encoder.layers.3.blocks.0.attn.qkv.weight", 1);
    c->image.keep_last = last == 320 || last == 448 || last == 576;
    return st == LB_OK ? lb_sam_decoder_from_shapes(&c->decoder, json) : st;
}

static const lb_spelling spelling = {"image_encoder.", {lb_tiny_vit_published}};

static bool outside_name(char *dst, size_t cap, const char *name, int variant) {
    static const lb_spelling plain = {"", {NULL}};
    (void)variant;
    bool encoder = strncmp(name, "image_encoder.", 14) == 0;
    return lb_spell(dst, cap, encoder ? name + 14 : name, encoder ? &spelling : &plain);
}

LB_ARCH(mobile_sam) = {.id = "mobile_sam",
                       .title = "MobileSAM",
                       .source = "arXiv:2306.14289; decoder's names of segment_anything, encoder's of timm",
                       .params = params,
                       .params_size = sizeof(config),
                       .kind = "image",
                       .apart = true,
                       .inputs = LB_SAM_INPUTS,
                       .taps = LB_SAM_TAPS " stage.S[N,C,h,w] block.K[N,C,h,w]",
                       .forward = forward,
                       .example = example,
                       .from_config = from_config,
                       .recognise = recognise,
                       .outside_name = outside_name,
                       .outside_variants = 1,
                       .preprocess = LB_SAM_PREPROCESS};
