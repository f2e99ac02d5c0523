/* SPDX-License-Identifier: Apache-2.0 */
/* What each op is in ONNX's operators, opset 17 (onnx/onnx, docs/Operators.md). */
#include <string.h>
#include "cli/export.h"
#include "tensor/calls.h"

static const double HIDDEN = -1e30; /* a score that softmax makes 0 */

static const cli_value *value(const cli_graph *g, int i) { return &g->trace->values[i]; }
static const char *in(cli_graph *g, const cli_traced *c, int i) { return i < c->nin && c->in[i] >= 0 ? cli_graph_value(g, c->in[i]) : NULL; }
static const char *out(cli_graph *g, const cli_traced *c) { return cli_graph_value(g, c->out[0]); }
static int rank(const cli_graph *g, const cli_traced *c) { return value(g, c->in[0])->rank; }
static int from_front(int axis, int n) { return axis < 0 ? axis + n : axis; }

static void refuse(cli_graph *g, const cli_traced *c, const char *what) {
    if (g->st == LB_OK) g->st = lb_fail(LB_E_UNSUPPORTED, "export: op '%s'%s%s has no counterpart in ONNX that is written here", c->op->id, *what ? " with " : "", what);
}

static const char *transpose(cli_graph *g, const char *x, const char *to, int n, const int64_t *perm) {
    const char *y = cli_graph_node(g, "Transpose", to, 1, x);
    lb_onnx_file_ints(g->onnx, "perm", n, perm);
    return y;
}

/* The last two axes of a value of n axes changed places. */
static const char *turned(cli_graph *g, const char *x, int n) {
    int64_t perm[LB_MAX_RANK];
    for (int d = 0; d < n; d++) perm[d] = d;
    perm[n - 1] = n - 2;
    perm[n - 2] = n - 1;
    return transpose(g, x, NULL, n, perm);
}

static const char *cast(cli_graph *g, const char *x, const char *to, int type) {
    const char *y = cli_graph_node(g, "Cast", to, 1, x);
    lb_onnx_file_int(g->onnx, "to", type);
    return y;
}
enum { ONNX_F32 = 1, ONNX_I64 = 7, ONNX_BOOL = 9 };

/* ---- activations ---- */

static const char *gelu(cli_graph *g, const char *x, const char *to) {
    const char *e = cli_graph_node(g, "Erf", NULL, 1, cli_graph_node(g, "Mul", NULL, 2, x, cli_graph_real(g, 0.70710678118654752)));
    const char *half = cli_graph_node(g, "Mul", NULL, 2, x, cli_graph_real(g, 0.5));
    return cli_graph_node(g, "Mul", to, 2, half, cli_graph_node(g, "Add", NULL, 2, e, cli_graph_real(g, 1)));
}

/* x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */
static const char *gelu_tanh(cli_graph *g, const char *x, const char *to) {
    const char *cube = cli_graph_node(g, "Mul", NULL, 2, cli_graph_node(g, "Mul", NULL, 2, x, x), x);
    const char *sum = cli_graph_node(g, "Add", NULL, 2, x, cli_graph_node(g, "Mul", NULL, 2, cube, cli_graph_real(g, 0.044715)));
    const char *t = cli_graph_node(g, "Tanh", NULL, 1, cli_graph_node(g, "Mul", NULL, 2, sum, cli_graph_real(g, 0.79788456080286536)));
    const char *half = cli_graph_node(g, "Mul", NULL, 2, x, cli_graph_real(g, 0.5));
    return cli_graph_node(g, "Mul", to, 2, half, cli_graph_node(g, "Add", NULL, 2, t, cli_graph_real(g, 1)));
}

static const char *times_sigmoid(cli_graph *g, const char *x, double scale, const char *to) {
    const char *scaled = scale == 1 ? x : cli_graph_node(g, "Mul", NULL, 2, x, cli_graph_real(g, scale));
    return cli_graph_node(g, "Mul", to, 2, x, cli_graph_node(g, "Sigmoid", NULL, 1, scaled));
}

static const char *hardsigmoid(cli_graph *g, const char *x, const char *to) {
    const char *y = cli_graph_node(g, "HardSigmoid", to, 1, x);
    lb_onnx_file_real(g->onnx, "alpha", 1.0 / 6);
    lb_onnx_file_real(g->onnx, "beta", 0.5);
    return y;
}

static const char *activate(cli_graph *g, const char *x, lb_act act, const char *to) {
    switch (act) {
    case LB_ACT_NONE: return cli_graph_node(g, "Identity", to, 1, x);
    case LB_ACT_RELU: return cli_graph_node(g, "Relu", to, 1, x);
    case LB_ACT_RELU6: return cli_graph_node(g, "Clip", to, 3, x, cli_graph_real(g, 0), cli_graph_real(g, 6));
    case LB_ACT_GELU: return gelu(g, x, to);
    case LB_ACT_GELU_TANH: return gelu_tanh(g, x, to);
    case LB_ACT_SILU: return times_sigmoid(g, x, 1, to);
    case LB_ACT_SIGMOID: return cli_graph_node(g, "Sigmoid", to, 1, x);
    case LB_ACT_TANH: return cli_graph_node(g, "Tanh", to, 1, x);
    case LB_ACT_HARDSWISH: return cli_graph_node(g, "HardSwish", to, 1, x);
    case LB_ACT_HARDSIGMOID: return hardsigmoid(g, x, to);
    case LB_ACT_GELU_QUICK: return times_sigmoid(g, x, 1.702, to);
    }
    return x;
}

static const struct {
    const char *id;
    lb_act act;
} activations[] = {{"relu", LB_ACT_RELU},       {"relu6", LB_ACT_RELU6}, {"gelu", LB_ACT_GELU},           {"gelu_tanh", LB_ACT_GELU_TANH},     {"silu", LB_ACT_SILU},
                   {"sigmoid", LB_ACT_SIGMOID}, {"tanh", LB_ACT_TANH},   {"hardswish", LB_ACT_HARDSWISH}, {"hardsigmoid", LB_ACT_HARDSIGMOID}, {"gelu_quick", LB_ACT_GELU_QUICK}};

/* Ops that are one operator with the same inputs. */
static const char *const same[][2] = {{"abs", "Abs"}, {"add", "Add"}, {"ceil", "Ceil"}, {"contiguous", "Identity"}, {"cos", "Cos"}, {"div", "Div"}, {"erf", "Erf"}, {"exp", "Exp"}, {"floor", "Floor"},
                                      {"log", "Log"}, {"maximum", "Max"}, {"minimum", "Min"}, {"mul", "Mul"}, {"neg", "Neg"}, {"pow", "Pow"}, {"reciprocal", "Reciprocal"}, {"sign", "Sign"},
                                      {"sin", "Sin"}, {"softplus", "Softplus"}, {"sqrt", "Sqrt"}, {"sub", "Sub"}};

/* ---- linear algebra ---- */

static void linear(cli_graph *g, const cli_traced *c) {
    const lb_act_params *p = c->params;
    const char *x = in(g, c, 0), *w = in(g, c, 1), *b = in(g, c, 2), *last = p->act ? NULL : out(g, c), *y;
    if (rank(g, c) == 2) {
        y = cli_graph_node(g, "Gemm", last, b ? 3 : 2, x, w, b);
        lb_onnx_file_int(g->onnx, "transB", 1);
    } else {
        y = cli_graph_node(g, "MatMul", b ? NULL : last, 2, x, turned(g, w, 2));
        if (b) y = cli_graph_node(g, "Add", last, 2, y, b);
    }
    if (p->act) activate(g, y, p->act, out(g, c));
}

static void matmul(cli_graph *g, const cli_traced *c) {
    const lb_matmul_params *p = c->params;
    const char *a = in(g, c, 0), *b = in(g, c, 1);
    if (p->trans_a) a = turned(g, a, value(g, c->in[0])->rank);
    if (p->trans_b) b = turned(g, b, value(g, c->in[1])->rank);
    cli_graph_node(g, "MatMul", out(g, c), 2, a, b);
}

/* y = act(scale (w * x) + b + add): the scale, of a norm, goes into the kernel. */
static void conv2d(cli_graph *g, const cli_traced *c) {
    const lb_conv_params *p = c->params;
    const lb_conv_spec *s = &p->spec;
    const char *w = in(g, c, 1), *b = in(g, c, 2), *scale = in(g, c, 3), *add = in(g, c, 4), *y;
    if (scale) w = cli_graph_node(g, "Mul", NULL, 2, w, cli_graph_node(g, "Reshape", NULL, 2, scale, cli_graph_ints(g, 4, (int64_t[]){-1, 1, 1, 1})));
    y = cli_graph_node(g, "Conv", p->act || add ? NULL : out(g, c), b ? 3 : 2, in(g, c, 0), w, b);
    lb_onnx_file_ints(g->onnx, "strides", 2, (int64_t[]){s->stride_h ? s->stride_h : 1, s->stride_w ? s->stride_w : 1});
    lb_onnx_file_ints(g->onnx, "pads", 4, (int64_t[]){s->pad_t, s->pad_l, s->pad_b, s->pad_r});
    lb_onnx_file_ints(g->onnx, "dilations", 2, (int64_t[]){s->dilation_h ? s->dilation_h : 1, s->dilation_w ? s->dilation_w : 1});
    lb_onnx_file_int(g->onnx, "group", s->groups ? s->groups : 1);
    if (add) y = cli_graph_node(g, "Add", p->act ? NULL : out(g, c), 2, y, add);
    if (p->act) activate(g, y, p->act, out(g, c));
}

static void max_pool(cli_graph *g, const cli_traced *c) {
    const lb_window *w = c->params;
    int n = rank(g, c) - 2;
    int64_t pads[6], stride[3], dilation[3];
    for (int i = 0; i < n; i++) {
        pads[i] = w->before[i];
        pads[n + i] = w->after[i];
        stride[i] = w->stride[i] ? w->stride[i] : 1;
        dilation[i] = w->dilation[i] ? w->dilation[i] : 1;
    }
    cli_graph_node(g, "MaxPool", out(g, c), 1, in(g, c, 0));
    lb_onnx_file_ints(g->onnx, "kernel_shape", n, w->size);
    lb_onnx_file_ints(g->onnx, "strides", n, stride);
    lb_onnx_file_ints(g->onnx, "pads", 2 * n, pads);
    lb_onnx_file_ints(g->onnx, "dilations", n, dilation);
    lb_onnx_file_int(g->onnx, "ceil_mode", w->ceil);
}

static void adaptive_avg_pool(cli_graph *g, const cli_traced *c) {
    const cli_value *x = value(g, c->in[0]), *y = value(g, c->out[0]);
    int64_t size[3];
    for (int d = 2; d < x->rank; d++) {
        if (y->shape[d] == 0 || x->shape[d] % y->shape[d]) {
            refuse(g, c, "cells of different sizes");
            return;
        }
        size[d - 2] = x->shape[d] / y->shape[d];
    }
    cli_graph_node(g, "AveragePool", out(g, c), 1, in(g, c, 0));
    lb_onnx_file_ints(g->onnx, "kernel_shape", x->rank - 2, size);
    lb_onnx_file_ints(g->onnx, "strides", x->rank - 2, size);
}

/* ---- norms ---- */

static const char *ones(cli_graph *g, int64_t n) {
    const char *one = cli_graph_real(g, 1);
    return cli_graph_node(g, "Expand", NULL, 2, one, cli_graph_ints(g, 1, &n));
}

static const char *layer_norm_of(cli_graph *g, const cli_traced *c, const char *x, int64_t width, const char *to) {
    const lb_eps_params *p = c->params;
    const char *gamma = in(g, c, 1), *beta = in(g, c, 2);
    if (!gamma) gamma = ones(g, width);
    const char *y = cli_graph_node(g, "LayerNormalization", to, beta ? 3 : 2, x, gamma, beta);
    lb_onnx_file_int(g->onnx, "axis", -1);
    lb_onnx_file_real(g->onnx, "epsilon", p->eps);
    return y;
}

static void layer_norm(cli_graph *g, const cli_traced *c) {
    const cli_value *x = value(g, c->in[0]);
    layer_norm_of(g, c, in(g, c, 0), x->shape[x->rank - 1], out(g, c));
}

/* Channels, the second axis, are brought to the end and back. */
static void channel_norm(cli_graph *g, const cli_traced *c) {
    const cli_value *x = value(g, c->in[0]);
    int64_t there[LB_MAX_RANK] = {0}, back[LB_MAX_RANK] = {0};
    for (int d = 1; d + 1 < x->rank; d++) there[d] = d + 1;
    for (int d = 2; d < x->rank; d++) back[d] = d - 1;
    there[x->rank - 1] = 1;
    back[1] = x->rank - 1;
    const char *y = layer_norm_of(g, c, transpose(g, in(g, c, 0), NULL, x->rank, there), x->shape[1], NULL);
    transpose(g, y, out(g, c), x->rank, back);
}

static void rms_norm(cli_graph *g, const cli_traced *c) {
    const lb_eps_params *p = c->params;
    const char *x = in(g, c, 0), *gamma = in(g, c, 1), *mean = cli_graph_node(g, "ReduceMean", NULL, 1, cli_graph_node(g, "Mul", NULL, 2, x, x));
    lb_onnx_file_ints(g->onnx, "axes", 1, (int64_t[]){-1});
    const char *root = cli_graph_node(g, "Sqrt", NULL, 1, cli_graph_node(g, "Add", NULL, 2, mean, cli_graph_real(g, p->eps)));
    const char *y = cli_graph_node(g, "Div", gamma ? NULL : out(g, c), 2, x, root);
    if (gamma) cli_graph_node(g, "Mul", out(g, c), 2, y, gamma);
}

static void normalize(cli_graph *g, const cli_traced *c) {
    const lb_normalize_params *p = c->params;
    const char *x = in(g, c, 0), *norm = cli_graph_node(g, p->p == 1 ? "ReduceL1" : "ReduceL2", NULL, 1, x);
    lb_onnx_file_ints(g->onnx, "axes", 1, (int64_t[]){p->axis});
    cli_graph_node(g, "Div", out(g, c), 2, x, cli_graph_node(g, "Max", NULL, 2, norm, cli_graph_real(g, p->eps)));
}

static const char *per_channel(cli_graph *g, const cli_traced *c, int i) {
    int64_t shape[LB_MAX_RANK] = {value(g, c->in[i])->shape[0], 1, 1, 1, 1, 1, 1, 1};
    return cli_graph_node(g, "Reshape", NULL, 2, in(g, c, i), cli_graph_ints(g, rank(g, c) - 1, shape));
}

static void channel_affine(cli_graph *g, const cli_traced *c) {
    const lb_act_params *p = c->params;
    const char *y = cli_graph_node(g, "Mul", NULL, 2, in(g, c, 0), per_channel(g, c, 1));
    y = cli_graph_node(g, "Add", p->act ? NULL : out(g, c), 2, y, per_channel(g, c, 2));
    if (p->act) activate(g, y, p->act, out(g, c));
}

static void softmax(cli_graph *g, const cli_traced *c) {
    const lb_axis_params *p = c->params;
    cli_graph_node(g, strcmp(c->op->id, "softmax") == 0 ? "Softmax" : "LogSoftmax", out(g, c), 1, in(g, c, 0));
    lb_onnx_file_int(g->onnx, "axis", p->axis);
}

/* ---- attention ---- */

/* f32 [L,S]: 0 where query l sees key s, else hidden; NULL when all is seen. */
static const char *rule(cli_graph *g, const lb_attend_params *p, int64_t l, int64_t s) {
    if (!p->causal && !p->window) return NULL;
    const int64_t shape[2] = {l, s};
    float *x = lb_calloc((size_t)(l * s) + 1, sizeof *x);
    if (!x) {
        g->st = LB_E_NOMEM;
        return NULL;
    }
    for (int64_t i = 0; i < l; i++)
        for (int64_t k = 0, place = i + s - l + p->shift; k < s; k++) {
            bool seen = !(p->causal && k > place) && !(p->window && (k <= place - p->window || k >= place + p->window));
            x[i * s + k] = seen || k < p->prefix ? 0 : (float)HIDDEN;
        }
    const char *name = cli_graph_name(g, "rule.%lld", (long long)g->kept_count);
    lb_onnx_file_tensor(g->onnx, name, LB_F32, 2, shape, x);
    lb_free(x);
    return name;
}

/* How many samples in turn a bias or mask has one for each of (windows of a picture); 0 = as ONNX spreads it: one for all, or for each of the batch. */
static int64_t turns(const cli_value *b, const cli_value *scores_of) {
    return b->rank < 4 || b->times[0] == scores_of->times[0] || (b->shape[0] == 1 && !b->times[0]) ? 0 : b->shape[0];
}

/* Scores [N,H,L,S] as [N / turns, turns, H, L, S], which a bias or mask [turns, H or 1, L, S] spreads over; and back. */
static const char *in_turns(cli_graph *g, const char *s, const cli_value *q, const cli_value *k, int64_t n) {
    return n ? cli_graph_node(g, "Reshape", NULL, 2, s, cli_graph_ints(g, 5, (int64_t[]){-1, n, q->shape[1], q->shape[2], k->shape[2]})) : s;
}
static const char *in_line(cli_graph *g, const char *s, const cli_value *q, const cli_value *k, int64_t n) {
    return n ? cli_graph_node(g, "Reshape", NULL, 2, s, cli_graph_ints(g, 4, (int64_t[]){-1, q->shape[1], q->shape[2], k->shape[2]})) : s;
}

static const char *reshaped(cli_graph *g, const char *x, int n, const int64_t *shape) { return cli_graph_node(g, "Reshape", NULL, 2, x, cli_graph_ints(g, n, shape)); }

static const char *sliced(cli_graph *g, const char *x, int64_t axis, int64_t from, int64_t to) {
    return cli_graph_node(g, "Slice", NULL, 4, x, cli_graph_ints(g, 1, &from), cli_graph_ints(g, 1, &to), cli_graph_ints(g, 1, &axis));
}

/* r [H,P], P = L + S - 1, as r[s - l + L - 1] [H,L,S]: rows of P - 1 numbers of r over and over, from L - 1 on. */
static const char *by_distance(cli_graph *g, const char *r, int64_t h, int64_t l, int64_t s) {
    int64_t p = l + s - 1;
    if (l == 1) return reshaped(g, r, 3, (int64_t[]){h, 1, s});
    const char *x = cli_graph_node(g, "Expand", NULL, 2, reshaped(g, r, 3, (int64_t[]){h, 1, p}), cli_graph_ints(g, 3, (int64_t[]){h, l, p}));
    x = sliced(g, reshaped(g, x, 2, (int64_t[]){h, l * p}), 1, l - 1, l - 1 + l * (p - 1));
    return sliced(g, reshaped(g, x, 3, (int64_t[]){h, l, p - 1}), 2, 0, s);
}

static void attention(cli_graph *g, const cli_traced *c) {
    const lb_attend_params *p = c->params;
    const cli_value *q = value(g, c->in[0]), *k = value(g, c->in[1]), *y = value(g, c->out[0]);
    const char *bias = in(g, c, 3), *mask = in(g, c, 4), *relative = in(g, c, 5);
    if (q->shape[1] != k->shape[1]) refuse(g, c, "grouped heads");
    int64_t biases = bias ? turns(value(g, c->in[3]), q) : 0, masks = mask ? turns(value(g, c->in[4]), q) : 0;
    if (g->st != LB_OK) return;
    const char *s = cli_graph_node(g, "Mul", NULL, 2, in(g, c, 0), cli_graph_real(g, p->scale));
    s = cli_graph_node(g, "MatMul", NULL, 2, s, turned(g, in(g, c, 1), 4));
    if (p->softcap > 0) {
        s = cli_graph_node(g, "Tanh", NULL, 1, cli_graph_node(g, "Div", NULL, 2, s, cli_graph_real(g, p->softcap)));
        s = cli_graph_node(g, "Mul", NULL, 2, s, cli_graph_real(g, p->softcap));
    }
    if (bias) s = in_line(g, cli_graph_node(g, "Add", NULL, 2, in_turns(g, s, q, k, biases), bias), q, k, biases);
    if (relative) s = cli_graph_node(g, "Add", NULL, 2, s, by_distance(g, relative, value(g, c->in[5])->shape[0], q->shape[2], k->shape[2]));
    if (mask) s = in_line(g, cli_graph_node(g, "Where", NULL, 3, cast(g, mask, NULL, ONNX_BOOL), in_turns(g, s, q, k, masks), cli_graph_real(g, HIDDEN)), q, k, masks);
    const char *seen = rule(g, p, q->shape[2], k->shape[2]);
    if (seen) s = cli_graph_node(g, "Add", NULL, 2, s, seen);
    s = cli_graph_node(g, "Softmax", NULL, 1, s);
    lb_onnx_file_int(g->onnx, "axis", -1);
    s = cli_graph_node(g, "MatMul", p->merge ? NULL : out(g, c), 2, s, in(g, c, 2));
    if (p->merge && y->rank == 3) cli_graph_node(g, "Reshape", out(g, c), 2, transpose(g, s, NULL, 4, (int64_t[]){0, 2, 1, 3}), cli_graph_shape(g, c->out[0], true));
}

/* ---- shapes ---- */

static void reshape(cli_graph *g, const cli_traced *c) { cli_graph_node(g, "Reshape", out(g, c), 2, in(g, c, 0), cli_graph_shape(g, c->out[0], true)); }
static void expand(cli_graph *g, const cli_traced *c) { cli_graph_node(g, "Expand", out(g, c), 2, in(g, c, 0), cli_graph_shape(g, c->out[0], false)); }

static void permute(cli_graph *g, const cli_traced *c) {
    const lb_permute_params *p = c->params;
    int64_t perm[LB_MAX_RANK];
    int n = rank(g, c);
    for (int d = 0; d < n; d++) perm[d] = from_front(p->order[d], n);
    transpose(g, in(g, c, 0), out(g, c), n, perm);
}

static void swap(cli_graph *g, const cli_traced *c) {
    const lb_transpose_params *p = c->params;
    int64_t perm[LB_MAX_RANK];
    int n = rank(g, c), a = from_front(p->a, n), b = from_front(p->b, n);
    for (int d = 0; d < n; d++) perm[d] = d == a ? b : d == b ? a : d;
    transpose(g, in(g, c, 0), out(g, c), n, perm);
}

static void slice(cli_graph *g, const cli_traced *c) {
    const lb_slice_params *p = c->params;
    int64_t axis = from_front(p->axis, rank(g, c)), step = p->step ? p->step : 1;
    cli_graph_node(g, "Slice", out(g, c), 5, in(g, c, 0), cli_graph_ints(g, 1, &p->start), cli_graph_ints(g, 1, &p->stop), cli_graph_ints(g, 1, &axis), cli_graph_ints(g, 1, &step));
}

/* [N,L,(h + 2 g) D] to [N,h,L,D], [N,g,L,D], [N,g,L,D]; the batch stays free. */
static void split_heads(cli_graph *g, const cli_traced *c) {
    const cli_value *x = value(g, c->in[0]);
    for (int64_t k = 0, from = 0; k < 3; k++) {
        const cli_value *y = value(g, c->out[k]);
        int64_t heads = y->shape[1], width = y->shape[3];
        const char *part = sliced(g, in(g, c, 0), 2, from, from + heads * width);
        transpose(g, reshaped(g, part, 4, (int64_t[]){-1, x->shape[1], heads, width}), cli_graph_value(g, c->out[k]), 4, (int64_t[]){0, 2, 1, 3});
        from += heads * width;
    }
}

static void concat(cli_graph *g, const cli_traced *c) {
    const lb_axis_params *p = c->params;
    const char *parts[LB_OP_MAX_IN], *y = out(g, c);
    int n = 0;
    for (int i = 0; i < c->nin; i++)
        if (c->in[i] >= 0) parts[n++] = in(g, c, i);
    lb_onnx_file_node(g->onnx, "Concat", n, parts, 1, &y);
    lb_onnx_file_int(g->onnx, "axis", from_front(p->axis, rank(g, c)));
}

static void pad(cli_graph *g, const cli_traced *c) {
    static const char *const modes[] = {"constant", "reflect", "edge"};
    const lb_pad_params *p = c->params;
    int64_t pads[2 * LB_MAX_RANK];
    int n = rank(g, c);
    if (p->mode > LB_PAD_REPLICATE) {
        refuse(g, c, "the other side around it");
        return;
    }
    for (int d = 0; d < n; d++) {
        pads[d] = p->before[d];
        pads[n + d] = p->after[d];
    }
    cli_graph_node(g, "Pad", out(g, c), 3, in(g, c, 0), cli_graph_ints(g, 2 * n, pads), cli_graph_real(g, p->value));
    lb_onnx_file_text(g->onnx, "mode", modes[p->mode]);
}

static void embedding(cli_graph *g, const cli_traced *c) {
    cli_graph_node(g, "Gather", out(g, c), 2, in(g, c, 0), in(g, c, 1));
    lb_onnx_file_int(g->onnx, "axis", 0);
}

static void pick(cli_graph *g, const cli_traced *c) {
    const lb_axis_params *p = c->params;
    cli_graph_node(g, strcmp(c->op->id, "gather") == 0 ? "GatherElements" : "Gather", out(g, c), 2, in(g, c, 0), in(g, c, 1));
    lb_onnx_file_int(g->onnx, "axis", p->axis);
}

/* ---- reductions, numbers, choices ---- */

static void over(cli_graph *g, const cli_traced *c) {
    const lb_over_params *p = c->params;
    const char *id = c->op->id, *x = in(g, c, 0);
    int64_t axes[LB_MAX_RANK];
    int n = rank(g, c), first = p->count ? from_front(p->first, n) : 0, count = p->count ? p->count : n;
    for (int i = 0; i < count; i++) axes[i] = first + i;
    bool sum = strcmp(id, "sum") == 0;
    const char *op = sum ? "ReduceSum" : strcmp(id, "mean") == 0 ? "ReduceMean" : strcmp(id, "amax") == 0 ? "ReduceMax" : "ReduceMin";
    cli_graph_node(g, op, out(g, c), sum ? 2 : 1, x, sum ? cli_graph_ints(g, count, axes) : NULL);
    if (!sum) lb_onnx_file_ints(g->onnx, "axes", count, axes);
    lb_onnx_file_int(g->onnx, "keepdims", p->keep);
}

static void norm(cli_graph *g, const cli_traced *c) {
    const lb_norm_params *p = c->params;
    int64_t axes[LB_MAX_RANK];
    int n = rank(g, c), first = p->over.count ? from_front(p->over.first, n) : 0, count = p->over.count ? p->over.count : n;
    if (p->p != 1 && p->p != 2) refuse(g, c, "a power that is not 1 or 2");
    for (int i = 0; i < count; i++) axes[i] = first + i;
    cli_graph_node(g, p->p == 1 ? "ReduceL1" : "ReduceL2", out(g, c), 1, in(g, c, 0));
    lb_onnx_file_ints(g->onnx, "axes", count, axes);
    lb_onnx_file_int(g->onnx, "keepdims", p->over.keep);
}

static void argmax(cli_graph *g, const cli_traced *c) {
    const lb_over_params *p = c->params;
    if (p->count != 1) refuse(g, c, "several axes");
    cli_graph_node(g, "ArgMax", out(g, c), 1, in(g, c, 0));
    lb_onnx_file_int(g->onnx, "axis", from_front(p->first, rank(g, c)));
    lb_onnx_file_int(g->onnx, "keepdims", p->keep);
}

static void cumsum(cli_graph *g, const cli_traced *c) {
    const lb_running_params *p = c->params;
    cli_graph_node(g, "CumSum", out(g, c), 2, in(g, c, 0), cli_graph_ints(g, 1, (int64_t[]){from_front(p->axis, rank(g, c))}));
    lb_onnx_file_int(g->onnx, "reverse", p->reverse);
}

/* How many of the row [...,1,N] are below x [...,M,1]. */
static void searchsorted(cli_graph *g, const cli_traced *c) {
    const lb_searchsorted_params *p = c->params;
    const char *row = cli_graph_node(g, "Unsqueeze", NULL, 2, in(g, c, 0), cli_graph_ints(g, 1, (int64_t[]){-2})),
               *x = cli_graph_node(g, "Unsqueeze", NULL, 2, in(g, c, 1), cli_graph_ints(g, 1, (int64_t[]){-1}));
    const char *below = cast(g, cli_graph_node(g, p->after ? "LessOrEqual" : "Less", NULL, 2, row, x), NULL, ONNX_I64);
    cli_graph_node(g, "ReduceSum", out(g, c), 2, below, cli_graph_ints(g, 1, (int64_t[]){-1}));
    lb_onnx_file_int(g->onnx, "keepdims", 0);
}

static void with_number(cli_graph *g, const cli_traced *c) {
    const lb_number_params *p = c->params;
    cli_graph_node(g, strcmp(c->op->id, "scale") == 0 ? "Mul" : "Add", out(g, c), 2, in(g, c, 0), cli_graph_real(g, (double)p->s));
}

static void clamp(cli_graph *g, const cli_traced *c) {
    const lb_clamp_params *p = c->params;
    cli_graph_node(g, "Clip", out(g, c), 3, in(g, c, 0), cli_graph_real(g, (double)p->lo), cli_graph_real(g, (double)p->hi));
}

static void square(cli_graph *g, const cli_traced *c) { cli_graph_node(g, "Mul", out(g, c), 2, in(g, c, 0), in(g, c, 0)); }
static void rsqrt(cli_graph *g, const cli_traced *c) { cli_graph_node(g, "Reciprocal", out(g, c), 1, cli_graph_node(g, "Sqrt", NULL, 1, in(g, c, 0))); }
static void to_real(cli_graph *g, const cli_traced *c) { cast(g, in(g, c, 0), out(g, c), ONNX_F32); }

static void masked_fill(cli_graph *g, const cli_traced *c) {
    const lb_fill_params *p = c->params;
    cli_graph_node(g, "Where", out(g, c), 3, cast(g, in(g, c, 1), NULL, ONNX_BOOL), cli_graph_real(g, (double)p->value), in(g, c, 0));
}

static void choose(cli_graph *g, const cli_traced *c) { cli_graph_node(g, "Where", out(g, c), 3, cast(g, in(g, c, 0), NULL, ONNX_BOOL), in(g, c, 1), in(g, c, 2)); }

static void compare(cli_graph *g, const cli_traced *c) {
    const char *id = c->op->id, *op = id[0] == 'g' ? (id[1] == 'e' ? "GreaterOrEqual" : "Greater") : id[0] == 'l' ? (id[1] == 'e' ? "LessOrEqual" : "Less") : "Equal";
    const char *y = cli_graph_node(g, op, NULL, 2, in(g, c, 0), in(g, c, 1));
    if (strcmp(id, "ne") == 0) y = cli_graph_node(g, "Not", NULL, 1, y);
    cast(g, y, out(g, c), value(g, c->out[0])->dtype == LB_I64 ? ONNX_I64 : ONNX_F32);
}

/* ---- the table ---- */

static const struct {
    const char *id;
    int inputs; /* that are written; a call with more is refused */
    void (*write)(cli_graph *g, const cli_traced *c);
} ops[] = {
    {"adaptive_avg_pool", 1, adaptive_avg_pool},
    {"add_scalar", 1, with_number},
    {"amax", 1, over},
    {"amin", 1, over},
    {"argmax", 1, argmax},
    {"attention", 6, attention},
    {"channel_affine", 3, channel_affine},
    {"channel_norm", 3, channel_norm},
    {"clamp", 1, clamp},
    {"concat", 10, concat},
    {"conv2d", 5, conv2d},
    {"cumsum", 1, cumsum},
    {"embedding", 2, embedding},
    {"eq", 2, compare},
    {"expand", 1, expand},
    {"gather", 2, pick},
    {"ge", 2, compare},
    {"gt", 2, compare},
    {"index_select", 2, pick},
    {"layer_norm", 3, layer_norm},
    {"le", 2, compare},
    {"linear", 3, linear},
    {"log_softmax", 1, softmax},
    {"lt", 2, compare},
    {"masked_fill", 2, masked_fill},
    {"matmul", 2, matmul},
    {"max_pool", 1, max_pool},
    {"mean", 1, over},
    {"ne", 2, compare},
    {"norm", 1, norm},
    {"normalize", 1, normalize},
    {"pad", 1, pad},
    {"permute", 1, permute},
    {"reshape", 1, reshape},
    {"rms_norm", 2, rms_norm},
    {"rsqrt", 1, rsqrt},
    {"scale", 1, with_number},
    {"searchsorted", 2, searchsorted},
    {"select", 3, choose},
    {"slice", 1, slice},
    {"softmax", 1, softmax},
    {"split_heads", 1, split_heads},
    {"square", 1, square},
    {"sum", 1, over},
    {"to_real", 1, to_real},
    {"transpose", 1, swap},
    {"view", 1, reshape},
};

/* Inputs that an op has and nobody here writes would be missing in silence. */
static bool within(cli_graph *g, const cli_traced *c, int inputs) {
    for (int i = inputs; i < c->nin; i++)
        if (c->in[i] >= 0) {
            refuse(g, c, "inputs");
            return false;
        }
    return true;
}

void cli_export_call(cli_graph *g, const cli_traced *c) {
    for (size_t i = 0; i < LB_COUNT(ops); i++)
        if (strcmp(ops[i].id, c->op->id) == 0) {
            if (within(g, c, ops[i].inputs)) ops[i].write(g, c);
            return;
        }
    for (size_t i = 0; i < LB_COUNT(activations); i++)
        if (strcmp(activations[i].id, c->op->id) == 0 && within(g, c, 1)) {
            (void)activate(g, in(g, c, 0), activations[i].act, out(g, c));
            return;
        }
    for (size_t i = 0; i < LB_COUNT(same); i++)
        if (strcmp(same[i][0], c->op->id) == 0 && within(g, c, 2)) {
            (void)cli_graph_node(g, same[i][1], out(g, c), c->nin > 1 && c->in[1] >= 0 ? 2 : 1, in(g, c, 0), in(g, c, 1));
            return;
        }
    refuse(g, c, "");
}
