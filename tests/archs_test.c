/* SPDX-License-Identifier: Apache-2.0 */
/* Published networks against recorded values of their own code (tests/data/reference/make.py), tap by tap, where their weights are on
 * this machine. LB_REFERENCE names a folder with the full files to check all of their pictures and numbers. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "cli/models.h"
#include "io/audio.h"
#include "io/hdf5.h"
#include "tests/check.h"

/* Asked for: no number is further off than this share of its tensor's rms; f32 against f64 gives some 1e-6. */
static const double agreement = 1e-4;

/* The kept numbers of a tap are every s-th, s = ceil(n / 4096), unless all are there. */
static void compare(const char *what, const lb_tensor *got, lb_h5 *f, const char *dataset) {
    lb_tensor *want = NULL;
    double square = 0, worst = 0;
    if (!CHECK_OK(lb_h5_read(&want, f, dataset, LB_F64))) return;
    int64_t n = lb_numel(got), kept = lb_numel(want), step = kept == n ? 1 : (n + 4095) / 4096;
    if (!CHECK_INT(kept, (n + step - 1) / step)) goto done;
    for (int64_t i = 0; i < kept; i++) {
        double w = ((double *)want->data)[i], off = fabs(lb_get_at(got, i * step) - w);
        square += w * w;
        if (!(off <= worst)) worst = off; /* NaN too */
    }
    worst /= sqrt(square / (double)kept);
    printf("  %-28s %9.2e of rms\n", what, worst);
    if (!(worst <= agreement)) check_near(worst, 0, agreement, __FILE__, __LINE__, what);
done:
    lb_tensor_free(want);
}

static const char *reference(const char *name) {
    static char path[1024];
    const char *folder = getenv("LB_REFERENCE");
    if (folder) snprintf(path, sizeof path, "%s/%s", folder, name);
    else snprintf(path, sizeof path, "%s/%s", check_data("reference"), name);
    return path;
}

/* A fetched model, or the test is skipped. */
static bool open_model(cli_model **m, const char *name) {
    char *home = lb_home(), *folder = home ? lb_path_join(home, name) : NULL;
    bool there = folder && lb_is_folder(folder);
    if (!there) check_skip("%s is not on this machine: limbeck fetch %s", folder, name);
    lb_free(home);
    lb_free(folder);
    return there && CHECK_OK(cli_model_open(m, name));
}

/* ---- EfficientNet-lite0 ---- */

static const char *const lite_taps[] = {"block.0", "block.2", "block.4", "block.10", "block.15", "features", "pooled", "logits"};

static void lite_picture(cli_model *m, lb_h5 *f, const char *picture, lb_tape_mode mode) {
    lb_tape *t = NULL;
    lb_tensor *pixels = NULL, *x = NULL, *out[LB_COUNT(lite_taps)];
    char path[128];
    snprintf(path, sizeof path, "%s/pixels", picture);
    if (!CHECK_OK(lb_h5_read(&pixels, f, path, LB_U8)) || !CHECK_OK(lb_tape_new(&t)) || !CHECK_OK(lb_tensor_new(&x, LB_F32, 4, (int64_t[]){1, 3, 224, 224}))) goto done;
    lb_image img = {.width = 224, .height = 224, .channels = 3, .bits = 8, .pixels = pixels->data};
    lb_image_spec_normalise(x->data, &img, &m->image);
    lb_tape_set_mode(t, mode);
    lb_model_run(m->model, t, 1, (lb_named[]){{"image", x}}, (int)LB_COUNT(lite_taps), lite_taps, out);
    if (!CHECK_OK(lb_tape_status(t))) goto done;
    for (size_t i = 0; i < LB_COUNT(lite_taps); i++) {
        snprintf(path, sizeof path, "%s/%s", picture, lite_taps[i]);
        compare(path, out[i], f, path);
    }
done:
    lb_tape_free(t);
    lb_tensor_free(x);
    lb_tensor_free(pixels);
}

static void lite(lb_tape_mode mode) {
    cli_model *m = NULL;
    lb_h5 *f = NULL;
    char **pictures = NULL;
    int64_t count = 0;
    if (!open_model(&m, "efficientnet-lite0") || !CHECK_OK(lb_h5_open(&f, reference("image-efficientnet-lite0.h5")))) goto done;
    CHECK_OK(lb_h5_members(f, "/", &pictures, &count));
    CHECK(count > 0);
    for (int64_t i = 0; i < count; i++) lite_picture(m, f, pictures[i], mode);
done:
    lb_names_free(pictures, count);
    if (f) CHECK_OK(lb_h5_close(f));
    cli_model_close(m);
}

static void efficientnet_lite0(void) { lite(LB_TAPE_NO_GRAD); } /* norms folded into kernels */
static void efficientnet_lite0_unfolded(void) { lite(LB_TAPE_GRAD); }

/* A bare weight file is told by its tensors, and its sizes are read from them. */
static void efficientnet_lite0_bare(void) {
    cli_model *m = NULL;
    char *home = lb_home(), *file = home ? lb_path_join(home, "efficientnet-lite0/efficientnet-lite0.pth") : NULL;
    if (!file || !lb_file_exists(file)) check_skip("%s is not on this machine", file);
    else if (CHECK_OK(cli_model_open(&m, file))) CHECK_TEXT(m->model->arch->id, "efficientnet_lite");
    cli_model_close(m);
    lb_free(home);
    lb_free(file);
}

/* Sizes of timm's vit_small_patch16_224 from its tensors' names and shapes. */
static void vit_by_shapes(void) {
    static const char json[] = "{\"tensors\": {\"cls_token\": [1, 1, 384], \"pos_embed\": [1, 197, 384], \"patch_embed.proj.weight\": [384, 3, 16, 16], \"patch_embed.proj.bias\": [384],"
                               "\"blocks.0.attn.qkv.weight\": [1152, 384], \"blocks.0.attn.qkv.bias\": [1152], \"blocks.0.attn.proj.weight\": [384, 384], \"blocks.0.norm1.weight\": [384],"
                               "\"blocks.0.mlp.fc1.weight\": [1536, 384], \"blocks.0.mlp.fc2.weight\": [384, 1536], \"blocks.1.attn.qkv.weight\": [1152, 384], \"head.weight\": [1000, 384]}}";
    static const char *const names[] = {"blocks.0.norm1.weight", "blocks.0.attn.proj.weight", "patch_embed.proj.weight", "blocks.0.attn.qkv.weight"};
    const lb_head *head = NULL;
    lb_value *config = NULL;
    lb_model *m = NULL;
    if (!CHECK_OK(lb_family_find(&head, &lb_archs, "vit")) || !CHECK_OK(lb_json_parse(&config, json, strlen(json), "json"))) return;
    const lb_arch *a = (const lb_arch *)head;
    static const char *const beit[] = {"blocks.0.norm1.weight", "blocks.0.attn.proj.weight", "patch_embed.proj.weight", "blocks.0.attn.qkv.weight", "blocks.0.gamma_1"};
    CHECK(a->recognise(config, names, 4) > 0 && a->recognise(config, names + 1, 3) == 0 && a->recognise(config, beit, 5) == 0);
    void *cfg = lb_calloc(1, a->params_size);
    CHECK_OK(lb_params_default(a->params, cfg));
    CHECK_OK(a->from_config(cfg, config));
    if (CHECK_OK(lb_model_new_cfg(&m, a, cfg))) {
        lb_value *v = lb_params_to_value(a->params, m->cfg);
        CHECK_INT(lb_get_int(v, "size", 0), 224);
        CHECK_INT(lb_get_int(v, "heads", 0), 6);
        CHECK_INT(lb_get_int(v, "depth", 0), 2);
        /* two of twelve blocks of the published 22,050,664 */
        CHECK_INT(lb_store_parameters(m->store, NULL), 22050664 - 10 * 1774464);
        lb_value_free(v);
    }
    lb_model_free(m);
    lb_value_free(config);
}

/* Whose taps are the encoder's needs no decoder; its parameters then have no memory, and a run that wants them all the same says so. */
static void idle(void) {
    static const char json[] = "{\"vocab_size\": 20, \"num_mel_bins\": 8, \"d_model\": 16, \"encoder_layers\": 1, \"encoder_attention_heads\": 2, "
                               "\"encoder_ffn_dim\": 24, \"decoder_layers\": 2, \"decoder_attention_heads\": 2,"
                               "\"decoder_ffn_dim\": 24, \"max_source_positions\": 5, \"max_target_positions\": 6}";
    static const char *const encoder[] = {"encoder", "block.0"}, *const logits[] = {"encoder", "logits"};
    const lb_head *head = NULL;
    lb_value *params = NULL;
    lb_model *m = NULL;
    lb_tape *t = NULL;
    lb_tensor *out[2];
    if (!CHECK_OK(lb_family_find(&head, &lb_archs, "whisper")) || !CHECK_OK(lb_json_parse(&params, json, strlen(json), "json")) ||
        !CHECK_OK(lb_model_new_bare(&m, (const lb_arch *)head, params, NULL)))
        return;
    CHECK_OK(lb_model_mark_idle(m, 2, logits)); /* ids may be absent: who knows */
    for (int64_t i = 0; i < lb_store_count(m->store); i++) CHECK(!lb_store_at(m->store, i)->idle);
    CHECK_OK(lb_model_mark_idle(m, 2, encoder));
    for (int64_t i = 0; i < lb_store_count(m->store); i++) {
        lb_param_tensor *p = lb_store_at(m->store, i);
        CHECK_INT(p->idle, strncmp(p->name, "encoder.", 8) != 0);
        if (!p->idle) CHECK_OK(lb_param_claim(p));
    }
    CHECK_OK(lb_tape_new(&t));
    lb_tape_set_mode(t, LB_TAPE_NO_GRAD);
    static const int64_t numbers[3] = {0, 1, 2};
    lb_tensor *audio = lb_zeros(t, 3, (int64_t[]){1, 8, 10}), *ids = lb_input(t, LB_I64, 2, (int64_t[]){1, 3}, numbers, LB_I64);
    lb_model_run(m, t, 1, (lb_named[]){{"audio", audio}}, 2, encoder, out);
    CHECK_OK(lb_tape_status(t));
    lb_model_run(m, t, 2, (lb_named[]){{"audio", audio}, {"ids", ids}}, 2, logits, out);
    CHECK_FAILS(lb_tape_status(t), LB_E_BUG, "left in its file");
    lb_tape_free(t);
    lb_model_free(m);
    lb_value_free(params);
}

/* Default sizes: the compact towers stay compact. */
static void default_sizes(void) {
    static const struct {
        const char *arch;
        int64_t least, most;
    } all[] = {{"dwconv", 450000, 1200000}, {"dual-encoder", 4000000, 8000000}, {"joint-head", 500000, 1500000}, {"efficientnet-lite", 4652008, 4652008},
             /* torchvision's resnet18 and mobilenet_v3_large */
             {"resnet", 11689512, 11689512}, {"mobilenet-v3", 5483032, 5483032}};
    for (size_t i = 0; i < LB_COUNT(all); i++) {
        const lb_head *head = NULL;
        lb_model *m = NULL;
        lb_model_cost cost = {0};
        if (!CHECK_OK(lb_family_find(&head, &lb_archs, all[i].arch)) || !CHECK_OK(lb_model_new(&m, (const lb_arch *)head, NULL))) continue;
        CHECK_OK(lb_model_plan(m, &cost));
        printf("  %-28s %9lld parameters %9.3g flops\n", all[i].arch, (long long)cost.parameters, cost.flops);
        CHECK(cost.parameters >= all[i].least && cost.parameters <= all[i].most);
        lb_model_free(m);
    }
}

/* ---- all-MiniLM-L6-v2 ---- */

/* ids and mask of texts first..first+n-1, padded to the longest. */
static void text_batch(lb_tensor *ids, lb_tensor *offsets, int64_t first, int64_t n, lb_tensor **x, lb_tensor **mask) {
    const int64_t *o = (int64_t *)offsets->data + first;
    int64_t longest = 0;
    for (int64_t i = 0; i < n; i++)
        if (o[i + 1] - o[i] > longest) longest = o[i + 1] - o[i];
    if (!CHECK_OK(lb_tensor_new(x, LB_I64, 2, (int64_t[]){n, longest})) || !CHECK_OK(lb_tensor_new(mask, LB_I64, 2, (int64_t[]){n, longest}))) return;
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < o[i + 1] - o[i]; k++) {
            ((int64_t *)(*x)->data)[i * longest + k] = ((int64_t *)ids->data)[o[i] + k];
            ((int64_t *)(*mask)->data)[i * longest + k] = 1;
        }
}

static void text_run(cli_model *m, lb_tensor *x, lb_tensor *mask, int ntaps, const char *const *taps, lb_h5 *f, const char *const *datasets) {
    lb_tape *t = NULL;
    lb_tensor *out[8];
    if (!CHECK_OK(lb_tape_new(&t))) return;
    lb_tape_set_mode(t, LB_TAPE_NO_GRAD);
    lb_model_run(m->model, t, 2, (lb_named[]){{"ids", x}, {"mask", mask}}, ntaps, taps, out);
    if (CHECK_OK(lb_tape_status(t)))
        for (int i = 0; i < ntaps; i++) compare(datasets[i], out[i], f, datasets[i]);
    lb_tape_free(t);
}

static void minilm_l6(void) {
    static const char *const taps[] = {"embeddings", "block.0", "block.1", "block.2", "block.3", "block.4", "tokens"}, *const embedding[] = {"embedding"};
    cli_model *m = NULL;
    lb_h5 *f = NULL;
    lb_tensor *ids = NULL, *offsets = NULL, *x = NULL, *mask = NULL;
    if (!open_model(&m, "minilm-l6") || !CHECK_OK(lb_h5_open(&f, reference("text-minilm-l6.h5")))) goto done;
    if (!CHECK_OK(lb_h5_read(&ids, f, "ids", LB_I64)) || !CHECK_OK(lb_h5_read(&offsets, f, "ids_offsets", LB_I64))) goto done;
    text_batch(ids, offsets, 0, lb_numel(offsets) - 1, &x, &mask);
    text_run(m, x, mask, 1, embedding, f, embedding);
    for (int item = 0; item < 2; item++) {
        char names[7][32];
        const char *datasets[7];
        lb_tensor_free(x);
        lb_tensor_free(mask);
        text_batch(ids, offsets, item, 1, &x, &mask);
        for (int k = 0; k < 7; k++) {
            snprintf(names[k], sizeof names[k], "item%d/hidden.%d", item, k);
            datasets[k] = names[k];
        }
        text_run(m, x, mask, 7, taps, f, datasets);
    }
done:
    lb_tensor_free(ids);
    lb_tensor_free(offsets);
    lb_tensor_free(x);
    lb_tensor_free(mask);
    if (f) CHECK_OK(lb_h5_close(f));
    cli_model_close(m);
}

/* ---- Whisper base ---- */

/* The first frames of [1,T,C]. */
static lb_tensor frames_of(const lb_tensor *x, int64_t count) {
    lb_tensor part = *x;
    part.shape[1] = count;
    return part;
}

/* The log-mel's recorded numbers are float32 sums of some quiet bands: 5e-5 of its rms, and so of what comes from it. */
static void whisper_taps(cli_model *m, lb_h5 *f, lb_tape *t, lb_tensor *audio, lb_tensor *ids) {
    static const char *const taps[] = {"mel", "embeddings", "block.0", "block.1", "block.2", "block.3", "block.4", "encoder", "logits"};
    static const char *const datasets[] = {"mel", "hidden.0", "hidden.1", "hidden.2", "hidden.3", "hidden.4", "hidden.5", "encoder", "first_logits"};
    static const int64_t frames[] = {80, 150, 150, 150, 150, 150, 150, 300, 0};
    lb_tensor *out[LB_COUNT(taps)], *last = NULL;
    lb_model_run(m->model, t, 2, (lb_named[]){{"audio", audio}, {"ids", ids}}, (int)LB_COUNT(taps), taps, out);
    last = lb_slice(t, out[8], 1, -1, INT64_MAX, 1);
    if (!CHECK_OK(lb_tape_status(t))) return;
    for (size_t i = 0; i < LB_COUNT(taps); i++) {
        lb_tensor part = frames[i] ? frames_of(out[i], frames[i]) : *last;
        compare(datasets[i], &part, f, datasets[i]);
    }
}

static void whisper_text(cli_model *m, lb_h5 *f, lb_tape *t, lb_tensor *audio) {
    static const char *const tap = "encoder";
    lb_tensor *y = NULL, *memory = NULL, *want = NULL;
    int64_t *prompt = NULL, length = 0;
    lb_buf text = {0}, *texts[] = {&text}, expected = {0};
    lb_tape_reset(t);
    lb_model_run(m->model, t, 1, (lb_named[]){{"audio", audio}}, 1, &tap, &y);
    if (CHECK_OK(lb_tape_status(t)) && CHECK_OK(lb_tensor_copy(&memory, y, LB_F32)) && CHECK_OK(lb_h5_read(&want, f, "greedy_text_bytes", LB_U8)) &&
        CHECK_OK(cli_writer_prompts(&prompt, &length, m->writer, &(cli_writing){0}, m->model, t, memory)) &&
        CHECK_OK(cli_writer_run(texts, m->writer, &(cli_writing){0}, m->model, t, &(lb_prompts){.count = 1, .length = length, .ids = prompt, .memory = memory}))) {
        lb_buf_add(&expected, want->data, (size_t)lb_numel(want));
        CHECK_TEXT(lb_buf_str(&text), lb_buf_str(&expected));
    }
    lb_free(prompt);
    lb_buf_free(&text);
    lb_buf_free(&expected);
    lb_tensor_free(memory);
    lb_tensor_free(want);
}

static void whisper_base(void) {
    cli_model *m = NULL;
    lb_h5 *f = NULL;
    lb_tape *t = NULL;
    lb_audio a = {0};
    lb_tensor *audio = NULL, *ids = NULL, *greedy = NULL;
    if (!open_model(&m, "whisper-base") || !CHECK_OK(lb_h5_open(&f, reference("audio-whisper-base.h5"))) || !CHECK_OK(lb_tape_new(&t))) goto done;
    if (!CHECK_OK(lb_audio_read(&a, reference("speech.wav"), &(lb_audio_options){.rate_hz = m->audio.rate_hz, .channels = 1, .sixteen = true})) ||
        !CHECK_OK(lb_h5_read(&greedy, f, "greedy_ids", LB_I64)))
        goto done;
    if (!CHECK_OK(lb_tensor_new(&audio, LB_F32, 3, (int64_t[]){1, 80, 3000})) || !CHECK_OK(lb_tensor_new(&ids, LB_I64, 2, (int64_t[]){1, 4})) ||
        !CHECK_OK(lb_audio_prepare_run(audio->data, &m->audio, a.samples, a.frames)))
        goto done;
    memcpy(ids->data, greedy->data, 4 * sizeof(int64_t));
    lb_tape_set_mode(t, LB_TAPE_NO_GRAD);
    whisper_taps(m, f, t, audio, ids);
    whisper_text(m, f, t, audio);
done:
    lb_audio_free(&a);
    lb_tensor_free(audio);
    lb_tensor_free(ids);
    lb_tensor_free(greedy);
    lb_tape_free(t);
    if (f) CHECK_OK(lb_h5_close(f));
    cli_model_close(m);
}

/* ---- small networks of every arch as PyTorch computes them: tests/data/archs/make.py ---- */

/* f32 against f64 through some ten layers: errors of 1e-7 grow to some 1e-5 of a tensor's rms; a gradient that cancels to nearly nothing is
 * measured against `floor` instead. A gradient has been through the layers twice, and fifty of them grow the errors to 1e-4 (seen: 1.15e-4, by the
 * order in which a kernel level sums): it may be off five times as much. */
static void same_numbers(const char *group, const char *dataset, lb_h5 *f, const lb_tensor *got, double floor) {
    lb_tensor *want = NULL;
    char path[256];
    double square = 0, worst = 0;
    snprintf(path, sizeof path, "%s/%s", group, dataset);
    if (!CHECK_OK(lb_h5_read(&want, f, path, LB_F64)) || !CHECK(got != NULL)) goto done;
    if (!lb_same_shape(got, want)) {
        check_true(false, __FILE__, __LINE__, path);
        goto done;
    }
    int64_t n = lb_numel(want);
    for (int64_t i = 0; i < n; i++) {
        double w = ((double *)want->data)[i], off = fabs(lb_get_at(got, i) - w);
        square += w * w;
        if (!(off <= worst)) worst = off;
    }
    worst /= fmax(sqrt(square / (double)n), floor);
    double within = floor > 1e-20 ? 5 * agreement : agreement;
    if (!(worst <= within)) check_near(worst, 0, within, __FILE__, __LINE__, path);
done:
    lb_tensor_free(want);
}

/* Root of the mean square over all gradients of a group. */
static double all_rms(lb_h5 *f, const char *group, char **names, int64_t count) {
    double square = 0, n = 0;
    char path[256];
    for (int64_t i = 0; i < count; i++) {
        lb_tensor *x = NULL;
        snprintf(path, sizeof path, "%s/%s", group, names[i]);
        if (!CHECK_OK(lb_h5_read(&x, f, path, LB_F64))) return 1;
        for (int64_t k = 0; k < lb_numel(x); k++) square += ((double *)x->data)[k] * ((double *)x->data)[k];
        n += (double)lb_numel(x);
        lb_tensor_free(x);
    }
    return n > 0 ? sqrt(square / n) : 1;
}

static lb_status members(lb_h5 *f, const char *group, const char *part, char ***names, int64_t *count) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", group, part);
    return lb_h5_members(f, path, names, count);
}

/* Weights of the group into the model: every one must have its place, and none be left over. */
static bool fill_model(lb_model *m, lb_h5 *f, const char *group, char **names, int64_t count, bool all) {
    char path[256];
    for (int64_t i = 0; i < count; i++) {
        lb_param_tensor *p = lb_store_find(m->store, names[i]);
        lb_tensor *x = NULL;
        snprintf(path, sizeof path, "%s/param/%s", group, names[i]);
        if (!check_true(p != NULL, __FILE__, __LINE__, path) || !CHECK_OK(lb_h5_read(&x, f, path, LB_F32))) return false;
        bool same = check_true(lb_same_shape(x, p->x), __FILE__, __LINE__, path);
        if (same) memcpy(p->x->data, x->data, (size_t)lb_numel(x) * sizeof(float));
        lb_tensor_free(x);
        if (!same) return false;
    }
    return !all || CHECK_INT(lb_store_count(m->store), count);
}

enum { NAMES = 24 };
typedef struct small_case {
    lb_h5 *f;
    const char *group;
    lb_model *model;
    lb_tape *tape;
    char **inputs, **taps, **params, **grads, **after;
    int64_t ninputs, ntaps, nparams, ngrads, nafter;
    lb_tensor *in[NAMES], *weight[NAMES];
    bool training;
} small_case;

static bool small_open(small_case *c) {
    lb_h5_attr *a = NULL;
    int count = 0;
    const char *arch = "", *params = "{}";
    lb_value *v = NULL;
    const lb_head *head = NULL;
    bool ok = CHECK_OK(lb_h5_attrs(c->f, c->group, &a, &count));
    for (int i = 0; i < count; i++) {
        if (strcmp(a[i].name, "arch") == 0) arch = a[i].text;
        if (strcmp(a[i].name, "params") == 0) params = a[i].text;
        if (strcmp(a[i].name, "training") == 0) c->training = a[i].integer != 0;
    }
    ok = ok && CHECK_OK(lb_family_find(&head, &lb_archs, arch)) && CHECK_OK(lb_json_parse(&v, params, strlen(params), c->group)) && CHECK_OK(lb_model_new(&c->model, (const lb_arch *)head, v));
    lb_value_free(v);
    lb_h5_attrs_free(a, count);
    return ok && CHECK_OK(members(c->f, c->group, "in", &c->inputs, &c->ninputs)) && CHECK_OK(members(c->f, c->group, "out", &c->taps, &c->ntaps)) &&
           CHECK_OK(members(c->f, c->group, "param", &c->params, &c->nparams)) && CHECK_OK(members(c->f, c->group, "grad", &c->grads, &c->ngrads)) &&
           CHECK_OK(members(c->f, c->group, "after", &c->after, &c->nafter)) && CHECK_OK(lb_tape_new(&c->tape)) && CHECK(c->ninputs > 0 && c->ntaps > 0 && c->ntaps < NAMES && c->ngrads > 0) &&
           fill_model(c->model, c->f, c->group, c->params, c->nparams, strcmp(c->group, "dual-encoder-text") != 0);
}

static void small_close(small_case *c) {
    lb_model_free(c->model);
    lb_tape_free(c->tape);
    lb_names_free(c->inputs, c->ninputs);
    lb_names_free(c->taps, c->ntaps);
    lb_names_free(c->params, c->nparams);
    lb_names_free(c->grads, c->ngrads);
    lb_names_free(c->after, c->nafter);
    for (int i = 0; i < NAMES; i++) {
        lb_tensor_free(c->in[i]);
        lb_tensor_free(c->weight[i]);
    }
}

/* One run: results; then the gradients of sum <weight, tap>, or with folded = true a run without gradients. */
static void small_run(small_case *c, bool folded) {
    lb_named in[NAMES];
    lb_tensor *out[NAMES];
    char path[256];
    for (int64_t i = 0; i < c->ninputs; i++) in[i] = (lb_named){c->inputs[i], c->in[i]};
    lb_tape_set_mode(c->tape, folded ? LB_TAPE_NO_GRAD : LB_TAPE_GRAD);
    lb_tape_set_training(c->tape, c->training, NULL);
    lb_model_run(c->model, c->tape, (int)c->ninputs, in, (int)c->ntaps, (const char *const *)c->taps, out);
    if (!CHECK_OK(lb_tape_status(c->tape))) return;
    for (int64_t i = 0; i < c->ntaps; i++) {
        snprintf(path, sizeof path, "out/%s", c->taps[i]);
        same_numbers(c->group, path, c->f, out[i], 1e-30);
    }
    if (folded) return;
    lb_backward_from(c->tape, (int)c->ntaps, out, c->weight, false);
    CHECK_OK(lb_tape_status(c->tape));
    snprintf(path, sizeof path, "%s/grad", c->group);
    double floor = 0.01 * all_rms(c->f, path, c->grads, c->ngrads);
    for (int64_t i = 0; i < c->ngrads; i++) {
        lb_param_tensor *p = lb_store_find(c->model->store, c->grads[i]);
        snprintf(path, sizeof path, "grad/%s", c->grads[i]);
        if (CHECK(p != NULL)) same_numbers(c->group, path, c->f, p->x->grad, floor);
    }
    for (int64_t i = 0; i < c->nafter; i++) {
        snprintf(path, sizeof path, "after/%s", c->after[i]);
        same_numbers(c->group, path, c->f, lb_store_find(c->model->store, c->after[i])->x, 1e-30);
    }
}

static void small_one(lb_h5 *f, const char *group) {
    small_case c = {.f = f, .group = group};
    char path[256];
    if (!small_open(&c)) goto done;
    for (int64_t i = 0; i < c.ninputs; i++) {
        bool integer = false;
        snprintf(path, sizeof path, "%s/in/%s", group, c.inputs[i]);
        if (!CHECK_OK(lb_h5_is_integer(&integer, f, path)) || !CHECK_OK(lb_h5_read(&c.in[i], f, path, integer ? LB_I64 : LB_F32))) goto done;
    }
    for (int64_t i = 0; i < c.ntaps; i++) {
        snprintf(path, sizeof path, "%s/weight/%s", group, c.taps[i]);
        if (!CHECK_OK(lb_h5_read(&c.weight[i], f, path, LB_F32))) goto done;
    }
    if (!c.training) small_run(&c, true);
    lb_tape_reset(c.tape);
    small_run(&c, false);
done:
    small_close(&c);
}

static void recorded(const char *file, int64_t cases) {
    lb_h5 *f = NULL;
    char **groups = NULL;
    int64_t count = 0;
    if (!CHECK_OK(lb_h5_open(&f, check_data(file))) || !CHECK_OK(lb_h5_members(f, "/", &groups, &count))) return;
    CHECK_INT(count, cases);
    for (int64_t i = 0; i < count; i++) {
        check_begin("pytorch %s", groups[i]);
        small_one(f, groups[i]);
        check_end();
    }
    lb_names_free(groups, count);
    CHECK_OK(lb_h5_close(f));
}

static void small_networks(void) {
    recorded("archs/archs.h5", 12);
    recorded("archs/students.h5", 10);
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "archs", (check_test[]){
        {"as pytorch", small_networks},
        {"efficientnet-lite0", efficientnet_lite0},
        {"efficientnet-lite0 unfolded", efficientnet_lite0_unfolded},
        {"efficientnet-lite0 bare", efficientnet_lite0_bare},
        {"minilm-l6", minilm_l6},
        {"whisper-base", whisper_base},
        {"vit by shapes", vit_by_shapes},
        {"idle", idle},
        {"default sizes", default_sizes},
        {0}});
}
