/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/source_private.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include "cli/source_mix.h"
#include "io/uri.h"

enum { EVAL_BATCH = 64 };

lb_status source_add(lb_batch *b, const char *name, lb_dtype dtype, int rank, const int64_t *shape, lb_tensor **out) {
    if (b->count == (int)LB_COUNT(b->at)) return lb_fail(LB_E_LIMIT, "a batch holds at most %d names", b->count);
    lb_status st = lb_tensor_new(out, dtype, rank, shape);
    if (st != LB_OK) return st;
    snprintf(b->at[b->count].name, sizeof b->at[0].name, "%s", name);
    b->at[b->count++].x = *out;
    return LB_OK;
}

/* ---- texts ---- */

static lb_status tokenise_all(cli_source *s) {
    lb_status st = LB_OK;
    for (int64_t i = 0; i < s->spec.items->count && st == LB_OK; i++) {
        const lb_item *item = &s->spec.items->at[i];
        if (!item->text) continue;
        st = lb_tokenize(s->spec.tokenizer, item->text, item->text_size, s->spec.max_tokens, &s->tokens[i].ids, &s->tokens[i].count);
        if (st != LB_OK) st = lb_where(st, "item %s", item->key);
    }
    return st;
}

static lb_status add_texts(cli_source *s, const int64_t *items, int64_t n, lb_batch *b) {
    lb_status st = LB_OK;
    lb_tensor *ids = NULL, *mask = NULL;
    int64_t longest = 1;
    for (int64_t i = 0; i < n; i++)
        if (s->tokens[items[i]].count > longest) longest = s->tokens[items[i]].count;
    LB_TRY(source_add(b, "ids", LB_I64, 2, (int64_t[]){n, longest}, &ids));
    LB_TRY(source_add(b, "mask", LB_I64, 2, (int64_t[]){n, longest}, &mask));
    for (int64_t i = 0; i < n; i++) {
        const source_tokens *t = &s->tokens[items[i]];
        if (!t->ids) {
            st = lb_fail(LB_E_NOTFOUND, "item %s has no text", s->spec.items->at[items[i]].key);
            goto done;
        }
        int64_t *row = (int64_t *)ids->data + i * longest, *on = (int64_t *)mask->data + i * longest;
        for (int64_t k = 0; k < longest; k++) {
            row[k] = k < t->count ? t->ids[k] : s->spec.tokenizer->pad_id;
            on[k] = k < t->count;
        }
    }
done:
    return st;
}

/* ---- cached features and labels ---- */

/* Of several views the one that the picture shows. */
static lb_status read_views(cli_source *s, const cli_feature *f, const int64_t *items, const int64_t *rows, int64_t n, uint64_t epoch, lb_tensor *x) {
    int64_t width = lb_numel(x) / n;
    float *all = lb_alloc((size_t)(f->views * width) + 1, sizeof *all);
    lb_status st = all ? LB_OK : LB_E_NOMEM;
    for (int64_t i = 0; i < n && st == LB_OK; i++) {
        st = lb_cache_read(f->cache, f->tap, 1, &rows[i], all);
        memcpy((float *)x->data + i * width, all + source_view(s, items[i], epoch) * width, (size_t)width * sizeof *all);
    }
    lb_free(all);
    return st;
}

static lb_status add_feature(cli_source *s, int f, const int64_t *items, int64_t n, uint64_t epoch, lb_batch *b) {
    const cli_feature *feature = &s->spec.features[f];
    const lb_cache_tap *tap = lb_cache_tap_at(feature->cache, feature->tap);
    lb_status st = LB_OK;
    lb_tensor *x = NULL;
    int skip = feature->views ? 1 : 0;
    int64_t shape[LB_MAX_RANK] = {n}, *rows = lb_alloc((size_t)n, sizeof *rows);
    if (!rows) return LB_E_NOMEM;
    for (int r = skip; r < tap->rank && r + 1 < LB_MAX_RANK; r++) shape[r + 1 - skip] = tap->shape[r];
    LB_TRY(source_add(b, feature->name, LB_F32, tap->rank + 1 - skip, shape, &x));
    for (int64_t i = 0; i < n; i++) {
        rows[i] = s->rows[f][items[i]];
        if (rows[i] < 0) {
            st = lb_fail(LB_E_NOTFOUND, "feature '%s': the cache has no good row for item %s", feature->name, s->spec.items->at[items[i]].key);
            goto done;
        }
    }
    if (feature->views) st = read_views(s, feature, items, rows, n, epoch, x);
    else st = lb_cache_read(feature->cache, feature->tap, n, rows, x->data);
done:
    lb_free(rows);
    return st;
}

static lb_status add_labels(cli_source *s, const int64_t *items, int64_t n, lb_batch *b) {
    lb_tensor *x = NULL;
    lb_status st = source_add(b, "label", LB_I64, 1, &n, &x);
    for (int64_t i = 0; i < n && st == LB_OK; i++) ((int64_t *)x->data)[i] = s->label[items[i]];
    return st;
}

static lb_status find_labels(cli_source *s) {
    if (!(s->label = lb_alloc((size_t)s->spec.items->count, sizeof *s->label))) return LB_E_NOMEM;
    for (int64_t i = 0; i < s->spec.items->count; i++) {
        s->label[i] = -1;
        for (int64_t k = 0; k < s->spec.label_count && s->spec.items->at[i].label; k++)
            if (strcmp(s->spec.labels[k], s->spec.items->at[i].label) == 0) s->label[i] = k;
    }
    return LB_OK;
}

static lb_status find_rows(cli_source *s) {
    if (!(s->rows = lb_calloc((size_t)s->spec.nfeatures + 1, sizeof *s->rows))) return LB_E_NOMEM;
    for (int f = 0; f < s->spec.nfeatures; f++) {
        const lb_cache *cache = s->spec.features[f].cache;
        if (!(s->rows[f] = lb_alloc((size_t)s->spec.items->count, sizeof **s->rows))) return LB_E_NOMEM;
        for (int64_t i = 0; i < s->spec.items->count; i++) {
            int64_t row = lb_cache_find(cache, s->spec.items->at[i].key);
            s->rows[f][i] = row >= 0 && lb_cache_row_status(cache, row) == 0 ? row : -1;
        }
    }
    return LB_OK;
}

/* ---- batches ---- */

bool source_uses(const cli_stream *stream, const cli_feature *f) { return stream->bare ? false : f->of_text ? stream->text : stream->image || stream->audio || stream->video || !stream->unpaired; }

/* A sound, a video and a label, where the stream uses them. */
static bool has_media(const cli_source *s, const cli_stream *stream, int64_t item) {
    const lb_item *has = &s->spec.items->at[item];
    return !(stream->audio && !has->audio) && !(stream->video && !has->video) && !(stream->labelled && s->label[item] < 0);
}

/* Leaves out items that lack what the stream uses. */
static lb_status prune(cli_source *s, cli_stream *stream) {
    int64_t kept = 0;
    for (int64_t i = 0; i < stream->count; i++) {
        int64_t item = stream->rows[i];
        bool ok = !(stream->text && s->spec.tokenizer && !s->tokens[item].ids) && !(stream->mask && !lb_item_has_mask(&s->spec.items->at[item]));
        for (int f = 0; f < s->spec.nfeatures; f++)
            if (source_uses(stream, &s->spec.features[f]) && s->rows[f][item] < 0) ok = false;
        if (ok && has_media(s, stream, item)) stream->rows[kept++] = item;
    }
    if (kept < stream->count)
        lb_say(LB_LOG_WARN, "train", "stream %s: %lld of %lld items lack a text, a label, a mask, a sound, a video or a good cached row and are left out",
               stream->name, (long long)(stream->count - kept), (long long)stream->count);
    stream->count = kept;
    if (kept == 0) return lb_fail(LB_E_ARG, "stream %s has no items", stream->name);
    return LB_OK;
}

lb_status source_each(int hands, int64_t n, lb_status (*work)(void *ctx, int64_t i, void **none), void *ctx, int64_t *failed) {
    lb_flow *flow = NULL;
    bool end = false;
    void *none = NULL;
    lb_status st = lb_flow_open(&flow, &(lb_flow_spec){.count = n, .workers = hands > 1 && n > 1 ? hands : 0, .depth = (int)n, .work = work, .ctx = ctx});
    while (st == LB_OK && !end) st = lb_flow_next(flow, failed, &none, &end);
    lb_flow_close(flow);
    return st;
}

/* Sounds and videos; one that cannot be read is a broken item, as a picture is. */
static lb_status add_media(cli_source *s, int hands, const cli_stream *stream, const int64_t *items, int64_t n, lb_batch *b) {
    int64_t bad = -1;
    lb_status st = stream->audio && s->spec.audio ? source_add_audio(&s->spec, hands, items, n, b, &bad) : LB_OK;
    if (st == LB_OK && stream->video && s->spec.image) st = source_add_video(&s->spec, hands, stream->frames, items, n, b, &bad);
    return st != LB_OK && bad >= 0 ? source_mark_broken(s, bad, st) : st;
}

static bool seen_or_heard(const cli_stream *stream) { return stream->image || stream->audio || stream->video; }

static lb_status fill(cli_source *s, int hands, const cli_stream *stream, const int64_t *pictures, const int64_t *texts, int64_t n, uint64_t epoch, lb_batch *b) {
    lb_status st = LB_OK;
    b->rows = n;
    if (!(b->keys = lb_calloc((size_t)n + 1, sizeof *b->keys))) return LB_E_NOMEM;
    for (int64_t i = 0; i < n; i++)
        if (!(b->keys[i] = lb_strdup(s->spec.items->at[(seen_or_heard(stream) || !stream->text ? pictures : texts)[i]].key))) return LB_E_NOMEM;
    if (stream->image && s->spec.image) LB_TRY(source_add_pictures(s, hands, stream, pictures, n, epoch, b));
    LB_TRY(add_media(s, hands, stream, pictures, n, b));
    if (stream->text && s->spec.tokenizer) LB_TRY(add_texts(s, texts, n, b));
    for (int f = 0; f < s->spec.nfeatures; f++)
        if (source_uses(stream, &s->spec.features[f])) LB_TRY(add_feature(s, f, s->spec.features[f].of_text ? texts : pictures, n, epoch, b));
    if (s->spec.label_count > 0) LB_TRY(add_labels(s, pictures, n, b));
    if (stream->augment && s->spec.pairs)
        LB_TRY(cli_mix_batch(
            b, &(cli_mix_spec){
                   .pairs = s->spec.pairs, .seed = s->spec.seed, .epoch = epoch, .classes = s->spec.label_count, .mask_nonzero = s->spec.mask_nonzero}));
done:
    return st;
}

void cli_batch_release(lb_batch *b) {
    for (int i = 0; i < b->count; i++) lb_tensor_free(b->at[i].x);
    for (int64_t i = 0; b->keys && i < b->rows; i++) lb_free(b->keys[i]);
    lb_free(b->keys);
    *b = (lb_batch){0};
}

/* From places in the stream to items; one whose picture is broken gives way to the next of the stream. *changed: another choice than items
 * held. What a step holds so depends on the data alone, however early a broken picture is met. */
static lb_status choose(cli_source *s, const cli_stream *stream, const int64_t *places, int64_t n, bool pictures, int64_t *items, bool *changed) {
    for (int64_t i = 0; i < n; i++) {
        int64_t k = 0, item = stream->rows[places[i]];
        while (pictures && source_is_broken(s, item) && ++k < stream->count) item = stream->rows[(places[i] + k) % stream->count];
        if (k && k == stream->count) return lb_fail(LB_E_NOTFOUND, "stream %s: no picture of its items can be read", stream->name);
        *changed |= items[i] != item;
        items[i] = item;
    }
    return LB_OK;
}

/* What the next step reads, where no worker reads it meanwhile. */
static void look_ahead(const source_ahead *a, int64_t step) {
    const cli_stream *stream = a->stream;
    const cli_source *s = a->source;
    int64_t epoch = 0, all = stream->batch, n = all / s->spec.parts, *places = lb_alloc((size_t)all, sizeof *places);
    bool known = places && seen_or_heard(stream) && lb_sampler_batch(a->order.sampler, places, &epoch, all, step) == LB_OK;
    for (int64_t i = s->spec.part * n; known && i < (s->spec.part + 1) * n; i++) {
        int64_t item = stream->rows[places[i]];
        const lb_item *it = &s->spec.items->at[item];
        if (stream->image && it->image && !s->kept[item].pixels) lb_uri_ahead(it->image);
        if (stream->audio && it->audio) lb_uri_ahead(it->audio);
        if (stream->video && it->video) lb_uri_ahead(it->video);
    }
    lb_error_clear();
    lb_free(places);
}

/* Step k of a stream: pictures and texts in the same order, or in two orders when unpaired. */
static lb_status make_step(void *ctx, int64_t step, void **result) {
    const source_ahead *a = ctx;
    cli_source *s = a->source;
    const cli_stream *stream = a->stream;
    lb_status st = LB_OK;
    int64_t all = stream->batch, n = all / s->spec.parts, epoch = 0;
    lb_batch *b = lb_calloc(1, sizeof *b);
    int64_t *rows = lb_calloc((size_t)all * 4, sizeof *rows), *items = rows + 2 * all;
    if (!b || !rows) {
        st = LB_E_NOMEM;
        goto done;
    }
    LB_TRY(lb_sampler_batch(a->order.sampler, rows, &epoch, all, step));
    memcpy(rows + all, rows, (size_t)all * sizeof *rows);
    if (stream->unpaired) LB_TRY(lb_sampler_batch(a->texts.sampler, rows + all, &epoch, all, step));
    for (int half = 0; half < 2; half++) memmove(rows + half * n, rows + half * all + s->spec.part * n, (size_t)n * sizeof *rows);
    for (int64_t i = 0; i < 2 * n; i++) items[i] = -1;
    lb_status made = LB_E_NOTFOUND;
    for (bool changed = true; made != LB_OK && changed;) {
        changed = false;
        LB_TRY(choose(s, stream, rows, n, seen_or_heard(stream), items, &changed));
        LB_TRY(choose(s, stream, rows + n, n, seen_or_heard(stream) && !stream->unpaired, items + n, &changed));
        if (!changed) break;
        cli_batch_release(b);
        made = fill(s, s->spec.workers > 0 ? 1 : lb_threads(), stream, items, items + n, n, (uint64_t)epoch, b);
    }
    LB_TRY(made);
    if (s->spec.workers == 0) look_ahead(a, step + 1);
    *result = b;
    b = NULL;
done:
    if (b) cli_batch_release(b);
    lb_free(b);
    lb_free(rows);
    return st;
}

static void drop_step(void *ctx, void *result) {
    (void)ctx;
    cli_batch_release(result);
    lb_free(result);
}

static source_ahead *find_ahead(cli_source *s, const char *stream) {
    for (int i = 0; i < s->spec.nstreams; i++)
        if (strcmp(s->spec.streams[i].name, stream) == 0) return &s->ahead[i];
    return NULL;
}

static int64_t source_rows(void *ctx, const char *stream) {
    const source_ahead *a = find_ahead(ctx, stream);
    return a ? a->stream->count : 0;
}

static lb_status source_batch(void *ctx, const char *stream, int64_t step, lb_batch *out) {
    lb_status st = LB_OK;
    source_ahead *a = find_ahead(ctx, stream);
    if (!a) return lb_fail(LB_E_NOTFOUND, "no stream '%s'", stream);
    if (!a->flow || a->next != step) {
        lb_flow_close(a->flow);
        a->flow = NULL;
        a->next = step;
        LB_TRY(lb_flow_open(&a->flow, &(lb_flow_spec){.first = step, .count = INT64_MAX, .workers = a->source->spec.workers, .depth = 2, .work = make_step, .drop = drop_step, .ctx = a}));
    }
    int64_t index = 0;
    void *result = NULL;
    bool end = false;
    LB_TRY(lb_flow_next(a->flow, &index, &result, &end));
    a->next = step + 1;
    *out = *(lb_batch *)result;
    lb_free(result);
done:
    return st;
}

static void source_release(void *ctx, lb_batch *b) {
    (void)ctx;
    cli_batch_release(b);
}

/* Without augmentation; a broken item shows what stands in for it in steps. */
static lb_status source_span(void *ctx, const char *stream, int64_t at, int64_t n, lb_batch *out) {
    cli_source *s = ctx;
    const source_ahead *a = find_ahead(s, stream);
    bool changed = true;
    lb_status st = LB_OK, made = LB_E_NOTFOUND;
    int64_t *places = lb_calloc((size_t)n * 2 + 1, sizeof *places), *items = places + n;
    if (!a || !places) st = a ? LB_E_NOMEM : lb_fail(LB_E_NOTFOUND, "no stream '%s'", stream);
    for (int64_t i = 0; st == LB_OK && i < n; i++) places[i] = at + i, items[i] = -1;
    while (st == LB_OK && made != LB_OK && changed) {
        cli_stream plain = *a->stream;
        plain.augment = changed = false;
        st = choose(s, a->stream, places, n, seen_or_heard(a->stream), items, &changed);
        cli_batch_release(out);
        if (st == LB_OK && changed) made = fill(s, lb_threads(), &plain, items, items, n, 0, out);
    }
    lb_free(places);
    return st == LB_OK ? made : st;
}

static lb_status source_key(void *ctx, const char *stream, int64_t item, char **out) {
    const source_ahead *a = find_ahead(ctx, stream);
    *out = a ? lb_strdup(a->source->spec.items->at[a->stream->rows[item]].key) : NULL;
    return *out ? LB_OK : LB_E_NOMEM;
}

lb_batch_source cli_source_batches(cli_source *s) { return (lb_batch_source){.ctx = s, .rows = source_rows, .batch = source_batch, .release = source_release, .span = source_span, .key = source_key}; }

/* What is known of a picture alone is not true of a mixed one. */
static lb_status check_pairs(const cli_source *s) {
    for (int i = 0; s->spec.pairs && i < s->spec.nstreams; i++) {
        const cli_stream *stream = &s->spec.streams[i];
        if (!stream->augment) continue;
        if (!stream->image || stream->text) return lb_fail(LB_E_ARG, "stream %s: mixup and cutmix are of pictures with labels or masks, not with texts", stream->name);
        for (int f = 0; f < s->spec.nfeatures; f++)
            if (source_uses(stream, &s->spec.features[f]))
                return lb_fail(LB_E_ARG,
                               "stream %s: feature '%s' is of pictures that were not mixed; a teacher of the recipe (teachers) sees what the student sees",
                               stream->name, s->spec.features[f].name);
    }
    return LB_OK;
}

/* All features with views have the same, and every stream that uses one augments. */
static lb_status check_views(cli_source *s) {
    const cli_feature *first = NULL;
    for (int f = 0; f < s->spec.nfeatures; f++) {
        const cli_feature *now = &s->spec.features[f];
        float *all[2] = {NULL, NULL};
        if (!now->views) continue;
        for (int i = 0; i < s->spec.nstreams; i++)
            if (source_uses(&s->spec.streams[i], now) && !s->spec.streams[i].augment)
                return lb_fail(LB_E_ARG, "stream %s: feature '%s' holds %lld augmented views of each picture; the stream needs augment: true",
                               s->spec.streams[i].name, now->name, (long long)now->views);
        if (!first) {
            first = now;
            s->viewed = f;
            continue;
        }
        if (now->views != first->views) return lb_fail(LB_E_MISMATCH, "features '%s' and '%s' hold %lld and %lld views", first->name, now->name, (long long)first->views, (long long)now->views);
        int64_t item = 0, numbers[2] = {lb_cache_tap_at(first->cache, first->draws)->shape[1], lb_cache_tap_at(now->cache, now->draws)->shape[1]};
        while (item < s->spec.items->count && (s->rows[s->viewed][item] < 0 || s->rows[f][item] < 0)) item++;
        lb_status st = LB_OK;
        for (int k = 0; k < 2 && st == LB_OK && item < s->spec.items->count; k++) {
            const cli_feature *from = k == 0 ? first : now;
            all[k] = lb_alloc((size_t)(from->views * numbers[k]), sizeof **all);
            st = all[k] ? lb_cache_read(from->cache, from->draws, 1, &s->rows[k == 0 ? s->viewed : f][item], all[k]) : LB_E_NOMEM;
        }
        bool same = numbers[0] == numbers[1] && (!all[1] || memcmp(all[0], all[1], (size_t)(now->views * numbers[1]) * sizeof **all) == 0);
        lb_free(all[0]);
        lb_free(all[1]);
        if (st != LB_OK) return st;
        if (!same) return lb_fail(LB_E_MISMATCH, "features '%s' and '%s' hold views of other draws (--seed, --augment)", first->name, now->name);
    }
    return LB_OK;
}

lb_status cli_source_open(cli_source **out, const cli_source_spec *spec) {
    lb_status st = LB_OK;
    cli_source *s = lb_calloc(1, sizeof *s);
    if (!s) return LB_E_NOMEM;
    s->spec = *spec;
    if (s->spec.parts < 1) s->spec.parts = 1;
    s->viewed = -1;
    pthread_mutex_init(&s->lock, NULL);
    int64_t n = spec->items->count;
    s->tokens = lb_calloc((size_t)n + 1, sizeof *s->tokens);
    s->kept = lb_calloc((size_t)n + 1, sizeof *s->kept);
    s->broken = lb_calloc((size_t)n + 1, 1);
    s->ahead = lb_calloc((size_t)spec->nstreams + 1, sizeof *s->ahead);
    if (!s->tokens || !s->kept || !s->broken || !s->ahead) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int i = 0; i < spec->nstreams; i++) s->ahead[i] = (source_ahead){.source = s, .stream = &spec->streams[i]};
    if (spec->tokenizer) LB_TRY(tokenise_all(s));
    LB_TRY(find_labels(s));
    LB_TRY(find_rows(s));
    for (int i = 0; i < spec->nstreams; i++) {
        if (spec->streams[i].batch % s->spec.parts != 0)
            LB_TRY(lb_fail(LB_E_ARG, "stream %s: a batch of %lld cannot be shared evenly by %d processes", spec->streams[i].name, (long long)spec->streams[i].batch, s->spec.parts));
        LB_TRY(prune(s, &spec->streams[i]));
        LB_TRY(source_order_open(s, &spec->streams[i], false, &s->ahead[i].order));
        if (spec->streams[i].unpaired) LB_TRY(source_order_open(s, &spec->streams[i], true, &s->ahead[i].texts));
    }
    LB_TRY(check_views(s));
    LB_TRY(check_pairs(s));
    *out = s;
    s = NULL;
done:
    cli_source_close(s);
    return st;
}

void cli_source_close(cli_source *s) {
    if (!s) return;
    for (int i = 0; s->ahead && i < s->spec.nstreams; i++) {
        lb_flow_close(s->ahead[i].flow);
        source_order_close(&s->ahead[i].order);
        source_order_close(&s->ahead[i].texts);
    }
    for (int64_t i = 0; i < s->spec.items->count; i++) {
        if (s->tokens) lb_free(s->tokens[i].ids);
        if (s->kept) lb_image_free(&s->kept[i]);
    }
    for (int f = 0; s->rows && f < s->spec.nfeatures; f++) lb_free(s->rows[f]);
    pthread_mutex_destroy(&s->lock);
    lb_free(s->rows);
    lb_free(s->label);
    lb_free(s->tokens);
    lb_free(s->kept);
    lb_free(s->broken);
    lb_free(s->ahead);
    lb_free(s);
}

/* ---- evaluation ---- */

lb_status cli_source_make(cli_source *s, const int64_t *items, int64_t count, bool image, bool text, lb_batch *out) {
    cli_stream plain = {.name = "", .image = image, .text = text, .unpaired = true};
    for (int i = 0; image && i < s->spec.nstreams; i++) { /* what the streams are made of */
        const cli_stream *used = &s->spec.streams[i];
        if (!used->audio && !used->video) continue;
        plain.image = used->image;
        plain.audio = used->audio;
        plain.video = used->video;
        plain.frames = used->frames;
        break;
    }
    *out = (lb_batch){0};
    lb_status st = fill(s, lb_threads(), &plain, items, items, count, 0, out);
    if (st != LB_OK) cli_batch_release(out);
    return st;
}

lb_status cli_source_pictures(cli_source *s, const int64_t *items, int64_t count, lb_batch *out) {
    cli_stream plain = {.name = "", .image = true, .bare = true};
    *out = (lb_batch){0};
    lb_status st = fill(s, lb_threads(), &plain, items, items, count, 0, out);
    if (st != LB_OK) cli_batch_release(out);
    return st;
}

static lb_status run_tap(lb_tape *t, lb_model *m, const lb_batch *b, const char *tap, float **all, int64_t count, int64_t at, int64_t *width) {
    lb_named in[LB_COUNT(b->at)];
    lb_tensor *y = NULL;
    for (int i = 0; i < b->count; i++) in[i] = (lb_named){b->at[i].name, b->at[i].x};
    lb_model_run(m, t, b->count, in, 1, &tap, &y);
    lb_status st = lb_tape_status(t);
    if (st != LB_OK) return st;
    if (!y || y->rank != 2) return lb_fail(LB_E_SHAPE, "tap '%s' is no [rows, width] tensor", tap);
    if (!*all) {
        *width = y->shape[1];
        if (!(*all = lb_alloc((size_t)(count * *width), sizeof **all))) return LB_E_NOMEM;
    }
    for (int64_t i = 0; i < b->rows * *width; i++) (*all)[at * *width + i] = (float)lb_get_at(y, i);
    return LB_OK;
}

lb_status cli_source_embed(cli_source *s, lb_model *m, const int64_t *items, int64_t count, bool image, bool text, const char *tap, float **out, int64_t *width) {
    lb_status st = LB_OK;
    float *all = NULL;
    lb_batch b = {0};
    lb_tape *t = NULL;
    LB_TRY(lb_tape_new(&t));
    lb_tape_set_mode(t, LB_TAPE_NO_GRAD);
    for (int64_t at = 0; at < count; at += EVAL_BATCH) {
        int64_t n = count - at < EVAL_BATCH ? count - at : EVAL_BATCH;
        LB_TRY(cli_source_make(s, items + at, n, image, text, &b));
        LB_TRY(run_tap(t, m, &b, tap, &all, count, at, width));
        cli_batch_release(&b);
        lb_tape_reset(t);
    }
    *out = all;
    all = NULL;
done:
    cli_batch_release(&b);
    lb_tape_free(t);
    lb_free(all);
    return st;
}
