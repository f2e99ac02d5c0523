/* SPDX-License-Identifier: Apache-2.0 */
/* `federation` of a recipe: the students of the clients, and each client's share of the items of every stream. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/rng.h"
#include "cli/recipe_private.h"

/* Share k of a stream: items of each label are dealt out by shares that a Dirichlet distribution draws; without labels evenly. */
static lb_status deal(cli_recipe *r, const cli_stream *from, int64_t *owner) {
    int64_t clients = r->federation.clients, *order = lb_alloc((size_t)from->count + 1, sizeof *order);
    double share[CLI_MAX_STUDENTS];
    lb_rng rng = lb_rng_of(r->seed, 0, "clients");
    if (!order) return LB_E_NOMEM;
    lb_rng_permutation(&rng, order, from->count);
    for (int64_t label = -1; label < r->label_count; label++) {
        int64_t members = 0, done = 0;
        double reached = 0, sum = 0;
        for (int64_t i = 0; i < from->count; i++) members += cli_recipe_label(r, from->rows[i]) == label;
        for (int64_t k = 0; k < clients; k++) sum += share[k] = label < 0 ? 1 : lb_rng_gamma(&rng, r->federation.dirichlet);
        int64_t k = 0;
        for (int64_t i = 0; i < from->count; i++) {
            if (cli_recipe_label(r, from->rows[order[i]]) != label) continue;
            while (k < clients - 1 && (double)done >= (reached + share[k]) / sum * (double)members) reached += share[k++];
            owner[order[i]] = k;
            done++;
        }
    }
    lb_free(order);
    return LB_OK;
}

static lb_status add_share(cli_recipe *r, int of, int64_t client, const int64_t *owner) {
    const cli_stream *from = &r->streams[of];
    cli_stream *s = &r->streams[r->nstreams];
    if (r->nstreams == CLI_MAX_STREAMS) return lb_fail(LB_E_LIMIT, "recipe: at most %d streams, clients' shares among them", CLI_MAX_STREAMS);
    *s = *from;
    s->count = 0;
    s->name = lb_format_dup("%s#%lld", from->name, (long long)client);
    s->rows = lb_alloc((size_t)from->count + 1, sizeof *s->rows);
    r->nstreams++;
    if (!s->name || !s->rows) return LB_E_NOMEM;
    for (int64_t i = 0; i < from->count; i++)
        if (owner[i] == client) s->rows[s->count++] = from->rows[i];
    if (s->count == 0) return lb_fail(LB_E_ARG, "recipe: federation: client %lld has no items of stream %s; fewer clients or a larger dirichlet", (long long)client, from->name);
    return LB_OK;
}

lb_status recipe_open_clients(cli_recipe *r) {
    lb_status st = LB_OK;
    const lb_value *v = lb_get(r->value, "federation");
    int64_t *owner = NULL;
    if (!v) return LB_OK;
    if (lb_get(r->value, "students")) return lb_fail(LB_E_ARG, "recipe: line %d: a federation has the student's clients for further students; 'students' is not for it", v->line);
    LB_TRY(lb_params_from_value(lb_federation_params, &r->federation, v));
    lb_map_put(r->value, "federation", lb_params_to_value(lb_federation_params, &r->federation));
    if (r->made) r->made->spread = r->federation.dirichlet;
    for (int i = 0, n = r->nstreams; !r->made && i < n; i++) {
        lb_free(owner);
        if (!(owner = lb_calloc((size_t)r->streams[i].count + 1, sizeof *owner))) LB_TRY(LB_E_NOMEM);
        LB_TRY(deal(r, &r->streams[i], owner));
        for (int64_t k = 0; k < r->federation.clients; k++) LB_TRY(add_share(r, i, k, owner));
    }
    for (int64_t k = 0; k < r->federation.clients; k++) {
        lb_student *o = &r->others[r->nothers];
        snprintf(r->client_names[k], sizeof r->client_names[k], "client%lld", (long long)k);
        o->name = r->client_names[k];
        r->nothers++;
        LB_TRY(lb_model_new(&o->model, r->student->arch, lb_get(r->value, "student.params")));
    }
done:
    lb_free(owner);
    return st;
}
