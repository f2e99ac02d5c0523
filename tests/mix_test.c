/* SPDX-License-Identifier: Apache-2.0 */
/* Mixed batches. Pictures are of one value each, so a mixed pixel tells what it was made of, and labels and masks must say the same. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/alloc.h"
#include "cli/source_mix.h"
#include "tests/check.h"

enum { N = 4, H = 6, W = 5, AREA = H * W, K = 3 };
static const int64_t labels[N] = {0, 2, 1, -1}; /* the last has none */

static lb_chain *chain_of(const char *json) {
    lb_value *v = NULL;
    lb_chain *c = NULL;
    CHECK_OK(lb_json_parse(&v, json, strlen(json), "test"));
    CHECK_OK(lb_chain_open(&c, v, "test"));
    lb_value_free(v);
    return c;
}

static void *put(lb_batch *b, const char *name, lb_dtype dtype, int rank, const int64_t *shape) {
    CHECK_OK(lb_tensor_new(&b->at[b->count].x, dtype, rank, shape));
    snprintf(b->at[b->count].name, sizeof b->at[0].name, "%s", name);
    return b->at[b->count++].x->data;
}

/* Row i: picture of i's, mask of classes[i], the label above. */
static lb_batch batch_of(const char *const *keys, const int64_t *classes) {
    lb_batch b = {.rows = N};
    float *x = put(&b, "image", LB_F32, 4, (int64_t[]){N, 3, H, W});
    int64_t *mask = put(&b, "true_mask", LB_I64, 3, (int64_t[]){N, H, W}), *label = put(&b, "label", LB_I64, 1, (int64_t[]){N});
    b.keys = lb_calloc(N, sizeof *b.keys);
    for (int i = 0; i < N; i++) {
        b.keys[i] = lb_strdup(keys[i]);
        label[i] = labels[i];
        for (int k = 0; k < 3 * AREA; k++) x[i * 3 * AREA + k] = (float)i;
        for (int k = 0; k < AREA; k++) mask[i * AREA + k] = classes[i];
    }
    return b;
}

static void release(lb_batch *b) {
    for (int i = 0; i < b->count; i++) lb_tensor_free(b->at[i].x);
    for (int i = 0; i < N; i++) lb_free(b->keys[i]);
    lb_free(b->keys);
}

static const void *get(const lb_batch *b, const char *name) {
    for (int i = 0; i < b->count; i++)
        if (strcmp(b->at[i].name, name) == 0) return b->at[i].x->data;
    return NULL;
}

static const char *const keys[N] = {"a", "b", "c", "d"};
static const int64_t foreground[N] = {1, 0, 1, 0}, classes[N] = {3, 7, 0, 255};

static int partner(int i) { return (i + N - 1) % N; }

static void labels_are(const lb_batch *b) {
    const float *own = get(b, "mix_own"), *share = get(b, "label_share"), *logits = get(b, "label_logits");
    if (!CHECK(own && share && logits)) return;
    for (int i = 0; i < N; i++)
        for (int k = 0; k < K; k++) {
            double want = (labels[i] == k ? (double)own[i] : 0) + (labels[partner(i)] == k ? 1 - (double)own[i] : 0);
            CHECK_NEAR((double)share[i * K + k], want, 1e-6); /* of f32 sums */
            CHECK_NEAR((double)logits[i * K + k], log(fmax(want, 1e-8)), 1e-4); /* the log of a share near 1e-3 loses three digits */
        }
}

static void mixup(void) {
    lb_chain *c = chain_of("[{\"op\": \"mixup\", \"alpha\": 0.7}]");
    lb_batch b = batch_of(keys, foreground);
    CHECK_OK(cli_mix_batch(&b, &(cli_mix_spec){.pairs = c, .seed = 5, .epoch = 2, .classes = K, .mask_nonzero = true}));
    labels_are(&b);
    const float *own = get(&b, "mix_own"), *x = get(&b, "image"), *share = get(&b, "true_mask_share");
    const int64_t *mask = get(&b, "true_mask");
    for (int i = 0; i < N; i++) {
        double o = (double)own[i], front = o * (double)foreground[i] + (1 - o) * (double)foreground[partner(i)];
        CHECK(o > 0 && o < 1 && own[i] != own[partner(i)]);
        for (int k = 0; k < 3 * AREA; k++) CHECK_NEAR((double)x[i * 3 * AREA + k], o * i + (1 - o) * partner(i), 1e-6);
        for (int k = 0; k < AREA; k++) {
            CHECK_NEAR((double)share[i * AREA + k], front, 1e-6);
            CHECK_INT(mask[i * AREA + k], front > 0.5);
        }
    }
    release(&b);
    b = batch_of(keys, classes);
    CHECK_FAILS(cli_mix_batch(&b, &(cli_mix_spec){.pairs = c, .seed = 5, .classes = K}), LB_E_UNSUPPORTED, "data.mask_nonzero");
    release(&b);
    lb_chain_close(c);
}

/* Pixels of the partner are a rectangle, of the share that the labels say; masks of any class change with them. */
static void cutmix(void) {
    lb_chain *c = chain_of("[{\"op\": \"cutmix\"}]");
    int pasted = 0;
    for (uint64_t epoch = 0; epoch < 8; epoch++) {
        lb_batch b = batch_of(keys, classes);
        CHECK_OK(cli_mix_batch(&b, &(cli_mix_spec){.pairs = c, .seed = 5, .epoch = epoch, .classes = K}));
        labels_are(&b);
        const float *own = get(&b, "mix_own"), *x = get(&b, "image");
        const int64_t *mask = get(&b, "true_mask");
        CHECK(!get(&b, "true_mask_share"));
        for (int i = 0; i < N; i++) {
            int x0 = W, y0 = H, x1 = -1, y1 = -1, count = 0;
            for (int k = 0; k < AREA; k++) {
                bool other = x[i * 3 * AREA + k] == (float)partner(i);
                for (int plane = 0; plane < 3; plane++) CHECK(x[(i * 3 + plane) * AREA + k] == (float)(other ? partner(i) : i));
                CHECK_INT(mask[i * AREA + k], classes[other ? partner(i) : i]);
                if (!other) continue;
                count++;
                x0 = k % W < x0 ? k % W : x0, x1 = k % W > x1 ? k % W : x1;
                y0 = k / W < y0 ? k / W : y0, y1 = k / W > y1 ? k / W : y1;
            }
            CHECK_INT(count, count ? (x1 - x0 + 1) * (y1 - y0 + 1) : 0);
            CHECK_NEAR((double)own[i], 1 - (double)count / AREA, 1e-6);
            pasted += count;
        }
        release(&b);
    }
    CHECK(pasted > 0);
    lb_chain_close(c);
}

/* A share is a function of seed, epoch and key: not of the place in the batch, nor of what stands beside. */
static void replayed(void) {
    static const char *const turned[N] = {"d", "c", "b", "a"};
    lb_chain *c = chain_of("[{\"op\": \"mixup\"}, {\"op\": \"cutmix\"}]");
    cli_mix_spec spec = {.pairs = c, .seed = 9, .epoch = 1, .classes = K, .mask_nonzero = true};
    lb_batch b[4];
    for (int k = 0; k < 4; k++) {
        b[k] = batch_of(k == 2 ? turned : keys, foreground);
        spec.epoch = k == 3 ? 2 : 1;
        CHECK_OK(cli_mix_batch(&b[k], &spec));
    }
    const float *first = get(&b[0], "mix_own"), *other = get(&b[2], "mix_own");
    for (int k = 0; k < b[0].count; k++) CHECK(memcmp(b[0].at[k].x->data, b[1].at[k].x->data, (size_t)lb_numel(b[0].at[k].x) * lb_dtype_size(b[0].at[k].x->dtype)) == 0);
    for (int i = 0; i < N; i++) CHECK(first[i] == other[N - 1 - i]);
    CHECK(memcmp(get(&b[0], "image"), get(&b[3], "image"), N * 3 * AREA * sizeof(float)) != 0);
    for (int k = 0; k < 4; k++) release(&b[k]);
    lb_chain_close(c);
}

static void parted(void) {
    static const char text[] = "[{\"op\": \"cutmix\", \"p\": 0.5}, {\"op\": \"flip\"}, {\"op\": \"mixup\"}, {\"op\": \"unknown\"}]";
    lb_value *v = NULL, *single = NULL, *pairs = NULL;
    CHECK_OK(lb_json_parse(&v, text, sizeof text - 1, "test"));
    CHECK_OK(cli_mix_part(&single, &pairs, v));
    CHECK_INT(single->count, 2);
    CHECK_INT(pairs->count, 2);
    CHECK_TEXT(lb_get_text(single->items[1], "op", ""), "unknown"); /* left for lb_chain_open to refuse */
    CHECK_TEXT(lb_get_text(pairs->items[0], "op", ""), "cutmix");
    lb_value_free(v), lb_value_free(single), lb_value_free(pairs);
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "mix", (check_test[]){{"mixup", mixup}, {"cutmix", cutmix}, {"replayed", replayed}, {"parted", parted}, {0}});
}
