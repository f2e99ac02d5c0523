/* SPDX-License-Identifier: Apache-2.0 */
/* Augmentations with given values against torchvision (tests/data/augment/make.py); what is drawn is pure, within its bounds, stored and replayed. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "datasets/augments.h"
#include "tests/check.h"

static lb_value *cases;
static lb_buf pixels;

static bool load(void) {
    return CHECK_OK(lb_json_read(&cases, check_data("augment/cases.json"))) && CHECK_OK(lb_file_read(&pixels, check_data("augment/pixels.bin"), 0));
}

static void unload(void) {
    lb_value_free(cases);
    lb_buf_free(&pixels);
    cases = NULL;
}

static lb_image picture(const lb_value *v, const char *which, int channels) {
    lb_image img = {0};
    int32_t w = (int32_t)lb_get_int(v, "width", 0), h = (int32_t)lb_get_int(v, "height", 0);
    CHECK_OK(lb_image_new(&img, w, h, channels, 8));
    memcpy(img.pixels, pixels.data + lb_get_int(v, which, 0), (size_t)w * (size_t)h * (size_t)channels);
    return img;
}

static float *boxes_of(const lb_value *v, int64_t *count) {
    const lb_value *list = lb_get(v, "boxes");
    *count = list ? list->count : 0;
    float *boxes = lb_alloc((size_t)*count, 4 * sizeof *boxes);
    for (int64_t i = 0; i < 4 * *count; i++) {
        const lb_value *x = list->items[i / 4]->items[i % 4];
        boxes[i] = (float)(x->kind == LB_V_INT ? (double)x->integer : x->real);
    }
    return boxes;
}

static void pixels_are(const lb_image *got, const lb_value *c, const char *which, int channels, int near) {
    if (!CHECK_INT(got->width, lb_get_int(c, "width", 0)) || !CHECK_INT(got->height, lb_get_int(c, "height", 0))) return;
    const uint8_t *a = got->pixels, *b = (const uint8_t *)pixels.data + lb_get_int(c, which, 0);
    int64_t far = 0, other = 0, first = -1;
    for (int64_t i = 0, n = (int64_t)got->width * got->height * channels; i < n; i++) {
        int d = a[i] > b[i] ? a[i] - b[i] : b[i] - a[i];
        far += d > near;
        other += d != 0;
        if (d > near && first < 0) first = i;
    }
    if (far) printf("     %s: %lld values differ, the first at %lld: %d, expected %d\n", which, (long long)far, (long long)first, a[first], b[first]);
    CHECK_INT(far, 0);
    CHECK(other <= (int64_t)got->width * got->height * channels / 50); /* where a sum lies on a half */
}

static void one(const lb_value *c) {
    const lb_value *start = lb_get(cases, "start");
    check_begin("%s", lb_get_text(c, "name", "?"));
    lb_chain *chain = NULL;
    lb_scene v = {.image = picture(start, "image", 3), .mask = picture(start, "mask", 1), .own = 1};
    v.boxes = boxes_of(start, &v.box_count);
    if (CHECK_OK(lb_chain_open(&chain, lb_get(c, "chain"), "case")) && CHECK_OK(lb_chain_apply(&v, NULL, true, chain, lb_get(c, "row")))) {
        pixels_are(&v.image, c, "image", 3, (int)lb_get_int(c, "near", 0));
        if (lb_get(c, "mask")) pixels_are(&v.mask, c, "mask", 1, 0);
        if (lb_get(c, "boxes")) {
            int64_t n = 0;
            float *want = boxes_of(c, &n);
            if (CHECK_INT(v.box_count, n)) CHECK_FLOATS(v.boxes, want, 4 * n, 0, 1e-3); /* recorded with four digits */
            lb_free(want);
        }
    }
    lb_chain_close(chain);
    lb_scene_free(&v);
    check_end();
}

static void as_torchvision(void) {
    if (!load()) return;
    const lb_value *list = lb_get(cases, "cases");
    for (int64_t i = 0; i < list->count; i++) one(list->items[i]);
    CHECK(list->count >= 60);
    unload();
}

static lb_chain *chain_of(const char *json) {
    lb_value *list = NULL;
    lb_chain *c = NULL;
    if (CHECK_OK(lb_json_parse(&list, json, strlen(json), "chain"))) CHECK_OK(lb_chain_open(&c, list, "chain"));
    lb_value_free(list);
    return c;
}

static void mixing(void) {
    if (!load()) return;
    const lb_value *mix = lb_get(cases, "mix");
    lb_buf file = {0};
    int64_t n = 3 * lb_get_int(mix, "width", 0) * lb_get_int(mix, "height", 0);
    CHECK_OK(lb_file_read(&file, check_data("augment/mix.bin"), 0));
    const float *all = (const float *)(const void *)file.data;
    for (int k = 0; k < 2; k++) {
        lb_scene a = {.own = 1, .plane_count = 3, .plane_width = 8, .plane_height = 6, .soft_count = 3, .planes = lb_alloc((size_t)n, 4), .soft = lb_alloc((size_t)n, 4)}, b = a;
        memcpy(a.planes, all, (size_t)n * 4);
        memcpy(a.soft, all, (size_t)n * 4);
        b.planes = b.soft = (float *)(uintptr_t)(all + n);
        char row[256];
        const lb_value *box = lb_get(mix, "box");
        int x = (int)box->items[0]->integer, y = (int)box->items[1]->integer;
        if (k)
            snprintf(row, sizeof row, "[{\"op\": \"cutmix\", \"x\": %d, \"y\": %d, \"width\": %d, \"height\": %d, \"own\": 0.5833333333333333}]", x, y,
                     (int)box->items[2]->integer - x, (int)box->items[3]->integer - y);
        else snprintf(row, sizeof row, "[{\"op\": \"mixup\", \"own\": 0.3}]");
        lb_value *values = NULL;
        lb_chain *c = chain_of(k ? "[{\"op\": \"cutmix\"}]" : "[{\"op\": \"mixup\"}]");
        CHECK_OK(lb_json_parse(&values, row, strlen(row), "row"));
        CHECK(lb_chain_has_pairs(c));
        CHECK_OK(lb_chain_apply(&a, &b, false, c, values));
        CHECK_FLOATS(a.planes, all + (2 + k) * n, n, 1e-6, 1e-7); /* one product and one sum in f32 */
        CHECK_FLOATS(a.soft, all + (2 + k) * n, n, 1e-6, 1e-7);
        CHECK_NEAR(a.own, k ? lb_get_real(mix, "own", 0) : lb_get_real(mix, "lam", 0), 1e-12);
        lb_value_free(values);
        lb_chain_close(c);
        lb_scene_free(&a);
    }
    lb_buf_free(&file);
    unload();
}

static const char everything[] = "[{\"op\": \"random_resized_crop\", \"size\": 20}, {\"op\": \"flip\", \"vertical\": 0.3}, {\"op\": \"color_jitter\", "
                                 "\"brightness\": 0.4, \"contrast\": 0.4, \"saturation\": 0.4, \"hue\": 0.1},"
                                 "{\"op\": \"rand_augment\"}, {\"op\": \"gaussian_blur\"}, {\"op\": \"random_erasing\"}]";

static lb_value *drawn(const lb_chain *c, uint64_t seed, uint64_t epoch, const char *key) {
    lb_value *row = NULL;
    CHECK_OK(lb_chain_draw(&row, c, 37, 29, seed, epoch, key));
    return row;
}

static bool same(const lb_value *a, const lb_value *b) {
    lb_buf why = {0};
    bool differ = lb_value_differ(&why, a, b);
    lb_buf_free(&why);
    return !differ;
}

static void pure(void) {
    lb_chain *c = chain_of(everything), *longer = chain_of("[{\"op\": \"random_resized_crop\", \"size\": 20}, {\"op\": \"flip\", \"vertical\": 0.3}, {\"op\": \"mixup\"}]");
    lb_value *a = drawn(c, 1, 2, "key"), *again = drawn(c, 1, 2, "key"), *others[3] = {drawn(c, 2, 2, "key"), drawn(c, 1, 3, "key"), drawn(c, 1, 2, "kex")}, *part = drawn(longer, 1, 2, "key");
    CHECK(same(a, again));
    for (int i = 0; i < 3; i++) {
        CHECK(!same(a, others[i]));
        lb_value_free(others[i]);
    }
    for (int i = 0; i < 2; i++) CHECK(same(a->items[i], part->items[i])); /* what comes after does not matter */
    lb_value_free(a);
    lb_value_free(again);
    lb_value_free(part);
    lb_chain_close(c);
    lb_chain_close(longer);
}

/* Written as JSON and read again, a row gives the same pixels; a row of another chain is refused. */
static void replayed(void) {
    if (!load()) return;
    lb_chain *c = chain_of(everything), *other = chain_of("[{\"op\": \"flip\"}]");
    for (int k = 0; k < 20; k++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", k);
        lb_value *row = drawn(c, 7, 1, key), *read = NULL;
        lb_buf text = {0};
        lb_scene v[2];
        CHECK_OK(lb_json_write(&text, row, 0));
        CHECK_OK(lb_json_parse(&read, text.data, text.size, "row"));
        for (int i = 0; i < 2; i++) {
            v[i] = (lb_scene){.image = picture(lb_get(cases, "start"), "image", 3), .mask = picture(lb_get(cases, "start"), "mask", 1), .own = 1};
            CHECK_OK(lb_chain_apply(&v[i], NULL, true, c, i ? read : row));
        }
        CHECK_INT(v[0].image.width, 20);
        CHECK(memcmp(v[0].image.pixels, v[1].image.pixels, 20 * 20 * 3) == 0);
        CHECK(memcmp(v[0].mask.pixels, v[1].mask.pixels, 20 * 20) == 0);
        CHECK_FAILS(lb_chain_apply(&v[0], NULL, true, other, row), LB_E_MISMATCH, "a row of 6 augmentations in place of 1");
        for (int i = 0; i < 2; i++) lb_scene_free(&v[i]);
        lb_value_free(row);
        lb_value_free(read);
        lb_buf_free(&text);
    }
    lb_chain_close(c);
    lb_chain_close(other);
    unload();
}

/* Bounds of what is drawn, and that the range is used. */
static void bounds(void) {
    lb_chain *c = chain_of("[{\"op\": \"random_resized_crop\", \"scale_min\": 0.2}, {\"op\": \"random_erasing\", \"p\": 1}, {\"op\": \"cutmix\"}, {\"op\": "
                           "\"gaussian_blur\", \"p\": 1, \"sigma_min\": 0.5, \"sigma_max\": 1.5},"
                           "{\"op\": \"spec_augment\", \"band_masks\": 2, \"band_width\": 5, \"frame_masks\": 1, \"frame_width\": 9}]");
    double least = 1, most = 0, blur[2] = {9, 0}, widest = 0;
    for (int k = 0; k < 400; k++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", k);
        lb_value *row = drawn(c, 3, 0, key);
        const lb_value *crop = row->items[0], *cut = row->items[2], *spec = row->items[4];
        double x = lb_get_real(crop, "x", -1), y = lb_get_real(crop, "y", -1), w = lb_get_real(crop, "width", 0), h = lb_get_real(crop, "height", 0),
               area = w * h / (37.0 * 29.0), sigma = lb_get_real(row->items[3], "sigma", 0);
        CHECK(x >= 0 && y >= 0 && w >= 1 && h >= 1 && x + w <= 37 && y + h <= 29);
        CHECK(area > 0.15 && w / h > 0.65 && w / h < 1.55); /* rounded to whole pixels */
        least = fmin(least, area), most = fmax(most, area);
        blur[0] = fmin(blur[0], sigma), blur[1] = fmax(blur[1], sigma);
        CHECK(lb_get_real(row->items[1], "width", 0) > 0 && lb_get_real(row->items[1], "x", 0) + lb_get_real(row->items[1], "width", 0) <= w);
        CHECK_NEAR(lb_get_real(cut, "own", 0), 1 - lb_get_real(cut, "width", 0) * lb_get_real(cut, "height", 0) / (w * h), 1e-12);
        CHECK(lb_get_real(spec, "band0", 0) + lb_get_real(spec, "bands0", 0) <= h && lb_get_real(spec, "bands0", 0) <= 5 &&
              lb_get_real(spec, "bands2", 0) == 0 && lb_get_real(spec, "frames1", 0) == 0);
        widest = fmax(widest, lb_get_real(spec, "frames0", 0));
        lb_value_free(row);
    }
    CHECK(least < 0.3 && most > 0.85 && blur[0] < 0.55 && blur[1] > 1.45 && blur[0] >= 0.5 && blur[1] <= 1.5);
    CHECK_INT((int64_t)widest, 9);
    lb_chain_close(c);
}

/* A masked place holds the fill, every other its value. */
static void spectrogram(void) {
    lb_chain *c = chain_of("[{\"op\": \"spec_augment\", \"band_masks\": 1, \"frame_masks\": 1, \"fill\": -2}]");
    lb_value *row = drawn(c, 1, 1, "a");
    lb_map_real(row->items[0], "band0", 3), lb_map_real(row->items[0], "bands0", 2), lb_map_real(row->items[0], "frame0", 5), lb_map_real(row->items[0], "frames0", 4);
    lb_scene v = {.own = 1, .plane_count = 1, .plane_width = 12, .plane_height = 7, .planes = lb_alloc(84, sizeof(float))};
    for (int i = 0; i < 84; i++) v.planes[i] = (float)i;
    CHECK_OK(lb_chain_apply(&v, NULL, false, c, row));
    for (int b = 0; b < 7; b++)
        for (int t = 0; t < 12; t++) CHECK_NEAR(v.planes[b * 12 + t], (b >= 3 && b < 5) || (t >= 5 && t < 9) ? -2 : b * 12 + t, 0);
    lb_value_free(row);
    lb_scene_free(&v);
    lb_chain_close(c);
}

/* RandAugment's magnitudes are torchvision's (f32 there). */
static void magnitudes(void) {
    static const char *const names[] = {"Identity", "ShearX",   "ShearY",    "TranslateX", "TranslateY", "Rotate",       "Brightness",
                                        "Color",    "Contrast", "Sharpness", "Posterize",  "Solarize",   "AutoContrast", "Equalize"};
    static const char *const chains[] = {"[{\"op\": \"rand_augment\", \"ops\": 8, \"magnitude\": 0}]", "[{\"op\": \"rand_augment\", \"ops\": 8}]",
                                         "[{\"op\": \"rand_augment\", \"ops\": 8, \"magnitude\": 30}]"};
    int seen[14] = {0}, negative = 0;
    if (!load()) return;
    for (int m = 0; m < 3; m++) {
        lb_chain *c = chain_of(chains[m]);
        for (int k = 0; k < 40; k++) {
            char key[16], op[8], value[8];
            snprintf(key, sizeof key, "k%d", k);
            lb_value *row = drawn(c, 3, 0, key);
            for (int i = 0; i < 8; i++) {
                snprintf(op, sizeof op, "op%d", i);
                snprintf(value, sizeof value, "value%d", i);
                int kind = (int)lb_get_real(row->items[0], op, -1);
                double v = lb_get_real(row->items[0], value, NAN);
                if (!CHECK(kind >= 0 && kind < 14)) continue;
                CHECK_NEAR(fabs(v), lb_get(lb_get(cases, "magnitudes"), names[kind])->items[m]->real, 1e-5);
                seen[kind]++;
                negative += v < 0;
            }
            lb_value_free(row);
        }
        lb_chain_close(c);
    }
    for (int k = 0; k < 14; k++) CHECK(seen[k] > 20);
    CHECK(negative > 100);
    unload();
}

static void refused(void) {
    static const struct {
        const char *json, *why;
    } bad[] = {{"[{\"op\": \"flipp\"}]", "did you mean flip"},
               {"[{\"op\": \"flip\", \"horizontl\": 1}]", "did you mean horizontal"},
               {"[{\"op\": \"flip\", \"horizontal\": 2}]", "horizontal"},
               {"[3]", "is no map with 'op'"},
               {"{}", "a list of augmentations"}};
    for (size_t i = 0; i < LB_COUNT(bad); i++) {
        lb_value *list = NULL;
        lb_chain *c = NULL;
        CHECK_OK(lb_json_parse(&list, bad[i].json, strlen(bad[i].json), "chain"));
        lb_status st = lb_chain_open(&c, list, "recipe.yaml");
        CHECK(st == LB_E_ARG || st == LB_E_NOTFOUND);
        CHECK_HAS(lb_error_text(), bad[i].why);
        lb_value_free(list);
    }
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "augment",
                      (check_test[]){{"as_torchvision", as_torchvision},
                                     {"mixing", mixing},
                                     {"pure", pure},
                                     {"replayed", replayed},
                                     {"bounds", bounds},
                                     {"spectrogram", spectrogram},
                                     {"magnitudes", magnitudes},
                                     {"refused", refused},
                                     {0}});
}
