/* SPDX-License-Identifier: Apache-2.0 */
/* What exporters write out in small nodes: layer norm, GELU, SiLU, hard swish, attention. */
#include <math.h>
#include <string.h>
#include "onnx/fast.h"

static bool is(const onnx_node *n, const char *op) { return n && strcmp(n->op, op) == 0; }
static bool near(double a, double b) { return fabs(a - b) <= 1e-4 * fabs(b); }

/* The number that a Mul or Div node applies to v, as a factor. */
static bool factor(const onnx_fast *f, const onnx_node *n, int v, double *out) {
    if (is(n, "Mul")) return onnx_is_number(f, onnx_other(n, v), out);
    if (!is(n, "Div") || n->in[0] != v || !onnx_is_number(f, n->in[1], out)) return false;
    *out = 1 / *out;
    return true;
}

static void become_act(onnx_fast *f, onnx_node *n, lb_act act, int x, int out) {
    onnx_become(f, n, "LimbeckActivation", 1, &x, out);
    n->act = act;
}

/* ---- x erf(x / sqrt 2) / 2 + x / 2, as (x (erf(x / sqrt 2) + 1)) 1/2 or x 1/2 (...) ---- */

static void gelu(onnx_fast *f, onnx_node *erf) {
    double s, one, half;
    onnx_node *scaled = onnx_maker(f, erf->in[0], "Div"), *add, *mul, *last;
    if (!scaled) scaled = onnx_maker(f, erf->in[0], "Mul");
    if (!scaled || f->uses[scaled->out[0]] != 1) return;
    int x = onnx_constant(f, scaled->in[1]) ? scaled->in[0] : scaled->in[1];
    if (!factor(f, scaled, x, &s) || !near(s, 0.70710678)) return;
    add = onnx_reader(f, erf->out[0]);
    if (!is(add, "Add") || !onnx_is_number(f, onnx_other(add, erf->out[0]), &one) || one != 1) return;
    mul = onnx_reader(f, add->out[0]);
    if (!is(mul, "Mul")) return;
    int other = onnx_other(mul, add->out[0]);
    if (other == x) { /* then times a half */
        last = onnx_reader(f, mul->out[0]);
        if (!last || !factor(f, last, mul->out[0], &half) || half != 0.5) return;
        mul->gone = true;
    } else if (onnx_is_number(f, other, &half) && half == 0.5) { /* (half (1 + erf)) x */
        last = onnx_reader(f, mul->out[0]);
        if (!is(last, "Mul") || onnx_other(last, mul->out[0]) != x) return;
        mul->gone = true;
    } else { /* x was halved before */
        onnx_node *first = onnx_maker(f, other, "Mul");
        if (!first || f->uses[other] != 1 || !factor(f, first, x, &half) || half != 0.5) return;
        first->gone = true;
        last = mul;
    }
    scaled->gone = erf->gone = add->gone = true;
    become_act(f, last, LB_ACT_GELU, x, last->out[0]);
}

/* ---- x s(x): SiLU and hard swish ---- */

static void gated(onnx_fast *f, onnx_node *gate, lb_act act) {
    onnx_node *mul = onnx_reader(f, gate->out[0]);
    if (!is(mul, "Mul") || onnx_other(mul, gate->out[0]) != gate->in[0] || mul->act) return;
    gate->gone = true;
    become_act(f, mul, act, gate->in[0], mul->out[0]);
}

static void hard_swish(onnx_fast *f, onnx_node *gate) {
    const onnx_attribute *a = onnx_attribute_find(gate, "alpha"), *b = onnx_attribute_find(gate, "beta");
    if (a && near(a->f, 1.0 / 6) && (!b || near(b->f, 0.5))) gated(f, gate, LB_ACT_HARDSWISH);
}

/* ---- (x - mean) / sqrt(mean of squares + eps) gain + shift, over the last axis ---- */

static bool last_axis(const onnx_fast *f, const onnx_node *n) {
    const onnx_attribute *a = onnx_attribute_find(n, "axes"), *keep = onnx_attribute_find(n, "keepdims");
    double at;
    if (keep && !keep->i) return false;
    if (n->nin > 1) return onnx_is_number(f, n->in[1], &at) && at == -1;
    return a && a->count == 1 && a->ints[0] == -1;
}

static bool one_axis(const lb_tensor *x) { return x && x->rank == 1 && x->dtype == LB_F32; }

static void layer_norm(onnx_fast *f, onnx_node *mean) {
    double eps, two;
    int x = mean->in[0];
    onnx_node *sub = mean->nout == 1 && last_axis(f, mean) ? onnx_reader(f, mean->out[0]) : NULL;
    if (!is(sub, "Sub") || sub->in[0] != x || sub->in[1] != mean->out[0] || f->uses[sub->out[0]] < 2) return;
    int d = sub->out[0];
    for (int i = 0; i < f->g->nnodes; i++) { /* the square among the readers of the difference */
        onnx_node *square = &f->g->nodes[i];
        bool pow = is(square, "Pow") && square->in[0] == d && onnx_is_number(f, square->in[1], &two) && two == 2, mul = is(square, "Mul") && square->in[0] == d && square->in[1] == d;
        if (square->gone || (!pow && !mul) || f->uses[d] != (mul ? 3 : 2)) continue;
        onnx_node *var = onnx_reader(f, square->out[0]), *add = is(var, "ReduceMean") && last_axis(f, var) ? onnx_reader(f, var->out[0]) : NULL;
        onnx_node *root = is(add, "Add") && onnx_is_number(f, onnx_other(add, var->out[0]), &eps) ? onnx_reader(f, add->out[0]) : NULL;
        onnx_node *div = is(root, "Sqrt") ? onnx_reader(f, root->out[0]) : NULL;
        if (!is(div, "Div") || div->in[0] != d) return;
        onnx_node *gain = onnx_reader(f, div->out[0]), *shift;
        int g = is(gain, "Mul") ? onnx_other(gain, div->out[0]) : -1;
        shift = one_axis(onnx_constant(f, g)) ? onnx_reader(f, gain->out[0]) : NULL;
        int b = is(shift, "Add") ? onnx_other(shift, gain->out[0]) : -1;
        if (!one_axis(onnx_constant(f, b))) return;
        onnx_attribute *a = onnx_take(f->m, 1, sizeof *a);
        if (!a) f->st = LB_E_NOMEM;
        if (!a) return;
        *a = (onnx_attribute){.name = "epsilon", .kind = ONNX_FLOAT, .f = eps};
        mean->gone = sub->gone = square->gone = var->gone = add->gone = root->gone = div->gone = gain->gone = true;
        onnx_become(f, shift, "LayerNormalization", 3, (int[]){x, g, b}, shift->out[0]);
        shift->attr = a;
        shift->nattr = 1;
        return;
    }
}

/* ---- softmax(scale q k + bias) v ---- */

static void attention(onnx_fast *f, onnx_node *softmax) {
    const onnx_attribute *axis = onnx_attribute_find(softmax, "axis");
    double scale = 1;
    onnx_node *last = onnx_reader(f, softmax->out[0]), *add = NULL, *by = NULL;
    if (!(f->m->opset >= 13 ? !axis || axis->i == -1 || axis->i == 3 : axis && axis->i == 3)) return;
    if (!is(last, "MatMul") || last->in[0] != softmax->out[0] || last->in[1] == softmax->out[0]) return;
    int v = softmax->in[0], bias = -1;
    if (f->uses[v] != 1) return;
    if ((add = onnx_maker(f, v, "Add")) && !add->act) {
        int first = -1; /* which of the two leads to the scores */
        for (int i = 0; i < 2 && first < 0; i++) {
            int w = add->in[i];
            if (onnx_maker(f, w, "MatMul") || ((onnx_maker(f, w, "Mul") || onnx_maker(f, w, "Div")) && f->uses[w] == 1)) first = i;
        }
        if (first < 0 || f->uses[add->in[first]] != 1) return;
        bias = add->in[1 - first];
        v = add->in[first];
    }
    by = onnx_maker(f, v, "Mul");
    if (!by) by = onnx_maker(f, v, "Div");
    if (by) {
        int w = onnx_constant(f, by->in[0]) ? by->in[1] : by->in[0];
        if (!factor(f, by, w, &scale) || f->uses[w] != 1 || by->act) return;
        v = w;
    }
    onnx_node *scores = onnx_maker(f, v, "MatMul");
    onnx_attribute *a = onnx_take(f->m, 1, sizeof *a);
    if (!a) f->st = LB_E_NOMEM;
    if (!scores || !a || f->uses[v] != 1) return;
    *a = (onnx_attribute){.name = "scale", .kind = ONNX_FLOAT, .f = scale};
    scores->gone = softmax->gone = true;
    if (add) add->gone = true;
    if (by) by->gone = true;
    onnx_become(f, last, "LimbeckAttention", bias < 0 ? 3 : 4, (int[]){scores->in[0], scores->in[1], last->in[1], bias}, last->out[0]);
    last->attr = a;
    last->nattr = 1;
}

void onnx_fuse_norm(onnx_fast *f) {
    static const struct {
        const char *op;
        void (*fuse)(onnx_fast *f, onnx_node *n);
    } patterns[] = {{"Erf", gelu}, {"HardSigmoid", hard_swish}, {"ReduceMean", layer_norm}, {"Softmax", attention}};
    for (int i = 0; i < f->g->nnodes && f->st == LB_OK; i++) {
        onnx_node *n = &f->g->nodes[i];
        if (n->gone || n->nin < 1 || n->nout < 1 || n->out[0] < 0 || n->in[0] < 0) continue;
        if (strcmp(n->op, "Sigmoid") == 0) gated(f, n, LB_ACT_SILU);
        for (size_t k = 0; k < LB_COUNT(patterns); k++)
            if (strcmp(n->op, patterns[k].op) == 0) patterns[k].fuse(f, n);
    }
}
