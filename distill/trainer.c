/* SPDX-License-Identifier: Apache-2.0 */
#include "distill/trainer.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/log.h"
#include "base/memory.h"
#include "distill/train_private.h"

/* Batches that a step takes of each stream. */
static int64_t parts_of(const lb_train_spec *s) { return s->accumulate > 1 ? s->accumulate : 1; }

void lbi_train_close(lbi_train *r) {
    lb_value_free(r->adapters);
    lb_store_free(r->projectors);
    lb_store_free(r->state);
    for (int i = 0; i < r->nlearners; i++) {
        lb_store_free(r->learners[i].ema);
        lb_optim_free(r->learners[i].optim);
    }
    lb_optim_free(r->projector_optim);
    lb_tape_free(r->tape);
    lb_free(r->term);
    lb_free(r->term_sum);
    lb_free(r->term_epoch);
    lb_buf_free(&r->log);
}

static lb_status find_streams(lbi_train *r) {
    for (int i = 0; i < r->spec->nobjectives; i++) {
        const char *name = r->spec->objectives[i].stream;
        bool known = false;
        for (int k = 0; k < r->nstreams; k++) known = known || strcmp(r->streams[k], name) == 0;
        if (known) continue;
        if (r->nstreams == LBI_STREAMS_MAX) return lb_fail(LB_E_LIMIT, "at most %d streams", LBI_STREAMS_MAX);
        if (r->spec->source.rows(r->spec->source.ctx, name) < 1) return lb_fail(LB_E_ARG, "stream '%s' has no items", name);
        r->streams[r->nstreams++] = name;
    }
    return r->nstreams ? LB_OK : lb_fail(LB_E_ARG, "a run wants at least one objective");
}

lb_status lbi_copy_store(lb_store **out, lb_store *from) {
    lb_status st = lb_store_new(out);
    for (int64_t i = 0; st == LB_OK && i < lb_store_count(from); i++) {
        lb_param_tensor *a = lb_store_at(from, i), *b = NULL;
        st = lb_store_add(&b, *out, a->name, a->x->rank, a->x->shape, LB_INIT_ZEROS, 0);
        if (st == LB_OK) memcpy(b->x->data, a->x->data, (size_t)lb_numel(a->x) * sizeof(lb_real));
    }
    return st;
}

static lb_status add_learner(lbi_train *r, const char *name, lb_model *model, const lb_optim_config *optim) {
    lb_status st = LB_OK;
    const lb_train_spec *s = r->spec;
    if (r->nlearners == LBI_STUDENTS_MAX) return lb_fail(LB_E_LIMIT, "at most %d students", LBI_STUDENTS_MAX);
    lbi_learner *a = &r->learners[r->nlearners++];
    a->name = name;
    a->model = model;
    LB_TRY(lb_optim_new(&a->optim, optim ? optim : &s->optim, model->store, s->steps));
    lb_optim_scale_gradients(a->optim, 1 / (double)(parts_of(s) * lbi_ranks(r)));
    if (s->ema > 0) LB_TRY(lbi_copy_store(&a->ema, model->store));
done:
    return st;
}

/* A pattern of the optimiser's that names nothing would leave the run other than its writer means it. What is learned beside the students is not there yet. */
static lb_status check_patterns(const lbi_train *r) {
    lb_store *stores[LBI_STUDENTS_MAX];
    char idle[96];
    for (int i = 0; i < r->nlearners; i++) stores[i] = r->learners[i].model->store;
    for (int i = 0; i < r->nlearners; i++)
        if (lb_optim_idle(r->learners[i].optim, r->nlearners, stores, idle) && strncmp(idle, "proj", 4) != 0 && lb_store_count(stores[i]) > 0)
            return lb_fail(LB_E_ARG, "optimiser: no weight is called '%s'; they are called %s and the like", idle, lb_store_at(stores[i], lb_store_count(stores[i]) - 1)->name);
    return LB_OK;
}

lb_status lbi_train_open(lbi_train *r, const lb_train_spec *spec) {
    lb_status st = LB_OK;
    r->spec = spec;
    r->best_step = -1;
    r->term = lb_calloc((size_t)spec->nobjectives + 1, sizeof *r->term);
    r->term_sum = lb_calloc((size_t)spec->nobjectives + 1, sizeof *r->term_sum);
    r->term_epoch = lb_calloc((size_t)spec->nobjectives + 1, sizeof *r->term_epoch);
    r->adapters = lb_value_list();
    if (!r->term || !r->term_sum || !r->term_epoch || !r->adapters) return LB_E_NOMEM;
    LB_TRY(find_streams(r));
    LB_TRY(lb_tape_new(&r->tape));
    lb_tape_set_precision(r->tape, spec->precision);
    LB_TRY(lb_store_new(&r->projectors));
    LB_TRY(lb_store_new(&r->state));
    LB_TRY(add_learner(r, "student", spec->student, NULL));
    for (int i = 0; i < spec->nothers; i++) LB_TRY(add_learner(r, spec->others[i].name, spec->others[i].model, spec->others[i].optim));
    LB_TRY(check_patterns(r));
    LB_TRY(lbi_federation_begin(r));
    LB_TRY(lb_optim_new(&r->projector_optim, &spec->optim, r->projectors, spec->steps));
    lb_optim_scale_gradients(r->projector_optim, 1 / (double)(parts_of(spec) * lbi_ranks(r)));
done:
    return st;
}

/* ---- one step ---- */

/* "a, b, c, d": of the batch that a term saw. */
static void keys_of(lb_buf *out, const lbi_train *r, const lb_objective *o, const lb_batch *batches) {
    for (int k = 0; k < r->nstreams; k++)
        for (int64_t j = 0; strcmp(r->streams[k], o->stream) == 0 && batches[k].keys && j < batches[k].rows && j < 4; j++) lb_buf_format(out, "%s%s", j ? ", " : "", batches[k].keys[j]);
}

static lb_status bad_term(const lbi_train *r, int i, const lb_batch *batches) {
    const lb_objective *o = &r->spec->objectives[i];
    lb_buf keys = {0};
    keys_of(&keys, r, o, batches);
    lb_status st = lb_fail(LB_E_NUMERIC, "term %s is %g at step %lld (stream %s, items %s, ...); the last checkpoint stays", o->name, r->term[i], (long long)r->step, o->stream, lb_buf_str(&keys));
    lb_buf_free(&keys);
    return st;
}

/* Where the forward pass failed: in a term, or in what it is computed from. */
static lb_status failed_where(const lbi_train *r, lb_status st, const lb_batch *batches) {
    if (st == LB_OK || r->failed < 0) return st;
    const lb_objective *o = &r->spec->objectives[r->failed];
    lb_buf keys = {0};
    keys_of(&keys, r, o, batches);
    st = lb_where(st, "term %s, step %lld (stream %s, items %s, ...); the last checkpoint stays", o->name, (long long)r->step, o->stream, lb_buf_str(&keys));
    lb_buf_free(&keys);
    return st;
}

static void count_epochs(lbi_train *r, const lb_batch *batches) {
    for (int i = 0; i < r->spec->nobjectives; i++)
        for (int k = 0; k < r->nstreams; k++) {
            if (strcmp(r->streams[k], r->spec->objectives[i].stream) != 0 || batches[k].rows < 1) continue;
            int64_t rows = batches[k].rows * parts_of(r->spec) * lbi_ranks(r);
            r->term_epoch[i] = (r->spec->source.rows(r->spec->source.ctx, r->streams[k]) + rows - 1) / rows;
        }
}

/* Adds a batch's share of every term. */
static lb_status read_terms(lbi_train *r, lb_tensor *const *terms, const lb_batch *batches) {
    for (int i = 0; i < r->spec->nobjectives; i++) {
        double value = terms[i] ? lb_number(terms[i]) : 0;
        if (!isfinite(value)) {
            r->term[i] = value;
            return bad_term(r, i, batches);
        }
        r->term[i] += value / (double)parts_of(r->spec);
        r->term_sum[i] += fabs(value);
    }
    return LB_OK;
}

/* After a whole first epoch of a term's stream; after the run, when that is shorter. */
static lb_status zero_check(const lbi_train *r) {
    for (int i = 0; i < r->spec->nobjectives; i++) {
        const lb_objective *o = &r->spec->objectives[i];
        int64_t steps = r->step + 1 - r->start_step, epoch = r->term_epoch[i] < r->spec->steps - r->start_step ? r->term_epoch[i] : r->spec->steps - r->start_step;
        if (r->term_sum[i] == 0 && steps == epoch && o->weight != 0 && o->start == 0 && !o->allow_zero)
            return lb_fail(LB_E_NUMERIC, "term %s was exactly 0 in every one of the first %lld steps: is it bound to what it should be? (allow_zero: true lets it)", o->name, (long long)steps);
    }
    return LB_OK;
}

/* Once, at the first step of this process. */
static void say_adapters(lbi_train *r) {
    for (; r->adapters_said < r->adapters->count; r->adapters_said++) {
        const lb_value *a = r->adapters->items[r->adapters_said];
        lb_say(LB_LOG_INFO, "train", "term %s: %s is joined to the teacher's by %s", lb_get_text(a, "term", ""), lb_get_text(a, "input", ""), lb_get_text(a, "by", ""));
    }
}

/* One of the batches of a step: gradients add up. */
static lb_status one_part(lbi_train *r, int64_t part, double *loss_value) {
    lb_status st = LB_OK;
    lb_batch batches[LBI_STREAMS_MAX] = {0};
    lb_tensor *terms[64] = {0};
    lb_rng rng = lb_rng_make(r->spec->seed + (uint64_t)lbi_rank(r), (uint64_t)part);
    r->draws = lb_rng_make(r->spec->seed ^ 0x7465726d, (uint64_t)part);
    lb_tape_set_mode(r->tape, LB_TAPE_GRAD);
    lb_tape_set_training(r->tape, true, &rng);
    lb_tensor *loss = lbi_train_forward(r, part, batches, terms);
    LB_TRY(failed_where(r, lb_tape_status(r->tape), batches));
    say_adapters(r);
    LB_TRY(read_terms(r, terms, batches));
    count_epochs(r, batches);
    *loss_value += lb_number(loss) / (double)parts_of(r->spec);
    lb_backward(r->tape, loss);
    LB_TRY(lb_tape_status(r->tape));
done:
    lb_tape_set_training(r->tape, false, NULL);
    lbi_release(r, batches);
    lb_tape_reset(r->tape);
    return st;
}

/* In a federation the client whose turn it is, and nobody in the server's steps. */
static bool learns(const lbi_train *r, const lbi_learner *a) { return !r->spec->federation || (a == lbi_learning(r) && !r->seat.server); }

/* What the terms learn beside the students is the server's, when it has steps of its own. */
static bool beside_learns(const lbi_train *r) { return !r->spec->federation || r->spec->federation->server_steps == 0 || r->seat.server; }

lb_status lbi_train_step(lbi_train *r, double *loss_value, double *norm) {
    lb_status st = LB_OK;
    int64_t parts = parts_of(r->spec);
    *loss_value = 0;
    for (int i = 0; i < r->spec->nobjectives; i++) r->term[i] = 0;
    lbi_take_seat(r);
    LB_TRY(lbi_before_step(r));
    for (int64_t k = 0; k < parts; k++) LB_TRY(one_part(r, r->step * parts + k, loss_value));
    LB_TRY(lbi_sum_gradients(r));
    for (int i = 0; i < r->nlearners; i++) {
        lbi_learner *a = &r->learners[i];
        if (!learns(r, a)) continue;
        LB_TRY(lb_optim_step(a->optim, r->step, i == 0 || r->spec->federation ? norm : NULL));
        lb_store_zero_grad(a->model->store);
        if (a->ema) LB_TRY(lb_store_ema(a->ema, a->model->store, r->spec->ema));
    }
    if (lb_store_count(r->projectors) > 0 && beside_learns(r)) LB_TRY(lb_optim_step(r->projector_optim, r->step, NULL));
    lb_store_zero_grad(r->projectors);
    LB_TRY(lbi_after_step(r));
    lbi_federation_after(r);
done:
    return st;
}

/* Evaluations since the best one, from steps alone: a resumed run ends where it would have. */
static bool out_of_patience(const lbi_train *r) {
    const lb_train_spec *s = r->spec;
    return s->patience > 0 && s->evaluate && s->eval_every > 0 && r->best_step >= 0 && (r->step - r->best_step) / s->eval_every >= s->patience;
}

/* The first student's scores, and those of the others by name. */
static lb_status score_all(lbi_train *r, lb_value *scores, double *key) {
    lb_status st = LB_OK;
    lb_value *others = r->nlearners > 1 ? lb_value_map() : NULL;
    for (int i = 0; i < r->nlearners && st == LB_OK; i++) {
        double score = 0;
        lb_value *own = i == 0 ? scores : lb_value_map();
        st = r->spec->evaluate(r->spec->eval_ctx, r->learners[i].model, r->step, own, &score);
        if (i == 0) *key = score;
        else lb_map_put(others, r->learners[i].name, own);
    }
    if (others) lb_map_put(scores, "students", others);
    return st;
}

static lb_status evaluate(lbi_train *r) {
    lb_status st = LB_OK;
    double score = 0;
    lb_value *scores = lb_value_map();
    lbi_swap_ema(r);
    if (lbi_rank(r) == 0) st = score_all(r, scores, &score);
    lbi_swap_ema(r);
    if (st == LB_OK) st = lbi_from_first(r, &score);
    if (st == LB_OK) st = lbi_log_scores(r, scores);
    if (st == LB_OK && (r->best_step < 0 || score > r->best_score)) {
        r->best_score = score;
        r->best_step = r->step;
        st = lbi_checkpoint_save(r, "best.safetensors");
    }
    lb_value_free(scores);
    return st;
}

static lb_status save_last(lbi_train *r) {
    lb_status st = lbi_checkpoint_save(r, "last.safetensors");
    return st == LB_OK ? lbi_federation_saved(r) : st;
}

static lb_status loop(lbi_train *r, lb_train_result *out) {
    const lb_train_spec *s = r->spec;
    lb_status st = LB_OK;
    char note[128] = "";
    double loss = 0, norm = 0, start = lb_now();
    lb_progress_begin(s->progress, "train", "steps", r->step, s->steps);
    while (r->step < s->steps && !out_of_patience(r)) {
        LB_TRY(lbi_train_step(r, &loss, &norm));
        if (r->step % s->log_every == 0 || r->step + 1 == s->steps) LB_TRY(lbi_log_step(r, loss, norm, lb_now() - start));
        LB_TRY(zero_check(r));
        r->step++;
        if (s->evaluate && s->eval_every > 0 && r->step % s->eval_every == 0 && r->step < s->steps) LB_TRY(evaluate(r));
        bool last = r->step == s->steps || out_of_patience(r);
        if (last || r->step % s->save_every == 0) LB_TRY(save_last(r));
        snprintf(note, sizeof note, "loss %.4f, %.0f MB", loss, (double)lb_memory_held(NULL) / 1e6);
        bool stop = lb_progress_at(s->progress, r->step, note) == LB_E_CANCELLED;
        LB_TRY(lbi_any(r, &stop));
        if (stop && !last) {
            st = save_last(r);
            if (st == LB_OK) st = lb_fail(LB_E_CANCELLED, "stopped after step %lld of %lld; the same command goes on", (long long)r->step, (long long)s->steps);
            goto done;
        }
    }
    lb_progress_end(s->progress, note[0] ? note : NULL);
    out->seconds = lb_now() - start;
    out->last_loss = loss;
done:
    return st;
}

static void say_plan(const lb_train_spec *s) {
    for (int i = 0; i < s->nobjectives; i++) {
        const lb_objective *o = &s->objectives[i];
        lb_say(LB_LOG_INFO, "train", "term %s: %s/%s on %s, weight %g", o->name, o->method->id, o->component->name, o->stream, o->weight);
    }
}

lb_status lb_train(lb_train_result *out, const lb_train_spec *spec) {
    lb_status st = LB_OK;
    lbi_train r = {0};
    bool found = false;
    if (spec->nobjectives > 64) return lb_fail(LB_E_LIMIT, "at most 64 objectives");
    LB_TRY(lbi_train_foresee(spec));
    LB_TRY(lbi_train_open(&r, spec));
    if (spec->resume) LB_TRY(lbi_checkpoint_load(&r, &found));
    LB_TRY(lbi_train_fits(&r, 0));
    if (found) LB_TRY(lbi_log_resume(&r, r.step));
    say_plan(spec);
    if (found) lb_say(LB_LOG_INFO, "train", "going on after step %lld", (long long)r.step);
    LB_TRY(loop(&r, out));
    LB_TRY(lbi_checkpoint_adapters(&r, "adapters.safetensors"));
    lbi_swap_ema(&r); /* the students leave with their averaged weights */
    out->steps = r.step;
    out->start_step = r.start_step;
    out->items_per_second = out->seconds > 0 ? (double)(r.rows * lbi_ranks(&r)) / out->seconds : 0;
    out->best_score = r.best_score;
    out->best_step = r.best_step;
    out->peak_bytes = lb_tape_get_stats(r.tape).peak_bytes;
done:
    lbi_train_close(&r);
    return st;
}
