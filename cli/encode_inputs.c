/* SPDX-License-Identifier: Apache-2.0 */
/* From items to the tensors of a batch. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "cli/encode_private.h"

const lb_item *encode_item(const encode_job *j, int64_t i) {
    if (!j->spec->items) return NULL;
    return &j->spec->items->at[j->spec->indices ? j->spec->indices[i] : i];
}

double encode_lap(const encode_job *j, int stage, double from) {
    double now = lb_now();
    if (j->stages) cli_stages_add(j->stages, stage, now - from);
    return now;
}

int64_t encode_held(void *ctx, const void *result) {
    const encode_job *j = ctx;
    const encode_sample *s = result;
    int64_t views = j->spec->views ? j->spec->views : j->spec->frames ? j->spec->frames : 1;
    int64_t sound = s->audio ? s->windows * s->audio_size * (int64_t)sizeof *s->audio : 0;
    return sound + (s->image ? views * 3 * s->width * s->height * (int64_t)sizeof *s->image : 0) + s->count * (int64_t)sizeof *s->ids;
}

/* ---- one item, on a worker ---- */

static lb_status prepare_image(const encode_job *j, const lb_item *item, encode_sample *s) {
    lb_image raw = {0}, ready = {0};
    double at = lb_now();
    lb_fit fit;
    lb_status st = lb_image_spec_fit(&fit, &j->m->image);
    if (st == LB_OK) st = lb_item_image_fit(&raw, j->spec->items, item, &fit);
    at = encode_lap(j, ENCODE_DECODE, at);
    if (st == LB_OK) st = lb_image_spec_rest(&ready, &raw, &j->m->image);
    if (st == LB_OK && !(s->image = lb_alloc((size_t)ready.width * (size_t)ready.height, 3 * sizeof *s->image))) st = LB_E_NOMEM;
    if (st == LB_OK) {
        lb_image_spec_normalise(s->image, &ready, &j->m->image);
        s->width = ready.width;
        s->height = ready.height;
    }
    lb_image_free(&ready);
    encode_lap(j, ENCODE_PREPARE, at);
    return st;
}

static lb_status prepare_text(const encode_job *j, const lb_item *item, encode_sample *s) {
    if (!item->text) return lb_fail(LB_E_NOTFOUND, "item '%s' has no text", item->key);
    double at = lb_now();
    bool windows = j->spec->text_window > 0;
    lb_status st = windows ? encode_text_prepare(j, item, s) : lb_tokenize(j->m->tokenizer, item->text, item->text_size, j->m->max_tokens, &s->ids, &s->count);
    encode_lap(j, ENCODE_PREPARE, at);
    if (st == LB_OK && s->count == 0) st = lb_fail(LB_E_FORMAT, "item '%s' gives no token", item->key);
    return st;
}

static void fail_sample(encode_sample *s, lb_status st) {
    if (s->status != LB_OK) return;
    s->status = st;
    s->why = lb_strdup(lb_error_text());
    lb_error_clear();
}

lb_status encode_prepare(void *ctx, int64_t i, void **result) {
    const encode_job *j = ctx;
    encode_sample *s = lb_calloc(1, sizeof *s);
    if (!s) return LB_E_NOMEM;
    const lb_item *item = encode_item(j, i);
    lb_status st = LB_OK;
    if (encode_flight_crashes(j->flight, i) >= ENCODE_CRASHES) {
        st = lb_fail(LB_E_BUG, "item '%s' was in work at %d crashes of the program: passed over (--retry-failed tries it again)", j->keys[i], ENCODE_CRASHES);
    } else {
        int slot = encode_flight_begin(j->flight, i);
        if (j->needs.image) st = j->spec->frames ? encode_frames_prepare(j, item, s) : j->spec->views ? encode_views_prepare(j, item, s) : prepare_image(j, item, s);
        if (st == LB_OK && j->needs.audio) st = encode_audio_prepare(j, item, s);
        if (st == LB_OK && j->needs.text) st = prepare_text(j, item, s);
        encode_flight_end(j->flight, slot);
    }
    if (st == LB_E_NOMEM) { /* no fault of the item */
        encode_drop(ctx, s);
        return st;
    }
    if (st != LB_OK) fail_sample(s, st);
    *result = s;
    return LB_OK;
}

void encode_drop(void *ctx, void *result) {
    encode_sample *s = result;
    (void)ctx;
    if (!s) return;
    lb_free(s->why);
    lb_free(s->image);
    lb_free(s->draws);
    lb_free(s->ids);
    lb_free(s->audio);
    lb_windows_free(s->text_windows, s->text_windows ? s->windows : 0);
    for (int t = 0; t < ENCODE_TAPS; t++) lb_free(s->made[t]);
    lb_buf_free(&s->written);
    lb_free(s);
}

/* ---- a batch ---- */

static lb_status add(encode_batch *b, const char *name, lb_dtype dtype, int rank, const int64_t *shape, lb_tensor **x) {
    if (b->count == ENCODE_INPUTS) return lb_fail(LB_E_LIMIT, "at most %d inputs", ENCODE_INPUTS);
    lb_status st = lb_tensor_new(x, dtype, rank, shape);
    if (st == LB_OK) b->in[b->count++] = (lb_named){name, *x};
    return st;
}

static lb_status add_images(encode_batch *b, int64_t from, int64_t to, int64_t views, int32_t width, int32_t height) {
    lb_tensor *x = NULL;
    int64_t size = views * 3 * width * height;
    lb_status st = add(b, "image", LB_F32, 4, (int64_t[]){(to - from) * views, 3, height, width}, &x);
    for (int64_t i = from; st == LB_OK && i < to; i++)
        if (b->samples[i]->image) memcpy((float *)x->data + (i - from) * size, b->samples[i]->image, (size_t)size * sizeof(float));
    return st;
}

static lb_status add_texts(const encode_job *j, encode_batch *b, int64_t from, int64_t to) {
    int64_t n = to - from, *counts = lb_alloc((size_t)n, sizeof *counts);
    const int64_t **rows = lb_alloc((size_t)n, sizeof *rows);
    lb_tensor *ids = NULL, *mask = NULL;
    lb_status st = rows && counts ? LB_OK : LB_E_NOMEM;
    for (int64_t i = 0; st == LB_OK && i < n; i++) {
        rows[i] = b->samples[from + i]->ids;
        counts[i] = b->samples[from + i]->count;
    }
    if (st == LB_OK) st = encode_text_tensors(j, n, rows, counts, &ids, &mask);
    if (st == LB_OK) {
        b->in[b->count++] = (lb_named){"ids", ids};
        b->in[b->count++] = (lb_named){"mask", mask};
    }
    lb_free(rows);
    lb_free(counts);
    return st;
}

static lb_status add_feature(const encode_job *j, const cli_feature_input *f, encode_batch *b, int64_t from, int64_t to) {
    int tap = lb_cache_tap_find(f->cache, f->tap);
    const lb_cache_tap *t = lb_cache_tap_at(f->cache, tap);
    lb_tensor *x = NULL;
    int64_t shape[LB_MAX_RANK] = {to - from}, width = 1;
    for (int d = 0; d < t->rank; d++) width *= shape[d + 1] = t->shape[d];
    lb_status st = add(b, f->name, LB_F32, t->rank + 1, shape, &x);
    for (int64_t i = from; st == LB_OK && i < to; i++) {
        const char *key = j->keys[b->first + i];
        int64_t row = lb_cache_find(f->cache, key);
        float *to_row = (float *)x->data + (i - from) * width;
        if (row < 0) fail_sample(b->samples[i], lb_fail(LB_E_NOTFOUND, "no row of feature input %s for item '%s'", f->name, key));
        else if (lb_cache_row_status(f->cache, row))
            fail_sample(b->samples[i], lb_fail((lb_status)-lb_cache_row_status(f->cache, row), "feature input %s: %s", f->name, lb_cache_row_message(f->cache, row)));
        else st = lb_cache_read(f->cache, tap, 1, &row, to_row);
    }
    return st;
}

lb_status encode_inputs(const encode_job *j, encode_batch *b, int64_t from, int64_t to) {
    lb_status st = LB_OK;
    int32_t width = j->width, height = j->height;
    for (int64_t i = from; i < to; i++)
        if (b->samples[i]->image) width = b->samples[i]->width, height = b->samples[i]->height;
    if (j->needs.image) LB_TRY(add_images(b, from, to, j->views, width, height));
    if (j->needs.text) LB_TRY(add_texts(j, b, from, to));
    for (int i = 0; j->needs.features && i < j->spec->nfeatures; i++) LB_TRY(add_feature(j, &j->spec->features[i], b, from, to));
done:
    return st;
}

void encode_inputs_free(encode_batch *b) {
    for (int i = 0; i < b->count; i++) lb_tensor_free(b->in[i].x);
    b->count = 0;
}

/* ---- feature inputs ---- */

lb_status cli_feature_open(cli_feature_input *out, const char *word) {
    lb_status st = LB_OK;
    char *path = NULL;
    *out = (cli_feature_input){0};
    const char *eq = strchr(word, '='), *colon = strrchr(word, ':');
    if (!eq || eq == word || (size_t)(eq - word) >= sizeof out->name) return cli_usage("--features wants INPUT=FILE:TAP, got '%s'", word);
    snprintf(out->name, sizeof out->name, "%.*s", (int)(eq - word), word);
    bool tap = colon && colon > eq && !strchr(colon, '/') && colon[1];
    if (tap) snprintf(out->tap, sizeof out->tap, "%s", colon + 1);
    path = lb_strndup(eq + 1, tap ? (size_t)(colon - eq - 1) : strlen(eq + 1));
    if (!path) return LB_E_NOMEM;
    LB_TRY(lb_cache_open(&out->cache, path));
    if (!tap && lb_cache_taps(out->cache) > 1) {
        st = cli_usage("--features %s: %d taps in it, name one as %s:TAP", word, lb_cache_taps(out->cache), word);
        goto done;
    }
    if (!tap) snprintf(out->tap, sizeof out->tap, "%s", lb_cache_tap_at(out->cache, 0)->name);
    const lb_cache_tap *t = lb_cache_tap_at(out->cache, lb_cache_tap_find(out->cache, out->tap));
    if (!t) st = lb_fail(LB_E_NOTFOUND, "%s: no tap '%s'", path, out->tap);
    else if (t->ragged) st = lb_fail(LB_E_UNSUPPORTED, "%s: tap '%s' varies in length and cannot be an input", path, out->tap);
done:
    lb_free(path);
    if (st != LB_OK) cli_feature_close(out);
    return st;
}

void cli_feature_close(cli_feature_input *f) {
    lb_cache_close(f->cache);
    f->cache = NULL;
}
