/* SPDX-License-Identifier: Apache-2.0 */
/* Layers and blocks of nn in double: values and gradients against recorded ones (tests/data/nn/blocks.json, made by make_blocks.py beside it),
 * decoding step by step against whole passes, parts made again in the backward pass, flat vectors, growth. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/rng.h"
#include "base/value.h"
#include "nn/adapt.h"
#include "nn/attention.h"
#include "nn/flat.h"
#include "nn/moe.h"
#include "nn/optim.h"
#include "nn/sequence.h"
#include "nn/swin.h"
#include "tests/check.h"

enum { IN = 4, OUT = 3 };

/* A block under test: inputs in the order of the file, results to out. */
typedef void (*builder)(lb_nn *m, lb_tensor *const *in, lb_tensor **out);

static const lb_mlp_spec gelu8 = {.width = 8, .act = LB_ACT_GELU};

static void torch_encoder(lb_nn *m, lb_tensor *const *in, lb_tensor **out, bool post) {
    out[0] = lb_nn_block(m, in[0], &(lb_block_spec){.self = {.heads = 2, .mask = in[1]}, .mlp = gelu8, .post = post, .names = &lb_names_torch});
}
static void encoder_post(lb_nn *m, lb_tensor *const *in, lb_tensor **out) { torch_encoder(m, in, out, true); }
static void encoder_pre(lb_nn *m, lb_tensor *const *in, lb_tensor **out) { torch_encoder(m, in, out, false); }

static void torch_decoder(lb_nn *m, lb_tensor *const *in, lb_tensor **out) {
    out[0] = lb_nn_block(m, in[0], &(lb_block_spec){.self = {.heads = 2, .causal = true}, .cross = {.heads = 2}, .memory = in[1], .mlp = {.width = 8, .act = LB_ACT_RELU}, .names = &lb_names_torch});
}

static const lb_recurrent_spec both_ways = {.hidden = 2, .layers = 2, .bidirectional = true};
static void gru(lb_nn *m, lb_tensor *const *in, lb_tensor **out) { out[0] = lb_nn_gru(m, in[0], &both_ways, in[1], &out[1]); }
static void lstm(lb_nn *m, lb_tensor *const *in, lb_tensor **out) { out[0] = lb_nn_lstm(m, in[0], &both_ways, in[1], in[2], &out[1], &out[2]); }

static void swin(lb_nn *m, lb_tensor *const *in, lb_tensor **out) { out[0] = lb_nn_swin_block(m, in[0], &(lb_swin_spec){.heads = 2, .window = 2, .mlp = {.width = 6, .act = LB_ACT_GELU}}); }
static void swin_shifted(lb_nn *m, lb_tensor *const *in, lb_tensor **out) {
    out[0] = lb_nn_swin_block(m, in[0], &(lb_swin_spec){.heads = 2, .window = 2, .shift = 1, .mlp = {.width = 6, .act = LB_ACT_GELU}});
}
static void merging(lb_nn *m, lb_tensor *const *in, lb_tensor **out) { out[0] = lb_nn_patch_merging(m, in[0], 1e-5); }

static const lb_attend_names qwen_names = {.out = "o_proj", .q_norm = "q_norm", .k_norm = "k_norm"};
static lb_block_spec qwen_spec(lb_tape *t, int64_t first, int64_t count) {
    lb_tensor *sine, *cosine = lb_rotary_table(t, lb_slice(t, lb_arange(t, first + count), 0, first, INT64_MAX, 1), (lb_rotary_spec){.pairs = 2}, &sine);
    return (lb_block_spec){.self = {.heads = 4,
                                    .kv_heads = 2,
                                    .head_width = 4,
                                    .no_bias = true,
                                    .no_out_bias = true,
                                    .causal = true,
                                    .cos = cosine,
                                    .sin = sine,
                                    .head_norm = LB_NORM_RMS,
                                    .eps = 1e-6,
                                    .names = &qwen_names},
                           .mlp = {.width = 10, .act = LB_ACT_SILU, .gated = true, .no_bias = true},
                           .norm = LB_NORM_RMS,
                           .eps = 1e-6,
                           .names = &lb_names_llama};
}
static void qwen(lb_nn *m, lb_tensor *const *in, lb_tensor **out) {
    lb_block_spec s = qwen_spec(lb_nn_tape(m), 0, 5);
    out[0] = lb_nn_block(m, in[0], &s);
}

static const lb_mamba_spec small_mamba = {.states = 3, .kernel = 3, .rank = 2}, small_mamba2 = {.states = 3, .kernel = 3, .heads = 4, .groups = 2};
static void mamba(lb_nn *m, lb_tensor *const *in, lb_tensor **out) { out[0] = lb_nn_mamba(m, in[0], &small_mamba, NULL); }
static void mamba2(lb_nn *m, lb_tensor *const *in, lb_tensor **out) { out[0] = lb_nn_mamba2(m, in[0], &small_mamba2, NULL); }

static void mixtral(lb_nn *m, lb_tensor *const *in, lb_tensor **out) {
    out[0] = lb_nn_moe(m, in[0], &(lb_moe_spec){.experts = 4, .top = 2, .width = 3, .act = LB_ACT_SILU, .gated = true, .renormalise = true}, NULL);
}
static void qwen_moe(lb_nn *m, lb_tensor *const *in, lb_tensor **out) {
    out[0] = lb_nn_moe(m, in[0], &(lb_moe_spec){.experts = 4, .top = 2, .width = 3, .act = LB_ACT_SILU, .gated = true, .shared = 5, .shared_gate = true}, NULL);
}
static void routing(lb_nn *m, lb_tensor *const *in, lb_tensor **out) {
    lb_moe_out o;
    out[0] = lb_nn_moe(m, in[0], &(lb_moe_spec){.experts = 3, .top = 2, .width = 4, .act = LB_ACT_RELU, .bias = true, .renormalise = true, .capacity = 0.9, .noise = in[1]}, &o);
    out[1] = o.balance;
    out[2] = o.z_loss;
}
static void soft_mixture(lb_nn *m, lb_tensor *const *in, lb_tensor **out) { out[0] = lb_nn_soft_moe(m, in[0], 2, 3, 4, LB_ACT_GELU); }

static void timm_block(lb_nn *m, lb_tensor *const *in, lb_tensor **out) {
    out[0] = lb_nn_block(m, in[0], &(lb_block_spec){.self = {.heads = 2}, .mlp = {.width = 6, .act = LB_ACT_GELU}, .layer_scale = 0.1, .names = &lb_names_timm});
}
static void gated_cross(lb_nn *m, lb_tensor *const *in, lb_tensor **out) {
    out[0] = lb_nn_block(m, in[0], &(lb_block_spec){.no_self = true, .cross = {.heads = 2}, .memory = in[1], .mlp = {.width = 5, .act = LB_ACT_GELU, .gated = true}, .gates = true});
}
static void resampler(lb_nn *m, lb_tensor *const *in, lb_tensor **out) {
    out[0] = lb_nn_resampler(m, in[0], in[1], &(lb_resampler_spec){.count = 3, .layers = 2, .heads = 2, .head_width = 3, .inner = 5});
}

static void lora(lb_nn *m, lb_tensor *const *in, lb_tensor **out) {
    const lb_lora l = {.names = "fc1,none", .rank = 2, .alpha = 8, .gate = in[1]};
    lb_nn_set_lora(m, &l);
    out[0] = lb_nn_linear(m, lb_nn_linear(m, in[0], "fc1", 5, LB_ACT_RELU), "fc2", 4, LB_ACT_NONE);
    lb_nn_set_lora(m, NULL);
}
static void channel_attention(lb_nn *m, lb_tensor *const *in, lb_tensor **out) { out[0] = lb_nn_channel_attention(m, in[0], 2); }
static void slot_attention(lb_nn *m, lb_tensor *const *in, lb_tensor **out) { out[0] = lb_nn_slot_attention(m, in[0], in[1], in[2], 0, 1e-3, NULL); }
static void prefix_and_map(lb_nn *m, lb_tensor *const *in, lb_tensor **out) {
    lb_attend_spec s = {.heads = 2, .causal = true, .map = &out[1]};
    lb_nn_prefix(m, "prefix", 2, 2, 2, &s.prefix_k, &s.prefix_v);
    out[0] = lb_nn_attend(m, in[0], NULL, &s);
}
static void adapter(lb_nn *m, lb_tensor *const *in, lb_tensor **out) { out[0] = lb_nn_adapter(m, in[0], "adapter", 2, LB_ACT_GELU); }
static void positions(lb_nn *m, lb_tensor *const *in, lb_tensor **out) { out[0] = lb_nn_resize_positions(m, in[0], 1, 3, 2, 4, 5, LB_PLACES_CUBIC); }
static void co_attention(lb_nn *m, lb_tensor *const *in, lb_tensor **out) {
    out[0] = in[0];
    out[1] = in[1];
    lb_nn_co_block(m, &out[0], &out[1], NULL, NULL, &(lb_block_spec){.self = {.heads = 2}, .cross = {.heads = 2}, .mlp = {.width = 3, .act = LB_ACT_SILU}});
}

/* The same with everything inside made again. */
static void encoder_again(lb_nn *m, lb_tensor *const *in, lb_tensor **out) {
    out[0] = lb_nn_block(m, in[0], &(lb_block_spec){.self = {.heads = 2, .mask = in[1]}, .mlp = gelu8, .names = &lb_names_torch, .recompute = true});
}
static void decoder_again(lb_nn *m, lb_tensor *const *in, lb_tensor **out) {
    out[0] = lb_nn_block(m, in[0],
                         &(lb_block_spec){.self = {.heads = 2, .causal = true},
                                          .cross = {.heads = 2},
                                          .memory = in[1],
                                          .mlp = {.width = 8, .act = LB_ACT_RELU},
                                          .names = &lb_names_torch,
                                          .recompute = true});
}
static void qwen_again(lb_nn *m, lb_tensor *const *in, lb_tensor **out) {
    lb_block_spec s = qwen_spec(lb_nn_tape(m), 0, 5);
    s.recompute = true;
    out[0] = lb_nn_block(m, in[0], &s);
}

static const struct {
    const char *name;
    builder build;
} blocks[] = {{"torch encoder, post", encoder_post},
              {"torch encoder, pre", encoder_pre},
              {"torch decoder", torch_decoder},
              {"gru", gru},
              {"lstm", lstm},
              {"swin 4x4 shift 0", swin},
              {"swin 4x6 shift 1", swin_shifted},
              {"swin 3x5 shift 1", swin_shifted},
              {"swin 2x4 shift 1", swin_shifted},
              {"patch merging", merging},
              {"qwen 3 decoder", qwen},
              {"mamba", mamba},
              {"mamba 2", mamba2},
              {"mixtral", mixtral},
              {"qwen 2 moe", qwen_moe},
              {"timm block", timm_block},
              {"gated cross-attention", gated_cross},
              {"resampler", resampler},
              {"lora", lora},
              {"channel attention", channel_attention},
              {"slot attention", slot_attention},
              {"prefix and map", prefix_and_map},
              {"adapter", adapter},
              {"soft mixture", soft_mixture},
              {"routing", routing},
              {"positions resized", positions},
              {"co-attention", co_attention},
              {"torch encoder, pre", encoder_again},
              {"torch decoder", decoder_again},
              {"qwen 3 decoder", qwen_again}};
enum { AGAIN = 3 }; /* so many at the end are run a second time, another way */

/* ---- recorded cases ---- */

static double *numbers(const lb_value *list) {
    double *x = lb_alloc((size_t)list->count + 1, sizeof *x);
    for (int64_t i = 0; x && i < list->count; i++) x[i] = list->items[i]->kind == LB_V_INT ? (double)list->items[i]->integer : list->items[i]->real;
    return x;
}

static lb_tensor *tensor_of(const lb_value *entry, bool grad) {
    lb_tensor *x = NULL;
    int64_t shape[LB_MAX_RANK];
    const lb_value *sizes = lb_get(entry, "shape");
    bool whole = lb_get_bool(entry, "whole", false);
    for (int64_t i = 0; i < sizes->count; i++) shape[i] = sizes->items[i]->integer;
    if (!CHECK_OK(lb_tensor_new(&x, whole ? LB_I64 : LB_REAL, (int)sizes->count, shape))) exit(2);
    double *data = numbers(lb_get(entry, "data"));
    if (data) lb_convert(x->data, x->dtype, data, LB_F64, lb_numel(x));
    lb_free(data);
    x->requires_grad = grad && !whole;
    return x;
}

/* Both sides compute in double, the file has 13 digits; what differs beyond is the order of sums. */
static void against(const char *what, const lb_tensor *got, const lb_value *want) {
    double *x = numbers(want), *y = lb_alloc((size_t)want->count + 1, sizeof *y);
    bool before = check_failed();
    if (CHECK(got && x && y) && CHECK_OK(lb_read_f64(got, y, want->count))) CHECK_DOUBLES(y, x, want->count, 1e-11, 2e-12);
    if (!before && check_failed()) printf("     %s\n", what);
    lb_free(x);
    lb_free(y);
}

/* Parameters: those that the block declares must be those of the file. */
static void load(lb_store *s, const lb_value *params) {
    CHECK_INT(lb_store_count(s), params->count);
    for (int64_t i = 0; i < params->count; i++) {
        lb_param_tensor *p = lb_store_find(s, params->keys[i]);
        lb_tensor *x = tensor_of(params->items[i], true);
        if (!p) printf("     no parameter %s\n", params->keys[i]);
        if (CHECK(p) && CHECK(lb_same_shape(p->x, x))) memcpy(p->x->data, x->data, (size_t)lb_numel(x) * sizeof(lb_real));
        lb_tensor_free(x);
    }
}

typedef struct setting {
    lb_store *s;
    lb_tape *t;
    lb_nn *m;
    lb_tensor *in[IN], *out[OUT];
    int nin;
} setting;

static void open_setting(setting *x, builder build, const lb_value *inputs) {
    lb_nn *declaring = NULL;
    *x = (setting){.nin = (int)inputs->count};
    if (!CHECK_OK(lb_store_new(&x->s)) || !CHECK_OK(lb_tape_new(&x->t))) exit(2);
    for (int i = 0; i < x->nin; i++) x->in[i] = tensor_of(inputs->items[i], true);
    lb_tape_set_mode(x->t, LB_TAPE_SHAPES);
    if (!CHECK_OK(lb_nn_new(&declaring, x->t, x->s, true))) exit(2);
    build(declaring, x->in, x->out);
    CHECK_OK(lb_tape_status(x->t));
    lb_nn_free(declaring);
    lb_tape_reset(x->t);
    lb_tape_set_mode(x->t, LB_TAPE_GRAD);
    if (!CHECK_OK(lb_nn_new(&x->m, x->t, x->s, false))) exit(2);
}

static void close_setting(setting *x) {
    lb_nn_free(x->m);
    lb_tape_free(x->t);
    lb_store_free(x->s);
    for (int i = 0; i < x->nin; i++) lb_tensor_free(x->in[i]);
}

static void one_block(builder build, const lb_value *entry) {
    const lb_value *out = lb_get(entry, "out"), *weight = lb_get(entry, "weight"), *params = lb_get(entry, "params"), *grads = lb_get(entry, "grads"), *param_grads = lb_get(entry, "param_grads");
    setting x;
    lb_tensor *w[OUT];
    open_setting(&x, build, lb_get(entry, "inputs"));
    load(x.s, params);
    build(x.m, x.in, x.out);
    if (CHECK_OK(lb_tape_status(x.t))) {
        for (int64_t k = 0; k < out->count; k++) {
            against("result", x.out[k], lb_get(out->items[k], "data"));
            w[k] = tensor_of(weight->items[k], false);
        }
        lb_backward_from(x.t, (int)out->count, x.out, w, false);
        CHECK_OK(lb_tape_status(x.t));
        for (int64_t k = 0; k < out->count; k++) lb_tensor_free(w[k]);
        for (int i = 0; i < x.nin; i++) {
            const lb_value *g = lb_get(grads, lb_get(entry, "inputs")->keys[i]);
            if (g) against(lb_get(entry, "inputs")->keys[i], x.in[i]->grad, g);
        }
        for (int64_t i = 0; i < param_grads->count; i++) against(param_grads->keys[i], lb_store_find(x.s, param_grads->keys[i])->x->grad, param_grads->items[i]);
    }
    close_setting(&x);
}

static const lb_value *find_case(const lb_value *all, const char *name) {
    for (int64_t i = 0; i < all->count; i++)
        if (strcmp(lb_get_text(all->items[i], "name", ""), name) == 0) return all->items[i];
    return NULL;
}

static void as_recorded(void) {
    lb_value *all = NULL;
    if (!CHECK_OK(lb_json_read(&all, check_data("nn/blocks.json")))) return;
    CHECK_INT(all->count, (int64_t)LB_COUNT(blocks) - AGAIN);
    for (size_t i = 0; i < LB_COUNT(blocks); i++) {
        const lb_value *entry = find_case(all, blocks[i].name);
        check_begin("block/%s%s", blocks[i].name, i + AGAIN >= LB_COUNT(blocks) ? ", again" : "");
        if (CHECK(entry)) one_block(blocks[i].build, entry);
        check_end();
    }
    lb_value_free(all);
}

/* ---- step by step ---- */

/* A whole pass over the recorded input, and the parameters it had. */
static void whole(setting *x, builder build, const char *name) {
    lb_value *all = NULL;
    if (!CHECK_OK(lb_json_read(&all, check_data("nn/blocks.json")))) exit(2);
    const lb_value *entry = find_case(all, name);
    open_setting(x, build, lb_get(entry, "inputs"));
    load(x->s, lb_get(entry, "params"));
    lb_tape_set_mode(x->t, LB_TAPE_NO_GRAD);
    build(x->m, x->in, x->out);
    CHECK_OK(lb_tape_status(x->t));
    lb_value_free(all);
}

/* y [N,1,C] must be step `at` of the whole pass [N,L,C]. Sums run in another order: 1e-13 of values around 1. */
static void check_step(const lb_tensor *y, const lb_tensor *want, int64_t at) {
    int64_t c = want->shape[2];
    for (int64_t i = 0; i < want->shape[0] * c; i++) CHECK_NEAR(lb_get_at(y, i), lb_get_at(want, (i / c * want->shape[1] + at) * c + i % c), 1e-13);
}

static void decodes_with_a_cache(void) {
    setting x;
    lb_kv_cache *cache = NULL;
    whole(&x, qwen, "qwen 3 decoder");
    CHECK_FAILS(lb_kv_cache_new(&cache, 0), LB_E_ARG, "capacity 0");
    if (!CHECK_OK(lb_kv_cache_new(&cache, 5))) return;
    for (int64_t at = 0; at < 5; at += at == 0 ? 2 : 1) { /* two tokens, then one at a time */
        int64_t count = at == 0 ? 2 : 1;
        lb_block_spec s = qwen_spec(x.t, at, count);
        s.self.cache = cache;
        lb_tensor *y = lb_nn_block(x.m, lb_slice(x.t, x.in[0], 1, at, at + count, 1), &s);
        if (!CHECK_OK(lb_tape_status(x.t))) break;
        CHECK_INT(lb_kv_cache_length(cache), at + count);
        check_step(lb_slice(x.t, y, 1, count - 1, INT64_MAX, 1), x.out[0], at + count - 1);
    }
    /* Samples change places, the last two tokens are forgotten and come again. */
    const int64_t swap[] = {1, 0}, wrong[] = {0, 2};
    CHECK_FAILS(lb_kv_cache_pick(cache, 2, wrong), LB_E_ARG, "sample 2");
    CHECK_OK(lb_kv_cache_pick(cache, 2, swap));
    CHECK_OK(lb_kv_cache_pick(cache, 2, swap));
    lb_kv_cache_cut(cache, 3);
    lb_block_spec s = qwen_spec(x.t, 3, 2);
    s.self.cache = cache;
    lb_tensor *y = lb_nn_block(x.m, lb_slice(x.t, x.in[0], 1, 3, 5, 1), &s);
    check_step(lb_slice(x.t, y, 1, 1, 2, 1), x.out[0], 4);
    (void)lb_nn_block(x.m, lb_slice(x.t, x.in[0], 1, 3, 5, 1), &s);
    CHECK_FAILS(lb_tape_status(x.t), LB_E_LIMIT, "room for 5");
    lb_kv_cache_free(cache);
    close_setting(&x);
}

static void steps_of(builder build, const char *name, bool second) {
    setting x;
    lb_mamba_state state = {NULL, NULL};
    whole(&x, build, name);
    for (int64_t at = 0; at < x.in[0]->shape[1]; at++) {
        lb_tensor *one = lb_slice(x.t, x.in[0], 1, at, at + 1, 1);
        lb_tensor *y = second ? lb_nn_mamba2(x.m, one, &small_mamba2, &state) : lb_nn_mamba(x.m, one, &small_mamba, &state);
        if (CHECK_OK(lb_tape_status(x.t))) check_step(y, x.out[0], at);
    }
    close_setting(&x);
}
static void mamba_steps(void) { steps_of(mamba, "mamba", false); }
static void mamba2_steps(void) { steps_of(mamba2, "mamba 2", true); }

/* ---- parts made again ---- */

static lb_tensor *dropped_block(lb_nn *m, const void *context, int n, lb_tensor *const *in) {
    const double *p = context;
    return lb_nn_block(m, in[0], &(lb_block_spec){.self = {.heads = 2, .dropout = *p}, .mlp = gelu8, .dropout = *p, .drop_path = *p, .names = &lb_names_timm});
}

static void two_dropped(lb_nn *m, lb_tensor *const *in, lb_tensor **out) {
    const double p = 0.3;
    lb_tensor *x = in[0];
    for (int i = 0; i < 2; i++) {
        lb_nn_in(m, "blocks.%d", i);
        x = lb_nn_out(m, in[1] ? dropped_block(m, &p, 1, &x) : lb_nn_recompute(m, dropped_block, &p, sizeof p, 1, &x));
    }
    out[0] = x;
}

/* With the same draws, a network whose blocks are made again has the same values and gradients, to the bit. */
static void recomputes(void) {
    double grads[2][2048], values[2][24];
    for (int again = 0; again < 2; again++) {
        lb_store *s = NULL;
        lb_tape *t = NULL;
        lb_nn *m = NULL;
        lb_tensor *x = NULL, *out[OUT];
        lb_rng drops = lb_rng_make(5, 0), r = lb_rng_make(6, 0);
        if (!CHECK_OK(lb_store_new(&s)) || !CHECK_OK(lb_tape_new(&t)) || !CHECK_OK(lb_tensor_new(&x, LB_REAL, 3, (int64_t[]){2, 3, 4}))) exit(2);
        for (int i = 0; i < 24; i++) ((lb_real *)x->data)[i] = lb_rng_normal(&r);
        x->requires_grad = true;
        lb_tape_set_mode(t, LB_TAPE_SHAPES);
        if (!CHECK_OK(lb_nn_new(&m, t, s, true))) exit(2);
        two_dropped(m, (lb_tensor *[]){x, again ? NULL : x}, out);
        lb_nn_free(m);
        CHECK_OK(lb_store_init(s, 1));
        lb_tape_set_mode(t, LB_TAPE_GRAD);
        lb_tape_set_training(t, true, &drops);
        if (!CHECK_OK(lb_nn_new(&m, t, s, false))) exit(2);
        two_dropped(m, (lb_tensor *[]){x, again ? NULL : x}, out);
        lb_nn_free(m); /* the second run makes its own */
        CHECK_OK(lb_read_f64(out[0], values[again], 24));
        lb_backward(t, lb_sum_all(t, lb_square(t, out[0])));
        CHECK_OK(lb_tape_status(t));
        int64_t n = lb_flat_size(s, NULL);
        if (CHECK(n > 100 && n + 24 <= 2048)) {
            CHECK_OK(lb_flat_get(s, NULL, LB_FLAT_GRADS, grads[again], n));
            if (CHECK(x->grad)) CHECK_OK(lb_read_f64(x->grad, grads[again] + n, 24));
            if (again) {
                CHECK_DOUBLES(values[1], values[0], 24, 0, 0);
                CHECK_DOUBLES(grads[1], grads[0], n + 24, 0, 0);
                CHECK(fabs(grads[0][0]) + fabs(grads[0][n - 1]) + fabs(grads[0][n + 3]) > 0);
            }
        }
        lb_tape_free(t);
        lb_store_free(s);
        lb_tensor_free(x);
    }
}

/* ---- vectors, growth, merging ---- */

static lb_param_tensor *add(lb_store *s, const char *name, int rank, const int64_t *shape, double first) {
    lb_param_tensor *p = NULL;
    if (!CHECK_OK(lb_store_add(&p, s, name, rank, shape, LB_INIT_ONES, 0))) exit(2);
    for (int64_t i = 0; i < lb_numel(p->x); i++) ((lb_real *)p->x->data)[i] = first + (double)i;
    return p;
}

static void flat_vectors(void) {
    lb_store *s = NULL;
    double x[7];
    if (!CHECK_OK(lb_store_new(&s))) return;
    lb_param_tensor *a = add(s, "a.w", 2, (int64_t[]){2, 2}, 1), *b = add(s, "b.w", 1, (int64_t[]){3}, 10), *frozen = add(s, "c.w", 1, (int64_t[]){5}, 0);
    frozen->x->requires_grad = false;
    CHECK_INT(lb_flat_size(s, NULL), 7);
    CHECK_INT(lb_flat_size(s, "b."), 3);
    CHECK_OK(lb_flat_get(s, NULL, LB_FLAT_VALUES, x, 7));
    CHECK_DOUBLES(x, ((double[]){1, 2, 3, 4, 10, 11, 12}), 7, 0, 0);
    CHECK_OK(lb_flat_get(s, NULL, LB_FLAT_GRADS, x, 7));
    CHECK_NEAR(lb_flat_dot(x, x, 7), 0, 0);
    CHECK_OK(lb_flat_set(s, "a.", LB_FLAT_GRADS, (double[]){1, -1, 2, 0}, 4));
    CHECK_OK(lb_flat_axpy(s, "a.", LB_FLAT_GRADS, 2, (double[]){1, 1, 1, 1}, 4));
    CHECK_NEAR(lb_get_at(a->x->grad, 1), 1, 0);
    CHECK_OK(lb_flat_axpy(s, NULL, LB_FLAT_VALUES, -1, (double[]){0, 0, 0, 0, 10, 10, 10}, 7));
    CHECK_NEAR(lb_get_at(b->x, 2), 2, 0);
    CHECK_NEAR(lb_flat_dot((double[]){1, 2}, (double[]){3, 4}, 2), 11, 0);
    CHECK_FAILS(lb_flat_get(s, "a.", LB_FLAT_VALUES, x, 5), LB_E_ARG, "5 numbers for 4");
    lb_store_free(s);
}

static void parameters_grow(void) {
    lb_store *s = NULL, *other = NULL;
    if (!CHECK_OK(lb_store_new(&s)) || !CHECK_OK(lb_store_new(&other))) return;
    lb_param_tensor *p = add(s, "head.weight", 2, (int64_t[]){2, 2}, 1);
    CHECK_OK(lb_store_resize(s, "head.weight", (int64_t[]){3, 2}, 4));
    CHECK_INT(p->x->shape[0], 3);
    for (int i = 0; i < 4; i++) CHECK_NEAR(lb_get_at(p->x, i), 1 + i, 0);
    CHECK_NEAR(lb_get_at(p->x, 5), 1, 0); /* the initialiser: ones */
    CHECK(p->x->requires_grad && !p->x->grad);
    CHECK_OK(lb_store_resize(s, "head.weight", (int64_t[]){2, 1}, 4));
    CHECK_NEAR(lb_get_at(p->x, 1), 3, 0);
    CHECK_FAILS(lb_store_resize(s, "none", (int64_t[]){1}, 4), LB_E_NOTFOUND, "'none'");
    add(other, "head.weight", 2, (int64_t[]){2, 1}, 7);
    CHECK_INT(lb_store_copy(s, other), 1);
    CHECK_NEAR(lb_get_at(p->x, 1), 8, 0);
    lb_store_free(s);
    lb_store_free(other);
}

/* A parameter that has grown begins anew: Adam's first step is the rate, whatever came before (up to eps = 1e-8 of the gradient). */
static void optimisers_begin_anew(void) {
    lb_store *s = NULL;
    lb_optim *o = NULL;
    if (!CHECK_OK(lb_store_new(&s))) return;
    add(s, "body.w", 1, (int64_t[]){2}, 0);
    lb_param_tensor *p = add(s, "head.w", 1, (int64_t[]){2}, 0);
    const lb_optim_config c = {.name = "adam", .schedule = "constant", .lr = 0.5, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
    if (!CHECK_OK(lb_optim_new(&o, &c, s, 0))) return;
    for (int step = 0; step < 3; step++) {
        if (step == 2) {
            CHECK_OK(lb_store_resize(s, "head.w", (int64_t[]){3}, 1));
            lb_optim_restart(o, "head.");
        }
        int64_t n = lb_flat_size(s, NULL);
        const double g[] = {1, 2, 4, -8, 16};
        CHECK_OK(lb_flat_set(s, NULL, LB_FLAT_GRADS, g, n));
        double before = lb_get_at(p->x, 1);
        if (!CHECK_OK(lb_optim_step(o, step, NULL))) break;
        CHECK_NEAR(lb_get_at(p->x, 1), before + 0.5, 1e-8);
    }
    CHECK_NEAR(lb_get_at(lb_store_find(lb_optim_state(o), "step.head.w")->x, 0), 1, 0);
    CHECK_NEAR(lb_get_at(lb_store_find(lb_optim_state(o), "step.body.w")->x, 0), 3, 0);
    lb_optim_free(o);
    lb_store_free(s);
}

/* Merged, a network without additions gives what it gave with them; taken out again, the weights are as before. */
static void lora_merges(void) {
    lb_store *s = NULL;
    if (!CHECK_OK(lb_store_new(&s))) return;
    lb_param_tensor *w = add(s, "fc.weight", 2, (int64_t[]){2, 3}, 1);
    add(s, "fc.lora_A.weight", 2, (int64_t[]){2, 3}, 1); /* 1 2 3, 4 5 6 */
    add(s, "fc.lora_B.weight", 2, (int64_t[]){2, 2}, 2); /* 2 3, 4 5: B A = 14 19 24, 24 33 42 */
    CHECK_INT(lb_store_lora(s, 3, 1), 1);
    const double merged[] = {1 + 1.5 * 14, 2 + 1.5 * 19, 3 + 1.5 * 24, 4 + 1.5 * 24, 5 + 1.5 * 33, 6 + 1.5 * 42};
    CHECK_DOUBLES((double *)w->x->data, merged, 6, 0, 0);
    CHECK_INT(lb_store_lora(s, 3, -1), 1);
    CHECK_NEAR(lb_get_at(w->x, 5), 6, 0);
    add(s, "alone.lora_A.weight", 2, (int64_t[]){1, 3}, 1);
    CHECK_INT(lb_store_lora(s, 2, 1), -1);
    CHECK_HAS(lb_error_text(), "'alone.lora_A.weight'");
    lb_store_free(s);
}

/* In training a sample is whole or gone, and what stays is 1 / (1 - p) of it; otherwise nothing happens. */
static void drops_paths(void) {
    lb_tape *t = NULL;
    lb_store *s = NULL;
    lb_nn *m = NULL;
    lb_rng r = lb_rng_make(1, 0);
    if (!CHECK_OK(lb_tape_new(&t)) || !CHECK_OK(lb_store_new(&s)) || !CHECK_OK(lb_nn_new(&m, t, s, false))) return;
    lb_tensor *x = lb_full(t, 3, (int64_t[]){64, 2, 3}, 1);
    CHECK(lb_nn_drop_path(m, x, 0.5) == x);
    lb_tape_set_training(t, true, &r);
    lb_tensor *y = lb_nn_drop_path(m, x, 0.5);
    int kept = 0;
    for (int64_t n = 0; n < 64 && CHECK_OK(lb_tape_status(t)); n++) {
        double first = lb_get_at(y, n * 6);
        CHECK(first == 0 || first == 2);
        for (int64_t k = 1; k < 6; k++) CHECK_NEAR(lb_get_at(y, n * 6 + k), first, 0);
        kept += first == 2;
    }
    CHECK(kept > 16 && kept < 48); /* 4 standard deviations of 64 draws */
    lb_nn_free(m);
    lb_store_free(s);
    lb_tape_free(t);
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "nn-blocks", (check_test[]){
        {"as recorded", as_recorded},
        {"decodes with a cache", decodes_with_a_cache},
        {"mamba steps", mamba_steps},
        {"mamba2 steps", mamba2_steps},
        {"recomputes", recomputes},
        {"flat vectors", flat_vectors},
        {"parameters grow", parameters_grow},
        {"optimisers begin anew", optimisers_begin_anew},
        {"lora merges", lora_merges},
        {"drops paths", drops_paths},
        {0}});
}
