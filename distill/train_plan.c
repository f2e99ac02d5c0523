/* SPDX-License-Identifier: Apache-2.0 */
/* What a run would do and take, before it does. */
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "distill/train_private.h"

static lb_value *plan_terms(const lb_train_spec *s) {
    lb_value *all = lb_value_list();
    for (int i = 0; i < s->nobjectives; i++) {
        const lb_objective *o = &s->objectives[i];
        lb_value *v = lb_value_map(), *bound = lb_value_map();
        lb_map_text(v, "name", o->name);
        lb_map_text(v, "component", o->component->name);
        lb_map_text(v, "method", o->method->id);
        lb_map_text(v, "stream", o->stream);
        lb_map_real(v, "weight", o->weight);
        for (int k = 0; k < o->nbind; k++) lb_map_text(bound, o->inputs[k], o->names[k]);
        lb_map_put(v, "inputs", bound);
        lb_list_put(all, v);
    }
    return all;
}

static lb_value *plan_streams(const lbi_train *r, const lb_batch *batches) {
    lb_value *all = lb_value_map();
    for (int k = 0; k < r->nstreams; k++) {
        lb_value *s = lb_value_map();
        lb_map_int(s, "items", r->spec->source.rows(r->spec->source.ctx, r->streams[k]));
        lb_map_int(s, "batch", batches[k].rows * lbi_ranks(r));
        lb_map_put(all, r->streams[k], s);
    }
    return all;
}

/* ---- what the backward pass will hold on to, told from the calls of a step on shapes ---- */

typedef struct counting {
    uint8_t *marks; /* by tensor: 1 counted, 2 made again when wanted */
    int64_t capacity, held, largest;
} counting;

static uint8_t *mark_of(counting *c, const lb_tensor *x) {
    static uint8_t none;
    if (x->id >= c->capacity) {
        int64_t more = 2 * (int64_t)x->id + 1024;
        uint8_t *marks = lb_calloc((size_t)more, 1);
        if (!marks) return &none;
        if (c->marks) memcpy(marks, c->marks, (size_t)c->capacity);
        lb_free(c->marks);
        c->marks = marks;
        c->capacity = more;
    }
    return &c->marks[x->id];
}

static void hold(counting *c, const lb_tensor *x) {
    if (!x || x->id <= 0) return; /* weights and batches are there anyway */
    uint8_t *mark = mark_of(c, x);
    int64_t bytes = lb_numel(x) * (int64_t)lb_dtype_size(x->dtype);
    if (bytes > c->largest) c->largest = bytes;
    if (*mark == 0) c->held += bytes;
    *mark |= 1;
}

static void seen(void *ctx, const lb_call *call) {
    counting *c = ctx;
    if (!call->op->backward) return;
    uint32_t reads = lb_call_reads(call);
    if (call->op->flags & LB_OP_CHEAP) *mark_of(c, call->out[0]) |= 2;
    for (int i = 0; i < call->nin; i++)
        if (reads & LB_READS_IN(i)) hold(c, call->in[i]);
    for (int k = 0; k < call->nout; k++)
        if (reads & LB_READS_OUT(k)) hold(c, call->out[k]);
}

/* Numbers with their gradients and two moments, and averages. */
static int64_t state_bytes(const lbi_train *r, int64_t *parameters) {
    *parameters = lb_store_parameters(r->projectors, NULL);
    for (int i = 0; i < r->nlearners; i++) *parameters += lb_store_parameters(r->learners[i].model->store, NULL);
    return *parameters * (int64_t)sizeof(lb_real) * (4 + (r->spec->ema > 0));
}

lb_status lbi_train_fits(const lbi_train *r, int64_t activations) {
    int64_t parameters, left = lb_memory_available(), weights = 0;
    int64_t need = state_bytes(r, &parameters) + activations;
    for (int i = 0; i < r->nlearners; i++) weights += lb_store_parameters(r->learners[i].model->store, NULL) * (int64_t)sizeof(lb_real); /* are there already */
    if (left < 0 || need - weights <= left) return LB_OK;
    return lb_fail(LB_E_NOMEM, "the students are larger than memory: %lld parameters with gradients and the optimiser's state%s take %.2f GiB, of which %.2f GiB are there%s", (long long)parameters,
                   activations ? ", and a step's activations," : "", (double)need / (1 << 30), (double)(left + weights) / (1 << 30), activations > need / 2 ? "; a smaller batch holds less" : "");
}

/* ---- a few real steps ---- */

enum { LONG_STEP = 5 }; /* seconds, after which one is enough */

static lb_status try_steps(lbi_train *r, lb_value *plan) {
    lb_status st = LB_OK;
    double loss, norm, seconds = 0;
    int steps = 0;
    lb_value *v = lb_value_map();
    lb_tape_set_mode(r->tape, LB_TAPE_GRAD);
    for (int i = 0; i < 4 && r->step < r->spec->steps && (i < 2 || seconds < LONG_STEP); i++) {
        double start = lb_now();
        LB_TRY(lbi_train_step(r, &loss, &norm));
        r->step++;
        if (i == 0 && lb_now() - start < LONG_STEP && r->spec->steps > 1) continue; /* the first one warms up */
        seconds += lb_now() - start;
        steps++;
        if (seconds > LONG_STEP) break;
    }
    if (steps > 0) {
        int64_t peak = -1;
        (void)lb_memory_held(&peak);
        lb_map_real(v, "seconds_a_step", seconds / steps);
        lb_map_real(v, "seconds_of_the_run", seconds / steps * (double)r->spec->steps);
        lb_map_int(v, "tensor_bytes", lb_tape_get_stats(r->tape).peak_bytes);
        lb_map_int(v, "process_bytes", peak);
        lb_map_put(plan, "measured", v);
        v = NULL;
    }
done:
    lb_value_free(v);
    return st;
}

/* Step r->step on shapes alone. */
static lb_status on_shapes(lbi_train *r, counting *c, lb_batch *batches) {
    lb_tensor *terms[64] = {0};
    lb_tape_set_mode(r->tape, LB_TAPE_SHAPES);
    lb_tape_set_training(r->tape, true, NULL);
    r->watch = seen;
    r->watch_ctx = c;
    lb_tape_watch(r->tape, seen, c);
    (void)lbi_train_forward(r, r->step, batches, terms);
    r->watch = NULL;
    lb_tape_watch(r->tape, NULL, NULL);
    return lb_tape_status(r->tape);
}

static int64_t activation_bytes(const counting *c) { return c->held + 4 * c->largest; } /* gradients on their way */

lb_status lbi_train_foresee(const lb_train_spec *spec) {
    lb_status st = LB_OK;
    lbi_train r = {0};
    counting c = {0};
    lb_batch batches[LBI_STREAMS_MAX] = {0};
    if (spec->crew && spec->crew->count > 1) return LB_OK; /* each has its share: the first step tells */
    if (lbi_train_open(&r, spec) == LB_OK && on_shapes(&r, &c, batches) == LB_OK) st = lbi_train_fits(&r, activation_bytes(&c) / 2); /* some of it is made again in place of being held */
    else lb_error_clear();
    lbi_release(&r, batches);
    lbi_train_close(&r);
    lb_free(c.marks);
    return st;
}

/* A step on shapes alone finds unknown names and widths that do not go together, and counts. */
lb_status lb_train_plan(lb_value **out, const lb_train_spec *spec) {
    lb_status st = LB_OK;
    lbi_train r = {0};
    counting c = {0};
    lb_batch batches[LBI_STREAMS_MAX] = {0};
    lb_value *v = lb_value_map();
    int64_t parameters;
    LB_TRY(lbi_train_open(&r, spec));
    LB_TRY(on_shapes(&r, &c, batches));
    lb_map_put(v, "terms", plan_terms(spec));
    lb_map_put(v, "streams", plan_streams(&r, batches));
    lb_map_put(v, "adapters", lb_value_copy(r.adapters));
    int64_t state = state_bytes(&r, &parameters), activations = activation_bytes(&c);
    lb_map_int(v, "parameters", parameters);
    lb_map_real(v, "gflops_per_step", 3 * lb_tape_get_stats(r.tape).flops / 1e9);
    lb_map_int(v, "weight_and_optimiser_bytes", state);
    lb_map_int(v, "activation_bytes", activations);
    lb_map_int(v, "memory_available", lb_memory_available());
    lb_map_int(v, "steps", spec->steps);
    lbi_release(&r, batches);
    lb_tape_reset(r.tape);
    LB_TRY(lbi_train_fits(&r, activations));
    if (lbi_ranks(&r) == 1) LB_TRY(try_steps(&r, v));
    *out = v;
    v = NULL;
done:
    lbi_release(&r, batches);
    lbi_train_close(&r);
    lb_free(c.marks);
    lb_value_free(v);
    return st;
}
