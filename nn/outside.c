/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/outside.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- names ---- */

enum { STARS = 6 };

typedef struct star {
    const char *at;
    int size;
} star;

/* Length of the beginning of `name` that the pattern matches, or -1; what its stars stand for. */
static int match(const char *pattern, const char *name, star stars[STARS]) {
    const char *p = name;
    int n = 0;
    for (; *pattern; pattern++) {
        if (*pattern != '*') {
            if (*p++ != *pattern) return -1;
            continue;
        }
        int size = (int)strcspn(p, ".");
        if (size == 0 || n == STARS) return -1;
        stars[n++] = (star){p, size};
        p += size;
    }
    return (int)(p - name);
}

bool lb_name_matches(const char *pattern, const char *name) {
    star stars[STARS];
    return match(pattern, name, stars) == (int)strlen(name);
}

typedef struct writer {
    char *dst;
    size_t size, cap;
} writer;

static void put(writer *w, const char *text, size_t n) {
    for (size_t i = 0; i < n && w->size + 1 < w->cap; i++) w->dst[w->size++] = text[i];
    w->dst[w->size] = 0;
}

/* Terms of `theirs` with prefix, stars and the rest of the name put in. */
static void write_terms(writer *w, const char *prefix, const char *theirs, const star *stars, const char *rest) {
    for (const char *p = theirs; *p;) {
        int n = 0;
        if (*p == '^') put(w, p++, 1);
        if (*p == '/') p++;
        else put(w, prefix, strlen(prefix));
        for (; *p && *p != '+'; p++)
            if (*p == '*') put(w, stars[n].at, (size_t)stars[n].size), n++;
            else put(w, p, 1);
        put(w, rest, strlen(rest));
        if (*p == '+') put(w, p++, 1);
    }
}

const lb_rename lb_blocks_as_vit[] = {
    {"blocks.*.norm1", "encoder.layer.*.layernorm_before"},
    {"blocks.*.attn.qkv", "encoder.layer.*.attention.attention.query+encoder.layer.*.attention.attention.key+encoder.layer.*.attention.attention.value"},
    {"blocks.*.attn.proj", "encoder.layer.*.attention.output.dense"},
    {"blocks.*.norm2", "encoder.layer.*.layernorm_after"},
    {"blocks.*.mlp.fc1", "encoder.layer.*.intermediate.dense"},
    {"blocks.*.mlp.fc2", "encoder.layer.*.output.dense"},
    {0}};
const lb_rename lb_blocks_as_clip[] = {
    {"blocks.*.norm1", "encoder.layers.*.layer_norm1"},
    {"blocks.*.attn.qkv", "encoder.layers.*.self_attn.q_proj+encoder.layers.*.self_attn.k_proj+encoder.layers.*.self_attn.v_proj"},
    {"blocks.*.attn.proj", "encoder.layers.*.self_attn.out_proj"},
    {"blocks.*.norm2", "encoder.layers.*.layer_norm2"},
    {"blocks.*.mlp", "encoder.layers.*.mlp"},
    {0}};
const lb_rename lb_blocks_as_openai[] = {
    {"blocks.*.norm1", "transformer.resblocks.*.ln_1"},
    {"blocks.*.attn.qkv.weight", "transformer.resblocks.*.attn.in_proj_weight"},
    {"blocks.*.attn.qkv.bias", "transformer.resblocks.*.attn.in_proj_bias"},
    {"blocks.*.attn.proj", "transformer.resblocks.*.attn.out_proj"},
    {"blocks.*.ls1.gamma", "transformer.resblocks.*.ls_1.gamma"},
    {"blocks.*.norm2", "transformer.resblocks.*.ln_2"},
    {"blocks.*.mlp.fc1", "transformer.resblocks.*.mlp.c_fc"},
    {"blocks.*.mlp.fc2", "transformer.resblocks.*.mlp.c_proj"},
    {"blocks.*.ls2.gamma", "transformer.resblocks.*.ls_2.gamma"},
    {0}};

bool lb_spell(char *dst, size_t cap, const char *name, const lb_spelling *s) {
    writer w = {dst, 0, cap};
    star stars[STARS] = {0};
    dst[0] = 0;
    for (size_t table = 0; table < LB_COUNT(s->tables) && s->tables[table]; table++)
        for (const lb_rename *r = s->tables[table]; r->ours; r++) {
            int n = match(r->ours, name, stars);
            if (n < 0 || (name[n] != 0 && name[n] != '.')) continue;
            if (!r->theirs) return false;
            write_terms(&w, s->prefix, r->theirs, stars, name + n);
            return true;
        }
    write_terms(&w, s->prefix, name, stars, "");
    return true;
}

int lb_names_found(const char *const *names, int64_t count, int n, const char *const *patterns) {
    int found = 0;
    for (int i = 0; i < n; i++)
        for (int64_t k = 0; k < count; k++)
            if (lb_name_matches(patterns[i], names[k])) {
                found++;
                break;
            }
    return found;
}

/* ---- sizes of tensors ---- */

static const lb_value *shape_of(const lb_value *config, const char *pattern) {
    const lb_value *tensors = lb_get(config, "tensors");
    for (int64_t i = 0; tensors && i < tensors->count; i++)
        if (lb_name_matches(pattern, tensors->keys[i])) return tensors->items[i];
    return NULL;
}

int64_t lb_outside_size(const lb_value *config, const char *pattern, int axis) {
    const lb_value *shape = shape_of(config, pattern);
    return shape && shape->count > axis ? shape->items[axis]->integer : 0;
}

bool lb_outside_has(const lb_value *config, const char *pattern) { return shape_of(config, pattern) != NULL; }

int64_t lb_outside_count(const lb_value *config, const char *format) {
    char name[256];
    int n = 0;
    const char *number = strstr(format, "%d");
    if (!number) return 0;
    for (;; n++) {
        snprintf(name, sizeof name, "%.*s%d%s", (int)(number - format), format, n, number + 2);
        if (!shape_of(config, name)) return n;
    }
}

/* ---- values of config.json ---- */

/* The first of "a|b|c" that is there and not null. */
static const lb_value *first_of(const lb_value *map, const char *keys) {
    char key[64];
    for (const char *p = keys; *p;) {
        size_t n = strcspn(p, "|");
        snprintf(key, sizeof key, "%.*s", (int)n, p);
        const lb_value *v = lb_get(map, key);
        if (v && v->kind != LB_V_NULL) return v;
        p += n + (p[n] == '|');
    }
    return NULL;
}

static double number(const lb_value *v, double fallback) {
    if (!v) return fallback;
    if (v->kind == LB_V_INT) return (double)v->integer;
    if (v->kind == LB_V_BOOL) return v->boolean;
    return v->kind == LB_V_REAL ? v->real : fallback;
}

int64_t lb_config_int(const lb_value *map, const char *keys, int part, int64_t fallback) {
    const lb_value *v = first_of(map, keys);
    if (v && v->kind == LB_V_LIST) v = v->count > 0 ? v->items[v->count > part ? part : v->count - 1] : NULL;
    else if (v && v->kind == LB_V_MAP) v = lb_get(v, part == 0 ? "height" : "width");
    double x = number(v, (double)fallback);
    return fabs(x) < 9e15 ? (int64_t)x : fallback;
}

double lb_config_real(const lb_value *map, const char *keys, double fallback) { return number(first_of(map, keys), fallback); }

int64_t lb_config_ints(const lb_value *map, const char *keys, int64_t *out, int64_t n) {
    const lb_value *v = first_of(map, keys);
    if (!v || v->kind != LB_V_LIST) return 0;
    int64_t count = v->count < n ? v->count : n;
    for (int64_t i = 0; i < count; i++) out[i] = (int64_t)number(v->items[i], 0);
    return count;
}

int64_t lb_config_classes(const lb_value *map) {
    const lb_value *labels = lb_get(map, "id2label");
    return lb_config_int(map, "num_labels|num_classes", 0, labels && labels->kind == LB_V_MAP ? labels->count : 0);
}

bool lb_config_is(const lb_value *config, const char *model_type) { return strcmp(lb_get_text(config, "model_type", ""), model_type) == 0; }

/* ---- lists ---- */

int64_t lb_numbers(const char *list, int64_t *out, int64_t n) {
    int64_t count = 0;
    char *end;
    for (const char *p = list ? list : ""; *p && count < n; p = *end ? end + 1 : end) {
        out[count] = strtoll(p, &end, 10);
        if (end == p) break;
        count++;
    }
    return count;
}

lb_status lb_numbers_to(const lb_param *row, void *cfg, const int64_t *x, int64_t n) {
    lb_buf text = {0};
    for (int64_t i = 0; i < n; i++) lb_buf_format(&text, "%s%lld", i ? "," : "", (long long)x[i]);
    lb_status st = lb_buf_status(&text);
    if (st == LB_OK) st = lb_param_set_text(row, cfg, n ? lb_buf_str(&text) : "");
    lb_buf_free(&text);
    return st;
}

/* ---- activations ---- */

static const struct {
    const char *theirs, *ours;
    lb_act act;
} acts[] = {
    {"gelu", "gelu", LB_ACT_GELU},
    {"gelu_python", "gelu", LB_ACT_GELU},
    {"gelu_tanh", "gelu_tanh", LB_ACT_GELU_TANH},
    {"gelu_new", "gelu_tanh", LB_ACT_GELU_TANH},
    {"gelu_pytorch_tanh", "gelu_tanh", LB_ACT_GELU_TANH},
    {"gelu_fast", "gelu_tanh", LB_ACT_GELU_TANH},
    {"gelu_accurate", "gelu_tanh", LB_ACT_GELU_TANH},
    {"gelu_python_tanh", "gelu_tanh", LB_ACT_GELU_TANH},
    {"quick_gelu", "gelu_quick", LB_ACT_GELU_QUICK},
    {"gelu_quick", "gelu_quick", LB_ACT_GELU_QUICK},
    {"relu", "relu", LB_ACT_RELU},
    {"relu6", "relu6", LB_ACT_RELU6},
    {"silu", "silu", LB_ACT_SILU},
    {"swish", "silu", LB_ACT_SILU},
    {"hardswish", "hardswish", LB_ACT_HARDSWISH},
    {"hard_swish", "hardswish", LB_ACT_HARDSWISH},
    {"tanh", "tanh", LB_ACT_TANH},
    {"sigmoid", "sigmoid", LB_ACT_SIGMOID},
};

lb_act lb_act_named(const char *choice) {
    for (size_t i = 0; i < LB_COUNT(acts); i++)
        if (strcmp(acts[i].ours, choice) == 0) return acts[i].act;
    return LB_ACT_NONE;
}

lb_status lb_config_act_to(const lb_param *row, void *cfg, const char *name) {
    if (!name) return LB_OK;
    for (size_t i = 0; i < LB_COUNT(acts); i++)
        if (strcmp(acts[i].theirs, name) == 0) return lb_param_set_text(row, cfg, acts[i].ours);
    return lb_fail(LB_E_UNSUPPORTED, "activation '%s' is not known: %s wanted", name, LB_ACT_CHOICES);
}


/* Is the word one of those between the bars? */
static bool is_one_of(const char *words, const char *word) {
    size_t n = strlen(word);
    for (const char *p = words; *p;) {
        size_t size = strcspn(p, "|");
        if (size == n && memcmp(p, word, n) == 0) return true;
        p += size + (p[size] == '|');
    }
    return false;
}

lb_status lb_timm_args(const lb_value *config, const char *arch, const char *handled) {
    static const char shapes[] = "num_classes|in_chans|img_size|patch_size|embed_dim|embed_dims|width|depth|depths|dims|layers|channels|mlp_ratio|num_heads|"
                                 "window_size|class_token|reg_tokens|no_embed_class|pre_norm|fc_norm|qkv_bias|qk_norm|"
                                 "stem_type|stem_width|avg_down|cardinality|base_width|kernel_sizes|use_grn|head_norm_first|channel_multiplier|depth_"
                                 "multiplier|init_values|ls_init_value|dynamic_img_size|strict_img_size|weight_init|fix_init|"
                                 "drop_rate|drop_path_rate|drop_block_rate|proj_drop_rate|attn_drop_rate|pos_drop_rate|patch_drop_rate|pretrained_strict";
    const lb_value *args = lb_get(config, "model_args");
    const char *pool = lb_get_text(args, "global_pool", lb_get_text(config, "global_pool", "avg"));
    for (int64_t i = 0; args && args->kind == LB_V_MAP && i < args->count; i++) {
        const char *key = args->keys[i];
        if (is_one_of(shapes, key) || is_one_of(handled, key) || strcmp(key, "global_pool") == 0 || (strcmp(key, "output_stride") == 0 && lb_config_int(args, key, 0, 0) == 32)) continue;
        return lb_fail(LB_E_UNSUPPORTED, "%s: model_args.%s of config.json is not handled", arch, key);
    }
    if (is_one_of(handled, "global_pool") || is_one_of("avg|fast|", pool) || !*pool) return LB_OK;
    return lb_fail(LB_E_UNSUPPORTED, "%s: global_pool is '%s', avg is known", arch, pool);
}
