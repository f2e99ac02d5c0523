/* SPDX-License-Identifier: Apache-2.0 */
/* A model over items: workers decode ahead, batches of consecutive items run in order, rows go to a feature file. Which items share a
 * batch depends on the list alone, so an interrupted run gives the same values. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/file.h"
#include "base/hash.h"
#include "base/threads.h"
#include "cli/encode_private.h"
#include "lb_version.h"

#define FLUSH_SECONDS 0.2

typedef struct runner {
    encode_job job;
    lb_fingerprint print;
    lb_cache_writer *writer;
    lb_cache *before; /* retry: the finished file; salvage: a damaged one; NULL otherwise */
    bool salvage;
    lb_tape *tape;
    lb_flow *flow;
    int64_t done;     /* rows in the file */
    bool trial;       /* nothing is written */
    bool compared;    /* see encode_job */
    cli_stages stages;
    double flushed;   /* when last */
} runner;

/* ---- what the file is made from ---- */

static void add_writing(lb_buf *out, const cli_writing *w) {
    lb_buf_format(out, " written with %lld beams, %lld tokens, language %s%s", (long long)w->beams, (long long)w->max_new, w->language ? w->language : "auto", w->translate ? ", translated" : "");
}

static lb_status find_print(runner *r) {
    const cli_encode_spec *s = r->job.spec;
    lb_fingerprint *f = &r->print;
    lb_buf taps = {0};
    char hex[65];
    lb_sha256 sum;
    lb_status st = cli_model_print(r->job.m);
    if (st != LB_OK) return st;
    *f = r->job.m->print;
    if (!r->job.needs.text && r->job.text_tap < 0) snprintf(f->tokenizer, sizeof f->tokenizer, "none");
    if (r->job.needs.features) {
        lb_sha256_init(&sum);
        lb_sha256_add(&sum, f->preprocessing, strlen(f->preprocessing) + 1);
        for (int i = 0; i < s->nfeatures; i++) {
            lb_sha256_add(&sum, s->features[i].name, strlen(s->features[i].name) + 1);
            lb_sha256_add(&sum, s->features[i].tap, strlen(s->features[i].tap) + 1);
            lb_fingerprint_hash(lb_cache_fingerprint(s->features[i].cache), hex);
            lb_sha256_add(&sum, hex, 64);
        }
        lb_sha256_hex(&sum, f->preprocessing);
    }
    if (s->views || s->frames) {
        lb_buf words = {0};
        if (s->frames) lb_buf_format(&words, "frames %lld", (long long)s->frames);
        else encode_views_text(&words, s);
        lb_sha256_init(&sum);
        lb_sha256_add(&sum, f->preprocessing, strlen(f->preprocessing) + 1);
        lb_sha256_add(&sum, lb_buf_str(&words), words.size);
        lb_sha256_hex(&sum, f->preprocessing);
        lb_buf_free(&words);
    }
    for (int i = 0; i < s->ntaps; i++) {
        lb_buf_format(&taps, "%s%s", i ? "," : "", s->taps[i]);
        if (r->job.taps[i].topk) lb_buf_format(&taps, " (%lld largest)", (long long)r->job.taps[i].topk);
    }
    if (s->precision != LB_PRECISION_F32) lb_buf_format(&taps, " computed in %s", lb_precision_name(s->precision));
    if (s->window_s > 0) lb_buf_format(&taps, " in windows of %g s", s->window_s);
    if (s->text_window > 0) lb_buf_format(&taps, ", mean over windows of %lld tokens", (long long)s->text_window);
    if (r->job.text_tap >= 0 || r->job.needs.prompt) add_writing(&taps, &s->writing);
    if (taps.size < sizeof f->taps) snprintf(f->taps, sizeof f->taps, "%s", lb_buf_str(&taps));
    else {
        lb_sha256_of(taps.data, taps.size, hex);
        snprintf(f->taps, sizeof f->taps, "%d taps %s", s->ntaps, hex);
    }
    snprintf(f->list, sizeof f->list, "%s", s->items ? s->items->sha256 : lb_cache_fingerprint(s->features[0].cache)->list);
    snprintf(f->program, sizeof f->program, "limbeck %s", LB_VERSION);
    st = lb_buf_status(&taps);
    lb_buf_free(&taps);
    return st;
}

static lb_status find_keys(encode_job *j) {
    const cli_encode_spec *s = j->spec;
    if (!s->items && s->nfeatures == 0) return lb_fail(LB_E_ARG, "neither items nor a feature file to go through");
    j->n = s->indices ? s->count : s->items ? s->items->count : lb_cache_rows(s->features[0].cache);
    if (!(j->keys = lb_calloc((size_t)j->n + 1, sizeof *j->keys))) return LB_E_NOMEM;
    for (int64_t i = 0; i < j->n; i++) {
        const lb_item *item = encode_item(j, i);
        j->keys[i] = item ? item->key : lb_cache_key(s->features[0].cache, s->indices ? s->indices[i] : i);
    }
    return LB_OK;
}

/* ---- rows ---- */

static lb_status failed(runner *r, lb_status code, const char *why) { return lb_cache_failed_row(r->writer, code, why && why[0] ? why : lb_status_name(code)); }

static const char *not_finite(const encode_job *j, const float *const *values, const int64_t *length) {
    for (int t = 0; t < j->ntaps; t++) {
        const lb_tap_spec *tap = &j->taps[t];
        int64_t n = tap->ragged ? length[t] : 1;
        for (int d = tap->ragged ? 1 : 0; d < tap->rank; d++) n *= tap->shape[d];
        for (int64_t k = 0; k < n; k++)
            if (!isfinite(values[t][k])) return tap->name;
    }
    return NULL;
}

/* Row i of a batch's outputs, i counted within the tensors. */
static lb_status write_row(runner *r, const encode_sample *s, lb_tensor *const *out, int64_t i) {
    const encode_job *j = &r->job;
    const float *values[ENCODE_TAPS + 1];
    int64_t length[ENCODE_TAPS + 1] = {0}, several = j->spec->views || j->spec->frames ? 1 : 0;
    char have[96], want[96];
    if (s->status != LB_OK) return failed(r, s->status, s->why);
    for (int t = 0; t < j->spec->ntaps; t++) {
        const lb_tensor *y = out[t];
        const lb_tap_spec *tap = &j->taps[t];
        if (s->made[t]) {
            values[t] = s->made[t];
            length[t] = s->made_count[t];
            continue;
        }
        bool fits = y->rank + several == tap->rank + 1;
        for (int d = tap->ragged || several ? 1 : 0; fits && d < tap->rank; d++) fits = y->shape[d + 1 - several] == tap->shape[d];
        if (fits && tap->ragged) fits = y->shape[1] >= s->count;
        if (!fits) {
            snprintf(have, sizeof have, "tap '%s' is %s", tap->name, lb_shape_text(want, sizeof want, y->rank - 1, y->shape + 1));
            char text[256];
            snprintf(text, sizeof text, "%s, want %s: pictures of several sizes give features of several sizes", have, lb_shape_text(want, sizeof want, tap->rank, tap->shape));
            return failed(r, LB_E_SHAPE, text);
        }
        values[t] = (const float *)y->data + i * j->views * (lb_numel(y) / y->shape[0]);
        length[t] = s->count;
    }
    values[j->spec->ntaps] = s->draws;
    const char *bad = not_finite(j, values, length);
    if (bad) {
        snprintf(have, sizeof have, "tap '%s' is not finite", bad);
        return failed(r, LB_E_NUMERIC, have);
    }
    lb_status st = lb_cache_row(r->writer, values, length);
    if (st != LB_E_NUMERIC) return st;
    char text[400];
    snprintf(text, sizeof text, "%s", lb_error_text()); /* beyond what the stored type holds */
    return failed(r, st, text);
}

/* The taps of the network: out[t], NULL where another makes the value. */
static lb_status run_network(runner *r, encode_batch *b, lb_tensor **out) {
    const cli_encode_spec *s = r->job.spec;
    const char *taps[ENCODE_TAPS];
    lb_tensor *given[ENCODE_TAPS] = {0};
    int count = 0;
    for (int t = 0; t < s->ntaps; t++)
        if (t != r->job.text_tap) taps[count++] = s->taps[t];
    if (count > 0) encode_network(&r->job, r->tape, b->count, b->in, count, taps, given);
    for (int t = 0, k = 0; t < s->ntaps; t++)
        if (t != r->job.text_tap) out[t] = given[k++];
    return lb_tape_status(r->tape);
}

/* Rows before `done` were written by an earlier run; so were, in a retry, those that had succeeded (see copy_rows). */
static lb_status run_part(runner *r, encode_batch *b, int64_t from, int64_t to) {
    const cli_encode_spec *s = r->job.spec;
    lb_status st = LB_OK;
    lb_tensor *out[ENCODE_TAPS] = {0}, *own[ENCODE_TAPS] = {0};
    double start = lb_now();
    encode_flight_batch(r->job.flight, b->first + from, b->first + to);
    LB_TRY(encode_inputs(&r->job, b, from, to));
    LB_TRY(run_network(r, b, out));
    for (int t = 0; t < s->ntaps; t++) {
        if (!out[t] || (lb_is_contiguous(out[t]) && out[t]->dtype == LB_F32)) continue;
        LB_TRY(lb_tensor_copy(&own[t], out[t], LB_F32));
        out[t] = own[t];
    }
    double ran = lb_now();
    encode_lap(&r->job, ENCODE_MODEL, start);
    encode_flight_batch(r->job.flight, 0, 0);
    for (int64_t i = from; i < to && !r->trial; i++) {
        if (b->first + i < r->done) continue;
        LB_TRY(write_row(r, b->samples[i], out, i - from));
        r->done++;
    }
    encode_lap(&r->job, ENCODE_WRITE, ran);
done:
    for (int t = 0; t < s->ntaps; t++) lb_tensor_free(own[t]);
    encode_inputs_free(b);
    lb_tape_reset(r->tape);
    return st;
}

/* A batch whose values lie with its samples once `run` is through. */
static lb_status run_made(runner *r, encode_batch *b, lb_status (*run)(const encode_job *j, lb_tape *t, encode_batch *b)) {
    double start = lb_now();
    encode_flight_batch(r->job.flight, b->first, b->first + b->n);
    lb_status st = run(&r->job, r->tape, b);
    encode_flight_batch(r->job.flight, 0, 0);
    double ran = lb_now();
    encode_lap(&r->job, ENCODE_MODEL, start);
    for (int64_t i = 0; st == LB_OK && i < b->n && !r->trial; i++) {
        if (b->first + i < r->done) continue;
        lb_tensor *const none[ENCODE_TAPS] = {0};
        st = write_row(r, b->samples[i], none, 0);
        r->done += st == LB_OK;
    }
    encode_lap(&r->job, ENCODE_WRITE, ran);
    return st;
}

/* Pictures of another size begin another run of the network. */
static lb_status run_batch(runner *r, encode_batch *b) {
    if (r->job.needs.audio) return run_made(r, b, encode_audio_run);
    if (r->job.spec->text_window > 0) return run_made(r, b, encode_text_run);
    if (r->job.collect > r->job.batch) return run_made(r, b, encode_texts_run);
    if (r->job.text_tap >= 0) {
        lb_status st = encode_write_texts(&r->job, r->tape, b);
        if (st != LB_OK) return st;
    }
    for (int64_t from = 0, to; from < b->n; from = to) {
        const encode_sample *size = NULL;
        for (to = from; to < b->n; to++) {
            const encode_sample *s = b->samples[to];
            if (!s->image) continue;
            if (size && (s->width != size->width || s->height != size->height)) break;
            size = s;
        }
        lb_status st = run_part(r, b, from, to);
        if (st != LB_OK) return st;
    }
    return LB_OK;
}

static void free_samples(encode_batch *b) {
    for (int64_t i = 0; i < b->n; i++) encode_drop(NULL, b->samples[i]);
    b->n = 0;
}

static lb_status fill_batch(runner *r, encode_batch *b, int64_t first) {
    b->first = first;
    while (b->n < r->job.collect) {
        int64_t index;
        void *sample = NULL;
        bool end = false;
        lb_status st = lb_flow_next(r->flow, &index, &sample, &end);
        if (st != LB_OK) return st;
        if (end) break;
        b->samples[b->n++] = sample;
    }
    return LB_OK;
}

static lb_status open_flow(runner *r, int64_t first) {
    int workers = lb_threads();
    int64_t depth = r->job.collect * 2;
    lb_flow_close(r->flow);
    r->flow = NULL;
    return lb_flow_open(&r->flow, &(lb_flow_spec){.first = first, .count = r->job.n, .workers = r->job.needs.image || r->job.needs.audio ? workers : 1, .depth = (int)depth, .work = encode_prepare,
                                                  .drop = encode_drop, .ctx = &r->job, .bytes = encode_held, .memory = r->job.spec->memory});
}

/* After each batch: a kill loses no more than the next one, or a fifth of a second. */
static lb_status report(runner *r) {
    double now = lb_now();
    if (now - r->flushed >= FLUSH_SECONDS) {
        lb_status st = lb_cache_flush(r->writer);
        if (st != LB_OK) return st;
        r->flushed = now;
    }
    return lb_progress_at(r->job.spec->progress, r->done, cli_stages_note(&r->stages));
}

/* ---- retry: rows of batches in which nothing failed are copied ---- */

static bool batch_is_good(const runner *r, int64_t first) {
    for (int64_t i = first; i < first + r->job.collect && i < r->job.n; i++)
        if (lb_cache_row_status(r->before, i)) return false;
    return true;
}

/* *copied = false: a row of a damaged file could not be read; those before it are written, the batch is run for the others. */
static lb_status copy_rows(runner *r, int64_t first, bool *copied) {
    *copied = true;
    for (; r->done < first + r->job.collect && r->done < r->job.n; r->done++) {
        lb_status st = lb_cache_copy_row(r->writer, r->before, r->done);
        if (st == LB_E_FORMAT && r->salvage) {
            *copied = false;
            lb_error_clear();
            return LB_OK;
        }
        if (st != LB_OK) return st;
    }
    return LB_OK;
}

/* A damaged file that `cache repair` moved aside: of the same run? */
static lb_status open_damaged(runner *r, const char *path) {
    lb_cache *c = NULL;
    lb_status st = lb_cache_open(&c, path);
    if (st == LB_OK) st = lb_fingerprint_match(lb_cache_fingerprint(c), &r->print, false, path);
    if (st == LB_OK && lb_cache_rows(c) != r->job.n) st = lb_fail(LB_E_MISMATCH, "%s: %lld items, want %lld", path, (long long)lb_cache_rows(c), (long long)r->job.n);
    for (int64_t i = 0; st == LB_OK && i < r->job.n; i++)
        if (strcmp(lb_cache_key(c, i), r->job.keys[i]) != 0) st = lb_fail(LB_E_MISMATCH, "%s: item %lld is '%s', want '%s'", path, (long long)i, lb_cache_key(c, i), r->job.keys[i]);
    if (st == LB_OK) {
        r->before = c;
        r->salvage = true;
        return LB_OK;
    }
    lb_cache_close(c);
    if (st == LB_E_NOMEM) return st;
    lb_say(LB_LOG_WARN, "encode", "%s: nothing can be taken over: %s", path, lb_error_text());
    lb_error_clear();
    return LB_OK;
}

/* ---- after a crash ---- */

/* Each item that was in work then runs alone first, for nothing: should it crash again, it is known which. */
static lb_status try_suspects(runner *r) {
    lb_status st = LB_OK;
    int64_t item;
    for (int i = 0; (item = encode_flight_suspect(r->job.flight, i)) != -2 && st == LB_OK; i++) {
        void *sample = NULL;
        if (item < 0 || item < r->done || encode_flight_crashes(r->job.flight, item) >= ENCODE_CRASHES) continue;
        if ((st = encode_prepare(&r->job, item, &sample)) != LB_OK) break;
        encode_sample *one = sample;
        encode_batch b = {.first = item, .n = 1, .samples = &one};
        r->trial = true;
        if (one->status == LB_OK) st = run_batch(r, &b);
        r->trial = false;
        encode_drop(NULL, one);
    }
    return st;
}

/* ---- the whole ---- */

static lb_status run_all(runner *r) {
    lb_status st = LB_OK;
    encode_batch b = {0};
    int64_t next = -1; /* the item that the flow gives next */
    if (!(b.samples = lb_calloc((size_t)r->job.collect, sizeof *b.samples))) return LB_E_NOMEM;
    for (int64_t first = r->done / r->job.collect * r->job.collect; first < r->job.n; first += r->job.collect) {
        bool copied = false;
        if (r->before && batch_is_good(r, first)) LB_TRY(copy_rows(r, first, &copied));
        if (!copied) {
            if (next != first) LB_TRY(open_flow(r, first));
            LB_TRY(fill_batch(r, &b, first));
            next = first + b.n;
            LB_TRY(run_batch(r, &b));
            free_samples(&b);
        }
        LB_TRY(report(r));
    }
done:
    free_samples(&b);
    lb_free(b.samples);
    return st;
}

static lb_status count_failed(int64_t *count, const char *path, bool *all) {
    lb_cache *c = NULL;
    lb_status st = lb_cache_open(&c, path);
    if (st != LB_OK) return st;
    *count = 0;
    for (int64_t i = 0; i < lb_cache_rows(c); i++) *count += lb_cache_row_status(c, i) != 0;
    *all = *count == lb_cache_rows(c);
    lb_cache_close(c);
    return LB_OK;
}

/* The rows of one file: begin or resume, run, commit. */
static lb_status write_file(runner *r, const char *path) {
    lb_status st = LB_OK;
    bool finished = false;
    char *damaged = NULL;
    const cli_encode_spec *s = r->job.spec;
    static const char *const stages[ENCODE_STAGES] = {"decode", "prepare", "model", "write"};
    LB_TRY(lb_cache_begin(&r->writer, &r->done, path, &r->print, r->job.n, r->job.keys, r->job.ntaps, r->job.taps));
    lb_progress_begin(s->progress, s->what ? s->what : "encode", r->job.needs.image ? "pictures" : "items", r->done, r->job.n);
    cli_stages_begin(&r->stages, stages, ENCODE_STAGES, 2, r->job.needs.image || r->job.needs.audio ? lb_threads() : 1);
    r->job.stages = &r->stages;
    if (!r->tape) LB_TRY(encode_tape(&r->tape, &r->job));
    damaged = lb_format_dup("%s.damaged", path);
    if (!damaged) {
        st = LB_E_NOMEM;
        goto done;
    }
    if (!r->before && r->done < r->job.n && lb_file_exists(damaged)) LB_TRY(open_damaged(r, damaged));
    if (r->done < r->job.n) LB_TRY(encode_flight_open(&r->job.flight, path, r->job.n));
    else encode_flight_remove(path);
    LB_TRY(try_suspects(r));
    if (r->done < r->job.n) LB_TRY(run_all(r)); /* of a finished file nothing is in work, so that nothing may crash */
    LB_TRY(lb_cache_commit(&r->writer));
    finished = true;
    if (lb_file_exists(damaged) && unlink(damaged) != 0) st = lb_fail(LB_E_IO, "%s: %s", damaged, strerror(errno));
    lb_progress_end(s->progress, cli_stages_note(&r->stages));
done:
    lb_flow_close(r->flow);
    r->flow = NULL;
    r->job.stages = NULL;
    cli_stages_end(&r->stages);
    encode_flight_close(r->job.flight, finished);
    r->job.flight = NULL;
    if (r->salvage) {
        lb_cache_close(r->before);
        r->before = NULL;
        r->salvage = false;
    }
    lb_free(damaged);
    if (st == LB_E_CANCELLED) st = lb_fail(st, "%s: stopped after %lld of %lld items; the same command goes on", path, (long long)r->done, (long long)r->job.n);
    lb_cache_close_part(&r->writer);
    return st;
}

/* A finished file's failed items again: a whole new file beside it, then renamed over. */
static lb_status retry_file(runner *r, const char *path) {
    lb_status st = LB_OK;
    int64_t count = 0;
    bool all;
    char *beside = lb_format_dup("%s.retry", path), *folder = lb_path_folder(path);
    if (!beside || !folder) {
        st = LB_E_NOMEM;
        goto done;
    }
    LB_TRY(write_file(r, path)); /* checks that it is the file of this run */
    LB_TRY(count_failed(&count, path, &all));
    if (count == 0) goto done;
    LB_TRY(lb_cache_open(&r->before, path));
    LB_TRY(write_file(r, beside));
    if (rename(beside, path) != 0) st = lb_fail(LB_E_IO, "%s: %s", path, strerror(errno));
    if (st == LB_OK) st = lb_sync_folder(folder);
done:
    lb_free(beside);
    lb_free(folder);
    return st;
}

static lb_status begin(runner *r, cli_model *m, const cli_encode_spec *spec) {
    r->job = (encode_job){.m = m, .spec = spec, .compared = &r->compared};
    lb_status st = find_keys(&r->job);
    if (st == LB_OK) st = encode_plan(&r->job);
    return st == LB_OK ? find_print(r) : st;
}

lb_status cli_encode_plan(cli_model *m, const cli_encode_spec *spec, lb_tap_spec *taps) {
    runner r = {0};
    lb_status st = begin(&r, m, spec);
    if (st == LB_OK) memcpy(taps, r.job.taps, (size_t)spec->ntaps * sizeof *taps); /* that of the draws is left out */
    lb_free(r.job.keys);
    return st;
}

lb_status cli_encode(cli_model *m, const cli_encode_spec *spec, const char *out_path, int64_t *failed_items) {
    runner r = {0};
    bool all;
    lb_status st = begin(&r, m, spec);
    if (st == LB_OK) st = spec->retry_failed && lb_file_exists(out_path) ? retry_file(&r, out_path) : write_file(&r, out_path);
    if (st == LB_OK) st = count_failed(failed_items, out_path, &all);
    lb_tape_free(r.tape);
    lb_cache_close(r.before);
    lb_free(r.job.keys);
    return st;
}

lb_status cli_encode_try(cli_model *m, const cli_encode_spec *spec, double seconds, cli_encode_trial *out) {
    runner r = {.trial = true};
    encode_batch b = {0};
    struct rusage use;
    int64_t positions = 0;
    lb_status st = begin(&r, m, spec);
    double start = lb_now();
    *out = (cli_encode_trial){0};
    if (st == LB_OK) st = encode_tape(&r.tape, &r.job);
    if (st == LB_OK && !(b.samples = lb_calloc((size_t)r.job.batch, sizeof *b.samples))) st = LB_E_NOMEM;
    if (st != LB_OK) goto done;
    LB_TRY(open_flow(&r, 0));
    for (int64_t first = 0; first < r.job.n && (first == 0 || lb_now() - start < seconds); first += b.n, free_samples(&b)) {
        LB_TRY(fill_batch(&r, &b, first));
        for (int64_t i = 0; i < b.n; i++) positions += b.samples[i]->count;
        LB_TRY(run_batch(&r, &b));
        out->items += (double)b.n;
        if (lb_progress_stopped(spec->progress)) break;
    }
    out->seconds = lb_now() - start;
    out->positions = out->items > 0 ? (double)positions / out->items : 0;
    if (getrusage(RUSAGE_SELF, &use) == 0) out->memory = (int64_t)use.ru_maxrss << 10;
done:
    lb_flow_close(r.flow);
    free_samples(&b);
    lb_free(b.samples);
    lb_tape_free(r.tape);
    lb_free(r.job.keys);
    return st;
}
