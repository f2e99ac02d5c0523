/* SPDX-License-Identifier: Apache-2.0 */
/* Export to ONNX of attention: scores with their biases and masks, heads, rotary positions. */
#include "cli/export_ops.h"

static const double HIDDEN = -1e30; /* a score that softmax makes 0 */

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

/* r [H,P], P = L + S - 1, as r[s - l + L - 1] [H,L,S]: rows of P - 1 numbers of r over and over, from L - 1 on. */
static const char *by_distance(cli_graph *g, const char *r, int64_t h, int64_t l, int64_t s) {
    int64_t p = l + s - 1;
    if (l == 1) return cli_node_reshaped(g, r, 3, (int64_t[]){h, 1, s});
    const char *x = cli_graph_node(g, "Expand", NULL, 2, cli_node_reshaped(g, r, 3, (int64_t[]){h, 1, p}), cli_graph_ints(g, 3, (int64_t[]){h, l, p}));
    x = cli_node_sliced(g, cli_node_reshaped(g, x, 2, (int64_t[]){h, l * p}), 1, l - 1, l - 1 + l * (p - 1), 1);
    return cli_node_sliced(g, cli_node_reshaped(g, x, 3, (int64_t[]){h, l, p - 1}), 2, 0, s, 1);
}

/* Keys or values [N,G,S,D] for H = r G heads, each G's head r times side by side. */
static const char *for_heads(cli_graph *g, const char *x, const cli_value *v, int64_t heads) {
    int64_t times = heads / v->shape[1];
    if (times == 1) return x;
    x = cli_node_reshaped(g, x, 5, (int64_t[]){-1, v->shape[1], 1, v->shape[2], v->shape[3]});
    x = cli_graph_node(g, "Expand", NULL, 2, x, cli_graph_ints(g, 5, (int64_t[]){1, 1, times, 1, 1}));
    return cli_node_reshaped(g, x, 4, (int64_t[]){-1, heads, v->shape[2], v->shape[3]});
}

/* The weights, [N,H,L,S]; bias, mask and relative positions are inputs `first`, ... of the call. */
static const char *weights(cli_graph *g, const cli_traced *c, int first, const char *to) {
    const lb_attend_params *p = c->params;
    const cli_value *q = cli_node_value(g, c->in[0]), *k = cli_node_value(g, c->in[1]);
    const char *bias = cli_node_in(g, c, first), *mask = cli_node_in(g, c, first + 1), *relative = cli_node_in(g, c, first + 2);
    int64_t biases = bias ? turns(cli_node_value(g, c->in[first]), q) : 0, masks = mask ? turns(cli_node_value(g, c->in[first + 1]), q) : 0;
    const char *s = cli_graph_node(g, "Mul", NULL, 2, cli_node_in(g, c, 0), cli_graph_real(g, p->scale));
    s = cli_graph_node(g, "MatMul", NULL, 2, s, cli_node_turned(g, for_heads(g, cli_node_in(g, c, 1), k, q->shape[1]), 4));
    if (p->softcap > 0) {
        s = cli_graph_node(g, "Tanh", NULL, 1, cli_graph_node(g, "Div", NULL, 2, s, cli_graph_real(g, p->softcap)));
        s = cli_graph_node(g, "Mul", NULL, 2, s, cli_graph_real(g, p->softcap));
    }
    if (bias) s = in_line(g, cli_graph_node(g, "Add", NULL, 2, in_turns(g, s, q, k, biases), bias), q, k, biases);
    if (relative) s = cli_graph_node(g, "Add", NULL, 2, s, by_distance(g, relative, cli_node_value(g, c->in[first + 2])->shape[0], q->shape[2], k->shape[2]));
    if (mask) {
        mask = cli_node_cast(g, mask, NULL, CLI_ONNX_BOOL);
        s = in_line(g, cli_graph_node(g, "Where", NULL, 3, mask, in_turns(g, s, q, k, masks), cli_graph_real(g, HIDDEN)), q, k, masks);
    }
    const char *seen = rule(g, p, q->shape[2], k->shape[2]);
    if (seen) s = cli_graph_node(g, "Add", NULL, 2, s, seen);
    s = cli_graph_node(g, "Softmax", to, 1, s);
    lb_onnx_file_int(g->onnx, "axis", -1);
    return s;
}

void cli_export_attention(cli_graph *g, const cli_traced *c) {
    const lb_attend_params *p = c->params;
    const cli_value *q = cli_node_value(g, c->in[0]), *v = cli_node_value(g, c->in[2]), *y = cli_node_value(g, c->out[0]);
    const char *s = weights(g, c, 3, NULL);
    s = cli_graph_node(g, "MatMul", p->merge ? NULL : cli_node_out(g, c), 2, s, for_heads(g, cli_node_in(g, c, 2), v, q->shape[1]));
    if (p->merge && y->rank == 3)
        cli_graph_node(g, "Reshape", cli_node_out(g, c), 2, cli_node_transpose(g, s, NULL, 4, (int64_t[]){0, 2, 1, 3}), cli_graph_shape(g, c->out[0], true));
}

void cli_export_attention_map(cli_graph *g, const cli_traced *c) { weights(g, c, 2, cli_node_out(g, c)); }

/* [N,L,(h + 2 g) D] to [N,h,L,D], [N,g,L,D], [N,g,L,D]; the batch stays free. */
void cli_export_split_heads(cli_graph *g, const cli_traced *c) {
    const cli_value *x = cli_node_value(g, c->in[0]);
    for (int64_t k = 0, from = 0; k < 3; k++) {
        const cli_value *y = cli_node_value(g, c->out[k]);
        int64_t heads = y->shape[1], width = y->shape[3];
        const char *part = cli_node_sliced(g, cli_node_in(g, c, 0), 2, from, from + heads * width, 1);
        part = cli_node_reshaped(g, part, 4, (int64_t[]){-1, x->shape[1], heads, width});
        cli_node_transpose(g, part, cli_graph_value(g, c->out[k]), 4, (int64_t[]){0, 2, 1, 3});
        from += heads * width;
    }
}


/* Every pair (a, b) of the first 2P numbers turned: (a c - b s, a s + b c); pairs lie P apart or, interleaved, side by side. */
void cli_export_rotary(cli_graph *g, const cli_traced *c) {
    const lb_rotary_params *p = c->params;
    const cli_value *x = cli_node_value(g, c->in[0]), *table = cli_node_value(g, c->in[1]);
    int64_t pairs = table->shape[table->rank - 1], heads = x->shape[1], length = x->shape[2], width = x->shape[3];
    int64_t step = p->interleaved ? 2 : 1, apart = p->interleaved ? 1 : pairs;
    const char *from = cli_node_in(g, c, 0), *turn[2] = {cli_node_in(g, c, 1), cli_node_in(g, c, 2)}, *part[2], *parts[3], *y = cli_node_out(g, c);
    for (int k = 0; k < 2; k++) {
        if (table->rank == 3) turn[k] = cli_node_reshaped(g, turn[k], 4, (int64_t[]){-1, 1, length, pairs});
        part[k] = cli_node_sliced(g, from, 3, k * apart, k * apart + (pairs - 1) * step + 1, step);
    }
    parts[0] = cli_graph_node(g, "Sub", NULL, 2, cli_graph_node(g, "Mul", NULL, 2, part[0], turn[0]), cli_graph_node(g, "Mul", NULL, 2, part[1], turn[1]));
    parts[1] = cli_graph_node(g, "Add", NULL, 2, cli_graph_node(g, "Mul", NULL, 2, part[0], turn[1]), cli_graph_node(g, "Mul", NULL, 2, part[1], turn[0]));
    int n = 2;
    if (p->interleaved) {
        for (int k = 0; k < 2; k++) parts[k] = cli_node_reshaped(g, parts[k], 5, (int64_t[]){-1, heads, length, pairs, 1});
        const char *both = cli_graph_node(g, "Concat", NULL, 2, parts[0], parts[1]);
        lb_onnx_file_int(g->onnx, "axis", 4);
        parts[0] = cli_node_reshaped(g, both, 4, (int64_t[]){-1, heads, length, 2 * pairs});
        n = 1;
    }
    if (2 * pairs < width) parts[n++] = cli_node_sliced(g, from, 3, 2 * pairs, width, 1);
    lb_onnx_file_node(g->onnx, "Concat", n, parts, 1, &y);
    lb_onnx_file_int(g->onnx, "axis", 3);
}
