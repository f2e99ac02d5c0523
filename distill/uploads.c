/* SPDX-License-Identifier: Apache-2.0 */
/* What the clients of a round send before anybody learns in it: each runs its model over all its items, once. It is kept outside (lb_train_spec.uploads)
 * and read by key, so that the server learns from what was sent, and a run that was stopped within a round goes on with it. */
#include <string.h>
#include "distill/play.h"
#include "distill/train_private.h"

enum { SPAN = 256 }; /* items that a model is run on at a time */

typedef struct sending {
    lbi_train *r;
    const char *stream;
    int ntaps;
    const char *const *taps;
    int64_t who[LBI_STUDENTS_MAX], clients;
    int64_t count; /* items of all */
    char **keys;
} sending;

static int64_t items_of(const sending *s, int64_t client) {
    char share[96];
    lbi_client_stream(share, sizeof share, s->stream, (int)client);
    return s->r->spec->source.rows(s->r->spec->source.ctx, share);
}

static lb_status find_keys(sending *s) {
    const lb_batch_source *source = &s->r->spec->source;
    lb_status st = LB_OK;
    int64_t at = 0;
    for (int64_t k = 0; k < s->clients; k++) s->count += items_of(s, s->who[k]);
    if (!(s->keys = lb_calloc((size_t)s->count + 1, sizeof *s->keys))) return LB_E_NOMEM;
    for (int64_t k = 0; k < s->clients; k++) {
        char share[96];
        lbi_client_stream(share, sizeof share, s->stream, (int)s->who[k]);
        for (int64_t i = 0, n = items_of(s, s->who[k]); i < n; i++) LB_TRY(source->key(source->ctx, share, i, &s->keys[at++]));
    }
done:
    return st;
}

/* Runs a client's model over n of its items and hands the taps over. */
static lb_status send_span(sending *s, int64_t client, int64_t from, int64_t n, bool *begun) {
    lbi_train *r = s->r;
    const lb_batch_source *source = &r->spec->source;
    lb_status st = LB_OK;
    lb_batch b = {0};
    lb_tape *t = NULL;
    lb_named in[LB_COUNT(b.at)];
    lb_tensor *out[LBI_UPLOADS_MAX];
    char share[96];
    lbi_client_stream(share, sizeof share, s->stream, (int)client);
    LB_TRY(source->span(source->ctx, share, from, n, &b));
    LB_TRY(lb_tape_new(&t));
    lb_tape_set_mode(t, LB_TAPE_NO_GRAD);
    lb_tape_set_precision(t, r->spec->precision);
    for (int i = 0; i < b.count; i++) in[i] = (lb_named){b.at[i].name, b.at[i].x};
    lb_model_run(r->learners[1 + client].model, t, b.count, in, s->ntaps, s->taps, out);
    for (int i = 0; i < s->ntaps; i++) out[i] = lb_contiguous(t, out[i]);
    LB_TRY(lb_tape_status(t));
    if (!*begun) LB_TRY(r->spec->uploads->begin(r->spec->uploads->ctx, r->seat.round, s->count, (const char *const *)s->keys, s->ntaps, s->taps, out));
    *begun = true;
    LB_TRY(r->spec->uploads->add(r->spec->uploads->ctx, out));
done:
    lb_tape_free(t);
    if (source->release) source->release(source->ctx, &b);
    return st;
}

static lb_status send_all(sending *s) {
    lb_status st = LB_OK;
    bool begun = false;
    LB_TRY(find_keys(s));
    for (int64_t k = 0; k < s->clients; k++)
        for (int64_t i = 0, n = items_of(s, s->who[k]); i < n; i += SPAN) LB_TRY(send_span(s, s->who[k], i, n - i < SPAN ? n - i : SPAN, &begun));
    st = s->r->spec->uploads->end(s->r->spec->uploads->ctx);
done:
    for (int64_t i = 0; s->keys && i < s->count; i++) lb_free(s->keys[i]);
    lb_free(s->keys);
    return st;
}

/* Once a round: what is there from an earlier process stays as it was sent. */
static lb_status be_sent(lb_play *p, int ntaps, const char *const *taps) {
    lbi_train *r = p->run;
    const lb_uploads *u = r->spec->uploads;
    bool there = false;
    if (!r->spec->source.span || !r->spec->source.key) return lb_fail(LB_E_UNSUPPORTED, "this source does not tell the items of a stream one by one");
    lb_status st = u->find(u->ctx, r->seat.round, &there);
    if (st != LB_OK || there) return st;
    if (r->step == r->start_step && !r->seat.first)
        return lb_fail(LB_E_NOTFOUND, "what the clients sent in round %lld is gone, and they have learnt since: begin the run anew", (long long)r->seat.round);
    sending s = {.r = r, .stream = p->term->stream, .ntaps = ntaps, .taps = taps};
    s.clients = lbi_participants(r, r->seat.round, s.who);
    st = send_all(&s);
    return st == LB_OK ? st : lb_where(st, "what the clients send in round %lld", (long long)r->seat.round);
}

void lb_play_uploads(lb_play *p, int ntaps, const char *const *taps, lb_tensor **out) {
    lb_tape *t = p->tape;
    const lb_uploads *u = p->run->spec->uploads;
    lb_status st = LB_OK;
    lb_tensor *rows[LBI_UPLOADS_MAX] = {0};
    for (int i = 0; i < ntaps; i++) out[i] = lb_inert(t);
    if (!lb_tape_ok(t)) return;
    if (!u || lb_tape_get_mode(t) == LB_TAPE_SHAPES) {
        lb_play_run(p, "student", false, 0, NULL, ntaps, taps, out);
        return;
    }
    if (ntaps > LBI_UPLOADS_MAX) LB_TRY(lb_fail(LB_E_LIMIT, "at most %d taps are sent", LBI_UPLOADS_MAX));
    if (!p->env->keys) LB_TRY(lb_fail(LB_E_UNSUPPORTED, "the items of stream %s have no keys", p->term->stream));
    LB_TRY(be_sent(p, ntaps, taps));
    for (int i = 0; i < ntaps; i++) {
        LB_TRY(u->read(u->ctx, p->run->seat.round, taps[i], p->env->rows, (const char *const *)p->env->keys, &rows[i]));
        out[i] = lb_input(t, LB_REAL, rows[i]->rank, rows[i]->shape, rows[i]->data, rows[i]->dtype);
    }
done:
    for (int i = 0; i < ntaps && i < LBI_UPLOADS_MAX; i++) lb_tensor_free(rows[i]);
    if (st != LB_OK) (void)lb_tape_fail_status(t, lb_where(st, "objective %s", p->term->name));
}
