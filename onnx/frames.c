/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs that hear sound frame by frame and carry a state: voice activity as Silero publishes it (github.com/snakers4/silero-vad, utils_vad.py, OnnxWrapper).
 * A frame of 512 samples at 16 kHz is given with the 64 samples before it, zeros before the first; the state that a frame leaves goes into the next. What is
 * left at the end and makes no whole frame is not heard, except by a sound that is shorter than one: that is filled up with zeros. */
#include "onnx/frames.h"
#include <string.h>
#include "tensor/hold.h"

enum { RATE = 16000, FRAME = 512, CONTEXT = 64, WANTED = 8 };

typedef struct frames {
    lb_arch arch;
    const lb_onnx *graph;
    const lb_onnx_value *sound, *state, *rate;
    const char *next; /* the output that is the next frame's state */
} frames;

/* ---- is it one? ---- */

static bool find_output(const lb_onnx *g, const char *stem, const char **out) {
    size_t n = strlen(stem);
    for (int k = 0; k < lb_onnx_outputs(g); k++) {
        const char *name = lb_onnx_output(g, k)->name;
        if (strncmp(name, stem, n) == 0 && strcmp(name + n, "N") == 0) *out = name;
    }
    return *out != NULL;
}

static bool find_parts(frames *f) {
    for (int i = 0; i < lb_onnx_inputs(f->graph); i++) {
        const lb_onnx_value *v = lb_onnx_input(f->graph, i);
        if (v->dtype == LB_F32 && v->rank == 2) f->sound = v;
        else if (v->dtype == LB_F32 && v->rank == 3 && v->shape[0] > 0 && v->shape[2] > 0) f->state = v;
        else if (v->dtype == LB_I64 && v->rank <= 0 && strcmp(v->name, "sr") == 0) f->rate = v;
    }
    return lb_onnx_inputs(f->graph) == 3 && f->sound && f->state && f->rate && find_output(f->graph, f->state->name, &f->next);
}

bool lb_onnx_hears_frames(const lb_onnx *graph) { return find_parts(&(frames){.graph = graph}); }

/* ---- runs ---- */

static lb_tensor *zeros(lb_tape *t, int rank, const int64_t *shape) {
    lb_tensor *x = lb_hold(t, LB_F32, rank, shape);
    if (x->data) memset(x->data, 0, (size_t)lb_numel(x) * sizeof(float));
    return x;
}

/* Frame `number` of sounds [N,T] with what is before it: [N,CONTEXT + FRAME]. */
static lb_tensor *frame_of(lb_tape *t, const lb_tensor *sound, int64_t number) {
    int64_t n = sound->shape[0], length = sound->shape[1], from = number * FRAME - CONTEXT, first = from < 0 ? -from : 0;
    lb_tensor *x = zeros(t, 2, (int64_t[]){n, CONTEXT + FRAME});
    int64_t last = length - from < CONTEXT + FRAME ? length - from : CONTEXT + FRAME;
    for (int64_t i = 0; x->data && i < n && last > first; i++)
        memcpy((float *)x->data + i * x->shape[1] + first, (const float *)sound->data + i * length + from + first, (size_t)(last - first) * sizeof(float));
    return x;
}

typedef struct wanted {
    const char *names[WANTED + 1]; /* the state last */
    int count;
    lb_tensor *all[WANTED];        /* [N,F,...] */
} wanted;

/* Row `number` of every wanted output's frames. */
static void take(lb_tape *t, wanted *w, lb_tensor *const *out, int64_t number, int64_t count) {
    for (int k = 0; k < w->count && lb_tape_ok(t); k++) {
        lb_tensor *all = w->all[k];
        int64_t n = all->shape[0], each = n > 0 ? lb_numel(out[k]) / n : 0;
        if (out[k]->dtype != LB_F32 || lb_numel(all) != n * count * each || !lb_is_contiguous(out[k])) {
            lb_tape_fail(t, LB_E_SHAPE, "output '%s' of a frame has another size or type than that of the first", w->names[k]);
            return;
        }
        for (int64_t i = 0; i < n; i++) memcpy((float *)all->data + (i * count + number) * each, (const float *)out[k]->data + i * each, (size_t)each * sizeof(float));
    }
}

/* Room for all frames: the first one says how large they are. */
static void open_all(lb_tape *t, wanted *w, lb_tensor *const *out, int64_t n, int64_t count) {
    for (int k = 0; k < w->count && lb_tape_ok(t); k++) {
        int64_t shape[LB_MAX_RANK] = {n, count};
        if (out[k]->rank < 1 || out[k]->rank >= LB_MAX_RANK || out[k]->shape[0] != n) {
            lb_tape_fail(t, LB_E_UNSUPPORTED, "output '%s' has no row for each sound", w->names[k]);
            return;
        }
        memcpy(shape + 2, out[k]->shape + 1, (size_t)(out[k]->rank - 1) * sizeof *shape);
        w->all[k] = zeros(t, out[k]->rank + 1, shape);
    }
}

/* Frame i on a tape of its own, so that an hour of sound takes no more memory than a second. `carried` lies over the data of `state`. */
static lb_status run_frame(const frames *f, lb_tape *own, lb_tape *t, const lb_tensor *sound, wanted *w, int64_t i, int64_t count, lb_tensor *carried) {
    int64_t rate = RATE;
    lb_tensor *out[WANTED + 1];
    lb_named in[] = {{f->sound->name, frame_of(own, sound, i)}, {f->state->name, carried}, {f->rate->name, lb_input(own, LB_I64, 0, NULL, &rate, LB_I64)}};
    lb_onnx_run(f->graph, own, LB_COUNT(in), in, w->count + 1, w->names, out);
    for (int k = 0; k <= w->count && lb_tape_ok(own); k++) out[k] = lb_is_contiguous(out[k]) ? out[k] : lb_contiguous(own, out[k]);
    lb_status st = lb_tape_status(own);
    if (st != LB_OK) return st;
    const lb_tensor *next = out[w->count];
    if (next->dtype != LB_F32 || lb_numel(next) != lb_numel(carried)) return lb_fail(LB_E_SHAPE, "output '%s' has another size than the state", f->next);
    if (i == 0) open_all(t, w, out, sound->shape[0], count);
    take(t, w, out, i, count);
    memcpy(carried->data, next->data, (size_t)lb_numel(next) * sizeof(float));
    return LB_OK;
}

/* All frames; at most `most` are run. @return the last state, of tape t */
static lb_tensor *run_frames(const frames *f, lb_tape *t, const lb_tensor *sound, wanted *w, int64_t most) {
    int64_t n = sound->shape[0], count = sound->shape[1] < FRAME ? 1 : sound->shape[1] / FRAME;
    lb_tensor *state = zeros(t, 3, (int64_t[]){f->state->shape[0], n, f->state->shape[2]}), *carried = NULL;
    lb_tape *own = NULL;
    lb_status st = lb_tape_new(&own);
    if (st == LB_OK && lb_tape_ok(t)) st = lb_tensor_borrow(&carried, LB_F32, 3, state->shape, state->data);
    w->names[w->count] = f->next;
    for (int64_t i = 0; i < count && i < most && st == LB_OK && lb_tape_ok(t); i++) {
        lb_tape_set_mode(own, LB_TAPE_NO_GRAD);
        st = run_frame(f, own, t, sound, w, i, count, carried);
        lb_tape_reset(own);
    }
    if (st != LB_OK) lb_tape_fail_status(t, st);
    lb_tensor_free(carried);
    lb_tape_free(own);
    return state;
}

/* Shapes, from one frame of silence: what the graph does depends on its rate. */
static void run_shapes(const frames *f, lb_tape *t, const lb_tensor *sound, wanted *w, lb_tensor **state) {
    lb_tape *own = NULL;
    wanted found = *w;
    lb_status st = lb_tape_new(&own);
    if (st == LB_OK) {
        lb_tape_set_mode(own, LB_TAPE_NO_GRAD);
        lb_tensor silence = *sound, *last = NULL;
        silence.data = NULL;
        silence.shape[1] = 0;
        last = run_frames(f, own, &silence, &found, 1);
        st = lb_tape_status(own);
        for (int k = 0; k < w->count && st == LB_OK; k++) {
            int64_t shape[LB_MAX_RANK];
            memcpy(shape, found.all[k]->shape, sizeof shape);
            shape[1] = sound->shape[1] < FRAME ? 1 : sound->shape[1] / FRAME;
            w->all[k] = lb_hold(t, LB_F32, found.all[k]->rank, shape);
        }
        if (st == LB_OK) *state = lb_hold(t, LB_F32, last->rank, last->shape);
    }
    lb_tape_free(own);
    if (st != LB_OK) lb_tape_fail_status(t, st);
}

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const frames *f = cfg;
    lb_tape *t = lb_nn_tape(m);
    wanted w = {0};
    char taps[WANTED][LB_ONNX_TAP_NAME], next[LB_ONNX_TAP_NAME];
    lb_tensor *state = lb_inert(t), *sound = in[0];
    for (int k = 0; k < lb_onnx_outputs(f->graph) && w.count < WANTED; k++) {
        const char *name = lb_onnx_output(f->graph, k)->name;
        lb_onnx_tap_name(taps[w.count], sizeof taps[0], name);
        if (name != f->next && lb_nn_wants(m, taps[w.count])) w.names[w.count++] = name;
    }
    if (lb_tape_get_mode(t) == LB_TAPE_SHAPES) run_shapes(f, t, sound, &w, &state);
    else state = run_frames(f, t, lb_is_contiguous(sound) ? sound : lb_contiguous(t, sound), &w, INT64_MAX);
    for (int k = 0; k < w.count && lb_tape_ok(t); k++) lb_nn_tap(m, w.all[k], "%s", taps[k]);
    lb_onnx_tap_name(next, sizeof next, f->next);
    if (lb_tape_ok(t) && lb_nn_wants(m, next)) lb_nn_tap(m, lb_contiguous(t, lb_transpose(t, state, 0, 1)), "%s", next);
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    (void)cfg, (void)input;
    *rank = 2;
    shape[0] = 1;
    shape[1] = RATE;
}

lb_status lb_onnx_frames_model(lb_model **out, const lb_onnx *graph) {
    frames *f = lb_calloc(1, sizeof *f);
    if (!f) return LB_E_NOMEM;
    f->graph = graph;
    if (!find_parts(f)) {
        lb_free(f);
        return lb_fail(LB_E_ARG, "no graph over frames of sound: float sound [N,T], float state [L,N,D] and a number 'sr' wanted, and the state with an N behind its name among the outputs");
    }
    f->arch = (lb_arch){.id = "onnx_frames",
                        .title = "a graph of an ONNX file over frames of sound",
                        .source = "onnx/frames.h",
                        .kind = "audio",
                        .inputs = "audio[N,T]",
                        .taps = "output[N,F,1]",
                        .forward = forward,
                        .example = example,
                        .preprocess = "{\"feature_extractor_type\": \"Wav2Vec2FeatureExtractor\", \"do_normalize\": false, \"sampling_rate\": 16000}"};
    return lb_model_new_cfg(out, &f->arch, f);
}
