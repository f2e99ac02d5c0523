/* SPDX-License-Identifier: Apache-2.0 */
/* Sound through a network, window by window, and text written from what it hears. */
#include <math.h>
#include <string.h>
#include "cli/encode_private.h"
#include "io/audio.h"

lb_status encode_audio_plan(encode_job *j) {
    j->audio = j->m->audio;
    j->window_s = j->spec->window_s;
    if (j->window_s <= 0) return LB_OK;
    int64_t samples = (int64_t)llround(j->window_s * j->audio.rate_hz);
    if (samples < 1 || (j->audio.window && samples > j->audio.window))
        return lb_fail(LB_E_ARG, "windows of %g s: %s takes up to %g s at once", j->window_s, j->m->name, (double)j->audio.window / j->audio.rate_hz);
    j->audio.step = samples;
    if (!j->audio.window) j->audio.window = samples;
    return LB_OK;
}

/* ---- one item, on a worker ---- */

static lb_status prepare_windows(const encode_job *j, const lb_audio *a, encode_sample *s) {
    const lb_audio_prepare *p = &j->audio;
    bool all = j->window_s > 0 || j->text_tap >= 0;
    lb_status st = LB_OK;
    int64_t cut = j->window_s > 0 ? p->step : p->window ? p->window : a->frames;
    s->windows = all && p->step > 0 ? (a->frames + p->step - 1) / p->step : 1;
    if (s->windows > 1 && (s->windows - 2) * p->step + cut >= a->frames) s->windows--; /* the window before reaches the end */
    lb_audio_prepare_shape(p, a->frames, &s->audio_rank, s->audio_shape);
    s->audio_size = 1;
    for (int d = 0; d < s->audio_rank; d++) s->audio_size *= s->audio_shape[d];
    if (!(s->audio = lb_alloc((size_t)s->windows, (size_t)s->audio_size * sizeof *s->audio))) return LB_E_NOMEM;
    for (int64_t i = 0; i < s->windows && st == LB_OK; i++) {
        int64_t from = i * p->step, left = a->frames - from;
        st = lb_audio_prepare_run(s->audio + i * s->audio_size, p, a->samples + from, left < cut ? left : cut);
    }
    return st;
}

lb_status encode_audio_prepare(const encode_job *j, const lb_item *item, encode_sample *s) {
    lb_audio a = {0};
    if (!item->audio) return lb_fail(LB_E_NOTFOUND, "item '%s' has no sound", item->key);
    double at = lb_now();
    lb_status st = lb_audio_read(&a, item->audio, &(lb_audio_options){.rate_hz = j->audio.rate_hz, .channels = 1, .sixteen = j->audio.sixteen});
    at = encode_lap(j, ENCODE_DECODE, at);
    if (st != LB_OK) return st;
    s->seconds = (double)a.frames / j->audio.rate_hz;
    st = a.frames > 0 ? prepare_windows(j, &a, s) : lb_fail(LB_E_FORMAT, "%s: sound without a sample", item->audio);
    lb_audio_free(&a);
    encode_lap(j, ENCODE_PREPARE, at);
    return st;
}

/* ---- a batch: runs of windows of one shape ---- */

typedef struct audio_run {
    const encode_job *j;
    lb_tape *t;
    const encode_row *rows;
    int64_t count;
    lb_tensor *audio, *ids, *memory; /* own */
} audio_run;

static lb_status fill_audio(audio_run *r) {
    const encode_sample *s = r->rows[0].s;
    int64_t shape[LB_MAX_RANK] = {r->count};
    memcpy(shape + 1, s->audio_shape, sizeof s->audio_shape);
    lb_status st = lb_tensor_new(&r->audio, LB_F32, s->audio_rank + 1, shape);
    for (int64_t i = 0; st == LB_OK && i < r->count; i++)
        memcpy((float *)r->audio->data + i * s->audio_size, r->rows[i].s->audio + r->rows[i].window * s->audio_size, (size_t)s->audio_size * sizeof(float));
    return st;
}

static lb_status find_memory(audio_run *r) {
    lb_tensor *y = NULL;
    const char *tap = r->j->m->model->arch->decoder->memory;
    if (r->memory) return LB_OK;
    lb_model_run(r->j->m->model, r->t, 1, (lb_named[]){{"audio", r->audio}}, 1, &tap, &y);
    lb_status st = lb_tape_status(r->t);
    if (st == LB_OK) st = lb_tensor_copy(&r->memory, y, LB_F32);
    lb_tape_reset(r->t);
    return st;
}

static lb_status find_prompt(audio_run *r, int64_t **ids, int64_t *length) {
    lb_status st = find_memory(r);
    return st == LB_OK ? cli_writer_prompts(ids, length, r->j->m->writer, &r->j->spec->writing, r->j->m->model, r->t, r->memory) : st;
}

static lb_status fill_prompt(audio_run *r) {
    int64_t *ids = NULL, length = 0;
    lb_status st = find_prompt(r, &ids, &length);
    if (st == LB_OK) st = lb_tensor_new(&r->ids, LB_I64, 2, (int64_t[]){r->count, length});
    if (st == LB_OK) memcpy(r->ids->data, ids, (size_t)(r->count * length) * sizeof *ids);
    lb_free(ids);
    return st;
}

/* Row i of tap y into its sample: the only window, or the window's place in all. */
static lb_status take(audio_run *r, int tap, const lb_tensor *y) {
    const encode_job *j = r->j;
    lb_tensor *own = NULL;
    lb_status st = lb_tensor_copy(&own, y, LB_F32);
    if (st != LB_OK) return st;
    int64_t size = y->shape[0] > 0 ? lb_numel(own) / y->shape[0] : 0;
    for (int64_t i = 0; i < r->count && st == LB_OK; i++) {
        encode_sample *s = r->rows[i].s;
        bool windowed = j->window_s > 0;
        if (!windowed && r->rows[i].window > 0) continue;
        if (!s->made[tap] && !(s->made[tap] = lb_calloc((size_t)(windowed ? s->windows : 1), (size_t)size * sizeof(float)))) st = LB_E_NOMEM;
        if (st == LB_OK) memcpy(s->made[tap] + r->rows[i].window * size, (const float *)own->data + i * size, (size_t)size * sizeof(float));
        s->made_count[tap] = windowed ? s->windows : y->rank > 1 ? y->shape[1] : 1;
    }
    lb_tensor_free(own);
    return st;
}

static lb_status run_taps(audio_run *r) {
    const encode_job *j = r->j;
    const char *taps[ENCODE_TAPS + 1];
    lb_tensor *out[ENCODE_TAPS + 1] = {0};
    int at[ENCODE_TAPS], count = 0;
    lb_status st = LB_OK;
    for (int i = 0; i < j->spec->ntaps; i++)
        if (i != j->text_tap && i != j->times_tap) taps[count] = j->spec->taps[i], at[count++] = i;
    bool memory = j->text_tap >= 0 && !r->memory;
    if (memory) taps[count] = j->m->model->arch->decoder->memory;
    if (count == 0 && !memory) return LB_OK;
    encode_network(j, r->t, r->ids ? 2 : 1, (lb_named[]){{"audio", r->audio}, {"ids", r->ids}}, count + memory, taps, out);
    LB_TRY(lb_tape_status(r->t));
    for (int i = 0; i < count; i++) LB_TRY(take(r, at[i], out[i]));
    if (memory) LB_TRY(lb_tensor_copy(&r->memory, out[count], LB_F32));
done:
    lb_tape_reset(r->t);
    return st;
}

static lb_status write_text(audio_run *r) {
    lb_status st = LB_OK;
    int64_t *ids = NULL, length = 0;
    lb_buf **texts = lb_calloc((size_t)r->count + 1, sizeof *texts);
    if (!texts) return LB_E_NOMEM;
    for (int64_t i = 0; i < r->count; i++) texts[i] = &r->rows[i].s->written; /* windows of an item come in their order */
    LB_TRY(find_prompt(r, &ids, &length));
    LB_TRY(cli_writer_run(texts, r->j->m->writer, &r->j->spec->writing, r->j->m->model, r->t, &(lb_prompts){.count = r->count, .length = length, .ids = ids, .memory = r->memory}));
done:
    lb_free(texts);
    lb_free(ids);
    return st;
}

static lb_status run_rows(const encode_job *j, lb_tape *t, const encode_row *rows, int64_t count) {
    audio_run r = {.j = j, .t = t, .rows = rows, .count = count};
    lb_status st = fill_audio(&r);
    if (st == LB_OK && j->needs.prompt) st = fill_prompt(&r);
    if (st == LB_OK) st = run_taps(&r);
    if (st == LB_OK && j->text_tap >= 0) st = write_text(&r);
    lb_tensor_free(r.audio);
    lb_tensor_free(r.ids);
    lb_tensor_free(r.memory);
    return st;
}

/* Bytes of the text as numbers. */
static lb_status finish_text(encode_sample *s, int tap) {
    if (!(s->made[tap] = lb_alloc(s->written.size + 1, sizeof(float)))) return LB_E_NOMEM;
    for (size_t i = 0; i < s->written.size; i++) s->made[tap][i] = (float)(unsigned char)s->written.data[i];
    s->made_count[tap] = (int64_t)s->written.size;
    return LB_OK;
}

static lb_status finish_times(const encode_job *j, encode_sample *s) {
    float *x = s->made[j->times_tap] = lb_alloc((size_t)s->windows, 2 * sizeof *x);
    if (!x) return LB_E_NOMEM;
    for (int64_t i = 0; i < s->windows; i++) {
        x[2 * i] = (float)((double)i * j->window_s);
        x[2 * i + 1] = (float)fmin((double)(i + 1) * j->window_s, s->seconds);
    }
    s->made_count[j->times_tap] = s->windows;
    return LB_OK;
}

static bool same_shape(const encode_sample *a, const encode_sample *b) { return a->audio_rank == b->audio_rank && memcmp(a->audio_shape, b->audio_shape, sizeof a->audio_shape) == 0; }

lb_status encode_audio_run(const encode_job *j, lb_tape *t, encode_batch *b) {
    lb_status st = LB_OK;
    int64_t n = 0;
    encode_row *rows = encode_rows(b, &n);
    if (!rows) return LB_E_NOMEM;
    for (int64_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && to - from < j->batch && same_shape(rows[from].s, rows[to].s);) to++;
        LB_TRY(run_rows(j, t, rows + from, to - from));
    }
    for (int64_t i = 0; i < b->n; i++) {
        if (b->samples[i]->status != LB_OK) continue;
        if (j->text_tap >= 0) LB_TRY(finish_text(b->samples[i], j->text_tap));
        if (j->times_tap >= 0) LB_TRY(finish_times(j, b->samples[i]));
    }
done:
    lb_free(rows);
    return st;
}

/* ---- text from text ---- */

lb_status encode_write_texts(const encode_job *j, lb_tape *t, encode_batch *b) {
    lb_status st = LB_OK;
    int64_t longest = 1, count = 0, *ids = NULL, *mask = NULL;
    lb_buf **texts = lb_calloc((size_t)b->n + 1, sizeof *texts);
    for (int64_t i = 0; i < b->n; i++)
        if (b->samples[i]->count > longest) longest = b->samples[i]->count;
    ids = lb_calloc((size_t)(b->n * longest) + 1, sizeof *ids);
    mask = lb_calloc((size_t)(b->n * longest) + 1, sizeof *mask);
    if (!texts || !ids || !mask) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int64_t i = 0; i < b->n; i++) {
        encode_sample *s = b->samples[i];
        if (s->status != LB_OK) continue;
        for (int64_t k = 0; k < s->count; k++) {
            ids[count * longest + longest - s->count + k] = s->ids[k];
            mask[count * longest + longest - s->count + k] = 1;
        }
        texts[count++] = &s->written;
    }
    LB_TRY(cli_writer_run(texts, j->m->writer, &j->spec->writing, j->m->model, t, &(lb_prompts){.count = count, .length = longest, .ids = ids, .mask = mask}));
    for (int64_t i = 0; i < b->n; i++)
        if (b->samples[i]->status == LB_OK) LB_TRY(finish_text(b->samples[i], j->text_tap));
done:
    lb_free(texts);
    lb_free(ids);
    lb_free(mask);
    return st;
}
