/* SPDX-License-Identifier: Apache-2.0 */
/* NIfTI volumes against what nibabel 5.4 reads (tests/data/volume/make.py). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "io/decoder.h"
#include "io/volume.h"
#include "tests/check.h"

static const char *in_folder(const char *name) {
    static char path[96];
    snprintf(path, sizeof path, "volume/%s", name);
    return check_data(path);
}

/* Numbers were written with 9 digits; nibabel computes affines of quaternions in double from floats, as libnifti does. */
static bool near(double a, double b) { return fabs(a - b) <= 1e-5 * (1 + fabs(b)); }

static void one(const char *line, const uint8_t *values) {
    char name[64], axes[4];
    long long index, w, h, d, n, at;
    int whole, used = 0;
    double number[15];
    if (!CHECK(sscanf(line, "%63s %lld %lld %lld %lld %lld %d %3s%n", name, &index, &w, &h, &d, &n, &whole, axes, &used) == 8)) return;
    char *rest = NULL;
    number[0] = strtod(line + used, &rest);
    for (int i = 1; i < 15; i++) number[i] = strtod(rest, &rest);
    at = strtoll(rest, NULL, 10);
    check_begin("read-%s-%lld", name, index);
    lb_volume v = {0};
    if (CHECK_OK(lb_volume_read(&v, in_folder(name), index, 0))) {
        CHECK_INT(v.width, w);
        CHECK_INT(v.height, h);
        CHECK_INT(v.depth, d);
        CHECK_INT(v.count, n);
        CHECK_INT(v.whole, whole);
        CHECK_TEXT(v.orientation, axes);
        for (int i = 0; i < 3; i++) CHECK(near(v.spacing_mm[i], number[i]));
        for (int i = 0; i < 12; i++) CHECK(near(v.affine[i / 4][i % 4], number[3 + i]));
        if (!check_failed()) CHECK(memcmp(v.values, values + at, (size_t)(w * h * d) * 4) == 0); /* one product and one sum in double, rounded once */
    }
    lb_volume_free(&v);
    check_end();
}

static void reads_as_nibabel(void) {
    lb_buf list = {0}, values = {0};
    CHECK_OK(lb_file_read(&list, in_folder("expected.txt"), 0));
    CHECK_OK(lb_file_read(&values, in_folder("expected.bin"), 0));
    char *rest = NULL;
    int lines = 0;
    for (char *line = strtok_r(list.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), lines++) one(line, (const uint8_t *)values.data);
    CHECK_INT(lines, 11);
    lb_buf_free(&list);
    lb_buf_free(&values);
}

static void slices(void) {
    lb_volume v = {0};
    lb_image img = {0};
    CHECK_OK(lb_volume_read(&v, in_folder("mask.nii.gz"), 0, 0));
    const int64_t sizes[3][2] = {{5, 4}, {5, 3}, {4, 3}};
    for (int axis = 0; axis < 3; axis++) {
        if (!CHECK_OK(lb_volume_slice(&img, &v, axis, 1, 8, 0, 0))) continue;
        CHECK_INT(img.width, sizes[axis][0]);
        CHECK_INT(img.height, sizes[axis][1]);
        for (int64_t y = 0; y < img.height; y++)
            for (int64_t x = 0; x < img.width; x++) {
                int64_t i = axis == 2 ? 1 : x, j = axis == 0 ? y : axis == 1 ? 1 : x, k = axis == 0 ? 1 : y;
                CHECK_INT(((uint8_t *)img.pixels)[y * img.width + x], (int64_t)v.values[i + 5 * (j + 4 * k)]);
            }
        lb_image_free(&img);
    }
    lb_volume_free(&v);
    CHECK_OK(lb_volume_read(&v, in_folder("ct.nii"), 0, 0));
    if (CHECK_OK(lb_volume_slice(&img, &v, 0, 0, 8, -1000, 1000))) {
        double want = ((double)v.values[7] + 1000) / 2000 * 255;
        CHECK_INT(((uint8_t *)img.pixels)[7], want < 0 ? 0 : want > 255 ? 255 : (int)floor(want + 0.5));
    }
    lb_image_free(&img);
    CHECK_FAILS(lb_volume_slice(&img, &v, 0, 3, 8, 0, 0), LB_E_ARG, "slice 3 of 3");
    CHECK_FAILS(lb_volume_slice(&img, &v, 3, 0, 8, 0, 0), LB_E_ARG, "axis 3");
    lb_volume_free(&v);
}

static void as_pictures(void) {
    lb_image img = {0};
    lb_volume v = {0};
    lb_media_info m;
    lb_decode_options o = {.frame = 2};
    CHECK_OK(lb_media_probe(&m, in_folder("mask.nii.gz")));
    CHECK_TEXT(m.kind, "volume");
    CHECK_TEXT(m.codec, "nifti-1");
    CHECK_INT(m.frames, 3);
    CHECK(near(m.spacing_mm[2], 2));
    CHECK_OK(lb_media_probe(&m, in_folder("second.nii.gz")));
    CHECK_TEXT(m.codec, "nifti-2");
    CHECK_OK(lb_volume_read(&v, in_folder("mask.nii.gz"), 0, 0));
    if (CHECK_OK(lb_image_read_rgb(&img, in_folder("mask.nii.gz"), &o)))
        for (int i = 0; i < 20; i++) CHECK_INT(((uint8_t *)img.pixels)[3 * i + 1], (int)v.values[40 + i]);
    lb_image_free(&img);
    lb_volume_free(&v);
    o.frame = 3;
    CHECK_FAILS(lb_image_read_rgb(&img, in_folder("mask.nii.gz"), &o), LB_E_ARG, "frame 3 of 3");
}

static void refuses(void) {
    lb_volume v = {0};
    int64_t live = lb_alloc_live();
    CHECK_FAILS(lb_volume_read(&v, in_folder("bad-cut.nii"), 0, 0), LB_E_FORMAT, "truncated");
    CHECK_FAILS(lb_volume_read(&v, in_folder("bad-cut.nii.gz"), 0, 0), LB_E_FORMAT, "truncated");
    CHECK_FAILS(lb_volume_read(&v, in_folder("bad-rank.nii"), 0, 0), LB_E_FORMAT, "9 dimensions");
    CHECK_FAILS(lb_volume_read(&v, in_folder("bad-huge.nii"), 0, 0), LB_E_LIMIT, "32767 x 32767");
    CHECK_FAILS(lb_volume_read(&v, in_folder("bad-type.nii"), 0, 0), LB_E_UNSUPPORTED, "COMPLEX64");
    CHECK_FAILS(lb_volume_read(&v, in_folder("ct.nii"), 1, 0), LB_E_ARG, "volume 1 of 1");
    CHECK_FAILS(lb_volume_read(&v, in_folder("ct.nii"), 0, 59), LB_E_LIMIT, "limit is 59");
    CHECK_FAILS(lb_volume_read(&v, in_folder("make.py"), 0, 0), LB_E_FORMAT, "header");
    for (int64_t k = 1; k < 12; k++) {
        lb_alloc_fail_at(k);
        lb_status st = lb_volume_read(&v, in_folder("pair.hdr"), 0, 0);
        lb_alloc_fail_at(0);
        if (st == LB_OK) break;
        CHECK_INT(st, LB_E_NOMEM);
    }
    lb_volume_free(&v);
    CHECK_INT(lb_alloc_live(), live);
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "volume", (check_test[]){{"read", reads_as_nibabel}, {"slices", slices}, {"pictures", as_pictures}, {"refuses", refuses}, {0}});
}
