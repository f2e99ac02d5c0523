/* SPDX-License-Identifier: Apache-2.0 */
/* What each op is in ONNX's operators: arithmetic, norms, shapes, choices, and the table. */
#include <string.h>
#include "cli/export_ops.h"

void cli_node_refuse(cli_graph *g, const cli_traced *c, const char *what) {
    if (g->st == LB_OK) g->st = lb_fail(LB_E_UNSUPPORTED, "export: op '%s'%s%s has no counterpart in ONNX that is written here", c->op->id,
                                       *what ? " with " : "", what);
}

const char *cli_node_transpose(cli_graph *g, const char *x, const char *to, int n, const int64_t *perm) {
    const char *y = cli_graph_node(g, "Transpose", to, 1, x);
    lb_onnx_file_ints(g->onnx, "perm", n, perm);
    return y;
}

/* The last two axes of a value of n axes changed places. */
const char *cli_node_turned(cli_graph *g, const char *x, int n) {
    int64_t perm[LB_MAX_RANK];
    for (int d = 0; d < n; d++) perm[d] = d;
    perm[n - 1] = n - 2;
    perm[n - 2] = n - 1;
    return cli_node_transpose(g, x, NULL, n, perm);
}

const char *cli_node_cast(cli_graph *g, const char *x, const char *to, int type) {
    const char *y = cli_graph_node(g, "Cast", to, 1, x);
    lb_onnx_file_int(g->onnx, "to", type);
    return y;
}

const char *cli_node_reshaped(cli_graph *g, const char *x, int n, const int64_t *shape) {
    return cli_graph_node(g, "Reshape", NULL, 2, x, cli_graph_ints(g, n, shape));
}

const char *cli_node_sliced(cli_graph *g, const char *x, int64_t axis, int64_t from, int64_t to, int64_t step) {
    const char *first = cli_graph_ints(g, 1, &from), *end = cli_graph_ints(g, 1, &to), *along = cli_graph_ints(g, 1, &axis);
    return cli_graph_node(g, "Slice", NULL, 5, x, first, end, along, cli_graph_ints(g, 1, &step));
}

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

const char *cli_node_activate(cli_graph *g, const char *x, lb_act act, const char *to) {
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
    const lb_linear_params *p = c->params;
    const char *x = cli_node_in(g, c, 0), *w = cli_node_in(g, c, 1), *b = cli_node_in(g, c, 2), *last = p->act ? NULL : cli_node_out(g, c), *y;
    if (cli_node_rank(g, c) == 2) {
        y = cli_graph_node(g, "Gemm", last, b ? 3 : 2, x, w, b);
        lb_onnx_file_int(g->onnx, "transB", 1);
    } else {
        y = cli_graph_node(g, "MatMul", b ? NULL : last, 2, x, cli_node_turned(g, w, 2));
        if (b) y = cli_graph_node(g, "Add", last, 2, y, b);
    }
    if (p->act) cli_node_activate(g, y, p->act, cli_node_out(g, c));
}

static void matmul(cli_graph *g, const cli_traced *c) {
    const lb_matmul_params *p = c->params;
    const char *a = cli_node_in(g, c, 0), *b = cli_node_in(g, c, 1);
    if (p->trans_a) a = cli_node_turned(g, a, cli_node_value(g, c->in[0])->rank);
    if (p->trans_b) b = cli_node_turned(g, b, cli_node_value(g, c->in[1])->rank);
    cli_graph_node(g, "MatMul", cli_node_out(g, c), 2, a, b);
}

/* ---- norms ---- */

/* [n], the same number everywhere. */
static const char *filled(cli_graph *g, int64_t n, double x) { return cli_graph_node(g, "Expand", NULL, 2, cli_graph_real(g, x), cli_graph_ints(g, 1, &n)); }

static const char *layer_norm_of(cli_graph *g, const cli_traced *c, const char *x, int64_t width, const char *to) {
    const lb_eps_params *p = c->params;
    const char *gamma = cli_node_in(g, c, 1), *beta = cli_node_in(g, c, 2);
    if (!gamma) gamma = filled(g, width, 1);
    const char *y = cli_graph_node(g, "LayerNormalization", to, beta ? 3 : 2, x, gamma, beta);
    lb_onnx_file_int(g->onnx, "axis", -1);
    lb_onnx_file_real(g->onnx, "epsilon", p->eps);
    return y;
}

static void layer_norm(cli_graph *g, const cli_traced *c) {
    const cli_value *x = cli_node_value(g, c->in[0]);
    layer_norm_of(g, c, cli_node_in(g, c, 0), x->shape[x->rank - 1], cli_node_out(g, c));
}

/* Channels, the second axis, are brought to the end and back. */
static void channel_norm(cli_graph *g, const cli_traced *c) {
    const cli_value *x = cli_node_value(g, c->in[0]);
    int64_t there[LB_MAX_RANK] = {0}, back[LB_MAX_RANK] = {0};
    for (int d = 1; d + 1 < x->rank; d++) there[d] = d + 1;
    for (int d = 2; d < x->rank; d++) back[d] = d - 1;
    there[x->rank - 1] = 1;
    back[1] = x->rank - 1;
    const char *y = layer_norm_of(g, c, cli_node_transpose(g, cli_node_in(g, c, 0), NULL, x->rank, there), x->shape[1], NULL);
    cli_node_transpose(g, y, cli_node_out(g, c), x->rank, back);
}

static void rms_norm(cli_graph *g, const cli_traced *c) {
    const lb_eps_params *p = c->params;
    const char *x = cli_node_in(g, c, 0), *gamma = cli_node_in(g, c, 1);
    const char *mean = cli_graph_node(g, "ReduceMean", NULL, 1, cli_graph_node(g, "Mul", NULL, 2, x, x));
    lb_onnx_file_ints(g->onnx, "axes", 1, (int64_t[]){-1});
    const char *root = cli_graph_node(g, "Sqrt", NULL, 1, cli_graph_node(g, "Add", NULL, 2, mean, cli_graph_real(g, p->eps)));
    const char *y = cli_graph_node(g, "Div", gamma ? NULL : cli_node_out(g, c), 2, x, root);
    if (gamma) cli_graph_node(g, "Mul", cli_node_out(g, c), 2, y, gamma);
}

static void normalize(cli_graph *g, const cli_traced *c) {
    const lb_normalize_params *p = c->params;
    const char *x = cli_node_in(g, c, 0), *norm = cli_graph_node(g, p->p == 1 ? "ReduceL1" : "ReduceL2", NULL, 1, x);
    lb_onnx_file_ints(g->onnx, "axes", 1, (int64_t[]){p->axis});
    cli_graph_node(g, "Div", cli_node_out(g, c), 2, x, cli_graph_node(g, "Max", NULL, 2, norm, cli_graph_real(g, p->eps)));
}

static const char *per_channel(cli_graph *g, const cli_traced *c, int i) {
    int64_t shape[LB_MAX_RANK] = {cli_node_value(g, c->in[i])->shape[0], 1, 1, 1, 1, 1, 1, 1};
    return cli_graph_node(g, "Reshape", NULL, 2, cli_node_in(g, c, i), cli_graph_ints(g, cli_node_rank(g, c) - 1, shape));
}

static void channel_affine(cli_graph *g, const cli_traced *c) {
    const lb_act_params *p = c->params;
    const char *y = cli_graph_node(g, "Mul", NULL, 2, cli_node_in(g, c, 0), per_channel(g, c, 1));
    y = cli_graph_node(g, "Add", p->act ? NULL : cli_node_out(g, c), 2, y, per_channel(g, c, 2));
    if (p->act) cli_node_activate(g, y, p->act, cli_node_out(g, c));
}

/* A group is a channel of an instance norm, its numbers in a line; factors and biases of the channels come behind. */
static void group_norm(cli_graph *g, const cli_traced *c) {
    const lb_groups_params *p = c->params;
    const char *x = cli_node_reshaped(g, cli_node_in(g, c, 0), 3, (int64_t[]){0, p->groups, -1}), *gamma = cli_node_in(g, c, 1), *beta = cli_node_in(g, c, 2);
    x = cli_graph_node(g, "InstanceNormalization", NULL, 3, x, filled(g, p->groups, 1), filled(g, p->groups, 0));
    lb_onnx_file_real(g->onnx, "epsilon", p->eps);
    x = cli_graph_node(g, "Reshape", gamma || beta ? NULL : cli_node_out(g, c), 2, x, cli_graph_shape(g, c->out[0], true));
    if (gamma) x = cli_graph_node(g, "Mul", beta ? NULL : cli_node_out(g, c), 2, x, per_channel(g, c, 1));
    if (beta) cli_graph_node(g, "Add", cli_node_out(g, c), 2, x, per_channel(g, c, 2));
}

static void softmax(cli_graph *g, const cli_traced *c) {
    const lb_axis_params *p = c->params;
    cli_graph_node(g, strcmp(c->op->id, "softmax") == 0 ? "Softmax" : "LogSoftmax", cli_node_out(g, c), 1, cli_node_in(g, c, 0));
    lb_onnx_file_int(g->onnx, "axis", p->axis);
}

/* ---- shapes ---- */

static void reshape(cli_graph *g, const cli_traced *c) {
    cli_graph_node(g, "Reshape", cli_node_out(g, c), 2, cli_node_in(g, c, 0), cli_graph_shape(g, c->out[0], true));
}
static void expand(cli_graph *g, const cli_traced *c) {
    cli_graph_node(g, "Expand", cli_node_out(g, c), 2, cli_node_in(g, c, 0), cli_graph_shape(g, c->out[0], false));
}

static void permute(cli_graph *g, const cli_traced *c) {
    const lb_permute_params *p = c->params;
    int64_t perm[LB_MAX_RANK];
    int n = cli_node_rank(g, c);
    for (int d = 0; d < n; d++) perm[d] = cli_node_from_front(p->order[d], n);
    cli_node_transpose(g, cli_node_in(g, c, 0), cli_node_out(g, c), n, perm);
}

static void swap(cli_graph *g, const cli_traced *c) {
    const lb_transpose_params *p = c->params;
    int64_t perm[LB_MAX_RANK];
    int n = cli_node_rank(g, c), a = cli_node_from_front(p->a, n), b = cli_node_from_front(p->b, n);
    for (int d = 0; d < n; d++) perm[d] = d == a ? b : d == b ? a : d;
    cli_node_transpose(g, cli_node_in(g, c, 0), cli_node_out(g, c), n, perm);
}

static void slice(cli_graph *g, const cli_traced *c) {
    const lb_slice_params *p = c->params;
    int64_t axis = cli_node_from_front(p->axis, cli_node_rank(g, c)), step = p->step ? p->step : 1;
    const char *first = cli_graph_ints(g, 1, &p->start), *end = cli_graph_ints(g, 1, &p->stop), *along = cli_graph_ints(g, 1, &axis);
    cli_graph_node(g, "Slice", cli_node_out(g, c), 5, cli_node_in(g, c, 0), first, end, along, cli_graph_ints(g, 1, &step));
}

static void concat(cli_graph *g, const cli_traced *c) {
    const lb_axis_params *p = c->params;
    const char *parts[LB_OP_MAX_IN], *y = cli_node_out(g, c);
    int n = 0;
    for (int i = 0; i < c->nin; i++)
        if (c->in[i] >= 0) parts[n++] = cli_node_in(g, c, i);
    lb_onnx_file_node(g->onnx, "Concat", n, parts, 1, &y);
    lb_onnx_file_int(g->onnx, "axis", cli_node_from_front(p->axis, cli_node_rank(g, c)));
}

static void pad(cli_graph *g, const cli_traced *c) {
    static const char *const modes[] = {"constant", "reflect", "edge"};
    const lb_pad_params *p = c->params;
    int64_t pads[2 * LB_MAX_RANK];
    int n = cli_node_rank(g, c);
    if (p->mode > LB_PAD_REPLICATE) {
        cli_node_refuse(g, c, "the other side around it");
        return;
    }
    for (int d = 0; d < n; d++) {
        pads[d] = p->before[d];
        pads[n + d] = p->after[d];
    }
    cli_graph_node(g, "Pad", cli_node_out(g, c), 3, cli_node_in(g, c, 0), cli_graph_ints(g, 2 * n, pads), cli_graph_real(g, p->value));
    lb_onnx_file_text(g->onnx, "mode", modes[p->mode]);
}

static void embedding(cli_graph *g, const cli_traced *c) {
    cli_graph_node(g, "Gather", cli_node_out(g, c), 2, cli_node_in(g, c, 0), cli_node_in(g, c, 1));
    lb_onnx_file_int(g->onnx, "axis", 0);
}

static void pick(cli_graph *g, const cli_traced *c) {
    const lb_axis_params *p = c->params;
    cli_graph_node(g, strcmp(c->op->id, "gather") == 0 ? "GatherElements" : "Gather", cli_node_out(g, c), 2, cli_node_in(g, c, 0), cli_node_in(g, c, 1));
    lb_onnx_file_int(g->onnx, "axis", p->axis);
}

/* ---- reductions, numbers, choices ---- */

static void over(cli_graph *g, const cli_traced *c) {
    const lb_over_params *p = c->params;
    const char *id = c->op->id, *x = cli_node_in(g, c, 0);
    int64_t axes[LB_MAX_RANK];
    int n = cli_node_rank(g, c), first = p->count ? cli_node_from_front(p->first, n) : 0, last = p->count ? first + p->count : n, count = 0;
    for (int i = 0; i < n; i++)
        if (p->apart ? p->apart >> i & 1 : i >= first && i < last) axes[count++] = i;
    bool sum = strcmp(id, "sum") == 0;
    const char *op = sum ? "ReduceSum" : strcmp(id, "mean") == 0 ? "ReduceMean" : strcmp(id, "amin") == 0 ? "ReduceMin" : "ReduceMax";
    cli_graph_node(g, op, cli_node_out(g, c), sum ? 2 : 1, x, sum ? cli_graph_ints(g, count, axes) : NULL);
    if (!sum) lb_onnx_file_ints(g->onnx, "axes", count, axes);
    lb_onnx_file_int(g->onnx, "keepdims", p->keep);
}

static void norm(cli_graph *g, const cli_traced *c) {
    const lb_norm_params *p = c->params;
    int64_t axes[LB_MAX_RANK];
    int n = cli_node_rank(g, c), first = p->over.count ? cli_node_from_front(p->over.first, n) : 0, count = p->over.count ? p->over.count : n;
    if (p->p != 1 && p->p != 2) cli_node_refuse(g, c, "a power that is not 1 or 2");
    for (int i = 0; i < count; i++) axes[i] = first + i;
    cli_graph_node(g, p->p == 1 ? "ReduceL1" : "ReduceL2", cli_node_out(g, c), 1, cli_node_in(g, c, 0));
    lb_onnx_file_ints(g->onnx, "axes", count, axes);
    lb_onnx_file_int(g->onnx, "keepdims", p->over.keep);
}

static void argmax(cli_graph *g, const cli_traced *c) {
    const lb_over_params *p = c->params;
    if (p->count != 1) cli_node_refuse(g, c, "several axes");
    cli_graph_node(g, "ArgMax", cli_node_out(g, c), 1, cli_node_in(g, c, 0));
    lb_onnx_file_int(g->onnx, "axis", cli_node_from_front(p->first, cli_node_rank(g, c)));
    lb_onnx_file_int(g->onnx, "keepdims", p->keep);
}

static void cumsum(cli_graph *g, const cli_traced *c) {
    const lb_running_params *p = c->params;
    cli_graph_node(g, "CumSum", cli_node_out(g, c), 2, cli_node_in(g, c, 0), cli_graph_ints(g, 1, (int64_t[]){cli_node_from_front(p->axis, cli_node_rank(g, c))}));
    lb_onnx_file_int(g->onnx, "reverse", p->reverse);
}

/* How many of the row [...,1,N] are below x [...,M,1]. */
static void searchsorted(cli_graph *g, const cli_traced *c) {
    const lb_searchsorted_params *p = c->params;
    const char *row = cli_graph_node(g, "Unsqueeze", NULL, 2, cli_node_in(g, c, 0), cli_graph_ints(g, 1, (int64_t[]){-2})),
               *x = cli_graph_node(g, "Unsqueeze", NULL, 2, cli_node_in(g, c, 1), cli_graph_ints(g, 1, (int64_t[]){-1}));
    const char *below = cli_node_cast(g, cli_graph_node(g, p->after ? "LessOrEqual" : "Less", NULL, 2, row, x), NULL, CLI_ONNX_I64);
    cli_graph_node(g, "ReduceSum", cli_node_out(g, c), 2, below, cli_graph_ints(g, 1, (int64_t[]){-1}));
    lb_onnx_file_int(g->onnx, "keepdims", 0);
}

static void with_number(cli_graph *g, const cli_traced *c) {
    const lb_number_params *p = c->params;
    cli_graph_node(g, strcmp(c->op->id, "scale") == 0 ? "Mul" : "Add", cli_node_out(g, c), 2, cli_node_in(g, c, 0), cli_graph_real(g, (double)p->s));
}

static void clamp(cli_graph *g, const cli_traced *c) {
    const lb_clamp_params *p = c->params;
    cli_graph_node(g, "Clip", cli_node_out(g, c), 3, cli_node_in(g, c, 0), cli_graph_real(g, (double)p->lo), cli_graph_real(g, (double)p->hi));
}

static void square(cli_graph *g, const cli_traced *c) { cli_graph_node(g, "Mul", cli_node_out(g, c), 2, cli_node_in(g, c, 0), cli_node_in(g, c, 0)); }
static void rsqrt(cli_graph *g, const cli_traced *c) { cli_graph_node(g, "Reciprocal", cli_node_out(g, c), 1, cli_graph_node(g, "Sqrt", NULL, 1, cli_node_in(g, c, 0))); }
static void to_real(cli_graph *g, const cli_traced *c) { cli_node_cast(g, cli_node_in(g, c, 0), cli_node_out(g, c), CLI_ONNX_F32); }

static void masked_fill(cli_graph *g, const cli_traced *c) {
    const lb_fill_params *p = c->params;
    cli_graph_node(g, "Where", cli_node_out(g, c), 3, cli_node_cast(g, cli_node_in(g, c, 1), NULL, CLI_ONNX_BOOL), cli_graph_real(g, (double)p->value), cli_node_in(g, c, 0));
}

static void choose(cli_graph *g, const cli_traced *c) { cli_graph_node(g, "Where", cli_node_out(g, c), 3, cli_node_cast(g, cli_node_in(g, c, 0), NULL, CLI_ONNX_BOOL), cli_node_in(g, c, 1), cli_node_in(g, c, 2)); }

static void compare(cli_graph *g, const cli_traced *c) {
    const char *id = c->op->id, *op = id[0] == 'g' ? (id[1] == 'e' ? "GreaterOrEqual" : "Greater") : id[0] == 'l' ? (id[1] == 'e' ? "LessOrEqual" : "Less") : "Equal";
    const char *y = cli_graph_node(g, op, NULL, 2, cli_node_in(g, c, 0), cli_node_in(g, c, 1));
    if (strcmp(id, "ne") == 0) y = cli_graph_node(g, "Not", NULL, 1, y);
    cli_node_cast(g, y, cli_node_out(g, c), cli_node_value(g, c->out[0])->dtype == LB_I64 ? CLI_ONNX_I64 : CLI_ONNX_F32);
}

/* ---- the table ---- */

static const struct {
    const char *id;
    int inputs; /* that are written; a call with more is refused */
    void (*write)(cli_graph *g, const cli_traced *c);
    int outputs; /* likewise; 0 = the first */
} ops[] = {
    {"adaptive_avg_pool", 1, cli_export_adaptive_avg_pool},
    {"add_scalar", 1, with_number},
    {"amax", 1, over},
    {"amin", 1, over},
    {"argmax", 1, argmax},
    {"attention", 6, cli_export_attention},
    {"attention_map", 5, cli_export_attention_map},
    {"avg_pool", 1, cli_export_avg_pool},
    {"channel_affine", 3, channel_affine},
    {"channel_norm", 3, channel_norm},
    {"clamp", 1, clamp},
    {"concat", 10, concat},
    {"conv1d", 3, cli_export_conv1d},
    {"conv2d", 5, cli_export_conv2d},
    {"conv_transpose2d", 3, cli_export_conv_transpose2d},
    {"cumsum", 1, cumsum},
    {"embedding", 2, embedding},
    {"eq", 2, compare},
    {"expand", 1, expand},
    {"gather", 2, pick},
    {"ge", 2, compare},
    {"group_norm", 3, group_norm},
    {"gt", 2, compare},
    {"index_select", 2, pick},
    {"layer_norm", 3, layer_norm},
    {"le", 2, compare},
    {"linear", 3, linear},
    {"log_softmax", 1, softmax},
    {"lt", 2, compare},
    {"masked_fill", 2, masked_fill},
    {"matmul", 2, matmul},
    {"max", 1, over},
    {"max_pool", 1, cli_export_max_pool},
    {"mean", 1, over},
    {"ne", 2, compare},
    {"norm", 1, norm},
    {"normalize", 1, normalize},
    {"pad", 1, pad},
    {"permute", 1, permute},
    {"reshape", 1, reshape},
    {"resize", 1, cli_export_resize},
    {"rms_norm", 2, rms_norm},
    {"rotary", 3, cli_export_rotary},
    {"rsqrt", 1, rsqrt},
    {"scale", 1, with_number},
    {"searchsorted", 2, searchsorted},
    {"select", 3, choose},
    {"slice", 1, slice},
    {"softmax", 1, softmax},
    {"split_heads", 1, cli_export_split_heads, 3},
    {"square", 1, square},
    {"sum", 1, over},
    {"to_real", 1, to_real},
    {"transpose", 1, swap},
    {"view", 1, reshape},
};

static bool used(const cli_graph *g, int value) {
    for (int i = 0; i < g->trace->call_count; i++)
        for (int k = 0; k < g->trace->calls[i].nin; k++)
            if (g->trace->calls[i].in[k] == value) return true;
    return false;
}

/* Inputs and results that an op has and nobody here writes would be missing in silence. */
static bool within(cli_graph *g, const cli_traced *c, int inputs, int outputs) {
    bool more = false;
    for (int i = inputs; i < c->nin; i++) more = more || c->in[i] >= 0;
    for (int k = outputs ? outputs : 1; k < c->nout; k++) more = more || used(g, c->out[k]);
    if (more) cli_node_refuse(g, c, "more inputs or results");
    return !more;
}

void cli_export_call(cli_graph *g, const cli_traced *c) {
    for (size_t i = 0; i < LB_COUNT(ops); i++)
        if (strcmp(ops[i].id, c->op->id) == 0) {
            if (within(g, c, ops[i].inputs, ops[i].outputs)) ops[i].write(g, c);
            return;
        }
    for (size_t i = 0; i < LB_COUNT(activations); i++)
        if (strcmp(activations[i].id, c->op->id) == 0 && within(g, c, 1, 1)) {
            (void)cli_node_activate(g, cli_node_in(g, c, 0), activations[i].act, cli_node_out(g, c));
            return;
        }
    for (size_t i = 0; i < LB_COUNT(same); i++)
        if (strcmp(same[i][0], c->op->id) == 0 && within(g, c, 2, 1)) {
            (void)cli_graph_node(g, same[i][1], cli_node_out(g, c), c->nin > 1 && c->in[1] >= 0 ? 2 : 1, cli_node_in(g, c, 0), cli_node_in(g, c, 1));
            return;
        }
    cli_node_refuse(g, c, "");
}
