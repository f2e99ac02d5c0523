/* SPDX-License-Identifier: Apache-2.0 */
/* Networks as ONNX graphs, read back and run by the executor of onnx/: another reader of the same file, on another batch, must give what the network gives.
 * LB_EXPORT_OUT=FOLDER keeps graphs, inputs and outputs there for tests/export_runtime.py, which runs them in ONNX Runtime. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/sig.h"
#include "cli/export.h"
#include "onnx/onnx.h"
#include "tests/check.h"

/* Asked for: no number is further off than this share of the largest; sums in another order give some 1e-6. */
static const double agreement = 1e-4;
enum { BATCH = 5, TAPS = 8, INPUTS = 8 };

typedef struct trial {
    const char *name, *arch, *params, *taps; /* params as JSON; taps joined by commas */
    const char *inputs;                      /* NULL = all */
} trial;

static const trial trials[] = {
    {"dwconv", "dwconv", "{\"size\": 32, \"width\": 8, \"head\": 32, \"embed\": 16}", "embedding,pooled,features,block.0", NULL},
    {"vit", "vit",
     "{\"size\": 32, \"width\": 24, \"depth\": 2, \"heads\": 3, \"mlp\": 48, \"embed\": 16, \"classes\": 5, \"layer_scale\": 0.5, \"registers\": 2}",
     "embedding,logits,tokens", NULL},
    {"vit-map", "vit", "{\"size\": 16, \"width\": 24, \"depth\": 1, \"heads\": 3, \"mlp\": 48, \"pool\": \"map\", \"act\": \"gelu_tanh\", \"gated\": true}",
     "embedding", NULL},
    {"resnet", "resnet", "{\"depth\": 26, \"width\": 8, \"size\": 64, \"classes\": 5}", "logits,embedding,block.1", NULL},
    {"mobilenet-v3", "mobilenet-v3", "{\"variant\": \"small\", \"width\": 0.25, \"size\": 32, \"classes\": 5}", "logits,features", NULL},
    {"efficientnet-lite", "efficientnet-lite", "{\"width\": 0.25, \"size\": 33, \"classes\": 5}", "logits,block.3", NULL},
    {"mobilenet-v2", "mobilenet-v2",
     "{\"size\": 33, \"stem\": 8, \"head\": 32, \"classes\": 5, \"widths\": \"8,12\", \"depths\": \"1,2\", \"kernels\": \"3,3\", \"strides\": \"1,2\", "
     "\"expands\": \"1,6\"}",
     "logits,embedding,block.1", NULL},
    {"efficientnet", "efficientnet",
     "{\"size\": 33, \"stem\": 8, \"head\": 32, \"classes\": 5, \"widths\": \"8,12\", \"depths\": \"1,2\", \"kernels\": \"3,5\", \"strides\": \"1,2\", "
     "\"expands\": \"1,6\", \"padding\": \"same\"}",
     "logits,embedding,block.1", NULL},
    {"convnext", "convnext", "{\"size\": 32, \"depths\": \"1,2\", \"widths\": \"8,16\", \"classes\": 5}", "logits,embedding,block.1", NULL},
    {"convnext-v2", "convnext", "{\"size\": 32, \"depths\": \"1,1\", \"widths\": \"8,16\", \"classes\": 5, \"response\": true, \"no_scale\": true}",
     "logits,embedding", NULL},
    {"tiny-vit", "tiny-vit",
     "{\"size\": 64, \"widths\": \"8,16,24,32\", \"depths\": \"1,2,2,1\", \"heads\": \"1,2,3,4\", \"windows\": \"4,4,2,2\", \"classes\": 5}",
     "logits,embedding", NULL},
    {"swin", "swin", "{\"size\": 32, \"width\": 12, \"depths\": \"2,2\", \"heads\": \"2,3\", \"window\": 4, \"classes\": 5}", "logits,embedding,block.1", NULL},
    {"distilbert", "distilbert", "{\"vocab_size\": 64, \"dim\": 24, \"n_layers\": 2, \"n_heads\": 3, \"hidden_dim\": 48, \"max_position_embeddings\": 12}",
     "embedding,tokens", NULL},
    {"clip-vision", "clip-vision", "{\"size\": 32, \"patch\": 8, \"width\": 24, \"depth\": 2, \"heads\": 3, \"mlp\": 48, \"embed\": 16}", "embedding,tokens",
     NULL},
    {"clip-text", "clip-text", "{\"vocab\": 64, \"max_tokens\": 9, \"width\": 24, \"depth\": 2, \"heads\": 3, \"mlp\": 48, \"embed\": 16}", "embedding,tokens",
     NULL},
    {"siglip-vision", "siglip-vision", "{\"size\": 32, \"patch\": 8, \"width\": 24, \"depth\": 2, \"heads\": 3, \"mlp\": 48}", "embedding,tokens", NULL},
    {"siglip-text", "siglip-text", "{\"vocab\": 64, \"max_tokens\": 9, \"width\": 24, \"depth\": 2, \"heads\": 3, \"mlp\": 48, \"embed\": 16}",
     "embedding,tokens", NULL},
    {"bert", "bert", "{\"vocab_size\": 64, \"hidden_size\": 24, \"num_hidden_layers\": 2, \"num_attention_heads\": 3, \"intermediate_size\": 48}",
     "embedding,tokens", NULL},
    {"roberta", "bert",
     "{\"vocab_size\": 64, \"hidden_size\": 24, \"num_hidden_layers\": 2, \"num_attention_heads\": 3, \"intermediate_size\": 48, \"places_after\": 1, "
     "\"type_vocab_size\": 1}",
     "embedding,tokens", NULL},
    {"mpnet", "mpnet", "{\"vocab_size\": 64, \"hidden_size\": 24, \"num_hidden_layers\": 2, \"num_attention_heads\": 3, \"intermediate_size\": 48}",
     "embedding,tokens", NULL},
    {"text-transformer", "text-transformer", "{\"vocab\": 64, \"width\": 24, \"heads\": 3, \"mlp\": 48, \"embed\": 16}", "embedding,pooled", NULL},
    {"dual-encoder", "dual-encoder",
     "{\"image_size\": 32, \"image_width\": 8, \"image_head\": 32, \"vocab\": 64, \"text_width\": 24, \"text_heads\": 3, \"text_mlp\": 48, \"embed\": 16}",
     "image_embed,text_embed,logit_scale", NULL},
    {"dual-encoder-image", "dual-encoder",
     "{\"image_size\": 32, \"image_width\": 8, \"image_head\": 32, \"vocab\": 64, \"text_width\": 24, \"text_heads\": 3, \"text_mlp\": 48, \"embed\": 16}",
     "image_embed", "image"},
    {"resnet-d", "resnet",
     "{\"blocks\": \"1,2,1,1\", \"width\": 8, \"size\": 33, \"classes\": 5, \"stem\": \"4,4\", \"pooled\": true}",
     "logits,embedding,block.1", NULL},
    {"resnet-halves", "resnet",
     "{\"blocks\": \"1,2,1,1\", \"width\": 8, \"size\": 33, \"classes\": 5, \"stem\": \"4,4\", \"stem_halves\": true, \"shortcut_kernel\": 3}",
     "logits,embedding,block.1", NULL},
    {"resnet-small", "resnet", "{\"depth\": 10, \"width\": 8, \"size\": 32, \"stem_kernel\": 3, \"early\": true, \"classes\": 5}", "logits,embedding", NULL},
    {"resnext", "resnet", "{\"blocks\": \"1,2,1,1\", \"width\": 8, \"size\": 64, \"classes\": 5, \"groups\": 4, \"group_width\": 8}", "logits,embedding", NULL},
    {"se-resnet", "resnet",
     "{\"blocks\": \"1,2,1,1\", \"width\": 8, \"size\": 64, \"classes\": 5, \"squeeze\": \"2,4,8,16\"}",
     "logits,embedding,block.1", NULL},
    {"se-resnet-basic", "resnet",
     "{\"blocks\": \"1,2,1,1\", \"width\": 8, \"size\": 64, \"classes\": 5, \"basic\": true, \"squeeze\": \"2,4,8,16\"}",
     "logits,embedding,block.1", NULL},
    {"eca-resnet", "resnet", "{\"blocks\": \"1,2,1,1\", \"width\": 8, \"size\": 64, \"classes\": 5, \"across\": true}", "logits,embedding", NULL},
    {"clip-resnet", "clip-resnet",
     "{\"image_width\": 8, \"image_size\": 64, \"image_heads\": 2, \"image_blocks\": \"1,1,1,1\", \"text_vocab\": 64, \"text_max_tokens\": 9, "
     "\"text_width\": 24, \"text_depth\": 1, \"text_heads\": 2, \"text_mlp\": 48, \"embed\": 16}",
     "image_embed,text_embed,logit_scale", NULL},
    {"clip-resnet-image", "clip-resnet",
     "{\"image_width\": 8, \"image_size\": 64, \"image_heads\": 2, \"image_blocks\": \"1,1,1,1\", \"text_vocab\": 64, \"text_max_tokens\": 9, "
     "\"text_width\": 24, \"text_depth\": 1, \"text_heads\": 2, \"text_mlp\": 48, \"embed\": 16}",
     "image_embed,image.pooled,image.block.1", "image"},
    {"clip", "clip",
     "{\"image_size\": 32, \"image_patch\": 16, \"image_width\": 24, \"image_depth\": 1, \"image_heads\": 2, \"image_mlp\": 48, \"text_vocab\": 64, "
     "\"text_max_tokens\": 9, \"text_width\": 24, \"text_depth\": 1, \"text_heads\": 2, \"text_mlp\": 48, \"embed\": 16}",
     "image_embed,text_embed,logit_scale,logits", NULL},
    {"siglip", "siglip",
     "{\"image_size\": 32, \"image_patch\": 16, \"image_width\": 24, \"image_depth\": 1, \"image_heads\": 2, \"image_mlp\": 48, \"text_vocab\": 64, "
     "\"text_max_tokens\": 9, \"text_width\": 24, \"text_depth\": 1, \"text_heads\": 2, \"text_mlp\": 48}",
     "image_embed,text_embed,logit_scale,logit_bias,logits", NULL},
    {"segmenter-fcn", "segmenter", "{\"size\": 32, \"width\": 8, \"head\": \"fcn\", \"decoder\": 8}", "logits,features", NULL},
    {"segmenter-upernet", "segmenter", "{\"size\": 32, \"width\": 8, \"head\": \"upernet\", \"decoder\": 8}", "logits,features", NULL},
    {"segmenter-sam", "segmenter", "{\"size\": 32, \"width\": 8, \"head\": \"sam\", \"decoder\": 8}", "logits", NULL},
    {"sam", "sam",
     "{\"size\": 48, \"patch\": 8, \"width\": 24, \"depth\": 2, \"heads\": 2, \"mlp\": 48, \"window\": 4, \"global\": \"1\", \"prompt_width\": 16, "
     "\"decoder_mlp\": 32, \"decoder_heads\": 2, \"iou_width\": 16}",
     "map,pooled", "image"},
    {"mobile-sam", "mobile-sam",
     "{\"size\": 64, \"widths\": \"8,16,24,32\", \"depths\": \"1,1,1,1\", \"heads\": \"1,2,3,4\", \"windows\": \"4,4,4,4\", \"prompt_width\": 16, "
     "\"decoder_mlp\": 32, \"decoder_heads\": 2, \"iou_width\": 16}",
     "map,pooled", "image"},
    {"mae", "mae",
     "{\"size\": 32, \"patch\": 8, \"width\": 24, \"depth\": 1, \"heads\": 2, \"mlp\": 48, \"decoder_width\": 16, \"decoder_depth\": 1, "
     "\"decoder_heads\": 2, \"decoder_mlp\": 32}",
     "embedding,tokens,reconstruction", "image"},
    {"video-pool", "video-pool", "{\"size\": 32, \"frame_width\": 8, \"head\": 32, \"frames\": 3, \"embed\": 16}", "embedding,frames", NULL},
    {"video-transformer", "video-transformer",
     "{\"size\": 32, \"frame_width\": 8, \"head\": 32, \"frames\": 3, \"embed\": 16, \"depth\": 1, \"mlp\": 32}",
     "embedding,tokens", NULL},
    {"bag-of-embeddings", "bag-of-embeddings", "{\"vocab\": 64, \"width\": 16, \"embed\": 16}", "embedding,pooled", NULL},
    {"gpt2", "gpt2", "{\"vocab_size\": 64, \"n_positions\": 16, \"n_embd\": 24, \"n_layer\": 2, \"n_head\": 3}", "logits,tokens", NULL},
    {"llama", "llama",
     "{\"vocab_size\": 64, \"hidden_size\": 24, \"intermediate_size\": 48, \"num_hidden_layers\": 2, \"num_attention_heads\": 4, "
     "\"num_key_value_heads\": 2, \"head_dim\": 6, \"max_position_embeddings\": 32, \"rope_part\": 0.7}",
     "logits,tokens", NULL},
    {"t5-encoder", "t5-encoder",
     "{\"vocab_size\": 64, \"d_model\": 24, \"d_kv\": 8, \"d_ff\": 48, \"num_layers\": 2, \"num_heads\": 3}",
     "embedding,tokens", NULL},
    {"bert-relative-key", "bert",
     "{\"vocab_size\": 64, \"hidden_size\": 24, \"num_hidden_layers\": 2, \"num_attention_heads\": 3, \"intermediate_size\": 48, "
     "\"position_embedding_type\": \"relative_key\", \"max_position_embeddings\": 20}",
     "embedding,tokens", NULL},
    {"bert-relative-key-query", "bert",
     "{\"vocab_size\": 64, \"hidden_size\": 24, \"num_hidden_layers\": 2, \"num_attention_heads\": 3, \"intermediate_size\": 48, "
     "\"position_embedding_type\": \"relative_key_query\", \"max_position_embeddings\": 20}",
     "embedding,tokens", NULL},
    {"bert-decoder", "bert",
     "{\"vocab_size\": 64, \"hidden_size\": 24, \"num_hidden_layers\": 1, \"num_attention_heads\": 3, \"intermediate_size\": 48, "
     "\"is_decoder\": true, \"pooling\": \"cls+max+mean_sqrt_len\", \"head\": \"dense:8:tanh+normalize\"}",
     "embedding,tokens", NULL},
    {"bert-weighted", "bert",
     "{\"vocab_size\": 64, \"hidden_size\": 24, \"num_hidden_layers\": 1, \"num_attention_heads\": 3, \"intermediate_size\": 48, "
     "\"pooling\": \"weightedmean+lasttoken\"}",
     "embedding,tokens", NULL},
    {"electra", "bert",
     "{\"vocab_size\": 64, \"hidden_size\": 24, \"num_hidden_layers\": 1, \"num_attention_heads\": 3, \"intermediate_size\": 48, "
     "\"embedding_size\": 12}",
     "embedding,attn.0", NULL},
    {"ast", "ast",
     "{\"hidden_size\": 24, \"num_hidden_layers\": 1, \"num_attention_heads\": 3, \"intermediate_size\": 48, \"max_length\": 48, "
     "\"num_mel_bins\": 32, \"classes\": 5}",
     "logits,tokens", NULL},
    {"audio-conv", "audio-conv", "{\"bands\": 32, \"frames\": 48, \"width\": 8, \"embed\": 16}", "embedding,features", NULL},
    {"clap-audio", "clap-audio",
     "{\"window_size\": 4, \"num_mel_bins\": 16, \"spec_size\": 64, \"patch_embeds_hidden_size\": 8, \"projection_dim\": 16, \"depths\": \"1,2\", "
     "\"num_attention_heads\": \"1,2\"}",
     "embedding,tokens", NULL},
    {"wav2vec2", "wav2vec2",
     "{\"hidden_size\": 24, \"num_hidden_layers\": 1, \"num_attention_heads\": 3, \"intermediate_size\": 48, \"conv_dim\": \"8,8\", "
     "\"conv_stride\": \"5,2\", \"conv_kernel\": \"10,3\", \"num_conv_pos_embeddings\": 8, \"num_conv_pos_embedding_groups\": 2, \"classes\": 5}",
     "logits,tokens", "audio"},
    {"wav2vec2-layer", "wav2vec2",
     "{\"hidden_size\": 24, \"num_hidden_layers\": 1, \"num_attention_heads\": 3, \"intermediate_size\": 48, \"conv_dim\": \"8,8\", "
     "\"conv_stride\": \"5,2\", \"conv_kernel\": \"10,3\", \"num_conv_pos_embeddings\": 8, \"num_conv_pos_embedding_groups\": 2, "
     "\"feat_extract_norm\": \"layer\", \"do_stable_layer_norm\": true, \"num_adapter_layers\": 1}",
     "tokens,embedding", "audio"},
    {"whisper", "whisper",
     "{\"vocab_size\": 64, \"num_mel_bins\": 8, \"d_model\": 24, \"encoder_layers\": 1, \"encoder_attention_heads\": 3, \"encoder_ffn_dim\": 48, "
     "\"decoder_layers\": 1, \"decoder_attention_heads\": 3, \"decoder_ffn_dim\": 48, \"max_source_positions\": 20, \"max_target_positions\": 16}",
     "encoder", "audio"},
    {"whisper-decoder", "whisper",
     "{\"vocab_size\": 64, \"num_mel_bins\": 8, \"d_model\": 24, \"encoder_layers\": 1, \"encoder_attention_heads\": 3, \"encoder_ffn_dim\": 48, "
     "\"decoder_layers\": 1, \"decoder_attention_heads\": 3, \"decoder_ffn_dim\": 48, \"max_source_positions\": 20, \"max_target_positions\": 16}",
     "logits", NULL},
    {"fused-head", "fused-head", "{\"image_width\": 16, \"text_width\": 12, \"width\": 16, \"embed\": 8}", "embedding", NULL},
    {"joint-head", "joint-head", "{\"image_width\": 16, \"text_width\": 12, \"hidden\": 16, \"embed\": 8}", "image_embed,text_embed", NULL},
    {"mlp", "mlp", "{\"size\": 16}", "logits", NULL},
};

/* Statistics and scales that are not those of an untrained network, so that a wrong one is seen. */
static void disturb(lb_store *s) {
    lb_rng rng = lb_rng_make(7, 0);
    for (int64_t i = 0; i < lb_store_count(s); i++) {
        lb_param_tensor *p = lb_store_at(s, i);
        bool positive = lb_ends_with(p->name, "running_var");
        for (int64_t k = 0; k < lb_numel(p->x); k++) {
            lb_real *x = (lb_real *)p->x->data + k;
            *x += (lb_real)(positive ? lb_rng_uniform(&rng) : 0.1 * lb_rng_normal(&rng));
        }
    }
}

static int split(char *text, const char *list, const char *at[TAPS]) {
    int n = 0;
    snprintf(text, 256, "%s", list);
    for (char *p = strtok(text, ","); p && n < TAPS; p = strtok(NULL, ",")) at[n++] = p;
    return n;
}

typedef struct run {
    lb_model *m;
    lb_tape *tape, *other;
    lb_named in[INPUTS];
    int nin, ntaps;
    const char *taps[TAPS];
    lb_tensor *want[TAPS], *got[TAPS];
    char path[600];
    lb_sig *sig;
} run;

static void make_inputs(run *r, const trial *c) {
    char text[512];
    lb_rng rng = lb_rng_make(11, 0);
    snprintf(text, sizeof text, "%s -> y", r->m->arch->inputs);
    if (!CHECK_OK(lb_sig_parse(&r->sig, text))) return;
    for (int i = 0; i < lb_sig_inputs(r->sig); i++) {
        int64_t shape[LB_MAX_RANK];
        int rank = 0;
        const char *name = lb_sig_input_name(r->sig, i);
        bool whole = lb_sig_input_type(r->sig, i) == LB_SIG_I64;
        if (c->inputs && strcmp(c->inputs, name) != 0) continue;
        r->m->arch->example(r->m->cfg, i, &rank, shape);
        shape[0] = BATCH;
        lb_tensor *x = lb_input(r->tape, whole ? LB_I64 : LB_F32, rank, shape, NULL, whole ? LB_I64 : LB_F32);
        for (int64_t k = 0; k < lb_numel(x); k++) {
            if (!whole) ((float *)x->data)[k] = (float)lb_rng_normal(&rng);
            else if (strcmp(name, "mask") == 0) ((int64_t *)x->data)[k] = k % shape[1] <= shape[1] - 1 - k / shape[1];
            else ((int64_t *)x->data)[k] = k % 7 == 3 ? 1 : lb_rng_below(&rng, 64); /* 1: padding of RoBERTa and MPNet */
        }
        r->in[r->nin++] = (lb_named){name, x};
    }
}

static void compare(const char *tap, const lb_tensor *got, const lb_tensor *want) {
    double most = 0, off = 0;
    if (!CHECK(lb_same_shape(got, want) && got->dtype == want->dtype)) return;
    for (int64_t i = 0; i < lb_numel(want); i++) {
        most = fmax(most, fabs(lb_get_at(want, i)));
        double d = fabs(lb_get_at(got, i) - lb_get_at(want, i));
        if (!(d <= off)) off = d;
    }
    printf("  %-16s %9.2e of the largest\n", tap, off / most);
    if (!(most > 0 && off <= agreement * most)) check_near(off / most, 0, agreement, __FILE__, __LINE__, tap);
}

static void keep(const run *r, const char *folder, const char *name) {
    const char *names[INPUTS + TAPS];
    const lb_tensor *tensors[INPUTS + TAPS];
    char path[600], text[INPUTS + TAPS][64];
    int n = 0;
    for (int i = 0; i < r->nin; i++, n++) {
        snprintf(text[n], sizeof text[n], "in.%s", r->in[i].name);
        tensors[n] = r->in[i].x;
    }
    for (int i = 0; i < r->ntaps; i++, n++) {
        snprintf(text[n], sizeof text[n], "out.%s", r->taps[i]);
        tensors[n] = r->want[i];
    }
    for (int i = 0; i < n; i++) names[i] = text[i];
    snprintf(path, sizeof path, "%s/%s.safetensors", folder, name);
    CHECK_OK(lb_safetensors_write(path, n, names, tensors, NULL));
}

static void read_back(run *r) {
    lb_onnx *g = NULL;
    if (!CHECK_OK(lb_onnx_open(&g, r->path, NULL))) return;
    CHECK_INT(lb_onnx_opset(g), 17);
    CHECK_INT(lb_onnx_inputs(g), r->nin);
    CHECK_INT(lb_onnx_outputs(g), r->ntaps);
    CHECK_INT(lb_onnx_input(g, 0)->shape[0], -1);
    lb_onnx_run(g, r->other, r->nin, r->in, r->ntaps, r->taps, r->got);
    if (CHECK_OK(lb_tape_status(r->other)))
        for (int i = 0; i < r->ntaps; i++) compare(r->taps[i], r->got[i], r->want[i]);
    lb_onnx_close(g);
}

static void try_one(const trial *c, const char *folder) {
    run r = {0};
    char taps[256];
    lb_value *params = NULL;
    const lb_head *arch = NULL;
    cli_export_spec spec = {.ninputs = c->inputs != NULL, .inputs = &c->inputs};
    if (!CHECK_OK(lb_json_parse(&params, c->params, strlen(c->params), c->name)) || !CHECK_OK(lb_family_find(&arch, &lb_archs, c->arch)) ||
        !CHECK_OK(lb_model_new(&r.m, (const lb_arch *)arch, params)) || !CHECK_OK(lb_store_init(r.m->store, 5)) || !CHECK_OK(lb_tape_new(&r.tape)) || !CHECK_OK(lb_tape_new(&r.other)))
        goto done;
    disturb(r.m->store);
    lb_tape_set_mode(r.tape, LB_TAPE_NO_GRAD);
    lb_tape_set_mode(r.other, LB_TAPE_NO_GRAD);
    spec.ntaps = r.ntaps = split(taps, c->taps, r.taps);
    spec.taps = r.taps;
    snprintf(r.path, sizeof r.path, "%s/%s.onnx", folder, c->name);
    if (!CHECK_OK(cli_export_onnx(r.path, r.m, &spec, NULL))) goto done;
    make_inputs(&r, c);
    lb_model_run(r.m, r.tape, r.nin, r.in, r.ntaps, r.taps, r.want);
    if (!CHECK_OK(lb_tape_status(r.tape))) goto done;
    if (getenv("LB_EXPORT_OUT")) keep(&r, folder, c->name);
    read_back(&r);
done:
    lb_sig_free(r.sig);
    lb_model_free(r.m);
    lb_tape_free(r.tape);
    lb_tape_free(r.other);
    lb_value_free(params);
}

static void graphs(void) {
    const char *folder = getenv("LB_EXPORT_OUT");
    int64_t live = lb_alloc_live();
    if (!folder) folder = check_tmp("export");
    CHECK_OK(lb_make_folders(folder));
    for (size_t i = 0; i < LB_COUNT(trials); i++) {
        check_begin("export-%s", trials[i].name);
        printf("%s\n", trials[i].name);
        try_one(&trials[i], folder);
        check_end();
    }
    CHECK_INT(lb_alloc_live(), live);
}

static void refuses(void) {
    lb_model *m = NULL;
    lb_value *params = NULL;
    const char *json = "{\"size\": 32, \"width\": 8, \"head\": 32, \"embed\": 16}", *no_tap = "absent", *path = check_tmp("none.onnx");
    if (!CHECK_OK(lb_json_parse(&params, json, strlen(json), "x")) || !CHECK_OK(lb_model_new(&m, (const lb_arch *)lb_family_at(&lb_archs, "dwconv"), params))) return;
    cli_export_spec spec = {.ntaps = 1, .taps = &no_tap};
    CHECK_FAILS(cli_export_onnx(path, m, &spec, NULL), LB_E_NOTFOUND, "'absent'");
    CHECK(!lb_file_exists(path));
    lb_model_free(m);
    lb_value_free(params);
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "export", (check_test[]){{"graphs", graphs}, {"refuses", refuses}, {0}});
}
