/* SPDX-License-Identifier: Apache-2.0 */
/* A federation in the one loop: every step is a turn of one client, or of the server with one client's batch. Who, is a function of the step
 * alone, so a resumed run goes on as it would have. In a round the server's steps come first, then each participant's local ones. */
#include <string.h>
#include "distill/parts/parts.h"
#include "distill/train_private.h"

const lb_param lb_federation_params[] = {
    LB_PARAM(lb_federation, clients, 8, 2, LBI_STUDENTS_MAX - 1, "clients", "models that learn apart, each from its share of the items"),
    LB_PARAM(lb_federation, ratio, 1, LB_ABOVE_0, 1, "1", "share of the clients that take part in a round"),
    LB_PARAM(lb_federation, local_steps, 5, 1, 1e6, "steps", "of a client in a round"),
    LB_PARAM(lb_federation, server_steps, 0, 0, 1e6, "steps", "of the server in a round, for each participant: what the terms learn beside the students"),
    LB_PARAM(lb_federation, dirichlet, 0.5, LB_ABOVE_0, 1e9, "1", "concentration of the clients' shares of each label; small = each client sees few labels"),
    LB_PARAM_TEXT(lb_federation, share, "none", "none|weights", "what ends a round: nothing, or every client takes the participants' mean weights (FedAvg)"),
    LB_PARAM_END};

int64_t lbi_participants(const lbi_train *r, int64_t round, int64_t who[LBI_STUDENTS_MAX]) {
    const lb_federation *f = r->spec->federation;
    lb_rng rng = lb_rng_make(r->spec->seed ^ 0x6665646572617465, (uint64_t)round);
    lb_rng_permutation(&rng, who, f->clients);
    return lb_part_participants(who, f->clients, f->ratio);
}

static int64_t round_steps(const lbi_train *r) {
    int64_t who[LBI_STUDENTS_MAX];
    return lbi_participants(r, 0, who) * (r->spec->federation->server_steps + r->spec->federation->local_steps);
}

void lbi_take_seat(lbi_train *r) {
    const lb_federation *f = r->spec->federation;
    int64_t who[LBI_STUDENTS_MAX];
    if (!f) return;
    int64_t n = lbi_participants(r, 0, who), each = round_steps(r), round = r->step / each, within = r->step % each - n * f->server_steps;
    (void)lbi_participants(r, round, who);
    r->seat = (lbi_seat){.round = round, .server = within < 0, .client = (int)who[within < 0 ? (within + n * f->server_steps) % n : within / f->local_steps],
                         .first = r->step % each == 0, .last = r->step % each == each - 1};
}

lbi_learner *lbi_learning(const lbi_train *r) { return (lbi_learner *)&r->learners[r->spec->federation ? 1 + r->seat.client : 0]; }

void lbi_copy_weights(lb_store *to, lb_store *from) {
    for (int64_t i = 0; i < lb_store_count(to); i++) memcpy(lb_store_at(to, i)->x->data, lb_store_at(from, i)->x->data, (size_t)lb_numel(lb_store_at(to, i)->x) * sizeof(lb_real));
}

/* The participants' mean, each by its items, becomes the student's; with share "weights" every client's. */
static void average(lbi_train *r) {
    const lb_federation *f = r->spec->federation;
    int64_t who[LBI_STUDENTS_MAX], n = lbi_participants(r, r->seat.round, who);
    double items[LBI_STUDENTS_MAX], sum = 0;
    char stream[96];
    for (int64_t k = 0; k < n; k++) {
        lbi_client_stream(stream, sizeof stream, r->streams[0], (int)who[k]);
        sum += items[k] = (double)r->spec->source.rows(r->spec->source.ctx, stream);
    }
    lb_store *mean = r->learners[0].model->store;
    for (int64_t i = 0; i < lb_store_count(mean); i++) {
        lb_real *x = lb_store_at(mean, i)->x->data;
        for (int64_t j = 0; j < lb_numel(lb_store_at(mean, i)->x); j++) {
            double value = 0;
            for (int64_t k = 0; k < n; k++) value += items[k] / sum * (double)((lb_real *)lb_store_at(r->learners[1 + who[k]].model->store, i)->x->data)[j];
            x[j] = (lb_real)value;
        }
    }
    for (int k = 1; k < r->nlearners && strcmp(f->share, "weights") == 0; k++) lbi_copy_weights(r->learners[k].model->store, mean);
}

lb_status lbi_federation_begin(lbi_train *r) {
    const lb_federation *f = r->spec->federation;
    if (!f) return LB_OK;
    if (r->nlearners != 1 + f->clients) return lb_fail(LB_E_ARG, "a federation of %lld clients wants as many further students, there are %d", (long long)f->clients, r->nlearners - 1);
    if (lbi_ranks(r) > 1) return lb_fail(LB_E_UNSUPPORTED, "a federation runs in one process");
    for (int k = 1; k < r->nlearners; k++) lbi_copy_weights(r->learners[k].model->store, r->learners[0].model->store);
    return LB_OK;
}

lb_status lbi_federation_saved(lbi_train *r) {
    const lb_uploads *u = r->spec->uploads;
    int64_t next = r->step < r->spec->steps ? r->step : r->spec->steps - 1; /* those of the last round stay */
    return r->spec->federation && u ? u->drop(u->ctx, next / round_steps(r)) : LB_OK;
}

void lbi_federation_after(lbi_train *r) {
    if (r->spec->federation && r->seat.last) average(r);
}
