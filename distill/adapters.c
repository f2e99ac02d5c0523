/* SPDX-License-Identifier: Apache-2.0 */
/* Joining features of a student and a teacher that differ in form, so that a component that wants them alike can be bound to both. The
 * student's are brought to the teacher's: width by a linear map (rows, tokens) or a 1x1 convolution (maps), length by linear interpolation,
 * grid by bilinear resize (tokens of a square picture too). Maps and tokens become one another: places row by row.
 * What must be alike is what the signature says with one letter; classes are never joined. */
#include <stdio.h>
#include <string.h>
#include "base/sig.h"
#include "distill/train_private.h"

enum { ROWS = 2, TOKENS = 3, MAP = 4 };

/* A pair of inputs that a term binds, and which of their axes the signature wants alike. */
typedef struct pair {
    lbi_train *r;
    const lb_objective *o;
    const char *input; /* the student's */
    int rank;
    bool alike[LB_MAX_RANK];
    lb_buf said;
} pair;

static void say(pair *p, const char *fmt, int64_t a, int64_t b, int64_t c, int64_t d) {
    lb_buf_text(&p->said, p->said.size ? ", then " : "");
    lb_buf_format(&p->said, fmt, (long long)a, (long long)b, (long long)c, (long long)d);
}

/* ---- width ---- */

static lb_tensor *width(pair *p, lb_tensor *x, int64_t to) {
    lb_tape *t = p->r->tape;
    bool map = p->rank == MAP;
    int64_t from = x->shape[map ? 1 : p->rank - 1], shape[4] = {to, from, 1, 1};
    char name[128];
    snprintf(name, sizeof name, "%s.weight", p->input);
    lb_tensor *w = lbi_learned(p->r, p->o, name, map ? 4 : 2, shape);
    snprintf(name, sizeof name, "%s.bias", p->input);
    lb_tensor *b = lbi_learned(p->r, p->o, name, 1, shape);
    say(p, map ? "1x1 convolution %lld -> %lld" : "linear map %lld -> %lld", from, to, 0, 0);
    return map ? lb_conv2d(t, x, w, b, lb_conv_same(1, 0, 1), LB_ACT_NONE) : lb_linear(t, x, w, b, LB_ACT_NONE);
}

/* ---- length and grid ---- */

static int64_t side_of(int64_t places) {
    int64_t side = 0;
    while (side * side < places) side++;
    return side * side == places && places > 0 ? side : 0;
}

static lb_tensor *to_map(lb_tape *t, lb_tensor *x, int64_t h, int64_t w) {
    static const int order[] = {0, 2, 1};
    return lb_reshape(t, lb_permute(t, x, order), 4, (int64_t[]){x->shape[0], x->shape[2], h, w});
}

static lb_tensor *to_tokens(lb_tape *t, lb_tensor *x) {
    static const int order[] = {0, 2, 1};
    return lb_permute(t, lb_reshape(t, x, 3, (int64_t[]){x->shape[0], x->shape[1], x->shape[2] * x->shape[3]}), order);
}

static lb_tensor *grid(pair *p, lb_tensor *x, int64_t h, int64_t w) {
    say(p, "bilinear resize %lldx%lld -> %lldx%lld", x->shape[2], x->shape[3], h, w);
    return lb_resize2d(p->r->tape, x, h, w, LB_RESIZE_LINEAR, false);
}

static lb_tensor *line(pair *p, lb_tensor *x, int64_t length) {
    static const int order[] = {0, 2, 1};
    lb_tape *t = p->r->tape;
    say(p, "interpolation of tokens %lld -> %lld", x->shape[1], length, 0, 0);
    return lb_permute(t, lb_resize(t, lb_permute(t, x, order), (lb_resize_spec){.size = {length}, .mode = LB_RESIZE_LINEAR}), order);
}

static lb_tensor *without_first(pair *p, lb_tensor *x, const char *whose) {
    lb_buf_format(&p->said, "%sthe %s's class token left out", p->said.size ? ", then " : "", whose);
    return lb_slice(p->r->tape, x, 1, 1, x->shape[1], 1);
}

/* Tokens of square pictures are resized as pictures; one token more than a square in front of both stays as it is, of one alone is left out. */
static lb_tensor *length(pair *p, lb_tensor *x, lb_tensor **teacher) {
    lb_tape *t = p->r->tape;
    int64_t have = x->shape[1], want = (*teacher)->shape[1];
    bool sequence = p->o->adapt && strcmp(p->o->adapt, "sequence") == 0;
    if (!sequence && side_of(have - 1) && !side_of(have) && side_of(want)) return without_first(p, x, "student");
    if (!sequence && side_of(have) && side_of(want - 1) && !side_of(want)) {
        *teacher = without_first(p, *teacher, "teacher");
        return x;
    }
    bool first = !side_of(have) && !side_of(want);
    int64_t from = side_of(have - first), to = side_of(want - first);
    if (sequence || !from || !to) return line(p, x, want);
    if (!first) return to_tokens(t, grid(p, to_map(t, x, from, from), to, to));
    lb_tensor *both[] = {lb_slice(t, x, 1, 0, 1, 1), to_tokens(t, grid(p, to_map(t, lb_slice(t, x, 1, 1, have, 1), from, from), to, to))};
    return lb_concat(t, 2, both, 1);
}

/* ---- form ---- */

/* As the signature has it, where that can be told. */
static lb_tensor *form(pair *p, lb_tensor *x, const char *whose) {
    if (p->rank == TOKENS && x->rank == MAP) {
        lb_buf_format(&p->said, "%splaces of the %s's map as tokens", p->said.size ? ", then " : "", whose);
        return to_tokens(p->r->tape, x);
    }
    int64_t side = p->rank == MAP && x->rank == TOKENS ? side_of(x->shape[1]) : 0;
    int64_t skip = p->rank == MAP && x->rank == TOKENS && !side && side_of(x->shape[1] - 1) ? 1 : 0;
    if (skip) {
        x = without_first(p, x, whose);
        side = side_of(x->shape[1]);
    }
    if (!side) return x;
    lb_buf_format(&p->said, "%stokens of the %s as a map", p->said.size ? ", then " : "", whose);
    return to_map(p->r->tape, x, side, side);
}

/* The student's as the teacher's; fewer places are mapped where there is a choice, which comes to the same. */
static void join(pair *p, lb_tensor **student, lb_tensor **teacher) {
    lb_tensor *s = form(p, *student, "student"), *t = form(p, *teacher, "teacher");
    if (s->rank == p->rank && t->rank == p->rank) {
        int wide = p->rank == MAP ? 1 : p->rank - 1;
        bool other = p->alike[wide] && s->shape[wide] != t->shape[wide], grow = lb_numel(t) / t->shape[wide] > lb_numel(s) / s->shape[wide];
        if (other && grow) s = width(p, s, t->shape[wide]);
        if (p->rank == TOKENS && p->alike[1])
            for (int k = 0; k < 2 && s->shape[1] != t->shape[1]; k++) s = length(p, s, &t);
        if (p->rank == MAP && p->alike[2] && p->alike[3] && (s->shape[2] != t->shape[2] || s->shape[3] != t->shape[3])) s = grid(p, s, t->shape[2], t->shape[3]);
        if (other && !grow) s = width(p, s, t->shape[wide]);
    }
    *student = s;
    *teacher = t;
}

/* ---- which inputs ---- */

static bool is_feature(const char *name) {
    return strstr(name, "student") && !strstr(name, "logits") && !strstr(name, "scores") && !strstr(name, "prob") && !strstr(name, "label") &&
           !strstr(name, "mask");
}

/* The teacher's input that goes with a student's: "teacher" where that has "student". -1 = none */
static int partner(const lbi_inputs *in, const char *name) {
    const char *at = strstr(name, "student");
    size_t head = (size_t)(at - name);
    for (int i = 0; i < in->count; i++)
        if (strncmp(in->names[i], name, head) == 0 && strncmp(in->names[i] + head, "teacher", 7) == 0 && strcmp(in->names[i] + head + 7, at + 7) == 0) return i;
    return -1;
}

static bool wants(pair *p, const lb_sig *sig, const char *student, const char *teacher) {
    lb_sig_item a, b;
    int i = lb_sig_input_find(sig, student), k = lb_sig_input_find(sig, teacher);
    if (i < 0 || k < 0) return false;
    lb_sig_item_at(sig, false, i, &a);
    lb_sig_item_at(sig, false, k, &b);
    if (a.any_shape || b.any_shape || a.lead || b.lead || a.rank != b.rank || a.rank < ROWS || a.rank > MAP) return false;
    p->rank = a.rank;
    for (int d = 0; d < a.rank; d++)
        p->alike[d] = a.dims[d].letter[0] && a.dims[d].letter[0] != '*' && strcmp(a.dims[d].letter, b.dims[d].letter) == 0 &&
                      a.dims[d].times == b.dims[d].times && a.dims[d].plus == b.dims[d].plus;
    return true;
}

static void note(const pair *p) {
    for (int64_t i = 0; i < p->r->adapters->count; i++)
        if (strcmp(lb_get_text(p->r->adapters->items[i], "term", ""), p->o->name) == 0 && strcmp(lb_get_text(p->r->adapters->items[i], "input", ""), p->input) == 0) return;
    lb_value *v = lb_value_map();
    lb_map_text(v, "term", p->o->name);
    lb_map_text(v, "input", p->input);
    lb_map_text(v, "by", lb_buf_str(&p->said));
    lb_list_put(p->r->adapters, v);
}

void lbi_adapt(lbi_train *r, const lb_objective *o, const lb_sig *sig, lbi_inputs *in) {
    if (o->adapt && strcmp(o->adapt, "none") == 0) return;
    for (int i = 0; i < in->count; i++) {
        int k = is_feature(in->names[i]) ? partner(in, in->names[i]) : -1;
        pair p = {.r = r, .o = o, .input = in->names[i]};
        if (k < 0 || !wants(&p, sig, in->names[i], in->names[k])) continue;
        join(&p, &in->x[i], &in->x[k]);
        if (p.said.size) note(&p);
        lb_buf_free(&p.said);
    }
}
