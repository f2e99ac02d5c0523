/* SPDX-License-Identifier: Apache-2.0 */
/* What layers, blocks and joins of modalities refuse: sizes that do not go together, told with the numbers and what was expected, while a network is
 * planned. */
#include <stdlib.h>
#include "check.h"
#include "fusion/block.h"
#include "nn/attention.h"
#include "nn/moe.h"
#include "nn/picture.h"
#include "nn/sequence.h"
#include "nn/swin.h"

/* Zeros: x [4,3,6] tokens, row [4,6], map [1,4,4,6], picture [1,6,4,4]. */
typedef struct given {
    lb_nn *m;
    lb_tape *t;
    lb_tensor *x, *row, *map, *picture;
} given;

static void attend(const given *g, lb_tensor *x, lb_tensor *y, lb_attend_spec s) { lb_nn_attend(g->m, x, y, &s); }
static void heads(const given *g) { attend(g, g->x, NULL, (lb_attend_spec){.heads = 4}); }
static void heads_of_keys(const given *g) { attend(g, g->x, NULL, (lb_attend_spec){.heads = 3, .kv_heads = 2}); }
static void no_heads(const given *g) { attend(g, g->x, NULL, (lb_attend_spec){.heads = 0, .head_width = 2}); }
static void rows(const given *g) { attend(g, g->row, NULL, (lb_attend_spec){.heads = 2}); }
static void samples(const given *g) { attend(g, g->x, lb_slice(g->t, g->x, 0, 0, 3, 1), (lb_attend_spec){.heads = 2}); }
static void no_samples(const given *g) { attend(g, g->x, lb_slice(g->t, g->x, 0, 0, 0, 1), (lb_attend_spec){.heads = 2}); }
static void order(const given *g) { attend(g, g->x, lb_slice(g->t, g->x, 0, 0, 2, 1), (lb_attend_spec){.heads = 2, .causal = true}); }
static void places(const given *g) { attend(g, g->x, NULL, (lb_attend_spec){.heads = 2, .places = 2, .names = &(lb_attend_names){.places = "places"}}); }
static void places_across(const given *g) {
    attend(g, g->x, lb_slice(g->t, g->x, 1, 0, 2, 1), (lb_attend_spec){.heads = 2, .places = 5, .names = &(lb_attend_names){.places = "places"}});
}
static void made_again(const given *g) {
    lb_tensor *map = NULL;
    lb_nn_block(g->m, g->x, &(lb_block_spec){.self = {.heads = 2, .map = &map}, .mlp = {.width = 4}, .recompute = true});
}
static void made_again_across(const given *g) {
    const lb_attend_spec cross = {.heads = 2, .bias = g->row};
    lb_nn_block(g->m, g->x, &(lb_block_spec){.self = {.heads = 2}, .cross = cross, .memory = g->x, .mlp = {.width = 4}, .recompute = true});
}
static void resampler(const given *g) {
    lb_nn_resampler(g->m, g->row, NULL, &(lb_resampler_spec){.count = 2, .layers = 1, .heads = 2, .head_width = 3, .inner = 4});
}

static void experts(const given *g) {
    lb_moe_out out;
    lb_nn_route(g->m, g->row, &(lb_moe_spec){.experts = 2, .top = 3, .width = 4}, &out);
}
static void no_expert(const given *g) {
    lb_moe_out out;
    lb_nn_route(g->m, g->row, &(lb_moe_spec){.experts = 2, .width = 4}, &out);
}
static void experts_of_tokens(const given *g) {
    lb_moe_out out;
    lb_nn_route(g->m, g->x, &(lb_moe_spec){.experts = 2, .top = 1, .width = 4}, &out);
}

static void layers(const given *g) { lb_nn_gru(g->m, g->x, &(lb_recurrent_spec){.hidden = 2, .layers = 1000, .bidirectional = true}, NULL, NULL); }
static void hidden(const given *g) { lb_nn_lstm(g->m, g->x, &(lb_recurrent_spec){.layers = 1}, NULL, NULL, NULL, NULL); }
static void scan(const given *g, lb_mamba_spec s) { lb_nn_mamba2(g->m, g->x, &s, NULL); }
static void scan_heads(const given *g) { scan(g, (lb_mamba_spec){.states = 2, .heads = 5}); }
static void scan_no_heads(const given *g) { scan(g, (lb_mamba_spec){.states = 2}); }
static void scan_groups(const given *g) { scan(g, (lb_mamba_spec){.states = 2, .heads = 4, .norm_groups = 5}); }

static void windows(const given *g, lb_tensor *x, lb_swin_spec s) { lb_nn_window_attention(g->m, x, &s); }
static void shift(const given *g) { windows(g, g->map, (lb_swin_spec){.heads = 2, .window = 2, .shift = 2}); }
static void shift_back(const given *g) { windows(g, g->map, (lb_swin_spec){.heads = 2, .window = 2, .shift = -1}); }
static void no_window(const given *g) { windows(g, g->map, (lb_swin_spec){.heads = 2}); }
static void windows_of_tokens(const given *g) { windows(g, g->x, (lb_swin_spec){.heads = 2, .window = 2}); }
static void merging(const given *g) { lb_nn_patch_merging(g->m, g->x, 1e-5); }
static void positions(const given *g) { lb_nn_resize_positions(g->m, g->row, 1, 2, 2, 3, 3, LB_PLACES_CUBIC); }
static void no_positions(const given *g) { lb_nn_resize_positions(g->m, g->row, 0, 2, 2, 0, 3, LB_PLACES_CUBIC); }
static void no_maps(const given *g) { lb_nn_upernet_head(g->m, 0, &g->picture, 0, NULL, 4, 2); }

static void fuse(const given *g, const char *block, int n, lb_tensor *second) { lb_fuse(g->m, block, n, (lb_tensor *[LB_FUSION_MOST + 1]){g->row, second}); }
static void no_modality(const given *g) { fuse(g, "low-rank", 0, NULL); }
static void modalities(const given *g) { fuse(g, "low-rank", LB_FUSION_MOST + 1, g->row); }
static void modality_of_tokens(const given *g) { fuse(g, "low-rank", 2, g->x); }
static void modality_rows(const given *g) { fuse(g, "low-rank", 2, lb_slice(g->t, g->row, 0, 0, 3, 1)); }
static void modality_width(const given *g) { fuse(g, "low-rank", 2, lb_slice(g->t, g->row, 1, 0, 3, 1)); }
static void fusion_heads(const given *g) { fuse(g, "attention", 2, g->row); }
static void no_block(const given *g) { fuse(g, "low-rang", 2, g->row); }

static const struct refusal {
    const char *name;
    void (*run)(const given *g);
    lb_status code;
    const char *part;
} refusals[] = {
    {"heads", heads, LB_E_ARG, "attention: width 6 is no multiple of 4 heads, these none of 4 heads of keys, or x has not three axes"},
    {"heads_of_keys", heads_of_keys, LB_E_ARG, "attention: width 6 is no multiple of 3 heads, these none of 2 heads of keys, or x has not three axes"},
    {"no_heads", no_heads, LB_E_ARG, "attention: width 6 is no multiple of 0 heads, these none of 0 heads of keys, or x has not three axes"},
    {"rows", rows, LB_E_ARG, "attention: width 6 is no multiple of 2 heads, these none of 2 heads of keys, or x has not three axes"},
    {"samples", samples, LB_E_SHAPE, "attention of 4 samples to 3: expected a divisor, and no order of the queries"},
    {"no_samples", no_samples, LB_E_SHAPE, "attention of 4 samples to 0: expected a divisor, and no order of the queries"},
    {"order", order, LB_E_SHAPE, "attention of 4 samples to 2: expected a divisor, and no order of the queries"},
    {"places", places, LB_E_SHAPE, "attention: distances are for at most 2 tokens that attend to themselves, not 3 to 3"},
    {"places_across", places_across, LB_E_SHAPE, "attention: distances are for at most 5 tokens that attend to themselves, not 3 to 2"},
    {"made_again", made_again, LB_E_ARG, "block: with recompute, no maps and caches, and of the cross part only a mask"},
    {"made_again_across", made_again_across, LB_E_ARG, "block: with recompute, no maps and caches, and of the cross part only a mask"},
    {"resampler", resampler, LB_E_SHAPE, "resampler: expected [N,S,C]"},
    {"experts", experts, LB_E_ARG, "mixture of experts: 3 of 2 experts for x of rank 2, expected rank 2"},
    {"no_expert", no_expert, LB_E_ARG, "mixture of experts: 0 of 2 experts for x of rank 2, expected rank 2"},
    {"experts_of_tokens", experts_of_tokens, LB_E_ARG, "mixture of experts: 1 of 2 experts for x of rank 3, expected rank 2"},
    {"layers", layers, LB_E_ARG, "recurrent layers: 1000 of width 2, expected 1 to 16"},
    {"hidden", hidden, LB_E_ARG, "recurrent layers: 1 of width 0, expected 1 to 32"},
    {"scan_heads", scan_heads, LB_E_ARG, "mamba2: 12 channels, 5 heads, 0 groups of the norm"},
    {"scan_no_heads", scan_no_heads, LB_E_ARG, "mamba2: 12 channels, 0 heads, 0 groups of the norm"},
    {"scan_groups", scan_groups, LB_E_ARG, "mamba2: 12 channels, 4 heads, 5 groups of the norm"},
    {"shift", shift, LB_E_ARG, "windows of 2 shifted by 2: expected x [N,H,W,C] and a shift below the window"},
    {"shift_back", shift_back, LB_E_ARG, "windows of 2 shifted by -1: expected x [N,H,W,C] and a shift below the window"},
    {"no_window", no_window, LB_E_ARG, "windows of 0 shifted by 0: expected x [N,H,W,C] and a shift below the window"},
    {"windows_of_tokens", windows_of_tokens, LB_E_ARG, "windows of 2 shifted by 0: expected x [N,H,W,C] and a shift below the window"},
    {"merging", merging, LB_E_SHAPE, "patch merging: expected [N,H,W,C]"},
    {"positions", positions, LB_E_SHAPE, "positions: 4 rows, expected 1 and a grid 2x2"},
    {"no_positions", no_positions, LB_E_SHAPE, "positions: 4 rows, expected 0 and a grid 2x2"},
    {"no_maps", no_maps, LB_E_ARG, "upernet: 0 maps, 0 sides, expected 1 to 8 and none to 8"},
    {"no_modality", no_modality, LB_E_ARG, "fusion of 0 modalities, 1 to 8 are wanted"},
    {"modalities", modalities, LB_E_ARG, "fusion of 9 modalities, 1 to 8 are wanted"},
    {"modality_of_tokens", modality_of_tokens, LB_E_SHAPE, "fusion: modality 1 is not [N,W] as the first is"},
    {"modality_rows", modality_rows, LB_E_SHAPE, "fusion: modality 1 is not [N,W] as the first is"},
    {"modality_width", modality_width, LB_E_SHAPE, "fusion: modality 1 is not [N,W] as the first is"},
    {"fusion_heads", fusion_heads, LB_E_SHAPE, "fusion by attention: width 6 is no multiple of 4 heads"},
    {"no_block", no_block, LB_E_NOTFOUND, "did you mean low-rank?"},
};

static void refused(void) {
    for (size_t k = 0; k < LB_COUNT(refusals); k++) {
        given g = {0};
        lb_store *s = NULL;
        if (!CHECK_OK(lb_store_new(&s)) || !CHECK_OK(lb_tape_new(&g.t))) exit(2);
        lb_tape_set_mode(g.t, LB_TAPE_SHAPES);
        if (!CHECK_OK(lb_nn_new(&g.m, g.t, s, true))) exit(2);
        g.x = lb_zeros(g.t, 3, (int64_t[]){4, 3, 6});
        g.row = lb_zeros(g.t, 2, (int64_t[]){4, 6});
        g.map = lb_zeros(g.t, 4, (int64_t[]){1, 4, 4, 6});
        g.picture = lb_zeros(g.t, 4, (int64_t[]){1, 6, 4, 4});
        check_begin("%s", refusals[k].name);
        CHECK_OK(lb_tape_status(g.t));
        refusals[k].run(&g);
        CHECK_FAILS(lb_tape_status(g.t), refusals[k].code, refusals[k].part);
        check_end();
        lb_nn_free(g.m);
        lb_tape_free(g.t);
        lb_store_free(s);
    }
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "nn-refused", (check_test[]){{"refused", refused}, {0}});
}
