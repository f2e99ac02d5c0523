/* SPDX-License-Identifier: Apache-2.0 */
/* Prepared pictures recorded from transformers 4.46.3 and from torchvision's arithmetic (tests/data/preprocess/make.py). */
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "io/decoder.h"
#include "tests/check.h"
#include "vision/preprocess.h"

static const int sizes[6][2] = {{29, 19}, {19, 29}, {24, 24}, {12, 47}, {10, 8}, {16, 16}};

static void agrees(const char *name) {
    char path[96];
    lb_buf pictures = {0}, config = {0}, want = {0};
    CHECK_OK(lb_file_read(&pictures, check_data("preprocess/pictures.bin"), 0));
    snprintf(path, sizeof path, "preprocess/%s.json", name);
    CHECK_OK(lb_file_read(&config, check_data(path), 0));
    snprintf(path, sizeof path, "preprocess/%s.bin", name);
    CHECK_OK(lb_file_read(&want, check_data(path), 0));
    lb_image_spec s;
    size_t at = 0, w = 0;
    bool parsed = CHECK_OK(lb_image_spec_parse(&s, lb_buf_str(&config)));
    for (int i = 0; parsed && i < 6; i++) {
        lb_image in = {.width = sizes[i][0], .height = sizes[i][1], .channels = 3, .bits = 8, .pixels = pictures.data + at}, out = {0};
        uint16_t size[2];
        float got[3 * 32 * 32], expected[3 * 32 * 32];
        int32_t said_w = 0, said_h = 0;
        memcpy(size, want.data + w, 4);
        size_t n = (size_t)3 * size[0] * size[1];
        memcpy(expected, want.data + w + 4, n * 4);
        check_begin("%s-%dx%d", name, in.width, in.height);
        lb_image_spec_size(&s, in.width, in.height, &said_w, &said_h);
        CHECK_INT(said_w, size[0]);
        CHECK_INT(said_h, size[1]);
        if (CHECK_OK(lb_image_spec_geometry(&out, &in, &s)) && CHECK_INT(out.width, size[0]) && CHECK_INT(out.height, size[1])) {
            lb_image_spec_normalise(got, &out, &s);
            /* the other side rounds to float32 after the scale and after the mean: two units of 1 / std */
            CHECK_FLOATS(got, expected, (int64_t)n, 1e-6, 1e-6);
        }
        lb_image_free(&out);
        check_end();
        at += (size_t)in.width * (size_t)in.height * 3;
        w += 4 + n * 4;
    }
    CHECK_INT((int64_t)w, (int64_t)want.size);
    lb_buf_free(&pictures);
    lb_buf_free(&config);
    lb_buf_free(&want);
}

static void recorded(void) {
    static const char *const names[] = {"clip", "clip-padded", "vit", "siglip", "convnext", "sam", "deit", "mobilenet", "efficientnet", "open-clip", "timm", "ours"};
    for (size_t i = 0; i < LB_COUNT(names); i++) agrees(names[i]);
}

static void canonical(void) {
    lb_image_spec s, again;
    CHECK_OK(lb_image_spec_parse(&s, "{\"image_processor_type\":\"SamImageProcessor\",\"size\":{\"longest_edge\":1024},\"do_pad\":true,\"image_mean\":[0.485,0.456,0.406],"
                                     "\"image_std\":[0.229,0.224,0.225],\"resample\":2}"));
    CHECK_TEXT(s.mode, "longest");
    CHECK(s.pad);
    int32_t w, h;
    lb_image_spec_size(&s, 640, 427, &w, &h);
    CHECK_INT(w, 1024);
    CHECK_INT(h, 1024);
    lb_value *v = lb_image_spec_value(&s);
    lb_buf text = {0}, text2 = {0};
    CHECK_OK(lb_json_write(&text, v, 0));
    CHECK_OK(lb_image_spec_parse(&again, lb_buf_str(&text)));
    lb_value *v2 = lb_image_spec_value(&again);
    CHECK_OK(lb_json_write(&text2, v2, 0));
    CHECK_TEXT(lb_buf_str(&text2), lb_buf_str(&text));
    lb_value_free(v);
    lb_value_free(v2);
    lb_buf_free(&text);
    lb_buf_free(&text2);
    s.pad = false;
    lb_image_spec_size(&s, 640, 427, &w, &h); /* int(427 * 1024 / 640 + 0.5) = int(683.7) */
    CHECK_INT(w, 1024);
    CHECK_INT(h, 683);
    CHECK_OK(lb_image_spec_parse(&s, "{\"feature_extractor_type\":\"ViTFeatureExtractor\",\"size\":224,\"image_mean\":[0.5,0.5,0.5],\"image_std\":[0.5,0.5,0.5]}"));
    CHECK_TEXT(s.mode, "squash");
    CHECK_OK(lb_image_spec_parse(&s, "{\"feature_extractor_type\":\"CLIPFeatureExtractor\",\"size\":224,\"crop_size\":224,\"do_center_crop\":true,\"image_"
                                     "mean\":[0.5,0.5,0.5],\"image_std\":[0.5,0.5,0.5]}"));
    CHECK_TEXT(s.mode, "shortest");
    CHECK_TEXT(s.filter, "bicubic");
    CHECK_TEXT(s.crop_rounding, "floor");
}

static void refuses(void) {
    lb_image_spec s;
    CHECK_FAILS(lb_image_spec_parse(&s, "{\"mode\":\"shortst\"}"), LB_E_ARG, "shortst");
    CHECK_FAILS(lb_image_spec_parse(&s, "{\"mode\":\"none\",\"sizew\":1}"), LB_E_ARG, "sizew");
    CHECK_FAILS(lb_image_spec_parse(&s, "{\"mode\":\"squash\",\"size_w\":4}"), LB_E_FORMAT, "squash");
    CHECK_FAILS(lb_image_spec_parse(&s, "{\"mode\":\"none\",\"std\":[0,1,1]}"), LB_E_FORMAT, "std");
    CHECK_FAILS(lb_image_spec_parse(&s, "{\"mode\":\"squash\",\"size_w\":-4,\"size_h\":4}"), LB_E_FORMAT, "size_w");
    CHECK_FAILS(lb_image_spec_parse(&s, "{\"do_normalize\":true}"), LB_E_FORMAT, "image_mean");
    CHECK_FAILS(lb_image_spec_parse(&s, "{\"resample\":9,\"size\":{\"shortest_edge\":4}}"), LB_E_FORMAT, "resample");
    CHECK_FAILS(lb_image_spec_parse(&s, "{\"preprocess_cfg\":{\"size\":[4,6]}}"), LB_E_UNSUPPORTED, "6 x 4");
    CHECK_FAILS(lb_image_spec_parse(&s, "[]"), LB_E_FORMAT, "map");
}

/* Resized by the decoder: the bytes of decoding whole and resizing behind it. Sizes that grow, stay, shrink one side alone, or begin with the vertical pass. */
static void fitted(void) {
    static const char *const files[] = {"rgb-420.jpg", "rgb-444.jpg", "progressive.jpg", "restart.jpg", "exif-1.jpg",  "exif-6.jpg", "grey.jpg",
                                        "cmyk.jpg",    "narrow.jpg",  "rgb.png",         "rgba.png",    "grey-16.png", "lossy.webp"};
    static const char *const specs[] = {"{\"mode\": \"squash\", \"size_w\": 9, \"size_h\": 11}",
                                        "{\"mode\": \"squash\", \"size_w\": 29, \"size_h\": 5}",
                                        "{\"mode\": \"squash\", \"size_w\": 7, \"size_h\": 40, \"filter\": \"lanczos\"}",
                                        "{\"mode\": \"shortest\", \"size_w\": 50, \"crop_w\": 48, \"crop_h\": 48}",
                                        "{\"mode\": \"longest\", \"size_w\": 16, \"pad\": true, \"filter\": \"bilinear\"}",
                                        "{\"mode\": \"none\"}",
                                        "{\"mode\": \"squash\", \"size_w\": 8, \"size_h\": 8, \"filter\": \"nearest\"}",
                                        "{\"mode\": \"squash\", \"size_w\": 27, \"size_h\": 4, \"filter\": \"box\"}"};
    for (size_t f = 0; f < LB_COUNT(files); f++)
        for (size_t k = 0; k < LB_COUNT(specs); k++) {
            lb_image_spec s;
            lb_fit fit;
            lb_image whole = {0}, want = {0}, first = {0}, got = {0};
            char path[64];
            snprintf(path, sizeof path, "image/%s", files[f]);
            check_begin("%s %s", files[f], specs[k]);
            CHECK_OK(lb_image_spec_parse(&s, specs[k]));
            CHECK_OK(lb_image_spec_fit(&fit, &s));
            if (CHECK_OK(lb_image_read_rgb(&whole, check_data(path), NULL)) && CHECK_OK(lb_image_spec_geometry(&want, &whole, &s)) &&
                CHECK_OK(lb_image_read_rgb(&first, check_data(path), &(lb_decode_options){.fit = &fit})) && CHECK_OK(lb_image_spec_rest(&got, &first, &s))) {
                CHECK_INT(fit.width, whole.width);
                CHECK_INT(fit.height, whole.height);
                CHECK_INT(got.width, want.width);
                CHECK_INT(got.pad_bottom, want.pad_bottom);
                CHECK(got.height == want.height && memcmp(got.pixels, want.pixels, 3 * (size_t)got.width * (size_t)got.height) == 0);
            }
            lb_image_free(&whole), lb_image_free(&want), lb_image_free(&first), lb_image_free(&got);
            check_end();
        }
    lb_image_spec s;
    lb_fit fit;
    lb_image none = {0};
    CHECK_OK(lb_image_spec_parse(&s, specs[0]));
    CHECK_OK(lb_image_spec_fit(&fit, &s));
    CHECK_FAILS(lb_image_read_rgb(&none, check_data("image/cut.jpg"), &(lb_decode_options){.fit = &fit}), LB_E_FORMAT, "truncated");
    fit.width = 0;
    CHECK_OK(lb_image_read_rgb(&none, check_data("image/cut.jpg"), &(lb_decode_options){.fit = &fit, .partial = true}));
    CHECK_INT(none.width, 9);
    lb_image_free(&none);
}

/* Boxes go where the picture goes: by the sides it is resized to, less what the crop cuts off, and no further than its edges. */
static void boxes(void) {
    /* 640 x 480 becomes int(224 * 640 / 480) = 298 x 224, of which the crop leaves 37 columns out in front. */
    static const float wide[] = {100, 100, 200, 200, 0, 0, 640, 480, 7, 7, 7, 7}, tall[] = {100, 100, 200, 200, 0, 0, 480, 640, 7, 7, 7, 7};
    const float x0 = 100 * 298 / 640.0F - 37, x1 = 200 * 298 / 640.0F - 37, y0 = 100 * 224 / 480.0F, y1 = 200 * 224 / 480.0F;
    const float wide_want[] = {x0, y0, x1, y1, 0, 0, 224, 224, 7, 7, 7, 7}, tall_want[] = {y0, x0, y1, x1, 0, 0, 224, 224, 7, 7, 7, 7};
    float got[12];
    lb_image_spec s;
    CHECK_OK(lb_image_spec_parse(&s, "{\"mode\": \"shortest\", \"size_w\": 224, \"crop_w\": 224, \"crop_h\": 224, \"crop_rounding\": \"torchvision\"}"));
    memcpy(got, wide, sizeof got);
    lb_image_spec_boxes(&s, 640, 480, got, 2);
    CHECK_FLOATS(got, wide_want, 12, 1e-6, 1e-6); /* roundings of floats */
    memcpy(got, tall, sizeof got);
    lb_image_spec_boxes(&s, 480, 640, got, 2);
    CHECK_FLOATS(got, tall_want, 12, 1e-6, 1e-6);
    CHECK_OK(lb_image_spec_parse(&s, "{\"mode\": \"longest\", \"size_w\": 64, \"pad\": true}"));
    memcpy(got, (float[]){10, 20, 30, 40}, 4 * sizeof *got);
    lb_image_spec_boxes(&s, 128, 60, got, 1);
    CHECK_FLOATS(got, ((float[]){5, 10, 15, 20}), 4, 0, 0);
}

#define OBLONG "\"interpolation\": \"bicubic\", \"mean\": [0, 0, 0], \"std\": [1, 1, 1]}"
static void odd_sizes(void) {
    lb_image_spec s;
    int32_t w, h;
    CHECK_OK(lb_image_spec_parse(&s, "{\"mode\": \"shortest\", \"size_w\": 224}"));
    lb_image_spec_size(&s, 1, INT32_MAX, &w, &h);
    CHECK(w == 224 && h == INT32_MAX);
    lb_image_spec_size(&s, INT32_MAX, 1, &w, &h);
    CHECK(w == INT32_MAX && h == 224);
    CHECK_OK(lb_image_spec_parse(&s, "{\"mode\": \"longest\", \"size_w\": 64}"));
    lb_image_spec_size(&s, 1, 5000, &w, &h); /* int(64 / 5000 + 0.5) = 0, and no picture is that */
    CHECK(w == 1 && h == 64);
    lb_image_spec_size(&s, 5000, 1, &w, &h);
    CHECK(w == 64 && h == 1);
    CHECK_OK(lb_image_spec_parse(&s, "{\"mode\": \"squash\", \"size_w\": 5, \"size_h\": 9}"));
    lb_image_spec_size(&s, 40, 20, &w, &h);
    CHECK(w == 5 && h == 9);
    /* timm: [channels, height, width] */
    CHECK_OK(lb_image_spec_parse(&s, "{\"input_size\": [3, 10, 20], \"crop_mode\": \"squash\", \"crop_pct\": 0.5, " OBLONG));
    CHECK(s.size_w == 40 && s.size_h == 20 && s.crop_w == 20 && s.crop_h == 10);
    CHECK_FAILS(lb_image_spec_parse(&s, "{\"input_size\": [3, 10, 20], \"crop_pct\": 1, " OBLONG), LB_E_UNSUPPORTED,
                "crop_mode 'center' to 20 x 10 is not handled");
    CHECK_FAILS(lb_image_spec_parse(&s, "{\"input_size\": [3, 10, 10], \"crop_pct\": 1.5, " OBLONG), LB_E_FORMAT, "crop_pct must be above 0 and at most 1");
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "preprocess",
                      (check_test[]){{"recorded", recorded},
                                     {"canonical", canonical},
                                     {"refuses", refuses},
                                     {"fitted", fitted},
                                     {"boxes", boxes},
                                     {"odd sizes", odd_sizes},
                                     {0}});
}
