/* SPDX-License-Identifier: Apache-2.0 */
/* Results held rounded to bf16 (tensor/rounded.h): what products read is the same, so what they give has the same bytes, but for GELU. */
#include <math.h>
#include <string.h>
#include "base/alloc.h"
#include "base/cpu.h"
#include "base/rng.h"
#include "tensor/kernels/attend_parts.h"
#include "tensor/precision.h"
#include "tensor/rounded.h"
#include "tensor/tape.h"
#include "tests/check.h"

static lb_tensor *drawn(lb_rng *r, int rank, const int64_t *shape, bool fixed) {
    lb_tensor *x = NULL;
    if (!CHECK_OK(lb_tensor_new(&x, LB_F32, rank, shape))) return NULL;
    for (int64_t i = 0; i < lb_numel(x); i++) ((float *)x->data)[i] = (float)lb_rng_normal(r);
    lb_tensor_fix(x, fixed);
    return x;
}

static lb_tape *tape_of(lb_tape_mode mode, lb_precision precision) {
    lb_tape *t = NULL;
    if (!CHECK_OK(lb_tape_new(&t))) return NULL;
    lb_tape_set_mode(t, mode);
    lb_tape_set_precision(t, precision);
    return t;
}

static bool here(void) { return lbi_cpu() == LBI_CPU_BF16; }

typedef struct net {
    int64_t rows, in, inner, out;
    lb_act act;
    bool fixed, rounded[2]; /* rounded: is the norm's result, and the first map's, where there are such? */
} net;

static bool same(const lb_tensor *a, const lb_tensor *b) { return lb_numel(a) == 0 || memcmp(a->data, b->data, (size_t)lb_numel(a) * sizeof(float)) == 0; }

/* GELU that leaves rounded is made of polynomials (gelu_pieces.h), so it may be the neighbour of what lb_gelu rounds to. */
static void near(const lb_tensor *want, const lb_tensor *got) {
    for (int64_t i = 0; i < lb_numel(want) && !check_failed(); i++) {
        float x, y = ((const float *)want->data)[i];
        lb_convert(&x, LB_F32, (const uint16_t *)got->data + i, LB_BF16, 1);
        CHECK_NEAR((double)x, (double)y, fabs((double)y) * 0x1.01p-8 + 2e-6);
    }
}

/* Norm, map, map. */
static void one_net(lb_rng *r, const net *n) {
    lb_tensor *x = drawn(r, 2, (int64_t[]){n->rows, n->in}, false), *gamma = drawn(r, 1, &n->in, false), *beta = drawn(r, 1, &n->in, false);
    lb_tensor *w = drawn(r, 2, (int64_t[]){n->inner, n->in}, n->fixed), *b = drawn(r, 1, &n->inner, false), *w2 = drawn(r, 2, (int64_t[]){n->out, n->inner}, n->fixed);
    lb_tensor *all[] = {x, gamma, beta, w, b, w2};
    lb_tape *t = tape_of(LB_TAPE_NO_GRAD, LB_PRECISION_BF16);
    lb_tensor *h = lb_linear(t, lb_layer_norm(t, x, gamma, beta, 1e-5), w, b, n->act), *y = lb_linear(t, h, w2, NULL, LB_ACT_NONE);
    lb_tensor *norm = lbi_layer_norm_rounded(t, x, gamma, beta, 1e-5), *h2 = lbi_linear_rounded(t, norm, w, b, n->act), *y2 = lb_linear(t, h2, w2, NULL, LB_ACT_NONE);
    lb_tensor *once = lb_linear(t, lbi_rounded(t, lb_layer_norm(t, x, gamma, beta, 1e-5)), w, b, n->act);
    if (CHECK_OK(lb_tape_status(t))) {
        CHECK((norm->dtype == LB_BF16) == (here() && n->rounded[0]));
        CHECK((h2->dtype == LB_BF16) == (here() && n->rounded[1]));
        CHECK(y2->dtype == LB_F32 && lb_same_shape(y, y2) && once->dtype == LB_F32 && same(h, once));
        if (n->act == LB_ACT_GELU && h2->dtype == LB_BF16) near(h, h2);
        else CHECK(same(y, y2));
    }
    lb_tape_free(t);
    for (size_t i = 0; i < LB_COUNT(all); i++) lb_tensor_free(all[i]);
}

static void maps(void) {
    static const net nets[] = {
        {1, 32, 32, 5, LB_ACT_NONE, true, {true, true}},          {7, 64, 96, 33, LB_ACT_GELU, true, {true, true}},
        {32, 96, 64, 64, LB_ACT_RELU, true, {true, true}},        {33, 32, 160, 17, LB_ACT_HARDSWISH, false, {true, true}},
        {543, 384, 1536, 384, LB_ACT_GELU, true, {true, true}},   {300, 96, 2080, 40, LB_ACT_GELU, false, {true, true}},   /* k of the second map in two pieces */
        {20, 320, 1056, 1100, LB_ACT_NONE, false, {true, true}},                                                            /* more columns than rows */
        {50, 2080, 64, 32, LB_ACT_GELU, true, {true, false}},                                                               /* k of the first map: its sums pass through the result */
        {40, 4128, 32, 32, LB_ACT_NONE, true, {false, false}},    {40, 50, 64, 8, LB_ACT_NONE, true, {false, true}},
        {40, 64, 50, 8, LB_ACT_NONE, true, {true, false}},        {40, 64, 64, 8, LB_ACT_SILU, true, {true, false}},       /* which is a pass of its own */
        {0, 64, 64, 8, LB_ACT_NONE, true, {true, true}},
    };
    lb_rng r = lb_rng_of(21, 0, "maps");
    for (size_t i = 0; i < LB_COUNT(nets); i++) {
        check_begin("%lld rows of %lld to %lld to %lld", (long long)nets[i].rows, (long long)nets[i].in, (long long)nets[i].inner, (long long)nets[i].out);
        one_net(&r, &nets[i]);
        check_end();
    }
}

/* spoilt: an infinite query, so that its head is computed in floats; hidden: no key of the first sample is seen. */
static void one_attention(lb_rng *r, int64_t heads, int64_t queries, int64_t keys, int64_t width, bool merge, bool spoilt, bool hidden) {
    lb_tensor *q = drawn(r, 4, (int64_t[]){2, heads, queries, width}, false), *k = drawn(r, 4, (int64_t[]){2, heads, keys, width}, false), *v = drawn(r, 4, (int64_t[]){2, heads, keys, width}, false);
    lb_tensor *mask = NULL, *all[] = {q, k, v};
    lb_tape *t = tape_of(LB_TAPE_NO_GRAD, LB_PRECISION_BF16);
    if (spoilt) ((float *)q->data)[3] = INFINITY;
    if (!CHECK_OK(lb_tensor_new(&mask, LB_I64, 4, (int64_t[]){2, 1, 1, keys}))) return;
    for (int64_t i = 0; i < 2 * keys; i++) ((int64_t *)mask->data)[i] = !hidden || i >= keys + 1;
    const lb_attention_spec spec = {.mask = mask, .merge = merge};
    lb_tensor *y = lb_attention(t, q, k, v, spec), *rounded = lbi_attention_rounded(t, q, k, v, spec);
    bool holds = here() && (merge ? heads * width : width) % 32 == 0;
    if (CHECK_OK(lb_tape_status(t)) && CHECK((rounded->dtype == LB_BF16) == holds)) {
        int64_t n = lb_numel(y);
        uint16_t *want = lb_alloc((size_t)n + 1, sizeof *want);
        if (holds) lb_convert(want, LB_BF16, y->data, LB_F32, n);
        CHECK(lb_same_shape(y, rounded) && memcmp(holds ? (void *)want : y->data, rounded->data, (size_t)n * lb_dtype_size(rounded->dtype)) == 0);
        lb_free(want);
    }
    lb_tape_free(t);
    for (size_t i = 0; i < LB_COUNT(all); i++) lb_tensor_free(all[i]);
    lb_tensor_free(mask);
}

static void attention(void) {
    static const struct {
        int64_t heads, queries, keys, width;
    } sizes[] = {{2, 197, 197, 64}, {4, 33, 300, 32}, {3, 20, 30, 32}, {1, 3, 5, 32}, {2, 40, 50, 16}, {2, 3, 60, 9}};
    lb_rng r = lb_rng_of(22, 0, "attention");
    for (size_t i = 0; i < LB_COUNT(sizes); i++)
        for (int way = 0; way < 8; way++) {
            check_begin("%lld queries, %lld keys, width %lld, %d", (long long)sizes[i].queries, (long long)sizes[i].keys, (long long)sizes[i].width, way);
            one_attention(&r, sizes[i].heads, sizes[i].queries, sizes[i].keys, sizes[i].width, way & 1, way & 2, way & 4);
            check_end();
        }
}

/* Weights of a tile of scores, and their sums: no further from exponentials than their 8 bits are, or a 25th of that. Panels are of 16 queries, pairs of keys in a lane. */
static void weights(void) {
    enum { KEYS = 77, QUERIES = 32, APART = 3 * LBI_BF16_PIECE };
    static float scores[KEYS * QUERIES];
    static uint32_t panels[2 * APART];
    float shift[QUERIES], sum[QUERIES] = {0};
    lb_rng r = lb_rng_of(25, 0, "weights");
    if (!lbi_cut_known(1)) return;
    for (int q = 0; q < QUERIES; q++) shift[q] = (float)q / 4;
    for (int j = 0; j < KEYS; j++)
        for (int q = 0; q < QUERIES; q++) scores[j * QUERIES + q] = (j + q) % 11 == 0 ? -INFINITY : shift[q] - 40 * (float)lb_rng_uniform(&r) * (float)lb_rng_uniform(&r);
    lbi_cut_weigh(1, scores, KEYS, QUERIES, shift, sum, panels, APART);
    for (int q = 0; q < QUERIES && !check_failed(); q++) {
        double all = 0;
        for (int j = 0; j < KEYS; j++) {
            double want = exp((double)scores[j * QUERIES + q] - (double)shift[q]);
            float got;
            lb_convert(&got, LB_F32, (const uint16_t *)(const void *)(panels + q / 16 * APART + j / 2 * 16 + q % 16) + j % 2, LB_BF16, 1);
            CHECK_NEAR((double)got, want, want * (0x1p-8 + 2e-4) + 1e-30);
            all += want;
        }
        CHECK_NEAR((double)sum[q], all, 1e-4 * all);
    }
}

/* Where a gradient is recorded, a tape is in float, or somebody watches or trains, nothing is rounded. */
static void elsewhere(void) {
    lb_rng r = lb_rng_of(23, 0, "elsewhere");
    lb_tensor *x = drawn(&r, 2, (int64_t[]){4, 32}, false), *w = drawn(&r, 2, (int64_t[]){32, 32}, false);
    for (int way = 0; way < 4; way++) {
        lb_tape *t = tape_of(way == 0 ? LB_TAPE_GRAD : LB_TAPE_NO_GRAD, way == 1 ? LB_PRECISION_F32 : LB_PRECISION_BF16);
        lb_rng draws = lb_rng_of(1, 0, "draws");
        if (way == 2) lb_tape_set_training(t, true, &draws);
        lb_tensor *y = lbi_linear_rounded(t, x, w, NULL, LB_ACT_RELU);
        if (CHECK_OK(lb_tape_status(t))) CHECK((y->dtype == LB_BF16) == (way == 3 && here()));
        lb_tape_free(t);
    }
    lb_tensor_free(x);
    lb_tensor_free(w);
}

/* Numbers in bf16 that users give are refused, but where products could read them as they are. */
static void refused(void) {
    static const int64_t widths[] = {32, 5};
    lb_rng r = lb_rng_of(24, 0, "refused");
    for (int i = 0; i < 4; i++) {
        int64_t width = widths[i & 1], shape[] = {4, width};
        lb_tensor *x = NULL, *w = drawn(&r, 2, (int64_t[]){6, width}, false);
        if (!CHECK_OK(lb_tensor_new(&x, LB_BF16, 2, shape))) return;
        memset(x->data, 0, (size_t)lb_numel(x) * sizeof(uint16_t));
        lb_tape *t = tape_of(i & 2 ? LB_TAPE_GRAD : LB_TAPE_NO_GRAD, LB_PRECISION_BF16);
        (void)lb_linear(t, x, w, NULL, LB_ACT_NONE);
        if (i == 0 && here()) CHECK_OK(lb_tape_status(t));
        else CHECK_FAILS(lb_tape_status(t), LB_E_SHAPE, "x is bf16, expected f32");
        lb_tape_free(t);
        lb_tensor_free(x);
        lb_tensor_free(w);
    }
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "rounded", (check_test[]){{"maps", maps}, {"attention", attention}, {"weights", weights}, {"elsewhere", elsewhere}, {"refused", refused}, {0}});
}
