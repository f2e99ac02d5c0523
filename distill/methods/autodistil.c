/* SPDX-License-Identifier: Apache-2.0 */
/* AutoDistil: Few-shot Task-agnostic Neural Architecture Search for Distilling Large Language Models, Xu et al., NeurIPS 2022, arXiv:2201.12507;
 * formulas as in microsoft/autodistil.
 *
 * A super network's sub-networks share weights by leading slices. Each learns the relations among queries, among keys and among values of the
 * teacher's last layer; the best one within a budget is the one whose loss on held-out text is smallest. */
#include <math.h>
#include "distill/method.h"
#include "distill/parts/parts.h"
#include "distill/play.h"

typedef struct options {
    int64_t relation_heads, in_features, out_features, super_hidden, super_heads, hidden, heads, intermediate, layers, vocab, positions, subnets;
    double ln_eps, depth_mult, start_size, stop_size, budget;
    bool use_mask;
    double search_at;
    int64_t validation_batches;
    const char *validation, *space_layers, *space_heads, *space_hidden, *space_ratio, *fixed;
} options;

#define COUNT(field, default_, text_) LB_PARAM(options, field, default_, 1, LB_NO_MAX, "1", text_)
static const lb_param params[] = {
    COUNT(relation_heads, 12, "heads that queries, keys and values are regrouped into"),
    COUNT(in_features, 1, "kept inputs of a linear layer"),
    COUNT(out_features, 1, "kept outputs of a linear layer"),
    COUNT(super_hidden, 64, "width of the super network"),
    COUNT(super_heads, 4, "heads of the super network"),
    COUNT(hidden, 64, "kept width"),
    COUNT(heads, 4, "kept heads"),
    COUNT(intermediate, 256, "kept units of the MLP"),
    COUNT(layers, 12, "layers of the super network"),
    COUNT(vocab, 30522, "vocabulary, for the count of parameters"),
    COUNT(positions, 512, "positions, for the count of parameters"),
    LB_PARAM(options, subnets, 4, 4, LB_NO_MAX, "1", "sub-networks in the list"),
    LB_PARAM(options, ln_eps, 1e-12, LB_ABOVE_0, LB_NO_MAX, "1", "epsilon of the layer norms"),
    LB_PARAM(options, depth_mult, 1, LB_ABOVE_0, 1, "1", "share of the layers that is kept"),
    LB_PARAM(options, start_size, 0, -LB_NO_MAX, LB_NO_MAX, "parameters", "smallest of a sub-space"),
    LB_PARAM(options, stop_size, 1e18, -LB_NO_MAX, LB_NO_MAX, "parameters", "largest"),
    LB_PARAM(options, budget, 1e18, -LB_NO_MAX, LB_NO_MAX, "1", "largest cost of the search"),
    LB_PARAM_FLAG(options, use_mask, false, "padding pairs do not count in the squared form"),
    LB_PARAM_TEXT(options, space_layers, "2,3,4", NULL, "search: layers to choose from, rising"),
    LB_PARAM_TEXT(options, space_heads, "2,3,4", NULL, "search: heads"),
    LB_PARAM_TEXT(options, space_hidden, "32,48,64", NULL, "search: widths"),
    LB_PARAM_TEXT(options, space_ratio, "2,3,4", NULL, "search: units of the MLP as multiples of the width"),
    LB_PARAM(options, search_at, 0.8, 0, 1, "1", "search: share of the run after which the best sub-network within the budget is chosen and trained alone"),
    LB_PARAM_TEXT(options, validation, "", NULL, "search: stream of held-out items that the choice is made on; empty = the step's own batch, before it is learned from"),
    LB_PARAM(options, validation_batches, 4, 1, 1e6, "batches", "search: of that stream"),
    LB_PARAM_TEXT(options, fixed, "", NULL, "search: layers,heads,width,ratio of one sub-network that is trained alone from the start"),
    LB_PARAM_END};

/* ---- relations ---- */

static bool check_vectors(lb_tape *t, const options *o, lb_tensor *const *x, int n) {
    static const char *const names[] = {"student_query", "student_key", "student_value", "teacher_query", "teacher_key", "teacher_value"};
    for (int i = 0; i < n; i++)
        if (!lb_check(t, lb_numel(x[i]) > 0, "%s is empty", names[i]) || !lb_check_finite(t, x[i], names[i]) ||
            !lb_check(t, o->relation_heads <= x[i]->shape[2], "%lld relation heads of %s, which is %lld wide", (long long)o->relation_heads, names[i], (long long)x[i]->shape[2]))
            return false;
    return true;
}

static void relation_scores(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    if (!check_vectors(t, o, a->in, 3)) return;
    for (int i = 0; i < 3; i++) lb_out(out, i, lb_part_relation(t, a->in[i], o->relation_heads));
}

/* Over queries, keys and values. */
static lb_tensor *relation_loss(lb_tape *t, const options *o, const lb_args *a, lb_tensor *mask, lb_tensor *(*gap)(lb_tape *, lb_tensor *, lb_tensor *, lb_tensor *, int64_t)) {
    lb_tensor *sum = NULL;
    if (!check_vectors(t, o, a->in, 6) || (mask && !lb_part_check_kept(t, mask))) return lb_inert(t);
    for (int i = 0; i < 3; i++) {
        lb_tensor *one = gap(t, a->in[i], a->in[3 + i], mask, o->relation_heads);
        sum = sum ? lb_add(t, sum, one) : one;
    }
    return sum;
}

static void relation_loss_mse(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    lb_out(out, 0, relation_loss(t, cfg, a, ((const options *)cfg)->use_mask ? a->in[6] : NULL, lb_part_relation_mse));
}
static void relation_loss_kl(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) { lb_out(out, 0, relation_loss(t, cfg, a, a->in[6], lb_part_relation_kl)); }

/* ---- shared weights ---- */

static void sliced_linear(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    lb_tensor *x = a->in[0], *w = a->in[1];
    if (!lb_check(t, o->in_features <= w->shape[1] && o->out_features <= w->shape[0], "a slice of %lldx%lld is wanted of a weight of %lldx%lld",
                  (long long)o->out_features, (long long)o->in_features, (long long)w->shape[0], (long long)w->shape[1]) ||
        !lb_check(t, x->rank > 0 && x->shape[x->rank - 1] == o->in_features, "x is not in_features = %lld wide", (long long)o->in_features))
        return;
    lb_out(out, 0, lb_part_sliced_linear(t, x, w, a->in[2], o->out_features, o->in_features, LB_ACT_NONE));
}

static void sub_block(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    static const char *const names[] = {"query", "key", "value", "attention_out", "fc1", "fc2", "attention_norm", "mlp_norm"};
    const options *o = cfg;
    lb_tensor *x = a->in[0], *mask = a->in[1];
    const lb_tensor *fc1 = lb_arg(a, "fc1_weight");
    lb_part_layer l = {.width = o->hidden, .heads = o->heads, .units = o->intermediate, .head_width = o->super_hidden / o->super_heads, .eps = o->ln_eps};
    if (!lb_check(t, o->super_hidden % o->super_heads == 0, "%lld heads do not divide the width %lld", (long long)o->super_heads, (long long)o->super_hidden) ||
        !lb_check(t, o->hidden <= o->super_hidden && o->heads <= o->super_heads && o->intermediate <= fc1->shape[0],
                  "a sub-network of width %lld, %lld heads and %lld units is larger than the super network", (long long)o->hidden, (long long)o->heads,
                  (long long)o->intermediate) ||
        !lb_check(t, x->shape[2] == o->hidden, "x is %lld wide, hidden is %lld", (long long)x->shape[2], (long long)o->hidden) || !lb_part_check_kept(t, mask))
        return;
    for (int i = 0; i < 8; i++) {
        l.weight[i] = lb_arg(a, "%s_weight", names[i]);
        l.bias[i] = lb_arg(a, "%s_bias", names[i]);
    }
    lb_out(out, 0, lb_part_layer_of(t, &l, x, mask));
}

/* ---- the space of sub-networks ---- */

/* floor(k L / l), k = 0 .. l - 1, l = round(m L), halves to even. */
static void kept_layers(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    int64_t kept = (int64_t)rint(o->depth_mult * (double)o->layers);
    (void)a;
    if (!lb_check(t, kept >= 1, "depth_mult %g keeps none of %lld layers", o->depth_mult, (long long)o->layers)) return;
    int64_t *index = lb_alloc((size_t)kept, sizeof *index);
    for (int64_t k = 0; index && k < kept; k++) index[k] = k * o->layers / kept;
    lb_out(out, 0, index ? lb_part_indices(t, 1, &kept, index) : lb_tape_fail_status(t, LB_E_NOMEM));
    lb_free(index);
}

static void subspace_partition(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    const lb_part_space space = {.vocab = (double)o->vocab, .positions = (double)o->positions, .super_heads = (double)o->super_heads, .least = o->start_size, .most = o->stop_size};
    lb_out(out, 0, lb_part_subnets(t, &space, a->in, &out->at[1]));
}

/* The largest, the smallest, and two drawn from between. */
static void sandwich_sample(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    int64_t n = ((const options *)cfg)->subnets, four = 4, picked[4] = {n - 1, 0, 1, 2};
    if (!lb_check_index(t, a->in[0], n - 2, "draw")) return;
    for (int i = 0; i < 2 && !lb_part_shapes_only(t); i++) picked[2 + i] = 1 + (int64_t)lb_get_at(a->in[0], i);
    if (lb_check(t, picked[2] != picked[3], "draw holds %lld twice", (long long)picked[2] - 1)) lb_out(out, 0, lb_part_indices(t, 1, &four, picked));
}

static void budget_search(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) { lb_out(out, 0, lb_part_budget(t, a->in[0], a->in[1], ((const options *)cfg)->budget, &out->at[1])); }

/* ---- a training step of the super network, the search, and what it chose ---- */

/* The student's input `subnet`: layers, heads, width, units of the MLP. */
static lb_tensor *subnet_of(lb_tape *t, const double c[4]) {
    return lb_part_indices(t, 1, (int64_t[]){4}, (int64_t[]){(int64_t)c[0], (int64_t)c[1], (int64_t)c[2], (int64_t)floor(c[3] * c[2] + 0.5)});
}

static lb_tensor *loss_of(lb_play *p, const options *o, const double config[4], bool gradient) {
    static const char *const names[] = {"student_query", "student_key", "student_value", "teacher_query", "teacher_key", "teacher_value", "mask"};
    lb_tensor *in[7];
    lb_play_run(p, "student", gradient, 1, &(lb_named){"subnet", subnet_of(p->tape, config)}, 3, (const char *const[]){"query", "key", "value"}, in);
    for (int i = 3; i < 7; i++) in[i] = lb_play_input(p, names[i]);
    return lb_play_call(p, o, "relation_loss_mse", 7, names, in).at[0];
}

static void config_of(const lb_tensor *configs, int64_t i, double config[4]) {
    for (int k = 0; k < 4; k++) config[k] = lb_get_at(configs, 4 * i + k);
}

/* The lists of the parameters; the largest sub-network in largest. @return parameters [n] and configs [n,4] of all, in rising size, n at least the sandwich's four */
static lb_outs space_of(lb_play *p, const options *o, double largest[4]) {
    static const char *const names[] = {"layers", "heads", "hidden", "ratio"};
    const char *const texts[] = {o->space_layers, o->space_heads, o->space_hidden, o->space_ratio};
    lb_tensor *in[4];
    for (int k = 0; k < 4; k++) {
        double x[64];
        int64_t n = lb_part_numbers(texts[k], x, 64);
        if (!lb_check(p->tape, n > 0, "space_%s is '%s'; rising numbers with commas between are wanted", names[k], texts[k])) return (lb_outs){{NULL}};
        largest[k] = x[n - 1];
        in[k] = lb_input(p->tape, k < 3 ? LB_I64 : LB_REAL, 1, &n, x, LB_F64);
    }
    lb_outs all = lb_play_call(p, o, "subspace_partition", 4, names, in);
    int64_t n = lb_tape_ok(p->tape) ? all.at[0]->shape[0] : 0;
    (void)lb_check(p->tape, n >= 4 || lb_part_shapes_only(p->tape), "a space of %lld sub-networks; at least 4 are wanted", (long long)n);
    return all;
}

/* [n]: loss of each, on batches that no step learns from where the recipe names such a stream, else on this step's. */
static lb_tensor *validated(lb_play *p, const options *o, const lb_tensor *configs) {
    bool held_out = o->validation[0];
    int64_t n = configs->shape[0];
    double *loss = lb_calloc((size_t)n, sizeof *loss), one[4];
    if (!loss) return lb_tape_fail_status(p->tape, LB_E_NOMEM);
    for (int64_t b = 0; b < (held_out ? o->validation_batches : 1) && lb_tape_ok(p->tape); b++) {
        if (held_out) lb_play_look(p, o->validation, b);
        for (int64_t i = 0; i < n && lb_tape_ok(p->tape); i++) {
            config_of(configs, i, one);
            loss[i] += lb_number(loss_of(p, o, one, false));
        }
        if (held_out) lb_play_back(p);
    }
    lb_tensor *x = lb_part_constant(p->tape, 1, &n, loss);
    lb_free(loss);
    return x;
}

/* Into the state. */
static void choose(lb_play *p, const options *o, const lb_outs *all) {
    lb_tensor *best = lb_play_call(p, o, "budget_search", 2, (const char *const[]){"cost", "validation_loss"}, (lb_tensor *[]){all->at[0], validated(p, o, all->at[1])}).at[0];
    double config[4];
    if (!lb_tape_ok(p->tape)) return;
    config_of(all->at[1], (int64_t)lb_number(best), config);
    for (int k = 0; k < 4; k++) ((lb_real *)p->state[0]->data)[k] = (lb_real)config[k];
}

/* The largest, the smallest and two others on one batch. */
static lb_tensor *sandwich(lb_play *p, const options *o, const lb_tensor *configs) {
    int64_t n = configs->shape[0], first = lb_rng_below(p->rng, n - 2), second = (first + 1 + lb_rng_below(p->rng, n - 3)) % (n - 2);
    const int64_t picked[] = {n - 1, 0, 1 + first, 1 + second};
    lb_tensor *sum = NULL;
    for (int i = 0; i < 4; i++) {
        double one[4];
        config_of(configs, picked[i], one);
        lb_tensor *loss = loss_of(p, o, one, true);
        sum = sum ? lb_add(p->tape, sum, loss) : loss;
    }
    return sum;
}

static lb_tensor *search(lb_play *p, const void *cfg) {
    const options *o = cfg;
    lb_tape *t = p->tape;
    double one[4];
    if (o->fixed[0]) return lb_check(t, lb_part_numbers(o->fixed, one, 4) == 4, "fixed is '%s'; layers,heads,width,ratio are wanted", o->fixed) ? loss_of(p, o, one, true) : lb_inert(t);
    lb_outs all = space_of(p, o, one);
    if (!lb_tape_ok(t)) return lb_inert(t);
    if (lb_part_shapes_only(t)) return loss_of(p, o, one, true);
    if (p->step < (int64_t)(o->search_at * (double)p->steps)) return sandwich(p, o, all.at[1]);
    const lb_real *chosen = p->state[0]->data;
    if (chosen[0] == 0) choose(p, o, &all);
    for (int k = 0; k < 4; k++) one[k] = (double)chosen[k];
    return lb_tape_ok(t) ? loss_of(p, o, one, true) : lb_inert(t);
}

#define VECTORS "student_query[B,N,W] student_key[B,N,W] student_value[B,N,W]"
#define PAIRS VECTORS " teacher_query[B,N,V] teacher_key[B,N,V] teacher_value[B,N,V] mask[B,N] -> loss[]"
#define TEACHER "teacher_query teacher_key teacher_value mask"
#define PROJECTION(name) name "_weight[D,D] " name "_bias[D] "
#define NORM(name) name "_weight[D] " name "_bias[D] "
static const lb_component components[] = {
    {.name = "relation_loss_mse", .run = relation_loss_mse, .sig = PAIRS, .constant = TEACHER, .text = "squared difference of the relations, as in the published code"},
    {.name = "relation_loss_kl", .run = relation_loss_kl, .sig = PAIRS, .constant = TEACHER, .text = "KL of the relations' rows, as in the paper"},
    {.name = "search", .play = search, .sig = "teacher_query[B,N,V] teacher_key[B,N,V] teacher_value[B,N,V] mask[B,N] -> loss[]", .text = "a step: four sub-networks of a super network (input subnet); late in the run the best within the budget is chosen and goes on alone"},
    {.name = "relation_scores", .run = relation_scores, .sig = VECTORS " -> query_relation[B,A,N,N] key_relation[B,A,N,N] value_relation[B,A,N,N]", .text = "scaled products among queries, keys and values"},
    {.name = "sliced_linear", .run = sliced_linear, .sig = "x weight[O,I] bias[O] -> out", .text = "a linear layer by leading slices"},
    {.name = "sub_block", .run = sub_block, .sig = "x[B,N,*] mask[B,N] " PROJECTION("query") PROJECTION("key") PROJECTION("value") PROJECTION("attention_out") NORM("attention_norm") "fc1_weight[M,D] fc1_bias[M] fc2_weight[D,M] fc2_bias[D] " NORM("mlp_norm") "-> out[B,N,*]", .constant = "mask", .text = "a transformer layer of a sub-network"},
    {.name = "kept_layers", .run = kept_layers, .sig = "unused? -> layer_index[*]:i64", .text = "layers of a shallower network"},
    {.name = "subspace_partition", .run = subspace_partition, .sig = "layers[l]:i64 heads[a]:i64 hidden[d]:i64 ratio[r] -> parameters[*] configs[*,4]", .constant = "ratio", .values = "parameters configs", .text = "sub-networks of a range of sizes, rising"},
    {.name = "sandwich_sample", .run = sandwich_sample, .sig = "draw[2]:i64 -> selected[4]:i64", .text = "sub-networks of a step"},
    {.name = "budget_search", .run = budget_search, .sig = "cost[n] validation_loss[n] -> best[]:i64 pareto[*]:i64", .constant = "cost validation_loss", .text = "the best within a budget, and the front"},
    LB_COMPONENT_END};

LB_METHOD(autodistil) = {.id = "autodistil",
                         .title = "search over a super network that learns its teacher's attention relations",
                         .source = "arXiv:2201.12507; microsoft/autodistil ea5cc7f1",
                         .params = params,
                         .params_size = sizeof(options),
                         .group = "relation search",
                         .needs = "student:qkv teacher:qkv",
                         .state = "chosen[4]",
                         .components = components,
                         .verified = LB_VERIFIED_CODE};
