/* SPDX-License-Identifier: Apache-2.0 */
/* Export to ONNX of what goes over lines and pictures: convolutions, pools, resizing. */
#include "cli/export_ops.h"

static int64_t one(int64_t x) { return x ? x : 1; }

/* ---- convolutions ---- */

/* The last n of strides, pads and dilations: 1 of a line, 2 of a picture. */
static void put_conv(cli_graph *g, const lb_conv_spec *s, int n) {
    const int64_t strides[] = {one(s->stride_h), one(s->stride_w)}, dilations[] = {one(s->dilation_h), one(s->dilation_w)};
    lb_onnx_file_ints(g->onnx, "strides", n, strides + 2 - n);
    lb_onnx_file_ints(g->onnx, "pads", 2 * n, n == 1 ? (int64_t[]){s->pad_l, s->pad_r} : (int64_t[]){s->pad_t, s->pad_l, s->pad_b, s->pad_r});
    lb_onnx_file_ints(g->onnx, "dilations", n, dilations + 2 - n);
    lb_onnx_file_int(g->onnx, "group", one(s->groups));
}

/* y = act(scale (w * x) + b + add): the scale, of a norm, goes into the kernel. */
void cli_export_conv2d(cli_graph *g, const cli_traced *c) {
    const lb_conv_params *p = c->params;
    const char *w = cli_node_in(g, c, 1), *b = cli_node_in(g, c, 2), *scale = cli_node_in(g, c, 3), *add = cli_node_in(g, c, 4), *y;
    if (scale) w = cli_graph_node(g, "Mul", NULL, 2, w, cli_node_reshaped(g, scale, 4, (int64_t[]){-1, 1, 1, 1}));
    y = cli_graph_node(g, "Conv", p->act || add ? NULL : cli_node_out(g, c), b ? 3 : 2, cli_node_in(g, c, 0), w, b);
    put_conv(g, &p->spec, 2);
    if (add) y = cli_graph_node(g, "Add", p->act ? NULL : cli_node_out(g, c), 2, y, add);
    if (p->act) cli_node_activate(g, y, p->act, cli_node_out(g, c));
}

void cli_export_conv1d(cli_graph *g, const cli_traced *c) {
    const lb_conv_params *p = c->params;
    const char *w = cli_node_in(g, c, 1), *b = cli_node_in(g, c, 2);
    const char *y = cli_graph_node(g, "Conv", p->act ? NULL : cli_node_out(g, c), b ? 3 : 2, cli_node_in(g, c, 0), w, b);
    put_conv(g, &p->spec, 1);
    if (p->act) cli_node_activate(g, y, p->act, cli_node_out(g, c));
}

void cli_export_conv_transpose2d(cli_graph *g, const cli_traced *c) {
    const lb_transposed_params *p = c->params;
    const char *b = cli_node_in(g, c, 2);
    cli_graph_node(g, "ConvTranspose", cli_node_out(g, c), b ? 3 : 2, cli_node_in(g, c, 0), cli_node_in(g, c, 1), b);
    put_conv(g, &p->spec, 2);
    lb_onnx_file_ints(g->onnx, "output_padding", 2, (int64_t[]){p->more_h, p->more_w});
}

/* ---- pools ---- */

/* But for dilations, which means have only from opset 19 on. @return whether there are any */
static bool put_window(cli_graph *g, const lb_window *w, int n, int64_t dilations[3], bool *padded) {
    int64_t pads[6], strides[3];
    bool dilated = false;
    *padded = false;
    for (int i = 0; i < n; i++) {
        pads[i] = w->before[i];
        pads[n + i] = w->after[i];
        strides[i] = w->stride[i] ? w->stride[i] : w->size[i];
        dilations[i] = one(w->dilation[i]);
        dilated = dilated || dilations[i] > 1;
        *padded = *padded || w->before[i] || w->after[i];
    }
    lb_onnx_file_ints(g->onnx, "kernel_shape", n, w->size);
    lb_onnx_file_ints(g->onnx, "strides", n, strides);
    lb_onnx_file_ints(g->onnx, "pads", 2 * n, pads);
    lb_onnx_file_int(g->onnx, "ceil_mode", w->ceil);
    return dilated;
}

void cli_export_max_pool(cli_graph *g, const cli_traced *c) {
    int64_t dilations[3];
    bool padded;
    int n = cli_node_rank(g, c) - 2;
    cli_graph_node(g, "MaxPool", cli_node_out(g, c), 1, cli_node_in(g, c, 0));
    put_window(g, c->params, n, dilations, &padded);
    lb_onnx_file_ints(g->onnx, "dilations", n, dilations);
}

/* A window that hangs over the end counts, in PyTorch and here, what is in picture and padding; ONNX leaves that open where both are there. */
void cli_export_avg_pool(cli_graph *g, const cli_traced *c) {
    const lb_avg_pool_params *p = c->params;
    int64_t dilations[3];
    bool padded;
    cli_graph_node(g, "AveragePool", cli_node_out(g, c), 1, cli_node_in(g, c, 0));
    bool dilated = put_window(g, &p->window, cli_node_rank(g, c) - 2, dilations, &padded), counted = padded && p->border == LB_AVG_COUNT_PAD;
    lb_onnx_file_int(g->onnx, "count_include_pad", counted);
    if (dilated || p->divisor || p->border == LB_AVG_EDGES || (counted && p->window.ceil)) cli_node_refuse(g, c, "such a window");
}

/* [outputs, inputs] or turned: which share of each element is in the mean of a cell that goes from floor(i in / out) to ceil((i + 1) in / out). */
static const char *cells(cli_graph *g, int64_t inputs, int64_t outputs, bool turned) {
    float *share = lb_calloc((size_t)(inputs * outputs) + 1, sizeof *share);
    const char *name = cli_graph_name(g, "cells.%lld", (long long)g->kept_count);
    if (!share) {
        g->st = LB_E_NOMEM;
        return name;
    }
    for (int64_t i = 0; i < outputs; i++) {
        int64_t first = i * inputs / outputs, end = ((i + 1) * inputs + outputs - 1) / outputs;
        for (int64_t k = first; k < end; k++) share[turned ? k * outputs + i : i * inputs + k] = 1 / (float)(end - first);
    }
    lb_onnx_file_tensor(g->onnx, name, LB_F32, 2, turned ? (int64_t[]){inputs, outputs} : (int64_t[]){outputs, inputs}, share);
    lb_free(share);
    return name;
}

/* Cells of one size are a pool; of different sizes, of pictures, a product over rows and one over columns. */
void cli_export_adaptive_avg_pool(cli_graph *g, const cli_traced *c) {
    const cli_value *x = cli_node_value(g, c->in[0]), *y = cli_node_value(g, c->out[0]);
    int64_t size[3];
    bool even = true;
    for (int d = 2; d < x->rank; d++) {
        even = even && x->shape[d] % y->shape[d] == 0;
        size[d - 2] = x->shape[d] / y->shape[d];
    }
    if (!even && x->rank != 4) cli_node_refuse(g, c, "cells of different sizes along other than two axes");
    else if (!even) {
        const char *rows = cli_graph_node(g, "MatMul", NULL, 2, cells(g, x->shape[2], y->shape[2], false), cli_node_in(g, c, 0));
        cli_graph_node(g, "MatMul", cli_node_out(g, c), 2, rows, cells(g, x->shape[3], y->shape[3], true));
    } else {
        cli_graph_node(g, "AveragePool", cli_node_out(g, c), 1, cli_node_in(g, c, 0));
        lb_onnx_file_ints(g->onnx, "kernel_shape", x->rank - 2, size);
        lb_onnx_file_ints(g->onnx, "strides", x->rank - 2, size);
    }
}

/* ---- resizing ---- */

static const char *coordinates(const lb_resize_spec *p) {
    static const char *const names[] = {NULL, "half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel", NULL, NULL};
    if (p->coords != LB_COORDS_USUAL) return names[p->coords];
    return p->mode == LB_RESIZE_NEAREST ? "asymmetric" : "half_pixel";
}

/* What ONNX has at opset 17; with the scale that sizes tell. Of usual coordinates "nearest-exact" is half_pixel with halves up. */
static bool can_resize(const cli_graph *g, const cli_traced *c) {
    const lb_resize_spec *p = c->params;
    const cli_value *x = cli_node_value(g, c->in[0]), *y = cli_node_value(g, c->out[0]);
    for (int d = 2; d < x->rank; d++)
        if (p->scale[d - 2] != 0 && p->scale[d - 2] * (double)x->shape[d] != (double)y->shape[d]) return false;
    return !p->antialias && p->mode != LB_RESIZE_AREA && coordinates(p) && (p->mode != LB_RESIZE_CUBIC || x->rank == 4);
}

void cli_export_resize(cli_graph *g, const cli_traced *c) {
    static const char *const modes[] = {"nearest", "linear", "cubic"};
    static const char *const rounding[] = {"floor", "round_prefer_ceil", "round_prefer_floor", "round_prefer_ceil", "ceil"};
    const lb_resize_spec *p = c->params;
    if (!can_resize(g, c)) {
        cli_node_refuse(g, c, "antialiasing, areas or such scales");
        return;
    }
    bool exact = p->mode == LB_RESIZE_NEAREST && p->nearest == LB_NEAREST_EXACT && p->coords == LB_COORDS_USUAL;
    cli_graph_node(g, "Resize", cli_node_out(g, c), 4, cli_node_in(g, c, 0), "", "", cli_graph_shape(g, c->out[0], false));
    lb_onnx_file_text(g->onnx, "mode", modes[p->mode]);
    lb_onnx_file_text(g->onnx, "coordinate_transformation_mode", exact ? "half_pixel" : coordinates(p));
    if (p->mode == LB_RESIZE_NEAREST) lb_onnx_file_text(g->onnx, "nearest_mode", rounding[p->nearest]);
    if (p->mode == LB_RESIZE_CUBIC) {
        lb_onnx_file_real(g->onnx, "cubic_coeff_a", p->cubic_a != 0 ? p->cubic_a : -0.75);
        lb_onnx_file_int(g->onnx, "exclude_outside", p->exclude_outside);
    }
}
