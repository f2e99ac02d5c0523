/* SPDX-License-Identifier: Apache-2.0 */
#include "io/labels.h"
#include <string.h>
#include "base/file.h"
#include "io/image.h"
#include "io/uri.h"
#include "io/volume.h"

void lb_labels_free(lb_labels *l) {
    lb_free(l->at);
    memset(l, 0, sizeof *l);
}

int64_t lb_labels_count(const lb_labels *l) {
    int64_t n = 1;
    for (int d = 0; d < l->rank; d++) n *= l->shape[d];
    return n;
}

bool lb_labels_same_shape(const lb_labels *a, const lb_labels *b) {
    bool same = a->rank == b->rank;
    for (int d = 0; same && d < a->rank; d++) same = a->shape[d] == b->shape[d];
    return same;
}

static lb_status from_volume(lb_labels *out, const char *path) {
    lb_volume v = {0};
    lb_status st = LB_OK;
    LB_TRY(lb_volume_read(&v, path, 0, 0));
    *out = (lb_labels){.rank = 3, .shape = {v.depth, v.height, v.width}, .spacing = {v.spacing_mm[2], v.spacing_mm[1], v.spacing_mm[0]}};
    int64_t n = lb_labels_count(out);
    if (!(out->at = lb_alloc((size_t)n + 1, 1))) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int64_t i = 0; i < n; i++) {
        float x = v.values[i];
        if (!(x >= 0 && x <= 255) || x != (float)(int)x) {
            st = lb_fail(LB_E_UNSUPPORTED, "%s: voxel %lld holds %g, labels are whole numbers of 0..255", path, (long long)i, (double)x);
            goto done;
        }
        out->at[i] = (uint8_t)x;
    }
done:
    lb_volume_free(&v);
    return st;
}

static lb_status from_image(lb_labels *out, const char *path) {
    lb_image img = {0};
    lb_status st = lb_uri_labels(&img, path, &(lb_decode_options){.keep_orientation = true}, NULL);
    if (st != LB_OK) return st;
    *out = (lb_labels){.rank = 2, .shape = {img.height, img.width}, .spacing = {1, 1}};
    int64_t n = lb_labels_count(out);
    if (!(out->at = lb_alloc((size_t)n + 1, 1))) st = LB_E_NOMEM;
    for (int64_t i = 0; i < n && st == LB_OK; i++) {
        int v = img.bits == 16 ? ((const uint16_t *)img.pixels)[i] : ((const uint8_t *)img.pixels)[i];
        if (v > 255) st = lb_fail(LB_E_UNSUPPORTED, "%s: pixel (%lld, %lld) holds %d, labels are 0..255", path, (long long)(i % img.width), (long long)(i / img.width), v);
        out->at[i] = (uint8_t)v;
    }
    lb_image_free(&img);
    return st;
}

lb_status lb_labels_read(lb_labels *out, const char *path) {
    lb_labels l = {0};
    bool volume = lb_ends_with(path, ".nii") || lb_ends_with(path, ".nii.gz") || lb_ends_with(path, ".hdr");
    lb_status st = volume ? from_volume(&l, path) : from_image(&l, path);
    if (st == LB_OK) *out = l;
    else lb_labels_free(&l);
    return st;
}

lb_status lb_labels_resize(lb_labels *out, const lb_labels *in, int64_t height, int64_t width) {
    if (in->rank != 2 || height < 1 || width < 1) return lb_fail(LB_E_ARG, "a flat mask and a size above 0 wanted to resize");
    lb_labels l = {.rank = 2, .shape = {height, width}, .spacing = {in->spacing[0], in->spacing[1]}, .at = lb_alloc((size_t)(height * width), 1)};
    if (!l.at) return LB_E_NOMEM;
    for (int64_t y = 0; y < height; y++) {
        const uint8_t *row = in->at + ((2 * y + 1) * in->shape[0] / (2 * height)) * in->shape[1];
        for (int64_t x = 0; x < width; x++) l.at[y * width + x] = row[(2 * x + 1) * in->shape[1] / (2 * width)];
    }
    *out = l;
    return LB_OK;
}

lb_status lb_labels_write_png(const char *path, const lb_labels *l) {
    lb_buf png = {0};
    lb_image img = {.width = (int32_t)l->shape[1], .height = (int32_t)l->shape[0], .channels = 1, .bits = 8, .pixels = l->at};
    lb_status st = l->rank == 2 ? lb_png_encode(&png, &img) : lb_fail(LB_E_ARG, "%s: a PNG holds a flat mask", path);
    if (st == LB_OK) st = lb_file_write(path, png.data, png.size);
    lb_buf_free(&png);
    return st;
}
