/* SPDX-License-Identifier: Apache-2.0 */
/* Resizing, and reading pictures at places. */
#include <math.h>
#include <string.h>
#include "onnx/operator.h"
#include "tensor/ops.h"

static bool coords_of(onnx_call *c, lb_coords *out, const char *word) {
    static const struct { const char *word; lb_coords coords; } table[] = {
        {"half_pixel", LB_COORDS_HALF_PIXEL}, {"align_corners", LB_COORDS_ALIGN_CORNERS}, {"asymmetric", LB_COORDS_ASYMMETRIC},
        {"pytorch_half_pixel", LB_COORDS_PYTORCH_HALF_PIXEL}, {"half_pixel_symmetric", LB_COORDS_HALF_PIXEL_SYMMETRIC}, {"tf_crop_and_resize", LB_COORDS_TF_CROP},
    };
    if (onnx_is(word, "tf_half_pixel_for_nn")) *out = LB_COORDS_HALF_PIXEL; /* and other rounding: mode_of */
    for (size_t i = 0; i < LB_COUNT(table); i++)
        if (onnx_is(word, table[i].word)) *out = table[i].coords;
    if (*out == LB_COORDS_USUAL) onnx_fail(c, LB_E_UNSUPPORTED, "coordinates '%s'", word);
    return onnx_ok(c);
}

static bool mode_of(onnx_call *c, lb_resize_spec *s) {
    const char *mode = onnx_word(c, "mode", "nearest"), *near = onnx_word(c, "nearest_mode", c->opset < 11 ? "floor" : "round_prefer_floor");
    s->mode = onnx_is(mode, "nearest") ? LB_RESIZE_NEAREST : onnx_is(mode, "linear") || onnx_is(mode, "bilinear") ? LB_RESIZE_LINEAR : LB_RESIZE_CUBIC;
    if (s->mode == LB_RESIZE_CUBIC && !onnx_is(mode, "cubic")) onnx_fail(c, LB_E_UNSUPPORTED, "mode '%s'", mode);
    s->nearest = onnx_is(near, "floor") ? LB_NEAREST_FLOOR : onnx_is(near, "ceil") ? LB_NEAREST_CEIL : onnx_is(near, "round_prefer_ceil") ? LB_NEAREST_ROUND_UP : LB_NEAREST_ROUND_DOWN;
    if (onnx_is(onnx_word(c, "coordinate_transformation_mode", ""), "tf_half_pixel_for_nn")) /* half a pixel further on */
        s->nearest = s->nearest == LB_NEAREST_FLOOR ? LB_NEAREST_ROUND_UP : LB_NEAREST_CEIL;
    s->antialias = onnx_int(c, "antialias", 0) && s->mode != LB_RESIZE_NEAREST;
    s->exclude_outside = onnx_int(c, "exclude_outside", 0);
    s->cubic_a = onnx_real(c, "cubic_coeff_a", -0.75);
    s->outside = onnx_real(c, "extrapolation_value", 0);
    return onnx_ok(c);
}

/* Scales and sizes for each axis; 0 = not given. */
typedef struct plan {
    double scale[LB_MAX_RANK], start[LB_MAX_RANK], end[LB_MAX_RANK];
    int64_t size[LB_MAX_RANK];
} plan;

/* keep_aspect_ratio_policy: one scale for all, which fits in or fills what is asked for. */
static void keep_ratio(onnx_call *c, plan *p, const lb_tensor *x, const bool *named) {
    const char *policy = onnx_word(c, "keep_aspect_ratio_policy", "stretch");
    double best = 0;
    if (onnx_is(policy, "stretch")) return;
    bool larger = onnx_is(policy, "not_smaller");
    for (int d = 0; d < x->rank; d++) {
        double s = (double)p->size[d] / (double)x->shape[d];
        if (named[d] && (best == 0 || (larger ? s > best : s < best))) best = s;
    }
    for (int d = 0; d < x->rank; d++)
        if (named[d]) p->scale[d] = best, p->size[d] = (int64_t)floor(best * (double)x->shape[d] + 0.5);
}

static bool read_plan(onnx_call *c, plan *p, const lb_tensor *x, lb_tensor *roi, lb_tensor *scales, lb_tensor *sizes) {
    int64_t axes[LB_MAX_RANK], want[LB_MAX_RANK];
    bool named[LB_MAX_RANK] = {false};
    int n = onnx_list(c, "axes", axes, LB_MAX_RANK), count = n < 0 ? x->rank : n, got = 0;
    if (sizes && !onnx_ints(c, sizes, want, LB_MAX_RANK, &got)) return false;
    if ((sizes ? got : scales ? lb_numel(scales) : 0) != count) onnx_fail(c, LB_E_SHAPE, "%lld scales or sizes for %d axes", (long long)(sizes ? got : scales ? lb_numel(scales) : 0), count);
    if (scales && !scales->data && onnx_ok(c)) onnx_fail(c, LB_E_UNSUPPORTED, "a shape depends on data");
    for (int d = 0; d < x->rank; d++) p->size[d] = x->shape[d], p->end[d] = 1;
    for (int i = 0; i < count && onnx_ok(c); i++) {
        int a = onnx_axis(c, n < 0 ? i : axes[i], x->rank);
        if (a < 0) return false;
        named[a] = true;
        if (sizes) p->size[a] = want[i];
        else p->scale[a] = lb_get_at(scales, i), p->size[a] = (int64_t)floor((double)x->shape[a] * p->scale[a]);
        if (roi && roi->data && lb_numel(roi) == 2 * count) p->start[a] = lb_get_at(roi, i), p->end[a] = lb_get_at(roi, count + i);
        if (p->size[a] < 1 || p->size[a] > INT32_MAX || x->shape[a] < 1) onnx_fail(c, LB_E_SHAPE, "axis %d would get size %lld", a, (long long)p->size[a]);
    }
    if (sizes && onnx_ok(c)) keep_ratio(c, p, x, named);
    return onnx_ok(c);
}

/* ---- linear between the pixels of planes, in the order of ONNX Runtime, so that graphs that round what follows get the same numbers ---- */

typedef struct line {
    int64_t first, second;
    float to_first, to_second; /* distances */
} line;

static line line_of(const lb_resize_spec *s, int64_t i, int64_t in, int64_t out, double given) {
    float scale = given != 0 ? (float)given : (float)out / (float)in, at = (float)i, u;
    if (s->coords == LB_COORDS_ALIGN_CORNERS) u = out == 1 ? 0 : at * (float)(in - 1) / (float)(out - 1);
    else if (s->coords == LB_COORDS_ASYMMETRIC) u = at / scale;
    else if (s->coords == LB_COORDS_PYTORCH_HALF_PIXEL && out == 1) u = 0;
    else u = (at + 0.5f) / scale - 0.5f;
    u = u < 0 ? 0 : u > (float)(in - 1) ? (float)(in - 1) : u;
    line l = {.first = (int64_t)u < in - 1 ? (int64_t)u : in - 1};
    l.second = l.first + 1 < in ? l.first + 1 : in - 1;
    l.to_first = fabsf(u - (float)l.first);
    l.to_second = fabsf(u - (float)l.second);
    if (l.first == l.second) l.to_first = l.to_second = 0.5f;
    return l;
}

static bool bilinear(onnx_call *c, const lb_tensor *x, const plan *p, const lb_resize_spec *s) {
    int rank = x->rank;
    bool plain = s->mode == LB_RESIZE_LINEAR && !s->antialias && x->dtype == LB_F32 && rank >= 2 && s->coords != LB_COORDS_TF_CROP && s->coords != LB_COORDS_HALF_PIXEL_SYMMETRIC;
    for (int d = 0; d < rank - 2 && plain; d++) plain = p->size[d] == x->shape[d];
    if (!plain) return false;
    int64_t h = x->shape[rank - 2], w = x->shape[rank - 1], oh = p->size[rank - 2], ow = p->size[rank - 1], planes = onnx_product(x->shape, 0, rank - 2);
    lb_tensor *y = onnx_make(c, 0, LB_F32, rank, p->size), *from = onnx_as(c, (lb_tensor *)(uintptr_t)x, LB_F32);
    line *across = lb_alloc((size_t)ow + 1, sizeof *across);
    if (!across) lb_tape_fail_status(c->tape, LB_E_NOMEM);
    for (int64_t i = 0; i < ow && across; i++) across[i] = line_of(s, i, w, ow, p->scale[rank - 1]);
    int64_t rows = onnx_ok(c) && y->data && from->data ? planes * oh : 0;
#pragma omp parallel for if (rows * ow > 65536)
    for (int64_t r = 0; r < rows; r++) {
        line down = line_of(s, r % oh, h, oh, p->scale[rank - 2]);
        const float *a = (const float *)from->data + (r / oh * h + down.first) * w, *b = (const float *)from->data + (r / oh * h + down.second) * w;
        float *to = (float *)y->data + r * ow;
        for (int64_t i = 0; i < ow; i++) {
            const line *l = &across[i];
            to[i] = l->to_second * down.to_second * a[l->first] + l->to_first * down.to_second * a[l->second] + l->to_second * down.to_first * b[l->first] + l->to_first * down.to_first * b[l->second];
        }
    }
    lb_free(across);
    return true;
}

/* At most the last three axes change; those before are taken as pictures. */
static void by_op(onnx_call *c, lb_tensor *x, const plan *p, lb_resize_spec *s) {
    int rank = x->rank, first = rank;
    for (int d = rank - 1; d >= 0; d--)
        if (p->size[d] != x->shape[d] || s->coords == LB_COORDS_TF_CROP) first = d;
    if (rank - first > 3) first = rank - 3;
    for (int d = 0; d < first; d++)
        if (p->size[d] != x->shape[d]) onnx_fail(c, LB_E_UNSUPPORTED, "more than three axes change");
    if (first == rank || !onnx_ok(c)) {
        onnx_put(c, 0, x);
        return;
    }
    if (rank - first < 2 && rank > 1) first = rank - 2; /* planes are what the op is fast at */
    int n = rank - first;
    int64_t shape[5] = {1, onnx_product(x->shape, 0, first)};
    for (int i = 0; i < n; i++) {
        int d = first + i;
        shape[2 + i] = x->shape[d];
        s->size[i] = p->size[d];
        s->scale[i] = p->scale[d];
        s->start[i] = p->start[d];
        s->end[i] = p->end[d];
    }
    lb_dtype dtype = x->dtype;
    lb_tensor *y = lb_resize(c->tape, lb_reshape(c->tape, onnx_as(c, x, LB_F32), 2 + n, shape), *s);
    onnx_put(c, 0, onnx_as(c, lb_reshape(c->tape, y, rank, p->size), dtype));
}

/* Set 10: x scales; since 11: x roi scales sizes. */
static void resize(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0), *roi = c->opset < 11 ? NULL : onnx_in(c, 1), *scales = onnx_in(c, c->opset < 11 ? 1 : 2), *sizes = c->opset < 11 ? NULL : onnx_in(c, 3);
    plan p = {0};
    lb_resize_spec s = {0};
    if (!onnx_ok(c)) return;
    if (scales && lb_numel(scales) == 0 && sizes) scales = NULL;
    if (!coords_of(c, &s.coords, onnx_word(c, "coordinate_transformation_mode", c->opset < 11 ? "asymmetric" : "half_pixel")) || !mode_of(c, &s)) return;
    if (read_plan(c, &p, x, roi, scales, sizes) && !bilinear(c, x, &p, &s)) by_op(c, x, &p, &s);
}

/* Scales as an attribute before set 9. */
static void upsample(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0), *scales = onnx_in(c, 1);
    const onnx_attribute *a = onnx_attribute_find(c->node, "scales");
    plan p = {0};
    lb_resize_spec s = {.coords = LB_COORDS_ASYMMETRIC};
    if (!onnx_ok(c) || !mode_of(c, &s)) return;
    if (!scales && a && a->kind == ONNX_FLOATS) {
        lb_tape_mode mode = lb_tape_get_mode(c->tape);
        lb_tape_set_mode(c->tape, LB_TAPE_NO_GRAD); /* known numbers, on SHAPES tapes too */
        scales = onnx_scratch(c, LB_F64, 1, &a->count);
        lb_tape_set_mode(c->tape, mode);
        if (onnx_ok(c) && a->count) memcpy(scales->data, a->floats, (size_t)a->count * sizeof(double));
    }
    s.nearest = LB_NEAREST_FLOOR;
    if (onnx_ok(c) && read_plan(c, &p, x, NULL, scales, NULL)) by_op(c, x, &p, &s);
}

/* ---- pictures read at places ---- */

static void grid_sample(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0), *grid = onnx_need(c, 1);
    const char *mode = onnx_word(c, "mode", "bilinear"), *border = onnx_word(c, "padding_mode", "zeros");
    lb_sample how = onnx_is(mode, "nearest") ? LB_SAMPLE_NEAREST : onnx_is(mode, "bicubic") || onnx_is(mode, "cubic") ? LB_SAMPLE_CUBIC : LB_SAMPLE_LINEAR;
    lb_border outside = onnx_is(border, "border") ? LB_BORDER_EDGE : onnx_is(border, "reflection") ? LB_BORDER_REFLECT : LB_BORDER_ZEROS;
    if (onnx_ok(c)) onnx_put(c, 0, lb_grid_sample(c->tape, x, grid, how, outside, onnx_int(c, "align_corners", 0)));
}

/* The largest of the points' largest corner terms, as the definition has it (ONNX Runtime does the same). */
static float most_of_cell(const float *x, int64_t h, int64_t w, double top, double left, double dy, double dx, int64_t points_h, int64_t points_w) {
    float best = -INFINITY;
    for (int64_t i = 0; i < points_h * points_w; i++) {
        double y = top + ((double)(i / points_w) + 0.5) * dy, u = left + ((double)(i % points_w) + 0.5) * dx;
        if (y < -1 || y > (double)h || u < -1 || u > (double)w) {
            best = best > 0 ? best : 0;
            continue;
        }
        y = y < 0 ? 0 : y;
        u = u < 0 ? 0 : u;
        int64_t y0 = (int64_t)y, x0 = (int64_t)u;
        if (y0 >= h - 1) y0 = h - 1, y = (double)y0;
        if (x0 >= w - 1) x0 = w - 1, u = (double)x0;
        int64_t y1 = y0 + 1 < h ? y0 + 1 : y0, x1 = x0 + 1 < w ? x0 + 1 : x0;
        double fy = y - (double)y0, fx = u - (double)x0;
        float terms[4] = {(float)((1 - fy) * (1 - fx)) * x[y0 * w + x0], (float)((1 - fy) * fx) * x[y0 * w + x1], (float)(fy * (1 - fx)) * x[y1 * w + x0], (float)(fy * fx) * x[y1 * w + x1]};
        for (int k = 0; k < 4; k++) best = terms[k] > best ? terms[k] : best;
    }
    return best;
}

static void roi_most(onnx_call *c, lb_tensor *x, const lb_tensor *boxes, int64_t h, int64_t w, double scale, int64_t samples, double half) {
    int64_t n = boxes->shape[0], channels = x->shape[1], height = x->shape[2], width = x->shape[3];
    lb_tensor *y = onnx_make(c, 0, LB_F32, 4, (int64_t[]){n, channels, h, w});
    if (!onnx_ok(c) || !y->data || !x->data || !boxes->data) return;
    for (int64_t r = 0; r < n; r++) {
        const float *b = (const float *)boxes->data + 5 * r;
        double left = (double)b[1] * scale - half, top = (double)b[2] * scale - half, bw = (double)b[3] * scale - half - left, bh = (double)b[4] * scale - half - top;
        if (half == 0) bw = bw < 1 ? 1 : bw, bh = bh < 1 ? 1 : bh;
        double cell_h = bh / (double)h, cell_w = bw / (double)w;
        int64_t ph = samples ? samples : (int64_t)ceil(cell_h), pw = samples ? samples : (int64_t)ceil(cell_w);
        for (int64_t k = 0; k < channels * h * w && b[0] >= 0 && b[0] < (float)x->shape[0]; k++) {
            const float *plane = (const float *)x->data + ((int64_t)b[0] * channels + k / (h * w)) * height * width;
            double at_y = top + (double)(k / w % h) * cell_h, at_x = left + (double)(k % w) * cell_w;
            ((float *)y->data)[r * channels * h * w + k] = most_of_cell(plane, height, width, at_y, at_x, cell_h / (double)ph, cell_w / (double)pw, ph, pw);
        }
    }
}

static void max_roi_pool(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0), *boxes = onnx_need(c, 1);
    int64_t size[2];
    if (!onnx_ok(c)) return;
    if (onnx_list(c, "pooled_shape", size, 2) != 2) onnx_fail(c, LB_E_SHAPE, "expected two sizes in pooled_shape");
    else onnx_put(c, 0, lb_roi_pool(c->tape, x, boxes, size[0], size[1], onnx_real(c, "spatial_scale", 1)));
}

static void roi_align(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0), *rois = onnx_need(c, 1), *batch = onnx_need(c, 2);
    bool aligned = !onnx_is(onnx_word(c, "coordinate_transformation_mode", c->opset < 16 ? "output_half_pixel" : "half_pixel"), "output_half_pixel");
    int64_t h = onnx_int(c, "output_height", 1), w = onnx_int(c, "output_width", 1), samples = onnx_int(c, "sampling_ratio", 0);
    double scale = onnx_real(c, "spatial_scale", 1);
    if (!onnx_ok(c)) return;
    if (x->rank != 4 || rois->rank != 2 || rois->shape[1] != 4 || batch->rank != 1 || batch->shape[0] != rois->shape[0]) {
        onnx_fail(c, LB_E_SHAPE, "expected a picture, boxes [R,4] and an index for each");
        return;
    }
    lb_tensor *index = lb_reshape(c->tape, onnx_as(c, batch, LB_F32), 2, (int64_t[]){rois->shape[0], 1});
    lb_tensor *boxes = lb_concat(c->tape, 2, (lb_tensor *[]){index, rois}, 1);
    if (!onnx_ok(c)) return;
    if (onnx_is(onnx_word(c, "mode", "avg"), "max")) roi_most(c, onnx_as(c, x, LB_F32), boxes, h, w, scale, samples, aligned ? 0.5 : 0);
    else onnx_put(c, 0, lb_roi_align(c->tape, x, boxes, h, w, scale, samples, aligned));
}

static const onnx_operator operators[] = {
    {"GridSample", grid_sample, ONNX_FLOAT_ONLY},
    {"MaxRoiPool", max_roi_pool, ONNX_FLOAT_ONLY},
    {"Resize", resize, 0, "more than three axes"},
    {"RoiAlign", roi_align, ONNX_FLOAT_ONLY},
    {"Upsample", upsample, 0, "more than three axes"},
    {0},
};

ONNX_GROUP(resize) = {.id = "resize", .title = "resizing, pictures read at places", .source = "github.com/onnx/onnx docs/Operators.md", .operators = operators};
