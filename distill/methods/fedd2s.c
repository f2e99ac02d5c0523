/* SPDX-License-Identifier: Apache-2.0 */
/* FedD2S: Personalized Data-Free Federated Knowledge Distillation, Atapour, 2024, arXiv:2402.10846. No published code: defaults are reconstructed.
 *
 * Clients share representations z_a of their own samples with labels and logits, not weights. The server's head of depth a learns from all of
 * them and distils back; as rounds pass, the layer that takes part moves from deep to shallow, so that deep layers become personal.
 * What clients send stands in feature files (lb_play_uploads), one a round, which the server's steps and the clients' read by key. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "distill/method.h"
#include "distill/parts/parts.h"
#include "distill/play.h"
#include "distill/spread.h"

typedef struct options {
    int64_t num_layers, drop_every, min_layer;
    double ratio, temperature, weight_ce, weight_kd;
    int64_t head_width;
    bool freeze_shared;
    const char *attach;
} options;

static const lb_param params[] = {
    LB_PARAM(options, num_layers, 4, 1, LB_NO_MAX, "layers", "L: blocks of a client"),
    LB_PARAM(options, drop_every, 10, 1, LB_NO_MAX, "rounds", "rounds before the next layer leaves the federation"),
    LB_PARAM(options, min_layer, 1, 1, LB_NO_MAX, "layers", "shallowest shared layer"),
    LB_PARAM(options, ratio, 0.4, LB_ABOVE_0, 1, "1", "share of the clients that take part in a round"),
    LB_PARAM(options, temperature, 3, LB_ABOVE_0, LB_NO_MAX, "1", "T, both ways"),
    LB_PARAM(options, weight_ce, 1, 0, LB_NO_MAX, "1", "weight of the labels"),
    LB_PARAM(options, weight_kd, 1, 0, LB_NO_MAX, "1", "weight of the other side's logits"),
    LB_PARAM(options, head_width, 32, 1, LB_NO_MAX, "1", "exchange: hidden units of the server's heads"),
    LB_PARAM_FLAG(options, freeze_shared, false, "exchange: the labels train only what is above the active layer"),
    LB_PARAM_TEXT(options, attach, "layer", "layer|output", "exchange: where a client learns from the server when the active layer is not the last"),
    LB_PARAM_END};

/* ---- schedule and participation ---- */

static int64_t active_layer(const options *o, int64_t round) {
    int64_t at = o->num_layers - round / o->drop_every;
    return at > o->min_layer ? at : o->min_layer;
}

static void drop_schedule(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    const lb_tensor *round = a->in[0];
    int64_t n = round->shape[0];
    if (!lb_check(t, o->min_layer <= o->num_layers, "min_layer %lld is above num_layers %lld", (long long)o->min_layer, (long long)o->num_layers) ||
        !lb_check_range(t, round, 0, LB_NO_MAX, "round"))
        return;
    int64_t *layer = lb_calloc((size_t)n + 1, sizeof *layer);
    for (int64_t i = 0; layer && i < n && !lb_part_shapes_only(t); i++) layer[i] = active_layer(o, (int64_t)lb_get_at(round, i));
    if (layer) lb_out(out, 0, lb_part_indices(t, 1, &n, layer));
    else (void)lb_tape_fail_status(t, LB_E_NOMEM);
    lb_free(layer);
}

static void participants(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    const lb_tensor *order = a->in[0];
    int64_t all = order->shape[0], n = 0;
    if (!lb_check(t, all > 0, "order is empty") || !lb_check_index(t, order, all, "order")) return;
    int64_t *client = lb_calloc((size_t)all + 1, sizeof *client);
    bool *seen = lb_calloc((size_t)all, sizeof *seen);
    if (!client || !seen) (void)lb_tape_fail_status(t, LB_E_NOMEM);
    bool good = client && seen;
    for (int64_t i = 0; good && i < all && !lb_part_shapes_only(t); i++) {
        client[i] = (int64_t)lb_get_at(order, i);
        good = lb_check(t, !seen[client[i]], "order holds client %lld twice", (long long)client[i]);
        seen[client[i]] = true;
    }
    if (good) {
        n = lb_part_participants(client, all, o->ratio);
        lb_out(out, 0, lb_part_indices(t, 1, &n, client));
    }
    lb_free(client);
    lb_free(seen);
}

/* ---- losses ---- */

/* Mean over the places of maps, then two linear layers with ReLU between. */
static lb_tensor *run_head(lb_tape *t, lb_tensor *z, lb_tensor *const w[4]) {
    if (z->rank == 4) z = lb_mean(t, lb_reshape(t, z, 3, (int64_t[]){z->shape[0], z->shape[1], z->shape[2] * z->shape[3]}), 2, false);
    return lb_linear(t, lb_linear(t, z, w[0], w[1], LB_ACT_RELU), w[2], w[3], LB_ACT_NONE);
}

static bool check_representation(lb_tape *t, const lb_tensor *z, const lb_tensor *fc1) {
    return lb_check(t, z->rank == 2 || z->rank == 4, "representation has %d axes; [B,D] or [B,D,H,W] is wanted", z->rank) &&
           lb_check(t, lb_numel(z) > 0, "representation is empty") &&
           lb_check(t, z->shape[1] == fc1->shape[1], "representation has %lld channels, fc1_weight takes %lld", (long long)z->shape[1],
                    (long long)fc1->shape[1]) &&
           lb_check_finite(t, z, "representation");
}

static void head(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    (void)cfg;
    if (check_representation(t, a->in[0], a->in[1])) lb_out(out, 0, run_head(t, a->in[0], a->in + 1));
}

/* weight_ce CE + weight_kd T^2 KL(given || own). */
static lb_tensor *mutual(lb_tape *t, const options *o, lb_tensor *own, lb_tensor *given, lb_tensor *labels) {
    if (!lb_check_finite(t, own, "logits") || !lb_check_finite(t, given, "teacher_logits") || !lb_check_index(t, labels, own->shape[1], "labels")) return lb_inert(t);
    return lb_add(t, lb_scale(t, lb_part_ce(t, own, labels), o->weight_ce), lb_scale(t, lb_part_kd(t, own, given, o->temperature), o->weight_kd));
}

static void server_loss(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    if (!check_representation(t, a->in[0], a->in[1])) return;
    lb_tensor *logits = run_head(t, lb_detach(t, a->in[0]), a->in + 1);
    lb_out(out, 0, mutual(t, cfg, logits, a->in[6], a->in[5]));
    lb_out(out, 1, logits);
}

static void client_loss(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    if (lb_check(t, lb_numel(a->in[0]) > 0, "student_logits is empty")) lb_out(out, 0, mutual(t, cfg, a->in[0], a->in[1], a->in[2]));
}

/* ---- summaries ---- */

/* Row c: mean softmax(logits / T) of the label c, 1/C where it is absent. */
static void class_knowledge(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    const options *o = cfg;
    const lb_tensor *logits = a->in[0], *labels = a->in[1];
    int64_t n = logits->shape[0], k = logits->shape[1], shape[2] = {k, k};
    if (!lb_check(t, k > 0, "logits has no classes") || !lb_check_finite(t, logits, "logits") || !lb_check_index(t, labels, k, "labels")) return;
    double *mean = lb_calloc((size_t)(k * k) + 1, sizeof *mean), *p = lb_calloc((size_t)k, sizeof *p);
    int64_t *count = lb_calloc((size_t)k, sizeof *count);
    if (!mean || !p || !count) (void)lb_tape_fail_status(t, LB_E_NOMEM);
    for (int64_t i = 0; mean && p && count && i < n && !lb_part_shapes_only(t); i++) {
        double most = -INFINITY, sum = 0;
        int64_t label = (int64_t)lb_get_at(labels, i);
        for (int64_t c = 0; c < k; c++) most = fmax(most, lb_get_at(logits, i * k + c));
        for (int64_t c = 0; c < k; c++) sum += p[c] = exp((lb_get_at(logits, i * k + c) - most) / o->temperature);
        for (int64_t c = 0; c < k; c++) mean[label * k + c] += p[c] / sum;
        count[label]++;
    }
    for (int64_t c = 0; mean && count && c < k; c++)
        for (int64_t j = 0; j < k; j++) mean[c * k + j] = count[c] ? mean[c * k + j] / (double)count[c] : 1 / (double)k;
    if (mean && p && count) {
        lb_out(out, 0, lb_part_constant(t, 2, shape, mean));
        lb_out(out, 1, lb_part_indices(t, 1, &k, count));
    }
    lb_free(mean);
    lb_free(p);
    lb_free(count);
}

static void fairness(lb_tape *t, const void *cfg, const lb_args *a, lb_outs *out) {
    (void)cfg;
    const lb_tensor *accuracy = a->in[0];
    int64_t n = accuracy->shape[0];
    if (!lb_check(t, n > 0, "accuracy is empty") || !lb_check_finite(t, accuracy, "accuracy")) return;
    double *x = lb_calloc((size_t)n, sizeof *x);
    if (!x) {
        (void)lb_tape_fail_status(t, LB_E_NOMEM);
        return;
    }
    for (int64_t i = 0; i < n && !lb_part_shapes_only(t); i++) x[i] = lb_get_at(accuracy, i);
    lb_spread s = lb_spread_of(x, n);
    lb_free(x);
    lb_out(out, 0, lb_scalar(t, s.mean));
    lb_out(out, 1, lb_scalar(t, s.variance));
    lb_out(out, 2, lb_scalar(t, s.worst));
}

/* ---- a step of a round: the server's (its head learns from the client's upload), or the client's ---- */

/* z_a and the logits. Blocks of the student are its taps block.0 .. block.<L-1>. */
static void taps_of(char tap[32], const char *taps[2], int64_t layer) {
    snprintf(tap, 32, "block.%lld", (long long)layer - 1);
    taps[0] = tap;
    taps[1] = "logits";
}

static void head_weights(lb_play *p, const options *o, int64_t layer, int64_t width, int64_t classes, lb_tensor *w[4]) {
    static const char *const names[] = {"fc1_weight", "fc1_bias", "fc2_weight", "fc2_bias"};
    const int64_t shapes[4][2] = {{o->head_width, width}, {o->head_width, 0}, {classes, o->head_width}, {classes, 0}};
    for (int i = 0; i < 4; i++) {
        char name[48];
        snprintf(name, sizeof name, "head%lld_%s", (long long)layer, names[i]);
        w[i] = lb_play_learned(p, name, i % 2 ? 1 : 2, shapes[i]);
        if (!p->server) w[i] = lb_detach(p->tape, w[i]);
    }
}

/* Labels and the server's logits, the labels through the client's upper blocks alone where the shared ones are frozen for them. */
static lb_tensor *client_turn(lb_play *p, const options *o, int64_t layer, const char *const taps[2], lb_tensor *given, lb_tensor *const w[4]) {
    lb_tape *t = p->tape;
    lb_tensor *labels = lb_play_input(p, "labels"), *own[2];
    lb_play_run(p, "student", true, 0, NULL, 2, taps, own);
    bool at_output = layer == o->num_layers || strcmp(o->attach, "output") == 0;
    if (!lb_tape_ok(t) || !lb_check_index(t, labels, own[1]->shape[1], "labels")) return lb_inert(t);
    lb_tensor *soft = lb_part_kd(t, at_output ? own[1] : run_head(t, own[0], w), given, o->temperature);
    if (o->freeze_shared) {
        for (int64_t k = 0; k < layer; k++) lb_play_freeze(p, true, "layer.%lld.", (long long)k);
        lb_play_run(p, "student", true, 0, NULL, 2, taps, own);
        for (int64_t k = 0; k < layer; k++) lb_play_freeze(p, false, "layer.%lld.", (long long)k);
    }
    return lb_add(t, lb_scale(t, lb_part_ce(t, own[1], labels), o->weight_ce), lb_scale(t, soft, o->weight_kd));
}

static lb_tensor *exchange(lb_play *p, const void *cfg) {
    const options *o = cfg;
    lb_tape *t = p->tape;
    int64_t layer = active_layer(o, p->round);
    char tap[32];
    const char *taps[2];
    lb_tensor *sent[2], *w[4];
    taps_of(tap, taps, layer);
    lb_play_uploads(p, 2, taps, sent);
    if (!lb_tape_ok(t)) return lb_inert(t);
    head_weights(p, o, layer, sent[0]->shape[1], sent[1]->shape[1], w);
    if (p->server) return mutual(t, o, run_head(t, sent[0], w), sent[1], lb_play_input(p, "labels"));
    return client_turn(p, o, layer, taps, lb_detach(t, run_head(t, sent[0], w)), w);
}

#define HEAD "fc1_weight[h,D] fc1_bias[h] fc2_weight[C,h] fc2_bias[C]"
static const lb_component components[] = {
    {.name = "client_loss", .run = client_loss, .sig = "student_logits[B,C] teacher_logits[B,C] labels[B]:i64 -> loss[]", .constant = "teacher_logits", .text = "labels and the server's logits"},
    {.name = "server_loss", .run = server_loss, .sig = "representation " HEAD " labels[B]:i64 teacher_logits[B,C] -> loss[] logits[B,C]", .constant = "representation teacher_logits", .text = "the head learns from the uploads of all clients"},
    {.name = "exchange", .play = exchange, .sig = "labels[B]:i64 -> loss[]", .text = "a step of a round (federation of a recipe): the server's head learns from a client, or a client from labels and the head"},
    {.name = "head", .run = head, .sig = "representation " HEAD " -> logits[*,C]", .text = "of the server, per depth"},
    {.name = "drop_schedule", .run = drop_schedule, .sig = "round[n]:i64 -> active_layer[n]:i64", .text = "which layer takes part"},
    {.name = "participants", .run = participants, .sig = "order[K]:i64 -> clients[*]:i64", .text = "clients of a round"},
    {.name = "class_knowledge", .run = class_knowledge, .sig = "logits[N,C] labels[N]:i64 -> class_knowledge[C,C] counts[C]:i64", .constant = "logits", .values = "class_knowledge", .text = "mean soft label of each class"},
    {.name = "fairness", .run = fairness, .sig = "accuracy[K] -> mean[] variance[] worst[]", .constant = "accuracy", .values = "mean variance worst", .text = "mean, variance and worst tenth over the clients"},
    LB_COMPONENT_END};

LB_METHOD(fedd2s) = {.id = "fedd2s",
                     .title = "federated distillation in which deep layers become personal",
                     .source = "arXiv:2402.10846 (defaults reconstructed)",
                     .params = params,
                     .params_size = sizeof(options),
                     .group = "federated logit",
                     .needs = "student:logits teacher:logits label",
                     .components = components,
                     .verified = LB_VERIFIED_EQUATIONS};
