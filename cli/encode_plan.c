/* SPDX-License-Identifier: Apache-2.0 */
/* What a run needs and gives, found by running the network on shapes alone. */
#include <stdio.h>
#include <string.h>
#include "cli/encode_private.h"

/* One run on shapes with some of the inputs; fills the taps' shapes. */
typedef struct probe {
    const encode_job *job;
    encode_needs with;
    int64_t n, length; /* batch and text length */
    int rank[ENCODE_TAPS];
    int64_t shape[ENCODE_TAPS][LB_MAX_RANK];
} probe;

static void add(lb_named *in, int *count, lb_tape *t, const char *name, lb_dtype dtype, int rank, const int64_t *shape) {
    in[(*count)++] = (lb_named){name, lb_input(t, dtype, rank, shape, NULL, dtype)};
}

static int probe_inputs(const probe *p, lb_tape *t, lb_named *in) {
    const encode_job *j = p->job;
    int count = 0;
    if (p->with.image) add(in, &count, t, "image", LB_F32, 4, (int64_t[]){p->n, 3, j->height, j->width});
    if (p->with.audio) {
        int64_t shape[LB_MAX_RANK] = {p->n};
        int rank = 0;
        lb_audio_prepare_shape(&j->audio, p->length * j->audio.rate_hz / 2, &rank, shape + 1);
        add(in, &count, t, "audio", LB_F32, rank + 1, shape);
        if (p->with.prompt) add(in, &count, t, "ids", LB_I64, 2, (int64_t[]){p->n, 4});
    }
    if (p->with.text) {
        add(in, &count, t, "ids", LB_I64, 2, (int64_t[]){p->n, p->length});
        add(in, &count, t, "mask", LB_I64, 2, (int64_t[]){p->n, p->length});
    }
    for (int i = 0; p->with.features && i < j->spec->nfeatures; i++) {
        const cli_feature_input *f = &j->spec->features[i];
        const lb_cache_tap *tap = lb_cache_tap_at(f->cache, lb_cache_tap_find(f->cache, f->tap));
        int64_t shape[LB_MAX_RANK] = {p->n};
        memcpy(shape + 1, tap->shape, (size_t)tap->rank * sizeof *shape);
        add(in, &count, t, f->name, LB_F32, tap->rank + 1, shape);
    }
    return count;
}

static bool of_network(const encode_job *j, int tap) { return tap != j->text_tap && tap != j->times_tap; }

static lb_status run_probe(probe *p) {
    const cli_encode_spec *s = p->job->spec;
    lb_tape *t = NULL;
    lb_named in[ENCODE_INPUTS];
    lb_tensor *out[ENCODE_TAPS] = {0};
    lb_status st = lb_tape_new(&t);
    if (st != LB_OK) return st;
    lb_tape_set_mode(t, LB_TAPE_SHAPES);
    int count = probe_inputs(p, t, in);
    const char *taps[ENCODE_TAPS];
    lb_tensor *given[ENCODE_TAPS] = {0};
    int asked = 0;
    for (int i = 0; i < s->ntaps; i++)
        if (of_network(p->job, i)) taps[asked++] = s->taps[i];
    lb_model_run(p->job->m->model, t, count, in, asked, taps, given);
    LB_TRY(lb_tape_status(t));
    for (int i = 0, k = 0; i < s->ntaps; i++) {
        if (!of_network(p->job, i)) continue;
        out[i] = given[k++];
        if (!out[i]) {
            st = lb_fail(LB_E_NOTFOUND, "%s has no tap '%s' from these inputs; see --taps list", p->job->m->name, s->taps[i]);
            goto done;
        }
        p->rank[i] = out[i]->rank;
        memcpy(p->shape[i], out[i]->shape, sizeof p->shape[i]);
    }
done:
    lb_tape_free(t);
    return st;
}

static bool available(const encode_job *j, encode_needs w) {
    const cli_model *m = j->m;
    return (!w.audio || (m->has_audio && j->spec->items)) && (!w.prompt || m->writer) && (!w.image || (m->has_image && j->spec->items)) &&
           (!w.text || (m->tokenizer && j->spec->items)) && (!w.features || j->spec->nfeatures > 0);
}

static const char *why_not(const encode_job *j) {
    if (j->m->why_no_image) return j->m->why_no_image;
    if (j->m->why_no_audio) return j->m->why_no_audio;
    return j->m->why_no_text;
}

/* The smallest set of inputs that gives all wanted taps. A network of several modalities is asked only for what the taps need. */
static lb_status find_needs(encode_job *j) {
    static const encode_needs tries[] = {{.audio = true},
                                         {.audio = true, .prompt = true},
                                         {.image = true},
                                         {.text = true},
                                         {.features = true},
                                         {.image = true, .text = true},
                                         {.image = true, .features = true},
                                         {.text = true, .features = true},
                                         {.image = true, .text = true, .features = true}};
    lb_status st = LB_OK;
    lb_buf why = {0};
    for (size_t i = 0; i < LB_COUNT(tries); i++) {
        probe p = {.job = j, .with = tries[i], .n = 2, .length = 4};
        if (!available(j, tries[i])) continue;
        st = run_probe(&p);
        if (st == LB_OK) {
            j->needs = tries[i];
            lb_error_clear();
            lb_buf_free(&why);
            return LB_OK;
        }
        lb_buf_clear(&why);
        lb_buf_text(&why, lb_error_text()); /* that of the fullest run says most */
    }
    if (why_not(j)) st = lb_fail(LB_E_NOTFOUND, "%s", why_not(j));
    else if (why.size) st = lb_fail(st, "%s: %s", j->m->name, lb_buf_str(&why));
    else st = lb_fail(LB_E_ARG, "%s takes %s, which these inputs do not give", j->m->name, j->m->model->arch->inputs);
    lb_buf_free(&why);
    return st;
}

static bool is_logits(const char *tap) {
    const char *dot = strrchr(tap, '.');
    return strcmp(dot ? dot + 1 : tap, "logits") == 0;
}

/* A size that changes with the text's length is the tap's ragged one: [N,L,...]. */
static lb_status tap_of(encode_job *j, int i, const probe *a, const probe *b) {
    lb_tap_spec *t = &j->taps[i];
    const char *name = j->spec->taps[i];
    char text[96];
    if (!of_network(j, i)) { /* bytes of the text; begin and end of each window */
        bool written = i == j->text_tap;
        *t = (lb_tap_spec){.name = name, .rank = written ? 1 : 2, .dtype = written ? LB_U8 : LB_F32, .ragged = true, .shape = {0, 2}};
        return LB_OK;
    }
    if (a->rank[i] < 1 || a->shape[i][0] != a->n) return lb_fail(LB_E_UNSUPPORTED, "tap '%s' has shape %s: no value per item", name, lb_shape_text(text, sizeof text, a->rank[i], a->shape[i]));
    *t = (lb_tap_spec){.name = name, .rank = a->rank[i] - 1, .dtype = j->spec->dtype, .deflate = j->spec->deflate};
    for (int d = 1; d < a->rank[i]; d++) {
        t->shape[d - 1] = a->shape[i][d];
        if (a->shape[i][d] == b->shape[i][d]) continue;
        if (d != 1)
            return lb_fail(LB_E_UNSUPPORTED, "tap '%s' %s varies in another than its first size with the length of a text: it cannot be cached", name,
                           lb_shape_text(text, sizeof text, a->rank[i], a->shape[i]));
        t->ragged = true;
        t->shape[0] = 0;
    }
    if (j->window_s <= 0) {
        if (is_logits(name) && t->rank == 1 && !t->ragged && t->shape[0] > j->spec->topk) t->topk = j->spec->topk;
        return LB_OK;
    }
    if (t->rank == LB_MAX_RANK) return lb_fail(LB_E_UNSUPPORTED, "tap '%s' has no room for an axis of windows", name);
    memmove(t->shape + 1, t->shape, (size_t)t->rank * sizeof *t->shape);
    t->shape[0] = 0;
    t->rank++;
    t->ragged = true;
    return LB_OK;
}

lb_status encode_plan(encode_job *j) {
    lb_status st = LB_OK;
    const cli_encode_spec *s = j->spec;
    if (s->ntaps < 1 || s->ntaps > ENCODE_TAPS) return lb_fail(LB_E_ARG, "%d taps: want 1 to %d", s->ntaps, ENCODE_TAPS);
    j->text_tap = j->times_tap = -1;
    for (int i = 0; i < s->ntaps; i++) {
        if (strcmp(s->taps[i], "text") == 0) j->text_tap = i;
        if (strcmp(s->taps[i], "times") == 0 && s->window_s > 0) j->times_tap = i;
    }
    if (j->text_tap >= 0 && !j->m->writer) return lb_fail(LB_E_UNSUPPORTED, "%s", j->m->why_no_writer ? j->m->why_no_writer : "this model writes no text");
    if (j->m->has_audio) LB_TRY(encode_audio_plan(j));
    if (j->m->has_image) {
        lb_image_spec_size(&j->m->image, 512, 512, &j->width, &j->height); /* of a square picture, where the spec leaves it open */
    }
    LB_TRY(find_needs(j));
    probe a = {.job = j, .with = j->needs, .n = 2, .length = 4}, b = {.job = j, .with = j->needs, .n = 2, .length = 6};
    LB_TRY(run_probe(&a));
    LB_TRY(run_probe(&b));
    for (int i = 0; i < s->ntaps; i++) LB_TRY(tap_of(j, i, &a, &b));
    j->ntaps = s->ntaps;
    j->views = 1;
    if (s->frames) LB_TRY(encode_frames_plan(j));
    if (s->views) LB_TRY(encode_views_plan(j));
    if (s->text_window > 0) LB_TRY(encode_text_plan(j));
    j->batch = s->batch > 0 ? s->batch : j->needs.audio ? 8 : !j->needs.image ? 32 : j->views < 16 ? 16 / j->views : 1;
    j->collect = encode_texts_batch(j, j->batch);
done:
    return st;
}
