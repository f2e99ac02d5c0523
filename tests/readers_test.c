/* SPDX-License-Identifier: Apache-2.0 */
/* Readers over small data sets: the items, the problems and the pixels that tests/data/readers/make.py recorded. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/hash.h"
#include "datasets/reader.h"
#include "io/audio.h"
#include "io/rle.h"
#include "io/uri.h"
#include "tests/check.h"

typedef struct expected {
    lb_buf text;
    const char *input, *reader;
    lb_value *options;
    char *lines[64];
    int count;
} expected;

static bool load(expected *e, const char *path) {
    *e = (expected){0};
    if (!CHECK_OK(lb_file_read(&e->text, path, 0))) return false;
    char *rest = NULL;
    for (char *line = strtok_r(e->text.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (strncmp(line, "input ", 6) == 0) e->input = line + 6;
        else if (strncmp(line, "reader ", 7) == 0) e->reader = line + 7;
        else if (strncmp(line, "options ", 8) == 0) CHECK_OK(lb_json_parse(&e->options, line + 8, strlen(line + 8), path));
        else if (e->count < (int)LB_COUNT(e->lines)) e->lines[e->count++] = line;
    }
    return CHECK(e->input && e->reader && e->options);
}

static void drop(expected *e) {
    lb_value_free(e->options);
    lb_buf_free(&e->text);
}

static void item_is(const lb_item *item, const char *line) {
    lb_value *want = NULL, *got = NULL;
    lb_buf text = {0}, why = {0};
    lb_value *made = lb_item_value(item);
    CHECK_OK(lb_json_write(&text, made, 0));
    CHECK_OK(lb_json_parse(&got, lb_buf_str(&text), text.size, "item"));
    if (CHECK_OK(lb_json_parse(&want, line, strlen(line), "expected")) && got && lb_value_differ(&why, got, want)) {
        CHECK_TEXT(lb_buf_str(&text), line);
        CHECK_TEXT(lb_buf_str(&why), "");
    }
    lb_value_free(want);
    lb_value_free(got);
    lb_value_free(made);
    lb_buf_free(&text);
    lb_buf_free(&why);
}

static const lb_reader *surest(const char *path) {
    const lb_reader *best = NULL;
    int most = 0;
    for (int i = 0; i < lb_readers.count; i++) {
        const lb_reader *r = (const lb_reader *)lb_readers.members[i];
        if (r->probe(path) > most) most = r->probe(path), best = r;
    }
    return best;
}

static void one_case(const char *name) {
    char path[256];
    expected e;
    lb_items *items = NULL;
    snprintf(path, sizeof path, "%s.txt", name);
    check_begin("list-%s", name);
    if (load(&e, path)) {
        const char *inputs[] = {e.input};
        const lb_reader *best = surest(e.input);
        char public[64];
        CHECK_TEXT(best ? lb_public_name(public, sizeof public, best->id) : "none", e.reader);
        if (CHECK_OK(lb_items_open(&items, 1, inputs, NULL, e.options))) {
            int at = 0;
            for (int64_t i = 0; i < items->count; i++) item_is(&items->at[i], at < e.count && e.lines[at][0] == '{' ? e.lines[at] : "{}"), at++;
            for (int64_t i = 0; i < items->problem_count; i++, at++) CHECK_HAS(items->problems[i], at < e.count && e.lines[at][0] == '!' ? e.lines[at] + 2 : "(no more problems)");
            CHECK_INT(at, e.count);
        }
    }
    lb_items_free(items);
    drop(&e);
    check_end();
}

static void listings(void) {
    char **names = NULL;
    int64_t n = 0, cases = 0;
    CHECK_OK(lb_list_folder(&names, &n, "."));
    for (int64_t i = 0; i < n; i++) {
        if (!lb_ends_with(names[i], ".txt") || strcmp(names[i], "pixels.txt") == 0 || strcmp(names[i], "bad-masks.txt") == 0) continue;
        names[i][strlen(names[i]) - 4] = 0;
        one_case(names[i]);
        cases++;
    }
    CHECK(cases >= 25);
    lb_names_free(names, n);
}

/* ---- pixels ---- */

static lb_items *open_case(const char *name) {
    char path[256];
    expected e;
    lb_items *items = NULL;
    snprintf(path, sizeof path, "%s.txt", name);
    if (load(&e, path)) CHECK_OK(lb_items_open(&items, 1, (const char *[]){e.input}, NULL, e.options));
    drop(&e);
    return items;
}

static void pixels(void) {
    lb_buf list = {0}, bytes = {0};
    lb_items *items = NULL;
    char *rest = NULL, open[64] = "";
    int lines = 0;
    CHECK_OK(lb_file_read(&list, "pixels.txt", 0));
    CHECK_OK(lb_file_read(&bytes, "pixels.bin", 0));
    for (char *line = strtok_r(list.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), lines++) {
        char name[64], key[512], what[16];
        int w, h, c, bits;
        long long at;
        if (!CHECK(sscanf(line, "%63[^\t]\t%511[^\t]\t%15s %d %d %d %d %lld", name, key, what, &w, &h, &c, &bits, &at) == 8)) break;
        if (strcmp(name, open) != 0) {
            lb_items_free(items);
            items = open_case(name);
            snprintf(open, sizeof open, "%s", name);
        }
        check_begin("%s-of-%s-%.40s", what, name, key);
        lb_image img = {0};
        int64_t i = items ? lb_items_find(items, key) : -1;
        if (CHECK(i >= 0) && CHECK_OK(strcmp(what, "mask") == 0 ? lb_item_mask(&img, items, &items->at[i]) : lb_item_image(&img, items, &items->at[i]))) {
            CHECK_INT(img.width, w);
            CHECK_INT(img.height, h);
            CHECK_INT(img.channels, c);
            CHECK_INT(img.bits, bits);
            if (!check_failed()) CHECK(memcmp(img.pixels, bytes.data + at, (size_t)w * (size_t)h * (size_t)c * (size_t)(bits / 8)) == 0);
        }
        lb_image_free(&img);
        check_end();
    }
    CHECK(lines >= 30);
    lb_items_free(items);
    lb_buf_free(&list);
    lb_buf_free(&bytes);
}

/* Each damaged annotation says what is wrong with it; the others are fine. */
static void bad_masks(void) {
    lb_items *items = open_case("coco-bad");
    lb_buf list = {0};
    CHECK_OK(lb_file_read(&list, "bad-masks.txt", 0));
    char *rest = NULL;
    for (char *line = strtok_r(list.data, "\n", &rest); line && items; line = strtok_r(NULL, "\n", &rest)) {
        char *why = strchr(line, '\t');
        lb_image img = {0};
        *why++ = 0;
        int64_t i = lb_items_find(items, line);
        if (CHECK(i >= 0)) CHECK_FAILS(lb_item_mask(&img, items, &items->at[i]), LB_E_FORMAT, why);
    }
    lb_buf_free(&list);
    lb_items_free(items);
}

static void cut_annotations(void) {
    lb_items *items = NULL;
    CHECK_FAILS(lb_items_open(&items, 1, (const char *[]){"bad/cut.json"}, "coco", NULL), LB_E_FORMAT, "bad/cut.json: is not JSON (1:");
    CHECK(!items);
}

/* ---- uris ---- */

static void uri_is(const char *text, lb_uri_kind kind, const char *path, int64_t a, int64_t b) {
    lb_uri u = {0};
    if (!CHECK_OK(lb_uri_parse(&u, text))) return;
    CHECK_INT(u.kind, kind);
    CHECK_TEXT(u.path, path);
    if (kind == LB_URI_FILE) CHECK_INT(u.framed ? u.frame : 0, a);
    if (kind == LB_URI_PART) CHECK_INT(u.offset, a), CHECK_INT(u.size, b);
    if (kind == LB_URI_ARRAY || kind == LB_URI_SLICE) CHECK_INT(u.index, a);
    if (kind == LB_URI_SLICE) CHECK_INT(u.axis * 100 + u.volume, b);
    lb_uri_free(&u);
}

static void uris(void) {
    uri_is("a#b.png", LB_URI_FILE, "a#b.png", 0, 0);
    uri_is("s.tar#12+34", LB_URI_PART, "s.tar", 12, 34);
    uri_is("x#1/s.tar#12+34/a#5+6.png", LB_URI_PART, "x#1/s.tar", 12, 34);
    uri_is("s.tar#12+", LB_URI_FILE, "s.tar#12+", 0, 0);
    uri_is("v.nii.gz#k=7", LB_URI_SLICE, "v.nii.gz", 7, 0);
    uri_is("v.nii#i=7@3", LB_URI_SLICE, "v.nii", 7, 203);
    uri_is("c.npz#imgs", LB_URI_ARRAY, "c.npz", -1, 0);
    uri_is("c.npz#imgs@5", LB_URI_ARRAY, "c.npz", 5, 0);
    uri_is("c.zip#imgs@5", LB_URI_FILE, "c.zip#imgs@5", 0, 0);
    uri_is("a.gif#frame=3", LB_URI_FILE, "a.gif", 3, 0);
    uri_is("a.gif#frame=x", LB_URI_FILE, "a.gif#frame=x", 0, 0);
    uri_is("s.tar#12+34/a#5.gif#frame=2", LB_URI_PART, "s.tar", 12, 34);
    lb_mmap m = {0};
    CHECK_FAILS(lb_uri_map(&m, "tar/shard-001.tar#10000000+5"), LB_E_FORMAT, "shard-001.tar: ends at byte");
    CHECK_FAILS(lb_uri_map(&m, "tar/none.tar#0+5"), LB_E_NOTFOUND, "tar/none.tar");
}

/* Members out of an archive that stays open are those of one that is opened each time. */
static void members_of_open_archives(void) {
    static const char *const shards[] = {"tar/shard-000.tar", "tar/shard-001.tar"};
    lb_kept *kept = NULL;
    if (!CHECK_OK(lb_kept_new(&kept, 1 << 20))) return;
    for (int i = 0; i < 12; i++) {
        lb_mmap a = {0}, b = {0};
        char uri[64];
        snprintf(uri, sizeof uri, "%s#%d+%d/x", shards[i % 2], 100 * i, 5 * i);
        if (CHECK_OK(lb_uri_bytes(&a, uri, kept)) && CHECK_OK(lb_uri_map(&b, uri))) {
            CHECK_INT(a.size, 5 * i);
            CHECK(a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0));
        }
        lb_mmap_close(&a);
        lb_mmap_close(&b);
    }
    lb_mmap m = {0};
    CHECK_FAILS(lb_uri_bytes(&m, "tar/shard-001.tar#10000000+5", kept), LB_E_FORMAT, "shard-001.tar: ends at byte");
    CHECK_FAILS(lb_uri_bytes(&m, "tar/none.tar#0+5", kept), LB_E_NOTFOUND, "tar/none.tar");
    CHECK_FAILS(lb_uri_bytes(&m, "tar#0+5", kept), LB_E_IO, "tar: ");
    lb_kept_free(kept);
}

/* A sound within a shard is the sound. */
static void sound_in_shard(void) {
    lb_items *items = open_case("tar");
    lb_audio a = {0}, b = {0};
    int64_t i = items ? lb_items_find(items, "s2") : -1;
    if (CHECK(i >= 0) && CHECK_OK(lb_audio_read(&a, items->at[i].audio, NULL)) && CHECK_OK(lb_audio_read(&b, "../media/eight-bits-8k.wav", NULL))) {
        CHECK_INT(a.frames, b.frames);
        CHECK(a.frames == b.frames && memcmp(a.samples, b.samples, (size_t)a.frames * sizeof(float)) == 0);
    }
    lb_audio_free(&a);
    lb_audio_free(&b);
    lb_items_free(items);
}

/* Frames of a file that stays open, asked in any order, are those that are decoded each for itself. */
static void frames_in_any_order(void) {
    lb_items *items = open_case("frames");
    for (int64_t k = 0; items && k < 3 * items->count; k++) {
        const lb_item *item = &items->at[k * 7 % items->count];
        lb_image open = {0}, alone = {0};
        if (CHECK_OK(lb_item_image(&open, items, item)) && CHECK_OK(lb_uri_rgb(&alone, item->image, NULL, NULL)))
            CHECK(open.width == alone.width && open.height == alone.height && memcmp(open.pixels, alone.pixels, (size_t)open.width * (size_t)open.height * 3) == 0);
        lb_image_free(&open);
        lb_image_free(&alone);
    }
    lb_image img = {0};
    CHECK_FAILS(lb_uri_rgb(&img, "frames/a.gif#frame=4", NULL, items ? items->kept : NULL), LB_E_ARG, "frame 4 of 4");
    lb_items_free(items);
}

/* The list of a list is that list: uris survive JSONL. */
static void listed_again(void) {
    static const char *const names[] = {"tar", "npz", "nifti", "csv-quotes", "frames"};
    for (size_t k = 0; k < LB_COUNT(names); k++) {
        lb_items *items = open_case(names[k]), *again = NULL;
        lb_buf out = {0};
        for (int64_t i = 0; items && i < items->count; i++) {
            lb_value *v = lb_item_value(&items->at[i]);
            CHECK_OK(lb_json_write(&out, v, 0));
            lb_buf_text(&out, "\n");
            lb_value_free(v);
        }
        CHECK_OK(lb_file_write("again.jsonl", out.data, out.size));
        if (CHECK_OK(lb_items_open(&again, 1, (const char *[]){"again.jsonl"}, NULL, NULL)) && CHECK_INT(again->count, items->count))
            for (int64_t i = 0; i < items->count; i++) {
                lb_buf line = {0};
                lb_value *v = lb_item_value(&items->at[i]);
                CHECK_OK(lb_json_write(&line, v, 0));
                item_is(&again->at[i], lb_buf_str(&line));
                lb_value_free(v);
                lb_buf_free(&line);
            }
        lb_items_free(items);
        lb_items_free(again);
        lb_buf_free(&out);
    }
    CHECK_OK(lb_remove_all("again.jsonl"));
}

/* ---- how pictures are decoded ---- */

static lb_items *decoded_by(const char *file, const char *options) {
    lb_items *items = NULL;
    lb_value *v = NULL;
    CHECK_OK(lb_json_parse(&v, options, strlen(options), "options"));
    CHECK_OK(lb_items_open(&items, 1, &file, NULL, v));
    lb_value_free(v);
    return items;
}

static void seven_by_five(const void *ctx, int32_t w, int32_t h, int32_t *out_w, int32_t *out_h) { *out_w = 7, *out_h = 5; }

static lb_image fitted_by(const char *file, const char *options) {
    lb_items *items = decoded_by(file, options);
    lb_fit fit = {.size = seven_by_five};
    lb_image img = {0};
    if (items && CHECK_OK(lb_item_image_fit(&img, items, &items->at[0], &fit)) && CHECK_INT(fit.width, 29)) CHECK_INT(fit.height, 19); /* the file's, whatever the scale */
    lb_items_free(items);
    return img;
}

static void decoding(void) {
    static const char *const ways[] = {"{}", "{\"truncated\": \"partial\"}", "{\"orientation\": \"keep\"}", "{\"jpeg_at_least\": 8}"};
    for (int k = 0; k < 2; k++) {
        lb_items *items = decoded_by("../image/cut.jpg", ways[k]);
        lb_image img = {0};
        if (items && k == 0) CHECK_FAILS(lb_item_image(&img, items, &items->at[0]), LB_E_FORMAT, "truncated");
        else if (items && CHECK_OK(lb_item_image(&img, items, &items->at[0]))) CHECK_INT(img.height, 64);
        lb_image_free(&img);
        lb_items_free(items);
    }
    char first[65] = "";
    for (int k = 0; k < 4; k++) {
        lb_items *items = decoded_by("../image/exif-6.jpg", ways[k]);
        lb_image img = {0};
        if (!items) continue;
        if (CHECK_OK(lb_item_image(&img, items, &items->at[0]))) CHECK_INT(img.width, k == 2 ? 29 : 19);
        CHECK(k == 0 || strcmp(items->sha256, first) != 0);
        if (k == 0) memcpy(first, items->sha256, sizeof first);
        lb_image_free(&img);
        lb_items_free(items);
    }
    lb_image whole = fitted_by("../image/exif-1.jpg", ways[0]), fast = fitted_by("../image/exif-1.jpg", ways[3]);
    CHECK(whole.pixels && fast.pixels && memcmp(whole.pixels, fast.pixels, 7 * 5 * 3) != 0);
    lb_image_free(&whole);
    lb_image_free(&fast);
    lb_items *none = NULL;
    lb_value *v = NULL;
    const char *file = "../image/cut.jpg", *wrong = "{\"truncated\": \"maybe\"}";
    CHECK_OK(lb_json_parse(&v, wrong, strlen(wrong), "options"));
    CHECK_FAILS(lb_items_open(&none, 1, &file, NULL, v), LB_E_ARG, "partial");
    lb_value_free(v);
}

int main(int argc, char **argv) {
    static const check_test tests[] = {{"listings", listings},
                                       {"pixels", pixels},
                                       {"bad_masks", bad_masks},
                                       {"cut_annotations", cut_annotations},
                                       {"uris", uris},
                                       {"members of open archives", members_of_open_archives},
                                       {"sound_in_shard", sound_in_shard},
                                       {"frames_in_any_order", frames_in_any_order},
                                       {"listed_again", listed_again},
                                       {"decoding", decoding},
                                       {0}};
    if (chdir(check_data("readers")) != 0) return 1;
    return check_main(argc, argv, "readers", tests);
}
