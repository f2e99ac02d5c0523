/* SPDX-License-Identifier: Apache-2.0 */
/* Sources of the rules: transformers image_transforms.py and image_processing_{clip,vit,convnext,sam}.py; torchvision
 * transforms/functional.py (resize, center_crop); open_clip transform.py; timm data/config.py and transforms_factory.py. */
#include "vision/preprocess.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SIZE_MAX_PX = 65536 };

static const char *const modes[] = {"shortest", "longest", "squash", "none", NULL};
static const char *const filters[] = {"bicubic", "bilinear", "lanczos", "box", "nearest", "hamming", NULL};
static const char *const roundings[] = {"torchvision", "floor", NULL};

static const char *one_of(const char *const *list, const char *word) {
    for (; word && *list; list++)
        if (strcmp(*list, word) == 0) return *list;
    return NULL;
}

static lb_image_spec plain(void) {
    return (lb_image_spec){.mode = "none", .filter = "bicubic", .crop_rounding = "torchvision", .scale = 1.0 / 255, .std = {1, 1, 1}};
}

/* A colour triple: three numbers, or one for all. Absent: untouched. */
static lb_status read_triple(double out[3], const lb_value *map, const char *key) {
    const lb_value *v = lb_get(map, key);
    if (!v || v->kind == LB_V_NULL) return LB_OK;
    const lb_value *items[3] = {v, v, v};
    if (v->kind == LB_V_LIST && (v->count == 3 || v->count == 1))
        for (int i = 0; i < 3; i++) items[i] = v->items[v->count == 3 ? i : 0];
    for (int i = 0; i < 3; i++) {
        if (items[i]->kind != LB_V_REAL && items[i]->kind != LB_V_INT) return lb_fail(LB_E_FORMAT, "%s must be three numbers", key);
        out[i] = items[i]->kind == LB_V_INT ? (double)items[i]->integer : items[i]->real;
    }
    return LB_OK;
}

static lb_status read_size(int *out, const lb_value *v, const char *what) {
    int64_t n = v && v->kind == LB_V_INT ? v->integer : v && v->kind == LB_V_REAL && v->real == floor(v->real) && fabs(v->real) < 1e9 ? (int64_t)v->real : -1;
    if (n < 0 || n > SIZE_MAX_PX) return lb_fail(LB_E_FORMAT, "%s must be a whole number from 0 to %d", what, SIZE_MAX_PX);
    *out = (int)n;
    return LB_OK;
}

/* A number, [height, width] or {"height", "width"}. */
static lb_status read_pair(int *w, int *h, const lb_value *v, const char *what) {
    if (v && v->kind == LB_V_MAP) {
        lb_status st = read_size(h, lb_get(v, "height"), what);
        return st == LB_OK ? read_size(w, lb_get(v, "width"), what) : st;
    }
    bool list = v && v->kind == LB_V_LIST && (v->count == 2 || v->count == 1);
    lb_status st = read_size(h, list ? v->items[0] : v, what);
    return st == LB_OK ? read_size(w, list ? v->items[v->count - 1] : v, what) : st;
}

static lb_status check(const lb_image_spec *s) {
    if (strcmp(s->mode, "none") != 0 && (s->size_w < 1 || (strcmp(s->mode, "squash") == 0 && s->size_h < 1))) return lb_fail(LB_E_FORMAT, "size of a %s resize must be at least 1", s->mode);
    if ((s->crop_w == 0) != (s->crop_h == 0)) return lb_fail(LB_E_FORMAT, "crop of %d x %d pixels", s->crop_w, s->crop_h);
    if (s->pad && strcmp(s->mode, "longest") != 0) return lb_fail(LB_E_FORMAT, "padding goes with the mode longest only, not %s", s->mode);
    if (!isfinite(s->scale)) return lb_fail(LB_E_FORMAT, "scale must be finite");
    for (int i = 0; i < 3; i++)
        if (!isfinite(s->mean[i]) || !isfinite(s->std[i]) || s->std[i] == 0) return lb_fail(LB_E_FORMAT, "mean and std must be finite, std not 0");
    return LB_OK;
}

/* ---- our own keys ---- */

static lb_status read_word(const char **out, const lb_value *map, const char *key, const char *const *list) {
    const lb_value *v = lb_get(map, key);
    if (!v) return LB_OK;
    const char *word = v->kind == LB_V_TEXT ? one_of(list, v->text) : NULL;
    if (!word) return lb_fail(LB_E_ARG, "%s '%s' is unknown", key, v->kind == LB_V_TEXT ? v->text : "(not a text)");
    *out = word;
    return LB_OK;
}

static lb_status from_ours(lb_image_spec *s, const lb_value *map) {
    static const char *const known[] = {"mode", "size_w", "size_h", "filter", "crop_w", "crop_h", "crop_rounding", "pad", "scale", "mean", "std", NULL};
    static const char *const sizes[] = {"size_w", "size_h", "crop_w", "crop_h"};
    int *const into[] = {&s->size_w, &s->size_h, &s->crop_w, &s->crop_h};
    lb_status st = lb_value_only(map, "preprocessing", known);
    if (st == LB_OK) st = read_word(&s->mode, map, "mode", modes);
    if (st == LB_OK) st = read_word(&s->filter, map, "filter", filters);
    if (st == LB_OK) st = read_word(&s->crop_rounding, map, "crop_rounding", roundings);
    for (size_t i = 0; st == LB_OK && i < LB_COUNT(sizes); i++)
        if (lb_get(map, sizes[i])) st = read_size(into[i], lb_get(map, sizes[i]), sizes[i]);
    s->pad = lb_get_bool(map, "pad", false);
    s->scale = lb_get_real(map, "scale", s->scale);
    if (st == LB_OK) st = read_triple(s->mean, map, "mean");
    if (st == LB_OK) st = read_triple(s->std, map, "std");
    return st;
}

/* ---- Hugging Face preprocessor_config.json ---- */

/* Processors whose plain number for `size` is the shorter side; for the others it is a square. */
static bool number_is_shortest(const char *type) {
    static const char *const names[] = {"CLIP", "ChineseCLIP", "ConvNext", "Bit", "Levit", "PoolFormer"};
    for (size_t i = 0; i < LB_COUNT(names); i++)
        if (strncmp(type, names[i], strlen(names[i])) == 0 && strncmp(type, "CLIPSeg", 7) != 0) return true;
    return false;
}

static lb_status hf_filter(lb_image_spec *s, const lb_value *map) {
    static const char *const pil[] = {"nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"}; /* PIL.Image.Resampling */
    const lb_value *v = lb_get(map, "resample");
    if (!v || v->kind == LB_V_NULL) return LB_OK;
    if (v->kind != LB_V_INT || v->integer < 0 || v->integer > 5) return lb_fail(LB_E_FORMAT, "resample must be 0 to 5");
    s->filter = pil[v->integer];
    return LB_OK;
}

/* ConvNext: below 384 resize the shorter side to size / crop_pct and crop, from 384 on squash. */
static lb_status hf_convnext(lb_image_spec *s, const lb_value *map, int n) {
    double pct = lb_get_real(map, "crop_pct", 224.0 / 256);
    if (!(pct > 0 && pct <= 1)) return lb_fail(LB_E_FORMAT, "crop_pct must be above 0 and at most 1");
    s->size_w = s->size_h = n;
    if (n >= 384) {
        s->mode = "squash";
        return LB_OK;
    }
    s->mode = "shortest";
    s->crop_w = s->crop_h = n;
    s->size_w = s->size_h = (int)(n / pct);
    return LB_OK;
}

static lb_status hf_size(lb_image_spec *s, const lb_value *map, const char *type) {
    const lb_value *size = lb_get(map, "size");
    if (!size || !lb_get_bool(map, "do_resize", true)) return size || !lb_get_bool(map, "do_resize", false) ? LB_OK : lb_fail(LB_E_FORMAT, "do_resize without size");
    const lb_value *shortest = lb_get(size, "shortest_edge"), *longest = lb_get(size, "longest_edge");
    bool number = size->kind == LB_V_INT;
    if (shortest && longest) return lb_fail(LB_E_UNSUPPORTED, "size with both shortest_edge and longest_edge");
    if (lb_get(map, "crop_pct") || strncmp(type, "ConvNext", 8) == 0) {
        lb_status st = read_size(&s->size_w, number ? size : shortest, "size.shortest_edge");
        return st == LB_OK ? hf_convnext(s, map, s->size_w) : st;
    }
    if (shortest || longest || (number && number_is_shortest(type))) {
        s->mode = longest ? "longest" : "shortest";
        lb_status st = read_size(&s->size_w, number ? size : shortest ? shortest : longest, "size");
        s->size_h = s->size_w;
        return st;
    }
    s->mode = "squash";
    return read_pair(&s->size_w, &s->size_h, size, "size");
}

static lb_status from_hugging_face(lb_image_spec *s, const lb_value *map) {
    const char *type = lb_get_text(map, "image_processor_type", lb_get_text(map, "feature_extractor_type", ""));
    s->crop_rounding = "floor";
    s->filter = "bilinear"; /* what most processors do when the file is silent; CLIP's say bicubic */
    if (number_is_shortest(type)) s->filter = "bicubic";
    lb_status st = hf_filter(s, map);
    if (st == LB_OK) st = hf_size(s, map, type);
    const lb_value *crop = lb_get(map, "crop_size");
    if (st == LB_OK && lb_get_bool(map, "do_center_crop", crop != NULL)) {
        if (!crop && s->size_w == 0) return lb_fail(LB_E_FORMAT, "do_center_crop without crop_size");
        if (crop) st = read_pair(&s->crop_w, &s->crop_h, crop, "crop_size");
        else s->crop_w = s->size_w, s->crop_h = s->size_h;
    }
    s->pad = strcmp(s->mode, "longest") == 0 && lb_get_bool(map, "do_pad", false);
    s->scale = lb_get_bool(map, "do_rescale", true) ? lb_get_real(map, "rescale_factor", 1.0 / 255) : 1;
    bool normalise = lb_get_bool(map, "do_normalize", lb_get(map, "image_mean") != NULL);
    if (normalise && (!lb_get(map, "image_mean") || !lb_get(map, "image_std"))) return lb_fail(LB_E_FORMAT, "do_normalize without image_mean and image_std");
    if (st == LB_OK && normalise) st = read_triple(s->mean, map, "image_mean");
    if (st == LB_OK && normalise) st = read_triple(s->std, map, "image_std");
    /* EfficientNet's: 1 is taken off behind the scale; divided by std once more */
    bool twice = lb_get_bool(map, "include_top", strncmp(type, "EfficientNet", 12) == 0), offset = lb_get_bool(map, "rescale_offset", false);
    for (int i = 0; i < 3; i++) {
        if (offset) s->mean[i] += 1;
        if (twice) s->std[i] *= s->std[i];
    }
    return st;
}

/* ---- open_clip and timm ---- */

static lb_status read_interpolation(lb_image_spec *s, const lb_value *map) {
    const char *word = lb_get_text(map, "interpolation", "bicubic"), *known = one_of(filters, word);
    if (!known && strcmp(word, "random") != 0) return lb_fail(LB_E_UNSUPPORTED, "interpolation '%s' is not handled", word);
    s->filter = known ? known : "bicubic"; /* open_clip's "random" is for training */
    return LB_OK;
}

static lb_status from_open_clip(lb_image_spec *s, const lb_value *map, const lb_value *whole) {
    static const double mean[3] = {0.48145466, 0.4578275, 0.40821073}, std[3] = {0.26862954, 0.26130258, 0.27577711}; /* OPENAI_DATASET_MEAN, _STD */
    const lb_value *size = lb_get(map, "size");
    if (!size) size = lb_get(whole, "model_cfg.vision_cfg.image_size");
    memcpy(s->mean, mean, sizeof mean);
    memcpy(s->std, std, sizeof std);
    lb_status st = read_pair(&s->size_w, &s->size_h, size, "size");
    if (st == LB_OK) st = read_interpolation(s, map);
    if (st == LB_OK) st = read_triple(s->mean, map, "mean");
    if (st == LB_OK) st = read_triple(s->std, map, "std");
    if (st != LB_OK) return st;
    const char *mode = lb_get_text(map, "resize_mode", "shortest");
    if (strcmp(mode, "squash") == 0) s->mode = "squash";
    else if (strcmp(mode, "shortest") == 0 && s->size_w == s->size_h) {
        s->mode = "shortest";
        s->crop_w = s->crop_h = s->size_w;
    } else return lb_fail(LB_E_UNSUPPORTED, "resize_mode '%s' to %d x %d is not handled", mode, s->size_w, s->size_h);
    return LB_OK;
}

static lb_status from_timm(lb_image_spec *s, const lb_value *map) {
    const lb_value *size = lb_get(map, "input_size");
    if (!size || size->kind != LB_V_LIST || size->count != 3) return lb_fail(LB_E_FORMAT, "input_size must be [channels, height, width]");
    lb_status st = read_size(&s->crop_h, size->items[1], "input_size");
    if (st == LB_OK) st = read_size(&s->crop_w, size->items[2], "input_size");
    if (st == LB_OK) st = read_interpolation(s, map);
    if (st == LB_OK) st = read_triple(s->mean, map, "mean");
    if (st == LB_OK) st = read_triple(s->std, map, "std");
    if (st != LB_OK) return st;
    double pct = lb_get_real(map, "crop_pct", 0.875);
    const char *mode = lb_get_text(map, "crop_mode", "center");
    if (!(pct > 0 && pct <= 1)) return lb_fail(LB_E_FORMAT, "crop_pct must be above 0 and at most 1");
    if (strcmp(mode, "squash") == 0) {
        s->mode = "squash";
        s->size_w = (int)floor(s->crop_w / pct);
        s->size_h = (int)floor(s->crop_h / pct);
    } else if (strcmp(mode, "center") == 0 && s->crop_w == s->crop_h) {
        s->mode = "shortest";
        s->size_w = s->size_h = (int)floor(s->crop_w / pct);
    } else return lb_fail(LB_E_UNSUPPORTED, "crop_mode '%s' to %d x %d is not handled", mode, s->crop_w, s->crop_h);
    return LB_OK;
}

static lb_status from_any(lb_image_spec *s, const lb_value *map) {
    if (!map || map->kind != LB_V_MAP) return lb_fail(LB_E_FORMAT, "must be a map");
    if (lb_get(map, "preprocess_cfg")) return from_open_clip(s, lb_get(map, "preprocess_cfg"), map);
    if (lb_get(map, "pretrained_cfg")) return from_timm(s, lb_get(map, "pretrained_cfg"));
    if (lb_get(map, "input_size")) return from_timm(s, map);
    static const char *const hf[] = {"image_mean", "do_resize", "resample", "do_normalize", "do_rescale", "image_processor_type", "feature_extractor_type"};
    for (size_t i = 0; i < LB_COUNT(hf); i++)
        if (lb_get(map, hf[i])) return from_hugging_face(s, map);
    if (lb_get(map, "interpolation") || lb_get(map, "resize_mode")) return from_open_clip(s, map, map);
    return from_ours(s, map);
}

lb_status lb_image_spec_from(lb_image_spec *out, const lb_value *map) {
    lb_image_spec s = plain();
    lb_status st = from_any(&s, map);
    if (st == LB_OK) st = check(&s);
    if (st != LB_OK) return lb_where(st, "image preprocessing");
    *out = s;
    return LB_OK;
}

lb_status lb_image_spec_parse(lb_image_spec *out, const char *json) {
    lb_value *v = NULL;
    lb_status st = lb_json_parse(&v, json, strlen(json), "image preprocessing");
    if (st == LB_OK) st = lb_image_spec_from(out, v);
    lb_value_free(v);
    return st;
}

lb_value *lb_image_spec_value(const lb_image_spec *s) {
    lb_value *map = lb_value_map(), *mean = lb_value_list(), *std = lb_value_list();
    for (int i = 0; i < 3; i++) {
        lb_list_real(mean, s->mean[i]);
        lb_list_real(std, s->std[i]);
    }
    lb_map_text(map, "mode", s->mode);
    lb_map_int(map, "size_w", s->size_w);
    lb_map_int(map, "size_h", s->size_h);
    lb_map_text(map, "filter", s->filter);
    lb_map_int(map, "crop_w", s->crop_w);
    lb_map_int(map, "crop_h", s->crop_h);
    lb_map_text(map, "crop_rounding", s->crop_rounding);
    lb_map_bool(map, "pad", s->pad);
    lb_map_real(map, "scale", s->scale);
    lb_map_put(map, "mean", mean);
    lb_map_put(map, "std", std);
    return map;
}

/* ---- geometry ---- */

static void resized(const lb_image_spec *s, int32_t w, int32_t h, int32_t *out_w, int32_t *out_h) {
    int64_t n = s->size_w, a = w, b = h;
    *out_w = w;
    *out_h = h;
    if (strcmp(s->mode, "squash") == 0) {
        *out_w = s->size_w;
        *out_h = s->size_h;
    } else if (strcmp(s->mode, "shortest") == 0) { /* the other side: int(size * long / short) */
        *out_w = (int32_t)(a <= b ? n : n * a / b > INT32_MAX ? INT32_MAX : n * a / b);
        *out_h = (int32_t)(b <= a ? n : n * b / a > INT32_MAX ? INT32_MAX : n * b / a);
    } else if (strcmp(s->mode, "longest") == 0) { /* segment_anything get_preprocess_shape: int(x * scale + 0.5) */
        double scale = (double)n * 1.0 / (double)(a > b ? a : b);
        *out_w = (int32_t)((double)a * scale + 0.5);
        *out_h = (int32_t)((double)b * scale + 0.5);
        if (*out_w < 1) *out_w = 1;
        if (*out_h < 1) *out_h = 1;
    }
}

void lb_image_spec_size(const lb_image_spec *s, int32_t w, int32_t h, int32_t *out_w, int32_t *out_h) {
    resized(s, w, h, out_w, out_h);
    if (s->pad) *out_w = *out_h = s->size_w;
    if (s->crop_w) *out_w = s->crop_w;
    if (s->crop_h) *out_h = s->crop_h;
}

/* First row or column of a centre crop. torchvision rounds (have - want) / 2 half to even, and pads the smaller half first; floor is
 * transformers' rule, also for padding. */
static int32_t crop_start(const lb_image_spec *s, int32_t have, int32_t want) {
    int32_t d = have - want, half = d >= 0 ? d / 2 : -((1 - d) / 2);
    if (strcmp(s->crop_rounding, "floor") == 0) return half;
    if (d < 0) return -(-d / 2);
    return d % 2 == 0 ? half : half + (half & 1);
}

void lb_image_spec_boxes(const lb_image_spec *s, int32_t w, int32_t h, float *boxes, int64_t count) {
    int32_t rw, rh, ow, oh;
    resized(s, w, h, &rw, &rh);
    lb_image_spec_size(s, w, h, &ow, &oh);
    double scale[2] = {(double)rw / w, (double)rh / h}, from[2] = {0, 0}, most[2] = {(double)ow, (double)oh};
    if (s->crop_w) {
        from[0] = crop_start(s, s->pad ? s->size_w : rw, s->crop_w);
        from[1] = crop_start(s, s->pad ? s->size_w : rh, s->crop_h);
    }
    for (int64_t i = 0; i < 4 * count; i++) boxes[i] = (float)fmin(fmax((double)boxes[i] * scale[i % 2] - from[i % 2], 0), most[i % 2]);
}

static void fitted_size(const void *ctx, int32_t w, int32_t h, int32_t *out_w, int32_t *out_h) { resized(ctx, w, h, out_w, out_h); }

lb_status lb_image_spec_fit(lb_fit *out, const lb_image_spec *s) {
    *out = (lb_fit){.size = fitted_size, .ctx = s};
    return lb_filter_parse(&out->filter, s->filter);
}

static void replace(lb_image *at, lb_image *take_by) {
    lb_image_free(at);
    *at = *take_by;
    *take_by = (lb_image){0};
}

lb_status lb_image_spec_rest(lb_image *out, lb_image *take_fitted, const lb_image_spec *s) {
    lb_image a = *take_fitted, b = {0};
    int32_t w = a.width, h = a.height;
    lb_status st = LB_OK;
    *take_fitted = (lb_image){0};
    if (s->pad && (w != s->size_w || h != s->size_w)) {
        LB_TRY(lb_image_crop(&b, &a, 0, 0, s->size_w, s->size_w, NULL));
        b.pad_right = s->size_w - w;
        b.pad_bottom = s->size_w - h;
        replace(&a, &b);
    }
    if (s->crop_w && (a.width != s->crop_w || a.height != s->crop_h)) {
        LB_TRY(lb_image_crop(&b, &a, crop_start(s, a.width, s->crop_w), crop_start(s, a.height, s->crop_h), s->crop_w, s->crop_h, NULL));
        replace(&a, &b);
    }
    *out = a;
    a = (lb_image){0};
done:
    lb_image_free(&a);
    return st;
}

lb_status lb_image_spec_geometry(lb_image *out, const lb_image *rgb, const lb_image_spec *s) {
    lb_fit fit;
    lb_image a = {0};
    int32_t w, h;
    lb_status st = lb_image_spec_fit(&fit, s);
    if (st != LB_OK) return st;
    resized(s, rgb->width, rgb->height, &w, &h);
    bool same = w == rgb->width && h == rgb->height;
    st = same ? lb_image_crop(&a, rgb, 0, 0, w, h, NULL) : lb_image_resize(&a, rgb, w, h, fit.filter);
    return st == LB_OK ? lb_image_spec_rest(out, &a, s) : st;
}

void lb_image_spec_normalise(float *dst, const lb_image *rgb, const lb_image_spec *s) {
    size_t n = (size_t)rgb->width * (size_t)rgb->height;
    float table[3][256]; /* every result there is */
    for (int c = 0; c < 3; c++)
        for (int v = 0; v < 256; v++) table[c][v] = (float)((v * s->scale - s->mean[c]) / s->std[c]);
    const uint8_t *p = rgb->pixels;
    float *r = dst, *g = dst + n, *b = dst + 2 * n;
    for (size_t i = 0; i < n; i++, p += 3) {
        r[i] = table[0][p[0]];
        g[i] = table[1][p[1]];
        b[i] = table[2][p[2]];
    }
    size_t filled = (size_t)rgb->pad_right, inside = (size_t)(rgb->height - rgb->pad_bottom);
    for (int c = 0; c < 3 && (rgb->pad_right || rgb->pad_bottom); c++)
        for (size_t y = 0; y < (size_t)rgb->height; y++) {
            float *row = dst + (size_t)c * n + y * (size_t)rgb->width;
            size_t from = y < inside ? (size_t)rgb->width - filled : 0;
            memset(row + from, 0, ((size_t)rgb->width - from) * sizeof *row);
        }
}
