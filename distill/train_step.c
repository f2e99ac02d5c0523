/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include "distill/train_private.h"

static void put(lb_tape *t, lbi_env *e, const char *prefix, const char *name, lb_tensor *x) {
    if (e->count == LBI_NAMES_MAX) {
        (void)lb_tape_fail(t, LB_E_LIMIT, "a stream holds at most %d names", LBI_NAMES_MAX);
        return;
    }
    snprintf(e->at[e->count].name, sizeof e->at[0].name, "%s%s", prefix, name);
    e->at[e->count++].x = x;
}

/* Taps of a model that the stream's terms name as "<model>.<tap>". */
static int taps_of(const lb_train_spec *s, const char *stream, const char *model, const char *taps[64]) {
    int n = 0;
    size_t len = strlen(model);
    for (int i = 0; i < s->nobjectives; i++) {
        const lb_objective *o = &s->objectives[i];
        if (strcmp(o->stream, stream) != 0) continue;
        for (int k = 0; k < o->nbind && n < 64; k++) {
            if (strncmp(o->names[k], model, len) != 0 || o->names[k][len] != '.') continue;
            bool known = false;
            for (int j = 0; j < n; j++) known = known || strcmp(taps[j], o->names[k] + len + 1) == 0;
            if (!known) taps[n++] = o->names[k] + len + 1;
        }
    }
    return n;
}

static void run_model(lbi_train *r, lbi_env *e, const lb_batch *b, const char *stream, const char *name, lb_model *m) {
    const char *taps[64];
    char prefix[96];
    lb_tensor *out[64];
    lb_named in[LB_COUNT(b->at)];
    int n = taps_of(r->spec, stream, name, taps);
    if (n == 0) return;
    for (int i = 0; i < b->count; i++) in[i] = (lb_named){b->at[i].name, b->at[i].x};
    lb_model_run(m, r->tape, b->count, in, n, taps, out);
    snprintf(prefix, sizeof prefix, "%s.", name);
    for (int i = 0; i < n; i++) put(r->tape, e, prefix, taps[i], out[i]);
}

void lbi_fill_env(lbi_train *r, lbi_env *e, const lb_batch *b, const char *stream) {
    lb_tape_mode mode = lb_tape_get_mode(r->tape);
    bool training = lb_tape_training(r->tape);
    lb_rng *rng = lb_tape_rng(r->tape);
    e->count = 0;
    e->rows = b->rows;
    e->keys = b->keys;
    for (int i = 0; i < b->count; i++) put(r->tape, e, "", b->at[i].name, b->at[i].x);
    if (r->spec->federation) run_model(r, e, b, stream, "student", lbi_learning(r)->model);
    for (int i = 0; i < r->nlearners && !r->spec->federation; i++) run_model(r, e, b, stream, r->learners[i].name, r->learners[i].model);
    if (mode == LB_TAPE_GRAD) lb_tape_set_mode(r->tape, LB_TAPE_NO_GRAD);
    lb_tape_set_training(r->tape, false, NULL);
    if (r->watch) lb_tape_watch(r->tape, NULL, NULL);
    for (int i = 0; i < r->spec->nteachers; i++) run_model(r, e, b, stream, r->spec->teachers[i].name, r->spec->teachers[i].model);
    lb_model average = *r->spec->student;
    average.store = r->learners[0].ema;
    if (average.store) run_model(r, e, b, stream, "ema", &average);
    if (r->watch) lb_tape_watch(r->tape, r->watch, r->watch_ctx);
    lb_tape_set_mode(r->tape, mode);
    lb_tape_set_training(r->tape, training, rng);
}

void lbi_client_stream(char *dst, size_t cap, const char *stream, int client) { snprintf(dst, cap, "%s#%d", stream, client); }

double lbi_term_weight(const lb_objective *o, int64_t step) {
    if (step < o->start) return 0;
    int64_t at = step - o->start;
    return at < o->warmup ? o->weight * (double)(at + 1) / (double)o->warmup : o->weight;
}

lb_tensor *lbi_train_forward(lbi_train *r, int64_t part, lb_batch batches[LBI_STREAMS_MAX], lb_tensor **terms) {
    const lb_train_spec *s = r->spec;
    lb_tensor *loss = NULL;
    lbi_env env;
    for (int i = 0; i < s->nobjectives; i++) terms[i] = NULL;
    r->failed = -1;
    for (int k = 0; k < r->nstreams; k++) {
        char share[96];
        if (s->federation) lbi_client_stream(share, sizeof share, r->streams[k], r->seat.client);
        lb_status st = s->source.batch(s->source.ctx, s->federation ? share : r->streams[k], part, &batches[k]);
        if (st != LB_OK) return lb_tape_fail_status(r->tape, lb_where(st, "stream %s, step %lld", r->streams[k], (long long)r->step));
        r->rows += batches[k].rows;
        lbi_fill_env(r, &env, &batches[k], r->streams[k]);
        lb_rng *models = lb_tape_rng(r->tape);
        if (models) lb_tape_set_training(r->tape, lb_tape_training(r->tape), &r->draws);
        for (int i = 0; i < s->nobjectives; i++) {
            const lb_objective *o = &s->objectives[i];
            double weight = lbi_term_weight(o, r->step);
            if (strcmp(o->stream, r->streams[k]) != 0 || weight == 0) continue;
            bool sound = lb_tape_ok(r->tape);
            terms[i] = lbi_run_term(r, o, &env);
            if (sound && !lb_tape_ok(r->tape)) r->failed = i;
            lb_tensor *weighted = lb_scale(r->tape, terms[i], weight);
            loss = loss ? lb_add(r->tape, loss, weighted) : weighted;
        }
        lb_tape_set_training(r->tape, lb_tape_training(r->tape), models);
    }
    return loss ? lb_keep(r->tape, loss) : lb_scalar(r->tape, 0);
}

void lbi_release(lbi_train *r, lb_batch batches[LBI_STREAMS_MAX]) {
    for (int k = 0; k < r->nstreams; k++) {
        if (r->spec->source.release && batches[k].count + (batches[k].keys != NULL) > 0) r->spec->source.release(r->spec->source.ctx, &batches[k]);
        batches[k] = (lb_batch){0};
    }
}
