/* SPDX-License-Identifier: Apache-2.0 */
/* Made data: the same bytes again, other bytes for another seed; masks and captions that agree with the pixels. */
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "base/hash.h"
#include "datasets/reader.h"
#include "datasets/synth.h"
#include "io/decoder.h"
#include "tests/check.h"

static const lb_synth *set(const char *name) { return (const lb_synth *)lb_family_at(&lb_synths, name); }

static lb_value *few(const char *key, int64_t n) {
    lb_value *v = lb_value_map();
    lb_map_int(v, key, n);
    return v;
}

static void make(const char *name, const char *folder, const char *key, int64_t n, uint64_t seed, double damage) {
    int64_t count = 0;
    lb_value *options = few(key, n);
    CHECK_OK(lb_synth_make(set(name), folder, options, seed, damage, NULL, &count));
    lb_value_free(options);
}

static bool same(const char *a, const char *b, const char *name) {
    lb_buf x = {0}, y = {0};
    char *pa = lb_path_join(a, name), *pb = lb_path_join(b, name);
    CHECK_OK(lb_file_read(&x, pa, 0));
    CHECK_OK(lb_file_read(&y, pb, 0));
    bool equal = x.size == y.size && x.size > 0 && memcmp(x.data, y.data, x.size) == 0;
    lb_buf_free(&x);
    lb_buf_free(&y);
    lb_free(pa);
    lb_free(pb);
    return equal;
}

static void repeatable(void) {
    char a[256], b[256], c[256];
    snprintf(a, sizeof a, "%s", check_tmp("a"));
    snprintf(b, sizeof b, "%s", check_tmp("b"));
    snprintf(c, sizeof c, "%s", check_tmp("c"));
    make("segmentation", a, "count", 9, 5, 0);
    make("segmentation", b, "count", 12, 5, 0); /* a larger set begins with the smaller one */
    make("segmentation", c, "count", 9, 6, 0);
    for (int i = 0; i < 9; i++) {
        char name[64];
        snprintf(name, sizeof name, "images/%06d.png", i);
        CHECK(same(a, b, name));
        CHECK(!same(a, c, name));
    }
    CHECK(!same(a, b, "list.jsonl"));
}

/* The mask of a circle is where its colour is: every other pixel is of the pale background (130 to 220 in every channel). */
static void masks_fit(void) {
    char folder[256];
    lb_items *items = NULL;
    snprintf(folder, sizeof folder, "%s", check_tmp("shapes"));
    make("shapes", folder, "count", 40, 1, 0);
    char *list = lb_path_join(folder, "list.jsonl");
    if (!CHECK_OK(lb_items_open(&items, 1, (const char *[]){list}, NULL, NULL))) return;
    CHECK_INT(items->count, 40);
    int64_t wrong = 0, on = 0;
    for (int64_t i = 0; i < items->count; i++) {
        lb_image img = {0}, mask = {0};
        CHECK_HAS(items->at[i].text, items->at[i].label);
        if (!CHECK_OK(lb_image_read_rgb(&img, items->at[i].image, NULL)) || !CHECK_OK(lb_image_read_rgb(&mask, items->at[i].mask, NULL))) break;
        for (int64_t k = 0; k < (int64_t)img.width * img.height; k++) {
            const uint8_t *p = (uint8_t *)img.pixels + 3 * k;
            bool pale = p[0] >= 100 && p[0] <= 222 && p[1] >= 100 && p[1] <= 222 && p[2] >= 100 && p[2] <= 222, inside = ((uint8_t *)mask.pixels)[3 * k] != 0;
            on += inside;
            wrong += pale == inside;
        }
        lb_image_free(&img);
        lb_image_free(&mask);
    }
    CHECK_INT(wrong, 0);
    CHECK(on > 40 * 100);
    lb_items_free(items);
    lb_free(list);
}

static void damage(void) {
    char folder[256];
    lb_items *items = NULL;
    int64_t bad = 0;
    snprintf(folder, sizeof folder, "%s", check_tmp("damaged"));
    make("pairs", folder, "unpaired", 100, 3, 0.3);
    char *list = lb_path_join(folder, "list.jsonl");
    if (!CHECK_OK(lb_items_open(&items, 1, (const char *[]){list}, NULL, NULL))) return;
    for (int64_t i = 0; i < items->count; i++) {
        lb_image img = {0};
        if (lb_image_read_rgb(&img, items->at[i].image, NULL) != LB_OK) bad++;
        lb_image_free(&img);
    }
    CHECK_INT(items->count, 300);
    CHECK(bad > 60 && bad < 120); /* 300 draws of 0.3: 90 with a deviation of 8 */
    lb_items_free(items);
    lb_free(list);
}

static void options(void) {
    int64_t count;
    lb_value *v = few("cuont", 1);
    CHECK_FAILS(lb_synth_make(set("shapes"), check_tmp("x"), v, 0, 0, NULL, &count), LB_E_ARG, "count");
    lb_value_free(v);
}

int main(int argc, char **argv) { return check_main(argc, argv, "synth", (check_test[]){{"repeatable", repeatable}, {"masks_fit", masks_fit}, {"damage", damage}, {"options", options}, {0}}); }
